//! `[rtp]`: where media is received.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Addresses of media.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rtp {
    /// Even ports in this range are used, one per call.
    pub ports: RangeInclusive<u16>,
    /// The address to receive media on; none: the SIP listener's.
    pub address: Option<IpAddr>,
}

pub(crate) fn read(mut table: Table<'_>) -> Rtp {
    let rtp = Rtp {
        ports: table.parsed("ports", 40_000..=49_998, ports),
        address: table.optional("address", |text| {
            text.parse().map_err(|_| complaint("is no IP address", "write it like 192.0.2.1"))
        }),
    };
    table.end();
    rtp
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, Complaint> {
    let wrong = || complaint("is no range of ports", "write it like \"40000-49998\"");
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u16 = first.trim().parse().map_err(|_| wrong())?;
    let last: u16 = last.trim().parse().map_err(|_| wrong())?;
    if first < 1024 || first > last {
        return Err(complaint("must rise from 1024 or more", "write it like \"40000-49998\""));
    }
    if first == last && first % 2 == 1 {
        return Err(complaint("holds no even port", "RTP uses even ports"));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_holds_an_even_one() {
        assert_eq!(ports("40000-49998"), Ok(40_000..=49_998));
        assert_eq!(ports("41000 - 41000"), Ok(41_000..=41_000));
        for wrong in ["", "40000", "50000-40000", "80-90", "40001-40001", "40000-70000", "-1-5"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
