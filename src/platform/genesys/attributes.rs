//! Tells Genesys Cloud how calls stand, as attributes of the caller's participant: scripts, flows and
//! reports read them there, also after our part of the call is over. Never a digit.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use metrics::counter;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::call::view::CallView;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::platform::genesys::actions::PLATFORM;
use crate::platform::genesys::client::Client;
use crate::platform::genesys::client::Fault;
use crate::platform::genesys::events::Conversation;

/// Calls whose attributes wait; one more puts the longest waiting out.
const WAITING_MAX: usize = 20_000;
/// Conversations whose participant is remembered.
const PARTICIPANTS_MAX: usize = 20_000;
/// Written at once.
const WRITERS: usize = 4;
/// How often one state is tried.
const TRIES: u32 = 8;
/// The wait after the first failed try; it doubles, up to this.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a call stands, in the words of contract §5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stands {
    class: &'static str,
    authentication: &'static str,
    call: CallId,
}

impl Stands {
    /// What is written of a call; `None`: it is no call of ours, or nothing is decided yet.
    #[must_use]
    pub fn of(call: &CallView) -> Option<Self> {
        let class = call.class.filter(|_| call.platform == PLATFORM)?.word();
        Some(Self { class, authentication: call.authentication.word(), call: call.id.clone() })
    }

    fn body(&self) -> Value {
        json!({ "attributes": {
            "countersign_class": self.class,
            "countersign_authentication": self.authentication,
            "countersign_call": self.call.as_str(),
        }})
    }
}

/// The calls of this node that Genesys Cloud has, and what it has not been told of them: each call
/// once, at its newest.
#[derive(Debug, Default)]
pub struct States {
    table: Mutex<Table>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Table {
    held: HashMap<CallId, Held>,
    due: HashMap<PlatformCallId, Stands>,
    order: VecDeque<PlatformCallId>,
    /// Being written: what comes meanwhile waits, so that nothing older is written later.
    busy: HashSet<PlatformCallId>,
    /// What was put here last, so that the same is not written twice.
    last: HashMap<PlatformCallId, Stands>,
}

/// A call of this node.
#[derive(Debug)]
struct Held {
    named: PlatformCallId,
    over: bool,
}

impl States {
    /// A call's new state.
    pub fn put(&self, call: &CallView) {
        if call.platform != PLATFORM {
            return;
        }
        let named = call.platform_call_id.clone();
        let mut table = self.table();
        let held = Held { named: named.clone(), over: call.ended_at.is_some() };
        table.held.insert(call.id.clone(), held);
        let Some(stands) = Stands::of(call) else { return };
        if table.last.insert(named.clone(), stands.clone()).as_ref() == Some(&stands) {
            return;
        }
        if table.due.insert(named.clone(), stands).is_none() {
            table.order.push_back(named);
        }
        if table.order.len() > WAITING_MAX
            && let Some(oldest) = table.order.pop_front()
        {
            table.due.remove(&oldest);
            count("dropped");
        }
        drop(table);
        self.wake.notify_one();
    }

    /// The call is no longer this node's.
    pub fn gone(&self, call: &CallId) {
        let mut table = self.table();
        if let Some(held) = table.held.remove(call) {
            table.last.remove(&held.named);
        }
    }

    /// The conversations of this node's live calls.
    #[must_use]
    pub fn live(&self) -> Vec<PlatformCallId> {
        let table = self.table();
        table.held.values().filter(|held| !held.over).map(|held| held.named.clone()).collect()
    }

    /// The longest waiting call that nobody is writing; [`Self::written`] ends it.
    async fn take(&self) -> (PlatformCallId, Stands) {
        loop {
            if let Some(found) = self.next() {
                // There may be work for another writer as well.
                self.wake.notify_one();
                return found;
            }
            self.wake.notified().await;
        }
    }

    fn next(&self) -> Option<(PlatformCallId, Stands)> {
        let mut table = self.table();
        let free = table.order.iter().position(|named| !table.busy.contains(named))?;
        let named = table.order.remove(free)?;
        let stands = table.due.remove(&named)?;
        table.busy.insert(named.clone());
        Some((named, stands))
    }

    /// Something newer, where it came while this call was being written.
    fn newer(&self, named: &PlatformCallId) -> Option<Stands> {
        let mut table = self.table();
        let newer = table.due.remove(named)?;
        table.order.retain(|waiting| waiting != named);
        Some(newer)
    }

    fn written(&self, named: &PlatformCallId) {
        self.table().busy.remove(named);
        self.wake.notify_one();
    }

    /// A panic elsewhere leaves the table whole: every change of it is complete in itself.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes attributes.
pub struct Writer {
    client: Client,
    states: Arc<States>,
    participants: Mutex<BTreeMap<PlatformCallId, String>>,
}

impl Writer {
    /// A writer of what is put there.
    #[must_use]
    pub fn new(client: Client, states: Arc<States>) -> Self {
        Self { client, states, participants: Mutex::default() }
    }

