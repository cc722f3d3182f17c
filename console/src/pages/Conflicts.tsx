import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { Time } from "../shared/Time.tsx";
import { SIDES } from "../shared/words.ts";
import { Value } from "./user/Value.tsx";
import { fieldWords } from "./user/words.ts";

type Conflict = Shown<"ConflictShown">;

const COLUMNS: Column<Conflict>[] = [
  { id: "at", header: "When", minWidth: 150, cell: (conflict) => <Time at={conflict.at} /> },
  {
    id: "user",
    header: "User",
    minWidth: 120,
    cell: (conflict) => <To to={`/users/${conflict.user_id}`}>User {conflict.user_id}</To>,
  },
  {
    id: "field",
    header: "Field",
    minWidth: 120,
    cell: (conflict) => <span dir="auto">{fieldWords(conflict.field)}</span>,
  },
  {
    id: "actionkit",
    header: "In ActionKit",
    minWidth: 180,
    cell: (conflict) => <Value value={conflict.actionkit_value} />,
  },
  {
    id: "strive",
    header: "In Strive",
    minWidth: 180,
    cell: (conflict) => <Value value={conflict.strive_value} />,
  },
  {
    id: "winner",
    header: "Who won",
    minWidth: 150,
    cell: ({ winner }) => (
      <StatusIndicator type="success" wrapText>
        {SIDES[winner]}’s value
      </StatusIndicator>
    ),
  },
];

export default function Conflicts() {
  return (
    <ListPage
      title="Conflicts"
      description="Fields that were changed on both sides to different values, newest first."
      columns={COLUMNS}
      itemKey={(conflict) => `${conflict.at} ${conflict.user_id} ${conflict.field}`}
      load={(api, { cursor, limit }, signal) =>
        api.get("/conflicts", { query: { cursor, limit }, signal })
      }
      empty={{
        title: "No conflicts",
        text:
          "When a two-way field is changed on both sides to different values, one of them wins, " +
          "and both are shown here.",
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        A two-way field of one person was changed in ActionKit and in Strive, to different values,
        before the sync saw either change. It has been settled already; the value that lost is kept
        here.
      </p>
      <h3>Who wins</h3>
      <p>
        The later change. Where nobody can tell which was later, or they were less than 15 minutes
        apart, Strive’s.
      </p>
      <h3>If the wrong value won</h3>
      <p>Change it on either side: the sync carries it to the other.</p>
    </>
  );
}
