//! Call scripts for the stories at the ends of this folder's files: a caller, a clock, and a record of
//! everything that came out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::time::Uptime;
use crate::sip::agent::AgentConfig;
use crate::sip::agent::Command;
use crate::sip::agent::Counted;
use crate::sip::agent::LegEvent;
use crate::sip::agent::LegId;
use crate::sip::agent::Output;
use crate::sip::agent::TrunkRule;
use crate::sip::agent::UserAgent;
use crate::sip::message::Headers;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::message::parse;

pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                                m=audio 5000 RTP/AVP 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\n";

/// One caller, and the agent under test.
pub(super) struct Script {
    pub(super) agent: UserAgent,
    pub(super) now: Uptime,
    pub(super) source: SocketAddr,
    pub(super) call_id: String,
    /// What the peer's requests carry beside the necessary; cleared by each.
    pub(super) extra: String,
    pub(super) sent: Vec<(SocketAddr, Message)>,
    pub(super) events: Vec<LegEvent>,
    pub(super) counted: Vec<Counted>,
    pub(super) leg: LegId,
    our_tag: String,
    cseq: u32,
    branch: u32,
    seen: Vec<String>,
}

pub(super) fn config() -> AgentConfig {
    AgentConfig {
        local: address("198.51.100.1:5060"),
        advertise: None,
        user_agent: "test".to_owned(),
        trunks: vec![TrunkRule {
            name: "carrier".parse().expect("name"),
            networks: vec!["192.0.2.0/24".parse().expect("network")],
        }],
        loopback_untrusted: false,
        max_legs: 100,
        max_new_per_second: 1000,
        draining: false,
    }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

pub(super) fn answer() -> Command {
    Command::Answer { rtp: address("198.51.100.1:4000") }
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: AgentConfig) -> Self {
        Self {
            agent: UserAgent::new(config, [7; 32]),
            now: Uptime(Duration::from_secs(1000)),
            source: address("192.0.2.1:5070"),
            call_id: "call-1".to_owned(),
            extra: String::new(),
            sent: Vec::new(),
            events: Vec::new(),
            counted: Vec::new(),
            leg: LegId(0),
            our_tag: String::new(),
            cseq: 0,
            branch: 0,
            seen: Vec::new(),
        }
    }

    /// A call that is answered and acknowledged.
    pub(super) fn talking() -> Self {
        let mut call = Self::new();
        call.invites(OFFER).does("100 INVITE, invited");
        call.wants(answer()).does("200 INVITE");
        call.acks("").does("acknowledged");
        call
    }

    // --- the caller ---

    pub(super) fn invites(&mut self, sdp: &str) -> &mut Self {
        self.our_tag.clear();
        self.requests("INVITE", sdp)
    }

    /// A request with the next number; within the dialog once there is one.
    pub(super) fn requests(&mut self, method: &str, body: &str) -> &mut Self {
        self.cseq += 1;
        self.branch += 1;
        self.sends_again(method, body)
    }

    pub(super) fn acks(&mut self, body: &str) -> &mut Self {
        self.branch += 1;
        self.sends_again("ACK", body)
    }

    /// A request with the last one's number and branch.
    pub(super) fn sends_again(&mut self, method: &str, body: &str) -> &mut Self {
        let text = self.text(method, body);
        self.extra.clear();
        self.sends(text.as_bytes())
    }

    pub(super) fn text(&self, method: &str, body: &str) -> String {
        let Self { cseq, branch, extra, call_id, source, .. } = self;
        let tag = match self.our_tag.as_str() {
            "" => String::new(),
            tag => format!(";tag={tag}"),
        };
        let kind = match body {
            "" => "",
            _ if extra.contains("Content-Type") => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        format!(
            "{method} sip:ivr@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: \"Ann\" <sip:ann@192.0.2.1>;tag=far\r\nTo: <sip:ivr@198.51.100.1>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:ann@{source}>\r\n{kind}{extra}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(super) fn sends(&mut self, bytes: &[u8]) -> &mut Self {
        let outputs = self.agent.datagram(bytes, self.source, self.now);
        self.take(outputs, "");
        self
    }

    /// Answers the agent's latest request.
    pub(super) fn responds(&mut self, status: u16) -> &mut Self {
        let request = self.asked().clone();
        let mut headers = Headers::new();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            headers.push(name, request.headers.get(name).expect("header"));
        }
        let response = Response { status, reason: String::new(), headers, body: Vec::new() };
        self.sends(&response.to_bytes())
    }

    // --- the call and the clock ---

    pub(super) fn wants(&mut self, command: Command) -> &mut Self {
        let outputs = self.agent.command(self.leg, command, self.now);
        self.take(outputs, "");
        self
    }

    /// Lets time pass; everything that happens is noted with its second.
    pub(super) fn waits(&mut self, seconds: u64) -> &mut Self {
        let (start, end) = (self.now, self.now + Duration::from_secs(seconds));
        while let Some(next) = self.agent.next_timeout().filter(|next| *next <= end) {
            let outputs = self.agent.timeout(next);
            let when = format!("{}s ", (next - start).as_secs_f32());
            self.now = next;
            self.take(outputs, &when);
        }
        self.now = end;
        self
    }

    // --- what came of it ---

    /// Everything since the last time, in order.
    #[track_caller]
    pub(super) fn does(&mut self, expected: &str) -> &mut Self {
        let seen = std::mem::take(&mut self.seen).join(", ");
        assert_eq!(seen, expected);
        self
    }

    #[track_caller]
    pub(super) fn is_forgotten(&mut self) {
        self.waits(64);
        self.seen.clear();
        let agent = &self.agent;
        assert_eq!((agent.legs(), agent.transactions(), agent.next_timeout()), (0, 0, None));
        assert!(agent.dialogs.is_empty() && agent.merging.is_empty());
    }

    #[track_caller]
    pub(super) fn said(&self) -> &Response {
        let said = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        });
        said.expect("a response")
    }

    #[track_caller]
    pub(super) fn asked(&self) -> &Request {
        let asked = self.sent.iter().rev().find_map(|(_, message)| match message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        });
        asked.expect("a request")
    }

    #[track_caller]
    pub(super) fn sdp(&self) -> String {
        String::from_utf8(self.said().body.clone()).expect("text")
    }

    fn take(&mut self, outputs: Vec<Output>, when: &str) {
        for output in outputs {
            match output {
                Output::Send { to, bytes } => {
                    let message = parse(&bytes.0).expect("our own message reads back");
                    let cseq = message.headers().cseq().expect("cseq");
                    let what = match &message {
                        Message::Request(request) => request.method.to_string(),
                        Message::Response(response) => {
                            format!("{} {}", response.status, cseq.method)
                        }
                    };
                    if let (Message::Response(response), Some(tag)) =
                        (&message, message.headers().to_tag())
                        && (180..300).contains(&response.status)
                        && cseq.method == Method::Invite
                    {
                        self.our_tag = tag;
                    }
                    self.seen.push(format!("{when}{what}"));
                    self.sent.push((to, message));
                }
                Output::Event { leg, event } => {
                    self.leg = leg;
                    self.seen.push(format!("{when}{}", name(&event)));
                    self.events.push(event);
                }
                Output::Count(what) => self.counted.push(what),
            }
        }
    }
}

fn name(event: &LegEvent) -> String {
    match event {
        LegEvent::Invited(_) => "invited".to_owned(),
        LegEvent::Acknowledged { answer: None } => "acknowledged".to_owned(),
        LegEvent::Acknowledged { answer: Some(_) } => "acknowledged with answer".to_owned(),
        LegEvent::Info { body, .. } => format!("info of {}", body.expose().len()),
        LegEvent::Reoffered { held: true, .. } => "held".to_owned(),
        LegEvent::Reoffered { held: false, .. } => "reoffered".to_owned(),
        LegEvent::Cancelled => "cancelled".to_owned(),
        LegEvent::ReferAccepted => "refer accepted".to_owned(),
        LegEvent::ReferProgress { status } => format!("refer at {status}"),
        LegEvent::ReferFailed { status } => format!("refer failed {status}"),
        LegEvent::Bye { cause } => format!("bye {}", cause.unwrap_or(0)),
        LegEvent::Gone { why } => format!("gone {why:?}"),
    }
}
