//! The daemon from outside: its files, its protocols, and whole calls.

mod config;
mod desktop;
mod events;
mod faults;
mod fraud;
mod hangups;
mod harness;
mod identity;
mod intents;
mod leaks;
mod load;
mod lockout;
mod p01_told_means_kept;
mod p02_power_loss;
mod p03_fsync_before_tell;
mod p06_ledger_down;
mod p07_desks_resume;
mod p08_slow_desk;
mod p11_no_secret_leaks;
#[expect(dead_code, reason = "the library's tests use more of it")]
#[path = "../servers/postgres.rs"]
mod postgres;
mod promises;
mod proto;
mod records_copy;
mod rows;
mod secrets;
mod sip;
mod sip_messages;
mod systemd;
