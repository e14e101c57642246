//! `[outbox]`, `[iam]`: where letters, messages, mails and marks go.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::encrypted;
use crate::config::mail;
use crate::config::mail::Mail;
use crate::config::table::Table;

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
    /// How mails go out.
    pub mail: Mail,
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
        webhook_url: table.optional("webhook_url", encrypted),
        webhook_secret_file: table.path("webhook_secret_file"),
        timeout: table.seconds("timeout_s", 5, 1..=60),
        mail: mail::read(&mut table),
    };
    table.end();
    outbox
}

pub(crate) fn read_iam(mut table: Table<'_>) -> Iam {
    let iam = Iam {
        url: table.optional("url", encrypted),
        token_file: table.path("token_file"),
        timeout: table.seconds("timeout_s", 5, 1..=60),
    };
    table.end();
    iam
}
