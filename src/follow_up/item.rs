//! Items: what goes out to other systems. No number, no answer, no secret: a receiver is a customer
//! id and a channel.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// What an item is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A document by post (C73, C75, C84, C85).
    Letter,
    /// A text message (C74).
    Sms,
    /// A word to the owner of an account (5.8).
    Notice,
    /// A bogus call, for the Security Advice and Support Centre (C02).
    BogusReport,
    /// Somebody poses as us, for the same.
    ImpersonationReport,
    /// An *Activity – Record* (C42).
    ActivityRecord,
    /// A change to one (C46).
    ActivityUpdate,
    /// The wait activity of a case at application stage (C76).
    WaitActivity,
    /// Closing a service request (C78).
    CloseRequest,
    /// Verified or Not Verified, for iam-manager and BOFE (B14, B16).
    Mark,
    /// How a call ended, and with whom (C15, C69).
    CallOutcome,
    /// A linked procedure begins (C09).
    Procedure,
    /// A job was opened.
    Task,
    /// A link by e-mail that proves an address or lets a PIN be chosen anew (P25, X18). Its payload
    /// names the link and the customer, and has neither the address nor what opens the link.
    Mail,
}

/// The final result of a check, as S3 calls it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Mark {
    /// The caller is the customer (B14).
    #[serde(rename = "Verified")]
    Verified,
    /// It could not be shown (B16).
    #[serde(rename = "Not Verified")]
    NotVerified,
}

/// An item to enqueue.
#[derive(Clone, Debug, PartialEq)]
pub struct NewItem {
    /// What it is.
    pub kind: ItemKind,
    /// The same thing is enqueued once: a second item with this key is none.
    pub key: String,
    /// What it says.
    pub payload: Value,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Letter,
        Self::Sms,
        Self::Notice,
        Self::BogusReport,
        Self::ImpersonationReport,
        Self::ActivityRecord,
        Self::ActivityUpdate,
        Self::WaitActivity,
        Self::CloseRequest,
        Self::Mark,
        Self::CallOutcome,
        Self::Procedure,
        Self::Task,
        Self::Mail,
    ];

    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Sms => "sms",
            Self::Notice => "notice",
            Self::BogusReport => "bogus_report",
            Self::ImpersonationReport => "impersonation_report",
            Self::ActivityRecord => "activity_record",
            Self::ActivityUpdate => "activity_update",
            Self::WaitActivity => "wait_activity",
            Self::CloseRequest => "close_request",
            Self::Mark => "mark",
            Self::CallOutcome => "call_outcome",
            Self::Procedure => "procedure",
            Self::Task => "task",
            Self::Mail => "mail",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl Mark {
    /// As it is shown and sent.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Verified => "Verified",
            Self::NotVerified => "Not Verified",
        }
    }

    /// The mark with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Verified, Self::NotVerified].into_iter().find(|mark| mark.label() == label)
    }
}

/// Free text of an agent, cut to a length, without anything that looks like a number or a code: what
/// a caller said may be half of somebody's secret.
#[must_use]
pub fn blotted(text: &str) -> String {
    const LEN_MAX: usize = 2_000;
    const DIGITS_SHOWN: usize = 3;
    let (mut shown, mut run) = (String::new(), String::new());
    let flush = |run: &mut String, shown: &mut String| {
        let many = run.chars().filter(char::is_ascii_digit).count() > DIGITS_SHOWN;
        let tail: String = run.chars().rev().take_while(|c| !c.is_ascii_digit()).collect();
        if many {
            shown.push('•');
            shown.extend(tail.chars().rev());
        } else {
            shown.push_str(run);
        }
        run.clear();
    };
    for letter in text.chars().filter(|c| !c.is_control() || *c == '\n').take(LEN_MAX) {
        let of_run = letter.is_ascii_digit() || (!run.is_empty() && " -/.+()".contains(letter));
        if !of_run {
            flush(&mut run, &mut shown);
        }
        if of_run { run.push(letter) } else { shown.push(letter) }
    }
    flush(&mut run, &mut shown);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c52_numbers_and_codes_in_free_text_are_blotted_out() {
        for (text, shown) in [
            ("rang twice, said 020 7946 0123 is his", "rang twice, said • is his"),
            ("keyed 90 81 7 26, then hung up", "keyed •, then hung up"),
            ("born 01/02/1980", "born •"),
            ("3 calls in 10 minutes", "3 calls in 10 minutes"),
            ("", ""),
        ] {
            assert_eq!(blotted(text), shown);
        }
        assert!(blotted(&"x".repeat(10_000)).len() <= 2_000);
    }

    #[test]
    fn words_come_back_as_kinds() {
        for kind in ItemKind::ALL {
            assert_eq!(ItemKind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(Mark::from_label("Not Verified"), Some(Mark::NotVerified));
    }
}
