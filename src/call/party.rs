//! Whom the call is with (C06, C08, C11–C16, X28). Nothing is asked of anybody before that is said.

use serde_json::json;

use crate::call::Call;
use crate::call::desk;
use crate::call::effect::Effect;
use crate::call::facts::Party;
use crate::call::facts::Who;
use crate::call::input::Down;
use crate::call::input::Known;
use crate::call::input::Reply;
use crate::call::phase::Phase;
use crate::call::request::PartySaid;
use crate::call::request::Refusal;
use crate::follow_up::Occasion;
use crate::model::auth::Authentication;
use crate::model::call_kind::Direction;
use crate::model::cause::Cause;
use crate::model::customer::Role;
use crate::model::ids::AgentId;
use crate::model::party::PartyRole;
use crate::model::time::Now;
use crate::outbound::Purpose;
use crate::policy::PartyRule;
use crate::policy::table;

impl Party {
    /// Whether this party is asked anything at all: organisations are not (C08, C16).
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        match self.role {
            PartyRole::Client | PartyRole::Representative | PartyRole::Other => true,
            PartyRole::ThirdParty | PartyRole::Employer => false,
        }
    }

    /// Whether the client still has to come to the telephone (C13).
    #[must_use]
    pub fn waits_for_client(&self) -> bool {
        self.needs_client && self.client_present != Some(true)
    }

    /// Whether the client's own word is still missing (C14).
    #[must_use]
    pub fn waits_for_permission(&self) -> bool {
        self.needs_client && self.permission != Some(true)
    }
}

impl Call {
    /// Whether the check may go on: the role is set, as the profile wants it (C11).
    pub(crate) fn party_settled(&self) -> bool {
        self.facts.party.as_ref().is_some_and(|party| {
            let said = party.by_agent || self.facts.profile.party == PartyRule::Record;
            said && party.is_checked() && !party.waits_for_client()
        })
    }

