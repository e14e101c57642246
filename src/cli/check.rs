//! `countersign check`: would `serve` start?

use std::net::SocketAddr;

use crate::app;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::print;
use crate::cli::talk;
use crate::config::Config;
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
        print(if good { "serve would start" } else { "serve would not start" });
    }
    Ok(u8::from(!good))
}

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

    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "what": self.what, "ok": self.ok, "detail": self.detail })
    }
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
    findings
}
