//! `/v1/outbound`: agents announce calls to customers, the app shows them and reports a tap.
//!
//! Errors name a field, never its value.

use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::AgentId;
use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::ids::PlatformCallId;
use crate::model::ids::QueueName;
use crate::model::number::PhoneNumber;
use crate::outbound::Purpose;
use crate::outbound::codes::Numbers;
use crate::outbound::step::ProofView;

/// A field that is missing or not usable, and what to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct BadField {
    /// The field.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

const NAME: &str = "must be 1 to 128 bytes without control characters";

/// The body of `POST /v1/outbound`, not yet checked.
#[derive(Deserialize)]
pub struct NewCall {
    customer_id: Option<String>,
    purpose: Option<Purpose>,
    number: Option<String>,
    platform_call_id: Option<String>,
    queue: Option<String>,
    job: Option<String>,
}

/// A call that an agent makes to a customer or an employer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnnouncedCall {
    /// Who rings, and owns the call.
    pub agent: AgentId,
    /// Whom; `None` for an employer without a case.
    pub customer: Option<CustomerId>,
    /// Why.
    pub purpose: Purpose,
    /// Which number; it is on file for the customer. `None`: the records' own choice.
    pub number: Option<PhoneNumber>,
    /// The call of the platform that this is, when it reports calls.
    pub platform_call_id: Option<PlatformCallId>,
    /// Under which queue's profile.
    pub queue: Option<QueueName>,
    /// The follow-up job that asked for the call.
    pub job: Option<String>,
}

impl NewCall {
    /// The checked call of this agent.
    pub fn read(self, agent: AgentId) -> Result<AnnouncedCall, BadField> {
        let purpose = self.purpose.unwrap_or_default();
        let customer = name("customer_id", self.customer_id)?;
        if customer.is_none() && purpose != Purpose::Employer {
            return Err(BadField { field: "customer_id", expected: NAME });
        }
        let number = match self.number.as_deref().map(PhoneNumber::from_str) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => {
                let expected = "must be E.164: + and 7 to 15 digits";
                return Err(BadField { field: "number", expected });
            }
        };
        // A job is a name like any other, though of the follow-up's own kind.
        let job: Option<PlatformCallId> = name("job", self.job)?;
        Ok(AnnouncedCall {
            agent,
            customer,
            purpose,
            number,
            platform_call_id: name("platform_call_id", self.platform_call_id)?,
            queue: name("queue", self.queue)?,
            job: job.map(String::from),
        })
    }
}

fn name<T: TryFrom<String>>(
    field: &'static str,
    text: Option<String>,
) -> Result<Option<T>, BadField> {
    let wrong = |_| BadField { field, expected: NAME };
    text.map(|text| T::try_from(text).map_err(wrong)).transpose()
}

/// The answer to `POST /v1/outbound`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Announced {
    /// Our id of the call.
    pub call: CallId,
    /// How the proof stands; `null` for an employer.
    pub proof: Option<ProofView>,
    /// What the agent says first.
    pub say: Option<String>,
}

/// The body of `POST /v1/outbound/{call}/tap`, not yet checked.
#[derive(Deserialize)]
pub struct NewTap {
    customer_id: Option<String>,
    number: Option<u8>,
}

/// A tap in the app of a customer.
#[derive(Clone, Eq, PartialEq)]
pub struct Tap {
    /// In which call.
    pub call: CallId,
    /// Whose app it is.
    pub customer: CustomerId,
    /// The number, 10 to 99.
    pub number: u8,
}

impl NewTap {
    /// The checked tap.
    pub fn read(self, call: CallId) -> Result<Tap, BadField> {
        let customer = name("customer_id", self.customer_id)?;
        let customer = customer.ok_or(BadField { field: "customer_id", expected: NAME })?;
        let number = self.number.filter(|number| (10..=99).contains(number));
        let expected = "must be one of the numbers that the app shows";
        let number = number.ok_or(BadField { field: "number", expected })?;
        Ok(Tap { call, customer, number })
    }
}

