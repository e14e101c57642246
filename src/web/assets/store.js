// Frames and the agent's choices in, the desktop's state out. Pure: no clock, no document, no socket.

/**
 * @typedef {object} Call
 * @property {string} id
 * @property {string} platform
 * @property {string} platform_call_id
 * @property {number} version
 * @property {"inbound" | "outbound"} direction
 * @property {string} started_at
 * @property {string | null} ended_at
 * @property {string | null} ani_display
 * @property {string | null} dnis
 * @property {string | null} queue
 * @property {string | null} agent
 * @property {{id: string, name?: string, role?: string, for?: string | null, flags?: string[]} | null} customer
 * @property {string} class
 * @property {{kind: string, result: string, detail?: unknown}[]} evidence
 * @property {string} authentication
 * @property {string} policy
 * @property {string} badge
 * @property {{positions: number[], entered: number, needed: number, attempt: number, attempts_allowed: number, result: string | null} | null} pin
 * @property {{needed: boolean, result: string | null} | null} password
 * @property {{kind?: string, set?: string, required: number, correct: number, items: Question[]} | null} questions
 * @property {Proof | null} proof
 * @property {string | null} [purpose] outbound: why we call
 * @property {{role: string | null, set_by?: string, client_present?: boolean | null, permission?: boolean | null} | null} [party]
 * @property {string | null} [say] what the agent says now
 * @property {string[]} [never_say]
 * @property {string | null} [primary] the one action that comes next
 * @property {{until: string, what?: string} | null} [timer]
 * @property {{offered: boolean, accepted: boolean | null, task: string | null} | null} [call_back]
 * @property {string | null} [reminder] C43
 * @property {boolean} [enrolment_required] C21
 * @property {string | null} message
 * @property {string[]} actions
 * @property {(string | {at?: string, by?: string, text?: string})[]} notes
 * @property {{at: string, what: string, who?: string}[]} timeline
 * @property {string} [media]
 * @property {boolean} [stale] who holds the call does not answer: this may be out of date (D06)
 */
/** @typedef {{key: string, text: string, answer?: string, marked: boolean | string | null, blind?: boolean, reveal?: string, on_file?: boolean}} Question */
/** @typedef {{stage: string, method?: string | null, methods?: string[], speak?: string | null, reference?: string | null, expires_at?: string | null}} Proof */
/** @typedef {{agent: string, name: string | null, roles: string[], heartbeat_s: number, epoch: string, seq: number}} Session */
/** @typedef {{tone: "info" | "bad", text: string}} Notice */
/** @typedef {{status: "signed_out" | "connecting" | "online" | "waiting", reason: string | null, retryAt: number | null}} Link */
/**
 * @typedef {object} State
 * @property {Link} link
 * @property {Session | null} session
 * @property {Map<string, Call>} calls
 * @property {string | null} selected
 * @property {string | null} question
 * @property {Map<number, {type: string, call: string}>} pending
 * @property {Notice | null} notice
 * @property {string | null} dialog
 * @property {string | null} check the call whose security check is open as a modal
 * @property {Set<string>} aside calls whose check the agent has put aside
 * @property {Record<string, string>} draft choices of an open step that are not sent yet; never what a caller said
 * @property {boolean} typing unsent text stands in a field of the page itself
 * @property {number | null} skew the server's clock against ours, in ms, as far as frames tell
 */

/** @returns {State} */
export function initial() {
  return {
    link: { status: "signed_out", reason: null, retryAt: null },
    session: null,
    calls: new Map(),
    selected: null,
    question: null,
    pending: new Map(),
    notice: null,
    dialog: null,
    check: null,
    aside: new Set(),
    draft: {},
    typing: false,
    skew: null,
  };
}

/**
 * The state after one event.
 * @param {State} state
 * @param {any} event
 * @returns {State}
 */
export function reduce(state, event) {
  const next = apply(state, event);
  return next === state ? state : withCheck(next);
}

