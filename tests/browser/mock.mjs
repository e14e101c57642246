// A stand-in for the daemon's desktop side, for tests and development of the page only:
// serves the assets under the real content security policy and speaks the desktop protocol.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { STATES } from "./calls.mjs";

const ASSETS = fileURLToPath(new URL("../../src/web/assets/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
export const POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/** Starts on a free port (or the one given) and returns the levers of the test. */
export async function startMock(port = 0) {
  const http = createServer(serve);
  const sockets = new WebSocketServer({
    server: http,
    path: "/v1/desktop",
    handleProtocols: (offered) => (offered.has("countersign.v1") ? "countersign.v1" : false),
  });
  const mock = {
    url: "",
    epoch: "e1",
    seq: 0,
    heartbeat_s: 15,
    /** The name the token carries, if it carries one. */
    name: null,
    calls: new Map(),
    desks: new Set(),
    hellos: [],
    requests: [],
    pings: 0,
    /** What a request does: returns nothing (ok), a call (ok and its new state), or { code, message }. */
    answer: () => undefined,
    /** Replaces or adds a call and tells every desk. */
    set(call) {
      mock.seq += 1;
      mock.calls.set(call.id, { call, seq: mock.seq });
      mock.tell({ type: "call", seq: mock.seq, call });
    },
    gone(id) {
      mock.seq += 1;
      mock.calls.delete(id);
      mock.tell({ type: "call_gone", seq: mock.seq, call: id });
    },
    tell(frame) {
      for (const desk of mock.desks) desk.send(JSON.stringify(frame));
    },
    /** Cuts every desk's line, with a close code or (0) without a word. */
    cut(code = 0) {
      for (const desk of mock.desks)
        if (code) desk.close(code);
        else desk.terminate();
    },
    /** Forgets everything between two tests. */
    clear() {
      mock.cut();
      mock.desks.clear();
      mock.calls.clear();
      Object.assign(mock, {
        epoch: `e${Math.random()}`,
        seq: 0,
        heartbeat_s: 15,
        name: null,
        hellos: [],
        requests: [],
        pings: 0,
        answer: () => undefined,
      });
    },
    close: () => {
      mock.cut();
      sockets.close();
      http.close();
    },
  };
  sockets.on("connection", (socket) => attend(mock, socket));
  await new Promise((ready) => {
    http.listen(port, "127.0.0.1", ready);
  });
  mock.url = `http://127.0.0.1:${http.address().port}`;
  return mock;
}

async function serve(request, response) {
  const path = new URL(request.url, "http://mock").pathname;
  const name = path === "/" ? "index.html" : path.startsWith("/assets/") ? normalize(path.slice(8)) : null;
  try {
    if (name === null || name.startsWith("..")) throw new Error("not an asset");
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
}

function attend(mock, socket) {
  const send = (frame) => socket.send(JSON.stringify(frame));
  socket.on("close", () => mock.desks.delete(socket));
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "hello") return greet(mock, socket, frame, send);
    if (frame.type === "ping") {
      mock.pings += 1;
      return send({ type: "pong" });
    }
    mock.requests.push(frame);
    if (frame.type === "token") return undefined;
    const outcome = mock.answer(frame, mock.calls.get(frame.call)?.call);
    if (outcome?.code) return send({ type: "error", id: frame.id, ...outcome });
    send({ type: "ok", id: frame.id });
    if (outcome?.id) mock.set({ ...outcome, version: (mock.calls.get(outcome.id)?.call.version ?? 0) + 1 });
    return undefined;
  });
}

function greet(mock, socket, hello, send) {
  mock.hellos.push(hello);
  if (hello.token !== "good") return socket.close(hello.token === "no-agent" ? 4403 : 4401);
  send({
    type: "welcome",
    protocol: 1,
    agent: "alice",
    roles: ["agent"],
    heartbeat_s: mock.heartbeat_s,
    ...(mock.name === null ? {} : { name: mock.name }),
    epoch: mock.epoch,
    seq: mock.seq,
  });
  if (hello.resume?.epoch === mock.epoch) {
    for (const { call, seq } of mock.calls.values()) if (seq > hello.resume.seq) send({ type: "call", seq, call });
  } else {
    send({ type: "snapshot", seq: mock.seq, calls: [...mock.calls.values()].map(({ call }) => call) });
  }
  mock.desks.add(socket);
  return undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock(8099);
  // Nobody's at first, so that the list can be walked; taking a call opens its check.
  for (const [name, make] of Object.entries(STATES))
    mock.set({ ...make(name), agent: null, queue: name, actions: ["claim"] });
  mock.answer = (request, row) => {
    if (request.type === "claim") return { ...STATES[row.id](row.id), agent: "alice", queue: row.queue };
    if (request.type === "release") return { ...row, agent: null, actions: ["claim"] };
    return undefined;
  };
  process.stdout.write(`${mock.url}/#token=good\n`);
}
