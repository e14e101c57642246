//! One datagram to one message: framing, unfolding, limits, and what every message must have.
//!
//! Each byte of the head is looked at a fixed number of times, so the cost grows with the length
//! alone. A fault does not end the reading: a 400 needs the header fields behind it as well.

use crate::sip::message::Headers;
use crate::sip::message::Message;
use crate::sip::message::Method;
use crate::sip::message::NameAddr;
use crate::sip::message::ParseError;
use crate::sip::message::Request;
use crate::sip::message::Response;
use crate::sip::message::Uri;
use crate::sip::message::Via;
use crate::sip::message::text;
use crate::sip::message::text::decimal;

/// Bytes of a datagram; a longer one is dropped.
pub const DATAGRAM_LEN_MAX: usize = 64 * 1024;
/// Bytes up to and including the empty line.
pub const HEAD_LEN_MAX: usize = 16 * 1024;
/// Bytes of the start line, or of a header line once it is unfolded.
pub const LINE_LEN_MAX: usize = 8 * 1024;
/// Header lines, once they are unfolded.
pub const HEADER_LINES_MAX: usize = 128;

/// Fields of which there is one; a second one that says otherwise is an attack or a bug.
const SINGLE: [(&str, &str); 6] = [
    ("Content-Length", "Conflicting Content-Length"),
    ("Call-ID", "Conflicting Call-ID"),
    ("CSeq", "Conflicting CSeq"),
    ("From", "Conflicting From"),
    ("To", "Conflicting To"),
    ("Max-Forwards", "Conflicting Max-Forwards"),
];

/// Reads the one message in a datagram. What follows its body is cut off.
pub fn parse(datagram: &[u8]) -> Result<Message, ParseError> {
    if datagram.len() > DATAGRAM_LEN_MAX {
        return Err(ParseError::Drop { reason: "datagram too long" });
    }
    let Some(start) = datagram.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
        return Err(ParseError::Drop { reason: "keep-alive" });
    };
    let head = Head::read(datagram.get(start..).unwrap_or_default());
    let first = text::decode(head.first);
    let first = first.trim_end_matches(text::LWS);
    if first.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/")) {
        response(first, head).map(Message::Response).map_err(|reason| ParseError::Drop { reason })
    } else {
        request(first, head).map(Message::Request)
    }
}

/// Why a message is not accepted, and how a request of that kind is answered.
#[derive(Clone, Copy)]
struct Fault {
    status: u16,
    reason: &'static str,
}

impl Fault {
    const TOO_LARGE: Self = Self { status: 513, reason: "Message Too Large" };
    const VERSION: Self = Self { status: 505, reason: "Version Not Supported" };

    fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

fn request(first: &str, head: Head) -> Result<Request, ParseError> {
    let Some((method, uri, version)) = request_line(first) else {
        return Err(ParseError::Drop { reason: "not SIP" });
    };
    match check_request(method, uri, version, &head) {
        Ok((method, uri, body)) => {
            Ok(Request { method, uri, headers: head.into_headers(), body: body.to_vec() })
        }
        // An ACK is never answered, and without a Via nobody would know the answer.
        Err(fault) if method == "ACK" || head.headers.via_top().is_err() => {
            Err(ParseError::Drop { reason: fault.reason })
        }
        Err(Fault { status, reason }) => {
            Err(ParseError::Bad { status, reason, headers: head.into_headers() })
        }
    }
}

/// The three parts of a request line, if the last one names SIP.
fn request_line(line: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (uri, protocol) = rest.rsplit_once(' ')?;
    let (name, version) = protocol.split_once('/')?;
    name.eq_ignore_ascii_case("SIP").then_some((method, uri, version))
}

fn check_request<'a>(
    method: &str,
    uri: &str,
    version: &str,
    head: &Head<'a>,
) -> Result<(Method, Uri, &'a [u8]), Fault> {
    if version != "2.0" {
        return Err(Fault::VERSION);
    }
    if let Some(fault) = head.fault {
        return Err(fault);
    }
    let method = Method::parse(method).ok_or(Fault::bad("Bad Method"))?;
    let uri = Uri::parse(uri).map_err(|_| Fault::bad("Bad Request-URI"))?;
    check_fields(&head.headers).map_err(Fault::bad)?;
    let headers = &head.headers;
    if headers.cseq().is_ok_and(|cseq| cseq.method != method) {
        return Err(Fault::bad("CSeq Names Another Method"));
    }
    if headers.get("Max-Forwards").is_some() && headers.max_forwards().is_none() {
        return Err(Fault::bad("Bad Max-Forwards"));
    }
    if headers
        .elements("Contact")
        .any(|contact| contact != "*" && NameAddr::parse(contact).is_err())
    {
        return Err(Fault::bad("Bad Contact"));
    }
    let body = head.body().map_err(Fault::bad)?;
    Ok((method, uri, body))
}

