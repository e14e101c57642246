//! What comes from the network, sorted.

use std::net::SocketAddr;

use crate::model::ids::TrunkName;
use crate::model::time::Uptime;
use crate::sip::agent::Counted;
use crate::sip::agent::Due;
use crate::sip::agent::LegEvent;
use crate::sip::agent::Server;
use crate::sip::agent::Shed;
use crate::sip::agent::UserAgent;
use crate::sip::agent::What;
use crate::sip::agent::admission::Standing;
use crate::sip::agent::label;
use crate::sip::dialog::DialogId;
use crate::sip::message::Malformed;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::ParseError;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::message::parse;
use crate::sip::reply::Reply;
use crate::sip::transaction::Acknowledged;
use crate::sip::transaction::Heard;
use crate::sip::transaction::Key;

/// The methods we serve, as Allow lists them.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY";
/// The bodies we read, as Accept lists them.
pub(super) const ACCEPT: &str =
    "application/sdp, multipart/mixed, application/dtmf-relay, application/dtmf";
/// How long a peer should keep away while we stop.
pub(super) const DRAINING_SECONDS: &str = "30";

/// A request with what answering it takes.
pub(super) struct Inbound {
    pub(super) request: Request,
    pub(super) reply: Reply,
    pub(super) key: Key,
    pub(super) number: u32,
}

