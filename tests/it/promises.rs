//! What the tests of the promises share: people who call, a desktop that keeps every frame with the
//! time at which it came, and the records as they lie on disk.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use countersign::model::digits::SecretText;
use countersign::prompts;
use countersign::records::audit;
use countersign::records::audit::AuditHash;
use countersign::records::audit::Chained;
use countersign::records::audit::Head;
use countersign::records::subjects;
use countersign::sim::CallPlan;
use countersign::sim::Ears;
use countersign::sim::FromLine;
use countersign::sip::message::Uri;
use futures_util::SinkExt;
use futures_util::StreamExt;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::interval;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::harness::Daemon;

/// Nothing that these tests wait for takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Whether the long loads are wanted.
pub(crate) fn full() -> bool {
    std::env::var("COUNTERSIGN_LOAD").is_ok_and(|value| value == "1")
}

/// Prints a measurement.
pub(crate) fn figure(text: &str) {
    // Past the capture of test output: a figure is for those who read the run of a passing test.
    writeln!(std::io::stderr(), "figure: {text}").expect("standard error");
}

/// Chance that comes out the same each time, so that a failure can be looked at again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = bits ^ (bits >> 31);
        usize::try_from(bits % count.max(1) as u64).unwrap_or_default()
    }
}

/// A customer who calls.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) pin: String,
}

impl Person {
    /// A PIN that is wrong in every place.
    pub(crate) fn wrong_pin(&self) -> String {
        let next = |digit: u8| char::from(b'0' + (digit - b'0' + 1) % 10);
        self.pin.bytes().map(next).collect()
    }

    /// A call from this person's own telephone with the first key pressed as soon as can be.
    pub(crate) fn calls(&self, sip: SocketAddr, pin: &str) -> CallPlan {
        let mut plan = call_from(sip, &self.number);
        plan.pin = Some(SecretText::new(pin.to_owned()));
        plan.reaction = Duration::ZERO;
        plan
    }
}

/// A call of somebody who does nothing but listen.
pub(crate) fn call_from(sip: SocketAddr, number: &str) -> CallPlan {
    let to = Uri::parse(&format!("sip:100@{sip}")).expect("a URI");
    CallPlan::new(to, FromLine::User(number.to_owned()))
}

/// So many customers, with numbers that are kept free for fiction.
pub(crate) fn people(count: u32) -> Vec<Person> {
    let person = |nth: u32| {
        let number = match nth {
            0..1000 => format!("+442079460{nth:03}"),
            _ => format!("+447700{:06}", 900_000 + nth - 1000),
        };
        let pin = u64::from(nth + 17).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        Person { id: (500_000 + nth).to_string(), number, pin: format!("{:07}", pin % 9_999_991) }
    };
    (0..count).map(person).collect()
}

/// The customer file of these people.
pub(crate) fn csv(people: &[Person]) -> String {
    let header = "customer_id,name,numbers,pin,fact.last_transaction_amount,fact.place_of_birth,\
                  fact.main_balance";
    let row = |Person { id, number, pin }: &Person| {
        format!("{id},Customer {id},{number},{pin},£12.50,Leeds,£900.00")
    };
    let rows = people.iter().map(row);
    [header.to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join(
        "
",
    )
}

/// The prompts that callers know.
pub(crate) fn ears() -> Arc<Ears> {
    static EARS: OnceLock<Arc<Ears>> = OnceLock::new();
    let learn = || Arc::new(Ears::new(&prompts::built_in("en").expect("prompts")));
    Arc::clone(EARS.get_or_init(learn))
}

/// The value at this share of sorted values.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a short list"
    )]
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// One thing a desktop got, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) text: Arc<str>,
}

