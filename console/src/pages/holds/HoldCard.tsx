import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Shown } from "../../api/client.ts";
import { To } from "../../app/places.tsx";
import { ChangeButton } from "../../shared/ChangeButton.tsx";
import { Time } from "../../shared/Time.tsx";
import { useAction } from "../../shared/useAction.ts";
import { counted, number } from "../../shared/words.ts";
import { causeWords } from "../user/words.ts";
import { Release } from "./Release.tsx";
import { holdWords } from "./words.ts";

type Hold = Shown<"HoldShown">;

/** Opt-outs are applied after so long, if nobody decides (A6). */
const LATEST_MILLISECONDS = 24 * 3600 * 1000;

interface HoldCardProps {
  hold: Hold;
  group: string;
  onDecided: () => void;
}

/** One hold: what waits, for whom, and what staff can say about it. */
export function HoldCard({ hold, group, onDecided }: HoldCardProps) {
  const { hold_id } = hold;
  const words = holdWords(hold, group);
  const discard = useAction((api) => api.delete("/holds/{hold_id}", { path: { hold_id } }), {
    done: "The hold is discarded: nothing of it is carried out.",
    then: onDecided,
  });
  const latest = new Date(new Date(hold.since).getTime() + LATEST_MILLISECONDS).toISOString();
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <ChangeButton
                action={discard}
                label={`Discard: ${words.title}`}
                confirm={{
                  title: `Discard: ${words.title}?`,
                  label: "Discard",
                  text: <span dir="auto">{words.discard}</span>,
                }}
              >
                Discard
              </ChangeButton>
              <Release hold={hold} group={group} onDecided={onDecided} />
            </SpaceBetween>
          }
        >
          <span dir="auto">{words.title}</span>
        </Header>
      }
    >
      <SpaceBetween size="m">
        <Box variant="p">{words.text}</Box>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "People", value: number(hold.people) },
            {
              label: hold.kind === "group_backfill" ? "Would be texted" : "Opted in",
              value: number(hold.opted_in),
            },
            { label: "Since", value: <Time at={hold.since} /> },
            { label: "Cause", value: causeWords(hold.cause) },
            {
              label: "Goes where",
              value:
                hold.direction === "to_strive"
                  ? "From ActionKit to Strive"
                  : "From Strive to ActionKit",
            },
            ...(hold.kind === "opt_outs"
              ? [{ label: "Released by itself", value: <Time at={latest} /> }]
              : []),
          ]}
        />
        <KeyValuePairs items={[{ label: "Some of them", value: <Some hold={hold} /> }]} />
      </SpaceBetween>
    </Container>
  );
}

function Some({ hold }: { hold: Hold }) {
  if (hold.sample.length === 0) return <>Nobody any more</>;
  const more = hold.people - hold.sample.length;
  return (
    <>
      {hold.sample.map(({ user_id }, at) => (
        <span key={user_id}>
          {at > 0 && ", "}
          <To to={`/users/${user_id}`}>User&nbsp;{user_id}</To>
        </span>
      ))}
      {more > 0 && ` and ${counted(more, "more person", "more people")}`}
    </>
  );
}
