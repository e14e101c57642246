//! `[genesys]`: data actions, and the platform's own API.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::encrypted;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::TrunkName;

/// Genesys Cloud.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Genesys {
    /// How far the numbers of data actions are believed; none: not at all.
    pub trunk: Option<TrunkName>,
    /// The file of the key that data actions send; none: they bring a bearer token.
    pub action_key_file: Option<PathBuf>,
    /// The platform's API; none: attributes are not written and nothing is heard from there.
    pub cloud: Option<Cloud>,
}

/// The API of one organisation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cloud {
    /// `https://api.mypurecloud.de`, without a `/` at its end.
    pub api_url: String,
    /// `https://login.mypurecloud.de`, likewise.
    pub login_url: String,
    /// The OAuth client.
    pub client_id: String,
    /// The file of its secret.
    pub client_secret_file: PathBuf,
    /// Ids of users whose conversations are followed.
    pub users: Vec<String>,
    /// Ids of queues whose conversations are followed.
    pub queues: Vec<String>,
    /// By what agents go here.
    pub agents: AgentsBy,
    /// How long one request may take.
    pub timeout: Duration,
    /// The silence after which the notification channel is taken for dead.
    pub silence: Duration,
}

/// Which word of a Genesys user is the `sub` of the agent's token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AgentsBy {
    /// The user's id.
    Id,
    /// The e-mail address.
    Email,
    /// The user name.
    Username,
}

/// A channel takes 1000 topics; each id is one.
const TOPICS_MAX: usize = 1000;

pub(crate) fn read(mut table: Table<'_>) -> Genesys {
    let trunk = table.optional("trunk", |text| {
        TrunkName::try_from(text.to_owned())
            .map_err(|wrong| complaint(wrong.to_string(), "write a name of [sip.trunks.*]"))
    });
    let action_key_file = table.path("action_key_file");
    let region = table.optional("region", region);
    let of_region = |service: &str| region.as_ref().map(|host| format!("https://{service}.{host}"));
    let api_url = table.optional("api_url", address).or_else(|| of_region("api"));
    let login_url = table.optional("login_url", address).or_else(|| of_region("login"));
    let client_id = table.optional("client_id", word);
    let secret = table.path("client_secret_file");
    let users = table.list("users", Vec::new(), word);
    let queues = table.list("queues", Vec::new(), word);
    let agents = table.word(
        "agents",
        ("id", AgentsBy::Id),
        &[("email", AgentsBy::Email), ("username", AgentsBy::Username)],
    );
    let timeout = table.seconds("timeout_s", 5, 1..=30);
    let silence = table.seconds("silence_s", 75, 2..=300);
    if users.len() + queues.len() > TOPICS_MAX {
        table.complain("users", "and queues are more than 1000 topics", "name queues alone");
    }
    let named = client_id.is_some() || secret.is_some() || api_url.is_some();
    let cloud = if let (Some(api_url), Some(login_url), Some(client_id), Some(client_secret_file)) =
        (api_url, login_url, client_id, secret)
    {
        Some(Cloud {
            api_url,
            login_url,
            client_id,
            client_secret_file,
            users,
            queues,
            agents,
            timeout,
            silence,
        })
    } else {
        if named {
            table.complain_here(
                "names the platform's API only in part",
                "set region (or api_url and login_url), client_id and client_secret_file",
            );
        }
        None
    };
    table.end();
    Genesys { trunk, action_key_file, cloud }
}

/// The host that every service of a region ends in.
fn region(text: &str) -> Result<String, Complaint> {
    let plain = text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let help = "write the region's domain: mypurecloud.de, mypurecloud.com, usw2.pure.cloud";
    if plain { Ok(text.to_ascii_lowercase()) } else { Err(complaint("is no region", help)) }
}

fn address(text: &str) -> Result<String, Complaint> {
    encrypted(text).map(|text| text.trim_end_matches('/').to_owned())
}

/// What becomes a part of an address or of a topic.
fn word(text: &str) -> Result<String, Complaint> {
    let plain = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain {
        Ok(text.to_owned())
    } else {
        Err(complaint("is no id", "copy it from Genesys Cloud"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn a_region_stands_for_both_addresses_and_half_an_api_is_refused() {
        let text = "[genesys]\nregion = \"mypurecloud.de\"\nclient_id = \"c\"\nclient_secret_file = \"/s\"\nqueues = [\"q-1\"]\n";
        let cloud = config::parse("c.toml", text).expect("right").genesys.cloud.expect("an API");
        assert_eq!(
            (cloud.api_url.as_str(), cloud.login_url.as_str()),
            ("https://api.mypurecloud.de", "https://login.mypurecloud.de")
        );
        for wrong in [
            "region = \"mypurecloud.de\"",
            "client_id = \"c\"",
            "region = \"https://mypurecloud.de\"",
            "api_url = \"http://api.mypurecloud.de\"",
            "users = [\"a/b\"]",
        ] {
            assert!(config::parse("c.toml", &format!("[genesys]\n{wrong}\n")).is_err(), "{wrong}");
        }
        assert_eq!(config::parse("c.toml", "").expect("right").genesys.cloud, None);
    }
}
