//! A new call: who gets in, and the answers to its INVITE.

use std::net::SocketAddr;

use crate::model::ids::TrunkName;
use crate::model::time::Uptime;
use crate::sip::agent::Counted;
use crate::sip::agent::Due;
use crate::sip::agent::GoneWhy;
use crate::sip::agent::Invitation;
use crate::sip::agent::LegEvent;
use crate::sip::agent::LegId;
use crate::sip::agent::Served;
use crate::sip::agent::Server;
use crate::sip::agent::Shed;
use crate::sip::agent::UserAgent;
use crate::sip::agent::inbound::ACCEPT;
use crate::sip::agent::inbound::ALLOW;
use crate::sip::agent::inbound::DRAINING_SECONDS;
use crate::sip::agent::inbound::Inbound;
use crate::sip::agent::leg::AfterAck;
use crate::sip::agent::leg::Described;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::agent::leg::RING_AGAIN;
use crate::sip::agent::leg::RING_MAX;
use crate::sip::agent::leg::Ringing;
use crate::sip::agent::leg::Unacked;
use crate::sip::agent::leg::Which;
use crate::sip::body::Body;
use crate::sip::dialog::Dialog;
use crate::sip::message::Headers;
use crate::sip::message::NameAddr;
use crate::sip::message::Response;
use crate::sip::sdp::LocalMedia;
use crate::sip::sdp::MediaOffer;
use crate::sip::sdp::SdpError;
use crate::sip::transaction::InviteServer;
use crate::sip::transaction::Key;
use crate::sip::transaction::Transport;

impl UserAgent {
    pub(super) fn invite(&mut self, inbound: Inbound, trunk: Option<TrunkName>, now: Uptime) {
        let merge = merge_key(&inbound);
        if self.merging.contains_key(&merge) {
            return self.refuse(&inbound.reply, 482, &[]);
        }
        if let Some(shed) = self.sheds(now) {
            self.count(Counted::Shed(shed));
            return self.refuse(&inbound.reply, 503, &[("Retry-After", shed.retry_after())]);
        }
        let tag = self.names.tag();
        let read = || {
            let dialog = Dialog::begin(&inbound.request, &tag).map_err(|_| 400_u16)?;
            Ok((dialog, invitation(&inbound, trunk, offer(&inbound)?)?))
        };
        match read() {
            Ok((dialog, invitation)) => {
                let leg = self.begin(inbound, dialog, invitation.offer.clone(), merge, now);
                self.tell(leg, LegEvent::Invited(Box::new(invitation)));
            }
            Err(415) => self.refuse(&inbound.reply, 415, &[("Accept", ACCEPT)]),
            Err(status) => self.refuse(&inbound.reply, status, &[]),
        }
    }

    fn sheds(&mut self, now: Uptime) -> Option<Shed> {
        if self.config.draining {
            Some(Shed::Draining)
        } else if self.legs.len() >= self.config.max_legs || self.transactions_full() {
            Some(Shed::Full)
        } else if !self.rate.admit(now) {
            Some(Shed::Rate)
        } else {
            None
        }
    }

    fn begin(
        &mut self,
        inbound: Inbound,
        dialog: Dialog,
        offer: Option<MediaOffer>,
        merge: String,
        now: Uptime,
    ) -> LegId {
        self.legs_begun += 1;
        let id = LegId(self.legs_begun);
        let Inbound { reply, key, .. } = inbound;
        let (tag, peer) = (dialog.id.local_tag.clone(), reply.peer);
        let trying = self.send_response(peer, reply.respond(100, &tag));
        let transaction = Server::Invite(InviteServer::new(Transport::Datagram, trying));
        self.merging.insert(merge.clone(), key.clone());
        let served = Served { transaction, peer, tag, leg: Some(id), merge: Some(merge) };
        self.servers.insert(key.clone(), served);
        self.dialogs.insert(dialog.id.clone(), id);
        let ringing = Ringing { reply, key, offer, again: None, until: now + RING_MAX };
        let leg = Leg {
            id,
            dialog,
            phase: Phase::Ringing(Box::new(ringing)),
            peer,
            media: None,
            unacked: Vec::new(),
            info_number: None,
            refer: None,
            after_ack: AfterAck::default(),
        };
        self.agenda.set(Due::Leg(id), leg.deadline());
        self.legs.insert(id, leg);
        id
    }

