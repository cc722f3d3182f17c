import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { Time } from "../../shared/Time.tsx";
import { WARNINGS } from "../../shared/words.ts";
import { UserStatus } from "../../shared/UserStatus.tsx";
import { WARNING_TEXTS } from "./words.ts";

type Page = Shown<"UserPageShown">;

/** Reasons whose text names another user. */
const OF_ANOTHER = new Set(["number_taken", "member_taken", "merged"]);

/** In one glance: whether the person is synced, why not, and what would change it. */
export function Standing({ page }: { page: Page }) {
  const { reason, member } = page;
  const other = OF_ANOTHER.has(reason.code) ? /user (\d+)/i.exec(reason.text)?.[1] : undefined;
  return (
    <Container header={<Header variant="h2">{headline(page)}</Header>}>
      <SpaceBetween size="l">
        <KeyValuePairs
          columns={4}
          items={[
            { label: "Status", value: <UserStatus status={page.status} /> },
            {
              label: "Why",
              value: (
                <>
                  {reason.text}
                  {other !== undefined && (
                    <Box>
                      <To to={`/users/${other}`}>Look at user {other}</To>
                    </Box>
                  )}
                </>
              ),
            },
            { label: "What would change it", value: reason.fix ?? "Nothing to do." },
            { label: "Since", value: <Time at={reason.at} none="Not known" /> },
            {
              label: "Member in Strive",
              value:
                page.member_id === null ? (
                  "None"
                ) : (
                  <>
                    Member {page.member_id}
                    {member && (
                      <Box variant="small" color="text-body-secondary" display="block">
                        {member.created_by_sync ? "Made by the sync" : "Was there before"}
                      </Box>
                    )}
                  </>
                ),
            },
            { label: "Linked since", value: <Time at={member?.linked_at} /> },
            { label: "May be texted", value: texted(page) },
            { label: "Last change", value: <Time at={page.last_synced} none="None yet" /> },
          ]}
        />
        {page.warnings.map((one) => (
          <Alert key={one} type="warning" header={WARNINGS[one]}>
            {WARNING_TEXTS[one].text} <b>What would change it:</b> {WARNING_TEXTS[one].fix}
          </Alert>
        ))}
      </SpaceBetween>
    </Container>
  );
}

function headline({ status, member_id }: Page): string {
  if (status === "synced") return `In step with member ${member_id ?? ""}`;
  if (status === "failed") return "Not in step: something failed";
  if (status === "erased") return "Erased";
  return "Not synced";
}

function texted({ member }: Page): string {
  if (!member) return "No: there is no member";
  if (member.opt_in === null) return "Not known yet";
  return member.opt_in ? "Yes: opted in" : "No: opted out";
}
