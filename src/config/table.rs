//! Reads one table key by key, notes what is wrong, and goes on with the default.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use crate::config::nearest::nearest;
use crate::config::problem::Finding;
use crate::config::source::Origin;
use crate::config::source::Sources;
use crate::config::source::dotted;
use crate::config::source::join;
use crate::config::source::join_index;

/// What reading has found so far.
pub struct Reading {
    sources: Sources,
    findings: RefCell<Vec<Finding>>,
    idle: RefCell<Vec<String>>,
    keys: RefCell<BTreeSet<String>>,
}

/// What is left when everything has been read.
pub struct Outcome {
    /// The texts.
    pub sources: Sources,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is configured and does nothing yet, as sentences.
    pub idle: Vec<String>,
    /// Every key that was asked for.
    pub keys: BTreeSet<String>,
}

/// A table whose keys are taken one by one; what is left at [`Table::end`] is unknown.
#[must_use = "a table ends with `end`, which reports unknown keys"]
pub struct Table<'a> {
    path: Vec<String>,
    values: toml::Table,
    known: Vec<String>,
    reading: &'a Reading,
}

/// Why a value will not do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// What is wrong. Does not quote the value.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// A complaint with its way out.
pub fn complaint(message: impl Into<String>, help: impl Into<String>) -> Complaint {
    Complaint { message: message.into(), help: help.into() }
}

impl Reading {
    /// Starts reading values whose places are in `sources`.
    pub fn new(sources: Sources) -> Self {
        let (findings, idle, keys) = Default::default();
        Self { sources, findings, idle, keys }
    }

    /// The root table.
    pub fn root(&self, values: toml::Table) -> Table<'_> {
        Table { path: Vec::new(), values, known: Vec::new(), reading: self }
    }

    /// Ends reading.
    pub fn outcome(self) -> Outcome {
        Outcome {
            sources: self.sources,
            findings: self.findings.into_inner(),
            idle: self.idle.into_inner(),
            keys: self.keys.into_inner(),
        }
    }
}

