//! Calls as scripts: what the caller, the stores and the agent do, and everything that comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::account::Standing;
use crate::call::Call;
use crate::call::effect::CallResult;
use crate::call::effect::Effect;
use crate::call::effect::Subject;
use crate::call::input::After;
use crate::call::input::CallEvent;
use crate::call::input::Delivered;
use crate::call::input::Down;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::input::IntentFound;
use crate::call::input::Judgement;
use crate::call::input::Known;
use crate::call::input::Lookup;
use crate::call::input::NumberMatch;
use crate::call::input::NumberOnFile;
use crate::call::input::Reply;
use crate::call::input::Ticket;
use crate::call::request::Asker;
use crate::call::request::Request;
use crate::call::view::CallView;
use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::auth::Verdict;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::customer::Role;
use crate::model::digits::Key;
use crate::model::digits::Positions;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::policy::BUILT_IN;
use crate::policy::Profile;

// --- the stories ---

#[test]
fn b04_b05_an_app_caller_is_passed_on_without_a_question() {
    let mut call = Script::delivered();
    call.looked_up(app()).does("audit call_classified, record Passed");
    call.shows(CallerClass::AppAuthenticated, Authentication::NotAuthenticated);
    call.recorded(Standing::Open).does("hand over (302)");
    call.shows(CallerClass::AppAuthenticated, Authentication::Authenticated);
    call.handed_over().does("");
    assert_eq!(call.view().media, "handed_over");
    assert!(call.view().questions.is_none() && call.view().pin.is_none());
}

#[test]
fn c33_digits_are_asked_one_at_a_time_and_the_result_comes_after_the_disk() {
    let mut call = Script::delivered();
    call.looked_up(number()).does("audit call_classified, answer");
    call.shows(CallerClass::VerifiedNumber, Authentication::PartiallyVerified);
    call.established().does("draw account");
    call.drawn().does("play pin.position.2");
    assert_eq!(
        call.pin(),
        ("2", 0, None),
        "c33: the second position is not told before the first digit"
    );
    call.keys("5").does("play pin.position.6");
    assert_eq!(call.pin(), ("2 6", 1, None));
    call.keys("1").does("stop playing, reserve 1 of account");
    call.reserved().does("judge account");
    call.judged(Verdict::Correct).does("settle Some(Correct)");
    assert_eq!(call.pin(), ("2 6", 2, None), "p3: not told before it is on disk");
    call.settled(Standing::Open, false).does("record Passed, play thanks");
    assert_eq!(call.pin(), ("2 6", 2, Some(PinResult::Correct)));
    call.recorded(Standing::Open).does("");
    call.shows(CallerClass::VerifiedNumber, Authentication::Authenticated);
    call.prompt_ended().does("hand over (REFER)");
    call.handed_over().does("");
}

#[test]
fn c34_x03_a_wrong_pair_is_asked_once_more_at_the_same_positions_and_then_the_questions_come() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.reserved().does("judge account");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Open, false).does("play pin.again");
    call.keys("9").does("");
    assert_eq!(call.pin(), ("", 0, None), "5.10: a key before the prompt is discarded");
    call.prompt_ended().does("play pin.position.2");
    call.keys("11").does("play pin.position.6; stop playing, reserve 2 of account (last)");
    call.reserved().does("judge account");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Open, true).does("play thanks");
    assert_eq!(call.pin(), ("2 6", 2, Some(PinResult::Incorrect)));
    call.prompt_ended().does("hand over (REFER)");
    call.handed_over().does("");
    let questions = call.view().questions.expect("the questions are due");
    assert_eq!((questions.required, questions.items.len()), (2, 3));
}

#[test]
fn a_failed_call_that_nobody_saves_ends_failed_and_hides_the_number() {
    let mut call = Script::failed_pin();
    call.hangs_up().does("ended failed");
    assert_eq!(call.view().authentication, Authentication::Failed);
    assert_eq!(call.view().ani_display, None, "c52");
}

