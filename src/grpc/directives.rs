//! `CallEvents/Directives`: one call followed to its end, on whichever node it is.

use axum::http::Method;
use axum::http::StatusCode;
use tokio::sync::mpsc;
use tonic::Request;
use tonic::Status;

use crate::api::elsewhere::Elsewhere;
use crate::api::events::WAIT_MAX;
use crate::api::intake::Intake;
use crate::grpc::proto;
use crate::grpc::words;
use crate::model::digits::SecretText;
use crate::model::ids::PlatformCallId;
use crate::wire::directive::Order;
use crate::wire::events::CallAnswer;
use crate::wire::relay::Rest;

/// The largest answer of another node.
const ANSWER_MAX: usize = 64 * 1024;

/// What a client wants to follow.
pub(super) struct Asks {
    named: String,
    after: u64,
    token: Option<SecretText>,
}

impl Asks {
    pub(super) fn new(request: &Request<proto::DirectivesRequest>) -> Result<Self, Status> {
        let proto::DirectivesRequest { call_id, after } = request.get_ref();
        let unusable = |_| Status::invalid_argument("call_id is missing or no usable name");
        let named: PlatformCallId = call_id.parse().map_err(unusable)?;
        let token = request.metadata().get("authorization").and_then(|token| token.to_str().ok());
        Ok(Self {
            named: named.as_str().to_owned(),
            after: u64::from(*after),
            token: token.map(|token| SecretText::new(token.to_owned())),
        })
    }
}

/// Tells every new directive of the call.
pub(super) async fn follow(
    intake: &Intake,
    mut asks: Asks,
    told: &mpsc::Sender<Result<proto::CallAnswer, Status>>,
) -> Result<(), Status> {
    let mut known = false;
    loop {
        let wanted = tokio::select! {
            () = told.closed() => return Ok(()),
            wanted = next(intake, &asks) => wanted?,
        };
        let Some(wanted) = wanted else {
            let unknown = Status::not_found("no live call has this id");
            return if known { Ok(()) } else { Err(unknown) };
        };
        known = true;
        // Another node answers after a while even without news.
        if wanted.directive.version > asks.after {
            asks.after = wanted.directive.version;
            // Nothing is ordered after this.
            let last = matches!(wanted.directive.order, Order::HangUp(_));
            if told.send(Ok(words::call(wanted))).await.is_err() || last {
                return Ok(());
            }
        }
    }
}

/// What the call wants next; `None`: there is no such call (any more).
async fn next(intake: &Intake, asks: &Asks) -> Result<Option<CallAnswer>, Status> {
    if let Some(wanted) = intake.platforms().follow(&asks.named, asks.after).await {
        return Ok(Some(wanted));
    }
    match intake.others() {
        Some(others) => elsewhere(&**others, asks).await,
        None => Ok(None),
    }
}

async fn elsewhere(others: &dyn Elsewhere, asks: &Asks) -> Result<Option<CallAnswer>, Status> {
    let (named, wait_s) = (escaped(&asks.named), WAIT_MAX.as_secs());
    let rest = Rest {
        method: Method::GET.to_string(),
        path_and_query: format!("/v1/calls/{named}/directive?after={}&wait_s={wait_s}", asks.after),
        authorization: asks.token.clone(),
        content_type: None,
        body: SecretText::new(String::new()),
    };
    let Some(response) = others.rest(&asks.named, rest, WAIT_MAX).await else { return Ok(None) };
    let again = || Status::unavailable("the node that has this call does not answer; ask again");
    match response.status() {
        StatusCode::OK => {
            let body = axum::body::to_bytes(response.into_body(), ANSWER_MAX).await;
            serde_json::from_slice(&body.map_err(|_| again())?).map(Some).map_err(|_| again())
        }
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(again()),
    }
}

/// A name as part of a path.
fn escaped(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let hex =
                |half: u8| char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase();
            path.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_4_a_platforms_name_of_a_call_is_one_segment_of_a_path() {
        assert_eq!(escaped("a-1.b_2~C"), "a-1.b_2~C");
        assert_eq!(escaped("a/b?c#d é%"), "a%2Fb%3Fc%23d%20%C3%A9%25");
    }
}
