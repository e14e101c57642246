//! Recognises which prompt the far end plays, from the G.711 frames it sends. For the test caller.
//!
//! A frame that occurs once in the whole pack names its prompt and the place in it. Three of them in rising
//! order make it certain, so lost and repeated packets do no harm. It works where the frames arrive as they
//! were sent: no transcoding on the way.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rtp::g711::FRAME_LEN;
use crate::rtp::g711::Frame;
use crate::rtp::g711::Law;
use crate::rtp::prompt::Prompt;
use crate::rtp::prompt::PromptPack;

/// Frames that must agree.
const CERTAIN: u32 = 3;

/// Frames without a known one, after which a prompt that was cut off has ended: half a second.
const LOST_FRAMES: usize = 25;

/// A step back of up to so many frames is a late packet, not a new beginning.
const LATE_FRAMES: usize = 3;

/// What the test caller hears.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recognised {
    /// A prompt is being played, from its beginning or again.
    Started(Arc<str>),
    /// It is over, or was cut off.
    Ended(Arc<str>),
}

/// The one place where a frame occurs.
#[derive(Clone, Copy)]
struct Place {
    prompt: usize,
    frame: usize,
}

struct Known {
    id: Arc<str>,
    frames: usize,
}

/// The prompt that the latest frames belong to.
#[derive(Clone, Copy)]
struct Run {
    at: Place,
    hits: u32,
    /// Frames since the last known one.
    unknown: usize,
}

/// Listens to one far end. What it has learnt is shared by its clones, so that each caller can have one.
#[derive(Clone)]
pub struct Recogniser {
    prompts: Arc<[Known]>,
    pcmu: Arc<HashMap<Frame, Option<Place>>>,
    pcma: Arc<HashMap<Frame, Option<Place>>>,
    run: Option<Run>,
}

impl Recogniser {
    /// Learns the pack.
    #[must_use]
    pub fn new(pack: &PromptPack) -> Self {
        let known = |prompt: &Arc<Prompt>| Known {
            id: prompt.id().clone(),
            frames: prompt.frames(Law::Pcmu).len(),
        };
        Self {
            prompts: pack.iter().map(known).collect(),
            pcmu: places(pack, Law::Pcmu).into(),
            pcma: places(pack, Law::Pcma).into(),
            run: None,
        }
    }

    /// Takes an audio payload of any packet time, in the order of arrival.
    pub fn payload(&mut self, law: Law, payload: &[u8]) -> Vec<Recognised> {
        let (frames, _) = payload.as_chunks::<FRAME_LEN>();
        frames.iter().flat_map(|frame| self.frame(law, frame)).collect()
    }

    fn frame(&mut self, law: Law, frame: &Frame) -> Vec<Recognised> {
        let places = match law {
            Law::Pcmu => &self.pcmu,
            Law::Pcma => &self.pcma,
        };
        match places.get(frame).copied().flatten() {
            Some(place) => self.hit(place),
            None => self.miss().into_iter().collect(),
        }
    }

    fn hit(&mut self, place: Place) -> Vec<Recognised> {
        let Some(run) = self.run.as_mut().filter(|run| run.continues_at(place)) else {
            let ended = self.end();
            self.run = Some(Run { at: place, hits: 1, unknown: 0 });
            return ended.into_iter().collect();
        };
        if place.frame > run.at.frame {
            run.at = place;
            run.hits += 1;
            run.unknown = 0;
            if run.hits == CERTAIN {
                return self.id(place).map(Recognised::Started).into_iter().collect();
            }
        }
        vec![]
    }

    fn miss(&mut self) -> Option<Recognised> {
        let run = self.run.as_mut()?;
        run.unknown += 1;
        let total = self.prompts.get(run.at.prompt).map_or(0, |known| known.frames);
        let over = run.at.frame + run.unknown >= total || run.unknown >= LOST_FRAMES;
        if over { self.end() } else { None }
    }

    /// Leaves the prompt; says so if it had been recognised.
    fn end(&mut self) -> Option<Recognised> {
        let run = self.run.take().filter(|run| run.hits >= CERTAIN)?;
        self.id(run.at).map(Recognised::Ended)
    }

    fn id(&self, place: Place) -> Option<Arc<str>> {
        self.prompts.get(place.prompt).map(|known| known.id.clone())
    }
}

