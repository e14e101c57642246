//! Outbound calls as stories, and 100,000 random ones.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::time::Now;
use crate::model::time::Timestamp;
use crate::model::time::Uptime;
use crate::outbound::BeforeDialling;
use crate::outbound::Method;
use crate::outbound::Purpose;
use crate::outbound::codes::SpokenCode;
use crate::outbound::proof::Check;
use crate::outbound::proof::Proof;
use crate::outbound::rules::NumberSignals;
use crate::outbound::rules::Rules;
use crate::outbound::step::Choice;
use crate::outbound::step::Event;
use crate::outbound::step::Recorded;
use crate::outbound::step::Refused;
use crate::outbound::step::Step;

const PUBLISHED: &str = "+44 20 7946 0123";
const TRUSTED: BeforeDialling =
    BeforeDialling { number_age_ok: true, sim_swapped: Some(false), forwarded: Some(false) };

fn rules() -> Rules {
    Rules {
        enabled: true,
        published_number: Some(PUBLISHED.into()),
        pin_after: vec![Method::App, Method::Letter],
        password_after_proof: true,
        ..Rules::default()
    }
}

/// One call and what came out of it.
struct Line {
    proof: Proof,
    now: Now,
    random: u64,
}

impl Line {
    fn ring(purpose: Purpose) -> Self {
        Self::with(rules(), purpose, TRUSTED)
    }

    fn with(rules: Rules, purpose: Purpose, before: BeforeDialling) -> Self {
        Self { proof: Proof::new(rules, purpose, before), now: at(0), random: 41 }
    }

    fn says(&mut self, event: Event) -> Result<Vec<Step>, Refused> {
        self.random = self.random.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
        self.proof.apply(event, self.now, self.random)
    }

    #[track_caller]
    fn goes(&mut self, event: Event) -> Vec<Step> {
        self.says(event).expect("it is allowed now")
    }

    fn stage(&self) -> &'static str {
        self.proof.view().expect("not an employer").stage
    }
}

fn at(seconds: u64) -> Now {
    let wait = Duration::from_secs(seconds);
    Now { up: Uptime(wait), wall: Timestamp(1_795_000_000_000).after(wait) }
}

fn letter() -> Event {
    Event::Chosen(Choice::Letter(SpokenCode::six("111222").expect("six digits")))
}

fn answered(matches: bool) -> Event {
    Event::LetterAnswered { matches, wrong_before: 0 }
}

fn spoken(steps: &[Step]) -> Vec<&SpokenCode> {
    let code = |step: &'_ Step| matches!(step, Step::Speak(_));
    steps
        .iter()
        .filter(|step| code(step))
        .filter_map(|step| if let Step::Speak(code) = step { Some(code) } else { None })
        .collect()
}

fn right_number(steps: &[Step]) -> u8 {
    spoken(steps).first().and_then(|code| code.digits().parse().ok()).expect("a number")
}

fn proved_by_app() -> Line {
    let mut line = Line::ring(Purpose::Contact);
    let number = right_number(&line.goes(Event::Chosen(Choice::App)));
    line.goes(Event::AppTapped { number });
    line
}

fn proved_by_letter(purpose: Purpose, before: BeforeDialling) -> Line {
    let mut line = Line::with(rules(), purpose, before);
    line.goes(letter());
    line.goes(answered(true));
    line
}

fn waived() -> Line {
    let mut line = Line::ring(Purpose::Contact);
    line.goes(Event::Accepted);
    line
}

#[test]
fn o01_x32_nothing_is_asked_before_the_organisation_has_proved_itself() {
    let mut line = Line::ring(Purpose::Contact);
    assert_eq!((line.stage(), line.proof.check()), ("intro", Check::No));
    assert_eq!(line.proof.say_key(), "intro");
    line.goes(letter());
    assert_eq!((line.stage(), line.proof.check()), ("pending", Check::No));
    line.goes(Event::Accepted);
    assert_eq!(line.proof.check(), Check::No, "the second code is still owed");
    line.goes(answered(true));
    assert_eq!((line.stage(), line.proof.check()), ("proved", Check::Full));
    assert_eq!(line.proof.say_key(), "opening");
}

