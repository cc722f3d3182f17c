import createClient, { type Client } from "openapi-fetch";

import { type Session, SignedOutError } from "../session/session.ts";
import { Problem } from "./problem.ts";
import type { components, paths } from "./schema.d.ts";

/** The API's objects by name, as in `Shown<"UserShown">`. */
export type Shown<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** A page of a list. */
export interface ListOf<Item> {
  items: Item[];
  next_cursor: string | null;
}

type Prefix = "/api/accounts/{account_id}";
type Method = "get" | "put" | "post" | "patch" | "delete";
type Has<M extends Method> = Record<M, { responses: unknown }>;

/** Paths below an account that have a method, as in `/users/{user_id}`. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: P extends `${Prefix}${infer Rest}`
    ? paths[P] extends Has<M>
      ? Rest
      : never
    : never;
}[keyof paths];

type Operation<M extends Method, R extends string> = `${Prefix}${R}` extends infer P
  ? P extends keyof paths
    ? paths[P] extends Record<M, infer O>
      ? O
      : never
    : never
  : never;

type Loose<T> = { [K in keyof T]?: T[K] | undefined };
type PathIn<O> = O extends { parameters: { path: infer P } } ? Omit<P, "account_id"> : object;
type QueryIn<O> = O extends { parameters: { query?: infer Q } } ? Loose<NonNullable<Q>> : object;
type BodyIn<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: B }
  : O extends { requestBody?: { content: { "application/json": infer B } } }
    ? { body?: B }
    : object;

/** What a call is given: `path` and `query` values, `body`, and a signal that ends it. */
export type Given<M extends Method, R extends string> = {
  query?: QueryIn<Operation<M, R>>;
  signal?: AbortSignal;
} & BodyIn<Operation<M, R>> &
  (keyof PathIn<Operation<M, R>> extends never ? object : { path: PathIn<Operation<M, R>> });

type Arguments<M extends Method, R extends string> =
  object extends Given<M, R> ? [given?: Given<M, R>] : [given: Given<M, R>];

type Json<T> = T extends { content: { "application/json": infer B } } ? B : undefined;

/** What a call answers when it succeeds. */
export type Answer<M extends Method, R extends string> =
  Operation<M, R> extends { responses: infer S }
    ? {
        [Code in keyof S]: Code extends 200 | 201 | 202
          ? Json<S[Code]>
          : Code extends 204
            ? undefined
            : never;
      }[keyof S]
    : never;

interface AnyGiven {
  path?: object;
  query?: object;
  body?: unknown;
  signal?: AbortSignal;
}

/** How long a call may take before the API counts as unreachable: longer than its function may. */
const MOST_MILLISECONDS = 40_000;

/** The API of one account. Every refusal is thrown as a Problem. */
export class Api {
  readonly #client: Client<Record<string, never>>;
  readonly #session: Session;
  readonly #account: string;

  constructor(base: string, session: Session, account: string) {
    this.#client = createClient({ baseUrl: base, cache: "no-store", credentials: "omit" });
    this.#session = session;
    this.#account = account;
  }

  get<R extends PathOf<"get">>(path: R, ...given: Arguments<"get", R>): Promise<Answer<"get", R>> {
    return this.#call("get", path, given[0]);
  }

  put<R extends PathOf<"put">>(path: R, ...given: Arguments<"put", R>): Promise<Answer<"put", R>> {
    return this.#call("put", path, given[0]);
  }

  post<R extends PathOf<"post">>(
    path: R,
    ...given: Arguments<"post", R>
  ): Promise<Answer<"post", R>> {
    return this.#call("post", path, given[0]);
  }

  patch<R extends PathOf<"patch">>(
    path: R,
    ...given: Arguments<"patch", R>
  ): Promise<Answer<"patch", R>> {
    return this.#call("patch", path, given[0]);
  }

  delete<R extends PathOf<"delete">>(
    path: R,
    ...given: Arguments<"delete", R>
  ): Promise<Answer<"delete", R>> {
    return this.#call("delete", path, given[0]);
  }

  async #call<T>(method: Method, path: string, given: AnyGiven = {}): Promise<T> {
    const limit = AbortSignal.timeout(MOST_MILLISECONDS);
    const signal = given.signal ? AbortSignal.any([given.signal, limit]) : limit;
    try {
      const token = await this.#session.token();
      // The types above are those of the description; openapi-fetch would say the same again.
      const request = this.#client.request as unknown as Request;
      const { data, error, response } = await request(method, `/api/accounts/{account_id}${path}`, {
        params: { path: { account_id: this.#account, ...given.path }, query: given.query ?? {} },
        ...(given.body === undefined ? {} : { body: given.body }),
        headers: { Authorization: `Bearer ${token}` },
        signal,
      });
      if (!response.ok) throw problemOf(response.status, error);
      return data as T;
    } catch (fault) {
      if (fault instanceof Problem) throw fault;
      if (fault instanceof SignedOutError) throw new Problem(401, "signed_out", "");
      if (given.signal?.aborted) throw fault;
      throw new Problem(0, "unreachable", "The API does not answer.");
    }
  }
}

type Request = (
  method: Method,
  path: string,
  init: object,
) => Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** The problem that an answer tells of; the gateway's own answers have another body. */
function problemOf(status: number, body: unknown): Problem {
  const error = (body as { error?: Partial<Shown<"ErrorShown">> } | undefined)?.error;
  if (typeof error !== "object" || typeof error.message !== "string") {
    return new Problem(status, "unknown", `The API answered with ${status}.`);
  }
  return new Problem(status, String(error.code), error.message, error.details ?? []);
}
