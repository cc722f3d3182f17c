import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Filter } from "../../shared/ListPage.tsx";
import { Name } from "./text.tsx";

interface SyncStateProps {
  synced: boolean;
  group: number | null;
  groupName: (group: number) => string | undefined;
}

/** Whether a page or usergroup is synced, and with which group. */
export function SyncState({ synced, group, groupName }: SyncStateProps) {
  if (!synced) return <StatusIndicator type="stopped">Not synced</StatusIndicator>;
  return (
    <>
      <StatusIndicator type="success">Synced</StatusIndicator>
      {group !== null && (
        <div>
          <Name text={groupName(group) ?? `Group ${group}`} limit={80} />
        </div>
      )}
    </>
  );
}

export const SYNCED = { true: "Synced", false: "Not synced" };

export const SYNCED_FILTER: Filter = {
  id: "synced",
  label: "Sync",
  any: "Synced and not",
  options: Object.entries(SYNCED).map(([value, label]) => ({ value, label })),
};
