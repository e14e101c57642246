//! Ways round the check that somebody might try, and that lead nowhere.

use super::house::*;
use super::*;
use crate::model::customer::Role;
use crate::model::party::PartyRole;
use crate::outbound::Method;
use crate::outbound::Purpose;

const OTHER: &str = "1002";

#[test]
fn o01_c71_what_we_proved_to_one_customer_opens_no_check_of_another() {
    let mut house = House::under("cmg");
    house.adds(OTHER, Role::Client);
    let mut call = house.calls(Purpose::Contact, PIN);
    assert_eq!(call.asks(said(PartyRole::Client, Some(OTHER), None, None)), "wrong_party");
    call.proves_by_letter();
    assert_eq!(call.asks(said(PartyRole::Client, Some(OTHER), None, None)), "wrong_party");
    assert_eq!(call.view().customer.map(|known| known.id), Some(customer(ONE)));
}

#[test]
fn c08_o01_an_employers_call_is_no_way_round_the_proof() {
    let mut house = House::under("cmg");
    let mut call = house.calls(Purpose::Employer, PIN);
    for role in [PartyRole::Client, PartyRole::Representative, PartyRole::Other] {
        assert_eq!(call.asks(said(role, Some(ONE), Some(true), Some(true))), "wrong_party");
    }
    assert!(!call.can("password") && !call.can("answer"));
}

#[test]
fn x16_x31_a_number_is_worth_nothing_for_another_customer_than_its_own() {
    let mut house = House::under("bofe");
    house.adds(OTHER, Role::Client);
    let mut call = house.rings(PIN);
    call.does(Request::Claim);
    let three = call.view().questions.expect("questions").items.len();
    call.does(said(PartyRole::Client, Some(OTHER), None, None));
    let questions = call.view().questions.expect("questions");
    assert_eq!((three, questions.items.len(), questions.required), (3, 5, 3), "b11");
}

#[test]
fn x31_given_back_and_taken_by_another_is_a_blind_hand_on() {
    for (next, kept) in [("alice", true), ("bob", false)] {
        let mut house = House::under("retail");
        let mut call = house.rings(PIN);
        call.does(Request::Claim);
        assert_eq!(call.is(), Authentication::Authenticated);
        let first = call.view().agent.expect("an agent").to_string();
        call.does(Request::Release);
        let next = if kept { first.as_str() } else { next };
        assert_eq!(call.asks_as(next, &[], Request::Claim), "ok");
        assert_eq!(call.is() == Authentication::Authenticated, kept, "{next}");
    }
}

#[test]
fn x11_no_question_is_answered_twice_by_changing_the_role_and_back() {
    let mut house = House::under("cmg");
    let mut call = house.rings(WRONG);
    call.with_client();
    call.says_password(true);
    let key = call.asked().first().cloned().expect("a question");
    let answer = |words: &str| Request::Answer {
        question: fact(&key),
        value: SecretText::new(words.into()),
    };
    assert_eq!(call.asks(answer("a guess")), "ok");
    let _ = call.asks(party(PartyRole::ThirdParty));
    let _ = call.asks(party(PartyRole::Client));
    assert_eq!(call.asks(answer(on_file(&key))), "not_now", "it was answered");
    let items = call.view().questions.expect("questions").items;
    let marked = items.iter().find(|item| item.key == fact(&key)).and_then(|item| item.marked);
    assert_eq!(marked, Some(false));
}

#[test]
fn o01_a_tap_after_the_call_proves_nothing() {
    let mut house = House::under("cmg");
    let mut call = house.calls(Purpose::Contact, PIN);
    call.does(Request::Prove(Some(Method::App)));
    let spoken = call.view().proof.and_then(|proof| proof.speak).expect("a number");
    call.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)));
    let number = spoken.digits().parse().expect("two digits");
    call.input(Input::AppTapped { number, reply: Reply(1) });
    assert_ne!(call.is(), Authentication::Authenticated);
}

#[test]
fn c44_x02_a_second_compensated_pass_in_one_call_ends_in_a_reset() {
    let mut house = House::under("cmg");
    let mut call = house.rings(WRONG);
    call.with_client();
    call.says_password(true);
    call.answers(2);
    assert_eq!(call.is(), Authentication::Authenticated);
    call.does(transfer("bob", false));
    assert_eq!(call.asks_as("bob", &[], party(PartyRole::Client)), "ok");
    assert_ne!(call.is(), Authentication::Authenticated);
    let password = Request::Password(SecretText::new(PASSWORD.into()));
    let _ = call.asks_as("bob", &[], password);
    assert_eq!(call.is(), Authentication::ResetRequired);
}

#[test]
fn x31_a_blind_transfer_while_a_reset_is_stored_leaves_no_pass_behind() {
    let mut call = Script::arriving("cmg", |delivered| {
        delivered.direction = Direction::Outbound;
        delivered.purpose = Some(Purpose::CallBack);
        delivered.agent = "ann".parse().ok();
    });
    let mut one = known(Standing::Open);
    one.answers =
        FACTS.iter().map(|(key, answer)| (fact(key), SecretText::new((*answer).into()))).collect();
    let by_number = Ok(NumberMatch::One(Box::new(one)));
    call.looked_up(Lookup { by_number, intent: IntentFound::NotPresented, alarm: None });
    call.handed_over();
    let spoken = crate::outbound::codes::SpokenCode::six("112233").ok();
    call.asks("ann", Request::Prove(Some(Method::Letter)));
    call.input(Input::ProofMaterial {
        method: Method::Letter,
        by: "ann".parse().expect("an agent"),
        reply: Reply(1),
        material: Ok(crate::call::input::Material { random: 1, letter: spoken }),
    });
    call.input(Input::LetterCompared { agrees: Ok(Some(true)), wrong_before: 0, reply: Reply(1) });
    call.asks("ann", party(PartyRole::Client));
    let asked = call.view().questions.expect("the way back").items;
    for item in asked {
        let value = SecretText::new(on_file(item.key.as_str()).into());
        call.asks("ann", Request::Answer { question: item.key, value });
    }
    call.done.clear();
    call.asks("ann", Request::Finish)
        .does("audit questions_finished, reset security (recovered), ok");
    call.asks("ann", transfer("bob", false)).does("audit call_transferred, ok");
    let after = Ok(After { standing: Standing::Open, call_failed: false });
    call.input(Input::SecurityReset { reply: None, after });
    assert_ne!(call.view().authentication, Authentication::Authenticated);
}
