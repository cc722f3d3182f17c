import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Shown } from "../../api/client.ts";
import { Time } from "../../shared/Time.tsx";
import { counted, number } from "../../shared/words.ts";

/** How far the account is: a bar while the initial sync is not done, then the figures alone. */
export function Progress({ progress }: { progress: Shown<"ProgressShown"> }) {
  const whole = progress.total > 0 && progress.scanned >= progress.total;
  const share = progress.total === 0 ? 0 : (100 * progress.scanned) / progress.total;
  return (
    <Container header={<Header variant="h2">{whole ? "The list" : "Progress"}</Header>}>
      <SpaceBetween size="l">
        {!whole && (
          <ProgressBar
            value={Math.min(99, share)}
            label="Users looked at"
            additionalInfo={`${number(progress.scanned)} of ${counted(progress.total, "user")}`}
          />
        )}
        <KeyValuePairs
          columns={4}
          items={[
            { label: "Users in ActionKit", value: number(progress.total) },
            { label: "Synced with Strive", value: number(progress.synced) },
            {
              label: "Pace",
              value:
                progress.per_minute > 0
                  ? `${counted(Math.round(progress.per_minute), "user")} a minute`
                  : "–",
            },
            {
              label: "Expected end",
              value: <Time at={whole ? null : progress.expected_end} none={whole ? "Done" : "–"} />,
            },
          ]}
        />
      </SpaceBetween>
    </Container>
  );
}
