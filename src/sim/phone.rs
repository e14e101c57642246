//! The telephone without sockets: datagrams and time in, datagrams out (RFC 3261, the calling side).
//!
//! ```text
//!  Calling --2xx--> Talking --BYE (theirs)---------------------> Over
//!     |  |             `-----BYE (ours)--> Leaving --answered--> Over
//!     |  '--CANCEL--> (still Calling) --487------------------------^
//!     '-----3xx to 6xx, no answer----------------------------------'
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::session::DATAGRAM_LEN;
use crate::rtp::session;
use crate::sim::answering::Served;
use crate::sim::answering::Transfer;
use crate::sim::dialog::Dialog;
use crate::sim::fingers::Fingers;
use crate::sim::plan::CALL_MAX;
use crate::sim::plan::CallPlan;
use crate::sim::plan::FromLine;
use crate::sim::plan::KeyWay;
use crate::sim::report::CallReport;
use crate::sim::report::HeardPrompt;
use crate::sim::report::Outcome;
use crate::sim::report::bare;
use crate::sim::voice::Beginning;
use crate::sim::voice::Ears;
use crate::sim::voice::Voice;
use crate::sip::message::Headers;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::message::parse;
use crate::sip::sdp::MediaOffer;
use crate::sip::transaction;
use crate::sip::transaction::Client;
use crate::sip::transaction::Heard;
use crate::sip::transaction::LIFE;
use crate::sip::transaction::Repeat;
use crate::sip::transaction::Tick;
use crate::sip::transaction::Transport;

/// How long the answer to our BYE or CANCEL is waited for.
const LEAVING_MAX: Duration = Duration::from_secs(5);

/// How long stragglers are answered after the end: longer than the first wait of a peer who missed us.
const LINGER: Duration = Duration::from_millis(600);

/// What a phone starts with. The numbers are random, by the caller's dice.
pub(super) struct Setup {
    pub(super) plan: Arc<CallPlan>,
    pub(super) ears: Arc<Ears>,
    /// Where the INVITE goes.
    pub(super) peer: SocketAddr,
    /// Our own addresses.
    pub(super) sip: SocketAddr,
    pub(super) rtp: SocketAddr,
    /// Makes Call-ID, tag and branches unlike any other.
    pub(super) seed: u128,
    pub(super) beginning: Beginning,
}

/// A datagram to be sent.
pub(super) struct Datagram {
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// One caller's telephone. It has no `Debug`: it holds keys.
pub(super) struct Phone {
    pub(super) setup: Setup,
    pub(super) dialog: Dialog,
    pub(super) phase: Phase,
    invite: Invite,
    asked: Vec<Asked>,
    branches: u32,
    pub(super) served: VecDeque<Served>,
    fingers: Fingers,
    pub(super) voice: Option<Voice>,
    pub(super) transfer: Option<Transfer>,
    infos: VecDeque<Key>,
    out: Vec<Datagram>,
    pub(super) report: CallReport,
}

#[derive(Clone, Copy)]
pub(super) enum Phase {
    Calling,
    Talking,
    Leaving { until: Uptime },
    Over { until: Uptime },
}

/// Our INVITE and how far it has come.
struct Invite {
    request: Request,
    branch: String,
    repeat: Option<Repeat>,
    until: Uptime,
    cancel: Cancel,
    /// What its final response is acknowledged with, whenever it comes.
    ack: Option<Datagram>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Cancel {
    No,
    /// As soon as the far end is known to have the INVITE (RFC 3261, section 9.1).
    Wanted,
    Sent,
}

/// A request of ours that waits for its answer.
struct Asked {
    key: transaction::Key,
    what: What,
    client: Client,
    to: SocketAddr,
}

/// What a request of ours is about.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum What {
    Bye,
    Cancel,
    Info,
    Trying,
    Outcome,
}

impl Phone {
    /// Dials.
    pub(super) fn new(setup: Setup, now: Uptime) -> Self {
        let call_id = format!("{:032x}", setup.seed);
        let tag = format!("{:012x}", setup.seed >> 80);
        let local = from_line(&setup.plan.from, setup.sip);
        let mut dialog = Dialog::new(call_id.clone(), tag, &local, setup.plan.to.clone());
        let mut request = dialog.request(Method::Invite);
        add_invite_headers(&mut request.headers, &setup);
        request.body = offer(&setup);
        let mut phone = Self {
            fingers: Fingers::new(setup.plan.clone()),
            invite: Invite {
                request,
                branch: String::new(),
                repeat: Some(Repeat::start(now)),
                until: now + LIFE,
                cancel: Cancel::No,
                ack: None,
            },
            setup,
            dialog,
            phase: Phase::Calling,
            asked: vec![],
            branches: 0,
            served: VecDeque::new(),
            voice: None,
            transfer: None,
            infos: VecDeque::new(),
            out: vec![],
            report: CallReport { call_id, ..CallReport::default() },
        };
        phone.invite.branch = phone.branch();
        let via = phone.via(&phone.invite.branch);
        phone.invite.request.headers.prepend("Via", via);
        phone.send(phone.setup.peer, phone.invite.request.to_bytes());
        phone
    }

