//! The audit chain of a real daemon: whoever changes its file is found, and whoever is erased is gone.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use countersign::model::time::Timestamp;
use countersign::records::AuditEntry;
use countersign::records::audit;
use countersign::records::audit::Head;
use rusqlite::Connection;
use serde_json::Value;
use serde_json::json;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::harness::poll;

const ANN: &str = "+442079460001";
const BOB: &str = "+442079460002";
const CUSTOMERS: &str = "customer_id,name,numbers,email,pin,fact.postcode\n\
    ann-canary-1001,Ann Canary,+442079460001,ann.canary@letters.example,9081726,ZQ9 7XK\n\
    bob-canary-1002,Bob Canary,+442079460002,bob.canary@letters.example,5028361,ZQ9 8XK\n";
/// Wrong at every position.
const WRONG: &str = "3333333";

/// A daemon that took calls of both, and was stopped.
fn after_two_calls() -> Daemon {
    let mut daemon =
        Daemon::with(&format!("{OFFICE}{CHEAP_PINS}[audit]\nevery_s = 1\n"), CUSTOMERS);
    let desktop = Desktop::agent(&daemon, "ann");
    for (number, pin) in [(ANN, "9081726"), (BOB, WRONG)] {
        let report = call::place(&daemon, &["--from", number, "--pin", pin]);
        let id = report["call_id"].as_str().expect("an id");
        desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
    }
    drop(desktop);
    poll("a checkpoint is signed while the daemon runs", || {
        checkpoints(&daemon).iter().any(|text| text.contains("\nat ")).then_some(())
    });
    daemon.stop();
    daemon
}

/// The files of checkpoints.
fn checkpoint_files(daemon: &Daemon) -> Vec<PathBuf> {
    let folder = fs::read_dir(daemon.path("audit-checkpoints"));
    folder.map(|files| files.flatten().map(|file| file.path()).collect()).unwrap_or_default()
}

