import Box from "@cloudscape-design/components/box";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { ChangeButton } from "../shared/ChangeButton.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { useAction } from "../shared/useAction.ts";
import { GROUP_KINDS, number } from "../shared/words.ts";
import { Name, quoted } from "./groups/text.tsx";

type Group = Shown<"GroupShown">;

const COLUMNS: Column<Group>[] = [
  { id: "name", header: "Name", minWidth: 160, cell: (group) => <Name text={group.name} /> },
  {
    id: "kind",
    header: "Made for",
    minWidth: 130,
    cell: (group) => GROUP_KINDS[group.kind].text,
  },
  {
    id: "members",
    header: "Members",
    minWidth: 90,
    cell: (group) => (group.members === null ? "Not known" : number(group.members)),
  },
  {
    id: "protected",
    header: "Protected",
    minWidth: 190,
    cell: (group) => <Protection group={group} />,
  },
  {
    id: "hold",
    header: "Waiting",
    minWidth: 90,
    cell: (group) =>
      group.hold_id === null ? (
        "–"
      ) : (
        <To to="/holds" label={`People wait in Holds for the group ${quoted(group.name)}`}>
          Waits in Holds
        </To>
      ),
  },
  { id: "group", header: "Number in Strive", minWidth: 90, cell: (group) => String(group.group) },
];

function Protection({ group }: { group: Group }) {
  if (!group.protected) return <StatusIndicator type="stopped">Not protected</StatusIndicator>;
  return (
    <>
      <StatusIndicator type="success">Protected</StatusIndicator>
      <Box variant="small" color="text-body-secondary" display="block">
        {GROUP_KINDS[group.kind].why}
      </Box>
    </>
  );
}

function DeleteGroup({ group, onDeleted }: { group: Group; onDeleted: () => void }) {
  const remove = useAction(
    (api) => api.delete("/groups/{group}", { path: { group: group.group } }),
    { done: `The group ${quoted(group.name)} is deleted in Strive.`, then: onDeleted },
  );
  return (
    <ChangeButton
      variant="inline-link"
      action={remove}
      label={`Delete the group ${quoted(group.name)}`}
      disabledReason={group.protected ? GROUP_KINDS[group.kind].why : undefined}
      confirm={{
        title: `Delete the group ${quoted(group.name)}?`,
        text:
          `The group is deleted in Strive for everybody${membersIn(group)}, also those whom the ` +
          "sync did not put in. The members themselves stay. Automations that add to it fail " +
          "from then on. This cannot be undone.",
      }}
    >
      Delete
    </ChangeButton>
  );
}

function membersIn({ members }: Group): string {
  if (members === null) return "";
  if (members === 1) return ", with the one member who is in it";
  return `, with the ${number(members)} members who are in it`;
}

export default function Groups() {
  return (
    <ListPage
      title="Groups"
      description="The groups in Strive that the sync made or uses."
      columns={COLUMNS}
      itemKey={(group) => String(group.group)}
      load={(api, { limit, cursor }, signal) =>
        api.get("/groups", { query: { limit, cursor }, signal })
      }
      rowActions={(group, reload) => <DeleteGroup group={group} onDeleted={reload} />}
      empty={{
        title: "No groups yet",
        text: "The first one, of everybody who is synced, is made when the sync is switched on.",
        action: <To to="/">Go to Overview</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        Every group in Strive that the sync made or uses: the one of everybody who is synced, and
        those of pages, usergroups and ActionField groups.
      </p>
      <h3>Protected</h3>
      <p>
        A protected group is kept up and cannot be deleted here. If it is deleted in Strive it is
        made again; if it is renamed there, it keeps its new name.
      </p>
      <p>
        A group whose page or usergroup is no longer synced stays as it is until you delete it.
      </p>
      <h3>Waiting</h3>
      <p>
        A group that carries a flow texts whoever joins. People who would be added from the past
        wait in Holds until you release them.
      </p>
    </>
  );
}
