//! A house around calls, in memory: records, verifier, telephone and clock do at once what `effects/` has done by the daemon. Stories say who calls and what they know.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use serde_json::Value;

use super::*;
use crate::account::Account;
use crate::account::AccountEvent;
use crate::account::BlockRule;
use crate::call::input::Material;
use crate::call::input::TransferTo;
use crate::call::request::PartySaid;

use crate::call::request::ProofResult;
use crate::call::request::Refusal;
use crate::call::view::CallView;
use crate::follow_up::Occasion;
use crate::model::customer::Role;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::party::PartyRole;
use crate::outbound::Method;
use crate::outbound::Purpose;
use crate::outbound::step::AppNumbers;

pub(super) const PIN: &str = "9081726";
/// Wrong at every position of [`PIN`].
pub(super) const WRONG: &str = "3333333";
pub(super) const PASSWORD: &str = "blue heron";
pub(super) const ONE: &str = "1001";
/// The second half of every letter's code pair.
pub(super) const LETTER: &str = "482915";

/// Answers on file: right ones are these, wrong ones anything else.
pub(super) const FACTS: [(&str, &str); 16] = [
    ("last_transaction_date", "2026-11-02"),
    ("last_transaction_amount", "£42.10"),
    ("place_of_birth", "Ghent"),
    ("main_balance", "£1,200"),
    ("date_of_birth", "1980-05-17"),
    ("postcode", "AB1 2CD"),
    ("nino", "QQ123456C"),
    ("scin", ONE),
    ("qc_date_of_birth", "2011-02-03"),
    ("employer", "Harbour Bakery"),
    ("payment_method", "direct debit"),
    ("bank_last4", "4711"),
    ("last_contact", "a change of address"),
    ("other_party_first_name", "Robin"),
    ("memorable_place", "Bruges"),
    ("address", "1 Harbour Street"),
];

/// Somebody on file.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) known: Known,
    pub(super) account: Account,
    pub(super) pin: &'static str,
}

/// What does not end with a call.
pub(super) struct House {
    pub(super) profile: Arc<Profile>,
    pub(super) people: BTreeMap<CustomerId, Person>,
    pub(super) now: Now,
    /// No record that an agent names can be read.
    pub(super) dark: bool,
    calls: u8,
}

/// What a caller keys when asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hands {
    pub(super) pin: Option<&'static str>,
    pub(super) customer: Option<&'static str>,
}

/// One call of a house.
pub(super) struct Line<'a> {
    pub(super) house: &'a mut House,
    pub(super) call: Call,
    hands: Hands,
    tickets: Vec<(CustomerId, bool, BlockRule)>,
    failed: BTreeMap<CustomerId, bool>,
    subject: Option<Subject>,
    pub(super) heard: Vec<&'static str>,
    pub(super) subjects: Vec<Subject>,
    pub(super) passwords: Vec<Option<CustomerId>>,
    pub(super) audit: Vec<(&'static str, Value)>,
    pub(super) follow_ups: Vec<Occasion>,
    pub(super) recorded: Vec<CallResult>,
    pub(super) resets: usize,
    /// Wrong pairs that were held against a real PIN.
    pub(super) guesses: usize,
    pub(super) app: Option<AppNumbers>,
    pub(super) shown: Vec<CallView>,
    pub(super) over: Option<&'static str>,
    answer: Option<Result<(), Refusal>>,
}

pub(super) fn customer(id: &str) -> CustomerId {
    id.parse().expect("an id")
}

pub(super) fn fact(key: &str) -> FactKey {
    key.parse().expect("a key")
}

fn person(id: &str, role: Role) -> Person {
    let answer = |(key, answer): (&str, &str)| (fact(key), SecretText::new(answer.into()));
    let mut account = Account::default();
    let _ = account.apply(AccountEvent::PinEnrolled, BlockRule::default(), Timestamp(0));
    let known = Known {
        role,
        has_pin: true,
        has_number: true,
        number: NumberOnFile::Undated,
        answers: FACTS.into_iter().map(answer).collect(),
        ..Known::new(customer(id), format!("Customer {id}"))
    };
    Person { known, account, pin: PIN }
}

impl House {
    /// One client under a built-in profile.
    pub(super) fn under(name: &str) -> Self {
        Self::with(profile(name))
    }

    /// One client under this profile.
    pub(super) fn with(profile: Arc<Profile>) -> Self {
        let now = Now { up: Uptime(Duration::from_secs(1)), wall: Timestamp(1_795_000_000_000) };
        let one = person(ONE, Role::Client);
        Self { profile, people: [(customer(ONE), one)].into(), now, dark: false, calls: 0 }
    }

