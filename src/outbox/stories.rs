//! The outbox against real files, real records and a real HTTP server that misbehaves.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as InPath;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::routing::post;
use axum::routing::put;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::config::mail::Mail;
use crate::config::outbox::Iam;
use crate::config::outbox::Outbox as Settings;
use crate::follow_up::Direction;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Rules;
use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::ids::CallId;
use crate::model::time::Timestamp;
use crate::outbox::Outbox;
use crate::outbox::Parts;
use crate::outbox::Wall;
use crate::outbox::webhook::signature;
use crate::pin::links::Links;
use crate::pin::pepper::Pepper;
use crate::records::Enrolment;
use crate::records::FollowUps;
use crate::records::Records;
use crate::records::follow_ups::Registry;
use crate::records::sqlite::SqliteRecords;

const NOW: u64 = 1_795_305_600_000;
const SECRET: &str = "a secret of some length";

/// What came in, and how often it is to fail first.
#[derive(Default)]
struct Seen {
    fail: Mutex<u32>,
    answer: Mutex<Option<(StatusCode, String)>>,
    requests: Mutex<Vec<(String, HeaderMap, Bytes)>>,
}

async fn taken(
    State(seen): State<Arc<Seen>>,
    path: Option<InPath<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let call = path.map(|InPath(call)| call).unwrap_or_default();
    seen.requests.lock().expect("free").push((call, headers, body.clone()));
    let mut fail = seen.fail.lock().expect("free");
    if *fail > 0 {
        *fail -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let told = seen.answer.lock().expect("free").clone();
    told.unwrap_or_else(|| (StatusCode::OK, String::from_utf8_lossy(&body).into_owned()))
}

/// A service on a port of its own, gone when it is dropped.
struct Service {
    seen: Arc<Seen>,
    address: std::net::SocketAddr,
    _running: AbortOnDropHandle<()>,
}

impl Service {
    async fn open(fail: u32) -> Self {
        Self::on("127.0.0.1:0".parse().expect("an address"), fail).await
    }

    async fn on(address: std::net::SocketAddr, fail: u32) -> Self {
        let seen = Arc::new(Seen { fail: Mutex::new(fail), ..Seen::default() });
        let listener = tokio::net::TcpListener::bind(address).await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let router = Router::new()
            .route("/in", post(taken))
            .route("/v1/calls/{call}/mark", put(taken))
            .with_state(Arc::clone(&seen));
        let serve = async move { axum::serve(listener, router).await.expect("served") };
        let running = tokio_util::task::TaskTracker::new().spawn(serve);
        Self { seen, address, _running: AbortOnDropHandle::new(running) }
    }

    fn requests(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.seen.requests.lock().expect("free").clone()
    }
}

struct House {
    folder: tempfile::TempDir,
    records: Arc<SqliteRecords>,
    now: Arc<AtomicU64>,
    settings: Settings,
    iam: Iam,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let records = SqliteRecords::open(&folder.path().join("records.db")).expect("opens");
        let customer = Customer {
            id: "c-1".parse().expect("an id"),
            keypad_id: None,
            name: "Customer One".into(),
            role: Role::Client,
            represents: vec![],
            numbers: vec![],
            email: None,
            language: None,
            flags: vec![],
            facts: std::collections::BTreeMap::new(),
        };
        let row = Enrolment { customer, pin: None, password: None };
        records.import(vec![row], Timestamp(NOW)).await.expect("imported");
        let within = Duration::from_secs(2);
        Self {
            settings: Settings {
                directory: None,
                webhook_url: None,
                webhook_secret_file: None,
                timeout: within,
                mail: Mail::default(),
            },
            iam: Iam { url: None, token_file: None, timeout: within },
            folder,
            records: Arc::new(records),
            now: Arc::new(AtomicU64::new(NOW)),
        }
    }

    fn outbox(&self) -> Outbox {
        let now = Arc::clone(&self.now);
        let clock = Arc::new(move || Timestamp(now.load(Ordering::SeqCst)));
        Outbox::new(&self.settings, &self.iam, self.parts(clock)).expect("set up")
    }

    fn parts(&self, clock: Wall) -> Parts {
        let pepper = Pepper::from_bytes(&[7; 32]).expect("32 bytes");
        Parts {
            folder: self.items(),
            records: Arc::clone(&self.records) as Arc<dyn Records>,
            links: Links::new(Arc::new(pepper)),
            public_url: "https://pin.example.org".into(),
            clock,
        }
    }

    fn items(&self) -> std::path::PathBuf {
        self.folder.path().join("outbox")
    }

    /// Time passes, and everything due is done.
    async fn pass(&self, outbox: &Outbox, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("short");
        self.now.fetch_add(ms, Ordering::SeqCst);
        outbox.mind_jobs().await;
        outbox.send_items().await;
    }

    async fn hears(&self, call: &str, what: Occasion) {
        let occurred = Occurred {
            call: id(call),
            customer: "c-1".parse().expect("an id"),
            profile: "bofe".into(),
            rules: Rules::default(),
            at: Timestamp(self.now.load(Ordering::SeqCst)),
            what,
        };
        self.records.follow_up(occurred).await.expect("stored");
    }

    async fn marks(&self, call: &str) -> [Option<Mark>; 2] {
        let mut found = [None, None];
        for (place, registry) in [Registry::Bofe, Registry::IamManager].into_iter().enumerate() {
            found[place] = self.records.mark(registry, &id(call)).await.expect("read");
        }
        found
    }

    async fn pending(&self) -> u64 {
        self.records.outbox_counts().await.expect("read").pending
    }

    fn secret(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("secret");
        std::fs::write(&path, format!("{SECRET}\n")).expect("written");
        path
    }
}

