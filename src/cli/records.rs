//! `countersign records copy`: moves everything into another store.

use std::sync::Arc;

use clap::Subcommand;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde_json::json;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::config::Config;
use crate::config::records;
use crate::config::records::RecordsPlace;
use crate::files::Paths;
use crate::model::digits::SecretText;
use crate::records::copy::Copied;
use crate::records::copy::Place;
use crate::records::copy::Progress;
use crate::records::copy::copy;

/// Stands for `records.url`, whose password need not be on a command line then.
const CONFIGURED: &str = "configured";

/// What to do with whole stores.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Copy all records into an empty store, all or nothing; no daemon may use either meanwhile
    Copy {
        /// Where they are: `sqlite:///path`, `postgres://user@host/database`, or `configured` for records.url
        #[arg(long, value_name = "URL")]
        from: String,
        /// Where they go, written alike: a new file, or an empty database or schema
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Write the store anew, so that no unused part of it holds what was removed; calls wait meanwhile
    Compact,
}

/// Runs a records command: 0 when it is done, 1 when nothing is.
pub async fn run(common: &Common, command: RecordsCommand) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    match command {
        RecordsCommand::Copy { from, to } => move_all(common, &config, &from, &to).await,
        RecordsCommand::Compact => compact(common, config).await,
    }
}

async fn compact(common: &Common, config: Config) -> anyhow::Result<u8> {
    let prepared = app::prepare(config)?;
    talk(&format!("writing anew: {}", prepared.records_place()));
    prepared.open_beside().await?.records.compact().await?;
    print(&if common.json { json!({ "compacted": true }).to_string() } else { "done".into() });
    Ok(0)
}

async fn move_all(common: &Common, config: &Config, from: &str, to: &str) -> anyhow::Result<u8> {
    let ((from, from_shown), (to, to_shown)) =
        (place(config, "--from", from)?, place(config, "--to", to)?);
    talk(&format!("copying {from_shown} to {to_shown}"));
    let bar = progress();
    let shown = bar.clone();
    let told = Arc::new(move |progress: Progress| {
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

/// The store of this address, and its address as anybody may read it.
fn place(config: &Config, flag: &str, url: &str) -> anyhow::Result<(Place, String)> {
    let named = match url {
        CONFIGURED => config.stores.records.clone(),
        // The address itself is not repeated: it may hold a password.
        url => records::place(url)
            .map_err(|wrong| anyhow::anyhow!("{flag} {}: {}", wrong.message, wrong.help))?,
    };
    Ok(match named {
        RecordsPlace::Postgres(database) => {
            let place = Place::Postgres(SecretText::new(database.url.reveal().to_owned()));
            (place, database.url.to_string())
        }
        RecordsPlace::SqliteFile(file) => {
            let path = match file {
                Some(path) => path,
                None => Paths::of(config)?.records,
            };
            (Place::Sqlite(path.clone()), format!("sqlite://{}", path.display()))
        }
    })
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
