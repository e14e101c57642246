//! What the caller's fingers do about the prompts it hears.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::model::digits::Key;
use crate::model::digits::SecretText;
use crate::model::time::Uptime;
use crate::sim::plan::CallPlan;

/// From one key of a number to the next: 160 ms of press and a pause.
const KEY_STEP: Duration = Duration::from_millis(260);

/// The same prompt from its beginning so soon is a hiccup of the line, not a question asked again.
const HICCUP: Duration = Duration::from_secs(1);

/// From the last key to the hang-up, where the plan counts keys.
const AFTER_LAST_KEY: Duration = Duration::from_millis(300);

/// Decides when which key is pressed. It has no `Debug`: it holds keys.
pub(super) struct Fingers {
    plan: Arc<CallPlan>,
    waiting: VecDeque<Due>,
    /// The next key of `--press`.
    next_press: usize,
    heard: Option<(Arc<str>, Uptime)>,
    pressed: u32,
    hang_up_at: Option<Uptime>,
}

struct Due {
    at: Uptime,
    key: Key,
}

impl Fingers {
    pub(super) fn new(plan: Arc<CallPlan>) -> Self {
        let hang_up_at = plan.hangup_after.map(Uptime);
        Self { plan, waiting: VecDeque::new(), next_press: 0, heard: None, pressed: 0, hang_up_at }
    }

    /// A prompt has begun: what was meant for the one before is dropped.
    pub(super) fn prompt(&mut self, prompt: &Arc<str>, now: Uptime) {
        let again = self.heard.replace((prompt.clone(), now));
        if again.is_some_and(|(before, at)| before == *prompt && now - at < HICCUP) {
            return;
        }
        self.waiting.clear();
        if self.plan.hangup_after_keys.is_some_and(|keys| keys <= self.pressed) {
            return;
        }
        let position =
            prompt.strip_prefix("pin.position.").and_then(|text| text.parse::<usize>().ok());
        let number = self.plan.customer_number.clone().filter(|_| &**prompt == "customer.number");
        if let Some(number) = number {
            let keys = number.expose().trim_end_matches('#').chars();
            let keys = keys.filter_map(Key::from_char).chain([Key::POUND]);
            self.queue(keys, now);
        } else if let Some(press) = self.plan.press.clone() {
            if position.is_some() || &**prompt == "customer.number" {
                self.queue(nth(&press, self.next_press), now);
                self.next_press += 1;
            }
        } else if let Some((pin, position)) = self.plan.pin.clone().zip(position) {
            self.queue(nth(&pin, position.wrapping_sub(1)), now);
        }
    }

    fn queue(&mut self, keys: impl IntoIterator<Item = Key>, now: Uptime) {
        let mut at = now + self.plan.reaction;
        for key in keys {
            self.waiting.push_back(Due { at, key });
            at = at + KEY_STEP;
        }
    }

    /// The key to be pressed now.
    pub(super) fn press(&mut self, now: Uptime) -> Option<Key> {
        self.waiting.front().filter(|due| due.at <= now)?;
        let due = self.waiting.pop_front()?;
        self.pressed += 1;
        if self.plan.hangup_after_keys == Some(self.pressed) {
            self.waiting.clear();
            self.hang_up_at = Some(now + AFTER_LAST_KEY);
        }
        Some(due.key)
    }

