// A call in, what the agent sees out.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  announcement,
  badge,
  countdown,
  guide,
  number,
  origin,
  party,
  pin,
  progressChips,
  questions,
  secondary,
  title,
} from "../../../src/web/assets/view-model.js";
import { target } from "../../../src/web/assets/focus.js";
import {
  BACK_TASKS,
  NEVER_VOLUNTEER,
  PARTY_WORDS,
  PROOF_METHODS,
  PURPOSES,
  digits,
  elapsed,
  evidence,
} from "../../../src/web/assets/words.js";
import { CONGRATULATIONS, STATES, UNFORTUNATELY, call } from "../calls.mjs";

test("x13_every_state_has_the_badge_its_source_asks_for", () => {
  const shown = Object.fromEntries(
    [
      "authenticated",
      "partially_verified",
      "not_authenticated",
      "in_progress",
      "failed",
      "blocked",
      "reset_required",
      "system_unavailable",
    ].map((authentication) => {
      const { text, sub } = badge(call("a", { authentication, badge: "" }));
      return [authentication, `${text} · ${sub}`];
    }),
  );
  assert.deepEqual(shown, {
    authenticated: "Authenticated · Identity confirmed",
    partially_verified: "partially verified · A check is still owed",
    not_authenticated: "NOT Authenticated · Nothing is proven yet",
    in_progress: "NOT Authenticated · check in progress",
    failed: "NOT Authenticated · check failed",
    blocked: "Blocked · No telephone service on this account",
    reset_required: "Reset required · Security details must be set anew",
    system_unavailable: "Check unavailable · This does not count as a failed try",
  });
});

test("no_two_states_share_both_icon_and_words", () => {
  const seen = [
    "authenticated",
    "partially_verified",
    "not_authenticated",
    "in_progress",
    "failed",
    "blocked",
    "reset_required",
    "system_unavailable",
  ].map((authentication) => badge(call("a", { authentication })).icon);
  assert.equal(new Set(seen).size, seen.length);
});

test("the_servers_badge_words_win", () => {
  assert.equal(badge(call("a", { badge: "Verified" })).text, "Verified");
  assert.equal(badge(call("a", { authentication: "brand_new", badge: "Something new" })).text, "Something new");
});

test("class_words_and_the_reasons_for_them", () => {
  assert.equal(origin(STATES.authenticated()).text, "Called from the app");
  assert.equal(origin(STATES.partially_verified()).text, "Number we know");
  assert.equal(origin(STATES.failed()).text, "Unknown or unproven number");
  assert.deepEqual(
    origin(STATES.partially_verified()).why.map(({ side }) => side),
    ["for", "for", "against"],
  );
  assert.deepEqual(evidence({ kind: "moon_phase", result: "half_full" }), {
    side: "neutral",
    text: "Moon phase: half full",
    detail: null,
  });
});

test("c29_a_caller_without_a_name_is_shown_by_the_masked_number", () => {
  assert.equal(title(call("a")), "Caller ••••••0123");
  assert.equal(title(call("a", { ani_display: null })), "Caller without a number");
});

test("c33_the_second_position_is_unknown_until_its_prompt_starts", () => {
  const at = (over) =>
    pin(
      call("a", {
        authentication: "in_progress",
        pin: { positions: [], entered: 0, needed: 2, attempt: 1, attempts_allowed: 2, result: null, ...over },
      }),
    );
  assert.equal(at({}), null);
  assert.equal(at({ positions: [3] }).progress, "Waiting for the third digit.");
  assert.equal(at({ positions: [3], entered: 1 }).progress, "Third digit received. The next one is being asked.");
  assert.equal(at({ positions: [3, 6], entered: 1 }).progress, "Third digit received. Waiting for the sixth digit.");
  assert.equal(at({ positions: [3, 6], entered: 2 }).progress, "Third and sixth digits received. Checking.");
  assert.equal(at({ positions: [3, 6], entered: 2, result: "correct" }).progress, "PIN digits correct");
  assert.deepEqual(
    at({ positions: [3, 6], entered: 1 }).slots.map(({ state }) => state),
    ["idle", "idle", "entered", "idle", "idle", "asked", "idle"],
  );
});