    pub(super) fn adds(&mut self, id: &str, role: Role) -> &mut Person {
        self.people.entry(customer(id)).or_insert_with(|| person(id, role))
    }

    pub(super) fn one(&mut self) -> &mut Person {
        self.people.get_mut(&customer(ONE)).expect("the first customer")
    }

    pub(super) fn known(&self, id: &CustomerId) -> Option<Box<Known>> {
        let Person { known, account, .. } = self.people.get(id)?;
        Some(Box::new(Known {
            standing: account.standing(),
            has_pin: account.has_pin(),
            compensated: account.compensated,
            recently_asked: account.recently_asked(),
            disclosed: account.disclosed_lately(self.now.wall),
            failed_calls: account.failed_calls,
            seed: account.round,
            ..known.clone()
        }))
    }

    pub(super) fn delivered(&self, direction: Direction) -> Delivered {
        Delivered {
            platform: "sip".parse().expect("a name"),
            platform_call_id: format!("call-{}", self.calls).parse().expect("an id"),
            direction,
            collects: Collects::WhileHeld,
            caller: Caller { ani: "+442079460123".parse().ok(), ..Caller::default() },
            dnis: "+448000000000".into(),
            queue: "general".parse().expect("a queue"),
            queue_uri: "sip:queue@127.0.0.1".into(),
            intent: None,
            claimed_customer: None,
            handed_over_max: Duration::from_hours(4),
            purpose: None,
            agent: None,
        }
    }

    fn line(&mut self, delivered: Delivered, hands: Hands, found: Lookup) -> Line<'_> {
        let (mut line, _) = self.offers(delivered, hands);
        line.input(Input::LookedUp(Box::new(found)));
        line
    }

    /// A call that was just delivered, and what it wants done.
    pub(super) fn offers(&mut self, delivered: Delivered, hands: Hands) -> (Line<'_>, Vec<Effect>) {
        self.calls = self.calls.wrapping_add(1);
        self.now.up = self.now.up + Duration::from_mins(1);
        self.now.wall = self.now.wall.after(Duration::from_mins(1));
        let id = CallId::new(self.now.wall, [self.calls; 10]);
        let (call, effects) = Call::offered(id, delivered, Arc::clone(&self.profile), self.now);
        let line = Line {
            house: self,
            call,
            hands,
            tickets: vec![],
            failed: BTreeMap::new(),
            subject: None,
            heard: vec![],
            subjects: vec![],
            passwords: vec![],
            audit: vec![],
            follow_ups: vec![],
            recorded: vec![],
            resets: 0,
            guesses: 0,
            app: None,
            shown: vec![],
            over: None,
            answer: None,
        };
        (line, effects)
    }

    /// The customer calls from the number on file, keying this PIN.
    pub(super) fn rings(&mut self, pin: &'static str) -> Line<'_> {
        self.rings_as(ONE, pin, Collects::WhileHeld)
    }

    /// Somebody on file calls from their number, on a platform that collects keys in this way.
    pub(super) fn rings_as(&mut self, id: &str, pin: &'static str, collects: Collects) -> Line<'_> {
        let known = self.known(&customer(id)).expect("on file");
        let found = Lookup {
            by_number: Ok(NumberMatch::One(known)),
            intent: IntentFound::NotPresented,
            alarm: None,
        };
        let delivered = Delivered { collects, ..self.delivered(Direction::Inbound) };
        self.line(delivered, Hands { pin: Some(pin), customer: None }, found)
    }

    /// A call from a number that nobody has on file.
    pub(super) fn rings_from_elsewhere(&mut self, hands: Hands) -> Line<'_> {
        let found = Lookup {
            by_number: Ok(NumberMatch::Nobody),
            intent: IntentFound::NotPresented,
            alarm: None,
        };
        self.line(self.delivered(Direction::Inbound), hands, found)
    }

    /// A call that the app announced.
    pub(super) fn rings_by_app(&mut self, number_agrees: bool) -> Line<'_> {
        let known = self.known(&customer(ONE)).expect("on file");
        let intent =
            IntentFound::Good { customer: Some(known.clone()), number_agrees, dnis_agrees: true };
        let found = Lookup { by_number: Ok(NumberMatch::One(known)), intent, alarm: None };
        self.line(self.delivered(Direction::Inbound), Hands::default(), found)
    }

    /// The records cannot be read.
    pub(super) fn rings_in_the_dark(&mut self) -> Line<'_> {
        let found = Lookup { by_number: Err(Down), intent: IntentFound::NotPresented, alarm: None };
        self.line(self.delivered(Direction::Inbound), Hands::default(), found)
    }

    /// An agent rings the customer, on a platform that collects keys during the conversation.
    pub(super) fn calls(&mut self, purpose: Purpose, pin: &'static str) -> Line<'_> {
        let known = self.known(&customer(ONE)).expect("on file");
        let found = Lookup {
            by_number: Ok(NumberMatch::One(known)),
            intent: IntentFound::NotPresented,
            alarm: None,
        };
        let delivered = Delivered {
            collects: Collects::Anytime,
            purpose: Some(purpose),
            agent: "ann".parse().ok(),
            dnis: "+442079460123".into(),
            ..self.delivered(Direction::Outbound)
        };
        self.line(delivered, Hands { pin: Some(pin), customer: None }, found)
    }
}

