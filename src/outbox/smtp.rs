//! Brings a mail to the configured mail server and says what became of it.
//!
//! ```text
//! connect ─ TLS ─ sign in ─ MAIL ─ RCPT ──── DATA ─ the mail ─► taken
//!     fails: the server is down     │ no such address: refused, for good
//!                                   └ later, or not from us: this mail again
//! ```
//! A server may answer with the address or more in its words: only its codes are passed on.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::client::Certificate;
use lettre::transport::smtp::client::CertificateStore;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::client::TlsParametersBuilder;
use lettre::transport::smtp::commands;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::extension::Extension;
use lettre::transport::smtp::extension::MailBodyParameter;
use lettre::transport::smtp::extension::MailParameter;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::mail::Mail;
use crate::config::mail::MailServer;
use crate::config::mail::Security;
use crate::outbox::SetUp;
use crate::outbox::SinkError;
use crate::records::pins::MailOutcome;

/// A goodbye is not worth more waiting.
const GOODBYE: Duration = Duration::from_secs(1);

/// A mail server.
pub(super) struct Smtp {
    server: MailServer,
    password: Option<Zeroizing<String>>,
    tls: Option<TlsParameters>,
    hello: ClientId,
    within: Duration,
}

impl Smtp {
    /// The configured server; reads the password and the certificates.
    pub(super) fn new(server: &MailServer, mail: &Mail) -> Result<Self, SetUp> {
        let tls = match server.security {
            Security::Plain => None,
            Security::StartTls | Security::Tls => Some(tls(&server.host, mail.ca_file.as_deref())?),
        };
        let domain = mail.from.domain();
        let hello = if domain == "localhost" {
            ClientId::default()
        } else {
            ClientId::Domain(domain.to_owned())
        };
        Ok(Self {
            server: server.clone(),
            password: mail.password_file.as_deref().map(password).transpose()?,
            tls,
            hello,
            within: mail.timeout,
        })
    }

    /// Sends one mail. `Down`: try all mails later; `Refused`: try this one later.
    pub(super) async fn send(
        &self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<MailOutcome, SinkError> {
        self.bounded(async {
            let mut line = self.open().await?;
            let sent = give(&mut line, from, to, message).await;
            // What was said is said, however the other side takes the goodbye.
            let _ = timeout(GOODBYE, line.quit()).await;
            sent
        })
        .await
    }

    /// Goes as far as a mail would go, and sends none.
    pub(super) async fn reach(&self) -> Result<(), SinkError> {
        self.bounded(async {
            let mut line = self.open().await?;
            let _ = timeout(GOODBYE, line.quit()).await;
            Ok(())
        })
        .await
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, SinkError> {
        let late = || Err(SinkError::Down(format!("no word for {} s", self.within.as_secs())));
        timeout(self.within, work).await.unwrap_or_else(|_| late())
    }

    /// A connection on which mail may be given.
    async fn open(&self) -> Result<AsyncSmtpConnection, SinkError> {
        let MailServer { host, port, security, user } = &self.server;
        let first = if *security == Security::Tls { self.tls.clone() } else { None };
        let place = (host.as_str(), *port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(place, Some(self.within), &self.hello, first, None);
        let mut line = connected.await.map_err(|error| down(&error))?;
        if let (Security::StartTls, Some(tls)) = (security, &self.tls) {
            // Without the offer this is an error: whoever took it away gets no mail.
            line.starttls(tls.clone(), &self.hello).await.map_err(|error| down(&error))?;
        }
        if let (Some(user), Some(password)) = (user, &self.password) {
            let known = Credentials::new(user.clone(), password.as_str().to_owned());
            let signed = line.auth(&[Mechanism::Plain, Mechanism::Login], &known).await;
            signed.map_err(|error| SinkError::Down(format!("signing in: {}", why(&error))))?;
        }
        Ok(line)
    }
}

async fn give(
    line: &mut AsyncSmtpConnection,
    from: &Address,
    to: &Address,
    message: &[u8],
) -> Result<MailOutcome, SinkError> {
    let mut options = vec![];
    if !AsRef::<str>::as_ref(to).is_ascii() {
        if !line.server_info().supports_feature(Extension::SmtpUtfEight) {
            // An address that this server can never reach.
            return Ok(MailOutcome::Refused);
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !message.is_ascii() {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let sender = commands::Mail::new(Some(from.clone()), options);
    line.command(sender).await.map_err(|error| down(&error))?;
    if let Err(error) = line.command(commands::Rcpt::new(to.clone(), vec![])).await {
        return recipient(&error);
    }
    line.command(commands::Data).await.map_err(|error| this_mail(&error))?;
    line.message(message).await.map_err(|error| this_mail(&error))?;
    Ok(MailOutcome::Accepted)
}

/// What an answer to the recipient means: no such address, or something that may change.
fn recipient(error: &Error) -> Result<MailOutcome, SinkError> {
    if let (true, Some(code)) = (error.is_permanent(), error.status()) {
        let enhanced = enhanced(error);
        // 5.1.x is the address (RFC 3463). Without such a code the usual ones stand for it.
        let address = match enhanced.as_deref() {
            Some(enhanced) => enhanced.starts_with("5.1.") || enhanced == "5.2.1",
            None => matches!(u16::from(code), 501 | 550 | 551 | 553 | 554 | 556),
        };
        if address {
            return Ok(MailOutcome::Refused);
        }
    }
    Err(this_mail(error))
}

/// The server has something against this mail, at least now; others may go.
fn this_mail(error: &Error) -> SinkError {
    // 421: it closes the connection, whoever the mail is for (RFC 5321 §3.8).
    let closing = error.status().is_none_or(|code| u16::from(code) == 421);
    if closing { down(error) } else { SinkError::Refused(why(error)) }
}

fn down(error: &Error) -> SinkError {
    SinkError::Down(why(error))
}

/// Why, in the server's codes or in our own words.
fn why(error: &Error) -> String {
    match (error.status(), enhanced(error)) {
        (Some(code), Some(enhanced)) => format!("it answered {code} {enhanced}"),
        (Some(code), None) => format!("it answered {code}"),
        (None, _) if error.is_response() => "its answer is not SMTP".to_owned(),
        // The network's and TLS's own words: no address stands in them.
        (None, _) => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The code that begins an answer's text: `5.1.1` (RFC 2034).
fn enhanced(error: &Error) -> Option<String> {
    error.status()?;
    let text = error.source()?.to_string();
    let code = text.split_whitespace().next()?;
    let parts: Vec<_> = code.split('.').collect();
    let number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (parts.len() == 3 && parts.iter().all(number)).then(|| code.to_owned())
}

fn tls(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, SetUp> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(path) = ca_file {
        let file = |source| SetUp::File { path: path.to_owned(), source };
        let pem = std::fs::read(path).map_err(file)?;
        let none = || SetUp::Certificate { path: path.to_owned() };
        if !String::from_utf8_lossy(&pem).contains("BEGIN CERTIFICATE") {
            return Err(none());
        }
        let root = Certificate::from_pem(&pem).map_err(|_| none())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(root);
    }
    builder.build().map_err(|error| SetUp::Client(error.to_string()))
}

/// A password is the first line of its file.
fn password(path: &Path) -> Result<Zeroizing<String>, SetUp> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|source| SetUp::File { path: path.to_owned(), source })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(SetUp::Empty { path: path.to_owned() });
    }
    Ok(Zeroizing::new(line.to_owned()))
}
