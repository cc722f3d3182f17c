import { createContext, type ReactNode, use } from "react";

import type { Problem } from "../api/problem.ts";

export interface Flash {
  success: (text: ReactNode) => void;
  info: (text: ReactNode) => void;
  problem: (problem: Problem) => void;
}

export const FlashContext = createContext<Flash | null>(null);

/** Messages at the top of the page: `flash.success("The user is queued.")`. */
export function useFlash(): Flash {
  const flash = use(FlashContext);
  if (flash === null) throw new Error("There is no place for messages here.");
  return flash;
}
