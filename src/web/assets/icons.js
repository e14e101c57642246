// The icons: each state has a shape of its own, so none depends on colour.
import { h } from "./h.js";

/** Filled outline and the line drawn on it. @type {Record<string, {body?: string, line?: string, dashed?: boolean}>} */
const SHAPES = {
  check: { body: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21Z", line: "m7 12.5 3.5 3.5 6.5-7.5" },
  half: { line: "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19Z", body: "M12 2.5a9.5 9.5 0 0 0 0 19Z" },
  warn: { body: "M12 2 23 21.5H1Z", line: "M12 9.5v5M12 18v.1" },
  wait: { line: "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19ZM12 7v5.5l3.5 2" },
  stale: {
    line: "M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19ZM12 7v5.5l3.5 2",
    dashed: true,
  },
  cross: { body: "M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9Z", line: "m8 8 8 8m0-8-8 8" },
  stop: { body: "M4 3h16a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Z", line: "M7 12h10" },
  reset: { line: "M19.5 9.5A8.5 8.5 0 1 0 20.5 14M20.5 4v5.5H15" },
  unknown: { line: "M12 2.5 21.5 12 12 21.5 2.5 12ZM9.5 10a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .7-1 1.4M12 16.5v.1" },
  app: {
    line: "M8 2.5h8a1.5 1.5 0 0 1 1.5 1.5v16a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 20V4A1.5 1.5 0 0 1 8 2.5ZM11 18.5h2",
  },
  known: { line: "M12 3.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM4.5 20.5c.5-4 3.5-6 7.5-6s7 2 7.5 6" },
  stranger: {
    line: "M9 9a3 3 0 1 1 4.3 2.7c-.9.4-1.3 1-1.3 2M12 17.5v.1M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19Z",
    dashed: true,
  },
  phone: {
    line: "M6.5 3.5h3l1.5 4-2 1.5c1 2.5 3.5 5 6 6l1.5-2 4 1.5v3c0 1.5-1 2.5-2.5 2.5C10.5 20 4 13.5 4 6c0-1.5 1-2.5 2.5-2.5Z",
  },
  out: { line: "M14 4h6v6M20 4l-9 9" },
  tick: { line: "m5 12.5 4.5 4.5L19 7" },
  x: { line: "m6 6 12 12m0-12L6 18" },
  dot: { body: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Z" },
  online: { body: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14Z" },
  offline: { body: "M12 4 21 20H3Z" },
  connecting: { line: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14Z", dashed: true },
  speak: {
    line: "M4 4.5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-8l-5 4v-4H4a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1ZM7 9h10M7 12.5h6",
  },
  mute: { line: "M4 4l16 16M9 9v3a3 3 0 0 0 4.5 2.6M15 11V6a3 3 0 0 0-5.5-1.6M6 11.5a6 6 0 0 0 9.5 5M12 18v3" },
};

/**
 * An icon without a name of its own: the words beside it carry the meaning.
 * @param {string} name @param {string} [extra]
 */
export function icon(name, extra = "") {
  const shape = SHAPES[name] ?? SHAPES.dot ?? {};
  return h(
    "svg",
    { class: `icon ${extra}`.trim(), viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    shape.body && h("path", { class: "body", d: shape.body }),
    shape.line &&
      h("path", {
        class: shape.dashed ? "line dashed" : shape.body && name !== "half" ? "line on-body" : "line",
        d: shape.line,
      }),
  );
}
