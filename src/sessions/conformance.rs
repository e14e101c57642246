//! What every store of live state must do, told once, and run for each of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::engine::clock::Clock;
use crate::model::ids::CallId;
use crate::model::ids::IntentHandle;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::sessions::Intent;
use crate::sessions::Redeemed;
use crate::sessions::Sessions;
use crate::sessions::SessionsError;
use crate::sessions::memory::MemorySessions;
use crate::sessions::redis::RedisSessions;
use crate::sessions::redis::RedisSettings;
use crate::sessions::shared::BODY_MAX;
use crate::sessions::shared::Change;
use crate::sessions::shared::Index;
use crate::sessions::shared::Node;
use crate::sessions::shared::PlatformKey;
use crate::sessions::shared::Saved;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::SharedCalls;
use crate::sessions::shared::Stamp;
use crate::sessions::shared::Times;
use crate::sessions::shared::Touched;

#[path = "../../tests/servers/redis.rs"]
pub(super) mod servers;

/// A store under test, as two nodes have it.
pub(super) trait Both: Sessions + SharedCalls {}
impl<S: Sessions + SharedCalls> Both for S {}

type Pair = (Arc<dyn Both>, Arc<dyn Both>);

/// Times of a test: what ends does so within it.
const TIMES: Times = Times {
    call: Duration::from_secs(5),
    lease: Duration::from_secs(3),
    claim: Duration::from_secs(3),
};

pub(super) const INTENTS_MAX: usize = 150;

async fn memory() -> Pair {
    let clock = Clock::start();
    let store = MemorySessions::new(INTENTS_MAX, Arc::new(move || clock.wall())).with_times(TIMES);
    let store = Arc::new(store);
    (Arc::clone(&store) as _, store)
}

/// With TLS and a password.
async fn redis_alone() -> Pair {
    static SERVER: OnceLock<servers::Redis> = OnceLock::new();
    let server = SERVER.get_or_init(servers::Redis::start_tls);
    pair(&server.url(), server.ca.clone()).await
}

async fn redis_sentinel() -> Pair {
    static SERVERS: OnceLock<servers::Trio> = OnceLock::new();
    pair(&SERVERS.get_or_init(servers::Trio::start).url(), None).await
}

async fn redis_cluster() -> Pair {
    static SERVERS: OnceLock<servers::Cluster> = OnceLock::new();
    pair(&SERVERS.get_or_init(servers::Cluster::start).url(), None).await
}

async fn pair(url: &str, ca: Option<String>) -> Pair {
    // Stories share a server, and see nothing of each other.
    static STORIES: AtomicUsize = AtomicUsize::new(0);
    let prefix = format!("story-{}", STORIES.fetch_add(1, Ordering::Relaxed));
    let one = open(settings(url, &prefix, ca.clone())).await;
    let two = open(settings(url, &prefix, ca)).await;
    (Arc::new(one), Arc::new(two))
}

/// The usual settings, with the patience of a busy machine.
pub(super) fn settings(url: &str, prefix: &str, ca: Option<String>) -> RedisSettings {
    let file = format!("[sessions]\nurl = \"{url}\"\n");
    let address = config::parse("test", &file).expect("an address").stores.sessions.redis;
    let ca = ca.map(String::into_bytes);
    let address = address.expect("an address");
    let settings = RedisSettings::new(address, prefix.to_owned(), ca, INTENTS_MAX);
    let patience = Duration::from_secs(5);
    RedisSettings {
        times: TIMES,
        quick: patience,
        behind: patience,
        connecting: patience,
        ..settings
    }
}

pub(super) async fn open(settings: RedisSettings) -> RedisSessions {
    let clock = Clock::start();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let opened = RedisSessions::open(settings, Arc::new(move || clock.wall()), &tasks, &stop);
    opened.await.expect("opens")
}

macro_rules! conformance {
    ($engine:ident: $($story:ident,)*) => {
        mod $engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::$engine().await).await;
            })*
        }
    };
}