    /// Whether it is time to hang up; says so once.
    pub(super) fn hangs_up(&mut self, now: Uptime) -> bool {
        let due = self.hang_up_at.is_some_and(|at| at <= now);
        if due {
            self.hang_up_at = None;
            self.waiting.clear();
        }
        due
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Uptime> {
        self.waiting.front().map(|due| due.at).into_iter().chain(self.hang_up_at).min()
    }

    /// How many keys were pressed.
    pub(super) const fn pressed(&self) -> u32 {
        self.pressed
    }
}

fn nth(keys: &SecretText, at: usize) -> Option<Key> {
    keys.expose().chars().nth(at).and_then(Key::from_char)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::FromLine;
    use crate::sip::message::Uri;

    struct Caller {
        fingers: Fingers,
        ms: u64,
    }

    impl Caller {
        fn with(set: impl FnOnce(&mut CallPlan)) -> Self {
            let to = Uri::parse("sip:a@b").expect("a URI");
            let mut plan = CallPlan::new(to, FromLine::Anonymous);
            set(&mut plan);
            Self { fingers: Fingers::new(Arc::new(plan)), ms: 0 }
        }

        /// Hears a prompt, and presses what it presses within five seconds.
        fn hears(&mut self, prompt: &str) -> String {
            self.fingers.prompt(&prompt.into(), self.now());
            let mut pressed = String::new();
            for _ in 0..5000 {
                self.ms += 1;
                let key = self.fingers.press(self.now());
                pressed.extend(
                    key.map(|key| char::from(b"0123456789*#ABCD"[usize::from(key.event())])),
                );
            }
            pressed
        }

        fn now(&self) -> Uptime {
            Uptime(Duration::from_millis(self.ms))
        }
    }

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    #[test]
    fn c33_the_asked_position_is_pressed_once_a_prompt() {
        let mut caller = Caller::with(|plan| plan.pin = Some(secret("9081726")));
        assert_eq!(caller.hears("pin.position.3"), "8");
        assert_eq!(caller.hears("pin.position.7"), "6");
        assert_eq!(caller.hears("pin.again"), "");
        assert_eq!(caller.hears("pin.reprompt"), "");
        assert_eq!(caller.hears("pin.position.3"), "8");
        assert_eq!(caller.hears("customer.number"), "");
        assert_eq!(caller.fingers.pressed(), 3);
    }

    #[test]
    fn the_customer_number_ends_with_a_hash() {
        let mut caller = Caller::with(|plan| {
            plan.customer_number = Some(secret("4711#"));
            plan.press = Some(secret("12"));
        });
        assert_eq!(caller.hears("customer.number"), "4711#");
        assert_eq!(caller.hears("pin.position.1"), "1");
        assert_eq!(caller.hears("thanks"), "");
        assert_eq!(caller.hears("pin.position.2"), "2");
        assert_eq!(caller.hears("pin.position.2"), "");
    }

    #[test]
    fn a_hiccup_presses_nothing_twice_and_a_new_prompt_drops_the_old_keys() {
        let mut caller = Caller::with(|plan| plan.pin = Some(secret("9081726")));
        let (first, second): (Arc<str>, Arc<str>) =
            ("pin.position.1".into(), "pin.position.2".into());
        let at = |ms| Uptime(Duration::from_millis(ms));
        caller.fingers.prompt(&first, at(0));
        caller.fingers.prompt(&first, at(60));
        assert!(caller.fingers.press(at(149)).is_none());
        assert!(caller.fingers.press(at(150)).is_some());
        assert!(caller.fingers.press(at(5000)).is_none());
        caller.fingers.prompt(&first, at(6000));
        caller.fingers.prompt(&second, at(6100));
        assert_eq!(caller.fingers.press(at(7000)).and_then(Key::digit), Some(0));
        assert!(caller.fingers.press(at(7000)).is_none());
    }

    #[test]
    fn the_caller_hangs_up_by_the_clock_or_by_the_count() {
        let at = |ms| Uptime(Duration::from_millis(ms));
        let mut caller = Caller::with(|plan| plan.hangup_after = Some(Duration::from_millis(700)));
        assert!(!caller.fingers.hangs_up(at(699)));
        assert!(caller.fingers.hangs_up(at(700)) && !caller.fingers.hangs_up(at(701)));

        let mut caller = Caller::with(|plan| {
            plan.pin = Some(secret("9081726"));
            plan.hangup_after_keys = Some(1);
        });
        assert!(!caller.fingers.hangs_up(at(1)));
        assert_eq!(caller.hears("pin.position.1"), "9");
        assert!(caller.fingers.hangs_up(caller.now()));
    }
}
