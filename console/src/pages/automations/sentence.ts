import type { Shown } from "../../api/client.ts";
import { quoted } from "../groups/text.tsx";

export type Rule = Shown<"AutomationShown">;

/** The names of what a rule has by number. */
export interface Names {
  title: (page_id: number) => string | undefined;
  group: (group: number) => string | undefined;
}

/** When a rule does something: "When somebody acts on “Shirts” with “size” = “M”". */
function whenOf(rule: Rule, names: Names): string {
  const { page_id } = rule;
  const where =
    page_id === null ? "any synced page" : named(names.title(page_id), `page ${page_id}`);
  return `When somebody acts on ${where}${withOf(rule)}`;
}

function named(name: string | undefined, otherwise: string): string {
  return name === undefined ? otherwise : quoted(name);
}

function withOf({ actionfield, value }: Rule): string {
  if (actionfield === null) return "";
  const field = ` with ${quoted(actionfield, 40)}`;
  return value === null ? field : `${field} = ${quoted(value, 40)}`;
}

function oftenOf(rule: Rule): string {
  return rule.once_per === "person" ? "once per person" : "for each action";
}

/** What a rule does: "add to group “Thanks”, publish an event". */
function doesOf(rule: Rule, names: Names): string {
  const does: string[] = [];
  const { add_to_group } = rule;
  if (add_to_group !== null) {
    const name = names.group(add_to_group);
    does.push(`add to group ${named(name, String(add_to_group))}`);
  }
  if (rule.publish_event) does.push("publish an event");
  return does.join(", ");
}

/** A rule in one sentence. */
export function sentenceOf(rule: Rule, names: Names): string {
  return `${whenOf(rule, names)}, ${oftenOf(rule)}: ${doesOf(rule, names)}`;
}
