//! What every engine of [`Records`] must do, told once, and run for each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use crate::account::Account;
use crate::account::AccountFact;
use crate::account::BlockRule;
use crate::account::Standing;
use crate::model::customer::Customer;
use crate::model::customer::NumberOnFile;
use crate::model::customer::Role;
use crate::model::digits::Positions;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::records::AccountAfter;
use crate::records::AttemptId;
use crate::records::AttemptsOfCall;
use crate::records::AuditEntry;
use crate::records::CallRecord;
use crate::records::CallResult;
use crate::records::Enrolment;
use crate::records::Imported;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::postgres::PostgresRecords;
use crate::records::server;
use crate::records::sqlite::SqliteRecords;

/// One engine under test: how to open what lies in a folder.
pub(super) type Open<R> = fn(&Path) -> BoxFuture<'_, Result<R, RecordsError>>;

pub(super) fn sqlite(folder: &Path) -> BoxFuture<'_, Result<SqliteRecords, RecordsError>> {
    Box::pin(async { SqliteRecords::open(&folder.join("records.db")) })
}

/// Each folder has its schema.
pub(super) fn postgres(folder: &Path) -> BoxFuture<'_, Result<PostgresRecords, RecordsError>> {
    Box::pin(async {
        let url = server::schema(&server::name_for(folder)).await;
        PostgresRecords::open(&url, 8).await
    })
}

/// Runs stories on every engine.
macro_rules! conformance {
    ($($story:ident,)*) => {
        crate::records::conformance::engine!(sqlite: $($story,)*);
        crate::records::conformance::engine!(postgres: $($story,)*);
    };
}

macro_rules! engine {
    ($engine:ident: $($story:ident,)*) => {
        mod $engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$story(super::$engine, folder.path()).await;
            })*
        }
    };
}

pub(super) use conformance;
pub(super) use engine;

conformance!(
    p04_an_equal_row_changes_nothing,
    customers_come_back_as_they_went_in,
    a_shared_keypad_id_is_nobodys,
    customers_are_listed_by_id,
    p06_a_new_account_has_no_pin_and_an_enrolled_one_is_enabled,
    a_pin_for_another_version_is_refused_and_nothing_of_the_batch_is_kept,
    x03_positions_stay_over_calls_and_restarts_until_answered,
    x02_a_correct_entry_ends_the_streak_and_the_sixth_wrong_one_demands_a_reset,
    c70_the_third_failed_call_blocks,
    x5_13_settling_twice_counts_once,
    c51_a_void_entry_counts_nothing,
    x5_15_what_a_dead_node_left_of_a_call_counts_as_wrong,
    x5_15_old_open_attempts_count_as_wrong_whoever_sweeps,
    a_pass_takes_back_the_failure_of_its_own_call,
    an_abandoned_challenge_counts_once_and_not_after_an_attempt,
    what_is_not_there_is_named,
    p4_a_hundred_calls_at_once_block_at_exactly_the_third,
    p4_parallel_calls_buy_no_guesses,
    a_probed_store_keeps_calls_with_their_last_state,
    p16_every_change_is_in_the_audit_chain,
);

// One daemon owns the file: whatever is open when it starts was left by a crash.
mod of_one_daemon {
    use super::*;
    crate::records::conformance::engine!(sqlite: x5_15_a_reservation_left_by_a_crash_counts_as_wrong,);
}

pub(super) const NOW: Timestamp = Timestamp(1_795_305_600_000);
pub(super) const RULE: BlockRule = BlockRule { failed_calls: 3, wrong_entries: 6 };

