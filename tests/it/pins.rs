//! PINs from the letter to the call, over REST, against the running daemon (P10–P29, X16–X22).
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use countersign::files;
use countersign::model::digits::Position;
use countersign::model::ids::CustomerId;
use countersign::model::time::Timestamp;
use countersign::pin::pepper::Pepper;
use countersign::pin::workers::PinParams;
use countersign::pin::workers::PinWorkers;
use countersign::records::PinRecords;
use countersign::records::pins::LinkPurpose;
use countersign::records::sqlite::SqliteRecords;
use serde_json::Value;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::http;
use crate::harness::poll;

const ANN: &str = "+442079463812";
pub(crate) const PIN: &str = "9081726";
const OTHER: &str = "5028361";
/// What the public routes answer at a multiple of.
const BEAT: Duration = Duration::from_millis(400);
pub(crate) const MAIL: &str = "ann.canary@example.org";
const CUSTOMERS: &str = "customer_id,name,numbers,email,language,fact.date_of_birth\n\
    100374,Ann Example,+442079463812,,en,1980-05-24\n\
    100375,Bob Example,+442079463813,bob@example.org,nl,1971-02-03\n\
    100376,Eve Gone,,,,\n";

/// A daemon with everybody's initial PIN issued, and the eyes of the printer and of the mail server.
pub(crate) struct House {
    pub(crate) daemon: Daemon,
    admin: String,
    runtime: Runtime,
}

impl House {
    pub(crate) fn open(settings: &str) -> Self {
        let daemon = Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{settings}"), CUSTOMERS);
        let admin = daemon.token("pin_admin", "pat");
        let house = Self { daemon, admin, runtime: Runtime::new().expect("a runtime") };
        house.generate();
        house
    }

    /// P03: everybody, and who has gone too.
    fn generate(&self) -> Value {
        let (status, begun) = self.asks("POST", "/v1/pins:generate", &json!({}));
        assert_eq!(status, 202, "{begun}");
        poll("the generation ends", || {
            let (_, seen) = self.looks("/v1/pins");
            (seen["generation"]["running"] == false).then(|| seen["generation"].clone())
        })
    }

    pub(crate) fn asks(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.daemon.ask(method, path, &self.admin, Some(body))
    }

    fn looks(&self, path: &str) -> (u16, Value) {
        self.daemon.ask("GET", path, &self.admin, None)
    }

