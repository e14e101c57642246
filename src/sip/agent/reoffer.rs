//! The peer changes the session: re-INVITE and UPDATE. We follow, whatever it wants (RFC 3264).

use crate::model::time::Uptime;
use crate::sip::agent::LegEvent;
use crate::sip::agent::UserAgent;
use crate::sip::agent::inbound::ACCEPT;
use crate::sip::agent::inbound::ALLOW;
use crate::sip::agent::inbound::Inbound;
use crate::sip::agent::invite::offer;
use crate::sip::agent::leg::Described;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::agent::leg::Unacked;
use crate::sip::agent::leg::Which;
use crate::sip::message::Method;
use crate::sip::message::Response;
use crate::sip::sdp::MediaOffer;

/// Re-INVITEs that may wait for their ACK at a time.
const UNACKED_MAX: usize = 4;

/// Our side of a change.
enum Change {
    /// The peer offered, this is the answer.
    Answered(Vec<u8>, MediaOffer),
    /// The peer offered nothing and wants our offer.
    Offered(Vec<u8>),
    /// Nothing changes: the peer only refreshes.
    Nothing,
}

impl UserAgent {
    pub(super) fn take_reinvite(&mut self, leg: &mut Leg, inbound: Inbound, now: Uptime) {
        let full = leg.unacked.len() >= UNACKED_MAX || self.transactions_full();
        let change = if full { Err(491) } else { change(leg, &inbound) };
        let (body, sdp, offer) = match change {
            Ok(Change::Answered(body, offer)) => (body, Described::Answer, Some(offer)),
            Ok(Change::Offered(body)) => (body, Described::Offer, None),
            Ok(Change::Nothing) => return self.reply_with(&inbound, 500, now),
            Err(status) => return self.refuse_change(&inbound, status, now),
        };
        moved(leg, &inbound);
        let response = self.accept_change(&inbound, body);
        let bytes = self.send_response(inbound.reply.peer, response);
        self.remember(&inbound, 200, bytes.clone(), now);
        let Inbound { reply, key, number, .. } = inbound;
        leg.unacked.push(Unacked::new(number, key, reply.peer, bytes, now, (sdp, Which::Again)));
        self.tell_change(leg, offer);
    }

    pub(super) fn take_update(&mut self, leg: &mut Leg, inbound: &Inbound, now: Uptime) {
        let (body, offer) = match change(leg, inbound) {
            Ok(Change::Answered(body, offer)) => (body, Some(offer)),
            Ok(Change::Offered(_) | Change::Nothing) => (Vec::new(), None),
            Err(status) => return self.refuse_change(inbound, status, now),
        };
        moved(leg, inbound);
        let response = self.accept_change(inbound, body);
        self.reply(inbound, response, now);
        self.tell_change(leg, offer);
    }

    fn accept_change(&self, inbound: &Inbound, body: Vec<u8>) -> Response {
        // The request has our tag already: it is within the dialog.
        let mut response = inbound.reply.respond_in_dialog(200, "", &self.contact());
        response.headers.push("Allow", ALLOW);
        if !body.is_empty() {
            response.headers.push("Content-Type", "application/sdp");
        }
        response.body = body;
        response
    }

    fn refuse_change(&mut self, inbound: &Inbound, status: u16, now: Uptime) {
        if status == 415 {
            let mut response = inbound.reply.respond(status, "");
            response.headers.push("Accept", ACCEPT);
            self.reply(inbound, response, now);
        } else {
            self.reply_with(inbound, status, now);
        }
    }

    fn tell_change(&mut self, leg: &Leg, offer: Option<MediaOffer>) {
        if let Some(offer) = offer {
            let held = offer.held();
            self.tell(leg.id, LegEvent::Reoffered { offer, held });
        }
    }
}

fn moved(leg: &mut Leg, inbound: &Inbound) {
    leg.dialog.refresh(&inbound.request.headers);
    leg.peer = inbound.reply.peer;
}

