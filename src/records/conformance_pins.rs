//! What every engine must do about the life of a PIN.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::account::Account;
use crate::follow_up::ItemKind;
use crate::model::customer::Customer;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::CallResult;
use crate::records::Enrolment;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::audit;
use crate::records::audit::Head;
use crate::records::conformance::NOW;
use crate::records::conformance::Open;
use crate::records::conformance::conformance;
use crate::records::conformance::customer;
use crate::records::conformance::engine;
use crate::records::conformance::enrol;
use crate::records::conformance::enrolled;
use crate::records::conformance::id;
use crate::records::conformance::pin;
use crate::records::conformance::postgres;
use crate::records::conformance::result;
use crate::records::conformance::row;
use crate::records::conformance::sqlite;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::INITIAL_TRIES;
use crate::records::pins::Issued;
use crate::records::pins::Issuing;
use crate::records::pins::LinkPurpose;
use crate::records::pins::LinkRefused;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::pins::PinFile;
use crate::records::pins::SealedInitial;
use crate::records::pins::UnblockAsked;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const ADDRESS: &str = "one@example.org";
const HINT: &str = "the old tram line";

conformance!(
    p03_p04_p06_p07_every_account_gets_one_initial_pin_and_a_second_run_creates_none,
    p04_a_generation_that_died_in_the_middle_is_resumed_and_nobody_gets_two,
    p01_letters_are_handed_over_once_and_their_key_is_gone,
    p14_x20_after_a_reset_nothing_of_the_old_pin_counts,
    p15_an_initial_pin_registers_once_and_five_wrong_ones_spend_it,
    p19_p20_p25_following_the_link_enables_the_pin_once,
    p25_a_link_that_expired_or_is_void_or_unknown_enables_nothing,
    p16_no_line_and_no_item_tells_a_hint_an_address_or_a_pin,
    p17_another_address_resets_the_pin_and_its_links,
    p17_an_imported_address_resets_unless_it_brings_a_pin,
    p19_p22_the_three_causes_of_a_stuck_yes_no_are_told_apart,
    p18_p23_the_estate_is_counted_by_state_and_the_oldest_stuck_come_first,
    p21_p24_x22_flags_that_cannot_be_are_repaired_by_a_reset_and_counted,
    x18_a_reset_link_lets_choose_anew_only_where_the_address_was_proven,
    x17_a_web_pin_is_kept_beside_the_voice_pin_under_the_same_flags,
    p29_an_unblock_waits_for_a_second_person_where_one_has_to_agree,
    c56_a_security_reset_makes_initial_pin_links_hint_and_web_pin_void,
    what_pin_maintenance_does_not_know_it_says,
);

// The size of a file is the file's.
mod of_a_file {
    use super::*;
    engine!(
        sqlite:
        p08_an_initial_pin_takes_less_than_a_kibibyte,
        p01_a_destroyed_key_is_in_no_page_and_in_no_log,
    );
}

// One daemon owns a file.
mod of_two_nodes {
    use super::*;
    engine!(postgres: p04_two_nodes_that_generate_at_once_share_a_print_run_and_nobody_gets_two,);
}

async fn p03_p04_p06_p07_every_account_gets_one_initial_pin_and_a_second_run_creates_none<
    R: Records,
>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    let mut rows: Vec<_> = (0..23).map(|n| row(customer(&format!("c-{n:02}")))).collect();
    let closed = Customer { flags: vec!["closed".into()], ..customer("c-old") };
    rows.push(row(closed));
    rows.push(Enrolment { pin: Some(pin(1)), ..row(customer("c-has-one")) });
    records.import(rows, NOW).await.expect("imported");
    assert_eq!(records.accounts().await.expect("counted"), 25);

    let issuing = issuing(&records, NOW).await;
    assert_eq!(generated(&records, &issuing).await, (25, 24), "p03, and p07 the closed one too");
    assert_eq!(generated(&records, &issuing).await, (25, 0), "p04");
    let (account, file) = look(&records, "c-old").await;
    assert_eq!((account.initialized, account.enabled), (false, false), "p06");
    assert_eq!((file.issued, file.expires), (Some(NOW), Some(issuing.expires)));
    assert_eq!(version(&records, "c-old", NOW).await, Some(1), "untouched by the second run");
    assert_eq!(version(&records, "c-has-one", NOW).await, None);
    assert!(records.account(&id("c-has-one")).await.expect("read").expect("there").has_pin());

    // Two weeks later they are too old, and are issued again.
    let later = Timestamp(issuing.expires.0);
    let again = Issuing { now: later, expires: Timestamp(later.0 + DAY), ..issuing };
    assert_eq!(generated(&records, &again).await, (25, 24));
    assert_eq!(version(&records, "c-old", later).await, Some(2), "x20 another version");
    let lines = records.audit_from(1, 1000).await.expect("read");
    let told = lines.iter().filter(|line| line.entry.what == "initial_pins_issued");
    let counts: Vec<_> = told.map(|line| line.entry.body["count"].as_u64()).collect();
    assert!(counts.len() >= 8, "one line a step, not one an account: {counts:?}");
    assert_eq!(counts.into_iter().flatten().sum::<u64>(), 48);
}

