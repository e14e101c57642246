//! gRPC messages ↔ the events and answers of contract §4. Pure: every rule about a field is in
//! `wire::events`, once for all doors.

use serde_json::Map;
use serde_json::Value;

use crate::call::effect::Prompt;
use crate::grpc::proto;
use crate::model::time::Timestamp;
use crate::wire::directive::Directive;
use crate::wire::directive::Order;
use crate::wire::events::Answer;
use crate::wire::events::CallAnswer;
use crate::wire::events::Rejected;

/// An event as it would have come over HTTP.
pub(super) fn event(event: proto::CallEvent) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("event_id", event.event_id),
        ("call_id", event.call_id),
        ("platform", event.platform),
        ("type", event.r#type),
        ("direction", event.direction),
        ("ani", event.ani),
        ("cli", event.cli),
        ("dnis", event.dnis),
        ("attestation", event.attestation),
        ("verstat", event.verstat),
        ("trunk", event.trunk),
        ("intent", event.intent),
        ("customer_id", event.customer_id),
        ("queue", event.queue),
        ("collects", event.collects),
        ("digit", event.digit),
        ("agent", event.agent),
        ("to_agent", event.to_agent),
        ("to_queue", event.to_queue),
        ("cause", event.cause),
    ];
    for (name, text) in texts {
        if !text.is_empty() {
            fields.insert(name.to_owned(), Value::String(text));
        }
    }
    if let Some(at) = event.at {
        fields.insert("at".to_owned(), Value::String(instant(at)));
    }
    for (name, number) in [("duration_ms", event.duration_ms), ("directive", event.directive)] {
        if let Some(number) = number {
            fields.insert(name.to_owned(), number.into());
        }
    }
    if let Some(warm) = event.warm {
        fields.insert("warm".to_owned(), warm.into());
    }
    Value::Object(fields)
}