async fn p04_an_equal_row_changes_nothing<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let import = async |name: &str, pin: Option<SealedPin>, password: Option<&str>| {
        let customer = Customer { name: name.into(), ..customer("c-1") };
        let row = Enrolment { customer, pin, password: password.map(Into::into) };
        records.import(vec![row], NOW).await.expect("imported")
    };
    assert_eq!(import("One", None, None).await, [Imported::Created]);
    assert_eq!(import("One", None, None).await, [Imported::Equal]);
    assert_eq!(import("One", Some(pin(1)), None).await, [Imported::Changed]);
    assert_eq!(import("One", Some(pin(1)), None).await, [Imported::Equal]);
    assert_eq!(import("One", None, Some("$argon2id$x")).await, [Imported::Changed]);
    assert_eq!(import("One", None, Some("$argon2id$x")).await, [Imported::Equal]);
    assert_eq!(import("Two", None, None).await, [Imported::Changed]);
    let id = id("c-1");
    assert_eq!(
        records.sealed_pin(&id).await.expect("read"),
        Some(pin(1)),
        "None leaves what is there"
    );
    assert_eq!(records.password_verifier(&id).await.expect("read").as_deref(), Some("$argon2id$x"));
}

async fn customers_come_back_as_they_went_in<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let full = Customer {
        keypad_id: Some("1001".into()),
        role: Role::Representative,
        represents: vec![id("c-7"), id("c-8")],
        numbers: vec![
            NumberOnFile { number: "+442079460123".parse().expect("a number"), since: None },
            NumberOnFile { number: "+442079460124".parse().expect("a number"), since: Some(NOW) },
        ],
        email: Some(SecretText::new("one@example.org".into())),
        language: Some("en-GB".into()),
        flags: vec!["additional_security_used".into()],
        facts: BTreeMap::from([(
            "postcode".parse().expect("a key"),
            SecretText::new("EX1 2MP".into()),
        )]),
        ..customer("c-1")
    };
    let shown = |customer: &Customer| {
        let secrets: Vec<_> = customer
            .facts
            .iter()
            .map(|(key, answer)| (key.to_string(), answer.expose().to_owned()))
            .collect();
        format!("{customer:?} {secrets:?} {:?}", customer.email.as_ref().map(SecretText::expose))
    };
    let wanted = shown(&full);
    records.import(vec![row(full)], NOW).await.expect("imported");
    let read = records.customer(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(shown(&read), wanted);
    let number = "+442079460124".parse().expect("a number");
    assert_eq!(records.customers_with_number(&number, 2).await.expect("read"), [id("c-1")]);
    assert_eq!(records.customer_by_keypad("1001").await.expect("read"), Some(id("c-1")));
    records.import(vec![row(customer("c-1"))], NOW).await.expect("imported");
    assert_eq!(
        records.customers_with_number(&number, 2).await.expect("read"),
        [],
        "an old number is gone"
    );
}

async fn a_shared_keypad_id_is_nobodys<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let keyed = |id: &str| row(Customer { keypad_id: Some("7".into()), ..customer(id) });
    records.import(vec![keyed("c-1"), keyed("c-2")], NOW).await.expect("imported");
    assert_eq!(records.customer_by_keypad("7").await.expect("read"), None);
}

async fn customers_are_listed_by_id<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let ids: Vec<_> = (0..25).map(|n| format!("c-{n:02}")).collect();
    let rows = ids.iter().rev().map(|id| row(customer(id))).collect();
    records.import(rows, NOW).await.expect("imported");
    enrol(&records, "c-03").await;
    let (mut seen, mut with_pin, mut after) = (vec![], vec![], None);
    loop {
        let page = records.customers(after.as_ref(), 10).await.expect("read");
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        with_pin.extend(page.iter().filter(|line| line.has_pin).map(|line| line.id.to_string()));
        seen.extend(page.into_iter().map(|line| line.id.to_string()));
    }
    assert_eq!((seen, with_pin), (ids, vec!["c-03".to_owned()]));
}

