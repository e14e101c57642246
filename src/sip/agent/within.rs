//! Requests within a call: BYE, INFO, the ACK, and who else knocks.

use crate::model::time::Uptime;
use crate::sip::agent::Due;
use crate::sip::agent::GoneWhy;
use crate::sip::agent::InfoBody;
use crate::sip::agent::LegEvent;
use crate::sip::agent::Served;
use crate::sip::agent::Server;
use crate::sip::agent::UserAgent;
use crate::sip::agent::What;
use crate::sip::agent::inbound::ALLOW;
use crate::sip::agent::inbound::Inbound;
use crate::sip::agent::invite::offer;
use crate::sip::agent::leg::Described;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::agent::leg::Unacked;
use crate::sip::agent::leg::Which;
use crate::sip::agent::reason;
use crate::sip::dialog::DialogId;
use crate::sip::dialog::Order;
use crate::sip::message::Method;
use crate::sip::message::Response;
use crate::sip::transaction::InviteServer;
use crate::sip::transaction::OtherServer;
use crate::sip::transaction::Transport;

/// Q.850: incompatible destination.
const CAUSE_NO_MEDIA: u16 = 88;

impl UserAgent {
    pub(super) fn take_within(&mut self, inbound: Inbound, dialog: &DialogId, now: Uptime) {
        match self.dialogs.get(dialog) {
            Some(leg) => self.with_leg(*leg, |agent, leg| agent.within(leg, inbound, now)),
            None => self.refuse(&inbound.reply, 481, &[]),
        }
    }

    fn within(&mut self, leg: &mut Leg, inbound: Inbound, now: Uptime) {
        let order = leg.dialog.order(inbound.number);
        if order == Order::Stale {
            return self.reply_with(&inbound, 500, now);
        }
        // Our BYE is on its way: the session is over, only ends may still meet.
        let closing = matches!(leg.phase, Phase::Closing);
        match inbound.request.method {
            Method::Bye => self.take_bye(leg, &inbound, now),
            Method::Notify => self.take_notify(leg, &inbound, now),
            _ if closing => self.reply_with(&inbound, 481, now),
            Method::Info => self.take_info(leg, inbound, now),
            Method::Invite if order == Order::Same => self.reply_with(&inbound, 482, now),
            Method::Invite => self.take_reinvite(leg, inbound, now),
            Method::Update => self.take_update(leg, &inbound, now),
            _ => self.reply_with(&inbound, 200, now),
        }
    }

    fn take_bye(&mut self, leg: &mut Leg, inbound: &Inbound, now: Uptime) {
        self.reply_with(inbound, 200, now);
        self.terminate_invite(leg, now);
        self.end(leg, LegEvent::Bye { cause: reason::cause(&inbound.request.headers) });
    }

    /// Each INFO counts once, by its number: some peers repeat one under a new branch.
    fn take_info(&mut self, leg: &mut Leg, inbound: Inbound, now: Uptime) {
        self.reply_with(&inbound, 200, now);
        let Inbound { request, number, .. } = inbound;
        if leg.info_number.replace(number) != Some(number) && !request.body.is_empty() {
            let content_type = request.headers.get("Content-Type").unwrap_or_default().to_owned();
            let body = InfoBody::new(request.body);
            self.tell(leg.id, LegEvent::Info { content_type, body });
        }
    }

    /// The ACK for one of our 200s.
    pub(super) fn acknowledged(&mut self, leg: &mut Leg, inbound: &Inbound, now: Uptime) {
        let Some(at) = leg.unacked.iter().position(|ok| ok.number == inbound.number) else {
            return;
        };
        let ok = leg.unacked.remove(at);
        if let Some(Served { transaction: Server::Invite(transaction), .. }) =
            self.servers.get_mut(&ok.key)
        {
            transaction.settle();
        }
        let answer = match ok.sdp {
            Described::Offer => match offer(inbound) {
                Ok(Some(answer)) => Some(answer),
                Ok(None) | Err(_) => {
                    return self.drop_leg(leg, CAUSE_NO_MEDIA, GoneWhy::NoMedia, now);
                }
            },
            Described::Answer => None,
        };
        match (ok.invite, answer) {
            (Which::First, answer) => self.tell(leg.id, LegEvent::Acknowledged { answer }),
            (Which::Again, Some(offer)) => {
                let held = offer.held();
                self.tell(leg.id, LegEvent::Reoffered { offer, held });
            }
            (Which::Again, None) => {}
        }
        if ok.invite == Which::First {
            self.catch_up(leg, now);
        }
    }

