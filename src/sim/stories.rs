//! The stories of the test caller: calls over real sockets, and calls against the clock without any.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::digits::SecretText;
use crate::model::time::Uptime;
use crate::rtp::merge::Via;
use crate::rtp::prompt::PromptPack;
use crate::rtp::prompt::tests::english;
use crate::sim::CallPlan;
use crate::sim::CallReport;
use crate::sim::Ears;
use crate::sim::FromLine;
use crate::sim::KeyWay;
use crate::sim::Outcome;
use crate::sim::ReferAnswer;
use crate::sim::phone::Phone;
use crate::sim::phone::Setup;
use crate::sim::place;
use crate::sim::switch::Does;
use crate::sim::switch::Heard;
use crate::sim::switch::Switch;
use crate::sim::voice::Beginning;
use crate::sip::message::Message;
use crate::sip::message::Request;
use crate::sip::message::Uri;
use crate::sip::message::parse;
use crate::sip::reply::Reply;

// --- over real sockets ---

#[tokio::test]
async fn a_redirected_call_says_where_to_and_which() {
    let (report, heard) = call(Does::Redirect, |plan| {
        plan.add_header("X-Countersign-Intent: 0f").expect("a header");
    })
    .await;
    assert_eq!(report.outcome, Outcome::Redirected { contact: "sip:queue@127.0.0.1:5070".into() });
    assert_eq!((report.status, report.countersign_call.as_deref()), (Some(302), Some("01JTEST")));
    assert_eq!(report.user_to_user.as_deref(), Some("00"));
    assert_eq!(heard.requests, ["INVITE", "ACK"]);
    let invite = heard.invite.expect("an INVITE");
    assert_eq!(invite.headers.call_id(), Some(report.call_id.as_str()));
    assert_eq!(invite.headers.get("X-Countersign-Intent"), Some("0f"));
    let asserted = invite.headers.get("P-Asserted-Identity").unwrap_or_default();
    assert!(asserted.starts_with("<sip:+447700900101@127.0.0.1"), "{asserted}");
}

#[tokio::test]
async fn c33_d04_the_asked_positions_are_keyed_and_the_call_is_transferred() {
    let (report, heard) = call(Does::Ask(&["pin.position.2", "pin.position.6"]), |plan| {
        plan.pin = Some(secret("9081726"));
        plan.telephone_event = 96;
    })
    .await;
    assert_eq!(heard.keys, "02");
    assert_eq!(heard.ways, [Via::Rfc4733, Via::Rfc4733]);
    let requests = ["INVITE", "ACK", "SIP/2.0 100 Trying", "SIP/2.0 200 OK"];
    assert_eq!(heard.requests, requests);
    assert_eq!(
        report.outcome,
        Outcome::Transferred { refer_to: "sip:queue@127.0.0.1:5070".into() }
    );
    assert_eq!(prompts(&report), ["pin.position.2", "pin.position.6"]);
    assert_eq!((report.keys_pressed, report.countersign_call.as_deref()), (2, Some("01JTEST")));
    assert!(report.ring_ms.is_some() && report.answer_ms <= Some(report.total_ms));
    assert!(!format!("{report:?}").contains("9081726"));
}

#[tokio::test]
async fn d04_a_customer_number_by_every_way_counts_each_key_once() {
    for (way, expected) in
        [(KeyWay::Rfc4733, Via::Rfc4733), (KeyWay::Info, Via::Info), (KeyWay::InBand, Via::InBand)]
    {
        let (report, heard) = call(Does::Ask(&["customer.number", "pin.position.1"]), |plan| {
            plan.customer_number = Some(secret("1001"));
            plan.pin = Some(secret("9081726"));
            plan.way = way;
        })
        .await;
        assert_eq!(heard.keys, "1001#9", "{way:?}");
        assert!(heard.ways.iter().all(|via| *via == expected), "{way:?}");
        assert_eq!(report.keys_pressed, 6);
    }
}

