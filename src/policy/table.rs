//! Decision tables over the factors of a check: (pin, password, questions, compensated before) → what
//! comes next (requirements §2).

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de::IntoDeserializer;
use serde::de::SeqAccess;
use serde::de::Visitor;

/// Which table of a profile speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// The table of the caller's class.
    #[default]
    Standard,
    /// The customer never chose security details: transitional questions (C17–C21).
    Transitional,
}

/// Where the PIN stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Questions {
    /// Not finished.
    Pending,
    /// At or above the threshold.
    Passed,
    /// Below it.
    Failed,
}

impl Pin {
    /// All of them, for the proof.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Correct, Self::Wrong, Self::Skipped, Self::Unavailable];

    /// The word of the profile.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::Skipped => "skipped",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Password {
    /// All of them, for the proof.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Correct, Self::Wrong];

    /// The word of the profile.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Correct => "correct",
            Self::Wrong => "wrong",
        }
    }
}

impl Questions {
    /// All of them, for the proof.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Passed, Self::Failed];

    /// The word of the profile.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

/// All three factors, and what the account brings along.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct State {
    /// PIN.
    pub pin: Pin,
    /// Password.
    pub password: Password,
    /// Questions.
    pub questions: Questions,
    /// An earlier call passed by an additional question, and no reset came since (C44, X04).
    pub compensated: bool,
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
    /// A reset comes first; nothing more is asked in this call (C44, X04).
    ResetRequired,
    /// We could not check.
    SystemUnavailable,
}

impl Next {
    /// The word of the profile.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Password => "password",
            Self::Questions(_) => "questions",
            Self::Authenticated => "authenticated",
            Self::Failed => "failed",
            Self::ResetRequired => "reset_required",
            Self::SystemUnavailable => "system_unavailable",
        }
    }
}

/// What a table says about a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decision<'a> {
    /// What comes next.
    pub next: &'a Next,
    /// The row that says so, from 1 in its table; 0 where there is no table.
    pub row: usize,
    /// This pass used an additional question: mark the account (C41, requirements §2).
    pub compensated: bool,
}

/// One row. An empty column fits all values.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawRow")]
pub struct Row {
    pin: Vec<Pin>,
    password: Vec<Password>,
    questions: Vec<Questions>,
    compensated: Option<bool>,
    /// What the row says.
    pub next: Next,
    /// The row's side effect: a pass by an additional question.
    pub marks_compensated: bool,
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
            && self.compensated.is_none_or(|wanted| wanted == state.compensated)
    }
}

/// What the rows say about a state. Total by the proof at load; without it, nobody passes.
#[must_use]
pub fn decide(rows: &[Row], state: State) -> Decision<'_> {
    let found = (1..).zip(rows).find(|(_, row)| row.fits(state));
    found.map_or(Decision { next: &Next::Failed, row: 0, compensated: false }, |(number, row)| {
        Decision { next: &row.next, row: number, compensated: row.marks_compensated }
    })
}

/// Every state there is: 5 × 3 × 3 × 2.
pub fn states() -> impl Iterator<Item = State> {
    Pin::ALL.into_iter().flat_map(|pin| {
        Password::ALL.into_iter().flat_map(move |password| {
            Questions::ALL.into_iter().flat_map(move |questions| {
                [false, true].map(|compensated| State { pin, password, questions, compensated })
            })
        })
    })
}

/// Something wrong with a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The row to mend, from 1; none: a row is missing.
    pub row: Option<usize>,
    /// What is wrong, and what to write.
    pub text: String,
}

/// What is wrong with a table: gaps, overlaps, steps that were already taken, unknown sets.
pub fn faults(rows: &[Row], set_exists: impl Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = vec![];
    for gap in regions(|state| !rows.iter().any(|row| row.fits(state))) {
        faults.push(Fault { row: None, text: format!("no row fits {gap}; add one") });
    }
    let numbered = || (1..).zip(rows);
    for (one, row) in numbered() {
        for (other, later) in numbered().filter(|(other, _)| *other > one) {
            if let Some(both) = regions(|state| row.fits(state) && later.fits(state)).first() {
                let text = format!("rows {one} and {other} overlap at {both}; narrow one of them");
                faults.push(Fault { row: Some(other), text });
            }
        }
        if let Some(text) = dead_end(one, row, &set_exists) {
            faults.push(Fault { row: Some(one), text });
        }
    }
    faults
}

