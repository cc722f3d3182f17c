import { LongText } from "../../shared/LongText.tsx";

const [ISOLATE, END] = ["\u2068", "\u2069"];

/** A name out of another system within a sentence of ours: cut, and in its own direction. */
export function quoted(name: string, limit = 80): string {
  const characters = Array.from(name);
  const cut = characters.length > limit ? `${characters.slice(0, limit).join("")}…` : name;
  return `“${ISOLATE}${cut}${END}”`;
}

/** A title or a name out of another system: in its own direction, cut where it is long. */
export function Name({ text, limit = 120 }: { text: string | null | undefined; limit?: number }) {
  return (
    <span dir="auto">
      <LongText text={text} limit={limit} />
    </span>
  );
}
