//! The clients of docs/integrate.md, run as they stand there: a call each, from its arrival to its queue.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::Daemon;

const CUSTOMERS: &str = "customer_id,name,numbers,pin\n1001,Customer One,+442079460001,9081726\n1002,Customer Two,+442079460002,5028361\n";

/// A telephone whose caller keys what is asked, and what came of two calls: the right PIN, a wrong one.
const IN_PYTHON: &str = r#"
class Phone:
    def __init__(self, pin):
        self.pin, self.heard = pin, []

    def play(self, prompts):
        self.heard += prompts

    def collect(self, prompts, seconds):
        self.heard += prompts
        return self.pin[int(prompts[-1].removeprefix("pin.position.")) - 1]


for call, number, pin in (("py-1", "+442079460001", "9081726"), ("py-2", "+442079460002", "4444444")):
    phone = Phone(pin)
    answer = take(phone, call, number)
    print(json.dumps({**answer, "heard": len(phone.heard)}))
"#;

const IN_JAVASCRIPT: &str = r#"
const phone = (pin) => ({
  heard: [],
  play(prompts) { this.heard.push(...prompts); },
  collect(prompts) { this.heard.push(...prompts); return pin[Number(prompts.at(-1).replace("pin.position.", "")) - 1]; },
});
for (const [call, number, pin] of [["js-1", "+442079460001", "9081726"], ["js-2", "+442079460002", "4444444"]]) {
  const caller = phone(pin);
  const answer = await take(caller, call, number);
  console.log(JSON.stringify({ ...answer, heard: caller.heard.length }));
}
client.close();
"#;

#[test]
fn d02_d04_the_client_in_python_takes_a_call_to_its_queue() {
    let daemon = Daemon::start(CUSTOMERS);
    let folder = TempDir::new().expect("a temporary folder");
    let program = folder.path().join("client.py");
    fs::write(&program, format!("{}{IN_PYTHON}", shown("python"))).expect("written");
    let mut python = Command::new("python3");
    python.arg(&program);
    went_as_scripted(&calls(&daemon, python));
}

#[test]
fn d02_d04_the_client_in_javascript_takes_a_call_to_its_queue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("tests/clients/node_modules");
    assert!(packages.exists(), "run `npm ci --prefix tests/clients` first, as tests/run does");
    let daemon = Daemon::start(CUSTOMERS);
    let folder = TempDir::new().expect("a temporary folder");
    let program = folder.path().join("client.mjs");
    fs::write(&program, format!("{}{IN_JAVASCRIPT}", shown("js"))).expect("written");
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).expect("a link");
    let mut node = Command::new("node");
    node.arg("--preserve-symlinks").arg("--preserve-symlinks-main").arg(&program);
    went_as_scripted(&calls(&daemon, node));
}

/// The client of the page in this language.
fn shown(language: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/integrate.md")).expect("the page");
    let (_, section) = page.split_once("## A client to begin with\n").expect("the section");
    let (_, from) = section.split_once(&format!("```{language}\n")).expect("a block");
    let (block, _) = from.split_once("\n```\n").expect("its end");
    format!("{block}\n")
}

fn calls(daemon: &Daemon, mut program: Command) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let grpc = daemon.grpc.expect("the daemon serves gRPC");
    let output = program
        .env("COUNTERSIGN_URL", format!("http://{}", daemon.http))
        .env("COUNTERSIGN_GRPC", grpc.to_string())
        .env("COUNTERSIGN_PROTO", root.join("proto"))
        .env("COUNTERSIGN_TOKEN", daemon.token("platform", "pbx"))
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[track_caller]
fn went_as_scripted(calls: &[Value]) {
    let [right, wrong] = calls else { panic!("two calls: {calls:?}") };
    for call in [right, wrong] {
        assert_eq!(call["class"], "verified_number");
        assert_eq!(call["directive"]["do"], "route");
        assert_eq!(call["directive"]["to"], "sip:queue@127.0.0.1:5070");
    }
    assert_eq!((&right["authentication"], &right["heard"]), (&json!("authenticated"), &json!(3)));
    assert_ne!(wrong["authentication"], "authenticated");
    assert_eq!(wrong["heard"], 6, "two positions twice, `pin.again` between, `thanks`");
}
