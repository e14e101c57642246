//! Whole stores copied between real engines.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use rusqlite::Connection;

use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Rules;
use crate::model::customer::Customer;
use crate::model::customer::NumberOnFile;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::CallRecord;
use crate::records::CallResult;
use crate::records::Enrolment;
use crate::records::FollowUps;
use crate::records::Records;
use crate::records::Settlement;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::conformance::NOW;
use crate::records::conformance::call;
use crate::records::conformance::customer;
use crate::records::conformance::enrol;
use crate::records::conformance::id;
use crate::records::conformance::judged;
use crate::records::conformance::pin;
use crate::records::conformance::result;
use crate::records::copy::Copied;
use crate::records::copy::CopyError;
use crate::records::copy::Place;
use crate::records::copy::Progress;
use crate::records::copy::TABLES;
use crate::records::copy::copy;
use crate::records::follow_ups::JobFilter;
use crate::records::follow_ups::Registry;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::Issuing;
use crate::records::pins::LinkPurpose;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::pins::SealedInitial;
use crate::records::postgres::PostgresRecords;
use crate::records::server;
use crate::records::sqlite::SqliteRecords;

/// What COPY would trip over.
const ODD: &str =
    "tab\there, back\\slash \\N, line\nbreak, return\r, \"quotes\" 'single', 名, \u{1}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p16_everything_moves_to_postgresql_and_back_and_the_chain_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, last] = ["first.db", "last.db"].map(|name| folder.path().join(name));
    let before = told(&populated(&first).await).await;
    let url = server::database(&server::name_for(folder.path())).await;
    let heard = Arc::new(Mutex::new(vec![]));
    let hearing = Arc::clone(&heard);
    let hear = Arc::new(move |progress: Progress| hearing.lock().expect("free").push(progress));
    let there = copy(&sqlite(&first), &postgres(&url), hear).await.expect("copied");
    let end = heard.lock().expect("free").last().copied().expect("told");
    assert_eq!((end.done, end.all), (rows(&there), rows(&there)));

    let records = PostgresRecords::open(&url, 2).await.expect("opens");
    assert_eq!(told(&records).await, before);
    goes_on(&records, &there).await;
    drop(records);

    let back = copy(&postgres(&url), &sqlite(&last), silent()).await.expect("copied back");
    let records = SqliteRecords::open(&last).expect("opens");
    goes_on(&records, &back).await;
    assert_eq!(records.sealed_pin(&id("c-1")).await.expect("read"), Some(pin(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_a_whole_one_and_goes_where_nothing_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let [full, empty, none] =
        ["full.db", "empty.db", "none.db"].map(|name| folder.path().join(name));
    let running = populated(&full).await;
    let url = server::database(&server::name_for(folder.path())).await;
    // The source belongs to a daemon.
    let refused = copy(&sqlite(&full), &postgres(&url), silent()).await;
    assert!(matches!(refused, Err(CopyError::Store("source", _))), "{refused:?}");
    drop(running);
    // There is nothing at the source.
    let refused = copy(&sqlite(&none), &postgres(&url), silent()).await;
    assert!(matches!(refused, Err(CopyError::NoSource)) && !none.exists());
    drop(SqliteRecords::open(&empty).expect("opens"));
    let refused = copy(&sqlite(&empty), &postgres(&url), silent()).await;
    assert!(matches!(refused, Err(CopyError::NoSource)), "{refused:?}");
    assert!(matches!(copy(&sqlite(&full), &sqlite(&full), silent()).await, Err(CopyError::Same)));
    // A node is connected to the target.
    let connected = PostgresRecords::open(&url, 1).await.expect("opens");
    let refused = copy(&sqlite(&full), &postgres(&url), silent()).await;
    assert!(matches!(refused, Err(CopyError::InUse(1, "target"))), "{refused:?}");
    // The target has a record.
    connected.archive_profile("abc", "cmg", "text").await.expect("kept");
    drop(connected);
    let refused = copy(&sqlite(&full), &postgres(&url), silent()).await;
    assert!(matches!(refused, Err(CopyError::NotEmpty("profiles"))), "{refused:?}");
    let into_full = copy(&sqlite(&full), &sqlite(&empty), silent()).await;
    into_full.expect("an empty file takes everything");
    let refused = copy(&sqlite(&full), &sqlite(&empty), silent()).await;
    assert!(matches!(refused, Err(CopyError::NotEmpty("customers"))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p16_a_chain_that_was_tampered_with_is_not_copied_and_nothing_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    drop(populated(&path).await);
    let db = Connection::open(&path).expect("opens");
    let tampered = "UPDATE audit SET entry = replace(entry, 'system', 'nobody') WHERE number = 3";
    assert_eq!(db.execute(tampered, ()).expect("written"), 1);
    drop(db);
    let url = server::database(&server::name_for(folder.path())).await;
    let refused = copy(&sqlite(&path), &postgres(&url), silent()).await;
    let Err(CopyError::Broken(broken)) = refused else { panic!("{refused:?}") };
    assert_eq!(broken.number, 3);
    let records = PostgresRecords::open(&url, 2).await.expect("opens");
    assert!(records.customers(None, 10).await.expect("read").is_empty(), "nothing was kept");
    assert!(records.audit_from(0, 10).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p01_a_copy_that_is_cut_short_leaves_nothing_and_is_started_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    drop(populated(&path).await);
    let url = server::database(&server::name_for(folder.path())).await;
    let (begun, mut beginning) = tokio::sync::watch::channel(false);
    let hear = Arc::new(move |_: Progress| {
        let _ = begun.send(true);
    });
    let (from, to) = (sqlite(&path), postgres(&url));
    tokio::select! {
        biased;
        heard = beginning.changed() => heard.expect("it has begun"),
        done = copy(&from, &to, hear) => panic!("{done:?}"),
    }
    let records = PostgresRecords::open(&url, 1).await.expect("opens");
    assert!(records.customers(None, 10).await.expect("read").is_empty(), "nothing was kept");
    drop(records);
    // The thread that read the file ends when it sees that nobody listens.
    for _ in 0..250 {
        match copy(&from, &to, silent()).await {
            Err(CopyError::Store("source", _)) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            done => return assert!(done.is_ok(), "{done:?}"),
        }
    }
    panic!("the file stays locked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_of_one_engine_is_one_of_the_other() {
    // What an engine needs for itself.
    const OWN: [&str; 5] =
        ["audit_head", "countersign_schema", "probes", "high_water", "sqlite_sequence"];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.db");
    drop(SqliteRecords::open(&path).expect("opens"));
    let db = Connection::open(&path).expect("opens");
    let columns = "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
                   WHERE m.type = 'table' ORDER BY 1";
    let mut columns = db.prepare(columns).expect("SQL");
    let columns = columns.query_map((), |row| row.get::<_, String>(0)).expect("read");
    let mut here: Vec<String> = columns.collect::<Result<_, _>>().expect("read");

    let url = server::database(&server::name_for(folder.path())).await;
    drop(PostgresRecords::open(&url, 1).await.expect("opens"));
    let select = "SELECT table_name || '.' || column_name FROM information_schema.columns
                  WHERE table_schema = 'public' ORDER BY 1";
    let mut there = server::texts(&url, select).await;
    let own = |name: &String| OWN.iter().any(|own| name.starts_with(&format!("{own}.")));
    for side in [&mut here, &mut there] {
        side.retain(|name| !own(name));
        side.sort();
    }
    assert_eq!(here, there);
    let copied =
        |name: &String| TABLES.iter().any(|table| name.starts_with(&format!("{}.", table.name)));
    assert!(here.iter().all(copied), "a table that is not copied is lost");
}

// --- tools ---

async fn populated(path: &Path) -> SqliteRecords {
    let records = SqliteRecords::open(path).expect("opens");
    let number = |since| NumberOnFile { number: "+442079460123".parse().expect("a number"), since };
    let odd = Customer {
        keypad_id: Some("1001".into()),
        name: ODD.into(),
        represents: vec![id("c-1")],
        numbers: vec![number(None), number(Some(NOW))],
        email: Some(SecretText::new(ODD.into())),
        flags: vec!["sms_ok".into()],
        facts: [("postcode".parse().expect("a key"), SecretText::new(ODD.into()))].into(),
        ..customer("c-odd")
    };
    let row = Enrolment { customer: odd, pin: Some(pin(1)), password: Some("$argon2id$x".into()) };
    records.import(vec![row], NOW).await.expect("imported");
    enrol(&records, "c-1").await;
    let many = (0..1200).map(|n| Enrolment {
        customer: customer(&format!("many-{n}")),
        pin: None,
        password: None,
    });
    records.import(many.collect(), NOW).await.expect("imported");
    let _ = records.challenge(&id("c-1"), 7, NOW).await.expect("drawn");
    for name in ["call-1", "call-2", "call-3"] {
        let _ = judged(&records, name, true, Settlement::Wrong).await;
    }
    let _ = result(&records, "call-4", CallResult::Failed).await;
    for (name, what) in
        [("call-1", Occasion::Marked(Mark::NotVerified)), ("call-2", Occasion::ThirdPartyContact)]
    {
        let (profile, rules) = ("cmg".into(), Rules::default());
        let (call, customer) = (call(name), id("c-1"));
        let occurred = Occurred { call, customer, profile, rules, at: NOW, what };
        records.follow_up(occurred).await.expect("stored");
    }
    let item = records.outbox_due(NOW, 1).await.expect("read").remove(0);
    records.outbox_failed(&item.id, "bofe", Timestamp(NOW.0 + 1)).await.expect("noted");
    records
        .put_mark(Registry::Bofe, &call("call-1"), &id("c-1"), Mark::NotVerified, NOW)
        .await
        .expect("marked");
    records.archive_profile("abc", "cmg", ODD).await.expect("kept");
    records.issue_codes(&id("c-1"), NOW).await.expect("made");
    let late = Timestamp(NOW.0 + 1000);
    records.call_back_reference(&id("c-1"), &call("call-1"), NOW, late).await.expect("made");
    let (view, customer) = (serde_json::json!({ "note": ODD }), Some(id("c-1")));
    let record =
        CallRecord { id: call("call-1"), started_at: NOW, ended_at: Some(NOW), customer, view };
    records.save_call(record).await.expect("saved");
    records.due(Timestamp(NOW.0 + 5), 10).await.expect("read");
    pins(&records).await;
    records
}

/// Initial PINs of everybody who has no PIN, one who registered, and one whose flags were repaired.
async fn pins(records: &impl Records) {
    let batch = records.batch(vec![0, 9, 255], NOW).await.expect("begun").id;
    let seal = |_: &CustomerId, _| Ok(SealedInitial { envelope: vec![0; 47], verifier: vec![1] });
    let (sealer, expires) = (Arc::new(seal), Timestamp(NOW.0 + 1000));
    let issuing = Issuing { batch, sealer, expires, by: "op".into(), now: NOW };
    let issued = records.issue_missing(issuing, None, 5000).await.expect("issued");
    assert_eq!(issued.created, 1200);
    let hint = Some(SecretText::new(ODD.into()));
    let chosen = Chosen { pin: pin(1), web_pin: Some("$argon2id$web".into()), hint };
    let (address, id_of) = (SecretText::new(ODD.into()), "many-7");
    let link = NewLink { id: "link-7".into(), purpose: LinkPurpose::Activate, expires };
    let registered = records.register(&id(id_of), 1, chosen, address, link, NOW).await;
    assert!(registered.expect("answered"));
    records.mailed("link-7", MailOutcome::Accepted, NOW).await.expect("noted");
    let by = By { actor: "op".into(), reason: "met at import".into(), now: NOW };
    records.repaired(&id("many-8"), by).await.expect("repaired");
}

/// What records say about everything that was put in.
async fn told(records: &impl Records) -> Vec<String> {
    let mut told = vec![];
    for name in ["c-1", "c-odd", "many-7"] {
        let customer = records.customer(&id(name)).await.expect("read").expect("there");
        let answers: Vec<_> = customer.facts.values().map(SecretText::expose).collect();
        told.push(format!(
            "{customer:?} {answers:?} {:?}",
            customer.email.as_ref().map(SecretText::expose)
        ));
        told.push(format!("{:?}", records.account(&id(name)).await.expect("read")));
        told.push(format!("{:?}", records.sealed_pin(&id(name)).await.expect("read")));
        told.push(format!("{:?}", records.password_verifier(&id(name)).await.expect("read")));
    }
    for name in ["c-1", "many-7", "many-8", "many-9"] {
        let file = records.pin_file(&id(name)).await.expect("read").expect("there");
        told.push(format!("{file:?} {:?}", file.hint.as_ref().map(SecretText::expose)));
        told.push(format!("{:?}", records.web_pin(&id(name)).await.expect("read")));
    }
    let batches = records.unprinted().await.expect("read");
    for batch in &batches {
        let letters = records.letters(batch.id, None, 2000, NOW).await.expect("read");
        told.push(format!("{batch:?} {letters:?}"));
    }
    told.push(format!("{:?}", records.estate(NOW, Timestamp(NOW.0 + 1)).await.expect("read")));
    told.push(format!("{:?}", records.call(&call("call-1")).await.expect("read")));
    told.push(format!("{:?}", records.jobs(JobFilter::default(), 100).await.expect("read")));
    told.push(format!("{:?}", records.outbox_counts().await.expect("read")));
    told.push(format!("{:?}", records.mark(Registry::Bofe, &call("call-1")).await.expect("read")));
    told.push(format!("{:?}", records.profile_text("abc").await.expect("read")));
    let lines = records.audit_from(1, 10_000).await.expect("read");
    told.extend(lines.iter().map(|line| format!("{line:?}")));
    told
}

/// The chain ends where the copy says, and new numbers follow the old ones.
async fn goes_on(records: &impl Records, copied: &Copied) {
    let lines = records.audit_from(1, 10_000).await.expect("read");
    assert_eq!(audit::verify(Head::default(), lines).expect("holds"), copied.audit);
    let before = records.jobs(JobFilter::default(), 100).await.expect("read").len();
    let (profile, rules, at) = ("cmg".into(), Rules::default(), NOW);
    let (customer, what) = (id("c-odd"), Occasion::ByLetter);
    let call = call(&format!("later-{before}"));
    let occurred = Occurred { call, customer, profile, rules, at, what };
    records.follow_up(occurred).await.expect("a new job has a new number");
    let again = judged_of(records, &format!("again-{before}")).await;
    // A print run has a number of its own too.
    let open = records.batch(vec![1], NOW).await.expect("there").id;
    records.close_batch(open, NOW).await.expect("closed");
    assert!(records.batch(vec![2], NOW).await.expect("begun").id > open);
    assert!(again > 3, "an attempt's number is never given out twice: {again}");
    // Items that a node had taken before the copy are due when its claim has lapsed.
    let later = Timestamp(NOW.0 + 86_400_000 * u64::try_from(before).expect("few"));
    assert!(records.outbox_due(later, 100).await.expect("read").len() >= 3);
    let lines = records.audit_from(1, 10_000).await.expect("read");
    assert!(audit::verify(Head::default(), lines).expect("holds").number > copied.audit.number);
}

async fn judged_of(records: &impl Records, name: &str) -> i64 {
    use crate::model::digits::Positions;
    use crate::records::Reservation;
    use crate::records::conformance::RULE;
    let (call, customer, positions) = (call(name), id("c-odd"), Positions::FIRST);
    let wanted =
        Reservation { call, customer, entry: 1, last: false, positions, rule: RULE, at: NOW };
    let attempt = records.reserve(wanted).await.expect("reserved");
    let _ = records.settle(attempt, Settlement::Void, NOW).await.expect("settled");
    attempt.0
}

fn sqlite(path: &Path) -> Place {
    Place::Sqlite(PathBuf::from(path))
}

fn postgres(url: &str) -> Place {
    Place::Postgres(SecretText::new(url.to_owned()))
}

fn silent() -> crate::records::copy::Told {
    Arc::new(|_| {})
}

fn rows(copied: &Copied) -> u64 {
    copied.tables.iter().map(|(_, rows)| rows).sum()
}
