//! Prompts as binary frames: paced a little ahead of real time, within the vendor's rates. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::model::time::Uptime;
use crate::rtp::g711::Law;
use crate::rtp::prompt::Prompt;

/// One binary frame: 400 ms of μ-law, 3200 bytes. Fewer than 1600 bytes would be too many frames.
const FRAMES_EACH: usize = 20;
/// A frame goes out when the one before has so much left: the client has never more than a second, so
/// that a key cuts the phrase at once.
const AHEAD: Duration = Duration::from_millis(600);
/// Binary frames: ten a second, so many at once (the vendor's field team: 10 and 30).
const PERIOD: Duration = Duration::from_millis(100);
const BURST: Duration = Duration::from_secs(2);
/// The client says when all has sounded; one that does not is not waited for longer.
const UNSAID_MAX: Duration = Duration::from_secs(2);
/// A word that all has sounded cannot be about this phrase so long before its end.
const EARLY_MAX: Duration = Duration::from_millis(250);

/// A phrase under way.
#[derive(Debug)]
struct Phrase {
    prompt: Arc<Prompt>,
    /// Frames of 20 ms that were sent.
    sent: usize,
    /// When its first frame went out.
    since: Option<Uptime>,
}

/// What plays, and when the next frame may go.
#[derive(Debug, Default)]
pub(crate) struct Playing {
    phrase: Option<Phrase>,
    not_before: Uptime,
    /// When the rate would be used up exactly.
    paid_until: Uptime,
}

/// What playing asks for now.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// These bytes go out.
    Sound(Vec<u8>),
    /// The phrase is over, whatever the client says or does not say.
    Over,
}

impl Playing {
    /// Starts a phrase, not before the media stand.
    pub(crate) fn start(&mut self, prompt: Arc<Prompt>) {
        self.phrase = Some(Phrase { prompt, sent: 0, since: None });
    }

    /// Cuts what plays; says whether anything did that the client may still have.
    pub(crate) fn cut(&mut self) -> bool {
        self.phrase.take().is_some_and(|phrase| phrase.since.is_some())
    }

    /// Nothing goes out before.
    pub(crate) fn wait_until(&mut self, until: Uptime) {
        self.not_before = self.not_before.max(until);
    }

    /// The client says that all has sounded; whether that ends this phrase.
    pub(crate) fn completed(&mut self, now: Uptime) -> bool {
        let over = self.phrase.as_ref().is_some_and(|phrase| {
            phrase.is_sent() && phrase.end().is_some_and(|end| now + EARLY_MAX >= end)
        });
        if over {
            self.phrase = None;
        }
        over
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Option<Uptime> {
        let phrase = self.phrase.as_ref()?;
        if phrase.is_sent() {
            return phrase.end().map(|end| end + UNSAID_MAX);
        }
        let paid = Uptime(self.paid_until.0.saturating_sub(BURST));
        let due = phrase.since.map_or(Uptime::default(), |since| {
            let sent = Duration::from_millis(20) * u32::try_from(phrase.sent).unwrap_or(u32::MAX);
            Uptime((since.0 + sent).saturating_sub(AHEAD))
        });
        Some(due.max(paid).max(self.not_before))
    }

    /// What is due by now.
    pub(crate) fn due(&mut self, now: Uptime) -> Option<Due> {
        if self.deadline()? > now {
            return None;
        }
        let phrase = self.phrase.as_mut()?;
        if phrase.is_sent() {
            self.phrase = None;
            return Some(Due::Over);
        }
        let frames = phrase.prompt.frames(Law::Pcmu).iter().skip(phrase.sent).take(FRAMES_EACH);
        let sound: Vec<u8> = frames.flatten().copied().collect();
        phrase.sent += FRAMES_EACH;
        phrase.since.get_or_insert(now);
        self.paid_until = self.paid_until.max(now) + PERIOD;
        Some(Due::Sound(sound))
    }
}

impl Phrase {
    fn is_sent(&self) -> bool {
        self.sent >= self.prompt.frames(Law::Pcmu).len()
    }

