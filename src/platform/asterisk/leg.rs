//! One channel's task: finds out who calls, hands the call in, and carries out what the call wants.

use std::future::Future;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep_until;
use tokio::time::timeout;
use tracing::debug;
use tracing::warn;

use crate::call::effect::Prompt;
use crate::call::input::CallEvent;
use crate::call::input::Input;
use crate::engine::CallHandle;
use crate::model::auth::Authentication;
use crate::model::caller::CallerClass;
use crate::model::cause::Cause;
use crate::model::ids::CallId;
use crate::model::ids::PlatformCallId;
use crate::platform::Leg;
use crate::platform::Refused;
use crate::platform::arrival::translate;
use crate::platform::asterisk::channel::Ask;
use crate::platform::asterisk::channel::Came;
use crate::platform::asterisk::channel::Channel as State;
use crate::platform::asterisk::channel::Said;
use crate::platform::asterisk::channel::Wish;
use crate::platform::asterisk::event;
use crate::platform::asterisk::event::Found;
use crate::platform::asterisk::link::NoAnswer;
use crate::platform::asterisk::reconcile::reconcile;
use crate::platform::asterisk::server::Mail;
use crate::platform::asterisk::server::Server;
use crate::wire::ari::Channel;
use crate::wire::ari::Request;

/// What the call wants of its leg, waiting at the most.
const WISHES_LEN: usize = 32;
/// How long the variables of a channel may take: the caller hears ringing meanwhile.
const IDENTIFIED_WITHIN: Duration = Duration::from_millis(1500);
/// How long the outcome of the step may take that hands a caller over.
const OUTCOME_WITHIN: Duration = Duration::from_secs(1);
/// How long a channel of an Asterisk that is away is remembered after its call has ended.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What the call has asked of its leg.
#[derive(Debug)]
enum Wished {
    /// As it is.
    Plain(Wish),
    /// The caller is to be passed on, as of the step after this one.
    HandOver { call: CallId, since: u64 },
}

/// The call's end of a leg.
pub(super) struct AriLeg {
    wishes: mpsc::Sender<Wished>,
    call: Arc<OnceLock<CallHandle>>,
    server: String,
}

impl AriLeg {
    fn wish(&self, wish: Wished) {
        if self.wishes.try_send(wish).is_err() {
            debug!("a wish for a channel that is gone");
        }
    }
}

impl Leg for AriLeg {
    fn answer(&mut self) {
        self.wish(Wished::Plain(Wish::Answer));
    }

    fn play(&mut self, prompt: Prompt) {
        self.wish(Wished::Plain(Wish::Play(prompt)));
    }

    fn stop_playing(&mut self) {
        self.wish(Wished::Plain(Wish::StopPlaying));
    }

    fn hand_over(&mut self, _to: &str, _answered: bool, call: &CallId) {
        // What the call has come to shows once the step that wishes this is over.
        let since = self.call.get().map_or(0, |call| call.reached().borrow().steps);
        self.wish(Wished::HandOver { call: call.clone(), since });
    }

    fn clear(&mut self, cause: Cause) {
        self.wish(Wished::Plain(Wish::Clear(cause)));
    }

    fn saved(&self) -> Value {
        json!({ "asterisk": self.server })
    }
}

type Answering = Pin<Box<dyn Future<Output = Came> + Send>>;

struct LegTask {
    server: Arc<Server>,
    id: String,
    call: CallHandle,
    state: State,
    answering: Option<Answering>,
    queue: String,
}

/// A channel came in: its whole way through the application.
pub(super) async fn run(
    server: Arc<Server>,
    channel: Channel,
    args: Vec<String>,
    mail: mpsc::Receiver<Mail>,
) {
    let id = channel.id.clone();
    let place = server.shared.places.try_acquire();
    let begun = match place {
        Ok(_) if !server.shared.drain.is_cancelled() => begin(&server, channel, &args).await,
        _ => Err(Refused),
    };
    match begun {
        Ok((task, wishes)) => task.run(mail, wishes).await,
        Err(Refused) => turn_away(&server, &id).await,
    }
    drop(place);
    server.left(&id);
}

