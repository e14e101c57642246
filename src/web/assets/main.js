// Ties the connection, the state and the page together. The only module that touches the browser's globals.
import { Connection } from "./connection.js";
import { FORMS } from "./forms.js";
import { patch } from "./h.js";
import { meaning } from "./keys.js";
import { groups, initial, isMine, reduce, selectedCall } from "./store.js";
import { page } from "./view.js";
import { announcement, guide, questions } from "./view-model.js";

/** @typedef {typeof desk} Desk */

const TOKEN = "countersign.token";
const SHORTCUTS = "countersign.shortcuts";
const FRAME_MS = 30;

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const polite = /** @type {HTMLElement} */ (document.getElementById("polite"));

let state = initial();
/** @type {Connection | null} */ let connection = null;
let shortcuts = stored("localStorage", SHORTCUTS) !== "off";
let drawing = false;
/** @type {string[]} */ let unsaid = [];

/** What the page can ask for. */
const desk = {
  /** @param {string} token */
  signIn(token) {
    store("sessionStorage", TOKEN, token);
    connection?.close();
    const { url, calls } = place();
    connection = new Connection(
      url,
      token,
      calls,
      {
        frame: (frame) => hear(frame),
        link: (link) => dispatch({ kind: "link", link }),
        refused: (reason) => desk.signOut(reason),
      },
      {
        socket: (to, protocol) => new WebSocket(to, protocol),
        now: () => Date.now(),
        random: () => Math.random(),
        later: (run, ms) => setTimeout(run, ms),
        cancel: (timer) => clearTimeout(timer),
      },
    );
    connection.open();
  },
  /** @param {string} [reason] */
  signOut(reason) {
    connection?.close();
    connection = null;
    store("sessionStorage", TOKEN, null);
    forget();
    dispatch({ kind: "signed_out", reason });
  },
  retry: () => connection?.open(),
  /** @param {string} call */
  select: (call) => dispatch({ kind: "select", call }),
  /** @param {string} key */
  question: (key) => {
    if (state.question !== key) dispatch({ kind: "question", key });
  },
  /** @param {string | null} name */
  dialog: (name) => {
    if (state.dialog !== name) dispatch({ kind: "dialog", name });
  },
  dismiss: () => dispatch({ kind: "notice", notice: null }),
  /** @param {boolean} on */
  shortcuts(on) {
    shortcuts = on;
    store("localStorage", SHORTCUTS, on ? null : "off");
    draw();
  },
  /** @param {{type: string, call: string, [field: string]: unknown}} request */
  send(request) {
    const id = connection?.request(request) ?? null;
    if (id === null)
      dispatch({
        kind: "notice",
        notice: { tone: "bad", text: "Not connected: nothing was sent. Try again once the connection is back." },
      });
    else dispatch({ kind: "sent", id, type: request.type, call: request.call });
  },
  /** @param {import("./store.js").Call} call @param {string} action */
  act(call, action) {
    if (action === "password") document.getElementById("password-value")?.focus();
    else if (action === "wrap_up" && call.ended_at) document.getElementById("wrap_up-outcome")?.focus();
    else if (action in FORMS) dispatch({ kind: "dialog", name: action });
    else desk.send({ type: action, call: call.id });
  },
};

/** @param {any} frame */
function hear(frame) {
  const before = state;
  dispatch({ kind: "frame", frame });
  const call = selectedCall(state);
  if (!call && before.selected !== null) forget();
  if (!call || (call === before.calls.get(call.id) && before.selected === call.id)) return;
  const words = announcement(before.selected === call.id ? before.calls.get(call.id) : undefined, call);
  if (words !== "") unsaid.push(words);
}

/** What was read out about a call must not stay in the page longer than the call. */
function forget() {
  unsaid = [];
  polite.textContent = "";
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
  const key = held?.dataset.fk;
  const wasInside = held !== null && held !== document.body && app.contains(held);
  const row = state.selected;
  const opened = app.querySelector("dialog");
  patch(app, page(state, Date.now(), shortcuts, desk));
  openDialog();
  if (opened && !opened.isConnected) refocus(opened.dataset.opener);
  else if (wasInside && !held.isConnected) refocus(key);
  followQuestion();
  if (row !== drawnRow) showRow(row, key);
  drawnRow = row;
  const waiting = groups(state).find(({ name }) => name === "waiting")?.calls.length ?? 0;
  document.title = waiting > 0 ? `(${waiting}) Countersign agent desktop` : "Countersign agent desktop";
  if (unsaid.length > 0) {
    polite.textContent = unsaid.slice(-3).join(" ");
    unsaid = [];
  }
}

