//! The five profiles held against the rows of their sources, and the loader against mistakes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::policy::table::Password;
use crate::policy::table::Pin;
use crate::policy::table::Questions;
use crate::policy::table::states;

const SIX: [&str; 6] = [
    "qc_date_of_birth",
    "employer",
    "payment_method",
    "bank_last4",
    "last_contact",
    "other_party_first_name",
];
const FIVE: [&str; 5] = ["postcode", "date_of_birth", "qc_date_of_birth", "scin", "nino"];

fn text(name: &str) -> &'static str {
    BUILT_IN.iter().find(|(known, _)| *known == name).expect("built in").1
}

/// Read once: the properties look at them thousands of times.
static PROFILES: LazyLock<Shelf> =
    LazyLock::new(|| Shelf::with(&[]).expect("the built-in profiles are sound"));

fn profile(name: &str) -> Profile {
    Profile::clone(PROFILES.get(name).expect("built in"))
}

fn state(pin: Pin, questions: Questions) -> State {
    State { pin, password: Password::Pending, questions, compensated: false }
}

fn key(name: &str) -> FactKey {
    name.parse().expect("a key")
}

fn keys(names: &[&str]) -> Vec<FactKey> {
    names.iter().map(|name| key(name)).collect()
}

fn right(keys: &[FactKey]) -> Vec<&FactKey> {
    keys.iter().collect()
}

fn asked<'a>(profile: &'a Profile, set: &str) -> Vec<&'a str> {
    let set = profile.question_set(set).expect("a set");
    set.ask.iter().map(|(key, _)| key.as_str()).collect()
}

/// Everything is on file, nothing is excluded.
fn pool<'a>() -> Pool<'a> {
    Pool { on_file: &|_| true, used_to_identify: &[], disclosed: &[], recent: &[], flags: &[] }
}

fn drawn(profile: &Profile, set: &str, pool: &Pool<'_>, seed: u64) -> Option<Vec<FactKey>> {
    profile.question_set(set).expect("a set").draw(profile, pool, seed)
}

fn refused(text: &str) -> String {
    Profile::parse("x.toml", text).expect_err("a mistake").to_string()
}

// --- the profiles ---

#[test]
fn x36_every_profile_is_data_with_a_name_and_a_hash_of_its_own() {
    let mut hashes = vec![];
    for (name, text) in BUILT_IN {
        let profile = profile(name);
        assert_eq!((profile.name.as_str(), &*profile.text), (*name, *text));
        assert!(!hashes.contains(&profile.hash), "{name}");
        hashes.push(profile.hash);
    }
    let changed = text("cmg").replace("avoid_recent = true", "avoid_recent = false");
    let changed = Profile::parse("x", &changed).expect("sound");
    assert!(!hashes.contains(&changed.hash), "another version has another hash");
}

#[test]
fn retail_asks_what_the_contract_says() {
    use CallerClass as C;
    use Pin as P;
    use Questions as Q;
    let retail = profile("retail");
    let next = |class, pin, questions| match retail.next(class, state(pin, questions)) {
        Next::Questions(set) => {
            let set = retail.question_set(set).expect("a set");
            format!("{} of {}", set.required, set.ask.len())
        }
        other => format!("{other:?}"),
    };
    for (class, pin, questions, expected) in [
        (C::AppAuthenticated, P::Pending, Q::Pending, "Authenticated"),
        (C::VerifiedNumber, P::Pending, Q::Pending, "Pin"),
        (C::VerifiedNumber, P::Correct, Q::Pending, "Authenticated"),
        (C::VerifiedNumber, P::Wrong, Q::Pending, "2 of 3"),
        (C::VerifiedNumber, P::Skipped, Q::Failed, "Failed"),
        (C::Unverified, P::Correct, Q::Pending, "2 of 3"),
        (C::Unverified, P::Wrong, Q::Pending, "3 of 5"),
        (C::Unverified, P::Wrong, Q::Passed, "Authenticated"),
        (C::Unverified, P::Unavailable, Q::Pending, "SystemUnavailable"),
    ] {
        assert_eq!(next(class, pin, questions), expected, "{class:?} {pin:?} {questions:?}");
    }
}

#[test]
fn b03_b05_b06_b11_each_class_has_its_scenario() {
    for name in ["bofe", "bofe-hardened"] {
        let bofe = profile(name);
        let next = |class| bofe.next(class, state(Pin::Pending, Questions::Pending)).clone();
        assert_eq!(next(CallerClass::AppAuthenticated), Next::Authenticated);
        assert_eq!(next(CallerClass::VerifiedNumber), Next::Questions("two_of_three".into()));
        assert_eq!(next(CallerClass::Unverified), Next::Questions("three_of_five".into()));
        for (class, state) in
            CallerClass::ALL.into_iter().flat_map(|class| states().map(move |state| (class, state)))
        {
            let asked = bofe.next(class, state);
            assert!(
                !matches!(asked, Next::Pin | Next::Password),
                "S3 knows no PIN and no password"
            );
        }
    }
}

