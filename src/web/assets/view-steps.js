// The steps of the check that are not questions: who speaks, PIN, password, and what follows the result.
import { actionForm, choice, submitter } from "./forms.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { isPending } from "./store.js";
import { ACTION_WORDS, asksPassword, countdown, pin } from "./view-model.js";
import { PARTY_WORDS } from "./words.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./main.js").Desk} Desk */

/** The step that comes before all others where the profile asks for it (C11). @param {State} state @param {Call} call @param {string} step @param {boolean} dead @param {Desk} desk */
export function partyPanel(state, call, step, dead, desk) {
  if (step !== "set_party") return null;
  return h(
    "section",
    { class: "panel", key: "party", "aria-labelledby": "party-title" },
    h("h3", { id: "party-title" }, "Who is speaking"),
    partyForm(state, call, dead, desk),
  );
}

/** Roles whose client must be there and agree (C13, C14). A representative only with the client's number. */
const BESIDE_CLIENT = new Set(["other"]);

/** @param {State} state @param {Call} call @param {boolean} dead @param {Desk} desk @param {() => void} [cancel] */
export function partyForm(state, call, dead, desk, cancel) {
  const { draft } = state;
  const set = call.party;
  // What the record says is not taken for what the caller says.
  const role = draft.role ?? (set?.set_by === "record" ? "" : set?.role) ?? "";
  const whose = draft.whose ?? (set?.client_present == null ? "" : "client");
  const beside = BESIDE_CLIENT.has(role) || (role === "representative" && whose === "client");
  const word = (/** @type {boolean | null | undefined} */ value) => (value == null ? "" : value ? "yes" : "no");
  const present = draft.present ?? word(set?.client_present);
  const permission = draft.permission ?? word(set?.permission);
  const draws = (/** @type {string} */ name) => (/** @type {string} */ value) => desk.draft(name, value);
  const submit = submitter((data) => {
    const said = (/** @type {string} */ name) =>
      data.get(name) === "yes" ? true : data.get(name) === "no" ? false : undefined;
    const number = String(data.get("customer_id") ?? "").trim();
    if (dead || isPending(state, call.id, "set_party") || !data.get("role")) return;
    desk.send({
      type: "set_party",
      call: call.id,
      role: data.get("role"),
      ...(number === "" ? {} : { customer_id: number }),
      ...(said("present") === undefined ? {} : { client_present: said("present") }),
      ...(said("permission") === undefined ? {} : { permission: said("permission") }),
    });
  });
  const yesNo = /** @type {[string, string][]} */ ([
    ["yes", "Yes"],
    ["no", "No"],
  ]);
  return h(
    "form",
    { class: "form", key: `party-${call.id}`, on: { submit } },
    choice({
      name: "role",
      legend: "The person speaking is",
      options: Object.entries(PARTY_WORDS),
      chosen: role,
      required: true,
      pick: draws("role"),
    }),
    role === "representative" &&
      choice({
        name: "whose",
        legend: "Which customer number do they give?",
        options: [
          ["own", "Their own"],
          ["client", "The client's"],
        ],
        chosen: whose,
        row: true,
        pick: draws("whose"),
      }),
    beside &&
      choice({
        name: "present",
        legend: "Is the client with them?",
        options: yesNo,
        chosen: present,
        required: true,
        row: true,
        pick: draws("present"),
      }),
    beside &&
      present === "yes" &&
      choice({
        name: "permission",
        legend: "Does the client allow them to speak? (May be asked after the check.)",
        options: yesNo,
        chosen: permission,
        row: true,
        pick: draws("permission"),
      }),
    beside &&
      present === "no" &&
      h(
        "p",
        { class: "quiet", key: "absent" },
        "Without the client nothing can be discussed: explain data protection, end the call, and record who called.",
      ),
    h(
      "div",
      { class: "field", key: "number" },
      h("label", { for: "party-number" }, "Customer number they give (if any)"),
      h("input", {
        id: "party-number",
        name: "customer_id",
        type: "text",
        inputmode: "numeric",
        autocomplete: "off",
        maxlength: "64",
        "data-fk": "party:number",
      }),
    ),
    h(
      "div",
      { class: "buttons" },
      h(
        "button",
        {
          type: "submit",
          class: "primary",
          "data-fk": "submit:set_party",
          "data-action": "set_party",
          "aria-disabled": dead ? "true" : null,
        },
        "Save who is speaking",
      ),
      cancel && h("button", { type: "button", on: { click: cancel } }, "Cancel"),
    ),
  );
}