#[test]
fn x32_the_pin_of_step_12_waits_for_the_proof() {
    let mut line = Line::ring(Purpose::Contact);
    assert!(!line.proof.allows_pin());
    line.goes(letter());
    assert!(!line.proof.allows_pin());
    line.goes(answered(true));
    assert!(line.proof.allows_pin() && line.proof.allows_password());
}

#[test]
fn o02_with_one_proof_only_no_pin_is_asked() {
    let one = Rules { methods: vec![Method::Letter, Method::Waive], ..rules() };
    let mut line = Line::with(one, Purpose::Contact, TRUSTED);
    line.goes(letter());
    line.goes(answered(true));
    assert_eq!((line.proof.check(), line.proof.allows_pin()), (Check::Full, false));
}

#[test]
fn o03_the_customer_is_checked_after_the_proof_unless_the_tap_proved_both_sides() {
    let line = proved_by_letter(Purpose::Contact, TRUSTED);
    assert!(line.proof.allows_check() && !line.proof.skips_check());
    assert_eq!(waived().proof.check(), Check::LowRisk);
    let line = proved_by_app();
    assert!(line.proof.skips_check() && !line.proof.allows_check());
    assert_eq!(line.proof.say_key(), "confirmed");
}

#[test]
fn o05_the_agent_names_no_number_to_ring_and_says_how_to_find_it() {
    let mut line = Line::ring(Purpose::Contact);
    line.goes(Event::CallBackAsked);
    let words = line.proof.words("agent-1");
    assert!(words.contains("look our number up yourself"), "{words}");
    assert!(words.contains("Wait 5 minutes or use another telephone"), "{words}");
    for situation in [Line::ring(Purpose::Contact), proved_by_app(), waived(), line] {
        let words = situation.proof.words("agent-one");
        let digits = words.chars().filter(char::is_ascii_digit).count();
        assert!(digits <= 1 && !words.contains('{'), "{words}");
    }
}

#[test]
fn o06_x33_without_an_enabled_profile_nothing_starts() {
    let mut line = Line::with(Rules::default(), Purpose::Contact, TRUSTED);
    for event in [Event::Chosen(Choice::App), Event::Accepted, Event::CallBackAsked] {
        assert_eq!(line.says(event), Err(Refused::NotEnabled));
    }
    assert_eq!(line.proof.check(), Check::No);
}

#[test]
fn o07_ringing_back_leaves_a_reference_and_ends_the_proof() {
    let mut line = Line::ring(Purpose::Contact);
    let steps = line.goes(Event::CallBackAsked);
    let awaited = steps.iter().find_map(|step| match step {
        Step::Await { reference, expires_at } => Some((reference.clone(), *expires_at)),
        _ => None,
    });
    let (reference, expires_at) = awaited.expect("a reference");
    assert_eq!(expires_at, line.now.wall.after(Duration::from_hours(24)));
    let view = line.proof.view().expect("a proof");
    assert_eq!((view.stage, view.reference.as_ref()), ("call_back", Some(&reference)));
    assert!(line.proof.is_over());
    assert_eq!(line.says(Event::CallBackAsked), Err(Refused::NotNow));
}

#[test]
fn o08_the_purpose_is_told_only_to_a_customer_who_has_passed() {
    let intro = Line::ring(Purpose::Contact);
    for passed in [false, true] {
        assert!(!intro.proof.purpose_may_be_told(passed));
        for line in [proved_by_letter(Purpose::Contact, TRUSTED), proved_by_app(), waived()] {
            assert_eq!(line.proof.purpose_may_be_told(passed), passed);
        }
    }
    let words = intro.proof.words("agent-1");
    assert!(words.starts_with("Hello, my name is agent-1."), "{words}");
    let named = Rules { name_organisation: true, organisation: "Example Bank".into(), ..rules() };
    let named = Line::with(named, Purpose::Contact, TRUSTED).proof.words("agent-1");
    assert!(named.contains("from Example Bank"), "{named}");
}

