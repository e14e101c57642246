//! The proof of one outbound call: `(proof, event, now, random) → steps`.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::outbound::BeforeDialling;
use crate::outbound::Method;
use crate::outbound::Purpose;
use crate::outbound::codes;
use crate::outbound::codes::SpokenCode;
use crate::outbound::employer::Tick;
use crate::outbound::rules::Rules;
use crate::outbound::step::AppNumbers;
use crate::outbound::step::Choice;
use crate::outbound::step::Event;
use crate::outbound::step::ProofView;
use crate::outbound::step::Recorded;
use crate::outbound::step::Refused;
use crate::outbound::step::Step;

/// How far the proof has come. Codes live only as long as their stage.
#[derive(Clone, Debug)]
enum Stage {
    NotNeeded,
    Intro,
    App {
        right: u8,
        shown: AppNumbers,
        until: Uptime,
    },
    Letter {
        first: SpokenCode,
        agreed: bool,
    },
    Proved(Method),
    Waived,
    Declined,
    /// The reference is gone where another node goes on with the call.
    CallBack {
        reference: Option<SpokenCode>,
        expires_at: Timestamp,
    },
}

/// Which check of the customer the proof opens (O01, O03).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Check {
    /// None: not proved, over, an employer, or a number that cannot be trusted (then a letter).
    No,
    /// Nothing more to check: the customer proved themselves by the app's tap.
    Skip,
    /// Low-risk questions only, neither PIN nor password.
    LowRisk,
    /// The whole check.
    Full,
}

/// Who proves themselves first, on one outbound call.
#[derive(Clone, Debug)]
pub struct Proof {
    rules: Arc<Rules>,
    purpose: Purpose,
    before: BeforeDialling,
    stage: Stage,
    /// Tried on this call; each at most once.
    spent: Vec<Method>,
    reported: bool,
}

/// What another node needs to go on with a proof. Codes die with their node: whoever was half-way
/// through one chooses again, and what was tried stays tried (O09).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SavedProof {
    purpose: Purpose,
    before: BeforeDialling,
    stage: SavedStage,
    spent: Vec<Method>,
    reported: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum SavedStage {
    NotNeeded,
    Intro,
    Proved(Method),
    Waived,
    Declined,
    CallBack(Timestamp),
}

impl Proof {
    /// The proof without its codes.
    #[must_use]
    pub fn saved(&self) -> SavedProof {
        let stage = match &self.stage {
            Stage::NotNeeded => SavedStage::NotNeeded,
            Stage::Intro | Stage::App { .. } | Stage::Letter { .. } => SavedStage::Intro,
            Stage::Proved(method) => SavedStage::Proved(*method),
            Stage::Waived => SavedStage::Waived,
            Stage::Declined => SavedStage::Declined,
            Stage::CallBack { expires_at, .. } => SavedStage::CallBack(*expires_at),
        };
        let Self { purpose, before, reported, .. } = *self;
        SavedProof { purpose, before, stage, spent: self.spent.clone(), reported }
    }

    /// Goes on with a proof of another node.
    pub fn restored(rules: impl Into<Arc<Rules>>, saved: SavedProof) -> Self {
        let stage = match saved.stage {
            SavedStage::NotNeeded => Stage::NotNeeded,
            SavedStage::Intro => Stage::Intro,
            SavedStage::Proved(method) => Stage::Proved(method),
            SavedStage::Waived => Stage::Waived,
            SavedStage::Declined => Stage::Declined,
            SavedStage::CallBack(expires_at) => Stage::CallBack { reference: None, expires_at },
        };
        let SavedProof { purpose, before, spent, reported, .. } = saved;
        Self { rules: rules.into(), purpose, before, stage, spent, reported }
    }

    /// A call that has just been answered. An employer's has nothing to prove.
    pub fn new(rules: impl Into<Arc<Rules>>, purpose: Purpose, before: BeforeDialling) -> Self {
        let stage = if purpose == Purpose::Employer { Stage::NotNeeded } else { Stage::Intro };
        Self { rules: rules.into(), purpose, before, stage, spent: vec![], reported: false }
    }

