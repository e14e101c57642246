//! Who is on the telephone: clients, representatives, and everybody else.

use super::house::*;
use super::*;
use crate::follow_up::Occasion;
use crate::model::customer::Role;
use crate::model::party::PartyRole;
use crate::outbound::Purpose;

const REP: &str = "2002";
const OTHER_PIN: &str = "5028361";

/// A house with a client and a representative of theirs.
fn with_representative() -> House {
    let mut house = House::under("cmg");
    let rep = house.adds(REP, Role::Representative);
    rep.known.represents = vec![customer(ONE)];
    rep.pin = OTHER_PIN;
    house
}

fn representative(id: Option<&str>) -> Request {
    said(PartyRole::Representative, id, None, None)
}

#[test]
fn c06_c12_a_representative_passes_with_own_id_pin_and_password() {
    let mut house = with_representative();
    let mut call = house.rings_as(REP, OTHER_PIN, Collects::WhileHeld);
    call.does(Request::Claim);
    call.does(representative(None));
    call.says_password(true);
    assert_eq!(call.is(), Authentication::Authenticated);
    assert_eq!(call.view().customer.expect("a customer").speaks_for, Some(customer(ONE)));
    assert_eq!(call.passwords, [Some(customer(REP))], "their own password");
}

#[test]
fn c06_own_id_with_the_clients_pin_and_the_clients_id_with_the_own_pin_fail() {
    for (id, pin) in [(REP, PIN), (ONE, OTHER_PIN)] {
        let mut house = with_representative();
        let call = house.rings_as(id, pin, Collects::WhileHeld);
        assert_eq!(call.view().pin.expect("asked").result, Some(PinResult::Incorrect), "{id}");
    }
}

#[test]
fn c06_another_customer_starts_the_check_again() {
    let mut house = with_representative();
    let mut call = house.rings(PIN);
    call.does(Request::Claim);
    call.does(representative(Some(REP)));
    assert_ne!(call.is(), Authentication::Authenticated);
    assert_eq!(call.view().customer.expect("a customer").id, customer(REP));
    assert!(call.view().pin.is_none(), "the client's PIN proves nothing about the representative");
    call.says_password(true);
    assert_eq!(call.is(), Authentication::InProgress, "a question is owed for the missing PIN");
}

#[test]
fn c06_c39_nobody_gets_the_questions_again_by_naming_another_customer_and_back() {
    let mut house = with_representative();
    let mut call = house.rings(WRONG);
    call.with_client();
    call.says_password(true);
    let first = call.asked()[0].clone();
    let value = SecretText::new("something else".into());
    call.does(Request::Answer { question: fact(&first), value });
    assert_eq!(call.asks(representative(Some(REP))), "not_now");
    call.does(party(PartyRole::Client));
    let questions = call.view().questions.expect("the same questions");
    assert_eq!(questions.items[0].marked, Some(false));
}

#[test]
fn c13_c14_with_the_clients_id_the_client_answers_and_permits() {
    for role in [PartyRole::Representative, PartyRole::Other] {
        let mut house = with_representative();
        let mut call = house.rings(PIN);
        call.does(Request::Claim);
        call.does(said(role, None, None, None));
        assert!(!call.can("password"), "c13: the client has to be there");
        call.does(said(role, None, Some(true), None));
        call.says_password(true);
        assert_ne!(call.is(), Authentication::Authenticated, "c14: not without permission");
        assert_eq!(call.recorded, []);
        call.does(said(role, None, Some(true), Some(true)));
        assert_eq!(call.is(), Authentication::Authenticated, "{role:?}");
        drop(call);
        let mut next = house.rings(PIN);
        next.does(Request::Claim);
        next.does(said(role, None, Some(true), None));
        next.says_password(true);
        assert_ne!(next.is(), Authentication::Authenticated, "c14: for one call only");
    }
}

#[test]
fn c15_without_the_client_the_call_ends_with_outcome_and_role() {
    for (present, permission) in [(Some(false), None), (Some(true), Some(false))] {
        let mut house = House::under("cmg");
        let mut call = house.rings(PIN);
        call.does(Request::Claim);
        call.does(said(PartyRole::Other, None, present, permission));
        assert!(call.view().ended_at.is_some() && call.view().message.is_some());
        let ended = call.follow_ups.iter().find_map(|occasion| match occasion {
            Occasion::PartyEnded { role, outcome } => Some((role.clone(), outcome.clone())),
            _ => None,
        });
        let (role, outcome) = ended.expect("a record");
        assert!(role == "other" && !outcome.is_empty());
        assert!(!call.can("password") && !call.can("collect_pin"));
    }
}

