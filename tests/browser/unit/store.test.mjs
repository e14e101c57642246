// Frames in, state out: the stories of the desktop without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  groups,
  initial,
  isOutOfReach,
  isPending,
  needsCheck,
  reduce,
  selectedCall,
  serverTime,
} from "../../../src/web/assets/store.js";
import { STATES, call } from "../calls.mjs";

const welcome = {
  type: "welcome",
  protocol: 1,
  agent: "alice",
  roles: ["agent"],
  heartbeat_s: 15,
  epoch: "e1",
  seq: 40,
};
const frame = (state, ...frames) => frames.reduce((now, one) => reduce(now, { kind: "frame", frame: one }), state);
const on = (...frames) => frame(initial(), welcome, ...frames);
const said = (call, seq) => ({ type: "call", seq, call });

const proven = { agent: "alice", authentication: "authenticated" };

test("b17_a_call_that_becomes_mine_opens_by_itself", () => {
  const busy = on({ type: "snapshot", seq: 41, calls: [call("a", proven), call("b")] });
  assert.equal(busy.selected, "a");
  assert.equal(frame(busy, said(call("b", { agent: "alice", version: 2 }), 42)).selected, "b");
});

test("b05_b06_the_check_opens_for_whoever_needs_one_and_for_nobody_else", () => {
  const opened = (over) => on({ type: "snapshot", seq: 41, calls: [call("a", over)] }).check;
  assert.equal(opened({ agent: "alice", class: "verified_number", authentication: "partially_verified" }), "a");
  assert.equal(opened({ agent: "alice" }), "a");
  assert.equal(opened({ agent: "alice", authentication: "failed" }), "a");
  assert.equal(opened({ agent: "alice", class: "app_authenticated", authentication: "authenticated" }), null);
  assert.equal(opened({ agent: "bob" }), null);
  assert.equal(opened({ agent: null }), null);
  assert.equal(opened({ agent: "alice", ended_at: "2026-11-01T10:00:00Z" }), null);
  assert.equal(needsCheck(call("a", { authentication: "blocked" })), true);
});

test("b21_the_check_stays_for_its_result_and_goes_with_the_call", () => {
  const open = on(said(call("a", { agent: "alice" }), 41));
  const passed = frame(open, said(call("a", { ...proven, version: 2 }), 42));
  assert.equal(passed.check, "a");
  assert.equal(reduce(passed, { kind: "put_aside" }).check, null);
  assert.equal(frame(passed, said(call("a", { ...proven, version: 3, agent: null }), 43)).check, null);
  assert.equal(frame(open, { type: "call_gone", seq: 42, call: "a" }).check, null);
});

test("b21_what_was_put_aside_stays_aside_until_a_new_check_is_due", () => {
  const aside = reduce(on(said(call("a", { agent: "alice" }), 41)), { kind: "put_aside" });
  const later = frame(aside, said(call("a", { agent: "alice", version: 2, authentication: "in_progress" }), 42));
  assert.equal(later.check, null);
  assert.equal(reduce(later, { kind: "take_up" }).check, "a");
  // Passed, and then a check is owed again, as after a blind transfer (X31).
  const passed = frame(later, said(call("a", { ...proven, version: 3 }), 43));
  const again = frame(passed, said(call("a", { agent: "alice", version: 4 }), 44));
  assert.deepEqual([passed.check, again.check], [null, "a"]);
});

test("b21_no_check_opens_over_a_check_in_hand_a_form_or_typing", () => {
  const inHand = on(said(call("a", { agent: "alice" }), 41));
  const more = frame(inHand, said(call("b", { agent: "alice" }), 42));
  assert.deepEqual([more.selected, more.check], ["a", "a"]);
  assert.match(more.notice.text, /My calls/);
  const help = reduce(on(), { kind: "dialog", name: "help" });
  assert.equal(frame(help, said(call("a", { agent: "alice" }), 41)).check, null);
  const typing = reduce(
    on(said(call("a", { ...proven, ended_at: "2026-11-01T10:00:00Z", actions: ["wrap_up"] }), 41)),
    {
      kind: "typing",
      on: true,
    },
  );
  const kept = frame(typing, said(call("b", { agent: "alice" }), 42));
  assert.deepEqual([kept.selected, kept.check], [typing.selected, null]);
});

test("c33_the_servers_clock_is_read_off_fresh_frames", () => {
  const at = Date.parse("2026-11-01T10:00:00Z");
  const fresh = (seconds, version) =>
    said(
      call("a", { version, timeline: [{ at: new Date(at + seconds * 1000).toISOString(), what: "asked" }] }),
      41 + version,
    );
  const heard = (state, frame, ms) => reduce(state, { kind: "frame", frame, at: ms });
  const behind = heard(on(), fresh(30, 1), at);
  assert.equal(serverTime(behind, at), at + 30_000);
  // An older moment tells less and changes nothing.
  assert.equal(serverTime(heard(behind, fresh(10, 2), at), at), at + 30_000);
  assert.equal(serverTime(heard(on(), fresh(0, 1), at + 400), at), at, "small differences are delay, not clocks");
});

