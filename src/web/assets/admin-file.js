// One account's PIN file: what stands, what it means, what can be done. A PIN has no place in it, and no field takes one (P26).
import { actions, look, may, reached, unblockStage } from "./admin-state.js";
import { ACTIONS, CHANNELS, COUNTERS, CREDENTIALS, DATES, DETAILS, EVENTS, SECOND, STANDINGS, STANDING_MEANS, STEPS } from "./admin-words.js";
import { h } from "./h.js";
import { icon } from "./icons.js";
import { plain } from "./words.js";

/** @typedef {import("./admin-state.js").State} State */
/** @typedef {import("./admin-state.js").PinFile} PinFile */
/** @typedef {import("./admin-state.js").Ask} Ask */
/** @typedef {import("./admin.js").Desk} Desk */

/** Date and time as people here write them. @param {string | number | null | undefined} at */
export function local(at) {
  const when = at ? new Date(at) : null;
  if (when === null || Number.isNaN(when.getTime())) return "";
  return when.toLocaleString(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}

const yesNo = (/** @type {boolean} */ value) => (value ? "Yes" : "No");

/** @param {State} state @param {Desk} desk */
export function filePanel(state, desk) {
  const file = /** @type {PinFile} */ (state.file);
  const { tone, icon: sign } = look(file);
  return h(
    "article",
    { class: `file tone-${tone}`, key: `file-${file.customer.id}`, "data-customer": file.customer.id, "data-situation": file.situation.code, "aria-labelledby": "file-title" },
    h(
      "header",
      { class: "file-top" },
      h(
        "div",
        { class: "file-badge" },
        icon(sign, "big"),
        h(
          "div",
          null,
          h("p", { class: "badge-text situation" }, file.situation.title),
          file.standing !== "open" && h("p", { class: "badge-sub" }, STANDINGS[file.standing]?.[2] ?? plain(file.standing)),
        ),
      ),
      h(
        "div",
        { class: "file-who" },
        h("h2", { id: "file-title", tabindex: "-1" }, file.customer.name || "Customer without a name"),
        h(
          "dl",
          { class: "facts" },
          fact("Account", file.customer.id),
          fact("E-mail", file.customer.email ?? "none on file"),
          file.customer.language && fact("Language", file.customer.language),
          fact("Holds", file.credentials.map((one) => CREDENTIALS[one] ?? plain(one)).join(", ") || "no PIN yet"),
        ),
      ),
      h("button", { type: "button", class: "plain file-close", "data-fk": "close", on: { click: () => desk.close() } }, "Close file"),
    ),
    flags(file),
    doNow(state, file, desk),
    hintShown(state, desk),
    h("div", { class: "file-columns", key: "columns" }, dates(file), counters(file)),
    history(file),
  );
}

/** @param {string} name @param {string} value */
const fact = (name, value) => h("div", { key: name }, h("dt", null, name), h("dd", null, value));

/** The flags as words, and where on the PIN's way they put it. @param {PinFile} file */
function flags(file) {
  const at = reached(file);
  const [tone, sign, words] = STANDINGS[file.standing] ?? ["down", "unknown", plain(file.standing)];
  return h(
    "section",
    { class: "flags", key: "flags", "aria-label": "Flags and standing" },
    h(
      "dl",
      { class: "flag-list" },
      h("div", { class: "flag", "data-flag": "initialized" }, h("dt", null, "Initialized"), h("dd", null, icon(file.flags.initialized ? "tick" : "x"), yesNo(file.flags.initialized))),
      h("div", { class: "flag", "data-flag": "enabled" }, h("dt", null, "Enabled"), h("dd", null, icon(file.flags.enabled ? "tick" : "x"), yesNo(file.flags.enabled))),
      h("div", { class: `flag tone-${tone}`, "data-flag": "standing" }, h("dt", null, "Standing"), h("dd", { class: "standing" }, icon(sign), words)),
    ),
    h(
      "ol",
      { class: "way", "aria-label": "The way of a PIN" },
      STEPS.map(([key, name], index) =>
        h(
          "li",
          { key, class: index < at ? "past" : index === at ? "here" : "ahead", "aria-current": index === at ? "step" : null },
          h("span", { class: "way-name" }, name),
          index === at && h("span", { class: "way-here" }, "now"),
        ),
      ),
    ),
  );
}

/** @param {State} state @param {PinFile} file @param {Desk} desk */
function doNow(state, file, desk) {
  const can = actions(state);
  const stage = unblockStage(state);
  const { asked_by: by, asked_at: at } = file.unblock ?? {};
  return h(
    "section",
    { class: "do file-do", key: "do", "aria-labelledby": "do-title" },
    h("h3", { id: "do-title" }, "What to do"),
    STANDING_MEANS[file.standing] && h("p", { class: "standing-means" }, STANDING_MEANS[file.standing]),
    h("p", { class: "recommendation" }, file.situation.recommendation),
    by &&
      h(
        "p",
        { class: "message second" },
        icon("wait"),
        h("span", null, SECOND.waits(by, local(at)), stage === "own" && ` ${SECOND.own}`),
      ),
    can.length > 0
      ? h(
          "div",
          { class: "buttons" },
          can.map((action, index) =>
            h(
              "button",
              { key: action, type: "button", class: index === 0 ? "primary" : "", "data-fk": `do:${action}`, on: { click: () => desk.ask(action) } },
              ACTIONS[action]?.name ?? plain(action),
            ),
          ),
        )
      : !may(state, "reset") && h("p", { class: "quiet" }, "Your role may look at this account; what to do here is for a PIN administrator."),
  );
}

/** @param {State} state @param {Desk} desk */
function hintShown(state, desk) {
  if (state.hint === null) return null;
  return h(
    "section",
    { class: "panel hint-shown", key: "hint", "aria-labelledby": "hint-title" },
    h("h3", { id: "hint-title", tabindex: "-1" }, "The hint"),
    h("p", { class: "say" }, state.hint),
    h("button", { type: "button", "data-fk": "hide-hint", on: { click: () => desk.hideHint() } }, "Hide the hint"),
  );
}

/** @param {PinFile} file */
function dates(file) {
  return h(
    "section",
    { class: "panel", key: "dates", "aria-labelledby": "dates-title" },
    h("h3", { id: "dates-title" }, "Dates"),
    h(
      "dl",
      { class: "pairs" },
      DATES.map(([key, name]) => {
        const at = file.dates[key];
        return h("div", { key, "data-date": key }, h("dt", null, name), h("dd", { class: at ? "" : "quiet" }, at ? h("time", { datetime: at }, local(at)) : "not yet"));
      }),
    ),
  );
}

/** @param {PinFile} file */
function counters(file) {
  const hint = !file.hint.set ? "none set" : file.hint.may_be_told ? "set" : "set, may not be told";
  return h(
    "section",
    { class: "panel", key: "counters", "aria-labelledby": "counters-title" },
    h("h3", { id: "counters-title" }, "Counters and hint"),
    h(
      "dl",
      { class: "pairs" },
      COUNTERS.map(([key, name]) => h("div", { key, "data-counter": key }, h("dt", null, name), h("dd", null, file.counters[key] ?? 0))),
      h("div", { key: "hint", "data-counter": "hint" }, h("dt", null, "Hint"), h("dd", null, hint)),
    ),
  );
}

/** @param {PinFile} file */
function history(file) {
  return h(
    "section",
    { class: "panel history", key: "history", "aria-labelledby": "history-title" },
    h("h3", { id: "history-title" }, "History", h("span", { class: "count" }, file.history.length)),
    file.history.length === 0
      ? h("p", { class: "quiet" }, file.history_read === false ? "The history cannot be read at the moment." : "Nothing is on record yet.")
      : h(
          "div",
          { class: "table-scroll", role: "region", tabindex: "0", "aria-labelledby": "history-title" },
          h(
            "table",
            { class: "plain-table" },
            h("caption", { class: "unseen" }, "What happened to this PIN, the newest first"),
            h("thead", null, h("tr", null, ["When", "What", "Who", "More"].map((name) => h("th", { key: name, scope: "col" }, name)))),
            h(
              "tbody",
              null,
              file.history.map(({ at, actor, what, detail }, index) =>
                h(
                  "tr",
                  { key: `${at}-${what}-${index}` },
                  h("td", { class: "number" }, h("time", { datetime: at }, local(at))),
                  h("td", null, EVENTS[what] ?? plain(what)),
                  h("td", null, actor),
                  h("td", { class: "more" }, details(detail)),
                ),
              ),
            ),
          ),
        ),
  );
}

/** What is worth reading of a record, in words. @param {Record<string, unknown> | undefined} detail */
function details(detail) {
  return Object.entries(DETAILS)
    .map(([key, name]) => [name, worded(key, detail?.[key])])
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}`)
    .join(" · ");
}

/** @param {string} key @param {unknown} value */
function worded(key, value) {
  // The audit writes times as milliseconds.
  if (key === "expires") return typeof value === "string" || typeof value === "number" ? local(value) : "";
  if (typeof value === "boolean") return yesNo(value).toLowerCase();
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Reason and confirmation before an action. @param {State} state @param {Ask} ask @param {Desk} desk */
export function askDialog(state, ask, desk) {
  if (ask.action === "generate_all") return confirmAll(state, ask, desk);
  const { file } = state;
  const words = ACTIONS[ask.action];
  if (!file || !words) return null;
  const stage = ask.action === "unblock" ? unblockStage(state) : "none";
  const says = [...words.says, ...(stage === "ask" ? [SECOND.needs] : []), ...(stage === "agree" ? [SECOND.agree] : [])];
  const go = stage === "ask" ? SECOND.ask : stage === "agree" ? SECOND.go : words.go;
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!ask.busy) void desk.act();
  };
  return dialog(
    words.title,
    ask,
    desk,
    h(
      "form",
      { class: "form", on: { submit }, novalidate: true },
      h("p", { class: "ask-who" }, h("strong", null, file.customer.name || "Customer without a name"), ` · account ${file.customer.id}`),
      h("ul", { class: "ask-says", id: "ask-says" }, says.map((one) => h("li", { key: one }, one))),
      ask.action === "hint" && channels(),
      h(
        "div",
        { class: "field" },
        h("label", { for: "ask-reason" }, "Reason"),
        h("input", {
          id: "ask-reason",
          type: "text",
          autocomplete: "off",
          maxlength: 200,
          required: true,
          autofocus: ask.action !== "hint",
          "aria-describedby": ask.trouble ? "ask-trouble" : null,
          "aria-invalid": ask.trouble ? "true" : null,
          "data-fk": "ask-reason",
        }),
        state.reason &&
          h("button", { type: "button", class: "plain same-reason", "data-fk": "same-reason", on: { click: () => desk.sameReason() } }, `Same as for the look: “${state.reason}”`),
      ),
      trouble(ask),
      buttons(ask, desk, ask.busy ? words.busy : go, words.grave === true),
    ),
  );
}

function channels() {
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", null, "To whom is it told?"),
    CHANNELS.map(([value, text]) =>
      h(
        "label",
        { key: value, class: "pick" },
        h("input", { type: "radio", name: "channel", value, required: true, "data-fk": `channel:${value}` }),
        h("span", null, text),
      ),
    ),
  );
}

/** @param {State} state @param {Ask} ask @param {Desk} desk */
function confirmAll(state, ask, desk) {
  const estate = state.pins?.estate ?? {};
  const missing = (estate.without_initial ?? 0) + (estate.expired ?? 0);
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (!ask.busy) void desk.act();
  };
  return dialog(
    "Make initial PINs for all accounts?",
    ask,
    desk,
    h(
      "form",
      { class: "form", on: { submit } },
      h(
        "ul",
        { class: "ask-says", id: "ask-says" },
        h("li", null, `All ${(estate.total ?? 0).toLocaleString()} accounts are looked at; about ${missing.toLocaleString()} have neither a PIN nor a good initial PIN and get one, inactive accounts too.`),
        h("li", null, "Who has a PIN keeps it. Doing it twice makes nothing twice."),
        h("li", null, "The initial PINs are sealed until their letters are printed. Nobody sees them."),
      ),
      trouble(ask),
      buttons(ask, desk, ask.busy ? "Starting…" : "Start", false),
    ),
  );
}

/** @param {string} title @param {Ask} ask @param {Desk} desk @param {import("./h.js").Element_} inside */
function dialog(title, ask, desk, inside) {
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    desk.closeAsk();
  };
  return h(
    "dialog",
    { class: "ask", key: `ask-${ask.action}`, "data-ask": ask.action, "aria-labelledby": "ask-title", "aria-describedby": "ask-says", on: { cancel } },
    h("h2", { id: "ask-title" }, title),
    inside,
  );
}

/** @param {Ask} ask */
function trouble(ask) {
  return h(
    "div",
    { role: "alert", key: "trouble" },
    ask.trouble && h("p", { class: "message bad", id: "ask-trouble" }, icon("warn"), h("span", null, ask.trouble)),
  );
}

/** @param {Ask} ask @param {Desk} desk @param {string} go @param {boolean} grave */
function buttons(ask, desk, go, grave) {
  return h(
    "div",
    { class: "buttons", key: "buttons" },
    h("button", { type: "submit", class: grave ? "primary grave" : "primary", "aria-disabled": ask.busy ? "true" : null, "data-fk": "ask-go" }, go),
    h("button", { type: "button", "data-fk": "ask-cancel", on: { click: () => desk.closeAsk() } }, "Cancel"),
  );
}
