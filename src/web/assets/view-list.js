// The list of calls, in groups: mine, waiting, with other agents, ended.
import { h } from "./h.js";
import { icon } from "./icons.js";
import { groups } from "./store.js";
import { badge, origin, title } from "./view-model.js";
import { STALE, elapsed } from "./words.js";

const HEADINGS = { mine: "My calls", waiting: "Waiting", others: "With other agents", ended: "Ended" };

/** @param {import("./store.js").State} state @param {number} now @param {import("./main.js").Desk} desk */
export function listView(state, now, desk) {
  const all = groups(state);
  return h(
    "nav",
    { class: "list", "aria-label": "Calls" },
    all.length === 0 && h("p", { class: "quiet" }, "No calls."),
    all.map(({ name, calls }) =>
      h(
        "section",
        { key: name, class: "group", "aria-labelledby": `group-${name}` },
        h("h2", { id: `group-${name}` }, HEADINGS[name], h("span", { class: "count" }, " ", calls.length)),
        h(
          "ul",
          null,
          calls.map((call) => row(state, call, now, desk)),
        ),
      ),
    ),
  );
}

/** @param {import("./store.js").State} state @param {import("./store.js").Call} call @param {number} now @param {import("./main.js").Desk} desk */
function row(state, call, now, desk) {
  const mark = badge(call);
  const from = origin(call);
  const until = call.ended_at ? Date.parse(call.ended_at) : now;
  return h(
    "li",
    { key: call.id },
    h(
      "button",
      {
        type: "button",
        class: `row tone-${mark.tone}`,
        "aria-current": call.id === state.selected ? "true" : null,
        "data-fk": `row:${call.id}`,
        "data-call": call.id,
        "data-class": call.class,
        "data-authentication": call.authentication,
        on: { click: () => desk.select(call.id) },
      },
      h("span", { class: "mark" }, icon(mark.icon)),
      h("span", { class: "row-who" }, title(call)),
      h("span", { class: "row-time" }, elapsed(until - Date.parse(call.started_at))),
      h(
        "span",
        { class: "row-what" },
        h("span", { class: "row-badge" }, mark.text),
        ` · ${from.text}`,
        call.queue && ` · ${call.queue}`,
      ),
      call.stale && h("span", { key: "stale", class: "row-stale" }, icon("stale", "small"), " ", STALE.mark),
    ),
  );
}
