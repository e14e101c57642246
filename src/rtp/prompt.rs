//! The prompt pack: WAV files read once, kept as G.711 frames of both laws, so that playing is copying.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::rtp::g711::FRAME_LEN;
use crate::rtp::g711::Frame;
use crate::rtp::g711::Law;

/// The prompts that every pack must hold.
pub const IDS: [&str; 13] = [
    "customer.number",
    "goodbye",
    "pin.again",
    "pin.position.1",
    "pin.position.2",
    "pin.position.3",
    "pin.position.4",
    "pin.position.5",
    "pin.position.6",
    "pin.position.7",
    "pin.reprompt",
    "thanks",
    "unavailable",
];

/// The longest prompt: nobody listens longer, and a wrong file must not fill the memory.
const SECONDS_MAX: usize = 60;

const SAMPLE_RATE: u32 = 8000;

/// A file of the pack cannot be played.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("prompt {id:?}: {fault}; wanted a WAV file of 8000 Hz, mono, 16-bit PCM")]
pub struct BadPrompt {
    /// The prompt's id.
    pub id: String,
    /// What was found instead.
    pub fault: Fault,
}

/// What is wrong with a prompt's file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// No RIFF/WAVE header.
    #[error("is no WAV file")]
    NotWav,
    /// A chunk is missing or cut short.
    #[error("has no whole {0} chunk")]
    Chunk(&'static str),
    /// Compressed, or floating point.
    #[error("has WAV encoding {0}, not PCM (1)")]
    Encoding(u16),
    /// Another sampling rate.
    #[error("has {0} Hz")]
    Rate(u32),
    /// More than one channel.
    #[error("has {0} channels")]
    Channels(u16),
    /// Another sample size.
    #[error("has {0} bits per sample")]
    Bits(u16),
    /// No sound at all.
    #[error("holds no sound")]
    Empty,
    /// Nobody listens that long.
    #[error("is longer than {SECONDS_MAX} seconds")]
    TooLong,
}

/// One prompt, ready to be sent in either law.
pub struct Prompt {
    id: Arc<str>,
    pcmu: Box<[Frame]>,
    pcma: Box<[Frame]>,
}

impl Prompt {
    fn new(id: &str, wav: &[u8]) -> Result<Self, Fault> {
        let samples = read_wav(wav)?;
        let encoded =
            |law: Law| samples.chunks(FRAME_LEN).map(|chunk| encode(law, chunk)).collect();
        Ok(Self { id: id.into(), pcmu: encoded(Law::Pcmu), pcma: encoded(Law::Pcma) })
    }

    /// The prompt's id, for example `pin.position.3`.
    #[must_use]
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// All its frames of 20 ms; the last one is filled up with silence.
    #[must_use]
    pub const fn frames(&self, law: Law) -> &[Frame] {
        match law {
            Law::Pcmu => &self.pcmu,
            Law::Pcma => &self.pcma,
        }
    }

    /// The prompt as a file that anybody plays: WAV, 8000 Hz, mono, 16-bit PCM.
    #[must_use]
    pub fn wav(&self) -> Vec<u8> {
        wav(self.pcmu.iter().flatten().map(|byte| Law::Pcmu.decode(*byte)))
    }

    /// How long it takes to say.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(20).saturating_mul(u32::try_from(self.pcmu.len()).unwrap_or(u32::MAX))
    }
}

