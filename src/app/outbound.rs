//! Outbound calls that agents announce: a call like any other, with a leg that is in other hands.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;

use crate::api::outbound::OutboundDesk;
use crate::api::outbound::OutboundRefused;
use crate::app::reception::Reception;
use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::Delivered;
use crate::call::input::HandOver;
use crate::call::input::Input;
use crate::call::request::Refusal;
use crate::config::queues::Queues;
use crate::engine::CallHandle;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::cause::Cause;
use crate::model::customer::Customer;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::QueueName;
use crate::outbound::Purpose;
use crate::outbound::held::NotHeld;
use crate::outbound::held::held;
use crate::outbound::proof::Proof;
use crate::platform::Entry;
use crate::platform::Leg;
use crate::policy::Profile;
use crate::records::RecordsError;
use crate::wire::outbound::Announced;
use crate::wire::outbound::AnnouncedCall;
use crate::wire::outbound::CallStatus;
use crate::wire::outbound::Tap;
use crate::wire::outbound::Tapped;

/// Runs the outbound calls of agents.
pub(super) struct OutboundCalls {
    pub(super) reception: Arc<Reception>,
    pub(super) queues: Queues,
    pub(super) handed_over_max: Duration,
}

impl From<RecordsError> for OutboundRefused {
    fn from(_: RecordsError) -> Self {
        Self::Unavailable
    }
}

impl OutboundCalls {
    fn queue(
        &self,
        named: Option<QueueName>,
    ) -> Result<(QueueName, Option<String>), OutboundRefused> {
        let general = || QueueName::try_from("general".to_owned()).ok();
        let name = named.or_else(general).ok_or(OutboundRefused::NoSuchQueue)?;
        let queue = self.queues.named(&name).ok_or(OutboundRefused::NoSuchQueue)?;
        Ok((name, queue.policy.clone()))
    }

    async fn customer(&self, id: &CustomerId) -> Result<Customer, OutboundRefused> {
        let records = &self.reception.world.records;
        records.customer(id).await?.ok_or(OutboundRefused::NoSuchCustomer)
    }

    /// A call that the platform reports already is taken over instead of made.
    async fn joined(&self, call: &AnnouncedCall) -> Result<Option<CallId>, OutboundRefused> {
        let named = call.platform_call_id.as_ref();
        let Some(found) = named.and_then(|named| self.reception.calls.find(named.as_str())) else {
            return Ok(None);
        };
        let AnnouncedCall { agent, customer, purpose, .. } = call.clone();
        let announced = |reply| Input::Announced { agent, customer, purpose, reply };
        match self.reception.world.replies.ask(&found, announced).await {
            Ok(()) => Ok(Some(found.id().clone())),
            Err(Refusal::NotYours) => Err(OutboundRefused::NotYours),
            Err(Refusal::NotNow) => Err(OutboundRefused::NotNow),
            Err(Refusal::NoSuchCall) => Err(OutboundRefused::NoSuchCall),
            Err(_) => Err(OutboundRefused::Unavailable),
        }
    }

    fn delivered(
        &self,
        call: &AnnouncedCall,
        id: &CallId,
        dialled: String,
        queue: QueueName,
    ) -> Result<Delivered, OutboundRefused> {
        let own = || PlatformCallId::try_from(format!("outbound-{id}")).ok();
        let platform_call_id = call.platform_call_id.clone().or_else(own);
        let platform = PlatformName::try_from("announced".to_owned()).ok();
        let (Some(platform_call_id), Some(platform)) = (platform_call_id, platform) else {
            return Err(OutboundRefused::Unavailable);
        };
        Ok(Delivered {
            platform,
            platform_call_id,
            direction: Direction::Outbound,
            collects: Collects::WhileHeld,
            caller: Caller::default(),
            dnis: dialled,
            queue,
            queue_uri: String::new(),
            intent: None,
            claimed_customer: call.customer.clone(),
            handed_over_max: self.handed_over_max,
            purpose: Some(call.purpose),
            agent: Some(call.agent.clone()),
        })
    }

    fn first_words(call: &AnnouncedCall, profile: &Profile, age_ok: bool) -> Proof {
        let before = crate::outbound::BeforeDialling {
            number_age_ok: age_ok,
            sim_swapped: None,
            forwarded: None,
        };
        Proof::new(profile.outbound.clone(), call.purpose, before)
    }
}

