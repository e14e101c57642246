// Calls as the daemon would send them, for tests of the page. Fixed times, made-up people.

const NOW = Date.now();
const at = (secondsAgo) => new Date(NOW - secondsAgo * 1000).toISOString();

/** A call with sensible fields; `over` replaces any of them. */
export function call(id, over = {}) {
  return {
    id,
    platform: "sip",
    platform_call_id: `${id}@trunk`,
    version: 1,
    direction: "inbound",
    started_at: at(24),
    ended_at: null,
    ani_display: "••••••0123",
    dnis: "+448001234000",
    queue: "general",
    agent: null,
    customer: null,
    class: "unverified",
    evidence: [],
    authentication: "not_authenticated",
    policy: "retail",
    badge: "NOT Authenticated",
    pin: null,
    password: null,
    questions: null,
    proof: null,
    message: null,
    actions: ["claim"],
    notes: [],
    timeline: [{ at: at(24), what: "delivered" }],
    ...over,
  };
}

export const items = (...rows) =>
  rows.map(([key, text, answer = undefined, marked = null]) => ({
    key,
    text,
    ...(answer === undefined ? {} : { answer }),
    marked,
  }));

export const THREE = [
  ["last_transaction_amount", "How much was your last transaction?"],
  ["place_of_birth", "Where is your place of birth?"],
  ["main_balance", "How much money do you have in your main savings account?"],
];
export const FIVE = [
  ["last_transaction_date", "When was your last transaction?"],
  ["last_transaction_amount", "How much was the amount involved in that last transaction?"],
  ...THREE.slice(1),
  ["date_of_birth", "When is your birthdate?"],
];

export const CONGRATULATIONS = "Congratulations - Customer is fully authenticated";
export const UNFORTUNATELY =
  "Unfortunately we cannot proceed further any account related queries/requests - please ask the customer to contact us directly via the app if he/she has access to it at the moment.";

const customer = (name) => ({ id: "c-100", name, role: "client", for: null, flags: [] });

/** One call per state that an agent can meet. */
export const STATES = {
  authenticated: (id = "app") =>
    call(id, {
      agent: "alice",
      class: "app_authenticated",
      authentication: "authenticated",
      badge: "Authenticated",
      customer: customer("Maria Lindqvist"),
      evidence: [
        { kind: "intent", result: "matched", detail: "recorded 14 s before the call, used once" },
        { kind: "number_on_file", result: "found", detail: "on file for 3 years" },
        { kind: "attestation", result: "A", detail: "full" },
      ],
      actions: ["release", "transfer", "wrap_up"],
      timeline: [
        { at: at(24), what: "delivered" },
        { at: at(23), what: "classified app_authenticated" },
        { at: at(20), what: "agent_joined" },
      ],
    }),
  partially_verified: (id = "partial") =>
    call(id, {
      agent: "alice",
      class: "verified_number",
      authentication: "partially_verified",
      badge: "partially verified",
      customer: customer("Tom Okafor"),
      evidence: [
        { kind: "number_on_file", result: "found", detail: "one customer, on file since 2026-03-02" },
        { kind: "attestation", result: "A", detail: "full" },
        { kind: "intent", result: "missing", detail: "no app intent came with the call" },
      ],
      questions: { required: 2, correct: 0, items: items(...THREE) },
      actions: ["collect_pin", "reveal", "mark", "finish", "release", "transfer"],
    }),
  pin_running: (id = "pin", over = {}) =>
    call(id, {
      agent: "alice",
      class: "verified_number",
      authentication: "in_progress",
      customer: customer("Tom Okafor"),
      evidence: [{ kind: "number_on_file", result: "found", detail: "one customer" }],
      pin: { positions: [3, 6], entered: 1, needed: 2, attempt: 1, attempts_allowed: 2, result: null },
      actions: ["cancel_pin", "release"],
      ...over,
    }),
  questions: (id = "questions", marks = [null, null, null, null, null], over = {}) => {
    const rows = FIVE.map(([key, text], index) => [
      key,
      text,
      marks[index] === null ? undefined : `answer ${index + 1}`,
      marks[index],
    ]);
    return call(id, {
      agent: "alice",
      class: "unverified",
      authentication: "in_progress",
      evidence: [
        { kind: "number_on_file", result: "not_found", detail: "no customer has this number" },
        { kind: "attestation", result: "none", detail: null },
      ],
      pin: { positions: [2, 6], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: "correct" },
      questions: { required: 3, correct: marks.filter((mark) => mark === true).length, items: items(...rows) },
      actions: ["mark", "reveal", "finish", "release", "report_bogus"],
      ...over,
    });
  },
  failed: (id = "failed") =>
    call(id, {
      agent: "alice",
      class: "unverified",
      authentication: "failed",
      message: UNFORTUNATELY,
      evidence: [
        { kind: "number_on_file", result: "not_found", detail: "no customer has this number" },
        { kind: "attestation", result: "failed", detail: "the signature does not fit" },
      ],
      pin: { positions: [2, 6], entered: 2, needed: 2, attempt: 2, attempts_allowed: 2, result: "incorrect" },
      actions: ["offer_callback", "report_bogus", "wrap_up"],
    }),
  congratulated: (id = "passed") =>
    call(id, {
      agent: "alice",
      class: "unverified",
      authentication: "authenticated",
      badge: "Authenticated",
      message: CONGRATULATIONS,
      customer: customer("Ines Duarte"),
      pin: { positions: [2, 6], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: "correct" },
      actions: ["transfer", "wrap_up"],
    }),
  not_authenticated: (id = "waiting") => call(id),
  blocked: (id = "blocked") =>
    call(id, { agent: "alice", authentication: "blocked", badge: "Blocked", actions: ["release", "unblock"] }),
  reset_required: (id = "reset") =>
    call(id, {
      agent: "alice",
      authentication: "reset_required",
      badge: "Reset required",
      actions: ["offer_callback", "reset_security"],
    }),
  system_unavailable: (id = "down") =>
    call(id, {
      agent: "alice",
      authentication: "system_unavailable",
      badge: "Check unavailable",
      pin: { positions: [1, 4], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: "unavailable" },
      actions: ["offer_callback"],
    }),
  ended: (id = "ended") =>
    call(id, {
      agent: "alice",
      authentication: "authenticated",
      badge: "Authenticated",
      class: "app_authenticated",
      started_at: at(200),
      ended_at: at(5),
      actions: ["wrap_up"],
    }),
  blind: (id = "blind") =>
    call(id, {
      agent: "alice",
      authentication: "in_progress",
      policy: "cmg",
      password: { needed: true, result: null },
      questions: {
        required: 1,
        correct: 0,
        items: items(["postcode", "What is your postcode?"]).map((item) => ({ ...item, blind: true })),
      },
      actions: ["password", "answer", "release"],
    }),
  outbound: (id = "outbound") =>
    call(id, {
      agent: "alice",
      direction: "outbound",
      customer: customer("Tom Okafor"),
      proof: { method: "app code", code: "471" },
      actions: ["proof", "release"],
    }),
};
