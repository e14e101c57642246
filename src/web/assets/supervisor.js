// Ties the socket, the figures and the board together. The only module of the board that touches the browser's globals.
import { BROWSER, Connection } from "./connection.js";
import { patch } from "./h.js";
import { initial, isLive, openCall, reduce } from "./supervisor-state.js";
import { page } from "./supervisor-view.js";

/** @typedef {typeof board} Board */

const TOKEN = "countersign.token";
const FRAME_MS = 30;
const FIGURES_MS = 2000;
/** The ladder of a live call is read again no more often than this. */
const DETAIL_MS = 1000;
const ANSWER_WITHIN_MS = 8000;
const AUDIT_LINES = 500;
const NO_SUPERVISOR = "This page needs a supervisor's token. Sign in with one, or use the agent desktop.";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const polite = /** @type {HTMLElement} */ (document.getElementById("polite"));

let state = initial();
let token = "";
/** @type {Connection | null} */ let connection = null;
let drawing = false;
/** What the ladder on the screen was made from. */
let detailOf = "";
let detailAt = 0;
let asking = false;
let focusOn = "";

/** What the page can ask for. */
const board = {
  /** @param {string} given */
  signIn(given) {
    token = given;
    store(given);
    connection?.close();
    connection = new Connection(
      `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/desktop`,
      given,
      [],
      {
        frame: (frame) => hear(frame),
        link: (link) => dispatch({ kind: "link", link }),
        refused: (reason) => board.signOut(reason),
      },
      BROWSER,
    );
    connection.open();
  },
  /** @param {string} [reason] */
  signOut(reason) {
    connection?.close();
    connection = null;
    token = "";
    store(null);
    polite.textContent = "";
    dispatch({ kind: "signed_out", reason });
  },
  retry: () => connection?.open(),
  /** @param {string | null} text */
  notice: (text) => dispatch({ kind: "notice", text }),
  /** @param {import("./supervisor-state.js").Filter} filter */
  filter: (filter) => dispatch({ kind: "filter", filter }),
  /** @param {string} call @param {any} [past] */
  open(call, past) {
    detailOf = "";
    focusOn = "#call-title";
    dispatch({ kind: "open", call, past });
    void detail();
  },
  close() {
    const call = state.selected;
    focusOn = call === null ? "" : `[data-fk="call:${CSS.escape(call)}"]`;
    dispatch({ kind: "open", call: null });
  },
  /** @param {string} id */
  async find(id) {
    const call = await ask(`/v1/calls/${encodeURIComponent(id)}`);
    if (call.ok) board.open(call.body.id, call.body);
    else if (call.status === 404) board.notice("There is no call with this id.");
    else board.notice(call.why);
  },
  /** @param {string} id */
  async replay(id) {
    dispatch({ kind: "detail", call: id, detail: { replaying: true, trouble: null } });
    const replay = await ask(`/v1/calls/${encodeURIComponent(id)}/replay`);
    const found = replay.ok ? { replay: replay.body } : { trouble: replay.why };
    dispatch({ kind: "detail", call: id, detail: { replaying: false, ...found } });
  },
};

/** @param {any} frame */
function hear(frame) {
  if (frame?.type === "welcome" && !(frame.roles ?? []).includes("supervisor")) {
    board.signOut(NO_SUPERVISOR);
    return;
  }
  dispatch({ kind: "frame", frame });
  if (frame?.type === "welcome") void figures();
  if (frame?.type === "call_gone" && frame.call === state.selected) void lastState(frame.call);
}

/** The record of a call that has just left the board. @param {string} id */
async function lastState(id) {
  const call = await ask(`/v1/calls/${encodeURIComponent(id)}`);
  if (call.ok) dispatch({ kind: "past", call: call.body });
}

