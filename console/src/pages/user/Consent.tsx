import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../../api/client.ts";
import { type Column, ListPage } from "../../shared/ListPage.tsx";
import { LongText } from "../../shared/LongText.tsx";
import { Time } from "../../shared/Time.tsx";
import { SIDES } from "../../shared/words.ts";
import { Quiet, Value } from "./Value.tsx";
import { effectWords, evidenceWords } from "./words.ts";

type Entry = Shown<"ConsentShown">;

const COLUMNS: Column<Entry>[] = [
  { id: "at", header: "When", minWidth: 140, cell: (entry) => <Time at={entry.at} /> },
  { id: "seen", header: "What was seen or done", minWidth: 140, cell: (entry) => seen(entry) },
  { id: "side", header: "Where", minWidth: 95, cell: (entry) => SIDES[entry.side] },
  {
    id: "raw",
    header: "Value",
    minWidth: 85,
    cell: (entry) =>
      entry.raw === "" ? <Quiet>None</Quiet> : <Value value={entry.raw} limit={60} />,
  },
  {
    id: "evidence",
    header: "By what",
    minWidth: 190,
    cell: (entry) => (
      <span dir="auto">
        <LongText text={evidenceWords(entry.evidence)} />
      </span>
    ),
  },
  {
    id: "effect",
    header: "What followed",
    minWidth: 180,
    cell: (entry) => effectWords(entry.effect),
  },
];

function seen({ opted_in, raw, evidence }: Entry) {
  if (opted_in === true) return <StatusIndicator type="success">Opted in</StatusIndicator>;
  if (opted_in === false) return <StatusIndicator type="stopped">Opted out</StatusIndicator>;
  if (evidence === "staff") return "Staff decided about a hold";
  return raw.trim() === "" ? "The value was emptied" : "A value that says neither yes nor no";
}

interface ConsentProps {
  user_id: number;
  everySeconds: number | undefined;
}

/** Everything that is known of whether the person may be texted. */
export function Consent({ user_id, everySeconds }: ConsentProps) {
  return (
    <ListPage
      as="section"
      title="Consent"
      description="What was seen or done about texting this person, and by what it is known."
      columns={COLUMNS}
      itemKey={(entry) => `${entry.at} ${entry.side} ${entry.raw} ${entry.effect}`}
      load={(api, { cursor, limit }, signal) =>
        api.get("/users/{user_id}/consent", { path: { user_id }, query: { cursor, limit }, signal })
      }
      {...(everySeconds === undefined ? {} : { everySeconds })}
      empty={{
        title: "Nothing is known yet",
        text: "Every opt-in and opt-out is kept here, on whichever side it was.",
      }}
    />
  );
}
