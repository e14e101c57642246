//! How the INVITE looks: who calls, and what it can speak.

use std::net::SocketAddr;

use crate::sim::answering::ALLOW;
use crate::sim::phone::Setup;
use crate::sim::plan::FromLine;
use crate::sim::plan::KeyWay;
use crate::sip::message::Headers;

/// The header fields of the INVITE that are not the dialog's.
pub(super) fn add_headers(headers: &mut Headers, setup: &Setup) {
    let plan = &setup.plan;
    headers.push("Contact", format!("<sip:caller@{}>", setup.sip));
    headers.push("Allow", ALLOW);
    headers.push("Accept", "application/sdp");
    headers.push("User-Agent", concat!("countersign-caller/", env!("CARGO_PKG_VERSION")));
    headers.push("Content-Type", "application/sdp");
    for (name, value) in plan.headers.iter() {
        headers.push(name, value);
    }
    match &plan.from {
        FromLine::Anonymous => headers.push("Privacy", "id"),
        from if plan.assert_identity && headers.get("P-Asserted-Identity").is_none() => {
            headers.push("P-Asserted-Identity", format!("<{}>", from.uri(&setup.sip.to_string())));
        }
        FromLine::User(_) | FromLine::Address(_) => {}
    }
}

/// The From line without its tag.
pub(super) fn from_line(from: &FromLine, sip: SocketAddr) -> String {
    let uri = from.uri(&sip.to_string());
    match from {
        FromLine::Anonymous => format!("\"Anonymous\" <{uri}>"),
        FromLine::User(_) | FromLine::Address(_) => format!("<{uri}>"),
    }
}

/// Both laws, and telephone events under the plan's number.
pub(super) fn offer(setup: &Setup) -> Vec<u8> {
    let (ip, port) = (setup.rtp.ip(), setup.rtp.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let session = setup.beginning.ssrc >> 1;
    let event = setup.plan.telephone_event;
    let (number, map) = if setup.plan.way == KeyWay::InBand {
        (String::new(), String::new())
    } else {
        let map = format!("a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
        (format!(" {event}"), map)
    };
    format!(
        "v=0\r\no=- {session} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8{number}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         {map}a=ptime:20\r\na=sendrecv\r\n"
    )
    .into_bytes()
}
