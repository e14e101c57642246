// One call in, what the agent is to see and do out. Pure.
import { BADGES, CLASS_WORDS, NEVER_VOLUNTEER, PIN_RESULTS, digits, evidence, ordinal, plain } from "./words.js";

/** @typedef {import("./store.js").Call} Call */

const CLASS_ICONS = /** @type {Record<string, string>} */ ({
  app_authenticated: "app",
  verified_number: "known",
  unverified: "stranger",
});
const FALLBACK = { tone: "down", icon: "unknown", text: "Unknown", sub: "" };

/** The badge of a call. @param {Call} call */
export function badge(call) {
  const known = BADGES[call.authentication] ?? FALLBACK;
  return { ...known, text: call.badge || known.text };
}

/** How the call came in, and why it was judged so. @param {Call} call */
export function origin(call) {
  return {
    text: CLASS_WORDS[call.class] ?? plain(call.class),
    icon: CLASS_ICONS[call.class] ?? "stranger",
    why: (call.evidence ?? []).map(evidence),
  };
}

/** Who is on the line, as far as the server says. @param {Call} call */
export function title(call) {
  return call.customer?.name || (call.ani_display ? `Caller ${call.ani_display}` : "Caller without a number");
}

/**
 * The seven slots and the words beside them; null when no PIN was asked for. There is no digit in it: the server sends none.
 * @param {Call} call
 */
export function pin(call) {
  const { pin: asked } = call;
  if (!asked || (asked.positions.length === 0 && asked.result === null)) return null;
  const entered = asked.positions.slice(0, asked.entered);
  const open = asked.positions.slice(asked.entered);
  const slots = [1, 2, 3, 4, 5, 6, 7].map((position) => ({
    position,
    state: entered.includes(position) ? "entered" : open.includes(position) ? "asked" : "idle",
  }));
  return {
    slots,
    asked: asked.positions.length > 0 ? `Asked: the ${digits(asked.positions)}` : "",
    attempt: `Try ${asked.attempt} of ${asked.attempts_allowed}`,
    progress: progress(asked, entered, open),
    result: asked.result,
    running: asked.result === null && !call.ended_at,
  };
}

/** @param {NonNullable<Call["pin"]>} asked @param {number[]} entered @param {number[]} open */
function progress(asked, entered, open) {
  if (asked.result !== null) return PIN_RESULTS[asked.result] ?? plain(asked.result);
  const got = entered.length > 0 ? `${upper(digits(entered))} received.` : "";
  if (open.length > 0) return `${got} Waiting for the ${open.map(ordinal).join(" and ")} digit.`.trim();
  if (asked.entered < asked.needed) return `${got} The next one is being asked.`.trim();
  return `${got} Checking.`.trim();
}

/** @param {string} text */
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The security questions; null when there are none. @param {Call} call @param {string | null} current key of the question in hand */
export function questions(call, current) {
  const asked = call.questions;
  if (!asked || asked.items.length === 0) return null;
  const may = new Set(call.actions);
  const items = asked.items.map((item, index) => ({
    key: item.key,
    number: index + 1,
    text: item.text,
    answer: item.answer ?? null,
    current: item.key === current,
    mark:
      item.marked === true || item.marked === "right" || item.marked === "correct"
        ? "right"
        : item.marked === null || item.marked === undefined
          ? null
          : "wrong",
    canMark: may.has("mark") && item.blind !== true,
    canReveal: may.has("reveal") && item.blind !== true && (item.answer ?? null) === null,
    canAnswer:
      may.has("answer") &&
      (item.marked ?? null) === null &&
      (item.blind === true || ((item.answer ?? null) === null && !may.has("reveal"))),
  }));
  const left = items.filter(({ mark }) => mark === null).length;
  const wanting = Math.max(0, asked.required - asked.correct);
  return {
    items,
    required: asked.required,
    correct: asked.correct,
    counter: `${asked.correct} of ${asked.required} needed`,
    decided: wanting === 0 || wanting > left,
    passed: wanting === 0,
    canFinish: may.has("finish"),
  };
}

/** Whether a password entry field is to be offered. @param {Call} call */
export function asksPassword(call) {
  return call.password?.needed === true && call.actions.includes("password");
}

/**
 * The one thing to do next: a sentence, and the request behind the primary button where there is one.
 * @param {Call} call @param {boolean} mine
 * @returns {{say: string, primary: string | null, never: string[]}}
 */
export function guide(call, mine) {
  const may = new Set(call.actions);
  if (call.ended_at)
    return next(
      may.has("wrap_up")
        ? "The call has ended. Choose an outcome, add a note, and save."
        : "The call has ended. Nothing more to do.",
      may.has("wrap_up") ? "wrap_up" : null,
    );
  if (may.has("claim") && !mine) return next(unclaimed(call), "claim");
  if (may.has("prove")) return next("First prove who we are. Ask nothing about the customer before that.", "prove");
  if (may.has("proof")) return next("Read out our proof, then record what the customer made of it.", "proof");
  return settled(call, may) ?? running(call, may);
}