macro_rules! everywhere {
    ($($story:ident,)*) => {
        conformance!(memory: $($story,)*);
        conformance!(redis_alone: $($story,)*);
        conformance!(redis_sentinel: $($story,)*);
        conformance!(redis_cluster: $($story,)*);
    };
}

everywhere!(
    d06_what_one_node_saves_another_reads,
    d06_the_newest_state_wins_whatever_comes_last,
    d06_a_hundred_and_more_states_are_saved_in_one_go,
    d06_a_call_is_found_by_agent_queue_and_platform_where_it_is_now,
    d06_of_ten_nodes_one_takes_a_call_over,
    d06_the_old_owner_learns_that_it_lost_the_call,
    d06_an_owner_that_comes_back_first_yields_to_the_one_that_took_over,
    d06_a_touched_call_lives_on_and_an_untouched_one_ends,
    d06_a_removed_call_leaves_nothing_behind,
    d06_changes_are_told_to_all_nodes_in_order,
    d06_leases_end_and_rolls_stay,
    d06_a_claim_is_the_first_ones_until_it_ends,
    a_state_that_is_too_long_is_refused,
    b04_an_intent_is_good_once_and_then_used,
    b04_an_intent_expires_at_its_time_and_can_be_cancelled_once,
    b04_of_a_hundred_redeemers_one_gets_it,
    b04_intents_are_bounded,
    contract_8_of_a_hundred_who_bring_a_word_one_is_the_first,
    contract_8_a_word_is_forgotten_after_its_time,
);

async fn contract_8_of_a_hundred_who_bring_a_word_one_is_the_first((one, two): Pair) {
    let mut bringers = tokio::task::JoinSet::new();
    for nth in 0..100 {
        let store = Arc::clone(if nth % 2 == 0 { &one } else { &two });
        let ttl = Duration::from_secs(30);
        bringers.spawn(async move { store.once("w-1", ttl).await.expect("answered") });
    }
    let first = bringers.join_all().await.into_iter().filter(|first| *first).count();
    assert_eq!(first, 1);
    assert!(two.once("w-2", Duration::from_secs(30)).await.expect("answered"), "another word");
}

async fn contract_8_a_word_is_forgotten_after_its_time((one, two): Pair) {
    let ttl = Duration::from_millis(300);
    assert!(one.once("w-1", ttl).await.expect("answered"));
    assert!(!two.once("w-1", ttl).await.expect("answered"));
    sleep(ttl * 2).await;
    assert!(two.once("w-1", ttl).await.expect("answered"));
}

async fn d06_what_one_node_saves_another_reads((one, two): Pair) {
    let saved = call("c-1", "n-1", 1);
    assert_eq!(one.save(vec![saved.clone()]).await.expect("saved"), [Saved::Kept]);
    assert_eq!(two.call(&saved.id).await.expect("read"), Some(saved.clone()));
    let odd = SharedCall {
        id: id("odd {c}:1"),
        agent: None,
        queue: "q}{".parse().expect("a queue"),
        platform: key("a:b", "{x}\\ä"),
        body: "{\"text\":\"line\\n\",\n \"more\":\"ü\"}".into(),
        ..saved
    };
    assert_eq!(one.save(vec![odd.clone()]).await.expect("saved"), [Saved::Kept]);
    assert_eq!(two.call(&odd.id).await.expect("read"), Some(odd));
    assert_eq!(two.call(&id("c-2")).await.expect("read"), None);
    one.probe().await.expect("answers");
}