#[test]
fn b07_two_of_three_right_answers_pass_and_one_does_not() {
    for (right, outcome, recorded) in [
        (1, Authentication::Failed, "Failed"),
        (2, Authentication::Authenticated, "Passed"),
        (3, Authentication::Authenticated, "Passed"),
    ] {
        let mut call = Script::failed_pin();
        call.asks("ann", Request::Claim).does("audit call_claimed, ok");
        let keys = ["last_transaction_amount", "place_of_birth", "main_balance"];
        for (index, key) in keys.into_iter().enumerate() {
            let mark =
                Request::Mark { question: key.parse().expect("a key"), correct: index < right };
            call.asks("ann", mark).does("audit question_marked, ok");
        }
        call.asks("ann", Request::Finish)
            .does(&format!("audit questions_finished, record {recorded}, ok"));
        assert_eq!(
            call.view().authentication,
            Authentication::InProgress,
            "p3: not before it is on disk"
        );
        call.recorded(Standing::Open).does("");
        assert_eq!(call.view().authentication, outcome);
        assert!(!call.view().actions.contains(&"mark"), "the check is over");
    }
}

#[test]
fn x11_an_answer_shows_only_after_the_look_is_on_record_and_only_to_its_agent() {
    let mut call = Script::failed_pin();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    let birth = || "place_of_birth".parse().expect("a key");
    assert_eq!(call.answers(), [None, None, None]);
    call.asks("bob", Request::Reveal(birth())).does("refused not_yours");
    call.asks("ann", Request::Reveal(birth())).does("audit reveal place_of_birth");
    assert_eq!(call.answers(), [None, None, None]);
    call.revealed("place_of_birth", "ann", Ok(())).does("ok");
    assert_eq!(call.answers(), [None, Some("Ghent".into()), None]);
    assert!(
        call.view()
            .for_watchers()
            .questions
            .expect("questions")
            .items
            .iter()
            .all(|item| item.answer.is_none())
    );
    call.asks("ann", Request::Release).does("audit call_released, ok");
    assert_eq!(call.answers(), [None, None, None]);
}

#[test]
fn what_the_caller_said_is_compared_without_case_and_spaces() {
    let mut call = Script::failed_pin();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    let said = |value: &str| Request::Answer {
        question: "place_of_birth".parse().expect("a key"),
        value: SecretText::new(value.into()),
    };
    call.asks("ann", said("  ghent ")).does("audit question_marked, ok");
    assert_eq!(call.view().questions.expect("questions").correct, 1);
    call.asks("ann", said("Bruges")).does("refused not_now");
    assert_eq!(call.view().questions.expect("questions").correct, 1, "nobody tries until it fits");
}

#[test]
fn an_unknown_caller_keys_a_number_and_a_stranger_is_asked_in_the_same_way() {
    let mut call = Script::delivered();
    call.looked_up(nobody()).does("audit call_classified, answer");
    call.established().does("play customer.number");
    call.keys("10").does("stop playing; ");
    call.keys("#").does("stop playing, look up keyed");
    call.keyed(None).does("draw stranger");
    call.drawn().does("play pin.position.2");
    for entry in ["1 of stranger", "2 of stranger (last)"] {
        call.keys("12").does(&format!("play pin.position.6; stop playing, reserve {entry}"));
        call.reserved().does("judge stranger");
        call.judged(Verdict::Wrong).does("settle Some(Wrong)");
        if entry.starts_with('1') {
            call.settled(Standing::Open, false).does("play pin.again");
            call.prompt_ended().does("play pin.position.2");
        }
    }
    call.settled(Standing::Open, false).does("play thanks");
    call.shows(CallerClass::Unverified, Authentication::Failed);
    assert!(call.view().questions.is_none(), "there is nobody to compare answers with");
}

#[test]
fn b11_a_known_customer_from_an_unknown_number_passes_with_pin_and_two_of_three() {
    let mut call = Script::delivered();
    call.looked_up(nobody()).does("audit call_classified, answer");
    call.established().does("play customer.number");
    call.keys("4711#").does("stop playing; ; ; ; stop playing, look up keyed");
    call.keyed(Some(known(Standing::Open))).does("draw account");
    call.drawn().does("play pin.position.2");
    call.keys("12").does("play pin.position.6; stop playing, reserve 1 of account");
    call.reserved().does("judge account");
    call.judged(Verdict::Correct).does("settle Some(Correct)");
    call.settled(Standing::Open, false).does("play thanks");
    let questions = call.view().questions.expect("the questions are due");
    assert_eq!((questions.required, questions.items.len()), (2, 3));
    call.shows(CallerClass::Unverified, Authentication::InProgress);
}

