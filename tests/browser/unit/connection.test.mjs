// The connection with a socket, a clock and chance of our own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connection, retryDelay } from "../../../src/web/assets/connection.js";
import { meaning } from "../../../src/web/assets/keys.js";

/** A world in which time passes only when told to. */
function world() {
  const made = { sockets: [], time: 0, timers: [], frames: [], links: [], refused: [] };
  made.given = {
    socket: (url, protocol) => {
      const socket = {
        url,
        protocol,
        readyState: 0,
        sent: [],
        send: (text) => socket.sent.push(JSON.parse(text)),
        close: () => {
          socket.readyState = 3;
        },
      };
      made.sockets.push(socket);
      return socket;
    },
    now: () => made.time,
    random: () => 1,
    later: (run, ms) => {
      const timer = { run, at: made.time + ms };
      made.timers.push(timer);
      return timer;
    },
    cancel: (timer) => {
      made.timers = made.timers.filter((one) => one !== timer);
    },
  };
  made.pass = (ms) => {
    const until = made.time + ms;
    for (;;) {
      const [next] = made.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      made.time = next.at;
      made.timers = made.timers.filter((one) => one !== next);
      next.run();
    }
    made.time = until;
  };
  made.connection = new Connection(
    "ws://desk",
    "good",
    [],
    {
      frame: (frame) => made.frames.push(frame),
      link: (link) => made.links.push(link.status),
      refused: (reason) => made.refused.push(reason),
    },
    made.given,
  );
  made.connection.open();
  return made;
}

const last = (made) => made.sockets.at(-1);
const open = (socket) => {
  socket.readyState = 1;
  socket.onopen();
};
const say = (socket, frame) => socket.onmessage({ data: JSON.stringify(frame) });
const WELCOME = { type: "welcome", protocol: 1, agent: "alice", roles: [], heartbeat_s: 15, epoch: "e1", seq: 40 };

test("the_client_speaks_first_and_the_token_is_never_in_the_url", () => {
  const made = world();
  open(last(made));
  assert.deepEqual(last(made).sent, [{ type: "hello", token: "good" }]);
  assert.equal(last(made).protocol, "countersign.v1");
  assert.ok(!last(made).url.includes("good"));
});

test("it_pings_every_heartbeat_and_gives_up_on_a_silent_server", () => {
  const made = world();
  open(last(made));
  say(last(made), WELCOME);
  made.pass(15_000);
  assert.deepEqual(last(made).sent.at(-1), { type: "ping" });
  made.pass(30_000);
  assert.equal(made.links.at(-1), "waiting");
});

test("it_comes_back_with_the_last_sequence_it_saw", () => {
  const made = world();
  open(last(made));
  say(last(made), WELCOME);
  say(last(made), { type: "call", seq: 44, call: { id: "a" } });
  last(made).onclose({ code: 1006 });
  assert.equal(made.links.at(-1), "waiting");
  made.pass(1_000);
  open(last(made));
  assert.deepEqual(last(made).sent[0].resume, { epoch: "e1", seq: 44 });
  assert.equal(made.sockets.length, 2);
});

test("a_refused_token_is_told_and_not_tried_again", () => {
  const made = world();
  open(last(made));
  last(made).onclose({ code: 4401 });
  made.pass(60_000);
  assert.equal(made.sockets.length, 1);
  assert.match(made.refused[0], /not valid or has expired/);
});

test("a_bye_says_when_to_come_back", () => {
  const made = world();
  open(last(made));
  say(last(made), WELCOME);
  say(last(made), { type: "bye", reason: "drain", retry_ms: 3_000 });
  last(made).onclose({ code: 1001 });
  made.pass(5_999);
  assert.equal(made.sockets.length, 1);
  made.pass(1);
  assert.equal(made.sockets.length, 2);
});

test("a_server_that_never_welcomes_is_left", () => {
  const made = world();
  open(last(made));
  made.pass(8_000);
  assert.equal(made.links.at(-1), "waiting");
});

test("what_an_old_socket_still_says_is_not_heard", () => {
  const made = world();
  const old = last(made);
  open(old);
  say(old, WELCOME);
  made.connection.open();
  say(old, { type: "call", seq: 99, call: { id: "ghost" } });
  assert.equal(made.frames.length, 1);
});

test("nothing_is_sent_before_the_welcome", () => {
  const made = world();
  open(last(made));
  assert.equal(made.connection.request({ type: "claim", call: "a" }), null);
  say(last(made), WELCOME);
  assert.equal(made.connection.request({ type: "claim", call: "a" }), 1);
  assert.deepEqual(last(made).sent.at(-1), { type: "claim", call: "a", id: 1 });
});

test("a_fresh_token_goes_in_band", () => {
  const made = world();
  open(last(made));
  say(last(made), WELCOME);
  made.connection.renew("better");
  assert.deepEqual(last(made).sent.at(-1), { type: "token", token: "better" });
});

test("retries_grow_stay_capped_and_are_spread", () => {
  assert.equal(retryDelay(0, 0, 1006, 0), 250);
  assert.equal(retryDelay(0, 0, 1006, 1), 500);
  assert.equal(retryDelay(3, 0, 1006, 1), 4_000);
  assert.equal(retryDelay(50, 0, 1006, 1), 20_000);
  assert.equal(retryDelay(0, 0, 4429, 1), 5_000);
});

const here = { typing: false, control: false, list: false, dialog: false, check: false, letters: true };

test("keys_mean_something_only_where_they_do_no_harm", () => {
  assert.deepEqual(meaning({ key: "Enter" }, here), { does: "primary" });
  assert.equal(meaning({ key: "Enter" }, { ...here, control: true }), null);
  assert.equal(meaning({ key: "Enter", repeat: true }, here), null);
  assert.equal(meaning({ key: "r" }, { ...here, typing: true }), null);
  assert.equal(meaning({ key: "r" }, { ...here, letters: false }), null);
  assert.equal(meaning({ key: "r", ctrlKey: true }, here), null);
  assert.deepEqual(meaning({ key: "R" }, here), { does: "mark", correct: true });
  assert.equal(meaning({ key: "ArrowDown" }, here), null);
  assert.deepEqual(meaning({ key: "ArrowDown" }, { ...here, list: true }), { does: "step", by: 1 });
});

test("no_single_key_ends_a_call_or_passes_it_on", () => {
  assert.deepEqual(meaning({ key: "t" }, here), { does: "form", name: "transfer" });
  assert.deepEqual(meaning({ key: "e" }, here), { does: "form", name: "wrap_up" });
  assert.equal(meaning({ key: "t", repeat: true }, here), null);
  assert.equal(meaning({ key: "t" }, { ...here, dialog: true }), null);
});

test("in_the_check_the_calls_are_not_walked", () => {
  assert.equal(meaning({ key: "j" }, { ...here, check: true }), null);
  assert.deepEqual(meaning({ key: "n" }, { ...here, check: true }), { does: "fold", name: "never" });
});
