//! The small Genesys Cloud of genesys.py.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use crate::harness::http;
use crate::harness::poll;

/// A Genesys Cloud of its own, ended when dropped.
pub(crate) struct GenesysCloud {
    process: Child,
    _held: Option<ChildStdin>,
    address: SocketAddr,
}

impl GenesysCloud {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/genesys.py");
        let mut command = Command::new("python3");
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3 is installed");
        let held = process.stdin.take();
        let mut line = String::new();
        let said = BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line);
        said.expect("a line");
        let port = line.trim().strip_prefix("port=").and_then(|port| port.parse().ok());
        let port: u16 = port.expect("Genesys Cloud listens");
        Self { process, _held: held, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// The settings of a daemon beside it. `folder` holds the secret.
    pub(crate) fn settings(&self, folder: &Path) -> String {
        let file = folder.join("client.secret");
        std::fs::write(&file, "the-secret-of-the-client\n").expect("written");
        let (url, file) = (format!("http://{}", self.address), file.display());
        format!(
            "[genesys]\ntrunk = \"office\"\napi_url = \"{url}\"\nlogin_url = \"{url}\"\n\
             client_id = \"countersign\"\nclient_secret_file = \"{file}\"\nqueues = [\"q-1\"]\n\
             users = [\"u-bob\"]\nagents = \"username\"\nsilence_s = 2\n"
        )
    }

    fn control(&self, what: &str, body: &Value) -> Value {
        let path = format!("/control/{what}");
        let (status, answer) = http::request(self.address, "POST", &path, None, Some(body));
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// A participant is as these fields say; whoever follows hears it.
    pub(crate) fn participant(&self, conversation: &str, participant: &Value) {
        let body = json!({ "conversation": conversation, "participant": participant });
        self.control("participant", &body);
    }

    /// Requests that are answered so, first of all.
    pub(crate) fn faults(&self, faults: &Value) {
        self.control("faults", faults);
    }

    /// Has it do something: a word of genesys.py.
    pub(crate) fn does(&self, what: &Value) {
        self.control("do", what);
    }

    /// What it has seen.
    pub(crate) fn seen(&self) -> Value {
        self.control("seen", &Value::Null)
    }

    /// Waits until it has seen this.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        poll(what, || Some(self.seen()).filter(|seen| fits(seen)))
    }

    /// Waits until the caller's participant carries this authentication.
    #[track_caller]
    pub(crate) fn wait_for_attributes(&self, conversation: &str, authentication: &str) -> Value {
        let seen = self.wait_for(authentication, |seen| {
            let caller = &seen["attributes"][conversation][0];
            caller["countersign_authentication"] == authentication
        });
        seen["attributes"][conversation][0].clone()
    }

    /// How often this was asked.
    pub(crate) fn asked(&self, request: &str) -> usize {
        let seen = self.seen();
        let requests = seen["requests"].as_array().cloned().unwrap_or_default();
        requests
            .iter()
            .filter(|asked| asked.as_str().is_some_and(|a| a.starts_with(request)))
            .count()
    }
}

impl Drop for GenesysCloud {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
