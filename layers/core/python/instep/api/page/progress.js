"use strict";

// Shows what one account does, and again every few seconds. Account and token come from the part of
// the address after "#", which no browser sends to a server, or are typed in.

const REFRESH_MILLISECONDS = 2000;
const PHASES = {
  off: "The account is off.",
  initial_sync: "The initial sync is running.",
  syncing: "The account is on; its initial sync has ended.",
  paused: "The account is paused.",
  stopped_credentials: "The account stopped: its credentials are refused.",
};

const element = (id) => document.getElementById(id);
const base = location.pathname.replace(/\/?$/, "/");
const access = { account: "", token: "" };
let timer = 0;
let generation = 0;

function words(name) {
  return name.replaceAll("_", " ");
}

function time(value) {
  return value ? new Date(value).toLocaleString() : "";
}

function setText(id, text) {
  // A live region speaks whenever it is written to: so only when something changed.
  if (element(id).textContent !== text) element(id).textContent = text;
}

function row(heading, cells) {
  const line = document.createElement("tr");
  const first = document.createElement("th");
  first.scope = "row";
  first.textContent = heading;
  line.append(first);
  for (const cell of cells) {
    const one = document.createElement("td");
    one.textContent = cell;
    line.append(one);
  }
  return line;
}

async function read(path) {
  const address = `${base}api/accounts/${encodeURIComponent(access.account)}/${path}`;
  const answer = await fetch(address, {
    headers: { Authorization: `Bearer ${access.token}` },
    cache: "no-store",
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const refused = answer.status === 401 ? "The token is not accepted." : "";
    throw new Error(body.error?.message || refused || `The answer was ${answer.status}.`);
  }
  return body;
}

function showActivation(now) {
  const progress = now.progress;
  const reason = now.reason ? ` ${now.reason.text}` : "";
  setText("state", (PHASES[now.phase] || now.phase) + reason);
  element("bar").max = Math.max(1, progress.total);
  element("bar").value = progress.scanned;
  const rate = progress.per_minute ? `, ${Math.round(progress.per_minute)} a minute` : "";
  const end = progress.expected_end ? `, expected to end ${time(progress.expected_end)}` : "";
  const scanned = progress.scanned.toLocaleString();
  const total = progress.total.toLocaleString();
  setText("scanned", `${scanned} of ${total} users scanned${rate}${end}.`);
  const counts = Object.entries(progress.by_status).sort(([one], [other]) => one.localeCompare(other));
  element("statuses").replaceChildren(
    ...counts.map(([status, users]) => row(words(status), [users.toLocaleString()])),
  );
  setText("total", total);
}

function showRuns(runs) {
  element("no-runs").hidden = runs.length > 0;
  element("runs-table").hidden = runs.length === 0;
  element("runs").replaceChildren(
    ...runs.map((run) =>
      row(words(run.kind), [
        run.state,
        time(run.started),
        time(run.ended),
        (run.counts.scanned ?? 0).toLocaleString(),
      ]),
    ),
  );
}

async function refresh(mine) {
  try {
    const [activation, runs] = await Promise.all([read("activation"), read("runs?limit=10")]);
    if (mine !== generation) return;
    showActivation(activation);
    showRuns(runs.items);
    setText("refreshed", `Last refreshed ${new Date().toLocaleTimeString()}.`);
    setText("problem", "");
    element("shown").hidden = false;
  } catch (error) {
    if (mine !== generation) return;
    setText("problem", error.message);
  }
  timer = setTimeout(refresh, REFRESH_MILLISECONDS, mine);
}

function start() {
  clearTimeout(timer);
  generation += 1;
  element("shown").hidden = true;
  element("account").value = access.account;
  if (access.account && access.token) {
    document.title = `${access.account}: sync progress`;
    refresh(generation);
  }
}

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  access.account = given.get("account") || access.account;
  access.token = given.get("token") || access.token;
  start();
}

element("access").addEventListener("submit", (event) => {
  event.preventDefault();
  access.account = element("account").value.trim();
  access.token = element("token").value.trim() || access.token;
  start();
});
addEventListener("hashchange", fromAddress);
fromAddress();