#[test]
fn b02_every_question_has_a_secrecy_class() {
    for (name, text) in BUILT_IN {
        let profile = profile(name);
        let entries = profile.catalogue.len();
        assert!(text.matches("secrecy = ").count() >= entries, "{name}: each entry says it");
    }
    let bofe = profile("bofe");
    let secrecy = |name| bofe.question(&key(name)).expect("a question").secrecy;
    assert_eq!(secrecy("last_transaction_amount"), Secrecy::Private);
    assert_eq!(secrecy("place_of_birth"), Secrecy::OtherParty);
}

#[test]
fn b07_b19_x14_of_three_questions_at_least_two_must_be_right() {
    let bofe = profile("bofe");
    let set = bofe.question_set("two_of_three").expect("a set");
    let all: Vec<FactKey> = set.ask.iter().map(|(key, _)| key.clone()).collect();
    let outcomes = [1, 2, 3].map(|count| set.passes(&bofe, &right(&all[..count])));
    assert_eq!(outcomes, [false, true, true]);
    let twice = [&all[0], &all[0]];
    assert!(!set.passes(&bofe, &twice), "one question counts once");
}

#[test]
fn b11_b20_x14_of_five_questions_at_least_three_must_be_right() {
    let bofe = profile("bofe");
    let set = bofe.question_set("three_of_five").expect("a set");
    let all: Vec<FactKey> = set.ask.iter().map(|(key, _)| key.clone()).collect();
    let outcomes = [2, 3, 4, 5].map(|count| set.passes(&bofe, &right(&all[..count])));
    assert_eq!(outcomes, [false, true, true, true]);
}

#[test]
fn b08_the_three_questions_are_the_sources_own_in_their_order() {
    let bofe = profile("bofe");
    let drawn = drawn(&bofe, "two_of_three", &pool(), 7).expect("questions");
    let set = bofe.question_set("two_of_three").expect("a set");
    let texts: Vec<_> = drawn.iter().filter_map(|key| set.text(key)).collect();
    assert_eq!(
        texts,
        [
            "How much was your last transaction?",
            "Where is your place of birth?",
            "How much money do you have in your main savings account?",
        ]
    );
}

#[test]
fn b12_the_five_questions_are_the_sources_own_in_their_order() {
    let bofe = profile("bofe");
    let drawn = drawn(&bofe, "three_of_five", &pool(), 7).expect("questions");
    let set = bofe.question_set("three_of_five").expect("a set");
    let texts: Vec<_> = drawn.iter().filter_map(|key| set.text(key)).collect();
    assert_eq!(
        texts,
        [
            "When was your last transaction?",
            "How much was the amount involved in that last transaction?",
            "Where is your place of birth?",
            "How much money do you have in your main savings account?",
            "When is your birthdate?",
        ]
    );
}

#[test]
fn b09_x11_under_bofe_answers_show_by_the_reveal_rule_and_under_cmg_never() {
    let bofe = profile("bofe");
    for set in bofe.sets.values() {
        for (key, _) in &set.ask {
            assert_eq!(bofe.reveal(set, key), Reveal::OnClick);
        }
    }
    for cmg in [profile("cmg"), profile("cmg-hardened")] {
        for set in cmg.sets.values() {
            let revealing = QuestionSet { reveal: Reveal::Always, ..set.clone() };
            for (key, _) in &set.ask {
                assert_eq!(cmg.reveal(&revealing, key), Reveal::Blind, "{key}");
            }
        }
    }
}

#[test]
fn b13_a_pass_is_told_in_the_sources_words() {
    for name in ["bofe", "bofe-hardened", "retail"] {
        let texts = profile(name).texts;
        assert_eq!(texts.passed, "Congratulations - Customer is fully authenticated");
    }
}

#[test]
fn b15_a_failure_is_told_in_the_sources_words() {
    for name in ["bofe", "bofe-hardened", "retail"] {
        let texts = profile(name).texts;
        assert_eq!(
            texts.failed,
            "Unfortunately we cannot proceed further any account related queries/requests - please ask the customer to contact us directly via the app if he/she has access to it at the moment."
        );
    }
}

#[test]
fn x37_each_profile_fails_in_its_own_words() {
    let cmg = profile("cmg");
    assert_ne!(cmg.texts.failed, profile("bofe").texts.failed);
    assert!(!cmg.texts.failed.contains("app"), "the caller may have none");
    assert!(!cmg.say("failed").expect("words").contains("app"));
}

#[test]
fn c47_a_failure_gives_no_hint_which_answer_was_wrong() {
    for (name, _) in BUILT_IN {
        let profile = profile(name);
        let said = [profile.say("failed"), profile.say("call_back_offer")];
        for text in said.into_iter().flatten().chain([profile.texts.failed.as_str()]) {
            let words = text.to_lowercase();
            let hint = ["pin", "password", "birth", "balance", "transaction", "nearly", "close"];
            assert!(!hint.iter().any(|hint| words.contains(hint)), "{name}: {text}");
        }
        let forbidden = profile.never_say.iter().any(|never| never.starts_with("Which answer"));
        assert!(forbidden, "{name}");
    }
}