async fn p04_a_generation_that_died_in_the_middle_is_resumed_and_nobody_gets_two<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    let rows = (0..30).map(|n| row(customer(&format!("c-{n:02}"))));
    records.import(rows.collect(), NOW).await.expect("imported");
    let issuing = issuing(&records, NOW).await;
    let first = records.issue_missing(issuing.clone(), None, 10).await.expect("issued");
    let (drawn, seal) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&issuing.sealer));
    let dying = Issuing {
        sealer: Arc::new(move |customer, version| {
            if drawn.fetch_add(1, Ordering::Relaxed) == 4 {
                return Err(RecordsError::Unavailable("the power went".into()));
            }
            seal(customer, version)
        }),
        ..issuing.clone()
    };
    let died = records.issue_missing(dying, first.last, 10).await;
    assert!(matches!(died, Err(RecordsError::Unavailable(_))), "{died:?}");
    assert_eq!(version(&records, "c-10", NOW).await, None, "nothing of the step is kept");
    drop(records);

    let records = open(folder).await.expect("opens again");
    let again = self::issuing(&records, NOW).await;
    assert_eq!(again.batch, issuing.batch, "the print run goes on");
    assert_eq!(generated(&records, &again).await, (30, 20), "only what was missing");
    let letters = records.letters(again.batch, None, 100, NOW).await.expect("read");
    assert!(letters.iter().all(|letter| letter.version == 1), "nobody got two");
    assert_eq!(letters.len(), 30);
}

async fn p01_letters_are_handed_over_once_and_their_key_is_gone<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = open(folder).await.expect("opens");
    let named = Customer { name: "Ann".into(), language: Some("nl".into()), ..customer("c-0") };
    let rows = [named, customer("c-1"), customer("c-2"), customer("c-3")].map(row);
    records.import(rows.into(), NOW).await.expect("imported");
    let issuing = issuing(&records, NOW).await;
    generated(&records, &issuing).await;
    let again = records.batch(vec![9; 4], NOW).await.expect("there");
    assert_eq!((again.id, again.key), (issuing.batch, Some(vec![7; 4])), "its own key stays");
    // One of them gets another before the letters are printed.
    records.reset_pin(&id("c-2"), issuing.clone(), by("op")).await.expect("reset");
    records.close_batch(issuing.batch, NOW).await.expect("closed");
    let late = records.issue_missing(issuing.clone(), None, 10).await;
    assert!(matches!(late, Err(RecordsError::NoSuch(_))), "nothing is added any more");
    let late = records.reset_pin(&id("c-3"), issuing.clone(), by("op")).await;
    assert!(matches!(late, Err(RecordsError::NoSuch(_))), "and nothing is half reset: {late:?}");
    let first = records.letters(issuing.batch, None, 2, NOW).await.expect("read");
    assert_eq!((first[0].name.as_str(), first[0].language.as_deref()), ("Ann", Some("nl")));
    let rest = records.letters(issuing.batch, Some(id("c-1")), 9, NOW).await.expect("read");
    let versions: Vec<_> = first.iter().chain(&rest).map(|letter| letter.version).collect();
    assert_eq!(versions, [1, 1, 2, 1], "one letter each, the newest");
    assert_eq!(first[0].envelope, b"sealed c-0 1");
    let old = records.letters(issuing.batch, None, 9, issuing.expires).await.expect("read");
    assert!(old.is_empty(), "too old to print");
    records.printed(issuing.batch, 4, by("op")).await.expect("noted");
    records.printed(issuing.batch, 4, by("op")).await.expect("said twice");
    assert_eq!(records.unprinted().await.expect("read"), []);
    let (_, file) = look(&records, "c-0").await;
    assert_eq!(file.printed, Some(NOW));
    assert_eq!(told(&records, "letters_printed").await.len(), 1);
    let next = records.batch(vec![9; 4], NOW).await.expect("begun");
    assert!(next.id != issuing.batch && next.key == Some(vec![9; 4]));
}

async fn p14_x20_after_a_reset_nothing_of_the_old_pin_counts<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let issuing = issuing(&records, NOW).await;
    records.reset_pin(&id("c-1"), issuing.clone(), by("op")).await.expect("reset");
    let (account, file) = look(&records, "c-1").await;
    assert_eq!((account.initialized, account.enabled), (false, false), "No/No");
    assert!(records.sealed_pin(&id("c-1")).await.expect("read").is_none(), "the old PIN is gone");
    assert!(records.web_pin(&id("c-1")).await.expect("read").is_none() && !file.has_web_pin);
    assert!(file.hint.is_none() && file.registered.is_none());
    assert_eq!((file.reset, file.issued), (Some(NOW), Some(NOW)));
    let followed = records.activate("link-1", NOW).await.expect("answered");
    assert_eq!(followed, Err(LinkRefused::Void));
    assert_eq!(version(&records, "c-1", NOW).await, Some(2), "x20 the system issues the next one");
    records.reset_pin(&id("c-1"), issuing, by("op")).await.expect("reset again");
    assert!(!register(&records, "c-1", 2, "link-2").await, "the one before is void");
    assert!(register(&records, "c-1", 3, "link-3").await);
    let reset = told(&records, "pin_reset").await;
    assert_eq!(reset[0]["reason"], "rang and asked");
    assert_eq!(told(&records, "initial_pin_issued").await[0]["version"], 2);
}

