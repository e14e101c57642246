//! What platforms claim about a call, in the one form in which the call takes it. Pure.

use crate::config::trunks::Verstat;
use crate::model::caller::Attestation;
use crate::model::number::PhoneNumber;
use crate::sip::message::Uri;

/// The dialled number: E.164 where it is one, else as it stands, at most 32 characters.
pub(crate) fn dialled(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control()).take(32).collect();
    PhoneNumber::parse_lenient(text, None).map_or(printable, |number| number.as_e164().to_owned())
}

/// What a trunk's verification word (`told`) and level (`info`) mean in its dialect.
pub(crate) fn attestation(dialect: Verstat, told: Option<&str>, info: Option<&str>) -> Attestation {
    let Some(told) = told.map(str::to_ascii_lowercase) else {
        return match dialect {
            Verstat::Atis | Verstat::Bandwidth => info.map_or(Attestation::None, level),
            Verstat::Twilio | Verstat::Telnyx | Verstat::None => Attestation::None,
        };
    };
    if dialect == Verstat::None {
        return Attestation::None;
    }
    if told.starts_with("tn-validation-failed") || told.starts_with("tn-verification-failed") {
        return Attestation::Failed;
    }
    let passed = told.strip_prefix("tn-validation-passed").or_else(|| {
        // Bandwidth wrote this word until it moved to the ATIS one.
        told.strip_prefix("tn-verification-passed").filter(|_| dialect == Verstat::Bandwidth)
    });
    match (passed, dialect) {
        (None, _) => Attestation::None,
        // A bare "passed" says a level only where the vendor's own documentation says which.
        (Some(""), Verstat::Telnyx) => Attestation::Full,
        (Some(""), Verstat::Atis | Verstat::Bandwidth) => info.map_or(Attestation::None, level),
        (Some(rest), _) if rest.ends_with("-diverted") => Attestation::Diverted,
        (Some(rest), _) => rest.strip_prefix('-').map_or(Attestation::None, level),
    }
}

/// What `User-to-User` carries as hexadecimal text (RFC 7433).
pub(crate) fn user_to_user(header: &str) -> Option<String> {
    let hex = header.split(';').next()?.trim();
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    let bytes = bytes?;
    // Some trunks leave ISDN's protocol discriminator in front (RFC 7433 §4.1: IA5 characters).
    let text = bytes.strip_prefix(&[0x04]).unwrap_or(&bytes);
    String::from_utf8(text.to_vec()).ok()
}

/// `verstat` as a parameter of an address's user part, or of the address.
pub(crate) fn verstat(uri: &Uri) -> Option<String> {
    let user = uri.user_decoded().unwrap_or_default();
    let in_user = user.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("verstat").then(|| value.to_owned())
    });
    in_user.or_else(|| uri.param("verstat").flatten().map(str::to_owned))
}

fn level(text: &str) -> Attestation {
    match text.trim().to_ascii_uppercase().as_str() {
        "A" => Attestation::Full,
        "B" => Attestation::Partial,
        "C" => Attestation::Gateway,
        _ => Attestation::None,
    }
}
