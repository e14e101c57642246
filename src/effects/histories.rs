//! P4: at most three failed calls in a row block, and at most six guesses are judged, whatever crashes,
//! comes twice, or happens at once; and the positions asked stay the same until they were answered.
//!
//! ```text
//! two calls at a time:  Call ─ effects ─► what waits ─► records ─ answers ─► what waits ─► Call
//!                                             └── at any place: hang-up, crash, the same once more
//! ```
//! The calls are the real machine and the records are real; a small model beside them says what the counters
//! have to be after every single step. A seed is one history of one account, the same every time.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::account::BlockRule;
use crate::account::Standing;
use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::Prompt;
use crate::call::effect::Subject;
use crate::call::input::After;
use crate::call::input::CallEvent;
use crate::call::input::Delivered;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::input::IntentFound;
use crate::call::input::Judgement;
use crate::call::input::Known;
use crate::call::input::Lookup;
use crate::call::input::NumberMatch;
use crate::call::input::NumberOnFile;
use crate::call::input::Reply;
use crate::call::input::Ticket;
use crate::call::request::Asker;
use crate::call::request::Request;
use crate::effects::record_result;
use crate::model::auth::Authentication;
use crate::model::auth::Verdict;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::cause::Cause;
use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::dice::Dice;
use crate::model::digits::Key;
use crate::model::digits::Positions;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::policy::BUILT_IN;
use crate::policy::Profile;
use crate::records::AttemptId;
use crate::records::Enrolment;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;
use crate::records::sqlite::SqliteRecords;

const PIN: &[u8; 7] = b"9081726";
const STEPS: u64 = 200;
/// Histories that share one file of records.
const SHARED: u64 = 100;
const RULE: BlockRule = BlockRule { failed_calls: 3, wrong_entries: 6 };

/// What the counters of the account have to be. Written down a second time, on purpose.
#[derive(Default)]
struct Model {
    failed_calls: u8,
    wrong_streak: u8,
    blocked: bool,
    reset_required: bool,
    version: u32,
    attempts: BTreeMap<i64, Attempt>,
    /// By call: failed, passed.
    marks: BTreeMap<CallId, (bool, bool)>,
    asked: Option<Positions>,
    /// Wrong pairs that were held against the PIN since it was last right, or new.
    guesses: u32,
}

struct Attempt {
    call: CallId,
    last: bool,
    version: u32,
    open: bool,
}

impl Model {
    const fn standing(&self) -> Standing {
        match (self.blocked, self.reset_required) {
            (true, _) => Standing::Blocked,
            (false, true) => Standing::ResetRequired,
            (false, false) => Standing::Open,
        }
    }

    fn may_reserve(&self) -> bool {
        let open = self.attempts.values().filter(|attempt| attempt.open).count();
        let at_stake = open + usize::from(self.wrong_streak);
        self.standing() == Standing::Open && (open == 0 || at_stake < 6)
    }

    fn settles(&mut self, attempt: i64, how: Settlement) {
        let Some(attempt) = self.attempts.get_mut(&attempt).filter(|attempt| attempt.open) else {
            return;
        };
        attempt.open = false;
        let (call, last, current) =
            (attempt.call.clone(), attempt.last, attempt.version == self.version);
        match how {
            Settlement::Correct if current => {
                (self.wrong_streak, self.asked, self.guesses) = (0, None, 0);
            }
            Settlement::Wrong => {
                self.wrong_streak += 1;
                self.reset_required |= self.wrong_streak >= 6;
                if last {
                    self.fails(call);
                }
            }
            Settlement::Correct | Settlement::Void => {}
        }
    }

    fn fails(&mut self, call: CallId) {
        let (failed, _) = self.marks.entry(call).or_default();
        if !std::mem::replace(failed, true) {
            self.failed_calls += 1;
            self.blocked |= self.failed_calls >= 3;
        }
    }

    fn passes(&mut self, call: CallId) {
        let (failed, passed) = self.marks.entry(call).or_default();
        let own_block = *failed && self.failed_calls == 3;
        if !std::mem::replace(passed, true) && (!self.blocked || own_block) {
            (self.failed_calls, self.blocked) = (0, false);
        }
    }

    fn crashes(&mut self) {
        let open = self.attempts.iter().filter(|(_, attempt)| attempt.open);
        for attempt in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.settles(attempt, Settlement::Wrong);
        }
    }
}

