//! `[outbound]` of a policy profile, and what is wrong with one.

use std::time::Duration;

use serde::Deserialize;

use crate::outbound::Method;

/// How signals about a number (SIM swap, forwarding) that nobody could give are taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum NumberSignals {
    /// Only a bad signal counts against the number.
    #[default]
    IfKnown,
    /// A number without good signals is not trusted.
    Required,
}

/// The outbound rules of a profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Whether agents ring customers under this profile.
    pub enabled: bool,
    /// How the organisation may prove itself, in the order of the agent's screen.
    pub methods: Vec<Method>,
    /// The number customers find on cards, letters and the website (O06). Never spoken (O05).
    pub published_number: Option<String>,
    /// Whether the opening may name the organisation: the name alone can disclose a relationship (O08).
    pub name_organisation: bool,
    /// Its name.
    pub organisation: String,
    /// Seconds in which the app's number must be tapped, at most 600.
    pub app_ttl_s: u32,
    /// Hours in which a reference works.
    pub reference_ttl_h: u32,
    /// Seconds a customer is told to wait before ringing back: a held line is free again by then.
    pub wait_s: u32,
    /// After which proofs PIN digits may be asked, by keypad only (X33).
    pub pin_after: Vec<Method>,
    /// Whether the password may be asked by voice after a proof (C59 to C64 need it); never after a waive.
    pub password_after_proof: bool,
    /// Wrong letter codes of one day, across all calls, that raise the alarm.
    pub letter_wrong_alarm: u32,
    /// How missing signals about a number are taken (X07, X30).
    pub number_signals: NumberSignals,
    /// What the agent says.
    pub texts: Texts,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            enabled: false,
            methods: vec![Method::App, Method::CallBack, Method::Letter, Method::Waive],
            published_number: None,
            name_organisation: false,
            organisation: String::new(),
            app_ttl_s: 600,
            reference_ttl_h: 24,
            wait_s: 300,
            pin_after: vec![Method::Letter],
            password_after_proof: false,
            letter_wrong_alarm: 3,
            number_signals: NumberSignals::default(),
            texts: Texts::default(),
        }
    }
}

/// What the agent says. `{agent}`, `{organisation}` and `{wait}` (minutes) are filled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each text is named after the situation it is said in")]
pub struct Texts {
    pub intro: String,
    pub intro_named: String,
    pub proof_app: String,
    pub proof_letter: String,
    pub proof_call_back: String,
    pub confirmed: String,
    pub opening: String,
    pub no_check: String,
    pub waived: String,
    pub declined: String,
}

impl Default for Texts {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            intro: text(
                "Hello, my name is {agent}. First you can make sure that I am who I say: with our \
                 app, with a letter of ours, or by ringing us back. Which do you prefer?",
            ),
            intro_named: text(
                "Hello, my name is {agent}, from {organisation}. First you can make sure that I am \
                 who I say: with our app, with a letter of ours, or by ringing us back. Which do \
                 you prefer?",
            ),
            proof_app: text(
                "Please open our app yourself. It shows my name and three numbers. I read you one \
                 number, once; please tap that one.",
            ),
            proof_letter: text(
                "Please take our last letter to you. I read you its first code, once. If it is the \
                 same, please read me the second code.",
            ),
            proof_call_back: text(
                "Please look our number up yourself: on your card, on a letter of ours or on our \
                 website. I do not give it to you. Wait {wait} minutes or use another telephone, \
                 ring us, and quote the reference that I read you now.",
            ),
            confirmed: text("Thank you, that is confirmed on both sides."),
            opening: text(
                "Thank you for checking. Now I would like to make sure that I speak with the right \
                 person.",
            ),
            no_check: text(
                "Thank you. We write to you about this; nothing more is needed on the telephone.",
            ),
            waived: text(
                "Thank you. I ask you a few simple questions only. I never need your secrets on \
                 this call.",
            ),
            declined: text(
                "That is quite all right, and nothing changes for you. You can ring us at any time \
                 on the number you look up yourself. Goodbye.",
            ),
        }
    }
}

