// Every sentence of the customer's page, so that a second language is one more file.

export const COMMON = {
  brand: "Your telephone PIN",
  show: "Show",
  hide: "Hide",
  back: "Back",
  busy: "One moment…",
  emptied: "For your safety the PIN fields are empty again: fill all of them in once more.",
  // It may have been done all the same: only the answer is missing.
  unreachable: "No answer came. If no mail from us arrives within a few minutes, try again.",
  failed: "This did not work. Try again in a minute.",
  /** @param {number} seconds */
  tooMany: (seconds) =>
    seconds > 90
      ? `There were too many tries. Try again in ${Math.ceil(seconds / 60)} minutes.`
      : `There were too many tries. Try again in ${Math.max(1, Math.ceil(seconds))} seconds.`,
};

export const REGISTER = {
  title: "Choose your PIN",
  intro: "You need the letter with your customer number and your initial PIN, and an e-mail address that you can read now.",
  letter: "From our letter",
  number: "Customer number",
  initial: "Initial PIN",
  initialHint: "It is good for this page only, and only until the date in the letter.",
  own: "Your own PIN",
  pin: "New PIN, 7 digits",
  pinHint: "On the telephone we ask for two of its digits, never for the whole. Avoid dates, runs such as 2345 and numbers we know of you.",
  again: "New PIN again",
  address: "Your e-mail address",
  email: "E-mail address",
  emailAgain: "E-mail address again",
  emailHint: "We mail you a link. The PIN counts once you have followed it.",
  web: "Also choose a PIN for our website",
  webHint: "Optional. At least 8 characters; capital and small letters are different letters.",
  webPin: "Web PIN",
  webAgain: "Web PIN again",
  hint: "A hint for yourself",
  hintHint: "Optional. Write nothing that gives the PIN away to somebody else.",
  go: "Register",
  forgot: "I have registered before and forgot my PIN",
};

export const REGISTERED = {
  title: "One step is left",
  /** @param {string} email */
  says: (email) => `We have mailed a link to ${email}.`,
  steps: ["Open the mail and follow its link.", "Press “Enable my PIN” on the page that opens.", "From then on your PIN counts on the telephone."],
  wrong: "If this address is wrong or no mail comes within an hour, look in the folder for unwanted mail first. Then ring us: we send you a new letter.",
};

export const FOLLOW = {
  title: "Enable your PIN",
  intro: "Press the button and your new PIN counts. The link works once.",
  go: "Enable my PIN",
  doneTitle: "Your PIN is enabled",
  done: "You can use it on the telephone from now on. Nobody of us will ever ask you for the whole PIN.",
};

export const RENEW = {
  title: "Choose a new PIN",
  intro: "The link works once. Your old PIN stops as soon as you choose a new one.",
  go: "Use the new PIN",
  doneTitle: "Your new PIN counts",
  done: "Your old PIN does not work any more. Nobody of us will ever ask you for the whole PIN.",
};

export const FORGOT = {
  title: "Forgot your PIN?",
  intro: "We cannot tell you your PIN: nobody here knows it. We mail a link to the address we know; with it you choose a new PIN.",
  by: "Your customer number or your e-mail address",
  go: "Mail me a link",
  doneTitle: "Look into your mailbox",
  done: "If we know you under this and have your e-mail address, a link is on its way. It works once and for a short time.",
  none: "If no mail comes within an hour, ring us: we send you a new letter.",
};

export const INVALID_LINK = {
  title: "This link does not work",
  says: "It was used before, it is too old, or it is not complete. If you copied it, copy the whole line.",
  again: "Have a new link mailed",
};

/** Why a PIN is too weak, by the server's word. @type {Record<string, string>} */
export const WEAK = {
  run: "This PIN has four digits that count up or down, such as 2345. Choose digits without such a run.",
  repeated: "This PIN has one digit three times in a row, or four times in all. Mix the digits more.",
  few_digits: "This PIN uses too few different digits. Use at least four different ones.",
  pattern: "This PIN follows a pattern: the same block twice, the same forwards and backwards, or equal steps. Choose digits without a pattern.",
  personal: "This PIN is part of something we know of you, such as a date of birth or a telephone number. Choose digits that have nothing to do with you.",
  initial: "This is the initial PIN of the letter. Choose another one of your own.",
  default: "This is one of the first PINs everybody tries. Choose another one.",
  previous: "This is the PIN you had before. Choose another one.",
  form: "A PIN has exactly 7 digits.",
};

/** Why a web PIN is too weak, by the server's word. @type {Record<string, string>} */
export const WEAK_WEB = {
  form: "A web PIN has 8 to 64 characters.",
  common: "This is one of the most common passwords. Choose another one.",
  pattern: "This web PIN repeats one character or has characters in order. Mix them more.",
  personal: "Leave your name, your customer number and your telephone PIN out of the web PIN.",
};

/** The other answers of the server, by their code. @type {Record<string, string>} */
export const REFUSED = {
  not_registered:
    "Customer number and initial PIN do not fit together, or the initial PIN is too old or was used. Check both with the letter. If they are right, ring us: we send you a new letter.",
  weak_pin: "This PIN is too easy to guess. Choose another one.",
  weak_web_pin: "This web PIN is too easy to guess. Choose a longer one.",
  hint_gives_away: "This hint gives the PIN away. Write another one, or none.",
  hint_not_allowed: "No hint is kept here. Leave it empty.",
  invalid_email: "This is no e-mail address that we can mail to. Check it.",
  invalid_customer_id: "This is no customer number. Check it with the letter.",
};

/** What is noticed before anything is sent. */
export const CHECKS = {
  number: "Enter your customer number. It stands in the letter.",
  initial: "Enter the initial PIN. It stands in the letter.",
  pin: "Enter a PIN of exactly 7 digits.",
  again: "The two PINs are not the same. Enter the new PIN again.",
  email: "Enter your e-mail address, for example name@example.org.",
  emailAgain: "The two e-mail addresses are not the same. Check both.",
  webAgain: "The two web PINs are not the same. Enter the web PIN again.",
  web: "Enter a web PIN, or close this part.",
  by: "Enter your customer number or your e-mail address.",
};
