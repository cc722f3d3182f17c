import Toggle from "@cloudscape-design/components/toggle";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { useReadOnly } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { Confirm } from "../../shared/Confirm.tsx";
import { useAction } from "../../shared/useAction.ts";
import type { Rule } from "./sentence.ts";

interface RuleProps {
  rule: Rule;
  sentence: string;
  onChanged: () => void;
}

const ON_TEXT =
  "It is for actions taken from now on. What was taken while it was off is past for it.";
const OFF_TEXT =
  "Nothing is done for actions taken while it is off, also not when it is on again: they are " +
  "past for it. What it did stays done.";

/** On or off; asks before it changes. */
export function RuleToggle({ rule, sentence, onChanged }: RuleProps) {
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  const on = !rule.enabled;
  const change = useAction(
    (api) =>
      api.patch("/automations/{rule_id}", { path: { rule_id: rule.id }, body: { enabled: on } }),
    {
      done: on
        ? "The automation is on. It is for actions taken from now on."
        : "The automation is off.",
      then: onChanged,
    },
  );
  return (
    <>
      <Toggle
        checked={rule.enabled}
        disabled={readOnly !== undefined || change.busy}
        ariaLabel={`${rule.enabled ? "On" : "Off"}: ${sentence}`}
        onChange={() => setAsking(true)}
      >
        {rule.enabled ? "On" : "Off"}
      </Toggle>
      {asking && (
        <Confirm
          title={on ? "Switch this automation on?" : "Switch this automation off?"}
          label={on ? "Switch on" : "Switch off"}
          busy={change.busy}
          onConfirm={() => void change.run().then(() => setAsking(false))}
          onCancel={() => setAsking(false)}
        >
          <SpaceBetween size="s">
            <div>{sentence}.</div>
            <div>
              {on ? ON_TEXT : OFF_TEXT}
            </div>
          </SpaceBetween>
        </Confirm>
      )}
    </>
  );
}

interface DeleteProps extends RuleProps {
  variant?: "normal" | "inline-link";
}

export function DeleteRule({ rule, sentence, onChanged, variant = "inline-link" }: DeleteProps) {
  const remove = useAction(
    (api) => api.delete("/automations/{rule_id}", { path: { rule_id: rule.id } }),
    { done: "The automation is deleted. What it did stays done.", then: onChanged },
  );
  return (
    <ChangeButton
      variant={variant}
      action={remove}
      label={`Delete the automation: ${sentence}`}
      confirm={{
        title: "Delete this automation?",
        text: (
          <SpaceBetween size="s">
            <div>{sentence}.</div>
            <div>
              Nothing more is done by it, and what became of it can no longer be looked up. What it
              did stays done: whoever was added to a group stays in it.
            </div>
            <div>
              An equal one that is made later knows nothing of this one: at their next action it
              may add and text somebody again.
            </div>
          </SpaceBetween>
        ),
      }}
    >
      Delete
    </ChangeButton>
  );
}
