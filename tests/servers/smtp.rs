//! A real mail server for tests (tests/servers/smtp.py, with the library aiosmtpd), on a free port and in
//! a folder of its own. It ends with the value, and with the process however that ends.
//!
//! Included by `#[path]`, so that unit tests and `tests/it` use the same.
#![allow(dead_code, reason = "each user needs another part of it")]
#![allow(clippy::allow_attributes, reason = "whether the first one is needed depends on the user")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const POLLS: usize = 600;
const POLL: Duration = Duration::from_millis(50);

/// How it is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Over {
    /// In the clear.
    Plain,
    /// STARTTLS, and nothing before it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// The server.
pub(crate) struct MailServer {
    folder: TempDir,
    pub(crate) port: u16,
    args: Vec<String>,
    running: Option<(Child, ChildStdin)>,
}

/// A mail that it took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// As it came over the wire.
    pub(crate) raw: String,
    /// To whom it was given, whatever stands in it.
    pub(crate) to: Vec<String>,
    /// From whom.
    pub(crate) from: String,
    /// Who had signed in.
    pub(crate) user: Option<String>,
    /// Whether it came encrypted.
    pub(crate) tls: bool,
}

impl MailServer {
    /// A server in the clear, to which nobody has to sign in.
    pub(crate) fn start() -> Self {
        Self::start_with(Over::Plain, None, &[])
    }

    /// A server with a certificate and key (PEM files), and further arguments.
    pub(crate) fn start_with(
        over: Over,
        certificate: Option<(&Path, &Path)>,
        args: &[&str],
    ) -> Self {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        if let Some((certificate, key)) = certificate {
            args.extend(["--certificate".to_owned(), certificate.display().to_string()]);
            args.extend(["--key".to_owned(), key.display().to_string()]);
        }
        if over == Over::Tls {
            args.push("--tls".to_owned());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { folder, port: 0, args, running: None };
        server.start_again();
        server
    }

    /// Starts it (again), on the same port; what it has taken it keeps.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        let libraries = libraries();
        for _ in 0..20 {
            let mut command = Command::new("python3");
            command.arg(tests().join("servers/smtp.py")).env("PYTHONPATH", &libraries);
            command.arg("--folder").arg(self.folder.path());
            command.arg("--port").arg(self.port.to_string()).args(&self.args);
            let log = fs::File::create(self.folder.path().join("log")).expect("a log file");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
            let mut child = command.spawn().expect("python3 is installed");
            let held = child.stdin.take().expect("a pipe");
            let mut line = String::new();
            let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
            let _ = said.read_line(&mut line);
            self.running = Some((child, held));
            if let Some(port) = line.trim().strip_prefix("port=") {
                self.port = port.parse().expect("a port");
                return;
            }
            // The port is not free again yet.
            self.stop();
            sleep(POLL);
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("the mail server does not start:\n{log}");
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        if let Some((mut child, held)) = self.running.take() {
            drop(held);
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How it is to behave from now on: words of smtp.py, one a line; "" for well.
    pub(crate) fn behave(&self, how: &str) {
        let file = self.folder.path().join("behaviour");
        fs::write(file.with_extension("new"), how).expect("written");
        fs::rename(file.with_extension("new"), file).expect("written");
    }

    /// Its address for `outbox.smtp_url`, in the clear.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Everything it took so far, the oldest first.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }

    /// Waits until it has taken so many.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Taken> {
        for _ in 0..POLLS {
            let taken = self.taken();
            if taken.len() >= count {
                return taken;
            }
            sleep(POLL);
        }
        panic!("no {count} mails came, but {:?}", self.taken());
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Taken {
    /// A header, unfolded, as it stands in the mail.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");

        head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// Its parts as a reader sees them, one after the other.
    pub(crate) fn text(&self) -> String {
        let quoted = "Content-Transfer-Encoding: quoted-printable";
        let shown = |part: &str| {
            if part.contains(quoted) { unquoted(part) } else { part.to_owned() }
        };
        self.raw.split("\r\n--").map(shown).collect()
    }

    /// What stands behind `#WORD=` in it.
    #[track_caller]
    pub(crate) fn token(&self, word: &str) -> String {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("#{word}=")).expect("a link in the mail");
        rest.chars().take_while(char::is_ascii_alphanumeric).collect()
    }
}

/// Undoes quoted-printable (RFC 2045 §6.7).
fn unquoted(part: &str) -> String {
    let whole = part.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(whole.len());
    let mut rest = whole.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'=' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(path: &Path) -> Taken {
    let about = fs::read(path).expect("readable");
    let about: Value = serde_json::from_slice(&about).expect("JSON");
    let words = |value: &Value| value.as_str().map(str::to_owned);
    let raw = fs::read(path.with_extension("eml")).expect("readable");
    Taken {
        raw: String::from_utf8_lossy(&raw).into_owned(),
        to: about["to"].as_array().into_iter().flatten().filter_map(words).collect(),
        from: words(&about["from"]).unwrap_or_default(),
        user: words(&about["user"]),
        tls: about["tls"] == true,
    }
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Where `tests/run` puts the library.
fn libraries() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python");
    assert!(
        folder.join("aiosmtpd").is_dir(),
        "the mail server of the tests is not installed: run tests/run, or python3 -m pip install --require-hashes --target target/python -r tests/servers/requirements.txt"
    );
    folder
}