/// A desktop that keeps everything it gets.
pub(crate) struct Watcher {
    seen: watch::Receiver<Vec<Seen>>,
    asks: mpsc::Sender<String>,
    _socket: JoinSet<()>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Watcher {
    /// Connects, says hello and begins to listen. The last thing seen of a lost socket is `closed CODE`.
    pub(crate) async fn connect(http: SocketAddr, token: &str) -> Self {
        let (mut socket, _) =
            connect_async(desktop_request(http)).await.expect("the desktop connects");
        let hello = serde_json::json!({ "type": "hello", "token": token }).to_string();
        socket.send(Message::text(hello)).await.expect("hello is sent");
        let (tell, seen) = watch::channel(vec![]);
        let (asks, asked) = mpsc::channel(64);
        let mut task = JoinSet::new();
        task.spawn(listen(socket, tell, asked));
        let mut watcher = Self { seen, asks, _socket: task };
        watcher
            .until(|seen| {
                seen.iter().any(|seen| seen.text.contains(r#""type":"snapshot""#)).then_some(())
            })
            .await;
        watcher
    }

    /// Sends a frame.
    pub(crate) async fn say(&self, frame: Value) {
        self.asks.send(frame.to_string()).await.expect("the desktop is connected");
    }

    /// Waits until `find` finds something among everything seen so far.
    pub(crate) async fn until<T>(&mut self, find: impl FnMut(&[Seen]) -> Option<T>) -> T {
        self.within(PATIENCE, find).await.expect("it was seen in time")
    }

    /// As [`Self::until`], and `None` when it takes longer or the socket is lost before.
    pub(crate) async fn within<T>(
        &mut self,
        patience: Duration,
        mut find: impl FnMut(&[Seen]) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        let looked = self.seen.wait_for(|seen| {
            found = find(seen);
            found.is_some()
        });
        let _late = timeout(patience, looked).await;
        found
    }

    /// Waits for the call's state that fits.
    pub(crate) async fn state(
        &mut self,
        platform_call_id: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut next = 0;
        self.until(|seen| {
            let fresh = seen.get(next..).unwrap_or_default();
            next = seen.len();
            let mut states = fresh.iter().flat_map(|seen| states(&seen.text));
            states.find(|state| state["platform_call_id"] == platform_call_id && fits(state))
        })
        .await
    }

    /// Everything seen up to the end of the socket, which has to come.
    pub(crate) async fn into_end(mut self) -> Vec<Seen> {
        self.until(|seen| {
            seen.last().filter(|last| last.text.starts_with("closed"))?.text.len().into()
        })
        .await;
        self.seen()
    }

    /// Everything seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }
}

/// The request that opens a desktop.
pub(crate) fn desktop_request(http: SocketAddr) -> Request {
    let mut request = format!("ws://{http}/v1/desktop").into_client_request().expect("a request");
    let protocol = HeaderValue::from_static("countersign.v1");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    request
}

async fn listen(
    mut socket: Socket,
    tell: watch::Sender<Vec<Seen>>,
    mut asked: mpsc::Receiver<String>,
) {
    let mut beat = interval(Duration::from_secs(5));
    let note = |text: &str| {
        let seen = Seen { at: Instant::now(), text: text.into() };
        tell.send_modify(|all| all.push(seen));
    };
    loop {
        let said = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    note(text.as_str());
                    Ok(())
                }
                Some(Ok(Message::Close(frame))) => {
                    note(&format!("closed {}", frame.map_or(1005, |frame| u16::from(frame.code))));
                    return;
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => break,
            },
            Some(frame) = asked.recv() => socket.send(Message::text(frame)).await,
            _ = beat.tick() => socket.send(Message::text(r#"{"type":"ping"}"#)).await,
        };
        // What was sent before the end is still to be read.
        drop(said);
    }
    note("closed");
}

/// The states of calls that a frame carries.
pub(crate) fn states(frame: &str) -> Vec<Value> {
    let mut frame: Value = serde_json::from_str(frame).unwrap_or_default();
    match frame["type"].as_str() {
        Some("call") => vec![frame["call"].take()],
        Some("snapshot") => frame["calls"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        _ => vec![],
    }
}

/// One row of the attempts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) id: i64,
    pub(crate) call: String,
    pub(crate) customer: String,
    pub(crate) entry: u8,
    pub(crate) positions: (u8, u8),
    /// `correct`, `wrong`, `void`, or nothing while it is open.
    pub(crate) settled: Option<String>,
}

/// The counters of an account.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counters {
    pub(crate) failed_calls: u8,
    pub(crate) wrong_streak: u8,
    pub(crate) blocked: bool,
    pub(crate) reset_required: bool,
}

/// The records as they lie on disk, read past the daemon and in one piece.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) accounts: BTreeMap<String, Counters>,
    pub(crate) audit: Vec<Chained>,
}

impl Disk {
    /// Reads the records without being able to change them.
    pub(crate) fn read(records: &Path) -> Self {
        let db =
            Connection::open_with_flags(records, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens");
        db.busy_timeout(Duration::from_secs(20)).expect("a pragma");
        db.execute_batch("BEGIN").expect("a transaction");
        let disk = Self::read_from(&db).expect("the records can be read");
        db.execute_batch("COMMIT").expect("ends");
        disk
    }

    /// Reads what a connection shows.
    pub(crate) fn read_from(db: &Connection) -> rusqlite::Result<Self> {
        let mut attempts = db.prepare(
            "SELECT id, call, customer, entry, first, second, settled FROM attempts ORDER BY id",
        )?;
        let attempts = attempts.query_map((), |row| {
            Ok(Attempt {
                id: row.get(0)?,
                call: row.get(1)?,
                customer: row.get(2)?,
                entry: row.get(3)?,
                positions: (row.get(4)?, row.get(5)?),
                settled: row.get(6)?,
            })
        })?;
        let mut accounts = db.prepare(
            "SELECT customer, failed_calls, pin_wrong_streak, blocked, reset_required FROM accounts",
        )?;
        let accounts = accounts.query_map((), |row| {
            let counters = Counters {
                failed_calls: row.get(1)?,
                wrong_streak: row.get(2)?,
                blocked: row.get(3)?,
                reset_required: row.get(4)?,
            };
            Ok((row.get(0)?, counters))
        })?;
        let mut audit = db.prepare(
            "SELECT number, entry, hash, key FROM audit
             LEFT JOIN subjects ON subject = json_extract(entry, '$.subject') ORDER BY number",
        )?;
        let audit = audit.query_map((), |row| {
            let (number, text) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, String>(1)?);
            let line = subjects::read(number, &text, AuditHash(row.get(2)?), row.get(3)?);
            Ok(line.expect("an audit entry"))
        })?;
        Ok(Self {
            attempts: attempts.collect::<Result<_, _>>()?,
            accounts: accounts.collect::<Result<_, _>>()?,
            audit: audit.collect::<Result<_, _>>()?,
        })
    }

