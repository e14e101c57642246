//! Keys and PIN digits. Everything in here is blind: nothing prints, compares or serialises a digit.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;

/// One of the sixteen DTMF events of RFC 4733 §3.2.
///
/// Its `Debug` is blind: a PIN leaks digit by digit just as well as in one piece.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Key(u8);

impl Key {
    /// `*`: starts the current entry again.
    pub const STAR: Self = Self(10);
    /// `#`: ends a customer number.
    pub const POUND: Self = Self(11);

    /// The key of a telephone-event code 0–15; other events (flash, tones) are no keys.
    #[must_use]
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// The key written as one character `0-9*#A-D` (letters in either case).
    #[must_use]
    pub const fn from_char(key: char) -> Option<Self> {
        match key {
            '0'..='9' => Some(Self(key as u8 - b'0')),
            '*' => Some(Self::STAR),
            '#' => Some(Self::POUND),
            'A'..='D' => Some(Self(key as u8 - b'A' + 12)),
            'a'..='d' => Some(Self(key as u8 - b'a' + 12)),
            _ => None,
        }
    }

    /// The RFC 4733 event code 0–15. For senders and receivers of tones only.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The value 0–9 of a digit key; `None` for `*`, `#` and `A`–`D`.
    #[must_use]
    pub const fn digit(self) -> Option<u8> {
        if self.0 < 10 { Some(self.0) } else { None }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(•)")
    }
}

/// Keys on their way from the keypad to the verifier, at most [`SecretKeys::LEN_MAX`].
///
/// They can be neither printed, compared, cloned nor serialised, and are wiped when dropped.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretKeys {
    codes: [u8; Self::LEN_MAX],
    len: usize,
}

impl SecretKeys {
    /// Longer entries are cut: a caller cannot make us hold more than this.
    pub const LEN_MAX: usize = 20;

    /// Adds a key; one past [`Self::LEN_MAX`] is dropped.
    pub fn push(&mut self, key: Key) {
        if let Some(slot) = self.codes.get_mut(self.len) {
            *slot = key.event();
            self.len += 1;
        }
    }

    /// Forgets what was keyed so far.
    pub fn clear(&mut self) {
        self.zeroize();
    }

    /// How many keys are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was keyed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Hands the RFC 4733 event codes to the verifier. Grep for this name to audit its users.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.codes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKeys(**)")
    }
}

/// A text that must not be seen: a password, an answer, a token. Wiped when dropped.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text in.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether both hold the same digits, whatever stands between them; in constant time for the same
    /// number of digits.
    #[must_use]
    pub fn same_digits(&self, other: &Self) -> bool {
        let digits = |text: &Self| -> zeroize::Zeroizing<Vec<u8>> {
            zeroize::Zeroizing::new(text.0.bytes().filter(u8::is_ascii_digit).collect())
        };
        let (one, two) = (digits(self), digits(other));
        !one.is_empty() && bool::from(subtle::ConstantTimeEq::ct_eq(one.as_slice(), two.as_slice()))
    }

    /// Hands the text to the one who must read it. Grep for this name to audit its users.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(**)")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

/// A whole seven-digit voice PIN (C05). Exists only at enrolment; wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct VoicePin([u8; Self::LEN]);

/// The text is no voice PIN. It is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAPin {
    /// Not seven digits.
    #[error("a PIN has exactly seven digits")]
    Form,
    /// The default of an old system, never a working PIN (C18).
    #[error("this is a default PIN, which nobody may have")]
    Default,
}

impl VoicePin {
    /// Digits of a voice PIN.
    pub const LEN: usize = 7;

