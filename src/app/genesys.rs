//! Puts Genesys Cloud together: the routes of its data actions, and what goes on beside them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use crate::api::auth::Tokens;
use crate::api::elsewhere::Others;
use crate::api::genesys::ActionKey;
use crate::api::genesys::ActionParts;
use crate::api::genesys::CustomerOf;
use crate::api::intake::Intake;
use crate::app::Around;
use crate::call::view::CallView;
use crate::config::Config;
use crate::config::genesys::Cloud;
use crate::files;
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::platform::genesys::attributes::States;
use crate::platform::genesys::attributes::Writer;
use crate::platform::genesys::client::Client;
use crate::platform::genesys::notifications::Calls as ManyCalls;
use crate::platform::genesys::notifications::Notifications;
use crate::platform::genesys::notifications::Parts;
use crate::platform::http::Platforms;
use crate::push::Doorkeeper;
use crate::push::hub::Hub;
use crate::push::hub::Watcher;
use crate::wire::events::Rejected;

/// The shortest secret that protects anything.
const SECRET_MIN: usize = 16;

/// What the rest of the daemon gives.
type Given<'a> = (&'a Arc<Platforms>, &'a Others, &'a Arc<Tokens>, &'a Arc<Hub>);

/// The routes; what goes on beside them begins.
pub(super) fn routes(
    config: &Config,
    (platforms, elsewhere, tokens, hub): Given<'_>,
    around: Around<'_>,
) -> anyhow::Result<axum::Router> {
    let genesys = &config.genesys;
    let intake = Intake::new(Arc::clone(platforms), elsewhere.clone());
    let key = action_key(config)?;
    if let Some(cloud) = &genesys.cloud {
        follow(cloud, &intake, hub, around)?;
    }
    Ok(crate::api::genesys::routes(ActionParts {
        intake,
        tokens: Arc::clone(tokens) as Arc<dyn Doorkeeper>,
        key,
        trunk: genesys.trunk.clone(),
        customer: customer_of(hub),
        clock: Arc::clone(around.0),
    }))
}

/// What data actions sign in with, where they do.
fn action_key(config: &Config) -> anyhow::Result<Option<ActionKey>> {
    let file = config.genesys.action_key_file.as_deref();
    let key = file.map(secret).transpose().context("genesys.action_key_file")?;
    Ok(key.as_ref().map(ActionKey::new))
}

/// The platform's own API with its credentials.
pub(super) fn client(cloud: &Cloud) -> anyhow::Result<Client> {
    let secret = secret(&cloud.client_secret_file).context("genesys.client_secret_file")?;
    Ok(Client::new(cloud, secret)?)
}

/// Attributes are written, and conversations followed where there are any to follow.
fn follow(
    cloud: &Cloud,
    intake: &Intake,
    hub: &Arc<Hub>,
    (wall, tasks, stops): Around<'_>,
) -> anyhow::Result<()> {
    let client = client(cloud)?;
    let states = Arc::new(States::default());
    hub.tell_states(Arc::new(Watching(Arc::clone(&states))));
    let writer = Writer::new(client.clone(), Arc::clone(&states));
    tasks.spawn(writer.run(stops.sockets.clone()));
    if cloud.users.is_empty() && cloud.queues.is_empty() {
        return Ok(());
    }
    let calls = Arc::new(AllCalls { intake: intake.clone(), hub: Arc::clone(hub) });
    let (cloud, clock) = (cloud.clone(), Arc::clone(wall));
    let following = Notifications::new(Parts { client, cloud, states, calls, clock });
    tasks.spawn(following.run(stops.sockets.clone()));
    Ok(())
}

#[derive(Debug)]
struct Watching(Arc<States>);

impl Watcher for Watching {
    fn stands(&self, call: &CallView) {
        self.0.put(call);
    }

    fn gone(&self, call: &CallId) {
        self.0.gone(call);
    }
}

/// The calls of all nodes, as events find them.
struct AllCalls {
    intake: Intake,
    hub: Arc<Hub>,
}

#[async_trait]
impl ManyCalls for AllCalls {
    fn has(&self, conversation: &str) -> bool {
        self.hub.has(conversation)
    }

    async fn publish(&self, events: Vec<Value>) -> bool {
        let answer = self.intake.publish(Value::Array(events), false).await;
        answer.is_ok_and(|answer| {
            let again = |rejected: &Rejected| rejected.code == "unavailable";
            !answer.rejected.iter().any(again)
        })
    }
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

/// Whether the key can be read and the login service lets us in, for `countersign check`; `None`: there
/// is nothing to try.
pub async fn reach(config: &Config) -> Option<anyhow::Result<()>> {
    if let Err(error) = action_key(config) {
        return Some(Err(error));
    }
    let client = client(config.genesys.cloud.as_ref()?);
    Some(match client {
        Ok(client) => client.reach().await.map_err(Into::into),
        Err(error) => Err(error),
    })
}
