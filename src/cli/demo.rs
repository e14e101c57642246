//! `countersign demo`: what a newcomer runs first. The whole daemon on embedded stores in a temporary
//! folder, and simulated callers that place real SIP and RTP calls over loopback.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::auth;
use crate::api::auth::Grant;
use crate::app;
use crate::app::Running;
use crate::cli::Common;
use crate::cli::customer::take_in;
use crate::cli::print;
use crate::cli::talk;
use crate::config;
use crate::engine::clock::Clock;
use crate::lifecycle;
use crate::lifecycle::Signals;
use crate::model::ids::IntentHandle;
use crate::push::audience::View;
use crate::push::hub::Found;
use crate::push::hub::Hub;
use crate::sessions::Intent;
use crate::sim;
use crate::sim::CallReport;
use crate::sim::Ears;
use crate::sim::Scene;
use crate::sip::message::Uri;
use crate::telemetry;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// From one call to the next.
const APART: Duration = Duration::from_millis(1500);
const APART_FOR_EVER: Duration = Duration::from_secs(7);
/// Calls whose callers are still on the line.
const AT_ONCE_MAX: usize = 16;
/// How long the daemon may take to agree with what the caller lived through.
const AGREE_WITHIN: Duration = Duration::from_secs(10);

/// How the demo runs.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Where the page is [default: 127.0.0.1:8080, or any free port]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Place this many calls; without it, callers keep coming until Ctrl-C
    #[arg(long, value_name = "N")]
    calls: Option<usize>,
    /// End when all calls have ended; status 0 when each went as scripted
    #[arg(long, requires = "calls")]
    exit: bool,
}

/// Runs the demo.
pub async fn run(common: &Common, args: DemoArgs) -> anyhow::Result<u8> {
    lifecycle::keep_memory_private();
    let http = args.http.unwrap_or_else(free_or_any);
    anyhow::ensure!(
        http.ip().is_loopback(),
        "--http {http}: the demo's customers and keys are public; it serves loopback addresses only"
    );
    let folder = Folder::new()?;
    let prepared = app::prepare(configuration(common, http, &folder.0)?)?;
    let ears = Arc::new(Ears::new(&prepared.prompts()));
    let stores = prepared.open().await?;
    talk("Countersign demo: a throw-away daemon, made-up customers, simulated callers.");
    talk("  preparing   8 customers, a PIN each");
    take_in(&stores, sim::demo_customers().as_bytes(), |bad| talk(&bad)).await?;
    let token = token(&stores)?;
    let running = app::start(prepared, stores).await?;
    let page = format!("http://{}/#token={token}", running.http);
    introduce(&running, &page);
    open_in_browser(&page);
    let status = play(&running, ears, &args).await?;
    running.stop().await;
    Ok(status)
}

fn introduce(running: &Running, page: &str) {
    talk("  stores      embedded, in a temporary folder that goes when the demo ends");
    talk(&format!(
        "  telephony   SIP on {}, real RTP on loopback",
        running.sip.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    ));
    talk("");
    print(&format!("  agent's desktop   {page}"));
    talk("");
    talk("  Callers ring in below. On the page: take a call with Enter, and read what to do next.");
    talk(
        "  A caller from the app is authenticated; a known number keys two PIN digits; others key their",
    );
    talk(
        "  customer number first. No digit is ever shown. Stop with Ctrl-C; nothing was installed.",
    );
    talk("");
}

