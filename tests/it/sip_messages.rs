//! SIP messages as peers really send them, as RFC 4475 twists them, and as chance mutilates them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use countersign::sip::message::Message;
use countersign::sip::message::Method;
use countersign::sip::message::NameAddr;
use countersign::sip::message::ParseError;
use countersign::sip::message::Request;
use countersign::sip::message::Response;
use countersign::sip::message::Via;
use countersign::sip::message::parse;
use proptest::prelude::*;
use rsip::prelude::HeadersExt;
use rsip::prelude::UntypedHeader;

const INVITE: &str = "\
INVITE sip:+442079460100@ivr.example;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport
Max-Forwards: 70
From: \"Alice\" <sip:+442079460123@gw.example>;tag=a1
To: <sip:+442079460100@ivr.example>
Call-ID: c1@192.0.2.1
CSeq: 1 INVITE
Contact: <sip:+442079460123@192.0.2.1:5060>
Content-Type: application/sdp
Subject: pension
Content-Length: 5

v=0
";

const RINGING: &str = "\
SIP/2.0 180 Ringing
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport
From: <sip:+442079460123@gw.example>;tag=a1
To: <sip:+442079460100@ivr.example>;tag=b2
Call-ID: c1@192.0.2.1
CSeq: 1 INVITE
Content-Length: 0

";

const VIA: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport";
const FROM: &str = "From: \"Alice\" <sip:+442079460123@gw.example>;tag=a1";
const CONTACT: &str = "Contact: <sip:+442079460123@192.0.2.1:5060>";

#[test]
#[rustfmt::skip]
fn sip_9_who_is_calling_in_every_way_peers_write_it() {
    let from = |line: &str, expected: &str| reads(line, &changed(FROM, line), from, expected);
    from("f: <sip:a@b>;tag=a1", "- sip:a@b a1");
    from("From: \"Alice\"\n <sip:a@b>\n\t;tag=a1", "Alice sip:a@b a1");
    from("From : <sip:a@b>;tag=a1", "- sip:a@b a1");
    from("From: <sip:a@b> ; tag = a1", "- sip:a@b a1");
    from("From: <tel:+442079460123>;tag=a1", "- tel:+442079460123 a1");
    from("From: \"<sip:vip@bank>;tag=forged\" <sip:mallory@evil>;tag=a1", "<sip:vip@bank>;tag=forged sip:mallory@evil a1");
    from("From: \"Doe, Jo\" <sip:a@b>;tag=a1", "Doe, Jo sip:a@b a1");
    from("From: \"a\\\" <sip:vip@bank>\" <sip:m@evil>;tag=a1", "a\" <sip:vip@bank> sip:m@evil a1");
    from("From: \"Zoë Müller\" <sip:a@b>;tag=a1", "Zoë Müller sip:a@b a1");
    from("From: sip:a@b;tag=a1", "- sip:a@b a1");
    from("From: Call Centre <sip:a@b>;tag=a1", "Call Centre sip:a@b a1");
    from("From: <sip:a@b>;TAG=a1", "- sip:a@b a1");
    from("From: <sip:a@b>;x=\";tag=forged;\";tag=a1", "- sip:a@b a1");
    from("From: <SIP:a@b>;tag=a1", "- SIP:a@b a1");
    from("From: <sip:a@host_1.b>;tag=a1", "- sip:a@host_1.b a1");
    from("From: <sip:a:word@b>;tag=a1", "- sip:a:word@b a1");
    from("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1", "Anonymous sip:anonymous@anonymous.invalid a1");
    from("From: <sip:gw.example>;tag=a1", "- sip:gw.example a1");
    from("From: <sip:0123;phone-context=+44@gw.example>;tag=a1", "- sip:0123;phone-context=+44@gw.example a1");
}

