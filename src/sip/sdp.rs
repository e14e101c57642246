//! Offer and answer (RFC 3264) for the one medium we speak: G.711 with telephone events.

use std::net::IpAddr;
use std::net::SocketAddr;

use sdp_types::Attribute;
use sdp_types::Connection;
use sdp_types::Media;
use sdp_types::Origin;
use sdp_types::RtpMap;
use sdp_types::Session;
use sdp_types::Time;

/// More streams than this in one offer are nobody's telephone.
const STREAMS_MAX: usize = 16;
/// What our own packets last; the peer may send other lengths.
const PTIME_MS: u32 = 20;
/// The payload type of telephone events where the offer is ours.
const OUR_EVENT_PAYLOAD: u8 = 101;
const CLOCK: u32 = 8000;

/// Which of the two G.711 companding laws.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Law {
    /// µ-law, static payload type 0.
    Pcmu,
    /// A-law, static payload type 8.
    Pcma,
}

/// A payload number and the law it stands for in this session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Payload {
    /// The RTP payload type.
    pub number: u8,
    /// What it carries.
    pub law: Law,
}

/// Who sends, seen from whoever wrote the description.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// The writer only sends (music on hold).
    SendOnly,
    /// The writer only listens.
    RecvOnly,
    /// Nobody.
    Inactive,
}

/// What a peer offers or answers: the first audio stream that we can speak.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaOffer {
    /// Where the peer wants its RTP; a first guess only, the latch decides.
    pub address: IpAddr,
    /// The port to that address.
    pub port: u16,
    /// The G.711 payloads in the peer's order; never empty.
    pub audio: Vec<Payload>,
    /// The payload type of telephone events, where there is one.
    pub telephone_event: Option<u8>,
    /// The clock of the telephone events, nearly always 8000.
    pub event_clock: u32,
    /// The packet length the peer asks for.
    pub ptime_ms: Option<u32>,
    /// Who sends, in the peer's words; `0.0.0.0` (RFC 2543 hold) reads as `SendOnly`.
    pub direction: Direction,
    streams: Vec<Stream>,
    chosen: usize,
}

/// A stream as offered: a refusal has to repeat it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Stream {
    media: String,
    proto: String,
    fmt: String,
}

/// Why an offer cannot be answered, sorted by the answer it gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description: 400.
    #[error("malformed session description")]
    Malformed,
    /// No audio stream that we speak: 488.
    #[error("no common audio format")]
    NotAcceptable,
}

/// Our side of a session; the version goes up with every description we send.
#[derive(Clone, Copy, Debug)]
pub struct LocalMedia {
    /// The session id of the `o=` line.
    pub session: u64,
    /// The version of the `o=` line.
    pub version: u64,
    /// Where we receive RTP.
    pub rtp: SocketAddr,
}

impl MediaOffer {
    /// Reads a description; `source` stands in for an address that is a host name.
    pub fn parse(body: &[u8], source: IpAddr) -> Result<Self, SdpError> {
        // A Latin-1 session name must not cost the call: only names can hold such bytes.
        let text = String::from_utf8_lossy(body);
        let session = Session::parse(text.as_bytes()).map_err(|_| SdpError::Malformed)?;
        if session.medias.len() > STREAMS_MAX {
            return Err(SdpError::NotAcceptable);
        }
        let usable = session.medias.iter().enumerate().find_map(|(at, media)| {
            let formats = Formats::of(media)?;
            Some((at, media, formats))
        });
        let (chosen, media, formats) = usable.ok_or(SdpError::NotAcceptable)?;
        let (address, on_hold) = address(&session, media, source);
        let direction = direction(&session, media);
        Ok(Self {
            address,
            port: media.port,
            audio: formats.audio,
            telephone_event: formats.event.map(|(number, _)| number),
            event_clock: formats.event.map_or(CLOCK, |(_, clock)| clock),
            ptime_ms: ptime(media),
            direction: if on_hold { direction.muted() } else { direction },
            streams: session.medias.iter().map(Stream::of).collect(),
            chosen,
        })
    }

