//! One organisation's REST API: a token that is renewed in time, and answers that say what to do.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

use crate::config::genesys::Cloud;
use crate::model::digits::SecretText;
use crate::platform::genesys::oauth::Tokens;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 1024 * 1024;
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// Why there is no answer. Holds nothing of what was sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// There is no such thing (any more).
    #[error("Genesys Cloud does not know it")]
    NotFound,
    /// It may not be done, or not so.
    #[error("Genesys Cloud refuses it (HTTP {0}); see to the OAuth client's roles and scopes")]
    Refused(u16),
    /// The credentials are wrong.
    #[error("the login service refuses client_id and secret (HTTP {0})")]
    Credentials(u16),
    /// Too much was asked; later.
    #[error("Genesys Cloud asks for {} s of patience", .0.as_secs())]
    Busy(Duration),
    /// No answer, or a fault over there.
    #[error("Genesys Cloud does not answer: {0}")]
    Down(String),
    /// No client can be made.
    #[error("no HTTPS client: {0}")]
    Client(String),
}

/// The API of one organisation. Cloning shares it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    api_url: String,
    tokens: Arc<Tokens>,
}

impl Client {
    /// A client with these credentials.
    pub fn new(cloud: &Cloud, secret: SecretText) -> Result<Self, Fault> {
        let http = reqwest::Client::builder()
            .timeout(cloud.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Fault::Client(error.to_string()))?;
        let tokens = Tokens::new(http.clone(), &cloud.login_url, &cloud.client_id, secret);
        Ok(Self { http, api_url: cloud.api_url.clone(), tokens: Arc::new(tokens) })
    }

    /// Whether the login service takes the credentials.
    pub async fn reach(&self) -> Result<(), Fault> {
        self.tokens.get().await.map(drop)
    }

    /// One request. A token that is refused is renewed once.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Fault> {
        let token = self.tokens.get().await?;
        let answer = self.send(&method, path, body, token.text()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return read(answer).await;
        }
        self.tokens.refused(&token).await;
        let token = self.tokens.get().await?;
        read(self.send(&method, path, body, token.text()).await?).await
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: &str,
    ) -> Result<Response, Fault> {
        let url = format!("{}{path}", self.api_url);
        let mut request = self.http.request(method.clone(), url).bearer_auth(token);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        request.send().await.map_err(|error| down(&error))
    }
}

async fn read(answer: Response) -> Result<Value, Fault> {
    let status = answer.status();
    match status.as_u16() {
        200..=299 => {}
        404 | 410 => return Err(Fault::NotFound),
        408 | 425 | 429 => return Err(Fault::Busy(patience(&answer))),
        500..=599 => return Err(Fault::Down(format!("HTTP {status}"))),
        other => return Err(Fault::Refused(other)),
    }
    let text = bounded(answer).await?;
    Ok(serde_json::from_slice(&text).unwrap_or_default())
}

/// How long the server wants to be left alone.
pub(super) fn patience(answer: &Response) -> Duration {
    let told = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = told.and_then(|text| text.trim().parse().ok()).unwrap_or(3);
    Duration::from_secs(seconds).min(RETRY_AFTER_MAX)
}

/// A body, as far as it may go.
pub(super) async fn bounded(mut answer: Response) -> Result<Vec<u8>, Fault> {
    let mut text = vec![];
    while let Some(chunk) = answer.chunk().await.map_err(|error| down(&error))? {
        if text.len() + chunk.len() > ANSWER_MAX {
            return Err(Fault::Down("an answer over 1 MiB".to_owned()));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

pub(super) fn down(error: &reqwest::Error) -> Fault {
    // Never the address: ids of conversations stand in it.
    Fault::Down(if error.is_timeout() { "timeout".into() } else { "no connection".into() })
}
