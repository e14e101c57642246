//! Inbound mode: we connect to the ARI of each configured Asterisk, and again whenever that breaks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::config::asterisk::AriUrl;
use crate::config::asterisk::Asterisk as Settings;
use crate::model::digits::SecretText;
use crate::platform::asterisk::Asterisks;
use crate::platform::asterisk::link::ANSWER_WITHIN;
use crate::platform::asterisk::link::Http;
use crate::platform::asterisk::server::Server;
use crate::platform::asterisk::socket::Ended;
use crate::platform::asterisk::socket::attend;
use crate::platform::asterisk::socket::limits;
use crate::wire::ari::Request;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The pauses before the next try: short at first, because a caller waits.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// The pause after another client took the application: two must not take it from one another in turn.
const REPLACED: Duration = Duration::from_secs(30);

/// An Asterisk cannot be dialled.
#[derive(Debug, thiserror::Error)]
pub enum NotReached {
    /// No connection.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Nothing in time.
    #[error("it does not answer in time")]
    Late,
    /// The user is not known there, or the password is another.
    #[error("it does not know asterisk.username with this password; compare with ari.conf")]
    Unauthenticated,
    /// No ARI behind the address.
    #[error("it answers {0}; is ARI enabled in ari.conf and http.conf, and is the path right?")]
    Status(u16),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl Asterisks {
    /// Connects to every configured Asterisk, and stays connected.
    pub fn dial(
        self: &Arc<Self>,
        servers: &[AriUrl],
        ca_file: Option<&Path>,
    ) -> Result<(), NotReached> {
        let shared = &self.shared;
        for url in servers {
            let tls = Arc::new(tls(ca_file)?);
            let http = http(url, &shared.settings, &shared.password, &tls)?;
            let (name, app) = (url.authority(), shared.settings.app.clone());
            let new = || Arc::new(Server::new(name.clone(), app, Arc::clone(shared), Some(http)));
            let Some(server) = self.server(&name, new) else {
                return Err(NotReached::Other("too many Asterisks are configured".to_owned()));
            };
            shared.tasks.spawn(keep(server, url.clone(), tls));
        }
        Ok(())
    }
}

/// Whether an Asterisk takes our user: connects once, and lets go.
pub async fn reach(
    url: &AriUrl,
    settings: &Settings,
    password: &SecretText,
    ca_file: Option<&Path>,
) -> Result<(), NotReached> {
    let http = http(url, settings, password, &tls(ca_file)?)?;
    let asked = http.ask(&Request::new("GET", &["asterisk", "info"])).await;
    match asked.map_err(|_| NotReached::Late)?.status {
        200..=299 => Ok(()),
        401 | 403 => Err(NotReached::Unauthenticated),
        status => Err(NotReached::Status(status)),
    }
}

/// Connects, attends, and connects again.
async fn keep(server: Arc<Server>, url: AriUrl, tls: Arc<ClientConfig>) {
    let stop = server.shared.stop.clone();
    let mut chosen = server.shared.chosen.clone();
    let mut tries = 0;
    loop {
        if !*chosen.borrow_and_update() {
            server.stands_by();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // Nobody chooses any more: the node stops.
                changed = chosen.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let connected = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            connected = timeout(CONNECT_WITHIN, connect(&server, &url, &tls)) => connected,
        };
        let pause = match connected.unwrap_or(Err(NotReached::Late)) {
            Ok(ws) => {
                tries = 0;
                match attend(ws, Arc::clone(&server), stop.clone()).await {
                    Ended::Stopped => return,
                    Ended::Replaced => REPLACED,
                    Ended::Gone => PAUSES.first().copied().unwrap_or_default(),
                }
            }
            Err(error) => {
                server.unreachable(&error.to_string());
                tries += 1;
                PAUSES.get(tries).or(PAUSES.last()).copied().unwrap_or_default()
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// Plain or encrypted.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(
    server: &Server,
    url: &AriUrl,
    tls: &Arc<ClientConfig>,
) -> Result<WebSocketStream<Box<dyn Stream>>, NotReached> {
    let stream = TcpStream::connect(url.authority()).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = if url.tls {
        let host = url.host.trim_matches(['[', ']']).to_owned();
        let host =
            ServerName::try_from(host).map_err(|error| NotReached::Other(error.to_string()))?;
        Box::new(TlsConnector::from(Arc::clone(tls)).connect(host, stream).await?)
    } else {
        Box::new(stream)
    };
    let settings = &server.shared.settings;
    let uri = format!(
        "ws://{}{}/events?app={}&subscribeAll=false",
        url.authority(),
        url.path,
        settings.app
    );
    let uri = uri.parse().map_err(|_| NotReached::Other("no address".to_owned()))?;
    let basic = format!("{}:{}", settings.username, server.shared.password.expose());
    let basic = format!("Basic {}", STANDARD.encode(basic));
    let request = ClientRequestBuilder::new(uri).with_header("Authorization", basic);
    match client_async_with_config(request, stream, Some(limits())).await {
        Ok((ws, _)) => Ok(ws),
        Err(WsError::Http(answer)) => Err(match answer.status().as_u16() {
            401 | 403 => NotReached::Unauthenticated,
            status => NotReached::Status(status),
        }),
        Err(WsError::Io(error)) => Err(error.into()),
        Err(_) => Err(NotReached::Other("it does not speak WebSocket".to_owned())),
    }
}

fn http(
    url: &AriUrl,
    settings: &Settings,
    password: &SecretText,
    tls: &ClientConfig,
) -> Result<Http, NotReached> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_backend_preconfigured(tls.clone())
        .build()
        .map_err(|error| NotReached::Other(error.to_string()))?;
    let scheme = if url.tls { "https" } else { "http" };
    Ok(Http {
        client,
        base: format!("{scheme}://{}{}", url.authority(), url.path),
        username: settings.username.clone(),
        password: password.clone(),
    })
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, NotReached> {
    let other = |why: &dyn std::fmt::Display| NotReached::Other(format!("asterisk.ca_file: {why}"));
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| other(&error))? {
                let certificate = certificate.map_err(|error| other(&error))?;
                roots.add(certificate).map_err(|error| other(&error))?;
            }
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| other(&error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
