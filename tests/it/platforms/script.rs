//! A platform that fetches scripts by HTTP and carries them out, verb by verb, as its vendor does.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io::Read;
use std::io::Write;
use std::mem;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use crate::harness::PATIENCE;
use crate::platforms::Caller;
use crate::platforms::Notices;

/// The address that the daemon believes to have; the tests speak to its port.
pub(crate) const BASE: &str = "https://ivr.example.org";

/// One step of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    /// A phrase is played.
    Phrase(String),
    /// A key is waited for, for so long; then this URL is asked, whether one came or not.
    Gather { phrases: Vec<String>, action: String, timeout: Duration },
    /// Nothing happens for so long.
    Pause(Duration),
    /// The script goes on at this URL.
    Goto(String),
    /// The caller is passed on.
    Route,
    /// The call ends.
    HangUp,
}

/// What a URL is asked with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tells {
    /// A call came.
    Rings,
    /// A key was pressed.
    Key(char),
    /// None was.
    NoKey,
    /// The script goes on.
    GoesOn,
    /// The script could not be fetched.
    Failed,
    /// The caller hung up.
    Ended,
}

/// A vendor's way to ask.
pub(crate) trait Vendor: Send + Sync {
    /// Asks this URL; the script that comes back.
    fn asks(&self, url: &str, call: &str, tells: Tells) -> Vec<Verb>;
    /// The URL of a number or an application.
    fn first(&self) -> String;
    /// Where a script is fetched that could not be: by what was left of it, or by the fallback.
    fn fallback(&self, left: &[Verb]) -> String;
}

/// A call under way.
pub(crate) struct Line {
    vendor: Arc<dyn Vendor>,
    call: String,
    left: VecDeque<Verb>,
    /// What was left of the script before this one.
    before: Vec<Verb>,
    open: Option<(String, Duration)>,
}

/// All calls of a platform.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<String, Arc<Mutex<Line>>>>);

impl Lines {
    /// A call comes.
    pub(crate) fn begin(&self, vendor: Arc<dyn Vendor>, call: &str) -> Phone {
        let script = vendor.asks(&vendor.first(), call, Tells::Rings);
        let (call, left) = (call.to_owned(), script.into());
        let line = Arc::new(Mutex::new(Line {
            vendor,
            call: call.clone(),
            left,
            before: vec![],
            open: None,
        }));
        self.0.lock().expect("lines").insert(call.clone(), Arc::clone(&line));
        Phone { name: call, line }
    }

    /// The answer to what was asked last never arrives.
    pub(crate) fn break_one(&self, call: &str) {
        let line = Arc::clone(&self.0.lock().expect("lines")[call]);
        let mut line = line.lock().expect("a line");
        let url = line.vendor.fallback(&line.before);
        line.goes(&url, Tells::Failed);
    }
}

impl Line {
    fn goes(&mut self, url: &str, tells: Tells) {
        self.open = None;
        let script = self.vendor.asks(url, &self.call, tells).into();
        self.before = mem::replace(&mut self.left, script).into();
    }

    fn notices(&mut self) -> Notices {
        if self.open.is_some() {
            self.is_silent();
        }
        loop {
            match self.left.pop_front() {
                Some(Verb::Phrase(_)) => {}
                Some(Verb::Pause(time)) => sleep(time),
                Some(Verb::Goto(url)) => self.goes(&url, Tells::GoesOn),
                Some(Verb::Route) => return Notices::Routed,
                Some(Verb::HangUp) => return Notices::HungUp,
                Some(Verb::Gather { phrases, action, timeout }) => {
                    self.open = Some((action, timeout));
                    if let Some(asked) = phrases.last().and_then(|id| asked(id)) {
                        return asked;
                    }
                    self.is_silent();
                }
                // A script that ends ends the call.
                None => return Notices::HungUp,
            }
        }
    }

    fn is_silent(&mut self) {
        let (action, timeout) = self.open.take().expect("a key is waited for");
        sleep(timeout);
        self.goes(&action, Tells::NoKey);
    }

    fn presses(&mut self, key: char) {
        // Between two gathers nobody listens: a key waits until the next.
        let action = loop {
            match (self.open.take(), self.left.pop_front()) {
                (Some((action, _)), verb) => {
                    if let Some(verb) = verb {
                        self.left.push_front(verb);
                    }
                    break action;
                }
                (None, Some(Verb::Gather { action, .. })) => break action,
                (None, Some(Verb::Phrase(_))) => {}
                (None, Some(Verb::Pause(time))) => sleep(time),
                (None, Some(Verb::Goto(url))) => self.goes(&url, Tells::GoesOn),
                (None, other) => panic!("nobody asks: {other:?}"),
            }
        };
        self.goes(&action, Tells::Key(key));
    }
}

/// What a phrase asks for.
pub(crate) fn asked(phrase: &str) -> Option<Notices> {
    match phrase.strip_prefix("pin.position.") {
        Some(position) => Some(Notices::Position(position.parse().expect("a position"))),
        None => (phrase == "customer.number").then_some(Notices::CustomerNumber),
    }
}

/// A caller of such a platform.
pub(crate) struct Phone {
    name: String,
    line: Arc<Mutex<Line>>,
}

impl Caller for Phone {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn notices(&mut self) -> Notices {
        self.line.lock().expect("a line").notices()
    }

    fn presses(&mut self, key: char) {
        self.line.lock().expect("a line").presses(key);
    }

    fn hangs_up(&mut self) {
        let line = self.line.lock().expect("a line");
        let status = format!("{}/status", line.vendor.first());
        let _ = line.vendor.asks(&status, &line.call, Tells::Ended);
    }
}

/// The phrase of a recording's URL, which has to be there for everybody.
pub(crate) fn recorded(url: &str) -> String {
    let file = url.strip_prefix(&format!("{BASE}/v1/prompts/")).expect("a recording of ours");
    file.strip_suffix(".wav").expect("a WAV file").to_owned()
}

/// One POST; status and body.
pub(crate) fn post(
    to: SocketAddr,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let path = url.strip_prefix(BASE).unwrap_or(url);
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: ivr.example.org\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(to).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.write_all(&[head.as_bytes(), body].concat()).expect("the daemon reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the daemon answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Text as it stands in a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                b' ' => "+".to_owned(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let fields = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}
