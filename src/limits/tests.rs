//! Limits as stories: who is stopped, who is not, and when somebody is told.

use proptest::prelude::*;

use super::*;
use crate::model::caller::Attestation;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;

const SEED: [u8; 32] = [7; 32];

fn limits() -> Limits {
    Limits::new(Rules::default(), SEED)
}

fn now(seconds: u64) -> Now {
    let wall = Timestamp(1_795_000_000_000 + seconds * 1000);
    Now { up: Uptime(Duration::from_secs(seconds)), wall }
}

/// A caller of the trunk `office`; `None` withholds the number.
fn caller(number: Option<u32>) -> Caller {
    let ani = number.map(|number| format!("+4477{number:08}").parse().expect("a number"));
    Caller { ani, trunk: "office".parse().ok(), ..Caller::default() }
}

fn agent(name: &str) -> AgentId {
    name.parse().expect("an agent")
}

fn ask(limits: &mut Limits, number: Option<u32>, account: u32, at: u64) -> Advice {
    let source = limits.source(&caller(number));
    let claim = limits.claim(&account.to_string());
    limits.observe(Event::Asked { source: &source, claim }, now(at))
}

fn check(limits: &mut Limits, number: Option<u32>, account: u32, outcome: Outcome, at: u64) {
    let source = limits.source(&caller(number));
    let claim = limits.claim(&account.to_string());
    limits.observe(Event::Checked { source: &source, claim, outcome }, now(at));
}

fn words(limits: &mut Limits, at: u64) -> Vec<&'static str> {
    limits.alarms(now(at)).iter().map(|alarm| alarm.kind.word()).collect()
}

#[test]
fn f5_2_one_number_gets_three_accounts_an_hour_and_the_fourth_is_never_right() {
    let mut limits = limits();
    for account in 0..3 {
        assert_eq!(ask(&mut limits, Some(1), account, 0), Advice::Normal);
    }
    assert_eq!(ask(&mut limits, Some(1), 3, 10), Advice::DummyOnly(Reason::Number));
    assert_eq!(ask(&mut limits, Some(1), 1, 20), Advice::Normal, "one of the three still may");
    assert_eq!(ask(&mut limits, Some(2), 3, 30), Advice::Normal, "from another number");
    assert_eq!(words(&mut limits, 40), ["number_accounts"]);
    assert_eq!(ask(&mut limits, Some(1), 3, 3601), Advice::Normal, "an hour after two of them");
    assert_eq!(words(&mut limits, 3700), Vec::<&str>::new());
}

#[test]
fn f5_2_callers_without_a_number_are_one_pool() {
    let mut limits = limits();
    for account in 0..50 {
        assert_eq!(ask(&mut limits, None, account, 0), Advice::Normal);
        check(&mut limits, None, account, Outcome::Passed, 0);
    }
    let none = Rules { failure_margin_percent: 0, ..Rules::default() };
    let mut limits = Limits::new(none, SEED);
    (0..49).for_each(|account| check(&mut limits, None, account, Outcome::Failed, 0));
    assert_eq!(ask(&mut limits, None, 100, 1), Advice::Normal);
    check(&mut limits, None, 49, Outcome::Failed, 1);
    assert_eq!(ask(&mut limits, None, 100, 2), Advice::DummyOnly(Reason::Withheld));
    assert_eq!(ask(&mut limits, Some(1), 100, 2), Advice::Normal, "others are not concerned");
    assert_eq!(words(&mut limits, 3), ["withheld_failures"]);
    assert_eq!(ask(&mut limits, None, 100, 3700), Advice::Normal);
}

#[test]
fn f5_2_a_block_of_numbers_and_a_trunk_have_their_limits() {
    let none = Rules { failure_margin_percent: 0, failures_per_trunk: 40, ..Rules::default() };
    let mut limits = Limits::new(none, SEED);
    // A thousand numbers, each used once, for an account each.
    (0..20).for_each(|nth| check(&mut limits, Some(nth), nth, Outcome::Failed, 0));
    assert_eq!(ask(&mut limits, Some(999), 999, 1), Advice::DummyOnly(Reason::Prefix));
    let far = |nth| Some(nth * 1_000_000);
    assert_eq!(ask(&mut limits, far(5), 999, 1), Advice::Normal);
    (0..20).for_each(|nth| check(&mut limits, far(nth + 1), 100 + nth, Outcome::Failed, 1));
    assert_eq!(ask(&mut limits, far(50), 998, 2), Advice::HighTrustOnly(Reason::Trunk));
    assert_eq!(words(&mut limits, 3), ["prefix_failures", "trunk_failures"]);
}

