import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import { STATUSES } from "./words.ts";

/** A user's status, as a word with a sign. */
export function UserStatus({ status }: { status: Shown<"Status"> }) {
  const { text, look } = STATUSES[status];
  return (
    <StatusIndicator type={look} wrapText>
      {text}
    </StatusIndicator>
  );
}
