// A call in, what the agent sees out.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  announcement,
  badge,
  guide,
  origin,
  pin,
  questions,
  secondary,
  title,
} from "../../../src/web/assets/view-model.js";
import { NEVER_VOLUNTEER, digits, elapsed, evidence } from "../../../src/web/assets/words.js";
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
  assert.match(guide(again, true).say, /same two once more/);
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
  assert.equal(guide(STATES.questions("a", [true, null, null, null, null]), true).primary, null);
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
    const { primary } = guide(one, true);
    assert.ok(primary === null || one.actions.includes(primary), one.id);
    assert.ok(
      secondary(one, primary).every((action) => one.actions.includes(action) && action !== primary),
      one.id,
    );
  }
});

test("o01_an_outbound_call_starts_with_our_own_proof", () => {
  assert.equal(
    guide(call("a", { direction: "outbound", agent: "alice", actions: ["prove", "collect_pin", "mark"] }), true)
      .primary,
    "prove",
  );
  assert.equal(guide(STATES.outbound(), true).primary, "proof");
});

test("b13_b15_the_servers_sentences_reach_the_page_unchanged", () => {
  assert.equal(STATES.congratulated().message, CONGRATULATIONS);
  assert.equal(STATES.failed().message, UNFORTUNATELY);
  assert.match(guide(STATES.failed(), true).say, /Do not discuss the account/);
});

test("a_listener_hears_what_changed_and_nothing_else", () => {
  assert.equal(
    announcement(undefined, STATES.partially_verified()),
    "Tom Okafor. Number we know. partially verified, A check is still owed.",
  );
  assert.equal(announcement(STATES.partially_verified(), STATES.partially_verified()), "");
  assert.match(
    announcement(STATES.partially_verified(), STATES.pin_running()),
    /check in progress\. Third digit received\. Waiting for the sixth digit\./,
  );
});

test("small_words", () => {
  assert.equal(digits([2]), "second digit");
  assert.equal(digits([2, 6]), "second and sixth digits");
  assert.deepEqual([elapsed(-5), elapsed(65_000), elapsed(3_661_000)], ["0:00", "1:05", "1:01:01"]);
});