async fn p15_an_initial_pin_registers_once_and_five_wrong_ones_spend_it<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = issued(open, folder, &["c-1", "c-2"]).await;
    assert_eq!(version(&records, "c-1", NOW).await, Some(1));
    assert_eq!(records.pin_file(&id("c-1")).await.expect("read").expect("one").initial_tries, 1);
    assert!(!register(&records, "c-1", 2, "link-0").await, "another one");
    assert!(register(&records, "c-1", 1, "link-1").await);
    let (account, file) = look(&records, "c-1").await;
    assert_eq!((account.initialized, account.enabled, account.has_pin()), (true, false, false));
    assert_eq!((file.registered, file.initial_tries), (Some(NOW), 0));
    assert_eq!(file.hint.as_ref().map(SecretText::expose), Some(HINT));
    assert_eq!(version(&records, "c-1", NOW).await, None, "good for registration only, once");
    assert!(!register(&records, "c-1", 1, "link-2").await);

    for _ in 0..INITIAL_TRIES {
        assert_eq!(version(&records, "c-2", NOW).await, Some(1));
    }
    assert_eq!(version(&records, "c-2", NOW).await, None, "spent");
    let (_, file) = look(&records, "c-2").await;
    assert_eq!((file.initial_tries, file.issued), (INITIAL_TRIES, Some(NOW)));
    assert_eq!(version(&records, "nobody", NOW).await, None);
    let issuing = issuing(&records, NOW).await;
    assert_eq!(generated(&records, &issuing).await.1, 1, "p04 a spent one is none");
    assert_eq!(version(&records, "c-2", NOW).await, Some(2));
    let later = Timestamp(issuing.expires.0);
    assert_eq!(version(&records, "c-2", later).await, None, "too old");
}

async fn p19_p20_p25_following_the_link_enables_the_pin_once<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = Arc::new(registered(open, folder).await);
    let link = records.link("link-1").await.expect("read").expect("kept");
    assert_eq!((link.customer, link.purpose), (id("c-1"), LinkPurpose::Activate));
    let mail = mails(&*records).await.remove(0);
    let expected = serde_json::json!({
        "template": "activate", "link": "link-1", "customer": "c-1", "language": null
    });
    assert_eq!(mail, expected);
    let later = Timestamp(NOW.0 + HOUR);
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let records = Arc::clone(&records);
        clicks.spawn(async move { records.activate("link-1", later).await.expect("answered") });
    }
    let mut followed = clicks.join_all().await;
    followed.sort_by_key(Result::is_err);
    assert_eq!(followed[0], Ok(id("c-1")));
    assert!(followed[1..].iter().all(|click| *click == Err(LinkRefused::Used)), "{followed:?}");
    let (account, file) = look(&*records, "c-1").await;
    assert!(account.initialized && account.has_pin());
    assert_eq!((file.registered, file.activated), (Some(NOW), Some(later)));
    assert_eq!(file.link.and_then(|link| link.used), Some(later));
    assert_eq!(told(&*records, "pin_activated").await.len(), 1);
    assert_eq!(told(&*records, "link_refused").await.len(), 7);
}

async fn p25_a_link_that_expired_or_is_void_or_unknown_enables_nothing<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let expired = Timestamp(NOW.0 + DAY);
    let follow = async |name: &str, now| records.activate(name, now).await.expect("answered");
    assert_eq!(follow("link-x", NOW).await, Err(LinkRefused::Unknown));
    assert_eq!(follow("link-1", expired).await, Err(LinkRefused::Expired));
    let anew = records.choose_anew("link-1", chosen(3, None), NOW).await.expect("answered");
    assert_eq!(anew, Err(LinkRefused::Unknown), "for another purpose it is none");
    let resent = link("link-2", LinkPurpose::Activate);
    assert!(records.mail_link(&id("c-1"), resent, by("op")).await.expect("mailed"));
    assert_eq!(follow("link-1", NOW).await, Err(LinkRefused::Void), "the newer one counts");
    let (account, file) = look(&records, "c-1").await;
    assert!(!account.enabled);
    assert_eq!(file.link.expect("the newest").id, "link-2");
    assert_eq!(follow("link-2", NOW).await, Ok(id("c-1")));
    let again = link("link-3", LinkPurpose::Activate);
    assert!(!records.mail_link(&id("c-1"), again, by("op")).await.expect("answered"), "is enabled");
    assert_eq!(mails(&records).await.len(), 2);
}