    /// Takes a datagram of the SIP socket.
    pub(super) fn sip(&mut self, datagram: &[u8], source: SocketAddr, now: Uptime) {
        match parse(datagram) {
            Ok(Message::Response(response)) => self.answered(&response, source, now),
            Ok(Message::Request(request)) => self.requested(&request, source, now),
            Err(_) => {}
        }
    }

    /// Takes a datagram of the RTP socket.
    pub(super) fn rtp(&mut self, datagram: &[u8], now: Uptime) {
        let Some(voice) = &mut self.voice else { return };
        for prompt in voice.hear(datagram) {
            self.fingers.prompt(&prompt, now);
            self.report.prompts.push(HeardPrompt { prompt: prompt.to_string(), at_ms: millis(now) });
        }
    }

    /// Whether there is sound to be sent and heard.
    pub(super) fn talks(&self) -> bool {
        self.voice.is_some() && matches!(self.phase, Phase::Talking)
    }

    /// Every 20 ms: the sound to be sent.
    pub(super) fn tick(&mut self, now: Uptime, out: &mut [u8; DATAGRAM_LEN]) -> Option<session::Datagram> {
        self.voice.as_mut().and_then(|voice| voice.tick(now, out))
    }

    /// What is to be sent now.
    pub(super) fn take_out(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.out)
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Uptime {
        let limit = Uptime(CALL_MAX);
        match self.phase {
            Phase::Over { until } => until,
            Phase::Leaving { until } => self.asked_deadline().unwrap_or(until).min(until),
            Phase::Calling => {
                let repeat = self.invite.repeat.as_ref().map(Repeat::next);
                let all = [repeat, self.asked_deadline(), self.fingers.deadline(), Some(self.invite.until)];
                all.into_iter().flatten().fold(limit, Uptime::min)
            }
            Phase::Talking => {
                let bye = self.transfer.as_ref().and_then(|transfer| transfer.bye_at);
                let all = [self.asked_deadline(), self.fingers.deadline(), bye];
                all.into_iter().flatten().fold(limit, Uptime::min)
            }
        }
    }

    fn asked_deadline(&self) -> Option<Uptime> {
        self.asked.iter().map(|asked| asked.client.deadline()).min()
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Uptime) {
        self.asked_timeout(now);
        match self.phase {
            Phase::Calling => self.calling_timeout(now),
            Phase::Talking => self.talking_timeout(now),
            Phase::Leaving { until } if until <= now => self.over(now),
            Phase::Leaving { .. } | Phase::Over { .. } => {}
        }
        if self.fingers.hangs_up(now) {
            self.hang_up(now);
        }
        if now >= Uptime(CALL_MAX) && matches!(self.phase, Phase::Calling | Phase::Talking) {
            self.fails(format!("not over after {} s", CALL_MAX.as_secs()));
            self.hang_up(now);
            if matches!(self.phase, Phase::Calling) {
                self.over(now);
            }
        }
    }

