import Checkbox from "@cloudscape-design/components/checkbox";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type ReactNode, useState } from "react";

import type { Api, Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { useReadOnly } from "../../session/SessionContext.ts";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import { quoted } from "./text.tsx";

/** A page or a usergroup, of which a group can be kept up. */
interface SyncProps {
  /** What it is, as in "page". */
  what: "page" | "usergroup";
  id: number;
  name: string;
  onChanged: () => void;
}

interface SyncButtonProps extends SyncProps {
  /** Who will be in its group, as in "every synced member who acted on it". */
  who: string;
  /** What goes on from then on. */
  after: ReactNode;
}

/** Asks what group is to be made, and has it kept up from then on. */
export function SyncButton(props: SyncButtonProps) {
  const readOnly = useReadOnly();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button
        variant="inline-link"
        onClick={() => setAsking(true)}
        ariaLabel={`Sync the ${props.what} ${quoted(props.name)}`}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Sync
      </Button>
      {asking && <SyncDialog {...props} onClose={() => setAsking(false)} />}
    </>
  );
}

function SyncDialog(props: SyncButtonProps & { onClose: () => void }) {
  const { what, id, name, who, after, onChanged, onClose } = props;
  const [groupName, setGroupName] = useState("");
  const [existing, setExisting] = useState(false);
  const sync = useAction(
    (api, naming: Shown<"NamingGiven">) => put(api, what, id, naming),
    {
      done: (
        <>
          The {what} {quoted(name)} is synced. Its group is being filled:{" "}
          <To to="/runs">look at the runs</To>.
        </>
      ),
      // Closed at once, so that the focus is back before the message is scrolled to.
      then: () => {
        onChanged();
        onClose();
      },
      quiet: true,
    },
  );
  const taken = sync.problem?.code === "group_name_taken";
  const refused = sync.problem?.of("group_name");
  const submit = (): void => {
    const group_name = groupName.trim() || null;
    void sync.run({ group_name, use_existing_group: existing });
  };
  return (
    <Confirm
      title={`Sync the ${what} ${quoted(name)}?`}
      label="Sync"
      busy={sync.busy}
      onConfirm={submit}
      onCancel={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <SpaceBetween size="m">
          <div>
            A group is made in Strive that holds {who}. It is filled now, at the pace of this
            account.
          </div>
          <div>
            This texts nobody: if the group carries a flow, the people it would text wait in{" "}
            <To to="/holds">Holds</To> until you release them.
          </div>
          <div>{after}</div>
          <FormField
            label={
              <>
                Name of the group <i>– optional</i>
              </>
            }
            description={`Without one it gets the ${what}’s name.`}
            errorText={taken ? sync.problem?.message : refused}
            stretch
          >
            <Input
              value={groupName}
              placeholder={name}
              onChange={({ detail }) => {
                setGroupName(detail.value);
                setExisting(false);
                sync.forget();
              }}
            />
          </FormField>
          {(taken || existing) && (
            <UseExisting checked={existing} onChange={setExisting} />
          )}
          {sync.problem && !taken && refused === undefined && <ProblemBox problem={sync.problem} />}
        </SpaceBetween>
      </form>
    </Confirm>
  );
}

const EXISTING_TEXT =
  "Who is in it stays in it. The sync adds people to it, and takes out only whom it added itself.";

/** Where Strive has a group of the name that the sync did not make. */
export function UseExisting(props: { checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Checkbox
      checked={props.checked}
      onChange={({ detail }) => props.onChange(detail.checked)}
      description={EXISTING_TEXT}
    >
      Use the existing group of that name
    </Checkbox>
  );
}

/** Stops keeping a group up; it stays as it is. */
export function UnsyncButton({ what, id, name, onChanged }: SyncProps) {
  const unsync = useAction((api) => remove(api, what, id), {
    done: `The ${what} ${quoted(name)} is no longer synced. Its group and the members in it stay.`,
    then: onChanged,
  });
  return (
    <ChangeButton
      variant="inline-link"
      action={unsync}
      label={`Stop syncing the ${what} ${quoted(name)}`}
      confirm={{
        title: `Stop syncing the ${what} ${quoted(name)}?`,
        text: (
          <SpaceBetween size="s">
            <div>
              Its group and the members in it stay in Strive as they are. They are no longer kept
              up, and the group is no longer protected: it can be deleted.
            </div>
            {what === "page" && (
              <div>
                Actions on the page are no longer listed, and automations do nothing for them. A
                page that an ActionField group or an automation uses stays synced until that is
                deleted.
              </div>
            )}
          </SpaceBetween>
        ),
      }}
    >
      Stop syncing
    </ChangeButton>
  );
}

async function put(
  api: Api,
  what: SyncProps["what"],
  id: number,
  body: Shown<"NamingGiven">,
): Promise<Shown<"PageShown"> | Shown<"UsergroupShown">> {
  return what === "page"
    ? api.put("/pages/{page_id}/sync", { path: { page_id: id }, body })
    : api.put("/usergroups/{usergroup_id}/sync", { path: { usergroup_id: id }, body });
}

function remove(api: Api, what: SyncProps["what"], id: number) {
  return what === "page"
    ? api.delete("/pages/{page_id}/sync", { path: { page_id: id } })
    : api.delete("/usergroups/{usergroup_id}/sync", { path: { usergroup_id: id } });
}
