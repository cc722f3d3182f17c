import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { useReadOnly, useSigned } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { useAction } from "../../shared/useAction.ts";

interface EraseProps {
  off: boolean;
  onErased: () => void;
}

/** Deletes all that is kept of an account that is off. */
export function Erase({ off, onErased }: EraseProps) {
  const { account } = useSigned();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const erase = useAction((api) => api.delete("/connection", { query: { erase: "true" } }), {
    done: `The data of ${account} is deleted. What is left of a large account goes by itself.`,
    then: onErased,
  });
  const reason = useReadOnly() ?? (off ? undefined : "Switch the sync off in Overview first.");
  const close = (): void => {
    setAsking(false);
    setTyped("");
  };
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="For an account that is off and is not needed any more."
          actions={
            <Button
              onClick={() => setAsking(true)}
              disabled={reason !== undefined}
              {...(reason === undefined ? {} : { disabledReason: reason })}
            >
              Delete all data
            </Button>
          }
        >
          Delete all data
        </Header>
      }
    >
      <Box>
        Deletes the connection, settings, mapped fields, users, links, actions and history that are
        kept here. ActionKit and Strive are not changed. Records of consent stay, so that nobody who
        said stop is ever opted in by a later sync.
      </Box>
      {asking && (
        <Confirm
          title={`Delete all data of ${account}?`}
          label="Delete all data"
          busy={erase.busy}
          disabledReason={typed.trim() === account ? undefined : "Type the account’s name first."}
          onConfirm={() => void erase.run().then(close)}
          onCancel={close}
        >
          <SpaceBetween size="m">
            <Box>
              This cannot be undone. All that is kept here of the account but the records of consent
              is deleted, and its campaign can then be connected to another account.
            </Box>
            <FormField
              label="The account’s name"
              description={`Type ${account} to confirm.`}
            >
              <Input
                value={typed}
                onChange={({ detail }) => setTyped(detail.value)}
                autoComplete={false}
                spellcheck={false}
              />
            </FormField>
          </SpaceBetween>
        </Confirm>
      )}
    </Container>
  );
}
