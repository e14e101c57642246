//! RULES AS DATA. Profiles parsed from TOML; their decision tables are proven complete and without
//! overlap, their questions and words checked, before anything uses them.

mod proof;
pub mod questions;
mod raw;
mod read;
pub mod shelf;
pub mod table;
#[cfg(test)]
mod tests;
pub mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::account::BlockRule;
use crate::follow_up;
use crate::model::caller::CallerClass;
use crate::model::caller::NumberTrust;
use crate::model::ids::FactKey;
use crate::outbound;
use crate::policy::table::Decision;
use crate::policy::table::Next;
use crate::policy::table::Row;
use crate::policy::table::State;

pub use crate::policy::questions::Pool;
pub use crate::policy::questions::Question;
pub use crate::policy::questions::QuestionSet;
pub use crate::policy::questions::Reveal;
pub use crate::policy::questions::Secrecy;
pub use crate::policy::shelf::Shelf;
pub use crate::policy::table::Route;
pub use crate::policy::words::LEGACY_TERMS;
pub use crate::policy::words::Texts;

/// The built-in profiles: name and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("retail", include_str!("../../config/policies/retail.toml")),
    ("bofe", include_str!("../../config/policies/bofe.toml")),
    ("bofe-hardened", include_str!("../../config/policies/bofe-hardened.toml")),
    ("cmg", include_str!("../../config/policies/cmg.toml")),
    ("cmg-hardened", include_str!("../../config/policies/cmg-hardened.toml")),
];

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

/// Who says which role the caller has (C11).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum PartyRule {
    /// The customer's record.
    #[default]
    Record,
    /// The agent, before anything but the PIN is asked.
    Agent,
}

/// What a block does to callers we have good reason to believe (5.8).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Lanes {
    /// Nobody passes on a blocked account.
    #[default]
    Literal,
    /// The untrusted lane is blocked; the app and a number of high trust may still authenticate.
    Two,
}

/// When the transitional questions replace the standard check (C17).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The flag of a customer whose security details are defaults (C18).
    #[serde(default = "apply_defaults")]
    pub details_default_flag: String,
    /// Flags of which any, beside the defaults, leads to the transitional questions.
    pub triggers: Vec<String>,
}

fn apply_defaults() -> String {
    "apply_defaults".to_owned()
}

/// What follows a failed check (C48–C57, C65–C68).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CallBackRule {
    /// The question set of the call back.
    pub set: String,
    /// The set early in a case, or where too few of `set` can be asked (C55, C66).
    pub early_set: Option<String>,
    /// Customer flags that say it is early.
    #[serde(default)]
    pub early_flags: Vec<String>,
    /// Agent groups that may not start the call back themselves (C50).
    #[serde(default)]
    pub not_by_groups: Vec<String>,
    /// Outbound, the questions follow on the same call (C65).
    #[serde(default)]
    pub outbound_same_call: bool,
}

/// One policy profile, checked.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, stored with every decision.
    pub hash: String,
    /// Its text, archived so that a past call can be evaluated again.
    pub text: Arc<str>,
    /// What a number must be worth.
    pub number_trust: NumberTrust,
    /// How long it must have been on file.
    pub number_age: Duration,
    /// PIN capture.
    pub capture: CaptureRules,
    /// Block rule.
    pub block: BlockRule,
    /// Whom a block stops.
    pub lanes: Lanes,
    /// Whether an administrator's unblock waits for a second person (5.7).
    pub second_person_unblock: bool,
    /// Who says which role the caller has.
    pub party: PartyRule,
    /// When transitional questions are asked; none: never.
    pub transition: Option<Transition>,
    /// Call backs; none: none are offered.
    pub call_back: Option<CallBackRule>,
    /// How long a claimed call waits for its disposition.
    pub wrap_up_max: Duration,
    /// How long an unclaimed ended call stays visible.
    pub linger: Duration,
    /// What follows after a call.
    pub follow_up: follow_up::Rules,
    /// How we prove ourselves on outbound calls.
    pub outbound: outbound::rules::Rules,
    /// Sentences.
    pub texts: Texts,
    /// What an agent never says, shown beside every call.
    pub never_say: Vec<String>,
    say: BTreeMap<String, String>,
    catalogue: BTreeMap<FactKey, Question>,
    sets: BTreeMap<String, QuestionSet>,
    tables: BTreeMap<CallerClass, Vec<Row>>,
    transitional: Vec<Row>,
}

