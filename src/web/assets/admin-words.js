// Every sentence of the PIN maintenance page that does not come from the server, so that a second language is one more file.

/** What a role may do here; the server decides the same once more (P29). @type {Record<string, string[]>} */
export const ROLE_MAY = {
  admin: ["look", "estate", "reset", "generate", "resend", "unblock", "hint", "generate_all"],
  pin_admin: ["look", "estate", "reset", "generate", "resend", "unblock", "hint", "generate_all"],
  webmaster: ["look", "estate", "resend"],
  support: ["look", "resend"],
};

/** @type {Record<string, string>} */
export const ROLE_WORDS = {
  admin: "Administrator",
  pin_admin: "PIN administrator",
  webmaster: "Webmaster",
  support: "Support",
};

export const SIGN_IN = {
  title: "Sign in to PIN maintenance",
  hint: "A token of a PIN administrator, a webmaster or support. It stays in this tab only.",
  wrong: "This token is for another page. PIN maintenance needs the role of a PIN administrator, a webmaster or support.",
};

/** The way of a PIN, and what each step is called. @type {[string, string][]} */
export const STEPS = [
  ["letter", "Initial PIN by letter"],
  ["chosen", "Customer chose a PIN"],
  ["enabled", "Link followed, enabled"],
];

/** @type {Record<string, [string, string, string]>} tone, icon, words */
export const STANDINGS = {
  open: ["good", "check", "Open"],
  blocked: ["blocked", "stop", "Blocked"],
  reset_required: ["reset", "reset", "Reset required"],
};

/** What a standing other than open means, whatever the PIN's own situation is. @type {Record<string, string>} */
export const STANDING_MEANS = {
  blocked: "The account is blocked: no check on the telephone passes until it is unblocked, whatever the PIN.",
  reset_required: "New security details are due: the telephone check does not pass before.",
};

/** @type {Record<string, string>} */
export const CREDENTIALS = { voice_pin: "Telephone PIN", web_pin: "Web PIN" };

/** @type {[string, string][]} */
export const DATES = [
  ["issued", "Initial PIN issued"],
  ["printed", "Letter printed"],
  ["expires", "Initial PIN good until"],
  ["registered", "Customer chose a PIN"],
  ["mailed", "Link mailed"],
  ["activated", "Link followed"],
  ["reset", "Last reset"],
];

/** @type {[string, string][]} */
export const COUNTERS = [
  ["failed_calls", "Failed calls in a row"],
  ["wrong_entries", "Wrong PIN entries"],
  ["initial_tries", "Wrong tries with the initial PIN"],
  ["abandoned", "Checks broken off"],
];

/**
 * What each action is called, what is said before it, what its button says and what is said once it is done.
 * @type {Record<string, {name: string, title: string, says: string[], go: string, busy: string, done: string, grave?: boolean}>}
 */
export const ACTIONS = {
  reset: {
    name: "Reset PIN…",
    title: "Reset this PIN?",
    says: [
      "At once void: the PIN, the web PIN, the hint, the initial PIN and every link that was mailed. A call with the old PIN fails from now on.",
      "The system makes a new initial PIN and prints it in a letter. Nobody here sees it.",
      "The customer registers again with the letter and chooses a new PIN.",
    ],
    go: "Reset PIN",
    busy: "Resetting…",
    done: "The PIN is reset. A letter with a new initial PIN is waiting to be printed.",
    grave: true,
  },
  generate: {
    name: "Make an initial PIN…",
    title: "Make an initial PIN for this account?",
    says: [
      "The system makes an initial PIN and prints it in a letter. Nobody here sees it.",
      "It is good for registration only, and for a short time.",
    ],
    go: "Make initial PIN",
    busy: "Making it…",
    done: "An initial PIN is made. Its letter is waiting to be printed.",
  },
  resend: {
    name: "Mail the link again…",
    title: "Mail a new link?",
    says: [
      "A new link goes to the address on file; the link that was mailed before stops working.",
      "If the address is wrong, do not mail again: reset the PIN, so that the customer registers with the right address.",
    ],
    go: "Mail a new link",
    busy: "Mailing…",
    done: "A new link is on its way to the address on file. Older links do not work any more.",
  },
  unblock: {
    name: "Unblock…",
    title: "Unblock this account?",
    says: [
      "The count of failed calls begins again at none, and the customer can use the PIN they have.",
      "Unblock only after you are sure who asked for it.",
    ],
    go: "Unblock",
    busy: "Unblocking…",
    done: "The account is unblocked.",
  },
  hint: {
    name: "Tell the hint…",
    title: "Show the hint?",
    says: [
      "A hint may be told to the verified customer only: a caller who has passed the check in a call you have now, or the e-mail address on file.",
      "It is shown here until you hide it. That you saw it is on record.",
    ],
    go: "Show the hint",
    busy: "Asking…",
    done: "The hint is shown below.",
  },
};

