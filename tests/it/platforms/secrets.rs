//! P11 on every platform at once: PINs and letters are keyed over each, the log at its most talkative
//! level, and everything that comes out of the daemon is searched.

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::harness::desktop::Desktop;
use crate::leaks;
use crate::leaks::Outputs;
use crate::leaks::keys_in;
use crate::leaks::plain;
use crate::p11_no_secret_leaks::files;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;
use crate::platforms::asterisk::AriOutbound;
use crate::platforms::audiohook::Genesys as AudioHook;
use crate::platforms::genesys_actions::Architect;
use crate::platforms::grpc::Grpc;
use crate::platforms::http::Http;
use crate::platforms::jambonz_http::JambonzHttp;
use crate::platforms::jambonz_ws::JambonzWs;
use crate::platforms::scripts::keys_pair;
use crate::platforms::sip::Sip;
use crate::platforms::twilio::Twilio;

/// One platform's customer has each of these.
const PINS: [&str; 12] = [
    "6309258", "2750914", "9381507", "8164039", "5093816", "4718290", "7259063", "3826407",
    "1940573", "6082731", "9527184", "8370625",
];

fn number(nth: usize) -> String {
    format!("+4420794650{nth:02}")
}

/// Keys the PIN of one customer, and letters in a second call.
fn keys_over<P: Platform>(daemon: &Daemon, nth: usize) {
    let platform = P::beside(daemon);
    let rings = || platform.rings(&Rings { ani: Some(number(nth)), intent: None });
    let mut caller = rings();
    keys_pair(&mut *caller, PINS[nth]);
    assert_eq!(caller.notices(), Notices::Routed);
    caller.hangs_up();
    drop(caller);
    if P::has_letters() {
        let mut caller = rings();
        for key in leaks::PRESSED[nth % leaks::PRESSED.len()].chars() {
            let Notices::Position(_) = caller.notices() else { panic!("a digit is asked") };
            caller.presses(key);
        }
        assert_eq!(caller.notices(), Notices::Routed);
        caller.hangs_up();
    }
}

#[test]
fn p11_no_platform_leaks_a_key() {
    let row = |(nth, pin): (usize, &&str)| format!("88{nth:02},{},{pin}\n", number(nth));
    let rows: String = PINS.iter().enumerate().map(row).collect();
    let level = "[log]\nlevel = \"trace,tungstenite=trace,tokio_tungstenite=trace,h2=trace\"\n";
    let all = [
        Sip::settings(),
        Http::settings(),
        Grpc::settings(),
        AudioHook::settings(),
        Architect::settings(),
        AriOutbound::settings(),
        Twilio::settings(),
        JambonzHttp::settings(),
    ];
    let all = all.join("\n");
    let settings = format!("{OFFICE}{CHEAP_PINS}{level}{all}");
    let mut daemon = Daemon::with(&settings, &format!("customer_id,numbers,pin\n{rows}"));
    let desktop = Desktop::agent(&daemon, "ann");
    keys_over::<Sip>(&daemon, 0);
    keys_over::<Http>(&daemon, 1);
    keys_over::<Grpc>(&daemon, 2);
    keys_over::<AudioHook>(&daemon, 3);
    keys_over::<Architect>(&daemon, 4);
    keys_over::<AriOutbound>(&daemon, 5);
    keys_over::<Twilio>(&daemon, 6);
    keys_over::<JambonzHttp>(&daemon, 7);
    keys_over::<JambonzWs>(&daemon, 8);

    let supervisor = daemon.token("supervisor", "sue");
    let (_, audit) = daemon.ask("GET", "/v1/audit?limit=1000", &supervisor, None);
    let mut outputs = Outputs::new();
    outputs.insert("the audit trail".to_owned(), audit.to_string().into_bytes());
    outputs.insert("metrics".to_owned(), daemon.metrics().into_bytes());
    outputs.insert("the agent's frames".to_owned(), desktop.text().into_bytes());
    daemon.stop();
    files(&daemon, "stopped", &mut outputs);
    let secrets = PINS.map(|pin| ("PIN", pin.as_bytes().to_vec()));
    let mut hits = leaks::hits(&outputs, &secrets);
    for (place, bytes) in &outputs {
        hits.extend(keys_in(&plain(bytes)).into_iter().map(|hit| format!("{hit} in {place}")));
    }
    assert!(outputs["log, stopped"].len() > 10_000, "the log says much");
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
}
