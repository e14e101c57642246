//! A dialog as the calling side holds it: how requests within it look.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::sip::message::CSeq;
use crate::sip::message::Headers;
use crate::sip::message::Malformed;
use crate::sip::message::Method;
use crate::sip::message::Request;
use crate::sip::message::Uri;

/// A dialog that our INVITE begins.
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    local: String,
    remote: String,
    number: u32,
    target: Uri,
    route: Vec<String>,
}

impl Dialog {
    /// The dialog to be. `local` is the From line without its tag.
    pub(super) fn new(call_id: String, local_tag: String, local: &str, target: Uri) -> Self {
        let local = format!("{local};tag={local_tag}");
        let remote = format!("<{target}>");
        Self { call_id, local_tag, local, remote, number: 0, target, route: vec![] }
    }

    /// The next request; Via and the rest are missing.
    pub(super) fn request(&mut self, method: Method) -> Request {
        self.number += 1;
        self.numbered(method, self.number)
    }

    /// A request with a number already used: ACK and CANCEL carry that of their INVITE.
    pub(super) fn numbered(&self, method: Method, number: u32) -> Request {
        let mut headers = Headers::new();
        headers.push("Max-Forwards", "70");
        for hop in &self.route {
            headers.push("Route", hop);
        }
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.call_id);
        let cseq = CSeq { number, method };
        headers.push("CSeq", cseq.to_string());
        Request { method: cseq.method, uri: self.target.clone(), headers, body: Vec::new() }
    }

    /// The 2xx to our INVITE says who answered, where, and by which way.
    pub(super) fn confirm(&mut self, ok: &Headers) -> Result<(), Malformed> {
        ok.get("To").ok_or(Malformed("To"))?.clone_into(&mut self.remote);
        let route = ok.list("Record-Route").into_iter().rev();
        self.route = route.map(str::to_owned).collect();
        self.target = ok.contact()?.uri;
        Ok(())
    }

    /// A re-INVITE or UPDATE may move the peer.
    pub(super) fn refresh(&mut self, headers: &Headers) {
        if let Ok(contact) = headers.contact() {
            self.target = contact.uri;
        }
    }

    /// Whether a request of the peer belongs here.
    pub(super) fn holds(&self, headers: &Headers) -> bool {
        headers.call_id() == Some(self.call_id.as_str())
            && headers.to_tag().as_deref() == Some(self.local_tag.as_str())
    }

    /// Where requests go by the book, if it is written as an address.
    pub(super) fn next_hop(&self) -> Option<SocketAddr> {
        let mut hops = Headers::new();
        hops.push(
            "Contact",
            self.route.first().map_or_else(|| format!("<{}>", self.target), Clone::clone),
        );
        let hop = hops.contact().ok()?.uri;
        let address: IpAddr = hop.host().parse().ok()?;
        Some(SocketAddr::new(address, hop.port().unwrap_or(5060)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_12_1_2_the_route_is_the_recorded_one_reversed() {
        let to = Uri::parse("sip:ivr@198.51.100.1").expect("a URI");
        let mut dialog = Dialog::new("id".into(), "us".into(), "<sip:me@here>", to);
        let invite = dialog.request(Method::Invite);
        assert_eq!(invite.headers.get("To"), Some("<sip:ivr@198.51.100.1>"));
        let mut ok = Headers::new();
        ok.push("To", "<sip:ivr@198.51.100.1>;tag=them");
        ok.push("Record-Route", "<sip:192.0.2.2:5070;lr>, <sip:192.0.2.1;lr>");
        ok.push("Contact", "<sip:a@203.0.113.9:5062>");
        dialog.confirm(&ok).expect("good");
        let bye = dialog.request(Method::Bye);
        let routes: Vec<&str> = bye.headers.all("Route").collect();
        assert_eq!(routes, ["<sip:192.0.2.1;lr>", "<sip:192.0.2.2:5070;lr>"]);
        assert_eq!(bye.uri.as_str(), "sip:a@203.0.113.9:5062");
        assert_eq!(bye.headers.get("CSeq"), Some("2 BYE"));
        assert_eq!(dialog.next_hop(), "192.0.2.1:5060".parse().ok());
    }
}
