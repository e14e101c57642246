//! One channel of an Asterisk: what happens to it, and what a call wants of it, in; requests and call
//! events out. Pure.
//!
//! One request is on its way at a time, so that they are carried out in their order whichever way they
//! take. What may not be lost waits while Asterisk is out of reach.

use std::collections::VecDeque;

use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::HandOver;
use crate::model::cause::Cause;
use crate::model::digits::Key;
use crate::model::time::Timestamp;
use crate::wire::ari::Within;

/// Requests that wait for their turn at the most; a call has no more to ask at once.
const WAITING_MAX: usize = 32;
/// How often something is asked that must not be left.
const TRIES: u8 = 3;

/// What a call wants of a channel.
#[derive(Debug)]
pub(super) enum Wish {
    /// Answers.
    Answer,
    /// Plays a phrase.
    Play(Prompt),
    /// Cuts the phrase that plays.
    StopPlaying,
    /// Sets these variables and lets the dialplan go on.
    HandOver(Vec<(&'static str, String)>),
    /// Hangs up.
    Clear(Cause),
}

/// What is asked of Asterisk about the channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    /// Answer it.
    Answer,
    /// Play a phrase.
    Play {
        /// Which.
        prompt: Prompt,
        /// Under this id.
        playback: String,
    },
    /// Cut a phrase.
    Stop {
        /// Which.
        playback: String,
    },
    /// Set a variable.
    Set {
        /// Which.
        name: &'static str,
        /// To what.
        value: String,
    },
    /// Let the dialplan go on.
    Continue,
    /// Hang up.
    HangUp(Cause),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Came {
    /// A status of HTTP.
    Status(u16),
    /// Nothing in time.
    Late,
    /// The way to Asterisk broke; whether it was carried out is not known.
    Away,
}

/// What a step leads to.
#[derive(Debug)]
pub(super) enum Said {
    /// The call hears this.
    Tell(CallEvent),
    /// The call gets a key.
    Key(Key),
    /// A key came too late to count.
    LateKey,
    /// A phrase could not be played.
    Unplayed,
}

/// The state of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    /// What ids of playbacks begin with.
    name: String,
    /// Whether requests reach Asterisk also while its events do not reach us.
    beside: bool,
    up: bool,
    established: bool,
    answering: bool,
    lost: bool,
    leaving: bool,
    over: bool,
    waiting: VecDeque<Ask>,
    flying: Option<Ask>,
    tries: u8,
    playing: Option<String>,
    played: u32,
    /// Keys pressed from then on count; none before a phrase has begun.
    keys_from: Option<Timestamp>,
}

impl Channel {
    pub(super) fn new(name: String, up: bool, beside: bool) -> Self {
        Self {
            name,
            beside,
            up,
            established: false,
            answering: false,
            lost: false,
            leaving: false,
            over: false,
            waiting: VecDeque::new(),
            flying: None,
            tries: 0,
            playing: None,
            played: 0,
            keys_from: None,
        }
    }

    /// The channel of a call that another node had: Asterisk is not in reach yet.
    pub(super) fn adopted(name: String, beside: bool) -> Self {
        Self { lost: true, ..Self::new(name, false, beside) }
    }

    /// Whether the channel is no longer ours to look after, with nothing left to ask.
    pub(super) fn is_over(&self) -> bool {
        self.over && self.is_idle()
    }

    /// Whether nothing is asked and nothing waits to be asked.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_none() && self.waiting.is_empty()
    }

    /// The next request, if there is one and none is on its way.
    pub(super) fn next(&mut self) -> Option<Ask> {
        if self.flying.is_some() || (self.lost && !self.beside) {
            return None;
        }
        let ask = self.waiting.pop_front()?;
        self.leaving |= ask == Ask::Continue;
        self.flying = Some(ask.clone());
        Some(ask)
    }

