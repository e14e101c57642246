//! Which servers there are, and how a connection to the right one is made.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::Client;
use redis::ConnectionAddr;
use redis::ConnectionInfo;
use redis::IntoConnectionInfo;
use redis::RedisConnectionInfo;
use redis::RedisResult;
use redis::TlsCertificates;
use redis::TlsMode;
use redis::aio::MultiplexedConnection;
use redis::aio::PubSub;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::sentinel::SentinelClientBuilder;
use redis::sentinel::SentinelServerType;

use crate::config::sessions::Host;
use crate::config::sessions::Layout;
use crate::config::sessions::Password;
use crate::config::sessions::RedisAddress;

/// A connection that many orders share.
#[derive(Clone)]
pub(super) enum Line {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The servers of an address.
pub(super) struct Target {
    address: RedisAddress,
    /// The root to trust instead of the system's, as PEM.
    ca: Option<Vec<u8>>,
    /// How long a connection, and an answer of a cluster's server, may take.
    patience: Duration,
    /// Which server of a cluster is asked next for its messages.
    turn: AtomicUsize,
}

impl Target {
    /// The target; an error says that a certificate does not read.
    pub(super) fn new(
        address: RedisAddress,
        ca: Option<Vec<u8>>,
        patience: Duration,
    ) -> RedisResult<Self> {
        let target = Self { address, ca, patience, turn: AtomicUsize::new(0) };
        match &target.address.layout {
            Layout::One(host) => target.client(host).map(drop)?,
            Layout::Sentinel { .. } => target.sentinel().map(drop)?,
            Layout::Cluster(_) => target.cluster().map(drop)?,
        }
        Ok(target)
    }

    /// A new connection for orders.
    pub(super) async fn connect(&self) -> RedisResult<Line> {
        if let Layout::Cluster(_) = self.address.layout {
            return Ok(Line::Cluster(self.cluster()?.get_async_connection().await?));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let client = self.master().await?;
        Ok(Line::One(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// A new connection for messages. In a cluster every server hears all of them.
    pub(super) async fn listen(&self) -> RedisResult<PubSub> {
        self.master().await?.get_async_pubsub().await
    }

    async fn master(&self) -> RedisResult<Client> {
        match &self.address.layout {
            Layout::One(host) => self.client(host),
            // A new one each time: it keeps no connection to a Sentinel that is gone.
            Layout::Sentinel { .. } => self.sentinel()?.async_get_client().await,
            Layout::Cluster(hosts) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed) % hosts.len().max(1);
                let first = Host { name: "localhost".to_owned(), port: 0 };
                self.client(hosts.get(turn).unwrap_or(&first))
            }
        }
    }

    fn client(&self, host: &Host) -> RedisResult<Client> {
        let info = self.info(host)?;
        match &self.ca {
            Some(_) if self.address.tls => Client::build_with_tls(info, self.certificates()),
            _ => Client::open(info),
        }
    }

    fn cluster(&self) -> RedisResult<ClusterClient> {
        let hosts = match &self.address.layout {
            Layout::Cluster(hosts) => hosts.as_slice(),
            Layout::One(host) => std::slice::from_ref(host),
            Layout::Sentinel { .. } => &[],
        };
        let nodes = hosts.iter().map(|host| self.info(host)).collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(self.patience)
            .response_timeout(self.patience)
            // A moved slot takes one or two; what takes longer is asked again by the caller.
            .retries(4)
            .min_retry_wait(10)
            .max_retry_wait(200);
        if self.address.tls {
            builder = builder.tls(TlsMode::Secure);
            if self.ca.is_some() {
                builder = builder.certs(self.certificates());
            }
        }
        builder.build()
    }

    fn sentinel(&self) -> RedisResult<SentinelClient> {
        let (sentinels, master) = match &self.address.layout {
            Layout::Sentinel { sentinels, master } => (sentinels.as_slice(), master.as_str()),
            Layout::One(_) | Layout::Cluster(_) => (&[][..], ""),
        };
        let addresses =
            sentinels.iter().map(|host| ConnectionAddr::Tcp(host.name.clone(), host.port));
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(addresses, master, kind)?
            .set_client_to_redis_db(i64::from(self.address.database));
        if let Some(user) = &self.address.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.address.password {
            builder = builder.set_client_to_redis_password(password.reveal());
        }
        builder.build()
    }

    fn info(&self, host: &Host) -> RedisResult<ConnectionInfo> {
        let (name, port) = (host.name.clone(), host.port);
        let address = if self.address.tls {
            ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(name, port)
        };
        let mut sign_in = RedisConnectionInfo::default().set_db(i64::from(self.address.database));
        if let Some(user) = &self.address.user {
            sign_in = sign_in.set_username(user);
        }
        if let Some(password) = self.address.password.as_ref().map(Password::reveal) {
            sign_in = sign_in.set_password(password);
        }
        Ok(address.into_connection_info()?.set_redis_settings(sign_in))
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }
}
