//! Several nodes as one (D06): a call on one node is shown and worked on from another, a node hands its
//! calls over when it drains, two nodes count as one, and Redis hears no secret.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::thread;

use serde_json::Value;
use serde_json::json;

use crate::harness::Daemon;
use crate::harness::call;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::Monitor;
use crate::harness::cluster::everything_in;
use crate::harness::cluster::ready;
use crate::harness::desktop::Desktop;
use crate::harness::platform::Platform;
use crate::harness::poll;
use crate::leaks;
use crate::leaks::Outputs;
use crate::promises::Person;
use crate::promises::csv;
use crate::promises::people;

/// What an agent may see of these people, and nobody else.
const BALANCE: &str = "£900.00";
const QUESTIONS: [&str; 3] = ["last_transaction_amount", "place_of_birth", "main_balance"];

fn supervisor(node: &Daemon) -> Desktop {
    Desktop::connect(node, &node.token("supervisor", "sue"))
}

/// A call by HTTP events that keyed a wrong PIN twice and owes questions now.
#[track_caller]
fn owes_questions(platform: &Platform<'_>, call: &str, person: &Person) {
    let begun = platform.delivered(call, &person.number);
    assert_eq!(begun["class"], "verified_number", "{begun}");
    let (heard, last) = platform.keys_pin(call, begun, &person.wrong_pin());
    assert_eq!(heard.len(), 6, "{heard:?}");
    assert_eq!(last["authentication"], "in_progress", "{last}");
}

fn id(state: &Value) -> String {
    state["id"].as_str().expect("an id").to_owned()
}

fn mark(desk: &Desktop, call: &str, question: &str, correct: bool) {
    let mark = json!({ "question": question, "correct": correct });
    assert_eq!(desk.request("mark", call, &mark), "ok", "{question}");
}

#[test]
fn d06_a_call_on_one_node_is_shown_and_worked_on_from_the_other() {
    let people = people(1);
    let cluster = Cluster::start(2, &csv(&people));
    let monitor = Monitor::of(&cluster.redis);
    let (a, b) = (cluster.a(), cluster.b());
    let (bea, away, home) = (Desktop::agent(b, "bea"), supervisor(b), supervisor(a));
    owes_questions(&Platform::new(a), "c-1", &people[0]);
    let shown = bea.wait_for("c-1", "the questions", |call| call["questions"].is_object());
    let call = id(&shown);
    assert_eq!(shown["pin"]["result"], "incorrect", "{shown}");

    assert_eq!(bea.request("reveal", &call, &json!({ "question": "main_balance" })), "not_now");
    assert_eq!(bea.request("claim", &call, &json!({})), "ok");
    home.wait_for("c-1", "whose it is", |call| call["agent"] == "bea");
    assert_eq!(bea.request("reveal", &call, &json!({ "question": "main_balance" })), "ok");
    let mine = bea.wait_for("c-1", "the answer", |call| call.to_string().contains(BALANCE));
    assert_eq!(mine["questions"]["items"][2]["answer"], BALANCE, "{mine}");
    for (question, correct) in QUESTIONS.into_iter().zip([true, false, true]) {
        mark(&bea, &call, question, correct);
    }
    assert_eq!(bea.request("finish", &call, &json!({})), "ok");
    let desks = [&bea, &away, &home];
    let passed = |call: &Value| call["authentication"] == "authenticated";
    let seen = desks.map(|desk| desk.wait_for("c-1", "the verdict", passed));
    assert!(seen.iter().all(|state| state["version"] == seen[0]["version"]), "{seen:?}");

    // The platform may speak to whichever node it likes.
    Platform::new(b).send("connection_cleared", "c-1", &json!({ "cause": 16 }));
    let over = |call: &Value| !call["ended_at"].is_null();
    for desk in desks {
        desk.wait_for("c-1", "the caller hangs up", over);
    }
    assert_eq!(bea.request("wrap_up", &call, &json!({ "outcome": "helped" })), "ok");
    for desk in desks {
        desk.frame("the call goes", |frame| frame["type"] == "call_gone" && frame["call"] == call);
    }
    assert_eq!(bea.request("claim", &call, &json!({})), "no_such_call");
    for desk in [&away, &home] {
        assert!(!desk.text().contains(BALANCE), "x11: an answer shows to its agent alone");
    }
    let heard = monitor.heard();
    assert!(heard.contains("verified_number"), "the call was shared through this Redis");
    assert!(!heard.contains("900.00"), "an answer goes from node to node, past Redis");
}

