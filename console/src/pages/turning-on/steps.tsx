import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { useReadOnly, useSigned } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import { useCall } from "../../shared/useCall.ts";
import { OPTIONS } from "../../shared/words.ts";
import { fieldName } from "../fields/names.ts";
import { ConnectionFacts } from "../settings/Connection.tsx";
import { ConnectionForm } from "../settings/ConnectionForm.tsx";
import { countryName } from "../settings/countries.ts";
import { problemElsewhere, saveSettings, type Settings, useDraft } from "../settings/draft.ts";
import {
  OptInField,
  OptInValues,
  ReadingsExplained,
  type SettingProps,
  useOptInValues,
} from "../settings/OptIn.tsx";
import { DefaultRegion, PhoneFallback, PhoneTypes, PhoneTypesText } from "../settings/Phones.tsx";

interface ConnectStepProps {
  connection: Shown<"ConnectionShown"> | undefined;
  onConnected: () => void;
}

export function ConnectStep({ connection, onConnected }: ConnectStepProps) {
  const readOnly = useReadOnly();
  const [again, setAgain] = useState(false);
  return (
    <Container>
      <SpaceBetween size="l">
        {connection && <ConnectionFacts connection={connection} />}
        {connection && !again ? (
          <Button
            onClick={() => setAgain(true)}
            disabled={readOnly !== undefined}
            {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
          >
            Connect with other credentials
          </Button>
        ) : (
          <ConnectionForm
            known={connection}
            onConnected={() => {
              setAgain(false);
              onConnected();
            }}
            {...(connection ? { onCancel: () => setAgain(false) } : {})}
          />
        )}
      </SpaceBetween>
    </Container>
  );
}

interface OptInStepProps {
  saved: Settings;
  onSaved: (settings: Settings) => void;
}

export function OptInStep({ saved, onSaved }: OptInStepProps) {
  const { settings, changes, changed, change } = useDraft(saved);
  const save = useAction((api) => saveSettings(api, changes), {
    done: (answer) => `The opt-in userfield is ${answer.opt_in_userfield ?? "–"}.`,
    then: onSaved,
    quiet: true,
  });
  const values = useOptInValues(saved.opt_in_userfield, true);
  const elsewhere = problemElsewhere(save.problem);
  const other = changed.length > 0;
  return (
    <Container>
      <SpaceBetween size="l">
        <OptInField settings={settings} change={change} problem={save.problem} connected off />
        <ChangeButton
          action={save}
          variant={other ? "primary" : "normal"}
          disabledReason={other ? undefined : "Choose another userfield first."}
        >
          Use this userfield
        </ChangeButton>
        {elsewhere && <ProblemBox problem={elsewhere} />}
        {saved.opt_in_userfield !== null && !other && (
          <>
            <OptInValues userfield={saved.opt_in_userfield} values={values} />
            <ReadingsExplained />
          </>
        )}
      </SpaceBetween>
    </Container>
  );
}

export function PhonesStep(setting: SettingProps) {
  const elsewhere = problemElsewhere(setting.problem);
  return (
    <Container>
      <SpaceBetween size="l">
        <PhoneTypes {...setting} />
        <PhoneFallback {...setting} />
        <DefaultRegion {...setting} />
        {elsewhere && <ProblemBox problem={elsewhere} />}
      </SpaceBetween>
    </Container>
  );
}

const SHOWN = 100;

export function FieldsStep() {
  const { data, problem, reload } = useCall(
    (api, signal) => api.get("/fields", { query: { limit: SHOWN }, signal }),
    [],
  );
  return (
    <SpaceBetween size="m">
      <Table
        items={data?.items ?? []}
        trackBy="field_id"
        loading={!data && !problem}
        loadingText="Loading…"
        wrapLines
        ariaLabels={{ tableLabel: "Mapped fields" }}
        empty={problem ? <ProblemBox problem={problem} onRetry={reload} /> : "No field is mapped."}
        columnDefinitions={[
          {
            id: "strive",
            header: "Strive field",
            minWidth: 120,
            isRowHeader: true,
            cell: (field) => <span className="long-text">{fieldName(field)}</span>,
          },
          {
            id: "actionkit",
            header: "ActionKit field",
            minWidth: 120,
            cell: (field) => (
              <span className="value long-text">{field.actionkit_field ?? "–"}</span>
            ),
          },
          {
            id: "option",
            header: "Who wins",
            minWidth: 180,
            cell: (field) =>
              field.option === null ? "Rules of its own" : OPTIONS[field.option].text,
          },
        ]}
        footer={data?.next_cursor ? `These are the first ${SHOWN}.` : undefined}
      />
      <Box>
        <To to="/fields">Change this in Fields</To>, or later: fields can be mapped and changed at
        any time. Come back here, and you go on where you were.
      </Box>
    </SpaceBetween>
  );
}

interface CheckStepProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  missing: boolean;
}

