//! Networks as operators write them: an address, or an address and a prefix length.

use std::net::IpAddr;
use std::str::FromStr;

/// A network of either family, `192.0.2.0/24` or `2001:db8::/32`; a bare address stands for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a network: an address, or an address/prefix with no bits behind the prefix")]
pub struct NotANetwork;

impl Network {
    /// Whether the address lies within. IPv4 inside IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let mask = mask(self.prefix, 32);
                u128::from(net.to_bits()) == u128::from(host.to_bits()) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                net.to_bits() == host.to_bits() & mask(self.prefix, 128)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| NotANetwork)?,
            None => width,
        };
        let network = Self { address, prefix };
        // `10.0.0.1/8` is more likely a slip than a wish to let ten million hosts in.
        (prefix <= width && network.contains(address)).then_some(network).ok_or(NotANetwork)
    }
}

/// The upper `prefix` of `width` bits.
fn mask(prefix: u8, width: u8) -> u128 {
    let all = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    let host_bits = u32::from(width.saturating_sub(prefix));
    all & !(1_u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(network: &str, address: &str) -> bool {
        let network: Network = network.parse().expect("network");
        network.contains(address.parse().expect("address"))
    }

    #[test]
    fn a_network_holds_its_own() {
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.9", "192.0.2.9"));
        assert!(!holds("192.0.2.9", "192.0.2.8"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(holds("::/0", "::1"));
        assert!(!holds("::/0", "127.0.0.1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1"));
    }

    #[test]
    fn slips_are_refused() {
        for text in
            ["", "10.0.0.1/8", "192.0.2.0/33", "::/129", "example.net", "192.0.2.0/", "1.2.3.4/-1"]
        {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
