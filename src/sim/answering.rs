//! What the telephone answers to the daemon's requests: transfers, hang-ups, and the rest.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::time::Uptime;
use crate::sim::asking::What;
use crate::sim::invite::offer;
use crate::sim::phone::Phase;
use crate::sim::phone::Phone;
use crate::sim::plan::ReferAnswer;
use crate::sim::report::Outcome;
use crate::sim::report::bare;
use crate::sip::message::Headers;
use crate::sip::message::Method;
use crate::sip::message::NameAddr;
use crate::sip::message::Params;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::reply::Reply;
use crate::sip::reply::phrase;
use crate::sip::sdp::LocalMedia;
use crate::sip::sdp::MediaOffer;
use crate::sip::transaction::Key;

/// The methods we serve, as Allow lists them.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER, NOTIFY";

/// Answers remembered, in case the request comes again.
const SERVED_MAX: usize = 8;

/// How long the daemon may take to hang up after a transfer.
const BYE_MAX: Duration = Duration::from_secs(10);

/// An answer already given.
pub(super) struct Served {
    key: Key,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A transfer that was accepted.
pub(super) struct Transfer {
    refer_to: String,
    failed: bool,
    /// When we hang up ourselves, once the far end knows the outcome.
    pub(super) bye_at: Option<Uptime>,
}

impl Phone {
    pub(super) fn requested(&mut self, request: &Request, source: SocketAddr, now: Uptime) {
        if request.method == Method::Ack {
            return;
        }
        let Ok(key) = Key::of_request(&request.method, &request.headers) else { return };
        if let Some(served) = self.served.iter().find(|served| served.key == key) {
            return self.send(served.to, served.bytes.clone());
        }
        let Ok(reply) = Reply::to_request(&request.headers, source) else { return };
        let response = self.respond(request, &reply, source, now);
        let served = Served { key, to: source, bytes: response.to_bytes() };
        self.send(served.to, served.bytes.clone());
        self.served.truncate(SERVED_MAX - 1);
        self.served.push_front(served);
        // What follows from a request is sent after its answer.
        if request.method == Method::Refer && response.status == 202 {
            self.notify("SIP/2.0 100 Trying", false, now);
        }
    }

    fn respond(
        &mut self,
        request: &Request,
        reply: &Reply,
        source: SocketAddr,
        now: Uptime,
    ) -> Response {
        let tag = self.dialog.local_tag.clone();
        let plain = |status: u16| reply.respond(status, &tag);
        let ours = self.dialog.holds(&request.headers);
        match request.method {
            Method::Options => {
                let mut response = plain(200);
                response.headers.push("Allow", ALLOW);
                response.headers.push("Accept", "application/sdp");
                response
            }
            Method::Bye | Method::Refer | Method::Invite | Method::Update | Method::Info
                if !ours =>
            {
                plain(481)
            }
            Method::Bye => {
                self.hung_up_by_far_end(&request.headers, now);
                plain(200)
            }
            Method::Refer => {
                let status = self.referred(&request.headers);
                let mut response = reply.respond_in_dialog(status, &tag, &self.contact());
                if status == 202 {
                    "Accepted".clone_into(&mut response.reason);
                }
                response
            }
            Method::Invite | Method::Update => self.reoffered(request, reply, source),
            Method::Info => plain(200),
            Method::Cancel | Method::Notify | Method::Prack => plain(481),
            _ => {
                let mut response = plain(405);
                response.headers.push("Allow", ALLOW);
                response
            }
        }
    }

    fn hung_up_by_far_end(&mut self, headers: &Headers, now: Uptime) {
        let end =
            self.transfer_outcome().unwrap_or(Outcome::ByeFromDaemon { cause: cause(headers) });
        self.concludes(end);
        self.over(now);
    }

    /// What has become of the call if a transfer was accepted and did not fail.
    pub(super) fn transfer_outcome(&self) -> Option<Outcome> {
        let done = self.transfer.as_ref().filter(|transfer| !transfer.failed)?;
        Some(Outcome::Transferred { refer_to: done.refer_to.clone() })
    }

    /// The status that a REFER gets.
    fn referred(&mut self, headers: &Headers) -> u16 {
        if !matches!(self.phase, Phase::Talking) {
            return 481;
        }
        if self.transfer.as_ref().is_some_and(|transfer| !transfer.failed) {
            return 491;
        }
        let Some(target) = headers.get("Refer-To").and_then(|text| NameAddr::parse(text).ok())
        else {
            return 400;
        };
        self.report.take_ids(headers, Some(&target.uri));
        let failed = match self.setup.plan.refer_answer {
            ReferAnswer::Refuse(status) => return status,
            ReferAnswer::Transfer => false,
            ReferAnswer::Fail(_) => true,
        };
        self.transfer = Some(Transfer { refer_to: bare(&target), failed, bye_at: None });
        202
    }

    /// The far end knows that we try: what came of it.
    pub(super) fn tell_outcome(&mut self, now: Uptime) {
        if !matches!(self.phase, Phase::Talking) {
            return;
        }
        let status = match self.setup.plan.refer_answer {
            ReferAnswer::Fail(status) => status,
            ReferAnswer::Transfer | ReferAnswer::Refuse(_) => 200,
        };
        self.notify(&format!("SIP/2.0 {status} {}", phrase(status)), true, now);
    }

    /// The far end knows the outcome: now it should hang up. After a failure the next step is its own.
    pub(super) fn transfer_told(&mut self, now: Uptime) {
        if let Some(transfer) = self.transfer.as_mut().filter(|transfer| !transfer.failed) {
            transfer.bye_at = Some(now + BYE_MAX);
        }
    }

    fn notify(&mut self, status_line: &str, last: bool, now: Uptime) {
        let mut request = self.dialog.request(Method::Notify);
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        request.headers.push("Event", "refer");
        request.headers.push("Subscription-State", state);
        request.headers.push("Content-Type", "message/sipfrag;version=2.0");
        request.body = format!("{status_line}\r\n").into_bytes();
        self.ask(request, if last { What::Outcome } else { What::Trying }, now);
    }

    /// A re-INVITE or UPDATE: the same media, to wherever the far end wants it.
    fn reoffered(&mut self, request: &Request, reply: &Reply, source: SocketAddr) -> Response {
        let tag = self.dialog.local_tag.clone();
        if !matches!(self.phase, Phase::Talking) {
            return reply.respond(481, &tag);
        }
        self.dialog.refresh(&request.headers);
        let mut response = reply.respond_in_dialog(200, &tag, &self.contact());
        if request.body.is_empty() {
            if request.method == Method::Invite {
                response.body = offer(&self.setup);
            }
        } else if let Ok(offered) = MediaOffer::parse(&request.body, source.ip()) {
            let session = u64::from(self.setup.beginning.ssrc >> 1);
            let local = LocalMedia { session, version: 2, rtp: self.setup.rtp };
            response.body = local.answer(&offered);
            if let Some(voice) = &mut self.voice {
                voice.reoffer(&offered);
            }
        } else {
            return reply.respond(488, &tag);
        }
        if !response.body.is_empty() {
            response.headers.push("Content-Type", "application/sdp");
        }
        response
    }
}

/// The Q.850 cause of a BYE (RFC 3326).
fn cause(headers: &Headers) -> Option<u16> {
    headers.list("Reason").into_iter().find_map(|reason| {
        let (protocol, params) = reason.split_once(';')?;
        let params = Params::parse(params).ok()?;
        let named = protocol.trim().eq_ignore_ascii_case("Q.850");
        params.value("cause").filter(|_| named)?.parse().ok()
    })
}
