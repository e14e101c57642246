//! SIPp as the caller: an independent peer with its own view of SIP.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use crate::harness::Daemon;
use crate::harness::pcap;
use crate::harness::pcap::Ends;
use crate::harness::pcap::Press;
use crate::harness::poll;
use crate::harness::test_file;

static CALLS: AtomicU32 = AtomicU32::new(1);

/// A call to be placed by a scenario of `tests/sipp`.
pub(crate) struct Sipp {
    command: Command,
    folder: TempDir,
    /// The Call-ID, which desktops know as the platform's id.
    id: String,
    keywords: BTreeMap<String, String>,
}

/// A call under way.
pub(crate) struct Placed {
    process: Child,
    folder: TempDir,
    id: String,
}

impl Sipp {
    /// A call from a number, with this scenario.
    pub(crate) fn call(daemon: &Daemon, scenario: &str, number: &str) -> Self {
        Self::from(daemon, scenario, number, Ipv4Addr::LOCALHOST)
    }

    /// The same from another address of this machine.
    pub(crate) fn from(daemon: &Daemon, scenario: &str, number: &str, address: Ipv4Addr) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let id =
            format!("{scenario}-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new("sipp");
        command
            .current_dir(folder.path())
            .arg(daemon.sip.to_string())
            .arg("-sf")
            .arg(test_file(&format!("sipp/{scenario}.xml")));
        command.args([
            "-nostdin",
            "-m",
            "1",
            "-l",
            "1",
            "-timeout",
            "60s",
            "-timeout_error",
            "-trace_err",
            "-trace_msg",
        ]);
        command.args([
            "-error_file",
            "errors",
            "-message_file",
            "messages",
            "-cid_str",
            &id,
            "-s",
            "+448000000000",
        ]);
        let (signalling, media) = free_ports(address);
        command.args([
            "-i",
            &address.to_string(),
            "-p",
            &signalling,
            "-mi",
            &address.to_string(),
            "-mp",
            &media,
        ]);
        let keywords = BTreeMap::new();
        Self { command, folder, id, keywords }
            .key("caller", number)
            .key("name", "Caller")
            .key("event_pt", "101")
    }

    /// Fills in a keyword of the scenario.
    pub(crate) fn key(mut self, name: &str, value: &str) -> Self {
        self.keywords.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The two keys pressed, in whatever way the scenario signals them.
    pub(crate) fn presses(self, first: char, second: char) -> Self {
        self.presses_as(first, second, 101, Ends::Three)
    }

    /// The two keys as telephone events with these habits.
    pub(crate) fn presses_as(
        self,
        first: char,
        second: char,
        payload_type: u8,
        ends: Ends,
    ) -> Self {
        // Some senders start their clock anew for each press; equal keys are then the very same packets.
        let second_timestamp = if first == second { 4000 } else { 20_000 };
        for (name, key, timestamp) in
            [("first.pcap", first, 4000), ("second.pcap", second, second_timestamp)]
        {
            pcap::write(
                &self.folder.path().join(name),
                Press { key, payload_type, timestamp, ends },
            );
        }
        let (first, second) = (first.to_string(), second.to_string());
        self.key("event_pt", &payload_type.to_string()).key("first", &first).key("second", &second)
    }

    /// Lets pass what comes at a moment the scenario does not foresee, such as one answer more.
    pub(crate) fn patient(mut self) -> Self {
        self.command.args(["-default_behaviors", "all,-abortunexp"]);
        self
    }

    /// Places the call.
    pub(crate) fn start(mut self) -> Placed {
        for (name, value) in &self.keywords {
            self.command.args(["-key", name, value]);
        }
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = self.command.spawn().expect("SIPp is installed (apt-get install sip-tester)");
        Placed { process, folder: self.folder, id: self.id }
    }

    /// Places the call and sees it end as the scenario says; its Call-ID.
    #[track_caller]
    pub(crate) fn run(self) -> String {
        self.start().ends()
    }
}

impl Placed {
    /// The call ended as its scenario says.
    #[track_caller]
    pub(crate) fn ends(mut self) -> String {
        let status = poll("SIPp ends", || self.process.try_wait().expect("a child of ours"));
        let said =
            |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        assert!(
            status.success(),
            "{}: {status}\n{}\n{}",
            self.id,
            said("errors"),
            said("messages")
        );
        self.id.clone()
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port for signalling, and an even one with another free behind it for media: below the range from
/// which the system hands out ports and the daemons take theirs, so that nobody comes in between.
fn free_ports(address: Ipv4Addr) -> (String, String) {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port_of = |socket: &UdpSocket| socket.local_addr().expect("bound").port();
    let signalling = UdpSocket::bind((address, 0)).expect("a free port");
    let media = poll("free media ports", || {
        let turn = std::process::id().wrapping_mul(512) + NEXT.fetch_add(8, Ordering::Relaxed);
        let port = u16::try_from(FIRST + turn % COUNT / 8 * 8).ok()?;
        let free = [port, port + 2].iter().all(|port| UdpSocket::bind((address, *port)).is_ok());
        free.then_some(port)
    });
    (port_of(&signalling).to_string(), media.to_string())
}
