//! jambonz over its WebSocket, by its rules: one socket a call, acks with the message's id, a new socket
//! with `session:reconnect` where one broke.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::client::client;

use crate::harness::Daemon;
use crate::harness::PATIENCE;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::jambonz_http::SECRET;
use crate::platforms::jambonz_http::call_data;
use crate::platforms::jambonz_http::call_sid;
use crate::platforms::jambonz_http::settings;
use crate::platforms::jambonz_http::verbs;
use crate::platforms::script::Tells;
use crate::platforms::script::Verb;
use crate::platforms::script::asked;

/// How long jambonz waits before it connects again.
const BACKOFF: Duration = Duration::from_millis(500);

/// jambonz with an application on a WebSocket.
pub(crate) struct JambonzWs {
    daemon: SocketAddr,
    sessions: Mutex<HashMap<String, Arc<Mutex<Session>>>>,
    /// Every array of verbs, for the vendor's own tools to judge.
    pub(crate) record: Arc<Mutex<Vec<Value>>>,
}

/// One call's socket.
struct Session {
    daemon: SocketAddr,
    socket: WebSocket<TcpStream>,
    call: String,
    rings: Rings,
    next: u64,
    left: VecDeque<Verb>,
    open: Option<String>,
    record: Arc<Mutex<Vec<Value>>>,
}

/// Opens a socket as jambonz does; the error's status where it is refused.
pub(crate) fn connect(to: SocketAddr, password: &str) -> Result<WebSocket<TcpStream>, u16> {
    let login = STANDARD.encode(format!("jambonz:{password}"));
    let uri = format!("ws://{to}/v1/jambonz/main").parse().expect("a URI");
    let stream = TcpStream::connect(to).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let request = ClientRequestBuilder::new(uri)
        .with_header("Authorization", format!("Basic {login}"))
        .with_sub_protocol("ws.jambonz.org");
    match client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(error) => match error.to_string() {
            text if text.contains("403") => Err(403),
            text => panic!("{text}"),
        },
    }
}

impl Session {
    fn says(&mut self, kind: &str, hook: Option<&str>, data: &Value) -> String {
        self.next += 1;
        let msgid = format!("m{}", self.next);
        let mut frame =
            json!({ "type": kind, "msgid": msgid, "call_sid": self.call, "data": data });
        if let Some(hook) = hook {
            frame["hook"] = hook.into();
        }
        self.socket.send(Message::text(frame.to_string())).expect("the daemon listens");
        msgid
    }

    /// The next frame of the daemon; `None`: none in this time.
    fn hears(&mut self, within: Duration) -> Option<Value> {
        self.socket.get_ref().set_read_timeout(Some(within)).expect("a socket");
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    assert!(text.len() <= 24 * 1024, "jambonz closes at larger frames");
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    self.record.lock().expect("the record").push(frame["data"].clone());
                    return Some(frame);
                }
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Says something, and carries out what comes back for it.
    fn asks(&mut self, kind: &str, hook: Option<&str>, tells: Tells) {
        let data = call_data(&self.call, &self.rings, tells);
        let msgid = self.says(kind, hook, &data);
        loop {
            let frame = self.hears(PATIENCE).expect("an answer");
            if frame["msgid"] == msgid {
                assert_eq!(frame["type"], "ack");
                // After a break, the verbs of the answer are passed over: a command brings them.
                if tells != Tells::Failed {
                    self.does(&frame["data"]);
                }
                return;
            }
            self.told(&frame);
        }
    }

    /// A command, which replaces what is being done.
    fn told(&mut self, frame: &Value) {
        assert_eq!((&frame["type"], &frame["command"]), (&json!("command"), &json!("redirect")));
        self.does(&frame["data"]);
    }

    fn does(&mut self, data: &Value) {
        self.open = None;
        self.left = verbs(data).into();
    }

