//! DECIDES what an administrator should know and do about a PIN (P18–P24). Pure: flags, dates, tries
//! and the fate of the last mail in, a situation with our advice out.
//!
//! ```text
//! No/No   no_initial · letter_to_print · letter_sent · initial_expired · initial_spent · reset_unused
//! Yes/No  address_refused · mail_not_taken · tried_before_link · link_not_followed
//! Yes/Yes enabled                          No/Yes  impossible
//! ```

use crate::model::time::Timestamp;

/// Wrong initial PINs that make one void (P15, X20): whoever has the letter needs one try.
pub const INITIAL_TRIES: u8 = 5;

/// What became of the last mail with a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mail {
    /// Not sent yet, or the mail server cannot be reached.
    Waiting,
    /// The mail server took it.
    Accepted,
    /// The mail server knows no such address.
    Refused,
}

/// What is known about a PIN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// The customer chose a PIN (first flag).
    pub initialized: bool,
    /// The address was proven (second flag).
    pub enabled: bool,
    /// Whether the account is blocked (C70).
    pub blocked: bool,
    /// Whether a hint is kept that may be told to this customer (X19).
    pub hint: bool,
    /// Whether an address is on file.
    pub email: bool,
    /// When the initial PIN was issued.
    pub issued: Option<Timestamp>,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// When its letter was printed.
    pub printed: Option<Timestamp>,
    /// Registrations tried with a wrong one.
    pub initial_tries: u8,
    /// When the PIN was reset last.
    pub reset: Option<Timestamp>,
    /// When somebody used the PIN before the link (P22).
    pub tried_early: Option<Timestamp>,
    /// The fate of the last mail; `None`: there was none.
    pub mail: Option<Mail>,
}

/// Where a PIN stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Code {
    /// No/No, and nothing was ever issued.
    NoInitial,
    /// No/No: the letter is not printed yet.
    LetterToPrint,
    /// No/No: the letter is out.
    LetterSent,
    /// No/No: the initial PIN is too old.
    InitialExpired,
    /// No/No: it was tried too often.
    InitialSpent,
    /// No/No: reset, the new letter is out, and nobody registered (or the old PIN is still tried).
    ResetUnused,
    /// Yes/No: the address is mistyped (P22).
    AddressRefused,
    /// Yes/No: the mail is still with us (P22, P23).
    MailNotTaken,
    /// Yes/No: the mail arrived as far as we know, and its link was not followed (P22).
    LinkNotFollowed,
    /// Yes/No: the link was passed over, and the PIN tried at once (P22).
    TriedBeforeLink,
    /// Yes/Yes.
    Enabled,
    /// No/Yes: cannot be (P21).
    Impossible,
}

/// What may be done about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The PIN is void, a new initial PIN goes out by letter (P14).
    Reset,
    /// A first initial PIN.
    Generate,
    /// Another mail with another link.
    Resend,
    /// Lift the block.
    Unblock,
    /// Tell the hint (X19).
    Hint,
}

