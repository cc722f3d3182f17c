import { createContext, use } from "react";

import type { Role } from "./roles.ts";
import type { Session } from "./session.ts";

export interface Signed {
  session: Session;
  account: string;
  role: Role;
}

export const SignedContext = createContext<Signed | null>(null);

/** Who is signed in, on which account, and with which role. */
export function useSigned(): Signed {
  const signed = use(SignedContext);
  if (signed === null) throw new Error("Nobody is signed in here.");
  return signed;
}

export const VIEWER_REASON =
  "You are a viewer of this account: you can look at everything and change nothing.";

/** Why one may not change anything here; undefined for an editor. */
export function useReadOnly(): string | undefined {
  return useSigned().role === "editor" ? undefined : VIEWER_REASON;
}
