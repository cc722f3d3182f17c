import Box from "@cloudscape-design/components/box";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import type { ListOf, Shown } from "../api/client.ts";
import { To } from "../app/places.tsx";
import { type Column, type Filter, ListPage } from "../shared/ListPage.tsx";
import { Time } from "../shared/Time.tsx";
import { ACTION_OUTCOMES } from "../shared/words.ts";
import { titleOf, useSyncedPages } from "./groups/named.ts";
import { Name } from "./groups/text.tsx";

type Action = Shown<"ActionShown">;

const NUMBER = /^\d{1,12}$/;

const columnsOf = (title: (page_id: number) => string | undefined): Column<Action>[] => [
  {
    id: "taken",
    header: "Taken",
    minWidth: 140,
    cell: (action) => <Time at={action.created_at} none="Not known" />,
  },
  {
    id: "page",
    header: "Page",
    minWidth: 170,
    cell: (action) => <Name text={title(action.page_id) ?? `Page ${action.page_id}`} />,
  },
  {
    id: "user",
    header: "User",
    minWidth: 100,
    cell: (action) => <To to={`/users/${action.user_id}`}>{`User ${action.user_id}`}</To>,
  },
  {
    id: "member",
    header: "Member",
    minWidth: 90,
    cell: (action) => (action.member_id === null ? "–" : String(action.member_id)),
  },
  {
    id: "outcome",
    header: "Outcome",
    minWidth: 210,
    cell: (action) => <Outcome action={action} />,
  },
  {
    id: "fields",
    header: "Fields",
    minWidth: 180,
    cell: (action) => <Name text={fieldsText(action.fields)} />,
  },
];

function fieldsText(fields: Action["fields"]): string {
  return Object.entries(fields)
    .map(([name, values]) => `${name}: ${values.join(", ") || "–"}`)
    .join("\n");
}

function Outcome({ action }: { action: Action }) {
  const { text, look } = ACTION_OUTCOMES[action.outcome];
  const { reason } = action;
  return (
    <>
      <StatusIndicator type={look}>{text}</StatusIndicator>
      {reason && (
        <Box variant="small" color="text-body-secondary" display="block">
          {reason.text} {reason.fix}
          {reason.code === "held" && (
            <>
              {" "}
              <To to="/holds">Look at holds</To>
            </>
          )}
        </Box>
      )}
    </>
  );
}

export default function Actions() {
  const synced = useSyncedPages();
  const pages: Filter = {
    id: "page_id",
    label: "Page",
    any: "Every synced page",
    options: synced.pages.map((page) => ({
      value: String(page.page_id),
      label: titleOf(page),
    })),
  };
  return (
    <ListPage
      title="Actions"
      description="What people did on synced pages, newest first."
      columns={columnsOf(synced.title)}
      itemKey={(action) => String(action.action_id)}
      load={async (api, { q, filters, limit, cursor }, signal): Promise<ListOf<Action>> => {
        // A person is asked for by number alone: nothing else finds anybody.
        if (q !== "" && !NUMBER.test(q)) return { items: [], next_cursor: null };
        return api.get("/actions", {
          query: {
            limit,
            cursor,
            page_id: numberOf(filters["page_id"]),
            user_id: numberOf(q),
          },
          signal,
        });
      }}
      search={{ label: "Show one person’s actions", placeholder: "A user’s number in ActionKit" }}
      filters={[pages]}
      everySeconds={30}
      empty={{
        title: "No actions yet",
        text: "Actions are listed for synced pages. Sync a page to see those taken on it.",
        action: <To to="/pages">Go to Pages</To>,
      }}
    />
  );
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
}

export function Help() {
  return (
    <>
      <p>Every action on a synced page, with the values that were entered in its fields.</p>
      <h3>Outcome</h3>
      <dl>
        <dt>Synced</dt>
        <dd>The user is linked to a member, who is in the page’s group or on the way there.</dd>
        <dt>Waiting</dt>
        <dd>
          The person is not in the page’s group yet; it says why. They join by themselves when that
          changes.
        </dd>
        <dt>Does not count</dt>
        <dd>The action is not complete in ActionKit. It gives no group and sets off nothing.</dd>
      </dl>
      <h3>One person</h3>
      <p>
        Enter the user’s number in ActionKit: it is in the address of the user’s page here and in
        ActionKit.
      </p>
    </>
  );
}
