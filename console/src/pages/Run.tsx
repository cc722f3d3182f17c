import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import Spinner from "@cloudscape-design/components/spinner";

import type { PageProps } from "../app/pages.ts";
import { To } from "../app/places.tsx";
import { ProblemBox } from "../shared/ProblemBox.tsx";
import { RunState } from "../shared/RunState.tsx";
import { Time } from "../shared/Time.tsx";
import { duration } from "../shared/time.ts";
import { useCall } from "../shared/useCall.ts";
import { number, oneOf, plain, STATUSES } from "../shared/words.ts";

export default function Run({ params }: PageProps) {
  const run_id = params["run_id"] ?? "";
  const { data, problem, reload } = useCall(
    (api, signal) => api.get("/runs/{run_id}", { path: { run_id }, signal }),
    [run_id],
    { everySeconds: 10 },
  );
  if (problem) return <ProblemBox problem={problem} onRetry={reload} />;
  if (!data) return <Spinner size="large" />;
  const counts = Object.entries(data.counts).filter(([name]) => name !== "total");
  return (
    <ContentLayout
      header={
        <Header variant="h1" description={<To to="/runs">All runs</To>}>
          {plain(data.kind)}
        </Header>
      }
    >
      <Container>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "State", value: <RunState state={data.state} /> },
            { label: "Started", value: <Time at={data.started} /> },
            { label: "Ended", value: <Time at={data.ended} none="Not yet" /> },
            { label: "Took", value: data.ended ? duration(data.started, data.ended) : "–" },
            { label: "Users concerned", value: number(data.counts["total"] ?? 0) },
            ...counts.map(([name, count]) => ({ label: countName(name), value: number(count) })),
            { label: "Name", value: <Box fontSize="body-s">{data.id}</Box> },
            {
              label: "For operators",
              value: data.console_url ? (
                <Link external href={data.console_url} externalIconAriaLabel="Opens in a new tab">
                  Execution in Step Functions
                </Link>
              ) : (
                "–"
              ),
            },
          ]}
        />
      </Container>
    </ContentLayout>
  );
}

function countName(name: string): string {
  if (name === "scanned") return "Looked at";
  const status = oneOf(STATUSES, name);
  return status ? STATUSES[status].text : plain(name);
}

export function Help() {
  return <p>One run: when it was, how many users it looked at, and what became of them.</p>;
}