    /// 180, now and every minute: proxies in between would give up otherwise.
    pub(super) fn ring(&mut self, leg: &mut Leg, now: Uptime) {
        let Phase::Ringing(ringing) = &mut leg.phase else { return };
        ringing.again = Some(now + RING_AGAIN);
        let tag = &leg.dialog.id.local_tag;
        let response = ringing.reply.respond_in_dialog(180, tag, &self.contact());
        self.respond_invite(&ringing.key, ringing.reply.peer, response, now);
    }

    pub(super) fn answer(&mut self, leg: &mut Leg, rtp: SocketAddr, now: Uptime) {
        let Some(ringing) = leg.take_ringing() else { return };
        leg.phase = Phase::Talking;
        let media = LocalMedia { session: self.names.session(), version: 1, rtp };
        leg.media = Some(media);
        let (body, sdp) = match &ringing.offer {
            Some(offer) => (media.answer(offer), Described::Answer),
            None => (media.offer(), Described::Offer),
        };
        let mut response =
            ringing.reply.respond_in_dialog(200, &leg.dialog.id.local_tag, &self.contact());
        response.headers.push("Allow", ALLOW);
        response.headers.push("Content-Type", "application/sdp");
        response.body = body;
        let to = ringing.reply.peer;
        let bytes = self.respond_invite(&ringing.key, to, response, now);
        let number = ringing.reply.cseq().map_or(0, |cseq| cseq.number);
        let what = (sdp, Which::First);
        leg.unacked.push(Unacked::new(number, ringing.key, to, bytes, now, what));
    }

    /// A final response other than 2xx; the leg ends, the transaction sees to the ACK.
    pub(super) fn decline(
        &mut self,
        leg: &mut Leg,
        status: u16,
        headers: &[(&str, &str)],
        now: Uptime,
    ) -> bool {
        let Some(ringing) = leg.take_ringing() else { return false };
        let mut response = ringing.reply.respond(status, &leg.dialog.id.local_tag);
        for (name, value) in headers {
            response.headers.push(name, value);
        }
        self.respond_invite(&ringing.key, ringing.reply.peer, response, now);
        true
    }

    /// 487, if the INVITE is not answered yet.
    pub(super) fn terminate_invite(&mut self, leg: &mut Leg, now: Uptime) -> bool {
        self.decline(leg, 487, &[], now)
    }

    /// Nobody answered.
    pub(super) fn give_up_ringing(&mut self, leg: &mut Leg, now: Uptime) {
        if self.decline(leg, 480, &[], now) {
            self.end(leg, LegEvent::Gone { why: GoneWhy::Unanswered });
        }
    }

    /// Sends a response to an INVITE by way of its transaction.
    pub(super) fn respond_invite(
        &mut self,
        key: &Key,
        to: SocketAddr,
        response: Response,
        now: Uptime,
    ) -> Vec<u8> {
        let status = response.status;
        let bytes = self.send_response(to, response);
        if let Some(served) = self.servers.get_mut(key)
            && let Server::Invite(transaction) = &mut served.transaction
        {
            transaction.respond(status, bytes.clone(), now);
            self.agenda.set(Due::Server(key.clone()), transaction.deadline());
        }
        bytes
    }
}

impl Shed {
    /// Seconds after which another try may do.
    fn retry_after(self) -> &'static str {
        match self {
            Self::Draining => DRAINING_SECONDS,
            Self::Full => "5",
            Self::Rate | Self::Stranger => "2",
        }
    }
}

