//! `countersign pin generate`: initial PINs in bulk (P03–P07), or for one account.

use std::io;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app;
use crate::app::Stores;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::engine::clock::Clock;
use crate::maintenance::generate::Generation;
use crate::maintenance::generate::Progress;
use crate::maintenance::issue;
use crate::model::ids::CustomerId;
use crate::records::pins::By;

/// Lines of progress, where there is no terminal.
const SAID_EVERY: Duration = Duration::from_secs(2);

/// For whom.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// For every account without a PIN, inactive ones too: so it is when no account is named
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// For this account alone
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    actor: Actor,
}

/// Who does it.
#[derive(Debug, clap::Args)]
pub struct Actor {
    /// Who you are in the audit, instead of the name you are signed in with
    #[arg(long)]
    actor: Option<String>,
}

impl Actor {
    /// As the audit names them.
    pub(super) fn name(&self) -> String {
        let signed_in = || std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
        format!("cli:{}", self.actor.clone().unwrap_or_else(signed_in))
    }
}

/// Generates; 1 where it ended early or there is nothing to generate.
pub async fn run(common: &Common, args: GenerateArgs) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    let prepared = app::prepare(config)?;
    talk(&format!("records: {}", prepared.records_place()));
    let (ttl, by) = (prepared.pin_rules().initial_ttl, args.actor.name());
    let stores = prepared.open_beside().await?;
    // Both cannot be said.
    match args.id.filter(|_| !args.all) {
        Some(id) => one(&stores, &id, (ttl, &by), common.json).await,
        None => all(&stores, (ttl, &by), common.json).await,
    }
}

async fn all(stores: &Stores, (ttl, by): (Duration, &str), json: bool) -> anyhow::Result<u8> {
    let (clock, tasks) = (Clock::start(), TaskTracker::new());
    let generation = Generation::new(
        Arc::clone(&stores.records) as _,
        stores.pins.initials(),
        ttl,
        Arc::new(move || clock.wall()),
        tasks.clone(),
        CancellationToken::new(),
    );
    let mut watch = generation.watch();
    generation.start(by)?;
    let mut teller = Teller::new(json);
    let ended = loop {
        watch.changed().await.context("the generation ended without a word")?;
        let now = watch.borrow_and_update().clone();
        match now {
            Some(progress) if progress.running => teller.tell(&progress),
            Some(progress) => break progress,
            None => {}
        }
    };
    tasks.close();
    tasks.wait().await;
    teller.end();
    if let Some(error) = &ended.error {
        talk(error);
    }
    if json {
        print(&serde_json::to_string(&ended)?);
    } else {
        let Progress { examined, created, .. } = ended;
        print(&format!("{created} initial PINs generated, {examined} accounts looked at"));
    }
    Ok(u8::from(ended.error.is_some()))
}

async fn one(
    stores: &Stores,
    id: &str,
    (ttl, by): (Duration, &str),
    json: bool,
) -> anyhow::Result<u8> {
    let id: CustomerId = id.parse().context("the customer id")?;
    let (records, now) = (&*stores.records, Clock::start().wall());
    let Some(account) = records.account(&id).await? else {
        talk(&format!("there is no customer {id}"));
        return Ok(1);
    };
    let file = records.pin_file(&id).await?.unwrap_or_default();
    let good = file.expires.is_some_and(|expires| expires > now);
    if account.has_pin() || account.initialized || good {
        talk(&format!("{id} has a PIN, or an initial one that is good: to void it, reset it"));
        return Ok(1);
    }
    let initials = stores.pins.initials();
    let issuing = issue::issuing(records, &initials, ttl, by, now).await?;
    let by = By { actor: by.to_owned(), reason: "no initial PIN yet".to_owned(), now };
    let expires = issuing.expires.rfc3339();
    records.reset_pin(&id, issuing, by).await?;
    if json {
        print(&json!({ "customer": id, "created": 1, "expires": expires }).to_string());
    } else {
        print(&format!("an initial PIN for {id} waits for its letter; it is good until {expires}"));
    }
    Ok(0)
}

/// Shows progress: a bar on a terminal, else a line now and then.
struct Teller {
    json: bool,
    bar: Option<ProgressBar>,
    said: Option<Instant>,
}

impl Teller {
    fn new(json: bool) -> Self {
        let bar = (!json && io::stderr().is_terminal()).then(bar);
        Self { json, bar, said: None }
    }

    fn tell(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.examined);
            bar.set_message(left(progress));
            return;
        }
        if self.said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        if self.json {
            print(&json!(progress).to_string());
        } else {
            let Progress { examined, total, created, .. } = progress;
            let left = left(progress);
            talk(&format!("{examined} of {total} accounts, {created} initial PINs, {left}"));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn left(progress: &Progress) -> String {
    match progress.seconds_left {
        Some(seconds) => format!("{} a second, {seconds} s left", progress.rate),
        None => "no rate yet".to_owned(),
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent}% {pos}/{len} accounts, {msg}")
    {
        bar.set_style(style);
    }
    bar
}