impl<'a> Table<'a> {
    /// Whether anything is written in this table.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a key is written in this table and not read yet.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A table inside this one; an absent one is empty.
    pub fn table(&mut self, key: &str) -> Table<'a> {
        let values = match self.take(key) {
            None => toml::Table::new(),
            Some(Value::Table(values)) => values,
            Some(value) => match self.typed(key, value) {
                Value::Table(values) => values,
                other => {
                    self.wrong_type(key, &other, "a table");
                    toml::Table::new()
                }
            },
        };
        Table { path: join(&self.path, key), values, known: Vec::new(), reading: self.reading }
    }

    /// Every table inside this one, with its name: the operator chooses the names.
    pub fn named(mut self) -> Vec<(String, Table<'a>)> {
        let names: Vec<String> = self.values.keys().cloned().collect();
        names.into_iter().map(|name| (name.clone(), self.table(&name))).collect()
    }

    /// A text.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        self.parsed(key, default.to_owned(), |text| Ok(text.to_owned()))
    }

    /// A text that may be empty, which means: none.
    pub fn optional<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.parsed(
            key,
            None,
            |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) },
        )
    }

    /// The name of a file or folder; empty: none.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key, |text| Ok(PathBuf::from(text)))
    }

    /// A text with a meaning.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> T {
        let Some(value) = self.take(key) else { return default };
        let path = join(&self.path, key);
        self.text_value(&path, value)
            .and_then(|text| self.checked(&path, parse(&text)))
            .unwrap_or(default)
    }

    /// A list of texts with a meaning; one text stands for a list of one.
    pub fn list<T>(
        &mut self,
        key: &str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else { return default };
        let path = join(&self.path, key);
        let items = match self.typed(key, value) {
            Value::Array(items) => items,
            other => vec![other],
        };
        let read = |(index, item): (usize, Value)| {
            let path = join_index(&path, index);
            let text = self.text_value(&path, item)?;
            self.checked(&path, parse(&text))
        };
        items.into_iter().enumerate().filter_map(read).collect()
    }

    /// One word out of a few; the first is the default.
    pub fn word<T: Copy>(&mut self, key: &str, first: (&str, T), others: &[(&str, T)]) -> T {
        let all: Vec<_> = std::iter::once(&first).chain(others).copied().collect();
        let words: Vec<_> = all.iter().map(|(word, _)| *word).collect();
        self.parsed(key, first.1, |text| {
            let known = all.iter().find(|(word, _)| *word == text);
            known.map(|(_, value)| *value).ok_or_else(|| {
                let help = nearest(text, words.iter().copied())
                    .map_or_else(|| words.join(", "), |word| format!("did you mean `{word}`?"));
                complaint(format!("is none of {}", words.join(", ")), help)
            })
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.take(key) else { return default };
        match self.typed(key, value) {
            Value::Boolean(flag) => flag,
            other => {
                self.wrong_type(key, &other, "true or false");
                default
            }
        }
    }

    /// A whole number within limits.
    pub fn number<T>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i64>,
    {
        let Some(value) = self.take(key) else { return default };
        let number = match self.typed(key, value) {
            Value::Integer(number) => number,
            other => {
                self.wrong_type(key, &other, "a whole number");
                return default;
            }
        };
        match T::try_from(number) {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (low, high) = (range.start(), range.end());
                let help = format!("the default is {default}");
                self.complain(key, &format!("must be {low} to {high}"), &help);
                default
            }
        }
    }

    /// A number of seconds, as a span of time.
    pub fn seconds(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, default, range))
    }

    /// A number of units of so many seconds, as a span of time.
    pub fn seconds_of(
        &mut self,
        unit: u64,
        key: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.number(key, default, range).saturating_mul(unit))
    }

    /// A number of milliseconds, as a span of time.
    pub fn millis(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, default, range))
    }

    /// A text for something that is not built yet: it has to be empty.
    pub fn not_built(&mut self, key: &str, what: &str, instead: &str) {
        self.optional(key, |_| -> Result<(), Complaint> {
            Err(complaint(format!("{what} not built yet"), instead))
        });
    }

    /// Says that this table is accepted and does nothing yet, if anything is in it.
    pub fn idle(&self, what: &str) {
        if !self.is_empty() {
            let section = self.path.join(".");
            let sentence = format!("[{section}] is configured but idle: {what} not built yet");
            self.reading.idle.borrow_mut().push(sentence);
        }
    }

    /// Notes that something is wrong with a key of this table, or with its absence.
    pub fn complain(&self, key: &str, message: &str, help: &str) {
        self.note(&join(&self.path, key), &complaint(message, help));
    }

    /// Notes that something is wrong with this table as a whole.
    pub fn complain_here(&self, message: &str, help: &str) {
        self.note(&self.path, &complaint(message, help));
    }

    /// Every key that is left is unknown.
    pub fn end(self) {
        let known = self.known.iter().map(String::as_str);
        for key in self.values.keys() {
            let all = || {
                let mut all: Vec<_> = known.clone().collect();
                all.sort_unstable();
                format!("known here: {}", all.join(", "))
            };
            let help = nearest(key, known.clone())
                .map_or_else(all, |near| format!("did you mean `{near}`?"));
            let path = join(&self.path, key);
            let place = self.reading.sources.place(&path);
            self.reading.findings.borrow_mut().push(Finding {
                place: place.map(|place| (place.source, place.key.clone())),
                key: dotted(&path),
                message: "unknown key".to_owned(),
                help,
            });
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known.push(key.to_owned());
        self.reading.keys.borrow_mut().insert(join(&self.path, key).join("."));
        self.values.remove(key)
    }

    /// A value from a variable or flag is text until somebody asks for more.
    fn typed(&self, key: &str, value: Value) -> Value {
        let origin = self.reading.sources.origin(&join(&self.path, key));
        match value {
            Value::String(text) if origin != Some(Origin::File) => {
                toml_value(&text).unwrap_or(Value::String(text))
            }
            other => other,
        }
    }

    fn text_value(&self, path: &[String], value: Value) -> Option<String> {
        let loose = self.reading.sources.origin(path) != Some(Origin::File);
        match value {
            Value::String(text) if loose => match toml_value(&text) {
                Some(Value::String(quoted)) => Some(quoted),
                _ => Some(text),
            },
            Value::String(text) => Some(text),
            other => {
                let message = format!("is {}, not a text", other.type_str());
                self.note(path, &complaint(message, "put it between quotes"));
                None
            }
        }
    }

    fn checked<T>(&self, path: &[String], read: Result<T, Complaint>) -> Option<T> {
        read.map_err(|complaint| self.note(path, &complaint)).ok()
    }

    fn wrong_type(&self, key: &str, value: &Value, wanted: &str) {
        let found = match value {
            Value::String(_) => "text",
            other => other.type_str(),
        };
        self.complain(key, &format!("is {found}, not {wanted}"), &format!("write {wanted}"));
    }

    fn note(&self, path: &[String], complaint: &Complaint) {
        let place = self.reading.sources.place(path);
        self.reading.findings.borrow_mut().push(Finding {
            place: place.map(|place| (place.source, place.value.clone())),
            key: dotted(path),
            message: complaint.message.clone(),
            help: complaint.help.clone(),
        });
    }
}

/// A text read as the right side of a TOML `key = value`.
fn toml_value(text: &str) -> Option<Value> {
    let mut table: toml::Table = format!("value = {text}").parse().ok()?;
    // A second line in the text would be a second key.
    if table.len() == 1 { table.remove("value") } else { None }
}
