// A call as a ladder: lifelines, arrows, times. The layout is pure; the drawing is plain SVG with text as text.
import { h } from "./h.js";
import { clock } from "./words.js";

/** @typedef {import("./supervisor-state.js").Arrow} Arrow */

const LANE_WORDS = /** @type {Record<string, string>} */ ({
  caller: "Caller",
  platform: "Platform",
  daemon: "Countersign",
  records: "Records",
  desktop: "Desktop",
  agent: "Agent",
});
const LEFT = 118;
const LANE = 156;
const TOP = 0;
const HEADS = 40;
const LINE = 16;
const GAP = 15;
/** The width of a character of the labels, generously. */
const CHARACTER = 6.9;
const HEAD = 7;

/**
 * Where everything stands.
 * @param {string[]} lanes @param {Arrow[]} events
 */
export function layout(lanes, events) {
  const at = new Map(lanes.map((name, index) => [name, LEFT + LANE / 2 + index * LANE]));
  let y = TOP;
  let before = Number.NaN;
  const rows = events
    .filter(({ from, to }) => at.has(from) && at.has(to))
    .map((event) => {
      const [from, to] = [at.get(event.from) ?? 0, at.get(event.to) ?? 0];
      const room = Math.max(LANE, Math.abs(to - from)) - 2 * HEAD - 6;
      const lines = wrap(event.what, Math.floor(room / CHARACTER));
      const top = y + GAP;
      y = top + lines.length * LINE;
      const when = Date.parse(event.at);
      const waited = when - before;
      before = when;
      const middle = from === to ? from + LANE / 2 : (from + to) / 2;
      return { event, from, to, middle, lines, top, y: y + 2, time: instant(event.at), gap: pause(waited) };
    });
  return {
    width: LEFT + lanes.length * LANE,
    height: y + 28,
    lanes: lanes.map((name) => ({ name, text: LANE_WORDS[name] ?? name, x: at.get(name) ?? 0 })),
    rows,
  };
}

/** Text in lines of at most `room` characters; a longer word is cut. @param {string} text @param {number} room */
export function wrap(text, room) {
  /** @type {string[]} */
  const lines = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((one) => one !== "")) {
    let rest = word;
    if (line !== "" && line.length + 1 + rest.length > room) {
      lines.push(line);
      line = "";
    }
    while (rest.length > room) {
      lines.push(`${rest.slice(0, room - 1)}-`);
      rest = rest.slice(room - 1);
    }
    line = line === "" ? rest : `${line} ${rest}`;
  }
  if (line !== "") lines.push(line);
  return lines.length === 0 ? [""] : lines;
}

/** @param {string} at */
function instant(at) {
  const fraction = /\.(\d{3})/.exec(at)?.[1] ?? "000";
  return `${clock(at)}.${fraction}`;
}

/** The time since the arrow before, where it is worth a word. @param {number} ms */
export function pause(ms) {
  if (!(ms >= 1)) return "";
  if (ms < 1000) return `+${Math.round(ms)} ms`;
  if (ms < 60_000) return `+${(ms / 1000).toFixed(1)} s`;
  return `+${Math.round(ms / 60_000)} min`;
}

