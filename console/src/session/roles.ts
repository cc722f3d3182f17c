/** Who may do what, as the API reads it of the same claim (instep/api/access.py). */
export type Role = "viewer" | "editor";

const ACCOUNT_ID = /^[a-z0-9][a-z0-9-]{0,39}$/;

/**
 * The roles by account of a claim with entries `account:role`; of two roles the higher. What is no
 * such entry is passed over.
 */
export function rolesOf(claim: unknown): Map<string, Role> {
  const roles = new Map<string, Role>();
  for (const entry of entries(claim)) {
    const [account = "", role, ...more] = entry.trim().split(":");
    if (more.length > 0 || !ACCOUNT_ID.test(account)) continue;
    if (role === "editor" || (role === "viewer" && !roles.has(account))) roles.set(account, role);
  }
  return new Map([...roles].sort(([one], [other]) => compare(one, other)));
}

function compare(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

function entries(claim: unknown): string[] {
  if (Array.isArray(claim)) return claim.filter((one) => typeof one === "string");
  if (typeof claim !== "string") return [];
  const text = claim.trim();
  if (text.startsWith("[")) {
    try {
      return entries(JSON.parse(text));
    } catch {
      return entries(text.slice(1).replace(/\]$/, ""));
    }
  }
  return text.split(/[,\s]+/);
}

/** The claims of a token that is a JSON web token; none of another. Nothing is verified: the API
 * does that, and what is read here only decides what is shown. */
export function claimsOf(token: string): Record<string, unknown> {
  const part = token.split(".")[1];
  if (part === undefined) return {};
  try {
    const bytes = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (one) => one.charCodeAt(0)));
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