impl Run {
    fn continues_at(&self, place: Place) -> bool {
        place.prompt == self.at.prompt && place.frame + LATE_FRAMES >= self.at.frame
    }
}

/// Every frame of the pack with its place; `None` for one that occurs at several, as silence does.
fn places(pack: &PromptPack, law: Law) -> HashMap<Frame, Option<Place>> {
    let mut places = HashMap::from([(*law.silence(), None)]);
    for (prompt, known) in pack.iter().enumerate() {
        for (frame, sound) in known.frames(law).iter().enumerate() {
            let place = Some(Place { prompt, frame });
            places.entry(*sound).and_modify(|place| *place = None).or_insert(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::rtp::prompt::tests::english;

    /// The frames of prompts played one after the other, with comfort silence between and behind.
    fn played(pack: &PromptPack, ids: &[&str], law: Law) -> Vec<Frame> {
        let frames = ids.iter().flat_map(|id| {
            let prompt = pack.get(id).expect("in the pack").frames(law);
            prompt.iter().copied().chain(vec![*law.silence(); 30])
        });
        frames.collect()
    }

    fn heard(pack: &PromptPack, law: Law, frames: &[Frame]) -> String {
        let mut recogniser = Recogniser::new(pack);
        let told = frames.iter().flat_map(|frame| recogniser.payload(law, frame));
        let words = told.map(|what| match what {
            Recognised::Started(id) => format!("+{id}"),
            Recognised::Ended(id) => format!("-{id}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn c33_the_caller_hears_which_position_is_asked() {
        let pack = english();
        for law in [Law::Pcmu, Law::Pcma] {
            let frames = played(&pack, &["pin.position.3", "pin.position.6", "pin.again"], law);
            let expected = "+pin.position.3 -pin.position.3 +pin.position.6 -pin.position.6 +pin.again -pin.again";
            assert_eq!(heard(&pack, law, &frames), expected);
        }
    }

    #[test]
    fn a_prompt_that_begins_again_is_told_again() {
        let pack = english();
        let law = Law::Pcma;
        let whole = pack.get("thanks").expect("there").frames(law).to_vec();
        let cut = [&whole[..40], &whole].concat();
        assert_eq!(heard(&pack, law, &cut), "+thanks -thanks +thanks");
        let stopped = [&whole[..40], &[*law.silence(); 30]].concat();
        assert_eq!(heard(&pack, law, &stopped), "+thanks -thanks");
    }

    #[test]
    fn every_prompt_is_told_within_400_ms_though_each_fifth_packet_is_lost() {
        let pack = english();
        for law in [Law::Pcmu, Law::Pcma] {
            for prompt in pack.iter() {
                for lost in 0..5 {
                    let frames = prompt.frames(law).iter().take(20).enumerate();
                    let kept = frames.filter(|(at, _)| at % 5 != lost).map(|(_, frame)| *frame);
                    let told = heard(&pack, law, &kept.collect::<Vec<_>>());
                    assert_eq!(told, format!("+{}", prompt.id()), "{law:?}");
                }
            }
        }
    }

    #[test]
    fn late_and_repeated_packets_and_longer_ones_do_no_harm() {
        let pack = english();
        let mut frames = played(&pack, &["goodbye"], Law::Pcmu);
        (4..60).step_by(4).for_each(|at| frames.swap(at, at + 1));
        let twice: Vec<Frame> = frames.iter().flat_map(|frame| [*frame, *frame]).collect();
        assert_eq!(heard(&pack, Law::Pcmu, &twice), "+goodbye -goodbye");

        let mut recogniser = Recogniser::new(&pack);
        let whole = pack.get("goodbye").expect("there").frames(Law::Pcmu).concat();
        let told: Vec<_> =
            whole.chunks(480).flat_map(|three| recogniser.payload(Law::Pcmu, three)).collect();
        assert_eq!(told, [Recognised::Started("goodbye".into())]);
    }

    #[test]
    fn other_sound_is_no_prompt() {
        let pack = english();
        let frames: Vec<Frame> = (0..200u8).map(|at| [at; FRAME_LEN]).collect();
        assert_eq!(heard(&pack, Law::Pcma, &frames), "");
        let wrong_law = played(&pack, &["thanks"], Law::Pcmu);
        assert_eq!(heard(&pack, Law::Pcma, &wrong_law), "");
    }
}
