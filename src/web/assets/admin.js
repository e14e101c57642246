// Ties REST and the PIN maintenance page together. The only module of the page that touches the browser's globals.
import { belongs, initial, may, percent, readToken, reasonTrouble, reduce, unblockStage } from "./admin-state.js";
import { page } from "./admin-view.js";
import { ACTIONS, REFUSALS, SECOND, SIGN_IN } from "./admin-words.js";
import { patch } from "./h.js";

/** @typedef {typeof desk} Desk */
/** @typedef {{ok: boolean, status: number, body: any, code: string, why: string}} Answer */

const TOKEN = "countersign.token";
const ANSWER_WITHIN_MS = 15_000;
/** The estate is read each second while a generation runs, else every so many seconds. */
const QUIET_TURNS = 15;
/** The server counts the estate every five seconds at most: it is read on for a while after a generation. */
const AFTER_TURNS = 8;
const STUCK_SHOWN = 50;
const SAY_EVERY_PERCENT = 10;

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const polite = /** @type {HTMLElement} */ (document.getElementById("polite"));

let state = initial();
let token = "";
let drawing = false;
let focusOn = "";
/** Where the focus was before a dialog opened. */
let opener = "";
let reading = false;
let turn = 0;
let quickTurns = 0;
/** What was last said of a running generation. */
let said = -1;
/** Answers to questions of an earlier sign-in, or of an account that was left, are dropped. */
let era = 0;

/** What the page can ask for. */
const desk = {
  /** @param {string} given */
  signIn(given) {
    const who = readToken(given);
    if (!belongs(who.roles)) {
      desk.signOut(SIGN_IN.wrong);
      return;
    }
    token = given;
    store(given);
    era += 1;
    focusOn = "#number";
    dispatch({ kind: "signed_in", who });
    void readEstate();
  },
  /** @param {string} [reason] */
  signOut(reason) {
    token = "";
    era += 1;
    store(null);
    polite.textContent = "";
    focusOn = "#token";
    dispatch({ kind: "signed_out", reason });
  },
  /** @param {string | null} text */
  notice: (text) => dispatch({ kind: "notice", text }),
  async look() {
    const [number, reason] = [field("number"), field("reason")];
    if (number === "") return wrong("number", "Enter the account number.");
    const trouble = reasonTrouble(reason);
    if (trouble !== "") return wrong("reason", trouble);
    era += 1;
    const mine = era;
    dispatch({ kind: "looking", number });
    const answer = await ask("GET", `/v1/customers/${encodeURIComponent(number)}/pin?reason=${encodeURIComponent(reason)}`);
    if (mine !== era) return undefined;
    if (!answer.ok) return wrong("number", refusal(answer));
    empty("number");
    if (!(/** @type {HTMLInputElement | null} */ (document.getElementById("keep"))?.checked)) empty("reason");
    focusOn = "#file-title";
    return dispatch({ kind: "looked", file: answer.body, reason });
  },
  close() {
    focusOn = "#number";
    era += 1;
    dispatch({ kind: "closed" });
  },
  /** Chosen from a list: the look still needs its reason. @param {string} number */
  pick(number) {
    const at = document.getElementById("number");
    if (at instanceof HTMLInputElement) at.value = number;
    focusOn = field("reason") === "" ? "#reason" : '[data-fk="look-go"]';
    dispatch({ kind: "pick", number });
  },
  /** @param {string} action */
  ask(action) {
    opener = document.activeElement instanceof HTMLElement ? (document.activeElement.dataset.fk ?? "") : "";
    dispatch({ kind: "ask", action });
  },
  closeAsk() {
    focusOn = opener === "" ? "#main" : `[data-fk="${CSS.escape(opener)}"]`;
    dispatch({ kind: "ask_closed" });
  },
  sameReason() {
    const at = document.getElementById("ask-reason");
    if (!(at instanceof HTMLInputElement)) return;
    at.value = state.reason;
    at.focus();
  },
  async act() {
    const { ask: about, file } = state;
    if (!about || about.busy) return;
    if (about.action === "generate_all") return start();
    if (!file) return;
    const reason = field("ask-reason");
    const trouble = reasonTrouble(reason);
    const channel = app.querySelector("dialog input[name=channel]:checked");
    if (about.action === "hint" && !(channel instanceof HTMLInputElement)) {
      refuse("Choose to whom the hint is told.", '[name="channel"]');
      return;
    }
    if (trouble !== "") {
      refuse(trouble, "#ask-reason");
      return;
    }
    await act(about.action, file.customer.id, { reason, ...(channel instanceof HTMLInputElement ? { channel: channel.value } : {}) });
  },
  hideHint() {
    focusOn = "#file-title";
    dispatch({ kind: "hide_hint" });
  },
  async stop() {
    const answer = await ask("POST", "/v1/pins:stop", {});
    if (!answer.ok) dispatch({ kind: "notice", tone: "bad", text: refusal(answer) });
    await readEstate();
  },
};

/** One action on one account. @param {string} action @param {string} customer @param {Record<string, unknown>} body */
async function act(action, customer, body) {
  const mine = era;
  const second = action === "unblock" && unblockStage(state) === "ask";
  dispatch({ kind: "asking" });
  const answer = await ask("POST", `/v1/customers/${encodeURIComponent(customer)}/pin:${action}`, body);
  if (mine !== era) return;
  if (!answer.ok) {
    refuse(refusal(answer), "#ask-reason");
    return;
  }
  if (action === "hint") {
    focusOn = "#hint-title";
    dispatch({ kind: "done", customer, hint: String(answer.body.hint ?? "") });
    return;
  }
  focusOn = "#file-title";
  const waits = answer.status === 202 || (second && answer.body.unblock?.asked_by);
  dispatch({ kind: "done", customer, file: answer.body, text: waits ? SECOND.done : ACTIONS[action]?.done });
  quickTurns = AFTER_TURNS;
  void readEstate();
}

