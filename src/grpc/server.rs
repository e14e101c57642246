//! The gRPC listener: who may connect, how much at once, and how it ends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio::time::sleep;
use tonic::transport::Server;
use tonic::transport::ServerTlsConfig;
use tonic::transport::server::Connected;
use tonic::transport::server::Router;

use crate::api::health::Readiness;
use crate::grpc::health::Health;
use crate::grpc::proto;
use crate::grpc::proto::call_events_server::CallEventsServer;
use crate::grpc::service::Parts;
use crate::grpc::service::Service;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_server::HealthServer;

/// Connections at once; the kernel's backlog holds the others.
const CONNECTIONS_MAX: usize = 1024;
/// Streams at once on one connection.
const STREAMS_MAX: u32 = 256;
/// The largest message: an event has some twenty short texts.
const MESSAGE_MAX: usize = 64 * 1024;
/// The largest question about health or about the service itself; nobody has to say who they are for those.
const NAME_MAX: usize = 4096;
/// Metadata of a request: a token is at most 8 KiB.
const METADATA_MAX: u32 = 32 * 1024;
/// A silent connection is asked whether it is still there, and how long it may take to say so.
const ASKED_AFTER: Duration = Duration::from_secs(30);
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// A connection says what it wants within this time: the preface of HTTP/2 and its settings.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);
const BEGINNING: usize = 33;
/// The listener cannot take a connection now (out of file descriptors): the pause before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have at the end to take their last answers.
const FAREWELL: Duration = Duration::from_secs(2);

/// The services could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The certificate or its key.
    #[error(
        "grpc.tls_certificate, grpc.tls_key: cannot be used; give a PEM certificate and its key ({0})"
    )]
    Tls(String),
    /// The description that was compiled in.
    #[error("the description of the gRPC service cannot be read ({0})")]
    Descriptor(String),
}

/// All services, ready to be served.
pub struct Grpc {
    router: Router,
    stop: CancellationToken,
}

impl Grpc {
    /// Puts the services together. `draining`: cancelled when no new calls are taken.
    pub fn new(
        parts: Parts,
        readiness: Arc<dyn Readiness>,
        draining: CancellationToken,
        tls: Option<ServerTlsConfig>,
    ) -> Result<Self, GrpcError> {
        let stop = parts.stop.clone();
        let health = Health { readiness, draining, stop: stop.clone() };
        let events =
            CallEventsServer::new(Service::new(parts)).max_decoding_message_size(MESSAGE_MAX);
        let described =
            |error: tonic_reflection::server::Error| GrpcError::Descriptor(error.to_string());
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut server = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .http2_max_header_list_size(METADATA_MAX)
            .http2_keepalive_interval(Some(ASKED_AFTER))
            .http2_keepalive_timeout(Some(ANSWERED_WITHIN));
        if let Some(tls) = tls {
            let tls = tls.timeout(BEGUN_WITHIN);
            server = server.tls_config(tls).map_err(|error| GrpcError::Tls(error.to_string()))?;
        }
        let router = server
            .add_service(events)
            .add_service(HealthServer::new(health).max_decoding_message_size(NAME_MAX))
            .add_service(
                reflection().build_v1().map_err(described)?.max_decoding_message_size(NAME_MAX),
            )
            .add_service(
                reflection()
                    .build_v1alpha()
                    .map_err(described)?
                    .max_decoding_message_size(NAME_MAX),
            );
        Ok(Self { router, stop })
    }

    /// Serves until the stop, then waits a little for clients to leave.
    pub async fn serve(self, listener: TcpListener) {
        let Self { router, stop } = self;
        let stopped = stop.clone();
        let serving = router.serve_with_incoming_shutdown(incoming(listener), async move {
            stopped.cancelled().await;
        });
        let patience = async {
            stop.cancelled().await;
            sleep(FAREWELL).await;
        };
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    tracing::error!(%error, "gRPC is not served any more");
                }
            }
            () = patience => tracing::debug!("gRPC clients did not leave in time"),
        }
    }
}

/// Connections, each with its place.
fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    unfold((listener, places), |(listener, places)| async move {
        let connection = loop {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((stream, _)) => break Connection::new(stream, place),
                Err(error) => {
                    tracing::warn!(%error, "gRPC connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        Some((Ok(connection), (listener, places)))
    })
}

/// One connection; one that says nothing is not kept.
struct Connection {
    stream: TcpStream,
    begins: Option<(Pin<Box<Sleep>>, usize)>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        Self { stream, begins: Some((Box::pin(sleep(BEGUN_WITHIN)), 0)), _place: place }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((patience, heard)) = &mut self.begins {
            *heard += buffer.filled().len() - before;
            if *heard >= BEGINNING {
                self.begins = None;
            } else if read.is_pending() && patience.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
