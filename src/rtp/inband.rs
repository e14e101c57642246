//! Keys as tones in the sound: a Goertzel detector after ITU-T Q.24, for calls without telephone events.
//!
//! Blocks of 102 samples (12.75 ms) give 78 Hz of resolution, enough to part the eight tones and short enough
//! for two whole blocks in the 40 ms of the briefest legal press. Two agreeing blocks make a press, two
//! without it end it.

use std::f32::consts::TAU;
use std::fmt;

use crate::model::digits::Key;

const BLOCK_LEN: usize = 102;
const SAMPLE_RATE: f32 = 8000.0;
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// RFC 4733 event codes by row and column of the keypad.
const KEYPAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// Weakest tone taken for one, as a Goertzel power: an amplitude of 400, about -38 dBFS.
const POWER_MIN: f32 = (400.0 * 51.0) * (400.0 * 51.0);

/// The column tone may be this much stronger than the row tone (power ratio, 8 dB) …
const TWIST_MAX: f32 = 6.4;

/// … or weaker, as long lines damp high tones more (8 dB: switches allow 4, lines add to it).
const REVERSE_TWIST_MAX: f32 = 6.4;

/// A tone must stand out from the others of its group by this power ratio (8 dB).
const PEAK_MIN: f32 = 6.3;

/// The least share of the block's whole energy in the two tones; speech spreads wider.
const SHARE_MIN: f32 = 0.68;

/// Blocks without the key that end a press.
const RELEASE_BLOCKS: u8 = 2;

/// Listens to one leg's sound. Its `Debug` is blind.
#[derive(Debug, Default)]
pub struct Detector {
    block: Block,
    /// What the block before this one held.
    before: Option<Key>,
    /// The press going on, and blocks since it was last heard.
    held: Option<Key>,
    missed: u8,
}

impl Detector {
    /// Takes samples at 8 kHz; gives the key when a press has become certain.
    #[must_use]
    pub fn feed(&mut self, samples: impl IntoIterator<Item = i16>) -> Option<Key> {
        let mut pressed = None;
        for sample in samples {
            if let Some(heard) = self.block.take(f32::from(sample)) {
                pressed = self.decide(heard.key()).or(pressed);
            }
        }
        pressed
    }

    fn decide(&mut self, heard: Option<Key>) -> Option<Key> {
        let certain = heard.filter(|key| self.before == Some(*key));
        self.before = heard;
        if self.held.is_some() && heard == self.held {
            self.missed = 0;
            return None;
        }
        self.missed = self.missed.saturating_add(1);
        if self.missed >= RELEASE_BLOCKS {
            self.held = None;
        }
        if certain.is_some() {
            (self.held, self.missed) = (certain, 0);
        }
        certain
    }
}

/// The powers found in a whole block.
struct Heard {
    rows: [f32; 4],
    columns: [f32; 4],
    energy: f32,
}

impl Heard {
    fn key(&self) -> Option<Key> {
        let (row, row_power) = strongest(&self.rows)?;
        let (column, column_power) = strongest(&self.columns)?;
        let loud = row_power >= POWER_MIN && column_power >= POWER_MIN;
        let balanced =
            column_power <= row_power * TWIST_MAX && row_power <= column_power * REVERSE_TWIST_MAX;
        // A pure tone's Goertzel power is its energy times half the block.
        let share = (row_power + column_power) / (self.energy * 51.0);
        if !(loud && balanced && share >= SHARE_MIN) {
            return None;
        }
        Key::from_event(*KEYPAD.get(row)?.get(column)?)
    }
}

/// The tone that stands out of its group.
fn strongest(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (at, top) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone =
        powers.iter().enumerate().all(|(other, power)| other == at || power * PEAK_MIN <= top);
    alone.then_some((at, top))
}

/// A block in the making: eight Goertzel filters and the energy.
struct Block {
    filters: [Goertzel; 8],
    energy: f32,
    len: usize,
}

impl Default for Block {
    fn default() -> Self {
        let [r0, r1, r2, r3] = ROWS.map(Goertzel::new);
        let [c0, c1, c2, c3] = COLUMNS.map(Goertzel::new);
        Self { filters: [r0, r1, r2, r3, c0, c1, c2, c3], energy: 0.0, len: 0 }
    }
}

