//! `countersign check`: would `serve` start?

use std::net::SocketAddr;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::config::Config;
use crate::outbox::mail;
use crate::outbox::mail::Unreached;
use crate::platform::genesys::client::Fault;
use crate::platform::sip::listener;

/// Checks configuration, policies and prompts, opens the stores, and tries the listeners.
pub async fn run(common: &Common) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    let prepared = app::prepare(config.clone())?;
    let mut findings = vec![];
    match prepared.open_beside().await {
        Ok(stores) => match stores.records.probe().await {
            Ok(()) => findings.push(Finding::good("records", prepared.records_place())),
            Err(error) => findings.push(Finding::bad("records", error.to_string())),
        },
        Err(error) => findings.push(Finding::bad("stores", format!("{error:#}"))),
    }
    findings.extend(shared(&prepared).await);
    findings.extend(mail_server(&config).await);
    findings.extend(asterisk(&config).await);
    findings.extend(genesys(&config).await);
    findings.extend(listeners(&config));
    for sentence in config.idle().iter().chain(&config.warnings()).chain(&prepared.warnings()) {
        talk(&format!("note: {sentence}"));
    }
    let good = findings.iter().all(|finding| finding.ok);
    if common.json {
        let lines: Vec<_> = findings.iter().map(Finding::json).collect();
        print(&serde_json::json!({ "ok": good, "checks": lines }).to_string());
    } else {
        for Finding { what, ok, detail } in &findings {
            print(&format!("{} {what}: {detail}", if *ok { "ok  " } else { "FAIL" }));
        }
        print(match (good, findings.iter().all(Finding::lets_start)) {
            (true, _) => "serve would start",
            (false, true)
                if findings.iter().any(|finding| !finding.ok && finding.what == ASTERISK) =>
            {
                "serve would start, and callers of an Asterisk that is away would go on unchecked"
            }
            (false, true)
                if findings.iter().any(|finding| !finding.ok && finding.what == GENESYS) =>
            {
                "serve would start, and what Genesys Cloud is to be told would wait"
            }
            (false, true) => "serve would start, and mails would wait",
            (false, false) => "serve would not start",
        });
    }
    Ok(u8::from(!good))
}

/// What does not keep `serve` from starting.
const MAIL: &str = "mail";
const ASTERISK: &str = "asterisk";
const GENESYS: &str = "genesys";

struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

impl Finding {
    fn good(what: &'static str, detail: String) -> Self {
        Self { what, ok: true, detail }
    }

    fn bad(what: &'static str, detail: String) -> Self {
        Self { what, ok: false, detail }
    }

    /// Whether `serve` starts with it.
    fn lets_start(&self) -> bool {
        self.ok || [MAIL, ASTERISK, GENESYS].contains(&self.what)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "what": self.what, "ok": self.ok, "detail": self.detail })
    }
}

/// What nodes share: the session store, and the certificates of the link.
async fn shared(prepared: &app::Prepared) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some(reached) = prepared.reach_sessions().await {
        findings.push(match reached {
            Ok(()) => Finding::good("sessions", "Redis answers".to_owned()),
            Err(error) => Finding::bad("sessions", format!("{error:#}")),
        });
    }
    if let Some(loaded) = prepared.load_certificates() {
        findings.push(match loaded {
            Ok(()) => Finding::good("cluster", "the certificates can be used".to_owned()),
            Err(error) => Finding::bad("cluster", format!("{error:#}")),
        });
    }
    if let Some(loaded) = prepared.load_connectors() {
        findings.push(match loaded {
            Ok(count) => Finding::good("audiohook", format!("{count} connectors can be used")),
            Err(error) => Finding::bad("audiohook", format!("{error:#}")),
        });
    }
    findings
}

/// The mail server, as far as a mail would go. Without it calls go on and mails wait.
async fn mail_server(config: &Config) -> Option<Finding> {
    Some(match mail::reach(&config.outbox.mail).await? {
        Ok(()) => Finding::good(MAIL, "the mail server answers".to_owned()),
        Err(Unreached::Away(why)) => Finding::bad(MAIL, why),
        Err(error) => Finding::bad("outbox", format!("{:#}", anyhow::Error::from(error))),
    })
}

/// The Asterisks, as far as they can be reached from here. Without them their callers go on unchecked.
async fn asterisk(config: &Config) -> Vec<Finding> {
    let Some(settings) = &config.asterisk else { return vec![] };
    let reached = app::reach_asterisk(settings).await.into_iter();
    let finding = |(name, reached): (String, Result<(), String>)| match reached {
        Ok(()) => Finding::good(ASTERISK, name),
        Err(why) => Finding::bad(ASTERISK, format!("{name}: {why}")),
    };
    reached.map(finding).collect()
}

/// The login service of Genesys Cloud: without it data actions go on, and attributes wait.
async fn genesys(config: &Config) -> Option<Finding> {
    Some(match app::genesys::reach(config).await? {
        Ok(()) => Finding::good(GENESYS, "the login service gives a token".to_owned()),
        Err(error) if error.is::<Fault>() => Finding::bad(GENESYS, error.to_string()),
        // A file that cannot be used keeps the daemon from starting.
        Err(error) => Finding::bad("[genesys]", format!("{error:#}")),
    })
}

fn listeners(config: &Config) -> Vec<Finding> {
    let tried = |what, address: SocketAddr, error: Option<std::io::Error>| match error {
        None => Finding::good(what, address.to_string()),
        Some(error) => Finding::bad(what, format!("{address}: {error}")),
    };
    let http = config.http.listen;
    let mut findings = vec![tried("http.listen", http, std::net::TcpListener::bind(http).err())];
    for address in &config.sip.listen {
        findings.push(tried("sip.listen", *address, listener::bind(*address).err()));
    }
    if let Some(cluster) = &config.cluster {
        let error = std::net::TcpListener::bind(cluster.listen).err();
        findings.push(tried("cluster.listen", cluster.listen, error));
    }
    findings
}
