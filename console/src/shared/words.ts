import type { StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

import type { Shown } from "../api/client.ts";

/** The API's closed lists in plain words. Where one grows, types fail until it is said here. */
type Status = Shown<"Status">;
type Warning = Shown<"Warning">;
type Phase = Shown<"ActivationShown">["phase"];
type RunState = Shown<"RunShown">["state"];
type Look = StatusIndicatorProps.Type;

export const STATUSES: Record<Status, { text: string; look: Look }> = {
  synced: { text: "Synced", look: "success" },
  pending: { text: "Not looked at yet", look: "pending" },
  ineligible_no_phone: { text: "Not eligible: no phone", look: "stopped" },
  ineligible_invalid_phone: { text: "Not eligible: phone not valid", look: "stopped" },
  ineligible_no_opt_in: { text: "Not eligible: no opt-in", look: "stopped" },
  duplicate_phone: { text: "Same phone as another user", look: "warning" },
  failed: { text: "Failed", look: "error" },
  deleted: { text: "Deleted in ActionKit", look: "stopped" },
  member_deleted: { text: "Deleted in Strive", look: "warning" },
  erased: { text: "Erased", look: "stopped" },
};

export const WARNINGS: Record<Warning, string> = {
  phone_differs: "Phone differs",
  phone_missing: "Phone missing",
  opt_in_cleared: "Opt-in cleared",
  opt_in_predates_phone: "Opt-in older than phone",
  invalid_for_actionkit: "Not valid for ActionKit",
  refusal_overruled: "Refusal overruled",
  resubscribe_needs_consent: "Opting in again needs consent",
};

export const PHASES: Record<Phase, { text: string; look: Look }> = {
  off: { text: "Off", look: "stopped" },
  initial_sync: { text: "Initial sync running", look: "in-progress" },
  syncing: { text: "On, in step", look: "success" },
  paused: { text: "Paused", look: "warning" },
  stopped_credentials: { text: "Stopped: credentials refused", look: "error" },
};

export const RUN_STATES: Record<RunState, { text: string; look: Look }> = {
  running: { text: "Running", look: "in-progress" },
  succeeded: { text: "Succeeded", look: "success" },
  failed: { text: "Failed", look: "error" },
};

/** A code that has no words of its own: `initial_sync` is "Initial sync". */
export function plain(code: string): string {
  const words = code.replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const NUMBER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function number(value: number): string {
  return NUMBER.format(value);
}

/** As in "1 user" and "5 users". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** The keys of a list in plain words, in its order. */
export function keysOf<K extends string>(list: Record<K, unknown>): K[] {
  return Object.keys(list) as K[];
}

/** A value out of an address, if it is one of the list. */
export function oneOf<K extends string>(list: Record<K, unknown>, value?: string): K | undefined {
  return value !== undefined && Object.hasOwn(list, value) ? (value as K) : undefined;
}

// Pages, groups and automations.

type GroupKind = Shown<"GroupShown">["kind"];
type ActionOutcome = Shown<"ActionShown">["outcome"];
type RuleOutcome = Shown<"Outcome">;

/** What a group of the integration is for, and why it cannot be deleted while that is kept up. */
export const GROUP_KINDS: Record<GroupKind, { text: string; why: string }> = {
  primary: {
    text: "Everybody who is synced",
    why: "It holds everybody who is synced, and is protected while the sync is on.",
  },
  page: { text: "Page", why: "Its page is synced. Stop syncing the page first." },
  usergroup: {
    text: "Usergroup",
    why: "Its usergroup is synced. Stop syncing the usergroup first.",
  },
  actionfield: {
    text: "ActionField group",
    why: "It is an ActionField group. Delete it under “ActionField groups”.",
  },
};

export const ACTION_OUTCOMES: Record<ActionOutcome, { text: string; look: Look }> = {
  synced: { text: "Synced", look: "success" },
  waiting: { text: "Waiting", look: "pending" },
  not_counted: { text: "Does not count", look: "stopped" },
};

export const RULE_OUTCOMES: Record<RuleOutcome, { text: string; look: Look }> = {
  done: { text: "Done", look: "success" },
  too_old: { text: "Not done: too old", look: "stopped" },
  not_opted_in: { text: "Not done: not opted in", look: "stopped" },
  not_eligible: { text: "Not done: not eligible", look: "stopped" },
  failed: { text: "Failed", look: "error" },
  unknown: { text: "Not known", look: "warning" },
};

export const SIDES: Record<Shown<"Side">, string> = { actionkit: "ActionKit", strive: "Strive" };

/** Members of the primary group who have no user. */
export const NEWCOMERS: Record<Shown<"NewcomerStatus">, { text: string; look: Look }> = {
  waiting: { text: "User about to be made", look: "pending" },
  not_created: { text: "No user made", look: "stopped" },
  email_taken: { text: "Email belongs to another user", look: "warning" },
  failed: { text: "Failed", look: "error" },
};

type Option = Shown<"Option">;
type Resubscribe = Shown<"Resubscribe">;
type ReadAs = Shown<"OptInValueShown">["read_as"];

/** What a mapping's option does: who wins each way. */
export const OPTIONS: Record<Option, { text: string; what: string }> = {
  populate_no_overwrite: {
    text: "Fill in, overwrite nothing",
    what: "An empty side is filled in from the other. Where both have a value, each keeps its own.",
  },
  populate_overwrite_actionkit: {
    text: "Fill in, Strive overwrites ActionKit",
    what: "Strive’s value wins where it has one. Where it is empty, ActionKit’s fills it in.",
  },
  populate_overwrite_strive: {
    text: "Fill in, ActionKit overwrites Strive",
    what: "ActionKit’s value wins where it has one. Where it is empty, Strive’s fills it in.",
  },
  one_way_overwrite_actionkit: {
    text: "One way: Strive overwrites ActionKit",
    what: "Strive’s value always wins. Nothing goes from ActionKit to Strive.",
  },
  one_way_overwrite_strive: {
    text: "One way: ActionKit overwrites Strive",
    what: "ActionKit’s value always wins. Nothing goes from Strive to ActionKit.",
  },
  two_way: {
    text: "Two way: the later change wins",
    what: "Whichever side was changed last wins. When a pair is first linked, Strive’s value wins.",
  },
};

/** Strive's own columns that are mapped by themselves. */
export const CORE_FIELDS: Record<string, string> = {
  first_name: "First name",
  last_name: "Last name",
  email: "Email",
  city: "City",
  state: "State",
  postal_code: "Zipcode",
  opt_in: "Subscribed",
  phone_number: "Phone number",
};

export const RESUBSCRIBE: Record<Resubscribe, { text: string; what: string }> = {
  never: {
    text: "Never",
    what:
      "Who said stop in Strive can opt in again in Strive alone. A true in ActionKit changes " +
      "nothing and is shown as a warning.",
  },
  own_action: {
    text: "By the person’s own action",
    what:
      "A true counts if the person set it by their own action on a page, import pages not " +
      "included. Nobody is opted in again by an upload or by staff.",
  },
  any: {
    text: "By any change in ActionKit",
    what:
      "Every true that is set later counts, by staff and uploads too. Choose it only if every " +
      "way to set it in ActionKit asks for consent.",
  },
};

export const READ_AS: Record<ReadAs, { text: string; look: Look }> = {
  true: { text: "Opted in", look: "success" },
  false: { text: "Opted out", look: "stopped" },
  unrecognised: { text: "Not recognised", look: "warning" },
};
