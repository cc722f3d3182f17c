import { type ReactNode, useCallback, useRef, useState } from "react";

import { useAccess } from "../api/ApiContext.ts";
import type { Api } from "../api/client.ts";
import { Problem } from "../api/problem.ts";
import { useFlash } from "./flashes.ts";

interface Outcome<T> {
  /** What is said when it is done. */
  done: ReactNode | ((answer: T) => ReactNode);
  /** What else follows: to reload a list, to leave the page. */
  then?: (answer: T) => void;
  /** Problems are shown by the caller, beside the fields of a form, rather than as a message. */
  quiet?: boolean;
}

export interface Action<A extends unknown[]> {
  busy: boolean;
  problem: Problem | undefined;
  /** Whether it was done. */
  run: (...given: A) => Promise<boolean>;
  forget: () => void;
}

/**
 * A change: made once at a time, its result said as a message.
 *
 *     const pause = useAction((api) => api.post("/activation/pause"), {
 *       done: "The sync is paused.", then: reload,
 *     });
 */
export function useAction<T, A extends unknown[]>(
  change: (api: Api, ...given: A) => Promise<T>,
  { done, then, quiet = false }: Outcome<T>,
): Action<A> {
  const { api, report } = useAccess();
  const flash = useFlash();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const running = useRef(false);

  const run = async (...given: A): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setProblem(undefined);
    try {
      const answer = await change(api, ...given);
      flash.success(typeof done === "function" ? done(answer) : done);
      then?.(answer);
      return true;
    } catch (fault) {
      const met = Problem.of(fault);
      report(met);
      setProblem(met);
      if (!quiet) flash.problem(met);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };

  const forget = useCallback(() => setProblem(undefined), []);
  return { busy, problem, run, forget };
}
