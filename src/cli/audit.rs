//! `countersign audit`: verifies the audit chain against its checkpoints, and exports it.

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde::Serialize;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::config::Config;
use crate::files;
use crate::files::AuditPlaces;
use crate::files::Paths;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::Records;
use crate::records::audit::AuditHash;
use crate::records::audit::Chained;
use crate::records::checkpoint::Notes;
use crate::records::checkpoint::PublicKey;
use crate::records::verify::Finding;
use crate::records::verify::Report;
use crate::records::verify::Verifier;
use crate::records::verify::Witness;

/// Lines read at a time.
const PAGE: usize = 1000;

/// What to do with the audit chain.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check every line of the chain against the next and against signed checkpoints; 0 when nothing was done to it
    Verify {
        /// Folder of checkpoints, once for each place; default: the configured one
        #[arg(long, value_name = "DIR")]
        checkpoints: Vec<PathBuf>,
        /// Public key of a node's checkpoints, once for each node; default: beside the configured key
        #[arg(long, value_name = "FILE")]
        public_key: Vec<PathBuf>,
    },
    /// The chain as JSON lines
    Export {
        /// Lines written at this time or later: RFC 3339, or a date
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Lines about this customer
        #[arg(long, value_name = "ID")]
        customer: Option<String>,
    },
}

/// Runs an audit command.
pub async fn run(common: &Common, command: AuditCommand) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    match command {
        AuditCommand::Verify { checkpoints, public_key } => {
            let witnesses = witnesses(&config, &checkpoints, &public_key)?;
            let report = verify(&*records(config).await?, witnesses).await?;
            tell(&report, common.json)?;
            Ok(u8::from(!report.holds))
        }
        AuditCommand::Export { since, customer } => {
            let since = since.as_deref().map(time).transpose()?.unwrap_or_default();
            let customer: Option<CustomerId> =
                customer.map(|id| id.parse()).transpose().context("--customer")?;
            export(&*records(config).await?, since, customer.as_ref()).await?;
            Ok(0)
        }
    }
}

async fn records(config: Config) -> anyhow::Result<std::sync::Arc<dyn Records>> {
    let prepared = app::prepare(config)?;
    talk(&format!("records: {}", prepared.records_place()));
    Ok(prepared.open_beside().await?.records)
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    let time = Timestamp::from_rfc3339(text).or_else(|| Timestamp::from_date(text));
    time.with_context(|| format!("--since {text:?}: write 2026-11-22 or 2026-11-22T09:00:00Z"))
}

/// Every file of checkpoints there is. Places that were named have to be there.
fn witnesses(
    config: &Config,
    folders: &[PathBuf],
    public_keys: &[PathBuf],
) -> anyhow::Result<Vec<Witness>> {
    let AuditPlaces { public, checkpoints, .. } = AuditPlaces::of(config, &Paths::of(config)?);
    let named = !folders.is_empty();
    let folders = if named { folders } else { &[checkpoints][..] };
    let mut files = vec![];
    for folder in folders.iter().filter(|folder| named || folder.is_dir()) {
        files.extend(files::with_ending(folder, "checkpoints").context("--checkpoints")?);
    }
    if files.is_empty() {
        anyhow::ensure!(!named, "there are no checkpoints in the folders after --checkpoints");
        return Ok(vec![]);
    }
    let default = [public];
    let keys = if public_keys.is_empty() { &default[..] } else { public_keys };
    let keys: Vec<_> = keys.iter().map(|path| key(path)).collect::<Result<_, _>>()?;
    let witness = |path: PathBuf| {
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        // What a daemon signs from now on may be ahead of the lines that are read.
        let signed = file.metadata()?.len();
        let notes = Notes::new(BufReader::new(file.take(signed)), keys.clone());
        Ok(Witness::new(path.display().to_string(), notes))
    };
    files.into_iter().map(witness).collect()
}

fn key(path: &Path) -> anyhow::Result<PublicKey> {
    PublicKey::from_text(&files::text(path).context("--public-key")?)
        .with_context(|| format!("--public-key {}", path.display()))
}

async fn verify(records: &dyn Records, witnesses: Vec<Witness>) -> anyhow::Result<Report> {
    let bar = progress(records.audit_head().await?.number);
    let mut verifier = Verifier::new(witnesses);
    let mut from = 0;
    loop {
        let lines = records.audit_stored(from, PAGE).await?;
        let Some(last) = lines.last() else { break };
        from = last.number.saturating_add(1);
        bar.set_position(last.number);
        for line in lines {
            verifier.line(line);
        }
    }
    bar.finish_and_clear();
    Ok(verifier.end())
}

fn tell(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        print(&serde_json::to_string(report)?);
        return Ok(());
    }
    let Report { lines, head, checkpoints, covered, findings, more, notices, .. } = report;
    for Finding { number, at, what, call, message, .. } in findings {
        let place = match number {
            0 => "checkpoint".to_owned(),
            number => format!("entry {number}"),
        };
        let mut said = vec![];
        said.extend(what.clone());
        said.extend(at.as_ref().map(|at| format!("at {at}")));
        said.extend(call.as_ref().map(|call| format!("call {call}")));
        let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) };
        print(&format!("{place}{said}: {message}"));
    }
    if *more > 0 {
        print(&format!("and {more} more"));
    }
    for notice in notices {
        talk(notice);
    }
    if *covered == 0 {
        talk("no checkpoint was compared: a cut end, or a chain computed anew, cannot be seen");
    }
    let held = if report.holds { "holds" } else { "does NOT hold" };
    print(&format!(
        "the audit chain {held}: {lines} entries, the last is {} ({}); {checkpoints} checkpoints fit, up to entry {covered}",
        head.number, head.hash
    ));
    Ok(())
}

async fn export(
    records: &dyn Records,
    since: Timestamp,
    customer: Option<&CustomerId>,
) -> anyhow::Result<()> {
    let mut from = 0;
    loop {
        let lines = records.audit_from(from, PAGE).await?;
        let Some(last) = lines.last() else { return Ok(()) };
        from = last.number.saturating_add(1);
        let wanted = |line: &&Chained| {
            line.entry.at >= since
                && customer.is_none_or(|customer| line.entry.customer.as_ref() == Some(customer))
        };
        for line in lines.iter().filter(wanted) {
            print(&serde_json::to_string(&Line::of(line))?);
        }
    }
}

/// A line as it is exported.
#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    at: String,
    actor: &'a str,
    what: &'a str,
    call: Option<&'a CallId>,
    customer: Option<&'a CustomerId>,
    body: &'a serde_json::Value,
    hash: AuditHash,
}

impl<'a> Line<'a> {
    fn of(line: &'a Chained) -> Self {
        let entry = &line.entry;
        Self {
            number: line.number,
            at: entry.at.rfc3339(),
            actor: &entry.actor,
            what: &entry.what,
            call: entry.call.as_ref(),
            customer: entry.customer.as_ref(),
            body: &entry.body,
            hash: line.hash,
        }
    }
}

fn progress(entries: u64) -> ProgressBar {
    let bar = ProgressBar::new(entries);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent}% {pos}/{len} entries {per_sec} {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
