import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import type { Api, ListOf, Shown } from "../../api/client.ts";
import { Problem } from "../../api/problem.ts";
import { useReadOnly } from "../../session/SessionContext.ts";
import { Confirm } from "../../shared/Confirm.tsx";
import { ProblemBox } from "../../shared/ProblemBox.tsx";
import { useAction } from "../../shared/useAction.ts";
import { counted, number } from "../../shared/words.ts";
import { holdWords } from "./words.ts";

type Hold = Shown<"HoldShown">;

interface ReleaseProps {
  hold: Hold;
  group: string;
  onDecided: () => void;
}

/**
 * Has everything carried out that a hold holds. What is confirmed is the number of people that is
 * shown, as it was when it was asked; if it has changed by then, it is asked again.
 */
export function Release({ hold, group, onDecided }: ReleaseProps) {
  const readOnly = useReadOnly();
  const [asked, setAsked] = useState<{ hold: Hold; before?: number }>();
  const { hold_id } = hold;
  const release = useAction(
    async (given, shown: Hold) => {
      try {
        await given.post("/holds/{hold_id}/release", {
          path: { hold_id },
          body: { people: shown.people },
        });
        return shown;
      } catch (fault) {
        const problem = Problem.of(fault);
        if (problem.code !== "number_changed") throw problem;
        const now = await find(given, hold_id);
        if (now === undefined) throw new Problem(404, "no_hold", GONE);
        setAsked({ hold: now, before: shown.people });
        throw problem;
      }
    },
    {
      done: (shown) =>
        `What waited for ${counted(shown.people, "person", "people")} is being carried out.`,
      then: onDecided,
      quiet: true,
    },
  );
  const close = (): void => {
    setAsked(undefined);
    release.forget();
  };
  const confirm = async (shown: Hold): Promise<void> => {
    if (await release.run(shown)) close();
  };
  const title = holdWords(hold, group).title;
  return (
    <>
      <Button
        variant="primary"
        ariaLabel={`Release: ${title}`}
        onClick={() => setAsked({ hold })}
        disabled={readOnly !== undefined}
        {...(readOnly === undefined ? {} : { disabledReason: readOnly })}
      >
        Release
      </Button>
      {asked && (
        <Confirm
          title={`Release: ${title}?`}
          label={`Release ${counted(asked.hold.people, "person", "people")}`}
          busy={release.busy}
          onConfirm={() => void confirm(asked.hold)}
          onCancel={close}
        >
          <SpaceBetween size="m">
            {asked.before !== undefined && (
              <Alert type="warning" header="The number has changed meanwhile">
                There were {number(asked.before)} people in it, and there are{" "}
                {number(asked.hold.people)} now. Nothing was released. Look again, and confirm the
                new number.
              </Alert>
            )}
            {release.problem && release.problem.code !== "number_changed" && (
              <ProblemBox problem={release.problem} />
            )}
            <Box variant="p">
              <span dir="auto">{holdWords(asked.hold, group).release}</span>
            </Box>
            <Box variant="p">
              Each of them is looked at once more before that: whom it no longer concerns is left
              out. It begins at once and goes on at the account’s pace.
            </Box>
          </SpaceBetween>
        </Confirm>
      )}
    </>
  );
}

const MOST = 500;
const GONE = "Somebody has decided about this hold already, or nobody is in it any more.";

/** The hold as it is now; undefined if it waits no more. */
async function find(api: Api, hold_id: string): Promise<Hold | undefined> {
  const { items }: ListOf<Hold> = await api.get("/holds", { query: { limit: MOST } });
  return items.find((one) => one.hold_id === hold_id);
}