async function figures() {
  if (asking || state.link.status === "signed_out" || document.hidden) return;
  asking = true;
  const answer = await ask("/v1/stats");
  asking = false;
  if (answer.ok) dispatch({ kind: "figures", figures: answer.body });
  else if (answer.status === 403) board.signOut(NO_SUPERVISOR);
  else if (state.link.status !== "signed_out")
    dispatch({ kind: "stale", why: `The figures could not be read (${answer.why}). They are tried again every two seconds.` });
}

/** Ladder and audit lines of the open call, again whenever it has changed. */
async function detail() {
  const call = openCall(state);
  if (!call || state.link.status === "signed_out") return;
  const made = `${call.id} ${isLive(state)} ${call.version} ${call.stale === true}`;
  if (made === detailOf || (detailOf.startsWith(call.id) && Date.now() - detailAt < DETAIL_MS)) return;
  [detailOf, detailAt] = [made, Date.now()];
  const at = `/v1/calls/${encodeURIComponent(call.id)}`;
  const [ladder, audit] = await Promise.all([
    ask(`${at}/ladder`),
    ask(`/v1/audit?call=${encodeURIComponent(call.id)}&limit=${AUDIT_LINES}`),
  ]);
  const trouble = [ladder, audit].find(({ ok }) => !ok)?.why ?? null;
  dispatch({
    kind: "detail",
    call: call.id,
    detail: {
      trouble,
      ...(ladder.ok ? { ladder: ladder.body } : {}),
      ...(audit.ok ? { audit: audit.body.lines } : {}),
    },
  });
}

/** @param {string} path @returns {Promise<{ok: boolean, status: number, body: any, why: string}>} */
async function ask(path) {
  try {
    const response = await fetch(path, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const body = await response.json().catch(() => null);
    const why = body?.error?.message ?? `the server answered ${response.status}`;
    if (response.status === 401 && token !== "") board.signOut(`${why}.`);
    return { ok: response.ok && body !== null, status: response.status, body, why };
  } catch {
    return { ok: false, status: 0, body: null, why: "the server cannot be reached" };
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
  }, FRAME_MS);
}

function draw() {
  const held = document.activeElement instanceof HTMLElement ? document.activeElement : null;
  const inside = held !== null && held !== document.body && app.contains(held);
  patch(app, page(state, Date.now(), board));
  const wanted = focusOn === "" ? null : app.querySelector(focusOn);
  if (wanted instanceof HTMLElement) wanted.focus();
  else if ((inside && !held.isConnected) || focusOn !== "") document.getElementById("main")?.focus();
  focusOn = "";
  const alarms = state.figures?.alarms.length ?? 0;
  document.title = `${alarms > 0 ? `(${alarms}!) ` : ""}Countersign supervisor board`;
}

/** Arrow keys walk the rows, Escape leads back to the board. @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || state.link.status === "signed_out") return;
  const at = event.target instanceof HTMLElement ? event.target : document.body;
  if (event.key === "Escape" && state.selected !== null) {
    event.preventDefault();
    board.close();
    return;
  }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const kind = at.matches(".open") ? ".open" : at.matches(".count-row") ? ".count-row" : null;
  if (by === undefined || kind === null) return;
  event.preventDefault();
  const rows = [...app.querySelectorAll(kind)];
  const next = rows[rows.indexOf(at) + by];
  if (next instanceof HTMLElement) next.focus();
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

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => void figures());
window.addEventListener("online", () => {
  if (state.link.status === "waiting") connection?.open();
});
window.addEventListener("hashchange", () => {
  const fresh = takeFragment();
  if (fresh === null) return;
  if (!connection) {
    board.signIn(fresh);
    return;
  }
  token = fresh;
  store(fresh);
  connection.renew(fresh);
});
setInterval(() => void figures(), FIGURES_MS);
setInterval(() => {
  if (state.link.status === "signed_out") return;
  draw();
  void detail();
}, 1000);

const given = takeFragment() ?? stored();
if (given) board.signIn(given);
else draw();
