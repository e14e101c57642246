"""A small Genesys Cloud for tests: what the daemon asks of it, by the vendor's shapes, and its bad days.

genesys.py [--port PORT]

Prints `port=N` when it listens, and ends when its standard input does. Login service, REST API and
notification sockets share the port. Client `countersign`, secret `the-secret-of-the-client`.

  POST /control/participant  {conversation, participant{…}}  puts a participant there and tells the topics
  POST /control/faults       [{method, path, status, times, header?}]  requests to be answered so, first of all
  POST /control/do           {what: "drop" | "mute" | "unmute" | "closing" | "expire", life?}
  GET  /control/seen         {requests: [...], tokens: N, channels: [...], sockets: N, pings: N, attributes: {...}}
"""

import argparse
import base64
import datetime
import hashlib
import json
import re
import struct
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CLIENT = ("countersign", "the-secret-of-the-client")
HEARTBEAT_S = 0.5
lock = threading.RLock()


class World:
    tokens = {}
    life = 86400
    channels = {}
    sockets = {}
    conversations = {}
    faults = []
    requests = []
    granted = 0
    pings = 0
    muted = False


world = World()


def now(ahead=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def conversation(name):
    return world.conversations.setdefault(
        name,
        {
            "id": name,
            "startTime": now(),
            "participants": [],
            "recordingState": "none",
            "securePause": False,
            "divisions": [],
            "selfUri": f"/api/v2/conversations/calls/{name}",
        },
    )


def put_participant(name, given):
    held = conversation(name)["participants"]
    for at, known in enumerate(held):
        if known["id"] == given["id"]:
            held[at] = {**known, **given}
            return
    usual = {
        "direction": "inbound",
        "held": False,
        "muted": False,
        "confined": False,
        "recording": False,
        "recordingState": "none",
        "wrapupRequired": False,
        "provider": "Edge",
        "attributes": {},
        "startTime": now(),
    }
    held.append({**usual, **given})


def topics_of(name):
    for one in conversation(name)["participants"]:
        if "user" in one:
            yield f"v2.users.{one['user']['id']}.conversations.calls"
        if "queue" in one:
            yield f"v2.routing.queues.{one['queue']['id']}.conversations.calls"


def tell(name):
    topics = set(topics_of(name))
    for channel, held in list(world.channels.items()):
        for topic in topics & set(held["topics"]):
            say(channel, {"topicName": topic, "version": "2", "eventBody": conversation(name), "metadata": {"CorrelationId": str(uuid.uuid4())}})


def say(channel, frame):
    for socket in list(world.sockets.get(channel, [])):
        socket.send_text(json.dumps(frame))


def beats():
    while True:
        threading.Event().wait(HEARTBEAT_S)
        with lock:
            if not world.muted:
                for channel in list(world.sockets):
                    say(channel, {"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, headers=()):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def error(self, status, code, headers=()):
        body = {
            "message": code.replace(".", " "), "code": code, "status": status, "messageWithParams": code, "messageParams": {},
            "contextId": str(uuid.uuid4()), "details": [], "errors": [],
        }
        self.answer(status, body, headers)

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def any(self):
        raw = self.body()
        path = self.path.split("?")[0]
        if path.startswith("/control/"):
            return self.control(path, json.loads(raw or b"null"))
        if path.startswith("/sockets/"):
            return self.socket(path.rsplit("/", 1)[1])
        with lock:
            world.requests.append(f"{self.command} {path}")
            for fault in world.faults:
                if fault["times"] > 0 and fault["method"] == self.command and re.search(fault["path"], path):
                    fault["times"] -= 1
                    header = [tuple(fault["header"])] if "header" in fault else []
                    return self.error(fault["status"], "a.bad.day", header)
            if path == "/oauth/token":
                return self.token(raw)
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if bearer not in world.tokens:
                return self.error(401, "bad.credentials")
            try:
                body = json.loads(raw) if raw else None
            except ValueError:
                return self.error(400, "invalid.json")
            return self.api(path, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = any

    def token(self, raw):
        given = base64.b64decode((self.headers.get("Authorization") or "").removeprefix("Basic ")).decode()
        if given != ":".join(CLIENT) or raw != b"grant_type=client_credentials":
            return self.answer(400, {"error": "invalid_client", "description": "client credentials are invalid"})
        token = uuid.uuid4().hex
        world.tokens[token] = True
        world.granted += 1
        return self.answer(200, {"access_token": token, "token_type": "bearer", "expires_in": world.life})

    def api(self, path, body):
        parts = path.removeprefix("/api/v2/").split("/")
        if path == "/api/v2/notifications/channels" and self.command == "POST":
            channel = f"streaming-{len(world.channels)}-{uuid.uuid4().hex}"
            # The twenty-first puts the least used out.
            while len(world.channels) >= 20:
                world.channels.pop(next(iter(world.channels)))
            world.channels[channel] = {"topics": []}
            uri = f"ws://{self.headers['Host']}/sockets/{channel}"
            return self.answer(200, {"id": channel, "connectUri": uri, "expires": now(86400)})
        if parts[:2] == ["notifications", "channels"] and parts[3:] == ["subscriptions"]:
            held = world.channels.get(parts[2])
            if held is None:
                return self.error(404, "not.found")
            if self.command in ("PUT", "POST"):
                asked = [topic["id"] for topic in body]
                held["topics"] = asked if self.command == "PUT" else held["topics"] + asked
            entities = [
                {"id": topic, "state": "Permitted", "selfUri": f"/api/v2/notifications/channels/{parts[2]}/subscriptions/{topic}"}
                for topic in held["topics"]
            ]
            return self.answer(200, {"entities": entities})
        if parts[:2] == ["conversations", "calls"] and len(parts) == 3 and self.command == "GET":
            held = world.conversations.get(parts[2])
            return self.answer(200, held) if held else self.error(404, "conversation.not.found")
        if parts[:2] == ["conversations", "calls"] and parts[5:] == ["attributes"] and self.command == "PATCH":
            found = [one for one in world.conversations.get(parts[2], {"participants": []})["participants"] if one["id"] == parts[4]]
            if not found:
                return self.error(404, "participant.not.found")
            given = body.get("attributes", {})
            if not all(isinstance(value, str) for value in given.values()):
                return self.error(400, "bad.request")
            found[0]["attributes"] = {**found[0]["attributes"], **given}
            return self.answer(200, {"attributes": found[0]["attributes"]})
        if parts[0] == "users" and len(parts) == 2 and self.command == "GET":
            name = parts[1].removeprefix("u-")
            return self.answer(
                200,
                {
                    "id": parts[1], "name": name.title(), "email": f"{name}@bank.example", "username": name, "state": "active", "version": 1,
                    "division": {"id": "home", "name": "Home"}, "selfUri": path,
                },
            )
        return self.error(404, "not.found")

    def control(self, path, body):
        with lock:
            if path == "/control/participant":
                put_participant(body["conversation"], body["participant"])
                tell(body["conversation"])
            elif path == "/control/faults":
                world.faults = body
            elif path == "/control/do":
                self.act(body)
            seen = {
                "requests": world.requests,
                "tokens": world.granted,
                "channels": list(world.channels),
                "sockets": sum(len(one) for one in world.sockets.values()),
                "pings": world.pings,
                "attributes": {name: [one["attributes"] for one in held["participants"]] for name, held in world.conversations.items()},
            }
            self.answer(200, seen)

    def act(self, body):
        what = body["what"]
        if what == "drop":
            for sockets in list(world.sockets.values()):
                for socket in list(sockets):
                    socket.connection.shutdown(2)
        elif what in ("mute", "unmute"):
            world.muted = what == "mute"
        elif what == "closing":
            for channel in list(world.sockets):
                say(channel, {"topicName": "v2.system.socket_closing", "eventBody": {"message": "The socket will be closed"}})
        elif what == "expire":
            world.tokens.clear()
            world.life = body.get("life", world.life)

    # --- RFC 6455, as much as is needed ---

    def socket(self, channel):
        with lock:
            if channel not in world.channels or "websocket" not in (self.headers.get("Upgrade") or "").lower():
                return self.error(404, "not.found")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        with lock:
            world.sockets.setdefault(channel, []).append(self)
        try:
            while self.read_frame():
                pass
        except OSError:
            pass
        finally:
            with lock:
                world.sockets[channel].remove(self)
            self.close_connection = True

    def read_frame(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return False
        kind, length = head[0] & 0x0F, head[1] & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.rfile.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.rfile.read(8))[0]
        mask = self.rfile.read(4)
        data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
        if kind == 8:
            return False
        if kind == 1 and json.loads(data).get("message") == "ping":
            with lock:
                world.pings += 1
                if not world.muted:
                    self.send_text(json.dumps({"topicName": "channel.metadata", "eventBody": {"message": "pong"}}))
        return True

    def send_text(self, text):
        data = text.encode()
        if len(data) < 126:
            head = bytes([0x81, len(data)])
        elif len(data) < 65536:
            head = bytes([0x81, 126]) + struct.pack(">H", len(data))
        else:
            head = bytes([0x81, 127]) + struct.pack(">Q", len(data))
        try:
            self.wfile.write(head + data)
            self.wfile.flush()
        except OSError:
            pass


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    server = ThreadingHTTPServer(("127.0.0.1", options.parse_args().port), Handler)
    server.daemon_threads = True
    threading.Thread(target=beats, daemon=True).start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"port={server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
