//! The way requests take to an Asterisk: its WebSocket, or HTTP beside it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::digits::SecretText;
use crate::wire::ari::Answer;
use crate::wire::ari::Request;

/// How long an Asterisk may take to answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Requests on their way at once; further ones wait for their turn, within their time.
const AT_ONCE: usize = 256;
/// The largest answer that is read over HTTP.
const BODY_MAX: usize = 1024 * 1024;

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Not in time.
    #[error("Asterisk did not answer in time")]
    Late,
    /// The way to Asterisk is broken; whether it was carried out is not known.
    #[error("Asterisk is out of reach")]
    Away,
}

/// The way to one Asterisk.
pub(super) struct Link {
    http: Option<Http>,
    socket: Mutex<Socket>,
    next: AtomicU64,
    turns: Semaphore,
}

/// The connection of now, and who waits for an answer over it.
#[derive(Default)]
struct Socket {
    frames: Option<mpsc::Sender<String>>,
    generation: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// REST beside the WebSocket.
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    /// `http://host:port/ari`.
    pub(super) base: String,
    pub(super) username: String,
    pub(super) password: SecretText,
}

impl Link {
    pub(super) fn new(http: Option<Http>) -> Self {
        let (socket, next) = (Mutex::default(), AtomicU64::new(1));
        Self { http, socket, next, turns: Semaphore::new(AT_ONCE) }
    }

    /// Whether requests do not need the WebSocket.
    pub(super) const fn is_beside(&self) -> bool {
        self.http.is_some()
    }

    /// A connection is there; it takes the place of an older one. Its number comes back.
    pub(super) fn connect(&self, frames: mpsc::Sender<String>) -> u64 {
        let mut socket = self.socket();
        socket.frames = Some(frames);
        socket.generation += 1;
        socket.waiting.clear();
        socket.generation
    }

    /// A connection has gone; whether it was the newest.
    pub(super) fn disconnect(&self, generation: u64) -> bool {
        let mut socket = self.socket();
        let newest = socket.generation == generation && socket.frames.is_some();
        if newest {
            socket.frames = None;
            // Whoever waits learns it by this.
            socket.waiting.clear();
        }
        newest
    }

    /// The number of the connection of now.
    pub(super) fn generation(&self) -> Option<u64> {
        let socket = self.socket();
        socket.frames.as_ref().map(|_| socket.generation)
    }

    /// Whether this is the connection of now.
    pub(super) fn is_newest(&self, generation: u64) -> bool {
        self.generation() == Some(generation)
    }

    /// An answer came over the WebSocket. One that nobody waits for any more is too late.
    pub(super) fn answered(&self, request: u64, answer: Answer) {
        if let Some(waiting) = self.socket().waiting.remove(&request) {
            let _ = waiting.send(answer);
        }
    }

    /// Asks for something and waits for the answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let asked = async {
            let _turn = self.turns.acquire().await.map_err(|_| NoAnswer::Away)?;
            match &self.http {
                Some(http) => http.ask(request).await,
                None => self.ask_over_socket(request).await,
            }
        };
        let answer = timeout(ANSWER_WITHIN, asked).await.unwrap_or(Err(NoAnswer::Late));
        let result = match &answer {
            Ok(answer) if answer.is_good() => "done",
            Ok(_) => "refused",
            Err(NoAnswer::Late) => "late",
            Err(NoAnswer::Away) => "away",
        };
        counter!("countersign_ari_requests_total", "result" => result).increment(1);
        answer
    }

    async fn ask_over_socket(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        let frames = {
            let mut socket = self.socket();
            let frames = socket.frames.clone().ok_or(NoAnswer::Away)?;
            socket.waiting.insert(id, answered);
            frames
        };
        let _forgotten = Forget { link: self, id };
        frames.send(request.frame(id)).await.map_err(|_| NoAnswer::Away)?;
        answer.await.map_err(|_| NoAnswer::Away)
    }

    /// A panic elsewhere leaves it whole: every change of it is complete in itself.
    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not waited for any more takes its place in the table away.
struct Forget<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.socket().waiting.remove(&self.id);
    }
}

impl Http {
    /// Asks for something over HTTP.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let url = format!("{}/{}", self.base, request.target());
        let method = reqwest::Method::from_bytes(request.method.as_bytes());
        let request = self
            .client
            .request(method.map_err(|_| NoAnswer::Away)?, url)
            .basic_auth(&self.username, Some(self.password.expose()));
        // What is refused here may be taken in a moment: a caller is not given up for it.
        let mut response = request.send().await.map_err(|_| NoAnswer::Late)?;
        let mut body = vec![];
        while let Ok(Some(chunk)) = response.chunk().await {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(NoAnswer::Late);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::new(response.status().as_u16(), &String::from_utf8_lossy(&body)))
    }
}
