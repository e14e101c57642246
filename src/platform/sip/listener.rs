//! The task that owns the SIP socket and the user agent: datagrams, orders and time go in, outputs
//! are carried out in order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use metrics::counter;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tracing::debug;
use tracing::trace;
use tracing::warn;

use crate::model::time::Uptime;
use crate::platform::sip::Orders;
use crate::platform::sip::Shared;
use crate::platform::sip::event;
use crate::platform::sip::leg;
use crate::sip::agent::Command;
use crate::sip::agent::Counted;
use crate::sip::agent::Invitation;
use crate::sip::agent::LegEvent;
use crate::sip::agent::LegId;
use crate::sip::agent::Output;
use crate::sip::agent::UserAgent;

/// Orders of all legs that wait for the user agent at the most.
const ORDERS_LEN: usize = 4096;
/// Events that wait for one leg at the most.
const EVENTS_LEN: usize = 64;
/// Datagrams taken in before time and orders get their turn again.
const BURST: usize = 64;
const RECEIVE_BUFFER: usize = 4 << 20;

/// What the outside sees of a listener.
#[derive(Debug, Default)]
pub struct Gauge {
    legs: AtomicUsize,
    draining: AtomicBool,
}

impl Gauge {
    /// How many legs there are.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.load(Ordering::Relaxed)
    }

    /// From now on new calls get 503.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Binds a SIP socket with room for a burst.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    // The kernel caps it to what the administrator allows.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Serves a bound socket until the hard stop.
pub struct Listener {
    socket: UdpSocket,
    agent: UserAgent,
    shared: Arc<Shared>,
    gauge: Arc<Gauge>,
    legs: HashMap<LegId, mpsc::Sender<LegEvent>>,
    orders: Orders,
    ordered: mpsc::Receiver<(LegId, Command)>,
}

impl Listener {
    /// A listener on a bound socket.
    #[must_use]
    pub fn new(
        socket: UdpSocket,
        agent: UserAgent,
        shared: Arc<Shared>,
        gauge: Arc<Gauge>,
    ) -> Self {
        let (orders, ordered) = mpsc::channel(ORDERS_LEN);
        Self { socket, agent, shared, gauge, legs: HashMap::new(), orders, ordered }
    }

    /// The task.
    pub async fn run(mut self) {
        let stop = self.shared.stop.clone();
        // On the heap: a task's future must stay small.
        let mut buffer = vec![0_u8; 65_536];
        loop {
            let due = self.agent.next_timeout();
            let clock = self.shared.clock;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {
                    let outputs = self.agent.timeout(clock.up());
                    self.carry_out(outputs).await;
                }
                Some((leg, command)) = self.ordered.recv() => {
                    trace!(leg = leg.0, ?command, "order");
                    let outputs = self.agent.command(leg, command, clock.up());
                    self.carry_out(outputs).await;
                }
                received = self.socket.recv_from(&mut buffer) => {
                    self.received(received, &mut buffer).await;
                }
            }
            self.gauge.legs.store(self.agent.legs(), Ordering::Relaxed);
        }
    }

    async fn received(&mut self, first: io::Result<(usize, SocketAddr)>, buffer: &mut [u8]) {
        let mut next = first;
        for _ in 0..BURST {
            match next {
                Ok((len, source)) => {
                    self.agent.set_draining(self.gauge.draining.load(Ordering::Relaxed));
                    let now = self.shared.clock.up();
                    let outputs =
                        self.agent.datagram(buffer.get(..len).unwrap_or_default(), source, now);
                    self.carry_out(outputs).await;
                }
                // ICMP errors of peers that are gone show up here; the socket lives on.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => debug!(%error, "SIP socket"),
            }
            next = self.socket.try_recv_from(buffer);
        }
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) {
        let now = self.shared.clock.up();
        for output in outputs {
            match output {
                Output::Send { to, bytes } => {
                    if let Err(error) = self.socket.send_to(&bytes.0, to).await {
                        debug!(%error, %to, "SIP datagram not sent");
                    }
                }
                Output::Count(counted) => count(counted),
                Output::Event { leg, event: LegEvent::Invited(invitation) } => {
                    Box::pin(self.invited(leg, *invitation, now)).await;
                }
                Output::Event { leg, event } => self.tell(leg, event),
            }
        }
    }

    fn tell(&mut self, leg: LegId, event: LegEvent) {
        let over =
            matches!(event, LegEvent::Cancelled | LegEvent::Bye { .. } | LegEvent::Gone { .. });
        if let Some(mailbox) = self.legs.get(&leg)
            && mailbox.try_send(event).is_err()
        {
            // A leg that does not read its mail any more takes the end of its mailbox as its end.
            warn!(leg = leg.0, "a call leg's mailbox is full; the leg is given up");
            counter!("countersign_shed_total", "reason" => "leg_mailbox").increment(1);
            self.legs.remove(&leg);
        }
        if over {
            self.legs.remove(&leg);
        }
    }

    async fn invited(&mut self, id: LegId, invitation: Invitation, now: Uptime) {
        let rules = event::Rules {
            trunks: &self.shared.trunks,
            queues: &self.shared.queues,
            queue_uri: &self.shared.queue_uri,
            handed_over_max: self.shared.handed_over_max,
        };
        let refusal = match event::translate(&invitation, &rules) {
            Err(_) => Some(400),
            Ok(translated) => {
                let (mailbox, mail) = mpsc::channel(EVENTS_LEN);
                let local = self.socket.local_addr().ok();
                let started = leg::start(
                    id,
                    invitation.offer,
                    translated,
                    mail,
                    self.orders.clone(),
                    &self.shared,
                    local,
                );
                if started {
                    self.legs.insert(id, mailbox)
                } else {
                    None
                };
                (!started).then_some(503)
            }
        };
        if let Some(status) = refusal {
            counter!("countersign_shed_total", "reason" => "calls").increment(1);
            let retry_after = (status == 503).then_some(5);
            let command = Command::Reject { status, retry_after, reason_q850: None };
            let outputs = self.agent.command(id, command, now);
            Box::pin(self.carry_out(outputs)).await;
        }
    }
}

fn count(counted: Counted) {
    match counted {
        Counted::Request { method, outbound } => {
            let direction = if outbound { "out" } else { "in" };
            counter!("countersign_sip_messages_total", "method" => method, "direction" => direction).increment(1);
        }
        Counted::Response { code, .. } => {
            counter!("countersign_sip_responses_total", "code" => code.to_string()).increment(1);
        }
        Counted::Repeated => counter!("countersign_sip_repeated_total").increment(1),
        Counted::Malformed(why) => {
            counter!("countersign_sip_malformed_total", "why" => why).increment(1);
        }
        Counted::Shed(why) => {
            counter!("countersign_shed_total", "reason" => why.word()).increment(1);
        }
    }
}