#[test]
fn c77_a_blocked_caller_hears_the_same_and_cannot_pass() {
    let mut call = Script::delivered();
    call.looked_up(Lookup {
        by_number: Ok(NumberMatch::One(known(Standing::Blocked))),
        intent: IntentFound::NotPresented,
    })
    .does("audit call_classified, answer");
    call.shows(CallerClass::VerifiedNumber, Authentication::Blocked);
    call.established().does("draw closed");
    call.drawn().does("play pin.position.2");
    call.keys("12").does("play pin.position.6; stop playing, reserve 1 of closed");
    call.reserved().does("judge closed");
    call.judged(Verdict::Correct).does("settle Some(Correct)");
    call.settled(Standing::Blocked, false).does("play thanks");
    call.shows(CallerClass::VerifiedNumber, Authentication::Blocked);
}

#[test]
fn c70_the_third_failed_call_shows_the_block() {
    let mut call = Script::failed_pin_with(Standing::Blocked);
    call.hangs_up().does("ended blocked");
}

#[test]
fn x02_the_sixth_wrong_entry_demands_a_reset_and_offers_no_question() {
    let mut call = Script::failed_pin_with(Standing::ResetRequired);
    assert_eq!(call.view().authentication, Authentication::ResetRequired);
    assert!(call.view().questions.is_none());
    call.hangs_up().does("ended reset_required");
}

#[test]
fn c51_a_failure_of_ours_counts_nothing_and_goes_on_to_an_agent() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.input(Input::Reserved(Err(Down))).does("play unavailable");
    call.shows(CallerClass::VerifiedNumber, Authentication::SystemUnavailable);
    call.prompt_ended().does("hand over (REFER)");

    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.reserved().does("judge account");
    call.input(Input::Judged(Judgement::Unavailable)).does("settle None");
    call.settled(Standing::Open, false).does("play unavailable");

    let mut call = Script::delivered();
    call.looked_up(Lookup { by_number: Err(Down), intent: IntentFound::NotPresented })
        .does("audit call_classified, hand over (302)");
    call.shows(CallerClass::Unverified, Authentication::SystemUnavailable);
}

#[test]
fn silence_is_asked_again_twice_and_then_the_caller_goes_to_an_agent_uncounted() {
    let mut call = Script::in_capture();
    for _ in 0..2 {
        call.prompt_ended().does("");
        call.waits_until_deadline().does("play pin.reprompt");
        call.prompt_ended().does("play pin.position.2");
    }
    call.prompt_ended().does("");
    call.waits_until_deadline().does("play thanks, record Abandoned");
    assert_eq!(call.pin().2, Some(PinResult::Abandoned));
}

#[test]
fn a_star_starts_the_digit_again_but_not_for_ever() {
    let mut call = Script::in_capture();
    call.keys("5").does("play pin.position.6");
    call.keys("**").does("play pin.position.6; play pin.position.6");
    call.keys("****").does("; ; ; ");
    assert_eq!(call.pin(), ("2 6", 1, None));
}

#[test]
fn a_reserved_attempt_is_settled_though_the_caller_left() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.hangs_up().does("");
    call.reserved().does("judge account");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Open, false).does("ended not_authenticated");

    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.waits_until_deadline().does("play unavailable");
    call.reserved().does("settle None");
}

#[test]
fn a_caller_who_leaves_early_is_abandoned_and_not_counted() {
    let mut call = Script::in_capture();
    call.hangs_up().does("ended abandoned, record Abandoned");
    assert_eq!(call.pin(), ("2", 0, Some(PinResult::Abandoned)));
    call.waits_until_deadline().does("release");
}

#[test]
fn a_refused_transfer_says_goodbye_and_clears() {
    let mut call = Script::failed_pin();
    call.input(Input::Event(CallEvent::HandedOver(HandOver::Done))).does("");
    let mut call = Script::in_capture();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    call.asks("ann", Request::CancelPin)
        .does("play thanks, record Abandoned, audit pin_cancelled, ok");
    call.prompt_ended().does("hand over (REFER)");
    call.input(Input::Event(CallEvent::HandedOver(HandOver::Refused(603)))).does("play goodbye");
    call.prompt_ended().does("clear 41, ended abandoned");
}

