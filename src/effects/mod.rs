//! CARRIES OUT. One match: what a call decided → platform, PIN workers, records, sessions, desktops.
//!
//! What goes to the records goes through one queue per call, so that it is stored in the order in
//! which it was decided; the call itself never waits.

mod afterwards;
mod entries;
pub mod guarding;
#[cfg(test)]
mod histories;
pub mod in_app;
mod judging;
pub mod lookup;
pub mod replies;
pub mod sharing;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use metrics::counter;
use metrics::gauge;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::error;
use tracing::info;

use crate::account::AccountFact;
use crate::account::BlockRule;
use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::EndedCall;
use crate::call::effect::LastState;
use crate::call::input::After;
use crate::call::input::Down;
use crate::call::input::Input;
use crate::call::input::Reply;
use crate::call::saved::Saved;
use crate::call::view::CallView;
use crate::effects::entries::Entry;
use crate::effects::guarding::CallWatch;
use crate::effects::guarding::Guard;
use crate::effects::in_app::InApp;
use crate::effects::replies::Replies;
use crate::effects::sharing::Sharing;
use crate::engine::CallHandle;
use crate::engine::Effects;
use crate::engine::Taken;
use crate::engine::clock::Clock;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::pin::workers::PinWorkers;
use crate::platform::Leg;
use crate::policy::Profile;
use crate::push::hub::Hub;
use crate::push::hub::Published;
use crate::records;
use crate::records::AccountAfter;
use crate::records::AuditEntry;
use crate::records::CallRecord;
use crate::records::Records;
use crate::records::RecordsError;
use crate::sessions::Sessions;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::Stamp;
use crate::stats::Shared as Stats;

/// Store work that waits for one call at the most.
const QUEUE_LEN: usize = 64;
/// No store operation is waited for longer; the call's own deadlines are a little later.
const STORE_MAX: Duration = Duration::from_secs(4);

/// What calls work with.
pub struct World {
    /// Durable truth.
    pub records: Arc<dyn Records>,
    /// Intents.
    pub sessions: Arc<dyn Sessions>,
    /// The verifier.
    pub pins: Arc<PinWorkers>,
    /// The desktops.
    pub hub: Arc<Hub>,
    /// Who asks too often.
    pub guard: Arc<Guard>,
    /// The clocks.
    pub clock: Clock,
    /// Whose tasks the work is.
    pub tasks: TaskTracker,
    /// Desktop requests that wait for their answer.
    pub replies: Replies,
    /// What customers' apps show of the calls we make.
    pub in_app: InApp,
    /// What supervisors watch.
    pub stats: Arc<Stats>,
    /// What other nodes are told; nothing where there are none.
    pub sharing: Option<Arc<Sharing>>,
}

/// What other nodes are told of a call.
#[derive(Serialize)]
struct Body<'a> {
    view: &'a CallView,
    saved: &'a Saved,
    leg: Value,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Carries out one call's effects.
pub struct Carrier {
    world: Arc<World>,
    call: CallId,
    leg: Box<dyn Leg>,
    queue: mpsc::Sender<Work>,
    profile: Arc<Profile>,
    customer: Option<CustomerId>,
    agent: Option<AgentId>,
    /// The customer's half of the letter's code pair, while it is waited for.
    letter: Arc<Mutex<Option<SecretText>>>,
    watch: CallWatch,
    stamp: Stamp,
    let_go: bool,
}

impl Carrier {
    /// A carrier with its leg and its store queue.
    #[must_use]
    pub fn new(world: Arc<World>, call: CallId, leg: Box<dyn Leg>, profile: Arc<Profile>) -> Self {
        Self::of_term(world, call, leg, profile, 0)
    }

