//! Carries to a call's owner what came to another node, and answers for this node's calls.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::api::elsewhere::Elsewhere;
use crate::api::elsewhere::Place;
use crate::api::elsewhere::answer;
use crate::api::error::ApiError;
use crate::app::nodes::Nodes;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::cluster::Host;
use crate::cluster::Link;
use crate::cluster::LinkError;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::push::Desk;
use crate::push::hub::Own;
use crate::sessions::shared::Index;
use crate::sessions::shared::PlatformKey;
use crate::wire::events::Answer;
use crate::wire::events::Batch;
use crate::wire::relay::Ask;
use crate::wire::relay::Rest;
use crate::wire::relay::RestTold;
use crate::wire::relay::Sight;
use crate::wire::relay::Told;

/// Nobody waits longer for the store on a call's way (P5).
const STORE_WITHIN: Duration = Duration::from_millis(100);
/// A desktop's request may take so long at the owner; a little more than the call's own limit.
const REQUEST_WITHIN: Duration = Duration::from_secs(9);
/// Events wait for their calls to settle.
const EVENTS_WITHIN: Duration = Duration::from_secs(7);

impl Nodes {
    /// Asks a node directly. One without a lease is gone: its calls are about to be taken over.
    pub(super) async fn ask(
        &self,
        node: &NodeId,
        ask: Ask,
        wait: Duration,
    ) -> Result<Told, LinkError> {
        self.knows(node).await;
        let address = self.directory().address(node);
        let address = address.ok_or(LinkError::NotSent("it holds no lease"))?;
        let link = self.link.as_ref().ok_or(LinkError::NotSent("[cluster] is not configured"))?;
        link.ask(&address, ask, wait).await
    }

    /// Has a desktop's request carried out by the call's owner.
    pub(in crate::app) async fn request(
        &self,
        asker: Asker,
        named: &str,
        request: Request,
    ) -> Result<(), Refusal> {
        let found =
            self.directory().find(named).map(|(id, other)| (id.clone(), other.owner.clone()));
        let (call, owner) = found.ok_or(Refusal::NoSuchCall)?;
        let ask = Ask::Request { call, asker, request };
        match self.ask(&owner, ask, REQUEST_WITHIN).await {
            Ok(Told::Done(outcome)) => outcome,
            Ok(_) | Err(_) => Err(Refusal::Unavailable),
        }
    }

    async fn ask_rest(
        &self,
        named: &str,
        rest: Rest,
        wait: Duration,
    ) -> Option<Result<RestTold, LinkError>> {
        let owner = self.directory().find(named).map(|(_, other)| other.owner.clone())?;
        Some(match self.ask(&owner, Ask::Rest(rest), wait + Link::WAIT).await {
            Ok(Told::Rest(told)) => Ok(told),
            Ok(_) => Err(LinkError::NoAnswer("it answered something else")),
            Err(error) => Err(error),
        })
    }

    /// Asks the others to take this node's calls over, and lets go of those that were taken.
    pub(in crate::app) async fn hand_off(&self, calls: Vec<CallId>) -> Vec<CallId> {
        self.tell_everything().await;
        let others = self.directory().others(&self.own.id);
        let (mut left, mut taken) = (calls, vec![]);
        for node in others {
            if left.is_empty() {
                break;
            }
            let ask = Ask::Take(left.clone());
            if let Ok(Told::Taken(theirs)) = self.ask(&node, ask, REQUEST_WITHIN).await {
                left.retain(|call| !theirs.contains(call));
                taken.extend(theirs);
            }
        }
        taken
    }

    /// Whether another node could go on with this node's calls.
    pub(in crate::app) fn has_others(&self) -> bool {
        self.link.is_some() && !self.directory().others(&self.own.id).is_empty()
    }

    /// Gives the lease back.
    pub(in crate::app) async fn leave(&self) {
        self.forget_router();
        // A store that does not answer forgets the lease by itself.
        let _ = timeout(Link::WAIT, self.store.leave(&self.own.id)).await;
    }
}

