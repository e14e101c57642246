//! `[sessions]`: where live state is kept that several nodes share.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;

/// Where live state is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sessions {
    /// The Redis; none: in this process.
    pub redis: Option<RedisAddress>,
    /// What every key begins with, so that several installations may share a Redis.
    pub prefix: String,
    /// The root that signed the certificates of a `rediss://`; none: those of the system.
    pub ca_file: Option<PathBuf>,
}

/// A Redis, and how to sign in there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedisAddress {
    /// Its servers.
    pub layout: Layout,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Who signs in; none: `default`.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Password>,
    /// The number of the database. 0 in a cluster.
    pub database: u8,
}

/// How the servers of a Redis belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Layout {
    /// One server.
    One(Host),
    /// A master that is named by Sentinels.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<Host>,
        /// What they call the master.
        master: String,
    },
    /// A Redis Cluster, entered at any of these.
    Cluster(Vec<Host>),
}

/// A server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    /// Name or IP address, without brackets.
    pub name: String,
    /// Port.
    pub port: u16,
}

/// A password that prints nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct Password(String);

impl Password {
    /// The password, for the server's ears.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(**)")
    }
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// More servers than any cluster needs to be entered.
const HOSTS_MAX: usize = 32;
const FORMS: &str = "write redis://host:6379/0, rediss://host:6379/0 (TLS), redis://a:6379,b:6379 (cluster) or redis+sentinel://a:26379,b:26379/master";

pub(crate) fn read(mut table: Table<'_>) -> Sessions {
    let sessions = Sessions {
        redis: table.optional("url", address),
        prefix: table.parsed("prefix", "countersign".to_owned(), prefix),
        ca_file: table.path("ca_file"),
    };
    let tls = sessions.redis.as_ref().is_some_and(|redis| redis.tls);
    if sessions.ca_file.is_some() && !tls {
        table.complain("ca_file", "is for rediss:// alone", "remove it or write rediss://…");
    }
    table.end();
    sessions
}

fn prefix(text: &str) -> Result<String, Complaint> {
    let usable = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
    if (1..=64).contains(&text.len()) && text.chars().all(usable) {
        Ok(text.to_owned())
    } else {
        Err(complaint("is no prefix of keys", "write 1 to 64 of a-z, A-Z, 0-9, - _ . :"))
    }
}

/// The scheme and what follows it.
fn scheme(text: &str) -> Result<(&str, &str), Complaint> {
    match text.split_once("://") {
        Some((scheme @ ("redis" | "rediss" | "redis+sentinel"), rest)) => Ok((scheme, rest)),
        _ => Err(complaint("is no address of a Redis", FORMS)),
    }
}

fn address(text: &str) -> Result<RedisAddress, Complaint> {
    let (scheme, rest) = scheme(text)?;
    if rest.contains(['?', '#']) {
        return Err(complaint("has options, and none is known", "remove what follows ? or #"));
    }
    let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (sign_in, hosts) = servers.rsplit_once('@').unwrap_or(("", servers));
    let (user, password) = sign_in.split_once(':').unwrap_or((sign_in, ""));
    let sentinel = scheme == "redis+sentinel";
    let hosts = hosts_of(hosts, if sentinel { SENTINEL_PORT } else { REDIS_PORT })?;
    let (layout, database) = if sentinel {
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let master = decoded(master)?.ok_or_else(|| {
            complaint("names no master", "write redis+sentinel://host:26379/NAME-OF-THE-MASTER")
        })?;
        (Layout::Sentinel { sentinels: hosts, master }, number(database)?)
    } else {
        match (<[Host; 1]>::try_from(hosts), number(path)?) {
            (Ok([host]), database) => (Layout::One(host), database),
            (Err(hosts), 0) => (Layout::Cluster(hosts), 0),
            (Err(_), _) => {
                return Err(complaint("names a database", "a cluster has only 0: remove it"));
            }
        }
    };
    Ok(RedisAddress {
        layout,
        tls: scheme == "rediss",
        user: decoded(user)?,
        password: decoded(password)?.map(Password),
        database,
    })
}

