//! What holds for every call.

use proptest::prelude::*;

use super::*;
use crate::call::effect::Prompt;

pub(super) fn any_input() -> impl Strategy<Value = u8> {
    prop_oneof![3 => 0u8..10, 1 => 10u8..39]
}

/// The way to the caller's leg breaks, and comes back.
const LOST: u8 = 36;
const BACK: u8 = 37;

/// Whole steps rather than single inputs, so that random calls get deep.
pub(super) fn play(script: &mut Script, choice: u8) -> Vec<Effect> {
    let input = match choice {
        0 => Input::LookedUp(Box::new(number())),
        1 => Input::Event(CallEvent::Established),
        2 => Input::Drawn(Positions::try_from((2, 6)).map_err(|_| Down)),
        3..=5 => Input::Event(CallEvent::DigitGenerated(Key::from_char('1').expect("a key"))),
        6 => Input::Reserved(Ok(Ticket::Attempt(1))),
        7 => Input::Judged(Judgement::Verdict(Verdict::Wrong)),
        8 => Input::Settled(Ok(After { standing: Standing::Open, call_failed: false })),
        9 | 10 => Input::Event(CallEvent::PromptEnded),
        11 => Input::LookedUp(Box::new(nobody())),
        12 => Input::LookedUp(Box::new(app())),
        13 => Input::Judged(Judgement::Verdict(Verdict::Correct)),
        14 => Input::ResultRecorded(Ok(After { standing: Standing::Open, call_failed: false })),
        15 => Input::ResultRecorded(Err(Down)),
        16 => Input::Reserved(Err(Down)),
        17 => Input::Settled(Err(Down)),
        18 => Input::KeyedLookedUp(Ok(None)),
        19 => Input::KeyedLookedUp(Ok(Some(Box::new(known(Standing::Open))))),
        20 => Input::Event(CallEvent::HandedOver(HandOver::Done)),
        21 => Input::Event(CallEvent::HandedOver(HandOver::Refused(503))),
        22 => Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)),
        23 => Input::Event(CallEvent::DigitGenerated(Key::POUND)),
        24 => Input::Event(CallEvent::DigitGenerated(Key::STAR)),
        25 => Input::Judged(Judgement::Unavailable),
        26 => request("ann", Request::Claim),
        27 => request("ann", Request::Finish),
        28 => request("ann", Request::CancelPin),
        29 => request("ann", Request::CollectPin),
        30 => request(
            "ann",
            Request::Mark { question: "place_of_birth".parse().expect("a key"), correct: true },
        ),
        31 => request("ann", Request::Reveal("place_of_birth".parse().expect("a key"))),
        32 => request("ann", Request::WrapUp { outcome: "x".into(), note: None }),
        33 => request("ann", Request::Release),
        34 => Input::Drawn(Err(Down)),
        35 => Input::MakeRoom,
        LOST => Input::Event(CallEvent::LegLost),
        BACK => Input::Event(CallEvent::LegBack),
        _ => Input::DeadlineReached,
    };
    script.call.step(input, script.now)
}

proptest! {
    #[test]
    fn left_alone_every_call_ends(choices in prop::collection::vec(any_input(), 0..60)) {
        let mut script = Script::delivered();
        for choice in choices {
            let _ = play(&mut script, choice);
        }
        for _ in 0..30 {
            let Some(until) = script.call.deadline() else { break };
            script.now.up = until;
            let _ = script.call.step(Input::DeadlineReached, script.now);
        }
        prop_assert_eq!(script.call.deadline(), None, "still alive: {:?}", script.view());
    }

    #[test]
    fn p23_a_stop_ends_any_call_at_once(choices in prop::collection::vec(any_input(), 0..60)) {
        let mut script = Script::delivered();
        for choice in choices {
            let _ = play(&mut script, choice);
        }
        let _ = script.call.step(Input::Shutdown, script.now);
        prop_assert_eq!(script.call.deadline(), None);
    }

    #[test]
    fn every_reservation_is_settled_once_or_left_to_the_restart(choices in prop::collection::vec(any_input(), 0..80)) {
        let mut script = Script::delivered();
        let (mut granted, mut settled) = (0, 0);
        let mut count = |effects: &[Effect]| {
            settled += effects.iter().filter(|effect| matches!(effect, Effect::Settle { .. })).count();
            settled
        };
        for choice in choices {
            granted += usize::from(choice == 6);
            let effects = play(&mut script, choice);
            count(&effects);
        }
        script.now.up = script.now.up + Duration::from_mins(1);
        for _ in 0..30 {
            if script.call.deadline().is_none() { break }
            let effects = script.call.step(Input::DeadlineReached, script.now);
            count(&effects);
        }
        prop_assert_eq!(granted, count(&[]));
    }

    #[test]
    fn nobody_is_authenticated_before_a_pass_is_on_disk(choices in prop::collection::vec(any_input(), 0..80)) {
        let mut script = Script::delivered();
        let mut stored = false;
        for choice in choices {
            let pending = script.recording;
            stored |= choice == 14 && pending;
            for effect in play(&mut script, choice) {
                if let Effect::RecordResult { result: CallResult::Passed, .. } = effect {
                    script.recording = true;
                }
            }
            if script.view().authentication == Authentication::Authenticated {
                prop_assert!(stored);
            }
        }
    }

    #[test]
    fn a_call_is_counted_once(choices in prop::collection::vec(any_input(), 0..80)) {
        let mut script = Script::delivered();
        let mut counted = 0;
        let mut count = |effects: Vec<Effect>| {
            for effect in effects {
                counted += match effect {
                    Effect::Count { .. } => 1,
                    Effect::Ended(ended) => u8::from(ended.count),
                    _ => 0,
                };
            }
            counted
        };
        for choice in choices {
            count(play(&mut script, choice));
        }
        count(script.call.step(Input::Shutdown, script.now));
        prop_assert_eq!(count(vec![]), 1);
    }

    #[test]
    fn c51_an_entry_that_a_break_cut_in_two_is_never_judged(choices in prop::collection::vec(any_input(), 0..120)) {
        let mut script = Script::delivered();
        // Keys since the line broke or came back.
        let mut keys = 0;
        for choice in choices {
            keys = match choice {
                LOST | BACK => 0,
                3..=5 => keys + 1,
                _ => keys,
            };
            for effect in play(&mut script, choice) {
                let judged = matches!(effect, Effect::Reserve { .. });
                prop_assert!(!judged || keys >= 2, "{keys}");
            }
        }
    }

    #[test]
    fn c51_nobody_is_asked_who_is_out_of_reach(choices in prop::collection::vec(any_input(), 0..120)) {
        let mut script = Script::delivered();
        let mut away = false;
        for choice in choices {
            let with_us = !["handed_over", "ended"].contains(&script.view().media);
            let effects = play(&mut script, choice);
            away = match choice {
                LOST => away || with_us,
                // Also a wait that is over: the caller goes on to an agent.
                BACK | 38.. => false,
                _ => away,
            };
            let asks = |effect: &Effect| {
                matches!(effect, Effect::Answer | Effect::Play(Prompt::PinPosition(_) | Prompt::CustomerNumber))
            };
            prop_assert!(!away || !effects.iter().any(asks), "{effects:?}");
        }
    }

    #[test]
    fn x01_at_most_two_entries_a_call(choices in prop::collection::vec(any_input(), 0..120)) {
        let mut script = Script::delivered();
        let mut entries = 0;
        for choice in choices {
            for effect in play(&mut script, choice) {
                entries += u8::from(matches!(effect, Effect::Reserve { .. }));
            }
        }
        prop_assert!(entries <= 2);
    }
}
