import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Wizard from "@cloudscape-design/components/wizard";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useAddress } from "../../app/places.tsx";
import { go } from "../../app/router.ts";
import { useReadOnly, useSigned } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { wordsOf } from "../../shared/problems.ts";
import { useAction } from "../../shared/useAction.ts";
import { useCall } from "../../shared/useCall.ts";
import { saveSettings, type Settings, useDraft } from "../settings/draft.ts";
import { forgetSteps, furthestStep, keepStep } from "./resume.ts";
import {
  CheckStep,
  ConnectStep,
  FieldsStep,
  OptInStep,
  PhonesStep,
  ReviewStep,
} from "./steps.tsx";

const EVERY_SECONDS = 10;
const [CONNECT, OPT_IN, PHONES, FIELDS, CHECK, REVIEW] = [0, 1, 2, 3, 4, 5];

/** The guided path from an account that is not connected, or off, to one that is on. */
export default function TurningOn() {
  const address = useAddress();
  const often = { everySeconds: EVERY_SECONDS };
  const activation = useCall((api, signal) => api.get("/activation", { signal }), [], often);
  const connection = useCall((api, signal) => api.get("/connection", { signal }), [], often);
  const settings = useCall((api, signal) => api.get("/settings", { signal }), []);
  const calls = [activation, connection, settings];
  const reload = (): void => calls.forEach((one) => one.reload());

  const never = calls.some((one) => one.problem?.code === "no_account");
  const lost = calls.find((one) => one.problem && one.problem.kind !== "not_connected");
  const asked = calls.every((one) => one.data !== undefined || one.problem !== undefined);
  const phase = activation.data?.phase;
  const connected = connection.problem?.kind === "not_connected" ? undefined : connection.data;
  const header = (
    <Header
      variant="h1"
      description="Step by step. You can leave at any time and go on later where you were."
    >
      Turn on the sync
    </Header>
  );
  if (!never && phase !== undefined && phase !== "off") {
    const stopped = phase === "stopped_credentials";
    return (
      <ContentLayout header={header}>
        <Alert
          type={stopped ? "error" : "success"}
          header={stopped ? "The sync has stopped" : "The sync is on"}
          action={
            <Button href={address(stopped ? "/settings" : "/")}>
              {stopped ? "Connect again in Settings" : "Go to Overview"}
            </Button>
          }
        >
          {stopped
            ? `${activation.data?.reason?.text ?? ""} It then goes on by itself.`
            : "There is nothing to turn on. How far it is stands in Overview."}
        </Alert>
      </ContentLayout>
    );
  }
  return (
    <ContentLayout header={header}>
      <SpaceBetween size="l">
        {lost?.problem && <ProblemBox problem={lost.problem} onRetry={reload} />}
        {asked && (!lost || settings.data) ? (
          <Steps
            connection={never ? undefined : connected}
            given={never ? undefined : settings.data}
            reload={reload}
          />
        ) : (
          !lost && <Spinner size="large" />
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

interface StepsProps {
  connection: Shown<"ConnectionShown"> | undefined;
  given: Settings | undefined;
  reload: () => void;
}

/** What the settings are before there are any. */
const NONE: Settings = {
  opt_in_userfield: null,
  phone_types: [],
  phone_fallback: false,
  create_users: false,
  default_region: "US",
  records_per_minute: 1000,
  resubscribe_from_actionkit: "never",
  webhook_url: "",
};

function Steps({ connection, given, reload }: StepsProps) {
  const address = useAddress();
  const readOnly = useReadOnly();
  const { account } = useSigned();
  const [answered, setAnswered] = useState<Settings>();
  const saved = answered ?? given ?? NONE;
  const [chosen, setChosen] = useState<number>();
  const [tried, setTried] = useState(false);
  const [confirmed, setConfirmed] = useState(false);
  const [adopt, setAdopt] = useState(false);
  const phones = useDraft(saved);

  const first =
    connection === undefined || given === undefined
      ? CONNECT
      : saved.opt_in_userfield === null
        ? OPT_IN
        : Math.min(Math.max(furthestStep(account), PHONES), CHECK);
  // A step that is not done any more is gone back to: the connection may have been deleted.
  const step = Math.min(chosen ?? first, first < PHONES ? first : REVIEW);

  const to = (next: number): void => {
    setTried(false);
    setChosen(next);
    keepStep(account, next);
  };
  const savePhones = useAction((api) => saveSettings(api, phones.changes), {
    done: "The phone types are saved.",
    then: (answer) => {
      setAnswered(answer);
      phones.discard();
      to(FIELDS);
    },
    quiet: true,
  });
  const on = useAction(
    (api) =>
      api.put("/activation", {
        body: { confirm_no_new_member_automation: confirmed, adopt_primary_group: adopt },
      }),
    {
      done: "The sync is on. The initial sync of the whole list has begun.",
      then: () => {
        forgetSteps(account);
        go(address("/"));
      },
      quiet: true,
    },
  );
  const taken = on.problem?.code === "group_name_taken" ? on.problem.message : undefined;
  const [group, setGroup] = useState<string>();
  if (taken !== undefined && taken !== group) setGroup(taken);

  const missing = [
    connection === undefined ? "Connect first." : undefined,
    saved.opt_in_userfield === null ? "Choose the opt-in userfield first." : undefined,
    undefined,
    undefined,
    confirmed || readOnly !== undefined ? undefined : "Look in Strive first, then say so here.",
  ][step];
  const next = (): void => {
    if (missing !== undefined) setTried(true);
    else if (step === PHONES && phones.changed.length > 0) void savePhones.run();
    else to(step + 1);
  };

  const refused = on.problem !== undefined && taken === undefined ? wordsOf(on.problem) : undefined;
  return (
    <Wizard
      activeStepIndex={step}
      onNavigate={({ detail }) => {
        if (detail.requestedStepIndex < step) to(detail.requestedStepIndex);
        else next();
      }}
      i18nStrings={{
        stepNumberLabel: (at) => `Step ${at}`,
        collapsedStepsLabel: (at, of) => `Step ${at} of ${of}`,
        navigationAriaLabel: "Steps",
      }}
      customPrimaryActions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button variant="link" href={address("/")}>
            Leave
          </Button>
          {step > CONNECT && <Button onClick={() => to(step - 1)}>Back</Button>}
          {step < REVIEW ? (
            <Button
              variant="primary"
              loading={savePhones.busy}
              disabled={missing !== undefined && step < PHONES}
              {...(missing !== undefined && step < PHONES ? { disabledReason: missing } : {})}
              onClick={next}
            >
              Next
            </Button>
          ) : (
            <ChangeButton
              action={on}
              variant="primary"
              disabledReason={
                confirmed ? undefined : "Say first that no such automation is on: step 5."
              }
            >
              Turn on the sync
            </ChangeButton>
          )}
        </SpaceBetween>
      }
      steps={[
        {
          title: "Connect",
          description: "ActionKit and Strive, with credentials of your own for this sync.",
          content: <ConnectStep connection={connection} onConnected={reload} />,
        },
        {
          title: "Opt-in userfield",
          description: "Who agreed to be texted, and how what they have there is read.",
          content: (
            <OptInStep
              key={saved.opt_in_userfield}
              saved={saved}
              onSaved={(answer) => {
                setAnswered(answer);
                to(OPT_IN); // Stays, to show the spellings found in it.
              }}
            />
          ),
        },
        {
          title: "Phones",
          description: "Which of a user’s numbers is texted.",
          content: (
            <PhonesStep
              settings={phones.settings}
              change={phones.change}
              problem={savePhones.problem}
            />
          ),
        },
        {
          title: "Fields",
          description: "Which values are carried, and who wins.",
          content: <FieldsStep />,
        },
        {
          title: "A look into Strive",
          description: "So that nobody is texted whom you did not mean to text.",
          content: <CheckStep checked={confirmed} onChange={setConfirmed} missing={tried} />,
        },
        {
          title: "Turn on",
          description: "What will be done, once more.",
          errorText: refused && `${refused.title}: ${refused.text}`,
          content: connection && (
            <ReviewStep
              connection={connection}
              settings={saved}
              taken={group}
              adopt={adopt}
              onAdopt={setAdopt}
            />
          ),
        },
      ]}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        What an account needs before its sync can be on: a connection, an opt-in userfield, and your
        word that Strive texts nobody merely for being added.
      </p>
      <p>
        What you enter is kept at each step. Whoever comes back begins at the first step that is not
        done.
      </p>
      <h3>On again after off</h3>
      <p>
        Switching off deletes the connection within a minute, so connect again first. Links,
        settings and fields are still there, and the sync goes on from them. Nothing that happened
        meanwhile texts anybody.
      </p>
    </>
  );
}
