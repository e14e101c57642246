//! What every engine must do about the time after a call.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::account::AccountFact;
use crate::account::Standing;
use crate::follow_up::Direction;
use crate::follow_up::Factor;
use crate::follow_up::ItemKind;
use crate::follow_up::JobEvent;
use crate::follow_up::JobKind;
use crate::follow_up::JobState;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Refused;
use crate::follow_up::Rules;
use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::ids::FactKey;
use crate::model::time::Timestamp;
use crate::records::CallResult;
use crate::records::Enrolment;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::Settlement;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::conformance::NOW;
use crate::records::conformance::Open;
use crate::records::conformance::RULE;
use crate::records::conformance::call;
use crate::records::conformance::conformance;
use crate::records::conformance::customer;
use crate::records::conformance::enrol;
use crate::records::conformance::enrolled;
use crate::records::conformance::id;
use crate::records::conformance::judged;
use crate::records::conformance::pin;
use crate::records::conformance::postgres;
use crate::records::conformance::result;
use crate::records::conformance::row;
use crate::records::conformance::sqlite;
use crate::records::follow_ups::JobFilter;
use crate::records::follow_ups::Marking;
use crate::records::follow_ups::OutboxItem;
use crate::records::follow_ups::Registry;

const DAY: u64 = 86_400_000;

conformance!(
    c41_c44_a_compensated_pass_sets_the_flag_and_passes_once,
    c44_of_two_compensated_passes_at_once_one_is_refused,
    c46_c56_x05_a_reset_takes_pin_password_and_block_away_once_a_call,
    c70_c71_x01_the_third_failed_call_leaves_an_unblock_job_in_the_same_breath,
    c70_a_block_taken_back_by_its_own_call_leaves_no_job,
    c71_the_call_that_blocked_names_its_rules_afterwards,
    c72_an_unblock_clears_counters_and_ends_the_job,
    c73_c06_a_representatives_letters_go_to_the_representative,
    c74_c75_x27_on_day_seven_one_reminder_even_after_a_restart_or_a_clock_set_back,
    c02_c07_a_bogus_call_is_reported_once_however_often_it_is_said,
    c15_c21_c48_c50_c51_c53_what_follows_is_stored_with_its_audit,
    c42_c46_the_activity_record_and_its_update_go_out,
    x34_x08_what_was_asked_and_disclosed_comes_with_the_account,
    b14_b16_x06_an_item_is_enqueued_once_and_delivered_when_its_last_sink_has_it,
    b14_b16_a_registry_keeps_one_mark_a_call,
    a_contradicted_item_is_set_aside_and_audited,
    x36_a_profile_is_kept_under_its_hash,
    o07_a_reference_leads_back_once_and_for_a_day,
    o09_a_pair_of_codes_is_taken_once,
    p16_the_lines_of_one_call_are_found_and_the_chain_holds,
    c09_nothing_follows_for_nobody_but_its_report,
);

async fn c41_c44_a_compensated_pass_sets_the_flag_and_passes_once<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for entry in [false, true] {
        let _ = judged(&records, "call-1", entry, Settlement::Wrong).await;
    }
    let after = result(&records, "call-1", CallResult::PassedCompensated).await;
    assert_eq!((after.standing, after.call_failed), (Standing::Open, false));
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert!(account.compensated);
    assert_eq!((account.failed_calls, account.pin_wrong_streak), (0, 2), "x02 the streak stays");
    let _ = result(&records, "call-1", CallResult::PassedCompensated).await;
    let refused = records
        .call_result(&call("call-2"), &id("c-1"), CallResult::PassedCompensated, RULE, NOW)
        .await;
    assert!(matches!(refused, Err(RecordsError::Refused)), "c44");
    let _ = result(&records, "call-3", CallResult::Passed).await;
    drop(records);
    let records = open(folder).await.expect("opens again");
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert!(account.compensated, "only a reset clears it");
    let lines = records.audit_of_call(&call("call-1"), 100).await.expect("read");
    assert!(lines.iter().any(|line| line.entry.what == "additional_security_used"));
}

async fn c44_of_two_compensated_passes_at_once_one_is_refused<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = Arc::new(enrolled(open, folder).await);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let records = Arc::clone(&records);
        calls.spawn(async move {
            let (call, customer) = (call(&format!("call-{n}")), id("c-1"));
            records.call_result(&call, &customer, CallResult::PassedCompensated, RULE, NOW).await
        });
    }
    let passed = calls.join_all().await.into_iter().flatten().count();
    assert_eq!(passed, 1);
}

