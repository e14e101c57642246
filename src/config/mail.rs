//! The mail half of `[outbox]`: through which server links go out, and in whose name.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::sessions::decoded;
use crate::config::sessions::host_of;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// How mail goes out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// Through which server; none: mails are written into the outbox folder.
    pub server: Option<MailServer>,
    /// The file of the password for the server's user.
    pub password_file: Option<PathBuf>,
    /// The root that signed the server's certificate; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one mail may take, from the connection to the server's last word.
    pub timeout: Duration,
    /// From whom mails come.
    pub from: Sender,
    /// What the organisation is called in them.
    pub organisation: String,
}

/// A mail server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailServer {
    /// Name or IP address, without brackets. The certificate has to be made out to it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether and how to speak TLS.
    pub security: Security,
    /// Who signs in; none: nobody has to.
    pub user: Option<String>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// Not at all: on this machine alone.
    Plain,
    /// It begins in the clear, and nothing is sent before it is encrypted (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

/// Whom a mail comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sender {
    /// The name beside the address.
    pub name: Option<String>,
    /// The address: `part@domain`, ASCII.
    pub address: String,
}

impl Sender {
    /// What stands behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            server: None,
            password_file: None,
            ca_file: None,
            timeout: Duration::from_secs(20),
            from: Sender {
                name: Some("Countersign".to_owned()),
                address: "no-reply@localhost".to_owned(),
            },
            organisation: "Countersign".to_owned(),
        }
    }
}

const FORMS: &str =
    "write smtps://USER@host:465, smtp+starttls://USER@host:587, or smtp://localhost:25";
/// The longest name of an organisation or a sender, in characters.
const NAME_MAX: usize = 80;

pub(super) fn read(table: &mut Table<'_>) -> Mail {
    let usual = Mail::default();
    let mail = Mail {
        server: table.optional("smtp_url", server),
        password_file: table.path("smtp_password_file"),
        ca_file: table.path("smtp_ca_file"),
        timeout: table.seconds("smtp_timeout_s", usual.timeout.as_secs(), 1..=50),
        from: table.parsed("mail_from", usual.from, sender),
        organisation: table.parsed("organisation", usual.organisation, name),
    };
    let user = mail.server.as_ref().and_then(|server| server.user.as_ref());
    let tls = mail.server.as_ref().is_some_and(|server| server.security != Security::Plain);
    match (user, &mail.password_file) {
        (Some(_), None) => table.complain(
            "smtp_password_file",
            "is missing: smtp_url names a user",
            "name the file of the user's password, or take the user out of smtp_url",
        ),
        (None, Some(_)) => table.complain(
            "smtp_password_file",
            "is for a user, and smtp_url names none",
            "remove it, or write smtps://USER@host",
        ),
        _ => {}
    }
    if mail.ca_file.is_some() && !tls {
        table.complain(
            "smtp_ca_file",
            "is for TLS alone",
            "remove it, or write smtps://… or smtp+starttls://…",
        );
    }
    mail
}

/// What goes through a mail server opens an account's PIN: it is encrypted, or stays on this machine.
fn server(text: &str) -> Result<MailServer, Complaint> {
    let (security, usual_port, rest) = match text.split_once("://") {
        Some(("smtp", rest)) => (Security::Plain, 25, rest),
        Some(("smtp+starttls", rest)) => (Security::StartTls, 587, rest),
        Some(("smtps", rest)) => (Security::Tls, 465, rest),
        _ => return Err(complaint("is no address of a mail server", FORMS)),
    };
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    if user.contains(':') {
        let help = "write it into a file, and name that in smtp_password_file; %3A stands for : in a user's name";
        return Err(complaint("holds a password", help));
    }
    let host = host_of(host.trim_end_matches('/'), usual_port)
        .map_err(|_| complaint("has no host:port", FORMS))?;
    let loopback = host.name == "localhost"
        || host.name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if security == Security::Plain && !loopback {
        let help = "links are as good as keys: write smtp+starttls:// or smtps://; smtp:// is for a mail server on this machine";
        return Err(complaint("sends mail unencrypted across the network", help));
    }
    let user = decoded(user)?;
    Ok(MailServer { host: host.name, port: host.port, security, user })
}

