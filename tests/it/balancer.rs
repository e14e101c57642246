//! Kamailio in front of two nodes, with the file that users get: calls come to both, and a node that is
//! killed or drains costs no call.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::poll;
use crate::kamailio::Kamailio;

const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n";
const RIGHT: [&str; 4] = ["--from", "+442079460001", "--pin", "9081726"];

fn node() -> Daemon {
    let settings = format!("{OFFICE}{CHEAP_PINS}[shutdown]\ngrace_s = 20\n");
    Daemon::with(&settings, CUSTOMERS)
}

/// So many calls at once through the balancer, each of which has to pass; how many there were.
#[track_caller]
fn all_pass(by: &Daemon, balancer: &Kamailio, calls: usize) {
    let placed: Vec<_> = (0..calls).map(|_| call::start_to(by, balancer.sip, &RIGHT)).collect();
    for call in placed {
        let report = call.report();
        assert_eq!(report["outcome"]["ended"], "transferred", "{report}");
        assert_eq!(report["keys_pressed"], 2, "the number was believed: {report}");
    }
}

fn taken(node: &Daemon) -> u64 {
    let passed = r#"countersign_calls_total{class="verified_number",outcome="authenticated"} "#;
    let metrics = node.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(passed));
    line.map_or(0, |count| count.parse().expect("a number"))
}

#[test]
fn d02_calls_through_a_balancer_come_to_every_node_with_the_number_that_the_carrier_vouches_for() {
    let (one, other) = (node(), node());
    let balancer = Kamailio::start(&[one.sip, other.sip]);
    let mut placed = 0;
    // Which node takes a call is a matter of its Call-ID.
    poll("both nodes get calls", || {
        all_pass(&one, &balancer, 4);
        placed += 4;
        (taken(&one) > 0 && taken(&other) > 0).then_some(())
    });
    assert_eq!(taken(&one) + taken(&other), placed, "each call is at one node");
}

#[test]
fn p18_a_node_that_drains_ends_its_calls_through_the_balancer_and_gets_no_new_ones() {
    let (mut one, other) = (node(), node());
    let balancer = Kamailio::start(&[one.sip, other.sip]);
    let desk = Desktop::agent(&one, "alice");
    // Callers who take their time, until one is asked by the node that is to drain.
    let mut slow = vec![];
    let asked = poll("a call comes to the node", || {
        let patient = [RIGHT.as_slice(), &["--reaction-ms", "3000"]].concat();
        slow.push(call::start_to(&other, balancer.sip, &patient));
        thread::sleep(Duration::from_millis(500));
        let mut calls = desk.frames().into_iter().filter(|frame| frame["type"] == "call");
        calls.find_map(|frame| frame["call"]["platform_call_id"].as_str().map(str::to_owned))
    });
    desk.wait_for(&asked, "a position is asked", |call| call["pin"]["positions"].is_array());
    let draining = thread::spawn(move || {
        one.stop();
        one
    });
    balancer.sees("that a node drains", |nodes| nodes.iter().any(|(_, alive)| !alive));
    all_pass(&other, &balancer, 4);
    let ended: Vec<_> = slow.into_iter().map(|call| call.report()).collect();
    assert!(ended.iter().any(|report| report["call_id"] == asked.as_str()), "{ended:?}");
    for report in ended {
        assert_eq!(report["outcome"]["ended"], "transferred", "no check is cut: {report}");
    }
    drop(draining.join().expect("the node ends by itself"));
}

#[test]
fn d06_a_node_that_is_killed_takes_no_new_call_down_with_it() {
    let (mut one, other) = (node(), node());
    let balancer = Kamailio::start(&[one.sip, other.sip]);
    let gone = one.sip;
    one.kill9();
    // Before the balancer has noticed, a call may be tried at the dead node first.
    all_pass(&other, &balancer, 6);
    balancer.gives_up(gone);
    all_pass(&other, &balancer, 2);
    assert_eq!(taken(&other), 8);
}

#[test]
fn x16_who_is_no_carrier_gets_nothing_through_the_balancer() {
    let node = node();
    let balancer = Kamailio::start(&[node.sip]);
    let stranger = UdpSocket::bind("127.0.0.2:0").expect("a second address of this machine");
    stranger.set_read_timeout(Some(Duration::from_millis(700))).expect("a socket");
    let from = stranger.local_addr().expect("bound");
    let heard = |request: &str| {
        stranger.send_to(request.as_bytes(), balancer.sip).expect("it is sent");
        let mut answer = [0; 4096];
        let heard = stranger.recv_from(&mut answer).map(|(length, _)| length).ok()?;
        let text = String::from_utf8_lossy(&answer[..heard]).into_owned();
        Some(text.lines().next().unwrap_or_default().to_owned())
    };
    let invite =
        request("INVITE", balancer.sip, from, "", "P-Asserted-Identity: <sip:+442079460001@x>\r\n");
    assert_eq!(heard(&invite), None, "a stranger's call is not even refused");
    // Nor does a request that pretends to belong to a call go on to where the stranger wants it.
    let route = format!("Route: <sip:{};lr>\r\n", balancer.sip);
    let within = request("BYE", from, from, ";tag=made-up", &route);
    assert_eq!(heard(&within).as_deref(), Some("SIP/2.0 403 Forbidden"));
    all_pass(&node, &balancer, 1);
    let invites = r#"countersign_sip_messages_total{method="INVITE",direction="in"}"#;
    let metrics = node.metrics();
    let counted = metrics.lines().find_map(|line| line.strip_prefix(invites));
    assert_eq!(counted, Some(" 1"), "the carrier's call is the only one");
}

fn request(method: &str, to: SocketAddr, from: SocketAddr, tag: &str, more: &str) -> String {
    format!(
        "{method} sip:+448000000000@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+442079460001@x>;tag=1\r\nTo: <sip:+448000000000@{to}>{tag}\r\n\
         Call-ID: stranger-{method}\r\nCSeq: 1 {method}\r\nContact: <sip:{from}>\r\n{more}\
         Content-Length: 0\r\n\r\n"
    )
}
