//! Real Redis servers for tests: alone, watched by Sentinels, or as a cluster, on free ports and in a
//! folder of their own. They end with the value, and with the process however that ends.
//!
//! Included by `#[path]`, so that unit tests and `tests/it` use the same.
#![allow(dead_code, reason = "each user needs another part of it")]
#![allow(clippy::allow_attributes, reason = "whether the first one is needed depends on the user")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::fs;
use std::net::TcpListener;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use redis::Connection;
use redis::FromRedisValue;
use tempfile::TempDir;

/// What the master is called by its Sentinels.
pub(crate) const MASTER: &str = "cs-master";

/// The password of servers that ask for one; as it stands in an address.
pub(crate) const PASSWORD: &str = "s%40cret";

const POLLS: usize = 600;
const POLL: Duration = Duration::from_millis(50);

/// One server.
pub(crate) struct Redis {
    folder: TempDir,
    pub(crate) port: u16,
    bus: u16,
    args: Vec<String>,
    running: Option<Child>,
    /// The root that signed its certificate, where it speaks TLS.
    pub(crate) ca: Option<String>,
}

/// What a server knows when it starts again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum With {
    Nothing,
    WhatItHad,
}

impl Redis {
    /// A server alone.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with further arguments, such as `--maxmemory 2mb`.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut server = Self::new(args);
        server.launch();
        server
    }

    /// A server that speaks TLS alone and asks for [`PASSWORD`].
    pub(crate) fn start_tls() -> Self {
        let mut server = Self::new(Vec::new());
        let authority = authority();
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|params| params.signed_by(&key, &authority))
            .expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = server.folder.path().join(name);
            fs::write(&path, text).expect("written");
            path.to_string_lossy().into_owned()
        };
        let (certificate, key) =
            (write("server.pem", &certificate.pem()), write("server.key", &key.serialize_pem()));
        server.ca = Some(authority.pem());
        server.args = ["--tls-cert-file", &certificate, "--tls-key-file", &key]
            .into_iter()
            .chain(["--tls-auth-clients", "no", "--requirepass", "s@cret"])
            .map(str::to_owned)
            .collect();
        server.launch();
        server
    }

    /// Its address for `sessions.url`.
    pub(crate) fn url(&self) -> String {
        match self.ca {
            Some(_) => format!("rediss://:{PASSWORD}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// Ends it without a warning; what it had by then is on its disk.
    pub(crate) fn stop(&mut self) {
        if self.ca.is_none() {
            self.ask::<String>(&["SAVE"]);
        }
        self.kill();
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self, with: With) {
        self.kill();
        if with == With::Nothing {
            let _ = fs::remove_file(self.folder.path().join("dump.rdb"));
        }
        self.launch();
    }

    /// Does a command.
    #[track_caller]
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    pub(crate) fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let (name, args) = command.split_first().expect("a command");
        redis::cmd(name).arg(args).query(&mut self.connection()?)
    }

    fn connection(&self) -> redis::RedisResult<Connection> {
        let client = match &self.ca {
            Some(ca) => {
                let root_cert = Some(ca.clone().into_bytes());
                let certificates = redis::TlsCertificates { client_tls: None, root_cert };
                redis::Client::build_with_tls(self.url(), certificates)?
            }
            None => redis::Client::open(self.url())?,
        };
        let connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    fn new(args: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, port: free_port(), bus: free_port(), args, running: None, ca: None }
    }

    fn launch(&mut self) {
        for _ in 0..5 {
            let port = self.port.to_string();
            let (plain, tls) = if self.ca.is_some() { ("0", &*port) } else { (&*port, "0") };
            let folder = self.folder.path().to_string_lossy().into_owned();
            let mut args = vec!["--port", plain, "--tls-port", tls, "--bind", "127.0.0.1"];
            args.extend(["--dir", &folder, "--save", "", "--daemonize", "no"]);
            args.extend(["--repl-diskless-sync-delay", "0"]);
            let bus = self.bus.to_string();
            if self.args.iter().any(|arg| arg == "--cluster-enabled") {
                args.extend(["--cluster-port", &bus]);
            }
            args.extend(self.args.iter().map(String::as_str));
            self.running = Some(run(&folder, &args));
            if self.answers() {
                return;
            }
            // Somebody else took the port in between.
            self.kill();
            (self.port, self.bus) = (free_port(), free_port());
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("redis-server does not start:\n{log}");
    }

    fn answers(&mut self) -> bool {
        for _ in 0..POLLS {
            match self.try_ask::<String>(&["PING"]) {
                Ok(_) => return true,
                // It is there, and does not know us.
                Err(error) if error.code() == Some("NOAUTH") => return true,
                Err(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                    return true;
                }
                Err(_) => {}
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if log.contains("Failed listening") || log.contains("FATAL") {
                return false;
            }
            sleep(POLL);
        }
        false
    }

    fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The shell that watches it ends it when nobody holds its input any more.
            drop(running.stdin.take());
            let _ = running.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A master, two replicas and three Sentinels.
pub(crate) struct Trio {
    pub(crate) servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Trio {
    pub(crate) fn start() -> Self {
        let master = Redis::start();
        let port = master.port.to_string();
        let mut servers = vec![master];
        for _ in 0..2 {
            servers.push(Redis::start_with(&["--replicaof", "127.0.0.1", &port]));
        }
        let attached = || servers[0].ask::<String>(&["INFO", "replication"]);
        until("two replicas are attached", || attached().matches("state=online").count() == 2);
        let sentinels = (0..3).map(|_| sentinel(&port)).collect();
        let trio = Self { servers, sentinels };
        until("the Sentinels know each other", || {
            trio.sentinels.iter().all(|sentinel| {
                let known: Vec<String> = sentinel.ask(&["SENTINEL", "MASTER", MASTER]);
                let number = |name: &str| {
                    let at = known.iter().position(|known| known == name);
                    at.and_then(|at| known.get(at + 1)).map(String::as_str)
                };
                number("num-slaves") == Some("2")
                    && number("num-other-sentinels") == Some("2")
                    && number("flags") == Some("master")
            })
        });
        trio
    }

    /// Its address for `sessions.url`.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// Which server the Sentinels take for the master.
    pub(crate) fn master(&self) -> usize {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let address: (String, String) = self.sentinels[0].ask(&command);
        let is_it = |server: &Redis| server.port.to_string() == address.1;
        self.servers.iter().position(is_it).expect("one of ours")
    }

    /// Kills the master, and waits until another one is named.
    pub(crate) fn failover(&mut self) {
        let old = self.master();
        self.servers[old].kill();
        until("another master is named", || self.master() != old);
    }
}

/// Three masters that share the slots.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        let servers: Vec<_> = (0..3).map(|_| Redis::start_with(&args)).collect();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (epoch, (server, (first, last))) in servers.iter().zip(ranges).enumerate() {
            let epoch = (epoch + 1).to_string();
            server.ask::<String>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            server.ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for server in &servers[1..] {
            let (port, bus) = (server.port.to_string(), server.bus.to_string());
            servers[0].ask::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { servers };
        until("the cluster is whole", || {
            cluster.servers.iter().all(|server| {
                let info: String = server.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        });
        cluster
    }

    /// Its address for `sessions.url`.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis://{}", hosts.join(","))
    }

    /// Moves the slot of a key, with its keys, to another master; `halfway` is called in between.
    pub(crate) fn move_slot(&self, key: &str, halfway: impl FnOnce()) {
        let slot: u16 = self.servers[0].ask(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.to_string();
        let ids: Vec<String> =
            self.servers.iter().map(|server| server.ask(&["CLUSTER", "MYID"])).collect();
        let from = self.owner(&slot);
        let to = (from + 1) % self.servers.len();
        let (old, new) = (&self.servers[from], &self.servers[to]);
        new.ask::<String>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]]);
        old.ask::<String>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]]);
        halfway();
        let port = new.port.to_string();
        loop {
            let keys: Vec<String> = old.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            old.ask::<String>(&command);
        }
        for server in [new, old].into_iter().chain(&self.servers) {
            server.ask::<String>(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]]);
        }
    }

    /// Empties all of it.
    pub(crate) fn flush(&self) {
        for server in &self.servers {
            server.ask::<String>(&["FLUSHALL"]);
        }
    }

    fn owner(&self, slot: &str) -> usize {
        let holds = |server: &Redis| {
            let counted = server.try_ask::<Vec<redis::Value>>(&["CLUSTER", "SLOTS"]);
            let slot: i64 = slot.parse().expect("a slot");
            counted.expect("slots").into_iter().any(|range| {
                let redis::Value::Array(range) = range else { return false };
                let [
                    redis::Value::Int(first),
                    redis::Value::Int(last),
                    redis::Value::Array(node),
                    ..,
                ] = range.as_slice()
                else {
                    return false;
                };
                let ours = node.get(1) == Some(&redis::Value::Int(i64::from(server.port)));
                ours && (*first..=*last).contains(&slot)
            })
        };
        self.servers.iter().position(holds).expect("the slot has an owner")
    }
}

