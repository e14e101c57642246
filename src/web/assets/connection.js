// The WebSocket: hello first, heartbeat, resume, back-off. Socket, clock and chance are given in.
import { closeReason } from "./words.js";

const PROTOCOL = "countersign.v1";
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 20_000;
const WELCOME_WITHIN_MS = 8_000;
const FINAL = new Set([4401, 4403]);

/**
 * @typedef {object} World
 * @property {(url: string, protocol: string) => WebSocket} socket
 * @property {() => number} now
 * @property {() => number} random
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 */
/**
 * @typedef {object} Ears
 * @property {(frame: any) => void} frame
 * @property {(link: import("./store.js").Link) => void} link
 * @property {(reason: string) => void} refused
 */

/** The browser's own. @type {World} */
export const BROWSER = {
  socket: (to, protocol) => new WebSocket(to, protocol),
  now: () => Date.now(),
  random: () => Math.random(),
  later: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
};

/** One desktop's connection, which comes back by itself until it is closed or refused. */
export class Connection {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {any} */ #timer = null;
  /** @type {any} */ #pulse = null;
  #failures = 0;
  #nextId = 1;
  #heard = 0;
  #retryHint = 0;
  #welcome = false;
  /** @type {{epoch: string, seq: number} | null} */ #position = null;

  /** @param {string} url @param {string} token @param {string[]} calls @param {Ears} ears @param {World} world */
  constructor(url, token, calls, ears, world) {
    this.url = url;
    this.token = token;
    this.calls = calls;
    this.ears = ears;
    this.world = world;
  }

  /** Connects, or connects again at once. */
  open() {
    this.#drop();
    this.ears.link({ status: "connecting", reason: null, retryAt: null });
    const socket = this.world.socket(this.url, PROTOCOL);
    this.#socket = socket;
    this.#welcome = false;
    this.#timer = this.world.later(() => this.#lost(0), WELCOME_WITHIN_MS);
    const current = (/** @type {() => void} */ act) => () => {
      if (this.#socket === socket) act();
    };
    socket.onopen = current(() => this.#hello());
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#hear(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#lost(event.code);
    };
  }

  /** Ends it for good. */
  close() {
    this.#drop();
    this.#position = null;
  }

  /** A fresh token for the same person, without a new connection. @param {string} token */
  renew(token) {
    this.token = token;
    if (this.#welcome) this.#write({ type: "token", token });
  }

  /**
   * Sends a request; the answer comes as `ok` or `error` with the returned id, null means not sent.
   * @param {Record<string, unknown>} request
   */
  request(request) {
    if (!this.#welcome) return null;
    const id = this.#nextId;
    this.#nextId += 1;
    return this.#write({ ...request, id }) ? id : null;
  }

  #hello() {
    const hello = { type: "hello", token: this.token };
    this.#write({
      ...hello,
      ...(this.#position ? { resume: this.#position } : {}),
      ...(this.calls.length > 0 ? { calls: this.calls } : {}),
    });
  }

  /** @param {string} text */
  #hear(text) {
    this.#heard = this.world.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.type === "welcome") this.#welcomed(frame);
    if (frame.type === "bye") this.#retryHint = Number(frame.retry_ms) || 0;
    if (this.#position && frame.seq > this.#position.seq && frame.type !== "welcome")
      this.#position = { ...this.#position, seq: frame.seq };
    this.ears.frame(frame);
  }

  /** @param {any} frame */
  #welcomed(frame) {
    this.world.cancel(this.#timer);
    this.#welcome = true;
    this.#failures = 0;
    if (this.#position?.epoch !== frame.epoch) this.#position = { epoch: frame.epoch, seq: 0 };
    this.ears.link({ status: "online", reason: null, retryAt: null });
    this.#beat(Math.max(1, Number(frame.heartbeat_s) || 15) * 1000);
  }

  /** @param {number} period */
  #beat(period) {
    this.#pulse = this.world.later(() => {
      if (this.world.now() - this.#heard > 2 * period) this.#lost(4408);
      else if (this.#write({ type: "ping" })) this.#beat(period);
    }, period);
  }

  /** @param {number} code */
  #lost(code) {
    const hint = this.#retryHint;
    this.#drop();
    if (FINAL.has(code)) {
      this.#position = null;
      this.ears.refused(closeReason(code));
      return;
    }
    const wait = retryDelay(this.#failures, hint, code, this.world.random());
    this.#failures += 1;
    this.ears.link({ status: "waiting", reason: closeReason(code), retryAt: this.world.now() + wait });
    this.#timer = this.world.later(() => this.open(), wait);
  }

  #drop() {
    this.world.cancel(this.#timer);
    this.world.cancel(this.#pulse);
    const socket = this.#socket;
    this.#socket = null;
    this.#welcome = false;
    this.#retryHint = 0;
    if (socket && socket.readyState < 2) socket.close(1000);
  }

  /** @param {Record<string, unknown>} frame */
  #write(frame) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }
}

/**
 * How long to wait before try number `failures`: doubling, capped, spread so that desktops do not come back together.
 * @param {number} failures @param {number} hint what the server's bye asked for @param {number} code @param {number} chance 0 to 1
 */
export function retryDelay(failures, hint, code, chance) {
  const least = code === 4429 || code === 4400 || code === 4413 ? 5_000 : FIRST_RETRY_MS;
  const backOff = Math.min(LONGEST_RETRY_MS, least * 2 ** Math.min(failures, 10));
  return Math.round(hint > 0 ? hint + chance * hint : backOff * (0.5 + chance / 2));
}
