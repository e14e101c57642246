//! Callers of an Asterisk, in both of its modes: whole calls, broken lines, hang-ups, refusals.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::ari_server::Ari;
use crate::ari_server::Heard;
use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::cluster::Cluster;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::told;
use crate::harness::poll;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Rings;
use crate::platforms::asterisk::Phone;
use crate::platforms::asterisk::section;
use crate::promises::figure;

const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n1002,Customer Two,+442079460002,9081726\n";
const PIN: &str = "9081726";
/// Wrong at every position.
const WRONG: &str = "3333333";

/// Who connects to whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Inbound,
    Outbound,
}

const BOTH: [Mode; 2] = [Mode::Inbound, Mode::Outbound];

/// A daemon with an Asterisk that is connected.
struct House {
    daemon: Daemon,
    ari: Ari,
}

impl House {
    fn new(mode: Mode, customers: &str) -> Self {
        Self::with(mode, customers, "")
    }

    fn with(mode: Mode, customers: &str, settings: &str) -> Self {
        let house = match mode {
            Mode::Inbound => {
                let ari = Ari::inbound();
                let daemon = daemon(&inbound(&[&ari], settings), customers);
                Self { daemon, ari }
            }
            Mode::Outbound => {
                let daemon =
                    daemon(&section(&format!("mode = \"outbound\"\n{settings}")), customers);
                let ari = Ari::outbound(daemon.http);
                Self { daemon, ari }
            }
        };
        house.ari.connected();
        house
    }

    fn rings(&self, ani: &str) -> Phone<'_> {
        Phone::rings(&self.ari, &Rings { ani: Some(ani.to_owned()), intent: None })
    }

    #[track_caller]
    fn told(&self, phone: &Phone<'_>) -> (String, String) {
        let variable = |name| self.ari.variable(&phone.id, name).unwrap_or_default();
        (variable("COUNTERSIGN_CLASS"), variable("COUNTERSIGN_AUTHENTICATION"))
    }

    fn call(&self, phone: &Phone<'_>) -> Value {
        let token = self.daemon.token("supervisor", "sue");
        self.daemon.ask("GET", &format!("/v1/calls/{}", phone.id), &token, None).1
    }
}

fn daemon(asterisk: &str, customers: &str) -> Daemon {
    Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{asterisk}"), customers)
}

fn inbound(aris: &[&Ari], more: &str) -> String {
    let urls: Vec<_> = aris.iter().map(|ari| format!("\"http://{}/ari\"", ari.address)).collect();
    section(&format!("mode = \"inbound\"\nurl = [{}]\n{more}", urls.join(", ")))
}

/// Keys the digits that are asked, until something else is noticed.
fn keys(phone: &mut Phone<'_>, pin: &str) -> (usize, Notices) {
    let mut keyed = 0;
    loop {
        match phone.notices() {
            Notices::Position(position) => {
                phone.presses(digit(pin, position));
                keyed += 1;
            }
            other => return (keyed, other),
        }
    }
}

fn digit(pin: &str, position: u8) -> char {
    pin.chars().nth(usize::from(position) - 1).expect("a digit")
}

fn counter(daemon: &Daemon, series: &str) -> u64 {
    let metrics = daemon.metrics();
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_default()
}

fn readiness(daemon: &Daemon) -> Vec<Value> {
    let (_, ready) = daemon.ask("GET", "/readyz", "", None);
    let checks = ready["checks"].as_array().into_iter().flatten();
    checks
        .filter(|check| check["name"].as_str().unwrap_or_default().contains("asterisk"))
        .cloned()
        .collect()
}

