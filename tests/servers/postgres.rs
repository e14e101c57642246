//! A PostgreSQL server for this test process alone: made when the first test asks, gone when the
//! process is gone, however it ends. Each test has a schema of its own in it.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::io::BufRead;
use std::io::BufReader;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;

use tokio_postgres::NoTls;

/// Where Debian puts the programs of the server, version by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The password of its only user, for those who come by TCP.
pub(crate) const PASSWORD: &str = "for-tests-only";

/// Lives as long as its standard input is open, which is as long as the test process lives: then it
/// ends the server and takes the folder away. The server's own log stays in the folder.
const GUARDIAN: &str = r#"
trap '' INT TERM HUP PIPE
folder=$(mktemp -d /tmp/countersign-postgres.XXXXXX) || exit 1
end() { rm -rf "$folder"; exit "$1"; }
fail() { cat "$folder/log" >&2; end 1; }
umask 077
printf '%s\n' "$2" > "$folder/password"
printf '%s\n' "$CERTIFICATE" > "$folder/certificate.pem"
printf '%s\n' "$KEY" > "$folder/key.pem"
"$1/initdb" -D "$folder/data" -U countersign -E UTF8 --locale=C --no-sync --no-instructions \
    --auth-local=trust --auth-host=scram-sha-256 --pwfile="$folder/password" > "$folder/log" 2>&1 < /dev/null || fail
"$1/postgres" -D "$folder/data" -p "$3" -k "$folder" -c listen_addresses=127.0.0.1 \
    -c ssl=on -c ssl_cert_file="$folder/certificate.pem" -c ssl_key_file="$folder/key.pem" \
    -c shared_buffers=32MB -c max_connections=300 -c fsync=off > "$folder/log" 2>&1 < /dev/null &
server=$!
tries=0
until "$1/pg_isready" -q -h "$folder" -p "$3"; do
    kill -0 "$server" 2>/dev/null || fail
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail
    sleep 0.1
done
printf '%s\n' "$folder"
read -r _
kill -QUIT "$server"
wait "$server"
end 0
"#;

/// The server of this process.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its folder, with the socket in it, and its certificate for 127.0.0.1: `certificate.pem`.
    pub(crate) folder: String,
    /// Its TCP port on 127.0.0.1.
    pub(crate) port: u16,
    // Its standard input is the server's life line.
    _guardian: Child,
}

/// The server of this process; it is started by whoever asks first.
///
/// # Panics
/// If there is no server that could be started.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let tries = (0..5).map(|_| start());
        tries.flatten().next().expect("PostgreSQL starts; what it said stands above")
    })
}

/// The URL of an own schema, made if there is none of that name; by TCP, with the password.
pub(crate) async fn schema(name: &str) -> String {
    let server = server();
    let address =
        format!("host={} port={} user=countersign dbname=postgres", server.folder, server.port);
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("connected");
    let making = format!("CREATE SCHEMA IF NOT EXISTS \"{name}\"");
    let (made, _) = tokio::join!(
        async {
            let made = client.batch_execute(&making).await;
            drop(client);
            made
        },
        connection
    );
    made.expect("a schema");
    let port = server.port;
    format!(
        "postgres://countersign:{PASSWORD}@127.0.0.1:{port}/postgres?options=-c%20search_path%3D{name}"
    )
}

/// The URL of an own, new database; by TCP, with the password.
pub(crate) async fn database(name: &str) -> String {
    let Server { folder, port, .. } = server();
    let address = format!("host={folder} port={port} user=countersign dbname=postgres");
    let _ = texts(&address, &format!("CREATE DATABASE \"{name}\"")).await;
    format!("postgres://countersign:{PASSWORD}@127.0.0.1:{port}/{name}")
}

/// What one statement answers, the first column of every row.
pub(crate) async fn texts(address: &str, sql: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.expect("connected");
    let (found, _) = tokio::join!(
        async {
            let found = client.query(sql, &[]).await;
            drop(client);
            found
        },
        connection
    );
    found.expect("answered").iter().map(|row| row.get(0)).collect()
}

/// The name of the schema that belongs to a folder: as unique as the folder.
pub(crate) fn name_for(folder: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    format!("t{:016x}", hasher.finish())
}

fn start() -> Option<Server> {
    let programs = programs();
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = free.local_addr().expect("a port").port();
    drop(free);
    // The server refuses to run as root.
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", GUARDIAN, "guardian", &programs, PASSWORD, &port.to_string()]);
    let signed =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    command.env("CERTIFICATE", signed.cert.pem()).env("KEY", signed.signing_key.serialize_pem());
    command.env("LC_ALL", "C").current_dir("/tmp").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guardian = command.spawn().expect("setpriv and sh are there");
    let mut line = String::new();
    let mut said = BufReader::new(guardian.stdout.take().expect("piped"));
    said.read_line(&mut line).expect("text");
    let folder = line.trim();
    if folder.is_empty() {
        guardian.wait().expect("ended");
        return None;
    }
    Some(Server { folder: folder.into(), port, _guardian: guardian })
}

/// The folder of the newest server's programs.
fn programs() -> String {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let Some(newest) = versions.max() else {
        panic!("these tests run against a real PostgreSQL server: apt-get install postgresql");
    };
    format!("{DEBIAN}/{newest}/bin")
}
