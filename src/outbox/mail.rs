//! Mails with links (P25, X18). An item says which link; the address, the language and the token are
//! looked up when it is sent, so that neither the outbox nor the database holds what opens a PIN.
//!
//! A mail that was taken and not noted goes out again with the same `Message-ID`: mail programs show
//! it once.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use async_trait::async_trait;
use lettre::Address;
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::MultiPart;
use lettre::message::header::Header;
use lettre::message::header::HeaderName;
use lettre::message::header::HeaderValue;
use metrics::counter;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tracing::info;

use crate::config::mail::Mail as Settings;
use crate::follow_up::ItemKind;
use crate::model::digits::SecretText;
use crate::model::time::Timestamp;
use crate::outbox::SetUp;
use crate::outbox::Sink;
use crate::outbox::SinkError;
use crate::outbox::directory::Directory;
use crate::outbox::mail_text;
use crate::outbox::mail_text::Text;
use crate::outbox::smtp::Smtp;
use crate::pin::links::Links;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::follow_ups::OutboxItem;
use crate::records::pins::Link;
use crate::records::pins::LinkPurpose;
use crate::records::pins::MailOutcome;

/// The longest address there is (RFC 5321 §4.5.3.1.3).
const ADDRESS_MAX: usize = 254;

/// The sink of mails.
pub struct Mails {
    records: Arc<dyn Records>,
    links: Links,
    public_url: String,
    from: Mailbox,
    domain: String,
    organisation: String,
    way: Way,
    pause: Mutex<Pause>,
}

/// A server that is away, or hangs, is left alone for a while: each try holds up what else goes out.
#[derive(Default)]
struct Pause {
    failures: u32,
    until: Timestamp,
}

/// The longest time for which a server that is away is left alone.
const PAUSE_MAX: Duration = Duration::from_mins(1);

impl Pause {
    fn note(&mut self, sent: &Result<MailOutcome, SinkError>, now: Timestamp) {
        if matches!(sent, Err(SinkError::Down(_))) {
            let seconds = 2_u64.saturating_pow(self.failures);
            self.failures = self.failures.saturating_add(1);
            self.until = now.after(Duration::from_secs(seconds).min(PAUSE_MAX));
        } else {
            *self = Self::default();
        }
    }
}

/// Where mails go.
enum Way {
    Server(Smtp),
    Folder(Directory),
}

/// What an item of this kind says.
#[derive(Debug, Deserialize)]
struct Payload {
    link: String,
}

/// A mail, ready to go.
struct Ready {
    to: Address,
    purpose: LinkPurpose,
    address: String,
    text: Text,
}

