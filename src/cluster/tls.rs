//! The certificates of the link: read at start, and again when their files change.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;
use rustls::server::NoServerSessionStorage;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use sha2::Digest;
use sha2::Sha256;
use tracing::info;
use tracing::warn;
use zeroize::Zeroizing;

use crate::config::cluster::Cluster;
use crate::engine::clock::Clock;
use crate::model::time::Uptime;

/// Files are looked at again at a new connection, this long after they were looked at last.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// No PEM file of ours is longer.
const FILE_MAX: u64 = 1024 * 1024;

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: cannot be read; name a file this daemon may read ({source})")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM file of what it should hold.
    #[error("{path}: holds no {what}; write it as PEM")]
    Holds {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The key is not that of the certificate, or of a kind that is not known.
    #[error("{path}: is not the key of cluster.certificate; give both the same pair ({source})")]
    Pair {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: Box<rustls::Error>,
    },
    /// The CA's certificates cannot be used.
    #[error("{path}: cannot be used as a CA ({why})")]
    Ca {
        /// The CA's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Other nodes would refuse our certificate.
    #[error(
        "{path}: other nodes would refuse this certificate as a {role}'s for {host}; it has to be in its time, signed by cluster.ca, and made out for this host ({source})"
    )]
    Unacceptable {
        /// The certificate's file.
        path: PathBuf,
        /// `server` or `client`.
        role: &'static str,
        /// For whom it has to be made out.
        host: String,
        /// Why.
        source: Box<rustls::Error>,
    },
}

/// The certificates both halves of the link use. Cheap to clone; all clones follow the files.
#[derive(Clone)]
pub struct LinkTls(Arc<Shared>);

struct Shared {
    files: Files,
    clock: Clock,
    look_again: Duration,
    state: Mutex<State>,
}

struct State {
    loaded: Arc<Loaded>,
    looked: Uptime,
}

#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
    host: String,
}

/// What was made of one state of the files.
pub(super) struct Loaded {
    /// Rises with every change of the files.
    pub(super) generation: u64,
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    digest: [u8; 32],
}

impl LinkTls {
    /// Reads the files. Blocks.
    pub fn load(cluster: &Cluster) -> Result<Self, TlsError> {
        Self::watching(cluster, LOOK_AGAIN)
    }

    /// The same, looking at the files again after this time.
    pub(super) fn watching(cluster: &Cluster, look_again: Duration) -> Result<Self, TlsError> {
        let files = Files {
            certificate: cluster.certificate.clone(),
            key: cluster.key.clone(),
            ca: cluster.ca.clone(),
            host: cluster.host(),
        };
        let clock = Clock::start();
        let loaded = Arc::new(files.read()?.load(&files, 0)?);
        let state = Mutex::new(State { loaded, looked: clock.up() });
        Ok(Self(Arc::new(Shared { files, clock, look_again, state })))
    }

    /// What is to be used for a new connection. Files that cannot be used are said in the log, and what
    /// was read before goes on: a certificate and its key are seldom replaced in one instant.
    pub(super) async fn current(&self) -> Arc<Loaded> {
        let (known, due) = self.look();
        if !due {
            return known;
        }
        let (files, before) = (self.0.files.clone(), Arc::clone(&known));
        let read = tokio::task::spawn_blocking(move || files.changed(&before)).await;
        match read {
            Ok(Ok(Some(fresh))) => {
                info!(generation = fresh.generation, "the certificates of the link were replaced");
                let fresh = Arc::new(fresh);
                self.state().loaded = Arc::clone(&fresh);
                fresh
            }
            Ok(Ok(None)) => known,
            Ok(Err(error)) => {
                warn!(%error, "the new certificates of the link cannot be used; the old ones are");
                known
            }
            Err(error) => {
                warn!(%error, "the certificates of the link were not looked at");
                known
            }
        }
    }

    /// What is known, and whether whoever asks is to look again; the others go on meanwhile.
    fn look(&self) -> (Arc<Loaded>, bool) {
        let now = self.0.clock.up();
        let mut state = self.state();
        let due = now.0.saturating_sub(state.looked.0) >= self.0.look_again;
        if due {
            state.looked = now;
        }
        (Arc::clone(&state.loaded), due)
    }

    /// A panic elsewhere leaves the state whole: every change of it is complete in itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LinkTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkTls")
            .field("certificate", &self.0.files.certificate)
            .field("generation", &self.state().loaded.generation)
            .finish_non_exhaustive()
    }
}

