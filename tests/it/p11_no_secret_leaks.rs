//! P11: no secret leaks. Calls of every kind, desktops and apps that say all the wrong things, the log at its
//! most talkative level; then everything that came out of the daemon is searched.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fmt::Write;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign::model::digits::SecretText;
use countersign::sim::CallPlan;
use countersign::sim::CallReport;
use countersign::sim::KeyWay;
use countersign::sim::place;
use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::harness::CHEAP_PINS;
use crate::harness::Daemon;
use crate::harness::OFFICE;
use crate::leaks;
use crate::leaks::Outputs;
use crate::leaks::PRESSED;
use crate::leaks::encodings;
use crate::leaks::keys_in;
use crate::leaks::plain;
use crate::promises::PATIENCE;
use crate::promises::Watcher;
use crate::promises::call_from;
use crate::promises::desktop_request;
use crate::promises::ears;
use crate::promises::figure;
use crate::promises::full;
use crate::promises::get;
use crate::promises::metric;
use crate::promises::pid_of;

const PINS: [&str; 4] = ["6309258", "2750914", "9381507", "8164039"];
const WAYS: [KeyWay; 4] = [KeyWay::Rfc4733, KeyWay::Info, KeyWay::InBand, KeyWay::Both];
const PASSWORD: &str = "Mjolnir-9431-kettle";
const ANSWER: &str = "Zwickau-5528";
const SAID: &str = "Ouagadougou-7716";
const FORGED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5LTQ0MTcifQ.bm90LWEtc2lnbmF0dXJl";
const NO_HANDLE: &str = "not-a-handle-88213-canary";
const STRANGER: &str = "+442079460999";

fn number(nth: usize) -> String {
    format!("+44207946080{nth}")
}

