//! Employers (C08): no proof, no check of a customer, two ticks.

/// What the agent confirms with an employer before going on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
}