test("c34_the_second_try_is_named", () => {
  const again = STATES.pin_running("a", {
    pin: { positions: [3], entered: 0, needed: 2, attempt: 2, attempts_allowed: 2, result: null },
  });
  assert.equal(pin(again).attempt, "Try 2 of 2");
  assert.match(guide(again, true).todo, /same two once more/);
});

test("x10_nothing_the_agent_sees_can_hold_a_digit_of_the_pin", () => {
  const leaky = STATES.pin_running("a", {
    pin: {
      positions: [3],
      entered: 1,
      needed: 2,
      attempt: 1,
      attempts_allowed: 2,
      result: null,
      digits: "94",
      digit: "9",
    },
  });
  assert.ok(!JSON.stringify(pin(leaky)).includes("94"));
  assert.ok(!("digits" in pin(leaky)));
});

test("b05_an_authenticated_caller_needs_no_step_and_the_agent_is_told_what_to_keep", () => {
  const to = guide(STATES.authenticated(), true);
  assert.equal(to.primary, null);
  assert.deepEqual(to.never, NEVER_VOLUNTEER);
});

test("b07_b11_thresholds_decide_when_to_finish", () => {
  const asked = (marks) => questions(STATES.questions("a", marks), null);
  assert.equal(asked([null, null, null, null, null]).counter, "0 of 3 needed");
  assert.equal(asked([true, true, null, null, null]).decided, false);
  assert.deepEqual(
    [asked([true, true, null, true, null]).decided, asked([true, true, null, true, null]).passed],
    [true, true],
  );
  assert.deepEqual(
    [asked([false, false, false, null, null]).decided, asked([false, false, false, null, null]).passed],
    [true, false],
  );
  assert.equal(guide(STATES.questions("a", [true, true, true, null, null]), true).primary, "finish");
  assert.equal(guide(STATES.questions("a", [true, null, null, null, null]), true).primary, "reveal");
});

test("x11_an_answer_is_shown_only_when_the_server_sends_it", () => {
  const [first] = questions(STATES.questions("a"), null).items;
  assert.equal(first.answer, null);
  assert.equal(first.canReveal, true);
  const [blind] = questions(STATES.blind("a"), null).items;
  assert.deepEqual([blind.canReveal, blind.canMark, blind.canAnswer], [false, false, true]);
});

test("one_primary_action_and_only_what_is_allowed", () => {
  assert.equal(guide(call("a"), false).primary, "claim");
  assert.equal(guide(STATES.partially_verified(), true).primary, "collect_pin");
  assert.equal(guide(STATES.blind(), true).primary, "password");
  assert.equal(guide(STATES.failed(), true).primary, "offer_callback");
  assert.equal(guide(STATES.ended(), true).primary, "wrap_up");
  assert.equal(guide(call("a", { actions: [], agent: "alice" }), true).primary, null);
  for (const make of Object.values(STATES)) {
    const one = make();
    const { primary, todo } = guide(one, true);
    assert.ok(primary === null || one.actions.includes(primary), one.id);
    assert.ok(todo.length > 0, one.id);
    const { near, more } = secondary(one, primary);
    assert.ok(
      [...near, ...more].every((action) => one.actions.includes(action) && action !== primary),
      one.id,
    );
  }
});

test("the_servers_primary_action_wins_and_is_read_as_a_step", () => {
  const step = (make, over) => guide(make("a", over), true).step;
  assert.equal(step(STATES.bofe_five), "reveal", "to be asked and looked up, not typed");
  assert.equal(step(STATES.cmg_questions), "answer");
  assert.equal(step(STATES.employer), "mark");
  assert.equal(step(STATES.cmg_party), "set_party");
  assert.equal(step(STATES.pin_timer), "pin_running");
  // A live call is not pressed to an end, a failed one is.
  assert.equal(step(STATES.congratulated, { primary: "wrap_up" }), "result_authenticated");
  assert.equal(step(STATES.failed, { primary: "wrap_up" }), "wrap_up");
});