impl Rules {
    /// How long the app's number is good.
    #[must_use]
    pub const fn app_ttl(&self) -> Duration {
        Duration::from_secs(self.app_ttl_s as u64)
    }

    /// How long a reference works.
    #[must_use]
    pub const fn reference_ttl(&self) -> Duration {
        Duration::from_secs(self.reference_ttl_h as u64 * 3600)
    }

    /// Ways of proving ourselves; a waive is none (O02).
    #[must_use]
    pub fn proofs(&self) -> usize {
        self.methods.iter().filter(|method| **method != Method::Waive).count()
    }

    /// Everything that is wrong, one sentence each: the key, and what to write.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        if !self.enabled {
            return vec![];
        }
        let mut faults = vec![];
        self.number_faults(&mut faults);
        self.method_faults(&mut faults);
        self.limit_faults(&mut faults);
        self.text_faults(&mut faults);
        faults
    }

    fn number_faults(&self, faults: &mut Vec<String>) {
        match &self.published_number {
            None => faults.push(
                "outbound.published_number: write the number that customers find on cards and \
                 letters; without one nobody can ring back (O06)"
                    .into(),
            ),
            Some(number) => {
                let digits = number.bytes().filter(u8::is_ascii_digit).count();
                let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-');
                if !(3..=15).contains(&digits) || !number.chars().all(plain) {
                    faults.push(
                        "outbound.published_number: write 3 to 15 digits, for example \
                         +44 20 7946 0123"
                            .into(),
                    );
                }
            }
        }
        if self.name_organisation && self.organisation.trim().is_empty() {
            faults.push("outbound.organisation: write the name that the opening may say".into());
        }
    }

    fn method_faults(&self, faults: &mut Vec<String>) {
        for (index, method) in self.methods.iter().enumerate() {
            if self.methods.iter().take(index).any(|earlier| earlier == method) {
                faults.push(format!("outbound.methods: {} is there twice", method.word()));
            }
        }
        if self.proofs() == 0 {
            faults.push("outbound.methods: write at least one of app, letter, call_back".into());
        }
        if !self.pin_after.is_empty() && self.proofs() < 2 {
            faults.push(
                "outbound.methods: write at least two of app, letter, call_back, or empty \
                 pin_after: one proof alone is no choice (O02)"
                    .into(),
            );
        }
        for method in &self.pin_after {
            if matches!(method, Method::Waive | Method::CallBack) {
                faults.push(format!(
                    "outbound.pin_after: {} is no proof on this call; write app or letter",
                    method.word()
                ));
            } else if !self.methods.contains(method) {
                faults.push(format!("outbound.pin_after: {0} is not in methods", method.word()));
            }
        }
    }

    fn limit_faults(&self, faults: &mut Vec<String>) {
        for (key, value, range) in [
            ("app_ttl_s", self.app_ttl_s, 30..=600),
            ("reference_ttl_h", self.reference_ttl_h, 1..=168),
            ("wait_s", self.wait_s, 60..=3600),
            ("letter_wrong_alarm", self.letter_wrong_alarm, 1..=1000),
        ] {
            if !range.contains(&value) {
                let (low, high) = (range.start(), range.end());
                faults.push(format!("outbound.{key} = {value}: write {low} to {high}"));
            }
        }
    }

    fn text_faults(&self, faults: &mut Vec<String>) {
        let texts = &self.texts;
        for (key, text) in texts.all() {
            let said = plain(text);
            if text.trim().is_empty() {
                faults.push(format!("outbound.texts.{key}: write what the agent says"));
            }
            if let Some(opening) = FORBIDDEN_OPENINGS.iter().find(|words| said.contains(**words)) {
                faults.push(format!(
                    "outbound.texts.{key}: \"{opening}\" puts people on the defensive; say first \
                     how they can make sure of you (O04)"
                ));
            }
            if spells_a_number(text) {
                faults.push(format!(
                    "outbound.texts.{key}: leave the number out; the customer looks it up (O05)"
                ));
            }
            for name in placeholders(text) {
                if !["agent", "organisation", "wait"].contains(&name) {
                    faults.push(format!(
                        "outbound.texts.{key}: {{{name}}} is not known; write {{agent}}, \
                         {{organisation}} or {{wait}}"
                    ));
                }
            }
        }
        for (key, text) in texts.before_proof() {
            let said = plain(text);
            if let Some(word) = SECRETS.iter().find(|word| has_word(&said, word)) {
                faults.push(format!(
                    "outbound.texts.{key}: ask for no {word} before you have proved yourself (O01)"
                ));
            }
            if let Some(words) = RELATIONSHIPS.iter().find(|words| said.contains(**words)) {
                faults.push(format!(
                    "outbound.texts.{key}: \"{words}\" tells others of a relationship; keep the \
                     opening neutral (O08)"
                ));
            }
        }
        if texts.intro.contains("{organisation}") {
            faults.push(
                "outbound.texts.intro: use intro_named with name_organisation = true to name the \
                 organisation (O08)"
                    .into(),
            );
        }
        let looked_up = plain(&texts.proof_call_back);
        if !looked_up.contains("look") {
            faults.push(
                "outbound.texts.proof_call_back: tell the customer to look the number up (O05)"
                    .into(),
            );
        }
    }
}