#[async_trait]
impl Host for Nodes {
    async fn asked(&self, from: NodeId, ask: Ask) -> Told {
        let (Some(reception), Some(platforms)) = (self.reception(), self.platforms()) else {
            return Told::NotHere;
        };
        match ask {
            Ask::Request { call, asker, request } => {
                if reception.calls.find(call.as_str()).is_none() {
                    return Told::NotHere;
                }
                Told::Done(reception.request(asker, call.as_str(), request).await)
            }
            Ask::Events(events) => {
                let Ok(Batch::Many(events)) = Batch::read(Value::Array(events)) else {
                    return Told::NotHere;
                };
                Told::Events(platforms.publish(events).await)
            }
            Ask::Sight(call) if reception.calls.find(call.as_str()).is_none() => Told::NotHere,
            Ask::Sight(call) => {
                let own = self.hub.own(&call);
                Told::Sight(own.map(|Own { version, json }| Sight { version, json }))
            }
            Ask::Rest(rest) => match self.router() {
                Some(router) => answer(router, rest).await.map_or(Told::NotHere, Told::Rest),
                None => Told::NotHere,
            },
            Ask::Take(calls) => match self.this() {
                Some(nodes) => Told::Taken(nodes.adopt_all(&from, calls).await),
                None => Told::NotHere,
            },
        }
    }
}

#[async_trait]
impl Elsewhere for Nodes {
    async fn place(&self, key: &PlatformKey, begins: bool) -> Place {
        if self.platforms().is_some_and(|platforms| platforms.has(&key.call, &key.platform)) {
            return Place::Here;
        }
        let known = self.directory().find(key.call.as_str()).map(|(_, other)| other.owner.clone());
        if let Some(owner) = known {
            return self.placed(owner).await;
        }
        let owner = if begins {
            let claimed = timeout(STORE_WITHIN, self.store.claim(key, &self.own.id)).await;
            match claimed.ok().and_then(Result::ok) {
                // Whoever claimed it and died before anybody heard of the call has left nothing.
                Some(owner) if owner != self.own.id && !self.knows(&owner).await => {
                    timeout(STORE_WITHIN, self.owner_of(key)).await.ok().flatten()
                }
                owner => owner,
            }
        } else {
            let asked = timeout(STORE_WITHIN, self.owner_of(key)).await;
            asked.ok().flatten()
        };
        // Without the store every node serves whom it meets: nobody is turned away (P5).
        match owner {
            Some(owner) => self.placed(owner).await,
            None => Place::Here,
        }
    }

    async fn forward(&self, node: &NodeId, events: Vec<Value>) -> Option<Answer> {
        match self.ask(node, Ask::Events(events), EVENTS_WITHIN).await {
            Ok(Told::Events(answer)) => Some(answer),
            Ok(_) | Err(_) => None,
        }
    }

    async fn rest(&self, named: &str, rest: Rest, wait: Duration) -> Option<Response> {
        let told = match self.ask_rest(named, rest, wait).await? {
            Ok(told) => told,
            Err(error) => {
                let message = format!(
                    "the node that has this call does not answer ({error}); try again in a few seconds"
                );
                return Some(ApiError::unavailable(message).into_response());
            }
        };
        let mut response = Response::builder().status(told.status);
        if let Some(kind) = told.content_type {
            response = response.header(header::CONTENT_TYPE, kind);
        }
        response.body(Body::from(told.body)).ok()
    }
}

impl Nodes {
    async fn owner_of(&self, key: &PlatformKey) -> Option<NodeId> {
        let calls = self.store.find(&Index::Platform(key.clone())).await.ok()?;
        let call = self.store.call(calls.first()?).await.ok()??;
        Some(call.owner)
    }

    /// Whether a node holds its lease. One that came since the last turn is asked for at once.
    async fn knows(&self, node: &NodeId) -> bool {
        if !self.directory().lives(node)
            && let Ok(Ok(living)) = timeout(STORE_WITHIN, self.store.renew(&self.own)).await
        {
            self.directory().living(&living);
        }
        self.directory().lives(node)
    }

    async fn placed(&self, owner: NodeId) -> Place {
        if owner == self.own.id {
            Place::Here
        } else if self.knows(&owner).await {
            Place::At(owner)
        } else {
            Place::Nowhere
        }
    }
}