#[test]
fn o09_each_proof_is_tried_once_and_dies_with_the_wrong_answer() {
    let mut line = Line::ring(Purpose::Contact);
    let steps = line.goes(Event::Chosen(Choice::App));
    let right = right_number(&steps);
    let wrong = line.proof.app_numbers().map(|shown| shown.numbers.shown());
    let wrong = wrong.into_iter().flatten().find(|number| *number != right).expect("two others");
    let after = line.goes(Event::AppTapped { number: wrong });
    assert_eq!(after, [Step::Withdraw, Step::Record(Recorded::Wrong(Method::App))]);
    assert_eq!((line.stage(), line.proof.app_numbers()), ("intro", None));
    assert_eq!(line.says(Event::AppTapped { number: right }), Err(Refused::NotNow));
    assert_eq!(line.says(Event::Chosen(Choice::App)), Err(Refused::Spent));
    let methods: Vec<_> = line.proof.methods().collect();
    assert_eq!(methods, [Method::CallBack, Method::Letter, Method::Waive]);
}

#[test]
fn o09_the_app_number_dies_after_ten_minutes_even_when_nobody_looks_at_the_clock() {
    let mut line = Line::ring(Purpose::Contact);
    let right = right_number(&line.goes(Event::Chosen(Choice::App)));
    assert_eq!(line.proof.deadline(), Some(at(600).up));
    line.now = at(599);
    assert_eq!(line.says(Event::Expired), Err(Refused::NotNow));
    line.now = at(600);
    assert_eq!(line.says(Event::AppTapped { number: right }), Err(Refused::Expired));
    let steps = line.goes(Event::Expired);
    assert_eq!(steps, [Step::Withdraw, Step::Record(Recorded::Expired)]);
    assert_eq!(line.proof.check(), Check::No);
}

#[test]
fn o09_an_agents_word_is_no_tap() {
    let mut line = Line::ring(Purpose::Contact);
    line.goes(Event::Chosen(Choice::App));
    assert_eq!(line.says(Event::Accepted), Err(Refused::NotNow));
    assert_eq!(line.says(answered(true)), Err(Refused::NotNow));
    assert_eq!(line.proof.check(), Check::No);
}

#[test]
fn o09_a_letter_pair_is_marked_used_before_its_first_code_is_spoken_once() {
    let mut line = Line::ring(Purpose::Contact);
    let steps = line.goes(letter());
    let place = |wanted: fn(&Step) -> bool| steps.iter().position(wanted);
    let spent = place(|step| matches!(step, Step::SpendLetter));
    assert!(spent.is_some() && spent < place(|step| matches!(step, Step::Speak(_))));
    let speak = |line: &Line| line.proof.view().and_then(|view| view.speak);
    assert!(speak(&line).is_some());
    assert!(spoken(&line.goes(Event::Accepted)).is_empty());
    assert!(speak(&line).is_none(), "it has been said");
    assert_eq!(line.says(Event::Accepted), Err(Refused::NotNow));
}

#[test]
fn o09_the_third_wrong_letter_code_of_the_day_raises_the_alarm() {
    for (wrong_before, alarm) in [(0, None), (1, None), (2, Some(3)), (7, Some(8))] {
        for event in [
            Event::LetterAnswered { matches: false, wrong_before },
            Event::Mismatched { wrong_before },
        ] {
            let mut line = Line::ring(Purpose::Contact);
            line.goes(letter());
            let steps = line.goes(event);
            let raised = steps.iter().find_map(|step| match step {
                Step::Alarm { wrong_letters } => Some(*wrong_letters),
                _ => None,
            });
            assert_eq!(raised, alarm);
            let counts = |step: &Step| matches!(step, Step::Record(recorded) if recorded.counts_as_wrong_letter());
            assert_eq!(steps.iter().filter(|step| counts(step)).count(), 1);
            assert_eq!(line.proof.check(), Check::No);
        }
    }
}

