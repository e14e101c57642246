// The customer's page: register with the letter, follow a link, choose a new PIN, ask for a link.
import { COMMON, FOLLOW, FORGOT, INVALID_LINK, REGISTER, REGISTERED, RENEW } from "./activate-words.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { mark } from "./sign-in.js";

/** @typedef {import("./activate-state.js").State} State */
/** @typedef {import("./activate.js").Form} Form */

/** The whole page for a state. @param {State} state @param {Form} form */
export function page(state, form) {
  const views = { register, registered, forgot, asked, follow, followed, renew, renewed, invalid };
  return [
    h("header", { class: "top", key: "top" }, h("p", { class: "brand" }, mark(), h("span", null, COMMON.brand))),
    h("main", { id: "main", key: "main", tabindex: "-1" }, h("div", { class: "card sheet", key: state.view, "data-view": state.view }, views[state.view](state, form))),
  ];
}

/** @param {string} text */
const title = (text) => h("h1", { id: "title", tabindex: "-1" }, text);

/** @param {State} state @param {Form} form */
function register(state, form) {
  return [
    title(REGISTER.title),
    h("p", { key: "intro", class: "intro" }, REGISTER.intro),
    sheet(
      state,
      form,
      REGISTER.go,
      group(
        REGISTER.letter,
        text(state, "number", REGISTER.number, "", { autocomplete: "username", inputmode: "text", maxlength: 64 }),
        secret(state, form, "initial", REGISTER.initial, REGISTER.initialHint, { inputmode: "numeric", autocomplete: "one-time-code", maxlength: 20 }),
      ),
      ownPin(state, form),
      group(
        REGISTER.address,
        text(state, "email", REGISTER.email, REGISTER.emailHint, { type: "email", autocomplete: "email", maxlength: 254 }),
        text(state, "email_again", REGISTER.emailAgain, "", { type: "email", autocomplete: "email", maxlength: 254 }),
      ),
      webPin(state, form),
    ),
    h("p", { key: "else", class: "else" }, link("to-forgot", REGISTER.forgot, () => form.go("forgot"))),
  ];
}

/** @param {State} state */
function registered(state) {
  return [
    title(REGISTERED.title),
    done(REGISTERED.says(state.email)),
    h("ol", { class: "next" }, REGISTERED.steps.map((one) => h("li", { key: one }, one))),
    h("p", { class: "quiet" }, REGISTERED.wrong),
  ];
}

/** @param {State} state @param {Form} form */
function follow(state, form) {
  return [title(FOLLOW.title), h("p", { key: "intro", class: "intro" }, FOLLOW.intro), sheet(state, form, FOLLOW.go)];
}

/** @param {State} state @param {Form} form */
function renew(state, form) {
  return [
    title(RENEW.title),
    h("p", { key: "intro", class: "intro" }, RENEW.intro),
    sheet(state, form, RENEW.go, ownPin(state, form), webPin(state, form)),
  ];
}

/** @param {State} state @param {Form} form */
function forgot(state, form) {
  return [
    title(FORGOT.title),
    h("p", { key: "intro", class: "intro" }, FORGOT.intro),
    sheet(state, form, FORGOT.go, text(state, "by", FORGOT.by, "", { autocomplete: "username", maxlength: 254 })),
    h("p", { key: "else", class: "else" }, link("to-register", COMMON.back, () => form.go("register"))),
  ];
}

const asked = () => [title(FORGOT.doneTitle), done(FORGOT.done), h("p", { class: "quiet" }, FORGOT.none)];
const followed = () => [title(FOLLOW.doneTitle), done(FOLLOW.done)];
const renewed = () => [title(RENEW.doneTitle), done(RENEW.done)];

/** @param {State} _state @param {Form} form */
function invalid(_state, form) {
  return [
    title(INVALID_LINK.title),
    h("p", { class: "message bad", role: "alert" }, icon("cross"), h("span", null, INVALID_LINK.says)),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "primary", "data-fk": "to-forgot", on: { click: () => form.go("forgot") } }, INVALID_LINK.again)),
  ];
}

/** @param {string} words */
const done = (words) => h("p", { class: "message good" }, icon("check"), h("span", null, words));

/** @param {string} key @param {string} words @param {() => void} click */
const link = (key, words, click) => h("button", { type: "button", class: "plain", "data-fk": key, on: { click } }, words);