#[test]
fn wrap_up_closes_a_handed_over_call() {
    let mut call = Script::failed_pin();
    call.input(Input::Event(CallEvent::HandedOver(HandOver::Done))).does("");
    call.asks("ann", Request::WrapUp { outcome: "helped".into(), note: None })
        .does("refused not_now");
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    call.asks("ann", Request::WrapUp { outcome: "helped".into(), note: None })
        .does("audit call_wrapped_up, ended failed, release, ok");
    assert_eq!(call.call.deadline(), None);
    call.asks("ann", Request::Claim).does("refused no_such_call");
}

#[test]
fn a_key_during_i_did_not_hear_a_key_counts() {
    let mut call = Script::in_capture();
    call.prompt_ended().does("");
    call.waits_until_deadline().does("play pin.reprompt");
    call.keys("5").does("play pin.position.6");
    assert_eq!(call.pin(), ("2 6", 1, None));
}

#[test]
fn x01_asking_again_does_not_start_the_count_again() {
    let mut call = Script::in_capture();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.reserved().does("judge account");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Open, false).does("play pin.again");
    call.asks("ann", Request::CancelPin).does("play thanks, audit pin_cancelled, ok");
    call.asks("ann", Request::CollectPin).does("draw account, audit pin_asked_again, ok");
    call.drawn().does("play pin.position.2");
    call.keys("11").does("play pin.position.6; stop playing, reserve 2 of account (last)");
}

#[test]
fn an_account_that_another_call_blocked_meanwhile_cannot_pass_in_this_one() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.input(Input::Reserved(Ok(Ticket::Dummy))).does("judge closed");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Blocked, false).does("play pin.again");
    assert_eq!(call.view().authentication, Authentication::Blocked);
}

#[test]
fn a_question_without_an_answer_on_file_cannot_be_right() {
    let mut call = Script::failed_pin_of(Standing::Open, known_without_answers());
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    let question = || "main_balance".parse().expect("a key");
    call.asks("ann", Request::Mark { question: question(), correct: true }).does("refused not_now");
    call.asks("ann", Request::Mark { question: question(), correct: false })
        .does("audit question_marked, ok");
}

#[test]
fn a_full_node_lets_go_of_calls_that_nobody_works_on_and_of_no_others() {
    let mut call = Script::in_capture();
    call.input(Input::MakeRoom).does("");
    let mut call = Script::failed_pin();
    call.handed_over().does("");
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    call.input(Input::MakeRoom).does("");
    call.asks("ann", Request::Release).does("audit call_released, ok");
    call.input(Input::MakeRoom).does("ended failed, release");
}

#[test]
fn a_claim_after_the_end_gives_time_for_the_wrap_up() {
    let mut call = Script::failed_pin();
    call.hangs_up().does("ended failed");
    let before = call.call.deadline();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    assert!(call.call.deadline() > before);
}

// --- what holds for every call ---

fn any_input() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0u8..10, 1 => 10u8..37]
}

/// Whole steps rather than single inputs, so that random calls get deep.
fn play(script: &mut Script, choice: u8) -> Vec<Effect> {
    let input = match choice {
        0 => Input::LookedUp(Box::new(number())),
        1 => Input::Event(CallEvent::Established),
        2 => Input::Drawn(Positions::try_from((2, 6)).map_err(|_| Down)),
        3..=5 => Input::Event(CallEvent::DigitGenerated(Key::from_char('1').expect("a key"))),
        6 => Input::Reserved(Ok(Ticket::Attempt(1))),
        7 => Input::Judged(Judgement::Verdict(Verdict::Wrong)),
        8 => Input::Settled(Ok(After { standing: Standing::Open, call_failed: false })),
        9 | 10 => Input::Event(CallEvent::PromptEnded),
        11 => Input::LookedUp(Box::new(nobody())),
        12 => Input::LookedUp(Box::new(app())),
        13 => Input::Judged(Judgement::Verdict(Verdict::Correct)),
        14 => Input::ResultRecorded(Ok(After { standing: Standing::Open, call_failed: false })),
        15 => Input::ResultRecorded(Err(Down)),
        16 => Input::Reserved(Err(Down)),
        17 => Input::Settled(Err(Down)),
        18 => Input::KeyedLookedUp(Ok(None)),
        19 => Input::KeyedLookedUp(Ok(Some(known(Standing::Open)))),
        20 => Input::Event(CallEvent::HandedOver(HandOver::Done)),
        21 => Input::Event(CallEvent::HandedOver(HandOver::Refused(503))),
        22 => Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)),
        23 => Input::Event(CallEvent::DigitGenerated(Key::POUND)),
        24 => Input::Event(CallEvent::DigitGenerated(Key::STAR)),
        25 => Input::Judged(Judgement::Unavailable),
        26 => request("ann", Request::Claim),
        27 => request("ann", Request::Finish),
        28 => request("ann", Request::CancelPin),
        29 => request("ann", Request::CollectPin),
        30 => request(
            "ann",
            Request::Mark { question: "place_of_birth".parse().expect("a key"), correct: true },
        ),
        31 => request("ann", Request::Reveal("place_of_birth".parse().expect("a key"))),
        32 => request("ann", Request::WrapUp { outcome: "x".into(), note: None }),
        33 => request("ann", Request::Release),
        34 => Input::Drawn(Err(Down)),
        35 => Input::MakeRoom,
        _ => Input::DeadlineReached,
    };
    script.call.step(input, script.now)
}

