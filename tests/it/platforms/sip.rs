//! A telephone behind a SIP trunk: real SIP and RTP, prompts heard by their sound, keys as RFC 4733 events.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use countersign::model::digits::Key;
use countersign::prompts;
use countersign::sim;
use countersign::sim::CallPlan;
use countersign::sim::CallReport;
use countersign::sim::Ears;
use countersign::sim::FromLine;
use countersign::sim::Hand;
use countersign::sim::Heard;
use countersign::sim::Outcome;
use countersign::sim::plan::REACTION;
use countersign::sip::message::Uri;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::Daemon;
use crate::harness::PATIENCE;
use crate::platforms::Breaks;
use crate::platforms::Caller;
use crate::platforms::Notices;
use crate::platforms::Platform;
use crate::platforms::Rings;

/// A trunk.
pub(crate) struct Sip {
    address: SocketAddr,
    ears: Arc<Ears>,
    runtime: Runtime,
}

/// Somebody with a telephone.
struct Phone<'a> {
    trunk: &'a Sip,
    name: String,
    hears: mpsc::Receiver<Heard>,
    keys: mpsc::Sender<Key>,
    stop: CancellationToken,
    call: Option<JoinHandle<CallReport>>,
    /// The prompt heard last, until a key is pressed: from its beginning again so soon, it is the same.
    heard: String,
}

impl Platform for Sip {
    fn settings() -> String {
        String::new()
    }

    fn beside(daemon: &Daemon) -> Self {
        let pack = prompts::built_in("en").expect("the pack is built in");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self {
            address: daemon.sip,
            ears: Arc::new(Ears::new(&pack)),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn rings(&self, how: &Rings) -> Box<dyn Caller + '_> {
        let to = Uri::parse(&format!("sip:+448000000000@{}", self.address)).expect("a URI");
        let from = how.ani.as_deref().unwrap_or("anonymous");
        let mut plan = CallPlan::new(to, FromLine::parse(from).expect("a caller"));
        plan.assert_identity = how.ani.is_some();
        if let Some(intent) = &how.intent {
            plan.add_header(&format!("X-Countersign-Intent: {intent}")).expect("a header");
        }
        let (tells, hears) = mpsc::channel(64);
        let (keys, pressed) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let hand = Some(Hand { tells, keys: pressed });
        let call = sim::place_by_hand(Arc::new(plan), Arc::clone(&self.ears), stop.clone(), hand);
        let call = Some(self.runtime.spawn(call));
        let name = String::new();
        let mut phone = Phone { trunk: self, name, hears, keys, stop, call, heard: String::new() };
        let Some(Heard::Dialled(name)) = phone.hears_next() else { panic!("nobody dials") };
        phone.name = name;
        Box::new(phone)
    }

    fn line_breaks(&self, _: &mut dyn Caller) {
        panic!("the daemon holds the media itself");
    }

    fn breaks() -> Breaks {
        Breaks::Never
    }

    fn tells_the_end() -> bool {
        false
    }
}

impl Phone<'_> {
    fn hears_next(&mut self) -> Option<Heard> {
        let next = async { timeout(PATIENCE, self.hears.recv()).await };
        self.trunk.runtime.block_on(next).expect("something is heard in time")
    }

    fn ends(&mut self) -> CallReport {
        let call = self.call.take().expect("it ends once");
        let ended = async { timeout(PATIENCE, call).await };
        self.trunk.runtime.block_on(ended).expect("the call ends in time").expect("a report")
    }
}

impl Caller for Phone<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn notices(&mut self) -> Notices {
        while let Some(heard) = self.hears_next() {
            let Heard::Prompt(prompt) = heard else { continue };
            if prompt == self.heard {
                continue;
            }
            self.heard.clone_from(&prompt);
            if prompt == "customer.number" {
                return Notices::CustomerNumber;
            }
            let position = prompt.strip_prefix("pin.position.");
            if let Some(position) = position.and_then(|text| text.parse().ok()) {
                return Notices::Position(position);
            }
        }
        let report = self.ends();
        match report.outcome {
            Outcome::Redirected { .. } | Outcome::Transferred { .. } => Notices::Routed,
            Outcome::ByeFromDaemon { .. } => Notices::HungUp,
            other => panic!("{other:?}"),
        }
    }

    fn presses(&mut self, key: char) {
        if !std::mem::take(&mut self.heard).is_empty() {
            thread::sleep(REACTION);
        }
        let key = Key::from_char(key).expect("a key");
        self.keys.try_send(key).expect("the call is there");
    }

    fn hangs_up(&mut self) {
        if self.call.is_some() {
            self.stop.cancel();
            let _ = self.ends();
        }
    }
}
