//! What a check brings along: resets, blocks lifted, follow-ups, proofs of our own (C41–C85, OB-1).

use std::sync::Arc;

use crate::call::effect::Effect;
use crate::call::input::Down;
use crate::call::input::Input;
use crate::call::input::Material;
use crate::effects::Carrier;
use crate::effects::World;
use crate::effects::after_event;
use crate::effects::lookup;
use crate::effects::report;
use crate::effects::timed;
use crate::engine::CallHandle;
use crate::engine::Taken;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::outbound::Method;
use crate::records;

/// Whom a report is about when nobody was identified.
const NOBODY: &str = "unknown";

impl Carrier {
    /// The effects of this file; everything else comes back.
    pub(super) fn afterwards(&mut self, effect: Effect, taken: Taken, call: &CallHandle) {
        let world = Arc::clone(&self.world);
        let now = taken.now.wall;
        let id = self.call.clone();
        match effect {
            Effect::LookUpCustomer { customer, said, by, reply } => self.ask(call, async move {
                let found = lookup::named(&world, &customer, now).await;
                Input::PartyLookedUp { said, by, reply, found }
            }),
            Effect::Asked { customer, keys } => self.later(async move {
                let asked = world.records.asked(&customer, &id, &keys, now);
                report("asked", timed("asked", asked).await);
            }),
            Effect::ResetSecurity { customer, by, reason, recovered, rule, reply } => {
                let reset = Reset { customer, by: by.to_string(), reason, recovered, rule };
                self.ask(call, async move {
                    let after = reset.carry_out(&world, &id, now).await;
                    Input::SecurityReset { reply, after: after.map(after_event) }
                });
            }
            Effect::Unblock { customer, by, reason, reply } => self.ask(call, async move {
                let by = by.to_string();
                let unblocked = world.records.unblock(&customer, &by, &reason, Some(&id), now);
                let after = timed("unblock", unblocked).await.map(after_event);
                Input::Unblocked { reply, after }
            }),
            Effect::FollowUp(what) => self.follow_up(what, now),
            Effect::ProofMaterial { customer, method, by, reply } => self.ask(call, async move {
                let material = material(&world, &customer, method, now).await;
                Input::ProofMaterial { method, by, reply, material }
            }),
            Effect::CompareLetter { customer, said, reply } => self.ask(call, async move {
                let compared = world.records.compare_letter_code(&customer, &said, now);
                let (agrees, wrong_before) = match timed("letter_code", compared).await {
                    Ok(compared) => {
                        if compared.agrees == Some(false) {
                            world.guard.letter_code_wrong(taken.now);
                        }
                        (Ok(compared.agrees), compared.wrong_before)
                    }
                    Err(Down) => (Err(Down), 0),
                };
                Input::LetterCompared { agrees, wrong_before, reply }
            }),
            Effect::ShowInApp(numbers) => {
                let customer = self.customer.clone();
                self.world.in_app.show(&self.call, customer, self.agent.clone(), numbers, now);
            }
            Effect::AwaitCallBack { customer, reference, expires_at } => self.later(async move {
                let kept =
                    world.records.await_call_back(&customer, &id, &reference, expires_at, now);
                report("await_call_back", timed("await_call_back", kept).await);
            }),
            _ => {}
        }
    }

    fn follow_up(&self, what: Occasion, now: Timestamp) {
        let world = Arc::clone(&self.world);
        let nobody = || CustomerId::try_from(NOBODY.to_owned()).ok();
        let Some(customer) = self.customer.clone().or_else(nobody) else { return };
        let occurred = Occurred {
            call: self.call.clone(),
            customer,
            profile: self.profile.name.clone(),
            rules: self.profile.follow_up.clone(),
            at: now,
            what,
        };
        self.later(async move {
            let followed = timed("follow_up", world.records.follow_up(occurred, now)).await;
            report("follow_up", followed.map(drop));
        });
    }
}

/// A reset of security details, asked for or earned by the way back.
struct Reset {
    customer: CustomerId,
    by: String,
    reason: String,
    recovered: bool,
    rule: crate::account::BlockRule,
}

impl Reset {
    /// X05: the call's own failure is taken back, the details are reset, a block is lifted.
    async fn carry_out(
        &self,
        world: &World,
        call: &CallId,
        now: Timestamp,
    ) -> Result<records::AccountAfter, Down> {
        let Self { customer, by, reason, recovered, rule } = self;
        if *recovered {
            let passed = records::CallResult::Passed;
            let result = world.records.call_result(call, customer, passed, *rule, now);
            timed("call_result", result).await.map(drop)?;
        }
        let reset = world.records.reset_security(customer, by, reason, Some(call), now);
        let after = timed("reset_security", reset).await?;
        if *recovered && after.standing == crate::account::Standing::Blocked {
            let unblocked = world.records.unblock(customer, by, reason, Some(call), now);
            return timed("unblock", unblocked).await;
        }
        Ok(after)
    }
}

async fn material(
    world: &World,
    customer: &CustomerId,
    method: Method,
    now: Timestamp,
) -> Result<Material, Down> {
    let letter = match method {
        // Spent as it is fetched: whatever happens then, our half is spoken once (O09).
        Method::Letter => {
            timed("letter_code", world.records.take_letter_code(customer, now)).await?
        }
        Method::App | Method::CallBack | Method::Waive => None,
    };
    Ok(Material { random: rand::random(), letter })
}
