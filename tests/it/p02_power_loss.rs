//! P2: what somebody was told survives a power cut. The kernel is the witness: `strace` writes down what
//! the daemon wrote to its records, synced, and told, in order. Then the power fails on paper, again and
//! again: what was synced is on the disk, and of what was not each write is there, torn, or gone.
//!
//! ```text
//! pwrite64(records.db-wal) ─► may be there, torn at a sector, or gone
//! fdatasync(records.db-wal) ─► everything written before it is there
//! sendto(TCP, "result":"correct") ─► must be in every image of a later cut
//! ```
//! Left out: `records.db-shm` (SQLite makes it anew), and reordering of file creation (the files exist).
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::records::audit;
use countersign::records::audit::Head;
use countersign::sim::CallReport;
use countersign::sim::place;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::p01_told_means_kept::Fact;
use crate::p01_told_means_kept::facts;
use crate::p01_told_means_kept::kept;
use crate::p03_fsync_before_tell::Strace;
use crate::p03_fsync_before_tell::failed_by_the_agent;
use crate::p03_fsync_before_tell::frames_in;
use crate::p03_fsync_before_tell::unescaped;
use crate::promises::Dice;
use crate::promises::Disk;
use crate::promises::Person;
use crate::promises::Watcher;
use crate::promises::csv;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::people;
use crate::promises::states;

/// What a replay needs: everything that changes a file of the records, and everything that tells.
const CALLS: &str = "trace=fdatasync,fsync,pwrite64,ftruncate,write,writev,sendto,sendmsg,sendmmsg";

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p02_power_loss() {
    let people = people(if full() { 400 } else { 40 });
    let mut daemon = Daemon::start(&csv(&people));
    let agent = daemon.token("agent", "alice");
    let mut watcher = Watcher::connect(daemon.http, &agent).await;
    let trace = daemon.path("trace");
    let mut strace = Strace::attach(&daemon, &trace, CALLS);
    // Nobody has called yet: what lies here has been synced long ago.
    let before = files(&daemon.path("records.db"));

    let reports = calls(&daemon, &people).await;
    failed_by_the_agent(&mut watcher, &reports).await;
    daemon.kill9();
    strace.ends();

    let events = Arc::new(recorded(&trace));
    let told = events.iter().filter(|event| matches!(event, Event::Told(_))).count();
    let (cuts, controls) = if full() { (5000, 500) } else { (200, 40) };
    let cuts = outages(&before, &events, cuts, Syncs::Hold).await;
    let control = outages(&before, &events, controls, Syncs::Lie).await;
    figure(&format!(
        "P2 {} power cuts in {} writes, {} syncs, {told} tellings (torn and dropped unsynced writes): {} images with something told \
         missing, {} corrupt, {} facts looked for; control without fsync: {} of {} cuts seen ({} lost, {} corrupt)",
        cuts.images,
        events.iter().filter(|event| matches!(event, Event::Written { .. })).count(),
        events.iter().filter(|event| matches!(event, Event::Synced { .. })).count(),
        cuts.lost,
        cuts.corrupt,
        cuts.facts,
        control.seen,
        control.images,
        control.lost,
        control.corrupt,
    ));
    let kinds: BTreeSet<String> =
        events.iter().filter_map(Event::told).map(|(told, _, _)| format!("{told:?}")).collect();
    for word in ["AskedAgain", "Correct", "Incorrect", "Authenticated", "Failed", "Blocked"] {
        assert!(kinds.contains(word), "nobody was told {word}: {kinds:?}");
    }
    assert!(cuts.facts > cuts.images, "the cuts come too early");
    assert_eq!((cuts.lost, cuts.corrupt), (0, 0), "{:?}", cuts.example);
    assert!(control.seen * 5 >= control.images, "a disk that forgets would not be noticed");
}

