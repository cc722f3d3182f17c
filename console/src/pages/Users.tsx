import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Badge from "@cloudscape-design/components/badge";

import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, type Filter, ListPage } from "../shared/ListPage.tsx";
import { LongText } from "../shared/LongText.tsx";
import { UserStatus } from "../shared/UserStatus.tsx";
import { Time } from "../shared/Time.tsx";
import { keysOf, oneOf, STATUSES, WARNINGS } from "../shared/words.ts";

type User = Shown<"UserShown">;

const SORTS = { status: true, name: true, email: true, last_synced: true };

const FILTERS: Filter[] = [
  {
    id: "status",
    label: "Status",
    any: "Any status",
    options: keysOf(STATUSES).map((value) => ({ value, label: STATUSES[value].text })),
  },
  {
    id: "warning",
    label: "Warning",
    any: "With and without",
    options: keysOf(WARNINGS).map((value) => ({ value, label: WARNINGS[value] })),
  },
];

const COLUMNS: Column<User>[] = [
  {
    id: "name",
    header: "Name",
    sort: "name",
    minWidth: 150,
    cell: (user) => (
      <To to={`/users/${user.user_id}`}>
        {user.name === null || user.name === "" ? `User ${user.user_id}` : user.name}
      </To>
    ),
  },
  {
    id: "email",
    header: "Email and phone",
    sort: "email",
    minWidth: 190,
    cell: (user) => (
      <>
        <div className="long-text">{user.email ?? "–"}</div>
        <div>{user.phone ?? "–"}</div>
      </>
    ),
  },
  {
    id: "status",
    header: "Status, and why",
    sort: "status",
    minWidth: 250,
    cell: (user) => (
      <>
        <UserStatus status={user.status} />
        <Box color="text-body-secondary">
          <LongText text={user.reason.text} />
        </Box>
      </>
    ),
  },
  {
    id: "warnings",
    header: "Warnings",
    minWidth: 130,
    cell: (user) =>
      user.warnings.length === 0 ? (
        "–"
      ) : (
        <SpaceBetween size="xxs">
          {user.warnings.map((one) => (
            <Badge key={one} color="severity-medium">
              {WARNINGS[one]}
            </Badge>
          ))}
        </SpaceBetween>
      ),
  },
  {
    id: "last_synced",
    header: "Last synced",
    sort: "last_synced",
    minWidth: 130,
    cell: (user) => <Time at={user.last_synced} none="Never" />,
  },
];

export default function Users() {
  return (
    <ListPage
      title="Users"
      description="Everybody in ActionKit whom the sync has looked at, with what became of them."
      columns={COLUMNS}
      itemKey={(user) => String(user.user_id)}
      load={(api, { filters, q, sort, order, limit, cursor }, signal) =>
        api.get("/users", {
          query: {
            q,
            order,
            limit,
            cursor,
            sort: oneOf(SORTS, sort),
            status: oneOf(STATUSES, filters["status"]),
            warning: oneOf(WARNINGS, filters["warning"]),
          },
          signal,
        })
      }
      search={{
        label: "Search users",
        placeholder: "Name, email, phone or id begins with …",
      }}
      filters={FILTERS}
      sort={{ by: "name" }}
      empty={{
        title: "No users yet",
        text: "Users appear here as the initial sync looks at them. Overview switches it on.",
        action: <To to="/">Go to Overview</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        Every ActionKit user whom the sync has looked at. The status says whether the user is linked
        to a Strive member, and if not, why.
      </p>
      <h3>Searching</h3>
      <p>
        The search looks at how the id, email, full name, last name or phone number begins. The
        plus of a number may be left out. Where more is found than one page holds, ids come first,
        then phones, emails and names: type more to have them sorted.
      </p>
      <h3>One user</h3>
      <p>
        The name leads to all that is known of the user: both records, every field, groups, actions
        and history. There the user can be synced at once.
      </p>
    </>
  );
}