proptest! {
    #[test]
    fn left_alone_every_call_ends(choices in prop::collection::vec(any_input(), 0..60)) {
        let mut script = Script::delivered();
        for choice in choices {
            let _ = play(&mut script, choice);
        }
        for _ in 0..30 {
            let Some(until) = script.call.deadline() else { break };
            script.now.up = until;
            let _ = script.call.step(Input::DeadlineReached, script.now);
        }
        prop_assert_eq!(script.call.deadline(), None, "still alive: {:?}", script.view());
    }

    #[test]
    fn p23_a_stop_ends_any_call_at_once(choices in prop::collection::vec(any_input(), 0..60)) {
        let mut script = Script::delivered();
        for choice in choices {
            let _ = play(&mut script, choice);
        }
        let _ = script.call.step(Input::Shutdown, script.now);
        prop_assert_eq!(script.call.deadline(), None);
    }

    #[test]
    fn every_reservation_is_settled_once_or_left_to_the_restart(choices in prop::collection::vec(any_input(), 0..80)) {
        let mut script = Script::delivered();
        let (mut granted, mut settled) = (0, 0);
        let mut count = |effects: &[Effect]| {
            settled += effects.iter().filter(|effect| matches!(effect, Effect::Settle { .. })).count();
            settled
        };
        for choice in choices {
            granted += usize::from(choice == 6);
            let effects = play(&mut script, choice);
            count(&effects);
        }
        script.now.up = script.now.up + Duration::from_secs(60);
        for _ in 0..30 {
            if script.call.deadline().is_none() { break }
            let effects = script.call.step(Input::DeadlineReached, script.now);
            count(&effects);
        }
        prop_assert_eq!(granted, count(&[]));
    }

    #[test]
    fn nobody_is_authenticated_before_a_pass_is_on_disk(choices in prop::collection::vec(any_input(), 0..80)) {
        let mut script = Script::delivered();
        let mut stored = false;
        for choice in choices {
            let pending = script.recording;
            stored |= choice == 14 && pending;
            for effect in play(&mut script, choice) {
                if let Effect::RecordResult { result: CallResult::Passed, .. } = effect {
                    script.recording = true;
                }
            }
            if script.view().authentication == Authentication::Authenticated {
                prop_assert!(stored);
            }
        }
    }

    #[test]
    fn at_most_two_entries_a_call(choices in prop::collection::vec(any_input(), 0..120)) {
        let mut script = Script::delivered();
        let mut entries = 0;
        for choice in choices {
            for effect in play(&mut script, choice) {
                entries += u8::from(matches!(effect, Effect::Reserve { .. }));
            }
        }
        prop_assert!(entries <= 2);
    }
}

// --- the tools ---

struct Script {
    call: Call,
    now: Now,
    done: String,
    recording: bool,
}

impl Script {
    fn delivered() -> Self {
        let delivered = Delivered {
            platform: "sip",
            platform_call_id: "a84b4c76e66710".parse().expect("an id"),
            caller: Caller { ani: "+442079460123".parse().ok(), ..Caller::default() },
            dnis: "+44800000000".into(),
            queue: "general".parse().expect("a queue"),
            queue_uri: "sip:queue@127.0.0.1".into(),
            intent: None,
            handed_over_max: Duration::from_secs(14_400),
        };
        let profile = Profile::parse(BUILT_IN[0].0, BUILT_IN[0].1).expect("sound");
        let now = Now { up: Uptime(Duration::from_secs(1)), wall: Timestamp(1_795_000_000_000) };
        let id = CallId::new(now.wall, [7; 10]);
        let (call, effects) = Call::offered(id, delivered, Arc::new(profile), now);
        let mut script = Self { call, now, done: String::new(), recording: false };
        script.done = told(&effects);
        script.does("look up");
        script
    }

