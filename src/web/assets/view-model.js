// One call in, what the agent is to see and do out. Pure.
import {
  BACK_TASKS,
  BADGES,
  CLASS_WORDS,
  NEVER_VOLUNTEER,
  PARTY_WORDS,
  PIN_RESULTS,
  PROOF_STAGES,
  PURPOSES,
  STALE,
  digits,
  evidence,
  ordinal,
  plain,
} from "./words.js";

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
  if (call.direction === "outbound")
    return {
      text: PURPOSES[call.purpose ?? "contact"] ?? "We are calling",
      icon: "out",
      why: (call.evidence ?? []).map(evidence),
    };
  return {
    text: CLASS_WORDS[call.class] ?? plain(call.class),
    icon: CLASS_ICONS[call.class] ?? "stranger",
    why: (call.evidence ?? []).map(evidence),
  };
}

/** After a failure nothing of the number held is on the screen, not even its end (C52). */
const NUMBER_HIDDEN = new Set(["failed", "blocked"]);

/** @param {Call} call */
export const hidesNumber = (call) => NUMBER_HIDDEN.has(call.authentication);

/** The caller's number as it may be shown now. @param {Call} call */
export function number(call) {
  return NUMBER_HIDDEN.has(call.authentication) ? null : call.ani_display || null;
}

/** Who is on the line, as far as the server says. @param {Call} call */
export function title(call) {
  if (call.customer?.name) return call.customer.name;
  if (NUMBER_HIDDEN.has(call.authentication)) return "Caller";
  return call.ani_display ? `Caller ${call.ani_display}` : "Caller without a number";
}

/** Time left of the capture, against the server's clock; null when nothing runs, or nobody knows. @param {Call} call @param {number} now the server's time */
export function countdown(call, now) {
  const until = Date.parse(call.timer?.until ?? "");
  if (Number.isNaN(until) || call.ended_at || call.stale) return null;
  const from = Date.parse(call.timeline?.at(-1)?.at ?? "");
  const left = Math.max(0, until - now);
  const whole = Number.isNaN(from) || from >= until ? 10_000 : until - from;
  return { seconds: Math.ceil(left / 1000), share: Math.min(1, left / whole) };
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
    // One look at a time: what was revealed is shown only while its question is in hand (X11).
    answer: item.reveal === "on_click" && item.key !== current ? null : (item.answer ?? null),
    current: item.key === current,
    blind: item.blind === true || item.reveal === "blind",
    missing: item.on_file === false,
    mark:
      item.marked === true || item.marked === "right" || item.marked === "correct"
        ? "right"
        : item.marked === null || item.marked === undefined
          ? null
          : "wrong",
    canMark: may.has("mark") && (asked.kind === "employer" || (item.blind !== true && item.reveal !== "blind")),
    canReveal:
      may.has("reveal") &&
      item.blind !== true &&
      item.reveal !== "blind" &&
      item.on_file !== false &&
      (item.answer ?? null) === null,
    canAnswer:
      may.has("answer") &&
      (item.marked ?? null) === null &&
      (item.blind === true || item.reveal === "blind" || ((item.answer ?? null) === null && !may.has("reveal"))),
  }));
  const left = items.filter(({ mark }) => mark === null).length;
  const wanting = Math.max(0, asked.required - asked.correct);
  return {
    kind: asked.kind ?? "check",
    items,
    required: asked.required,
    correct: asked.correct,
    counter: `${asked.correct} of ${asked.required} needed`,
    // Profiles may ask for more than a number of right answers: where the server names the next step, it decides.
    decided: wanting > left || (call.primary === undefined ? wanting === 0 : call.primary === "finish"),
    passed: wanting === 0,
    canFinish: may.has("finish"),
  };
}

/** Whether a password entry field is to be offered. @param {Call} call */
export function asksPassword(call) {
  return call.password?.needed === true && call.actions.includes("password");
}