async fn p06_a_new_account_has_no_pin_and_an_enrolled_one_is_enabled<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    records.import(vec![row(customer("c-1"))], NOW).await.expect("imported");
    let id = id("c-1");
    assert_eq!(records.account(&id).await.expect("read"), Some(Account::default()));
    assert_eq!(records.next_pin_version(&id).await.expect("read"), 1);
    enrol(&records, "c-1").await;
    let account = records.account(&id).await.expect("read").expect("there");
    assert!(account.initialized && account.enabled && account.has_pin());
    assert_eq!(records.next_pin_version(&id).await.expect("read"), 2);
}

async fn a_pin_for_another_version_is_refused_and_nothing_of_the_batch_is_kept<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    let late = Enrolment { pin: Some(pin(2)), ..row(customer("c-2")) };
    assert!(records.import(vec![row(customer("c-1")), late], NOW).await.is_err());
    assert_eq!(records.customers(None, 10).await.expect("read").len(), 0);
}

async fn x03_positions_stay_over_calls_and_restarts_until_answered<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let first = records.challenge(&id("c-1"), 11, NOW).await.expect("drawn");
    for random in 0..50 {
        assert_eq!(records.challenge(&id("c-1"), random, NOW).await.expect("sticky"), first);
    }
    drop(records);
    let records = open(folder).await.expect("opens again");
    assert_eq!(records.challenge(&id("c-1"), 3, NOW).await.expect("sticky"), first);
    let attempt = records.reserve(entry("call-1", 1, false)).await.expect("reserved");
    let _ = records.settle(attempt, Settlement::Correct, NOW).await.expect("settled");
    assert_ne!(records.challenge(&id("c-1"), 11, NOW).await.expect("drawn"), first);
}

async fn x02_a_correct_entry_ends_the_streak_and_the_sixth_wrong_one_demands_a_reset<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for n in 0..5 {
        let after = judged(&records, &format!("a-{n}"), false, Settlement::Wrong).await;
        assert_eq!(
            after,
            AccountAfter { standing: Standing::Open, facts: vec![], call_failed: false }
        );
    }
    let _ = judged(&records, "b", false, Settlement::Correct).await;
    let mut last = None;
    for n in 0..6 {
        last = Some(judged(&records, &format!("c-{n}"), false, Settlement::Wrong).await);
    }
    let facts = vec![AccountFact::BecameResetRequired];
    assert_eq!(
        last,
        Some(AccountAfter { standing: Standing::ResetRequired, facts, call_failed: false })
    );
    assert!(records.reserve(entry("d", 1, false)).await.is_err(), "no seventh guess");
    enrol(&records, "c-1").await;
    assert_eq!(standing(&records).await, Standing::Open, "a new PIN is the reset");
}

async fn c70_the_third_failed_call_blocks<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    for call in ["call-1", "call-2"] {
        let _ = judged(&records, call, false, Settlement::Wrong).await;
        let after = judged(&records, call, true, Settlement::Wrong).await;
        assert_eq!(
            after,
            AccountAfter { standing: Standing::Open, facts: vec![], call_failed: true }
        );
        assert_eq!(
            result(&records, call, CallResult::Failed).await.standing,
            Standing::Open,
            "it counted"
        );
    }
    let after = result(&records, "call-3", CallResult::Failed).await;
    let facts = vec![AccountFact::BecameBlocked];
    assert_eq!(after, AccountAfter { standing: Standing::Blocked, facts, call_failed: true });
    assert!(
        records.reserve(entry("call-4", 1, false)).await.is_err(),
        "a blocked account is not tried"
    );
}

async fn x5_13_settling_twice_counts_once<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let attempt = records.reserve(entry("call-1", 1, true)).await.expect("reserved");
    for how in [Settlement::Wrong, Settlement::Wrong, Settlement::Correct, Settlement::Void] {
        let after = records.settle(attempt, how, NOW).await.expect("settled");
        assert!(after.call_failed, "what was settled stays");
    }
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.pin_wrong_streak, account.failed_calls), (1, 1));
}

