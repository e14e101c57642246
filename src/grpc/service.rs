//! `countersign.v1.CallEvents`: who may call, and what each method does with the stream it was given.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::metadata::MetadataMap;

use crate::api::body::holder;
use crate::api::error::ApiError;
use crate::api::intake::Intake;
use crate::grpc::directives;
use crate::grpc::directives::Asks;
use crate::grpc::following::Following;
use crate::grpc::lanes::Done;
use crate::grpc::lanes::Lanes;
use crate::grpc::lanes::publish;
use crate::grpc::proto;
use crate::grpc::proto::call_events_server::CallEvents;
use crate::grpc::words;
use crate::model::ids::CallId;
use crate::model::time::Timestamp;
use crate::push::Doorkeeper;
use crate::wire::events::CallAnswer;
use crate::wire::identity::TokenRole;

/// Streams at once, over all connections.
const STREAMS_MAX: usize = 4096;
/// Answers on their way to a client that reads slowly; after that nothing more is taken from it.
const ANSWERS_LEN: usize = 64;
/// Calls, and events that were not taken, in the summary of a stream.
const LISTED_MAX: usize = 1000;

/// What the service is made of.
pub struct Parts {
    /// Where events go.
    pub intake: Intake,
    /// Checks bearer tokens.
    pub tokens: Arc<dyn Doorkeeper>,
    /// The calendar.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What runs beside the connections.
    pub tasks: TaskTracker,
    /// Cancelled when streams have to end.
    pub stop: CancellationToken,
}

/// The service. Cloning shares it.
#[derive(Clone)]
pub(super) struct Service {
    parts: Arc<Parts>,
    places: Arc<Semaphore>,
}

/// A stream that goes out.
pub(super) type Out<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), places: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }

    /// Whether the caller is a platform; how long its token is good for.
    async fn admit(&self, metadata: &MetadataMap) -> Result<Duration, Status> {
        let tokens = &*self.parts.tokens;
        let who = holder(tokens, metadata.as_ref(), &[TokenRole::Platform]).await;
        let who = who.map_err(status)?;
        Ok(who.expires_at.since((self.parts.clock)()))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(
                "too many streams are open here; end one, or try another node",
            )
        })
    }

    /// When a stream has to end, whatever its client does.
    fn ends(&self, good_for: Duration) -> impl Future<Output = Status> + Send + use<> {
        let stop = self.parts.stop.clone();
        async move {
            tokio::select! {
                () = stop.cancelled() => {
                    Status::unavailable("this node stops; begin again at another, or in a few seconds")
                }
                () = sleep(good_for) => {
                    Status::unauthenticated("the token has expired; begin again with a new one")
                }
            }
        }
    }
}

#[tonic::async_trait]
impl CallEvents for Service {
    type ExchangeStream = Out<proto::EventAnswer>;
    type DirectivesStream = Out<proto::CallAnswer>;

    async fn publish(
        &self,
        request: Request<Streaming<proto::CallEvent>>,
    ) -> Result<Response<proto::PublishAnswer>, Status> {
        let good_for = self.admit(request.metadata()).await?;
        let _place = self.place()?;
        let lanes = Lanes::new(self.parts.intake.clone());
        tokio::select! {
            biased;
            status = self.ends(good_for) => Err(status),
            summary = summary(request.into_inner(), lanes) => summary.map(Response::new),
        }
    }

    async fn exchange(
        &self,
        request: Request<Streaming<proto::CallEvent>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let good_for = self.admit(request.metadata()).await?;
        let place = self.place()?;
        let (told, answers) = mpsc::channel(ANSWERS_LEN);
        let (intake, ends) = (self.parts.intake.clone(), self.ends(good_for));
        self.parts.tasks.spawn(async move {
            let _place = place;
            let ended = tokio::select! {
                biased;
                status = ends => Err(status),
                ended = exchange(request.into_inner(), intake, &told) => ended,
            };
            last_word(ended, &told);
        });
        Ok(Response::new(out(answers)))
    }

    async fn publish_one(
        &self,
        request: Request<proto::CallEvent>,
    ) -> Result<Response<proto::EventAnswer>, Status> {
        self.admit(request.metadata()).await?;
        let event = request.into_inner();
        let event_id = event.event_id.clone();
        let mut answer = publish(&self.parts.intake, event).await;
        match answer.rejected.pop() {
            None => Ok(Response::new(words::answer(event_id, answer))),
            Some(rejected) => Err(match rejected.code {
                "no_such_call" => Status::not_found(rejected.message),
                "unavailable" => Status::unavailable(rejected.message),
                _ => Status::invalid_argument(rejected.message),
            }),
        }
    }

