//! Message to bytes. Content-Length is always that of the body, whatever the header fields say.

use crate::sip::message::Headers;
use crate::sip::message::Message;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::message::text;

impl Message {
    /// The message as it goes out.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// The request as it goes out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let method = text::token_of(self.method.as_str());
        assemble(&format!("{method} {} SIP/2.0", self.uri), &self.headers, &self.body)
    }
}

impl Response {
    /// The response as it goes out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let first = format!("SIP/2.0 {:03} {}", self.status, text::one_line(&self.reason));
        assemble(&first, &self.headers, &self.body)
    }
}

fn assemble(first: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut head = String::with_capacity(1024);
    head.push_str(first);
    head.push_str("\r\n");
    for (name, value) in headers.iter() {
        if !name.eq_ignore_ascii_case("Content-Length") {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        }
    }
    for part in ["Content-Length: ", &body.len().to_string(), "\r\n\r\n"] {
        head.push_str(part);
    }
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use crate::sip::message::Headers;
    use crate::sip::message::Method;
    use crate::sip::message::Request;
    use crate::sip::message::Response;
    use crate::sip::message::Uri;

    #[test]
    fn a_request_carries_the_length_of_its_body() {
        let mut headers = Headers::new();
        headers.push("l", "99");
        headers.push("Subject", "");
        let uri = Uri::parse("sip:%2B44@b").unwrap();
        let info = Request { method: Method::Info, uri, headers, body: b"abc".to_vec() };
        let text = "INFO sip:%2B44@b SIP/2.0\r\nSubject: \r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(String::from_utf8_lossy(&info.to_bytes()), text);
    }

    #[test]
    fn nothing_adds_a_line_of_its_own() {
        let mut headers = Headers::new();
        headers.push("Warning", "399 x \"a\r\nVia: evil\"");
        let response =
            Response { status: 486, reason: "Busy\r\nVia: evil".into(), headers, body: vec![] };
        let text = "SIP/2.0 486 Busy  Via: evil\r\nWarning: 399 x \"a  Via: evil\"\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&response.to_bytes()), text);
    }
}