/// A third keys a wrong PIN. One person does so on three telephones at once, which blocks, and once more.
async fn calls(daemon: &Daemon, people: &[Person]) -> Vec<CallReport> {
    let call = |person: &Person, pin: &str| {
        place(Arc::new(person.calls(daemon.sip, pin)), ears(), CancellationToken::new())
    };
    let (mut calls, mut blocks) = (JoinSet::new(), JoinSet::new());
    let (blocked, others) = people.split_first().expect("somebody calls");
    for _ in 0..3 {
        blocks.spawn(call(blocked, &blocked.wrong_pin()));
    }
    let mut pace = interval(Duration::from_millis(50));
    for (nth, person) in others.iter().enumerate() {
        pace.tick().await;
        let pin = if nth % 3 == 0 { person.wrong_pin() } else { person.pin.clone() };
        calls.spawn(call(person, &pin));
    }
    blocks.join_all().await;
    call(blocked, &blocked.wrong_pin()).await;
    calls.join_all().await
}

// --- what happened ---

/// One thing that happened, in the order of the trace.
#[derive(Debug)]
enum Event {
    Written {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: String,
        to: usize,
    },
    /// The first `covers` events of the trace, as far as they concern this file, are on the disk.
    Synced {
        file: String,
        covers: usize,
    },
    Told(Fact),
}

impl Event {
    fn told(&self) -> Option<&Fact> {
        match self {
            Self::Told(fact) => Some(fact),
            Self::Written { .. } | Self::Cut { .. } | Self::Synced { .. } => None,
        }
    }
}

fn recorded(trace: &Path) -> Vec<Event> {
    let mut tape = Tape::default();
    for line in BufReader::new(File::open(trace).expect("a trace")).lines() {
        tape.happened(&line.expect("text"));
    }
    tape.events
}

#[derive(Default)]
struct Tape {
    events: Vec<Event>,
    told: BTreeSet<Fact>,
    /// By thread: the file whose sync is under way, and what it covers.
    syncing: BTreeMap<String, (String, usize)>,
}

impl Tape {
    fn happened(&mut self, line: &str) {
        let Some((thread, call)) = line.split_once(' ').map(|(pid, call)| (pid, call.trim_start()))
        else {
            return;
        };
        if let Some(resumed) = call.strip_prefix("<... ") {
            let began = self.syncing.remove(thread);
            if let Some((file, covers)) = began.filter(|_| resumed.ends_with("= 0")) {
                self.events.push(Event::Synced { file, covers });
            }
            return;
        }
        match call.split('(').next().unwrap_or_default() {
            "fdatasync" | "fsync" => {
                let Some(file) = file_of(call) else { return };
                let covers = self.events.len();
                if call.ends_with("<unfinished ...>") {
                    self.syncing.insert(thread.to_owned(), (file, covers));
                } else if call.ends_with("= 0") {
                    self.events.push(Event::Synced { file, covers });
                }
            }
            "pwrite64" => {
                let Some(file) = file_of(call) else { return };
                let (_, rest) = call.split_once(", \"").expect("what was written");
                let (text, rest) = rest.rsplit_once("\", ").expect("what was written");
                let mut bytes = unescaped(text);
                let mut numbers = rest.split([',', ')', ' ']).filter(|word| !word.is_empty());
                let length: usize = number(numbers.next());
                assert_eq!(bytes.len(), length, "strace shortened a page");
                bytes.truncate(length);
                self.events.push(Event::Written { file, at: number(numbers.next()), bytes });
            }
            "ftruncate" => {
                let Some(file) = file_of(call) else { return };
                let to = call.rsplit_once(", ").and_then(|(_, rest)| rest.split([')', ' ']).next());
                self.events.push(Event::Cut { file, to: number(to) });
            }
            "write" | "writev" | "sendto" | "sendmsg" | "sendmmsg" => self.sent(call),
            _ => {}
        }
    }

    /// Told is told as soon as the kernel is asked to send it.
    fn sent(&mut self, call: &str) {
        for frame in frames_in(call) {
            for fact in states(&frame).iter().flat_map(facts) {
                if self.told.insert(fact.clone()) {
                    self.events.push(Event::Told(fact));
                }
            }
        }
    }
}

fn number(text: Option<&str>) -> usize {
    text.and_then(|text| text.trim().parse().ok()).expect("a number")
}

/// The file of the records that a call is about.
fn file_of(call: &str) -> Option<String> {
    let path = call.split_once('<')?.1.split_once('>')?.0;
    let name = path.rsplit('/').next()?;
    ["records.db", "records.db-wal"].contains(&name).then(|| name.to_owned())
}

// --- the power fails ---

type Files = BTreeMap<String, Vec<u8>>;

