//! One leg's media, without sockets: datagrams in, keys out; a tick every 20 ms, a datagram out.
//!
//! One sender for the whole leg: whatever is sent next (silence, a prompt, a key) goes on with the same
//! SSRC, sequence and clock, and marks where a talkspurt begins.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::g711::FRAME_LEN;
use crate::rtp::g711::FRAME_TICKS;
use crate::rtp::g711::Law;
use crate::rtp::inband::Detector;
use crate::rtp::latch::Latch;
use crate::rtp::merge::Merge;
use crate::rtp::merge::Report;
use crate::rtp::merge::Via;
use crate::rtp::packet::HEADER_LEN;
use crate::rtp::packet::Packet;
use crate::rtp::prompt::Player;
use crate::rtp::prompt::Prompt;
use crate::rtp::telephone_event::Event;
use crate::rtp::telephone_event::Receiver;
use crate::rtp::telephone_event::Sender;

/// Room for any datagram of ours: a buffer for [`MediaSession::tick`].
pub const DATAGRAM_LEN: usize = HEADER_LEN + FRAME_LEN;

/// A tick comes this often.
pub const TICK: Duration = Duration::from_millis(20);

/// Ticks that come later than this make a hole in the sound; the RTP clock leaps over it.
const LATE_MAX: Duration = Duration::from_millis(60);

/// Payload types remembered across offers, of each kind.
const PAYLOADS_MAX: usize = 8;

/// Keys waiting to be sent.
const KEYS_MAX: usize = 32;

/// Silence between two keys sent, on top of the 60 ms of Ends.
const KEY_GAP_TICKS: u8 = 2;

/// An audio payload type and what it means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AudioPayload {
    /// As offered; 0 and 8 are usual, others legal.
    pub number: u8,
    /// How to read it.
    pub law: Law,
}

/// The far end, as its SDP describes it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it wants its media.
    pub address: SocketAddr,
    /// The negotiated payloads, the one to send first. Without one nothing is sent.
    pub audio: Vec<AudioPayload>,
    /// The payload type of telephone events, when negotiated.
    pub telephone_event: Option<u8>,
    /// Whether it does not want to hear us now (`sendonly`, `inactive`).
    pub held: bool,
}

/// What a leg's media starts with. The numbers are random, by the caller's dice.
#[derive(Clone, Debug)]
pub struct MediaSetup {
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Of the first packet sent.
    pub first_sequence: u16,
    /// Of the first packet sent.
    pub first_timestamp: u32,
    /// Whom we talk to.
    pub remote: Remote,
}

/// What came out of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MediaEvent {
    /// The caller pressed a key, told for the first time.
    Key {
        /// The key; its `Debug` is blind.
        key: Key,
        /// How it was told.
        via: Via,
    },
}

/// What a tick asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a tick not sent is a hole in the sound"]
pub struct Tick {
    /// Send this many bytes of the buffer there.
    pub send: Option<Datagram>,
    /// The prompt has just been said to its end.
    pub ended: bool,
}

/// A datagram in the caller's buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram {
    /// Where to.
    pub to: SocketAddr,
    /// How many bytes of the buffer.
    pub len: usize,
}

/// Counters of one leg.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Packets of the far end that were taken.
    pub received: u64,
    /// Packets written.
    pub sent: u64,
    /// Datagrams that were no RTP.
    pub malformed: u64,
    /// RTP of a payload type never negotiated.
    pub unexpected: u64,
    /// RTP of somebody else than the far end.
    pub foreign: u64,
    /// Keys told a second time by another way.
    pub repeated_keys: u64,
    /// When the far end was last heard.
    pub last_heard: Option<Uptime>,
}

/// One leg's media.
#[derive(Debug)]
pub struct MediaSession {
    latch: Latch,
    remote: Remote,
    /// Everything ever negotiated: packets sent before a new answer arrived still come.
    audio: Vec<AudioPayload>,
    events: Vec<u8>,
    receiver: Receiver,
    detector: Detector,
    sound_sequence: Option<u16>,
    merge: Merge,
    output: Output,
    counters: Counters,
}

impl MediaSession {
    /// Starts silent.
    #[must_use]
    pub fn new(setup: MediaSetup) -> Self {
        let mut session = Self {
            latch: Latch::new(setup.remote.address),
            remote: setup.remote.clone(),
            audio: vec![],
            events: vec![],
            receiver: Receiver::default(),
            detector: Detector::default(),
            sound_sequence: None,
            merge: Merge::default(),
            output: Output::new(&setup),
            counters: Counters::default(),
        };
        session.reoffer(setup.remote);
        session
    }