async fn c51_a_void_entry_counts_nothing<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let before = records.account(&id("c-1")).await.expect("read");
    let after = judged(&records, "call-1", true, Settlement::Void).await;
    assert_eq!(after, AccountAfter { standing: Standing::Open, facts: vec![], call_failed: false });
    assert_eq!(records.account(&id("c-1")).await.expect("read"), before);
}

async fn x5_15_a_reservation_left_by_a_crash_counts_as_wrong<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let positions = records.challenge(&id("c-1"), 5, NOW).await.expect("drawn");
    records.reserve(entry("call-1", 1, false)).await.expect("reserved");
    let last = records.reserve(entry("call-2", 2, true)).await.expect("reserved");
    drop(records);
    let records = open(folder).await.expect("opens again");
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.pin_wrong_streak, account.failed_calls), (2, 1));
    assert_eq!(records.challenge(&id("c-1"), 9, NOW).await.expect("sticky"), positions);
    let after = records.settle(last, Settlement::Correct, NOW).await.expect("settled long ago");
    assert!(after.call_failed);
    drop(records);
    let again = open(folder).await.expect("opens again").account(&id("c-1")).await.expect("read");
    assert_eq!(again, Some(account), "counted once, however often we start");
}

async fn x5_15_what_a_dead_node_left_of_a_call_counts_as_wrong<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    assert_eq!(records.settle_abandoned(&call("call-0"), NOW).await.expect("read"), None);
    let _ = judged(&records, "call-1", false, Settlement::Void).await;
    let _ = judged(&records, "call-1", false, Settlement::Wrong).await;
    let left = records.reserve(entry("call-1", 2, true)).await.expect("reserved");
    let other = records.reserve(entry("call-2", 1, false)).await.expect("reserved");
    let known = AttemptsOfCall {
        entries: 2,
        last: Some(Settlement::Wrong),
        call_failed: true,
        passed: false,
    };
    for _ in 0..2 {
        let settled = records.settle_abandoned(&call("call-1"), NOW).await.expect("settled");
        assert_eq!(settled, Some(known), "however often it is asked");
    }
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.pin_wrong_streak, account.failed_calls), (2, 1));
    let after = records.settle(left, Settlement::Correct, NOW).await.expect("settled long ago");
    assert!(after.call_failed, "the node that was thought dead comes too late");
    let after = records.settle(other, Settlement::Correct, NOW).await.expect("settled");
    assert!(!after.call_failed, "another call's attempt stayed open");
    let _ = result(&records, "call-1", CallResult::Passed).await;
    let passed = AttemptsOfCall { call_failed: false, passed: true, ..known };
    let settled = records.settle_abandoned(&call("call-1"), NOW).await.expect("read");
    assert_eq!(settled, Some(passed));
    let _ = result(&records, "call-3", CallResult::Failed).await;
    let failed = AttemptsOfCall { entries: 0, last: None, ..known };
    let settled = records.settle_abandoned(&call("call-3"), NOW).await.expect("read");
    assert_eq!(settled, Some(failed), "a call can fail without an entry");
}

async fn x5_15_old_open_attempts_count_as_wrong_whoever_sweeps<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for (name, at) in [("call-1", 1), ("call-2", 2), ("call-3", 3), ("call-4", 4)] {
        let at = Timestamp(NOW.0 + at);
        let entry = Reservation { at, ..entry(name, 1, false) };
        records.reserve(entry).await.expect("reserved");
    }
    let before = Timestamp(NOW.0 + 4);
    let mut swept = vec![];
    for limit in [2, 2, 2] {
        swept.push(records.settle_older_than(before, limit).await.expect("swept"));
    }
    assert_eq!(swept, [2, 1, 0]);
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(account.pin_wrong_streak, 3, "the youngest is still being judged");
}