/// Four customers with everything that must not be seen.
fn customers() -> String {
    let header = "customer_id,name,numbers,pin,password,fact.place_of_birth,fact.main_balance";
    let row = |(nth, pin): (usize, &&str)| {
        format!("77000{nth},Canary {nth},{},{pin},{PASSWORD},{ANSWER},£77.16", number(nth))
    };
    let rows = PINS.iter().enumerate().map(row);
    [header.to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_no_secret_leaks() {
    // Libraries below us are asked for everything, too.
    let level = "trace,tungstenite=trace,tokio_tungstenite=trace";
    let settings = format!("{OFFICE}{CHEAP_PINS}[log]\nlevel = \"{level}\"\n");
    let mut daemon = Daemon::with(&settings, &customers());
    let [agent, supervisor, app] = [("agent", "alice"), ("supervisor", "sue"), ("app", "app")]
        .map(|(role, sub)| daemon.token(role, sub));
    let mut desk = Watcher::connect(daemon.http, &agent).await;
    let board = Watcher::connect(daemon.http, &supervisor).await;

    let (reports, handles) = calls_of_all_kinds(&daemon, &app).await;
    an_agent_asks(&mut desk, &reports).await;
    let mut outputs = Outputs::new();
    let mut keep = |place: &str, text: String| outputs.insert(place.to_owned(), text.into_bytes());
    keep("error frames", malformed_frames(daemon.http, &agent).await);
    keep("HTTP answers", wrong_requests(&daemon, &app, &agent, &handles[1]).await);
    malformed_sip(daemon.sip, &handles[0]).await;
    let metrics = get(daemon.http, "/metrics").await;
    let pressed: u32 = reports.iter().map(|report| report.keys_pressed).sum();
    let counted = metric(&metrics, "countersign_digits_total");
    assert!(counted >= f64::from(pressed), "{counted} of {pressed} keys went through the daemon");

    keep("metrics", metrics);
    keep("the supervisor's frames", frames(&board));
    keep("the agent's frames", frames(&desk));
    files(&daemon, "alive", &mut outputs);
    daemon.stop();
    files(&daemon, "stopped", &mut outputs);
    outputs.insert("the command line's output".to_owned(), command_line(&daemon).into_bytes());

    let secrets = secrets(&daemon, &[&agent, &supervisor, &app], &handles);
    let hits = all_hits(&outputs, &secrets);
    let log = plain(&outputs["log, stopped"]);
    figure(&format!(
        "P11 {} calls, {pressed} keys pressed; {} secrets in {} encodings looked for in {} places, {} bytes; the log has \
         {} lines, {} of them at trace, and {} blind values; {} hits",
        reports.len(),
        secrets.len() + 1,
        encodings(b"0").len(),
        outputs.len(),
        outputs.values().map(Vec::len).sum::<usize>(),
        log.lines().count(),
        log.matches("TRACE ").count(),
        log.matches("Key(•)").count() + log.matches("(**)").count(),
        hits.len(),
    ));
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
}

type Secret = (&'static str, Vec<u8>);

fn secrets(daemon: &Daemon, tokens: &[&String], handles: &[String]) -> Vec<Secret> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let mut secrets = vec![
        ("password", bytes(PASSWORD)),
        ("said answer", bytes(SAID)),
        ("forged token", bytes(FORGED)),
        ("wrong handle", bytes(NO_HANDLE)),
        ("pepper", fs::read(daemon.path("pepper.key")).expect("a pepper")),
        ("local key", fs::read(daemon.path("local.key")).expect("a key")),
    ];
    secrets.extend(PINS.map(|pin| ("PIN", bytes(pin))));
    secrets.extend(tokens.iter().map(|token| ("token", bytes(token))));
    secrets.extend(handles.iter().map(|handle| ("handle", bytes(handle))));
    secrets
}

fn all_hits(outputs: &Outputs, secrets: &[Secret]) -> Vec<String> {
    let mut hits = leaks::hits(outputs, secrets);
    // An answer on file is for the agent who has the call, and for the records that hold it.
    let lawful = |place: &str| place.contains("records.db") || place == "the agent's frames";
    let public = outputs.iter().filter(|(place, _)| !lawful(place));
    let public: Outputs = public.map(|(place, bytes)| (place.clone(), bytes.clone())).collect();
    hits.extend(leaks::hits(&public, &[("answer", ANSWER.as_bytes().to_vec())]));
    for (place, bytes) in outputs {
        hits.extend(keys_in(&plain(bytes)).into_iter().map(|hit| format!("{hit} in {place}")));
    }
    hits
}

/// Right PINs and letters in every way that keys travel, a PIN keyed where the customer number is asked for, an
/// app's call, one with a handle that is none, and hang-ups. The reports, and the handles the app got.
async fn calls_of_all_kinds(daemon: &Daemon, app: &str) -> (Vec<CallReport>, Vec<String>) {
    let secret = |text: &str| Some(SecretText::new(text.to_owned()));
    // Everybody calls by a way of its own, one call after the other.
    let mut callers = JoinSet::new();
    for (nth, way) in WAYS.into_iter().enumerate() {
        let mut right = call_from(daemon.sip, &number(nth));
        (right.way, right.reaction) = (way, Duration::from_millis(60));
        let (mut letters, mut leaves) = (right.clone(), right.clone());
        right.pin = secret(PINS[nth]);
        letters.press = secret(PRESSED[nth]);
        leaves.press = secret(PRESSED[nth]);
        leaves.hangup_after_keys = Some(1);
        let rounds = if full() { 50 } else { 1 };
        let plans = std::iter::repeat_n([right, letters, leaves], rounds).flatten();
        callers.spawn(one_after_the_other(nth, plans.collect()));
    }
    let mut by_caller = callers.join_all().await;
    by_caller.sort_by_key(|(nth, _)| *nth);
    let mut reports: Vec<_> = by_caller.into_iter().flat_map(|(_, reports)| reports).collect();

    let mut plans = vec![];
    let mut lost = call_from(daemon.sip, STRANGER);
    (lost.customer_number, lost.press) = (secret(PINS[0]), secret(PRESSED[4]));
    plans.push(lost);

    let mut handles = vec![];
    for nth in [0, 1] {
        let order = json!({ "customer_id": format!("77000{nth}"), "number": number(nth) });
        let (status, answer) = daemon.ask("POST", "/v1/intents", app, Some(&order));
        assert_eq!(status, 201, "{answer}");
        handles.push(answer["intent"].as_str().expect("a handle").to_owned());
    }
    // The second use of a handle is refused; the other handle stays unused.
    for handle in [handles[0].as_str(), &handles[0], NO_HANDLE] {
        let mut plan = call_from(daemon.sip, &number(0));
        plan.headers.push("X-Countersign-Intent", handle);
        plan.hangup_after = Some(Duration::from_millis(700));
        plans.push(plan);
    }
    reports.extend(one_after_the_other(0, plans).await.1);
    (reports, handles)
}

async fn one_after_the_other(nth: usize, plans: Vec<CallPlan>) -> (usize, Vec<CallReport>) {
    let mut reports = vec![];
    for plan in plans {
        reports.push(place(Arc::new(plan), ears(), CancellationToken::new()).await);
    }
    (nth, reports)
}

/// An agent takes a call that failed the PIN, looks at an answer, types what was said, and a password.
async fn an_agent_asks(desk: &mut Watcher, reports: &[CallReport]) {
    let call = reports[1].call_id.as_str();
    let ask = |word: &str, id: u32, field: &str, value: &str| json!({ "type": word, "id": id, "call": call, "question": "place_of_birth", field: value });
    desk.say(ask("claim", 1, "note", "")).await;
    desk.state(call, |state| state["agent"] == "alice").await;
    desk.say(ask("reveal", 2, "note", "")).await;
    desk.state(call, |state| state["questions"]["items"].to_string().contains(ANSWER)).await;
    desk.say(ask("answer", 3, "value", SAID)).await;
    desk.say(ask("password", 4, "value", PASSWORD)).await;
    desk.say(ask("wrap_up", 5, "outcome", "done")).await;
    desk.until(|seen| seen.iter().any(|seen| seen.text.contains(r#""id":5"#)).then_some(())).await;
}

/// Frames that are wrong in every way that takes a secret along; what came back.
async fn malformed_frames(http: SocketAddr, token: &str) -> String {
    let hello = |token: &str| json!({ "type": "hello", "token": token }).to_string();
    let first_then = |text: String| vec![hello(token), text];
    let conversations = [
        vec![hello(FORGED)],
        vec![format!(r#"{{"type":"hello","token":"{token}"#)],
        vec![format!(r#"{{"type":"hello","token":["{token}"]}}"#)],
        first_then(format!(r#"{{"type":"password","id":1,"call":"c","value":"{PASSWORD}"#)),
        first_then(format!(
            r#"{{"type":"password","id":"{PASSWORD}","call":"c","value":"{PASSWORD}"}}"#
        )),
        first_then(format!(r#"{{"type":"{PASSWORD}","id":1,"call":"{PASSWORD}"}}"#)),
        first_then(format!(
            r#"{{"type":"answer","id":1,"call":"c","question":"{SAID}","value":{{"a":"{SAID}"}}}}"#
        )),
        first_then(format!(r#"{{"type":"collect_pin","id":1,"call":"c","value":{}}}"#, PINS[0])),
        first_then(format!(r#"{{"type":"token","token":"{FORGED}"}}"#)),
        first_then(PASSWORD.to_owned()),
    ];
    let mut answers = String::new();
    for conversation in conversations {
        let (mut socket, _) =
            connect_async(desktop_request(http)).await.expect("the desktop connects");
        for frame in conversation {
            socket.send(Message::text(frame)).await.expect("it is sent");
        }
        socket.send(Message::text(r#"{"type":"ping"}"#)).await.expect("it is sent");
        // Every conversation ends with a close or with the answer to the ping.
        while let Ok(Some(Ok(message))) = timeout(PATIENCE, socket.next()).await {
            writeln!(answers, "{message:?}").expect("a text takes everything");
            if message.to_text().is_ok_and(|text| text.contains("pong")) {
                break;
            }
        }
    }
    answers
}

/// Requests with tokens and bodies that are wrong; heads and bodies of what came back.
async fn wrong_requests(daemon: &Daemon, app: &str, agent: &str, handle: &str) -> String {
    let client = reqwest::Client::new();
    let at = |path: &str| format!("http://{}{path}", daemon.http);
    let post = |token: &str, body: String| {
        let request = client.post(at("/v1/intents")).bearer_auth(token);
        request.header("Content-Type", "application/json").body(body)
    };
    let pin = PINS[0];
    let requests = [
        post(FORGED, "{}".to_owned()),
        post(agent, "{}".to_owned()),
        post(app, format!(r#"{{"customer_id":"770000","pin":"{pin}""#)),
        post(app, format!(r#"{{"customer_id":{{"{PASSWORD}":1}},"number":"{pin}"}}"#)),
        post(app, format!(r#"{{"customer_id":"770000","number":"{pin}","ttl_s":"{PASSWORD}"}}"#)),
        post(app, format!(r#"{{"customer_id":"770000","number":"{PASSWORD}"}}"#)),
        post(app, format!("\u{0}{PASSWORD}")),
        client.get(at(&format!("/v1/desktop?token={agent}"))),
        client.get(at(&format!("/v1/calls?password={PASSWORD}"))).bearer_auth(FORGED),
        client.get(at("/v1/calls")).header("Authorization", format!("Basic {PASSWORD}")),
        client.get(at(&format!("/{PASSWORD}"))),
        client.delete(at(&format!("/v1/intents/{NO_HANDLE}"))).bearer_auth(app),
        client.delete(at(&format!("/v1/intents/{handle}"))).bearer_auth(app),
    ];
    let mut answers = String::new();
    for request in requests {
        let answer = request.send().await.expect("an answer");
        writeln!(answers, "{} {:?}", answer.status(), answer.headers()).expect("a text");
        answers.push_str(&answer.text().await.expect("a body"));
    }
    answers
}

/// Datagrams that are no SIP, or SIP that belongs nowhere, with secrets in them.
async fn malformed_sip(sip: SocketAddr, handle: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let from = socket.local_addr().expect("an address");
    let head = |method: &str| {
        format!(
            "{method} sip:100@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKcanary{method}\r\nFrom: <sip:x@y>;tag=1\r\n\
             To: <sip:100@{sip}>\r\nCall-ID: canary-{method}\r\nCSeq: 1 {method}\r\nX-Countersign-Intent: {handle}\r\n"
        )
    };
    let body = "Signal=C\r\nDuration=160\r\n";
    let datagrams = [
        format!(
            "{}Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}",
            head("INFO"),
            body.len()
        ),
        format!("{}Content-Length: 9999\r\n\r\n{body}", head("INVITE")),
        format!("{}{PASSWORD}\r\n\r\n{body}", head("OPTIONS")),
        format!("{}{handle}\r\n", head("BYE")),
        format!("{PASSWORD} Signal=D"),
    ];
    for datagram in datagrams {
        socket.send_to(datagram.as_bytes(), sip).await.expect("it is sent");
    }
    // The daemon takes datagrams in their order: when this one is answered, it has seen the others.
    let options =
        format!("{}Content-Length: 0\r\n\r\n", head("OPTIONS").replace("canaryOPTIONS", "last"));
    let mut answer = [0; 4096];
    loop {
        socket.send_to(options.as_bytes(), sip).await.expect("it is sent");
        let (len, _) = timeout(PATIENCE, socket.recv_from(&mut answer))
            .await
            .expect("an answer")
            .expect("an answer");
        if String::from_utf8_lossy(&answer[..len]).contains("z9hG4bKlast") {
            return;
        }
    }
}

fn frames(watcher: &Watcher) -> String {
    let texts: Vec<_> = watcher.seen().iter().map(|seen| seen.text.to_string()).collect();
    texts.join("\n")
}

/// The files that the daemon wrote, and what others see of its process. Keys, and what the test itself wrote,
/// are not among them.
pub(crate) fn files(daemon: &Daemon, when: &str, outputs: &mut Outputs) {
    let process =
        Path::new("/proc").join(pid_of(daemon).map_or_else(String::new, |pid| pid.to_string()));
    for file in ["cmdline", "environ"] {
        outputs
            .extend(fs::read(process.join(file)).map(|bytes| (format!("{file}, {when}"), bytes)));
    }
    let given =
        ["customers.csv", "bad.csv", "base.toml", "settings.toml", "local.key", "pepper.key"];
    for entry in fs::read_dir(daemon.path("")).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !given.contains(&name.as_str()) {
            outputs.insert(format!("{name}, {when}"), fs::read(entry.path()).unwrap_or_default());
        }
    }
}

/// What commands say, also of a file that is wrong.
fn command_line(daemon: &Daemon) -> String {
    let bad = daemon.path("bad.csv");
    let [one, two, ..] = PINS;
    let rows = format!(
        "customer_id,pin,password\n1,{one}1,{PASSWORD}\n2,{two}x,{PASSWORD}\n,{one},{PASSWORD}\n"
    );
    fs::write(&bad, rows).expect("the folder is writable");
    let import = bad.display().to_string();
    let commands: [&[&str]; 5] = [
        &["customer", "import", &import],
        &["customer", "show", "770000"],
        &["customer", "list"],
        &["check"],
        &["call", "--to", "sip:1@127.0.0.1:9", "--pin", &two[..6]],
    ];
    let mut said = String::new();
    for arguments in commands {
        let output = daemon.command(arguments).output().expect("the program runs");
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    said
}

/// Somebody who is not the superuser, as which the daemon is to run.
const NOBODY: u32 = 65_534;

/// Ends a process of ours when the test is over.
struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn p11_no_core_dump_and_no_look_from_the_same_user() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = folder.path().join("countersign");
    fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).expect("a copy that everybody may run");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("our file");
    let root = rustix::process::geteuid().is_root();
    if root {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("we are root");
    }
    let by = |program: &Path| {
        let mut command = Command::new(program);
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.stdin(Stdio::null()).stderr(Stdio::null()).current_dir(folder.path());
        command
    };
    fs::write(
        folder.path().join("c.toml"),
        "http.listen = \"127.0.0.1:0\"\nsip.listen = [\"udp:127.0.0.1:0\"]\n",
    )
    .expect("the folder is writable");
    let mut serve = by(&program);
    serve
        .args(["serve", "--config", "c.toml"])
        .env("STATE_DIRECTORY", folder.path())
        .stdout(Stdio::piped());
    let mut daemon = Ours(serve.spawn().expect("the program runs"));
    let mut listening = String::new();
    BufReader::new(daemon.0.stdout.take().expect("a pipe"))
        .read_line(&mut listening)
        .expect("a line");
    assert!(listening.starts_with("listening "), "{listening}");
    let other = Ours(by("sleep".as_ref()).arg("600").spawn().expect("sleep runs"));

    let pid = daemon.0.id();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("procfs");
    let core =
        limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What a process is not willing to dump belongs to root in procfs, whoever runs it.
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}/maps")).expect("procfs").uid();
    assert_eq!(
        (owner(pid), owner(other.0.id())),
        (0, if root { NOBODY } else { rustix::process::geteuid().as_raw() })
    );
    for file in ["maps", "environ"] {
        let looks = |pid: u32| {
            let mut cat = by("cat".as_ref());
            cat.arg(format!("/proc/{pid}/{file}"))
                .stdout(Stdio::null())
                .status()
                .expect("cat runs")
                .success()
        };
        assert!(!looks(pid), "the same user can read {file}");
        assert!(looks(other.0.id()), "and could read that of another process");
    }
}
