//! What every engine must do about the audit chain and about erasing a person.

use std::path::Path;

use serde_json::json;

use crate::model::customer::Customer;
use crate::model::customer::NumberOnFile;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::records::AuditEntry;
use crate::records::CallRecord;
use crate::records::CallResult;
use crate::records::Enrolment;
use crate::records::Records;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::checkpoint::Signer;
use crate::records::conformance::NOW;
use crate::records::conformance::Open;
use crate::records::conformance::RULE;
use crate::records::conformance::call;
use crate::records::conformance::conformance;
use crate::records::conformance::customer;
use crate::records::conformance::enrol;
use crate::records::conformance::id;
use crate::records::conformance::pin;
use crate::records::conformance::postgres;
use crate::records::conformance::row;
use crate::records::conformance::sqlite;
use crate::records::pins::By;
use crate::records::verify::Verifier;

conformance!(
    audit_the_history_of_a_customer_is_the_newest_first_and_nobody_elses,
    audit_an_erased_person_is_gone_and_the_chain_holds,
    audit_whoever_is_erased_can_come_back_as_somebody_new,
);

/// Words that stand for a person, each somewhere else in their record.
const CANARIES: [&str; 6] = [
    "zc-canary-id",
    "Zebedee Canary",
    "+447700900417",
    "canary@letters.example",
    "canary-street-417",
    "canary-kept-in-a-view",
];

fn by(reason: &str) -> By {
    By { actor: "admin-1".into(), reason: reason.into(), now: NOW }
}

fn noted(what: &str, of: &str) -> AuditEntry {
    AuditEntry {
        at: NOW,
        actor: "agent-1".into(),
        what: what.into(),
        call: Some(call("call-9")),
        customer: Some(id(of)),
        body: json!({ "question": CANARIES[4] }),
    }
}

/// Verifies what lies in the store, without any key.
async fn verified(records: &impl Records) -> u64 {
    let mut verifier = Verifier::new(vec![]);
    let lines = records.audit_stored(0, 10_000).await.expect("read");
    for line in lines {
        verifier.line(line);
    }
    let report = verifier.end();
    assert!(report.holds, "{report:?}");
    assert_eq!(records.audit_head().await.expect("read"), report.head);
    report.lines
}

async fn audit_the_history_of_a_customer_is_the_newest_first_and_nobody_elses<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    enrol(&records, "c-1").await;
    enrol(&records, "c-2").await;
    for what in ["first", "second", "third"] {
        records.audit(noted(what, "c-1")).await.expect("written");
        records.audit(noted(what, "c-2")).await.expect("written");
    }
    let lines = records.audit_of_customer(&id("c-1"), 4).await.expect("read");
    let words: Vec<_> = lines.iter().map(|line| line.entry.what.as_str()).collect();
    assert_eq!(words, ["third", "second", "first", "pin_enrolled"]);
    assert!(lines.iter().all(|line| line.entry.customer == Some(id("c-1"))));
    assert!(records.audit_of_customer(&id("c-3"), 4).await.expect("read").is_empty());
    // What lies in the store names neither.
    for line in records.audit_stored(1, 100).await.expect("read") {
        assert!(!line.text.contains("c-1") && !line.text.contains("canary"), "{}", line.text);
    }
    assert_eq!(verified(&records).await, 10);
}

/// Somebody with everything that a record can hold.
async fn canary(records: &impl Records) {
    let fact = ("postcode".parse().expect("a key"), SecretText::new(CANARIES[4].into()));
    let number = CANARIES[2].parse().expect("a number");
    let person = Customer {
        name: CANARIES[1].into(),
        keypad_id: Some("4170417".into()),
        numbers: vec![NumberOnFile { number, since: None }],
        email: Some(SecretText::new(CANARIES[3].into())),
        facts: [fact].into(),
        ..customer(CANARIES[0])
    };
    let row = Enrolment { pin: Some(pin(1)), ..row(person) };
    records.import(vec![row], NOW).await.expect("imported");
    records.audit(noted("answer_revealed", CANARIES[0])).await.expect("written");
    let failed = CallResult::Failed;
    let (of, canary) = (call("call-9"), id(CANARIES[0]));
    let _ = records.call_result(&of, &canary, failed, RULE, NOW).await.expect("stored");
    records
        .save_call(CallRecord {
            id: of,
            started_at: NOW,
            ended_at: Some(NOW),
            customer: Some(canary),
            view: json!({ "customer": { "name": CANARIES[1] }, "notes": [CANARIES[5]] }),
        })
        .await
        .expect("saved");
}

