//! One call leg: between the user agent, the caller's media and the call.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use metrics::counter;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tracing::debug;

use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::engine::CallHandle;
use crate::model::cause::Cause;
use crate::model::ids;
use crate::model::ids::CallId;
use crate::platform::Leg;
use crate::platform::sip::Orders;
use crate::platform::sip::Shared;
use crate::platform::sip::event::Translated;
use crate::rtp::g711::Law as RtpLaw;
use crate::rtp::info;
use crate::rtp::session::AudioPayload;
use crate::rtp::session::DATAGRAM_LEN;
use crate::rtp::session::MediaEvent;
use crate::rtp::session::MediaSession;
use crate::rtp::session::MediaSetup;
use crate::rtp::session::Remote;
use crate::rtp::session::TICK;
use crate::sip::agent::Command;
use crate::sip::agent::GoneWhy;
use crate::sip::agent::LegEvent;
use crate::sip::agent::LegId;
use crate::sip::sdp::MediaOffer;

/// What the call wants of its leg, waiting at the most.
const WISHES_LEN: usize = 32;
/// The largest datagram of RTP we read; a frame of 60 ms is 492 bytes.
const RTP_MAX: usize = 2048;

/// What a call wants of its leg.
#[derive(Debug)]
enum Wish {
    Answer,
    Play(Prompt),
    StopPlaying,
    HandOver { to: String, answered: bool, call: CallId },
    Clear(Cause),
}

/// The call's end of a leg.
struct SipLeg(mpsc::Sender<Wish>);

impl SipLeg {
    fn wish(&self, wish: Wish) {
        if self.0.try_send(wish).is_err() {
            debug!("a wish for a leg that is gone");
        }
    }
}

impl Leg for SipLeg {
    fn answer(&mut self) {
        self.wish(Wish::Answer);
    }
    fn play(&mut self, prompt: Prompt) {
        self.wish(Wish::Play(prompt));
    }
    fn stop_playing(&mut self) {
        self.wish(Wish::StopPlaying);
    }
    fn hand_over(&mut self, to: &str, answered: bool, call: &CallId) {
        self.wish(Wish::HandOver { to: to.to_owned(), answered, call: call.clone() });
    }
    fn clear(&mut self, cause: Cause) {
        self.wish(Wish::Clear(cause));
    }
}

/// Hands a new call in and starts its leg's task. `false`: there is no room for it.
pub(crate) fn start(
    id: LegId,
    offer: Option<MediaOffer>,
    translated: Translated,
    mail: mpsc::Receiver<LegEvent>,
    orders: Orders,
    shared: &Arc<Shared>,
    local: Option<SocketAddr>,
) -> bool {
    let (sender, wished) = mpsc::channel(WISHES_LEN);
    let leg = Box::new(SipLeg(sender));
    let policy = translated.policy.as_deref();
    let Ok(call) = shared.entry.delivered(translated.delivered, policy, leg) else { return false };
    let task = LegTask {
        id,
        call,
        orders,
        offer,
        local,
        shared: Arc::clone(shared),
        socket: None,
        session: None,
        ticks: None,
        established: false,
        refer_accepted: false,
        over: false,
    };
    shared.tasks.spawn(task.run(mail, wished));
    true
}

struct LegTask {
    id: LegId,
    call: CallHandle,
    orders: Orders,
    offer: Option<MediaOffer>,
    local: Option<SocketAddr>,
    shared: Arc<Shared>,
    socket: Option<UdpSocket>,
    /// `None` until the far end's media is known (delayed offer).
    session: Option<MediaSession>,
    ticks: Option<Interval>,
    established: bool,
    refer_accepted: bool,
    over: bool,
}

