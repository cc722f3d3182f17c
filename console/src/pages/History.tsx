import type { Shown } from "../api/client.ts";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { LongText } from "../shared/LongText.tsx";
import { Time } from "../shared/Time.tsx";
import { plain } from "../shared/words.ts";

type Entry = Shown<"AuditShown">;

/** A setting's value as text: a line for each part of it. */
function valueText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, part]) => `${plain(name)}: ${valueText(part) || "–"}`)
      .join("\n");
  }
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const COLUMNS: Column<Entry>[] = [
  { id: "at", header: "When", minWidth: 150, cell: (entry) => <Time at={entry.at} /> },
  {
    id: "who",
    header: "Who",
    minWidth: 200,
    cell: (entry) => <LongText text={entry.who} limit={60} />,
  },
  { id: "what", header: "What", minWidth: 130, cell: (entry) => plain(entry.what) },
  {
    id: "old",
    header: "Before",
    minWidth: 200,
    cell: (entry) => <LongText text={valueText(entry.old)} />,
  },
  {
    id: "new",
    header: "After",
    minWidth: 200,
    cell: (entry) => <LongText text={valueText(entry.new)} />,
  },
];

export default function History() {
  return (
    <ListPage
      title="History of settings"
      description="Who changed what in this account, newest first. No password or key is kept."
      columns={COLUMNS}
      itemKey={(entry) => `${entry.at} ${entry.what} ${entry.who}`}
      load={(api, { cursor, limit }, signal) =>
        api.get("/audit", { query: { cursor, limit }, signal })
      }
      empty={{
        title: "Nothing was changed yet",
        text: "Every change of connection, settings, fields, groups and rules is kept here.",
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        Every change that staff made to this account: connection, settings, fields, what is synced,
        rules, releases of holds, on and off.
      </p>
      <p>What the sync wrote to a user is in the history on that user’s page.</p>
    </>
  );
}
