//! P3: what a verdict says is on disk before anybody is told. The kernel is the witness: `strace` writes
//! down every write, every fsync and every send of the daemon in the order in which they happened.
//!
//! ```text
//! pwrite64(records.db-wal, … "what":"attempt_settled","call":"01J…" …)    stored
//! fdatasync(records.db-wal) = 0                                           durable
//! sendto(TCP, … "id":"01J…" … "result":"correct" …)                       told: only now
//! ```
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign::sim::CallReport;
use countersign::sim::place;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::promises::Watcher;
use crate::promises::csv;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::promises::pid_of;
use crate::promises::states;

/// What is written down. RTP goes through `sendto` too, so the trace is long.
const CALLS: &str = "trace=fdatasync,fsync,pwrite64,pwritev,write,writev,sendto,sendmsg,sendmmsg";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p03_fsync_before_tell() {
    let people = people(if full() { 800 } else { 60 });
    let mut daemon = Daemon::start(&csv(&people));
    let (agent, app) = (daemon.token("agent", "alice"), daemon.token("app", "app"));
    let mut watcher = Watcher::connect(daemon.http, &agent).await;
    let trace = daemon.path("trace");
    let mut strace = Strace::attach(&daemon, &trace, CALLS);

    // A third keys a wrong PIN and is asked again; every tenth call was announced by the app.
    let mut calls = JoinSet::new();
    let mut pace = interval(Duration::from_millis(50));
    for (nth, person) in people.iter().enumerate() {
        pace.tick().await;
        let pin = if nth % 3 == 0 { person.wrong_pin() } else { person.pin.clone() };
        let mut plan = person.calls(daemon.sip, &pin);
        if nth % 10 == 9 {
            let intent = json!({ "customer_id": person.id, "number": person.number });
            let (status, answer) = daemon.ask("POST", "/v1/intents", &app, Some(&intent));
            assert_eq!(status, 201, "{answer}");
            plan.headers.push("X-Countersign-Intent", answer["intent"].as_str().expect("a handle"));
        }
        calls.spawn(place(Arc::new(plan), ears(), CancellationToken::new()));
    }
    let reports = calls.join_all().await;
    failed_by_the_agent(&mut watcher, &reports).await;
    daemon.kill9();
    strace.ends();

    let mut order = Order::default();
    for line in BufReader::new(File::open(&trace).expect("a trace")).lines() {
        order.happened(&line.expect("text"));
    }
    figure(&format!(
        "P3 {} verdicts told ({}) after {} fsyncs, {} before theirs; in the whole trace {} lines",
        order.told.values().sum::<usize>(),
        order
            .told
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect::<Vec<_>>()
            .join(", "),
        order.syncs,
        order.too_early.len(),
        order.lines,
    ));
    assert_eq!(order.too_early, Vec::<String>::new(), "told before it was durable");
    for word in ["asked again", "correct", "incorrect", "authenticated", "failed", "REFER", "302"] {
        assert!(order.told.contains_key(word), "nothing was told as {word}: {:?}", order.told);
    }
}

/// The agent takes the calls whose PIN was wrong, and none of the answers is right.
pub(crate) async fn failed_by_the_agent(watcher: &mut Watcher, reports: &[CallReport]) {
    let wrong: Vec<&CallReport> = reports
        .iter()
        .filter(|report| report.prompts.iter().any(|heard| heard.prompt == "pin.again"))
        .take(10)
        .collect();
    assert!(!wrong.is_empty(), "some callers were asked again");
    for (nth, report) in wrong.into_iter().enumerate() {
        let call = report.call_id.as_str();
        watcher.say(json!({ "type": "claim", "id": nth, "call": call })).await;
        let mine = watcher.state(call, |state| state["agent"] == "alice").await;
        for item in mine["questions"]["items"].as_array().expect("questions are due") {
            watcher.say(json!({ "type": "mark", "id": 1, "call": call, "question": item["key"], "correct": false })).await;
        }
        watcher.say(json!({ "type": "finish", "id": 2, "call": call })).await;
        watcher.state(call, |state| state["authentication"] == "failed").await;
    }
}

/// The witness. Attaching needs the right to trace: root, as CI has it.
pub(crate) struct Strace(Child);

