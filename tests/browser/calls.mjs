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
    purpose: null,
    party: null,
    say: null,
    never_say: [],
    timer: null,
    call_back: null,
    reminder: null,
    enrolment_required: false,
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

export const FAILED_CMG = "We are not able to carry on with this call, because the security check was not completed.";
export const NEVER = [
  "date of birth",
  "National Insurance number",
  "bank data beyond the last four digits",
  "telephone number beyond the last four digits",
  "email address",
  "current address",
  "appointees",
];
export const NEVER_FAILED = ["the telephone number held, or any part of it", "which answer was wrong"];

const customer = (name) => ({ id: "c-100", name, role: "client", for: null, flags: [] });

const onClick = (rows) => items(...rows).map((item) => ({ ...item, reveal: "on_click", blind: false, on_file: true }));
const blind = (...rows) =>
  rows.map(([key, text, marked = null]) => ({ key, text, reveal: "blind", blind: true, on_file: true, marked }));

const cmg = (id, over) =>
  call(id, {
    agent: "alice",
    policy: "cmg",
    class: "verified_number",
    customer: customer("Customer Two"),
    party: { role: "client", set_by: "agent", client_present: null, permission: null },
    never_say: NEVER,
    primary: null,
    ...over,
  });

const outward = (id, over) =>
  call(id, {
    agent: "alice",
    policy: "cmg",
    direction: "outbound",
    purpose: "contact",
    customer: customer("Customer Two"),
    party: { role: "client", set_by: "record", client_present: null, permission: null },
    never_say: [...NEVER, "why we call, before the check is passed", "a telephone number to ring"],
    ...over,
  });

