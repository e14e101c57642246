//! Finds whom a call is about: by number, by the app's intent, by the number keyed.

use std::time::Duration;

use metrics::counter;
use tokio::time::timeout;

use crate::call::effect::Claimed;
use crate::call::input::Down;
use crate::call::input::IntentFound;
use crate::call::input::Known;
use crate::call::input::Lookup;
use crate::call::input::NumberMatch;
use crate::call::input::NumberOnFile;
use crate::call::input::PresentedIntent;
use crate::call::saved::Saved;
use crate::effects::World;
use crate::effects::guarding::restrict;
use crate::effects::timed;
use crate::limits::Source;
use crate::model::call_kind::Direction;
use crate::model::caller::Caller;
use crate::model::ids::CustomerId;
use crate::model::number::PhoneNumber;
use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::sessions::Redeemed;
use crate::sessions::SessionsError;

/// No call waits longer for the session store (P5); an intent that comes late is worth nothing.
const SESSIONS_MAX: Duration = Duration::from_millis(100);

/// What a call brings along to be looked up.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) dnis: String,
    pub(crate) intent: Option<PresentedIntent>,
    pub(crate) claimed: Option<CustomerId>,
    pub(crate) direction: Direction,
}

/// Looks a caller up before answer.
pub(crate) async fn caller(world: &World, asked: Asked, now: Now) -> Lookup {
    let Asked { caller, dnis, intent, claimed, direction } = asked;
    let source = world.guard.source(&caller);
    let wall = now.wall;
    let dialled = PhoneNumber::parse_lenient(&dnis, None).ok();
    // On an outbound call the customer is the one we dialled.
    let number = match direction {
        Direction::Inbound => caller.number(),
        Direction::Outbound => dialled.as_ref(),
    };
    let intent = match intent.filter(|_| direction == Direction::Inbound) {
        None => IntentFound::NotPresented,
        Some(PresentedIntent::Unreadable) => IntentFound::Refused("unreadable"),
        Some(PresentedIntent::Handle(handle)) => {
            let redeemed = timeout(SESSIONS_MAX, world.sessions.redeem_intent(&handle, wall)).await;
            match redeemed.unwrap_or_else(|_| Err(SessionsError("no answer in time".into()))) {
                Ok(Redeemed::Good(intent)) => {
                    match known(world, &intent.customer, number, wall).await {
                        Err(Down) => IntentFound::Refused("unavailable"),
                        Ok(customer) => IntentFound::Good {
                            customer,
                            number_agrees: number == Some(&intent.number),
                            dnis_agrees: intent
                                .dnis
                                .as_deref()
                                .is_none_or(|announced| same_number(announced, &dnis)),
                        },
                    }
                }
                Ok(Redeemed::Expired) => IntentFound::Refused("expired"),
                Ok(Redeemed::Used) => IntentFound::Refused("used"),
                Ok(Redeemed::Unknown) => IntentFound::Refused("unknown"),
                Err(_) => IntentFound::Refused("unavailable"),
            }
        }
    };
    if let IntentFound::Refused(why) = intent {
        counter!("countersign_intents_refused_total", "why" => why).increment(1);
    }
    let mut intent = intent;
    let mut by_number = match (by_number(world, number, wall).await, claimed) {
        (Ok(NumberMatch::One(owner)), Some(claimed)) if owner.id == claimed => {
            Ok(NumberMatch::One(owner))
        }
        // A claim names whom a shared or unknown number could not; it proves nothing.
        (Ok(_), Some(claimed)) => {
            let found = known(world, &claimed, number, wall).await;
            found.map(|found| found.map_or(NumberMatch::Nobody, NumberMatch::One))
        }
        (found, _) => found,
    };
    let mut alarm = None;
    if direction == Direction::Outbound {
        return Lookup { by_number, intent, alarm };
    }
    // Whoever comes by the app has shown more than a number (5.8).
    if !matches!(intent, IntentFound::Good { number_agrees: true, .. })
        && let Some(found) = about(&mut intent, &mut by_number)
    {
        let advice = world.guard.asked(&source, found.id.as_str(), now);
        alarm = restrict(found, advice);
    }
    Lookup { by_number, intent, alarm }
}

/// Whom the call would be about.
fn about<'a>(
    intent: &'a mut IntentFound,
    by_number: &'a mut Result<NumberMatch, Down>,
) -> Option<&'a mut Known> {
    match (intent, by_number) {
        (IntentFound::Good { customer: Some(known), .. }, _) | (_, Ok(NumberMatch::One(known))) => {
            Some(known)
        }
        _ => None,
    }
}

