import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { number, oneOf } from "../shared/words.ts";
import { useGroups } from "./groups/named.ts";
import { SyncButton, UnsyncButton } from "./groups/SyncButtons.tsx";
import { SYNCED, SYNCED_FILTER, SyncState } from "./groups/SyncState.tsx";
import { Name } from "./groups/text.tsx";

type Usergroup = Shown<"UsergroupShown">;
type GroupName = (group: number) => string | undefined;

const columnsOf = (groupName: GroupName): Column<Usergroup>[] => [
  { id: "name", header: "Name", minWidth: 150, cell: (one) => <Name text={nameOf(one)} /> },
  {
    id: "synced",
    header: "Synced with its group",
    minWidth: 150,
    cell: (one) => <SyncState {...one} groupName={groupName} />,
  },
  {
    id: "users",
    header: "Users",
    minWidth: 80,
    cell: (one) => (one.users === null ? "–" : number(one.users)),
  },
];

function nameOf(usergroup: Usergroup): string {
  return usergroup.name.trim() || `Usergroup ${usergroup.usergroup_id}`;
}

export default function Usergroups() {
  const groups = useGroups();
  const changed = (reload: () => void): void => {
    reload();
    groups.reload();
  };
  return (
    <ListPage
      title="Usergroups"
      description="The usergroups of ActionKit. A synced one has a group in Strive of its users."
      columns={columnsOf(groups.name)}
      itemKey={(one) => String(one.usergroup_id)}
      load={(api, { q, filters, limit, cursor }, signal) =>
        api.get("/usergroups", {
          query: { q, limit, cursor, synced: oneOf(SYNCED, filters["synced"]) },
          signal,
        })
      }
      search={{ label: "Search usergroups", placeholder: "Part of a name" }}
      filters={[SYNCED_FILTER]}
      rowActions={(one, reload) =>
        one.synced ? (
          <UnsyncButton
            what="usergroup"
            id={one.usergroup_id}
            name={nameOf(one)}
            onChanged={reload}
          />
        ) : (
          <SyncButton
            what="usergroup"
            id={one.usergroup_id}
            name={nameOf(one)}
            who="every synced member whose user is in the usergroup"
            after="Who joins or leaves the usergroup later joins or leaves the group too."
            onChanged={() => changed(reload)}
          />
        )
      }
      empty={{
        title: "No usergroups",
        text: "Usergroups are read from ActionKit every ten minutes while the sync is on.",
        action: <To to="/">Go to Overview</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>Every usergroup of ActionKit, as it was last read: every ten minutes.</p>
      <h3>Syncing a usergroup</h3>
      <p>
        Makes a group of its name in Strive that holds every synced member whose user is in the
        usergroup. Who leaves the usergroup leaves the group; who was in the group before the sync,
        or was put into it by hand, stays.
      </p>
      <p>
        This texts nobody: if the group carries a flow, the people it would text wait in Holds until
        you release them.
      </p>
      <h3>Stop syncing</h3>
      <p>The group and its members stay. They are no longer kept up, and not protected.</p>
    </>
  );
}
