// The board: alarms, figures, counts, the list of calls; and what stands around it.
import { h } from "./h.js";
import { icon } from "./icons.js";
import { mark, signIn } from "./sign-in.js";
import { callPage } from "./supervisor-call.js";
import { counted, liveCalls, openCall, recentRate, shownCalls } from "./supervisor-state.js";
import { BADGES, CLASS_WORDS, STALE, clock, elapsed, plain } from "./words.js";

/** @typedef {import("./supervisor-state.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./supervisor.js").Board} Board */

/** Rows beyond these help nobody; the filter narrows them down. */
const ROWS_MAX = 200;
const CLASSES = ["app_authenticated", "verified_number", "unverified"];
const CLASS_ICONS = /** @type {Record<string, string>} */ ({
  app_authenticated: "app",
  verified_number: "known",
  unverified: "stranger",
});
/** Short, for the list. */
const CLASS_SHORT = /** @type {Record<string, string>} */ ({
  app_authenticated: "App",
  verified_number: "Known number",
  unverified: "Unknown number",
});
const ALARM_WORDS = /** @type {Record<string, string>} */ ({
  failure_rate: "Many checks fail",
  abandon_rate: "Many callers hang up during the check",
  number_accounts: "One number tries many accounts",
  withheld_failures: "Many checks fail from withheld numbers",
  prefix_failures: "Many checks fail from one range of numbers",
  trunk_failures: "Many checks fail on one trunk",
  agent_reveals: "An agent looks at many answers",
  agent_same_account: "An agent sees the same account again and again",
  agent_fast_tick: "Answers are marked right too quickly",
  letter_codes: "Wrong codes are read out to us",
});
const FALLBACK = { tone: "down", icon: "unknown", text: "Unknown", sub: "" };

/** The whole page for a state. @param {State} state @param {number} now @param {Board} board */
export function page(state, now, board) {
  if (state.link.status === "signed_out") return [signIn("Sign in to the supervisor board", "A supervisor's token. It stays in this tab only.", state.link.reason, (token) => board.signIn(token))];
  const call = openCall(state);
  const stale = state.link.status !== "online";
  return [
    header(state, now, board),
    h(
      "main",
      { id: "main", key: "main", class: stale ? "stale" : "", tabindex: "-1" },
      stale && state.link.reason && notice("bad", `${state.link.reason} What you see may be out of date.`),
      state.notice && notice("info", state.notice, () => board.notice(null)),
      alarms(state, now),
      state.selected !== null && call ? callPage(state, call, now, board) : theBoard(state, now, board),
    ),
  ];
}