#[tokio::test]
async fn sip_6_both_ways_at_once_are_one_key() {
    let (_, heard) = call(Does::Ask(&["customer.number", "pin.position.1"]), |plan| {
        plan.customer_number = Some(secret("4711"));
        plan.press = Some(secret("D"));
        plan.way = KeyWay::Both;
    })
    .await;
    assert_eq!(heard.keys, "4711#D");
    assert!(heard.repeated_keys >= 5, "{}", heard.repeated_keys);
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_it_rings_cancels() {
    let (report, heard) =
        call(Does::Ring, |plan| plan.hangup_after = Some(Duration::from_millis(50))).await;
    assert_eq!((report.outcome, report.status), (Outcome::Cancelled, Some(487)));
    assert_eq!(heard.requests, ["INVITE", "CANCEL", "ACK"]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_between_the_keys_says_bye() {
    let (report, heard) = call(Does::Ask(&["pin.position.1", "pin.position.2"]), |plan| {
        plan.pin = Some(secret("9081726"));
        plan.hangup_after_keys = Some(1);
    })
    .await;
    assert_eq!((report.outcome, heard.keys.as_str()), (Outcome::HungUp, "9"));
    assert_eq!(heard.requests, ["INVITE", "ACK", "BYE"]);
}

#[tokio::test]
async fn stopping_hangs_up() {
    let ears = ears();
    let (switch, to) = Switch::new(Does::Ring, Arc::default()).await;
    let stop = CancellationToken::new();
    let plan = Arc::new(plan(to));
    let (heard, report) = tokio::join!(switch.serve(), async {
        let calling = place(plan.clone(), ears, stop.clone());
        tokio::pin!(calling);
        let early = tokio::time::timeout(Duration::from_millis(60), &mut calling).await;
        assert!(early.is_err());
        stop.cancel();
        calling.await
    });
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert!(!report.as_intended(&plan));
    assert_eq!(heard.requests.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_at_once_in_one_process() {
    let (pack, mut switches, mut callers) = (Arc::new(english()), JoinSet::new(), JoinSet::new());
    let ears = Arc::new(Ears::new(&pack));
    for nth in 0..200 {
        let does = if nth % 2 == 0 { Does::Redirect } else { Does::Ask(&["pin.position.3"]) };
        let (switch, to) = Switch::new(does, pack.clone()).await;
        let mut plan = plan(to);
        plan.pin = Some(secret("9081726"));
        switches.spawn(switch.serve());
        callers.spawn(place(Arc::new(plan), ears.clone(), CancellationToken::new()));
    }
    let reports = callers.join_all().await;
    let ended = |word| reports.iter().filter(|report| report.outcome.word() == word).count();
    assert_eq!((ended("redirected"), ended("transferred")), (100, 100));
    let keys: String = switches.join_all().await.into_iter().map(|heard| heard.keys).collect();
    assert_eq!(keys, "8".repeat(100));
}

// --- against the clock, without sockets ---

#[test]
fn rfc3261_17_1_1_an_unanswered_invite_is_repeated_and_then_given_up() {
    let mut line = Line::dials(|_| {});
    line.until(31_900);
    assert_eq!(
        line.sent(),
        "0 INVITE, 500 INVITE, 1500 INVITE, 3500 INVITE, 7500 INVITE, 11500 INVITE, \
                             15500 INVITE, 19500 INVITE, 23500 INVITE, 27500 INVITE, 31500 INVITE"
    );
    line.until(33_000);
    assert_eq!(line.phone.report.outcome.word(), "failed");
    assert_eq!(line.phone.report.total_ms, 32_000);
}

#[test]
fn rfc3261_9_1_a_cancel_waits_for_a_sign_of_life() {
    let mut line = Line::dials(|plan| plan.hangup_after = Some(Duration::from_millis(100)));
    line.until(400);
    assert_eq!(line.sent(), "0 INVITE");
    line.answers(100, "");
    line.until(1000);
    assert_eq!(line.sent(), "400 CANCEL, 900 CANCEL");
    line.answers(487, "");
    assert_eq!(line.sent(), "1000 ACK");
    assert_eq!(line.phone.report.outcome, Outcome::Cancelled);
}

#[test]
fn a_call_answered_while_cancelling_is_hung_up() {
    let mut line = Line::dials(|plan| plan.hangup_after = Some(Duration::from_millis(100)));
    line.answers(180, "");
    line.until(200);
    line.answers(200, ANSWER);
    assert_eq!(line.sent(), "0 INVITE, 100 CANCEL, 200 ACK, 200 BYE");
    assert_eq!(line.phone.report.outcome, Outcome::HungUp);
}

#[test]
fn every_repeated_200_is_acknowledged_again() {
    let mut line = Line::dials(|_| {});
    for _ in 0..3 {
        line.answers(200, ANSWER);
    }
    assert_eq!(line.sent(), "0 INVITE, 0 ACK, 0 ACK, 0 ACK");
}

#[test]
fn nothing_lasts_longer_than_two_minutes() {
    let mut line = Line::dials(|_| {});
    line.answers(180, "");
    line.until(130_000);
    assert_eq!(line.phone.report.outcome.word(), "failed");

    let mut line = Line::dials(|_| {});
    line.answers(200, ANSWER);
    line.until(130_000);
    assert_eq!(line.phone.report.outcome.word(), "failed");
    assert!(line.phone.is_over(line.now()));
}

#[test]
fn an_answer_without_usable_media_is_hung_up_and_failed() {
    let mut line = Line::dials(|_| {});
    line.answers(200, "v=0");
    assert_eq!(line.sent(), "0 INVITE, 0 ACK, 0 BYE");
    assert_eq!(line.phone.report.outcome.word(), "failed");
}

#[test]
fn sip_13_a_transfer_is_told_in_rising_numbers_and_may_fail() {
    let mut line = Line::dials(|plan| plan.refer_answer = ReferAnswer::Fail(486));
    line.answers(200, ANSWER);
    line.asks("REFER", 1, "Refer-To: <sip:queue@h>\r\n");
    assert_eq!(line.sent(), "0 INVITE, 0 ACK, 0 202, 0 NOTIFY");
    let first = line.last.clone().expect("the NOTIFY");
    assert_eq!(
        (first.body.as_slice(), first.headers.get("CSeq")),
        (&b"SIP/2.0 100 Trying\r\n"[..], Some("2 NOTIFY"))
    );
    line.accepts(&first);
    let second = line.last.clone().expect("the NOTIFY");
    assert_eq!(second.body, b"SIP/2.0 486 Busy Here\r\n");
    assert_eq!(second.headers.get("CSeq"), Some("3 NOTIFY"));
    assert_eq!(second.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
    line.accepts(&second);
    line.asks("BYE", 2, "Reason: Q.850;cause=41\r\n");
    assert_eq!(line.phone.report.outcome, Outcome::ByeFromDaemon { cause: Some(41) });
    assert!(line.phone.report.as_intended(&line.phone.setup.plan));
}

#[test]
fn a_daemon_that_forgets_to_hang_up_after_a_transfer_is_helped() {
    let mut line = Line::dials(|_| {});
    line.answers(200, ANSWER);
    line.asks("REFER", 1, "Refer-To: <sip:queue@h>\r\n");
    for _ in 0..2 {
        let notify = line.last.clone().expect("a NOTIFY");
        line.accepts(&notify);
    }
    line.sent();
    line.until(10_000);
    assert_eq!(line.sent(), "10000 BYE");
    assert_eq!(line.phone.report.outcome.word(), "transferred");
}

#[test]
fn other_requests_are_answered_sensibly_and_repeats_alike() {
    let mut line = Line::dials(|_| {});
    line.answers(200, ANSWER);
    line.sent();
    for (number, method) in
        ["OPTIONS", "INFO", "INVITE", "UPDATE", "NOTIFY", "PRACK", "MESSAGE"].iter().enumerate()
    {
        line.asks(method, number, "");
    }
    line.asks("INFO", 1, "");
    assert_eq!(line.sent(), "0 200, 0 200, 0 200, 0 200, 0 481, 0 481, 0 405, 0 200");
    line.elsewhere = true;
    line.asks("BYE", 9, "");
    assert_eq!(line.sent(), "0 481");
}

// --- the tools ---

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                      m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn ears() -> Arc<Ears> {
    Arc::new(Ears::new(&english()))
}

fn plan(to: Uri) -> CallPlan {
    CallPlan::new(to, FromLine::parse("+447700900101").expect("a number"))
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn prompts(report: &CallReport) -> Vec<&str> {
    report.prompts.iter().map(|heard| heard.prompt.as_str()).collect()
}

async fn call(does: Does, set: impl FnOnce(&mut CallPlan)) -> (CallReport, Heard) {
    let pack = Arc::new(english());
    let (switch, to) = Switch::new(does, pack.clone()).await;
    let mut plan = plan(to);
    set(&mut plan);
    let ears = Arc::new(Ears::new(&pack));
    tokio::join!(place(Arc::new(plan), ears, CancellationToken::new()), switch.serve())
}

/// A telephone whose far end is the test.
struct Line {
    phone: Phone,
    ms: u64,
    /// The INVITE, and the latest request of the phone.
    invite: Option<Request>,
    last: Option<Request>,
    log: Vec<String>,
    /// Whether our requests are about another call.
    elsewhere: bool,
}

impl Line {
    fn dials(set: impl FnOnce(&mut CallPlan)) -> Self {
        let mut plan = plan(Uri::parse("sip:100@127.0.0.1").expect("a URI"));
        set(&mut plan);
        let setup = Setup {
            plan: Arc::new(plan),
            ears: Arc::new(Ears::new(&PromptPack::default())),
            peer: peer(),
            sip: "127.0.0.1:5062".parse().expect("an address"),
            rtp: "127.0.0.1:40000".parse().expect("an address"),
            seed: 7 << 80,
            beginning: Beginning { ssrc: 1, sequence: 1, timestamp: 1 },
        };
        let phone = Phone::new(setup, Uptime::default());
        let mut line =
            Self { phone, ms: 0, invite: None, last: None, log: vec![], elsewhere: false };
        line.note();
        line.invite = line.last.clone();
        line
    }

    fn now(&self) -> Uptime {
        Uptime(Duration::from_millis(self.ms))
    }

    /// Time goes on, from deadline to deadline.
    fn until(&mut self, ms: u64) {
        while self.phone.deadline() < Uptime(Duration::from_millis(ms))
            && !self.phone.is_over(self.now())
        {
            let next = u64::try_from(self.phone.deadline().0.as_millis()).expect("a time");
            self.ms = next.max(self.ms);
            self.phone.timeout(self.now());
            self.note();
        }
        self.ms = self.ms.max(ms);
        self.phone.timeout(self.now());
        self.note();
    }

    fn note(&mut self) {
        for datagram in self.phone.take_out() {
            let word = match parse(&datagram.bytes).expect("SIP") {
                Message::Request(request) => {
                    let word = request.method.to_string();
                    self.last = Some(request);
                    word
                }
                Message::Response(response) => response.status.to_string(),
            };
            self.log.push(format!("{} {word}", self.ms));
        }
    }

    /// What was sent since the last look.
    fn sent(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    /// Answers the INVITE.
    fn answers(&mut self, status: u16, body: &str) {
        let invite = self.invite.clone().expect("an INVITE");
        let reply = Reply::to_request(&invite.headers, peer()).expect("a Via");
        let mut response = reply.respond_in_dialog(status, "them", "<sip:them@127.0.0.1:5060>");
        response.body = body.as_bytes().to_vec();
        self.phone.sip(&response.to_bytes(), peer(), self.now());
        self.note();
    }

    /// Accepts a request of the phone.
    fn accepts(&mut self, request: &Request) {
        let reply = Reply::to_request(&request.headers, peer()).expect("a Via");
        self.phone.sip(&reply.respond(200, "them").to_bytes(), peer(), self.now());
        self.note();
    }

    /// Sends a request within the call.
    fn asks(&mut self, method: &str, number: usize, headers: &str) {
        let (id, tag) = (self.phone.dialog.call_id.clone(), self.phone.dialog.local_tag.clone());
        let tag = if self.elsewhere { "nobody" } else { &tag };
        let text = format!(
            "{method} sip:caller@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number}\r\n\
             From: <sip:100@127.0.0.1>;tag=them\r\nTo: <sip:a@b>;tag={tag}\r\nCall-ID: {id}\r\n\
             CSeq: {number} {method}\r\nMax-Forwards: 70\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        self.phone.sip(text.as_bytes(), peer(), self.now());
        self.note();
    }
}

fn peer() -> SocketAddr {
    "127.0.0.1:5060".parse().expect("an address")
}