export function CheckStep({ checked, onChange, missing }: CheckStepProps) {
  const readOnly = useReadOnly();
  const { session } = useSigned();
  return (
    <Container>
      <SpaceBetween size="l">
        <Box variant="p">
          Strive can text everybody who is added by an automation named “New member is added via
          API”. The sync adds many people at once, and all of them would get that text. Nobody can
          see from here whether such an automation is on.
        </Box>
        <ol>
          <li>Open Strive, and there the automations of this campaign.</li>
          <li>Look for one that starts with “New member is added via API”.</li>
          <li>Switch it off if there is one. Do not switch one on while the sync is on.</li>
        </ol>
        <FormField
          errorText={missing && !checked ? "Look in Strive first, then say so here." : undefined}
        >
          <Checkbox
            checked={checked}
            readOnly={readOnly !== undefined}
            onChange={({ detail }) => onChange(detail.checked)}
            description={
              `When you turn on the sync, this is stored with your name (${session.name}) and ` +
              "the time. Each time the sync is turned on it is asked again."
            }
          >
            I have looked: no automation “New member is added via API” is on
          </Checkbox>
        </FormField>
      </SpaceBetween>
    </Container>
  );
}

interface ReviewStepProps {
  connection: Shown<"ConnectionShown">;
  settings: Settings;
  /** The group of the primary group's name, if the API says that there is one: its words. */
  taken: string | undefined;
  adopt: boolean;
  onAdopt: (adopt: boolean) => void;
}

export function ReviewStep({ connection, settings, taken, adopt, onAdopt }: ReviewStepProps) {
  const readOnly = useReadOnly();
  return (
    <SpaceBetween size="l">
      <Container>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "ActionKit", value: connection.hostname },
            { label: "Strive campaign", value: String(connection.strive_campaign_id) },
            { label: "Opt-in userfield", value: settings.opt_in_userfield ?? "–" },
            { label: "Phone types", value: <PhoneTypesText types={settings.phone_types} /> },
            { label: "Other phones", value: settings.phone_fallback ? "Tried too" : "Not texted" },
            { label: "Default country", value: countryName(settings.default_region) },
          ]}
        />
      </Container>
      {taken !== undefined && (
        <Container>
          <SpaceBetween size="m">
            <div role="alert">
              <Box variant="p">{taken}</Box>
            </div>
            <Checkbox
              checked={adopt}
              readOnly={readOnly !== undefined}
              onChange={({ detail }) => onAdopt(detail.checked)}
              description={
                "Its members stay in it, and no user is made of them. Everybody who is synced " +
                "joins them. If you rename it in Strive instead, turn on again without this."
              }
            >
              Use the group that is there
            </Checkbox>
          </SpaceBetween>
        </Container>
      )}
      <Box variant="p">
        Turning on looks at the whole list: everybody eligible is linked to their Strive member, or
        one is created for them. From then on both sides are kept in step every ten minutes. This
        changes people’s records in both systems. You can pause or switch off at any time.
      </Box>
    </SpaceBetween>
  );
}
