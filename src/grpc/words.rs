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