/// `Name <part@domain>`, or the address alone.
fn sender(text: &str) -> Result<Sender, Complaint> {
    let help = "write it like Example Bank <no-reply@example.org>";
    let (shown, address) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((shown, address)) => (shown.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let shown = if shown.is_empty() { None } else { Some(name(shown)?) };
    let (part, domain) = address.rsplit_once('@').unwrap_or_default();
    let of_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let of_domain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && label.len() <= 63;
    let right = (1..=64).contains(&part.len())
        && part.chars().all(of_part)
        && !part.split('.').any(str::is_empty)
        && domain.len() <= 253
        && domain.chars().all(of_domain)
        && domain.split('.').all(label);
    if !right {
        return Err(complaint("is no e-mail address", help));
    }
    Ok(Sender { name: shown, address: address.to_owned() })
}

/// A name that stands in a header: it cannot begin another one.
fn name(text: &str) -> Result<String, Complaint> {
    let count = text.chars().count();
    if (1..=NAME_MAX).contains(&count) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        let help = format!("write 1 to {NAME_MAX} characters on one line");
        Err(complaint("is no name", help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_mail_server() {
        let plain = server("smtp://127.0.0.1:2525").unwrap();
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.security),
            ("127.0.0.1", 2525, Security::Plain)
        );
        let begun = server("smtp+starttls://bank%40example.org@mail.example.org").unwrap();
        assert_eq!((begun.port, begun.security), (587, Security::StartTls));
        assert_eq!(begun.user.as_deref(), Some("bank@example.org"));
        let tls = server("smtps://bank@[2001:db8::25]/").unwrap();
        assert_eq!((tls.host.as_str(), tls.port), ("2001:db8::25", 465));
        assert_eq!(server("smtp://localhost").map(|server| server.port), Ok(25));
    }

    #[test]
    fn what_is_no_mail_server_or_sends_in_the_clear_is_refused_with_a_way_out() {
        for (wrong, why) in [
            ("mail.example.org", "is no address of a mail server"),
            ("http://mail.example.org", "is no address of a mail server"),
            ("smtps://", "has no host:port"),
            ("smtps://h:0", "has no host:port"),
            ("smtps://a,b", "has no host:port"),
            ("smtps://u:secret@h", "holds a password"),
            ("smtp://mail.example.org", "sends mail unencrypted across the network"),
            ("smtp://10.0.0.1:25", "sends mail unencrypted across the network"),
            ("smtp://localhost.evil.example", "sends mail unencrypted across the network"),
        ] {
            let found = server(wrong).map_err(|complaint| complaint.message);
            assert_eq!(found, Err(why.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn a_sender_is_a_name_and_an_address_on_one_line() {
        let read = sender("\"Example Bank, Ghent\" <no-reply@pin.example.org>").unwrap();
        assert_eq!(read.name.as_deref(), Some("Example Bank, Ghent"));
        assert_eq!((read.domain(), read.address.len()), ("pin.example.org", 24));
        assert_eq!(sender("a@b").map(|sender| sender.name), Ok(None));
        for wrong in [
            "",
            "a",
            "@b",
            "a@",
            "a@b c",
            "A <a@b",
            "A <a@b> x",
            "a..b@c",
            "a@-b",
            "a@b..c",
            "A\r\nBcc: x@y <a@b>",
            "a@b\r\nBcc: x@y",
            "é@b",
        ] {
            assert!(sender(wrong).is_err(), "{wrong:?}");
        }
        assert!(name("Bank\nBcc: x").is_err() && name(&"x".repeat(81)).is_err());
    }
}