/** One call per state that an agent can meet. */
export const STATES = {
  authenticated: (id = "app") =>
    call(id, {
      agent: "alice",
      class: "app_authenticated",
      authentication: "authenticated",
      badge: "Authenticated",
      customer: customer("Customer One"),
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
      customer: customer("Customer Two"),
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
      customer: customer("Customer Two"),
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
  failed: (id = "failed", over = {}) =>
    call(id, {
      agent: "alice",
      class: "unverified",
      authentication: "failed",
      ani_display: null,
      message: UNFORTUNATELY,
      evidence: [
        { kind: "number_on_file", result: "not_found", detail: "no customer has this number" },
        { kind: "attestation", result: "failed", detail: "the signature does not fit" },
      ],
      pin: { positions: [2, 6], entered: 2, needed: 2, attempt: 2, attempts_allowed: 2, result: "incorrect" },
      questions: {
        kind: "check",
        required: 2,
        correct: 0,
        items: items(...THREE).map((item) => ({ ...item, marked: false })),
      },
      never_say: NEVER_FAILED,
      say: "I am sorry, I cannot go any further with this call. We can ring you back on the number we hold.",
      primary: "offer_callback",
      call_back: { offered: true, accepted: null, task: null },
      actions: ["offer_callback", "report_bogus", "wrap_up"],
      ...over,
    }),
  congratulated: (id = "passed") =>
    call(id, {
      agent: "alice",
      class: "unverified",
      authentication: "authenticated",
      badge: "Authenticated",
      message: CONGRATULATIONS,
      customer: customer("Customer Three"),
      pin: { positions: [2, 6], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: "correct" },
      actions: ["transfer", "wrap_up"],
    }),
  not_authenticated: (id = "waiting") => call(id),
  blocked: (id = "blocked") =>
    call(id, {
      agent: "alice",
      authentication: "blocked",
      badge: "Blocked",
      ani_display: null,
      primary: null,
      say: "I cannot discuss this by telephone. We have written to you about what to do next.",
      never_say: NEVER_FAILED,
      actions: ["release", "report_bogus", "wrap_up"],
    }),
  unblock: (id = "unblock") =>
    outward(id, {
      purpose: "unblock",
      authentication: "authenticated",
      badge: "Authenticated",
      proof: { stage: "proved", method: "app", methods: [], speak: null, reference: null, expires_at: null },
      message: "Thank you. The security check is complete.",
      primary: "unblock",
      actions: ["release", "reset_security", "unblock", "transfer", "wrap_up"],
    }),
  reset_required: (id = "reset") =>
    call(id, {
      agent: "alice",
      policy: "cmg",
      authentication: "reset_required",
      badge: "Reset required",
      party: { role: "client", set_by: "agent", client_present: null, permission: null },
      password: { needed: false, result: "incorrect" },
      say: "Your security details have to be set up again before we can talk. I can arrange for us to ring you.",
      primary: "offer_callback",
      call_back: { offered: true, accepted: null, task: null },
      actions: ["offer_callback", "reset_security", "wrap_up"],
    }),
  system_unavailable: (id = "down") =>
    call(id, {
      agent: "alice",
      authentication: "system_unavailable",
      badge: "Check unavailable",
      pin: { positions: [1, 4], entered: 2, needed: 2, attempt: 1, attempts_allowed: 2, result: "unavailable" },
      say: "Our system does not let me check who you are at the moment. May we ring you back?",
      primary: "offer_callback",
      call_back: { offered: true, accepted: null, task: null },
      actions: ["offer_callback", "wrap_up"],
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
  retail_start: (id = "retail", over = {}) =>
    call(id, {
      agent: "alice",
      class: "verified_number",
      authentication: "partially_verified",
      badge: "partially verified",
      customer: customer("Customer Two"),
      party: { role: "client", set_by: "record", client_present: null, permission: null },
      say: "Please key two digits of your PIN on the telephone. I will not see them.",
      never_say: NEVER,
      primary: "collect_pin",
      actions: ["collect_pin", "release", "transfer", "report_bogus"],
      ...over,
    }),
  pin_timer: (id = "timer", over = {}) =>
    call(id, {
      agent: "alice",
      class: "verified_number",
      authentication: "in_progress",
      customer: customer("Customer Two"),
      say: "Please press the sixth digit of your PIN now.",
      never_say: NEVER,
      primary: null,
      pin: { positions: [3, 6], entered: 1, needed: 2, attempt: 1, attempts_allowed: 2, result: null },
      timer: { until: new Date(Date.now() + 60_000).toISOString(), what: "digit" },
      timeline: [
        { at: at(24), what: "delivered", who: "platform" },
        { at: at(2), what: "asked position 6", who: "daemon" },
      ],
      actions: ["cancel_pin", "release", "transfer"],
      ...over,
    }),
  bofe_three: (id = "three", over = {}) =>
    call(id, {
      agent: "alice",
      policy: "bofe",
      class: "verified_number",
      authentication: "partially_verified",
      badge: "partially verified",
      customer: customer("Customer Two"),
      say: "I have three short questions, so that I know it is you.",
      never_say: NEVER,
      questions: { kind: "check", set: "three", required: 2, correct: 0, items: onClick(THREE) },
      primary: "answer",
      actions: ["mark", "answer", "reveal", "finish", "release", "transfer", "report_bogus"],
      ...over,
    }),
  bofe_five: (id = "five", over = {}) =>
    call(id, {
      agent: "alice",
      policy: "bofe",
      class: "unverified",
      authentication: "not_authenticated",
      customer: customer("Customer Three"),
      say: "I have five short questions, so that I know it is you.",
      never_say: NEVER,
      questions: { kind: "check", set: "five", required: 3, correct: 0, items: onClick(FIVE) },
      primary: "answer",
      actions: ["mark", "answer", "reveal", "finish", "release", "transfer", "report_bogus"],
      ...over,
    }),
  cmg_party: (id = "party", over = {}) =>
    cmg(id, {
      party: { role: null, set_by: "agent", client_present: null, permission: null },
      say: "May I ask who I am speaking with, and whether you are calling for yourself?",
      primary: "set_party",
      actions: ["set_party", "release", "transfer", "report_bogus"],
      ...over,
    }),
  cmg_pin: (id = "cmg-pin", over = {}) =>
    cmg(id, {
      say: "Please key two digits of your PIN on the telephone. I will not see them.",
      primary: "collect_pin",
      actions: ["collect_pin", "set_party", "release", "transfer", "report_bogus"],
      ...over,
    }),
  cmg_password: (id = "password", over = {}) =>
    cmg(id, {
      authentication: "in_progress",
      pin: { positions: [2, 5], entered: 2, needed: 2, attempt: 2, attempts_allowed: 2, result: "incorrect" },
      password: { needed: true, result: null },
      say: "And what is your password, please?",
      primary: "password",
      actions: ["password", "set_party", "release", "transfer", "report_bogus"],
      ...over,
    }),
  cmg_questions: (id = "cmg-questions", over = {}) =>
    cmg(id, {
      authentication: "in_progress",
      pin: { positions: [2, 5], entered: 2, needed: 2, attempt: 2, attempts_allowed: 2, result: "incorrect" },
      password: { needed: false, result: "correct" },
      say: "How are payments usually made?",
      questions: {
        kind: "check",
        set: "transactional",
        required: 1,
        correct: 0,
        items: blind(
          ["payment_method", "How are payments usually made or received?"],
          ["last_contact", "What was your last contact with us about?"],
        ),
      },
      primary: "answer",
      actions: ["answer", "finish", "release", "transfer", "report_bogus"],
      ...over,
    }),
  compensated: (id = "compensated", over = {}) =>
    cmg(id, {
      authentication: "authenticated",
      badge: "Authenticated",
      pin: { positions: [2, 5], entered: 2, needed: 2, attempt: 2, attempts_allowed: 2, result: "incorrect" },
      password: { needed: false, result: "correct" },
      message: "Thank you. The security check is complete.",
      say: "Thank you. Next time we need your PIN and your password to be right before we can go on.",
      reminder: "On future calls the PIN and the password must both be right before the call can go on.",
      primary: "acknowledge",
      actions: ["acknowledge", "transfer", "wrap_up"],
      ...over,
    }),
  transitional: (id = "transitional", over = {}) =>
    cmg(id, {
      authentication: "in_progress",
      say: "What is your postcode?",
      questions: {
        kind: "transitional",
        set: "transitional",
        required: 3,
        correct: 1,
        items: blind(
          ["postcode", "What is your postcode?", true],
          ["date_of_birth", "What is your date of birth?"],
          ["qc_date_of_birth", "What is the date of birth of one of the children?"],
          ["nino", "What is your National Insurance number?"],
        ),
      },
      primary: "answer",
      actions: ["answer", "finish", "release", "transfer", "report_bogus"],
      ...over,
    }),
  enrolment: (id = "enrolment", over = {}) =>
    cmg(id, {
      authentication: "authenticated",
      badge: "Authenticated",
      message: "Thank you. The security check is complete.",
      say: "Let us set up a PIN and a password for you now.",
      enrolment_required: true,
      primary: null,
      actions: ["transfer", "wrap_up"],
      ...over,
    }),
  callback_questions: (id = "callback", over = {}) =>
    cmg(id, {
      direction: "outbound",
      purpose: "call_back",
      authentication: "in_progress",
      proof: { stage: "proved", method: "call_back", methods: [], speak: null, reference: null, expires_at: null },
      say: "Who is your employer, now or before?",
      questions: {
        kind: "call_back",
        set: "call_back",
        required: 3,
        correct: 0,
        items: blind(
          ["employer", "Who is your current or previous employer?"],
          ["last_contact", "What was your last contact with us about?"],
          ["other_party_first_name", "What is the first name of the other person in the case?"],
        ),
      },
      primary: "answer",
      actions: ["answer", "release"],
      ...over,
    }),
  employer: (id = "employer", over = {}) =>
    call(id, {
      agent: "alice",
      policy: "cmg",
      direction: "outbound",
      purpose: "employer",
      party: { role: "employer", set_by: "record", client_present: null, permission: null },
      say: "Am I speaking with the payroll department?",
      never_say: NEVER,
      questions: {
        kind: "employer",
        set: "employer",
        required: 2,
        correct: 0,
        items: [
          {
            key: "organisation",
            text: "The organisation is the one we want",
            reveal: "blind",
            on_file: false,
            marked: null,
          },
          { key: "payroll", text: "It is the payroll department", reveal: "blind", on_file: false, marked: null },
        ],
      },
      primary: "mark",
      actions: ["mark", "finish", "release", "wrap_up"],
      ...over,
    }),
  bogus: (id = "bogus") =>
    STATES.failed(id, { actions: ["report_bogus", "wrap_up"], primary: "report_bogus", call_back: null }),
  third_party: (id = "third") =>
    cmg(id, {
      party: { role: "third_party", set_by: "agent", client_present: null, permission: null },
      customer: null,
      say: "I cannot ask you security questions. I will put you through to the team for organisations.",
      primary: "transfer",
      actions: ["transfer", "set_party", "release", "wrap_up"],
    }),
  outbound: (id = "outbound", over = {}) =>
    outward(id, {
      proof: {
        stage: "intro",
        method: null,
        methods: ["app", "letter", "call_back", "waive"],
        speak: null,
        reference: null,
        expires_at: null,
      },
      say: "Good morning, my name is Alice. Before anything else I would like to prove to you who we are.",
      primary: "proof",
      actions: ["prove", "proof", "release", "wrap_up"],
      ...over,
    }),
  outbound_app: (id = "outbound-app", over = {}) =>
    outward(id, {
      proof: {
        stage: "pending",
        method: "app",
        methods: ["letter", "call_back", "waive"],
        speak: "47",
        reference: null,
        expires_at: at(-540),
      },
      say: "Please open our app yourself. The number to tap is forty-seven.",
      primary: "proof",
      actions: ["prove", "proof", "release", "wrap_up"],
      ...over,
    }),
  outbound_letter: (id = "outbound-letter", over = {}) =>
    outward(id, {
      proof: { stage: "pending", method: "letter", methods: [], speak: "471203", reference: null, expires_at: null },
      say: "Our code on the letter is four seven one, two zero three. Do you find it?",
      primary: "proof",
      actions: ["proof", "answer", "release", "wrap_up"],
      ...over,
    }),
  outbound_letter_agreed: (id = "outbound-agreed", over = {}) =>
    outward(id, {
      proof: { stage: "pending", method: "letter", methods: [], speak: null, reference: null, expires_at: null },
      say: "Thank you. Beside it stands a second code: would you read it to me?",
      primary: "proof",
      actions: ["proof", "answer", "release", "wrap_up"],
      ...over,
    }),
  outbound_call_back: (id = "outbound-back", over = {}) =>
    outward(id, {
      proof: {
        stage: "call_back",
        method: "call_back",
        methods: [],
        speak: null,
        reference: "904416",
        expires_at: at(-80_000),
      },
      say: "Please look our number up yourself, wait five minutes, ring us and quote the reference.",
      primary: "wrap_up",
      actions: ["wrap_up"],
      ...over,
    }),
  outbound_waived: (id = "outbound-waived", over = {}) =>
    outward(id, {
      proof: { stage: "waived", method: "waive", methods: [], speak: null, reference: null, expires_at: null },
      say: "Thank you. I have two short questions.",
      questions: {
        kind: "check",
        set: "low",
        required: 1,
        correct: 0,
        items: blind(["last_contact", "What was your last contact with us about?"]),
      },
      primary: "answer",
      actions: ["answer", "release", "wrap_up"],
      ...over,
    }),
};
