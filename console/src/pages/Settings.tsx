import Button from "@cloudscape-design/components/button";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { useAddress } from "../app/places.tsx";
import { ProblemBox } from "../shared/ProblemBox.tsx";
import { useCall } from "../shared/useCall.ts";
import { Connection } from "./settings/Connection.tsx";
import { Erase } from "./settings/Erase.tsx";
import { SettingsForm } from "./settings/SettingsForm.tsx";
import { Webhook } from "./settings/Webhook.tsx";

const EVERY_SECONDS = 15;

export default function Settings() {
  const address = useAddress();
  const often = { everySeconds: EVERY_SECONDS };
  const connection = useCall((api, signal) => api.get("/connection", { signal }), [], often);
  const activation = useCall((api, signal) => api.get("/activation", { signal }), [], often);
  const settings = useCall((api, signal) => api.get("/settings", { signal }), []);
  const calls = [connection, activation, settings];
  const reload = (): void => calls.forEach((one) => one.reload());

  const never = calls.some((one) => one.problem?.code === "no_account");
  const lost = calls.find((one) => one.problem && one.problem.kind !== "not_connected");
  const connected = connection.problem?.kind === "not_connected" ? undefined : connection.data;
  const asked = connection.data !== undefined || connection.problem !== undefined;
  const { data: given } = settings;
  const phase = activation.data?.phase;

  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={
            never
              ? "This account is not connected yet. Connect it to ActionKit and Strive to begin."
              : "What this account is connected to, and how it syncs."
          }
          actions={
            (never || phase === "off") && (
              <Button href={address("/turning-on")}>Go step by step</Button>
            )
          }
        >
          Settings
        </Header>
      }
    >
      <SpaceBetween size="l">
        {lost?.problem && <ProblemBox problem={lost.problem} onRetry={reload} />}
        {never ? (
          <Connection connection={undefined} onConnected={reload} />
        ) : asked && given && phase ? (
          <SpaceBetween size="l">
            <Connection
              connection={connected}
              refused={
                phase === "stopped_credentials" ? activation.data?.reason?.text : undefined
              }
              onConnected={reload}
            />
            <SettingsForm given={given} phase={phase} connected={connected !== undefined} />
            <Webhook address={given.webhook_url} />
            <Erase off={phase === "off"} onErased={reload} />
          </SpaceBetween>
        ) : (
          !lost && <Spinner size="large" />
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

export function Help() {
  return (
    <>
      <p>
        What the account is connected to, and how it syncs. Each setting says what it does. Changes
        are kept once you save them.
      </p>
      <h3>Connect again</h3>
      <p>
        For new credentials, and after the sync was switched off. Both systems are asked before
        anything is stored. While people are linked, an account cannot be moved to another ActionKit
        or another campaign.
      </p>
      <h3>Opt-in userfield</h3>
      <p>
        It says who agreed to be texted. These are read as opted in, whatever their case: t, true,
        1, opt in, opt-in, y, yes. As opted out: f, false, 0, opt out, opt-out, n, no. Everything
        else is not recognised and opts nobody in.
      </p>
      <h3>Phone types</h3>
      <p>
        Within a type the latest number counts. People whose only numbers are of other types are not
        texted, unless their mobile, work and home numbers are to be tried.
      </p>
    </>
  );
}
