//! P6: while the records cannot be written, nobody passes, nothing is counted, agent and operator read why
//! in a plain sentence, and everything goes on by itself when the records are back.
//!
//! The faults are real: a file system of a few megabytes that fills up, a limit beyond which every write
//! is an error, another process that holds the records for seconds, a file system that may only be read.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::http;
use crate::harness::poll;
use crate::harness::sipp::Sipp;
use crate::promises::Counters;
use crate::promises::Disk;
use crate::promises::figure;
use crate::promises::pid_of;

const ANN: &str = "+442079460001";
const BOB: &str = "+442079460002";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002,5028361\n";
const ANNS_PIN: &str = "9081726";
/// Wrong at every position of both PINs.
const WRONG: &str = "3333333";

#[test]
fn p06_on_a_full_disk_nobody_passes_and_nothing_is_counted() {
    let Some(ledger) = Ledger::of_megabytes(4) else { return not_here("a full disk") };
    let daemon = ledger.daemon();
    let filler = ledger.records.with_file_name("filler");
    fails_and_heals(
        "full disk",
        &daemon,
        &ledger,
        || ledger.fills_up(&filler),
        || {
            fs::remove_file(&filler).expect("the operator makes room");
        },
    );
}

#[test]
fn p06_where_every_write_is_an_error_nobody_passes_and_nothing_is_counted() {
    let mut daemon = Daemon::start(CUSTOMERS);
    daemon.restart_with_limits();
    let ledger = Ledger { records: daemon.path("records.db"), mount: None };
    let desktop = Desktop::agent(&daemon, "ann");
    // A call that passes makes the log of the records longer than what the daemon says meanwhile.
    passes(&daemon, &desktop, &ledger);
    fails_and_heals(
        "write errors",
        &daemon,
        &ledger,
        || ledger.may_not_grow(&daemon, true),
        || {
            ledger.may_not_grow(&daemon, false);
        },
    );
}

/// Calls come before, during and after a fault that makes every write fail.
fn fails_and_heals(
    fault: &str,
    daemon: &Daemon,
    ledger: &Ledger,
    begins: impl FnOnce(),
    ends: impl FnOnce(),
) {
    let desktop = Desktop::agent(daemon, "ann");
    let before = ledger.disk(daemon);
    let intent = announced(daemon);

    // A call is under way when the fault begins, and others come after it.
    let known = desktop.frames().len();
    let caller = call::start(daemon, &["--from", ANN, "--pin", ANNS_PIN]);
    desktop.frame("a digit is asked", |frame| {
        !frame["call"]["pin"].is_null() && frame["call"]["pin"]["result"].is_null()
    });
    begins();
    let failing = says(daemon, 503);
    let mut calls = vec![id_of(&caller.report())];
    calls.push(id_of(&call::place(daemon, &["--from", ANN, "--pin", ANNS_PIN])));
    calls.push(id_of(&call::place(daemon, &["--from", BOB, "--pin", WRONG])));
    calls.push(Sipp::call(daemon, "app", ANN).key("intent", &intent).run());
    for id in &calls {
        is_told_plainly(&desktop, id);
    }
    nobody_passed(&desktop, known);
    let during = ledger.disk(daemon);
    assert_eq!(during.accounts, before.accounts, "nothing is counted that was not stored");
    during.head();

    ends();
    let healed = says(daemon, 200);
    passes(daemon, &desktop, ledger);
    figure(&format!(
        "P6 {fault}: readyz 503 after {failing:.0} ms, {} calls: 0 passed, 0 counted; 200 again after {healed:.0} ms",
        calls.len(),
    ));
    assert!(failing < 1000.0, "readyz says so within a second");
}

