//! What a check brings along: resets, blocks lifted, follow-ups, proofs of our own (C41–C85, OB-1).

use std::sync::Arc;
use std::sync::PoisonError;

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
use crate::model::digits::SecretText;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::outbound::Method;
use crate::outbound::codes::SpokenCode;
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
                    let after = after.map(|after| after_event(&world.stats, now, after));
                    Input::SecurityReset { reply, after }
                });
            }
            Effect::Unblock { customer, by, reason, reply } => self.ask(call, async move {
                let by = by.to_string();
                let unblocked = world.records.unblock(&customer, &by, &reason, Some(&id), now);
                let after = timed("unblock", unblocked).await;
                let after = after.map(|after| after_event(&world.stats, now, after));
                Input::Unblocked { reply, after }
            }),
            Effect::FollowUp(what) => self.follow_up(what, now),
            Effect::ProofMaterial { customer, method, by, reply } => {
                let until = now.after(self.profile.outbound.reference_ttl());
                let letter = Arc::clone(&self.letter);
                self.ask(call, async move {
                    let asked = material(&world, &customer, &id, method, (now, until)).await;
                    let material = asked.map(|(material, theirs)| {
                        *letter.lock().unwrap_or_else(PoisonError::into_inner) = theirs;
                        material
                    });
                    Input::ProofMaterial { method, by, reply, material }
                });
            }
            Effect::CompareLetter { said, reply } => {
                let letter = Arc::clone(&self.letter);
                self.ask(call, async move {
                    // Once: a second try would be a guess.
                    let theirs = letter.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let agrees = theirs.map(|theirs| theirs.same_digits(&said));
                    if agrees == Some(false) {
                        // The guard counts the day's wrong codes and raises the alarm.
                        world.guard.letter_code_wrong(taken.now);
                    }
                    Input::LetterCompared { agrees: Ok(agrees), wrong_before: 0, reply }
                });
            }
            Effect::ShowInApp(numbers) => {
                let customer = self.customer.clone();
                self.world.in_app.show(&self.call, customer, self.agent.clone(), numbers, now);
            }
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
            let followed = timed("follow_up", world.records.follow_up(occurred)).await;
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
    call: &CallId,
    method: Method,
    (now, until): (Timestamp, Timestamp),
) -> Result<(Material, Option<SecretText>), Down> {
    let (pair, random) = match method {
        // Spent as it is fetched: whatever happens then, our half is spoken once (O09).
        Method::Letter => {
            let pair = world.records.take_codes(customer, call, now);
            (timed("take_codes", pair).await?, rand::random())
        }
        // The reference is drawn where it is kept, so that no two calls wait for the same one (O07).
        Method::CallBack => {
            let reference = world.records.call_back_reference(customer, call, now, until);
            let reference = timed("call_back_reference", reference).await?;
            (None, reference.parse().map_err(|_| Down)?)
        }
        Method::App | Method::Waive => (None, rand::random()),
    };
    let letter = pair.as_ref().and_then(|pair| SpokenCode::six(pair.ours.expose()).ok());
    Ok((Material { random, letter }, pair.map(|pair| pair.theirs)))
}
