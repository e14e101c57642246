//! `[log]`: what is told, and in which form.

use crate::config::nearest::nearest;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Levels, from silence to every packet.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// What is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// A level, or levels per module: `info,countersign::platform::sip=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

pub(crate) fn read(mut table: Table<'_>) -> Log {
    let log = Log {
        format: table.word("format", ("text", LogFormat::Text), &[("json", LogFormat::Json)]),
        level: table.parsed("level", "info".to_owned(), level),
    };
    table.end();
    log
}

fn level(text: &str) -> Result<String, Complaint> {
    for directive in text.split(',') {
        let word = directive.rsplit('=').next().unwrap_or_default().trim();
        if !LEVELS.contains(&word) {
            let help = nearest(word, LEVELS.iter().copied()).map_or_else(
                || format!("write one of {}", LEVELS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(complaint("is no log level", help));
        }
    }
    Ok(text.to_owned())
}
