//! TRIES. The test caller: a telephone behind a trunk that places real SIP and RTP calls, and the scenes of
//! the demo.
//!
//! ```text
//! plan -> caller (sockets, clock) -> phone (SIP, no I/O) -> voice (RTP, no I/O) -> fingers -> keys
//!                                       `-> report -> summary
//! ```

mod answering;
mod asking;
pub mod caller;
mod dialog;
mod fingers;
mod invite;
mod phone;
pub mod plan;
pub mod report;
pub mod script;
#[cfg(test)]
mod stories;
mod summary;
#[cfg(test)]
mod switch;
mod voice;

pub use caller::Hand;
pub use caller::Heard;
pub use caller::place;
pub use caller::place_by_hand;
pub use plan::CallPlan;
pub use plan::FromLine;
pub use plan::KeyWay;
pub use plan::ReferAnswer;
pub use report::CallReport;
pub use report::Outcome;
pub use script::Scene;
pub use script::demo_customers;
pub use script::scenes;
pub use summary::Summary;
pub use voice::Ears;
