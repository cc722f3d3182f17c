import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";

interface EraseProps {
  user_id: number;
  onErased: () => void;
}

/** The danger area: to erase the person, once their id was typed. */
export function Erase({ user_id, onErased }: EraseProps) {
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const erase = useAction((api) => api.delete("/people/{user_id}", { path: { user_id } }), {
    done: `User ${user_id} is erased here. What is left is removed within 24 hours.`,
    then: onErased,
    quiet: true,
  });
  const close = (): void => {
    setAsking(false);
    setTyped("");
    erase.forget();
  };
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="For people who ask that everything about them be forgotten."
          actions={
            <Button
              onClick={() => setAsking(true)}
              disabled={readOnly !== undefined}
              {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
            >
              Erase this person
            </Button>
          }
        >
          Danger area
        </Header>
      }
    >
      <Consequences />
      {asking && (
        <Confirm
          title={`Erase user ${user_id} for ever?`}
          label="Erase for ever"
          busy={erase.busy}
          disabledReason={
            typed.trim() === String(user_id) ? undefined : `Type ${user_id} to confirm.`
          }
          onConfirm={() => void erase.run().then((done) => done && close())}
          onCancel={close}
        >
          <SpaceBetween size="m">
            {erase.problem && <ProblemBox problem={erase.problem} />}
            <Consequences />
            <FormField
              label={`To confirm, type the user’s id: ${user_id}`}
              description="So that nobody is erased by mistake."
            >
              <Input
                value={typed}
                inputMode="numeric"
                autoComplete={false}
                disabled={erase.busy}
                onChange={({ detail }) => setTyped(detail.value)}
              />
            </FormField>
          </SpaceBetween>
        </Confirm>
      )}
    </Container>
  );
}

function Consequences() {
  return (
    <>
      <Box variant="p">
        Erasing removes every personal value that this application keeps: from these pages at once,
        from everything else within 24 hours. The linked member is opted out in Strive, and the sync
        never makes or links this person again.
      </Box>
      <Box variant="p">
        The user in ActionKit and the member in Strive are not deleted: delete them there. That the
        number refused texts is kept in a form that does not show the number.{" "}
        <b>This cannot be undone.</b>
      </Box>
    </>
  );
}