fn files(records: &Path) -> Files {
    let read =
        |name: &str| (name.to_owned(), fs::read(records.with_file_name(name)).unwrap_or_default());
    ["records.db", "records.db-wal"].map(read).into()
}

/// Whether the disk does what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Syncs {
    Hold,
    /// The negative control: a disk that says yes and does nothing.
    Lie,
}

#[derive(Debug, Default)]
struct Tally {
    images: usize,
    facts: usize,
    seen: usize,
    lost: usize,
    corrupt: usize,
    example: Option<String>,
}

/// Cuts the power at so many events, every other one right behind something that was told.
async fn outages(before: &Files, events: &Arc<Vec<Event>>, cuts: usize, syncs: Syncs) -> Tally {
    let (before, events) = (before.clone(), Arc::clone(events));
    let work = move || {
        let mut dice = Dice::new(20_261_122);
        let tellings: Vec<usize> =
            (0..events.len()).filter(|at| events[*at].told().is_some()).collect();
        let mut moments: Vec<usize> = (0..cuts)
            .map(|nth| match nth % 2 {
                0 => tellings[dice.below(tellings.len())] + 1,
                _ => 1 + dice.below(events.len()),
            })
            .collect();
        // In order, so that one disk can live through all of them.
        moments.sort_unstable();
        let folder = image_folder();
        let (mut disk, mut next, mut tally) = (Medium::new(before), 0, Tally::default());
        for moment in moments {
            disk.live_through(&events, next..moment, syncs);
            next = moment;
            let image = disk.loses_power(&events, &mut dice);
            judge(&image, folder.path(), &events[..moment], &mut tally);
        }
        tally
    };
    tokio::task::spawn_blocking(work).await.expect("the replay does not panic")
}

/// Images are opened by the hundred: in memory, where there is such a place.
fn image_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder")
}

/// A disk, and what it was asked to write and has not promised yet.
struct Medium {
    durable: Files,
    pending: Vec<usize>,
}

impl Medium {
    const fn new(durable: Files) -> Self {
        Self { durable, pending: vec![] }
    }

    fn live_through(&mut self, events: &[Event], span: std::ops::Range<usize>, syncs: Syncs) {
        for at in span {
            match &events[at] {
                Event::Written { .. } | Event::Cut { .. } => self.pending.push(at),
                Event::Synced { file, covers } if syncs == Syncs::Hold => {
                    let durable = &mut self.durable;
                    self.pending.retain(|pending| {
                        let covered = pending < covers && file_in(&events[*pending]) == file;
                        if covered {
                            put(durable, &events[*pending], usize::MAX);
                        }
                        !covered
                    });
                }
                Event::Synced { .. } | Event::Told(_) => {}
            }
        }
    }

    /// What is found when the power is back.
    fn loses_power(&self, events: &[Event], dice: &mut Dice) -> Files {
        let mut image = self.durable.clone();
        for pending in &self.pending {
            match dice.below(10) {
                0..4 => put(&mut image, &events[*pending], usize::MAX),
                4..6 => put(&mut image, &events[*pending], SECTOR * (1 + dice.below(7))),
                _ => {}
            }
        }
        image
    }
}

fn file_in(event: &Event) -> &str {
    match event {
        Event::Written { file, .. } | Event::Cut { file, .. } | Event::Synced { file, .. } => file,
        Event::Told(_) => "",
    }
}

/// Does what was asked, up to so many bytes.
fn put(files: &mut Files, event: &Event, up_to: usize) {
    let file = files.get_mut(file_in(event));
    match (event, file) {
        (Event::Written { at, bytes, .. }, Some(file)) => {
            let bytes = bytes.get(..up_to.min(bytes.len())).unwrap_or_default();
            let end = at + bytes.len();
            file.resize(file.len().max(end), 0);
            file[*at..end].copy_from_slice(bytes);
        }
        (Event::Cut { to, .. }, Some(file)) => file.resize(*to, 0),
        _ => {}
    }
}

