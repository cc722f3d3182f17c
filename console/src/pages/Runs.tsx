import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { RunState } from "../shared/RunState.tsx";
import { Time } from "../shared/Time.tsx";
import { duration } from "../shared/time.ts";
import { number, plain } from "../shared/words.ts";

type Run = Shown<"RunShown">;

const COLUMNS: Column<Run>[] = [
  {
    id: "kind",
    header: "Kind",
    minWidth: 160,
    cell: (run) => <To to={`/runs/${run.id}`}>{plain(run.kind)}</To>,
  },
  { id: "state", header: "State", minWidth: 150, cell: (run) => <RunState state={run.state} /> },
  { id: "started", header: "Started", minWidth: 150, cell: (run) => <Time at={run.started} /> },
  {
    id: "took",
    header: "Took",
    minWidth: 130,
    cell: (run) => (run.ended === null ? "–" : duration(run.started, run.ended)),
  },
  {
    id: "scanned",
    header: "Users looked at",
    minWidth: 130,
    cell: (run) => `${number(run.counts["scanned"] ?? 0)} of ${number(run.counts["total"] ?? 0)}`,
  },
  {
    id: "failed",
    header: "Failed",
    minWidth: 90,
    cell: (run) => number(run.counts["failed"] ?? 0),
  },
];

export default function Runs() {
  return (
    <ListPage
      title="Runs"
      description="What the sync did and does, newest first."
      columns={COLUMNS}
      itemKey={(run) => run.id}
      load={(api, { cursor, limit }, signal) =>
        api.get("/runs", { query: { cursor, limit }, signal })
      }
      everySeconds={10}
      empty={{
        title: "No runs yet",
        text: "The first run is the initial sync. It begins when the sync is switched on.",
        action: <To to="/">Go to Overview</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        A run is one piece of the sync’s work: the initial sync of the whole list, the regular sync
        of everybody who changed, or a look at many users after a setting was changed.
      </p>
      <p>
        Ten minutes in which nothing changed make no run. A failed run loses nothing: the next one
        does what it left.
      </p>
    </>
  );
}
