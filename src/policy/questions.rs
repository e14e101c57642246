//! Questions: what may be asked, what is drawn, and when the right answers suffice. Pure: a number
//! that the caller of these functions brings decides the draw.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::FactKey;
use crate::policy::Profile;

/// Questions of one set at most: the draw looks at every combination.
pub const ASK_MAX: usize = 12;

/// When the agent may see the answer on file (X11).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// Never: the agent types what was said.
    Blind,
    /// After asking for it, one at a time, audited.
    OnClick,
    /// From the start.
    Always,
}

impl Reveal {
    /// The word of the profile and the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::OnClick => "on_click",
            Self::Always => "always",
        }
    }
}

/// Who else may know an answer (B02, X24).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrecy {
    /// Anybody who looks it up.
    Public,
    /// The other person of the case, the family, a former partner. What a profile does not classify.
    #[default]
    OtherParty,
    /// The customer and we.
    Private,
}

impl Secrecy {
    /// The word of the profile.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::OtherParty => "other_party",
            Self::Private => "private",
        }
    }
}

/// One entry of the catalogue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// As the agent reads it out.
    pub text: String,
    /// Answers of one group come from the same source: whoever has one has all (X15).
    pub group: Option<String>,
    /// Who else may know the answer (B02, X24).
    pub secrecy: Secrecy,
    /// Never shown, whatever the set's reveal rule says (C26–C32).
    pub blind: bool,
    /// May be volunteered, like the last four digits of an account (C28, X08).
    pub disclosable: bool,
    /// How long after such a disclosure the answer proves nothing (X08); none: never disclosed.
    pub unasked_after_disclosure: Option<Duration>,
    /// Customer flags under which it is not asked (C22).
    pub not_when: Vec<String>,
    /// It can be what identified the caller, as the SCIN can (X23).
    pub identifies: bool,
}

/// A set of questions with its threshold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QuestionSet {
    /// Right answers needed (X14: at least).
    pub required: u8,
    /// When answers may be seen.
    pub reveal: Reveal,
    /// The pool: keys and texts, in order.
    pub ask: Vec<(FactKey, String)>,
    /// How many the system draws (X35); none: all are asked, in order.
    pub draw: Option<u8>,
    /// Of each correlation group one right answer counts (X15, hardened).
    pub one_per_group: bool,
    /// Right answers that must be private (X24, hardened).
    pub private_required: u8,
    /// Prefer what was not asked in the last calls (X34).
    pub avoid_recent: bool,
}

/// What can be asked of this customer in this call.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    /// Whether an answer is on file.
    pub on_file: &'a dyn Fn(&FactKey) -> bool,
    /// What identified the caller in this call (X23).
    pub used_to_identify: &'a [FactKey],
    /// What was disclosed so recently that it proves nothing (X08).
    pub disclosed: &'a [FactKey],
    /// What was asked in the last calls (X34).
    pub recent: &'a [FactKey],
    /// The customer's flags.
    pub flags: &'a [String],
}

impl QuestionSet {
    /// What to ask: every combination that can reach the threshold is equally likely, those with the
    /// fewest recent questions come before all others; `seed` decides. Without `draw` everything that
    /// can be asked, in order. None: what can be asked cannot reach the threshold.
    #[must_use]
    pub fn draw(&self, profile: &Profile, pool: &Pool<'_>, seed: u64) -> Option<Vec<FactKey>> {
        let able: Vec<&FactKey> =
            self.ask.iter().map(|(key, _)| key).filter(|key| pool.allows(profile, key)).collect();
        let Some(draw) = self.draw else {
            return self.passes(profile, &able).then(|| able.into_iter().cloned().collect());
        };
        let size = usize::from(draw).min(able.len());
        let able = able.get(..able.len().min(ASK_MAX))?;
        let picked = |mask: u32| able.iter().enumerate().filter(move |(at, _)| mask >> at & 1 == 1);
        let asked_lately = |mask: u32| {
            let recent = |key: &FactKey| self.avoid_recent && pool.recent.contains(key);
            picked(mask).filter(|(_, key)| recent(key)).count()
        };
        let mut best: Vec<u32> = vec![];
        let mut fewest = usize::MAX;
        for mask in 0..1_u32 << able.len() {
            let keys: Vec<&FactKey> = picked(mask).map(|(_, key)| *key).collect();
            if keys.len() != size || !self.passes(profile, &keys) {
                continue;
            }
            let lately = asked_lately(mask);
            if lately < fewest {
                best.clear();
                fewest = lately;
            }
            if lately == fewest {
                best.push(mask);
            }
        }
        let choices = u64::try_from(best.len()).ok().filter(|choices| *choices > 0)?;
        let mask = best.get(usize::try_from(mixed(seed) % choices).ok()?)?;
        Some(picked(*mask).map(|(_, key)| FactKey::clone(key)).collect())
    }

    /// Whether these right answers meet the threshold, with groups and secrecy (X14, X15, X24).
    #[must_use]
    pub fn passes(&self, profile: &Profile, right: &[&FactKey]) -> bool {
        let private = self.of_the_set(right).filter(|key| {
            profile.question(key).is_some_and(|question| question.secrecy == Secrecy::Private)
        });
        self.counted(profile, right) >= self.required
            && private.count() >= usize::from(self.private_required)
    }

    /// Right answers that count: each question once, and where the set says so, each group once.
    #[must_use]
    pub fn counted(&self, profile: &Profile, right: &[&FactKey]) -> u8 {
        let mut groups: Vec<&str> = vec![];
        let mut counted: u8 = 0;
        for key in self.of_the_set(right) {
            let group = profile.question(key).and_then(|question| question.group.as_deref());
            match group.filter(|_| self.one_per_group) {
                Some(group) if groups.contains(&group) => continue,
                Some(group) => groups.push(group),
                None => {}
            }
            counted = counted.saturating_add(1);
        }
        counted
    }

    /// The text of one of its questions.
    #[must_use]
    pub fn text(&self, key: &FactKey) -> Option<&str> {
        self.ask.iter().find(|(known, _)| known == key).map(|(_, text)| text.as_str())
    }

    fn of_the_set<'a>(&'a self, right: &'a [&FactKey]) -> impl Iterator<Item = &'a FactKey> {
        self.ask.iter().map(|(key, _)| key).filter(|key| right.contains(key))
    }
}

impl Pool<'_> {
    fn allows(&self, profile: &Profile, key: &FactKey) -> bool {
        let flagged = profile
            .question(key)
            .is_some_and(|question| question.not_when.iter().any(|flag| self.flags.contains(flag)));
        (self.on_file)(key)
            && !flagged
            && !self.used_to_identify.contains(key)
            && !self.disclosed.contains(key)
    }
}

/// Spreads a seed over all bits, so that counters are as good as random numbers (`SplitMix64`).
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
