//! Verifies the audit chain line by line, against checkpoints where there are some, and says what was
//! done to it and where. Nothing is kept but the last few lines: a chain of any length is verified.
//!
//! A line that does not fit is changed, or the one that belongs there stands elsewhere, or lines before
//! it are missing and the numbers were mended. Each leaves another trace in the hashes.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::iter::Peekable;

use serde::Serialize;

use crate::model::ids::CallId;
use crate::records::audit;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::records::audit::Head;
use crate::records::audit::Stored;
use crate::records::checkpoint::Checkpoint;
use crate::records::checkpoint::Found;
use crate::records::checkpoint::Unread;

/// Findings that are told one by one.
const TOLD_MAX: usize = 100;
/// Doubtful lines among which an exchange is looked for.
const DOUBTS_MAX: usize = 32;
/// Missing lines that are looked for behind mended numbers.
const SHIFT_MAX: i64 = 64;

/// What was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A line is not what was written.
    Changed,
    /// Lines are gone.
    Missing,
    /// A line stands where another belongs.
    Moved,
    /// Lines were put in.
    Added,
    /// The end is gone: a checkpoint saw more.
    Truncated,
    /// The chain fits in itself and not the checkpoint: it was computed anew.
    Recomputed,
    /// A checkpoint is not what was signed.
    CheckpointAltered,
    /// A checkpoint stands where an earlier one belongs.
    CheckpointMoved,
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was done.
    pub kind: Kind,
    /// The line it was done to, or after it; 0 where it is about a file of checkpoints alone.
    pub number: u64,
    /// When the line says that it was written.
    pub at: Option<String>,
    /// What it says that happened.
    pub what: Option<String>,
    /// In which call.
    pub call: Option<CallId>,
    /// A sentence.
    pub message: String,
}

/// What a verification found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Nothing was done to the chain.
    pub holds: bool,
    /// Lines that were read.
    pub lines: u64,
    /// Where the chain ends.
    pub head: Head,
    /// Checkpoints that fit.
    pub checkpoints: u64,
    /// The last line that a checkpoint covers.
    pub covered: u64,
    /// What was done; the first hundred.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
    /// What is worth knowing and no finding.
    pub notices: Vec<String>,
}

/// Checkpoints of one file, the oldest first.
pub struct Witness {
    name: String,
    found: Peekable<Box<dyn Iterator<Item = Found> + Send>>,
    last: u64,
}

impl Witness {
    /// The checkpoints of a file with this name.
    pub fn new(name: String, found: impl Iterator<Item = Found> + Send + 'static) -> Self {
        let found: Box<dyn Iterator<Item = Found> + Send> = Box::new(found);
        Self { name, found: found.peekable(), last: 0 }
    }
}

/// A line that did not fit, and what may fit after it.
struct Doubt {
    finding: usize,
    number: u64,
    before: AuditHash,
    line: Option<Chained>,
    after: [AuditHash; 2],
}

/// A verification on its way.
pub struct Verifier {
    head: Head,
    lines: u64,
    /// What has to be added to a number to get the one it was written with.
    shift: i64,
    doubts: VecDeque<Doubt>,
    witnesses: Vec<Witness>,
    checkpoints: u64,
    covered: u64,
    /// Something was found since the last checkpoint that fits.
    broken: bool,
    recomputed: bool,
    findings: Vec<Finding>,
    /// Findings that turned out to be none.
    cleared: BTreeSet<usize>,
    more: u64,
    notices: Vec<String>,
}

impl Verifier {
    /// From the beginning of a chain, against these checkpoints.
    #[must_use]
    pub fn new(witnesses: Vec<Witness>) -> Self {
        Self::after(Head::default(), witnesses)
    }

    /// What follows this.
    pub(super) fn after(head: Head, witnesses: Vec<Witness>) -> Self {
        Self {
            head,
            lines: 0,
            shift: 0,
            doubts: VecDeque::new(),
            witnesses,
            checkpoints: 0,
            covered: 0,
            broken: false,
            recomputed: false,
            findings: vec![],
            cleared: BTreeSet::new(),
            more: 0,
            notices: vec![],
        }
    }

