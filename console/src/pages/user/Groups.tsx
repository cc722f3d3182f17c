import Header from "@cloudscape-design/components/header";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { Value } from "./Value.tsx";
import { GROUP_STATES } from "./words.ts";

/** The Strive groups that the person belongs to, and whether the member is in them. */
export function Groups({ page }: { page: Shown<"UserPageShown"> }) {
  return (
    <Table
      items={page.groups}
      trackBy={(one) => String(one.group)}
      wrapLines
      ariaLabels={{ tableLabel: "Groups" }}
      header={
        <Header
          variant="h2"
          description="Strive groups that the sync keeps and this person belongs to."
          actions={<To to="/groups">All groups</To>}
        >
          Groups
        </Header>
      }
      empty={
        page.member_id === null ? "No groups: there is no member." : "In no group of the sync."
      }
      columnDefinitions={[
        {
          id: "name",
          header: "Group",
          isRowHeader: true,
          verticalAlign: "top",
          minWidth: 150,
          cell: (one) => <Value value={one.name ?? `Group ${one.group}`} />,
        },
        {
          id: "state",
          header: "State",
          verticalAlign: "top",
          minWidth: 170,
          cell: (one) => {
            const { text, look } = GROUP_STATES[one.state];
            return (
              <StatusIndicator type={look} wrapText>
                {text}
              </StatusIndicator>
            );
          },
        },
        {
          id: "meaning",
          header: "What that means",
          verticalAlign: "top",
          minWidth: 220,
          cell: (one) => (
            <>
              {GROUP_STATES[one.state].meaning}{" "}
              {one.state === "held" && <To to="/holds">Look at holds</To>}
            </>
          ),
        },
      ]}
    />
  );
}
