//! `countersign replay CALL_ID`: decides a past call again from its recorded inputs.

use std::path::PathBuf;

use anyhow::Context;

use crate::api::replay::Replayed;
use crate::api::replay::replay;
use crate::app;
use crate::call::transcript::Step;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::files;
use crate::model::ids::CallId;
use crate::policy::Profile;

/// Which call, and under what.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The call's Countersign id
    call: String,
    /// Decide under this policy file instead of the profile of the call's day
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs the command: 0 when the call comes out the same, 1 when it does not.
pub async fn run(common: &Common, args: ReplayArgs) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    let call: CallId =
        args.call.parse().with_context(|| format!("{:?} is no id of a call", args.call))?;
    let policy = match &args.policy {
        Some(path) => Some(Profile::parse(&path.display().to_string(), &files::text(path)?)?),
        None => None,
    };
    let stores = app::prepare(config)?.open_beside().await?;
    let replayed = replay(&*stores.records, &call, policy).await?;
    if common.json {
        print(&serde_json::to_string_pretty(&replayed)?);
    } else {
        tell(&replayed);
    }
    Ok(u8::from(!replayed.same))
}

fn tell(replayed: &Replayed) {
    let Replayed { call, profile, hash, .. } = replayed;
    let short = hash.get(..12).unwrap_or(hash);
    print(&format!("call {call} under profile {profile} ({short})"));
    for (number, step) in (1..).zip(&replayed.steps) {
        let mark = if step.compensated { ", compensated" } else { "" };
        let Step { state, row, next, .. } = step;
        let state = format!(
            "pin {:?}, password {:?}, questions {:?}",
            state.pin, state.password, state.questions
        );
        let state = state.to_lowercase();
        print(&format!("  step {number}: {state} -> row {row}: {next}{mark}"));
    }
    for counted in &replayed.questions {
        let verdict = if counted.passed { "passed" } else { "not passed" };
        let (right, asked) = (counted.right.len(), counted.asked.len());
        print(&format!("  questions {}: {right} of {asked} right, {verdict}", counted.set));
    }
    for difference in &replayed.differences {
        let (at, then, now) = (&difference.at, &difference.then, &difference.now);
        print(&format!("  DIFFERENT at {at}: then {then}, now {now}"));
    }
    print(if replayed.same { "comes out the same" } else { "comes out differently" });
}
