//! `[asterisk]`: calls that an Asterisk hands to our application (ARI).

use std::path::PathBuf;

use crate::config::sip::Sip;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::TrunkName;

/// The Asterisk adapter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asterisk {
    /// Who connects to whom.
    pub mode: Mode,
    /// The ARI user.
    pub username: String,
    /// The file of that user's password.
    pub password_file: PathBuf,
    /// The Stasis application.
    pub app: String,
    /// What the names of our phrases begin with, below Asterisk's folder of sounds.
    pub sounds: String,
    /// The trunk of `[sip.trunks.*]` as which its numbers are believed; none: they are not.
    pub trunk: Option<TrunkName>,
    /// The profile of calls whose queue names none; none: the default one.
    pub policy: Option<String>,
    /// Where the dialplan goes on.
    pub place: Place,
    /// Where the app's handle is looked for, in this order.
    pub intent: Vec<String>,
    /// Where `User-to-User` is looked for.
    pub user_to_user: Vec<String>,
    /// Where the asserted identity is looked for; nothing there: the channel's own number.
    pub asserted: Vec<String>,
    /// Where the carrier's word for the verification of the number is looked for.
    pub verstat: Vec<String>,
    /// Where the customer is looked for as whom the dialplan takes the caller.
    pub customer: Vec<String>,
}

/// Who connects to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Asterisk connects to `GET /v1/ari`.
    Outbound,
    /// We connect to each of these.
    Inbound {
        /// The servers.
        servers: Vec<AriUrl>,
        /// PEM file of the root that signed their certificates; none: the system's.
        ca_file: Option<PathBuf>,
    },
}

/// The address of an Asterisk's ARI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AriUrl {
    /// Whether it is encrypted.
    pub tls: bool,
    /// Name or address; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path of the ARI, without a `/` at its end: `/ari`.
    pub path: String,
}

impl AriUrl {
    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        let ip: Option<std::net::IpAddr> = host.parse().ok();
        host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
    }
}

/// Where the dialplan goes on; what is not said stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The context.
    pub context: Option<String>,
    /// The extension.
    pub extension: Option<String>,
    /// The priority, from 1.
    pub priority: Option<u32>,
}

impl Asterisk {
    /// What is allowed and yet probably not meant.
    pub(crate) fn warnings(&self, sip: &Sip) -> Vec<String> {
        let mut warnings = vec![];
        if let Some(trunk) = self.trunk.as_ref().filter(|trunk| !sip.trunks.contains_key(*trunk)) {
            warnings.push(format!(
                "asterisk.trunk = {trunk}: there is no [sip.trunks.{trunk}], so the numbers of its callers are not believed"
            ));
        }
        if let Mode::Inbound { servers, .. } = &self.mode {
            let open = servers.iter().find(|server| !server.tls && !server.is_local());
            warnings.extend(open.map(|server| {
                format!(
                    "asterisk.url: keys that callers press cross the network unencrypted from {}; use https where that network is not yours alone",
                    server.authority()
                )
            }));
        }
        warnings
    }
}

/// The default for what is looked for in which variables.
const INTENT: &str = "PJSIP_HEADER(read,X-Countersign-Intent)";
const USER_TO_USER: &str = "PJSIP_HEADER(read,User-to-User)";
const ASSERTED: &str = "PJSIP_HEADER(read,P-Asserted-Identity)";
/// Variables that are asked for one thing.
const VARIABLES_MAX: usize = 4;

