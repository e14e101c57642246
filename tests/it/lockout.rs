//! Wrong PINs: asked twice, counted on disk, blocked after three calls, and nobody hears the difference.

use serde_json::Value;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::harness::desktop::story;
use crate::harness::sipp::Sipp;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002,5028361\n";
/// Wrong at every position of both PINs.
const WRONG: &str = "3333333";

#[test]
fn c34_x03_a_wrong_pair_is_asked_once_more_at_the_same_positions_and_then_fails() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let report = fails(&daemon, ANN);
    let id = report["call_id"].as_str().expect("an id");
    desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
    let states = desktop.states_of(id);
    let asked = positions(&states);
    let [one, two] = asked[..] else { panic!("two positions, not {asked:?}") };
    let expected = [
        "verified_number".to_owned(),
        format!("verified_number, asked {one}, entered 0"),
        format!("verified_number, asked {one} {two}, entered 1"),
        format!("verified_number, asked {one} {two}, entered 2"),
        "verified_number, asked , entered 0, attempt 2".to_owned(),
        format!("verified_number, asked {one}, entered 0, attempt 2"),
        format!("verified_number, asked {one} {two}, entered 1, attempt 2"),
        format!("verified_number, asked {one} {two}, entered 2, attempt 2"),
        format!("verified_number, asked {one} {two}, entered 2, attempt 2, incorrect"),
    ];
    assert_eq!(story(&states), expected);
    let heard: Vec<_> = prompts(&report);
    let (first, second) = (format!("pin.position.{one}"), format!("pin.position.{two}"));
    assert_eq!(heard, [&first, &second, "pin.again", &first, &second, "thanks"]);
}

#[test]
fn c70_c77_after_three_failing_calls_the_next_is_blocked_and_hears_the_same() {
    let mut daemon = Daemon::start(CUSTOMERS);
    let mut reports = vec![];
    for nth in 1..=4 {
        let desktop = Desktop::agent(&daemon, "ann");
        let report = fails(&daemon, ANN);
        let id = report["call_id"].as_str().expect("an id").to_owned();
        let last =
            desktop.wait_for(&id, "the call is handed over", |call| call["media"] == "handed_over");
        let (authentication, class) = (&last["authentication"], &last["class"]);
        assert_eq!(class, "verified_number");
        // The questions could still save the third call, which is why it is not shown as blocked yet.
        assert_eq!(*authentication, if nth < 4 { "in_progress" } else { "blocked" }, "call {nth}");
        reports.push((transcript(&report), positions(&desktop.states_of(&id))));
        // P1: what was counted stays counted, however the daemon ends.
        daemon.kill9();
        daemon.restart();
    }
    for (transcript, asked) in &reports[1..] {
        assert_eq!(
            (transcript, asked),
            (&reports[0].0, &reports[0].1),
            "5.1: no caller learns that it is blocked"
        );
    }
    let desktop = Desktop::agent(&daemon, "ann");
    let right = call::place(&daemon, &["--from", ANN, "--pin", "9081726"]);
    assert_eq!(transcript(&right), reports[0].0, "not even with the right PIN");
    let id = right["call_id"].as_str().expect("an id");
    let last =
        desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
    assert_eq!(
        (&last["authentication"], &last["customer"]["id"]),
        (&"blocked".into(), &"1001".into())
    );
    let other = call::place(&daemon, &["--from", "+442079460002", "--pin", "5028361"]);
    assert_eq!(prompts(&other).len(), 3, "another customer is not concerned: {other}");
}

#[test]
fn c70_a_pass_ends_the_run_of_failing_calls() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    for right in [false, false, true, false, false] {
        let report = if right {
            call::place(&daemon, &["--from", ANN, "--pin", "9081726"])
        } else {
            fails(&daemon, ANN)
        };
        let id = report["call_id"].as_str().expect("an id");
        let last =
            desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
        assert_eq!(last["authentication"], if right { "authenticated" } else { "in_progress" });
    }
}

#[test]
fn p4_positions_survive_hang_up_and_kill_9() {
    let mut daemon = Daemon::start(CUSTOMERS);
    let mut asked = vec![];
    for round in 0..3 {
        let desktop = Desktop::agent(&daemon, "ann");
        let call = Sipp::call(&daemon, "leaves_in_prompt_2", ANN).presses('0', '0').run();
        desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
        asked.push(positions(&desktop.states_of(&call)));
        if round > 0 {
            daemon.kill9();
        }
        daemon.restart();
    }
    assert_eq!(asked[0].len(), 2);
    assert!(asked.iter().all(|pair| *pair == asked[0]), "{asked:?}");
}

#[test]
fn x02_a_wrong_entry_counts_though_the_caller_leaves_before_the_verdict() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    for _ in 0..6 {
        let call = Sipp::call(&daemon, "leaves_while_checked", ANN).presses('3', '3').run();
        desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
    }
    let right = call::place(&daemon, &["--from", ANN, "--pin", "9081726"]);
    let id = right["call_id"].as_str().expect("an id");
    let last =
        desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
    assert_eq!(last["authentication"], "reset_required", "six guesses are all there are");
}

/// A call whose PIN is wrong both times.
fn fails(daemon: &Daemon, number: &str) -> Value {
    call::place(daemon, &["--from", number, "--pin", WRONG])
}

fn prompts(report: &Value) -> Vec<&str> {
    let heard = report["prompts"].as_array().into_iter().flatten();
    heard.filter_map(|heard| heard["prompt"].as_str()).collect()
}

/// All that a caller could tell apart, but for times and ids.
fn transcript(report: &Value) -> String {
    format!(
        "{} {:?} {} {}",
        report["status"],
        prompts(report),
        report["keys_pressed"],
        report["outcome"]
    )
}