async fn p16_no_line_and_no_item_tells_a_hint_an_address_or_a_pin<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let talkative = By { reason: "knows 90 81 726 by heart".into(), ..by("op") };
    let other = Some(SecretText::new("two@example.org".into()));
    let issuing = issuing(&records, NOW).await;
    records.mailed("link-1", MailOutcome::Refused, NOW).await.expect("noted");
    records.set_email(&id("c-1"), other, talkative.clone()).await.expect("changed");
    records.reset_pin(&id("c-1"), issuing, talkative).await.expect("reset");
    let lines = records.audit_from(1, 1000).await.expect("read");
    let items = records.outbox_due(NOW, 1000).await.expect("read");
    let entries: Vec<_> = lines.iter().map(|line| &line.entry).collect();
    let shown = format!("{entries:?} {items:?} {:?}", records.pin_file(&id("c-1")).await);
    for secret in [HINT, "example.org", "9081726", "90 81", "argon2", "sealed", "verifier"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(audit::verify(Head::default(), lines).is_ok());
}

async fn p17_another_address_resets_the_pin_and_its_links<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    records.activate("link-1", NOW).await.expect("answered").expect("enabled");
    let forgot = link("link-2", LinkPurpose::Reset);
    assert!(records.mail_link(&id("c-1"), forgot, by("customer")).await.expect("mailed"));
    let to = async |address: Option<&str>| {
        let address = address.map(|address| SecretText::new(address.into()));
        records.set_email(&id("c-1"), address, by("op")).await.expect("changed");
        look(&records, "c-1").await
    };
    let (account, _) = to(Some("ONE@example.org")).await;
    assert!(account.enabled, "capitals are no other address");
    let (account, file) = to(Some("two@example.org")).await;
    assert_eq!((account.initialized, account.enabled), (false, false));
    assert!(records.sealed_pin(&id("c-1")).await.expect("read").is_none());
    assert_eq!((file.reset, file.issued), (Some(NOW), None), "it has no initial PIN yet");
    let used = records.choose_anew("link-2", chosen(3, None), NOW).await.expect("answered");
    assert_eq!(used, Err(LinkRefused::Void), "who has the old mailbox chooses nothing");
    let found = SecretText::new("Two@Example.org".into());
    assert_eq!(records.customers_with_email(&found, 9).await.expect("read"), [id("c-1")]);
    let gone = SecretText::new(ADDRESS.into());
    assert!(records.customers_with_email(&gone, 9).await.expect("read").is_empty());
    assert_eq!(told(&records, "pin_reset").await[0]["cause"], "email_changed");

    enrol(&records, "c-2").await;
    records.set_email(&id("c-2"), found.clone().into(), by("op")).await.expect("changed");
    assert!(!look(&records, "c-2").await.0.enabled, "a first address has to be proven too");
    enrol(&records, "c-2").await;
    records.set_email(&id("c-2"), Some(found), by("op")).await.expect("changed");
    enrol_with_address(&records, "c-2", "two@example.org").await;
    records.set_email(&id("c-2"), None, by("op")).await.expect("taken away");
    assert!(look(&records, "c-2").await.0.enabled, "nothing is left to validate");
}

async fn p17_an_imported_address_resets_unless_it_brings_a_pin<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    records.activate("link-1", NOW).await.expect("answered").expect("enabled");
    let import = async |address: Option<&str>, pin| {
        let email = address.map(|address| SecretText::new(address.into()));
        let row = Enrolment { pin, ..row(Customer { email, ..customer("c-1") }) };
        records.import(vec![row], NOW).await.expect("imported");
        look(&records, "c-1").await.0
    };
    assert!(import(Some(ADDRESS), None).await.enabled, "the same address");
    assert!(!import(Some("two@example.org"), None).await.initialized, "another one");
    assert!(records.sealed_pin(&id("c-1")).await.expect("read").is_none());
    let version = records.next_pin_version(&id("c-1")).await.expect("read");
    let account = import(Some("three@example.org"), Some(pin(version))).await;
    assert!(account.has_pin() && account.pin_version == version, "the PIN came with it");
    let next = pin(version + 1);
    assert!(import(Some("four@example.org"), Some(next)).await.has_pin());
    assert!(import(None, None).await.has_pin(), "nothing is left to validate");
    assert_eq!(told(&records, "pin_reset").await.len(), 1);
}