    /// Takes one event. `random` makes the app's numbers and the reference: fresh every time.
    pub fn apply(&mut self, event: Event, now: Now, random: u64) -> Result<Vec<Step>, Refused> {
        if self.purpose == Purpose::Employer {
            return Err(Refused::NotNeeded);
        }
        if !self.rules.enabled {
            return Err(Refused::NotEnabled);
        }
        match event {
            Event::Chosen(choice) => self.choose(choice, now, random),
            Event::AppTapped { number } => self.tapped(number, now),
            Event::LetterAnswered { matches, wrong_before } => self.answered(matches, wrong_before),
            Event::Accepted => self.accepted(now, random),
            Event::Declined => self.declined(),
            Event::CallBackAsked => self.choose(Choice::CallBack, now, random),
            Event::Mismatched { wrong_before } => self.mismatched(wrong_before),
            Event::Expired => self.expired(now),
        }
    }

    // --- what the proof opens ---

    /// Which check of the customer may be made now.
    #[must_use]
    pub fn check(&self) -> Check {
        let trusted = self.before.trusted(self.rules.number_signals);
        match self.stage {
            // X25: a block is lifted by a check, not by a tap.
            Stage::Proved(Method::App) if self.purpose != Purpose::Unblock => Check::Skip,
            Stage::Proved(_) if trusted => Check::Full,
            Stage::Waived if trusted && self.purpose != Purpose::Unblock => Check::LowRisk,
            _ => Check::No,
        }
    }

    /// Whether the customer may be asked anything that proves who they are (O01).
    #[must_use]
    pub fn allows_check(&self) -> bool {
        matches!(self.check(), Check::LowRisk | Check::Full)
    }

    /// Whether PIN digits may be asked, by keypad only (X33).
    #[must_use]
    pub fn allows_pin(&self) -> bool {
        let after = matches!(self.stage, Stage::Proved(m) if self.rules.pin_after.contains(&m));
        after && self.check() == Check::Full && self.rules.proofs() >= 2
    }

    /// Whether the password may be asked.
    #[must_use]
    pub fn allows_password(&self) -> bool {
        self.check() == Check::Full && self.rules.password_after_proof
    }

    /// Whether the customer has proved themselves already: the call continues.
    #[must_use]
    pub fn skips_check(&self) -> bool {
        self.check() == Check::Skip
    }

    /// Whether the agent may say why we ring. `passed`: the customer has (employer: both ticks).
    #[must_use]
    pub fn purpose_may_be_told(&self, passed: bool) -> bool {
        passed && matches!(self.stage, Stage::NotNeeded | Stage::Proved(_) | Stage::Waived)
    }