#[test]
fn p06_while_the_records_stall_nobody_passes_and_they_heal_alone() {
    let daemon = Daemon::start(CUSTOMERS);
    let ledger = Ledger { records: daemon.path("records.db"), mount: None };
    let desktop = Desktop::agent(&daemon, "ann");
    let intent = announced(&daemon);
    let before = ledger.disk(&daemon);

    let other = Connection::open(&ledger.records).expect("opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else writes");
    let failing = says(&daemon, 503);
    let began = Instant::now();
    let calls = thread::scope(|calls| {
        let right =
            calls.spawn(|| id_of(&call::place(&daemon, &["--from", ANN, "--pin", ANNS_PIN])));
        let wrong = calls.spawn(|| id_of(&call::place(&daemon, &["--from", BOB, "--pin", WRONG])));
        let app = calls.spawn(|| Sipp::call(&daemon, "app", ANN).key("intent", &intent).run());
        [right, wrong, app].map(|call| call.join().expect("a caller does not panic"))
    });
    let waited = began.elapsed();
    for id in &calls {
        is_told_plainly(&desktop, id);
    }
    nobody_passed(&desktop, 0);
    other.execute_batch("COMMIT").expect("ends");
    drop(other);

    let healed = says(&daemon, 200);
    let after = ledger.disk(&daemon);
    assert_eq!(counted(&after), counted(&before), "what nobody was told is not counted");
    assert!(after.attempts.is_empty(), "{:?}", after.attempts);
    passes(&daemon, &desktop, &ledger);
    figure(&format!(
        "P6 stalled records: readyz 503 after {failing:.0} ms, 3 calls with an agent after {:.1} s: 0 passed, 0 counted; 200 again \
         after {healed:.0} ms",
        waited.as_secs_f64(),
    ));
    assert!(failing < 1000.0, "readyz says so within a second");
}