#[test]
#[expect(clippy::print_stdout, reason = "a figure of the run")]
fn f5_2_ten_thousand_accounts_with_one_call_each_raise_the_alarm_before_call_100() {
    for (story, number) in [
        ("one number", (|_| Some(1)) as fn(u32) -> Option<u32>),
        ("all withheld", |_| None),
        ("a new number each", |nth| Some(nth * 9973)),
        ("half and half", |nth| (nth % 2 == 0).then_some(nth * 9973)),
        ("thirty numbers", |nth| Some(nth % 30 * 1_000_000)),
    ] {
        let mut limits = limits();
        let (mut alarm, mut passed) = (None, 0);
        for nth in 0..10_000_u32 {
            let at = u64::from(nth);
            let advice = ask(&mut limits, number(nth), nth, at);
            // Two guesses of a hundred pairs: two of a hundred accounts fall, if the PIN is judged.
            let lucky = nth % 50 == 0 && !matches!(advice, Advice::DummyOnly(_));
            passed += u32::from(lucky);
            let outcome = if lucky { Outcome::Passed } else { Outcome::Failed };
            check(&mut limits, number(nth), nth, outcome, at);
            let raised = limits.take_raised();
            if raised.contains(&AlarmKind::FailureRate) {
                alarm.get_or_insert(nth + 1);
            }
        }
        assert!(alarm.is_some_and(|call| call < 100), "{story}: {alarm:?}");
        println!(
            "figure: sprayed from {story}: alarm at call {}, {passed} pairs guessed",
            alarm.unwrap_or(0)
        );
        let advice = ask(&mut limits, Some(77_000_000), 1, 10_000);
        assert!(matches!(advice, Advice::HighTrustOnly(_)), "{advice:?}");
    }
}

#[test]
fn x16_high_trust_is_a_lane_of_its_own() {
    let mut limits = limits();
    (0..200).for_each(|nth| check(&mut limits, Some(nth), nth, Outcome::Failed, 0));
    for account in 0..9 {
        let _ = ask(&mut limits, Some(1), account, 0);
    }
    let attested = Caller { attestation: Attestation::Full, ..caller(Some(1)) };
    let source = limits.source(&attested);
    for account in ["20", "21", "22", "23", "24"] {
        let claim = limits.claim(account);
        let advice = limits.observe(Event::Asked { source: &source, claim }, now(1));
        assert_eq!(advice, Advice::Normal, "5.8: strangers do not keep it out");
    }
}

#[test]
fn f5_6_leaving_after_the_positions_again_and_again_is_told() {
    let mut limits = limits();
    (0..60).for_each(|nth| check(&mut limits, Some(nth), nth, Outcome::Abandoned, nth.into()));
    assert_eq!(words(&mut limits, 60), ["abandon_rate"]);
    assert_eq!(ask(&mut limits, Some(99), 1, 61), Advice::Normal, "it keeps nobody out");
}

#[test]
fn f5_7_an_agent_looks_at_so_many_answers_an_hour() {
    let mut limits = limits();
    let look = |limits: &mut Limits, name: &str, at| {
        limits.observe(Event::Reveal { agent: &agent(name) }, now(at))
    };
    for nth in 0..120 {
        assert_eq!(look(&mut limits, "agent-1", nth), Advice::Normal);
    }
    assert_eq!(look(&mut limits, "agent-1", 120), Advice::OverQuota);
    assert_eq!(look(&mut limits, "agent-2", 120), Advice::Normal);
    let alarms = limits.alarms(now(121));
    assert!(alarms[0].detail.starts_with("agent agent-1 wanted to look"), "{alarms:?}");
    assert_eq!(look(&mut limits, "agent-1", 3600), Advice::Normal, "the first look is an hour ago");
    assert_eq!(look(&mut limits, "agent-1", 3600), Advice::OverQuota);
}

