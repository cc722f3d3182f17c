import SpaceBetween from "@cloudscape-design/components/space-between";

import { To } from "../app/places.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { AddAutomation } from "./automations/AddAutomation.tsx";
import { EventHelp } from "./automations/EventHelp.tsx";
import { DeleteRule, RuleToggle } from "./automations/RuleButtons.tsx";
import { type Rule, sentenceOf } from "./automations/sentence.ts";
import { useGroups, useSyncedPages } from "./groups/named.ts";

export default function Automations() {
  const { title } = useSyncedPages();
  const groups = useGroups();
  const sentence = (rule: Rule): string => sentenceOf(rule, { title, group: groups.name });
  const columns: Column<Rule>[] = [
    {
      id: "does",
      header: "What it does",
      minWidth: 190,
      cell: (rule) => <To to={`/automations/${rule.id}`}>{sentence(rule)}</To>,
    },
  ];
  return (
    <ListPage
      title="Automations"
      description="What is done by itself when somebody acts on a synced page."
      columns={columns}
      itemKey={(rule) => rule.id}
      load={(api, { limit, cursor }, signal) =>
        api.get("/automations", { query: { limit, cursor }, signal })
      }
      actions={(reload) => <AddAutomation onAdded={reload} />}
      rowActions={(rule, reload) => (
        <SpaceBetween direction="horizontal" size="xs">
          <RuleToggle rule={rule} sentence={sentence(rule)} onChanged={reload} />
          <DeleteRule rule={rule} sentence={sentence(rule)} onChanged={reload} />
        </SpaceBetween>
      )}
      empty={{
        title: "No automations yet",
        text: "An automation can, for example, thank whoever signs a petition with a text.",
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        An automation does something when somebody acts on a synced page: it adds the member to a
        group in Strive, where a flow may text them, or publishes an event for other applications.
      </p>
      <h3>For which actions</h3>
      <p>
        Only for actions taken after the automation was made and the page was synced, by members who
        are opted in at that moment. Imports and unsubscribe pages set off nothing. Each action is
        decided once: whoever opts in later gets nothing for it.
      </p>
      <h3>Once</h3>
      <p>
        Nothing is done twice for the same action, or for the same person where it is once per
        person.
      </p>
      <h3>On and off</h3>
      <p>What is taken while an automation is off is past for it, also when it is on again.</p>
      <EventHelp />
    </>
  );
}
