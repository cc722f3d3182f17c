/** How far somebody came in this browser, by account: what the API does not know. */
const key = (account: string): string => `instep:turning-on:${account}`;

export function furthestStep(account: string): number {
  try {
    const step = Number(window.localStorage.getItem(key(account)));
    return Number.isInteger(step) ? step : 0;
  } catch {
    return 0;
  }
}

export function keepStep(account: string, step: number): void {
  try {
    if (step > furthestStep(account)) window.localStorage.setItem(key(account), String(step));
  } catch {
    // Where the browser forbids it, one begins at the first of those steps again.
  }
}

export function forgetSteps(account: string): void {
  try {
    window.localStorage.removeItem(key(account));
  } catch {
    // Nothing was kept either.
  }
}
