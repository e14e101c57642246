//! The newest state of every live call, and which of them each desktop has not been sent yet.
//!
//! ```text
//!  publish ─> seq+1 ─> the call's one entry ─> its id into `due` of each desktop concerned ─> wake
//!                                                   (an older number of the same call goes out)
//!  desktop ─> next() ─> the lowest number that is due ─> the call's text, shared by all desktops
//! ```
//! There is no queue of frames: a desktop that reads slowly finds the newest states when it comes back,
//! costs one id for each call it may see, and delays nobody (P8). Numbers rise, so frames never go back.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::call::view::CallView;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::push::audience::Audience;
use crate::push::audience::View;
use crate::push::board::Board;
use crate::push::board::Entry;
use crate::push::board::Snapshot;
use crate::wire::desktop::Resume;
use crate::wire::server;

/// A call's new state, on its way to the desktops.
#[derive(Clone, Debug)]
pub struct Published {
    /// The state, with the answers its agent may see.
    pub call: CallView,
    /// How often the call changed its node.
    pub term: u64,
    /// When the event behind it was taken in.
    pub taken_in: Instant,
}

/// Which of two states of a call is newer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Order {
    /// How often the call changed its node.
    pub term: u64,
    /// The call's own version.
    pub version: u64,
}

/// A call's state as desktops get it, of this node's call or another's.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Our id.
    pub id: CallId,
    /// The platform's.
    pub platform: PlatformCallId,
    /// Which state it is.
    pub order: Order,
    /// Who sees it.
    pub audience: Audience,
    /// The call in JSON as its own agent sees it, where that differs.
    pub for_owner: Option<String>,
    /// As all others see it.
    pub for_watchers: String,
    /// When the event behind it was taken in.
    pub taken_in: Instant,
}

/// The desktops' view of all calls.
#[derive(Debug)]
pub struct Hub {
    epoch: u64,
    tombstones_max: usize,
    board: Mutex<Board>,
    /// Hears whose desktops come.
    arrivals: OnceLock<mpsc::Sender<AgentId>>,
    /// Hears how this node's calls stand.
    watcher: OnceLock<Arc<dyn Watcher>>,
}

/// Hears how this node's own calls stand. Must not wait.
pub trait Watcher: std::fmt::Debug + Send + Sync + 'static {
    /// A call's new state.
    fn stands(&self, call: &CallView);
    /// The call is no longer this node's.
    fn gone(&self, call: &CallId);
}

/// One frame that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// The text, shared by all desktops that see the same.
    pub frame: Utf8Bytes,
    /// When the event behind it was taken in; `None` for what is only caught up with.
    pub taken_in: Option<Instant>,
}

/// A desktop that has joined.
#[derive(Debug)]
pub struct Joined {
    /// Its place; leaving is dropping it.
    pub seat: Seat,
    /// For the welcome.
    pub epoch: String,
    /// For the welcome: the number this connection goes on from, 0 when it starts with a snapshot.
    pub seq: u64,
    /// The snapshot to send, unless the desktop resumes.
    pub snapshot: Option<String>,
}

/// A call as its own agent sees it.
#[derive(Clone, Eq, PartialEq)]
pub struct Own {
    /// The call's version.
    pub version: u64,
    /// The call in JSON, answers included.
    pub json: String,
}

/// What the hub knows about a call somebody names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// The call as watchers see it, in JSON.
    Seen(String),
    /// There is one, but not for this view.
    Hidden,
    /// There is none.
    Unknown,
}

/// A desktop's place at the hub.
#[derive(Debug)]
pub struct Seat {
    hub: Arc<Hub>,
    id: u64,
    wake: Arc<Notify>,
}

impl Hub {
    /// An empty hub. `epoch` is random, so that nobody resumes across a restart.
    #[must_use]
    pub fn new(epoch: u64, tombstones_max: usize) -> Arc<Self> {
        let (board, arrivals, watcher) = Default::default();
        Arc::new(Self { epoch, tombstones_max, board, arrivals, watcher })
    }

