import AppLayout from "@cloudscape-design/components/app-layout";
import Badge from "@cloudscape-design/components/badge";
import HelpPanel from "@cloudscape-design/components/help-panel";
import SideNavigation, {
  type SideNavigationProps,
} from "@cloudscape-design/components/side-navigation";
import Spinner from "@cloudscape-design/components/spinner";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import { Suspense, useCallback, useEffect, useMemo, useState } from "react";

import { AccessContext } from "../api/ApiContext.ts";
import { Api } from "../api/client.ts";
import type { Problem } from "../api/problem.ts";
import { HERE } from "../session/config.ts";
import type { Role } from "../session/roles.ts";
import type { Session } from "../session/session.ts";
import { SignedContext } from "../session/SessionContext.ts";
import { FlashContext } from "../shared/flashes.ts";
import { ErrorBoundary } from "./ErrorBoundary.tsx";
import { Flashes, useFlashes } from "./Flashes.tsx";
import icon from "./icon.svg";
import { type Page, PAGES } from "./pages.ts";
import { PlaceContext } from "./places.tsx";
import { addressOf, match, type Place } from "./router.ts";
import { NotFound } from "./NotFound.tsx";

interface ShellProps {
  session: Session;
  apiBase: string;
  place: Place;
  role: Role;
}

const NARROW = window.matchMedia("(max-width: 688px)");

/** Everything around a page: navigation, messages, help. `place` names an account of the token. */
export function Shell({ session, apiBase, place, role }: ShellProps) {
  const { account } = place;
  const signIn = useCallback(() => void session.signIn(), [session]);
  const { messages, flash, expired } = useFlashes(signIn);
  const [navigationOpen, setNavigationOpen] = useState(!NARROW.matches);
  const [helpOpen, setHelpOpen] = useState(false);

  const access = useMemo(() => {
    const api = new Api(new URL(apiBase, HERE).href.replace(/\/$/, ""), session, account);
    const report = (problem: Problem): void => {
      if (problem.kind === "signed_out") expired(problem);
    };
    return { api, report };
  }, [apiBase, session, account, expired]);
  const signed = useMemo(() => ({ session, account, role }), [session, account, role]);

  const found = pageAt(place.path);
  const title = found?.page.title ?? "Page not found";
  useEffect(() => {
    document.title = `${title} · ${account} · InStep`;
  }, [title, account]);

  const help = found ? (
    <HelpPanel key={found.page.path} header={<h2>{title}</h2>}>
      <ErrorBoundary>
        <Suspense fallback={<Spinner />}>
          <found.page.Help />
        </Suspense>
      </ErrorBoundary>
    </HelpPanel>
  ) : undefined;

  return (
    <SignedContext value={signed}>
      <PlaceContext value={place}>
        <AccessContext value={access}>
          <FlashContext value={flash}>
            <div id="top">
              <Top session={session} account={account} />
            </div>
            <AppLayout
              headerSelector="#top"
              navigation={<Navigation account={account} role={role} path={place.path} />}
              navigationOpen={navigationOpen}
              onNavigationChange={({ detail }) => setNavigationOpen(detail.open)}
              toolsHide={help === undefined}
              tools={help}
              toolsOpen={helpOpen}
              onToolsChange={({ detail }) => setHelpOpen(detail.open)}
              notifications={<Flashes messages={messages} />}
              stickyNotifications
              contentType={found?.page.section ? "table" : "default"}
              ariaLabels={{
                navigation: "Pages of the console",
                navigationClose: "Close the navigation",
                navigationToggle: "Open the navigation",
                notifications: "Messages",
                tools: "Help",
                toolsClose: "Close the help",
                toolsToggle: "Open the help",
              }}
              content={
                <ErrorBoundary key={`${account}${place.path}`}>
                  <Suspense fallback={<Loading />}>
                    {found ? <found.page.View params={found.params} /> : <NotFound />}
                  </Suspense>
                </ErrorBoundary>
              }
            />
          </FlashContext>
        </AccessContext>
      </PlaceContext>
    </SignedContext>
  );
}

function pageAt(path: string): { page: Page; params: Record<string, string> } | undefined {
  for (const page of PAGES) {
    const params = match(page.path, path);
    if (params !== null) return { page, params };
  }
  return undefined;
}

function Loading() {
  return (
    <div className="waiting" role="status">
      <Spinner size="large" /> <span>Loading…</span>
    </div>
  );
}

function Top({ session, account }: { session: Session; account: string }) {
  return (
    <TopNavigation
      identity={{
        href: addressOf(account, "/"),
        title: "InStep",
        logo: { src: icon, alt: "Logo" },
      }}
      utilities={[
        {
          type: "menu-dropdown",
          text: account,
          ariaLabel: `Account ${account}: choose another`,
          iconName: "group-active",
          items: [...session.roles].map(([id, its]) => ({
            id,
            text: `${id} (${its})`,
            href: addressOf(id, "/"),
            ...(id === account ? { iconName: "check" as const } : {}),
          })),
        },
        {
          type: "menu-dropdown",
          text: session.name,
          ariaLabel: `Signed in as ${session.name}`,
          iconName: "user-profile",
          items: [{ id: "sign-out", text: "Sign out" }],
          onItemClick: () => void session.signOut(),
        },
      ]}
    />
  );
}

interface NavigationProps {
  account: string;
  role: Role;
  path: string;
}

function Navigation({ account, role, path }: NavigationProps) {
  const address = (page: Page): string => addressOf(account, page.path);
  const items: SideNavigationProps.Item[] = [];
  for (const page of PAGES) {
    if (page.section === undefined) continue;
    const link = { type: "link" as const, text: page.title, href: address(page) };
    const last = items.at(-1);
    if (page.section === "") items.push(link);
    else if (last?.type === "section-group" && last.title === page.section) {
      (last.items as SideNavigationProps.Item[]).push(link);
    } else {
      items.push({ type: "section-group", title: page.section, items: [link] });
    }
  }
  const top = `/${path.split("/")[1] ?? ""}`;
  return (
    <SideNavigation
      header={{ text: account, href: addressOf(account, "/") }}
      itemsControl={
        <Badge color={role === "editor" ? "blue" : "grey"}>
          {role === "editor" ? "Editor" : "Viewer: look only"}
        </Badge>
      }
      activeHref={addressOf(account, top)}
      items={items}
    />
  );
}
