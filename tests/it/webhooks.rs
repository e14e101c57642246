//! Webhook platforms: who may ask, what is asked again, and what the vendors' own packages say of it all.
//! The calls themselves are in `platforms/stories.rs`.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::http;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::jambonz_http;
use crate::platforms::jambonz_http::JambonzHttp;
use crate::platforms::jambonz_ws;
use crate::platforms::jambonz_ws::JambonzWs;
use crate::platforms::script::Tells;
use crate::platforms::script::form;
use crate::platforms::script::post;
use crate::platforms::twilio;
use crate::platforms::twilio::Twilio;

const ONE: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n";
/// Wrong at every position.
const WRONG: &str = "3333333";

fn from(ani: &str) -> Rings {
    Rings { ani: Some(ani.to_owned()), intent: None }
}

/// Keys what is asked of this PIN, until something else comes.
fn keys(caller: &mut dyn Caller, pin: &str) -> (Vec<u8>, Notices) {
    let mut asked = vec![];
    loop {
        match caller.notices() {
            Notices::Position(position) => {
                asked.push(position);
                let at = usize::from(position) - 1;
                caller.presses(pin.chars().nth(at).expect("a digit"));
            }
            other => return (asked, other),
        }
    }
}

#[test]
fn d02_a_request_that_is_sent_again_counts_once() {
    let settings = format!("{OFFICE}{CHEAP_PINS}{}", twilio::settings());
    let daemon = Daemon::with(&settings, CUSTOMERS);
    let call = twilio::call_sid();
    let asks = |url: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("CallSid", call.as_str()), ("From", ONE), ("To", "+448000000000")];
        fields.extend(more);
        let signature = twilio::signature(twilio::TOKEN, url, &fields);
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Twilio-Signature", signature.as_str()),
        ];
        let (status, body) = post(daemon.http, url, &headers, form(&fields).as_bytes());
        assert_eq!(status, 200, "{body}");
        body
    };
    let first = "https://ivr.example.org/v1/twilio/main";
    let action = |body: &str| {
        let rest = body.split_once("action=\"").expect("a gather").1;
        rest.split_once('"').expect("its end").0.replace("&amp;", "&")
    };
    let ringing = [("CallStatus", "ringing")];
    let begun = asks(first, &ringing);
    assert_eq!(asks(first, &ringing), begun, "the same call");
    let key = [("Digits", "3"), ("CallStatus", "in-progress")];
    let second = asks(&action(&begun), &key);
    assert_ne!(action(&second), action(&begun), "another position");
    assert_eq!(asks(&action(&begun), &key), second, "the same answer");
    let again = asks(&action(&second), &key);
    assert!(again.contains("pin.again.wav"), "two keys were one entry: {again}");
    assert_eq!(
        asks(&action(&begun), &key),
        again.replace("n=2", "n=1"),
        "a late one counts for nothing"
    );
}

#[test]
fn p13_whoever_did_not_sign_is_refused() {
    let settings =
        format!("{OFFICE}{CHEAP_PINS}{}{}", twilio::settings(), jambonz_http::settings());
    let daemon = Daemon::with(&settings, CUSTOMERS);
    let fields = [("CallSid", "CA1"), ("From", ONE), ("CallStatus", "ringing")];
    let body = form(&fields);
    let url = "https://ivr.example.org/v1/twilio/main";
    let good = twilio::signature(twilio::TOKEN, url, &fields);
    let forged = twilio::signature("another", url, &fields);
    let moved =
        twilio::signature(twilio::TOKEN, "https://evil.example.org/v1/twilio/main", &fields);
    let asks = |url: &str, name: &str, signature: &str, body: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), (name, signature)];
        post(daemon.http, url, &headers, body.as_bytes()).0
    };
    let name = "X-Twilio-Signature";
    assert_eq!(asks(url, name, &good, &body), 200);
    assert_eq!(asks(&format!("{url}/nothing"), name, &good, &body), 403, "another address");
    for (url, name, signature, body) in [
        (url, name, "", body.as_str()),
        (url, "X-Other", "x", &body),
        (url, name, &forged, &body),
        (url, name, &moved, &body),
        (url, name, &good, &body.replace("ringing", "completed")),
        ("https://ivr.example.org/v1/twilio/nobody", name, &good, &body),
    ] {
        assert_eq!(asks(url, name, signature, body), 403, "{url} {name} {signature}");
    }
    let body = jambonz_http::call_data("c-1", &from(ONE), Tells::Rings).to_string();
    let now = jambonz_http::seconds();
    let jambonz = |signature: &str| {
        let headers = [("Content-Type", "application/json"), ("Jambonz-Signature", signature)];
        post(daemon.http, "/v1/jambonz/main", &headers, body.as_bytes()).0
    };
    let sign = |secret, seconds| jambonz_http::signature(secret, seconds, &body);
    assert_eq!(jambonz(&sign("another", now)), 403);
    assert_eq!(jambonz(&sign(jambonz_http::SECRET, now - 400)), 403, "too old");
    assert_eq!(jambonz(&sign(jambonz_http::SECRET, now)), 200);
    assert_eq!(jambonz_ws::connect(daemon.http, "wrong").err(), Some(403));
    assert!(jambonz_ws::connect(daemon.http, jambonz_http::SECRET).is_ok());
    assert!(!daemon.log().contains(twilio::TOKEN));
    let (status, wav) = http_bytes(&daemon, "/v1/prompts/thanks.wav");
    assert_eq!((status, &wav[..4], &wav[8..12]), (200, b"RIFF".as_slice(), b"WAVE".as_slice()));
    assert_eq!(http::request(daemon.http, "GET", "/v1/prompts/nothing.wav", None, None).0, 404);
}