/// Opens the image as a daemon would find it, and looks for everything that was told before the cut.
fn judge(image: &Files, folder: &Path, past: &[Event], tally: &mut Tally) {
    for (name, bytes) in image {
        fs::write(folder.join(name), bytes).expect("the image is written");
    }
    // Left by the image before; SQLite builds it from the log.
    let _ = fs::remove_file(folder.join("records.db-shm"));
    tally.images += 1;
    let (facts, found) = (past.iter().filter_map(Event::told), read_back(folder));
    let disk = match found {
        Ok(disk) => disk,
        Err(why) => {
            tally.corrupt += 1;
            tally.seen += 1;
            tally.example.get_or_insert(why);
            return;
        }
    };
    let mut lost = vec![];
    for fact in facts {
        tally.facts += 1;
        if !kept(fact, &disk) {
            lost.push(fact);
        }
    }
    if let Some(first) = lost.first() {
        tally.lost += 1;
        tally.seen += 1;
        tally.example.get_or_insert(format!("{} lost, the first {first:?}", lost.len()));
    }
}

/// The records in an image; or in what way it is corrupt.
fn read_back(folder: &Path) -> Result<Disk, String> {
    let broken = |error: rusqlite::Error| error.to_string();
    let db = Connection::open(folder.join("records.db")).map_err(broken)?;
    let sound: String =
        db.query_one("PRAGMA integrity_check", (), |row| row.get(0)).map_err(broken)?;
    if sound != "ok" {
        return Err(sound);
    }
    let disk = Disk::read_from(&db).map_err(broken)?;
    audit::verify(Head::default(), disk.audit.iter().cloned())
        .map_err(|broken| format!("the audit chain: {broken:?}"))?;
    let replayed = disk.replayed();
    for (customer, counters) in &disk.accounts {
        if *counters != replayed.get(customer).copied().unwrap_or_default() {
            return Err(format!("the counters of {customer} are not what its audit lines say"));
        }
    }
    Ok(disk)
}

// --- the replay itself ---

const PAGE: &str = r#"7 pwrite64(9</r/records.db-wal>, "\0\v\f\n\177\"A", 7, 512) = 7"#;

#[test]
fn p02_the_replay_reads_what_strace_wrote() {
    let mut tape = Tape::default();
    tape.happened(PAGE);
    tape.happened("7 fdatasync(9</r/records.db-wal> <unfinished ...>");
    tape.happened(r#"8 pwrite64(8</r/records.db>, "B", 1, 0 <unfinished ...>"#);
    tape.happened("7 <... fdatasync resumed>) = 0");
    tape.happened("8 <... pwrite64 resumed>) = 1");
    tape.happened("7 ftruncate(9</r/records.db-wal>, 3) = 0");
    tape.happened("7 ftruncate(9</r/records.db-wal>, 2 <unfinished ...>");
    tape.happened("7 fsync(5</r/other>) = 0");
    let [
        Event::Written { at: 512, bytes, .. },
        Event::Written { at: 0, .. },
        Event::Synced { covers: 1, .. },
        Event::Cut { to: 3, .. },
        Event::Cut { to: 2, .. },
    ] = &tape.events[..]
    else {
        panic!("{:?}", tape.events)
    };
    assert_eq!(bytes, &[0, 11, 12, 10, 127, 34, 65]);
}

#[test]
fn p02_what_was_synced_stays_and_what_was_not_may_go() {
    let written = |byte: u8| Event::Written {
        file: "records.db-wal".into(),
        at: usize::from(byte) * 4096,
        bytes: vec![byte; 4096],
    };
    let events = [
        written(0),
        written(1),
        Event::Synced { file: "records.db-wal".into(), covers: 1 },
        Event::Synced { file: "records.db".into(), covers: 2 },
    ];
    let empty: Files = [("records.db-wal".to_owned(), vec![])].into();
    let (mut holds, mut lies) = (Medium::new(empty.clone()), Medium::new(empty));
    holds.live_through(&events, 0..4, Syncs::Hold);
    lies.live_through(&events, 0..4, Syncs::Lie);
    assert_eq!((&holds.pending[..], &lies.pending[..]), (&[1][..], &[0, 1][..]));
    let mut dice = Dice::new(1);
    let lengths: BTreeSet<usize> =
        (0..200).map(|_| holds.loses_power(&events, &mut dice)["records.db-wal"].len()).collect();
    let expected = (0..8).map(|sectors| 4096 + sectors * SECTOR).chain([8192]).collect();
    assert_eq!(lengths, expected, "kept, torn at each sector, or gone");
}
