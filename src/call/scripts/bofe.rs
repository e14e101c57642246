//! The bank's back office as stories: three scenarios, their questions and their marks.

use super::house::*;
use super::*;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;

const THREE: [&str; 3] = [
    "How much was your last transaction?",
    "Where is your place of birth?",
    "How much money do you have in your main savings account?",
];
const FIVE: [&str; 5] = [
    "When was your last transaction?",
    "How much was the amount involved in that last transaction?",
    "Where is your place of birth?",
    "How much money do you have in your main savings account?",
    "When is your birthdate?",
];

fn elsewhere() -> Hands {
    Hands { pin: None, customer: Some(ONE) }
}

fn texts(call: &Line<'_>) -> Vec<String> {
    let questions = call.view().questions.expect("questions are due");
    questions.items.into_iter().map(|item| item.text).collect()
}

fn ticks(call: &mut Line<'_>, right: usize) {
    for (index, key) in call.asked().into_iter().enumerate() {
        call.does(Request::Mark { question: fact(&key), correct: index < right });
    }
    call.does(Request::Finish);
}

#[test]
fn b04_b05_b18_from_the_app_and_its_number_nothing_more_is_asked() {
    let mut house = House::under("bofe");
    let call = house.rings_by_app(true);
    let view = call.view();
    assert_eq!(view.authentication, Authentication::Authenticated);
    assert_eq!((view.badge, view.questions, view.pin), ("Authenticated", None, None));
    assert!(call.follow_ups.contains(&Occasion::Marked(Mark::Verified)), "b14");
}

#[test]
fn x12_an_announced_call_from_another_number_is_asked_like_the_number_alone() {
    let mut house = House::under("bofe");
    let call = house.rings_by_app(false);
    assert_ne!(call.is(), Authentication::Authenticated);
    let evidence = call.view().evidence;
    assert!(evidence.iter().any(|found| found.kind == "intent_number_mismatch"));
    assert_eq!(call.asked().len(), 3);
}

#[test]
fn b06_b08_a_known_number_is_not_authenticated_and_asked_three_questions() {
    let mut house = House::under("bofe");
    let call = house.rings(PIN);
    let first = call.shown.iter().find(|view| view.class.is_some()).expect("classified");
    assert_eq!(first.class, Some(CallerClass::VerifiedNumber));
    assert_eq!(texts(&call), THREE);
    assert_eq!(call.view().badge, "NOT Authenticated");
    assert!(call.heard.is_empty(), "no PIN under this profile");
}

#[test]
fn b19_b20_a_verified_number_is_partially_verified_and_an_unverified_one_is_not() {
    let first = |call: &Line<'_>| {
        let first = call.shown.iter().find(|view| view.class.is_some()).expect("classified");
        (first.class, first.authentication, first.badge)
    };
    let mut house = House::under("retail");
    let call = house.rings_from_elsewhere(elsewhere());
    let unverified = (CallerClass::Unverified, Authentication::NotAuthenticated);
    assert_eq!(first(&call), (Some(unverified.0), unverified.1, "NOT Authenticated"));
    drop(call);
    let call = house.rings(WRONG);
    let verified = (CallerClass::VerifiedNumber, Authentication::PartiallyVerified);
    assert_eq!(first(&call), (Some(verified.0), verified.1, "partially verified"));
}

#[test]
fn b07_b10_b13_b14_b15_b16_x14_two_of_three_pass() {
    for (right, outcome) in [
        (1, Authentication::Failed),
        (2, Authentication::Authenticated),
        (3, Authentication::Authenticated),
    ] {
        let mut house = House::under("bofe");
        let mut call = house.rings(PIN);
        call.does(Request::Claim);
        ticks(&mut call, right);
        assert_eq!(call.is(), outcome, "{right} right");
        let passed = outcome == Authentication::Authenticated;
        let mark = if passed { Mark::Verified } else { Mark::NotVerified };
        let marks =
            call.follow_ups.iter().filter(|occasion| matches!(occasion, Occasion::Marked(_)));
        assert_eq!(marks.collect::<Vec<_>>(), [&Occasion::Marked(mark)]);
        let sentence = if passed {
            "Congratulations - Customer is fully authenticated"
        } else {
            "Unfortunately we cannot proceed further any account related queries/requests - please ask the customer \
             to contact us directly via the app if he/she has access to it at the moment."
        };
        assert_eq!(call.view().message.as_deref(), Some(sentence));
        let marked = call.audit.iter().filter(|(what, _)| *what == "question_marked").count();
        assert_eq!(marked, 3, "b10: every tick is on record");
        assert!(
            call.audit
                .iter()
                .any(|(what, body)| *what == "questions_finished" && body["correct"] == right),
            "b13, b15: the answers are logged"
        );
    }
}

