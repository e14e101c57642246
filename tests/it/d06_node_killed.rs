//! D06: a node is killed in mid-call, and the other shows its calls and goes on with them.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::cluster::Cluster;
use crate::harness::desktop::Desktop;
use crate::harness::platform::Platform;
use crate::promises::Person;
use crate::promises::csv;
use crate::promises::figure;
use crate::promises::people;

const CALLS: usize = 50;
/// What the ladder of a call says then.
const GOES_ON: &str = "another node goes on with this call";
const QUESTIONS: [&str; 3] = ["last_transaction_amount", "place_of_birth", "main_balance"];

/// Where a call stands when its node dies; they take turns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stands {
    /// The first digit is asked.
    Asked,
    /// One digit was keyed.
    Keyed,
    /// A wrong pair was keyed, and the pair is asked once more.
    Again,
    /// The right PIN was keyed, and an agent has the caller.
    Passed,
    /// Two wrong pairs, and an agent marked one question.
    Questions,
    /// The questions failed, and the caller hung up.
    Ended,
    /// The agent has wrapped it up.
    Gone,
}

const STANDS: [Stands; 7] = [
    Stands::Asked,
    Stands::Keyed,
    Stands::Again,
    Stands::Passed,
    Stands::Questions,
    Stands::Ended,
    Stands::Gone,
];

impl Stands {
    const fn waits_for_keys(self) -> bool {
        matches!(self, Self::Asked | Self::Keyed | Self::Again)
    }
}

/// One of the calls.
struct Standing<'a> {
    call: String,
    person: &'a Person,
    stands: Stands,
}

fn all(people: &[Person]) -> Vec<Standing<'_>> {
    let standing = |(nth, person)| Standing {
        call: format!("c-{nth}"),
        person,
        stands: STANDS[nth % STANDS.len()],
    };
    people.iter().enumerate().map(standing).collect()
}

#[test]
fn d06_a_node_killed_in_mid_call_leaves_its_calls_to_the_other() {
    let people = people(u32::try_from(CALLS).expect("few"));
    let mut cluster = Cluster::start(2, &csv(&people));
    let calls = all(&people);
    let sue = |node: &Daemon| Desktop::connect(node, &node.token("supervisor", "sue"));
    let (there, watches) = (sue(cluster.a()), sue(cluster.b()));
    let (bea, other) = (Desktop::agent(cluster.b(), "bea"), Desktop::agent(cluster.b(), "otto"));
    // Callers on the keypad last: they are asked again and again, and then let go.
    let waits = |standing: &&Standing<'_>| standing.stands.waits_for_keys();
    let platform = Platform::new(cluster.a());
    for standing in
        calls.iter().filter(|standing| !waits(standing)).chain(calls.iter().filter(waits))
    {
        standing.is_brought_about(&platform, &bea);
    }
    let truth = truths(&calls, &there);
    both_know(&truth, &watches);

    let killed = Instant::now();
    cluster.kill_a();
    let desks = [("supervisor", &watches), ("agent", &bea), ("another agent", &other)];
    let mut slowest = Duration::ZERO;
    for (name, desk) in desks {
        for standing in calls.iter().filter(|standing| standing.stands != Stands::Gone) {
            let before = &truth[&standing.call];
            let whose = &before["agent"];
            if name == "another agent" && !whose.is_null() {
                continue;
            }
            let (after, came) = desk.came(&standing.call, name, |call| {
                call["timeline"].to_string().contains(GOES_ON) && call["stale"] != true
            });
            slowest = slowest.max(came.duration_since(killed));
            standing.is_shown_truly(before, &after);
        }
    }
    figure(&format!("node killed with {CALLS} calls: all shown by the other after {slowest:?}"));

    let platform = Platform::new(cluster.b());
    for standing in &calls {
        standing.goes_on(&platform, &bea);
    }
    for standing in &calls {
        let account = cluster.account(&standing.person.id);
        let (failed, streak) = standing.counted();
        let found = (&account["failed_calls"], &account["pin_wrong_streak"]);
        assert_eq!(found, (&json!(failed), &json!(streak)), "{:?}", standing.stands);
    }
}