async fn d06_the_newest_state_wins_whatever_comes_last((one, two): Pair) {
    for version in [2, 3, 1, 3] {
        let state = call("c-1", "n-1", version);
        assert_eq!(one.save(vec![state]).await.expect("saved"), [Saved::Kept]);
    }
    let kept = two.call(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((kept.stamp.version, &*kept.body), (3, "{\"version\":3}"));
    let roll = two.roll(&node("n-1")).await.expect("read");
    assert_eq!(roll, HashMap::from([(id("c-1"), kept.stamp)]));
}

async fn d06_a_hundred_and_more_states_are_saved_in_one_go((one, two): Pair) {
    let calls: Vec<_> = (0..300).map(|n| call(&format!("c-{n}"), "n-1", 1)).collect();
    let saved = one.save(calls.clone()).await.expect("saved");
    assert_eq!(saved, vec![Saved::Kept; 300]);
    assert_eq!(two.roll(&node("n-1")).await.expect("read").len(), 300);
    let queue = Index::Queue("general".parse().expect("a queue"));
    assert_eq!(two.find(&queue).await.expect("found").len(), 300);
    let touched = calls.iter().map(|call| (call.id.clone(), call.stamp)).collect();
    let touched = one.touch(&node("n-1"), touched).await.expect("touched");
    assert_eq!(touched, vec![Touched::Held; 300]);
    let ids = calls.into_iter().map(|call| call.id).collect();
    one.remove(&node("n-1"), ids).await.expect("removed");
    assert!(two.find(&queue).await.expect("found").is_empty());
}

async fn d06_a_call_is_found_by_agent_queue_and_platform_where_it_is_now((one, two): Pair) {
    let first = call("c-1", "n-1", 1);
    let find = async |index: Index| two.find(&index).await.expect("found");
    let agent = |name: &str| Index::Agent(name.parse().expect("an agent"));
    let queue = |name: &str| Index::Queue(name.parse().expect("a queue"));
    let none = Vec::<CallId>::new();
    let _ = one.save(vec![first.clone()]).await.expect("saved");
    assert_eq!(find(agent("ann")).await, [id("c-1")]);
    assert_eq!(find(queue("general")).await, [id("c-1")]);
    assert_eq!(find(Index::Platform(first.platform.clone())).await, [id("c-1")]);
    assert_eq!(find(Index::Platform(key("sip", "other"))).await, none);

    let stamp = Stamp { term: 1, version: 2 };
    let moved = SharedCall {
        stamp,
        agent: Some("bob".parse().expect("an agent")),
        queue: "claims".parse().expect("a queue"),
        ..first
    };
    let _ = one.save(vec![moved.clone()]).await.expect("saved");
    assert_eq!(
        (find(agent("ann")).await, find(queue("general")).await),
        (none.clone(), none.clone())
    );
    assert_eq!(find(agent("bob")).await, [id("c-1")]);
    assert_eq!(find(queue("claims")).await, [id("c-1")]);

    let stamp = Stamp { term: 1, version: 3 };
    let _ = one.save(vec![SharedCall { stamp, agent: None, ..moved }]).await.expect("saved");
    assert_eq!(find(agent("bob")).await, none);
}

async fn d06_of_ten_nodes_one_takes_a_call_over((one, two): Pair) {
    let held = call("c-1", "dead", 7);
    let _ = one.save(vec![held.clone()]).await.expect("saved");
    let mut nodes = tokio::task::JoinSet::new();
    for n in 0..10 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        nodes.spawn(async move {
            let to = node(&format!("n-{n}"));
            store
                .adopt(&id("c-1"), &node("dead"), &to)
                .await
                .expect("answered")
                .map(|call| (to, call))
        });
    }
    let adopted: Vec<_> = nodes.join_all().await.into_iter().flatten().collect();
    let [(winner, adopted)] = adopted.as_slice() else { panic!("{adopted:?}") };
    let stamp = Stamp { term: 2, version: 7 };
    assert_eq!(*adopted, SharedCall { stamp, owner: winner.clone(), ..held.clone() });
    assert_eq!(two.call(&id("c-1")).await.expect("read").as_ref(), Some(adopted));
    assert_eq!(two.roll(&node("dead")).await.expect("read"), HashMap::new());
    let roll = two.roll(winner).await.expect("read");
    assert_eq!(roll, HashMap::from([(id("c-1"), stamp)]));
    let claimed = one.claim(&held.platform, &node("late")).await.expect("answered");
    assert_eq!(claimed, *winner, "events of the call go to its new owner");
    let gone = one.adopt(&id("c-2"), &node("dead"), &node("n-1")).await.expect("answered");
    assert_eq!(gone, None);
}