test("b20_too_few_that_can_still_be_right_end_the_questions", () => {
  const five = STATES.bofe_five("a");
  const items = five.questions.items.map((item, index) => ({ ...item, marked: index < 3 ? false : null }));
  assert.equal(guide({ ...five, questions: { ...five.questions, items } }, true).step, "finish");
});

test("x15_x24_enough_right_answers_are_the_servers_to_judge", () => {
  const five = STATES.bofe_five("a");
  const items = five.questions.items.map((item, index) => ({ ...item, marked: index < 3 ? true : null }));
  const asked = { ...five, questions: { ...five.questions, correct: 3, items } };
  assert.equal(guide(asked, true).step, "reveal");
  assert.match(guide(asked, true).todo, /Ask the rest, or finish/);
  assert.equal(guide({ ...asked, primary: "finish" }, true).step, "finish");
});

test("o01_an_outbound_call_starts_with_our_own_proof", () => {
  assert.equal(
    guide(call("a", { direction: "outbound", agent: "alice", actions: ["prove", "collect_pin", "mark"] }), true)
      .primary,
    "prove",
  );
  assert.equal(guide(STATES.outbound(), true).step, "prove", "and not with its result");
  assert.equal(guide(STATES.outbound_app(), true).step, "proof");
  assert.equal(guide(STATES.outbound_letter(), true).step, "proof", "ours is heard first");
  assert.equal(guide(STATES.outbound_letter_agreed(), true).step, "letter_code");
  assert.equal(guide(STATES.outbound_call_back(), true).primary, null);
});

test("o05_no_word_about_our_proof_holds_a_number_to_ring", () => {
  for (const words of [...Object.values(PROOF_METHODS).flat(), ...Object.values(PURPOSES)])
    assert.doesNotMatch(words, /\d/);
});

test("o04_c10_nothing_is_worded_as_it_must_not_be", () => {
  const all = JSON.stringify([PARTY_WORDS, PROOF_METHODS, PURPOSES, BACK_TASKS, NEVER_VOLUNTEER]);
  for (const legacy of [
    /parent with care/i,
    /non[- ]resident parent/i,
    /absent parent/i,
    /\b(NRP|PWC)\b/,
    /before we start/i,
  ])
    assert.doesNotMatch(all, legacy);
});

test("c13_c14_who_speaks_is_told_with_what_the_client_allows", () => {
  const said = (over) =>
    party(call("a", { party: { set_by: "agent", client_present: null, permission: null, ...over } }));
  assert.equal(said({ role: null }), null);
  assert.equal(said({ role: "client" }), "The client");
  assert.equal(
    said({ role: "other", client_present: true, permission: false }),
    "Someone else, client present, may not speak for the client",
  );
  assert.equal(party(call("a")), null);
});

test("c13_with_the_client_there_the_check_goes_on", () => {
  const beside = (over) => ({ role: "other", set_by: "agent", client_present: true, permission: null, ...over });
  const step = (over, actions) =>
    guide(STATES.cmg_pin("a", { party: beside(over), primary: "set_party", actions: ["set_party", ...actions] }), true)
      .step;
  assert.equal(step({}, ["collect_pin"]), "collect_pin");
  assert.equal(step({}, []), "set_party", "the client's word is still missing");
  assert.equal(step({ client_present: null }, ["collect_pin"]), "set_party");
});

test("c11_the_record_does_not_tick_the_party_step", () => {
  const record = { role: "client", set_by: "record", client_present: null, permission: null };
  assert.deepEqual(progressChips(STATES.cmg_party("a", { party: record })), []);
  assert.equal(progressChips(STATES.cmg_pin("a"))[0].text, "The client");
});

