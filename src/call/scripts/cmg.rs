//! The child-maintenance check as stories: the table, inbound and outbound, and what each row leaves behind.

use super::house::*;
use super::*;
use crate::call::facts::QuestionKind;
use crate::follow_up::Factor;
use crate::follow_up::Occasion;
use crate::model::party::PartyRole;
use crate::outbound::Purpose;
use crate::policy::table::Route;

/// One row of the table (requirements §2): PIN, password, question, whether an extra question was used before.
type Row = (bool, bool, Option<bool>, bool);

fn pin(right: bool) -> &'static str {
    if right { PIN } else { WRONG }
}

/// Plays a row, inbound or outbound, and looks at what came out and what is kept.
#[track_caller]
fn plays(row: Row, direction: Direction, outcome: Authentication) {
    let (right_pin, password, question, noted) = row;
    let mut house = House::under("cmg");
    house.one().account.compensated = noted;
    let mut call = match direction {
        Direction::Inbound => house.rings(pin(right_pin)),
        Direction::Outbound => {
            let mut call = house.calls(Purpose::Contact, pin(right_pin));
            call.proves_by_letter();
            call.does(party(PartyRole::Client));
            call.does(Request::CollectPin);
            call
        }
    };
    if direction == Direction::Inbound {
        call.with_client();
    }
    call.says_password(password);
    match question {
        None => assert!(
            call.view().questions.is_none_or(|asked| asked.kind == QuestionKind::CallBack),
            "{row:?}: no question of the check is asked"
        ),
        Some(right) => {
            let asked = call.view().questions.expect("a question is due");
            assert_eq!(asked.kind, QuestionKind::Check, "{row:?}");
            assert_eq!(call.is(), Authentication::InProgress, "{row:?}");
            call.answers(if right { 9 } else { 0 });
        }
    }
    assert_eq!(call.is(), outcome, "{row:?} {direction:?}");
    let used = outcome == Authentication::Authenticated && question == Some(true);
    let expected = used.then_some(if right_pin { Factor::Password } else { Factor::Pin });
    let factor = call.follow_ups.iter().find_map(|occasion| match occasion {
        Occasion::CompensatedPass { failed_factor } => Some(*failed_factor),
        _ => None,
    });
    assert_eq!(factor, expected, "{row:?}: the flag is kept with the factor that failed");
    let recovery = call.view().questions.is_some_and(|asked| asked.kind == QuestionKind::CallBack);
    if outcome == Authentication::Failed {
        assert_eq!(recovery, direction == Direction::Outbound, "{row:?}: step 8 or step 13");
        assert_eq!(call.can("offer_callback"), direction == Direction::Inbound, "{row:?}");
    }
    drop(call);
    assert_eq!(house.one().account.compensated, noted || used, "{row:?}");
}

const PASSED: Authentication = Authentication::Authenticated;
const FAILED: Authentication = Authentication::Failed;
const RESET: Authentication = Authentication::ResetRequired;

#[test]
fn c35_c12_pin_and_password_pass() {
    plays((true, true, None, false), Direction::Inbound, PASSED);
    plays((true, true, None, true), Direction::Inbound, PASSED);
}

#[test]
fn c36_c41_a_wrong_password_is_made_good_by_a_question() {
    plays((true, false, Some(true), false), Direction::Inbound, PASSED);
}

#[test]
fn c37_a_wrong_password_and_a_wrong_answer_fail() {
    plays((true, false, Some(false), false), Direction::Inbound, FAILED);
}

#[test]
fn c38_c41_a_wrong_pin_is_made_good_by_a_question() {
    plays((false, true, Some(true), false), Direction::Inbound, PASSED);
}

#[test]
fn c39_a_wrong_pin_and_a_wrong_answer_fail() {
    plays((false, true, Some(false), false), Direction::Inbound, FAILED);
}

#[test]
fn c40_a_wrong_pin_and_a_wrong_password_fail_without_a_question() {
    plays((false, false, None, false), Direction::Inbound, FAILED);
    plays((false, false, None, true), Direction::Inbound, FAILED);
}

