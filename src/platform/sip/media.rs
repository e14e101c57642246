//! RTP ports: even ones from the configured range, each for one leg at a time.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use tokio::net::UdpSocket;

/// The port range, and where the last search stopped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    pairs: u32,
    next: AtomicU32,
    bind: IpAddr,
}

impl Ports {
    /// Even ports of a range, bound on `bind`.
    #[must_use]
    pub fn new(range: &RangeInclusive<u16>, bind: IpAddr) -> Self {
        let first = range.start().saturating_add(range.start() % 2);
        let pairs = u32::from(range.end().saturating_sub(first)) / 2 + 1;
        Self { first, pairs, next: AtomicU32::new(0), bind }
    }

    /// A bound socket on a free even port; `None` when all are taken.
    pub async fn open(&self) -> Option<UdpSocket> {
        for _ in 0..self.pairs {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.pairs;
            let Ok(port) = u16::try_from(u32::from(self.first) + turn * 2) else { continue };
            if let Ok(socket) = UdpSocket::bind(SocketAddr::new(self.bind, port)).await {
                return Some(socket);
            }
        }
        None
    }
}
