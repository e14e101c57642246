//! The call scripts over every platform, by name. A group of scripts shares one daemon.

use crate::platforms::asterisk::AriInbound;
use crate::platforms::asterisk::AriOutbound;
use crate::platforms::audiohook::Genesys as AudioHook;
use crate::platforms::genesys_actions::Architect;
use crate::platforms::grpc::Grpc;
use crate::platforms::http::Http;
use crate::platforms::jambonz_http::JambonzHttp;
use crate::platforms::jambonz_ws::JambonzWs;
use crate::platforms::scripts;
use crate::platforms::sip::Sip;
use crate::platforms::twilio::Twilio;

#[test]
fn d02_b01_b04_b05_sip_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Sip>();
}

#[test]
fn d04_c33_c34_x03_sip_right_and_wrong_keys() {
    scripts::pins::<Sip>();
}

#[test]
fn d05_c51_sip_a_caller_may_leave_in_every_state() {
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
fn d05_c51_http_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Http>();
}

#[test]
fn d02_c51_http_what_is_sent_again_counts_once() {
    scripts::line_breaks::<Http>();
}

#[test]
fn d02_b01_b04_b05_grpc_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Grpc>();
}

#[test]
fn d04_c33_c34_x03_grpc_right_and_wrong_keys() {
    scripts::pins::<Grpc>();
}

#[test]
fn d05_c51_grpc_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Grpc>();
}

#[test]
fn d02_c51_grpc_what_is_sent_again_counts_once() {
    scripts::line_breaks::<Grpc>();
}

#[test]
fn d02_b01_b04_b05_audiohook_every_class_has_its_way_and_its_trail() {
    scripts::classes::<AudioHook>();
}

#[test]
fn d04_c33_c34_x03_audiohook_right_and_wrong_keys() {
    scripts::pins::<AudioHook>();
}

#[test]
fn d05_c51_audiohook_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<AudioHook>();
}

#[test]
fn d02_c51_audiohook_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<AudioHook>();
}

#[test]
fn d02_b01_b04_b05_genesys_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Architect>();
}

#[test]
fn d04_c33_c34_x03_genesys_right_and_wrong_keys() {
    scripts::pins::<Architect>();
}

#[test]
fn d05_c51_genesys_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Architect>();
}

#[test]
fn d02_c51_genesys_what_is_sent_again_counts_once() {
    scripts::line_breaks::<Architect>();
}

#[test]
fn d02_b01_b04_b05_ari_inbound_every_class_has_its_way_and_its_trail() {
    scripts::classes::<AriInbound>();
}

#[test]
fn d04_c33_c34_x03_ari_inbound_right_and_wrong_keys() {
    scripts::pins::<AriInbound>();
}

#[test]
fn d05_c51_ari_inbound_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<AriInbound>();
}

#[test]
fn d02_c51_ari_inbound_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<AriInbound>();
}

#[test]
fn d02_b01_b04_b05_ari_outbound_every_class_has_its_way_and_its_trail() {
    scripts::classes::<AriOutbound>();
}

#[test]
fn d04_c33_c34_x03_ari_outbound_right_and_wrong_keys() {
    scripts::pins::<AriOutbound>();
}

#[test]
fn d05_c51_ari_outbound_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<AriOutbound>();
}

#[test]
fn d02_c51_ari_outbound_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<AriOutbound>();
}

#[test]
fn d02_b01_b04_b05_twilio_every_class_has_its_way_and_its_trail() {
    scripts::classes::<Twilio>();
}

#[test]
fn d04_c33_c34_x03_twilio_right_and_wrong_keys() {
    scripts::pins::<Twilio>();
}

#[test]
fn d05_c51_twilio_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<Twilio>();
}

#[test]
fn d02_c51_twilio_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<Twilio>();
}

#[test]
fn d02_b01_b04_b05_jambonz_http_every_class_has_its_way_and_its_trail() {
    scripts::classes::<JambonzHttp>();
}

#[test]
fn d04_c33_c34_x03_jambonz_http_right_and_wrong_keys() {
    scripts::pins::<JambonzHttp>();
}

#[test]
fn d05_c51_jambonz_http_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<JambonzHttp>();
}

#[test]
fn d02_c51_jambonz_http_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<JambonzHttp>();
}

#[test]
fn d02_b01_b04_b05_jambonz_socket_every_class_has_its_way_and_its_trail() {
    scripts::classes::<JambonzWs>();
}

#[test]
fn d04_c33_c34_x03_jambonz_socket_right_and_wrong_keys() {
    scripts::pins::<JambonzWs>();
}

#[test]
fn d05_c51_jambonz_socket_a_caller_may_leave_in_every_state() {
    scripts::hang_ups::<JambonzWs>();
}

#[test]
fn d02_c51_jambonz_socket_a_break_voids_the_entry_and_counts_nothing() {
    scripts::line_breaks::<JambonzWs>();
}