    /// A carrier for a call that changed its node so many times.
    #[must_use]
    pub fn of_term(
        world: Arc<World>,
        call: CallId,
        leg: Box<dyn Leg>,
        profile: Arc<Profile>,
        term: u64,
    ) -> Self {
        let (queue, mut work) = mpsc::channel::<Work>(QUEUE_LEN);
        world.tasks.spawn(async move {
            while let Some(next) = work.recv().await {
                next.await;
            }
        });
        gauge!("countersign_active_calls").increment(1);
        Self {
            world,
            call,
            leg,
            queue,
            profile,
            customer: None,
            agent: None,
            letter: Arc::default(),
            watch: CallWatch::default(),
            stamp: Stamp { term, version: 0 },
            let_go: false,
        }
    }

    /// Queues store work whose answer the call waits for.
    fn ask<F>(&self, call: &CallHandle, work: F)
    where
        F: Future<Output = Input> + Send + 'static,
    {
        let call = call.clone();
        self.later(async move {
            let answer = work.await;
            // A call that is over does not need it; what had to be stored is stored.
            let _ = call.deliver(answer).await;
        });
    }

    fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        if self.queue.try_send(Box::pin(work)).is_err() {
            // Its deadline tells the call; records that cannot follow are an operator's business.
            error!(call = %self.call, "the call's store queue is full; work was dropped");
            counter!("countersign_shed_total", "reason" => "store_queue").increment(1);
        }
    }

    fn audit(
        &self,
        taken: Taken,
        actor: String,
        what: &'static str,
        body: serde_json::Value,
    ) -> AuditEntry {
        let (call, customer) = (Some(self.call.clone()), self.customer.clone());
        AuditEntry { at: taken.now.wall, actor, what: what.into(), call, customer, body }
    }

    fn publish(&mut self, view: CallView, taken: Taken) {
        self.customer = view.customer.as_ref().map(|customer| customer.id.clone());
        self.agent.clone_from(&view.agent);
        self.leg.shows(&view);
        self.world.stats.observe(&view, taken.now.wall);
        self.world.hub.publish(Published {
            call: view,
            term: self.stamp.term,
            taken_in: taken.instant,
        });
    }

    fn ended(&self, ended: EndedCall, taken: Taken) {
        self.world.stats.observe(&ended.last.view, taken.now.wall);
        let class = ended.class.map_or("none", |class| class.word());
        if ended.count {
            count(class, ended.outcome);
        }
        info!(call = %self.call, class, outcome = ended.outcome, "call ended");
        let body =
            serde_json::json!({ "class": class, "outcome": ended.outcome, "pin": ended.pin });
        let entry = self.audit(taken, "system".into(), "call_ended", body);
        let record = self.record(ended.last);
        let world = Arc::clone(&self.world);
        self.later(async move {
            let stored = async {
                world.records.save_call(record).await?;
                world.records.audit(entry).await
            };
            report("save_call", timed("save_call", stored).await);
        });
    }

    fn record(&self, last: LastState) -> CallRecord {
        let mut view = serde_json::to_value(last.view.for_watchers()).unwrap_or_default();
        if let Some(fields) = view.as_object_mut() {
            let transcript = serde_json::to_value(&last.transcript).unwrap_or_default();
            fields.insert("transcript".into(), transcript);
        }
        CallRecord {
            id: self.call.clone(),
            started_at: last.started_at,
            ended_at: last.ended_at,
            customer: last.customer,
            view,
        }
    }
}

impl Effects for Carrier {
    fn start(&mut self, effect: Effect, taken: Taken, call: &CallHandle) {
        self.watch.notice(&effect, &self.world.guard, &self.call, (taken.now, taken.instant));
        match effect {
            Effect::Publish(view) => self.publish(*view, taken),
            Effect::Answer => self.leg.answer(),
            Effect::Play(prompt) => self.leg.play(prompt),
            Effect::StopPlaying => self.leg.stop_playing(),
            Effect::HandOver { to, answered } => self.leg.hand_over(&to, answered, &self.call),
            Effect::Clear(cause) => self.leg.clear(cause),
            Effect::Answered(reply, outcome) => self.world.replies.answer(reply, outcome),
            Effect::Count { class, outcome } => count(class.word(), outcome),
            Effect::Ended(ended) => self.ended(*ended, taken),
            Effect::Release(last) => self.release(*last),
            Effect::Disown => {
                self.let_go = true;
                self.world.stats.gone(&self.call);
            }
            store => self.store(store, taken, call),
        }
    }

