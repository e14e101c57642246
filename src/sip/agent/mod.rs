//! The user agent: the called side of every SIP call, without sockets, clock or dice.
//!
//! Datagrams, commands and the passing of time go in; [`Output`]s come out and are to be carried out
//! in order. `inbound.rs` sorts what comes from the network: a new call goes to `invite.rs`, what
//! belongs to one to `within.rs`, `reoffer.rs` and `refer.rs`. `commands.rs` does what the call
//! wants, `timers.rs` what time wants. Whoever is on no list, and whatever is refused at once, leaves
//! no trace in the tables; everything in them has a deadline or a leg, and every leg ends.
//!
//! Invariants: every table is bounded by `max_legs` and `max_new_per_second`; when the last call is over and the last
//! deadline has passed, all of them are empty.

mod admission;
mod agenda;
mod commands;
mod event;
mod inbound;
mod invite;
mod leg;
mod names;
mod reason;
mod refer;
mod reoffer;
mod timers;
mod within;

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::model::time::Uptime;
use crate::sip::agent::admission::Rate;
use crate::sip::agent::admission::Standing;
use crate::sip::agent::admission::Strangers;
use crate::sip::agent::agenda::Agenda;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::agent::names::Names;
use crate::sip::dialog::DialogId;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::reply::Reply;
use crate::sip::transaction::Client;
use crate::sip::transaction::InviteServer;
use crate::sip::transaction::Key;
use crate::sip::transaction::OtherServer;
use crate::sip::transaction::Transport;

pub use event::Advertised;
pub use event::AgentConfig;
pub use event::Command;
pub use event::Counted;
pub use event::Datagram;
pub use event::GoneWhy;
pub use event::InfoBody;
pub use event::Invitation;
pub use event::LegEvent;
pub use event::LegId;
pub use event::Output;
pub use event::Shed;
pub use event::TrunkRule;

/// Transactions at a time: some for each leg, some for each new call of the last 32 seconds (they
/// outlive short calls), and a reserve.
const TRANSACTIONS_PER_LEG: usize = 8;
const TRANSACTIONS_PER_RATE: usize = 4 * 32;
const TRANSACTIONS_SPARE: usize = 1024;

/// The user agent of one socket.
pub struct UserAgent {
    config: AgentConfig,
    names: Names,
    /// What peers know us by, `host:port`.
    sent_by: String,
    legs: HashMap<LegId, Leg>,
    legs_begun: u64,
    dialogs: HashMap<DialogId, LegId>,
    servers: HashMap<Key, Served>,
    /// INVITEs by Call-ID, From tag and `CSeq`, to recognise one that comes twice on two ways.
    merging: HashMap<String, Key>,
    clients: HashMap<Key, Asked>,
    agenda: Agenda<Due>,
    rate: Rate,
    strangers: Strangers,
    out: Vec<Output>,
}

/// Whose deadline it is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Due {
    Leg(LegId),
    Server(Key),
    Client(Key),
    Strangers,
}

/// A request of the peer that was answered or will be.
struct Served {
    transaction: Server,
    peer: SocketAddr,
    /// The tag that a CANCEL's 200 shares with the INVITE's responses.
    tag: String,
    leg: Option<LegId>,
    merge: Option<String>,
}

enum Server {
    Invite(InviteServer),
    Other(OtherServer),
}

/// A request of ours.
struct Asked {
    client: Client,
    peer: SocketAddr,
    leg: LegId,
    what: What,
}

/// What a request of ours wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Bye,
    Refer,
}

impl UserAgent {
    /// An agent without calls. Nobody may know the seed, and no two agents may share one.
    #[must_use]
    pub fn new(config: AgentConfig, seed: [u8; 32]) -> Self {
        let rate = Rate::new(config.max_new_per_second);
        Self {
            sent_by: sent_by(&config),
            config,
            names: Names::new(seed),
            legs: HashMap::new(),
            legs_begun: 0,
            dialogs: HashMap::new(),
            servers: HashMap::new(),
            merging: HashMap::new(),
            clients: HashMap::new(),
            agenda: Agenda::new(),
            rate,
            strangers: Strangers::default(),
            out: Vec::new(),
        }
    }

    /// Takes in what a peer sent.
    pub fn datagram(&mut self, bytes: &[u8], source: SocketAddr, now: Uptime) -> Vec<Output> {
        self.take_in(bytes, source, now);
        std::mem::take(&mut self.out)
    }

