//! The stories.

use super::*;

#[test]
fn b04_b05_b18_an_app_caller_is_passed_on_without_a_question() {
    let mut call = Script::delivered();
    call.looked_up(app()).does("audit call_classified, record Passed");
    call.shows(CallerClass::AppAuthenticated, Authentication::NotAuthenticated);
    call.recorded(Standing::Open).does("follow up marked, hand over (302)");
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
    call.recorded(Standing::Open).does("follow up marked");
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
fn c52_a_failed_call_that_nobody_saves_ends_failed_and_hides_the_number() {
    let mut call = Script::failed_pin();
    call.hangs_up().does("follow up party_ended, ended failed");
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
        call.recorded(Standing::Open).does("follow up marked");
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
fn x15_what_the_caller_said_is_compared_without_case_and_spaces() {
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
        by_number: Ok(NumberMatch::One(Box::new(known(Standing::Blocked)))),
        intent: IntentFound::NotPresented,
        alarm: None,
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
    call.looked_up(Lookup { by_number: Err(Down), intent: IntentFound::NotPresented, alarm: None })
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
        .does("audit call_wrapped_up, follow up party_ended, ended failed, release, ok");
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
fn c77_an_account_that_another_call_blocked_meanwhile_cannot_pass_in_this_one() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.input(Input::Reserved(Ok(Ticket::Dummy))).does("judge closed");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Blocked, false).does("play pin.again");
    assert_eq!(call.view().authentication, Authentication::Blocked);
}

#[test]
fn b08_a_fixed_set_is_asked_as_it_stands_and_what_is_not_on_file_cannot_be_right() {
    let mut call = Script::failed_pin_of(Standing::Open, known_without_answers());
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    let question = || "main_balance".parse().expect("a key");
    call.asks("ann", Request::Mark { question: question(), correct: true })
        .does("refused nothing_on_file");
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
    call.input(Input::MakeRoom).does("follow up party_ended, ended failed, release");
}

#[test]
fn a_claim_after_the_end_gives_time_for_the_wrap_up() {
    let mut call = Script::failed_pin();
    call.hangs_up().does("follow up party_ended, ended failed");
    let before = call.call.deadline();
    call.asks("ann", Request::Claim).does("audit call_claimed, ok");
    assert!(call.call.deadline() > before);
}