#[test]
fn o09_a_proof_that_does_not_match_is_reported_as_somebody_playing_us() {
    let mut line = Line::ring(Purpose::Contact);
    let mismatch = || Event::Mismatched { wrong_before: 0 };
    assert_eq!(line.says(mismatch()), Err(Refused::NotNow), "nothing was tried");
    line.goes(Event::Chosen(Choice::App));
    let steps = line.goes(mismatch());
    assert!(steps.contains(&Step::Report) && steps.contains(&Step::Withdraw));
    assert_eq!(line.stage(), "intro", "they may still ring back");
    assert_eq!(line.says(mismatch()), Err(Refused::NotNow), "one report for one proof");
}

#[test]
fn c08_an_employer_is_asked_for_no_proof_and_no_check() {
    let mut line = Line::ring(Purpose::Employer);
    assert_eq!(line.proof.view(), None);
    for event in [Event::Chosen(Choice::App), Event::Accepted, letter(), Event::Declined] {
        assert_eq!(line.says(event), Err(Refused::NotNeeded));
    }
    assert_eq!(line.proof.check(), Check::No);
    assert!(!line.proof.allows_pin() && !line.proof.skips_check());
    assert_eq!(line.proof.say_key(), "employer");
    assert!(!line.proof.purpose_may_be_told(false) && line.proof.purpose_may_be_told(true));
}

#[test]
fn x07_x30_a_swapped_forwarded_or_new_number_is_not_checked_by_telephone() {
    for before in [
        BeforeDialling { number_age_ok: false, ..TRUSTED },
        BeforeDialling { sim_swapped: Some(true), ..TRUSTED },
        BeforeDialling { forwarded: Some(true), ..TRUSTED },
    ] {
        let line = proved_by_letter(Purpose::Contact, before);
        assert_eq!((line.proof.check(), line.proof.say_key()), (Check::No, "no_check"));
        assert!(!line.proof.allows_pin());
        let mut line = Line::with(rules(), Purpose::Contact, before);
        line.goes(Event::Accepted);
        assert_eq!(line.proof.check(), Check::No);
    }
}

#[test]
fn x30_signals_that_nobody_could_give_count_as_the_profile_says() {
    let unknown = BeforeDialling { number_age_ok: true, sim_swapped: None, forwarded: None };
    assert!(unknown.trusted(NumberSignals::IfKnown));
    assert!(!unknown.trusted(NumberSignals::Required));
    let forwarded = BeforeDialling { forwarded: Some(true), ..unknown };
    assert!(!forwarded.trusted(NumberSignals::IfKnown));
}

#[test]
fn x33_by_default_a_pin_is_asked_only_after_a_letter_and_never_after_a_waive_or_a_call_back() {
    let by_default =
        || Rules { enabled: true, published_number: Some(PUBLISHED.into()), ..Rules::default() };
    assert_eq!(by_default().methods.first(), Some(&Method::App));
    let mut line = Line::with(by_default(), Purpose::Unblock, TRUSTED);
    let number = right_number(&line.goes(Event::Chosen(Choice::App)));
    line.goes(Event::AppTapped { number });
    assert!(!line.proof.allows_pin() && !line.proof.allows_password());
    for event in [Event::Accepted, Event::CallBackAsked, Event::Declined] {
        let mut line = Line::with(by_default(), Purpose::Contact, TRUSTED);
        line.goes(event);
        assert!(!line.proof.allows_pin() && !line.proof.allows_password());
    }
}

#[test]
fn x33_a_waived_call_stays_waived() {
    let mut line = waived();
    assert_eq!(line.says(letter()), Err(Refused::NotNow));
    assert_eq!(line.says(Event::Chosen(Choice::App)), Err(Refused::NotNow));
    assert_eq!(line.proof.methods().collect::<Vec<_>>(), [Method::CallBack]);
    line.goes(Event::CallBackAsked);
    assert_eq!(line.proof.check(), Check::No);
}

#[test]
fn c71_x25_a_block_is_lifted_by_a_check_not_by_a_tap_or_a_waive() {
    let mut line = Line::ring(Purpose::Unblock);
    let number = right_number(&line.goes(Event::Chosen(Choice::App)));
    line.goes(Event::AppTapped { number });
    assert!(!line.proof.skips_check() && line.proof.allows_check());
    let mut line = Line::ring(Purpose::Unblock);
    line.goes(Event::Accepted);
    assert!(!line.proof.allows_check());
}