#[test]
fn c52_no_digit_of_the_number_is_in_any_words_after_a_failure() {
    for (name, _) in BUILT_IN {
        let profile = profile(name);
        let texts = [&profile.texts.failed, &profile.texts.call_back_offer];
        for text in texts.into_iter().chain([&profile.texts.call_back_held]) {
            assert!(!text.contains(|c: char| c.is_ascii_digit()), "{name}: {text}");
        }
        assert!(profile.texts.call_back_held.contains("ring the number we hold"), "{name}");
    }
}

#[test]
fn c26_c27_c28_c29_c30_c31_c32_what_is_never_disclosed_stands_beside_every_cmg_call() {
    for name in ["cmg", "cmg-hardened"] {
        let listed = profile(name).never_say.join(" ").to_lowercase();
        for item in [
            "date of birth",
            "national insurance",
            "bank",
            "telephone number",
            "email",
            "current address",
            "appointee",
            "last four digits",
        ] {
            assert!(listed.contains(item), "{name}: {item}");
        }
    }
}

#[test]
fn c43_c69_the_reminder_and_the_outcome_are_the_sources_own() {
    for (name, _) in BUILT_IN {
        assert_eq!(profile(name).texts.failed_outcome, "Failed ID Security Check", "{name}");
    }
    let reminder = profile("cmg").texts.reminder;
    assert!(reminder.contains("correct PIN and password"), "{reminder}");
}

#[test]
fn c56_c67_x01_the_advice_speaks_of_calls_and_follows_the_rule() {
    let cmg = profile("cmg");
    assert!(cmg.texts.advice.contains("three failed calls"), "{}", cmg.texts.advice);
    assert!(!cmg.texts.advice.contains("attempts"));
    let stricter = text("cmg").replace("failed_calls = 3", "failed_calls = 2");
    let stricter = Profile::parse("x", &stricter).expect("sound");
    assert!(stricter.texts.advice.contains("two failed calls"), "{}", stricter.texts.advice);
    assert!(stricter.texts.blocked.contains("two failed calls"));
    let guesses = cmg.capture.attempts * cmg.block.failed_calls;
    assert_eq!(guesses, 6, "x01: at most six guesses before a block");
    assert_eq!(cmg.block.wrong_entries, 6, "x02");
}

#[test]
fn c48_a_call_back_is_offered_only_where_the_profile_has_the_rule() {
    for (name, offered) in [
        ("retail", false),
        ("bofe", false),
        ("bofe-hardened", false),
        ("cmg", true),
        ("cmg-hardened", true),
    ] {
        let profile = profile(name);
        assert_eq!(profile.call_back.is_some(), offered, "{name}");
        assert_eq!(profile.call_back_questions(&pool(), 1).is_some(), offered, "{name}");
    }
}

#[test]
fn c50_c65_the_call_back_rule_names_who_may_not_start_it_and_outbound_follows_at_once() {
    let rule = profile("cmg").call_back.expect("a rule");
    assert_eq!(rule.not_by_groups, ["gich"]);
    assert!(rule.outbound_same_call);
}

#[test]
fn c11_c12_the_agent_sets_the_role_under_cmg_and_the_record_under_bofe() {
    for (name, rule) in [
        ("cmg", PartyRule::Agent),
        ("cmg-hardened", PartyRule::Agent),
        ("bofe", PartyRule::Record),
        ("retail", PartyRule::Record),
    ] {
        assert_eq!(profile(name).party, rule, "{name}");
    }
}

#[test]
fn every_situation_has_plain_words_in_every_profile() {
    for (name, _) in BUILT_IN {
        let profile = profile(name);
        for (situation, _) in words::SITUATIONS {
            let said = profile.say(situation).expect("words");
            assert!((10..=160).contains(&said.len()), "{name} {situation}: {said}");
            assert!(said.ends_with(['.', '?', '!']) && !said.contains('{'), "{name}: {said}");
        }
        assert_eq!(profile.say("small_talk"), None);
    }
}

#[test]
fn x15_x24_literal_profiles_warn_and_hardened_ones_have_nothing_to_warn_of() {
    let warnings = |name| profile(name).warnings().join("\n");
    for name in ["bofe", "cmg", "retail"] {
        assert!(warnings(name).contains("(X15)"), "{name}: {}", warnings(name));
    }
    assert!(warnings("cmg").contains("(X24)"));
    for name in ["bofe-hardened", "cmg-hardened"] {
        assert_eq!(warnings(name), "", "{name}");
        assert_eq!(profile(name).lanes, Lanes::Two, "5.8");
    }
    assert_eq!(profile("cmg").lanes, Lanes::Literal, "5.8: literal mode stays available");
}

