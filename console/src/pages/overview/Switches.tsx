import Checkbox from "@cloudscape-design/components/checkbox";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { Confirm } from "../../shared/Confirm.tsx";
import { useAction } from "../../shared/useAction.ts";

interface SwitchesProps {
  activation: Shown<"ActivationShown">;
  onChanged: () => void;
}

/** On, pause, resume, off: those that the account's state allows. */
export function Switches({ activation, onChanged }: SwitchesProps) {
  const { phase } = activation;
  const pause = useAction((api) => api.post("/activation/pause"), {
    done: "The sync is paused. Refusals are still carried.",
    then: onChanged,
  });
  const resume = useAction((api) => api.post("/activation/resume"), {
    done: "The sync goes on.",
    then: onChanged,
  });
  const off = useAction((api) => api.delete("/activation"), {
    done: "The sync is switched off. The connection is deleted within a minute.",
    then: onChanged,
  });
  if (phase === "off") return <SwitchOn onChanged={onChanged} />;
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {phase === "paused" ? (
        <ChangeButton
          action={resume}
          variant="primary"
          confirm={{
            title: "Resume the sync?",
            text:
              "The sync goes on where it was. What people did during the pause is carried, but " +
              "starts no automation and texts nobody.",
          }}
        >
          Resume
        </ChangeButton>
      ) : (
        phase !== "stopped_credentials" && (
          <ChangeButton
            action={pause}
            confirm={{
              title: "Pause the sync?",
              text:
                "Nobody is linked or created and no value is carried until you resume. Refusals " +
                "to be texted are still carried. The connection is kept.",
            }}
          >
            Pause
          </ChangeButton>
        )
      )}
      <ChangeButton
        action={off}
        confirm={{
          title: "Switch the sync off?",
          text:
            "Refusals already seen are carried first. Then the credentials and the connection " +
            "are deleted, and nothing is synced any more. Everything stays as it is in ActionKit " +
            "and in Strive. To switch on again you will need the credentials of both.",
        }}
      >
        Switch off
      </ChangeButton>
    </SpaceBetween>
  );
}

function SwitchOn({ onChanged }: { onChanged: () => void }) {
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  const [confirmed, setConfirmed] = useState(false);
  const [adopt, setAdopt] = useState(false);
  const on = useAction(
    (api) =>
      api.put("/activation", {
        body: { confirm_no_new_member_automation: confirmed, adopt_primary_group: adopt },
      }),
    { done: "The sync is on. The initial sync of the whole list has begun.", then: onChanged },
  );
  const taken = on.problem?.code === "group_name_taken";
  return (
    <>
      <Button
        variant="primary"
        onClick={() => setAsking(true)}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Switch on
      </Button>
      {asking && (
        <Confirm
          title="Switch the sync on?"
          label="Switch on"
          busy={on.busy}
          disabledReason={confirmed ? undefined : "Confirm first that there is no such automation."}
          onConfirm={() => void on.run().then((done) => done && setAsking(false))}
          onCancel={() => setAsking(false)}
        >
          <SpaceBetween size="m">
            <p>
              The whole list is looked at, everybody eligible is linked to their Strive member or
              created there, and from then on both sides are kept in step every ten minutes. This
              changes people’s records in both systems.
            </p>
            <Checkbox
              checked={confirmed}
              onChange={({ detail }) => setConfirmed(detail.checked)}
              description={
                "Such an automation would text everybody whom the sync creates. Nobody can see " +
                "that from here: look in Strive."
              }
            >
              No Strive automation “New member is added via API” is active
            </Checkbox>
            {(taken || adopt) && (
              <Checkbox
                checked={adopt}
                onChange={({ detail }) => setAdopt(detail.checked)}
                description={on.problem?.message ?? "Its members stay in it."}
              >
                Use the group of that name that is in Strive already
              </Checkbox>
            )}
          </SpaceBetween>
        </Confirm>
      )}
    </>
  );
}
