import "./settings.css";

import Autosuggest from "@cloudscape-design/components/autosuggest";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import LiveRegion from "@cloudscape-design/components/live-region";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";

import { useReadOnly } from "../../session/SessionContext.ts";
import { COUNTRIES, countryName } from "./countries.ts";
import { problemAt } from "./draft.ts";
import type { SettingProps } from "./OptIn.tsx";

const KNOWN = ["mobile", "work", "home", "emergency"];
const MOST = 20;

/** The types whose numbers are texted, the first one with a valid number winning. */
export function PhoneTypes({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  const types = settings.phone_types;
  const [typed, setTyped] = useState("");
  const [said, setSaid] = useState("");

  const name = typed.trim();
  const wrong = types.includes(name)
    ? `“${name}” is in the list already.`
    : types.length >= MOST
      ? `At most ${MOST} types.`
      : undefined;
  const set = (next: string[], words: string): void => {
    change({ phone_types: next });
    setSaid(words);
  };
  const add = (type: string): void => {
    if (type === "" || types.includes(type) || types.length >= MOST) return;
    set([...types, type], `${type} is added as the last.`);
    setTyped("");
  };
  const move = (from: number, to: number): void => {
    const next = [...types];
    const [moved = ""] = next.splice(from, 1);
    next.splice(to, 0, moved);
    set(next, `${moved} is now number ${to + 1} of ${next.length}.`);
  };

  return (
    <SpaceBetween size="s">
      <FormField
        label="Phone types"
        description={
          "The ActionKit phone types that may be texted, the most wanted first. Of each user " +
          "the first type with a valid number counts. Numbers of other types are not texted."
        }
        errorText={problemAt(problem, "phone_types")}
        constraintText={
          types.length === 0
            ? "The list is empty, so it is mobile, then work, then home."
            : undefined
        }
      >
        <ol className="phone-types" aria-label="Phone types in their order">
          {types.map((type, at) => (
            <li key={type}>
              <span className="name">
                {at + 1}. {type}
              </span>
              {readOnly === undefined && (
                <>
                  <Button
                    variant="icon"
                    iconName="angle-up"
                    formAction="none"
                    ariaLabel={`Move ${type} up`}
                    disabled={at === 0}
                    disabledReason="It is the first."
                    onClick={() => move(at, at - 1)}
                  />
                  <Button
                    variant="icon"
                    iconName="angle-down"
                    formAction="none"
                    ariaLabel={`Move ${type} down`}
                    disabled={at === types.length - 1}
                    disabledReason="It is the last."
                    onClick={() => move(at, at + 1)}
                  />
                  <Button
                    variant="icon"
                    iconName="close"
                    formAction="none"
                    ariaLabel={`Remove ${type}`}
                    onClick={() =>
                      set(
                        types.filter((one) => one !== type),
                        `${type} is removed.`,
                      )
                    }
                  />
                </>
              )}
            </li>
          ))}
        </ol>
      </FormField>
      {readOnly === undefined && (
        <FormField
          label="Add a type"
          errorText={name === "" ? undefined : wrong}
          constraintText="As ActionKit names it: choose one or type another, then add it."
          secondaryControl={
            <Button
              formAction="none"
              iconName="add-plus"
              onClick={() => add(name)}
              disabled={name === ""}
            >
              Add
            </Button>
          }
        >
          <Autosuggest
            value={typed}
            onChange={({ detail }) => setTyped(detail.value)}
            onSelect={({ detail }) => add(detail.value.trim())}
            options={KNOWN.filter((one) => !types.includes(one)).map((value) => ({ value }))}
            enteredTextLabel={(value) => `Use “${value}”`}
            placeholder="Phone type"
            empty="No other types are known."
            expandToViewport
          />
        </FormField>
      )}
      <LiveRegion hidden>{said}</LiveRegion>
    </SpaceBetween>
  );
}

export function PhoneFallback({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  return (
    <FormField
      label="Other phones"
      description="What becomes of somebody with no number of the types above."
      errorText={problemAt(problem, "phone_fallback")}
    >
      <Toggle
        checked={settings.phone_fallback}
        readOnly={readOnly !== undefined}
        onChange={({ detail }) => change({ phone_fallback: detail.checked })}
        description={
          "Switched off: they are not eligible. It makes no difference while the list is empty."
        }
      >
        Try their mobile, work and home number
      </Toggle>
    </FormField>
  );
}

export function DefaultRegion({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  return (
    <FormField
      label="Default country"
      description={
        "By which numbers without a country code are read, where the user’s own country is " +
        "empty or unknown. Users who are linked keep the number they are linked by."
      }
      errorText={problemAt(problem, "default_region")}
    >
      <Select
        options={COUNTRIES}
        selectedOption={{
          value: settings.default_region,
          label: countryName(settings.default_region),
        }}
        filteringType="auto"
        filteringAriaLabel="Search the countries"
        filteringPlaceholder="Name or two letters"
        noMatch="No country has this in its name."
        readOnly={readOnly !== undefined}
        expandToViewport
        onChange={({ detail }) => {
          if (detail.selectedOption.value) change({ default_region: detail.selectedOption.value });
        }}
      />
    </FormField>
  );
}

/** The list as it counts, in words. */
export function PhoneTypesText({ types }: { types: string[] }) {
  return <Box variant="span">{(types.length > 0 ? types : KNOWN.slice(0, 3)).join(", then ")}</Box>;
}
