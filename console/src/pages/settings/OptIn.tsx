import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import RadioGroup from "@cloudscape-design/components/radio-group";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import type { Problem } from "../../api/problem.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { LongText } from "../../shared/LongText.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { type Called, useCall } from "../../shared/useCall.ts";
import { counted, keysOf, number, oneOf, READ_AS, RESUBSCRIBE } from "../../shared/words.ts";
import { type Changes, problemAt, type Settings } from "./draft.ts";

export interface SettingProps {
  settings: Settings;
  change: (changes: Changes) => void;
  problem: Problem | undefined;
}

interface OptInFieldProps extends SettingProps {
  connected: boolean;
  off: boolean;
}

/** The userfield that says who may be texted. Only while the account is off. */
export function OptInField({ settings, change, problem, connected, off }: OptInFieldProps) {
  const readOnly = useReadOnly();
  const open = off && connected;
  const { data, problem: lost, loading, reload } = useCall(
    async (api, signal) => {
      if (!open) return [];
      const [available, fields] = await Promise.all([
        api.get("/fields/available", { signal }),
        api.get("/fields", { query: { limit: 500 }, signal }),
      ]);
      const custom = fields.items.filter((one) => one.kind === "custom");
      const mapped = new Set(custom.map((one) => one.actionkit_field));
      return available.userfields.map(({ name }) => ({ name, mapped: mapped.has(name) }));
    },
    [open],
  );
  const chosen = settings.opt_in_userfield;
  const options: SelectProps.Option[] = (data ?? []).map(({ name, mapped }) => ({
    value: name,
    label: name,
    ...(mapped
      ? {
          disabled: true,
          description: "Mapped to a Strive field. Remove that mapping in Fields first.",
        }
      : {}),
  }));
  return (
    <FormField
      label="Opt-in userfield"
      description={
        "The ActionKit userfield in which people agree to be texted. Who has nothing in it is " +
        "never linked or created."
      }
      constraintText={
        !off
          ? "It can be changed only while the sync is off. Switch the sync off in " +
            "Overview, connect again, then choose another one here."
          : !connected
            ? "Connect first: the userfields are read from ActionKit."
            : undefined
      }
      errorText={problemAt(problem, "opt_in_userfield")}
    >
      <Select
        options={options}
        selectedOption={chosen === null ? null : { value: chosen, label: chosen }}
        placeholder="Choose a userfield"
        filteringType="auto"
        filteringAriaLabel="Search the userfields"
        filteringPlaceholder="Search"
        statusType={loading ? "loading" : lost ? "error" : "finished"}
        loadingText="Asking ActionKit…"
        {...(lost ? { errorText: lost.message } : {})}
        recoveryText="Try again"
        onLoadItems={() => lost && reload()}
        empty="ActionKit has no userfields."
        noMatch="No userfield has this in its name."
        disabled={!open}
        readOnly={readOnly !== undefined}
        expandToViewport
        onChange={({ detail }) => change({ opt_in_userfield: detail.selectedOption.value ?? null })}
      />
    </FormField>
  );
}

const SHOWN = 10;

/** The spellings found in a userfield that is saved, asked for on its own. */
export function useOptInValues(userfield: string | null, connected: boolean) {
  return useCall(
    async (api, signal) => {
      if (userfield === null || !connected) return undefined;
      return (await api.get("/settings/opt-in-values", { signal })).items;
    },
    [userfield, connected],
  );
}

interface OptInValuesProps {
  userfield: string;
  values: Called<Shown<"OptInValueShown">[] | undefined>;
}

/** How what people have in the opt-in userfield is read. */
export function OptInValues({ userfield, values }: OptInValuesProps) {
  const [all, setAll] = useState(false);
  const { data, problem, loading, reload } = values;
  const items = data ?? [];
  const shown = all ? items : items.slice(0, SHOWN);
  return (
    <Table
      variant="embedded"
      items={problem ? [] : shown}
      trackBy="value"
      wrapLines
      loading={loading && data === undefined}
      loadingText="Asking ActionKit…"
      ariaLabels={{ tableLabel: "Spellings found in the opt-in userfield" }}
      header={
        <Header
          variant="h3"
          description={data && data.length > 0 ? summary(data) : undefined}
          actions={
            <Button
              iconName="refresh"
              ariaLabel="Read the spellings again"
              loading={loading && data !== undefined}
              onClick={reload}
            />
          }
        >
          What people have in “{userfield}”
        </Header>
      }
      empty={
        problem ? (
          <ProblemBox problem={problem} onRetry={reload} />
        ) : (
          <Box color="text-body-secondary">
            Nobody has a value in this userfield yet, so nobody would be synced.
          </Box>
        )
      }
      footer={
        items.length > SHOWN && (
          <Button variant="inline-link" ariaExpanded={all} onClick={() => setAll(!all)}>
            {all ? "Show the commonest alone" : `Show all ${number(items.length)} spellings`}
          </Button>
        )
      }
      columnDefinitions={[
        {
          id: "value",
          header: "Value",
          minWidth: 88,
          isRowHeader: true,
          cell: (one) => (
            <span className="value">
              <LongText text={one.value} limit={60} />
            </span>
          ),
        },
        { id: "users", header: "Users", minWidth: 90, cell: (one) => number(one.users) },
        {
          id: "read_as",
          header: "Read as",
          minWidth: 165,
          cell: (one) => {
            const { text, look } = READ_AS[one.read_as];
            return <StatusIndicator type={look}>{text}</StatusIndicator>;
          },
        },
      ]}
    />
  );
}

function summary(values: Shown<"OptInValueShown">[]): string {
  const parts = keysOf(READ_AS).map((kind) => {
    const of = values.filter((one) => one.read_as === kind);
    const users = of.reduce((sum, one) => sum + one.users, 0);
    return `${READ_AS[kind].text}: ${counted(users, "user")}`;
  });
  return `${parts.join(". ")}.`;
}

/** What becomes of each reading. */
export function ReadingsExplained() {
  return (
    <Box color="text-body-secondary" variant="p">
      Opted in: a member whom the sync creates may be texted. Opted out and not recognised: created,
      but not texted. Whoever is a Strive member already keeps what Strive says, unless they refused
      in ActionKit. To have a spelling count, change it in ActionKit to one such as true or yes, or
      to false or no.
    </Box>
  );
}

/** Whether a refusal made in Strive can be lifted in ActionKit. */
export function ResubscribeSetting({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  return (
    <FormField
      label="Opting in again from ActionKit"
      description={
        "Whether somebody who said stop in Strive, by a text for example, is opted in again " +
        "when the opt-in userfield is set to true later. An opt-out is carried both ways, " +
        "always."
      }
      errorText={problemAt(problem, "resubscribe_from_actionkit")}
    >
      <RadioGroup
        value={settings.resubscribe_from_actionkit}
        readOnly={readOnly !== undefined}
        items={keysOf(RESUBSCRIBE).map((value) => ({
          value,
          label: RESUBSCRIBE[value].text,
          description: RESUBSCRIBE[value].what,
        }))}
        onChange={({ detail }) => {
          const value = oneOf(RESUBSCRIBE, detail.value);
          if (value) change({ resubscribe_from_actionkit: value });
        }}
      />
    </FormField>
  );
}