/** @param {Call} call @param {number} now the server's time @param {boolean} off @param {Desk} desk */
export function pinPanel(call, now, off, desk) {
  const view = pin(call);
  if (view === null || !view.running) return null;
  const left = countdown(call, now);
  return h(
    "section",
    { class: "panel pin", key: "pin", "aria-labelledby": "pin-title" },
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
    h("p", { class: "progress" }, view.progress),
    h(
      "div",
      { class: "pin-foot" },
      left &&
        h(
          "p",
          { class: "timer", role: "timer", key: "timer" },
          ring(left.share),
          h("span", { class: "left" }, `${left.seconds} s`),
          h("span", null, left.seconds > 0 ? "left for this digit" : "time is up: it is asked again, or ends"),
        ),
      call.actions.includes("cancel_pin") &&
        h(
          "button",
          {
            type: "button",
            key: "cancel",
            "data-fk": "action:cancel_pin",
            "data-action": "cancel_pin",
            "aria-disabled": off ? "true" : null,
            on: { click: () => off || desk.act(call, "cancel_pin") },
          },
          ACTION_WORDS.cancel_pin,
        ),
    ),
  );
}

/** @param {number} share 0 to 1 */
function ring(share) {
  return h(
    "svg",
    { class: "ring", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    h("circle", { class: "ring-back", cx: "12", cy: "12", r: "9" }),
    h("circle", {
      class: "ring-left",
      cx: "12",
      cy: "12",
      r: "9",
      pathLength: "100",
      "stroke-dasharray": `${Math.round(share * 100)} 100`,
      transform: "rotate(-90 12 12)",
    }),
  );
}

/** @param {number} position */
const nth = (position) => ["1st", "2nd", "3rd"][position - 1] ?? `${position}th`;

/** Typed once, sent once, and gone from the page. @param {State} state @param {Call} call @param {string} step @param {boolean} dead @param {Desk} desk */
export function passwordPanel(state, call, step, dead, desk) {
  if (!asksPassword(call)) return null;
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
        {
          type: "submit",
          class: step === "password" ? "primary" : "",
          "aria-disabled": off ? "true" : null,
          "data-fk": "submit:password",
          "data-action": "password",
        },
        ACTION_WORDS.password,
      ),
    ),
  );
}

/** What follows the result: the call back (C48), new security details (C21). @param {State} state @param {Call} call @param {string} step @param {boolean} dead @param {Desk} desk */
export function afterPanels(state, call, step, dead, desk) {
  const may = new Set(call.actions);
  return [
    call.enrolment_required &&
      h(
        "section",
        { class: "panel remind", key: "enrolment", "aria-labelledby": "enrolment-title" },
        h("h3", { id: "enrolment-title" }, icon("reset", "small"), " Security details to be set up"),
        h(
          "p",
          null,
          "Collect a PIN and a password before the call is closed (Security set-up), or close it with a reason for putting that off.",
        ),
      ),
    may.has("offer_callback") &&
      h(
        "section",
        { class: "panel", key: "callback", "aria-labelledby": "callback-title" },
        h("h3", { id: "callback-title" }, "Call back"),
        actionForm("offer_callback", {
          busy: dead || isPending(state, call.id, "offer_callback"),
          primary: step === "offer_callback",
          submit: (values) => desk.send({ type: "offer_callback", call: call.id, ...values }),
        }),
      ),
  ];
}
