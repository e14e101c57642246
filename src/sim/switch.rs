//! For tests: a small daemon that takes one call on loopback, after a script, over real sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio::time::sleep_until;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::g711::Law;
use crate::rtp::info;
use crate::rtp::merge::Via;
use crate::rtp::prompt::PromptPack;
use crate::rtp::session::AudioPayload;
use crate::rtp::session::DATAGRAM_LEN;
use crate::rtp::session::MediaEvent;
use crate::rtp::session::MediaSession;
use crate::rtp::session::MediaSetup;
use crate::rtp::session::Remote;
use crate::rtp::session::TICK;
use crate::sip::dialog::Dialog;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Uri;
use crate::sip::message::parse;
use crate::sip::reply::Reply;
use crate::sip::sdp::LocalMedia;
use crate::sip::sdp::MediaOffer;

/// What the daemon does with the call.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Hands it over at once.
    Redirect,
    /// Lets it ring.
    Ring,
    /// Answers, asks these prompts one by one, and transfers.
    Ask(&'static [&'static str]),
}

/// What came of it on the daemon's side.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) invite: Option<Request>,
    /// Methods and NOTIFY bodies, in order.
    pub(super) requests: Vec<String>,
    pub(super) keys: String,
    pub(super) ways: Vec<Via>,
    pub(super) repeated_keys: u64,
}

pub(super) struct Switch {
    sip: UdpSocket,
    rtp: UdpSocket,
    does: Does,
    pack: Arc<PromptPack>,
    start: Instant,
    call: Option<Talk>,
    heard: Heard,
    over: bool,
}

/// An answered call.
struct Talk {
    dialog: Dialog,
    peer: SocketAddr,
    media: MediaSession,
    prompts: VecDeque<&'static str>,
    asked: &'static str,
}

impl Switch {
    pub(super) async fn new(does: Does, pack: Arc<PromptPack>) -> (Self, Uri) {
        let bind = async || UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let (sip, rtp) = (bind().await, bind().await);
        let uri = format!("sip:100@{}", sip.local_addr().expect("an address"));
        let heard = Heard::default();
        let switch =
            Self { sip, rtp, does, pack, start: Instant::now(), call: None, heard, over: false };
        (switch, Uri::parse(&uri).expect("a URI"))
    }

    /// Serves one call to its end.
    pub(super) async fn serve(mut self) -> Heard {
        let (mut sip, mut rtp) = ([0; 4096], [0; 2048]);
        let mut tick = Instant::now();
        while !self.over {
            tokio::select! {
                biased;
                () = sleep_until(tick) => {
                    tick += TICK;
                    self.tick().await;
                }
                Ok((len, source)) = self.sip.recv_from(&mut sip) => {
                    match parse(&sip[..len]).expect("SIP") {
                        Message::Request(request) => self.request(request, source).await,
                        Message::Response(response) => {
                            let method = response.headers.cseq().expect("a CSeq").method;
                            self.over |= method == Method::Bye;
                        }
                    }
                }
                Ok((len, source)) = self.rtp.recv_from(&mut rtp) => {
                    let now = self.now();
                    let event = self.call.as_mut().and_then(|call| call.media.packet(&rtp[..len], source, now));
                    self.pressed(event).await;
                }
            }
        }
        self.heard.repeated_keys = self.call.map_or(0, |call| call.media.counters().repeated_keys);
        self.heard
    }

    fn now(&self) -> Uptime {
        Uptime(self.start.elapsed())
    }

    async fn tick(&mut self) {
        let (now, mut out) = (self.now(), [0; DATAGRAM_LEN]);
        if let Some(send) = self.call.as_mut().and_then(|call| call.media.tick(now, &mut out).send)
        {
            self.rtp.send_to(&out[..send.len], send.to).await.expect("sent");
        }
    }

