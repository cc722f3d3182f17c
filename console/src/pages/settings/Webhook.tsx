import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { useAction } from "../../shared/useAction.ts";

/** The address that ActionKit pages call when somebody acts. */
export function Webhook({ address }: { address: string }) {
  const [shown, setShown] = useState(address);
  const renew = useAction((api) => api.post("/settings/webhook-token"), {
    done: "The webhook has a new address. Paste it into your ActionKit pages.",
    then: ({ webhook_url }) => setShown(webhook_url),
  });
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={
            "Paste it into ActionKit, where pages call an address after an action. The people " +
            "who act are then synced within seconds; without it, within ten minutes."
          }
          actions={
            <ChangeButton
              action={renew}
              confirm={{
                title: "Make a new webhook address?",
                text:
                  "The old address stops working at once. Until the new one is pasted into your " +
                  "ActionKit pages, actions are found every ten minutes. Nothing is lost. Do " +
                  "this if somebody has the address who should not.",
              }}
            >
              Make a new address
            </ChangeButton>
          }
        >
          Webhook address
        </Header>
      }
    >
      <SpaceBetween size="s">
        <Box>
          <span className="value long-text">{shown}</span>
        </Box>
        <CopyToClipboard
          copyButtonText="Copy"
          copyButtonAriaLabel="Copy the webhook address"
          textToCopy={shown}
          copySuccessText="The address is copied."
          copyErrorText="The browser does not allow copying. Select the address and copy it."
        />
        <Box color="text-body-secondary" fontSize="body-s">
          Whoever knows the address can have the sync look for new actions, and nothing else.
        </Box>
      </SpaceBetween>
    </Container>
  );
}
