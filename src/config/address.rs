//! Addresses of other services.

use std::net::IpAddr;

use crate::config::table::Complaint;
use crate::config::table::complaint;

/// An address whose answers decide who may sign in, or whose questions name customers: what goes there
/// goes encrypted, or does not leave the machine.
pub(super) fn encrypted(text: &str) -> Result<String, Complaint> {
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
    fn nothing_goes_unencrypted_beyond_this_machine() {
        for right in ["https://id.example.com/jwks", "http://127.0.0.1:9/k", "http://[::1]:9"] {
            assert!(encrypted(right).is_ok(), "{right}");
        }
        for wrong in
            ["http://id.example.com/jwks", "https://", "ftp://x", "crm", "http://127.0.0.1.evil/"]
        {
            assert!(encrypted(wrong).is_err(), "{wrong}");
        }
    }
}
