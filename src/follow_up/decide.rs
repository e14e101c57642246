//! The machine: what happened → what to open, change and send.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::follow_up::export;
use crate::follow_up::export::Stage;
use crate::follow_up::export::WaitStatus;
use crate::follow_up::item::ItemKind;
use crate::follow_up::item::NewItem;
use crate::follow_up::item::blotted;
use crate::follow_up::job::Detail;
use crate::follow_up::job::JobEvent;
use crate::follow_up::job::JobId;
use crate::follow_up::job::JobKind;
use crate::follow_up::job::JobLine;
use crate::follow_up::job::JobState;
use crate::follow_up::job::NewJob;
use crate::follow_up::letter;
use crate::follow_up::letter::Fields;
use crate::follow_up::occasion::Occasion;
use crate::follow_up::occasion::Occurred;
use crate::follow_up::rules::Rules;
use crate::model::call_kind::Direction;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;

/// How many failed calls in a row ask for the whole form (C79, X06).
const FORM_AT: u8 = 3;

/// What is known about the customer beside what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The customer's open jobs.
    pub open: &'a [JobLine],
    /// Whether the customer may be reached by SMS.
    pub sms_ok: bool,
    /// Whether the case is at application stage (C76).
    pub application_stage: bool,
}

/// One thing to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Open a job.
    Open(NewJob),
    /// A job goes on or ends.
    Change {
        /// Which.
        job: JobId,
        /// How far it is now.
        state: JobState,
        /// When something is due by itself.
        due: Option<Timestamp>,
    },
    /// Enqueue an item.
    Send(NewItem),
}

/// Why a job does not take an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It ended before.
    #[error("this job is over")]
    Over,
    /// Its time has not come.
    #[error("this job is not due yet")]
    NotDue,
    /// A block is lifted by a passed check, never by a tick (C71, X25).
    #[error("an unblock job ends when the caller has passed the check of an outbound call")]
    ByCheckOnly,
    /// This kind of job knows no such event.
    #[error("this kind of job does not end that way; say done, failed or unreachable")]
    NotSo,
}

/// What follows from what happened in a call.
#[must_use]
pub fn occurred(occurred: &Occurred, context: &Context<'_>) -> Vec<Step> {
    let Occurred { customer, rules, at, what, .. } = occurred;
    match what {
        Occasion::CallBackAccepted { by_gich, transitional, has_number, .. } => {
            call_back(occurred, *by_gich, *transitional, *has_number)
        }
        Occasion::CallBackRefused { .. } => {
            vec![outcome(occurred, "client", &rules.failed_outcome)]
        }
        Occasion::Bogus { details, direction, scin, consecutive_failed, .. } => {
            let report = bogus(occurred, details, *direction, scin, *consecutive_failed);
            vec![send(ItemKind::BogusReport, &occurred.call, report)]
        }
        Occasion::BecameBlocked => became_blocked(occurred, context),
        Occasion::UnblockFailed => unblock_ended(occurred, context, JobState::Failed),
        Occasion::UnblockUnreachable => unblock_ended(occurred, context, JobState::Unreachable),
        Occasion::Unblocked => settled(context, &[JobKind::Unblock, JobKind::Renewal]),
        Occasion::ByLetter => {
            let reference = letter::reference(None, Some(occurred.call.as_str()));
            letters(customer, rules, context, *at, &reference)
        }
        Occasion::CompensatedPass { failed_factor } => {
            let record = export::activity_record(rules, customer, *failed_factor, *at);
            vec![send(ItemKind::ActivityRecord, &occurred.call, record)]
        }
        Occasion::SecurityReset { .. } => {
            let update = export::activity_update(rules, customer, *at);
            let mut steps = settled(context, &[JobKind::Renewal]);
            steps.push(send(ItemKind::ActivityUpdate, &occurred.call, update));
            steps.push(procedure(occurred, "change_security_details", json!({})));
            steps
        }
        Occasion::Marked(mark) => {
            let payload = json!({ "call": occurred.call, "customer": customer, "mark": mark, "at": at.rfc3339() });
            // A call that failed may still pass, and one that passed may be checked again.
            vec![keyed(ItemKind::Mark, &format!("{}:{}", occurred.call, mark.label()), payload)]
        }
        Occasion::OrgImpersonated { details } => {
            let report = json!({
                "to": "security_advice_and_support_centre", "link": rules.sasc_link, "priority": true,
                "call": occurred.call, "customer": customer, "at": at.rfc3339(),
                "details": blotted(details),
            });
            vec![send(ItemKind::ImpersonationReport, &occurred.call, report)]
        }
        Occasion::PartyEnded { role, outcome: how } => vec![outcome(occurred, role, how)],
        Occasion::EnrolmentDeferred { code } => {
            let detail = Detail { code: Some(code.clone()), ..Detail::default() };
            let mut steps = open(occurred, JobKind::Enrolment, detail);
            steps.push(procedure(occurred, "security_set_up", json!({ "deferred": code })));
            steps
        }
        Occasion::EmployerContact => vec![procedure(occurred, "employer_contact", json!({}))],
        Occasion::ThirdPartyContact => vec![procedure(occurred, "third_party_contact", json!({}))],
    }
}

