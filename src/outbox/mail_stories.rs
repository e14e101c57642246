//! Mails against real records and a real mail server that misbehaves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::certificates::Authority;
use crate::certificates::GOOD;
use crate::config::mail::Mail;
use crate::config::mail::MailServer as Place;
use crate::config::mail::Security;
use crate::config::mail::Sender;
use crate::config::outbox::Iam;
use crate::config::outbox::Outbox as Settings;
use crate::model::customer::Customer;
use crate::model::customer::Role;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::outbox::Outbox;
use crate::outbox::Parts;
use crate::outbox::mail::Unreached;
use crate::outbox::mail::reach;
use crate::outbox::mail_stories::smtp::MailServer;
use crate::outbox::mail_stories::smtp::Over;
use crate::pin::links::Links;
use crate::pin::pepper::Pepper;
use crate::records::Enrolment;
use crate::records::FollowUps;
use crate::records::Records;
use crate::records::pins::By;
use crate::records::pins::Link;
use crate::records::pins::LinkPurpose;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::pins::PinRecords;
use crate::records::sqlite::SqliteRecords;

#[path = "../../tests/servers/smtp.rs"]
mod smtp;

const NOW: u64 = 1_795_305_600_000;
const DAY: Duration = Duration::from_hours(24);

/// Customers with a PIN, who ask for links.
struct House {
    folder: TempDir,
    records: Arc<SqliteRecords>,
    mail: Mail,
    now: Arc<AtomicU64>,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let records = SqliteRecords::open(&folder.path().join("records.db")).expect("opened");
        let from = Sender { name: Some("Bank, PIN".into()), address: "pin@bank.example".into() };
        let timeout = Duration::from_secs(2);
        let organisation = "Example Bank".into();
        let mail = Mail { timeout, from, organisation, ..Mail::default() };
        let now = Arc::new(AtomicU64::new(NOW));
        Self { folder, records: Arc::new(records), mail, now }
    }

    /// A house whose mails go through this server, in the clear.
    fn with(server: &MailServer) -> Self {
        let mut house = Self::open();
        house.through("127.0.0.1", server.port, Security::Plain);
        house
    }

    fn through(&mut self, host: &str, port: u16, security: Security) {
        self.mail.server = Some(Place { host: host.into(), port, security, user: None });
    }

    async fn customer(&self, name: &str, email: &str, language: Option<&str>) {
        let customer = Customer {
            id: id(name),
            keypad_id: None,
            name: "Canary Finch\r\nBcc: thief@example.org".replace(['\r', '\n'], " "),
            role: Role::Client,
            represents: vec![],
            numbers: vec![],
            email: Some(SecretText::new(email.into())),
            language: language.map(str::to_owned),
            flags: vec![],
            facts: std::collections::BTreeMap::new(),
        };
        let pin_version = self.records.next_pin_version(&id(name)).await.expect("read");
        let pin = SealedPin {
            pin_version,
            salt: vec![1; 16],
            pepper_id: "0badc0de".into(),
            memory_kib: 19_456,
            iterations: 2,
            nonce: vec![2; 24],
            table: vec![3; 352],
        };
        let row = Enrolment { customer, pin: Some(pin), password: None };
        self.records.import(vec![row], self.now()).await.expect("imported");
    }

    /// The customer forgot the PIN and asks for a link; its id.
    async fn forgot(&self, name: &str) -> String {
        let id_of_link = format!("{:0>26}", rand::random::<u32>());
        let expires = self.now().after(DAY * 2);
        let link = NewLink { id: id_of_link.clone(), purpose: LinkPurpose::Reset, expires };
        let by = By { actor: "customer".into(), reason: "forgot".into(), now: self.now() };
        assert!(self.records.mail_link(&id(name), link, by).await.expect("stored"));
        id_of_link
    }

    async fn link(&self, link: &str) -> Link {
        self.records.link(link).await.expect("read").expect("a link")
    }

    async fn outcome(&self, link: &str) -> MailOutcome {
        self.link(link).await.mail
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn outbox(&self) -> Outbox {
        let within = Duration::from_secs(2);
        let settings = Settings {
            directory: None,
            webhook_url: None,
            webhook_secret_file: None,
            timeout: within,
            mail: self.mail.clone(),
        };
        let now = Arc::clone(&self.now);
        let parts = Parts {
            folder: self.folder.path().join("outbox"),
            records: Arc::clone(&self.records) as Arc<dyn Records>,
            links: links(),
            public_url: "https://pin.bank.example".into(),
            clock: Arc::new(move || Timestamp(now.load(Ordering::SeqCst))),
        };
        Outbox::new(&settings, &Iam { url: None, token_file: None, timeout: within }, parts)
            .expect("set up")
    }

    /// Time passes, and what is due goes out.
    async fn pass(&self, outbox: &Outbox, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("short");
        self.now.fetch_add(ms, Ordering::SeqCst);
        outbox.send_items().await;
    }

    async fn pending(&self) -> u64 {
        self.records.outbox_counts().await.expect("read").pending
    }

    async fn audit(&self) -> String {
        let lines = self.records.audit_from(0, 1000).await.expect("read");
        format!("{lines:?}")
    }
}

