//! Several daemons as one: one Redis, one PostgreSQL, certificates, and keys that all nodes share. What
//! the nodes need of the stores goes through gates, so that a story can take a store away.

use std::fs;
use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates;
use crate::certificates::NodeFiles;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::gate::Gate;
use crate::harness::http;
use crate::harness::poll;
use crate::postgres;
use crate::redis_server::Redis;

/// How long the calls of a node that drains may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Nodes that share their calls. The first is `a`, the second `b`.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Daemon>,
    /// The way of all nodes to Redis.
    pub(crate) sessions: Gate,
    /// The way of all nodes to PostgreSQL.
    pub(crate) records: Gate,
    pub(crate) redis: Redis,
    _folder: Option<TempDir>,
}

impl Cluster {
    /// So many nodes with the default profile.
    pub(crate) fn start(nodes: usize, customers: &str) -> Self {
        Self::with(nodes, "", customers)
    }

    /// So many nodes with these settings on top of what makes them a cluster.
    pub(crate) fn with(nodes: usize, settings: &str, customers: &str) -> Self {
        Self::over(None, nodes, settings, customers)
    }

    /// The same over another Redis than the plain one behind the gate.
    pub(crate) fn over(
        sessions_url: Option<&str>,
        nodes: usize,
        settings: &str,
        customers: &str,
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let redis = Redis::start();
        let sessions = Gate::to(SocketAddr::from(([127, 0, 0, 1], redis.port)));
        let records = Gate::to(SocketAddr::from(([127, 0, 0, 1], postgres::server().port)));
        let url = records_url(&folder, records.address.port());
        let certificates = certificates::nodes(folder.path(), nodes);
        let mut cluster = Self { nodes: vec![], sessions, records, redis, _folder: None };
        for (nth, files) in certificates.iter().enumerate() {
            let gate = format!("redis://{}", cluster.sessions.address);
            let node = settings_of(&folder, sessions_url.unwrap_or(&gate), &url, files);
            let customers = if nth == 0 { customers } else { "customer_id\n" };
            cluster.nodes.push(Daemon::with(&format!("{node}{settings}"), customers));
        }
        Self { _folder: Some(folder), ..cluster }
    }

    pub(crate) fn a(&self) -> &Daemon {
        &self.nodes[0]
    }

    pub(crate) fn b(&self) -> &Daemon {
        &self.nodes[1]
    }

    /// SIGKILL for the first node.
    pub(crate) fn kill_a(&mut self) {
        self.nodes[0].kill9();
    }

    /// SIGTERM for the first node, which then ends by itself.
    pub(crate) fn drain_a(&mut self) {
        self.nodes[0].stop();
    }

    /// What the records say of an account: `standing`, `failed_calls` …
    pub(crate) fn account(&self, customer: &str) -> Value {
        let shown = self.b().run(&["customer", "show", customer, "--json"]);
        serde_json::from_str(&shown).expect("results are JSON")
    }
}

/// What makes a daemon a node.
fn settings_of(folder: &TempDir, sessions: &str, records: &str, files: &NodeFiles) -> String {
    let at = |name: &str| folder.path().join(name).display().to_string();
    format!(
        r#"{OFFICE}
            [cluster]
            listen = "127.0.0.1:0"
            certificate = "{}"
            key = "{}"
            ca = "{}"
            [sessions]
            url = "{sessions}"
            [records]
            url = "{records}"
            [auth]
            local_key_file = "{}"
            [pin]
            pepper_file = "{}"
            memory_kib = 64
            iterations = 1
            [shutdown]
            grace_s = {}
            "#,
        files.certificate.display(),
        files.key.display(),
        files.ca.display(),
        at("local.key"),
        at("pepper.key"),
        GRACE.as_secs(),
    )
}

/// The records of one cluster alone: a schema of the server that all stories share.
fn records_url(folder: &TempDir, gate: u16) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let url = runtime.block_on(postgres::schema(&postgres::name_for(folder.path())));
    let direct = format!("@127.0.0.1:{}/", postgres::server().port);
    url.replace(&direct, &format!("@127.0.0.1:{gate}/"))
}

/// What `/readyz` says: the status, and the check of this name.
pub(crate) fn ready(node: &Daemon, check: &str) -> (u16, Value) {
    let (status, body) = http::request(node.http, "GET", "/readyz", None, None);
    let said: Value = serde_json::from_str(&body).unwrap_or_default();
    let mut checks = said["checks"].as_array().into_iter().flatten();
    (status, checks.find(|line| line["name"] == check).cloned().unwrap_or_default())
}

/// Every command that a Redis hears, written down.
pub(crate) struct Monitor {
    folder: TempDir,
    listener: Child,
}

impl Monitor {
    /// Listens from here on.
    pub(crate) fn of(redis: &Redis) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let mut listener = Command::new("redis-cli");
        listener.args(["-p", &redis.port.to_string(), "MONITOR"]).stdin(Stdio::null());
        let listener = listener.stdout(log).spawn().expect("redis-cli comes with redis-server");
        let monitor = Self { folder, listener };
        poll("the monitor is there", || monitor.heard().starts_with("OK").then_some(()));
        monitor
    }

    /// What was written down.
    pub(crate) fn heard(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not.
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

/// Every key of a Redis with what is under it: as Redis packs it, and in the plain.
pub(crate) fn everything_in(redis: &Redis) -> Vec<u8> {
    let mut all = vec![];
    for key in redis.ask::<Vec<String>>(&["KEYS", "*"]) {
        let plain: &[&str] = match redis.ask::<String>(&["TYPE", &key]).as_str() {
            "hash" => &["HGETALL", &key],
            "set" => &["SMEMBERS", &key],
            "zset" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
            "list" => &["LRANGE", &key, "0", "-1"],
            _ => &["GET", &key],
        };
        let plain: redis::Value = redis.ask(plain);
        let packed: Option<Vec<u8>> = redis.ask(&["DUMP", &key]);
        all.extend(format!("{key}\n{}\n", texts(&plain)).into_bytes());
        all.extend(packed.unwrap_or_default());
    }
    all
}

fn texts(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Array(values) => values.iter().map(texts).collect::<Vec<_>>().join("\n"),
        other => format!("{other:?}"),
    }
}
