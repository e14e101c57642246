//! How often the public may ask, by address and by account (5.1, 5.2), and when it is answered: at
//! the same beat for everybody, so that time tells nobody which accounts exist.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::sleep_until;

use crate::limits::Tries;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::model::time::Uptime;

/// Answers of the public routes come at a multiple of this after the question.
const BEAT: Duration = Duration::from_millis(400);

/// What the public may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// To register.
    Register,
    /// To follow a link.
    Follow,
    /// A link, because the PIN is forgotten.
    Forgot,
    /// Whether a web PIN is right.
    WebPin,
}

/// Limits by kind of question.
pub(super) struct Gate {
    began: Instant,
    /// By address: a household or an office registers together.
    register: Tries,
    follow: Tries,
    forgot: Tries,
    /// By account, whether or not there is such an account.
    register_of: Tries,
    forgot_of: Tries,
    web_pin_of: Tries,
}

impl Gate {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let tries = |most| Tries::new(most, seed);
        Self {
            began: Instant::now(),
            register: tries(30),
            follow: tries(120),
            forgot: tries(20),
            register_of: tries(12),
            forgot_of: tries(3),
            web_pin_of: tries(10),
        }
    }
}

impl Desk {
    /// Counts a question of this address.
    pub(super) fn take_from(&self, source: IpAddr, asked: Asked) -> Result<(), Refused> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Uptime(gate.began.elapsed());
        let tries = match asked {
            Asked::Register => &mut gate.register,
            Asked::Follow | Asked::WebPin => &mut gate.follow,
            Asked::Forgot => &mut gate.forgot,
        };
        tries.take(&network(source), now).map_err(Refused::TooMany)
    }

    /// Counts a question about this account, or about what somebody takes for one.
    pub(super) fn take_about(&self, account: &str, asked: Asked) -> Result<(), Refused> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Uptime(gate.began.elapsed());
        let tries = match asked {
            Asked::Register | Asked::Follow => &mut gate.register_of,
            Asked::Forgot => &mut gate.forgot_of,
            Asked::WebPin => &mut gate.web_pin_of,
        };
        tries.take(account, now).map_err(Refused::TooMany)
    }
}

/// Waits until the next beat after this beginning.
pub(super) async fn on_the_beat(began: Instant) {
    let beats = began.elapsed().as_millis() / BEAT.as_millis() + 1;
    let beats = u32::try_from(beats).unwrap_or(u32::MAX);
    sleep_until(began + BEAT.saturating_mul(beats)).await;
}

/// Who has one IPv6 address has the network of sixty-four bits around it.
fn network(source: IpAddr) -> String {
    match source {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}
