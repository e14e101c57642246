//! What is wrong with a configuration: everything at once, with its place and a way out.

use std::fmt;
use std::ops::Range;

use crate::config::secret::masked;
use crate::config::source::Origin;
use crate::config::source::Source;
use crate::config::source::Sources;

/// One thing to mend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The file, or `environment`, or `--set`.
    pub file: String,
    /// The offending bytes of that text.
    pub span: Range<usize>,
    /// Line, counted from one.
    pub line: usize,
    /// Column in characters, counted from one.
    pub column: usize,
    /// The key, for example `sip.trunks.office.verstat`; empty for a text that is no TOML.
    pub key: String,
    /// What is wrong. Never quotes a value: it may be a secret.
    pub message: String,
    /// What to write instead.
    pub help: String,
    text: usize,
}

/// Everything that is wrong, in the order of the texts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Problems {
    problems: Vec<Problem>,
    texts: Vec<Text>,
}

/// A source as it may be shown: secrets are asterisks, every other byte is where it was.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Text {
    shown: String,
    origin: Origin,
}

/// A problem before its line and column are known.
pub struct Finding {
    /// Index into the sources; `None` when nobody wrote the key.
    pub place: Option<(usize, Range<usize>)>,
    /// As in [`Problem`].
    pub key: String,
    /// As in [`Problem`].
    pub message: String,
    /// As in [`Problem`].
    pub help: String,
}

impl Problems {
    /// Gives every finding its line and column.
    pub fn new(findings: Vec<Finding>, sources: Sources) -> Self {
        let sources = sources.into_texts();
        let mut problems: Vec<_> =
            findings.into_iter().map(|finding| Problem::new(finding, &sources)).collect();
        problems.sort_by_key(|problem| (problem.text, problem.span.start));
        let texts = sources
            .into_iter()
            .map(|source| Text { shown: masked(&source.text), origin: source.origin })
            .collect();
        Self { problems, texts }
    }

    /// The problems, in the order of the texts.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// The text a problem stands in, fit to be shown: secrets are asterisks.
    pub fn text_of(&self, problem: &Problem) -> &str {
        self.texts.get(problem.text).map_or("", |text| text.shown.as_str())
    }

    /// `countersign.toml:4:1`, or the variable's or flag's key.
    fn place_of(&self, problem: &Problem) -> String {
        let Some(text) = self.texts.get(problem.text) else { return "configuration".to_owned() };
        let name = text.shown.split('=').next().unwrap_or_default();
        match text.origin {
            Origin::File => format!("{}:{}:{}", problem.file, problem.line, problem.column),
            Origin::Environment | Origin::Flag => format!("{} {name}", problem.file),
        }
    }
}

impl Problem {
    fn new(finding: Finding, sources: &[Source]) -> Self {
        let (text, span) = finding.place.unwrap_or((usize::MAX, 0..0));
        let source = sources.get(text);
        let before = source.and_then(|source| source.text.get(..span.start)).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: source.map(|source| source.name.clone()).unwrap_or_default(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            span,
            key: finding.key,
            message: finding.message,
            help: finding.help,
            text,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: ", self.place_of(problem))?;
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            write!(f, "{}", problem.message)?;
            if !problem.help.is_empty() {
                write!(f, " ({})", problem.help)?;
            }
        }
        Ok(())
    }
}
