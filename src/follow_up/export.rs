//! What other systems' screens expect, value for value.

use serde_json::Value;
use serde_json::json;

use crate::follow_up::letter::day;
use crate::follow_up::occasion::Factor;
use crate::follow_up::rules::Rules;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;

/// The status in which an activity sorts first and closes nothing (C42, C76).
pub const NOT_REQUIRED: &str = "Not Required";

/// Where a case stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Still an application.
    Application,
    /// A case under way.
    Ongoing,
}

/// The status of a wait activity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitStatus {
    /// Leaves the case open.
    NotRequired,
    /// Would close a case at application stage.
    Done,
}

/// A wait activity that must not be exported.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`Done` closes a case at application stage; write `Not Required`")]
pub struct WouldCloseTheCase;

/// The *Activity – Record* after a compensated pass (C42). The flag on the account is the truth, this
/// is its picture elsewhere (X29).
#[must_use]
pub fn activity_record(
    rules: &Rules,
    customer: &CustomerId,
    failed: Factor,
    at: Timestamp,
) -> Value {
    let factor = match failed {
        Factor::Pin => "PIN",
        Factor::Password => "password",
    };
    let description = format!(
        "Additional security question used on {} because the {factor} was not correct. At the next \
         contact PIN and password have to be correct; otherwise reset the security details.",
        day(at)
    );
    activity(rules, customer, &description)
}

/// The same record after the reset, so that nobody resets again unnecessarily (C46).
#[must_use]
pub fn activity_update(rules: &Rules, customer: &CustomerId, at: Timestamp) -> Value {
    let description =
        format!("Security details were reset on {}. No further reset is needed.", day(at));
    activity(rules, customer, &description)
}

fn activity(rules: &Rules, customer: &CustomerId, description: &str) -> Value {
    json!({
        "activity": "Activity - Record",
        "record": format!("additional-security:{customer}"),
        "customer": customer,
        "level": "contact",
        "start_date": rules.future_date.day_first(),
        "description": description,
        "status": NOT_REQUIRED,
    })
}

/// The wait activity (C76).
pub fn wait_activity(
    customer: &CustomerId,
    stage: Stage,
    status: WaitStatus,
) -> Result<Value, WouldCloseTheCase> {
    let status = match (stage, status) {
        (Stage::Application, WaitStatus::Done) => return Err(WouldCloseTheCase),
        (_, WaitStatus::NotRequired) => NOT_REQUIRED,
        (Stage::Ongoing, WaitStatus::Done) => "Done",
    };
    Ok(json!({ "activity": "Wait", "customer": customer, "status": status }))
}

/// What is entered, in this order, when nobody responded (C78).
#[must_use]
pub fn non_response(rules: &Rules, customer: &CustomerId, reminder: &str) -> Value {
    json!({
        "customer": customer,
        "steps": [
            { "set": "Notes", "value": format!("No response to {reminder}") },
            { "set": "SR Sub Status", "value": rules.close.sub_status },
            { "set": "Activity Plan Outcome", "value": rules.close.outcome },
            { "set": "Resolution Code", "value": rules.close.resolution },
            { "do": "Close SR" },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> CustomerId {
        "c-1".parse().expect("an id")
    }

    #[test]
    fn c42_the_activity_record_has_exactly_the_values_of_the_source() {
        let at = Timestamp(1_795_305_600_000);
        let record = activity_record(&Rules::default(), &customer(), Factor::Password, at);
        assert_eq!(record["level"], "contact");
        assert_eq!(record["start_date"], "01/01/2035");
        assert_eq!(record["status"], "Not Required");
        let description = record["description"].as_str().expect("text");
        assert!(description.contains("password") && description.contains("2026-11-22"));
    }

    #[test]
    fn c46_after_a_reset_the_same_record_says_that_no_reset_is_needed() {
        let (rules, at) = (Rules::default(), Timestamp(1_795_305_600_000));
        let before = activity_record(&rules, &customer(), Factor::Pin, at);
        let after = activity_update(&rules, &customer(), at);
        assert_eq!(before["record"], after["record"]);
        assert!(after["description"].as_str().expect("text").contains("No further reset"));
    }

    #[test]
    fn c76_done_is_refused_at_application_stage() {
        let refused = wait_activity(&customer(), Stage::Application, WaitStatus::Done);
        assert_eq!(refused, Err(WouldCloseTheCase));
        let right = wait_activity(&customer(), Stage::Application, WaitStatus::NotRequired);
        assert_eq!(right.expect("exported")["status"], "Not Required");
        assert!(wait_activity(&customer(), Stage::Ongoing, WaitStatus::Done).is_ok());
    }

    #[test]
    fn c78_four_values_in_order_and_then_closed() {
        let closing = non_response(&Rules::default(), &customer(), "CMSL9801");
        let steps = closing["steps"].as_array().expect("steps");
        let set: Vec<_> = steps.iter().map(|step| (&step["set"], &step["value"])).collect();
        assert_eq!(
            set[..4],
            [
                (&json!("Notes"), &json!("No response to CMSL9801")),
                (&json!("SR Sub Status"), &json!("CoC Decline")),
                (&json!("Activity Plan Outcome"), &json!("CoC Declined")),
                (&json!("Resolution Code"), &json!("CoC Rejected")),
            ]
        );
        assert_eq!(steps[4], json!({ "do": "Close SR" }));
    }
}
