// Frames, figures and choices in, the board's state out. Pure: no clock, no document, no socket.

/** @typedef {import("./store.js").Call} Call */
/** @typedef {{kind: string, since: string, detail: string}} Alarm */
/** @typedef {{at: string, passed: number, failed: number, lockouts: number}} Minute */
/**
 * @typedef {object} Figures what `GET /v1/stats` answers
 * @property {string} at
 * @property {string} since
 * @property {{passed: number, not_needed: number, failed: number, reset_required: number, blocked: number, unavailable: number, abandoned: number, pass_rate: number | null, failure_rate: number | null, mean_seconds: number | null}} checks
 * @property {Minute[]} last_hour
 * @property {number} lockouts
 * @property {number} desktops
 * @property {Alarm[]} alarms
 */
/** @typedef {{kind: "class" | "authentication" | "queue", value: string}} Filter */
/** @typedef {{from: string, to: string, at: string, what: string}} Arrow */
/**
 * @typedef {object} Detail what was fetched about the open call
 * @property {{lanes: string[], events: Arrow[], complete?: boolean} | null} ladder
 * @property {{number: number, at: string, actor: string, what: string, body?: Record<string, unknown>}[] | null} audit
 * @property {any} replay
 * @property {boolean} replaying
 * @property {string | null} trouble
 */
/**
 * @typedef {object} State
 * @property {{status: "signed_out" | "connecting" | "online" | "waiting", reason: string | null, retryAt: number | null}} link
 * @property {string | null} agent
 * @property {Map<string, Call>} calls
 * @property {Figures | null} figures
 * @property {string | null} stale why the figures are old
 * @property {Filter | null} filter
 * @property {string | null} selected
 * @property {Call | null} past the open call when it does not live any more
 * @property {Detail} detail
 * @property {string | null} notice
 */

/** @returns {Detail} */
const noDetail = () => ({ ladder: null, audit: null, replay: null, replaying: false, trouble: null });

/** @returns {State} */
export function initial() {
  return {
    link: { status: "signed_out", reason: null, retryAt: null },
    agent: null,
    calls: new Map(),
    figures: null,
    stale: null,
    filter: null,
    selected: null,
    past: null,
    detail: noDetail(),
    notice: null,
  };
}

/** The state after one event. @param {State} state @param {any} event @returns {State} */
export function reduce(state, event) {
  switch (event.kind) {
    case "frame":
      return onFrame(state, event.frame);
    case "link":
      return { ...state, link: event.link };
    case "figures":
      return { ...state, figures: event.figures, stale: null };
    case "stale":
      return { ...state, stale: event.why };
    case "filter":
      return { ...state, filter: same(state.filter, event.filter) ? null : event.filter };
    case "open":
      return {
        ...state,
        selected: event.call,
        past: event.past ?? null,
        detail: noDetail(),
        notice: null,
      };
    case "past":
      return state.selected === event.call.id ? { ...state, past: event.call } : state;
    case "detail":
      return state.selected === event.call ? { ...state, detail: { ...state.detail, ...event.detail } } : state;
    case "notice":
      return { ...state, notice: event.text };
    case "signed_out":
      return { ...initial(), link: { status: "signed_out", reason: event.reason ?? null, retryAt: null } };
    default:
      return state;
  }
}

/** @param {State} state @param {any} frame @returns {State} */
function onFrame(state, frame) {
  switch (frame?.type) {
    case "welcome":
      return { ...state, agent: frame.agent };
    case "snapshot":
      return { ...state, calls: new Map((frame.calls ?? []).map((/** @type {Call} */ call) => [call.id, call])) };
    case "call": {
      const before = state.calls.get(frame.call.id);
      // Who takes a stale call over may begin before what was last seen.
      if (before && !before.stale && !frame.call.stale && before.version > frame.call.version) return state;
      return { ...state, calls: new Map(state.calls).set(frame.call.id, frame.call) };
    }
    case "call_gone": {
      const calls = new Map(state.calls);
      const gone = calls.get(frame.call) ?? null;
      calls.delete(frame.call);
      return { ...state, calls, past: state.selected === frame.call ? (state.past ?? gone) : state.past };
    }
    default:
      return state;
  }
}

/** @param {Filter | null} one @param {Filter | null} other */
const same = (one, other) => one?.kind === other?.kind && one?.value === other?.value;

/** The call on the call page, live or past. @param {State} state @returns {Call | null} */
export function openCall(state) {
  if (state.selected === null) return null;
  return state.calls.get(state.selected) ?? state.past;
}

/** Whether the open call still lives. @param {State} state */
export const isLive = (state) => state.selected !== null && state.calls.has(state.selected);

/** The calls that have not ended, the oldest first, as far as the filter lets them through. @param {State} state */
export function shownCalls(state) {
  const { filter } = state;
  return liveCalls(state)
    .filter((call) => filter === null || valueOf(call, filter.kind) === filter.value)
    .sort((a, b) => Date.parse(a.started_at) - Date.parse(b.started_at) || (a.id < b.id ? -1 : 1));
}

/** @param {State} state */
export const liveCalls = (state) => [...state.calls.values()].filter((call) => !call.ended_at);

/** @param {Call} call @param {Filter["kind"]} kind */
function valueOf(call, kind) {
  if (kind === "class") return call.class ?? "undecided";
  return kind === "queue" ? (call.queue ?? "") : call.authentication;
}

/** How many live calls have each value, `known` ones first and always there. @param {State} state @param {Filter["kind"]} kind @param {string[]} known */
export function counted(state, kind, known) {
  const counts = new Map(known.map((value) => [value, 0]));
  for (const call of liveCalls(state)) {
    const value = valueOf(call, kind);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].map(([value, count]) => ({ value, count }));
}

/** Passed of decided in the last `minutes`; null when nothing was decided. @param {Figures | null} figures @param {number} minutes */
export function recentRate(figures, minutes) {
  const last = (figures?.last_hour ?? []).slice(-minutes);
  const passed = last.reduce((sum, minute) => sum + minute.passed, 0);
  const failed = last.reduce((sum, minute) => sum + minute.failed, 0);
  return { passed, failed, rate: passed + failed === 0 ? null : passed / (passed + failed) };
}
