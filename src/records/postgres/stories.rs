//! What only a database of several nodes can get wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

use crate::account::Account;
use crate::account::AccountFact;
use crate::account::Standing;
use crate::model::customer::Customer;
use crate::model::digits::Positions;
use crate::records::CallResult;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::conformance::NOW;
use crate::records::conformance::RULE;
use crate::records::conformance::call;
use crate::records::conformance::customer;
use crate::records::conformance::enrol;
use crate::records::conformance::id;
use crate::records::conformance::row;
use crate::records::postgres::PostgresRecords;
use crate::records::server;

type Node = Arc<PostgresRecords>;

/// A schema of its own, and its URL.
async fn database() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = server::schema(&server::name_for(folder.path())).await;
    (folder, url)
}

async fn node(url: &str) -> Node {
    Arc::new(PostgresRecords::open(url, 6).await.expect("opens"))
}

/// Somebody else on the same schema.
async fn stranger(folder: &Path) -> Client {
    let server = server::server();
    let name = server::name_for(folder);
    let address = format!(
        "host={} port={} user=countersign dbname=postgres options='-c search_path={name}'",
        server.folder, server.port
    );
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("connects");
    tokio::task::spawn(connection);
    client
}

fn entry(name: &str, account: &str) -> Reservation {
    Reservation {
        call: call(name),
        customer: id(account),
        entry: 1,
        last: false,
        positions: Positions::FIRST,
        rule: RULE,
        at: NOW,
    }
}

