//! `[cluster]`: how nodes that share calls ask one another.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::http::address;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// The link between nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// Where other nodes' requests come in; port 0: any free one.
    pub listen: SocketAddr,
    /// Where other nodes reach us, if not there.
    pub advertise: Option<Peer>,
    /// PEM: our certificate, and those between it and the CA.
    pub certificate: PathBuf,
    /// PEM: its key.
    pub key: PathBuf,
    /// PEM: who signs the nodes' certificates; several while one follows the other.
    pub ca: PathBuf,
}

/// A node's `host:port`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port, from 1.
    pub port: u16,
}

impl Cluster {
    /// What other nodes are told, once the listener has its port: `host:port`.
    #[must_use]
    pub fn address(&self, bound: SocketAddr) -> String {
        match &self.advertise {
            None => bound.to_string(),
            Some(Peer { host, port }) if host.contains(':') => format!("[{host}]:{port}"),
            Some(Peer { host, port }) => format!("{host}:{port}"),
        }
    }

    /// The name or address that our certificate has to be made out for.
    #[must_use]
    pub fn host(&self) -> String {
        self.advertise
            .as_ref()
            .map_or_else(|| self.listen.ip().to_string(), |peer| peer.host.clone())
    }
}

pub(crate) fn read(mut table: Table<'_>) -> Option<Cluster> {
    let listen = table.optional("listen", address);
    let advertise = table.optional("advertise", peer);
    let (certificate, key, ca) = (table.path("certificate"), table.path("key"), table.path("ca"));
    if let Some(listen) = listen {
        let files = [
            ("certificate", &certificate, "name the PEM file of this node's certificate"),
            ("key", &key, "name the PEM file of the certificate's key"),
            ("ca", &ca, "name the PEM file of the CA that signed the nodes' certificates"),
        ];
        for (name, file, help) in files {
            if file.is_none() {
                table.complain(name, "is missing: nodes know one another by certificates", help);
            }
        }
        if advertise.is_none() && listen.ip().is_unspecified() {
            table.complain(
                "advertise",
                "is missing, and cluster.listen names no single address",
                "write the host:port by which other nodes reach this one",
            );
        }
    }
    table.end();
    Some(Cluster { listen: listen?, advertise, certificate: certificate?, key: key?, ca: ca? })
}

fn peer(text: &str) -> Result<Peer, Complaint> {
    let wrong = || {
        complaint("is no host with a port", "write it like node-1.example.com:7443 or [::1]:7443")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let usable = match bare {
        Some(address) => {
            address.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6() && !ip.is_unspecified())
        }
        None => is_host(host),
    };
    if usable { Ok(Peer { host: bare.unwrap_or(host).to_owned(), port }) } else { Err(wrong()) }
}

/// A DNS name or an IPv4 address that names one machine.
fn is_host(host: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=253).contains(&host.len())
        && host.chars().all(letters)
        && !host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const FILES: &str = "certificate = \"/c.pem\"\nkey = \"/k.pem\"\nca = \"/ca.pem\"\n";

    #[test]
    fn d06_a_node_is_reached_where_it_listens_or_where_it_says() {
        for (text, bound, address, host) in [
            ("listen = \"192.0.2.7:7443\"", "192.0.2.7:7443", "192.0.2.7:7443", "192.0.2.7"),
            ("listen = \"127.0.0.1:0\"", "127.0.0.1:40123", "127.0.0.1:40123", "127.0.0.1"),
            ("listen = \"[::1]:7443\"", "[::1]:7443", "[::1]:7443", "::1"),
            (
                "listen = \"0.0.0.0:7443\"\nadvertise = \"a.example:17443\"",
                "0.0.0.0:7443",
                "a.example:17443",
                "a.example",
            ),
            (
                "listen = \"[::]:7443\"\nadvertise = \"[2001:db8::1]:7443\"",
                "[::]:7443",
                "[2001:db8::1]:7443",
                "2001:db8::1",
            ),
        ] {
            let config = parse("c.toml", &format!("[cluster]\n{text}\n{FILES}"));
            let cluster = config.expect("checked").cluster.expect("a link");
            assert_eq!(cluster.address(bound.parse().expect("an address")), address);
            assert_eq!(cluster.host(), host);
        }
    }

    #[test]
    fn d06_without_a_listener_there_is_no_link_and_nothing_to_complain_about() {
        for text in ["", "[cluster]\nlisten = \"\"\n", "[cluster]\nca = \"/ca.pem\"\n"] {
            assert_eq!(parse("c.toml", text).expect("checked").cluster, None, "{text}");
        }
    }

    #[test]
    fn d06_what_is_missing_or_wrong_is_said_with_its_line() {
        for (text, said) in [
            (
                "listen = \"127.0.0.1:7443\"\ncertificate = \"\"\nkey = \"/k\"\nca = \"/ca\"",
                "c.toml:3:15: cluster.certificate: is missing: nodes know one another by certificates (name the PEM file of this node's certificate)",
            ),
            (
                "listen = \"127.0.0.1:7443\"\ncertificate = \"/c\"\nca = \"/ca\"",
                "c.toml:1:1: cluster.key: is missing: nodes know one another by certificates (name the PEM file of the certificate's key)",
            ),
            (
                "listen = \"0.0.0.0:7443\"\ncertificate = \"/c\"\nkey = \"/k\"\nca = \"/ca\"\nadvertise = \"\"",
                "c.toml:6:13: cluster.advertise: is missing, and cluster.listen names no single address (write the host:port by which other nodes reach this one)",
            ),
            ("lisen = \"x\"", "c.toml:2:1: cluster.lisen: unknown key (did you mean `listen`?)"),
            (
                "listen = \"node-1:7443\"",
                "c.toml:2:10: cluster.listen: is no IP address with a port (write it like 127.0.0.1:8080 or [::1]:8080)",
            ),
        ] {
            let text = format!("[cluster]\n{text}\n");
            assert_eq!(parse("c.toml", &text).expect_err("wrong").to_string(), said);
        }
    }

    #[test]
    fn a_peer_is_one_machine_and_a_port() {
        for right in ["a:1", "node-1.example.com:7443", "192.0.2.7:7443", "[::1]:65535"] {
            assert!(peer(right).is_ok(), "{right}");
        }
        for wrong in [
            "a",
            "a:0",
            "a:65536",
            ":7443",
            "0.0.0.0:1",
            "[::]:1",
            "::1:7443",
            "[192.0.2.7]:1",
            "a b:1",
            "u@a:1",
            "a/b:1",
            "https://a:1",
        ] {
            assert!(peer(wrong).is_err(), "{wrong}");
        }
    }
}