fn id(text: &str) -> CustomerId {
    text.parse().expect("an id")
}

fn links() -> Links {
    Links::new(Arc::new(Pepper::from_bytes(&[7; 32]).expect("32 bytes")))
}

fn files(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let read = |path: std::path::PathBuf| std::fs::read(path).expect("readable");
    entries.map(|entry| serde_json::from_slice(&read(entry.path())).expect("JSON")).collect()
}

#[tokio::test]
async fn p12_p16_x18_p25_a_mail_goes_out_and_its_link_reads_back() {
    let server = MailServer::start();
    let house = House::with(&server);
    house.customer("c-1", "one@example.org", Some("nl-BE")).await;
    let link = house.forgot("c-1").await;
    house.pass(&house.outbox(), Duration::ZERO).await;
    let mail = server.wait_for(1).remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("pin@bank.example", &["one@example.org".to_owned()][..])
    );
    assert_eq!(links().read(&mail.token("reset"), LinkPurpose::Reset), Some(link.clone()));
    let text = mail.text();
    assert!(text.contains("https://pin.bank.example/activate#reset="), "{text}");
    assert!(text.contains("2026-11-24, 00:00 UTC") && text.contains("Iemand"), "{text}");
    let subject = mail.header("Subject").expect("a subject");
    assert_eq!(subject, "Example Bank: kies een nieuwe pincode");
    // The comma in the name makes no second sender, whichever way RFC 2047 or RFC 5322 says so.
    let from = mail.header("From").expect("a sender");
    let spelled =
        ["\"Bank, PIN\" <pin@bank.example>", "=?utf-8?b?QmFuaywgUElO?= <pin@bank.example>"];
    assert!(spelled.contains(&from.as_str()), "{from}");
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    for other in ["Canary", "c-1", "thief"] {
        assert!(!mail.raw.contains(other), "the mail says {other}");
    }
    assert_eq!(house.outcome(&link).await, MailOutcome::Accepted);
    assert_eq!(house.pending().await, 0);
    // Neither token nor address in what is kept of it.
    let token = mail.token("reset");
    let audit = house.audit().await;
    assert!(!audit.contains(&token) && !audit.contains("one@example.org"), "{audit}");
}

