//! `countersign customer`: import, list, show, export, erase.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::IsTerminal;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;

use crate::app;
use crate::app::Stores;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::engine::clock::Clock;
use crate::maintenance::customer_file;
use crate::maintenance::import;
use crate::maintenance::import::Goal;
use crate::maintenance::import::Tally;
use crate::model::customer::Customer;
use crate::model::ids::CustomerId;
use crate::records::pins::By;

const PAGE: usize = 500;
/// An answer is an id.
const ANSWER_MAX: u64 = 1024;

/// What to do with customer records.
#[derive(Debug, Subcommand)]
pub enum CustomerCommand {
    /// Take a CSV file in; a rerun changes nothing that is equal
    Import {
        /// The file
        file: PathBuf,
    },
    /// Every customer, one a line
    List,
    /// One customer, without secrets
    Show {
        /// Whose
        id: String,
    },
    /// All customers as CSV, without PINs and passwords
    Export,
    /// A new pair of codes for a letter: we read the first on an outbound call, the customer the second
    LetterCodes {
        /// Whose letter; a pair made before is void
        id: String,
    },
    /// Erase a person: record, PIN, answers, jobs, views of calls; audit lines about them stay, unreadable
    Erase {
        /// Whom
        id: String,
        /// Do not ask whether it is meant
        #[arg(long)]
        yes: bool,
        /// Why, for the audit chain; no name, number or address
        #[arg(long, value_name = "TEXT", default_value = "erasure was asked for")]
        reason: String,
    },
}

/// Runs a customer command.
pub async fn run(common: &Common, command: CustomerCommand) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    let prepared = app::prepare(config)?;
    talk(&format!("records: {}", prepared.records_place()));
    let stores = prepared.open_beside().await?;
    match command {
        CustomerCommand::Import { file } => import_file(&stores, &file, common.json).await,
        CustomerCommand::List => list(&stores, common.json).await,
        CustomerCommand::Show { id } => show(&stores, &id, common.json).await,
        CustomerCommand::Export => export(&stores).await,
        CustomerCommand::Erase { id, yes, reason } => {
            erase(&stores, &id, reason, yes, common.json).await
        }
        CustomerCommand::LetterCodes { id } => letter_codes(&stores, &id, common.json).await,
    }
}

/// OB-1: the pair goes onto the letter and nowhere else.
async fn letter_codes(stores: &Stores, id: &str, json: bool) -> anyhow::Result<u8> {
    let customer = CustomerId::try_from(id.to_owned())?;
    if stores.records.customer(&customer).await?.is_none() {
        talk(&format!("there is no customer {id}"));
        return Ok(1);
    }
    let pair = stores.records.issue_codes(&customer, Clock::start().wall()).await?;
    let (ours, theirs) = (pair.ours.expose(), pair.theirs.expose());
    if json {
        print(&serde_json::json!({ "customer": id, "first": ours, "second": theirs }).to_string());
    } else {
        print(&format!("first code (we read it):        {ours}"));
        print(&format!("second code (they answer it):   {theirs}"));
    }
    Ok(0)
}

/// Removes a person: 0 when nothing of them is left that can be read, 1 when there is nobody.
async fn erase(
    stores: &Stores,
    id: &str,
    reason: String,
    yes: bool,
    json: bool,
) -> anyhow::Result<u8> {
    let customer: CustomerId = id.parse().context("the customer id")?;
    if !yes && !meant(&customer)? {
        talk("nothing was erased");
        return Ok(1);
    }
    let by = By { actor: "command line".into(), reason, now: Clock::start().wall() };
    if !stores.records.erase(&customer, by).await? {
        talk(&format!("nothing is kept about a customer {customer}"));
        return Ok(1);
    }
    if json {
        print(&serde_json::json!({ "customer": customer, "erased": true }).to_string());
    } else {
        print(&format!("customer {customer} is erased; the audit chain is as it was"));
        talk(
            "calls that are in progress end as they are: erase again after them. Letters, backups, and items that were delivered before are out of reach.",
        );
    }
    Ok(0)
}