    fn stepped(&mut self, call: &Call, taken: Taken) {
        if !self.let_go {
            self.share(call, taken);
        }
    }
}

impl Carrier {
    /// Everything that a store or the verifier answers.
    fn store(&mut self, effect: Effect, taken: Taken, call: &CallHandle) {
        let world = Arc::clone(&self.world);
        match effect {
            Effect::LookUp { caller, dnis, intent, claimed, direction } => {
                let asked = lookup::Asked { caller, dnis, intent, claimed, direction };
                let at = taken.now;
                self.ask(call, async move {
                    Input::LookedUp(Box::new(lookup::caller(&world, asked, at).await))
                });
            }
            Effect::LookUpKeyed(claimed) => {
                let source = self.watch.source();
                self.ask(call, async move {
                    let found = lookup::keyed(&world, &claimed, source, taken.now).await;
                    Input::KeyedLookedUp(found)
                });
            }
            Effect::Draw(subject) => self.draw(subject, taken, call),
            Effect::Reserve { subject, entry, last, positions, rule } => {
                let entry = Entry { subject, number: entry, last, positions, rule };
                self.reserve(entry, taken, call);
            }
            Effect::Judge { subject, positions, keys } => {
                self.ask(call, async move {
                    Input::Judged(judging::judge(&world, subject, positions, keys).await)
                });
            }
            Effect::Settle { ticket, verdict } => self.settle(ticket, verdict, taken, call),
            Effect::RecordResult { customer, result, rule } => {
                self.record_result(customer, result, rule, taken, call);
            }
            Effect::JudgePassword { customer, said, reply } => self.ask(call, async move {
                let judgement = judging::judge_password(&world, customer, said).await;
                Input::PasswordJudged { judgement, reply }
            }),
            Effect::AuditReveal { question, by, reply } => {
                self.audit_reveal(question, by, reply, taken, call);
            }
            Effect::Audit { actor, what, body } => {
                let entry = self.audit(taken, actor, what, body);
                self.later(async move {
                    report("audit", timed("audit", world.records.audit(entry)).await);
                });
            }
            other @ (Effect::LookUpCustomer { .. }
            | Effect::Asked { .. }
            | Effect::ResetSecurity { .. }
            | Effect::Unblock { .. }
            | Effect::FollowUp(_)
            | Effect::ProofMaterial { .. }
            | Effect::CompareLetter { .. }
            | Effect::ShowInApp(_)) => self.afterwards(other, taken, call),
            Effect::Publish(_)
            | Effect::Answer
            | Effect::Play(_)
            | Effect::StopPlaying
            | Effect::HandOver { .. }
            | Effect::Clear(_)
            | Effect::Answered(..)
            | Effect::Count { .. }
            | Effect::Ended(_)
            | Effect::Disown
            | Effect::Release(_) => {}
        }
    }

    fn record_result(
        &self,
        customer: CustomerId,
        result: CallResult,
        rule: BlockRule,
        taken: Taken,
        call: &CallHandle,
    ) {
        let (world, id, now) = (Arc::clone(&self.world), self.call.clone(), taken.now.wall);
        let stored = record_result(result);
        let work = async move {
            let after = world.records.call_result(&id, &customer, stored, rule, now);
            let after = timed("call_result", after).await;
            after.map(|after| after_event(&world.stats, now, after))
        };
        if result == CallResult::Abandoned {
            self.later(async move { report("call_result", work.await.map(drop)) });
        } else {
            self.ask(call, async move { Input::ResultRecorded(work.await) });
        }
    }