#[test]
fn f5_7_three_challenges_of_one_account_and_a_tick_too_soon_are_told() {
    let mut limits = limits();
    let account: CustomerId = "c-1".parse().expect("an id");
    let sees = |limits: &mut Limits, call: u64, at| {
        let call = CallId::new(Timestamp(call), [0; 10]);
        let event = Event::Challenged { agent: &agent("agent-1"), account: &account, call: &call };
        limits.observe(event, now(at));
    };
    for _ in 0..5 {
        sees(&mut limits, 1, 0);
    }
    sees(&mut limits, 2, 1000);
    assert_eq!(words(&mut limits, 1001), Vec::<&str>::new(), "two calls, seen often");
    sees(&mut limits, 3, 2000);
    assert_eq!(words(&mut limits, 2001), ["agent_same_account"]);
    let ticks = |limits: &mut Limits, ms| {
        let after = Duration::from_millis(ms);
        limits.observe(Event::Ticked { agent: &agent("agent-1"), after }, now(2100));
    };
    ticks(&mut limits, 2000);
    assert_eq!(words(&mut limits, 2100), ["agent_same_account"]);
    ticks(&mut limits, 1999);
    assert_eq!(words(&mut limits, 2100), ["agent_same_account", "agent_fast_tick"]);
    assert_eq!(words(&mut limits, 2100 + 86_400), Vec::<&str>::new());
}

#[test]
fn f4_5_three_wrong_letter_codes_in_a_day_are_told() {
    let mut limits = limits();
    for (at, told) in [(0, 0), (80_000, 0), (86_401, 0), (90_000, 1)] {
        limits.observe(Event::LetterCodeWrong, now(at));
        assert_eq!(words(&mut limits, at).len(), told, "at {at}");
    }
}

#[test]
fn f5_16_jumps_of_the_calendar_open_nothing() {
    let mut limits = limits();
    for account in 0..3 {
        let _ = ask(&mut limits, Some(1), account, 100);
    }
    for wall in [0, u64::MAX, 1_795_000_000_000] {
        let source = limits.source(&caller(Some(1)));
        let claim = limits.claim("9");
        let jumped = Now { wall: Timestamp(wall), ..now(101) };
        let advice = limits.observe(Event::Asked { source: &source, claim }, jumped);
        assert_eq!(advice, Advice::DummyOnly(Reason::Number));
    }
    // And should the steady clock itself go back, nothing opens either.
    assert_eq!(ask(&mut limits, Some(1), 10, 50), Advice::DummyOnly(Reason::Number));
}

#[test]
fn c52_alarms_and_what_is_kept_show_no_number_and_no_account() {
    let mut limits = Limits::new(Rules { failures_per_prefix: 5, ..Rules::default() }, SEED);
    for account in 0..200 {
        let _ = ask(&mut limits, Some(12_345_678), 7_654_000 + account, 0);
        check(&mut limits, Some(12_345_678), 7_654_000 + account, Outcome::Failed, 0);
    }
    let alarms = limits.alarms(now(1));
    assert!(alarms.len() >= 3, "{alarms:?}");
    let shown = format!("{alarms:?} {limits:?} {:?}", limits.source(&caller(Some(12_345_678))));
    for secret in ["12345678", "345678", "7654001", "7654"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

proptest! {
    #[test]
    fn f5_2_whatever_the_order_no_number_gets_a_fourth_account_within_the_hour(
        steps in prop::collection::vec((0u32..4, 0u32..8, 0u64..900), 0..200)
    ) {
        let mut limits = limits();
        let (mut at, mut allowed) = (0, vec![]);
        for (number, account, wait) in steps {
            at += wait;
            if ask(&mut limits, Some(number * 1_000_000), account, at) == Advice::Normal {
                allowed.push((at, number, account));
            }
            let recent = allowed.iter().filter(|seen| seen.1 == number && at - seen.0 < 3600);
            let accounts: std::collections::BTreeSet<_> = recent.map(|seen| seen.2).collect();
            prop_assert!(accounts.len() <= 3, "{accounts:?}");
        }
    }
}
