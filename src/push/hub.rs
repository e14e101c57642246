//! The newest state of every live call, and which of them each desktop has not been sent yet.
//!
//! ```text
//!  publish ─> seq+1 ─> the call's one entry ─> its id into `due` of each desktop concerned ─> wake
//!                                                   (an older number of the same call goes out)
//!  desktop ─> next() ─> the lowest number that is due ─> the call's text, shared by all desktops
//! ```
//! There is no queue of frames: a desktop that reads slowly finds the newest states when it comes back,
//! costs one id for each call it may see, and delays nobody (P8). Numbers rise, so frames never go back.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::call::view::CallView;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::push::audience::Audience;
use crate::push::audience::Post;
use crate::push::audience::View;
use crate::wire::desktop::Resume;
use crate::wire::server;

/// A call's new state, on its way to the desktops.
#[derive(Clone, Debug)]
pub struct Published {
    /// The state, with the answers its agent may see.
    pub call: CallView,
    /// When the event behind it was taken in.
    pub taken_in: Instant,
}

/// The desktops' view of all calls.
#[derive(Debug)]
pub struct Hub {
    epoch: u64,
    tombstones_max: usize,
    board: Mutex<Board>,
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

#[derive(Debug, Default)]
struct Board {
    seq: u64,
    /// Whoever resumes from before this number gets a snapshot: something of that time is forgotten.
    forgotten: u64,
    calls: HashMap<CallId, Entry>,
    by_platform: HashMap<PlatformCallId, CallId>,
    /// Each live call once, at its newest number.
    log: BTreeMap<u64, CallId>,
    gone: VecDeque<Tombstone>,
    seats: HashMap<u64, Place>,
    posts: HashMap<Post, HashSet<u64>>,
    last_seat: u64,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    version: u64,
    platform: PlatformCallId,
    /// Audiences with the number each began at; the last one is the present one.
    history: Vec<(u64, Audience)>,
    for_owner: Option<Utf8Bytes>,
    for_watchers: Utf8Bytes,
    json_at: usize,
    taken_in: Instant,
}

#[derive(Debug)]
struct Tombstone {
    seq: u64,
    id: CallId,
    platform: PlatformCallId,
    history: Vec<(u64, Audience)>,
}

#[derive(Debug)]
struct Place {
    view: View,
    shown: HashSet<CallId>,
    due: BTreeMap<u64, CallId>,
    wake: Arc<Notify>,
    /// Numbers up to here were there before this desktop came; they say nothing about our speed.
    joined_at: u64,
}

/// A desktop's place at the hub.
#[derive(Debug)]
pub struct Seat {
    hub: Arc<Hub>,
    id: u64,
    wake: Arc<Notify>,
}

/// How many changes of audience of one call can be resumed across.
const HISTORY_MAX: usize = 32;

impl Hub {
    /// An empty hub. `epoch` is random, so that nobody resumes across a restart.
    #[must_use]
    pub fn new(epoch: u64, tombstones_max: usize) -> Arc<Self> {
        Arc::new(Self { epoch, tombstones_max, board: Mutex::default() })
    }

    /// Takes in a call's new state. Never waits for a desktop. A state older than the known one is dropped.
    pub fn publish(&self, published: Published) {
        let Published { call, taken_in } = published;
        let owners = call.agent.is_some().then(|| server::call_json(&call));
        let watchers = server::call_json(&call.for_watchers());
        let audience = Audience::of(&call);

        let conflated = self.board().publish(call, audience, owners, &watchers, taken_in);
        count_conflated(conflated);
    }

    /// The call is over: desktops are told that it is gone.
    pub fn remove(&self, id: &CallId) {
        let conflated = self.board().remove(id, self.tombstones_max);
        count_conflated(conflated);
    }

