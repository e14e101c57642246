// Where the focus belongs in each step of the check. Pure: names selectors, touches nothing.

/**
 * What a step is called, and what to focus in it: the first selector that is there.
 * @param {import("./store.js").Call} call @param {{step: string, primary: string | null}} to @param {string | null} question the question in hand
 * @returns {{step: string, keys: string[]}}
 */
export function target(call, { step }, question) {
  const asks = step === "answer" || step === "mark" || step === "reveal";
  const stage = call.proof ? `${call.proof.stage}:${call.proof.method ?? ""}:${call.proof.speak ? "aloud" : ""}` : "";
  const tries = step === "collect_pin" || step === "pin_running" ? (call.pin?.attempt ?? 0) : 0;
  return {
    // A question answered brings the next: each is a step of its own.
    step: [call.id, step, asks ? question : "", stage, tries].join("|"),
    keys: [...places(step, question), "#check-title"],
  };
}

/** @param {string} step @param {string | null} question */
function places(step, question) {
  const line = question === null ? [] : [`[data-question="${question.replace(/["\\]/g, "\\$&")}"]`];
  switch (step) {
    case "answer":
      return [...line.map((one) => `${one} input`), ...line, ".question input"];
    case "mark":
    case "reveal":
      return [".tick-line:not(.right) input", ...line];
    case "password":
      return ["#password-value"];
    case "set_party":
      return ["[name=role]:checked", "[name=role]"];
    case "prove":
      return ["[name=method]:checked", "[name=method]"];
    case "proof":
      return ["[name=result]:checked", "[name=result]"];
    case "letter_code":
      return ["#proof-value"];
    case "offer_callback":
      return ["[name=accepted]"];
    case "result_authenticated":
      return ['[data-fk="action:continue"]'];
    default:
      return [`[data-fk="action:${step}"]`];
  }
}