pub(crate) fn read(mut table: Table<'_>) -> Option<Asterisk> {
    let configured = !table.is_empty();
    let inbound = table.word("mode", ("outbound", false), &[("inbound", true)]);
    let servers = table.list("url", vec![], url);
    let ca_file = table.path("ca_file");
    let username = table.text("username", "");
    let password_file = table.path("password_file");
    if configured {
        needs(&table, inbound, &servers, &username, password_file.as_ref());
    }
    let mode = if inbound { Mode::Inbound { servers, ca_file } } else { Mode::Outbound };
    let asterisk = Asterisk {
        mode,
        username,
        password_file: password_file.unwrap_or_default(),
        app: table.parsed("app", "countersign".to_owned(), app),
        sounds: table.parsed("sounds", "countersign/".to_owned(), sounds),
        trunk: table.optional("trunk", |text| {
            text.parse()
                .map_err(|_| complaint("is no name of a trunk", "name one of [sip.trunks.*]"))
        }),
        policy: table.optional("policy", |text| Ok(text.to_owned())),
        place: Place {
            context: table.optional("context", |text| Ok(text.to_owned())),
            extension: table.optional("extension", |text| Ok(text.to_owned())),
            priority: Some(table.number("priority", 0, 0..=10_000))
                .filter(|priority| *priority > 0),
        },
        intent: variables(&mut table, "intent_from", &[INTENT]),
        user_to_user: variables(&mut table, "user_to_user_from", &[USER_TO_USER]),
        asserted: variables(&mut table, "asserted_from", &[ASSERTED]),
        verstat: variables(&mut table, "verstat_from", &[]),
        customer: variables(&mut table, "customer_from", &[]),
    };
    table.end();
    configured.then_some(asterisk)
}

/// What a section that is there must say.
fn needs(
    table: &Table<'_>,
    inbound: bool,
    servers: &[AriUrl],
    username: &str,
    password_file: Option<&PathBuf>,
) {
    if username.is_empty() || username.contains(':') {
        table.complain(
            "username",
            "names no ARI user",
            "write the user that Asterisk and we share",
        );
    }
    if password_file.is_none() {
        table.complain("password_file", "is missing", "name the file of that user's password");
    }
    if inbound && servers.is_empty() {
        table.complain("url", "names no Asterisk", "write url = \"http://127.0.0.1:8088/ari\"");
    }
}

/// Variables and functions of a channel, as Asterisk reads them.
fn variables(table: &mut Table<'_>, key: &str, default: &[&str]) -> Vec<String> {
    let default = default.iter().map(|name| (*name).to_owned()).collect();
    let names = table.list(key, default, |text| {
        let plain = !text.is_empty() && text.len() <= 128 && !text.contains(char::is_control);
        let wrong = || {
            complaint("is no variable", "write it like MY_VARIABLE or PJSIP_HEADER(read,X-Name)")
        };
        if plain { Ok(text.to_owned()) } else { Err(wrong()) }
    });
    if names.len() > VARIABLES_MAX {
        table.complain(key, "asks for too many variables", "keep four: the caller waits for each");
    }
    names
}

fn app(text: &str) -> Result<String, Complaint> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(complaint("is no name of an application", "write letters, digits, - and _"))
}

fn sounds(text: &str) -> Result<String, Complaint> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if text.len() <= 128 && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(complaint("cannot begin the name of a sound", "write it like countersign/"))
}

/// Reads the address of an ARI: with or without `/ari` and `/events`, as http(s) or ws(s).
fn url(text: &str) -> Result<AriUrl, Complaint> {
    let wrong = || complaint("is no address of an ARI", "write it like http://127.0.0.1:8088/ari");
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let tls = match scheme {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => return Err(wrong()),
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (authority, if tls { 8089 } else { 8088 }),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) || port == 0 {
        return Err(wrong());
    }
    let path = path.trim_end_matches('/').trim_end_matches("events").trim_end_matches('/');
    let path = if path.is_empty() { "/ari".to_owned() } else { format!("/{path}") };
    Ok(AriUrl { tls, host: host.to_owned(), port, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_9_an_ari_is_named_as_operators_write_it() {
        let plain = |port| AriUrl { tls: false, host: "pbx".into(), port, path: "/ari".into() };
        for (text, read) in [
            ("http://pbx:8088/ari", plain(8088)),
            ("http://pbx:8088", plain(8088)),
            ("ws://pbx:9/ari/events?app=x", plain(9)),
            ("http://pbx/ari/", plain(8088)),
            (
                "wss://[::1]/proxied/ari/events",
                AriUrl { tls: true, host: "[::1]".into(), port: 8089, path: "/proxied/ari".into() },
            ),
        ] {
            assert_eq!(url(text).ok(), Some(read), "{text}");
        }
        for wrong in ["pbx:8088", "ftp://pbx", "http://", "http://pbx:x", "http://u:p@pbx"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
