//! What administrators see of a PIN (P10): flags, situation, dates, counters; never a PIN, never the
//! hint, and the address only as a mask.

use serde::Serialize;
use serde_json::Value;

use crate::account::Account;
use crate::account::Standing;
use crate::account::situation::Action;
use crate::account::situation::Mail;
use crate::account::situation::Seen;
use crate::account::situation::Situation;
use crate::maintenance::desk::Rules;
use crate::model::customer::Customer;
use crate::model::email;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::audit::Chained;
use crate::records::pins::MailOutcome;
use crate::records::pins::PinFile;

/// The PIN file of one account as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Whose.
    pub customer: ShownCustomer,
    /// The kinds that are chosen: `voice_pin`, `web_pin` (X17).
    pub credentials: Vec<&'static str>,
    /// The pair of flags.
    pub flags: Flags,
    /// What it means, and what to do.
    pub situation: ShownSituation,
    /// `open`, `blocked` or `reset_required`.
    pub standing: Standing,
    /// When what happened.
    pub dates: Dates,
    /// What was counted.
    pub counters: Counters,
    /// Whether there is a hint; never the hint itself.
    pub hint: Hint,
    /// An unblock that waits.
    pub unblock: Unblock,
    /// The newest audit lines of the customer, the newest first.
    pub history: Vec<Line>,
    /// Whether the history could be read.
    pub history_read: bool,
}

/// Whose PIN file it is.
#[derive(Clone, Debug, Serialize)]
pub struct ShownCustomer {
    id: CustomerId,
    name: String,
    language: Option<String>,
    email: Option<String>,
}

/// Initialized and Enabled.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Flags {
    initialized: bool,
    enabled: bool,
}

/// A situation in words.
#[derive(Clone, Debug, Serialize)]
pub struct ShownSituation {
    code: &'static str,
    flags: &'static str,
    title: &'static str,
    recommendation: &'static str,
    /// What is offered; whoever may not do it is not shown it.
    pub actions: Vec<&'static str>,
}

/// RFC 3339, or nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Dates {
    issued: Option<String>,
    expires: Option<String>,
    printed: Option<String>,
    registered: Option<String>,
    mailed: Option<String>,
    activated: Option<String>,
    reset: Option<String>,
}

/// What is counted on an account.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counters {
    failed_calls: u8,
    wrong_entries: u8,
    initial_tries: u8,
    abandoned: usize,
}

/// The state of the hint.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Hint {
    set: bool,
    may_be_told: bool,
}

/// The state of an unblock.
#[derive(Clone, Debug, Serialize)]
pub struct Unblock {
    second_person: bool,
    asked_by: Option<String>,
    asked_at: Option<String>,
}

/// A line of the history.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    at: String,
    actor: String,
    what: String,
    detail: Value,
}

/// What is read to show a PIN file.
pub(super) struct Read {
    pub(super) customer: Customer,
    pub(super) account: Account,
    pub(super) file: PinFile,
}

impl Read {
    /// X19: a hint may be told where voice hints are on, or where it stands for a web PIN; to somebody
    /// whose address or call was verified, which is for the one who tells it to say.
    pub(super) fn hint_may_be_told(&self, rules: &Rules) -> bool {
        let kept = self.file.hint.is_some() && self.account.has_pin();
        kept && (rules.voice_hints || self.file.has_web_pin)
    }

    fn seen(&self, rules: &Rules) -> Seen {
        let (account, file) = (&self.account, &self.file);
        Seen {
            initialized: account.initialized,
            enabled: account.enabled,
            blocked: account.blocked,
            hint: self.hint_may_be_told(rules),
            email: self.customer.email.is_some(),
            issued: file.issued,
            expires: file.expires,
            printed: file.printed,
            initial_tries: file.initial_tries,
            reset: file.reset,
            tried_early: file.tried_early,
            mail: file.link.as_ref().map(|link| match link.mail {
                MailOutcome::Waiting => Mail::Waiting,
                MailOutcome::Accepted => Mail::Accepted,
                MailOutcome::Refused => Mail::Refused,
            }),
        }
    }

    pub(super) fn situation(&self, rules: &Rules, now: Timestamp) -> ShownSituation {
        let Situation { code, title, recommendation, actions } =
            Situation::of(&self.seen(rules), now);
        let actions = actions.into_iter().map(Action::word).collect();
        ShownSituation { code: code.word(), flags: code.flags(), title, recommendation, actions }
    }

    pub(super) fn shown(self, history: Option<&[Chained]>, rules: &Rules, now: Timestamp) -> Shown {
        let situation = self.situation(rules, now);
        let may_be_told = self.hint_may_be_told(rules);
        let Self { customer, account, file } = self;
        let kinds = [
            (account.pin_version > 0 && account.initialized, "voice_pin"),
            (file.has_web_pin, "web_pin"),
        ];
        let mailed = file.link.as_ref().filter(|link| link.mail == MailOutcome::Accepted);
        let (asked_by, asked_at) = file.unblock_asked.unzip();
        Shown {
            customer: ShownCustomer {
                id: customer.id,
                name: customer.name,
                language: customer.language,
                email: customer.email.as_ref().map(email::masked),
            },
            credentials: kinds.into_iter().filter(|(has, _)| *has).map(|(_, kind)| kind).collect(),
            flags: Flags { initialized: account.initialized, enabled: account.enabled },
            situation,
            standing: account.standing(),
            dates: Dates {
                issued: written(file.issued),
                expires: written(file.expires),
                printed: written(file.printed),
                registered: written(file.registered),
                mailed: written(mailed.and_then(|link| link.mail_at)),
                activated: written(file.activated),
                reset: written(file.reset),
            },
            counters: Counters {
                failed_calls: account.failed_calls,
                wrong_entries: account.pin_wrong_streak,
                initial_tries: file.initial_tries,
                abandoned: account.abandoned.len(),
            },
            hint: Hint { set: file.hint.is_some(), may_be_told },
            unblock: Unblock {
                second_person: rules.second_person,
                asked_by,
                asked_at: written(asked_at),
            },
            history_read: history.is_some(),
            history: history.unwrap_or_default().iter().map(line).collect(),
        }
    }
}

fn line(chained: &Chained) -> Line {
    let entry = &chained.entry;
    Line {
        at: entry.at.rfc3339(),
        actor: entry.actor.clone(),
        what: entry.what.clone(),
        detail: entry.body.clone(),
    }
}

fn written(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}
