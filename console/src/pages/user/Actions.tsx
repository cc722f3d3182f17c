import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { Time } from "../../shared/Time.tsx";
import { ACTION_OUTCOMES } from "../../shared/words.ts";
import { Value } from "./Value.tsx";

type Action = Shown<"ActionShown">;

/** The newest actions on synced pages. */
export function Actions({ page }: { page: Shown<"UserPageShown"> }) {
  const all = { q: String(page.user_id) };
  return (
    <Table
      items={page.actions}
      trackBy={(one) => String(one.action_id)}
      wrapLines
      ariaLabels={{ tableLabel: "Newest actions" }}
      header={
        <Header
          variant="h2"
          description="The newest on pages that are synced."
          actions={
            <To to="/actions" query={all}>
              All actions of this person
            </To>
          }
        >
          Actions
        </Header>
      }
      empty="No action on a synced page."
      columnDefinitions={[
        {
          id: "action",
          header: "Action",
          isRowHeader: true,
          verticalAlign: "top",
          minWidth: 130,
          cell: (one) => (
            <>
              Action {one.action_id}
              <Box variant="small" color="text-body-secondary" display="block">
                on page {one.page_id}
              </Box>
            </>
          ),
        },
        {
          id: "at",
          header: "When",
          verticalAlign: "top",
          minWidth: 150,
          cell: (one) => <Time at={one.created_at} none="Not known" />,
        },
        {
          id: "fields",
          header: "ActionFields",
          verticalAlign: "top",
          minWidth: 180,
          cell: (one) => <Fields fields={one.fields} />,
        },
        {
          id: "outcome",
          header: "Outcome",
          verticalAlign: "top",
          minWidth: 130,
          cell: (one) => {
            const { text, look } = ACTION_OUTCOMES[one.outcome];
            return (
              <StatusIndicator type={look} wrapText>
                {text}
              </StatusIndicator>
            );
          },
        },
        {
          id: "reason",
          header: "Why, and what would change it",
          verticalAlign: "top",
          minWidth: 240,
          cell: (one) => (one.reason ? [one.reason.text, one.reason.fix].join(" ") : "–"),
        },
      ]}
    />
  );
}

function Fields({ fields }: { fields: Action["fields"] }) {
  const entries = Object.entries(fields);
  if (entries.length === 0) return <>–</>;
  return (
    <>
      {entries.map(([name, values]) => (
        <div key={name}>
          <span dir="auto">{name}</span>: <Value value={values.join(", ")} limit={60} />
        </div>
      ))}
    </>
  );
}
