//! Calls whose node is gone, and how another one goes on with them (D06).

use proptest::prelude::*;

use super::properties::any_input;
use super::properties::play;
use super::*;
use crate::call::adopt::Adoption;
use crate::call::adopt::OnRecord;
use crate::call::saved::Saved;
use crate::call::saved::SavedStage;
use crate::model::ids::AgentId;

impl Script {
    /// Everything that other nodes may know, as JSON.
    fn shared(&self) -> String {
        serde_json::to_string(&self.call.saved(self.now)).expect("JSON")
    }

    /// Another node goes on with the call: other clocks, and the records as they are.
    fn adopted(&self, on_record: OnRecord) -> (Self, Vec<Effect>) {
        let saved: Saved = serde_json::from_str(&self.shared()).expect("readable");
        let now = Now { up: Uptime(Duration::from_hours(9)), wall: self.now.wall };
        let by = "system".parse().expect("a name");
        let profile = Arc::clone(&self.call.facts.profile);
        let known = saved.customer.is_some().then(|| Box::new(known(Standing::Open)));
        let (call, effects) = Call::adopted(Adoption { saved, profile, known, on_record, by }, now);
        let done = told(&effects);
        (Self { call, now, done, recording: false }, effects)
    }

    fn goes_on(&self, on_record: OnRecord) -> Self {
        self.adopted(on_record).0
    }

    /// A call whose media its platform holds.
    fn held_by_its_platform() -> Self {
        let mut call = Self::arriving("retail", |delivered| delivered.collects = Collects::Anytime);
        call.looked_up(number()).does("audit call_classified, answer");
        call.established().does("draw account");
        call.drawn().does("play pin.position.2");
        call
    }
}

fn entries(entries: u8, last: Verdict) -> OnRecord {
    OnRecord { entries, last: Some(last), ..OnRecord::default() }
}

#[test]
fn d06_an_entry_in_progress_is_void_and_asked_again_where_the_platform_holds_the_caller() {
    let mut first = Script::held_by_its_platform();
    first.keys("5").does("play pin.position.6");
    let mut second = first.goes_on(OnRecord::default());
    second.does("draw account");
    assert_eq!(second.pin(), ("", 0, None), "nothing of the entry is left");
    second.drawn().does("play pin.position.2");
    second.keys("51").does("play pin.position.6; stop playing, reserve 1 of account");
}

#[test]
fn p4_d06_an_entry_on_disk_counts_even_where_the_saved_state_did_not_know_it() {
    let first = Script::held_by_its_platform();
    let mut second = first.goes_on(entries(1, Verdict::Wrong));
    second.does("draw account");
    second.drawn().does("play pin.position.2");
    second.keys("11").does("play pin.position.6; stop playing, reserve 2 of account (last)");

    let failed = OnRecord { failed: true, ..entries(2, Verdict::Wrong) };
    let mut third = first.goes_on(failed);
    third.does("play thanks");
    assert_eq!(third.pin(), ("", 0, Some(PinResult::Incorrect)));
    third.prompt_ended().does("hand over (REFER)");

    let mut passed = first.goes_on(entries(1, Verdict::Correct));
    passed.does("record Passed, play thanks");
    assert_eq!(passed.view().authentication, Authentication::InProgress);
    passed.recorded(Standing::Open).does("follow up marked");
    passed.shows(CallerClass::VerifiedNumber, Authentication::Authenticated);
}

#[test]
fn d06_a_caller_whose_media_ran_through_the_lost_node_is_gone_and_shown_so() {
    let mut second = Script::in_capture().goes_on(OnRecord::default());
    second.does("ended abandoned");
    let view = second.view();
    assert_eq!((view.media, view.authentication), ("ended", Authentication::NotAuthenticated));
    let said: Vec<_> = view.timeline.iter().map(|line| line.what.as_str()).collect();
    assert!(said.contains(&"the node that held the caller's media is gone"), "{said:?}");
    assert!(said.contains(&"call ended: temporary_failure"), "{said:?}");
    second.waits_until_deadline().does("release");
}

#[test]
fn d06_a_call_with_its_agent_goes_on_where_it_stood() {
    let mut first = Script::failed_pin();
    first.handed_over();
    first.asks("ann", Request::Claim);
    let key = first.view().questions.expect("questions").items[0].key.clone();
    first.asks("ann", Request::Mark { question: key.clone(), correct: true });
    let mut second = first.goes_on(OnRecord { failed: true, ..entries(2, Verdict::Wrong) });
    second.does("");
    let (before, mut after) = (first.view(), second.view());
    after.timeline.clone_from(&before.timeline);
    after.version = before.version;
    assert_eq!(before, after, "the same questions, ticks and actions");
    second.asks("bob", Request::Finish).does("refused not_yours");
    let left = second.call.deadline().expect("alive") - second.now.up;
    let left_before = first.call.deadline().expect("alive") - first.now.up;
    assert_eq!(left, left_before, "time left, not an instant");
}

