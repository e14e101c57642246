// Answers and choices in, the state of the PIN maintenance page out. Pure: no clock, no document, no network.
import { ROLE_MAY } from "./admin-words.js";

/** @typedef {{code: string, flags?: string, title: string, recommendation: string, actions?: string[]}} Situation */
/**
 * @typedef {object} PinFile what `GET /v1/customers/{id}/pin` answers
 * @property {{id: string, name: string, language: string | null, email: string | null}} customer
 * @property {string[]} credentials
 * @property {{initialized: boolean, enabled: boolean}} flags
 * @property {Situation} situation
 * @property {string} standing
 * @property {Record<string, string | null>} dates
 * @property {Record<string, number>} counters
 * @property {{set: boolean, may_be_told: boolean}} hint
 * @property {{second_person: boolean, asked_by: string | null, asked_at: string | null}} unblock
 * @property {{at: string, actor: string, what: string, detail?: Record<string, unknown>}[]} history
 * @property {boolean} [history_read] whether it could be read
 */
/** @typedef {{running: boolean, examined: number, total: number, created: number, rate: number, seconds_left: number | null, started_at: string, by: string, error: string | null}} Generation */
/** @typedef {{estate: Record<string, number>, stuck_after_h: number, alerts: {code: string, count: number, message: string}[], generation: Generation | null}} Pins */
/** @typedef {{customer: string, name: string, since: string | null, situation: Situation}} Stuck */
/** @typedef {{action: string, busy: boolean, trouble: string | null, from: string | null}} Ask */
/**
 * @typedef {object} State
 * @property {{sub: string, name: string, roles: string[]} | null} who
 * @property {string | null} refused why the page is signed out
 * @property {{number: string, busy: boolean, trouble: string | null, wrong: "" | "number" | "reason"}} look
 * @property {string} reason of the last look
 * @property {PinFile | null} file
 * @property {string | null} hint as long as it is shown
 * @property {Ask | null} ask the action that is about to be done
 * @property {{tone: "info" | "bad", text: string} | null} notice
 * @property {Pins | null} pins
 * @property {string | null} stale why the estate is old
 * @property {Stuck[] | null} stuck
 */

const REASON_MIN = 3;
const REASON_MAX = 200;

/** @returns {State} */
export function initial() {
  return {
    who: null,
    refused: null,
    look: { number: "", busy: false, trouble: null, wrong: "" },
    reason: "",
    file: null,
    hint: null,
    ask: null,
    notice: null,
    pins: null,
    stale: null,
    stuck: null,
  };
}

/** The state after one event. @param {State} state @param {any} event @returns {State} */
export function reduce(state, event) {
  switch (event.kind) {
    case "signed_in":
      return { ...initial(), who: event.who };
    case "signed_out":
      return { ...initial(), refused: event.reason ?? null };
    // Nothing of one account stays on the screen while another is looked for (P28).
    case "looking":
      return {
        ...state,
        look: { number: event.number, busy: true, trouble: null, wrong: "" },
        file: null,
        hint: null,
        ask: null,
        notice: null,
      };
    case "look_wrong":
      return { ...state, look: { ...state.look, busy: false, trouble: event.text, wrong: event.field } };
    case "looked":
      if (!state.look.busy) return state;
      return { ...state, look: { ...state.look, busy: false, trouble: null, wrong: "" }, reason: event.reason, file: event.file };
    case "closed":
      return { ...state, file: null, hint: null, ask: null, notice: null };
    case "pick":
      return { ...state, look: { ...state.look, number: event.number, trouble: null, wrong: "" } };
    case "ask":
      return { ...state, ask: { action: event.action, busy: false, trouble: null, from: event.from ?? null }, notice: null };
    case "asking":
      return state.ask ? { ...state, ask: { ...state.ask, busy: true, trouble: null } } : state;
    case "ask_failed":
      return state.ask ? { ...state, ask: { ...state.ask, busy: false, trouble: event.text } } : state;
    case "ask_closed":
      return { ...state, ask: null };
    case "done":
      return onDone(state, event);
    case "hide_hint":
      return { ...state, hint: null };
    case "notice":
      return { ...state, notice: event.text === null ? null : { tone: event.tone ?? "info", text: event.text } };
    case "pins":
      return { ...state, pins: event.pins, stale: null };
    case "stale":
      return { ...state, stale: event.why };
    case "stuck":
      return { ...state, stuck: event.stuck };
    default:
      return state;
  }
}

