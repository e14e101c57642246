//! `countersign pin`: what administrators do about PINs. No command prints a PIN (P13).

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::pin_generate;
use crate::cli::pin_generate::Actor;
use crate::cli::pin_letters;
use crate::cli::print;
use crate::cli::talk;
use crate::engine::clock::Clock;
use crate::maintenance::admin::Channel;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Parts;
use crate::maintenance::desk::Refused;
use crate::maintenance::generate::Generation;
use crate::maintenance::view::Shown;
use crate::model::ids::CustomerId;
use crate::records::PinRecords;

/// What to do about PINs.
#[derive(Debug, Subcommand)]
pub enum PinCommand {
    /// Initial PINs for all accounts that have none; run again, it goes on and makes none twice
    Generate(pin_generate::GenerateArgs),
    /// Letters with initial PINs for the printer, once: then their key is destroyed
    Letters(pin_letters::LettersArgs),
    /// Flags, situation, dates and counters of one account; the look is on record
    Show(One),
    /// Make a PIN void at once; a new initial PIN goes out by letter
    Reset(One),
    /// The hint of one account, where one may be told, for a verified caller or address
    Hint(HintArgs),
    /// Lift the block of an account; hardened profiles wait for a second person
    Unblock(One),
}

/// Whose PIN, and why.
#[derive(Args, Debug)]
pub struct One {
    /// The customer's id
    id: String,
    /// Why; stands in the audit
    #[arg(long, default_value = "on the command line")]
    reason: String,
    #[command(flatten)]
    actor: Actor,
}

/// Whose hint, and over what it is told.
#[derive(Args, Debug)]
pub struct HintArgs {
    #[command(flatten)]
    one: One,
    /// Over what you tell it
    #[arg(long, default_value = "verified-address")]
    channel: Over,
}

/// Over what a hint is told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Over {
    /// A call of this customer that passed within the last half hour
    VerifiedCall,
    /// The address that the customer's link proved
    VerifiedAddress,
}

/// Runs a PIN command.
pub async fn run(common: &Common, command: PinCommand) -> anyhow::Result<u8> {
    let json = common.json;
    match command {
        PinCommand::Generate(args) => pin_generate::run(common, args).await,
        PinCommand::Letters(args) => pin_letters::run(common, args).await,
        PinCommand::Show(one) => {
            let (desk, (id, actor)) = (desk(common).await?, one.who()?);
            told(desk.look(&id, &actor, &one.reason).await, json, "")
        }
        PinCommand::Reset(one) => {
            let (desk, (id, actor)) = (desk(common).await?, one.who()?);
            let what = "the PIN is void; a new initial PIN waits for the printer";
            told(desk.reset(&id, &actor, &one.reason).await, json, what)
        }
        PinCommand::Unblock(one) => {
            let (desk, (id, actor)) = (desk(common).await?, one.who()?);
            match desk.unblock(&id, &actor, &one.reason).await {
                Ok(unblocked) => {
                    let waits = "asked for; the account stays blocked until somebody else agrees";
                    let what = if unblocked.waits { waits } else { "unblocked" };
                    told(Ok(unblocked.shown), json, what)
                }
                Err(refused) => told(Err(refused), json, ""),
            }
        }
        PinCommand::Hint(HintArgs { one, channel }) => {
            let (desk, (id, actor)) = (desk(common).await?, one.who()?);
            let channel = match channel {
                Over::VerifiedCall => Channel::VerifiedCall,
                Over::VerifiedAddress => Channel::VerifiedAddress,
            };
            match desk.hint(&id, channel, &actor, &one.reason).await {
                Ok(hint) => {
                    let hint = hint.expose();
                    print(&if json {
                        serde_json::json!({ "hint": hint }).to_string()
                    } else {
                        hint.to_owned()
                    });
                    Ok(0)
                }
                Err(refused) => told(Err(refused), json, ""),
            }
        }
    }
}

impl One {
    fn who(&self) -> anyhow::Result<(CustomerId, String)> {
        let id = self.id.parse().context("the customer id")?;
        Ok((id, self.actor.name()))
    }
}

/// The desk of a command, beside a daemon that may run.
async fn desk(common: &Common) -> anyhow::Result<Desk> {
    let prepared = app::prepare(config_with_logs(common)?)?;
    let rules = prepared.pin_rules();
    let stores = prepared.open_beside().await?;
    let clock = Clock::start();
    let wall: Arc<dyn Fn() -> _ + Send + Sync> = Arc::new(move || clock.wall());
    let pins = Arc::clone(&stores.records) as Arc<dyn PinRecords>;
    let generation = Generation::new(
        Arc::clone(&pins),
        stores.pins.initials(),
        rules.initial_ttl,
        Arc::clone(&wall),
        TaskTracker::new(),
        CancellationToken::new(),
    );
    let (records, workers) = (stores.records, stores.pins);
    let parts = Parts { records, pins, workers, generation, rules, wall };
    Ok(Desk::new(parts, rand::random()))
}

/// Says what came of it: 0 with the PIN file, 1 with the reason why not.
fn told(shown: Result<Shown, Refused>, json: bool, what: &str) -> anyhow::Result<u8> {
    let shown = match shown {
        Ok(shown) => serde_json::to_value(shown)?,
        Err(Refused::Records(error)) => return Err(error.into()),
        Err(refused) => {
            talk(&refused.to_string());
            return Ok(1);
        }
    };
    if json {
        print(&shown.to_string());
    } else {
        if !what.is_empty() {
            print(what);
        }
        for line in lines(&shown) {
            print(&line);
        }
    }
    Ok(0)
}

/// The PIN file for people.
fn lines(shown: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let situation = &shown["situation"];
    let mut lines = vec![
        format!("{}  {}", text(&shown["customer"]["id"]), text(&shown["customer"]["name"])),
        format!("  address      {}", text(&shown["customer"]["email"])),
        format!("  flags        {} (Initialized/Enabled)", text(&situation["flags"])),
        format!("  situation    {}", text(&situation["title"])),
        format!("               {}", text(&situation["recommendation"])),
        format!("  standing     {}", text(&shown["standing"])),
        format!("  hint         {}", if shown["hint"]["set"] == true { "set" } else { "none" }),
    ];
    for group in ["dates", "counters"] {
        for (name, value) in shown[group].as_object().into_iter().flatten() {
            if !value.is_null() {
                lines.push(format!("  {:<12} {}", name.replace('_', " "), text(value)));
            }
        }
    }
    if let Some(asker) = shown["unblock"]["asked_by"].as_str() {
        lines.push(format!("  unblock      asked by {asker}; somebody else has to agree"));
    }
    for line in shown["history"].as_array().into_iter().flatten() {
        let (at, what, actor) = (text(&line["at"]), text(&line["what"]), text(&line["actor"]));
        lines.push(format!("  {at}  {what}  {actor}"));
    }
    lines
}
