import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, useState } from "react";

interface GateProps {
  title: string;
  children: ReactNode;
  button: string;
  onClick: () => Promise<void> | void;
}

/** What stands in place of the console: to sign in, or why one cannot go on. */
export function Gate({ title, children, button, onClick }: GateProps) {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState(false);
  const click = async (): Promise<void> => {
    setBusy(true);
    setFailed(false);
    try {
      await onClick();
    } catch {
      setFailed(true);
      setBusy(false);
    }
  };
  return (
    <main className="gate">
      <Container header={<Header variant="h1">{title}</Header>}>
        <SpaceBetween size="l">
          <Box variant="p">{children}</Box>
          {failed && (
            <div role="alert">
              <Box color="text-status-error">
                The sign-in service cannot be reached. Try again in a moment; if it goes on, tell
                the people who operate this application.
              </Box>
            </div>
          )}
          <Button variant="primary" loading={busy} onClick={() => void click()}>
            {button}
          </Button>
        </SpaceBetween>
      </Container>
    </main>
  );
}
