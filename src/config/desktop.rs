//! `[desktop]`: the WebSocket of agents.

use std::time::Duration;

use crate::config::table::Table;

/// Life signs and limits of a desktop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Desktop {
    /// How often a desktop gives a sign of life; silent for two periods: closed.
    pub heartbeat: Duration,
    /// Frames that may wait for a slow desktop before states are conflated.
    pub queue_messages: usize,
}

pub(crate) fn read(mut table: Table<'_>) -> Desktop {
    let desktop = Desktop {
        heartbeat: table.seconds("heartbeat_s", 15, 1..=300),
        queue_messages: table.number("queue_messages", 256, 8..=65_536),
    };
    table.end();
    desktop
}