/// What came of a tap.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tapped {
    /// It was the right number: both sides have proved themselves.
    Proved,
    /// It was another one; the agent offers another way.
    NotProved,
}

/// A call with a customer, as their app shows it. Says who rings, never why (O08).
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CallStatus {
    /// Our id of the call.
    pub call: CallId,
    /// The name that the agent gives on the telephone.
    pub agent_alias: String,
    /// RFC 3339.
    pub started: String,
    /// The three numbers, once the customer has chosen the app and until one was tapped.
    pub numbers: Option<Numbers>,
    /// Until when one of them may be tapped, RFC 3339.
    pub expires_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<AnnouncedCall, BadField> {
        let new: NewCall = serde_json::from_str(body).expect("JSON");
        new.read("agent-1".parse().expect("a name"))
    }

    #[test]
    fn contract_10_an_announced_call_is_read_or_the_field_is_named() {
        let call = read(
            r#"{"customer_id":"c1","purpose":"call_back","number":"+447700900123",
                "platform_call_id":"p-1","queue":"general","job":"7"}"#,
        )
        .expect("it reads");
        assert_eq!((call.purpose, call.job.as_deref()), (Purpose::CallBack, Some("7")));
        let short = read(r#"{"customer_id":"c1"}"#).expect("it reads");
        assert_eq!((short.purpose, short.queue), (Purpose::Contact, None));
        for (body, field) in [
            ("{}", "customer_id"),
            (r#"{"customer_id":""}"#, "customer_id"),
            (r#"{"customer_id":"c1","number":"07700900123"}"#, "number"),
            (r#"{"customer_id":"c1","platform_call_id":"a\nb"}"#, "platform_call_id"),
            (r#"{"customer_id":"c1","queue":""}"#, "queue"),
            (r#"{"customer_id":"c1","job":""}"#, "job"),
        ] {
            assert_eq!(read(body).map_err(|bad| bad.field), Err(field), "{body}");
        }
        assert!(serde_json::from_str::<NewCall>(r#"{"purpose":"sales"}"#).is_err());
    }

    #[test]
    fn c08_an_employer_needs_no_customer() {
        let call = read(r#"{"purpose":"employer"}"#).expect("it reads");
        assert_eq!((call.purpose, call.customer), (Purpose::Employer, None));
    }

    #[test]
    fn o09_a_tap_names_the_customer_whose_app_it_is() {
        let read = |body| {
            let tap: NewTap = serde_json::from_str(body).expect("JSON");
            tap.read("01J".parse().expect("an id")).map(|tap| tap.number).map_err(|bad| bad.field)
        };
        assert_eq!(read(r#"{"customer_id":"c1","number":47}"#), Ok(47));
        assert_eq!(read(r#"{"number":47}"#), Err("customer_id"));
        for body in [
            r#"{"customer_id":"c1"}"#,
            r#"{"customer_id":"c1","number":9}"#,
            r#"{"customer_id":"c1","number":100}"#,
        ] {
            assert_eq!(read(body), Err("number"));
        }
    }

    #[test]
    fn o08_the_app_is_not_told_why_we_ring() {
        let status = CallStatus {
            call: "01J".parse().expect("an id"),
            agent_alias: "agent-1".into(),
            started: "2026-01-01T00:00:00.000Z".into(),
            numbers: Some(crate::outbound::codes::three_numbers(7).0),
            expires_at: None,
        };
        let shown = serde_json::to_value(&status).expect("JSON");
        let mut fields: Vec<_> = shown.as_object().expect("an object").keys().collect();
        fields.sort();
        assert_eq!(fields, ["agent_alias", "call", "expires_at", "numbers", "started"]);
        assert_eq!(shown["numbers"].as_array().map(Vec::len), Some(3));
    }
}
