//! RULES AS DATA. Profiles parsed from TOML; their decision tables are proven complete and without
//! overlap before anything uses them.

pub mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sha2::Digest;
use sha2::Sha256;

use crate::account::BlockRule;
use crate::model::caller::CallerClass;
use crate::model::caller::NumberTrust;
use crate::model::ids;
use crate::model::ids::FactKey;
use crate::policy::table::Next;
use crate::policy::table::Row;
use crate::policy::table::State;

/// The built-in profiles: name and text.
pub const BUILT_IN: &[(&str, &str)] =
    &[("retail", include_str!("../../config/policies/retail.toml"))];

/// When the agent may see the answer on file (X11).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// Never: the agent types what was said.
    Blind,
    /// After asking for it, one at a time, audited.
    OnClick,
    /// From the start.
    Always,
}

impl Reveal {
    /// The word of the profile and the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::OnClick => "on_click",
            Self::Always => "always",
        }
    }
}

/// A set of questions with its threshold.
#[derive(Clone, Debug)]
pub struct QuestionSet {
    /// Right answers needed (X14: at least).
    pub required: u8,
    /// When answers may be seen.
    pub reveal: Reveal,
    /// Keys and texts, in order.
    pub ask: Vec<(FactKey, String)>,
}

/// How PIN positions are asked.
#[derive(Clone, Copy, Debug)]
pub struct CaptureRules {
    /// Entries of the pair in one call.
    pub attempts: u8,
    /// Silence after a prompt until it is repeated.
    pub digit_timeout: Duration,
    /// Repetitions before giving up.
    pub reprompts: u8,
    /// Time for a whole customer number.
    pub customer_number_timeout: Duration,
}

/// Sentences for the agent, one per outcome.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Passed (B13).
    pub passed: String,
    /// Failed (B15).
    pub failed: String,
    /// The account is blocked.
    pub blocked: String,
    /// A reset comes first.
    pub reset_required: String,
    /// We could not check.
    pub unavailable: String,
}

/// One policy profile, checked.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, stored with every decision.
    pub hash: String,
    /// What a number must be worth.
    pub number_trust: NumberTrust,
    /// How long it must have been on file.
    pub number_age: Duration,
    /// PIN capture.
    pub capture: CaptureRules,
    /// Block rule.
    pub block: BlockRule,
    /// How long a claimed call waits for its disposition.
    pub wrap_up_max: Duration,
    /// How long an unclaimed ended call stays visible.
    pub linger: Duration,
    /// Sentences.
    pub texts: Texts,
    sets: BTreeMap<String, QuestionSet>,
    tables: BTreeMap<CallerClass, Vec<Row>>,
}

/// A profile cannot be used. Lists every mistake, so that an operator starts twice, not four times.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct BadProfile {
    /// One sentence each: file, line where known, what is wrong, what to write.
    pub problems: Vec<String>,
}