    /// The next line, in the order of the store.
    pub fn line(&mut self, stored: Stored) {
        let (number, hash) = (stored.number, stored.hash);
        let expected = self.head.number.saturating_add(1);
        self.lines += 1;
        let gap = number > expected;
        if gap {
            let last = number - 1;
            let gone = if last == expected { String::new() } else { format!(" to {last}") };
            self.found(Kind::Missing, expected, None, format!("entry {expected}{gone} is missing"));
            self.doubts.clear();
        }
        match stored.read() {
            None => {
                let message = "it is not what was written, and cannot be read".to_owned();
                self.found(Kind::Changed, number, None, message);
                self.doubt(number, None, [hash, hash]);
            }
            // What stood before it is gone: the next line says whether its hash was touched.
            Some(_) if gap => {}
            Some(line) => self.fits(line),
        }
        self.head = Head { number, hash };
        self.witness();
    }

    fn fits(&mut self, line: Chained) {
        let (number, before) = (line.number, self.head.hash);
        let written = number.saturating_add_signed(self.shift);
        if audit::follows(before, written, &line) {
            return;
        }
        // It follows what was written before it, and that line is the one that was touched.
        let after_doubt =
            |doubt: &Doubt| doubt.after.iter().any(|after| audit::follows(*after, written, &line));
        if self.doubts.iter().any(after_doubt) {
            return;
        }
        let belongs = |doubt: &&Doubt| audit::follows(doubt.before, doubt.number, &line);
        if let Some(doubt) = self.doubts.iter().find(belongs) {
            let (place, finding) = (doubt.number, doubt.finding);
            let message = format!("entry {place} stands here, as entry {number}");
            self.found(Kind::Moved, number, Some(&line), message);
            if let Some(first) = self.findings.get_mut(finding) {
                first.kind = Kind::Moved;
                first.message = format!("another entry stands here; its own stands as {number}");
            }
            self.clear_those_after(line.hash);
            let after = [line.hash, line.hash];
            self.doubt(number, Some(line), after);
            return;
        }
        if let Some(shift) = self.shifted(&line) {
            let (kind, gone) = if shift > self.shift {
                (Kind::Missing, shift - self.shift)
            } else {
                (Kind::Added, self.shift - shift)
            };
            let done = if kind == Kind::Missing { "is missing" } else { "was put in" };
            let message = format!(
                "before this, at entry {}, something {done} ({gone}), and what follows was renumbered",
                number.saturating_sub(1)
            );
            self.shift = shift;
            self.found(kind, number.saturating_sub(1), Some(&line), message);
            return;
        }
        let message = "it is not what was written, or not what belongs here".to_owned();
        self.found(Kind::Changed, number, Some(&line), message);
        let computed = audit::hash_of(before, written, &line);
        let after = [line.hash, computed];
        self.doubt(number, Some(line), after);
    }

    /// What follows a line that stands elsewhere did not fit, and is as it was written.
    fn clear_those_after(&mut self, hash: AuditHash) {
        let fits = |doubt: &&Doubt| {
            let line = doubt.line.as_ref();
            line.is_some_and(|line| audit::follows(hash, doubt.number, line))
        };
        self.cleared.extend(self.doubts.iter().filter(fits).map(|doubt| doubt.finding));
    }

    /// How far its number is from the one it was written with, if that is so.
    fn shifted(&self, line: &Chained) -> Option<i64> {
        let near = (1..=SHIFT_MAX).flat_map(|by| [self.shift + by, self.shift - by]);
        near.into_iter().find(|shift| {
            let written = line.number.checked_add_signed(*shift);
            written.is_some_and(|written| audit::follows(self.head.hash, written, line))
        })
    }

    fn doubt(&mut self, number: u64, line: Option<Chained>, after: [AuditHash; 2]) {
        if self.doubts.len() >= DOUBTS_MAX {
            self.doubts.pop_front();
        }
        let finding = self.findings.len().saturating_sub(1);
        let before = self.head.hash;
        self.doubts.push_back(Doubt { finding, number, before, line, after });
    }

    fn found(&mut self, kind: Kind, number: u64, line: Option<&Chained>, message: String) {
        self.broken |= !matches!(kind, Kind::CheckpointAltered | Kind::CheckpointMoved);
        if self.findings.len() >= TOLD_MAX {
            self.more += 1;
            return;
        }
        let entry = line.map(|line| &line.entry);
        self.findings.push(Finding {
            kind,
            number,
            at: entry.map(|entry| entry.at.rfc3339()),
            what: entry.map(|entry| entry.what.clone()),
            call: entry.and_then(|entry| entry.call.clone()),
            message,
        });
    }