async fn audit_an_erased_person_is_gone_and_the_chain_holds<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    // Others beside them, so that the rows move while the tables grow.
    for n in 0..300 {
        if n == 150 {
            canary(&records).await;
        }
        enrol(&records, &format!("z{:03}", (n * 7) % 300)).await;
    }
    let speaker = Customer {
        role: Role::Representative,
        represents: vec![id(CANARIES[0]), id("z001")],
        ..customer("speaker")
    };
    records.import(vec![row(speaker)], NOW).await.expect("imported");
    records.audit(noted("answer_revealed", "z001")).await.expect("written");
    let before = verified(&records).await;
    let kept = records.audit_stored(1, 10_000).await.expect("read");

    assert!(records.erase(&id(CANARIES[0]), by("asked for by letter")).await.expect("erased"));

    assert!(records.customer(&id(CANARIES[0])).await.expect("read").is_none());
    assert!(records.account(&id(CANARIES[0])).await.expect("read").is_none());
    let view = records.call(&call("call-9")).await.expect("read").expect("there");
    assert_eq!((view.customer, view.view), (None, audit::erased()));
    let speaker = records.customer(&id("speaker")).await.expect("read").expect("there");
    assert_eq!(speaker.represents, [id("z001")]);
    assert!(records.audit_of_customer(&id(CANARIES[0]), 10).await.expect("read").is_empty());
    // The chain is as it was, and one line longer; without keys and as readers see it.
    assert_eq!(verified(&records).await, before + 1);
    let lines = records.audit_stored(1, 10_000).await.expect("read");
    assert_eq!(lines[..kept.len()], kept[..], "no line was touched");
    let lines = records.audit_from(1, 10_000).await.expect("read");
    assert!(audit::verify(Head::default(), lines.clone()).is_ok());
    let of_call = records.audit_of_call(&call("call-9"), 100).await.expect("read");
    let readable = of_call.iter().filter(|line| line.entry.body != audit::erased());
    assert_eq!(
        readable.map(|line| line.entry.customer.clone()).collect::<Vec<_>>(),
        [Some(id("z001"))]
    );
    let said = serde_json::to_string(&lines).expect("JSON");
    for canary in CANARIES.iter().filter(|canary| **canary != CANARIES[4]) {
        assert!(!said.contains(canary), "{canary}");
    }
    let last = lines.last().expect("a line");
    assert_eq!((last.entry.what.as_str(), &last.entry.customer), ("customer_erased", &None));
    assert_eq!(last.entry.body["reason"], "asked for by letter");
    assert!(!records.erase(&id(CANARIES[0]), by("again")).await.expect("asked"), "nobody is left");
    drop(records);
    no_byte_is_left(folder);
}

/// Where the records are files of ours: not one byte of the person lies in any of them.
fn no_byte_is_left(folder: &Path) {
    for file in std::fs::read_dir(folder).expect("a folder").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        for canary in CANARIES {
            // The other person's line about the same answer is sealed.
            let found = bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
            assert!(!found, "{canary} is in {:?}", file.file_name());
        }
    }
}

async fn audit_whoever_is_erased_can_come_back_as_somebody_new<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    enrol(&records, "c-1").await;
    assert!(records.erase(&id("c-1"), by("asked for")).await.expect("erased"));
    enrol(&records, "c-1").await;
    let lines = records.audit_of_customer(&id("c-1"), 10).await.expect("read");
    let words: Vec<_> = lines.iter().map(|line| line.entry.what.as_str()).collect();
    assert_eq!(words, ["pin_enrolled", "customer_created"], "nothing of before");
    records.compact().await.expect("written anew");
    assert_eq!(verified(&records).await, 5);
    // A checkpoint says nothing but where the chain stood.
    let head = records.audit_head().await.expect("read");
    let note = Signer::new(&[1; 32]).expect("a key").sign(head, NOW);
    assert!(note.contains("\n5\n"), "{note}");
}