impl Line<'_> {
    /// Takes an input and everything that comes of it.
    pub(super) fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut steps = 0;
        while let Some(input) = inputs.pop_front() {
            steps += 1;
            assert!(steps < 200, "a call that never comes to rest");
            for effect in self.call.step(input, self.house.now) {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    fn account(&mut self, id: &CustomerId, event: AccountEvent, rule: BlockRule) {
        let now = self.house.now.wall;
        let person = self.house.people.get_mut(id).expect("on file");
        let _ = person.account.apply(event, rule, now);
    }

    fn fail(&mut self, id: &CustomerId, rule: BlockRule) {
        if self.failed.insert(id.clone(), true) != Some(true) {
            self.account(id, AccountEvent::CallFailed, rule);
        }
    }

    fn after(&self, id: &CustomerId) -> After {
        let standing = self.house.people[id].account.standing();
        After { standing, call_failed: self.failed.get(id) == Some(&true) }
    }

    pub(super) fn carry_out(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Publish(view) => self.shown.push(*view),
            Effect::Answer => return vec![Input::Event(CallEvent::Established)],
            Effect::Play(prompt) => return self.hears(prompt.id()),
            Effect::Draw(subject) => return vec![Input::Drawn(Ok(self.draws(subject)))],
            Effect::LookUpKeyed(claimed) => {
                let id = CustomerId::try_from(claimed.0).ok();
                let known = id.and_then(|id| self.house.known(&id));
                return vec![Input::KeyedLookedUp(Ok(known))];
            }
            Effect::Reserve { subject, last, rule, .. } => {
                self.subjects.push(subject.clone());
                let ticket = match subject {
                    Subject::Account(id) if self.after(&id).standing == Standing::Open => {
                        self.tickets.push((id, last, rule));
                        Ticket::Attempt(i64::try_from(self.tickets.len()).expect("few") - 1)
                    }
                    _ => Ticket::Dummy,
                };
                return vec![Input::Reserved(Ok(ticket))];
            }
            Effect::Judge { subject, positions, keys } => {
                let right = match subject {
                    Subject::Account(id) => {
                        let pin = self.house.people[&id].pin.as_bytes();
                        let digit = |number: u8| pin[usize::from(number) - 1] - b'0';
                        keys.expose()
                            == [
                                digit(positions.first().number()),
                                digit(positions.second().number()),
                            ]
                    }
                    Subject::Closed(_) | Subject::Stranger(_) => false,
                };
                let verdict = if right { Verdict::Correct } else { Verdict::Wrong };
                return vec![Input::Judged(Judgement::Verdict(verdict))];
            }
            Effect::Settle { ticket, verdict } => {
                return vec![Input::Settled(Ok(self.settles(ticket, verdict)))];
            }
            Effect::RecordResult { customer, result, rule } => {
                return self.records(&customer, result, rule);
            }
            effect => return self.serves_the_desk(effect),
        }
        vec![]
    }

    /// The rest of [`Self::carry_out`]: what agents and what follows a call need.
    fn serves_the_desk(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::JudgePassword { customer, said, reply } => {
                self.passwords.push(customer.clone());
                let right = customer.is_some() && said.expose() == PASSWORD;
                let verdict = if right { Verdict::Correct } else { Verdict::Wrong };
                let judgement = Judgement::Verdict(verdict);
                return vec![Input::PasswordJudged { judgement, reply }];
            }
            Effect::LookUpCustomer { customer, said, by, reply } => {
                let known = self.house.known(&customer);
                let found = if self.house.dark { Err(Down) } else { Ok(known) };
                return vec![Input::PartyLookedUp { said, by, reply, found }];
            }
            Effect::Asked { customer, keys } => {
                let call = self.call.id().clone();
                self.account(&customer, AccountEvent::Asked { call, keys }, BlockRule::default());
            }
            Effect::ResetSecurity { customer, recovered, rule, reply, .. } => {
                self.resets += 1;
                self.account(&customer, AccountEvent::SecurityReset, rule);
                if recovered {
                    let was_failed = self.failed.insert(customer.clone(), false) == Some(true);
                    self.account(&customer, AccountEvent::CallPassed { was_failed }, rule);
                    self.account(&customer, AccountEvent::Unblocked, rule);
                }
                return vec![Input::SecurityReset { reply, after: Ok(self.after(&customer)) }];
            }
            Effect::Unblock { customer, reply, .. } => {
                self.account(&customer, AccountEvent::Unblocked, BlockRule::default());
                return vec![Input::Unblocked { reply, after: Ok(self.after(&customer)) }];
            }
            Effect::FollowUp(occasion) => self.follow_ups.push(occasion),
            Effect::ProofMaterial { method, by, reply, .. } => {
                let letter = (method == Method::Letter)
                    .then(|| "135790".to_owned().try_into().expect("six digits"));
                let material = Ok(Material { random: 7, letter });
                return vec![Input::ProofMaterial { method, by, reply, material }];
            }
            Effect::CompareLetter { said, reply, .. } => {
                let agrees = Ok(Some(said.expose() == LETTER));
                return vec![Input::LetterCompared { agrees, wrong_before: 0, reply }];
            }
            Effect::ShowInApp(numbers) => self.app = numbers,
            Effect::AuditReveal { question, by, reply } => {
                return vec![Input::Revealed { question, by, reply, audited: Ok(Some(())) }];
            }
            Effect::Audit { what, body, .. } => self.audit.push((what, body)),
            Effect::HandOver { .. } => {
                return vec![Input::Event(CallEvent::HandedOver(HandOver::Done))];
            }
            Effect::Answered(_, answer) => self.answer = Some(answer),
            Effect::Ended(ended) => self.over = Some(ended.outcome),
            _ => {}
        }
        vec![]
    }

    /// The caller keys what is asked; whoever knows nothing is silent.
    fn hears(&mut self, prompt: &'static str) -> Vec<Input> {
        self.heard.push(prompt);
        let key = |key: char| {
            Input::Event(CallEvent::DigitGenerated(Key::from_char(key).expect("a key")))
        };
        if let (Some(at), Some(pin)) = (prompt.strip_prefix("pin.position."), self.hands.pin) {
            let at: usize = at.parse().expect("a position");
            return pin.chars().nth(at - 1).map(key).into_iter().collect();
        }
        if let ("customer.number", Some(number)) = (prompt, self.hands.customer) {
            return number.chars().chain(['#']).map(key).collect();
        }
        vec![Input::Event(CallEvent::PromptEnded)]
    }

    fn draws(&mut self, subject: Subject) -> Positions {
        let now = self.house.now.wall;
        let drawn = match &subject {
            Subject::Account(id) | Subject::Closed(id) => {
                let person = self.house.people.get_mut(id).expect("on file");
                person.account.deck.challenge(3, now)
            }
            Subject::Stranger(_) => Positions::try_from((2, 6)).expect("a pair"),
        };
        self.subjects.push(subject.clone());
        self.subject = Some(subject);
        drawn
    }

    fn settles(&mut self, ticket: Ticket, verdict: Option<Verdict>) -> After {
        let Ticket::Attempt(number) = ticket else {
            return match &self.subject {
                Some(Subject::Account(id) | Subject::Closed(id)) => self.after(id),
                _ => After { standing: Standing::Open, call_failed: false },
            };
        };
        let number = usize::try_from(number).expect("a ticket of ours");
        let (id, last, rule) = self.tickets[number].clone();
        match verdict {
            Some(Verdict::Correct) => self.account(&id, AccountEvent::EntryCorrect, rule),
            Some(Verdict::Wrong) => {
                self.guesses += 1;
                self.account(&id, AccountEvent::EntryWrong, rule);
                if last {
                    self.fail(&id, rule);
                }
            }
            None => {}
        }
        self.after(&id)
    }

    fn records(&mut self, id: &CustomerId, result: CallResult, rule: BlockRule) -> Vec<Input> {
        self.recorded.push(result);
        if result != CallResult::Abandoned {
            self.account(id, AccountEvent::Concluded, rule);
        }
        match result {
            CallResult::Passed | CallResult::PassedCompensated => {
                let was_failed = self.failed.insert(id.clone(), false) == Some(true);
                self.account(id, AccountEvent::CallPassed { was_failed }, rule);
                if result == CallResult::PassedCompensated {
                    self.account(id, AccountEvent::CompensatedPass, rule);
                }
            }
            CallResult::Failed => self.fail(id, rule),
            CallResult::ResetRequired => {
                self.house.people.get_mut(id).expect("on file").account.reset_required = true;
            }
            CallResult::Abandoned => {
                self.account(id, AccountEvent::Abandoned, rule);
                return vec![];
            }
        }
        vec![Input::ResultRecorded(Ok(self.after(id)))]
    }

    // --- the agent ---

    /// An agent asks; `ok`, or why not.
    pub(super) fn asks_as(
        &mut self,
        agent: &str,
        groups: &[&str],
        request: Request,
    ) -> &'static str {
        self.answer = None;
        let groups = groups.iter().map(ToString::to_string).collect();
        let asker = Asker { agent: agent.parse().expect("an agent"), supervisor: false, groups };
        self.input(Input::Request { asker, request, reply: Reply(1) });
        match self.answer.take().expect("every request is answered") {
            Ok(()) => "ok",
            Err(refusal) => refusal.code(),
        }
    }

    pub(super) fn asks(&mut self, request: Request) -> &'static str {
        self.asks_as("ann", &[], request)
    }

    /// As [`Self::asks`], and it has to be allowed.
    #[track_caller]
    pub(super) fn does(&mut self, request: Request) {
        let word = request.word();
        let answer = self.asks(request);
        assert_eq!(answer, "ok", "{word}: {:?}", self.view().actions);
    }

    /// The agent takes the call and says that the client speaks.
    #[track_caller]
    pub(super) fn with_client(&mut self) {
        if self.view().agent.is_none() {
            self.does(Request::Claim);
        }
        self.does(party(PartyRole::Client));
    }

    /// The agent types the password.
    #[track_caller]
    pub(super) fn says_password(&mut self, right: bool) {
        let said = if right { PASSWORD } else { "grey heron" };
        self.does(Request::Password(SecretText::new(said.into())));
    }

    /// So many right answers to the questions that are due, then wrong ones, and finish.
    #[track_caller]
    pub(super) fn answers(&mut self, right: usize) {
        for (index, key) in self.asked().into_iter().enumerate() {
            let value = if index < right { on_file(&key) } else { "something else" };
            let value = SecretText::new(value.into());
            self.does(Request::Answer { question: fact(&key), value });
        }
        self.does(Request::Finish);
    }

    /// The keys of the questions on the panel.
    pub(super) fn asked(&self) -> Vec<String> {
        let questions = self.view().questions;
        let items = questions.into_iter().flat_map(|questions| questions.items);
        items.map(|item| item.key.to_string()).collect()
    }

    /// Proves us by letter.
    #[track_caller]
    pub(super) fn proves_by_letter(&mut self) {
        self.does(Request::Prove(Some(Method::Letter)));
        self.does(Request::Proof(ProofResult::Accepted));
        let value = SecretText::new(LETTER.into());
        self.does(Request::Answer { question: fact("letter_code"), value });
    }

    pub(super) fn view(&self) -> CallView {
        self.call.view()
    }

    pub(super) fn is(&self) -> Authentication {
        self.view().authentication
    }

    pub(super) fn can(&self, action: &str) -> bool {
        self.view().actions.contains(&action)
    }

    /// Everything the desktops were shown, as it goes over the wire.
    pub(super) fn frames(&self) -> String {
        serde_json::to_string(&self.shown).expect("views are JSON")
    }
}

/// The answer on file.
pub(super) fn on_file(key: &str) -> &'static str {
    FACTS.iter().find(|(fact, _)| *fact == key).map_or("", |(_, answer)| answer)
}

pub(super) fn party(role: PartyRole) -> Request {
    said(role, None, None, None)
}

pub(super) fn said(
    role: PartyRole,
    id: Option<&str>,
    client_present: Option<bool>,
    permission: Option<bool>,
) -> Request {
    let customer = id.map(customer);
    Request::SetParty(PartySaid { role, customer, client_present, permission })
}

pub(super) fn transfer(agent: &str, warm: bool) -> Request {
    Request::Transfer { to: TransferTo::Agent(agent.parse().expect("an agent")), warm }
}