    /// Whether the peer does not listen: our prompts would be lost.
    #[must_use]
    pub fn held(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::Inactive)
    }
}

impl LocalMedia {
    /// An offer of our own, for an INVITE that brought none.
    #[must_use]
    pub fn offer(&self) -> Vec<u8> {
        let laws = [Payload { number: 0, law: Law::Pcmu }, Payload { number: 8, law: Law::Pcma }];
        let event = Some((OUR_EVENT_PAYLOAD, CLOCK));
        self.write(vec![self.audio("RTP/AVP", &laws, event, Direction::SendRecv)])
    }

    /// The answer: the chosen stream with the offer's own numbers, every other one refused.
    #[must_use]
    pub fn answer(&self, offer: &MediaOffer) -> Vec<u8> {
        let event = offer.telephone_event.map(|number| (number, offer.event_clock));
        let streams = offer.streams.iter().enumerate().map(|(at, stream)| {
            if at == offer.chosen {
                self.audio(&stream.proto, &offer.audio, event, offer.direction.answered())
            } else {
                stream.refused()
            }
        });
        self.write(streams.collect())
    }

    fn audio(
        &self,
        proto: &str,
        laws: &[Payload],
        event: Option<(u8, u32)>,
        direction: Direction,
    ) -> Media {
        let mut numbers: Vec<String> = laws.iter().map(|law| law.number.to_string()).collect();
        let mut attributes: Vec<Attribute> = laws
            .iter()
            .map(|payload| {
                let name = payload.law.encoding();
                Attribute::with_value("rtpmap", format!("{} {name}/{CLOCK}", payload.number))
            })
            .collect();
        if let Some((number, clock)) = event {
            numbers.push(number.to_string());
            let map = format!("{number} telephone-event/{clock}");
            attributes.push(Attribute::with_value("rtpmap", map));
            attributes.push(Attribute::with_value("fmtp", format!("{number} 0-15")));
        }
        attributes.push(Attribute::with_value("ptime", PTIME_MS));
        attributes.push(Attribute::new(direction.word()));
        let stream =
            Stream { media: "audio".into(), proto: proto.to_owned(), fmt: numbers.join(" ") };
        stream.media(self.rtp.port(), attributes)
    }

    fn write(&self, medias: Vec<Media>) -> Vec<u8> {
        let address = self.rtp.ip();
        let origin = Origin::with_ip_addr(self.session, self.version, address);
        let mut session = Session::new(origin, "-");
        session.connection = Some(Connection::from_ip_addr(address));
        session.times = vec![Time::new(0, 0)];
        session.medias = medias;
        let mut text = Vec::new();
        // Writing into memory cannot fail.
        session.write(&mut text).ok();
        text
    }
}

impl Law {
    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    fn of(map: &RtpMap) -> Option<Self> {
        let mono = map.encoding_params.as_deref().is_none_or(|channels| channels == "1");
        if map.clock_rate != CLOCK || !mono {
            return None;
        }
        let named = |law: &Self| map.encoding_name.eq_ignore_ascii_case(law.encoding());
        [Self::Pcmu, Self::Pcma].into_iter().find(named)
    }
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What the other side answers.
    const fn answered(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// The same without the writer's ear.
    const fn muted(self) -> Self {
        match self {
            Self::SendRecv | Self::SendOnly => Self::SendOnly,
            Self::RecvOnly | Self::Inactive => Self::Inactive,
        }
    }
}

impl Stream {
    fn of(media: &Media) -> Self {
        Self { media: media.media.clone(), proto: media.proto.clone(), fmt: media.fmt.clone() }
    }

    fn refused(&self) -> Media {
        self.clone().media(0, Vec::new())
    }

