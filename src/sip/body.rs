//! Finding the session description in a body, alone or among the parts of a gateway's letter.

use crate::sip::message::Headers;
use crate::sip::message::NameAddr;

/// What a body means to the session.
#[derive(Debug, Eq, PartialEq)]
pub enum Body<'a> {
    /// There is none.
    Empty,
    /// A session description.
    Description(&'a [u8]),
    /// Something that we cannot read: 415.
    Unknown,
}

impl<'a> Body<'a> {
    /// Reads the body by its Content-Type; a body without one is taken for a description.
    #[must_use]
    pub fn of(headers: &Headers, body: &'a [u8]) -> Self {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Self::Empty;
        }
        let kind = headers.get("Content-Type").unwrap_or("application/sdp");
        let main = kind.split(';').next().unwrap_or_default().trim();
        if main.eq_ignore_ascii_case("application/sdp") {
            return Self::Description(body);
        }
        if !main.to_ascii_lowercase().starts_with("multipart/") {
            return Self::Unknown;
        }
        boundary(kind)
            .and_then(|boundary| part(body, &boundary))
            .map_or(Self::Unknown, Self::Description)
    }
}

fn boundary(kind: &str) -> Option<String> {
    // The parameters of a media type follow the same grammar as those of an address.
    let params = kind.split_once(';')?.1;
    let address = NameAddr::parse(&format!("<sip:x>;{params}")).ok()?;
    address.params.value("boundary").map(str::to_owned)
}

fn part<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut starts = find_all(body, mark.as_bytes());
    let mut at = starts.next()?;
    for next in starts {
        let piece = body.get(at + mark.len()..next)?;
        if let Some(description) = description(piece) {
            return Some(description);
        }
        at = next;
    }
    None
}

fn description(piece: &[u8]) -> Option<&[u8]> {
    let (end, gap) = [(&b"\r\n\r\n"[..], 4), (&b"\n\n"[..], 2)]
        .into_iter()
        .find_map(|(blank, gap)| find_all(piece, blank).next().map(|end| (end, gap)))?;
    let head = String::from_utf8_lossy(piece.get(..end)?).to_ascii_lowercase();
    let named = |line: &str| {
        let Some((name, value)) = line.split_once(':') else { return false };
        matches!(name.trim(), "content-type" | "c") && value.trim().starts_with("application/sdp")
    };
    head.lines().any(named).then(|| piece.get(end + gap..)).flatten()
}

fn find_all<'a>(text: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> {
    let found = text.windows(what.len().max(1)).enumerate();
    found.filter(move |(_, window)| *window == what).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push("c", kind);
        headers
    }

    #[test]
    fn a_plain_description_is_itself() {
        assert_eq!(Body::of(&Headers::new(), b"v=0"), Body::Description(b"v=0"));
        assert_eq!(Body::of(&headers("Application/SDP;x=y"), b"v=0"), Body::Description(b"v=0"));
        assert_eq!(Body::of(&headers("application/sdp"), b"\r\n"), Body::Empty);
        assert_eq!(Body::of(&headers("text/plain"), b"hi"), Body::Unknown);
    }

    #[test]
    fn it_is_found_beside_isup() {
        let body = b"--b 1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b 1\r\nC: application/sdp\r\n\r\nv=0\r\n--b 1--\r\n";
        let kind = headers("multipart/mixed; boundary=\"b 1\"");
        assert_eq!(Body::of(&kind, body), Body::Description(b"v=0\r\n"));
        assert_eq!(Body::of(&headers("multipart/mixed"), body), Body::Unknown);
    }
}
