//! The access token: asked for with the client's credentials, kept, renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::model::digits::SecretText;
use crate::platform::genesys::client::Fault;
use crate::platform::genesys::client::bounded;
use crate::platform::genesys::client::down;
use crate::platform::genesys::client::patience;

/// A token is renewed so long before its end, or when a quarter of its life is left.
const EARLY: Duration = Duration::from_mins(1);

/// A token. Prints nothing.
#[derive(Clone)]
pub struct Token {
    text: Arc<SecretText>,
    renew: Instant,
}

impl Token {
    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }
}

/// Gets tokens, one request at a time for whoever asks.
pub struct Tokens {
    http: reqwest::Client,
    url: String,
    client_id: String,
    secret: SecretText,
    held: Mutex<Option<Token>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretText,
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(
        http: reqwest::Client,
        login_url: &str,
        client_id: &str,
        secret: SecretText,
    ) -> Self {
        let (url, client_id) = (format!("{login_url}/oauth/token"), client_id.to_owned());
        Self { http, url, client_id, secret, held: Mutex::default() }
    }

    /// A token that is good for a while. Who comes while one is being fetched waits for that one.
    pub async fn get(&self) -> Result<Token, Fault> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.renew) {
            return Ok(token.clone());
        }
        let token = self.fetch().await?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// This one was refused: it is not given out again.
    pub async fn refused(&self, token: &Token) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.text, &token.text)) {
            *held = None;
        }
    }

    async fn fetch(&self) -> Result<Token, Fault> {
        let asked = Instant::now();
        let request = self
            .http
            .post(&self.url)
            .basic_auth(&self.client_id, Some(self.secret.expose()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = request.send().await.map_err(|error| down(&error))?;
        match answer.status().as_u16() {
            200..=299 => {}
            429 => return Err(Fault::Busy(patience(&answer))),
            status @ 400..=499 => return Err(Fault::Credentials(status)),
            status => return Err(Fault::Down(format!("the login service says HTTP {status}"))),
        }
        let granted: Granted = serde_json::from_slice(&bounded(answer).await?)
            .map_err(|_| Fault::Down("the login service gives no token".to_owned()))?;
        let life = Duration::from_secs(granted.expires_in);
        let renew = asked + life.saturating_sub(EARLY.min(life / 4));
        Ok(Token { text: Arc::new(granted.access_token), renew })
    }
}
