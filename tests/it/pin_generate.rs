//! Initial PINs for everybody: killed three times on the way, and nothing is there twice; printed once.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::process::Output;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use countersign::model::auth::Verdict;
use countersign::model::digits::VoicePin;
use countersign::pin::initial::ENVELOPE_LEN;
use countersign::pin::initial::Initials;
use countersign::pin::initial::VERIFIER_LEN;
use countersign::pin::pepper::Pepper;
use countersign::pin::weak;
use rusqlite::Connection;
use rusqlite::OpenFlags;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::poll;
use crate::promises::Dice;
use crate::promises::figure;
use crate::promises::full;

const URL: &str = "https://pin.example.org/activate";
const KILLS: u64 = 3;
/// Waits of this test take no longer, on a busy machine and with a million accounts.
const PATIENCE: Duration = Duration::from_mins(20);

/// One initial PIN as it lies on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Kept {
    version: u32,
    envelope: Vec<u8>,
    verifier: Vec<u8>,
}

#[test]
fn p03_p04_p05_p06_p07_everybody_gets_an_initial_pin_once_through_three_kills() {
    let accounts = if full() { 1_000_000 } else { 50_000 };
    let mut daemon = Daemon::with(&format!("{OFFICE}{CHEAP_PINS}"), "customer_id,name\n");
    let started = Instant::now();
    daemon.import(&estate(accounts));
    let imported = started.elapsed();

    let mut took = Duration::ZERO;
    let (mut peak, mut dice) = (0, Dice::new(u64::from(accounts)));
    for kill in 1..=KILLS {
        // At a random moment of each quarter of the way.
        let quarter = u64::from(accounts) / 4;
        let chance = dice.below(usize::try_from(quarter / 2).expect("small")) as u64;
        let until = quarter * (kill - 1) + quarter / 4 + chance;
        let (run, hwm) = killed_behind(&daemon, until);
        took += run;
        peak = peak.max(hwm);
        let there = issued(&daemon);
        assert!((until..u64::from(accounts)).contains(&there), "kill {kill}: {there} are there");
    }
    let (ended, run, hwm) = to_its_end(&daemon);
    took += run;
    assert_eq!(ended["error"], Value::Null, "{ended}");
    assert_eq!((&ended["running"], &ended["examined"]), (&false.into(), &accounts.into()));
    figure(&format!(
        "P03 {accounts} initial PINs, killed {KILLS} times: {:.1} s in all, {:.0} a second, {} KiB resident at most; \
         the import before took {:.1} s",
        took.as_secs_f64(),
        f64::from(accounts) / took.as_secs_f64(),
        peak.max(hwm),
        imported.as_secs_f64(),
    ));

    let kept = kept(&daemon);
    assert_eq!(kept.len(), accounts as usize, "P03: count(PIN rows) = count(accounts)");
    for (customer, initial) in &kept {
        assert_eq!(initial.version, 1, "{customer} got one twice");
        let sizes = (initial.envelope.len(), initial.verifier.len());
        assert_eq!(sizes, (ENVELOPE_LEN, VERIFIER_LEN), "{customer}");
    }
    assert_eq!(audited(&daemon), u64::from(accounts), "P04: each was issued once");
    let flags = "SELECT count(*) FROM accounts WHERE initialized OR enabled";
    assert_eq!(number(&daemon, flags), 0, "P06: No/No");
    let inactive = "SELECT count(*) FROM customers JOIN initial_pins ON customer = id WHERE flags LIKE '%closed%'";
    assert_eq!(number(&daemon, inactive), u64::from(accounts / 10), "P07: closed accounts too");

    let again: Value = last_line(&daemon.run(&["pin", "generate", "--all", "--json"]));
    assert_eq!((&again["created"], &again["examined"]), (&0.into(), &accounts.into()), "{again}");
    assert!(self::kept(&daemon) == kept, "P04: a second run changes nothing");
    printed_once(&daemon, &kept);
    daemon.stop();
}