    /// Takes in a call's new state. Never waits for a desktop. A state older than the known one is dropped.
    pub fn publish(&self, published: Published) {
        let Published { call, term, taken_in } = published;
        if let Some(watcher) = self.watcher.get() {
            watcher.stands(&call);
        }
        self.show(Shown {
            order: Order { term, version: call.version },
            audience: Audience::of(&call),
            for_owner: call.agent.is_some().then(|| server::call_json(&call)),
            for_watchers: server::call_json(&call.for_watchers()),
            id: call.id,
            platform: call.platform_call_id,
            taken_in,
        });
    }

    /// Takes in a state that is in words already.
    pub fn show(&self, shown: Shown) {
        count_conflated(self.board().publish(shown));
    }

    /// Whether a desktop of this agent is here.
    #[must_use]
    pub fn seats(&self, agent: &AgentId) -> bool {
        self.board().present.contains_key(agent)
    }

    /// Tells whose desktops come from now on, once; one that is not heard in time is left out.
    pub fn tell_arrivals(&self, arrivals: mpsc::Sender<AgentId>) {
        let _ = self.arrivals.set(arrivals);
    }

    /// Tells how this node's calls stand from now on, once.
    pub fn tell_states(&self, watcher: Arc<dyn Watcher>) {
        let _ = self.watcher.set(watcher);
    }

    /// Whether any node has a live call of this name, ours or its platform's.
    #[must_use]
    pub fn has(&self, named: &str) -> bool {
        self.board().find(named).is_some()
    }

    fn arrived(&self, agent: &AgentId) {
        if let Some(arrivals) = self.arrivals.get() {
            let _ = arrivals.try_send(agent.clone());
        }
    }

    /// The call is over: desktops are told that it is gone.
    pub fn remove(&self, id: &CallId) {
        if let Some(watcher) = self.watcher.get() {
            watcher.gone(id);
        }
        let conflated = self.board().remove(id, self.tombstones_max);
        count_conflated(conflated);
    }

    /// A desktop comes. It goes on from `resume` where that is possible, else it gets a snapshot.
    pub fn join(self: &Arc<Self>, view: View, resume: Option<&Resume>) -> Joined {
        let epoch = format!("{:016x}{:016x}", self.epoch, view.fingerprint());
        let wake = Arc::new(Notify::new());
        let agent = view.agent().clone();
        let mut board = self.board();
        let resumed = resume
            .filter(|resume| resume.epoch == epoch)
            .map(|resume| resume.seq)
            .filter(|seq| (board.forgotten..=board.seq).contains(seq));

        let id = board.sit(view, Arc::clone(&wake));
        let calls = match resumed {
            Some(seq) => {
                board.catch_up(id, seq);
                None
            }
            None => Some(board.snapshot(id)),
        };
        drop(board);
        self.arrived(&agent);
        let seat = Seat { hub: Arc::clone(self), id, wake };
        Joined { seat, epoch, seq: resumed.unwrap_or(0), snapshot: calls.map(Snapshot::frame) }
    }

    /// All calls this view sees, as watchers see them, in JSON, the oldest first.
    #[must_use]
    pub fn calls(&self, view: &View) -> Vec<String> {
        let board = self.board();
        let mut seen: Vec<_> =
            board.calls.iter().filter(|(id, entry)| entry.seen(id, view)).collect();
        seen.sort_unstable_by_key(|(id, _)| *id);
        seen.into_iter().map(|(_, entry)| entry.json().to_owned()).collect()
    }

    /// The call with this id, ours or the platform's, as far as this view sees it.
    #[must_use]
    pub fn call(&self, view: &View, named: &str) -> Found {
        let board = self.board();
        let Some((id, entry)) = board.find(named) else { return Found::Unknown };
        if entry.seen(id, view) { Found::Seen(entry.json().to_owned()) } else { Found::Hidden }
    }

    /// A call as its own agent sees it.
    #[must_use]
    pub fn own(&self, id: &CallId) -> Option<Own> {
        self.board().calls.get(id).map(Entry::own)
    }

