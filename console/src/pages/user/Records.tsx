import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import type { ReactNode } from "react";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { OPTIONS } from "../../shared/words.ts";
import { Value } from "./Value.tsx";
import { fieldWords, FIXED, readOptIn, ruleWords, WINS } from "./words.ts";

type Field = Shown<"UserFieldShown">;

/** Both records side by side, field by field. */
export function Records({ page }: { page: Shown<"UserPageShown"> }) {
  const linked = page.member_id !== null;
  return (
    <Table
      items={page.fields.map((field, at) => ({ ...field, at }))}
      trackBy={(field) => String(field.at)}
      wrapLines
      ariaLabels={{ tableLabel: "Both records, field by field" }}
      header={
        <Header
          variant="h2"
          description="As both sides were last seen."
          actions={<To to="/fields">Fields and options</To>}
        >
          Both records
        </Header>
      }
      empty="No field is mapped."
      columnDefinitions={[
        {
          id: "field",
          header: "Field",
          isRowHeader: true,
          verticalAlign: "top",
          minWidth: 110,
          cell: (field) => <Name field={field} />,
        },
        {
          id: "actionkit",
          header: "ActionKit",
          verticalAlign: "top",
          minWidth: 150,
          cell: (field) => <Value value={field.actionkit_value} />,
        },
        {
          id: "strive",
          header: "Strive",
          verticalAlign: "top",
          minWidth: 150,
          cell: (field) => (
            <Value value={field.strive_value} unknown={linked ? "Not seen" : "No member"} />
          ),
        },
        {
          id: "agree",
          header: "Agree?",
          verticalAlign: "top",
          minWidth: 130,
          cell: (field) => (
            <>
              <Agreement field={field} />
              <Base field={field} />
            </>
          ),
        },
        {
          id: "option",
          header: "Option, and who wins",
          verticalAlign: "top",
          minWidth: 150,
          cell: (field) => <Option field={field} />,
        },
        {
          id: "decision",
          header: "Last decision",
          verticalAlign: "top",
          minWidth: 160,
          cell: (field) => <Decision field={field} linked={linked} />,
        },
      ]}
    />
  );
}

function Name({ field }: { field: Field }) {
  const name = fieldWords(field.strive_field);
  const { strive_field, actionkit_field } = field;
  return (
    <>
      {name}
      {actionkit_field !== null && actionkit_field !== strive_field && (
        <Small>
          in ActionKit: <span className="value">{actionkit_field}</span>
        </Small>
      )}
    </>
  );
}

function Agreement({ field }: { field: Field }) {
  const { actionkit_value: a, strive_value: s, strive_field } = field;
  if (a === null || s === null) return <>–</>;
  if (strive_field === "opt_in" && field.option === null && readOptIn(a) === "unrecognised") {
    return (
      <>
        <StatusIndicator type="warning">Unclear</StatusIndicator>
        <Small>neither yes nor no</Small>
      </>
    );
  }
  return same(field, a, s) ? (
    <StatusIndicator type="success">Agree</StatusIndicator>
  ) : (
    <StatusIndicator type="warning">Differ</StatusIndicator>
  );
}

/** As the sync compares them: without outer white space, emails in any case (F4, F7). */
function same(field: Field, a: string, s: string): boolean {
  const name = field.strive_field;
  if (name === "opt_in" && field.option === null) return readOptIn(a) === readOptIn(s);
  if (name === "email") return a.trim().toLowerCase() === s.trim().toLowerCase();
  return a.trim() === s.trim();
}

/** What both were settled on last, where that is not what they show now. */
function Base({ field }: { field: Field }) {
  const { base, option, actionkit_value: a, strive_value: s } = field;
  if (option === null || base === null || a === null || s === null) return null;
  if (same(field, a, base.actionkit) && same(field, s, base.strive)) {
    return same(field, a, s) ? null : <Small>settled as they are</Small>;
  }
  if (base.actionkit === base.strive) {
    return (
      <Small>
        agreed before on: <Value value={base.strive} limit={40} />
      </Small>
    );
  }
  return (
    <Small>
      settled before on: <Value value={base.actionkit} limit={40} /> in ActionKit,{" "}
      <Value value={base.strive} limit={40} /> in Strive
    </Small>
  );
}

function Small({ children }: { children: ReactNode }) {
  return (
    <Box variant="small" color="text-body-secondary" display="block">
      {children}
    </Box>
  );
}

function Option({ field: { option, strive_field } }: { field: Field }) {
  const words =
    option === null ? FIXED[strive_field] : { text: OPTIONS[option].text, wins: WINS[option] };
  if (!words) return <>–</>;
  return (
    <>
      {words.text}
      <Small>{words.wins}</Small>
    </>
  );
}

function Decision({ field, linked }: { field: Field; linked: boolean }) {
  if (field.option === null) return <>–</>;
  if (field.decision !== null) return <>{ruleWords(field.decision)}</>;
  if (!linked) return <>Nothing to decide without a member</>;
  return <>{field.strive_value === null ? "Not looked at yet" : "Nothing had to be done"}</>;
}