    fn calling_timeout(&mut self, now: Uptime) {
        if self.invite.until <= now {
            match self.invite.cancel {
                Cancel::Sent => self.concludes(Outcome::Cancelled),
                Cancel::No | Cancel::Wanted => self.fails("no answer to the INVITE"),
            }
            return self.over(now);
        }
        if self.invite.repeat.as_mut().is_some_and(|repeat| repeat.is_due(now)) {
            self.send(self.setup.peer, self.invite.request.to_bytes());
        }
    }

    fn talking_timeout(&mut self, now: Uptime) {
        if self.transfer.as_ref().and_then(|transfer| transfer.bye_at).is_some_and(|at| at <= now) {
            return self.hang_up(now);
        }
        while let Some(key) = self.fingers.press(now) {
            self.press(key, now);
        }
    }

    fn asked_timeout(&mut self, now: Uptime) {
        let mut silent = vec![];
        let mut again = vec![];
        self.asked.retain_mut(|asked| match asked.client.timeout(now) {
            Tick::Idle => true,
            Tick::Resend => {
                again.push(Datagram { to: asked.to, bytes: asked.client.request().to_vec() });
                true
            }
            Tick::TimedOut | Tick::Ended => {
                silent.push(asked.what);
                false
            }
        });
        self.out.extend(again);
        for what in silent {
            self.asked_over(what, now);
        }
    }

    /// Hangs up, by CANCEL before the answer and by BYE after it.
    pub(super) fn hang_up(&mut self, now: Uptime) {
        match self.phase {
            Phase::Calling if self.invite.cancel != Cancel::No => {}
            Phase::Calling if self.invite.repeat.is_some() => self.invite.cancel = Cancel::Wanted,
            Phase::Calling => self.cancel(now),
            Phase::Talking => {
                let bye = self.dialog.request(Method::Bye);
                self.ask(bye, What::Bye, now);
                let end = self.transfer_outcome().unwrap_or(Outcome::HungUp);
                self.concludes(end);
                self.phase = Phase::Leaving { until: now + LEAVING_MAX };
            }
            Phase::Leaving { .. } | Phase::Over { .. } => {}
        }
    }

    fn cancel(&mut self, now: Uptime) {
        let invite = &self.invite.request;
        let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
        let mut cancel = self.dialog.numbered(Method::Cancel, number);
        let branch = self.invite.branch.clone();
        cancel.headers.prepend("Via", self.via(&branch));
        self.ask_as(cancel, &branch, self.setup.peer, What::Cancel, now);
        self.invite.cancel = Cancel::Sent;
        self.invite.until = now + LEAVING_MAX;
    }

    fn press(&mut self, key: Key, now: Uptime) {
        let way = self.setup.plan.way;
        if way != KeyWay::Info
            && let Some(voice) = &mut self.voice
        {
            voice.press(key);
        }
        if matches!(way, KeyWay::Info | KeyWay::Both) {
            self.infos.push_back(key);
            self.next_info(now);
        }
    }

    /// One INFO at a time, so that keys cannot overtake each other.
    fn next_info(&mut self, now: Uptime) {
        if self.asked.iter().any(|asked| asked.what == What::Info) {
            return;
        }
        let Some(key) = self.infos.pop_front() else { return };
        let mut info = self.dialog.request(Method::Info);
        info.headers.push("Content-Type", "application/dtmf-relay");
        info.body = format!("Signal={}\r\nDuration=100\r\n", signal(key)).into_bytes();
        self.ask(info, What::Info, now);
    }

    // --- answers to our requests ---

    fn answered(&mut self, response: &Response, source: SocketAddr, now: Uptime) {
        let headers = &response.headers;
        let Ok(cseq) = headers.cseq() else { return };
        if headers.call_id() != Some(self.dialog.call_id.as_str()) {
            return;
        }
        if cseq.method == Method::Invite {
            let ours = headers.via_top().is_ok_and(|via| via.branch() == Some(self.invite.branch.as_str()));
            return if ours { self.invite_answered(response, source, now) } else { () };
        }
        let Ok(key) = transaction::Key::of_response(headers) else { return };
        let Some(at) = self.asked.iter().position(|asked| asked.key == key) else { return };
        let heard = self.asked.get_mut(at).map(|asked| asked.client.hear(response.status, now));
        if heard != Some(Heard::Provisional) {
            let asked = self.asked.remove(at);
            self.asked_over(asked.what, now);
        }
    }