/// Whether two dialled numbers are one, however they are written.
fn same_number(one: &str, other: &str) -> bool {
    let plain = |text: &str| PhoneNumber::parse_lenient(text, None);
    one == other || matches!((plain(one), plain(other)), (Ok(one), Ok(other)) if one == other)
}

async fn by_number(
    world: &World,
    number: Option<&PhoneNumber>,
    now: Timestamp,
) -> Result<NumberMatch, Down> {
    let Some(number) = number else { return Ok(NumberMatch::Nobody) };
    let owners = timed("by_number", world.records.customers_with_number(number, 2)).await?;
    match owners.as_slice() {
        [] => Ok(NumberMatch::Nobody),
        [one] => {
            let found = known(world, one, Some(number), now).await?;
            Ok(found.map_or(NumberMatch::Nobody, NumberMatch::One))
        }
        _ => Ok(NumberMatch::Several),
    }
}

/// The customer with the keyed number. Advice is asked and records are read in the same way whether
/// or not there is one (5.1).
pub(crate) async fn keyed(
    world: &World,
    claimed: &Claimed,
    source: Option<Source>,
    now: Now,
) -> Result<Option<Box<Known>>, Down> {
    let advice = source.map(|source| world.guard.asked(&source, &claimed.0, now));
    let owner = timed("by_keypad", world.records.customer_by_keypad(&claimed.0)).await?;
    let owner = match owner {
        Some(owner) => Some(owner),
        None => called_back(world, &claimed.0, now.wall).await?,
    };
    let there = owner.is_some();
    let Some(id) = owner.or_else(nobody) else { return Ok(None) };
    let mut found = known(world, &id, None, now.wall).await?.filter(|_| there);
    if let (Some(found), Some(advice)) = (&mut found, advice) {
        // The class was decided before anything was keyed.
        let _ = restrict(found, advice);
    }
    Ok(found)
}

/// Whom we had tried to reach when we gave out this reference (O07). It names them and proves nothing.
async fn called_back(
    world: &World,
    reference: &str,
    now: Timestamp,
) -> Result<Option<CustomerId>, Down> {
    let six = reference.len() == 6 && reference.bytes().all(|byte| byte.is_ascii_digit());
    if !six {
        return Ok(None);
    }
    let contact = timed("redeem_reference", world.records.redeem_reference(reference, now)).await?;
    Ok(contact.map(|contact| contact.customer))
}

/// An id for reads that are made for their time alone; what they find is never used.
pub(super) fn nobody() -> Option<CustomerId> {
    CustomerId::try_from("no customer".to_owned()).ok()
}

/// The customer whom an agent named.
pub(crate) async fn named(
    world: &World,
    id: &CustomerId,
    now: Timestamp,
) -> Result<Option<Box<Known>>, Down> {
    if let Some(known) = known(world, id, None, now).await? {
        return Ok(Some(known));
    }
    match called_back(world, id.as_str(), now).await? {
        Some(id) => known(world, &id, None, now).await,
        None => Ok(None),
    }
}

/// The customer of a call that another node had, as the records have them now.
pub async fn again(
    world: &World,
    id: &CustomerId,
    saved: &Saved,
    now: Timestamp,
) -> Result<Option<Box<Known>>, Down> {
    let dialled = PhoneNumber::parse_lenient(&saved.dnis, None).ok();
    let number = match saved.direction {
        Direction::Inbound => saved.caller.number(),
        Direction::Outbound => dialled.as_ref(),
    };
    known(world, id, number, now).await
}

async fn known(
    world: &World,
    id: &CustomerId,
    number: Option<&PhoneNumber>,
    now: Timestamp,
) -> Result<Option<Box<Known>>, Down> {
    let customer = timed("customer", world.records.customer(id)).await?;
    let account = timed("account", world.records.account(id)).await?;
    let Some(customer) = customer else { return Ok(None) };
    let account = account.unwrap_or_default();
    let entry = customer.numbers.iter().find(|entry| Some(&entry.number) == number);
    let number = entry.map_or(NumberOnFile::No, |entry| {
        entry.since.map_or(NumberOnFile::Undated, NumberOnFile::Since)
    });
    Ok(Some(Box::new(Known {
        seed: world.pins.question_seed(&customer.id, account.round),
        name: customer.name,
        role: customer.role,
        flags: customer.flags,
        standing: account.standing(),
        has_pin: account.has_pin(),
        number,
        answers: customer.facts,
        represents: customer.represents,
        failed_calls: account.failed_calls,
        has_number: !customer.numbers.is_empty(),
        compensated: account.compensated,
        recently_asked: account.recently_asked(),
        disclosed: account.disclosed_lately(now),
        id: customer.id,
    })))
}
