// The board's pure modules: state and the layout of a ladder.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layout, pause, wrap } from "../../../src/web/assets/supervisor-ladder.js";
import { counted, initial, openCall, recentRate, reduce, shownCalls } from "../../../src/web/assets/supervisor-state.js";

const call = (id, over = {}) => ({ id, version: 1, started_at: `2026-01-01T09:00:0${id.length}Z`, ended_at: null, class: "unverified", authentication: "in_progress", queue: "general", ...over });
const frames = (...all) => all.reduce((state, frame) => reduce(state, { kind: "frame", frame }), initial());

test("b03_live_calls_are_counted_by_class_and_ended_ones_are_not", () => {
  const state = frames(
    { type: "snapshot", calls: [call("a"), call("b", { class: "app_authenticated" }), call("c", { ended_at: "2026-01-01T09:01:00Z" })] },
    { type: "call", call: call("d", { class: null }) },
  );
  assert.deepEqual(counted(state, "class", ["verified_number"]), [
    { value: "verified_number", count: 0 },
    { value: "unverified", count: 1 },
    { value: "app_authenticated", count: 1 },
    { value: "undecided", count: 1 },
  ]);
});

test("a state older than the known one is dropped", () => {
  const state = frames({ type: "call", call: call("a", { version: 3, authentication: "failed" }) }, { type: "call", call: call("a", { version: 2 }) });
  assert.equal(state.calls.get("a").authentication, "failed");
});

test("d06_a_stale_call_comes_back_even_with_an_older_state", () => {
  const stale = frames({ type: "call", call: call("a", { version: 3 }) }, { type: "call", call: call("a", { version: 3, stale: true }) });
  assert.equal(stale.calls.get("a").stale, true);
  const back = reduce(stale, { kind: "frame", frame: { type: "call", call: call("a", { version: 2 }) } });
  assert.deepEqual(back.calls.get("a"), call("a", { version: 2 }));
});

test("choosing the same count again shows all calls", () => {
  let state = frames({ type: "snapshot", calls: [call("a"), call("b", { queue: "loans" })] });
  const filter = { kind: "queue", value: "loans" };
  state = reduce(state, { kind: "filter", filter });
  assert.deepEqual(shownCalls(state).map(({ id }) => id), ["b"]);
  assert.equal(shownCalls(reduce(state, { kind: "filter", filter })).length, 2);
});

test("an open call stays open when it leaves the board", () => {
  let state = reduce(frames({ type: "snapshot", calls: [call("a")] }), { kind: "open", call: "a" });
  state = reduce(state, { kind: "frame", frame: { type: "call_gone", call: "a" } });
  assert.equal(openCall(state)?.id, "a");
  assert.equal(openCall(reduce(state, { kind: "open", call: null })), null);
});

test("what was fetched for one call is never shown for another", () => {
  let state = reduce(frames({ type: "snapshot", calls: [call("a"), call("b")] }), { kind: "open", call: "a" });
  state = reduce(state, { kind: "open", call: "b" });
  state = reduce(state, { kind: "detail", call: "a", detail: { audit: [{}] } });
  assert.equal(state.detail.audit, null);
});

test("the rate of the last minutes is none while nothing was decided", () => {
  const minute = (passed, failed) => ({ at: "", passed, failed, lockouts: 0 });
  const hour = { last_hour: [minute(9, 9), minute(3, 1), minute(0, 0)] };
  assert.deepEqual(recentRate(hour, 2), { passed: 3, failed: 1, rate: 0.75 });
  assert.equal(recentRate(hour, 1).rate, null);
  assert.equal(recentRate(null, 15).rate, null);
});

test("signing out forgets everything", () => {
  const state = reduce(frames({ type: "snapshot", calls: [call("a")] }), { kind: "signed_out", reason: "why" });
  assert.deepEqual([state.calls.size, state.selected, state.link.reason], [0, null, "why"]);
});

test("text is wrapped at words, and a longer word is cut", () => {
  assert.deepEqual(wrap("asked for the third digit", 12), ["asked for", "the third", "digit"]);
  assert.deepEqual(wrap("abcdefghijkl mn", 6), ["abcde-", "fghij-", "kl mn"]);
  assert.deepEqual(wrap("  ", 6), [""]);
});

test("a ladder has a row for each arrow, in order, and none leaves the picture", () => {
  const lanes = ["caller", "platform", "daemon", "records", "desktop", "agent"];
  const at = (ms) => new Date(1_800_000_000_000 + ms).toISOString();
  const events = [
    { from: "platform", to: "daemon", at: at(0), what: "call delivered" },
    { from: "daemon", to: "caller", at: at(250), what: "a long sentence ".repeat(9) },
    { from: "agent", to: "agent", at: at(5000), what: "to itself" },
    { from: "nobody", to: "daemon", at: at(6000), what: "not drawn" },
  ];
  const { rows, width, height } = layout(lanes, events);
  assert.equal(rows.length, 3);
  assert.deepEqual(rows.map(({ gap }) => gap), ["", "+250 ms", "+4.8 s"]);
  assert.ok(rows.every(({ y }, index) => y > (rows[index - 1]?.y ?? 0) && y < height));
  assert.ok(rows.every(({ from, to }) => from > 0 && to > 0 && from < width && to < width));
  assert.ok(rows[1].lines.length > 1);
});

test("pauses are told in the unit that fits", () => {
  assert.deepEqual([0, 12, 1500, 120_000, Number.NaN].map(pause), ["", "+12 ms", "+1.5 s", "+2 min", ""]);
});
