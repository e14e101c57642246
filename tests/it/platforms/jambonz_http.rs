//! jambonz by HTTP, by its rules: JSON, signed; verbs, carried out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;

use crate::harness::Daemon;
use crate::harness::test_file;
use crate::platforms::Caller;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::script::BASE;
use crate::platforms::script::Lines;
use crate::platforms::script::Tells;
use crate::platforms::script::Vendor;
use crate::platforms::script::Verb;
use crate::platforms::script::post;
use crate::platforms::script::recorded;

/// The secret in `tests/data/webhooks/key`.
pub(crate) const SECRET: &str = "a-token-of-the-tests";

/// The settings of a connector.
pub(crate) fn settings() -> String {
    let key = test_file("data/webhooks/key");
    let key = key.display();
    format!(
        "[webhooks.jambonz.main]\nsecret_file = \"{key}\"\nusername = \"jambonz\"\n\
         password_file = \"{key}\"\nbase_url = \"{BASE}\"\ntrunk = \"office\"\n"
    )
}

/// The signature of a body at a time of UNIX seconds.
pub(crate) fn signature(secret: &str, seconds: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let sum = countersign::model::ids::hex(&mac.finalize().into_bytes());
    format!("t={seconds},v1={sum}")
}

/// Now.
#[expect(clippy::disallowed_methods, reason = "a platform's calendar is the machine's")]
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// jambonz beside a daemon.
pub(crate) struct JambonzHttp {
    daemon: SocketAddr,
    lines: Lines,
    /// Every array of verbs, for the vendor's own tools to judge.
    pub(crate) record: Arc<Mutex<Vec<Value>>>,
}

struct Application {
    daemon: SocketAddr,
    rings: Rings,
    record: Arc<Mutex<Vec<Value>>>,
}

/// What jambonz says of a call in each of its requests.
pub(crate) fn call_data(call: &str, rings: &Rings, tells: Tells) -> Value {
    let from = rings.ani.as_deref().unwrap_or("anonymous");
    let status = match tells {
        Tells::Rings => "trying",
        Tells::Ended => "completed",
        _ => "in-progress",
    };
    let mut data = json!({
        "call_sid": call, "direction": "inbound", "from": from, "to": "+448000000000",
        "call_id": format!("{call}@sbc"), "call_status": status, "sip_status": 100,
        "account_sid": "a", "application_sid": "b", "fs_sip_address": "10.0.0.1:5060",
        "originating_sip_ip": "198.51.100.7", "service_provider_sid": "s",
    });
    let mut headers = json!({ "From": format!("<sip:{from}@carrier>;tag=1"), "CSeq": "1 INVITE" });
    if let Some(ani) = &rings.ani {
        headers["P-Asserted-Identity"] = format!("<sip:{ani}@carrier>").into();
    }
    if let Some(intent) = &rings.intent {
        headers["X-Countersign-Intent"] = intent.clone().into();
    }
    data["sip"] = json!({ "headers": headers });
    match tells {
        Tells::Key(key) => {
            data["digits"] = key.to_string().into();
            data["reason"] = "dtmfDetected".into();
        }
        Tells::NoKey => data["reason"] = "timeout".into(),
        _ => {}
    }
    data
}

impl Vendor for Application {
    fn first(&self) -> String {
        format!("{BASE}/v1/jambonz/main")
    }

    /// jambonz goes on behind a gather whose hook failed.
    fn fallback(&self, left: &[Verb]) -> String {
        match left.first() {
            Some(Verb::Goto(url)) => url.clone(),
            other => panic!("the script ends here: {other:?}"),
        }
    }

    fn asks(&self, url: &str, call: &str, tells: Tells) -> Vec<Verb> {
        let body = call_data(call, &self.rings, tells).to_string();
        let signature = signature(SECRET, seconds(), &body);
        let headers =
            [("Content-Type", "application/json"), ("Jambonz-Signature", signature.as_str())];
        let (code, answer) = post(self.daemon, url, &headers, body.as_bytes());
        assert!(matches!(code, 200 | 204), "{url}: {code} {answer}");
        if code == 204 {
            return vec![];
        }
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        self.record.lock().expect("the record").push(answer.clone());
        verbs(&answer)
    }
}

/// Reads verbs as jambonz does.
pub(crate) fn verbs(answer: &Value) -> Vec<Verb> {
    answer.as_array().expect("an array of verbs").iter().flat_map(verb).collect()
}

fn verb(verb: &Value) -> Vec<Verb> {
    let text = |name: &str| verb[name].as_str().expect("text").to_owned();
    match text("verb").as_str() {
        "play" => phrases(&verb["url"]).into_iter().map(Verb::Phrase).collect(),
        "pause" => vec![Verb::Pause(Duration::from_secs(1))],
        "redirect" if text("actionHook").starts_with("https://bank") => vec![Verb::Route],
        "redirect" => vec![Verb::Goto(text("actionHook"))],
        "dial" | "sip:refer" => vec![Verb::Route],
        "hangup" | "sip:decline" => vec![Verb::HangUp],
        "tag" => vec![],
        "gather" => {
            assert_eq!((&verb["input"], &verb["numDigits"]), (&json!(["digits"]), &json!(1)));
            let seconds = verb["timeout"].as_u64().expect("a timeout");
            vec![Verb::Gather {
                phrases: phrases(&verb["play"]["url"]),
                action: text("actionHook"),
                timeout: Duration::from_secs(seconds),
            }]
        }
        other => panic!("{other} is no verb of ours"),
    }
}

fn phrases(urls: &Value) -> Vec<String> {
    let many = urls.as_array().into_iter().flatten();
    urls.as_str().into_iter().chain(many.filter_map(Value::as_str)).map(recorded).collect()
}

impl Platform for JambonzHttp {
    fn settings() -> String {
        settings()
    }

    fn beside(daemon: &Daemon) -> Self {
        Self { daemon: daemon.http, lines: Lines::default(), record: Arc::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let record = Arc::clone(&self.record);
        let application = Application { daemon: self.daemon, rings: how.clone(), record };
        Box::new(self.lines.begin(Arc::new(application), &call_sid()))
    }

    fn line_breaks(&self, caller: &mut dyn Caller) {
        self.lines.break_one(&caller.name());
    }
}

/// A new call's id, as jambonz draws it.
pub(crate) fn call_sid() -> String {
    let random = format!("{:032x}", rand::random::<u128>());
    let (a, rest) = random.split_at(8);
    let (b, c) = rest.split_at(4);
    format!("{a}-{b}-{c}")
}
