//! One caller on the network: its sockets, its clock, its dice. One task, two sockets, no thread of its own.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::session::DATAGRAM_LEN;
use crate::rtp::session::TICK;
use crate::sim::phone::Phone;
use crate::sim::phone::Setup;
use crate::sim::plan::CallPlan;
use crate::sim::report::CallReport;
use crate::sim::voice::Beginning;
use crate::sim::voice::Ears;

/// Longer SIP messages are nothing that a daemon sends to a telephone.
const SIP_LEN_MAX: usize = 8 * 1024;

/// Longer sound is nothing that we offered.
const RTP_LEN_MAX: usize = 1500;

/// How long a host name may take.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// What a telephone in somebody's hand tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// It dials, with this Call-ID.
    Dialled(String),
    /// A prompt begins, by its id in the pack.
    Prompt(String),
}

/// A hand on the telephone: hears what it hears, and presses keys when it likes.
#[derive(Debug)]
pub struct Hand {
    /// Where it tells what it hears; what nobody takes in is dropped.
    pub tells: mpsc::Sender<Heard>,
    /// The keys to press, whatever the plan says.
    pub keys: mpsc::Receiver<Key>,
}

/// Places one call and stays on it to its end; `stop` hangs up.
pub async fn place(plan: Arc<CallPlan>, ears: Arc<Ears>, stop: CancellationToken) -> CallReport {
    place_by_hand(plan, ears, stop, None).await
}

/// The same, and a hand may press keys beside the plan's.
pub async fn place_by_hand(
    plan: Arc<CallPlan>,
    ears: Arc<Ears>,
    stop: CancellationToken,
    hand: Option<Hand>,
) -> CallReport {
    match Line::open(&plan).await {
        Ok(line) => line.call(plan, ears, stop, hand).await,
        Err(fault) => CallReport::failed(fault),
    }
}

/// Sockets that reach the far end.
struct Line {
    sip: UdpSocket,
    rtp: UdpSocket,
    sip_address: SocketAddr,
    rtp_address: SocketAddr,
    peer: SocketAddr,
}

impl Line {
    async fn open(plan: &CallPlan) -> Result<Self, String> {
        let peer = resolve(plan).await?;
        let local = match plan.local_ip {
            Some(ip) => ip,
            None => route_to(peer).await.map_err(|error| format!("no way to {peer}: {error}"))?,
        };
        let bind = async || {
            let socket = UdpSocket::bind((local, 0)).await?;
            let address = socket.local_addr()?;
            Ok::<_, io::Error>((socket, address))
        };
        let fault = |error| format!("no socket on {local}: {error}");
        let (sip, sip_address) = bind().await.map_err(fault)?;
        let (rtp, rtp_address) = bind().await.map_err(fault)?;
        Ok(Self { sip, rtp, sip_address, rtp_address, peer })
    }

    async fn call(
        self,
        plan: Arc<CallPlan>,
        ears: Arc<Ears>,
        stop: CancellationToken,
        mut hand: Option<Hand>,
    ) -> CallReport {
        let start = Instant::now();
        let now = || Uptime(start.elapsed());
        let setup = Setup {
            plan,
            ears,
            peer: self.peer,
            sip: self.sip_address,
            rtp: self.rtp_address,
            seed: rand::random(),
            beginning: Beginning {
                ssrc: rand::random(),
                sequence: rand::random(),
                timestamp: rand::random(),
            },
        };
        let mut phone = Phone::new(setup, now());
        let mut sip_in = vec![0; SIP_LEN_MAX];
        let mut rtp_in = vec![0; RTP_LEN_MAX];
        let mut next_tick = Uptime::default();
        let mut stopped = false;
        tell(hand.as_ref(), || Heard::Dialled(phone.report.call_id.clone()));
        loop {
            for datagram in phone.take_out() {
                // A datagram lost here is sent again like any other that gets lost.
                self.sip.send_to(&datagram.bytes, datagram.to).await.ok();
            }
            if phone.is_over(now()) {
                return phone.report;
            }
            let talks = phone.talks();
            let wake = if talks { phone.deadline().min(next_tick) } else { phone.deadline() };
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    phone.hang_up(now());
                }
                () = sleep_until(start + wake.0) => {
                    let now = now();
                    phone.timeout(now);
                    if talks && next_tick <= now {
                        self.tick(&mut phone, now).await;
                        next_tick = after(next_tick, now);
                    }
                }
                Ok((len, source)) = self.sip.recv_from(&mut sip_in) => {
                    phone.sip(sip_in.get(..len).unwrap_or_default(), source, now());
                }
                Ok((len, _)) = self.rtp.recv_from(&mut rtp_in), if talks => {
                    let told = phone.report.prompts.len();
                    phone.rtp(rtp_in.get(..len).unwrap_or_default(), now());
                    for heard in phone.report.prompts.iter().skip(told) {
                        tell(hand.as_ref(), || Heard::Prompt(heard.prompt.clone()));
                    }
                }
                Some(key) = pressed(&mut hand), if talks => phone.press(key, now()),
            }
        }
    }

    async fn tick(&self, phone: &mut Phone, now: Uptime) {
        let mut out = [0; DATAGRAM_LEN];
        if let Some(send) = phone.tick(now, &mut out) {
            self.rtp.send_to(out.get(..send.len).unwrap_or_default(), send.to).await.ok();
        }
    }
}

fn tell(hand: Option<&Hand>, what: impl FnOnce() -> Heard) {
    if let Some(hand) = hand {
        // Who does not listen misses it, as on any telephone.
        let _ = hand.tells.try_send(what());
    }
}

async fn pressed(hand: &mut Option<Hand>) -> Option<Key> {
    match hand {
        Some(hand) => hand.keys.recv().await,
        None => std::future::pending().await,
    }
}

/// The next tick keeps the beat, and leaves out those that were missed.
fn after(tick: Uptime, now: Uptime) -> Uptime {
    let next = tick + TICK;
    if next <= now { now + TICK } else { next }
}

async fn resolve(plan: &CallPlan) -> Result<SocketAddr, String> {
    let (host, port) = (plan.to.host(), plan.to.port().unwrap_or(5060));
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let found = timeout(LOOKUP_MAX, lookup_host((host, port))).await;
    let addresses = found.ok().and_then(Result::ok);
    addresses.and_then(|mut list| list.next()).ok_or_else(|| format!("{host} has no address"))
}

/// Our own address on the way there. Nothing is sent.
async fn route_to(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
    let probe = UdpSocket::bind((any, 0)).await?;
    probe.connect(peer).await?;
    Ok(probe.local_addr()?.ip())
}
