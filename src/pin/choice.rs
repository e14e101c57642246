//! What a customer may choose: a voice PIN, a hint, a web PIN (facts/caller-auth §3.3, X17, X19, X21).
//! Blocklists, not rules of composition; whoever is refused is told why, never what was typed.

use zeroize::Zeroizing;

use crate::model::customer::Customer;
use crate::model::digits::NotAPin;
use crate::model::digits::SecretText;
use crate::model::digits::VoicePin;
use crate::pin::common::is_common;
use crate::pin::weak::Weakness;
use crate::pin::weak::pin_digits;
use crate::pin::weak::weakness;

/// Why a voice PIN is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PinRefused {
    /// Not seven digits.
    #[error("a PIN has exactly seven digits")]
    Form,
    /// The default of an old system (C18).
    #[error("everybody knows this PIN; choose another")]
    Default,
    /// Counts up or down.
    #[error("do not count up or down: four digits in order are tried first")]
    Run,
    /// Repeats a digit.
    #[error("do not repeat a digit three times in a row, or four times in all")]
    Repeated,
    /// Too few different digits.
    #[error("use at least four different digits")]
    FewDigits,
    /// Palindromes, blocks, equal steps.
    #[error("avoid patterns: the same block twice, the same forwards and backwards, equal steps")]
    Pattern,
    /// Part of what is known about the customer.
    #[error(
        "this PIN holds a part of a date, number or code that belongs to you; choose digits without a meaning"
    )]
    Personal,
    /// The PIN of the letter.
    #[error("choose a PIN of your own, not the one in the letter")]
    Initial,
    /// The PIN that is to be replaced.
    #[error("choose another PIN than before")]
    Previous,
}

impl PinRefused {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Form,
        Self::Default,
        Self::Run,
        Self::Repeated,
        Self::FewDigits,
        Self::Pattern,
        Self::Personal,
        Self::Initial,
        Self::Previous,
    ];

    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Default => "default",
            Self::Run => "run",
            Self::Repeated => "repeated",
            Self::FewDigits => "few_digits",
            Self::Pattern => "pattern",
            Self::Personal => "personal",
            Self::Initial => "initial",
            Self::Previous => "previous",
        }
    }
}

/// Why a web PIN is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WebPinRefused {
    /// Too short, too long, or with control characters.
    #[error("a web PIN has 8 to 64 characters")]
    Form,
    /// On the list of what people choose first.
    #[error("this is one of the most common passwords; choose another")]
    Common,
    /// One letter again and again, or letters in order.
    #[error("do not repeat one character or type characters in order")]
    Pattern,
    /// Name, number or voice PIN of the customer.
    #[error("leave your name, your customer number and your PIN for calls out of it")]
    Personal,
}

impl WebPinRefused {
    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Common => "common",
            Self::Pattern => "pattern",
            Self::Personal => "personal",
        }
    }
}

/// Why a hint is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HintRefused {
    /// Too short, too long, or with control characters.
    #[error("a hint has 3 to 100 characters")]
    Form,
    /// The PIN, or a part of it, in digits or in words.
    #[error("the hint gives a part of the PIN away; describe it without its digits")]
    GivesAway,
}

/// Reads a PIN that somebody wants, and refuses what guessers try first. Knows nobody: what it
/// says tells nothing about an account.
pub fn pin(typed: &SecretText) -> Result<VoicePin, PinRefused> {
    let pin = VoicePin::parse(typed.expose()).map_err(|refused| match refused {
        NotAPin::Form => PinRefused::Form,
        NotAPin::Default => PinRefused::Default,
    })?;
    match weakness(&pin) {
        None => Ok(pin),
        Some(Weakness::Run) => Err(PinRefused::Run),
        Some(Weakness::Repeated) => Err(PinRefused::Repeated),
        Some(Weakness::FewDigits) => Err(PinRefused::FewDigits),
        Some(Weakness::Pattern) => Err(PinRefused::Pattern),
    }
}

