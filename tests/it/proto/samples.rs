//! Everything the daemon can write to a desktop, made from its own types.

use std::collections::BTreeMap;

use countersign::call::facts::QuestionKind;
use countersign::call::facts::Who;
use countersign::call::request::Refusal;
use countersign::call::view::CallBackView;
use countersign::call::view::CallView;
use countersign::call::view::CustomerView;
use countersign::call::view::PartyView;
use countersign::call::view::PasswordView;
use countersign::call::view::PinView;
use countersign::call::view::QuestionView;
use countersign::call::view::QuestionsView;
use countersign::call::view::TimelineView;
use countersign::call::view::TimerView;
use countersign::model::auth::Authentication;
use countersign::model::auth::PinResult;
use countersign::model::caller::CallerClass;
use countersign::model::caller::Evidence;
use countersign::model::customer::Role;
use countersign::model::digits::Position;
use countersign::model::party::PartyRole;
use countersign::model::time::Timestamp;
use countersign::outbound::Method;
use countersign::outbound::Purpose;
use countersign::outbound::codes::SpokenCode;
use countersign::outbound::step::ProofView;
use countersign::policy::Reveal;
use countersign::wire::desktop::RequestId;
use countersign::wire::identity::Identity;
use countersign::wire::identity::TokenRole;
use countersign::wire::server;
use serde::de::DeserializeOwned;
use serde_json::Number;
use serde_json::Value;
use serde_json::json;

use crate::proto::source::between;
use crate::proto::source::literals;
use crate::proto::source::production;
use crate::proto::text;

/// Every frame the daemon can write, by its word, with every field filled and empty.
pub(crate) fn frames_written() -> BTreeMap<String, Vec<Value>> {
    let id = RequestId(Number::from(7));
    let mut calls: Vec<_> = calls().iter().map(server::call_json).collect();
    calls.extend(calls.last().map(|call| server::stale_json(call)));
    let named = Identity {
        agent: "alice".parse().expect("a name"),
        name: Some("Alice".into()),
        roles: TokenRole::ALL.to_vec(),
        queues: vec![],
        groups: vec![],
        expires_at: Timestamp(0),
    };
    let nameless = Identity { name: None, ..named.clone() };
    let mut written = vec![
        server::welcome(&named, 20, "epoch", 0),
        server::welcome(&nameless, 20, "epoch", 3),
        server::snapshot(4, calls.iter().map(String::as_str)),
        server::call_gone(5, &"01M8".parse().expect("an id")),
        server::ok(&id),
        server::refused(&id, Refusal::NotNow),
        server::error(&id, "bad_request", "mark: field correct is missing or not usable"),
        server::PONG.to_owned(),
        server::bye("restart", 500),
    ];
    written.extend(calls.iter().map(|call| server::call(9, call).frame));
    let requests = production("src/call/request.rs");
    let codes = literals(between(&requests, "fn code", "\n    }\n"));
    written.extend(codes.iter().map(|code| server::error(&id, code, "what to do about it")));
    let mut by_word = BTreeMap::<_, Vec<_>>::new();
    for frame in written {
        let frame: Value = serde_json::from_str(&frame).expect("frames are JSON");
        by_word.entry(text(&frame["type"])).or_default().push(frame);
    }
    by_word
}

