//! Items by HTTP POST, signed: `Countersign-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::follow_up::ItemKind;
use crate::model::ids::hex;
use crate::model::time::Timestamp;
use crate::outbox::SetUp;
use crate::outbox::Sink;
use crate::outbox::SinkError;
use crate::outbox::client;
use crate::outbox::directory::envelope;
use crate::outbox::secret;
use crate::outbox::unreachable;
use crate::outbox::verdict;
use crate::records::follow_ups::OutboxItem;

/// A service that takes items.
pub struct Webhook {
    url: Url,
    secret: Option<Zeroizing<String>>,
    client: reqwest::Client,
}

impl Webhook {
    /// A service at this address; the secret signs what it gets.
    pub fn new(url: &str, secret_file: Option<&Path>, within: Duration) -> Result<Self, SetUp> {
        let url = Url::parse(url).map_err(|_| SetUp::Address("outbox.webhook_url"))?;
        Ok(Self { url, secret: secret_file.map(secret).transpose()?, client: client(within)? })
    }
}

/// The signature of a body, as receivers compute it again.
#[must_use]
pub fn signature(secret: &str, seconds: u64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    Some(format!("t={seconds},v1={}", hex(&mac.finalize().into_bytes())))
}

#[async_trait]
impl Sink for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn takes(&self, kind: ItemKind) -> bool {
        !matches!(kind, ItemKind::Mark | ItemKind::Mail)
    }

    async fn deliver(&self, item: &OutboxItem, now: Timestamp) -> Result<(), SinkError> {
        let body = serde_json::to_vec(&envelope(item)).unwrap_or_default();
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &item.id);
        if let Some(secret) = &self.secret
            && let Some(signature) = signature(secret, now.0 / 1000, &body)
        {
            request = request.header("Countersign-Signature", signature);
        }
        let answer = request.body(body).send().await.map_err(|error| unreachable(&error))?;
        match verdict(answer.status()) {
            // A receiver that has seen the item says so in its own way; for it that is a delivery.
            Err(SinkError::Conflict) => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_time_and_body() {
        let signed = signature("0123456789abcdef", 1_795_305_600, b"{}").expect("signed");
        assert!(signed.starts_with("t=1795305600,v1=") && signed.len() == 16 + 64);
        for other in [
            signature("0123456789abcdeg", 1_795_305_600, b"{}"),
            signature("0123456789abcdef", 1_795_305_601, b"{}"),
            signature("0123456789abcdef", 1_795_305_600, b"{ }"),
        ] {
            assert_ne!(other.as_ref(), Some(&signed));
        }
    }
}