async fn p19_p22_the_three_causes_of_a_stuck_yes_no_are_told_apart<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let names = ["lost", "mistyped", "early"];
    let records = issued(open, folder, &names).await;
    for name in names {
        assert!(register(&records, name, 1, &format!("link-{name}")).await);
    }
    let later = Timestamp(NOW.0 + 5);
    records.mailed("link-lost", MailOutcome::Waiting, later).await.expect("noted");
    records.mailed("link-mistyped", MailOutcome::Refused, later).await.expect("noted");
    records.mailed("link-early", MailOutcome::Accepted, later).await.expect("noted");
    records.mailed("link-early", MailOutcome::Waiting, later).await.expect("noted");
    records.mailed("link-early", MailOutcome::Accepted, later).await.expect("noted");
    records.mailed("link-of-nobody", MailOutcome::Accepted, later).await.expect("nothing");
    records.tried_early(&id("early"), later).await.expect("noted");
    records.tried_early(&id("early"), Timestamp(NOW.0 + 9)).await.expect("the first one counts");
    let mut seen = vec![];
    for name in names {
        let (account, file) = look(&records, name).await;
        assert_eq!((account.initialized, account.enabled), (true, false), "p19");
        let link = file.link.expect("mailed");
        assert_eq!(link.mail_at, Some(later));
        seen.push((link.mail, file.tried_early));
    }
    let expected = [
        (MailOutcome::Waiting, None),
        (MailOutcome::Refused, None),
        (MailOutcome::Accepted, Some(later)),
    ];
    assert_eq!(seen, expected);
    for what in ["pin_mail_refused", "pin_mail_accepted", "pin_tried_early"] {
        assert_eq!(told(&records, what).await.len(), 1, "{what}");
    }
    records.activate("link-early", later).await.expect("answered").expect("enabled");
    records.tried_early(&id("early"), later).await.expect("nothing");
    assert_eq!(told(&records, "pin_tried_early").await.len(), 1, "it is enabled now");
}

async fn p18_p23_the_estate_is_counted_by_state_and_the_oldest_stuck_come_first<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let names = ["b", "done", "refused", "slow", "spent", "waits"];
    let records = issued(open, folder, &names).await;
    records.import(vec![row(customer("none"))], NOW).await.expect("imported");
    enrol(&records, "imported").await;
    for (name, after) in [("slow", 1), ("refused", 0), ("done", 0), ("b", 3 * HOUR)] {
        let now = Timestamp(NOW.0 + after);
        assert!(register_at(&records, name, 1, &format!("link-{name}"), now).await);
    }
    records.mailed("link-refused", MailOutcome::Refused, NOW).await.expect("noted");
    records.activate("link-done", NOW).await.expect("answered").expect("enabled");
    for _ in 0..INITIAL_TRIES {
        version(&records, "spent", NOW).await;
    }
    for nth in ["1", "2", "3"] {
        let call = format!("call-{nth}");
        let failed = (crate::records::conformance::call(&call), id("imported"));
        let rule = crate::records::conformance::RULE;
        let counted = records.call_result(&failed.0, &failed.1, CallResult::Failed, rule, NOW);
        let _ = counted.await.expect("counted");
    }
    records.repaired(&id("none"), by("import")).await.expect("repaired");
    let before = Timestamp(NOW.0 + HOUR);
    let estate = records.estate(NOW, before).await.expect("counted");
    assert_eq!((estate.total, estate.yes_no, estate.yes_yes), (8, 3, 2));
    assert_eq!((estate.without_initial, estate.waiting, estate.expired), (1, 1, 1));
    assert_eq!((estate.blocked, estate.reset_required, estate.no_yes_repaired), (1, 0, 1));
    assert_eq!((estate.stuck, estate.stuck_refused, estate.stuck_waiting), (2, 1, 1));
    let stuck = records.stuck(before, 10).await.expect("read");
    assert_eq!(stuck, [id("refused"), id("slow")], "p23 the oldest first");
    assert_eq!(records.stuck(before, 1).await.expect("read"), [id("refused")]);
    let old = records.estate(Timestamp(NOW.0 + 14 * DAY), NOW).await.expect("counted");
    assert_eq!((old.waiting, old.expired, old.stuck), (0, 2, 0), "p18 too old");
}

async fn p21_p24_x22_flags_that_cannot_be_are_repaired_by_a_reset_and_counted<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    enrol(&records, "c-2").await;
    assert_eq!(records.repaired(&id("c-1"), by("import")).await.expect("repaired"), 1);
    let (account, file) = look(&records, "c-1").await;
    assert_eq!((account.initialized, account.enabled, file.reset), (false, false, Some(NOW)));
    let second = records.repaired(&id("c-2"), by("import")).await.expect("repaired");
    assert_eq!(second, 2, "p24 the second one is an alert");
    assert_eq!(told(&records, "flags_repaired").await.len(), 2);
    let unknown = records.repaired(&id("c-9"), by("import")).await;
    assert!(matches!(unknown, Err(RecordsError::NoSuch(_))));
}

