//! What follows a check: the way back, blocks and their lifting, reports, and our own proof on calls we place.

use super::house::*;
use super::*;
use crate::call::facts::QuestionKind;
use crate::call::request::ProofResult;
use crate::follow_up::Occasion;
use crate::model::customer::Role;
use crate::model::party::PartyRole;
use crate::outbound::Method;
use crate::outbound::Purpose;

const SIX: [&str; 6] = [
    "bank_last4",
    "employer",
    "last_contact",
    "other_party_first_name",
    "payment_method",
    "qc_date_of_birth",
];

/// A call that has just failed, inbound, with its agent.
fn failed(house: &mut House) -> Line<'_> {
    let mut call = house.rings(WRONG);
    call.with_client();
    call.says_password(false);
    assert_eq!(call.is(), Authentication::Failed);
    call
}

/// A call of ours in which our proof was accepted and the client speaks.
fn proved(house: &mut House, purpose: Purpose) -> Line<'_> {
    let mut call = house.calls(purpose, PIN);
    call.proves_by_letter();
    call.does(party(PartyRole::Client));
    call
}

#[test]
fn c48_c49_c69_a_call_back_is_offered_and_taken_or_refused() {
    for accepted in [true, false] {
        let mut house = House::under("cmg");
        let mut call = failed(&mut house);
        assert!(call.view().call_back.expect("an offer").offered);
        call.does(Request::OfferCallback { accepted });
        assert_eq!(call.asks(Request::OfferCallback { accepted: true }), "not_now", "once");
        let offer = call.view().call_back.expect("an answer");
        assert_eq!((offer.accepted, offer.task), (Some(accepted), accepted.then_some("call_back")));
        let job = call
            .follow_ups
            .iter()
            .any(|occasion| matches!(occasion, Occasion::CallBackAccepted { .. }));
        assert_eq!(job, accepted);
        let ended = call.view().notes.contains(&"Failed ID Security Check".to_owned());
        assert_eq!(ended, !accepted, "c49: refused is step 16");
    }
}

#[test]
fn c50_c53_the_general_desk_leaves_it_to_the_owner_and_without_a_number_it_is_a_trace() {
    for (groups, has_number, task) in
        [(&["gich"][..], true, "case_owner"), (&[], true, "call_back"), (&[], false, "trace")]
    {
        let mut house = House::under("cmg");
        house.one().known.has_number = has_number;
        let mut call = failed(&mut house);
        assert_eq!(call.asks_as("ann", groups, Request::OfferCallback { accepted: true }), "ok");
        assert_eq!(call.view().call_back.expect("an offer").task, Some(task));
    }
}

#[test]
fn c51_an_error_of_ours_counts_nothing_and_a_call_back_is_offered() {
    let mut house = House::under("cmg");
    let call = house.rings_in_the_dark();
    assert_eq!((call.is(), call.recorded.as_slice()), (Authentication::SystemUnavailable, &[][..]));
    drop(call);
    house.dark = true;
    let mut call = house.rings(WRONG);
    call.does(Request::Claim);
    assert_eq!(call.asks(said(PartyRole::Client, Some("2002"), None, None)), "unavailable");
    assert_eq!(call.is(), Authentication::SystemUnavailable);
    call.does(Request::OfferCallback { accepted: true });
    assert_eq!(call.recorded, []);
}

#[test]
fn c52_taking_the_call_back_up_confirms_no_digit_of_the_number() {
    let mut house = House::under("cmg");
    let mut call = failed(&mut house);
    call.does(Request::OfferCallback { accepted: true });
    let view = serde_json::to_string(&call.view()).expect("a view is JSON");
    assert!(!view.contains("0123") && !view.contains("7946"), "{view}");
    assert_eq!(call.view().message, Some(call.house.profile.texts.call_back_held.clone()));
}