#[test]
fn c44_c45_x04_a_noted_account_with_one_wrong_factor_is_reset_whenever_that_happens() {
    for _ in 0..2 {
        plays((true, false, None, true), Direction::Inbound, RESET);
        plays((false, true, None, true), Direction::Inbound, RESET);
    }
}

#[test]
fn c59_outbound_pin_and_password_pass() {
    plays((true, true, None, false), Direction::Outbound, PASSED);
}

#[test]
fn c60_outbound_a_wrong_password_is_made_good_by_a_question() {
    plays((true, false, Some(true), false), Direction::Outbound, PASSED);
}

#[test]
fn c61_outbound_a_wrong_password_and_a_wrong_answer_fail() {
    plays((true, false, Some(false), false), Direction::Outbound, FAILED);
}

#[test]
fn c62_outbound_a_wrong_pin_is_made_good_by_a_question() {
    plays((false, true, Some(true), false), Direction::Outbound, PASSED);
}

#[test]
fn c63_outbound_a_wrong_pin_and_a_wrong_answer_fail() {
    plays((false, true, Some(false), false), Direction::Outbound, FAILED);
}

#[test]
fn c64_x04_outbound_both_wrong_fail_and_a_noted_account_is_reset() {
    plays((false, false, None, false), Direction::Outbound, FAILED);
    plays((true, false, None, true), Direction::Outbound, RESET);
    plays((false, true, None, true), Direction::Outbound, RESET);
}

#[test]
fn c33_c34_c58_digits_come_one_at_a_time_and_twice_before_anything_else() {
    let mut house = House::under("cmg");
    let once = ["pin.position.", "pin.position."];
    for direction in [Direction::Inbound, Direction::Outbound] {
        let call = match direction {
            Direction::Inbound => house.rings(WRONG),
            Direction::Outbound => {
                let mut call = house.calls(Purpose::Contact, WRONG);
                call.proves_by_letter();
                call.does(party(PartyRole::Client));
                assert!(!call.can("password"), "c34: not before the PIN");
                call.does(Request::CollectPin);
                call
            }
        };
        let pins: Vec<_> = call.heard.iter().filter(|heard| heard.starts_with("pin")).collect();
        assert_eq!(pins.len(), 5, "{pins:?}");
        assert!(
            pins[0].starts_with(once[0]) && pins[1].starts_with(once[1]) && *pins[2] == "pin.again"
        );
        assert_eq!((pins[0], pins[1]), (pins[3], pins[4]), "x03: the same positions");
        for view in &call.shown {
            let Some(pin) = &view.pin else { continue };
            assert!(
                pin.positions.len() <= usize::from(pin.entered) + 1,
                "c33: one digit, one position"
            );
        }
    }
}

#[test]
fn c11_c82_nothing_is_asked_and_nobody_passes_before_the_role_is_set() {
    let mut house = House::under("cmg");
    let mut call = house.rings(PIN);
    call.does(Request::Claim);
    assert_eq!(call.asks(Request::Password(SecretText::new(PASSWORD.into()))), "not_now");
    assert_eq!(call.asks(Request::Finish), "not_now");
    assert!(call.view().questions.is_none() && !call.can("answer") && !call.can("password"));
    assert_ne!(call.is(), PASSED);
    assert_eq!(call.view().primary, Some("set_party"));
    call.does(party(PartyRole::Client));
    call.says_password(true);
    assert_eq!(call.is(), PASSED);
    let view = call.view();
    assert!(view.customer.is_some() && view.party.is_some(), "identity and role");
}

#[test]
fn c23_c24_one_panel_shows_the_caller_two_positions_the_password_and_two_questions() {
    let mut house = House::under("cmg");
    let mut call = house.rings(PIN);
    call.with_client();
    let view = call.view();
    assert_eq!(view.customer.expect("the caller").id, customer(ONE));
    let positions = view.pin.expect("PIN").positions;
    assert!(positions.len() == 2 && positions[0] != positions[1]);
    assert!(view.password.expect("a field").needed);
    call.says_password(false);
    let asked = call.asked();
    assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
}

