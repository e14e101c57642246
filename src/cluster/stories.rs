//! Two nodes on loopback, with real certificates, and everybody who is not one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::call::request::Asker;
use crate::call::request::Refusal;
use crate::call::request::Request;
use crate::certificates::Authority;
use crate::certificates::GOOD;
use crate::certificates::NodeFiles;
use crate::certificates::nodes;
use crate::config::cluster::Cluster;
use crate::model::digits::SecretText;
use crate::wire::relay::Rest;
use crate::wire::relay::RestTold;
use crate::wire::relay::Sight;

const SECRETS: [&str; 4] = ["opensesame", "t0ken", "90210", "secret-view"];

#[tokio::test]
async fn d06_two_nodes_ask_each_other_over_mutual_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = nodes(folder.path(), 2);
    let (one, two) = (Node::start(&files[0]).await, Node::start(&files[1]).await);
    for (asking, asked) in [(&one, &two), (&two, &one)] {
        for address in [asked.address.clone(), format!("localhost:{}", asked.port())] {
            let told = asking.link.ask(&address, sight("c1"), Link::WAIT).await;
            assert!(matches!(told, Ok(Told::Sight(Some(Sight { version: 7, .. })))), "{told:?}");
        }
        let told = asking.ask(asked, password()).await;
        assert!(matches!(told, Ok(Told::Done(Err(Refusal::NotNow)))), "{told:?}");
        let told = asking.ask(asked, Ask::Take(vec![name("c1")])).await;
        assert!(matches!(told, Ok(Told::Taken(calls)) if calls == [name("c1")]));
        let told = asking.ask(asked, rest()).await;
        assert!(matches!(told, Ok(Told::Rest(RestTold { status: 404, .. }))), "{told:?}");
        let told = asking.ask(asked, Ask::Events(vec![json!({})])).await;
        assert!(matches!(told, Ok(Told::NotHere)), "{told:?}");
        assert_eq!(asked.host.asked.load(Ordering::Relaxed), 6);
    }
    assert_eq!(two.host.from(), "node");
    let told = one.ask(&two, Ask::Take(vec![name("confused")])).await;
    let error = LinkError::NoAnswer("the answer is to another question");
    assert_eq!(told.expect_err("no answer to this"), error);
}

#[tokio::test]
async fn d06_who_holds_no_certificate_of_this_ca_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, stranger) = (Authority::new("ours"), Authority::new("ours"));
    let hosts = ["127.0.0.1"];
    let files = ca.node(folder.path(), "node", &hosts, GOOD);
    let expired = ca.node(folder.path(), "expired", &hosts, 2020);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = stranger.node(elsewhere.path(), "node", &hosts, GOOD);
    let node = Node::start(&files).await;
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (who, own, version, let_in) in [
        ("a node", Some(&files), tls13, true),
        ("nobody", None, tls13, false),
        ("one of another CA", Some(&other), tls13, false),
        ("one whose time is over", Some(&expired), tls13, false),
        ("a node with an old TLS", Some(&files), tls12, false),
    ] {
        let answer = knock(node.bound, client(&ca, own, version)).await;
        let said = answer.as_deref().unwrap_or("").starts_with("HTTP/1.1 200");
        assert_eq!(said, let_in, "{who}: {answer:?}");
        assert_eq!(node.host.asked.load(Ordering::Relaxed), 1, "{who}");
    }
    let mut plain = TcpStream::connect(node.bound).await.expect("connected");
    let answer = post(&mut plain).await.unwrap_or_default();
    assert!(!answer.contains("HTTP"), "{answer}");
    assert_eq!(node.host.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn d06_a_node_that_is_not_accepted_knows_that_nothing_was_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, other) = (Authority::new("ours"), Authority::new("other"));
    let files = ca.node(folder.path(), "node", &["127.0.0.1"], GOOD);
    let node = Node::start(&files).await;
    // It believes both CAs; the node believes one.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let theirs = other.node(elsewhere.path(), "node", &["127.0.0.1"], GOOD);
    fs::write(&theirs.ca, ca.pem() + &other.pem()).expect("written");
    let refused = Node::start(&theirs).await.ask(&node, password()).await;
    assert_eq!(
        refused.expect_err("refused"),
        LinkError::NotSent("it does not accept this node's certificate")
    );
    // It believes another CA than the node's: it does not even say who it is.
    let theirs = other.node(elsewhere.path(), "node", &["127.0.0.1"], GOOD);
    let refused = Node::start(&theirs).await.ask(&node, password()).await;
    assert_eq!(refused.expect_err("refused"), LinkError::NotSent("no connection"));
    assert_eq!(node.host.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn d06_a_node_answers_for_the_host_in_its_certificate_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Authority::new("ours");
    let node = Node::start(&ca.node(folder.path(), "node", &["127.0.0.1"], GOOD)).await;
    let other = format!("localhost:{}", node.port());
    let told = node.link.ask(&other, sight("c1"), Link::WAIT).await;
    assert_eq!(told.expect_err("refused"), LinkError::NotSent("no connection"));
    assert!(matches!(
        node.link.ask(&node.address, sight("c1"), Link::WAIT).await,
        Ok(Told::Sight(_))
    ));
    for address in ["", "127.0.0.1", "127.0.0.1:0", "u@h:1", "h/x:1", "h?x:1", "h#:1", "[::1:1"] {
        let told = node.link.ask(address, sight("c1"), Link::WAIT).await;
        assert_eq!(
            told.expect_err("no address"),
            LinkError::NotSent("its address is no host:port"),
            "{address}"
        );
    }
}