    /// Writes until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let lane = || async {
            loop {
                let (named, stands) = self.states.take().await;
                self.bring(&named, stands).await;
                self.states.written(&named);
            }
        };
        let lanes = futures_util::future::join_all((0..WRITERS).map(|_| lane()));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = lanes => {}
        }
    }

    /// Tries until it is told, refused, or tried often enough; the newest state each time.
    async fn bring(&self, named: &PlatformCallId, mut stands: Stands) {
        for tries in 0..TRIES {
            let why = match self.write(named, &stands).await {
                Ok(()) => return count("written"),
                Err(Fault::NotFound) => return count("gone"),
                Err(fault) => fault,
            };
            let wait = match &why {
                Fault::Busy(wait) => *wait,
                Fault::Refused(_) => {
                    count("refused");
                    return warn!(%why, "participant attributes are not written");
                }
                _ => backoff(tries),
            };
            count("tried_again");
            if tries == 2 {
                warn!(%why, "participant attributes wait for Genesys Cloud");
            }
            sleep(wait).await;
            if let Some(newer) = self.states.newer(named) {
                stands = newer;
            }
        }
        count("given_up");
        warn!("participant attributes of a call were given up");
    }

    async fn write(&self, named: &PlatformCallId, stands: &Stands) -> Result<(), Fault> {
        let participant = self.participant(named).await?;
        let path = format!(
            "/api/v2/conversations/calls/{}/participants/{}/attributes",
            escaped(named.as_str()),
            escaped(&participant)
        );
        self.client.ask(Method::PATCH, &path, Some(&stands.body())).await.map(drop)
    }

    /// The caller's participant: it stays the same as long as the conversation lasts.
    async fn participant(&self, named: &PlatformCallId) -> Result<String, Fault> {
        if let Some(known) = self.participants().get(named) {
            return Ok(known.clone());
        }
        let path = format!("/api/v2/conversations/calls/{}", escaped(named.as_str()));
        let conversation = self.client.ask(Method::GET, &path, None).await?;
        let conversation = Conversation::read(&conversation).ok_or(Fault::NotFound)?;
        let found = conversation.customer().map(|customer| customer.id.clone());
        let found = found.ok_or(Fault::NotFound)?;
        let mut participants = self.participants();
        if participants.len() >= PARTICIPANTS_MAX {
            participants.clear();
        }
        participants.insert(named.clone(), found.clone());
        Ok(found)
    }

    /// A panic elsewhere leaves the names whole: every change of them is complete in itself.
    fn participants(&self) -> MutexGuard<'_, BTreeMap<PlatformCallId, String>> {
        self.participants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doubling, capped, and spread so that nodes do not come back together.
pub(super) fn backoff(tries: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << tries.min(10)).min(LONGEST_WAIT);
    longest / 2 + (longest / 2).mul_f64(rand::random::<f64>())
}

/// An id as a part of a path: whatever an event has called a call stays one segment.
pub(super) fn escaped(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    id.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn count(result: &'static str) {
    counter!("countersign_genesys_attributes_total", "result" => result).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::auth::Authentication;
    use crate::model::caller::CallerClass;
    use crate::push::fixture;

    fn call(id: &str, authentication: Authentication) -> CallView {
        CallView {
            platform: PLATFORM.into(),
            platform_call_id: id.parse().expect("an id"),
            class: Some(CallerClass::VerifiedNumber),
            authentication,
            ..fixture::call(&format!("ours-{id}"), 1, None)
        }
    }

    fn told(states: &States) -> Vec<String> {
        std::iter::from_fn(|| states.next())
            .map(|(named, stands)| format!("{named} {}", stands.authentication))
            .collect()
    }

    #[test]
    fn contract_8_a_call_is_told_once_at_its_newest_and_nothing_twice() {
        use Authentication as A;
        let states = States::default();
        for (id, authentication) in [
            ("a", A::NotAuthenticated),
            ("b", A::InProgress),
            ("a", A::InProgress),
            ("a", A::Authenticated),
        ] {
            states.put(&call(id, authentication));
        }
        states.put(&fixture::call("of-sip", 1, None));
        assert_eq!(told(&states), ["a authenticated", "b in_progress"]);
        states.put(&call("a", A::Failed));
        assert_eq!(told(&states), Vec::<String>::new(), "while it is being written");
        assert_eq!(
            states.newer(&"a".parse().expect("an id")).map(|s| s.authentication),
            Some("failed")
        );
        for id in ["a", "b"] {
            states.written(&id.parse().expect("an id"));
        }
        states.put(&call("b", A::InProgress));
        assert_eq!(told(&states), Vec::<String>::new(), "nothing new");
        assert_eq!(states.live().len(), 2);
        states.put(&CallView { ended_at: Some(String::new()), ..call("b", A::Failed) });
        states.gone(&"ours-a".parse().expect("an id"));
        assert_eq!((told(&states), states.live().len()), (vec!["b failed".to_owned()], 0));
    }

    #[test]
    fn p11_attributes_hold_three_words_and_no_digit_of_the_caller() {
        let stands = Stands::of(&call("a", Authentication::Failed)).expect("decided");
        let body = stands.body().to_string();
        assert_eq!(
            body,
            r#"{"attributes":{"countersign_authentication":"failed","countersign_call":"ours-a","countersign_class":"verified_number"}}"#
        );
        let undecided = CallView { class: None, ..call("a", Authentication::Failed) };
        assert_eq!(Stands::of(&undecided), None);
    }

    #[test]
    fn whatever_a_call_is_named_it_stays_one_segment_of_a_path() {
        assert_eq!(escaped("6b2f-ü/../x?y"), "6b2f-%C3%BC%2F..%2Fx%3Fy");
    }
}
