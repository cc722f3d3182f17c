import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import type { PageProps } from "../app/pages.ts";
import { To, useAddress } from "../app/places.tsx";
import { go } from "../app/router.ts";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { ProblemBox } from "../shared/ProblemBox.tsx";
import { Time } from "../shared/Time.tsx";
import { useCall } from "../shared/useCall.ts";
import { RULE_OUTCOMES } from "../shared/words.ts";
import { EventHelp } from "./automations/EventHelp.tsx";
import { DeleteRule, RuleToggle } from "./automations/RuleButtons.tsx";
import { type Names, type Rule, sentenceOf } from "./automations/sentence.ts";
import { findRule, useGroups, useSyncedPages } from "./groups/named.ts";
import { Name } from "./groups/text.tsx";

type RuleRun = Shown<"AutomationRunShown">;

export default function Automation({ params }: PageProps) {
  const rule_id = params["rule_id"] ?? "";
  const { data, problem, reload } = useCall(
    (api, signal) => findRule(api, rule_id, signal),
    [rule_id],
  );
  const { title } = useSyncedPages();
  const groups = useGroups();
  const address = useAddress();
  if (problem) return <ProblemBox problem={problem} onRetry={reload} />;
  if (data === undefined) return <Spinner size="large" />;
  if (data === null) return <Gone />;
  const names = { title, group: groups.name };
  const sentence = sentenceOf(data, names);
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={<To to="/automations">All automations</To>}
          actions={
            <DeleteRule
              variant="normal"
              rule={data}
              sentence={sentence}
              onChanged={() => go(address("/automations"))}
            />
          }
        >
          Automation
        </Header>
      }
    >
      <SpaceBetween size="l">
        <RuleBox rule={data} names={names} sentence={sentence} onChanged={reload} />
        <RuleRuns rule_id={rule_id} />
      </SpaceBetween>
    </ContentLayout>
  );
}

function Gone() {
  return (
    <ContentLayout header={<Header variant="h1">Automation</Header>}>
      <SpaceBetween size="s">
        <div>There is no such automation. It may have been deleted.</div>
        <AllButton />
      </SpaceBetween>
    </ContentLayout>
  );
}

function AllButton() {
  const address = useAddress();
  return <Button href={address("/automations")}>All automations</Button>;
}

interface RuleBoxProps {
  rule: Rule;
  names: Names;
  sentence: string;
  onChanged: () => void;
}

function RuleBox({ rule, names, sentence, onChanged }: RuleBoxProps) {
  return (
    <Container header={<Header variant="h2">What it does</Header>}>
      <SpaceBetween size="l">
        <div className="long-text">{sentence}.</div>
        <KeyValuePairs
          columns={3}
          items={[
            {
              label: "State",
              value: <RuleToggle rule={rule} sentence={sentence} onChanged={onChanged} />,
            },
            {
              label: "Page",
              value:
                rule.page_id === null ? (
                  "Any synced page"
                ) : (
                  <Name text={names.title(rule.page_id) ?? `Page ${rule.page_id}`} />
                ),
            },
            { label: "ActionField", value: <Name text={rule.actionfield ?? "With or without"} /> },
            { label: "Value", value: <Name text={rule.value ?? "Any value"} /> },
            {
              label: "How often",
              value: rule.once_per === "person" ? "Once per person" : "For each action",
            },
            {
              label: "Adds to the group",
              value: <Name text={groupText(rule, names)} />,
            },
            { label: "Publishes an event", value: rule.publish_event ? "Yes" : "No" },
            { label: "Number", value: <Box fontSize="body-s">{rule.id}</Box> },
          ]}
        />
      </SpaceBetween>
    </Container>
  );
}

function groupText({ add_to_group }: Rule, names: Names): string {
  if (add_to_group === null) return "–";
  return names.group(add_to_group) ?? `Group ${add_to_group}`;
}

const RUNS: Column<RuleRun>[] = [
  { id: "at", header: "When", minWidth: 150, cell: (run) => <Time at={run.at} /> },
  {
    id: "outcome",
    header: "Outcome",
    minWidth: 200,
    cell: (run) => {
      const { text, look } = RULE_OUTCOMES[run.outcome];
      return (
        <>
          <StatusIndicator type={look}>{text}</StatusIndicator>
          {run.outcome !== "done" && (
            <Box variant="small" color="text-body-secondary" display="block">
              {run.reason.text}
            </Box>
          )}
        </>
      );
    },
  },
  {
    id: "user",
    header: "User",
    minWidth: 110,
    cell: (run) => <To to={`/users/${run.user_id}`}>{`User ${run.user_id}`}</To>,
  },
  {
    id: "member",
    header: "Member",
    minWidth: 90,
    cell: (run) => (run.member_id === null ? "–" : String(run.member_id)),
  },
  {
    id: "action",
    header: "Action",
    minWidth: 110,
    cell: (run) => (
      <To
        to="/actions"
        query={{ q: String(run.user_id) }}
        label={`Action ${run.action_id}: show the actions of user ${run.user_id}`}
      >
        {String(run.action_id)}
      </To>
    ),
  },
];

function RuleRuns({ rule_id }: { rule_id: string }) {
  return (
    <ListPage
      as="section"
      title="What became of it"
      description="For each action that it was about, the newest first."
      columns={RUNS}
      itemKey={(run) => String(run.action_id)}
      load={(api, { limit, cursor }, signal) =>
        api.get("/automations/{rule_id}/runs", {
          path: { rule_id },
          query: { limit, cursor },
          signal,
        })
      }
      everySeconds={30}
      empty={{
        title: "Nothing yet",
        text: "Nobody has acted since this automation was made, in the way that it is about.",
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>One automation, and what became of it for each action that it was about.</p>
      <h3>Outcome</h3>
      <dl>
        <dt>Done</dt>
        <dd>The member was added to the group, or the event was published.</dd>
        <dt>Not done</dt>
        <dd>It says why. It was decided once, and is not tried again.</dd>
        <dt>Failed</dt>
        <dd>Strive or the event bus refused it.</dd>
        <dt>Not known</dt>
        <dd>
          Whether it was done could not be found out. It is not tried again, so that nobody is
          texted twice.
        </dd>
      </dl>
      <p>
        Where it is once per person, further actions of a person who had theirs are not listed.
      </p>
      <EventHelp />
    </>
  );
}
