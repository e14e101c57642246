//! Desktops: the hub (who sees what, newest states), the socket (the door), the conversation (I/O),
//! the session (decides).

pub mod audience;
mod board;
mod conversation;
pub mod hub;
pub mod session;
pub mod socket;

use async_trait::async_trait;

use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::wire::identity::Identity;

/// Carries out what desktops ask of calls.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// One request about the call with this id, ours or the platform's.
    async fn request(&self, asker: Asker, call: &str, request: Request) -> Result<(), Refusal>;
}

/// Says whose token this is.
#[async_trait]
pub trait Doorkeeper: Send + Sync + 'static {
    /// Checks a bearer token now.
    async fn admit(&self, token: &str) -> Result<Identity, Denied>;
}

/// Why nobody is let in. Holds nothing of the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denied {
    /// There is none.
    #[error("there is no bearer token")]
    Missing,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not a token of ours: signature, algorithm, key, issuer, audience or claims.
    #[error("the token is not valid here")]
    NotValid,
    /// The keys to check it with cannot be fetched.
    #[error("the keys to check the token with cannot be reached")]
    Unavailable,
}

#[cfg(test)]
pub(crate) mod fixture {
    use crate::call::facts::QuestionKind;
    use crate::call::view::CallView;
    use crate::call::view::QuestionView;
    use crate::call::view::QuestionsView;
    use crate::model::auth::Authentication;
    use crate::model::time::Timestamp;
    use crate::wire::identity::Identity;
    use crate::wire::identity::TokenRole;

    /// A call in the queue `general`, with an answer that only its agent may see.
    pub(crate) fn call(id: &str, version: u64, agent: Option<&str>) -> CallView {
        CallView {
            id: id.parse().unwrap(),
            platform: "sip".into(),
            platform_call_id: format!("{id}@trunk").parse().unwrap(),
            version,
            direction: "inbound",
            started_at: "2026-01-01T00:00:00.000Z".into(),
            ended_at: None,
            media: "ivr",
            ani_display: None,
            dnis: "+44800".into(),
            queue: "general".parse().unwrap(),
            agent: agent.map(|agent| agent.parse().unwrap()),
            customer: None,
            class: None,
            evidence: vec![],
            authentication: Authentication::NotAuthenticated,
            policy: "retail".into(),
            badge: "NOT Authenticated",
            pin: None,
            password: None,
            questions: Some(QuestionsView {
                kind: QuestionKind::Check,
                set: "two_of_three".into(),
                required: 1,
                correct: 0,
                items: vec![QuestionView {
                    key: "q".parse().unwrap(),
                    text: "How much?".into(),
                    reveal: "always",
                    blind: false,
                    on_file: true,
                    answer: Some("THE-ANSWER".into()),
                    marked: None,
                }],
            }),
            proof: None,
            purpose: None,
            party: None,
            say: None,
            never_say: vec![],
            primary: None,
            timer: None,
            call_back: None,
            reminder: None,
            enrolment_required: false,
            message: None,
            actions: vec!["claim", "finish"],
            notes: vec![],
            timeline: vec![],
        }
    }

    /// An identity with this role and these queues, good until the year 2100.
    pub(crate) fn identity(name: &str, role: TokenRole, queues: &[&str]) -> Identity {
        Identity {
            agent: name.parse().unwrap(),
            name: None,
            roles: vec![role],
            queues: queues.iter().map(|queue| queue.parse().unwrap()).collect(),
            groups: vec![],
            expires_at: Timestamp(4_102_444_800_000),
        }
    }
}
