//! Going on with a call of a node that is gone (D06).
//!
//! What is on disk outranks what was saved behind the call's back: an entry that the saved state does
//! not know counts all the same (P4). A PIN entry in progress is void and is asked again where the
//! platform still holds the caller; a caller whose media ran through the lost node is gone with it.

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::call::capture::Next;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::facts::Facts;
use crate::call::facts::Who;
use crate::call::input::Known;
use crate::call::phase::ANSWER_MAX;
use crate::call::phase::LOOK_UP_MAX;
use crate::call::phase::Phase;
use crate::call::phase::STORE_MAX;
use crate::call::saved;
use crate::call::saved::Saved;
use crate::call::saved::SavedOffer;
use crate::call::saved::SavedStage;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::auth::Verdict;
use crate::model::call_kind::Collects;
use crate::model::cause::Cause;
use crate::model::ids::AgentId;
use crate::model::time::Now;
use crate::outbound::proof::Proof;
use crate::policy::Profile;
use crate::policy::table;

/// What the records know about a call, whatever was saved of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OnRecord {
    /// Entries that were written down and not void.
    pub entries: u8,
    /// What the last of them was.
    pub last: Option<Verdict>,
    /// Whether the call counts as failed.
    pub failed: bool,
    /// Whether a pass was recorded.
    pub passed: bool,
}

/// All that is needed to go on with a call.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// What was saved.
    pub saved: Saved,
    /// The profile it is decided by.
    pub profile: Arc<Profile>,
    /// The customer as the records have them now; `None`: there is none, or they are gone.
    pub known: Option<Box<Known>>,
    /// What the records know of the call.
    pub on_record: OnRecord,
    /// In whose name what was on its way to disk is sent again.
    pub by: AgentId,
}

impl Call {
    /// Goes on with a call, and what to do first.
    pub fn adopted(adoption: Adoption, now: Now) -> (Self, Vec<Effect>) {
        let Adoption { saved, profile, known, on_record, by } = adoption;
        let stage = saved.stage;
        let facts = facts(saved, profile, known, on_record, now);
        let mut call = Self { facts, phase: Phase::Released, shown: None };
        call.facts.note_of(Who::Daemon, now.wall, "another node goes on with this call");
        let mut effects = call.under_way(on_record, &by);
        let (phase, more) = call.go_on(stage, now);
        effects.extend(more);
        call.phase = phase;
        let effects = call.publish_then(effects);
        (call, effects)
    }

    /// Another node has the call, or is to have it. Nothing is told to anybody: it is that node's to
    /// tell. A caller whose media is here cannot come along.
    pub(crate) fn disowned(&mut self, phase: &Phase) -> Next {
        let media_here = self.facts.collects == Collects::WhileHeld
            && self.facts.ended_at.is_none()
            && !matches!(phase, Phase::HandedOver { .. });
        let mut effects = vec![];
        if let Phase::Judging { ticket, .. } = phase {
            effects.push(Effect::Settle { ticket: *ticket, verdict: None });
        }
        if media_here {
            effects.push(Effect::Clear(Cause::TEMPORARY_FAILURE));
        }
        effects.push(Effect::Disown);
        (Phase::Released, effects)
    }

    /// What was on its way to disk is sent again; the records take it once a call.
    fn under_way(&mut self, on_record: OnRecord, by: &AgentId) -> Vec<Effect> {
        let facts = &mut self.facts;
        let Some(customer) = facts.customer.as_ref().map(|known| known.id.clone()) else {
            facts.verdict = None;
            facts.resetting = false;
            return vec![];
        };
        let rule = facts.profile.block;
        if facts.resetting {
            let reason = "three additional questions answered".to_owned();
            let (by, reply) = (by.clone(), None);
            return vec![Effect::ResetSecurity {
                customer,
                by,
                reason,
                recovered: true,
                rule,
                reply,
            }];
        }
        if facts.verdict.is_none() && !facts.authentication.is_final() {
            let by_pin = facts.factors.pin == table::Pin::Wrong;
            facts.verdict = match on_record {
                OnRecord { passed: true, .. } => Some(CallResult::Passed),
                OnRecord { failed: true, .. } if !by_pin => Some(CallResult::Failed),
                _ => None,
            };
        }
        let again = facts.verdict.map(|result| Effect::RecordResult { customer, result, rule });
        again.into_iter().collect()
    }

    fn go_on(&mut self, stage: SavedStage, now: Now) -> Next {
        let left = |ms| now.up + Duration::from_millis(ms);
        if stage.is_with_machine() && self.facts.collects == Collects::WhileHeld {
            return self.media_lost(now);
        }
        match stage {
            SavedStage::Released => (Phase::WrapUp { until: now.up }, vec![]),
            SavedStage::WrapUp { left_ms } => (Phase::WrapUp { until: left(left_ms) }, vec![]),
            SavedStage::HandedOver { left_ms } => {
                let effects = self.decide_again(now);
                (Phase::HandedOver { until: left(left_ms) }, effects)
            }
            SavedStage::LookingUp => {
                let facts = &self.facts;
                let look_up = Effect::LookUp {
                    caller: facts.caller.clone(),
                    dnis: facts.dnis.clone(),
                    intent: None,
                    claimed: facts.claimed_customer.clone(),
                    direction: facts.direction,
                };
                (Phase::LookingUp { until: now.up + LOOK_UP_MAX }, vec![look_up])
            }
            SavedStage::Identifying if self.facts.entries == 0 => {
                (Phase::Answering { until: now.up + ANSWER_MAX }, vec![Effect::Answer])
            }
            SavedStage::Identifying | SavedStage::Pin => self.ask_pin_again(now),
            SavedStage::Deciding if self.facts.verdict.is_some() => {
                (Phase::Deciding { until: now.up + STORE_MAX }, vec![])
            }
            SavedStage::Deciding => self.hand_over(false, now),
            SavedStage::Leaving { answered } => self.hand_over(answered, now),
            SavedStage::Parting => self.hang_up(Cause::TEMPORARY_FAILURE, now),
        }
    }

