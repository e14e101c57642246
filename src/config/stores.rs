//! `[sessions]`, `[records]`: where things are kept.

use std::path::PathBuf;

use crate::config::sessions;
use crate::config::sessions::Sessions;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Where things are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stores {
    /// Live state.
    pub sessions: Sessions,
    /// The `SQLite` file; none: in the state folder.
    pub records: Option<PathBuf>,
}

pub(crate) fn read(root: &mut Table<'_>) -> Stores {
    let sessions = sessions::read(root.table("sessions"));
    let mut records = root.table("records");
    let file = records.optional("url", records_file);
    records.end();
    Stores { sessions, records: file }
}

fn records_file(text: &str) -> Result<PathBuf, Complaint> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Err(complaint(
            "PostgreSQL is not built yet",
            "remove it or write sqlite:///var/lib/countersign/records.sqlite",
        ));
    }
    match text.strip_prefix("sqlite://") {
        Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(PathBuf::from(path)),
        _ => Err(complaint(
            "is no address of a record store",
            "write sqlite:/// and an absolute path, or nothing",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_in_a_file_with_an_absolute_path() {
        assert_eq!(records_file("sqlite:///srv/r.db"), Ok(PathBuf::from("/srv/r.db")));
        for wrong in ["sqlite://r.db", "sqlite:///", "/srv/r.db", "mysql://h/d", "sqlite:r.db"] {
            assert!(records_file(wrong).is_err(), "{wrong}");
        }
        let postgres = records_file("postgres://h/d").map_err(|wrong| wrong.message);
        assert_eq!(postgres, Err("PostgreSQL is not built yet".to_owned()));
    }
}
