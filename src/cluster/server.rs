//! The answering half: nodes alone get in, and what one asked is carried out to its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use axum::http::Request;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use metrics::counter;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;
use tracing::warn;

use crate::cluster::ASK_MAX;
use crate::cluster::Host;
use crate::cluster::PATH;
use crate::cluster::TOLD_MAX;
use crate::cluster::tls::LinkTls;
use crate::cluster::wiped;
use crate::wire::relay::Ask;

/// Connections that have not shown a certificate yet.
const KNOCKING_MAX: usize = 256;
/// Connections of nodes.
const CONNECTIONS_MAX: usize = 4096;
/// Questions that are being carried out.
const ASKED_MAX: usize = 4096;
/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may idle: longer than the asking side keeps it.
const IDLE: Duration = Duration::from_mins(1);
/// How long a connection may last before it has to show its certificate again: much longer than the
/// asking side keeps it, so that none ends under a question.
const AGE_MAX: Duration = Duration::from_hours(1);
/// How long a question's body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take: longer than the longest wait for a directive.
const ASKED_WITHIN: Duration = Duration::from_secs(30);
/// How long the last question of a connection may go on.
const LAST_WITHIN: Duration = Duration::from_secs(5);
/// How long a refused connection is listened to, so that its other side can read why.
const LINGER: Duration = Duration::from_secs(1);
/// The listener cannot take a connection now (out of file descriptors): the pause before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Door {
    tls: LinkTls,
    host: Arc<dyn Host>,
    tasks: TaskTracker,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    asked: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

/// Serves other nodes until `stop`; open questions are finished by tasks of the tracker.
pub async fn serve(
    listener: TcpListener,
    tls: LinkTls,
    host: Arc<dyn Host>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let knocking = Arc::new(Semaphore::new(KNOCKING_MAX));
    let (places, asked) = (Semaphore::new(CONNECTIONS_MAX), Semaphore::new(ASKED_MAX));
    let (places, asked) = (Arc::new(places), Arc::new(asked));
    let door = Door { tls, host, tasks, stop, places, asked, refused: Arc::default() };
    loop {
        let accepted = tokio::select! {
            biased;
            () = door.stop.cancelled() => return,
            accepted = accept(&listener, &knocking) => accepted,
        };
        if let Some((stream, knocks)) = accepted {
            door.tasks.spawn(door.clone().open(stream, knocks));
        } else {
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// The next connection, once there is a place for it: the kernel's backlog holds the others.
async fn accept(
    listener: &TcpListener,
    knocking: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(knocking).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            warn!(%error, "connection of a node not accepted");
            None
        }
    }
}

impl Door {
    async fn open(self, stream: TcpStream, knocks: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "no TCP_NODELAY");
        }
        let stream = tokio::select! {
            () = self.stop.cancelled() => return,
            shaken = timeout(HANDSHAKE_WITHIN, self.handshake(stream)) => shaken,
        };
        let Ok(Some(stream)) = stream else { return };
        let Ok(_place) = Arc::clone(&self.places).try_acquire_owned() else {
            warn!("too many connections of nodes");
            return;
        };
        drop(knocks);
        self.attend(stream).await;
    }

    /// Both sides show certificates; who has none of our CA gets no further.
    async fn handshake(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let server = Arc::clone(&self.tls.current().await.server);
        let (error, mut stream) =
            match TlsAcceptor::from(server).accept(stream).into_fallible().await {
                Ok(stream) => return Some(stream),
                Err(refused) => refused,
            };
        self.say_refused(stream.peer_addr().ok(), &error);
        // Closing at once would reset the connection under the alert that says why.
        let _ = stream.shutdown().await;
        let mut rest = [0; 4096];
        let drained = async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
        let _cut = timeout(LINGER, drained).await;
        None
    }

    /// Anybody can knock: the log does not fill with it.
    fn say_refused(&self, peer: Option<SocketAddr>, error: &io::Error) {
        counter!("countersign_node_connections_refused_total").increment(1);
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            warn!(?peer, %error, refused, "a connection was refused: no node of this cluster");
        }
    }

    async fn attend(&self, stream: TlsStream<TcpStream>) {
        let answer = service_fn(|request| {
            let door = self.clone();
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), answer);
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = sleep(AGE_MAX) => {}
            ended = &mut connection => {
                if let Err(error) = ended {
                    debug!(%error, "connection of a node ended");
                }
                return;
            }
        }
        connection.as_mut().graceful_shutdown();
        let _cut = timeout(LAST_WITHIN, connection).await;
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        self.told(request).await.unwrap_or_else(|status| response(status, Body::empty()))
    }

    /// Up to 499 and with 503 nothing was done; with another error something may have been.
    async fn told(self, request: Request<Incoming>) -> Result<Response<Body>, StatusCode> {
        if request.uri().path() != PATH {
            return Err(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let body = axum::body::to_bytes(Body::new(request.into_body()), ASK_MAX);
        let body = timeout(BODY_WITHIN, body).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
        let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let (from, ask) = Ask::read(&body).map_err(|error| {
            warn!(%error, "a question of another node is not readable");
            StatusCode::BAD_REQUEST
        })?;
        drop(body);
        let asked = Arc::clone(&self.asked);
        let place = asked.try_acquire_owned().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        // On a task of its own: a node that hangs up does not leave a request half carried out.
        let carried_out = self.tasks.spawn(async move {
            let _place = place;
            timeout(ASKED_WITHIN, self.host.asked(from, ask)).await
        });
        let told = carried_out.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let told = told.map_err(|_| StatusCode::GATEWAY_TIMEOUT)?.to_json();
        if told.len() > TOLD_MAX {
            warn!(bytes = told.len(), "an answer to another node is too large");
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        Ok(response(StatusCode::OK, Body::from(wiped(told))))
    }
}

fn response(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