/// Calls with everything empty, everything filled, and every word in its place.
fn calls() -> Vec<CallView> {
    let mut calls = vec![empty(), filled()];
    calls.extend(every().into_iter().map(|authentication: Authentication| CallView {
        authentication,
        badge: authentication.badge(),
        ..filled()
    }));
    calls.extend(CallerClass::ALL.map(|class| CallView { class: Some(class), ..filled() }));
    calls.extend(["inbound", "outbound"].map(|direction| CallView { direction, ..filled() }));
    let phases = production("src/call/phase.rs");
    let media = literals(between(&phases, "fn media", "\n    }\n"));
    calls.extend(media.into_iter().map(|media| CallView { media: media.leak(), ..filled() }));
    calls.extend(every().into_iter().map(|result: PinResult| CallView {
        pin: Some(PinView { result: Some(result), ..pin() }),
        ..filled()
    }));
    calls.extend(["correct", "incorrect"].map(|result| CallView {
        password: Some(PasswordView { needed: false, result: Some(result) }),
        ..filled()
    }));
    calls.extend(every().into_iter().map(|role: Role| CallView {
        customer: Some(CustomerView {
            id: "1002".parse().expect("an id"),
            name: "Bob".into(),
            role,
            speaks_for: Some("1001".parse().expect("an id")),
            flags: vec!["additional_security_used".into()],
        }),
        ..filled()
    }));
    calls.extend(every().into_iter().map(|reveal: Reveal| CallView {
        questions: Some(QuestionsView {
            kind: QuestionKind::Check,
            set: "two_of_three".into(),
            required: 2,
            correct: 1,
            items: vec![question(reveal)],
        }),
        ..filled()
    }));
    calls.extend(guided());
    calls.extend(proofs());
    calls
}

/// Whom a call is with, what is asked of them and what is offered, in every word.
fn guided() -> Vec<CallView> {
    let with = |purpose: Purpose| CallView { purpose: Some(purpose), ..filled() };
    let mut calls: Vec<_> = every().into_iter().map(with).collect();
    calls.extend(every().into_iter().map(|role: PartyRole| CallView {
        party: Some(PartyView { role, set_by: "record", client_present: None, permission: None }),
        ..filled()
    }));
    let kinds = [
        QuestionKind::Check,
        QuestionKind::Transitional,
        QuestionKind::CallBack,
        QuestionKind::Employer,
    ];
    calls.extend(kinds.map(|kind| CallView {
        questions: Some(QuestionsView {
            kind,
            set: String::new(),
            required: 2,
            correct: 0,
            items: vec![],
        }),
        ..filled()
    }));
    let tasks = production("src/call/afterwards.rs");
    let tasks = literals(between(&tasks, "match (by_gich, has_number) {", "};"));
    let tasks = tasks.into_iter().map(|task| Some(&*task.leak())).chain([None]);
    calls.extend(tasks.map(|task| CallView {
        call_back: Some(CallBackView { offered: false, accepted: None, task }),
        ..filled()
    }));
    calls
}

/// Our proof in every stage, and by every method.
fn proofs() -> Vec<CallView> {
    let proof = ProofView {
        stage: "intro",
        method: None,
        methods: every().into_iter().map(Method::word).collect(),
        speak: None,
        reference: None,
        expires_at: None,
    };
    let stages = production("src/outbound/proof.rs");
    let stages = literals(between(&stages, "pub fn view", "\n    }\n"));
    let stages = stages.into_iter().map(|stage| ProofView { stage: stage.leak(), ..proof.clone() });
    let methods = every().into_iter().map(Method::word);
    let methods = methods.map(|method| ProofView { method: Some(method), ..proof.clone() });
    stages.chain(methods).map(|proof| CallView { proof: Some(proof), ..filled() }).collect()
}

fn empty() -> CallView {
    CallView {
        id: "01M8".parse().expect("an id"),
        platform: "sip".into(),
        platform_call_id: "a84b4c76e66710".parse().expect("an id"),
        version: 1,
        direction: "inbound",
        started_at: Timestamp(0).rfc3339(),
        ended_at: None,
        media: "none",
        ani_display: None,
        dnis: String::new(),
        queue: "general".parse().expect("a name"),
        agent: None,
        customer: None,
        class: None,
        evidence: vec![],
        authentication: Authentication::NotAuthenticated,
        policy: "retail".into(),
        badge: Authentication::NotAuthenticated.badge(),
        pin: None,
        password: None,
        questions: None,
        proof: None,
        purpose: None,
        party: None,
        say: None,
        never_say: vec![],
        primary: None,
        timer: None,
        call_back: None,
        reminder: None,
        enrolment_required: false,
        message: None,
        actions: vec![],
        notes: vec![],
        timeline: vec![],
    }
}