/** @param {State} state @param {any} event @returns {State} */
function apply(state, event) {
  switch (event.kind) {
    case "frame":
      return onFrame(withClock(state, event), event.frame);
    case "link":
      return onLink(state, event.link);
    case "select":
      return select(state, event.call);
    case "step":
      return step(state, event.by);
    case "question":
      return { ...state, question: event.key };
    case "sent":
      return {
        ...state,
        notice: null,
        pending: new Map(state.pending).set(event.id, { type: event.type, call: event.call }),
      };
    case "dialog":
      return { ...state, dialog: event.name };
    case "put_aside":
      return putAside(state);
    case "take_up":
      return takeUp(state);
    case "draft":
      return { ...state, draft: { ...state.draft, [event.name]: event.value } };
    case "typing":
      return state.typing === event.on ? state : { ...state, typing: event.on };
    case "notice":
      return { ...state, notice: event.notice };
    case "signed_out":
      return { ...initial(), link: { status: "signed_out", reason: event.reason ?? null, retryAt: null } };
    default:
      return state;
  }
}

/** Groups in the order they are shown; a group's calls are oldest first, ended ones newest first. @param {State} state */
export function groups(state) {
  /** @type {{name: "mine" | "waiting" | "others" | "ended", calls: Call[]}[]} */
  const all = [
    { name: "mine", calls: [] },
    { name: "waiting", calls: [] },
    { name: "others", calls: [] },
    { name: "ended", calls: [] },
  ];
  for (const call of state.calls.values()) all.find(({ name }) => name === groupOf(state, call))?.calls.push(call);
  for (const { name, calls } of all) {
    calls.sort(
      (a, b) =>
        (name === "ended" ? -1 : 1) * (Date.parse(a.started_at) - Date.parse(b.started_at)) || (a.id < b.id ? -1 : 1),
    );
  }
  return all.filter(({ calls }) => calls.length > 0);
}

/** @param {State} state @param {Call} call */
function groupOf(state, call) {
  if (call.ended_at) return "ended";
  if (isMine(state, call)) return "mine";
  return call.agent ? "others" : "waiting";
}

/** @param {State} state @param {Call} call */
export function isMine(state, call) {
  return state.session !== null && call.agent === state.session.agent;
}

/**
 * Whether the agent still has to see this caller through a check, or to be told how it ended (B06). None for who came
 * in authenticated (B05).
 * @param {Call} call
 */
export function needsCheck(call) {
  return !call.ended_at && call.authentication !== "authenticated";
}

/** The modal opens by itself (B21), stays for the result, and never comes over a form or over typing. @param {State} state @returns {State} */
function withCheck(state) {
  const call = selectedCall(state);
  if (call === null || call.ended_at || !isMine(state, call)) return closed(state);
  if (state.check === call.id) return state;
  if (state.dialog !== null || state.typing || state.aside.has(call.id) || !needsCheck(call)) return closed(state);
  return { ...state, check: call.id };
}

/** @param {State} state @returns {State} */
const closed = (state) => (state.check === null ? state : { ...state, check: null });

/** @param {State} state @returns {State} */
function putAside(state) {
  const call = selectedCall(state);
  const aside = new Set(state.aside);
  if (call && needsCheck(call)) aside.add(call.id);
  return { ...state, check: null, aside };
}

/** @param {State} state @returns {State} */
function takeUp(state) {
  const call = selectedCall(state);
  if (call === null || call.ended_at || !isMine(state, call)) return state;
  const aside = new Set(state.aside);
  aside.delete(call.id);
  return { ...state, check: call.id, aside };
}

/** What is over needs no memory of having been put aside; a later check of the same call opens again. @param {State} state @returns {State} */
function withAside(state) {
  const kept = [...state.aside].filter((id) => {
    const call = state.calls.get(id);
    return call !== undefined && needsCheck(call);
  });
  return kept.length === state.aside.size ? state : { ...state, aside: new Set(kept) };
}

/**
 * The newest moment that a fresh frame names lies just before the server's now; the tightest of them is kept.
 * @param {State} state @param {any} event @returns {State}
 */