async fn x18_a_reset_link_lets_choose_anew_only_where_the_address_was_proven<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let reset = |name: &str| link(name, LinkPurpose::Reset);
    let mailed = records.mail_link(&id("c-1"), reset("reset-0"), by("customer")).await;
    assert!(!mailed.expect("answered"), "Yes/No: the address may be anybody's");
    records.activate("link-1", NOW).await.expect("answered").expect("enabled");
    let mailed = records.mail_link(&id("c-1"), reset("reset-1"), by("customer")).await;
    assert!(mailed.expect("mailed"));
    assert_eq!(mails(&records).await[1]["template"], "reset");
    let old = records.choose_anew("reset-1", chosen(1, None), NOW).await;
    assert!(old.is_err(), "sealed for a version that was");
    let version = records.next_pin_version(&id("c-1")).await.expect("read");
    let new = Chosen { hint: None, ..chosen(version, None) };
    let used = records.choose_anew("reset-1", new.clone(), NOW).await.expect("answered");
    assert_eq!(used, Ok(id("c-1")), "what failed before used nothing up");
    let (account, file) = look(&records, "c-1").await;
    assert!(account.has_pin() && account.pin_version == version && file.hint.is_none());
    assert_eq!(records.sealed_pin(&id("c-1")).await.expect("read"), Some(pin(version)));
    let again = records.choose_anew("reset-1", new, NOW).await.expect("answered");
    assert_eq!(again, Err(LinkRefused::Used));
    enrol(&records, "no-address").await;
    let mailed = records.mail_link(&id("no-address"), reset("reset-2"), by("customer")).await;
    assert!(!mailed.expect("answered"), "nowhere to mail it to");
    assert_eq!(told(&records, "pin_chosen_anew").await.len(), 1);
}

async fn x17_a_web_pin_is_kept_beside_the_voice_pin_under_the_same_flags<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let verifier = records.web_pin(&id("c-1")).await.expect("read");
    assert_eq!(verifier.as_deref(), Some("$argon2id$web"));
    assert_eq!(records.web_pin(&id("c-2")).await.expect("read"), None);
    let (account, file) = look(&records, "c-1").await;
    assert!(file.has_web_pin && account.initialized && !account.enabled);
    records.activate("link-1", NOW).await.expect("answered").expect("enabled");
    let reset = link("reset-1", LinkPurpose::Reset);
    assert!(records.mail_link(&id("c-1"), reset, by("customer")).await.expect("mailed"));
    let version = records.next_pin_version(&id("c-1")).await.expect("read");
    let anew = records.choose_anew("reset-1", chosen(version, None), NOW).await;
    anew.expect("answered").expect("chosen");
    let verifier = records.web_pin(&id("c-1")).await.expect("read");
    assert_eq!(verifier.as_deref(), Some("$argon2id$web"), "none was chosen: the old one stays");
}

async fn p29_an_unblock_waits_for_a_second_person_where_one_has_to_agree<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = enrolled(open, folder).await;
    let ask = async |second, who: &str, now| {
        let by = By { now, ..by(who) };
        records.ask_unblock(&id("c-1"), second, by).await.expect("answered")
    };
    let block = async |round: &str| {
        for nth in ["1", "2", "3"] {
            let _ = result(&records, &format!("call-{round}-{nth}"), CallResult::Failed).await;
        }
        assert!(look(&records, "c-1").await.0.blocked);
    };
    assert_eq!(ask(true, "ann", NOW).await, UnblockAsked::NotBlocked);
    block("a").await;
    assert_eq!(ask(true, "ann", NOW).await, UnblockAsked::Waiting("ann".into()));
    assert_eq!(ask(true, "ann", NOW).await, UnblockAsked::Waiting("ann".into()), "not twice");
    let (account, file) = look(&records, "c-1").await;
    assert!(account.blocked);
    assert_eq!(file.unblock_asked, Some(("ann".into(), NOW)));
    assert_eq!(ask(true, "bob", NOW).await, UnblockAsked::Unblocked);
    let (account, file) = look(&records, "c-1").await;
    assert!(!account.blocked && account.failed_calls == 0 && file.unblock_asked.is_none());
    block("b").await;
    assert_eq!(ask(false, "ann", NOW).await, UnblockAsked::Unblocked, "where one is enough");
    block("c").await;
    assert_eq!(ask(true, "ann", NOW).await, UnblockAsked::Waiting("ann".into()));
    let next_day = Timestamp(NOW.0 + DAY);
    let waits = ask(true, "bob", next_day).await;
    assert_eq!(waits, UnblockAsked::Waiting("bob".into()), "nobody's word lasts for ever");
    // An unblock by a call takes the word back that was given for this block.
    records.unblock(&id("c-1"), "call", "passed", None, next_day).await.map(drop).expect("lifted");
    block("d").await;
    assert_eq!(ask(true, "ann", next_day).await, UnblockAsked::Waiting("ann".into()));
    assert_eq!(told(&records, "unblock_asked").await.len(), 4);
}

