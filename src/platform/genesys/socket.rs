//! The WebSocket to Genesys Cloud, encrypted by the system's roots; in the clear on this machine alone.

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::platform::genesys::client::Fault;

/// The largest frame that is read, in bytes: a conversation with many participants.
const FRAME_MAX: usize = 1024 * 1024;

/// A way through which bytes go.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// A connected socket.
pub type Socket = WebSocketStream<Box<dyn Wire>>;

/// Connects to the address that the platform gave.
pub async fn connect(uri: &str) -> Result<Socket, Fault> {
    let down = |what: &str| Fault::Down(what.to_owned());
    let url = Url::parse(uri).map_err(|_| down("a connectUri that is no address"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let secure = url.scheme() == "wss";
    let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let plain_here = url.scheme() == "ws" && loopback;
    if !(secure || plain_here) {
        return Err(down("a connectUri that is not encrypted"));
    }
    let port = url.port().unwrap_or(if secure { 443 } else { 80 });
    let plain = TcpStream::connect((host.as_str(), port)).await;
    let plain = plain.map_err(|_| down("no connection"))?;
    plain.set_nodelay(true).map_err(|_| down("no connection"))?;
    let wire: Box<dyn Wire> = if secure {
        let name = ServerName::try_from(host).map_err(|_| down("a host without a name"))?;
        let encrypted = connector()?.connect(name, plain).await;
        Box::new(encrypted.map_err(|_| down("no encrypted connection"))?)
    } else {
        Box::new(plain)
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    let connected = client_async_with_config(uri, wire, Some(limits)).await;
    Ok(connected.map_err(|_| down("no WebSocket"))?.0)
}

fn connector() -> Result<TlsConnector, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
