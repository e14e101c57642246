//! Codes that are said aloud once: the app's number, the letter's first code, the reference.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// A code of digits that the agent reads to the customer, once. Prints nothing.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpokenCode(String);

/// The text is no code. It is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a code is two to eight digits")]
pub struct NotACode;

impl SpokenCode {
    /// Digits of a letter's code and of a reference.
    pub const SIX: usize = 6;

    /// A six-digit code, as a letter carries it.
    pub fn six(text: &str) -> Result<Self, NotACode> {
        if text.len() == Self::SIX { Self::try_from(text.to_owned()) } else { Err(NotACode) }
    }

    /// A six-digit reference from a random number.
    #[must_use]
    pub fn reference(random: u64) -> Self {
        Self(format!("{:06}", random % 1_000_000))
    }

    /// The digits, for the agent's screen and for comparing.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SpokenCode {
    type Error = NotACode;
    fn try_from(text: String) -> Result<Self, NotACode> {
        let digits =
            (2..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { Ok(Self(text)) } else { Err(NotACode) }
    }
}

impl From<SpokenCode> for String {
    fn from(code: SpokenCode) -> Self {
        code.0
    }
}

impl fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpokenCode(••)")
    }
}

/// Three different two-digit numbers, 10 to 99, as the app shows them. Prints nothing.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Numbers([u8; 3]);

impl Numbers {
    /// The numbers, in the order of the app's screen.
    #[must_use]
    pub const fn shown(self) -> [u8; 3] {
        self.0
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers(••, ••, ••)")
    }
}

/// The app's three numbers and the right one of them, from a random number.
///
/// All 90 · 89 · 88 · 3 outcomes are equally likely but for one in 10^13.
#[must_use]
pub fn three_numbers(random: u64) -> (Numbers, u8) {
    const LOWEST: u64 = 10;
    let (first, rest) = (random % 90, random / 90);
    let (second, rest) = (rest % 89, rest / 89);
    let (third, rest) = (rest % 88, rest / 88);
    // The second is drawn from the 89 others, the third from the 88 others.
    let second = second + u64::from(second >= first);
    let (low, high) = (first.min(second), first.max(second));
    let third = third + u64::from(third >= low);
    let third = third + u64::from(third >= high);
    let number = |drawn: u64| u8::try_from(drawn + LOWEST).unwrap_or_default();
    let numbers = [number(first), number(second), number(third)];
    let right = match rest % 3 {
        0 => numbers[0],
        1 => numbers[1],
        _ => numbers[2],
    };
    (Numbers(numbers), right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn o09_three_numbers_are_different_and_each_place_may_be_the_right_one() {
        let (mut seen, mut places) = (BTreeSet::new(), [0; 3]);
        for step in 0..200_000_u64 {
            let (numbers, right) = three_numbers(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let [a, b, c] = numbers.shown();
            assert!(a != b && b != c && a != c);
            assert!([a, b, c].iter().all(|number| (10..=99).contains(number)));
            let place = [a, b, c].iter().position(|number| *number == right).expect("one of them");
            places[place] += 1;
            seen.insert(right);
        }
        assert_eq!(seen.len(), 90);
        assert!(places.iter().all(|times| (60_000..73_000).contains(times)), "{places:?}");
    }

    #[test]
    fn a_code_is_digits_and_prints_none() {
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６"] {
            assert_eq!(SpokenCode::six(wrong), Err(NotACode));
        }
        let code = SpokenCode::six("012345").expect("a code");
        let (numbers, _) = three_numbers(7);
        assert_eq!(format!("{code:?} {numbers:?}"), "SpokenCode(••) Numbers(••, ••, ••)");
        assert_eq!(SpokenCode::reference(7).digits(), "000007");
    }
}
