//! The URL of a database: what of it is ours to read, and what every connection asks beside it.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::Manager;
use deadpool_postgres::ManagerConfig;
use deadpool_postgres::Pool;
use deadpool_postgres::RecyclingMethod;
use deadpool_postgres::Runtime;
use deadpool_postgres::Timeouts;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::records::RecordsError;
use crate::records::postgres::tls::MakeTls;
use crate::records::postgres::tls::Roots;

/// How long a connection may take to come up, and how long one waits for a free one.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const WAIT_MAX: Duration = Duration::from_secs(3);
/// A peer that is silently gone is noticed after about half a minute, in the middle of work sooner.
const KEEPALIVE: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// What every connection asks of the server, beside what the URL says: limits on a statement, on
/// waiting for a lock and on a transaction that nobody goes on with; and that told means on disk (P1, P3).
const SETTINGS: &str = "-c statement_timeout=3s -c lock_timeout=2500ms \
    -c idle_in_transaction_session_timeout=10s -c synchronous_commit=on \
    -c default_transaction_isolation=read\\ committed";

/// How the certificate of the server is looked at, beside what the crate knows of `sslmode`.
#[derive(Debug, Eq, PartialEq)]
enum Trust {
    Any,
    System,
    File(PathBuf),
}

/// A pool for this URL. Nothing is connected yet.
pub(super) fn pool(url: &str, connections: usize) -> Result<Pool, RecordsError> {
    let (mut config, trust) = read(url)?;
    let asked = config.get_options().unwrap_or_default();
    let options = format!("{asked} {SETTINGS}");
    config
        .options(options.trim())
        .connect_timeout(CONNECT_MAX)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .keepalives_retries(3)
        .tcp_user_timeout(SILENCE_MAX);
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    let tls = MakeTls::with(match &trust {
        Trust::Any => Roots::Any,
        Trust::System => Roots::System,
        Trust::File(path) => Roots::File(path),
    })?;
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let timeouts = Timeouts {
        wait: Some(WAIT_MAX),
        create: Some(CONNECT_MAX + CONNECT_MAX),
        recycle: Some(WAIT_MAX),
    };
    Pool::builder(Manager::from_config(config, tls, manager))
        .max_size(connections.max(1))
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| RecordsError::Unavailable(error.to_string()))
}

/// Takes `sslmode` and `sslrootcert` out, which the crate knows only in part, and reads the rest.
/// No message holds a part of the URL: it may be the password.
fn read(url: &str) -> Result<(Config, Trust), RecordsError> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut roots) = (None, None);
    let mut rest = vec![];
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => roots = Some(PathBuf::from(decoded(value)?)),
            _ => rest.push(parameter),
        }
    }
    let mut config: Config = match rest.as_slice() {
        [] => place.parse()?,
        rest => format!("{place}?{}", rest.join("&")).parse()?,
    };
    let (mode, trust) = match (mode, roots) {
        (Some("disable"), _) => (SslMode::Disable, Trust::Any),
        (None | Some("prefer"), _) => (SslMode::Prefer, Trust::Any),
        (Some("require"), None) => (SslMode::Require, Trust::Any),
        (Some("verify-full"), None) => (SslMode::Require, Trust::System),
        (Some("require" | "verify-full"), Some(roots)) => (SslMode::Require, Trust::File(roots)),
        (Some(_), _) => {
            return Err(wrong("sslmode is disable, prefer, require or verify-full"));
        }
    };
    config.ssl_mode(mode);
    Ok((config, trust))
}

/// Text with `%xx` as its bytes.
fn decoded(text: &str) -> Result<String, RecordsError> {
    const WRONG: &str = "sslrootcert: a % is followed by two hexadecimal digits";
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(|| wrong(WRONG))?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong(WRONG))?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong("sslrootcert: the path is no text"))
}

fn wrong(what: &str) -> RecordsError {
    RecordsError::Unavailable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_tls_are_read_from_the_url() {
        for (query, mode, trust) in [
            ("", SslMode::Prefer, Trust::Any),
            ("?sslmode=disable", SslMode::Disable, Trust::Any),
            ("?sslmode=prefer&application_name=x", SslMode::Prefer, Trust::Any),
            ("?sslmode=require", SslMode::Require, Trust::Any),
            ("?sslmode=verify-full", SslMode::Require, Trust::System),
            (
                "?sslmode=require&sslrootcert=/a%20b.pem",
                SslMode::Require,
                Trust::File("/a b.pem".into()),
            ),
        ] {
            let (config, found) = read(&format!("postgres://u:p@h/d{query}")).expect("read");
            assert_eq!((config.get_ssl_mode(), found), (mode, trust), "{query}");
            assert_eq!(config.get_dbname(), Some("d"));
        }
    }

    #[test]
    fn no_message_and_no_debug_text_shows_the_password() {
        for url in [
            "postgres://u:s3cret@h:port/d",
            "postgres://u:s3cret@h/d?sslmode=s3cret",
            "postgres://u:s3cret@h/d?sslrootcert=%s3cret",
            "postgres://u:s3cret@h/d?s3cret",
            "s3cret",
        ] {
            let Err(error) = read(url) else { panic!("{url} was read") };
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        let pool = pool("postgres://u:s3cret@h/d", 1).expect("a pool");
        assert!(!format!("{pool:?}").contains("s3cret"), "{pool:?}");
    }
}