async fn d06_the_old_owner_learns_that_it_lost_the_call((one, two): Pair) {
    let _ = one.save(vec![call("c-1", "slow", 1)]).await.expect("saved");
    two.adopt(&id("c-1"), &node("slow"), &node("n-2")).await.expect("answered").expect("adopted");
    let late = call("c-1", "slow", 2);
    let saved = one.save(vec![late.clone(), call("c-2", "slow", 1)]).await.expect("answered");
    assert_eq!(saved, [Saved::Lost(node("n-2")), Saved::Kept]);
    let touched = one.touch(&node("slow"), vec![(id("c-1"), late.stamp)]).await.expect("answered");
    assert_eq!(touched, [Touched::Lost(node("n-2"))]);
    one.remove(&node("slow"), vec![id("c-1")]).await.expect("answered");
    let kept = two.call(&id("c-1")).await.expect("read").expect("still there");
    assert_eq!((kept.owner, kept.stamp.version), (node("n-2"), 1));
    let roll = two.roll(&node("slow")).await.expect("read");
    assert_eq!(roll.into_keys().collect::<Vec<_>>(), [id("c-2")]);
}

async fn d06_an_owner_that_comes_back_first_yields_to_the_one_that_took_over((one, two): Pair) {
    // The store was emptied after n-2 had taken the call over from n-1.
    let _ = one.save(vec![call("c-1", "n-1", 9)]).await.expect("saved");
    let taken = SharedCall { stamp: Stamp { term: 2, version: 3 }, ..call("c-1", "n-2", 3) };
    let touched = two.touch(&node("n-2"), vec![(id("c-1"), taken.stamp)]).await.expect("answered");
    assert_eq!(touched, [Touched::Missing]);
    assert_eq!(two.save(vec![taken.clone()]).await.expect("saved"), [Saved::Kept]);
    assert_eq!(one.call(&id("c-1")).await.expect("read"), Some(taken));
    assert_eq!(one.roll(&node("n-1")).await.expect("read"), HashMap::new());
    let saved = one.save(vec![call("c-1", "n-1", 10)]).await.expect("answered");
    assert_eq!(saved, [Saved::Lost(node("n-2"))]);
}

async fn d06_a_touched_call_lives_on_and_an_untouched_one_ends((one, two): Pair) {
    let held = call("c-1", "n-1", 1);
    let _ = one.save(vec![held.clone(), call("c-2", "n-1", 1)]).await.expect("saved");
    for _ in 0..5 {
        sleep(TIMES.call / 4).await;
        let touch = vec![(id("c-1"), held.stamp)];
        assert_eq!(one.touch(&node("n-1"), touch).await.expect("touched"), [Touched::Held]);
    }
    assert_eq!(two.call(&id("c-1")).await.expect("read"), Some(held.clone()));
    assert_eq!(two.call(&id("c-2")).await.expect("read"), None);
    for index in [Index::Queue(held.queue.clone()), Index::Platform(held.platform.clone())] {
        assert_eq!(two.find(&index).await.expect("found"), [id("c-1")]);
    }
    assert!(two.roll(&node("n-1")).await.expect("read").contains_key(&id("c-1")));
    let newer = Stamp { version: 2, ..held.stamp };
    let touched = one.touch(&node("n-1"), vec![(id("c-1"), newer), (id("c-2"), newer)]).await;
    assert_eq!(touched.expect("touched"), [Touched::Missing, Touched::Missing]);
}

async fn d06_a_removed_call_leaves_nothing_behind((one, two): Pair) {
    let held = call("c-1", "n-1", 1);
    let _ = one.save(vec![held.clone()]).await.expect("saved");
    one.remove(&node("n-1"), vec![id("c-1"), id("c-9")]).await.expect("removed");
    assert_eq!(two.call(&id("c-1")).await.expect("read"), None);
    assert_eq!(two.roll(&node("n-1")).await.expect("read"), HashMap::new());
    assert!(two.rolls().await.expect("read").is_empty());
    for index in [Index::Queue(held.queue), Index::Platform(held.platform)] {
        assert!(two.find(&index).await.expect("found").is_empty());
    }
}