impl LegTask {
    async fn run(mut self, mut mail: mpsc::Receiver<LegEvent>, mut wished: mpsc::Receiver<Wish>) {
        let stop = self.shared.stop.clone();
        let mut packet = Box::new([0_u8; RTP_MAX]);
        while !self.over {
            tokio::select! {
                biased;
                event = mail.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => self.given_up().await,
                },
                wish = wished.recv() => match wish {
                    Some(wish) => self.wish(wish).await,
                    // The call is over and has let go of its leg.
                    None => self.let_go(&mut mail).await,
                },
                () = tick(&mut self.ticks) => self.tick().await,
                received = receive(self.socket.as_ref(), &mut packet[..]) => {
                    if let Some((len, source)) = received {
                        self.packet(packet.get(..len).unwrap_or_default(), source);
                    }
                }
            }
            if stop.is_cancelled() && mail.is_closed() {
                break;
            }
        }
    }

    async fn event(&mut self, event: LegEvent) {
        match event {
            LegEvent::Invited(_) => {}
            LegEvent::Acknowledged { answer } => {
                if let Some(answer) = answer {
                    self.open_session(&answer);
                }
                if !self.established {
                    self.established = true;
                    self.tell(CallEvent::Established).await;
                }
            }
            LegEvent::Info { content_type, body } => {
                let Some(key) = info::key(&content_type, body.expose()) else { return };
                let now = self.shared.clock.up();
                if let Some(event) =
                    self.session.as_mut().and_then(|session| session.info(key, now))
                {
                    self.key(event);
                }
            }
            LegEvent::Reoffered { offer, .. } => {
                let remote = remote(&offer);
                match &mut self.session {
                    Some(session) => session.reoffer(remote),
                    None => self.open_session(&offer),
                }
            }
            LegEvent::Cancelled => self.end(Cause::NORMAL_CLEARING).await,
            LegEvent::ReferAccepted => self.refer_accepted = true,
            LegEvent::ReferProgress { status: 200..=299 } => {
                self.refer_accepted = true;
                self.tell(CallEvent::HandedOver(HandOver::Done)).await;
                self.order(Command::Bye { cause: Cause::NORMAL_CLEARING.0 }).await;
            }
            LegEvent::ReferProgress { status: ..=100 } => self.refer_accepted = true,
            // It rings at the target: a caller who hangs up now has given up, not arrived.
            LegEvent::ReferProgress { status: 101..=199 } => self.refer_accepted = false,
            LegEvent::ReferProgress { status } | LegEvent::ReferFailed { status } => {
                self.refer_accepted = false;
                self.tell(CallEvent::HandedOver(HandOver::Refused(status))).await;
            }
            // Many a peer hangs up as soon as the transfer stands, without a last NOTIFY.
            LegEvent::Bye { .. } if self.refer_accepted => {
                self.tell(CallEvent::HandedOver(HandOver::Done)).await;
                self.over = true;
            }
            LegEvent::Bye { cause } => {
                self.end(Cause(cause.unwrap_or(Cause::NORMAL_CLEARING.0))).await;
            }
            LegEvent::Gone { why: GoneWhy::Redirected } => {
                self.tell(CallEvent::HandedOver(HandOver::Done)).await;
                self.over = true;
            }
            LegEvent::Gone { why } => {
                let cause = match why {
                    GoneWhy::NoAck | GoneWhy::Unanswered => Cause::RECOVERY_ON_TIMER_EXPIRY,
                    GoneWhy::NoMedia | GoneWhy::Rejected => Cause::CALL_REJECTED,
                    GoneWhy::ByeAnswered | GoneWhy::ByeTimedOut | GoneWhy::Redirected => {
                        Cause::NORMAL_CLEARING
                    }
                };
                // After a hand-over our own BYE ends the leg, not the call.
                if self.refer_accepted { self.over = true } else { self.end(cause).await }
            }
        }
    }

    async fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Answer => self.answer().await,
            Wish::Play(prompt) => {
                let phrase = self.shared.prompts.get(prompt.id()).cloned();
                match (&mut self.session, phrase) {
                    (Some(session), Some(phrase)) => session.play(phrase),
                    _ => self.tell(CallEvent::PromptEnded).await,
                }
            }
            Wish::StopPlaying => {
                if let Some(session) = &mut self.session {
                    session.stop();
                }
            }
            Wish::HandOver { to, answered: false, call } => {
                let uui = format!("{};encoding=hex", ids::hex(call.as_str().as_bytes()));
                let headers = vec![
                    ("User-to-User".to_owned(), uui),
                    ("X-Countersign-Call".to_owned(), call.to_string()),
                ];
                self.order(Command::Redirect { contact: format!("<{to}>"), headers }).await;
            }
            Wish::HandOver { to, answered: true, call } => {
                let target = refer_target(&to, &call);
                self.order(Command::Refer { target }).await;
            }
            Wish::Clear(cause) if self.socket.is_some() => {
                self.order(Command::Bye { cause: cause.0 }).await;
            }
            Wish::Clear(cause) => {
                let command =
                    Command::Reject { status: 480, retry_after: None, reason_q850: Some(cause.0) };
                self.order(command).await;
            }
        }
    }

    async fn answer(&mut self) {
        let Some(socket) = self.shared.ports.open().await else {
            counter!("countersign_shed_total", "reason" => "rtp_ports").increment(1);
            let command = Command::Reject { status: 503, retry_after: Some(5), reason_q850: None };
            return self.order(command).await;
        };
        let bound = socket.local_addr().ok();
        let host = self.shared.media_address.or(self.local.map(|local| local.ip()));
        let (Some(bound), Some(host)) = (bound, host) else { return };
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.socket = Some(socket);
        self.ticks = Some(ticks);
        if let Some(offer) = self.offer.take() {
            self.open_session(&offer);
        }
        self.order(Command::Answer { rtp: SocketAddr::new(host, bound.port()) }).await;
    }

    fn open_session(&mut self, offer: &MediaOffer) {
        self.session = Some(MediaSession::new(MediaSetup {
            ssrc: rand::random(),
            first_sequence: rand::random(),
            first_timestamp: rand::random(),
            remote: remote(offer),
        }));
    }

    async fn tick(&mut self) {
        let now = self.shared.clock.up();
        let (Some(socket), Some(session)) = (&self.socket, &mut self.session) else { return };
        let mut out = [0; DATAGRAM_LEN];
        let tick = session.tick(now, &mut out);
        if let Some(send) = tick.send {
            // A full socket buffer costs one frame of sound, never a wait.
            let _ = socket.try_send_to(out.get(..send.len).unwrap_or_default(), send.to);
        }
        if tick.ended {
            self.tell(CallEvent::PromptEnded).await;
        }
    }

    fn packet(&mut self, bytes: &[u8], source: SocketAddr) {
        let now = self.shared.clock.up();
        if let Some(event) =
            self.session.as_mut().and_then(|session| session.packet(bytes, source, now))
        {
            self.key(event);
        }
    }

    /// A key may be dropped where a call is flooded with them; its time-outs stay right.
    fn key(&self, event: MediaEvent) {
        let MediaEvent::Key { key, via } = event;
        counter!("countersign_digits_total", "via" => via.as_str()).increment(1);
        if self.call.send(Input::Event(CallEvent::DigitGenerated(key))).is_err() {
            counter!("countersign_shed_total", "reason" => "call_inbox").increment(1);
        }
    }

    async fn tell(&self, event: CallEvent) {
        // A call that is over does not listen any more, and that is all right.
        let _ = self.call.deliver(Input::Event(event)).await;
    }

    async fn order(&self, command: Command) {
        if self.orders.send((self.id, command)).await.is_err() {
            debug!(leg = self.id.0, "the SIP listener is gone");
        }
    }

    /// Our mailbox overflowed: the listener does not tell us anything any more, so the leg goes.
    async fn given_up(&mut self) {
        self.order(Command::Bye { cause: Cause::TEMPORARY_FAILURE.0 }).await;
        self.end(Cause::TEMPORARY_FAILURE).await;
    }

    async fn end(&mut self, cause: Cause) {
        self.over = true;
        self.tell(CallEvent::ConnectionCleared(cause)).await;
    }

    /// The call has ended; the leg waits for the user agent to finish with it.
    async fn let_go(&mut self, mail: &mut mpsc::Receiver<LegEvent>) {
        self.socket = None;
        self.ticks = None;
        // Where the leg still stands, nobody needs it any more.
        self.order(Command::Bye { cause: Cause::NORMAL_CLEARING.0 }).await;
        while let Some(event) = mail.recv().await {
            if matches!(event, LegEvent::Cancelled | LegEvent::Bye { .. } | LegEvent::Gone { .. }) {
                break;
            }
        }
        self.over = true;
    }
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => pending().await,
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await.ok(),
        None => pending().await,
    }
}

fn remote(offer: &MediaOffer) -> Remote {
    let audio = offer.audio.iter().map(|payload| AudioPayload {
        number: payload.number,
        law: match payload.law {
            crate::sip::sdp::Law::Pcmu => RtpLaw::Pcmu,
            crate::sip::sdp::Law::Pcma => RtpLaw::Pcma,
        },
    });
    Remote {
        address: SocketAddr::new(offer.address, offer.port),
        audio: audio.collect(),
        telephone_event: offer.telephone_event,
        held: offer.held(),
    }
}

/// The queue's URI with our two headers, escaped as RFC 3261 §19.1.1 wants headers in a URI.
fn refer_target(to: &str, call: &CallId) -> String {
    let separator = if to.contains('?') { '&' } else { '?' };
    let uui = ids::hex(call.as_str().as_bytes());
    format!("{to}{separator}User-to-User={uui}%3Bencoding%3Dhex&X-Countersign-Call={call}")
}
