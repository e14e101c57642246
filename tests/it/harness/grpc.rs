//! A client of `countersign.v1.CallEvents`, as protoc would generate it for an integrator.

use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Request;
use tonic::Status;
use tonic::Streaming;
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::MetadataValue;
use tonic::transport::Certificate;
use tonic::transport::Channel;
use tonic::transport::ClientTlsConfig;
use tonic::transport::Endpoint;

use crate::harness::Daemon;
use crate::harness::PATIENCE;

/// The generated messages and client.
pub(crate) mod proto {
    #![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/clients/countersign.v1.rs"));
}

use proto::CallEvent;
use proto::EventAnswer;
use proto::call_events_client::CallEventsClient;

/// A connection to a daemon, and the token it is used with.
pub(crate) struct Client {
    runtime: Runtime,
    channel: Channel,
    token: String,
}

/// An open `Exchange`.
pub(crate) struct Exchange<'a> {
    client: &'a Client,
    events: mpsc::Sender<CallEvent>,
    answers: Streaming<EventAnswer>,
}

impl Client {
    pub(crate) fn new(daemon: &Daemon) -> Self {
        Self::with(daemon, &daemon.token("platform", "pbx"))
    }

    pub(crate) fn with(daemon: &Daemon, token: &str) -> Self {
        let address = daemon.grpc.expect("the daemon serves gRPC");
        let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
        Self::of(&endpoint, token)
    }

    pub(crate) fn over_tls(daemon: &Daemon, token: &str, ca: Certificate) -> Self {
        let address = daemon.grpc.expect("the daemon serves gRPC");
        let endpoint = Channel::from_shared(format!("https://{address}")).expect("an address");
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        Self::of(&endpoint.tls_config(tls).expect("a CA"), token)
    }

    fn of(endpoint: &Endpoint, token: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Self { runtime, channel, token: token.to_owned() }
    }

    /// The generated client.
    pub(crate) fn events(&self) -> CallEventsClient<Channel> {
        CallEventsClient::new(self.channel.clone())
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request with the token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if !self.token.is_empty() {
            let bearer = MetadataValue::try_from(format!("Bearer {}", self.token));
            request.metadata_mut().insert("authorization", bearer.expect("a header"));
        }
        request
    }

    /// Waits for something of this client's.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(PATIENCE, what).await.expect("an answer in time") })
    }

    /// Whether nothing comes of it for so long.
    pub(crate) fn silent<T>(&self, what: impl Future<Output = T>, time: Duration) -> bool {
        self.runtime.block_on(async { timeout(time, what).await.is_err() })
    }

    pub(crate) fn one(&self, event: CallEvent) -> Result<EventAnswer, Status> {
        let answer = self.wait(self.events().publish_one(self.request(event)));
        answer.map(tonic::Response::into_inner)
    }

    /// Opens an exchange.
    pub(crate) fn exchange(&self) -> Exchange<'_> {
        let (events, sent) = mpsc::channel(64);
        let answers = self.wait(self.events().exchange(self.request(stream(sent))));
        let answers = answers.expect("the stream is opened").into_inner();
        Exchange { client: self, events, answers }
    }
}

impl Exchange<'_> {
    pub(crate) fn send(&self, event: CallEvent) {
        self.client.wait(self.events.send(event)).expect("the stream is open");
    }

    pub(crate) fn next(&mut self) -> Option<EventAnswer> {
        self.client.wait(self.answers.message()).expect("the stream goes on")
    }

    /// The next one, none at the end, or why there is no more.
    pub(crate) fn next_or_end(&mut self) -> Result<Option<EventAnswer>, Status> {
        self.client.wait(self.answers.message())
    }

    /// Sends an event and waits for its answer; what else the daemon says is passed over.
    pub(crate) fn ask(&mut self, event: CallEvent) -> EventAnswer {
        let id = event.event_id.clone();
        self.send(event);
        loop {
            let answer = self.next().expect("an answer to each event");
            if answer.event_id == id {
                return answer;
            }
        }
    }
}

/// What a channel brings, as a stream.
pub(crate) fn stream<T: Send>(mut from: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send {
    futures_util::stream::poll_fn(move |context| from.poll_recv(context))
}

/// An event that was written for HTTP.
pub(crate) fn event(json: &Value) -> CallEvent {
    let text = |name: &str| match &json[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let number = |name: &str| json[name].as_u64().and_then(|number| u32::try_from(number).ok());
    CallEvent {
        event_id: text("event_id"),
        call_id: text("call_id"),
        at: json["at"].as_str().and_then(|at| at.parse().ok()),
        platform: text("platform"),
        r#type: text("type"),
        direction: text("direction"),
        ani: text("ani"),
        cli: text("cli"),
        dnis: text("dnis"),
        attestation: text("attestation"),
        verstat: text("verstat"),
        trunk: text("trunk"),
        intent: text("intent"),
        customer_id: text("customer_id"),
        queue: text("queue"),
        collects: text("collects"),
        digit: text("digit"),
        duration_ms: number("duration_ms"),
        directive: number("directive"),
        agent: text("agent"),
        to_agent: text("to_agent"),
        to_queue: text("to_queue"),
        warm: json["warm"].as_bool(),
        cause: text("cause"),
    }
}
