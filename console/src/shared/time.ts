/** Times as people read them. */
const ABSOLUTE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** As in "4 May 2026, 12:00", in the reader's time zone. */
export function absolute(at: string): string {
  return ABSOLUTE.format(new Date(at));
}

/** To the second, with the day of the week and the time zone. */
export function exact(at: string): string {
  return EXACT.format(new Date(at));
}

/** As in "5 minutes ago" or "in 2 hours". */
export function relative(at: string, now: number): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.round(seconds / length), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : RELATIVE.format(Math.round(seconds), "second");
}

const LENGTHS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** As in "1 hour 5 minutes": how long something took. */
export function duration(from: string, to: string): string {
  let seconds = Math.round((new Date(to).getTime() - new Date(from).getTime()) / 1000);
  if (seconds < 1) return "less than a second";
  const parts: string[] = [];
  for (const [unit, length] of LENGTHS) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
  }
  return parts.join(" ");
}