#[test]
fn c54_c57_x35_a_call_back_asks_three_of_six_and_two_right_ones_fail() {
    for (right, outcome) in [(2, Authentication::Failed), (3, Authentication::Authenticated)] {
        let mut house = House::under("cmg");
        let mut call = proved(&mut house, Purpose::CallBack);
        let questions = call.view().questions.expect("three questions");
        assert_eq!(
            (questions.kind, questions.required, questions.items.len()),
            (QuestionKind::CallBack, 3, 3)
        );
        assert!(call.asked().iter().all(|key| SIX.contains(&key.as_str())), "{:?}", call.asked());
        assert_eq!(
            call.asks(Request::Answer {
                question: fact("memorable_place"),
                value: SecretText::new("Bruges".into()),
            }),
            "no_such_question",
            "x35: the agent cannot choose"
        );
        call.answers(right);
        assert_eq!(call.is(), outcome, "{right} right");
    }
}

#[test]
fn x35_over_many_rounds_each_of_the_six_is_drawn() {
    let mut drawn = std::collections::BTreeSet::new();
    for round in 0..60 {
        let mut house = House::under("cmg");
        house.one().account.round = round;
        let call = proved(&mut house, Purpose::CallBack);
        drawn.extend(call.asked());
    }
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), SIX);
}

#[test]
fn c55_c66_where_too_few_are_on_file_three_transitional_questions_are_asked() {
    for purpose in [Purpose::CallBack, Purpose::Contact] {
        let mut house = House::under("cmg");
        for key in ["bank_last4", "employer", "last_contact", "payment_method"] {
            house.one().known.answers.remove(&fact(key));
        }
        let mut call = proved(&mut house, purpose);
        if purpose == Purpose::Contact {
            call.house.one().pin = "5028361";
            call.does(Request::CollectPin);
            call.says_password(false);
        }
        let questions = call.view().questions.expect("three questions");
        assert_eq!((questions.kind, questions.required), (QuestionKind::CallBack, 3));
        let four = ["date_of_birth", "nino", "postcode", "qc_date_of_birth"];
        assert!(call.asked().iter().all(|key| four.contains(&key.as_str())), "{:?}", call.asked());
    }
}

#[test]
fn c56_x05_three_right_ones_reset_advise_lift_the_block_and_go_on() {
    let mut house = House::under("cmg");
    house.one().account.failed_calls = 3;
    house.one().account.blocked = true;
    house.one().account.compensated = true;
    let mut call = proved(&mut house, Purpose::CallBack);
    call.answers(3);
    assert_eq!((call.is(), call.resets), (Authentication::Authenticated, 1));
    let view = call.view();
    assert!(view.enrolment_required);
    assert!(view.message.expect("advice").contains("three failed calls"), "x01");
    drop(call);
    let account = &house.one().account;
    assert!(!account.blocked && account.failed_calls == 0 && !account.compensated);
    assert!(!account.has_pin(), "the old PIN fails at once");
}

#[test]
fn c65_c67_c68_a_failure_on_a_call_of_ours_is_followed_by_three_questions_at_once() {
    for (right, outcome) in [(3, Authentication::Authenticated), (2, Authentication::Failed)] {
        let mut house = House::under("cmg");
        let mut call = house.calls(Purpose::Contact, WRONG);
        call.proves_by_letter();
        call.does(party(PartyRole::Client));
        call.does(Request::CollectPin);
        call.says_password(false);
        assert_eq!(call.is(), Authentication::Failed);
        assert!(!call.can("offer_callback"), "c65");
        let questions = call.view().questions.expect("three questions");
        assert_eq!((questions.kind, questions.items.len()), (QuestionKind::CallBack, 3));
        call.answers(right);
        assert_eq!(call.is(), outcome, "{right} right");
        assert_eq!(call.resets, usize::from(right == 3));
        let ended = call.view().notes.contains(&"Failed ID Security Check".to_owned());
        assert_eq!(ended, right < 3, "c68, c69");
        assert_eq!(call.asks(Request::Finish), "not_now", "one way back a call");
        drop(call);
        assert_eq!(house.one().account.failed_calls, u8::from(right < 3), "once a call");
    }
}

#[test]
fn x07_x30_a_number_that_cannot_be_trusted_is_written_to_instead() {
    let mut house = House::under("cmg");
    let yesterday = Timestamp(house.now.wall.0 - 86_400_000);
    house.one().known.number = NumberOnFile::Since(yesterday);
    let mut call = house.calls(Purpose::Contact, PIN);
    call.does(Request::Prove(Some(Method::Letter)));
    call.does(Request::Proof(ProofResult::Accepted));
    let _ = call.asks(Request::Answer {
        question: fact("letter_code"),
        value: SecretText::new(LETTER.into()),
    });
    let _ = call.asks(party(PartyRole::Client));
    assert!(call.view().questions.is_none() && !call.can("collect_pin") && !call.can("password"));
    assert_ne!(call.is(), Authentication::Authenticated);
}