// --- the decision table of cmg (requirements §2) ---

/// The eight rows, and what the source says of each input.
fn outcome([pin, password, question, compensated_before]: [bool; 4]) -> (&'static str, bool) {
    match (pin, password, question, compensated_before) {
        (true, true, _, _) => ("authenticated", false),
        (true, false, _, true) | (false, true, _, true) => ("reset_required", false),
        (true, false, true, false) | (false, true, true, false) => ("authenticated", true),
        (true, false, false, false) | (false, true, false, false) => ("failed", false),
        (false, false, _, _) => ("failed", false),
    }
}

fn row(
    pin: bool,
    password: bool,
    question: Option<bool>,
    compensated: bool,
) -> (&'static str, bool) {
    let cmg = profile("cmg");
    let state = State {
        pin: if pin { Pin::Correct } else { Pin::Wrong },
        password: if password { Password::Correct } else { Password::Wrong },
        questions: match question {
            None => Questions::Pending,
            Some(true) => Questions::Passed,
            Some(false) => Questions::Failed,
        },
        compensated,
    };
    let decision = cmg.decide(Route::Standard, CallerClass::Unverified, state);
    (decision.next.word(), decision.compensated)
}

#[test]
fn c35_c59_pin_and_password_right_pass_without_a_question() {
    assert_eq!(row(true, true, None, false), ("authenticated", false));
    assert_eq!(row(true, true, None, true), ("authenticated", false));
}

#[test]
fn c36_c41_c60_a_wrong_password_and_a_right_answer_pass_with_the_mark() {
    assert_eq!(row(true, false, None, false), ("questions", false));
    assert_eq!(row(true, false, Some(true), false), ("authenticated", true));
}

#[test]
fn c37_c61_a_wrong_password_and_a_wrong_answer_fail() {
    assert_eq!(row(true, false, Some(false), false), ("failed", false));
}

#[test]
fn c38_c41_c62_a_wrong_pin_and_a_right_answer_pass_with_the_mark() {
    assert_eq!(row(false, true, None, false), ("questions", false));
    assert_eq!(row(false, true, Some(true), false), ("authenticated", true));
}

#[test]
fn c39_c63_a_wrong_pin_and_a_wrong_answer_fail() {
    assert_eq!(row(false, true, Some(false), false), ("failed", false));
}

#[test]
fn c40_c64_both_wrong_fail_and_no_question_is_asked() {
    for compensated in [false, true] {
        assert_eq!(row(false, false, None, compensated), ("failed", false));
    }
}

#[test]
fn c44_c45_x04_after_a_compensated_pass_one_wrong_factor_demands_a_reset_and_no_question() {
    for question in [None, Some(true), Some(false)] {
        assert_eq!(row(true, false, question, true), ("reset_required", false));
        assert_eq!(row(false, true, question, true), ("reset_required", false));
    }
}

#[test]
fn c35_c40_x04_all_sixteen_inputs_come_out_as_the_source_says() {
    for bits in 0..16_u8 {
        let input = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        let [pin, password, question, compensated] = input;
        let expected = outcome(input);
        for class in CallerClass::ALL {
            for hardened in [profile("cmg"), profile("cmg-hardened")] {
                let state = State {
                    pin: if pin { Pin::Correct } else { Pin::Wrong },
                    password: if password { Password::Correct } else { Password::Wrong },
                    questions: if question { Questions::Passed } else { Questions::Failed },
                    compensated,
                };
                let decision = hardened.decide(Route::Standard, class, state);
                assert!(decision.row > 0);
                assert_eq!((decision.next.word(), decision.compensated), expected, "{state:?}");
            }
        }
    }
}

#[test]
fn c34_the_password_waits_for_the_pin_and_a_question_for_both() {
    let cmg = profile("cmg");
    for state in states() {
        let next = cmg.next(CallerClass::Unverified, state);
        match next {
            Next::Password => assert_ne!(state.pin, Pin::Pending),
            Next::Questions(_) => {
                assert!(state.pin != Pin::Pending && state.password != Password::Pending);
            }
            _ => {}
        }
        if state.pin == Pin::Pending {
            assert_eq!(*next, Next::Pin);
        }
    }
}

#[test]
fn c51_a_fault_of_ours_is_system_unavailable_in_every_table() {
    for name in ["cmg", "cmg-hardened"] {
        for route in [Route::Standard, Route::Transitional] {
            let state = state(Pin::Unavailable, Questions::Pending);
            let profile = profile(name);
            let decision = profile.decide(route, CallerClass::Unverified, state);
            assert_eq!(*decision.next, Next::SystemUnavailable);
        }
    }
}

// --- the transitional route ---

