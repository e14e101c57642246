//! Puts Genesys Cloud together: the routes of its data actions, and what goes on beside them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;

use crate::api::auth::Tokens;
use crate::api::elsewhere::Others;
use crate::api::genesys::ActionKey;
use crate::api::genesys::ActionParts;
use crate::api::genesys::CustomerOf;
use crate::api::intake::Intake;
use crate::app::Around;
use crate::config::Config;
use crate::files;
use crate::model::digits::SecretText;
use crate::platform::http::Platforms;
use crate::push::Doorkeeper;
use crate::push::hub::Hub;

/// The shortest secret that protects anything.
const SECRET_MIN: usize = 16;

/// What the rest of the daemon gives.
pub(super) struct Given<'a> {
    pub(super) config: &'a Config,
    pub(super) platforms: &'a Arc<Platforms>,
    pub(super) elsewhere: &'a Others,
    pub(super) tokens: &'a Arc<Tokens>,
    pub(super) hub: &'a Arc<Hub>,
}

/// The routes.
pub(super) fn routes(given: &Given<'_>, (wall, ..): Around<'_>) -> anyhow::Result<axum::Router> {
    let genesys = &given.config.genesys;
    let intake = Intake::new(Arc::clone(given.platforms), given.elsewhere.clone());
    let key = genesys.action_key_file.as_deref().map(secret).transpose();
    Ok(crate::api::genesys::routes(ActionParts {
        intake,
        tokens: Arc::clone(given.tokens) as Arc<dyn Doorkeeper>,
        key: key.context("genesys.action_key_file")?.as_ref().map(ActionKey::new),
        trunk: genesys.trunk.clone(),
        customer: customer_of(given.hub),
        clock: Arc::clone(wall),
    }))
}

/// Whom the state that desktops have of a call is about.
fn customer_of(hub: &Arc<Hub>) -> CustomerOf {
    #[derive(Deserialize)]
    struct Shown {
        customer: Option<Customer>,
    }
    #[derive(Deserialize)]
    struct Customer {
        id: String,
    }
    let hub = Arc::clone(hub);
    Arc::new(move |call| {
        let shown: Shown = serde_json::from_str(&hub.own(call)?.json).ok()?;
        shown.customer.map(|customer| customer.id)
    })
}

/// A secret of one line.
fn secret(path: &Path) -> anyhow::Result<SecretText> {
    let text = files::text(path)?;
    let text = text.trim();
    anyhow::ensure!(
        text.len() >= SECRET_MIN,
        "{}: a secret has at least {SECRET_MIN} characters",
        path.display()
    );
    Ok(SecretText::new(text.to_owned()))
}
