//! What follows a call, told as stories.

use proptest::prelude::*;
use serde_json::Value;

use crate::follow_up::Context;
use crate::follow_up::Direction;
use crate::follow_up::Factor;
use crate::follow_up::ItemKind;
use crate::follow_up::JobEvent;
use crate::follow_up::JobId;
use crate::follow_up::JobKind;
use crate::follow_up::JobLine;
use crate::follow_up::JobState;
use crate::follow_up::Mark;
use crate::follow_up::Occasion;
use crate::follow_up::Occurred;
use crate::follow_up::Refused;
use crate::follow_up::Rules;
use crate::follow_up::Step;
use crate::follow_up::happened;
use crate::follow_up::occurred;
use crate::model::time::Timestamp;

const NOW: u64 = 1_795_305_600_000;
const DAY: u64 = 86_400_000;

/// A case worked on by the machine alone, as records would do it.
#[derive(Default)]
struct Office {
    rules: Rules,
    now: u64,
    sms_ok: bool,
    application_stage: bool,
    jobs: Vec<JobLine>,
    sent: Vec<(ItemKind, String, Value)>,
}

impl Office {
    fn open() -> Self {
        Self { now: NOW, ..Self::default() }
    }

    fn hears(&mut self, call: &str, what: Occasion) {
        let told = Occurred {
            call: call.parse().expect("an id"),
            customer: "c-1".parse().expect("an id"),
            profile: "cmg".into(),
            rules: self.rules.clone(),
            at: Timestamp(self.now),
            what,
        };
        let open: Vec<_> = self.jobs.iter().filter(|job| job.state.is_open()).cloned().collect();
        let steps = occurred(&told, &self.context(&open));
        self.carry_out(steps);
    }

    fn says(&mut self, kind: JobKind, event: JobEvent) -> Result<(), Refused> {
        let found = self.jobs.iter().rfind(|job| job.kind == kind).expect("such a job").clone();
        let open: Vec<_> = self.jobs.iter().filter(|job| job.state.is_open()).cloned().collect();
        let context = self.context(&open);
        let steps = happened(&found, &self.rules, event, &context, Timestamp(self.now))?;
        self.carry_out(steps);
        Ok(())
    }

    fn context<'a>(&self, open: &'a [JobLine]) -> Context<'a> {
        Context { open, sms_ok: self.sms_ok, application_stage: self.application_stage }
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Open(new) => self.jobs.push(JobLine {
                    id: JobId(i64::try_from(self.jobs.len()).expect("few") + 1),
                    kind: new.kind,
                    state: new.state,
                    customer: "c-1".parse().expect("an id"),
                    call: None,
                    profile: "cmg".into(),
                    opened: Timestamp(self.now),
                    due: new.due,
                    changed: Timestamp(self.now),
                    changed_by: "system".into(),
                    detail: new.detail,
                }),
                Step::Change { job, state, due } => {
                    let found = self.jobs.iter_mut().find(|line| line.id == job).expect("it");
                    (found.state, found.due) = (state, due);
                }
                Step::Send(item) if self.sent.iter().any(|(_, key, _)| *key == item.key) => {}
                Step::Send(item) => self.sent.push((item.kind, item.key, item.payload)),
            }
        }
    }

    fn items(&self, kind: ItemKind) -> Vec<&Value> {
        self.sent.iter().filter(|(sent, _, _)| *sent == kind).map(|(_, _, what)| what).collect()
    }

    fn documents(&self) -> Vec<&str> {
        self.items(ItemKind::Letter)
            .iter()
            .filter_map(|letter| letter["document"].as_str())
            .collect()
    }

    fn last(&self, kind: JobKind) -> &JobLine {
        self.jobs.iter().rfind(|job| job.kind == kind).expect("such a job")
    }
}

fn accepted(by_gich: bool, has_number: bool) -> Occasion {
    Occasion::CallBackAccepted { by: "agent-1".into(), by_gich, transitional: false, has_number }
}

fn bogus(direction: Direction, consecutive_failed: u8) -> Occasion {
    Occasion::Bogus {
        by: "agent-1".into(),
        details: "knew the postcode, said 020 7946 0123".into(),
        direction,
        scin: "1001".into(),
        consecutive_failed,
    }
}

#[test]
fn c48_c49_c04_an_accepted_call_back_is_a_job_and_a_refused_one_an_outcome() {
    let mut office = Office::open();
    office.hears("call-1", accepted(false, true));
    let job = office.last(JobKind::CallBack);
    assert_eq!(job.state, JobState::Open);
    assert_eq!(
        (job.detail.questions.as_deref(), job.detail.required),
        (Some("transactional"), Some(3))
    );
    assert_eq!(job.detail.direction.as_deref(), Some("outbound"));
    assert_eq!(job.detail.to.as_deref(), Some("number_held"), "c52 never a number that was named");
    let mut office = Office::open();
    office.hears("call-2", Occasion::CallBackRefused { by: "agent-1".into() });
    assert!(office.jobs.is_empty());
    assert_eq!(office.items(ItemKind::CallOutcome)[0]["outcome"], "Failed ID Security Check");
}

