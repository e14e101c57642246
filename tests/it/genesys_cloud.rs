//! Genesys Cloud's own API: attributes are written back, and what happens to a conversation after our
//! flow reaches its call. The server is tests/servers/genesys.py, which the vendor's SDK has judged.
#![expect(clippy::expect_used, reason = "a test may panic")]

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::genesys_server::GenesysCloud;
use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::desktop::Desktop;
use crate::harness::poll;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::genesys_actions::Architect;
use crate::platforms::genesys_actions::InFlow;

const ONE: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n";
const RIGHT: &str = "9081726";

/// A daemon beside Genesys Cloud.
struct House {
    cloud: GenesysCloud,
    daemon: Daemon,
    _folder: TempDir,
}

impl House {
    fn open() -> Self {
        let (cloud, folder) = (GenesysCloud::start(), TempDir::new().expect("a folder"));
        let settings = format!("{OFFICE}{CHEAP_PINS}{}", cloud.settings(folder.path()));
        let daemon = Daemon::with(&settings, CUSTOMERS);
        cloud.wait_for("the channel is open", |seen| seen["sockets"] == 1);
        Self { cloud, daemon, _folder: folder }
    }

    /// A caller whose conversation Genesys Cloud has.
    fn rings(&self, architect: &Architect, ani: &str) -> InFlow {
        let next = architect.next_conversation();
        let caller = json!({ "id": "p0", "purpose": "customer", "state": "connected", "connectedTime": at(0) });
        self.cloud.participant(&next, &caller);
        let acd = json!({ "id": "p-acd", "purpose": "acd", "state": "connected", "queue": { "id": "q-1" } });
        self.cloud.participant(&next, &acd);
        architect.rings_with(&json!({ "ani": ani }))
    }

    fn agent(
        &self,
        caller: &InFlow,
        id: &str,
        user: &str,
        from: u8,
        until: Option<u8>,
        more: &Value,
    ) {
        let mut agent = json!({
            "id": id, "purpose": "agent", "user": { "id": user }, "queue": { "id": "q-1" },
            "state": if until.is_some() { "terminated" } else { "connected" }, "connectedTime": at(from),
        });
        if let Some(until) = until {
            agent["endTime"] = json!(at(until));
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            agent[name] = value.clone();
        }
        self.cloud.participant(&caller.name(), &agent);
    }
}

fn at(second: u8) -> String {
    format!("2026-11-22T10:00:{second:02}.000Z")
}

fn passes(caller: &mut InFlow) {
    while let Notices::Position(position) = caller.notices() {
        caller.presses(RIGHT.chars().nth(usize::from(position) - 1).expect("a digit"));
    }
    assert_eq!(caller.told["authentication"], "authenticated");
}

fn noted(call: &Value, what: &str) -> bool {
    call["timeline"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|line| line["what"].as_str().is_some_and(|said| said.contains(what)))
}

#[test]
fn contract_8_attributes_say_how_a_call_stands_and_agents_reach_it() {
    let house = House::open();
    let (architect, desktop) =
        (Architect::beside(&house.daemon), Desktop::agent(&house.daemon, "alice"));
    let mut caller = house.rings(&architect, ONE);
    let name = caller.name();
    let began = house.cloud.wait_for_attributes(&name, "in_progress");
    assert_eq!(began["countersign_class"], "verified_number");
    passes(&mut caller);
    let passed = house.cloud.wait_for_attributes(&name, "authenticated");
    assert_eq!(passed["countersign_call"], caller.told["call"]);
    assert_eq!(passed.as_object().map(serde_json::Map::len), Some(3), "{passed}");

    house.agent(&caller, "p1", "u-alice", 2, None, &json!({}));
    let with = desktop.wait_for(&name, "alice has the call", |call| call["agent"] == "alice");
    assert_eq!(with["authentication"], "authenticated");
    house.agent(
        &caller,
        "p1",
        "u-alice",
        2,
        None,
        &json!({ "held": true, "startHoldTime": at(3) }),
    );
    desktop.wait_for(&name, "held", |call| noted(call, "held"));
    house.agent(&caller, "p1", "u-alice", 2, None, &json!({ "held": false }));
    desktop.wait_for(&name, "retrieved", |call| noted(call, "retrieved"));
    // Bob is asked, speaks with alice, and takes the call: warm, so that the check goes with it.
    let watching = Desktop::connect(&house.daemon, &house.daemon.token("supervisor", "chief"));
    house.agent(&caller, "p2", "u-bob", 5, None, &json!({}));
    house.agent(&caller, "p1", "u-alice", 2, Some(7), &json!({}));
    let with = watching.wait_for(&name, "bob has the call", |call| call["agent"] == "bob");
    assert_eq!(with["authentication"], "authenticated");
    let gone =
        json!({ "id": "p0", "state": "terminated", "endTime": at(9), "disconnectType": "client" });
    house.cloud.participant(&name, &gone);
    watching.wait_for(&name, "the caller is gone", |call| !call["ended_at"].is_null());
    let log = house.daemon.log();
    assert!(!log.contains("the-secret-of-the-client") && !log.contains("7946"), "{log}");
}