/** What each step is called, and what the agent does in it. @type {Record<string, string>} */
const DO = {
  claim: "Take the call to begin.",
  letter_code: "Now ask for the code on their letter and type what they say; it is compared for you.",
  prove: "First prove who we are. Ask nothing about the customer before that.",
  proof: "Read out our proof, then record what the customer made of it.",
  set_party: "Find out who is speaking before anything else.",
  collect_pin: "Ask the caller to key two digits of the PIN on the phone's keypad.",
  password: "Ask for the customer's password and type what the caller says.",
  answer: "Ask the question as written and type what the caller says; it is compared for you.",
  reveal: "Ask the question as written. Show our answer only after the caller has answered, then mark it.",
  mark: "Ask the question as written; mark what was said.",
  finish: "Finish the check.",
  acknowledge: "Give the caller this reminder before you go on.",
  offer_callback: "Do not discuss the account. Offer a call back.",
  wrap_up: "Choose an outcome, add a note, and save.",
};

/**
 * The one thing to do next: which step it is, a sentence, the request behind the primary button where there is one,
 * what to say aloud, and what never to say.
 * @param {Call} call @param {boolean} mine
 * @returns {{step: string, todo: string, primary: string | null, say: string | null, never: string[]}}
 */
export function guide(call, mine) {
  const to = guided(call, mine);
  // The sentence that is being read out stays; nothing else can be done.
  return call.stale ? { ...to, todo: STALE.todo } : to;
}

/** @param {Call} call @param {boolean} mine @returns {ReturnType<typeof guide>} */
function guided(call, mine) {
  const may = new Set(call.actions);
  const never = call.never_say?.length ? call.never_say : NEVER_VOLUNTEER;
  const say = mine && !call.ended_at ? call.say || null : null;
  const to = (/** @type {string} */ step, /** @type {string} */ todo, primary = step) => ({
    step,
    todo,
    primary: may.has(primary) ? primary : null,
    say,
    never,
  });
  if (call.ended_at)
    return to(
      "wrap_up",
      may.has("wrap_up") ? `The call has ended. ${DO.wrap_up}` : "The call has ended. Nothing more to do.",
    );
  if (may.has("claim") && !mine) return to("claim", unclaimed(call));
  const own = call.primary === undefined ? first(call, may) : named(call, may);
  if (own === null) return to(waiting(call), idle(call), "");
  return to(own, todo(call, own), own === "letter_code" ? "answer" : own);
}

const ASKS = new Set(["answer", "mark", "reveal"]);
const PROVES = new Set(["prove", "proof", "answer"]);

/**
 * The step behind the primary action that the server names: one word of the protocol can mean several things to do.
 * @param {Call} call @param {Set<string>} may
 */
function named(call, may) {
  const { primary } = call;
  if (!primary || !may.has(primary)) return null;
  const ours = call.proof && PROVES.has(primary) ? proving(call.proof, may) : null;
  if (ours !== null) return ours;
  if (ASKS.has(primary)) return asking(call, may);
  // Said already, and the client is there: the check goes on; the form comes back where nothing else can.
  if (primary === "set_party" && call.party?.set_by === "agent" && call.party.client_present === true)
    return first(call, may) ?? primary;
  // To end a call is what comes next only where nothing else is left to do for the caller.
  const helped = call.authentication === "authenticated" || !FINAL.has(call.authentication);
  return primary === "wrap_up" && helped ? null : primary;
}

/** @param {NonNullable<Call["proof"]>} proof @param {Set<string>} may */
function proving(proof, may) {
  if (proof.stage === "intro") return may.has("prove") ? "prove" : may.has("proof") ? "proof" : null;
  if (proof.stage !== "pending") return null;
  // Our half was heard: theirs is next.
  if (proof.method === "letter" && !proof.speak && may.has("answer")) return "letter_code";
  return may.has("proof") ? "proof" : null;
}

/** @param {Call} call @param {Set<string>} may */
function asking(call, may) {
  const asked = questions(call, null);
  const open = asked?.items.find(({ mark }) => mark === null);
  if (asked?.canFinish && (asked.decided || open === undefined)) return "finish";
  if (open === undefined) return null;
  if (open.canAnswer) return "answer";
  return open.canReveal ? "reveal" : may.has("mark") ? "mark" : null;
}

