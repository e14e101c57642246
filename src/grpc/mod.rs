//! gRPC: the same events as over HTTP, on the same way into the same calls (contract §4).
//!
//! ```text
//!  Publish, Exchange ─> lanes.rs ─> words.rs ─> api::intake ─> … as POST /v1/events
//!        ^               (order of    (pure)                        │
//!        │                a call)                                   │
//!        '── words.rs <── following.rs <── platform::http <─────────'
//! ```

mod directives;
mod following;
mod health;
mod lanes;
pub mod proto;
mod server;
mod service;
mod words;

pub use crate::grpc::server::Grpc;
pub use crate::grpc::server::GrpcError;
pub use crate::grpc::service::Parts;