#[test]
fn x31_agents_who_did_not_speak_with_each_other_pass_no_check_on() {
    let house = House::open();
    let architect = Architect::beside(&house.daemon);
    let watching = Desktop::connect(&house.daemon, &house.daemon.token("supervisor", "chief"));
    let mut caller = house.rings(&architect, ONE);
    passes(&mut caller);
    house.agent(&caller, "p1", "u-alice", 2, None, &json!({}));
    watching.wait_for(&caller.name(), "alice has the call", |call| call["agent"] == "alice");
    house.agent(&caller, "p1", "u-alice", 2, Some(4), &json!({ "disconnectType": "transfer" }));
    house.agent(&caller, "p2", "u-bob", 6, None, &json!({}));
    let with = watching.wait_for(&caller.name(), "bob has the call", |call| call["agent"] == "bob");
    assert_ne!(with["authentication"], "authenticated", "blind: a new check");
    let written = house
        .cloud
        .wait_for_attributes(&caller.name(), with["authentication"].as_str().expect("a word"));
    assert_eq!(written["countersign_class"], "verified_number");
}

#[test]
fn f5_13_what_happened_while_the_channel_was_broken_is_found_out_and_told_once() {
    let house = House::open();
    let architect = Architect::beside(&house.daemon);
    let watching = Desktop::connect(&house.daemon, &house.daemon.token("supervisor", "chief"));
    let mut caller = house.rings(&architect, ONE);
    passes(&mut caller);
    house.agent(&caller, "p1", "u-alice", 2, None, &json!({}));
    watching.wait_for(&caller.name(), "alice has the call", |call| call["agent"] == "alice");
    // The line breaks; alice passes the call on meanwhile; channels cannot be made at first.
    let down = json!([{ "method": "POST", "path": "channels$", "status": 500, "times": 1 }]);
    house.cloud.faults(&down);
    house.cloud.does(&json!({ "what": "drop" }));
    house.cloud.wait_for("the line is broken", |seen| seen["sockets"] == 0);
    house.agent(&caller, "p2", "u-bob", 4, None, &json!({}));
    house.agent(&caller, "p1", "u-alice", 2, Some(5), &json!({}));
    let with = watching.wait_for(&caller.name(), "bob has the call", |call| call["agent"] == "bob");
    assert_eq!(with["authentication"], "authenticated");
    let joined = with["timeline"].as_array().into_iter().flatten();
    let joined = joined.filter(|line| line["what"] == "alice joined").count();
    assert_eq!(joined, 1, "{with}");
    // Silence is a broken line, too; an announced end is not waited for.
    house.cloud.wait_for("a new channel", |seen| seen["sockets"] == 1);
    let before = house.cloud.asked("POST /api/v2/notifications/channels");
    house.cloud.does(&json!({ "what": "mute" }));
    poll("silence is noticed", || {
        (house.cloud.asked("POST /api/v2/notifications/channels") > before).then_some(())
    });
    house.cloud.does(&json!({ "what": "unmute" }));
    house.cloud.wait_for("a new channel", |seen| seen["sockets"] == 1);
    let before = house.cloud.asked("POST /api/v2/notifications/channels");
    house.cloud.does(&json!({ "what": "closing" }));
    poll("the end was announced", || {
        (house.cloud.asked("POST /api/v2/notifications/channels") > before).then_some(())
    });
    assert!(house.cloud.seen()["pings"].as_u64().is_some_and(|pings| pings > 0));
}

#[test]
fn contract_8_on_a_bad_day_the_newest_state_is_written_and_tokens_are_renewed() {
    let house = House::open();
    let architect = Architect::beside(&house.daemon);
    let mut caller = house.rings(&architect, ONE);
    house.cloud.wait_for_attributes(&caller.name(), "in_progress");
    assert_eq!(house.cloud.seen()["tokens"], 1, "one token for everybody");
    // Tokens are taken back, the API is busy, then broken: nothing is lost, nothing is written twice.
    house.cloud.does(&json!({ "what": "expire" }));
    house.cloud.faults(&json!([
        { "method": "PATCH", "path": "attributes", "status": 429, "times": 1, "header": ["Retry-After", "1"] },
        { "method": "PATCH", "path": "attributes", "status": 503, "times": 1 },
    ]));
    passes(&mut caller);
    house.cloud.wait_for_attributes(&caller.name(), "authenticated");
    assert_eq!(house.cloud.seen()["tokens"], 2, "renewed once");
    // The caller hangs up when our part is over: that is written as well, and a call of nobody is left alone.
    let unknown =
        json!({ "id": "p0", "purpose": "customer", "state": "terminated", "endTime": at(3) });
    house.cloud.participant("a-conversation-of-nobody", &unknown);
    let metrics = house.daemon.metrics();
    assert!(
        metrics.contains("countersign_genesys_attributes_total{result=\"written\"}"),
        "{metrics}"
    );
    assert!(
        house
            .daemon
            .run(&[
                "check",
                "--set",
                "http.listen=127.0.0.1:0",
                "--set",
                "sip.listen=udp:127.0.0.1:0"
            ])
            .contains("ok   genesys")
    );
}