/** @param {Call} call @param {string} step */
function todo(call, step) {
  const asked = questions(call, null);
  if (step === "finish" && asked?.kind === "employer") return "Both are confirmed. Go on.";
  if (step === "finish" && asked && !asked.passed) return "Too few answers can still be right. Finish the check.";
  if (step === "finish")
    return call.primary === undefined
      ? "Enough right answers. Finish the check."
      : "The questions are done. Finish the check.";
  if (ASKS.has(step) && asked?.kind !== "employer" && asked?.passed && asked.canFinish)
    return `Ask the rest, or finish the check. ${DO[step] ?? ""}`;
  if (step === "mark" && asked?.kind === "employer")
    return "Confirm the organisation and that this is its payroll department.";
  if (step === "offer_callback" && call.authentication === "system_unavailable")
    return "The check is not available; this counts as nothing. Do not discuss the account; offer a call back.";
  if (step === "offer_callback" && call.authentication === "reset_required")
    return "Security details must be set anew. Ask no more questions; do not discuss the account.";
  if (step === "set_party" && call.authentication === "authenticated")
    return "The client is proven. Record whether the client allows this person to speak for them.";
  return DO[step] ?? `${ACTION_WORDS[step] ?? plain(step)}.`;
}

/** The step that comes first where the server names none (an older one). @param {Call} call @param {Set<string>} may */
function first(call, may) {
  const ours = call.proof ? proving(call.proof, may) : may.has("prove") ? "prove" : null;
  if (ours !== null) return ours;
  if (may.has("acknowledge")) return "acknowledge";
  if (may.has("set_party") && call.party && !call.party.role) return "set_party";
  if (FINAL.has(call.authentication)) return may.has("offer_callback") ? "offer_callback" : null;
  if (pin(call)?.running) return null;
  if (asksPassword(call)) return "password";
  if (may.has("collect_pin") && !started(call)) return "collect_pin";
  const asked = questions(call, null);
  if (asked) return asking(call, may);
  return may.has("collect_pin") ? "collect_pin" : null;
}

const FINAL = new Set(["authenticated", "failed", "blocked", "reset_required", "system_unavailable"]);

/** What a step without a button of its own is called. @param {Call} call */
function waiting(call) {
  if (FINAL.has(call.authentication)) return `result_${call.authentication}`;
  return pin(call)?.running ? "pin_running" : "idle";
}

/** @param {Call} call */
function unclaimed(call) {
  if (call.authentication === "authenticated") return "This caller is already authenticated. Take the call.";
  if (pin(call)?.running) return "The caller is keying PIN digits. You can take the call now.";
  return "Take the call to begin.";
}

/** What to do where nothing can be pressed. @param {Call} call */
function idle(call) {
  switch (call.authentication) {
    case "authenticated":
      return "Identity confirmed. Help the caller; do not volunteer what is listed under “Never say”.";
    case "failed":
      return call.call_back?.accepted ? backArranged(call) : "Do not discuss the account. End the call.";
    case "blocked":
      return "Do not discuss the account. Telephone service on it is blocked.";
    case "reset_required":
      return call.call_back?.accepted
        ? backArranged(call)
        : "Security details must be set anew. Do not discuss the account.";
    case "system_unavailable":
      return call.call_back?.accepted ? backArranged(call) : "The check is not available. Do not discuss the account.";
  }
  const keyed = pin(call);
  if (keyed?.running && call.pin)
    return call.pin.attempt > 1
      ? "Wait: the digits did not match. The caller is keying the same two once more."
      : "Wait: the caller is keying two PIN digits.";
  if (call.party?.role === "third_party" || (call.party?.role === "employer" && call.direction === "inbound"))
    return "No security details are asked of this caller and no account is discussed.";
  return call.authentication === "partially_verified"
    ? "The number is known, the person is not proven yet. Do not discuss the account."
    : "Nothing is proven yet. Do not discuss the account.";
}

/** @param {Call} call */
function backArranged(call) {
  return BACK_TASKS[call.call_back?.task ?? "call_back"] ?? BACK_TASKS.call_back ?? "";
}

/** @param {Call} call */
function started(call) {
  return call.questions?.items.some(({ marked }) => marked !== null) === true;
}