impl Strace {
    /// Attaches to a daemon; `calls` says what is written down.
    pub(crate) fn attach(daemon: &Daemon, trace: &Path, calls: &str) -> Self {
        let pid = pid_of(daemon).expect("the daemon runs");
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-y", "-s", "100000", "-e", calls, "-e", "signal=none", "-o"])
            .arg(trace);
        strace.args(["-p", &pid.to_string()]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = strace.spawn().expect("strace is installed (apt-get install strace)");
        let mut said = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let first = said.next().and_then(Result::ok).unwrap_or_default();
        assert!(first.contains("attached"), "strace may not trace here: {first}");
        // Reads on, so that strace never writes into a full pipe.
        std::thread::spawn(move || said.for_each(drop));
        Self(process)
    }

    /// Ends with the daemon, and has written everything down then.
    pub(crate) fn ends(&mut self) {
        self.0.wait().expect("a child of ours");
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What happened, in order.
#[derive(Default)]
struct Order {
    lines: usize,
    syncs: usize,
    /// Audit lines written to the log of the records, and not yet synced.
    stored: BTreeSet<String>,
    durable: BTreeSet<String>,
    told: BTreeMap<&'static str, usize>,
    once: BTreeSet<(&'static str, String)>,
    too_early: Vec<String>,
    /// The negative control pretends that fsync does nothing.
    deaf_to_sync: bool,
}

impl Order {
    fn happened(&mut self, line: &str) {
        self.lines += 1;
        let Some((_, call)) = line.split_once(' ').map(|(pid, call)| (pid, call.trim_start()))
        else {
            return;
        };
        // The end of a call that was interrupted stands on a line of its own; the data stood on the first.
        let name =
            call.strip_prefix("<... ").unwrap_or(call).split(['(', ' ']).next().unwrap_or_default();
        match name {
            "fdatasync" | "fsync" if call.ends_with("= 0") => {
                // SQLite syncs the log by one thread alone; other files of ours are not synced at run time.
                self.syncs += 1;
                if !self.deaf_to_sync {
                    self.durable.append(&mut self.stored);
                }
            }
            "pwrite64" | "pwritev" if call.contains("-wal>") => {
                let page = call.replace("\\\"", "\"");
                let written = audit_lines(&page).into_iter().chain(settled(&page));
                self.stored.extend(written.filter(|line| !self.durable.contains(line)));
            }
            "write" | "writev" | "sendto" | "sendmsg" | "sendmmsg" if !call.starts_with("<...") => {
                self.sent(call);
            }
            _ => {}
        }
    }

    fn sent(&mut self, call: &str) {
        if call.contains("REFER sip:") || call.contains("SIP/2.0 302 ") {
            let (_, rest) =
                call.split_once("X-Countersign-Call").expect("the id travels with the call");
            let id: String = rest.trim_start_matches(['=', ':', ' ']).chars().take(26).collect();
            if call.contains("REFER sip:") {
                self.tells("REFER", &id, &["attempt_settled"]);
            } else {
                self.tells("302", &id, &["call_passed"]);
            }
        }
        for state in frames_in(call).iter().flat_map(|frame| states(frame)) {
            self.shown(&state);
        }
    }

    /// A desktop was shown this state.
    fn shown(&mut self, state: &Value) {
        let id = state["id"].as_str().unwrap_or_default();
        if state["pin"]["attempt"] == 2 {
            self.tells("asked again", id, &["attempt_settled"]);
        }
        match state["pin"]["result"].as_str() {
            Some("correct") => self.tells("correct", id, &["attempt_settled correct"]),
            Some("incorrect") => {
                self.tells("incorrect", id, &["attempt_settled wrong", "call_failed"]);
            }
            _ => {}
        }
        match state["authentication"].as_str() {
            Some("authenticated") => self.tells("authenticated", id, &["call_passed"]),
            Some("failed") => self.tells("failed", id, &["call_failed"]),
            _ => {}
        }
    }

    fn tells(&mut self, word: &'static str, id: &str, needs: &[&str]) {
        // A state is repeated with every further change; what counts is the first time.
        if !self.once.insert((word, id.to_owned())) {
            return;
        }
        *self.told.entry(word).or_default() += 1;
        for need in needs {
            if !self.durable.contains(&format!("{need} {id}")) {
                self.too_early.push(format!("{word} of {id} without {need}"));
            }
        }
    }
}

/// The audit lines in a page, as `WORD CALL`. What else they say is sealed.
fn audit_lines(page: &str) -> Vec<String> {
    let mut lines = vec![];
    for entry in page.split(r#""what":""#).skip(1) {
        let word = entry.split('"').next().unwrap_or_default();
        let Some((_, rest)) =
            entry.split_once(r#""call":""#).filter(|(between, _)| between.len() < 64)
        else {
            continue;
        };
        let call = rest.split('"').next().unwrap_or_default();
        lines.push(format!("{word} {call}"));
    }
    lines
}

/// The results in the rows of attempts in a page, as `attempt_settled RESULT CALL`. A row holds the
/// call, the customer, some numbers, the result: `strace` writes a number's byte as four characters
/// at the most.
fn settled(page: &str) -> Vec<String> {
    let mut lines = vec![];
    for result in ["correct", "wrong"] {
        for (at, _) in page.match_indices(result) {
            let row: Vec<char> = page[..at].chars().rev().take(160).collect();
            let row: String = row.into_iter().rev().collect();
            let call = row.match_indices("01").filter_map(|(at, _)| row.get(at..at + 26));
            let is_id =
                |id: &&str| id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
            lines.extend(
                call.filter(is_id).last().map(|id| format!("attempt_settled {result} {id}")),
            );
        }
    }
    lines
}

/// The frames with states of calls in what was sent.
pub(crate) fn frames_in(call: &str) -> Vec<String> {
    let some = [r#"{\"type\":\"call\""#, r#"{\"type\":\"snapshot\""#];
    if some.iter().any(|begin| call.contains(begin)) { frames(call) } else { vec![] }
}

/// The JSON frames in what was sent, with the escapes of `strace` taken back.
fn frames(call: &str) -> Vec<String> {
    let bytes = unescaped(call);
    let text = String::from_utf8_lossy(&bytes);
    let mut frames = vec![];
    for (at, _) in text.match_indices(r#"{"type":""#) {
        let rest = text.get(at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        if let Some(Ok(frame)) = values.next() {
            frames.push(frame.to_string());
        }
    }
    frames
}

/// `\"`, `\\`, `\n` and its kin, and bytes as one to three octal digits.
pub(crate) fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let octal = rest.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if octal > 0 {
            let value = rest[..octal]
                .iter()
                .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            bytes.push(u8::try_from(value).unwrap_or(b'?'));
            rest = &rest[octal..];
        } else if let [escaped, after @ ..] = rest {
            bytes.push(match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'f' => 0x0c,
                other => *other,
            });
            rest = after;
        }
    }
    bytes
}

/// A verdict, its storing, its sync and its telling, as `strace` would write them.
const STORY: [&str; 3] = [
    r#"7 pwrite64(9</r.db-wal>, "\0\3{\"at\":1,\"what\":\"attempt_settled\",\"call\":\"01M81BZJ3FW6K0B2FKB8N5PK0X\",\"subject\":\"7\",\"sealed\":\"4K\"}\0\17A\r01M81BZJ3FW6K0B2FKB8N5PK0X1001\2\3\6\1\3\6\1\240\370\222\30\314correct\1\240\370\222\31\1", 4096, 56) = 4096"#,
    r"7 fdatasync(9</r.db-wal>) = 0",
    r#"8 sendto(5<TCP:[1]>, "\201~\1\2{\"type\":\"call\",\"seq\":4,\"call\":{\"id\":\"01M81BZJ3FW6K0B2FKB8N5PK0X\",\"pin\":{\"attempt\":1,\"result\":\"correct\"}}}", 99, MSG_NOSIGNAL, NULL, 0) = 99"#,
];

#[test]
fn p03_the_checker_sees_a_verdict_that_is_told_too_early() {
    let too_early = |order: &[&str], deaf_to_sync| {
        let mut checker = Order { deaf_to_sync, ..Order::default() };
        for line in order {
            checker.happened(line);
        }
        assert_eq!(checker.told.get("correct"), Some(&1));
        checker.too_early.len()
    };
    let [stored, synced, told] = STORY;
    assert_eq!(too_early(&[stored, synced, told], false), 0);
    assert_eq!(too_early(&[stored, told, synced], false), 1);
    assert_eq!(too_early(&[synced, stored, told], false), 1);
    assert_eq!(too_early(&[stored, synced, told], true), 1, "the negative control");
}

#[test]
fn p03_the_checker_reads_calls_that_were_interrupted() {
    let mut checker = Order::default();
    let [stored, _, told] = STORY;
    checker.happened(stored);
    checker.happened("7 fdatasync(9</r.db-wal> <unfinished ...>");
    checker.happened(&told.replace(") = 99", " <unfinished ...>"));
    checker.happened("7 <... fdatasync resumed>) = 0");
    checker.happened("8 <... sendto resumed>) = 99");
    assert_eq!((checker.too_early.len(), checker.syncs), (1, 1));
}
