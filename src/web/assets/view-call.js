// The selected call: badge, the check where it is not open as a modal, and what is known about the call.
import { actionForm } from "./forms.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isMine, isOutOfReach, isPending } from "./store.js";
import { checkBody, staleNote } from "./view-check.js";
import { badge, number, origin, party, title } from "./view-model.js";
import { clock, elapsed, plain } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./main.js").Desk} Desk */

/** @param {State} state @param {Call} call @param {number} now @param {Desk} desk */
export function callView(state, call, now, desk) {
  const dead = isOutOfReach(state, call);
  return h(
    "article",
    { class: call.stale ? "call stale" : "call", key: call.id, "aria-labelledby": "call-title", "data-call": call.id },
    state.check !== call.id && staleNote(call),
    hero(call, isMine(state, call), now),
    h(
      "div",
      { class: "panels" },
      h(
        "div",
        { class: "main-part" },
        wrapUp(state, call, dead, desk),
        state.check === call.id ? opened(call) : checkBody(state, call, now, false, desk),
      ),
      h("div", { class: "aside" }, whyPanel(call), notesPanel(call), timelinePanel(call)),
    ),
  );
}

/** What stands behind the modal. @param {Call} call */
function opened(call) {
  return h(
    "p",
    { class: "quiet opened", key: `opened-${call.id}` },
    "The security check of this call is open in front.",
  );
}

/** @param {Call} call @param {boolean} mine @param {number} now */
function hero(call, mine, now) {
  const mark = badge(call);
  const from = origin(call);
  const end = call.ended_at ? Date.parse(call.ended_at) : now;
  const { customer } = call;
  const facts = /** @type {[string, string | null | undefined][]} */ ([
    ["Number", number(call) ?? "not shown"],
    // Outbound, the dialled number is the customer's own (C29).
    ["Dialled", call.direction === "outbound" ? null : call.dnis],
    ["Queue", call.queue],
    [call.ended_at ? "Lasted" : call.agent ? "On the line" : "Waiting", elapsed(end - Date.parse(call.started_at))],
    ["Agent", mine ? null : (call.agent ?? "nobody yet")],
    ["Speaking", party(call) ?? (customer?.role && plain(customer.role))],
    ["Profile", call.policy],
    ["For", customer?.for],
    ["Remarks", customer?.flags?.map(plain).join(", ")],
    ["Line", call.media === "handed_over" ? "handed over" : null],
  ]);
  return h(
    "header",
    { class: `hero tone-${mark.tone}` },
    h(
      "div",
      { class: "badge", "data-badge": call.authentication },
      icon(mark.icon, "big"),
      h("div", null, h("p", { class: "badge-text" }, mark.text), h("p", { class: "badge-sub" }, mark.sub)),
    ),
    h(
      "div",
      { class: "who" },
      h("h2", { id: "call-title", tabindex: "-1" }, title(call)),
      h("p", { class: "origin" }, icon(from.icon), from.text),
    ),
    h(
      "dl",
      { class: "facts" },
      facts
        .filter(([, value]) => value)
        .map(([label, value]) => h("div", { key: label }, h("dt", null, label), h("dd", null, value))),
    ),
  );
}

/** @param {State} state @param {Call} call @param {boolean} dead @param {Desk} desk */
function wrapUp(state, call, dead, desk) {
  if (!call.ended_at || !call.actions.includes("wrap_up")) return null;
  return h(
    "section",
    { class: "panel", key: "wrap_up", "aria-labelledby": "wrap-title" },
    h("h3", { id: "wrap-title" }, "Wrap-up"),
    actionForm("wrap_up", {
      busy: dead || isPending(state, call.id, "wrap_up"),
      primary: true,
      call,
      submit: (values) => desk.send({ type: "wrap_up", call: call.id, ...values }),
    }),
  );
}

/** @param {Call} call */
function whyPanel(call) {
  const { why, text } = origin(call);
  const icons = { for: "tick", against: "x", neutral: "dot" };
  const sides = { for: "speaks for the caller", against: "speaks against", neutral: "neutral" };
  return h(
    "details",
    { class: "panel", key: "why", open: true },
    h("summary", null, `Why: ${text}`),
    why.length === 0
      ? h("p", { class: "quiet" }, "No evidence was recorded.")
      : h(
          "ul",
          { class: "why" },
          why.map((piece, index) =>
            h(
              "li",
              { key: String(index), class: piece.side },
              icon(icons[/** @type {"for"} */ (piece.side)], "small"),
              h(
                "span",
                null,
                h("span", { class: "unseen" }, `${sides[/** @type {"for"} */ (piece.side)]}: `),
                piece.text,
                piece.detail && h("span", { class: "quiet" }, ` (${piece.detail})`),
              ),
            ),
          ),
        ),
  );
}

/** @param {Call} call */
function notesPanel(call) {
  if (!call.notes || call.notes.length === 0) return null;
  return h(
    "details",
    { class: "panel", key: "notes", open: true },
    h("summary", null, "Notes"),
    h(
      "ul",
      { class: "notes" },
      call.notes.map((note, index) =>
        h(
          "li",
          { key: String(index) },
          typeof note === "string"
            ? note
            : [
                note.text,
                (note.by || note.at) &&
                  h("span", { class: "quiet" }, ` ${[note.by, note.at && clock(note.at)].filter(Boolean).join(", ")}`),
              ],
        ),
      ),
    ),
  );
}

/** @param {Call} call */
function timelinePanel(call) {
  if (!call.timeline || call.timeline.length === 0) return null;
  return h(
    "details",
    { class: "panel", key: "timeline", open: true },
    h("summary", null, "Timeline"),
    h(
      "ol",
      { class: "timeline" },
      call.timeline.map(({ at, what, who }, index) =>
        h(
          "li",
          { key: String(index) },
          h("time", { datetime: at }, clock(at)),
          h("span", null, plain(what), who && h("span", { class: "quiet" }, ` · ${who}`)),
        ),
      ),
    ),
  );
}
