import { useRef } from "react";

import type { Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { useFlash } from "../shared/flashes.ts";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { LongText } from "../shared/LongText.tsx";
import { Time } from "../shared/Time.tsx";
import { number, oneOf, plain } from "../shared/words.ts";
import { titleOf, useGroups } from "./groups/named.ts";
import { SyncButton, UnsyncButton } from "./groups/SyncButtons.tsx";
import { SYNCED, SYNCED_FILTER, SyncState } from "./groups/SyncState.tsx";
import { Name } from "./groups/text.tsx";

type Page = Shown<"PageShown">;
type GroupName = (group: number) => string | undefined;

const columnsOf = (groupName: GroupName): Column<Page>[] => [
  { id: "title", header: "Title", minWidth: 170, cell: (page) => <Name text={titleOf(page)} /> },
  {
    id: "synced",
    header: "Synced with its group",
    minWidth: 150,
    cell: (page) => <SyncState {...page} groupName={groupName} />,
  },
  { id: "type", header: "Type", minWidth: 90, cell: (page) => plain(page.type) || "–" },
  {
    id: "taken",
    header: "Actions taken",
    minWidth: 80,
    cell: (page) => <Taken page={page} />,
  },
  {
    id: "name",
    header: "Short name",
    minWidth: 120,
    cell: (page) => <LongText text={page.name} limit={60} />,
  },
  {
    id: "updated",
    header: "Updated",
    minWidth: 140,
    cell: (page) => <Time at={page.updated_at} />,
  },
];

function Taken({ page }: { page: Page }) {
  if (page.actions === null) return "–";
  const actions = number(page.actions);
  if (!page.synced) return actions;
  const query = { page_id: String(page.page_id) };
  return (
    <To to="/actions" query={query} label={`${actions}: show the actions on this page`}>
      {actions}
    </To>
  );
}

export default function Pages() {
  const groups = useGroups();
  const flash = useFlash();
  const told = useRef(false);

  const onSynced = (reload: () => void): void => {
    reload();
    groups.reload();
    if (told.current) return;
    told.current = true;
    flash.info(
      <>
        New actions are fetched every ten minutes. To have people in the group within seconds,
        ActionKit must call this account’s webhook at each action: its address is in{" "}
        <To to="/settings">Settings</To>.
      </>,
    );
  };
  return (
    <ListPage
      title="Pages"
      description="The pages of ActionKit. A synced one has a group in Strive of those who acted."
      columns={columnsOf(groups.name)}
      itemKey={(page) => String(page.page_id)}
      load={(api, { q, filters, limit, cursor }, signal) =>
        api.get("/pages", {
          query: { q, limit, cursor, synced: oneOf(SYNCED, filters["synced"]) },
          signal,
        })
      }
      search={{ label: "Search pages", placeholder: "Part of a title or short name" }}
      filters={[SYNCED_FILTER]}
      rowActions={(page, reload) =>
        page.synced ? (
          <UnsyncButton what="page" id={page.page_id} name={titleOf(page)} onChanged={reload} />
        ) : (
          <SyncButton
            what="page"
            id={page.page_id}
            name={titleOf(page)}
            who="every synced member whose user acted on the page, past actions included"
            after="From then on whoever acts on the page joins, and may set off automations."
            onChanged={() => onSynced(reload)}
          />
        )
      }
      empty={{
        title: "No pages yet",
        text: "Pages are read within five minutes after the sync is switched on in Overview.",
        action: <To to="/">Go to Overview</To>,
      }}
    />
  );
}

export function Help() {
  return (
    <>
      <p>
        Every page of ActionKit, as it was last read; new and changed ones are read every ten
        minutes.
      </p>
      <h3>Syncing a page</h3>
      <p>
        Makes a group in Strive that holds every synced member whose user acted on the page, past
        actions included. The group has the page’s title, or its short name if it has no title. Who
        is not eligible now joins by themselves when they become so.
      </p>
      <p>
        Only actions that are complete in ActionKit count. One that stops being complete, or is
        deleted, leaves the group.
      </p>
      <h3>Who is texted</h3>
      <p>
        Filling a group texts nobody: a group that carries a flow is filled when you release it in
        Holds. Whoever acts from then on joins at once, and the flow texts them.
      </p>
      <h3>Stop syncing</h3>
      <p>The group and its members stay. They are no longer kept up, and not protected.</p>
      <h3>The page of the integration</h3>
      <p>The page through which the sync itself writes to ActionKit cannot be synced.</p>
    </>
  );
}
