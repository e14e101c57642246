//! Turning an HTTP request into a WebSocket: what all doors have in common.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The 101 to a request for a WebSocket of version 13, with the subprotocol that was chosen; `None`: the
/// request is none.
#[must_use]
pub fn accepted(headers: &HeaderMap, protocol: Option<&'static str>) -> Option<Response> {
    let key = websocket_key(headers)?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Some(response)
}

/// Whether a list of header values holds a fitting one.
pub fn names(headers: &HeaderMap, list: header::HeaderName, fits: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(list);
    values
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|name| fits(name.trim()))
}

/// The client's key, if the request asks for a WebSocket of version 13.
fn websocket_key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let asks = names(headers, header::CONNECTION, |name| name.eq_ignore_ascii_case("upgrade"))
        && names(headers, header::UPGRADE, |name| name.eq_ignore_ascii_case("websocket"))
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| asks && key.len() == 24)
}