    /// How many calls are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.board().calls.len()
    }

    /// How many desktops are connected.
    #[must_use]
    pub fn desktops(&self) -> usize {
        self.board().seats.len()
    }

    /// Whether no call is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic elsewhere leaves the board whole: every change of it is complete in itself.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The frame that is due, oldest number first; `None` when the desktop is up to date.
    #[must_use]
    pub fn next(&self) -> Option<Due> {
        self.hub.board().next(self.id)
    }

    /// Waits until something may be due.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Makes the next [`Self::woken`] return at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The view this desktop has.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.hub.board().seats.get(&self.id).map(|place| place.view.clone())
    }

    /// The view changed with a renewed token: a fresh snapshot takes the place of everything shown before.
    #[must_use]
    pub fn review(&self, view: View) -> String {
        let mut board = self.hub.board();
        board.leave(self.id);
        board.seat(self.id, view, Arc::clone(&self.wake));
        let calls = board.snapshot(self.id);
        drop(board);
        calls.frame()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.board().leave(self.id);
    }
}

fn count_conflated(frames: u64) {
    if frames > 0 {
        metrics::counter!("countersign_desktop_conflated_total").increment(frames);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use super::*;
    use crate::push::fixture;
    use crate::wire::identity::TokenRole;
    use proptest::prelude::*;
    use serde_json::Value;

    #[tokio::test]
    async fn contract_6_a_desktop_gets_a_snapshot_and_then_every_change_in_order() {
        let desks = Desks::new();
        desks.publish("c1", 1, None);
        let mut alice = desks.join("alice", &[], None);
        assert_eq!(alice.sees(), "snapshot(c1v1)");
        desks.publish("c2", 1, None);
        desks.publish("c1", 2, Some("alice"));
        desks.publish("c2", 2, None);
        assert_eq!(alice.sees(), "c1v2! c2v2", "each call once, at its newest, never back");
        desks.hub.remove(&"c1".parse().unwrap());
        assert_eq!(alice.sees(), "-c1");
    }

    #[tokio::test]
    async fn a_call_that_stops_being_visible_is_gone_and_may_come_back() {
        let desks = Desks::new();
        let mut alice = desks.join("alice", &["general"], None);
        let mut bob = desks.join("bob", &["loans"], None);
        let mut chief = desks.chief();
        assert_eq!(
            (alice.sees(), bob.sees(), chief.sees()),
            ("snapshot()".into(), "snapshot()".into(), "snapshot()".into())
        );
        desks.publish("c1", 1, None);
        assert_eq!(
            (alice.sees(), bob.sees(), chief.sees()),
            ("c1v1".into(), String::new(), "c1v1".into())
        );
        desks.publish("c1", 2, Some("bob"));
        assert_eq!(
            (alice.sees(), bob.sees(), chief.sees()),
            ("-c1".into(), "c1v2!".into(), "c1v2".into())
        );
        desks.publish("c1", 3, None);
        assert_eq!(
            (alice.sees(), bob.sees(), chief.sees()),
            ("c1v3".into(), "-c1".into(), "c1v3".into())
        );
        // Away and back while nobody looks, by way of two agents.
        desks.publish("c1", 4, Some("bob"));
        desks.publish("c1", 5, Some("carol"));
        desks.publish("c1", 6, None);
        assert_eq!(
            (alice.sees(), bob.sees(), chief.sees()),
            ("c1v6".into(), String::new(), "c1v6".into())
        );
    }

    #[tokio::test]
    async fn b09_x11_only_the_calls_own_agent_is_sent_answers() {
        let desks = Desks::new();
        desks.publish("c1", 1, Some("alice"));
        let (alice, chief) = (
            desks.raw_join("alice", TokenRole::Agent),
            desks.raw_join("chief", TokenRole::Supervisor),
        );
        assert!(alice.snapshot.unwrap().contains("THE-ANSWER"));
        assert!(!chief.snapshot.unwrap().contains("THE-ANSWER"));
        let all = desks.hub.calls(&view("chief", TokenRole::Supervisor, &[], None));
        assert!(all.len() == 1 && !all[0].contains("THE-ANSWER"));
    }

    #[tokio::test]
    async fn p7_a_desktop_that_comes_back_gets_only_what_changed() {
        let desks = Desks::new();
        for call in ["c1", "c2", "c3", "c4"] {
            desks.publish(call, 1, None);
        }
        let mut alice = desks.join("alice", &[], None);
        assert_eq!(alice.sees(), "snapshot(c1v1 c2v1 c3v1 c4v1)");
        let resume = alice.leave();
        desks.publish("c2", 2, None);
        desks.publish("c3", 2, Some("bob"));
        desks.hub.remove(&"c4".parse().unwrap());
        desks.publish("c5", 1, Some("bob"));
        let mut alice = desks.join("alice", &[], Some(&resume));
        assert_eq!(alice.sees(), "c2v2 -c3 -c4", "no word of c5, which was never alice's to see");
        desks.publish("c1", 2, Some("bob"));
        assert_eq!(alice.sees(), "-c1", "what was shown before the break is remembered");
    }

    #[tokio::test]
    async fn p7_what_cannot_be_resumed_is_a_snapshot() {
        let desks = Desks::new();
        desks.publish("c1", 1, None);
        let resume = desks.join("alice", &[], None).leave();
        let with = |epoch: &str, seq| Resume { epoch: epoch.to_owned(), seq };
        for wrong in [with("other", resume.seq), with(&resume.epoch, resume.seq + 1000)] {
            assert_eq!(desks.join("alice", &[], Some(&wrong)).sees(), "snapshot(c1v1)");
        }
        assert_eq!(
            desks.join("alice", &["general"], Some(&resume)).sees(),
            "snapshot(c1v1)",
            "another view"
        );
        assert_eq!(desks.join("bob", &[], Some(&resume)).sees(), "snapshot(c1v1)", "another agent");
        for n in 0..=TOMBSTONES as u64 {
            desks.publish(&format!("x{n}"), 1, None);
            desks.hub.remove(&format!("x{n}").parse().unwrap());
        }
        assert_eq!(
            desks.join("alice", &[], Some(&resume)).sees(),
            "snapshot(c1v1)",
            "forgotten tombstones"
        );
        assert!(desks.hub.board().gone.len() <= TOMBSTONES);
    }

    #[tokio::test]
    async fn hello_calls_narrows_to_these_by_either_id() {
        let desks = Desks::new();
        for call in ["c1", "c2", "c3"] {
            desks.publish(call, 1, None);
        }
        let calls = Some(vec!["c1".to_owned(), "c2@trunk".to_owned()]);
        let narrow = view("alice", TokenRole::Agent, &[], calls);
        assert_eq!(Follower::new(desks.hub.join(narrow, None)).sees(), "snapshot(c1v1 c2v1)");
        let alice = view("alice", TokenRole::Agent, &["loans"], None);
        assert_eq!(desks.hub.call(&alice, "c1@trunk"), Found::Hidden);
        assert_eq!(desks.hub.call(&alice, "c9"), Found::Unknown);
    }

    #[tokio::test]
    async fn a_late_state_does_not_overtake_and_a_renewed_view_starts_anew() {
        let desks = Desks::new();
        desks.publish("c1", 2, None);
        desks.publish("c1", 1, None);
        let mut alice = desks.join("alice", &[], None);
        assert_eq!(alice.sees(), "snapshot(c1v2)");
        desks.publish("c1", 3, None);
        let fresh = alice.seat.review(view("alice", TokenRole::Agent, &["loans"], None));
        alice.read(&fresh);
        assert_eq!(alice.sees(), "snapshot()");
        desks.publish("c1", 4, None);
        assert_eq!(alice.sees(), "");
        drop(alice);
        assert!(
            desks.hub.board().posts.is_empty(),
            "whoever leaves takes their name off every post"
        );
    }

    proptest! {
        #[test]
        fn p7_whatever_happens_a_desktop_ends_with_the_servers_state(
            steps in prop::collection::vec((0u8..6, 0u8..4, 0u8..5), 1..80)
        ) {
            let desks = Desks::new();
            let mut versions = [0_u64; 6];
            let mut alice = desks.join("alice", &["general"], None);
            for (call, agent, what) in steps {
                let name = format!("c{call}");
                match what {
                    0 => desks.hub.remove(&name.parse().unwrap()),
                    1 => { alice.sees(); }
                    2 => {
                        alice.sees();
                        let (resume, shown) = (alice.leave_with(), alice.shown.clone());
                        drop(alice);
                        alice = desks.join("alice", &["general"], Some(&resume));
                        if alice.read_so_far.is_empty() { alice.shown = shown; }
                    }
                    _ => {
                        versions[usize::from(call)] += 1;
                        let agent = ["alice", "bob", "carol"].get(usize::from(agent));
                        desks.publish(&name, versions[usize::from(call)], agent.copied());
                    }
                }
            }
            alice.sees();
            let server: BTreeMap<String, u64> = desks.hub
                .calls(&view("alice", TokenRole::Agent, &["general"], None)).iter()
                .map(|json| serde_json::from_str::<Value>(json).unwrap())
                .map(|call| (call["id"].as_str().unwrap().to_owned(), call["version"].as_u64().unwrap()))
                .collect();
            prop_assert_eq!(&alice.shown, &server);
        }
    }

    // --- desks ---

    const TOMBSTONES: usize = 8;

    struct Desks {
        hub: Arc<Hub>,
    }

    /// A desktop that reads like the page does, and checks that numbers rise.
    struct Follower {
        seat: Seat,
        epoch: String,
        seq: u64,
        shown: BTreeMap<String, u64>,
        read_so_far: String,
    }

    fn view(agent: &str, role: TokenRole, queues: &[&str], calls: Option<Vec<String>>) -> View {
        View::new(&fixture::identity(agent, role, queues), calls)
    }

    impl Desks {
        fn new() -> Self {
            Self { hub: Hub::new(7, TOMBSTONES) }
        }

        fn publish(&self, id: &str, version: u64, agent: Option<&str>) {
            self.hub.publish(Published {
                term: 0,
                call: fixture::call(id, version, agent),
                taken_in: Instant::now(),
            });
        }

        fn join(&self, agent: &str, queues: &[&str], resume: Option<&Resume>) -> Follower {
            Follower::new(self.hub.join(view(agent, TokenRole::Agent, queues, None), resume))
        }

        fn chief(&self) -> Follower {
            Follower::new(self.raw_join("chief", TokenRole::Supervisor))
        }

        fn raw_join(&self, agent: &str, role: TokenRole) -> Joined {
            self.hub.join(view(agent, role, &[], None), None)
        }
    }

    impl Follower {
        fn new(joined: Joined) -> Self {
            let Joined { seat, epoch, seq, snapshot } = joined;
            let (shown, read_so_far) = (BTreeMap::new(), String::new());
            let mut follower = Self { seat, epoch, seq, shown, read_so_far };
            if let Some(snapshot) = snapshot {
                follower.read(&snapshot);
            }
            follower
        }

        fn leave(mut self) -> Resume {
            self.sees();
            self.leave_with()
        }

        fn leave_with(&self) -> Resume {
            Resume { epoch: self.epoch.clone(), seq: self.seq }
        }

        fn read(&mut self, frame: &str) {
            let frame: Value = serde_json::from_str(frame).unwrap();
            let seq = frame["seq"].as_u64().unwrap();
            assert!(seq > self.seq, "numbers rise: {seq} after {}", self.seq);
            self.seq = seq;
            let said = match frame["type"].as_str().unwrap() {
                "snapshot" => {
                    self.shown.clear();
                    let calls: Vec<_> =
                        frame["calls"].as_array().unwrap().iter().map(|c| self.take(c)).collect();
                    format!("snapshot({})", calls.join(" "))
                }
                "call" => self.take(&frame["call"]),
                _ => {
                    let id = frame["call"].as_str().unwrap();
                    self.shown.remove(id);
                    format!("-{id}")
                }
            };
            let space = if self.read_so_far.is_empty() { "" } else { " " };
            write!(self.read_so_far, "{space}{said}").unwrap();
        }

        fn take(&mut self, call: &Value) -> String {
            let (id, version) = (call["id"].as_str().unwrap(), call["version"].as_u64().unwrap());
            self.shown.insert(id.to_owned(), version);
            let own = if call["questions"]["items"][0]["answer"].is_string() { "!" } else { "" };
            format!("{id}v{version}{own}")
        }

        fn sees(&mut self) -> String {
            while let Some(due) = self.seat.next() {
                self.read(&due.frame);
            }
            std::mem::take(&mut self.read_so_far)
        }
    }
}