    /// Nobody acknowledged our 200 for 32 seconds: the call is dead.
    pub(super) fn unacknowledged(&mut self, leg: &mut Leg, now: Uptime) {
        // 102: recovery on timer expiry.
        self.drop_leg(leg, 102, GoneWhy::NoAck, now);
    }

    /// What was wanted before the ACK came.
    fn catch_up(&mut self, leg: &mut Leg, now: Uptime) {
        if let Some(target) = leg.after_ack.refer.take() {
            self.refer(leg, target, now);
        }
        if let Some(cause) = leg.after_ack.bye.take() {
            self.bye(leg, cause, now);
        }
    }

    /// Sends BYE and does not wait for what becomes of it.
    fn drop_leg(&mut self, leg: &mut Leg, cause: u16, why: GoneWhy, now: Uptime) {
        self.send_bye(leg, cause, now);
        self.end(leg, LegEvent::Gone { why });
    }

    pub(super) fn send_bye(&mut self, leg: &mut Leg, cause: u16, now: Uptime) {
        let mut bye = leg.dialog.request(Method::Bye);
        bye.headers.push("Reason", reason::q850(cause));
        self.ask(leg, bye, What::Bye, now);
    }

    pub(super) fn bye_answered(&mut self, leg: &mut Leg) {
        self.end(leg, LegEvent::Gone { why: GoneWhy::ByeAnswered });
    }

    /// Answers a request other than INVITE, or refuses any, without a word more.
    pub(super) fn reply_with(&mut self, inbound: &Inbound, status: u16, now: Uptime) {
        let mut response = inbound.reply.respond(status, "");
        match status {
            200 => response.headers.push("Allow", ALLOW),
            // Whatever is in the way will be gone soon (RFC 3261, section 14.2; RFC 3311).
            500 => response.headers.push("Retry-After", "2"),
            _ => {}
        }
        self.reply(inbound, response, now);
    }

    /// Answers a request within a dialog and remembers the answer.
    pub(super) fn reply(&mut self, inbound: &Inbound, response: Response, now: Uptime) {
        let status = response.status;
        let bytes = self.send_response(inbound.reply.peer, response);
        self.remember(inbound, status, bytes, now);
    }

    /// Keeps a final response for when the request comes again, as long as there is room.
    pub(super) fn remember(&mut self, inbound: &Inbound, status: u16, bytes: Vec<u8>, now: Uptime) {
        if self.transactions_full() {
            return;
        }
        let (key, reply) = (&inbound.key, &inbound.reply);
        let (transaction, at) = if inbound.request.method == Method::Invite {
            let mut transaction = InviteServer::new(Transport::Datagram, Vec::new());
            transaction.respond(status, bytes, now);
            let at = transaction.deadline();
            (Server::Invite(transaction), at)
        } else {
            let transaction = OtherServer::new(Transport::Datagram, bytes, now);
            let at = transaction.deadline();
            (Server::Other(transaction), at)
        };
        self.agenda.set(Due::Server(key.clone()), at);
        let served =
            Served { transaction, peer: reply.peer, tag: String::new(), leg: None, merge: None };
        self.servers.insert(key.clone(), served);
    }

