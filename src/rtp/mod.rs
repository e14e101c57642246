//! RTP without I/O: packets, keys in their three ways, G.711 prompts, and one leg's media.
//!
//! ```text
//! datagram -> packet -> latch -> telephone_event --\
//!                          `---> g711 -> inband ----> merge -> MediaEvent::Key
//! SIP INFO --------------------> info -------------/
//! prompt pack -> prompt -> session.tick() every 20 ms -> datagram
//! ```

pub mod g711;
pub mod inband;
pub mod info;
pub mod latch;
pub mod merge;
pub mod packet;
pub mod prompt;
pub mod recognise;
pub mod session;
pub mod telephone_event;