    fn asked_over(&mut self, what: What, now: Uptime) {
        match what {
            What::Bye => self.over(now),
            What::Cancel => {}
            What::Info => self.next_info(now),
            What::Trying => self.tell_outcome(now),
            What::Outcome => self.transfer_told(now),
        }
    }

    fn invite_answered(&mut self, response: &Response, source: SocketAddr, now: Uptime) {
        if let Some(ack) = &self.invite.ack {
            if response.status >= 200 {
                self.out.push(Datagram { to: ack.to, bytes: ack.bytes.clone() });
            }
            return;
        }
        self.invite.repeat = None;
        let contact = response.headers.contact().ok();
        self.report.take_ids(&response.headers, contact.as_ref().map(|contact| &contact.uri));
        match response.status {
            ..200 => {
                if self.invite.cancel != Cancel::Sent {
                    self.invite.until = Uptime(CALL_MAX);
                }
                if response.status >= 180 {
                    self.report.ring_ms.get_or_insert(millis(now));
                }
                if self.invite.cancel == Cancel::Wanted {
                    self.cancel(now);
                }
                return;
            }
            200..300 => self.accepted(response, source, now),
            300.. => self.refused(response, now),
        }
        self.report.status = Some(response.status);
        self.report.answer_ms = Some(millis(now));
    }

    fn accepted(&mut self, response: &Response, source: SocketAddr, now: Uptime) {
        if self.dialog.confirm(&response.headers).is_err() {
            self.fails("the answer has no readable To and Contact");
            return self.over(now);
        }
        self.acknowledge_ok();
        self.phase = Phase::Talking;
        if self.invite.cancel != Cancel::No {
            return self.hang_up(now);
        }
        match MediaOffer::parse(&response.body, source.ip()) {
            Ok(answer) => {
                let ears = self.setup.ears.clone();
                self.voice = Some(Voice::new(&answer, self.setup.beginning, ears));
            }
            Err(error) => {
                self.fails(format!("the answer's session description: {error}"));
                self.hang_up(now);
            }
        }
    }

    fn acknowledge_ok(&mut self) {
        let number = self.invite.request.headers.cseq().map_or(1, |cseq| cseq.number);
        let mut ack = self.dialog.numbered(Method::Ack, number);
        let branch = self.branch();
        ack.headers.prepend("Via", self.via(&branch));
        self.acknowledge(self.hop(), ack.to_bytes());
    }

    fn refused(&mut self, response: &Response, now: Uptime) {
        let invite = &self.invite.request;
        let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
        let mut ack = self.dialog.numbered(Method::Ack, number);
        ack.headers.prepend("Via", self.via(&self.invite.branch));
        if let Some(to) = response.headers.get("To") {
            ack.headers.set("To", to);
        }
        self.acknowledge(self.setup.peer, ack.to_bytes());
        let contact = response.headers.contact();
        self.concludes(match (response.status, contact) {
            (300..400, Ok(contact)) => Outcome::Redirected { contact: bare(&contact) },
            (487, _) if self.invite.cancel != Cancel::No => Outcome::Cancelled,
            (status, _) => Outcome::Rejected { status },
        });
        self.over(now);
    }

    fn acknowledge(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.send(to, bytes.clone());
        self.invite.ack = Some(Datagram { to, bytes });
    }

    // --- tools ---

    /// Sends a request of the dialog.
    pub(super) fn ask(&mut self, mut request: Request, what: What, now: Uptime) {
        let branch = self.branch();
        request.headers.prepend("Via", self.via(&branch));
        request.headers.push("Contact", self.contact());
        self.ask_as(request, &branch, self.hop(), what, now);
    }