/// A WAV file: 8000 Hz, mono, 16-bit PCM.
#[must_use]
pub fn wav(samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let len = u32::try_from(data.len()).unwrap_or_default();
    let mut file = b"RIFF".to_vec();
    file.extend(len.saturating_add(36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(SAMPLE_RATE.to_le_bytes());
    file.extend((SAMPLE_RATE * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend(len.to_le_bytes());
    file.extend(data);
    file
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({}, {:?})", self.id, self.duration())
    }
}

/// All prompts of one language.
#[derive(Debug, Default)]
pub struct PromptPack(BTreeMap<Arc<str>, Arc<Prompt>>);

impl PromptPack {
    /// Reads a pack from `(id, WAV bytes)`.
    pub fn new<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, BadPrompt> {
        let read = files.into_iter().map(|(id, wav)| {
            let prompt =
                Prompt::new(id, wav).map_err(|fault| BadPrompt { id: id.to_owned(), fault })?;
            Ok((prompt.id.clone(), Arc::new(prompt)))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// The prompt of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Prompt>> {
        self.0.get(id)
    }

    /// All prompts in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Prompt>> {
        self.0.values()
    }

    /// Which of [`IDS`] the pack lacks.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        IDS.into_iter().filter(|id| !self.0.contains_key(*id)).collect()
    }
}

/// A prompt being played.
#[derive(Debug)]
pub struct Player {
    prompt: Arc<Prompt>,
    next: usize,
}

impl Player {
    /// Starts at the prompt's beginning.
    #[must_use]
    pub const fn new(prompt: Arc<Prompt>) -> Self {
        Self { prompt, next: 0 }
    }

    /// Whether all is said.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.next >= self.prompt.frames(Law::Pcmu).len()
    }

    /// The next 20 ms; `None` when all is said.
    pub fn next_frame(&mut self, law: Law) -> Option<&Frame> {
        let frame = self.prompt.frames(law).get(self.next)?;
        self.next += 1;
        Some(frame)
    }
}

fn encode(law: Law, samples: &[i16]) -> Frame {
    let mut frame = *law.silence();
    for (byte, sample) in frame.iter_mut().zip(samples) {
        *byte = law.encode(*sample);
    }
    frame
}

/// The samples of a RIFF/WAVE file in the one form that needs no resampling.
fn read_wav(wav: &[u8]) -> Result<Vec<i16>, Fault> {
    let Some((b"RIFF", [_, _, _, _, form @ ..])) = wav.split_first_chunk::<4>() else {
        return Err(Fault::NotWav);
    };
    let Some((b"WAVE", mut rest)) = form.split_first_chunk::<4>() else {
        return Err(Fault::NotWav);
    };
    let mut pcm = false;
    while let Some(([name @ .., l0, l1, l2, l3], after)) = rest.split_first_chunk::<8>() {
        let len = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3])).unwrap_or(usize::MAX);
        match name {
            b"fmt " => {
                check_format(after.get(..len).ok_or(Fault::Chunk("format"))?)?;
                pcm = true;
            }
            b"data" if pcm => return samples(after.get(..len).ok_or(Fault::Chunk("data"))?),
            _ => {}
        }
        // Chunks are padded to even lengths.
        rest = after.get(len.saturating_add(len % 2)..).unwrap_or_default();
    }
    Err(Fault::Chunk(if pcm { "data" } else { "format" }))
}

fn check_format(chunk: &[u8]) -> Result<(), Fault> {
    let Some(([e0, e1, c0, c1, r0, r1, r2, r3, _, _, _, _, _, _, b0, b1], _)) =
        chunk.split_first_chunk::<16>()
    else {
        return Err(Fault::Chunk("format"));
    };
    let encoding = u16::from_le_bytes([*e0, *e1]);
    let channels = u16::from_le_bytes([*c0, *c1]);
    let rate = u32::from_le_bytes([*r0, *r1, *r2, *r3]);
    let bits = u16::from_le_bytes([*b0, *b1]);
    match (encoding, rate, channels, bits) {
        (1, SAMPLE_RATE, 1, 16) => Ok(()),
        (1, SAMPLE_RATE, 1, bits) => Err(Fault::Bits(bits)),
        (1, SAMPLE_RATE, channels, _) => Err(Fault::Channels(channels)),
        (1, rate, ..) => Err(Fault::Rate(rate)),
        (encoding, ..) => Err(Fault::Encoding(encoding)),
    }
}