/** Who speaks, in words; null while nobody has said. @param {Call} call */
export function party(call) {
  const { party: set } = call;
  if (!set?.role) return null;
  const extra = [
    set.client_present === true && "client present",
    set.client_present === false && "client not present",
    set.permission === true && "may speak for the client",
    set.permission === false && "may not speak for the client",
  ].filter(Boolean);
  return [PARTY_WORDS[set.role] ?? plain(set.role), ...extra].join(", ");
}

/**
 * How far the check has come, one chip a factor, without a word about which question was wrong.
 * @param {Call} call @returns {{key: string, text: string, state: "good" | "bad" | "busy" | "open"}[]}
 */
export function progressChips(call) {
  /** @type {{key: string, text: string, state: "good" | "bad" | "busy" | "open"}[]} */
  const chips = [];
  const who = party(call);
  // What the record says is no word of the agent's: while that is still to come, nothing is ticked.
  if (who && call.primary !== "set_party") chips.push({ key: "party", text: who, state: "good" });
  if (call.proof && call.proof.stage !== "intro" && call.proof.stage !== "pending")
    chips.push({
      key: "proof",
      text: PROOF_STAGES[call.proof.stage] ?? plain(call.proof.stage),
      state: call.proof.stage === "proved" ? "good" : call.proof.stage === "declined" ? "bad" : "open",
    });
  const keyed = pin(call);
  if (keyed)
    chips.push({
      key: "pin",
      text: keyed.result === null ? "PIN being keyed" : (PIN_RESULTS[keyed.result] ?? plain(keyed.result)),
      state:
        keyed.result === null
          ? "busy"
          : keyed.result === "correct"
            ? "good"
            : keyed.result === "incorrect"
              ? "bad"
              : "open",
    });
  const said = call.password?.result;
  if (said) chips.push({ key: "password", text: `Password ${said}`, state: said === "correct" ? "good" : "bad" });
  return chips;
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
  acknowledge: "The caller has been told",
});

/** These have a place of their own in a panel. */
const IN_PANELS = new Set([
  "mark",
  "reveal",
  "answer",
  "password",
  "finish",
  "cancel_pin",
  "offer_callback",
  "prove",
  "proof",
]);
/** After the check these are what an agent does next; the rest stays under “More”. */
const AFTER = new Set(["transfer", "wrap_up"]);

/**
 * The allowed actions beside the primary one: at hand, or quiet under “More”.
 * @param {Call} call @param {string | null} primary
 */
export function secondary(call, primary) {
  const rest = call.actions.filter(
    (action) =>
      action !== primary &&
      !IN_PANELS.has(action) &&
      action in ACTION_WORDS &&
      !(action === "wrap_up" && call.ended_at),
  );
  const near = (/** @type {string} */ action) =>
    (primary === null && AFTER.has(action)) || (call.authentication === "failed" && action === "report_bogus");
  return { near: rest.filter(near), more: rest.filter((action) => !near(action)) };
}

/**
 * What a listener should hear when a call changes; empty when nothing worth saying did.
 * @param {Call | undefined} before @param {Call} now
 */
export function announcement(before, now) {
  const mark = badge(now);
  const words = mark.sub && now.authentication !== "authenticated" ? `${mark.text}, ${mark.sub}` : mark.text;
  const parts = [];
  if (before === undefined) parts.push(`${title(now)}. ${origin(now).text}. ${words}.`);
  if (now.stale && !before?.stale) parts.push(STALE.notice);
  if (before === undefined) return parts.join(" ");
  if (!now.stale && before.stale) parts.push(STALE.over);
  if (before.authentication !== now.authentication) parts.push(`${words}.`);
  const keyed = pin(now);
  if (keyed && keyed.progress !== pin(before)?.progress) parts.push(keyed.progress);
  if (now.questions && now.questions.correct !== before.questions?.correct && now.questions.correct > 0)
    parts.push(`${questions(now, null)?.counter}.`);
  if (now.message && now.message !== before.message) parts.push(now.message);
  if (now.say && now.say !== before.say) parts.push(`Say: ${now.say}`);
  if (now.ended_at && !before.ended_at) parts.push("The call has ended.");
  return parts.join(" ");
}