/// A call under way: what it wants done, and what it has not heard yet.
struct Line {
    call: Call,
    todo: VecDeque<Effect>,
    inbox: VecDeque<Input>,
    replies: u64,
}

type Open = fn(&Path) -> Box<dyn Records>;

struct History<'a> {
    open: Open,
    folder: &'a Path,
    records: Option<Box<dyn Records>>,
    profile: Arc<Profile>,
    customer: CustomerId,
    model: Model,
    lines: Vec<Line>,
    dice: Dice,
    now: Now,
    /// Of twenty keys, so many are the right ones.
    right: u64,
    tally: &'a mut Tally,
}

/// What happened in all histories.
#[derive(Debug, Default)]
struct Tally {
    calls: u32,
    crashes: u32,
    caught_open: usize,
    twice: u32,
    refused: u32,
    blocked: u32,
    resets: u32,
    most_guesses: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, crashes, caught_open, twice, refused, blocked, resets, most_guesses } =
            self;
        write!(
            f,
            "{calls} calls, {crashes} crashes ({caught_open} attempts caught open), {twice} answers stored twice, {refused} entries \
             refused, {blocked} blocks lifted, {resets} new PINs; at most {most_guesses} guesses"
        )
    }
}

impl History<'_> {
    fn records(&self) -> &dyn Records {
        self.records.as_deref().expect("open between crashes")
    }

    async fn enrols(&mut self) {
        let pin_version = self.records().next_pin_version(&self.customer).await.expect("read");
        let pin = SealedPin {
            pin_version,
            salt: vec![1; 16],
            pepper_id: "0badc0de".into(),
            memory_kib: 19_456,
            iterations: 2,
            nonce: vec![2; 24],
            table: vec![u8::try_from(pin_version % 250).expect("small"); 352],
        };
        let customer = Customer {
            id: self.customer.clone(),
            keypad_id: None,
            name: "Customer".into(),
            role: Role::Client,
            represents: vec![],
            numbers: vec![],
            email: None,
            language: None,
            flags: vec![],
            facts: BTreeMap::new(),
        };
        let row = Enrolment { customer, pin: Some(pin), password: None };
        self.records().import(vec![row], self.now.wall).await.expect("imported");
        self.model.version = pin_version;
        (self.model.wrong_streak, self.model.reset_required) = (0, false);
        (self.model.asked, self.model.guesses) = (None, 0);
    }

    async fn known(&self) -> Box<Known> {
        let account = self.records().account(&self.customer).await.expect("read").expect("there");
        let facts = [
            "last_transaction_amount",
            "place_of_birth",
            "main_balance",
            "date_of_birth",
            "postcode",
        ];
        let answer = |key: &str| (key.parse().expect("a key"), SecretText::new(key.to_owned()));
        Box::new(Known {
            standing: account.standing(),
            has_pin: account.has_pin(),
            number: NumberOnFile::Undated,
            answers: facts.into_iter().map(answer).collect(),
            has_number: true,
            failed_calls: account.failed_calls,
            seed: account.round,
            ..Known::new(self.customer.clone(), "Customer".into())
        })
    }

    fn rings(&mut self) {
        self.tally.calls += 1;
        let delivered = Delivered {
            platform: "sip".parse().expect("a name"),
            platform_call_id: "call".parse().expect("an id"),
            direction: Direction::Inbound,
            collects: if self.dice.below(2) == 0 { Collects::Anytime } else { Collects::WhileHeld },
            caller: Caller { ani: "+442079460123".parse().ok(), ..Caller::default() },
            dnis: "+448000000000".into(),
            queue: "general".parse().expect("a queue"),
            queue_uri: "sip:queue@127.0.0.1".into(),
            intent: None,
            claimed_customer: None,
            handed_over_max: Duration::from_hours(4),
            purpose: None,
            agent: None,
        };
        let random = self.dice.below(u64::MAX).to_le_bytes();
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&random);
        let id = CallId::new(self.now.wall, bytes);
        let (call, effects) = Call::offered(id, delivered, Arc::clone(&self.profile), self.now);
        self.lines.push(Line { call, todo: effects.into(), inbox: VecDeque::new(), replies: 0 });
    }

    fn tells(&mut self, nth: usize, input: Input) {
        let line = &mut self.lines[nth];
        line.todo.extend(line.call.step(input, self.now));
        let passed = line.call.view().authentication == Authentication::Authenticated;
        let (_, stored) = self.model.marks.get(line.call.id()).copied().unwrap_or_default();
        assert!(!passed || stored, "a pass is told that is not stored");
    }

    /// One step of the history, whatever it is.
    async fn goes_on(&mut self) {
        let wait = Duration::from_millis(self.dice.below(3000));
        self.now = Now { up: self.now.up + wait, wall: self.now.wall.after(wait) };
        self.lines.retain(|line| line.call.deadline().is_some() || !line.todo.is_empty());
        match self.dice.below(250) {
            0 => return self.crashes(),
            1..8 if self.model.reset_required => {
                self.tally.resets += 1;
                return self.enrols().await;
            }
            8..15 if self.model.blocked => return self.unblocks().await,
            _ => {}
        }
        if self.lines.is_empty() || (self.lines.len() == 1 && self.dice.below(30) == 0) {
            return self.rings();
        }
        let nth = usize::try_from(self.dice.below(self.lines.len() as u64)).expect("small");
        let line = &mut self.lines[nth];
        match self.dice.below(60) {
            0 => {
                let cleared = CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING);
                self.tells(nth, Input::Event(cleared));
            }
            1..5 => self.agent_acts(nth),
            // What a platform reports may come in another order than it was asked for.
            5..8 if line.inbox.len() > 1 => line.inbox.rotate_left(1),
            8..30 if !line.inbox.is_empty() => {
                let input = line.inbox.pop_front().expect("it is there");
                self.tells(nth, input);
            }
            _ if !line.todo.is_empty() => {
                let effect = line.todo.pop_front().expect("it is there");
                self.carries_out(nth, effect).await;
            }
            _ => match (line.inbox.pop_front(), line.call.deadline()) {
                (Some(input), _) => self.tells(nth, input),
                (None, Some(until)) => {
                    self.now.up = self.now.up.max(until);
                    self.tells(nth, Input::DeadlineReached);
                }
                (None, None) => {}
            },
        }
    }

    fn crashes(&mut self) {
        self.tally.crashes += 1;
        self.tally.caught_open +=
            self.model.attempts.values().filter(|attempt| attempt.open).count();
        self.lines.clear();
        // The file has one owner: the old records end before the new ones begin.
        drop(self.records.take());
        self.records = Some((self.open)(self.folder));
        self.model.crashes();
    }

    async fn unblocks(&mut self) {
        self.tally.blocked += 1;
        let unblocked = self
            .records()
            .unblock(&self.customer, "chief", "called back", None, self.now.wall)
            .await;
        let _ = unblocked.expect("stored");
        (self.model.blocked, self.model.failed_calls) = (false, 0);
    }

    fn agent_acts(&mut self, nth: usize) {
        let questions = self.lines[nth].call.view().questions;
        let items = questions.into_iter().flat_map(|questions| questions.items);
        let open = items.into_iter().find(|item| item.marked.is_none());
        let correct = self.dice.below(3) > 0;
        let request = match (self.dice.below(5), open) {
            (0, _) => Request::Claim,
            (1, _) => Request::CollectPin,
            (2, _) | (_, None) => Request::Finish,
            (_, Some(item)) => Request::Mark { question: item.key, correct },
        };
        let asker =
            Asker { agent: "ann".parse().expect("an agent"), supervisor: false, groups: vec![] };
        self.lines[nth].replies += 1;
        let reply = Reply(self.lines[nth].replies);
        self.tells(nth, Input::Request { asker, request, reply });
    }

    async fn carries_out(&mut self, nth: usize, effect: Effect) {
        let answer = match effect {
            Effect::LookUp { .. } => {
                let found = if self.dice.below(4) == 0 {
                    NumberMatch::Nobody
                } else {
                    NumberMatch::One(self.known().await)
                };
                let intent = IntentFound::NotPresented;
                Input::LookedUp(Box::new(Lookup { by_number: Ok(found), intent, alarm: None }))
            }
            Effect::LookUpKeyed(_) => Input::KeyedLookedUp(Ok(Some(self.known().await))),
            Effect::Answer => Input::Event(CallEvent::Established),
            Effect::HandOver { .. } => Input::Event(CallEvent::HandedOver(HandOver::Done)),
            Effect::Play(prompt) => return self.hears(nth, prompt),
            Effect::Draw(subject) => Input::Drawn(Ok(self.draws(&subject).await)),
            Effect::Reserve { subject, entry, last, positions, rule } => {
                assert_eq!(rule, RULE);
                let call = self.lines[nth].call.id().clone();
                Input::Reserved(Ok(match subject {
                    Subject::Account(customer) => {
                        let at = self.now.wall;
                        self.reserves(Reservation {
                            call,
                            customer,
                            entry,
                            last,
                            positions,
                            rule,
                            at,
                        })
                        .await
                    }
                    Subject::Closed(_) | Subject::Stranger(_) => Ticket::Dummy,
                }))
            }
            Effect::Judge { subject, positions, keys } => {
                Input::Judged(self.judges(&subject, positions, keys.expose()))
            }
            Effect::Settle { ticket, verdict } => {
                Input::Settled(Ok(self.settles(ticket, verdict).await))
            }
            Effect::RecordResult { result, .. } => match self.stores(nth, result).await {
                Some(after) => Input::ResultRecorded(Ok(after)),
                None => return,
            },
            _ => return,
        };
        self.lines[nth].inbox.push_back(answer);
        self.agrees().await;
    }

    /// Keys are right, wrong, or do not come.
    fn hears(&mut self, nth: usize, prompt: Prompt) {
        let key = |digit: u8| {
            let key = Key::from_char(char::from(digit)).expect("a key");
            Input::Event(CallEvent::DigitGenerated(key))
        };
        let inputs = match prompt {
            Prompt::PinPosition(position) => {
                let digit = PIN[usize::from(position.number()) - 1];
                match self.dice.below(20) {
                    0 => vec![Input::Event(CallEvent::PromptEnded)],
                    // The key bounces: it is one key more, for the next position.
                    1 => vec![key(digit), key(digit)],
                    chance if chance < 2 + self.right => vec![key(digit)],
                    _ => vec![key(b'0' + (digit - b'0' + 1) % 10)],
                }
            }
            Prompt::CustomerNumber => vec![key(b'1'), key(b'#')],
            _ => vec![Input::Event(CallEvent::PromptEnded)],
        };
        self.lines[nth].inbox.extend(inputs);
    }

    async fn draws(&mut self, subject: &Subject) -> Positions {
        if let Subject::Stranger(_) = subject {
            return Positions::FIRST;
        }
        let random = self.dice.below(u64::MAX);
        let drawn = self.records().challenge(&self.customer, random, self.now.wall).await;
        let drawn = drawn.expect("drawn");
        let asked = *self.model.asked.get_or_insert(drawn);
        assert_eq!(drawn, asked, "other positions, and the last ones were not answered");
        drawn
    }

    async fn reserves(&mut self, wanted: Reservation) -> Ticket {
        let (call, last) = (wanted.call.clone(), wanted.last);
        let may = self.model.may_reserve();
        match self.records().reserve(wanted).await {
            Ok(AttemptId(id)) => {
                assert!(may, "a guess too many");
                let attempt = Attempt { call, last, version: self.model.version, open: true };
                self.model.attempts.insert(id, attempt);
                Ticket::Attempt(id)
            }
            Err(RecordsError::Refused) => {
                assert!(!may, "an honest caller is refused");
                self.tally.refused += 1;
                Ticket::Dummy
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn judges(&mut self, subject: &Subject, positions: Positions, keys: &[u8]) -> Judgement {
        if !matches!(subject, Subject::Account(_)) {
            return Judgement::Verdict(Verdict::Wrong);
        }
        if self.dice.below(20) == 0 {
            return Judgement::Unavailable;
        }
        let digit = |number: u8| PIN[usize::from(number) - 1] - b'0';
        if keys == [digit(positions.first().number()), digit(positions.second().number())] {
            return Judgement::Verdict(Verdict::Correct);
        }
        self.model.guesses += 1;
        self.tally.most_guesses = self.tally.most_guesses.max(self.model.guesses);
        assert!(self.model.guesses <= 6, "a seventh guess");
        Judgement::Verdict(Verdict::Wrong)
    }

    async fn settles(&mut self, ticket: Ticket, verdict: Option<Verdict>) -> After {
        let Ticket::Attempt(id) = ticket else {
            return After { standing: self.model.standing(), call_failed: false };
        };
        let how = match verdict {
            Some(Verdict::Correct) => Settlement::Correct,
            Some(Verdict::Wrong) => Settlement::Wrong,
            None => Settlement::Void,
        };
        self.model.settles(id, how);
        let settled = self.records().settle(AttemptId(id), how, self.now.wall).await;
        let after = settled.expect("settled");
        for other in [Settlement::Correct, Settlement::Wrong, Settlement::Void] {
            if self.dice.below(6) == 0 {
                self.tally.twice += 1;
                let again = self.records().settle(AttemptId(id), other, self.now.wall).await;
                assert_eq!(again.expect("answered").standing, after.standing, "settled once");
            }
        }
        After { standing: after.standing, call_failed: after.call_failed }
    }

    async fn stores(&mut self, nth: usize, result: CallResult) -> Option<After> {
        let call = self.lines[nth].call.id().clone();
        match result {
            CallResult::Passed => self.model.passes(call.clone()),
            CallResult::Failed => self.model.fails(call.clone()),
            CallResult::Abandoned => {}
            other => panic!("{other:?} is none of this profile's"),
        }
        let often = 1 + usize::from(self.dice.below(5) == 0);
        self.tally.twice += u32::from(often > 1);
        let mut after = None;
        for _ in 0..often {
            let stored = record_result(result);
            let (customer, at) = (&self.customer, self.now.wall);
            let stored = self.records().call_result(&call, customer, stored, RULE, at).await;
            after = Some(stored.expect("stored"));
        }
        let after = after.filter(|_| result != CallResult::Abandoned)?;
        Some(After { standing: after.standing, call_failed: after.call_failed })
    }

    /// The records say what the model says.
    async fn agrees(&mut self) {
        let account = self.records().account(&self.customer).await.expect("read").expect("there");
        let model = &self.model;
        assert_eq!(
            (
                account.failed_calls,
                account.pin_wrong_streak,
                account.blocked,
                account.reset_required
            ),
            (model.failed_calls, model.wrong_streak, model.blocked, model.reset_required),
        );
    }
}

async fn histories(count: u64, open: Open) -> Tally {
    let (name, text) = BUILT_IN.iter().find(|(name, _)| *name == "retail").expect("built in");
    let profile = Arc::new(Profile::parse(name, text).expect("sound"));
    let mut tally = Tally::default();
    for first in (0..count).step_by(usize::try_from(SHARED).expect("small")) {
        // In memory where there is such a place: what a disk does to this is told by P2.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let mut records = Some(open(folder.path()));
        for seed in first..count.min(first + SHARED) {
            let mut history = History {
                open,
                folder: folder.path(),
                records: records.take(),
                profile: Arc::clone(&profile),
                customer: format!("c-{seed}").parse().expect("an id"),
                model: Model::default(),
                lines: vec![],
                dice: Dice::new(seed),
                // From callers who never know it to such as mostly do.
                right: [0, 2, 8, 15][usize::try_from(seed % 4).expect("small")],
                now: Now { up: Uptime(Duration::from_secs(1)), wall: Timestamp(1_795_000_000_000) },
                tally: &mut tally,
            };
            let told = Told(seed);
            history.enrols().await;
            for _ in 0..STEPS {
                history.goes_on().await;
            }
            history.agrees().await;
            records = history.records.take();
            drop(told);
        }
    }
    tally
}

/// Says which history it was, if it breaks.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nothing is left to do if this cannot be said.
            let _ = writeln!(std::io::stderr(), "the history of seed {}", self.0);
        }
    }
}

#[tokio::test]
async fn p4_whatever_crashes_or_comes_twice_the_counters_are_those_of_the_model() {
    let load = std::env::var("COUNTERSIGN_LOAD").is_ok_and(|value| value == "1");
    let count = if load { 20_000 } else { 1000 };
    // A process that another test starts holds the lock of the file for the moment until it begins.
    let open: Open = |folder| {
        let tries = std::iter::repeat_with(|| SqliteRecords::open(&folder.join("records.db")));
        let mut opened = tries.take(100).filter_map(|tried| {
            tried.inspect_err(|_| std::thread::sleep(std::time::Duration::from_millis(20))).ok()
        });
        Box::new(opened.next().expect("opens"))
    };
    let tally = histories(count, open).await;
    writeln!(std::io::stderr(), "figure: P4 {count} histories of one account: {tally}")
        .expect("standard error");
    assert!(
        tally.blocked > 0 && tally.caught_open > 0 && tally.twice > 0 && tally.refused > 0,
        "{tally:?}"
    );
}