#[test]
fn c17_each_trigger_alone_leads_to_the_transitional_questions_when_details_are_default() {
    for name in ["cmg", "cmg-hardened"] {
        let cmg = profile(name);
        let flags = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for trigger in [
            "initial_calculation_completed",
            "scheme_1993_transition",
            "scheme_2003_transition",
            "first_contact_paying_parent",
        ] {
            assert_eq!(cmg.route(&flags(&["apply_defaults", trigger])), Route::Transitional);
            assert_eq!(cmg.route(&flags(&[trigger])), Route::Standard, "own details: {trigger}");
        }
        assert_eq!(cmg.route(&flags(&["apply_defaults"])), Route::Standard);
        assert_eq!(cmg.route(&[]), Route::Standard);
    }
    let all = profile("cmg").transition.expect("a rule").triggers;
    assert_eq!(profile("bofe").route(&all), Route::Standard);
}

#[test]
fn c18_on_the_transitional_route_no_pin_passes() {
    let cmg = profile("cmg");
    for state in states().filter(|state| state.questions != Questions::Passed) {
        let decision = cmg.decide(Route::Transitional, CallerClass::VerifiedNumber, state);
        assert_ne!(*decision.next, Next::Authenticated, "{state:?}");
    }
}

#[test]
fn c19_the_transitional_pool_is_exactly_the_five() {
    for name in ["cmg", "cmg-hardened"] {
        assert_eq!(asked(&profile(name), "transitional"), FIVE);
        let drawn = drawn(&profile(name), "transitional", &pool(), 3).expect("questions");
        assert_eq!(drawn, keys(&FIVE), "{name}: all that can be asked, in order");
    }
}

#[test]
fn c20_two_transitional_answers_do_not_pass_and_three_do() {
    let cmg = profile("cmg");
    let set = cmg.question_set("transitional").expect("a set");
    for count in 0..=5 {
        let keys = keys(&FIVE[..count]);
        assert_eq!(set.passes(&cmg, &right(&keys)), count >= 3, "{count}");
    }
}

#[test]
fn x23_a_value_that_identified_the_caller_is_never_asked() {
    let cmg = profile("cmg");
    assert!(cmg.question(&key("scin")).expect("a question").identifies);
    let scin = [key("scin")];
    let with = Pool { used_to_identify: &scin, ..pool() };
    let four = drawn(&cmg, "transitional", &with, 9).expect("questions");
    assert_eq!(four, keys(&["postcode", "date_of_birth", "qc_date_of_birth", "nino"]));
    let flags = ["arrears_only".to_owned()];
    let three = drawn(&cmg, "transitional", &Pool { flags: &flags, ..with }, 9).expect("questions");
    assert_eq!(three, keys(&["postcode", "date_of_birth", "nino"]), "3 for arrears-only");
}

// --- draws ---

#[test]
fn c24_x35_two_questions_are_drawn_from_six_and_not_by_the_agent() {
    const ROUNDS: u32 = 15_000;
    let cmg = profile("cmg");
    assert_eq!(asked(&cmg, "security"), SIX);
    let mut seen: BTreeMap<Vec<FactKey>, u32> = BTreeMap::new();
    for seed in 0..ROUNDS {
        let two = drawn(&cmg, "security", &pool(), seed.into()).expect("questions");
        assert!(two.len() == 2 && two[0] != two[1]);
        *seen.entry(two).or_default() += 1;
    }
    assert_eq!(seen.len(), 15, "every pair of six");
    let expected = ROUNDS / 15;
    for (pair, count) in seen {
        assert!(count.abs_diff(expected) < expected / 5, "{pair:?}: {count} of {expected}");
    }
}

#[test]
fn c54_the_call_back_draws_three_of_exactly_the_six() {
    for name in ["cmg", "cmg-hardened"] {
        let cmg = profile(name);
        let mut pool_of_six = asked(&cmg, "call_back");
        pool_of_six.sort_unstable();
        let mut six = SIX;
        six.sort_unstable();
        assert_eq!(pool_of_six, six);
        for seed in 0..50 {
            let (set, three) = cmg.call_back_questions(&pool(), seed).expect("questions");
            assert_eq!((set, three.len()), ("call_back", 3));
        }
    }
}

#[test]
fn c57_c68_one_wrong_answer_fails_the_call_back() {
    for name in ["cmg", "cmg-hardened"] {
        let cmg = profile(name);
        for set in ["call_back", "call_back_early"] {
            let three = drawn(&cmg, set, &pool(), 11).expect("questions");
            let set = cmg.question_set(set).expect("a set");
            assert!(set.passes(&cmg, &right(&three)));
            assert!(!set.passes(&cmg, &right(&three[..2])));
        }
    }
}

