//! A CA for tests, and the certificates it makes out to nodes, as PEM files.
#![allow(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::date_time_ymd;

/// The year in which a certificate that is meant to be good ends.
pub(crate) const GOOD: i32 = 2100;

/// The three files of one node, as `[cluster]` names them.
#[derive(Clone, Debug)]
pub(crate) struct NodeFiles {
    /// `NAME.pem`
    pub(crate) certificate: PathBuf,
    /// `NAME.key`
    pub(crate) key: PathBuf,
    /// `ca.pem`
    pub(crate) ca: PathBuf,
}

/// A CA.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of so many nodes of one CA in a folder: `node-1.pem`, `node-1.key`, `node-2.pem` … `ca.pem`.
/// They are made out for `localhost` and the loopback addresses.
pub(crate) fn nodes(folder: &Path, count: usize) -> Vec<NodeFiles> {
    let authority = Authority::new("test CA");
    let hosts = ["localhost", "127.0.0.1", "::1"];
    (1..=count).map(|n| authority.node(folder, &format!("node-{n}"), &hosts, GOOD)).collect()
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    /// The CA's own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Makes a certificate out for these hosts, good from 2000 until this year begins.
    pub(crate) fn node(&self, folder: &Path, name: &str, hosts: &[&str], until: i32) -> NodeFiles {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) =
            (date_time_ymd(2000, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let files = NodeFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
            ca: folder.join("ca.pem"),
        };
        fs::write(&files.certificate, certificate.pem()).expect("written");
        fs::write(&files.key, key.serialize_pem()).expect("written");
        fs::write(&files.ca, self.pem()).expect("written");
        files
    }
}
