//! Outbound calls: who we are comes before who they are (OB-1, O01–O09, X32).

use serde_json::json;

use crate::call::Call;
use crate::call::desk;
use crate::call::desk::audit;
use crate::call::desk::done;
use crate::call::effect::Effect;
use crate::call::facts::Party;
use crate::call::facts::Who;
use crate::call::input::Down;
use crate::call::input::Input;
use crate::call::input::Material;
use crate::call::input::Reply;
use crate::call::phase::Phase;
use crate::call::request::ProofResult;
use crate::call::request::Refusal;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::call_kind::Direction;
use crate::model::caller::CallerClass;
use crate::model::digits::SecretText;
use crate::model::ids::AgentId;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::party::PartyRole;
use crate::model::time::Now;
use crate::outbound::BeforeDialling;
use crate::outbound::Method;
use crate::outbound::Purpose;
use crate::outbound::proof::Proof;
use crate::outbound::step::Choice;
use crate::outbound::step::Event;
use crate::outbound::step::Recorded;
use crate::outbound::step::Step;

/// The question under which the customer's half of a letter's code pair is typed.
pub(crate) const LETTER_CODE: &str = "letter_code";

impl Call {
    /// An outbound call begins with an agent and a customer on the line, and with nothing asked.
    pub(crate) fn start_outbound(&mut self, now: Now) -> Vec<Effect> {
        let purpose = self.facts.purpose.unwrap_or_default();
        self.facts.purpose = Some(purpose);
        if purpose == Purpose::Employer {
            self.facts.party = Some(Party {
                role: PartyRole::Employer,
                by_agent: true,
                needs_client: false,
                client_present: None,
                permission: None,
            });
            self.ask_employer();
            return vec![Effect::FollowUp(Occasion::EmployerContact)];
        }
        // The class of an outbound call says what its number is worth (X30).
        let before = BeforeDialling {
            number_age_ok: self.facts.class() != CallerClass::Unverified,
            sim_swapped: None,
            forwarded: None,
        };
        let rules = self.facts.profile.outbound.clone();
        self.facts.proof = Some(Proof::new(rules, purpose, before));
        self.facts.note(now.wall, "we ring: our proof comes first");
        vec![]
    }

    /// An agent says that they make the outbound call that the platform reported.
    pub(crate) fn announced(
        &mut self,
        agent: AgentId,
        customer: Option<&CustomerId>,
        purpose: Purpose,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let known = self.facts.customer.as_ref().map(|known| &known.id);
        let untouched = self.facts.proof.as_ref().is_none_or(Proof::is_untouched);
        let same = self.facts.direction == Direction::Outbound && (known == customer);
        let refusal = match &self.facts.agent {
            _ if !same || self.facts.ended_at.is_some() => Some(Refusal::NoSuchCall),
            Some(owner) if *owner != agent => Some(Refusal::NotYours),
            _ if !untouched => Some(Refusal::NotNow),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return vec![Effect::Answered(reply, Err(refusal))];
        }
        self.facts.note_of(Who::Agent, now.wall, format!("announced by {agent}"));
        let mut effects =
            vec![audit(&agent, "call_announced", json!({ "purpose": purpose.word() }))];
        self.facts.agent = Some(agent);
        self.facts.purpose = Some(purpose);
        effects.extend(self.start_outbound(now));
        effects.push(done(reply));
        effects
    }