#[test]
fn c26_to_c32_x10_no_frame_holds_a_digit_an_answer_or_a_number_before_or_after_the_pass() {
    let mut house = House::under("cmg");
    for (right, answers) in [(false, 9), (false, 0)] {
        let mut call = house.rings(pin(right));
        call.with_client();
        call.says_password(true);
        call.answers(answers);
        let frames = call.frames();
        for (key, answer) in FACTS {
            assert!(key == "scin" || !frames.contains(answer), "{key} is in a frame");
        }
        for secret in [PIN, WRONG, PASSWORD, "+442079460123", "020 7946"] {
            assert!(!frames.contains(secret));
        }
        house = House::under("cmg");
    }
}

#[test]
fn c43_the_reminder_is_shown_once_and_acknowledged() {
    let mut house = House::under("cmg");
    let mut call = house.rings(WRONG);
    call.with_client();
    call.says_password(true);
    call.answers(9);
    assert!(call.view().reminder.is_some() && call.can("acknowledge"));
    call.does(Request::Acknowledge);
    assert!(call.view().reminder.is_none());
    assert_eq!(call.asks(Request::Acknowledge), "not_now");
    assert!(call.audit.iter().any(|(what, _)| *what == "reminder_acknowledged"));
}

#[test]
fn c46_x20_a_reset_clears_the_note_and_one_more_compensated_pass_is_possible() {
    let mut house = House::under("cmg");
    house.one().account.compensated = true;
    let mut call = house.rings(PIN);
    call.with_client();
    call.says_password(true);
    call.does(Request::ResetSecurity { reason: "asked for".into() });
    assert!(call.view().enrolment_required);
    drop(call);
    assert!(!house.one().account.compensated && !house.one().account.has_pin());
    let mut call = house.rings(PIN);
    call.with_client();
    call.says_password(true);
    assert_eq!(call.is(), Authentication::InProgress, "x20: the old PIN fails at once");
    call.answers(9);
    assert_eq!(call.recorded, [CallResult::PassedCompensated]);
}

#[test]
fn c47_c52_a_failure_says_neither_what_was_wrong_nor_any_digit_of_the_number() {
    let mut messages = vec![];
    for (right_pin, password, question) in
        [(true, false, true), (false, true, true), (false, false, false)]
    {
        let mut house = House::under("cmg");
        let mut call = house.rings(pin(right_pin));
        call.with_client();
        call.says_password(password);
        if question {
            call.answers(0);
        }
        assert_eq!(call.is(), FAILED);
        let view = call.view();
        assert_eq!(view.ani_display, None);
        let text = serde_json::to_string(&view).expect("a view is JSON");
        assert!(!text.contains("0123"), "c52: {text}");
        messages.push(view.message.expect("a sentence"));
    }
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
}

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(ToString::to_string).collect()
}

#[test]
fn c17_default_details_and_any_trigger_alone_lead_to_the_transitional_route() {
    let house = House::under("cmg");
    let transition = house.profile.transition.clone().expect("a rule");
    assert!(transition.triggers.len() >= 3, "{:?}", transition.triggers);
    let default = transition.details_default_flag.as_str();
    for trigger in &transition.triggers {
        let route = house.profile.route(&flags(&[default, trigger]));
        assert_eq!(route, Route::Transitional, "{trigger}");
        assert_eq!(house.profile.route(&flags(&[trigger])), Route::Standard, "{trigger}");
    }
    assert_eq!(house.profile.route(&flags(&[default])), Route::Standard);
}

fn transitional(house: &mut House, more: &[&str]) {
    let transition = house.profile.transition.clone().expect("a rule");
    let trigger = transition.triggers.first().expect("a trigger").clone();
    let one = house.one();
    one.account = crate::account::Account::default();
    one.known.flags = flags(more);
    one.known.flags.extend([transition.details_default_flag, trigger]);
}