#[test]
#[rustfmt::skip]
fn sip_9_the_way_back_in_every_way_peers_write_it() {
    let via = |line: &str, expected: &str| reads(line, &changed(VIA, line), vias, expected);
    via("v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "UDP 192.0.2.1 z9hG4bK1");
    via("Via: SIP/2.0/UDP a;branch=z9hG4bK1,SIP/2.0/TCP b;branch=z9hG4bK2", "UDP a z9hG4bK1, TCP b z9hG4bK2");
    via("Via: SIP/2.0/UDP a;branch=z9hG4bK1\nv: SIP/2.0/TCP b;branch=z9hG4bK2", "UDP a z9hG4bK1, TCP b z9hG4bK2");
    via("Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1", "UDP 2001:db8::1 z9hG4bK1");
    via("Via: SIP / 2.0 / UDP 192.0.2.1;branch=z9hG4bK1", "UDP 192.0.2.1 z9hG4bK1");
    via("Via: SIP/2.0/UDP 192.0.2.1;BRANCH=z9hG4bK1", "UDP 192.0.2.1 z9hG4bK1");
    via("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%41", "UDP 192.0.2.1 z9hG4bK%41");
    via("Via: SIP/2.0/TLS-SCTP 192.0.2.1;branch=z9hG4bK1", "TLS-SCTP 192.0.2.1 z9hG4bK1");
}

#[test]
#[rustfmt::skip]
fn sip_9_where_to_reach_the_peer_is_kept_byte_for_byte() {
    let contact = |line: &str, expected: &str| reads(line, &changed(CONTACT, line), contact, expected);
    contact("m: <sip:a@b>", "sip:a@b");
    contact("Contact: <sip:a@[2001:db8::1]:5060>", "sip:a@[2001:db8::1]:5060");
    contact("Contact: <sip:%2B44@b>", "sip:%2B44@b");
    contact("Contact: <sip:%23123@b>", "sip:%23123@b");
    contact("Contact: <sip:a@b;transport=tcp;ob>", "sip:a@b;transport=tcp;ob");
    contact("Contact: <sip:a@b>;+sip.instance=\"<urn:uuid:1,2>\"", "sip:a@b");

    let routes = changed("Subject: pension", "Route: <sip:p1;lr>, <sip:p2,x;lr>\nRoute: <sip:p3;lr>");
    reads("route list", &routes, |message| message.headers().list("Route").join(" | "), "<sip:p1;lr> | <sip:p2,x;lr> | <sip:p3;lr>");
}

#[test]
#[rustfmt::skip]
fn sip_9_start_lines() {
    let first = |line: &str, expected: &str| reads(line, &changed("INVITE sip:+442079460100@ivr.example;user=phone SIP/2.0", line), start, expected);
    first("INVITE tel:+442079460100 SIP/2.0", "INVITE tel:+442079460100");
    first("INVITE sip:a@b sip/2.0", "INVITE sip:a@b");
    first("INVITE sip:0123;phone-context=+44@b SIP/2.0", "INVITE sip:0123;phone-context=+44@b");

    let to = changed("To: <sip:+442079460100@ivr.example>", "To: <urn:service:sos>");
    reads("To a URN", &to, |message| message.headers().to().unwrap().uri.scheme().to_owned(), "urn");
    // Answered 405 or 501 by those who know what is allowed.
    for name in ["FOO", "invite"] {
        let wire = wire(&INVITE.replace("INVITE", name));
        reads(name, &wire, |message| match message {
            Message::Request(Request { method: Method::Other(name), .. }) => name.clone(),
            other => panic!("{other:?}"),
        }, name);
    }

    let first = |line: &str, expected: &str| reads(line, &wire(&RINGING.replace("SIP/2.0 180 Ringing", line)), start, expected);
    first("SIP/2.0 480 Äh, nobody: (maybe) \"later\"", "480 Äh, nobody: (maybe) \"later\"");
    first("SIP/2.0 200", "200 ");
    first("SIP/2.0 200 ", "200 ");
    first("SIP/2.0 677 Custom", "677 Custom");
    first("sip/2.0 180 Ringing", "180 Ringing");
}

#[test]
fn sip_9_framing() {
    let body = |name: &str, wire: &[u8], expected: &str| reads(name, wire, body, expected);
    body("no Content-Length", &changed("Content-Length: 5\n", ""), "v=0\r\n");
    body("a Content-Length below the datagram", &changed("Content-Length: 5", "l: 3"), "v=0");
    body("space before colon", &changed("Content-Length: 5", "Content-Length  : 5"), "v=0\r\n");
    let bare = INVITE.replace("Content-Length: 5", "Content-Length: 4");
    body("bare line feeds", bare.as_bytes(), "v=0\n");
    body("line ends before the message", &[b"\r\n\r\n", &*wire(INVITE)].concat(), "v=0\r\n");

    let subject = |name: &str, line: &str, expected: &str| {
        let look = |message: &Message| message.headers().get("s").unwrap_or("gone").to_owned();
        reads(name, &changed("Subject: pension", line), look, expected);
    };
    subject("empty value", "Subject:", "");
    subject("folded empty value", "Subject:\n  \n pension", "pension");
}

#[test]
fn sip_9_latin_1_costs_neither_the_call_nor_the_lines_behind() {
    let latin_1 = |line: &str, replacement: &[u8]| {
        let text = wire(INVITE);
        let at = text.windows(line.len()).position(|window| window == line.as_bytes()).unwrap();
        [text.get(..at).unwrap(), replacement, text.get(at + line.len()..).unwrap()].concat()
    };
    let name = latin_1("\"Alice\"", b"\"M\xFCller\"");
    reads("name", &name, from, "Müller sip:+442079460123@gw.example a1");
    let other = latin_1("Max-Forwards: 70", b"X-Ort: Z\xFCrich\xFF");
    reads(
        "other line",
        &other,
        |message| message.headers().get("X-Ort").unwrap().to_owned(),
        "Zürichÿ",
    );
}

#[test]
fn a_header_line_cannot_be_smuggled_through() {
    let wire = changed("Subject: pension", "Subject: a\rP-Asserted-Identity: <sip:vip@bank>");
    let Ok(message) = parse(&wire) else { panic!("a message") };
    assert_eq!(message.headers().get("P-Asserted-Identity"), None);
    let written = String::from_utf8(message.to_bytes()).unwrap();
    assert!(!written.contains("\rP-Asserted"), "{written}");
}

#[test]
fn no_debug_output_shows_a_digit_or_a_name() {
    let info = changed("v=0", "Signal=4");
    let shown = format!("{:?}", parse(&info).unwrap());
    for secret in ["Signal", "Alice", "20794601"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

// --- after RFC 4475, in our own words ---

/// A torture message: written with bare line feeds and `{07}` for a byte nobody can see.
macro_rules! torture {
    ($name:literal) => {
        ($name, torture_wire(include_str!(concat!("../data/sip/torture/", $name, ".sip"))))
    };
}

#[test]
#[rustfmt::skip]
fn rfc_4475_valid_messages_are_read_as_meant() {
    let read = |(name, wire): (&str, Vec<u8>), look: Look, expected: &str| {
        let message = parse(&wire).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(look(&message), expected, "{name}");
        assert_eq!(parse(&message.to_bytes()).as_ref(), Ok(&message), "{name}");
    };
    read(torture!("wsinv"), from, "Jo \\\" sip:jo@home.example 88bb");
    read(torture!("wsinv"), |m| m.headers().to_tag().unwrap(), "77aa");
    read(torture!("wsinv"), vias, "UDP 192.0.2.40 old1, TCP core.example z9hG4bKws2, UDP 192.0.2.41 z9hG4bKws3");
    read(torture!("wsinv"), |m| m.headers().get("x-new").unwrap().to_owned(), "one two three");
    read(torture!("wsinv"), |m| format!("{} {:?}", m.headers().cseq().unwrap(), m.headers().max_forwards()), "21 INVITE Some(42)");
    read(torture!("wsinv"), |m| m.headers().contact().unwrap().params.value("last").unwrap_or("bare").to_owned(), "bare");
    read(torture!("intmeth"), start, "!odd-Method0189_*+`.%works'~ sip:7_unusual.user~(and-so!on)&that's+it$/wow?,/;;*:&pa+ss=1,wo*rd$~_(long)@gw.example");
    read(torture!("intmeth"), from, "word1~` word2'+_ word3*%!.- sip:plain@gw.example _t~1'+`*%!-.");
    read(torture!("intmeth"), |m| m.headers().to().unwrap().display.unwrap(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    read(torture!("esc01"), user, "sips:agent@desk.example");
    read(torture!("escnull"), |m| m.headers().from().unwrap().uri.user_decoded().unwrap(), "nul-\0-nul");
    read(torture!("lwsdisp"), from, "caller sip:caller@desk.example l0");
    read(torture!("dblreq"), |m| m.headers().call_id().unwrap().to_owned() + &body(m), "dbl.first@192.0.2.45");
    read(torture!("semiuri"), user, "user;ext=7@gw.example");
    read(torture!("unkscm"), start, "OPTIONS unheardOfScheme:whatever,it/means");
    read(torture!("unkscm"), |m| m.headers().to().unwrap().uri.scheme().to_owned(), "isbn");
}

#[test]
fn rfc_4475_invalid_messages_are_refused() {
    let invalid = [
        (torture!("badcontact"), "400 Bad Contact"),
        (torture!("clerr"), "400 Content-Length Beyond Datagram"),
        (torture!("ncl"), "400 Bad Content-Length"),
        (torture!("scalar02"), "400 Bad CSeq"),
        (torture!("ltgtruri"), "400 Bad Request-URI"),
        (torture!("lwsruri"), "400 Bad Request-URI"),
        (torture!("lwsstart"), "400 Bad Request-URI"),
        (torture!("quotbal"), "400 Bad To"),
        (torture!("baddn"), "400 Bad From"),
        (torture!("twotags"), "400 Bad From"),
        (torture!("badvers"), "505 Version Not Supported"),
        (torture!("mismatch01"), "400 CSeq Names Another Method"),
        (torture!("mismatch02"), "400 CSeq Names Another Method"),
        (torture!("insuf"), "400 Bad From"),
        (torture!("multi01"), "400 Conflicting Call-ID"),
        (torture!("mcl01"), "400 Conflicting Content-Length"),
        // Nobody can be answered.
        (torture!("badinv"), "dropped Bad Via"),
        (torture!("scalarlg"), "dropped Bad CSeq"),
    ];
    for ((name, wire), expected) in invalid {
        let outcome = match parse(&wire) {
            Ok(_) => "accepted".to_owned(),
            Err(ParseError::Bad { status, reason, headers }) => {
                assert!(headers.via_top().is_ok(), "{name}");
                format!("{status} {reason}")
            }
            Err(ParseError::Drop { reason }) => format!("dropped {reason}"),
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

// --- properties ---

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_bring_the_parser_down(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survives(&bytes)?;
    }

    #[test]
    fn no_header_line_brings_the_parser_down(line in "[A-Za-z]{1,7}[ :]{1,2}[ -~\r\n\t]{0,80}") {
        survives(&changed("Subject: pension", &line))?;
    }

    #[test]
    fn no_mutation_brings_the_parser_down(
        seed in any::<prop::sample::Index>(),
        mutations in proptest::collection::vec(any_mutation(), 1..6),
    ) {
        let seeds = seeds();
        let mut bytes = seed.get(&seeds).clone();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        survives(&bytes)?;
    }

    /// What rsip 0.4.0 accepts among everyday messages, it and we understand alike.
    #[test]
    fn we_and_rsip_agree_on_everyday_messages(text in any_everyday_message()) {
        let ours = parse(text.as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let Ok(theirs) = rsip::SipMessage::try_from(text.as_bytes()) else {
            return Err(TestCaseError::reject("rsip refuses it"));
        };
        prop_assert_eq!(summary(&ours), summary_of_rsip(&theirs), "{}", text);
    }
}

/// Whatever is accepted can be looked at, and reads the same after it was written.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let message = match parse(bytes) {
        Ok(message) => message,
        Err(ParseError::Drop { .. }) => return Ok(()),
        Err(ParseError::Bad { headers, .. }) => {
            prop_assert!(headers.via_top().is_ok());
            return Ok(());
        }
    };
    for (name, value) in message.headers().iter() {
        prop_assert!(!value.contains(['\r', '\n']), "{name}");
        if let Ok(address) = NameAddr::parse(value) {
            prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
        }
        if let Ok(via) = Via::parse(value) {
            prop_assert_eq!(Via::parse(&via.to_string()), Ok(via));
        }
    }
    prop_assert_eq!(parse(&message.to_bytes()), Ok(message));
    Ok(())
}

#[derive(Clone, Debug)]
enum Mutation {
    Overwrite(prop::sample::Index, u8),
    Insert(prop::sample::Index, &'static str),
    Delete(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        let span = |at: usize, length: usize, whole: usize| at..(at + length).min(whole);
        let whole = bytes.len();
        match self {
            Self::Overwrite(at, byte) if whole > 0 => bytes[at.index(whole)] = byte,
            Self::Insert(at, text) => {
                let at = at.index(whole + 1);
                bytes.splice(at..at, text.bytes());
            }
            Self::Delete(at, length) if whole > 0 => {
                bytes.drain(span(at.index(whole), length, whole));
            }
            Self::Repeat(at, length) if whole > 0 => {
                bytes.extend_from_within(span(at.index(whole), length, whole));
            }
            Self::Overwrite(..) | Self::Delete(..) | Self::Repeat(..) => {}
        }
    }
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    let morsels = [
        "\"", "<", ">", ";", ",", "\r\n", "\n ", "\\", "@", ":", "%", "=", "\0", "é", "[", "]",
        "?", " ",
    ];
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Overwrite(at, byte)),
        (at(), prop::sample::select(morsels.to_vec()))
            .prop_map(|(at, text)| Mutation::Insert(at, text)),
        (at(), 1..60_usize).prop_map(|(at, length)| Mutation::Delete(at, length)),
        (at(), 1..60_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let torture = [
        torture!("wsinv"),
        torture!("intmeth"),
        torture!("esc01"),
        torture!("semiuri"),
        torture!("lwsdisp"),
    ];
    let torture = torture.into_iter().map(|(_, wire)| wire);
    [wire(INVITE), wire(RINGING)].into_iter().chain(torture).collect()
}

fn any_everyday_message() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "REGISTER",
    ]);
    let status =
        prop::option::of(prop::sample::select(vec![100_u16, 180, 200, 302, 404, 486, 503]));
    let address = || {
        let display = prop::option::of("\"[A-Za-z ]{1,12}\" ").prop_map(Option::unwrap_or_default);
        let tag = prop::option::of(";tag=[a-z0-9.-]{1,12}").prop_map(Option::unwrap_or_default);
        (display, "[a-z0-9]{1,12}@[a-z]{1,8}(\\.[a-z]{2,5})?", tag)
            .prop_map(|(display, at, tag)| format!("{display}<sip:{at}>{tag}"))
    };
    let target =
        "sip:[a-z0-9+]{1,12}@([a-z]{1,9}\\.example|192\\.0\\.2\\.[1-9])(:506[0-9])?(;user=phone)?";
    let ids = (
        "z9hG4bK[a-zA-Z0-9]{1,12}",
        "[a-zA-Z0-9-]{1,20}(@[a-z0-9.]{1,12})?",
        0..2_147_483_647_u32,
        0..=70_u8,
    );
    (method, status, target, address(), address(), ids, "[ -~]{0,40}").prop_map(
        |(method, status, target, from, to, (branch, call_id, number, hops), body)| {
            let first = match status {
                Some(status) => format!("SIP/2.0 {status} Reason"),
                None => format!("{method} {target} SIP/2.0"),
            };
            format!(
                "{first}\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch={branch}\r\nMax-Forwards: {hops}\r\n\
                 From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        },
    )
}

/// What both parsers are asked for.
#[derive(Debug, PartialEq)]
struct Summary {
    first: String,
    user_and_host: Option<(Option<String>, String)>,
    call_id: String,
    cseq: String,
    branch: Option<String>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    body: Vec<u8>,
}

fn summary(message: &Message) -> Summary {
    let headers = message.headers();
    let (first, user_and_host, body) = match message {
        Message::Request(Request { method, uri, body, .. }) => {
            (method.to_string(), Some((uri.user().map(str::to_owned), uri.host().to_owned())), body)
        }
        Message::Response(Response { status, body, .. }) => (status.to_string(), None, body),
    };
    Summary {
        first,
        user_and_host,
        call_id: headers.call_id().unwrap().to_owned(),
        cseq: headers.cseq().unwrap().to_string(),
        branch: headers.via_top().unwrap().branch().map(str::to_owned),
        from_tag: headers.from_tag(),
        to_tag: headers.to_tag(),
        body: body.clone(),
    }
}

fn summary_of_rsip(message: &rsip::SipMessage) -> Summary {
    let (first, user_and_host, body) = match message {
        rsip::SipMessage::Request(request) => {
            let user = request.uri.user().map(str::to_owned);
            (
                request.method.to_string(),
                Some((user, request.uri.host().to_string())),
                &request.body,
            )
        }
        rsip::SipMessage::Response(response) => {
            (u16::from(response.status_code.clone()).to_string(), None, &response.body)
        }
    };
    let cseq = message.cseq_header().unwrap();
    let tag = |tag: Option<rsip::param::Tag>| tag.map(|tag| tag.to_string());
    Summary {
        first,
        user_and_host,
        call_id: message.call_id_header().unwrap().value().to_owned(),
        cseq: format!("{} {}", cseq.seq().unwrap(), cseq.method().unwrap()),
        branch: message.transaction_id().unwrap().map(|branch| branch.to_string()),
        from_tag: tag(message.from_header().unwrap().tag().unwrap()),
        to_tag: tag(message.to_header().unwrap().tag().unwrap()),
        body: body.clone(),
    }
}

// --- tools ---

type Look = fn(&Message) -> String;

/// The message is accepted, `look` finds what is expected, nothing behind is lost, and it reads
/// the same after it was written.
#[track_caller]
fn reads(name: &str, wire: &[u8], look: impl Fn(&Message) -> String, expected: &str) {
    let message = parse(wire).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(look(&message), expected, "{name}");
    assert_eq!(message.headers().call_id(), Some("c1@192.0.2.1"), "{name}");
    assert_eq!(parse(&message.to_bytes()).as_ref(), Ok(&message), "{name}");
}

fn start(message: &Message) -> String {
    match message {
        Message::Request(Request { method, uri, .. }) => format!("{method} {uri}"),
        Message::Response(Response { status, reason, .. }) => format!("{status} {reason}"),
    }
}

fn user(message: &Message) -> String {
    let Message::Request(Request { uri, .. }) = message else { panic!("a request") };
    uri.user_decoded().unwrap()
}

fn from(message: &Message) -> String {
    let from = message.headers().from().unwrap();
    let display = from.display.as_deref().unwrap_or("-");
    format!("{display} {} {}", from.uri, from.tag().unwrap_or("-"))
}

fn contact(message: &Message) -> String {
    message.headers().contact().unwrap().uri.to_string()
}

fn vias(message: &Message) -> String {
    let vias = message.headers().list("Via").into_iter().map(|via| Via::parse(via).unwrap());
    let vias = vias.map(|via| format!("{} {} {}", via.transport, via.host, via.branch().unwrap()));
    vias.collect::<Vec<_>>().join(", ")
}

fn body(message: &Message) -> String {
    let (Message::Request(Request { body, .. }) | Message::Response(Response { body, .. })) =
        message;
    String::from_utf8(body.clone()).unwrap()
}

fn changed(line: &str, replacement: &str) -> Vec<u8> {
    assert!(INVITE.contains(line), "{line}");
    wire(&INVITE.replacen(line, replacement, 1))
}

fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn torture_wire(text: &str) -> Vec<u8> {
    wire(&text.replace("{00}", "\0").replace("{07}", "\u{7}").replace("{7F}", "\u{7f}"))
}