/// Lets the callers ring in and says how each of them fared.
async fn play(running: &Running, ears: Arc<Ears>, args: &DemoArgs) -> anyhow::Result<u8> {
    let sip = running.sip.first().copied().context("the demo has a SIP listener")?;
    let witness = Witness { hub: Arc::clone(&running.hub), clock: running.clock };
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (told, mut tales) = mpsc::channel::<Tale>(AT_ONCE_MAX);
    let planned = args.calls.unwrap_or(usize::MAX);
    let apart = if args.calls.is_some() { APART } else { APART_FOR_EVER };
    let mut next_call = tokio::time::interval(apart);
    let (mut placed, mut tally) = (0_usize, Tally::default());
    let mut signals = Signals::catch()?;
    loop {
        let room = placed < planned && placed - tally.ended < AT_ONCE_MAX;
        tokio::select! {
            biased;
            () = signals.wanted() => break,
            Some(tale) = tales.recv() => {
                tally.add(&tale);
                print(&tale.line());
                if tally.ended == planned && args.exit {
                    break;
                }
            }
            _ = next_call.tick(), if room => {
                let scenes = sim::scenes(placed / 6);
                let Some(scene) = scenes.into_iter().nth(placed % 6) else { continue };
                placed += 1;
                let caller = Caller { number: placed, scene, to: Uri::parse(&format!("sip:+44800000100@{sip}"))? };
                let plan = caller.plan(running).await?;
                let (ears, stop, told) = (Arc::clone(&ears), stop.clone(), told.clone());
                let witness = witness.clone();
                tasks.spawn(async move {
                    let report = sim::place(Arc::new(plan), ears, stop).await;
                    let Caller { number, scene, .. } = caller;
                    let concluded = agreed(&witness, &scene, &report).await;
                    // Nobody listens any more when the demo was stopped.
                    let _ = told.send(Tale { number, scene, report, concluded }).await;
                });
            }
        }
    }
    stop.cancel();
    tasks.close();
    if args.exit {
        print(&tally.summary());
    }
    Ok(u8::from(args.exit && !(tally.ended == planned && tally.as_scripted == tally.ended)))
}

