//! The daemon as its peers meet it: a process with files, sockets and signals.
#![expect(clippy::expect_used, reason = "a test may panic")]

pub(crate) mod call;
pub(crate) mod cluster;
pub(crate) mod desktop;
pub(crate) mod gate;
pub(crate) mod grpc;
pub(crate) mod http;
pub(crate) mod pcap;
pub(crate) mod platform;
pub(crate) mod sipp;

use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes longer; whoever waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a poll looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A trunk that the daemon believes, as most stories want it.
pub(crate) const OFFICE: &str = r#"
[sip.trunks.office]
addresses = ["127.0.0.1"]
trust_identity = true
"#;

/// A PIN check that costs next to nothing, for stories that import many customers.
pub(crate) const CHEAP_PINS: &str = "[pin]\nmemory_kib = 64\niterations = 1\n";

/// A daemon of its own: files in a temporary folder, free ports, killed when dropped.
pub(crate) struct Daemon {
    folder: TempDir,
    process: Option<Child>,
    pub(crate) http: SocketAddr,
    pub(crate) sip: SocketAddr,
    /// Where there is gRPC.
    pub(crate) grpc: Option<SocketAddr>,
}

impl Daemon {
    /// A daemon that believes its trunk, with cheap PIN checks and these customers.
    pub(crate) fn start(customers: &str) -> Self {
        Self::with(&format!("{OFFICE}{CHEAP_PINS}"), customers)
    }

    /// A daemon with these settings on top of free ports and files in its own folder.
    pub(crate) fn with(settings: &str, customers: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut daemon = Self { folder, process: None, http: nowhere, sip: nowhere, grpc: None };
        fs::write(daemon.path("base.toml"), daemon.base()).expect("the folder is writable");
        fs::write(daemon.path("settings.toml"), settings).expect("the folder is writable");
        daemon.import(customers);
        daemon.restart();
        daemon
    }

    fn base(&self) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        format!(
            r#"
            [http]
            listen = "127.0.0.1:0"
            [grpc]
            listen = "127.0.0.1:0"
            [sip]
            listen = ["udp:127.0.0.1:0"]
            queue_uri = "sip:queue@127.0.0.1:5070"
            [records]
            url = "sqlite://{}"
            [auth]
            local_key_file = "{}"
            [pin]
            pepper_file = "{}"
            # Stories fail on purpose, again and again: on a usual day that would be an attack.
            [limits]
            failures_per_prefix = 0
            failure_margin_percent = 0
            [shutdown]
            grace_s = 1
            "#,
            at("records.db"),
            at("local.key"),
            at("pepper.key"),
        )
    }

    /// A file in the daemon's folder.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Takes a customer file in, every row of it.
    pub(crate) fn import(&self, customers: &str) {
        let file = self.path("customers.csv");
        fs::write(&file, customers).expect("the folder is writable");
        let _ = self.run(&["customer", "import", &file.display().to_string()]);
    }

    /// Runs a command on this daemon's configuration; its results.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {} {said}", output.status);
        String::from_utf8(output.stdout).expect("results are text")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.args(arguments).arg("--config").arg(self.path("base.toml"));
        command.arg("--config").arg(self.path("settings.toml"));
        command
    }

    /// A token of the daemon's own key.
    pub(crate) fn token(&self, role: &str, sub: &str) -> String {
        self.run(&["token", "--role", role, "--sub", sub]).trim().to_owned()
    }

    /// Starts the daemon (again) and waits until it listens.
    pub(crate) fn restart(&mut self) {
        let serve = self.command(&["serve"]);
        self.starts(serve);
    }

    /// As [`Self::restart`], and a limit of its files' size is an error to it and not its end.
    pub(crate) fn restart_with_limits(&mut self) {
        let serve = self.command(&["serve"]);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(serve.get_program());
        shell.args(serve.get_args()).env_clear().env("HOME", self.folder.path());
        shell.current_dir(self.folder.path());
        self.starts(shell);
    }

    fn starts(&mut self, mut serve: Command) {
        self.kill9();
        let log = File::options().create(true).append(true).open(self.path("log"));
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.expect("a log file"));
        let mut process = serve.spawn().expect("the program runs");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        self.process = Some(process);
        let (told, telling) = mpsc::channel();
        // Reads on to the end, so that the daemon never writes into a full pipe.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(told.send(line))));
        let line = telling.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("the daemon does not listen:\n{}", self.log()));
        let address = |name: &str| {
            let listed = line.split(' ').find_map(|word| word.strip_prefix(name));
            listed.and_then(|address| address.parse().ok()).expect("an address in the line")
        };
        (self.http, self.sip) = (address("http="), address("sip=udp:"));
        self.grpc = line.contains(" grpc=").then(|| address("grpc="));
    }

    /// SIGKILL, at once.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that has ended already cannot be killed, and need not.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGTERM, and the daemon ends by itself with status 0.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("the daemon runs");
        kill_process(Pid::from_child(&process), Signal::TERM).expect("the daemon runs");
        let status = poll("the daemon ends", || process.try_wait().expect("a child of ours"));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Everything the daemon logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What `/metrics` says now.
    pub(crate) fn metrics(&self) -> String {
        http::request(self.http, "GET", "/metrics", None, None).1
    }

    /// Sends JSON with a token; status and JSON answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let (status, answer) = http::request(self.http, method, path, Some(token), body);
        (status, serde_json::from_str(&answer).unwrap_or(Value::Null))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
    }
}

/// Looks again and again until something is there.
#[track_caller]
pub(crate) fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looks = PATIENCE.as_millis() / LOOK_AGAIN.as_millis();
    for _ in 0..looks {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(LOOK_AGAIN);
    }
    panic!("waited in vain: {what}");
}

/// Where the repository's test files are.
pub(crate) fn test_file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}
