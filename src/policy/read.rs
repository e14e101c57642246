//! From TOML to a profile. Every mistake is collected with its line before anything is refused.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use sha2::Digest;
use sha2::Sha256;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;
use toml::de::ValueDeserializer;

use crate::account::BlockRule;
use crate::follow_up;
use crate::model::caller::CallerClass;
use crate::model::ids;
use crate::model::ids::FactKey;
use crate::outbound;
use crate::policy::BadProfile;
use crate::policy::CallBackRule;
use crate::policy::Profile;
use crate::policy::Transition;
use crate::policy::proof;
use crate::policy::questions::ASK_MAX;
use crate::policy::questions::Question;
use crate::policy::questions::QuestionSet;
use crate::policy::raw::Ask;
use crate::policy::raw::DAY;
use crate::policy::raw::HEAD;
use crate::policy::raw::Head;
use crate::policy::raw::RawCapture;
use crate::policy::raw::RawQuestion;
use crate::policy::raw::RawSet;
use crate::policy::raw::RawWrapUp;
use crate::policy::raw::TextOr;
use crate::policy::table::Row;
use crate::policy::words;
use crate::policy::words::RawTexts;

/// What stands at the top of a profile.
const KEYS: &[&str] = &[
    "name",
    "number_trust",
    "number_age_days",
    "party",
    "lanes",
    "second_person_unblock",
    "never_say",
    "capture",
    "block",
    "wrap_up",
    "transition",
    "call_back",
    "follow_up",
    "outbound",
    "texts",
    "say",
    "catalogue",
    "questions",
    "app_authenticated",
    "verified_number",
    "unverified",
    "any",
    "transitional",
];

/// A table with the lines of its rows, for messages.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) read: Vec<Row>,
    pub(super) spans: Vec<Range<usize>>,
    /// Whether every row could be read; only then a proof says something.
    pub(super) whole: bool,
}

/// Where things stand in the text, for messages.
#[derive(Default)]
pub(super) struct Places {
    pub(super) sets: BTreeMap<String, Range<usize>>,
    pub(super) block: Range<usize>,
    pub(super) call_back: Range<usize>,
    pub(super) capture: Range<usize>,
    pub(super) outbound: Range<usize>,
    pub(super) say: Range<usize>,
    pub(super) transition: Range<usize>,
    pub(super) unknown_situations: Vec<String>,
    pub(super) tables: BTreeMap<&'static str, Rows>,
}

/// The text being read, and what is wrong with it.
pub(super) struct Sheet<'a> {
    file: &'a str,
    text: &'a str,
    problems: Vec<(usize, String)>,
}

impl<'a> Sheet<'a> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
    }

    pub(super) fn complain(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let problem = (self.line(span), what.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Reads one value. A mistake in one key of a table is noted and the key left out, so that the
    /// mistakes in its other keys show as well.
    fn read<T: Deserialize<'a>>(&mut self, what: &str, value: Spanned<DeValue<'a>>) -> Option<T> {
        let whole = value.span();
        let mut value = value;
        let mut left_out = false;
        loop {
            let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let at = error.span().unwrap_or_else(|| whole.clone());
            let culprit = value.get_ref().as_table().and_then(|table| {
                let around = |key: &Spanned<_>, entry: &Spanned<_>| {
                    key.span().start <= at.start && at.end <= key.span().end.max(entry.span().end)
                };
                table.iter().find(|(key, entry)| around(key, entry)).map(|(key, _)| key.clone())
            });
            // After a key was left out, a key that is missing may be that one.
            if culprit.is_some() || !left_out {
                self.complain(&at, format!("{what}: {}", error.message()));
            }
            match (culprit, value.get_mut()) {
                (Some(key), DeValue::Table(table)) => {
                    table.remove(key.get_ref().as_ref());
                    left_out = true;
                }
                _ => return None,
            }
        }
    }

    fn finished(&mut self) -> Result<(), BadProfile> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort();
        let told = |(line, what): &(usize, String)| format!("{}:{line}: {what}", self.file);
        Err(BadProfile { problems: self.problems.iter().map(told).collect() })
    }
}