    fn notices(&mut self) -> Notices {
        if self.open.is_some() {
            self.is_silent(PATIENCE);
        }
        loop {
            match self.left.pop_front() {
                Some(Verb::Phrase(_)) => {}
                Some(Verb::Pause(time)) => sleep(time),
                Some(Verb::Goto(url)) => self.asks("verb:hook", Some(&url), Tells::GoesOn),
                Some(Verb::Route) => return Notices::Routed,
                Some(Verb::HangUp) => return Notices::HungUp,
                Some(Verb::Gather { phrases, action, timeout }) => {
                    self.open = Some(action);
                    if let Some(asked) = phrases.last().and_then(|id| asked(id)) {
                        return asked;
                    }
                    self.is_silent(timeout);
                }
                None => return Notices::HungUp,
            }
        }
    }

    /// Nobody presses a key: either the daemon says something, or the gather ends.
    fn is_silent(&mut self, timeout: Duration) {
        if let Some(frame) = self.hears(timeout) {
            self.told(&frame);
            return;
        }
        let action = self.open.take().expect("a key is waited for");
        self.asks("verb:hook", Some(&action), Tells::NoKey);
    }

    fn presses(&mut self, key: char) {
        let action = loop {
            if let Some(action) = self.open.take() {
                break action;
            }
            match self.left.pop_front() {
                Some(Verb::Gather { action, .. }) => break action,
                Some(Verb::Phrase(_)) => {}
                Some(Verb::Pause(time)) => sleep(time),
                Some(Verb::Goto(url)) => self.asks("verb:hook", Some(&url), Tells::GoesOn),
                other => panic!("nobody asks: {other:?}"),
            }
        };
        self.asks("verb:hook", Some(&action), Tells::Key(key));
    }

    fn breaks(&mut self) {
        self.socket.get_ref().shutdown(std::net::Shutdown::Both).expect("a socket");
        sleep(BACKOFF);
        self.socket = connect(self.daemon, SECRET).expect("the daemon lets us in again");
        self.asks("session:reconnect", None, Tells::Failed);
        let frame = self.hears(PATIENCE).expect("what to do now");
        self.told(&frame);
    }
}

/// A caller of such a session.
struct Phone(Arc<Mutex<Session>>);

impl Caller for Phone {
    fn name(&self) -> String {
        self.0.lock().expect("a session").call.clone()
    }

    fn notices(&mut self) -> Notices {
        self.0.lock().expect("a session").notices()
    }

    fn presses(&mut self, key: char) {
        self.0.lock().expect("a session").presses(key);
    }

    fn hangs_up(&mut self) {
        let mut session = self.0.lock().expect("a session");
        let data = call_data(&session.call, &session.rings, Tells::Ended);
        session.says("call:status", None, &data);
        // jambonz closes a call's socket once it is over; one that is gone already need not be.
        let _ = session.socket.close(None);
        while session.socket.read().is_ok() {}
    }
}

impl Platform for JambonzWs {
    fn settings() -> String {
        settings()
    }

    fn beside(daemon: &Daemon) -> Self {
        Self { daemon: daemon.http, sessions: Mutex::default(), record: Arc::default() }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let call = call_sid();
        let mut session = Session {
            daemon: self.daemon,
            socket: connect(self.daemon, SECRET).expect("the daemon lets us in"),
            call: call.clone(),
            rings: how.clone(),
            next: 0,
            left: VecDeque::new(),
            open: None,
            record: Arc::clone(&self.record),
        };
        session.asks("session:new", None, Tells::Rings);
        let session = Arc::new(Mutex::new(session));
        self.sessions.lock().expect("sessions").insert(call, Arc::clone(&session));
        Box::new(Phone(session))
    }

    fn line_breaks(&self, caller: &mut dyn Caller) {
        let session = Arc::clone(&self.sessions.lock().expect("sessions")[&caller.name()]);
        session.lock().expect("a session").breaks();
    }
}