    /// The agent says whom they speak with.
    pub(crate) fn set_party(
        &mut self,
        phase: Phase,
        said: PartySaid,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        // C08: an employer's call is no way round our proof and the client's check.
        let organisation = matches!(said.role, PartyRole::Employer | PartyRole::ThirdParty);
        let known = self.facts.customer.as_ref().map(|known| &known.id);
        let renames = said.customer.is_some() && known.is_some() && said.customer.as_ref() != known;
        // O01, C71: what we proved, we proved to the customer whom we rang.
        let other_than_rung = self.facts.direction == Direction::Outbound && renames;
        if other_than_rung || (self.facts.purpose == Some(Purpose::Employer) && !organisation) {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::WrongParty))]);
        }
        match said.customer.clone().filter(|named| known != Some(named)) {
            // Away and back would hand out the password and the questions again, uncounted.
            Some(_) if self.asked_too_much() => {
                (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))])
            }
            Some(customer) => {
                (phase, vec![Effect::LookUpCustomer { customer, said, by: by.clone(), reply }])
            }
            None => self.party_said(phase, &said, by, reply, now),
        }
    }

    /// A password was said or an answer given: from here on the check goes to its end for this customer.
    fn asked_too_much(&self) -> bool {
        let asked = self.facts.questions.iter().flat_map(|asked| &asked.items);
        self.facts.password_said || asked.into_iter().any(|item| item.marked.is_some())
    }

    /// The record of whom the agent named.
    pub(crate) fn party_looked_up(
        &mut self,
        phase: Phase,
        said: &PartySaid,
        by: &AgentId,
        reply: Reply,
        found: Result<Option<Box<Known>>, Down>,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        if self.asked_too_much() || !desk::actions(self, &phase).contains(&"set_party") {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::NotNow))]);
        }
        match found {
            Err(Down) => {
                // C51: an error of ours on entering the id counts nothing.
                self.facts.conclude(Authentication::SystemUnavailable);
                self.facts.note(now.wall, "the customer could not be looked up");
                (phase, vec![Effect::Answered(reply, Err(Refusal::Unavailable))])
            }
            Ok(None) => (phase, vec![Effect::Answered(reply, Err(Refusal::NoSuchCustomer))]),
            Ok(Some(known)) => {
                if said.role == PartyRole::Client && known.role == Role::Representative {
                    return (phase, vec![Effect::Answered(reply, Err(Refusal::WrongParty))]);
                }
                self.change_customer(*known, now);
                self.party_said(phase, said, by, reply, now)
            }
        }
    }

    /// Another customer than the call found: what was asked before proves nothing about them (C06).
    /// The entries of the call stay counted: two a call, whoever they were made for.
    fn change_customer(&mut self, known: Known, now: Now) {
        if self.facts.customer.is_some() || self.facts.stranger.is_some() {
            self.start_check_again();
            // What the number was worth, it was worth for another.
            self.facts.renamed = true;
        }
        self.facts.note_of(Who::Agent, now.wall, "another customer was named");
        self.facts.identify(known);
    }

    /// Forgets what was asked, so that it is asked again.
    pub(crate) fn start_check_again(&mut self) {
        self.facts.factors.pin = table::Pin::Pending;
        self.facts.factors.password = table::Password::Pending;
        self.facts.factors.questions = table::Questions::Pending;
        self.facts.pin = None;
        self.facts.password_due = false;
        self.facts.password_said = false;
        self.facts.questions = None;
        self.facts.recovering = false;
        self.facts.message = None;
        self.facts.reminder = None;
        self.facts.authentication = Authentication::NotAuthenticated;
    }

    fn party_said(
        &mut self,
        phase: Phase,
        said: &PartySaid,
        by: &AgentId,
        reply: Reply,
        now: Now,
    ) -> (Phase, Vec<Effect>) {
        let record = self.facts.customer.as_ref().map(|known| known.role);
        if said.role == PartyRole::Client && record == Some(Role::Representative) {
            return (phase, vec![Effect::Answered(reply, Err(Refusal::WrongParty))]);
        }
        let role = match (said.role, self.facts.direction) {
            // X28: an employer who rings us is a third party like any other.
            (PartyRole::Employer, Direction::Inbound) => PartyRole::ThirdParty,
            (role, _) => role,
        };
        let own_record = record == Some(Role::Representative);
        let needs_client = match role {
            PartyRole::Other => true,
            PartyRole::Representative => !own_record,
            PartyRole::Client | PartyRole::ThirdParty | PartyRole::Employer => false,
        };
        let party = Party {
            role,
            by_agent: true,
            needs_client,
            client_present: said.client_present,
            permission: said.permission,
        };
        self.facts.note_of(Who::Agent, now.wall, format!("speaks with: {}", role.word()));
        let body = json!({
            "role": role.word(),
            "client_present": party.client_present,
            "permission": party.permission,
        });
        let mut effects = vec![desk::audit(by, "party_set", body)];
        let refused = party.client_present == Some(false) || party.permission == Some(false);
        let ends = party.needs_client && refused;
        let checked = party.is_checked();
        self.facts.party = Some(party);
        let phase = if ends {
            let (phase, more) = self.end_for_party(phase, role, now);
            effects.extend(more);
            phase
        } else if checked {
            effects.extend(self.decide(now));
            phase
        } else {
            effects.extend(self.not_checked(role));
            phase
        };
        effects.push(Effect::Answered(reply, Ok(())));
        (phase, effects)
    }

    /// C08, C16: no secret of a client is asked of an organisation.
    fn not_checked(&mut self, role: PartyRole) -> Vec<Effect> {
        self.facts.questions = None;
        self.facts.recovering = false;
        self.facts.password_due = false;
        if role == PartyRole::Employer {
            self.ask_employer();
            return vec![Effect::FollowUp(Occasion::EmployerContact)];
        }
        self.facts.message = Some(self.facts.profile.texts.third_party.clone());
        vec![Effect::FollowUp(Occasion::ThirdPartyContact)]
    }

    /// C15: without the client, or against their word, nobody goes on. Outcome and role are kept.
    fn end_for_party(&mut self, phase: Phase, role: PartyRole, now: Now) -> (Phase, Vec<Effect>) {
        const OUTCOME: &str = "client not present";
        self.facts.message = Some(self.facts.profile.texts.end.clone());
        self.facts.notes.push(format!("{OUTCOME}: {}", role.word()));
        let occasion = Occasion::PartyEnded { role: role.word().into(), outcome: OUTCOME.into() };
        let (phase, mut effects) = self.end_call(phase, Cause::NORMAL_CLEARING, now);
        effects.insert(0, Effect::FollowUp(occasion));
        (phase, effects)
    }
}