/// What follows from something that happened to a job.
pub fn happened(
    job: &JobLine,
    rules: &Rules,
    event: JobEvent,
    context: &Context<'_>,
    now: Timestamp,
) -> Result<Vec<Step>, Refused> {
    if !job.state.is_open() {
        return Err(Refused::Over);
    }
    let ended = |state| Step::Change { job: job.id, state, due: None };
    match (job.kind, event) {
        (JobKind::Renewal, JobEvent::TimeCome) => time_come(job, rules, context, now),
        (_, JobEvent::TimeCome) => Err(Refused::NotSo),
        (JobKind::Unblock, JobEvent::Done) => Err(Refused::ByCheckOnly),
        (JobKind::Unblock, JobEvent::Failed | JobEvent::Unreachable) => {
            let state =
                if event == JobEvent::Failed { JobState::Failed } else { JobState::Unreachable };
            let mut steps = vec![ended(state)];
            let reference = letter::reference(Some(job.id), None);
            steps.extend(letters(&job.customer, rules, context, now, &reference));
            Ok(steps)
        }
        // Letters are answered or they are not; nobody is rung.
        (JobKind::Renewal, JobEvent::Failed | JobEvent::Unreachable) => Err(Refused::NotSo),
        (JobKind::CallBack, JobEvent::Unreachable) => {
            let mut steps = vec![ended(JobState::Unreachable)];
            steps.push(Step::Open(new(JobKind::Trace, Detail::trace())));
            let task = json!({
                "task": JobKind::Trace.word(), "customer": job.customer, "call": job.call,
                "at": now.rfc3339(), "detail": Detail::trace(),
            });
            let reference = letter::reference(Some(job.id), None);
            steps.push(keyed(ItemKind::Task, &format!("trace:{reference}"), task));
            Ok(steps)
        }
        (_, JobEvent::Done) => Ok(vec![ended(JobState::Done)]),
        (_, JobEvent::Failed) => Ok(vec![ended(JobState::Failed)]),
        (_, JobEvent::Unreachable) => Ok(vec![ended(JobState::Unreachable)]),
    }
}

/// Who rings back: the agent's own people, the owner of the case, or whoever finds a number first.
fn call_back(occurred: &Occurred, by_gich: bool, transitional: bool, number: bool) -> Vec<Step> {
    if by_gich {
        return open(occurred, JobKind::CaseOwner, Detail::call_back(transitional));
    }
    if !number {
        return open(occurred, JobKind::Trace, Detail::trace());
    }
    open(occurred, JobKind::CallBack, Detail::call_back(transitional))
}

fn became_blocked(occurred: &Occurred, context: &Context<'_>) -> Vec<Step> {
    let mut steps = vec![];
    if !context.open.iter().any(|job| job.kind == JobKind::Unblock) {
        steps.extend(open(occurred, JobKind::Unblock, Detail::unblock()));
    }
    if occurred.rules.notify_owner {
        let notice = letter::blocked_notice(&occurred.customer, occurred.at);
        steps.push(send(ItemKind::Notice, &occurred.call, notice));
    }
    steps
}

fn unblock_ended(occurred: &Occurred, context: &Context<'_>, state: JobState) -> Vec<Step> {
    let job = context.open.iter().find(|job| job.kind == JobKind::Unblock);
    let mut steps: Vec<_> =
        job.map(|job| Step::Change { job: job.id, state, due: None }).into_iter().collect();
    let reference = letter::reference(job.map(|job| job.id), Some(occurred.call.as_str()));
    steps.extend(letters(&occurred.customer, &occurred.rules, context, occurred.at, &reference));
    steps
}

/// All letters once, and the wait for an answer; nothing while an answer is already waited for (C73).
fn letters(
    to: &CustomerId,
    rules: &Rules,
    context: &Context<'_>,
    at: Timestamp,
    reference: &str,
) -> Vec<Step> {
    if context.open.iter().any(|job| job.kind == JobKind::Renewal) {
        return vec![];
    }
    let fields = Fields { to, date: at, reference };
    let mut steps: Vec<_> = rules
        .letters
        .iter()
        .map(|name| {
            keyed(
                ItemKind::Letter,
                &format!("{name}:{reference}"),
                letter::letter(name, rules, fields),
            )
        })
        .collect();
    if context.application_stage {
        let activity = export::wait_activity(to, Stage::Application, WaitStatus::NotRequired);
        steps.extend(activity.ok().map(|wait| keyed(ItemKind::WaitActivity, reference, wait)));
    }
    let due = Some(at.after(days(rules.days)));
    let detail = Detail { code: Some(reference.to_owned()), ..Detail::default() };
    steps.push(Step::Open(NewJob {
        kind: JobKind::Renewal,
        state: JobState::Waiting,
        due,
        detail,
    }));
    steps
}