    /// What the desktop may do about the proof.
    pub(crate) fn proof_actions(&self) -> Vec<&'static str> {
        let Some(proof) = &self.facts.proof else { return vec![] };
        if self.facts.authentication.is_final() || self.facts.direction == Direction::Inbound {
            return vec![];
        }
        let mut allowed = vec![];
        if proof.methods().next().is_some() {
            allowed.push("prove");
        }
        if !proof.is_over() {
            allowed.push("proof");
        }
        if proof.awaits_letter() {
            allowed.push("answer");
        }
        allowed
    }

    /// The customer chose how we prove ourselves.
    pub(crate) fn prove(
        &mut self,
        method: Option<Method>,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let mut effects = self.expire_proof(now);
        let chosen = self.facts.proof.as_ref().and_then(|proof| {
            let offered = |wanted: &Method| proof.methods().any(|method| method == *wanted);
            method.or_else(|| proof.methods().next()).filter(offered)
        });
        effects.push(match (chosen, self.facts.customer.as_ref()) {
            (Some(method), Some(known)) => {
                let (customer, by) = (known.id.clone(), by.clone());
                Effect::ProofMaterial { customer, method, by, reply }
            }
            _ => Effect::Answered(reply, Err(Refusal::NotNow)),
        });
        effects
    }

    /// What the customer said to our proof.
    pub(crate) fn proof_result(
        &mut self,
        phase: Phase,
        result: ProofResult,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let mut effects = self.expire_proof(now);
        let event = match result {
            ProofResult::Accepted => Event::Accepted,
            ProofResult::Declined => Event::Declined,
            ProofResult::CallBack => {
                effects.extend(self.prove(Some(Method::CallBack), by, reply, now));
                return (phase, effects);
            }
        };
        effects.extend(self.proof_step(event, 0, by, reply, now));
        (phase, effects)
    }

    /// The customer read the second code of their letter to the agent.
    pub(crate) fn letter_answered(&self, said: SecretText, reply: Reply) -> Vec<Effect> {
        if self.facts.customer.is_none() {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        }
        vec![Effect::CompareLetter { said, reply }]
    }

    /// Whether this answer is for the proof and not for a question.
    pub(crate) fn is_letter_code(&self, question: &FactKey) -> bool {
        question.as_str() == LETTER_CODE
            && self.facts.proof.as_ref().is_some_and(Proof::awaits_letter)
    }

    /// What stores and apps say to a proof.
    pub(crate) fn proving(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let system = AgentId::try_from("system".to_owned()).ok();
        if self.facts.ended_at.is_some() {
            // Who has hung up proves nothing any more.
            return desk::too_late(input);
        }
        match (input, system) {
            (Input::ProofMaterial { method, by, reply, material }, _) => {
                self.chosen(method, &by, reply, material, now)
            }
            (Input::LetterCompared { agrees, wrong_before, reply }, Some(by)) => match agrees {
                Ok(Some(matches)) => {
                    let event = Event::LetterAnswered { matches, wrong_before };
                    self.proof_step(event, 0, &by, reply, now)
                }
                Ok(None) => vec![Effect::Answered(reply, Err(Refusal::NothingOnFile))],
                Err(Down) => vec![Effect::Answered(reply, Err(Refusal::Unavailable))],
            },
            (Input::AppTapped { number, reply }, Some(by)) => {
                let mut effects = self.proof_step(Event::AppTapped { number }, 0, &by, reply, now);
                let proved = self.facts.proof.as_ref().is_some_and(Proof::skips_check)
                    || self.facts.proof.as_ref().is_some_and(Proof::allows_check);
                if let Some(Effect::Answered(_, answer @ Ok(()))) = effects.last_mut()
                    && !proved
                {
                    *answer = Err(Refusal::WrongNumber);
                }
                effects
            }
            _ => vec![],
        }
    }

    fn chosen(
        &mut self,
        method: Method,
        by: &AgentId,
        reply: Reply,
        material: Result<Material, Down>,
        now: Now,
    ) -> Vec<Effect> {
        let Ok(material) = material else {
            return vec![Effect::Answered(reply, Err(Refusal::Unavailable))];
        };
        let choice = match (method, material.letter) {
            (Method::App, _) => Choice::App,
            (Method::CallBack, _) => Choice::CallBack,
            (Method::Waive, _) => Choice::Waive,
            (Method::Letter, Some(first)) => Choice::Letter(first),
            (Method::Letter, None) => {
                return vec![Effect::Answered(reply, Err(Refusal::NothingOnFile))];
            }
        };
        self.proof_step(Event::Chosen(choice), material.random, by, reply, now)
    }

    /// A number in the app that nobody tapped in time is over.
    fn expire_proof(&mut self, now: Now) -> Vec<Effect> {
        let Some(proof) = &mut self.facts.proof else { return vec![] };
        match proof.apply(Event::Expired, now, 0) {
            Ok(steps) => self.carry_out(steps, "system", now),
            Err(_) => vec![],
        }
    }

    fn proof_step(
        &mut self,
        event: Event,
        random: u64,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> Vec<Effect> {
        let Some(proof) = &mut self.facts.proof else {
            return vec![Effect::Answered(reply, Err(Refusal::NotNow))];
        };
        match proof.apply(event, now, random) {
            Err(_) => vec![Effect::Answered(reply, Err(Refusal::NotNow))],
            Ok(steps) => {
                let mut effects = self.carry_out(steps, by.as_str(), now);
                effects.extend(self.decide(now));
                effects.push(done(reply));
                effects
            }
        }
    }

    fn carry_out(&mut self, steps: Vec<Step>, by: &str, now: Now) -> Vec<Effect> {
        let mut effects = vec![];
        for step in steps {
            match step {
                Step::Record(recorded) => {
                    self.facts.note_of(Who::Agent, now.wall, recorded.word());
                    effects.push(Effect::Audit {
                        actor: by.into(),
                        what: "proof",
                        body: json!({ "step": recorded.word() }),
                    });
                    if recorded == Recorded::Declined {
                        // A refusal counts nothing.
                        self.facts.authentication = Authentication::NotAuthenticated;
                    }
                }
                Step::Publish(numbers) => effects.push(Effect::ShowInApp(Some(numbers))),
                Step::Withdraw => effects.push(Effect::ShowInApp(None)),
                Step::Report => {
                    let details = "the customer says that our proof does not match".to_owned();
                    effects.push(Effect::FollowUp(Occasion::OrgImpersonated { details }));
                }
                Step::Alarm { wrong_letters } => effects.push(Effect::Audit {
                    actor: "system".into(),
                    what: "letter_codes_alarm",
                    body: json!({ "wrong_today": wrong_letters }),
                }),
                // Pair and reference were spent and kept when they were fetched; what is spoken stands
                // in the view.
                Step::SpendLetter | Step::Speak(_) | Step::Await { .. } => {}
            }
        }
        effects
    }

    /// The customer says that our proof does not match what they have.
    pub(crate) fn proof_mismatched(&mut self, by: &AgentId, now: Now) -> Vec<Effect> {
        let Some(proof) = &mut self.facts.proof else { return vec![] };
        match proof.apply(Event::Mismatched { wrong_before: 0 }, now, 0) {
            Ok(steps) => self.carry_out(steps, by.as_str(), now),
            Err(_) => vec![],
        }
    }
}