async fn c46_c56_x05_a_reset_takes_pin_password_and_block_away_once_a_call<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let with_password = Enrolment { password: Some("$argon2id$x".into()), ..row(customer("c-1")) };
    records.import(vec![with_password], NOW).await.expect("imported");
    let _ = result(&records, "call-0", CallResult::PassedCompensated).await;
    for name in ["call-1", "call-2", "call-3"] {
        let _ = result(&records, name, CallResult::Failed).await;
    }
    let (customer, proven) = (id("c-1"), call("call-4"));
    let reset = async || {
        records.reset_security(&customer, "agent-1", "call back passed", Some(&proven), NOW).await
    };
    assert_eq!(reset().await.expect("reset").standing, Standing::Open, "x05");
    let account = records.account(&customer).await.expect("read").expect("there");
    assert!(!account.compensated && !account.has_pin() && !account.initialized);
    assert_eq!(account.failed_calls, 0);
    assert!(
        records.sealed_pin(&customer).await.expect("read").is_none(),
        "the old PIN fails at once"
    );
    assert!(records.password_verifier(&customer).await.expect("read").is_none());
    let version = records.next_pin_version(&customer).await.expect("read");
    let fresh = Enrolment { pin: Some(pin(version)), ..row(self::customer("c-1")) };
    records.import(vec![fresh], NOW).await.expect("a new PIN");
    assert_eq!(reset().await.expect("once").standing, Standing::Open);
    assert!(records.sealed_pin(&customer).await.expect("read").is_some(), "once a call");
    let again = result(&records, "call-5", CallResult::PassedCompensated).await;
    assert_eq!(again.standing, Standing::Open, "c46 allowed once more");
}

async fn c70_c71_x01_the_third_failed_call_leaves_an_unblock_job_in_the_same_breath<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for name in ["call-1", "call-2"] {
        let _ = judged(&records, name, true, Settlement::Wrong).await;
        assert_eq!(unblock_jobs(&records).await, []);
    }
    let after = judged(&records, "call-3", true, Settlement::Wrong).await;
    assert_eq!(after.facts, [AccountFact::BecameBlocked]);
    drop(records);
    let records = open(folder).await.expect("opens again");
    assert_eq!(unblock_jobs(&records).await, [JobState::Open]);
    let job = records.jobs(JobFilter::default(), 10).await.expect("read").remove(0);
    assert_eq!(job.call, Some(call("call-3")));
    assert_eq!(job.detail.direction.as_deref(), Some("outbound"));
}

async fn c70_a_block_taken_back_by_its_own_call_leaves_no_job<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for name in ["call-1", "call-2", "call-3"] {
        let _ = judged(&records, name, true, Settlement::Wrong).await;
    }
    let _ = result(&records, "call-3", CallResult::Passed).await;
    assert_eq!(unblock_jobs(&records).await, [JobState::Done]);
}

async fn c71_the_call_that_blocked_names_its_rules_afterwards<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = blocked(open, folder).await;
    let rules = Rules { letters: vec!["LETTER-7".into()], notify_owner: true, ..Rules::default() };
    let told = Occurred { rules, ..occurred("call-3", Occasion::BecameBlocked) };
    for _ in 0..2 {
        let jobs = records.follow_up(told.clone()).await.expect("stored");
        assert_eq!((jobs.len(), jobs[0].profile.as_str()), (1, "cmg"));
    }
    assert_eq!(of_kind(&records, ItemKind::Notice).await.len(), 1, "f5.8, once");
    let job = records.jobs(JobFilter::default(), 10).await.expect("read").remove(0);
    records.job_event(job.id, JobEvent::Failed, "agent-1", NOW).await.expect("taken");
    let letters = of_kind(&records, ItemKind::Letter).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload["document"], "LETTER-7");
}

