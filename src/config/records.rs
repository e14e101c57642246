//! `[records]`: where durable truth is kept.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Where records are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordsPlace {
    /// In an `SQLite` file, of one daemon; none: in the state folder.
    SqliteFile(Option<PathBuf>),
    /// In `PostgreSQL`, of several nodes.
    Postgres(Database),
}

/// A `PostgreSQL` database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Database {
    /// How to reach it.
    pub url: SecretUrl,
    /// Connections at most, of one node.
    pub connections: usize,
}

/// An address with a password in it, which is shown without.
#[derive(Clone, Eq, PartialEq)]
pub struct SecretUrl(String);

impl RecordsPlace {
    /// The file, if it is one that was named.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::SqliteFile(file) => file.as_deref(),
            Self::Postgres(_) => None,
        }
    }
}

impl SecretUrl {
    /// The whole address, for who connects.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Scheme, hosts and database: neither who signs in, nor what stands behind the question mark.
impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", ""));
        let signing_in = rest.rfind('@').map_or(0, |at| at + 1);
        let place = match rest.find('?') {
            // A password may hold either sign: better to show no place than a part of it.
            Some(query) if query < signing_in => "…",
            Some(query) => rest.get(signing_in..query).unwrap_or_default(),
            None => rest.get(signing_in..).unwrap_or_default(),
        };
        write!(f, "{scheme}://{place}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

pub(crate) fn read(mut table: Table<'_>) -> RecordsPlace {
    let place = table.optional("url", place).unwrap_or(RecordsPlace::SqliteFile(None));
    let connections = table.number("connections", CONNECTIONS, 1..=200);
    table.end();
    match place {
        RecordsPlace::Postgres(database) => {
            RecordsPlace::Postgres(Database { connections, ..database })
        }
        file @ RecordsPlace::SqliteFile(_) => file,
    }
}

const CONNECTIONS: usize = 8;

/// Reads an address of records: `sqlite:///file` or `postgres://…`.
pub fn place(text: &str) -> Result<RecordsPlace, Complaint> {
    let wrong = || {
        complaint(
            "is no address of a record store",
            "write sqlite:/// and an absolute path, postgres://user@host/database, or nothing",
        )
    };
    let database = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    if let Some(place) = database {
        if place.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong());
        }
        let url = SecretUrl(text.to_owned());
        return Ok(RecordsPlace::Postgres(Database { url, connections: CONNECTIONS }));
    }
    match text.strip_prefix("sqlite://") {
        Some(path) if path.starts_with('/') && !path.ends_with('/') => {
            Ok(RecordsPlace::SqliteFile(Some(PathBuf::from(path))))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_in_a_file_with_an_absolute_path() {
        let file = RecordsPlace::SqliteFile(Some("/srv/r.db".into()));
        assert_eq!(place("sqlite:///srv/r.db"), Ok(file));
        for wrong in ["sqlite://r.db", "sqlite:///", "/srv/r.db", "mysql://h/d", "sqlite:r.db"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn or_in_postgresql_whose_password_is_not_shown() {
        for (text, shown) in [
            ("postgres://h/d", "postgres://h/d"),
            ("postgresql://u:s3cret@a,b:2/d?sslmode=require", "postgresql://a,b:2/d"),
            ("postgres://u:s3@cret@h/d?password=s3cret", "postgres://h/d"),
            ("postgres://u:s3?cret@h/d", "postgres://…"),
            ("postgres://h/d?password=s3@cret", "postgres://…"),
        ] {
            let Ok(RecordsPlace::Postgres(database)) = place(text) else { panic!("{text}") };
            assert_eq!((database.url.reveal(), database.connections), (text, 8));
            assert_eq!(database.url.to_string(), shown);
            assert!(!format!("{database:?}").contains("s3"));
        }
        for wrong in ["postgres://", "postgres:/h/d", "postgres://h d/"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
