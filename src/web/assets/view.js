// The page around the call: sign-in, header with the connection, notices, dialogs.
import { FORMS, actionForm } from "./forms.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { mark, signIn } from "./sign-in.js";
import { KEYS } from "./keys.js";
import { isOutOfReach, isPending, selectedCall } from "./store.js";
import { callView } from "./view-call.js";
import { checkDialog, staleNote } from "./view-check.js";
import { listView } from "./view-list.js";
import { ACTION_WORDS } from "./view-model.js";
import { partyForm } from "./view-steps.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./main.js").Desk} Desk */

/** The whole page for a state. @param {State} state @param {number} now @param {{shortcuts: boolean, spoken: string}} ui @param {Desk} desk */
export function page(state, now, ui, desk) {
  if (state.link.status === "signed_out") return [signIn("Sign in to the agent desktop", "Paste the token you were given. It stays in this tab only.", state.link.reason, (token) => desk.signIn(token))];
  const call = selectedCall(state);
  return [
    header(state, now, desk),
    h("div", { class: "body", key: "body" }, listView(state, now, desk), main(state, now, desk)),
    call && state.check === call.id && checkDialog(state, call, now, ui.spoken, desk),
    dialog(state, ui.shortcuts, desk),
  ];
}

/** @param {State} state @param {number} now @param {Desk} desk */
function header(state, now, desk) {
  return h(
    "header",
    { class: "top", key: "top" },
    h(
      "h1",
      { class: "brand" },
      mark(),
      h("span", null, "Countersign"),
      h("span", { class: "unseen" }, " agent desktop"),
    ),
    link(state, now, desk),
    h(
      "span",
      { class: "agent" },
      state.session && [
        h("span", { class: "unseen" }, "Signed in as "),
        state.session.name ?? state.session.agent,
        state.session.name && h("span", { class: "quiet" }, ` (${state.session.agent})`),
      ],
    ),
    h(
      "button",
      {
        type: "button",
        class: "plain",
        "data-fk": "help",
        "aria-keyshortcuts": "?",
        on: { click: () => desk.dialog("help") },
      },
      "Help",
    ),
    h(
      "button",
      { type: "button", class: "plain", "data-fk": "sign-out", on: { click: () => desk.signOut() } },
      "Sign out",
    ),
  );
}

/** @param {State} state @param {number} now @param {Desk} desk */
function link(state, now, desk) {
  const { status, retryAt } = state.link;
  if (status === "online") return h("p", { class: "link online", key: "link" }, icon("online", "small"), "Connected");
  if (status === "connecting")
    return h("p", { class: "link connecting", key: "link" }, icon("connecting", "small"), "Connecting…");
  const seconds = Math.max(1, Math.ceil(((retryAt ?? now) - now) / 1000));
  return h(
    "p",
    { class: "link offline", key: "link" },
    icon("offline", "small"),
    "Not connected",
    h(
      "button",
      { type: "button", class: "plain", "data-fk": "retry", on: { click: () => desk.retry() } },
      "Try now",
      h("span", { "aria-hidden": "true" }, ` (${seconds})`),
    ),
  );
}

/** @param {State} state @param {number} now @param {Desk} desk */
function main(state, now, desk) {
  const call = selectedCall(state);
  const stale = state.link.status !== "online";
  return h(
    "main",
    { id: "main", class: stale ? "stale" : "" },
    stale && state.link.reason && notice("bad", `${state.link.reason} What you see may be out of date.`, "link-notice"),
    state.notice &&
      state.dialog === null &&
      state.check === null &&
      !(stale && state.notice.tone === "info") &&
      notice(state.notice.tone, state.notice.text, "notice", () => desk.dismiss()),
    call ? callView(state, call, now, desk) : nothing(state),
  );
}

/** @param {string} tone @param {string} text @param {string} key @param {() => void} [dismiss] */
function notice(tone, text, key, dismiss) {
  return h(
    "div",
    { key: `${key}-${tone}`, class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(tone === "bad" ? "warn" : "dot"),
    h("span", null, text),
    dismiss && h("button", { type: "button", class: "plain", "data-fk": "dismiss", on: { click: dismiss } }, "Close"),
  );
}

/** @param {State} state */
function nothing(state) {
  return h(
    "div",
    { class: "nothing", key: "nothing" },
    icon("phone", "big"),
    h("h2", null, state.calls.size === 0 ? "No calls at the moment" : "No call selected"),
    h(
      "p",
      { class: "quiet" },
      state.calls.size === 0 ? "The next call opens here by itself." : "Choose one from the list.",
    ),
  );
}

/** @param {State} state @param {boolean} shortcuts @param {Desk} desk */
function dialog(state, shortcuts, desk) {
  if (state.dialog === null) return null;
  const call = selectedCall(state);
  const help = state.dialog === "help";
  if (!help && (!call || !(state.dialog in FORMS || state.dialog === "set_party"))) return null;
  const close = () => desk.dialog(null);
  return h(
    "dialog",
    {
      key: `dialog-${state.dialog}`,
      class: "over",
      "data-opener": help ? "help" : `action:${state.dialog}`,
      "aria-labelledby": "dialog-title",
      on: { close, cancel: close },
    },
    h("h2", { id: "dialog-title" }, help ? "Help" : ACTION_WORDS[state.dialog]),
    state.notice && notice(state.notice.tone, state.notice.text, "dialog-notice"),
    !help && call && staleNote(call),
    help || !call
      ? helpBody(shortcuts, desk)
      : state.dialog === "set_party"
        ? partyForm(state, call, isOutOfReach(state, call), desk, close)
        : actionForm(state.dialog, {
            busy: isOutOfReach(state, call) || isPending(state, call.id),
            primary: true,
            call,
            cancel: close,
            submit: (values) => desk.send({ type: /** @type {string} */ (state.dialog), call: call.id, ...values }),
          }),
  );
}

/** @param {boolean} shortcuts @param {Desk} desk */
function helpBody(shortcuts, desk) {
  return h(
    "div",
    { class: "form" },
    h(
      "p",
      null,
      "The badge says what is proven about the caller. “Do now” says what comes next. PIN digits are keyed by the caller and never shown to anyone.",
    ),
    h(
      "label",
      { class: "tick" },
      h("input", {
        type: "checkbox",
        checked: shortcuts,
        on: { change: (/** @type {any} */ event) => desk.shortcuts(event.currentTarget.checked) },
      }),
      "Single-key shortcuts",
    ),
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([keys, does]) =>
        h(
          "div",
          { key: does },
          h(
            "dt",
            null,
            keys.map((name) => h("kbd", { key: name }, name)),
          ),
          h("dd", null, does),
        ),
      ),
    ),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "primary", on: { click: () => desk.dialog(null) } }, "Close"),
    ),
  );
}