#[test]
fn x34_further_questions_are_not_those_that_were_just_asked() {
    for round in 0..40 {
        let mut house = House::under("cmg");
        house.one().account.round = round;
        let mut call = house.rings(WRONG);
        call.with_client();
        call.says_password(true);
        let first = call.asked();
        call.answers(0);
        drop(call);
        let call = proved(&mut house, Purpose::CallBack);
        assert!(
            call.asked().iter().all(|key| !first.contains(key)),
            "{first:?} {:?}",
            call.asked()
        );
    }
}

#[test]
fn x08_what_was_disclosed_within_the_year_is_not_asked() {
    for round in 0..40 {
        let mut house = House::under("cmg");
        let now = house.now.wall;
        house.one().account.round = round;
        house.one().account.disclosed.insert(fact("bank_last4"), now);
        let call = proved(&mut house, Purpose::CallBack);
        assert!(!call.asked().contains(&"bank_last4".to_owned()));
    }
}

#[test]
fn c70_three_failed_calls_block_and_a_pass_between_starts_anew() {
    let mut house = House::under("cmg");
    for right in [false, false, true, false, false, false] {
        let mut call = house.rings(if right { PIN } else { WRONG });
        call.with_client();
        call.says_password(right);
        drop(call);
    }
    assert_eq!(house.one().account.standing(), Standing::Blocked);

    let mut house = House::under("cmg");
    house.adds("2002", Role::Representative);
    for id in [ONE, "2002", ONE, "2002"] {
        let mut call = house.rings_as(id, WRONG, Collects::WhileHeld);
        call.does(Request::Claim);
        let role = if id == ONE { PartyRole::Client } else { PartyRole::Representative };
        call.does(party(role));
        call.says_password(false);
    }
    let failed: Vec<u8> = house.people.values().map(|person| person.account.failed_calls).collect();
    assert_eq!(failed, [2, 2], "client and representative are counted apart");
}

#[test]
fn c71_c72_x25_x26_a_block_is_lifted_by_a_call_of_ours_with_three_right_answers() {
    let mut house = House::under("cmg");
    house.one().account.failed_calls = 3;
    house.one().account.blocked = true;
    let mut inbound = house.rings(PIN);
    inbound.does(Request::Claim);
    assert_eq!(
        inbound.asks(Request::Unblock { reason: "asked".into() }),
        "not_now",
        "c71: outbound only"
    );
    drop(inbound);
    let mut call = proved(&mut house, Purpose::Unblock);
    assert_eq!(
        call.asks(Request::Unblock { reason: "asked".into() }),
        "not_now",
        "not before the pass"
    );
    call.answers(3);
    assert_eq!(call.is(), Authentication::Authenticated);
    drop(call);
    let account = &house.one().account;
    assert_eq!((account.standing(), account.failed_calls), (Standing::Open, 0));
}

#[test]
fn c71_c73_an_unblocking_call_that_fails_is_followed_up() {
    let mut house = House::under("cmg");
    house.one().account.blocked = true;
    let mut call = proved(&mut house, Purpose::Unblock);
    call.answers(2);
    assert!(call.follow_ups.contains(&Occasion::UnblockFailed));
    assert_ne!(call.is(), Authentication::Authenticated);
    drop(call);
    assert!(house.one().account.blocked);
}

#[test]
fn c02_c07_c79_a_suspected_impostor_is_reported_once_and_cut_off() {
    let mut house = House::under("cmg");
    let mut call = failed(&mut house);
    call.does(Request::ReportBogus { details: "another voice".into() });
    assert_eq!(call.asks(Request::ReportBogus { details: "again".into() }), "not_now");
    let reports =
        call.follow_ups.iter().filter(|occasion| matches!(occasion, Occasion::Bogus { .. }));
    assert_eq!(reports.count(), 1);
    assert!(call.view().ended_at.is_some());
    for action in ["collect_pin", "password", "answer", "mark", "set_party", "offer_callback"] {
        assert!(!call.can(action), "c07: {action}");
    }
    let scin = call.follow_ups.iter().find_map(|occasion| match occasion {
        Occasion::Bogus { scin, consecutive_failed, .. } => {
            Some((scin.clone(), *consecutive_failed))
        }
        _ => None,
    });
    assert_eq!(scin, Some((ONE.into(), 1)), "c80, x06");
}