    async fn request(&mut self, request: Request, source: SocketAddr) {
        let body = String::from_utf8_lossy(&request.body).trim().to_owned();
        let notify = request.method == Method::Notify;
        self.heard.requests.push(if notify { body.clone() } else { request.method.to_string() });
        let reply = Reply::to_request(&request.headers, source).expect("a Via");
        match request.method {
            Method::Invite => {
                self.heard.invite = Some(request.clone());
                self.invited(&request, &reply).await;
            }
            Method::Ack if self.call.is_some() => self.ask().await,
            Method::Ack => self.over = true,
            Method::Cancel => {
                self.respond(&reply, 200).await;
                let invite = self.heard.invite.clone().expect("an INVITE");
                let reply = Reply::to_request(&invite.headers, source).expect("a Via");
                self.respond(&reply, 487).await;
            }
            Method::Info => {
                self.respond(&reply, 200).await;
                let kind = request.headers.get("Content-Type").unwrap_or_default();
                let key = info::key(kind, &request.body).expect("a key");
                let now = self.now();
                let event = self.call.as_mut().and_then(|call| call.media.info(key, now));
                self.pressed(event).await;
            }
            Method::Bye => {
                self.respond(&reply, 200).await;
                self.over = true;
            }
            _ => {
                self.respond(&reply, 200).await;
                if notify && !body.contains("100") {
                    self.ask_for(Method::Bye).await;
                }
            }
        }
    }

    async fn respond(&self, reply: &Reply, status: u16) {
        self.sip.send_to(&reply.respond(status, "us").to_bytes(), reply.peer).await.expect("sent");
    }

    async fn invited(&mut self, invite: &Request, reply: &Reply) {
        self.respond(reply, 100).await;
        match self.does {
            Does::Ring => self.respond(reply, 180).await,
            Does::Redirect => {
                let mut response = reply.respond(302, "us");
                response.headers.push("Contact", "<sip:queue@127.0.0.1:5070?User-to-User=00>");
                response.headers.push("X-Countersign-Call", "01JTEST");
                self.sip.send_to(&response.to_bytes(), reply.peer).await.expect("sent");
            }
            Does::Ask(prompts) => {
                self.respond(reply, 180).await;
                let offer = MediaOffer::parse(&invite.body, reply.peer.ip()).expect("an offer");
                let rtp = self.rtp.local_addr().expect("an address");
                let contact = format!("<sip:us@{}>", self.sip.local_addr().expect("an address"));
                let mut ok = reply.respond_in_dialog(200, "us", &contact);
                ok.headers.push("Content-Type", "application/sdp");
                ok.body = LocalMedia { session: 1, version: 1, rtp }.answer(&offer);
                self.call = Some(Talk {
                    dialog: Dialog::begin(invite, "us").expect("a dialog"),
                    peer: reply.peer,
                    media: MediaSession::new(setup(&offer)),
                    prompts: prompts.iter().copied().collect(),
                    asked: "",
                });
                self.sip.send_to(&ok.to_bytes(), reply.peer).await.expect("sent");
            }
        }
    }

    async fn pressed(&mut self, event: Option<MediaEvent>) {
        let Some(MediaEvent::Key { key, via }) = event else { return };
        self.heard.keys.push(shown(key));
        self.heard.ways.push(via);
        let asked = self.call.as_ref().map(|call| call.asked);
        if asked != Some("customer.number") || key == Key::POUND {
            self.ask().await;
        }
    }

    /// Asks the next question, or transfers when there is none.
    async fn ask(&mut self) {
        let call = self.call.as_mut().expect("a call");
        if let Some(prompt) = call.prompts.pop_front() {
            call.asked = prompt;
            call.media.play(self.pack.get(prompt).expect("in the pack").clone());
        } else {
            self.ask_for(Method::Refer).await;
        }
    }

    async fn ask_for(&mut self, method: Method) {
        let call = self.call.as_mut().expect("a call");
        let mut request = call.dialog.request(method);
        request
            .headers
            .prepend("Via", format!("SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{}", request.method));
        if request.method == Method::Refer {
            request
                .headers
                .push("Refer-To", "<sip:queue@127.0.0.1:5070?X-Countersign-Call=01JTEST>");
        }
        self.sip.send_to(&request.to_bytes(), call.peer).await.expect("sent");
    }
}

fn setup(offer: &MediaOffer) -> MediaSetup {
    let remote = Remote {
        address: SocketAddr::new(offer.address, offer.port),
        audio: vec![AudioPayload { number: 0, law: Law::Pcmu }],
        telephone_event: offer.telephone_event,
        held: false,
    };
    MediaSetup { ssrc: 1, first_sequence: 1, first_timestamp: 1, remote }
}

fn shown(key: Key) -> char {
    char::from(b"0123456789*#ABCD"[usize::from(key.event())])
}