fn sentinel(master_port: &str) -> Redis {
    let mut sentinel = Redis::new(Vec::new());
    let config = sentinel.folder.path().join("sentinel.conf");
    let text = format!(
        "sentinel monitor {MASTER} 127.0.0.1 {master_port} 2\n\
         sentinel down-after-milliseconds {MASTER} 1000\n\
         sentinel failover-timeout {MASTER} 5000\n"
    );
    fs::write(&config, text).expect("written");
    let folder = sentinel.folder.path().to_string_lossy().into_owned();
    let port = sentinel.port.to_string();
    let config = config.to_string_lossy().into_owned();
    let args = [&config, "--sentinel", "--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
    sentinel.running = Some(run(&folder, &args));
    assert!(sentinel.answers(), "a Sentinel does not start");
    sentinel
}

/// Runs a server under a shell that ends it as soon as our end of its input is closed: also when this
/// process is killed.
fn run(folder: &str, args: &[&str]) -> Child {
    let log = fs::File::create(format!("{folder}/log")).expect("a log");
    let watch = "redis-server \"$@\" & server=$!; read -r _; kill -9 $server; wait $server";
    let running = Command::new("sh")
        .args(["-c", watch, "sh"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("a shell");
    let there = Command::new("redis-server").arg("--version").output();
    assert!(there.is_ok(), "redis-server is missing: install redis-server 7, the tests need it");
    running
}

fn authority() -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    rcgen::CertifiedIssuer::self_signed(params, key).expect("an authority")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a port").port()
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..POLLS {
        if holds() {
            return;
        }
        sleep(POLL);
    }
    panic!("{what}: not within {:?}", POLL * u32::try_from(POLLS).unwrap_or(u32::MAX));
}