async fn account(node: &Node, name: &str) -> Account {
    node.account(&id(name)).await.expect("read").expect("there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_c70_two_nodes_fail_calls_at_once_and_the_third_blocks() {
    let (_folder, url) = database().await;
    let nodes = [node(&url).await, node(&url).await];
    let names: Vec<_> = (0..12).map(|n| format!("c-{n}")).collect();
    for name in &names {
        enrol(&*nodes[0], name).await;
    }
    let mut calls = JoinSet::new();
    for n in 0..6 {
        for name in &names {
            let (node, name) = (Arc::clone(&nodes[n % 2]), name.clone());
            calls.spawn(async move {
                let (failed, failing) = (call(&format!("{name}-{n}")), CallResult::Failed);
                let after = node.call_result(&failed, &id(&name), failing, RULE, NOW).await;
                (name, after.expect("stored"))
            });
        }
    }
    let answers = calls.join_all().await;
    for name in &names {
        let of_account = answers.iter().filter(|(of, _)| of == name).map(|(_, after)| after);
        let open = of_account.clone().filter(|after| after.standing == Standing::Open).count();
        let blocking =
            of_account.filter(|after| after.facts == [AccountFact::BecameBlocked]).count();
        assert_eq!((open, blocking), (2, 1), "{name}");
        let account = account(&nodes[1], name).await;
        assert_eq!((account.standing(), account.failed_calls), (Standing::Blocked, 6), "{name}");
    }
    let lines = nodes[1].audit_from(1, 10_000).await.expect("read");
    let failed = lines.iter().filter(|line| line.entry.what == "call_failed").count();
    assert_eq!(failed, 6 * names.len());
    let all = u64::try_from(lines.len()).expect("few");
    assert_eq!(audit::verify(Head::default(), lines).expect("holds").number, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_x02_parallel_calls_on_two_nodes_buy_no_guesses() {
    let (_folder, url) = database().await;
    let nodes = [node(&url).await, node(&url).await];
    enrol(&*nodes[0], "c-1").await;
    let mut calls = JoinSet::new();
    for n in 0..40 {
        let node = Arc::clone(&nodes[n % 2]);
        calls.spawn(async move {
            let attempt = node.reserve(entry(&format!("call-{n}"), "c-1")).await.ok()?;
            tokio::task::yield_now().await;
            Some(node.settle(attempt, Settlement::Wrong, NOW).await.expect("settled"))
        });
    }
    assert_eq!(calls.join_all().await.into_iter().flatten().count(), 6);
    assert_eq!(account(&nodes[0], "c-1").await.standing(), Standing::ResetRequired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_13_x5_15_an_attempt_that_two_nodes_settle_at_once_counts_once() {
    let (_folder, url) = database().await;
    let nodes = [node(&url).await, node(&url).await];
    for n in 0..20 {
        let (name, of) = (format!("c-{n}"), call(&format!("call-{n}")));
        enrol(&*nodes[0], &name).await;
        let attempt = nodes[0].reserve(entry(of.as_str(), &name)).await.expect("reserved");
        let (told, taken, swept) = tokio::join!(
            nodes[0].settle(attempt, Settlement::Wrong, NOW),
            nodes[1].settle_abandoned(&of, NOW),
            nodes[1].settle_older_than(crate::model::time::Timestamp(NOW.0 + 1), 10),
        );
        let _ = (told.expect("settled"), swept.expect("swept"));
        let known = taken.expect("settled").expect("known");
        assert_eq!((known.entries, known.last), (1, Some(Settlement::Wrong)));
        assert_eq!(account(&nodes[1], &name).await.pin_wrong_streak, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_import_the_same_new_customers_at_once() {
    let (_folder, url) = database().await;
    let nodes = [node(&url).await, node(&url).await];
    let ids: Vec<_> = (0..30).map(|n| format!("c-{n:02}")).collect();
    let there = ids.iter().map(|id| row(customer(id))).collect();
    let back = ids.iter().rev().map(|id| row(customer(id))).collect();
    let (one, other) = tokio::join!(nodes[0].import(there, NOW), nodes[1].import(back, NOW));
    let (one, other) = (one.expect("imported"), other.expect("imported"));
    assert_eq!(one.len() + other.len(), 60);
    let lines = nodes[0].audit_from(1, 100).await.expect("read");
    assert_eq!(lines.len(), 30, "each was made once");
    assert!(audit::verify(Head::default(), lines).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_nobody_waits_for_is_taken_back_and_a_settlement_goes_on() {
    let (folder, url) = database().await;
    let node = node(&url).await;
    enrol(&*node, "c-1").await;
    let attempt = node.reserve(entry("call-1", "c-1")).await.expect("reserved");
    let stranger = stranger(folder.path()).await;
    stranger.batch_execute("BEGIN; SELECT 1 FROM accounts FOR UPDATE").await.expect("locked");
    let brief = Duration::from_millis(300);
    assert!(timeout(brief, node.reserve(entry("call-2", "c-1"))).await.is_err());
    assert!(timeout(brief, node.settle(attempt, Settlement::Wrong, NOW)).await.is_err());
    stranger.batch_execute("ROLLBACK").await.expect("let go");
    let started = Instant::now();
    while account(&node, "c-1").await.pin_wrong_streak == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "the settlement goes on");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.settle_abandoned(&call("call-2"), NOW).await.expect("read"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_row_that_somebody_holds_is_waited_for_and_then_named_unavailable() {
    let (folder, url) = database().await;
    let node = node(&url).await;
    enrol(&*node, "c-1").await;
    let stranger = stranger(folder.path()).await;
    stranger.batch_execute("BEGIN; SELECT 1 FROM accounts FOR UPDATE").await.expect("locked");
    let started = Instant::now();
    let refused = node.reserve(entry("call-1", "c-1")).await;
    assert!(matches!(refused, Err(RecordsError::Unavailable(_))), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    stranger.batch_execute("ROLLBACK").await.expect("let go");
    assert!(node.reserve(entry("call-1", "c-1")).await.is_ok(), "and then it works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_connections_that_the_server_ends_are_made_again() {
    let (folder, url) = database().await;
    let own = folder.path().file_name().expect("a name").to_str().expect("text").to_owned();
    let node = node(&format!("{url}&application_name={own}")).await;
    enrol(&*node, "c-1").await;
    let stranger = stranger(folder.path()).await;
    for n in 0..3 {
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        let ended = stranger.query(end, &[&own]).await.expect("ended");
        assert!(!ended.is_empty(), "it was connected");
        assert!(account(&node, "c-1").await.has_pin());
        stranger.query(end, &[&own]).await.expect("ended");
        node.reserve(entry(&format!("call-{n}"), "c-1")).await.expect("reserved");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_a_server_that_is_not_there_is_named_without_the_password() {
    let nobody = "postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable";
    let Err(error) = PostgresRecords::open(nobody, 1).await else { panic!("it opened") };
    assert!(matches!(error, RecordsError::Unavailable(_)), "{error:?}");
    let wrong = server::schema("wrong_password").await.replace(server::PASSWORD, "s3cret");
    let Err(refused) = PostgresRecords::open(&wrong, 1).await else { panic!("it opened") };
    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
    assert!(!format!("{error} {refused} {error:?} {refused:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_what_the_database_refuses_is_told_without_the_values() {
    let (_folder, url) = database().await;
    let node = node(&url).await;
    let odd = Customer { name: "Mallory\0Secret".into(), ..customer("c-1") };
    let refused = node.import(vec![row(odd)], NOW).await.expect_err("no zero bytes");
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("22021") && !said.contains("Mallory"), "{said}");
    assert!(node.customer(&id("c-1")).await.expect("read").is_none());
    assert!(!format!("{node:?}").contains(server::PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_and_newer_databases_are_left_alone() {
    let (foreign, url) = database().await;
    stranger(foreign.path()).await.batch_execute("CREATE TABLE other (x INT)").await.expect("made");
    let refused = PostgresRecords::open(&url, 1).await.expect_err("foreign");
    assert!(matches!(refused, RecordsError::Corrupt(_)), "{refused}");
    let (newer, url) = database().await;
    drop(node(&url).await);
    let later = "UPDATE countersign_schema SET version = 99";
    stranger(newer.path()).await.batch_execute(later).await.expect("written");
    let refused = PostgresRecords::open(&url, 1).await.expect_err("newer");
    assert!(matches!(refused, RecordsError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("99"), "{refused}");
    let nowhere = url.replace("search_path%3Dt", "search_path%3Dnowhere");
    let refused = PostgresRecords::open(&nowhere, 1).await.expect_err("no schema");
    assert!(refused.to_string().contains("does not exist"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p19_nodes_that_start_together_make_the_schema_once() {
    let (_folder, url) = database().await;
    let starts: JoinSet<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            async move { PostgresRecords::open(&url, 2).await.expect("opens").probe().await }
        })
        .collect();
    assert!(starts.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_and_certificates_are_looked_at_as_the_url_says() {
    let (_folder, url) = database().await;
    let folder = &server::server().folder;
    let roots = format!("&sslrootcert={folder}/certificate.pem");
    let by_name = url.replace("127.0.0.1", "localhost");
    for (url, query, encrypted) in [
        (&url, "&sslmode=disable", Some(false)),
        (&url, "", Some(true)),
        (&url, "&sslmode=require", Some(true)),
        (&url, &*format!("&sslmode=verify-full{roots}"), Some(true)),
        (&url, &*format!("&sslmode=require{roots}"), Some(true)),
        (&url, "&sslmode=verify-full", None),
        (&by_name, &*format!("&sslmode=verify-full{roots}"), None),
        (&by_name, "&sslmode=require", Some(true)),
    ] {
        let spoken = match PostgresRecords::open(&format!("{url}{query}"), 1).await {
            Err(_) => None,
            Ok(records) => {
                let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
                let found = records.db.read(async |tx| tx.row(ssl, &[]).await).await;
                found.expect("read").map(|row| row.get::<_, bool>("ssl"))
            }
        };
        assert_eq!(spoken, encrypted, "{query}");
    }
}
