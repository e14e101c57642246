// Ties the connection, the state and the page together. The only module that touches the browser's globals.
import { BROWSER, Connection } from "./connection.js";
import { FORMS } from "./forms.js";
import { patch } from "./h.js";
import { meaning } from "./keys.js";
import { target } from "./focus.js";
import { groups, initial, isMine, isOutOfReach, reduce, selectedCall } from "./store.js";
import { page } from "./view.js";
import { announcement, guide, hidesNumber, questions } from "./view-model.js";
import { STALE } from "./words.js";

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
let spoken = "";
/** Letters typed for a field that has just gone must not become commands. */
let lettersFrom = 0;
const AFTER_LOSS_MS = 1500;

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
      BROWSER,
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
  putAside: () => {
    if (state.check !== null) dispatch({ kind: "put_aside" });
  },
  takeUp: () => dispatch({ kind: "take_up" }),
  /** A choice of an open step that is not sent yet. @param {string} name @param {string} value */
  draft: (name, value) => dispatch({ kind: "draft", name, value }),
  dismiss: () => dispatch({ kind: "notice", notice: null }),
  /** @param {boolean} on */
  shortcuts(on) {
    shortcuts = on;
    store("localStorage", SHORTCUTS, on ? null : "off");
    draw();
  },
  /** @param {{type: string, call: string, [field: string]: unknown}} request */
  send(request) {
    const stale = state.calls.get(request.call)?.stale === true;
    const id = stale ? null : (connection?.request(request) ?? null);
    const cut = "Not connected: nothing was sent. Try again once the connection is back.";
    if (id === null) dispatch({ kind: "notice", notice: { tone: "bad", text: stale ? STALE.unsent : cut } });
    else dispatch({ kind: "sent", id, type: request.type, call: request.call });
  },
  /** @param {import("./store.js").Call} call @param {string} action */
  act(call, action) {
    if (action === "wrap_up" && call.ended_at) document.getElementById("wrap_up-outcome")?.focus();
    else if (action in FORMS || action === "set_party") dispatch({ kind: "dialog", name: action });
    else desk.send({ type: action, call: call.id });
  },
};

/** @param {any} frame */
function hear(frame) {
  const before = state;
  dispatch({ kind: "frame", frame, at: Date.now() });
  const call = selectedCall(state);
  if (!call && before.selected !== null) forget();
  if (!call || (call === before.calls.get(call.id) && before.selected === call.id)) return;
  const words = announcement(before.selected === call.id ? before.calls.get(call.id) : undefined, call);
  // What was said before a failure may hold the end of the number (C52).
  if (hidesNumber(call)) forget();
  if (words !== "") unsaid.push(words);
}

/** What was read out about a call must not stay in the page longer than the call. */
function forget() {
  unsaid = [];
  spoken = "";
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
  const unsent = isText(held) && held.value !== "";
  const row = state.selected;
  const over = app.querySelector("dialog.over");
  if (unsaid.length > 0) {
    spoken = unsaid.slice(-3).join(" ");
    unsaid = [];
  }
  patch(app, page(state, Date.now(), { shortcuts, spoken }, desk));
  openDialogs();
  if (unsent && !held?.isConnected) lettersFrom = Date.now() + AFTER_LOSS_MS;
  if (over instanceof HTMLElement && !over.isConnected) refocus(over.dataset.opener);
  else if (wasInside && !held.isConnected) refocus(key);
  followStep();
  followQuestion();
  if (row !== drawnRow) showRow(row, key);
  drawnRow = row;
  const waiting = groups(state).find(({ name }) => name === "waiting")?.calls.length ?? 0;
  document.title = waiting > 0 ? `(${waiting}) Countersign agent desktop` : "Countersign agent desktop";
  if (polite.textContent !== spoken) polite.textContent = spoken;
}

/** @param {Element | null} at @returns {at is HTMLInputElement | HTMLTextAreaElement} */
function isText(at) {
  return (
    at instanceof HTMLTextAreaElement || (at instanceof HTMLInputElement && !["checkbox", "radio"].includes(at.type))
  );
}

/** @type {string | null} */ let drawnStep = null;

/** In the check the focus goes to the next thing to do, once a step, and never away from a field in which someone types. */
function followStep() {
  const call = selectedCall(state);
  const check = app.querySelector("dialog.check");
  if (!call || !(check instanceof HTMLElement) || state.dialog !== null) {
    drawnStep = null;
    return;
  }
  const to = target(call, guide(call, isMine(state, call)), state.question);
  if (to.step === drawnStep) return;
  const at = document.activeElement;
  if (drawnStep !== null && isText(at) && check.contains(at)) return;
  drawnStep = to.step;
  // Who went to a question is there already, on whichever of its buttons.
  const line = at instanceof HTMLElement ? at.closest("[data-question]") : null;
  if (line instanceof HTMLElement && line.dataset.question === state.question) return;
  const found = to.keys.map((key) => check.querySelector(key)).find((one) => one instanceof HTMLElement);
  if (!(found instanceof HTMLElement)) return;
  // From the top, so that the message and the words to say are in sight; further down only where the place needs it.
  found.focus({ preventScroll: true });
  check.querySelector(".check-body")?.scrollTo({ top: 0 });
  found.scrollIntoView({ block: "nearest" });
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
  const title = app.querySelector("dialog.check #check-title") ?? document.getElementById("call-title");
  const found = same ?? title ?? app.querySelector(".row");
  if (found instanceof HTMLElement) found.focus();
}

