// One call on the supervisor's page: where it stands, the ladder, the decisions, the record.
import { h } from "./h.js";
import { icon } from "./icons.js";
import { ladderView } from "./supervisor-ladder.js";
import { isLive } from "./supervisor-state.js";
import { caller, stateWords } from "./supervisor-view.js";
import { CLASS_WORDS, STALE, clock, elapsed, evidence, plain } from "./words.js";

/** @typedef {import("./supervisor-state.js").State} State */
/** @typedef {import("./store.js").Call} Call */
/** @typedef {import("./supervisor.js").Board} Board */

/** @param {State} state @param {Call} call @param {number} now @param {Board} board */
export function callPage(state, call, now, board) {
  return h(
    "article",
    { key: `page-${call.id}`, class: "call-page", "data-call": call.id, "aria-labelledby": "call-title" },
    h(
      "button",
      { type: "button", class: "plain back", "data-fk": "back", on: { click: () => board.close() } },
      h("span", { "aria-hidden": "true" }, "← "),
      "Back to the board",
    ),
    call.stale && h("p", { key: "stale", class: "notice old", role: "status" }, icon("stale"), h("span", null, STALE.notice)),
    top(state, call, now),
    state.detail.trouble && h("p", { class: "notice bad", role: "alert" }, icon("warn"), h("span", null, state.detail.trouble)),
    h(
      "section",
      { class: "panel", "aria-labelledby": "ladder-heading" },
      h("h3", { id: "ladder-heading" }, "Who sent what, when"),
      state.detail.ladder ? ladderView(state.detail.ladder) : h("p", { class: "quiet" }, "Being fetched…"),
    ),
    h("div", { class: "two" }, decisions(state, call, board), why(call)),
    h("div", { class: "two" }, timeline(call), record(state)),
  );
}

/** @param {State} state @param {Call} call @param {number} now */
function top(state, call, now) {
  const words = stateWords(call.authentication);
  const until = call.ended_at ? Date.parse(call.ended_at) : now;
  const party = /** @type {any} */ (call).party;
  const facts = /** @type {[string, string | null | undefined][]} */ ([
    ["How it came in", CLASS_WORDS[call.class] ?? "Not decided yet"],
    ["Direction", plain(call.direction)],
    ["Queue", call.queue],
    ["Agent", call.agent ?? "nobody"],
    ["Profile", call.policy],
    ["Customer", call.customer?.id],
    ["Role", party?.role ? plain(party.role) : call.customer?.role && plain(call.customer.role)],
    ["Began", clock(call.started_at)],
    [call.ended_at ? "Lasted" : "Lasts", elapsed(until - Date.parse(call.started_at))],
  ]);
  return h(
    "header",
    { class: `hero tone-${words.tone}` },
    h("div", { class: "badge" }, icon(words.icon, "big"), h("div", null, h("p", { class: "badge-text" }, call.badge || words.text), h("p", { class: "badge-sub" }, words.text))),
    h(
      "div",
      { class: "who" },
      h("h2", { id: "call-title", tabindex: "-1" }, caller(call)),
      h("p", { class: "quiet call-id" }, call.id, isLive(state) && !call.ended_at ? "" : " · this call is over; what is shown is its record"),
    ),
    h(
      "dl",
      { class: "facts" },
      facts.filter(([, value]) => value).map(([name, value]) => h("div", { key: name }, h("dt", null, name), h("dd", null, value))),
    ),
  );
}

/** @param {State} state @param {Call} call @param {Board} board */
function decisions(state, call, board) {
  const { replay, replaying } = state.detail;
  return h(
    "section",
    { class: "panel decisions", "aria-labelledby": "decisions-title" },
    h("h3", { id: "decisions-title" }, "Decisions"),
    h(
      "p",
      null,
      "Evaluates the call again from its recorded inputs, under the profile of its day, and says whether it comes out the same.",
    ),
    h(
      "div",
      { class: "buttons" },
      h(
        "button",
        {
          type: "button",
          class: "primary",
          "data-fk": "replay",
          "aria-disabled": replaying ? "true" : null,
          on: { click: () => !replaying && board.replay(call.id) },
        },
        replaying ? "Evaluating…" : "Evaluate again",
      ),
    ),
    h("div", { role: "status", class: "verdict" }, replay && verdict(replay)),
    replay && Array.isArray(replay.steps) && replay.steps.length > 0 && steps(replay.steps),
  );
}