/** The picture, and the same as a table for those who cannot see it. @param {{lanes: string[], events: Arrow[], complete?: boolean}} ladder */
export function ladderView(ladder) {
  const placed = layout(ladder.lanes, ladder.events);
  if (placed.rows.length === 0) return h("p", { class: "quiet" }, "Nothing has been recorded of this call yet.");
  const seconds = (Date.parse(ladder.events.at(-1)?.at ?? "") - Date.parse(ladder.events[0]?.at ?? "")) / 1000;
  return h(
    "div",
    { class: "ladder" },
    h(
      "div",
      { class: "ladder-scroll", tabindex: "0", role: "region", "aria-label": "Ladder diagram, scrolls", "data-fk": "ladder" },
      // The names stay in sight while the picture scrolls under them.
      h(
        "svg",
        { class: "ladder-head", viewBox: `0 0 ${placed.width} ${HEADS}`, width: placed.width, height: HEADS, "aria-hidden": "true", focusable: "false" },
        placed.lanes.map(laneHead),
      ),
      h(
        "svg",
        {
          class: "ladder-picture",
          viewBox: `0 0 ${placed.width} ${placed.height}`,
          width: placed.width,
          height: placed.height,
          role: "img",
          "aria-labelledby": "ladder-title ladder-desc",
        },
        h("title", { id: "ladder-title" }, "Who sent what to whom on this call"),
        h(
          "desc",
          { id: "ladder-desc" },
          `${placed.rows.length} messages between ${placed.lanes.map(({ text }) => text).join(", ")} in ${seconds.toFixed(1)} seconds. The table below says the same in words.`,
        ),
        placed.lanes.map((lane) => lifeline(lane, placed.height)),
        placed.rows.map((row, index) => arrow(row, index)),
      ),
    ),
    ladder.complete === false &&
      h("p", { class: "quiet" }, "Some audit lines of this call are not shown: the records cannot be read now, or there are too many."),
    h("details", { class: "as-table" }, h("summary", { "data-fk": "ladder-table" }, "Show as a table"), table(placed.rows)),
  );
}

/** @param {{name: string, x: number}} lane @param {number} height */
function lifeline({ name, x }, height) {
  return h("line", { key: `lane-${name}`, class: "lifeline", x1: x, y1: 0, x2: x, y2: height - 6 });
}

/** @param {{name: string, text: string, x: number}} lane */
function laneHead({ name, text, x }) {
  return h(
    "g",
    { key: `lane-${name}`, class: `lane lane-${name}` },
    h("rect", { class: "lane-box", x: x - 60, y: 6, width: 120, height: 28, rx: 6 }),
    h("text", { class: "lane-name", x, y: 25, "text-anchor": "middle" }, text),
  );
}

/** @param {ReturnType<typeof layout>["rows"][number]} row @param {number} index */
function arrow(row, index) {
  const { from, to, middle, lines, top, y, time, gap, event } = row;
  const way = to >= from ? 1 : -1;
  const shaft = from === to ? `M${from} ${y - 8}h18v8H${to + HEAD}` : `M${from} ${y}H${to - way * HEAD}`;
  const tip = from === to ? -1 : way;
  const head = `M${to} ${y}l${-tip * (HEAD + 2)} ${-HEAD / 1.5}v${(HEAD / 1.5) * 2}Z`;
  const wide = Math.max(...lines.map(({ length }) => length)) * CHARACTER + 8;
  return h(
    "g",
    { key: `row-${index}`, class: `arrow from-${event.from}` },
    h("text", { class: "when", x: 4, y: y + 1 }, time),
    gap !== "" && h("text", { class: "gap", x: 4, y: y - 13 }, gap),
    h("rect", { class: "label-back", x: middle - wide / 2, y: top + 1, width: wide, height: lines.length * LINE - 1, rx: 3 }),
    lines.map((line, number) =>
      h("text", { key: `line-${number}`, class: "label", x: middle, y: top + 12 + number * LINE, "text-anchor": "middle" }, line),
    ),
    h("path", { class: "shaft", d: shaft }),
    h("path", { class: "head", d: head }),
  );
}

/** @param {ReturnType<typeof layout>["rows"]} rows */
function table(rows) {
  const word = (/** @type {string} */ lane) => LANE_WORDS[lane] ?? lane;
  return h(
    "table",
    { class: "plain-table" },
    h("caption", { class: "unseen" }, "The ladder diagram as a table"),
    h("thead", null, h("tr", null, ["Time", "From", "To", "What"].map((name) => h("th", { key: name, scope: "col" }, name)))),
    h(
      "tbody",
      null,
      rows.map(({ event, time }, index) =>
        h(
          "tr",
          { key: `row-${index}` },
          h("td", { class: "number" }, time),
          h("td", null, word(event.from)),
          h("td", null, word(event.to)),
          h("td", null, event.what),
        ),
      ),
    ),
  );
}
