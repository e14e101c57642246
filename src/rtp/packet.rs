//! One RTP packet, RFC 3550 §5.1: read with everything a peer may put in, written plainly.

/// Bytes of the fixed header, which is all that we write.
pub const HEADER_LEN: usize = 12;

/// An RTP packet. It has no `Debug`: the payload of a telephone event is a key.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Packet<'a> {
    /// First of a talkspurt, or of an event.
    pub marker: bool,
    /// 0–127.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Names the sender.
    pub ssrc: u32,
    /// What is left without header, extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` when it is no RTP (RTCP, STUN, cut short, false padding).
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = datagram.split_first_chunk::<HEADER_LEN>()?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *head;
        // RTCP shares the port when multiplexed (RFC 5761 §4); its types lie at 192–223.
        if flags >> 6 != 2 || (192..=223).contains(&kind) {
            return None;
        }
        rest = rest.get(usize::from(flags & 0x0F) * 4..)?;
        if flags & 0x10 != 0 {
            let ([_, _, high, low], after) = rest.split_first_chunk::<4>()?;
            rest = after.get(usize::from(u16::from_be_bytes([*high, *low])) * 4..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            let kept = rest.len().checked_sub(padding).filter(|_| padding > 0)?;
            rest = rest.get(..kept)?;
        }
        Some(Self {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            payload: rest,
        })
    }

    /// Writes the packet to the front of `out` and says how long it is; `None` when `out` is too short.
    #[must_use]
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let len = HEADER_LEN + self.payload.len();
        let (head, payload) = out.get_mut(..len)?.split_first_chunk_mut::<HEADER_LEN>()?;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        let kind = u8::from(self.marker) << 7 | self.payload_type & 0x7F;
        *head = [0x80, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3];
        payload.copy_from_slice(self.payload);
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::any;
    use proptest::prelude::proptest;

    fn plain(payload: &[u8]) -> Packet<'_> {
        Packet {
            marker: true,
            payload_type: 101,
            sequence: 65_535,
            timestamp: 0xFFFF_FF00,
            ssrc: 0x1234_5678,
            payload,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = [0; 64];
        let len = plain(b"abcd").write(&mut out).expect("room");
        assert_eq!(len, 16);
        assert!(Packet::parse(&out[..len]) == Some(plain(b"abcd")));
        assert_eq!(plain(b"abcd").write(&mut out[..15]), None);
    }

    #[test]
    fn rfc3550_5_1_contributors_extension_and_padding_are_taken_off() {
        let mut out = vec![0; 12];
        plain(b"").write(&mut out).expect("room");
        out[0] = 0x80 | 0x20 | 0x10 | 2;
        out.extend([9; 8]);
        out.extend([0xBE, 0xDE, 0, 1, 7, 7, 7, 7]);
        out.extend(b"abcd");
        out.extend([0, 0, 3]);
        assert!(Packet::parse(&out) == Some(plain(b"abcd")));
    }

    #[test]
    fn what_lies_about_its_lengths_is_no_rtp() {
        let mut out = [0; 16];
        plain(b"abcd").write(&mut out).expect("room");
        for (flags, last) in [(0x8F, 0), (0x90, 0), (0xA0, 0), (0xA0, 5), (0x40, 0), (0x00, 0)] {
            (out[0], out[15]) = (flags, last);
            assert!(Packet::parse(&out).is_none(), "{flags:x} {last}");
        }
        assert!(Packet::parse(&[0x80; 11]).is_none());
        let rtcp = [0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(Packet::parse(&rtcp).is_none());
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(packet) = Packet::parse(&bytes) {
                assert!(packet.payload.len() + HEADER_LEN <= bytes.len());
            }
        }
    }
}
