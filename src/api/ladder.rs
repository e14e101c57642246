//! `GET /v1/calls/{id}/ladder`: who sent what to whom on one call, and when. Made from the call's timeline
//! and its audit lines; never a digit, a number or an answer.

use axum::extract::Path;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use crate::api::ApiState;
use crate::api::audit;
use crate::api::audit::OfCall;
use crate::api::body::who;
use crate::api::error::ApiError;
use crate::api::error::json;
use crate::model::ids::CallId;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::wire::identity::TokenRole;

/// Who takes part, from the caller's side to the agent's.
pub const LANES: [&str; 6] = ["caller", "platform", "daemon", "records", "desktop", "agent"];

/// The longest sentence.
const TEXT_MAX: usize = 160;

/// One arrow.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Event {
    /// RFC 3339.
    pub at: String,
    /// The lane it starts from.
    pub from: &'static str,
    /// The lane it goes to.
    pub to: &'static str,
    /// What was sent, in words.
    pub what: String,
}

/// The ladder of one call, live or past.
pub async fn of_call(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Ladder {
        call: CallId,
        lanes: [&'static str; 6],
        events: Vec<Event>,
        complete: bool,
    }
    let view = View::new(&who(&state, &headers, &[TokenRole::Supervisor]).await?, None);
    let unknown = || ApiError::not_found("no_such_call", "there is no such call");
    let (call, shown) = match state.desktops.hub().call(&view, &id) {
        Found::Seen(text) => {
            let shown: Value = serde_json::from_str(&text).unwrap_or_default();
            let call: Option<CallId> = shown["id"].as_str().and_then(|id| id.parse().ok());
            (call.ok_or_else(unknown)?, shown)
        }
        Found::Hidden => return Err(unknown()),
        Found::Unknown => {
            let id: CallId = id.parse().map_err(|_| unknown())?;
            let record = state.records.call(&id).await?.ok_or_else(unknown)?;
            (id, record.view)
        }
    };
    // What the call itself tells is worth showing while the records are away.
    let found = audit::of_call(&*state.records, &call).await;
    let found = found.unwrap_or_else(|error| {
        tracing::warn!(%error, "a ladder without its audit lines");
        OfCall::default()
    });
    let ladder =
        Ladder { call, lanes: LANES, events: events(&shown, &found), complete: found.complete };
    Ok(json(StatusCode::OK, serde_json::to_string(&ladder).unwrap_or_default()))
}

/// The arrows, the oldest first.
fn events(call: &Value, audited: &OfCall) -> Vec<Event> {
    let moments = call["timeline"].as_array().into_iter().flatten().filter_map(|moment| {
        let (at, what) = (moment["at"].as_str()?, moment["what"].as_str()?);
        let (from, to) = way(moment["who"].as_str(), what);
        Some(Event { at: at.to_owned(), from, to, what: fit(what) })
    });
    let lines = audited.lines.iter().map(|line| Event {
        at: line.entry.at.rfc3339(),
        from: "daemon",
        to: "records",
        what: fit(&format!("on record: {}", line.entry.what.replace('_', " "))),
    });
    let mut events: Vec<_> = moments.chain(lines).collect();
    // All times are written alike, so text sorts as time does; what happened at once stays in order.
    events.sort_by(|one, other| one.at.cmp(&other.at));
    events
}

/// From whom to whom. `who` is the sender where it is not us; what we note ourselves, and what older records
/// hold, is told by its words.
fn way(who: Option<&str>, what: &str) -> (&'static str, &'static str) {
    let named = LANES.into_iter().find(|lane| Some(*lane) == who && *lane != "daemon");
    let says = |words: &[&str]| words.iter().any(|word| what.contains(word));
    let sender = named.unwrap_or_else(|| {
        if says(&["call delivered", "hand-over refused", "handed over"]) {
            "platform"
        } else if says(&["hung up", "number keyed", " complete", "entry abandoned"]) {
            "caller"
        } else if says(&[" by ", "looked at", "answered"]) {
            "agent"
        } else if says(&["could not be looked up"]) {
            "records"
        } else {
            "daemon"
        }
    });
    let receiver = match sender {
        "daemon" if says(&["asked", "asking", "prompt"]) => "caller",
        "daemon" if says(&["handing over", "transfer", "call ended"]) => "platform",
        "daemon" => "desktop",
        _ => "daemon",
    };
    (sender, receiver)
}

/// A sentence that fits, in which no run of four digits or more is left (C28, C29, C52).
fn fit(what: &str) -> String {
    let mut kept = String::with_capacity(what.len());
    let mut run = String::new();
    let flush = |kept: &mut String, run: &mut String| {
        kept.push_str(if run.len() < 4 { run.as_str() } else { "••••" });
        run.clear();
    };
    for letter in what.chars().take(TEXT_MAX) {
        if letter.is_ascii_digit() {
            run.push(letter);
        } else {
            flush(&mut kept, &mut run);
            kept.push(letter);
        }
    }
    flush(&mut kept, &mut run);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::records::AuditEntry;
    use crate::records::audit;
    use crate::records::audit::Head;
    use serde_json::json;

    fn audited(at: u64, what: &str) -> OfCall {
        let (call, customer) = (Some("c1".parse().unwrap()), None);
        let body = json!({ "question": "main_balance", "secret": "THE-ANSWER" });
        let entry = AuditEntry {
            at: Timestamp(at),
            actor: "system".into(),
            what: what.into(),
            call,
            customer,
            body,
        };
        OfCall { lines: vec![audit::append(Head::default(), entry)], complete: true }
    }

    #[test]
    fn a_ladder_is_in_order_and_says_who_sent_what_to_whom() {
        let at = |ms| Timestamp(ms).rfc3339();
        let call = json!({ "timeline": [
            { "at": at(0), "who": "platform", "what": "call delivered" },
            { "at": at(5), "who": "daemon", "what": "asked for the third digit" },
            { "at": at(9), "who": "caller", "what": "a key" },
            { "at": at(12), "who": "agent", "what": "taken by alice" },
            { "at": at(13), "who": "somebody", "what": "classified: unverified" },
        ]});
        let events = events(&call, &audited(7, "attempt_reserved"));
        let arrows: Vec<_> = events
            .iter()
            .map(|event| format!("{} > {}: {}", event.from, event.to, event.what))
            .collect();
        assert_eq!(
            arrows,
            [
                "platform > daemon: call delivered",
                "daemon > caller: asked for the third digit",
                "daemon > records: on record: attempt reserved",
                "caller > daemon: a key",
                "agent > daemon: taken by alice",
                "daemon > desktop: classified: unverified",
            ]
        );
    }

    #[test]
    fn moments_of_older_records_find_their_lanes_by_their_words() {
        for (what, from, to) in [
            ("call delivered", "platform", "daemon"),
            ("PIN entry 1 complete", "caller", "daemon"),
            ("PIN entry not correct, asked once more", "daemon", "caller"),
            ("customer number keyed", "caller", "daemon"),
            ("handing over to queue general", "daemon", "platform"),
            ("handed over", "platform", "daemon"),
            ("taken by alice", "agent", "daemon"),
            ("place_of_birth answered right", "agent", "daemon"),
            ("outcome: failed", "daemon", "desktop"),
            ("no customer number was keyed", "daemon", "desktop"),
            ("the customer could not be looked up", "records", "daemon"),
            ("hand-over refused with 486", "platform", "daemon"),
        ] {
            assert_eq!(way(None, what), (from, to), "{what}");
            assert_eq!(way(Some("daemon"), what), (from, to), "{what}");
        }
    }

    #[test]
    fn c52_c28_no_number_and_no_answer_gets_into_a_ladder() {
        let call = json!({ "timeline": [
            { "at": "t", "who": "daemon", "what": "number +442079460123, account 6819, refused with 486" },
        ]});
        let shown = serde_json::to_string(&events(&call, &audited(0, "answer_revealed"))).unwrap();
        for secret in ["0123", "6819", "THE-ANSWER", "main_balance"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("refused with 486") && shown.contains("answer revealed"));
    }
}
