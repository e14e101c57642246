//! Verified or Not Verified, in iam-manager and in BOFE: an item is delivered when both hold the same
//! mark (B14, B16). `proto/iam-manager.openapi.yaml` is the contract of an external iam-manager.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::follow_up::ItemKind;
use crate::follow_up::Mark;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::outbox::SetUp;
use crate::outbox::Sink;
use crate::outbox::SinkError;
use crate::outbox::client;
use crate::outbox::secret;
use crate::outbox::unreachable;
use crate::outbox::verdict;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::follow_ups::Marking;
use crate::records::follow_ups::OutboxItem;
use crate::records::follow_ups::Registry;

/// An answer of an external iam-manager is no longer than this.
const ANSWER_MAX: u64 = 16 * 1024;

/// What an item of this kind says.
#[derive(Debug, Deserialize)]
struct Payload {
    call: CallId,
    customer: CustomerId,
    mark: Mark,
    at: String,
}

impl Payload {
    fn of(item: &OutboxItem) -> Result<Self, SinkError> {
        serde_json::from_value(item.payload.clone())
            .map_err(|_| SinkError::Refused("not a mark".into()))
    }
}

/// A registry of our own.
pub struct Own {
    registry: Registry,
    records: Arc<dyn Records>,
}

impl Own {
    /// This registry.
    #[must_use]
    pub fn new(registry: Registry, records: Arc<dyn Records>) -> Self {
        Self { registry, records }
    }
}

#[async_trait]
impl Sink for Own {
    fn name(&self) -> &'static str {
        match self.registry {
            Registry::Bofe => "bofe",
            Registry::IamManager => "iam_manager",
        }
    }

    fn takes(&self, kind: ItemKind) -> bool {
        kind == ItemKind::Mark
    }

    async fn deliver(&self, item: &OutboxItem, _: Timestamp) -> Result<(), SinkError> {
        let Payload { call, customer, mark, .. } = Payload::of(item)?;
        // Of two results of one call the later one holds, whenever they get here.
        let at = item.enqueued;
        match self.records.put_mark(self.registry, &call, &customer, mark, at).await {
            Ok(Marking::Stored) => Ok(()),
            Ok(Marking::Conflict(_)) => Err(SinkError::Conflict),
            // The customer was erased meanwhile: there is nobody to mark.
            Err(RecordsError::NoSuch(_)) => Ok(()),
            Err(error) => Err(SinkError::Down(error.to_string())),
        }
    }
}

/// An external iam-manager.
pub struct IamManager {
    url: Url,
    token: Option<Zeroizing<String>>,
    client: reqwest::Client,
}

impl IamManager {
    /// The service at this address.
    pub fn new(url: &str, token_file: Option<&Path>, within: Duration) -> Result<Self, SetUp> {
        let url = Url::parse(url).map_err(|_| SetUp::Address("iam.url"))?;
        if url.cannot_be_a_base() {
            return Err(SetUp::Address("iam.url"));
        }
        Ok(Self { url, token: token_file.map(secret).transpose()?, client: client(within)? })
    }

    fn address(&self, call: &CallId) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "calls", call.as_str(), "mark"]);
        }
        url
    }
}

#[async_trait]
impl Sink for IamManager {
    fn name(&self) -> &'static str {
        "iam_manager"
    }

    fn takes(&self, kind: ItemKind) -> bool {
        kind == ItemKind::Mark
    }

    async fn deliver(&self, item: &OutboxItem, _: Timestamp) -> Result<(), SinkError> {
        /// What it holds now.
        #[derive(Deserialize)]
        struct Held {
            mark: Mark,
        }
        let Payload { call, customer, mark, at } = Payload::of(item)?;
        let mut request = self
            .client
            .put(self.address(&call))
            .header("Idempotency-Key", &item.id)
            .json(&json!({ "customer": customer, "mark": mark, "at": at }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        verdict(answer.status())?;
        if answer.content_length().is_none_or(|length| length > ANSWER_MAX) {
            return Err(SinkError::Refused("an answer of unknown length".into()));
        }
        // Taken is not enough: it has to hold the same mark.
        match answer.json::<Held>().await {
            Ok(held) if held.mark == mark => Ok(()),
            Ok(_) => Err(SinkError::Conflict),
            Err(error) if error.is_decode() => {
                Err(SinkError::Refused("no mark in the answer".into()))
            }
            Err(error) => Err(unreachable(&error)),
        }
    }
}
