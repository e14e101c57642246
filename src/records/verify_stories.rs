//! What somebody who owns the disk may try, and how it shows.

use serde_json::json;

use crate::model::time::Timestamp;
use crate::records::AuditEntry;
use crate::records::audit::Head;
use crate::records::audit::Stored;
use crate::records::checkpoint::Notes;
use crate::records::checkpoint::Signer;
use crate::records::subjects;
use crate::records::subjects::Person;
use crate::records::verify::Kind;
use crate::records::verify::Report;
use crate::records::verify::Verifier;
use crate::records::verify::Witness;

/// A chain as it is stored; two lines of three are about somebody.
fn chain(len: u64, word: &str) -> Vec<Stored> {
    let people = [Person::new(), Person::new()];
    let mut head = Head::default();
    let mut lines = vec![];
    for number in 1..=len {
        let person = usize::try_from(number % 3).ok().and_then(|place| people.get(place));
        let entry = AuditEntry {
            at: Timestamp(1_795_338_000_000 + number * 100),
            actor: "system".into(),
            what: word.into(),
            call: Some(format!("call-{number}").parse().expect("an id")),
            customer: person.map(|_| "c-1".parse().expect("an id")),
            body: json!({ "n": number }),
        };
        let line = subjects::append(head, entry, person).expect("sealed");
        head = Head { number, hash: line.hash };
        lines.push(Stored { number, text: line.text(), hash: line.hash });
    }
    lines
}

fn verified(lines: Vec<Stored>, checkpoints: &str) -> Report {
    let notes =
        Notes::new(std::io::Cursor::new(checkpoints.to_owned()), vec![signer().public().clone()]);
    let mut verifier = Verifier::new(vec![Witness::new("one.checkpoints".into(), notes)]);
    for line in lines {
        verifier.line(line);
    }
    verifier.end()
}

/// Verifies on from a place where everything still fitted.
fn verified_from(head: Head, lines: Vec<Stored>) -> Report {
    let mut verifier = Verifier::after(head, vec![]);
    for line in lines {
        verifier.line(line);
    }
    verifier.end()
}

fn signer() -> Signer {
    Signer::new(&[3; 32]).expect("a key")
}

/// Signed when the chain had these lengths.
fn checkpoints(lines: &[Stored], at: &[usize]) -> String {
    let sign = |len: &usize| {
        let line = &lines[len - 1];
        signer().sign(Head { number: line.number, hash: line.hash }, Timestamp(line.number))
    };
    at.iter().map(sign).collect()
}

fn kinds(report: &Report) -> Vec<(Kind, u64)> {
    report.findings.iter().map(|finding| (finding.kind, finding.number)).collect()
}

fn renumbered(mut lines: Vec<Stored>) -> Vec<Stored> {
    (1..).zip(&mut lines).for_each(|(number, line)| line.number = number);
    lines
}

#[test]
fn p16_an_honest_chain_holds_against_all_its_checkpoints() {
    let lines = chain(200, "call_ended");
    let report = verified(lines.clone(), &checkpoints(&lines, &[1, 50, 50, 150, 200]));
    assert!(report.holds, "{report:?}");
    assert_eq!((report.lines, report.head.number), (200, 200));
    assert_eq!((report.checkpoints, report.covered), (5, 200));
    let empty = verified(vec![], "");
    assert!(empty.holds && empty.lines == 0);
}

#[test]
fn p16_each_of_ten_thousand_rows_flipped_or_deleted_once_is_found_and_named() {
    let lines = chain(10_000, "call_ended");
    for place in 0..lines.len() {
        let number = lines[place].number;
        let before = place.checked_sub(1).map_or_else(Head::default, |before| {
            let line = &lines[before];
            Head { number: line.number, hash: line.hash }
        });
        let after = &lines[place..lines.len().min(place + 4)];
        let mut flipped = after.to_vec();
        let byte = (place * 31) % flipped[0].text.len();
        let mut text = std::mem::take(&mut flipped[0].text).into_bytes();
        text[byte] ^= 1;
        flipped[0].text = String::from_utf8(text).expect("ASCII stays ASCII");
        let report = verified_from(before, flipped);
        assert_eq!(kinds(&report), [(Kind::Changed, number)], "byte {byte} of line {number}");
        let mut touched = after.to_vec();
        touched[0].hash.0[place % 32] ^= 1;
        let report = verified_from(before, touched);
        assert_eq!(kinds(&report), [(Kind::Changed, number)], "the hash of line {number}");
        if after.len() > 1 {
            let report = verified_from(before, after[1..].to_vec());
            assert_eq!(kinds(&report), [(Kind::Missing, number)], "line {number} deleted");
        }
    }
}

