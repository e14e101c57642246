// Outbound: first we prove who we are (O01). What to read out, the reference, how long it holds, and what came of it.
import { choice, submitter } from "./forms.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isPending } from "./store.js";
import { PROOF_METHODS, PROOF_STAGES, clock, elapsed, plain } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./store.js").Proof} Proof */
/** @typedef {import("./main.js").Desk} Desk */

/** Beside the ways to prove ourselves: none of them. */
const DECLINES = "declined";

/** @param {State} state @param {Call} call @param {string} step @param {number} now the server's time @param {boolean} dead @param {Desk} desk */
export function proofPanel(state, call, step, now, dead, desk) {
  const { proof } = call;
  if (!proof || proof.stage === "proved") return null;
  const may = new Set(call.actions);
  return h(
    "section",
    { class: `panel proof ${proof.stage}`, key: "proof", "aria-labelledby": "proof-title" },
    h(
      "h3",
      { id: "proof-title" },
      "Our proof",
      h("span", { class: "count" }, PROOF_STAGES[proof.stage] ?? plain(proof.stage)),
    ),
    spoken(proof, now),
    step === "letter_code" && letterCode(state, call, dead, desk),
    proof.stage === "intro" && may.has("prove") && methods(state, call, proof, true, dead, desk),
    proof.stage === "pending" && may.has("proof") && results(state, call, proof, step === "proof", dead, desk),
    proof.stage === "pending" &&
      may.has("prove") &&
      h(
        "details",
        { class: "fold", key: "other-way" },
        h("summary", null, "Another way to prove who we are"),
        methods(state, call, proof, false, dead, desk),
      ),
    proof.stage === "waived" &&
      h("p", { key: "waived" }, "No PIN can be asked on this call; only questions with little at stake."),
    proof.stage === "declined" &&
      h("p", { key: "declined" }, "End the call politely. Nothing is counted against the customer."),
  );
}

/** @param {State} state @param {Call} call @param {Proof} proof @param {boolean} primary @param {boolean} dead @param {Desk} desk */
function methods(state, call, proof, primary, dead, desk) {
  const off = dead || isPending(state, call.id, "prove");
  const offered = (proof.methods ?? Object.keys(PROOF_METHODS)).filter((name) => name in PROOF_METHODS);
  const submit = submitter((data) => {
    const method = data.get("method");
    if (off || !method) return;
    if (method === DECLINES) desk.send({ type: "proof", call: call.id, result: "declined" });
    else desk.send({ type: "prove", call: call.id, method });
  });
  const ways = offered.map(
    (name) =>
      /** @type {[string, string, string]} */ ([
        name,
        PROOF_METHODS[name]?.[0] ?? plain(name),
        PROOF_METHODS[name]?.[1] ?? "",
      ]),
  );
  const leaves = /** @type {[string, string, string]} */ ([
    DECLINES,
    "The customer declines",
    "End the call politely; nothing is counted.",
  ]);
  return h(
    "form",
    { class: "form", key: "methods", on: { submit } },
    choice({
      name: "method",
      legend: "The customer chooses how",
      options: call.actions.includes("proof") && primary ? [...ways, leaves] : ways,
      chosen: state.draft.method ?? "",
      required: true,
      pick: (value) => desk.draft("method", value),
    }),
    h(
      "div",
      { class: "buttons" },
      h(
        "button",
        {
          type: "submit",
          class: primary ? "primary" : "",
          "data-fk": "submit:prove",
          "data-action": "prove",
          "aria-disabled": off ? "true" : null,
        },
        "Go on with this",
      ),
    ),
  );
}

/** @param {Proof} proof @param {number} now */
function spoken(proof, now) {
  const until = Date.parse(proof.expires_at ?? "");
  const open = proof.stage === "pending" || proof.stage === "call_back";
  if (!open) return null;
  const left = until - now;
  return h(
    "div",
    { class: "spoken", key: "spoken" },
    proof.speak && [
      h(
        "p",
        { class: "quiet", key: "how" },
        proof.method === "letter" ? "Read out our code, once, and before you ask for theirs" : "Read out this number",
      ),
      h("p", { class: "aloud", key: "speak" }, grouped(proof.speak)),
    ],
    proof.reference && [
      h(
        "p",
        { class: "quiet", key: "ref" },
        "Reference to quote when they ring. Give no telephone number: they look it up on a card, a letter or our website, and wait five minutes or use another line.",
      ),
      h("p", { class: "aloud", key: "reference" }, grouped(proof.reference)),
    ],
    proof.method === "app" &&
      h("p", { key: "tap" }, "The page goes on by itself when the customer taps the right number."),
    !Number.isNaN(until) &&
      h(
        "p",
        { class: "quiet", key: "until" },
        icon("wait", "small"),
        left > 0
          ? ` Good for another ${left > 3_600_000 ? `${Math.floor(left / 3_600_000)} h` : elapsed(left)} (until ${clock(proof.expires_at ?? "")})`
          : " No longer good",
      ),
  );
}

/** `123456` → `123 456`: easier to read aloud. @param {string} code */
const grouped = (code) => (code.length > 3 ? code.replace(/(.{3})(?=.)/g, "$1 ") : code);

/** The customer's half of the letter's pair: typed once, sent once, compared by the daemon. @param {State} state @param {Call} call @param {boolean} dead @param {Desk} desk */
function letterCode(state, call, dead, desk) {
  const submit = submitter((data, form) => {
    const value = String(data.get("value") ?? "").trim();
    if (dead || isPending(state, call.id, "answer") || value === "") return;
    form.reset();
    desk.send({ type: "answer", call: call.id, question: "letter_code", value });
  });
  return h(
    "form",
    { class: "form inline", key: "letter-code", on: { submit } },
    h(
      "div",
      { class: "field" },
      h("label", { for: "proof-value" }, "The code on their letter, as they say it"),
      h("input", {
        id: "proof-value",
        name: "value",
        type: "text",
        inputmode: "numeric",
        autocomplete: "off",
        maxlength: "16",
        "data-fk": "proof:value",
      }),
    ),
    h(
      "button",
      {
        type: "submit",
        class: "primary",
        "data-fk": "submit:letter_code",
        "data-action": "answer",
        "aria-disabled": dead ? "true" : null,
      },
      "Compare",
    ),
  );
}

/** What the customer makes of it. In the app their tap says it, not the agent. @param {State} state @param {Call} call @param {Proof} proof @param {boolean} primary @param {boolean} dead @param {Desk} desk */
function results(state, call, proof, primary, dead, desk) {
  const off = dead || isPending(state, call.id, "proof");
  const submit = submitter((data) => {
    if (!off && data.get("result")) desk.send({ type: "proof", call: call.id, result: data.get("result") });
  });
  const heard = proof.method === "letter" && proof.speak;
  return h(
    "form",
    { class: "form", key: `results-${heard ? "first" : "then"}`, on: { submit } },
    choice({
      name: "result",
      legend: proof.method === "app" ? "Or the customer" : "The customer",
      options: /** @type {[string, string][]} */ ([
        ...(heard ? [["accepted", "finds the same code on the letter"]] : []),
        ["call_back", "would rather ring us"],
        ["declined", "declines, or it does not fit"],
      ]),
      chosen: state.draft.result ?? "",
      required: true,
      pick: (value) => desk.draft("result", value),
    }),
    h(
      "div",
      { class: "buttons" },
      h(
        "button",
        {
          type: "submit",
          class: primary ? "primary" : "",
          "data-fk": "submit:proof",
          "data-action": "proof",
          "aria-disabled": off ? "true" : null,
        },
        "Save",
      ),
    ),
  );
}
