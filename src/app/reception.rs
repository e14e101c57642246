//! Takes calls in from the platforms, and desktop requests to their calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::app::nodes::Nodes;
use crate::call::input::Delivered;
use crate::call::input::Input;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::effects::Carrier;
use crate::effects::World;
use crate::engine::CallHandle;
use crate::engine::calls::Calls;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::platform::Entry;
use crate::platform::KeyTimes;
use crate::platform::Leg;
use crate::platform::Refused;
use crate::policy::Profile;
use crate::push::Desk;

/// For a profile that is not there; its calls are refused anyway.
const KEYS_WITHIN: Duration = Duration::from_secs(8);

/// Takes calls in and desktop requests to them.
pub(super) struct Reception {
    pub(super) world: Arc<World>,
    pub(super) calls: Calls,
    pub(super) profiles: BTreeMap<String, Arc<Profile>>,
    pub(super) default: String,
    /// The other nodes, where there are any.
    pub(super) nodes: Option<Arc<Nodes>>,
}

impl Reception {
    /// The profile of this name, or the default one.
    pub(super) fn profile(&self, policy: Option<&str>) -> Option<&Arc<Profile>> {
        self.profiles.get(policy.unwrap_or(&self.default))
    }
}

impl Entry for Reception {
    fn key_times(&self, policy: Option<&str>) -> KeyTimes {
        let profile = self.profiles.get(policy.unwrap_or(&self.default));
        let wait =
            |wait: fn(&Profile) -> Duration| profile.map_or(KEYS_WITHIN, |known| wait(known));
        KeyTimes {
            digit: wait(|profile| profile.capture.digit_timeout),
            customer_number: wait(|profile| profile.capture.customer_number_timeout),
        }
    }

    fn delivered(
        &self,
        delivered: Delivered,
        policy: Option<&str>,
        leg: Box<dyn Leg>,
    ) -> Result<CallHandle, Refused> {
        let profile = self.profiles.get(policy.unwrap_or(&self.default)).ok_or(Refused)?;
        let id = CallId::new(self.world.clock.wall(), rand::random());
        let carrier = Carrier::new(Arc::clone(&self.world), id.clone(), leg, Arc::clone(profile));
        self.calls.start(&id, delivered, Arc::clone(profile), carrier).map_err(|_| Refused)
    }

    fn find(&self, platform: &PlatformName, call: &PlatformCallId) -> Option<CallHandle> {
        self.calls.of_platform(platform, call)
    }
}

#[async_trait]
impl Desk for Reception {
    async fn request(&self, asker: Asker, call: &str, request: Request) -> Result<(), Refusal> {
        let Some(call) = self.calls.find(call) else {
            let nodes = self.nodes.as_ref().ok_or(Refusal::NoSuchCall)?;
            return nodes.request(asker, call, request).await;
        };
        self.world.replies.ask(&call, |reply| Input::Request { asker, request, reply }).await
    }
}