async fn c72_an_unblock_clears_counters_and_ends_the_job<R: Records>(open: Open<R>, folder: &Path) {
    let records = blocked(open, folder).await;
    let job = records.jobs(JobFilter::default(), 10).await.expect("read").remove(0);
    let ticked = records.job_event(job.id, JobEvent::Done, "agent-1", NOW).await;
    assert!(matches!(ticked, Err(RecordsError::NotSo(Refused::ByCheckOnly))), "x25");
    assert_eq!(
        records.account(&id("c-1")).await.expect("read").expect("there").standing(),
        Standing::Blocked
    );
    let unblocked =
        records.unblock(&id("c-1"), "agent-1", "passed", Some(&call("call-9")), NOW).await;
    assert_eq!(unblocked.expect("unblocked").standing, Standing::Open);
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!((account.failed_calls, account.blocked), (0, false));
    assert_eq!(unblock_jobs(&records).await, [JobState::Done]);
    let later = records.job_event(job.id, JobEvent::Failed, "agent-1", NOW).await;
    assert!(matches!(later, Err(RecordsError::NotSo(Refused::Over))));
}

async fn c73_c06_a_representatives_letters_go_to_the_representative<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    let rep =
        Customer { role: Role::Representative, represents: vec![id("c-1")], ..customer("rep-1") };
    records.import(vec![row(customer("c-1")), row(rep)], NOW).await.expect("imported");
    for name in ["call-1", "call-2", "call-3"] {
        let failed =
            records.call_result(&call(name), &id("rep-1"), CallResult::Failed, RULE, NOW).await;
        let _ = failed.expect("stored");
    }
    let client = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(client.standing(), Standing::Open, "separate counters");
    let job = records.jobs(JobFilter::default(), 10).await.expect("read").remove(0);
    assert_eq!(job.customer, id("rep-1"));
    records.job_event(job.id, JobEvent::Unreachable, "agent-1", NOW).await.expect("taken");
    let letters = of_kind(&records, ItemKind::Letter).await;
    let documents: Vec<_> = letters.iter().map(|letter| &letter.payload["document"]).collect();
    assert_eq!(documents, ["CMSL9800", "FT9800"]);
    assert!(letters.iter().all(|letter| letter.payload["to"]["customer"] == "rep-1"));
}

async fn c74_c75_x27_on_day_seven_one_reminder_even_after_a_restart_or_a_clock_set_back<
    R: Records,
>(
    open: Open<R>,
    folder: &Path,
) {
    for sms_ok in [false, true] {
        let folder = folder.join(format!("sms-{sms_ok}"));
        std::fs::create_dir(&folder).expect("a folder");
        let records = blocked(open, &folder).await;
        let flags = if sms_ok { vec!["sms_ok".to_owned()] } else { vec![] };
        let flagged = row(Customer { flags, ..customer("c-1") });
        records.import(vec![flagged], NOW).await.expect("imported");
        let job = records.jobs(JobFilter::default(), 10).await.expect("read").remove(0);
        records.job_event(job.id, JobEvent::Unreachable, "agent-1", NOW).await.expect("taken");
        let at = |days: u64, ms: u64| Timestamp(NOW.0 + days * DAY + ms);
        assert_eq!(records.due(at(6, DAY - 1), 10).await.expect("read"), [], "day six");
        drop(records);
        let records = open(&folder).await.expect("opens again");
        let due = records.due(at(7, 0), 10).await.expect("read");
        assert_eq!(due.len(), 1, "day seven");
        // The clock falls back before the job is minded: what was due stays due (5.16).
        let renewal =
            records.job_event(due[0], JobEvent::TimeCome, "system", at(6, DAY - 5_000)).await;
        assert_eq!(renewal.expect("taken").state, JobState::Reminded);
        assert_eq!(records.due(at(7, 0), 10).await.expect("read"), [], "once");
        let sms = of_kind(&records, ItemKind::Sms).await.len();
        let letters = of_kind(&records, ItemKind::Letter).await;
        let reminders =
            letters.iter().filter(|item| item.payload["document"] == "CMSL9801").count();
        assert_eq!((sms, reminders), if sms_ok { (1, 0) } else { (0, 1) });
        let closing = records.due(at(15, 0), 10).await.expect("read");
        records
            .job_event(closing[0], JobEvent::TimeCome, "system", at(15, 0))
            .await
            .expect("closed");
        assert_eq!(of_kind(&records, ItemKind::CloseRequest).await.len(), 1, "c78");
        let account = records.account(&id("c-1")).await.expect("read").expect("there");
        assert_eq!(account.standing(), Standing::Blocked, "c77");
    }
}