#[test]
fn c69_the_outcome_reads_exactly_as_the_source() {
    assert_eq!(Rules::default().failed_outcome, "Failed ID Security Check");
}

#[test]
fn c55_an_early_case_is_called_back_with_transitional_questions() {
    let mut office = Office::open();
    let early = Occasion::CallBackAccepted {
        by: "agent-1".into(),
        by_gich: false,
        transitional: true,
        has_number: true,
    };
    office.hears("call-1", early);
    assert_eq!(office.last(JobKind::CallBack).detail.questions.as_deref(), Some("transitional"));
}

#[test]
fn c50_a_gich_member_does_not_call_back_but_the_owner_of_the_case_does() {
    let mut office = Office::open();
    office.hears("call-1", accepted(true, true));
    assert_eq!(office.jobs.len(), 1);
    assert_eq!(office.last(JobKind::CaseOwner).state, JobState::Open);
    assert_eq!(office.items(ItemKind::Task)[0]["task"], "case_owner");
}

#[test]
fn c53_without_a_number_or_with_a_dead_one_somebody_traces_it() {
    let mut office = Office::open();
    office.hears("call-1", accepted(false, false));
    assert_eq!(office.last(JobKind::Trace).detail.sources, ["CIS", "CRA"]);
    let mut office = Office::open();
    office.hears("call-1", accepted(false, true));
    office.says(JobKind::CallBack, JobEvent::Unreachable).expect("taken");
    assert_eq!(office.last(JobKind::Trace).detail.sources, ["CIS", "CRA"]);
}

#[test]
fn c02_c79_c80_x06_a_bogus_call_is_one_priority_report_with_the_scin() {
    let mut office = Office::open();
    office.rules.sasc_link = "https://sasc.example/form".into();
    office.hears("call-1", bogus(Direction::Inbound, 1));
    office.hears("call-1", bogus(Direction::Inbound, 1));
    assert_eq!(office.items(ItemKind::BogusReport).len(), 1, "idempotent on the call");
    let first = office.items(ItemKind::BogusReport)[0].clone();
    assert_eq!((&first["priority"], &first["form_required"]), (&true.into(), &false.into()));
    assert_eq!(first["form"]["Features of call/Further details"], "1001");
    office.hears("call-2", bogus(Direction::Outbound, 3));
    let third = office.items(ItemKind::BogusReport)[1];
    assert_eq!((&third["priority"], &third["form_required"]), (&true.into(), &true.into()));
    assert_eq!(third["form"]["Whose SCIN"], "the contact called");
}

#[test]
fn c07_a_bogus_report_holds_a_form_and_no_number_that_was_named() {
    let mut office = Office::open();
    office.hears("call-1", bogus(Direction::Inbound, 1));
    let report = office.items(ItemKind::BogusReport)[0];
    assert!(report["form"].is_object() && !report.to_string().contains("7946"));
}

#[test]
fn c81_the_way_to_the_form_is_configured() {
    let mut office = Office::open();
    office.rules = toml::from_str("sasc_link = \"https://sasc.example/form\"").expect("rules");
    office.hears("call-1", bogus(Direction::Inbound, 1));
    assert_eq!(office.items(ItemKind::BogusReport)[0]["link"], "https://sasc.example/form");
}

#[test]
fn c70_c71_x25_x26_a_block_opens_one_unblock_job_which_only_an_outbound_check_ends() {
    let mut office = Office::open();
    office.hears("call-3", Occasion::BecameBlocked);
    office.hears("call-4", Occasion::BecameBlocked);
    assert_eq!(office.jobs.len(), 1);
    let job = office.last(JobKind::Unblock).clone();
    assert_eq!(job.detail.direction.as_deref(), Some("outbound"));
    assert_eq!(job.detail.or.as_deref(), Some("pin_and_password"), "x25 both, or three questions");
    assert_eq!(job.detail.required, Some(3));
    assert_eq!(office.says(JobKind::Unblock, JobEvent::Done), Err(Refused::ByCheckOnly));
    office.hears("call-5", Occasion::Unblocked);
    assert_eq!(office.last(JobKind::Unblock).state, JobState::Done, "c72");
    assert_eq!(office.documents(), [""; 0]);
}

