//! What every engine does the same way around the pure machines: rows become values, and what
//! happened becomes steps and audit entries. No engine is named here.

use serde_json::Value;
use serde_json::json;

use crate::account::Account;
use crate::account::AccountEvent;
use crate::account::BlockRule;
use crate::follow_up;
use crate::follow_up::Context;
use crate::follow_up::ItemKind;
use crate::follow_up::JobId;
use crate::follow_up::JobKind;
use crate::follow_up::JobLine;
use crate::follow_up::JobState;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Rules;
use crate::follow_up::Step;
use crate::follow_up::item::blotted;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::follow_ups::Delivery;
use crate::records::follow_ups::JobFilter;
use crate::records::follow_ups::OutboxItem;
use crate::records::follow_ups::Registry;
use crate::records::pins::By;
use crate::records::stored::from_json;
use crate::records::stored::id;
use crate::records::stored::time;

/// Open jobs of one customer that the machine looks at.
pub(super) const OPEN_MAX: usize = 100;
/// The high-water mark of the clock is stored when it has moved so far.
pub(super) const MARK_EVERY: std::time::Duration = std::time::Duration::from_mins(1);
/// Delivered items are kept so many milliseconds.
pub(super) const KEPT: u64 = 30 * 86_400_000;
/// Draws of a reference before we give up: with all of them taken, something else is wrong.
pub(super) const DRAWS: usize = 64;

/// Where steps come from.
pub(super) struct Source<'a> {
    pub(super) customer: &'a CustomerId,
    pub(super) call: Option<&'a CallId>,
    pub(super) occasion: Option<&'a str>,
    pub(super) profile: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) by: &'a str,
    pub(super) at: Timestamp,
}

impl<'a> Source<'a> {
    pub(super) fn of(occurred: &'a Occurred) -> Self {
        let Occurred { call, customer, profile, rules, at, what } = occurred;
        let (occasion, by) = (Some(what.word()), what.actor());
        Self { customer, call: Some(call), occasion, profile, rules, by, at: *at }
    }

    /// What happened to a job that is there.
    pub(super) fn job(before: &'a JobLine, rules: &'a Rules, by: &'a str, at: Timestamp) -> Self {
        let (customer, call) = (&before.customer, before.call.as_ref());
        Self { customer, call, occasion: None, profile: &before.profile, rules, by, at }
    }

    /// A block that was lifted.
    pub(super) fn lifted(
        customer: &'a CustomerId,
        rules: &'a Rules,
        by: &'a str,
        at: Timestamp,
    ) -> Self {
        Self { customer, call: None, occasion: None, profile: "", rules, by, at }
    }

    pub(super) fn entry(&self, what: &str, body: Value) -> AuditEntry {
        let (actor, call) = (self.by.to_owned(), self.call.cloned());
        let customer = Some(self.customer.clone());
        AuditEntry { at: self.at, actor, what: what.into(), call, customer, body }
    }
}

/// The occasion of an account that a call has just blocked (C71). The call names its profile later.
pub(super) fn blocked_by(call: &CallId, customer: &CustomerId, at: Timestamp) -> Occurred {
    let (call, customer) = (call.clone(), customer.clone());
    let (profile, rules, what) = (String::new(), Rules::default(), Occasion::BecameBlocked);
    Occurred { call, customer, profile, rules, at, what }
}

/// What the machine has to know about the customer.
#[derive(Default)]
pub(super) struct Around {
    open: Vec<JobLine>,
    sms_ok: bool,
    application_stage: bool,
}

impl Around {
    pub(super) fn new(open: Vec<JobLine>, flags: &[String]) -> Self {
        let flagged = |flag: &str| flags.iter().any(|set| set == flag);
        let (sms_ok, application_stage) =
            (flagged(Rules::SMS_OK), flagged(Rules::APPLICATION_STAGE));
        Self { open, sms_ok, application_stage }
    }

    /// The jobs it wants to see.
    pub(super) fn filter(customer: &CustomerId) -> JobFilter {
        JobFilter { customer: Some(customer.clone()), open: Some(true), ..JobFilter::default() }
    }

    pub(super) fn context(&self) -> Context<'_> {
        let Self { open, sms_ok, application_stage } = self;
        Context { open, sms_ok: *sms_ok, application_stage: *application_stage }
    }

    /// What follows from an occasion. Heard of again, only its items: they are enqueued once anyway.
    pub(super) fn steps(&self, occurred: &Occurred, first: bool) -> Vec<Step> {
        let mut steps = follow_up::occurred(occurred, &self.context());
        if !first {
            steps.retain(|step| matches!(step, Step::Send(_)));
        }
        steps
    }

    /// The end of the jobs that were to lift a block which is no more.
    pub(super) fn ended(&self) -> Vec<Step> {
        let ends = |job: &&JobLine| matches!(job.kind, JobKind::Unblock | JobKind::Renewal);
        let ended = self.open.iter().filter(ends);
        ended.map(|job| Step::Change { job: job.id, state: JobState::Done, due: None }).collect()
    }
}