    /// A desktop comes. It goes on from `resume` where that is possible, else it gets a snapshot.
    pub fn join(self: &Arc<Self>, view: View, resume: Option<&Resume>) -> Joined {
        let epoch = format!("{:016x}{:016x}", self.epoch, view.fingerprint());
        let wake = Arc::new(Notify::new());
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

    /// How many calls are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.board().calls.len()
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

/// Texts taken under the lock, put together outside of it.
struct Snapshot {
    seq: u64,
    calls: Vec<(Utf8Bytes, usize)>,
}

impl Snapshot {
    fn frame(self) -> String {
        server::snapshot(self.seq, self.calls.iter().map(|(text, at)| server::json_of(text, *at)))
    }
}

impl Entry {
    fn audience(&self) -> Option<&Audience> {
        self.history.last().map(|(_, audience)| audience)
    }

    fn seen(&self, id: &CallId, view: &View) -> bool {
        self.audience().is_some_and(|audience| view.sees(audience, id, &self.platform))
    }

    fn json(&self) -> &str {
        server::json_of(&self.for_watchers, self.json_at)
    }

    /// The text for this view: answers are for the call's own agent only.
    fn text(&self, view: &View) -> &Utf8Bytes {
        let own = self.audience().is_some_and(|audience| view.owns(audience));
        self.for_owner.as_ref().filter(|_| own).unwrap_or(&self.for_watchers)
    }
}

/// Whether a view saw the call with this history when the board stood at `seq`.
fn saw(
    view: &View,
    history: &[(u64, Audience)],
    id: &CallId,
    platform: &PlatformCallId,
    seq: u64,
) -> bool {
    let then = history.iter().rev().find(|(since, _)| *since <= seq);
    then.is_some_and(|(_, audience)| view.sees(audience, id, platform))
}

impl Board {
    fn publish(
        &mut self,
        call: CallView,
        audience: Audience,
        owners: Option<String>,
        watchers: &str,
        taken_in: Instant,
    ) -> u64 {
        let before = self.calls.remove(&call.id);
        if let Some(newer) = before.as_ref().filter(|entry| entry.version > call.version) {
            tracing::debug!(known = newer.version, late = call.version, "late call state dropped");
            self.calls.extend(before.map(|entry| (call.id, entry)));
            return 0;
        }
        self.seq += 1;
        let seq = self.seq;
        let old_seq = before.as_ref().map(|entry| entry.seq);
        let mut concerned = self.listeners(&audience);
        let mut history = before.map(|entry| entry.history).unwrap_or_default();
        match history.last() {
            Some((_, same)) if *same == audience => {}
            earlier => {
                concerned.extend(
                    earlier.map(|(_, audience)| self.listeners(audience)).unwrap_or_default(),
                );
                history.push((seq, audience));
            }
        }
        if history.len() > HISTORY_MAX {
            history.remove(0);
            let oldest = history.first().map_or(seq, |(since, _)| *since);
            self.forgotten = self.forgotten.max(oldest);
        }

        old_seq.map(|old| self.log.remove(&old));
        self.log.insert(seq, call.id.clone());
        self.by_platform.insert(call.platform_call_id.clone(), call.id.clone());
        let for_watchers = server::call(seq, watchers);
        let entry = Entry {
            seq,
            version: call.version,
            platform: call.platform_call_id,
            history,
            for_owner: owners.map(|json| server::call(seq, &json).frame.into()),
            json_at: for_watchers.json_at,
            for_watchers: for_watchers.frame.into(),
            taken_in,
        };
        self.calls.insert(call.id.clone(), entry);
        self.tell(&concerned, &call.id, old_seq)
    }

    fn remove(&mut self, id: &CallId, tombstones_max: usize) -> u64 {
        let Some(entry) = self.calls.remove(id) else { return 0 };
        self.seq += 1;
        self.log.remove(&entry.seq);
        if self.by_platform.get(&entry.platform) == Some(id) {
            self.by_platform.remove(&entry.platform);
        }
        let concerned =
            entry.audience().map(|audience| self.listeners(audience)).unwrap_or_default();
        let Entry { seq: old_seq, platform, history, .. } = entry;
        self.gone.push_back(Tombstone { seq: self.seq, id: id.clone(), platform, history });
        if self.gone.len() > tombstones_max {
            let oldest = self.gone.pop_front().map_or(0, |tombstone| tombstone.seq);
            self.forgotten = self.forgotten.max(oldest);
        }
        self.tell(&concerned, id, Some(old_seq))
    }

    fn find(&self, named: &str) -> Option<(&CallId, &Entry)> {
        let ours = || named.parse().ok().and_then(|id: CallId| self.calls.get_key_value(&id));
        let platforms = || {
            let id = self.by_platform.get(&named.parse::<PlatformCallId>().ok()?)?;
            self.calls.get_key_value(id)
        };
        ours().or_else(platforms)
    }

    fn listeners(&self, audience: &Audience) -> HashSet<u64> {
        let posts = audience.posts();
        posts.iter().filter_map(|post| self.posts.get(post)).flatten().copied().collect()
    }

    /// Marks the newest number of a call as due. Says how many desktops had an older one due still.
    fn tell(&mut self, concerned: &HashSet<u64>, id: &CallId, old_seq: Option<u64>) -> u64 {
        let mut conflated = 0;
        for seat in concerned {
            let Some(place) = self.seats.get_mut(seat) else { continue };
            conflated += u64::from(old_seq.is_some_and(|old| place.due.remove(&old).is_some()));
            let visible = self.calls.get(id).is_some_and(|entry| entry.seen(id, &place.view));
            if visible || place.shown.contains(id) {
                place.due.insert(self.seq, id.clone());
                place.wake.notify_one();
            }
        }
        conflated
    }

    fn next(&mut self, seat: u64) -> Option<Due> {
        let place = self.seats.get_mut(&seat)?;
        while let Some((seq, id)) = place.due.pop_first() {
            let visible = self.calls.get(&id).filter(|entry| entry.seen(&id, &place.view));
            if let Some(entry) = visible {
                // It went and came back meanwhile: its newest number is due, too, and comes later.
                if entry.seq != seq {
                    continue;
                }
                let taken_in = (seq > place.joined_at).then_some(entry.taken_in);
                let frame = entry.text(&place.view).clone();
                place.shown.insert(id);
                return Some(Due { frame, taken_in });
            }
            if place.shown.remove(&id) {
                return Some(Due { frame: server::call_gone(seq, &id).into(), taken_in: None });
            }
        }
        None
    }

    fn sit(&mut self, view: View, wake: Arc<Notify>) -> u64 {
        self.last_seat += 1;
        self.seat(self.last_seat, view, wake);
        self.last_seat
    }

    fn seat(&mut self, id: u64, view: View, wake: Arc<Notify>) {
        for post in view.posts() {
            self.posts.entry(post).or_default().insert(id);
        }
        let (shown, due) = (HashSet::new(), BTreeMap::new());
        self.seats.insert(id, Place { view, shown, due, wake, joined_at: self.seq });
    }

    fn leave(&mut self, id: u64) {
        let Some(place) = self.seats.remove(&id) else { return };
        for post in place.view.posts() {
            if let Some(listeners) = self.posts.get_mut(&post) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.posts.remove(&post);
                }
            }
        }
    }