    /// Whether the call is to end: the customer does not go on, or rings back.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Declined | Stage::CallBack { .. })
    }

    /// Whether nobody has chosen or said anything yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        matches!(self.stage, Stage::Intro | Stage::NotNeeded) && self.spent.is_empty()
    }

    /// Whether the customer is to read the second code of their letter now.
    #[must_use]
    pub const fn awaits_letter(&self) -> bool {
        matches!(self.stage, Stage::Letter { .. })
    }

    /// When [`Event::Expired`] is due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Uptime> {
        if let Stage::App { until, .. } = self.stage { Some(until) } else { None }
    }

    /// What the app shows now.
    #[must_use]
    pub const fn app_numbers(&self) -> Option<AppNumbers> {
        if let Stage::App { shown, .. } = self.stage { Some(shown) } else { None }
    }

    // --- what the agent sees ---

    /// The situation, by which the profile finds what the agent says.
    #[must_use]
    pub fn say_key(&self) -> &'static str {
        match (&self.stage, self.check()) {
            (Stage::NotNeeded, _) => "employer",
            (Stage::Intro, _) => "intro",
            (Stage::App { .. }, _) => "proof_app",
            (Stage::Letter { .. }, _) => "proof_letter",
            (Stage::CallBack { .. }, _) => "proof_call_back",
            (Stage::Declined, _) => "declined",
            (Stage::Proved(_), Check::Skip) => "confirmed",
            (Stage::Proved(_), Check::Full) => "opening",
            (Stage::Waived, Check::LowRisk) => "waived",
            (Stage::Proved(_) | Stage::Waived, _) => "no_check",
        }
    }

    /// What the agent says now. Codes are not part of it: see [`ProofView::speak`].
    #[must_use]
    pub fn words(&self, agent: &str) -> String {
        let texts = &self.rules.texts;
        let text = match self.say_key() {
            "employer" => return Tick::ALL.map(Tick::text).join(" "),
            "intro" if self.rules.name_organisation => &texts.intro_named,
            "intro" => &texts.intro,
            "proof_app" => &texts.proof_app,
            "proof_letter" => &texts.proof_letter,
            "proof_call_back" => &texts.proof_call_back,
            "confirmed" => &texts.confirmed,
            "opening" => &texts.opening,
            "waived" => &texts.waived,
            "declined" => &texts.declined,
            _ => &texts.no_check,
        };
        let wait = self.rules.wait_s.div_ceil(60).to_string();
        text.replace("{agent}", agent)
            .replace("{organisation}", &self.rules.organisation)
            .replace("{wait}", &wait)
    }

    /// The `proof` of the call; `None` for an employer.
    #[must_use]
    pub fn view(&self) -> Option<ProofView> {
        let (stage, method, speak, reference, expires_at) = match &self.stage {
            Stage::NotNeeded => return None,
            Stage::Intro => ("intro", None, None, None, None),
            Stage::App { right, shown, .. } => {
                let number = SpokenCode::try_from(right.to_string()).ok();
                ("pending", Some(Method::App), number, None, Some(shown.expires_at))
            }
            Stage::Letter { first, agreed } => {
                let code = (!agreed).then(|| first.clone());
                ("pending", Some(Method::Letter), code, None, None)
            }
            Stage::Proved(method) => ("proved", Some(*method), None, None, None),
            Stage::Waived => ("waived", Some(Method::Waive), None, None, None),
            Stage::Declined => ("declined", None, None, None, None),
            Stage::CallBack { reference, expires_at } => {
                let expires_at = Some(*expires_at);
                ("call_back", Some(Method::CallBack), None, reference.clone(), expires_at)
            }
        };
        Some(ProofView {
            stage,
            method: method.map(Method::word),
            methods: self.methods().map(Method::word).collect(),
            speak,
            reference,
            expires_at: expires_at.map(Timestamp::rfc3339),
        })
    }

    /// What may be chosen now.
    pub fn methods(&self) -> impl Iterator<Item = Method> {
        self.rules.methods.iter().copied().filter(|method| self.may_choose(*method).is_ok())
    }

    // --- what happens ---

    fn may_choose(&self, method: Method) -> Result<(), Refused> {
        if !self.rules.enabled || !self.rules.methods.contains(&method) {
            return Err(Refused::NotOffered);
        }
        match self.stage {
            Stage::NotNeeded | Stage::Declined | Stage::CallBack { .. } => Err(Refused::NotNow),
            // Proved or waived: only ringing back is left. A waive is never undone by a proof.
            Stage::Proved(_) | Stage::Waived if method != Method::CallBack => Err(Refused::NotNow),
            _ if self.spent.contains(&method) => Err(Refused::Spent),
            _ => Ok(()),
        }
    }

    fn choose(&mut self, choice: Choice, now: Now, random: u64) -> Result<Vec<Step>, Refused> {
        let method = choice.method();
        self.may_choose(method)?;
        let mut steps = self.leave();
        self.spent.push(method);
        match choice {
            Choice::App => {
                let (numbers, right) = codes::three_numbers(random);
                let ttl = self.rules.app_ttl();
                let shown = AppNumbers { numbers, expires_at: now.wall.after(ttl) };
                self.stage = Stage::App { right, shown, until: now.up + ttl };
                steps.push(Step::Record(Recorded::Chosen(method)));
                steps.push(Step::Publish(shown));
                steps.extend(SpokenCode::try_from(right.to_string()).ok().map(Step::Speak));
            }
            Choice::Letter(first) => {
                steps.push(Step::Record(Recorded::Chosen(method)));
                steps.push(Step::SpendLetter);
                steps.push(Step::Speak(first.clone()));
                self.stage = Stage::Letter { first, agreed: false };
            }
            Choice::CallBack => {
                let reference = SpokenCode::reference(random);
                let expires_at = now.wall.after(self.rules.reference_ttl());
                steps.push(Step::Record(Recorded::CallBack));
                steps.push(Step::Await { reference: reference.clone(), expires_at });
                steps.push(Step::Speak(reference.clone()));
                self.stage = Stage::CallBack { reference: Some(reference), expires_at };
            }
            Choice::Waive => {
                steps.push(Step::Record(Recorded::Waived));
                self.stage = Stage::Waived;
            }
        }
        Ok(steps)
    }

    fn tapped(&mut self, number: u8, now: Now) -> Result<Vec<Step>, Refused> {
        let Stage::App { right, until, .. } = self.stage else { return Err(Refused::NotNow) };
        if now.up >= until {
            return Err(Refused::Expired);
        }
        let mut steps = self.leave();
        steps.push(Step::Record(if number == right {
            self.stage = Stage::Proved(Method::App);
            Recorded::Proved(Method::App)
        } else {
            Recorded::Wrong(Method::App)
        }));
        Ok(steps)
    }

    fn answered(&mut self, matches: bool, wrong_before: u32) -> Result<Vec<Step>, Refused> {
        let Stage::Letter { .. } = self.stage else { return Err(Refused::NotNow) };
        let mut steps = self.leave();
        if matches {
            self.stage = Stage::Proved(Method::Letter);
            steps.push(Step::Record(Recorded::Proved(Method::Letter)));
        } else {
            steps.push(Step::Record(Recorded::Wrong(Method::Letter)));
            steps.extend(self.alarm(wrong_before));
        }
        Ok(steps)
    }

    fn accepted(&mut self, now: Now, random: u64) -> Result<Vec<Step>, Refused> {
        match &mut self.stage {
            Stage::Intro => self.choose(Choice::Waive, now, random),
            Stage::Letter { agreed, .. } if !*agreed => {
                *agreed = true;
                Ok(vec![Step::Record(Recorded::FirstCodeAgreed)])
            }
            // The app's tap says it, not the agent.
            _ => Err(Refused::NotNow),
        }
    }

    fn declined(&mut self) -> Result<Vec<Step>, Refused> {
        if self.is_over() {
            return Err(Refused::NotNow);
        }
        let mut steps = self.leave();
        self.stage = Stage::Declined;
        steps.push(Step::Record(Recorded::Declined));
        Ok(steps)
    }

    fn mismatched(&mut self, wrong_before: u32) -> Result<Vec<Step>, Refused> {
        let pending = match self.stage {
            Stage::App { .. } => Some(Method::App),
            Stage::Letter { .. } => Some(Method::Letter),
            _ => None,
        };
        let tried = self.spent.iter().any(|method| matches!(method, Method::App | Method::Letter));
        // Of a proof that is under way; or once afterwards, of one that was tried.
        if pending.is_none() && (self.reported || !tried) {
            return Err(Refused::NotNow);
        }
        self.reported = true;
        let mut steps = self.leave();
        steps.push(Step::Record(Recorded::Mismatched(pending)));
        steps.push(Step::Report);
        if pending == Some(Method::Letter) {
            steps.extend(self.alarm(wrong_before));
        }
        Ok(steps)
    }

    fn expired(&mut self, now: Now) -> Result<Vec<Step>, Refused> {
        match self.deadline() {
            Some(until) if now.up >= until => {
                let mut steps = self.leave();
                steps.push(Step::Record(Recorded::Expired));
                Ok(steps)
            }
            _ => Err(Refused::NotNow),
        }
    }

    /// Leaves a pending proof, whose codes are gone from then on.
    fn leave(&mut self) -> Vec<Step> {
        let pending = matches!(self.stage, Stage::App { .. } | Stage::Letter { .. });
        let published = matches!(self.stage, Stage::App { .. });
        if pending {
            self.stage = Stage::Intro;
        }
        if published { vec![Step::Withdraw] } else { vec![] }
    }

    fn alarm(&self, wrong_before: u32) -> Option<Step> {
        let wrong_letters = wrong_before.saturating_add(1);
        (wrong_letters >= self.rules.letter_wrong_alarm).then_some(Step::Alarm { wrong_letters })
    }
}
