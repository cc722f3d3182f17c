import type { Api, ListOf, Shown } from "../../api/client.ts";
import { useCall } from "../../shared/useCall.ts";

type Page = Shown<"PageShown">;

const AT_ONCE = 500;
/** A list to choose from has an end, whatever the API says. */
const MOST_CALLS = 20;

/** A whole list, for choosing from it and for the names of what other lists have by number. */
async function whole<Item>(
  load: (cursor: string | undefined) => Promise<ListOf<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  for (let call = 0; call < MOST_CALLS; call += 1) {
    const page = await load(cursor);
    items.push(...page.items);
    if (page.next_cursor === null) break;
    cursor = page.next_cursor;
  }
  return items;
}

/** The title of a page, or its short name where it has none. */
export function titleOf(page: Page): string {
  return page.title?.trim() || page.name;
}

/** The synced pages: actions, ActionField groups and automations are of these alone. `title` is
 * undefined until they are read. */
export function useSyncedPages() {
  const { data, problem, loading, reload } = useCall(
    (api, signal) =>
      whole((cursor) =>
        api.get("/pages", { query: { synced: "true", limit: AT_ONCE, cursor }, signal }),
      ),
    [],
  );
  const titles = new Map(data?.map((one) => [one.page_id, titleOf(one)]));
  return {
    pages: data ?? [],
    problem,
    loading: loading && data === undefined,
    reload,
    title: (page_id: number): string | undefined => titles.get(page_id),
  };
}

/** The Strive groups of the integration; of others `name` is undefined. */
export function useGroups() {
  const { data, problem, loading, reload } = useCall(
    (api, signal) =>
      whole((cursor) => api.get("/groups", { query: { limit: AT_ONCE, cursor }, signal })),
    [],
  );
  const names = new Map(data?.map((one) => [one.group, one.name]));
  return {
    groups: data ?? [],
    problem,
    loading: loading && data === undefined,
    reload,
    name: (group: number): string | undefined => names.get(group),
  };
}

/** The automation with an id; null where there is none. The API has no call for one alone. */
export async function findRule(
  api: Api,
  id: string,
  signal: AbortSignal,
): Promise<Shown<"AutomationShown"> | null> {
  const rules = await whole((cursor) =>
    api.get("/automations", { query: { limit: AT_ONCE, cursor }, signal }),
  );
  return rules.find((one) => one.id === id) ?? null;
}
