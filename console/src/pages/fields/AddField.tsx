import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import type { Called } from "../../shared/useCall.ts";
import { keysOf, oneOf, OPTIONS } from "../../shared/words.ts";
import { optionsOf } from "./OptionSelect.tsx";

type Option = Shown<"Option">;

interface AddFieldProps {
  available: Called<Shown<"AvailableShown">>;
  onAdded: () => void;
}

/** The button that maps a custom field, and what it asks. */
export function AddField({ available, onAdded }: AddFieldProps) {
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button
        variant="primary"
        onClick={() => {
          available.reload();
          setAsking(true);
        }}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Map a field
      </Button>
      {asking && (
        <Add available={available} onAdded={onAdded} onClose={() => setAsking(false)} />
      )}
    </>
  );
}

const NAMES = ["strive_field", "actionkit_field", "option"];

function Add({ available, onAdded, onClose }: AddFieldProps & { onClose: () => void }) {
  const { data, problem: lost, loading, reload } = available;
  const [strive, setStrive] = useState<string>();
  const [userfield, setUserfield] = useState<string>();
  const [option, setOption] = useState<Option>("populate_no_overwrite");
  const add = useAction(
    (api, strive_field: string, actionkit_field: string) =>
      api.post("/fields", { body: { strive_field, actionkit_field, option } }),
    {
      done: (field) =>
        `${field.strive_field} is mapped to ${field.actionkit_field ?? "–"}. Every linked user ` +
        "is looked at again.",
      then: onAdded,
      quiet: true,
    },
  );
  const { problem } = add;
  const striveOptions = (data?.strive_fields ?? []).map((one) =>
    choice(one.name, one.label || one.name, one.why_not, one.label === one.name ? "" : one.name),
  );
  const userfieldOptions = (data?.userfields ?? []).map((one) =>
    choice(one.name, one.name, one.why_not),
  );
  const missing =
    strive === undefined
      ? "Choose the Strive field first."
      : userfield === undefined
        ? "Choose the ActionKit userfield first."
        : undefined;
  const common = {
    filteringType: "auto",
    filteringPlaceholder: "Search",
    statusType: data === undefined && loading ? "loading" : lost ? "error" : "finished",
    loadingText: "Asking both systems…",
    ...(lost ? { errorText: lost.message } : {}),
    recoveryText: "Try again",
    noMatch: "No field has this in its name.",
    onLoadItems: () => lost && reload(),
    expandToViewport: true,
  } as const;
  return (
    <Confirm
      title="Map a custom field"
      label="Map the field"
      busy={add.busy}
      disabledReason={missing}
      onConfirm={() => {
        if (strive === undefined || userfield === undefined) return;
        void add.run(strive, userfield).then((done) => done && onClose());
      }}
      onCancel={onClose}
    >
      <SpaceBetween size="m">
        <FormField
          label="Strive field"
          description="A custom field of type text. What cannot be mapped says why."
          errorText={problem?.of("strive_field")}
        >
          <Select
            {...common}
            options={striveOptions}
            selectedOption={striveOptions.find((one) => one.value === strive) ?? null}
            placeholder="Choose a field"
            empty="Strive has no custom fields. Make one there first."
            filteringAriaLabel="Search Strive’s fields"
            onChange={({ detail }) => {
              setStrive(detail.selectedOption.value);
              add.forget();
            }}
          />
        </FormField>
        <FormField
          label="ActionKit userfield"
          description="One that takes a single value."
          errorText={problem?.of("actionkit_field")}
        >
          <Select
            {...common}
            options={userfieldOptions}
            selectedOption={userfieldOptions.find((one) => one.value === userfield) ?? null}
            placeholder="Choose a userfield"
            empty="ActionKit has no userfields. Make one there first."
            filteringAriaLabel="Search ActionKit’s userfields"
            onChange={({ detail }) => {
              setUserfield(detail.selectedOption.value);
              add.forget();
            }}
          />
        </FormField>
        <FormField
          label="Option"
          description={OPTIONS[option].what}
          errorText={problem?.of("option")}
        >
          <Select
            options={optionsOf(keysOf(OPTIONS))}
            selectedOption={{ value: option, label: OPTIONS[option].text }}
            expandToViewport
            onChange={({ detail }) =>
              setOption((now) => oneOf(OPTIONS, detail.selectedOption.value) ?? now)
            }
          />
        </FormField>
        <Box color="text-body-secondary">
          Every linked user is looked at again, at the account’s pace, and their values are carried
          as the option says.
        </Box>
        {problem && !NAMES.some((name) => problem.of(name)) && <ProblemBox problem={problem} />}
      </SpaceBetween>
    </Confirm>
  );
}

function choice(
  value: string,
  label: string,
  whyNot: string | null,
  description = "",
): SelectProps.Option {
  const text = whyNot ?? description;
  return {
    value,
    label,
    ...(text ? { description: text } : {}),
    ...(whyNot === null ? {} : { disabled: true }),
  };
}
