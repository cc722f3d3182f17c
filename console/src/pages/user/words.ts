import type { Shown } from "../../api/client.ts";
import { absolute } from "../../shared/time.ts";
import { CORE_FIELDS, plain } from "../../shared/words.ts";

/** What a warning means and what would change it: docs/statuses.md. */
export const WARNING_TEXTS: Record<Shown<"Warning">, { text: string; fix: string }> = {
  phone_differs: {
    text: "The user’s chosen number is another than the member’s; the user still has both.",
    fix: "Remove the number that is no longer right from the user, or change the member’s.",
  },
  phone_missing: {
    text: "The user has no valid phone number of the chosen types any more; the link goes on.",
    fix: "Add the number to the user in ActionKit again.",
  },
  opt_in_cleared: {
    text: "The opt-in userfield was emptied in ActionKit; the member’s subscription was kept.",
    fix: "Set the opt-in userfield to true or false.",
  },
  opt_in_predates_phone: {
    text: "The opt-in in ActionKit is older than the phone number, so it was not given for it.",
    fix: "Set the opt-in userfield to true again, once the person has agreed for this number.",
  },
  invalid_for_actionkit: {
    text: "A value in Strive cannot be valid in ActionKit and was not written there.",
    fix: "Correct the value in Strive (usually the zip code or state).",
  },
  refusal_overruled: {
    text: "ActionKit said opted out, but the member is opted in; the member’s status was kept.",
    fix: "If the person does not want texts, opt the member out or set the userfield to false.",
  },
  resubscribe_needs_consent: {
    text: "ActionKit says opted in, but the person opted out of this number in Strive.",
    fix: "The person can text to join again; or see “Resubscribe from ActionKit” in Settings.",
  },
};

/** Who wins where the sides differ; what else an option does is in `OPTIONS`. */
export const WINS: Record<Shown<"Option">, string> = {
  one_way_overwrite_actionkit: "Strive always wins",
  one_way_overwrite_strive: "ActionKit always wins",
  populate_no_overwrite: "Nobody wins: two values that differ stay so",
  populate_overwrite_actionkit: "Strive wins",
  populate_overwrite_strive: "ActionKit wins",
  two_way: "Strive wins where that is not certain",
};

/** Fields that have no option. */
export const FIXED: Record<string, { text: string; wins: string }> = {
  opt_in: {
    text: "Rules of its own",
    wins: "Who says no wins: see Consent below",
  },
  phone_number: {
    text: "Links the two records",
    wins: "Neither number is changed",
  },
};

/** Why a value was written, or was not: the rules of domain/fields.py and domain/decide.py. */
const RULES: Record<string, string> = {
  created: "Written when the record was made",
  fill: "One side was empty, so it was filled from the other",
  overwrite: "Overwritten, as the field’s option says",
  first_link: "Both had a value when they were linked: Strive’s was taken",
  changed: "One side was changed, and the change was carried to the other",
  later: "Both sides were changed: the later change won",
  strive_wins: "Both sides were changed, nobody knows which later: Strive won",
  cleared: "One side was emptied, so the other was emptied too",
  refilled: "One side was emptied, so it was filled again",
  settled: "The other side stored it in its own way; that counts as its answer",
  kept: "The two differ, and the option overwrites neither",
  held: "Waits for staff, with many changes like it: see Holds",
  discarded: "Staff discarded the change: the difference counts as settled",
  invalid_for_actionkit: "Not sent: ActionKit could not take this value",
  refused: "ActionKit refused the value; it is not sent again",
  refused_by_strive: "Strive refused the value; it is not sent again",
  first_link_member_wins: "The member’s own status was taken when the two were linked",
  not_asked_takes_true: "The person agreed in ActionKit and had never been asked in Strive",
  refusal_carried: "The person opted out on one side, so the other was opted out too",
  refusal_of_number: "Somebody has refused texts on this number",
  opt_in_carried: "The person opted in, and no refusal stood in the way",
  unrecognised_replaced: "The opt-in value could not be read as yes or no",
  recovered: "Written by an attempt that was cut off, as a later look found out",
  entitled: "The person belongs to this group",
  not_entitled: "The person does not belong to this group any more",
  link_ended: "The user and the member are not linked any more",
  erased: "The person was erased",
};

