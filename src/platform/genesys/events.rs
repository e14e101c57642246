//! A conversation as Genesys Cloud tells it, and what it means for a call. Pure.
//!
//! What comes is a state, not an event. The whole story of its agents stands in it, with times: it is
//! told from the beginning each time, each part under a name of its own, so that several nodes, a
//! repeat and a reconciliation all say the same, and what was said already is left out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::model::time::Timestamp;
use crate::platform::genesys::actions::PLATFORM;

/// Q.850: normal call clearing.
const NORMAL: u8 = 16;
/// Q.850: temporary failure.
const FAILURE: u8 = 41;

/// `GET /api/v2/conversations/calls/{id}`, and the body of `v2.….conversations.calls`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// Everybody who was on it, also those who left.
    #[serde(default)]
    pub participants: Vec<Participant>,
}

/// Somebody on a conversation. Numbers and names are not even read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Participant {
    /// The participant's id.
    pub id: String,
    /// `customer`, `ivr`, `acd`, `agent`, `user` …
    pub purpose: Option<String>,
    /// `alerting`, `connected`, `disconnected`, `terminated` …
    pub state: Option<String>,
    /// Who it is, where it is one of us.
    pub user: Option<Named>,
    /// Whether the participant put the others on hold, or is held.
    pub held: Option<bool>,
    /// Since when.
    pub start_hold_time: Option<String>,
    /// When it came on.
    pub connected_time: Option<String>,
    /// When it left.
    pub end_time: Option<String>,
    /// Why it left.
    pub disconnect_type: Option<String>,
    /// Somebody who only listens.
    pub monitored_participant_id: Option<String>,
    /// Somebody who only prompts.
    pub coached_participant_id: Option<String>,
}

/// A reference to something of Genesys Cloud.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Named {
    /// Its id.
    pub id: String,
}

/// What was told of a conversation already.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known {
    told: BTreeSet<String>,
    /// The hold that lasts.
    hold: Option<String>,
    holds: u32,
}

/// An agent's time on a conversation.
struct Stay<'a> {
    participant: &'a str,
    agent: &'a str,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Participant {
    fn is(&self, purposes: &[&str]) -> bool {
        self.purpose.as_deref().is_some_and(|purpose| purposes.contains(&purpose))
    }

    fn is_connected(&self) -> bool {
        self.state.as_deref() == Some("connected")
    }

    fn has_left(&self) -> bool {
        matches!(self.state.as_deref(), Some("disconnected" | "terminated"))
    }

    fn is_agent(&self) -> bool {
        self.is(&["agent", "user"])
            && self.monitored_participant_id.is_none()
            && self.coached_participant_id.is_none()
    }

    /// The user who spoke on the call, or does.
    fn spoke(&self) -> Option<&str> {
        let on = self.is_connected() || self.connected_time.is_some();
        self.user.as_ref().filter(|_| self.is_agent() && on).map(|user| user.id.as_str())
    }
}

impl Conversation {
    /// Reads a state; `None`: it is none of a conversation.
    #[must_use]
    pub fn read(body: &Value) -> Option<Self> {
        let read = Self::deserialize(body).ok()?;
        (!read.id.is_empty()).then_some(read)
    }

