import { useEffect } from "react";

import type { Session } from "../session/session.ts";
import { Gate } from "./Gate.tsx";
import { addressOf, go, placeOf, useHash } from "./router.ts";
import { Shell } from "./Shell.tsx";

interface AppProps {
  session: Session;
  apiBase: string;
}

/** The console of whoever is signed in, on the account that the address names. */
export function App({ session, apiBase }: AppProps) {
  const place = placeOf(useHash());
  const { signedIn, roles } = session;
  const first = [...roles.keys()][0];
  const elsewhere = signedIn && place.account === "" ? first : undefined;

  useEffect(() => {
    if (elsewhere !== undefined) go(addressOf(elsewhere, "/"), true);
  }, [elsewhere]);

  if (!signedIn) {
    return (
      <Gate title="InStep" button="Sign in" onClick={() => session.signIn()}>
        Keeps an ActionKit list and a Strive campaign in step. Sign in to see and set what it does.
      </Gate>
    );
  }
  if (first === undefined) {
    return (
      <Gate title="No account" button="Sign out" onClick={() => session.signOut()}>
        You are signed in as {session.name}, but you have no role on any account. Ask whoever gives
        out access for a role, then sign in again.
      </Gate>
    );
  }
  if (elsewhere !== undefined) return null;
  const role = roles.get(place.account);
  if (role === undefined) {
    const back = (): void => go(addressOf(first, "/"));
    return (
      <Gate title="Not your account" button={`Go to ${first}`} onClick={back}>
        You are signed in as {session.name}, who has no role on the account “{place.account}”.
      </Gate>
    );
  }
  return (
    <Shell key={place.account} session={session} apiBase={apiBase} place={place} role={role} />
  );
}
