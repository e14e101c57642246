//! The customers and the callers of the demo. Numbers are of the ranges kept free for fiction; nobody is real.

use crate::model::auth::Authentication;
use crate::model::auth::PinResult;
use crate::model::caller::CallerClass;
use crate::model::digits::SecretText;
use crate::model::ids::IntentHandle;
use crate::sim::plan::CallPlan;
use crate::sim::plan::FromLine;
use crate::sim::report::CallReport;
use crate::sim::report::Outcome;
use crate::sip::message::Uri;

/// A customer of the demo, with a PIN that everybody may know.
#[derive(Clone, Copy, Debug)]
struct DemoCustomer {
    id: &'static str,
    name: &'static str,
    numbers: &'static str,
    pin: &'static str,
    facts: [&'static str; 5],
}

const COLUMNS: &str = "customer_id,name,role,represents,numbers,language,pin,fact.last_transaction_amount,\
                       fact.last_transaction_date,fact.place_of_birth,fact.main_balance,fact.date_of_birth";

#[rustfmt::skip]
const CUSTOMERS: [DemoCustomer; 8] = [
    DemoCustomer { id: "100001", name: "Demo Customer 1", numbers: "+447700900101", pin: "9081726",
        facts: ["£42.10", "2 November", "Leeds", "£1,250.00", "14 March 1986"] },
    DemoCustomer { id: "100002", name: "Demo Customer 2", numbers: "+447700900102", pin: "5028361",
        facts: ["£7.95", "18 November", "Cardiff", "£310.44", "2 July 1991"] },
    DemoCustomer { id: "100003", name: "Demo Customer 3", numbers: "+447700900103", pin: "7394615",
        facts: ["£120.00", "9 October", "Norwich", "£9,800.00", "30 January 1974"] },
    DemoCustomer { id: "100004", name: "Demo Customer 4", numbers: "+442079460104", pin: "6190485",
        facts: ["£18.30", "20 November", "Dundee", "£64.02", "11 September 1999"] },
    DemoCustomer { id: "100005", name: "Demo Customer 5", numbers: "+442079460105", pin: "4827053",
        facts: ["£660.00", "1 November", "Belfast", "£22,015.70", "5 May 1968"] },
    DemoCustomer { id: "100006", name: "Demo Customer 6", numbers: "+447700900106", pin: "3950274",
        facts: ["£3.20", "19 November", "Truro", "£815.00", "23 December 1982"] },
    // Two who share a line: their number identifies neither of them.
    DemoCustomer { id: "100007", name: "Demo Customer 7", numbers: "+442079460107", pin: "8263917",
        facts: ["£75.50", "15 November", "Hull", "£5,400.10", "8 April 1979"] },
    DemoCustomer { id: "100008", name: "Demo Customer 8", numbers: "+442079460107", pin: "2740596",
        facts: ["£99.99", "12 November", "Exeter", "£1,001.00", "17 June 1980"] },
];

/// The customer file of the demo, as `customer import` reads it.
#[must_use]
pub fn demo_customers() -> String {
    let rows = CUSTOMERS.iter().map(|customer| {
        let DemoCustomer { id, name, numbers, pin, facts } = customer;
        let facts = facts.map(|fact| format!("\"{fact}\"")).join(",");
        format!("{id},{name},client,,{numbers},en,{pin},{facts}\n")
    });
    [format!("{COLUMNS}\n")].into_iter().chain(rows).collect()
}

/// One caller of the demo, and what the daemon should make of it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// For the demo's line per call.
    pub title: &'static str,
    /// The class before answer.
    pub class: CallerClass,
    /// What comes of the PIN; `None` where none is asked.
    pub pin: Option<PinResult>,
    /// Where the check stands when the caller has reached the queue or hung up, before an agent does anything.
    pub authentication: Authentication,
    /// How the call ends for the caller: the word of its [`Outcome`].
    pub ends: &'static str,
    /// The intent to register before the call is placed.
    pub intent: Option<IntentOrder>,
    number: &'static str,
    keyed: Option<&'static str>,
    pin_keyed: Option<&'static str>,
    hangup_after_keys: Option<u32>,
}

/// What the app registers (`POST /v1/intents`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IntentOrder {
    /// Who is about to call.
    pub customer_id: &'static str,
    /// From where.
    pub number: &'static str,
}

impl Scene {
    /// The call to be placed. `intent` is the handle that the app got for [`Self::intent`].
    #[must_use]
    pub fn plan(&self, to: Uri, intent: Option<&IntentHandle>) -> CallPlan {
        let secret = |text: &str| SecretText::new(text.to_owned());
        let mut plan = CallPlan::new(to, FromLine::User(self.number.to_owned()));
        plan.customer_number = self.keyed.map(secret);
        plan.pin = self.pin_keyed.map(secret);
        plan.hangup_after_keys = self.hangup_after_keys;
        if let Some(intent) = intent {
            plan.headers.push("X-Countersign-Intent", intent.expose());
        }
        plan
    }

    /// Whether the caller fared as scripted.
    #[must_use]
    pub fn went_well(&self, report: &CallReport) -> bool {
        let word = |outcome: &Outcome| outcome.word() == self.ends;
        word(&report.outcome)
    }
}

/// The six callers of a round, counted from 0. The customers who key a wrong PIN take turns, and key the right
/// one in a later round, so that a long demo blocks nobody.
#[must_use]
pub fn scenes(round: usize) -> [Scene; 6] {
    let [app, first, second, third, keyed, leaver, ..] = CUSTOMERS;
    let (wrong, right) = match round % 3 {
        0 => (first, second),
        1 => (second, third),
        _ => (third, first),
    };
    [
        by_app(app),
        by_number("known number, right PIN", right, right.pin),
        wrong_pin(wrong),
        unknown_number(keyed),
        hang_up(leaver),
        stranger(),
    ]
}