fn checkpoints(daemon: &Daemon) -> Vec<String> {
    checkpoint_files(daemon).iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

/// Exit status and report of `audit verify`.
fn verify(daemon: &Daemon, more: &[&str]) -> (i32, Value) {
    let arguments = [&["audit", "verify", "--json"], more].concat();
    let output = daemon.command(&arguments).output().expect("the program runs");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("no report: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().expect("it ends by itself"), report)
}

/// What was found, and where.
fn findings(report: &Value) -> Vec<(&str, u64)> {
    let findings = report["findings"].as_array().expect("findings");
    findings
        .iter()
        .map(|finding| {
            let kind = finding["kind"].as_str().expect("a word");
            (kind, finding["number"].as_u64().expect("a number"))
        })
        .collect()
}

/// Does something to the file of a daemon that does not run, verifies, and puts it back.
fn tampered(daemon: &Daemon, how: impl FnOnce(&Connection)) -> (i32, Value) {
    let (records, kept) = (daemon.path("records.db"), daemon.path("kept.db"));
    {
        // What a command left in the log belongs to the copy.
        let db = Connection::open(&records).expect("opens");
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).expect("done");
    }
    fs::copy(&records, &kept).expect("copied");
    how(&Connection::open(&records).expect("opens"));
    let found = verify(daemon, &[]);
    for side in ["records.db-wal", "records.db-shm"] {
        // Not there where everything was written back.
        let _ = fs::remove_file(daemon.path(side));
    }
    fs::rename(&kept, &records).expect("put back");
    found
}

#[test]
fn p16_whatever_is_done_to_the_file_is_found_and_the_entry_named() {
    let daemon = after_two_calls();
    let (status, report) = verify(&daemon, &[]);
    assert_eq!((status, &report["holds"]), (0, &true.into()), "{report}");
    let last = report["head"]["number"].as_u64().expect("a number");
    assert_eq!(report["covered"].as_u64(), Some(last), "signed when it stopped: {report}");
    assert!(last > 10 && report["checkpoints"].as_u64() > Some(1), "{report}");

    let run = |sql: &'static str| move |db: &Connection| db.execute_batch(sql).expect("done");
    let (status, report) = tampered(
        &daemon,
        run("UPDATE audit SET entry = replace(entry, 'system', 'nobody') WHERE number = 4"),
    );
    assert_eq!((status, findings(&report)), (1, vec![("changed", 4)]), "{report}");
    assert!(report["findings"][0]["what"].is_string() && report["findings"][0]["at"].is_string());
    let (status, report) = tampered(&daemon, run("DELETE FROM audit WHERE number = 5"));
    assert_eq!((status, findings(&report)), (1, vec![("missing", 5)]), "{report}");
    let (status, report) = tampered(
        &daemon,
        run("UPDATE audit SET number = -1 WHERE number = 6; UPDATE audit SET number = 6 WHERE number = 8;
             UPDATE audit SET number = 8 WHERE number = -1"),
    );
    assert_eq!((status, findings(&report)), (1, vec![("moved", 6), ("moved", 8)]), "{report}");
    let (status, report) = tampered(
        &daemon,
        run("DELETE FROM audit WHERE number > (SELECT max(number) - 3 FROM audit)"),
    );
    assert_eq!((status, findings(&report)), (1, vec![("truncated", last - 2)]), "{report}");
    let (status, report) = tampered(&daemon, compute_anew);
    assert_eq!((status, findings(&report)), (1, vec![("recomputed", 1)]), "{report}");
    assert_eq!(verify(&daemon, &[]).0, 0, "the file that was put back holds");

    // The second place: a copy elsewhere, and the public key that was kept.
    let elsewhere = daemon.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::rename(daemon.path("audit.key.pub"), elsewhere.join("node.pub")).expect("moved");
    for (number, file) in checkpoint_files(&daemon).iter().enumerate() {
        fs::rename(file, elsewhere.join(format!("{number}.checkpoints"))).expect("moved");
    }
    let (folder, key) = (elsewhere.display().to_string(), elsewhere.join("node.pub"));
    let key = key.display().to_string();
    let (status, report) = verify(&daemon, &["--checkpoints", &folder, "--public-key", &key]);
    assert_eq!((status, &report["covered"]), (0, &last.into()), "{report}");
    let text = fs::read_to_string(elsewhere.join("0.checkpoints")).expect("text");
    let altered = text.replacen(&format!("\n{last}\n"), &format!("\n{}\n", last + 1), 1);
    fs::write(elsewhere.join("0.checkpoints"), altered).expect("written");
    let (status, report) = verify(&daemon, &["--checkpoints", &folder, "--public-key", &key]);
    assert_eq!((status, findings(&report)), (1, vec![("checkpoint_altered", 0)]), "{report}");
    let (_, report) = verify(&daemon, &[]);
    assert_eq!((&report["holds"], &report["covered"]), (&true.into(), &0.into()), "{report}");
}

/// Writes another chain of the same length, which holds in itself.
fn compute_anew(db: &Connection) {
    let lines: u64 = db
        .query_row("SELECT count(*) FROM audit", (), |row| row.get::<_, i64>(0))
        .expect("a number")
        .unsigned_abs();
    db.execute("DELETE FROM audit", ()).expect("deleted");
    let mut head = Head::default();
    for number in 1..=lines {
        let entry = AuditEntry {
            at: Timestamp(number),
            actor: "system".into(),
            what: "nothing_happened".into(),
            call: None,
            customer: None,
            body: json!({}),
        };
        let line = audit::append(head, entry);
        head = Head { number: line.number, hash: line.hash };
        let text = serde_json::to_string(&line.entry).expect("JSON");
        let number = i64::try_from(line.number).expect("small");
        db.execute("INSERT INTO audit VALUES (?1, ?2, ?3)", (number, text, line.hash.0))
            .expect("written");
    }
}

#[test]
fn audit_an_erased_customer_is_in_no_byte_of_the_files_and_the_chain_holds() {
    let mut daemon = after_two_calls();
    let exported = daemon.run(&["audit", "export", "--customer", "ann-canary-1001"]);
    let lines = exported.lines().count();
    assert!(lines > 3, "{exported}");
    let refused = daemon.command(&["customer", "erase", "ann-canary-1001"]).output();
    let refused = refused.expect("the program runs");
    assert_eq!(refused.status.code(), Some(2), "nobody is there to ask");
    // Beside a daemon that runs, as an operator would.
    daemon.restart();
    let erase = ["customer", "erase", "ann-canary-1001", "--yes", "--json"];
    let told: Value = serde_json::from_str(&daemon.run(&erase)).expect("JSON");
    assert_eq!(told["erased"], true);
    assert_eq!(verify(&daemon, &[]).0, 0);
    assert_eq!(daemon.run(&["audit", "export", "--customer", "ann-canary-1001"]), "");
    let all = daemon.run(&["audit", "export", "--since", "2020-01-01"]);
    assert!(!all.contains("ann-canary-1001") && all.contains("bob-canary-1002"), "{all}");
    assert_eq!(all.matches("\"erased\":true").count(), lines, "{all}");
    let again = daemon.command(&erase).output().expect("the program runs");
    assert_eq!(again.status.code(), Some(1), "nobody is left");
    for file in ["records.db", "records.db-wal", "records.db-shm", "log"] {
        let bytes = fs::read(daemon.path(file)).unwrap_or_default();
        for canary in ["ann-canary", "Ann Canary", ANN, "ann.canary@", "ZQ9 7XK"] {
            let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
            assert!(!found, "{canary} is in {file}");
        }
    }
    daemon.stop();
    assert_eq!(verify(&daemon, &[]).0, 0);
}