fn dead_end(number: usize, row: &Row, set_exists: impl Fn(&str) -> bool) -> Option<String> {
    let repeats = |asked: fn(State) -> bool| states().any(|state| row.fits(state) && asked(state));
    match &row.next {
        Next::Pin if repeats(|state| state.pin != Pin::Pending) => Some(format!(
            "row {number} asks for the PIN again after its result; write pin = \"pending\""
        )),
        Next::Password if repeats(|state| state.password != Password::Pending) => {
            Some(format!("row {number} asks for the password again; write password = \"pending\""))
        }
        Next::Questions(_) if repeats(|state| state.questions != Questions::Pending) => {
            Some(format!("row {number} asks the questions again; write questions = \"pending\""))
        }
        Next::Questions(set) if !set_exists(set) => {
            Some(format!("row {number}: there is no [questions.{set}]"))
        }
        Next::Pin
        | Next::Password
        | Next::Questions(_)
        | Next::Authenticated
        | Next::Failed
        | Next::ResetRequired
        | Next::SystemUnavailable => None,
    }
}

/// States that agree in the columns that are set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Region {
    pin: Option<Pin>,
    password: Option<Password>,
    questions: Option<Questions>,
    compensated: Option<bool>,
}

impl Region {
    fn holds(self, state: State) -> bool {
        self.pin.is_none_or(|pin| pin == state.pin)
            && self.password.is_none_or(|password| password == state.password)
            && self.questions.is_none_or(|questions| questions == state.questions)
            && self.compensated.is_none_or(|compensated| compensated == state.compensated)
    }
}

/// The states of which something holds, in as few words as they can be said: one forgotten row shows
/// as one sentence, not as eighteen.
fn regions(holds: impl Fn(State) -> bool) -> Vec<Region> {
    let mut found: Vec<Region> = vec![];
    for state in states().filter(|state| holds(*state)) {
        if found.iter().any(|known| known.holds(state)) {
            continue;
        }
        let mut around = Region {
            pin: Some(state.pin),
            password: Some(state.password),
            questions: Some(state.questions),
            compensated: Some(state.compensated),
        };
        let widen: [fn(&mut Region); 4] = [
            |wide| wide.compensated = None,
            |wide| wide.questions = None,
            |wide| wide.password = None,
            |wide| wide.pin = None,
        ];
        for column in widen {
            let mut larger = around;
            column(&mut larger);
            if states().filter(|state| larger.holds(*state)).all(&holds) {
                around = larger;
            }
        }
        found.push(around);
    }
    found
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            self.pin.map(|pin| format!("pin = \"{}\"", pin.word())),
            self.password.map(|password| format!("password = \"{}\"", password.word())),
            self.questions.map(|questions| format!("questions = \"{}\"", questions.word())),
            self.compensated.map(|compensated| format!("compensated = {compensated}")),
        ];
        let told: Vec<_> = columns.into_iter().flatten().collect();
        f.write_str(&if told.is_empty() { "any state".to_owned() } else { told.join(", ") })
    }
}

/// A column: one word or a list of words.
struct Column<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Column<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Words<T> {
            type Value = Column<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(Column(vec![T::deserialize(word.into_deserializer())?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Self::Value, A::Error> {
                let mut column = vec![];
                while let Some(word) = words.next_element()? {
                    column.push(word);
                }
                Ok(Column(column))
            }
        }
        deserializer.deserialize_any(Words(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    pin: Option<Column<Pin>>,
    password: Option<Column<Password>>,
    questions: Option<Column<Questions>>,
    compensated: Option<bool>,
    next: String,
    set: Option<String>,
    marks: Option<Mark>,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Compensated,
}

fn column<T>(raw: Option<Column<T>>) -> Vec<T> {
    raw.map(|Column(words)| words).unwrap_or_default()
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
            ("reset_required", None) => Next::ResetRequired,
            ("system_unavailable", None) => Next::SystemUnavailable,
            (_, Some(_)) => return Err("set belongs to next = \"questions\" alone".into()),
            (other, None) => {
                return Err(format!(
                    "next = {other:?}: write pin, password, questions, authenticated, failed, reset_required or system_unavailable"
                ));
            }
        };
        let marks_compensated = raw.marks == Some(Mark::Compensated);
        if marks_compensated && next != Next::Authenticated {
            return Err("marks = \"compensated\" belongs to next = \"authenticated\" alone".into());
        }
        Ok(Self {
            pin: column(raw.pin),
            password: column(raw.password),
            questions: column(raw.questions),
            compensated: raw.compensated,
            next,
            marks_compensated,
        })
    }
}