function withClock(state, { frame, at }) {
  if (typeof at !== "number" || frame?.type !== "call") return state;
  const last = Date.parse(frame.call?.timeline?.at(-1)?.at ?? "");
  if (Number.isNaN(last) || (state.skew !== null && last - at <= state.skew)) return state;
  return { ...state, skew: last - at };
}

/** What the server's clock shows when ours shows `now`. @param {State} state @param {number} now */
export function serverTime(state, now) {
  const skew = state.skew ?? 0;
  return Math.abs(skew) < 1500 ? now : now + skew;
}

/** The call on the main area. @param {State} state @returns {Call | null} */
export function selectedCall(state) {
  return (state.selected !== null && state.calls.get(state.selected)) || null;
}

/** Whether nothing can be asked of a call now: the line is down, or who holds the call is silent. @param {State} state @param {Call} call */
export function isOutOfReach(state, call) {
  return state.link.status !== "online" || call.stale === true;
}

/** Whether a request of this type for this call is still unanswered. @param {State} state @param {string} call @param {string} [type] */
export function isPending(state, call, type) {
  return [...state.pending.values()].some((sent) => sent.call === call && (type === undefined || sent.type === type));
}

/** @param {State} state @param {any} frame @returns {State} */
function onFrame(state, frame) {
  switch (frame?.type) {
    case "welcome":
      return onWelcome(state, frame);
    case "snapshot":
      return onSnapshot(sequence(state, frame.seq), frame.calls ?? []);
    case "call":
      return onCall(sequence(state, frame.seq), frame.call);
    case "call_gone":
      return onGone(sequence(state, frame.seq), frame.call);
    case "ok":
      return onOk(state, frame.id);
    case "error":
      return onError(state, frame);
    case "bye":
      return {
        ...state,
        notice: { tone: "info", text: "The server is being restarted. Calls go on; this page comes back by itself." },
      };
    default:
      return state;
  }
}

/**
 * Within an epoch our own count is kept: what was missed is still to come.
 * @param {State} state @param {any} frame @returns {State}
 */
function onWelcome(state, frame) {
  const same = state.session?.epoch === frame.epoch;
  const session = {
    agent: frame.agent,
    name: typeof frame.name === "string" && frame.name !== "" ? frame.name : null,
    roles: frame.roles ?? [],
    heartbeat_s: frame.heartbeat_s,
    epoch: frame.epoch,
    seq: same ? (state.session?.seq ?? 0) : 0,
  };
  return { ...state, session, notice: null };
}

/** @param {State} state @param {number} seq @returns {State} */
function sequence(state, seq) {
  if (state.session === null || !(seq > state.session.seq)) return state;
  return { ...state, session: { ...state.session, seq } };
}

/** @param {State} state @param {Call[]} calls @returns {State} */
function onSnapshot(state, calls) {
  const next = withAside({ ...state, calls: new Map(calls.map((call) => [call.id, known(state, call)])) });
  const kept = selectedCall(next);
  if (kept) return withQuestion(next, kept);
  const [first] = groups(next)
    .filter(({ name }) => name === "mine" || name === "waiting")
    .flatMap((group) => group.calls);
  return select(next, first?.id ?? null);
}

/**
 * A stale state is what watchers see: no answers, nothing to press. Where my own screen holds one as new, that stays,
 * so that nothing half typed is lost.
 * @param {State} state @param {Call} call @returns {Call}
 */
function known(state, call) {
  const before = state.calls.get(call.id);
  const kept = call.stale && before && before.version >= call.version && isMine(state, before);
  return kept ? { ...before, stale: true } : call;
}

/**
 * Older states are dropped, but where either is stale: who takes such a call over may begin before what was last seen.
 * @param {State} state @param {Call} told @returns {State}
 */
function onCall(state, told) {
  const before = state.calls.get(told.id);
  if (before && !before.stale && !told.stale && before.version > told.version) return state;
  const call = known(state, told);
  const next = withAside({ ...state, calls: new Map(state.calls).set(call.id, call) });
  return pop(withQuestion(next, call), before, call);
}