    /// Takes a wish in.
    pub(super) fn wish(&mut self, wish: Wish) -> Vec<Said> {
        if self.over {
            return vec![];
        }
        match wish {
            Wish::Answer => {
                self.answering = true;
                if self.up {
                    return self.established();
                }
                if !self.waiting.contains(&Ask::Answer) && self.flying != Some(Ask::Answer) {
                    self.ask(Ask::Answer);
                }
            }
            Wish::Play(prompt) => {
                self.silence();
                self.keys_from = None;
                if self.lost {
                    return vec![Said::Tell(CallEvent::PromptEnded)];
                }
                self.played += 1;
                let playback = format!("{}-{}", self.name, self.played);
                self.playing = Some(playback.clone());
                self.ask(Ask::Play { prompt, playback });
            }
            Wish::StopPlaying => self.silence(),
            Wish::HandOver(variables) => {
                self.silence();
                for (name, value) in variables {
                    self.ask(Ask::Set { name, value });
                }
                self.ask(Ask::Continue);
            }
            // Nobody could be told that they are passed on; that is kinder than to be hung up on.
            Wish::Clear(_) if self.lost && self.waiting.contains(&Ask::Continue) => {}
            Wish::Clear(cause) => {
                self.silence();
                self.ask(Ask::HangUp(cause));
            }
        }
        vec![]
    }

    /// Takes in what happened, and when.
    pub(super) fn event(&mut self, what: Within, at: Option<Timestamp>) -> Vec<Said> {
        if self.over {
            return vec![];
        }
        match what {
            Within::Up => {
                self.up = true;
                if self.answering { self.established() } else { vec![] }
            }
            Within::Key(key) => self.key(key, at),
            Within::Started { playback } => {
                if self.playing.as_ref() == Some(&playback) && !self.lost {
                    self.keys_from = Some(at.unwrap_or_default());
                }
                vec![]
            }
            Within::Finished { playback, failed } => {
                if self.playing.as_ref() != Some(&playback) {
                    return vec![];
                }
                self.playing = None;
                // A phrase that never began was asked all the same: keys answer it.
                self.keys_from = self.keys_from.or(at);
                let ended = Said::Tell(CallEvent::PromptEnded);
                if failed { vec![Said::Unplayed, ended] } else { vec![ended] }
            }
            Within::Left if self.leaving => self.handed_over(),
            Within::Left => self.cleared(Cause::NORMAL_CLEARING),
            Within::HungUp(cause) | Within::Gone(cause) => self.cleared(cause),
        }
    }

    /// Takes in what came of the request that was on its way.
    pub(super) fn came(&mut self, came: Came) -> Vec<Said> {
        let Some(ask) = self.flying.take() else { return vec![] };
        if came == Came::Away {
            let kept = !matches!(ask, Ask::Play { .. } | Ask::Stop { .. });
            if kept && !self.over {
                self.waiting.push_front(ask);
            }
            return self.lost();
        }
        self.tries += 1;
        let good = matches!(came, Came::Status(200..=299));
        let gone = matches!(came, Came::Status(404 | 409));
        if self.over {
            self.waiting.clear();
            return vec![];
        }
        let again = !good && !gone && self.tries < TRIES;
        match ask {
            Ask::Stop { .. } => self.tries = 0,
            Ask::HangUp(cause) if good || gone => return self.cleared(cause),
            _ if gone => return self.cleared(Cause::NORMAL_CLEARING),
            Ask::Play { playback, .. } if !good => {
                self.tries = 0;
                return self.not_played(playback);
            }
            // Asterisk is tried again with what leads the caller to somebody.
            ask @ (Ask::Answer | Ask::Set { .. } | Ask::Continue | Ask::HangUp(_)) if again => {
                self.waiting.push_front(ask);
                return vec![];
            }
            Ask::Answer if good => {
                self.tries = 0;
                self.up = true;
                return self.established();
            }
            // Nothing is heard of what follows, so that its being done is all there is to know.
            Ask::Continue if good && self.lost => return self.handed_over(),
            Ask::Continue if !good => {
                self.tries = 0;
                let status = if let Came::Status(status) = came { status } else { 504 };
                return vec![Said::Tell(CallEvent::HandedOver(HandOver::Refused(status)))];
            }
            Ask::HangUp(cause) => return self.cleared(cause),
            Ask::Answer => return self.cleared(Cause::TEMPORARY_FAILURE),
            Ask::Play { .. } | Ask::Set { .. } | Ask::Continue => self.tries = 0,
        }
        vec![]
    }

