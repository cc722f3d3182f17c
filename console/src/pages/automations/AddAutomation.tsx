import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import type { Problem } from "../../api/problem.ts";
import { To } from "../../app/places.tsx";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import { wordsOf } from "../../shared/problems.ts";
import { GROUP_KINDS } from "../../shared/words.ts";
import { ActionfieldField, Chooser, PageField, ValueField } from "../groups/Choosing.tsx";
import { useGroups } from "../groups/named.ts";

const FIELDS = ["page_id", "actionfield", "value", "once_per", "add_to_group", "publish_event"];
const OTHER = "other";
const EVENT_TEXT =
  "For other applications, on the event bus of this one. What it holds is in the help of this " +
  "page, and for developers in docs/events.md.";

export function AddAutomation({ onAdded }: { onAdded: () => void }) {
  const readOnly = useReadOnly();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Button
        variant="primary"
        onClick={() => setAdding(true)}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Add automation
      </Button>
      {adding && <AddDialog onAdded={onAdded} onClose={() => setAdding(false)} />}
    </>
  );
}

function AddDialog({ onAdded, onClose }: { onAdded: () => void; onClose: () => void }) {
  const [page, setPage] = useState("");
  const [actionfield, setActionfield] = useState("");
  const [value, setValue] = useState("");
  const [often, setOften] = useState<"person" | "action">("person");
  const [adds, setAdds] = useState(true);
  const [group, setGroup] = useState("");
  const [publishes, setPublishes] = useState(false);
  const add = useAction(
    (api) =>
      api.post("/automations", {
        body: {
          page_id: page === "" ? null : Number(page),
          actionfield: actionfield || null,
          value: (actionfield && value.trim()) || null,
          once_per: often,
          add_to_group: adds ? Number(group) : null,
          publish_event: publishes,
          enabled: true,
        },
      }),
    {
      done: "The automation is on. It is for actions taken from now on.",
      // Closed at once, so that the focus is back before the message is scrolled to.
      then: () => {
        onAdded();
        onClose();
      },
      quiet: true,
    },
  );
  /** What is changed may be right now: what was wrong is no longer said. */
  const then = <Value,>(set: (value: Value) => void) => {
    return (value: Value): void => {
      set(value);
      add.forget();
    };
  };
  const { problem } = add;
  const exists = problem?.code === "rule_exists";
  const atField = problem?.details.some((one) => FIELDS.includes(one.field)) ?? false;
  const missing = missingOf(adds, group, publishes);
  const submit = (): void => {
    if (missing === undefined) void add.run();
  };
  return (
    <Confirm
      title="Add an automation"
      label="Add automation"
      busy={add.busy}
      disabledReason={missing}
      onConfirm={submit}
      onCancel={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <SpaceBetween size="m">
          <PageField value={page} onChange={then(setPage)} error={problem?.of("page_id")} />
          <ActionfieldField
            value={actionfield}
            onChange={then(setActionfield)}
            error={problem?.of("actionfield")}
            none="With or without"
          />
          {actionfield !== "" && (
            <ValueField value={value} onChange={then(setValue)} error={problem?.of("value")} />
          )}
          <FormField label="How often" errorText={problem?.of("once_per")} stretch>
            <RadioGroup
              value={often}
              onChange={({ detail }) =>
                then(setOften)(detail.value === "action" ? "action" : "person")
              }
              items={[
                {
                  value: "person",
                  label: "Once per person",
                  description: "However often somebody acts.",
                },
                { value: "action", label: "For each action" },
              ]}
            />
          </FormField>
          <FormField label="What is done" errorText={problem?.of("publish_event")} stretch>
            <SpaceBetween size="s">
              <Checkbox
                checked={adds}
                onChange={({ detail }) => then(setAdds)(detail.checked)}
                description="If the group carries a flow, the flow texts the member at once."
              >
                Add the member to a Strive group
              </Checkbox>
              {adds && (
                <GroupField value={group} onChange={then(setGroup)} problem={problem} />
              )}
              <Checkbox
                checked={publishes}
                onChange={({ detail }) => then(setPublishes)(detail.checked)}
                description={EVENT_TEXT}
              >
                Publish an event
              </Checkbox>
            </SpaceBetween>
          </FormField>
          <div>
            Only for actions taken from now on, by members who are opted in at that moment. Past
            actions and imports set off nothing.
          </div>
          {exists && (
            <Alert type="error" header="There is such an automation already">
              It is equal in page, field, value, how often, and what is done. If it is off, switch
              it on; otherwise change something here. {problem.message}
            </Alert>
          )}
          {problem && !exists && !atField && <ProblemBox problem={problem} />}
        </SpaceBetween>
      </form>
    </Confirm>
  );
}

function missingOf(adds: boolean, group: string, publishes: boolean): string | undefined {
  if (!adds && !publishes) return "Choose what is to be done first.";
  if (adds && !/^[1-9]\d{0,11}$/.test(group)) return "Choose a group, or type its number, first.";
  return undefined;
}

interface GroupFieldProps {
  /** The group's number as text. */
  value: string;
  onChange: (value: string) => void;
  problem: Problem | undefined;
}

/** A group of the integration out of the list, or any other by its number. */
function GroupField({ value, onChange, problem }: GroupFieldProps) {
  const { groups, loading, problem: unread } = useGroups();
  const [other, setOther] = useState(false);
  const options = [
    {
      value: OTHER,
      label: "Another group in Strive",
      description: "By its number",
    },
    // Everybody who is synced is in the primary group already.
    ...groups
      .filter((one) => one.kind !== "primary")
      .map((one) => ({
        value: String(one.group),
        label: one.name,
        description: GROUP_KINDS[one.kind].text,
        labelTag: String(one.group),
      })),
  ];
  const error = problem?.of("add_to_group");
  return (
    <SpaceBetween size="s">
      <FormField
        label="Group"
        errorText={(other ? undefined : error) ?? (unread && wordsOf(unread).text)}
        stretch
      >
        <Chooser
          options={options}
          value={other ? OTHER : value}
          onChange={(chosen) => {
            setOther(chosen === OTHER);
            onChange(chosen === OTHER ? "" : chosen);
          }}
          loading={loading}
          placeholder="Choose a group"
          nothing="There are no groups yet."
        />
      </FormField>
      {other && (
        <FormField
          label="The group’s number"
          description={
            <>
              The number by which Strive’s API knows the group. Those of the sync’s own groups are
              under <To to="/groups">Groups</To>.
            </>
          }
          errorText={error}
          stretch
        >
          <Input
            value={value}
            inputMode="numeric"
            onChange={({ detail }) => onChange(detail.value.trim())}
          />
        </FormField>
      )}
    </SpaceBetween>
  );
}