    /// The entry in progress is void. Those that are on disk count, and whatever they left is asked for.
    pub(crate) fn ask_pin_again(&mut self, now: Now) -> Next {
        let attempts = self.facts.profile.capture.attempts;
        match self.facts.factors.pin {
            table::Pin::Pending if self.facts.entries < attempts => {
                self.facts.note(now.wall, "the PIN entry in progress is void and is asked again");
                self.draw(now)
            }
            // It was over, on disk, before anybody could be told.
            factor => {
                let result = match factor {
                    table::Pin::Correct => PinResult::Correct,
                    _ => PinResult::Incorrect,
                };
                self.pin_over(factor, Some(result), now)
            }
        }
    }

    /// C51: the caller could not finish, and not by their doing. Nothing more is counted.
    fn media_lost(&mut self, now: Now) -> Next {
        let shown = self.facts.pin.as_mut().filter(|pin| pin.result.is_none());
        if let Some(shown) = shown {
            shown.result = Some(PinResult::Abandoned);
        }
        self.facts.note(now.wall, "the node that held the caller's media is gone");
        self.ended(Cause::TEMPORARY_FAILURE, now)
    }

    /// A password that was being judged is said again; what the table wants next is shown.
    fn decide_again(&mut self, now: Now) -> Vec<Effect> {
        if self.facts.factors.password == table::Password::Pending {
            self.facts.password_said = false;
        }
        if self.facts.authentication == Authentication::InProgress {
            self.decide(now)
        } else {
            vec![]
        }
    }
}

/// The facts of a saved call, put right by what the records know.
#[expect(clippy::too_many_lines, reason = "one line a field, so that none is forgotten")]
fn facts(
    saved: Saved,
    profile: Arc<Profile>,
    known: Option<Box<Known>>,
    on_record: OnRecord,
    now: Now,
) -> Facts {
    let attempts = profile.capture.attempts;
    let mut factors = saved.factors;
    if factors.pin == table::Pin::Pending {
        factors.pin = match on_record.last {
            Some(Verdict::Correct) => table::Pin::Correct,
            Some(Verdict::Wrong) if on_record.entries >= attempts => table::Pin::Wrong,
            _ => table::Pin::Pending,
        };
    }
    let lost = saved.customer.is_some() && known.is_none();
    let proof = saved.proof.map(|proof| Proof::restored(profile.outbound.clone(), proof));
    let mut facts = Facts {
        id: saved.id,
        platform: saved.platform,
        platform_call_id: saved.platform_call_id,
        direction: saved.direction,
        collects: saved.collects,
        caller: saved.caller,
        dnis: saved.dnis,
        queue: saved.queue,
        queue_uri: saved.queue_uri,
        intent: None,
        claimed_customer: saved.claimed_customer,
        handed_over_max: Duration::from_millis(saved.handed_over_max_ms),
        purpose: saved.purpose,
        clock_gap: Duration::from_millis(now.wall.0).saturating_sub(now.up.0),
        started_at: saved.started_at,
        ended_at: saved.ended_at,
        profile,
        class: saved.class,
        evidence: saved.evidence,
        customer: None,
        stranger: None,
        party: saved.party,
        route: saved.route,
        authentication: saved.authentication,
        message: saved.message,
        factors,
        pin: saved.pin,
        attempt_made: saved.attempt_made || on_record.entries > 0,
        entries: saved.entries.max(on_record.entries),
        call_failed: saved.call_failed || on_record.failed,
        password_due: saved.password_due,
        password_said: saved.password_said,
        questions: saved.questions,
        recovering: saved.recovering,
        recovered: saved.recovered,
        leg_lost: false,
        resetting: saved.resetting,
        call_back: saved.call_back.as_ref().map(SavedOffer::offer),
        reminder: saved.reminder,
        enrolment_required: saved.enrolment_required,
        bogus_reported: saved.bogus_reported,
        proof,
        transcript: saved.transcript,
        verdict: saved.verdict,
        agent: saved.agent,
        with_agent: saved.with_agent,
        keyed: saved.keyed,
        renamed: saved.renamed,
        given: saved::given(saved.given),
        released_by: saved.released_by,
        agent_gone: saved.agent_gone,
        recheck_after: saved.recheck_after,
        rechecking: saved.rechecking,
        notes: saved.notes,
        followed_up: saved.followed_up,
        timeline: saved.timeline.into(),
        version: saved.version,
        counted: saved.counted,
        books_closed: saved.books_closed,
    };
    facts.customer = known.map(|known| before_this_call(*known, facts.call_failed));
    if lost && !facts.authentication.is_final() {
        facts.conclude(Authentication::SystemUnavailable);
    }
    facts
}

/// The account as it stood for this call: a failure of its own is not one before it (C79), and a block
/// of its own making can still be lifted by its questions (§4).
fn before_this_call(mut known: Known, call_failed: bool) -> Known {
    if call_failed {
        known.failed_calls = known.failed_calls.saturating_sub(1);
    }
    known
}
