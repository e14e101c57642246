//! Mails of a running daemon, fetched from a real mail server.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::time::Duration;

use countersign::engine::clock::Clock;
use countersign::model::link_purpose::LinkPurpose;
use countersign::pin::links::Links;
use countersign::pin::pepper::Pepper;
use countersign::records::pins::By;
use countersign::records::pins::Link;
use countersign::records::pins::MailOutcome;
use countersign::records::pins::NewLink;
use countersign::records::pins::PinRecords;
use countersign::records::sqlite::SqliteRecords;
use serde_json::json;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::poll;
use crate::pins::House;
use crate::pins::MAIL;
use crate::pins::PIN;
use crate::smtp_server::MailServer;

const CUSTOMERS: &str = "customer_id,name,email,language,pin\n1001,Canary Finch,ann@example.org,en,9081726\n1002,Bob,wrong@example.org,fr,5028361\n";
/// What no mail, log or audit line may hold: whole PINs.
const CANARIES: [&str; 2] = ["9081726", "5028361"];

/// Mails go through this server.
fn through(server: &MailServer) -> String {
    let url = server.url();
    format!(
        "[outbox]\nsmtp_url = \"{url}\"\nsmtp_timeout_s = 30\nmail_from = \"Bank <pin@bank.example>\"\norganisation = \"Bank\"\n"
    )
}

fn daemon(server: &MailServer) -> Daemon {
    Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{}", through(server)), CUSTOMERS)
}

/// Works on the daemon's records beside it.
fn beside<T>(daemon: &Daemon, work: impl AsyncFnOnce(&SqliteRecords) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let records = SqliteRecords::open_beside(&daemon.path("records.db")).expect("opened");
    runtime.block_on(work(&records))
}

/// The customer asks for a link to choose a new PIN.
fn forgot(daemon: &Daemon, customer: &str, link: &str) {
    let now = Clock::start().wall();
    let expires = now.after(Duration::from_hours(48));
    let new = NewLink { id: link.to_owned(), purpose: LinkPurpose::Reset, expires };
    let by = By { actor: "customer".into(), reason: "forgot".into(), now };
    let id = customer.parse().expect("an id");
    let mailed = beside(daemon, async |records| records.mail_link(&id, new, by).await);
    assert!(mailed.expect("stored"), "there is an address and a PIN");
}

fn link(daemon: &Daemon, link: &str) -> Link {
    beside(daemon, async |records| records.link(link).await).expect("read").expect("a link")
}

#[track_caller]
fn becomes(daemon: &Daemon, id: &str, outcome: MailOutcome) {
    poll("the mail is noted", || (link(daemon, id).mail == outcome).then_some(()));
}

fn links(daemon: &Daemon) -> Links {
    let pepper = std::fs::read(daemon.path("pepper.key")).expect("a pepper");
    Links::new(std::sync::Arc::new(Pepper::from_bytes(&pepper).expect("32 bytes")))
}

#[test]
fn p16_p22_x18_mails_go_out_with_a_link_and_nothing_else() {
    let server = MailServer::start();
    server.behave("refuse wrong@example.org");
    let daemon = daemon(&server);
    let (ann, bob) = ("0000000000000000000000000A", "0000000000000000000000000B");
    forgot(&daemon, "1001", ann);
    forgot(&daemon, "1002", bob);
    becomes(&daemon, ann, MailOutcome::Accepted);
    becomes(&daemon, bob, MailOutcome::Refused);
    let mails = server.wait_for(1);
    assert_eq!(mails.len(), 1);
    let (mail, token) = (&mails[0], mails[0].token("reset"));
    assert_eq!(
        (mail.from.as_str(), mail.to.join(",")),
        ("pin@bank.example", "ann@example.org".into())
    );
    assert_eq!(links(&daemon).read(&token, LinkPurpose::Reset).as_deref(), Some(ann));
    assert!(mail.text().contains(&format!("http://{}/activate#reset=", daemon.http)));
    let lines = beside(&daemon, async |records| {
        use countersign::records::Records;
        records.audit_from(0, 1000).await
    });
    let kept = format!("{:?}{}", lines.expect("read"), daemon.log());
    for canary in CANARIES {
        assert!(!mail.raw.contains(canary) && !mail.text().contains(canary));
        assert!(!kept.contains(canary));
    }
    for secret in [token.as_str(), "ann@example.org", "wrong@example.org"] {
        assert!(!kept.contains(secret), "in log or audit: {secret}");
    }
    assert!(!mail.raw.contains("Finch") && !mail.raw.contains("1001"));
    let metrics = daemon.metrics();
    for outcome in ["accepted", "refused"] {
        let line = format!("countersign_mails_total{{outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&line), "{line}");
    }
}

#[test]
fn p01_a_daemon_killed_while_a_mail_is_taken_sends_it_once_more_under_the_same_name() {
    let server = MailServer::start();
    let mut daemon = daemon(&server);
    let id = "0000000000000000000000000C";
    server.behave("forget");
    forgot(&daemon, "1001", id);
    let first = server.wait_for(1).remove(0);
    daemon.kill9();
    assert_eq!(link(&daemon, id).mail, MailOutcome::Waiting);
    server.behave("");
    daemon.restart();
    becomes(&daemon, id, MailOutcome::Accepted);
    let mails = server.taken();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[1].header("Message-ID"), first.header("Message-ID"));
    assert_eq!(mails[1].token("reset"), first.token("reset"));
}