/// Reads and proves a profile.
pub(super) fn profile(file: &str, text: &str) -> Result<Profile, BadProfile> {
    let mut sheet = Sheet { file, text, problems: vec![] };
    let (top, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        sheet.complain(&error.span().unwrap_or_default(), error.message());
    }
    sheet.finished()?;
    let mut top = top.into_inner();
    proof::words(&mut sheet, &top);
    let profile = sections(&mut sheet, &mut top);
    sheet.finished()?;
    Ok(profile)
}

fn sections<'a>(sheet: &mut Sheet<'a>, top: &mut DeTable<'a>) -> Profile {
    unknown_keys(sheet, top);
    let mut places = Places::of(top);
    let block: BlockRule = section(sheet, top, "block").unwrap_or_default();
    let capture: RawCapture = section(sheet, top, "capture").unwrap_or_default();
    let wrap_up: RawWrapUp = section(sheet, top, "wrap_up").unwrap_or_default();
    let texts: RawTexts = section(sheet, top, "texts").unwrap_or_default();
    let written: BTreeMap<String, String> = section(sheet, top, "say").unwrap_or_default();
    let known = |name: &str| words::SITUATIONS.iter().any(|(situation, _)| *situation == name);
    places.unknown_situations = written.keys().filter(|name| !known(name)).cloned().collect();
    let transition: Option<Transition> = section(sheet, top, "transition");
    let call_back: Option<CallBackRule> = section(sheet, top, "call_back");
    let follow_up: follow_up::Rules = section(sheet, top, "follow_up").unwrap_or_default();
    let outbound: outbound::rules::Rules = section(sheet, top, "outbound").unwrap_or_default();
    let catalogue = catalogue(sheet, top);
    let sets = sets(sheet, top, &catalogue, &mut places);
    for name in ["any", "app_authenticated", "verified_number", "unverified", "transitional"] {
        if let Some(rows) = rows(sheet, top, name) {
            places.tables.insert(name, rows);
        }
    }
    let head = head(sheet, top);
    let profile = Profile {
        name: head.name,
        hash: ids::hex(&Sha256::digest(sheet.text.as_bytes())),
        text: sheet.text.into(),
        follow_up,
        outbound,
        number_trust: head.number_trust,
        number_age: DAY * u32::from(head.number_age_days),
        capture: capture.rules(),
        block,
        lanes: head.lanes,
        second_person_unblock: head.second_person_unblock,
        party: head.party,
        transition,
        call_back,
        wrap_up_max: Duration::from_secs(wrap_up.agent_seconds.into()),
        linger: Duration::from_secs(wrap_up.linger_seconds.into()),
        texts: texts.complete(block),
        never_say: head.never_say,
        say: words::say(written, block),
        catalogue,
        sets,
        tables: CallerClass::ALL
            .into_iter()
            .map(|class| (class, places.table(class.word()).read.clone()))
            .collect(),
        transitional: places.tables.get("transitional").map(|t| t.read.clone()).unwrap_or_default(),
    };
    proof::profile(sheet, &profile, &places);
    profile
}

fn unknown_keys(sheet: &mut Sheet<'_>, top: &DeTable<'_>) {
    for key in top.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
        let text = format!("unknown key `{}`; write one of {}", key.get_ref(), KEYS.join(", "));
        sheet.complain(&key.span(), text);
    }
}

fn head<'a>(sheet: &mut Sheet<'a>, top: &mut DeTable<'a>) -> Head {
    let mut table = DeTable::new();
    table.extend(HEAD.iter().filter_map(|key| top.remove_entry(*key)));
    // What could not be read was complained of; the rest is looked at all the same.
    sheet.read("profile", Spanned::new(0..0, DeValue::Table(table))).unwrap_or_default()
}

impl Places {
    fn of(top: &DeTable<'_>) -> Self {
        let span_of = |name: &str| top.get(name).map(Spanned::span).unwrap_or_default();
        Self {
            block: span_of("block"),
            call_back: span_of("call_back"),
            capture: span_of("capture"),
            outbound: span_of("outbound"),
            say: span_of("say"),
            transition: span_of("transition"),
            ..Self::default()
        }
    }

