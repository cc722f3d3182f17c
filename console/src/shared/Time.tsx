import Box from "@cloudscape-design/components/box";
import { useSyncExternalStore } from "react";

import { absolute, exact, relative } from "./time.ts";

interface TimeProps {
  at: string | null | undefined;
  /** What is shown where there is no time. */
  none?: string;
  /** On one line, for running text. */
  inline?: boolean;
}

/** A time: how long ago, and when that was. */
export function Time({ at, none = "–", inline = false }: TimeProps) {
  const now = useNow();
  if (!at) return <>{none}</>;
  const when = absolute(at);
  return (
    <time dateTime={at} title={exact(at)}>
      {relative(at, now)}
      {inline ? (
        ` (${when})`
      ) : (
        <Box variant="small" color="text-body-secondary" display="block">
          {when}
        </Box>
      )}
    </time>
  );
}

const EVERY_MILLISECONDS = 10_000;
let now = Date.now();

/** The time, again every ten seconds; one clock for the whole page. */
function useNow(): number {
  return useSyncExternalStore(tick, () => now);
}

const listeners = new Set<() => void>();
let timer = 0;

function tick(changed: () => void): () => void {
  if (listeners.size === 0) {
    now = Date.now();
    timer = window.setInterval(() => {
      now = Date.now();
      for (const listener of listeners) listener();
    }, EVERY_MILLISECONDS);
  }
  listeners.add(changed);
  return () => {
    listeners.delete(changed);
    if (listeners.size === 0) window.clearInterval(timer);
  };
}
