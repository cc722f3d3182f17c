import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { type ReactNode, useEffect, useState } from "react";

import type { Api, ListOf } from "../api/client.ts";
import { usePlace } from "../app/places.tsx";
import { addressOf, go } from "../app/router.ts";
import { ProblemBox } from "./ProblemBox.tsx";
import { useCall } from "./useCall.ts";

const LIMIT = 50;
const TYPING_MILLISECONDS = 350;

export interface Column<Item> {
  id: string;
  header: string;
  cell: (item: Item) => ReactNode;
  /** The API's name of this order, where it has one. */
  sort?: string;
  width?: number;
  minWidth?: number;
}

export interface Filter {
  /** The API's name of it. */
  id: string;
  label: string;
  /** Where nothing is chosen. */
  any: string;
  options: { value: string; label: string }[];
}

/** What is asked for. */
export interface Wanted {
  cursor: string | undefined;
  limit: number;
  q: string;
  sort: string | undefined;
  order: "asc" | "desc";
  /** The chosen values, by the filter's id. */
  filters: Record<string, string>;
}

export interface ListPageProps<Item> {
  title: string;
  description?: ReactNode;
  columns: Column<Item>[];
  load: (api: Api, wanted: Wanted, signal: AbortSignal) => Promise<ListOf<Item>>;
  itemKey: (item: Item) => string;
  search?: { label: string; placeholder: string };
  filters?: Filter[];
  /** The order in which the list is shown at first; lists without one have one order. */
  sort?: { by: string; order?: "asc" | "desc" };
  /** Said where there is nothing: that it is so, and what one can do. */
  empty: { title: string; text: ReactNode; action?: ReactNode };
  /** Buttons at the top. `reload` has the list read again. */
  actions?: (reload: () => void) => ReactNode;
  /** The last column of each row: what one can do with it. */
  rowActions?: (item: Item, reload: () => void) => ReactNode;
  /** "page" with a heading of its own, or "section" for a list inside a page. */
  as?: "page" | "section";
  /** What else `load` goes by; where it changes, the list is read again. */
  of?: string;
  everySeconds?: number;
}

/**
 * A list of the API: pages by cursor, and search, filters and order where the API has them. What is
 * searched for stands in the address, so that going back and links find it again.
 */
