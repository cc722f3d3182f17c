import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { To } from "../../app/places.tsx";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import { ActionfieldField, PageField, ValueField } from "./Choosing.tsx";
import { UseExisting } from "./SyncButtons.tsx";
import { quoted } from "./text.tsx";

const FIELDS = ["name", "page_id", "actionfield", "value"];

export function AddActionfieldGroup({ onAdded }: { onAdded: () => void }) {
  const readOnly = useReadOnly();
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Button
        variant="primary"
        onClick={() => setAdding(true)}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Add group
      </Button>
      {adding && <AddDialog onAdded={onAdded} onClose={() => setAdding(false)} />}
    </>
  );
}

function AddDialog({ onAdded, onClose }: { onAdded: () => void; onClose: () => void }) {
  const [name, setName] = useState("");
  const [page, setPage] = useState("");
  const [actionfield, setActionfield] = useState("");
  const [value, setValue] = useState("");
  const [existing, setExisting] = useState(false);
  const add = useAction(
    (api) =>
      api.post("/actionfield-groups", {
        body: {
          name: name.trim(),
          actionfield,
          page_id: page === "" ? null : Number(page),
          value: value.trim() || null,
          use_existing_group: existing,
        },
      }),
    {
      done: (made) => (
        <>
          The group {quoted(made.name)} is made and is being filled:{" "}
          <To to="/runs">look at the runs</To>.
        </>
      ),
      // Closed at once, so that the focus is back before the message is scrolled to.
      then: () => {
        onAdded();
        onClose();
      },
      quiet: true,
    },
  );
  /** What is changed may be right now: what was wrong is no longer said. */
  const then = (set: (value: string) => void) => {
    return (value: string): void => {
      set(value);
      add.forget();
    };
  };
  const { problem } = add;
  const taken = problem?.code === "group_name_taken";
  const atField = problem?.details.some((one) => FIELDS.includes(one.field)) ?? false;
  const missing =
    name.trim() === ""
      ? "Give the group a name first."
      : actionfield === ""
        ? "Choose an ActionField first."
        : undefined;
  const submit = (): void => {
    if (missing === undefined) void add.run();
  };
  return (
    <Confirm
      title="Add an ActionField group"
      label="Add group"
      busy={add.busy}
      disabledReason={missing}
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
            A group is made in Strive that holds every synced member whose user acted with this
            field, past actions included. This texts nobody: if the group carries a flow, the people
            it would text wait in <To to="/holds">Holds</To>.
          </div>
          <FormField
            label="Name"
            errorText={taken ? problem.message : problem?.of("name")}
            stretch
          >
            <Input
              value={name}
              onChange={({ detail }) => {
                setName(detail.value);
                setExisting(false);
                add.forget();
              }}
            />
          </FormField>
          {(taken || existing) && <UseExisting checked={existing} onChange={setExisting} />}
          <PageField value={page} onChange={then(setPage)} error={problem?.of("page_id")} />
          <ActionfieldField
            value={actionfield}
            onChange={then(setActionfield)}
            error={problem?.of("actionfield")}
          />
          <ValueField value={value} onChange={then(setValue)} error={problem?.of("value")} />
          {problem && !taken && !atField && <ProblemBox problem={problem} />}
        </SpaceBetween>
      </form>
    </Confirm>
  );
}
