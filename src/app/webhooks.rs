//! Puts the doors of webhook platforms together: their secrets, their rules, our recordings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::api::intake::Intake;
use crate::api::webhooks::Login;
use crate::api::webhooks::WebhookParts;
use crate::app::Around;
use crate::app::prepare::Prepared;
use crate::config::Config;
use crate::config::webhooks::Proof;
use crate::config::webhooks::Webhook;
use crate::files;
use crate::platform::webhook::Connector;
use crate::platform::webhook::signed::BadKeys;
use crate::platform::webhook::signed::Keys;

/// The connectors, with their secrets read.
#[derive(Clone, Default)]
pub(super) struct Connectors {
    twilio: BTreeMap<String, Connector>,
    jambonz: BTreeMap<String, (Connector, Option<Login>)>,
}

/// Reads the secrets of all connectors, and looks up what they name.
pub(super) fn connectors(config: &Config) -> anyhow::Result<Connectors> {
    let mut found = Connectors::default();
    for (name, webhook) in &config.webhooks.twilio {
        let (connector, _) = connector(config, "twilio", name, webhook)?;
        found.twilio.insert(name.clone(), connector);
    }
    for (name, webhook) in &config.webhooks.jambonz {
        found.jambonz.insert(name.clone(), connector(config, "jambonz", name, webhook)?);
    }
    Ok(found)
}

fn connector(
    config: &Config,
    vendor: &str,
    name: &str,
    webhook: &Webhook,
) -> anyhow::Result<(Connector, Option<Login>)> {
    let section = format!("webhooks.{vendor}.{name}");
    if let Some(trunk) = &webhook.trunk {
        let known = config.sip.trunks.contains_key(trunk);
        anyhow::ensure!(known, "{section}.trunk: there is no [sip.trunks.{trunk}]");
    }
    if let Some(queue) = &webhook.queue {
        let known = config.queues.named(queue).is_some();
        anyhow::ensure!(known, "{section}.queue: there is no [queues.{queue}]");
    }
    let (key, word, keys) = match &webhook.proof {
        Proof::Twilio(path) => ("auth_token_file", "twilio", keys(path, Keys::twilio)),
        Proof::Telnyx(path) => ("public_key_file", "telnyx", keys(path, Keys::telnyx)),
        Proof::Jambonz(path) => ("secret_file", "jambonz", keys(path, Keys::jambonz)),
    };
    let keys = keys.with_context(|| format!("{section}.{key}"))?;
    let login = webhook.login.as_ref().map(|login| {
        let password = Zeroizing::new(files::text(&login.password_file)?);
        anyhow::ensure!(
            password.trim_end().len() >= 8,
            "the file holds no password of 8 characters or more"
        );
        let both = Zeroizing::new(format!("{}:{}", login.username, password.trim_end()));
        Ok::<_, anyhow::Error>(Login(Zeroizing::new(STANDARD.encode(both.as_bytes()))))
    });
    let login = login.transpose().with_context(|| format!("{section}.password_file"))?;
    let connector = Connector {
        platform: format!("{word}/{name}").parse()?,
        path: format!("/v1/{vendor}/{name}"),
        base_url: webhook.base_url.clone(),
        trunk: webhook.trunk.clone(),
        queue: webhook.queue.clone(),
        passing_on: webhook.passing_on.clone(),
        voice: webhook.voice,
        keys,
    };
    Ok((connector, login))
}

fn keys(path: &Path, read: fn(&str) -> Result<Keys, BadKeys>) -> anyhow::Result<Keys> {
    let text = Zeroizing::new(files::text(path)?);
    read(&text).with_context(|| path.display().to_string())
}

/// The routes, with the recordings that platforms fetch.
pub(super) fn webhook_routes(
    prepared: &Prepared,
    intake: Intake,
    (wall, tasks, stops): Around<'_>,
) -> axum::Router {
    let Connectors { twilio, jambonz } = prepared.webhooks.clone();
    let prompts = prepared.prompts();
    let recorded =
        prompts.iter().map(|prompt| (prompt.id().to_string(), Bytes::from(prompt.wav())));
    crate::api::webhooks::routes(WebhookParts {
        intake,
        twilio,
        jambonz,
        recordings: recorded.collect(),
        clock: Arc::clone(wall),
        tasks: tasks.clone(),
        stop: stops.sockets.clone(),
    })
}
