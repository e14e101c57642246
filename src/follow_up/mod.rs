//! DECIDES what follows a call: call-backs, letters, reports, marks. Pure.
//!
//! ```text
//!  call ──► Occurred ──► decide::occurred ──┐             ┌─► Step::Open    a job, for people or for a time
//!  people, a due time ─► decide::happened ──┴─► [Step] ───┼─► Step::Change  a job goes on or ends
//!                                                         └─► Step::Send    an item on its way out
//!
//!  blocked ─► Unblock ─ failed, unreachable ─► letters, Renewal ─ 7 days ─► SMS or reminder ─ 7 days ─► closed
//! ```
//! Records carry the steps out in one transaction; the outbox brings the items to their receivers.

mod decide;
pub mod export;
pub mod item;
pub mod job;
pub mod letter;
pub mod occasion;
pub mod retry;
pub mod rules;

pub use crate::follow_up::decide::Context;
pub use crate::follow_up::decide::Refused;
pub use crate::follow_up::decide::Step;
pub use crate::follow_up::decide::happened;
pub use crate::follow_up::decide::occurred;
pub use crate::follow_up::item::ItemKind;
pub use crate::follow_up::item::Mark;
pub use crate::follow_up::item::NewItem;
pub use crate::follow_up::job::JobEvent;
pub use crate::follow_up::job::JobId;
pub use crate::follow_up::job::JobKind;
pub use crate::follow_up::job::JobLine;
pub use crate::follow_up::job::JobState;
pub use crate::follow_up::job::NewJob;
pub use crate::follow_up::occasion::Factor;
pub use crate::follow_up::occasion::Occasion;
pub use crate::follow_up::occasion::Occurred;
pub use crate::follow_up::rules::Rules;
pub use crate::model::call_kind::Direction;

#[cfg(test)]
mod stories;