async fn a_pass_takes_back_the_failure_of_its_own_call<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    for call in ["call-1", "call-2", "call-3"] {
        let _ = judged(&records, call, true, Settlement::Wrong).await;
    }
    assert_eq!(standing(&records).await, Standing::Blocked);
    let after = result(&records, "call-3", CallResult::Passed).await;
    assert_eq!(after, AccountAfter { standing: Standing::Open, facts: vec![], call_failed: false });
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.failed_calls, account.pin_wrong_streak), (0, 3), "x02 the streak stays");
    let _ = judged(&records, "call-3", true, Settlement::Wrong).await;
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(account.failed_calls, 0, "a call fails once");
}

async fn an_abandoned_challenge_counts_once_and_not_after_an_attempt<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let _ = judged(&records, "call-1", false, Settlement::Wrong).await;
    let mut facts = vec![];
    for call in ["call-1", "call-2", "call-2", "call-3", "call-4", "call-4"] {
        facts.extend(result(&records, call, CallResult::Abandoned).await.facts);
    }
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.abandoned.len(), facts), (3, vec![AccountFact::FishingSuspected]));
    assert_eq!(account.standing(), Standing::Open, "it never blocks");
    assert!(serde_json::to_vec(&account).expect("JSON").len() <= 1024, "p08");
}

async fn what_is_not_there_is_named<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let nobody = id("nobody");
    assert!(records.account(&nobody).await.expect("read").is_none());
    assert!(records.sealed_pin(&nobody).await.expect("read").is_none());
    assert!(records.password_verifier(&nobody).await.expect("read").is_none());
    assert!(records.call(&call("call-1")).await.expect("read").is_none());
    assert!(matches!(
        records.challenge(&nobody, 1, NOW).await,
        Err(RecordsError::NoSuch("account"))
    ));
    assert!(matches!(
        records.reserve(entry("call-1", 1, false)).await,
        Err(RecordsError::NoSuch("account"))
    ));
    let settled = records.settle(AttemptId(99), Settlement::Wrong, NOW).await;
    assert!(matches!(settled, Err(RecordsError::NoSuch("attempt"))));
}

async fn p4_a_hundred_calls_at_once_block_at_exactly_the_third<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = Arc::new(enrolled(open, folder).await);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let records = Arc::clone(&records);
        calls.spawn(
            async move { result(&*records, &format!("call-{n}"), CallResult::Failed).await },
        );
    }
    let answers = calls.join_all().await;
    let open = answers.iter().filter(|after| after.standing == Standing::Open).count();
    let blocking =
        answers.iter().filter(|after| after.facts == [AccountFact::BecameBlocked]).count();
    assert_eq!((open, blocking), (2, 1));
}

async fn p4_parallel_calls_buy_no_guesses<R: Records>(open: Open<R>, folder: &Path) {
    let records = Arc::new(enrolled(open, folder).await);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let records = Arc::clone(&records);
        calls.spawn(async move {
            let attempt = records.reserve(entry(&format!("call-{n}"), 1, false)).await.ok()?;
            // The hash would be computed here: all of them at the same time.
            tokio::task::yield_now().await;
            Some(records.settle(attempt, Settlement::Wrong, NOW).await.expect("settled"))
        });
    }
    let judged = calls.join_all().await.into_iter().flatten().count();
    assert_eq!(judged, 6, "x02 six guesses, however many calls");
    assert_eq!(standing(&*records).await, Standing::ResetRequired);
}

async fn a_probed_store_keeps_calls_with_their_last_state<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    records.probe().await.expect("works");
    let mut kept = CallRecord {
        id: call("call-1"),
        started_at: NOW,
        ended_at: None,
        customer: None,
        view: json!({ "state": "ringing" }),
    };
    records.save_call(kept.clone()).await.expect("saved");
    kept.ended_at = Some(Timestamp(NOW.0 + 1));
    kept.customer = Some(id("c-1"));
    kept.view = json!({ "state": "ended" });
    records.save_call(kept.clone()).await.expect("saved");
    assert_eq!(records.call(&kept.id).await.expect("read"), Some(kept));
}

