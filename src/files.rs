//! The daemon's own files: where its state lives, and the two keys it cannot do without.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::config::Config;

/// A file of ours cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no place for state.
    #[error("no folder for the state: set STATE_DIRECTORY, XDG_STATE_HOME or HOME, or records.url")]
    NoStateFolder,
    /// Reading or writing failed.
    #[error("{path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key is too short to protect anything.
    #[error("{path}: a key has at least 32 bytes, this file holds {found}")]
    ShortKey {
        /// Which file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The `SQLite` file. With a database elsewhere: where it would be; other things lie beside it.
    pub records: PathBuf,
    /// The PIN pepper.
    pub pepper: PathBuf,
    /// The key of locally minted tokens.
    pub local_key: PathBuf,
}

impl Paths {
    /// The configured places, else the state folder (which is created).
    pub fn of(config: &Config) -> Result<Self, FileError> {
        let place = &config.stores.records;
        let configured = (place.file(), &config.pin.pepper_file, &config.auth.local_key_file);
        if let (Some(records), Some(pepper), Some(key)) = configured {
            return Ok(Self {
                records: records.to_owned(),
                pepper: pepper.clone(),
                local_key: key.clone(),
            });
        }
        // Beside records that were put elsewhere, or in the state folder.
        let folder = match place.file().and_then(Path::parent) {
            Some(folder) => folder.to_owned(),
            None => state_folder()?,
        };
        Ok(Self {
            records: place.file().map_or_else(|| folder.join("records.db"), Path::to_owned),
            pepper: config.pin.pepper_file.clone().unwrap_or_else(|| folder.join("pepper")),
            local_key: config
                .auth
                .local_key_file
                .clone()
                .unwrap_or_else(|| folder.join("local.key")),
        })
    }
}

fn state_folder() -> Result<PathBuf, FileError> {
    let of =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = of("STATE_DIRECTORY")
        .or_else(|| of("XDG_STATE_HOME").map(|home| home.join("countersign")))
        .or_else(|| of("HOME").map(|home| home.join(".local/state/countersign")))
        .ok_or(FileError::NoStateFolder)?;
    make_folder(&folder)?;
    Ok(folder)
}

/// Where the checkpoints of the audit chain are, and what signs them.
#[derive(Clone, Debug)]
pub struct AuditPlaces {
    /// The key that signs.
    pub key: PathBuf,
    /// The key to verify with, beside it.
    pub public: PathBuf,
    /// The folder of the checkpoints.
    pub checkpoints: PathBuf,
}

impl AuditPlaces {
    /// The configured places, else beside the records.
    #[must_use]
    pub fn of(config: &Config, paths: &Paths) -> Self {
        let beside = |name: &str| paths.records.with_file_name(name);
        let audit = &config.audit;
        let key = audit.key_file.clone().unwrap_or_else(|| beside("audit.key"));
        let checkpoints = audit.checkpoints.clone().unwrap_or_else(|| beside("audit-checkpoints"));
        let mut public = key.clone().into_os_string();
        public.push(".pub");
        Self { key, public: public.into(), checkpoints }
    }
}

/// Makes a folder that only its owner may read, unless it is there.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| FileError::Io { path: folder.to_owned(), source })
}

/// Opens a file for adding to it; one that is made is its owner's alone.
pub fn open_to_append(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Writes a small file anew, for its owner alone.
pub fn write_private(path: &Path, text: &str) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = opened.map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)
}

/// A key as it was found or made.
pub struct Key {
    /// At least 32 bytes; wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether it was made just now.
    pub created: bool,
}

/// Reads a key; makes one of 32 random bytes where there is none yet.
pub fn key(path: &Path) -> Result<Key, FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => read_key(path, Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            match made {
                Ok(mut file) => {
                    file.write_all(&fresh[..]).and_then(|()| file.sync_all()).map_err(fail)?;
                    Ok(Key { bytes: Zeroizing::new(fresh.to_vec()), created: true })
                }
                // Somebody else was faster; theirs counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    read_key(path, Zeroizing::new(fs::read(path).map_err(fail)?))
                }
                Err(error) => Err(fail(error)),
            }
        }
        Err(error) => Err(fail(error)),
    }
}

fn read_key(path: &Path, bytes: Zeroizing<Vec<u8>>) -> Result<Key, FileError> {
    if bytes.len() < 32 {
        return Err(FileError::ShortKey { path: path.to_owned(), found: bytes.len() });
    }
    Ok(Key { bytes, created: false })
}

/// A text file, named in its error.
pub fn text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// The files of a folder with this ending, in the order of their names.
pub fn with_ending(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, FileError> {
    let fail = |source| FileError::Io { path: folder.to_owned(), source };
    let mut found = vec![];
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pepper");
        let made = key(&path).expect("made");
        let read = key(&path).expect("read");
        assert!(made.created && !read.created);
        assert_eq!(made.bytes, read.bytes);
        let rights = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
    }

    #[test]
    fn a_short_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pepper");
        fs::write(&path, b"short").expect("written");
        assert!(matches!(key(&path), Err(FileError::ShortKey { found: 5, .. })));
    }
}
