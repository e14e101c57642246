//! Two nodes on one database: what follows a call happens once, whoever of them minds it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::follow_up::ItemKind;
use crate::follow_up::JobEvent;
use crate::follow_up::JobKind;
use crate::follow_up::JobState;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Refused;
use crate::follow_up::Rules;
use crate::model::time::Timestamp;
use crate::records::CallResult;
use crate::records::FollowUps;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::conformance::NOW;
use crate::records::conformance::RULE;
use crate::records::conformance::call;
use crate::records::conformance::customer;
use crate::records::conformance::id;
use crate::records::conformance::postgres;
use crate::records::conformance::row;
use crate::records::follow_ups::JobFilter;
use crate::records::follow_ups::Marking;
use crate::records::follow_ups::Registry;
use crate::records::postgres::PostgresRecords;

const DAY: u64 = 86_400_000;
const CUSTOMERS: usize = 20;

type Node = Arc<PostgresRecords>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p05_every_item_is_taken_by_one_node_and_again_when_that_node_died() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, other] = nodes(folder.path()).await;
    for n in 0..150 {
        let marked = occurred(&format!("call-{n}"), "c-0", Occasion::Marked(Mark::Verified));
        one.follow_up(marked).await.expect("stored");
    }
    let (first, second) = tokio::join!(take(&one, NOW), take(&other, NOW));
    let all: BTreeSet<_> = first.iter().chain(&second).collect();
    assert_eq!((all.len(), first.len() + second.len()), (150, 150), "each item once");
    assert!(!first.is_empty() && !second.is_empty(), "both had work");
    assert_eq!(take(&other, Timestamp(NOW.0 + 60_000)).await.len(), 0, "still the first one's");
    // One node delivers what it took and says so; the other one dies.
    for item in &first {
        one.outbox_delivered(item, "bofe", true, NOW).await.expect("noted");
    }
    let left = take(&one, Timestamp(NOW.0 + 100_000)).await;
    assert_eq!(left.iter().collect::<BTreeSet<_>>(), second.iter().collect(), "the claim lapsed");
    for item in &left {
        one.outbox_delivered(item, "bofe", true, NOW).await.expect("noted");
    }
    assert_eq!(one.outbox_counts().await.expect("read").pending, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p05_c74_a_due_job_takes_one_step_whichever_node_minds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, other] = nodes(folder.path()).await;
    for n in 0..CUSTOMERS {
        for nth in 0..3 {
            let (call, customer) = (call(&format!("call-{n}-{nth}")), id(&format!("c-{n}")));
            let result = one.call_result(&call, &customer, CallResult::Failed, RULE, NOW).await;
            result.map(drop).expect("counted");
        }
    }
    for job in one.jobs(JobFilter::default(), 100).await.expect("read") {
        one.job_event(job.id, JobEvent::Unreachable, "agent-1", NOW).await.expect("taken");
    }
    let day_seven = Timestamp(NOW.0 + 7 * DAY);
    let (first, second) = tokio::join!(mind(&one, day_seven), mind(&other, day_seven));
    assert_eq!(first + second, CUSTOMERS, "each job once");
    let renewals = JobFilter { kind: Some(JobKind::Renewal), ..JobFilter::default() };
    let renewals = one.jobs(renewals, 100).await.expect("read");
    assert_eq!(renewals.len(), CUSTOMERS);
    assert!(renewals.iter().all(|job| job.state == JobState::Reminded));
    let items = one.outbox_due(Timestamp(NOW.0 + 20 * DAY), 1000).await.expect("read");
    let reminders = items.iter().filter(|item| item.payload["document"] == "CMSL9801");
    assert_eq!(reminders.count(), CUSTOMERS);
    assert!(items.iter().all(|item| item.kind != ItemKind::CloseRequest), "c78 not before its day");
    holds(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c02_c09_what_two_nodes_hear_of_one_call_is_stored_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, other] = nodes(folder.path()).await;
    for n in 0..30 {
        let (call, customer) = (format!("call-{n}"), format!("c-{}", n % CUSTOMERS));
        let heard = |node: &Node| {
            let (node, what) = (Arc::clone(node), Occasion::ThirdPartyContact);
            let occurred = occurred(&call, &customer, what);
            async move { node.follow_up(occurred).await.expect("stored") }
        };
        let (first, second) = tokio::join!(heard(&one), heard(&other));
        assert_eq!(first, second, "both are told of the same jobs");
    }
    let items = one.outbox_due(NOW, 1000).await.expect("read");
    let keys: BTreeSet<_> = items.iter().map(|item| item.payload["call"].to_string()).collect();
    assert_eq!((items.len(), keys.len()), (30, 30));
    let lines = one.audit_from(1, 10_000).await.expect("read");
    assert_eq!(lines.iter().filter(|line| line.entry.what == "follow_up").count(), 30);
    holds(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_o07_o09_marks_codes_and_references_are_good_for_one_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, other] = nodes(folder.path()).await;
    for n in 0..20 {
        let (call, customer) = (call(&format!("call-{n}")), id("c-1"));
        let put = |node: &Node, mark| {
            let (node, call, customer) = (Arc::clone(node), call.clone(), customer.clone());
            async move { node.put_mark(Registry::Bofe, &call, &customer, mark, NOW).await }
        };
        let (first, second) =
            tokio::join!(put(&one, Mark::Verified), put(&other, Mark::NotVerified));
        let stored = [first.expect("answered"), second.expect("answered")];
        assert_eq!(stored.iter().filter(|marking| **marking == Marking::Stored).count(), 1);

        one.issue_codes(&customer, NOW).await.expect("made");
        let (first, second) = tokio::join!(
            one.take_codes(&customer, &call, NOW),
            other.take_codes(&customer, &call, NOW)
        );
        let taken = [first.expect("read"), second.expect("read")];
        assert_eq!(taken.iter().flatten().count(), 1, "o09");

        let late = Timestamp(NOW.0 + DAY);
        let reference = one.call_back_reference(&customer, &call, NOW, late).await.expect("made");
        let (first, second) = tokio::join!(
            one.redeem_reference(&reference, NOW),
            other.redeem_reference(&reference, NOW)
        );
        let redeemed = [first.expect("read"), second.expect("read")];
        assert_eq!(redeemed.iter().flatten().count(), 1, "o07");
    }
    holds(&one).await;
}