/// Asks at the terminal.
fn meant(customer: &CustomerId) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    anyhow::ensure!(input.is_terminal(), "nobody is there to ask: say --yes");
    talk(&format!(
        "Everything about customer {customer} will be removed, also what waits to be delivered; nobody can bring it back. Their id, to go on:"
    ));
    let mut answer = String::new();
    input.lock().take(ANSWER_MAX).read_line(&mut answer)?;
    Ok(answer.trim() == customer.as_str())
}

async fn import_file(stores: &Stores, path: &PathBuf, json: bool) -> anyhow::Result<u8> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress(bytes);
    let reader = bar.wrap_read(BufReader::new(file));
    let tally =
        take_in(stores, reader, |bad| bar.suspend(|| talk(&format!("{}: {bad}", path.display()))))
            .await?;
    bar.finish_and_clear();
    let Tally { created, changed, equal, bad } = tally;
    if json {
        print(&serde_json::json!({ "created": created, "changed": changed, "equal": equal, "bad": bad }).to_string());
    } else {
        print(&format!("{created} created, {changed} changed, {equal} equal, {bad} bad"));
    }
    Ok(u8::from(bad > 0))
}

fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent}% {bytes_per_sec} {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Takes a customer file in; bad rows are said and skipped.
pub(crate) async fn take_in(
    stores: &Stores,
    reader: impl std::io::Read + Send,
    mut complain: impl FnMut(String) + Send,
) -> anyhow::Result<Tally> {
    let clock = Clock::start();
    let wall = move || clock.wall();
    let goal = Goal { records: &*stores.records, pins: &stores.pins, wall: &wall };
    Ok(import::take_in(goal, reader, |bad| complain(bad.to_string())).await?)
}

async fn list(stores: &Stores, json: bool) -> anyhow::Result<u8> {
    let mut after: Option<CustomerId> = None;
    loop {
        let page = stores.records.customers(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for line in &page {
            if json {
                print(&serde_json::to_string(line)?);
            } else {
                let pin = if line.has_pin { "PIN" } else { "-" };
                let standing = serde_json::to_value(line.standing)?;
                print(&format!(
                    "{}\t{}\t{pin}\t{}",
                    line.id,
                    line.name,
                    standing.as_str().unwrap_or_default()
                ));
            }
        }
    }
    Ok(0)
}

async fn show(stores: &Stores, id: &str, json: bool) -> anyhow::Result<u8> {
    let id: CustomerId = id.parse().context("the customer id")?;
    let Some(customer) = stores.records.customer(&id).await? else {
        talk(&format!("there is no customer {id}"));
        return Ok(1);
    };
    let account = stores.records.account(&id).await?.unwrap_or_default();
    let numbers: Vec<_> = customer.numbers.iter().map(|entry| entry.number.masked()).collect();
    let facts: Vec<_> = customer.facts.keys().map(ToString::to_string).collect();
    let shown = serde_json::json!({
        "id": customer.id, "name": customer.name, "role": customer.role, "represents": customer.represents,
        "numbers": numbers, "language": customer.language, "flags": customer.flags, "facts": facts,
        "has_pin": account.has_pin(), "standing": account.standing(),
        "failed_calls": account.failed_calls, "pin_wrong_streak": account.pin_wrong_streak,
    });
    print(&if json { shown.to_string() } else { serde_json::to_string_pretty(&shown)? });
    Ok(0)
}

async fn export(stores: &Stores) -> anyhow::Result<u8> {
    let mut customers: Vec<Customer> = vec![];
    let mut after: Option<CustomerId> = None;
    loop {
        let page = stores.records.customers(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for line in &page {
            customers.extend(stores.records.customer(&line.id).await?);
        }
    }
    customer_file::export(std::io::stdout().lock(), &customers)?;
    Ok(0)
}
