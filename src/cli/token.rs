//! `countersign token`: mints a token with the configured local key.

use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::api::auth;
use crate::api::auth::Grant;
use crate::app;
use crate::cli::Common;
use crate::cli::config;
use crate::cli::print;
use crate::engine::clock::Clock;
use crate::files;
use crate::files::Paths;
use crate::model::ids::AgentId;
use crate::model::ids::QueueName;
use crate::wire::identity::TokenRole;

/// Whose token, and what it grants.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// A role: agent, supervisor, `pin_admin`, webmaster, support, platform, app or admin; may be repeated
    #[arg(long, required = true, value_parser = role)]
    role: Vec<TokenRole>,
    /// Whose token: the agent's or system's name
    #[arg(long)]
    sub: String,
    /// How long it is good, for example 8h, 30m, 90s
    #[arg(long, default_value = "8h", value_parser = duration)]
    ttl: Duration,
    /// The name on screens
    #[arg(long)]
    name: Option<String>,
    /// A queue this agent serves; may be repeated; none: all
    #[arg(long)]
    queue: Vec<String>,
}

/// Prints the token and nothing else.
pub fn run(common: &Common, args: TokenArgs) -> anyhow::Result<u8> {
    let config = config(common)?;
    let key = files::key(&Paths::of(&config)?.local_key)?;
    let sub: AgentId = args.sub.parse().context("--sub")?;
    let queues = args.queue.iter().map(|name| name.parse::<QueueName>());
    let queues = queues.collect::<Result<Vec<_>, _>>().context("--queue")?;
    let grant = Grant { sub, roles: args.role, name: args.name, queues, ttl: args.ttl };
    let now = Clock::start().wall();
    let token = auth::mint(&key.bytes, &grant, &app::token_rules(&config), now)?;
    if common.json {
        let expires_at = now.after(grant.ttl).rfc3339();
        print(&serde_json::json!({ "token": token, "expires_at": expires_at }).to_string());
    } else {
        print(&token);
    }
    Ok(0)
}

fn role(word: &str) -> Result<TokenRole, String> {
    let known: Vec<_> = TokenRole::ALL.into_iter().map(TokenRole::word).collect();
    TokenRole::from_word(word).ok_or_else(|| format!("write one of {}", known.join(", ")))
}

/// Reads `90s`, `30m`, `8h`, `7d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err("write a number with s, m, h or d, for example 8h".into()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "write a number with s, m, h or d, for example 8h")?;
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "write 1s to 365d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("8h", Some(28_800)),
            ("7d", Some(604_800)),
            ("60", Some(60)),
            ("0s", None),
            ("8 h", None),
            ("h", None),
            ("99999d", None),
        ] {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