fn merge_key(inbound: &Inbound) -> String {
    let headers = &inbound.request.headers;
    let tag = headers.from_tag().unwrap_or_default();
    format!("{}\n{tag}\n{}", headers.call_id().unwrap_or_default(), inbound.number)
}

/// The offer in a request, or the status that refuses it.
pub(super) fn offer(inbound: &Inbound) -> Result<Option<MediaOffer>, u16> {
    let source = inbound.reply.peer.ip().to_canonical();
    match Body::of(&inbound.request.headers, &inbound.request.body) {
        Body::Empty => Ok(None),
        Body::Unknown => Err(415),
        Body::Description(text) => match MediaOffer::parse(text, source) {
            Ok(offer) => Ok(Some(offer)),
            Err(SdpError::Malformed) => Err(400),
            Err(SdpError::NotAcceptable) => Err(488),
        },
    }
}

fn invitation(
    inbound: &Inbound,
    trunk: Option<TrunkName>,
    offer: Option<MediaOffer>,
) -> Result<Invitation, u16> {
    let headers = inbound.request.headers.clone();
    Ok(Invitation {
        call_id: headers.call_id().unwrap_or_default().to_owned(),
        from: headers.from().map_err(|_| 400_u16)?,
        to: headers.to().map_err(|_| 400_u16)?,
        request_uri: inbound.request.uri.clone(),
        source: inbound.reply.peer,
        trunk,
        asserted: asserted(&headers),
        headers,
        offer,
    })
}