#[test]
fn c16_x28_an_organisation_is_asked_for_no_secret_of_a_client() {
    for role in [PartyRole::ThirdParty, PartyRole::Employer] {
        let mut house = House::under("cmg");
        let mut call = house.rings(PIN);
        call.does(Request::Claim);
        call.does(party(role));
        let view = call.view();
        assert!(view.questions.is_none() && !call.can("password") && !call.can("collect_pin"));
        assert_eq!(view.party.expect("a party").role, PartyRole::ThirdParty, "x28");
        assert!(view.message.is_some());
        assert!(call.follow_ups.contains(&Occasion::ThirdPartyContact), "c09: a named event");
        assert_ne!(call.is(), Authentication::Authenticated);
    }
}

#[test]
fn c08_an_employer_is_called_without_a_check_and_with_two_ticks() {
    for (ticks, goes_on) in [([true, true], true), ([true, false], false)] {
        let mut house = House::under("cmg");
        let mut call = house.calls(Purpose::Employer, PIN);
        assert_eq!(call.asked(), ["organisation", "payroll"]);
        assert!(call.view().proof.is_none() && call.heard.is_empty());
        assert!(!call.can("collect_pin") && !call.can("password") && !call.can("prove"));
        for (key, correct) in ["organisation", "payroll"].into_iter().zip(ticks) {
            call.does(Request::Mark { question: fact(key), correct });
        }
        call.does(Request::Finish);
        let texts = &call.house.profile.texts;
        let expected = if goes_on { &texts.employer } else { &texts.end };
        assert_eq!(call.view().message.as_ref(), Some(expected));
        assert_eq!(call.is(), Authentication::NotAuthenticated, "no client's data either");
        assert!(call.follow_ups.contains(&Occasion::EmployerContact), "c09");
    }
}

#[test]
fn c83_a_warm_hand_on_carries_the_pass_and_a_new_call_does_not() {
    let mut house = House::under("cmg");
    let mut call = house.rings(PIN);
    call.with_client();
    call.says_password(true);
    call.does(transfer("bob", true));
    let view = call.view();
    assert_eq!(
        (view.agent, view.authentication),
        ("bob".parse().ok(), Authentication::Authenticated)
    );
    assert_eq!(call.asks(Request::WrapUp { outcome: "x".into(), note: None }), "not_yours");
    drop(call);
    let next = house.rings(WRONG);
    assert_ne!(next.is(), Authentication::Authenticated, "the pass died with its call");
}

#[test]
fn x31_c83_a_blind_transfer_is_checked_again_by_desktop_and_by_platform() {
    for by_platform in [false, true] {
        let mut house = House::under("cmg");
        let mut call = house.rings(PIN);
        call.with_client();
        call.says_password(true);
        if by_platform {
            let to = crate::call::input::TransferTo::Agent("bob".parse().expect("an agent"));
            call.input(Input::Event(CallEvent::Transferred { to, warm: false }));
        } else {
            call.does(transfer("bob", false));
        }
        assert_ne!(call.is(), Authentication::Authenticated);
        assert_eq!(call.view().agent, "bob".parse().ok());
        assert!(!call.can("password"), "c11: bob says first whom he speaks with");
        assert_eq!(call.asks_as("bob", &[], party(PartyRole::Client)), "ok");
        let password = Request::Password(SecretText::new("grey heron".into()));
        let answer = call.asks_as("bob", &[], password);
        assert_eq!(answer, "ok", "{:?}", call.view().actions);
        assert_ne!(call.is(), Authentication::Authenticated);
    }
}

#[test]
fn x31_under_the_bank_a_blind_transfer_leads_to_the_questions_of_a_stranger() {
    let mut house = House::under("bofe");
    let mut call = house.rings_by_app(true);
    call.does(Request::Claim);
    assert_eq!(call.is(), Authentication::Authenticated);
    call.does(transfer("bob", false));
    assert_ne!(call.is(), Authentication::Authenticated);
    let questions = call.view().questions.expect("questions are due");
    assert_eq!((questions.required, questions.items.len()), (3, 5));
}