    /// Asterisk is out of reach, and so is the caller.
    pub(super) fn lost(&mut self) -> Vec<Said> {
        if self.lost || self.over {
            return vec![];
        }
        self.lost = true;
        self.waiting.retain(|ask| !matches!(ask, Ask::Play { .. } | Ask::Stop { .. }));
        self.keys_from = None;
        vec![Said::Tell(CallEvent::LegLost)]
    }

    /// Asterisk is in reach again, and has the channel still.
    pub(super) fn back(&mut self) -> Vec<Said> {
        if !self.lost || self.over {
            return vec![];
        }
        self.lost = false;
        self.keys_from = None;
        if let Some(playback) = self.playing.take() {
            self.ask(Ask::Stop { playback });
        }
        vec![Said::Tell(CallEvent::LegBack)]
    }

    /// The channel lives, and is not with us any more: it was passed on, by us or by somebody else.
    pub(super) fn elsewhere(&mut self) -> Vec<Said> {
        if !self.over && (self.leaving || self.waiting.contains(&Ask::Continue)) {
            return self.handed_over();
        }
        self.cleared(Cause::NORMAL_UNSPECIFIED)
    }

    /// The channel is gone.
    pub(super) fn cleared(&mut self, cause: Cause) -> Vec<Said> {
        if std::mem::replace(&mut self.over, true) {
            return vec![];
        }
        self.waiting.clear();
        vec![Said::Tell(CallEvent::ConnectionCleared(cause))]
    }

    fn handed_over(&mut self) -> Vec<Said> {
        self.over = true;
        self.waiting.clear();
        vec![Said::Tell(CallEvent::HandedOver(HandOver::Done))]
    }

    fn established(&mut self) -> Vec<Said> {
        if std::mem::replace(&mut self.established, true) && !self.answering {
            return vec![];
        }
        self.answering = false;
        vec![Said::Tell(CallEvent::Established)]
    }

