//! Telephone events, RFC 4733: a receiver for the senders that exist, and a sender by the book.
//!
//! A press is known by (SSRC, timestamp, event) and reported with its *first* packet, be it start or End:
//! either may be lost, and markers are missing as often as not. A key that ended is opened again when its
//! duration starts afresh after a pause, since some senders replay one timestamp for each press.

use std::time::Duration;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::packet::Packet;

/// Presses remembered, against late and repeated packets.
const PRESSES_MAX: usize = 8;

/// A marked packet opens an ended press again after this pause.
const MARKED_GAP: Duration = Duration::from_millis(40);

/// An unmarked one needs a longer pause: it may be a straggler.
const SILENT_GAP: Duration = Duration::from_millis(200);

/// A longer press goes on in a new segment whose timestamp is this far ahead (RFC 4733 §2.5.1.3).
const SEGMENT_TICKS: u32 = 0xFFFF;

/// One press as far as we have heard of it. Its `Debug` is blind because [`Key`]'s is.
#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    key: Key,
    duration: u16,
    ended: bool,
    at: Uptime,
}

/// Turns the packets of one leg's telephone-event payload into key presses.
#[derive(Debug, Default)]
pub struct Receiver {
    presses: [Option<Press>; PRESSES_MAX],
    next: usize,
}

impl Receiver {
    /// Takes a packet of the telephone-event payload; gives the key when it is a new press.
    #[must_use]
    pub fn packet(&mut self, packet: &Packet<'_>, now: Uptime) -> Option<Key> {
        let [event, flags, high, low, ..] = *packet.payload else { return None };
        // Flash, call progress tones and the like are no keys.
        let key = Key::from_event(event)?;
        let heard = Press {
            ssrc: packet.ssrc,
            timestamp: packet.timestamp,
            key,
            duration: u16::from_be_bytes([high, low]),
            ended: flags & 0x80 != 0,
            at: now,
        };
        if let Some(known) = self.presses.iter_mut().flatten().find(|known| known.is(&heard)) {
            let again = known.is_opened_by(&heard, packet.marker);
            known.follow(&heard, again);
            return again.then_some(key);
        }
        let known = self.presses.iter_mut().flatten();
        let segment = known.filter(|known| known.goes_on_in(&heard, packet.marker)).last();
        if let Some(segment) = segment {
            *segment = heard;
            return None;
        }
        if let Some(slot) = self.presses.get_mut(self.next) {
            *slot = Some(heard);
        }
        self.next = (self.next + 1) % PRESSES_MAX;
        Some(key)
    }
}

impl Press {
    fn is(&self, heard: &Self) -> bool {
        (self.ssrc, self.timestamp, self.key) == (heard.ssrc, heard.timestamp, heard.key)
    }

    /// Whether a packet of the same timestamp is yet another press.
    fn is_opened_by(&self, heard: &Self, marked: bool) -> bool {
        let pause = heard.at - self.at;
        let paused = (marked && pause >= MARKED_GAP) || pause > SILENT_GAP;
        self.ended && !heard.ended && heard.duration < self.duration && paused
    }

    fn goes_on_in(&self, heard: &Self, marked: bool) -> bool {
        let ahead = heard.timestamp.wrapping_sub(self.timestamp);
        let same = (self.ssrc, self.key) == (heard.ssrc, heard.key);
        same && !self.ended && !marked && ahead == SEGMENT_TICKS
    }

    fn follow(&mut self, heard: &Self, again: bool) {
        self.at = heard.at;
        if again {
            (self.duration, self.ended) = (heard.duration, false);
        } else {
            self.duration = self.duration.max(heard.duration);
            self.ended |= heard.ended;
        }
    }
}

/// Bytes of one telephone event.
pub const EVENT_LEN: usize = 4;

/// Packets of the tone itself: 100 ms, one each 20 ms.
const TONE_PACKETS: u16 = 5;

/// The End is sent three times, as it may be lost.
const END_PACKETS: u16 = 3;

/// RTP ticks of one packet's 20 ms.
const STEP_TICKS: u16 = 160;

/// -10 dBm0, the level that telephones use.
const VOLUME: u8 = 10;

/// One packet of a press to be sent. It has no `Debug`: its payload is the key.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Event {
    /// Set on the first packet.
    pub marker: bool,
    /// The press's beginning, the same in all its packets.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; EVENT_LEN],
}

/// The packets of one press, one to be sent every 20 ms.
#[derive(Clone, Debug)]
pub struct Sender {
    key: Key,
    timestamp: u32,
    sent: u16,
}

impl Sender {
    /// A press that begins at an RTP timestamp.
    #[must_use]
    pub const fn new(key: Key, timestamp: u32) -> Self {
        Self { key, timestamp, sent: 0 }
    }
}

