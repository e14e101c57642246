//! What may be told to an agent about a customer (C26–C32). What may not be told has no field here, so
//! that no route, frame or log can ever hold it: date of birth, National Insurance number, e-mail, address,
//! appointees.

use std::fmt;

use serde::Serialize;
use serde::Serializer;

use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::number::PhoneNumber;

/// The last four digits of a number, and nothing else of it (C28, C29). Serialised as `••••1234`.
///
/// There is no way back to the whole number, and none to the digits beside serialising them:
///
/// ```compile_fail
/// # use countersign::model::disclosure::LastFour;
/// fn digits(shown: &LastFour) -> [u8; 4] { shown.0 }
/// ```
///
/// ```compile_fail
/// # use countersign::model::disclosure::LastFour;
/// fn text(shown: &LastFour) -> String { shown.to_string() }
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct LastFour([u8; 4]);

/// The fact that holds a customer's bank or building society account.
pub const BANK: &str = "bank_last4";

impl LastFour {
    /// The end of a telephone number.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Option<Self> {
        Self::of(number.as_e164())
    }

    /// The end of a secret, for example of an account number. `None` when it has fewer than four digits.
    #[must_use]
    pub fn of_secret(secret: &SecretText) -> Option<Self> {
        Self::of(secret.expose())
    }

    fn of(text: &str) -> Option<Self> {
        let mut digits = text.bytes().rev().filter(u8::is_ascii_digit);
        let (d, c, b, a) = (digits.next()?, digits.next()?, digits.next()?, digits.next()?);
        Some(Self([a, b, c, d]))
    }
}

impl fmt::Debug for LastFour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastFour(••••)")
    }
}

impl Serialize for LastFour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [a, b, c, d] = self.0.map(char::from);
        serializer.collect_str(&format_args!("••••{a}{b}{c}{d}"))
    }
}

/// A customer as an agent may see one once the call has passed (C01).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerDisclosed {
    /// Identity (the SCIN where there is one).
    pub id: CustomerId,
    /// Name.
    pub name: String,
    /// Client or representative.
    pub role: Role,
    /// Flags, for example `additional_security_used`.
    pub flags: Vec<String>,
    /// Whom a representative speaks for.
    pub represents: Vec<CustomerId>,
    /// The end of the first number on file (C29).
    pub telephone: Option<LastFour>,
    /// The end of the bank account (C28); only when it was asked for, because from then on it is no
    /// question any more (X08).
    pub bank: Option<LastFour>,
}

impl CustomerDisclosed {
    /// What may be told about this customer; the bank account only `with_bank`.
    #[must_use]
    pub fn of(customer: &Customer, with_bank: bool) -> Self {
        let number = customer.numbers.first();
        Self {
            id: customer.id.clone(),
            name: customer.name.clone(),
            role: customer.role,
            flags: customer.flags.clone(),
            represents: customer.represents.clone(),
            telephone: number.and_then(|on_file| LastFour::of_number(&on_file.number)),
            bank: bank(customer).filter(|_| with_bank),
        }
    }
}

/// Whether there is a bank account on file that can be told.
#[must_use]
pub fn has_bank(customer: &Customer) -> bool {
    bank(customer).is_some()
}

fn bank(customer: &Customer) -> Option<LastFour> {
    let key: FactKey = BANK.parse().ok()?;
    customer.facts.get(&key).and_then(LastFour::of_secret)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::customer::NumberOnFile;

    /// A record in which everything is filled in.
    fn full() -> Customer {
        let facts = [
            ("date_of_birth", "1971-02-03"),
            ("qc_date_of_birth", "2011-06-07"),
            ("nino", "QQ123456C"),
            ("postcode", "ZZ1 1ZZ"),
            ("address", "1 Example Street"),
            ("appointee", "Appointee One"),
            ("place_of_birth", "Ghent"),
            (BANK, "60161331926819"),
        ];
        let secret = |text: &str| SecretText::new(text.into());
        Customer {
            id: "c-1".parse().unwrap(),
            keypad_id: Some("100001".into()),
            name: "Customer One".into(),
            role: Role::Representative,
            represents: vec!["c-2".parse().unwrap()],
            numbers: vec![NumberOnFile { number: "+442079460123".parse().unwrap(), since: None }],
            email: Some(secret("one@example.org")),
            language: Some("en".into()),
            flags: vec!["additional_security_used".into()],
            facts: BTreeMap::from(facts.map(|(key, text)| (key.parse().unwrap(), secret(text)))),
        }
    }

    /// Everything that can ever be sent of the full record.
    fn sent() -> String {
        serde_json::to_string(&CustomerDisclosed::of(&full(), true)).unwrap()
    }

    #[test]
    fn c26_c27_c30_c31_c32_what_is_never_disclosed_has_no_field() {
        let sent: serde_json::Value = serde_json::from_str(&sent()).unwrap();
        let fields: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["bank", "flags", "id", "name", "represents", "role", "telephone"]);
    }

    #[test]
    fn c26_no_date_of_birth_is_sent() {
        assert!(!sent().contains("1971") && !sent().contains("2011"), "{}", sent());
    }

    #[test]
    fn c27_no_national_insurance_number_is_sent() {
        assert!(!sent().contains("QQ12") && !sent().contains("3456"), "{}", sent());
    }

    #[test]
    fn c28_of_a_bank_account_the_last_four_digits_are_sent_when_asked_for() {
        let told = |with_bank| {
            serde_json::to_value(CustomerDisclosed::of(&full(), with_bank)).unwrap()["bank"].clone()
        };
        assert_eq!((told(true), told(false)), ("••••6819".into(), serde_json::Value::Null));
        assert!(!sent().contains("26819"));
    }

    #[test]
    fn c29_of_a_telephone_number_the_last_four_digits_are_sent() {
        assert!(sent().contains(r#""telephone":"••••0123""#) && !sent().contains("60123"));
    }

    #[test]
    fn c30_no_email_address_is_sent() {
        assert!(!sent().contains('@'), "{}", sent());
    }

    #[test]
    fn c31_x09_no_address_and_no_postcode_is_sent() {
        assert!(!sent().contains("Street") && !sent().contains("ZZ1"), "{}", sent());
    }

    #[test]
    fn c32_no_appointee_is_sent() {
        assert!(!sent().contains("Appointee"), "{}", sent());
    }

    #[test]
    fn c28_c29_the_type_holds_four_digits_and_prints_none() {
        assert_eq!(size_of::<LastFour>(), 4, "there is no room for a fifth");
        let shown = LastFour::of("60-16-13 31926819").unwrap();
        assert_eq!(serde_json::to_string(&shown).unwrap(), r#""••••6819""#);
        assert_eq!(format!("{shown:?}"), "LastFour(••••)");
        let customer = format!("{:?}", CustomerDisclosed::of(&full(), true));
        assert!(!customer.contains("6819") && !customer.contains("0123"), "{customer}");
        for short in ["", "123", "abc", "1 2 x 3"] {
            assert_eq!(LastFour::of(short), None, "{short}");
        }
    }
}
