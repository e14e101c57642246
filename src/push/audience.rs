//! Who may see a call (contract §6). Pure.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use crate::call::view::CallView;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::QueueName;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// Those a call is shown to: its agent, or its queue while nobody has it; supervisors always.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience {
    /// Who has the call.
    pub agent: Option<AgentId>,
    /// Where it waits.
    pub queue: QueueName,
}

impl Audience {
    /// The audience of this state of a call.
    #[must_use]
    pub fn of(call: &CallView) -> Self {
        Self { agent: call.agent.clone(), queue: call.queue.clone() }
    }

    /// The posts that hear of a change to such a call.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        let mut posts = vec![Post::Supervisors];
        match &self.agent {
            Some(agent) => posts.push(Post::Agent(agent.clone())),
            None => posts.extend([Post::EveryQueue, Post::Queue(self.queue.clone())]),
        }
        posts
    }
}

/// Where a desktop listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Post {
    /// All calls.
    Supervisors,
    /// Calls of this agent.
    Agent(AgentId),
    /// Unclaimed calls of this queue.
    Queue(QueueName),
    /// Unclaimed calls of any queue.
    EveryQueue,
}

/// What one desktop may see.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct View {
    agent: AgentId,
    supervisor: bool,
    queues: Vec<QueueName>,
    calls: Option<Vec<String>>,
}

impl View {
    /// The view of this identity, narrowed to `calls` when given.
    #[must_use]
    pub fn new(identity: &Identity, calls: Option<Vec<String>>) -> Self {
        let (agent, queues) = (identity.agent.clone(), identity.queues.clone());
        Self { agent, supervisor: identity.is(TokenRole::Supervisor), queues, calls }
    }

    /// Whose desktop it is.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The same narrowing for a renewed identity.
    #[must_use]
    pub fn renewed(&self, identity: &Identity) -> Self {
        Self::new(identity, self.calls.clone())
    }

    /// Whether a call is shown here.
    #[must_use]
    pub fn sees(&self, audience: &Audience, id: &CallId, platform: &PlatformCallId) -> bool {
        let named = |calls: &Vec<String>| {
            calls.iter().any(|call| call == id.as_str() || call == platform.as_str())
        };
        self.may_see(audience) && self.calls.as_ref().is_none_or(named)
    }

    fn may_see(&self, audience: &Audience) -> bool {
        self.supervisor
            || match &audience.agent {
                Some(agent) => *agent == self.agent,
                None => self.queues.is_empty() || self.queues.contains(&audience.queue),
            }
    }

    /// Whether the call is this agent's own, so that its answers may be shown.
    #[must_use]
    pub fn owns(&self, audience: &Audience) -> bool {
        audience.agent.as_ref() == Some(&self.agent)
    }

    /// The posts this desktop listens at.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        if self.supervisor {
            return vec![Post::Supervisors];
        }
        let mut posts = vec![Post::Agent(self.agent.clone())];
        if self.queues.is_empty() {
            posts.push(Post::EveryQueue);
        }
        posts.extend(self.queues.iter().cloned().map(Post::Queue));
        posts
    }

    /// Tells views apart, so that nobody resumes a stream of which another view has seen the start.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn view(agent: &str, role: TokenRole, queues: &[&str], calls: Option<&str>) -> View {
        let identity = Identity {
            agent: agent.parse().unwrap(),
            name: None,
            roles: vec![role],
            queues: queues.iter().map(|queue| queue.parse().unwrap()).collect(),
            groups: vec![],
            expires_at: Timestamp(0),
        };
        View::new(&identity, calls.map(|call| vec![call.to_owned()]))
    }

    #[test]
    fn contract_6_who_sees_what() {
        use TokenRole::Agent as A;
        use TokenRole::Supervisor as S;
        for (view, agent, queue, sees) in [
            (view("alice", A, &[], None), None, "general", true),
            (view("alice", A, &["general"], None), None, "general", true),
            (view("alice", A, &["loans"], None), None, "general", false),
            (view("alice", A, &["loans"], None), Some("alice"), "general", true),
            (view("alice", A, &[], None), Some("bob"), "general", false),
            (view("carol", S, &["loans"], None), Some("bob"), "general", true),
            (view("carol", S, &[], None), None, "general", true),
            (view("alice", A, &[], Some("c1")), None, "general", true),
            (view("alice", A, &[], Some("p1")), None, "general", true),
            (view("alice", A, &[], Some("c2")), None, "general", false),
            (view("alice", A, &[], Some("c1")), Some("bob"), "general", false),
        ] {
            let audience = Audience {
                agent: agent.map(|a: &str| a.parse().unwrap()),
                queue: queue.parse().unwrap(),
            };
            let seen = view.sees(&audience, &"c1".parse().unwrap(), &"p1".parse().unwrap());
            assert_eq!(seen, sees, "{view:?} {audience:?}");
            let listens = view.posts().iter().any(|post| audience.posts().contains(post));
            assert!(listens || !seen, "a desktop hears of every call it sees");
        }
    }
}