    /// Everything this desktop sees, under a number of its own, so that numbers rise across it.
    fn snapshot(&mut self, seat: u64) -> Snapshot {
        self.seq += 1;
        let mut calls = vec![];
        if let Some(place) = self.seats.get_mut(&seat) {
            for id in self.log.values() {
                if let Some(entry) = self.calls.get(id).filter(|entry| entry.seen(id, &place.view))
                {
                    calls.push((entry.text(&place.view).clone(), entry.json_at));
                    place.shown.insert(id.clone());
                }
            }
        }
        Snapshot { seq: self.seq, calls }
    }

    /// Makes due what changed after `from`: new states, and calls that were shown then and are not now.
    fn catch_up(&mut self, seat: u64, from: u64) {
        let Some(place) = self.seats.get_mut(&seat) else { return };
        for (id, entry) in &self.calls {
            let seen_then = saw(&place.view, &entry.history, id, &entry.platform, from);
            if seen_then {
                place.shown.insert(id.clone());
            }
            if entry.seq > from && (seen_then || entry.seen(id, &place.view)) {
                place.due.insert(entry.seq, id.clone());
            }
        }
        for tombstone in self.gone.iter().rev().take_while(|tombstone| tombstone.seq > from) {
            let Tombstone { seq, id, platform, history } = tombstone;
            if saw(&place.view, history, id, platform, from) {
                place.shown.insert(id.clone());
                place.due.insert(*seq, id.clone());
            }
        }
        place.wake.notify_one();
    }
}

fn count_conflated(frames: u64) {
    if frames > 0 {
        metrics::counter!("countersign_desktop_conflated_total").increment(frames);
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!((alice.sees(), bob.sees(), chief.sees()), ("snapshot()".into(), "snapshot()".into(), "snapshot()".into()));
        desks.publish("c1", 1, None);
        assert_eq!((alice.sees(), bob.sees(), chief.sees()), ("c1v1".into(), String::new(), "c1v1".into()));
        desks.publish("c1", 2, Some("bob"));
        assert_eq!((alice.sees(), bob.sees(), chief.sees()), ("-c1".into(), "c1v2!".into(), "c1v2".into()));
        desks.publish("c1", 3, None);
        assert_eq!((alice.sees(), bob.sees(), chief.sees()), ("c1v3".into(), "-c1".into(), "c1v3".into()));
        // Away and back while nobody looks, by way of two agents.
        desks.publish("c1", 4, Some("bob"));
        desks.publish("c1", 5, Some("carol"));
        desks.publish("c1", 6, None);
        assert_eq!((alice.sees(), bob.sees(), chief.sees()), ("c1v6".into(), String::new(), "c1v6".into()));
    }

    #[tokio::test]
    async fn c33_only_the_calls_own_agent_is_sent_answers() {
        let desks = Desks::new();
        desks.publish("c1", 1, Some("alice"));
        let (alice, chief) = (desks.raw_join("alice", TokenRole::Agent), desks.raw_join("chief", TokenRole::Supervisor));
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
        assert_eq!(desks.join("alice", &["general"], Some(&resume)).sees(), "snapshot(c1v1)", "another view");
        assert_eq!(desks.join("bob", &[], Some(&resume)).sees(), "snapshot(c1v1)", "another agent");
        for n in 0..TOMBSTONES as u64 + 1 {
            desks.publish(&format!("x{n}"), 1, None);
            desks.hub.remove(&format!("x{n}").parse().unwrap());
        }
        assert_eq!(desks.join("alice", &[], Some(&resume)).sees(), "snapshot(c1v1)", "forgotten tombstones");
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
        assert!(desks.hub.board().posts.is_empty(), "whoever leaves takes their name off every post");
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
            self.hub.publish(Published { call: fixture::call(id, version, agent), taken_in: Instant::now() });
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
                    let calls: Vec<_> = frame["calls"].as_array().unwrap().iter().map(|c| self.take(c)).collect();
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
