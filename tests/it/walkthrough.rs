//! The commands of docs/cluster.md, run as they stand there: on free ports, with a database server and a
//! Redis of the test, and otherwise to the letter.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::net::TcpListener;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::poll;
use crate::postgres;
use crate::redis_server::Redis;

/// Everything that the page marks as commands for a shell, in its order.
fn commands(page: &str) -> String {
    let mut commands = String::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, command) => commands.extend([command, "\n"]),
            (false, _) => {}
        }
    }
    commands
}

fn tcp_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("bound").to_string()
}

fn udp_port() -> String {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("bound").to_string()
}

#[test]
fn d06_the_walk_through_of_two_nodes_goes_as_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/cluster.md")).expect("the page");
    let folder = TempDir::new().expect("a temporary folder");
    let redis = Redis::start();
    let server = postgres::server();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let (http, sip) = ([tcp_port(), tcp_port()], [udp_port(), udp_port()]);
    let settings = |nth: usize| {
        format!(
            "--set http.listen={} --set sip.listen=[\"udp:{}\"] --set cluster.listen=127.0.0.1:0 \
             --set pin.memory_kib=64 --set pin.iterations=1",
            http[nth], sip[nth]
        )
    };
    // Nothing is left running, however it ends.
    let script =
        format!("set -eu\ntrap 'kill $(jobs -p) 2> kill.log || true' EXIT\n{}", commands(&page));
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder.path()).env_clear();
    shell
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", folder.path())
        .env("EXAMPLES", root.join("docs/examples"))
        .env("HTTP_A", &http[0])
        .env("HTTP_B", &http[1])
        .env("SIP", udp_port())
        .env("SIP_A", &sip[0])
        .env("SIP_B", &sip[1])
        .env("SET_A", settings(0))
        .env("SET_B", settings(1))
        .env("COUNTERSIGN__SESSIONS__URL", redis.url())
        .env("PSQL", "psql -v ON_ERROR_STOP=1 postgres")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", "countersign")
        .env("PGPASSWORD", postgres::PASSWORD);
    shell.stdin(Stdio::null()).stderr(log.try_clone().expect("a file")).stdout(log);
    let mut shell = shell.spawn().expect("bash runs");
    let ended = poll_long(|| shell.try_wait().expect("a child of ours"));
    let said = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    assert!(
        ended.success(),
        "{ended}\n{}\n--- a\n{}\n--- b\n{}\n--- balancer\n{}",
        said("log"),
        said("a.log"),
        said("b.log"),
        said("kamailio.log")
    );
    assert!(said("log").contains("node a shows 6 calls, node b 6"), "{}", said("log"));
}

/// As patient as for three things: it is many commands.
fn poll_long<T>(mut look: impl FnMut() -> Option<T>) -> T {
    poll("the walk-through ends", || {
        thread::sleep(Duration::from_millis(20));
        look()
    })
}