    fn ask_as(&mut self, request: Request, branch: &str, to: SocketAddr, what: What, now: Uptime) {
        let key = transaction::Key::ours(&request.method, branch);
        let bytes = request.to_bytes();
        self.send(to, bytes.clone());
        self.asked.push(Asked { key, what, client: Client::new(Transport::Datagram, bytes, now), to });
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.out.push(Datagram { to, bytes });
    }

    /// Where requests of the dialog go.
    fn hop(&self) -> SocketAddr {
        self.dialog.next_hop().unwrap_or(self.setup.peer)
    }

    pub(super) fn contact(&self) -> String {
        format!("<sip:caller@{}>", self.setup.sip)
    }

    fn via(&self, branch: &str) -> String {
        format!("SIP/2.0/UDP {};branch={branch};rport", self.setup.sip)
    }

    fn branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bK{:x}.{}", self.setup.seed, self.branches)
    }

    /// The first conclusion stands.
    pub(super) fn concludes(&mut self, outcome: Outcome) {
        if self.report.outcome == Outcome::Pending {
            self.report.outcome = outcome;
        }
    }

    fn fails(&mut self, reason: impl Into<String>) {
        self.concludes(Outcome::Failed { reason: reason.into() });
    }

    /// The call is over; stragglers are answered for a while, but not where none are expected.
    pub(super) fn over(&mut self, now: Uptime) {
        if matches!(self.phase, Phase::Over { .. }) {
            return;
        }
        self.report.total_ms = millis(now);
        self.report.keys_pressed = self.fingers.pressed();
        let linger = if self.setup.peer.ip().is_loopback() { Duration::ZERO } else { LINGER };
        self.phase = Phase::Over { until: now + linger };
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self, now: Uptime) -> bool {
        matches!(self.phase, Phase::Over { until } if until <= now)
    }
}

fn add_invite_headers(headers: &mut Headers, setup: &Setup) {
    let plan = &setup.plan;
    headers.push("Contact", format!("<sip:caller@{}>", setup.sip));
    headers.push("Allow", crate::sim::answering::ALLOW);
    headers.push("Accept", "application/sdp");
    headers.push("User-Agent", concat!("countersign-caller/", env!("CARGO_PKG_VERSION")));
    headers.push("Content-Type", "application/sdp");
    for (name, value) in plan.headers.iter() {
        headers.push(name, value);
    }
    match &plan.from {
        FromLine::Anonymous => headers.push("Privacy", "id"),
        from if plan.assert_identity && headers.get("P-Asserted-Identity").is_none() => {
            headers.push("P-Asserted-Identity", format!("<{}>", from.uri(&setup.sip.to_string())));
        }
        FromLine::User(_) | FromLine::Address(_) => {}
    }
}

fn from_line(from: &FromLine, sip: SocketAddr) -> String {
    let uri = from.uri(&sip.to_string());
    match from {
        FromLine::Anonymous => format!("\"Anonymous\" <{uri}>"),
        FromLine::User(_) | FromLine::Address(_) => format!("<{uri}>"),
    }
}

/// Both laws, and telephone events under the plan's number.
pub(super) fn offer(setup: &Setup) -> Vec<u8> {
    let (ip, port) = (setup.rtp.ip(), setup.rtp.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let session = setup.beginning.ssrc >> 1;
    let event = setup.plan.telephone_event;
    let (number, map) = if setup.plan.way == KeyWay::InBand {
        (String::new(), String::new())
    } else {
        let map = format!("a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
        (format!(" {event}"), map)
    };
    format!(
        "v=0\r\no=- {session} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8{number}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         {map}a=ptime:20\r\na=sendrecv\r\n"
    )
    .into_bytes()
}

/// The key as `application/dtmf-relay` writes it.
fn signal(key: Key) -> char {
    match key.event() {
        digit @ 0..=9 => char::from(b'0' + digit),
        10 => '*',
        11 => '#',
        letter => char::from(b'A' + letter.saturating_sub(12)),
    }
}

pub(super) fn millis(now: Uptime) -> u64 {
    u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX)
}