    fn media(self, port: u16, attributes: Vec<Attribute>) -> Media {
        Media {
            media: self.media,
            port,
            num_ports: None,
            proto: self.proto,
            fmt: self.fmt,
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes,
        }
    }
}

/// The formats of one stream that we can speak.
struct Formats {
    audio: Vec<Payload>,
    event: Option<(u8, u32)>,
}

impl Formats {
    fn of(media: &Media) -> Option<Self> {
        let plain = ["RTP/AVP", "RTP/AVPF"].iter().any(|p| media.proto.eq_ignore_ascii_case(p));
        if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 || !plain {
            return None;
        }
        let maps: Vec<RtpMap> = values(&media.attributes, "rtpmap").filter_map(rtpmap).collect();
        let mut found = Self { audio: Vec::new(), event: None };
        let numbers = media.fmt.split_ascii_whitespace().filter_map(|n| n.parse::<u8>().ok());
        for number in numbers.filter(|number| *number < 128) {
            let map = maps.iter().find(|map| map.payload_type == number);
            let law = match (map, number) {
                (Some(map), _) => Law::of(map),
                (None, 0) => Some(Law::Pcmu),
                (None, 8) => Some(Law::Pcma),
                (None, _) => None,
            };
            if let Some(law) = law {
                found.audio.push(Payload { number, law });
            }
            let event = map.filter(|m| m.encoding_name.eq_ignore_ascii_case("telephone-event"));
            if let Some(map) = event
                && found.event.is_none_or(|(_, clock)| clock != CLOCK && map.clock_rate == CLOCK)
            {
                found.event = Some((number, map.clock_rate));
            }
        }
        (!found.audio.is_empty()).then_some(found)
    }
}

fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = attributes.iter().filter(move |a| a.attribute.eq_ignore_ascii_case(name));
    named.filter_map(|a| a.value.as_deref())
}

/// `101 telephone-event/8000`, with whatever spaces and channels peers put around it.
fn rtpmap(value: &str) -> Option<RtpMap> {
    let (number, encoding) = value.trim().split_once(char::is_whitespace)?;
    let mut parts = encoding.trim().splitn(3, '/');
    let (name, clock) = (parts.next()?, parts.next()?);
    let mut map = RtpMap::new(number.parse().ok()?, name, clock.trim().parse().ok()?);
    map.encoding_params = parts.next().map(|channels| channels.trim().to_owned());
    Some(map)
}

fn ptime(media: &Media) -> Option<u32> {
    let text = values(&media.attributes, "ptime").next()?.trim();
    // Some peers write `20.0`.
    text.split('.').next()?.parse().ok().filter(|ms| (5..=200).contains(ms))
}

fn direction(session: &Session, media: &Media) -> Direction {
    use Direction as D;
    let word = |attribute: &Attribute| {
        let known = [D::SendRecv, D::SendOnly, D::RecvOnly, D::Inactive];
        known.into_iter().find(|d| attribute.attribute.eq_ignore_ascii_case(d.word()))
    };
    let own = media.attributes.iter().find_map(word);
    own.or_else(|| session.attributes.iter().find_map(word)).unwrap_or(D::SendRecv)
}

