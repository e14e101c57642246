// Requests that need more than a press: their fields, as data, and the form made of them.
import { h } from "./h.js";
import { DEFERRALS, FAILED_OUTCOME, OUTCOMES } from "./words.js";

/** @typedef {{name: string, label: string, as: "text" | "long" | "pick" | "yes_no", options?: [string, string, string?][], start?: string, required?: boolean, limit?: number}} Field */
/** @typedef {{intro?: string, submit: string, fields: Field[]}} Form */

/** @type {Record<string, Form>} */
export const FORMS = {
  transfer: {
    submit: "Transfer",
    fields: [
      { name: "to", label: "Agent, or queue:NAME", as: "text", required: true, limit: 128 },
      {
        name: "warm",
        label: "How",
        as: "yes_no",
        start: "no",
        options: [
          ["no", "Send the call on", "The check does not go along: the other agent starts anew."],
          ["yes", "Hand it on in person (warm)", "You introduce the caller; the result of the check goes along."],
        ],
      },
    ],
  },
  offer_callback: {
    intro: "Say that we will ring the number we hold. Do not say or confirm any part of it.",
    submit: "Save the answer",
    fields: [
      {
        name: "accepted",
        label: "The caller",
        as: "yes_no",
        required: true,
        options: [
          ["yes", "accepts a call back"],
          ["no", "refuses"],
        ],
      },
    ],
  },
  report_bogus: {
    intro: "This goes to the Security Advice and Support Centre, once for this call. Write no answer, PIN or password.",
    submit: "Report",
    fields: [{ name: "details", label: "What made the call suspicious", as: "long", required: true, limit: 2000 }],
  },
  reset_security: {
    intro: "The PIN and the password stop working at once; the customer sets up new ones.",
    submit: "Reset",
    fields: [{ name: "reason", label: "Reason", as: "text", required: true, limit: 500 }],
  },
  unblock: {
    intro: "Telephone service for this account becomes possible again.",
    submit: "Unblock",
    fields: [{ name: "reason", label: "Reason", as: "text", required: true, limit: 500 }],
  },
  wrap_up: {
    submit: "Save and close",
    fields: [
      { name: "outcome", label: "Outcome", as: "pick", options: OUTCOMES },
      { name: "note", label: "Note (no answers, PIN digits or passwords)", as: "long", limit: 2000 },
    ],
  },
};

/**
 * What closes a call whose check failed comes first and to the letter (C69); one that owes new security details is
 * closed with the reason for putting them off (C21).
 * @param {import("./store.js").Call | undefined} call
 */
function outcomes(call) {
  if (call?.enrolment_required) return DEFERRALS;
  const failed = /** @type {[string, string]} */ ([FAILED_OUTCOME, FAILED_OUTCOME]);
  return call?.authentication === "failed" ? [failed, ...OUTCOMES] : OUTCOMES;
}

/**
 * A form for one action. `submit` receives the fields' values.
 * @param {string} action @param {{busy: boolean, primary: boolean, call?: import("./store.js").Call, submit: (values: Record<string, unknown>) => void, cancel?: () => void}} to
 */
export function actionForm(action, to) {
  const form = FORMS[action] ?? { submit: "Send", fields: [] };
  const submit = submitter((data) => {
    if (!to.busy) to.submit(values(form, data));
  });
  return h(
    "form",
    { class: "form", key: action, on: { submit, keydown: submitFromSelect } },
    form.intro && h("p", null, form.intro),
    form.fields.map((field) =>
      fieldView(
        action,
        action === "wrap_up" && field.name === "outcome" ? { ...field, options: outcomes(to.call) } : field,
      ),
    ),
    h(
      "div",
      { class: "buttons" },
      h(
        "button",
        {
          type: "submit",
          class: to.primary ? "primary" : "",
          "aria-disabled": to.busy ? "true" : null,
          "data-fk": `submit:${action}`,
        },
        form.submit,
      ),
      to.cancel && h("button", { type: "button", on: { click: to.cancel } }, "Cancel"),
    ),
  );
}

/** Enter in a list of choices submits, as it does in every other field. @param {KeyboardEvent} event */
function submitFromSelect(event) {
  if (event.key !== "Enter" || event.repeat || !(event.target instanceof HTMLSelectElement)) return;
  event.preventDefault();
  event.target.form?.requestSubmit();
}

/** A submit handler that gets the form's data and keeps the page where it is. @param {(data: FormData, form: HTMLFormElement) => void} then */
export function submitter(then) {
  return (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    then(new FormData(form), form);
  };
}

/**
 * One choice of several, every one of them in sight.
 * @param {{name: string, legend: string, options: [string, string, string?][], chosen: string, required?: boolean, row?: boolean, pick?: (value: string) => void}} of
 */
export function choice({ name, legend, options, chosen, required = false, row = false, pick }) {
  return h(
    "fieldset",
    { class: row ? "choice row-of" : "choice", key: `choice-${name}` },
    h("legend", null, legend),
    options.map(([value, label, hint]) =>
      h(
        "label",
        { class: "pick", key: value },
        h("input", {
          type: "radio",
          name,
          value,
          required,
          checked: chosen === value,
          "data-fk": `${name}:${value}`,
          on: pick ? { change: () => pick(value) } : {},
        }),
        h("span", null, label, hint && h("span", { class: "quiet hint" }, hint)),
      ),
    ),
  );
}

/** @param {string} action @param {Field} field */
function fieldView(action, field) {
  const id = `${action}-${field.name}`;
  if (field.as === "yes_no")
    return choice({
      name: field.name,
      legend: field.label,
      options: field.options ?? [],
      chosen: field.start ?? "",
      required: field.required,
    });
  const common = { id, name: field.name, required: field.required, maxlength: field.limit, autocomplete: "off" };
  const control =
    field.as === "long"
      ? h("textarea", { ...common, rows: "3" })
      : field.options
        ? h(
            "select",
            { id, name: field.name },
            field.options.map(([value, label]) => h("option", { value, key: value }, label)),
          )
        : h("input", { ...common, type: "text" });
  return h("div", { class: "field", key: id }, h("label", { for: id }, field.label), control);
}

/** @param {Form} form @param {FormData} data */
function values(form, data) {
  /** @type {Record<string, unknown>} */
  const read = {};
  for (const { name, as } of form.fields) {
    const value = data.get(name);
    if (as === "yes_no") read[name] = value === "yes";
    else if (typeof value === "string" && value.trim() !== "") read[name] = value.trim();
  }
  return read;
}
