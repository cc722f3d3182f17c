/** What the console's function says of this stack (functions/console/handler.py). */
export interface Config {
  /** Where the API is, relative to the console. */
  api_base: string;
  issuer: string;
  client_id: string;
  scopes: string;
  audience: string;
  /** Which of the two tokens the API takes. */
  token: "id_token" | "access_token";
  /** The claim that names `account:role`. */
  accounts_claim: string;
  /** Where Cognito signs people out; other issuers name it in their discovery document. */
  sign_out_url: string | null;
}

/** The console's own address, below whatever path it is served. */
export const HERE = new URL(".", window.location.origin + window.location.pathname);

export async function loadConfig(): Promise<Config> {
  const answer = await fetch(new URL("config.json", HERE), { cache: "no-store" });
  if (!answer.ok) throw new Error(`config.json was answered with ${answer.status}.`);
  return (await answer.json()) as Config;
}