impl fmt::Debug for Block {
    /// Blind: the filters' states tell the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Block(••)")
    }
}

impl Block {
    fn take(&mut self, sample: f32) -> Option<Heard> {
        self.filters.iter_mut().for_each(|filter| filter.take(sample));
        self.energy += sample * sample;
        self.len += 1;
        if self.len < BLOCK_LEN {
            return None;
        }
        let [r0, r1, r2, r3, c0, c1, c2, c3] = self.filters.each_mut().map(Goertzel::finish);
        let heard = Heard {
            rows: [r0, r1, r2, r3],
            columns: [c0, c1, c2, c3],
            energy: self.energy.max(1.0),
        };
        (self.energy, self.len) = (0.0, 0);
        Some(heard)
    }
}

#[derive(Clone, Copy)]
struct Goertzel {
    coefficient: f32,
    last: f32,
    before: f32,
}

impl Goertzel {
    fn new(hertz: f32) -> Self {
        Self { coefficient: 2.0 * (TAU * hertz / SAMPLE_RATE).cos(), last: 0.0, before: 0.0 }
    }

    fn take(&mut self, sample: f32) {
        let next = sample + self.coefficient * self.last - self.before;
        (self.before, self.last) = (self.last, next);
    }

    /// The power at the filter's frequency; the filter starts afresh.
    fn finish(&mut self) -> f32 {
        let (last, before) = (self.last, self.before);
        (self.last, self.before) = (0.0, 0.0);
        last * last + before * before - self.coefficient * last * before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rtp::g711::Law;
    use crate::rtp::prompt::tests::english;

    const KEYS: &str = "1234567890*#ABCD11";

    /// How the far end makes its tones.
    #[derive(Clone, Copy)]
    struct Tones {
        on_ms: usize,
        off_ms: usize,
        row_db: f32,
        column_db: f32,
        drift: f32,
        noise_db: Option<f32>,
    }

    const USUAL: Tones = Tones {
        on_ms: 40,
        off_ms: 40,
        row_db: -12.0,
        column_db: -12.0,
        drift: 1.0,
        noise_db: None,
    };

    /// The keys heard when `KEYS` is keyed over a line of either law.
    fn heard(tones: Tones, law: Law, lead: usize) -> String {
        let mut noise = Noise(1);
        let mut samples = vec![0.0; lead];
        for key in KEYS.chars() {
            let code = Key::from_char(key).expect("a key").event();
            let row = KEYPAD.iter().position(|keys| keys.contains(&code)).expect("on the pad");
            let column = KEYPAD[row].iter().position(|at| *at == code).expect("on the pad");
            let tone = |hertz: f32, db: f32, at: usize| {
                let at = f32::from(u16::try_from(at).expect("short"));
                level(db) * (TAU * hertz * tones.drift * at / SAMPLE_RATE).sin()
            };
            samples.extend((0..tones.on_ms * 8).map(|at| {
                tone(ROWS[row], tones.row_db, at) + tone(COLUMNS[column], tones.column_db, at)
            }));
            samples.extend(vec![0.0; tones.off_ms * 8]);
        }
        let mut detector = Detector::default();
        let mut heard = String::new();
        for chunk in samples.chunks(160) {
            let sent = chunk.iter().map(|sample| {
                let noise = tones.noise_db.map_or(0.0, |db| noise.next() * level(db) * 1.22);
                law.decode(law.encode(to_sample(sample + noise)))
            });
            let key = detector.feed(sent.collect::<Vec<_>>());
            heard.extend(key.map(|key| char::from(b"0123456789*#ABCD"[usize::from(key.event())])));
        }
        heard
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped before")]
    fn to_sample(value: f32) -> i16 {
        value.clamp(-32_768.0, 32_767.0) as i16
    }

    /// The amplitude of a sine at a level in dBFS.
    fn level(db: f32) -> f32 {
        32_767.0 * 10f32.powf(db / 20.0)
    }

    /// A plain xorshift, the same in every run; values within ±1.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            f32::from(u16::try_from(self.0 >> 48).expect("sixteen bits")) / 32_768.0 - 1.0
        }
    }