fn by_app(customer: DemoCustomer) -> Scene {
    Scene {
        title: "from the app",
        class: CallerClass::AppAuthenticated,
        pin: None,
        authentication: Authentication::Authenticated,
        ends: "redirected",
        intent: Some(IntentOrder { customer_id: customer.id, number: customer.numbers }),
        number: customer.numbers,
        keyed: None,
        pin_keyed: None,
        hangup_after_keys: None,
    }
}

fn by_number(title: &'static str, customer: DemoCustomer, pin: &'static str) -> Scene {
    Scene {
        title,
        class: CallerClass::VerifiedNumber,
        pin: Some(PinResult::Correct),
        ends: "transferred",
        intent: None,
        pin_keyed: Some(pin),
        ..by_app(customer)
    }
}

fn wrong_pin(customer: DemoCustomer) -> Scene {
    Scene {
        pin: Some(PinResult::Incorrect),
        authentication: Authentication::InProgress,
        ..by_number("known number, wrong PIN twice", customer, all_wrong(customer.pin))
    }
}

fn hang_up(customer: DemoCustomer) -> Scene {
    Scene {
        pin: Some(PinResult::Abandoned),
        authentication: Authentication::NotAuthenticated,
        ends: "hung_up",
        hangup_after_keys: Some(1),
        ..by_number("known number, hangs up between the keys", customer, customer.pin)
    }
}

fn unknown_number(customer: DemoCustomer) -> Scene {
    Scene {
        class: CallerClass::Unverified,
        authentication: Authentication::InProgress,
        number: "+442079460199",
        keyed: Some(customer.id),
        ..by_number(
            "unknown number, keys the customer number and the right PIN",
            customer,
            customer.pin,
        )
    }
}

fn stranger() -> Scene {
    let [customer, ..] = CUSTOMERS;
    Scene {
        title: "unknown number, invents a customer number",
        pin: Some(PinResult::Incorrect),
        authentication: Authentication::Failed,
        number: "+447700900999",
        keyed: Some("987654"),
        ..unknown_number(customer)
    }
}

/// A PIN that differs from the right one in each position: seven digits leave at least three others.
fn all_wrong(pin: &str) -> &'static str {
    const SAME: [&str; 8] =
        ["1111111", "2222222", "3333333", "4444444", "5555555", "6666666", "7777777", "8888888"];
    SAME.into_iter().find(|same| !same.chars().any(|key| pin.contains(key))).unwrap_or("9999999")
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    use crate::model::digits::VoicePin;
    use crate::model::number::PhoneNumber;
    use crate::pin::weak::is_weak;

    #[test]
    fn every_demo_pin_is_one_that_customers_may_have() {
        for customer in CUSTOMERS {
            let pin = VoicePin::parse(customer.pin).expect("a PIN");
            assert!(!is_weak(&pin), "{}", customer.id);
            customer.numbers.parse::<PhoneNumber>().expect("a number");
            let wrong = all_wrong(customer.pin).chars().zip(customer.pin.chars());
            assert!(wrong.into_iter().all(|(wrong, right)| wrong != right));
            let fictitious = ["+447700900", "+442079460"];
            assert!(fictitious.iter().any(|range| customer.numbers.starts_with(range)));
        }
    }

    #[test]
    fn the_file_has_the_columns_of_the_contract() {
        let file = demo_customers();
        let columns = COLUMNS.split(',').count();
        let mut rows = file.lines().map(|line| line.replace("\"£1,250.00\"", "x"));
        assert_eq!(rows.next().as_deref(), Some(COLUMNS));
        assert_eq!(rows.next().map(|row| row.split(',').count()), Some(columns));
        assert_eq!(rows.count(), 7);
    }

    #[test]
    fn the_first_six_hold_every_class_a_right_and_a_wrong_pin_and_a_hang_up() {
        let six = scenes(0);
        let classes: BTreeSet<_> = six.iter().map(|scene| scene.class.word()).collect();
        assert_eq!(classes.len(), CallerClass::ALL.len());
        for pin in [PinResult::Correct, PinResult::Incorrect, PinResult::Abandoned] {
            assert!(six.iter().any(|scene| scene.pin == Some(pin)));
        }
    }

    #[test]
    fn the_app_places_its_intent_and_others_have_none() {
        let to = || Uri::parse("sip:100@127.0.0.1").expect("a URI");
        for scene in scenes(1) {
            let handle = scene.intent.map(|_| IntentHandle::new([7; 16]));
            let plan = scene.plan(to(), handle.as_ref());
            let placed = plan.headers.get("X-Countersign-Intent").is_some();
            assert_eq!(placed, scene.class == CallerClass::AppAuthenticated);
        }
    }

    #[test]
    fn c70_nobody_keys_a_wrong_pin_in_two_calls_without_a_right_one_between() {
        let mut wrong_in_a_row = [0_u32; CUSTOMERS.len()];
        for round in 0..30 {
            for scene in scenes(round) {
                let at = CUSTOMERS.iter().position(|customer| customer.numbers == scene.number);
                let Some(count) = at.and_then(|at| wrong_in_a_row.get_mut(at)) else { continue };
                match scene.pin {
                    Some(PinResult::Correct) => *count = 0,
                    Some(PinResult::Incorrect) => *count += 1,
                    _ => {}
                }
                assert!(*count <= 1, "{}", scene.title);
            }
        }
    }
}
