//! Letters and messages: fixed words and fields that the system fills in; nobody types into them
//! (C84, C85).

use serde_json::Value;
use serde_json::json;

use crate::follow_up::job::JobId;
use crate::follow_up::rules::Rules;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;

/// Everything that may stand in a letter. There is no field for free text.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Whose address it goes to: the one held for the caller (C73).
    pub to: &'a CustomerId,
    /// The date.
    pub date: Timestamp,
    /// What to quote.
    pub reference: &'a str,
}

/// A document for the print service.
#[must_use]
pub fn letter(name: &str, rules: &Rules, fields: Fields<'_>) -> Value {
    json!({
        "document": name,
        "subject": rules.subject,
        "to": { "customer": fields.to, "channel": "post" },
        "fields": { "customer": fields.to, "date": day(fields.date), "reference": fields.reference },
        "text": text(&rules.subject, fields),
        "manual_intervention": false,
    })
}

/// A text message that reminds of a letter (C74).
#[must_use]
pub fn sms(fields: Fields<'_>) -> Value {
    json!({
        "to": { "customer": fields.to, "channel": "sms" },
        "fields": { "reference": fields.reference },
        "text": "We wrote to you about your security details. Please answer the letter: until then we \
                 cannot discuss your account by telephone.",
    })
}

/// Tells the owner of an account that it was blocked (5.8). Names nobody and no reason to worry about.
#[must_use]
pub fn blocked_notice(to: &CustomerId, at: Timestamp) -> Value {
    json!({
        "to": { "customer": to, "channel": "app_or_post" },
        "fields": { "date": day(at) },
        "text": "Somebody could not answer your security questions on the telephone, more than once. \
                 Telephone access to your account is closed until we have spoken to you. If this was \
                 not you, please tell us.",
    })
}

/// What is quoted about a job.
#[must_use]
pub fn reference(job: Option<JobId>, call: Option<&str>) -> String {
    match (job, call) {
        (Some(JobId(number)), _) => format!("S{number:06}"),
        (None, Some(call)) => call.to_owned(),
        (None, None) => String::new(),
    }
}

/// The date part of a time.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.rfc3339().get(..10).unwrap_or_default().to_owned()
}

fn text(subject: &str, fields: Fields<'_>) -> String {
    let (date, reference) = (day(fields.date), fields.reference);
    format!(
        "{date}\nOur reference: {reference}\n\n{subject}\n\nWe could not confirm your identity on the \
         telephone. Until your security details are up to date we cannot discuss your account by \
         telephone. Please contact us in writing, or ring the number on our earlier letters and quote \
         the reference above.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c84_c85_letters_are_made_of_system_fields_alone() {
        let to = "c-1".parse().expect("an id");
        let fields = Fields { to: &to, date: Timestamp(1_795_305_600_000), reference: "S000007" };
        let rules = Rules::default();
        for name in ["CMSL9800", "FT9800", "CMSL9801"] {
            let letter = letter(name, &rules, fields);
            assert_eq!(letter["document"], name);
            assert_eq!(letter["manual_intervention"], false);
            let filled: Vec<_> = letter["fields"].as_object().expect("fields").keys().collect();
            assert_eq!(filled, ["customer", "date", "reference"]);
            let again = super::letter(name, &rules, fields);
            assert_eq!(letter, again, "nothing but its fields decides about it");
        }
    }
}