    /// A key answers the phrase that plays or played last, from its beginning on: one that was pressed
    /// before, or while Asterisk was out of reach, answers something else.
    fn key(&mut self, key: Key, at: Option<Timestamp>) -> Vec<Said> {
        let counts = match (self.keys_from, at) {
            _ if self.lost => false,
            (Some(from), Some(at)) => at >= from,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if counts { vec![Said::Key(key)] } else { vec![Said::LateKey] }
    }

    fn not_played(&mut self, playback: String) -> Vec<Said> {
        self.ask(Ask::Stop { playback: playback.clone() });
        if self.playing.as_ref() != Some(&playback) {
            return vec![];
        }
        self.playing = None;
        self.keys_from = Some(Timestamp::default());
        vec![Said::Unplayed, Said::Tell(CallEvent::PromptEnded)]
    }

    /// Cuts what plays, or takes back what was to be played.
    fn silence(&mut self) {
        let Some(playing) = self.playing.take() else { return };
        let unasked = |ask: &Ask| matches!(ask, Ask::Play { playback, .. } if *playback == playing);
        if self.waiting.iter().any(unasked) {
            self.waiting.retain(|ask| !unasked(ask));
        } else {
            self.ask(Ask::Stop { playback: playing });
        }
    }

    fn ask(&mut self, ask: Ask) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(ask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel {
        Channel::new("c".into(), false, false)
    }

    fn key() -> Within {
        Within::Key(Key::from_char('7').expect("a key"))
    }

    #[expect(clippy::unnecessary_wraps, reason = "as an event says it")]
    fn at(ms: u64) -> Option<Timestamp> {
        Some(Timestamp(ms))
    }

    fn said(said: &[Said]) -> Vec<String> {
        said.iter().map(|said| format!("{said:?}")).collect()
    }

    /// Asks the next thing and has it done.
    fn done(channel: &mut Channel) -> Option<Ask> {
        let ask = channel.next()?;
        assert!(channel.next().is_none(), "one at a time");
        let _ = channel.came(Came::Status(204));
        Some(ask)
    }

    fn plays(channel: &mut Channel, prompt: Prompt) -> String {
        let _ = channel.wish(Wish::Play(prompt));
        loop {
            if let Some(Ask::Play { playback, .. }) = done(channel) {
                return playback;
            }
        }
    }

    #[test]
    fn contract_9_a_caller_is_answered_once_whichever_word_comes_first() {
        let mut first = channel();
        let _ = first.wish(Wish::Answer);
        assert_eq!(first.next(), Some(Ask::Answer));
        assert_eq!(said(&first.event(Within::Up, at(1))), ["Tell(Established)"]);
        assert!(first.came(Came::Status(204)).is_empty() || first.established);
        let mut second = channel();
        let _ = second.wish(Wish::Answer);
        assert_eq!(second.next(), Some(Ask::Answer));
        assert_eq!(said(&second.came(Came::Status(204))), ["Tell(Established)"]);
        let mut third = Channel::new("c".into(), true, false);
        assert_eq!(said(&third.wish(Wish::Answer)), ["Tell(Established)"]);
    }

    #[test]
    fn d04_c33_a_key_counts_from_the_beginning_of_its_prompt_on() {
        let mut channel = channel();
        let first = plays(&mut channel, Prompt::Thanks);
        assert_eq!(said(&channel.event(key(), at(999))), ["LateKey"], "nothing has begun");
        let _ = channel.event(Within::Started { playback: first.clone() }, at(1000));
        assert_eq!(said(&channel.event(key(), at(999))), ["LateKey"], "queued on the way");
        assert_eq!(said(&channel.event(key(), at(1000))), ["Key(Key(•))"]);
        let _ = channel.wish(Wish::Play(Prompt::Goodbye));
        assert_eq!(said(&channel.event(key(), at(1001))), ["LateKey"], "the next is not heard yet");
        assert_eq!(done(&mut channel), Some(Ask::Stop { playback: first.clone() }), "cut first");
        let Some(Ask::Play { playback, .. }) = done(&mut channel) else { panic!("played") };
        let late = Within::Finished { playback: first, failed: false };
        assert!(channel.event(late, at(1002)).is_empty(), "the end of what was cut");
        let _ = channel.event(Within::Started { playback: playback.clone() }, at(1003));
        assert_eq!(said(&channel.event(key(), at(1004))), ["Key(Key(•))"]);
        let ended = Within::Finished { playback, failed: false };
        assert_eq!(said(&channel.event(ended, at(1005))), ["Tell(PromptEnded)"]);
    }

    #[test]
    fn a_phrase_that_cannot_be_played_keeps_nobody_waiting() {
        let mut channel = channel();
        let _ = channel.wish(Wish::Play(Prompt::Thanks));
        assert!(channel.next().is_some());
        assert_eq!(said(&channel.came(Came::Status(500))), ["Unplayed", "Tell(PromptEnded)"]);
        assert_eq!(
            said(&channel.event(key(), at(5))),
            ["Key(Key(•))"],
            "it was asked all the same"
        );
    }

    #[test]
    fn contract_9_the_dialplan_goes_on_with_the_variables_set_first() {
        let mut channel = channel();
        let _ = channel.wish(Wish::HandOver(vec![("A", "1".into()), ("B", "2".into())]));
        assert_eq!(done(&mut channel), Some(Ask::Set { name: "A", value: "1".into() }));
        assert_eq!(done(&mut channel), Some(Ask::Set { name: "B", value: "2".into() }));
        assert_eq!(done(&mut channel), Some(Ask::Continue));
        assert_eq!(said(&channel.event(Within::Left, None)), ["Tell(HandedOver(Done))"]);
        assert!(channel.is_over());
        let gone = channel.event(Within::Gone(Cause(16)), None);
        assert!(gone.is_empty(), "what comes after is no longer ours");
    }

    #[test]
    fn contract_9_the_end_may_come_before_the_answer_that_it_was_done() {
        let mut channel = channel();
        let _ = channel.wish(Wish::HandOver(vec![]));
        assert_eq!(channel.next(), Some(Ask::Continue));
        assert_eq!(said(&channel.event(Within::Left, None)), ["Tell(HandedOver(Done))"]);
        assert!(channel.came(Came::Status(204)).is_empty());
        assert!(channel.is_over());
    }

    #[test]
    fn p23_a_caller_who_hangs_up_has_gone_once() {
        for (event, cause) in [
            (Within::HungUp(Cause(17)), "Tell(ConnectionCleared(Cause(17)))"),
            (Within::Left, "Tell(ConnectionCleared(Cause(16)))"),
            (Within::Gone(Cause(19)), "Tell(ConnectionCleared(Cause(19)))"),
        ] {
            let mut channel = channel();
            let _ = channel.wish(Wish::HandOver(vec![("A", "1".into())]));
            assert!(channel.next().is_some(), "the variable is on its way");
            assert_eq!(said(&channel.event(event, None)), [cause]);
            assert!(channel.event(Within::Left, None).is_empty());
            assert!(channel.came(Came::Status(404)).is_empty());
            assert!(channel.is_over());
        }
    }

    #[test]
    fn a_channel_that_is_not_there_has_been_hung_up() {
        for status in [404, 409] {
            let mut channel = channel();
            let _ = channel.wish(Wish::Answer);
            assert!(channel.next().is_some());
            let told = channel.came(Came::Status(status));
            assert_eq!(said(&told), ["Tell(ConnectionCleared(Cause(16)))"]);
        }
    }

    #[test]
    fn c51_what_leads_the_caller_on_is_tried_again_and_what_is_lost_waits() {
        let mut channel = channel();
        let _ = channel.wish(Wish::HandOver(vec![]));
        for _ in 1..TRIES {
            assert_eq!(channel.next(), Some(Ask::Continue));
            assert!(channel.came(Came::Late).is_empty());
        }
        assert_eq!(channel.next(), Some(Ask::Continue));
        let refused = channel.came(Came::Status(500));
        assert_eq!(said(&refused), ["Tell(HandedOver(Refused(500)))"]);
        let _ = channel.wish(Wish::HandOver(vec![]));
        assert_eq!(channel.next(), Some(Ask::Continue));
        assert_eq!(said(&channel.came(Came::Away)), ["Tell(LegLost)"]);
        assert_eq!(channel.next(), None, "nobody is there to be asked");
        assert_eq!(said(&channel.back()), ["Tell(LegBack)"]);
        assert_eq!(channel.next(), Some(Ask::Continue), "carried out as soon as it can be");
    }

    #[test]
    fn c51_d04_keys_of_a_broken_line_count_for_nothing() {
        let mut channel = channel();
        let playback = plays(&mut channel, Prompt::Thanks);
        let _ = channel.event(Within::Started { playback: playback.clone() }, at(1000));
        assert_eq!(said(&channel.lost()), ["Tell(LegLost)"]);
        assert!(channel.lost().is_empty(), "told once");
        assert_eq!(
            said(&channel.event(key(), at(1001))),
            ["LateKey"],
            "queued, and delivered late"
        );
        assert_eq!(said(&channel.back()), ["Tell(LegBack)"]);
        assert_eq!(said(&channel.event(key(), at(1002))), ["LateKey"], "before it is asked again");
        assert_eq!(done(&mut channel), Some(Ask::Stop { playback }), "and silence first");
        let again = plays(&mut channel, Prompt::Thanks);
        let _ = channel.event(Within::Started { playback: again }, at(2000));
        assert_eq!(said(&channel.event(key(), at(1500))), ["LateKey"], "by its own time");
        assert_eq!(said(&channel.event(key(), at(2001))), ["Key(Key(•))"]);
    }

    #[test]
    fn with_requests_beside_the_socket_a_caller_is_passed_on_while_events_are_lost() {
        let mut channel = Channel::new("c".into(), true, true);
        let _ = channel.lost();
        let _ = channel.wish(Wish::HandOver(vec![]));
        assert_eq!(channel.next(), Some(Ask::Continue));
        assert_eq!(said(&channel.came(Came::Status(204))), ["Tell(HandedOver(Done))"]);
    }
}
