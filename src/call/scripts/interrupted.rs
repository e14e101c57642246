//! The way to the caller's leg breaks, and comes back (C51).

use super::*;

fn lost() -> Input {
    Input::Event(CallEvent::LegLost)
}

fn back() -> Input {
    Input::Event(CallEvent::LegBack)
}

#[test]
fn c51_an_entry_in_which_the_line_broke_is_void_and_asked_again() {
    let mut call = Script::in_capture();
    call.keys("5").does("play pin.position.6");
    call.input(lost()).does("");
    assert_eq!(call.pin(), ("", 0, None), "nothing of the entry is left");
    call.keys("5").does("");
    call.input(back()).does("draw account");
    call.drawn().does("play pin.position.2");
    call.keys("51").does("play pin.position.6; stop playing, reserve 1 of account");
}

#[test]
fn c51_an_entry_on_its_way_to_disk_is_judged_and_nothing_is_asked_of_nobody() {
    let mut call = Script::in_capture();
    call.keys("11").does("play pin.position.6; stop playing, reserve 1 of account");
    call.input(lost()).does("");
    call.reserved().does("judge account");
    call.judged(Verdict::Wrong).does("settle Some(Wrong)");
    call.settled(Standing::Open, false).does("");
    call.input(back()).does("draw account");
    call.drawn().does("play pin.position.2");
    call.keys("11").does("play pin.position.6; stop playing, reserve 2 of account (last)");
}

#[test]
fn c51_a_line_that_stays_away_counts_for_nobody_and_leads_to_an_agent() {
    let mut call = Script::in_capture();
    call.input(lost()).does("");
    call.waits_until_deadline().does("play unavailable");
    assert_eq!(call.pin(), ("", 0, Some(PinResult::Unavailable)));
    call.prompt_ended().does("hand over (REFER)");
}

#[test]
fn c51_keys_may_have_been_lost_although_nobody_noticed_the_break() {
    let mut call = Script::in_capture();
    call.keys("5").does("play pin.position.6");
    call.input(back()).does("draw account");
    call.drawn().does("play pin.position.2");
    assert_eq!(call.view().pin.map(|pin| pin.entered), Some(0));
}

#[test]
fn c51_a_caller_who_is_gone_when_the_line_is_back_left_nothing_to_count() {
    let mut call = Script::in_capture();
    call.keys("5").does("play pin.position.6");
    call.input(lost()).does("");
    call.hangs_up();
    assert_eq!(call.pin().2, Some(PinResult::Abandoned));
    call.input(back()).does("");
}