    /// X11, 5.7: no look without a line in the audit chain, and no more looks than an agent's share.
    fn audit_reveal(
        &self,
        question: FactKey,
        by: AgentId,
        reply: Reply,
        taken: Taken,
        call: &CallHandle,
    ) {
        let world = Arc::clone(&self.world);
        if !CallWatch::may_reveal(&by, &world.guard, taken.now) {
            counter!("countersign_quota_refused_total").increment(1);
            let audited = Ok(None);
            self.ask(call, async move { Input::Revealed { question, by, reply, audited } });
            return;
        }
        let body = serde_json::json!({ "question": question });
        let entry = self.audit(taken, by.to_string(), "answer_revealed", body);
        self.ask(call, async move {
            let audited = timed("audit", world.records.audit(entry)).await.map(Some);
            Input::Revealed { question, by, reply, audited }
        });
    }

    /// Puts the call where other nodes see it, behind its back.
    fn share(&mut self, call: &Call, taken: Taken) {
        let Some(sharing) = &self.world.sharing else { return };
        self.stamp.version += 1;
        let view = call.view();
        let saved = call.saved(taken.now);
        let body = Body { view: &view.for_watchers(), saved: &saved, leg: self.leg.saved() };
        // Plain structs always become JSON.
        let Ok(text) = serde_json::to_string(&body) else { return };
        sharing.put(SharedCall {
            id: self.call.clone(),
            stamp: self.stamp,
            owner: sharing.node().clone(),
            platform: PlatformKey { platform: saved.platform, call: saved.platform_call_id },
            agent: view.agent,
            queue: view.queue,
            body: text.into(),
        });
    }

    fn release(&mut self, last: LastState) {
        self.let_go = true;
        if let Some(sharing) = &self.world.sharing {
            sharing.gone(self.call.clone());
        }
        let record = self.record(last);
        let world = Arc::clone(&self.world);
        self.later(async move {
            report("save_call", timed("save_call", world.records.save_call(record)).await);
        });
        self.world.hub.remove(&self.call);
        self.world.stats.gone(&self.call);
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        gauge!("countersign_active_calls").decrement(1);
    }
}

fn count(class: &'static str, outcome: &'static str) {
    counter!("countersign_calls_total", "class" => class, "outcome" => outcome).increment(1);
}

const fn record_result(result: CallResult) -> records::CallResult {
    match result {
        CallResult::Passed => records::CallResult::Passed,
        CallResult::PassedCompensated => records::CallResult::PassedCompensated,
        CallResult::Failed => records::CallResult::Failed,
        CallResult::ResetRequired => records::CallResult::ResetRequired,
        CallResult::Abandoned => records::CallResult::Abandoned,
    }
}

fn after_event(stats: &Stats, now: Timestamp, after: AccountAfter) -> After {
    for fact in &after.facts {
        match fact {
            AccountFact::BecameBlocked => {
                counter!("countersign_lockouts_total").increment(1);
                stats.locked_out(now);
            }
            AccountFact::BecameResetRequired => {
                counter!("countersign_resets_required_total").increment(1);
            }
            AccountFact::FishingSuspected => {
                counter!("countersign_fishing_suspected_total").increment(1);
            }
        }
    }
    After { standing: after.standing, call_failed: after.call_failed }
}

fn report(op: &'static str, outcome: Result<(), Down>) {
    if outcome.is_err() {
        error!(op, "a record could not be stored");
    }
}

/// Measures a store operation, bounds it in time, and says in the log why it failed.
pub(crate) async fn timed<T>(
    op: &'static str,
    work: impl Future<Output = Result<T, RecordsError>>,
) -> Result<T, Down> {
    let started = tokio::time::Instant::now();
    let outcome = timeout(STORE_MAX, work).await;
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("countersign_store_seconds", "store" => "records", "op" => op)
        .record(seconds);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            error!(op, %error, "record store");
            Err(Down)
        }
        Err(_) => {
            error!(op, "the record store did not answer in time");
            Err(Down)
        }
    }
}
