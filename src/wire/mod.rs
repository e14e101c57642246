//! proto/JSON ↔ model: what goes over a wire, as plain values. Pure.

pub mod ari;
pub mod audiohook;
pub mod desktop;
pub mod directive;
pub mod events;
pub mod identity;
pub mod outbound;
pub mod percent;
pub mod relay;
pub mod server;
