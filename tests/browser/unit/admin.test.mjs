// PIN maintenance without a browser: what is shown to whom, and what stays of one account when the next is looked at.
import assert from "node:assert/strict";
import { test } from "node:test";
import { actions, ago, belongs, initial, left, look, may, percent, reached, readToken, reasonTrouble, reduce, unblockStage } from "../../../src/web/assets/admin-state.js";

const file = (over = {}) => ({
  customer: { id: "7", name: "Customer Seven", language: null, email: null },
  credentials: ["voice_pin"],
  flags: { initialized: true, enabled: true },
  situation: { code: "enabled", title: "", recommendation: "", actions: ["hint", "resend", "reset"] },
  standing: "open",
  dates: {},
  counters: {},
  hint: { set: true, may_be_told: true },
  unblock: { second_person: false, asked_by: null, asked_at: null },
  history: [],
  ...over,
});
const as = (role, sub = "me") => reduce(initial(), { kind: "signed_in", who: { sub, name: sub, roles: [role] } });
const open = (state, one = file()) => reduce(reduce(state, { kind: "looking", number: one.customer.id }), { kind: "looked", file: one, reason: "a reason" });

test("p29_three_roles_may_do_what_they_need_and_no_more", () => {
  const all = ["look", "estate", "reset", "generate", "resend", "unblock", "hint", "generate_all"];
  const able = (role) => all.filter((what) => may(as(role), what));
  assert.deepEqual(able("pin_admin"), all);
  assert.deepEqual(able("webmaster"), ["look", "estate", "resend"]);
  assert.deepEqual(able("support"), ["look", "resend"]);
  assert.deepEqual(able("agent"), []);
  assert.ok(belongs(["agent", "support"]) && !belongs(["agent", "supervisor", "platform", "app"]));
});

test("p29_only_what_both_server_and_role_allow_is_offered", () => {
  assert.deepEqual(actions(open(as("pin_admin"))), ["hint", "resend", "reset"]);
  assert.deepEqual(actions(open(as("support"))), ["resend"]);
  assert.deepEqual(actions(as("pin_admin")), []);
});

test("x19_a_hint_that_may_not_be_told_is_not_offered", () => {
  const offered = (hint) => actions(open(as("pin_admin"), file({ hint })));
  assert.ok(!offered({ set: true, may_be_told: false }).includes("hint"));
  assert.ok(!offered({ set: false, may_be_told: true }).includes("hint"));
});

test("p28_nothing_of_one_account_is_left_while_the_next_is_looked_at", () => {
  let state = open(as("pin_admin"));
  state = reduce(state, { kind: "done", customer: "7", hint: "blue house" });
  assert.equal(state.hint, "blue house");
  state = reduce(state, { kind: "looking", number: "8" });
  assert.deepEqual([state.file, state.hint, state.ask], [null, null, null]);
  // What was asked for the first account comes too late.
  state = open(state, file({ customer: { id: "8", name: "", language: null, email: null } }));
  state = reduce(state, { kind: "done", customer: "7", hint: "blue house", file: file() });
  assert.deepEqual([state.file.customer.id, state.hint], ["8", null]);
});

test("p28_a_look_that_was_given_up_opens_nothing", () => {
  const state = reduce(reduce(as("pin_admin"), { kind: "looking", number: "7" }), { kind: "look_wrong", field: "number", text: "no" });
  assert.equal(reduce(state, { kind: "looked", file: file(), reason: "r" }).file, null);
});

test("p28_a_reason_is_words_and_not_a_novel", () => {
  assert.equal(reasonTrouble("lost letter"), "");
  for (const none of ["", "  ", " ab ", "x".repeat(201)]) assert.notEqual(reasonTrouble(none), "", JSON.stringify(none));
  assert.equal(reasonTrouble("é".repeat(200)), "");
});

test("p29_nobody_agrees_with_their_own_unblock", () => {
  const waits = (asked_by) => file({ standing: "blocked", situation: { code: "enabled", actions: ["unblock"] }, unblock: { second_person: true, asked_by, asked_at: null } });
  const stage = (asked_by) => unblockStage(open(as("pin_admin", "ann"), waits(asked_by)));
  assert.deepEqual([stage(null), stage("ann"), stage("bob"), unblockStage(open(as("pin_admin")))], ["ask", "own", "agree", "none"]);
  assert.deepEqual(actions(open(as("pin_admin", "ann"), waits("ann"))), []);
  assert.deepEqual(actions(open(as("pin_admin", "ann"), waits("bob"))), ["unblock"]);
});

test("p18_p19_p20_p21_each_pair_of_flags_has_a_sign_and_a_place_of_its_own", () => {
  const pairs = [
    [false, false, "letter_sent"],
    [true, false, "link_not_followed"],
    [true, true, "enabled"],
    [false, true, "impossible"],
  ].map(([initialized, enabled, code]) => file({ flags: { initialized, enabled }, situation: { code } }));
  assert.equal(new Set(pairs.map((one) => look(one).icon)).size, 4);
  assert.deepEqual(pairs.map(reached), [0, 1, 2, -1]);
  assert.equal(look(file({ standing: "blocked" })).tone, "blocked");
});

test("signing out leaves nothing behind", () => {
  const state = reduce(open(as("pin_admin")), { kind: "signed_out", reason: "expired" });
  assert.deepEqual(state, { ...initial(), refused: "expired" });
});

test("a token says who holds it, and one that says nothing opens nothing", () => {
  const body = Buffer.from(JSON.stringify({ sub: "ann", roles: ["support", 7], name: "Änn" })).toString("base64url");
  assert.deepEqual(readToken(`x.${body}.y`), { sub: "ann", name: "Änn", roles: ["support"] });
  for (const odd of ["", "a.b.c", "....", `x.${Buffer.from("[]").toString("base64url")}.y`]) assert.deepEqual(readToken(odd).roles, []);
});

test("p04_a_generation_is_never_said_to_be_over_before_it_is", () => {
  const run = { examined: 999_999, total: 1_000_000, running: true };
  assert.equal(percent(run), 99);
  assert.equal(percent({ ...run, examined: 1_000_000 }), 99);
  assert.equal(percent({ ...run, examined: 1_000_000, running: false }), 100);
  assert.equal(percent({ examined: 0, total: 0, running: true }), 0);
  assert.deepEqual([left(0.4), left(26.3), left(600), left(7300), left(null)], ["less than a second", "about 26 s", "about 10 min", "about 2 h", ""]);
  assert.deepEqual([ago(90_000), ago(27 * 3_600_000), ago(76 * 3_600_000)], ["1 min", "27 h", "3 days"]);
});