impl Iterator for Sender {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.sent >= TONE_PACKETS + END_PACKETS {
            return None;
        }
        let ended = self.sent >= TONE_PACKETS;
        let [high, low] = ((self.sent + 1).min(TONE_PACKETS) * STEP_TICKS).to_be_bytes();
        let flags = u8::from(ended) << 7 | VOLUME;
        let marker = self.sent == 0;
        self.sent += 1;
        Some(Event {
            marker,
            timestamp: self.timestamp,
            payload: [self.key.event(), flags, high, low],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender of telephone events with the habits of a test.
    #[derive(Default)]
    struct Line {
        receiver: Receiver,
        ms: u64,
        heard: String,
    }

    #[derive(Clone, Copy)]
    struct Sent {
        marker: bool,
        timestamp: u32,
        event: u8,
        end: bool,
        duration: u16,
        ssrc: u32,
    }

    fn start(event: u8, timestamp: u32, duration: u16) -> Sent {
        Sent { marker: false, timestamp, event, end: false, duration, ssrc: 1 }
    }

    fn end(event: u8, timestamp: u32, duration: u16) -> Sent {
        Sent { end: true, ..start(event, timestamp, duration) }
    }

    fn marked(sent: Sent) -> Sent {
        Sent { marker: true, ..sent }
    }

    /// A whole press: five packets, the first marked, then Ends.
    fn press(event: u8, timestamp: u32, ends: usize) -> Vec<Sent> {
        let tone = (1..=5).map(|step| start(event, timestamp, step * 160));
        let mut all: Vec<Sent> = tone.chain(vec![end(event, timestamp, 800); ends]).collect();
        all[0].marker = true;
        all
    }

    impl Line {
        fn says(&mut self, packets: impl IntoIterator<Item = Sent>) -> &mut Self {
            for sent in packets {
                let [high, low] = sent.duration.to_be_bytes();
                let payload = [sent.event, u8::from(sent.end) << 7 | VOLUME, high, low];
                let packet = Packet {
                    marker: sent.marker,
                    payload_type: 101,
                    sequence: 0,
                    timestamp: sent.timestamp,
                    ssrc: sent.ssrc,
                    payload: &payload,
                };
                let now = Uptime(Duration::from_millis(self.ms));
                self.heard.extend(self.receiver.packet(&packet, now).map(shown));
                self.ms += 20;
            }
            self
        }

        fn pauses(&mut self, ms: u64) -> &mut Self {
            self.ms += ms;
            self
        }
    }

    fn shown(key: Key) -> char {
        char::from(b"0123456789*#ABCD"[usize::from(key.event())])
    }

    #[test]
    fn sip_1_by_the_book_and_with_up_to_six_ends() {
        for ends in [1, 3, 6] {
            let mut line = Line::default();
            line.says(press(1, 1000, ends)).pauses(60).says(press(10, 3000, ends)).pauses(60);
            assert_eq!(line.says(press(11, 5000, ends)).heard, "1*#");
        }
    }

    #[test]
    fn sip_1_without_any_marker() {
        let mut line = Line::default();
        for (event, timestamp) in [(1, 1000), (2, 3000), (2, 5000)] {
            let packets = press(event, timestamp, 3);
            line.says(packets.into_iter().map(|sent| Sent { marker: false, ..sent })).pauses(60);
        }
        assert_eq!(line.heard, "122");
    }

    #[test]
    fn sip_1_with_a_marker_on_every_packet() {
        let mut line = Line::default();
        line.says(press(4, 1000, 3).into_iter().map(marked)).pauses(60);
        assert_eq!(line.says(press(4, 3000, 3).into_iter().map(marked)).heard, "44");
    }

    #[test]
    fn sip_1_all_ends_lost() {
        let mut line = Line::default();
        line.says(press(7, 1000, 0)).pauses(100).says(press(7, 3000, 0)).pauses(100);
        assert_eq!(line.says(press(8, 5000, 0)).heard, "778");
    }

    #[test]
    fn sip_1_only_one_end_arrives() {
        let mut line = Line::default();
        line.says([end(5, 1000, 800)]).pauses(100).says([end(5, 3000, 800)]).pauses(100);
        assert_eq!(line.says([end(6, 5000, 800)]).heard, "556");
    }

    #[test]
    fn sip_1_the_first_packets_lost() {
        let mut line = Line::default();
        line.says(press(3, 1000, 3).split_off(3)).pauses(60);
        assert_eq!(line.says(press(3, 3000, 3).split_off(4)).heard, "33");
    }

    #[test]
    fn sip_1_reordered_within_a_press() {
        let mut line = Line::default();
        let mut packets = press(9, 1000, 3);
        packets.swap(0, 2);
        packets.swap(4, 5);
        assert_eq!(line.says(packets).heard, "9");
    }

    #[test]
    fn sip_1_stragglers_of_the_press_before() {
        let mut line = Line::default();
        line.says(press(1, 1000, 1)).says(press(2, 3000, 0).into_iter().take(2));
        line.says([end(1, 1000, 800), start(1, 1000, 640)]).says(press(2, 3000, 3).split_off(2));
        assert_eq!(line.heard, "12");
    }

    #[test]
    fn sip_1_every_packet_arrives_twice() {
        let mut line = Line::default();
        let twice = |packets: Vec<Sent>| packets.into_iter().flat_map(|sent| [sent, sent]);
        line.says(twice(press(6, 1000, 3))).pauses(60);
        assert_eq!(line.says(twice(press(6, 3000, 3))).heard, "66");
    }

    #[test]
    fn sip_1_a_long_press_in_segments() {
        let mut line = Line::default();
        line.says([marked(start(0, 1000, 160)), start(0, 1000, 40_000), start(0, 1000, 0xFFFF)]);
        line.says([start(0, 1000 + 0xFFFF, 160), start(0, 1000 + 0xFFFF, 0xFFFF)]);
        line.says([start(0, 1000 + 2 * 0xFFFF, 320), end(0, 1000 + 2 * 0xFFFF, 480)]);
        assert_eq!(line.heard, "0");
        assert_eq!(line.says(press(0, 200_000, 3)).heard, "00");
    }

    #[test]
    fn sip_2_the_same_digit_twice_under_one_timestamp() {
        // What SIPp's shipped captures do: all the same numbers for each press.
        let mut line = Line::default();
        line.says(press(2, 1000, 3)).pauses(40).says(press(2, 1000, 3));
        assert_eq!(line.heard, "22");
        let mut unmarked = press(2, 1000, 3);
        unmarked[0].marker = false;
        assert_eq!(line.pauses(300).says(unmarked).heard, "222");
    }

    #[test]
    fn sip_1_a_straggler_after_a_pause_is_no_press() {
        let mut line = Line::default();
        line.says([marked(start(5, 1000, 160)), start(5, 1000, 640)]).pauses(300);
        line.says([start(5, 1000, 320)]).says(press(5, 1000, 3).split_off(4)).pauses(300);
        assert_eq!(line.says([start(5, 1000, 800)]).heard, "5");
    }

    #[test]
    fn sip_1_what_follows_an_end_is_no_segment() {
        let mut line = Line::default();
        line.says(press(5, 1000, 1)).pauses(7000);
        assert_eq!(line.says([start(5, 1000 + 0xFFFF, 160)]).heard, "55");
    }

    #[test]
    fn sip_1_the_clock_or_the_source_starts_afresh() {
        let mut line = Line::default();
        line.says(press(5, 90_000, 3)).pauses(60).says(press(5, 160, 3)).pauses(60);
        let restarted = press(5, 160, 3).into_iter().map(|sent| Sent { ssrc: 2, ..sent });
        assert_eq!(line.says(restarted).heard, "555");
    }

    #[test]
    fn sip_1_two_keys_share_a_timestamp() {
        let mut line = Line::default();
        assert_eq!(line.says(press(1, 1000, 1)).says(press(2, 1000, 1)).heard, "12");
    }

    #[test]
    fn sip_5_flash_and_other_events_are_no_keys_and_short_payloads_none() {
        let mut line = Line::default();
        assert_eq!(line.says(press(16, 1000, 3)).says(press(255, 3000, 3)).heard, "");
        let mut packet = Packet {
            marker: true,
            payload_type: 101,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            payload: &[1, 0, 0],
        };
        assert!(Receiver::default().packet(&packet, Uptime::default()).is_none());
        packet.payload = &[1, 0, 0, 160, 99, 99];
        assert!(Receiver::default().packet(&packet, Uptime::default()).is_some());
    }

    #[test]
    fn what_the_sender_says_the_receiver_hears() {
        let mut line = Line::default();
        for (nth, code) in [1, 2, 2, 15].into_iter().enumerate() {
            let key = Key::from_event(code).expect("a key");
            let timestamp = 1000 + u32::try_from(nth).expect("few") * 1600;
            let events: Vec<Event> = Sender::new(key, timestamp).collect();
            assert_eq!(events.len(), 8);
            assert!(events[0].marker && !events[1].marker);
            assert_eq!(events[7].payload, [code, 0x8A, 3, 32]);
            line.says(events.iter().map(|event| Sent {
                marker: event.marker,
                end: event.payload[1] & 0x80 != 0,
                ..start(
                    code,
                    event.timestamp,
                    u16::from_be_bytes([event.payload[2], event.payload[3]]),
                )
            }));
        }
        assert_eq!(line.heard, "122D");
    }

    #[test]
    fn p11_digits_are_blind_here_too() {
        let mut line = Line::default();
        line.says(press(7, 1000, 3));
        let shown = format!("{:?}", line.receiver);
        assert!(shown.contains("Key(•)") && !shown.contains("Key(7)"));
    }
}
