//! Responses: what each of them copies from its request (RFC 3261, section 8.2.6).

use std::net::SocketAddr;

use crate::sip::message::CSeq;
use crate::sip::message::Headers;
use crate::sip::message::Malformed;
use crate::sip::message::Response;

/// The head that all responses to one request share, kept as long as one may be due.
#[derive(Clone, Debug)]
pub struct Reply {
    headers: Headers,
    record_route: Vec<String>,
    /// Where the request came from, and where its responses go.
    pub peer: SocketAddr,
}

impl Reply {
    /// Copies what responses need. Only a readable Via is indispensable: without it there is no way back.
    pub fn to_request(request: &Headers, peer: SocketAddr) -> Result<Self, Malformed> {
        let mut via = request.via_top()?;
        let address = peer.ip().to_canonical().to_string();
        if via.params.get("rport").is_some() {
            via.params.set("rport", Some(&peer.port().to_string()));
            via.params.set("received", Some(&address));
        } else if via.host != address {
            via.params.set("received", Some(&address));
        }
        let mut headers = Headers::new();
        headers.push("Via", via.to_string());
        for further in request.list("Via").into_iter().skip(1) {
            headers.push("Via", further);
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            if let Some(value) = request.get(name) {
                headers.push(name, value);
            }
        }
        let record_route = request.all("Record-Route").map(str::to_owned).collect();
        Ok(Self { headers, record_route, peer })
    }

    /// A response; all but 100 carry our tag, unless the request already did.
    #[must_use]
    pub fn respond(&self, status: u16, tag: &str) -> Response {
        let mut headers = self.headers.clone();
        let tagged = headers.to().is_ok_and(|to| to.params.get("tag").is_some());
        if status > 100
            && !tagged
            && let Some(to) = headers.get("To").map(str::to_owned)
        {
            headers.set("To", format!("{to};tag={tag}"));
        }
        Response { status, reason: phrase(status).to_owned(), headers, body: Vec::new() }
    }

    /// A response that forms or confirms a dialog: with the route that the INVITE recorded.
    #[must_use]
    pub fn respond_in_dialog(&self, status: u16, tag: &str, contact: &str) -> Response {
        let mut response = self.respond(status, tag);
        for route in &self.record_route {
            response.headers.push("Record-Route", route);
        }
        response.headers.push("Contact", contact);
        response
    }

    /// The number and method of the request.
    pub fn cseq(&self) -> Result<CSeq, Malformed> {
        self.headers.cseq()
    }

    /// What makes the request unlike any other, as text: for tags without memory. An INVITE and
    /// its CANCEL yield the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let part = |name| self.headers.get(name).unwrap_or_default();
        let number = self.cseq().map_or(0, |cseq| cseq.number);
        format!("{}\n{}\n{}\n{number}", part("Call-ID"), part("From"), part("Via"))
    }
}

/// The phrase of the RFCs for a status.
#[must_use]
pub fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        607 => "Unwanted",
        608 => "Rejected",
        _ => class(status),
    }
}

fn class(status: u16) -> &'static str {
    match status {
        ..200 => "Session Progress",
        200..300 => "OK",
        300..400 => "Redirected",
        400..500 => "Request Failure",
        500..600 => "Server Failure",
        600.. => "Global Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(via: &str) -> Reply {
        let mut headers = Headers::new();
        headers.push("v", via);
        headers.push("f", "<sip:a@b>;tag=1");
        headers.push("t", "sip:c@d");
        headers.push("i", "call");
        headers.push("CSeq", "1 INVITE");
        headers.push("Record-Route", "<sip:p;lr>");
        headers.push("Subject", "not copied");
        let peer = "192.0.2.1:5070".parse().expect("address");
        Reply::to_request(&headers, peer).expect("reply")
    }

    #[test]
    fn rfc_3581_the_top_via_says_where_we_saw_the_peer() {
        for (via, seen) in [
            ("SIP/2.0/UDP 192.0.2.1:5070;branch=x", "SIP/2.0/UDP 192.0.2.1:5070;branch=x"),
            ("SIP/2.0/UDP 10.0.0.9;branch=x", "SIP/2.0/UDP 10.0.0.9;branch=x;received=192.0.2.1"),
            (
                "SIP/2.0/UDP 10.0.0.9;rport;branch=x",
                "SIP/2.0/UDP 10.0.0.9;rport=5070;branch=x;received=192.0.2.1",
            ),
        ] {
            let response = reply(&format!("{via}, SIP/2.0/TCP far;branch=y")).respond(200, "t");
            let vias: Vec<&str> = response.headers.all("Via").collect();
            assert_eq!(vias, [seen, "SIP/2.0/TCP far;branch=y"]);
        }
    }

    #[test]
    fn sip_15_every_response_but_100_has_our_tag() {
        let reply = reply("SIP/2.0/UDP 192.0.2.1;branch=x");
        assert_eq!(reply.respond(100, "us").headers.get("To"), Some("sip:c@d"));
        assert_eq!(reply.respond(180, "us").headers.get("To"), Some("sip:c@d;tag=us"));
        let ok = reply.respond_in_dialog(200, "us", "<sip:us>");
        assert_eq!(ok.headers.get("Record-Route"), Some("<sip:p;lr>"));
        assert_eq!(ok.headers.get("Subject"), None);
    }
}
