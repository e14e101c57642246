//! Logs and metrics. Nothing in here sees a digit: the types that hold one print nothing.

use std::io::IsTerminal;

use metrics::Unit;
use metrics::counter;
use metrics::describe_counter;
use metrics::describe_gauge;
use metrics::describe_histogram;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_exporter_prometheus::PrometheusHandle;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::log::Log;
use crate::config::log::LogFormat;

/// Bounds of the histograms, in seconds: from a push (tens of µs) to a slow disk.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0,
];

/// Starts logging to standard error. A second start in one process (tests) changes nothing.
pub fn start_logging(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    // Libraries log what passes through them, frames with tokens and answers included: below INFO
    // only our own words, whatever the configured level says (P11).
    let ours = filter_fn(|about| {
        about.target().starts_with("countersign") || *about.level() <= tracing::Level::INFO
    });
    let coloured = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(coloured);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => registry.with(lines.with_filter(ours)).try_init(),
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_filter(ours)).try_init()
        }
    };
    // Somebody else's subscriber is as good.
    drop(started);
}

/// The recorder behind `/metrics`. Only one can exist in a process; later starts share it.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().set_buckets(SECONDS)?.install_recorder()?;
    describe();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

/// Series that alarms are set on exist from the start, not from the first incident.
fn begin_at_zero() {
    counter!("countersign_lockouts_total").increment(0);
    for reason in ["stranger", "rate", "full", "draining", "pin_queue"] {
        counter!("countersign_shed_total", "reason" => reason).increment(0);
    }
    for result in ["correct", "incorrect", "unavailable"] {
        counter!("countersign_pin_verifications_total", "result" => result).increment(0);
    }
    for via in ["rfc4733", "info", "inband", "http", "audiohook", "ari"] {
        counter!("countersign_digits_total", "via" => via).increment(0);
    }
    gauge!("countersign_active_calls").set(0.0);
    gauge!("countersign_desktops").set(0.0);
    gauge!("countersign_audiohook_sessions").set(0.0);
}

fn describe() {
    for (name, what) in [
        ("countersign_calls_total", "Calls that ended, by class and outcome"),
        ("countersign_pin_verifications_total", "PIN pairs judged, by result"),
        ("countersign_sip_messages_total", "SIP requests, by method and direction"),
        ("countersign_sip_responses_total", "SIP responses, by status code"),
        ("countersign_sip_repeated_total", "SIP messages sent again, by us or by a peer"),
        ("countersign_sip_malformed_total", "Datagrams that are no SIP message we accept"),
        ("countersign_shed_total", "Work turned away, by reason"),
        ("countersign_digits_total", "Keys pressed, by the way they were signalled"),
        ("countersign_call_events_total", "Call events over HTTP, by what came of them"),
        ("countersign_ari_requests_total", "Requests to Asterisks, by what came of them"),
        ("countersign_ari_disconnects_total", "Connections to Asterisks that broke"),
        (
            "countersign_ari_reconciled_total",
            "Times that an Asterisk was back with callers waiting",
        ),
        ("countersign_ari_late_keys_total", "Keys of Asterisks that came too late to count"),
        ("countersign_ari_unplayed_total", "Phrases that an Asterisk could not play"),
        ("countersign_lockouts_total", "Accounts blocked after failed calls"),
        (
            "countersign_resets_required_total",
            "Accounts whose PIN must be reset after wrong entries",
        ),
        (
            "countersign_fishing_suspected_total",
            "Accounts whose challenges are left unanswered too often",
        ),
        ("countersign_intents_refused_total", "App intents that were not accepted, by reason"),
        (
            "countersign_audiohook_refused_total",
            "Handshakes of the Audio Connector that were refused, by reason",
        ),
        ("countersign_node_questions_total", "Questions to other nodes, by what came of them"),
        ("countersign_node_connections_refused_total", "Connections by what is no node of ours"),
        ("countersign_desktop_conflated_total", "States a slow desktop was spared"),
    ] {
        describe_counter!(name, what);
    }
    begin_at_zero();
    describe_gauge!("countersign_active_calls", "Calls that are alive on this node");
    describe_gauge!("countersign_audiohook_sessions", "Sessions of the Audio Connector");
    describe_gauge!("countersign_desktops", "Desktops that are connected");
    describe_gauge!("countersign_ari_connections", "Asterisks that are connected");
    describe_histogram!(
        "countersign_push_seconds",
        Unit::Seconds,
        "Event taken in to frame handed to the socket"
    );
    describe_histogram!("countersign_argon2_seconds", Unit::Seconds, "One Argon2id run");
    describe_histogram!("countersign_store_seconds", Unit::Seconds, "One operation of a store");
}
