import ContentLayout from "@cloudscape-design/components/content-layout";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { ProblemBox } from "../shared/ProblemBox.tsx";
import { useCall } from "../shared/useCall.ts";
import { PHASES } from "../shared/words.ts";
import { Attention } from "./overview/Attention.tsx";
import { LastRuns } from "./overview/LastRuns.tsx";
import { Progress } from "./overview/Progress.tsx";
import { Statuses } from "./overview/Statuses.tsx";
import { Switches } from "./overview/Switches.tsx";

const EVERY_SECONDS = 5;
const COLUMNS = [{ colspan: { default: 12, xs: 5 } }, { colspan: { default: 12, xs: 7 } }];

export default function Overview() {
  const { data, problem, reload } = useCall(
    (api, signal) => api.get("/activation", { signal }),
    [],
    { everySeconds: EVERY_SECONDS },
  );
  const lost = problem !== undefined && <ProblemBox problem={problem} onRetry={reload} />;
  if (!data || problem?.kind === "not_connected") {
    return (
      <ContentLayout header={<Header variant="h1">Overview</Header>}>
        {lost || <Spinner size="large" />}
      </ContentLayout>
    );
  }
  const { text, look } = PHASES[data.phase];
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          info={<StatusIndicator type={look}>{text}</StatusIndicator>}
          actions={<Switches activation={data} onChanged={reload} />}
        >
          Overview
        </Header>
      }
    >
      <SpaceBetween size="l">
        {lost}
        <Attention activation={data} />
        {data.progress.total > 0 && <Progress progress={data.progress} />}
        <Grid gridDefinition={COLUMNS}>
          <Statuses progress={data.progress} />
          <LastRuns everySeconds={EVERY_SECONDS} />
        </Grid>
      </SpaceBetween>
    </ContentLayout>
  );
}

export function Help() {
  return (
    <>
      <p>What the sync does now, and what needs you. This page refreshes itself.</p>
      <h3>On and off</h3>
      <dl>
        <dt>Pause</dt>
        <dd>
          Nothing is synced but refusals: who says stop is heard. The connection is kept, and
          resuming goes on where it was.
        </dd>
        <dt>Switch off</dt>
        <dd>
          Ends the sync and deletes the credentials. Everything stays as it is on both sides. To
          switch on again, connect the account again.
        </dd>
      </dl>
      <h3>Needs attention</h3>
      <p>
        Holds wait for your word before anything is written. Conflicts have been settled already,
        and are there to be looked at.
      </p>
    </>
  );
}
