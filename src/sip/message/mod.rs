//! SIP messages: read from a datagram, written to bytes (RFC 3261, sections 7 and 25).
//!
//! Reading is tolerant where everyday peers are sloppy (compact names, folding, bare line feeds)
//! and strict where two readings are possible: who is calling must not depend on who is reading.

mod error;
mod fields;
mod headers;
mod method;
mod name_addr;
mod params;
mod parse;
mod text;
mod uri;
mod via;
mod write;

use std::fmt;

pub use error::Malformed;
pub use error::ParseError;
pub use fields::CSeq;
pub use headers::Headers;
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use parse::DATAGRAM_LEN_MAX;
pub use parse::HEAD_LEN_MAX;
pub use parse::HEADER_LINES_MAX;
pub use parse::LINE_LEN_MAX;
pub use parse::parse;
pub use uri::Uri;
pub use via::Via;

/// A SIP message of either kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Asks for something.
    Request(Request),
    /// Answers a request.
    Response(Response),
}

/// A SIP request. After [`parse()`] its `Content-Length` is gone: the body knows its length.
#[derive(Clone, Eq, PartialEq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Whom it is asked of (Request-URI).
    pub uri: Uri,
    /// The header fields, in order.
    pub headers: Headers,
    /// The body, exactly as long as its sender said.
    pub body: Vec<u8>,
}

/// A SIP response. After [`parse()`] its `Content-Length` is gone: the body knows its length.
#[derive(Clone, Eq, PartialEq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// For people; may be empty.
    pub reason: String,
    /// The header fields, in order.
    pub headers: Headers,
    /// The body, exactly as long as its sender said.
    pub body: Vec<u8>,
}

impl Message {
    /// The header fields, of whichever kind the message is.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

/// Blind for the body: an INFO carries a keypad digit in it.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Blind for the body, like that of [`Request`].
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            .finish()
    }
}