    #[track_caller]
    fn all_heard(tones: Tones) {
        for law in [Law::Pcmu, Law::Pcma] {
            for lead in [0, 17, 51, 77, 101] {
                assert_eq!(heard(tones, law, lead), KEYS, "{law:?}, tones begin at sample {lead}");
            }
        }
    }

    #[test]
    fn sip_5_5_the_briefest_legal_presses_in_both_laws() {
        all_heard(USUAL);
    }

    #[test]
    fn sip_5_5_tones_off_by_one_and_a_half_percent() {
        all_heard(Tones { drift: 1.015, ..USUAL });
        all_heard(Tones { drift: 0.985, ..USUAL });
    }

    #[test]
    fn sip_5_5_faint_tones_and_twisted_ones() {
        all_heard(Tones { row_db: -30.0, column_db: -30.0, ..USUAL });
        all_heard(Tones { row_db: -18.0, column_db: -12.0, ..USUAL });
        all_heard(Tones { row_db: -12.0, column_db: -18.0, ..USUAL });
    }

    #[test]
    fn sip_5_5_tones_in_noise_15_db_below() {
        all_heard(Tones { on_ms: 60, noise_db: Some(-24.0), ..USUAL });
    }

    #[test]
    fn a_long_press_is_one_press() {
        all_heard(Tones { on_ms: 3000, ..USUAL });
    }

    #[test]
    fn a_click_in_a_press_does_not_part_it() {
        for begin in 0..BLOCK_LEN {
            let mut samples = chord(&[(852.0, -12.0), (1477.0, -12.0)], 1600);
            samples[800 + begin..840 + begin].fill(0);
            let mut detector = Detector::default();
            let presses =
                samples.chunks(160).filter(|chunk| detector.feed(chunk.to_vec()).is_some());
            assert_eq!(presses.count(), 1, "click at {begin}");
        }
    }

    #[test]
    fn two_tones_of_a_chord_are_no_key() {
        let chord = chord(&[(697.0, -15.0), (1209.0, -15.0), (2100.0, -13.0)], 8000);
        assert!(Detector::default().feed(chord).is_none());
    }

    fn chord(tones: &[(f32, f32)], len: u16) -> Vec<i16> {
        let sample = |at: u16| {
            let turns = TAU * f32::from(at) / SAMPLE_RATE;
            to_sample(tones.iter().map(|(hertz, db)| level(*db) * (hertz * turns).sin()).sum())
        };
        (0..len).map(sample).collect()
    }

    #[test]
    fn what_is_too_faint_too_short_or_too_twisted_is_no_key() {
        for tones in [
            Tones { row_db: -45.0, column_db: -45.0, ..USUAL },
            Tones { on_ms: 12, ..USUAL },
            Tones { row_db: -24.0, column_db: -8.0, ..USUAL },
            Tones { column_db: -90.0, ..USUAL },
            Tones { drift: 1.05, ..USUAL },
        ] {
            assert_eq!(heard(tones, Law::Pcma, 33), "");
        }
    }

    #[test]
    fn sip_5_5_ten_minutes_of_noise_press_nothing() {
        let mut noise = Noise(7);
        let mut detector = Detector::default();
        for loudness in [300.0, 3000.0, 12_000.0] {
            let samples = (0..200 * 8000).map(|_| to_sample(noise.next() * loudness));
            assert!(detector.feed(samples).is_none());
        }
    }

    #[test]
    fn sip_5_5_speech_presses_nothing() {
        let pack = english();
        for law in [Law::Pcmu, Law::Pcma] {
            for lead in [0, 25, 51, 76] {
                let mut detector = Detector::default();
                assert!(detector.feed(vec![0; lead]).is_none());
                for prompt in pack.iter() {
                    let samples =
                        prompt.frames(law).as_flattened().iter().map(|byte| law.decode(*byte));
                    assert!(detector.feed(samples).is_none(), "{}", prompt.id());
                }
            }
        }
    }
}