fn response(first: &str, head: Head) -> Result<Response, &'static str> {
    let (version, rest) = first.split_once(' ').ok_or("not SIP")?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Fault::VERSION.reason);
    }
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = Some(status).filter(|status| status.len() == 3).and_then(decimal);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (100..700).contains(status)).ok_or("Bad Status")?;
    if let Some(fault) = head.fault {
        return Err(fault.reason);
    }
    check_fields(&head.headers)?;
    let body = head.body()?.to_vec();
    let reason = text::one_line(reason).into_owned();
    Ok(Response { status, reason, headers: head.into_headers(), body })
}

/// What requests and responses alike must have to belong to a transaction.
fn check_fields(headers: &Headers) -> Result<(), &'static str> {
    for (name, conflict) in SINGLE {
        let mut values = headers.all(name);
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(conflict);
        }
    }
    let mut vias = headers.elements("Via").map(Via::parse).peekable();
    if vias.peek().is_none() || vias.any(|via| via.is_err()) {
        return Err("Bad Via");
    }
    headers.from().map_err(|_| "Bad From")?;
    headers.to().map_err(|_| "Bad To")?;
    headers.cseq().map_err(|_| "Bad CSeq")?;
    match headers.call_id() {
        Some(id) if !id.contains(|c: char| c.is_whitespace() || c.is_control()) => Ok(()),
        _ => Err("Bad Call-ID"),
    }
}

/// A message taken apart, not yet judged.
struct Head<'a> {
    first: &'a [u8],
    headers: Headers,
    /// All that follows the empty line.
    rest: &'a [u8],
    fault: Option<Fault>,
}

impl<'a> Head<'a> {
    /// Reads up to the empty line, the end of the bytes or a limit; notes the first fault.
    fn read(message: &'a [u8]) -> Self {
        let mut head = Self { first: message, headers: Headers::new(), rest: message, fault: None };
        match head.take_line() {
            Some(first) => head.first = first,
            None => head.blame(Fault::bad("Header Not Ended")),
        }
        if head.first.len() > LINE_LEN_MAX {
            head.blame(Fault::TOO_LARGE);
        }
        let mut open_line = Vec::new();
        while head.fault.is_none_or(|fault| fault.status == 400) {
            let line = head.take_line();
            if message.len() - head.rest.len() > HEAD_LEN_MAX {
                head.blame_size();
                break;
            }
            match line {
                None => {
                    head.blame(Fault::bad("Header Not Ended"));
                    break;
                }
                Some([]) => break,
                Some(folded @ [b' ' | b'\t', ..]) if !open_line.is_empty() => {
                    open_line.push(b' ');
                    open_line.extend_from_slice(folded.trim_ascii());
                }
                Some([b' ' | b'\t', ..]) => head.blame(Fault::bad("Folded Start Line")),
                Some(line) => {
                    head.close_line(&open_line);
                    open_line.clear();
                    open_line.extend_from_slice(line);
                }
            }
        }
        head.close_line(&open_line);
        head
    }