async fn d06_changes_are_told_to_all_nodes_in_order((one, two): Pair) {
    let (mut here, mut there) =
        (one.changes().await.expect("listens"), two.changes().await.expect("listens"));
    let states = [call("c-1", "n-1", 1), call("c-1", "n-1", 2)];
    for state in &states {
        let _ = one.save(vec![state.clone()]).await.expect("saved");
    }
    // Nothing new, nothing to tell.
    let _ = one.save(vec![states[0].clone(), states[1].clone()]).await.expect("saved");
    let adopted = two.adopt(&id("c-1"), &node("n-1"), &node("n-2")).await.expect("answered");
    two.remove(&node("n-2"), vec![id("c-1")]).await.expect("removed");
    for changes in [&mut here, &mut there] {
        for state in &states {
            assert_eq!(next(changes).await, Change::Call(Box::new(state.clone())));
        }
        let adopted = adopted.clone().expect("adopted");
        assert_eq!(next(changes).await, Change::Call(Box::new(adopted)));
        assert_eq!(next(changes).await, Change::Gone(id("c-1")));
    }
}

async fn d06_leases_end_and_rolls_stay((one, two): Pair) {
    let lease = |name: &str| Node { id: node(name), address: format!("{name}.example:7000") };
    assert_eq!(one.renew(&lease("n-1")).await.expect("renewed"), [lease("n-1")]);
    let _ = one.save(vec![call("c-1", "n-1", 1)]).await.expect("saved");
    let live = two.renew(&lease("n-2")).await.expect("renewed");
    assert_eq!(sorted(live), [lease("n-1"), lease("n-2")]);
    sleep(TIMES.lease + Duration::from_millis(100)).await;
    assert_eq!(two.renew(&lease("n-2")).await.expect("renewed"), [lease("n-2")]);
    assert_eq!(two.rolls().await.expect("read"), [node("n-1")]);
    assert_eq!(two.roll(&node("n-1")).await.expect("read").len(), 1);

    let _ = one.renew(&lease("n-1")).await.expect("renewed");
    one.leave(&node("n-1")).await.expect("left");
    assert_eq!(two.renew(&lease("n-2")).await.expect("renewed"), [lease("n-2")]);
    one.leave(&node("n-2")).await.expect("left");
    one.leave(&node("nobody")).await.expect("left");
    assert_eq!(one.renew(&lease("n-3")).await.expect("renewed"), [lease("n-3")]);
}

async fn d06_a_claim_is_the_first_ones_until_it_ends((one, two): Pair) {
    let key = key("genesys", "conversation");
    assert_eq!(one.claim(&key, &node("n-1")).await.expect("claimed"), node("n-1"));
    assert_eq!(two.claim(&key, &node("n-2")).await.expect("claimed"), node("n-1"));
    assert_eq!(one.claim(&key, &node("n-1")).await.expect("claimed"), node("n-1"));
    sleep(TIMES.claim + Duration::from_millis(100)).await;
    assert_eq!(two.claim(&key, &node("n-2")).await.expect("claimed"), node("n-2"));
}

async fn a_state_that_is_too_long_is_refused((one, two): Pair) {
    let long = SharedCall { body: "x".repeat(BODY_MAX + 1).into(), ..call("c-1", "n-1", 1) };
    let SessionsError(why) = one.save(vec![long.clone()]).await.expect_err("refused");
    assert!(why.contains("too long"), "{why}");
    let longest = SharedCall { body: "x".repeat(BODY_MAX).into(), ..long };
    assert_eq!(one.save(vec![longest.clone()]).await.expect("saved"), [Saved::Kept]);
    assert_eq!(two.call(&longest.id).await.expect("read"), Some(longest));
}

async fn b04_an_intent_is_good_once_and_then_used((one, two): Pair) {
    let now = Clock::start().wall();
    let promised = Intent {
        dnis: Some(String::new()),
        purpose: Some("pay\na bill".into()),
        ..intent(now.after(Duration::from_mins(2)))
    };
    one.put_intent(handle(1), promised.clone()).await.expect("kept");
    one.put_intent(handle(2), intent(promised.expires_at)).await.expect("kept");
    let Redeemed::Good(redeemed) = two.redeem_intent(&handle(1), now).await.expect("answered")
    else {
        panic!("not good");
    };
    assert_eq!(format!("{redeemed:?}"), format!("{promised:?}"));
    assert_eq!(redeemed.number, promised.number);
    assert_eq!(redeem(&*one, 1, now).await, "used");
    assert_eq!(redeem(&*two, 1, promised.expires_at).await, "used");
    assert_eq!(redeem(&*one, 3, now).await, "unknown");
    assert!(!two.cancel_intent(&handle(1)).await.expect("answered"), "what is used stays used");
    assert_eq!(redeem(&*two, 1, now).await, "used");
}

