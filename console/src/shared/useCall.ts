import { type DependencyList, useCallback, useEffect, useState } from "react";

import { useAccess } from "../api/ApiContext.ts";
import type { Api } from "../api/client.ts";
import { Problem } from "../api/problem.ts";

export interface Called<T> {
  /** What was answered last, while it is asked for again too; undefined before the first answer. */
  data: T | undefined;
  problem: Problem | undefined;
  /** Whether an answer is awaited. */
  loading: boolean;
  reload: () => void;
}

interface State<T> {
  of: object;
  data?: T;
  problem?: Problem;
  loading: boolean;
}

interface Options {
  /** Calls again so long after each answer, while the page is in view. */
  everySeconds?: number;
}

/**
 * Makes a call when the page opens, again when one of `deps` changes, and when it is told to:
 *
 *     const { data, problem, loading, reload } = useCall(
 *       (api, signal) => api.get("/users/{user_id}", { path: { user_id }, signal }),
 *       [user_id],
 *     );
 *
 * A call that nobody waits for any more is ended.
 */
export function useCall<T>(
  call: (api: Api, signal: AbortSignal) => Promise<T>,
  deps: DependencyList,
  { everySeconds }: Options = {},
): Called<T> {
  const { api, report } = useAccess();
  // eslint-disable-next-line react-hooks/exhaustive-deps, react-hooks/use-memo -- the caller's
  const make = useCallback(call, deps);
  const [count, setCount] = useState(0);
  const [state, setState] = useState<State<T>>({ of: make, loading: true });

  useEffect(() => {
    const ending = new AbortController();
    let timer = 0;
    const ask = async (): Promise<void> => {
      setState((now) => ({ ...(now.of === make ? now : { of: make }), loading: true }));
      try {
        const data = await make(api, ending.signal);
        if (!ending.signal.aborted) setState({ of: make, data, loading: false });
      } catch (fault) {
        if (ending.signal.aborted) return;
        const problem = Problem.of(fault);
        report(problem);
        setState((now) => ({ ...now, problem, loading: false }));
        if (problem.kind === "signed_out") return;
      }
      again();
    };
    const again = (): void => {
      if (everySeconds === undefined || ending.signal.aborted) return;
      timer = window.setTimeout(() => {
        if (document.visibilityState === "visible") void ask();
        else again();
      }, everySeconds * 1000);
    };
    void ask();
    return () => {
      window.clearTimeout(timer);
      ending.abort();
    };
  }, [make, api, report, everySeconds, count]);

  const reload = useCallback(() => setCount((now) => now + 1), []);
  // What was answered to other `deps` is not shown for these.
  const mine = state.of === make;
  return {
    data: mine ? state.data : undefined,
    problem: mine ? state.problem : undefined,
    loading: !mine || state.loading,
    reload,
  };
}
