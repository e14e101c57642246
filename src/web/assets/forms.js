// Requests that need more than a press: their fields, as data, and the form made of them.
import { h } from "./h.js";
import { OUTCOMES } from "./words.js";

/** @typedef {{name: string, label: string, as: "text" | "long" | "tick" | "pick" | "yes_no", options?: [string, string][], required?: boolean, limit?: number}} Field */
/** @typedef {{intro?: string, submit: string, fields: Field[]}} Form */

/** @type {Record<string, Form>} */
export const FORMS = {
  transfer: {
    submit: "Transfer",
    fields: [
      { name: "to", label: "Agent or queue", as: "text", required: true, limit: 128 },
      { name: "warm", label: "Speak to the other side first (warm transfer)", as: "tick" },
    ],
  },
  set_party: {
    submit: "Save",
    fields: [
      {
        name: "role",
        label: "The person speaking is",
        as: "pick",
        options: [
          ["client", "The client"],
          ["representative", "A representative"],
          ["third_party", "A third party"],
          ["employer", "An employer"],
          ["other", "Someone else"],
        ],
      },
      { name: "customer_id", label: "Customer number, if given", as: "text", limit: 64 },
      { name: "client_present", label: "The client is present", as: "tick" },
      { name: "permission", label: "The client has given permission", as: "tick" },
    ],
  },
  offer_callback: {
    intro: "Offer to call back on the number on file. Do not read that number out.",
    submit: "Save",
    fields: [
      {
        name: "accepted",
        label: "The caller",
        as: "yes_no",
        options: [
          ["yes", "accepts a call back"],
          ["no", "declines"],
        ],
      },
    ],
  },
  proof: {
    submit: "Save",
    fields: [
      {
        name: "result",
        label: "The customer",
        as: "pick",
        options: [
          ["accepted", "accepts our proof"],
          ["declined", "declines"],
          ["call_back", "will call back on the published number"],
        ],
      },
    ],
  },
  report_bogus: {
    intro: "This goes to the security team. Write no answer, PIN or password.",
    submit: "Report",
    fields: [{ name: "details", label: "What made the call suspicious", as: "long", required: true, limit: 2000 }],
  },
  reset_security: {
    submit: "Reset",
    fields: [{ name: "reason", label: "Reason", as: "text", required: true, limit: 500 }],
  },
  unblock: { intro: "Telephone service for this account becomes possible again.", submit: "Unblock", fields: [] },
  wrap_up: {
    submit: "Save and close",
    fields: [
      { name: "outcome", label: "Outcome", as: "pick", options: OUTCOMES },
      { name: "note", label: "Note (no answers, PIN digits or passwords)", as: "long", limit: 2000 },
    ],
  },
};

/**
 * A form for one action. `submit` receives the fields' values.
 * @param {string} action @param {{busy: boolean, primary: boolean, submit: (values: Record<string, unknown>) => void, cancel?: () => void}} to
 */
export function actionForm(action, to) {
  const form = FORMS[action] ?? { submit: "Send", fields: [] };
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!to.busy) to.submit(values(form, new FormData(/** @type {HTMLFormElement} */ (event.currentTarget))));
  };
  return h(
    "form",
    { class: "form", key: action, on: { submit } },
    form.intro && h("p", null, form.intro),
    form.fields.map((field) => fieldView(action, field)),
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

/** @param {string} action @param {Field} field */
function fieldView(action, field) {
  const id = `${action}-${field.name}`;
  if (field.as === "tick")
    return h("label", { class: "tick", key: id }, h("input", { type: "checkbox", name: field.name, id }), field.label);
  const common = { id, name: field.name, required: field.required, maxlength: field.limit, autocomplete: "off" };
  const control =
    field.as === "long"
      ? h("textarea", { ...common, rows: "3" })
      : field.options
        ? h(
            "select",
            { id, name: field.name },
            field.options.map(([value, label]) => h("option", { value }, label)),
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
    if (as === "tick") read[name] = value !== null;
    else if (as === "yes_no") read[name] = value === "yes";
    else if (typeof value === "string" && value.trim() !== "") read[name] = value.trim();
  }
  return read;
}
