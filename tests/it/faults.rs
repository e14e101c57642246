//! What goes wrong on the wire: the daemon answers or drops it, and the calls at hand go on.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::desktop::positions;
use crate::harness::desktop::story;
use crate::harness::sipp::Sipp;
use crate::harness::test_file;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,7777777\n";

#[test]
fn p10_torture_and_noise_do_not_disturb_a_call_at_hand() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let caller = call::start(&daemon, &["--from", ANN, "--pin", "7777777"]);
    desktop.frame("a digit is asked", |frame| !frame["call"]["pin"].is_null());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let send = |bytes: &[u8]| {
        socket.send_to(bytes, daemon.sip).expect("the daemon listens");
    };
    let torture = fs::read_dir(test_file("data/sip/torture")).expect("the messages of RFC 4475");
    for file in torture {
        let message = fs::read(file.expect("an entry").path()).expect("a readable file");
        send(&message);
        for at in (0..message.len()).step_by(37) {
            send(&message[..at]);
            let mut bent = message.clone();
            bent[at] ^= 0x55;
            send(&bent);
        }
    }
    for noise in [&b""[..], &[0; 4], b"\r\n\r\n", &[0xFF; 1500], &b"A".repeat(60_000)] {
        send(noise);
    }
    let report = caller.report();
    assert_eq!(report["outcome"]["ended"], "transferred", "{report}");
    Sipp::call(&daemon, "options", ANN).run();
    assert!(!daemon.log().contains("panicked"));
}

#[test]
fn sip_8_a_caller_on_hold_is_answered_recvonly_and_goes_on_keying() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let call = Sipp::call(&daemon, "holds_in_prompt", ANN).presses('7', '7').run();
    let last = desktop.wait_for(&call, "it is handed over", |call| call["media"] == "handed_over");
    assert_eq!(last["authentication"], "authenticated", "{:?}", story(&desktop.states_of(&call)));
}

#[test]
fn sip_7_what_is_sent_again_is_done_once() {
    let daemon = Daemon::start(CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    let call = Sipp::call(&daemon, "repeats", ANN).presses('7', '7').patient().run();
    desktop.wait_for(&call, "it is handed over", |call| call["media"] == "handed_over");
    let states = desktop.states_of(&call);
    let asked = positions(&states);
    let [one, two] = asked[..] else { panic!("two positions, not {asked:?}") };
    let expected = [
        "verified_number".to_owned(),
        format!("verified_number, asked {one}, entered 0"),
        format!("verified_number, asked {one} {two}, entered 1"),
        format!("verified_number, asked {one} {two}, entered 2"),
        format!("verified_number, asked {one} {two}, entered 2, correct"),
    ];
    assert_eq!(story(&states), expected);
    let calls: BTreeSet<_> = states.iter().map(|call| call["id"].to_string()).collect();
    assert_eq!(calls.len(), 1, "one call, however often its INVITE comes");
}