    /// Takes the far end's new description. Old payload types stay acceptable.
    pub fn reoffer(&mut self, remote: Remote) {
        self.latch.reoffer(remote.address);
        for payload in &remote.audio {
            self.audio.retain(|known| known.number != payload.number);
            self.audio.insert(0, *payload);
        }
        self.audio.truncate(PAYLOADS_MAX);
        if let Some(number) = remote.telephone_event {
            self.events.retain(|known| *known != number);
            self.events.insert(0, number);
            self.events.truncate(PAYLOADS_MAX);
        }
        self.remote = remote;
    }

    /// Takes a datagram.
    #[must_use = "a key may have been pressed"]
    pub fn packet(
        &mut self,
        datagram: &[u8],
        source: SocketAddr,
        now: Uptime,
    ) -> Option<MediaEvent> {
        let Some(packet) = Packet::parse(datagram) else {
            self.counters.malformed += 1;
            return None;
        };
        let law = self
            .audio
            .iter()
            .find(|known| known.number == packet.payload_type)
            .map(|known| known.law);
        let event = self.events.contains(&packet.payload_type);
        if law.is_none() && !event {
            self.counters.unexpected += 1;
            return None;
        }
        if !self.latch.admit(source, now) {
            self.counters.foreign += 1;
            return None;
        }
        self.counters.received += 1;
        self.counters.last_heard = Some(now);
        if event {
            let key = self.receiver.packet(&packet, now)?;
            return self.merged(key, Via::Rfc4733, now);
        }
        let key = self.listen(law?, &packet)?;
        self.merged(key, Via::InBand, now)
    }

    /// Takes a key of a SIP INFO request (each request once, see [`crate::rtp::info::key`]).
    #[must_use = "a key may have been pressed"]
    pub fn info(&mut self, key: Key, now: Uptime) -> Option<MediaEvent> {
        self.merged(key, Via::Info, now)
    }

    /// Plays a prompt from its beginning, in place of one being played.
    pub fn play(&mut self, prompt: Arc<Prompt>) {
        self.output.player = Some(Player::new(prompt));
        self.output.marker = true;
    }

    /// Falls silent at once; `ended` is not reported.
    pub fn stop(&mut self) {
        self.output.player = None;
    }

    /// Whether a prompt is being played.
    #[must_use]
    pub const fn is_playing(&self) -> bool {
        self.output.player.is_some()
    }

    /// Keys the key as a telephone event, after those already waiting (for the test caller).
    pub fn press(&mut self, key: Key) {
        if self.output.keys.len() < KEYS_MAX {
            self.output.keys.push_back(key);
        }
    }

    /// Every 20 ms: writes the next packet into `out`.
    pub fn tick(&mut self, now: Uptime, out: &mut [u8; DATAGRAM_LEN]) -> Tick {
        self.output.keep_time(now);
        let payload = self.remote.audio.first().copied().filter(|_| !self.remote.held);
        let Some(payload) = payload else {
            self.output.skip();
            return Tick { send: None, ended: false };
        };
        let (len, ended) = self.output.write(payload, self.remote.telephone_event, out);
        let send = len.map(|len| Datagram { to: self.latch.target(), len });
        self.counters.sent += u64::from(send.is_some());
        Tick { send, ended }
    }

    /// Where packets are sent now.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.latch.target()
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn merged(&mut self, key: Key, via: Via, now: Uptime) -> Option<MediaEvent> {
        match self.merge.report(key, via, now) {
            Report::Press => Some(MediaEvent::Key { key, via }),
            Report::Repeated => {
                self.counters.repeated_keys += 1;
                None
            }
        }
    }

    /// Looks for tones where the far end has no other way, in the order of the sequence numbers.
    fn listen(&mut self, law: Law, packet: &Packet<'_>) -> Option<Key> {
        if self.remote.telephone_event.is_some() {
            return None;
        }
        let ahead = self.sound_sequence.map_or(1, |last| packet.sequence.wrapping_sub(last));
        // A repeated or late packet would tear a tone apart; a leap far back is a sender that restarted.
        if ahead == 0 || ahead > u16::MAX - 100 {
            return None;
        }
        self.sound_sequence = Some(packet.sequence);
        self.detector.feed(packet.payload.iter().map(|byte| law.decode(*byte)))
    }
}