#[test]
fn d02_d04_c33_contract_9_the_right_pin_is_keyed_and_the_dialplan_goes_on_with_the_verdict() {
    for mode in BOTH {
        let house = House::new(mode, CUSTOMERS);
        let desktop = Desktop::agent(&house.daemon, "ann");
        let mut phone = house.rings("+442079460001");
        assert_eq!(keys(&mut phone, PIN), (2, Notices::Routed), "{mode:?}");
        assert_eq!(house.told(&phone), ("verified_number".into(), "authenticated".into()));
        let shown =
            desktop.wait_for(&phone.id, "it is passed on", |call| call["media"] == "handed_over");
        assert_eq!(
            (&shown["platform"], &shown["dnis"]),
            (&json!("asterisk"), &json!("+448000000000"))
        );
        assert_eq!(
            house.ari.variable(&phone.id, "COUNTERSIGN_CALL").map(Value::from),
            Some(shown["id"].clone())
        );
        assert_eq!(house.ari.variable(&phone.id, "COUNTERSIGN_QUEUE").as_deref(), Some("general"));
        assert!(
            !shown["actions"].to_string().contains("collect_pin"),
            "the dialplan has the caller"
        );
        assert_eq!(counter(&house.daemon, "countersign_digits_total{via=\"ari\"}"), 2);
        assert_eq!(counter(&house.daemon, "countersign_ari_late_keys_total"), 0);
        // What comes afterwards comes by events of contract §4, under the same name.
        let token = house.daemon.token("platform", "pbx");
        let event = |kind: &str, fields: Value| {
            let mut event = json!({
                "event_id": format!("{kind}-{}", phone.id), "call_id": phone.id, "type": kind,
                "at": "2026-11-22T10:00:00Z", "platform": "asterisk",
            });
            fields
                .as_object()
                .into_iter()
                .flatten()
                .for_each(|(name, value)| event[name] = value.clone());
            house.daemon.ask("POST", "/v1/events", &token, Some(&event)).0
        };
        assert_eq!(event("agent_joined", json!({ "agent": "ann" })), 200);
        desktop.wait_for(&phone.id, "the agent is on it", |call| call["agent"] == "ann");
        assert_eq!(event("connection_cleared", json!({ "cause": 16 })), 200);
        desktop.wait_for(&phone.id, "it has ended", |call| !call["ended_at"].is_null());
    }
}

#[test]
fn b04_b05_a_call_of_the_app_goes_on_without_being_answered() {
    for mode in BOTH {
        let house = House::new(mode, CUSTOMERS);
        let token = house.daemon.token("app", "phone-app");
        let body = json!({ "customer_id": "1001", "number": "+442079460001" });
        let (_, made) = house.daemon.ask("POST", "/v1/intents", &token, Some(&body));
        let intent = made["intent"].as_str().map(str::to_owned);
        let mut phone =
            Phone::rings(&house.ari, &Rings { ani: Some("+442079460001".into()), intent });
        assert_eq!(phone.notices(), Notices::Routed);
        assert_eq!(house.told(&phone), ("app_authenticated".into(), "authenticated".into()));
        let asked = house.ari.asked();
        assert!(!asked.iter().any(|asked| asked.ends_with("/answer")), "{asked:?}");
    }
}

#[test]
fn b11_c34_x03_who_keys_wrong_is_asked_once_more_and_is_passed_on_with_that() {
    for mode in BOTH {
        let house = House::new(mode, CUSTOMERS);
        let mut phone = house.rings("+442079460001");
        assert_eq!(keys(&mut phone, WRONG), (4, Notices::Routed));
        assert_eq!(house.call(&phone)["pin"]["result"], "incorrect");
        let (class, authentication) = house.told(&phone);
        assert_eq!(class, "verified_number");
        assert_ne!(authentication, "authenticated");
        assert_eq!(house.call(&phone)["authentication"], authentication);
        // Nobody's number: the customer number first, whose keys come fast.
        let mut stranger = Phone::rings(&house.ari, &Rings::default());
        assert_eq!(stranger.notices(), Notices::CustomerNumber);
        "1001#".chars().for_each(|key| stranger.presses(key));
        assert_eq!(keys(&mut stranger, PIN), (2, Notices::Routed));
        assert_eq!(house.told(&stranger).0, "unverified");
        assert_eq!(house.call(&stranger)["pin"]["result"], "correct");
    }
}

#[test]
fn c51_d04_a_line_that_breaks_in_mid_capture_voids_the_entry_and_asks_again() {
    thread::scope(|stories| {
        for mode in BOTH {
            stories.spawn(move || {
                let house = House::new(mode, CUSTOMERS);
                let mut phone = house.rings("+442079460001");
                let Notices::Position(first) = phone.notices() else { panic!("asked") };
                phone.presses(digit(PIN, first));
                let Notices::Position(second) = phone.notices() else { panic!("asked") };
                house.ari.line_breaks();
                // Inbound loses this one, outbound delivers it before anything else.
                phone.presses(digit(WRONG, second));
                thread::sleep(Duration::from_millis(300));
                house.ari.line_mends();
                assert_eq!(phone.notices(), Notices::Position(first), "{mode:?}: from the start");
                phone.presses(digit(PIN, first));
                assert_eq!(keys(&mut phone, PIN), (1, Notices::Routed), "{mode:?}");
                assert_eq!(house.told(&phone).1, "authenticated");
                let call = house.call(&phone);
                assert_eq!(
                    (&call["pin"]["attempt"], &call["pin"]["result"]),
                    (&json!(1), &json!("correct"))
                );
                let late = u64::from(mode == Mode::Outbound);
                assert_eq!(
                    counter(&house.daemon, "countersign_ari_late_keys_total"),
                    late,
                    "{mode:?}"
                );
            });
        }
    });
}

