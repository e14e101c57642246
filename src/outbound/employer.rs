//! Employers (C08, X28): no proof, no check of a customer, two ticks.

use serde::Serialize;

use crate::model::call_kind::Direction;

/// What the agent confirms with an employer before going on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tick {
    /// It is the organisation we meant to ring.
    Organisation,
    /// It is its payroll department.
    Payroll,
}

impl Tick {
    /// Both, in the order they are asked.
    pub const ALL: [Self; 2] = [Self::Organisation, Self::Payroll];

    /// The key of the question on the agent's panel.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Payroll => "payroll",
        }
    }

    /// What the agent asks.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Organisation => "Which organisation have I reached?",
            Self::Payroll => "Is this the payroll department?",
        }
    }

    /// The tick with this key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tick| tick.key() == key)
    }
}

/// The two ticks of a call to an employer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Employer {
    organisation: Option<bool>,
    payroll: Option<bool>,
}

impl Employer {
    /// The agent's mark; the last one counts.
    pub fn mark(&mut self, tick: Tick, correct: bool) {
        match tick {
            Tick::Organisation => self.organisation = Some(correct),
            Tick::Payroll => self.payroll = Some(correct),
        }
    }

    /// What was marked.
    #[must_use]
    pub const fn marked(self, tick: Tick) -> Option<bool> {
        match tick {
            Tick::Organisation => self.organisation,
            Tick::Payroll => self.payroll,
        }
    }

    /// Both are confirmed: the call goes on without a check.
    #[must_use]
    pub fn may_continue(self) -> bool {
        self.organisation == Some(true) && self.payroll == Some(true)
    }

    /// One is denied: this is not whom we meant to ring.
    #[must_use]
    pub fn wrong_party(self) -> bool {
        self.organisation == Some(false) || self.payroll == Some(false)
    }
}

/// How an employer is dealt with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// We rang them: two ticks, then on.
    ConfirmPayroll,
    /// They rang us: a third party, who is told no client data (X28, C16).
    ThirdParty,
}

/// The route of an employer on a call of this direction.
#[must_use]
pub const fn route(direction: Direction) -> Route {
    match direction {
        Direction::Outbound => Route::ConfirmPayroll,
        Direction::Inbound => Route::ThirdParty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c08_an_employer_needs_both_ticks_before_the_call_goes_on() {
        for (organisation, payroll, goes_on, wrong) in [
            (None, None, false, false),
            (Some(true), None, false, false),
            (None, Some(true), false, false),
            (Some(true), Some(false), false, true),
            (Some(false), Some(true), false, true),
            (Some(true), Some(true), true, false),
        ] {
            let mut employer = Employer::default();
            for (tick, marked) in Tick::ALL.into_iter().zip([organisation, payroll]) {
                if let Some(correct) = marked {
                    employer.mark(tick, correct);
                }
            }
            assert_eq!(employer.may_continue(), goes_on, "{employer:?}");
            assert_eq!(employer.wrong_party(), wrong, "{employer:?}");
        }
        assert_eq!(Tick::from_key("payroll"), Some(Tick::Payroll));
        assert_eq!(Tick::from_key("salary"), None);
    }

    #[test]
    fn x28_an_employer_who_rings_us_is_a_third_party() {
        assert_eq!(route(Direction::Inbound), Route::ThirdParty);
        assert_eq!(route(Direction::Outbound), Route::ConfirmPayroll);
    }
}
