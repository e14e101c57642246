//! The daemon from outside: its files, its protocols, and whole calls.

mod balancer;
mod config;
mod desktop;
mod events;
mod faults;
mod fraud;
mod hangups;
mod harness;
mod identity;
mod intents;
#[path = "../servers/kamailio.rs"]
mod kamailio;
mod leaks;
mod load;
mod lockout;
mod p01_told_means_kept;
mod p03_fsync_before_tell;
mod p08_slow_desk;
mod p11_no_secret_leaks;
mod promises;
mod proto;
mod rows;
mod secrets;
mod sip;
mod sip_messages;
mod systemd;