#[test]
fn c51_what_was_decided_while_the_line_was_away_is_carried_out_when_it_is_back() {
    thread::scope(|stories| {
        for mode in BOTH {
            stories.spawn(move || {
                let house = House::new(mode, CUSTOMERS);
                let mut phone = house.rings("+442079460001");
                let Notices::Position(first) = phone.notices() else { panic!("asked") };
                phone.presses(digit(PIN, first));
                let Notices::Position(second) = phone.notices() else { panic!("asked") };
                phone.presses(digit(PIN, second));
                house.ari.line_breaks();
                poll("the entry is judged", || {
                    (house.call(&phone)["pin"]["result"] == "correct").then_some(())
                });
                house.ari.line_mends();
                assert_eq!(phone.notices(), Notices::Routed, "{mode:?}");
                assert_eq!(house.told(&phone), ("verified_number".into(), "authenticated".into()));
            });
        }
    });
}

#[test]
fn c51_who_hangs_up_while_the_line_is_away_has_gone_when_it_is_back() {
    for mode in BOTH {
        let house = House::new(mode, CUSTOMERS);
        let desktop = Desktop::agent(&house.daemon, "ann");
        let mut phone = house.rings("+442079460001");
        let Notices::Position(_) = phone.notices() else { panic!("asked") };
        house.ari.line_breaks();
        phone.hangs_up();
        house.ari.line_mends();
        let call = desktop.wait_for(&phone.id, "it has ended", |call| !call["ended_at"].is_null());
        assert_eq!(call["pin"]["result"], "abandoned", "{}", told(&call));
    }
}

#[test]
fn p23_a_caller_may_leave_in_any_state_and_the_call_ends_once() {
    let house = House::new(Mode::Outbound, CUSTOMERS);
    let desktop = Desktop::agent(&house.daemon, "ann");
    let one = || Rings { ani: Some("+442079460001".into()), intent: None };
    let mut left = vec![];
    // As soon as it rings, and with the first prompt.
    let mut ringing = Phone::rings_only(&house.ari, &one());
    ringing.hangs_up();
    left.push(ringing.id);
    for keyed in 0..2 {
        let mut phone = house.rings("+442079460001");
        for _ in 0..keyed {
            let Notices::Position(position) = phone.notices() else { panic!("asked") };
            phone.presses(digit(PIN, position));
        }
        assert!(matches!(phone.notices(), Notices::Position(_)));
        phone.hangs_up();
        left.push(phone.id);
    }
    // In thanks.
    let mut thanked = house.rings("+442079460001");
    for _ in 0..2 {
        let Notices::Position(position) = thanked.notices() else { panic!("asked") };
        thanked.presses(digit(PIN, position));
    }
    let heard = house.ari.hears(&thanked.id, thanked.heard);
    assert_eq!(heard, Heard::Sound("countersign/thanks".into()));
    thanked.hangs_up();
    left.push(thanked.id);
    // Asterisk knows of it before we do.
    for status in [404, 409] {
        let id = format!("gone.{status}");
        house.ari.fails(&format!("POST channels/{id}"), status);
        house.ari.rings_as(&id, Some("+442079460001"), &[]);
        left.push(id);
    }
    for id in &left {
        desktop.wait_for(id, "it has ended", |call| !call["ended_at"].is_null());
    }
    let ended = || counter_of_calls(&house.daemon);
    poll("each is counted once", || (ended() == left.len()).then_some(()));
    let mut next = house.rings("+442079460001");
    assert_eq!(keys(&mut next, PIN), (2, Notices::Routed), "nothing hangs, nothing counted");
    assert_eq!(house.told(&next).1, "authenticated");
}

