//! Puts the Audio Connector together: connectors with their secrets, routes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::api;
use crate::app::Prepared;
use crate::app::reception::Reception;
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::files;
use crate::lifecycle::Stops;
use crate::platform::Entry;
use crate::platform::audiohook::AudioHooks;
use crate::platform::audiohook::Connector;
use crate::platform::audiohook::Parts;
use crate::platform::http::Platforms;
use crate::platform::http::Rules;
use crate::sessions::Sessions;

/// As Genesys shows secrets: with the padding or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Prepared {
    /// Whether every connector can be used; `None`: there is none.
    #[must_use]
    pub fn load_connectors(&self) -> Option<anyhow::Result<usize>> {
        let loaded = connectors(&self.config).map(|connectors| connectors.len());
        (!self.config.audiohook.connectors.is_empty()).then_some(loaded)
    }
}

/// Every connector with its secret read.
fn connectors(config: &Config) -> anyhow::Result<BTreeMap<String, Connector>> {
    let mut connectors = BTreeMap::new();
    for (name, settings) in &config.audiohook.connectors {
        let named = |key: &str| format!("audiohook.connectors.{name}.{key}");
        let secret = settings.client_secret_file.as_deref().map(secret).transpose();
        let secret = secret.with_context(|| named("client_secret_file"))?;
        let known = |trunk| config.sip.trunks.contains_key(trunk);
        if let Some(trunk) = settings.trunk.as_ref().filter(|trunk| !known(trunk)) {
            anyhow::bail!("{}: there is no [sip.trunks.{trunk}]", named("trunk"));
        }
        let connector = Connector {
            api_key: Zeroizing::new(settings.api_key.reveal().to_owned()),
            secret,
            policy: settings.policy.clone(),
            trunk: settings.trunk.clone(),
        };
        connectors.insert(name.clone(), connector);
    }
    Ok(connectors)
}

fn secret(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(files::text(path)?);
    let bytes = BASE64.decode(text.trim()).map(Zeroizing::new).ok();
    bytes.filter(|bytes| !bytes.is_empty()).with_context(|| {
        format!("{}: no base64 text; write the client secret as Genesys shows it", path.display())
    })
}

/// What the Audio Connector works with.
pub(super) struct Around<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) reception: &'a Arc<Reception>,
    pub(super) platforms: &'a Arc<Platforms>,
    pub(super) rules: Rules,
    pub(super) sessions: &'a Arc<dyn Sessions>,
    pub(super) clock: Clock,
    pub(super) tasks: &'a TaskTracker,
    pub(super) stops: &'a Stops,
}

/// All connectors, and their addresses.
pub(super) fn audiohook(around: Around<'_>) -> anyhow::Result<(Arc<AudioHooks>, axum::Router)> {
    let Around { prepared, reception, platforms, rules, sessions, clock, tasks, stops } = around;
    let config = &prepared.config;
    let hooks = AudioHooks::new(Parts {
        entry: Arc::clone(reception) as Arc<dyn Entry>,
        platforms: Arc::clone(platforms),
        rules,
        connectors: connectors(config)?,
        sessions_max: config.audiohook.sessions_max,
        nonces: Arc::clone(sessions),
        prompts: prepared.prompts(),
        clock,
        tasks: tasks.clone(),
        draining: stops.drain.clone(),
        stop: stops.sockets.clone(),
    })?;
    let proxies = config.http.proxies.clone();
    let routes = api::audiohook::routes(api::audiohook::AudioHookParts {
        hooks: Arc::clone(&hooks),
        proxies: Arc::new(move |peer| proxies.iter().any(|proxy| proxy.contains(peer))),
    });
    Ok((hooks, routes))
}
