import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Shown } from "../../api/client.ts";
import { useAddress } from "../../app/places.tsx";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { useAction } from "../../shared/useAction.ts";

interface SwitchesProps {
  activation: Shown<"ActivationShown">;
  onChanged: () => void;
}

/** On, pause, resume, off: those that the account's state allows. */
export function Switches({ activation, onChanged }: SwitchesProps) {
  const { phase } = activation;
  const address = useAddress();
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
  if (phase === "off") {
    // The steps ask for all that it takes, after being off for the connection too.
    return (
      <Button variant="primary" href={address("/turning-on")}>
        Turn on the sync
      </Button>
    );
  }
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
