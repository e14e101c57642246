//! P6: while the records cannot be written, nobody passes, nothing is counted, agent and operator read why
//! in a plain sentence, and everything goes on by itself when the records are back.
//!
//! The faults are real: a file system of a few megabytes that fills up, another process that holds the
//! records for seconds, a file system that may only be read. They need root, as CI has it.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;
use std::time::Instant;

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

const ANN: &str = "+442079460001";
const BOB: &str = "+442079460002";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002,5028361\n";
const ANNS_PIN: &str = "9081726";
/// Wrong at every position of both PINs.
const WRONG: &str = "3333333";

#[test]
fn p06_on_a_full_disk_nobody_passes_and_nothing_is_counted() {
    let ledger = Ledger::of_megabytes(4);
    let daemon = ledger.daemon();
    let desktop = Desktop::agent(&daemon, "ann");
    let before = ledger.disk(&daemon);
    let intent = announced(&daemon);

    // A call is under way when the disk runs full, and others come after it.
    let caller = call::start(&daemon, &["--from", ANN, "--pin", ANNS_PIN]);
    desktop.frame("a digit is asked", |frame| !frame["call"]["pin"].is_null());
    let filler = ledger.fills_up();
    let failing = says(&daemon, 503);
    let mut calls = vec![id_of(&caller.report())];
    calls.push(id_of(&call::place(&daemon, &["--from", ANN, "--pin", ANNS_PIN])));
    calls.push(id_of(&call::place(&daemon, &["--from", BOB, "--pin", WRONG])));
    calls.push(Sipp::call(&daemon, "app", ANN).key("intent", &intent).run());
    for id in &calls {
        is_told_plainly(&desktop, id);
    }
    nobody_passed(&desktop);
    let during = ledger.disk(&daemon);
    assert_eq!(during.accounts, before.accounts, "nothing is counted that was not stored");
    during.head();

    std::fs::remove_file(filler).expect("the operator makes room");
    let healed = says(&daemon, 200);
    passes(&daemon, &desktop, &ledger);
    figure(&format!(
        "P6 full disk: readyz 503 after {failing:.0} ms, {} calls: 0 passed, 0 counted; 200 again {healed:.0} ms after there was room",
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
    nobody_passed(&desktop);
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
    let ledger = Ledger::of_megabytes(8);
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

fn nobody_passed(desktop: &Desktop) {
    let calls = desktop.frames().into_iter().map(|frame| frame["call"].clone());
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
    fn of_megabytes(size: u32) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let options = format!("size={size}m,mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path());
        Self { records: folder.path().join("records.db"), mount: Some(folder) }
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

    /// Leaves no room for one page; the file that takes it.
    fn fills_up(&self) -> PathBuf {
        let path = self.records.with_file_name("filler");
        let mut filler = File::create(&path).expect("a file");
        while filler.write_all(&[0x55; 1024]).is_ok() {}
        path
    }

    fn may_only_be_read(&self, only_read: bool) {
        let folder = self.records.parent().expect("a folder");
        mount(&["-o", if only_read { "remount,ro" } else { "remount,rw" }], folder);
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

fn mount(arguments: &[&str], folder: &Path) {
    let status = Command::new("mount").args(arguments).arg(folder).status();
    assert!(status.expect("mount is there").success(), "mounting needs root, as CI has it");
}