#[test]
fn c58_pin_positions_are_open_after_the_proof_of_an_outbound_call() {
    // One digit at a time is the capture's own rule, for both directions (C33).
    let line = proved_by_letter(Purpose::CallBack, TRUSTED);
    assert!(line.proof.allows_pin());
}

#[test]
fn c66_the_questions_of_an_early_case_wait_for_the_proof_too() {
    assert!(!Line::ring(Purpose::Contact).proof.allows_check());
    assert!(proved_by_letter(Purpose::Contact, TRUSTED).proof.allows_check());
}

#[test]
fn a_customer_may_stop_at_any_point_and_nothing_is_counted() {
    for mut line in [Line::ring(Purpose::Contact), proved_by_app(), waived()] {
        assert_eq!(line.goes(Event::Declined), [Step::Record(Recorded::Declined)]);
        assert_eq!((line.stage(), line.proof.check()), ("declined", Check::No));
        assert_eq!(line.says(Event::Accepted), Err(Refused::NotNow));
    }
    let mut line = Line::ring(Purpose::Contact);
    line.goes(Event::Chosen(Choice::App));
    let steps = line.goes(Event::Declined);
    assert_eq!(steps.first(), Some(&Step::Withdraw));
}

#[test]
fn p11_codes_print_nothing_and_the_view_forgets_them() {
    let mut line = Line::ring(Purpose::Contact);
    let steps = line.goes(Event::Chosen(Choice::App));
    let right = right_number(&steps).to_string();
    let printed = format!("{steps:?} {:?}", line.proof.view());
    assert!(printed.contains("••") && !printed.contains(&right), "{printed}");
    let number = right.parse().expect("a number");
    line.goes(Event::AppTapped { number });
    assert_eq!(line.proof.view().and_then(|view| view.speak), None);
}

// --- random calls ---

/// A small generator: the same calls in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn maybe(&mut self) -> Option<bool> {
        [None, Some(false), Some(false), Some(true)][usize::try_from(self.below(4)).unwrap_or(0)]
    }

    fn rules(&mut self) -> Rules {
        let all = [Method::App, Method::Letter, Method::CallBack, Method::Waive];
        let pin_after = if self.coin() { all.to_vec() } else { vec![Method::Letter] };
        let methods = all.into_iter().filter(|_| self.below(5) > 0).collect();
        let number_signals =
            if self.coin() { NumberSignals::IfKnown } else { NumberSignals::Required };
        Rules { methods, pin_after, number_signals, ..rules() }
    }

    fn event(&mut self, right: Option<u8>) -> Event {
        let wrong_before = u32::try_from(self.below(5)).unwrap_or(0);
        match self.below(16) {
            0 | 1 => Event::Chosen(Choice::App),
            2 | 3 => letter(),
            4 => Event::Chosen(Choice::CallBack),
            5 => Event::Chosen(Choice::Waive),
            6..=8 => {
                let blind = u8::try_from(self.below(90) + 10).unwrap_or(10);
                Event::AppTapped { number: right.filter(|_| self.coin()).unwrap_or(blind) }
            }
            9 | 10 => Event::LetterAnswered { matches: self.coin(), wrong_before },
            11 | 12 => Event::Accepted,
            13 => [Event::Declined, Event::CallBackAsked][usize::from(self.coin())].clone(),
            14 => Event::Mismatched { wrong_before },
            _ => Event::Expired,
        }
    }
}

/// What an onlooker has seen of one call.
#[derive(Default)]
struct Seen {
    right: Option<u8>,
    letter_spoken: bool,
    codes: usize,
    tapped_right: bool,
    second_code_right: bool,
    waived: bool,
    over: bool,
    references: usize,
}

