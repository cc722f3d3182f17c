import Box from "@cloudscape-design/components/box";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, type Filter, ListPage } from "../shared/ListPage.tsx";
import { LongText } from "../shared/LongText.tsx";
import { Time } from "../shared/Time.tsx";
import { keysOf, NEWCOMERS, oneOf } from "../shared/words.ts";

type Member = Shown<"MemberShown">;

const FILTERS: Filter[] = [
  {
    id: "status",
    label: "Status",
    any: "Any status",
    options: keysOf(NEWCOMERS).map((value) => ({ value, label: NEWCOMERS[value].text })),
  },
];

const COLUMNS: Column<Member>[] = [
  {
    id: "name",
    header: "Name",
    minWidth: 140,
    cell: (member) => (
      <>
        {member.name === null ? "No name" : <span dir="auto">{member.name}</span>}
        <Box variant="small" color="text-body-secondary" display="block">
          Member {member.member_id}
        </Box>
      </>
    ),
  },
  {
    id: "email",
    header: "Email and phone",
    minWidth: 180,
    cell: (member) => (
      <>
        <span dir="auto">
          <LongText text={member.email} limit={80} none="No email" />
        </span>
        <Box variant="small" color="text-body-secondary" display="block">
          {member.phone ?? "No phone"}
        </Box>
      </>
    ),
  },
  {
    id: "status",
    header: "Status",
    minWidth: 170,
    cell: (member) => {
      const { text, look } = NEWCOMERS[member.status];
      return (
        <StatusIndicator type={look} wrapText>
          {text}
        </StatusIndicator>
      );
    },
  },
  {
    id: "why",
    header: "Why, and what would change it",
    minWidth: 250,
    cell: (member) => (
      <>
        {member.reason.text} <b>What would change it:</b> {member.reason.fix}{" "}
        {member.reason.code === "setting_off" && <To to="/settings">Go to Settings</To>}
        {(member.reason.code === "email_taken" || member.reason.code === "waiting") &&
          member.email !== null && (
            <To to="/users" query={{ q: member.email }}>
              Look for the user
            </To>
          )}
      </>
    ),
  },
  {
    id: "since",
    header: "Since",
    minWidth: 140,
    cell: (member) => <Time at={member.reason.at} none="Not known" />,
  },
];

export default function Members() {
  return (
    <ListPage
      title="Members (no user)"
      description="Strive members of the primary group who have no ActionKit user, with why not."
      columns={COLUMNS}
      itemKey={(member) => String(member.member_id)}
      load={(api, { filters, q, limit, cursor }, signal) =>
        api.get("/members", {
          query: { q, limit, cursor, status: oneOf(NEWCOMERS, filters["status"]) },
          signal,
        })
      }
      search={{
        label: "Search members",
        placeholder: "Name, email, phone or id begins with …",
      }}
      filters={FILTERS}
      empty={{
        title: "Everybody has a user",
        text:
          "Members whom somebody adds to the primary group in Strive are shown here until they " +
          "have an ActionKit user, or for as long as none is made.",
        action: <To to="/users">Go to Users</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        Members whom somebody added to the primary group in Strive and who have no ActionKit user.
        With “Create Users in ActionKit” on in Settings, those with an email get one.
      </p>
      <h3>Searching</h3>
      <p>The search looks at how the id, email, full name, last name or phone number begins.</p>
      <h3>Afterwards</h3>
      <p>Once a member is linked to a user, they leave this list and are found in Users.</p>
    </>
  );
}
