import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { To } from "../app/places.tsx";
import { ProblemBox } from "../shared/ProblemBox.tsx";
import { useCall } from "../shared/useCall.ts";
import { counted } from "../shared/words.ts";
import { HoldCard } from "./holds/HoldCard.tsx";

const MOST = 500;
const EVERY_SECONDS = 30;

export default function Holds() {
  const { data, problem, loading, reload } = useCall(
    (api, signal) => api.get("/holds", { query: { limit: MOST }, signal }),
    [],
    { everySeconds: EVERY_SECONDS },
  );
  const named = data?.items.some((one) => one.group !== null) ?? false;
  // Names are only words: where they cannot be had, the group's id says which it is.
  const groups = useCall(
    async (api, signal) =>
      named ? (await api.get("/groups", { query: { limit: MOST }, signal })).items : [],
    [named],
  ).data;
  const names = new Map(groups?.map((one) => [one.group, one.name]));
  const nameOf = (group: number | null): string => {
    if (group === null) return "";
    const name = names.get(group);
    return name === undefined ? String(group) : `“${name}”`;
  };
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description="What the sync has stopped until you say whether it is meant."
          actions={
            <Button
              iconName="refresh"
              ariaLabel="Read the holds again"
              loading={loading && data !== undefined}
              onClick={reload}
            />
          }
        >
          Holds
        </Header>
      }
    >
      <SpaceBetween size="l">
        {problem && <ProblemBox problem={problem} onRetry={reload} />}
        {!data && !problem && <Spinner size="large" />}
        {data?.items.length === 0 && <Nothing />}
        {data?.items.map((hold) => (
          <HoldCard key={hold.hold_id} hold={hold} group={nameOf(hold.group)} onDecided={reload} />
        ))}
        {data?.next_cursor && (
          <Box color="text-body-secondary">
            There are more than {counted(MOST, "hold")}. The others are shown once you have decided
            about these.
          </Box>
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

function Nothing() {
  return (
    <Container>
      <Box textAlign="center" padding={{ vertical: "l" }}>
        <SpaceBetween size="s">
          <Box variant="strong">Nothing waits for you</Box>
          <Box color="text-body-secondary">
            Two things would be shown here. People who belong to a group in Strive that texts
            whoever joins: they join when you release them. And changes to unusually many people at
            once – opt-outs, emptied or overwritten values, people leaving groups – which may be an
            accident.
          </Box>
          <To to="/">Go to Overview</To>
        </SpaceBetween>
      </Box>
    </Container>
  );
}

export function Help() {
  return (
    <>
      <p>
        Some changes wait for somebody to say that they are meant. Everything else goes on
        meanwhile.
      </p>
      <h3>Groups that text</h3>
      <p>
        Adding somebody to a group with a flow in Strive texts them. Who belongs to such a group by
        anything but an action just taken waits here.
      </p>
      <h3>Many at once</h3>
      <p>
        If more than 200 people, or 1% of those linked, would be opted out, emptied, overwritten or
        taken out of groups within ten minutes, the rest of that kind waits. Opt-outs are carried
        out after 24 hours at the latest, whatever is decided.
      </p>
      <h3>Release and discard</h3>
      <p>
        A release carries out what waits, for exactly the number of people shown. If the number has
        changed by then, you are asked again. What is discarded is not done, and is not asked about
        again until somebody changes the value.
      </p>
    </>
  );
}