export function ListPage<Item>(props: ListPageProps<Item>) {
  const { title, description, columns, load, itemKey, search, filters = [], empty } = props;
  const place = usePlace();
  const inAddress = props.as !== "section";
  const [own, setOwn] = useState(() => new URLSearchParams());
  const query = inAddress ? place.query : own;
  const sort = query.get("sort") ?? props.sort?.by;
  const order = (query.get("order") ?? props.sort?.order) === "desc" ? "desc" : "asc";
  const q = query.get("q") ?? "";
  const chosen = Object.fromEntries(filters.map((one) => [one.id, query.get(one.id) ?? ""]));

  // The cursors of the pages up to this one; of another search they are worth nothing.
  const asked = JSON.stringify([q, sort, order, chosen]);
  const [pages, setPages] = useState<{ of: string; cursors: string[] }>({ of: asked, cursors: [] });
  const cursors = pages.of === asked ? pages.cursors : [];
  const cursor = cursors.at(-1);

  const { data, problem, loading, reload } = useCall(
    (api, signal) => {
      const wanted = { cursor, limit: LIMIT, q, sort, order, filters: chosen } as const;
      return load(api, wanted, signal);
    },
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `asked` and `of` say it all
    [asked, cursor, props.of],
    props.everySeconds === undefined ? {} : { everySeconds: props.everySeconds },
  );

  const change = (changes: Record<string, string | undefined>): void => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    if (inAddress) go(addressOf(place.account, place.path, Object.fromEntries(next)), true);
    else setOwn(next);
  };

  const showEverything = (): void => {
    change(Object.fromEntries(["q", ...filters.map((one) => one.id)].map((one) => [one, ""])));
  };
  const narrowed = q !== "" || Object.values(chosen).some(Boolean);
  const next = data?.next_cursor ?? null;
  const page = cursors.length + 1;
  const items = data?.items ?? [];
  const onSort = ({ detail }: { detail: TableProps.SortingState<Item> }): void => {
    const by = detail.sortingColumn.sortingField;
    change({ sort: by, order: detail.isDescending ? "desc" : "asc" });
  };
  const nothing = narrowed ? (
    <Nothing
      title="Nothing is found"
      text="Nothing in this list is as you searched for it."
      action={<Button onClick={showEverything}>Show everything</Button>}
    />
  ) : (
    <Nothing {...empty} />
  );
  const shown: TableProps.ColumnDefinition<Item>[] = columns.map((one, at) => ({
    id: one.id,
    header: one.header,
    cell: one.cell,
    isRowHeader: at === 0,
    verticalAlign: "top",
    ...(one.sort === undefined ? {} : { sortingField: one.sort }),
    ...(one.width === undefined ? {} : { width: one.width }),
    ...(one.minWidth === undefined ? {} : { minWidth: one.minWidth }),
  }));
  const { rowActions } = props;
  if (rowActions) {
    shown.push({
      id: "actions",
      header: "What you can do",
      cell: (item) => rowActions(item, reload),
      minWidth: 130,
    });
  }
  // A search that finds more than a page comes in the order of finding.
  const sorted = q === "" || (page === 1 && next === null);
  const sortingColumn = sorted ? shown.find((one) => one.sortingField === sort) : undefined;

  return (
    <Table
      variant={inAddress ? "full-page" : "container"}
      stickyHeader={inAddress}
      wrapLines
      enableKeyboardNavigation
      items={problem ? [] : items}
      columnDefinitions={shown}
      trackBy={itemKey}
      loading={loading && data === undefined}
      loadingText="Loading…"
      empty={problem ? <ProblemBox problem={problem} onRetry={reload} /> : nothing}
      ariaLabels={{ tableLabel: title, sortAscending: "ascending", sortDescending: "descending" }}
      {...(sortingColumn && sort !== undefined ? { sortingColumn: { sortingField: sort } } : {})}
      sortingDescending={order === "desc"}
      onSortingChange={onSort}
      header={
        <Header
          variant={inAddress ? "h1" : "h2"}
          {...(inAddress ? {} : { headingTagOverride: "h2" as const })}
          description={description}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button
                iconName="refresh"
                ariaLabel={`Read the list "${title}" again`}
                loading={loading && data !== undefined}
                onClick={reload}
              />
              {props.actions?.(reload)}
            </SpaceBetween>
          }
        >
          {title}
        </Header>
      }
      {...(search || filters.length > 0
        ? {
            filter: (
              <div className="filters">
                {search && <Search {...search} q={q} onChange={(value) => change({ q: value })} />}
                {filters.map((one) => (
                  <FilterSelect
                    key={one.id}
                    filter={one}
                    value={chosen[one.id] ?? ""}
                    onChange={(value) => change({ [one.id]: value })}
                  />
                ))}
              </div>
            ),
          }
        : {})}
      {...(page > 1 || next !== null
        ? {
            pagination: (
              <Pagination
                currentPageIndex={page}
                pagesCount={page + (next === null ? 0 : 1)}
                openEnd={next !== null}
                disabled={loading}
                ariaLabels={{
                  nextPageLabel: "Next page",
                  previousPageLabel: "Previous page",
                  paginationLabel: `Pages of the list "${title}"`,
                  pageLabel: (index) => `Page ${index}`,
                }}
                onChange={({ detail }) => {
                  const to = detail.currentPageIndex;
                  if (to === page + 1 && next !== null) {
                    setPages({ of: asked, cursors: [...cursors, next] });
                  } else if (to <= page) {
                    setPages({ of: asked, cursors: cursors.slice(0, to - 1) });
                  }
                }}
              />
            ),
          }
        : {})}
    />
  );
}

function Nothing({ title, text, action }: { title: string; text: ReactNode; action?: ReactNode }) {
  return (
    <Box textAlign="center" padding={{ vertical: "l" }}>
      <SpaceBetween size="s">
        <Box variant="strong">{title}</Box>
        <Box color="text-body-secondary">{text}</Box>
        {action}
      </SpaceBetween>
    </Box>
  );
}

interface SearchProps {
  label: string;
  placeholder: string;
  q: string;
  onChange: (value: string) => void;
}

/**
 * Searches a moment after the last key; not while a dialog is open, whose row the search might take
 * away.
 */
function Search({ label, placeholder, q, onChange }: SearchProps) {
  const [typed, setTyped] = useState<string>();
  useEffect(() => {
    if (typed === undefined) return undefined;
    const timer = window.setInterval(() => {
      if (dialogIsOpen()) return;
      setTyped(undefined);
      onChange(typed.trim());
    }, TYPING_MILLISECONDS);
    return () => window.clearInterval(timer);
  }, [typed, onChange]);
  return (
    <div className="search">
      <TextFilter
        filteringText={typed ?? q}
        filteringAriaLabel={label}
        filteringPlaceholder={placeholder}
        filteringClearAriaLabel="Clear the search"
        onChange={({ detail }) => setTyped(detail.filteringText)}
      />
    </div>
  );
}

function dialogIsOpen(): boolean {
  const dialogs = document.querySelectorAll('[role="dialog"]');
  return Array.from(dialogs).some((one) => one.checkVisibility());
}

interface FilterSelectProps {
  filter: Filter;
  value: string;
  onChange: (value: string) => void;
}

function FilterSelect({ filter, value, onChange }: FilterSelectProps) {
  const options = [{ value: "", label: filter.any }, ...filter.options];
  const selected = options.find((one) => one.value === value) ?? null;
  return (
    <div className="filter">
      <Select
        options={options}
        selectedOption={selected}
        inlineLabelText={filter.label}
        expandToViewport
        onChange={({ detail }) => onChange(detail.selectedOption.value ?? "")}
      />
    </div>
  );
}