/** @type {[string, string][]} */
export const CHANNELS = [
  ["verified_call", "The caller has passed the check in a call I have now"],
  ["verified_address", "I answer to the e-mail address on file"],
];

export const SECOND = {
  /** @param {string} who @param {string} when */
  waits: (who, when) => `Waits for a second person. ${who} asked for it${when === "" ? "" : ` on ${when}`}.`,
  own: "You asked for it yourself: somebody else has to agree.",
  needs: "This account needs two people: you ask, a second person agrees.",
  agree: "You are the second person: if you agree, the account is unblocked.",
  done: "Asked for. The account is unblocked when a second person agrees.",
  ask: "Ask for the unblock",
  go: "Agree and unblock",
};

/** Refusals, in words of what to do next. @type {Record<string, string>} */
export const REFUSALS = {
  no_such_customer: "There is no account with this number. Check the number.",
  second_person_needed: "A second person has to agree before the account is unblocked.",
  same_person: "You asked for this unblock yourself. Somebody else has to agree.",
  not_blocked: "This account is not blocked.",
  has_pin: "This account has a PIN already. Reset it instead.",
  nothing_to_resend: "There is no link to mail: the customer has not registered yet, or has followed the link already.",
  hint_not_allowed: "This hint may not be told. Offer the customer a reset instead.",
  generation_runs: "A generation is running already.",
  invalid_reason: "Give a reason of 3 to 200 characters. It is kept on record.",
  forbidden: "Your role may not do this.",
};

/** The states of the estate, in the order of a PIN's life: field, words, tone. @type {[string, string, string][]} */
export const STATES = [
  ["without_initial", "No initial PIN yet", "down"],
  ["waiting", "Initial PIN issued, not registered", "busy"],
  ["expired", "Initial PIN expired or spent", "reset"],
  ["yes_no", "Registered, link not followed", "partial"],
  ["yes_yes", "Enabled", "good"],
];

/** @type {Record<string, [string, string]>} what the alert is, who is to look at it */
export const ALERTS = {
  mail_trouble: ["Many customers wait for their link", "For the webmaster: look at the mail server first."],
  impossible_flags: ["Accounts came enabled but never initialized", "For vendor support: this should not occur. Each was repaired by a reset."],
};

/** What happened, as the audit chain calls it. @type {Record<string, string>} */
export const EVENTS = {
  account_blocked: "Account blocked",
  account_unblocked: "Unblocked",
  attempt_reserved: "PIN asked for in a call",
  attempt_settled: "PIN entry judged",
  call_failed: "Call failed the check",
  call_passed: "Call passed the check",
  customer_changed: "Customer record changed",
  customer_created: "Customer record came",
  email_changed: "E-mail address changed",
  flags_repaired: "Impossible flags repaired by a reset",
  follow_up: "Follow-up begun",
  initial_pin_issued: "Initial PIN made",
  initial_pin_tried: "Wrong initial PIN at the registration",
  initial_pins_issued: "Initial PINs made for all",
  letters_printed: "Letters printed",
  link_refused: "Link did not work",
  marked: "Marked for other systems",
  pin_activated: "Link followed, PIN enabled",
  pin_chosen_anew: "Customer chose a new PIN by a link",
  pin_enrolled: "PIN set",
  pin_entry_refused: "PIN entry not correct",
  pin_entry_without_account: "PIN asked for, none to compare with",
  pin_file_viewed: "PIN file looked at",
  pin_hint_asked: "Hint told",
  pin_mail_accepted: "Mail server took the mail",
  pin_mail_queued: "Link mailed",
  pin_mail_refused: "Mail server refused the address",
  pin_registered: "Customer registered and chose a PIN",
  pin_reset: "PIN reset",
  pin_tried_early: "PIN tried before the link",
  positions_drawn: "Positions of the PIN drawn",
  questions_asked: "Questions asked in a call",
  unblock_asked: "Unblock asked for",
  unblocked: "Unblocked",
  web_pin_verified: "Web PIN checked",
};

/** What is shown of an event's particulars; the rest is for the audit export. @type {Record<string, string>} */
export const DETAILS = {
  reason: "Reason",
  why: "Why",
  code: "Why",
  result: "Result",
  outcome: "Outcome",
  channel: "To",
  purpose: "For",
  attempt: "Entry",
  pin_version: "PIN number",
  version: "Number",
  expires: "Good until",
  letters: "Letters",
  mark: "Mark",
};