#[test]
fn d06_an_agent_on_one_node_stops_the_keypad_of_a_caller_on_the_other() {
    let people = people(1);
    let cluster = Cluster::start(2, &csv(&people));
    let bea = Desktop::agent(cluster.b(), "bea");
    let caller = call::start(cluster.a(), &["--from", &people[0].number]);
    let asked = bea.frame("a digit is asked", |frame| !frame["call"]["pin"].is_null());
    let call = id(&asked["call"]);
    assert_eq!(bea.request("claim", &call, &json!({})), "ok");
    assert_eq!(bea.request("cancel_pin", &call, &json!({})), "ok");
    let platform_call = asked["call"]["platform_call_id"].as_str().expect("an id");
    let handed =
        bea.wait_for(platform_call, "it is handed over", |call| call["media"] == "handed_over");
    assert_eq!(handed["pin"]["result"], "abandoned");
    assert_eq!(caller.report()["outcome"]["ended"], "transferred");
}

#[test]
fn d02_d06_events_of_a_call_may_come_to_any_node() {
    let people = people(1);
    let cluster = Cluster::start(2, &csv(&people));
    let nodes = [Platform::new(cluster.a()), Platform::new(cluster.b())];
    let mut answer = nodes[0].delivered("c-1", &people[0].number);
    let first = answer["call"].clone();
    // The same call, told by the other half of a platform that is doubled itself.
    assert_eq!(nodes[1].delivered("c-1", &people[0].number)["call"], first, "it is one call");
    for turn in 0..2 {
        let position = answer["directive"]["position"].as_u64().expect("a position");
        let at = usize::try_from(position).expect("a position") - 1;
        let key = people[0].pin.chars().nth(at).expect("a digit");
        answer = nodes[1 - turn].key("c-1", key);
    }
    assert_eq!(answer["authentication"], "authenticated", "{answer}");
    let (status, told) = nodes[1].directive("c-1", 0, 0);
    assert_eq!((status, &told["directive"]["do"]), (200, &json!("route")), "{told}");
}

#[test]
fn p18_a_drained_node_hands_its_calls_over() {
    let people = people(20);
    let mut cluster = Cluster::start(2, &csv(&people));
    let desk = supervisor(cluster.b());
    let mut begun = vec![];
    {
        let platform = Platform::new(cluster.a());
        for (nth, person) in people.iter().enumerate() {
            let call = format!("c-{nth}");
            if nth % 2 == 0 {
                begun.push((call.clone(), platform.delivered(&call, &person.number)));
            } else {
                owes_questions(&platform, &call, person);
            }
        }
    }
    for nth in 0..people.len() {
        desk.wait_for(&format!("c-{nth}"), "the call is known", |call| {
            call["pin"].is_object() && (nth % 2 == 0 || call["questions"].is_object())
        });
    }
    let slow = ["--from", &people[0].number, "--pin", &people[0].pin, "--reaction-ms", "1500"];
    let caller = call::start(cluster.a(), &slow);
    let sip = desk.frame("a caller on the machine", |frame| {
        frame["call"]["platform"] == "sip" && frame["call"]["pin"].is_object()
    });
    cluster.drain_a();
    let report = caller.report();
    assert_eq!(report["outcome"]["ended"], "transferred", "no check is cut: {report}");
    let sip = sip["call"]["platform_call_id"].as_str().expect("an id");
    desk.wait_for(sip, "the verdict", |call| call["authentication"] == "authenticated");

    let platform = Platform::new(cluster.b());
    for (nth, person) in people.iter().enumerate() {
        let call = format!("c-{nth}");
        let last = desk.states_of(&call).pop().expect("a state");
        assert_eq!(last["ended_at"], Value::Null, "{last}");
        if nth % 2 == 0 {
            let (status, told) = platform.directive(&call, 0, 0);
            assert_eq!(status, 200, "the call is still there: {told}");
            let (_, last) = platform.keys_pin(&call, told, &person.pin);
            assert_eq!(last["authentication"], "authenticated", "{last}");
        } else {
            assert_eq!(last["authentication"], "in_progress", "{last}");
            let claimed = desk.request("claim", &id(&last), &json!({}));
            assert!(claimed == "ok" || claimed == "forbidden", "{claimed}");
        }
    }
    let failed = |person: &Person| cluster.account(&person.id)["failed_calls"].clone();
    assert_eq!(failed(&people[1]), 1, "what was counted stays counted, once");
    assert_eq!(failed(&people[2]), 0);
}