#[tokio::test]
async fn d06_a_peer_that_is_away_or_hangs_is_told_apart_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(&nodes(folder.path(), 1)[0]).await;
    let started = Instant::now();
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let silent = silent.local_addr().map(|at| (silent, at.to_string())).expect("bound");
    let told = node.link.ask(&silent.1, password(), Link::WAIT).await;
    assert_eq!(
        told.expect_err("silent"),
        LinkError::NotSent("it did not take the connection in time")
    );
    drop(silent.0);
    let told = node.link.ask(&silent.1, password(), Link::WAIT).await;
    assert_eq!(told.expect_err("away"), LinkError::NotSent("no connection"));
    node.host.gate(0);
    let told = node.link.ask(&node.address, password(), Duration::from_millis(300)).await;
    let error = told.expect_err("hangs");
    assert_eq!(error, LinkError::NoAnswer("it took too long"));
    assert!(!error.nothing_done() && started.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn d06_what_was_begun_is_finished_though_nobody_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(&nodes(folder.path(), 1)[0]).await;
    node.host.gate(0);
    let told = node.link.ask(&node.address, password(), Duration::from_millis(300)).await;
    assert_eq!(told.expect_err("hangs"), LinkError::NoAnswer("it took too long"));
    assert_eq!(node.host.finished.load(Ordering::Relaxed), 0);
    node.host.gate.add_permits(1);
    until(|| node.host.finished.load(Ordering::Relaxed) == 1).await;
}

#[tokio::test]
async fn d06_sixty_four_questions_to_a_peer_are_under_way_and_the_next_one_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = nodes(folder.path(), 2);
    let (node, other) = (Node::start(&files[0]).await, Node::start(&files[1]).await);
    node.host.gate(0);
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let (link, address) = (node.link.clone(), node.address.clone());
        asking.spawn(async move { link.ask(&address, sight("c1"), Duration::from_secs(20)).await });
    }
    until(|| node.host.asked.load(Ordering::Relaxed) == 64).await;
    let told = node.link.ask(&node.address, sight("c1"), Duration::from_millis(100)).await;
    assert_eq!(told.expect_err("no place"), LinkError::NotSent("too much is asked of it already"));
    // Who waits for a directive stands in nobody's way, nor does one peer in another's.
    let (link, address) = (node.link.clone(), node.address.clone());
    asking.spawn(async move { link.ask(&address, rest(), Duration::from_secs(20)).await });
    until(|| node.host.asked.load(Ordering::Relaxed) == 65).await;
    assert!(node.ask(&other, sight("c1")).await.is_ok());
    node.host.gate.add_permits(1000);
    let answers = asking.join_all().await;
    assert!(
        answers.iter().all(|told| matches!(told, Ok(Told::Sight(_) | Told::Rest(_)))),
        "{answers:?}"
    );
    assert!(node.ask(&node, sight("c1")).await.is_ok());
}

