//! Customers and what is on file about them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::ids::FactKey;
use crate::model::number::PhoneNumber;
use crate::model::time::Timestamp;

/// The part a customer plays in a case (C06, C11).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Calls on their own account.
    #[default]
    Client,
    /// Calls for others, with an id, PIN and password of their own.
    Representative,
}

/// A number on file. It counts as evidence only after thirty days (facts/caller-auth §4.3).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NumberOnFile {
    /// The number.
    pub number: PhoneNumber,
    /// Since when; `None` for an undated first import, which counts as old.
    pub since: Option<Timestamp>,
}

/// One customer record. Answers and personal data are secret texts; secrets to verify live elsewhere.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Identity.
    pub id: CustomerId,
    /// Digits a caller can key to identify (1 to 16).
    pub keypad_id: Option<String>,
    /// Name for the screen-pop.
    pub name: String,
    /// Client or representative.
    pub role: Role,
    /// Whom a representative speaks for.
    pub represents: Vec<CustomerId>,
    /// Telephone numbers.
    pub numbers: Vec<NumberOnFile>,
    /// E-mail address, for letters and links only (C30).
    pub email: Option<SecretText>,
    /// BCP 47 language tag of prompts.
    pub language: Option<String>,
    /// Free flags, for example `additional_security_used`.
    pub flags: Vec<String>,
    /// Answers to security questions.
    pub facts: BTreeMap<FactKey, SecretText>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_a_customer_prints_no_answer_and_no_address() {
        let customer = Customer {
            id: "c-1".parse().expect("an id"),
            keypad_id: None,
            name: "Customer One".into(),
            role: Role::Client,
            represents: vec![],
            numbers: vec![],
            email: Some(SecretText::new("one@example.org".into())),
            language: None,
            flags: vec![],
            facts: BTreeMap::from([(
                "place_of_birth".parse().expect("a key"),
                SecretText::new("Ghent".into()),
            )]),
        };
        let shown = format!("{customer:?}");
        assert!(!shown.contains("Ghent") && !shown.contains("example.org"), "{shown}");
    }
}