test("c23_choices_that_are_not_sent_go_with_the_call_and_never_hold_an_answer", () => {
  const chosen = reduce(on(said(call("a", { agent: "alice" }), 41)), { kind: "draft", name: "role", value: "other" });
  assert.deepEqual(chosen.draft, { role: "other" });
  assert.deepEqual(reduce(chosen, { kind: "select", call: "a" }).draft, {});
  const sent = reduce(chosen, { kind: "sent", id: 1, type: "set_party", call: "a" });
  assert.deepEqual(frame(sent, { type: "error", id: 1, code: "not_now", message: "no" }).draft, { role: "other" });
  assert.deepEqual(frame(sent, { type: "ok", id: 1 }).draft, {});
});

test("the_name_in_the_token_is_kept_beside_the_agent", () => {
  assert.equal(frame(initial(), { ...welcome, name: "Agent One" }).session.name, "Agent One");
  assert.equal(on().session.name, null);
});

test("b17_a_new_call_opens_when_none_is_selected_and_never_over_one_in_hand", () => {
  const idle = on({ type: "snapshot", seq: 41, calls: [] });
  const first = frame(idle, said(call("a"), 42));
  assert.equal(first.selected, "a");
  assert.equal(frame(first, said(call("b"), 43)).selected, "a");
});

test("a_finished_call_does_not_keep_the_next_one_from_opening", () => {
  const done = on(
    { type: "snapshot", seq: 41, calls: [] },
    said(call("a", { agent: "alice" }), 42),
    said(call("a", { agent: "alice", version: 2, ended_at: "2026-11-01T10:00:00Z", actions: [] }), 43),
  );
  assert.equal(frame(done, said(call("b"), 44)).selected, "b");
});

test("a_screen_pop_never_takes_a_form_away", () => {
  const typing = reduce(on(said(call("a", { agent: "alice" }), 41)), { kind: "dialog", name: "transfer" });
  const after = frame(typing, said(call("b", { agent: "alice" }), 42));
  assert.equal(after.selected, "a");
  assert.match(after.notice.text, /My calls/);
});

test("an_older_version_of_a_call_never_replaces_a_newer_one", () => {
  const state = on(said(call("a", { version: 7, badge: "Authenticated" }), 41), said(call("a", { version: 6 }), 42));
  assert.equal(state.calls.get("a").badge, "Authenticated");
  assert.equal(state.session.seq, 42);
});

test("resuming_keeps_our_own_count_so_that_nothing_missed_is_skipped", () => {
  const state = frame(on(said(call("a"), 41)), { ...welcome, seq: 90 });
  assert.equal(state.session.seq, 41);
  assert.equal(state.calls.size, 1);
  assert.equal(frame(state, { ...welcome, epoch: "e2", seq: 3 }).session.seq, 0);
});

test("a_snapshot_replaces_everything_that_was_known", () => {
  const state = on(said(call("a"), 41), { type: "snapshot", seq: 50, calls: [call("b")] });
  assert.deepEqual([...state.calls.keys()], ["b"]);
  assert.equal(state.selected, "b");
});

test("a_call_that_is_gone_takes_its_data_and_its_dialog_along", () => {
  const open = reduce(on(said(call("a", { agent: "alice" }), 41)), { kind: "dialog", name: "transfer" });
  const state = frame(open, { type: "call_gone", seq: 42, call: "a" });
  assert.equal(selectedCall(state), null);
  assert.equal(state.dialog, null);
  assert.match(state.notice.text, /no longer on this desktop/);
});

test("calls_are_grouped_mine_waiting_others_ended", () => {
  const ended = { ended_at: "2026-11-01T10:00:00Z" };
  const state = on({
    type: "snapshot",
    seq: 41,
    calls: [
      call("e", ended),
      call("o", { agent: "bob" }),
      call("w2", { started_at: "2026-11-01T09:00:02Z" }),
      call("w1", { started_at: "2026-11-01T09:00:01Z" }),
      call("m", { agent: "alice" }),
    ],
  });
  assert.deepEqual(
    groups(state).map(({ name, calls }) => [name, calls.map(({ id }) => id)]),
    [
      ["mine", ["m"]],
      ["waiting", ["w1", "w2"]],
      ["others", ["o"]],
      ["ended", ["e"]],
    ],
  );
});

test("stepping_walks_the_list_as_shown_and_stops_at_its_ends", () => {
  const state = on({
    type: "snapshot",
    seq: 41,
    calls: [call("b", { started_at: "2026-11-01T09:00:02Z" }), call("a", { started_at: "2026-11-01T09:00:01Z" })],
  });
  const step = (from, by) => reduce(from, { kind: "step", by });
  assert.equal(state.selected, "a");
  assert.equal(step(state, 1).selected, "b");
  assert.equal(step(step(state, 1), 1).selected, "b");
  assert.equal(step(state, -1).selected, "a");
});

