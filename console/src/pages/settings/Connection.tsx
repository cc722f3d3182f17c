import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useState } from "react";

import type { Shown } from "../../api/client.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Time } from "../../shared/Time.tsx";
import { ConnectionForm } from "./ConnectionForm.tsx";

interface ConnectionProps {
  /** Undefined where there is none. */
  connection: Shown<"ConnectionShown"> | undefined;
  /** The sync stopped since the credentials are refused: why. */
  refused?: string | undefined;
  onConnected: () => void;
}

/** The connection, and the form that makes or replaces it. */
export function Connection({ connection, refused, onConnected }: ConnectionProps) {
  const readOnly = useReadOnly();
  const [again, setAgain] = useState(false);
  const form = again || connection === undefined;
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="The two systems that this account keeps in step."
          actions={
            !form && (
              <Button
                onClick={() => setAgain(true)}
                disabled={readOnly !== undefined}
                {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
              >
                Connect again
              </Button>
            )
          }
        >
          Connection
        </Header>
      }
    >
      <SpaceBetween size="l">
        {connection ? (
          <ConnectionFacts connection={connection} refused={refused} />
        ) : (
          <StatusIndicator type="stopped" wrapText>
            Not connected. Without a connection nothing is synced.
          </StatusIndicator>
        )}
        {form && (
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

const READS: Record<Shown<"ConnectionShown">["actionkit_reads"], string> = {
  sql: "By SQL reports, the fast way",
  rest: "By REST, the slower way: the staff account may not run SQL reports",
};

interface FactsProps {
  connection: Shown<"ConnectionShown">;
  refused?: string | undefined;
}

export function ConnectionFacts({ connection, refused }: FactsProps) {
  return (
    <KeyValuePairs
      columns={3}
      items={[
        {
          label: "State",
          value: refused ? (
            <>
              <StatusIndicator type="error">Stopped</StatusIndicator>
              <Box color="text-status-error">{refused}</Box>
            </>
          ) : (
            <StatusIndicator type="success">Connected</StatusIndicator>
          ),
        },
        { label: "ActionKit", value: <span className="long-text">{connection.hostname}</span> },
        { label: "Strive campaign", value: String(connection.strive_campaign_id) },
        { label: "Connected", value: <Time at={connection.connected_at} /> },
        { label: "How ActionKit is read", value: READS[connection.actionkit_reads] },
        { label: "Password and API key", value: "Stored encrypted, never shown" },
      ]}
    />
  );
}