async fn c56_a_security_reset_makes_initial_pin_links_hint_and_web_pin_void<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    let records = registered(open, folder).await;
    let reset = async |name: &str| {
        records.reset_security(&id(name), "agent", "asked", None, NOW).await.map(drop)
    };
    reset("c-1").await.expect("reset");
    let (account, file) = look(&records, "c-1").await;
    assert!(!account.initialized && file.hint.is_none() && !file.has_web_pin);
    assert_eq!(records.activate("link-1", NOW).await.expect("answered"), Err(LinkRefused::Void));
    assert_eq!(version(&records, "c-2", NOW).await, Some(1));
    reset("c-2").await.expect("reset");
    assert_eq!(version(&records, "c-2", NOW).await, None, "a letter on its way is void too");
    assert_eq!(look(&records, "c-2").await.1.issued, None);
    let issuing = issuing(&records, NOW).await;
    assert_eq!(generated(&records, &issuing).await.1, 2, "both need another");
    assert_eq!(version(&records, "c-2", NOW).await, Some(2));
}

async fn what_pin_maintenance_does_not_know_it_says<R: Records>(open: Open<R>, folder: &Path) {
    let records = open(folder).await.expect("opens");
    let nobody = id("nobody");
    let issuing = issuing(&records, NOW).await;
    assert_eq!(records.accounts().await.expect("counted"), 0);
    assert_eq!(generated(&records, &issuing).await, (0, 0));
    assert!(records.pin_file(&nobody).await.expect("read").is_none());
    assert!(records.link("none").await.expect("read").is_none());
    let unknown = [
        records.reset_pin(&nobody, issuing.clone(), by("op")).await.err(),
        records.set_email(&nobody, None, by("op")).await.err(),
        records.tried_early(&nobody, NOW).await.err(),
        records.ask_unblock(&nobody, false, by("op")).await.err(),
        records.mail_link(&nobody, link("l", LinkPurpose::Reset), by("op")).await.err(),
        records.close_batch(crate::records::pins::BatchId(99), NOW).await.err(),
    ];
    for error in unknown {
        assert!(matches!(error, Some(RecordsError::NoSuch(_))), "{error:?}");
    }
}

async fn p08_an_initial_pin_takes_less_than_a_kibibyte<R: Records>(open: Open<R>, folder: &Path) {
    const MANY: u64 = 10_000;
    let records = open(folder).await.expect("opens");
    let rows = (0..MANY).map(|n| row(customer(&format!("customer-{n:08}"))));
    records.import(rows.collect(), NOW).await.expect("imported");
    let size = || std::fs::metadata(folder.join("records.db")).expect("a file").len();
    drop(records);
    let (before, records) = (size(), open(folder).await.expect("opens again"));
    // As large as the real ones: a nonce, a tag, seven digits and a MAC.
    let sealer =
        |_: &CustomerId, _| Ok(SealedInitial { envelope: vec![1; 47], verifier: vec![2; 32] });
    let issuing = Issuing { sealer: Arc::new(sealer), ..issuing(&records, NOW).await };
    let (mut after, mut created) = (None, 0);
    loop {
        let step = records.issue_missing(issuing.clone(), after, 1000).await.expect("issued");
        created += step.created;
        let Some(last) = step.last else { break };
        after = Some(last);
    }
    assert_eq!(created, MANY);
    drop(records);
    let each = (size() - before) / MANY;
    assert!(each <= 1024, "{each} bytes an account");
}

async fn p01_a_destroyed_key_is_in_no_page_and_in_no_log<R: Records>(open: Open<R>, folder: &Path) {
    const KEY: [u8; 32] = *b"the key that a print run was und";
    let records = open(folder).await.expect("opens");
    let batch = records.batch(KEY.to_vec(), NOW).await.expect("begun").id;
    let found = || {
        let files = std::fs::read_dir(folder).expect("a folder").flatten();
        let bytes = files.flat_map(|file| std::fs::read(file.path()).expect("read"));
        bytes.collect::<Vec<u8>>().windows(KEY.len()).any(|window| window == KEY)
    };
    assert!(found(), "it is there until the letters are printed");
    records.printed(batch, 0, by("op")).await.expect("noted");
    assert!(!found(), "and nowhere afterwards, while the records are open");
}

async fn p04_two_nodes_that_generate_at_once_share_a_print_run_and_nobody_gets_two<R: Records>(
    open: Open<R>,
    folder: &Path,
) {
    const MANY: u64 = 300;
    let one = Arc::new(open(folder).await.expect("opens"));
    let other = Arc::new(open(folder).await.expect("opens"));
    let rows = (0..MANY).map(|n| row(customer(&format!("c-{n:03}"))));
    one.import(rows.collect(), NOW).await.expect("imported");
    let (first, second) = tokio::join!(one.batch(vec![1], NOW), other.batch(vec![2], NOW));
    assert_eq!(first.expect("begun"), second.expect("found"), "one print run, one key");
    let generate = async |node: Arc<R>| {
        let issuing = issuing(&*node, NOW).await;
        generated(&*node, &issuing).await.1
    };
    let (first, second) = tokio::join!(generate(Arc::clone(&one)), generate(Arc::clone(&other)));
    assert_eq!(first + second, MANY);
    let batch = one.batch(vec![3], NOW).await.expect("there").id;
    let letters = one.letters(batch, None, 1000, NOW).await.expect("read");
    assert_eq!(letters.len(), 300);
    for letter in letters {
        let own = format!("sealed {} 1", letter.customer);
        assert_eq!((letter.version, letter.envelope), (1, own.into_bytes()));
    }
    let lines = one.audit_from(1, 10_000).await.expect("read");
    assert!(audit::verify(Head::default(), lines).is_ok());
}

