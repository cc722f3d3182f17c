import Box from "@cloudscape-design/components/box";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { useAction } from "../../shared/useAction.ts";
import { oneOf, OPTIONS } from "../../shared/words.ts";
import type { Field } from "./names.ts";

type Option = Shown<"Option">;

/** Options for a select, each with what it does. */
export function optionsOf(options: Option[]) {
  return options.map((value) => ({
    value,
    label: OPTIONS[value].text,
    description: OPTIONS[value].what,
  }));
}

interface OptionSelectProps {
  field: Field;
  option: Option;
  name: string;
}

/** A field's option, to be changed in place; what that does is said before. */
export function OptionSelect({ field, option: given, name }: OptionSelectProps) {
  const readOnly = useReadOnly();
  const [option, setOption] = useState(given);
  const [wanted, setWanted] = useState<Option>();
  const { field_id } = field;
  const change = useAction(
    (api, to: Option) =>
      api.patch("/fields/{field_id}", { path: { field_id }, body: { option: to } }),
    {
      done: `The option of ${name} is changed. Every linked user is looked at again.`,
      then: (answer) => setOption((now) => answer.option ?? now),
    },
  );
  return (
    <SpaceBetween size="xxs">
      <Select
        options={optionsOf(field.allowed_options)}
        selectedOption={{ value: option, label: OPTIONS[option].text }}
        ariaLabel={`Option of ${name}`}
        readOnly={readOnly !== undefined}
        expandToViewport
        onChange={({ detail }) => {
          const to = oneOf(OPTIONS, detail.selectedOption.value);
          if (to !== undefined && to !== option) setWanted(to);
        }}
      />
      <Box color="text-body-secondary" fontSize="body-s">
        {OPTIONS[option].what}
      </Box>
      {wanted && (
        <Confirm
          title={`Change the option of ${name}?`}
          label="Change"
          busy={change.busy}
          onConfirm={() => void change.run(wanted).then(() => setWanted(undefined))}
          onCancel={() => setWanted(undefined)}
        >
          <SpaceBetween size="s">
            <Box>
              <Box variant="span" fontWeight="bold">
                {OPTIONS[wanted].text}.
              </Box>{" "}
              {OPTIONS[wanted].what}
            </Box>
            <Box>
              Every linked user is looked at again, at the account’s pace, and values that differ
              now are settled in this way.
            </Box>
          </SpaceBetween>
        </Confirm>
      )}
    </SpaceBetween>
  );
}
