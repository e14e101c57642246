//! What came of a call, as the caller saw it. It holds no key.

use std::fmt;

use serde::Serialize;

use crate::sim::plan::CallPlan;
use crate::sim::plan::ReferAnswer;
use crate::sip::message::Headers;
use crate::sip::message::NameAddr;
use crate::sip::message::Uri;

/// What came of one call. All times are milliseconds since the INVITE.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallReport {
    /// The Call-ID, which is the `platform_call_id` of the desktops.
    pub call_id: String,
    /// The final status of the INVITE.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// The prompts recognised, in order.
    pub prompts: Vec<HeardPrompt>,
    /// How many keys were pressed.
    pub keys_pressed: u32,
    /// When it rang.
    pub ring_ms: Option<u64>,
    /// When the final response came.
    pub answer_ms: Option<u64>,
    /// When it was over.
    pub total_ms: u64,
    /// The id that the daemon gave the call (`X-Countersign-Call`).
    pub countersign_call: Option<String>,
    /// The `User-to-User` that travels on with the call.
    pub user_to_user: Option<String>,
}

/// A prompt that was recognised.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HeardPrompt {
    /// Its id in the prompt pack.
    pub prompt: String,
    /// When it was certain.
    pub at_ms: u64,
}

/// How a call ended.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Outcome {
    /// It has not.
    #[default]
    Pending,
    /// Handed over before answer (302).
    Redirected {
        /// Where to.
        contact: String,
    },
    /// Handed over after answer (REFER), and ended by the daemon or, failing that, by us.
    Transferred {
        /// Where to.
        refer_to: String,
    },
    /// The caller hung up.
    HungUp,
    /// The caller hung up before answer.
    Cancelled,
    /// The call was refused.
    Rejected {
        /// The final status.
        status: u16,
    },
    /// The far end hung up.
    ByeFromDaemon {
        /// Its Q.850 cause.
        cause: Option<u16>,
    },
    /// Nothing sensible came of it.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// One word, for counting.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Redirected { .. } => "redirected",
            Self::Transferred { .. } => "transferred",
            Self::HungUp => "hung_up",
            Self::Cancelled => "cancelled",
            Self::Rejected { .. } => "rejected",
            Self::ByeFromDaemon { .. } => "bye_from_daemon",
            Self::Failed { .. } => "failed",
        }
    }
}

impl CallReport {
    /// A call that came to nothing before it began.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed { reason: reason.into() }, ..Self::default() }
    }

    /// Whether the call ended as the daemon intended, as far as the plan let it.
    #[must_use]
    pub fn as_intended(&self, plan: &CallPlan) -> bool {
        match &self.outcome {
            Outcome::Redirected { .. } | Outcome::Transferred { .. } => true,
            Outcome::HungUp | Outcome::Cancelled => plan.hangs_up(),
            // Normal clearing after a refused transfer is all that the daemon could do.
            Outcome::ByeFromDaemon { cause } => {
                matches!(cause, None | Some(16)) || plan.refer_answer != ReferAnswer::Transfer
            }
            Outcome::Pending | Outcome::Rejected { .. } | Outcome::Failed { .. } => false,
        }
    }

    /// Keeps the ids that travel with the call, in header fields or in those of a URI.
    pub(super) fn take_ids(&mut self, headers: &Headers, target: Option<&Uri>) {
        let find = |name: &str| {
            let own = headers.get(name).map(str::to_owned);
            own.or_else(|| carried(target?.headers()?, name))
        };
        self.countersign_call = find("X-Countersign-Call").or(self.countersign_call.take());
        self.user_to_user = find("User-to-User").or(self.user_to_user.take());
    }
}

/// The address of a Contact or Refer-To without the header fields it carries.
pub(super) fn bare(address: &NameAddr) -> String {
    address.uri.as_str().split('?').next().unwrap_or_default().to_owned()
}