#[test]
fn p23_a_mail_server_that_is_away_is_told_by_check_and_holds_no_start_up() {
    let mut server = MailServer::start();
    let mut daemon = daemon(&server);
    daemon.stop();
    let check = |daemon: &Daemon| {
        let output = daemon.command(&["check"]).output().expect("the program runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = check(&daemon);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok   mail: the mail server answers"), "{said}");
    server.stop();
    let (code, said) = check(&daemon);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL mail: ") && said.contains("mails would wait"), "{said}");
    daemon.restart();
    let id = "0000000000000000000000000D";
    forgot(&daemon, "1001", id);
    poll("the mail is tried", || daemon.metrics().contains("outcome=\"deferred\"").then_some(()));
    let (status, _) = crate::harness::http::request(daemon.http, "GET", "/readyz", None, None);
    assert_eq!(status, 200);
    server.start_again();
    becomes(&daemon, id, MailOutcome::Accepted);
    assert_eq!(server.taken().len(), 1);
}

#[test]
fn p12_p16_p19_p22_p23_x18_from_the_letter_through_two_mails_to_a_pin_chosen_anew() {
    let server = MailServer::start();
    let house = House::open(&through(&server));
    let situation = |code: &str| {
        poll(code, || (house.situation("100374").1 == code).then_some(()));
    };
    // P22: the address was mistyped.
    server.behave(&format!("refuse {MAIL}"));
    assert_eq!(house.register("100374", &house.letter("100374"), PIN).0, 200);
    situation("address_refused");
    // P23: the mail server is busy.
    server.behave("busy");
    let why = json!({ "reason": "the address is right after all" });
    assert_eq!(house.asks("POST", "/v1/customers/100374/pin:resend", &why).0, 200);
    situation("mail_not_taken");
    server.behave("");
    let first = server.wait_for(1).remove(0);
    situation("link_not_followed");
    let token = first.token("activate");
    assert_eq!(house.public("activate", &json!({ "token": token })).0, 200);
    assert_eq!(house.situation("100374"), ("Yes/Yes".into(), "enabled".into()));
    assert_eq!(house.rings(PIN), "correct");
    // The customer forgot it.
    assert_eq!(house.public("forgot", &json!({ "email": MAIL })).0, 202);
    let second = server.wait_for(2).remove(1);
    let token = second.token("reset");
    let anew = json!({ "token": token, "pin": "6402917" });
    assert_eq!(house.public("renew", &anew).0, 200);
    assert_eq!(house.public("renew", &anew).0, 403, "once");
    assert_eq!(house.rings("6402917"), "correct");
    assert_ne!(house.rings(PIN), "correct", "the old one is void");
    for mail in server.taken() {
        for canary in [PIN, "6402917", "100374", "Ann"] {
            assert!(!mail.text().contains(canary), "the mail says {canary}");
        }
    }
    let log = house.daemon.log();
    for secret in [PIN, "6402917", MAIL, token.as_str(), first.token("activate").as_str()] {
        assert!(!log.contains(secret), "the log says {secret}");
    }
}