fn id(text: &str) -> CallId {
    text.parse().expect("an id")
}

fn files(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("readable");
    paths.iter().map(|path| serde_json::from_slice(&read(path)).expect("JSON")).collect()
}

fn bogus() -> Occasion {
    Occasion::Bogus {
        by: "agent-1".into(),
        details: "rang from 020 7946 0123".into(),
        direction: Direction::Inbound,
        scin: "1001".into(),
        consecutive_failed: 1,
    }
}

#[tokio::test]
async fn c02_c73_c74_items_lie_in_the_folder_one_file_each_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::open().await;
    let outbox = house.outbox();
    house.hears("call-1", bogus()).await;
    house.hears("call-2", Occasion::ByLetter).await;
    house.pass(&outbox, Duration::ZERO).await;
    let found = files(&house.items());
    let kinds: Vec<_> = found.iter().map(|item| item["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(kinds.contains(&"bogus_report") && kinds.contains(&"letter"));
    assert!(found.iter().all(|item| !item.to_string().contains("7946")), "c52");
    for entry in std::fs::read_dir(house.items()).expect("a folder").flatten() {
        assert_eq!(entry.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(house.pending().await, 0);
    house.pass(&outbox, Duration::from_hours(6 * 24)).await;
    assert_eq!(files(&house.items()).len(), 3, "day six: nothing");
    house.pass(&outbox, Duration::from_hours(24)).await;
    let reminder = files(&house.items()).pop().expect("day seven");
    assert_eq!(reminder["payload"]["document"], "CMSL9801");
}

#[tokio::test]
async fn b14_b16_without_an_external_service_both_marks_are_ours_and_agree() {
    let house = House::open().await;
    let outbox = house.outbox();
    house.hears("call-1", Occasion::Marked(Mark::Verified)).await;
    house.hears("call-2", Occasion::Marked(Mark::NotVerified)).await;
    house.pass(&outbox, Duration::ZERO).await;
    assert_eq!(house.marks("call-1").await, [Some(Mark::Verified); 2]);
    assert_eq!(house.marks("call-2").await, [Some(Mark::NotVerified); 2]);
    assert_eq!(house.pending().await, 0);
    assert!(files(&house.items()).is_empty(), "marks are no letters");
}

#[tokio::test]
async fn b14_an_iam_manager_that_fails_twice_and_dies_between_agrees_in_the_end() {
    let mut house = House::open().await;
    let service = Service::open(2).await;
    let address = service.address;
    house.iam.url = Some(format!("http://{address}"));
    house.iam.token_file = Some(house.secret());
    let outbox = house.outbox();
    house.hears("call-1", Occasion::Marked(Mark::Verified)).await;
    for attempts in 1..=2 {
        house.pass(&outbox, Duration::from_secs(10)).await;
        assert_eq!(service.requests().len(), attempts);
        assert_eq!(house.pending().await, 1, "until both agree");
    }
    assert_eq!(house.marks("call-1").await, [Some(Mark::Verified), None]);
    drop(service);
    house.pass(&outbox, Duration::from_secs(10)).await;
    assert_eq!(house.pending().await, 1, "it is dead");
    // We die as well, and come back.
    drop(outbox);
    let service = Service::on(address, 0).await;
    let outbox = house.outbox();
    house.pass(&outbox, Duration::from_mins(16)).await;
    assert_eq!(house.pending().await, 0);
    let (call, headers, body) = service.requests().pop().expect("it came");
    assert_eq!(call, "call-1");
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("idempotency-key").map(str::len), Some(26));
    assert_eq!(header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    let sent: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&sent["customer"], &sent["mark"]), (&"c-1".into(), &"Verified".into()));
    assert_eq!(sent["at"], "2026-11-22T00:00:00.000Z");
}

#[tokio::test]
async fn b14_every_attempt_carries_the_same_idempotency_key() {
    let mut house = House::open().await;
    let service = Service::open(3).await;
    house.iam.url = Some(format!("http://{}/", service.address));
    let outbox = house.outbox();
    house.hears("call-1", Occasion::Marked(Mark::NotVerified)).await;
    for _ in 0..5 {
        house.pass(&outbox, Duration::from_mins(1)).await;
    }
    let keys: std::collections::BTreeSet<_> = service
        .requests()
        .iter()
        .map(|(_, headers, _)| headers["idempotency-key"].clone().as_bytes().to_vec())
        .collect();
    assert_eq!((service.requests().len(), keys.len()), (4, 1));
}

#[tokio::test]
async fn b16_an_iam_manager_that_says_otherwise_is_an_alarm_and_not_asked_again() {
    for answer in [
        (StatusCode::CONFLICT, r#"{"mark":"Verified"}"#.to_owned()),
        (StatusCode::OK, r#"{"mark":"Verified"}"#.to_owned()),
    ] {
        let mut house = House::open().await;
        let service = Service::open(0).await;
        *service.seen.answer.lock().expect("free") = Some(answer);
        house.iam.url = Some(format!("http://{}", service.address));
        let outbox = house.outbox();
        house.hears("call-1", Occasion::Marked(Mark::NotVerified)).await;
        for _ in 0..3 {
            house.pass(&outbox, Duration::from_hours(1)).await;
        }
        assert_eq!(service.requests().len(), 1);
        let counts = house.records.outbox_counts().await.expect("read");
        assert_eq!((counts.pending, counts.conflicts), (0, 1));
        let lines = house.records.audit_of_call(&id("call-1"), 100).await.expect("read");
        assert!(lines.iter().any(|line| line.entry.what == "delivery_conflict"));
    }
}

#[tokio::test]
async fn a_webhook_gets_each_item_signed_and_again_until_it_takes_it() {
    let mut house = House::open().await;
    let service = Service::open(1).await;
    house.settings.webhook_url = Some(format!("http://{}/in", service.address));
    house.settings.webhook_secret_file = Some(house.secret());
    let outbox = house.outbox();
    house.hears("call-1", bogus()).await;
    house.pass(&outbox, Duration::ZERO).await;
    assert_eq!(house.pending().await, 1);
    house.pass(&outbox, Duration::from_secs(2)).await;
    assert_eq!(house.pending().await, 0);
    let requests = service.requests();
    assert_eq!(requests.len(), 2);
    for (_, headers, body) in &requests {
        let given = headers["countersign-signature"].to_str().expect("text");
        let seconds = given.strip_prefix("t=").and_then(|rest| rest.split_once(',')).expect("t").0;
        let wanted = signature(SECRET, seconds.parse().expect("seconds"), body);
        assert_eq!(Some(given), wanted.as_deref());
        let sent: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(sent["id"].as_str(), headers["idempotency-key"].to_str().ok());
        assert_eq!(sent["kind"], "bogus_report");
    }
    assert!(files(&house.items()).is_empty(), "the webhook has it");
}

#[tokio::test]
async fn a_dead_sink_holds_nobody_else_up() {
    let mut house = House::open().await;
    // Nobody listens there.
    house.iam.url = Some("http://127.0.0.1:9".into());
    let outbox = house.outbox();
    for n in 0..250 {
        house.hears(&format!("call-{n}"), Occasion::Marked(Mark::Verified)).await;
    }
    house.hears("call-999", bogus()).await;
    for _ in 0..3 {
        outbox.send_items().await;
    }
    assert_eq!(files(&house.items()).len(), 1, "the report is out");
    assert_eq!(house.pending().await, 250);
    assert_eq!(house.marks("call-249").await, [Some(Mark::Verified), None]);
}

#[tokio::test]
async fn a_short_secret_is_refused_at_the_start() {
    let mut house = House::open().await;
    let path = house.folder.path().join("short");
    std::fs::write(&path, "secret").expect("written");
    house.settings.webhook_url = Some("http://127.0.0.1:9/in".into());
    house.settings.webhook_secret_file = Some(path);
    let parts = house.parts(Arc::new(|| Timestamp(0)));
    assert!(Outbox::new(&house.settings, &house.iam, parts).is_err());
}

#[tokio::test]
async fn the_runner_stops_when_told_to() {
    let house = House::open().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio_util::task::TaskTracker::new().spawn(house.outbox().run(stop.clone()));
    house.hears("call-1", bogus()).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while files(&house.items()).is_empty() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(files(&house.items()).len(), 1);
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running).await.expect("stops").expect("cleanly");
}