    /// What a customer's browser sends: no token.
    pub(crate) fn public(&self, what: &str, body: &Value) -> (u16, Value) {
        let path = format!("/v1/pins/{what}");
        let (status, answer) = http::request(self.daemon.http, "POST", &path, None, Some(body));
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    fn file(&self, id: &str) -> Value {
        let (status, file) = self.looks(&format!("/v1/customers/{id}/pin?reason=a%20story"));
        assert_eq!(status, 200, "{file}");
        file
    }

    pub(crate) fn situation(&self, id: &str) -> (String, String) {
        let situation = &self.file(id)["situation"];
        let word = |key: &str| situation[key].as_str().unwrap_or_default().to_owned();
        (word("flags"), word("code"))
    }

    fn records(&self) -> SqliteRecords {
        SqliteRecords::open_beside(&self.daemon.path("records.db")).expect("the records")
    }

    fn workers(&self) -> PinWorkers {
        let pepper = files::key(&self.daemon.path("pepper.key")).expect("the pepper");
        let pepper = Pepper::from_bytes(&pepper.bytes).expect("a pepper");
        PinWorkers::start(PinParams { permits: 1, ..PinParams::default() }, pepper)
            .expect("threads")
    }

    /// The PIN in the newest letter, as the printer sees it.
    pub(crate) fn letter(&self, id: &str) -> String {
        let (records, initials) = (self.records(), self.workers().initials());
        let letters = self.runtime.block_on(async {
            let mut found = vec![];
            for batch in records.unprinted().await.expect("print runs") {
                let run = initials.unwrap_key(&batch.key.expect("a key")).expect("a run");
                let letters = records.letters(batch.id, None, 100, Timestamp(0)).await;
                for letter in letters.expect("letters") {
                    let (version, envelope) = (letter.version, &letter.envelope);
                    let pin = run.open(&letter.customer, version, envelope).expect("opens");
                    let digits = (1..=7).filter_map(Position::new).map(|at| pin.expose(at));
                    let digits: String = digits.map(|digit| char::from(b'0' + digit)).collect();
                    found.push((letter.customer.to_string(), digits));
                }
            }
            found
        });
        let own = letters.into_iter().rev().find(|(customer, _)| customer == id);
        own.expect("a letter").1
    }

    /// The token in the newest mail to this customer.
    fn mailed(&self, id: &str, purpose: LinkPurpose) -> Option<String> {
        let (records, links) = (self.records(), self.workers().links());
        let customer: CustomerId = id.parse().expect("an id");
        let file = self.runtime.block_on(records.pin_file(&customer)).expect("a PIN file");
        let link = file?.link.filter(|link| link.purpose == purpose)?;
        Some(links.token(&link.id, purpose))
    }

    pub(crate) fn register(&self, id: &str, initial: &str, pin: &str) -> (u16, Value) {
        let body = json!({ "customer_id": id, "initial_pin": initial, "pin": pin, "email": MAIL });
        self.public("register", &body)
    }

    /// From the letter to Enabled.
    fn enable(&self, id: &str) {
        assert_eq!(self.register(id, &self.letter(id), PIN).0, 200);
        let token = self.mailed(id, LinkPurpose::Activate).expect("a mail");
        assert_eq!(self.public("activate", &json!({ "token": token })).0, 200);
    }

    /// What a call with this PIN comes to.
    pub(crate) fn rings(&self, pin: &str) -> Value {
        let desktop = Desktop::connect(&self.daemon, &self.daemon.token("supervisor", "sue"));
        let report = call::place(&self.daemon, &["--from", ANN, "--pin", pin]);
        let id = report["call_id"].as_str().expect("an id").to_owned();
        let last =
            desktop.wait_for(&id, "the call is passed on", |call| call["media"] == "handed_over");
        last["pin"]["result"].clone()
    }

    fn audit(&self) -> Vec<Value> {
        let token = self.daemon.token("supervisor", "sue");
        let (_, page) = self.daemon.ask("GET", "/v1/audit?limit=1000", &token, None);
        page["lines"].as_array().cloned().unwrap_or_default()
    }
}

fn error(answer: &(u16, Value)) -> String {
    format!("{} {}", answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[test]
fn p14_p15_p18_p19_p20_p25_x18_x20_from_the_letter_to_a_call_that_passes_and_after_a_reset_none() {
    let house = House::open("");
    assert_eq!(house.situation("100374"), ("No/No".into(), "letter_to_print".into()), "p06 p18");
    let initial = house.letter("100374");
    assert_ne!(house.rings(&initial), "correct", "p15 an initial PIN opens no call");

    let answer = house.register("100374", &initial, PIN);
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert_eq!(answer.1["activation"], "mailed");
    assert_eq!(house.situation("100374").0, "Yes/No", "p19");
    assert_ne!(house.rings(PIN), "correct", "p15 not before the link");
    poll("p22 the early use is on record", || {
        house.audit().iter().find(|line| line["what"] == "pin_tried_early").cloned()
    });

    let token = house.mailed("100374", LinkPurpose::Activate).expect("a mail");
    let altered: String = token.chars().rev().collect();
    for wrong in [altered.as_str(), &token[1..], "", "x"] {
        let answer = house.public("activate", &json!({ "token": wrong }));
        assert_eq!(error(&answer), "403 link_invalid", "p25 copied exactly or not at all");
    }
    assert_eq!(house.public("activate", &json!({ "token": token })).0, 200);
    let again = house.public("activate", &json!({ "token": token }));
    assert_eq!(error(&again), "403 link_invalid", "p25 once");
    assert_eq!(house.situation("100374"), ("Yes/Yes".into(), "enabled".into()), "p20");
    assert_eq!(house.rings(PIN), "correct");
    assert_eq!(error(&house.register("100374", &initial, OTHER)), "403 not_registered", "p15");

    let reset = house.asks("POST", "/v1/customers/100374/pin:reset", &json!({ "reason": "lost" }));
    assert_eq!((reset.0, &reset.1["situation"]["flags"]), (200, &json!("No/No")), "p14 x20");
    assert_ne!(house.rings(PIN), "correct", "p14 the old PIN fails at once");
    assert_ne!(house.letter("100374"), initial, "x20 the system drew another one");
    house.enable("100374");
    assert_eq!(house.rings(PIN), "correct", "p15 the customer registered again");
}

#[test]
fn p15_x20_five_wrong_initial_pins_void_it_and_every_failure_hears_the_same() {
    let house = House::open("");
    let initial = house.letter("100375");
    let wrong = if initial == "7394615" { "7394616" } else { "7394615" };
    let known: Vec<_> = (0..5).map(|_| house.register("100375", wrong, PIN)).collect();
    let unknown = house.register("999999", wrong, PIN);
    for answer in &known {
        assert_eq!(*answer, unknown, "5.1 unknown and wrong are one answer");
    }
    assert_eq!(error(&unknown), "403 not_registered");
    assert_eq!(house.register("100375", &initial, PIN), unknown, "five tries, and it is void");
    assert_eq!(house.situation("100375").1, "initial_spent");
    for _ in 0..6 {
        house.register("100375", wrong, PIN);
    }
    let many = house.register("100375", wrong, PIN);
    assert_eq!(error(&many), "429 too_many_tries");
}

#[test]
fn x21_p05_weak_and_personal_pins_are_refused_with_the_reason() {
    let house = House::open("");
    let initial = house.letter("100374");
    for (pin, reason) in [
        ("1234567", "default"),
        ("123456", "form"),
        ("8345601", "run"),
        ("1112934", "repeated"),
        (initial.as_str(), "initial"),
        ("9198036", "personal"),
    ] {
        let answer = house.register("100374", &initial, pin);
        assert_eq!(error(&answer), "422 weak_pin", "{pin}: {}", answer.1);
        assert_eq!(answer.1["error"]["reason"], reason, "{pin}");
    }
    let body =
        json!({ "customer_id": "100374", "initial_pin": initial, "pin": PIN, "email": MAIL });
    let with = |key: &str, value: &str| {
        let mut body = body.clone();
        body[key] = value.into();
        error(&house.public("register", &body))
    };
    assert_eq!(with("email", "Ann <ann@example.org>"), "422 invalid_email");
    assert_eq!(with("web_pin", "password"), "422 weak_web_pin", "x17");
    assert_eq!(with("hint", "starts with nine oh eight"), "422 hint_gives_away", "x19");
    assert_eq!(house.register("100374", &initial, PIN).0, 200, "none of them used the PIN up");
}

#[test]
fn x18_p12_a_forgotten_pin_is_chosen_anew_by_link_and_nobody_learns_who_exists() {
    let house = House::open("");
    house.enable("100374");
    let timed = |body: Value| {
        let began = Instant::now();
        let answer = house.public("forgot", &body);
        (answer, began.elapsed())
    };
    let (known, known_took) = timed(json!({ "customer_id": "100374" }));
    for body in [
        json!({ "customer_id": "999999" }),
        json!({ "email": "nobody@example.org" }),
        json!({ "email": "no address" }),
        json!({}),
    ] {
        let (unknown, took) = timed(body);
        assert_eq!(unknown, known);
        assert!(took.min(known_took) >= BEAT, "at the same beat: {took:?}, {known_took:?}");
    }
    assert_eq!(known, (202, json!({ "accepted": true })));

    let token = house.mailed("100374", LinkPurpose::Reset).expect("a mail");
    let renew = |pin: &str| house.public("renew", &json!({ "token": token, "pin": pin }));
    let same = renew(PIN);
    assert_eq!(same.1["error"]["reason"], "previous", "another one than before: {}", same.1);
    assert_eq!(renew(OTHER).0, 200);
    assert_eq!(error(&renew("7394615")), "403 link_invalid", "once");
    assert_eq!(house.rings(OTHER), "correct");
    assert_eq!(house.rings(PIN), "incorrect");
}

#[test]
fn p02_p29_three_roles_may_what_they_need_and_nothing_else() {
    let house = House::open("");
    let reason = json!({ "reason": "a story" });
    let post = |role: &str, path: &str| {
        let token = house.daemon.token(role, role);
        house.daemon.ask("POST", path, &token, Some(&reason)).0
    };
    for role in ["pin_admin", "admin", "webmaster", "support"] {
        let token = house.daemon.token(role, role);
        let look = "/v1/customers/100375/pin?reason=a%20story";
        let (status, file) = house.daemon.ask("GET", look, &token, None);
        assert_eq!(status, 200, "{role}");
        for path in ["/v1/pins", "/v1/pins/stuck"] {
            let (status, _) = house.daemon.ask("GET", path, &token, None);
            assert_eq!(status == 403, role == "support", "{role} {path}: {status}");
        }
        assert_eq!(post(role, "/v1/customers/100375/pin:resend"), 409, "{role}: nothing to resend");
        let may = role.ends_with("admin");
        for act in ["reset", "unblock", "generate"] {
            let status = post(role, &format!("/v1/customers/100375/pin:{act}"));
            assert_eq!(status == 403, !may, "{role} {act}: {status}");
        }
        let actions = file["situation"]["actions"].as_array().expect("a list").clone();
        assert!(may || actions.iter().all(|action| action == "resend"), "{role}: {actions:?}");
    }
    for role in ["agent", "supervisor", "platform", "app"] {
        assert_eq!(post(role, "/v1/customers/100375/pin:reset"), 403, "{role}");
    }
}

#[test]
fn p10_p28_every_look_has_a_reason_and_is_on_record_before_it_is_answered() {
    let house = House::open("");
    for path in ["pin", "pin?reason=", "pin?reason=ab", "pin?reason=%0a%0a%0a%0a"] {
        let answer = house.looks(&format!("/v1/customers/100374/{path}"));
        assert_eq!(error(&answer), "400 invalid_reason", "{path}");
    }
    for id in ["100374", "100375", "100374"] {
        house.file(id);
    }
    let unknown = house.looks("/v1/customers/4711/pin?reason=a%20story");
    assert_eq!(error(&unknown), "404 no_such_customer");
    let lines = house.audit();
    let looked = |line: &&Value| line["what"] == "pin_file_viewed";
    let looks: Vec<_> = lines.iter().filter(looked).collect();
    assert_eq!(looks.len(), 4, "each switch is an access of its own");
    assert!(looks.iter().all(|line| line["actor"] == "pat" && line["body"]["reason"] == "a story"));
    let file = house.file("100374");
    assert_eq!(file["customer"]["email"], Value::Null);
    assert!(file["hint"].get("text").is_none() && file.get("pin").is_none(), "p10 p13");
}

#[test]
fn p03_p04_p07_generation_covers_everybody_and_a_second_one_creates_none() {
    let house = House::open("");
    let (_, seen) = house.looks("/v1/pins");
    assert_eq!((&seen["estate"]["total"], &seen["generation"]["created"]), (&json!(3), &json!(3)));
    poll("the numbers are counted anew", || {
        let (_, seen) = house.looks("/v1/pins");
        (seen["estate"]["waiting"] == 3).then_some(())
    });
    let again = house.generate();
    assert_eq!((&again["created"], &again["error"]), (&json!(0), &Value::Null), "p04");
    let one = house.asks("POST", "/v1/customers/100376/pin:generate", &json!({ "reason": "why" }));
    assert_eq!(error(&one), "409 has_pin");
}

#[test]
fn c72_an_unblock_waits_for_a_second_person_where_it_is_asked_for() {
    let mut house = House::open("second_person = \"always\"\n");
    house.enable("100374");
    let wrong = |house: &House| house.rings("7394615");
    for _ in 0..3 {
        assert_ne!(wrong(&house), "correct");
    }
    assert_eq!(house.file("100374")["standing"], "blocked");
    let path = "/v1/customers/100374/pin:unblock";
    let reason = json!({ "reason": "rang back" });
    let first = house.asks("POST", path, &reason);
    assert_eq!((first.0, &first.1["unblock"]["asked_by"]), (202, &json!("pat")), "{}", first.1);
    assert_eq!(first.1["standing"], "blocked");
    assert_eq!(error(&house.asks("POST", path, &reason)), "409 same_person");
    house.admin = house.daemon.token("pin_admin", "kim");
    let second = house.asks("POST", path, &reason);
    // Six wrong pairs on top of three failed calls: the block is gone, and the PIN has to be reset (X02).
    assert_eq!((second.0, &second.1["standing"]), (200, &json!("reset_required")), "{}", second.1);
    assert_eq!(error(&house.asks("POST", path, &reason)), "409 not_blocked");
}

#[test]
fn x19_p11_a_hint_is_not_kept_for_a_voice_pin_unless_it_is_allowed() {
    let house = House::open("");
    let register = |house: &House| {
        let initial = house.letter("100374");
        let body = json!({
            "customer_id": "100374", "initial_pin": initial, "pin": PIN, "email": MAIL,
            "hint": "the garden gate",
        });
        house.public("register", &body).1["hint_kept"].clone()
    };
    let tell = |house: &House, channel: &str| {
        let body = json!({ "reason": "asked for it", "channel": channel });
        house.asks("POST", "/v1/customers/100374/pin:hint", &body)
    };
    assert_eq!(register(&house), false, "off by default");
    assert_eq!(error(&tell(&house, "verified_address")), "409 hint_not_allowed");

    let house = House::open("voice_hints = true\n");
    assert_eq!(register(&house), true);
    assert_eq!(error(&tell(&house, "verified_address")), "409 hint_not_allowed", "not proven yet");
    let token = house.mailed("100374", LinkPurpose::Activate).expect("a mail");
    assert_eq!(house.public("activate", &json!({ "token": token })).0, 200);
    let told = tell(&house, "verified_address");
    assert_eq!((told.0, &told.1["hint"]), (200, &json!("the garden gate")));
    assert!(!house.file("100374").to_string().contains("garden"), "shown to nobody else");
    let asked = |line: &Value| line["what"] == "pin_hint_asked";
    assert_eq!(house.audit().iter().filter(|line| asked(line)).count(), 2, "each on record");
}

#[test]
fn x17_p20_p27_a_web_pin_stands_beside_the_voice_pin_and_its_case_counts() {
    let house = House::open("");
    let body = json!({
        "customer_id": "100374", "initial_pin": house.letter("100374"), "pin": PIN,
        "email": MAIL, "web_pin": "Blue kettle 9",
    });
    assert_eq!(house.public("register", &body).0, 200);
    let app = house.daemon.token("app", "app");
    let verify = |id: &str, value: &str| {
        let path = format!("/v1/customers/{id}/web-pin:verify");
        let body = json!({ "value": value });
        house.daemon.ask("POST", &path, &app, Some(&body)).1["result"].clone()
    };
    assert_eq!(verify("100374", "Blue kettle 9"), "wrong", "p22 not before the link");
    let token = house.mailed("100374", LinkPurpose::Activate).expect("a mail");
    assert_eq!(house.public("activate", &json!({ "token": token })).0, 200);
    assert_eq!(verify("100374", "Blue kettle 9"), "correct");
    assert_eq!(verify("100374", "blue kettle 9"), "wrong", "p27");
    assert_eq!(verify("999999", "Blue kettle 9"), "wrong");
    assert_eq!(house.file("100374")["credentials"], json!(["voice_pin", "web_pin"]));
    assert_eq!(house.rings(PIN), "correct");
}

#[test]
fn p17_another_address_resets_the_pin_and_makes_links_void() {
    let house = House::open("");
    assert_eq!(house.register("100374", &house.letter("100374"), PIN).0, 200);
    let token = house.mailed("100374", LinkPurpose::Activate).expect("a mail");
    let change = |body: &Value| house.asks("PUT", "/v1/customers/100374", body);
    let none = change(&json!({ "email": "ann@example.net" }));
    assert_eq!(error(&none), "400 invalid_reason");
    let wrong = change(&json!({ "reason": "mistyped", "email": "ann@nowhere" }));
    assert_eq!(error(&wrong), "422 invalid_email");
    let renamed = change(&json!({ "reason": "married", "name": "Ann Other" }));
    assert_eq!((renamed.0, &renamed.1["name"]), (200, &json!("Ann Other")));
    assert_eq!(house.situation("100374").0, "Yes/No", "a name is no address");

    let moved = change(&json!({ "reason": "mistyped", "email": "ann@example.net" }));
    assert_eq!((moved.0, &moved.1["email"]), (200, &json!("a…@example.net")), "{}", moved.1);
    assert_eq!(house.situation("100374"), ("No/No".into(), "letter_to_print".into()));
    let late = house.public("activate", &json!({ "token": token }));
    assert_eq!(error(&late), "403 link_invalid", "the link went to the old address");
    house.enable("100374");
    assert_eq!(house.rings(PIN), "correct", "proven anew");
}

#[test]
fn contract_10_a_customer_file_is_taken_in_and_bad_rows_are_told_without_their_cells() {
    let house = House::open("");
    let file = "customer_id,name,email\n100374,Ann Example,\n200001,New One,new@example.org\n\
                200002,Bad One,canary-no-address\n";
    let request = format!(
        "POST /v1/customers:import HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n{file}",
        house.admin,
        file.len()
    );
    let mut stream = TcpStream::connect(house.daemon.http).expect("the daemon listens");
    stream.write_all(request.as_bytes()).expect("the daemon reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let told: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&told["created"], &told["bad"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(
        (&told["rows"][0]["line"], &told["rows"][0]["column"]),
        (&json!(4), &json!("email"))
    );
    assert!(!body.contains("canary"), "{body}");
    let (status, shown) = house.looks("/v1/customers/200001");
    assert_eq!((status, &shown["email"]), (200, &json!("n…@example.org")), "{shown}");
}

#[test]
fn p22_p23_stuck_activations_are_listed_and_alarm_the_webmaster() {
    let settings = "stuck_after_h = 24\nstuck_alarm = 1\n";
    let mut house = House::open(settings);
    assert_eq!(house.register("100374", &house.letter("100374"), PIN).0, 200);
    let (_, seen) = house.looks("/v1/pins");
    assert_eq!(seen["alerts"], json!([]), "nobody is stuck yet");

    let ahead = format!("{OFFICE}{CHEAP_PINS}{settings}[rehearsal]\nclock_ahead = \"25h\"\n");
    fs::write(house.daemon.path("settings.toml"), ahead).expect("the folder is writable");
    house.daemon.restart();
    // A token of this machine's time is good for eight hours, and the daemon is a day ahead.
    house.admin = house
        .daemon
        .run(&["token", "--role", "webmaster", "--sub", "wim", "--ttl", "7d"])
        .trim()
        .to_owned();
    let (status, seen) = house.looks("/v1/pins");
    assert_eq!((status, &seen["estate"]["stuck"]), (200, &json!(1)), "{seen}");
    assert_eq!(seen["alerts"][0]["code"], "mail_trouble", "{seen}");
    let (_, listed) = house.looks("/v1/pins/stuck");
    assert_eq!(listed["stuck"][0]["customer"], "100374");
    let situation = &listed["stuck"][0]["situation"];
    assert_eq!(situation["flags"], "Yes/No", "with its cause: {situation}");
    assert_eq!(situation["actions"], json!(["resend"]), "what a webmaster may do");
    let metrics = house.daemon.metrics();
    assert!(metrics.contains("countersign_pin_stuck 1"), "{metrics}");
}

#[test]
fn p01_p09_p13_p16_a_canary_pin_is_in_no_answer_log_audit_entry_or_database_page() {
    let house = House::open("[log]\nlevel = \"debug\"\n");
    let initial = house.letter("100374");
    let web_pin = "Canary-kettle-77";
    let body = json!({
        "customer_id": "100374", "initial_pin": initial, "pin": PIN, "email": MAIL,
        "web_pin": web_pin,
    });
    let mut answers = vec![house.public("register", &body).1.to_string()];
    let token = house.mailed("100374", LinkPurpose::Activate).expect("a mail");
    answers.push(house.public("activate", &json!({ "token": token })).1.to_string());
    answers.push(house.rings(PIN).to_string());
    answers.push(house.file("100374").to_string());
    answers.push(json!(house.audit()).to_string());
    answers.push(house.daemon.metrics());
    answers.push(house.daemon.log());
    let mut searched: Vec<(String, Vec<u8>)> =
        answers.into_iter().map(|answer| ("an answer".to_owned(), answer.into_bytes())).collect();
    for entry in fs::read_dir(house.daemon.path("")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() && path.extension().is_none_or(|ending| ending != "csv") {
            searched.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    let outbox = fs::read_dir(house.daemon.path("outbox")).into_iter().flatten();
    for path in outbox.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
        searched.push((path.display().to_string(), fs::read(&path).expect("a file")));
    }
    assert!(searched.iter().any(|(place, _)| place.ends_with("records.db")), "the records too");
    for secret in [PIN, &initial, web_pin] {
        for (place, bytes) in &searched {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "a secret is in {place}");
        }
    }
    for (place, bytes) in searched.iter().filter(|(place, _)| !place.contains("outbox")) {
        let found = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!found, "the token of a link is in {place}");
    }
}
