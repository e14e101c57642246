//! Fraud (facts/caller-auth §5): what callers can tell apart, what the limits stop, and what counts.
//!
//! The daemon's own parts, put together in this process: real records, real PIN checks, real calls; only
//! the telephone is ours, so that a caller's ear can be a clock.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign::call::effect::Prompt;
use countersign::call::input::CallEvent;
use countersign::call::input::Delivered;
use countersign::call::input::HandOver;
use countersign::call::input::Input;
use countersign::call::request::Asker;
use countersign::call::request::Refusal;
use countersign::call::request::Request;
use countersign::effects::Carrier;
use countersign::effects::World;
use countersign::effects::guarding::Guard;
use countersign::effects::guarding::PIN_NOT_ACCEPTED;
use countersign::effects::in_app::InApp;
use countersign::effects::replies::Replies;
use countersign::engine::CallHandle;
use countersign::engine::calls::Calls;
use countersign::engine::clock::Clock;
use countersign::limits::AlarmKind;
use countersign::limits::Rules;
use countersign::model::call_kind::Collects;
use countersign::model::call_kind::Direction;
use countersign::model::caller::Attestation;
use countersign::model::caller::Caller;
use countersign::model::cause::Cause;
use countersign::model::customer::Customer;
use countersign::model::customer::NumberOnFile;
use countersign::model::digits::Key;
use countersign::model::digits::Positions;
use countersign::model::digits::SecretText;
use countersign::model::digits::VoicePin;
use countersign::model::ids::CallId;
use countersign::model::ids::CustomerId;
use countersign::model::time::Timestamp;
use countersign::pin::pepper::Pepper;
use countersign::pin::workers::PinParams;
use countersign::pin::workers::PinWorkers;
use countersign::platform::Leg;
use countersign::policy::BUILT_IN;
use countersign::policy::Profile;
use countersign::push::audience::View;
use countersign::push::hub::Found;
use countersign::push::hub::Hub;
use countersign::records::CallResult;
use countersign::records::Enrolment;
use countersign::records::Reservation;
use countersign::records::Settlement;
use countersign::records::sqlite::SqliteRecords;
use countersign::sessions::memory::MemorySessions;
use countersign::stats::Shared as Stats;
use countersign::wire::identity::Identity;
use countersign::wire::identity::TokenRole;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::promises::figure;
use crate::promises::percentile;

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);
/// Customers with a PIN beside those that stories name.
const OTHERS: u32 = 60;
const RIGHT: &str = "9081726";
/// Wrong at every position.
const WRONG: &str = "3333333";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c77_x03_f5_1_unknown_blocked_default_and_wrong_callers_hear_the_same_however_often_they_ring()
 {
    let switch = Switch::start(Rules { answer_bucket: Duration::ZERO, ..off() }).await;
    let mut transcripts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut positions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for round in 0..50 {
        for (group, keyed) in groups(round, round / 2) {
            // The default PIN of an account that was never set up opens nothing either (C18).
            let pin = if group == "default" { "1234567" } else { WRONG };
            let heard = switch.rings(round, &keyed, pin).await;
            let kinds: Vec<_> =
                heard.prompts.iter().map(|prompt| prompt.replace(char::is_numeric, "N")).collect();
            transcripts.entry(kinds.join(" ") + " " + heard.end).or_default().insert(group);
            let asked: Vec<_> = heard.prompts.into_iter().skip(1).take(2).collect();
            positions.entry(keyed).or_default().insert(asked.join(" "));
        }
    }
    assert_eq!(transcripts.len(), 1, "{transcripts:?}");
    assert_eq!(positions.len(), 6 + 25);
    assert!(positions.values().all(|asked| asked.len() == 1), "5.6: {positions:?}");
    let (heard, groups) = transcripts.first_key_value().expect("one");
    figure(&format!("200 calls of {groups:?} all heard: {heard}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_3_the_time_to_an_answer_tells_nobody_who_is_unknown_blocked_default_or_wrong() {
    for (bucket, calls, most) in [(0, 60, 1.0), (60, 60, 0.5)] {
        let rules = Rules { answer_bucket: Duration::from_millis(bucket), ..off() };
        let switch = Arc::new(Switch::start(rules).await);
        let mut waits: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        // Four callers at a time, one of each group, so that all meet the same weather.
        for round in 0..calls {
            let mut four = JoinSet::new();
            for (group, keyed) in groups(round, round) {
                let switch = Arc::clone(&switch);
                four.spawn(async move { (group, switch.rings(round, &keyed, WRONG).await.waits) });
            }
            for (group, heard) in four.join_all().await {
                waits.entry(group).or_default().extend(heard.iter().map(Duration::as_secs_f64));
            }
        }
        let mut worst = ("", "", 0.0);
        let names: Vec<&str> = waits.keys().copied().collect();
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                let distance = kolmogorov_smirnov(&waits[one], &waits[other]);
                if distance > worst.2 {
                    worst = (one, other, distance);
                }
            }
        }
        let medians: Vec<String> = waits
            .iter_mut()
            .map(|(group, waits)| {
                waits.sort_by(f64::total_cmp);
                format!("{group} {:.1} ms", percentile(waits, 0.5) * 1000.0)
            })
            .collect();
        let samples = waits.values().map(Vec::len).min().unwrap_or(0);
        let critical = 1.63 * (2.0 / f64::from(u32::try_from(samples).unwrap_or(1))).sqrt();
        figure(&format!(
            "answers in steps of {bucket} ms, {samples} samples a group, medians {}: largest KS distance {:.3} ({} / {}), {critical:.3} would tell them apart at alpha 0.01",
            medians.join(", "),
            worst.2,
            worst.0,
            worst.1,
        ));
        // Far above what chance does with so many samples, far below what a leak does (1.0 is one).
        assert!(worst.2 <= most, "{worst:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x16_f5_2_a_spray_over_many_accounts_and_numbers_raises_the_alarm_before_call_100() {
    let rules = Rules { answer_bucket: Duration::ZERO, ..Rules::default() };
    let switch = Switch::start(rules).await;
    let known = Caller { ani: "+442079461001".parse().ok(), ..Caller::default() };
    let class = |heard: &Heard| heard.view["class"].clone();
    let before = switch.rings_from(known.clone(), "", RIGHT).await;
    assert_eq!(class(&before), "verified_number");
    let mut raised = None;
    for nth in 0..100_u32 {
        // Each from a number of its own, in a block of its own, for an account of its own.
        let ani = format!("+4477{:08}", nth * 1_000_000).parse().ok();
        let caller = Caller { ani, ..Caller::default() };
        let heard = switch.rings_from(caller, &format!("7{nth:05}"), WRONG).await;
        assert_eq!(heard.end, "handed over");
        let alarms = switch.world.guard.alarms(switch.world.clock.now());
        if alarms.iter().any(|alarm| alarm.kind == AlarmKind::FailureRate) {
            let shown = format!("{alarms:?}");
            assert!(!shown.contains("+44") && !shown.contains("0000"), "c52: {shown}");
            raised.get_or_insert(nth + 1);
        }
    }
    assert!(raised.is_some_and(|call| call < 100), "{raised:?}");
    figure(&format!("a spray over accounts and numbers: alarm at call {}", raised.unwrap_or(0)));
    let during = switch.rings_from(known.clone(), "", RIGHT).await;
    assert_eq!(class(&during), "unverified", "a number that may be forged does not count now");
    let attested = Caller { attestation: Attestation::Full, ..known };
    let attested = switch.rings_from(attested, "", RIGHT).await;
    assert_eq!(class(&attested), "verified_number", "5.8: the lane of those who show more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_2_f5_8_the_fourth_account_of_one_number_hears_the_same_and_is_not_counted_against() {
    let rules = Rules { answer_bucket: Duration::ZERO, ..Rules::default() };
    let switch = Switch::start(rules).await;
    let mut heard = vec![];
    for keyed in ["1001", "1003", "1005", "1007", "1001"] {
        heard.push(switch.rings(7, keyed, RIGHT).await);
    }
    let results: Vec<_> = heard.iter().map(|heard| heard.view["pin"]["result"].clone()).collect();
    assert_eq!(results, ["correct", "correct", "correct", "incorrect", "correct"]);
    let flags = heard[3].view["customer"]["flags"].to_string();
    assert!(flags.contains(PIN_NOT_ACCEPTED), "the agent sees why: {flags}");
    for _ in 0..6 {
        heard.push(switch.rings(7, "1007", WRONG).await);
    }
    let account = switch.account("1007").await;
    assert_eq!((account.0, account.1, account.2), (0, 0, false), "5.8: nobody was locked out");
    let own = switch.rings(8, "1007", RIGHT).await;
    assert_eq!(own.view["pin"]["result"], "correct");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_13_what_is_said_three_times_is_counted_once() {
    let switch = Switch::start(off()).await;
    let (records, id) = (&switch.world.records, customer_id("1001"));
    let now = Timestamp(1_795_000_000_000);
    let call = CallId::new(now, [1; 10]);
    let profile = profile();
    let reservation = Reservation {
        call: call.clone(),
        customer: id.clone(),
        entry: 2,
        last: true,
        positions: Positions::FIRST,
        rule: profile.block,
        at: now,
    };
    let attempt = records.reserve(reservation).await.expect("reserved");
    for _ in 0..3 {
        let _ = records.settle(attempt, Settlement::Wrong, now).await.expect("settled");
        let failed = records.call_result(&call, &id, CallResult::Failed, profile.block, now).await;
        assert!(failed.expect("recorded").call_failed);
    }
    assert_eq!(switch.account("1001").await, (1, 1, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_14_hanging_up_at_any_moment_dodges_nothing() {
    let switch = Switch::start(off()).await;
    let (mut wrong, mut failed) = (vec![], vec![]);
    for steps in 0..8_usize {
        let keyed = ["1001", "1003", "1005", "1007", "1009", "1011", "1013", "1015"][steps];
        let heard = switch.hangs_up_after(keyed, steps).await;
        assert_eq!(heard.end, "hung up");
        // After so many prompts: number, position, position, again, position, position, thanks.
        let entries = [0, 0, 0, 1, 1, 1, 2, 2][steps];
        let account = switch.settled_account(keyed, entries).await;
        wrong.push(account.1 - entries);
        failed.push(account.0);
    }
    assert_eq!(wrong, [0; 8], "every entry that was complete counts, and no other");
    assert_eq!(failed, [0, 0, 0, 0, 0, 0, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x11_f5_7_an_agent_who_has_looked_enough_is_refused() {
    let rules = Rules { reveals_per_agent: 2, ..off() };
    let switch = Switch::start(rules).await;
    let line = switch.line(stranger(1));
    let (heard, handle) = line.talks("1001", WRONG, usize::MAX, false).await;
    assert_eq!(heard.end, "handed over");
    let ask = |request: Request| {
        let asker = Asker {
            agent: "agent-1".parse().expect("an agent"),
            supervisor: false,
            groups: vec![],
        };
        let (world, handle) = (Arc::clone(&switch.world), handle.clone());
        async move { world.replies.ask(&handle, |reply| Input::Request { asker, request, reply }).await }
    };
    let look = || ask(Request::Reveal("place_of_birth".parse().expect("a key")));
    assert_eq!(ask(Request::Claim).await, Ok(()));
    assert_eq!((look().await, look().await), (Ok(()), Ok(())));
    assert_eq!(look().await, Err(Refusal::Quota));
    let mark = Request::Mark { question: "place_of_birth".parse().expect("a key"), correct: true };
    assert_eq!(ask(mark).await, Ok(()));
    let alarms = switch.world.guard.alarms(switch.world.clock.now());
    let kinds: Vec<_> = alarms.iter().map(|alarm| alarm.kind).collect();
    assert_eq!(kinds, [AlarmKind::AgentReveals, AlarmKind::AgentFastTick], "{alarms:?}");
}

// --- a switchboard in this process ---

/// No limit and no alarm: these stories fail again and again on purpose.
fn off() -> Rules {
    Rules {
        accounts_per_number: 0,
        failures_withheld: 0,
        failures_per_prefix: 0,
        failures_per_trunk: 0,
        failure_margin_percent: 0,
        ..Rules::default()
    }
}

/// One caller of each kind: nobody, blocked, never set up, and one who exists and is wrong. The last
/// is somebody else in time, so that they are not blocked like the second.
fn groups(round: u32, other: u32) -> [(&'static str, String); 4] {
    let number = |first: u32| (first + round % 2).to_string();
    [
        ("unknown", number(8_888)),
        ("blocked", number(2_001)),
        ("default", number(3_001)),
        ("wrong", (5_000 + other % OTHERS).to_string()),
    ]
}

/// A caller whose number belongs to nobody.
fn stranger(nth: u32) -> Caller {
    Caller { ani: format!("+4416329{nth:05}").parse().ok(), ..Caller::default() }
}

fn customer_id(id: &str) -> CustomerId {
    id.parse().expect("an id")
}

fn profile() -> Arc<Profile> {
    let (name, text) = BUILT_IN.iter().find(|(name, _)| *name == "retail").expect("retail");
    Arc::new(Profile::parse(name, text).expect("sound"))
}

/// The largest distance of two distributions.
fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> f64 {
    let share = |of: &[f64], up_to: f64| {
        let below = of.iter().filter(|value| **value <= up_to).count();
        f64::from(u32::try_from(below).unwrap_or(0))
            / f64::from(u32::try_from(of.len()).unwrap_or(1))
    };
    let all = one.iter().chain(other);
    all.map(|at| (share(one, *at) - share(other, *at)).abs()).fold(0.0, f64::max)
}

struct Switch {
    world: Arc<World>,
    calls: Calls,
    profile: Arc<Profile>,
    _folder: TempDir,
}

/// What a caller heard, and how long it took from the last key to the prompt after it.
struct Heard {
    prompts: Vec<String>,
    waits: Vec<Duration>,
    end: &'static str,
    view: serde_json::Value,
}

impl Switch {
    async fn start(rules: Rules) -> Self {
        let folder = TempDir::new().expect("a folder");
        let records = SqliteRecords::open(&folder.path().join("records.db")).expect("opens");
        let params = PinParams { memory_kib: 64, iterations: 1, ..PinParams::default() };
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        let pins = PinWorkers::start(params, pepper).expect("starts");
        let (clock, tasks) = (Clock::start(), TaskTracker::new());
        let calls = Calls::new(10_000, clock, tasks.clone(), CancellationToken::new());
        let sessions = MemorySessions::new(10, Arc::new(move || clock.wall()));
        let world = Arc::new(World {
            records: Arc::new(records),
            sessions: Arc::new(sessions),
            pins: Arc::new(pins),
            hub: Hub::new(1, 4096),
            guard: Arc::new(Guard::new(rules, [7; 32])),
            clock,
            tasks,
            replies: Replies::default(),
            in_app: InApp::default(),
            sharing: None,
            stats: Arc::new(Stats::new(clock.wall())),
        });
        let switch = Self { world, calls, profile: profile(), _folder: folder };
        switch.enrol().await;
        switch
    }

    /// Those with a PIN (1001 …), two who are blocked (2001, 2002), two who were never set up (3001, 3002).
    async fn enrol(&self) {
        let now = Timestamp(1_795_000_000_000);
        let World { records, pins, .. } = &*self.world;
        let named = [1001, 1003, 1005, 1007, 1009, 1011, 1013, 1015, 2001, 2002, 3001, 3002];
        let mut rows = vec![];
        for id in named.into_iter().chain(5_000..5_000 + OTHERS) {
            let id = id.to_string();
            let customer = customer_id(&id);
            let pin = VoicePin::parse(RIGHT).expect("a PIN");
            let version = records.next_pin_version(&customer).await.expect("a version");
            let sealed = pins.enrol(&customer, version, pin).await.expect("enrolled");
            let pin = (!id.starts_with('3')).then_some(sealed);
            rows.push(Enrolment { customer: on_file(&id), pin, password: None });
        }
        records.import(rows, now).await.expect("stored");
        for id in ["2001", "2002"] {
            for nth in 0..3 {
                let call = CallId::new(now, [nth; 10]);
                let block = self.profile.block;
                let failed = CallResult::Failed;
                let _ = records.call_result(&call, &customer_id(id), failed, block, now).await;
            }
            assert!(self.account(id).await.2, "{id} is blocked");
        }
    }

    /// Failed calls, wrong entries, blocked.
    async fn account(&self, id: &str) -> (u8, u8, bool) {
        let found = self.world.records.account(&customer_id(id)).await.expect("read");
        let account = found.expect("an account");
        (account.failed_calls, account.pin_wrong_streak, account.blocked)
    }

    /// The same once so many wrong entries are on disk, or at the latest when patience is over.
    async fn settled_account(&self, id: &str, wrong: u8) -> (u8, u8, bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let account = self.account(id).await;
            if account.1 >= wrong || Instant::now() > until {
                return account;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn line(&self, caller: Caller) -> Line {
        let (said, saying) = mpsc::channel(64);
        let id = CallId::new(self.world.clock.wall(), rand::random());
        let delivered = Delivered {
            platform: "sip".parse().expect("a platform"),
            direction: Direction::Inbound,
            collects: Collects::WhileHeld,
            platform_call_id: id.as_str().parse().expect("an id"),
            caller,
            dnis: "+448000000000".into(),
            queue: "general".parse().expect("a queue"),
            queue_uri: "sip:queue@127.0.0.1".into(),
            intent: None,
            claimed_customer: None,
            handed_over_max: Duration::from_mins(1),
            purpose: None,
            agent: None,
        };
        let (world, ear) = (Arc::clone(&self.world), Box::new(Ear(said)));
        let profile = Arc::clone(&self.profile);
        let carrier = Carrier::new(world, id.clone(), ear, Arc::clone(&profile));
        let handle = self.calls.start(&id, delivered, profile, carrier).expect("there is room");
        Line { world: Arc::clone(&self.world), id, handle, saying }
    }

    async fn rings(&self, nth: u32, keyed: &str, pin: &str) -> Heard {
        self.rings_from(stranger(nth), keyed, pin).await
    }

    async fn rings_from(&self, caller: Caller, keyed: &str, pin: &str) -> Heard {
        self.line(caller).talks(keyed, pin, usize::MAX, true).await.0
    }

    async fn hangs_up_after(&self, keyed: &str, prompts: usize) -> Heard {
        let caller = stranger(7);
        self.line(caller).talks(keyed, WRONG, prompts, true).await.0
    }
}

/// A supervisor's view.
fn everything() -> View {
    let identity = Identity {
        agent: "agent-0".parse().expect("an agent"),
        name: None,
        roles: vec![TokenRole::Supervisor],
        queues: vec![],
        groups: vec![],
        expires_at: Timestamp(u64::MAX),
    };
    View::new(&identity, None)
}

fn on_file(id: &str) -> Customer {
    let number = format!("+44207946{id}").parse().expect("a number");
    Customer {
        id: customer_id(id),
        keypad_id: Some(id.to_owned()),
        name: format!("Customer {id}"),
        role: countersign::model::customer::Role::Client,
        represents: vec![],
        numbers: vec![NumberOnFile { number, since: None }],
        email: None,
        language: None,
        flags: if id.starts_with('3') { vec!["apply_defaults".into()] } else { vec![] },
        facts: [("place_of_birth", "Leeds"), ("main_balance", "£900.00")]
            .into_iter()
            .map(|(key, value)| (key.parse().expect("a key"), SecretText::new(value.into())))
            .collect(),
    }
}

/// What a call says to a caller's ear, and when.
enum Said {
    Answered,
    Plays(&'static str),
    HandedOver,
    Cleared,
}

struct Ear(mpsc::Sender<(Instant, Said)>);

impl Ear {
    fn hears(&self, said: Said) {
        // Who hung up hears nothing more.
        let _ = self.0.try_send((Instant::now(), said));
    }
}

impl Leg for Ear {
    fn answer(&mut self) {
        self.hears(Said::Answered);
    }
    fn play(&mut self, prompt: Prompt) {
        self.hears(Said::Plays(prompt.id()));
    }
    fn stop_playing(&mut self) {}
    fn hand_over(&mut self, _to: &str, _answered: bool, _call: &CallId) {
        self.hears(Said::HandedOver);
    }
    fn clear(&mut self, _cause: Cause) {
        self.hears(Said::Cleared);
    }
}

/// A caller on the line.
struct Line {
    world: Arc<World>,
    id: CallId,
    handle: CallHandle,
    saying: mpsc::Receiver<(Instant, Said)>,
}

impl Line {
    /// Keys the customer number and the positions of `pin` that are asked, up to so many prompts; then
    /// hangs up. Leaves after the hand-over if told to.
    async fn talks(
        mut self,
        keyed: &str,
        pin: &str,
        prompts: usize,
        leaves: bool,
    ) -> (Heard, CallHandle) {
        let (mut heard, mut waits, mut pressed, mut keys) = (vec![], vec![], None, 0);
        let end = loop {
            let said = timeout(PATIENCE, self.saying.recv()).await.expect("something is said");
            let (at, said) = said.expect("the call lives");
            match said {
                Said::Answered => self.tell(CallEvent::Established),
                Said::HandedOver => break "handed over",
                Said::Cleared => break "cleared",
                Said::Plays(prompt) => {
                    waits.extend(pressed.take().map(|pressed| at - pressed));
                    heard.push(prompt.to_owned());
                    if heard.len() > prompts {
                        break "hung up";
                    }
                    let position = prompt.strip_prefix("pin.position.");
                    match position.and_then(|number| number.parse::<usize>().ok()) {
                        Some(position) => {
                            keys += 1;
                            self.press(&pin[position - 1..position]);
                            // Every second one completes an entry.
                            pressed = (keys % 2 == 0).then(Instant::now);
                        }
                        None if prompt == "customer.number" => {
                            self.press(keyed);
                            self.press("#");
                            pressed = Some(Instant::now());
                        }
                        None => self.tell(CallEvent::PromptEnded),
                    }
                    if heard.len() == prompts {
                        break "hung up";
                    }
                }
            }
        };
        if end == "handed over" {
            self.tell(CallEvent::HandedOver(HandOver::Done));
        }
        let view = self.view(end).await;
        if leaves {
            self.tell(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING));
        }
        (Heard { prompts: heard, waits, end, view }, self.handle)
    }

    /// The state the desktops see, once the hand-over is in it.
    async fn view(&self, end: &str) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.world.hub.call(&everything(), self.id.as_str());
            let view = match found {
                Found::Seen(json) => serde_json::from_str(&json).expect("JSON"),
                Found::Hidden | Found::Unknown => serde_json::Value::Null,
            };
            if end != "handed over" || view["media"] == "handed_over" || Instant::now() > until {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn press(&self, keys: &str) {
        for key in keys.chars().filter_map(Key::from_char) {
            self.tell(CallEvent::DigitGenerated(key));
        }
    }

    fn tell(&self, event: CallEvent) {
        self.handle.send(Input::Event(event)).expect("the call listens");
    }
}
