//! Judging secrets: the same reads and the same work for everybody (5.1, 5.3).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use crate::account::Standing;
use crate::call::effect::Subject;
use crate::call::input::After;
use crate::call::input::Down;
use crate::call::input::Judgement;
use crate::effects::World;
use crate::effects::lookup::nobody;
use crate::effects::timed;
use crate::model::auth::Verdict;
use crate::model::digits::Positions;
use crate::model::digits::SecretKeys;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::pin::PinError;
use crate::records::RecordsError;

/// What is noted beside a call is given up after this.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn judge(
    world: &World,
    subject: Subject,
    positions: Positions,
    keys: SecretKeys,
) -> Judgement {
    let (account, sealed) = match subject {
        Subject::Account(id) => match timed("sealed_pin", world.records.sealed_pin(&id)).await {
            Ok(sealed) => (Some(id), sealed),
            Err(Down) => return Judgement::Unavailable,
        },
        // The same read, the same work: nobody can tell from the time who exists (5.1, 5.3).
        Subject::Closed(id) => match timed("sealed_pin", world.records.sealed_pin(&id)).await {
            Ok(_) => {
                note_early(world, &id);
                (Some(id), None)
            }
            Err(Down) => return Judgement::Unavailable,
        },
        Subject::Stranger(_) => match nobody() {
            Some(id) => match timed("sealed_pin", world.records.sealed_pin(&id)).await {
                Ok(_) => (Some(id), None),
                Err(Down) => return Judgement::Unavailable,
            },
            None => (None, None),
        },
    };
    let Some(account) = account else { return Judgement::Unavailable };
    judged(world.pins.verify(&account, sealed, positions, keys).await)
}

/// P22: who keys a PIN that waits for its link skipped the mail. Noted beside the call, so that the
/// caller waits for nothing; the records keep the first time alone.
fn note_early(world: &World, id: &CustomerId) {
    let (records, id, now) = (Arc::clone(&world.records), id.clone(), world.clock.wall());
    world.tasks.spawn(async move {
        let noting = async {
            let account = records.account(&id).await?;
            if account.is_some_and(|account| account.initialized && !account.enabled) {
                records.tried_early(&id, now).await?;
            }
            Ok::<_, RecordsError>(())
        };
        match timeout(NOTED_WITHIN, noting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "a PIN that was used before its link is not on record"),
            Err(_) => {
                warn!("a PIN that was used before its link is not on record: no answer in time");
            }
        }
    });
}

pub(super) async fn judge_password(
    world: &World,
    customer: Option<CustomerId>,
    said: SecretText,
) -> Judgement {
    let verifier = match customer {
        Some(id) => timed("password_verifier", world.records.password_verifier(&id)).await,
        None => Ok(None),
    };
    match verifier {
        Err(Down) => Judgement::Unavailable,
        Ok(verifier) => judged(world.pins.verify_password(verifier, said).await),
    }
}

fn judged(outcome: Result<Verdict, PinError>) -> Judgement {
    match outcome {
        Ok(verdict) => Judgement::Verdict(verdict),
        Err(error) => {
            warn!(%error, "a secret could not be checked");
            Judgement::Unavailable
        }
    }
}

pub(super) async fn standing_of(world: &World, customer: Option<CustomerId>) -> After {
    let there = customer.is_some();
    let account = match customer.or_else(nobody) {
        Some(id) => timed("account", world.records.account(&id)).await.ok().flatten(),
        None => None,
    };
    let standing = account.filter(|_| there).map_or(Standing::Open, |account| account.standing());
    After { standing, call_failed: false }
}
