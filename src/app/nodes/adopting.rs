//! Takes calls over from a node that is gone, or that asks for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use metrics::counter;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use tracing::info;
use tracing::warn;

use crate::app::asterisk::PLATFORM;
use crate::app::nodes::Nodes;
use crate::app::outbound::InOtherHands;
use crate::app::reception::Reception;
use crate::call::adopt::Adoption;
use crate::call::adopt::OnRecord;
use crate::call::input::Down;
use crate::call::saved;
use crate::call::saved::Saved;
use crate::effects::Carrier;
use crate::effects::lookup;
use crate::model::auth::Verdict;
use crate::model::call_kind::Collects;
use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::platform::Entry;
use crate::platform::Leg;
use crate::platform::http::resume::SavedLeg;
use crate::policy::Profile;
use crate::records::Settlement;
use crate::sessions::shared::SharedCall;

/// Calls that are taken over at the same time.
const AT_ONCE: usize = 16;
/// Taking one over may take so long; whoever comes by next tries again.
const WITHIN: Duration = Duration::from_secs(10);

/// What [`crate::effects`] writes into a shared call.
#[derive(Deserialize)]
struct Body {
    saved: Saved,
    #[serde(default)]
    leg: Value,
}

/// Everything about a call but its ownership.
struct Ready {
    adoption: Adoption,
    leg: Value,
}

impl Nodes {
    /// Takes over what a node left; says which calls are ours now.
    pub(super) async fn adopt_all(
        self: &Arc<Self>,
        from: &NodeId,
        calls: Vec<CallId>,
    ) -> Vec<CallId> {
        let Some(reception) = self.reception() else { return vec![] };
        let (nodes, reception) = (&**self, &*reception);
        let taken = stream::iter(calls)
            .map(|id| async move {
                let adopting = nodes.adopt(&id, from, reception);
                let adopted = timeout(WITHIN, adopting).await.unwrap_or(false);
                adopted.then_some(id)
            })
            .buffer_unordered(AT_ONCE);
        let taken: Vec<CallId> = taken.filter_map(|id| async { id }).collect().await;
        if !taken.is_empty() {
            info!(node = %from, calls = taken.len(), "went on with the calls of another node");
        }
        taken
    }

    /// Reads first, owns then: a call is not taken into hands that cannot go on with it.
    async fn adopt(&self, id: &CallId, from: &NodeId, reception: &Reception) -> bool {
        let Ok(Some(shared)) = self.store.call(id).await else { return false };
        if shared.owner != *from {
            return false;
        }
        let Some(ready) = ready(&shared, reception).await else { return false };
        let Ok(Some(ours)) = self.store.adopt(id, from, &self.own.id).await else { return false };
        // It may have come further between the two looks; the customer and the records hold all the same.
        let newest = read(&ours).map(|body| body.saved);
        let Ready { mut adoption, leg } = ready;
        if let Some(newest) = newest.filter(|newest| newest.customer == adoption.saved.customer) {
            adoption.saved = newest;
        }
        self.directory().remove(id);
        let begun = self.begin_adopted(adoption, leg, ours.stamp.term, reception);
        if !begun {
            // Nobody else has it either: better gone from the desktops than standing still there.
            let _ = self.store.remove(&self.own.id, vec![id.clone()]).await;
            self.hub.remove(id);
        }
        let result = if begun { "adopted" } else { "no_room" };
        counter!("countersign_calls_adopted_total", "result" => result).increment(1);
        begun
    }

    fn begin_adopted(
        &self,
        adoption: Adoption,
        leg: Value,
        term: u64,
        reception: &Reception,
    ) -> bool {
        let Some(platforms) = self.platforms() else { return false };
        let (id, profile) = (adoption.saved.id.clone(), Arc::clone(&adoption.profile));
        let carrier = |leg: Box<dyn Leg>| {
            let world = Arc::clone(&reception.world);
            Carrier::of_term(world, id.clone(), leg, Arc::clone(&profile), term)
        };
        let ari = self.asterisks().filter(|_| leg.get(PLATFORM).is_some());
        if let Some(asterisks) = ari.as_ref().filter(|_| adoption.saved.stage.is_with_machine()) {
            let (queue, channel) =
                (adoption.saved.queue.to_string(), &adoption.saved.platform_call_id);
            let Some((leg, resumed)) = asterisks.resume(channel, &leg, &id) else { return false };
            let Ok(call) = reception.calls.adopt(adoption, carrier(leg)) else { return false };
            resumed.begun(call, queue);
            return true;
        }
        if ari.is_none() && adoption.saved.collects != Collects::WhileHeld {
            let leg: SavedLeg = serde_json::from_value(leg).unwrap_or_default();
            let times = reception.key_times(Some(&profile.name));
            let (leg, resumed) = platforms.resume(&adoption.saved, leg, times);
            let Ok(call) = reception.calls.adopt(adoption, carrier(leg)) else { return false };
            platforms.resumed(resumed, call);
            return true;
        }
        let (leg, call_of_leg) = InOtherHands::new();
        let Ok(call) = reception.calls.adopt(adoption, carrier(Box::new(leg))) else {
            return false;
        };
        // Set once, here.
        let _ = call_of_leg.set(call);
        true
    }
}

fn read(shared: &SharedCall) -> Option<Body> {
    match serde_json::from_str::<Body>(&shared.body) {
        Ok(body) if body.saved.format <= saved::FORMAT => Some(body),
        Ok(body) => {
            let format = body.saved.format;
            warn!(call = %shared.id, format, "a newer release saved this call; a node of that release goes on with it");
            None
        }
        Err(error) => {
            warn!(call = %shared.id, %error, "this call cannot be gone on with");
            None
        }
    }
}

/// Everything there has to be before the call is taken: the profile, the customer, what is on record.
async fn ready(shared: &SharedCall, reception: &Reception) -> Option<Ready> {
    let body = read(shared)?;
    let world = &reception.world;
    let now = world.clock.wall();
    let profile = profile_of(&body.saved, reception).await?;
    let on_record = match on_record(&shared.id, reception, now).await {
        Ok(on_record) => on_record,
        Err(Down) => return None,
    };
    let known = match &body.saved.customer {
        None => None,
        Some(id) => lookup::again(world, id, &body.saved, now).await.ok()?,
    };
    let by = AgentId::try_from("system".to_owned()).ok()?;
    let adoption = Adoption { saved: body.saved, profile, known, on_record, by };
    Some(Ready { adoption, leg: body.leg })
}

/// The profile of the call's day, in use or from the archive.
async fn profile_of(saved: &Saved, reception: &Reception) -> Option<Arc<Profile>> {
    let hash = &saved.transcript.hash;
    if let Some(known) = reception.profiles.values().find(|profile| profile.hash == *hash) {
        return Some(Arc::clone(known));
    }
    let kept = reception.world.records.profile_text(hash).await.ok()??;
    Profile::parse(&kept.name, &kept.text).ok().map(Arc::new)
}

/// What the records know of the call; entries that nobody came back for count as wrong (5.15).
async fn on_record(call: &CallId, reception: &Reception, now: Timestamp) -> Result<OnRecord, Down> {
    let known = reception.world.records.settle_abandoned(call, now).await.map_err(|_| Down)?;
    Ok(known.map_or_else(OnRecord::default, |known| OnRecord {
        entries: known.entries,
        last: known.last.and_then(|last| match last {
            Settlement::Correct => Some(Verdict::Correct),
            Settlement::Wrong => Some(Verdict::Wrong),
            Settlement::Void => None,
        }),
        failed: known.call_failed,
        passed: known.passed,
    }))
}
