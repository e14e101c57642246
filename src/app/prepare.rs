//! What is checked before anything is bound: profiles, prompts, places; and the stores, opened.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use tracing::warn;

use crate::config::Config;
use crate::files;
use crate::files::Paths;
use crate::pin::pepper::Pepper;
use crate::pin::workers::PinParams;
use crate::pin::workers::PinWorkers;
use crate::policy::BUILT_IN;
use crate::policy::Profile;
use crate::prompts;
use crate::records::RecordsError;
use crate::records::sqlite::SqliteRecords;
use crate::rtp::prompt::PromptPack;

/// Everything that can be checked without binding anything.
pub struct Prepared {
    pub(super) config: Config,
    pub(super) profiles: BTreeMap<String, Arc<Profile>>,
    prompts: Arc<PromptPack>,
    paths: Paths,
}

/// Checks what only the file system knows: profiles, prompts, places.
pub fn prepare(config: Config) -> anyhow::Result<Prepared> {
    let profiles = profiles(&config)?;
    for (queue, named) in
        config.queues.iter().filter_map(|(name, queue)| Some((name, queue.policy.as_ref()?)))
    {
        anyhow::ensure!(
            profiles.contains_key(named),
            "queues.{queue}.policy: {}",
            no_profile(named, &profiles)
        );
    }
    let default = &config.policy.default;
    anyhow::ensure!(
        profiles.contains_key(default),
        "policy.default: {}",
        no_profile(default, &profiles)
    );
    reachable(&config)?;
    let prompts = Arc::new(prompts::load(&config)?);
    let paths = Paths::of(&config)?;
    Ok(Prepared { config, profiles, prompts, paths })
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

fn no_profile(named: &str, profiles: &BTreeMap<String, Arc<Profile>>) -> String {
    let known: Vec<_> = profiles.keys().map(String::as_str).collect();
    format!("there is no profile {named:?}; write one of {}", known.join(", "))
}

fn profiles(config: &Config) -> anyhow::Result<BTreeMap<String, Arc<Profile>>> {
    let mut profiles = BTreeMap::new();
    for (file, text) in BUILT_IN {
        let profile = Profile::parse(file, text)?;
        profiles.insert(profile.name.clone(), Arc::new(profile));
    }
    if let Some(directory) = &config.policy.directory {
        for path in files::with_ending(directory, "toml")? {
            let profile = Profile::parse(&path.display().to_string(), &files::text(&path)?)?;
            profiles.insert(profile.name.clone(), Arc::new(profile));
        }
    }
    Ok(profiles)
}

/// The stores and keys, opened.
pub struct Stores {
    /// Durable truth.
    pub records: Arc<SqliteRecords>,
    /// The verifier.
    pub pins: PinWorkers,
    /// The key of local tokens.
    pub local_key: files::Key,
}

impl Prepared {
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

    /// Opens the records for the daemon, alone, and starts the verifier.
    pub fn open(&self) -> anyhow::Result<Stores> {
        self.open_with(SqliteRecords::open)
    }

    /// Opens the records beside a daemon that may run, for a command.
    pub fn open_beside(&self) -> anyhow::Result<Stores> {
        self.open_with(SqliteRecords::open_beside)
    }

    fn open_with(
        &self,
        open: impl FnOnce(&std::path::Path) -> Result<SqliteRecords, RecordsError>,
    ) -> anyhow::Result<Stores> {
        let pepper = files::key(&self.paths.pepper)?;
        if pepper.created {
            let path = self.paths.pepper.display();
            warn!(%path, "a new PIN pepper was made; move it away from the records, and keep a copy: without it no PIN can be verified");
        }
        let local_key = files::key(&self.paths.local_key)?;
        let records = open(&self.paths.records)
            .with_context(|| format!("records.url: {}", self.paths.records.display()))?;
        let pin = &self.config.pin;
        let params = PinParams {
            memory_kib: pin.memory_kib,
            iterations: pin.iterations,
            permits: pin.permits.unwrap_or(0),
            queue: pin.queue,
            wait: pin.wait,
        };
        let pins = PinWorkers::start(params, Pepper::from_bytes(&pepper.bytes)?)?;
        Ok(Stores { records: Arc::new(records), pins, local_key })
    }
}