/// The files' bytes.
struct Read {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    ca: Vec<u8>,
    digest: [u8; 32],
}

impl Files {
    fn read(&self) -> Result<Read, TlsError> {
        let certificate = bytes(&self.certificate)?;
        let key = Zeroizing::new(bytes(&self.key)?);
        let ca = bytes(&self.ca)?;
        let mut digest = Sha256::new();
        for part in [certificate.as_slice(), key.as_slice(), ca.as_slice()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize().into();
        Ok(Read { certificate, key, ca, digest })
    }

    /// What the files hold now, if that is something else than `before`.
    fn changed(&self, before: &Loaded) -> Result<Option<Loaded>, TlsError> {
        let read = self.read()?;
        if read.digest == before.digest {
            return Ok(None);
        }
        read.load(self, before.generation + 1).map(Some)
    }
}

impl Read {
    fn load(self, files: &Files, generation: u64) -> Result<Loaded, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(self.roots(files)?);
        let no_ca = |why: String| TlsError::Ca { path: files.ca.clone(), why };
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|why| no_ca(why.to_string()))?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|why| no_ca(why.to_string()))?;
        let chain = certificates(&files.certificate, &self.certificate)?;
        files.acceptable(&chain, &*clients, &*servers)?;
        let pair = |why| TlsError::Pair { path: files.key.clone(), source: Box::new(why) };
        let server = self.server(files, &provider, clients, chain.clone())?.map_err(pair)?;
        let client = self.client(files, &provider, servers, chain)?.map_err(pair)?;
        let (server, client) = (Arc::new(server), Arc::new(client));
        Ok(Loaded { generation, server, client, digest: self.digest })
    }

    fn roots(&self, files: &Files) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.ca, &self.ca)? {
            roots
                .add(certificate)
                .map_err(|why| TlsError::Ca { path: files.ca.clone(), why: why.to_string() })?;
        }
        Ok(roots)
    }

    fn key(&self, files: &Files) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::Holds { path: files.key.clone(), what: "private key" })
    }

    /// Asks every client for a certificate. Nothing is resumed: each connection shows its own anew.
    fn server(
        &self,
        files: &Files,
        provider: &Arc<CryptoProvider>,
        clients: Arc<dyn ClientCertVerifier>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Result<ServerConfig, rustls::Error>, TlsError> {
        let key = self.key(files)?;
        let built = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&TLS13])
            .and_then(|builder| {
                builder.with_client_cert_verifier(clients).with_single_cert(chain, key)
            });
        Ok(built.map(|mut config| {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }))
    }

    fn client(
        &self,
        files: &Files,
        provider: &Arc<CryptoProvider>,
        servers: Arc<WebPkiServerVerifier>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Result<ClientConfig, rustls::Error>, TlsError> {
        let key = self.key(files)?;
        let built = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&TLS13])
            .and_then(|builder| {
                builder.with_webpki_verifier(servers).with_client_auth_cert(chain, key)
            });
        Ok(built.map(|mut config| {
            config.resumption = Resumption::disabled();
            config
        }))
    }
}

impl Files {
    /// Looks at our certificate as the other nodes will: better now than when a call needs them.
    fn acceptable(
        &self,
        chain: &[CertificateDer<'_>],
        clients: &dyn ClientCertVerifier,
        servers: &dyn ServerCertVerifier,
    ) -> Result<(), TlsError> {
        let refused = |role, why: rustls::Error| {
            let (path, host) = (self.certificate.clone(), self.host.clone());
            let source = Box::new(why);
            TlsError::Unacceptable { path, role, host, source }
        };
        let Some((own, between)) = chain.split_first() else { return Ok(()) };
        let now = UnixTime::now();
        let name = ServerName::try_from(self.host.as_str()).map_err(|_| {
            refused("server", rustls::Error::General("no name for a certificate".into()))
        })?;
        servers
            .verify_server_cert(own, between, &name, &[], now)
            .map_err(|why| refused("server", why))?;
        clients.verify_client_cert(own, between, now).map_err(|why| refused("client", why))?;
        Ok(())
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > FILE_MAX {
        return Err(fail(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    fs::read(path).map_err(fail)
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::Holds { path: path.to_owned(), what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    found.ok().filter(|chain| !chain.is_empty()).ok_or_else(none)
}
