//! CONFIGURATION. Text → checked values: one file per section, every problem reported at once.
//!
//! Nothing is read from the world here: files arrive as text, the environment as a list. Layers,
//! weakest first: the defaults, the files in order, `COUNTERSIGN__SECTION__KEY`, `--set`.
//! `config/countersign.toml` documents every key.

mod address;
pub mod asterisk;
pub mod audiohook;
pub mod audit;
pub mod auth;
#[cfg(feature = "daemon")]
pub mod carets;
pub mod cluster;
pub mod desktop;
pub mod genesys;
pub mod grpc;
pub mod http;
pub mod intents;
#[cfg(feature = "daemon")]
pub mod layers;
pub mod limits;
pub mod log;
pub mod mail;
pub mod nearest;
pub mod outbox;
pub mod pin;
pub mod policy;
pub mod problem;
pub mod prompts;
pub mod queues;
pub mod records;
pub mod rehearsal;
pub mod rtp;
pub mod secret;
pub mod sessions;
pub mod shutdown;
pub mod sip;
pub mod source;
pub mod stores;
pub mod table;
pub mod trunks;
pub mod webhooks;

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeTable;

use crate::config::asterisk::Asterisk;
use crate::config::audiohook::AudioHook;
use crate::config::audit::Audit;
use crate::config::auth::Auth;
use crate::config::cluster::Cluster;
use crate::config::desktop::Desktop;
use crate::config::genesys::Genesys;
use crate::config::grpc::Grpc;
use crate::config::http::Http;
use crate::config::intents::Intents;
#[cfg(feature = "daemon")]
pub use crate::config::layers::load;
use crate::config::log::Log;
use crate::config::outbox::Iam;
use crate::config::outbox::Outbox;
use crate::config::pin::Pin;
use crate::config::policy::Policy;
use crate::config::problem::Finding;
pub use crate::config::problem::Problem;
pub use crate::config::problem::Problems;
use crate::config::prompts::Prompts;
use crate::config::queues::Queues;
use crate::config::rehearsal::Rehearsal;
use crate::config::rtp::Rtp;
use crate::config::shutdown::Shutdown;
use crate::config::sip::Sip;
use crate::config::source::Origin;
use crate::config::source::Sources;
use crate::config::stores::Stores;
use crate::config::table::Outcome;
use crate::config::table::Reading;
use crate::config::table::Table;
use crate::config::webhooks::Webhooks;
use crate::limits::Rules;

/// The whole configuration, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[grpc]`
    pub grpc: Grpc,
    /// `[sip]` and `[sip.trunks.*]`
    pub sip: Sip,
    /// `[asterisk]`; none: no Asterisk is served.
    pub asterisk: Option<Asterisk>,
    /// `[rtp]`
    pub rtp: Rtp,
    /// `[sessions]`, `[records]`
    pub stores: Stores,
    /// `[outbox]`
    pub outbox: Outbox,
    /// `[iam]`
    pub iam: Iam,
    /// `[cluster]`; none: no other node may ask us anything.
    pub cluster: Option<Cluster>,
    /// `[audiohook]`
    pub audiohook: AudioHook,
    /// `[audit]`
    pub audit: Audit,
    /// `[auth]`
    pub auth: Auth,
    /// `[pin]`
    pub pin: Pin,
    /// `[policy]`
    pub policy: Policy,
    /// `[queues.*]`
    pub queues: Queues,
    /// `[prompts]`
    pub prompts: Prompts,
    /// `[intents]`
    pub intents: Intents,
    /// `[desktop]`
    pub desktop: Desktop,
    /// `[genesys]`
    pub genesys: Genesys,
    /// `[limits]`
    pub limits: Rules,
    /// `[webhooks.*]`
    pub webhooks: Webhooks,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    /// `[rehearsal]`
    pub rehearsal: Rehearsal,
    /// `[log]`
    pub log: Log,
    idle: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let reading = Reading::new(Sources::default());
        Self::read(reading.root(toml::Table::new()))
    }
}

impl Config {
    /// Sections that are configured and do nothing yet, one sentence each, to be said at start.
    pub fn idle(&self) -> &[String] {
        &self.idle
    }