/** @param {any} replay */
function verdict(replay) {
  const same = replay.same === true;
  const under = [replay.profile && `profile ${replay.profile}`, replay.hash && `version ${String(replay.hash).slice(0, 12)}`];
  const differences = Array.isArray(replay.differences) ? replay.differences : [];
  return h(
    "div",
    { class: `message ${same ? "good" : "bad"}` },
    icon(same ? "check" : "warn"),
    same ? " It comes out the same" : " It does not come out the same",
    under.some(Boolean) && ` under ${under.filter(Boolean).join(", ")}`,
    ".",
    differences.length > 0 &&
      h(
        "ul",
        null,
        differences.map((difference, index) => h("li", { key: index }, said(difference))),
      ),
  );
}

/** @param {any[]} all */
function steps(all) {
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Steps of the evaluation", "data-fk": "steps" },
    h(
      "table",
      { class: "plain-table" },
      h("caption", { class: "unseen" }, "The steps of the evaluation"),
      h("thead", null, h("tr", null, ["Factors", "Row", "Then", "Now"].map((name) => h("th", { key: name, scope: "col" }, name)))),
      h(
        "tbody",
        null,
        all.map((step, index) => {
          const again = said(step.again);
          const same = again === said(step.next) || step.again === true;
          return h(
            "tr",
            { key: index },
            h("td", null, said(step.state)),
            h("td", { class: "number" }, said(step.row)),
            h("td", null, said(step.next)),
            h("td", { class: same ? "same" : "other" }, icon(same ? "tick" : "x", "small"), " ", step.again === true ? "the same" : again),
          );
        }),
      ),
    ),
  );
}

/** A value of the answer in words, whatever its shape. @param {unknown} value @returns {string} */
function said(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "object") return String(value).replaceAll("_", " ");
  if (Array.isArray(value)) return value.map(said).join(", ");
  return Object.entries(value)
    .map(([name, one]) => `${name.replaceAll("_", " ")}: ${said(one)}`)
    .join(", ");
}

/** @param {Call} call */
function why(call) {
  const pieces = (call.evidence ?? []).map(evidence);
  const icons = /** @type {Record<string, string>} */ ({ for: "tick", against: "x", neutral: "dot" });
  const sides = /** @type {Record<string, string>} */ ({ for: "For: ", against: "Against: ", neutral: "" });
  return h(
    "section",
    { class: "panel why", "aria-labelledby": "why-title" },
    h("h3", { id: "why-title" }, "Why this class"),
    pieces.length === 0 && h("p", { class: "quiet" }, "No evidence was recorded."),
    h(
      "ul",
      null,
      pieces.map(({ side, text, detail }, index) =>
        h(
          "li",
          { key: index, class: side },
          icon(icons[side] ?? "dot", "small"),
          h("span", null, h("span", { class: "unseen" }, sides[side] ?? ""), text, detail && h("span", { class: "quiet" }, ` – ${detail}`)),
        ),
      ),
    ),
  );
}

/** @param {Call} call */
function timeline(call) {
  return h(
    "section",
    { class: "panel timeline", "aria-labelledby": "timeline-title" },
    h("h3", { id: "timeline-title" }, "Timeline"),
    h(
      "ol",
      null,
      (call.timeline ?? []).map((moment, index) =>
        h("li", { key: index }, h("time", { datetime: moment.at }, clock(moment.at)), h("span", null, moment.what)),
      ),
    ),
  );
}

/** @param {State} state */
function record(state) {
  const lines = state.detail.audit;
  return h(
    "section",
    { class: "panel timeline audit", "aria-labelledby": "audit-title" },
    h("h3", { id: "audit-title" }, "Audit record", lines && h("span", { class: "count" }, `${lines.length} lines`)),
    lines === null && h("p", { class: "quiet" }, "Being fetched…"),
    lines !== null && lines.length === 0 && h("p", { class: "quiet" }, "Nothing is on record yet."),
    h(
      "ol",
      null,
      (lines ?? []).map((line) =>
        h(
          "li",
          { key: line.number },
          h("time", { datetime: line.at }, clock(line.at)),
          h("span", null, h("span", { class: "number quiet" }, `#${line.number} `), plain(line.what), h("span", { class: "quiet" }, ` by ${line.actor}`)),
        ),
      ),
    ),
  );
}
