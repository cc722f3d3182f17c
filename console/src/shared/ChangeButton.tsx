import Button, { type ButtonProps } from "@cloudscape-design/components/button";
import { type ReactNode, useState } from "react";

import { useReadOnly } from "../session/SessionContext.ts";
import { Confirm } from "./Confirm.tsx";
import type { Action } from "./useAction.ts";

interface ChangeButtonProps {
  children: string;
  action: Action<[]>;
  /** Asked before: what will happen. Without it the change is made at once. */
  confirm?: { title: string; text: ReactNode; label?: string };
  variant?: ButtonProps.Variant;
  iconName?: ButtonProps["iconName"];
  /** Why it cannot be done now. */
  disabledReason?: string | undefined;
  /** For screen readers, where the button's text alone does not say what it is about. */
  label?: string;
}

/** A button that changes something: not for viewers, asks before, shows that it is at work. */
export function ChangeButton(props: ChangeButtonProps) {
  const { children, action, confirm, variant = "normal", iconName, label } = props;
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  const disabledReason = readOnly ?? props.disabledReason;

  const change = (): void => {
    void action.run().then(() => setAsking(false));
  };
  return (
    <>
      <Button
        variant={variant}
        onClick={confirm ? () => setAsking(true) : change}
        loading={action.busy && !asking}
        disabled={disabledReason !== undefined}
        {...(disabledReason === undefined ? {} : { disabledReason })}
        {...(iconName === undefined ? {} : { iconName })}
        {...(label === undefined ? {} : { ariaLabel: label })}
      >
        {children}
      </Button>
      {asking && confirm && (
        <Confirm
          title={confirm.title}
          label={confirm.label ?? children}
          busy={action.busy}
          onConfirm={change}
          onCancel={() => setAsking(false)}
        >
          {confirm.text}
        </Confirm>
      )}
    </>
  );
}
