//! `[auth]`: whose tokens are believed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

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
        jwks_url: table.optional("jwks_url", jwks_url),
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

/// Whoever can change the keys on their way can sign in as anybody.
fn jwks_url(text: &str) -> Result<String, Complaint> {
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
    fn keys_come_over_https_or_from_this_machine() {
        for right in ["https://id.example.com/jwks", "http://127.0.0.1:9/k", "http://[::1]:9/k"] {
            assert!(jwks_url(right).is_ok(), "{right}");
        }
        for wrong in ["http://id.example.com/jwks", "https://", "ftp://x", "http://127.0.0.1.evil/"]
        {
            assert!(jwks_url(wrong).is_err(), "{wrong}");
        }
    }
}