    /// Says 200 again where the ACK does not come, and in the end gives the call up.
    pub(super) fn await_acks(&mut self, leg: &mut Leg, now: Uptime) {
        if leg.unacked.iter().any(|ok| ok.until <= now) {
            return self.unacknowledged(leg, now);
        }
        for Unacked { repeat, bytes, to, .. } in &mut leg.unacked {
            if repeat.is_due(now) {
                self.resend(*to, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sip::agent::Command;
    use crate::sip::agent::LegEvent;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::answer;

    #[test]
    fn sip_7_info_may_come_before_the_ack() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        let ack = call.text("ACK", "");
        call.requests("INFO", "Signal=1").does("200 INFO, info of 8");
        call.sends(ack.as_bytes()).does("acknowledged");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_6_each_info_counts_once() {
        let mut call = Script::talking();
        call.requests("INFO", "Signal=1").does("200 INFO, info of 8");
        call.sends_again("INFO", "Signal=1").does("200 INFO");
        let other_branch = call.text("INFO", "Signal=1").replace("z9hG4bK", "z9hG4bKx");
        call.sends(other_branch.as_bytes()).does("200 INFO");
        call.requests("INFO", "").does("200 INFO");
        call.requests("INFO", "Signal=1").does("200 INFO, info of 8");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn no_debug_shows_a_key() {
        let mut call = Script::talking();
        call.requests("INFO", "Signal=C").does("200 INFO, info of 8");
        let Some(event @ LegEvent::Info { .. }) = call.events.last() else { panic!("no INFO") };
        assert!(!format!("{event:?}").contains("Signal"));
    }

    #[test]
    fn sip_3_numbers_may_skip_but_not_go_back() {
        let mut call = Script::talking();
        let late = call.text("INFO", "x").replace("CSeq: 1", "CSeq: 2").replace("bK2", "late");
        let far = call.text("INFO", "x").replace("CSeq: 1", "CSeq: 9").replace("bK2", "far");
        call.sends(far.as_bytes()).does("200 INFO, info of 1");
        call.sends(late.as_bytes()).does("500 INFO");
        let bye = call.text("BYE", "").replace("CSeq: 1", "CSeq: 77");
        call.sends(bye.as_bytes()).does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn a_bye_while_it_rings_ends_the_invite_too() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(Command::Ring).does("180 INVITE");
        call.requests("BYE", "").does("200 BYE, 487 INVITE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_7_without_an_ack_the_200_is_repeated_and_then_the_call_ends() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        let repeated = "0.5s 200 INVITE, 1.5s 200 INVITE, 3.5s 200 INVITE, 7.5s 200 INVITE, 11.5s 200 INVITE, \
                        15.5s 200 INVITE, 19.5s 200 INVITE, 23.5s 200 INVITE, 27.5s 200 INVITE, 31.5s 200 INVITE";
        call.waits(32).does(&format!("{repeated}, 32s BYE, 32s gone NoAck"));
        call.responds(200).does("");
        call.is_forgotten();
    }

    #[test]
    fn our_bye_waits_for_the_ack() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        call.wants(Command::Bye { cause: 16 }).does("");
        call.acks("").does("acknowledged, BYE");
        assert_eq!(call.asked().headers.get("Reason"), Some("Q.850;cause=16"));
        call.responds(200).does("gone ByeAnswered");
        call.is_forgotten();
    }

    #[test]
    fn an_unanswered_bye_gives_up_after_32_seconds() {
        let mut call = Script::talking();
        call.wants(Command::Bye { cause: 16 }).does("BYE");
        let repeated = "0.5s BYE, 1.5s BYE, 3.5s BYE, 7.5s BYE, 11.5s BYE, 15.5s BYE, 19.5s BYE, 23.5s BYE, \
                        27.5s BYE, 31.5s BYE";
        call.waits(32).does(&format!("{repeated}, 32s gone ByeTimedOut"));
        call.is_forgotten();
    }

    #[test]
    fn two_byes_may_cross() {
        let mut call = Script::talking();
        call.wants(Command::Bye { cause: 16 }).does("BYE");
        call.requests("INFO", "x").does("481 INFO");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.responds(481).does("");
        call.is_forgotten();
    }

    #[test]
    fn requests_of_ours_go_to_the_peer_and_to_nobody_else() {
        for (contact, to) in [
            ("sip:a@192.0.2.7:5080", "192.0.2.7:5080"),
            ("sip:a@203.0.113.66:5060", "192.0.2.1:5070"),
            ("sip:a@host.example", "192.0.2.1:5070"),
            ("sip:a@192.0.2.7:5061;transport=tls", "192.0.2.1:5070"),
            ("sip:a@10.0.0.9", "192.0.2.1:5070"),
        ] {
            let mut call = Script::new();
            let invite = call.text("INVITE", OFFER).replace("sip:ann@192.0.2.1:5070", contact);
            call.sends(invite.as_bytes()).does("100 INVITE, invited");
            call.wants(answer()).does("200 INVITE");
            call.acks("").does("acknowledged");
            call.wants(Command::Bye { cause: 16 }).does("BYE");
            let (sent_to, _) = call.sent.last().expect("a datagram");
            assert_eq!(sent_to.to_string(), to);
            assert_eq!(call.asked().uri.as_str(), contact);
        }
    }
}