#[tokio::test]
async fn d06_certificates_replaced_on_disk_are_used_for_new_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = nodes(folder.path(), 2);
    let (one, two) = (Node::start(&first[0]).await, Node::start(&first[1]).await);
    assert!(one.ask(&two, sight("c1")).await.is_ok());
    let elsewhere = tempfile::tempdir().expect("a folder");
    let old = copied(&first[0], elsewhere.path());
    // Half of a new pair is nothing to go on with: what is known is used.
    fs::write(&first[0].certificate, fs::read(&first[1].certificate).expect("read"))
        .expect("written");
    assert!(one.ask(&two, sight("c1")).await.is_ok());
    // A whole new CA, under both nodes' feet.
    nodes(folder.path(), 2);
    assert!(one.ask(&two, sight("c1")).await.is_ok());
    assert!(two.ask(&one, sight("c1")).await.is_ok());
    // Who still has the old certificates is a stranger now.
    let refused = Node::start(&old).await.ask(&two, password()).await;
    assert!(matches!(refused, Err(LinkError::NotSent(_))), "{refused:?}");
}

#[tokio::test]
async fn d06_certificates_that_other_nodes_would_refuse_are_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, other) = (Authority::new("ours"), Authority::new("other"));
    let make = |name: &str, hosts: &[&str], until| ca.node(folder.path(), name, hosts, until);
    let good = make("good", &["127.0.0.1"], GOOD);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).map(|()| path).expect("written")
    };
    let with = |change: &dyn Fn(&mut NodeFiles)| {
        let mut files = good.clone();
        change(&mut files);
        files
    };
    let no_pem = write("no.pem", "-----BEGIN NOTHING-----\n");
    let other_ca = write("other-ca.pem", &other.pem());
    let other_key = make("other", &["127.0.0.1"], GOOD).key;
    for (files, said) in [
        (with(&|files| files.key = folder.path().join("none")), "none: cannot be read"),
        (with(&|files| files.key = no_pem.clone()), "no.pem: holds no private key"),
        (with(&|files| files.certificate = no_pem.clone()), "no.pem: holds no certificate"),
        (with(&|files| files.ca = no_pem.clone()), "no.pem: holds no certificate"),
        (with(&|files| files.ca = other_ca.clone()), "good.pem: other nodes would refuse"),
        (with(&|files| files.key = other_key.clone()), "other.key: is not the key of"),
        (make("old", &["127.0.0.1"], 2020), "old.pem: other nodes would refuse"),
        (make("b", &["b.example"], GOOD), "b.pem: other nodes would refuse"),
    ] {
        let error = LinkTls::load(&cluster(&files)).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains("BEGIN"), "{error}");
    }
    assert!(LinkTls::load(&cluster(&good)).is_ok());
}

