//! The identity provider's public keys (JWKS), from a file or an address.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::AlgorithmParameters;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::jwk::KeyAlgorithm;
use jsonwebtoken::jwk::PublicKeyUse;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::push::Denied;

/// Where the keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// An address of the identity provider.
    Url(String),
    /// A file, read anew whenever a key is not known.
    File(PathBuf),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The HTTP client could not be set up.
    #[error("no HTTPS client for the identity provider's keys: {0}")]
    Client(String),
    /// The identity provider or the file does not answer.
    #[error("the identity provider's keys cannot be read: {0}")]
    Unreachable(String),
    /// What came is no key set, or over 256 KiB.
    #[error("what was read is not a JWKS of at most 256 KiB")]
    Malformed,
    /// None of the keys is RS256, ES256 or `EdDSA`.
    #[error("the JWKS holds no usable RS256, ES256 or EdDSA key")]
    Empty,
}

/// One key, pinned to the one algorithm it may be used with.
#[derive(Clone)]
struct PublicKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The key set and its renewal.
pub struct Jwks {
    source: KeySource,
    client: reqwest::Client,
    keys: RwLock<Arc<Vec<PublicKey>>>,
    /// When a fetch was last tried. Held while fetching: one fetch at a time.
    tried: Mutex<Option<Instant>>,
}

/// A set larger than this is none.
const SET_MAX: usize = 256 * 1024;
/// How often strangers' key ids may make us fetch.
const APART: Duration = Duration::from_mins(1);
/// How long the identity provider may take.
const WITHIN: Duration = Duration::from_secs(5);
/// Keys are read anew after this time, so that withdrawn ones go.
const OLD_AFTER: Duration = Duration::from_mins(15);

impl Jwks {
    /// An empty set that knows where to look.
    pub fn new(source: KeySource) -> Result<Self, KeysError> {
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| KeysError::Client(error.to_string()))?;
        Ok(Self { source, client, keys: RwLock::default(), tried: Mutex::new(None) })
    }

    /// Reads the set now. Says how many keys are usable; on failure the old ones stay.
    pub async fn refresh(&self) -> Result<usize, KeysError> {
        let mut tried = self.tried.lock().await;
        *tried = Some(Instant::now());
        self.fetch().await
    }

    /// The key for a token with this algorithm and key id.
    pub async fn key(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<DecodingKey, Denied> {
        let known = self.find(algorithm, kid);
        self.refresh_if_due(known.is_none()).await;
        match self.find(algorithm, kid) {
            Some(key) => Ok(key),
            None if self.snapshot().is_empty() => Err(Denied::Unavailable),
            None => Err(Denied::NotValid),
        }
    }

    fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<DecodingKey> {
        let keys = self.snapshot();
        let mut fitting = keys.iter().filter(|key| {
            key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
        });
        let found = fitting.next()?;
        // Without a key id there must be no choice.
        fitting.next().is_none().then(|| found.key.clone())
    }

    async fn refresh_if_due(&self, unknown: bool) {
        let Ok(mut tried) = self.tried.try_lock() else {
            // Somebody fetches already. Only who needs the answer waits for it.
            if unknown {
                drop(self.tried.lock().await);
            }
            return;
        };
        let pause = if unknown { APART } else { OLD_AFTER };
        if tried.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        *tried = Some(Instant::now());
        if let Err(error) = self.fetch().await {
            tracing::warn!(%error, "identity provider keys not renewed; the known ones stay");
        }
    }

    async fn fetch(&self) -> Result<usize, KeysError> {
        let text = match &self.source {
            KeySource::Url(url) => self.download(url).await?,
            KeySource::File(path) => tokio::fs::read(path)
                .await
                .map_err(|error| KeysError::Unreachable(error.to_string()))?,
        };
        let keys = usable_keys(&text)?;
        let usable = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(usable)
    }

    async fn download(&self, url: &str) -> Result<Vec<u8>, KeysError> {
        let unreachable =
            |error: reqwest::Error| KeysError::Unreachable(error.without_url().to_string());
        let answer = self.client.get(url).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(KeysError::Unreachable(format!(
                "HTTP status {}",
                answer.status().as_u16()
            )));
        }
        let (mut answer, mut body) = (answer, Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > SET_MAX {
                return Err(KeysError::Malformed);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn snapshot(&self) -> Arc<Vec<PublicKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn usable_keys(text: &[u8]) -> Result<Vec<PublicKey>, KeysError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    if text.len() > SET_MAX {
        return Err(KeysError::Malformed);
    }
    let set: Set = serde_json::from_slice(text).map_err(|_| KeysError::Malformed)?;
    // A provider may publish keys of other kinds beside ours; those are not for us.
    let read = |key| serde_json::from_value::<Jwk>(key).ok();
    let keys: Vec<_> =
        set.keys.into_iter().filter_map(read).filter_map(|jwk| usable(&jwk)).collect();
    if keys.is_empty() { Err(KeysError::Empty) } else { Ok(keys) }
}

/// The key with its one algorithm. Shared secrets are never taken from a published set.
fn usable(jwk: &Jwk) -> Option<PublicKey> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs =
        jwk.common.public_key_use.as_ref().is_none_or(|r#use| *r#use == PublicKeyUse::Signature);
    if !signs || jwk.common.key_algorithm.is_some_and(|stated| stated != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(PublicKey { kid: jwk.common.key_id.clone(), algorithm, key })
}
