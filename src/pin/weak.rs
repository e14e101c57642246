//! PINs that guessers try first (facts/caller-auth §3.3). A blocklist by construction, not a rule of composition.

use crate::model::digits::Position;
use crate::model::digits::VoicePin;

/// What makes a PIN one of those that guessers try first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weakness {
    /// Four digits that count up or down.
    Run,
    /// Three equal digits in a row, or one digit four times.
    Repeated,
    /// Three different digits or fewer.
    FewDigits,
    /// The same forwards and backwards, a block of three twice, or equal steps.
    Pattern,
}

/// Whether a PIN should not be handed out or accepted from a customer who chooses one.
#[must_use]
pub fn is_weak(pin: &VoicePin) -> bool {
    weakness(pin).is_some()
}

/// Why a PIN should not be accepted from a customer who chooses one.
#[must_use]
pub fn weakness(pin: &VoicePin) -> Option<Weakness> {
    let mut digits = pin_digits(pin);
    let weakness = weak(digits);
    zeroize::Zeroize::zeroize(&mut digits);
    weakness
}

/// The digits, first to last. Whoever takes them wipes them.
pub(super) fn pin_digits(pin: &VoicePin) -> [u8; VoicePin::LEN] {
    let mut digits = [0; VoicePin::LEN];
    for (slot, number) in digits.iter_mut().zip(1..) {
        *slot = Position::new(number).map_or(0, |position| pin.expose(position));
    }
    digits
}

fn weak(digits: [u8; VoicePin::LEN]) -> Option<Weakness> {
    let mut counts = [0_u8; 10];
    for digit in digits {
        if let Some(count) = counts.get_mut(usize::from(digit)) {
            *count += 1;
        }
    }
    let distinct = counts.iter().filter(|count| **count > 0).count();
    let crowded = counts.iter().any(|count| *count >= 4);
    let same_run = digits.windows(3).any(|run| steps(run).all(|step| step == 0));
    let counting =
        [1, 9].into_iter().any(|by| digits.windows(4).any(|run| steps(run).all(|step| step == by)));
    if counting {
        Some(Weakness::Run)
    } else if same_run || crowded {
        Some(Weakness::Repeated)
    } else if distinct <= 3 {
        Some(Weakness::FewDigits)
    } else if has_pattern(digits) {
        Some(Weakness::Pattern)
    } else {
        None
    }
}

fn has_pattern(digits: [u8; VoicePin::LEN]) -> bool {
    let palindrome = digits.iter().eq(digits.iter().rev());
    let first_step = steps(&digits).next();
    let arithmetic = steps(&digits).all(|step| Some(step) == first_step);
    let mut blocks = (0..=1).flat_map(|start| (start + 3..=4).map(move |other| (start, other)));
    let repeated =
        blocks.any(|(start, other)| digits[start..start + 3] == digits[other..other + 3]);
    palindrome || arithmetic || repeated
}

/// From digit to digit around the dial: after 9 comes 0, so that 8901 counts up and 2109 down.
fn steps(digits: &[u8]) -> impl Iterator<Item = u8> + '_ {
    digits.iter().zip(digits.iter().skip(1)).map(|(one, next)| (next + 10 - one) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p05_x21_what_guessers_try_first_is_weak_and_the_rest_is_not() {
        for weak in [
            "0000000", "1112234", "1234890", "9876012", "1231238", "8123123", "1234321", "1357924",
            "7654321", "4040404",
        ] {
            let pin = VoicePin::parse(weak).expect("a PIN");
            assert_eq!(is_weak(&pin), weak != "1357924", "{weak}");
        }
        for fair in ["9081726", "5028361", "7394615"] {
            assert!(!is_weak(&VoicePin::parse(fair).expect("a PIN")), "{fair}");
        }
    }

    #[test]
    fn x21_a_weak_pin_is_refused_with_its_reason() {
        for (pin, weakness) in [
            ("8345601", Weakness::Run),
            ("7109832", Weakness::Run),
            ("1112934", Weakness::Repeated),
            ("4040414", Weakness::Repeated),
            ("1331122", Weakness::FewDigits),
            ("1938391", Weakness::Pattern),
            ("2583258", Weakness::Pattern),
            ("0369258", Weakness::Pattern),
        ] {
            let pin_read = VoicePin::parse(pin).expect("a PIN");
            assert_eq!(super::weakness(&pin_read), Some(weakness), "{pin}");
        }
    }

    #[test]
    fn about_eight_in_a_hundred_are_weak() {
        let rejected = (0..10_000_000_u32).filter(|number| {
            let mut rest = *number;
            weak([0; 7].map(|_: u8| {
                let digit = u8::try_from(rest % 10).expect("a digit");
                rest /= 10;
                digit
            }))
            .is_some()
        });
        let rejected = rejected.count();
        assert_eq!(rejected, 794_020, "facts/caller-auth 3.3");
    }
}
