// Which key does what. Pure: says what a key press means, does nothing.

/** What the help dialog lists. @type {[string[], string][]} */
export const KEYS = [
  [["Enter"], "Do the highlighted step"],
  [["J", "K"], "Next, previous call (in the list also the arrow keys)"],
  [["1", "–", "5"], "Go to a question"],
  [["S"], "Show our answer to it"],
  [["R", "W"], "Mark it right, wrong"],
  [["?"], "This help"],
];

/**
 * @typedef {object} Place where the focus is
 * @property {boolean} typing in a field that takes text or a choice
 * @property {boolean} control on something that Enter already works
 * @property {boolean} list in the list of calls
 * @property {boolean} dialog a dialog is open
 * @property {boolean} letters single-key shortcuts are switched on
 */

/**
 * The meaning of a key press, or null when it is none of ours.
 * @param {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, repeat?: boolean}} press @param {Place} place
 * @returns {{does: "primary" | "help" | "reveal"} | {does: "step", by: number} | {does: "question", number: number} | {does: "mark", correct: boolean} | null}
 */
export function meaning(press, place) {
  if (press.ctrlKey || press.metaKey || press.altKey || place.typing || place.dialog) return null;
  if (press.key === "Enter") return place.control || press.repeat ? null : { does: "primary" };
  if (place.list && press.key === "ArrowDown") return { does: "step", by: 1 };
  if (place.list && press.key === "ArrowUp") return { does: "step", by: -1 };
  return place.letters ? letter(press.key.toLowerCase()) : null;
}

/** @param {string} key @returns {ReturnType<typeof meaning>} */
function letter(key) {
  if (/^[1-9]$/.test(key)) return { does: "question", number: Number(key) };
  switch (key) {
    case "j":
      return { does: "step", by: 1 };
    case "k":
      return { does: "step", by: -1 };
    case "r":
      return { does: "mark", correct: true };
    case "w":
      return { does: "mark", correct: false };
    case "s":
      return { does: "reveal" };
    case "?":
      return { does: "help" };
    default:
      return null;
  }
}
