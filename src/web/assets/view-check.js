// The security check: what to say, the one step in hand, and the quiet rest. In a modal that opens by itself, or, put aside, on the page.
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isMine, isOutOfReach, isPending, serverTime } from "./store.js";
import { partyPanel, passwordPanel, pinPanel, afterPanels } from "./view-steps.js";
import { proofPanel } from "./view-proof.js";
import { ACTION_WORDS, badge, guide, origin, progressChips, secondary, title } from "./view-model.js";
import { questionPanel } from "./view-questions.js";
import { STALE, plain } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./main.js").Desk} Desk */

/** Steps whose button is in a panel of their own. */
const HOUSED = new Set([
  "password",
  "set_party",
  "answer",
  "mark",
  "reveal",
  "offer_callback",
  "prove",
  "proof",
  "letter_code",
]);

/** @param {Call} call @param {string} name */
const housed = (call, name) => HOUSED.has(name) || (name === "wrap_up" && call.ended_at !== null);

/** The modal (B06, B21). @param {State} state @param {Call} call @param {number} now @param {string} spoken @param {Desk} desk */
export function checkDialog(state, call, now, spoken, desk) {
  const mark = badge(call);
  const from = origin(call);
  const close = () => desk.putAside();
  return h(
    "dialog",
    {
      key: `check-${call.id}`,
      class: `check tone-${mark.tone}${call.stale ? " stale" : ""}`,
      "data-check": call.id,
      "aria-labelledby": "check-title",
      on: { close, cancel: close },
    },
    h(
      "header",
      { class: "check-top" },
      h(
        "div",
        { class: "check-badge", "data-badge": call.authentication },
        icon(mark.icon),
        h("div", null, h("p", { class: "badge-text" }, mark.text), h("p", { class: "badge-sub" }, mark.sub)),
      ),
      h(
        "div",
        { class: "check-who" },
        h(
          "h2",
          { id: "check-title", tabindex: "-1", "data-fk": "check-title" },
          h("span", { class: "unseen" }, "Security check: "),
          title(call),
        ),
        h("p", { class: "quiet" }, icon(from.icon, "small"), " ", from.text),
      ),
      h(
        "button",
        { type: "button", class: "plain", "data-fk": "put-aside", on: { click: close } },
        call.authentication === "authenticated" ? "Close" : "Put aside",
      ),
    ),
    // Above what scrolls, so that it is in sight at every step.
    staleNote(call),
    h("div", { class: "check-body" }, checkBody(state, call, now, true, desk)),
    h("div", { class: "unseen", role: "status", key: "spoken" }, spoken),
  );
}

/** @param {State} state @param {Call} call @param {number} now @param {boolean} modal @param {Desk} desk */
export function checkBody(state, call, now, modal, desk) {
  const mine = isMine(state, call);
  const to = guide(call, mine);
  const dead = isOutOfReach(state, call);
  const off = dead || isPending(state, call.id);
  const clock = serverTime(state, now);
  return [
    state.link.status !== "online" && modal && note("bad", "Not connected: steps are switched off until the connection is back."),
    state.notice && modal && state.dialog === null && note(state.notice.tone, state.notice.text),
    doNow(call, to, off, modal, mine, desk),
    chips(call),
    h(
      "div",
      { class: "work", key: "work" },
      proofPanel(state, call, to.step, clock, dead, desk),
      partyPanel(state, call, to.step, dead, desk),
      pinPanel(call, clock, off, desk),
      passwordPanel(state, call, to.step, dead, desk),
      questionPanel(state, call, to.primary, dead, desk),
      afterPanels(state, call, to.step, dead, desk),
    ),
    h(
      "div",
      { class: "quiet-part", key: "quiet-part" },
      neverSay(to.never, mine, call),
      more(call, to.primary, off, desk),
    ),
  ];
}

/** Says of a call that it may be out of date; of the others nothing. @param {Call} call */
export function staleNote(call) {
  if (!call.stale) return null;
  return h(
    "div",
    { key: "note-stale", class: "notice old", role: "status" },
    icon("stale"),
    h("span", null, STALE.notice),
  );
}