export function ruleWords(rule: string): string {
  return RULES[rule] ?? plain(rule);
}

/** What had the person looked at. */
const CAUSES: Record<string, string> = {
  initial_sync: "Initial sync",
  changed: "A change on either side",
  relook: "A change of settings or fields",
  backfill: "A page, usergroup or group was synced, or no longer",
  action: "An action of the person",
  pushed: "An action of the person",
  confirm: "Checking that a change arrived",
  newcomer: "A member was added to the primary group",
  staff: "“Sync now”",
  recreate: "“Make the member again”",
  refusal: "Somebody opted out",
  erase: "Erasing a person",
  off: "The sync was switched off",
  released: "A hold was released",
  discarded: "A hold was discarded",
};

/** A cause may say more behind a slash, as in `released/opt_outs/to_strive`. */
export function causeWords(cause: string): string {
  const [first = "", kind] = cause.split("/");
  const words = CAUSES[first] ?? plain(first);
  return kind !== undefined && (first === "released" || first === "discarded")
    ? `${words} (${plain(kind).toLowerCase()})`
    : words;
}

/** What followed from what was seen of a person's consent. */
const EFFECTS: Record<string, string> = {
  "member created as opted in": "The member was made, opted in",
  "member created as opted out": "The member was made, opted out: nobody had agreed",
  refusal: "A refusal: the number gets no more texts",
  "refusal: set to false after the activation": "A refusal: the number gets no more texts",
  "opt-in": "An opt-in: the number may be texted",
  "member opted in": "The member was opted in",
  "member opted in, who had not been asked": "The member, never asked before, was opted in",
  "member stays opted in": "The member stays opted in",
  "member stays opted out": "The member stays opted out: nobody may opt them in from here",
  "overruled by the member's status": "Nothing: the member’s own status was kept",
  "replaced by the member's status": "The value in ActionKit was replaced by the member’s status",
  "none: the member's status stays": "Nothing: the member’s status stays",
  "discarded by staff": "Nothing: staff discarded it",
  "written to ActionKit": "Written to ActionKit",
};

export function effectWords(effect: string): string {
  return EFFECTS[effect] ?? sentence(effect);
}

/** By what it is known, with times as people read them. */
export function evidenceWords(evidence: string): string {
  if (evidence === "erased") return "The person was erased";
  const timed = evidence.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (at) => absolute(at));
  return sentence(timed);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const GROUP_STATES: Record<
  Shown<"UserGroupShown">["state"],
  { text: string; look: "success" | "pending" | "stopped"; meaning: string }
> = {
  in: { text: "In the group", look: "success", meaning: "The sync put the member into it." },
  held: {
    text: "Waits for staff",
    look: "pending",
    meaning: "Joining this group would text the person, so it waits for your word in Holds.",
  },
  discarded: {
    text: "Discarded",
    look: "stopped",
    meaning: "Staff decided against it. A new action of the person still joins them.",
  },
};

/** A field as history and conflicts name it: `custom:NAME` is a custom field. */
export function fieldWords(field: string): string {
  if (field === "groups") return "Group";
  const custom = "custom:";
  return field.startsWith(custom) ? field.slice(custom.length) : (CORE_FIELDS[field] ?? field);
}

const YES = new Set(["t", "true", "1", "opt in", "opt-in", "y", "yes"]);
const NO = new Set(["f", "false", "0", "opt out", "opt-out", "n", "no"]);

/** How a value of the opt-in userfield is read (F10). */
export function readOptIn(raw: string): "true" | "false" | "" | "unrecognised" {
  const value = raw.trim().toLowerCase();
  if (value === "") return "";
  if (YES.has(value)) return "true";
  return NO.has(value) ? "false" : "unrecognised";
}