// --- tools ---

fn by(who: &str) -> By {
    By { actor: who.into(), reason: "rang and asked".into(), now: NOW }
}

fn link(name: &str, purpose: LinkPurpose) -> NewLink {
    NewLink { id: name.into(), purpose, expires: Timestamp(NOW.0 + DAY) }
}

fn chosen(version: u32, web_pin: Option<&str>) -> Chosen {
    let hint = Some(SecretText::new(HINT.into()));
    Chosen { pin: pin(version), web_pin: web_pin.map(Into::into), hint }
}

/// What a sealer makes of an account and a version, readable for these stories.
async fn issuing(records: &impl Records, now: Timestamp) -> Issuing {
    let batch = records.batch(vec![7; 4], now).await.expect("begun").id;
    let seal = |customer: &CustomerId, version| {
        let envelope = format!("sealed {customer} {version}").into_bytes();
        Ok(SealedInitial { envelope, verifier: format!("verifier {version}").into_bytes() })
    };
    let expires = Timestamp(now.0 + 14 * DAY);
    Issuing { batch, sealer: Arc::new(seal), expires, by: "op".into(), now }
}

/// A whole generation in small steps: examined, created.
async fn generated(records: &impl Records, issuing: &Issuing) -> (u64, u64) {
    let (mut after, mut all) = (None, (0, 0));
    loop {
        let step = records.issue_missing(issuing.clone(), after, 7).await.expect("issued");
        let Issued { examined, created, last } = step;
        all = (all.0 + examined, all.1 + created);
        if last.is_none() {
            return all;
        }
        after = last;
    }
}

/// Customers with an initial PIN.
async fn issued<R: Records>(open: Open<R>, folder: &Path, names: &[&str]) -> R {
    let records = open(folder).await.expect("opens");
    let rows = names.iter().map(|name| row(customer(name)));
    records.import(rows.collect(), NOW).await.expect("imported");
    let issuing = issuing(&records, NOW).await;
    generated(&records, &issuing).await;
    records
}

/// `c-1` registered with a hint and a web PIN, and was mailed `link-1`; `c-2` has a letter.
async fn registered<R: Records>(open: Open<R>, folder: &Path) -> R {
    let records = issued(open, folder, &["c-1", "c-2"]).await;
    assert!(register(&records, "c-1", 1, "link-1").await);
    records
}

async fn register(records: &impl Records, name: &str, initial: u32, mailed: &str) -> bool {
    register_at(records, name, initial, mailed, NOW).await
}

async fn register_at(
    records: &impl Records,
    name: &str,
    initial: u32,
    mailed: &str,
    now: Timestamp,
) -> bool {
    let version = records.next_pin_version(&id(name)).await.expect("read");
    let (chosen, address) =
        (chosen(version, Some("$argon2id$web")), SecretText::new(ADDRESS.into()));
    let link = link(mailed, LinkPurpose::Activate);
    let registered = records.register(&id(name), initial, chosen, address, link, now).await;
    registered.expect("answered")
}

async fn enrol_with_address(records: &impl Records, name: &str, address: &str) {
    let version = records.next_pin_version(&id(name)).await.expect("read");
    let email = Some(SecretText::new(address.into()));
    let customer = Customer { email, ..customer(name) };
    let row = Enrolment { pin: Some(pin(version)), ..row(customer) };
    records.import(vec![row], NOW).await.expect("imported");
}

/// The version of the living initial PIN, by a try.
async fn version(records: &impl Records, name: &str, now: Timestamp) -> Option<u32> {
    let tried = records.try_initial(&id(name), INITIAL_TRIES, now).await.expect("answered")?;
    assert_eq!(tried.verifier, format!("verifier {}", tried.version).into_bytes());
    Some(tried.version)
}

async fn look(records: &impl Records, name: &str) -> (Account, PinFile) {
    let account = records.account(&id(name)).await.expect("read").expect("there");
    (account, records.pin_file(&id(name)).await.expect("read").expect("there"))
}

/// The bodies of all audit lines of a kind.
async fn told(records: &impl Records, what: &str) -> Vec<serde_json::Value> {
    let lines = records.audit_from(1, 10_000).await.expect("read");
    let lines = lines.into_iter().filter(|line| line.entry.what == what);
    lines.map(|line| line.entry.body).collect()
}

/// The payloads of the mails on their way out.
async fn mails(records: &impl Records) -> Vec<serde_json::Value> {
    let later = Timestamp(NOW.0 + 365 * DAY);
    let items = records.outbox_due(later, 100).await.expect("read");
    let mails = items.into_iter().filter(|item| item.kind == ItemKind::Mail);
    mails.map(|item| item.payload).collect()
}