/// Openings that must not be in the catalogue (O04), as [`plain`] writes them.
const FORBIDDEN_OPENINGS: &[&str] = &[
    "before we start i need to ask",
    "need to ask you some security questions",
    "ask you some security questions",
    "go through some security questions",
    "for security purposes i need",
    "for data protection purposes i need",
    "need to take you through security",
];

/// What nobody asks for before the proof (O01).
const SECRETS: &[&str] =
    &["pin", "password", "passcode", "postcode", "date of birth", "birthday", "memorable"];

/// What confirms a relationship to whoever picked up the telephone (O08).
const RELATIONSHIPS: &[&str] = &[
    "your account",
    "your case",
    "your order",
    "your loan",
    "your payment",
    "your claim",
    "an order placed",
    "arrears",
    "debt",
];

impl Texts {
    fn all(&self) -> [(&'static str, &String); 10] {
        [
            ("intro", &self.intro),
            ("intro_named", &self.intro_named),
            ("proof_app", &self.proof_app),
            ("proof_letter", &self.proof_letter),
            ("proof_call_back", &self.proof_call_back),
            ("confirmed", &self.confirmed),
            ("opening", &self.opening),
            ("no_check", &self.no_check),
            ("waived", &self.waived),
            ("declined", &self.declined),
        ]
    }

    fn before_proof(&self) -> [(&'static str, &String); 5] {
        [
            ("intro", &self.intro),
            ("intro_named", &self.intro_named),
            ("proof_app", &self.proof_app),
            ("proof_letter", &self.proof_letter),
            ("proof_call_back", &self.proof_call_back),
        ]
    }
}

/// Lower case, words parted by one space, nothing else.
fn plain(text: &str) -> String {
    let letters = text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_word(said: &str, word: &str) -> bool {
    format!(" {said} ").contains(&format!(" {word} "))
}

/// Three digits, however they are parted by spaces and dashes, are a number to ring.
fn spells_a_number(text: &str) -> bool {
    let mut run = 0_u8;
    text.chars().any(|c| {
        run = match c {
            '0'..='9' => run.saturating_add(1),
            ' ' | '-' | '(' | ')' | '+' | '.' => run,
            _ => 0,
        };
        run >= 3
    })
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled() -> Rules {
        Rules {
            enabled: true,
            published_number: Some("+44 20 7946 0123".into()),
            ..Rules::default()
        }
    }

    #[track_caller]
    fn refused(rules: &Rules, expected: &str) {
        let faults = rules.faults();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
    }

    #[test]
    fn the_defaults_are_sound_and_off() {
        assert_eq!(enabled().faults(), Vec::<String>::new());
        assert!(!Rules::default().enabled);
        let named =
            Rules { name_organisation: true, organisation: "Example Bank".into(), ..enabled() };
        assert_eq!(named.faults(), Vec::<String>::new());
    }

    #[test]
    fn o02_one_proof_alone_is_no_choice_for_a_pin() {
        let one = Rules {
            methods: vec![Method::Letter, Method::Waive],
            pin_after: vec![Method::Letter],
            ..enabled()
        };
        refused(&one, "at least two of app, letter, call_back");
        let without_pin = Rules { pin_after: vec![], ..one };
        assert_eq!(without_pin.faults(), Vec::<String>::new());
        refused(&Rules { methods: vec![Method::Waive], ..without_pin }, "at least one of");
    }

    #[test]
    fn o04_the_defensive_opening_is_not_in_the_catalogue() {
        let said = "Before we start, I need to ask you some security questions.";
        for texts in [
            Texts { intro: said.into(), ..Texts::default() },
            Texts { opening: said.to_uppercase(), ..Texts::default() },
            Texts { waived: said.replace(' ', "  "), ..Texts::default() },
        ] {
            refused(&Rules { texts, ..enabled() }, "puts people on the defensive");
        }
    }

    #[test]
    fn o05_no_text_holds_a_number_to_ring() {
        for said in [
            "Look us up, or ring 0845 123 4567.",
            "Look: it is +44-20-7946-0123",
            "Look, ring 159.",
            "Look, ring {published_number}",
        ] {
            let texts = Texts { proof_call_back: said.into(), ..Texts::default() };
            let faults = Rules { texts, ..enabled() }.faults();
            assert_eq!(faults.len(), 1, "{said}: {faults:?}");
        }
        let texts = Texts { proof_call_back: "Ring us back.".into(), ..Texts::default() };
        refused(&Rules { texts, ..enabled() }, "tell the customer to look the number up");
    }

    #[test]
    fn o06_outbound_needs_a_published_number() {
        refused(&Rules { published_number: None, ..enabled() }, "published_number");
        for wrong in ["", "12", "call us", "+44 20 7946 0123 4567 89"] {
            let rules = Rules { published_number: Some(wrong.into()), ..enabled() };
            refused(&rules, "write 3 to 15 digits");
        }
        assert_eq!(Rules::default().faults(), Vec::<String>::new(), "off needs no number");
    }

    #[test]
    fn o08_the_opening_is_neutral() {
        for (said, expected) in [
            ("Hello, it is about your account.", "keep the opening neutral"),
            ("Hello, it is about an order placed with us.", "keep the opening neutral"),
            ("Hello from {organisation}.", "use intro_named"),
            ("Hello, it is about {purpose}.", "{purpose} is not known"),
        ] {
            let texts = Texts { intro: said.into(), ..Texts::default() };
            refused(&Rules { texts, ..enabled() }, expected);
        }
    }

    #[test]
    fn o01_the_opening_asks_for_no_secret() {
        for said in ["Hello. Your PIN, please.", "Hello. What is your date of birth?"] {
            let texts = Texts { intro: said.into(), ..Texts::default() };
            refused(&Rules { texts, ..enabled() }, "before you have proved yourself");
        }
    }

    #[test]
    fn o09_a_fixed_phrase_is_no_method_and_a_waive_opens_no_pin() {
        assert!(toml::from_str::<Rules>("methods = [\"app\", \"phrase\"]").is_err());
        assert!(toml::from_str::<Rules>("phrase = \"blue horse\"").is_err());
        for method in [Method::Waive, Method::CallBack] {
            refused(&Rules { pin_after: vec![method], ..enabled() }, "is no proof on this call");
        }
    }

    #[test]
    fn limits_and_repetitions_are_reported_all_at_once() {
        let rules: Rules = toml::from_str(
            "enabled = true\nmethods = [\"app\", \"app\"]\napp_ttl_s = 601\nwait_s = 0\n",
        )
        .expect("it reads");
        for expected in ["published_number", "app is there twice", "app_ttl_s = 601", "wait_s = 0"]
        {
            refused(&rules, expected);
        }
    }
}