fn samples(data: &[u8]) -> Result<Vec<i16>, Fault> {
    let (pairs, _) = data.as_chunks::<2>();
    if pairs.is_empty() {
        return Err(Fault::Empty);
    }
    if pairs.len() > SECONDS_MAX * usize::try_from(SAMPLE_RATE).unwrap_or(usize::MAX) {
        return Err(Fault::TooLong);
    }
    Ok(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The files of the pack that the daemon carries, by id.
    macro_rules! english {
        ($($id:literal),*) => {
            [$(($id, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/prompts/en/", $id, ".wav"))
                .as_slice())),*]
        };
    }

    #[rustfmt::skip]
    const ENGLISH: [(&str, &[u8]); 13] = english!(
        "customer.number", "goodbye", "pin.again", "pin.position.1", "pin.position.2", "pin.position.3",
        "pin.position.4", "pin.position.5", "pin.position.6", "pin.position.7", "pin.reprompt", "thanks",
        "unavailable"
    );

    /// The pack that the daemon carries.
    pub(crate) fn english() -> PromptPack {
        PromptPack::new(ENGLISH).expect("a good pack")
    }

    /// A WAV file with these samples.
    pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
        let data_len = u32::try_from(samples.len() * 2).expect("short");
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend([0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0]);
        file.extend(b"data");
        file.extend(data_len.to_le_bytes());
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    const FORMAT_AT: usize = 32;

    #[test]
    fn a_prompt_is_cut_into_frames_of_both_laws_and_filled_with_silence() {
        let samples: Vec<i16> = (0..200).map(|at| at * 100).collect();
        let file = wav(&samples);
        let pack = PromptPack::new([("thanks", file.as_slice())]).expect("a good file");
        let prompt = pack.get("thanks").expect("there").clone();
        assert_eq!(prompt.duration(), Duration::from_millis(40));
        for law in [Law::Pcmu, Law::Pcma] {
            let mut player = Player::new(prompt.clone());
            let first = *player.next_frame(law).expect("the first");
            assert_eq!(first[159], law.encode(15_900));
            let second = *player.next_frame(law).expect("the second");
            assert_eq!((second[39], second[40]), (law.encode(19_900), law.encode(0)));
            assert!(player.next_frame(law).is_none());
        }
        assert_eq!(pack.missing().len(), IDS.len() - 1);
        let file = prompt.wav();
        let again = PromptPack::new([("thanks", file.as_slice())]).expect("a file of ours");
        assert_eq!(again.get("thanks").expect("there").frames(Law::Pcmu), prompt.frames(Law::Pcmu));
    }

    #[test]
    fn other_formats_are_refused_saying_what_was_found() {
        let with = |at: usize, byte: u8| {
            let mut file = wav(&[1, 2, 3]);
            file[at] = byte;
            Prompt::new("x", &file).err()
        };
        assert_eq!(with(FORMAT_AT, 7), Some(Fault::Encoding(7)));
        assert_eq!(with(FORMAT_AT + 2, 2), Some(Fault::Channels(2)));
        assert_eq!(with(FORMAT_AT + 5, 0x3E), Some(Fault::Rate(0x3E40)));
        assert_eq!(with(FORMAT_AT + 14, 8), Some(Fault::Bits(8)));
        assert_eq!(with(0, b'X'), Some(Fault::NotWav));
        assert_eq!(with(FORMAT_AT - 8, b'x'), Some(Fault::Chunk("format")));
        assert_eq!(with(FORMAT_AT + 16, b'x'), Some(Fault::Chunk("data")));
        assert_eq!(with(FORMAT_AT + 20, 7), Some(Fault::Chunk("data")));
        assert_eq!(Prompt::new("x", &wav(&[])).err(), Some(Fault::Empty));
        assert_eq!(Prompt::new("x", &wav(&vec![0; 480_001])).err(), Some(Fault::TooLong));
        let error =
            PromptPack::new([("thanks", b"ID3".as_slice())]).expect_err("an MP3").to_string();
        assert_eq!(
            error,
            "prompt \"thanks\": is no WAV file; wanted a WAV file of 8000 Hz, mono, 16-bit PCM"
        );
    }

    #[test]
    fn the_pack_is_whole_and_as_loud_as_speech_should_be() {
        assert!(english().missing().is_empty());
        for (id, file) in ENGLISH {
            assert!(file.len() < 80 * 1024, "{id} has {} bytes", file.len());
            let samples = read_wav(file).expect("a good file");
            let seconds = f64::from(u32::try_from(samples.len()).expect("short")) / 8000.0;
            assert!((0.8..=6.0).contains(&seconds), "{id} takes {seconds} s");
            let square = |sample: &i16| (f64::from(*sample) / 32_768.0).powi(2);
            let power = samples.iter().map(square).sum::<f64>() / (seconds * 8000.0);
            let rms = 10.0 * power.log10();
            assert!((-20.0..=-18.0).contains(&rms), "{id} has {rms} dBFS");
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().expect("sound");
            assert!(peak < 23_197, "{id} peaks at {peak}, above -3 dBFS");
            let head =
                samples.iter().position(|sample| sample.unsigned_abs() > 328).expect("sound");
            assert!(head <= 50 * 8, "{id} begins with {head} samples of silence");
        }
    }
}