/// What we say to the change, or the status that refuses it. A refused change changes nothing.
fn change(leg: &mut Leg, inbound: &Inbound) -> Result<Change, u16> {
    let offer = offer(inbound)?;
    let update = inbound.request.method == Method::Update;
    let offering = leg.offering();
    match (&leg.phase, &mut leg.media, offer) {
        (_, _, None) if update => Ok(Change::Nothing),
        // The first offer is not answered yet.
        (Phase::Ringing(_), _, _) | (_, None, _) => Err(500),
        _ if offering => Err(491),
        (_, Some(media), Some(offer)) => {
            media.version += 1;
            Ok(Change::Answered(media.answer(&offer), offer))
        }
        (_, Some(media), None) => {
            media.version += 1;
            Ok(Change::Offered(media.offer()))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sip::agent::Command;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::answer;

    fn directed(direction: &str) -> String {
        format!("{OFFER}a={direction}\r\n")
    }

    fn origin(call: &Script) -> String {
        call.sdp().lines().find(|line| line.starts_with("o=")).expect("origin").to_owned()
    }

    #[test]
    fn sip_8_hold_and_back_again() {
        let mut call = Script::talking();
        let first = origin(&call);
        call.requests("INVITE", &directed("sendonly")).does("200 INVITE, held");
        assert!(call.sdp().contains("a=recvonly"));
        assert_eq!(origin(&call), first.replace(" 1 IN", " 2 IN"));
        call.acks("").does("");
        call.requests("UPDATE", &directed("inactive")).does("200 UPDATE, held");
        assert!(call.sdp().contains("a=inactive"));
        call.requests("INVITE", OFFER).does("200 INVITE, reoffered");
        assert_eq!(origin(&call), first.replace(" 1 IN", " 4 IN"));
        call.acks("").does("");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_10_a_reinvite_without_an_offer_gets_ours() {
        let mut call = Script::talking();
        call.requests("INVITE", "").does("200 INVITE");
        assert!(call.sdp().contains("m=audio 4000 RTP/AVP 0 8 101"));
        call.acks(OFFER).does("reoffered");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_7_a_reinvite_may_overtake_the_ack() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.requests("UPDATE", OFFER).does("481 UPDATE");
        call.wants(answer()).does("200 INVITE");
        let ack = call.text("ACK", "").replace("CSeq: 2", "CSeq: 1").replace("bK2", "bKack");
        call.requests("INVITE", OFFER).does("200 INVITE, reoffered");
        call.sends(ack.as_bytes()).does("acknowledged");
        call.waits(1).does("0.5s 200 INVITE");
        call.acks("").does("");
        call.waits(60).does("");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn a_change_while_it_rings_comes_too_early() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(Command::Ring).does("180 INVITE");
        call.requests("UPDATE", OFFER).does("500 UPDATE");
        assert!(call.said().headers.get("Retry-After").is_some());
        call.requests("UPDATE", "").does("200 UPDATE");
    }

    #[test]
    fn a_refused_change_leaves_the_call_as_it_was() {
        let mut call = Script::talking();
        let video = OFFER.replace("RTP/AVP", "RTP/SAVP");
        call.requests("INVITE", &video).does("488 INVITE");
        call.waits(1).does("0.5s 488 INVITE");
        call.sends_again("ACK", "").does("");
        call.requests("UPDATE", &video).does("488 UPDATE");
        call.requests("INFO", "x").does("200 INFO, info of 1");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn a_reinvite_moves_the_remote_target() {
        let mut call = Script::talking();
        call.source = "192.0.2.9:5099".parse().expect("address");
        call.requests("INVITE", OFFER).does("200 INVITE, reoffered");
        call.acks("").does("");
        call.wants(Command::Bye { cause: 16 }).does("BYE");
        assert_eq!(call.asked().uri.as_str(), "sip:ann@192.0.2.9:5099");
        assert_eq!(call.sent.last().map(|(to, _)| *to), Some(call.source));
    }

    #[test]
    fn a_reinvite_without_its_ack_ends_the_call() {
        let mut call = Script::talking();
        call.requests("INVITE", OFFER).does("200 INVITE, reoffered");
        call.waits(31);
        call.waits(1);
        assert!(call.events.iter().any(|event| format!("{event:?}").contains("NoAck")));
        call.is_forgotten();
    }
}