/** @param {string} say @param {string | null} [primary] @param {string[]} [never] */
const next = (say, primary = null, never = []) => ({ say, primary, never });

/** @param {Call} call */
function unclaimed(call) {
  if (call.authentication === "authenticated") return "This caller is already authenticated. Take the call.";
  if (pin(call)?.running) return "The caller is keying PIN digits. You can take the call now.";
  return "Take the call to begin.";
}

/** @param {Call} call @param {Set<string>} may */
function settled(call, may) {
  const back = may.has("offer_callback") ? "offer_callback" : null;
  switch (call.authentication) {
    case "authenticated":
      return next("Identity confirmed. Help the caller. Do not volunteer:", null, NEVER_VOLUNTEER);
    case "failed":
      return next("Do not discuss the account.", back);
    case "blocked":
      return next(
        "Do not discuss the account. Telephone service on it is blocked.",
        may.has("unblock") ? "unblock" : back,
      );
    case "reset_required":
      return next(
        "Do not discuss the account. Its security details must be set anew first; do not read out a number on file.",
        back,
      );
    case "system_unavailable":
      return next("The check cannot be made at the moment. Do not discuss the account; the caller loses no try.", back);
    default:
      return null;
  }
}

/** @param {Call} call @param {Set<string>} may */
function running(call, may) {
  const keyed = pin(call);
  if (keyed?.running) {
    return next(
      call.pin && call.pin.attempt > 1
        ? "Wait: the digits did not match. The caller is keying the same two once more."
        : "Wait: the caller is keying two PIN digits.",
    );
  }
  if (asksPassword(call)) return next("Ask for the customer's password and type what the caller says.", "password");
  if (may.has("collect_pin") && !started(call))
    return next("Ask the caller to key two digits of the PIN on the phone's keypad.", "collect_pin");
  const asked = questions(call, null);
  if (asked && (may.has("mark") || may.has("answer") || may.has("finish"))) return questioning(asked);
  if (may.has("collect_pin"))
    return next("Ask the caller to key two digits of the PIN on the phone's keypad.", "collect_pin");
  return next(
    call.authentication === "partially_verified"
      ? "The number is known, the person is not proven yet. Do not discuss the account."
      : "Nothing is proven yet. Do not discuss the account.",
  );
}

/** @param {Call} call */
function started(call) {
  return call.questions?.items.some(({ marked }) => marked !== null) === true;
}

/** @param {NonNullable<ReturnType<typeof questions>>} asked */
function questioning(asked) {
  if (!asked.decided && asked.items.some(({ canReveal }) => canReveal))
    return next("Ask the question as written. Show our answer only after the caller has answered, then mark it.");
  if (!asked.decided) return next("Ask the question as written; mark what was said.");
  const say = asked.passed
    ? "Enough right answers. Finish the check."
    : "Too few answers can still be right. Finish the check.";
  return next(say, asked.canFinish ? "finish" : null);
}

/** The labels of what can be asked for, beside the primary one. */
export const ACTION_WORDS = /** @type {Record<string, string>} */ ({
  claim: "Take the call",
  release: "Give the call back",
  collect_pin: "Ask for PIN digits",
  cancel_pin: "Stop the PIN check",
  set_party: "Who is speaking",
  password: "Check password",
  finish: "Finish the check",
  offer_callback: "Offer a call back",
  report_bogus: "Report a bogus call",
  prove: "Prove who we are",
  proof: "Record the customer's reply",
  transfer: "Transfer",
  wrap_up: "Wrap up",
  reset_security: "Reset security details",
  unblock: "Unblock",
});

/** These have a place of their own in a panel. */
const IN_PANELS = new Set(["mark", "reveal", "answer", "password", "finish"]);

/** The allowed actions that are shown beside the primary one. @param {Call} call @param {string | null} primary */
export function secondary(call, primary) {
  return call.actions.filter(
    (action) =>
      action !== primary &&
      !IN_PANELS.has(action) &&
      action in ACTION_WORDS &&
      !(action === "wrap_up" && call.ended_at),
  );
}

/**
 * What a listener should hear when a call changes; empty when nothing worth saying did.
 * @param {Call | undefined} before @param {Call} now
 */
export function announcement(before, now) {
  const mark = badge(now);
  const words = mark.sub && now.authentication !== "authenticated" ? `${mark.text}, ${mark.sub}` : mark.text;
  if (before === undefined) return `${title(now)}. ${origin(now).text}. ${words}.`;
  const parts = [];
  if (before.authentication !== now.authentication) parts.push(`${words}.`);
  const keyed = pin(now);
  if (keyed && keyed.progress !== pin(before)?.progress) parts.push(keyed.progress);
  if (now.questions && now.questions.correct !== before.questions?.correct && now.questions.correct > 0)
    parts.push(`${questions(now, null)?.counter}.`);
  if (now.ended_at && !before.ended_at) parts.push("The call has ended.");
  return parts.join(" ");
}
