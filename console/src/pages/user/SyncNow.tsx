import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Shown } from "../../api/client.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { useAction } from "../../shared/useAction.ts";

interface SyncNowProps {
  page: Shown<"UserPageShown">;
  onQueued: () => void;
}

/** Has the user looked at now; of one whose member was deleted, the member made again. */
export function SyncNow({ page, onQueued }: SyncNowProps) {
  const { user_id, status, phone } = page;
  const sync = useAction(
    (api) => api.post("/users/{user_id}/sync", { path: { user_id }, body: { recreate: false } }),
    { done: "The user is about to be synced. This page refreshes by itself.", then: onQueued },
  );
  const again = useAction(
    (api) => api.post("/users/{user_id}/sync", { path: { user_id }, body: { recreate: true } }),
    {
      done: "The member is about to be made again. This page refreshes by itself.",
      then: onQueued,
    },
  );
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {status === "member_deleted" && (
        <ChangeButton
          action={again}
          variant="primary"
          confirm={{
            title: "Make the member again?",
            text:
              `A new member${phone === null ? "" : ` with the number ${phone}`} is made in ` +
              "Strive, with this user’s values. The member is opted in only if ActionKit says " +
              "so and nobody has refused texts on the number. It joins the groups that the " +
              "person belongs to; groups that text whoever joins wait in Holds.",
          }}
        >
          Make the member again
        </ChangeButton>
      )}
      <ChangeButton
        action={sync}
        variant={status === "member_deleted" ? "normal" : "primary"}
        disabledReason={
          status === "erased" ? "The person was erased, and is never synced again." : undefined
        }
      >
        Sync now
      </ChangeButton>
    </SpaceBetween>
  );
}
