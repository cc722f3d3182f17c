import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { ChangeButton } from "../shared/ChangeButton.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { useAction } from "../shared/useAction.ts";
import { AddActionfieldGroup } from "./groups/AddActionfieldGroup.tsx";
import { useSyncedPages } from "./groups/named.ts";
import { Name, quoted } from "./groups/text.tsx";

type Group = Shown<"ActionfieldGroupShown">;

const columnsOf = (title: (page_id: number) => string | undefined): Column<Group>[] => [
  { id: "name", header: "Name", minWidth: 160, cell: (group) => <Name text={group.name} /> },
  {
    id: "page",
    header: "Page",
    minWidth: 180,
    cell: (group) =>
      group.page_id === null ? (
        "Any synced page"
      ) : (
        <Name text={title(group.page_id) ?? `Page ${group.page_id}`} />
      ),
  },
  {
    id: "actionfield",
    header: "ActionField",
    minWidth: 120,
    cell: (group) => <Name text={group.actionfield} limit={60} />,
  },
  {
    id: "value",
    header: "Value",
    minWidth: 120,
    cell: (group) => (group.value === null ? "Any value" : <Name text={group.value} limit={60} />),
  },
  { id: "group", header: "Number in Strive", minWidth: 90, cell: (group) => String(group.group) },
];

function DeleteGroup({ group, onDeleted }: { group: Group; onDeleted: () => void }) {
  const remove = useAction(
    (api) => api.delete("/actionfield-groups/{group_id}", { path: { group_id: group.id } }),
    {
      done: (
        <>
          The group {quoted(group.name)} is no longer kept up. Whom the sync put in is being taken
          out: <To to="/runs">look at the runs</To>.
        </>
      ),
      then: onDeleted,
    },
  );
  return (
    <ChangeButton
      variant="inline-link"
      action={remove}
      label={`Delete the ActionField group ${quoted(group.name)}`}
      confirm={{
        title: `Delete the ActionField group ${quoted(group.name)}?`,
        text:
          "Whom the sync put into the group is taken out again; whoever else is in it stays. " +
          "Then the group is deleted in Strive, if the sync made it and nobody else is in it. " +
          "Actions and their values stay as they are.",
      }}
    >
      Delete
    </ChangeButton>
  );
}

export default function ActionfieldGroups() {
  const synced = useSyncedPages();
  return (
    <ListPage
      title="ActionField groups"
      description="Groups in Strive of those who filled in a field of a page’s form."
      columns={columnsOf(synced.title)}
      itemKey={(group) => group.id}
      load={(api, { limit, cursor }, signal) =>
        api.get("/actionfield-groups", { query: { limit, cursor }, signal })
      }
      actions={(reload) => <AddActionfieldGroup onAdded={reload} />}
      rowActions={(group, reload) => <DeleteGroup group={group} onDeleted={reload} />}
      empty={{
        title: "No ActionField groups yet",
        text: "Add a group to gather those who, for example, chose “volunteer” on a page.",
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        ActionFields are the fields of a page’s form in ActionKit that belong to the action: a size,
        an event, a message. An ActionField group holds every synced member whose user acted with
        such a field, on one synced page or on any.
      </p>
      <h3>Value</h3>
      <p>
        With a value only those are in the group who gave it. It equals any of the field’s values,
        ignoring case and spaces around it. Without one any value counts.
      </p>
      <h3>Which fields can be chosen</h3>
      <p>Those seen in actions on synced pages. If one is missing, sync the page it is on first.</p>
      <h3>Deleting</h3>
      <p>
        Whom the sync put in is taken out again. The group itself is deleted in Strive if the sync
        made it and nobody else is in it. A page that a group uses cannot stop being synced.
      </p>
    </>
  );
}
