//! What a call wants of a platform that plays and collects by itself, as one versioned directive. Pure.

use std::time::Duration;

use crate::call::effect::Prompt;
use crate::model::call_kind::Direction;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::model::ids::QueueName;
use crate::platform::KeyTimes;
use crate::wire::directive::Directive;
use crate::wire::directive::Order;

/// How long a phrase plays on a platform that does not tell when it ends.
const PHRASE: Duration = Duration::from_secs(4);
/// Phrases before a prompt at the most; a call has no more to say at once.
const PHRASES_MAX: usize = 4;

/// A call's orders.
#[derive(Debug)]
pub(super) struct Orders {
    directive: Directive,
    /// Said since the last order, and part of the next one.
    phrases: Vec<Prompt>,
    /// The version with which the key that is due was first asked.
    asked_since: u64,
    over: bool,
    times: KeyTimes,
    queue: QueueName,
    /// Where a call goes about which nothing was said.
    home: Option<String>,
}

/// When a phrase has come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ends {
    /// Now, for the call: what comes next is part of the same directive.
    Now,
    /// After this time.
    After(Duration),
}

impl Orders {
    pub(super) fn new(
        direction: Direction,
        queue: QueueName,
        queue_uri: &str,
        times: KeyTimes,
    ) -> Self {
        let directive = Directive { version: 0, order: Order::Wait, before: vec![] };
        let home = match direction {
            Direction::Inbound => Some(queue_uri.to_owned()),
            Direction::Outbound => None,
        };
        let phrases = vec![];
        Self { directive, phrases, asked_since: 0, over: false, times, queue, home }
    }

    /// The orders of a call that another node had: directives go on to rise.
    pub(super) fn after(mut self, version: u64) -> Self {
        self.directive.version = version;
        self.asked_since = version.saturating_add(1);
        self
    }

    pub(super) const fn directive(&self) -> &Directive {
        &self.directive
    }

    /// Whether a key counts that was pressed under this version of the directive.
    pub(super) fn wants(&self, asked: Option<u64>) -> bool {
        asked.is_none_or(|version| (self.asked_since..=self.directive.version).contains(&version))
    }

    /// The call plays a phrase.
    pub(super) fn play(&mut self, prompt: Prompt) -> Ends {
        let (position, within) = match prompt {
            Prompt::PinPosition(position) => (Some(position), self.times.digit),
            Prompt::CustomerNumber => (None, self.times.customer_number),
            Prompt::PinAgain
            | Prompt::Reprompt
            | Prompt::Thanks
            | Prompt::Unavailable
            | Prompt::Goodbye => {
                if self.phrases.len() < PHRASES_MAX {
                    self.phrases.push(prompt);
                }
                return Ends::Now;
            }
        };
        let again = self.phrases.contains(&Prompt::PinAgain);
        let before = matches!(&self.directive.order, Order::Collect { position: asked, .. } if *asked == position);
        let phrases = u32::try_from(self.phrases.len()).unwrap_or_default();
        self.order(Order::Collect { position, within });
        if again || !before {
            self.asked_since = self.directive.version;
        }
        Ends::After(PHRASE * (phrases + 1))
    }

    /// The call sends its caller on. A call of ours goes on as dialled.
    pub(super) fn route(&mut self, to: &str, call: &CallId) {
        let (to, queue) = (self.home.as_ref().map(|_| to.to_owned()), self.queue.clone());
        self.order(Order::Route { to, queue, call: Some(call.clone()) });
    }

    /// The call is over, or to be ended. Nothing is ordered after this.
    pub(super) fn hang_up(&mut self, cause: Cause) {
        if !self.over {
            self.order(Order::HangUp(cause));
            self.over = true;
        }
    }

    /// The call waits for the outside: what was said without anything to follow is to be played as it
    /// is.
    pub(super) fn settle(&mut self, call: &CallId) {
        if let Some(last) = self.phrases.pop() {
            self.order(Order::Play(last));
        } else if self.directive.order == Order::Wait {
            let (to, queue) = (self.home.clone(), self.queue.clone());
            self.order(Order::Route { to, queue, call: Some(call.clone()) });
        }
    }

