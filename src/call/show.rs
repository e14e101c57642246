//! A call's state as its agent sees it.

use crate::call::desk;
use crate::call::facts::Facts;
use crate::call::phase::Phase;
use crate::call::view::CallView;
use crate::call::view::CustomerView;
use crate::call::view::PasswordView;
use crate::call::view::PinView;
use crate::call::view::QuestionView;
use crate::call::view::QuestionsView;
use crate::call::view::TimelineView;
use crate::model::auth::Authentication;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;
use crate::policy::Reveal;
use crate::policy::table;

/// Shows a call.
pub(crate) fn view(facts: &Facts, phase: &Phase) -> CallView {
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
        dnis: facts.dnis.clone(),
        queue: facts.queue.clone(),
        agent: facts.agent.clone(),
        customer: facts.customer.as_ref().map(|known| CustomerView {
            id: known.id.clone(),
            name: known.name.clone(),
            role: known.role,
            speaks_for: None,
            flags: known.flags.clone(),
        }),
        class: facts.class,
        evidence: facts.evidence.clone(),
        authentication: facts.authentication,
        policy: facts.profile.name.clone(),
        badge: facts.authentication.badge(),
        pin: pin(facts),
        password: password(facts),
        questions: questions(facts),
        proof: None,
        message: facts.message.clone(),
        actions: desk::actions(facts, phase),
        notes: facts.notes.clone(),
        timeline: facts
            .timeline
            .iter()
            .map(|moment| TimelineView { at: moment.at.rfc3339(), what: moment.what.clone() })
            .collect(),
    }
}

/// C52: after a failure not even the last four digits.
fn number_shown(facts: &Facts) -> Option<String> {
    match facts.authentication {
        Authentication::Failed | Authentication::Blocked => None,
        Authentication::NotAuthenticated
        | Authentication::PartiallyVerified
        | Authentication::InProgress
        | Authentication::Authenticated
        | Authentication::ResetRequired
        | Authentication::SystemUnavailable => facts.caller.number().map(PhoneNumber::masked),
    }
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

fn questions(facts: &Facts) -> Option<QuestionsView> {
    let asked = facts.questions.as_ref()?;
    let answer = |item: &crate::call::facts::Asked| {
        let shown = match asked.reveal {
            Reveal::Blind => false,
            Reveal::OnClick => item.revealed,
            Reveal::Always => true,
        };
        let over =
            facts.authentication.is_final() || facts.agent.is_none() || facts.ended_at.is_some();
        let on_file = facts.customer.as_ref().and_then(|known| known.answers.get(&item.key));
        on_file.filter(|_| shown && !over).map(|answer| answer.expose().to_owned())
    };
    Some(QuestionsView {
        required: asked.required,
        correct: asked.correct(),
        items: asked
            .items
            .iter()
            .map(|item| QuestionView {
                key: item.key.clone(),
                text: item.text.clone(),
                reveal: asked.reveal.word(),
                blind: asked.reveal == Reveal::Blind,
                answer: answer(item),
                marked: item.marked,
            })
            .collect(),
    })
}