#[test]
fn c55_c66_early_or_with_too_few_on_file_the_transitional_questions_come() {
    let cmg = profile("cmg");
    let early = ["early_lifecycle".to_owned()];
    let (set, three) =
        cmg.call_back_questions(&Pool { flags: &early, ..pool() }, 5).expect("questions");
    assert_eq!((set, three.len()), ("call_back_early", 3));
    assert!(three.iter().all(|key| FIVE.contains(&key.as_str())));
    let two_of_six = |key: &FactKey| {
        ["employer", "last_contact"].contains(&key.as_str())
            || FIVE[..2].contains(&key.as_str())
            || key.as_str() == "nino"
    };
    let (set, three) =
        cmg.call_back_questions(&Pool { on_file: &two_of_six, ..pool() }, 5).expect("questions");
    assert_eq!((set, three.len()), ("call_back_early", 3));
    let nothing = Pool { on_file: &|_| false, ..pool() };
    assert_eq!(cmg.call_back_questions(&nothing, 5), None);
}

#[test]
fn c25_memorable_data_is_asked_nowhere_and_refused_in_a_catalogue() {
    for (name, _) in BUILT_IN {
        let profile = profile(name);
        assert!(!profile.catalogue.keys().any(|key| key.as_str().starts_with("memorable_")));
    }
    let with = text("cmg").replace("[catalogue] ", "[catalogue]\nmemorable_place = \"Where?\" ");
    assert!(refused(&with).contains("memorable_place is memorable data, no longer asked (C25)"));
}

#[test]
fn x08_what_was_volunteered_within_a_year_is_not_asked() {
    let cmg = profile("cmg");
    let question = cmg.question(&key("bank_last4")).expect("a question");
    assert!(question.disclosable);
    assert_eq!(question.unasked_after_disclosure, Some(Duration::from_hours(24 * 365)));
    let disclosed = [key("bank_last4")];
    for seed in 0..200 {
        let with = Pool { disclosed: &disclosed, ..pool() };
        for set in ["security", "call_back"] {
            assert!(!drawn(&cmg, set, &with, seed).expect("questions").contains(&disclosed[0]));
        }
    }
    for wrong in ["", ", unasked_days_after_disclosure = 30"] {
        let text = text("cmg").replace(", unasked_days_after_disclosure = 365", wrong);
        let refused = refused(&text);
        assert!(
            refused.contains("bank_last4 may be volunteered and is asked as well"),
            "{refused}"
        );
    }
}

#[test]
fn x34_what_the_last_calls_asked_is_not_asked_again_while_enough_remains() {
    let cmg = profile("cmg");
    let recent = keys(&SIX[..3]);
    for seed in 0..100 {
        let with = Pool { recent: &recent, ..pool() };
        let three = drawn(&cmg, "call_back", &with, seed).expect("questions");
        assert_eq!(three, keys(&SIX[3..]), "the other three remain");
    }
    let recent = keys(&SIX[..5]);
    let with = Pool { recent: &recent, ..pool() };
    let three = drawn(&cmg, "call_back", &with, 1).expect("too few remain, so recent ones come");
    assert!(three.contains(&key(SIX[5])), "but the fresh one is among them");
}

#[test]
fn x24_other_party_answers_never_decide_alone_in_the_hardened_profile() {
    let cmg = profile("cmg-hardened");
    let known_to_the_other = |key: &&FactKey| {
        cmg.question(key).is_some_and(|question| question.secrecy != Secrecy::Private)
    };
    for (name, set) in &cmg.sets {
        let others: Vec<&FactKey> =
            set.ask.iter().map(|(key, _)| key).filter(known_to_the_other).collect();
        assert!(!set.passes(&cmg, &others), "{name}");
        for seed in 0..200 {
            let drawn = set.draw(&cmg, &pool(), seed).expect("questions");
            assert!(!drawn.iter().all(|key| known_to_the_other(&key)), "{name}: one is private");
            assert!(set.passes(&cmg, &right(&drawn)), "{name}: what is drawn can pass");
        }
    }
    let literal = profile("cmg");
    let set = literal.question_set("security").expect("a set");
    assert!(set.passes(&literal, &right(&keys(&["employer"]))), "the literal one stays literal");
}

#[test]
fn x15_one_statement_counts_once_in_the_hardened_profile_and_stays_literal_otherwise() {
    let glance = keys(&["last_transaction_date", "last_transaction_amount", "main_balance"]);
    for (name, counted, passes) in [("bofe", 3, true), ("bofe-hardened", 1, false)] {
        let bofe = profile(name);
        let set = bofe.question_set("three_of_five").expect("a set");
        assert_eq!(set.counted(&bofe, &right(&glance)), counted, "{name}");
        assert_eq!(set.passes(&bofe, &right(&glance)), passes, "{name}");
    }
    let bofe = profile("bofe-hardened");
    let set = bofe.question_set("three_of_five").expect("a set");
    let three = keys(&["main_balance", "place_of_birth", "date_of_birth"]);
    assert!(set.passes(&bofe, &right(&three)));
}

