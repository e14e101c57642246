//! G.711, both laws, and the 20 ms frame that everything here is cut into.

use audio_codec_algorithms::decode_alaw;
use audio_codec_algorithms::decode_ulaw;
use audio_codec_algorithms::encode_alaw;
use audio_codec_algorithms::encode_ulaw;

/// Samples, and so bytes, of one 20 ms frame at 8 kHz.
pub const FRAME_LEN: usize = 160;

/// The same as a step of the RTP clock.
pub const FRAME_TICKS: u32 = 160;

/// 20 ms of encoded sound.
pub type Frame = [u8; FRAME_LEN];

/// The two companding laws of G.711.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Law {
    /// μ-law, payload type 0: North America and Japan.
    Pcmu,
    /// A-law, payload type 8: everywhere else.
    Pcma,
}

impl Law {
    /// The static payload type of RFC 3551.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// One sample to one byte.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_ulaw(sample),
            Self::Pcma => encode_alaw(sample),
        }
    }

    /// One byte to one sample.
    #[must_use]
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => decode_ulaw(byte),
            Self::Pcma => decode_alaw(byte),
        }
    }

    /// 20 ms of nothing, which keeps NAT bindings and session border controllers open.
    #[must_use]
    pub const fn silence(self) -> &'static Frame {
        match self {
            Self::Pcmu => &[0xFF; FRAME_LEN],
            Self::Pcma => &[0xD5; FRAME_LEN],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_what_the_law_makes_of_zero() {
        for law in [Law::Pcmu, Law::Pcma] {
            assert_eq!(law.silence(), &[law.encode(0); FRAME_LEN]);
        }
    }

    #[test]
    fn samples_come_back_within_a_step_of_the_law() {
        for law in [Law::Pcmu, Law::Pcma] {
            for sample in (-32_000..=32_000).step_by(37) {
                let back = law.decode(law.encode(sample));
                let error = (i32::from(back) - i32::from(sample)).abs();
                assert!(error <= 16 + i32::from(sample).abs() / 16, "{law:?} {sample} {back}");
            }
        }
    }
}
