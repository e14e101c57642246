//! Kamailio with the very file that users get, in front of the nodes that are named.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::fs::File;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A balancer of its own, gone when dropped.
pub(crate) struct Kamailio {
    folder: TempDir,
    process: Child,
    /// Where calls come in.
    pub(crate) sip: SocketAddr,
}

impl Kamailio {
    /// In front of these nodes; this machine's address 127.0.0.1 is the carrier. Returns when it has
    /// found every node alive.
    pub(crate) fn start(nodes: &[SocketAddr]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let listed: Vec<_> = nodes.iter().map(|node| format!("1 sip:{node}")).collect();
        let listed = listed.join("\n") + "\n";
        fs::write(at("nodes"), listed).expect("the folder is writable");
        fs::write(at("carriers"), "1 127.0.0.1 32 0\n").expect("the folder is writable");
        let log = File::create(at("log")).expect("the folder is writable");
        let sip = free_address();
        let mut command = Command::new("kamailio");
        // Where Debian has it, and where the path of somebody who is not root does not lead.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command.args(["-DD", "-E", "-m", "64", "-M", "8", "-Y", &at(""), "-P", &at("pid"), "-f"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/kamailio.cfg"));
        for (name, value) in [
            ("LISTEN", format!("udp:{sip}")),
            ("NODES", format!("\"{}\"", at("nodes"))),
            ("CARRIERS", format!("\"{}\"", at("carriers"))),
            ("CONTROL", format!("\"unix:{}\"", at("control"))),
            ("LOOK", "1".to_owned()),
        ] {
            command.arg("-A").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn();
        let process = process.expect("kamailio runs: apt-get install kamailio brings it");
        let balancer = Self { folder, process, sip };
        balancer.sees("every node alive", |states| {
            states.len() == nodes.len() && states.iter().all(|(_, alive)| *alive)
        });
        balancer
    }

    /// Waits until what it thinks of its nodes fits: the address of each, and whether it lives.
    #[track_caller]
    pub(crate) fn sees(&self, what: &str, fits: impl Fn(&[(String, bool)]) -> bool) {
        for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
            if fits(&self.nodes()) {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
        panic!("the balancer does not see {what}: {:?}\n{}", self.nodes(), self.log());
    }

    /// Waits until it has given this node up.
    #[track_caller]
    pub(crate) fn gives_up(&self, node: SocketAddr) {
        let uri = format!("sip:{node}");
        self.sees("that a node is gone", |states| states.contains(&(uri.clone(), false)));
    }

    fn nodes(&self) -> Vec<(String, bool)> {
        let control = format!("unix:{}", self.folder.path().join("control").display());
        let listed = Command::new("kamcmd").args(["-s", &control, "dispatcher.list"]).output();
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let (mut nodes, mut uri) = (vec![], None);
        for line in String::from_utf8_lossy(&listed).lines().map(str::trim) {
            match (line.strip_prefix("URI: "), line.strip_prefix("FLAGS: ")) {
                (Some(found), _) => uri = Some(found.to_owned()),
                // A: active, I: not; P: looked at, X: not.
                (_, Some(flags)) => nodes.extend(uri.take().map(|uri| (uri, flags == "AP"))),
                _ => {}
            }
        }
        nodes
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Asked to end, it takes its children along; killed, it would leave them behind.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..100 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that was free a moment ago, below the ports that the system hands out by itself.
fn free_address() -> SocketAddr {
    let first = 30_000 + u16::try_from(std::process::id() % 1000).expect("small") * 2;
    let free = (first..32_000)
        .chain(28_000..first)
        .find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok());
    SocketAddr::from(([127, 0, 0, 1], free.expect("a free port")))
}