#[test]
fn c04_every_failure_has_a_recorded_follow_up() {
    for end in 0..3 {
        let mut house = House::under("cmg");
        let mut call = failed(&mut house);
        match end {
            0 => call.does(Request::OfferCallback { accepted: true }),
            1 => call.does(Request::ReportBogus { details: "another voice".into() }),
            _ => {}
        }
        call.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)));
        let _ = call.asks(Request::WrapUp { outcome: "done".into(), note: None });
        let actions =
            call.follow_ups.iter().filter(|occasion| !matches!(occasion, Occasion::Marked(_)));
        assert_eq!(actions.count(), 1, "{:?}", call.follow_ups);
    }
}

// --- calls that we place ---

#[test]
fn o01_x32_nothing_is_asked_before_our_proof() {
    let mut house = House::under("cmg");
    let mut call = house.calls(Purpose::Contact, PIN);
    let closed = |call: &Line<'_>| {
        ["collect_pin", "password", "answer", "mark", "finish"]
            .iter()
            .all(|action| !call.can(action))
    };
    assert!(closed(&call) && call.view().questions.is_none());
    assert_eq!(call.asks(Request::CollectPin), "not_now");
    call.does(party(PartyRole::Client));
    assert!(closed(&call), "not by setting the role either: {:?}", call.view().actions);
    call.does(Request::Prove(Some(Method::Letter)));
    assert!(!call.can("collect_pin") && !call.can("password"));
    call.does(Request::Proof(ProofResult::Accepted));
    assert!(!call.can("collect_pin"), "our half alone proves nothing yet");
    call.does(Request::Answer {
        question: fact("letter_code"),
        value: SecretText::new(LETTER.into()),
    });
    assert!(call.can("collect_pin"), "{:?}", call.view().actions);
    assert!(call.heard.is_empty());
}

#[test]
fn o03_behind_our_proof_the_right_person_is_still_checked() {
    let mut house = House::under("cmg");
    let call = proved(&mut house, Purpose::Contact);
    assert_ne!(call.is(), Authentication::Authenticated);
}

#[test]
fn o09_a_proof_is_good_once_and_its_code_is_not_shown_again() {
    let mut house = House::under("cmg");
    let mut call = house.calls(Purpose::Contact, PIN);
    call.does(Request::Prove(Some(Method::Letter)));
    let spoken = call.view().proof.expect("a proof").speak.is_some();
    assert!(spoken);
    call.does(Request::Proof(ProofResult::Accepted));
    assert!(call.view().proof.expect("a proof").speak.is_none());
    call.does(Request::Answer {
        question: fact("letter_code"),
        value: SecretText::new("000000".into()),
    });
    assert_ne!(call.view().proof.expect("a proof").stage, "proved");
    assert_eq!(call.asks(Request::Prove(Some(Method::Letter))), "not_now", "tried once");
}

#[test]
fn x33_after_a_waiver_neither_pin_nor_password_is_asked() {
    let mut house = House::under("cmg");
    let mut call = house.calls(Purpose::Contact, PIN);
    call.does(Request::Prove(Some(Method::Waive)));
    let _ = call.asks(Request::Proof(ProofResult::Accepted));
    call.does(party(PartyRole::Client));
    assert!(!call.can("collect_pin") && !call.can("password"), "{:?}", call.view().actions);
    assert!(call.heard.is_empty() && call.passwords.is_empty());
}

#[test]
fn o08_the_purpose_is_not_in_what_the_agent_says_first() {
    for purpose in [Purpose::CallBack, Purpose::Unblock, Purpose::Contact] {
        let mut house = House::under("cmg");
        let call = house.calls(purpose, PIN);
        let say = call.view().say.expect("an opening").to_lowercase();
        for telling in ["child", "maintenance", "block", "case", "payment", "account"] {
            assert!(!say.contains(telling), "{say}");
        }
    }
}