/// The letters hold what registration takes, are printed once, and afterwards no envelope opens.
fn printed_once(daemon: &Daemon, kept: &BTreeMap<String, Kept>) {
    let out = daemon.path("letters");
    // A million pages are two gigabytes, which show no more than fifty thousand.
    let format = if full() { "csv" } else { "both" };
    let arguments =
        ["pin", "letters", "--out", "letters", "--url", URL, "--format", format, "--json"];
    let keys = run_keys(daemon);
    assert_eq!(keys.len(), 1, "one print run holds them all, through every kill");
    let started = Instant::now();
    let mut printing = daemon.command(&arguments).stdout(Stdio::null()).spawn().expect("it runs");
    poll("a file is begun", || out.exists().then(|| files(&out).pop()).flatten());
    printing.kill().expect("a child of ours");
    printing.wait().expect("a child of ours");
    let told = last_line(&daemon.run(&arguments));
    assert_eq!(
        told["letters"],
        kept.len(),
        "killed while printing, it prints all the same: {told}"
    );
    let (run, files) = (&told["runs"][0]["run"], files(&out));
    figure(&format!(
        "{} letters after a kill: {:.1} s",
        kept.len(),
        started.elapsed().as_secs_f64()
    ));
    let pages = if full() { 0 } else { kept.len().div_ceil(10_000) };
    assert_eq!(files.len(), pages + 1, "nothing half is left: {files:?}");
    for file in &files {
        let mode = fs::metadata(out.join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    let letters = letters(&out.join(format!("letters-{run}.csv")));
    assert!(letters.keys().eq(kept.keys()), "a letter for everybody");
    let initials = initials(daemon);
    for (customer, pin) in letters.iter().step_by(97) {
        let initial = &kept[customer];
        let pin = VoicePin::parse(pin).expect("a PIN");
        let id = customer.parse().expect("an id");
        let shown = Some((initial.version, initial.verifier.as_slice()));
        assert_eq!(initials.verify(&id, shown, &pin), Verdict::Correct, "{customer}");
    }
    random_and_not_weak(&letters);
    if !full() {
        on_paper(&out, &files, &letters);
    }

    // P01: what is left cannot be read, even with the pepper.
    assert_eq!(number(daemon, "SELECT count(*) FROM pin_batches WHERE key IS NOT NULL"), 0);
    let disk = disk(daemon);
    for key in &keys {
        let left = disk.windows(key.len()).any(|bytes| bytes == key);
        assert!(!left, "the key of the print run is gone from the files as well");
    }
    // The random names of persons in the audit are 32 hexadecimal letters: by chance some hold a PIN.
    let words = disk.split(|byte| !byte.is_ascii_hexdigit()).filter(|word| word.len() < 32);
    let runs = words.flat_map(|word| word.split(|byte| !byte.is_ascii_digit()));
    let digits = runs.filter(|run| run.len() == 7);
    // A million account numbers have seven digits too, and some of them are somebody's PIN by chance.
    let digits_of = |id: &String| id.chars().filter(char::is_ascii_digit).collect::<String>();
    let numbers: BTreeSet<String> = letters.keys().map(digits_of).collect();
    let unique = letters.values().filter(|pin| !numbers.contains(pin.as_str()));
    let canaries: Vec<_> = unique.map(String::as_bytes).step_by(997).collect();
    assert_eq!(digits.filter(|run| canaries.contains(run)).count(), 0, "no PIN in the records");

    let again = daemon.command(&arguments).output().expect("it runs");
    assert_eq!(again.status.code(), Some(1), "there is nothing to print: {}", said(&again));
    assert_eq!(last_line(&String::from_utf8_lossy(&again.stdout))["letters"], 0);
}

#[test]
fn one_account_gets_an_initial_pin_and_a_second_is_refused() {
    let mut daemon = Daemon::start("customer_id,name,pin\n1001,Ann,\n1002,Bob,5028361\n");
    let one = last_line(&daemon.run(&["pin", "generate", "1001", "--json"]));
    assert_eq!(one["created"], 1, "{one}");
    for (id, why) in [("1001", "reset it"), ("1002", "reset it"), ("1003", "no customer")] {
        let refused = daemon.command(&["pin", "generate", id]).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(1), "{id}");
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    let all = last_line(&daemon.run(&["pin", "generate", "--all", "--json"]));
    assert_eq!((&all["created"], &all["examined"]), (&0.into(), &2.into()), "Bob has a PIN: {all}");
    daemon.stop();
}

// --- the way there ---

/// The customer file: without PINs and passwords, in four languages, every tenth account closed.
fn estate(accounts: u32) -> String {
    let mut csv = "customer_id,name,language,flags\n".to_owned();
    for nth in 0..accounts {
        let language = ["en", "nl-BE", "fr", ""][nth as usize % 4];
        let flags = if nth % 10 == 3 { "closed" } else { "" };
        writeln!(csv, "c-{nth:07}x,Customer <{nth}>,{language},{flags}").expect("memory");
    }
    csv
}

/// Generates until so many are on disk, and kills it; how long it ran, and its peak of memory in KiB.
fn killed_behind(daemon: &Daemon, until: u64) -> (Duration, u64) {
    let (started, mut run) = (Instant::now(), generate(daemon));
    let mut hwm = 0;
    while issued(daemon) < until {
        hwm = hwm.max(peak_kib(run.id()));
        let ended = run.try_wait().expect("a child of ours");
        assert!(ended.is_none(), "it ended before it could be killed: {ended:?}");
        assert!(started.elapsed() < PATIENCE, "{until} initial PINs take too long");
        thread::sleep(Duration::from_millis(3));
    }
    run.kill().expect("a child of ours");
    run.wait().expect("a child of ours");
    (started.elapsed(), hwm)
}

/// Generates until nobody is left.
fn to_its_end(daemon: &Daemon) -> (Value, Duration, u64) {
    let (started, mut run) = (Instant::now(), generate(daemon));
    let mut hwm = 0;
    while run.try_wait().expect("a child of ours").is_none() {
        hwm = hwm.max(peak_kib(run.id()));
        assert!(started.elapsed() < PATIENCE, "the last run takes too long");
        thread::sleep(Duration::from_millis(3));
    }
    let took = started.elapsed();
    let output = run.wait_with_output().expect("its output");
    assert!(output.status.success(), "{}", said(&output));
    (last_line(&String::from_utf8_lossy(&output.stdout)), took, hwm)
}

fn generate(daemon: &Daemon) -> Child {
    let mut command = daemon.command(&["pin", "generate", "--all", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

/// The most memory a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

// --- what is there ---

fn records(daemon: &Daemon) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(daemon.path("records.db"), flags).expect("records");
    db.busy_timeout(Duration::from_secs(30)).expect("records");
    db
}

fn number(daemon: &Daemon, query: &str) -> u64 {
    let number: i64 = records(daemon).query_one(query, (), |row| row.get(0)).expect(query);
    u64::try_from(number).expect("a count")
}

fn issued(daemon: &Daemon) -> u64 {
    number(daemon, "SELECT count(*) FROM initial_pins")
}

fn kept(daemon: &Daemon) -> BTreeMap<String, Kept> {
    let db = records(daemon);
    let query = "SELECT customer, version, envelope, verifier FROM initial_pins";
    let mut select = db.prepare(query).expect("records");
    let rows = select.query_map((), |row| {
        let (version, envelope, verifier) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get(0)?, Kept { version, envelope, verifier }))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// The keys of the print runs that are open, as they are kept.
fn run_keys(daemon: &Daemon) -> Vec<Vec<u8>> {
    let db = records(daemon);
    let mut select = db.prepare("SELECT key FROM pin_batches").expect("records");
    select.query_map((), |row| row.get(0)).expect("rows").map(|key| key.expect("a key")).collect()
}

/// How many the audit says were issued.
fn audited(daemon: &Daemon) -> u64 {
    let sum = "SELECT sum(json_extract(entry, '$.body.count')) FROM audit
               WHERE json_extract(entry, '$.what') = 'initial_pins_issued'";
    number(daemon, sum)
}

fn initials(daemon: &Daemon) -> Initials {
    let pepper = fs::read(daemon.path("pepper.key")).expect("a pepper");
    Initials::new(Arc::new(Pepper::from_bytes(&pepper).expect("32 bytes")))
}

/// Every byte of the records, what is not checkpointed yet as well.
fn disk(daemon: &Daemon) -> Vec<u8> {
    let bytes = |name: &str| fs::read(daemon.path(name)).unwrap_or_default();
    [bytes("records.db"), bytes("records.db-wal")].concat()
}

fn letters(csv: &Path) -> BTreeMap<String, String> {
    let mut reader = csv::Reader::from_path(csv).expect("CSV");
    let rows = reader.records().map(|row| {
        let row = row.expect("a row");
        assert_eq!(&row[5], URL);
        (row[0].to_owned(), row[3].to_owned())
    });
    rows.collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

/// P05: evenly spread over the digits of each place, none that guessers try first.
fn random_and_not_weak(letters: &BTreeMap<String, String>) {
    let mut counts = [[0_u32; 10]; VoicePin::LEN];
    for pin in letters.values() {
        assert!(!weak::is_weak(&VoicePin::parse(pin).expect("a PIN, and not the default")));
        for (place, digit) in counts.iter_mut().zip(pin.bytes()) {
            place[usize::from(digit - b'0')] += 1;
        }
    }
    let expected = f64::from(u32::try_from(letters.len()).expect("few")) / 10.0;
    for place in counts {
        let chi: f64 = place.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        // Nine degrees of freedom: once in 60,000 places. The weak ones are even over the digits as well.
        assert!(chi < 38.0, "{chi} {place:?}");
    }
}

/// The pages say what the lines say, each once, and carry no markup of a name.
fn on_paper(out: &Path, files: &[String], letters: &BTreeMap<String, String>) {
    let pages = files.iter().filter(|name| name.strip_suffix(".html").is_some());
    let text: String =
        pages.map(|name| fs::read_to_string(out.join(name)).expect("HTML")).collect();
    let printed: Vec<_> = text.split("class=\"pin\">").skip(1).map(|rest| &rest[..7]).collect();
    assert!(printed.into_iter().eq(letters.values()), "in the same order");
    assert!(text.contains("Customer &lt;0&gt;") && !text.contains("Customer <"));
    for words in ["Your initial PIN", "Uw eerste pincode", "Votre code initial"] {
        assert!(text.contains(words), "{words}");
    }
}

fn last_line(text: &str) -> Value {
    let line = text.lines().last().expect("a line");
    serde_json::from_str(line).expect("JSON")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
