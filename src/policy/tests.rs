use super::*;
use crate::policy::table::Password;
use crate::policy::table::Pin;
use crate::policy::table::Questions;

fn retail() -> Profile {
    let (name, text) = BUILT_IN[0];
    Profile::parse(name, text).expect("the built-in profile is sound")
}

fn state(pin: Pin, questions: Questions) -> State {
    State { pin, password: Password::Pending, questions, compensated: false }
}

#[test]
fn retail_asks_what_the_contract_says() {
    use CallerClass as C;
    use Pin as P;
    use Questions as Q;
    let retail = retail();
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
fn b13_b15_the_sentences_are_the_sources_own() {
    let texts = retail().texts;
    assert_eq!(texts.passed, "Congratulations - Customer is fully authenticated");
    assert!(texts.failed.contains("cannot proceed further any account related queries/requests"));
}

#[test]
fn a_gap_an_overlap_and_a_dead_end_are_refused_with_their_row() {
    let (_, text) = BUILT_IN[0];
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
        (without_row, "no row fits pin = \"unavailable\""),
        (overlap, "rows 3 and 7 overlap"),
        (dead_end, "row 2 asks for the PIN again"),
        (no_set, "no [questions.two_of_tree]"),
        (text.replace("required = 3", "required = 6"), "required = 6: write 1 to 5"),
        (text.replace("reprompts = 2", "reprompt = 2"), "unknown field `reprompt`"),
    ] {
        let bad = Profile::parse("x.toml", &text).expect_err(expected);
        assert!(bad.to_string().contains(expected), "{expected}: {bad}");
    }
}
