//! `[audiohook]`: connectors of Genesys Cloud's Audio Connector.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::TrunkName;

/// All connectors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AudioHook {
    /// Sessions at a time; further ones get 503.
    pub sessions_max: usize,
    /// By the name that ends their address.
    pub connectors: BTreeMap<String, Connector>,
}

/// One connector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connector {
    /// What its client sends as `X-API-KEY`.
    pub api_key: ApiKey,
    /// The file of the client secret, as base64 text; none: unsigned handshakes are let in.
    pub client_secret_file: Option<PathBuf>,
    /// The profile of its calls; none: that of the queue.
    pub policy: Option<String>,
    /// The trunk that says how far its numbers are believed; none: not at all.
    pub trunk: Option<TrunkName>,
}

/// An API key that prints nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key, to compare with.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(**)")
    }
}

pub(crate) fn read(mut table: Table<'_>) -> AudioHook {
    let sessions_max = table.number("sessions_max", 2_000, 1..=100_000);
    let mut connectors = BTreeMap::new();
    for (name, mut table) in table.table("connectors").named() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            table.complain_here("has a name that fits no address", "use 1 to 64 of a-z, 0-9, - _");
        }
        let key = table.optional("api_key", api_key);
        let connector = Connector {
            client_secret_file: table.path("client_secret_file"),
            policy: table.optional("policy", |text| Ok(text.to_owned())),
            trunk: table.optional("trunk", trunk),
            api_key: key.unwrap_or_else(|| {
                table.complain_here("has no api_key", "write the API key that Genesys is to send");
                ApiKey(String::new())
            }),
        };
        connectors.insert(name, connector);
        table.end();
    }
    table.end();
    AudioHook { sessions_max, connectors }
}

fn api_key(text: &str) -> Result<ApiKey, Complaint> {
    let plain = text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let wrong = || complaint("is no API key", "write up to 256 letters, figures or signs");
    if plain { Ok(ApiKey(text.to_owned())) } else { Err(wrong()) }
}

fn trunk(text: &str) -> Result<TrunkName, Complaint> {
    text.parse().map_err(|_| complaint("is no name of a trunk", "write one of [sip.trunks.*]"))
}