/// Goes on with a channel that another node had, as soon as Asterisk is in reach.
pub(super) fn resume(server: &Arc<Server>, id: &str, name: &CallId) -> Option<(AriLeg, Resumed)> {
    let mail = server.resumed(id)?;
    let (leg, wishes) = leg(server);
    let state = State::adopted(format!("{name}-r"), server.link.is_beside());
    let resumed = Resumed { server: Arc::clone(server), id: id.to_owned(), state, mail, wishes };
    Some((leg, resumed))
}

/// A leg that waits for its call.
pub struct Resumed {
    server: Arc<Server>,
    id: String,
    state: State,
    mail: mpsc::Receiver<Mail>,
    wishes: (mpsc::Receiver<Wished>, Arc<OnceLock<CallHandle>>),
}

impl Resumed {
    /// The call has begun, in this queue.
    pub fn begun(self, call: CallHandle, queue: String) {
        let Self { server, id, state, mail, wishes: (wishes, known) } = self;
        // Set once, here.
        let _ = known.set(call.clone());
        let tasks = server.shared.tasks.clone();
        let task = LegTask {
            server: Arc::clone(&server),
            id: id.clone(),
            call,
            state,
            answering: None,
            queue,
        };
        // Where Asterisk has connected to this node already, nobody compares once more.
        if let Some(generation) = server.link.generation() {
            let found = reconcile(Arc::clone(&server), generation, vec![id.clone()]);
            tasks.spawn(found);
        }
        tasks.spawn(async move {
            tell(&task.call, CallEvent::LegLost).await;
            task.run(mail, wishes).await;
            server.left(&id);
        });
    }
}

type Wishes = (mpsc::Receiver<Wished>, Arc<OnceLock<CallHandle>>);

fn leg(server: &Server) -> (AriLeg, Wishes) {
    let (sender, wished) = mpsc::channel(WISHES_LEN);
    let call = Arc::new(OnceLock::new());
    let leg = AriLeg { wishes: sender, call: Arc::clone(&call), server: server.name().to_owned() };
    (leg, (wished, call))
}

async fn begin(
    server: &Arc<Server>,
    channel: Channel,
    args: &[String],
) -> Result<(LegTask, mpsc::Receiver<Wished>), Refused> {
    let shared = &server.shared;
    let id: PlatformCallId = channel.id.parse().map_err(|_| Refused)?;
    let found = found(server, &channel).await;
    if shared.entry.find(&shared.platform, &id).is_some() {
        // Their answers could not be told apart, neither by us nor by agents.
        warn!(asterisk = %server.name(), channel = %id, "another Asterisk has a live channel of this id, so this caller is passed on unchecked; give each Asterisk a systemname of its own in asterisk.conf");
        counter!("countersign_shed_total", "reason" => "channel_id").increment(1);
        return Err(Refused);
    }
    let arrival = event::arrival(&channel, args, found, shared.settings.trunk.as_ref());
    let translated = translate(shared.platform.clone(), id, arrival, &shared.rules);
    let translated = translated.ok_or(Refused)?;
    let queue = translated.delivered.queue.to_string();
    let policy = translated.policy.or_else(|| shared.settings.policy.clone());
    let (leg, (wishes, known)) = leg(server);
    let call = shared.entry.delivered(translated.delivered, policy.as_deref(), Box::new(leg))?;
    // Set once, here.
    let _ = known.set(call.clone());
    let state = State::new(call.id().to_string(), channel.up, server.link.is_beside());
    let server = Arc::clone(server);
    Ok((LegTask { server, id: channel.id, call, state, answering: None, queue }, wishes))
}

