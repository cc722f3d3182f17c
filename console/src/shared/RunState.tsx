import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import { RUN_STATES } from "./words.ts";

/** Whether a run still goes on, and how it ended. */
export function RunState({ state }: { state: Shown<"RunShown">["state"] }) {
  const { text, look } = RUN_STATES[state];
  return <StatusIndicator type={look}>{text}</StatusIndicator>;
}