// --- tools ---

async fn nodes(folder: &Path) -> [Node; 2] {
    let one = postgres(folder).await.expect("opens");
    let rows = (0..CUSTOMERS).map(|n| row(customer(&format!("c-{n}"))));
    one.import(rows.collect(), NOW).await.expect("imported");
    [Arc::new(one), Arc::new(postgres(folder).await.expect("opens"))]
}

/// Takes items a few at a time until there are none.
async fn take(node: &Node, now: Timestamp) -> Vec<String> {
    let mut taken = vec![];
    loop {
        let items = node.outbox_due(now, 7).await.expect("read");
        if items.is_empty() {
            return taken;
        }
        taken.extend(items.into_iter().map(|item| item.id));
        tokio::task::yield_now().await;
    }
}

/// Minds jobs as the outbox does; how many went on here.
async fn mind(node: &Node, now: Timestamp) -> usize {
    let mut went_on = 0;
    for job in node.due(now, 100).await.expect("read") {
        match node.job_event(job, JobEvent::TimeCome, "system", now).await {
            Ok(_) => went_on += 1,
            Err(RecordsError::NotSo(Refused::NotDue)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    went_on
}

async fn holds(node: &Node) {
    let lines = node.audit_from(1, 10_000).await.expect("read");
    assert!(audit::verify(Head::default(), lines).is_ok(), "p16");
}

fn occurred(name: &str, of: &str, what: Occasion) -> Occurred {
    let (profile, rules) = ("cmg".into(), Rules::default());
    Occurred { call: call(name), customer: id(of), profile, rules, at: NOW, what }
}
