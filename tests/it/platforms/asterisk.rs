//! Asterisk in both of its modes, as callers of the scripts meet it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::ari_server::Ari;
use crate::ari_server::Heard;
use crate::ari_server::USER;
use crate::harness::Daemon;
use crate::harness::poll;
use crate::harness::test_file;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// Ports that daemons were told before their Asterisk was there.
static KEPT: Mutex<BTreeMap<u16, TcpListener>> = Mutex::new(BTreeMap::new());

/// How long a line stays broken.
const BROKEN: Duration = Duration::from_secs(1);

/// The section with these lines in it.
pub(crate) fn section(lines: &str) -> String {
    let password = test_file("servers/ari.password");
    format!(
        "[asterisk]\nusername = \"{USER}\"\npassword_file = \"{}\"\ntrunk = \"office\"\n{lines}\n",
        password.display()
    )
}

/// We connect to Asterisk.
pub(crate) struct AriInbound(Ari);

/// Asterisk connects to us.
pub(crate) struct AriOutbound(Ari);

impl Platform for AriInbound {
    /// A channel that is back in the dialplan is no longer the application's.
    fn tells_the_end() -> bool {
        false
    }

    fn settings() -> String {
        let listener = Ari::free_port();
        let port = listener.local_addr().expect("an address").port();
        KEPT.lock().expect("no thread panics here").insert(port, listener);
        section(&format!("mode = \"inbound\"\nurl = \"http://127.0.0.1:{port}/ari\""))
    }

    fn beside(daemon: &Daemon) -> Self {
        let settings = fs::read_to_string(daemon.path("settings.toml")).expect("its settings");
        let rest = settings.split("http://127.0.0.1:").nth(1).expect("the address");
        let port = rest.split('/').next().and_then(|port| port.parse().ok()).expect("the port");
        let listener = KEPT.lock().expect("no thread panics here").remove(&port);
        let ari = Ari::inbound_at(listener.expect("kept for this daemon"));
        ari.connected();
        Self(ari)
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        Box::new(Phone::rings(&self.0, how))
    }

    fn line_breaks(&self, _: &mut dyn Caller) {
        breaks(&self.0);
    }
}

impl Platform for AriOutbound {
    /// A channel that is back in the dialplan is no longer the application's.
    fn tells_the_end() -> bool {
        false
    }

    fn settings() -> String {
        section("mode = \"outbound\"")
    }

    fn beside(daemon: &Daemon) -> Self {
        let ari = Ari::outbound(daemon.http);
        ari.connected();
        Self(ari)
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        Box::new(Phone::rings(&self.0, how))
    }

    fn line_breaks(&self, _: &mut dyn Caller) {
        breaks(&self.0);
    }
}

fn breaks(ari: &Ari) {
    ari.line_breaks();
    thread::sleep(BROKEN);
    ari.line_mends();
}

/// Somebody who calls an Asterisk.
pub(crate) struct Phone<'a> {
    pub(crate) ari: &'a Ari,
    pub(crate) id: String,
    /// What was noticed so far.
    pub(crate) heard: usize,
}

impl<'a> Phone<'a> {
    /// Rings, and comes back once something was asked about the channel beside who it is.
    pub(crate) fn rings(ari: &'a Ari, how: &Rings) -> Self {
        let phone = Self::rings_only(ari, how);
        let asks = format!("POST channels/{}/", phone.id);
        poll("the daemon has the call", || ari.was_asked(&asks).then_some(()));
        phone
    }

    /// Rings.
    pub(crate) fn rings_only(ari: &'a Ari, how: &Rings) -> Self {
        let intent = how.intent.as_deref().map(|intent| ("X-Countersign-Intent", intent));
        let headers: Vec<_> = intent.into_iter().collect();
        let id = ari.rings(how.ani.as_deref(), &headers);
        Self { ari, id, heard: 0 }
    }
}

impl Caller for Phone<'_> {
    fn name(&self) -> String {
        self.id.clone()
    }

    fn notices(&mut self) -> Notices {
        loop {
            let heard = self.ari.hears(&self.id, self.heard);
            self.heard += 1;
            match heard {
                Heard::Continued => return Notices::Routed,
                Heard::HungUp => return Notices::HungUp,
                Heard::Sound(name) if name == "countersign/customer.number" => {
                    return Notices::CustomerNumber;
                }
                Heard::Sound(name) => {
                    let position = name.strip_prefix("countersign/pin.position.");
                    if let Some(position) = position.and_then(|position| position.parse().ok()) {
                        return Notices::Position(position);
                    }
                }
            }
        }
    }

    fn presses(&mut self, key: char) {
        // A later moment than the one at which the prompt began, by the same clock.
        thread::sleep(Duration::from_millis(2));
        self.ari.presses(&self.id, key);
    }

    fn hangs_up(&mut self) {
        self.ari.hangs_up(&self.id);
    }
}