/** Who works by keyboard is taken to the next question once one is marked. */
function followQuestion() {
  const at = document.activeElement;
  if (!(at instanceof HTMLElement) || at.dataset.question === undefined || state.question === null) return;
  const line = app.querySelector(`[data-question="${CSS.escape(state.question)}"]`);
  if (line instanceof HTMLElement && line !== at) line.focus();
}

function openDialogs() {
  for (const dialog of app.querySelectorAll("dialog")) if (!dialog.open) dialog.showModal();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const at = event.target instanceof Element ? event.target : document.body;
  // A key held down does a step once: what it brings on must not be pressed by the same key.
  if (event.repeat && (event.key === "Enter" || event.key === " ") && at.matches("button, summary, [type=radio]"))
    return event.preventDefault();
  const what = meaning(event, {
    typing: at.matches("input:not([type=checkbox], [type=radio]), textarea, select"),
    control: at.matches("button, input, select, textarea, summary, a"),
    list: at.closest(".list") !== null,
    dialog: state.dialog !== null,
    check: state.check !== null,
    letters: shortcuts && Date.now() >= lettersFrom,
  });
  if (what === null || state.link.status === "signed_out") return undefined;
  event.preventDefault();
  const call = selectedCall(state);
  switch (what.does) {
    case "help":
      return desk.dialog("help");
    case "step":
      return dispatch({ kind: "step", by: what.by });
    default:
      return call ? onCallKey(call, what) : undefined;
  }
}

/** @param {import("./store.js").Call} call @param {any} what */
function onCallKey(call, what) {
  const view = questions(call, state.question);
  const off = isOutOfReach(state, call) || [...state.pending.values()].some((sent) => sent.call === call.id);
  const current = view?.items.find((item) => item.current);
  switch (what.does) {
    case "primary":
      return press();
    case "fold":
      return fold(what.name);
    case "form":
      if (call.actions.includes(what.name) && !off) desk.act(call, what.name);
      return undefined;
    case "question":
      return toQuestion(view?.items[what.number - 1]?.key);
    case "mark":
      if (current?.canMark && !off)
        desk.send({ type: "mark", call: call.id, question: current.key, correct: what.correct });
      return undefined;
    case "reveal":
      if (current?.canReveal && !off) desk.send({ type: "reveal", call: call.id, question: current.key });
  }
  return undefined;
}

/** Does the highlighted step: the one primary button in sight. A step that wants words or a choice gets the focus instead. */
function press() {
  const place = app.querySelector("dialog.check") ?? app;
  const button = place.querySelector("button.primary");
  if (!(button instanceof HTMLButtonElement)) return;
  const form = button.form;
  const field = form?.querySelector("input:not([type=hidden]), textarea, select");
  if (form && field instanceof HTMLElement) field.focus();
  else button.click();
}

/** @param {string} name */
function fold(name) {
  const place = app.querySelector("dialog.check") ?? app;
  const found = place.querySelector(`[data-fold="${name}"]`);
  if (!(found instanceof HTMLDetailsElement)) return;
  found.open = !found.open;
  const first = found.open
    ? (found.querySelector("button") ?? found.querySelector("summary"))
    : found.querySelector("summary");
  if (first instanceof HTMLElement) first.focus();
}

/** @param {string | undefined} key */
function toQuestion(key) {
  const line = key === undefined ? null : app.querySelector(`[data-question="${CSS.escape(key)}"]`);
  const field = line?.querySelector("input");
  if (field instanceof HTMLElement) field.focus();
  else if (line instanceof HTMLElement) line.focus();
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
  const calls = [...given.getAll("call"), ...namedByHost()].filter((call) => call !== "");
  if (calls.length > 0) wantedCalls = calls;
  return given.get("token");
}

/** Who shows this page beside a call names it in the address: Genesys Cloud as the conversation or the interaction. What it did not fill in is none. */
function namedByHost() {
  const named = new URLSearchParams(location.search);
  return [...named.getAll("conversation"), ...named.getAll("interaction")].filter((name) => !name.includes("{{"));
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
// What is typed on the page itself keeps calls and checks from opening over it; in a dialog nothing opens anyway.
for (const type of ["input", "focusout", "focusin", "submit"])
  document.addEventListener(type, () => {
    const at = document.activeElement;
    const on = isText(at) && at.value !== "" && at.closest("dialog, .sign-in") === null;
    if (on !== state.typing) dispatch({ kind: "typing", on });
  });
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
