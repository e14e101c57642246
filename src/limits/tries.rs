//! How often the same one may try the same thing: so many times within a sliding hour. For what the
//! public may do without a token (5.1, 5.2).

use std::time::Duration;

use crate::limits::print;
use crate::limits::window::Fingerprint;
use crate::limits::window::Window;
use crate::model::time::Uptime;

const HOUR: Duration = Duration::from_hours(1);
/// Names remembered at the most; beyond that the longest unseen go first.
const NAMES_MAX: usize = 50_000;

/// A limit on tries. Holds fingerprints, no addresses and no accounts.
#[derive(Debug)]
pub struct Tries {
    seen: Window,
    most: u16,
    seed: [u8; 32],
    next: Fingerprint,
}

impl Tries {
    /// At most `most` tries an hour for each name. `seed` is random and keys the fingerprints.
    #[must_use]
    pub fn new(most: u16, seed: [u8; 32]) -> Self {
        Self { seen: Window::new(HOUR, NAMES_MAX), most: most.max(1), seed, next: 0 }
    }

    /// Counts a try. Refused tries count for nothing, so waiting helps: how long, is the error.
    pub fn take(&mut self, name: &str, now: Uptime) -> Result<(), Duration> {
        let name = print(&self.seed, "try", name);
        if self.seen.count(name, now) >= usize::from(self.most) {
            let room = self.seen.room_at(name, now).unwrap_or(now);
            return Err((room - now).max(Duration::from_secs(1)));
        }
        self.next = self.next.wrapping_add(1);
        self.seen.note(name, self.next, usize::from(self.most), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Uptime {
        Uptime(Duration::from_secs(seconds))
    }

    #[test]
    fn so_many_an_hour_and_waiting_helps() {
        let mut tries = Tries::new(3, [1; 32]);
        for second in [0, 10, 20] {
            assert_eq!(tries.take("a", at(second)), Ok(()));
        }
        assert_eq!(tries.take("a", at(600)), Err(Duration::from_mins(50)));
        assert_eq!(tries.take("b", at(600)), Ok(()), "somebody else");
        assert_eq!(tries.take("a", at(3601)), Ok(()), "the first one slid out");
        assert_eq!(tries.take("a", at(3602)), Err(Duration::from_secs(8)));
    }
}
