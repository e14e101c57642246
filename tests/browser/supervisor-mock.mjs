// A stand-in for the daemon as supervisors see it: the page, the desktop socket, and the REST routes behind the board.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { call } from "./calls.mjs";

const ASSETS = fileURLToPath(new URL("../../src/web/assets/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'; require-trusted-types-for 'script'";
const LANES = ["caller", "platform", "daemon", "records", "desktop", "agent"];

const NOW = Date.now();
export const at = (secondsAgo) => new Date(NOW - secondsAgo * 1000).toISOString();

/** What `GET /v1/stats` answers on an ordinary morning; `over` replaces any of it. */
export function figures(over = {}) {
  const last_hour = Array.from({ length: 60 }, (_, index) => ({
    at: at((59 - index) * 60),
    passed: Math.round(3 + 2 * Math.sin(index / 5) + (index % 3)),
    failed: index % 7 === 0 ? 1 : 0,
    lockouts: 0,
  }));
  return {
    at: at(0),
    since: at(3 * 3600),
    calls: { active: 0, by_class: {}, by_authentication: {}, by_queue: {} },
    checks: {
      passed: 412,
      not_needed: 130,
      failed: 61,
      reset_required: 4,
      blocked: 9,
      unavailable: 2,
      abandoned: 23,
      pass_rate: 0.848,
      failure_rate: 0.152,
      mean_seconds: 47.3,
    },
    last_hour,
    lockouts: 3,
    desktops: 118,
    alarms: [],
    ...over,
  };
}

/** One call in each state, as a busy morning has them. */
export const MORNING = [
  call("01APP", { class: "app_authenticated", authentication: "authenticated", badge: "Authenticated", agent: "agent-4", customer: { id: "100001", name: "Customer One", role: "client", for: null, flags: [] }, started_at: at(210) }),
  call("01APP2", { class: "app_authenticated", authentication: "authenticated", badge: "Authenticated", queue: "savings", customer: { id: "100007", name: "Customer Seven", role: "client", for: null, flags: [] }, started_at: at(12) }),
  call("01KNOWN", { class: "verified_number", authentication: "partially_verified", badge: "partially verified", agent: "agent-7", started_at: at(41), ani_display: "••••••1234" }),
  call("01PIN", { class: "verified_number", authentication: "in_progress", agent: null, started_at: at(33), ani_display: "••••••0456", queue: "savings" }),
  call("01ASK", { class: "unverified", authentication: "in_progress", agent: "agent-2", started_at: at(80), ani_display: "••••••0099" }),
  call("01NEW", { class: "unverified", authentication: "not_authenticated", started_at: at(3), ani_display: null }),
  call("01FAIL", { class: "unverified", authentication: "failed", agent: "agent-9", started_at: at(144), ani_display: null }),
  call("01BLOCK", { class: "unverified", authentication: "blocked", badge: "Blocked", agent: "agent-3", started_at: at(95), ani_display: null }),
  call("01OUT", { class: "verified_number", direction: "outbound", authentication: "not_authenticated", agent: "agent-5", started_at: at(18), customer: { id: "100003", name: "Customer Three", role: "client", for: null, flags: [] } }),
  call("01DOWN", { class: "unverified", authentication: "system_unavailable", badge: "Check unavailable", agent: "agent-6", started_at: at(61) }),
];

/** A failed call from a number nobody knows, with all that is shown of it. */
export const FAILED = call("01M8Y2J3K4N5P6Q7R8S9T0V1W2", {
  class: "unverified",
  authentication: "failed",
  agent: "agent-9",
  ani_display: null,
  policy: "cmg",
  started_at: at(96),
  customer: { id: "100001", name: "Customer One", role: "client", for: null, flags: [] },
  evidence: [
    { kind: "number_on_file", result: "not_found", detail: "no customer has this number" },
    { kind: "attestation", result: "failed", detail: "the signature does not fit" },
    { kind: "customer_number", result: "found", detail: "the customer number was keyed" },
  ],
  timeline: [
    { at: at(96), who: "platform", what: "call delivered" },
    { at: at(95.9), who: "daemon", what: "classified: unverified" },
    { at: at(95.2), who: "caller", what: "customer number keyed" },
    { at: at(60), who: "caller", what: "PIN entry 2 complete" },
    { at: at(59), who: "daemon", what: "outcome: failed" },
    { at: at(40), who: "agent", what: "taken by agent-9" },
  ],
});

export const LADDER = {
  call: FAILED.id,
  lanes: LANES,
  complete: true,
  events: [
    ["platform", "daemon", 96, "call delivered"],
    ["records", "daemon", 95.95, "no customer has this number"],
    ["daemon", "desktop", 95.9, "classified: unverified"],
    ["daemon", "platform", 95.88, "answered; the caller is connected to the machine"],
    ["daemon", "caller", 95.5, "asked for the customer number"],
    ["caller", "daemon", 88.2, "customer number keyed"],
    ["daemon", "records", 88.15, "on record: positions drawn"],
    ["daemon", "caller", 88.1, "asked for the second digit"],
    ["caller", "daemon", 84, "a key"],
    ["daemon", "caller", 83.9, "asked for the sixth digit"],
    ["caller", "daemon", 79.1, "a key"],
    ["daemon", "records", 79.06, "on record: attempt reserved"],
    ["daemon", "records", 78.8, "on record: attempt settled, not correct"],
    ["daemon", "caller", 78.4, "PIN entry not correct, asked once more for the same two positions without saying which was wrong"],
    ["caller", "daemon", 60, "PIN entry 2 complete"],
    ["daemon", "records", 59.2, "on record: call failed"],
    ["daemon", "desktop", 59, "outcome: failed"],
    ["daemon", "platform", 58.7, "handing over to queue general"],
    ["platform", "daemon", 58.1, "handed over"],
    ["agent", "daemon", 40, "taken by agent-9"],
  ].map(([from, to, ago, what]) => ({ from, to, at: at(ago), what })),
};

export const AUDIT = {
  lines: ["call_classified", "positions_drawn", "attempt_reserved", "attempt_settled", "call_failed", "call_claimed"].map((what, index) => ({
    number: 4711 + index,
    at: at(96 - index * 9),
    actor: what === "call_claimed" ? "agent-9" : "system",
    what,
    call: FAILED.id,
    customer: "100001",
    body: {},
    hash: "0".repeat(64),
  })),
  next: null,
  complete: true,
};

export const REPLAY = {
  same: true,
  profile: "cmg",
  hash: "9f2c4e1a77b0d3c5",
  steps: [
    { state: { pin: "pending", password: "pending" }, row: 1, next: "pin", again: "pin" },
    { state: { pin: "wrong", password: "pending" }, row: 4, next: "password", again: "password" },
    { state: { pin: "wrong", password: "wrong" }, row: 7, next: "failed", again: "failed" },
  ],
  differences: [],
};

/** Starts on a free port and returns the levers of the test. */
export async function startSupervisorMock() {
  const http = createServer((request, response) => serve(mock, request, response));
  const sockets = new WebSocketServer({ server: http, path: "/v1/desktop", handleProtocols: () => "countersign.v1" });
  const mock = {
    url: "",
    seq: 0,
    calls: new Map(),
    desks: new Set(),
    asked: [],
    figures: figures(),
    /** Answers by path, over the ordinary ones: a body, or a status. */
    rest: new Map(),
    set(one) {
      mock.seq += 1;
      mock.calls.set(one.id, one);
      mock.tell({ type: "call", seq: mock.seq, call: one });
    },
    gone(id) {
      mock.seq += 1;
      mock.calls.delete(id);
      mock.tell({ type: "call_gone", seq: mock.seq, call: id });
    },
    tell(frame) {
      for (const desk of mock.desks) desk.send(JSON.stringify(frame));
    },
    cut() {
      for (const desk of mock.desks) desk.terminate();
    },
    clear() {
      mock.cut();
      mock.desks.clear();
      mock.calls.clear();
      mock.rest.clear();
      Object.assign(mock, { seq: 0, asked: [], figures: figures() });
    },
    close() {
      mock.cut();
      sockets.close();
      http.close();
    },
  };
  sockets.on("connection", (socket) => attend(mock, socket));
  await new Promise((ready) => {
    http.listen(0, "127.0.0.1", ready);
  });
  mock.url = `http://127.0.0.1:${http.address().port}`;
  return mock;
}

async function serve(mock, request, response) {
  const { pathname } = new URL(request.url, "http://mock");
  if (pathname.startsWith("/v1/")) return rest(mock, request, response);
  const name = pathname === "/supervisor" ? "supervisor.html" : normalize(pathname.replace(/^\/assets\//, ""));
  try {
    if (name.startsWith("..") || name.startsWith("/")) throw new Error("not an asset");
    const body = await readFile(join(ASSETS, name));
    response.writeHead(200, {
      "content-type": TYPES[extname(name)] ?? "application/octet-stream",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
  return undefined;
}

function rest(mock, request, response) {
  const url = new URL(request.url, "http://mock");
  mock.asked.push(url.pathname + url.search);
  const [status, body] = answer(mock, request.headers.authorization, url);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function answer(mock, authorization, { pathname }) {
  const error = (status, code, message) => [status, { error: { code, message } }];
  if (authorization !== "Bearer chief") return error(401, "unauthenticated", "the token has expired; sign in again");
  const own = mock.rest.get(pathname);
  if (typeof own === "number") return error(own, "unavailable", "the record store cannot be reached; try again in a few seconds");
  if (own !== undefined) return [200, own];
  if (pathname === "/v1/stats") return [200, mock.figures];
  if (pathname === "/v1/audit") return [200, AUDIT];
  if (pathname.endsWith("/ladder")) return [200, LADDER];
  if (pathname.endsWith("/replay")) return [200, REPLAY];
  const found = mock.calls.get(pathname.split("/")[3]);
  return found ? [200, found] : error(404, "no_such_call", "there is no such call");
}

function attend(mock, socket) {
  const send = (frame) => socket.send(JSON.stringify(frame));
  socket.on("close", () => mock.desks.delete(socket));
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "ping") return send({ type: "pong" });
    if (frame.type !== "hello") return undefined;
    if (!["chief", "agent"].includes(frame.token)) return socket.close(4401);
    const roles = frame.token === "chief" ? ["supervisor"] : ["agent"];
    send({ type: "welcome", protocol: 1, agent: frame.token, roles, heartbeat_s: 15, epoch: "e1", seq: mock.seq });
    send({ type: "snapshot", seq: mock.seq, calls: [...mock.calls.values()] });
    mock.desks.add(socket);
    return undefined;
  });
}