/** An action's answer is shown only on the account it was asked for. @param {State} state @param {any} event @returns {State} */
function onDone(state, event) {
  const about = event.customer === undefined || event.customer === state.file?.customer.id;
  if (!about) return { ...state, ask: null };
  return {
    ...state,
    ask: null,
    file: event.file ?? state.file,
    // After any other action the hint may be void: it is hidden.
    hint: event.hint ?? null,
    notice: event.text ? { tone: "info", text: event.text } : null,
  };
}

/** What a token says about who holds it. Only shown and used to hide what the server would refuse; it proves nothing. @param {string} token */
export function readToken(token) {
  try {
    const middle = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(middle), (one) => one.charCodeAt(0))));
    const roles = Array.isArray(claims.roles) ? claims.roles.filter((/** @type {unknown} */ role) => typeof role === "string") : [];
    const sub = String(claims.sub ?? "");
    return { sub, name: typeof claims.name === "string" ? claims.name : sub, roles };
  } catch {
    return { sub: "", name: "", roles: [] };
  }
}

/** Whether one of these roles may do it (P29). @param {State} state @param {string} what */
export const may = (state, what) => (state.who?.roles ?? []).some((role) => ROLE_MAY[role]?.includes(what));

/** Whether this page is for somebody with these roles. @param {string[]} roles */
export const belongs = (roles) => roles.some((role) => role in ROLE_MAY);

/** What can be done now on the open file: what the server offers, as far as the role may. @param {State} state */
export function actions(state) {
  const { file } = state;
  if (!file) return [];
  return (file.situation.actions ?? [])
    .filter((action) => may(state, action))
    .filter((action) => action !== "hint" || (file.hint.set && file.hint.may_be_told))
    .filter((action) => action !== "unblock" || unblockStage(state) !== "own");
}

/** Why a reason is no reason; empty where it is one. @param {string} reason */
export function reasonTrouble(reason) {
  const length = [...reason.trim()].length;
  if (length < REASON_MIN) return "Give a reason, at least three characters. It is kept on record.";
  if (length > REASON_MAX) return `The reason has ${length} characters; ${REASON_MAX} are the most.`;
  return "";
}

/** Tone and icon of a situation: its colour is never alone. @param {PinFile} file @returns {{tone: string, icon: string}} */
export function look(file) {
  if (file.situation.code === "impossible") return { tone: "bad", icon: "warn" };
  if (file.standing === "blocked") return { tone: "blocked", icon: "stop" };
  if (file.flags.enabled) return { tone: "good", icon: "check" };
  if (file.flags.initialized) return { tone: "partial", icon: "half" };
  return { tone: "busy", icon: "wait" };
}

/** Which of the three steps the PIN has reached: 0 letter, 1 chosen, 2 enabled; none while it is impossible. @param {PinFile} file */
export function reached(file) {
  if (file.flags.enabled) return file.flags.initialized ? 2 : -1;
  return file.flags.initialized ? 1 : 0;
}

/** How an unblock stands for the one who looks. @param {State} state @returns {"none" | "ask" | "agree" | "own"} */
export function unblockStage(state) {
  const unblock = state.file?.unblock;
  if (!unblock?.second_person) return "none";
  if (unblock.asked_by === null || unblock.asked_by === undefined) return "ask";
  return unblock.asked_by === state.who?.sub ? "own" : "agree";
}

/** How far a generation is, 0 to 100, and never 100 before it is over. @param {Generation} generation */
export function percent({ examined, total, running }) {
  if (total <= 0) return running ? 0 : 100;
  const part = Math.floor((Math.min(examined, total) / total) * 100);
  return running ? Math.min(part, 99) : part;
}

/** How long it still takes, in words. @param {number | null | undefined} seconds */
export function left(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `about ${Math.round(seconds)} s`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

/** How long ago, in the largest unit that fits. @param {number} ms */
export function ago(ms) {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} days`;
}