/** @param {string} tone @param {string} text @param {() => void} [dismiss] */
function notice(tone, text, dismiss) {
  return h(
    "div",
    { key: `notice-${tone}`, class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" },
    icon(tone === "bad" ? "warn" : "dot"),
    h("span", null, text),
    dismiss && h("button", { type: "button", class: "plain", "data-fk": "dismiss", on: { click: dismiss } }, "Close"),
  );
}

/** @param {State} state @param {number} now @param {Board} board */
function header(state, now, board) {
  const { status, retryAt } = state.link;
  const seconds = Math.max(1, Math.ceil(((retryAt ?? now) - now) / 1000));
  const links = /** @type {Record<string, [string, string, string]>} */ ({
    online: ["online", "online", "Connected"],
    connecting: ["connecting", "connecting", "Connecting…"],
  });
  const [kind, sign, words] = links[status] ?? ["offline", "offline", "Not connected"];
  return h(
    "header",
    { class: "top", key: "top" },
    h("h1", { class: "brand" }, mark(), h("span", null, "Countersign"), h("span", { class: "role" }, "Supervisor board")),
    h(
      "p",
      { class: `link ${kind}`, key: "link" },
      icon(sign, "small"),
      words,
      kind === "offline" &&
        h(
          "button",
          { type: "button", class: "plain", "data-fk": "retry", on: { click: () => board.retry() } },
          "Try now",
          h("span", { "aria-hidden": "true" }, ` (${seconds})`),
        ),
    ),
    h("span", { class: "agent" }, state.agent && [h("span", { class: "unseen" }, "Signed in as "), state.agent]),
    h("button", { type: "button", class: "plain", "data-fk": "sign-out", on: { click: () => board.signOut() } }, "Sign out"),
  );
}

/** What needs a look now stands above everything else, on every page. @param {State} state @param {number} now */
function alarms(state, now) {
  const all = state.figures?.alarms ?? [];
  return h(
    "section",
    { key: "alarms", class: all.length > 0 ? "alarms some" : "alarms", "aria-label": "Alarms" },
    h(
      "div",
      { role: "alert" },
      all.length > 0 &&
        h(
          "ul",
          null,
          all.map((alarm) =>
            h(
              "li",
              { key: `${alarm.kind}-${alarm.since}-${alarm.detail}`, class: "alarm", "data-alarm": alarm.kind },
              icon("warn", "big"),
              h(
                "div",
                null,
                h("h2", null, ALARM_WORDS[alarm.kind] ?? plain(alarm.kind)),
                h("p", null, alarm.detail),
              ),
              h("p", { class: "alarm-since" }, "since ", h("time", { datetime: alarm.since }, clock(alarm.since))),
              h("p", { class: "alarm-age", "aria-hidden": "true" }, elapsed(now - Date.parse(alarm.since))),
            ),
          ),
        ),
    ),
  );
}

/** @param {State} state @param {number} now @param {Board} board */
function theBoard(state, now, board) {
  return h(
    "div",
    { class: "board", key: "board" },
    figures(state),
    h(
      "div",
      { class: "lower" },
      h(
        "div",
        { class: "counts" },
        counts(state, board, "class", "By class", counted(state, "class", CLASSES)),
        counts(state, board, "authentication", "By state", counted(state, "authentication", Object.keys(BADGES))),
        counts(state, board, "queue", "By queue", counted(state, "queue", [])),
      ),
      h("div", { class: "lists" }, list(state, now, board), find(board)),
    ),
  );
}

/** @param {State} state */
function figures(state) {
  const { figures: now } = state;
  const checks = now?.checks;
  const recent = recentRate(now, 15);
  const percent = (/** @type {number | null | undefined} */ rate) =>
    rate === null || rate === undefined ? "–" : `${Math.round(rate * 100)} %`;
  const card = (/** @type {string} */ key, /** @type {string} */ name, /** @type {unknown} */ value, /** @type {string} */ sub) =>
    h("div", { key, class: `figure figure-${key}` }, h("dt", null, name), h("dd", null, value), h("dd", { class: "sub" }, sub));
  return h(
    "section",
    { class: "figures", "aria-labelledby": "figures-title" },
    h("h2", { id: "figures-title", class: "unseen" }, "Figures"),
    state.stale && h("p", { class: "notice bad", role: "status" }, icon("warn"), h("span", null, state.stale)),
    h(
      "dl",
      { class: "cards" },
      card("live", "Live calls", String(liveCalls(state).length), now ? `${now.desktops} desktops connected` : ""),
      card("pass", "Pass rate, 15 min", percent(recent.rate), `${recent.passed} passed, ${recent.failed} not`),
      card(
        "failure",
        "Failure rate since start",
        percent(checks?.failure_rate),
        checks
          ? `${checks.failed} failed, ${checks.reset_required} to reset, ${checks.blocked} blocked, of ${checks.passed + checks.failed + checks.reset_required + checks.blocked}`
          : "",
      ),
      card("lockouts", "Lock-outs", now ? String(now.lockouts) : "–", now ? `since ${day(now.since)}` : ""),
      card(
        "unavailable",
        "No verdict",
        checks ? String(checks.unavailable + checks.abandoned) : "–",
        checks ? `${checks.unavailable} could not be checked, ${checks.abandoned} hung up` : "",
      ),
      card(
        "time",
        "Time to a verdict",
        checks?.mean_seconds === null || checks === undefined ? "–" : elapsed(checks.mean_seconds * 1000),
        "on average, from the call's arrival",
      ),
    ),
    spark(now?.last_hour ?? []),
  );
}

/** @param {string} at */
function day(at) {
  const when = new Date(at);
  return Number.isNaN(when.getTime()) ? "" : when.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** Passed above the line, not passed below it: two shapes, not two colours. @param {import("./supervisor-state.js").Minute[]} hour */
function spark(hour) {
  const most = Math.max(1, ...hour.map(({ passed, failed }) => Math.max(passed, failed)));
  const up = (/** @type {number} */ count) => (count === 0 ? 0 : Math.max(2, (count / most) * 34));
  const [passed, failed, locked] = hour.reduce(
    ([a, b, c], minute) => [a + minute.passed, b + minute.failed, c + minute.lockouts],
    [0, 0, 0],
  );
  const busy = hour.filter((minute) => minute.passed + minute.failed + minute.lockouts > 0);
  return h(
    "div",
    { class: "spark" },
    h("h3", null, "Last hour", h("span", { class: "quiet" }, ` ${passed} passed, ${failed} not passed, ${locked} locked out`)),
    h(
      "svg",
      {
        class: "spark-picture",
        viewBox: "0 0 480 80",
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `Checks in the last hour, minute by minute: ${passed} passed, ${failed} not passed. The table below has the numbers.`,
      },
      h("line", { class: "spark-line", x1: 0, y1: 40, x2: 480, y2: 40 }),
      hour.map((minute, index) =>
        h(
          "g",
          { key: `m-${index}` },
          h("rect", { class: "spark-passed", x: index * 8 + 1, y: 39 - up(minute.passed), width: 6, height: up(minute.passed) }),
          h("rect", { class: "spark-failed", x: index * 8 + 1, y: 41, width: 6, height: up(minute.failed) }),
        ),
      ),
    ),
    h("p", { class: "spark-legend" }, h("span", { class: "up" }, "▲ passed"), h("span", { class: "down" }, "▼ not passed")),
    h(
      "details",
      { class: "as-table" },
      h("summary", { "data-fk": "spark-table" }, "Show as a table"),
      busy.length === 0
        ? h("p", { class: "quiet" }, "No check was decided in the last hour.")
        : h(
            "table",
            { class: "plain-table" },
            h("caption", { class: "unseen" }, "Checks of the last hour, by minute"),
            head(["Minute", "Passed", "Not passed", "Locked out"]),
            h(
              "tbody",
              null,
              busy.map((minute) =>
                h(
                  "tr",
                  { key: minute.at },
                  h("td", { class: "number" }, clock(minute.at).slice(0, 5)),
                  [minute.passed, minute.failed, minute.lockouts].map((count, index) => h("td", { key: index, class: "number" }, count)),
                ),
              ),
            ),
          ),
    ),
  );
}

/** @param {string[]} names */
const head = (names) => h("thead", null, h("tr", null, names.map((name) => h("th", { key: name, scope: "col" }, name))));

/** @param {State} state @param {Board} board @param {"class" | "authentication" | "queue"} kind @param {string} title @param {{value: string, count: number}[]} rows */
function counts(state, board, kind, title, rows) {
  const most = Math.max(1, ...rows.map(({ count }) => count));
  const shown = kind === "queue" ? [...rows].sort((a, b) => b.count - a.count).slice(0, 8) : rows;
  return h(
    "section",
    { key: kind, class: "panel count-panel", "aria-labelledby": `by-${kind}` },
    h("h2", { id: `by-${kind}` }, title),
    shown.length === 0 && h("p", { class: "quiet" }, "No calls."),
    h(
      "ul",
      null,
      shown.map(({ value, count }) => {
        const words = wordsOf(kind, value);
        const on = state.filter?.kind === kind && state.filter.value === value;
        return h(
          "li",
          { key: value },
          h(
            "button",
            {
              type: "button",
              class: `count-row tone-${words.tone}`,
              "aria-pressed": on ? "true" : "false",
              "data-fk": `${kind}:${value}`,
              "data-count": count,
              on: { click: () => board.filter({ kind, value }) },
            },
            words.icon && h("span", { class: "mark" }, icon(words.icon)),
            h("span", { class: "count-name" }, words.text),
            h("span", { class: "count-number" }, String(count)),
            h(
              "svg",
              { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
              h("rect", { class: "bar-back", width: 100, height: 6 }),
              h("rect", { class: "bar-fill", width: (count / most) * 100, height: 6 }),
            ),
          ),
        );
      }),
    ),
  );
}

/** @param {"class" | "authentication" | "queue"} kind @param {string} value */
function wordsOf(kind, value) {
  if (kind === "queue") return { tone: "busy", icon: "", text: value };
  if (kind === "class") return { tone: "busy", icon: CLASS_ICONS[value] ?? "dot", text: CLASS_WORDS[value] ?? plain(value) };
  return stateWords(value);
}

/** A state in words that tell it from the others, even where the badge's text is the same. @param {string} authentication */
export function stateWords(authentication) {
  const known = BADGES[authentication] ?? { ...FALLBACK, text: plain(authentication) };
  const text = { not_authenticated: "Nothing asked yet", in_progress: "Check in progress", failed: "Check failed" }[authentication];
  return { tone: known.tone, icon: known.icon, text: text ?? known.text.charAt(0).toUpperCase() + known.text.slice(1) };
}

/** Who is on the line, as far as may be shown. @param {Call} call */
export const caller = (call) => call.customer?.name || (call.ani_display ? `Caller ${call.ani_display}` : "Caller without a number");

/** @param {State} state @param {number} now @param {Board} board */
function list(state, now, board) {
  const calls = shownCalls(state);
  const { filter } = state;
  return h(
    "section",
    { class: "panel calls", "aria-labelledby": "calls-title" },
    h(
      "h2",
      { id: "calls-title" },
      "Live calls",
      h("span", { class: "count" }, ` ${calls.length}`),
      filter && [
        h("span", { class: "filter" }, ` ${wordsOf(filter.kind, filter.value).text}`),
        h("button", { type: "button", class: "plain", "data-fk": "filter-off", on: { click: () => board.filter(filter) } }, "Show all"),
      ],
    ),
    calls.length === 0
      ? h("p", { class: "quiet" }, filter ? "No call is like this now." : "No calls at the moment.")
      : h(
          "table",
          { class: "calls-table" },
          h("caption", { class: "unseen" }, "Live calls, the oldest first"),
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["Caller", "State", "Came in from", "Queue", "Agent", "Time"].map((name, index) =>
                h("th", { key: name, scope: "col", class: index === 2 || index === 3 ? "wide" : null }, name),
              ),
            ),
          ),
          h(
            "tbody",
            null,
            calls.slice(0, ROWS_MAX).map((call) => row(call, now, board)),
          ),
        ),
    calls.length > ROWS_MAX &&
      h("p", { class: "quiet" }, `${calls.length - ROWS_MAX} more are not shown; choose a class, a state or a queue above.`),
  );
}

/** @param {Call} call @param {number} now @param {Board} board */
function row(call, now, board) {
  const words = stateWords(call.authentication);
  return h(
    "tr",
    { key: call.id, class: `call-row tone-${words.tone}`, "data-call": call.id },
    h(
      "th",
      { scope: "row" },
      h(
        "button",
        { type: "button", class: "plain open", "data-fk": `call:${call.id}`, on: { click: () => board.open(call.id) } },
        call.direction === "outbound" && [icon("out", "small"), h("span", { class: "unseen" }, "Outgoing: ")],
        caller(call),
      ),
    ),
    h(
      "td",
      { class: "state" },
      h("span", { class: "chip", key: "state" }, icon(words.icon), words.text),
      call.stale && h("span", { class: "chip old", key: "stale" }, icon("stale"), STALE.mark),
    ),
    h("td", { class: "wide" }, CLASS_SHORT[call.class] ?? "Not decided yet"),
    h("td", { class: "wide" }, call.queue ?? ""),
    h("td", null, call.agent ?? h("span", { class: "quiet" }, "waiting")),
    h("td", { class: "number" }, elapsed(now - Date.parse(call.started_at))),
  );
}

/** @param {Board} board */
function find(board) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (document.getElementById("find"));
    const id = field.value.trim();
    if (id !== "") board.find(id);
  };
  return h(
    "section",
    { class: "panel find", "aria-labelledby": "find-title" },
    h("h2", { id: "find-title" }, "Look up a past call"),
    h(
      "form",
      { class: "form inline", on: { submit } },
      h(
        "div",
        { class: "field" },
        h("label", { for: "find" }, "Call id"),
        h("input", { id: "find", name: "find", type: "text", autocomplete: "off", spellcheck: "false", "data-fk": "find" }),
      ),
      h("button", { type: "submit", "data-fk": "find-go" }, "Open"),
    ),
  );
}
