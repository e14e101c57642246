//! `[http]`: pages, REST, desktops, health, metrics.

use std::net::SocketAddr;

use crate::config::address::encrypted;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::config::trunks::network;
use crate::sip::network::Network;

/// Where HTTP is served, and to how many.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// Address of pages, REST, WebSockets, health and metrics; port 0: any free one.
    pub listen: SocketAddr,
    /// The address that customers open: links in mails begin with it, without a `/` at its end. None:
    /// the listening one.
    pub public_url: Option<String>,
    /// Origins beside our own that may open a desktop, for example a CRM that embeds the page.
    pub allowed_origins: Vec<String>,
    /// Origins whose pages may show the agents' desktop in a frame; none: nobody may.
    pub frame_ancestors: Vec<String>,
    /// Desktops at a time; further ones are refused.
    pub max_desktops: usize,
    /// Proxies in front of us: what they say in `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
}

pub(crate) fn read(mut table: Table<'_>) -> Http {
    let http = Http {
        listen: table.parsed("listen", SocketAddr::from(([127, 0, 0, 1], 8080)), address),
        public_url: table.optional("public_url", public),
        allowed_origins: table.list("allowed_origins", Vec::new(), origin),
        frame_ancestors: table.list("frame_ancestors", Vec::new(), ancestor),
        max_desktops: table.number("max_desktops", 20_000, 1..=1_000_000),
        proxies: table.list("proxies", Vec::new(), network),
    };
    for key in ["tls_certificate", "tls_key"] {
        table.not_built(key, "TLS on this listener is", "remove it and put a TLS proxy in front");
    }
    table.end();
    http
}

/// Reads an IP address with a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Complaint> {
    text.parse().map_err(|_| {
        complaint("is no IP address with a port", "write it like 127.0.0.1:8080 or [::1]:8080")
    })
}

/// An address that links can begin with.
pub(crate) fn public(text: &str) -> Result<String, Complaint> {
    let text = encrypted(text)?;
    if text.contains(|c: char| "?#@\"<>".contains(c) || c.is_whitespace() || c.is_control()) {
        let help = "write https://host or https://host/path, and nothing behind it";
        return Err(complaint("is no address that links can begin with", help));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An origin as a browser sends it: scheme, host, port, nothing else.
fn origin(text: &str) -> Result<String, Complaint> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.unwrap_or_default();
    let plain = !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']);
    if plain { Ok(text.to_ascii_lowercase()) } else { Err(not_an_origin()) }
}

/// An origin, or `https://*.` and a domain: what CSP takes as a host of `frame-ancestors`.
fn ancestor(text: &str) -> Result<String, Complaint> {
    let plain = text.replacen("https://*.", "https://", 1);
    let of_host = |c: char| c.is_ascii_alphanumeric() || "-._:/[]".contains(c);
    let encrypted = encrypted(&plain).is_ok() && plain.chars().all(of_host);
    let right = encrypted && origin(&plain).is_ok();
    let help = "write https://apps.mypurecloud.de or https://*.mypurecloud.de; http is for this machine alone";
    if right {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(complaint("is no origin that may frame us", help))
    }
}

fn not_an_origin() -> Complaint {
    complaint("is no origin", "write scheme, host and port alone: https://crm.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b17_who_may_frame_the_desktop_is_named_by_its_origin() {
        for right in
            ["https://apps.mypurecloud.de", "https://*.mypurecloud.de", "http://127.0.0.1:8081"]
        {
            assert_eq!(ancestor(right).as_deref(), Ok(right));
        }
        for wrong in [
            "*",
            "https://*",
            "https:",
            "'self'",
            "http://crm.example.com",
            "https://a.example; script-src *",
            "https://a.example https://b.example",
            "https://a.example/path",
        ] {
            assert!(ancestor(wrong).is_err(), "{wrong}");
        }
    }
}
