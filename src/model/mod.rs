//! WORDS. The types of the trade, shared by everything: no I/O, no clock, no opinion.

pub mod auth;
pub mod call_kind;
pub mod caller;
pub mod cause;
pub mod customer;
#[cfg(test)]
pub(crate) mod dice;
pub mod digits;
pub mod disclosure;
pub mod email;
pub mod ids;
pub mod link_purpose;
pub mod number;
pub mod party;
pub mod sealed_pin;
pub mod time;