#[tokio::test]
async fn p22_an_address_that_the_server_does_not_know_is_refused_for_good() {
    let server = MailServer::start();
    server.behave("refuse wrong@example.org");
    let house = House::with(&server);
    house.customer("c-1", "wrong@example.org", None).await;
    house.customer("c-2", "no address at all", None).await;
    house.customer("c-3", "three@example.org", None).await;
    let mut made = vec![];
    for name in ["c-1", "c-2", "c-3"] {
        made.push(house.forgot(name).await);
    }
    let outbox = house.outbox();
    house.pass(&outbox, Duration::ZERO).await;
    let mut outcomes = vec![];
    for link in &made {
        outcomes.push(house.outcome(link).await);
    }
    let (refused, accepted) = (MailOutcome::Refused, MailOutcome::Accepted);
    assert_eq!(outcomes, [refused, refused, accepted]);
    assert_eq!(house.pending().await, 0, "it is not tried again");
    let audit = house.audit().await;
    assert_eq!(audit.matches("pin_mail_refused").count(), 2, "{audit}");
    assert!(!audit.contains("@example.org"), "{audit}");
    server.behave("");
    house.pass(&outbox, DAY).await;
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn p22_p23_what_the_server_does_not_take_now_waits_and_comes_later() {
    let mut server = MailServer::start();
    let house = House::with(&server);
    house.customer("c-1", "one@example.org", None).await;
    house.customer("c-2", "two@example.org", None).await;
    let outbox = house.outbox();
    let (one, two) = (house.forgot("c-1").await, house.forgot("c-2").await);
    for (trouble, taken) in [("busy", 0), ("reject", 0), ("relay one@example.org", 1)] {
        server.behave(trouble);
        house.pass(&outbox, Duration::from_mins(16)).await;
        assert_eq!(server.taken().len(), taken, "{trouble}");
        assert_eq!(house.outcome(&one).await, MailOutcome::Waiting, "{trouble}");
    }
    assert_eq!(house.outcome(&two).await, MailOutcome::Accepted, "others go on");
    server.stop();
    house.pass(&outbox, Duration::from_mins(16)).await;
    assert_eq!((house.pending().await, house.outcome(&one).await), (1, MailOutcome::Waiting));
    server.behave("");
    server.start_again();
    house.pass(&outbox, Duration::from_mins(16)).await;
    assert_eq!((house.pending().await, house.outcome(&one).await), (0, MailOutcome::Accepted));
    assert_eq!(server.wait_for(2).len(), 2);
}

#[tokio::test]
async fn p22_a_server_that_says_nothing_costs_its_time_and_no_more() {
    let server = MailServer::start();
    let mut house = House::with(&server);
    house.mail.timeout = Duration::from_secs(1);
    house.customer("c-1", "one@example.org", None).await;
    house.customer("c-2", "two@example.org", None).await;
    let outbox = house.outbox();
    for trouble in ["silent", "hang"] {
        let link = house.forgot("c-1").await;
        house.forgot("c-2").await;
        server.behave(trouble);
        let passed = timeout(Duration::from_secs(6), house.pass(&outbox, Duration::from_mins(2)));
        passed.await.unwrap_or_else(|_| panic!("{trouble}: nobody waits so long for a server"));
        assert_eq!(house.outcome(&link).await, MailOutcome::Waiting, "{trouble}");
    }
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test]
async fn p25_a_link_that_is_void_used_or_too_old_is_not_mailed() {
    let mut server = MailServer::start();
    let house = House::with(&server);
    for name in ["c-1", "c-2"] {
        house.customer(name, "one@example.org", None).await;
    }
    let outbox = house.outbox();
    server.stop();
    let older = house.forgot("c-1").await;
    let newer = house.forgot("c-1").await;
    let late = house.forgot("c-2").await;
    house.pass(&outbox, DAY).await;
    assert_eq!(house.pending().await, 2, "the older one is void and goes nowhere");
    server.start_again();
    house.now.store(house.link(&late).await.expires.0, Ordering::SeqCst);
    let again = house.forgot("c-2").await;
    house.pass(&outbox, Duration::from_mins(16)).await;
    assert_eq!(house.pending().await, 0);
    let mails = server.taken();
    assert_eq!(mails.len(), 1, "of four one");
    assert_eq!(links().read(&mails[0].token("reset"), LinkPurpose::Reset), Some(again));
    for gone in [older, newer, late] {
        assert_eq!(house.outcome(&gone).await, MailOutcome::Waiting);
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_and_not_noted_comes_once_more_under_the_same_name() {
    let server = MailServer::start();
    let mut house = House::with(&server);
    house.mail.timeout = Duration::from_secs(1);
    house.customer("c-1", "one@example.org", None).await;
    let outbox = house.outbox();
    server.behave("forget");
    let link = house.forgot("c-1").await;
    house.pass(&outbox, Duration::ZERO).await;
    assert_eq!(house.outcome(&link).await, MailOutcome::Waiting, "we were not told");
    server.behave("");
    house.pass(&outbox, Duration::from_mins(16)).await;
    assert_eq!(house.outcome(&link).await, MailOutcome::Accepted);
    let mails = server.wait_for(2);
    let id = mails[0].header("Message-ID").expect("an id");
    assert!(id.ends_with("@bank.example>") && id.len() == 1 + 26 + 14, "{id}");
    assert_eq!(mails[1].header("Message-ID"), Some(id));
    assert_eq!(mails[0].token("reset"), mails[1].token("reset"));
}

#[tokio::test]
async fn mails_cross_the_network_encrypted_to_the_right_server_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let right = ours.node(folder.path(), "right", &["localhost"], GOOD);
    let ca = folder.path().join("ours.pem");
    std::fs::write(&ca, ours.pem()).expect("written");
    let other_host = ours.node(folder.path(), "host", &["mail.example.org"], GOOD);
    let old = ours.node(folder.path(), "old", &["localhost"], 2001);
    let unknown = theirs.node(folder.path(), "unknown", &["localhost"], GOOD);
    let password = folder.path().join("password");
    std::fs::write(&password, "s3cret\n").expect("written");
    let user = ["--user", "bank", "--password", "s3cret"];
    for (over, security) in [(Over::StartTls, Security::StartTls), (Over::Tls, Security::Tls)] {
        for (files, good) in
            [(&right, true), (&other_host, false), (&old, false), (&unknown, false)]
        {
            let server =
                MailServer::start_with(over, Some((&files.certificate, &files.key)), &user);
            let mut house = House::open();
            house.through("localhost", server.port, security);
            house.mail.server.as_mut().expect("a server").user = Some("bank".into());
            (house.mail.ca_file, house.mail.password_file) =
                (Some(ca.clone()), Some(password.clone()));
            house.customer("c-1", "one@example.org", None).await;
            house.forgot("c-1").await;
            house.pass(&house.outbox(), Duration::ZERO).await;
            let reached = reach(&house.mail).await.expect("a server is set");
            assert_eq!(reached.is_ok(), good, "{over:?} {files:?} {reached:?}");
            assert_eq!(server.taken().len(), usize::from(good), "{over:?} {files:?}");
            for mail in server.taken() {
                assert_eq!((mail.tls, mail.user.as_deref()), (true, Some("bank")));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_offers_no_encryption_gets_no_mail_and_no_password() {
    let server = MailServer::start();
    let mut house = House::open();
    house.through("localhost", server.port, Security::StartTls);
    house.customer("c-1", "one@example.org", None).await;
    house.forgot("c-1").await;
    house.pass(&house.outbox(), Duration::ZERO).await;
    assert_eq!((server.taken().len(), house.pending().await), (0, 1));
    let reached = reach(&house.mail).await.expect("a server is set");
    assert!(matches!(reached, Err(Unreached::Away(_))), "{reached:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_by_its_code_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong-s3cret\n").expect("written");
    let server =
        MailServer::start_with(Over::Plain, None, &["--user", "bank", "--password", "s3cret"]);
    let mut house = House::with(&server);
    house.mail.server.as_mut().expect("a server").user = Some("bank".into());
    house.mail.password_file = Some(password.clone());
    let reached = reach(&house.mail).await.expect("a server is set");
    let told = reached.expect_err("refused").to_string();
    assert!(told.contains("535") && !told.contains("s3cret"), "{told}");
    std::fs::write(&password, "\n").expect("written");
    let reached = reach(&house.mail).await.expect("a server is set");
    assert!(matches!(reached, Err(Unreached::SetUp(_))), "{reached:?}");
}

#[tokio::test]
async fn p16_without_a_server_the_mail_lies_in_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::open();
    house.customer("c-1", "one@bücher.example", None).await;
    let link = house.forgot("c-1").await;
    house.pass(&house.outbox(), Duration::ZERO).await;
    let folder = house.folder.path().join("outbox");
    let mail = files(&folder).remove(0);
    assert_eq!((&mail["kind"], &mail["template"]), (&"mail".into(), &"reset".into()));
    assert_eq!(mail["to"], "one@xn--bcher-kva.example");
    let address = mail["link"].as_str().expect("a link");
    let token = address.strip_prefix("https://pin.bank.example/activate#reset=").expect("ours");
    assert_eq!(links().read(token, LinkPurpose::Reset), Some(link.clone()));
    assert!(mail["text"].as_str().is_some_and(|text| text.contains(address)));
    assert_eq!(house.outcome(&link).await, MailOutcome::Accepted);
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        assert_eq!(entry.metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_letter_beyond_ascii_in_an_address_goes_where_the_server_can_take_it() {
    for utf8 in [true, false] {
        let args: &[&str] = if utf8 { &["--utf8"] } else { &[] };
        let server = MailServer::start_with(Over::Plain, None, args);
        let house = House::with(&server);
        house.customer("c-1", "jürgen@example.org", Some("de")).await;
        let link = house.forgot("c-1").await;
        house.pass(&house.outbox(), Duration::ZERO).await;
        let wanted = if utf8 { MailOutcome::Accepted } else { MailOutcome::Refused };
        assert_eq!(house.outcome(&link).await, wanted);
        assert_eq!(server.taken().len(), usize::from(utf8));
    }
}