async fn b04_an_intent_expires_at_its_time_and_can_be_cancelled_once((one, two): Pair) {
    let now = Clock::start().wall();
    let end = now.after(Duration::from_mins(2));
    one.put_intent(handle(1), intent(end)).await.expect("kept");
    assert_eq!(redeem(&*two, 1, end).await, "expired");
    assert_eq!(redeem(&*two, 1, end.after(Duration::from_secs(1))).await, "expired");
    one.put_intent(handle(2), intent(end)).await.expect("kept");
    assert!(two.cancel_intent(&handle(2)).await.expect("answered"));
    assert!(!one.cancel_intent(&handle(2)).await.expect("answered"));
    assert_eq!(redeem(&*one, 2, now).await, "unknown");
}

async fn b04_of_a_hundred_redeemers_one_gets_it((one, two): Pair) {
    let now = Clock::start().wall();
    one.put_intent(handle(1), intent(now.after(Duration::from_mins(2)))).await.expect("kept");
    let mut redeemers = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        redeemers.spawn(async move { redeem(&*store, 1, now).await });
    }
    let answers = redeemers.join_all().await;
    let count = |wanted: &str| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!((count("good"), count("used")), (1, 99));
}

async fn b04_intents_are_bounded((one, two): Pair) {
    let end = Clock::start().wall().after(Duration::from_mins(2));
    for n in 0..INTENTS_MAX {
        one.put_intent(handle(n), intent(end)).await.expect("kept");
    }
    assert!(two.put_intent(handle(INTENTS_MAX), intent(end)).await.is_err());
    assert!(two.cancel_intent(&handle(0)).await.expect("answered"));
    two.put_intent(handle(INTENTS_MAX), intent(end)).await.expect("kept");
}

pub(super) fn call(name: &str, owner: &str, version: u64) -> SharedCall {
    SharedCall {
        id: id(name),
        stamp: Stamp { term: 1, version },
        owner: node(owner),
        platform: key("sip", name),
        agent: Some("ann".parse().expect("an agent")),
        queue: "general".parse().expect("a queue"),
        body: format!("{{\"version\":{version}}}").into(),
    }
}

pub(super) fn id(text: &str) -> CallId {
    text.parse().expect("an id")
}

pub(super) fn node(text: &str) -> NodeId {
    text.parse().expect("a node")
}

fn key(platform: &str, call: &str) -> PlatformKey {
    let platform = platform.parse().expect("a platform");
    PlatformKey { platform, call: call.parse().expect("an id") }
}

fn sorted(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|one, two| one.id.cmp(&two.id));
    nodes
}

pub(super) async fn next(changes: &mut mpsc::Receiver<Change>) -> Change {
    let change = timeout(Duration::from_secs(20), changes.recv()).await;
    change.expect("a change in time").expect("a change")
}

pub(super) fn handle(number: usize) -> IntentHandle {
    IntentHandle::parse(&format!("{number:032x}")).expect("a handle")
}

pub(super) fn intent(expires_at: Timestamp) -> Intent {
    Intent {
        customer: "customer-1".parse().expect("a customer"),
        number: "+447700900123".parse().expect("a number"),
        dnis: None,
        purpose: None,
        expires_at,
    }
}

async fn redeem(store: &dyn Both, number: usize, now: Timestamp) -> &'static str {
    match store.redeem_intent(&handle(number), now).await.expect("answered") {
        Redeemed::Good(_) => "good",
        Redeemed::Expired => "expired",
        Redeemed::Used => "used",
        Redeemed::Unknown => "unknown",
    }
}
