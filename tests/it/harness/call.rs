//! `countersign call` as the caller: it hears which position is asked.

use std::net::SocketAddr;
use std::process::Child;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::Daemon;

/// A test call under way.
pub(crate) struct TestCall(Option<Child>);

/// Places a call to the daemon and waits for its end; the report.
#[track_caller]
pub(crate) fn place(daemon: &Daemon, arguments: &[&str]) -> Value {
    start(daemon, arguments).report()
}

/// Places a call to the daemon.
pub(crate) fn start(daemon: &Daemon, arguments: &[&str]) -> TestCall {
    start_to(daemon, daemon.sip, arguments)
}

/// Places a call with the daemon's program and settings to somebody else: a balancer, or another node.
pub(crate) fn start_to(daemon: &Daemon, to: SocketAddr, arguments: &[&str]) -> TestCall {
    let to = format!("sip:+448000000000@{to}");
    let mut command = daemon.command(&["call", "--json", "--to", &to]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    TestCall(Some(command.spawn().expect("the program runs")))
}

impl TestCall {
    /// What the caller reports at the end.
    #[track_caller]
    pub(crate) fn report(mut self) -> Value {
        let output = self.0.take().expect("under way").wait_with_output().expect("a child of ours");
        let (said, talk) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let line = said.lines().next().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|_| panic!("no report: {said}{talk}"))
    }
}

impl Drop for TestCall {
    fn drop(&mut self) {
        if let Some(mut process) = self.0.take() {
            // One that has ended already cannot be killed, and need not.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