#[test]
fn p4_two_nodes_fail_calls_of_one_account_and_the_block_comes_exactly_at_the_third() {
    let people = people(8);
    let cluster = Cluster::start(2, &csv(&people));
    let nodes = [Platform::new(cluster.a()), Platform::new(cluster.b())];
    // All at the same time: every second customer's calls fail twice, the others' three times.
    thread::scope(|calls| {
        for (who, person) in people.iter().enumerate() {
            for nth in 0..2 + who % 2 {
                let platform = &nodes[(who + nth) % 2];
                calls.spawn(move || {
                    owes_questions(platform, &format!("c-{who}-{nth}"), person);
                });
            }
        }
    });
    for (who, person) in people.iter().enumerate() {
        let account = cluster.account(&person.id);
        let expected = if who % 2 == 0 { (2, "open") } else { (3, "blocked") };
        let found = (&account["failed_calls"], &account["standing"]);
        assert_eq!(found, (&json!(expected.0), &json!(expected.1)), "{}", person.id);
    }
    for (node, platform) in nodes.iter().enumerate() {
        let (open, blocked) = (format!("open-{node}"), format!("blocked-{node}"));
        let begun = platform.delivered(&open, &people[0].number);
        let (_, last) = platform.keys_pin(&open, begun, &people[0].pin);
        assert_eq!(last["authentication"], "authenticated", "two are not three: {last}");
        let begun = platform.delivered(&blocked, &people[1].number);
        let (_, last) = platform.keys_pin(&blocked, begun, &people[1].pin);
        assert_eq!(last["authentication"], "blocked", "not even with the right PIN: {last}");
    }
}

