import { useMemo, useState } from "react";

import type { Api, Shown } from "../../api/client.ts";
import type { Problem } from "../../api/problem.ts";

export type Settings = Shown<"SettingsShown">;

/** What can be changed, and so what may be unsaved. */
export type Changes = Partial<Omit<Settings, "webhook_url">>;

/** What each setting is called, in the order of the page. */
export const NAMES: Record<keyof Changes, string> = {
  opt_in_userfield: "Opt-in userfield",
  resubscribe_from_actionkit: "Opting in again from ActionKit",
  phone_types: "Phone types",
  phone_fallback: "Other phones",
  default_region: "Default country",
  create_users: "Create users in ActionKit",
  records_per_minute: "Records per minute",
};

export const SETTINGS = Object.keys(NAMES) as (keyof Changes)[];

/** Those on which it depends who has a usable phone: everybody is looked at again. */
const OF_EVERYBODY: (keyof Changes)[] = ["phone_types", "phone_fallback", "default_region"];

/** Saves what is named; the rest stays. */
export function saveSettings(api: Api, changes: Changes): Promise<Settings> {
  // In the description each setting has a default, which makes it look required.
  return api.patch("/settings", { body: changes as Shown<"SettingsGiven"> });
}

interface Draft {
  /** As they would be once saved. */
  settings: Settings;
  changes: Changes;
  /** The names of what is not saved. */
  changed: (keyof Changes)[];
  /** Why it cannot be saved as it is. */
  wrong: string | undefined;
  change: (changes: Changes) => void;
  discard: () => void;
}

/** Settings that are being changed, over those that are saved. */
export function useDraft(saved: Settings): Draft {
  const [edits, setEdits] = useState<Changes>({});
  return useMemo(() => {
    const settings = { ...saved, ...edits };
    const changed = SETTINGS.filter(
      (name) => name in edits && JSON.stringify(edits[name]) !== JSON.stringify(saved[name]),
    );
    const changes = Object.fromEntries(changed.map((name) => [name, edits[name]])) as Changes;
    return {
      settings,
      changes,
      changed,
      wrong: wrongPace(settings.records_per_minute),
      change: (more) => setEdits((now) => ({ ...now, ...more })),
      discard: () => setEdits({}),
    };
  }, [saved, edits]);
}

export function wrongPace(value: number): string | undefined {
  return Number.isInteger(value) && value >= 1 ? undefined : "Enter a whole number from 1 on.";
}

/** What saving does beyond the settings themselves. */
export function effectsOf(changes: Changes, phase: Shown<"ActivationShown">["phase"]): string[] {
  const effects = [];
  if (OF_EVERYBODY.some((name) => name in changes)) {
    effects.push(
      "Everybody is looked at again, at the account’s pace, since it may change who has a phone " +
        "number to text. People may become eligible, and links may end or move to another number." +
        (phase === "off" ? " That begins when the sync is switched on." : ""),
    );
  }
  if (changes.create_users === true) {
    effects.push(
      "Strive members who were added to the group “ActionKit Integration”, also those who wait " +
        "there already, get a user in ActionKit.",
    );
  }
  if (changes.resubscribe_from_actionkit && changes.resubscribe_from_actionkit !== "never") {
    effects.push(
      "People who said stop in Strive can be opted in again from ActionKit, by values that are " +
        "set from now on.",
    );
  }
  if ("opt_in_userfield" in changes) {
    effects.push(
      "Subscribed is decided anew for everybody when the sync is switched on. Refusals are kept.",
    );
  }
  return effects;
}

/** Refusals without details, and the setting that each is about. */
const ABOUT: Record<string, string> = {
  turn_off_first: "opt_in_userfield",
  opt_in_field_in_use: "opt_in_userfield",
  opt_in_field_reserved: "opt_in_userfield",
};

/** What the API says of one setting. */
export function problemAt(problem: Problem | undefined, setting: string): string | undefined {
  if (problem === undefined) return undefined;
  return problem.of(setting) ?? (ABOUT[problem.code] === setting ? problem.message : undefined);
}

/** A problem that is not about one of the settings shown. */
export function problemElsewhere(problem: Problem | undefined): Problem | undefined {
  return SETTINGS.some((name) => problemAt(problem, name)) ? undefined : problem;
}