impl UserAgent {
    pub(super) fn take_in(&mut self, bytes: &[u8], source: SocketAddr, now: Uptime) {
        // CRLF and NUL keep a NAT's door open.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        let Standing::Served(trunk) = Standing::of(&self.config, source.ip()) else {
            return self.refuse_stranger(bytes, source, now);
        };
        match parse(bytes) {
            Ok(Message::Request(request)) => self.take_request(request, source, trunk, now),
            Ok(Message::Response(response)) => self.take_response(&response, now),
            Err(ParseError::Bad { status, reason, headers }) => {
                self.count(Counted::Malformed(reason));
                if let Ok(reply) = Reply::to_request(&headers, source) {
                    let tag = self.names.stateless_tag(&reply.fingerprint());
                    let mut response = reply.respond(status, &tag);
                    reason.clone_into(&mut response.reason);
                    self.send_response(source, response);
                }
            }
            Err(ParseError::Drop { reason }) => self.count(Counted::Malformed(reason)),
        }
    }

    /// 403 without state, never longer than the request and never many: nothing to amplify.
    fn refuse_stranger(&mut self, bytes: &[u8], source: SocketAddr, now: Uptime) {
        self.count(Counted::Shed(Shed::Stranger));
        let worth = self.strangers.answer(source.ip(), now);
        self.agenda.set(Due::Strangers, self.strangers.deadline());
        if !worth {
            return;
        }
        let Ok(Message::Request(request)) = parse(bytes) else { return };
        let Ok(reply) = Reply::to_request(&request.headers, source) else { return };
        let tag = self.names.stateless_tag(&reply.fingerprint());
        let response = reply.respond(403, &tag).to_bytes();
        if request.method != Method::Ack && response.len() <= bytes.len() {
            self.count(Counted::Response { code: 403, outbound: true });
            self.send(source, response);
        }
    }

    fn take_request(
        &mut self,
        request: Request,
        source: SocketAddr,
        trunk: Option<TrunkName>,
        now: Uptime,
    ) {
        let read = || {
            let reply = Reply::to_request(&request.headers, source)?;
            let key = Key::of_request(&request.method, &request.headers)?;
            Ok((reply, key, request.headers.cseq()?.number))
        };
        let (reply, key, number) = match read() {
            Ok(read) => read,
            Err(Malformed(what)) => return self.count(Counted::Malformed(what)),
        };
        let method = label(&request.method);
        let inbound = Inbound { request, reply, key, number };
        match inbound.request.method {
            Method::Ack => {
                self.count(Counted::Request { method, outbound: false });
                self.take_ack(inbound, now);
            }
            Method::Cancel => {
                self.count(Counted::Request { method, outbound: false });
                self.take_cancel(&inbound, now);
            }
            _ if self.repeats(&inbound) => {}
            _ => {
                self.count(Counted::Request { method, outbound: false });
                self.take_new(inbound, trunk, now);
            }
        }
    }

    /// Answers a request that we have already answered, once more.
    fn repeats(&mut self, inbound: &Inbound) -> bool {
        let Some(served) = self.servers.get(&inbound.key) else { return false };
        let latest = match &served.transaction {
            Server::Invite(transaction) => transaction.latest().to_vec(),
            Server::Other(transaction) => transaction.latest().to_vec(),
        };
        let peer = served.peer;
        self.resend(peer, &latest);
        true
    }

    fn take_new(&mut self, inbound: Inbound, trunk: Option<TrunkName>, now: Uptime) {
        let Inbound { request, reply, .. } = &inbound;
        let headers = &request.headers;
        let required = headers.list("Require").join(", ");
        match &request.method {
            Method::Prack => self.refuse(reply, 481, &[]),
            method if !serves(method) => self.refuse(reply, 405, &[("Allow", ALLOW)]),
            // We know no extension that a peer may insist on.
            _ if !required.is_empty() => self.refuse(reply, 420, &[("Unsupported", &required)]),
            method => match (DialogId::of_request(headers), method) {
                (Some(dialog), _) => self.take_within(inbound, &dialog, now),
                (None, _) if headers.max_forwards() == Some(0) => self.refuse(reply, 483, &[]),
                (None, Method::Options) => self.tell_options(reply),
                (None, Method::Invite) => self.invite(inbound, trunk, now),
                (None, _) => self.refuse(reply, 481, &[]),
            },
        }
    }

    /// 200 says that calls may come; 503 that they should go elsewhere.
    fn tell_options(&mut self, reply: &Reply) {
        if self.config.draining {
            self.refuse(reply, 503, &[("Retry-After", DRAINING_SECONDS)]);
        } else {
            let contact = self.contact();
            self.refuse(reply, 200, &[("Contact", &contact), ("Allow", ALLOW), ("Accept", ACCEPT)]);
        }
    }

    fn take_ack(&mut self, inbound: Inbound, now: Uptime) {
        if let Some(served) = self.servers.get_mut(&inbound.key)
            && let Server::Invite(transaction) = &mut served.transaction
            && transaction.acknowledge(now) == Acknowledged::Absorbed
        {
            let at = transaction.deadline();
            return self.agenda.set(Due::Server(inbound.key), at);
        }
        let dialog = DialogId::of_request(&inbound.request.headers);
        if let Some(leg) = dialog.and_then(|dialog| self.dialogs.get(&dialog).copied()) {
            self.with_leg(leg, |agent, leg| agent.acknowledged(leg, &inbound, now));
        }
    }

    fn take_cancel(&mut self, inbound: &Inbound, now: Uptime) {
        let Some(served) = self.servers.get(&inbound.key) else {
            return self.refuse(&inbound.reply, 481, &[]);
        };
        let (leg, ok) = (served.leg, inbound.reply.respond(200, &served.tag));
        self.send_response(inbound.reply.peer, ok);
        // Too late once the INVITE is answered: then the caller has to send BYE.
        if let Some(leg) = leg {
            self.with_leg(leg, |agent, leg| {
                if agent.terminate_invite(leg, now) {
                    agent.end(leg, LegEvent::Cancelled);
                }
            });
        }
    }

    fn take_response(&mut self, response: &Response, now: Uptime) {
        let Ok(key) = Key::of_response(&response.headers) else {
            return self.count(Counted::Malformed("response"));
        };
        let Some(asked) = self.clients.get_mut(&key) else { return };
        let heard = asked.client.hear(response.status, now);
        let (leg, what) = (asked.leg, asked.what);
        let at = asked.client.deadline();
        self.agenda.set(Due::Client(key), Some(at));
        match heard {
            Heard::Provisional => {}
            Heard::Again => self.count(Counted::Repeated),
            Heard::Final => {
                self.count(Counted::Response { code: response.status, outbound: false });
                self.with_leg(leg, |agent, leg| match what {
                    What::Bye => agent.bye_answered(leg),
                    What::Refer => agent.refer_answered(leg, response.status, now),
                });
            }
        }
    }
}

