//! Signs where the audit chain stands, every minute in which it grew, into a file that lies elsewhere.

use std::io::Cursor;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics::counter;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing::warn;

use crate::app::Prepared;
use crate::app::Wall;
use crate::files;
use crate::records::Records;
use crate::records::audit::Head;
use crate::records::checkpoint::Checkpoint;
use crate::records::checkpoint::Notes;
use crate::records::checkpoint::Signer;

/// How often one looks whether the chain grew.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many lines are signed at once.
const LINES_MAX: u64 = 1000;
/// How long a file elsewhere may take.
const WRITE_MAX: Duration = Duration::from_secs(4);
/// The last checkpoint of a file lies in its last bytes.
const TAIL: u64 = 4096;

/// Signs checkpoints.
pub(super) struct Checkpoints {
    signer: Signer,
    folder: PathBuf,
    every: Duration,
    records: Arc<dyn Records>,
    wall: Wall,
}

impl Checkpoints {
    /// Makes the key where there is none, and writes the public key beside it.
    pub(super) fn new(
        prepared: &Prepared,
        records: &Arc<dyn Records>,
        wall: &Wall,
    ) -> anyhow::Result<Self> {
        let audit = &prepared.config.audit;
        let files::AuditPlaces { key, public, checkpoints: folder } =
            files::AuditPlaces::of(&prepared.config, prepared.paths());
        let seed = files::key(&key).context("audit.key_file")?;
        let signer = Signer::new(&seed.bytes)
            .with_context(|| format!("audit.key_file: {}", key.display()))?;
        let text = signer.public().text() + "\n";
        if files::text(&public).ok().as_ref() != Some(&text) {
            files::write_private(&public, &text).context("audit.key_file")?;
        }
        if seed.created {
            let (path, public) = (key.display(), public.display());
            warn!(%path, %public, "a new key for audit checkpoints was made; keep a copy of the public key elsewhere: checkpoints are verified with it");
        }
        if audit.checkpoints.is_none() {
            let path = folder.display();
            warn!(%path, "audit.checkpoints is not set: whoever can change the records can change their checkpoints too; name a place on another host");
        }
        files::make_folder(&folder).context("audit.checkpoints")?;
        let (records, wall) = (Arc::clone(records), Arc::clone(wall));
        Ok(Self { signer, folder, every: audit.every, records, wall })
    }

    /// Signs until it is told to stop. What is written after that is for [`Self::sign_last`].
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let checkpoints = self;
        let mut last = checkpoints.last().await;
        let mut turn = tokio::time::interval(LOOK_EVERY.min(checkpoints.every));
        let mut signed = Instant::now();
        let mut told = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = turn.tick() => {}
            }
            match checkpoints.look(last, signed.elapsed() >= checkpoints.every).await {
                Ok(Some(head)) => (last, signed, told) = (head, Instant::now(), false),
                Ok(None) => {}
                Err(Failed::Shorter(head)) if !told => {
                    told = true;
                    error!(
                        lines = head.number,
                        signed = last.number,
                        "the audit chain is shorter than at the last checkpoint, or another one: were older records put back? run `countersign audit verify`"
                    );
                }
                Err(Failed::Shorter(_)) => {}
                Err(Failed::Not(why)) => {
                    counter!("countersign_audit_checkpoints_total", "result" => "failed")
                        .increment(1);
                    if !told {
                        told = true;
                        warn!(why, "an audit checkpoint could not be written; it is tried again");
                    }
                }
            }
        }
    }

    /// Signs where the chain ends when everybody else has stopped writing.
    pub(super) async fn sign_last(self: &Arc<Self>) {
        if let Err(Failed::Not(why)) = self.look(self.last().await, true).await {
            warn!(why, "the last audit checkpoint could not be written; the next start signs it");
        }
    }

    /// Signs where the chain stands, if that is due.
    async fn look(self: &Arc<Self>, last: Head, due: bool) -> Result<Option<Head>, Failed> {
        let head = self.records.audit_head().await;
        let head = head.map_err(|error| Failed::Not(error.to_string()))?;
        if head.number < last.number || (head.number == last.number && head != last) {
            return Err(Failed::Shorter(head));
        }
        if head == last || !(due || head.number - last.number >= LINES_MAX) {
            return Ok(None);
        }
        let at = (self.wall)();
        let note = self.signer.sign(head, at);
        let month = at.rfc3339().chars().take(7).collect::<String>();
        let path =
            self.folder.join(format!("{}-{month}.checkpoints", self.signer.public().short()));
        // A place on another host may hang; the thread that waits for it is not ours to wait for.
        let writing = tokio::task::spawn_blocking(move || append(&path, &note));
        let written = timeout(WRITE_MAX, writing).await;
        let late = |_| Failed::Not("the place of audit checkpoints does not answer".to_owned());
        match written.map_err(late)? {
            Ok(Ok(())) => {
                counter!("countersign_audit_checkpoints_total", "result" => "written").increment(1);
                Ok(Some(head))
            }
            Ok(Err(why)) => Err(Failed::Not(why)),
            Err(gone) => Err(Failed::Not(gone.to_string())),
        }
    }

    /// What this node signed last, before it was stopped.
    async fn last(self: &Arc<Self>) -> Head {
        let this = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || this.read_last());
        let read = timeout(WRITE_MAX, read).await.ok().and_then(Result::ok).flatten();
        read.map(|checkpoint| checkpoint.head).unwrap_or_default()
    }

    fn read_last(&self) -> Option<Checkpoint> {
        let files = files::with_ending(&self.folder, "checkpoints").ok()?;
        let own = self.signer.public().short();
        let of_ours = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(own))
        };
        let newest = files.iter().rfind(of_ours)?;
        let mut file = std::fs::File::open(newest).ok()?;
        let len = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(TAIL))).ok()?;
        let mut tail = vec![];
        file.take(TAIL).read_to_end(&mut tail).ok()?;
        // The first of them may begin in the middle and is no checkpoint then.
        let found = Notes::new(Cursor::new(tail), vec![self.signer.public().clone()]);
        found.filter_map(|(_, checkpoint)| checkpoint.ok()).last()
    }
}

/// Why nothing was signed.
enum Failed {
    /// There is less than there was.
    Shorter(Head),
    /// Records or place do not answer.
    Not(String),
}

/// Adds to the file, and waits until it is on disk.
fn append(path: &Path, note: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = files::open_to_append(path).map_err(told)?;
    // A loss of power may have cut the last one short: this one begins on a line of its own.
    let torn = file.metadata().map_err(told)?.len() > 0 && !ends_well(path).map_err(told)?;
    let note = if torn { format!("\n\n{note}") } else { note.to_owned() };
    file.write_all(note.as_bytes()).and_then(|()| file.sync_data()).map_err(told)
}

fn ends_well(path: &Path) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::End(-2))?;
    let mut end = vec![];
    file.take(2).read_to_end(&mut end)?;
    Ok(end == b"\n\n")
}