/// An instant in RFC 3339; one that is none becomes a text that is none either.
fn instant(at: prost_types::Timestamp) -> String {
    let ms = u64::try_from(at.seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
    let part = u64::try_from(at.nanos).ok().map(|nanos| nanos / 1_000_000);
    let ms = ms.zip(part).and_then(|(ms, part)| ms.checked_add(part));
    // Beyond the year 9999 there is no such text.
    let ms = ms.filter(|ms| *ms < 253_402_300_800_000);
    ms.map_or_else(|| "no time".to_owned(), |ms| Timestamp(ms).rfc3339())
}

/// What came of one event.
pub(super) fn answer(event_id: String, answer: Answer) -> proto::EventAnswer {
    proto::EventAnswer {
        event_id,
        accepted: answer.accepted > 0,
        out_of_order: answer.out_of_order > 0,
        call: answer.calls.into_iter().next_back().map(call),
        rejected: answer.rejected.into_iter().next_back().map(rejected),
    }
}

/// What a call wants without an event.
pub(super) fn unasked(answer: CallAnswer) -> proto::EventAnswer {
    proto::EventAnswer { call: Some(call(answer)), ..proto::EventAnswer::default() }
}

fn rejected(rejected: Rejected) -> proto::Rejected {
    proto::Rejected {
        index: number(rejected.index),
        event_id: rejected.event_id.unwrap_or_default(),
        code: rejected.code.to_owned(),
        message: rejected.message,
    }
}

/// Where a call stands.
pub(super) fn call(answer: CallAnswer) -> proto::CallAnswer {
    proto::CallAnswer {
        call_id: answer.call_id.as_str().to_owned(),
        call: answer.call.as_str().to_owned(),
        class: answer.class.map(|class| class.word().to_owned()),
        authentication: answer.authentication.word().to_owned(),
        directive: Some(directive(answer.directive)),
    }
}

fn directive(directive: Directive) -> proto::Directive {
    let before = directive.before.iter().map(|prompt| prompt.id().to_owned()).collect();
    let plain = proto::Directive {
        version: number(directive.version),
        before,
        ..proto::Directive::default()
    };
    match directive.order {
        Order::Wait => proto::Directive { r#do: "wait".to_owned(), ..plain },
        Order::Route { to, queue, call } => proto::Directive {
            r#do: "route".to_owned(),
            to,
            queue: queue.as_str().to_owned(),
            call: call.map(|call| call.as_str().to_owned()),
            ..plain
        },
        Order::Collect { position, within } => {
            let prompt = position.map_or(Prompt::CustomerNumber, Prompt::PinPosition);
            proto::Directive {
                r#do: "collect_digit".to_owned(),
                position: position.map(|position| u32::from(position.number())),
                digit_timeout_ms: Some(number(within.as_millis())),
                prompt: Some(prompt.id().to_owned()),
                ..plain
            }
        }
        Order::Play(prompt) => proto::Directive {
            r#do: "play".to_owned(),
            prompt: Some(prompt.id().to_owned()),
            ..plain
        },
        Order::HangUp(cause) => proto::Directive {
            r#do: "hang_up".to_owned(),
            reason: Some(cause.word().to_owned()),
            ..plain
        },
    }
}

/// As much of a number as the message holds.
pub(super) fn number(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    use prost::Message;
    use prost_types::FileDescriptorSet;
    use serde_json::json;

    use crate::model::auth::Authentication;
    use crate::model::caller::CallerClass;
    use crate::model::cause::Cause;
    use crate::model::digits::Position;
    use crate::wire::events::Batch;
    use crate::wire::events::What;

    /// The fields of a message, as they are described to others.
    fn fields(message: &str) -> BTreeSet<String> {
        let described = FileDescriptorSet::decode(proto::DESCRIPTOR).expect("a description");
        let ours = described.file.iter().find(|file| file.package() == "countersign.v1");
        let ours = ours.expect("our file");
        let message = ours.message_type.iter().find(|one| one.name() == message);
        let fields = message.expect("the message").field.iter();
        fields.map(|field| field.name().to_owned()).collect()
    }

    fn keys(value: &Value) -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    }

    fn all() -> proto::CallEvent {
        proto::CallEvent {
            event_id: "e".into(),
            call_id: "c".into(),
            at: Some(prost_types::Timestamp { seconds: 1_795_341_600, nanos: 250_999_999 }),
            platform: "pbx".into(),
            r#type: "delivered".into(),
            direction: "inbound".into(),
            ani: "1".into(),
            cli: "2".into(),
            dnis: "3".into(),
            attestation: "A".into(),
            verstat: "v".into(),
            trunk: "office".into(),
            intent: "i".into(),
            customer_id: "1001".into(),
            queue: "general".into(),
            collects: "until_handed_over".into(),
            digit: "7".into(),
            duration_ms: Some(0),
            directive: Some(0),
            agent: "alice".into(),
            to_agent: "bob".into(),
            to_queue: "cards".into(),
            warm: Some(false),
            cause: "16".into(),
        }
    }

    #[test]
    fn contract_4_an_event_over_grpc_is_the_event_over_http_field_by_field() {
        let written = event(all());
        assert_eq!(keys(&written), fields("CallEvent"), "every field, under its own name");
        assert_eq!(written["at"], "2026-11-22T10:00:00.250Z");
        assert_eq!(written["duration_ms"], 0, "a number that is there is there");
        assert_eq!(written["warm"], false);
        let texts = keys(&written).into_iter().filter(|name| written[name].is_string());
        let texts: BTreeSet<_> = texts.map(|name| written[&name].to_string()).collect();
        assert_eq!(texts.len(), 21, "no field stands in the place of another");
        assert_eq!(event(proto::CallEvent::default()), json!({}), "what is empty is not there");
        let source = include_str!("../wire/events.rs");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for name in fields("CallEvent") {
            assert!(source.contains(&format!("(\"{name}\")")), "{name} is read by nobody");
        }
    }

    #[test]
    fn contract_4_every_type_is_read_as_over_http() {
        for word in [
            "delivered",
            "established",
            "held",
            "retrieved",
            "digit_generated",
            "agent_joined",
            "agent_left",
            "transferred",
            "connection_cleared",
        ] {
            let one = proto::CallEvent { r#type: word.into(), to_queue: String::new(), ..all() };
            let read = Batch::read(event(one)).expect("an object").into_events().remove(0);
            let read = read.unwrap_or_else(|rejected| panic!("{word}: {rejected:?}"));
            assert_eq!(matches!(read.what, What::Delivered(_)), word == "delivered");
            assert_eq!(matches!(read.what, What::Key { .. }), word == "digit_generated");
        }
    }

    #[test]
    fn contract_4_an_instant_that_is_none_is_refused_and_not_guessed() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MAX, 0), (253_402_300_800, 0)] {
            let odd = Some(prost_types::Timestamp { seconds, nanos });
            let read = Batch::read(event(proto::CallEvent { at: odd, ..all() }));
            let read = read.expect("an object").into_events().remove(0);
            assert!(read.is_err_and(|rejected| rejected.message.starts_with("at must be")));
        }
    }

    #[test]
    fn contract_4_answers_say_what_they_say_over_http() {
        let (queue, within) = ("general".parse().expect("a name"), Duration::from_secs(8));
        let third = Position::new(3);
        for order in [
            Order::Wait,
            Order::Route { to: Some("sip:q@h".into()), queue, call: None },
            Order::Collect { position: third, within },
            Order::Collect { position: None, within },
            Order::Play(Prompt::Thanks),
            Order::HangUp(Cause::NORMAL_CLEARING),
        ] {
            let told = CallAnswer {
                call_id: "c".parse().expect("a name"),
                call: "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().expect("an id"),
                class: Some(CallerClass::VerifiedNumber),
                authentication: Authentication::InProgress,
                directive: Directive { version: 7, order, before: vec![Prompt::PinAgain] },
            };
            let over_http = serde_json::to_value(&told).expect("JSON");
            let message = call(told);
            let directive = message.directive.expect("a directive");
            let over_grpc = [
                ("do", json!(directive.r#do)),
                ("version", json!(directive.version)),
                ("before", json!(directive.before)),
                ("to", json!(directive.to)),
                ("queue", json!(Some(directive.queue).filter(|queue| !queue.is_empty()))),
                ("call", json!(directive.call)),
                ("position", json!(directive.position)),
                ("digit_timeout_ms", json!(directive.digit_timeout_ms)),
                ("prompt", json!(directive.prompt)),
                ("reason", json!(directive.reason)),
            ];
            for (name, value) in over_grpc {
                assert_eq!(over_http["directive"][name], value, "{name} of {}", directive.r#do);
            }
            assert_eq!(over_http["class"], json!(message.class));
            assert_eq!(over_http["authentication"], json!(message.authentication));
            assert_eq!(keys(&over_http), fields("CallAnswer"));
            assert!(keys(&over_http["directive"]).is_subset(&fields("Directive")));
        }
    }

    #[test]
    fn p11_a_message_prints_no_digit_and_no_number() {
        assert_eq!(format!("{:?}", all()), "CallEvent(•)");
    }
}
