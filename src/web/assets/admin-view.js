// The PIN maintenance page: what stands around an account's PIN file, and the form that opens one.
import { estatePanel, generationPanel, stuckPanel } from "./admin-estate.js";
import { askDialog, filePanel } from "./admin-file.js";
import { may } from "./admin-state.js";
import { ALERTS, ROLE_WORDS, SIGN_IN } from "./admin-words.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { mark, signIn } from "./sign-in.js";
import { plain } from "./words.js";

/** @typedef {import("./admin-state.js").State} State */
/** @typedef {import("./admin.js").Desk} Desk */

/** The whole page for a state. @param {State} state @param {number} now @param {Desk} desk */
export function page(state, now, desk) {
  if (!state.who) return [signIn(SIGN_IN.title, SIGN_IN.hint, state.refused ?? undefined, (token) => desk.signIn(token))];
  const estate = may(state, "estate");
  return [
    header(state, desk),
    h(
      "main",
      { id: "main", key: "main", tabindex: "-1", class: estate ? "admin with-estate" : "admin" },
      estate && alerts(state),
      h(
        "div",
        { class: "accounts", key: "accounts" },
        lookForm(state, desk),
        state.notice && notice(state.notice.tone, state.notice.text, () => desk.notice(null)),
        state.file && filePanel(state, desk),
        estate && !state.file && stuckPanel(state, now, desk),
      ),
      estate &&
        h(
          "div",
          { class: "estate-side", key: "estate" },
          state.stale && h("p", { key: "stale", class: "notice bad", role: "status" }, icon("warn"), h("span", null, state.stale)),
          estatePanel(state),
          may(state, "generate_all") && generationPanel(state, desk),
          state.file && stuckPanel(state, now, desk),
        ),
    ),
    state.ask && askDialog(state, state.ask, desk),
  ];
}

/** @param {State} state @param {Desk} desk */
function header(state, desk) {
  const roles = (state.who?.roles ?? []).filter((role) => role in ROLE_WORDS).map((role) => ROLE_WORDS[role]);
  return h(
    "header",
    { class: "top", key: "top" },
    h("h1", { class: "brand" }, mark(), h("span", null, "Countersign"), h("span", { class: "role" }, "PIN maintenance")),
    h(
      "span",
      { class: "agent" },
      state.who?.name && [h("span", { class: "unseen" }, "Signed in as "), state.who.name],
      h("span", { class: "role" }, ` ${roles.join(", ")}`),
    ),
    h("button", { type: "button", class: "plain", "data-fk": "sign-out", on: { click: () => desk.signOut() } }, "Sign out"),
  );
}

/** @param {string} tone @param {string} text @param {() => void} dismiss */
function notice(tone, text, dismiss) {
  return h(
    "div",
    { key: `notice-${tone}`, class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(tone === "bad" ? "warn" : "tick"),
    h("span", null, text),
    h("button", { type: "button", class: "plain", "data-fk": "dismiss", on: { click: dismiss } }, "Close"),
  );
}

/** What concerns many accounts stands above everything (P23, P24). @param {State} state */
function alerts(state) {
  const all = state.pins?.alerts ?? [];
  return h(
    "section",
    { key: "alerts", class: all.length > 0 ? "alerts some" : "alerts", "aria-label": "Alerts" },
    h(
      "div",
      { role: "alert" },
      all.length > 0 &&
        h(
          "ul",
          null,
          all.map(({ code, count, message }) => {
            const [title, who] = ALERTS[code] ?? [plain(code), ""];
            return h(
              "li",
              { key: code, class: "alert", "data-alert": code },
              icon("warn", "big"),
              h("div", null, h("h2", null, title), h("p", null, message), who && h("p", { class: "alert-who" }, who)),
              h("p", { class: "alert-count" }, h("span", { class: "alert-number" }, count.toLocaleString()), h("span", null, count === 1 ? " account" : " accounts")),
            );
          }),
        ),
    ),
  );
}

/** Each look at an account is a look of its own, with a reason of its own (P10, P28). @param {State} state @param {Desk} desk */
function lookForm(state, desk) {
  const { busy, trouble, wrong } = state.look;
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!busy) void desk.look();
  };
  const bad = (/** @type {string} */ field) => (wrong === field ? "true" : null);
  return h(
    "section",
    { class: "panel look", key: "look", "aria-labelledby": "look-title" },
    h("h2", { id: "look-title" }, state.file ? "Look at another account" : "Find an account"),
    h(
      "form",
      { class: "look-form", on: { submit }, novalidate: true },
      h(
        "div",
        { class: "field" },
        h("label", { for: "number" }, "Account number"),
        h("input", {
          id: "number",
          type: "text",
          autocomplete: "off",
          spellcheck: "false",
          autocapitalize: "off",
          maxlength: 64,
          required: true,
          "aria-invalid": bad("number"),
          "aria-describedby": wrong === "number" ? "look-trouble" : null,
          "data-fk": "number",
        }),
      ),
      h(
        "div",
        { class: "field" },
        h("label", { for: "reason" }, "Reason for looking"),
        h("input", {
          id: "reason",
          type: "text",
          autocomplete: "off",
          maxlength: 200,
          required: true,
          "aria-invalid": bad("reason"),
          "aria-describedby": wrong === "reason" ? "look-trouble reason-hint" : "reason-hint",
          "data-fk": "reason",
        }),
      ),
      h("button", { type: "submit", class: "primary", "aria-disabled": busy ? "true" : null, "data-fk": "look-go" }, busy ? "Looking…" : "Look"),
      h(
        "label",
        { class: "tick keep", for: "keep" },
        h("input", { id: "keep", type: "checkbox", "data-fk": "keep" }),
        "Keep this reason for the next account",
      ),
      h("p", { class: "quiet reason-hint", id: "reason-hint" }, "Every look is on record with its reason and your name."),
    ),
    h(
      "div",
      { role: "alert", key: "look-alert" },
      trouble && h("p", { class: "message bad", id: "look-trouble" }, icon("warn"), h("span", null, trouble)),
    ),
  );
}
