// Which key does what. Pure: says what a key press means, does nothing.

/** What the help dialog lists. @type {[string[], string][]} */
export const KEYS = [
  [["Enter"], "Do the highlighted step"],
  [["1", "–", "9"], "Go to a question"],
  [["S"], "The caller has answered: show ours"],
  [["R", "W"], "Mark it right, wrong"],
  [["N"], "What must never be said"],
  [["M"], "More: what else the call allows"],
  [["T"], "Transfer, then Enter to send"],
  [["E"], "End with a wrap-up, then Enter to save"],
  [["Esc"], "Put the check aside, close a form"],
  [["J", "K"], "Next, previous call (in the list also the arrow keys)"],
  [["?"], "This help"],
];

/**
 * @typedef {object} Place where the focus is
 * @property {boolean} typing in a field that takes text or a choice
 * @property {boolean} control on something that Enter already works
 * @property {boolean} list in the list of calls
 * @property {boolean} dialog a form or the help is open
 * @property {boolean} check the security check is open over the list of calls
 * @property {boolean} letters single-key shortcuts are switched on
 */

/**
 * The meaning of a key press, or null when it is none of ours.
 * @param {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, repeat?: boolean}} press @param {Place} place
 * @returns {{does: "primary" | "help" | "reveal"} | {does: "fold", name: "never" | "more"} | {does: "form", name: "transfer" | "wrap_up"} | {does: "step", by: number} | {does: "question", number: number} | {does: "mark", correct: boolean} | null}
 */
export function meaning(press, place) {
  if (press.ctrlKey || press.metaKey || press.altKey || place.typing || place.dialog) return null;
  if (press.key === "Enter") return place.control || press.repeat ? null : { does: "primary" };
  if (place.list && press.key === "ArrowDown") return { does: "step", by: 1 };
  if (place.list && press.key === "ArrowUp") return { does: "step", by: -1 };
  if (!place.letters || press.repeat) return null;
  const what = letter(press.key.toLowerCase());
  return what?.does === "step" && place.check ? null : what;
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
    case "n":
      return { does: "fold", name: "never" };
    case "m":
      return { does: "fold", name: "more" };
    case "t":
      return { does: "form", name: "transfer" };
    case "e":
      return { does: "form", name: "wrap_up" };
    case "?":
      return { does: "help" };
    default:
      return null;
  }
}