    /// Compares the chain as it stands with every checkpoint of this length.
    fn witness(&mut self) {
        let mut witnesses = std::mem::take(&mut self.witnesses);
        for witness in &mut witnesses {
            while let Some((line, checkpoint)) = self.due(witness) {
                self.compare(&witness.name, line, &checkpoint);
            }
        }
        self.witnesses = witnesses;
    }

    /// The next checkpoint of a file that is not ahead of the chain.
    fn due(&mut self, witness: &mut Witness) -> Option<(usize, Checkpoint)> {
        loop {
            let ahead = match witness.found.peek()? {
                (_, Ok(checkpoint)) => checkpoint.head.number > self.head.number,
                (_, Err(_)) => false,
            };
            if ahead {
                return None;
            }
            let (line, found) = witness.found.next()?;
            let name = &witness.name;
            match found {
                Ok(checkpoint) => {
                    if checkpoint.head.number < witness.last {
                        let message =
                            format!("{name}, line {line}: an older checkpoint follows a newer one");
                        self.found(Kind::CheckpointMoved, checkpoint.head.number, None, message);
                        continue;
                    }
                    witness.last = checkpoint.head.number;
                    return Some((line, checkpoint));
                }
                Err(Unread::CutShort) => {
                    self.notices.push(format!(
                        "{name}, line {line}: a checkpoint is cut short, as after a loss of power"
                    ));
                }
                Err(why) => {
                    let message = format!("{name}, line {line}: {why}");
                    self.found(Kind::CheckpointAltered, 0, None, message);
                }
            }
        }
    }

    fn compare(&mut self, name: &str, line: usize, checkpoint: &Checkpoint) {
        let Checkpoint { head, at, .. } = checkpoint;
        if *head == self.head {
            self.checkpoints += 1;
            self.covered = self.covered.max(head.number);
            self.broken = false;
            return;
        }
        // A gap hides the line it is about, a line that was touched has its finding; and what was
        // computed anew fits no later checkpoint either.
        if self.broken || self.recomputed || head.number != self.head.number {
            return;
        }
        self.recomputed = true;
        let (after, at) = (self.covered, at.rfc3339());
        let number = after + 1;
        let message = format!(
            "the chain was computed anew from here or later: it holds in itself, but entry {} has another hash than on {at} ({name}, line {line})",
            head.number
        );
        self.found(Kind::Recomputed, number, None, message);
    }

    /// The chain ends here.
    #[must_use]
    pub fn end(mut self) -> Report {
        if self.head == Head::default() {
            self.witness();
        }
        let seen = self.ahead();
        if let Some((place, Checkpoint { head, at, .. })) = seen {
            let (first, last, at) = (self.head.number + 1, head.number, at.rfc3339());
            let message = format!(
                "the end of the chain is missing: entries {first} to {last} were there on {at} ({place})"
            );
            self.found(Kind::Truncated, first, None, message);
        }
        let findings = (0..).zip(self.findings);
        let cleared = self.cleared;
        let findings: Vec<_> = findings
            .filter(|(place, _)| !cleared.contains(place))
            .map(|(_, finding)| finding)
            .collect();
        Report {
            holds: findings.is_empty(),
            lines: self.lines,
            head: self.head,
            checkpoints: self.checkpoints,
            covered: self.covered,
            findings,
            more: self.more,
            notices: self.notices,
        }
    }
    /// The longest chain that a checkpoint saw, of those that saw more than there is.
    fn ahead(&mut self) -> Option<(String, Checkpoint)> {
        let mut seen: Option<(String, Checkpoint)> = None;
        for mut witness in std::mem::take(&mut self.witnesses) {
            for (line, found) in witness.found.by_ref() {
                let place = format!("{}, line {line}", witness.name);
                match found {
                    Ok(checkpoint) if checkpoint.head.number > self.head.number => {
                        let more = |(_, most): &(String, Checkpoint)| {
                            most.head.number < checkpoint.head.number
                        };
                        if seen.as_ref().is_none_or(more) {
                            seen = Some((place, checkpoint));
                        }
                    }
                    Ok(checkpoint) => {
                        let message = format!("{place}: an older checkpoint follows a newer one");
                        self.found(Kind::CheckpointMoved, checkpoint.head.number, None, message);
                    }
                    Err(Unread::CutShort) => self.notices.push(format!(
                        "{place}: a checkpoint is cut short, as after a loss of power"
                    )),
                    Err(why) => {
                        self.found(Kind::CheckpointAltered, 0, None, format!("{place}: {why}"));
                    }
                }
            }
        }
        seen
    }
}