    /// The table of a class: its own, or `[[any]]`.
    pub(super) fn table(&self, class: &str) -> &Rows {
        const NONE: &Rows = &Rows { read: vec![], spans: vec![], whole: true };
        self.tables.get(class).or_else(|| self.tables.get("any")).unwrap_or(NONE)
    }
}

fn section<'a, T: Deserialize<'a>>(
    sheet: &mut Sheet<'a>,
    top: &mut DeTable<'a>,
    name: &str,
) -> Option<T> {
    let value = top.remove(name)?;
    sheet.read(&format!("[{name}]"), value)
}

fn rows<'a>(sheet: &mut Sheet<'a>, top: &mut DeTable<'a>, name: &str) -> Option<Rows> {
    let value = top.remove(name)?;
    let span = value.span();
    let DeValue::Array(written) = value.into_inner() else {
        sheet.complain(&span, format!("{name}: write rows, [[{name}]]"));
        return None;
    };
    let mut table = Rows { whole: true, ..Rows::default() };
    for (number, row) in (1..).zip(written) {
        let span = row.span();
        match sheet.read::<Row>(&format!("[[{name}]] row {number}"), row) {
            Some(row) => {
                table.read.push(row);
                table.spans.push(span);
            }
            None => table.whole = false,
        }
    }
    Some(table)
}

fn catalogue<'a>(sheet: &mut Sheet<'a>, top: &mut DeTable<'a>) -> BTreeMap<FactKey, Question> {
    let mut catalogue = BTreeMap::new();
    let Some(written) = top.remove("catalogue") else { return catalogue };
    let span = written.span();
    let DeValue::Table(written) = written.into_inner() else {
        sheet.complain(&span, "catalogue: write a table, [catalogue]");
        return catalogue;
    };
    for (key, value) in written {
        let place = key.span();
        let name = key.into_inner();
        let Ok(key) = name.parse::<FactKey>() else {
            sheet.complain(&place, format!("[catalogue]: {name:?} is no usable key"));
            continue;
        };
        if name.starts_with("memorable_") {
            let text = format!(
                "[catalogue]: {key} is memorable data, no longer asked (C25); leave it out"
            );
            sheet.complain(&place, text);
        }
        let read = sheet.read::<TextOr<RawQuestion>>(&format!("[catalogue] {key}"), value);
        if let Some(TextOr(raw)) = read {
            catalogue.insert(key, raw.question());
        }
    }
    catalogue
}

fn sets<'a>(
    sheet: &mut Sheet<'a>,
    top: &mut DeTable<'a>,
    catalogue: &BTreeMap<FactKey, Question>,
    places: &mut Places,
) -> BTreeMap<String, QuestionSet> {
    let mut sets = BTreeMap::new();
    let Some(written) = top.remove("questions") else { return sets };
    let span = written.span();
    let DeValue::Table(written) = written.into_inner() else {
        sheet.complain(&span, "questions: write a table for each set, [questions.NAME]");
        return sets;
    };
    for (name, value) in written {
        let place = name.span();
        let name = name.into_inner().into_owned();
        // Known by name even when it cannot be read: rows that name it are not wrong as well.
        places.sets.insert(name.clone(), place.clone());
        let Some(raw) = sheet.read::<RawSet>(&format!("[questions.{name}]"), value) else {
            continue;
        };
        let mut ask: Vec<(FactKey, String)> = vec![];
        for asked in &raw.ask {
            let TextOr(Ask { key, text }) = asked.get_ref();
            let here = format!("[questions.{name}]");
            if ask.iter().any(|(known, _)| known.as_str() == key) {
                sheet.complain(
                    &asked.span(),
                    format!("{here}: {key} is asked twice; leave one out"),
                );
            }
            match catalogue.iter().find(|(known, _)| known.as_str() == key) {
                Some((known, question)) => {
                    ask.push((known.clone(), text.as_ref().unwrap_or(&question.text).clone()));
                }
                None => sheet.complain(
                    &asked.span(),
                    format!("{here}: {key} has no text in [catalogue]; add it there"),
                ),
            }
        }
        let most = raw.ask.len();
        if most > ASK_MAX {
            let text = format!("[questions.{name}]: {most} questions; write at most {ASK_MAX}");
            sheet.complain(&place, text);
        }
        sets.insert(name, raw.set(ask));
    }
    sets
}
