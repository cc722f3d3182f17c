import Box from "@cloudscape-design/components/box";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { type Column, ListPage } from "../../shared/ListPage.tsx";
import { Time } from "../../shared/Time.tsx";
import { SIDES } from "../../shared/words.ts";
import { Quiet, Value } from "./Value.tsx";
import { causeWords, fieldWords, ruleWords } from "./words.ts";

type Write = Shown<"HistoryShown">;

interface WritesProps {
  page: Shown<"UserPageShown">;
  everySeconds: number | undefined;
}

/** Everything that the sync wrote for the person. */
export function Writes({ page, everySeconds }: WritesProps) {
  const { user_id } = page;
  const groups = new Map(page.groups.map((one) => [String(one.group), one.name]));
  const columns: Column<Write>[] = [
    { id: "at", header: "When", minWidth: 140, cell: (write) => <Time at={write.at} /> },
    { id: "side", header: "Written to", minWidth: 100, cell: (write) => SIDES[write.side] },
    { id: "field", header: "Field", minWidth: 110, cell: (write) => fieldWords(write.field) },
    {
      id: "old",
      header: "Before",
      minWidth: 130,
      cell: (write) => <Written write={write} value={write.old} groups={groups} />,
    },
    {
      id: "new",
      header: "After",
      minWidth: 130,
      cell: (write) => <Written write={write} value={write.new} groups={groups} />,
    },
    {
      id: "rule",
      header: "Why, and what caused it",
      minWidth: 200,
      cell: (write) => (
        <>
          {ruleWords(write.rule)}
          <Box variant="small" color="text-body-secondary" display="block">
            {causeWords(write.cause)}
          </Box>
        </>
      ),
    },
  ];
  return (
    <ListPage
      as="section"
      title="History"
      description="Every value that the sync wrote for this person, newest first."
      columns={columns}
      itemKey={(write) => [write.at, write.side, write.field, write.old, write.new].join(" ")}
      load={(api, { cursor, limit }, signal) =>
        api.get("/users/{user_id}/history", { path: { user_id }, query: { cursor, limit }, signal })
      }
      {...(everySeconds === undefined ? {} : { everySeconds })}
      empty={{
        title: "Nothing was written yet",
        text: "What the sync writes to ActionKit or Strive for this person is kept here.",
        action: <To to="/conflicts">Look at conflicts</To>,
      }}
    />
  );
}

interface WrittenProps {
  write: Write;
  value: string;
  groups: Map<string, string | null>;
}

function Written({ write, value, groups }: WrittenProps) {
  if (write.field !== "groups") return <Value value={value} />;
  if (value === "") return <Quiet>Not in it</Quiet>;
  return <Value value={groups.get(value) ?? `Group ${value}`} />;
}
