//! Requests about calls that another node has: events are sorted by node, the rest is passed on as it came.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use crate::api::error::ApiError;
use crate::api::events::WAIT_MAX;
use crate::api::intake::here;
use crate::model::digits::SecretText;
use crate::model::ids::NodeId;
use crate::platform::http::Platforms;
use crate::sessions::shared::PlatformKey;
use crate::wire::events::Answer;
use crate::wire::events::EVENTS_MAX;
use crate::wire::events::NoBatch;
use crate::wire::events::Rejected;
use crate::wire::relay::Rest;
use crate::wire::relay::RestTold;

/// The largest body that is passed on; routes of calls take no larger one.
const BODY_MAX: usize = 64 * 1024;
/// The largest answer that is passed back.
const ANSWER_MAX: usize = 512 * 1024;

/// Marks a request that another node has passed on: it is not passed on again. Nobody else can set it.
#[derive(Clone, Copy, Debug)]
pub struct PassedOn;

/// Where the events of a call go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// To this node.
    Here,
    /// To that one.
    At(NodeId),
    /// Its node is gone and nobody has taken the call over yet.
    Nowhere,
}

/// Knows the calls of other nodes.
#[async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    /// Whose a call is; one that begins with this event becomes ours, unless it is another's already.
    async fn place(&self, key: &PlatformKey, begins: bool) -> Place;
    /// Hands events to their node, in order; `None`: it does not answer.
    async fn forward(&self, node: &NodeId, events: Vec<Value>) -> Option<Answer>;
    /// Has a request about a call answered by its node; `None`: the call is no other node's.
    async fn rest(&self, named: &str, rest: Rest, wait: Duration) -> Option<Response>;
}

/// The other nodes, where there are any.
pub type Others = Option<Arc<dyn Elsewhere>>;

/// Passes a request on whose path or body names a call of another node.
pub async fn pass_on(
    State(others): State<Others>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let others = others.filter(|_| request.extensions().get::<PassedOn>().is_none());
    let Some(others) = others else { return next.run(request).await };
    let in_path = params.iter().next().map(|(_, named)| named.to_owned());
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return ApiError::bad("unreadable_body", "the body is too large or was cut off")
            .into_response();
    };
    let named = in_path.or_else(|| platform_call(&body));
    if let (Some(named), Ok(text)) = (named, String::from_utf8(body.to_vec())) {
        let rest = Rest {
            method: head.method.to_string(),
            path_and_query: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            authorization: text_of(&head.headers, &header::AUTHORIZATION).map(SecretText::new),
            content_type: text_of(&head.headers, &header::CONTENT_TYPE),
            body: SecretText::new(text),
        };
        if let Some(response) = others.rest(&named, rest, WAIT_MAX).await {
            return response;
        }
    }
    next.run(Request::from_parts(head, Body::from(body))).await
}