#[test]
fn p11_redis_holds_no_secret() {
    const PASSWORD: &str = "xylograph-quartz";
    const SAID: &str = "jacaranda-bisque";
    const ANSWER: &str = "vellichor-harbour";
    let number = "+442079460001";
    let pin = "9081726";
    let customers = format!(
        "customer_id,name,numbers,pin,password,fact.qc_date_of_birth,fact.employer,fact.payment_method\n\
         1001,Ann,{number},{pin},{PASSWORD},2011-02-03,{ANSWER},{ANSWER} too\n"
    );
    let cluster = Cluster::with(2, "[policy]\ndefault = \"cmg\"\n", &customers);
    let monitor = Monitor::of(&cluster.redis);
    let (a, b) = (cluster.a(), cluster.b());
    let token = b.token("agent", "bea");
    let app = a.token("app", "phone-app");
    let bea = Desktop::connect(b, &token);
    let order = json!({ "customer_id": "1001", "number": number });
    let (_, made) = a.ask("POST", "/v1/intents", &app, Some(&order));
    let handle = made["intent"].as_str().expect("a handle").to_owned();
    let (there, here) = (Platform::new(a), Platform::new(b));

    // Keys told to the node that does not own the call, a password and an answer typed there too.
    let begun = there.delivered("c-1", number);
    let _ = here.keys_pin("c-1", begun, pin);
    let _ = here.delivered("c-2", number);
    let _ = there.key("c-2", 'B');
    let fields = json!({ "ani": number, "trunk": "office", "intent": handle });
    let _ = here.send("delivered", "c-3", &fields);
    let asked = bea.wait_for("c-1", "the end of the PIN", |call| !call["pin"]["result"].is_null());
    let call = id(&asked);
    assert_eq!(bea.request("claim", &call, &json!({})), "ok");
    assert_eq!(bea.request("set_party", &call, &json!({ "role": "client" })), "ok");
    assert_eq!(bea.request("password", &call, &json!({ "value": SAID })), "ok");
    let drawn = bea.wait_for("c-1", "a question", |call| call["questions"].is_object());
    let question = drawn["questions"]["items"][0]["key"].clone();
    let said = json!({ "question": question, "value": SAID });
    assert_eq!(bea.request("answer", &call, &said), "ok");
    assert_eq!(bea.request("finish", &call, &json!({})), "ok");
    bea.wait_for("c-1", "the verdict", |call| call["authentication"] == "failed");

    let mut outputs = Outputs::new();
    outputs.insert("commands".to_owned(), monitor.heard().into_bytes());
    outputs.insert("keys".to_owned(), everything_in(&cluster.redis));
    assert!(outputs.values().all(|bytes| bytes.len() > 1000), "there is something to search");
    let bytes = |text: &str| text.as_bytes().to_vec();
    let secrets = [
        ("PIN", bytes(pin)),
        ("password", bytes(PASSWORD)),
        ("what was said", bytes(SAID)),
        ("answer", bytes(ANSWER)),
        ("token", bytes(&token)),
        ("app's token", bytes(&app)),
        ("handle", bytes(&handle)),
    ];
    assert_eq!(leaks::hits(&outputs, &secrets), Vec::<String>::new());
    let keys: Vec<String> =
        outputs.values().flat_map(|bytes| leaks::keys_in(&leaks::plain(bytes))).collect();
    assert_eq!(keys, Vec::<String>::new());
}

#[test]
fn p06_without_postgresql_nobody_passes_nothing_is_counted_and_calls_go_on_to_agents() {
    let people = people(4);
    let cluster = Cluster::start(2, &csv(&people));
    let (a, b) = (cluster.a(), cluster.b());
    let (platform, desk) = (Platform::new(a), supervisor(b));
    // Told before: a failed call. It has to be there afterwards.
    owes_questions(&platform, "before", &people[0]);
    let begun = platform.delivered("between", &people[1].number);
    desk.wait_for("between", "a position", |call| call["pin"].is_object());
    cluster.records.shut();
    for node in [a, b] {
        poll("the records are missed", || (ready(node, "records").0 == 503).then_some(()));
        assert!(!ready(node, "records").1["since"].is_null(), "it says since when");
    }
    let (_, last) = platform.keys_pin("between", begun, &people[1].pin);
    assert_eq!(last["directive"]["do"], "route", "the call goes on to an agent: {last}");
    assert_ne!(last["authentication"], "authenticated", "nobody passes: {last}");
    let fresh = Platform::new(b).delivered("after", &people[2].number);
    assert_eq!(fresh["directive"]["do"], "route", "{fresh}");
    for call in ["between", "after"] {
        desk.wait_for(call, "a plain word", |call| {
            call["authentication"] == "system_unavailable" && call["media"] == "handed_over"
        });
    }
    cluster.records.open();
    for node in [a, b] {
        poll("it heals by itself", || (ready(node, "records").0 == 200).then_some(()));
    }
    let failed = |nth: usize| cluster.account(&people[nth].id)["failed_calls"].clone();
    assert_eq!((failed(0), failed(1), failed(2)), (json!(1), json!(0), json!(0)));
    let begun = platform.delivered("healed", &people[3].number);
    let (_, last) = platform.keys_pin("healed", begun, &people[3].pin);
    assert_eq!(last["authentication"], "authenticated", "{last}");
}
