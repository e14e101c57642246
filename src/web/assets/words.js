// Every sentence the page says, in one place, so that a second language is one more file.

const ORDINALS = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh"];

/** The words for each class: how the call came in. @type {Record<string, string>} */
export const CLASS_WORDS = {
  app_authenticated: "Called from the app",
  verified_number: "Number we know",
  unverified: "Unknown or unproven number",
};

/** Badge of each authentication state: tone, icon, fall-back text, second line. */
export const BADGES = /** @type {Record<string, {tone: string, icon: string, text: string, sub: string}>} */ ({
  authenticated: { tone: "good", icon: "check", text: "Authenticated", sub: "Identity confirmed" },
  partially_verified: { tone: "partial", icon: "half", text: "partially verified", sub: "A check is still owed" },
  not_authenticated: { tone: "bad", icon: "warn", text: "NOT Authenticated", sub: "Nothing is proven yet" },
  in_progress: { tone: "busy", icon: "wait", text: "NOT Authenticated", sub: "check in progress" },
  failed: { tone: "bad", icon: "cross", text: "NOT Authenticated", sub: "check failed" },
  blocked: { tone: "blocked", icon: "stop", text: "Blocked", sub: "No telephone service on this account" },
  reset_required: { tone: "reset", icon: "reset", text: "Reset required", sub: "Security details must be set anew" },
  system_unavailable: {
    tone: "down",
    icon: "unknown",
    text: "Check unavailable",
    sub: "This does not count as a failed try",
  },
});

/** What must not be said first by the agent, even to an authenticated caller. */
export const NEVER_VOLUNTEER = ["birth date", "NI number", "full account number", "phone number", "e-mail", "address"];

/** Of a call whose holder does not answer (D06): in a list, in full, what to do, and once it is over. */
export const STALE = {
  mark: "May be out of date",
  notice:
    "This may be out of date: the part of the system that holds this call does not answer. It catches up by itself; until then nothing can be done on this call.",
  todo: "Wait until this call is up to date again. Its steps are switched off until then.",
  over: "This call is up to date again.",
  unsent: "Nothing was sent: this call may be out of date. Try again once it is up to date.",
};

/** Who may be speaking, in the order of the party step. @type {Record<string, string>} */
export const PARTY_WORDS = {
  client: "The client",
  representative: "A representative",
  third_party: "A third-party organisation",
  employer: "An employer",
  other: "Someone else",
};

/** Why we call. @type {Record<string, string>} */
export const PURPOSES = {
  contact: "We are calling",
  call_back: "We are calling back",
  unblock: "We are calling to unblock",
  employer: "We are calling an employer",
};

/** How our own proof stands on an outbound call. @type {Record<string, string>} */
export const PROOF_STAGES = {
  intro: "We have not proved ourselves yet",
  pending: "Our proof is with the customer",
  proved: "We have proved ourselves",
  waived: "The customer waived our proof",
  declined: "The customer declined",
  call_back: "The customer will ring us",
};

/** What follows an accepted call back (C48, C50, C53). None holds a number. @type {Record<string, string>} */
export const BACK_TASKS = {
  call_back:
    "A call back is arranged. Say that we will ring the number we hold; do not say or confirm any of it. End the call.",
  case_owner:
    "Say that the caseworker who deals with the case will ring. Do not say or confirm any number. End the call.",
  trace: "No number can be used: a tracing task (CIS and CRA) is open. Say that we will be in touch. End the call.",
};

/** What a panel of questions is called. @type {Record<string, string>} */
export const QUESTION_KINDS = {
  check: "Security questions",
  transitional: "Transitional questions",
  call_back: "Call-back questions",
  employer: "Is this the right place?",
};

/** The ways to prove who we are: what is done, and what it asks of the customer. @type {Record<string, [string, string]>} */
export const PROOF_METHODS = {
  app: ["In our app", "The customer opens the app themselves and taps the number you read out."],
  letter: ["Code from our last letter", "You read our code first; the customer answers with theirs."],
  call_back: ["They ring us", "The customer looks our number up themselves and quotes a reference."],
  waive: ["Go on without proof", "Only if the customer says so. It is recorded, and no PIN can be asked afterwards."],
};

/** @type {Record<string, string>} */
export const PIN_RESULTS = {
  correct: "PIN digits correct",
  incorrect: "PIN digits not correct",
  abandoned: "The caller did not finish",
  unavailable: "The PIN could not be checked",
};