/** @type {string | null} */ let drawnRow = null;

/** @param {string | null} id @param {string | undefined} held */
function showRow(id, held) {
  const row = id === null ? null : app.querySelector(`[data-fk="row:${CSS.escape(id)}"]`);
  if (!(row instanceof HTMLElement)) return;
  row.scrollIntoView({ block: "nearest" });
  if (held?.startsWith("row:") && document.activeElement?.closest(".list")) row.focus();
  document.getElementById("main")?.scrollTo({ top: 0 });
}

/** A pressed button may be gone with the state it belonged to; the focus must not fall out of the page. @param {string | undefined} key */
function refocus(key) {
  const same = key === undefined ? null : app.querySelector(`[data-fk="${CSS.escape(key)}"]`);
  const target = same ?? document.getElementById("call-title") ?? app.querySelector(".row");
  if (target instanceof HTMLElement) target.focus();
}

/** Who works by keyboard is taken to the next question once one is marked. */
function followQuestion() {
  const at = document.activeElement;
  if (!(at instanceof HTMLElement) || at.dataset.question === undefined || state.question === null) return;
  const line = app.querySelector(`[data-question="${CSS.escape(state.question)}"]`);
  if (line instanceof HTMLElement && line !== at) line.focus();
}

function openDialog() {
  const dialog = app.querySelector("dialog");
  if (dialog && !dialog.open) dialog.showModal();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const at = event.target instanceof Element ? event.target : document.body;
  const what = meaning(event, {
    typing: at.matches("input:not([type=checkbox]), textarea, select"),
    control: at.matches("button, input, select, textarea, summary, a"),
    list: at.closest(".list") !== null,
    dialog: state.dialog !== null,
    letters: shortcuts,
  });
  if (what === null || state.link.status === "signed_out") return;
  event.preventDefault();
  const call = selectedCall(state);
  switch (what.does) {
    case "help":
      return desk.dialog("help");
    case "step":
      return dispatch({ kind: "step", by: what.by });
    default:
      if (call) onCallKey(call, what);
  }
}

/** @param {import("./store.js").Call} call @param {any} what */
function onCallKey(call, what) {
  const view = questions(call, state.question);
  const off = state.link.status !== "online" || [...state.pending.values()].some((sent) => sent.call === call.id);
  const current = view?.items.find((item) => item.current);
  if (what.does === "primary") {
    const { primary } = guide(call, isMine(state, call));
    if (primary && !off) desk.act(call, primary);
  } else if (what.does === "question") {
    const item = view?.items[what.number - 1];
    const line = item && app.querySelector(`[data-question="${CSS.escape(item.key)}"]`);
    if (line instanceof HTMLElement) line.focus();
  } else if (current && what.does === "mark" && current.canMark && !off) {
    desk.send({ type: "mark", call: call.id, question: current.key, correct: what.correct });
  } else if (current && what.does === "reveal" && current.canReveal && !off) {
    desk.send({ type: "reveal", call: call.id, question: current.key });
  }
}

/** The socket's address, and the calls a host page asked for in the fragment. */
function place() {
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/desktop`;
  return { url, calls: wantedCalls };
}

/** A token comes in the fragment, which is never sent to a server, and leaves the address bar at once. */
function takeFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  const calls = given.getAll("call").filter((call) => call !== "");
  if (calls.length > 0) wantedCalls = calls;
  return given.get("token");
}

/** @type {string[]} */ let wantedCalls = [];

/** @param {"localStorage" | "sessionStorage"} kind @param {string} key */
function stored(kind, key) {
  try {
    return window[kind].getItem(key);
  } catch {
    return null;
  }
}

/** A frame of another site may be denied storage; the page works without it. @param {"localStorage" | "sessionStorage"} kind @param {string} key @param {string | null} value */
function store(kind, key, value) {
  try {
    if (value === null) window[kind].removeItem(key);
    else window[kind].setItem(key, value);
  } catch {
    /* Kept in memory only. */
  }
}

document.addEventListener("keydown", onKey);
window.addEventListener("online", () => {
  if (state.link.status === "waiting") connection?.open();
});
window.addEventListener("hashchange", () => {
  const token = takeFragment();
  if (token === null) return;
  store("sessionStorage", TOKEN, token);
  if (connection) connection.renew(token);
  else desk.signIn(token);
});
setInterval(() => {
  if (state.link.status !== "signed_out") draw();
}, 1000);

const token = takeFragment() ?? stored("sessionStorage", TOKEN);
if (token) desk.signIn(token);
else draw();