/// A situation with what to say and do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Situation {
    /// Which.
    pub code: Code,
    /// In a few words.
    pub title: &'static str,
    /// What to do, in a sentence or two.
    pub recommendation: &'static str,
    /// What is offered, the best first.
    pub actions: Vec<Action>,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NoInitial,
        Self::LetterToPrint,
        Self::LetterSent,
        Self::InitialExpired,
        Self::InitialSpent,
        Self::ResetUnused,
        Self::AddressRefused,
        Self::MailNotTaken,
        Self::LinkNotFollowed,
        Self::TriedBeforeLink,
        Self::Enabled,
        Self::Impossible,
    ];

    /// Where this PIN stands at this time.
    #[must_use]
    pub fn of(seen: &Seen, now: Timestamp) -> Self {
        match (seen.initialized, seen.enabled) {
            (true, true) => Self::Enabled,
            (false, true) => Self::Impossible,
            (true, false) => match seen.mail {
                Some(Mail::Refused) => Self::AddressRefused,
                None | Some(Mail::Waiting) => Self::MailNotTaken,
                Some(Mail::Accepted) if seen.tried_early.is_some() => Self::TriedBeforeLink,
                Some(Mail::Accepted) => Self::LinkNotFollowed,
            },
            (false, false) if seen.issued.is_none() => Self::NoInitial,
            (false, false) if seen.initial_tries >= INITIAL_TRIES => Self::InitialSpent,
            (false, false) if seen.expires.is_none_or(|until| until <= now) => Self::InitialExpired,
            (false, false) if seen.printed.is_none() => Self::LetterToPrint,
            (false, false) if seen.reset.is_some() => Self::ResetUnused,
            (false, false) => Self::LetterSent,
        }
    }

    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoInitial => "no_initial",
            Self::LetterToPrint => "letter_to_print",
            Self::LetterSent => "letter_sent",
            Self::InitialExpired => "initial_expired",
            Self::InitialSpent => "initial_spent",
            Self::ResetUnused => "reset_unused",
            Self::AddressRefused => "address_refused",
            Self::MailNotTaken => "mail_not_taken",
            Self::LinkNotFollowed => "link_not_followed",
            Self::TriedBeforeLink => "tried_before_link",
            Self::Enabled => "enabled",
            Self::Impossible => "impossible",
        }
    }

    /// The pair of flags it stands for, Initialized before Enabled.
    #[must_use]
    pub const fn flags(self) -> &'static str {
        match self {
            Self::NoInitial
            | Self::LetterToPrint
            | Self::LetterSent
            | Self::InitialExpired
            | Self::InitialSpent
            | Self::ResetUnused => "No/No",
            Self::AddressRefused
            | Self::MailNotTaken
            | Self::LinkNotFollowed
            | Self::TriedBeforeLink => "Yes/No",
            Self::Enabled => "Yes/Yes",
            Self::Impossible => "No/Yes",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NoInitial => "No initial PIN yet",
            Self::LetterToPrint => "The letter waits to be printed",
            Self::LetterSent => "The letter is out",
            Self::InitialExpired => "The initial PIN is too old",
            Self::InitialSpent => "The initial PIN was tried too often",
            Self::ResetUnused => "Reset, and not registered again",
            Self::AddressRefused => "The e-mail address does not exist",
            Self::MailNotTaken => "The mail has not left yet",
            Self::LinkNotFollowed => "The link was not followed",
            Self::TriedBeforeLink => "The PIN was used before the link",
            Self::Enabled => "Registered and enabled",
            Self::Impossible => "Enabled without a PIN: this cannot be",
        }
    }

    const fn recommendation(self) -> &'static str {
        match self {
            Self::NoInitial => {
                "Generate an initial PIN. It goes out by letter, and the customer chooses a PIN of their own with it."
            }
            Self::LetterToPrint => {
                "Nothing is to be done here: have the waiting letters printed. Nobody of us can read the PIN in it."
            }
            Self::LetterSent => {
                "Ask the customer to register with the PIN in the letter. It opens the registration only, no call. If the letter is lost, reset."
            }
            Self::InitialExpired => "Reset: a new initial PIN goes out by letter.",
            Self::InitialSpent => {
                "Somebody tried wrong PINs at the registration. Ask the customer whether it was them, then reset: a new initial PIN goes out by letter."
            }
            Self::ResetUnused => {
                "The PIN from before the reset is void and stays so. Ask the customer to register again with the PIN in the newest letter; if it is lost, reset once more."
            }
            Self::AddressRefused => {
                "The mail server knows no such address; it is probably mistyped. Ask for the right one and change it in the customer record: that resets the PIN, and a letter goes out."
            }
            Self::MailNotTaken => {
                "Our mail server did not take the mail yet. If many accounts stand here, tell the webmaster; if it is this one alone, resend."
            }
            Self::LinkNotFollowed => {
                "Ask the customer to look for our mail, in the spam folder too, and to open its link. If it is gone or too old, resend."
            }
            Self::TriedBeforeLink => {
                "The PIN is right or wrong, but it does not count yet: the customer has to open the link in our mail first. If the mail is gone, resend."
            }
            Self::Enabled => {
                "Nothing is wrong with the account. If the customer forgot the PIN, have them use the page for that, or reset. A web PIN is case sensitive: have Caps Lock checked."
            }
            Self::Impossible => {
                "Reset. If a second account stands like this, tell your vendor: a record was changed from outside."
            }
        }
    }
}

impl Action {
    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Generate => "generate",
            Self::Resend => "resend",
            Self::Unblock => "unblock",
            Self::Hint => "hint",
        }
    }
}

