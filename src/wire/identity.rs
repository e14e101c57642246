//! Who a bearer token says its holder is (contract §3).

use crate::call::request::Asker;
use crate::model::ids::AgentId;
use crate::model::ids::QueueName;
use crate::model::time::Timestamp;

/// A role of a token.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TokenRole {
    /// Takes calls.
    Agent,
    /// Watches all calls.
    Supervisor,
    /// Maintains PINs.
    PinAdmin,
    /// A telephony platform that sends events.
    Platform,
    /// The customers' app.
    App,
    /// Runs the daemon.
    Admin,
    /// Looks after mail: sees PIN files and stuck activations, sends links again (P29).
    Webmaster,
    /// Answers customers: sees PIN files, sends links again (P29).
    Support,
}

impl TokenRole {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::Agent,
        Self::Supervisor,
        Self::PinAdmin,
        Self::Platform,
        Self::App,
        Self::Admin,
        Self::Webmaster,
        Self::Support,
    ];

    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::PinAdmin => "pin_admin",
            Self::Platform => "platform",
            Self::App => "app",
            Self::Admin => "admin",
            Self::Webmaster => "webmaster",
            Self::Support => "support",
        }
    }

    /// The role of this word; words of other systems are no roles here.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// The claims of a token that was found good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// `sub`.
    pub agent: AgentId,
    /// `name`, for screens.
    pub name: Option<String>,
    /// `roles`, without words that are none.
    pub roles: Vec<TokenRole>,
    /// `queues`; none listed means all.
    pub queues: Vec<QueueName>,
    /// `groups`: the teams a profile may speak of (C50).
    pub groups: Vec<String>,
    /// `exp`.
    pub expires_at: Timestamp,
}

impl Identity {
    /// Whether the token carries this role.
    #[must_use]
    pub fn is(&self, role: TokenRole) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it may open a desktop at all.
    #[must_use]
    pub fn has_desktop(&self) -> bool {
        self.is(TokenRole::Agent) || self.is(TokenRole::Supervisor)
    }

    /// The one who asks something of a call.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker {
            agent: self.agent.clone(),
            supervisor: self.is(TokenRole::Supervisor),
            groups: self.groups.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_from_its_word_and_others_are_none() {
        for role in TokenRole::ALL {
            assert_eq!(TokenRole::from_word(role.word()), Some(role));
        }
        assert_eq!(TokenRole::from_word("root"), None);
    }
}