#[test]
fn p16_a_changed_line_is_named_with_its_time_and_word() {
    let mut lines = chain(60, "call_ended");
    lines[30].text = lines[30].text.replace("call-31", "call-99");
    let report = verified(lines.clone(), &checkpoints(&chain(60, "call_ended"), &[]));
    assert_eq!(kinds(&report), [(Kind::Changed, 31)]);
    let finding = &report.findings[0];
    assert_eq!(finding.what.as_deref(), Some("call_ended"));
    assert_eq!(finding.at.as_deref(), Some("2026-11-22T09:00:03.100Z"));
}

#[test]
fn p16_exchanged_lines_are_both_named() {
    for distance in [1, 2, 9] {
        let mut lines = chain(60, "call_ended");
        lines.swap(20, 20 + distance);
        let report = verified(renumbered(lines), "");
        let far = 21 + u64::try_from(distance).expect("small");
        assert_eq!(kinds(&report), [(Kind::Moved, 21), (Kind::Moved, far)], "{report:?}");
    }
}

#[test]
fn p16_deleted_lines_are_found_also_where_the_numbers_were_mended() {
    let mut lines = chain(60, "call_ended");
    lines.drain(20..23);
    let gap = verified(lines.clone(), "");
    assert_eq!(kinds(&gap), [(Kind::Missing, 21)]);
    assert!(gap.findings[0].message.contains("21 to 23"), "{gap:?}");
    let mended = verified(renumbered(lines), "");
    assert_eq!(kinds(&mended), [(Kind::Changed, 21), (Kind::Missing, 21)], "{mended:?}");
}

#[test]
fn p16_a_cut_tail_shows_only_against_a_checkpoint() {
    let lines = chain(60, "call_ended");
    let kept = checkpoints(&lines, &[20, 60]);
    let cut = lines[..50].to_vec();
    assert!(verified(cut.clone(), "").holds, "nobody can tell");
    let report = verified(cut, &kept);
    assert_eq!(kinds(&report), [(Kind::Truncated, 51)]);
    assert!(report.findings[0].message.contains("entries 51 to 60"), "{report:?}");
    assert_eq!(kinds(&verified(vec![], &kept)), [(Kind::Truncated, 1)], "all of it");
}

#[test]
fn p16_a_chain_that_was_computed_anew_fits_in_itself_and_no_checkpoint() {
    let lines = chain(60, "call_ended");
    let kept = checkpoints(&lines, &[20, 40, 60]);
    let anew = chain(60, "call_ended");
    assert!(verified(anew.clone(), "").holds, "nobody can tell");
    let report = verified(anew, &kept);
    assert_eq!(kinds(&report), [(Kind::Recomputed, 1)], "{report:?}");
    // Computed anew from the 31st line on.
    let person = Person::new();
    let mut half = lines[..30].to_vec();
    for number in 31..=60 {
        let last = &half[half.len() - 1];
        let head = Head { number: last.number, hash: last.hash };
        let entry = AuditEntry {
            at: Timestamp(number),
            actor: "system".into(),
            what: "nothing_happened".into(),
            call: None,
            customer: Some("c-2".parse().expect("an id")),
            body: json!({}),
        };
        let line = subjects::append(head, entry, Some(&person)).expect("sealed");
        half.push(Stored { number, text: line.text(), hash: line.hash });
    }
    let report = verified(half, &kept);
    assert_eq!(kinds(&report), [(Kind::Recomputed, 21)], "after the last checkpoint that fits");
    assert_eq!(report.covered, 20);
}

#[test]
fn p16_altered_reordered_and_foreign_checkpoints_are_found() {
    let lines = chain(60, "call_ended");
    let kept = checkpoints(&lines, &[20, 40]);
    let altered = kept.replacen("\n40\n", "\n41\n", 1);
    let report = verified(lines.clone(), &altered);
    assert_eq!(kinds(&report), [(Kind::CheckpointAltered, 0)], "{report:?}");
    let report = verified(lines.clone(), &checkpoints(&lines, &[40, 20]));
    assert_eq!(kinds(&report), [(Kind::CheckpointMoved, 20)]);
    let head = Head { number: 60, hash: lines[59].hash };
    let foreign = Signer::new(&[4; 32]).expect("a key").sign(head, Timestamp(1));
    let report = verified(lines, &foreign);
    assert_eq!(kinds(&report), [(Kind::CheckpointAltered, 0)], "{report:?}");
}
