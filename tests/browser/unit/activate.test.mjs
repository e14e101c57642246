// The customer's page without a browser: what is noticed before anything is sent, what is sent, and what refusals mean.
import assert from "node:assert/strict";
import { test } from "node:test";
import { body, check, initial, reduce, refused } from "../../../src/web/assets/activate-state.js";
import { REFUSED, WEAK } from "../../../src/web/assets/activate-words.js";

const good = { number: " 100012 ", initial: "482 07 19", pin: "940-2716", again: "9402716", email: "ann@example.org", email_again: "ann@example.org" };
const at = (view, over, web = false) => check(view, { ...good, ...over }, web)?.at ?? null;

test("p15_a_form_is_complete_before_it_is_sent", () => {
  assert.equal(at("register", {}), null);
  for (const [over, field] of [
    [{ number: " " }, "number"],
    [{ initial: "" }, "initial"],
    [{ pin: "940271" }, "pin"],
    [{ pin: "94027a6", again: "94027a6" }, "pin"],
    [{ again: "9402761" }, "again"],
    [{ email: "ann" }, "email"],
    [{ email_again: "ann@example.com" }, "email_again"],
  ])
    assert.equal(at("register", over), field);
  assert.equal(at("renew", { number: "", initial: "", email: "" }), null, "a link stands for letter and address");
  assert.equal(check("forgot", { by: " " }, false)?.at, "by");
});

test("x17_a_web_pin_is_compared_letter_by_letter", () => {
  assert.equal(at("register", { web: "Blue Kettle 9", web_again: "blue Kettle 9" }, true), "web_again");
  assert.equal(at("register", { web: "", web_again: "" }, true), "web");
  assert.equal(at("register", { web: "x", web_again: "y" }, false), null, "not chosen");
});

test("p15_what_is_sent_holds_what_was_chosen_and_nothing_else", () => {
  assert.deepEqual(body("register", good, false, ""), { customer_id: "100012", initial_pin: "4820719", email: "ann@example.org", pin: "9402716" });
  const web = { ...good, web: "Blue Kettle 9", hint: " kitchen " };
  assert.deepEqual(body("renew", web, true, "T"), { token: "T", pin: "9402716", web_pin: "Blue Kettle 9", hint: "kitchen" });
  assert.deepEqual(body("renew", web, false, "T"), { token: "T", pin: "9402716" });
  assert.deepEqual(body("follow", {}, false, "T"), { token: "T" });
});

test("x18_who_forgot_gives_a_number_or_an_address", () => {
  assert.deepEqual(body("forgot", { by: " 100012 " }, false, ""), { customer_id: "100012" });
  assert.deepEqual(body("forgot", { by: "ann@example.org" }, false, ""), { email: "ann@example.org" });
});

test("x21_every_reason_against_a_pin_has_words_of_its_own", () => {
  const reasons = ["run", "repeated", "few_digits", "pattern", "personal", "initial", "default", "form", "previous"];
  const said = reasons.map((reason) => refused({ status: 422, code: "weak_pin", reason, why: "", retryAfter: 0 }));
  assert.equal(new Set(said.map(({ text }) => text)).size, reasons.length);
  assert.ok(said.every((one) => one.at === "pin" && one.sent));
  assert.deepEqual(Object.keys(WEAK).sort(), [...reasons].sort());
  assert.equal(refused({ status: 422, code: "weak_pin", reason: "new_word", why: "", retryAfter: 0 }).text, REFUSED.weak_pin);
});

test("refusals say what to do, and trouble of the server is not passed on", () => {
  const say = (status, code, why = "", retryAfter = 0) => refused({ status, code, reason: "", why, retryAfter }).text;
  assert.match(say(0, ""), /No answer came/);
  assert.match(say(429, "too_many_tries", "", 45), /45 seconds/);
  assert.match(say(429, "too_many_tries", "", 600), /10 minutes/);
  assert.match(say(422, "something_new", "leave the field empty"), /^Leave the field empty\.$/);
  assert.ok(!say(500, "internal", "table pins is locked").includes("table"));
});

test("a pin that was shown is hidden when it is sent", () => {
  const shown = reduce(initial(), { kind: "show", id: "pin" });
  assert.equal(shown.shown.pin, true);
  assert.deepEqual(reduce(shown, { kind: "sending" }).shown, {});
  assert.deepEqual(reduce(shown, { kind: "view", view: "forgot" }).shown, {});
});
