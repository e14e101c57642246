//! The daemon from outside: its files, its protocols, and whole calls.

#[path = "../servers/ari.rs"]
mod ari_server;
mod asterisk;
mod audiohook;
mod audit;
mod balancer;
#[path = "../servers/certificates.rs"]
mod certificates;
mod clients;
mod cluster;
mod config;
mod d06_node_killed;
mod desktop;
mod event_load;
mod events;
mod faults;
mod fraud;
mod genesys;
mod genesys_cloud;
#[path = "../servers/genesys.rs"]
mod genesys_server;
mod grpc;
mod hangups;
mod harness;
mod identity;
mod intents;
#[path = "../servers/kamailio.rs"]
mod kamailio;
mod leaks;
mod load;
mod load_desktops;
mod lockout;
mod mail;
mod p01_told_means_kept;
mod p02_power_loss;
mod p03_fsync_before_tell;
mod p05_redis_may_vanish;
mod p06_ledger_down;
mod p07_desks_resume;
mod p08_slow_desk;
mod p11_no_secret_leaks;
mod pin_generate;
mod pins;
mod platforms;
#[path = "../servers/postgres.rs"]
mod postgres;
mod promises;
mod proto;
mod records_copy;
#[path = "../servers/redis.rs"]
mod redis_server;
mod rows;
mod secrets;
mod sip;
mod sip_messages;
#[path = "../servers/smtp.rs"]
mod smtp_server;
mod systemd;
mod walkthrough;
mod webhooks;
