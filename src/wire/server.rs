//! What the daemon sends to a desktop (contract §6). Every frame is a finished text.

use serde::Serialize;

use crate::call::request::Refusal;
use crate::call::view::CallView;
use crate::model::ids::CallId;
use crate::wire::desktop::RequestId;
use crate::wire::identity::Identity;

/// A call's state as one frame that all desktops with the same view share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallText {
    /// The whole `call` frame.
    pub frame: String,
    /// Where in it the bare call begins.
    pub json_at: usize,
}

/// The bare call as JSON. A view is plain structs, which always become JSON.
#[must_use]
pub fn call_json(view: &CallView) -> String {
    text(view)
}

/// A bare call that may be out of date: its holder, or the way to it, is silent. Anything but an object
/// stays as it is.
#[must_use]
pub fn stale_json(json: &str) -> String {
    match json.strip_prefix('{') {
        Some(fields) => format!(r#"{{"stale":true,{fields}"#),
        None => json.to_owned(),
    }
}

/// Wraps a bare call into its `call` frame.
#[must_use]
pub fn call(seq: u64, json: &str) -> CallText {
    let mut frame = format!(r#"{{"type":"call","seq":{seq},"call":"#);
    let json_at = frame.len();
    frame.reserve_exact(json.len() + 1);
    frame.push_str(json);
    frame.push('}');
    CallText { frame, json_at }
}

/// The bare call inside a `call` frame.
#[must_use]
pub fn json_of(frame: &str, json_at: usize) -> &str {
    frame.get(json_at..frame.len().saturating_sub(1)).unwrap_or("null")
}

/// `call_gone`: the call is over, or not this desktop's to see any more.
#[must_use]
pub fn call_gone(seq: u64, id: &CallId) -> String {
    #[derive(Serialize)]
    struct Gone<'a> {
        r#type: &'static str,
        seq: u64,
        call: &'a CallId,
    }
    text(&Gone { r#type: "call_gone", seq, call: id })
}

/// `snapshot` from calls that are JSON already.
#[must_use]
pub fn snapshot<'a>(seq: u64, calls: impl Iterator<Item = &'a str>) -> String {
    let mut frame = format!(r#"{{"type":"snapshot","seq":{seq},"calls":["#);
    for (number, call) in calls.enumerate() {
        if number > 0 {
            frame.push(',');
        }
        frame.push_str(call);
    }
    frame.push_str("]}");
    frame
}

/// `welcome`: who the desktop is taken for, and from which `seq` the stream goes on.
#[must_use]
pub fn welcome(identity: &Identity, heartbeat_s: u64, epoch: &str, seq: u64) -> String {
    #[derive(Serialize)]
    struct Welcome<'a> {
        r#type: &'static str,
        protocol: u8,
        agent: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        roles: Vec<&'static str>,
        heartbeat_s: u64,
        epoch: &'a str,
        seq: u64,
    }
    text(&Welcome {
        r#type: "welcome",
        protocol: 1,
        agent: identity.agent.as_str(),
        name: identity.name.as_deref(),
        roles: identity.roles.iter().map(|role| role.word()).collect(),
        heartbeat_s,
        epoch,
        seq,
    })
}

/// `ok`: the request was carried out.
#[must_use]
pub fn ok(id: &RequestId) -> String {
    format!(r#"{{"type":"ok","id":{}}}"#, id.0)
}

/// `error` with the refusal's code and message.
#[must_use]
pub fn refused(id: &RequestId, refusal: Refusal) -> String {
    error(id, refusal.code(), refusal.message())
}

/// `error` with any stable code.
#[must_use]
pub fn error(id: &RequestId, code: &str, message: &str) -> String {
    #[derive(Serialize)]
    struct Refused<'a> {
        r#type: &'static str,
        id: &'a serde_json::Number,
        code: &'a str,
        message: &'a str,
    }
    text(&Refused { r#type: "error", id: &id.0, code, message })
}

/// `pong`, the answer to `ping`.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// `bye` before a drain: come back after `retry_ms`.
#[must_use]
pub fn bye(reason: &str, retry_ms: u64) -> String {
    #[derive(Serialize)]
    struct Bye<'a> {
        r#type: &'static str,
        reason: &'a str,
        retry_ms: u64,
    }
    text(&Bye { r#type: "bye", reason, retry_ms })
}

/// Plain structs of texts and numbers always become JSON.
fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::wire::identity::TokenRole;
    use serde_json::Number;

    #[test]
    fn d06_a_call_that_may_be_out_of_date_says_so_and_is_otherwise_the_same() {
        assert_eq!(
            stale_json(r#"{"id":"c","version":3}"#),
            r#"{"stale":true,"id":"c","version":3}"#
        );
        assert_eq!(stale_json("null"), "null");
    }

    #[test]
    fn contract_6_frames_have_the_shape_of_the_contract() {
        let alice = Identity {
            agent: "alice".parse().unwrap(),
            name: None,
            roles: vec![TokenRole::Agent],
            queues: vec![],
            groups: vec![],
            expires_at: Timestamp(0),
        };
        let (id, gone) = (RequestId(Number::from(7)), "01J".parse().unwrap());
        let written = call(9, r#"{"id":"c"}"#);
        assert_eq!(written.frame, r#"{"type":"call","seq":9,"call":{"id":"c"}}"#);
        assert_eq!(json_of(&written.frame, written.json_at), r#"{"id":"c"}"#);
        for (frame, expected) in [
            (
                welcome(&alice, 20, "e", 3),
                r#"{"type":"welcome","protocol":1,"agent":"alice","roles":["agent"],"heartbeat_s":20,"epoch":"e","seq":3}"#,
            ),
            (
                snapshot(4, ["{}", "{}"].into_iter()),
                r#"{"type":"snapshot","seq":4,"calls":[{},{}]}"#,
            ),
            (call_gone(5, &gone), r#"{"type":"call_gone","seq":5,"call":"01J"}"#),
            (ok(&id), r#"{"type":"ok","id":7}"#),
            (
                error(&id, "not_now", "later"),
                r#"{"type":"error","id":7,"code":"not_now","message":"later"}"#,
            ),
            (bye("restart", 500), r#"{"type":"bye","reason":"restart","retry_ms":500}"#),
        ] {
            assert_eq!(frame, expected);
        }
    }
}