proptest! {
    #[test]
    fn c22_x08_x23_x35_a_draw_holds_only_what_may_be_asked_and_can_pass(
        seed: u64,
        on_file in proptest::collection::vec(any::<bool>(), 10),
        identified: bool,
        disclosed: bool,
        arrears: bool,
        recent in 0_usize..6,
        hardened: bool,
    ) {
        let cmg = profile(if hardened { "cmg-hardened" } else { "cmg" });
        let all: Vec<FactKey> = cmg.catalogue.keys().cloned().collect();
        let held = |key: &FactKey| all.iter().zip(&on_file).any(|(known, held)| known == key && *held);
        let scin = if identified { keys(&["scin"]) } else { vec![] };
        let told = if disclosed { keys(&["bank_last4"]) } else { vec![] };
        let flags = if arrears { vec!["arrears_only".to_owned()] } else { vec![] };
        let recent = keys(&SIX[..recent]);
        let pool = Pool {
            on_file: &held,
            used_to_identify: &scin,
            disclosed: &told,
            recent: &recent,
            flags: &flags,
        };
        for (name, set) in &cmg.sets {
            let Some(drawn) = set.draw(&cmg, &pool, seed) else { continue };
            prop_assert!(set.passes(&cmg, &right(&drawn)), "{name}: {drawn:?}");
            prop_assert!(set.draw.is_none_or(|most| drawn.len() <= usize::from(most)));
            for key in &drawn {
                prop_assert!(held(key) && !scin.contains(key) && !told.contains(key));
                prop_assert!(set.ask.iter().any(|(known, _)| known == key));
                prop_assert!(!arrears || key.as_str() != "qc_date_of_birth", "c22");
            }
            prop_assert_eq!(set.draw(&cmg, &pool, seed), Some(drawn), "5.6: a redial draws the same");
        }
    }
}

// --- the loader ---

#[test]
fn c10_no_legacy_term_in_any_text_of_ours_and_none_is_accepted() {
    for (situation, said) in words::SITUATIONS {
        assert_eq!(words::phrase_in(said, LEGACY_TERMS), None, "{situation}");
        assert_eq!(words::phrase_in(said, words::FORBIDDEN_OPENINGS), None, "{situation}");
    }
    for term in
        ["the Parent with Care", "a non-resident parent", "the NRP", "PWC's", "absent-parent"]
    {
        let sentence = format!("Is this {term} speaking?");
        assert!(words::phrase_in(&sentence, LEGACY_TERMS).is_some(), "{term}");
        let with = text("cmg").replace("Is the client there with you?", &sentence);
        assert!(refused(&with).contains("is a legacy term"), "{term}");
    }
    assert_eq!(words::phrase_in("an nrpx or a parent with careful habits", LEGACY_TERMS), None);
}

#[test]
fn o04_the_defensive_opening_is_in_no_profile_and_is_refused() {
    for opening in ["Before we start, who are you?", "I need to ask you some security questions."] {
        let with = text("bofe").replace(
            "I have a few short questions, to be sure that I am speaking to you.",
            opening,
        );
        let refused = refused(&with);
        assert!(refused.contains("puts people on the defensive"), "{refused}");
    }
}