#[test]
fn c73_a_failed_or_unanswered_unblock_call_sends_both_letters_once_to_the_caller() {
    for event in [JobEvent::Failed, JobEvent::Unreachable] {
        let mut office = Office::open();
        office.hears("call-3", Occasion::BecameBlocked);
        office.says(JobKind::Unblock, event).expect("taken");
        assert_eq!(office.documents(), ["CMSL9800", "FT9800"]);
        assert_eq!(office.says(JobKind::Unblock, event), Err(Refused::Over));
        office.hears("call-9", Occasion::UnblockFailed);
        assert_eq!(office.documents().len(), 2, "once");
        let letter = office.items(ItemKind::Letter)[0];
        assert_eq!(letter["to"]["customer"], "c-1");
        assert_eq!(letter["subject"], "We need to update your security details");
    }
    let mut office = Office::open();
    office.hears("call-3", Occasion::BecameBlocked);
    office.hears("call-4", Occasion::UnblockUnreachable);
    assert_eq!(office.documents(), ["CMSL9800", "FT9800"], "told by the call itself");
    assert_eq!(office.last(JobKind::Unblock).state, JobState::Unreachable);
}

/// Blocked, not reached, letters out.
fn letters_out(sms_ok: bool) -> Office {
    let mut office = Office { sms_ok, ..Office::open() };
    office.hears("call-3", Occasion::BecameBlocked);
    office.says(JobKind::Unblock, JobEvent::Unreachable).expect("taken");
    office
}

#[test]
fn c74_c75_x27_on_day_seven_exactly_one_of_sms_and_reminder() {
    for (sms_ok, allowed) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut office = letters_out(sms_ok);
        office.rules.sms_allowed = allowed;
        office.now = NOW + 7 * DAY - 1;
        assert_eq!(
            office.says(JobKind::Renewal, JobEvent::TimeCome),
            Err(Refused::NotDue),
            "day 6"
        );
        office.now = NOW + 7 * DAY;
        office.says(JobKind::Renewal, JobEvent::TimeCome).expect("day 7");
        let sms = office.items(ItemKind::Sms).len();
        let reminders = office.documents().iter().filter(|name| **name == "CMSL9801").count();
        assert_eq!((sms, reminders), if sms_ok && allowed { (1, 0) } else { (0, 1) });
        assert_eq!(office.says(JobKind::Renewal, JobEvent::TimeCome), Err(Refused::NotDue), "once");
    }
}

#[test]
fn c78_c77_without_a_response_the_request_is_closed_and_the_block_stays() {
    let mut office = letters_out(false);
    office.now = NOW + 7 * DAY;
    office.says(JobKind::Renewal, JobEvent::TimeCome).expect("reminded");
    office.now += 7 * DAY;
    office.says(JobKind::Renewal, JobEvent::TimeCome).expect("closed");
    assert_eq!(office.items(ItemKind::CloseRequest).len(), 1);
    assert_eq!(office.last(JobKind::Renewal).state, JobState::Closed);
    assert_eq!(office.says(JobKind::Renewal, JobEvent::TimeCome), Err(Refused::Over));
}

#[test]
fn c77_details_that_come_in_end_the_wait() {
    let mut office = letters_out(false);
    office.says(JobKind::Renewal, JobEvent::Done).expect("taken");
    office.now = NOW + 8 * DAY;
    assert_eq!(office.says(JobKind::Renewal, JobEvent::TimeCome), Err(Refused::Over));
    assert!(!office.documents().contains(&"CMSL9801"));
}

#[test]
fn c76_at_application_stage_the_wait_activity_is_not_required() {
    let mut office = Office { application_stage: true, ..Office::open() };
    office.hears("call-3", Occasion::BecameBlocked);
    office.says(JobKind::Unblock, JobEvent::Failed).expect("taken");
    assert_eq!(office.items(ItemKind::WaitActivity)[0]["status"], "Not Required");
}

#[test]
fn c41_c42_c46_a_compensated_pass_is_recorded_and_the_reset_updates_the_record() {
    let mut office = Office::open();
    office.hears("call-1", Occasion::CompensatedPass { failed_factor: Factor::Pin });
    let reset = Occasion::SecurityReset { by: "agent-1".into(), reason: "call back passed".into() };
    office.hears("call-2", reset);
    let record = office.items(ItemKind::ActivityRecord)[0]["record"].clone();
    assert_eq!(office.items(ItemKind::ActivityUpdate)[0]["record"], record);
}

#[test]
fn b14_b16_a_final_result_is_one_mark_with_the_words_of_the_source() {
    for (mark, word) in [(Mark::Verified, "Verified"), (Mark::NotVerified, "Not Verified")] {
        let mut office = Office::open();
        office.hears("call-1", Occasion::Marked(mark));
        office.hears("call-1", Occasion::Marked(mark));
        let marks = office.items(ItemKind::Mark);
        assert_eq!((marks.len(), &marks[0]["mark"]), (1, &word.into()));
    }
}

