// The estate: how many accounts stand where, who waits for a link, and the generation for all accounts.
import { local } from "./admin-file.js";
import { ago, left, percent } from "./admin-state.js";
import { STATES } from "./admin-words.js";
import { h } from "./h.js";
import { icon } from "./icons.js";

/** @typedef {import("./admin-state.js").State} State */
/** @typedef {import("./admin.js").Desk} Desk */

const number = (/** @type {number | null | undefined} */ count) => (count ?? 0).toLocaleString();

/** @param {number} part @param {number} whole */
function share(part, whole) {
  if (whole <= 0 || part === 0) return "0 %";
  const exact = (part / whole) * 100;
  if (part > 0 && exact < 0.1) return "< 0.1 %";
  return `${exact < 10 ? exact.toFixed(1) : Math.round(exact)} %`;
}

/** The bars are for the eye; name, number and share stand in the table's cells (P18 to P21). @param {State} state */
export function estatePanel(state) {
  const estate = state.pins?.estate;
  return h(
    "section",
    { class: "panel estate", key: "estate-panel", "aria-labelledby": "estate-title" },
    h("h2", { id: "estate-title" }, "All accounts", estate && h("span", { class: "count" }, number(estate.total))),
    !estate && h("p", { class: "quiet" }, state.stale ? "Not known at the moment." : "Reading…"),
    estate &&
      h(
        "table",
        { class: "bars" },
        h("caption", { class: "unseen" }, "Accounts by the state of their PIN"),
        h("thead", { class: "unseen" }, h("tr", null, ["State", "Accounts", "Share"].map((name) => h("th", { key: name, scope: "col" }, name)))),
        h("tbody", null, STATES.map(([key, name, tone]) => bar(key, name, tone, estate[key] ?? 0, estate.total ?? 0))),
      ),
    estate &&
      h(
        "dl",
        { class: "pairs also" },
        also("blocked", "Blocked", estate.blocked),
        also("reset_required", "Reset required", estate.reset_required),
        also("no_yes_repaired", "Impossible flags met and repaired", estate.no_yes_repaired),
      ),
  );
}

/** @param {string} key @param {string} name @param {number | undefined} count */
const also = (key, name, count) => h("div", { key, "data-estate": key }, h("dt", null, name), h("dd", null, number(count)));

