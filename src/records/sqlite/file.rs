//! The database file: who may open it, how it is opened, how an older one is brought up to date.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::OpenFlags;

use crate::records::RecordsError;

/// The steps from an empty file to the newest schema; the version is the number of steps taken.
const STEPS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("schema2.sql"), include_str!("schema3.sql")];

/// Marks the file as ours: "CSGN".
const APPLICATION_ID: i32 = 0x4353_474e;

/// How long one process waits for another's transaction.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The lock by which one daemon owns a file. The system frees it however the process ends.
#[derive(Debug)]
pub(super) struct Owner {
    _lock: File,
}

impl Owner {
    /// Takes the lock, or says that somebody else has it.
    pub(super) fn of(path: &Path) -> Result<Self, RecordsError> {
        let lock = private(&beside(path, "-lock")).map_err(|error| unavailable(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(RecordsError::Unavailable("another daemon uses these records".into()))
            }
            Err(TryLockError::Error(error)) => Err(unavailable(&error)),
        }
    }
}

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn writer(path: &Path) -> Result<Connection, RecordsError> {
    // SQLite gives its side files the rights of the file it finds.
    private(path).map_err(|error| unavailable(&error))?;
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(BUSY_WAIT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A commit returns only after the log is on disk (P1, P3).
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "secure_delete", true)?;
    migrate(&db)?;
    Ok(db)
}

/// Opens a connection that can only read. It never waits for the writer.
pub(super) fn reader(path: &Path) -> Result<Connection, RecordsError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(BUSY_WAIT)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

/// Takes the log into the file and cuts it off: what was overwritten is not left behind in it.
pub(super) fn cut_log(path: &Path) -> Result<(), RecordsError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(BUSY_WAIT)?;
    let busy: bool = db.query_one("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
    if busy {
        Err(RecordsError::Unavailable("the file is read all the time".into()))
    } else {
        Ok(())
    }
}

fn migrate(db: &Connection) -> Result<(), RecordsError> {
    // The write lock is taken first, so that two processes cannot migrate at the same time.
    db.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = migrate_locked(db);
    db.execute_batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    migrated
}

fn migrate_locked(db: &Connection) -> Result<(), RecordsError> {
    let version: u32 = db.query_one("PRAGMA user_version", (), |row| row.get(0))?;
    let application_id: i32 = db.query_one("PRAGMA application_id", (), |row| row.get(0))?;
    let tables: u32 = db.query_one("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 && application_id != APPLICATION_ID {
        return Err(RecordsError::Corrupt("file: not a Countersign database".into()));
    }
    let Some(steps) = STEPS.get(version as usize..) else {
        let newer = format!("the file has schema {version}, this release knows {}", STEPS.len());
        return Err(RecordsError::Unavailable(newer));
    };
    for (step, reached) in steps.iter().zip(version + 1..) {
        db.execute_batch(step)?;
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
        db.pragma_update(None, "user_version", reached)?;
    }
    Ok(())
}

/// Opens or makes a file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unavailable(error: &io::Error) -> RecordsError {
    RecordsError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_owner_of_the_process_may_read_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.db");
        let db = writer(&path).expect("opens");
        db.execute("UPDATE probes SET count = 1", ()).expect("writes");
        for entry in std::fs::read_dir(folder.path()).expect("a folder").flatten() {
            let mode = entry.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        }
    }

    #[test]
    fn foreign_and_newer_files_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (foreign, newer) = (folder.path().join("foreign"), folder.path().join("newer"));
        let db = Connection::open(&foreign).expect("opens");
        db.execute_batch("CREATE TABLE other (x)").expect("writes");
        assert!(matches!(writer(&foreign), Err(RecordsError::Corrupt(_))));
        writer(&newer).expect("opens").pragma_update(None, "user_version", 99).expect("writes");
        assert!(matches!(writer(&newer), Err(RecordsError::Unavailable(_))));
        std::fs::write(folder.path().join("text"), "this is no database, whatever its name says")
            .expect("written");
        assert!(matches!(writer(&folder.path().join("text")), Err(RecordsError::Corrupt(_))));
    }

    #[test]
    fn one_daemon_owns_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.db");
        let first = Owner::of(&path).expect("free");
        assert!(matches!(Owner::of(&path), Err(RecordsError::Unavailable(_))));
        drop(first);
        assert!(Owner::of(&path).is_ok());
    }

    #[test]
    fn p21_x22_enabled_implies_initialized_whoever_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = writer(&folder.path().join("records.db")).expect("opens");
        let insert =
            "INSERT INTO customers VALUES ('c', NULL, '', 'client', '[]', NULL, NULL, '[]');
                      INSERT INTO accounts VALUES ('c', 0, 1, 0, 0, 0, 0, 0, '{}', '[]', 0, '[]', 0, '{}');";
        assert!(db.execute_batch(insert).is_err());
    }
}