fn asserted(headers: &Headers) -> Vec<NameAddr> {
    let listed = headers.list("P-Asserted-Identity");
    listed.into_iter().filter_map(|one| NameAddr::parse(one).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::agent::Command;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::answer;
    use crate::sip::agent::script::config;

    fn invitation(call: &mut Script) -> Box<Invitation> {
        match call.events.pop() {
            Some(LegEvent::Invited(invitation)) => invitation,
            other => panic!("no invitation: {other:?}"),
        }
    }

    #[test]
    fn an_invitation_says_who_calls_and_how() {
        let mut call = Script::new();
        call.extra = "P-Asserted-Identity: \"Ann, B.\" <sip:+4420@192.0.2.1>, <tel:+4420>\r\n\
                      X-Countersign-Intent: 00\r\n"
            .to_owned();
        call.invites(OFFER);
        let invitation = invitation(&mut call);
        assert_eq!(invitation.call_id, "call-1");
        assert_eq!(invitation.from.uri.as_str(), "sip:ann@192.0.2.1");
        assert_eq!(invitation.asserted.len(), 2);
        assert_eq!(invitation.trunk.as_ref().map(TrunkName::as_str), Some("carrier"));
        assert_eq!(invitation.headers.get("x-countersign-intent"), Some("00"));
        assert_eq!(invitation.offer.as_ref().and_then(|offer| offer.telephone_event), Some(97));
    }

    #[test]
    fn sip_4_the_answer_speaks_the_offers_numbers() {
        let mut call = Script::talking();
        let sdp = call.sdp();
        assert!(sdp.contains("m=audio 4000 RTP/AVP 8 0 97\r\n"), "{sdp}");
        assert_eq!(call.said().headers.get("Content-Type"), Some("application/sdp"));
        assert_eq!(call.said().headers.get("Contact"), Some("<sip:countersign@198.51.100.1:5060>"));
        call.requests("BYE", "");
        call.is_forgotten();
    }

    #[test]
    fn sip_10_a_delayed_offer_is_made_in_the_200_and_answered_in_the_ack() {
        let mut call = Script::new();
        call.invites("").does("100 INVITE, invited");
        assert_eq!(invitation(&mut call).offer, None);
        call.wants(answer()).does("200 INVITE");
        assert!(call.sdp().contains("m=audio 4000 RTP/AVP 0 8 101\r\n"));
        call.requests("UPDATE", OFFER).does("491 UPDATE");
        let ack = call.text("ACK", OFFER).replace("CSeq: 2", "CSeq: 1").replace("bK2", "bK3");
        call.sends(ack.as_bytes()).does("acknowledged with answer");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn an_ack_without_the_answer_ends_the_call() {
        let mut call = Script::new();
        call.invites("").does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        call.acks("").does("BYE, gone NoMedia");
        call.responds(200).does("");
        call.is_forgotten();
    }

    #[test]
    fn what_cannot_be_heard_is_not_taken() {
        let mut call = Script::new();
        let video = OFFER.replace("m=audio 5000 RTP/AVP", "m=audio 5000 RTP/SAVP");
        call.invites(&video).does("488 INVITE");
        call.invites("v=1").does("400 INVITE");
        call.extra = "Content-Type: text/plain\r\n".to_owned();
        call.invites("hello").does("415 INVITE");
        assert!(call.said().headers.get("Accept").is_some());
        assert_eq!(call.agent.transactions(), 0);
    }

    #[test]
    fn a_caller_sent_elsewhere_gets_302_until_the_ack() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        let headers = vec![("User-to-User".to_owned(), "00;encoding=hex".to_owned())];
        let contact = "sip:queue@pbx;x=y".to_owned();
        call.wants(Command::Redirect { contact, headers }).does("302 INVITE, gone Redirected");
        assert_eq!(call.said().headers.get("Contact"), Some("<sip:queue@pbx;x=y>"));
        assert_eq!(call.said().headers.get("User-to-User"), Some("00;encoding=hex"));
        call.waits(2).does("0.5s 302 INVITE, 1.5s 302 INVITE");
        call.sends_again("ACK", "").does("");
        call.waits(30).does("");
        call.is_forgotten();
    }

    #[test]
    fn a_refusal_carries_its_cause() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(Command::Reject { status: 603, retry_after: Some(9), reason_q850: Some(21) })
            .does("603 INVITE, gone Rejected");
        assert_eq!(call.said().headers.get("Reason"), Some("Q.850;cause=21"));
        assert_eq!(call.said().headers.get("Retry-After"), Some("9"));
        call.wants(answer()).does("");
        call.is_forgotten();
    }

    #[test]
    fn an_invite_that_comes_on_two_ways_is_merged() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        let other_way = call.text("INVITE", OFFER).replace("branch=z9hG4bK", "branch=z9hG4bKx");
        call.sends(other_way.as_bytes()).does("482 INVITE");
    }

    #[test]
    fn ringing_is_repeated_each_minute_and_does_not_last_for_ever() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(Command::Ring).does("180 INVITE");
        call.waits(180)
            .does("60s 180 INVITE, 120s 180 INVITE, 180s 480 INVITE, 180s gone Unanswered");
        call.is_forgotten();
    }

    #[test]
    fn sip_17_too_many_calls_are_told_when_to_come_again() {
        let mut config = config();
        config.max_legs = 2;
        let mut peer = Script::with(config);
        for (call, answer) in
            [("1", "100 INVITE, invited"), ("2", "100 INVITE, invited"), ("3", "503 INVITE")]
        {
            call.clone_into(&mut peer.call_id);
            peer.invites(OFFER).does(answer);
        }
        assert_eq!(peer.said().headers.get("Retry-After"), Some("5"));
        assert!(peer.counted.contains(&Counted::Shed(Shed::Full)));
    }

    #[test]
    fn calls_beyond_the_rate_leave_no_trace() {
        let mut config = config();
        config.max_new_per_second = 5;
        let mut peer = Script::with(config);
        for number in 0..50 {
            peer.call_id = format!("call-{number}");
            peer.invites(OFFER);
        }
        assert_eq!((peer.agent.legs(), peer.agent.transactions()), (5, 5));
    }
}