    /// Does what the call wants of its leg.
    pub fn command(&mut self, leg: LegId, command: Command, now: Uptime) -> Vec<Output> {
        self.with_leg(leg, |agent, leg| agent.obey(leg, command, now));
        std::mem::take(&mut self.out)
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Uptime) -> Vec<Output> {
        while let Some(due) = self.agenda.take_due(now) {
            self.due(due, now);
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Self::timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Uptime> {
        self.agenda.next()
    }

    /// Whether new calls are refused.
    pub fn set_draining(&mut self, draining: bool) {
        self.config.draining = draining;
    }

    /// How many calls there are.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// How many transactions have not run out yet: when both are zero, the agent may go.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    fn transactions_full(&self) -> bool {
        let rate = usize::try_from(self.config.max_new_per_second).unwrap_or(usize::MAX);
        let max = self
            .config
            .max_legs
            .saturating_mul(TRANSACTIONS_PER_LEG)
            .saturating_add(rate.saturating_mul(TRANSACTIONS_PER_RATE))
            .saturating_add(TRANSACTIONS_SPARE);
        self.transactions() >= max
    }

    /// Takes the leg out, lets it be changed, and files it according to what has become of it.
    fn with_leg(&mut self, id: LegId, change: impl FnOnce(&mut Self, &mut Leg)) {
        let Some(mut leg) = self.legs.remove(&id) else { return };
        change(self, &mut leg);
        if matches!(leg.phase, Phase::Over) {
            self.dialogs.remove(&leg.dialog.id);
            self.agenda.set(Due::Leg(id), None);
        } else {
            self.agenda.set(Due::Leg(id), leg.deadline());
            self.legs.insert(id, leg);
        }
    }

    /// Tells the call that the leg is over.
    fn end(&mut self, leg: &mut Leg, event: LegEvent) {
        leg.phase = Phase::Over;
        self.tell(leg.id, event);
    }

    fn tell(&mut self, leg: LegId, event: LegEvent) {
        self.out.push(Output::Event { leg, event });
    }

    fn count(&mut self, what: Counted) {
        self.out.push(Output::Count(what));
    }

    fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.out.push(Output::Send { to, bytes: Datagram(bytes) });
    }

    /// Sends something once more, unless there is nothing to send.
    fn resend(&mut self, to: SocketAddr, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.count(Counted::Repeated);
            self.send(to, bytes.to_vec());
        }
    }

    /// Sends a response and returns its bytes, for sending them again.
    fn send_response(&mut self, to: SocketAddr, mut response: Response) -> Vec<u8> {
        response.headers.push("Server", &self.config.user_agent);
        let bytes = response.to_bytes();
        self.count(Counted::Response { code: response.status, outbound: true });
        self.send(to, bytes.clone());
        bytes
    }

    /// Sends a response that leaves no trace.
    fn refuse(&mut self, reply: &Reply, status: u16, headers: &[(&str, &str)]) {
        let mut response = reply.respond(status, &self.names.stateless_tag(&reply.fingerprint()));
        for (name, value) in headers {
            response.headers.push(name, value);
        }
        self.send_response(reply.peer, response);
    }

    /// Sends a request within the leg's dialog.
    fn ask(&mut self, leg: &Leg, mut request: Request, what: What, now: Uptime) {
        let branch = self.names.branch();
        request
            .headers
            .prepend("Via", format!("SIP/2.0/UDP {};branch={branch};rport", self.sent_by));
        request.headers.push("User-Agent", &self.config.user_agent);
        let key = Key::ours(&request.method, &branch);
        let peer = self.way_to(leg);
        let client = Client::new(Transport::Datagram, request.to_bytes(), now);
        self.count(Counted::Request { method: label(&request.method), outbound: true });
        self.send(peer, client.request().to_vec());
        self.agenda.set(Due::Client(key.clone()), Some(client.deadline()));
        self.clients.insert(key, Asked { client, peer, leg: leg.id, what });
    }

    /// The next hop by the book where it is one of our peers, or else the way the INVITE came: behind
    /// a NAT, and where only a name server could tell, that is what works. And nobody can make us
    /// send to a third party.
    fn way_to(&self, leg: &Leg) -> SocketAddr {
        let reachable = |hop: &SocketAddr| {
            let served = matches!(Standing::of(&self.config, hop.ip()), Standing::Served(_));
            served && (!is_private(hop.ip()) || is_private(leg.peer.ip()))
        };
        match leg.dialog.next_hop().filter(reachable) {
            Some(SocketAddr::V4(hop)) if self.config.local.is_ipv6() => {
                (hop.ip().to_ipv6_mapped(), hop.port()).into()
            }
            Some(hop) => hop,
            None => leg.peer,
        }
    }

    /// Our Contact.
    fn contact(&self) -> String {
        format!("<sip:countersign@{}>", self.sent_by)
    }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}

fn sent_by(config: &AgentConfig) -> String {
    let (host, port) = match &config.advertise {
        Some(told) => (told.host.clone(), told.port.unwrap_or(config.local.port())),
        None => (config.local.ip().to_string(), config.local.port()),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Ok(IpAddr::V4(_)) | Err(_) => format!("{host}:{port}"),
    }
}

/// A method as a metric names it: what peers invent must not make new time series.
fn label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Update => "UPDATE",
        Method::Refer => "REFER",
        Method::Notify => "NOTIFY",
        Method::Prack => "PRACK",
        Method::Register => "REGISTER",
        Method::Subscribe => "SUBSCRIBE",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
        Method::Other(_) => "OTHER",
    }
}

#[cfg(test)]
mod script;