fn serves(method: &Method) -> bool {
    match method {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Update
        | Method::Notify => true,
        Method::Refer
        | Method::Prack
        | Method::Register
        | Method::Subscribe
        | Method::Message
        | Method::Publish
        | Method::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::agent::Command;
    use crate::sip::agent::Output;
    use crate::sip::agent::script::OFFER;
    use crate::sip::agent::script::Script;
    use crate::sip::agent::script::address;
    use crate::sip::agent::script::answer;
    use crate::sip::agent::script::config;

    #[test]
    fn a_call_from_invite_to_bye() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(Command::Ring).does("180 INVITE");
        call.wants(answer()).does("200 INVITE");
        call.acks("").does("acknowledged");
        call.extra = "Reason: Q.850;cause=16\r\n".to_owned();
        call.requests("BYE", "").does("200 BYE, bye 16");
        call.is_forgotten();
    }

    #[test]
    fn whatever_comes_twice_is_answered_alike_and_told_once() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.sends_again("INVITE", OFFER).does("100 INVITE");
        call.wants(Command::Ring).does("180 INVITE");
        // What the caller repeats has no tag of ours.
        let again = call.text("INVITE", OFFER).replace(";tag=", ";was=");
        call.sends(again.as_bytes()).does("180 INVITE");
        call.wants(answer()).does("200 INVITE");
        call.sends(again.as_bytes()).does("200 INVITE");
        call.acks("").does("acknowledged");
        call.sends(again.as_bytes()).does("");
        call.sends_again("ACK", "").does("");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.sends_again("BYE", "").does("200 BYE");
        call.is_forgotten();
    }

    #[test]
    fn sip_15_cancel_gets_200_and_the_invite_487() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.sends_again("CANCEL", "").does("200 CANCEL, 487 INVITE, cancelled");
        let tags: Vec<_> =
            call.sent.iter().map(|(_, message)| message.headers().to_tag()).collect();
        assert_eq!(tags[1], tags[2]);
        call.sends_again("CANCEL", "").does("200 CANCEL");
        call.sends_again("ACK", "").does("");
        call.waits(32).does("");
        call.is_forgotten();
    }

    #[test]
    fn sip_15_cancel_after_the_answer_changes_nothing() {
        let mut call = Script::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        call.sends_again("CANCEL", "").does("200 CANCEL");
        call.acks("").does("acknowledged");
        call.requests("CANCEL", "").does("481 CANCEL");
        call.requests("BYE", "").does("200 BYE, bye 0");
        call.is_forgotten();
    }

    #[test]
    fn sip_16_options_is_answered_and_says_when_we_drain() {
        let mut peer = Script::new();
        peer.requests("OPTIONS", "").does("200 OPTIONS");
        assert_eq!(peer.said().headers.get("Allow"), Some(ALLOW));
        assert!(peer.said().headers.to_tag().is_some());
        peer.agent.set_draining(true);
        peer.requests("OPTIONS", "").does("503 OPTIONS");
        assert_eq!(peer.said().headers.get("Retry-After"), Some("30"));
        peer.invites(OFFER).does("503 INVITE");
        assert_eq!(peer.agent.transactions(), 0);
    }

    #[test]
    fn what_we_do_not_serve_is_refused_without_a_trace() {
        let mut peer = Script::new();
        for (method, status) in [
            ("FOO", 405),
            ("invite", 405),
            ("REGISTER", 405),
            ("MESSAGE", 405),
            ("REFER", 405),
            ("SUBSCRIBE", 405),
            ("PRACK", 481),
            ("BYE", 481),
            ("INFO", 481),
            ("UPDATE", 481),
            ("NOTIFY", 481),
            ("CANCEL", 481),
        ] {
            peer.requests(method, "").does(&format!("{status} {method}"));
            let allow = peer.said().headers.get("Allow");
            assert_eq!(allow.is_some(), status == 405, "{method}");
        }
        peer.acks("").does("");
        assert_eq!((peer.agent.transactions(), peer.agent.next_timeout()), (0, None));
    }

    #[test]
    fn sip_18_what_must_be_supported_is_named_in_420() {
        let mut peer = Script::new();
        peer.extra = "Require: 100rel\r\nRequire: timer, x\r\n".to_owned();
        peer.invites(OFFER).does("420 INVITE");
        assert_eq!(peer.said().headers.get("Unsupported"), Some("100rel, timer, x"));
        peer.extra = "Supported: 100rel, timer\r\n".to_owned();
        peer.invites(OFFER).does("100 INVITE, invited");
    }

    #[test]
    fn no_hops_left_is_483() {
        let mut peer = Script::new();
        let text = peer.text("INVITE", OFFER).replace("Max-Forwards: 70", "Max-Forwards: 0");
        peer.sends(text.as_bytes()).does("483 INVITE");
    }

    #[test]
    fn sip_17_a_stranger_gets_ten_short_refusals_a_second() {
        let mut scanner = Script::new();
        scanner.source = address("203.0.113.9:5060");
        scanner.invites(OFFER).does("403 INVITE");
        for _ in 0..100 {
            scanner.requests("REGISTER", "");
        }
        assert_eq!(scanner.sent.len(), 10);
        scanner.waits(1);
        scanner.sent.clear();
        // An answer longer than the question would amplify.
        let short = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nf:sip:a@b;tag=1\r\n\
                     t:sip:a@b\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n";
        scanner.sends(short.as_bytes()).sends(b"\0\0").sends(b"hello");
        assert!(scanner.sent.is_empty());
        scanner.is_forgotten();
    }

    #[test]
    fn without_trunks_only_the_loopback_is_served_when_wished() {
        for served in [true, false] {
            let mut config = config();
            config.trunks.clear();
            config.loopback_untrusted = served;
            let mut call = Script::with(config);
            call.source = address("127.0.0.1:5070");
            call.invites(OFFER).does(if served { "100 INVITE, invited" } else { "403 INVITE" });
        }
    }

    #[test]
    fn malformed_requests_are_answered_where_possible() {
        let mut peer = Script::new();
        let text = peer.text("INVITE", OFFER);
        for (right, wrong, status) in [
            ("CSeq: 0 INVITE", "CSeq: x INVITE", "SIP/2.0 400 "),
            ("CSeq: 0 INVITE", "CSeq: 1 BYE", "SIP/2.0 400 "),
            ("To: <sip:ivr", "To: <sip:iv r", "SIP/2.0 400 "),
            (" SIP/2.0\r\nVia", " SIP/7.0\r\nVia", "SIP/2.0 505 "),
        ] {
            let wrong = text.replacen(right, wrong, 1);
            let outputs = peer.agent.datagram(wrong.as_bytes(), peer.source, peer.now);
            let answered = outputs.iter().any(|output| match output {
                Output::Send { bytes, .. } => bytes.0.starts_with(status.as_bytes()),
                Output::Event { .. } | Output::Count(_) => false,
            });
            assert!(answered, "{wrong}: {outputs:?}");
        }
        peer.sends(b"\r\n\r\n").sends(b"hello").sends(b"INVITE sip:a SIP/2.0\r\n\r\n").does("");
        assert_eq!(peer.agent.transactions(), 0);
    }
}
