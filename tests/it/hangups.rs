//! The caller leaves, in every state of a call: it ends once, nothing hangs, nothing is counted that was
//! not attempted.

use std::thread;

use serde_json::Value;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::told;
use crate::harness::poll;
use crate::harness::sipp::Sipp;

/// Where the caller leaves, and the call's last state on the desktop.
const LEAVES: [(&str, &str); 7] = [
    ("leaves_before_ack", "verified_number"),
    ("leaves_in_prompt_1", "verified_number, asked 1, entered 0, abandoned"),
    ("leaves_in_prompt_2", "verified_number, asked 2, entered 1, abandoned"),
    ("leaves_while_checked", "verified_number, asked 2, entered 2, correct"),
    ("leaves_in_thanks", "verified_number, asked 2, entered 2, correct"),
    ("leaves_at_refer", "verified_number, asked 2, entered 2, correct"),
    ("leaves_after_refer", "verified_number, asked 2, entered 2, correct"),
];

#[test]
fn p23_a_caller_may_leave_in_any_state_and_the_call_ends_once() {
    let rows = (0..LEAVES.len()).map(|nth| format!("{nth},+44207946000{nth},5555555\n"));
    let daemon = Daemon::start(&format!("customer_id,numbers,pin\n{}", rows.collect::<String>()));
    let desktop = Desktop::agent(&daemon, "ann");
    thread::scope(|calls| {
        for (nth, (scenario, last)) in LEAVES.iter().enumerate() {
            let (daemon, desktop) = (&daemon, &desktop);
            calls.spawn(move || {
                let number = format!("+44207946000{nth}");
                let call = Sipp::call(daemon, scenario, &number).presses('5', '5').run();
                // Whoever leaves while the entry is judged has gone before the verdict is told.
                let over = |call: &Value| {
                    let gone = !call["ended_at"].is_null() || call["media"] == "handed_over";
                    gone && counted(&told(call)) == *last
                };
                let state = desktop.wait_for(&call, last, over);
                let handed_over = *scenario == "leaves_after_refer";
                assert_eq!(state["media"] == "handed_over", handed_over, "{scenario}");
            });
        }
    });
    // Also the one that was handed over: its outcome is final.
    let ended = poll("every call is counted", || {
        Some(ended(&daemon)).filter(|ended| *ended >= LEAVES.len())
    });
    assert_eq!(ended, LEAVES.len(), "each once");
    let next: Vec<_> = (0..LEAVES.len())
        .map(|nth| {
            call::start(&daemon, &["--from", &format!("+44207946000{nth}"), "--pin", "5555555"])
        })
        .collect();
    for call in next {
        let report = call.report();
        assert_eq!(report["outcome"]["ended"], "transferred", "nothing hangs: {report}");
        assert_eq!(report["keys_pressed"], 2, "and nothing counts against the customer: {report}");
    }
}

/// The state with the number of positions asked instead of the positions, which are drawn.
fn counted(told: &str) -> String {
    let steps = told.split(", ").map(|step| match step.strip_prefix("asked ") {
        Some(asked) => format!("asked {}", asked.split(' ').count()),
        None => step.to_owned(),
    });
    steps.collect::<Vec<_>>().join(", ")
}

fn ended(daemon: &Daemon) -> usize {
    let metrics = daemon.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("countersign_calls_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[test]
fn sip_15_cancel_before_answer_ends_the_call_once() {
    let daemon = Daemon::start("customer_id,numbers,pin\n1,+442079460001,9081726\n");
    let desktop = Desktop::agent(&daemon, "ann");
    let call = Sipp::call(&daemon, "cancelled", "+442079460001").run();
    let state = desktop.wait_for(&call, "the call ends", |call| !call["ended_at"].is_null());
    assert!(
        state["pin"]["result"].is_null() || state["pin"]["result"] == "abandoned",
        "{}",
        told(&state)
    );
    poll("it is counted", || Some(ended(&daemon)).filter(|ended| *ended == 1));
    // The next call of this customer shows that nothing hangs.
    let next = call::place(&daemon, &["--from", "+442079460001", "--pin", "9081726"]);
    assert_eq!(next["outcome"]["ended"], "transferred", "{next}");
    poll("its outcome is counted too", || Some(ended(&daemon)).filter(|ended| *ended == 2));
}