#[test]
fn a_gap_an_overlap_and_a_dead_end_are_refused_with_their_row() {
    let text = text("retail");
    let without_row = text.replacen(
        "[[unverified]]\npin = \"unavailable\"\nnext = \"system_unavailable\"\n",
        "",
        1,
    );
    let overlap = format!("{text}\n[[unverified]]\npin = \"correct\"\nnext = \"authenticated\"\n");
    let dead_end = text.replacen(
        "pin = \"correct\"\nnext = \"authenticated\"",
        "pin = \"correct\"\nnext = \"pin\"",
        1,
    );
    let no_set = text.replacen("set = \"two_of_three\"", "set = \"two_of_tree\"", 1);
    for (text, expected) in [
        (without_row, "[[unverified]]: no row fits pin = \"unavailable\"; add one"),
        (overlap, "rows 3 and 7 overlap at pin = \"correct\", questions = \"pending\""),
        (dead_end, "row 2 asks for the PIN again"),
        (no_set, "no [questions.two_of_tree]"),
        (text.replace("required = 3", "required = 6"), "required = 6: write 1 to 5"),
        (text.replace("reprompts = 2", "reprompt = 2"), "unknown field `reprompt`"),
    ] {
        let bad = refused(&text);
        assert!(bad.contains(expected), "{expected}: {bad}");
        assert_eq!(
            bad.lines().filter(|line| line.contains("no row fits")).count(),
            usize::from(expected.contains("no row fits")),
            "one gap is one sentence: {bad}"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_line_and_what_to_write() {
    let broken = text("cmg")
        .replace("party = \"agent\"", "party = \"anybody\"")
        .replace("attempts = 2 ", "attempts = 9 ")
        .replace("reprompts = 2", "reprompt = 2")
        .replace("set = \"call_back\"", "set = \"ring_back\"")
        .replace("\"postcode\", ", "\"post_code\", ")
        .replace("password = \"Thank you.", "pasword = \"Thank you.")
        .replace("draw = 2 ", "draw = 9 ")
        .replace("marks = \"compensated\"", "marks = \"nothing\"")
        .replace("secrecy = \"private\", blind = true }", "secrecy = \"secret\", blind = true }");
    let bad = Profile::parse("my.toml", &broken).expect_err("mistakes");
    for expected in [
        "unknown variant `anybody`, expected `record` or `agent`",
        "capture.attempts = 9: write 1 to 2",
        "unknown field `reprompt`",
        "there is no [questions.ring_back]; add it",
        "post_code has no text in [catalogue]; add it there",
        "pasword: no such situation",
        "draw = 9: write 1 to 6",
        "unknown variant `nothing`, expected `compensated`",
        "unknown variant `secret`",
    ] {
        let line = bad.problems.iter().find(|problem| problem.contains(expected));
        let line = line.unwrap_or_else(|| panic!("{expected}:\n{bad}"));
        let number = line.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
        let number = number.expect("a line");
        assert!(number > 1 && number <= broken.lines().count(), "{line}");
    }
    let place = broken.lines().position(|line| line.contains("anybody")).expect("a line") + 1;
    assert!(bad.problems.iter().any(|p| p.starts_with(&format!("my.toml:{place}: "))), "{bad}");
}

#[test]
fn x23_c22_a_pool_that_exclusions_make_too_small_is_refused() {
    let short = text("cmg").replace(
        "ask = [\"postcode\", \"date_of_birth\", \"qc_date_of_birth\", \"scin\", \"nino\"]",
        "ask = [\"postcode\", \"qc_date_of_birth\", \"scin\", \"nino\"]",
    );
    let refused_text = refused(&short);
    assert!(refused_text.contains("cannot be reached where exclusions apply"), "{refused_text}");
    let nothing_private = text("cmg-hardened").replace(
        "National Insurance number?\", secrecy = \"private\"",
        "National Insurance number?\", secrecy = \"other_party\"",
    );
    assert!(refused(&nothing_private).contains("cannot be reached"), "x24");
}

#[test]
fn c57_a_call_back_that_forgives_a_wrong_answer_is_refused() {
    let forgiving = text("cmg").replace("draw = 3", "draw = 4");
    assert!(
        refused(&forgiving).contains("a call back passes with every answer right; write draw = 3")
    );
}

#[test]
fn o02_o06_outbound_calls_need_a_published_number_and_two_ways_to_prove_ourselves() {
    let cmg = profile("cmg");
    assert!(cmg.outbound.enabled && cmg.outbound.proofs() >= 2);
    let number = "published_number = \"+44 20 7946 0959\"";
    assert!(refused(&text("cmg").replace(number, "")).contains("(O06)"));
    let one = text("cmg")
        .replace("[\"app\", \"call_back\", \"letter\", \"waive\"]", "[\"letter\", \"waive\"]");
    assert!(refused(&one).contains("(O02)"));
    assert!(!profile("bofe").outbound.enabled, "S3 knows no outbound check");
}

#[test]
fn x33_under_cmg_a_pin_is_asked_outbound_only_after_a_proof() {
    for name in ["cmg", "cmg-hardened"] {
        let after = profile(name).outbound.pin_after;
        assert!(!after.contains(&crate::outbound::Method::Waive), "{name}");
    }
}

#[test]
fn x36_files_add_to_the_built_in_profiles_and_every_mistake_in_all_of_them_is_reported() {
    let file = |name: &str, text: String| (name.to_owned(), text);
    let own = text("bofe").replace("name = \"bofe\"", "name = \"cards\"");
    let longer = text("retail").replace("attempts = 2 ", "attempts = 1 ");
    let shelf = Shelf::with(&[file("a.toml", own.clone()), file("b.toml", longer)]).expect("sound");
    assert_eq!(shelf.get("retail").map(|profile| profile.capture.attempts), Some(1), "replaced");
    assert!(shelf.get("cards").is_some() && shelf.get("bofe").is_some());
    assert!(shelf.no_such("card").contains("write one of bofe, bofe-hardened, cards, cmg"));
    let bad = Shelf::with(&[
        file("a.toml", own.clone()),
        file("b.toml", own),
        file("c.toml", "name = 7".to_owned()),
        file("d.toml", "[".to_owned()),
    ]);
    let bad = bad.expect_err("mistakes").to_string();
    for expected in ["b.toml: profile \"cards\" also stands in a.toml", "c.toml:1: ", "d.toml:1: "]
    {
        assert!(bad.contains(expected), "{expected}: {bad}");
    }
    assert!(bad.contains("there is no table for verified_number"), "{bad}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_broken_profile_is_refused_and_never_panics(cut in 0_usize..6_000, junk in "[a-z=\\[\\]\"{}0-9\n ]{0,12}") {
        let text = text("cmg");
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let broken = format!("{}{junk}{}", &text[..at], &text[at..]);
        if let Err(bad) = Profile::parse("x.toml", &broken) {
            prop_assert!(bad.problems.iter().all(|problem| problem.starts_with("x.toml:")));
        }
    }
}