    /// Reads `^[0-9]{7}$`, and refuses the default 1234567 (C18).
    pub fn parse(text: &str) -> Result<Self, NotAPin> {
        let bytes: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| NotAPin::Form)?;
        if !bytes.iter().all(u8::is_ascii_digit) {
            return Err(NotAPin::Form);
        }
        if &bytes == b"1234567" {
            return Err(NotAPin::Default);
        }
        Ok(Self(bytes.map(|byte| byte - b'0')))
    }

    /// The PIN with this number, leading zeros and all; none from ten million on, and not the default.
    pub fn from_number(number: u32) -> Result<Self, NotAPin> {
        let mut digits = [0; Self::LEN];
        let mut rest = number;
        for slot in digits.iter_mut().rev() {
            *slot = u8::try_from(rest % 10).map_err(|_| NotAPin::Form)?;
            rest /= 10;
        }
        match digits {
            _ if rest > 0 => Err(NotAPin::Form),
            [1, 2, 3, 4, 5, 6, 7] => Err(NotAPin::Default),
            digits => Ok(Self(digits)),
        }
    }

    /// All digits as text `0`–`9`, for a letter or a seal. Grep for this name to audit its users.
    #[must_use]
    pub fn expose_all(&self) -> zeroize::Zeroizing<[u8; Self::LEN]> {
        zeroize::Zeroizing::new(self.0.map(|digit| digit + b'0'))
    }

    /// Seven zeros: a PIN that is never handed out and never accepted, for work that must be done.
    #[must_use]
    pub const fn nobodys() -> Self {
        Self([0; Self::LEN])
    }

    /// The digit (0–9) at a position.
    #[must_use]
    pub fn expose(&self, at: Position) -> u8 {
        self.0.get(usize::from(at.number()) - 1).copied().unwrap_or_default()
    }
}

impl fmt::Debug for VoicePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VoicePin(**)")
    }
}

/// A place in the PIN, 1 to 7.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Position(u8);

impl Position {
    /// The place `number`, 1 to 7.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number as usize <= VoicePin::LEN { Some(Self(number)) } else { None }
    }

    /// 1 to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Position {
    type Error = &'static str;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("a PIN position is 1 to 7")
    }
}

impl From<Position> for u8 {
    fn from(position: Position) -> Self {
        position.0
    }
}

/// Two different positions in ascending order: one of the 21 challenges of a PIN.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct Positions(u8, u8);

impl Positions {
    /// How many pairs a PIN of seven digits has.
    pub const COUNT: u8 = 21;
    /// The pair with index 0.
    pub const FIRST: Self = Self(1, 2);

    /// The pair with this index, in the order (1,2), (1,3), … (6,7).
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        let mut pairs = (1..=7).flat_map(|low| (low + 1..=7).map(move |high| Self(low, high)));
        pairs.nth(usize::from(index))
    }

    /// The index 0–20 of this pair.
    #[must_use]
    pub fn index(self) -> u8 {
        (0..Self::COUNT).find(|index| Self::from_index(*index) == Some(self)).unwrap_or_default()
    }

    /// The position asked first.
    #[must_use]
    pub const fn first(self) -> Position {
        Position(self.0)
    }

    /// The position asked second.
    #[must_use]
    pub const fn second(self) -> Position {
        Position(self.1)
    }
}

impl TryFrom<(u8, u8)> for Positions {
    type Error = &'static str;
    fn try_from((low, high): (u8, u8)) -> Result<Self, Self::Error> {
        let well_formed = low >= 1 && low < high && high <= 7;
        if well_formed {
            Ok(Self(low, high))
        } else {
            Err("positions are two of 1 to 7, ascending")
        }
    }
}

impl From<Positions> for (u8, u8) {
    fn from(pair: Positions) -> Self {
        (pair.0, pair.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c05_c18_x17_a_pin_is_seven_digits_and_never_the_default() {
        assert!(VoicePin::parse("9081726").is_ok());
        for wrong in ["908172", "90817263", "90817a6", "ABCDEFG", "abcdefg", "", "９０８１７２６"]
        {
            assert_eq!(VoicePin::parse(wrong).err(), Some(NotAPin::Form));
        }
        assert_eq!(VoicePin::parse("1234567").err(), Some(NotAPin::Default));
    }

    #[test]
    fn the_21_pairs_are_all_different_and_know_their_index() {
        for index in 0..Positions::COUNT {
            let pair = Positions::from_index(index).expect("below 21");
            assert_eq!(pair.index(), index);
            assert!(pair.first() < pair.second());
        }
        assert_eq!(Positions::from_index(21), None);
    }

    #[test]
    fn p11_secrets_print_nothing() {
        let mut keys = SecretKeys::default();
        keys.push(Key::from_char('A').expect("a key"));
        let pin = VoicePin::parse("9081726").expect("a PIN");
        let text = SecretText::new("blue horse".into());
        let shown = format!("{keys:?} {pin:?} {text:?} {:?}", Key::from_char('7'));
        assert_eq!(shown, "SecretKeys(**) VoicePin(**) SecretText(**) Some(Key(•))");
    }

    #[test]
    fn a_caller_cannot_make_us_hold_more_than_the_limit() {
        let mut keys = SecretKeys::default();
        (0..100).for_each(|_| keys.push(Key::POUND));
        assert_eq!(keys.len(), SecretKeys::LEN_MAX);
    }
}