/// RFC 3834: no machine answers this.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mails {
    /// Mails through the configured server, else into `folder`. Links begin with `public_url`.
    pub fn new(
        settings: &Settings,
        folder: impl FnOnce() -> Result<Directory, SetUp>,
        records: Arc<dyn Records>,
        links: Links,
        public_url: String,
    ) -> Result<Self, SetUp> {
        let wrong = || SetUp::Address("outbox.mail_from");
        let address = settings.from.address.parse().map_err(|_| wrong())?;
        let way = match &settings.server {
            Some(server) => Way::Server(Smtp::new(server, settings)?),
            None => Way::Folder(folder()?),
        };
        Ok(Self {
            records,
            links,
            public_url,
            from: Mailbox::new(settings.from.name.clone(), address),
            domain: settings.from.domain().to_owned(),
            organisation: settings.organisation.clone(),
            way,
            pause: Mutex::default(),
        })
    }

    /// What is to go out for a link; nothing where it is to go no more.
    async fn ready(&self, link: &Link, now: Timestamp) -> Result<Option<Prepared>, RecordsError> {
        if link.used.is_some() || link.void || link.expires <= now {
            return Ok(None);
        }
        // Another PIN was enrolled meanwhile: the link would do nothing.
        let account = self.records.account(&link.customer).await?;
        if account.is_none_or(|account| account.pin_version != link.pin_version) {
            return Ok(None);
        }
        // Erased, or without an address meanwhile: there is nobody to write to.
        let Some(customer) = self.records.customer(&link.customer).await? else { return Ok(None) };
        let Some(email) = &customer.email else { return Ok(None) };
        let Some(to) = receiver(email) else { return Ok(Some(Prepared::NoAddress)) };
        let token = self.links.token(&link.id, link.purpose);
        let address = format!("{}/activate#{}={token}", self.public_url, link.purpose.word());
        let text = mail_text::compose(
            link.purpose,
            customer.language.as_deref(),
            &self.organisation,
            &address,
            link.expires,
        );
        Ok(Some(Prepared::Mail(Ready { to, purpose: link.purpose, address, text })))
    }

    async fn send(
        &self,
        item: &OutboxItem,
        mail: Ready,
        now: Timestamp,
    ) -> Result<MailOutcome, SinkError> {
        let id = message_id(item, &self.domain);
        match &self.way {
            Way::Server(server) => {
                if now < self.pause().until {
                    return Err(SinkError::Down("it was away a moment ago".into()));
                }
                let message = self.message(id, &mail, now)?;
                let sent = server.send(&self.from.email, &mail.to, &message).await;
                self.pause().note(&sent, now);
                sent
            }
            Way::Folder(folder) => {
                folder.put(&item.id, &written(item, &id, &mail)).await?;
                Ok(MailOutcome::Accepted)
            }
        }
    }

    fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mail as it goes over the wire.
    fn message(&self, id: String, mail: &Ready, now: Timestamp) -> Result<Vec<u8>, SinkError> {
        let Text { subject, plain, html } = &mail.text;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.clone()))
            .subject(subject.clone())
            .message_id(Some(id))
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now.0))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(plain.clone(), html.clone()));
        // Its words may hold the address.
        let message =
            message.map_err(|_| SinkError::Refused("no mail can be made of it".into()))?;
        Ok(message.formatted())
    }
}

/// What came of preparing a mail.
enum Prepared {
    Mail(Ready),
    /// What is on file is no address.
    NoAddress,
}

#[async_trait]
impl Sink for Mails {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn takes(&self, kind: ItemKind) -> bool {
        kind == ItemKind::Mail
    }

    async fn deliver(&self, item: &OutboxItem, now: Timestamp) -> Result<(), SinkError> {
        let payload: Payload = serde_json::from_value(item.payload.clone())
            .map_err(|_| SinkError::Refused("not a mail".into()))?;
        let away = |error: RecordsError| SinkError::Down(error.to_string());
        let Some(link) = self.records.link(&payload.link).await.map_err(away)? else {
            count("dropped");
            return Ok(());
        };
        let outcome = match self.ready(&link, now).await.map_err(away)? {
            None => {
                count("dropped");
                return Ok(());
            }
            Some(Prepared::NoAddress) => MailOutcome::Refused,
            Some(Prepared::Mail(mail)) => self.send(item, mail, now).await.inspect_err(|_| {
                count("deferred");
            })?,
        };
        // What became of it is on record before the item is done: else it comes again.
        self.records.mailed(&link.id, outcome, now).await.map_err(away)?;
        match outcome {
            MailOutcome::Accepted => count("accepted"),
            MailOutcome::Waiting => {}
            MailOutcome::Refused => {
                count("refused");
                info!(
                    item = item.id,
                    "the mail server knows no such address; the PIN page of its customer says so"
                );
            }
        }
        Ok(())
    }
}

fn count(outcome: &'static str) {
    counter!("countersign_mails_total", "outcome" => outcome).increment(1);
}

/// Why no mail would go out now.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// Its settings cannot be used: nothing starts with them.
    #[error(transparent)]
    SetUp(#[from] SetUp),
    /// The server is away, or does not want us. Mails wait.
    #[error("{0}")]
    Away(String),
}

