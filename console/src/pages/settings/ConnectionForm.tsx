import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Input, { type InputProps } from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type SyntheticEvent, useState } from "react";

import type { Shown } from "../../api/client.ts";
import type { Problem } from "../../api/problem.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";

type Connection = Shown<"ConnectionShown">;
type Name = keyof Shown<"ConnectionGiven">;

const FIELDS: Record<Name, { label: string; what: string; missing: string }> = {
  hostname: {
    label: "ActionKit hostname",
    what: "Without a path, as in act.example.org. Your own branded domain works too.",
    missing: "Enter the hostname of your ActionKit.",
  },
  username: {
    label: "User name",
    what:
      "Of a staff account made for this sync alone, so that its work can be told from " +
      "people’s.",
    missing: "Enter the staff account’s user name.",
  },
  password: {
    label: "Password",
    what: "Of that staff account.",
    missing: "Enter the staff account’s password.",
  },
  strive_campaign_id: {
    label: "Campaign",
    what: "The campaign’s number in Strive. A campaign belongs to one account.",
    missing: "Enter the campaign’s number: digits alone.",
  },
  strive_api_key: {
    label: "API key",
    what: "Of that campaign, from Strive’s settings.",
    missing: "Enter Strive’s API key.",
  },
};

const ACTIONKIT = ["hostname", "username", "password"] as const;
const STRIVE = ["strive_campaign_id", "strive_api_key"] as const;
const NAMES = [...ACTIONKIT, ...STRIVE];

/** The field that a refusal is about, where the API's details do not say. */
const ABOUT: Record<string, Name> = {
  hostname_refused: "hostname",
  actionkit_unreachable: "hostname",
  actionkit_wrong_host: "hostname",
  actionkit_credentials: "password",
  actionkit_permission: "username",
  strive_credentials: "strive_api_key",
  strive_unreachable: "strive_api_key",
  strive_campaign: "strive_campaign_id",
  campaign_in_use: "strive_campaign_id",
};

interface ConnectionFormProps {
  /** The connection that is replaced, if there is one. */
  known?: Connection | undefined;
  onConnected: (connection: Connection) => void;
  onCancel?: () => void;
}

/** Hostname, staff account, key and campaign. What is secret is forgotten with the form. */
export function ConnectionForm({ known, onConnected, onCancel }: ConnectionFormProps) {
  const readOnly = useReadOnly();
  const [values, setValues] = useState<Record<Name, string>>({
    hostname: known?.hostname ?? "",
    username: "",
    password: "",
    strive_api_key: "",
    strive_campaign_id: known ? String(known.strive_campaign_id) : "",
  });
  const [tried, setTried] = useState(false);
  const connect = useAction(
    (api) =>
      api.put("/connection", {
        body: {
          hostname: values.hostname.trim(),
          username: values.username.trim(),
          password: values.password,
          strive_api_key: values.strive_api_key.trim(),
          strive_campaign_id: Number(values.strive_campaign_id),
        },
      }),
    {
      done: ({ hostname, strive_campaign_id }) =>
        `Connected: ActionKit at ${hostname} with Strive campaign ${strive_campaign_id}.`,
      then: onConnected,
      quiet: true,
    },
  );

  const missing = NAMES.filter((name) => !isFilled(name, values[name]));
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setTried(true);
    if (missing.length === 0 && readOnly === undefined) void connect.run();
  };
  const field = (name: Name, props: Partial<InputProps> = {}) => (
    <FormField
      key={name}
      label={FIELDS[name].label}
      description={FIELDS[name].what}
      errorText={
        tried && missing.includes(name) ? FIELDS[name].missing : problemOf(connect.problem, name)
      }
    >
      <Input
        value={values[name]}
        onChange={({ detail }) => {
          setValues((now) => ({ ...now, [name]: detail.value }));
          connect.forget();
        }}
        readOnly={readOnly !== undefined}
        ariaRequired
        autoComplete="off"
        spellcheck={false}
        {...props}
      />
    </FormField>
  );
  const problem = NAMES.some((name) => problemOf(connect.problem, name))
    ? undefined
    : connect.problem;

  return (
    <form onSubmit={submit} noValidate>
      <SpaceBetween size="l">
        <Alert type="info" header="What connecting does">
          Both systems are asked at once whether they take these credentials. If one does not,
          nothing is stored{known ? " and the connection stays as it was" : ""}. Password and key
          are kept encrypted and are never shown again. Connecting changes nobody’s data and texts
          nobody.{" "}
          {known
            ? "It replaces the credentials; a sync that stopped because they were refused goes on."
            : "The sync itself is turned on later, and by you."}
        </Alert>
        <ColumnLayout columns={2}>
          <SpaceBetween size="m">
            {field("hostname", { inputMode: "url" })}
            {field("username")}
            {field("password", { type: "password", autoComplete: "new-password" })}
          </SpaceBetween>
          <SpaceBetween size="m">
            {field("strive_campaign_id", { inputMode: "numeric" })}
            {field("strive_api_key", { type: "password", autoComplete: "new-password" })}
          </SpaceBetween>
        </ColumnLayout>
        {problem && <ProblemBox problem={problem} />}
        <SpaceBetween direction="horizontal" size="xs">
          <Button
            variant="primary"
            formAction="submit"
            loading={connect.busy}
            loadingText="Asking both systems"
            disabled={readOnly !== undefined}
            {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
          >
            {known ? "Connect again" : "Connect"}
          </Button>
          {onCancel && (
            <Button variant="link" formAction="none" disabled={connect.busy} onClick={onCancel}>
              Cancel
            </Button>
          )}
        </SpaceBetween>
      </SpaceBetween>
    </form>
  );
}

function isFilled(name: Name, value: string): boolean {
  return name === "strive_campaign_id" ? /^\s*[1-9]\d{0,14}\s*$/.test(value) : value.trim() !== "";
}

function problemOf(problem: Problem | undefined, name: Name): string | undefined {
  if (problem === undefined) return undefined;
  if (problem.details.length > 0) return problem.of(name);
  return ABOUT[problem.code] === name ? problem.message : undefined;
}
