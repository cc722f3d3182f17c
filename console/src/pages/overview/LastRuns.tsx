import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";

import { To } from "../../app/places.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { RunState } from "../../shared/RunState.tsx";
import { Time } from "../../shared/Time.tsx";
import { useCall } from "../../shared/useCall.ts";
import { number, plain } from "../../shared/words.ts";

const SHOWN = 5;

export function LastRuns({ everySeconds }: { everySeconds: number }) {
  const { data, problem, reload } = useCall(
    (api, signal) => api.get("/runs", { query: { limit: SHOWN }, signal }),
    [],
    { everySeconds },
  );
  return (
    <Table
      items={data?.items ?? []}
      trackBy="id"
      loading={!data && !problem}
      loadingText="Loading…"
      wrapLines
      ariaLabels={{ tableLabel: "Last runs" }}
      header={
        <Header variant="h2" actions={<To to="/runs">All runs</To>}>
          Last runs
        </Header>
      }
      empty={problem ? <ProblemBox problem={problem} onRetry={reload} /> : "There was no run yet."}
      columnDefinitions={[
        {
          id: "kind",
          header: "Kind",
          minWidth: 120,
          isRowHeader: true,
          cell: (run) => <To to={`/runs/${run.id}`}>{plain(run.kind)}</To>,
        },
        {
          id: "state",
          header: "State",
          minWidth: 150,
          cell: (run) => <RunState state={run.state} />,
        },
        {
          id: "started",
          header: "Started",
          minWidth: 150,
          cell: (run) => <Time at={run.started} />,
        },
        {
          id: "scanned",
          header: "Users",
          minWidth: 100,
          cell: (run) => number(run.counts["scanned"] ?? 0),
        },
      ]}
    />
  );
}
