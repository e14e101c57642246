//! SIP without IO: messages, transactions and dialogs as plain values and decisions.

pub mod agent;
pub mod body;
pub mod dialog;
pub mod message;
pub mod network;
pub mod reply;
pub mod sdp;
pub mod transaction;