#[tokio::test]
async fn d06_what_may_be_carried_out_already_is_not_sent_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = &nodes(folder.path(), 1)[0];
    let node = Node::start(files).await;
    let tls = LinkTls::load(&cluster(files)).expect("loaded");
    // Reads the question, and dies.
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = peer.local_addr().expect("bound").to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&heard);
    let mut dying = JoinSet::new();
    dying.spawn(async move {
        let server = Arc::clone(&tls.current().await.server);
        while let Ok((stream, _)) = peer.accept().await {
            let stream = TlsAcceptor::from(Arc::clone(&server)).accept(stream).await;
            let Ok(mut stream) = stream else { continue };
            if stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for (ask, times) in [(password(), 1), (Ask::Events(vec![json!({})]), 2), (sight("c1"), 2)] {
        heard.store(0, Ordering::Relaxed);
        let told = node.link.ask(&address, ask.clone(), Link::WAIT).await;
        assert_eq!(told.expect_err("dead"), LinkError::NoAnswer("the connection broke"), "{ask:?}");
        assert_eq!(heard.load(Ordering::Relaxed), times, "{ask:?}");
    }
}

#[tokio::test]
async fn d06_questions_are_bounded_and_of_one_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = &nodes(folder.path(), 1)[0];
    let node = Node::start(files).await;
    let large = Ask::Events(vec![json!("x".repeat(ASK_MAX))]);
    let told = node.ask(&node, large).await;
    assert_eq!(told.expect_err("large"), LinkError::NotSent("the question is too large"));
    let full = Ask::Events(vec![json!("x".repeat(BODY_MAX - 4))]);
    assert!(matches!(node.ask(&node, full).await, Ok(Told::NotHere)));
    let told = node.ask(&node, Ask::Sight(name("large"))).await;
    assert_eq!(told.expect_err("a large answer"), LinkError::NoAnswer("it failed"));
    let loaded = node.tls.current().await;
    for (head, body, status) in [
        ("POST /v1/ask", r#"{"v":2,"from":"n","ask":"sight","call":"c"}"#, "400"),
        ("POST /v1/ask", r#"{"v":1,"from":"n","ask":"fly"}"#, "400"),
        ("POST /v1/other", "", "404"),
        ("GET /v1/ask", "", "405"),
    ] {
        let tcp = TcpStream::connect(node.bound).await.expect("connected");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connector = TlsConnector::from(Arc::clone(&loaded.client));
        let mut stream = connector.connect(name, tcp).await.expect("shaken");
        let answer = exchange(&mut stream, head, body).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
    }
}

#[tokio::test]
async fn d06_a_node_that_stops_answers_what_it_was_asked_and_takes_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = nodes(folder.path(), 2);
    let (one, two) = (Node::start(&files[0]).await, Node::start(&files[1]).await);
    two.host.gate(0);
    let (link, address) = (one.link.clone(), two.address.clone());
    let mut asking = JoinSet::new();
    asking.spawn(async move { link.ask(&address, password(), Link::WAIT).await });
    until(|| two.host.asked.load(Ordering::Relaxed) == 1).await;
    two.stop.cancel();
    two.host.gate.add_permits(1);
    let told = asking.join_next().await.expect("asked").expect("no panic");
    assert!(matches!(told, Ok(Told::Done(_))), "{told:?}");
    two.tasks.close();
    timeout(Duration::from_secs(8), two.tasks.wait()).await.expect("nothing is left running");
    let told = one.ask(&two, password()).await;
    assert_eq!(told.expect_err("stopped"), LinkError::NotSent("no connection"));
}

#[tokio::test]
async fn p11_neither_logs_nor_debug_show_what_nodes_ask() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(lines);
    let folder = tempfile::tempdir().expect("a folder");
    let files = nodes(folder.path(), 2);
    let (one, two) = (Node::start(&files[0]).await, Node::start(&files[1]).await);
    let events = Ask::Events(vec![json!({ "type": "digit_generated", "digit": "90210" })]);
    for ask in [password(), answer(), rest(), events, sight("c1")] {
        let shown = format!("{ask:?}");
        let told = format!("{:?}", one.ask(&two, ask).await.expect("told"));
        let off = format!("{:?}", one.link.ask("127.0.0.1:1", password(), Link::WAIT).await);
        assert_hidden(&(shown + &told + &off));
    }
    // A question that cannot be read is said, and not repeated.
    let broken = r#"{"v":1,"from":"n","ask":"opensesame","body":"t0ken"}"#;
    let tcp = TcpStream::connect(two.bound).await.expect("connected");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connector = TlsConnector::from(Arc::clone(&one.tls.current().await.client));
    let mut stream = connector.connect(name, tcp).await.expect("shaken");
    let told = exchange(&mut stream, "POST /v1/ask", broken).await.expect("an answer");
    assert_hidden(&told);
    let key = fs::read_to_string(&files[0].key).expect("read");
    let key = key.lines().nth(1).expect("a line of it");
    let logged = log.text() + &format!("{one:?} {:?} {:?}", one.tls, one.link);
    assert!(logged.contains("not readable") && !logged.contains(key), "{logged}");
    assert_hidden(&logged);
}

// --- who takes part ---

#[derive(Debug)]
struct Node {
    link: Link,
    tls: LinkTls,
    bound: SocketAddr,
    address: String,
    host: Arc<Scripted>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Node {
    /// A node that looks at its files at every new connection.
    async fn start(files: &NodeFiles) -> Self {
        let cluster = cluster(files);
        let tls = LinkTls::watching(&cluster, Duration::ZERO).expect("loaded");
        let listener = TcpListener::bind(cluster.listen).await.expect("bound");
        let bound = listener.local_addr().expect("bound");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let host = Arc::new(Scripted::default());
        let serving: Arc<dyn Host> = Arc::clone(&host) as Arc<dyn Host>;
        tasks.spawn(serve(listener, tls.clone(), serving, tasks.clone(), stop.clone()));
        let link = Link::new(tls.clone(), name("node"));
        Self { link, tls, bound, address: cluster.address(bound), host, tasks, stop }
    }

    async fn ask(&self, other: &Self, ask: Ask) -> Result<Told, LinkError> {
        self.link.ask(&other.address, ask, Link::WAIT).await
    }

    fn port(&self) -> u16 {
        self.bound.port()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn cluster(files: &NodeFiles) -> Cluster {
    Cluster {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: None,
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        ca: files.ca.clone(),
    }
}

/// Answers each kind of question in its own way, as soon as the gate lets it.
#[derive(Debug)]
struct Scripted {
    asked: AtomicUsize,
    finished: AtomicUsize,
    gate: Semaphore,
    from: Mutex<String>,
}

impl Default for Scripted {
    fn default() -> Self {
        let (asked, finished, from) = Default::default();
        Self { asked, finished, gate: Semaphore::new(Semaphore::MAX_PERMITS / 2), from }
    }
}

impl Scripted {
    fn gate(&self, open: usize) {
        self.gate.forget_permits(usize::MAX);
        self.gate.add_permits(open);
    }

    fn from(&self) -> String {
        self.from.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Host for Scripted {
    async fn asked(&self, from: NodeId, ask: Ask) -> Told {
        *self.from.lock().unwrap_or_else(PoisonError::into_inner) = from.to_string();
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.expect("open").forget();
        self.finished.fetch_add(1, Ordering::Relaxed);
        match ask {
            Ask::Request { .. } => Told::Done(Err(Refusal::NotNow)),
            Ask::Sight(call) if call.as_str() == "large" => {
                Told::Sight(Some(Sight { version: 7, json: "x".repeat(TOLD_MAX) }))
            }
            Ask::Sight(_) => Told::Sight(Some(Sight { version: 7, json: SECRETS[3].into() })),
            Ask::Take(calls) if calls == [name("confused")] => Told::Done(Ok(())),
            Ask::Take(calls) => Told::Taken(calls),
            Ask::Rest(_) => {
                Told::Rest(RestTold { status: 404, content_type: None, body: SECRETS[3].into() })
            }
            Ask::Events(_) => Told::NotHere,
        }
    }
}

fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

fn sight(call: &str) -> Ask {
    Ask::Sight(name(call))
}

fn request(request: Request) -> Ask {
    let asker = Asker { agent: name("alice"), supervisor: false, groups: vec![] };
    Ask::Request { call: name("c1"), asker, request }
}

fn password() -> Ask {
    request(Request::Password(SecretText::new(SECRETS[0].into())))
}

fn answer() -> Ask {
    let value = SecretText::new(SECRETS[2].into());
    request(Request::Answer { question: name("postcode"), value })
}

fn rest() -> Ask {
    Ask::Rest(Rest {
        method: "POST".into(),
        path_and_query: format!("/v1/outbound/c1/tap?number={}", SECRETS[2]),
        authorization: Some(SecretText::new(format!("Bearer {}", SECRETS[1]))),
        content_type: None,
        body: SecretText::new(SECRETS[0].into()),
    })
}

#[track_caller]
fn assert_hidden(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

fn copied(files: &NodeFiles, to: &Path) -> NodeFiles {
    let copy = |file: &Path, name: &str| {
        let path = to.join(name);
        fs::copy(file, &path).map(|_| path).expect("copied")
    };
    NodeFiles {
        certificate: copy(&files.certificate, "old.pem"),
        key: copy(&files.key, "old.key"),
        ca: copy(&files.ca, "old-ca.pem"),
    }
}

async fn until(holds: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(10), async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it happens within ten seconds");
}

/// A client that believes this CA and shows these files, if any.
fn client(
    ca: &Authority,
    own: Option<&NodeFiles>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let pem = ca.pem();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a CA")).expect("a CA");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots);
    let Some(own) = own else { return builder.with_no_client_auth() };
    let chain = CertificateDer::from_pem_file(&own.certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&own.key).expect("a key");
    builder.with_client_auth_cert(vec![chain], key).expect("a pair")
}

async fn knock(at: SocketAddr, config: ClientConfig) -> io::Result<String> {
    let tcp = TcpStream::connect(at).await?;
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    post(&mut stream).await
}

async fn post(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
) -> io::Result<String> {
    let body = r#"{"v":1,"from":"n","ask":"sight","call":"c1"}"#;
    exchange(stream, "POST /v1/ask", body).await
}

async fn exchange(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    head: &str,
    body: &str,
) -> io::Result<String> {
    let request = format!(
        "{head} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
