// Ties the customer's page to REST. The only module of the page that touches the browser's globals. It keeps nothing.
import { body, check, initial, reduce, refused } from "./activate-state.js";
import { page } from "./activate-view.js";
import { COMMON } from "./activate-words.js";
import { patch } from "./h.js";

/** @typedef {typeof form} Form */
/** @typedef {import("./activate-state.js").View} View */

/** Hashing a PIN takes its time on a busy server. */
const ANSWER_WITHIN_MS = 20_000;
const FIELDS = ["number", "initial", "pin", "again", "email", "email_again", "web", "web_again", "hint", "by"];
/** Where a form is sent, and what is shown once it was taken. @type {Partial<Record<View, [string, View]>>} */
const WAYS = {
  register: ["/v1/pins/register", "registered"],
  forgot: ["/v1/pins/forgot", "asked"],
  follow: ["/v1/pins/activate", "followed"],
  renew: ["/v1/pins/renew", "renewed"],
};

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const polite = /** @type {HTMLElement} */ (document.getElementById("polite"));

let state = initial();
let token = "";
let drawing = false;
let focusOn = "";

/** What the page can ask for. */
const form = {
  /** @param {View} view */
  go(view) {
    token = "";
    focusOn = "#title";
    dispatch({ kind: "view", view });
  },
  /** @param {string} id */
  show: (id) => dispatch({ kind: "show", id }),
  /** @param {boolean} on */
  web: (on) => dispatch({ kind: "web", on }),
  async send() {
    const { view, web } = state;
    const way = WAYS[view];
    if (!way) return;
    const values = read();
    const noticed = view === "follow" ? null : check(view, values, web);
    if (noticed) {
      focusOn = `#${noticed.at}`;
      dispatch({ kind: "trouble", trouble: noticed });
      return;
    }
    const sent = JSON.stringify(body(view, values, web, token));
    emptySecrets();
    polite.textContent = COMMON.busy;
    dispatch({ kind: "sending" });
    const answer = await post(way[0], sent);
    polite.textContent = "";
    if (answer.ok) return taken(way[1], values.email ?? "");
    if (answer.code === "link_invalid") return taken("invalid", "");
    focusOn = "#trouble";
    dispatch({ kind: "trouble", trouble: refused(answer) });
  },
};

/** @param {View} view @param {string} email */
function taken(view, email) {
  token = "";
  focusOn = "#title";
  dispatch({ kind: "view", view, email });
}

function read() {
  /** @type {Record<string, string>} */
  const values = {};
  for (const id of FIELDS) {
    const at = document.getElementById(id);
    if (at instanceof HTMLInputElement) values[id] = at.value;
  }
  return values;
}

/** No PIN stays in the page once it was sent, or when the page is left. */
function emptySecrets() {
  for (const at of app.querySelectorAll(".secret-value")) if (at instanceof HTMLInputElement) at.value = "";
}

/** @param {string} path @param {string} sent */
async function post(path, sent) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: sent,
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const said = await response.json().catch(() => null);
    const { code = "", reason = "", message = "" } = said?.error ?? {};
    const retryAfter = Number(response.headers.get("retry-after")) || 60;
    return { ok: response.ok && said !== null, status: response.status, code, reason, why: message, retryAfter };
  } catch {
    return { ok: false, status: 0, code: "", reason: "", why: "", retryAfter: 0 };
  }
}

/** @param {any} event */
function dispatch(event) {
  state = reduce(state, event);
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    draw();
  }, 0);
}

function draw() {
  const held = document.activeElement instanceof HTMLElement ? document.activeElement : null;
  const inside = held !== null && held !== document.body && app.contains(held);
  patch(app, page(state, form));
  const wanted = focusOn === "" ? null : app.querySelector(focusOn);
  if (wanted instanceof HTMLElement) wanted.focus();
  else if ((inside && !held.isConnected) || focusOn !== "") document.getElementById("title")?.focus();
  focusOn = "";
  document.title = `${document.getElementById("title")?.textContent ?? ""} – ${COMMON.brand}`;
}

/**
 * A link's token comes in the fragment, which is never sent to a server, and leaves the address bar at once. Nothing
 * is done with it before the customer presses a button: programs that look at mails open links too.
 */
function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  for (const [name, view] of /** @type {[string, View][]} */ ([["activate", "follow"], ["reset", "renew"]])) {
    const found = (given.get(name) ?? "").trim();
    if (!given.has(name)) continue;
    token = found;
    return found === "" ? "invalid" : view;
  }
  return given.has("forgot") ? "forgot" : null;
}

window.addEventListener("hashchange", () => {
  const view = takeFragment();
  if (view === null) return;
  focusOn = "#title";
  dispatch({ kind: "view", view });
});
window.addEventListener("pagehide", emptySecrets);

state = initial(/** @type {View} */ (takeFragment() ?? "register"));
draw();