test("c52_no_part_of_the_number_is_left_after_a_failure", () => {
  for (const authentication of ["failed", "blocked"]) {
    const one = call("a", { authentication, ani_display: "••••••0123" });
    assert.deepEqual([number(one), title(one)], [null, "Caller"]);
  }
  assert.doesNotMatch(Object.values(BACK_TASKS).join(" "), /\d/);
});

test("c33_the_capture_says_how_long_is_left_by_the_servers_clock", () => {
  const at = Date.parse("2026-11-01T10:00:00Z");
  const one = call("a", {
    timer: { until: "2026-11-01T10:00:08Z", what: "digit" },
    timeline: [{ at: "2026-11-01T09:59:58Z", what: "asked" }],
  });
  assert.deepEqual(countdown(one, at), { seconds: 8, share: 0.8 });
  assert.deepEqual(countdown(one, at + 20_000), { seconds: 0, share: 0 });
  assert.equal(countdown({ ...one, timer: null }, at), null);
});

test("c47_the_chips_name_the_factor_and_no_question", () => {
  const chips = progressChips(STATES.cmg_questions("a"));
  assert.deepEqual(
    chips.map(({ text, state }) => `${state}: ${text}`),
    ["good: The client", "bad: PIN digits not correct", "good: Password correct"],
  );
});

test("the_focus_has_a_place_in_every_step", () => {
  for (const make of Object.values(STATES)) {
    const one = make();
    const to = target(one, guide(one, true), one.questions?.items[0]?.key ?? null);
    assert.equal(to.keys.at(-1), "#check-title");
  }
  const first = target(STATES.cmg_questions("a"), guide(STATES.cmg_questions("a"), true), "payment_method");
  const second = target(STATES.cmg_questions("a"), guide(STATES.cmg_questions("a"), true), "last_contact");
  assert.notEqual(first.step, second.step, "each question is a step of its own");
});

test("b13_b15_the_servers_sentences_reach_the_page_unchanged", () => {
  assert.equal(STATES.congratulated().message, CONGRATULATIONS);
  assert.equal(STATES.failed().message, UNFORTUNATELY);
  assert.match(guide(STATES.failed(), true).todo, /Do not discuss the account/);
});

test("a_listener_hears_what_changed_and_nothing_else", () => {
  assert.equal(
    announcement(undefined, STATES.partially_verified()),
    "Customer Two. Number we know. partially verified, A check is still owed.",
  );
  assert.equal(announcement(STATES.partially_verified(), STATES.partially_verified()), "");
  assert.match(
    announcement(STATES.partially_verified(), STATES.pin_running()),
    /check in progress\. Third digit received\. Waiting for the sixth digit\./,
  );
});

test("d06_a_stale_call_asks_to_wait_and_keeps_the_sentence_being_read", () => {
  const held = STATES.pin_running();
  const stale = { ...held, stale: true };
  const [before, now] = [guide(held, true), guide(stale, true)];
  assert.match(now.todo, /^Wait until this call is up to date again/);
  assert.deepEqual({ ...now, todo: before.todo }, before, "the step stays, and the focus with it");
  assert.equal(countdown({ ...stale, timer: { until: "2099-01-01T00:00:00Z" } }, 0), null, "nobody knows what is left");
});

test("d06_a_listener_hears_that_a_call_may_be_out_of_date_once_and_when_that_is_over", () => {
  const held = STATES.partially_verified();
  const stale = { ...held, stale: true };
  assert.match(announcement(held, stale), /^This may be out of date/);
  assert.match(announcement(undefined, stale), /A check is still owed\. This may be out of date/);
  assert.equal(announcement(stale, stale), "");
  assert.equal(announcement(stale, held), "This call is up to date again.");
});

test("small_words", () => {
  assert.equal(digits([2]), "second digit");
  assert.equal(digits([2, 6]), "second and sixth digits");
  assert.deepEqual([elapsed(-5), elapsed(65_000), elapsed(3_661_000)], ["0:00", "1:05", "1:01:01"]);
});