/// Asks for the variables that say who calls; what does not answer in time says nothing.
async fn found(server: &Server, channel: &Channel) -> Found {
    let settings = &server.shared.settings;
    let (intent, user_to_user, asserted, verstat, customer) = tokio::join!(
        variable(server, channel, &settings.intent),
        variable(server, channel, &settings.user_to_user),
        variable(server, channel, &settings.asserted),
        variable(server, channel, &settings.verstat),
        variable(server, channel, &settings.customer),
    );
    Found { intent, user_to_user, asserted, verstat, customer }
}

async fn variable(server: &Server, channel: &Channel, names: &[String]) -> Option<String> {
    let asked = async {
        for name in names {
            if let Some(value) = channel.variables.get(name) {
                return Some(value.clone());
            }
            let request = Request::new("GET", &["channels", &channel.id, "variable"]);
            let request = request.with("variable", name.clone());
            let value = server.ask(&request).await.ok().and_then(|answer| answer.value());
            if value.is_some() {
                return value;
            }
        }
        None
    };
    timeout(IDENTIFIED_WITHIN, asked).await.ok().flatten()
}

/// Nobody can look after this caller: the dialplan goes on, and is told so.
async fn turn_away(server: &Server, id: &str) {
    counter!("countersign_shed_total", "reason" => "calls").increment(1);
    let unchecked = [
        ("COUNTERSIGN_CLASS", CallerClass::Unverified.word()),
        ("COUNTERSIGN_AUTHENTICATION", Authentication::SystemUnavailable.word()),
    ];
    for (name, value) in unchecked {
        let set = Ask::Set { name, value: value.to_owned() };
        // One that cannot be set is not there, which the dialplan takes for the same.
        let _ = server.ask(&request(server, id, &set)).await;
    }
    if let Err(error) = server.ask(&request(server, id, &Ask::Continue)).await {
        warn!(asterisk = %server.name(), channel = id, %error, "a caller could not be passed on");
    }
}

impl LegTask {
    async fn run(mut self, mut mail: mpsc::Receiver<Mail>, mut wishes: mpsc::Receiver<Wished>) {
        let stop = self.server.shared.stop.clone();
        let mut let_go: Option<Instant> = None;
        loop {
            self.start_next();
            if self.state.is_over() && self.answering.is_none() {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                mail = mail.recv() => {
                    let Some(mail) = mail else {
                        // Our mailbox overflowed: nothing more is heard of the channel.
                        let said = self.state.cleared(Cause::TEMPORARY_FAILURE);
                        self.carry_out(said).await;
                        return turn_away(&self.server, &self.id).await;
                    };
                    self.mail(mail).await;
                }
                wish = wishes.recv(), if let_go.is_none() => match wish {
                    Some(wish) => self.wish(wish).await,
                    None => let_go = Some(Instant::now() + REMEMBERED),
                },
                came = answer(&mut self.answering) => {
                    self.answering = None;
                    let said = self.state.came(came);
                    self.carry_out(said).await;
                }
                () = until(let_go) => return,
            }
            // A call that has ended, or went on at another node, wants nothing more.
            if let_go.is_some() && self.state.is_idle() {
                return;
            }
        }
    }

    /// Sends the next request; its answer comes back to this task.
    fn start_next(&mut self) {
        if self.answering.is_some() {
            return;
        }
        let Some(ask) = self.state.next() else { return };
        let server = Arc::clone(&self.server);
        let request = request(&server, &self.id, &ask);
        self.answering = Some(Box::pin(async move {
            match server.ask(&request).await {
                Ok(answer) => Came::Status(answer.status),
                Err(NoAnswer::Late) => Came::Late,
                Err(NoAnswer::Away) => Came::Away,
            }
        }));
    }

    async fn mail(&mut self, mail: Mail) {
        let said = match mail {
            Mail::Event(what, at) => self.state.event(what, at),
            Mail::Lost => self.state.lost(),
            Mail::Back => self.state.back(),
            Mail::Gone => self.state.cleared(Cause::NORMAL_CLEARING),
            Mail::Elsewhere => self.state.elsewhere(),
        };
        self.carry_out(said).await;
    }

