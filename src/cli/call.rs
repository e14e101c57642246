//! `countersign call`: the test caller.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::io::Write;
use std::io::stderr;
use std::io::stdout;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::model::digits::SecretText;
use crate::rtp::prompt::PromptPack;
use crate::sim::CallPlan;
use crate::sim::CallReport;
use crate::sim::Ears;
use crate::sim::FromLine;
use crate::sim::KeyWay;
use crate::sim::Summary;
use crate::sim::place;
use crate::sim::plan;
use crate::sim::plan::BadPlan;
use crate::sip::message::Uri;

/// The number that calls unless another is given; it belongs to nobody.
const FROM: &str = "+447700900000";

/// More calls at once need more sockets than a process usually has.
const CONCURRENT_MAX: usize = 450;

/// Places test calls: answers the prompts by pressing the asked positions of a PIN, and says what happened.
#[derive(clap::Args, Debug)]
pub struct CallArgs {
    /// Whom to call, for example sip:100@127.0.0.1:5060.
    #[arg(long, value_name = "SIP_URI")]
    to: String,
    /// The calling number, a SIP URI, or `anonymous`.
    #[arg(long, value_name = "NUMBER", default_value = FROM)]
    from: String,
    /// A header field added to the INVITE; may be given several times.
    #[arg(long = "header", value_name = "N: V")]
    headers: Vec<String>,
    /// Leaves out P-Asserted-Identity, as a trunk does that asserts nothing.
    #[arg(long)]
    no_identity: bool,
    /// The PIN of which the asked positions are pressed.
    #[arg(long, value_name = "PIN", value_parser = secret)]
    pin: Option<SecretText>,
    /// Keys pressed one a prompt, instead of a PIN.
    #[arg(long, value_name = "DIGITS", value_parser = secret)]
    press: Option<SecretText>,
    /// The customer number keyed when it is asked for.
    #[arg(long, value_name = "DIGITS", value_parser = secret)]
    customer: Option<SecretText>,
    /// Sends keys as SIP INFO.
    #[arg(long, conflicts_with_all = ["inband", "both"])]
    info: bool,
    /// Sends keys as tones in the sound.
    #[arg(long, conflicts_with = "both")]
    inband: bool,
    /// Sends each key as RFC 4733 event and as SIP INFO.
    #[arg(long)]
    both: bool,
    /// The payload type offered for telephone events.
    #[arg(long, value_name = "N", default_value_t = plan::TELEPHONE_EVENT, value_parser = clap::value_parser!(u8).range(96..=127))]
    payload_type: u8,
    /// From recognising a prompt to pressing a key.
    #[arg(long, value_name = "MS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    reaction_ms: u64,
    /// Hangs up so many seconds after the INVITE.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    hangup_after: Option<Duration>,
    /// How many calls to place.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// How many calls to begin in a second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
}

/// Never fails: a complaint of the argument parser would show the value.
#[expect(clippy::unnecessary_wraps, reason = "the shape that the argument parser wants")]
fn secret(text: &str) -> Result<SecretText, std::convert::Infallible> {
    Ok(SecretText::new(text.to_owned()))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wait = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wait.filter(|wait| *wait <= plan::CALL_MAX)
        .ok_or_else(|| format!("wanted seconds, 0 to {}", plan::CALL_MAX.as_secs()))
}

impl CallArgs {
    fn plan(self) -> Result<CallPlan, BadCall> {
        let to =
            Uri::parse(&self.to).ok().filter(|to| to.scheme() == "sip" && !to.host().is_empty());
        let mut call = CallPlan::new(to.ok_or(BadCall::To)?, FromLine::parse(&self.from)?);
        call.assert_identity = !self.no_identity;
        call.way = match (self.info, self.inband, self.both) {
            (true, ..) => KeyWay::Info,
            (_, true, _) => KeyWay::InBand,
            (_, _, true) => KeyWay::Both,
            _ => KeyWay::Rfc4733,
        };
        call.pin = self.pin.map(plan::pin).transpose()?;
        call.press = self.press.map(plan::keys).transpose()?;
        call.customer_number = self.customer.map(plan::keys).transpose()?;
        call.hangup_after = self.hangup_after;
        call.reaction = Duration::from_millis(self.reaction_ms);
        call.telephone_event = self.payload_type;
        self.headers.iter().try_for_each(|line| call.add_header(line))?;
        Ok(call)
    }
}

/// The arguments make no call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum BadCall {
    #[error("--to is no SIP URI by UDP, for example sip:100@127.0.0.1:5060")]
    To,
    #[error("{0}")]
    Plan(#[from] BadPlan),
}

