//! Decision tables over the factors of a check: (pin, password, questions) → what comes next.

use std::fmt;

use serde::Deserialize;

/// Where the PIN stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// Not asked yet.
    Pending,
    /// A pair was right.
    Correct,
    /// The last allowed pair was wrong.
    Wrong,
    /// The caller gave none.
    Skipped,
    /// We could not check.
    Unavailable,
}

/// Where the password stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// Not asked yet.
    Pending,
    /// It was right.
    Correct,
    /// It was wrong.
    Wrong,
}

/// Where the questions stand.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Questions {
    /// Not finished.
    Pending,
    /// At or above the threshold.
    Passed,
    /// Below it.
    Failed,
}

/// All three factors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    /// PIN.
    pub pin: Pin,
    /// Password.
    pub password: Password,
    /// Questions.
    pub questions: Questions,
}

/// What to do in a state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Ask PIN positions by keypad.
    Pin,
    /// Ask the password.
    Password,
    /// Ask the named question set.
    Questions(String),
    /// Passed.
    Authenticated,
    /// Not passed.
    Failed,
    /// We could not check.
    SystemUnavailable,
}

/// One row. An empty column fits all values.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawRow")]
pub struct Row {
    pin: Vec<Pin>,
    password: Vec<Password>,
    questions: Vec<Questions>,
    /// What the row says.
    pub next: Next,
}

impl Row {
    /// Whether the row speaks about this state.
    #[must_use]
    pub fn fits(&self, state: State) -> bool {
        fn allows<T: PartialEq>(column: &[T], value: &T) -> bool {
            column.is_empty() || column.contains(value)
        }
        allows(&self.pin, &state.pin)
            && allows(&self.password, &state.password)
            && allows(&self.questions, &state.questions)
    }
}

/// Every state there is: 5 × 3 × 3.
pub fn states() -> impl Iterator<Item = State> {
    const PINS: [Pin; 5] = [Pin::Pending, Pin::Correct, Pin::Wrong, Pin::Skipped, Pin::Unavailable];
    const PASSWORDS: [Password; 3] = [Password::Pending, Password::Correct, Password::Wrong];
    const QUESTIONS: [Questions; 3] = [Questions::Pending, Questions::Passed, Questions::Failed];
    PINS.into_iter().flat_map(|pin| {
        PASSWORDS.into_iter().flat_map(move |password| {
            QUESTIONS.into_iter().map(move |questions| State { pin, password, questions })
        })
    })
}

/// What is wrong with a class's table: gaps, overlaps, steps that were already taken, unknown sets.
pub fn faults(rows: &[Row], set_exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = vec![];
    for state in states() {
        let fitting: Vec<usize> =
            (1..).zip(rows).filter(|(_, row)| row.fits(state)).map(|(number, _)| number).collect();
        match fitting.as_slice() {
            [] => faults.push(format!("no row fits {state}; add one")),
            [_] => {}
            [one, other, ..] => faults
                .push(format!("rows {one} and {other} overlap at {state}; narrow one of them")),
        }
    }
    for (number, row) in (1..).zip(rows) {
        let repeats =
            |asked: fn(State) -> bool| states().any(|state| row.fits(state) && asked(state));
        match &row.next {
            Next::Pin if repeats(|state| state.pin != Pin::Pending) => {
                faults.push(format!(
                    "row {number} asks for the PIN again after its result; write pin = \"pending\""
                ));
            }
            Next::Password if repeats(|state| state.password != Password::Pending) => {
                faults.push(format!(
                    "row {number} asks for the password again; write password = \"pending\""
                ));
            }
            Next::Questions(_) if repeats(|state| state.questions != Questions::Pending) => {
                faults.push(format!(
                    "row {number} asks the questions again; write questions = \"pending\""
                ));
            }
            Next::Questions(set) if !set_exists(set) => {
                faults.push(format!("row {number}: there is no [questions.{set}]"));
            }
            Next::Pin
            | Next::Password
            | Next::Questions(_)
            | Next::Authenticated
            | Next::Failed
            | Next::SystemUnavailable => {}
        }
    }
    // One gap shows in many states; the first few tell enough.
    faults.truncate(8);
    faults
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { pin, password, questions } = self;
        let text = format!("pin = {pin:?}, password = {password:?}, questions = {questions:?}");
        f.write_str(&text.to_lowercase())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    pin: Option<OneOrMore<Pin>>,
    password: Option<OneOrMore<Password>>,
    questions: Option<OneOrMore<Questions>>,
    next: String,
    set: Option<String>,
}

fn column<T>(raw: Option<OneOrMore<T>>) -> Vec<T> {
    raw.map(OneOrMore::into_vec).unwrap_or_default()
}

impl TryFrom<RawRow> for Row {
    type Error = String;
    fn try_from(raw: RawRow) -> Result<Self, String> {
        let next = match (raw.next.as_str(), raw.set) {
            ("pin", None) => Next::Pin,
            ("password", None) => Next::Password,
            ("questions", Some(set)) => Next::Questions(set),
            ("questions", None) => return Err("next = \"questions\" needs set = \"…\"".into()),
            ("authenticated", None) => Next::Authenticated,
            ("failed", None) => Next::Failed,
            ("system_unavailable", None) => Next::SystemUnavailable,
            (_, Some(_)) => return Err("set belongs to next = \"questions\" alone".into()),
            (other, None) => {
                return Err(format!(
                    "next = {other:?}: write pin, password, questions, authenticated, failed or system_unavailable"
                ));
            }
        };
        Ok(Self {
            pin: column(raw.pin),
            password: column(raw.password),
            questions: column(raw.questions),
            next,
        })
    }
}