    fn end(&self) -> Option<Uptime> {
        self.since.map(|since| since + self.prompt.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::prompt::PromptPack;
    use crate::rtp::prompt::tests::english;

    fn at(ms: u64) -> Uptime {
        Uptime(Duration::from_millis(ms))
    }

    fn prompt(pack: &PromptPack, id: &str) -> Arc<Prompt> {
        Arc::clone(pack.get(id).expect("in the pack"))
    }

    /// Plays on from `from` until nothing more is due before `until`; when which bytes went out.
    fn run(playing: &mut Playing, from: u64, until: u64) -> Vec<(u64, Due)> {
        let mut out = vec![];
        for now in from..until {
            while let Some(due) = playing.due(at(now)) {
                out.push((now, due));
            }
        }
        out
    }

    #[test]
    fn a_phrase_goes_out_whole_and_at_most_a_second_ahead() {
        let pack = english();
        let prompt = prompt(&pack, "pin.position.3");
        let mut playing = Playing::default();
        playing.start(Arc::clone(&prompt));
        let out = run(&mut playing, 0, 30_000);
        let mut sent = vec![];
        for (now, due) in &out {
            let Due::Sound(sound) = due else { continue };
            sent.extend_from_slice(sound);
            let ahead = u64::try_from(sent.len()).expect("short") / 8;
            assert!(ahead <= now + 1000, "{ahead} ms sent by {now}");
            assert!(ahead >= *now, "never behind");
        }
        assert_eq!(sent, prompt.frames(Law::Pcmu).concat());
        let end = u64::try_from(prompt.duration().as_millis()).expect("short");
        assert_eq!(out.last(), Some(&(end + 2000, Due::Over)), "nobody said that it was over");
        let short = out.iter().filter(|(_, due)| matches!(due, Due::Sound(s) if s.len() < 1600));
        assert!(short.count() <= 1, "only the last may be short");
    }

    #[test]
    fn a_word_about_another_phrase_does_not_end_this_one() {
        let pack = english();
        let prompt = prompt(&pack, "thanks");
        let end = u64::try_from(prompt.duration().as_millis()).expect("short");
        let mut playing = Playing::default();
        playing.start(prompt);
        run(&mut playing, 0, 100);
        assert!(!playing.completed(at(100)));
        run(&mut playing, 100, end);
        assert!(playing.completed(at(end)));
        assert!(!playing.completed(at(end)), "once");
        assert_eq!(playing.deadline(), None);
    }

    #[test]
    fn contract_8_phrases_cut_again_and_again_stay_within_the_rates() {
        let pack = english();
        let mut playing = Playing::default();
        let mut frames: Vec<u64> = vec![];
        for turn in 0..200 {
            playing.start(prompt(&pack, "pin.position.1"));
            let out = run(&mut playing, turn * 50, (turn + 1) * 50);
            frames.extend(out.into_iter().map(|(now, _)| now));
            playing.cut();
        }
        for window in 1..=10 {
            let most = frames.iter().map(|from| {
                frames.iter().filter(|at| (*from..from + window * 1000).contains(at)).count()
            });
            let most = u64::try_from(most.max().expect("frames")).expect("few");
            assert!(most <= 30 + window * 10, "{most} frames in {window} s");
        }
    }

    #[test]
    fn a_phrase_waits_as_long_as_it_is_told() {
        let pack = english();
        let mut playing = Playing::default();
        playing.wait_until(at(100));
        playing.start(prompt(&pack, "thanks"));
        assert_eq!(run(&mut playing, 0, 100), []);
        assert!(!playing.cut(), "the client had nothing of it");
        playing.start(prompt(&pack, "thanks"));
        assert_eq!(run(&mut playing, 100, 101).len(), 2, "800 ms at once");
        playing.wait_until(at(5000));
        assert_eq!(run(&mut playing, 101, 5000), []);
        assert!(playing.cut());
    }
}
