//! Calls as scripts: what the caller, the stores and the agent do, and everything that comes of it.

mod adopted;
mod after;
mod bofe;
mod cmg;
mod house;
mod interrupted;
mod laws;
mod liveness;
mod properties;
mod roles;
mod stories;
mod traps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Standing;
use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::Subject;
use crate::call::input::After;
use crate::call::input::CallEvent;
use crate::call::input::Delivered;
use crate::call::input::Down;
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
use crate::call::view::CallView;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::auth::Verdict;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::digits::Positions;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::policy::BUILT_IN;
use crate::policy::Profile;

struct Script {
    call: Call,
    now: Now,
    done: String,
    recording: bool,
}

/// A built-in profile.
fn profile(name: &str) -> Arc<Profile> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).expect("a built-in profile");
    Arc::new(Profile::parse(name, text).expect("sound"))
}

impl Script {
    fn delivered() -> Self {
        Self::delivered_under("retail")
    }

    fn delivered_under(name: &str) -> Self {
        Self::arriving(name, |_| {})
    }

    /// A call under a profile, changed before it arrives.
    fn arriving(name: &str, change: impl FnOnce(&mut Delivered)) -> Self {
        let mut delivered = Delivered {
            platform: "sip".parse().expect("a name"),
            platform_call_id: "a84b4c76e66710".parse().expect("an id"),
            direction: Direction::Inbound,
            collects: Collects::WhileHeld,
            caller: Caller { ani: "+442079460123".parse().ok(), ..Caller::default() },
            dnis: "+44800000000".into(),
            queue: "general".parse().expect("a queue"),
            queue_uri: "sip:queue@127.0.0.1".into(),
            intent: None,
            claimed_customer: None,
            handed_over_max: Duration::from_hours(4),
            purpose: None,
            agent: None,
        };
        change(&mut delivered);
        let now = Now { up: Uptime(Duration::from_secs(1)), wall: Timestamp(1_795_000_000_000) };
        let id = CallId::new(now.wall, [7; 10]);
        let (call, effects) = Call::offered(id, delivered, profile(name), now);
        let mut script = Self { call, now, done: String::new(), recording: false };
        script.done = told(&effects);
        script.does("look up");
        script
    }

    fn in_capture() -> Self {
        let mut call = Self::delivered();
        call.looked_up(number()).does("audit call_classified, answer");
        call.established().does("draw account");
        call.drawn().does("play pin.position.2");
        call
    }

    fn failed_pin() -> Self {
        Self::failed_pin_with(Standing::Open)
    }

    fn failed_pin_with(standing: Standing) -> Self {
        Self::failed_pin_of(standing, known(Standing::Open))
    }

    fn failed_pin_of(standing: Standing, known: Known) -> Self {
        let mut call = Self::delivered();
        let by_number = Ok(NumberMatch::One(Box::new(known)));
        call.looked_up(Lookup { by_number, intent: IntentFound::NotPresented, alarm: None })
            .does("audit call_classified, answer");
        call.established().does("draw account");
        call.drawn().does("play pin.position.2");
        for entry in 1..=2 {
            call.keys("11");
            call.reserved().does("judge account");
            call.judged(Verdict::Wrong).does("settle Some(Wrong)");
            if entry == 1 {
                call.settled(Standing::Open, false).does("play pin.again");
                call.prompt_ended().does("play pin.position.2");
            }
        }
        call.settled(standing, true).does("play thanks");
        call.prompt_ended().does("hand over (REFER)");
        call
    }

    fn input(&mut self, input: Input) -> &mut Self {
        let effects = self.call.step(input, self.now);
        if !self.done.is_empty() {
            self.done.push_str("; ");
        }
        self.done = told(&effects);
        self
    }

    fn looked_up(&mut self, found: Lookup) -> &mut Self {
        self.input(Input::LookedUp(Box::new(found)))
    }

    fn established(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::Established))
    }

    fn drawn(&mut self) -> &mut Self {
        self.input(Input::Drawn(Positions::try_from((2, 6)).map_err(|_| Down)))
    }

    fn keyed(&mut self, known: Option<Known>) -> &mut Self {
        self.input(Input::KeyedLookedUp(Ok(known.map(Box::new))))
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        let mut all = vec![];
        for key in keys.chars() {
            self.input(Input::Event(CallEvent::DigitGenerated(
                Key::from_char(key).expect("a key"),
            )));
            all.push(std::mem::take(&mut self.done));
        }
        self.done = all.join("; ");
        self
    }

    fn reserved(&mut self) -> &mut Self {
        self.input(Input::Reserved(Ok(Ticket::Attempt(1))))
    }

    fn judged(&mut self, verdict: Verdict) -> &mut Self {
        self.input(Input::Judged(Judgement::Verdict(verdict)))
    }

    fn settled(&mut self, standing: Standing, call_failed: bool) -> &mut Self {
        self.input(Input::Settled(Ok(After { standing, call_failed })))
    }

    fn recorded(&mut self, standing: Standing) -> &mut Self {
        self.input(Input::ResultRecorded(Ok(After { standing, call_failed: false })))
    }

    fn revealed(&mut self, question: &str, by: &str, audited: Result<(), Down>) -> &mut Self {
        let (question, by) = (question.parse().expect("a key"), by.parse().expect("an agent"));
        let audited = audited.map(Some);
        self.input(Input::Revealed { question, by, reply: Reply(1), audited })
    }

    fn prompt_ended(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::PromptEnded))
    }

    fn handed_over(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::HandedOver(HandOver::Done)))
    }

    fn hangs_up(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)))
    }

    fn asks(&mut self, agent: &str, what: Request) -> &mut Self {
        self.input(request(agent, what))
    }

    fn waits_until_deadline(&mut self) -> &mut Self {
        self.now.up = self.call.deadline().expect("alive");
        self.input(Input::DeadlineReached)
    }

    #[track_caller]
    fn does(&mut self, expected: &str) {
        assert_eq!(std::mem::take(&mut self.done), expected);
    }

    #[track_caller]
    fn shows(&self, class: CallerClass, authentication: Authentication) {
        let view = self.view();
        assert_eq!((view.class, view.authentication), (Some(class), authentication));
    }

    fn view(&self) -> CallView {
        self.call.view()
    }

    fn answers(&self) -> Vec<Option<String>> {
        let questions = self.view().questions.expect("questions");
        questions.items.into_iter().map(|item| item.answer).collect()
    }

    /// Positions asked, keys entered, result.
    fn pin(&self) -> (&'static str, u8, Option<PinResult>) {
        let pin = self.view().pin.expect("positions were asked");
        let positions: Vec<_> = pin.positions.iter().map(|position| position.number()).collect();
        let positions = match positions.as_slice() {
            [] => "",
            [2] => "2",
            [2, 6] => "2 6",
            _ => "others",
        };
        (positions, pin.entered, pin.result)
    }
}