    /// The end of the audit chain, which has to hold from its beginning.
    pub(crate) fn head(&self) -> Head {
        audit::verify(Head::default(), self.audit.iter().cloned()).expect("the audit chain holds")
    }

    /// Whether the audit chain has a line with this word for this call.
    pub(crate) fn noted(&self, what: &str, call: &str) -> bool {
        let of_call =
            |line: &&Chained| line.entry.call.as_ref().is_some_and(|id| id.as_str() == call);
        self.audit.iter().filter(of_call).any(|line| line.entry.what == what)
    }

    /// The counters as the audit chain says they must be: retail rules, 3 failed calls, 6 wrong entries.
    pub(crate) fn replayed(&self) -> BTreeMap<String, Counters> {
        let mut accounts: BTreeMap<String, Counters> = BTreeMap::new();
        for Chained { entry, .. } in &self.audit {
            let Some(customer) = &entry.customer else { continue };
            let account = accounts.entry(customer.to_string()).or_default();
            match (entry.what.as_str(), entry.body["result"].as_str()) {
                ("attempt_settled", Some("correct")) => account.wrong_streak = 0,
                ("attempt_settled", Some("wrong")) => {
                    account.wrong_streak += 1;
                    account.reset_required |= account.wrong_streak >= 6;
                }
                ("call_failed", _) => {
                    account.failed_calls += 1;
                    account.blocked |= account.failed_calls >= 3;
                }
                ("call_passed", _) => {
                    let own_block = entry.body["was_failed"] == true && account.failed_calls == 3;
                    if !account.blocked || own_block {
                        account.failed_calls = 0;
                        account.blocked = false;
                    }
                }
                _ => {}
            }
        }
        accounts
    }
}

/// The process of a daemon: the one that serves its configuration, while it runs.
pub(crate) fn pid_of(daemon: &Daemon) -> Option<u32> {
    let config = daemon.path("base.toml").display().to_string();
    let serves = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("\0serve\0") && line.contains(&config)
    };
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(serves)
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// CPU time that a process has used, in seconds, at the usual 100 ticks.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    // The name in brackets may hold blanks; user and system time are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let ticks: u32 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    f64::from(ticks) / 100.0
}

/// The sum of a metric over its labels, from the text of `/metrics`.
pub(crate) fn metric(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// `GET` without a token.
pub(crate) async fn get(http: SocketAddr, path: &str) -> String {
    let answer = reqwest::get(format!("http://{http}{path}")).await.expect("an answer");
    answer.text().await.expect("a body")
}