async fn p16_every_change_is_in_the_audit_chain<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let _ = records.challenge(&id("c-1"), 5, NOW).await.expect("drawn");
    let _ = judged(&records, "call-1", true, Settlement::Wrong).await;
    let _ = result(&records, "call-1", CallResult::Passed).await;
    let revealed = AuditEntry {
        at: NOW,
        actor: "agent-1".into(),
        what: "answer_revealed".into(),
        call: Some(call("call-1")),
        customer: Some(id("c-1")),
        body: json!({ "question": "postcode" }),
    };
    records.audit(revealed.clone()).await.expect("written");
    let lines = records.audit_from(1, 100).await.expect("read");
    let words: Vec<_> = lines.iter().map(|line| line.entry.what.as_str()).collect();
    let wanted = "customer_created pin_enrolled positions_drawn attempt_reserved attempt_settled \
                  call_failed call_passed answer_revealed";
    assert_eq!(words.join(" "), wanted);
    assert_eq!(lines.last().map(|line| &line.entry), Some(&revealed));
    let half = audit::verify(Head::default(), lines[..3].to_vec()).expect("holds");
    let rest = records.audit_from(4, 100).await.expect("read");
    assert_eq!(audit::verify(half, rest).expect("holds").number, 8);
    drop(records);
    let records = open(folder).await.expect("opens again");
    records.audit(revealed).await.expect("written");
    let all = records.audit_from(0, 100).await.expect("read");
    assert_eq!(audit::verify(Head::default(), all).expect("goes on").number, 9);
}

pub(super) async fn enrolled<R: Records>(open: Open<R>, folder: &Path) -> R {
    let records = open(folder).await.expect("opens");
    enrol(&records, "c-1").await;
    records
}

pub(super) async fn enrol(records: &impl Records, name: &str) {
    let version = records.next_pin_version(&id(name)).await.expect("read");
    let row = Enrolment { pin: Some(pin(version)), ..row(customer(name)) };
    records.import(vec![row], NOW).await.expect("imported");
}

pub(super) async fn judged(
    records: &impl Records,
    name: &str,
    last: bool,
    how: Settlement,
) -> AccountAfter {
    let attempt = records.reserve(entry(name, 1, last)).await.expect("reserved");
    records.settle(attempt, how, NOW).await.expect("settled")
}

pub(super) async fn result(records: &impl Records, name: &str, result: CallResult) -> AccountAfter {
    records.call_result(&call(name), &id("c-1"), result, RULE, NOW).await.expect("stored")
}

async fn standing(records: &impl Records) -> Standing {
    records.account(&id("c-1")).await.expect("read").expect("there").standing()
}

fn entry(name: &str, entry: u8, last: bool) -> Reservation {
    let (call, customer) = (call(name), id("c-1"));
    Reservation { call, customer, entry, last, positions: Positions::FIRST, rule: RULE, at: NOW }
}

pub(super) fn row(customer: Customer) -> Enrolment {
    Enrolment { customer, pin: None, password: None }
}

pub(super) fn pin(pin_version: u32) -> SealedPin {
    SealedPin {
        pin_version,
        salt: vec![1; 16],
        pepper_id: "0badc0de".into(),
        memory_kib: 19_456,
        iterations: 2,
        nonce: vec![2; 24],
        table: vec![3; 352],
    }
}

pub(super) fn customer(name: &str) -> Customer {
    Customer {
        id: id(name),
        keypad_id: None,
        name: "Customer".into(),
        role: Role::Client,
        represents: vec![],
        numbers: vec![],
        email: None,
        language: None,
        flags: vec![],
        facts: BTreeMap::new(),
    }
}

pub(super) fn id(text: &str) -> CustomerId {
    text.parse().expect("an id")
}

pub(super) fn call(text: &str) -> CallId {
    text.parse().expect("an id")
}