#[async_trait]
impl OutboundDesk for OutboundCalls {
    async fn announce(&self, call: AnnouncedCall) -> Result<Announced, OutboundRefused> {
        let (queue, policy) = self.queue(call.queue.clone())?;
        let profile = self.reception.profile(policy.as_deref());
        let profile = profile.ok_or(OutboundRefused::NoSuchQueue)?;
        if !profile.outbound.enabled && call.purpose != Purpose::Employer {
            return Err(OutboundRefused::NotEnabled);
        }
        let now = self.reception.world.clock.wall();
        let (dialled, age_ok) = match &call.customer {
            None => (String::new(), true),
            Some(id) => {
                let customer = self.customer(id).await?;
                let number = call.number.as_ref();
                let held = held(&customer.numbers, number, profile.number_age, now);
                let held = held.map_err(|why| match why {
                    NotHeld::NoNumber => OutboundRefused::NoNumber,
                    NotHeld::NotOnFile => OutboundRefused::NotOnFile,
                })?;
                (held.number.as_e164().to_owned(), held.age_ok)
            }
        };
        let proof = Self::first_words(&call, profile, age_ok);
        let say = Some(proof.words(call.agent.as_str()));
        if let Some(call) = self.joined(&call).await? {
            return Ok(Announced { call, proof: proof.view(), say });
        }
        let delivered = self.delivered(&call, &CallId::new(now, rand::random()), dialled, queue)?;
        let (leg, call_of_leg) = InOtherHands::new();
        let handle = self
            .reception
            .delivered(delivered, policy.as_deref(), Box::new(leg))
            .map_err(|_| OutboundRefused::Unavailable)?;
        let id = handle.id().clone();
        // Set once, here.
        let _ = call_of_leg.set(handle);
        Ok(Announced { call: id, proof: proof.view(), say })
    }

    async fn calls_with(&self, customer: &CustomerId) -> Result<Vec<CallStatus>, OutboundRefused> {
        let world = &self.reception.world;
        let shown = world.in_app.with(customer, world.clock.wall());
        Ok(shown
            .into_iter()
            .map(|(call, shown)| CallStatus {
                call,
                agent_alias: shown.agent.map(|agent| agent.to_string()).unwrap_or_default(),
                started: shown.started.rfc3339(),
                expires_at: Some(shown.numbers.expires_at.rfc3339()),
                numbers: Some(shown.numbers.numbers),
            })
            .collect())
    }

    async fn tap(&self, tap: Tap) -> Result<Tapped, OutboundRefused> {
        let world = &self.reception.world;
        let shown = world.in_app.of(&tap.call, world.clock.wall());
        if shown.is_none_or(|shown| shown.customer.as_ref() != Some(&tap.customer)) {
            return Err(OutboundRefused::NoSuchCall);
        }
        let call = self.reception.calls.find(tap.call.as_str());
        let call = call.ok_or(OutboundRefused::NoSuchCall)?;
        let number = tap.number;
        match world.replies.ask(&call, |reply| Input::AppTapped { number, reply }).await {
            Ok(()) => Ok(Tapped::Proved),
            Err(Refusal::WrongNumber) => Ok(Tapped::NotProved),
            Err(Refusal::NotNow) => Err(OutboundRefused::NotNow),
            Err(_) => Err(OutboundRefused::Unavailable),
        }
    }
}

/// The leg of a call that somebody else made: nothing of it is ours to play, answer or clear.
pub(super) struct InOtherHands {
    call: Arc<OnceLock<CallHandle>>,
}

impl InOtherHands {
    pub(super) fn new() -> (Self, Arc<OnceLock<CallHandle>>) {
        let call: Arc<OnceLock<CallHandle>> = Arc::default();
        (Self { call: Arc::clone(&call) }, call)
    }

    fn tell(&self, event: CallEvent) {
        if let Some(call) = self.call.get() {
            // A call that is over needs no word of its leg.
            let _ = call.send(Input::Event(event));
        }
    }
}

impl Leg for InOtherHands {
    fn answer(&mut self) {}
    fn play(&mut self, _: Prompt) {
        self.tell(CallEvent::PromptEnded);
    }
    fn stop_playing(&mut self) {}
    fn hand_over(&mut self, _: &str, _: bool, _: &CallId) {
        self.tell(CallEvent::HandedOver(HandOver::Done));
    }
    fn clear(&mut self, _: Cause) {}
}
