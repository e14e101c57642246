//! `[sip.trunks.*]`: who may call in, and how far that peer's word is believed.

use std::collections::BTreeMap;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::TrunkName;
use crate::sip::network::Network;

/// One trunk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trunk {
    /// Where its packets come from.
    pub addresses: Vec<Network>,
    /// Whether P-Asserted-Identity and verstat from here are believed.
    pub trust_identity: bool,
    /// How this carrier spells the result of number verification.
    pub verstat: Verstat,
    /// ISO 3166 country whose national numbers this trunk sends; none: international form only.
    pub country: Option<String>,
}

/// Ways in which carriers spell the result of number verification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verstat {
    /// ATIS: `TN-Validation-Passed-A`, `-B`, `-C`, or `Attestation-Info`.
    Atis,
    /// Twilio's spelling.
    Twilio,
    /// Telnyx: a bare `TN-Validation-Passed` means A.
    Telnyx,
    /// Bandwidth's spelling.
    Bandwidth,
    /// This trunk says nothing, or nothing that is to be believed.
    None,
}

pub(crate) fn read(table: Table<'_>) -> BTreeMap<TrunkName, Trunk> {
    let mut trunks = BTreeMap::new();
    let mut owners: Vec<(Network, String)> = Vec::new();
    for (name, mut table) in table.named() {
        if !table.has("addresses") {
            table.complain_here("has no addresses", "write addresses = [\"192.0.2.0/24\"]");
        }
        let trunk = Trunk {
            addresses: table.list("addresses", Vec::new(), network),
            trust_identity: table.flag("trust_identity", false),
            verstat: table.word(
                "verstat",
                ("atis", Verstat::Atis),
                &[
                    ("twilio", Verstat::Twilio),
                    ("telnyx", Verstat::Telnyx),
                    ("bandwidth", Verstat::Bandwidth),
                    ("none", Verstat::None),
                ],
            ),
            country: table.optional("country", country),
        };
        for network in &trunk.addresses {
            if let Some((_, owner)) = owners.iter().find(|(taken, _)| taken == network) {
                table.complain(
                    "addresses",
                    &format!("one of them also belongs to trunk `{owner}`"),
                    "give each network to one trunk",
                );
            }
            owners.push((*network, name.clone()));
        }
        // An address alone would let calls in that the operator meant to be signed for.
        for key in ["username", "password_file"] {
            table.not_built(key, "digest authentication is", "remove it; the address alone admits");
        }
        match TrunkName::try_from(name) {
            Ok(name) => {
                trunks.insert(name, trunk);
            }
            Err(wrong) => table.complain_here(&wrong.to_string(), "choose a shorter name"),
        }
        table.end();
    }
    trunks
}

pub(crate) fn network(text: &str) -> Result<Network, Complaint> {
    let wrong = || {
        complaint(
            "is no address and no network, or has bits behind its prefix",
            "write it like 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32",
        )
    };
    text.parse().map_err(|_| wrong())
}

fn country(text: &str) -> Result<String, Complaint> {
    let known = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let wrong = || complaint("is no country code", "write two letters of ISO 3166, like GB");
    if known { Ok(text.to_ascii_uppercase()) } else { Err(wrong()) }
}
