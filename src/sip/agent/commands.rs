//! What the call wants of its leg.

use crate::model::time::Uptime;
use crate::sip::agent::Command;
use crate::sip::agent::GoneWhy;
use crate::sip::agent::LegEvent;
use crate::sip::agent::UserAgent;
use crate::sip::agent::leg::Leg;
use crate::sip::agent::leg::Phase;
use crate::sip::agent::leg::ReferState;
use crate::sip::agent::reason;
use crate::sip::agent::refer::bracketed;

impl UserAgent {
    pub(super) fn obey(&mut self, leg: &mut Leg, command: Command, now: Uptime) {
        match (&leg.phase, command) {
            (Phase::Ringing(_), Command::Ring) => self.ring(leg, now),
            (Phase::Ringing(_), Command::Answer { rtp }) => self.answer(leg, rtp, now),
            (Phase::Ringing(_), Command::Redirect { contact, headers }) => {
                self.redirect(leg, contact, &headers, now);
            }
            (Phase::Ringing(_), Command::Reject { status, retry_after, reason_q850 }) => {
                self.reject(leg, status, retry_after, reason_q850, now);
            }
            (Phase::Ringing(_), Command::Bye { cause }) => {
                self.reject(leg, 480, None, Some(cause), now);
            }
            (Phase::Talking, Command::Bye { cause }) => self.bye(leg, cause, now),
            (Phase::Talking, Command::Refer { target }) if leg.unconfirmed() => {
                leg.after_ack.refer = Some(target);
            }
            (Phase::Talking, Command::Refer { target }) => self.refer(leg, target, now),

            // The caller was quicker, or the call is already where the command wants it.
            (Phase::Ringing(_), Command::Refer { .. })
            | (
                Phase::Talking,
                Command::Ring
                | Command::Answer { .. }
                | Command::Redirect { .. }
                | Command::Reject { .. },
            )
            | (Phase::Closing | Phase::Over, _) => {}
        }
    }

    fn redirect(
        &mut self,
        leg: &mut Leg,
        contact: String,
        further: &[(String, String)],
        now: Uptime,
    ) {
        let contact = bracketed(contact);
        let mut headers = vec![("Contact", contact.as_str())];
        headers.extend(further.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if self.decline(leg, 302, &headers, now) {
            self.end(leg, LegEvent::Gone { why: GoneWhy::Redirected });
        }
    }

    fn reject(
        &mut self,
        leg: &mut Leg,
        status: u16,
        retry_after: Option<u32>,
        cause: Option<u16>,
        now: Uptime,
    ) {
        let retry_after = retry_after.map(|seconds| seconds.to_string());
        let reason = cause.map(reason::q850);
        let mut headers = Vec::new();
        headers.extend(retry_after.as_deref().map(|seconds| ("Retry-After", seconds)));
        headers.extend(reason.as_deref().map(|reason| ("Reason", reason)));
        // Anything below 400 would not refuse.
        let status = if (400..700).contains(&status) { status } else { 500 };
        if self.decline(leg, status, &headers, now) {
            self.end(leg, LegEvent::Gone { why: GoneWhy::Rejected });
        }
    }

    /// BYE; before the ACK it has to wait.
    pub(super) fn bye(&mut self, leg: &mut Leg, cause: u16, now: Uptime) {
        if leg.unconfirmed() {
            leg.after_ack.bye = Some(cause);
            return;
        }
        self.send_bye(leg, cause, now);
        leg.phase = Phase::Closing;
        leg.unacked.clear();
        if let Some(refer) = &mut leg.refer {
            refer.state = ReferState::Over;
        }
    }
}