/// Refuses a PIN that others could find by knowing the customer. Only for somebody who has shown
/// the initial PIN or a link: the answer tells something about the record.
pub fn not_personal(pin: &VoicePin, customer: &Customer) -> Result<(), PinRefused> {
    let own = digits_of(pin);
    let holds = |part: &str| !part.is_empty() && own.contains(part);
    let names = [Some(customer.id.as_str()), customer.keypad_id.as_deref()];
    let numbered = names.into_iter().flatten().any(|name| shares(&digits(name), &own, 4));
    let rung = customer.numbers.iter().any(|on_file| {
        let number = on_file.number.as_e164();
        let end = number.len().checked_sub(4).and_then(|from| number.get(from..));
        end.is_some_and(holds) || shares(&digits(number), &own, 5)
    });
    let known = customer.facts.iter().any(|(key, fact)| {
        if let Some(date) = Date::read(fact.expose()) {
            return date.fragments().iter().any(|part| holds(part));
        }
        let value = digits(fact.expose());
        // A postcode has few digits, and everybody knows it.
        let least = if key.as_str().contains("postcode") { 3 } else { 4 };
        shares(&value, &own, least)
    });
    if numbered || rung || known { Err(PinRefused::Personal) } else { Ok(()) }
}

/// Reads the PIN of a letter as typed, with whatever stands between its digits. What is none becomes
/// one that no letter ever had, so that judging it is the same work.
#[must_use]
pub fn initial(typed: &SecretText) -> VoicePin {
    VoicePin::parse(&digits(typed.expose())).unwrap_or_else(|_| VoicePin::nobodys())
}

/// Refuses the PIN of the letter as the customer's own.
pub fn not_the_initial(pin: &VoicePin, initial: &SecretText) -> Result<(), PinRefused> {
    let own = SecretText::new(String::clone(&digits_of(pin)));
    if own.same_digits(initial) { Err(PinRefused::Initial) } else { Ok(()) }
}

/// Refuses a hint from which the PIN, or three digits of it in a row, can be read (X19).
pub fn hint(hint: &SecretText, pin: &VoicePin) -> Result<(), HintRefused> {
    let text = hint.expose();
    let usable = (3..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !usable {
        return Err(HintRefused::Form);
    }
    let own = digits_of(pin);
    let backwards: Zeroizing<String> = Zeroizing::new(own.chars().rev().collect());
    let told = spelled(text);
    if shares(&own, &told, 3) || shares(&backwards, &told, 3) {
        return Err(HintRefused::GivesAway);
    }
    Ok(())
}

/// Refuses a hint that holds the web PIN.
pub fn hint_beside(hint: &SecretText, web_pin: &SecretText) -> Result<(), HintRefused> {
    let lower = |text: &SecretText| Zeroizing::new(text.expose().to_lowercase());
    let gives = lower(hint).contains(lower(web_pin).as_str());
    if gives { Err(HintRefused::GivesAway) } else { Ok(()) }
}

/// Refuses a web PIN that is too short or among the first that people try.
pub fn web_pin(typed: &SecretText) -> Result<(), WebPinRefused> {
    let text = typed.expose();
    let usable = (8..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !usable {
        return Err(WebPinRefused::Form);
    }
    let lower = Zeroizing::new(text.to_lowercase());
    if is_common(&lower) {
        return Err(WebPinRefused::Common);
    }
    let letters: Zeroizing<Vec<u32>> = Zeroizing::new(lower.chars().map(u32::from).collect());
    let mut steps = letters.iter().zip(letters.iter().skip(1));
    let first = steps.next().map(|(one, next)| next.wrapping_sub(*one));
    let even = steps.all(|(one, next)| Some(next.wrapping_sub(*one)) == first);
    if even && matches!(first, Some(0 | 1 | u32::MAX)) {
        return Err(WebPinRefused::Pattern);
    }
    Ok(())
}

/// Refuses a web PIN with the customer's name, number or voice PIN in it.
pub fn web_pin_not_personal(
    typed: &SecretText,
    pin: &VoicePin,
    customer: &Customer,
) -> Result<(), WebPinRefused> {
    let lower = Zeroizing::new(typed.expose().to_lowercase());
    let name = customer.name.to_lowercase();
    let named = name.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 3);
    let id = customer.id.as_str().to_lowercase();
    let numbered = [id.as_str(), customer.keypad_id.as_deref().unwrap_or_default()];
    let mut parts = named.chain(numbered.into_iter().filter(|part| part.len() > 3));
    let own = digits_of(pin);
    let personal = lower.contains(own.as_str()) || parts.any(|part| lower.contains(part));
    if personal { Err(WebPinRefused::Personal) } else { Ok(()) }
}

/// A day on file, as day, month and year were written.
struct Date {
    day: Zeroizing<String>,
    month: Zeroizing<String>,
    year: Zeroizing<String>,
}

impl Date {
    /// Reads `1980-05-04`, `4/5/1980`, `04.05.1980`, `19800504`.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::of(text.get(..4)?, text.get(4..6)?, text.get(6..)?);
        }
        let mut parts = text.split(['-', '/', '.', ' ']);
        let (one, two, three) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        if one.len() == 4 { Self::of(one, two, three) } else { Self::of(three, two, one) }
    }

    fn of(year: &str, month: &str, day: &str) -> Option<Self> {
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let short = |text: &str| (1..=2).contains(&text.len()) && number(text);
        let two = |text: &str| Zeroizing::new(format!("{text:0>2}"));
        let is_date = year.len() == 4 && number(year) && short(month) && short(day);
        let year = Zeroizing::new(year.to_owned());
        is_date.then(|| Self { day: two(day), month: two(month), year })
    }

    /// What people make PINs of: the year, and day and month in either order (DDMMYY holds one).
    fn fragments(&self) -> [Zeroizing<String>; 3] {
        let both = |one: &str, other: &str| Zeroizing::new(format!("{one}{other}"));
        [self.year.clone(), both(&self.day, &self.month), both(&self.month, &self.day)]
    }
}