#[test]
fn c15_a_call_ended_for_want_of_the_client_keeps_outcome_and_role() {
    let mut office = Office::open();
    let ended = Occasion::PartyEnded { role: "other".into(), outcome: "client not present".into() };
    office.hears("call-1", ended);
    let kept = office.items(ItemKind::CallOutcome)[0];
    assert_eq!((&kept["role"], &kept["outcome"]), (&"other".into(), &"client not present".into()));
}

#[test]
fn c21_c09_deferred_enrolment_is_a_job_with_its_code_and_starts_the_set_up() {
    let mut office = Office::open();
    office.hears("call-1", Occasion::EnrolmentDeferred { code: "no_time".into() });
    assert_eq!(office.last(JobKind::Enrolment).detail.code.as_deref(), Some("no_time"));
    assert_eq!(office.items(ItemKind::Procedure)[0]["procedure"], "security_set_up");
}

#[test]
fn c09_every_linked_procedure_has_its_named_event() {
    let reset = Occasion::SecurityReset { by: "agent-1".into(), reason: String::new() };
    let deferred = Occasion::EnrolmentDeferred { code: "no_time".into() };
    let mut office = Office::open();
    for (number, what) in [Occasion::ThirdPartyContact, Occasion::EmployerContact, reset, deferred]
        .into_iter()
        .enumerate()
    {
        office.hears(&format!("call-{number}"), what);
    }
    let names: Vec<_> = office
        .items(ItemKind::Procedure)
        .iter()
        .filter_map(|item| item["procedure"].as_str())
        .collect();
    let wanted =
        ["third_party_contact", "employer_contact", "change_security_details", "security_set_up"];
    assert_eq!(names, wanted);
}

#[test]
fn x04_x07_x30_where_the_telephone_is_no_way_the_letters_go_out() {
    let mut office = Office::open();
    office.hears("call-1", Occasion::ByLetter);
    office.hears("call-2", Occasion::ByLetter);
    assert_eq!(office.documents(), ["CMSL9800", "FT9800"]);
    assert_eq!(office.last(JobKind::Renewal).due, Some(Timestamp(NOW + 7 * DAY)));
}

#[test]
fn x05_after_a_reset_nothing_is_waited_for_and_an_unblock_ends_its_job() {
    let mut office = letters_out(false);
    let reset = Occasion::SecurityReset { by: "agent-1".into(), reason: String::new() };
    office.hears("call-8", reset);
    assert!(office.jobs.iter().all(|job| !job.state.is_open()));
}

#[test]
fn f5_8_the_owner_hears_of_a_block_where_the_profile_says_so() {
    let mut office = Office::open();
    office.hears("call-3", Occasion::BecameBlocked);
    assert!(office.items(ItemKind::Notice).is_empty());
    let mut office = Office::open();
    office.rules.notify_owner = true;
    office.hears("call-3", Occasion::BecameBlocked);
    assert_eq!(office.items(ItemKind::Notice).len(), 1);
}

fn any_occasion() -> impl Strategy<Value = Occasion> {
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(gich, number)| accepted(gich, number)),
        Just(Occasion::BecameBlocked),
        Just(Occasion::UnblockFailed),
        Just(Occasion::UnblockUnreachable),
        Just(Occasion::Unblocked),
        Just(Occasion::ByLetter),
        (1_u8..5).prop_map(|failed| bogus(Direction::Inbound, failed)),
    ]
}

proptest! {
    /// Whatever happens, in whatever order, with a clock that also jumps back.
    #[test]
    fn c74_never_two_reminders_nor_a_second_wait_and_every_reminder_after_its_letters(
        happenings in prop::collection::vec((any_occasion(), any::<bool>(), 0_u64..10), 1..40),
    ) {
        let mut office = Office::open();
        for (number, (what, due, days)) in happenings.into_iter().enumerate() {
            office.now = NOW + days * DAY;
            office.hears(&format!("call-{number}"), what);
            if due && office.jobs.iter().any(|job| job.kind == JobKind::Renewal) {
                let _ = office.says(JobKind::Renewal, JobEvent::TimeCome);
            }
            let open = |kind| office.jobs.iter().filter(|job| job.kind == kind && job.state.is_open()).count();
            prop_assert!(open(JobKind::Renewal) <= 1);
            prop_assert!(open(JobKind::Unblock) <= 1);
        }
        let renewals = office.jobs.iter().filter(|job| job.kind == JobKind::Renewal).count();
        let count = |name: &str| office.documents().iter().filter(|sent| **sent == name).count();
        prop_assert_eq!(count("CMSL9800"), renewals);
        prop_assert_eq!(count("FT9800"), renewals);
        let reminded = count("CMSL9801") + office.items(ItemKind::Sms).len();
        prop_assert!(reminded <= renewals);
    }
}
