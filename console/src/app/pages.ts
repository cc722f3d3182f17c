import { type ComponentType, lazy, type LazyExoticComponent } from "react";

/** What a page gets: the values of its path's pattern. */
export interface PageProps {
  params: Record<string, string>;
}

/** A page's file: the page, and what the help panel says about it. */
interface PageModule {
  default: ComponentType<PageProps>;
  Help: ComponentType;
}

export interface Page {
  path: string;
  /** In the navigation and in the browser's title. */
  title: string;
  /** The heading in the navigation; a page without one is reached from another page alone. */
  section?: string;
  View: LazyExoticComponent<ComponentType<PageProps>>;
  Help: LazyExoticComponent<ComponentType>;
}

function page(
  path: string,
  title: string,
  section: string | undefined,
  load: () => Promise<PageModule>,
): Page {
  return {
    path,
    title,
    ...(section === undefined ? {} : { section }),
    View: lazy(load),
    Help: lazy(async () => ({ default: (await load()).Help })),
  };
}

const [SET_UP, PEOPLE, GROUPS, RECORDS] = ["Set up", "People", "Pages and groups", "Records"];

/** Every page; each is loaded when it is opened for the first time. */
export const PAGES: readonly Page[] = [
  page("/", "Overview", "", () => import("../pages/Overview.tsx")),
  page("/settings", "Settings", SET_UP, () => import("../pages/Settings.tsx")),
  page("/turning-on", "Turn on", undefined, () => import("../pages/turning-on/TurningOn.tsx")),
  page("/fields", "Fields", SET_UP, () => import("../pages/Fields.tsx")),
  page("/users", "Users", PEOPLE, () => import("../pages/Users.tsx")),
  page("/users/:user_id", "User", undefined, () => import("../pages/User.tsx")),
  page("/members", "Members (no user)", PEOPLE, () => import("../pages/Members.tsx")),
  page("/conflicts", "Conflicts", PEOPLE, () => import("../pages/Conflicts.tsx")),
  page("/holds", "Holds", PEOPLE, () => import("../pages/Holds.tsx")),
  page("/pages", "Pages", GROUPS, () => import("../pages/Pages.tsx")),
  page("/actions", "Actions", GROUPS, () => import("../pages/Actions.tsx")),
  page("/usergroups", "Usergroups", GROUPS, () => import("../pages/Usergroups.tsx")),
  page("/actionfield-groups", "ActionField groups", GROUPS, () =>
    import("../pages/ActionfieldGroups.tsx"),
  ),
  page("/groups", "Groups", GROUPS, () => import("../pages/Groups.tsx")),
  page("/automations", "Automations", GROUPS, () => import("../pages/Automations.tsx")),
  page("/automations/:rule_id", "Automation", undefined, () => import("../pages/Automation.tsx")),
  page("/runs", "Runs", RECORDS, () => import("../pages/Runs.tsx")),
  page("/runs/:run_id", "Run", undefined, () => import("../pages/Run.tsx")),
  page("/history", "History of settings", RECORDS, () => import("../pages/History.tsx")),
];