fn filled() -> CallView {
    let (desk, proving) = (production("src/call/desk.rs"), production("src/call/proving.rs"));
    let mut actions = literals(between(&desk, "fn actions", "\n}\n"));
    actions.extend(literals(between(&desk, "fn while_it_lasts", "\n}\n")));
    actions.extend(literals(between(&proving, "fn proof_actions", "\n    }\n")));
    CallView {
        ended_at: Some(Timestamp(1).rfc3339()),
        ani_display: Some("••••••0001".into()),
        agent: Some("alice".parse().expect("a name")),
        customer: Some(CustomerView {
            id: "1001".parse().expect("an id"),
            name: "Ann".into(),
            role: Role::Client,
            speaks_for: None,
            flags: vec![],
        }),
        class: Some(CallerClass::Unverified),
        evidence: vec![Evidence::new("ani", "asserted", "the network asserts the calling number")],
        pin: Some(pin()),
        password: Some(PasswordView { needed: true, result: None }),
        questions: Some(QuestionsView {
            kind: QuestionKind::CallBack,
            set: "call_back".into(),
            required: 2,
            correct: 0,
            items: vec![QuestionView { answer: None, marked: None, ..question(Reveal::Blind) }],
        }),
        purpose: Some(Purpose::Contact),
        proof: Some(ProofView {
            stage: "pending",
            method: Some("app"),
            methods: vec!["letter", "waive"],
            speak: SpokenCode::try_from("47".to_owned()).ok(),
            reference: SpokenCode::six("123456").ok(),
            expires_at: Some(Timestamp(2).rfc3339()),
        }),
        party: Some(PartyView {
            role: PartyRole::Other,
            set_by: "agent",
            client_present: Some(true),
            permission: Some(false),
        }),
        say: Some("a sentence".into()),
        never_say: vec!["a thing".into()],
        primary: Some("finish"),
        timer: Some(TimerView { until: Timestamp(2).rfc3339(), what: "digit" }),
        call_back: Some(CallBackView { offered: true, accepted: Some(true), task: Some("trace") }),
        reminder: Some("a sentence".into()),
        enrolment_required: true,
        message: Some("a sentence".into()),
        actions: actions.into_iter().map(|action| &*action.leak()).collect(),
        notes: vec!["helped".into()],
        timeline: [Who::Caller, Who::Daemon, Who::Agent, Who::Platform, Who::Records]
            .map(|who| TimelineView { at: Timestamp(0).rfc3339(), who, what: "a step".into() })
            .into(),
        ..empty()
    }
}

fn pin() -> PinView {
    let positions = [2, 6].into_iter().filter_map(Position::new).collect();
    PinView { positions, entered: 1, needed: 2, attempt: 1, attempts_allowed: 2, result: None }
}

fn question(reveal: Reveal) -> QuestionView {
    QuestionView {
        key: "place_of_birth".parse().expect("a key"),
        text: "Where were you born?".into(),
        reveal: reveal.word(),
        blind: reveal == Reveal::Blind,
        on_file: true,
        answer: Some("Ghent".into()),
        marked: Some(true),
    }
}

/// Every variant of a plain enum: serde names them all when it is given a word that is none.
fn every<T: DeserializeOwned>() -> Vec<T> {
    let named = serde_json::from_value::<T>(json!("?")).err().map(|error| error.to_string());
    let words = named.as_deref().unwrap_or_default().split('`').skip(3).step_by(2);
    let all: Vec<T> = words.filter_map(|word| serde_json::from_value(json!(word)).ok()).collect();
    assert!(all.len() > 1, "{named:?}");
    all
}