    /// The users whose names are needed.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.participants.iter().filter_map(Participant::spoke)
    }

    /// The participant to whom attributes belong.
    #[must_use]
    pub fn customer(&self) -> Option<&Participant> {
        self.participants.iter().find(|participant| participant.is(&["customer"]))
    }

    /// The participant, whoever the caller is by purpose.
    fn callers(&self) -> Vec<&Participant> {
        let found: Vec<_> =
            self.participants.iter().filter(|participant| participant.is(&["customer"])).collect();
        if !found.is_empty() {
            return found;
        }
        self.participants.iter().filter(|participant| participant.is(&["external"])).collect()
    }

    /// What has not been told, as events of contract §4, in their order. `names`: users as tokens name
    /// them; who is not among them is left for later.
    pub fn news(
        &self,
        known: &mut Known,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Vec<Value> {
        let mut events = self.story(names, now);
        events.extend(self.hold(known, now));
        events.extend(self.cleared(now));
        events.retain(|event| {
            let id = event["event_id"].as_str().unwrap_or_default();
            known.told.insert(id.to_owned())
        });
        events
    }

    /// Whether the caller is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let callers = self.callers();
        !callers.is_empty() && callers.iter().all(|caller| caller.has_left())
    }

    /// Agents who came, passed the caller on, and left.
    fn story(&self, names: &BTreeMap<String, String>, now: Timestamp) -> Vec<Value> {
        let mut turns: Vec<(Timestamp, bool, Stay<'_>)> = vec![];
        for participant in &self.participants {
            let Some(agent) = participant.spoke().and_then(|user| names.get(user)) else {
                continue;
            };
            let from = time(participant.connected_time.as_deref()).unwrap_or(now);
            let left = time(participant.end_time.as_deref());
            let until = left.or(participant.has_left().then_some(now));
            let until = until.filter(|_| !participant.is_connected());
            let stay = |from, until| Stay { participant: &participant.id, agent, from, until };
            turns.push((from, true, stay(from, until)));
            turns.extend(until.map(|at| (at, false, stay(from, until))));
        }
        // Who leaves as somebody else comes has not spoken with them.
        turns.sort_by_key(|(at, comes, _)| (*at, *comes));
        let mut events = vec![];
        let mut on: Vec<(&str, &str)> = vec![];
        for (at, comes, stay) in &turns {
            let (who, agent) = (stay.participant, stay.agent);
            if *comes {
                on.push((who, agent));
                let mut joined =
                    self.event(&format!("{who}/joined/{}", stay.from.0), "agent_joined", *at);
                joined["agent"] = json!(agent);
                events.push(joined);
                continue;
            }
            let had = on.first().is_some_and(|(first, _)| *first == who);
            on.retain(|(other, _)| *other != who);
            if let Some((next, to)) = on.first().filter(|_| had) {
                // Both were on the call: they spoke before it was passed on (C83).
                let mut passed = self.event(&format!("{who}/passed/{next}"), "transferred", *at);
                (passed["to_agent"], passed["warm"]) = (json!(to), json!(true));
                events.push(passed);
            }
            let end = stay.until.unwrap_or(*at);
            let mark = time_mark(end, now);
            let mut left = self.event(&format!("{who}/left{mark}"), "agent_left", *at);
            left["agent"] = json!(agent);
            events.push(left);
        }
        events
    }

    /// The caller is held, or is no more.
    fn hold(&self, known: &mut Known, now: Timestamp) -> Option<Value> {
        let holds = |participant: &&Participant| {
            participant.is_connected()
                && participant.held == Some(true)
                && (participant.is_agent() || participant.is(&["customer"]))
        };
        let holder = self.participants.iter().find(holds);
        match (holder, known.hold.take()) {
            (Some(_), Some(since)) => {
                known.hold = Some(since);
                None
            }
            (Some(holder), None) => {
                known.holds += 1;
                let since = holder.start_hold_time.clone();
                let since = since.unwrap_or_else(|| format!("{}/{}", holder.id, known.holds));
                let event = self.event(&format!("held/{since}"), "held", now);
                known.hold = Some(since);
                Some(event)
            }
            (None, Some(since)) => {
                Some(self.event(&format!("retrieved/{since}"), "retrieved", now))
            }
            (None, None) => None,
        }
    }

    fn cleared(&self, now: Timestamp) -> Option<Value> {
        let caller = self.callers().first().copied().filter(|_| self.is_over())?;
        let at = time(caller.end_time.as_deref()).unwrap_or(now);
        let mut event = self.event(&format!("{}/cleared", caller.id), "connection_cleared", at);
        let failed = ["error", "timeout", "transport.failure", "spam", "uncallable"];
        let why = caller.disconnect_type.as_deref().unwrap_or_default();
        event["cause"] = json!(if failed.contains(&why) { FAILURE } else { NORMAL });
        Some(event)
    }

    fn event(&self, what: &str, kind: &str, at: Timestamp) -> Value {
        json!({
            "event_id": format!("{}/{what}", self.id),
            "call_id": self.id,
            "at": at.rfc3339(),
            "platform": PLATFORM,
            "type": kind,
        })
    }
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    Timestamp::from_rfc3339(text?)
}