/// A profile cannot be used. Lists every mistake, so that an operator starts twice, not four times.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct BadProfile {
    /// One sentence each: file, line, what is wrong, what to write.
    pub problems: Vec<String>,
}

impl Profile {
    /// Reads a profile; `file` names it in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, BadProfile> {
        read::profile(file, text)
    }

    /// What a caller of this class in this state is to do. Total, by the proof at load.
    #[must_use]
    pub fn decide(&self, route: Route, class: CallerClass, state: State) -> Decision<'_> {
        table::decide(self.rows(route, class), state)
    }

    /// What comes next on the standard route.
    #[must_use]
    pub fn next(&self, class: CallerClass, state: State) -> &Next {
        self.decide(Route::Standard, class, state).next
    }

    /// The rows that decide; without a transitional table the standard one does.
    #[must_use]
    pub fn rows(&self, route: Route, class: CallerClass) -> &[Row] {
        if route == Route::Transitional && !self.transitional.is_empty() {
            return &self.transitional;
        }
        self.tables.get(&class).map(Vec::as_slice).unwrap_or_default()
    }

    /// Which way a customer with these flags goes: transitional with default security details and
    /// any of the triggers (C17).
    #[must_use]
    pub fn route(&self, flags: &[String]) -> Route {
        let transitional = self.transition.as_ref().is_some_and(|transition| {
            flags.contains(&transition.details_default_flag)
                && transition.triggers.iter().any(|trigger| flags.contains(trigger))
        });
        if transitional { Route::Transitional } else { Route::Standard }
    }

    /// A question set by its name.
    #[must_use]
    pub fn question_set(&self, name: &str) -> Option<&QuestionSet> {
        self.sets.get(name)
    }

    /// A question of the catalogue.
    #[must_use]
    pub fn question(&self, key: &FactKey) -> Option<&Question> {
        self.catalogue.get(key)
    }

    /// When the agent may see the answer to a question of a set: the set's rule, unless the question
    /// is always blind (C26–C32).
    #[must_use]
    pub fn reveal(&self, set: &QuestionSet, key: &FactKey) -> Reveal {
        let blind = self.question(key).is_some_and(|question| question.blind);
        if blind { Reveal::Blind } else { set.reveal }
    }

    /// Whether these flags say that it is too early in the case for transactional questions (C55).
    #[must_use]
    pub fn is_early(&self, flags: &[String]) -> bool {
        let early = |rule: &CallBackRule| rule.early_flags.iter().any(|flag| flags.contains(flag));
        self.route(flags) == Route::Transitional || self.call_back.as_ref().is_some_and(early)
    }

    /// The questions of a call back or of the recovery on an outbound call: the rule's set, or the
    /// early one where the customer's flags say so or too few can be asked (C54, C55, C65, C66).
    #[must_use]
    pub fn call_back_questions(&self, pool: &Pool<'_>, seed: u64) -> Option<(&str, Vec<FactKey>)> {
        let rule = self.call_back.as_ref()?;
        let drawn = |name: &'_ str| self.question_set(name)?.draw(self, pool, seed);
        let early = self.is_early(pool.flags);
        let usual = if early && rule.early_set.is_some() { None } else { drawn(&rule.set) };
        if let Some(keys) = usual {
            return Some((&rule.set, keys));
        }
        let name = rule.early_set.as_deref()?;
        Some((name, drawn(name)?))
    }

    /// What the agent says now, by situation (`words::SITUATIONS`).
    #[must_use]
    pub fn say(&self, situation: &str) -> Option<&str> {
        self.say.get(situation).map(String::as_str)
    }

    /// What an operator should know about a profile that is as its source wrote it (X15, X24).
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        proof::warnings(self)
    }
}