/// The one sender of a leg.
#[derive(Debug)]
struct Output {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    ticked: Option<Uptime>,
    player: Option<Player>,
    keys: VecDeque<Key>,
    pressing: Option<Sender>,
    gap: u8,
}

impl Output {
    fn new(setup: &MediaSetup) -> Self {
        Self {
            ssrc: setup.ssrc,
            sequence: setup.first_sequence,
            timestamp: setup.first_timestamp,
            marker: true,
            ticked: None,
            player: None,
            keys: VecDeque::new(),
            pressing: None,
            gap: 0,
        }
    }

    /// Leaps over ticks that never came, so that the RTP clock stays true.
    fn keep_time(&mut self, now: Uptime) {
        let since = self.ticked.replace(now).map_or(TICK, |last| now - last);
        if since > LATE_MAX {
            let missed = (since.as_millis() / TICK.as_millis()).saturating_sub(1);
            let ticks = u32::try_from(missed).unwrap_or(u32::MAX).wrapping_mul(FRAME_TICKS);
            self.timestamp = self.timestamp.wrapping_add(ticks);
            self.marker = true;
        }
    }

    /// Lets 20 ms pass without a packet.
    fn skip(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        self.marker = true;
    }

    /// Writes the next packet; says its length, and whether a prompt has just ended.
    fn write(
        &mut self,
        audio: AudioPayload,
        telephone_event: Option<u8>,
        out: &mut [u8],
    ) -> (Option<usize>, bool) {
        let mut packet = Packet {
            marker: self.marker,
            payload_type: audio.number,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: audio.law.silence(),
        };
        let event = telephone_event.and_then(|number| Some((number, self.next_event()?)));
        let ended = event.is_none() && self.player.as_ref().is_some_and(Player::is_over);
        if ended {
            self.player = None;
        }
        if let Some((number, event)) = &event {
            packet.payload_type = *number;
            packet.marker = event.marker;
            packet.timestamp = event.timestamp;
            packet.payload = &event.payload;
        } else if let Some(player) = &mut self.player {
            packet.payload = player.next_frame(audio.law).unwrap_or(audio.law.silence());
        }
        let len = packet.write(out);
        // Sound after a key begins a talkspurt of its own.
        self.marker = event.is_some();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        (len, ended)
    }

