/** What is wrong with one field of a call. */
export interface ProblemDetail {
  field: string;
  message: string;
}

export type ProblemKind =
  | "signed_out"
  | "forbidden"
  | "not_connected"
  | "unreachable"
  | "refused"
  | "fault";

/** Codes of an account that was never connected, or is not any more. */
const NOT_CONNECTED = ["no_account", "no_connection", "not_connected"];

/** A call that did not succeed: the API's status (0 where it did not answer), code and words. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: readonly ProblemDetail[];

  constructor(
    status: number,
    code: string,
    message: string,
    details: readonly ProblemDetail[] = [],
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }

  get kind(): ProblemKind {
    if (this.status === 401) return "signed_out";
    if (this.status === 403) return "forbidden";
    if (NOT_CONNECTED.includes(this.code)) return "not_connected";
    // The gateway's own answers, when its function does not answer, have no code of ours.
    if (this.status === 0 || (this.status >= 500 && this.code === "unknown")) return "unreachable";
    return this.status >= 500 && this.code === "internal_error" ? "fault" : "refused";
  }

  /** What is wrong with a field of a form. */
  of(field: string): string | undefined {
    return this.details.find((one) => one.field === field)?.message;
  }

  static of(fault: unknown): Problem {
    if (fault instanceof Problem) return fault;
    return new Problem(0, "console", fault instanceof Error ? fault.message : String(fault));
  }
}
