import "@cloudscape-design/global-styles/index.css";
import "./app/app.css";

import I18nProvider from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { type ReactNode, StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app/App.tsx";
import { Gate } from "./app/Gate.tsx";
import { HERE, loadConfig } from "./session/config.ts";
import { Session } from "./session/session.ts";

const element = document.getElementById("console");
if (element === null) throw new Error("There is no place for the console in the page.");
const root = createRoot(element);

function show(what: ReactNode): void {
  root.render(
    <StrictMode>
      <I18nProvider locale="en" messages={[messages]}>
        {what}
      </I18nProvider>
    </StrictMode>,
  );
}

async function start(): Promise<void> {
  try {
    const config = await loadConfig();
    const session = new Session(config);
    try {
      await session.open();
    } catch {
      show(
        <Gate title="Signing in did not succeed" button="Sign in" onClick={() => session.signIn()}>
          The sign-in service sent you back without signing you in, or it took too long. Try again.
        </Gate>,
      );
      return;
    }
    show(<App session={session} apiBase={config.api_base} />);
  } catch {
    const reload = (): void => window.location.assign(HERE);
    show(
      <Gate title="The console cannot start" button="Try again" onClick={reload}>
        The application does not answer. Check your connection to the internet and try again; if it
        goes on, tell the people who operate this application.
      </Gate>,
    );
  }
}

void start();