/// Answers a request that another node has passed on.
pub async fn answer(router: Router, rest: Rest) -> Option<RestTold> {
    let mut request = Request::builder()
        .method(rest.method.as_str())
        .uri(&rest.path_and_query)
        .extension(PassedOn);
    if let Some(token) = &rest.authorization {
        request = request.header(header::AUTHORIZATION, token.expose());
    }
    if let Some(kind) = &rest.content_type {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let request = request.body(Body::from(rest.body.expose().to_owned())).ok()?;
    let Ok(response) = TowerToHyperService::new(router).call(request).await;
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_MAX).await.ok()?;
    Some(RestTold {
        status: head.status.as_u16(),
        content_type: text_of(&head.headers, &header::CONTENT_TYPE),
        body: String::from_utf8(body.to_vec()).ok()?,
    })
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The platform's call that a body names (`POST /v1/outbound`).
fn platform_call(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("platform_call_id").and_then(Value::as_str).map(str::to_owned)
}

/// The events of one node, `None`: this one, each with its place in the request.
type Part = (Option<NodeId>, Vec<(usize, Value)>);

/// Sends each event to the node that has its call. What goes to one node keeps its order.
pub(crate) async fn routed(
    platforms: &Platforms,
    elsewhere: &dyn Elsewhere,
    body: Value,
) -> Result<Answer, NoBatch> {
    let events = match body {
        Value::Array(events) if events.len() <= EVENTS_MAX => events,
        Value::Array(_) => return Err(NoBatch::TooMany),
        one @ Value::Object(_) => vec![one],
        _ => return Err(NoBatch::Form),
    };
    let mut answer = Answer { accepted: 0, out_of_order: 0, calls: vec![], rejected: vec![] };
    let mut parts: Vec<Part> = vec![];
    let mut begun = BTreeMap::new();
    for (index, event) in events.into_iter().enumerate() {
        let place = place_of(&event, elsewhere, &mut begun).await;
        let to = match place {
            Place::Here => None,
            Place::At(node) => Some(node),
            Place::Nowhere => {
                answer.rejected.push(nowhere(index, &event));
                continue;
            }
        };
        match parts.iter_mut().find(|(node, _)| *node == to) {
            Some((_, events)) => events.push((index, event)),
            None => parts.push((to, vec![(index, event)])),
        }
    }
    let parts = parts.into_iter().map(|(node, events)| part(platforms, elsewhere, node, events));
    for mut part in futures_util::future::join_all(parts).await {
        answer.accepted += part.accepted;
        answer.out_of_order += part.out_of_order;
        answer.calls.append(&mut part.calls);
        answer.rejected.append(&mut part.rejected);
    }
    answer.rejected.sort_by_key(|rejected| rejected.index);
    Ok(answer)
}

/// Where an event goes; one that cannot be read is refused here. A call that begins in this request is
/// where its beginning went.
async fn place_of(
    event: &Value,
    elsewhere: &dyn Elsewhere,
    begun: &mut BTreeMap<(String, String), Place>,
) -> Place {
    let text = |field: &str| event.get(field).and_then(Value::as_str);
    let (Some(call), Some(platform)) = (text("call_id"), text("platform")) else {
        return Place::Here;
    };
    let names = (platform.to_owned(), call.to_owned());
    if let Some(known) = begun.get(&names) {
        return known.clone();
    }
    let (Ok(platform), Ok(call)) = (platform.parse(), call.parse()) else { return Place::Here };
    let begins = text("type") == Some("delivered");
    let place = elsewhere.place(&PlatformKey { platform, call }, begins).await;
    begun.insert(names, place.clone());
    place
}

async fn part(
    platforms: &Platforms,
    elsewhere: &dyn Elsewhere,
    node: Option<NodeId>,
    events: Vec<(usize, Value)>,
) -> Answer {
    let (places, events): (Vec<usize>, Vec<Value>) = events.into_iter().unzip();
    let ids: Vec<_> = events.iter().map(event_id).collect();
    let answer = match node {
        None => here(platforms, Value::Array(events)).await.ok(),
        Some(node) => elsewhere.forward(&node, events).await,
    };
    let rejected = |index: usize, event_id: Option<String>| Rejected {
        index,
        event_id,
        code: "unavailable",
        message: ELSEWHERE.to_owned(),
    };
    let Some(mut answer) = answer else {
        let rejected = places.iter().zip(ids).map(|(place, id)| rejected(*place, id)).collect();
        return Answer { accepted: 0, out_of_order: 0, calls: vec![], rejected };
    };
    for rejected in &mut answer.rejected {
        rejected.index = places.get(rejected.index).copied().unwrap_or(rejected.index);
    }
    answer
}

const ELSEWHERE: &str = "the node that has this call does not answer; send the event again in a few seconds, with the same event_id";

fn nowhere(index: usize, event: &Value) -> Rejected {
    let (event_id, message) = (event_id(event), ELSEWHERE.to_owned());
    Rejected { index, event_id, code: "unavailable", message }
}

fn event_id(event: &Value) -> Option<String> {
    event.get("event_id").and_then(Value::as_str).map(str::to_owned)
}