/// A time that Genesys gave is part of a name; ours is not: another node would give another.
fn time_mark(end: Timestamp, now: Timestamp) -> String {
    if end == now { String::new() } else { format!("/{}", end.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "2026-11-22T10:00:0";

    fn at(second: u8) -> String {
        format!("{T}{second}.000Z")
    }

    fn agent(id: &str, user: &str, from: u8, until: Option<u8>) -> Value {
        json!({
            "id": id, "purpose": "agent", "user": { "id": user }, "held": false,
            "state": if until.is_some() { "terminated" } else { "connected" },
            "connectedTime": at(from), "endTime": until.map(at),
        })
    }

    fn caller(state: &str) -> Value {
        json!({ "id": "p0", "purpose": "customer", "state": state, "connectedTime": at(0), "held": null })
    }

    fn conversation(participants: Vec<Value>) -> Conversation {
        let body = json!({ "id": "c", "participants": participants, "recordingState": "none" });
        Conversation::read(&body).expect("a conversation")
    }

    fn names() -> BTreeMap<String, String> {
        ["alice", "bob"].map(|name| (format!("u-{name}"), name.to_owned())).into()
    }

    fn told(known: &mut Known, conversation: &Conversation) -> String {
        let now = Timestamp::from_rfc3339("2026-11-22T10:00:09.500Z").expect("a time");
        let news = conversation.news(known, &names(), now);
        let word = |event: &Value| {
            let who = event["agent"].as_str().or(event["to_agent"].as_str()).unwrap_or_default();
            let warm = if event["warm"] == true { "!" } else { "" };
            let cause = event["cause"].as_u64().map(|cause| cause.to_string()).unwrap_or_default();
            format!("{}{warm}:{who}{cause}", event["type"].as_str().unwrap_or_default())
        };
        news.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn contract_4_a_state_becomes_the_events_that_led_to_it_and_none_twice() {
        let mut known = Known::default();
        let alerting = json!({ "id": "p1", "purpose": "agent", "user": { "id": "u-alice" }, "state": "alerting" });
        assert_eq!(told(&mut known, &conversation(vec![caller("connected"), alerting])), "");
        let on = conversation(vec![caller("connected"), agent("p1", "u-alice", 2, None)]);
        assert_eq!(told(&mut known, &on), "agent_joined:alice");
        assert_eq!(told(&mut known, &on), "", "the same state again");
        let over = conversation(vec![caller("terminated"), agent("p1", "u-alice", 2, Some(5))]);
        assert_eq!(told(&mut known, &over), "agent_left:alice connection_cleared:16");
        assert_eq!(
            told(&mut Known::default(), &over),
            "agent_joined:alice agent_left:alice connection_cleared:16"
        );
    }

    #[test]
    fn x31_c83_agents_who_were_on_the_call_together_passed_it_on_warm_others_did_not() {
        let passed = |left: u8, came: u8| {
            let both = vec![
                caller("connected"),
                agent("p1", "u-alice", 2, Some(left)),
                agent("p2", "u-bob", came, None),
            ];
            told(&mut Known::default(), &conversation(both))
        };
        assert_eq!(
            passed(6, 4),
            "agent_joined:alice agent_joined:bob transferred!:bob agent_left:alice"
        );
        assert_eq!(passed(4, 4), "agent_joined:alice agent_left:alice agent_joined:bob");
        assert_eq!(passed(4, 6), "agent_joined:alice agent_left:alice agent_joined:bob");
        // Asked and left again: the call stays where it was.
        let asked = vec![
            caller("connected"),
            agent("p1", "u-alice", 2, None),
            agent("p2", "u-bob", 3, Some(5)),
        ];
        let asked = told(&mut Known::default(), &conversation(asked));
        assert_eq!(asked, "agent_joined:alice agent_joined:bob agent_left:bob");
    }

    #[test]
    fn x31_who_only_listens_or_has_no_name_yet_takes_no_call_over() {
        let mut listens = agent("p2", "u-bob", 3, None);
        listens["monitoredParticipantId"] = json!("p1");
        let both = conversation(vec![agent("p1", "u-alice", 2, Some(5)), listens]);
        assert_eq!(told(&mut Known::default(), &both), "agent_joined:alice agent_left:alice");
        let unknown = conversation(vec![agent("p1", "u-carol", 2, None)]);
        assert_eq!(told(&mut Known::default(), &unknown), "");
        assert_eq!(unknown.users().collect::<Vec<_>>(), ["u-carol"]);
    }

    #[test]
    fn contract_4_a_caller_is_held_once_and_retrieved_once() {
        let mut known = Known::default();
        let state = |held: bool, since: u8| {
            let mut alice = agent("p1", "u-alice", 2, None);
            alice["held"] = json!(held);
            alice["startHoldTime"] = json!(held.then(|| at(since)));
            conversation(vec![caller("connected"), alice])
        };
        assert_eq!(told(&mut known, &state(true, 3)), "agent_joined:alice held:");
        assert_eq!(told(&mut known, &state(true, 3)), "");
        assert_eq!(told(&mut known, &state(false, 3)), "retrieved:");
        assert_eq!(told(&mut known, &state(true, 6)), "held:");
    }

    #[test]
    fn f5_13_every_node_names_an_event_alike() {
        let over = conversation(vec![caller("terminated"), agent("p1", "u-alice", 2, Some(5))]);
        let ids = |now: &str| {
            let now = Timestamp::from_rfc3339(now).expect("a time");
            let news = over.news(&mut Known::default(), &names(), now);
            news.iter().map(|event| event["event_id"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(ids("2026-11-22T10:00:08Z"), ids("2026-11-22T10:00:09Z"));
    }

    #[test]
    fn what_is_no_conversation_is_passed_over() {
        for body in [
            json!({}),
            json!({ "id": "" }),
            json!("x"),
            json!({ "message": "WebSocket Heartbeat" }),
        ] {
            assert_eq!(Conversation::read(&body), None);
        }
        let broken = conversation(vec![json!({ "id": "p", "state": "connected", "unknown": [] })]);
        assert_eq!(told(&mut Known::default(), &broken), "");
    }
}
