//! Small capture files with one key as telephone events, for SIPp to play: SIPp's own know one payload
//! type and one habit, senders have many.

use std::fs;
use std::path::Path;

/// How a sender ends a key.
#[derive(Clone, Copy)]
pub(crate) enum Ends {
    /// Three times, as RFC 4733 advises.
    Three,
    /// All lost on the way.
    Lost,
}

/// One key press.
#[derive(Clone, Copy)]
pub(crate) struct Press {
    pub(crate) key: char,
    pub(crate) payload_type: u8,
    pub(crate) timestamp: u32,
    pub(crate) ends: Ends,
}

/// Ethernet, in the words of the format.
const ETHERNET: u32 = 1;
const FRAME_MS: u32 = 20;
/// -10 dBm0.
const VOLUME: u8 = 0b1010;

/// Writes the capture.
pub(crate) fn write(path: &Path, press: Press) {
    let ends = match press.ends {
        Ends::Three => 3,
        Ends::Lost => 0,
    };
    let mut file = vec![];
    for word in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, ETHERNET] {
        file.extend(u32::to_le_bytes(word));
    }
    for nth in 0..5 + ends {
        let frame = frame(press, u16::try_from(nth).expect("few packets"));
        let length = u32::try_from(frame.len()).expect("short frames");
        for word in [0, nth * FRAME_MS * 1000, length, length] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend(frame);
    }
    fs::write(path, file).expect("the folder is writable");
}

/// RTP in UDP in IP in Ethernet. Addresses, ports and sums are SIPp's business.
fn frame(press: Press, nth: u16) -> Vec<u8> {
    let event = "0123456789*#ABCD".find(press.key).and_then(|event| u8::try_from(event).ok());
    let ended = nth >= 5;
    let mut rtp = vec![0x80, press.payload_type | u8::from(nth == 0) << 7];
    let sequence = u16::try_from(press.timestamp % 9973).expect("small") + nth;
    rtp.extend(sequence.to_be_bytes());
    rtp.extend(press.timestamp.to_be_bytes());
    rtp.extend(0x000C_0FFE_u32.to_be_bytes());
    rtp.extend([event.expect("a key"), u8::from(ended) << 7 | VOLUME]);
    rtp.extend(((nth + 1).min(5) * 160).to_be_bytes());

    let length = |above: usize| u16::try_from(above + rtp.len()).expect("short").to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0]);
    frame.extend(length(28));
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    frame.extend([0x17, 0x70, 0x17, 0x70]);
    frame.extend(length(8));
    frame.extend([0, 0]);
    frame.extend(rtp);
    frame
}