/** A form with what went wrong above it and one button below. @param {State} state @param {Form} form @param {string} go @param {...(import("./h.js").Loose)} fields */
function sheet(state, form, go, ...fields) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!state.busy) void form.send();
  };
  const { trouble } = state;
  return h(
    "form",
    { key: "form", class: "form", novalidate: true, autocomplete: "off", on: { submit } },
    h(
      "div",
      { key: "trouble", role: "alert" },
      trouble?.sent &&
        h(
          "p",
          { class: "message bad", id: "trouble", tabindex: "-1" },
          icon("warn"),
          h("span", null, trouble.text, state.view !== "forgot" && state.view !== "follow" && h("span", { class: "emptied" }, ` ${COMMON.emptied}`)),
        ),
    ),
    ...fields,
    h("button", { key: "go", type: "submit", class: "primary", "aria-disabled": state.busy ? "true" : null, "data-fk": "go" }, state.busy ? COMMON.busy : go),
  );
}

/** @param {string} name @param {...import("./h.js").Loose} fields */
const group = (name, ...fields) => h("fieldset", { key: name, class: "choice group-of" }, h("legend", null, name), ...fields);

/** @param {State} state @param {Form} form */
function ownPin(state, form) {
  const of = { inputmode: "numeric", autocomplete: "off", maxlength: 12 };
  return group(REGISTER.own, secret(state, form, "pin", REGISTER.pin, REGISTER.pinHint, of), secret(state, form, "again", REGISTER.again, "", of));
}

/** @param {State} state @param {Form} form */
function webPin(state, form) {
  const of = { autocomplete: "new-password", maxlength: 64 };
  return h(
    "fieldset",
    { key: "web-part", class: "choice group-of" },
    h("legend", { class: "unseen" }, REGISTER.webPin),
    h(
      "label",
      { key: "web-on", class: "tick", for: "web-on" },
      h("input", { id: "web-on", type: "checkbox", checked: state.web, "data-fk": "web-on", on: { change: (/** @type {any} */ event) => form.web(event.currentTarget.checked) } }),
      REGISTER.web,
    ),
    state.web && [
      secret(state, form, "web", REGISTER.webPin, REGISTER.webHint, of),
      secret(state, form, "web_again", REGISTER.webAgain, "", of),
      text(state, "hint", REGISTER.hint, REGISTER.hintHint, { maxlength: 100, required: null }),
    ],
  );
}

/** @param {State} state @param {string} id @param {string} label @param {string} hint @param {Record<string, any>} props */
function text(state, id, label, hint, props) {
  return field(state, id, label, hint, (described) =>
    h("input", { id, type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true, ...described, ...props, "data-fk": id }),
  );
}

/** A PIN: hidden unless its button is pressed, and gone from the page once it is sent. @param {State} state @param {Form} form @param {string} id @param {string} label @param {string} hint @param {Record<string, any>} props */
function secret(state, form, id, label, hint, props) {
  const shown = state.shown[id] === true;
  return field(state, id, label, hint, (described) =>
    h(
      "div",
      { class: "secret" },
      h("input", { id, type: shown ? "text" : "password", class: "secret-value", autocapitalize: "off", spellcheck: "false", required: true, ...described, ...props, "data-fk": id }),
      h(
        "button",
        { type: "button", class: "show", "aria-pressed": shown ? "true" : "false", "aria-controls": id, "data-fk": `show:${id}`, on: { click: () => form.show(id) } },
        shown ? COMMON.hide : COMMON.show,
        h("span", { class: "unseen" }, ` ${label}`),
      ),
    ),
  );
}

/** @param {State} state @param {string} id @param {string} label @param {string} hint @param {(described: Record<string, any>) => import("./h.js").Element_} input */
function field(state, id, label, hint, input) {
  const wrong = state.trouble?.at === id;
  const own = wrong && state.trouble?.sent === false;
  const by = [own && `${id}-wrong`, wrong && !own && "trouble", hint !== "" && `${id}-hint`].filter(Boolean).join(" ");
  return h(
    "div",
    { key: id, class: "field" },
    h("label", { for: id }, label),
    hint && h("p", { class: "quiet", id: `${id}-hint` }, hint),
    own && h("p", { class: "wrong", id: `${id}-wrong`, role: "alert" }, icon("warn", "small"), state.trouble?.text),
    input({ "aria-invalid": wrong ? "true" : null, "aria-describedby": by === "" ? null : by }),
  );
}
