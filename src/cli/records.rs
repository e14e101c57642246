//! `countersign records copy`: moves everything into another store.

use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde_json::json;

use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::records::copy::Copied;
use crate::records::copy::Place;
use crate::records::copy::copy;

/// What to do with whole stores.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Copy all records into an empty store, all or nothing; no daemon may use either meanwhile
    Copy {
        /// Where they are: sqlite:///path or postgres://user@host/database
        #[arg(long, value_name = "URL")]
        from: String,
        /// Where they go: a new file, or an empty database or schema
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

/// Runs a records command: 0 when everything is at the target, 1 when nothing is.
pub async fn run(common: &Common, command: RecordsCommand) -> anyhow::Result<u8> {
    // Copying needs no configuration; a wrong one is said all the same.
    let _ = config_with_logs(common)?;
    let RecordsCommand::Copy { from, to } = command;
    // The address itself is not repeated: it may hold a password.
    let from = Place::of(&from).context("--from")?;
    let to = Place::of(&to).context("--to")?;
    talk(&format!("copying {from} to {to}"));
    let bar = progress();
    let shown = bar.clone();
    let told = Arc::new(move |progress: crate::records::copy::Progress| {
        shown.set_length(progress.all);
        shown.set_position(progress.done);
    });
    let copied = copy(&from, &to, told).await;
    bar.finish_and_clear();
    match copied {
        Ok(copied) => tell(&copied, common.json),
        Err(error) => {
            talk(&format!("not copied: {error}"));
            return Ok(1);
        }
    }
    Ok(0)
}

fn tell(copied: &Copied, json: bool) {
    let Copied { tables, audit } = copied;
    let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
    if json {
        let tables: serde_json::Map<_, _> =
            tables.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
        let result = json!({ "rows": rows, "tables": tables, "audit": audit, "verified": true });
        print(&result.to_string());
        return;
    }
    for (table, rows) in tables {
        print(&format!("{table}\t{rows}"));
    }
    print(&format!(
        "copied {rows} rows; counted at the target, table by table; its audit chain holds to line {} ({})",
        audit.number, audit.hash
    ));
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent}% {pos}/{len} rows {per_sec} {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