impl Seen {
    fn takes(&mut self, event: &Event, steps: &[Step]) {
        match event {
            Event::AppTapped { number } => self.tapped_right |= Some(*number) == self.right,
            Event::LetterAnswered { matches, .. } => {
                assert!(self.letter_spoken, "our code comes before the customer's");
                self.second_code_right |= matches;
            }
            _ => {}
        }
        for step in steps {
            match step {
                Step::Speak(code) => {
                    self.codes += 1;
                    match code.digits().len() {
                        2 => self.right = code.digits().parse().ok(),
                        _ => {
                            self.letter_spoken |= matches!(event, Event::Chosen(Choice::Letter(_)));
                        }
                    }
                }
                Step::Withdraw => self.right = None,
                Step::Await { .. } => self.references += 1,
                Step::Record(Recorded::Waived) => self.waived = true,
                Step::Record(Recorded::Declined | Recorded::CallBack) => self.over = true,
                _ => {}
            }
        }
    }

    fn proved(&self) -> bool {
        self.tapped_right || self.second_code_right
    }
}

#[test]
fn o01_o05_o07_o08_o09_x32_a_hundred_thousand_random_calls_break_no_rule() {
    let mut dice = Dice(2026);
    let (mut proved, mut waived, mut back, mut pins) = (0, 0, 0, 0);
    for _ in 0..100_000 {
        let purposes = [Purpose::Contact, Purpose::CallBack, Purpose::Unblock, Purpose::Employer];
        let purpose = purposes[usize::from(dice.coin()) + 2 * usize::from(dice.below(4) == 0)];
        let before = BeforeDialling {
            number_age_ok: dice.below(5) > 0,
            sim_swapped: dice.maybe(),
            forwarded: dice.maybe(),
        };
        let mut line = Line::with(dice.rules(), purpose, before);
        line.random = dice.next();
        let trusted = [before.sim_swapped, before.forwarded];
        let bad_number = !before.number_age_ok || trusted.contains(&Some(true));
        let mut seen = Seen::default();
        for step in 0..dice.below(14) {
            line.now = at(step * dice.below(120));
            let event = dice.event(seen.right);
            let steps = line.says(event.clone());
            if let Ok(steps) = &steps {
                seen.takes(&event, steps);
            }
            let proof = &line.proof;
            let passed = dice.coin();
            let employer = purpose == Purpose::Employer;
            // No check before the proof (O01), none of an employer (C08), none on a bad number (X07, X30).
            if proof.allows_check() {
                assert!(seen.proved() || seen.waived);
                assert!(!employer && !bad_number && !seen.over);
            }
            assert!(!proof.skips_check() || seen.tapped_right && !seen.over);
            // No PIN without a proof; none after a waive, a refusal or a call-back (X33).
            if proof.allows_pin() || proof.allows_password() {
                assert!(seen.proved() && !seen.waived && !seen.over && !employer && !bad_number);
                pins += 1;
            }
            // The purpose only to a customer who has passed (O08).
            if proof.purpose_may_be_told(passed) {
                assert!(passed && !seen.over && (employer || seen.proved() || seen.waived));
            }
            assert!(!proof.is_over() || proof.methods().next().is_none());
        }
        // Every code once: at most the app's, the letter's and one reference (O07, O09).
        assert!(seen.references <= 1 && seen.codes <= 3);
        proved += usize::from(seen.proved());
        waived += usize::from(seen.waived);
        back += seen.references;
    }
    // The dice do reach what is being guarded.
    let reached = [proved, waived, back, pins];
    assert!(reached.iter().all(|times| *times > 3_000), "{reached:?}");
}

#[test]
fn o07_o09_no_code_and_no_reference_comes_twice_however_the_customer_chooses() {
    let mut dice = Dice(7);
    for _ in 0..20_000 {
        let mut line = Line::with(rules(), Purpose::Contact, TRUSTED);
        line.random = dice.next();
        let mut spoken_once = BTreeSet::new();
        for _ in 0..12 {
            let event = dice.event(None);
            for code in spoken(&line.says(event).unwrap_or_default()) {
                assert!(spoken_once.insert(code.digits().to_owned()), "a code was spoken twice");
            }
        }
    }
}