/** @param {string} key @param {string} name @param {string} tone @param {number} count @param {number} total */
function bar(key, name, tone, count, total) {
  const wide = total <= 0 || count === 0 ? 0 : Math.max(1, (count / total) * 200);
  return h(
    "tr",
    { key, class: `tone-${tone}`, "data-estate": key },
    h(
      "th",
      { scope: "row" },
      name,
      h(
        "svg",
        { class: "bar", viewBox: "0 0 200 8", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
        h("rect", { class: "bar-back", width: 200, height: 8 }),
        h("rect", { class: "bar-fill", width: wide, height: 8 }),
      ),
    ),
    h("td", { class: "number" }, number(count)),
    h("td", { class: "number quiet" }, share(count, total)),
  );
}

/** @param {State} state @param {Desk} desk */
export function generationPanel(state, desk) {
  const run = state.pins?.generation ?? null;
  const estate = state.pins?.estate;
  const missing = (estate?.without_initial ?? 0) + (estate?.expired ?? 0);
  return h(
    "section",
    { class: "panel generation", key: "generation", "aria-labelledby": "generation-title" },
    h("h2", { id: "generation-title" }, "Initial PINs for all accounts"),
    run?.running ? running(run, desk) : idle(run, missing, state, desk),
  );
}

/** @param {import("./admin-state.js").Generation} run @param {Desk} desk */
function running(run, desk) {
  const done = percent(run);
  return h(
    "div",
    { class: "running", key: "running" },
    h("p", { id: "generation-name" }, `${run.by} started it on ${local(run.started_at)}.`),
    h(
      "div",
      { class: "gauge" },
      h("progress", { max: 100, value: done, "aria-labelledby": "generation-title" }, `${done} %`),
      h("span", { class: "gauge-number", "aria-hidden": "true" }, `${done} %`),
    ),
    h(
      "dl",
      { class: "pairs" },
      h("div", { key: "examined" }, h("dt", null, "Accounts looked at"), h("dd", null, `${number(run.examined)} of ${number(run.total)}`)),
      h("div", { key: "created" }, h("dt", null, "New initial PINs"), h("dd", null, number(run.created))),
      h("div", { key: "rate" }, h("dt", null, "Rate"), h("dd", null, `${number(Math.round(run.rate ?? 0))} a second`)),
      h("div", { key: "left" }, h("dt", null, "Time left"), h("dd", null, left(run.seconds_left) || "not known yet")),
    ),
    h("button", { type: "button", "data-fk": "stop", on: { click: () => desk.stop() } }, "Stop"),
    h("p", { class: "quiet" }, "Stopping loses nothing: the next start goes on with what is missing."),
  );
}

/** @param {import("./admin-state.js").Generation | null} run @param {number} missing @param {State} state @param {Desk} desk */
function idle(run, missing, state, desk) {
  const stopped = run !== null && run.examined < run.total;
  return h(
    "div",
    { class: "idle", key: "idle" },
    run?.error && h("p", { class: "message bad", key: "error" }, icon("warn"), h("span", null, `The last run ended early: ${run.error}`)),
    run &&
      h(
        "p",
        { class: "quiet last-run", key: "last" },
        `Last run: ${number(run.examined)} of ${number(run.total)} accounts looked at, ${number(run.created)} new initial PINs, started by ${run.by} on ${local(run.started_at)}${stopped && !run.error ? "; stopped before the end" : ""}.`,
      ),
    h(
      "p",
      { key: "missing" },
      !state.pins
        ? ""
        : missing === 0
          ? "Every account has a PIN or a good initial PIN."
          : `${number(missing)} ${missing === 1 ? "account has" : "accounts have"} neither a PIN nor a good initial PIN.`,
    ),
    h("button", { type: "button", "data-fk": "generate-all", on: { click: () => desk.ask("generate_all") } }, stopped ? "Go on…" : "Generate…"),
  );
}

/** Yes/No for too long: who, since when, and which of the causes it is (P22). @param {State} state @param {number} now @param {Desk} desk */
export function stuckPanel(state, now, desk) {
  const { stuck, pins } = state;
  const all = pins?.estate.stuck ?? stuck?.length ?? 0;
  return h(
    "section",
    { class: "panel stuck", key: "stuck", "aria-labelledby": "stuck-title" },
    h("h2", { id: "stuck-title" }, "Waiting for their link", h("span", { class: "count" }, number(all))),
    pins && h("p", { class: "quiet" }, `Registered more than ${pins.stuck_after_h} hours ago, link not followed. The longest wait first.`),
    stuck === null && h("p", { class: "quiet" }, "Reading…"),
    stuck?.length === 0 && h("p", { class: "quiet nobody" }, "Nobody waits too long."),
    stuck !== null && stuck.length > 0 && h("ul", { class: "stuck-list" }, stuck.map((one) => stuckRow(one, now, desk))),
    stuck !== null && all > stuck.length && h("p", { class: "quiet" }, `${number(all - stuck.length)} more are not shown.`),
  );
}

/** @param {import("./admin-state.js").Stuck} one @param {number} now @param {Desk} desk */
function stuckRow({ customer, name, since, situation }, now, desk) {
  return h(
    "li",
    { key: customer, class: "stuck-row", "data-customer": customer, "data-cause": situation.code },
    h(
      "div",
      null,
      h("p", { class: "stuck-who" }, name || "Customer without a name", h("span", { class: "quiet" }, ` ${customer}`)),
      h("p", { class: "cause" }, icon(situation.code === "address_refused" ? "cross" : "half", "small"), situation.title),
    ),
    h("p", { class: "stuck-since" }, since && h("time", { datetime: since, title: local(since) }, ago(now - Date.parse(since)))),
    h(
      "button",
      { type: "button", class: "plain", "data-fk": `pick:${customer}`, on: { click: () => desk.pick(customer) } },
      "Choose",
      h("span", { class: "unseen" }, ` account ${customer}`),
    ),
  );
}
