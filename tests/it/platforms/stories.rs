//! The call scripts over every platform, by name. A group of scripts shares one daemon.

use crate::platforms::http::Http;
use crate::platforms::scripts;
use crate::platforms::sip::Sip;

#[test]
fn d02_b01_b04_b05_sip_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Sip>();
}

#[test]
fn d04_c33_c34_x03_sip_right_and_wrong_keys() {
    scripts::pins::<Sip>();
}

#[test]
fn c51_sip_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Sip>();
}

#[test]
fn d02_b01_b04_b05_http_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Http>();
}

#[test]
fn d04_c33_c34_x03_http_right_and_wrong_keys() {
    scripts::pins::<Http>();
}

#[test]
fn c51_http_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Http>();
}

#[test]
fn d02_c51_http_what_is_sent_again_counts_once() {
    scripts::line_breaks::<Http>();
}