fn counter_of_calls(daemon: &Daemon) -> usize {
    let metrics = daemon.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("countersign_calls_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[test]
fn p13_a_wrong_password_opens_nothing_in_either_mode_and_is_said() {
    let ari = Ari::inbound();
    ari.expects("another password");
    let house = daemon(&inbound(&[&ari], ""), CUSTOMERS);
    poll("we are refused", || (ari.refused() > 0).then_some(()));
    let line = poll("it is said", || {
        readiness(&house).into_iter().find(|line| line["effect"].to_string().contains("ari.conf"))
    });
    assert_eq!((&line["ok"], &line["vital"]), (&json!(false), &json!(false)));
    assert!(!house.log().contains("an ARI password"));
    let check = house.command(&["check"]).output().expect("the program runs");
    assert!(
        !check.status.success() && String::from_utf8_lossy(&check.stdout).contains("FAIL asterisk")
    );
    ari.expects("an ARI password");
    ari.connected();
    let house = daemon(&section("mode = \"outbound\""), CUSTOMERS);
    assert!(readiness(&house)[0]["effect"].to_string().contains("no Asterisk has connected"));
    let (status, _) = house.ask("GET", "/v1/ari", "", None);
    assert_eq!(status, 401, "a plain request is not told more");
    let guess = |password: &str| {
        let ari = Ari::outbound_with(house.http, password);
        poll("it is answered", || {
            (ari.refused() > 0 || ari.is_connected()).then(|| ari.is_connected())
        })
    };
    assert!(!guess("an ARI passwore") && !guess(""));
    assert!(guess("an ARI password"));
    (0..12).for_each(|_| drop(house.ask("GET", "/v1/ari", "", None)));
    assert_eq!(house.ask("GET", "/v1/ari", "", None).0, 429, "who guesses on is not even compared");
}

#[test]
fn contract_9_a_client_that_takes_the_application_is_not_fought_over_it() {
    let house = House::new(Mode::Inbound, CUSTOMERS);
    house.ari.is_replaced();
    let line = poll("it is said", || {
        readiness(&house.daemon).into_iter().find(|line| line["ok"] == false)
    });
    assert!(line["effect"].to_string().contains("another client"), "{line}");
    thread::sleep(Duration::from_millis(1500));
    assert!(!house.ari.is_connected(), "for half a minute");
}

#[test]
fn d02_two_asterisks_at_once_and_an_id_that_both_use() {
    let (one, two) = (Ari::inbound(), Ari::inbound());
    let daemon = daemon(&inbound(&[&one, &two], ""), CUSTOMERS);
    one.connected();
    two.connected();
    assert_eq!(readiness(&daemon).len(), 2);
    let how = Rings { ani: Some("+442079460001".into()), intent: None };
    let (mut here, mut there) = (Phone::rings(&one, &how), Phone::rings(&two, &how));
    two.rings_as(&here.id, Some("+442079460002"), &[]);
    assert_eq!(
        two.hears(&here.id, 0),
        Heard::Continued,
        "unchecked, because nobody could tell them apart"
    );
    let told = two.variable(&here.id, "COUNTERSIGN_AUTHENTICATION");
    assert_eq!(told.as_deref(), Some("system_unavailable"));
    assert!(daemon.log().contains("systemname"));
    assert_eq!(keys(&mut here, PIN), (2, Notices::Routed));
    assert_eq!(keys(&mut there, PIN), (2, Notices::Routed));
}

#[test]
fn d06_callers_who_wait_while_the_daemon_starts_again_are_taken_anew() {
    let mut house = House::new(Mode::Inbound, CUSTOMERS);
    let mut phone = house.rings("+442079460001");
    assert!(matches!(phone.notices(), Notices::Position(_)));
    let (id, heard) = (phone.id.clone(), phone.heard);
    house.daemon.restart();
    house.ari.connected();
    let mut phone = Phone { ari: &house.ari, id, heard };
    assert_eq!(keys(&mut phone, PIN), (2, Notices::Routed), "nobody announces them again");
    assert_eq!(house.told(&phone), ("verified_number".into(), "authenticated".into()));
}

#[test]
fn d06_of_two_nodes_with_one_application_the_other_goes_on_with_the_callers() {
    thread::scope(|stories| {
        for mode in BOTH {
            stories.spawn(move || {
                let known = Ari::inbound();
                let settings = match mode {
                    Mode::Inbound => inbound(&[&known], ""),
                    Mode::Outbound => section("mode = \"outbound\""),
                };
                let mut cluster = Cluster::with(2, &settings, CUSTOMERS);
                let ari = match mode {
                    Mode::Inbound => known,
                    Mode::Outbound => Ari::outbound(cluster.a().http),
                };
                ari.connected();
                let how = Rings { ani: Some("+442079460001".into()), intent: None };
                let mut phone = Phone::rings(&ari, &how);
                let Notices::Position(first) = phone.notices() else { panic!("asked") };
                phone.presses(digit(PIN, first));
                assert!(matches!(phone.notices(), Notices::Position(_)));
                let sue = cluster.b().token("supervisor", "sue");
                let watches = Desktop::connect(cluster.b(), &sue);
                watches.wait_for(&phone.id, "a key shows", |call| call["pin"]["entered"] == 1);
                cluster.kill_a();
                if mode == Mode::Outbound {
                    ari.leads_to(cluster.b().http);
                    ari.line_mends();
                }
                assert_eq!(phone.notices(), Notices::Position(first), "{mode:?}: from the start");
                phone.presses(digit(PIN, first));
                assert_eq!(keys(&mut phone, PIN), (1, Notices::Routed), "{mode:?}");
                let told = ari.variable(&phone.id, "COUNTERSIGN_AUTHENTICATION");
                assert_eq!(told.as_deref(), Some("authenticated"), "{mode:?}");
                let call = ari.variable(&phone.id, "COUNTERSIGN_CALL");
                watches.wait_for(&phone.id, "it is the same call", |shown| {
                    shown["id"].as_str() == call.as_deref() && shown["media"] == "handed_over"
                });
            });
        }
    });
}

#[test]
fn contract_13_the_guide_shows_configuration_that_is_taken() {
    let guide = include_str!("../../docs/asterisk.md");
    let blocks: Vec<_> = guide.split("```toml\n").skip(1).collect();
    assert_eq!(blocks.len(), 2, "one for each mode");
    for block in blocks {
        let text = block.split("```").next().expect("it ends");
        let config = countersign::config::parse("guide.toml", text);
        assert!(config.is_ok_and(|config| config.asterisk.is_some()), "{text}");
    }
    for name in ["CLASS", "AUTHENTICATION", "CALL", "QUEUE"] {
        assert!(guide.contains(&format!("| `COUNTERSIGN_{name}` |")), "{name} is explained");
    }
}

#[test]
fn contract_9_the_phrases_are_written_as_asterisk_plays_them() {
    let daemon = daemon("", CUSTOMERS);
    let folder = daemon.path("sounds/countersign");
    let said = daemon.run(&["prompts", "export", &folder.display().to_string(), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).expect("JSON")["files"], 26);
    let sound = std::fs::read(folder.join("pin.position.3.ulaw")).expect("a file");
    // µ-law at 8000 Hz: a second is 8000 bytes.
    assert!(
        (6_400..=48_000).contains(&sound.len()) && sound.len().is_multiple_of(160),
        "{}",
        sound.len()
    );
}

#[test]
fn d02_a_hundred_calls_at_once_over_one_websocket() {
    let count = 100;
    let number = |nth: u64| format!("+442079461{nth:03}");
    let rows = (0..count).map(|nth| format!("{nth},{},{PIN}\n", number(nth)));
    let customers = format!("customer_id,numbers,pin\n{}", rows.collect::<String>());
    // All of them key at the same moment, which people do not.
    let settings = format!("{OFFICE}{CHEAP_PINS}queue = 512\n{}", section("mode = \"outbound\""));
    let daemon = Daemon::with(&settings, &customers);
    let ari = Ari::outbound(daemon.http);
    ari.connected();
    let house = House { daemon, ari };
    let begun = Instant::now();
    thread::scope(|calls| {
        let (house, keys) = (&house, &keys);
        for nth in 0..count {
            calls.spawn(move || {
                let how = Rings { ani: Some(number(nth)), intent: None };
                let mut phone = Phone::rings_only(&house.ari, &how);
                assert_eq!(keys(&mut phone, PIN), (2, Notices::Routed));
                assert_eq!(house.told(&phone), ("verified_number".into(), "authenticated".into()));
            });
        }
    });
    let took = begun.elapsed().as_millis();
    figure(&format!("{count} ARI calls at once over one WebSocket in {took} ms"));
    assert_eq!(counter(&house.daemon, "countersign_digits_total{via=\"ari\"}"), 2 * count);
}