#[test]
fn p06_records_that_may_only_be_read_are_no_records_to_start_with() {
    let Some(ledger) = Ledger::of_megabytes(8) else { return not_here("a read-only file system") };
    let mut daemon = ledger.daemon();
    daemon.stop();
    ledger.may_only_be_read(true);
    let refused = daemon.command(&["serve"]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(refused.stdout.is_empty(), "nothing listens");
    assert!(said.contains("records"), "it says what is wrong: {said}");
    ledger.may_only_be_read(false);
    daemon.restart();
    let desktop = Desktop::agent(&daemon, "ann");
    passes(&daemon, &desktop, &ledger);
    figure("P6 records that may only be read: the daemon does not start, and says why");
}

/// The app says that Ann is about to call.
fn announced(daemon: &Daemon) -> String {
    let token = daemon.token("app", "phone-app");
    let intent = json!({ "customer_id": "1001", "number": ANN });
    let (status, answer) = daemon.ask("POST", "/v1/intents", &token, Some(&intent));
    assert_eq!(status, 201, "{answer}");
    answer["intent"].as_str().expect("a handle").to_owned()
}

/// Milliseconds until `/readyz` has this status. What fails is the records, in a sentence.
fn says(daemon: &Daemon, wanted: u16) -> f64 {
    let began = Instant::now();
    let body = poll(&format!("readyz says {wanted}"), || {
        let (status, body) = http::request(daemon.http, "GET", "/readyz", None, None);
        (status == wanted).then_some(body)
    });
    let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
    let ready: Value = serde_json::from_str(&body).expect("JSON");
    let checks = ready["checks"].as_array().expect("checks");
    let records = checks.iter().find(|check| check["name"] == "records").expect("records");
    assert_eq!(records["ok"], wanted == 200, "{ready}");
    let effect = records["effect"].as_str().expect("a sentence");
    let sentence =
        if wanted == 200 { "PINs are verified and counted" } else { "no caller can be verified" };
    assert!(effect.starts_with(sentence), "{effect}");
    milliseconds
}

/// The agent gets the caller, and reads why nothing is known about them.
fn is_told_plainly(desktop: &Desktop, call: &str) {
    let last = desktop.wait_for(call, "an agent has the caller", |call| {
        call["media"] == "handed_over" && call["authentication"] == "system_unavailable"
    });
    let message = last["message"].as_str().unwrap_or_default();
    assert!(message.split(' ').count() >= 4, "a plain sentence, not {message:?}");
}

/// In all frames but the first so many.
fn nobody_passed(desktop: &Desktop, known: usize) {
    let calls = desktop.frames().into_iter().skip(known).map(|frame| frame["call"].clone());
    for call in calls.filter(Value::is_object) {
        assert_ne!(call["authentication"], "authenticated", "{call}");
        assert_ne!(call["pin"]["result"], "correct", "{call}");
        assert_ne!(call["pin"]["result"], "incorrect", "{call}");
    }
}

/// Everything is as before: the right PIN passes, and that is on disk.
fn passes(daemon: &Daemon, desktop: &Desktop, ledger: &Ledger) {
    let id = id_of(&call::place(daemon, &["--from", ANN, "--pin", ANNS_PIN]));
    let last =
        desktop.wait_for(&id, "the caller has passed", |call| call["media"] == "handed_over");
    assert_eq!(last["authentication"], "authenticated");
    let disk = ledger.disk(daemon);
    assert!(disk.noted("call_passed", last["id"].as_str().expect("an id")));
    disk.head();
}

fn id_of(report: &Value) -> String {
    assert_eq!(report["outcome"]["ended"], "transferred", "nobody is cut off: {report}");
    report["call_id"].as_str().expect("an id").to_owned()
}

fn counted(disk: &Disk) -> Vec<(&String, &Counters)> {
    disk.accounts.iter().collect()
}

/// Where the records lie: a file system of their own, which a test can fill up and forbid to write.
struct Ledger {
    records: PathBuf,
    mount: Option<TempDir>,
}

impl Ledger {
    /// Nothing where mounting is not allowed.
    fn of_megabytes(size: u32) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let options = format!("size={size}m,mode=0700");
        let mounted = mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path());
        mounted.then(|| Self { records: folder.path().join("records.db"), mount: Some(folder) })
    }

    fn daemon(&self) -> Daemon {
        let url = format!("[records]\nurl = \"sqlite://{}\"\n", self.records.display());
        Daemon::with(&format!("{OFFICE}{CHEAP_PINS}{url}"), CUSTOMERS)
    }

    /// The records as they are when nothing is being written any more.
    fn disk(&self, daemon: &Daemon) -> Disk {
        // What calls have left to write is written behind them.
        let mut last = usize::MAX;
        poll("the records are quiet", || {
            let now = Disk::read(&self.records).audit.len();
            let quiet = now == std::mem::replace(&mut last, now);
            thread::sleep(Duration::from_millis(50));
            quiet.then_some(())
        });
        assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
        Disk::read(&self.records)
    }

    /// Leaves no room for one page.
    fn fills_up(&self, filler: &Path) {
        assert_eq!(filler.parent(), self.records.parent());
        let mut filler = File::create(filler).expect("a file");
        while filler.write_all(&[0x55; 1024]).is_ok() {}
    }

    /// No file may be written beyond what the log of the records is long.
    fn may_not_grow(&self, daemon: &Daemon, limited: bool) {
        let length = |path: &Path| fs::metadata(path).expect("a file").len();
        let log = length(&self.records.with_file_name("records.db-wal"));
        assert!(log > length(&daemon.path("log")) + 16 * 1024, "the daemon says too much");
        let limit = if limited { log.to_string() } else { "unlimited".to_owned() };
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", pid_of(daemon).expect("the daemon runs")));
        let status = prlimit.arg(format!("--fsize={limit}:unlimited")).status();
        assert!(status.expect("prlimit is there").success());
    }

    fn may_only_be_read(&self, only_read: bool) {
        let folder = self.records.parent().expect("a folder");
        assert!(mount(&["-o", if only_read { "remount,ro" } else { "remount,rw" }], folder));
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(folder) = &self.mount {
            // Lazily: whoever still has a file open there has ended before the folder is removed.
            let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
        }
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let mut mount = Command::new("mount");
    let output = mount.args(arguments).arg(folder).output();
    output.is_ok_and(|output| output.status.success())
}

fn not_here(fault: &str) {
    figure(&format!("P6 {fault}: not run here, mounting needs root"));
}