/// Waits until the daemon has concluded what the script says, or long enough.
async fn agreed(witness: &Witness, scene: &Scene, report: &CallReport) -> Option<Conclusion> {
    let until = Instant::now() + AGREE_WITHIN;
    loop {
        let concluded = witness.conclusion(report);
        if matches(scene, concluded.as_ref()) || Instant::now() >= until {
            return concluded;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the daemon shows of a call.
#[derive(Debug)]
struct Conclusion {
    class: String,
    pin: String,
    authentication: String,
}

/// Sees what a supervisor sees.
#[derive(Clone)]
struct Witness {
    hub: Arc<Hub>,
    clock: Clock,
}

impl Witness {
    fn conclusion(&self, report: &CallReport) -> Option<Conclusion> {
        let everything = Identity {
            agent: "demo-script".parse().ok()?,
            name: None,
            roles: vec![TokenRole::Supervisor],
            queues: vec![],
            groups: vec![],
            expires_at: self.clock.wall().after(Duration::from_mins(1)),
        };
        let view = View::new(&everything, None);
        let Found::Seen(call) = self.hub.call(&view, &report.call_id) else { return None };
        let call: serde_json::Value = serde_json::from_str(&call).ok()?;
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let pin = call.get("pin").and_then(|pin| pin.get("result"));
        Some(Conclusion {
            class: word(call.get("class")?),
            pin: pin.map_or_else(|| "-".to_owned(), word),
            authentication: word(call.get("authentication")?),
        })
    }
}

fn matches(scene: &Scene, concluded: Option<&Conclusion>) -> bool {
    let pin = scene.pin.map(|pin| serde_json::to_value(pin).unwrap_or_default());
    let pin = pin.as_ref().and_then(serde_json::Value::as_str).unwrap_or("-");
    concluded.is_some_and(|found| {
        found.class == scene.class.word()
            && found.pin == pin
            && found.authentication == scene.authentication.word()
    })
}

struct Caller {
    number: usize,
    scene: Scene,
    to: Uri,
}

impl Caller {
    async fn plan(&self, running: &Running) -> anyhow::Result<sim::CallPlan> {
        let Some(order) = self.scene.intent else {
            return Ok(self.scene.plan(self.to.clone(), None));
        };
        let handle = IntentHandle::new(rand::random());
        let intent = Intent {
            customer: order.customer_id.parse()?,
            number: order.number.parse()?,
            dnis: None,
            purpose: Some("demo".into()),
            expires_at: running.clock.wall().after(Duration::from_mins(2)),
        };
        running.sessions.put_intent(handle.clone(), intent).await?;
        Ok(self.scene.plan(self.to.clone(), Some(&handle)))
    }
}

/// One caller's story.
struct Tale {
    number: usize,
    scene: Scene,
    report: CallReport,
    concluded: Option<Conclusion>,
}

impl Tale {
    fn line(&self) -> String {
        let seconds = std::time::Duration::from_millis(self.report.total_ms).as_secs_f32();
        let class = self.scene.class.word();
        format!(
            "  call {:<3} {:<62} {class:<18} {:<12} {seconds:>5.1} s",
            self.number,
            self.scene.title,
            self.report.outcome.word()
        )
    }
}

#[derive(Default)]
struct Tally {
    ended: usize,
    as_scripted: usize,
    words: Vec<String>,
}

impl Tally {
    fn add(&mut self, tale: &Tale) {
        self.ended += 1;
        let pin =
            tale.scene.pin.map_or_else(String::new, |pin| format!(", PIN {pin:?}").to_lowercase());
        let pin = pin.replace("pin", "PIN");
        self.words.push(format!(
            "{}{pin}, {}",
            tale.scene.class.word(),
            tale.report.outcome.word()
        ));
        let good =
            matches(&tale.scene, tale.concluded.as_ref()) && tale.scene.went_well(&tale.report);
        self.as_scripted += usize::from(good);
        if !good {
            let Tale { number, report, concluded, .. } = tale;
            talk(&format!(
                "    call {number} did not go as scripted: {:?}, {concluded:?}",
                report.outcome
            ));
        }
    }

    fn summary(&self) -> String {
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for words in &self.words {
            *counts.entry(words).or_default() += 1;
        }
        let lines: Vec<_> =
            counts.iter().map(|(words, count)| format!("    {count} × {words}")).collect();
        format!("\n  {} calls, {} as scripted\n{}", self.ended, self.as_scripted, lines.join("\n"))
    }
}

fn free_or_any() -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
    match std::net::TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}

fn configuration(
    common: &Common,
    http: SocketAddr,
    folder: &Path,
) -> anyhow::Result<config::Config> {
    let text = format!(
        "[http]\nlisten = \"{http}\"\n\
         [grpc]\nlisten = \"127.0.0.1:0\"\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\"]\nqueue_uri = \"sip:queue@127.0.0.1:5070\"\nhanded_over_max_seconds = 120\n\
         [sip.trunks.demo]\naddresses = [\"127.0.0.0/8\"]\ntrust_identity = true\n\
         [limits]\nfailure_margin_percent = 0\nfailures_per_prefix = 0\n\
         [records]\nurl = \"sqlite://{}\"\n\
         [log]\nlevel = \"error\"\n",
        folder.join("records.db").display(),
    );
    let loaded = config::load(&[("demo".to_owned(), text)], &[], &common.set);
    let config = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?;
    telemetry::start_logging(&config.log);
    Ok(config)
}

fn token(stores: &app::Stores) -> anyhow::Result<String> {
    let grant = Grant {
        sub: "demo-agent".parse()?,
        roles: vec![TokenRole::Agent],
        name: Some("Demo agent".into()),
        queues: vec![],
        ttl: Duration::from_hours(24),
    };
    let now = Clock::start().wall();
    Ok(auth::mint(&stores.local_key.bytes, &grant, &auth::TokenRules::default(), now)?)
}

/// Shows the page, where there is a person with a screen.
fn open_in_browser(page: &str) {
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if screen && std::io::stderr().is_terminal() {
        let quiet = std::process::Stdio::null;
        let opener = std::process::Command::new("xdg-open")
            .arg(page)
            .stdout(quiet())
            .stderr(quiet())
            .spawn();
        if opener.is_err() {
            talk("  (open the address above in a browser)");
        }
    }
}

/// A folder of this run alone, gone when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let random: [u8; 8] = rand::random();
        let path = std::env::temp_dir()
            .join(format!("countersign-demo-{}", crate::model::ids::hex(&random)));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            talk(&format!("{}: {error}", self.0.display()));
        }
    }
}