/// A header field that a URI carries behind its question mark.
fn carried(headers: &str, name: &str) -> Option<String> {
    let pairs = headers.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .find_map(|(_, value)| unescape(value))
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// One line for people.
impl fmt::Display for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Pending => f.write_str("did not end"),
            Outcome::Redirected { contact } => write!(f, "redirected to {contact}"),
            Outcome::Transferred { refer_to } => write!(f, "transferred to {refer_to}"),
            Outcome::HungUp => f.write_str("hung up"),
            Outcome::Cancelled => f.write_str("hung up before answer"),
            Outcome::Rejected { status } => write!(f, "rejected with {status}"),
            Outcome::ByeFromDaemon { cause: None } => f.write_str("ended by the far end"),
            Outcome::ByeFromDaemon { cause: Some(cause) } => {
                write!(f, "ended by the far end, cause {cause}")
            }
            Outcome::Failed { reason } => write!(f, "failed: {reason}"),
        }?;
        if !self.prompts.is_empty() {
            let heard =
                self.prompts.iter().map(|heard| format!("{} at {} ms", heard.prompt, heard.at_ms));
            write!(f, "; heard {}", heard.collect::<Vec<_>>().join(", "))?;
        }
        if self.keys_pressed > 0 {
            let word = if self.keys_pressed == 1 { "key" } else { "keys" };
            write!(f, "; {} {word} pressed", self.keys_pressed)?;
        }
        if let Some(ms) = self.ring_ms {
            write!(f, "; rang at {ms} ms")?;
        }
        if let Some((status, ms)) = self.status.zip(self.answer_ms) {
            write!(f, "; {status} at {ms} ms")?;
        }
        write!(f, "; {} ms in all", self.total_ms)?;
        if let Some(call) = &self.countersign_call {
            write!(f, "; call {call}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::FromLine;

    #[test]
    fn the_ids_are_found_in_the_message_or_in_the_uri() {
        let mut report = CallReport::default();
        let text = "<sip:q@h?User-to-User=00%3Bencoding%3Dhex&X-Countersign-Call=01J>";
        let target = NameAddr::parse(text).expect("an address");
        report.take_ids(&Headers::new(), Some(&target.uri));
        assert_eq!(report.countersign_call.as_deref(), Some("01J"));
        assert_eq!(report.user_to_user.as_deref(), Some("00;encoding=hex"));
        assert_eq!(bare(&target), "sip:q@h");
        let mut headers = Headers::new();
        headers.push("X-Countersign-Call", "01K");
        report.take_ids(&headers, None);
        assert_eq!(report.countersign_call.as_deref(), Some("01K"));
        assert_eq!(carried("a=%4", "a"), None);
    }

    #[test]
    fn a_call_is_as_intended_when_nobody_had_to_give_up() {
        let mut plan = CallPlan::new(Uri::parse("sip:a@b").expect("a URI"), FromLine::Anonymous);
        let ended = |outcome: Outcome| CallReport { outcome, ..CallReport::default() };
        assert!(ended(Outcome::Redirected { contact: String::new() }).as_intended(&plan));
        assert!(!ended(Outcome::HungUp).as_intended(&plan));
        assert!(!ended(Outcome::Rejected { status: 503 }).as_intended(&plan));
        assert!(!ended(Outcome::ByeFromDaemon { cause: Some(41) }).as_intended(&plan));
        assert!(!CallReport::failed("no answer").as_intended(&plan));
        plan.hangup_after_keys = Some(1);
        assert!(ended(Outcome::HungUp).as_intended(&plan));
    }

    #[test]
    fn a_report_is_one_line_and_one_json_object() {
        let report = CallReport {
            call_id: "abc".into(),
            status: Some(200),
            outcome: Outcome::Transferred { refer_to: "sip:queue@h".into() },
            prompts: vec![HeardPrompt { prompt: "pin.position.2".into(), at_ms: 90 }],
            keys_pressed: 1,
            ring_ms: Some(2),
            answer_ms: Some(10),
            total_ms: 3000,
            countersign_call: Some("01J".into()),
            user_to_user: None,
        };
        assert_eq!(
            report.to_string(),
            "transferred to sip:queue@h; heard pin.position.2 at 90 ms; 1 key pressed; rang at 2 ms; \
             200 at 10 ms; 3000 ms in all; call 01J"
        );
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["outcome"]["ended"], "transferred");
        assert_eq!(json["prompts"][0]["at_ms"], 90);
    }
}