    /// Takes the next line off `rest`; `None` if no line end is left.
    fn take_line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Takes in a header line that is complete. Only its value may be other than UTF-8.
    fn close_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        if line.len() > LINE_LEN_MAX || self.headers.len() >= HEADER_LINES_MAX {
            self.blame_size();
            return;
        }
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
        let name =
            name.map(|name| name.trim_end_matches(text::LWS)).filter(|name| text::is_token(name));
        match (name, parts.next()) {
            (Some(name), Some(value)) => self.headers.push(name, text::decode(value)),
            _ => self.blame(Fault::bad("Bad Header Line")),
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// A limit ends the reading, so it outweighs whatever was found before it.
    fn blame_size(&mut self) {
        self.fault = Some(Fault::TOO_LARGE);
    }

    /// The body: as long as the sender says, or all there is if he does not say (UDP only).
    fn body(&self) -> Result<&'a [u8], &'static str> {
        let Some(length) = self.headers.get("Content-Length") else { return Ok(self.rest) };
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("Bad Content-Length");
        }
        let length = length.parse().unwrap_or(usize::MAX);
        self.rest.get(..length).ok_or("Content-Length Beyond Datagram")
    }

    fn into_headers(mut self) -> Headers {
        self.headers.remove("Content-Length");
        self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::DATAGRAM_LEN_MAX;
    use super::HEAD_LEN_MAX;
    use super::HEADER_LINES_MAX;
    use super::LINE_LEN_MAX;
    use super::parse;
    use crate::sip::message::Message;
    use crate::sip::message::ParseError;

    /// Five lines: the least a request may have.
    const FIELDS: &str = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
                          Call-ID: i\r\nCSeq: 1 OPTIONS\r\n";

    fn options(more_lines: &str, body: &str) -> Vec<u8> {
        format!("OPTIONS sip:c@d SIP/2.0\r\n{FIELDS}{more_lines}\r\n{body}").into_bytes()
    }

    #[track_caller]
    fn accepted(datagram: &[u8]) -> Message {
        parse(datagram).expect("a message")
    }

    #[track_caller]
    fn refused(datagram: &[u8], expected: u16) {
        match parse(datagram) {
            Err(ParseError::Bad { status, headers, .. }) => {
                assert_eq!(status, expected);
                assert_eq!(headers.call_id(), Some("i"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn dropped(datagram: &[u8], expected: &str) {
        assert_eq!(parse(datagram), Err(ParseError::Drop { reason: Box::leak(expected.into()) }));
    }

    #[test]
    fn a_datagram_at_the_limit_and_one_byte_beyond() {
        let padding = DATAGRAM_LEN_MAX - options("", "").len();
        accepted(&options("", &"x".repeat(padding)));
        dropped(&options("", &"x".repeat(padding + 1)), "datagram too long");
    }

    #[test]
    fn a_head_at_the_limit_and_one_byte_beyond() {
        let half = format!("X: {}\r\n", "x".repeat(HEAD_LEN_MAX / 2 - 200));
        let padding = HEAD_LEN_MAX - options(&format!("{half}{half}X: \r\n"), "").len();
        let lines = |padding| format!("{half}{half}X: {}\r\n", "x".repeat(padding));
        accepted(&options(&lines(padding), "body"));
        refused(&options(&lines(padding + 1), "body"), 513);
    }

    #[test]
    fn a_line_at_the_limit_and_one_byte_beyond() {
        let line = |length: usize| format!("X:{}\r\n", "x".repeat(length - 2));
        accepted(&options(&line(LINE_LEN_MAX), ""));
        refused(&options(&line(LINE_LEN_MAX + 1), ""), 513);
        let folded = |length: usize| format!("X:{}\r\n   y\r\n", "x".repeat(length - 4));
        accepted(&options(&folded(LINE_LEN_MAX), ""));
        refused(&options(&folded(LINE_LEN_MAX + 1), ""), 513);
    }

    #[test]
    fn header_lines_at_the_limit_and_one_beyond() {
        let lines = |count: usize| "X: y\r\n".repeat(count);
        accepted(&options(&lines(HEADER_LINES_MAX - 5), ""));
        refused(&options(&lines(HEADER_LINES_MAX - 4), ""), 513);
    }

    #[test]
    fn a_start_line_at_the_limit_and_one_byte_beyond() {
        let request = |length: usize| {
            let user = "u".repeat(length - "OPTIONS sip:@d SIP/2.0".len());
            format!("OPTIONS sip:{user}@d SIP/2.0\r\n{FIELDS}\r\n").into_bytes()
        };
        accepted(&request(LINE_LEN_MAX));
        // Where the start line is too long, nothing behind it is read: nobody to answer.
        dropped(&request(LINE_LEN_MAX + 1), "Message Too Large");
    }

    #[test]
    fn nothing_to_answer() {
        dropped(b"", "keep-alive");
        dropped(b"\r\n\r\n", "keep-alive");
        dropped(b"GET / HTTP/1.1\r\n\r\n", "not SIP");
        dropped(b"\x80\x12\x34\x56\0\0\0\0", "not SIP");
        dropped(b"OPTIONS sip:c@d SIP/2.0\r\nTo: <sip:c@d>\r\n\r\n", "Bad Via");
        let ack = String::from_utf8(options("X\r\n", "")).unwrap().replace("OPTIONS", "ACK");
        dropped(ack.as_bytes(), "Bad Header Line");
        dropped(format!("SIP/2.0 700 Far\r\n{FIELDS}\r\n").as_bytes(), "Bad Status");
        dropped(format!("SIP/2.0 0200 OK\r\n{FIELDS}\r\n").as_bytes(), "Bad Status");
        dropped(format!("SIP/2.1 200 OK\r\n{FIELDS}\r\n").as_bytes(), "Version Not Supported");
        dropped(
            format!("SIP/2.0 200 OK\r\n{FIELDS}l: 1\r\n\r\n").as_bytes(),
            "Content-Length Beyond Datagram",
        );
    }

    #[test]
    fn a_fault_does_not_hide_the_fields_behind_it() {
        for line in [
            "no colon",
            "two words: x",
            "N\u{e4}me: x",
            ": x",
            "Max-Forwards: x",
            "Max-Forwards: 256",
        ] {
            refused(format!("OPTIONS sip:c@d SIP/2.0\r\n{line}\r\n{FIELDS}\r\n").as_bytes(), 400);
        }
        refused(format!("OPTIONS sip:c@d SIP/2.0\r\n folded\r\n{FIELDS}\r\n").as_bytes(), 400);
        refused(format!("OPTIONS sip:c@d SIP/2.0\r\n{FIELDS}").as_bytes(), 400);
        refused(format!("OPTIONS sip:c@d SIP/3.0\r\n{FIELDS}\r\n").as_bytes(), 505);
        refused(&options("Via: SIP/2.0/UDP b;;c\r\n", ""), 400);
        refused(format!("OP,IONS sip:c@d SIP/2.0\r\n{FIELDS}\r\n").as_bytes(), 400);
    }

    #[test]
    fn the_body_is_as_long_as_its_sender_says() {
        for (line, body) in
            [("", "123"), ("l: 2\r\n", "12"), ("Content-Length : 003\r\n", "123"), ("l:0\r\n", "")]
        {
            let Message::Request(request) = accepted(&options(line, "123")) else {
                panic!("a request")
            };
            assert_eq!(request.body, body.as_bytes());
            assert_eq!(request.headers.get("Content-Length"), None);
        }
        for length in ["4", "-1", "+1", "x", "", "1 1", "0x1", "99999999999999999999999"] {
            refused(&options(&format!("Content-Length: {length}\r\n"), "123"), 400);
        }
        accepted(&options("l: 3\r\nContent-Length: 3\r\n", "123"));
        refused(&options("l: 3\r\nContent-Length: 2\r\n", "123"), 400);
    }
}