/// Day seven: an SMS or the reminder, always one of them (X27); and later the end of patience (C78).
fn time_come(
    job: &JobLine,
    rules: &Rules,
    context: &Context<'_>,
    now: Timestamp,
) -> Result<Vec<Step>, Refused> {
    if job.due.is_none_or(|due| now < due) {
        return Err(Refused::NotDue);
    }
    let own = letter::reference(Some(job.id), None);
    let reference = job.detail.code.as_deref().unwrap_or(&own);
    let fields = Fields { to: &job.customer, date: now, reference };
    if job.state == JobState::Reminded {
        let closing = export::non_response(rules, &job.customer, &rules.reminder);
        let closed = Step::Change { job: job.id, state: JobState::Closed, due: None };
        return Ok(vec![keyed(ItemKind::CloseRequest, &own, closing), closed]);
    }
    let reminder = if rules.sms_allowed && context.sms_ok {
        keyed(ItemKind::Sms, &own, letter::sms(fields))
    } else {
        let name = &rules.reminder;
        keyed(ItemKind::Letter, &format!("{name}:{own}"), letter::letter(name, rules, fields))
    };
    let due = Some(now.after(days(rules.response_days)));
    Ok(vec![reminder, Step::Change { job: job.id, state: JobState::Reminded, due }])
}

/// Ends the open jobs of these kinds: what they were for has happened.
fn settled(context: &Context<'_>, kinds: &[JobKind]) -> Vec<Step> {
    let ended = context.open.iter().filter(|job| kinds.contains(&job.kind));
    ended.map(|job| Step::Change { job: job.id, state: JobState::Done, due: None }).collect()
}

fn bogus(
    occurred: &Occurred,
    details: &str,
    direction: Direction,
    scin: &str,
    consecutive_failed: u8,
) -> Value {
    let of_call = match direction {
        Direction::Outbound => "the contact called",
        Direction::Inbound => "the contact claimed",
    };
    json!({
        "to": "security_advice_and_support_centre",
        "link": occurred.rules.sasc_link,
        "priority": true,
        "form_required": consecutive_failed >= FORM_AT,
        "consecutive_failed_calls": consecutive_failed,
        "call": occurred.call,
        "at": occurred.at.rfc3339(),
        "reported_by": occurred.what.actor(),
        "form": {
            "Features of call/Further details": scin,
            "Whose SCIN": of_call,
            "What happened": blotted(details),
        },
    })
}

/// A job for people, and the word to other systems that there is one.
fn open(occurred: &Occurred, kind: JobKind, detail: Detail) -> Vec<Step> {
    let payload = json!({
        "task": kind.word(),
        "customer": occurred.customer,
        "call": occurred.call,
        "at": occurred.at.rfc3339(),
        "detail": detail,
    });
    let key = format!("{}:{}", kind.word(), occurred.call);
    vec![Step::Open(new(kind, detail)), keyed(ItemKind::Task, &key, payload)]
}

fn new(kind: JobKind, detail: Detail) -> NewJob {
    NewJob { kind, state: JobState::Open, due: None, detail }
}

fn outcome(occurred: &Occurred, role: &str, outcome: &str) -> Step {
    let payload = json!({
        "call": occurred.call, "customer": occurred.customer, "at": occurred.at.rfc3339(),
        "role": role, "outcome": outcome,
    });
    keyed(ItemKind::CallOutcome, &format!("{}:{outcome}", occurred.call), payload)
}

/// A procedure of others begins here (C09).
fn procedure(occurred: &Occurred, name: &str, with: Value) -> Step {
    let payload = json!({
        "procedure": name, "call": occurred.call, "customer": occurred.customer,
        "at": occurred.at.rfc3339(), "with": with,
    });
    keyed(ItemKind::Procedure, &format!("{name}:{}", occurred.call), payload)
}

fn send(kind: ItemKind, call: &CallId, payload: Value) -> Step {
    keyed(kind, call.as_str(), payload)
}

fn keyed(kind: ItemKind, key: &str, payload: Value) -> Step {
    Step::Send(NewItem { kind, key: format!("{}:{key}", kind.word()), payload })
}

fn days(number: u16) -> Duration {
    Duration::from_hours(24 * u64::from(number))
}