async fn c02_c07_a_bogus_call_is_reported_once_however_often_it_is_said<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = Arc::new(enrolled(open, folder).await);
    let bogus = Occasion::Bogus {
        by: "agent-1".into(),
        details: "knew nothing".into(),
        direction: Direction::Inbound,
        scin: "1001".into(),
        consecutive_failed: 3,
    };
    let mut said = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (records, told) = (Arc::clone(&records), occurred("call-1", bogus.clone()));
        said.spawn(async move { records.follow_up(told).await.expect("stored") });
    }
    said.join_all().await;
    let reports = of_kind(&*records, ItemKind::BogusReport).await;
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].payload["form_required"], Value::Bool(true));
    drop(records);
    let records = open(folder).await.expect("opens again");
    records.follow_up(occurred("call-1", bogus)).await.expect("stored");
    assert_eq!(of_kind(&records, ItemKind::BogusReport).await.len(), 1);
}

async fn c15_c21_c48_c50_c51_c53_what_follows_is_stored_with_its_audit<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let accepted = |by_gich, has_number| Occasion::CallBackAccepted {
        by: "agent-1".into(),
        by_gich,
        transitional: false,
        has_number,
    };
    let deferred = Occasion::EnrolmentDeferred { code: "no_time".into() };
    for (name, what, kind) in [
        ("call-1", accepted(false, true), JobKind::CallBack),
        ("call-2", accepted(true, true), JobKind::CaseOwner),
        ("call-3", accepted(false, false), JobKind::Trace),
        ("call-4", deferred, JobKind::Enrolment),
    ] {
        let jobs = records.follow_up(occurred(name, what.clone())).await.expect("stored");
        let again = records.follow_up(occurred(name, what)).await.expect("stored");
        assert_eq!((jobs.len(), jobs[0].kind), (1, kind));
        assert_eq!(jobs, again, "once a call");
        let lines = records.audit_of_call(&call(name), 100).await.expect("read");
        let words: Vec<_> = lines.iter().map(|line| line.entry.what.as_str()).collect();
        assert_eq!(words, ["follow_up", "job_opened"]);
    }
    let ended = Occasion::PartyEnded { role: "other".into(), outcome: "client not present".into() };
    records.follow_up(occurred("call-5", ended)).await.expect("stored");
    let outcome = of_kind(&records, ItemKind::CallOutcome).await.remove(0);
    assert_eq!(outcome.payload["role"], "other");
    let account = records.account(&id("c-1")).await.expect("read").expect("there");
    assert_eq!(account.failed_calls, 0, "c51 an offer counts nothing");
    let filter = JobFilter { kind: Some(JobKind::Trace), open: Some(true), ..JobFilter::default() };
    assert_eq!(records.jobs(filter, 10).await.expect("read").len(), 1);
    let over = JobFilter { open: Some(false), ..JobFilter::default() };
    assert_eq!(records.jobs(over, 10).await.expect("read"), []);
    assert_eq!(of_kind(&records, ItemKind::Task).await.len(), 4);
}

async fn c42_c46_the_activity_record_and_its_update_go_out<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let pass = Occasion::CompensatedPass { failed_factor: Factor::Pin };
    let reset = Occasion::SecurityReset { by: "agent-1".into(), reason: "passed".into() };
    records.follow_up(occurred("call-1", pass)).await.expect("stored");
    records.follow_up(occurred("call-2", reset)).await.expect("stored");
    let record = of_kind(&records, ItemKind::ActivityRecord).await.remove(0);
    assert_eq!(record.payload["start_date"], "01/01/2035");
    assert_eq!(record.payload["status"], "Not Required");
    assert_eq!(of_kind(&records, ItemKind::ActivityUpdate).await.len(), 1);
}

async fn x34_x08_what_was_asked_and_disclosed_comes_with_the_account<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let key = |text: &str| text.parse::<FactKey>().expect("a key");
    let (one, agent) = (id("c-1"), "agent-1".parse().expect("an agent"));
    for (name, keys) in [("call-1", ["postcode", "nino"]), ("call-2", ["employer", "last_contact"])]
    {
        let keys: Vec<_> = keys.into_iter().map(key).collect();
        records.asked(&one, &call(name), &keys, NOW).await.expect("noted");
        let _ = result(&records, name, CallResult::Failed).await;
    }
    records.disclosed(&one, &key("bank_last4"), &agent, &call("call-2"), NOW).await.expect("noted");
    drop(records);
    let records = open(folder).await.expect("opens again");
    let account = records.account(&one).await.expect("read").expect("there");
    assert_eq!(account.recently_asked().len(), 4);
    assert_eq!(account.disclosed_lately(NOW), [key("bank_last4")]);
    assert_eq!(account.round, 2, "5.6 the next draw differs after a concluded call");
    assert!(serde_json::to_vec(&account).expect("JSON").len() <= 1024, "p08");
    let lines = records.audit_of_call(&call("call-2"), 100).await.expect("read");
    let disclosed = lines.iter().find(|line| line.entry.what == "datum_disclosed").expect("there");
    assert_eq!(disclosed.entry.actor, "agent-1");
}

