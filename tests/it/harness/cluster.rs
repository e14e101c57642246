//! Several daemons as one: one Redis, one PostgreSQL, certificates, and keys that all nodes share. What
//! the nodes need of the stores goes through gates, so that a story can take a store away.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpListener;
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

/// How long the calls of a node that drains may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// Nodes that share their calls. The first is `a`, the second `b`.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Daemon>,
    /// The way of all nodes to Redis.
    pub(crate) sessions: Gate,
    /// The way of all nodes to PostgreSQL.
    pub(crate) records: Gate,
    pub(crate) redis: Redis,
    _folder: TempDir,
}

impl Cluster {
    /// So many nodes with the default profile.
    pub(crate) fn start(nodes: usize, customers: &str) -> Self {
        Self::with(nodes, "", customers)
    }

    /// So many nodes with these settings on top of what makes them a cluster.
    pub(crate) fn with(nodes: usize, settings: &str, customers: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let redis = Redis::start();
        let sessions = Gate::to(redis.address);
        let records = Gate::to(SocketAddr::from(([127, 0, 0, 1], postgres::server().port)));
        let url = records_url(&folder, records.address.port());
        let certificates = certificates::nodes(folder.path(), nodes);
        let mut cluster =
            Self { nodes: vec![], sessions, records, redis, _folder: TempDir::new().expect("one") };
        for (nth, files) in certificates.iter().enumerate() {
            let node = cluster.settings(&folder, &url, files);
            let customers = if nth == 0 { customers } else { "customer_id\n" };
            cluster.nodes.push(Daemon::with(&format!("{node}{settings}"), customers));
        }
        cluster._folder = folder;
        cluster
    }

    fn settings(&self, folder: &TempDir, records: &str, files: &NodeFiles) -> String {
        let at = |name: &str| folder.path().join(name).display().to_string();
        format!(
            r#"{OFFICE}
            [cluster]
            listen = "127.0.0.1:0"
            certificate = "{}"
            key = "{}"
            ca = "{}"
            [sessions]
            url = "redis://{}"
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
            self.sessions.address,
            at("local.key"),
            at("pepper.key"),
            GRACE.as_secs(),
        )
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

/// A Redis of one's own, gone when dropped.
pub(crate) struct Redis {
    folder: TempDir,
    process: Child,
    pub(crate) address: SocketAddr,
    listeners: Vec<Child>,
}

impl Redis {
    fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn();
        let process = process.expect("redis-server runs: apt-get install redis-server brings it");
        let redis = Self { folder, process, address, listeners: vec![] };
        poll("Redis answers", || redis.ask(&["PING"]).starts_with("PONG").then_some(()));
        redis
    }

    /// One command, as `redis-cli` answers it.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut cli = self.cli();
        let output = cli.args(command).output().expect("redis-cli comes with redis-server");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// From here on every command that anybody sends is written down.
    pub(crate) fn listen(&mut self) {
        let log = fs::File::create(self.folder.path().join("monitor")).expect("a file");
        let listener = self.cli().arg("MONITOR").stdout(log).spawn().expect("redis-cli");
        self.listeners.push(listener);
        poll("the monitor is there", || self.heard().starts_with("OK").then_some(()));
    }

    /// What was written down.
    pub(crate) fn heard(&self) -> String {
        let bytes = fs::read(self.folder.path().join("monitor")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every key with what is under it, by what the type of the key has for it.
    pub(crate) fn everything(&self) -> String {
        let keys = self.ask(&["--scan"]);
        let show = |key: &str| {
            let content = match self.ask(&["TYPE", key]).trim() {
                "hash" => self.ask(&["HGETALL", key]),
                "set" => self.ask(&["SMEMBERS", key]),
                "zset" => self.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
                "list" => self.ask(&["LRANGE", key, "0", "-1"]),
                "stream" => self.ask(&["XRANGE", key, "-", "+"]),
                _ => self.ask(&["GET", key]),
            };
            format!("{key}\n{content}\n{}\n", self.ask(&["DUMP", key]))
        };
        keys.lines().map(show).collect()
    }

    fn cli(&self) -> Command {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        cli.stdin(Stdio::null()).stderr(Stdio::null());
        cli
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        for process in self.listeners.iter_mut().chain([&mut self.process]) {
            // One that has ended already cannot be killed, and need not.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
