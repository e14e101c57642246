// What the customer's page shows, and what it notices before anything is sent. Pure: no clock, no document, no network.
import { CHECKS, COMMON, REFUSED, WEAK, WEAK_WEB } from "./activate-words.js";

/** @typedef {"register" | "registered" | "forgot" | "asked" | "follow" | "followed" | "renew" | "renewed" | "invalid"} View */
/** @typedef {{at: string, text: string, sent: boolean}} Trouble which field it is about (empty: none), and whether the server said it */
/**
 * @typedef {object} State
 * @property {View} view
 * @property {boolean} busy
 * @property {Trouble | null} trouble
 * @property {Record<string, boolean>} shown fields whose PIN is shown in clear
 * @property {boolean} web whether a web PIN is chosen too
 * @property {string} email where the link went
 */
/** @typedef {{number?: string, initial?: string, pin?: string, again?: string, email?: string, email_again?: string, web?: string, web_again?: string, hint?: string, by?: string}} Values */
/** @typedef {{status: number, code: string, reason: string, why: string, retryAfter: number}} Refusal */

const VOICE_PIN = /^[0-9]{7}$/;

/** @param {View} [view] @returns {State} */
export function initial(view = "register") {
  return { view, busy: false, trouble: null, shown: {}, web: false, email: "" };
}

/** The state after one event. @param {State} state @param {any} event @returns {State} */
export function reduce(state, event) {
  switch (event.kind) {
    case "view":
      return { ...initial(event.view), email: event.email ?? "" };
    case "sending":
      // What was shown in clear is hidden with the first press.
      return { ...state, busy: true, trouble: null, shown: {} };
    case "trouble":
      return { ...state, busy: false, trouble: event.trouble };
    case "show":
      return { ...state, shown: { ...state.shown, [event.id]: !state.shown[event.id] } };
    case "web":
      return { ...state, web: event.on };
    default:
      return state;
  }
}

/** Digits as people write them in groups. @param {string | undefined} typed */
export const digits = (typed) => (typed ?? "").replace(/[\s.-]/g, "");

/** The first thing that is wrong with what was filled in, or null. @param {View} view @param {Values} values @param {boolean} web @returns {Trouble | null} */
export function check(view, values, web) {
  const wrong = (/** @type {string} */ at, /** @type {string} */ text) => ({ at, text, sent: false });
  if (view === "forgot") return (values.by ?? "").trim() === "" ? wrong("by", CHECKS.by) : null;
  if (view === "register") {
    if ((values.number ?? "").trim() === "") return wrong("number", CHECKS.number);
    if (digits(values.initial) === "") return wrong("initial", CHECKS.initial);
  }
  if (!VOICE_PIN.test(digits(values.pin))) return wrong("pin", CHECKS.pin);
  if (digits(values.again) !== digits(values.pin)) return wrong("again", CHECKS.again);
  if (view === "register") {
    const email = (values.email ?? "").trim();
    if (!/^[^\s@]+@[^\s@]+$/.test(email)) return wrong("email", CHECKS.email);
    if ((values.email_again ?? "").trim() !== email) return wrong("email_again", CHECKS.emailAgain);
  }
  if (web && (values.web ?? "") === "") return wrong("web", CHECKS.web);
  if (web && values.web !== values.web_again) return wrong("web_again", CHECKS.webAgain);
  return null;
}

/** What is sent of it. @param {View} view @param {Values} values @param {boolean} web @param {string} token */
export function body(view, values, web, token) {
  const by = (values.by ?? "").trim();
  if (view === "forgot") return by.includes("@") ? { email: by } : { customer_id: by };
  if (view === "follow") return { token };
  const hint = (values.hint ?? "").trim();
  const chosen = { pin: digits(values.pin), ...(web ? { web_pin: values.web } : {}), ...(web && hint !== "" ? { hint } : {}) };
  if (view === "renew") return { token, ...chosen };
  return { customer_id: (values.number ?? "").trim(), initial_pin: digits(values.initial), email: (values.email ?? "").trim(), ...chosen };
}

const FIELDS = /** @type {Record<string, string>} */ ({
  weak_pin: "pin",
  weak_web_pin: "web",
  hint_gives_away: "hint",
  hint_not_allowed: "hint",
  invalid_email: "email",
  invalid_customer_id: "number",
});

/** A refusal in words for the customer, and the field it is about. @param {Refusal} refusal @returns {Trouble} */
export function refused({ status, code, reason, why, retryAfter }) {
  const say = (/** @type {string} */ text) => ({ at: FIELDS[code] ?? "", text, sent: true });
  if (status === 0) return say(COMMON.unreachable);
  if (status === 429) return say(COMMON.tooMany(retryAfter));
  if (code === "weak_pin") return say(WEAK[reason] ?? REFUSED.weak_pin ?? why);
  if (code === "weak_web_pin") return say(WEAK_WEB[reason] ?? REFUSED.weak_web_pin ?? why);
  if (REFUSED[code]) return say(REFUSED[code]);
  // What the server says of a form that it could not take helps; what it says of its own trouble does not.
  return say(status >= 400 && status < 500 && why !== "" ? `${why.charAt(0).toUpperCase()}${why.slice(1)}${/[.!?]$/.test(why) ? "" : "."}` : COMMON.failed);
}
