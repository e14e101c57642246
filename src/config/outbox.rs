//! `[outbox]`, `[iam]`: where letters, messages and marks go.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Where items go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outbox {
    /// A folder; none: beside the records, unless a webhook takes the items.
    pub directory: Option<PathBuf>,
    /// A service that takes items.
    pub webhook_url: Option<String>,
    /// The file of the secret that signs them.
    pub webhook_secret_file: Option<PathBuf>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Who keeps the marks Verified and Not Verified beside ourselves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Iam {
    /// An external iam-manager; none: the embedded one.
    pub url: Option<String>,
    /// The file of the bearer token it asks for.
    pub token_file: Option<PathBuf>,
    /// How long it may take.
    pub timeout: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Outbox {
    let outbox = Outbox {
        directory: table.path("directory"),
        webhook_url: table.optional("webhook_url", service),
        webhook_secret_file: table.path("webhook_secret_file"),
        timeout: table.seconds("timeout_s", 5, 1..=60),
    };
    table.end();
    outbox
}

pub(crate) fn read_iam(mut table: Table<'_>) -> Iam {
    let iam = Iam {
        url: table.optional("url", service),
        token_file: table.path("token_file"),
        timeout: table.seconds("timeout_s", 5, 1..=60),
    };
    table.end();
    iam
}

/// What goes there names customers, so it goes encrypted or does not leave the machine.
fn service(text: &str) -> Result<String, Complaint> {
    let plain = text.strip_prefix("http://");
    let host = plain.unwrap_or_default().split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let secure = text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    if secure || (plain.is_some() && loopback) {
        return Ok(text.to_owned());
    }
    Err(complaint("is no https address", "write https://…; http is for this machine alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_the_machine_encrypted() {
        for right in ["https://crm.example.com/in", "http://127.0.0.1:9/in", "http://[::1]:9"] {
            assert!(service(right).is_ok(), "{right}");
        }
        for wrong in ["http://crm.example.com/in", "https://", "crm", "http://127.0.0.1.evil/"] {
            assert!(service(wrong).is_err(), "{wrong}");
        }
    }
}