    async fn wish(&mut self, wished: Wished) {
        let wish = match wished {
            Wished::Plain(wish) => wish,
            Wished::HandOver { call, since } => {
                let told = outcome(&self.call, &call, &self.queue, since);
                Wish::HandOver(told.await)
            }
        };
        let said = self.state.wish(wish);
        self.carry_out(said).await;
    }

    async fn carry_out(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Tell(event) => tell(&self.call, event).await,
                Said::Key(key) => {
                    counter!("countersign_digits_total", "via" => "ari").increment(1);
                    // A key may be dropped where a call is flooded with them; its time-outs stay right.
                    if self.call.send(Input::Event(CallEvent::DigitGenerated(key))).is_err() {
                        counter!("countersign_shed_total", "reason" => "call_inbox").increment(1);
                    }
                }
                Said::LateKey => counter!("countersign_ari_late_keys_total").increment(1),
                Said::Unplayed => {
                    counter!("countersign_ari_unplayed_total").increment(1);
                    let sounds = &self.server.shared.settings.sounds;
                    debug!(asterisk = %self.server.name(), channel = %self.id, sounds, "a phrase was not played: the caller hung up, or Asterisk lacks the sound");
                }
            }
        }
    }
}

async fn tell(call: &CallHandle, event: CallEvent) {
    // A call that is over does not listen any more, and that is all right.
    let _ = call.deliver(Input::Event(event)).await;
}

/// What the dialplan is told. The verdict comes last: where it is missing nothing was decided.
async fn outcome(
    handle: &CallHandle,
    call: &CallId,
    queue: &str,
    since: u64,
) -> Vec<(&'static str, String)> {
    let mut reached = handle.reached();
    // Too late, or over: what is known now is what there is to tell.
    let _ = timeout(OUTCOME_WITHIN, reached.wait_for(|reached| reached.steps > since)).await;
    let progress = reached.borrow().progress;
    let class = progress.class.map_or(CallerClass::Unverified.word(), CallerClass::word);
    vec![
        ("COUNTERSIGN_CALL", call.to_string()),
        ("COUNTERSIGN_QUEUE", queue.to_owned()),
        ("COUNTERSIGN_CLASS", class.to_owned()),
        ("COUNTERSIGN_AUTHENTICATION", progress.authentication.word().to_owned()),
    ]
}

async fn answer(answering: &mut Option<Answering>) -> Came {
    match answering {
        Some(answering) => answering.await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// What is asked, in ARI's words.
fn request(server: &Server, id: &str, ask: &Ask) -> Request {
    let settings = &server.shared.settings;
    match ask {
        Ask::Answer => Request::new("POST", &["channels", id, "answer"]),
        Ask::Play { prompt, playback } => Request::new("POST", &["channels", id, "play"])
            .with("media", format!("sound:{}{}", settings.sounds, prompt.id()))
            .with("playbackId", playback.clone()),
        Ask::Stop { playback } => Request::new("DELETE", &["playbacks", playback]),
        Ask::Set { name, value } => Request::new("POST", &["channels", id, "variable"])
            .with("variable", *name)
            .with("value", value.clone()),
        Ask::Continue => {
            let place = &settings.place;
            let mut request = Request::new("POST", &["channels", id, "continue"]);
            for (name, value) in [
                ("context", place.context.clone()),
                ("extension", place.extension.clone()),
                ("priority", place.priority.map(|priority| priority.to_string())),
            ] {
                if let Some(value) = value {
                    request = request.with(name, value);
                }
            }
            request
        }
        Ask::HangUp(cause) => {
            Request::new("DELETE", &["channels", id]).with("reason", reason(*cause))
        }
    }
}

/// ARI's word for a cause.
const fn reason(cause: Cause) -> &'static str {
    match cause.0 {
        17 => "busy",
        18 | 19 => "no_answer",
        21 => "rejected",
        31 => "normal_unspecified",
        34 | 42 => "congestion",
        38 | 41 => "failure",
        102 => "timeout",
        _ => "normal",
    }
}
