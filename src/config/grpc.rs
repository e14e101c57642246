//! `[grpc]`: call events over gRPC.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::http::address;
use crate::config::table::Table;

/// Where gRPC is served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grpc {
    /// The address; port 0: any free one.
    pub listen: SocketAddr,
    /// Whether somebody chose it: then it has to be free.
    pub chosen: bool,
    /// PEM files: our certificate with those between it and its CA, and its key. None: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

pub(crate) fn read(mut table: Table<'_>) -> Grpc {
    let chosen = table.has("listen");
    let listen = table.parsed("listen", SocketAddr::from(([127, 0, 0, 1], 50051)), address);
    let (certificate, key) = (table.path("tls_certificate"), table.path("tls_key"));
    match (&certificate, &key) {
        (Some(_), None) => {
            table.complain("tls_key", "is missing", "name the PEM file of the certificate's key");
        }
        (None, Some(_)) => {
            table.complain("tls_certificate", "is missing", "name the PEM file of the certificate");
        }
        _ => {}
    }
    table.end();
    Grpc { listen, chosen, tls: certificate.zip(key) }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn contract_13_the_default_address_may_be_taken_and_a_chosen_one_may_not() {
        let grpc = |text: &str| parse("c.toml", text).expect("checked").grpc;
        assert_eq!(grpc("").listen.to_string(), "127.0.0.1:50051");
        assert!(!grpc("").chosen);
        let chosen = grpc("[grpc]\nlisten = \"127.0.0.1:50051\"\n");
        assert!(chosen.chosen && chosen.tls.is_none());
    }

    #[test]
    fn contract_13_a_certificate_comes_with_its_key() {
        for (text, said) in [
            (
                "tls_certificate = \"/c.pem\"",
                "c.toml:1:1: grpc.tls_key: is missing (name the PEM file of the certificate's key)",
            ),
            (
                "tls_key = \"/k.pem\"",
                "c.toml:1:1: grpc.tls_certificate: is missing (name the PEM file of the certificate)",
            ),
        ] {
            let wrong = parse("c.toml", &format!("[grpc]\n{text}\n")).expect_err("half a pair");
            assert_eq!(wrong.to_string(), said);
        }
        let text = "[grpc]\ntls_certificate = \"/c.pem\"\ntls_key = \"/k.pem\"\n";
        assert!(parse("c.toml", text).expect("checked").grpc.tls.is_some());
    }
}