test("b10_the_question_in_hand_moves_on_when_it_is_marked", () => {
  const start = reduce(on(said(STATES.questions("q"), 41)), { kind: "select", call: "q" });
  assert.equal(start.question, "last_transaction_date");
  const second = frame(start, said({ ...STATES.questions("q", [true, null, null, null, null]), version: 2 }, 42));
  assert.equal(second.question, "last_transaction_amount");
  const done = frame(second, said({ ...STATES.questions("q", [true, true, true, true, false]), version: 3 }, 43));
  assert.equal(done.question, null);
});

test("a_request_is_pending_until_answered_and_an_error_is_told", () => {
  const sent = reduce(on(said(call("a"), 41)), { kind: "sent", id: 1, type: "claim", call: "a" });
  assert.ok(isPending(sent, "a", "claim"));
  assert.ok(!isPending(frame(sent, { type: "ok", id: 1 }), "a"));
  const refused = frame(sent, { type: "error", id: 1, code: "not_now", message: "another agent has this call" });
  assert.ok(!isPending(refused, "a"));
  assert.deepEqual(refused.notice, { tone: "bad", text: "another agent has this call" });
});

test("a_form_closes_when_taken_and_stays_when_refused", () => {
  const sent = reduce(reduce(on(said(call("a"), 41)), { kind: "dialog", name: "transfer" }), {
    kind: "sent",
    id: 1,
    type: "transfer",
    call: "a",
  });
  assert.equal(frame(sent, { type: "ok", id: 1 }).dialog, null);
  assert.equal(frame(sent, { type: "error", id: 1, code: "not_now", message: "no" }).dialog, "transfer");
});

test("a_lost_connection_says_that_the_last_step_is_unconfirmed", () => {
  const sent = reduce(on(said(call("a"), 41)), { kind: "sent", id: 1, type: "finish", call: "a" });
  const lost = reduce(sent, { kind: "link", link: { status: "waiting", reason: "x", retryAt: 1 } });
  assert.ok(!isPending(lost, "a"));
  assert.match(lost.notice.text, /before the server confirmed/);
});

test("no_password_is_ever_part_of_the_state", () => {
  const sent = reduce(on(said(STATES.blind("a"), 41)), {
    kind: "sent",
    id: 1,
    type: "password",
    call: "a",
    value: "swordfish",
  });
  assert.ok(!JSON.stringify([...sent.pending]).includes("swordfish"));
});

test("d06_of_a_stale_call_nothing_can_be_asked_until_a_state_without_it", () => {
  const online = reduce(on(said(call("a"), 41), said(call("b"), 42)), { kind: "link", link: { status: "online", reason: null, retryAt: null } });
  const stale = frame(online, said(call("a", { stale: true }), 43));
  assert.deepEqual(["a", "b"].map((id) => isOutOfReach(stale, stale.calls.get(id))), [true, false]);
  const back = frame(stale, said(call("a"), 44));
  assert.equal(isOutOfReach(back, back.calls.get("a")), false);
});

test("d06_who_takes_a_stale_call_over_may_begin_before_what_was_last_seen", () => {
  const stale = on(said(call("a", { version: 7 }), 41), said(call("a", { version: 7, stale: true }), 42));
  assert.equal(frame(stale, said(call("a", { version: 6, queue: "savings" }), 43)).calls.get("a").queue, "savings");
  const late = on(said(call("a", { version: 7 }), 41), said(call("a", { version: 6, queue: "savings" }), 42));
  assert.equal(late.calls.get("a").queue, "general", "otherwise an older state is dropped");
});

test("d06_what_watchers_see_of_my_stale_call_does_not_take_my_own_away", () => {
  const mine = STATES.cmg_password("a", { version: 7 });
  const watched = (version) => ({ ...mine, version, password: null, primary: null, actions: [], stale: true });
  for (const version of [6, 7])
    for (const one of [said(watched(version), 42), { type: "snapshot", seq: 1, calls: [watched(version)] }])
      assert.deepEqual(frame(on(said(mine, 41)), one).calls.get("a"), { ...mine, stale: true });
  const newer = frame(on(said(mine, 41)), said(watched(8), 42)).calls.get("a");
  assert.deepEqual(newer.actions, [], "a newer state counts, whatever it leaves out");
  const another = frame(on(said(mine, 41)), { ...welcome, agent: "bob", epoch: "e2" }, { type: "snapshot", seq: 1, calls: [watched(7)] });
  assert.equal(another.calls.get("a").password, null, "nobody inherits what another agent saw");
});

test("unknown_frames_are_ignored", () => {
  const state = on(said(call("a"), 41));
  assert.equal(frame(state, { type: "news" }), state);
  assert.equal(frame(state, null), state);
});