#[test]
fn d06_a_verdict_on_its_way_to_disk_is_sent_again_and_told_after() {
    let mut first = Script::held_by_its_platform();
    first.keys("51");
    first.reserved();
    first.judged(Verdict::Correct);
    first.settled(Standing::Open, false).does("record Passed, play thanks");
    let mut second = first.goes_on(OnRecord { passed: true, ..entries(1, Verdict::Correct) });
    second.does("record Passed, hand over (REFER)");
    assert_eq!(second.view().authentication, Authentication::InProgress);
    second.recorded(Standing::Open).does("follow up marked");
    second.handed_over().does("");
    second.shows(CallerClass::VerifiedNumber, Authentication::Authenticated);
}

#[test]
fn d06_a_password_that_was_being_judged_is_said_again() {
    let mut first = Script::arriving("cmg", |delivered| delivered.collects = Collects::Anytime);
    first.looked_up(number());
    let saved = Saved {
        stage: SavedStage::HandedOver { left_ms: 1000 },
        authentication: Authentication::InProgress,
        password_said: true,
        password_due: false,
        ..first.call.saved(first.now)
    };
    let profile = Arc::clone(&first.call.facts.profile);
    let by = "system".parse().expect("a name");
    let known = Some(Box::new(known(Standing::Open)));
    let on_record = OnRecord::default();
    let adoption = Adoption { saved, profile, known, on_record, by };
    let (call, _) = Call::adopted(adoption, first.now);
    assert!(!call.facts.password_said);
}

#[test]
fn d06_a_customer_who_is_gone_meanwhile_is_not_checked() {
    let first = Script::held_by_its_platform();
    let saved = first.call.saved(first.now);
    let profile = Arc::clone(&first.call.facts.profile);
    let by = "system".parse().expect("a name");
    let on_record = OnRecord::default();
    let (call, _) =
        Call::adopted(Adoption { saved, profile, known: None, on_record, by }, first.now);
    assert_eq!(call.view().authentication, Authentication::SystemUnavailable);
}

/// Kept as it is for ever: every later release reads what this one wrote.
const FORMAT_1: &str = include_str!("../../../tests/data/saved-call-1.json");

#[test]
fn p19_d06_a_call_that_release_1_saved_can_be_gone_on_with() {
    let saved: Saved = serde_json::from_str(FORMAT_1).expect("readable for ever");
    assert_eq!(saved.format, 1);
    let now = Now { up: Uptime(Duration::from_secs(1)), wall: Timestamp(1_795_000_100_000) };
    let (known, by) = (Some(Box::new(known(Standing::Open))), "system".parse().expect("a name"));
    let (profile, on_record) = (profile("retail"), OnRecord::default());
    let (call, _) = Call::adopted(Adoption { saved, profile, known, on_record, by }, now);
    let view = call.view();
    assert_eq!(
        (view.media, view.agent.as_ref().map(AgentId::as_str)),
        ("handed_over", Some("ann"))
    );
    assert_eq!(view.questions.map(|asked| (asked.required, asked.correct)), Some((2, 1)));
}

proptest! {
    #[test]
    fn d06_whatever_happened_a_call_that_is_gone_on_with_ends_and_gives_nobody_a_third_entry(
        before in prop::collection::vec(any_input(), 0..60),
        after in prop::collection::vec(any_input(), 0..60),
        held in any::<bool>(),
    ) {
        let mut first = Script::arriving("retail", |delivered| {
            delivered.collects = if held { Collects::Anytime } else { Collects::WhileHeld };
        });
        let mut on_record = OnRecord::default();
        for choice in before {
            for effect in play(&mut first, choice) {
                match effect {
                    Effect::Reserve { .. } => on_record.entries += 1,
                    Effect::Settle { verdict, .. } => on_record.last = verdict,
                    _ => {}
                }
            }
        }
        let shared = first.shared();
        for secret in ["£42.10", "Ghent", "1,200"] {
            prop_assert!(!shared.contains(secret), "{}", shared);
        }
        let entries_before = on_record.entries;
        let (mut second, effects) = first.adopted(on_record);
        let reserved = |effects: &[Effect]| {
            effects.iter().filter(|effect| matches!(effect, Effect::Reserve { .. })).count()
        };
        let mut more = reserved(&effects);
        for choice in after {
            more += reserved(&play(&mut second, choice));
        }
        prop_assert!(usize::from(entries_before) + more <= 2);
        for _ in 0..40 {
            let Some(until) = second.call.deadline() else { break };
            second.now.up = until;
            let _ = second.call.step(Input::DeadlineReached, second.now);
        }
        prop_assert_eq!(second.call.deadline(), None, "still alive: {:?}", second.view());
    }
}