impl Profile {
    /// Reads a profile; `file` names it in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, BadProfile> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
            });
            BadProfile { problems: vec![format!("{file}:{line}: {}", error.message())] }
        })?;
        let mut problems = vec![];
        let sets = raw.question_sets(file, &mut problems);
        let tables: BTreeMap<_, _> = [
            (CallerClass::AppAuthenticated, raw.app_authenticated),
            (CallerClass::VerifiedNumber, raw.verified_number),
            (CallerClass::Unverified, raw.unverified),
        ]
        .into();
        for (class, rows) in &tables {
            let set_exists = |set: &str| sets.contains_key(set);
            problems.extend(
                table::faults(rows, set_exists)
                    .into_iter()
                    .map(|fault| format!("{file}: [[{}]]: {fault}", class.word())),
            );
        }
        for (key, value, range) in [
            ("capture.attempts", raw.capture.attempts, 1..=2),
            ("capture.reprompts", raw.capture.reprompts, 0..=5),
            ("block.failed_calls", raw.block.failed_calls, 1..=10),
            ("block.wrong_entries", raw.block.wrong_entries, 1..=20),
        ] {
            if !range.contains(&value) {
                problems.push(format!(
                    "{file}: {key} = {value}: write {} to {}",
                    range.start(),
                    range.end()
                ));
            }
        }
        if !problems.is_empty() {
            return Err(BadProfile { problems });
        }
        let hash = ids::hex(&Sha256::digest(text.as_bytes()));
        Ok(Self {
            name: raw.name,
            hash,
            number_trust: raw.number_trust,
            number_age: Duration::from_hours(24 * u64::from(raw.number_age_days)),
            capture: CaptureRules {
                attempts: raw.capture.attempts,
                digit_timeout: Duration::from_millis(raw.capture.digit_timeout_ms.into()),
                reprompts: raw.capture.reprompts,
                customer_number_timeout: Duration::from_millis(
                    raw.capture.customer_number_timeout_ms.into(),
                ),
            },
            block: raw.block,
            wrap_up_max: Duration::from_secs(raw.wrap_up.agent_seconds.into()),
            linger: Duration::from_secs(raw.wrap_up.linger_seconds.into()),
            texts: raw.texts,
            sets,
            tables,
        })
    }

    /// What comes next for a caller of this class in this state. Total, by the proof at load.
    #[must_use]
    pub fn next(&self, class: CallerClass, state: State) -> &Next {
        let rows = self.tables.get(&class).map(Vec::as_slice).unwrap_or_default();
        rows.iter().find(|row| row.fits(state)).map_or(&Next::Failed, |row| &row.next)
    }

    /// A question set by its name.
    #[must_use]
    pub fn question_set(&self, name: &str) -> Option<&QuestionSet> {
        self.sets.get(name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    number_trust: NumberTrust,
    number_age_days: u16,
    capture: RawCapture,
    #[serde(default)]
    block: BlockRule,
    wrap_up: RawWrapUp,
    texts: Texts,
    catalogue: BTreeMap<FactKey, String>,
    #[serde(default)]
    questions: BTreeMap<String, RawQuestions>,
    app_authenticated: Vec<Row>,
    verified_number: Vec<Row>,
    unverified: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapture {
    attempts: u8,
    digit_timeout_ms: u32,
    reprompts: u8,
    customer_number_timeout_ms: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWrapUp {
    agent_seconds: u32,
    linger_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuestions {
    required: u8,
    reveal: Reveal,
    ask: Vec<FactKey>,
}

impl Raw {
    fn question_sets(
        &self,
        file: &str,
        problems: &mut Vec<String>,
    ) -> BTreeMap<String, QuestionSet> {
        let mut sets = BTreeMap::new();
        for (name, raw) in &self.questions {
            let mut ask = vec![];
            for key in &raw.ask {
                match self.catalogue.get(key) {
                    Some(text) => ask.push((key.clone(), text.clone())),
                    None => problems.push(format!(
                        "{file}: [questions.{name}]: {key} has no text in [catalogue]"
                    )),
                }
            }
            if raw.required == 0 || usize::from(raw.required) > raw.ask.len() {
                let most = raw.ask.len();
                problems.push(format!(
                    "{file}: [questions.{name}]: required = {}: write 1 to {most}",
                    raw.required
                ));
            }
            sets.insert(
                name.clone(),
                QuestionSet { required: raw.required, reveal: raw.reveal, ask },
            );
        }
        sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::table::Password;
    use crate::policy::table::Pin;
    use crate::policy::table::Questions;

    fn retail() -> Profile {
        let (name, text) = BUILT_IN[0];
        Profile::parse(name, text).expect("the built-in profile is sound")
    }

    fn state(pin: Pin, questions: Questions) -> State {
        State { pin, password: Password::Pending, questions }
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
        assert!(
            texts.failed.contains("cannot proceed further any account related queries/requests")
        );
    }

    #[test]
    fn a_gap_an_overlap_and_a_dead_end_are_refused_with_their_row() {
        let (_, text) = BUILT_IN[0];
        let without_row = text.replacen(
            "[[unverified]]\npin = \"unavailable\"\nnext = \"system_unavailable\"\n",
            "",
            1,
        );
        let overlap =
            format!("{text}\n[[unverified]]\npin = \"correct\"\nnext = \"authenticated\"\n");
        let dead_end = text.replacen(
            "pin = \"correct\"\nnext = \"authenticated\"",
            "pin = \"correct\"\nnext = \"pin\"",
            1,
        );
        let no_set = text.replacen("set = \"two_of_three\"", "set = \"two_of_tree\"", 1);
        for (text, expected) in [
            (without_row, "no row fits pin = unavailable"),
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
}