async fn b14_b16_x06_an_item_is_enqueued_once_and_delivered_when_its_last_sink_has_it<
    R: Records,
>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    for _ in 0..3 {
        let marked = occurred("call-1", Occasion::Marked(Mark::Verified));
        records.follow_up(marked).await.expect("stored");
    }
    let item = only(&records, NOW).await;
    assert_eq!((item.id.len(), item.kind), (26, ItemKind::Mark));
    records.outbox_delivered(&item.id, "bofe", false, NOW).await.expect("noted");
    let retry_at = Timestamp(NOW.0 + 1_000);
    records.outbox_failed(&item.id, "iam_manager", retry_at).await.expect("noted");
    assert_eq!(records.outbox_due(NOW, 10).await.expect("read"), [], "not before its time");
    drop(records);
    let records = open(folder).await.expect("opens again");
    let item = only(&records, retry_at).await;
    let at = |sink: &str| item.deliveries.iter().find(|at| at.sink == sink).expect("tried").clone();
    assert!(at("bofe").delivered && !at("iam_manager").delivered);
    assert_eq!(at("iam_manager").attempts, 1);
    let counts = records.outbox_counts().await.expect("read");
    assert_eq!((counts.pending, counts.conflicts, counts.oldest), (1, 0, Some(NOW)));
    records.outbox_delivered(&item.id, "iam_manager", true, NOW).await.expect("noted");
    assert_eq!(records.outbox_due(retry_at, 10).await.expect("read"), []);
    assert_eq!(records.outbox_counts().await.expect("read").pending, 0);
}

async fn b14_b16_a_registry_keeps_one_mark_a_call<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let put = async |registry, mark| {
        let (call, customer) = (call("call-1"), id("c-1"));
        records.put_mark(registry, &call, &customer, mark, NOW).await.expect("answered")
    };
    for registry in [Registry::Bofe, Registry::IamManager] {
        assert_eq!(put(registry, Mark::NotVerified).await, Marking::Stored);
        assert_eq!(put(registry, Mark::NotVerified).await, Marking::Stored);
        assert_eq!(put(registry, Mark::Verified).await, Marking::Conflict(Mark::NotVerified));
        assert_eq!(
            records.mark(registry, &call("call-1")).await.expect("read"),
            Some(Mark::NotVerified)
        );
    }
    assert_eq!(records.mark(Registry::Bofe, &call("call-2")).await.expect("read"), None);
    let nobody =
        records.put_mark(Registry::Bofe, &call("call-2"), &id("x"), Mark::Verified, NOW).await;
    assert!(matches!(nobody, Err(RecordsError::NoSuch("customer"))));
}

async fn a_contradicted_item_is_set_aside_and_audited<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let marked = occurred("call-1", Occasion::Marked(Mark::Verified));
    records.follow_up(marked).await.expect("stored");
    let item = only(&records, NOW).await;
    for _ in 0..2 {
        records.outbox_conflict(&item.id, "iam_manager", NOW).await.expect("noted");
    }
    assert_eq!(records.outbox_due(NOW, 10).await.expect("read"), []);
    assert_eq!(records.outbox_counts().await.expect("read").conflicts, 1);
    let lines = records.audit_of_call(&call("call-1"), 100).await.expect("read");
    let noted = lines.iter().filter(|line| line.entry.what == "delivery_conflict");
    assert_eq!(noted.count(), 1);
}

async fn x36_a_profile_is_kept_under_its_hash<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    for _ in 0..2 {
        records.archive_profile("abc", "cmg", "name = \"cmg\"").await.expect("kept");
    }
    let kept = records.profile_text("abc").await.expect("read").expect("there");
    assert_eq!((kept.name.as_str(), kept.text.as_str()), ("cmg", "name = \"cmg\""));
    assert_eq!(records.profile_text("abd").await.expect("read"), None);
}

