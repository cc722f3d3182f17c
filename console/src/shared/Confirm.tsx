import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";

interface ConfirmProps {
  title: string;
  /** What will happen. */
  children: ReactNode;
  /** On the button that does it: a verb. */
  label: string;
  busy?: boolean;
  /** Why it cannot be done yet. */
  disabledReason?: string | undefined;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks before a change, and says what it will do. Render it while it is open. */
export function Confirm(props: ConfirmProps) {
  const { title, children, label, busy = false, disabledReason, onConfirm, onCancel } = props;
  const buttons = (
    <Box float="right">
      <SpaceBetween direction="horizontal" size="xs">
        <Button variant="link" onClick={onCancel} disabled={busy}>
          Cancel
        </Button>
        <Button
          variant="primary"
          onClick={onConfirm}
          loading={busy}
          disabled={disabledReason !== undefined}
          {...(disabledReason === undefined ? {} : { disabledReason })}
        >
          {label}
        </Button>
      </SpaceBetween>
    </Box>
  );
  return (
    <Modal visible header={title} onDismiss={onCancel} footer={buttons}>
      {children}
    </Modal>
  );
}