/** @param {"info" | "bad"} tone @param {string} text */
function note(tone, text) {
  return h(
    "div",
    { key: `note-${tone}-${text}`, class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(tone === "bad" ? "warn" : "dot"),
    h("span", null, text),
  );
}

/** @param {Call} call @param {ReturnType<typeof guide>} to @param {boolean} off @param {boolean} modal @param {boolean} mine @param {Desk} desk */
function doNow(call, to, off, modal, mine, desk) {
  const failed = call.authentication === "failed" || call.authentication === "blocked";
  const through = modal && call.authentication === "authenticated" && to.primary === null;
  return h(
    "section",
    { class: "do", key: "do", "aria-labelledby": "do-title" },
    call.message &&
      h(
        "p",
        {
          key: failed ? "alert" : "status",
          class: `message ${failed ? "bad" : "good"}`,
          role: failed ? "alert" : "status",
        },
        icon(failed ? "cross" : "check"),
        h("span", null, call.message),
      ),
    to.say &&
      h(
        "div",
        { class: "speech", key: "speech" },
        h("h3", null, icon("speak", "small"), "Say now"),
        h("p", { class: "say" }, to.say),
      ),
    call.reminder &&
      h(
        "div",
        { class: "remind", key: "reminder" },
        h("h3", null, "Remind the caller"),
        h("p", { class: "say" }, call.reminder),
      ),
    h(
      "div",
      { class: "do-line", key: "line" },
      h("h3", { id: "do-title" }, "Do now"),
      h("p", { class: "step" }, to.todo),
      h(
        "div",
        { class: "buttons" },
        to.primary && !housed(call, to.step) && action(call, to.primary, true, off, desk),
        through &&
          h(
            "button",
            {
              key: "continue",
              type: "button",
              class: "primary",
              "data-fk": "action:continue",
              "aria-keyshortcuts": "Enter",
              on: { click: () => desk.putAside() },
            },
            "Continue with the call",
          ),
        secondary(call, to.primary).near.map((name) => action(call, name, false, off, desk)),
      ),
    ),
    mine &&
      !modal &&
      !call.ended_at &&
      call.authentication !== "authenticated" &&
      h(
        "button",
        {
          key: "take-up",
          type: "button",
          class: "plain take-up",
          "data-fk": "take-up",
          on: { click: () => desk.takeUp() },
        },
        "Open the check in its own window",
      ),
  );
}

/** @param {Call} call */
function chips(call) {
  const all = progressChips(call);
  if (all.length === 0) return null;
  const icons = { good: "tick", bad: "x", busy: "wait", open: "dot" };
  return h(
    "ul",
    { class: "chips", key: "chips", "aria-label": "So far" },
    all.map(({ key, text, state }) => h("li", { key, class: state }, icon(icons[state], "small"), text)),
  );
}

/** @param {Call} call @param {string} name @param {boolean} primary @param {boolean} off @param {Desk} desk */
export function action(call, name, primary, off, desk) {
  const key = /** @type {Record<string, string>} */ ({ transfer: "T", wrap_up: "E" })[name];
  return h(
    "button",
    {
      key: name,
      type: "button",
      class: primary ? "primary" : "",
      "data-fk": `action:${name}`,
      "data-action": name,
      "aria-keyshortcuts": primary ? "Enter" : key,
      "aria-disabled": off ? "true" : null,
      on: { click: () => off || desk.act(call, name) },
    },
    ACTION_WORDS[name] ?? plain(name),
  );
}

/** Folded, and always reachable. @param {string[]} never @param {boolean} mine @param {Call} call */
function neverSay(never, mine, call) {
  if (!mine || call.ended_at || never.length === 0) return null;
  return h(
    "details",
    { class: "fold", key: "never", "data-fold": "never" },
    h("summary", { "data-fk": "never", "aria-keyshortcuts": "N" }, icon("mute", "small"), "Never say"),
    h(
      "ul",
      { class: "never" },
      never.map((item) => h("li", { key: item }, item)),
    ),
  );
}

/** @param {Call} call @param {string | null} primary @param {boolean} off @param {Desk} desk */
function more(call, primary, off, desk) {
  const { more: rest } = secondary(call, primary);
  if (rest.length === 0) return null;
  return h(
    "details",
    { class: "fold", key: "more", "data-fold": "more" },
    h("summary", { "data-fk": "more", "aria-keyshortcuts": "M" }, "More"),
    h(
      "div",
      { class: "buttons" },
      rest.map((name) => action(call, name, false, off, desk)),
    ),
  );
}
