import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";

import type { Shown } from "../../api/client.ts";
import { useAddress } from "../../app/places.tsx";
import { Time } from "../../shared/Time.tsx";
import { useCall } from "../../shared/useCall.ts";
import { counted } from "../../shared/words.ts";

const MOST = 100;
const EVERY_SECONDS = 30;
const RECENT_MILLISECONDS = 7 * 24 * 3600 * 1000;

/** What needs somebody; nothing at all where nothing does. */
export function Attention({ activation }: { activation: Shown<"ActivationShown"> }) {
  const holds = useCall(
    (api, signal) => api.get("/holds", { query: { limit: MOST }, signal }),
    [],
    { everySeconds: EVERY_SECONDS },
  ).data;
  const conflicts = useCall(
    (api, signal) => api.get("/conflicts", { query: { limit: MOST }, signal }),
    [],
    { everySeconds: EVERY_SECONDS },
  ).data;

  const held = holds?.items ?? [];
  const newest = conflicts?.items[0];
  const recent = conflicts?.items.filter(isRecent).length ?? 0;
  const failed = activation.progress.by_status.failed ?? 0;
  return (
    <SpaceBetween size="xs">
      {activation.phase === "off" && (
        <Need type="info" title="The sync is off" to="/turning-on" label="Turn it on step by step">
          Nothing is carried between ActionKit and Strive. The steps lead from the connection to the
          running sync; what is done already is passed over.
        </Need>
      )}
      {activation.phase === "stopped_credentials" && (
        <Need type="error" title="The sync has stopped" to="/settings" label="Connect again">
          {activation.reason?.text} Connect the account again in Settings; it then goes on by
          itself.
        </Need>
      )}
      {activation.phase === "paused" && (
        <Need type="info" title="The sync is paused">
          {activation.reason?.text} Refusals are still carried. Resume to go on.
        </Need>
      )}
      {held.length > 0 && (
        <Need type="warning" title="Waiting for your word" to="/holds" label="Look at holds">
          {counted(held.length, "hold")}
          {holds?.next_cursor ? " or more" : ""}, with{" "}
          {counted(held.reduce((sum, one) => sum + one.people, 0), "person", "people")} in all.
        </Need>
      )}
      {failed > 0 && (
        <Need
          type="warning"
          title="Users that failed"
          to="/users"
          query={{ status: "failed" }}
          label="Look at them"
        >
          {counted(failed, "user")} could not be synced. Each says why and what would change it.
        </Need>
      )}
      {newest && recent > 0 && (
        <Need type="info" title="Conflicts in the last week" to="/conflicts" label="Look at them">
          {counted(recent, "field")}
          {recent === MOST ? " or more" : ""} changed on both sides to different values; one of them
          won. The last was <Time at={newest.at} inline />.
        </Need>
      )}
    </SpaceBetween>
  );
}

function isRecent(conflict: Shown<"ConflictShown">): boolean {
  return Date.now() - new Date(conflict.at).getTime() < RECENT_MILLISECONDS;
}

interface NeedProps {
  type: "error" | "warning" | "info";
  title: string;
  children: ReactNode;
  to?: string;
  query?: Record<string, string>;
  label?: string;
}

function Need({ type, title, children, to, query, label }: NeedProps) {
  const address = useAddress();
  return (
    <Alert
      type={type}
      header={title}
      {...(to === undefined ? {} : { action: <Button href={address(to, query)}>{label}</Button> })}
    >
      {children}
    </Alert>
  );
}
