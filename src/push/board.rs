//! The hub's board: each live call once, and what each desktop has not been sent yet.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::push::audience::Audience;
use crate::push::audience::Post;
use crate::push::audience::View;
use crate::push::hub::Due;
use crate::push::hub::Order;
use crate::push::hub::Own;
use crate::push::hub::Shown;
use crate::wire::server;

#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) seq: u64,
    /// Whoever resumes from before this number gets a snapshot: something of that time is forgotten.
    pub(crate) forgotten: u64,
    pub(crate) calls: HashMap<CallId, Entry>,
    by_platform: HashMap<PlatformCallId, CallId>,
    /// Each live call once, at its newest number.
    log: BTreeMap<u64, CallId>,
    pub(crate) gone: VecDeque<Tombstone>,
    pub(crate) seats: HashMap<u64, Place>,
    pub(crate) posts: HashMap<Post, HashSet<u64>>,
    /// Who sits here, and at how many desktops.
    pub(crate) present: HashMap<AgentId, usize>,
    last_seat: u64,
}

#[derive(Debug)]
pub(crate) struct Entry {
    seq: u64,
    order: Order,
    platform: PlatformCallId,
    /// Audiences with the number each began at; the last one is the present one.
    history: Vec<(u64, Audience)>,
    for_owner: Option<Utf8Bytes>,
    for_watchers: Utf8Bytes,
    json_at: usize,
    taken_in: Instant,
}

#[derive(Debug)]
pub(crate) struct Tombstone {
    seq: u64,
    id: CallId,
    platform: PlatformCallId,
    history: Vec<(u64, Audience)>,
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) view: View,
    shown: HashSet<CallId>,
    due: BTreeMap<u64, CallId>,
    wake: Arc<Notify>,
    /// Numbers up to here were there before this desktop came; they say nothing about our speed.
    joined_at: u64,
}

/// How many changes of audience of one call can be resumed across.
const HISTORY_MAX: usize = 32;

/// Texts taken under the lock, put together outside of it.
pub(crate) struct Snapshot {
    seq: u64,
    calls: Vec<(Utf8Bytes, usize)>,
}

impl Snapshot {
    pub(crate) fn frame(self) -> String {
        server::snapshot(self.seq, self.calls.iter().map(|(text, at)| server::json_of(text, *at)))
    }
}

impl Entry {
    fn audience(&self) -> Option<&Audience> {
        self.history.last().map(|(_, audience)| audience)
    }

    pub(crate) fn seen(&self, id: &CallId, view: &View) -> bool {
        self.audience().is_some_and(|audience| view.sees(audience, id, &self.platform))
    }

    /// As its own agent sees it. The frames of both begin alike.
    pub(crate) fn own(&self) -> Own {
        let text = self.for_owner.as_ref().unwrap_or(&self.for_watchers);
        Own { version: self.order.version, json: server::json_of(text, self.json_at).to_owned() }
    }

    pub(crate) fn json(&self) -> &str {
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
    pub(crate) fn publish(&mut self, shown: Shown) -> u64 {
        let Shown { id, platform, order, audience, for_owner, for_watchers, taken_in } = shown;
        let before = self.calls.remove(&id);
        if let Some(newer) = before.as_ref().filter(|entry| entry.order > order) {
            tracing::debug!(known = ?newer.order, late = ?order, "late call state dropped");
            self.calls.extend(before.map(|entry| (id, entry)));
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
        self.log.insert(seq, id.clone());
        self.by_platform.insert(platform.clone(), id.clone());
        let for_watchers = server::call(seq, &for_watchers);
        let entry = Entry {
            seq,
            order,
            platform,
            history,
            for_owner: for_owner.map(|json| server::call(seq, &json).frame.into()),
            json_at: for_watchers.json_at,
            for_watchers: for_watchers.frame.into(),
            taken_in,
        };
        self.calls.insert(id.clone(), entry);
        self.tell(&concerned, &id, old_seq)
    }

    pub(crate) fn remove(&mut self, id: &CallId, tombstones_max: usize) -> u64 {
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

    pub(crate) fn find(&self, named: &str) -> Option<(&CallId, &Entry)> {
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

    pub(crate) fn next(&mut self, seat: u64) -> Option<Due> {
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

    pub(crate) fn sit(&mut self, view: View, wake: Arc<Notify>) -> u64 {
        self.last_seat += 1;
        self.seat(self.last_seat, view, wake);
        self.last_seat
    }

    pub(crate) fn seat(&mut self, id: u64, view: View, wake: Arc<Notify>) {
        for post in view.posts() {
            self.posts.entry(post).or_default().insert(id);
        }
        *self.present.entry(view.agent().clone()).or_default() += 1;
        let (shown, due) = (HashSet::new(), BTreeMap::new());
        self.seats.insert(id, Place { view, shown, due, wake, joined_at: self.seq });
    }

    pub(crate) fn leave(&mut self, id: u64) {
        let Some(place) = self.seats.remove(&id) else { return };
        if let Some(desktops) = self.present.get_mut(place.view.agent()) {
            *desktops = desktops.saturating_sub(1);
            if *desktops == 0 {
                self.present.remove(place.view.agent());
            }
        }
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
    pub(crate) fn snapshot(&mut self, seat: u64) -> Snapshot {
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
    pub(crate) fn catch_up(&mut self, seat: u64, from: u64) {
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
