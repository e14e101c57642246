//! The caller's side of the sound: hears prompts, sends silence and keys.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::digits::Key;
use crate::model::time::Uptime;
use crate::rtp::g711::Law;
use crate::rtp::packet::Packet;
use crate::rtp::prompt::Prompt;
use crate::rtp::prompt::PromptPack;
use crate::rtp::prompt::wav;
use crate::rtp::recognise::Recognised;
use crate::rtp::recognise::Recogniser;
use crate::rtp::session::AudioPayload;
use crate::rtp::session::DATAGRAM_LEN;
use crate::rtp::session::Datagram;
use crate::rtp::session::MediaSession;
use crate::rtp::session::MediaSetup;
use crate::rtp::session::Remote;
use crate::sip::sdp;
use crate::sip::sdp::MediaOffer;

/// What all callers share: the prompts they know, and the tones of a keypad.
pub struct Ears {
    recogniser: Recogniser,
    /// By event code.
    tones: Vec<Option<Arc<Prompt>>>,
}

impl Ears {
    /// Learns the daemon's prompt pack.
    #[must_use]
    pub fn new(pack: &PromptPack) -> Self {
        let tones = (0..16).map(|event| tone(Key::from_event(event)?)).collect();
        Self { recogniser: Recogniser::new(pack), tones }
    }

    fn listener(&self) -> Recogniser {
        self.recogniser.clone()
    }

    fn tone(&self, key: Key) -> Option<Arc<Prompt>> {
        self.tones.get(usize::from(key.event())).cloned().flatten()
    }
}

/// Where a sender's numbers begin.
#[derive(Clone, Copy)]
pub(super) struct Beginning {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}

/// One call's sound, both ways.
pub(super) struct Voice {
    session: MediaSession,
    recogniser: Recogniser,
    ears: Arc<Ears>,
    audio: Vec<AudioPayload>,
    takes_events: bool,
    tones: VecDeque<Key>,
}

impl Voice {
    pub(super) fn new(far_end: &MediaOffer, beginning: Beginning, ears: Arc<Ears>) -> Self {
        let remote = remote(far_end);
        Self {
            audio: remote.audio.clone(),
            takes_events: remote.telephone_event.is_some(),
            session: MediaSession::new(MediaSetup {
                ssrc: beginning.ssrc,
                first_sequence: beginning.sequence,
                first_timestamp: beginning.timestamp,
                remote,
            }),
            recogniser: ears.listener(),
            ears,
            tones: VecDeque::new(),
        }
    }

    /// The far end's media moves or changes.
    pub(super) fn reoffer(&mut self, far_end: &MediaOffer) {
        let remote = remote(far_end);
        self.audio.clone_from(&remote.audio);
        self.takes_events = remote.telephone_event.is_some();
        self.session.reoffer(remote);
    }

    /// Takes a datagram; tells which prompts begin with it.
    pub(super) fn hear(&mut self, datagram: &[u8]) -> Vec<Arc<str>> {
        let Some(packet) = Packet::parse(datagram) else { return vec![] };
        let known = self.audio.iter().find(|payload| payload.number == packet.payload_type);
        let Some(payload) = known else { return vec![] };
        let told = self.recogniser.payload(payload.law, packet.payload).into_iter();
        let begun = told.filter_map(|what| match what {
            Recognised::Started(id) => Some(id),
            Recognised::Ended(_) => None,
        });
        begun.collect()
    }

    /// Presses a key as RFC 4733 event, or as a tone where the far end takes no events.
    pub(super) fn press(&mut self, key: Key) {
        if self.takes_events {
            self.session.press(key);
        } else {
            self.tones.push_back(key);
        }
    }

    /// Every 20 ms: what to send.
    pub(super) fn tick(&mut self, now: Uptime, out: &mut [u8; DATAGRAM_LEN]) -> Option<Datagram> {
        if !self.session.is_playing()
            && let Some(tone) = self.tones.pop_front().and_then(|key| self.ears.tone(key))
        {
            self.session.play(tone);
        }
        self.session.tick(now, out).send
    }
}

fn remote(far_end: &MediaOffer) -> Remote {
    let law = |law| match law {
        sdp::Law::Pcmu => Law::Pcmu,
        sdp::Law::Pcma => Law::Pcma,
    };
    let audio = far_end
        .audio
        .iter()
        .map(|known| AudioPayload { number: known.number, law: law(known.law) });
    Remote {
        address: SocketAddr::new(far_end.address, far_end.port),
        audio: audio.collect(),
        telephone_event: far_end.telephone_event,
        held: far_end.held(),
    }
}

const SAMPLE_RATE: u16 = 8000;
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// Event codes as they lie on the keypad, row by row.
const KEYPAD: [u8; 16] = [1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15];

/// 100 ms of both tones, and a pause of 60 ms.
const TONE_SAMPLES: u16 = 800;
const PAUSE_SAMPLES: u16 = 480;

/// Of each tone; together about -8 dBFS.
const AMPLITUDE: f32 = 6000.0;

/// A key's tones as something to play. All are called the same, so that none tells its key.
fn tone(key: Key) -> Option<Arc<Prompt>> {
    let at = KEYPAD.iter().position(|event| *event == key.event())?;
    let (row, column) = (*ROWS.get(at / 4)?, *COLUMNS.get(at % 4)?);
    let wave = |hertz: f32, at: u16| (TAU * hertz * f32::from(at) / f32::from(SAMPLE_RATE)).sin();
    #[expect(clippy::cast_possible_truncation, reason = "twice the amplitude fits well")]
    let sample = |at: u16| (AMPLITUDE * (wave(row, at) + wave(column, at))) as i16;
    let samples = (0..TONE_SAMPLES).map(sample).chain((0..PAUSE_SAMPLES).map(|_| 0));
    let pack = PromptPack::new([("tone", wav(samples).as_slice())]).ok()?;
    pack.get("tone").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::inband::Detector;

    #[test]
    fn d04_the_tones_of_all_sixteen_keys_are_heard_as_such() {
        let ears = Ears::new(&PromptPack::default());
        for law in [Law::Pcmu, Law::Pcma] {
            let mut detector = Detector::default();
            for event in 0..16 {
                let key = Key::from_event(event).expect("a key");
                let tone = ears.tone(key).expect("a tone");
                let samples = tone.frames(law).concat().into_iter().map(|byte| law.decode(byte));
                assert!(detector.feed(samples) == Some(key), "{event}");
            }
        }
    }
}