/// Places the calls; the exit status is 0 when every one ended as the daemon intended, 2 for bad arguments.
pub async fn run(args: CallArgs, prompts: &PromptPack, json: bool) -> anyhow::Result<u8> {
    let pace = Pace { count: args.count, rate: args.rate };
    let printer = Printer { json, many: args.count > 1 };
    let plan = match args.plan() {
        Ok(plan) => Arc::new(plan),
        Err(fault) => {
            writeln!(stderr(), "error: {fault}")?;
            return Ok(2);
        }
    };
    let stop = CancellationToken::new();
    let calls = place_all(plan, Arc::new(Ears::new(prompts)), pace, &stop, printer);
    tokio::pin!(calls);
    let summary = tokio::select! {
        summary = &mut calls => summary?,
        _ = tokio::signal::ctrl_c() => {
            stop.cancel();
            calls.await?
        }
    };
    printer.summary(&summary)?;
    Ok(u8::from(summary.as_intended < summary.calls || stop.is_cancelled()))
}

#[derive(Clone, Copy)]
struct Pace {
    count: u32,
    rate: u32,
}

async fn place_all(
    plan: Arc<CallPlan>,
    ears: Arc<Ears>,
    pace: Pace,
    stop: &CancellationToken,
    printer: Printer,
) -> anyhow::Result<Summary> {
    let bar = printer.progress(pace.count);
    let start = Instant::now();
    let apart = Duration::from_secs(1) / pace.rate;
    let mut due: VecDeque<Instant> = (0..pace.count).map(|nth| start + apart * nth).collect();
    let mut calls = JoinSet::new();
    let mut summary = Summary::default();
    loop {
        let next =
            due.front().copied().filter(|_| calls.len() < CONCURRENT_MAX && !stop.is_cancelled());
        tokio::select! {
            () = sleep_until(next.unwrap_or(start)), if next.is_some() => {
                due.pop_front();
                calls.spawn(place(plan.clone(), ears.clone(), stop.clone()));
            }
            Some(ended) = calls.join_next() => {
                let report = ended.unwrap_or_else(|_| CallReport::failed("the caller broke down"));
                summary.add(&report, report.as_intended(&plan));
                bar.suspend(|| printer.report(&report))?;
                bar.inc(1);
            }
            () = stop.cancelled(), if next.is_some() => {}
            else => break,
        }
    }
    bar.finish_and_clear();
    Ok(summary.finish())
}

/// Results on standard output; progress on standard error.
#[derive(Clone, Copy)]
struct Printer {
    json: bool,
    many: bool,
}

impl Printer {
    fn progress(self, count: u32) -> ProgressBar {
        if !self.many || !stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} calls, {per_sec}, {elapsed}");
        let bar = ProgressBar::new(u64::from(count));
        if let Ok(style) = style { bar.with_style(style) } else { bar }
    }

    fn report(self, report: &CallReport) -> std::io::Result<()> {
        if self.json {
            writeln!(stdout(), "{}", serde_json::to_string(report)?)
        } else {
            writeln!(stdout(), "{report}")
        }
    }

    fn summary(self, summary: &Summary) -> std::io::Result<()> {
        match (self.many, self.json) {
            (false, _) => Ok(()),
            (true, true) => writeln!(stdout(), "{}", serde_json::json!({ "summary": summary })),
            (true, false) => writeln!(stdout(), "{summary}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        call: CallArgs,
    }

    fn read(line: &str) -> Result<CallPlan, String> {
        let words = ["call"].into_iter().chain(line.split_ascii_whitespace());
        let read = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        read.call.plan().map_err(|fault| fault.to_string())
    }

    #[test]
    fn arguments_make_a_plan() {
        let plan =
            read("--to sip:1@127.0.0.1 --pin 9081726 --both --payload-type 96 --hangup-after 2.5")
                .expect("good");
        assert_eq!((plan.way, plan.telephone_event), (KeyWay::Both, 96));
        assert_eq!(plan.hangup_after, Some(Duration::from_millis(2500)));
        assert!(plan.pin.is_some() && plan.assert_identity);
    }

    #[test]
    fn p11_a_complaint_about_a_secret_does_not_show_it() {
        for line in [
            "--to sip:1@127.0.0.1 --pin 48270",
            "--to sip:1@127.0.0.1 --press 4827O",
            "--to sip:1@127.0.0.1 --customer 4827x",
        ] {
            let fault = read(line).expect_err("refused");
            assert!(!fault.contains("4827"), "{fault}");
        }
        for line in [
            "--to tel:1",
            "--to sips:1@h",
            "--to sip:1@h --info --both",
            "--to sip:1@h --hangup-after -1",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
