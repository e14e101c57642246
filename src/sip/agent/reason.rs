//! The Reason header (RFC 3326) with a cause of Q.850.

use crate::sip::message::Headers;
use crate::sip::message::Params;

pub(super) fn q850(cause: u16) -> String {
    format!("Q.850;cause={cause}")
}

/// The Q.850 cause, among whatever other reasons a peer gives.
pub(super) fn cause(headers: &Headers) -> Option<u16> {
    headers.list("Reason").into_iter().find_map(|reason| {
        let (protocol, params) = reason.split_once(';')?;
        let named = protocol.trim().eq_ignore_ascii_case("Q.850");
        let params = Params::parse(params).ok().filter(|_| named)?;
        params.value("cause")?.parse().ok().filter(|cause| (1..128).contains(cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_among_others() {
        let mut headers = Headers::new();
        headers
            .push("Reason", "SIP ;cause=200 ;text=\"Call, done\", q.850 ; cause=17;text=\"busy\"");
        assert_eq!(cause(&headers), Some(17));
        headers.set("Reason", q850(16));
        assert_eq!(cause(&headers), Some(16));
        headers.set("Reason", "Q.850;cause=9999");
        assert_eq!(cause(&headers), None);
    }
}