/** @type {Record<string, string>} */
const EVIDENCE_KINDS = {
  intent: "Intent recorded by the app",
  app_intent: "Intent recorded by the app",
  number_on_file: "Number on the customer's file",
  number: "Number on the customer's file",
  ani: "Calling number",
  attestation: "Network's word for the number",
  number_age: "Time the number is on file",
  number_trust: "Trust in the number",
  trust: "Trust in the number",
  cli: "Number the caller presents",
  customer_number: "Customer number keyed",
};

const GOOD_RESULTS = new Set([
  "ok",
  "pass",
  "passed",
  "match",
  "matched",
  "found",
  "valid",
  "verified",
  "yes",
  "full",
  "high",
  "medium",
  "a",
  "true",
  "one",
  "asserted",
  "redeemed",
  "on_file",
]);
const BAD_RESULTS = new Set([
  "fail",
  "failed",
  "mismatch",
  "invalid",
  "expired",
  "used",
  "used_before",
  "presented",
  "shared",
  "too_new",
  "flagged",
  "unavailable",
  "unreadable",
  "unknown",
  "no",
  "none",
  "missing",
  "absent",
  "not_found",
  "low",
  "false",
  "replayed",
  "diverted",
  "several",
  "withheld",
  "conflict",
  "rejected",
  "insufficient",
  "stale",
]);

/** The outcome of a call whose check failed, to the letter (C69). */
export const FAILED_OUTCOME = "Failed ID Security Check";

/** Why new security details were put off: a call that owes them is closed with a code (C21). */
export const DEFERRALS = /** @type {[string, string][]} */ ([
  ["enrolment_deferred_no_time", "Security set-up put off: the caller has no time"],
  ["enrolment_deferred_call_back", "Security set-up put off: we ring again"],
  ["enrolment_deferred_letter", "Security set-up put off: the caller writes to us"],
]);

/** The outcomes an agent can close a call with. */
export const OUTCOMES = /** @type {[string, string][]} */ ([
  ["resolved", "Resolved"],
  ["follow_up", "Follow-up needed"],
  ["call_back", "Call back arranged"],
  ["transferred", "Transferred"],
  ["not_authenticated", "Could not be authenticated"],
  ["abandoned", "Caller hung up"],
  ["other", "Other"],
]);

/** @param {number} position 1 to 7 */
export function ordinal(position) {
  return ORDINALS[position] ?? `${position}th`;
}

/** “third digit”, “second and sixth digits”. @param {number[]} positions */
export function digits(positions) {
  const names = positions.map(ordinal);
  if (names.length < 2) return `${names.join("")} digit`;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} digits`;
}

/** `agent_joined` → “Agent joined”. @param {unknown} word */
export function plain(word) {
  const spaced = String(word ?? "")
    .replaceAll("_", " ")
    .trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/**
 * One piece of evidence as a plain sentence, with the side it speaks for.
 * @param {{kind?: string, result?: string, detail?: unknown}} piece
 */
export function evidence(piece) {
  const result = String(piece.result ?? "").toLowerCase();
  // Most calls carry no attestation: that speaks neither for nor against the caller.
  const silent = piece.kind === "attestation" && result === "none";
  const side = silent ? "neutral" : GOOD_RESULTS.has(result) ? "for" : BAD_RESULTS.has(result) ? "against" : "neutral";
  const detail = typeof piece.detail === "string" && piece.detail !== "" ? piece.detail : null;
  const kind = EVIDENCE_KINDS[piece.kind ?? ""] ?? plain(piece.kind);
  const said = result.length === 1 ? result.toUpperCase() : result.replaceAll("_", " ");
  return { side, text: `${kind}: ${said || "not known"}`, detail };
}

/** Elapsed time as m:ss or h:mm:ss. @param {number} ms */
export function elapsed(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** The time of day of an RFC 3339 instant. @param {string} at */
export function clock(at) {
  const when = new Date(at);
  return Number.isNaN(when.getTime()) ? "" : when.toLocaleTimeString("en-GB");
}

/** What a closed connection means to the agent. @param {number} code */
export function closeReason(code) {
  switch (code) {
    case 4401:
      return "The token is not valid or has expired. Ask for a new one and sign in again.";
    case 4403:
      return "This token may not use the agent desktop. Sign in with an agent's or supervisor's token.";
    case 4408:
      return "The server did not hear from this page in time.";
    case 4413:
    case 4400:
      return "The server and this page did not understand each other.";
    case 4429:
      return "Too many requests in a short time.";
    case 1001:
      return "The server is being restarted.";
    default:
      return "The server cannot be reached.";
  }
}
