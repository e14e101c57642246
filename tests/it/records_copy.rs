//! `records copy`: a daemon moves from its file to a database, and no customer notices.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::call;
use crate::harness::desktop::Desktop;
use crate::postgres;

const ANN: &str = "+442079460001";
const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Ann,+442079460001,9081726\n1002,Bob,+442079460002,5028361\n";
/// Wrong at every position.
const WRONG: &str = "3333333";

#[test]
fn p01_p16_a_copied_store_knows_every_customer_every_failure_and_every_line() {
    let mut daemon = Daemon::start(CUSTOMERS);
    assert_eq!(handed_over(&daemon, WRONG), "in_progress");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = daemon.path("");
    let url = runtime.block_on(postgres::database(&postgres::name_for(&folder)));
    let file = format!("sqlite://{}", daemon.path("records.db").display());

    let early = copy(&daemon, &file, &url);
    assert_eq!(early.status.code(), Some(1), "the daemon runs: {}", said(&early));
    daemon.stop();
    let copied = copy(&daemon, &file, &url);
    assert_eq!(copied.status.code(), Some(0), "{}", said(&copied));
    let told: Value = serde_json::from_slice(&copied.stdout).expect("JSON");
    assert_eq!((&told["verified"], &told["tables"]["customers"]), (&true.into(), &2.into()));
    assert!(told["audit"]["number"].as_u64().is_some_and(|number| number > 4), "{told}");
    let again = copy(&daemon, &file, &url);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("not empty"), "{}", said(&again));
    let nonsense = copy(&daemon, "mysql://someone:hidden-word@host/x", &url);
    assert_eq!(nonsense.status.code(), Some(2));
    for output in [&early, &copied, &again, &nonsense] {
        let said = format!("{}{}", said(output), String::from_utf8_lossy(&output.stdout));
        assert!(!said.contains(postgres::PASSWORD) && !said.contains("hidden-word"), "p11: {said}");
    }

    fs::remove_file(daemon.path("records.db")).expect("the file is not needed any more");
    let settings = format!("{OFFICE}{CHEAP_PINS}[records]\nurl = \"{url}\"\n");
    fs::write(daemon.path("settings.toml"), settings).expect("the folder is writable");
    daemon.restart();
    let before: Value =
        serde_json::from_str(&daemon.run(&["customer", "show", "1001", "--json"])).expect("JSON");
    assert_eq!((&before["failed_calls"], &before["has_pin"]), (&1.into(), &true.into()), "p1");
    assert_eq!(handed_over(&daemon, "9081726"), "authenticated");
    let after: Value =
        serde_json::from_str(&daemon.run(&["customer", "show", "1001", "--json"])).expect("JSON");
    assert_eq!(after["failed_calls"], 0);
    assert!(!daemon.path("records.db").exists(), "the file is not used any more");

    daemon.stop();
    let back = format!("sqlite://{}", daemon.path("back.db").display());
    let copied = copy(&daemon, "configured", &back);
    assert_eq!(copied.status.code(), Some(0), "{}", said(&copied));
    assert!(!said(&copied).contains(postgres::PASSWORD), "p11");
}

/// Ann's call with this PIN; how it stands when it is handed over.
fn handed_over(daemon: &Daemon, pin: &str) -> Value {
    let desktop = Desktop::agent(daemon, "ann");
    let report = call::place(daemon, &["--from", ANN, "--pin", pin]);
    let id = report["call_id"].as_str().expect("an id");
    let last =
        desktop.wait_for(id, "the call is handed over", |call| call["media"] == "handed_over");
    last["authentication"].clone()
}

fn copy(daemon: &Daemon, from: &str, to: &str) -> Output {
    let arguments = ["records", "copy", "--json", "--from", from, "--to", to];
    daemon.command(&arguments).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
