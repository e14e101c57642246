//! What a call was decided from, kept so that it can be decided again (`countersign replay`).
//!
//! Holds states, rows and outcomes of the decision table and the keys of questions: never a digit, a
//! number or an answer.

use serde::Deserialize;
use serde::Serialize;

use crate::call::classify;
use crate::call::classify::Basis;
use crate::model::caller::CallerClass;
use crate::model::ids::FactKey;
use crate::policy::Profile;
use crate::policy::table::Route;
use crate::policy::table::State;

/// One look into the decision table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// Which table.
    pub route: Route,
    /// The class of the caller.
    pub class: CallerClass,
    /// Where the factors stood.
    pub state: State,
    /// The row that fitted, from 1.
    pub row: usize,
    /// What it said, as [`Next::word`](crate::policy::table::Next::word).
    pub next: String,
    /// Whether the row marks the pass as compensated (C41).
    pub compensated: bool,
}

/// Questions that were counted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Counted {
    /// The set.
    pub set: String,
    /// What was asked, in order.
    pub asked: Vec<FactKey>,
    /// What was answered right.
    pub right: Vec<FactKey>,
    /// Whether that was enough.
    pub passed: bool,
}

/// The recorded inputs of a call, and what was decided from them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Transcript {
    /// The profile's name.
    pub profile: String,
    /// SHA-256 of its text.
    pub hash: String,
    /// The class, and what it followed from; `None` while the look-up runs.
    pub class: Option<(CallerClass, Basis)>,
    /// Looks into the table, in order.
    pub steps: Vec<Step>,
    /// Questions that were finished, in order.
    pub questions: Vec<Counted>,
}

/// Something that comes out differently now.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// What: `class`, `step 2`, `questions 1`.
    pub at: String,
    /// What was recorded.
    pub then: String,
    /// What this profile says.
    pub now: String,
}

impl Transcript {
    /// A call decides a handful of times; more than this is a mistake that must not grow.
    const STEPS_MAX: usize = 64;

    /// The empty transcript of a call under this profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self { profile: profile.name.clone(), hash: profile.hash.clone(), ..Self::default() }
    }

    /// Adds a look into the table; the same look twice is one.
    pub fn step(&mut self, step: Step) {
        if self.steps.len() < Self::STEPS_MAX && self.steps.last() != Some(&step) {
            self.steps.push(step);
        }
    }

    /// Adds questions that were counted.
    pub fn counted(&mut self, counted: Counted) {
        if self.questions.len() < Self::STEPS_MAX {
            self.questions.push(counted);
        }
    }

    /// Decides everything again under `profile` and says what comes out differently.
    #[must_use]
    pub fn again(&self, profile: &Profile) -> Vec<Difference> {
        let mut differences = vec![];
        let mut compare = |at: String, then: String, now: String| {
            if then != now {
                differences.push(Difference { at, then, now });
            }
        };
        if let Some((class, basis)) = &self.class {
            let again = classify::class_of(basis, profile);
            compare("class".into(), class.word().into(), again.word().into());
        }
        for (number, step) in (1..).zip(&self.steps) {
            let decision = profile.decide(step.route, step.class, step.state);
            let told = |row: usize, next: &str, compensated: bool| {
                let mark = if compensated { ", compensated" } else { "" };
                format!("row {row}: {next}{mark}")
            };
            compare(
                format!("step {number}"),
                told(step.row, &step.next, step.compensated),
                told(decision.row, decision.next.word(), decision.compensated),
            );
        }
        for (number, counted) in (1..).zip(&self.questions) {
            let right: Vec<&FactKey> = counted.right.iter().collect();
            let passes = |passed: bool| if passed { "passed" } else { "not passed" };
            let again = match profile.question_set(&counted.set) {
                Some(set) => passes(set.passes(profile, &right)).to_owned(),
                None => format!("there is no set {}", counted.set),
            };
            compare(format!("questions {number}"), passes(counted.passed).into(), again);
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::caller::NumberTrust;
    use crate::policy::BUILT_IN;
    use crate::policy::table::states;

    fn profile(name: &str) -> Profile {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).expect("built in");
        Profile::parse(name, text).expect("sound")
    }

    fn decided_under(profile: &Profile) -> Transcript {
        let mut transcript = Transcript::new(profile);
        let basis = Basis {
            on_file: true,
            on_file_days: Some(31),
            trust: NumberTrust::Medium,
            alarmed: false,
            announced: false,
        };
        transcript.class = Some((classify::class_of(&basis, profile), basis));
        for state in states().take(Transcript::STEPS_MAX) {
            let (route, class) = (Route::Standard, CallerClass::VerifiedNumber);
            let decision = profile.decide(route, class, state);
            let (row, next) = (decision.row, decision.next.word().to_owned());
            let compensated = decision.compensated;
            transcript.step(Step { route, class, state, row, next, compensated });
        }
        transcript
    }

    #[test]
    fn a_past_call_comes_out_the_same_under_its_profile_and_otherwise_under_another() {
        let cmg = profile("cmg");
        let transcript = decided_under(&cmg);
        assert_eq!(transcript.hash, cmg.hash);
        assert_eq!(transcript.again(&cmg), []);
        let kept = serde_json::to_string(&transcript).expect("JSON");
        let read: Transcript = serde_json::from_str(&kept).expect("a transcript");
        assert_eq!(read, transcript, "as the records keep it");
        let differences = transcript.again(&profile("bofe"));
        assert!(differences.iter().any(|difference| difference.at.starts_with("step")));
    }

    #[test]
    fn a_forged_outcome_is_named_with_its_step() {
        let cmg = profile("cmg");
        let mut transcript = decided_under(&cmg);
        let step =
            transcript.steps.iter_mut().find(|step| step.next == "failed").expect("one fails");
        step.next = "authenticated".into();
        let [difference] = &transcript.again(&cmg)[..] else { panic!("one difference") };
        assert!(difference.then.contains("authenticated") && difference.now.contains("failed"));
    }
}
