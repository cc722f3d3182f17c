import { createContext, use } from "react";

import type { Api } from "./client.ts";
import type { Problem } from "./problem.ts";

export interface Access {
  api: Api;
  /** Told of every problem, so that the shell can offer to sign in again. */
  report: (problem: Problem) => void;
}

export const AccessContext = createContext<Access | null>(null);

export function useAccess(): Access {
  const access = use(AccessContext);
  if (access === null) throw new Error("There is no API here.");
  return access;
}