#[test]
fn c19_c20_c21_x23_three_of_the_transitional_questions_pass_and_security_is_set_up() {
    for (right, outcome) in [(2, FAILED), (3, PASSED)] {
        let mut house = House::under("cmg");
        transitional(&mut house, &[]);
        let mut call = house.rings("1234567");
        assert_ne!(call.is(), PASSED, "c18: the default PIN is nobody's");
        call.with_client();
        let questions = call.view().questions.expect("questions are due");
        assert_eq!((questions.kind, questions.required), (QuestionKind::Transitional, 3));
        let mut asked = call.asked();
        asked.sort();
        let four = ["date_of_birth", "nino", "postcode", "qc_date_of_birth"];
        assert!(asked.iter().all(|key| four.contains(&key.as_str())), "x23: no SCIN: {asked:?}");
        call.answers(right);
        assert_eq!(call.is(), outcome, "{right} right");
        assert_eq!(call.view().enrolment_required, outcome == PASSED, "c21");
    }
}

#[test]
fn c21_a_pass_without_enrolment_ends_with_a_coded_deferral() {
    let mut house = House::under("cmg");
    transitional(&mut house, &[]);
    let mut call = house.rings("1234567");
    call.with_client();
    call.answers(9);
    call.does(Request::WrapUp { outcome: "no_time".into(), note: None });
    let deferred = Occasion::EnrolmentDeferred { code: "no_time".into() };
    assert!(call.follow_ups.contains(&deferred));
}

#[test]
fn c18_the_default_pin_passes_nowhere() {
    for profile in ["cmg", "retail"] {
        let mut house = House::under(profile);
        house.one().account = crate::account::Account::default();
        house.one().known.flags = flags(&["apply_defaults"]);
        house.one().pin = "1234567";
        let call = house.rings("1234567");
        assert_eq!(call.view().pin.expect("asked like anybody").result, Some(PinResult::Incorrect));
    }
}

#[test]
fn c22_c25_an_arrears_case_is_never_asked_for_the_childs_birth_and_nobody_for_memorable_data() {
    for seed in 0..200 {
        for route in [Route::Standard, Route::Transitional] {
            let mut house = House::under("cmg");
            if route == Route::Transitional {
                transitional(&mut house, &["arrears_only"]);
            } else {
                house.one().known.flags = flags(&["arrears_only"]);
            }
            house.one().account.round = seed;
            let mut call = house.rings(WRONG);
            call.with_client();
            if route == Route::Standard {
                call.says_password(true);
            }
            let asked = call.asked();
            assert!(!asked.is_empty());
            assert!(
                !asked.iter().any(|key| key == "qc_date_of_birth" || key.contains("memorable"))
            );
        }
    }
}

#[test]
fn c77_x26_a_blocked_account_is_asked_alike_and_can_pass_with_nothing() {
    let mut house = House::under("cmg");
    let mut open = house.rings(WRONG);
    open.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)));
    let heard = open.heard.clone();
    drop(open);
    house.one().account.blocked = true;
    let mut call = house.rings(PIN);
    assert_eq!(call.heard.len(), heard.len(), "the same prompts as after a wrong PIN");
    assert!(call.subjects.iter().all(|subject| !matches!(subject, Subject::Account(_))));
    assert_eq!(call.is(), Authentication::Blocked);
    call.does(Request::Claim);
    for request in [party(PartyRole::Client), Request::Finish, Request::CollectPin] {
        assert_eq!(call.asks(request), "not_now");
    }
    assert_eq!(call.asks(Request::Password(SecretText::new(PASSWORD.into()))), "not_now");
    assert_eq!(call.recorded, []);
}

#[test]
fn x09_the_address_is_no_question_of_any_profile_and_the_postcode_may_be() {
    let mut postcodes = 0;
    for (name, text) in BUILT_IN {
        let profile = Profile::parse(name, text).expect("sound");
        for key in ["address", "home_address", "email", "telephone", "appointee"] {
            assert!(profile.question(&fact(key)).is_none(), "{name} asks for {key}");
        }
        postcodes += usize::from(profile.question(&fact("postcode")).is_some());
    }
    assert!(postcodes > 0);
}
