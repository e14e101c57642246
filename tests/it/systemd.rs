//! The unit file: hardened as far as systemd can measure, and in step with the defaults.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use countersign::config::Config;

const UNIT: &str = "systemd/countersign.service";

/// `systemd-analyze security` counts in tenths: 15 is 1.5 out of 10.
const EXPOSURE_MAX: &str = "--threshold=15";

#[test]
fn systemd_finds_little_to_attack() {
    let arguments = ["security", "--offline=true", EXPOSURE_MAX, UNIT];
    let output = match Command::new("systemd-analyze").args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        output => output.expect("systemd-analyze runs"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_crash_leaves_no_core_and_only_the_service_reads_its_state() {
    for line in [
        "Type=notify",
        "LimitCORE=0",
        "DynamicUser=yes",
        "StateDirectory=countersign",
        "StateDirectoryMode=0700",
        "UMask=0077",
        "Restart=on-failure",
    ] {
        assert!(unit().lines().any(|written| written == line), "{line}");
    }
}

#[test]
fn systemd_waits_longer_than_calls_may_take_to_finish() {
    assert!(seconds("TimeoutStopSec=") > Config::default().shutdown.grace.as_secs());
    assert!(seconds("WatchdogSec=") >= 10, "a busy second must not look like a hang");
}

#[test]
fn every_desktop_and_call_of_the_default_limits_has_its_sockets() {
    let config = Config::default();
    let needed = config.http.max_desktops + config.sip.max_calls;
    let limit = usize::try_from(seconds("LimitNOFILE=")).expect("a small number");
    assert!(limit > 2 * needed, "{limit} files for {needed} peers");
}

fn seconds(key: &str) -> u64 {
    let unit = unit();
    let value = unit.lines().find_map(|line| line.strip_prefix(key)).expect(key);
    value.parse().expect("a number")
}

fn unit() -> String {
    fs::read_to_string(UNIT).expect(UNIT)
}