/// A job as it is stored.
pub(super) struct JobRow {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) customer: String,
    pub(super) call: Option<String>,
    pub(super) profile: String,
    pub(super) opened: i64,
    pub(super) due: Option<i64>,
    pub(super) changed: i64,
    pub(super) changed_by: String,
    pub(super) detail: String,
}

impl JobRow {
    pub(super) fn line(self) -> Result<JobLine, RecordsError> {
        let record = format!("job {}", self.id);
        let corrupt = || RecordsError::Corrupt(record.clone());
        Ok(JobLine {
            id: JobId(self.id),
            kind: JobKind::from_word(&self.kind).ok_or_else(corrupt)?,
            state: JobState::from_word(&self.state).ok_or_else(corrupt)?,
            customer: id(self.customer)?,
            call: self.call.map(id).transpose()?,
            profile: self.profile,
            opened: time(self.opened),
            due: self.due.map(time),
            changed: time(self.changed),
            changed_by: self.changed_by,
            detail: from_json(&self.detail, &record)?,
        })
    }
}

/// An item as it is stored, with what became of it.
pub(super) fn item(
    id: String,
    kind: &str,
    payload: &str,
    enqueued: i64,
    deliveries: Vec<Delivery>,
) -> Result<OutboxItem, RecordsError> {
    let record = format!("outbox item {id}");
    let kind = ItemKind::from_word(kind).ok_or_else(|| RecordsError::Corrupt(record.clone()))?;
    let payload = from_json(payload, &record)?;
    Ok(OutboxItem { id, kind, payload, enqueued: time(enqueued), deliveries })
}

/// The audit entry of an item that a sink contradicts.
pub(super) fn contradicted(
    id: &str,
    sink: &str,
    payload: &str,
    at: Timestamp,
) -> Result<AuditEntry, RecordsError> {
    let payload: Value = from_json(payload, &format!("outbox item {id}"))?;
    let text = |field: &str| payload.get(field).and_then(Value::as_str);
    Ok(AuditEntry {
        at,
        actor: "system".into(),
        what: "delivery_conflict".into(),
        call: text("call").and_then(|call| call.parse().ok()),
        customer: text("customer").and_then(|customer| customer.parse().ok()),
        body: json!({ "item": id, "sink": sink }),
    })
}

/// Somebody's order about an account.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) customer: CustomerId,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) call: Option<CallId>,
    pub(super) at: Timestamp,
}

impl Order {
    pub(super) fn new(
        customer: &CustomerId,
        by: &str,
        reason: &str,
        call: Option<&CallId>,
        at: Timestamp,
    ) -> Self {
        let (customer, by, call) = (customer.clone(), by.to_owned(), call.cloned());
        Self { customer, by, reason: blotted(reason), call, at }
    }

    pub(super) fn entry(&self, what: &str, body: Value) -> AuditEntry {
        let (actor, call) = (self.by.clone(), self.call.clone());
        let customer = Some(self.customer.clone());
        AuditEntry { at: self.at, actor, what: what.into(), call, customer, body }
    }
}

/// The audit entry of an erasure. It names what stood for the person, and not the person.
pub(super) fn erasure(by: &By, subject: Option<&str>, mut body: Value) -> AuditEntry {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("subject".into(), json!(subject));
        fields.insert("reason".into(), json!(blotted(&by.reason)));
    }
    let (actor, what) = (by.actor.clone(), "customer_erased".to_owned());
    AuditEntry { at: by.now, actor, what, call: None, customer: None, body }
}

/// Applies an event that neither reads the rule nor says anything beside.
pub(super) fn apply(account: &mut Account, event: AccountEvent, now: Timestamp) {
    let _ = account.apply(event, BlockRule::default(), now);
}

/// Where an account stands after an order.
pub(super) fn after(account: &Account) -> AccountAfter {
    AccountAfter { standing: account.standing(), facts: vec![], call_failed: false }
}

/// The stored word of a registry.
pub(super) const fn registry_word(registry: Registry) -> &'static str {
    match registry {
        Registry::Bofe => "bofe",
        Registry::IamManager => "iam_manager",
    }
}

/// Six digits by chance.
pub(super) fn six_digits() -> String {
    format!("{:06}", rand::random_range(0..1_000_000_u32))
}
