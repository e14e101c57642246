//! Redis goes away, comes back empty, fails over, moves slots, is full, hangs, holds rubbish: errors are
//! quick and say what to do, and all works again without a restart.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::clock::Clock;
use crate::sessions::Redeemed;
use crate::sessions::Sessions;
use crate::sessions::SessionsError;
use crate::sessions::conformance::call;
use crate::sessions::conformance::handle;
use crate::sessions::conformance::id;
use crate::sessions::conformance::intent;
use crate::sessions::conformance::next;
use crate::sessions::conformance::node;
use crate::sessions::conformance::open;
use crate::sessions::conformance::servers::Cluster;
use crate::sessions::conformance::servers::Redis;
use crate::sessions::conformance::servers::Trio;
use crate::sessions::conformance::servers::With;
use crate::sessions::conformance::settings;
use crate::sessions::redis::RedisSessions;
use crate::sessions::redis::RedisSettings;
use crate::sessions::shared::Change;
use crate::sessions::shared::Index;
use crate::sessions::shared::Node;
use crate::sessions::shared::Saved;
use crate::sessions::shared::SharedCall;
use crate::sessions::shared::SharedCalls;
use crate::sessions::shared::Times;
use crate::sessions::shared::Touched;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_redis_that_comes_back_empty_is_used_again_and_nobody_waited() {
    let mut server = Redis::start();
    let store = open(lasting(&server.url())).await;
    let mut changes = store.changes().await.expect("listens");
    let held = call("c-1", "n-1", 1);
    let _ = store.save(vec![held.clone()]).await.expect("saved");
    assert_eq!(next(&mut changes).await, Change::Call(Box::new(held.clone())));
    server.stop();
    let _ = store.probe().await;
    for _ in 0..200 {
        let asked = Instant::now();
        let SessionsError(why) = store.call(&id("c-1")).await.expect_err("nobody is there");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(why.contains("Redis cannot be reached"), "{why}");
    }
    server.start_again(With::Nothing);
    answers_again(&store).await;
    assert_eq!(next(&mut changes).await, Change::Missed);
    let touched = store.touch(&node("n-1"), vec![(id("c-1"), held.stamp)]).await.expect("answered");
    assert_eq!(touched, [Touched::Missing]);
    let _ = store.save(vec![held.clone()]).await.expect("saved");
    until_told(&mut changes, &held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_redis_that_is_not_there_at_start_is_found_when_it_comes() {
    let mut server = Redis::start();
    server.stop();
    let settings =
        RedisSettings { connecting: Duration::from_millis(500), ..lasting(&server.url()) };
    let store = open(settings).await;
    assert!(store.probe().await.is_err());
    server.start_again(With::WhatItHad);
    answers_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_redis_that_hangs_costs_nobody_more_than_their_patience() {
    let server = Redis::start();
    let quick = Duration::from_millis(100);
    let store = open(RedisSettings { quick, behind: quick, ..lasting(&server.url()) }).await;
    let _: String = server.ask(&["CLIENT", "PAUSE", "4000", "ALL"]);
    for _ in 0..10 {
        let asked = Instant::now();
        let SessionsError(why) = store.call(&id("c-1")).await.expect_err("it hangs");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert!(why.contains("100 ms") || why.contains("stopped answering"), "{why}");
    }
    answers_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_failover_by_sentinel_is_followed() {
    let mut trio = Trio::start();
    let store = open(lasting(&trio.url())).await;
    let mut changes = store.changes().await.expect("listens");
    let held = call("c-1", "n-1", 1);
    let _ = store.save(vec![held.clone()]).await.expect("saved");
    until_told(&mut changes, &held).await;
    trio.failover();
    answers_again(&store).await;
    let later = call("c-1", "n-1", 2);
    assert_eq!(store.save(vec![later.clone()]).await.expect("saved"), [Saved::Kept]);
    assert_eq!(store.call(&id("c-1")).await.expect("read"), Some(later));
    let mut told_of_loss = false;
    while !told_of_loss {
        told_of_loss = next(&mut changes).await == Change::Missed;
    }
    let last = call("c-1", "n-1", 3);
    let _ = store.save(vec![last.clone()]).await.expect("saved");
    until_told(&mut changes, &last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_slot_that_moves_while_calls_are_saved_loses_none() {
    let cluster = Cluster::start();
    let store = Arc::new(open(lasting(&cluster.url())).await);
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut saving = JoinSet::new();
    saving.spawn({
        let (store, stop, rounds) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&rounds));
        async move {
            let (mut version, mut failed) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                version += 1;
                let calls = (0..64).map(|n| call(&format!("c-{n}"), "n-1", version)).collect();
                match store.save(calls).await {
                    Ok(saved) => assert_eq!(saved, vec![Saved::Kept; 64]),
                    Err(SessionsError(why)) => failed.push(why),
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            (version, failed)
        }
    });
    let some_rounds = || {
        let wanted = rounds.load(Ordering::Relaxed) + 5;
        while rounds.load(Ordering::Relaxed) < wanted {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    for key in ["moved:{c:c-1}", "moved:{c:c-2}", "moved:{n:n-1}", "moved:{nodes}"] {
        tokio::task::block_in_place(|| cluster.move_slot(key, some_rounds));
        tokio::task::block_in_place(some_rounds);
    }
    stop.store(true, Ordering::Relaxed);
    let (version, failed) = saving.join_next().await.expect("one task").expect("no panic");
    assert!(failed.len() < 10, "of {version} failed: {failed:?}");
    answers_again(&store).await;
    let last: Vec<_> = (0..64).map(|n| call(&format!("c-{n}"), "n-1", version + 1)).collect();
    let _ = store.save(last.clone()).await.expect("saved");
    let roll = store.roll(&node("n-1")).await.expect("read");
    assert_eq!(roll.len(), 64);
    for held in last {
        assert_eq!(roll.get(&held.id), Some(&held.stamp));
        assert_eq!(store.call(&held.id).await.expect("read"), Some(held));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_an_emptied_cluster_is_filled_again() {
    let cluster = Cluster::start();
    let store = open(lasting(&cluster.url())).await;
    let calls: Vec<_> = (0..32).map(|n| call(&format!("c-{n}"), "n-1", 1)).collect();
    let _ = store.save(calls.clone()).await.expect("saved");
    cluster.flush();
    for server in &cluster.servers {
        let _: String = server.ask(&["SCRIPT", "FLUSH"]);
    }
    let touch = calls.iter().map(|call| (call.id.clone(), call.stamp)).collect();
    let touched = store.touch(&node("n-1"), touch).await.expect("answered");
    assert_eq!(touched, vec![Touched::Missing; 32]);
    let _ = store.save(calls).await.expect("saved");
    assert_eq!(store.find(&general()).await.expect("found").len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_cluster_whose_masters_restart_is_used_again() {
    let mut cluster = Cluster::start();
    let store = open(lasting(&cluster.url())).await;
    let calls =
        |version| (0..32).map(|n| call(&format!("c-{n}"), "n-1", version)).collect::<Vec<_>>();
    let _ = store.save(calls(1)).await.expect("saved");
    let saves_again = async |version| {
        for _ in 0..600 {
            if store.save(calls(version)).await.is_ok() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        for held in calls(version) {
            assert_eq!(store.call(&held.id).await.expect("read"), Some(held));
        }
    };
    cluster.servers[1].stop();
    let asked = Instant::now();
    assert!(store.save(calls(2)).await.is_err());
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    cluster.servers[1].start_again(With::WhatItHad);
    saves_again(2).await;
    for server in &mut cluster.servers {
        server.stop();
    }
    for _ in 0..5 {
        assert!(store.save(calls(3)).await.is_err());
    }
    for server in &mut cluster.servers {
        server.start_again(With::WhatItHad);
    }
    saves_again(3).await;
    answers_again(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_what_is_not_ours_under_our_keys_is_written_over() {
    let server = Redis::start();
    let store = open(lasting(&server.url())).await;
    let held = call("c-1", "n-1", 1);
    let keys = ["{c:c-1}", "{n:n-1}", "{nodes}", "{a:ann}", "{q:general}", "{p:3:sip:c-1}"];
    let rest = ["{k:3:sip:c-1}", "{i}"];
    for key in keys.iter().chain(&rest) {
        let _: i64 = server.ask(&["RPUSH", &format!("faults:{key}"), "rubbish"]);
    }
    assert_eq!(store.call(&held.id).await.expect("read"), None);
    assert_eq!(store.roll(&held.owner).await.expect("read"), HashMap::new());
    assert!(store.rolls().await.expect("read").is_empty());
    assert!(store.find(&general()).await.expect("found").is_empty());
    assert_eq!(store.adopt(&held.id, &node("x"), &node("y")).await.expect("answered"), None);
    let lease = Node { id: node("n-1"), address: "h:1".into() };
    assert_eq!(store.renew(&lease).await.expect("renewed"), [lease]);
    assert_eq!(store.claim(&held.platform, &node("n-1")).await.expect("claimed"), node("n-1"));
    assert_eq!(store.save(vec![held.clone()]).await.expect("saved"), [Saved::Kept]);
    let end = Clock::start().wall().after(Duration::from_mins(1));
    store.put_intent(handle(1), intent(end)).await.expect("kept");
    assert_eq!(store.call(&held.id).await.expect("read"), Some(held.clone()));
    assert_eq!(store.find(&general()).await.expect("found"), [id("c-1")]);
    assert_eq!(store.roll(&held.owner).await.expect("read").len(), 1);

    // A hash, and not one of ours: another format, a term that is no number, an owner without a name.
    let wrong =
        [("format", "2"), ("term", "many"), ("version", ""), ("owner", ""), ("owner", "\n")];
    for (version, (field, value)) in (2..).zip(wrong) {
        let _: i64 = server.ask(&["HSET", "faults:{c:c-1}", field, value]);
        assert_eq!(store.call(&held.id).await.expect("read"), None, "{field} {value}");
        let next = call("c-1", "n-1", version);
        if store.save(vec![next.clone()]).await.is_err() {
            assert_eq!(store.save(vec![next.clone()]).await.expect("saved"), [Saved::Kept]);
        }
        assert_eq!(store.call(&held.id).await.expect("read"), Some(next), "{field} {value}");
    }
    // Others' messages on our channel are nobody's.
    let mut changes = store.changes().await.expect("listens");
    let _: i64 = server.ask(&["PUBLISH", "faults:changes", "2 call\nrubbish"]);
    let _ = store.save(vec![call("c-1", "n-1", 99)]).await.expect("saved");
    assert_eq!(next(&mut changes).await, Change::Call(Box::new(call("c-1", "n-1", 99))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_full_redis_says_so_and_still_redeems() {
    let server = Redis::start();
    let store = open(lasting(&server.url())).await;
    let now = Clock::start().wall();
    store.put_intent(handle(1), intent(now.after(Duration::from_mins(1)))).await.expect("kept");
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..20 {
        let full = store.save(vec![call("c-1", "n-1", 1)]).await;
        let SessionsError(why) = full.expect_err("it is full");
        assert!(why.contains("OOM") && why.contains("maxmemory"), "{why}");
    }
    let redeemed = store.redeem_intent(&handle(1), now).await.expect("answered");
    assert!(matches!(redeemed, Redeemed::Good(_)), "{redeemed:?}");
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(store.save(vec![call("c-1", "n-1", 1)]).await.expect("saved"), [Saved::Kept]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_lost_subscription_is_made_again_and_said() {
    let server = Redis::start();
    let store = open(lasting(&server.url())).await;
    let mut changes = store.changes().await.expect("listens");
    let killed: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert_eq!(killed, 1);
    assert_eq!(next(&mut changes).await, Change::Missed);
    let held = call("c-1", "n-1", 1);
    let _ = store.save(vec![held.clone()]).await.expect("saved");
    assert_eq!(next(&mut changes).await, Change::Call(Box::new(held)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_server_that_keeps_nobody_is_not_stormed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    // Ends with the process: nobody stops listening to it.
    std::thread::spawn(move || {
        for visitor in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(visitor);
        }
    });
    let url = format!("redis://127.0.0.1:{port}");
    let patience = Duration::from_millis(300);
    let store = open(RedisSettings { connecting: patience, ..lasting(&url) }).await;
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert!(store.probe().await.is_err());
        sleep(Duration::from_millis(2)).await;
    }
    let visits = visits.load(Ordering::Relaxed);
    assert!((2..60).contains(&visits), "{visits}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_sign_in_is_told_what_to_check() {
    let server = Redis::start_with(&["--requirepass", "right"]);
    for (url, hint) in [
        (format!("redis://127.0.0.1:{}", server.port), "put user and password into sessions.url"),
        (format!("redis://:wrong@127.0.0.1:{}", server.port), "user and password"),
    ] {
        let patience = Duration::from_millis(500);
        let store = open(RedisSettings { connecting: patience, ..lasting(&url) }).await;
        let mut said = String::new();
        for _ in 0..100 {
            SessionsError(said) = store.probe().await.expect_err("not let in");
            if said.contains(hint) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        assert!(said.contains(hint) && !said.contains("wrong"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tasks_end_when_they_are_told_to() {
    let mut server = Redis::start();
    for there in [true, false] {
        if !there {
            server.stop();
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let clock = Clock::start();
        let patience = Duration::from_millis(500);
        let settings = RedisSettings { connecting: patience, ..lasting(&server.url()) };
        let opened = RedisSessions::open(settings, Arc::new(move || clock.wall()), &tasks, &stop);
        let store = opened.await.expect("opens");
        tasks.close();
        assert_eq!(tasks.len(), 2);
        stop.cancel();
        timeout(Duration::from_secs(5), tasks.wait()).await.expect("they end");
        assert!(store.probe().await.is_err(), "nothing is heard any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_documented_rights_can_do_all() {
    let server = Redis::start();
    let documented = std::fs::read_to_string("config/countersign.toml").expect("the file");
    let rights = documented.lines().find_map(|line| line.strip_prefix("#   ~")).expect("rights");
    let rights = format!("~{rights}").replace("countersign:", "faults:");
    let command: Vec<_> = ["ACL", "SETUSER", "cs", "on", ">pw"].into_iter().collect();
    let _: String = server.ask(&[command, rights.split(' ').collect()].concat());
    let store = open(lasting(&format!("redis://cs:pw@127.0.0.1:{}", server.port))).await;
    store.probe().await.expect("answers");
    let held = call("c-1", "n-1", 1);
    let (one, two) = (node("n-1"), node("n-2"));
    let _ = store.renew(&Node { id: one.clone(), address: "h:1".into() }).await.expect("renewed");
    let _ = store.save(vec![held.clone()]).await.expect("saved");
    let _ = store.touch(&one, vec![(id("c-1"), held.stamp)]).await.expect("touched");
    assert_eq!(store.find(&general()).await.expect("found"), [id("c-1")]);
    assert_eq!(store.claim(&held.platform, &one).await.expect("claimed"), one);
    assert!(store.adopt(&id("c-1"), &one, &two).await.expect("answered").is_some());
    assert_eq!(store.rolls().await.expect("read"), std::slice::from_ref(&two));
    store.remove(&two, vec![id("c-1")]).await.expect("removed");
    store.leave(&one).await.expect("left");
    let now = Clock::start().wall();
    store.put_intent(handle(1), intent(now.after(Duration::from_mins(1)))).await.expect("kept");
    assert!(store.cancel_intent(&handle(1)).await.expect("answered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_redis_never_sees_a_handle() {
    let server = Redis::start();
    let store = open(lasting(&server.url())).await;
    let now = Clock::start().wall();
    let secret = crate::model::ids::IntentHandle::new([0xc5; 16]);
    let mut watched = Vec::new();
    store
        .put_intent(secret.clone(), intent(now.after(Duration::from_mins(1))))
        .await
        .expect("kept");
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    for key in keys {
        let dumped: Vec<u8> = server.ask(&["DUMP", &key]);
        watched.push(format!("{key} {}", String::from_utf8_lossy(&dumped)));
    }
    assert_eq!(watched.len(), 2, "{watched:?}");
    assert!(!watched.join(" ").contains("c5c5"), "{watched:?}");
    let redeemed = store.redeem_intent(&secret, now).await.expect("answered");
    assert!(matches!(redeemed, Redeemed::Good(_)), "{redeemed:?}");
    let left: Vec<String> = server.ask(&["KEYS", "*:{i}:*"]);
    let fields: Vec<String> = server.ask(&["HKEYS", &left[0]]);
    assert_eq!(fields, ["expires"], "who it was for is gone with its use");
}

/// Calls live as long as a test may take.
fn lasting(url: &str) -> RedisSettings {
    RedisSettings { times: Times::default(), ..settings(url, "faults", None) }
}

fn general() -> Index {
    Index::Queue("general".parse().expect("a queue"))
}

async fn answers_again(store: &RedisSessions) {
    for _ in 0..600 {
        if store.probe().await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("still not: {:?}", store.probe().await);
}

async fn until_told(changes: &mut Receiver<Change>, state: &SharedCall) {
    while next(changes).await != Change::Call(Box::new(state.clone())) {}
}
