//! A call's state as its agent sees it.

use crate::call::Call;
use crate::call::afterwards;
use crate::call::desk;
use crate::call::facts::Asked;
use crate::call::facts::CallBackOffer;
use crate::call::facts::Facts;
use crate::call::facts::Party;
use crate::call::facts::QuestionKind;
use crate::call::facts::Reminder;
use crate::call::input::Known;
use crate::call::phase::Phase;
use crate::call::questions;
use crate::call::view::CallBackView;
use crate::call::view::CallView;
use crate::call::view::CustomerView;
use crate::call::view::PartyView;
use crate::call::view::PasswordView;
use crate::call::view::PinView;
use crate::call::view::QuestionView;
use crate::call::view::QuestionsView;
use crate::call::view::TimelineView;
use crate::call::view::TimerView;
use crate::model::auth::Authentication;
use crate::model::call_kind::Direction;
use crate::model::number::PhoneNumber;
use crate::model::party::PartyRole;
use crate::model::time::Timestamp;
use crate::outbound::proof::Proof;
use crate::policy::PartyRule;
use crate::policy::Reveal;
use crate::policy::table;

/// Shows a call.
pub(crate) fn view(call: &Call) -> CallView {
    let (facts, phase) = (&call.facts, &call.phase);
    let actions = desk::actions(call, phase);
    CallView {
        id: facts.id.clone(),
        platform: facts.platform.to_string(),
        platform_call_id: facts.platform_call_id.clone(),
        version: facts.version,
        direction: facts.direction.word(),
        started_at: facts.started_at.rfc3339(),
        ended_at: facts.ended_at.map(Timestamp::rfc3339),
        media: phase.media(),
        ani_display: number_shown(facts),
        dnis: dialled(facts),
        queue: facts.queue.clone(),
        agent: facts.agent.clone(),
        customer: facts.customer.as_ref().map(|known| customer(facts, known)),
        class: facts.class,
        evidence: facts.evidence.clone(),
        authentication: facts.authentication,
        policy: facts.profile.name.clone(),
        badge: facts.authentication.badge(),
        pin: pin(facts),
        password: password(facts),
        questions: questions(call),
        proof: facts.proof.as_ref().and_then(Proof::view),
        purpose: facts.purpose,
        party: facts.party.as_ref().map(party),
        say: say(call, &actions),
        never_say: facts.profile.never_say.clone(),
        primary: primary(facts, &actions),
        timer: timer(facts, phase),
        call_back: call_back(facts),
        reminder: (facts.reminder == Some(Reminder::Due))
            .then(|| facts.profile.texts.reminder.clone()),
        enrolment_required: facts.enrolment_required,
        message: facts.message.clone(),
        actions,
        notes: facts.notes.clone(),
        timeline: facts
            .timeline
            .iter()
            .map(|moment| TimelineView {
                at: moment.at.rfc3339(),
                who: moment.who,
                what: moment.what.clone(),
            })
            .collect(),
    }
}

fn customer(facts: &Facts, known: &Known) -> CustomerView {
    const FLAG: &str = "additional_security_used";
    let mut flags = known.flags.clone();
    if (known.compensated || facts.reminder.is_some()) && !flags.iter().any(|flag| flag == FLAG) {
        flags.push(FLAG.into());
    }
    let on_behalf = facts
        .party
        .as_ref()
        .is_some_and(|party| !party.needs_client && party.role == PartyRole::Representative);
    CustomerView {
        id: known.id.clone(),
        name: known.name.clone(),
        role: known.role,
        speaks_for: known.represents.first().filter(|_| on_behalf).cloned(),
        flags,
    }
}

/// On an outbound call the dialled number is the customer's: nothing of it is shown after a failure
/// (C52), and never more than its last four digits (C29).
fn dialled(facts: &Facts) -> String {
    match facts.direction {
        Direction::Inbound => facts.dnis.clone(),
        Direction::Outbound if hides_number(facts) => String::new(),
        Direction::Outbound => PhoneNumber::parse_lenient(&facts.dnis, None)
            .map_or_else(|_| String::new(), |number| number.masked()),
    }
}

fn party(party: &Party) -> PartyView {
    PartyView {
        role: party.role,
        set_by: if party.by_agent { "agent" } else { "record" },
        client_present: party.client_present,
        permission: party.permission,
    }
}

fn timer(facts: &Facts, phase: &Phase) -> Option<TimerView> {
    let Phase::Capture { until, .. } = phase else { return None };
    let at = until.0.saturating_add(facts.clock_gap).as_millis();
    let until = Timestamp(u64::try_from(at).unwrap_or(u64::MAX)).rfc3339();
    Some(TimerView { until, what: "digit" })
}

fn call_back(facts: &Facts) -> Option<CallBackView> {
    let open = afterwards::call_back_open(facts);
    let offer = facts.call_back.or_else(|| open.then(CallBackOffer::default))?;
    Some(CallBackView { offered: open, accepted: offer.accepted, task: offer.task })
}

