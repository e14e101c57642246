//! What the telephone asks of the daemon, and what it makes of the answers.

use std::net::SocketAddr;

use crate::model::time::Uptime;
use crate::sim::phone::Datagram;
use crate::sim::phone::Phase;
use crate::sim::phone::Phone;
use crate::sim::phone::millis;
use crate::sim::plan::CALL_MAX;
use crate::sim::report::Outcome;
use crate::sim::report::bare;
use crate::sim::voice::Voice;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::sdp::MediaOffer;
use crate::sip::transaction;
use crate::sip::transaction::Client;
use crate::sip::transaction::Heard;
use crate::sip::transaction::Repeat;
use crate::sip::transaction::Transport;

/// Our INVITE and how far it has come.
pub(super) struct Invite {
    pub(super) request: Request,
    pub(super) branch: String,
    pub(super) repeat: Option<Repeat>,
    pub(super) until: Uptime,
    pub(super) cancel: Cancel,
    /// What its final response is acknowledged with, whenever it comes.
    pub(super) ack: Option<Datagram>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Cancel {
    No,
    /// As soon as the far end is known to have the INVITE (RFC 3261, section 9.1).
    Wanted,
    Sent,
}

/// A request of ours that waits for its answer.
pub(super) struct Asked {
    pub(super) key: transaction::Key,
    pub(super) what: What,
    pub(super) client: Client,
    pub(super) to: SocketAddr,
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
    pub(super) fn answered(&mut self, response: &Response, source: SocketAddr, now: Uptime) {
        let headers = &response.headers;
        let Ok(cseq) = headers.cseq() else { return };
        if headers.call_id() != Some(self.dialog.call_id.as_str()) {
            return;
        }
        if cseq.method == Method::Invite {
            let ours = headers
                .via_top()
                .is_ok_and(|via| via.branch() == Some(self.invite.branch.as_str()));
            if ours {
                self.invite_answered(response, source, now);
            }
            return;
        }
        let Ok(key) = transaction::Key::of_response(headers) else { return };
        let Some(at) = self.asked.iter().position(|asked| asked.key == key) else { return };
        let heard = self.asked.get_mut(at).map(|asked| asked.client.hear(response.status, now));
        if heard != Some(Heard::Provisional) {
            let asked = self.asked.remove(at);
            self.asked_over(asked.what, now);
        }
    }

    pub(super) fn asked_over(&mut self, what: What, now: Uptime) {
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

    /// Sends a request of the dialog.
    pub(super) fn ask(&mut self, mut request: Request, what: What, now: Uptime) {
        let branch = self.branch();
        request.headers.prepend("Via", self.via(&branch));
        request.headers.push("Contact", self.contact());
        self.ask_as(&request, &branch, self.hop(), what, now);
    }

    pub(super) fn ask_as(
        &mut self,
        request: &Request,
        branch: &str,
        to: SocketAddr,
        what: What,
        now: Uptime,
    ) {
        let key = transaction::Key::ours(&request.method, branch);
        let bytes = request.to_bytes();
        self.send(to, bytes.clone());
        self.asked.push(Asked {
            key,
            what,
            client: Client::new(Transport::Datagram, bytes, now),
            to,
        });
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

    pub(super) fn via(&self, branch: &str) -> String {
        format!("SIP/2.0/UDP {};branch={branch};rport", self.setup.sip)
    }

    pub(super) fn branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bK{:x}.{}", self.setup.seed, self.branches)
    }
}
