//! Calls over real SIP and RTP, placed by SIPp: whatever way keys are signalled, each counts once, and
//! the desktop can follow.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::thread;

use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::harness::desktop::story;
use crate::harness::desktop::told;
use crate::harness::pcap::Ends;
use crate::harness::sipp::Sipp;

/// A way to key two digits.
struct Way {
    story: &'static str,
    number: &'static str,
    pin: &'static str,
    scenario: &'static str,
    payload_type: u8,
    ends: Ends,
}

#[rustfmt::skip]
const WAYS: [Way; 8] = [
    way("events, payload type 101", "+442079460001", "9081726", "keys_as_events", 101, Ends::Three),
    way("events, payload type 96", "+442079460002", "5028361", "keys_as_events", 96, Ends::Three),
    way("sipp's own events, payload type 96", "+442079460003", "7394615", "keys_by_play_dtmf", 96, Ends::Three),
    way("info", "+442079460004", "6172839", "keys_by_info", 101, Ends::Three),
    way("events and info, counted once", "+442079460005", "2846193", "keys_both_ways", 101, Ends::Three),
    way("all ends lost", "+442079460006", "8350624", "keys_as_events", 101, Ends::Lost),
    way("the same digit twice, in the very same packets", "+442079460007", "7777777", "keys_as_events", 101, Ends::Three),
    way("the same digit twice, events and info", "+442079460008", "4444444", "keys_both_ways", 96, Ends::Three),
];

const fn way(
    story: &'static str,
    number: &'static str,
    pin: &'static str,
    scenario: &'static str,
    payload_type: u8,
    ends: Ends,
) -> Way {
    Way { story, number, pin, scenario, payload_type, ends }
}

#[test]
fn c33_keys_count_once_in_whatever_way_they_come_and_the_desktop_follows() {
    let rows = WAYS.iter().map(|way| {
        format!("{0},{0},{1},{2}\n", way.number.trim_start_matches('+'), way.number, way.pin)
    });
    let customers = format!("customer_id,name,numbers,pin\n{}", rows.collect::<String>());
    let daemon = Daemon::with(&format!("{OFFICE}[pin]\nmemory_kib = 4096\n"), &customers);
    let desktop = Desktop::agent(&daemon, "ann");
    thread::scope(|calls| {
        for way in &WAYS {
            calls.spawn(|| way.is_heard(&daemon, &desktop));
        }
    });
    for frame in desktop.frames().iter().filter(|frame| frame["type"] == "call") {
        let pin = frame["call"]["pin"].as_object().into_iter().flatten();
        let fields: Vec<_> = pin.map(|(name, _)| name.as_str()).collect();
        let known = ["attempt", "attempts_allowed", "entered", "needed", "positions", "result"];
        assert!(fields.is_empty() || fields == known, "a digit would need a field: {fields:?}");
    }
}

impl Way {
    /// The positions are learned from a first call that hangs up; the second call keys them.
    fn is_heard(&self, daemon: &Daemon, desktop: &Desktop) {
        let first = Sipp::call(daemon, "leaves_in_prompt_2", self.number).presses('0', '0').run();
        desktop.wait_for(&first, "the first call ends", |call| !call["ended_at"].is_null());
        let asked = positions(&desktop.states_of(&first));
        let [one, two] = asked[..] else { panic!("{}: two positions, not {asked:?}", self.story) };
        let digit = |position: u64| {
            let place = usize::try_from(position - 1).expect("1 to 7");
            char::from(self.pin.as_bytes()[place])
        };
        let call = Sipp::call(daemon, self.scenario, self.number);
        let call = call.presses_as(digit(one), digit(two), self.payload_type, self.ends).run();
        let last = desktop
            .wait_for(&call, "the call is handed over", |call| call["media"] == "handed_over");
        let steps = story(&desktop.states_of(&call));
        let expected = [
            "verified_number".to_owned(),
            format!("verified_number, asked {one}, entered 0"),
            format!("verified_number, asked {one} {two}, entered 1"),
            format!("verified_number, asked {one} {two}, entered 2"),
            format!("verified_number, asked {one} {two}, entered 2, correct"),
        ];
        assert_eq!(steps, expected, "{}", self.story);
        assert_eq!(last["authentication"], "authenticated", "{}", self.story);
    }
}

#[test]
fn b03_the_class_is_told_before_the_call_is_answered() {
    let daemon = Daemon::start("customer_id,numbers,pin\n1,+442079460001,9081726\n");
    let desktop = Desktop::agent(&daemon, "ann");
    let call = Sipp::call(&daemon, "leaves_in_prompt_1", "+442079460001").run();
    desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
    let states = desktop.states_of(&call);
    let classified = states.iter().find(|call| !call["class"].is_null()).expect("classified");
    let timeline = classified["timeline"].to_string();
    assert!(!timeline.contains("connected"), "{}: {timeline}", told(classified));
    let connected = states.iter().any(|call| call["timeline"].to_string().contains("connected"));
    assert!(connected, "and answered later");
}

#[test]
fn p9_a_source_that_no_trunk_lists_gets_403_and_leaves_no_trace() {
    let daemon = Daemon::start("customer_id,numbers,pin\n1,+442079460001,9081726\n");
    let desktop = Desktop::agent(&daemon, "ann");
    let stranger = Sipp::from(&daemon, "stranger", "+442079460001", [127, 0, 0, 2].into()).run();
    let known = Sipp::call(&daemon, "leaves_in_prompt_1", "+442079460001").run();
    desktop.wait_for(&known, "a call from the trunk", |call| !call["ended_at"].is_null());
    assert_eq!(desktop.states_of(&stranger), Vec::<serde_json::Value>::new());
    let metrics = daemon.metrics();
    assert!(metrics.contains(r#"countersign_sip_responses_total{code="403"} 1"#), "{metrics}");
}

#[test]
fn sip_16_options_is_answered_and_unknown_methods_are_told_what_we_serve() {
    let daemon = Daemon::start("customer_id\n1\n");
    Sipp::call(&daemon, "options", "+442079460001").run();
    Sipp::call(&daemon, "register", "+442079460001").run();
}
