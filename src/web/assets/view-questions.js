// The security questions: what is read out, what is on file, how it was answered.
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isPending } from "./store.js";
import { ACTION_WORDS, questions } from "./view-model.js";
import { QUESTION_KINDS } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./main.js").Desk} Desk */

/** Once it is decided, nothing says which answer was right or wrong (C47). */
const OVER = new Set(["authenticated", "failed", "blocked", "reset_required", "system_unavailable"]);

/** @param {State} state @param {Call} call @param {string | null} primary @param {boolean} dead @param {Desk} desk */
export function questionPanel(state, call, primary, dead, desk) {
  const view = questions(call, state.question);
  if (view === null || OVER.has(call.authentication)) return null;
  const off = dead || isPending(state, call.id, "mark") || isPending(state, call.id, "finish");
  const pips = Array.from({ length: view.required }, (_, index) =>
    h("span", { key: String(index), class: index < view.correct ? "pip full" : "pip" }),
  );
  return h(
    "section",
    { class: "panel questions", key: "questions", "aria-labelledby": "questions-title" },
    h(
      "h3",
      { id: "questions-title" },
      QUESTION_KINDS[view.kind] ?? QUESTION_KINDS.check,
      h("span", { class: "count" }, view.counter, " ", h("span", { class: "pips", "aria-hidden": "true" }, pips)),
    ),
    h(
      "ol",
      null,
      view.items.map((item) =>
        view.kind === "employer"
          ? confirmation(call, item, off, desk)
          : question(state, call, item, primary, dead, off, desk),
      ),
    ),
    primary !== "finish" &&
      call.actions.includes("finish") &&
      h(
        "div",
        { class: "buttons" },
        h(
          "button",
          {
            type: "button",
            "data-fk": "finish",
            "data-action": "finish",
            "aria-disabled": off ? "true" : null,
            on: { click: () => off || desk.act(call, "finish") },
          },
          ACTION_WORDS.finish,
        ),
      ),
  );
}

/** @typedef {NonNullable<ReturnType<typeof questions>>["items"][number]} Item */

/** C08: no question, a tick for what was confirmed. @param {Call} call @param {Item} item @param {boolean} off @param {Desk} desk */
function confirmation(call, item, off, desk) {
  return h(
    "li",
    { key: item.key, class: `question tick-line ${item.mark ?? ""}`.trim(), "data-question": item.key },
    h(
      "label",
      { class: "tick" },
      h("input", {
        type: "checkbox",
        checked: item.mark === "right",
        disabled: !item.canMark,
        "data-fk": `tick:${item.key}`,
        on: {
          // The tick shows what the server holds, not what was pressed.
          change: (/** @type {any} */ event) => {
            const box = event.currentTarget;
            const correct = box.checked;
            box.checked = item.mark === "right";
            if (!off) desk.send({ type: "mark", call: call.id, question: item.key, correct });
          },
        },
      }),
      h("span", { class: "ask" }, item.text),
    ),
  );
}

/** @param {State} state @param {Call} call @param {Item} item @param {string | null} primary @param {boolean} dead @param {boolean} off @param {Desk} desk */
function question(state, call, item, primary, dead, off, desk) {
  const mark = (/** @type {boolean} */ correct) => () =>
    off || desk.send({ type: "mark", call: call.id, question: item.key, correct });
  const tick = (/** @type {"right" | "wrong"} */ side) =>
    h(
      "button",
      {
        type: "button",
        class: `mark-${side}`,
        "aria-pressed": item.mark === side ? "true" : "false",
        "data-fk": `${side}:${item.key}`,
        "aria-disabled": off || !item.canMark ? "true" : null,
        "aria-describedby": `question-${item.key}`,
        on: { click: off || !item.canMark ? () => {} : mark(side === "right") },
      },
      icon(side === "right" ? "tick" : "x", "small"),
      side === "right" ? "Right" : "Wrong",
    );
  return h(
    "li",
    {
      key: item.key,
      class: `question ${item.current ? "current" : ""} ${item.mark ?? ""}`.trim(),
      tabindex: "-1",
      "data-question": item.key,
      "aria-current": item.current ? "step" : null,
      on: { focusin: () => desk.question(item.key) },
    },
    h("span", { class: "number", "aria-hidden": "true" }, item.number),
    h("p", { class: "ask", id: `question-${item.key}` }, item.text),
    h(
      "div",
      { class: "reply" },
      item.answer !== null &&
        h("p", { class: "answer" }, h("span", { class: "quiet" }, "On file: "), h("strong", null, item.answer)),
      item.missing && h("p", { class: "quiet" }, "Nothing is on file for this."),
      item.canReveal &&
        item.mark === null &&
        h(
          "button",
          {
            type: "button",
            class: item.current ? "" : "plain",
            "data-fk": `reveal:${item.key}`,
            "aria-describedby": `question-${item.key}`,
            "aria-disabled": off ? "true" : null,
            on: { click: () => off || desk.send({ type: "reveal", call: call.id, question: item.key }) },
          },
          "Caller has answered: show ours",
        ),
      item.canAnswer && answerForm(call, item, primary === "answer", dead || isPending(state, call.id, "answer"), desk),
      (item.canMark || item.mark !== null) &&
        h(
          "div",
          { class: "ticks", role: "group", "aria-label": `Question ${item.number}` },
          tick("right"),
          tick("wrong"),
        ),
    ),
  );
}

/** For blind questions: the daemon compares, the agent sees no answer. @param {Call} call @param {Item} item @param {boolean} primary @param {boolean} off @param {Desk} desk */
function answerForm(call, { key, current }, primary, off, desk) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const value = String(new FormData(form).get("value") ?? "").trim();
    if (off || value === "") return;
    form.reset();
    desk.send({ type: "answer", call: call.id, question: key, value });
  };
  return h(
    "form",
    { class: "form inline", on: { submit } },
    h(
      "div",
      { class: "field" },
      h("label", { for: `answer-${key}` }, "What the caller says"),
      h("input", {
        id: `answer-${key}`,
        name: "value",
        type: "text",
        autocomplete: "off",
        maxlength: "200",
        "data-fk": `answer:${key}`,
      }),
    ),
    h(
      "button",
      {
        type: "submit",
        class: primary && current ? "primary" : "",
        "data-fk": `submit:answer:${key}`,
        "aria-disabled": off ? "true" : null,
      },
      "Compare",
    ),
  );
}
