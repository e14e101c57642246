//! PIN entries: positions drawn, an entry reserved before it is judged, and settled before it is told.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use crate::call::effect::Subject;
use crate::call::input::Down;
use crate::call::input::Input;
use crate::call::input::Ticket;
use crate::effects::Carrier;
use crate::effects::World;
use crate::effects::after_event;
use crate::effects::judging;
use crate::effects::timed;
use crate::engine::CallHandle;
use crate::engine::Taken;
use crate::model::auth::Verdict;
use crate::model::time::Timestamp;
use crate::records::AttemptId;
use crate::records::RecordsError;
use crate::records::Reservation;
use crate::records::Settlement;

impl Carrier {
    pub(super) fn draw(&mut self, subject: Subject, taken: Taken, call: &CallHandle) {
        let world = Arc::clone(&self.world);
        let key = self.watch.take_key();
        let now = taken.now.wall;
        let what = match &subject {
            Subject::Account(_) | Subject::Closed(_) => "positions_asked",
            Subject::Stranger(_) => "positions_made_up",
        };
        let asked = self.audit(taken, "system".into(), what, serde_json::json!({}));
        self.ask(call, async move {
            // Sticky positions write nothing of their own. The line of the audit chain does, for
            // everybody: nobody hears from the pause who exists (5.1).
            let asking = async {
                match subject {
                    Subject::Account(id) | Subject::Closed(id) => {
                        let challenge = world.records.challenge(&id, rand::random(), now);
                        let (positions, noted) =
                            tokio::join!(challenge, world.records.audit(asked));
                        noted.and(positions)
                    }
                    Subject::Stranger(claimed) => {
                        let noted = world.records.audit(asked).await;
                        noted.map(|()| world.pins.made_up_positions(&claimed.0))
                    }
                }
            };
            let drawn = timed("challenge", asking).await;
            world.guard.pace(key).await;
            Input::Drawn(drawn)
        });
    }

    pub(super) fn reserve(&self, entry: Entry, taken: Taken, call: &CallHandle) {
        let world = Arc::clone(&self.world);
        let id = self.call.clone();
        let now = taken.now.wall;
        let dummy = self.audit(
            taken,
            "system".into(),
            "pin_entry_without_account",
            serde_json::json!({ "entry": entry.number }),
        );
        self.ask(call, async move {
            Input::Reserved(match entry.subject {
                Subject::Account(customer) => {
                    let Entry { number, last, positions, rule, .. } = entry;
                    let reservation = Reservation {
                        call: id,
                        customer,
                        entry: number,
                        last,
                        positions,
                        rule,
                        at: now,
                    };
                    let reserving = async {
                        match world.records.reserve(reservation).await {
                            Ok(attempt) => Ok(Ticket::Attempt(attempt.0)),
                            // Closed meanwhile, by another call: from here on it is one who cannot pass.
                            Err(RecordsError::Refused) => {
                                world.records.audit(dummy).await.map(|()| Ticket::Dummy)
                            }
                            Err(error) => Err(error),
                        }
                    };
                    timed("reserve", reserving).await
                }
                // The same time on disk for those who cannot pass (5.1).
                Subject::Closed(_) | Subject::Stranger(_) => {
                    timed("reserve", world.records.audit(dummy)).await.map(|()| Ticket::Dummy)
                }
            })
        });
    }

    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        verdict: Option<Verdict>,
        taken: Taken,
        call: &CallHandle,
    ) {
        let world = Arc::clone(&self.world);
        let now = taken.now.wall;
        let customer = self.customer.clone();
        let key = self.watch.take_key();
        let dummy = self.audit(taken, "system".into(), "pin_entry_refused", serde_json::json!({}));
        self.ask(call, async move {
            let how = match verdict {
                Some(Verdict::Correct) => Settlement::Correct,
                Some(Verdict::Wrong) => Settlement::Wrong,
                None => Settlement::Void,
            };
            let settled = match ticket {
                Ticket::Attempt(attempt) => {
                    let attempt = AttemptId(attempt);
                    let settled = timed("settle", world.records.settle(attempt, how, now)).await;
                    if settled.is_err() {
                        world.tasks.spawn(void_later(Arc::clone(&world), attempt, now));
                    }
                    settled.map(|after| after_event(&world.stats, now, after))
                }
                Ticket::Dummy => match timed("settle", world.records.audit(dummy)).await {
                    Ok(()) => Ok(judging::standing_of(&world, customer).await),
                    Err(Down) => Err(Down),
                },
            };
            world.guard.pace(key).await;
            Input::Settled(settled)
        });
    }
}

/// One entry to reserve.
pub(super) struct Entry {
    pub(super) subject: Subject,
    pub(super) number: u8,
    pub(super) last: bool,
    pub(super) positions: crate::model::digits::Positions,
    pub(super) rule: crate::account::BlockRule,
}

/// The agent was told that nothing was counted: make that true as soon as the records are back. An
/// attempt that was settled after all is left alone.
async fn void_later(world: Arc<World>, attempt: AttemptId, now: Timestamp) {
    for wait in [1, 2, 4, 8, 16, 32, 64, 128] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        if world.records.settle(attempt, Settlement::Void, now).await.is_ok() {
            return;
        }
    }
    error!(
        attempt = attempt.0,
        "an attempt could not be settled; it counts as wrong at the next start"
    );
}
