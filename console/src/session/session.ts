import { InMemoryWebStorage, UserManager, WebStorageStateStore } from "oidc-client-ts";
import type { User } from "oidc-client-ts";

import { type Config, HERE } from "./config.ts";
import { claimsOf, rolesOf, type Role } from "./roles.ts";

/** A token is asked for anew when it has less than this to live. */
const SPARE_SECONDS = 60;

/** There is no token any more, and none can be had without the person. */
export class SignedOutError extends Error {}

/**
 * Who is signed in. Tokens are kept in the tab's session storage: they live as long as the tab, and
 * no other origin sees them.
 */
export class Session {
  readonly #config: Config;
  readonly #manager: UserManager;
  #user: User | null = null;
  #renewing: Promise<User | null> | null = null;

  constructor(config: Config) {
    this.#config = config;
    this.#manager = new UserManager({
      authority: config.issuer,
      client_id: config.client_id,
      redirect_uri: HERE.href,
      post_logout_redirect_uri: HERE.href,
      scope: config.scopes,
      response_type: "code",
      automaticSilentRenew: false,
      loadUserInfo: false,
      userStore: new WebStorageStateStore({ store: storage() }),
      stateStore: new WebStorageStateStore({ store: storage() }),
      // Some issuers make an access token for an API only if its audience is asked for.
      extraQueryParams: config.token === "access_token" ? { audience: config.audience } : {},
    });
  }

  /** Finds who is signed in: by what the issuer has just sent with us, or from before. */
  async open(): Promise<void> {
    const query = new URLSearchParams(window.location.search);
    if (query.has("state") && (query.has("code") || query.has("error"))) {
      const here = window.location.href;
      window.history.replaceState(null, "", HERE);
      const user = await this.#manager.signinRedirectCallback(here);
      const page = typeof user.state === "string" ? user.state : "";
      window.history.replaceState(null, "", `${HERE.href}${page}`);
      this.#user = user;
    } else {
      this.#user = await this.#manager.getUser();
    }
  }

  get signedIn(): boolean {
    return this.#user !== null;
  }

  /** Whom to show as signed in. */
  get name(): string {
    const claims = this.#claims();
    const named = [claims["email"], claims["username"], claims["cognito:username"], claims["sub"]];
    return named.find((one) => typeof one === "string") ?? "unknown";
  }

  /** The accounts of the token, with the role on each. */
  get roles(): Map<string, Role> {
    return rolesOf(this.#claims()[this.#config.accounts_claim]);
  }

  /** The token that the API takes. Throws SignedOutError. */
  async token(): Promise<string> {
    if ((this.#user?.expires_in ?? 0) < SPARE_SECONDS) {
      this.#renewing ??= this.#renew();
      const renewed = await this.#renewing;
      this.#renewing = null;
      this.#user = renewed ?? this.#user;
    }
    const token = this.#user?.[this.#config.token];
    if (token === undefined || this.#user?.expired) throw new SignedOutError();
    return token;
  }

  /** Leaves for the issuer, to come back to the same page. */
  async signIn(): Promise<void> {
    await this.#manager.removeUser();
    await this.#manager.signinRedirect({ state: window.location.hash });
  }

  /** Forgets the tokens, and has the issuer forget that we are signed in. */
  async signOut(): Promise<void> {
    const idToken = this.#user?.id_token;
    this.#user = null;
    await this.#manager.removeUser();
    if (this.#config.sign_out_url !== null) {
      const address = new URL(this.#config.sign_out_url);
      address.searchParams.set("client_id", this.#config.client_id);
      address.searchParams.set("logout_uri", HERE.href);
      window.location.assign(address);
    } else if (await this.#manager.metadataService.getEndSessionEndpoint()) {
      await this.#manager.signoutRedirect(idToken === undefined ? {} : { id_token_hint: idToken });
    } else {
      window.location.assign(HERE);
    }
  }

  async #renew(): Promise<User | null> {
    if (!this.#user?.refresh_token) return null;
    try {
      return await this.#manager.signinSilent();
    } catch {
      return null; // The token may be good for a while yet; the API says so if it is not.
    }
  }

  #claims(): Record<string, unknown> {
    const token = this.#user?.[this.#config.token];
    return token === undefined ? {} : claimsOf(token);
  }
}

function storage(): Storage {
  try {
    return window.sessionStorage;
  } catch {
    return new InMemoryWebStorage(); // Where the browser forbids it: until the next reload.
  }
}