/// Whether the mail server can be reached, as far as a mail would go; `None` without a server.
pub async fn reach(settings: &Settings) -> Option<Result<(), Unreached>> {
    let server = settings.server.as_ref()?;
    Some(match Smtp::new(server, settings) {
        Ok(server) => server.reach().await.map_err(|error| match error {
            SinkError::Down(why) | SinkError::Refused(why) => Unreached::Away(why),
            SinkError::Conflict => Unreached::Away(error.to_string()),
        }),
        Err(error) => Err(error.into()),
    })
}

/// The address on file as a mail server takes it: an international domain in its ASCII form. Nothing
/// for what is no address, such as a list of them or one with a line break.
fn receiver(email: &SecretText) -> Option<Address> {
    let text = email.expose().trim();
    let (part, domain) = text.rsplit_once('@')?;
    // No port, path or anything else that a reader of addresses of pages would take off.
    let host = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-.".contains(c);
    let plain = text.len() <= ADDRESS_MAX
        && domain.chars().all(host)
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;".contains(c));
    if !plain {
        return None;
    }
    if domain.is_ascii() {
        return Address::new(part, domain).ok();
    }
    // A port or a path makes a URL and no domain.
    if domain.contains([':', '/', '?', '#', '\\', '%']) {
        return None;
    }
    let url = Url::parse(&format!("http://{domain}/")).ok()?;
    Address::new(part, url.domain()?).ok()
}

/// The same for the same item.
fn message_id(item: &OutboxItem, domain: &str) -> String {
    format!("<{}@{domain}>", item.id)
}

/// The mail as it lies in the folder.
fn written(item: &OutboxItem, message_id: &str, mail: &Ready) -> Value {
    json!({
        "id": item.id,
        "kind": item.kind.word(),
        "enqueued_at": item.enqueued.rfc3339(),
        "template": mail.purpose,
        "message_id": message_id,
        "to": mail.to.to_string(),
        "subject": mail.text.subject,
        "text": mail.text.plain,
        "html": mail.text.html,
        "link": mail.address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_file(text: &str) -> Option<String> {
        receiver(&SecretText::new(text.to_owned())).map(|address| address.to_string())
    }

    #[test]
    fn p22_what_is_on_file_goes_to_one_receiver_or_to_none() {
        for (text, to) in [
            ("one@example.org", "one@example.org"),
            (" one+pin@example.org ", "one+pin@example.org"),
            ("one@bücher.example", "one@xn--bcher-kva.example"),
            ("jürgen@example.org", "jürgen@example.org"),
            ("o'neil@example.org", "o'neil@example.org"),
        ] {
            assert_eq!(on_file(text).as_deref(), Some(to), "{text}");
        }
        for wrong in [
            "",
            "one",
            "@example.org",
            "one@",
            "one@example.org\r\nRCPT TO:<two@example.org>",
            "one@example.org, two@example.org",
            "One <one@example.org>",
            "<one@example.org>",
            "one two@example.org",
            "one@exa mple.org",
            "one@example.org\u{0}",
            "one@example.org/..",
            "one@ex\u{e4}mple.org:80",
            "\"one\r\n\"@example.org",
        ] {
            assert_eq!(on_file(wrong), None, "{wrong:?}");
        }
        assert_eq!(on_file(&format!("one@{}.example", "x".repeat(250))), None);
    }

    #[test]
    fn p23_a_server_that_is_away_is_left_alone_for_longer_and_longer_up_to_a_minute() {
        let (mut pause, now) = (Pause::default(), Timestamp(1_000));
        let mut waits = vec![];
        for _ in 0..40 {
            pause.note(&Err(SinkError::Down("no word".into())), now);
            waits.push(pause.until.since(now).as_secs());
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits.last(), Some(&60));
        pause.note(&Err(SinkError::Refused("451".into())), now);
        assert!(pause.until <= now, "it answers");
    }
}