    /// The next packet of a press being sent, if there is one.
    fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.pressing.as_mut().and_then(Iterator::next) {
            return Some(event);
        }
        if self.pressing.take().is_some() {
            self.gap = KEY_GAP_TICKS;
        }
        if self.gap > 0 {
            self.gap -= 1;
            return None;
        }
        let key = self.keys.pop_front()?;
        self.pressing.insert(Sender::new(key, self.timestamp)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rtp::prompt::PromptPack;
    use crate::rtp::prompt::tests::wav;

    const PCMU: AudioPayload = AudioPayload { number: 0, law: Law::Pcmu };
    const PCMA: AudioPayload = AudioPayload { number: 8, law: Law::Pcma };

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn ms(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    fn remote(port: u16, telephone_event: Option<u8>) -> Remote {
        Remote { address: at(port), audio: vec![PCMA, PCMU], telephone_event, held: false }
    }

    fn session(remote: Remote) -> MediaSession {
        let first_sequence = u16::MAX - 1;
        let first_timestamp = u32::MAX - 100;
        MediaSession::new(MediaSetup { ssrc: 7, first_sequence, first_timestamp, remote })
    }

    /// 50 ms of a rising line: two and a half frames.
    fn prompt() -> Arc<Prompt> {
        let file = wav(&(0..400).map(|at| at * 50).collect::<Vec<i16>>());
        let pack = PromptPack::new([("thanks", file.as_slice())]).expect("a good file");
        pack.get("thanks").expect("there").clone()
    }

    /// What a tick put on the wire.
    struct Sent {
        marker: bool,
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        silent: bool,
        ended: bool,
        datagram: Vec<u8>,
    }

    fn tick(session: &mut MediaSession, now: u64) -> Option<Sent> {
        let mut out = [0; DATAGRAM_LEN];
        let tick = session.tick(ms(now), &mut out);
        let send = tick.send?;
        assert_eq!(send.to, session.target());
        let packet = Packet::parse(&out[..send.len]).expect("our own RTP");
        assert_eq!(packet.ssrc, 7);
        Some(Sent {
            marker: packet.marker,
            payload_type: packet.payload_type,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            silent: packet.payload == Law::Pcma.silence(),
            ended: tick.ended,
            datagram: out[..send.len].to_vec(),
        })
    }

    fn audio(payload_type: u8, sequence: u16) -> Vec<u8> {
        let packet = Packet {
            marker: false,
            payload_type,
            sequence,
            timestamp: 0,
            ssrc: 9,
            payload: Law::Pcma.silence(),
        };
        let mut out = vec![0; DATAGRAM_LEN];
        packet.write(&mut out).expect("room");
        out
    }

    fn key(key: char) -> Key {
        Key::from_char(key).expect("a key")
    }

    #[test]
    fn sip_22_one_stream_through_silence_and_prompt_with_markers_at_talkspurts() {
        let mut session = session(remote(1000, Some(101)));
        let silence = [0, 20].map(|now| tick(&mut session, now).expect("silence"));
        session.play(prompt());
        assert!(session.is_playing());
        let said = [40, 60, 80].map(|now| tick(&mut session, now).expect("a frame"));
        let after = [100, 120].map(|now| tick(&mut session, now).expect("silence"));
        assert!(!session.is_playing());

        let all: Vec<&Sent> = silence.iter().chain(&said).chain(&after).collect();
        for (nth, sent) in (0u16..).zip(&all) {
            assert_eq!(sent.sequence, (u16::MAX - 1).wrapping_add(nth));
            assert_eq!(sent.timestamp, (u32::MAX - 100).wrapping_add(160 * u32::from(nth)));
            assert_eq!(sent.payload_type, 8);
        }
        let markers: Vec<bool> = all.iter().map(|sent| sent.marker).collect();
        assert_eq!(markers, [true, false, true, false, false, false, false]);
        let silent: Vec<bool> = all.iter().map(|sent| sent.silent).collect();
        assert_eq!(silent, [true, true, false, false, false, true, true]);
        let ended: Vec<bool> = all.iter().map(|sent| sent.ended).collect();
        assert_eq!(ended, [false, false, false, false, false, true, false]);
        assert_eq!(session.counters().sent, 7);
    }

    #[test]
    fn a_prompt_stopped_or_replaced_does_not_end() {
        let mut session = session(remote(1000, Some(101)));
        session.play(prompt());
        assert!(tick(&mut session, 0).is_some());
        session.stop();
        let sent = tick(&mut session, 20).expect("silence");
        assert!(sent.silent && !sent.ended);
    }

    #[test]
    fn ticks_that_never_came_leave_a_hole_in_the_clock() {
        let mut session = session(remote(1000, Some(101)));
        let first = tick(&mut session, 0).expect("silence");
        let next = tick(&mut session, 20 * 51).expect("silence");
        assert_eq!(next.timestamp.wrapping_sub(first.timestamp), 160 * 51);
        assert_eq!(next.sequence.wrapping_sub(first.sequence), 1);
        assert!(next.marker);
    }

    #[test]
    fn on_hold_nothing_is_sent_and_the_prompt_waits() {
        let mut session = session(remote(1000, Some(101)));
        session.play(prompt());
        session.reoffer(Remote { held: true, ..remote(1000, Some(101)) });
        assert!(tick(&mut session, 0).is_none());
        session.reoffer(remote(1000, Some(101)));
        let sent = tick(&mut session, 20).expect("the prompt");
        assert!(sent.marker && !sent.silent);
        assert_eq!(sent.timestamp, (u32::MAX - 100).wrapping_add(160));
    }

    #[test]
    fn c33_keys_pressed_on_one_side_are_heard_on_the_other_each_once() {
        let mut caller = session(remote(1000, Some(96)));
        let mut daemon = session(remote(2000, Some(96)));
        for pressed in "1224#".chars() {
            caller.press(key(pressed));
        }
        let mut heard = vec![];
        let mut sequence = u16::MAX - 1;
        let mut was_audio = true;
        for step in 0..80 {
            let now = step * 20;
            let sent = tick(&mut caller, now).expect("a packet");
            assert_eq!(sent.sequence, sequence);
            sequence = sequence.wrapping_add(1);
            let is_audio = sent.payload_type == 8;
            assert_eq!(sent.marker, is_audio != was_audio, "a talkspurt or a key begins");
            was_audio = is_audio;
            let Some(MediaEvent::Key { key, via }) =
                daemon.packet(&sent.datagram, at(2000), ms(now))
            else {
                continue;
            };
            assert_eq!(via, Via::Rfc4733);
            heard.push(key);
            // The gateway tells the same press by INFO.
            assert_eq!(daemon.info(key, ms(now + 15)), None);
        }
        assert!(heard == "1224#".chars().map(key).collect::<Vec<_>>());
        assert_eq!(daemon.counters().repeated_keys, 5);
        assert_eq!(daemon.counters().received, 80);
    }

    #[test]
    fn sip_4_the_payload_type_of_a_re_offer_and_the_old_one_are_heard() {
        let mut session = session(remote(1000, Some(101)));
        session.reoffer(remote(1000, Some(96)));
        for (nth, number) in (0u16..).zip([101, 96]) {
            let payload = [5, 10, 0, 160];
            let packet = Packet {
                marker: true,
                payload_type: number,
                sequence: nth,
                timestamp: 9000 * u32::from(nth),
                ssrc: 9,
                payload: &payload,
            };
            let mut out = [0; 16];
            packet.write(&mut out).expect("room");
            assert!(session.packet(&out, at(1000), ms(u64::from(nth) * 1000)).is_some());
        }
        assert_eq!(session.packet(&audio(97, 9), at(1000), ms(0)), None);
        assert_eq!(session.counters().unexpected, 1);
    }

    #[test]
    fn sip_11_the_latch_follows_a_negotiated_payload_only() {
        let mut session = session(remote(1000, Some(101)));
        let _ = session.packet(&audio(13, 0), at(6666), ms(0));
        let _ = session.packet(b"not RTP", at(6666), ms(0));
        assert_eq!(session.target(), at(1000));
        let _ = session.packet(&audio(0, 0), at(2000), ms(0));
        assert_eq!(session.target(), at(2000));
        let _ = session.packet(&audio(0, 1), at(6666), ms(20));
        assert_eq!(session.target(), at(2000));
        let counters = Counters {
            received: 1,
            malformed: 1,
            unexpected: 1,
            foreign: 1,
            last_heard: Some(ms(0)),
            ..Counters::default()
        };
        assert_eq!(session.counters(), &counters);
    }

    /// 20 ms of a key's two tones, in A-law.
    fn tones(row: f32, column: f32, sequence: u16) -> Vec<u8> {
        let mut datagram = audio(8, sequence);
        for (at, byte) in (0u16..).zip(&mut datagram[HEADER_LEN..]) {
            let turns = std::f32::consts::TAU * f32::from(sequence * 160 + at) / 8000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within ±12000")]
            let sample = (6000.0 * ((row * turns).sin() + (column * turns).sin())) as i16;
            *byte = Law::Pcma.encode(sample);
        }
        datagram
    }

    #[test]
    fn tones_in_the_sound_count_only_where_no_events_were_negotiated() {
        let five = MediaEvent::Key { key: key('5'), via: Via::InBand };
        for (telephone_event, expected) in [(None, vec![five]), (Some(101), vec![])] {
            let mut session = session(remote(1000, telephone_event));
            let heard = (0..10).map(|nth| {
                session.packet(&tones(770.0, 1336.0, nth), at(1000), ms(u64::from(nth) * 20))
            });
            assert_eq!(heard.flatten().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_packet_that_comes_three_times_is_no_longer_tone() {
        let mut session = session(remote(1000, None));
        // Whole waves in 20 ms, so that the copies would join without a seam.
        let short = tones(700.0, 1200.0, 1);
        for _ in 0..3 {
            assert_eq!(session.packet(&short, at(1000), ms(0)), None);
        }
        assert!(session.packet(&tones(700.0, 1200.0, 2), at(1000), ms(20)).is_some());
    }

    #[test]
    fn the_law_sent_is_the_first_of_the_answer() {
        let mut session = session(Remote { audio: vec![PCMU], ..remote(1000, None) });
        assert_eq!(tick(&mut session, 0).map(|sent| sent.payload_type), Some(0));
        session.reoffer(Remote { audio: vec![PCMA, PCMU], ..remote(1000, None) });
        let sent = tick(&mut session, 20).expect("silence");
        assert!(sent.payload_type == 8 && sent.silent);
        session.reoffer(Remote { audio: vec![], ..remote(1000, None) });
        assert!(tick(&mut session, 40).is_none());
    }
}