/// Whether two texts of digits share a part of this length.
fn shares(one: &str, other: &str, length: usize) -> bool {
    one.len() >= length
        && one
            .as_bytes()
            .windows(length)
            .any(|part| other.as_bytes().windows(length).any(|there| part == there))
}

fn digits_of(pin: &VoicePin) -> Zeroizing<String> {
    let digits = Zeroizing::new(pin_digits(pin));
    Zeroizing::new(digits.iter().map(|digit| char::from(b'0' + digit)).collect())
}

fn digits(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.chars().filter(char::is_ascii_digit).collect())
}

/// The digits of a text, those in English words too, in their order and without what stands between.
fn spelled(text: &str) -> Zeroizing<String> {
    const WORDS: [(&str, char); 13] = [
        ("zero", '0'),
        ("oh", '0'),
        ("nought", '0'),
        ("nil", '0'),
        ("one", '1'),
        ("two", '2'),
        ("three", '3'),
        ("four", '4'),
        ("five", '5'),
        ("six", '6'),
        ("seven", '7'),
        ("eight", '8'),
        ("nine", '9'),
    ];
    let lower = Zeroizing::new(text.to_lowercase());
    let mut told = Zeroizing::new(String::with_capacity(lower.len()));
    let mut rest = lower.as_str();
    while let Some(first) = rest.chars().next() {
        let word = WORDS.into_iter().find(|(word, _)| rest.starts_with(word));
        let length = if let Some((word, digit)) = word {
            told.push(digit);
            word.len()
        } else {
            if let Some(digit) = first.to_digit(10).and_then(|d| char::from_digit(d, 10)) {
                told.push(digit);
            }
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::model::customer::NumberOnFile;
    use crate::model::customer::Role;
    use crate::model::number::PhoneNumber;

    fn typed(text: &str) -> SecretText {
        SecretText::new(text.into())
    }

    fn voice(text: &str) -> VoicePin {
        VoicePin::parse(text).expect("a PIN")
    }

    fn ann() -> Customer {
        let number = PhoneNumber::parse_lenient("+442079463812", None).expect("a number");
        let facts = [
            ("date_of_birth", "1980-05-24"),
            ("qc_date_of_birth", "7/11/2009"),
            ("nino", "QQ 64 83 05 C"),
            ("bank_last4", "6071"),
            ("postcode", "SW19 8AE"),
            ("place_of_birth", "York"),
        ];
        Customer {
            id: "100374".parse().expect("an id"),
            keypad_id: Some("829516".into()),
            name: "Ann Example".into(),
            role: Role::Client,
            represents: vec![],
            numbers: vec![NumberOnFile { number, since: None }],
            email: None,
            language: None,
            flags: vec![],
            facts: facts
                .into_iter()
                .map(|(key, value)| (key.parse().expect("a key"), typed(value)))
                .collect(),
        }
    }

    #[test]
    fn x21_what_guessers_try_first_is_refused_with_its_reason() {
        for (text, reason) in [
            ("1234567", "default"),
            ("123456", "form"),
            ("12345678", "form"),
            ("12a4567", "form"),
            ("8345601", "run"),
            ("1112934", "repeated"),
            ("1331122", "few_digits"),
            ("1938391", "pattern"),
        ] {
            let refused = pin(&typed(text)).expect_err("weak");
            assert_eq!(refused.word(), reason, "{text}");
        }
        assert!(pin(&typed("9081726")).is_ok());
    }

    #[test]
    fn x21_what_others_know_about_the_customer_makes_no_pin() {
        for (text, because) in [
            ("9198036", "the year of birth"),
            ("6240519", "day and month"),
            ("9052417", "month and day"),
            ("2405806", "DDMMYY"),
            ("5071109", "the child's day"),
            ("9381257", "the end of the telephone number"),
            ("0794635", "the middle of it"),
            ("6483958", "the National Insurance number"),
            ("2607158", "the bank account"),
            ("5198260", "the postcode"),
            ("6003748", "the customer number"),
            ("3829561", "the number keyed"),
        ] {
            let refused = not_personal(&voice(text), &ann());
            assert_eq!(refused, Err(PinRefused::Personal), "{text}: {because}");
        }
        for fair in ["9081726", "5028361", "7394615"] {
            assert_eq!(not_personal(&voice(fair), &ann()), Ok(()), "{fair}");
        }
    }

    #[test]
    fn p15_the_pin_of_the_letter_is_no_pin_of_ones_own() {
        let initial = typed("908 17 26");
        assert_eq!(not_the_initial(&voice("9081726"), &initial), Err(PinRefused::Initial));
        assert_eq!(not_the_initial(&voice("9081725"), &initial), Ok(()));
    }

    #[test]
    fn x19_a_hint_does_not_hold_the_pin_in_digits_or_in_words() {
        let own = voice("9081726");
        for gives in [
            "it is 9081726",
            "ends in 726",
            "starts 9-0-8",
            "backwards 627 1",
            "nine oh eight something",
            "seventwosix",
            "Seven 2 six",
        ] {
            assert_eq!(hint(&typed(gives), &own), Err(HintRefused::GivesAway), "{gives}");
        }
        for fair in ["the garden gate", "72 steps to the 9th door", "one of seven"] {
            assert_eq!(hint(&typed(fair), &own), Ok(()), "{fair}");
        }
        assert_eq!(hint(&typed("ab"), &own), Err(HintRefused::Form));
        assert_eq!(
            hint_beside(&typed("not Blue kettle"), &typed("blue Kettle")),
            Err(HintRefused::GivesAway)
        );
    }

    #[test]
    fn x17_a_web_pin_is_no_common_password_and_nothing_personal() {
        for (text, reason) in [
            ("short", "form"),
            ("Password", "common"),
            ("Sunshine99!", "common"),
            ("aaaaaaaaaa", "pattern"),
            ("23456789", "pattern"),
            ("hgfedcba", "pattern"),
        ] {
            assert_eq!(web_pin(&typed(text)).expect_err("refused").word(), reason, "{text}");
        }
        assert_eq!(web_pin(&typed("blue Kettle")), Ok(()));
        let own = voice("9081726");
        for text in ["EXAMPLE rules", "my id is 100374", "kettle 9081726"] {
            let refused = web_pin_not_personal(&typed(text), &own, &ann());
            assert_eq!(refused, Err(WebPinRefused::Personal), "{text}");
        }
        assert_eq!(web_pin_not_personal(&typed("blue Kettle"), &own, &ann()), Ok(()));
    }

    #[test]
    fn no_reason_repeats_what_was_typed() {
        let words: BTreeSet<_> = PinRefused::ALL.iter().map(|refused| refused.word()).collect();
        assert_eq!(words.len(), PinRefused::ALL.len());
        let told = PinRefused::ALL.map(|refused| refused.to_string()).concat();
        assert!(!told.bytes().any(|b| b.is_ascii_digit()));
    }
}
