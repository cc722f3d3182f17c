import { useSyncExternalStore } from "react";

/**
 * Addresses are `#/ACCOUNT/PAGE?QUERY`: what is after "#" is never sent to a server, so they work
 * below any path, and a link names the account that it is about.
 */
export interface Place {
  account: string;
  /** Begins with "/". */
  path: string;
  query: URLSearchParams;
}

export function placeOf(hash: string): Place {
  const [way = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [account = "", ...parts] = way.split("/").map(decoded);
  const path = `/${parts.filter(Boolean).join("/")}`;
  return { account, path, query: new URLSearchParams(query) };
}

/** The address of a page, as for `href`. */
export function addressOf(account: string, path: string, query?: Record<string, string>): string {
  const words = new URLSearchParams(query).toString();
  const way = path.split("/").map(encodeURIComponent).join("/");
  return `#/${encodeURIComponent(account)}${way}${words && `?${words}`}`;
}

/** The values of a pattern such as `/users/:user_id` in a path; null where it does not match. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return null;
  const values: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? "";
    if (part.startsWith(":")) values[part.slice(1)] = value;
    else if (part !== value) return null;
  }
  return values;
}

/** Goes to an address; `replace`: without a step in the browser's history. */
export function go(address: string, replace = false): void {
  if (replace) {
    window.history.replaceState(null, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    window.location.hash = address.replace(/^#/, "");
  }
}

export function useHash(): string {
  return useSyncExternalStore(listen, () => window.location.hash);
}

function listen(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
