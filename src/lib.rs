//! Countersign: decides how far a caller may be trusted while the call still rings, collects PIN
//! digits from the phone's keypad, and tells the agent's desktop. The modules, in the order of the
//! data's way; `ARCHITECTURE.md` has the map and the rule who may name whom.

pub mod account; // decides about an account
pub mod call; // decides about a call
pub mod config; // text → checked values
pub mod follow_up; // decides what happens after a call: call-backs, letters, reports
pub mod limits; // decides who asks too often, and when to raise an alarm
pub mod model; // words
pub mod outbound; // decides who proves themselves first when we call
pub mod policy; // rules as data
pub mod rtp; // RTP without IO
pub mod sip; // SIP without IO
pub mod stats; // counts what supervisors watch
pub mod wire; // JSON ↔ model

#[cfg(feature = "daemon")]
pub mod api; // REST and the way to the sockets
#[cfg(feature = "daemon")]
pub mod app; // composition root
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod cluster; // asks other nodes, and is asked
#[cfg(feature = "daemon")]
pub mod effects; // carries out
#[cfg(feature = "daemon")]
pub mod engine; // drives: one task per call
#[cfg(feature = "daemon")]
pub mod files; // our own files
#[cfg(feature = "daemon")]
pub mod grpc; // events of platforms that speak gRPC
#[cfg(feature = "daemon")]
pub mod health; // how the backends are
#[cfg(feature = "daemon")]
pub mod lifecycle; // start and stop
#[cfg(feature = "daemon")]
pub mod maintenance; // PIN maintenance
#[cfg(feature = "daemon")]
pub mod outbox; // sends what is due
#[cfg(feature = "daemon")]
pub mod pin; // verifies PINs and passwords
#[cfg(feature = "daemon")]
pub mod platform; // hears and speaks
#[cfg(feature = "daemon")]
pub mod prompts; // the prompt pack
#[cfg(feature = "daemon")]
pub mod push; // desktops
#[cfg(feature = "daemon")]
pub mod records; // durable truth
#[cfg(feature = "daemon")]
pub mod sessions; // live state
#[cfg(feature = "daemon")]
pub mod sim; // the test caller and the demo
#[cfg(feature = "daemon")]
pub mod sockets; // the door of every WebSocket
#[cfg(feature = "daemon")]
pub mod telemetry; // logs and metrics
#[cfg(feature = "daemon")]
pub mod web; // pages // one file per command

#[cfg(all(test, feature = "daemon"))]
#[path = "../tests/servers/certificates.rs"]
mod certificates;
