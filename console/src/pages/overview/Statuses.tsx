import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { UserStatus } from "../../shared/UserStatus.tsx";
import { keysOf, number, STATUSES } from "../../shared/words.ts";

/** Users by status; each number leads to the users. */
export function Statuses({ progress }: { progress: Shown<"ProgressShown"> }) {
  const rows = keysOf(STATUSES)
    .map((status) => ({ status, users: progress.by_status[status] ?? 0 }))
    .filter((row) => row.users > 0);
  return (
    <Table
      items={rows}
      trackBy="status"
      ariaLabels={{ tableLabel: "Users by status" }}
      header={
        <Header variant="h2" counter={`(${number(progress.total)})`}>
          Users by status
        </Header>
      }
      empty="Nobody was looked at yet."
      wrapLines
      columnDefinitions={[
        {
          id: "status",
          header: "Status",
          isRowHeader: true,
          cell: (row) => <UserStatus status={row.status} />,
        },
        {
          id: "users",
          header: "Users",
          cell: (row) =>
            row.status === "pending" ? (
              number(row.users)
            ) : (
              <To
                to="/users"
                query={{ status: row.status }}
                label={`${number(row.users)}: show users with status ${STATUSES[row.status].text}`}
              >
                {number(row.users)}
              </To>
            ),
        },
      ]}
    />
  );
}