async fn o07_a_reference_leads_back_once_and_for_a_day<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    let late = Timestamp(NOW.0 + DAY);
    let make = async || {
        let (customer, call) = (id("c-1"), call("call-1"));
        records.call_back_reference(&customer, &call, NOW, late).await.expect("made")
    };
    let first = make().await;
    assert!(first.len() == 6 && first.bytes().all(|digit| digit.is_ascii_digit()));
    let reference = make().await;
    assert_eq!(records.redeem_reference(&reference, late).await.expect("read"), None, "a day");
    let reference = if reference == first { reference } else { make().await };
    let found = records.redeem_reference(&reference, NOW).await.expect("read").expect("pending");
    assert_eq!((found.customer, found.call), (id("c-1"), call("call-1")));
    assert_eq!(records.redeem_reference(&reference, NOW).await.expect("read"), None, "once");
}

async fn o09_a_pair_of_codes_is_taken_once<R: Records>(open: Open<R>, folder: &Path) {
    let records = enrolled(open, folder).await;
    assert!(records.take_codes(&id("c-1"), &call("call-1"), NOW).await.expect("read").is_none());
    let issued = records.issue_codes(&id("c-1"), NOW).await.expect("made");
    assert!(!format!("{issued:?}").contains(issued.ours.expose()), "prints nothing");
    let taken =
        records.take_codes(&id("c-1"), &call("call-1"), NOW).await.expect("read").expect("there");
    assert_eq!(taken.ours.expose(), issued.ours.expose());
    assert_eq!(taken.theirs.expose(), issued.theirs.expose());
    assert!(records.take_codes(&id("c-1"), &call("call-2"), NOW).await.expect("read").is_none());
    let lines = records.audit_from(1, 100).await.expect("read");
    let told = serde_json::to_string(&lines).expect("JSON");
    assert!(
        !told.contains(issued.ours.expose()) || told.matches(issued.ours.expose()).count() == 0
    );
}

async fn p16_the_lines_of_one_call_are_found_and_the_chain_holds<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = blocked(open, folder).await;
    records
        .unblock(&id("c-1"), "agent-1", "said 020 7946 0123", None, NOW)
        .await
        .map(drop)
        .expect("done");
    let lines = records.audit_of_call(&call("call-2"), 100).await.expect("read");
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.entry.call == Some(call("call-2"))));
    let all = records.audit_from(1, 1000).await.expect("read");
    assert!(
        !serde_json::to_string(&all).expect("JSON").contains("7946"),
        "c52 reasons are blotted"
    );
    assert!(audit::verify(Head::default(), all).is_ok());
}

async fn c09_nothing_follows_for_nobody_but_its_report<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    for (name, what) in
        [("call-1", Occasion::ThirdPartyContact), ("call-2", Occasion::EmployerContact)]
    {
        assert_eq!(records.follow_up(occurred(name, what)).await.expect("stored"), []);
    }
    assert_eq!(of_kind(&records, ItemKind::Procedure).await.len(), 2);
}

// --- tools ---

fn occurred(name: &str, what: Occasion) -> Occurred {
    Occurred {
        call: call(name),
        customer: id("c-1"),
        profile: "cmg".into(),
        rules: Rules::default(),
        at: NOW,
        what,
    }
}

async fn blocked<R: Records>(open: Open<R>, folder: &Path) -> R {
    let records = open(folder).await.expect("opens");
    enrol(&records, "c-1").await;
    for name in ["call-1", "call-2", "call-3"] {
        let _ = result(&records, name, CallResult::Failed).await;
    }
    records
}

async fn unblock_jobs(records: &impl Records) -> Vec<JobState> {
    let filter = JobFilter { kind: Some(JobKind::Unblock), ..JobFilter::default() };
    let found = records.jobs(filter, 100).await.expect("read");
    found.into_iter().map(|job| job.state).collect()
}

/// Each look is later than the last one: where nodes share records, a look takes the items for a while.
async fn of_kind(records: &impl Records, kind: ItemKind) -> Vec<OutboxItem> {
    static LOOKS: AtomicU64 = AtomicU64::new(100);
    let later = Timestamp(NOW.0 + LOOKS.fetch_add(1, Ordering::Relaxed) * DAY);
    let all = records.outbox_due(later, 1000).await.expect("read");
    all.into_iter().filter(|item| item.kind == kind).collect()
}

async fn only(records: &impl Records, now: Timestamp) -> OutboxItem {
    let mut items = records.outbox_due(now, 10).await.expect("read");
    assert_eq!(items.len(), 1);
    items.remove(0)
}