/// The one thing to do next; all else is quiet.
fn primary(facts: &Facts, actions: &[&'static str]) -> Option<&'static str> {
    const ORDER: [&str; 16] = [
        "claim",
        "cancel_pin",
        "set_party",
        "proof",
        "prove",
        "collect_pin",
        "password",
        "answer",
        "mark",
        "finish",
        "acknowledge",
        "offer_callback",
        "unblock",
        "reset_security",
        "transfer",
        "wrap_up",
    ];
    let party_open = facts.party.as_ref().is_none_or(|party| !party.by_agent)
        && facts.profile.party == PartyRule::Agent;
    let waits = facts
        .party
        .as_ref()
        .is_some_and(|party| party.waits_for_client() || party.waits_for_permission());
    let ticked = facts
        .questions
        .as_ref()
        .is_some_and(|asked| asked.items.iter().all(|item| item.marked.is_some()));
    let sensible = |action: &&&str| match **action {
        "set_party" => party_open || (waits && !facts.authentication.is_final()),
        "cancel_pin" | "reset_security" | "transfer" | "unblock" => false,
        "answer" | "mark" => !ticked,
        _ => true,
    };
    ORDER.iter().filter(|action| actions.contains(*action)).find(sensible).copied()
}

/// What the agent should say now, in the profile's words.
fn say(call: &Call, actions: &[&'static str]) -> Option<String> {
    let facts = &call.facts;
    let agent = facts.agent.as_ref()?;
    let opening =
        facts.proof.as_ref().filter(|proof| !proof.allows_check() && !proof.skips_check());
    if let Some(proof) = opening {
        return Some(proof.words(agent.as_str()));
    }
    facts.profile.say(situation(call, actions)?).map(str::to_owned)
}

fn situation(call: &Call, actions: &[&'static str]) -> Option<&'static str> {
    let facts = &call.facts;
    let can = |action: &str| actions.contains(&action);
    if facts.ended_at.is_some() {
        return None;
    }
    let party = facts.party.as_ref();
    if party.is_some_and(|party| party.role == PartyRole::ThirdParty) {
        return Some("third_party");
    }
    if matches!(call.phase, Phase::Capture { .. }) {
        return Some("pin_running");
    }
    if let Some(asked) = questions::due(facts) {
        return Some(match asked.kind {
            QuestionKind::Check => "questions",
            QuestionKind::Transitional => "transitional",
            QuestionKind::CallBack => "call_back",
            QuestionKind::Employer => "employer",
        });
    }
    if !facts.authentication.is_final() {
        return match party {
            Some(party) if party.by_agent && party.waits_for_client() => Some("client_present"),
            Some(party) if party.by_agent && party.waits_for_permission() => Some("permission"),
            _ if facts.password_due => Some("password"),
            _ if can("set_party") && !call.party_settled() => Some("party"),
            _ if can("collect_pin") => Some("pin"),
            _ => None,
        };
    }
    match facts.authentication {
        Authentication::Authenticated if facts.reminder == Some(Reminder::Due) => {
            Some("compensated")
        }
        Authentication::Authenticated if facts.enrolment_required => Some("enrolment"),
        Authentication::Authenticated => Some("passed"),
        Authentication::Failed if facts.bogus_reported => Some("bogus"),
        Authentication::Blocked => Some("blocked"),
        _ if can("offer_callback") => Some("call_back_offer"),
        Authentication::Failed => Some("failed"),
        Authentication::ResetRequired => Some("reset_required"),
        Authentication::SystemUnavailable => Some("unavailable"),
        Authentication::NotAuthenticated
        | Authentication::PartiallyVerified
        | Authentication::InProgress => None,
    }
}

fn hides_number(facts: &Facts) -> bool {
    matches!(
        facts.authentication,
        Authentication::Failed | Authentication::Blocked | Authentication::ResetRequired
    )
}

/// C52: after a failure not even the last four digits.
fn number_shown(facts: &Facts) -> Option<String> {
    if hides_number(facts) {
        return None;
    }
    facts.caller.number().map(PhoneNumber::masked)
}

fn pin(facts: &Facts) -> Option<PinView> {
    facts.pin.as_ref().map(|pin| PinView {
        positions: pin.positions.clone(),
        entered: pin.entered,
        needed: 2,
        attempt: pin.attempt,
        attempts_allowed: facts.profile.capture.attempts,
        result: pin.result,
    })
}

fn password(facts: &Facts) -> Option<PasswordView> {
    let result = match facts.factors.password {
        table::Password::Pending => None,
        table::Password::Correct => Some("correct"),
        table::Password::Wrong => Some("incorrect"),
    };
    (facts.password_due || result.is_some())
        .then_some(PasswordView { needed: facts.password_due, result })
}

fn questions(call: &Call) -> Option<QuestionsView> {
    let facts = &call.facts;
    let asked = facts.questions.as_ref()?;
    let on_file =
        |item: &Asked| facts.customer.as_ref().and_then(|known| known.answers.get(&item.key));
    let over = questions::due(facts).is_none() || facts.agent.is_none() || facts.ended_at.is_some();
    let answer = |item: &Asked| {
        let shown = match item.reveal {
            Reveal::Blind => false,
            Reveal::OnClick => item.revealed.is_some(),
            Reveal::Always => true,
        };
        on_file(item).filter(|_| shown && !over).map(|answer| answer.expose().to_owned())
    };
    Some(QuestionsView {
        kind: asked.kind,
        set: asked.set.clone(),
        required: asked.required,
        correct: call.counted(asked),
        items: asked
            .items
            .iter()
            .map(|item| QuestionView {
                key: item.key.clone(),
                text: item.text.clone(),
                reveal: item.reveal.word(),
                blind: item.reveal == Reveal::Blind,
                on_file: on_file(item).is_some(),
                answer: answer(item),
                marked: item.marked,
            })
            .collect(),
    })
}
