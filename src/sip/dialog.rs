//! A dialog as the called side holds it: who it is with, and how requests within it look.

use std::net::IpAddr;
use std::net::SocketAddr;

use crate::sip::message::CSeq;
use crate::sip::message::Headers;
use crate::sip::message::Malformed;
use crate::sip::message::Method;
use crate::sip::message::NameAddr;
use crate::sip::message::Request;
use crate::sip::message::Uri;

/// What a request of a dialog is recognised by (RFC 3261, section 12).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty for a peer of RFC 2543.
    pub remote_tag: String,
}

/// A dialog that the peer's INVITE began.
#[derive(Debug)]
pub struct Dialog {
    /// Its name.
    pub id: DialogId,
    local: String,
    remote: String,
    local_number: u32,
    remote_number: u32,
    route: Vec<String>,
    target: Uri,
}

/// How a request's number stands to those already seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Newer; a gap is no error.
    Fresh,
    /// The same number once more.
    Same,
    /// Overtaken by a later one: 500.
    Stale,
}

impl DialogId {
    /// The dialog that a request of the peer names, if it names one.
    #[must_use]
    pub fn of_request(headers: &Headers) -> Option<Self> {
        Some(Self {
            call_id: headers.call_id()?.to_owned(),
            local_tag: headers.to_tag()?,
            remote_tag: headers.from_tag().unwrap_or_default(),
        })
    }
}

impl Dialog {
    /// The dialog that an INVITE begins, once it is answered under our tag.
    pub fn begin(invite: &Request, local_tag: &str) -> Result<Self, Malformed> {
        let headers = &invite.headers;
        let id = DialogId {
            call_id: headers.call_id().ok_or(Malformed("Call-ID"))?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: headers.from_tag().unwrap_or_default(),
        };
        let to = headers.get("To").ok_or(Malformed("To"))?;
        Ok(Self {
            id,
            local: format!("{to};tag={local_tag}"),
            remote: headers.get("From").ok_or(Malformed("From"))?.to_owned(),
            local_number: 0,
            remote_number: headers.cseq()?.number,
            route: headers.list("Record-Route").into_iter().map(str::to_owned).collect(),
            target: headers.contact()?.uri,
        })
    }

    /// Takes note of a request's number.
    #[must_use]
    pub fn order(&mut self, number: u32) -> Order {
        match number.cmp(&self.remote_number) {
            std::cmp::Ordering::Less => Order::Stale,
            std::cmp::Ordering::Equal => Order::Same,
            std::cmp::Ordering::Greater => {
                self.remote_number = number;
                Order::Fresh
            }
        }
    }

    /// A re-INVITE or UPDATE may move the peer (target refresh).
    pub fn refresh(&mut self, headers: &Headers) {
        if let Ok(contact) = headers.contact() {
            self.target = contact.uri;
        }
    }

    /// The next request of ours, with all that the dialog prescribes; Via and the rest are missing.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_number += 1;
        let mut headers = Headers::new();
        headers.push("Max-Forwards", "70");
        let loose = self.first_hop().is_none_or(|hop| hop.param("lr").is_some());
        let mut uri = self.target.clone();
        let mut route = self.route.clone();
        if !loose && let Some(strict) = self.first_hop() {
            // A strict router wants itself in the Request-URI and the target behind all others.
            route.remove(0);
            route.push(format!("<{}>", self.target));
            uri = strict;
        }
        for hop in route {
            headers.push("Route", hop);
        }
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.id.call_id);
        let cseq = CSeq { number: self.local_number, method };
        headers.push("CSeq", cseq.to_string());
        Request { method: cseq.method, uri, headers, body: Vec::new() }
    }

    /// The number of the latest request of ours.
    #[must_use]
    pub fn local_number(&self) -> u32 {
        self.local_number
    }

    /// Our own address as the peer called it, without the tag.
    #[must_use]
    pub fn local_uri(&self) -> Option<Uri> {
        NameAddr::parse(&self.local).ok().map(|local| local.uri)
    }

    /// Where requests of ours go by the book, if it is written as an address
    /// that UDP reaches.
    #[must_use]
    pub fn next_hop(&self) -> Option<SocketAddr> {
        let hop = self.first_hop().unwrap_or_else(|| self.target.clone());
        let udp = |transport: &str| transport.eq_ignore_ascii_case("udp");
        let address: IpAddr = hop.host().parse().ok()?;
        let by_udp = hop.scheme() == "sip" && hop.param("transport").flatten().is_none_or(udp);
        by_udp.then(|| SocketAddr::new(address, hop.port().unwrap_or(5060)))
    }

    fn first_hop(&self) -> Option<Uri> {
        NameAddr::parse(self.route.first()?).ok().map(|hop| hop.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(record_route: &[&str]) -> Dialog {
        let mut headers = Headers::new();
        for line in record_route {
            headers.push("Record-Route", line);
        }
        headers.push("From", "\"Ann\" <sip:ann@far>;tag=far1");
        headers.push("To", "<sip:%2B4420@us>");
        headers.push("Call-ID", "call");
        headers.push("CSeq", "7 INVITE");
        headers.push("Contact", "<sip:ann%2Bx@192.0.2.1:5070;ob>");
        let uri = Uri::parse("sip:%2B4420@us").expect("uri");
        let invite = Request { method: Method::Invite, uri, headers, body: Vec::new() };
        Dialog::begin(&invite, "us1").expect("dialog")
    }

    fn routes(request: &Request) -> Vec<&str> {
        request.headers.list("Route")
    }

    #[test]
    fn sip_2_4_the_contact_is_echoed_byte_for_byte() {
        let mut dialog = dialog(&[]);
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:ann%2Bx@192.0.2.1:5070;ob");
        assert_eq!(bye.headers.get("From"), Some("<sip:%2B4420@us>;tag=us1"));
        assert_eq!(bye.headers.get("To"), Some("\"Ann\" <sip:ann@far>;tag=far1"));
        assert_eq!(bye.headers.get("CSeq"), Some("1 BYE"));
        assert_eq!(dialog.next_hop(), "192.0.2.1:5070".parse().ok());
    }

    #[test]
    fn sip_14_loose_routes_keep_the_order_of_record_route() {
        let mut dialog = dialog(&["<sip:p1;lr>, <sip:p2;lr>", "<sip:p3;lr=on>"]);
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:ann%2Bx@192.0.2.1:5070;ob");
        assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr=on>"]);
        assert_eq!(dialog.next_hop(), None);
    }

    #[test]
    fn sip_14_a_strict_router_stands_in_the_request_uri() {
        let mut dialog = dialog(&["<sip:198.51.100.1>", "<sip:p2;lr>"]);
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.as_str(), "sip:198.51.100.1");
        assert_eq!(routes(&bye), ["<sip:p2;lr>", "<sip:ann%2Bx@192.0.2.1:5070;ob>"]);
        assert_eq!(dialog.next_hop(), "198.51.100.1:5060".parse().ok());
    }

    #[test]
    fn sip_3_a_gap_in_cseq_is_no_error() {
        let mut dialog = dialog(&[]);
        assert_eq!(dialog.order(9), Order::Fresh);
        assert_eq!(dialog.order(9), Order::Same);
        assert_eq!(dialog.order(8), Order::Stale);
    }
}
