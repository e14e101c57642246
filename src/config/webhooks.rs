//! `[webhooks.*]`: platforms that ask by HTTP, or by a WebSocket, what to do next.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::http::public;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::QueueName;
use crate::model::ids::TrunkName;

/// All connectors, by the name in their URL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Webhooks {
    /// `[webhooks.twilio.*]`: `/v1/twilio/{name}`.
    pub twilio: BTreeMap<String, Webhook>,
    /// `[webhooks.jambonz.*]`: `/v1/jambonz/{name}`.
    pub jambonz: BTreeMap<String, Webhook>,
}

/// One connector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Webhook {
    /// How its requests prove where they come from.
    pub proof: Proof,
    /// Who may open a WebSocket.
    pub login: Option<Login>,
    /// The address by which the platform reaches us, without a `/` at its end.
    pub base_url: String,
    /// Whose word its numbers are: a trunk of `[sip.trunks.*]`. None: they are not believed.
    pub trunk: Option<TrunkName>,
    /// The queue of its calls; none: by the dialled number.
    pub queue: Option<QueueName>,
    /// How callers are passed on.
    pub passing_on: PassingOn,
    /// Who speaks the phrases.
    pub voice: Voice,
}

/// How requests prove where they come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// `X-Twilio-Signature` under one of the tokens in this file.
    Twilio(PathBuf),
    /// `telnyx-signature-ed25519` under one of the public keys in this file.
    Telnyx(PathBuf),
    /// `Jambonz-Signature` under one of the secrets in this file.
    Jambonz(PathBuf),
}

/// Name and password of HTTP Basic authentication.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password's file.
    pub password_file: PathBuf,
}

/// How a caller is passed on to the queue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PassingOn {
    /// The platform dials the queue and stays between the two.
    Dial,
    /// The platform sends a SIP REFER (jambonz alone).
    Refer,
    /// The platform goes on with the integrator's own script at this address.
    Redirect(String),
}

/// Who speaks the phrases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voice {
    /// Our recordings, fetched from us.
    Play,
    /// The platform, from the English texts.
    Say,
}

/// The dialects of `[webhooks.twilio.*]`.
#[derive(Clone, Copy)]
enum Dialect {
    Twilio,
    Telnyx,
}

pub(crate) fn read(mut table: Table<'_>) -> Webhooks {
    let webhooks = Webhooks {
        twilio: connectors(table.table("twilio"), twilio),
        jambonz: connectors(table.table("jambonz"), jambonz),
    };
    table.end();
    webhooks
}

fn connectors(
    table: Table<'_>,
    read: impl Fn(&mut Table<'_>) -> Webhook,
) -> BTreeMap<String, Webhook> {
    let mut found = BTreeMap::new();
    for (name, mut table) in table.named() {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            table.complain_here(
                "has a name that does not stand well in a URL",
                "use at most 32 of a-z, 0-9 and -",
            );
        }
        let webhook = read(&mut table);
        table.end();
        found.insert(name, webhook);
    }
    found
}

fn twilio(table: &mut Table<'_>) -> Webhook {
    let dialect =
        table.word("dialect", ("twilio", Dialect::Twilio), &[("telnyx", Dialect::Telnyx)]);
    let (token, key) = (table.path("auth_token_file"), table.path("public_key_file"));
    let proof = match dialect {
        Dialect::Twilio => Proof::Twilio(needed(table, "auth_token_file", token)),
        Dialect::Telnyx => Proof::Telnyx(needed(table, "public_key_file", key)),
    };
    common(table, proof, None, &[])
}

fn jambonz(table: &mut Table<'_>) -> Webhook {
    let secret = table.path("secret_file");
    let proof = Proof::Jambonz(needed(table, "secret_file", secret));
    let (username, password) = (table.text("username", ""), table.path("password_file"));
    let login = match (username.is_empty(), password) {
        (true, None) => None,
        (false, Some(password_file)) => Some(Login { username, password_file }),
        _ => {
            table.complain(
                "password_file",
                "and username belong together",
                "write both for the WebSocket, or neither to have none",
            );
            None
        }
    };
    common(table, proof, login, &[("refer", Passing::Refer)])
}

#[derive(Clone, Copy)]
enum Passing {
    Dial,
    Refer,
    Redirect,
}

fn common(
    table: &mut Table<'_>,
    proof: Proof,
    login: Option<Login>,
    more: &[(&str, Passing)],
) -> Webhook {
    if !table.has("base_url") {
        table.complain(
            "base_url",
            "is missing",
            "write the address by which the platform reaches us, as in the URL that it is given",
        );
    }
    let base_url = table.parsed("base_url", String::new(), public);
    let others: Vec<_> = more.iter().copied().chain([("redirect", Passing::Redirect)]).collect();
    let passing_on = table.word("hand_over", ("dial", Passing::Dial), &others);
    let redirect_url = table.optional("redirect_url", public_with_query);
    let passing_on = match (passing_on, redirect_url) {
        (Passing::Dial, _) => PassingOn::Dial,
        (Passing::Refer, _) => PassingOn::Refer,
        (Passing::Redirect, Some(url)) => PassingOn::Redirect(url),
        (Passing::Redirect, None) => {
            table.complain(
                "redirect_url",
                "is missing: hand_over is redirect",
                "write the address of the script that goes on with the call",
            );
            PassingOn::Dial
        }
    };
    Webhook {
        proof,
        login,
        base_url,
        trunk: table.optional("trunk", name),
        queue: table.optional("queue", name),
        passing_on,
        voice: table.word("voice", ("play", Voice::Play), &[("say", Voice::Say)]),
    }
}

fn needed(table: &Table<'_>, key: &str, path: Option<PathBuf>) -> PathBuf {
    if path.is_none() {
        table.complain(
            key,
            "is missing",
            "name the file; requests that are not signed are refused",
        );
    }
    path.unwrap_or_default()
}

fn name<N: TryFrom<String>>(text: &str) -> Result<N, Complaint> {
    N::try_from(text.to_owned())
        .map_err(|_| complaint("is no usable name", "write the name of its section"))
}

/// As [`public`], and a query may follow.
fn public_with_query(text: &str) -> Result<String, Complaint> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let usable = |c: char| c.is_ascii_graphic() && !"#<>\"".contains(c);
    if !query.chars().all(usable) {
        return Err(complaint("is no address of a script", "write https://host/path?name=value"));
    }
    public(path).map(|_| text.to_owned())
}