fn http_bytes(daemon: &Daemon, path: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(daemon.http).expect("the daemon listens");
    let head = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the daemon reads");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("the daemon answers");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let status = std::str::from_utf8(&answer[9..12]).ok().and_then(|status| status.parse().ok());
    (status.expect("a status"), answer.split_off(end))
}

/// What was said in these calls, for the vendors' own packages.
fn recorded() -> Value {
    let settings =
        format!("{OFFICE}{CHEAP_PINS}{}{}", twilio::settings(), jambonz_http::settings());
    let daemon = Daemon::with(&settings, CUSTOMERS);
    let (twilio, web) = (Twilio::beside(&daemon), JambonzHttp::beside(&daemon));
    let socket = JambonzWs::beside(&daemon);
    for platform in [&twilio as &dyn Rung, &web, &socket] {
        let mut caller = platform.ring(&from(ONE));
        let _ = keys(&mut *caller, WRONG);
        caller.hangs_up();
        let mut caller = platform.ring(&Rings::default());
        assert_eq!(caller.notices(), Notices::CustomerNumber);
        "1001#".chars().for_each(|key| caller.presses(key));
        let _ = keys(&mut *caller, "9081726");
        caller.hangs_up();
    }
    let asked = twilio.record.lock().expect("the record");
    let asked: Vec<_> = asked
        .iter()
        .map(|asked| {
            json!({
                "url": asked.url, "fields": asked.fields, "signature": asked.signature,
                "answer": asked.answer,
            })
        })
        .collect();
    let mut verbs = web.record.lock().expect("the record").clone();
    verbs.extend(socket.record.lock().expect("the record").iter().cloned());
    json!({ "token": twilio::TOKEN, "twilio": asked, "jambonz": verbs })
}

/// A platform whose callers are of any kind.
trait Rung {
    fn ring(&self, how: &Rings) -> Box<dyn Caller + '_>;
}

impl<P: Platform> Rung for P {
    fn ring(&self, how: &Rings) -> Box<dyn Caller + '_> {
        self.rings(how)
    }
}

/// Runs a judge of `tests/judges` over a record; what it counted.
fn judged(program: &str, judge: &str, record: &Value) -> Value {
    let mut command = Command::new(program);
    command.arg(format!("tests/judges/{judge}")).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = command.spawn().expect("tests/run installs it");
    let mut to = judge.stdin.take().expect("a pipe");
    to.write_all(record.to_string().as_bytes()).expect("the judge reads");
    drop(to);
    let output = judge.wait_with_output().expect("a child of ours");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said} (tests/run installs what judges need)");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn d02_the_vendors_own_packages_accept_what_is_signed_and_answered() {
    let record = recorded();
    let length = |name: &str| record[name].as_array().map_or(0, Vec::len);
    let (asked, verbs) = (length("twilio"), length("jambonz"));
    assert!(asked > 10 && verbs > 20, "{asked} requests, {verbs} arrays of verbs");
    let by_node = judged("node", "webhooks.mjs", &record);
    assert_eq!((&by_node["requests"], &by_node["verbs"]), (&json!(asked), &json!(verbs)));
    let by_python = judged("python3", "webhooks.py", &record);
    assert_eq!(by_python["requests"], json!(asked));
}
