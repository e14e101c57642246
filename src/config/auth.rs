//! `[auth]`: whose tokens are believed.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::encrypted;
use crate::config::table::Table;

/// Whose tokens are believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Auth {
    /// File of the local HS256 key; none: in the state folder, created on first start.
    pub local_key_file: Option<PathBuf>,
    /// Where the identity provider publishes its keys.
    pub jwks_url: Option<String>,
    /// The provider's keys as a file.
    pub jwks_file: Option<PathBuf>,
    /// What `iss` has to be.
    pub issuer: Option<String>,
    /// What `aud` has to hold.
    pub audience: Option<String>,
    /// How far two clocks may differ.
    pub leeway: Duration,
}

pub(crate) fn read(mut table: Table<'_>) -> Auth {
    let auth = Auth {
        local_key_file: table.path("local_key_file"),
        jwks_url: table.optional("jwks_url", encrypted),
        jwks_file: table.path("jwks_file"),
        issuer: table.optional("issuer", |text| Ok(text.to_owned())),
        audience: table.optional("audience", |text| Ok(text.to_owned())),
        leeway: table.seconds("leeway_s", 30, 0..=300),
    };
    if auth.jwks_url.is_some() && auth.jwks_file.is_some() {
        table.complain("jwks_file", "stands beside jwks_url", "keep one of the two");
    }
    table.end();
    auth
}