impl Situation {
    /// What to say and do about a PIN at this time.
    #[must_use]
    pub fn of(seen: &Seen, now: Timestamp) -> Self {
        let code = Code::of(seen, now);
        let mut actions = match code {
            Code::NoInitial => vec![Action::Generate],
            Code::LetterToPrint => vec![],
            Code::MailNotTaken | Code::LinkNotFollowed | Code::TriedBeforeLink if seen.email => {
                vec![Action::Resend, Action::Reset]
            }
            Code::LetterSent
            | Code::InitialExpired
            | Code::InitialSpent
            | Code::ResetUnused
            | Code::AddressRefused
            | Code::MailNotTaken
            | Code::LinkNotFollowed
            | Code::TriedBeforeLink
            | Code::Enabled
            | Code::Impossible => vec![Action::Reset],
        };
        if seen.hint && code == Code::Enabled {
            actions.insert(0, Action::Hint);
        }
        if seen.blocked {
            actions.insert(0, Action::Unblock);
        }
        Self { code, title: code.title(), recommendation: code.recommendation(), actions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOW: Timestamp = Timestamp(20 * 86_400_000);

    fn issued() -> Seen {
        let (issued, expires) = (Timestamp(NOW.0 - 1), Timestamp(NOW.0 + 1));
        Seen { issued: Some(issued), expires: Some(expires), email: true, ..Seen::default() }
    }

    fn registered(mail: Option<Mail>) -> Seen {
        Seen { initialized: true, mail, email: true, ..Seen::default() }
    }

    fn code(seen: Seen) -> &'static str {
        Situation::of(&seen, NOW).code.word()
    }

    #[test]
    fn p18_no_no_is_told_apart_by_what_became_of_the_initial_pin() {
        let printed = Seen { printed: Some(NOW), ..issued() };
        for (seen, expected) in [
            (Seen::default(), "no_initial"),
            (issued(), "letter_to_print"),
            (printed, "letter_sent"),
            (Seen { expires: Some(NOW), ..printed }, "initial_expired"),
            (Seen { initial_tries: 5, ..printed }, "initial_spent"),
            (Seen { initial_tries: 4, ..printed }, "letter_sent"),
            (Seen { reset: Some(NOW), ..printed }, "reset_unused"),
            (Seen { reset: Some(NOW), ..issued() }, "letter_to_print"),
            (Seen { reset: Some(NOW), ..Seen::default() }, "no_initial"),
        ] {
            assert_eq!(code(seen), expected, "{seen:?}");
            assert_eq!(Code::of(&seen, NOW).flags(), "No/No");
        }
    }

    #[test]
    fn p19_p22_the_causes_of_a_stuck_activation_are_told_apart() {
        let early = Seen { tried_early: Some(NOW), ..registered(Some(Mail::Accepted)) };
        for (seen, expected, first) in [
            (registered(Some(Mail::Refused)), "address_refused", Action::Reset),
            (registered(Some(Mail::Waiting)), "mail_not_taken", Action::Resend),
            (registered(Some(Mail::Accepted)), "link_not_followed", Action::Resend),
            (early, "tried_before_link", Action::Resend),
            (Seen { mail: Some(Mail::Waiting), ..early }, "mail_not_taken", Action::Resend),
            (Seen { mail: Some(Mail::Refused), ..early }, "address_refused", Action::Reset),
            (Seen { email: false, ..early }, "tried_before_link", Action::Reset),
        ] {
            let situation = Situation::of(&seen, NOW);
            assert_eq!(situation.code.word(), expected, "{seen:?}");
            assert_eq!(situation.actions.first(), Some(&first), "{seen:?}");
            assert_eq!(situation.code.flags(), "Yes/No");
        }
    }

    #[test]
    fn p20_enabled_offers_the_hint_only_where_it_may_be_told() {
        let enabled = Seen { initialized: true, enabled: true, ..Seen::default() };
        let situation = Situation::of(&enabled, NOW);
        assert_eq!((situation.code.word(), situation.code.flags()), ("enabled", "Yes/Yes"));
        assert_eq!(situation.actions, [Action::Reset]);
        assert!(situation.recommendation.contains("case sensitive"), "p20 for the web PIN alone");
        let hinted = Situation::of(&Seen { hint: true, ..enabled }, NOW);
        assert_eq!(hinted.actions, [Action::Hint, Action::Reset]);
    }

    #[test]
    fn p21_p24_no_yes_asks_for_a_reset_and_for_the_vendor() {
        let situation = Situation::of(&Seen { enabled: true, ..issued() }, NOW);
        assert_eq!((situation.code.word(), situation.code.flags()), ("impossible", "No/Yes"));
        assert_eq!(situation.actions, [Action::Reset]);
        assert!(situation.recommendation.contains("vendor"));
    }

    #[test]
    fn p26_x21_no_advice_suggests_a_pin_or_a_hint_to_anybody() {
        for code in Code::ALL {
            let advice = code.recommendation().to_lowercase();
            assert!(!advice.contains("memorable") && !advice.contains("pet"), "{}", code.word());
        }
    }

    #[test]
    fn every_code_has_words_of_its_own() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        let titles: BTreeSet<_> = Code::ALL.iter().map(|code| code.title()).collect();
        assert_eq!((words.len(), titles.len()), (Code::ALL.len(), Code::ALL.len()));
    }

    #[test]
    fn a_block_can_be_lifted_whatever_the_flags() {
        for seen in [Seen::default(), issued(), registered(None)] {
            let blocked = Situation::of(&Seen { blocked: true, ..seen }, NOW);
            assert_eq!(blocked.actions.first(), Some(&Action::Unblock));
        }
    }
}
