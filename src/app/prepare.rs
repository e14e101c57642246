//! What is checked before anything is bound: profiles, prompts, places; and the stores, opened.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tracing::warn;

use crate::app::webhooks;
use crate::app::webhooks::Connectors;
use crate::config::Config;
use crate::config::records::Database;
use crate::config::records::RecordsPlace;
use crate::files;
use crate::files::Paths;
use crate::maintenance::desk::Rules;
use crate::pin::pepper::Pepper;
use crate::pin::workers::PinParams;
use crate::pin::workers::PinWorkers;
use crate::policy::Profile;
use crate::policy::Shelf;
use crate::prompts;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::postgres::PostgresRecords;
use crate::records::sqlite::SqliteRecords;
use crate::rtp::prompt::PromptPack;

/// Everything that can be checked without binding anything.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) profiles: BTreeMap<String, Arc<Profile>>,
    pub(super) webhooks: Connectors,
    prompts: Arc<PromptPack>,
    paths: Paths,
}

/// Checks what only the file system knows: profiles, prompts, places.
pub fn prepare(config: Config) -> anyhow::Result<Prepared> {
    let profiles = profiles(&config)?;
    reachable(&config)?;
    let prompts = Arc::new(prompts::load(&config)?);
    let paths = Paths::of(&config)?;
    let webhooks = webhooks::connectors(&config)?;
    Ok(Prepared { config, profiles, webhooks, prompts, paths })
}

/// A listener on every address cannot say in SDP and Contact which one peers should use.
fn reachable(config: &Config) -> anyhow::Result<()> {
    let sip = &config.sip;
    let Some(everywhere) = sip.listen.iter().find(|address| address.ip().is_unspecified()) else {
        return Ok(());
    };
    let advertised = sip.advertise.as_ref();
    anyhow::ensure!(
        advertised.is_some(),
        "sip.listen = udp:{everywhere}: peers cannot answer to that; name one address, or set sip.advertise to the one they reach us by"
    );
    let address = advertised.is_some_and(|advertise| advertise.host.parse::<IpAddr>().is_ok());
    anyhow::ensure!(
        address || config.rtp.address.is_some(),
        "sip.advertise is a name: set rtp.address to the IP address that goes into SDP"
    );
    Ok(())
}

/// Every profile there is, and every name that the configuration gives to one.
fn profiles(config: &Config) -> anyhow::Result<BTreeMap<String, Arc<Profile>>> {
    let mut written = vec![];
    if let Some(directory) = &config.policy.directory {
        for path in files::with_ending(directory, "toml").context("policy.directory")? {
            written.push((path.display().to_string(), files::text(&path)?));
        }
    }
    let shelf = Shelf::with(&written)?;
    let nowhere: Vec<_> = names(config)
        .filter(|(_, name)| shelf.get(name).is_none())
        .map(|(key, name)| format!("{key}: {}", shelf.no_such(name)))
        .collect();
    anyhow::ensure!(nowhere.is_empty(), nowhere.join("\n"));
    Ok(shelf.into_map())
}

/// The keys of the configuration that name a profile.
fn names(config: &Config) -> impl Iterator<Item = (String, &str)> {
    let queues = config.queues.iter().filter_map(|(queue, settings)| {
        Some((format!("queues.{queue}.policy"), settings.policy.as_deref()?))
    });
    let connectors = config.audiohook.connectors.iter().filter_map(|(name, settings)| {
        Some((format!("audiohook.connectors.{name}.policy"), settings.policy.as_deref()?))
    });
    let asterisk = config.asterisk.iter().filter_map(|asterisk| asterisk.policy.as_deref());
    let asterisk = asterisk.map(|policy| ("asterisk.policy".to_owned(), policy));
    let default = ("policy.default".to_owned(), config.policy.default.as_str());
    std::iter::once(default).chain(queues).chain(connectors).chain(asterisk)
}

/// The stores and keys, opened.
pub struct Stores {
    /// Durable truth.
    pub records: Arc<dyn Records>,
    /// The verifier.
    pub pins: Arc<PinWorkers>,
    /// The key of local tokens.
    pub local_key: files::Key,
}

impl Prepared {
    /// What is as its source wrote it in the profiles in use, although it is weak (X15, X24).
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let used: BTreeSet<&str> = names(&self.config).map(|(_, name)| name).collect();
        let used = used.into_iter().filter_map(|name| self.profiles.get(name));
        used.flat_map(|profile| profile.warnings()).collect()
    }

    /// The rules of PIN maintenance. A profile in use that wants a second person is enough (5.7).
    #[must_use]
    pub fn pin_rules(&self) -> Rules {
        let used = names(&self.config).filter_map(|(_, name)| self.profiles.get(name));
        Rules::of(&self.config.pin, used.into_iter().any(|profile| profile.second_person_unblock))
    }

    /// The prompt pack.
    #[must_use]
    pub fn prompts(&self) -> Arc<PromptPack> {
        Arc::clone(&self.prompts)
    }

    /// Where the files are.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The place of the records, as an operator may read it: without a password.
    #[must_use]
    pub fn records_place(&self) -> String {
        match &self.config.stores.records {
            RecordsPlace::Postgres(database) => database.url.to_string(),
            RecordsPlace::SqliteFile(_) => self.paths.records.display().to_string(),
        }
    }

    /// Opens the records for the daemon, and starts the verifier. A file is this daemon's alone.
    pub async fn open(&self) -> anyhow::Result<Stores> {
        self.open_with(SqliteRecords::open).await
    }

    /// Opens the records beside a daemon that may run, for a command.
    pub async fn open_beside(&self) -> anyhow::Result<Stores> {
        self.open_with(SqliteRecords::open_beside).await
    }

    async fn open_with(
        &self,
        open: fn(&Path) -> Result<SqliteRecords, RecordsError>,
    ) -> anyhow::Result<Stores> {
        let pepper = files::key(&self.paths.pepper)?;
        if pepper.created {
            let path = self.paths.pepper.display();
            warn!(%path, "a new PIN pepper was made; move it away from the records, and keep a copy: without it no PIN can be verified");
        }
        let local_key = files::key(&self.paths.local_key)?;
        let opened: Result<Arc<dyn Records>, RecordsError> = match &self.config.stores.records {
            RecordsPlace::Postgres(Database { url, connections }) => {
                let opened = PostgresRecords::open(url.reveal(), *connections).await;
                opened.map(|records| Arc::new(records) as Arc<dyn Records>)
            }
            RecordsPlace::SqliteFile(_) => {
                let opened = open(&self.paths.records);
                opened.map(|records| Arc::new(records) as Arc<dyn Records>)
            }
        };
        let records = opened.with_context(|| format!("records.url: {}", self.records_place()))?;
        let pin = &self.config.pin;
        let params = PinParams {
            memory_kib: pin.memory_kib,
            iterations: pin.iterations,
            permits: pin.permits.unwrap_or(0),
            queue: pin.queue,
            wait: pin.wait,
        };
        let pins = Arc::new(PinWorkers::start(params, Pepper::from_bytes(&pepper.bytes)?)?);
        Ok(Stores { records, pins, local_key })
    }
}