async function start() {
  const mine = era;
  dispatch({ kind: "asking" });
  const answer = await ask("POST", "/v1/pins:generate", {});
  if (mine !== era) return;
  if (!answer.ok && answer.code !== "generation_runs") {
    refuse(refusal(answer), '[data-fk="ask-go"]');
    return;
  }
  focusOn = "#main";
  quickTurns = AFTER_TURNS;
  dispatch({ kind: "done" });
  await readEstate();
  focusOn = '[data-fk="stop"]';
  dispatch({ kind: "notice", text: null });
}

/** @param {string} text @param {string} at */
function refuse(text, at) {
  focusOn = `dialog ${at}`;
  dispatch({ kind: "ask_failed", text });
}

/** @param {"number" | "reason"} at @param {string} text */
function wrong(at, text) {
  focusOn = `#${at}`;
  dispatch({ kind: "look_wrong", field: at, text });
}

/** What a refusal means to the one who asked. @param {Answer} answer */
const refusal = ({ code, why }) => REFUSALS[code] ?? `${why.charAt(0).toUpperCase()}${why.slice(1)}${/[.!?]$/.test(why) ? "" : "."}`;

async function readEstate() {
  if (reading || !state.who || !may(state, "estate")) return;
  reading = true;
  const mine = era;
  const [pins, stuck] = await Promise.all([ask("GET", "/v1/pins"), state.pins?.generation?.running ? null : ask("GET", `/v1/pins/stuck?limit=${STUCK_SHOWN}`)]);
  reading = false;
  // A look at an account begins a new era and leaves the estate as it is.
  if (token === "" || (mine !== era && !state.who)) return;
  if (pins.ok) {
    dispatch({ kind: "pins", pins: pins.body });
    sayProgress();
  } else dispatch({ kind: "stale", why: `The numbers could not be read (${pins.why}). They are tried again by themselves.` });
  if (stuck?.ok) dispatch({ kind: "stuck", stuck: stuck.body.stuck });
}

/** A screen reader hears a running generation at its tenths and at its end. */
function sayProgress() {
  const run = state.pins?.generation;
  if (!run?.running) {
    if (said >= 0 && run) polite.textContent = `The generation is over: ${run.created.toLocaleString()} new initial PINs.`;
    said = -1;
    return;
  }
  const tenth = Math.floor(percent(run) / SAY_EVERY_PERCENT);
  if (tenth === said) return;
  said = tenth;
  polite.textContent = `Generation: ${tenth * SAY_EVERY_PERCENT} percent.`;
}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<Answer>} */
async function ask(method, path, body) {
  const given = token;
  try {
    const response = await fetch(path, {
      method,
      headers: { authorization: `Bearer ${given}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? null : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const said = await response.json().catch(() => null);
    const why = said?.error?.message ?? `the server answered ${response.status}`;
    if (response.status === 401 && token === given && token !== "") desk.signOut(`${why}.`);
    return { ok: response.ok && said !== null, status: response.status, body: said, code: said?.error?.code ?? "", why };
  } catch {
    return { ok: false, status: 0, body: null, code: "", why: "the server cannot be reached" };
  }
}

/** What is typed in a field, without the space around it. @param {string} id */
function field(id) {
  const at = document.getElementById(id);
  return at instanceof HTMLInputElement ? at.value.trim() : "";
}

/** @param {string} id */
function empty(id) {
  const at = document.getElementById(id);
  if (at instanceof HTMLInputElement) at.value = "";
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
  patch(app, page(state, Date.now(), desk));
  for (const dialog of app.querySelectorAll("dialog")) if (!dialog.open) dialog.showModal();
  const wanted = focusOn === "" ? null : app.querySelector(focusOn);
  if (wanted instanceof HTMLElement) wanted.focus();
  else if ((inside && !held.isConnected) || focusOn !== "") document.getElementById("main")?.focus();
  focusOn = "";
  const alerts = state.pins?.alerts.length ?? 0;
  document.title = `${alerts > 0 ? `(${alerts}!) ` : ""}Countersign PIN maintenance`;
}

/** A token comes in the fragment, which is never sent to a server, and leaves the address bar at once. */
function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  return given.get("token");
}

/** A frame of another site may be denied storage; the page works without it. @param {string | null} value */
function store(value) {
  try {
    if (value === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, value);
  } catch {
    /* Kept in memory only. */
  }
}

function stored() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

window.addEventListener("hashchange", () => {
  const fresh = takeFragment();
  if (fresh !== null) desk.signIn(fresh);
});
document.addEventListener("visibilitychange", () => void readEstate());
setInterval(() => {
  turn += 1;
  quickTurns = state.pins?.generation?.running ? AFTER_TURNS : Math.max(0, quickTurns - 1);
  if (document.hidden || (turn % QUIET_TURNS !== 0 && quickTurns === 0)) return;
  void readEstate();
}, 1000);

const given = takeFragment() ?? stored();
if (given) desk.signIn(given);
else draw();
