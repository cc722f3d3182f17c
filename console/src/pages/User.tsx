import Alert from "@cloudscape-design/components/alert";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useState } from "react";

import type { PageProps } from "../app/pages.ts";
import { To } from "../app/places.tsx";
import { ProblemBox } from "../shared/ProblemBox.tsx";
import { useCall } from "../shared/useCall.ts";
import { Actions } from "./user/Actions.tsx";
import { Consent } from "./user/Consent.tsx";
import { Erase } from "./user/Erase.tsx";
import { Groups } from "./user/Groups.tsx";
import { Records } from "./user/Records.tsx";
import { Standing } from "./user/Standing.tsx";
import { SyncNow } from "./user/SyncNow.tsx";
import { Writes } from "./user/Writes.tsx";

/** How often the page refreshes by itself after something was asked for, and for how long. */
const EVERY_SECONDS = 4;
const WATCH_MILLISECONDS = 60_000;

export default function User({ params }: PageProps) {
  const given = params["user_id"] ?? "";
  if (!/^\d{1,12}$/.test(given)) {
    return (
      <ContentLayout header={<Header variant="h1">User</Header>}>
        <Alert type="error" header="There is no such user">
          Users have numbers for ids. <To to="/users">Look for a user</To>
        </Alert>
      </ContentLayout>
    );
  }
  return <Person user_id={Number(given)} />;
}

function Person({ user_id }: { user_id: number }) {
  const [watching, watch] = useWatch();
  const everySeconds = watching ? EVERY_SECONDS : undefined;
  const { data, problem, reload } = useCall(
    (api, signal) => api.get("/users/{user_id}", { path: { user_id }, signal }),
    [user_id],
    everySeconds === undefined ? {} : { everySeconds },
  );
  const lost = problem !== undefined && <ProblemBox problem={problem} onRetry={reload} />;
  if (!data) {
    const never = problem?.code === "no_user";
    return (
      <ContentLayout header={<Header variant="h1">User {user_id}</Header>}>
        <SpaceBetween size="l">
          {!never && (lost || <Spinner size="large" />)}
          {never && <Unknown />}
          {never && <Erase user_id={user_id} onErased={watch} />}
        </SpaceBetween>
      </ContentLayout>
    );
  }
  const { user } = data;
  const name = [user.first_name, user.last_name].filter(Boolean).join(" ");
  const erased = data.status === "erased";
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={
            <>
              User {user_id} in ActionKit
              {user.email !== null && (
                <>
                  {" · "}
                  <span dir="auto">{user.email}</span>
                </>
              )}
              {user.phone !== null && (
                <>
                  {" · "}
                  <span dir="ltr">{user.phone}</span>
                </>
              )}
              {" · "}
              <To to="/users">All users</To>
            </>
          }
          actions={<SyncNow page={data} onQueued={watch} />}
        >
          {name === "" ? `User ${user_id}` : <span dir="auto">{name}</span>}
        </Header>
      }
    >
      <SpaceBetween size="l">
        {lost}
        {watching && (
          <StatusIndicator type="loading">
            This page refreshes by itself for a minute
          </StatusIndicator>
        )}
        <Standing page={data} />
        {!erased && (
          <SpaceBetween size="l">
            <Records page={data} />
            <Consent user_id={user_id} everySeconds={everySeconds} />
            <Groups page={data} />
            <Actions page={data} />
            <Writes page={data} everySeconds={everySeconds} />
            <Erase user_id={user_id} onErased={watch} />
          </SpaceBetween>
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}

function Unknown() {
  return (
    <Alert type="info" header="Nothing is known of this user">
      The sync has not looked at a user with this id yet, or ActionKit has none. Users appear as the
      initial sync comes to them. <To to="/users">Look for a user</To>
    </Alert>
  );
}

/** Whether something is awaited, and how to say so: it ends by itself. */
function useWatch(): [boolean, () => void] {
  const [since, setSince] = useState<number>();
  useEffect(() => {
    if (since === undefined) return undefined;
    const timer = window.setTimeout(() => setSince(undefined), WATCH_MILLISECONDS);
    return () => window.clearTimeout(timer);
  }, [since]);
  return [since !== undefined, () => setSince(Date.now())];
}

export function Help() {
  return (
    <>
      <p>
        All that is known of one ActionKit user: whether they are linked to a Strive member, and if
        not, why and what would change it.
      </p>
      <h3>Sync now</h3>
      <p>
        Looks at both records at once instead of at the next change. It writes only what the rules
        say, so it does no harm to use it twice.
      </p>
      <h3>Both records</h3>
      <dl>
        <dt>Agree?</dt>
        <dd>
          Whether both sides show the same. If not, the values on which they were last settled are
          shown: a side that shows something else now was changed since. “Settled as they are” means
          that the sync leaves the difference alone until somebody changes a value.
        </dd>
        <dt>Option, and who wins</dt>
        <dd>What the option of the field says where the sides differ. It is set in Fields.</dd>
      </dl>
      <h3>Consent</h3>
      <p>
        Whether a person may be texted belongs to the phone number. Whoever says no, on either side,
        is not texted any more; the list says what was seen, where, and what followed.
      </p>
      <h3>Groups</h3>
      <p>
        “Waits for staff” means that joining the group would send a text that nobody has confirmed
        yet. Release or discard it in Holds.
      </p>
    </>
  );
}
