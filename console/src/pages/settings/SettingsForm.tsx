import "./settings.css";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";
import { useEffect, useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import {
  effectsOf,
  NAMES,
  problemAt,
  problemElsewhere,
  saveSettings,
  type Settings,
  useDraft,
  wrongPace,
} from "./draft.ts";
import {
  OptInField,
  OptInValues,
  ReadingsExplained,
  ResubscribeSetting,
  type SettingProps,
  useOptInValues,
} from "./OptIn.tsx";
import { DefaultRegion, PhoneFallback, PhoneTypes } from "./Phones.tsx";

interface SettingsFormProps {
  given: Settings;
  phase: Shown<"ActivationShown">["phase"];
  connected: boolean;
}

/** Everything that is saved together; what is not saved yet is said at the bottom. */
export function SettingsForm({ given, phase, connected }: SettingsFormProps) {
  const [saved, setSaved] = useState(given);
  const draft = useDraft(saved);
  const { settings, changes, changed, change, discard, wrong } = draft;
  const effects = effectsOf(changes, phase);
  const confirm = { title: "Save the settings?", text: <Effects texts={effects} /> };
  const save = useAction((api) => saveSettings(api, changes), {
    done: `Saved: ${changed.map((name) => NAMES[name]).join(", ")}.`,
    then: (answer) => {
      setSaved(answer);
      discard();
    },
    quiet: true,
  });
  const values = useOptInValues(saved.opt_in_userfield, connected);
  const { problem } = save;
  const setting: SettingProps = { settings, change, problem };
  const elsewhere = problemElsewhere(problem);

  const unsaved = changed.length > 0;
  useEffect(() => {
    if (!unsaved) return undefined;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [unsaved]);

  return (
    <SpaceBetween size="l">
      <Container
        header={
          <Header variant="h2" description="Who may be texted.">
            Consent
          </Header>
        }
      >
        <SpaceBetween size="l">
          <OptInField {...setting} connected={connected} off={phase === "off"} />
          {settings.opt_in_userfield !== saved.opt_in_userfield ? (
            <Box color="text-body-secondary">
              Save to see what people have in “{settings.opt_in_userfield}” and how it is read.
            </Box>
          ) : (
            saved.opt_in_userfield !== null &&
            connected && (
              <>
                <OptInValues userfield={saved.opt_in_userfield} values={values} />
                <ReadingsExplained />
              </>
            )
          )}
          <ResubscribeSetting {...setting} />
        </SpaceBetween>
      </Container>
      <Container
        header={
          <Header variant="h2" description="Which of a user’s numbers is texted.">
            Phones
          </Header>
        }
      >
        <SpaceBetween size="l">
          <PhoneTypes {...setting} />
          <PhoneFallback {...setting} />
          <DefaultRegion {...setting} />
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">Users and pace</Header>}>
        <SpaceBetween size="l">
          <CreateUsers {...setting} />
          <Pace {...setting} />
        </SpaceBetween>
      </Container>
      {elsewhere && <ProblemBox problem={elsewhere} />}
      {unsaved && (
        <div className="save-bar">
          <Container>
            <SpaceBetween size="xs">
              <div role="status">
                <Box fontWeight="bold" variant="span">
                  Not saved yet:
                </Box>{" "}
                {changed.map((name) => NAMES[name]).join(", ")}.
                {problem && (
                  <Box color="text-status-error">
                    It was not saved{elsewhere ? "" : ": see what is said at the setting"}.
                  </Box>
                )}
              </div>
              <SpaceBetween direction="horizontal" size="xs">
                <ChangeButton
                  action={save}
                  variant="primary"
                  disabledReason={wrong === undefined ? undefined : `Records per minute: ${wrong}`}
                  {...(effects.length > 0 ? { confirm } : {})}
                >
                  Save
                </ChangeButton>
                <Button
                  disabled={save.busy}
                  onClick={() => {
                    discard();
                    save.forget();
                  }}
                >
                  Discard changes
                </Button>
              </SpaceBetween>
            </SpaceBetween>
          </Container>
        </div>
      )}
    </SpaceBetween>
  );
}

function Effects({ texts }: { texts: string[] }) {
  return (
    <SpaceBetween size="s">
      {texts.map((text) => (
        <Box key={text} variant="p">
          {text}
        </Box>
      ))}
    </SpaceBetween>
  );
}

function CreateUsers({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  return (
    <FormField
      label="Create users in ActionKit"
      description={
        "For Strive members whom somebody adds to the group “ActionKit Integration” and who " +
        "have an email."
      }
      errorText={problemAt(problem, "create_users")}
    >
      <Toggle
        checked={settings.create_users}
        readOnly={readOnly !== undefined}
        onChange={({ detail }) => change({ create_users: detail.checked })}
        description={
          "Switched off: such members are listed under Members, and nothing is made of them."
        }
      >
        Create a user for such a member
      </Toggle>
    </FormField>
  );
}

function Pace({ settings, change, problem }: SettingProps) {
  const readOnly = useReadOnly();
  const { records_per_minute: pace } = settings;
  return (
    <FormField
      label="Records per minute"
      description={
        "How many users are read or written in ActionKit in any minute, at most. 1,000 is what " +
        "ActionKit allows; less leaves room for other tools, and makes an initial sync take " +
        "longer."
      }
      errorText={wrongPace(pace) ?? problemAt(problem, "records_per_minute")}
    >
      <Input
        type="number"
        inputMode="numeric"
        step={1}
        value={Number.isNaN(pace) ? "" : String(pace)}
        readOnly={readOnly !== undefined}
        onChange={({ detail }) =>
          change({ records_per_minute: detail.value === "" ? NaN : Number(detail.value) })
        }
      />
    </FormField>
  );
}
