//! The same call on every platform: a script knows a caller, and each platform has callers that follow
//! its vendor's rules.

pub(crate) mod audiohook;

use crate::harness::Daemon;

/// What a caller notices next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Notices {
    /// This PIN position is asked.
    Position(u8),
    /// The customer number is asked.
    CustomerNumber,
    /// The platform was told to send the caller on, or did.
    Routed,
    /// The machine hung up.
    HungUp,
}

/// How a caller comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rings {
    /// The number, as a trunk asserts it that is trusted (`None`: withheld).
    pub(crate) ani: Option<String>,
    /// The handle of the app.
    pub(crate) intent: Option<String>,
}

/// A platform, set up beside a daemon.
pub(crate) trait Platform {
    /// The settings it needs, on top of a trusted trunk `office` and cheap PIN checks.
    fn settings() -> String;
    /// Connects to a daemon that has them.
    fn beside(daemon: &Daemon) -> Self;
    /// A caller rings; comes back once the daemon has the call.
    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_>;
    /// The line between platform and daemon breaks, with the calls that are on it, and comes back.
    fn line_breaks(&self, caller: &mut dyn Caller);
}

/// Somebody on the phone.
pub(crate) trait Caller {
    /// The platform's id of the call.
    fn name(&self) -> String;
    /// Waits for what comes next; phrases that ask nothing are passed over.
    fn notices(&mut self) -> Notices;
    /// Presses a key.
    fn presses(&mut self, key: char);
    /// Hangs up.
    fn hangs_up(&mut self);
}
