"""Judges genesys.py by the vendor's own SDK: every answer is read by PureCloudPlatformClientV2.

genesys_sdk.py   (PYTHONPATH: where the SDK is; starts genesys.py itself)

The fake is only worth something where the official client finds what it expects. Prints one line an
operation and `N passed, N failed`; status 1 when one failed.
"""

import base64
import datetime
import json
import pathlib
import subprocess
import sys
import urllib.request

import PureCloudPlatformClientV2 as sdk
from PureCloudPlatformClientV2.rest import ApiException

FAKE = subprocess.Popen(
    [sys.executable, pathlib.Path(__file__).with_name("genesys.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
BASE = f"http://127.0.0.1:{FAKE.stdout.readline().strip().removeprefix('port=')}"
CONVERSATION = "6b2f0e0a-3a54-4b7f-9d0b-1c8f6f1b2a3c"
results = []


def post(path, body, headers=None):
    request = urllib.request.Request(f"{BASE}{path}", body, {"Content-Type": "application/json", **(headers or {})})
    return json.load(urllib.request.urlopen(request))


def judge(name, run):
    try:
        run()
        results.append(True)
        print(f"ok {name}")
    except Exception as error:  # whatever the SDK throws is a verdict
        results.append(False)
        print(f"not ok {name}: {type(error).__name__} {error}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


basic = base64.b64encode(b"countersign:the-secret-of-the-client").decode()
form = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
granted = post("/oauth/token", b"grant_type=client_credentials", form)
sdk.configuration.host = BASE
sdk.configuration.access_token = granted["access_token"]
for participant in (
    {"id": "p0", "purpose": "customer", "state": "connected", "address": "tel:+442079460001", "ani": "tel:+442079460001", "connectedTime": "2026-11-22T10:00:00.000Z"},
    {"id": "p1", "purpose": "agent", "state": "terminated", "user": {"id": "u-alice"}, "queue": {"id": "q-1"}, "held": True,
     "startHoldTime": "2026-11-22T10:00:02.000Z", "connectedTime": "2026-11-22T10:00:01.000Z", "endTime": "2026-11-22T10:00:03.000Z", "disconnectType": "transfer"},
):
    post("/control/participant", json.dumps({"conversation": CONVERSATION, "participant": participant}).encode())

notifications, conversations, users = sdk.NotificationsApi(), sdk.ConversationsApi(), sdk.UsersApi()
channel = {}


def a_channel():
    made = notifications.post_notifications_channels()
    holds(made.id and made.connect_uri.startswith("ws"), "id and connectUri")
    holds(isinstance(made.expires, datetime.datetime), "expires is a time")
    channel["id"] = made.id


def subscriptions():
    topics = [sdk.ChannelTopic(), sdk.ChannelTopic()]
    topics[0].id, topics[1].id = "v2.users.u-alice.conversations.calls", "v2.routing.queues.q-1.conversations.calls"
    listed = notifications.put_notifications_channel_subscriptions(channel["id"], topics)
    holds([one.state for one in listed.entities] == ["Permitted", "Permitted"], "both are permitted")
    again = notifications.get_notifications_channel_subscriptions(channel["id"])
    holds([one.id for one in again.entities] == [topics[0].id, topics[1].id], "as they were put")


def a_conversation():
    read = conversations.get_conversations_call(CONVERSATION)
    customer, agent = read.participants
    holds((read.id, customer.purpose, customer.state) == (CONVERSATION, "customer", "connected"), "the caller")
    holds((agent.user.id, agent.queue.id, agent.held, agent.disconnect_type) == ("u-alice", "q-1", True, "transfer"), "the agent")
    times = (agent.connected_time, agent.end_time, agent.start_hold_time)
    holds(all(isinstance(at, datetime.datetime) for at in times), "times are times")


def attributes():
    body = sdk.ParticipantAttributes()
    body.attributes = {"countersign_class": "verified_number"}
    written = conversations.patch_conversations_call_participant_attributes(CONVERSATION, "p0", body)
    holds(written.attributes == {"countersign_class": "verified_number"}, "as written")


def a_user():
    user = users.get_user("u-alice")
    holds((user.id, user.email, user.username) == ("u-alice", "alice@bank.example", "alice"), "names")


def an_error():
    try:
        conversations.get_conversations_call("nothing")
    except ApiException as error:
        body = json.loads(error.body)
        holds((error.status, body["status"], body["code"]) == (404, 404, "conversation.not.found"), "an ErrorBody")
        return
    raise AssertionError("nothing was wrong")


for story in (a_channel, subscriptions, a_conversation, attributes, a_user, an_error):
    judge(story.__name__, story)
FAKE.stdin.close()
FAKE.wait()
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