#[test]
fn b11_b12_b20_an_unknown_number_owes_three_of_five() {
    for (right, outcome) in [(2, Authentication::Failed), (3, Authentication::Authenticated)] {
        let mut house = House::under("bofe");
        let mut call = house.rings_from_elsewhere(elsewhere());
        call.does(Request::Claim);
        if call.view().customer.is_none() {
            call.does(said(crate::model::party::PartyRole::Client, Some(ONE), None, None));
        }
        assert_eq!(call.view().class, Some(CallerClass::Unverified));
        assert_eq!(texts(&call), FIVE);
        assert_eq!(call.view().questions.expect("questions").required, 3);
        ticks(&mut call, right);
        assert_eq!(call.is(), outcome, "{right} right");
    }
}

#[test]
fn b09_x11_an_answer_shows_on_request_one_at_a_time_and_on_record() {
    let mut house = House::under("bofe");
    let mut call = house.rings(PIN);
    call.does(Request::Claim);
    let shown = |call: &Line<'_>| -> Vec<Option<String>> {
        let questions = call.view().questions.expect("questions");
        questions.items.into_iter().map(|item| item.answer).collect()
    };
    assert_eq!(shown(&call), [None, None, None]);
    call.does(Request::Reveal(fact("place_of_birth")));
    assert_eq!(shown(&call), [None, Some("Ghent".into()), None]);
    call.does(Request::Reveal(fact("main_balance")));
    assert_eq!(shown(&call), [None, None, Some("£1,200".into())]);
    call.does(Request::Mark { question: fact("main_balance"), correct: true });
    assert_eq!(shown(&call), [None, None, None]);
    let interval = call.audit.last().map(|(_, body)| body["reveal_to_tick_ms"].is_u64());
    assert_eq!(interval, Some(true), "5.7: how long the agent looked");
}

#[test]
fn b03_every_call_gets_exactly_one_class_before_it_is_answered() {
    let calls: [fn(&mut House) -> Line<'_>; 4] = [
        |house| house.rings_by_app(true),
        |house| house.rings(PIN),
        |house| house.rings_from_elsewhere(elsewhere()),
        House::rings_in_the_dark,
    ];
    for profile in ["bofe", "cmg", "retail"] {
        for call in calls {
            let mut house = House::under(profile);
            let call = call(&mut house);
            let classes: Vec<_> = call.shown.iter().filter_map(|view| view.class).collect();
            assert!(!classes.is_empty() && classes.iter().all(|class| *class == classes[0]));
            let told = call.audit.iter().filter(|(what, _)| *what == "call_classified").count();
            assert_eq!(told, 1, "c03: one check a call");
        }
    }
}

#[test]
fn x36_x37_each_profile_has_its_own_rules_and_words_and_a_call_keeps_its_profile() {
    let mut sentences = vec![];
    for profile in ["bofe", "cmg"] {
        let mut house = House::under(profile);
        let mut call = house.rings(WRONG);
        let other = House::under("retail").profile;
        call.house.profile = other;
        call.with_client();
        if profile == "bofe" {
            ticks(&mut call, 0);
        } else {
            call.says_password(false);
        }
        assert_eq!((call.is(), call.view().policy.as_str()), (Authentication::Failed, profile));
        sentences.push(call.view().message);
    }
    assert_ne!(sentences[0], sentences[1]);
}
