//! Passing a call on (C83, X31): a warm hand-on to an agent carries the check, nothing else does.

use serde_json::json;

use crate::call::Call;
use crate::call::effect::Effect;
use crate::call::facts::Who;
use crate::call::input::CallEvent;
use crate::call::input::TransferTo;
use crate::call::phase::Phase;
use crate::model::auth::Authentication;
use crate::model::time::Now;
use crate::policy::table;

impl Call {
    /// What the platform says about agents and transfers.
    pub(crate) fn platform_moves(
        &mut self,
        phase: Phase,
        event: CallEvent,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let effects = match event {
            CallEvent::Held => {
                self.facts.note_of(Who::Platform, now.wall, "held");
                vec![]
            }
            CallEvent::Retrieved => {
                self.facts.note_of(Who::Platform, now.wall, "retrieved");
                vec![]
            }
            CallEvent::AgentJoined(agent) => {
                self.facts.note_of(Who::Platform, now.wall, format!("{agent} joined"));
                match &self.facts.agent {
                    None => {
                        self.facts.agent = Some(agent);
                        vec![]
                    }
                    Some(current) if *current == agent => {
                        self.facts.agent_gone = false;
                        vec![]
                    }
                    // Whoever takes the place of an agent who left without a word starts anew.
                    Some(_) if self.facts.agent_gone => {
                        self.pass_on(TransferTo::Agent(agent), false, "platform", now)
                    }
                    Some(_) => vec![],
                }
            }
            CallEvent::AgentLeft(agent) => {
                self.facts.note_of(Who::Platform, now.wall, format!("{agent} left"));
                self.facts.agent_gone |= self.facts.agent.as_ref() == Some(&agent);
                vec![]
            }
            CallEvent::Transferred { to, warm } => self.pass_on(to, warm, "platform", now),
            CallEvent::Established
            | CallEvent::DigitGenerated(_)
            | CallEvent::PromptEnded
            | CallEvent::HandedOver(_)
            | CallEvent::LegLost
            | CallEvent::LegBack
            | CallEvent::ConnectionCleared(_) => vec![],
        };
        (phase, effects)
    }

    /// Gives the call to somebody else.
    pub(crate) fn pass_on(
        &mut self,
        to: TransferTo,
        warm: bool,
        by: &str,
        now: Now,
    ) -> Vec<Effect> {
        self.conceal();
        self.facts.agent_gone = false;
        let (kind, name) = match &to {
            TransferTo::Agent(agent) => ("agent", agent.to_string()),
            TransferTo::Queue(queue) => ("queue", queue.to_string()),
        };
        let manner = if warm { "warm" } else { "blind" };
        self.facts.note_of(Who::Agent, now.wall, format!("passed on to {kind} {name} ({manner})"));
        let body = json!({ "to": name, "kind": kind, "warm": warm });
        let mut effects = vec![Effect::Audit { actor: by.into(), what: "call_transferred", body }];
        let carried = warm && kind == "agent";
        match to {
            TransferTo::Agent(agent) => self.facts.agent = Some(agent),
            TransferTo::Queue(queue) => {
                self.facts.agent = None;
                self.facts.queue = queue;
            }
        }
        if !carried {
            effects.extend(self.recheck(now));
        }
        effects
    }

    /// The next agent has not heard the caller pass: a new check, worth no more than a stranger's. What
    /// went wrong stays wrong, and no question is asked twice.
    pub(crate) fn recheck(&mut self, now: Now) -> Vec<Effect> {
        if self.facts.verdict.is_some() || self.facts.resetting {
            self.facts.recheck_after = true;
            return vec![];
        }
        match self.facts.authentication {
            Authentication::Authenticated => {
                self.facts.rechecking = true;
                self.facts.recovered = false;
                if let Some(party) = &mut self.facts.party {
                    party.by_agent = false;
                    party.permission = None;
                }
                self.start_check_again();
                self.decide(now)
            }
            Authentication::InProgress => {
                self.facts.rechecking = true;
                let factors = &mut self.facts.factors;
                if factors.pin == table::Pin::Correct {
                    factors.pin = table::Pin::Pending;
                }
                if factors.password == table::Password::Correct {
                    factors.password = table::Password::Pending;
                    self.facts.password_said = false;
                }
                self.decide(now)
            }
            Authentication::NotAuthenticated
            | Authentication::PartiallyVerified
            | Authentication::Failed
            | Authentication::ResetRequired
            | Authentication::Blocked
            | Authentication::SystemUnavailable => vec![],
        }
    }
}
