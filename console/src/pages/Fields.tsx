import "./fields/fields.css";

import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useMemo } from "react";

import { To } from "../app/places.tsx";
import { ChangeButton } from "../shared/ChangeButton.tsx";
import { type Column, ListPage } from "../shared/ListPage.tsx";
import { LongText } from "../shared/LongText.tsx";
import { useAction } from "../shared/useAction.ts";
import { useCall } from "../shared/useCall.ts";
import { keysOf, OPTIONS } from "../shared/words.ts";
import { AddField } from "./fields/AddField.tsx";
import { type Field, fieldName, OWN_RULES } from "./fields/names.ts";
import { OptionSelect } from "./fields/OptionSelect.tsx";

const KINDS: Record<Field["kind"], string> = { core: "Core field", custom: "Custom field" };

export default function Fields() {
  const available = useCall((api, signal) => api.get("/fields/available", { signal }), []);
  const customs = available.data?.strive_fields;
  const labels = useMemo(
    () => new Map(customs?.map((one) => [one.name, one.label || one.name])),
    [customs],
  );
  const columns: Column<Field>[] = [
    {
      id: "strive",
      header: "Strive field",
      minWidth: 150,
      cell: (field) => <StriveField field={field} name={fieldName(field, labels)} />,
    },
    {
      id: "actionkit",
      header: "ActionKit field",
      minWidth: 150,
      cell: (field) => <ActionkitField field={field} />,
    },
    {
      id: "option",
      header: "Who wins",
      minWidth: 300,
      cell: (field) =>
        field.option === null ? (
          <OwnRules field={field} />
        ) : (
          <OptionSelect
            key={field.option}
            field={field}
            option={field.option}
            name={fieldName(field, labels)}
          />
        ),
    },
    { id: "state", header: "State", minWidth: 150, cell: (field) => <State field={field} /> },
  ];
  return (
    <ListPage
      title="Fields"
      description="Which values are carried between Strive and ActionKit, and who wins."
      columns={columns}
      itemKey={(field) => field.field_id}
      load={(api, { cursor, limit }, signal) =>
        api.get("/fields", { query: { cursor, limit }, signal })
      }
      empty={{
        title: "No fields",
        text: "The core fields are mapped by themselves when the account is connected.",
        action: <To to="/settings">Go to Settings</To>,
      }}
      actions={(reload) => (
        <AddField
          available={available}
          onAdded={() => {
            reload();
            available.reload();
          }}
        />
      )}
      rowActions={(field, reload) =>
        field.kind === "custom" ? (
          <div className="row-action">
            <Remove
              field={field}
              name={fieldName(field, labels)}
              onRemoved={() => {
                reload();
                available.reload();
              }}
            />
          </div>
        ) : null
      }
    />
  );
}

function StriveField({ field, name }: { field: Field; name: string }) {
  return (
    <>
      <LongText text={name} limit={60} />
      <Box variant="small" color="text-body-secondary" display="block">
        {KINDS[field.kind]} <span className="value long-text">{field.strive_field}</span>
      </Box>
    </>
  );
}

function ActionkitField({ field }: { field: Field }) {
  if (field.actionkit_field !== null) {
    return <span className="value long-text">{field.actionkit_field}</span>;
  }
  if (field.strive_field === "opt_in") return <To to="/settings">Choose it in Settings</To>;
  return <>The user’s phones</>;
}

function OwnRules({ field }: { field: Field }) {
  return (
    <Box color="text-body-secondary">
      {OWN_RULES[field.strive_field]} <To to="/settings">Settings</To>
    </Box>
  );
}

function State({ field }: { field: Field }) {
  if (field.broken === null) return <StatusIndicator type="success">In order</StatusIndicator>;
  return (
    <SpaceBetween size="xxs">
      <StatusIndicator type="error">Broken</StatusIndicator>
      <Box color="text-body-secondary" fontSize="body-s">
        {field.broken.text} It is left out, and goes on by itself once the field is back.
      </Box>
    </SpaceBetween>
  );
}

interface RemoveProps {
  field: Field;
  name: string;
  onRemoved: () => void;
}

function Remove({ field, name, onRemoved }: RemoveProps) {
  const { field_id } = field;
  const remove = useAction((api) => api.delete("/fields/{field_id}", { path: { field_id } }), {
    done: `${name} is not mapped any more.`,
    then: onRemoved,
  });
  return (
    <ChangeButton
      action={remove}
      variant="inline-link"
      label={`Remove the mapping of ${name}`}
      confirm={{
        title: `Remove the mapping of ${name}?`,
        text:
          "Nothing is carried between the two fields any more. The values stay as they are on " +
          "both sides. Mapped again, the pair begins anew: which value won before is forgotten.",
        label: "Remove",
      }}
    >
      Remove
    </ChangeButton>
  );
}

export function Help() {
  return (
    <>
      <p>
        Which values are carried between the two systems. The core fields are always mapped. Custom
        text fields of Strive can be mapped to ActionKit’s userfields.
      </p>
      <h3>Who wins</h3>
      <dl>
        {keysOf(OPTIONS).map((option) => (
          <div key={option}>
            <dt>{OPTIONS[option].text}</dt>
            <dd>{OPTIONS[option].what}</dd>
          </div>
        ))}
      </dl>
      <p>
        An empty value never erases another when two people’s records are first linked. Later, a
        value that somebody clears is cleared on the other side too, where the option overwrites
        that way. Email never changes in ActionKit: it is how ActionKit knows people.
      </p>
      <h3>Broken</h3>
      <p>
        A field that was deleted on one side, or is not text any more, is left out. All others go
        on.
      </p>
    </>
  );
}