    fn in_capture() -> Self {
        let mut call = Self::delivered();
        call.looked_up(number()).does("audit call_classified, answer");
        call.established().does("draw account");
        call.drawn().does("play pin.position.2");
        call
    }

    fn failed_pin() -> Self {
        Self::failed_pin_with(Standing::Open)
    }

    fn failed_pin_with(standing: Standing) -> Self {
        Self::failed_pin_of(standing, known(Standing::Open))
    }

    fn failed_pin_of(standing: Standing, known: Box<Known>) -> Self {
        let mut call = Self::delivered();
        let by_number = Ok(NumberMatch::One(known));
        call.looked_up(Lookup { by_number, intent: IntentFound::NotPresented })
            .does("audit call_classified, answer");
        call.established().does("draw account");
        call.drawn().does("play pin.position.2");
        for entry in 1..=2 {
            call.keys("11");
            call.reserved().does("judge account");
            call.judged(Verdict::Wrong).does("settle Some(Wrong)");
            if entry == 1 {
                call.settled(Standing::Open, false).does("play pin.again");
                call.prompt_ended().does("play pin.position.2");
            }
        }
        call.settled(standing, true).does("play thanks");
        call.prompt_ended().does("hand over (REFER)");
        call
    }

    fn input(&mut self, input: Input) -> &mut Self {
        let effects = self.call.step(input, self.now);
        if !self.done.is_empty() {
            self.done.push_str("; ");
        }
        self.done = told(&effects);
        self
    }

    fn looked_up(&mut self, found: Lookup) -> &mut Self {
        self.input(Input::LookedUp(Box::new(found)))
    }

    fn established(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::Established))
    }

    fn drawn(&mut self) -> &mut Self {
        self.input(Input::Drawn(Positions::try_from((2, 6)).map_err(|_| Down)))
    }

    fn keyed(&mut self, known: Option<Box<Known>>) -> &mut Self {
        self.input(Input::KeyedLookedUp(Ok(known)))
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        let mut all = vec![];
        for key in keys.chars() {
            self.input(Input::Event(CallEvent::DigitGenerated(
                Key::from_char(key).expect("a key"),
            )));
            all.push(std::mem::take(&mut self.done));
        }
        self.done = all.join("; ");
        self
    }

    fn reserved(&mut self) -> &mut Self {
        self.input(Input::Reserved(Ok(Ticket::Attempt(1))))
    }

    fn judged(&mut self, verdict: Verdict) -> &mut Self {
        self.input(Input::Judged(Judgement::Verdict(verdict)))
    }

    fn settled(&mut self, standing: Standing, call_failed: bool) -> &mut Self {
        self.input(Input::Settled(Ok(After { standing, call_failed })))
    }

    fn recorded(&mut self, standing: Standing) -> &mut Self {
        self.input(Input::ResultRecorded(Ok(After { standing, call_failed: false })))
    }

    fn revealed(&mut self, question: &str, by: &str, audited: Result<(), Down>) -> &mut Self {
        let (question, by) = (question.parse().expect("a key"), by.parse().expect("an agent"));
        self.input(Input::Revealed { question, by, reply: Reply(1), audited })
    }

    fn prompt_ended(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::PromptEnded))
    }

    fn handed_over(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::HandedOver(HandOver::Done)))
    }

    fn hangs_up(&mut self) -> &mut Self {
        self.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)))
    }

    fn asks(&mut self, agent: &str, what: Request) -> &mut Self {
        self.input(request(agent, what))
    }

    fn waits_until_deadline(&mut self) -> &mut Self {
        self.now.up = self.call.deadline().expect("alive");
        self.input(Input::DeadlineReached)
    }

    #[track_caller]
    fn does(&mut self, expected: &str) {
        assert_eq!(std::mem::take(&mut self.done), expected);
    }

    #[track_caller]
    fn shows(&self, class: CallerClass, authentication: Authentication) {
        let view = self.view();
        assert_eq!((view.class, view.authentication), (Some(class), authentication));
    }

    fn view(&self) -> CallView {
        self.call.view()
    }

    fn answers(&self) -> Vec<Option<String>> {
        let questions = self.view().questions.expect("questions");
        questions.items.into_iter().map(|item| item.answer).collect()
    }

    /// Positions asked, keys entered, result.
    fn pin(&self) -> (&'static str, u8, Option<PinResult>) {
        let pin = self.view().pin.expect("positions were asked");
        let positions: Vec<_> = pin.positions.iter().map(|position| position.number()).collect();
        let positions = match positions.as_slice() {
            [] => "",
            [2] => "2",
            [2, 6] => "2 6",
            _ => "others",
        };
        (positions, pin.entered, pin.result)
    }
}

