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
use crate::rtp::session;
use crate::rtp::session::DATAGRAM_LEN;
use crate::sim::answering::Served;
use crate::sim::answering::Transfer;
use crate::sim::asking::Asked;
use crate::sim::asking::Cancel;
use crate::sim::asking::Invite;
use crate::sim::asking::What;
use crate::sim::dialog::Dialog;
use crate::sim::fingers::Fingers;
use crate::sim::invite::add_headers;
use crate::sim::invite::from_line;
use crate::sim::invite::offer;
use crate::sim::plan::CALL_MAX;
use crate::sim::plan::CallPlan;
use crate::sim::plan::KeyWay;
use crate::sim::report::CallReport;
use crate::sim::report::HeardPrompt;
use crate::sim::report::Outcome;
use crate::sim::voice::Beginning;
use crate::sim::voice::Ears;
use crate::sim::voice::Voice;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::parse;
use crate::sip::transaction::LIFE;
use crate::sip::transaction::Repeat;
use crate::sip::transaction::Tick;

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
    pub(super) invite: Invite,
    pub(super) asked: Vec<Asked>,
    pub(super) branches: u32,
    pub(super) served: VecDeque<Served>,
    pub(super) fingers: Fingers,
    pub(super) voice: Option<Voice>,
    pub(super) transfer: Option<Transfer>,
    pub(super) infos: VecDeque<Key>,
    pub(super) out: Vec<Datagram>,
    pub(super) report: CallReport,
}

#[derive(Clone, Copy)]
pub(super) enum Phase {
    Calling,
    Talking,
    Leaving { until: Uptime },
    Over { until: Uptime },
}

impl Phone {
    /// Dials.
    pub(super) fn new(setup: Setup, now: Uptime) -> Self {
        let call_id = format!("{:032x}", setup.seed);
        let tag = format!("{:012x}", setup.seed >> 80);
        let local = from_line(&setup.plan.from, setup.sip);
        let mut dialog = Dialog::new(call_id.clone(), tag, &local, setup.plan.to.clone());
        let mut request = dialog.request(Method::Invite);
        add_headers(&mut request.headers, &setup);
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
            self.report
                .prompts
                .push(HeardPrompt { prompt: prompt.to_string(), at_ms: millis(now) });
        }
    }

    /// Whether there is sound to be sent and heard.
    pub(super) fn talks(&self) -> bool {
        self.voice.is_some() && matches!(self.phase, Phase::Talking)
    }

    /// Every 20 ms: the sound to be sent.
    pub(super) fn tick(
        &mut self,
        now: Uptime,
        out: &mut [u8; DATAGRAM_LEN],
    ) -> Option<session::Datagram> {
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
                let all = [
                    repeat,
                    self.asked_deadline(),
                    self.fingers.deadline(),
                    Some(self.invite.until),
                ];
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

    pub(super) fn cancel(&mut self, now: Uptime) {
        let invite = &self.invite.request;
        let number = invite.headers.cseq().map_or(1, |cseq| cseq.number);
        let mut cancel = self.dialog.numbered(Method::Cancel, number);
        let branch = self.invite.branch.clone();
        cancel.headers.prepend("Via", self.via(&branch));
        self.ask_as(&cancel, &branch, self.setup.peer, What::Cancel, now);
        self.invite.cancel = Cancel::Sent;
        self.invite.until = now + LEAVING_MAX;
    }

    /// Presses a key in the plan's way.
    pub(super) fn press(&mut self, key: Key, now: Uptime) {
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
    pub(super) fn next_info(&mut self, now: Uptime) {
        if self.asked.iter().any(|asked| asked.what == What::Info) {
            return;
        }
        let Some(key) = self.infos.pop_front() else { return };
        let mut info = self.dialog.request(Method::Info);
        info.headers.push("Content-Type", "application/dtmf-relay");
        info.body = format!("Signal={}\r\nDuration=100\r\n", signal(key)).into_bytes();
        self.ask(info, What::Info, now);
    }

    /// The first conclusion stands.
    pub(super) fn concludes(&mut self, outcome: Outcome) {
        if self.report.outcome == Outcome::Pending {
            self.report.outcome = outcome;
        }
    }

    pub(super) fn fails(&mut self, reason: impl Into<String>) {
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