fn hosts_of(text: &str, port: u16) -> Result<Vec<Host>, Complaint> {
    let hosts: Vec<_> =
        text.split(',').map(|host| host_of(host, port)).collect::<Result<_, _>>()?;
    if hosts.len() > HOSTS_MAX {
        let help = format!("name at most {HOSTS_MAX}: the others are found");
        return Err(complaint("names too many servers", help));
    }
    Ok(hosts)
}

pub(super) fn host_of(text: &str, port: u16) -> Result<Host, Complaint> {
    let wrong = || complaint("has a server that is no host:port", FORMS);
    let (name, rest) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']').ok_or_else(wrong)?;
            name.parse::<Ipv6Addr>().map_err(|_| wrong())?;
            (name, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
        None if rest.is_empty() => port,
        None => return Err(wrong()),
    };
    let usable = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.is_empty() || name.len() > 253 || !name.chars().all(usable) {
        return Err(wrong());
    }
    Ok(Host { name: name.to_owned(), port })
}

fn number(text: &str) -> Result<u8, Complaint> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| complaint("has no number of a database", "end it with /0 to /255"))
}

/// A text in which `%40` stands for `@`; none when it is empty.
pub(super) fn decoded(text: &str) -> Result<Option<String>, Complaint> {
    let wrong = || complaint("has a wrong %", "write %25 for %, %40 for @, %3A for :, %2F for /");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let value = high.zip(low).map(|(high, low)| high * 16 + low).ok_or_else(wrong)?;
        bytes.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    Ok(if text.is_empty() { None } else { Some(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_an_address() {
        let one = address("redis://localhost").unwrap();
        assert_eq!(one.layout, Layout::One(host("localhost", 6379)));
        assert_eq!((one.tls, one.user, one.password, one.database), (false, None, None, 0));

        let signed = address("rediss://countersign:s%40lt%3A@[2001:db8::1]:7000/3").unwrap();
        assert_eq!(signed.layout, Layout::One(host("2001:db8::1", 7000)));
        assert_eq!((signed.tls, signed.database), (true, 3));
        assert_eq!(signed.user.as_deref(), Some("countersign"));
        assert_eq!(signed.password.as_ref().map(Password::reveal), Some("s@lt:"));
        let shown = format!("{signed:?}");
        assert!(!shown.contains("s@lt") && shown.contains("Password(**)"), "{shown}");

        let alone = address("redis://:secret@h").unwrap();
        assert_eq!((alone.user, alone.password.is_some()), (None, true));

        let sentinels = vec![host("a", 26379), host("b", 26380)];
        let master = "my-master".to_owned();
        let watched = address("redis+sentinel://a,b:26380/my-master/2").unwrap();
        assert_eq!(watched.layout, Layout::Sentinel { sentinels, master });
        assert_eq!(watched.database, 2);

        let cluster = address("rediss://u:p@a:1,b:2,c:3").unwrap();
        assert_eq!(cluster.layout, Layout::Cluster(vec![host("a", 1), host("b", 2), host("c", 3)]));
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_way_out() {
        for (wrong, why) in [
            ("memcached://h", "is no address of a Redis"),
            ("h:6379", "is no address of a Redis"),
            ("redis://", "has a server that is no host:port"),
            ("redis://h:0", "has a server that is no host:port"),
            ("redis://h:port", "has a server that is no host:port"),
            ("redis://[::1", "has a server that is no host:port"),
            ("redis://[::g]:1", "has a server that is no host:port"),
            ("redis://a,,b", "has a server that is no host:port"),
            ("redis://a:1,b:2/1", "names a database"),
            ("redis://h/x", "has no number of a database"),
            ("redis://h/256", "has no number of a database"),
            ("redis://u:%4@h", "has a wrong %"),
            ("redis://h?protocol=3", "has options, and none is known"),
            ("redis+sentinel://a:1,b:2", "names no master"),
        ] {
            let found = address(wrong).map_err(|complaint| complaint.message);
            assert_eq!(found, Err(why.to_owned()), "{wrong}");
        }
        for wrong in ["", "a b", "a{b}", &"x".repeat(65)] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }
}