/// The stream's address, and whether it is the old way to say hold.
fn address(session: &Session, media: &Media, source: IpAddr) -> (IpAddr, bool) {
    let connection = media.connections.first().or(session.connection.as_ref());
    let written = connection.and_then(|line| {
        let address = line.connection_address.split('/').next().unwrap_or_default();
        address.parse::<IpAddr>().ok()
    });
    match written {
        Some(address) if address.is_unspecified() => (address, true),
        Some(address) => (address, false),
        None => (source, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn offer(media: &str) -> Result<MediaOffer, SdpError> {
        let head =
            "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n";
        MediaOffer::parse(format!("{head}{media}").as_bytes(), SOURCE)
    }

    fn answer(offer: &MediaOffer) -> String {
        let rtp = "203.0.113.5:4000".parse().expect("address");
        let local = LocalMedia { session: 7, version: 2, rtp };
        String::from_utf8(local.answer(offer)).expect("text")
    }

    #[test]
    fn sip_24_the_answer_keeps_the_offers_order_and_numbers() {
        let offer = offer(
            "m=audio 5000 RTP/AVP 18 8 0 97\r\na=rtpmap:97 telephone-event/8000\r\na=ptime:30\r\n",
        )
        .expect("usable");
        assert_eq!(
            offer.audio,
            [Payload { number: 8, law: Law::Pcma }, Payload { number: 0, law: Law::Pcmu }]
        );
        assert_eq!((offer.telephone_event, offer.ptime_ms, offer.port), (Some(97), Some(30), 5000));
        assert_eq!(
            answer(&offer),
            "v=0\r\no=- 7 2 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 8 0 97\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
    }

    #[test]
    fn sip_4_the_event_with_the_audio_clock_is_preferred() {
        let offer = offer(
            "m=audio 5000 RTP/AVP 0 96 101\r\na=rtpmap:96 telephone-event/48000\r\n\
             a=rtpmap:101 TELEPHONE-EVENT/8000 \r\n",
        );
        assert_eq!(offer.expect("usable").telephone_event, Some(101));
    }

    #[test]
    fn dynamic_numbers_and_stereo_are_told_apart() {
        let media = "m=audio 5000 RTP/AVP 96 97 0\r\na=rtpmap:96 pcmu/8000/1\r\n\
                     a=rtpmap:97 PCMA/8000/2\r\na=rtpmap:0 PCMU/16000\r\n";
        let offer = offer(media).expect("usable");
        assert_eq!(offer.audio, [Payload { number: 96, law: Law::Pcmu }]);
    }

    #[test]
    fn other_streams_are_refused_in_their_place() {
        let offer = offer(
            "m=video 6000 RTP/AVP 96\r\nm=audio 5000 RTP/SAVP 0\r\nm=audio 5002 RTP/AVP 0\r\n",
        );
        let text = answer(&offer.expect("usable"));
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            lines,
            ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/SAVP 0", "m=audio 4000 RTP/AVP 0"]
        );
    }

    #[test]
    fn what_we_cannot_speak_is_not_acceptable() {
        for media in [
            "m=audio 5000 RTP/AVP 18 9\r\n",
            "m=audio 0 RTP/AVP 0\r\n",
            "m=video 5000 RTP/AVP 0\r\n",
            "m=audio 5000 RTP/SAVP 0 8\r\n",
            "",
        ] {
            assert_eq!(offer(media), Err(SdpError::NotAcceptable), "{media:?}");
        }
        assert_eq!(MediaOffer::parse(b"hello", SOURCE), Err(SdpError::Malformed));
    }

    #[test]
    fn sip_8_hold_is_answered_in_kind() {
        for (said, answered, held) in [
            ("sendonly", "recvonly", true),
            ("inactive", "inactive", true),
            ("recvonly", "sendonly", false),
            ("sendrecv", "sendrecv", false),
        ] {
            let offer = offer(&format!("m=audio 5000 RTP/AVP 0\r\na={said}\r\n")).expect("usable");
            assert_eq!(offer.held(), held, "{said}");
            assert!(answer(&offer).contains(&format!("a={answered}\r\n")), "{said}");
        }
        let old = offer("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n").expect("usable");
        assert!(old.held() && answer(&old).contains("a=recvonly"));
    }

    #[test]
    fn sip_11_a_host_name_stands_for_the_packets_source() {
        let named = offer("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 media.example.net\r\n");
        assert_eq!(named.expect("usable").address, SOURCE);
        let v6 = offer("m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n").expect("usable");
        assert_eq!(v6.address.to_string(), "2001:db8::1");
    }

    #[test]
    fn a_latin_1_session_name_is_no_obstacle() {
        let text = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=B\xfcro\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        assert!(MediaOffer::parse(text, SOURCE).is_ok());
    }

    #[test]
    fn our_own_offer_reads_back() {
        let rtp = "[2001:db8::5]:4000".parse().expect("address");
        let text = LocalMedia { session: 1, version: 1, rtp }.offer();
        let read = MediaOffer::parse(&text, SOURCE).expect("usable");
        assert_eq!((read.audio.len(), read.telephone_event), (2, Some(101)));
        assert_eq!(SocketAddr::new(read.address, read.port), rtp);
    }
}
