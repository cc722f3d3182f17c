import type { Shown } from "../../api/client.ts";
import { counted } from "../../shared/words.ts";

type Hold = Shown<"HoldShown">;

export interface HoldWords {
  title: string;
  /** What was stopped, and why. */
  text: string;
  /** What a release does, to how many. */
  release: string;
  /** What is so after it was discarded. */
  discard: string;
}

/** A hold in plain words. `group` is the name of its group. */
export function holdWords(hold: Hold, group: string): HoldWords {
  const people = counted(hold.people, "person", "people");
  const [to, from] =
    hold.direction === "to_strive" ? ["Strive", "ActionKit"] : ["ActionKit", "Strive"];
  const settled = "The difference counts as settled until somebody changes the value again.";
  switch (hold.kind) {
    case "group_backfill":
      return {
        title: `Joining the group ${group}`,
        text:
          "These people belong to the group, but Strive texts whoever joins it. Nobody of them " +
          "joins, and nobody is texted, until you say so.",
        release:
          `${people} will join the group ${group} in Strive. ` +
          `${texts(hold)} Texts cannot be called back.`,
        discard:
          `Nobody of these ${people} joins the group because of what they did so far, and nobody ` +
          "is texted. Who takes a new action that belongs to the group joins it at once.",
      };
    case "opt_outs":
      return hold.direction === "to_strive"
        ? {
            title: "Opting people out in Strive",
            text:
              "Unusually many people were set to opted out in ActionKit within ten minutes. In " +
              "Strive they are still opted in; none of the automations here texts them meanwhile.",
            release: `${people} will be opted out in Strive and get no more texts.`,
            discard:
              `${people} stay opted in in Strive and can still be texted, though ActionKit says ` +
              "opted out. Discard it only if you know that they did not say no.",
          }
        : {
            title: "Opting people out in ActionKit",
            text:
              "Unusually many people were opted out in Strive within ten minutes. They get no " +
              "more texts. ActionKit still shows them as opted in: to change that waits.",
            release: `The opt-in of ${people} will be set to false in ActionKit.`,
            discard:
              `The opt-in of ${people} stays as it is in ActionKit. Their opt-out stands in ` +
              "Strive, so they are still not texted.",
          };
    case "clears":
      return {
        title: `Emptying values in ${to}`,
        text:
          `Values of unusually many people were emptied in ${from} within ten minutes. In ${to} ` +
          "they are still there.",
        release: `Values of ${people} will be emptied in ${to}, as they are in ${from}.`,
        discard: `The values of ${people} stay in ${to}. ${settled}`,
      };
    case "overwrites":
      return {
        title: `Overwriting values in ${to}`,
        text:
          `Values of unusually many people were changed in ${from} within ten minutes. ${to} ` +
          "still shows the values from before.",
        release: `Values of ${people} will be overwritten in ${to} by those of ${from}.`,
        discard: `The values of ${people} stay as they are in ${to}. ${settled}`,
      };
    case "removals":
      return {
        title: "Taking people out of groups",
        text:
          "Unusually many people would leave groups in Strive within ten minutes, since they no " +
          "longer belong to them.",
        release: `${people} will be taken out of groups in Strive.`,
        discard:
          `${people} stay in the groups, as if staff had added them: the sync does not take them ` +
          "out any more.",
      };
  }
}

/** How many would be texted, as a sentence. */
function texts({ opted_in }: Hold): string {
  if (opted_in === 0) return "None of them is opted in, so nobody will be texted.";
  return `${counted(opted_in, "of them is", "of them are")} opted in and will be texted.`;
}