fn request(agent: &str, request: Request) -> Input {
    let asker = Asker { agent: agent.parse().expect("an agent"), supervisor: false };
    Input::Request { asker, request, reply: Reply(1) }
}

fn known(standing: Standing) -> Box<Known> {
    let facts = [
        ("last_transaction_amount", "£42.10"),
        ("place_of_birth", "Ghent"),
        ("main_balance", "£1,200"),
    ];
    let answers: BTreeMap<_, _> = facts
        .into_iter()
        .map(|(key, answer)| (key.parse().expect("a key"), SecretText::new(answer.into())))
        .collect();
    Box::new(Known {
        id: "c-1".parse().expect("an id"),
        name: "Customer One".into(),
        role: Role::Client,
        flags: vec![],
        standing,
        has_pin: true,
        number: NumberOnFile::Undated,
        answers,
    })
}

fn known_without_answers() -> Box<Known> {
    Box::new(Known { answers: BTreeMap::new(), ..*known(Standing::Open) })
}

fn number() -> Lookup {
    Lookup {
        by_number: Ok(NumberMatch::One(known(Standing::Open))),
        intent: IntentFound::NotPresented,
    }
}

fn nobody() -> Lookup {
    Lookup { by_number: Ok(NumberMatch::Nobody), intent: IntentFound::NotPresented }
}

fn app() -> Lookup {
    let intent = IntentFound::Good {
        customer: Some(known(Standing::Open)),
        number_agrees: true,
        dnis_agrees: true,
    };
    Lookup { by_number: Ok(NumberMatch::One(known(Standing::Open))), intent }
}

/// Effects in words, without the published states.
fn told(effects: &[Effect]) -> String {
    let subject = |subject: &Subject| match subject {
        Subject::Account(_) => "account",
        Subject::Closed(_) => "closed",
        Subject::Stranger(_) => "stranger",
    };
    let words = effects.iter().filter_map(|effect| {
        Some(match effect {
            Effect::Publish(_) => return None,
            Effect::LookUp { .. } => "look up".into(),
            Effect::LookUpKeyed(_) => "look up keyed".into(),
            Effect::Answer => "answer".into(),
            Effect::Play(prompt) => format!("play {}", prompt.id()),
            Effect::StopPlaying => "stop playing".into(),
            Effect::Draw(whose) => format!("draw {}", subject(whose)),
            Effect::Reserve { subject: whose, entry, last, .. } => {
                format!(
                    "reserve {entry} of {}{}",
                    subject(whose),
                    if *last { " (last)" } else { "" }
                )
            }
            Effect::Judge { subject: whose, .. } => format!("judge {}", subject(whose)),
            Effect::Settle { verdict, .. } => format!("settle {verdict:?}"),
            Effect::RecordResult { result, .. } => format!("record {result:?}"),
            Effect::JudgePassword { .. } => "judge password".into(),
            Effect::AuditReveal { question, .. } => format!("audit reveal {question}"),
            Effect::Audit { what, .. } => format!("audit {what}"),
            Effect::HandOver { answered, .. } => {
                format!("hand over ({})", if *answered { "REFER" } else { "302" })
            }
            Effect::Clear(cause) => format!("clear {}", cause.0),
            Effect::Answered(_, Ok(())) => "ok".into(),
            Effect::Answered(_, Err(refusal)) => format!("refused {}", refusal.code()),
            Effect::Ended(ended) => format!("ended {}", ended.outcome),
            Effect::Release(_) => "release".into(),
        })
    });
    words.collect::<Vec<_>>().join(", ")
}