    async fn directives(
        &self,
        request: Request<proto::DirectivesRequest>,
    ) -> Result<Response<Self::DirectivesStream>, Status> {
        let good_for = self.admit(request.metadata()).await?;
        let place = self.place()?;
        let asks = Asks::new(&request)?;
        let (told, answers) = mpsc::channel(ANSWERS_LEN);
        let (intake, ends) = (self.parts.intake.clone(), self.ends(good_for));
        self.parts.tasks.spawn(async move {
            let _place = place;
            let ended = tokio::select! {
                biased;
                status = ends => Err(status),
                ended = directives::follow(&intake, asks, &told) => ended,
            };
            last_word(ended, &told);
        });
        Ok(Response::new(out(answers)))
    }
}

/// Takes a whole stream in.
async fn summary(
    mut events: Streaming<proto::CallEvent>,
    mut lanes: Lanes,
) -> Result<proto::PublishAnswer, Status> {
    let (mut summary, mut calls) = (proto::PublishAnswer::default(), Calls::default());
    let mut open = true;
    while open || !lanes.is_empty() {
        tokio::select! {
            biased;
            Some(done) = lanes.done(), if !lanes.is_empty() => note(done, &mut summary, &mut calls),
            event = events.message(), if open && !lanes.is_full() => match event? {
                Some(event) => lanes.take(event),
                None => open = false,
            }
        }
    }
    summary.calls = calls.by_time.into_values().map(words::call).collect();
    Ok(summary)
}

fn note(done: Done, summary: &mut proto::PublishAnswer, calls: &mut Calls) {
    let count = |number: &mut u32, more: usize| {
        *number = number.saturating_add(words::number(more));
    };
    count(&mut summary.accepted, done.answer.accepted);
    count(&mut summary.out_of_order, done.answer.out_of_order);
    count(&mut summary.rejected_count, done.answer.rejected.len());
    for call in &done.answer.calls {
        calls.heard(call.clone());
    }
    if summary.rejected.len() < LISTED_MAX {
        let rejected = words::answer(done.event_id, done.answer).rejected;
        summary
            .rejected
            .extend(rejected.map(|rejected| proto::Rejected { index: done.index, ..rejected }));
    }
}

/// Where the calls stand of which was heard last.
#[derive(Default)]
struct Calls {
    by_time: BTreeMap<u64, CallAnswer>,
    times: HashMap<CallId, u64>,
    heard: u64,
}

impl Calls {
    fn heard(&mut self, call: CallAnswer) {
        self.heard += 1;
        if let Some(before) = self.times.insert(call.call.clone(), self.heard) {
            self.by_time.remove(&before);
        }
        self.by_time.insert(self.heard, call);
        if self.by_time.len() > LISTED_MAX
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.times.remove(&oldest.call);
        }
    }
}

/// Answers each event, and says what calls want beyond that, until the client has no more to say.
async fn exchange(
    mut events: Streaming<proto::CallEvent>,
    intake: Intake,
    told: &mpsc::Sender<Result<proto::EventAnswer, Status>>,
) -> Result<(), Status> {
    let mut following = Following::new(Arc::clone(intake.platforms()));
    let mut lanes = Lanes::new(intake);
    let mut open = true;
    while open || !lanes.is_empty() {
        let answer = tokio::select! {
            biased;
            Some(done) = lanes.done(), if !lanes.is_empty() => {
                done.answer.calls.iter().for_each(|call| following.told(call));
                let mut answer = words::answer(done.event_id, done.answer);
                answer.rejected.iter_mut().for_each(|rejected| rejected.index = done.index);
                answer
            }
            Some(wanted) = following.next(), if !following.is_empty() => words::unasked(wanted),
            event = events.message(), if open && !lanes.is_full() => {
                match event? {
                    Some(event) => lanes.take(event),
                    None => open = false,
                }
                continue;
            }
        };
        // A client that has gone hears nothing, and sends again what was not answered.
        if told.send(Ok(answer)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Why a stream ended, where its client can still hear it.
fn last_word<T>(ended: Result<(), Status>, told: &mpsc::Sender<Result<T, Status>>) {
    if let Err(status) = ended {
        // A client that reads nothing finds the stream at its end.
        let _ = told.try_send(Err(status));
    }
}

fn out<T: Send + 'static>(mut answers: mpsc::Receiver<Result<T, Status>>) -> Out<T> {
    Box::pin(poll_fn(move |context| answers.poll_recv(context)))
}

/// An error of the HTTP side in the words of gRPC.
pub(super) fn status(error: ApiError) -> Status {
    let message = error.message.into_owned();
    match error.status {
        StatusCode::UNAUTHORIZED => Status::unauthenticated(message),
        StatusCode::FORBIDDEN => Status::permission_denied(message),
        StatusCode::NOT_FOUND => Status::not_found(message),
        StatusCode::SERVICE_UNAVAILABLE => Status::unavailable(message),
        _ => Status::invalid_argument(message),
    }
}