#[test]
fn d06_callers_whose_sound_went_through_the_killed_node_are_shown_as_lost() {
    let people = people(3);
    let mut cluster = Cluster::start(2, &csv(&people));
    let desk = Desktop::agent(cluster.b(), "bea");
    let arguments = |person: &Person| {
        let given = ["--from", &person.number, "--pin", &person.pin, "--reaction-ms", "9000"];
        given.map(str::to_owned)
    };
    let callers: Vec<_> = people
        .iter()
        .map(|person| {
            let arguments = arguments(person);
            call::start(cluster.a(), &arguments.each_ref().map(String::as_str))
        })
        .collect();
    let on_the_machine = || {
        let frames = desk.frames();
        let calls =
            frames.iter().map(|frame| &frame["call"]).filter(|call| call["pin"].is_object());
        let ids = calls.filter_map(|call| call["platform_call_id"].as_str());
        ids.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    crate::harness::poll("all are asked", || (on_the_machine().len() == 3).then_some(()));
    let killed = Instant::now();
    cluster.kill_a();
    for call in on_the_machine() {
        let lost = desk.wait_for(&call, "the end", |call| !call["ended_at"].is_null());
        assert_eq!(lost["pin"]["result"], "abandoned", "no attempt was made: {lost}");
        assert!(lost["timeline"].to_string().contains("media is gone"), "it says why: {lost}");
    }
    figure(&format!(
        "node killed with callers on its keypad: all shown as lost after {:?}",
        killed.elapsed()
    ));
    for person in &people {
        assert_eq!(cluster.account(&person.id)["failed_calls"], 0, "c51: it counts for nobody");
    }
    drop(callers);
}

/// The last state of each call that its own node showed.
fn truths(calls: &[Standing<'_>], desk: &Desktop) -> BTreeMap<String, Value> {
    // Whoever asked has his answer, and the desktop hears of it a moment later.
    thread::sleep(Duration::from_millis(300));
    let last = |standing: &Standing<'_>| {
        let last = desk.states_of(&standing.call).pop().expect("every call was shown");
        (standing.call.clone(), last)
    };
    calls.iter().map(last).collect()
}

/// The other node shows the same before the first dies: it is behind by a write at the most.
#[track_caller]
fn both_know(truth: &BTreeMap<String, Value>, desk: &Desktop) {
    for (call, before) in truth {
        let known = before["version"].as_u64();
        desk.wait_for(call, "the same state", |call| call["version"].as_u64() >= known);
    }
}

impl Standing<'_> {
    fn is_brought_about(&self, platform: &Platform<'_>, agent: &Desktop) {
        let begun = platform.delivered(&self.call, &self.person.number);
        let ours = begun["call"].as_str().expect("an id").to_owned();
        let wrong = self.person.wrong_pin();
        match self.stands {
            Stands::Asked => {}
            Stands::Keyed => {
                self.key(platform, &begun, &self.person.pin);
            }
            Stands::Again => {
                let second = self.key(platform, &begun, &wrong);
                let again = self.key(platform, &second, &wrong);
                assert_eq!(again["directive"]["before"], json!(["pin.again"]), "{again}");
            }
            Stands::Passed => {
                let (_, last) = platform.keys_pin(&self.call, begun, &self.person.pin);
                assert_eq!(last["authentication"], "authenticated", "{last}");
                self.is_claimed(agent, &ours);
            }
            Stands::Questions | Stands::Ended | Stands::Gone => {
                let (_, last) = platform.keys_pin(&self.call, begun, &wrong);
                assert_eq!(last["authentication"], "in_progress", "{last}");
                self.is_claimed(agent, &ours);
                self.mark(agent, &ours, QUESTIONS[0], true);
            }
        }
        if matches!(self.stands, Stands::Ended | Stands::Gone) {
            self.mark(agent, &ours, QUESTIONS[1], false);
            self.mark(agent, &ours, QUESTIONS[2], false);
            assert_eq!(agent.request("finish", &ours, &json!({})), "ok");
            platform.send("connection_cleared", &self.call, &json!({ "cause": 16 }));
        }
        if self.stands == Stands::Gone {
            let wrap_up = json!({ "outcome": "helped" });
            assert_eq!(agent.request("wrap_up", &ours, &wrap_up), "ok");
        }
    }

    fn is_claimed(&self, agent: &Desktop, ours: &str) {
        agent.wait_for(&self.call, "the call is shown here", |_| true);
        assert_eq!(agent.request("claim", ours, &json!({})), "ok");
    }

    fn mark(&self, agent: &Desktop, ours: &str, question: &str, correct: bool) {
        let mark = json!({ "question": question, "correct": correct });
        assert_eq!(agent.request("mark", ours, &mark), "ok", "{}", self.call);
    }

    fn key(&self, platform: &Platform<'_>, answer: &Value, pin: &str) -> Value {
        let position = answer["directive"]["position"].as_u64().expect("a position is asked");
        let at = usize::try_from(position).expect("a position") - 1;
        platform.key(&self.call, pin.chars().nth(at).expect("a digit"))
    }

    /// The other node shows what the first knew; what was being keyed is void and asked anew.
    fn is_shown_truly(&self, before: &Value, after: &Value) {
        let same =
            ["id", "agent", "class", "customer", "authentication", "policy", "queue", "dnis"];
        for field in same {
            assert_eq!(after[field], before[field], "{field} of {:?}: {after}", self.stands);
        }
        assert_eq!(after["ended_at"].is_null(), before["ended_at"].is_null(), "{after}");
        match self.stands {
            Stands::Asked | Stands::Keyed => {
                assert_eq!(
                    (&after["pin"]["entered"], &after["pin"]["attempt"]),
                    (&json!(0), &json!(1))
                );
            }
            Stands::Again => {
                assert_eq!(
                    (&after["pin"]["entered"], &after["pin"]["attempt"]),
                    (&json!(0), &json!(2))
                );
            }
            Stands::Passed => assert_eq!(after["pin"]["result"], "correct"),
            Stands::Questions | Stands::Ended | Stands::Gone => {
                assert_eq!(after["pin"]["result"], "incorrect");
                assert_eq!(after["questions"]["correct"], before["questions"]["correct"]);
            }
        }
    }

    fn goes_on(&self, platform: &Platform<'_>, agent: &Desktop) {
        let ours = || {
            let last = agent.states_of(&self.call).pop().expect("shown before");
            last["id"].as_str().expect("an id").to_owned()
        };
        match self.stands {
            Stands::Asked | Stands::Keyed | Stands::Again => {
                let (status, told) = platform.directive(&self.call, 0, 0);
                assert_eq!((status, &told["directive"]["do"]), (200, &json!("collect_digit")));
                let (_, last) = platform.keys_pin(&self.call, told, &self.person.pin);
                assert_eq!(last["authentication"], "authenticated", "{last}");
                self.is_claimed(agent, &ours());
            }
            Stands::Questions => {
                self.mark(agent, &ours(), QUESTIONS[1], true);
                self.mark(agent, &ours(), QUESTIONS[2], true);
                assert_eq!(agent.request("finish", &ours(), &json!({})), "ok");
                let passed = |call: &Value| call["authentication"] == "authenticated";
                agent.wait_for(&self.call, "the verdict", passed);
            }
            Stands::Passed => {}
            Stands::Ended => {
                assert_eq!(
                    agent.request("wrap_up", &ours(), &json!({ "outcome": "helped" })),
                    "ok"
                );
                return;
            }
            Stands::Gone => {
                assert_eq!(agent.request("release", &ours(), &json!({})), "no_such_call");
                return;
            }
        }
        platform.send("connection_cleared", &self.call, &json!({ "cause": 16 }));
        agent.wait_for(&self.call, "the end", |call| !call["ended_at"].is_null());
        assert_eq!(agent.request("wrap_up", &ours(), &json!({ "outcome": "helped" })), "ok");
    }

    /// Failed calls and wrong pairs since the last right one, when all is over: exactly what the callers did.
    fn counted(&self) -> (u8, u8) {
        match self.stands {
            Stands::Asked | Stands::Keyed | Stands::Again | Stands::Passed => (0, 0),
            // The pass by questions ends the run of failed calls, and not that of wrong pairs (X02).
            Stands::Questions => (0, 2),
            Stands::Ended | Stands::Gone => (1, 2),
        }
    }
}
