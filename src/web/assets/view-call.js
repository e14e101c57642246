// The selected call: badge, what to do now, and the panels of the check.
import { actionForm } from "./forms.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isMine, isPending } from "./store.js";
import { ACTION_WORDS, asksPassword, badge, guide, origin, pin, secondary, title } from "./view-model.js";
import { questionPanel } from "./view-questions.js";
import { clock, elapsed, plain } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./main.js").Desk} Desk */

/** Primary actions whose button is in a panel of their own. */
const HOUSED = new Set(["password", "wrap_up"]);

/** @param {State} state @param {Call} call @param {number} now @param {Desk} desk */
export function callView(state, call, now, desk) {
  const to = guide(call, isMine(state, call));
  const dead = state.link.status !== "online";
  return h(
    "article",
    { class: "call", key: call.id, "aria-labelledby": "call-title", "data-call": call.id },
    hero(call, isMine(state, call), now),
    doNow(state, call, to, dead, desk),
    h(
      "div",
      { class: "panels" },
      h(
        "div",
        { class: "work" },
        pinPanel(call),
        proofPanel(call),
        passwordPanel(state, call, dead, desk),
        questionPanel(state, call, to.primary, dead, desk),
        wrapUp(state, call, dead, desk),
      ),
      h("div", { class: "aside" }, whyPanel(call), notesPanel(call), timelinePanel(call)),
    ),
  );
}

/** @param {Call} call @param {boolean} mine @param {number} now */
function hero(call, mine, now) {
  const mark = badge(call);
  const from = origin(call);
  const end = call.ended_at ? Date.parse(call.ended_at) : now;
  const { customer } = call;
  const facts = /** @type {[string, string | null | undefined][]} */ ([
    ["Number", call.ani_display || "not shown"],
    ["Dialled", call.dnis],
    ["Queue", call.queue],
    [call.ended_at ? "Lasted" : call.agent ? "On the line" : "Waiting", elapsed(end - Date.parse(call.started_at))],
    ["Agent", mine ? null : (call.agent ?? "nobody yet")],
    ["Speaking as", customer?.role && plain(customer.role)],
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
      h("p", { class: "origin" }, icon(from.icon), from.text, call.direction === "outbound" && " · we are calling"),
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

/** @param {State} state @param {Call} call @param {ReturnType<typeof guide>} to @param {boolean} dead @param {Desk} desk */
function doNow(state, call, to, dead, desk) {
  const busy = isPending(state, call.id);
  const failed = call.authentication === "failed" || call.authentication === "blocked";
  return h(
    "section",
    { class: "do", "aria-labelledby": "do-title" },
    h("h3", { id: "do-title" }, "Do now"),
    h(
      "div",
      { class: "do-body" },
      call.message &&
        h(
          "p",
          {
            key: failed ? "alert" : "status",
            class: `message ${failed ? "bad" : "good"}`,
            role: failed ? "alert" : "status",
          },
          call.message,
        ),
      h("p", { class: "say" }, to.say),
      to.never.length > 0 &&
        h(
          "ul",
          { class: "never" },
          to.never.map((item) => h("li", { key: item }, icon("mute", "small"), item)),
        ),
    ),
    h(
      "div",
      { class: "buttons" },
      to.primary && !HOUSED.has(to.primary) && action(call, to.primary, true, dead || busy, desk),
      secondary(call, to.primary).map((name) => action(call, name, false, dead || busy, desk)),
    ),
  );
}

/** @param {Call} call @param {string} name @param {boolean} primary @param {boolean} off @param {Desk} desk */
function action(call, name, primary, off, desk) {
  return h(
    "button",
    {
      key: name,
      type: "button",
      class: primary ? "primary" : "",
      "data-fk": `action:${name}`,
      "data-action": name,
      "aria-keyshortcuts": primary ? "Enter" : null,
      "aria-disabled": off ? "true" : null,
      on: { click: () => off || desk.act(call, name) },
    },
    ACTION_WORDS[name] ?? plain(name),
  );
}

/** @param {Call} call */
function pinPanel(call) {
  const view = pin(call);
  if (view === null) return null;
  const result = view.result === "correct" ? "good" : view.result === "incorrect" ? "bad" : "";
  return h(
    "section",
    { class: `panel pin ${view.running ? "" : "done"}`.trim(), key: "pin", "aria-labelledby": "pin-title" },
    h("h3", { id: "pin-title" }, "PIN check", h("span", { class: "count" }, view.attempt)),
    h(
      "div",
      { class: "slots", "aria-hidden": "true" },
      view.slots.map(({ position, state }) =>
        h(
          "span",
          { key: String(position), class: `slot ${state}` },
          h("span", { class: "hole" }, state === "entered" ? "●" : state === "asked" ? "○" : "·"),
          h("span", { class: "nth" }, nth(position)),
        ),
      ),
    ),
    h("p", { class: `progress ${result}` }, result && icon(result === "good" ? "check" : "cross"), view.progress),
    view.result !== null && view.asked && h("p", { class: "quiet" }, view.asked),
  );
}

/** @param {number} position */
const nth = (position) => ["1st", "2nd", "3rd"][position - 1] ?? `${position}th`;

/** What the agent reads out to prove who we are. @param {Call} call */
function proofPanel(call) {
  const { proof } = call;
  if (!proof) return null;
  const words = Object.entries(proof).filter(([, value]) => typeof value === "string" || typeof value === "number");
  return h(
    "section",
    { class: "panel", key: "proof", "aria-labelledby": "proof-title" },
    h("h3", { id: "proof-title" }, "Our proof"),
    h(
      "dl",
      { class: "facts" },
      words.map(([name, value]) => h("div", { key: name }, h("dt", null, plain(name)), h("dd", null, String(value)))),
    ),
  );
}

/** @param {State} state @param {Call} call @param {boolean} dead @param {Desk} desk */
function passwordPanel(state, call, dead, desk) {
  if (!asksPassword(call)) {
    const result = call.password?.result;
    return result
      ? h(
          "section",
          { class: "panel", key: "password" },
          h("h3", null, "Password"),
          h("p", { class: "progress" }, plain(result)),
        )
      : null;
  }
  const off = dead || isPending(state, call.id, "password");
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement | null} */ (document.getElementById("password-value"));
    if (!field || off || field.value === "") return;
    const value = field.value;
    field.value = "";
    desk.send({ type: "password", call: call.id, value });
  };
  return h(
    "section",
    { class: "panel", key: "password", "aria-labelledby": "password-title" },
    h("h3", { id: "password-title" }, "Password"),
    h(
      "form",
      { class: "form inline", on: { submit } },
      h(
        "div",
        { class: "field" },
        h("label", { for: "password-value" }, "What the caller says"),
        h("input", {
          id: "password-value",
          type: "password",
          autocomplete: "off",
          maxlength: "128",
          "data-fk": "password",
        }),
      ),
      h(
        "button",
        { type: "submit", class: "primary", "aria-disabled": off ? "true" : null, "data-fk": "submit:password" },
        ACTION_WORDS.password,
      ),
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
      call.timeline.map(({ at, what }, index) =>
        h("li", { key: String(index) }, h("time", { datetime: at }, clock(at)), h("span", null, plain(what))),
      ),
    ),
  );
}
