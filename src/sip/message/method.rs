//! Request methods.

use std::fmt;

use crate::sip::message::text;

/// The method of a request. Case matters: `invite` is not INVITE (RFC 3261, section 7.1).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Info,
    Update,
    Refer,
    Notify,
    Prack,
    Register,
    Subscribe,
    Message,
    Publish,
    /// A method we do not know; a token if it was parsed.
    Other(String),
}

impl Method {
    /// The methods with a name of their own.
    const KNOWN: [Self; 14] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Options,
        Self::Info,
        Self::Update,
        Self::Refer,
        Self::Notify,
        Self::Prack,
        Self::Register,
        Self::Subscribe,
        Self::Message,
        Self::Publish,
    ];

    /// Reads a method; `None` if the text is no token.
    pub fn parse(text: &str) -> Option<Self> {
        if !text::is_token(text) {
            return None;
        }
        let known = Self::KNOWN.into_iter().find(|method| method.as_str() == text);
        Some(known.unwrap_or_else(|| Self::Other(text.to_owned())))
    }

    /// The method as it stands in the request line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Prack => "PRACK",
            Self::Register => "REGISTER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn every_known_method_reads_back_as_itself() {
        for method in Method::KNOWN {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
    }

    #[test]
    fn sip_9_lower_case_invite_is_not_invite() {
        assert_eq!(Method::parse("invite"), Some(Method::Other("invite".to_owned())));
        assert_eq!(Method::parse("FOO"), Some(Method::Other("FOO".to_owned())));
        assert_eq!(Method::parse("IN VITE"), None);
        assert_eq!(Method::parse(""), None);
    }
}