    /// What is allowed and yet probably not meant, one sentence each, to be said at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.http.listen.ip().is_loopback() {
            warnings.push(format!(
                "http.listen = {}: desktops and tokens cross the network unencrypted unless a TLS proxy stands in front",
                self.http.listen
            ));
        }
        if !self.grpc.listen.ip().is_loopback() && self.grpc.tls.is_none() {
            warnings.push(format!(
                "grpc.listen = {}: tokens and digits cross the network unencrypted without grpc.tls_certificate",
                self.grpc.listen
            ));
        }
        if !self.rehearsal.clock_ahead.is_zero() {
            warnings.push(format!(
                "rehearsal.clock_ahead: the calendar runs {} s ahead; tokens, letters and audit lines carry that time",
                self.rehearsal.clock_ahead.as_secs()
            ));
        }
        if self.outbox.webhook_url.is_some() && self.outbox.webhook_secret_file.is_none() {
            warnings.push(
                "outbox.webhook_url without webhook_secret_file: its receiver cannot tell whether an item is ours"
                    .to_owned(),
            );
        }
        if self.outbox.mail.server.is_some() {
            if self.http.public_url.is_none() {
                warnings.push(format!(
                    "outbox.smtp_url without http.public_url: links in mails lead to http://{}, which customers cannot open",
                    self.http.listen
                ));
            }
            if self.outbox.mail.from.domain() == "localhost" {
                warnings.push(
                    "outbox.mail_from is at localhost: mail servers refuse such a sender, and nobody can answer"
                        .to_owned(),
                );
            }
        }
        if let Some(trunk) = &self.genesys.trunk
            && !self.sip.trunks.contains_key(trunk)
        {
            warnings.push(format!(
                "genesys.trunk = {trunk}: there is no [sip.trunks.{trunk}], so no number from Genesys is believed"
            ));
        }
        warnings.extend(self.asterisk.iter().flat_map(|asterisk| asterisk.warnings(&self.sip)));
        for (name, connector) in &self.audiohook.connectors {
            if connector.client_secret_file.is_none() {
                warnings.push(format!(
                    "audiohook.connectors.{name} without client_secret_file: whoever knows its API key can send calls in"
                ));
            }
        }
        let outside = self.sip.listen.iter().any(|address| !address.ip().is_loopback());
        if outside && self.sip.trunks.is_empty() {
            warnings.push(
                "no [sip.trunks.*] is configured: calls from anywhere but this machine get 403"
                    .to_owned(),
            );
        }
        warnings
    }

    fn read(mut root: Table<'_>) -> Self {
        let config = Self {
            http: http::read(root.table("http")),
            grpc: grpc::read(root.table("grpc")),
            sip: sip::read(root.table("sip")),
            asterisk: asterisk::read(root.table("asterisk")),
            rtp: rtp::read(root.table("rtp")),
            stores: stores::read(&mut root),
            outbox: outbox::read(root.table("outbox")),
            iam: outbox::read_iam(root.table("iam")),
            cluster: cluster::read(root.table("cluster")),
            audiohook: audiohook::read(root.table("audiohook")),
            audit: audit::read(root.table("audit")),
            auth: auth::read(root.table("auth")),
            pin: pin::read(root.table("pin")),
            policy: policy::read(root.table("policy")),
            queues: queues::read(root.table("queues")),
            prompts: prompts::read(root.table("prompts")),
            intents: intents::read(root.table("intents")),
            desktop: desktop::read(root.table("desktop")),
            genesys: genesys::read(root.table("genesys")),
            limits: limits::read(root.table("limits")),
            webhooks: webhooks::read(root.table("webhooks")),
            shutdown: shutdown::read(root.table("shutdown")),
            rehearsal: rehearsal::read(root.table("rehearsal")),
            log: log::read(root.table("log")),
            idle: Vec::new(),
        };
        root.end();
        config
    }
}

/// Reads one file alone.
pub fn parse(name: &str, text: &str) -> Result<Config, Problems> {
    let mut sources = Sources::default();
    let findings = note_file(&mut sources, name, text);
    let values = text.parse().unwrap_or_default();
    check(sources, findings, values)
}

/// Every key that a file asks for when it is read: for the test that all are documented.
pub fn keys(text: &str) -> BTreeSet<String> {
    let reading = Reading::new(Sources::default());
    Config::read(reading.root(text.parse().unwrap_or_default()));
    reading.outcome().keys
}

/// Notes the place of every key of a file, or what keeps it from being TOML.
fn note_file(sources: &mut Sources, name: &str, text: &str) -> Vec<Finding> {
    let source = sources.add(name, text, Origin::File);
    let (table, errors) = DeTable::parse_recoverable(text);
    sources.note_table(source, &[], table.get_ref());
    let finding = |error: toml::de::Error| {
        let span: Range<usize> = error.span().unwrap_or(0..0);
        let message = error.message().to_owned();
        Finding { place: Some((source, span)), key: String::new(), message, help: String::new() }
    };
    errors.into_iter().map(finding).collect()
}

/// Checks the merged values; a text that is no TOML is reported before anything else.
fn check(sources: Sources, broken: Vec<Finding>, values: toml::Table) -> Result<Config, Problems> {
    if !broken.is_empty() {
        return Err(Problems::new(broken, sources));
    }
    let reading = Reading::new(sources);
    let mut config = Config::read(reading.root(values));
    let Outcome { sources, findings, idle, .. } = reading.outcome();
    config.idle = idle;
    if findings.is_empty() { Ok(config) } else { Err(Problems::new(findings, sources)) }
}