/** The question in hand moves on once it is marked. @param {State} state @param {Call} call @returns {State} */
function withQuestion(state, call) {
  if (state.selected !== call.id) return state;
  const items = call.questions?.items ?? [];
  const current = items.find(({ key }) => key === state.question);
  if (current && current.marked === null) return state;
  const from = current ? items.indexOf(current) : 0;
  const open = [...items.slice(from), ...items.slice(0, from)].find(({ marked }) => marked === null);
  return { ...state, question: open?.key ?? null };
}

/** The screen-pop: a call that becomes mine opens; any new call opens when nothing is in hand. @param {State} state @param {Call | undefined} before @param {Call} call @returns {State} */
function pop(state, before, call) {
  if (call.ended_at || state.selected === call.id) return state;
  const becameMine = isMine(state, call) && !(before && isMine(state, before));
  if (!becameMine && !(before === undefined && isIdle(state))) return state;
  if (state.dialog !== null || state.check !== null || state.typing)
    return { ...state, notice: { tone: "info", text: "A call has come to you. It is in the list under My calls." } };
  return select(state, call.id);
}

/** Nothing selected, or only a call on which nothing is left to do. @param {State} state */
function isIdle(state) {
  const call = selectedCall(state);
  return call === null || (call.ended_at !== null && call.actions.length === 0);
}

/** @param {State} state @param {string} id @returns {State} */
function onGone(state, id) {
  const gone = state.calls.get(id);
  const calls = new Map(state.calls);
  calls.delete(id);
  const aside = new Set(state.aside);
  aside.delete(id);
  if (state.selected !== id) return { ...state, calls, aside };
  const text = gone?.ended_at
    ? "That call is closed."
    : "That call is no longer on this desktop: another agent has it, or it is over.";
  return {
    ...state,
    calls,
    aside,
    selected: null,
    question: null,
    dialog: null,
    draft: {},
    typing: false,
    notice: { tone: "info", text },
  };
}

/** @param {State} state @param {number | undefined} id @returns {State} */
function answered(state, id) {
  if (id === undefined || !state.pending.has(id)) return state;
  const pending = new Map(state.pending);
  pending.delete(id);
  return { ...state, pending };
}

/** A form stays open until the server took it, so that nothing has to be typed twice. @param {State} state @param {number} id @returns {State} */
function onOk(state, id) {
  const type = state.pending.get(id)?.type;
  const next = { ...answered(state, id), draft: type === undefined || type === "reveal" ? state.draft : {} };
  return state.dialog !== null && type === state.dialog ? { ...next, dialog: null } : next;
}

/** @param {State} state @param {any} frame @returns {State} */
function onError(state, frame) {
  const text =
    frame.message || (frame.code === "not_now" ? "That is not possible at the moment." : "The server refused that.");
  return { ...answered(state, frame.id), notice: { tone: "bad", text } };
}

/** @param {State} state @param {Link} link @returns {State} */
function onLink(state, link) {
  if (link.status === "online" || state.pending.size === 0) return { ...state, link };
  const text =
    "The connection was lost before the server confirmed your last step. Check the call, then do it again if needed.";
  return { ...state, link, pending: new Map(), notice: { tone: "bad", text } };
}

/** @param {State} state @param {string | null} id @returns {State} */
function select(state, id) {
  const next = { ...state, selected: id, question: null, notice: null, draft: {}, typing: false };
  const call = selectedCall(next);
  return call ? withQuestion(next, call) : next;
}

/** @param {State} state @param {number} by @returns {State} */
function step(state, by) {
  const ids = groups(state).flatMap(({ calls }) => calls.map(({ id }) => id));
  if (ids.length === 0) return state;
  const at = state.selected === null ? -1 : ids.indexOf(state.selected);
  const to = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(ids.length - 1, Math.max(0, at + by));
  return ids[to] === state.selected ? state : select(state, ids[to] ?? null);
}