fn request(agent: &str, request: Request) -> Input {
    let asker =
        Asker { agent: agent.parse().expect("an agent"), supervisor: false, groups: vec![] };
    Input::Request { asker, request, reply: Reply(1) }
}

fn known(standing: Standing) -> Known {
    let facts = [
        ("last_transaction_amount", "£42.10"),
        ("place_of_birth", "Ghent"),
        ("main_balance", "£1,200"),
    ];
    let answers: BTreeMap<_, _> = facts
        .into_iter()
        .map(|(key, answer)| (key.parse().expect("a key"), SecretText::new(answer.into())))
        .collect();
    Known {
        standing,
        has_pin: true,
        number: NumberOnFile::Undated,
        answers,
        has_number: true,
        ..Known::new("c-1".parse().expect("an id"), "Customer One".into())
    }
}

fn known_without_answers() -> Known {
    Known { answers: BTreeMap::new(), ..known(Standing::Open) }
}

fn number() -> Lookup {
    Lookup {
        by_number: Ok(NumberMatch::One(Box::new(known(Standing::Open)))),
        intent: IntentFound::NotPresented,
        alarm: None,
    }
}

fn nobody() -> Lookup {
    Lookup { by_number: Ok(NumberMatch::Nobody), intent: IntentFound::NotPresented, alarm: None }
}

fn app() -> Lookup {
    let intent = IntentFound::Good {
        customer: Some(Box::new(known(Standing::Open))),
        number_agrees: true,
        dnis_agrees: true,
    };
    Lookup { by_number: Ok(NumberMatch::One(Box::new(known(Standing::Open)))), intent, alarm: None }
}

/// Effects in words, without the published states.
fn told(effects: &[Effect]) -> String {
    let subject = |subject: &Subject| match subject {
        Subject::Account(_) => "account",
        Subject::Closed(_) => "closed",
        Subject::Stranger(_) => "stranger",
    };
    let words = effects.iter().filter_map(|effect| {
        Some(match effect {
            Effect::Publish(_) | Effect::Count { .. } => return None,
            Effect::LookUp { .. } => "look up".into(),
            Effect::LookUpKeyed(_) => "look up keyed".into(),
            Effect::Answer => "answer".into(),
            Effect::Play(prompt) => format!("play {}", prompt.id()),
            Effect::StopPlaying => "stop playing".into(),
            Effect::Draw(whose) => format!("draw {}", subject(whose)),
            Effect::Reserve { subject: whose, entry, last, .. } => {
                format!(
                    "reserve {entry} of {}{}",
                    subject(whose),
                    if *last { " (last)" } else { "" }
                )
            }
            Effect::Judge { subject: whose, .. } => format!("judge {}", subject(whose)),
            Effect::Settle { verdict, .. } => format!("settle {verdict:?}"),
            Effect::RecordResult { result, .. } => format!("record {result:?}"),
            Effect::JudgePassword { .. } => "judge password".into(),
            Effect::AuditReveal { question, .. } => format!("audit reveal {question}"),
            Effect::Audit { what, .. } => format!("audit {what}"),
            Effect::HandOver { answered, .. } => {
                format!("hand over ({})", if *answered { "REFER" } else { "302" })
            }
            Effect::Clear(cause) => format!("clear {}", cause.0),
            Effect::LookUpCustomer { customer, .. } => format!("look up {customer}"),
            // What was drawn shows in the view.
            Effect::Asked { .. } => return None,
            Effect::ResetSecurity { recovered, .. } => {
                format!("reset security{}", if *recovered { " (recovered)" } else { "" })
            }
            Effect::Unblock { .. } => "unblock".into(),
            Effect::FollowUp(occasion) => format!("follow up {}", occasion.word()),
            Effect::ProofMaterial { method, .. } => format!("fetch proof {}", method.word()),
            Effect::CompareLetter { .. } => "compare letter".into(),
            Effect::ShowInApp(Some(_)) => "show in app".into(),
            Effect::ShowInApp(None) => "show nothing in app".into(),
            Effect::Answered(_, Ok(())) => "ok".into(),
            Effect::Answered(_, Err(refusal)) => format!("refused {}", refusal.code()),
            Effect::Ended(ended) => format!("ended {}", ended.outcome),
            Effect::Disown => "disown".into(),
            Effect::Release(_) => "release".into(),
        })
    });
    words.collect::<Vec<_>>().join(", ")
}
