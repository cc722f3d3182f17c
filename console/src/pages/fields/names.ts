import type { Shown } from "../../api/client.ts";
import { CORE_FIELDS } from "../../shared/words.ts";

export type Field = Shown<"FieldShown">;

/** A mapped field's name: of a custom field the label that Strive shows, where it is known. */
export function fieldName(field: Field, labels?: ReadonlyMap<string, string>): string {
  const { kind, strive_field } = field;
  return (kind === "core" ? CORE_FIELDS[strive_field] : labels?.get(strive_field)) ?? strive_field;
}

/** Said in place of an option: the two fields that follow rules of their own. */
export const OWN_RULES: Record<string, string> = {
  opt_in:
    "Has rules of its own: an opt-out on either side is carried to the other, always. An opt-in " +
    "is carried too, unless the person said stop.",
  phone_number:
    "The number that is texted, chosen by the phone types in Settings. It joins user and member; " +
    "the sync changes it on neither side.",
};
