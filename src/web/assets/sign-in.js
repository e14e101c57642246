// What both pages begin with: the product's sign, and the way in.
import { h } from "./h.js";
import { icon } from "./icons.js";

/** The product's sign. */
export function mark() {
  return h(
    "svg",
    { class: "sign", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    h("rect", { class: "sign-back", width: "32", height: "32", rx: "8" }),
    h("path", { class: "sign-call", d: "M7.5 11.5 12 16l-4.5 4.5" }),
    h("path", { class: "sign-answer", d: "m13.5 17 4 4 8-10" }),
  );
}

/** @param {string} title @param {string} hint @param {string | undefined} reason @param {(token: string) => void} enter */
export function signIn(title, hint, reason, enter) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (document.getElementById("token"));
    const token = field.value.trim();
    field.value = "";
    if (token !== "") enter(token);
  };
  return h(
    "main",
    { class: "sign-in", key: "sign-in" },
    h(
      "form",
      { class: "form card", on: { submit } },
      h("p", { class: "brand" }, mark(), "Countersign"),
      h("h1", null, title),
      reason && h("p", { class: "notice bad", role: "alert" }, icon("cross"), h("span", null, reason)),
      h(
        "div",
        { class: "field" },
        h("label", { for: "token" }, "Access token"),
        h("input", {
          id: "token",
          name: "token",
          type: "password",
          autocomplete: "off",
          spellcheck: "false",
          required: true,
          "aria-describedby": "token-hint",
          "data-fk": "token",
        }),
        h("p", { class: "quiet", id: "token-hint" }, hint),
      ),
      h("button", { type: "submit", class: "primary" }, "Sign in"),
    ),
  );
}