    fn order(&mut self, order: Order) {
        let before = std::mem::take(&mut self.phrases);
        if !self.over {
            let version = self.directive.version + 1;
            self.directive = Directive { version, order, before };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digits::Position;

    fn orders(direction: Direction) -> Orders {
        let times =
            KeyTimes { digit: Duration::from_secs(8), customer_number: Duration::from_secs(20) };
        Orders::new(direction, "general".parse().expect("a name"), "sip:q@h", times)
    }

    fn call() -> CallId {
        "01M8Y2J3K4N5P6Q7R8S9T0V1W2".parse().expect("an id")
    }

    fn at(number: u8) -> Prompt {
        Prompt::PinPosition(Position::new(number).expect("1 to 7"))
    }

    fn told(orders: &Orders) -> String {
        let json = serde_json::to_value(orders.directive()).expect("JSON");
        let what = json.get("prompt").or(json.get("to")).or(json.get("reason"));
        format!(
            "{} {} {} {}",
            json["version"],
            json["do"],
            what.unwrap_or(&json["do"]),
            json["before"]
        )
    }

    #[test]
    fn c33_c34_x03_two_digits_are_asked_one_by_one_and_once_more_after_a_mistake() {
        let mut orders = orders(Direction::Inbound);
        assert_eq!(told(&orders), r#"0 "wait" "wait" []"#);
        assert_eq!(orders.play(at(2)), Ends::After(PHRASE));
        assert_eq!(told(&orders), r#"1 "collect_digit" "pin.position.2" []"#);
        orders.play(at(6));
        assert_eq!(told(&orders), r#"2 "collect_digit" "pin.position.6" []"#);
        assert_eq!(orders.play(Prompt::PinAgain), Ends::Now);
        assert_eq!(orders.play(at(2)), Ends::After(PHRASE * 2));
        assert_eq!(told(&orders), r#"3 "collect_digit" "pin.position.2" ["pin.again"]"#);
        assert_eq!(orders.play(Prompt::Thanks), Ends::Now);
        orders.route("sip:q@h", &call());
        assert_eq!(told(&orders), r#"4 "route" "sip:q@h" ["thanks"]"#);
        orders.settle(&call());
        assert_eq!(orders.directive().version, 4, "nothing is left to say");
    }

    #[test]
    fn x03_a_key_pressed_before_its_position_was_asked_does_not_count() {
        let mut orders = orders(Direction::Inbound);
        orders.play(at(2));
        orders.play(Prompt::Reprompt);
        orders.play(at(2));
        assert!(orders.wants(Some(1)), "the same digit, asked again after silence");
        orders.play(at(6));
        assert!(!orders.wants(Some(2)) && orders.wants(Some(3)) && orders.wants(None));
        orders.play(Prompt::PinAgain);
        orders.play(at(6));
        assert!(!orders.wants(Some(3)), "another entry");
    }

    #[test]
    fn contract_4_what_is_said_with_nothing_to_follow_is_played_by_itself() {
        let mut orders = orders(Direction::Inbound);
        orders.route("sip:q@h", &call());
        orders.play(Prompt::Unavailable);
        orders.play(Prompt::Thanks);
        orders.settle(&call());
        assert_eq!(told(&orders), r#"2 "play" "thanks" ["unavailable"]"#);
        orders.hang_up(Cause::NORMAL_CLEARING);
        orders.play(at(1));
        orders.hang_up(Cause::TEMPORARY_FAILURE);
        assert_eq!(told(&orders), r#"3 "hang_up" "normal_clearing" []"#);
    }

    #[test]
    fn o01_a_call_of_ours_goes_on_as_dialled_while_nothing_is_asked() {
        let mut orders = orders(Direction::Outbound);
        orders.settle(&call());
        assert_eq!(told(&orders), r#"1 "route" null []"#);
        orders.play(Prompt::Thanks);
        orders.route("sip:q@h", &call());
        assert_eq!(told(&orders), r#"2 "route" null ["thanks"]"#);
    }
}
