//! What mails say. Our own words, in four languages; no name, no number, no PIN, no hint (P12, P16): a
//! mistyped address is a stranger's.

use std::fmt::Write;

use crate::model::link_purpose::LinkPurpose;
use crate::model::time::Timestamp;

/// A mail, without sender and receiver.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Text {
    /// One line.
    pub(super) subject: String,
    /// As plain text.
    pub(super) plain: String,
    /// The same as HTML.
    pub(super) html: String,
}

/// The words of one mail in one language. `{organisation}` and `{until}` stand for what they say.
struct Words {
    subject: &'static str,
    /// Above the link.
    before: &'static str,
    /// The link, as HTML shows it.
    button: &'static str,
    /// Below it.
    after: [&'static str; 3],
}

/// The languages that we have words in; the first is for everybody else.
const LANGUAGES: [&str; 4] = ["en", "nl", "fr", "de"];

/// Writes a mail. `language` is a BCP 47 tag, `link` the whole address with its token.
pub(super) fn compose(
    purpose: LinkPurpose,
    language: Option<&str>,
    organisation: &str,
    link: &str,
    until: Timestamp,
) -> Text {
    let language = known(language);
    let words = words(purpose, language);
    let until = shown(until);
    let fill = |text: &str| filled(text, organisation, &until);
    let (mut plain, mut html) = (String::new(), String::new());
    let before = fill(words.before);
    let link_html = escaped(link);
    // Writing to a String cannot fail.
    let _ = write!(plain, "{before}\r\n\r\n{link}\r\n");
    let _ = write!(
        html,
        "<!doctype html>\r\n<html lang=\"{language}\">\r\n<body>\r\n<p>{}</p>\r\n\
         <p><a href=\"{link_html}\">{}</a></p>\r\n<p>{link_html}</p>\r\n",
        escaped(&before),
        escaped(words.button),
    );
    for paragraph in words.after {
        let paragraph = fill(paragraph);
        let _ = write!(plain, "\r\n{paragraph}\r\n");
        let _ = write!(html, "<p>{}</p>\r\n", escaped(&paragraph));
    }
    html.push_str("</body>\r\n</html>\r\n");
    Text { subject: fill(words.subject), plain, html }
}

/// The language of ours that fits a tag best.
fn known(tag: Option<&str>) -> &'static str {
    let first = tag.unwrap_or_default().split(['-', '_']).next().unwrap_or_default();
    LANGUAGES.into_iter().find(|language| first.eq_ignore_ascii_case(language)).unwrap_or("en")
}

/// `2026-11-24, 10:15 UTC`: read alike in all four languages.
fn shown(at: Timestamp) -> String {
    let text = at.rfc3339();
    let (date, time) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    format!("{date}, {time} UTC")
}

fn filled(text: &str, organisation: &str, until: &str) -> String {
    let mut parts = text.split("{organisation}").map(|part| part.replace("{until}", until));
    let mut filled = parts.next().unwrap_or_default();
    for part in parts {
        filled.push_str(organisation);
        filled.push_str(&part);
    }
    filled
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

fn words(purpose: LinkPurpose, language: &str) -> Words {
    match purpose {
        LinkPurpose::Activate => activate(language),
        LinkPurpose::Reset => reset(language),
    }
}

/// A new PIN waits for its address to be proven (P25).
fn activate(language: &str) -> Words {
    match language {
        "nl" => Words {
            subject: "{organisation}: bevestig uw e-mailadres",
            before: "Iemand heeft een pincode gekozen voor telefoongesprekken met {organisation} en daarbij dit e-mailadres opgegeven. Was u dat? Open dan deze pagina en druk op de knop:",
            button: "Mijn e-mailadres bevestigen",
            after: [
                "De link werkt één keer, tot {until}. Zolang hij niet gebruikt is, werkt de nieuwe pincode niet.",
                "Was u het niet? Doe dan niets: zonder de link gebeurt er niets. Laat het {organisation} wel weten.",
                "In deze e-mail staat geen pincode. {organisation} vraagt nooit uw hele pincode, niet aan de telefoon en niet per e-mail.",
            ],
        },
        "fr" => Words {
            subject: "{organisation} : confirmez votre adresse e-mail",
            before: "Quelqu'un a choisi un code secret pour les appels téléphoniques avec {organisation} et a indiqué cette adresse e-mail. Si c'était vous, ouvrez cette page et appuyez sur le bouton :",
            button: "Confirmer mon adresse e-mail",
            after: [
                "Le lien fonctionne une seule fois, jusqu'au {until}. Tant qu'il n'a pas été utilisé, le nouveau code ne fonctionne pas.",
                "Si ce n'était pas vous, ne faites rien : sans le lien, rien ne se passe. Prévenez tout de même {organisation}.",
                "Ce message ne contient aucun code. {organisation} ne vous demande jamais votre code entier, ni au téléphone ni par e-mail.",
            ],
        },
        "de" => Words {
            subject: "{organisation}: Bitte bestätigen Sie Ihre E-Mail-Adresse",
            before: "Jemand hat eine PIN für Telefongespräche mit {organisation} gewählt und diese E-Mail-Adresse angegeben. Waren Sie das, dann öffnen Sie diese Seite und drücken Sie dort auf den Knopf:",
            button: "Meine E-Mail-Adresse bestätigen",
            after: [
                "Der Link gilt einmal, bis {until}. Solange er nicht benutzt wurde, gilt die neue PIN nicht.",
                "Waren Sie es nicht, dann tun Sie nichts: Ohne den Link geschieht nichts. Sagen Sie bitte trotzdem {organisation} Bescheid.",
                "In dieser E-Mail steht keine PIN. {organisation} fragt nie nach Ihrer ganzen PIN, weder am Telefon noch per E-Mail.",
            ],
        },
        _ => Words {
            subject: "{organisation}: confirm your e-mail address",
            before: "Somebody chose a PIN for telephone calls with {organisation} and gave this e-mail address. If it was you, open this page and press the button on it:",
            button: "Confirm my e-mail address",
            after: [
                "The link works once, until {until}. As long as it was not used, the new PIN does not work.",
                "If it was not you, do nothing: without the link nothing happens. Please tell {organisation} all the same.",
                "This mail holds no PIN. {organisation} never asks for your whole PIN, neither on the telephone nor by e-mail.",
            ],
        },
    }
}

/// A customer forgot the PIN (X18).
fn reset(language: &str) -> Words {
    match language {
        "nl" => Words {
            subject: "{organisation}: kies een nieuwe pincode",
            before: "Iemand heeft gevraagd om een nieuwe pincode voor telefoongesprekken met {organisation}. Was u dat? Open dan deze pagina en kies er een:",
            button: "Een nieuwe pincode kiezen",
            after: [
                "De link werkt één keer, tot {until}. Tot u een nieuwe pincode kiest, blijft alles zoals het is.",
                "Was u het niet? Doe dan niets en laat het {organisation} weten: iemand kent uw klantnummer of uw e-mailadres.",
                "In deze e-mail staat geen pincode. {organisation} vraagt nooit uw hele pincode, niet aan de telefoon en niet per e-mail.",
            ],
        },
        "fr" => Words {
            subject: "{organisation} : choisissez un nouveau code",
            before: "Quelqu'un a demandé un nouveau code secret pour les appels téléphoniques avec {organisation}. Si c'était vous, ouvrez cette page et choisissez-en un :",
            button: "Choisir un nouveau code",
            after: [
                "Le lien fonctionne une seule fois, jusqu'au {until}. Tant que vous n'avez pas choisi de nouveau code, rien ne change.",
                "Si ce n'était pas vous, ne faites rien et prévenez {organisation} : quelqu'un connaît votre numéro de client ou votre adresse e-mail.",
                "Ce message ne contient aucun code. {organisation} ne vous demande jamais votre code entier, ni au téléphone ni par e-mail.",
            ],
        },
        "de" => Words {
            subject: "{organisation}: Wählen Sie eine neue PIN",
            before: "Jemand hat um eine neue PIN für Telefongespräche mit {organisation} gebeten. Waren Sie das, dann öffnen Sie diese Seite und wählen Sie eine:",
            button: "Eine neue PIN wählen",
            after: [
                "Der Link gilt einmal, bis {until}. Bis Sie eine neue PIN wählen, bleibt alles, wie es ist.",
                "Waren Sie es nicht, dann tun Sie nichts und sagen Sie {organisation} Bescheid: Jemand kennt Ihre Kundennummer oder Ihre E-Mail-Adresse.",
                "In dieser E-Mail steht keine PIN. {organisation} fragt nie nach Ihrer ganzen PIN, weder am Telefon noch per E-Mail.",
            ],
        },
        _ => Words {
            subject: "{organisation}: choose a new PIN",
            before: "Somebody asked for a new PIN for telephone calls with {organisation}. If it was you, open this page and choose one:",
            button: "Choose a new PIN",
            after: [
                "The link works once, until {until}. Until you choose a new PIN, everything stays as it is.",
                "If it was not you, do nothing and tell {organisation}: somebody knows your customer number or your e-mail address.",
                "This mail holds no PIN. {organisation} never asks for your whole PIN, neither on the telephone nor by e-mail.",
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [LinkPurpose; 2] = [LinkPurpose::Activate, LinkPurpose::Reset];
    const LINK: &str = "https://pin.example.org/activate#activate=TOKEN";

    fn mail(purpose: LinkPurpose, language: Option<&str>, organisation: &str) -> Text {
        compose(purpose, language, organisation, LINK, Timestamp(1_795_305_600_000))
    }

    #[test]
    fn p12_p16_x18_a_mail_holds_a_link_a_date_and_no_other_digit() {
        for purpose in BOTH {
            for language in LANGUAGES {
                let Text { subject, plain, html } = mail(purpose, Some(language), "Bank");
                for body in [&plain, &html] {
                    assert!(body.contains(LINK) && body.contains("2026-11-22, 00:00 UTC"));
                    let rest = body.replace("2026-11-22, 00:00 UTC", "");
                    assert!(!rest.contains(|c: char| c.is_ascii_digit()), "{rest}");
                    assert!(!rest.contains(['{', '}']), "{rest}");
                }
                assert!(subject.starts_with("Bank") && !subject.contains(['{', '\r', '\n']));
                assert!(plain.matches("Bank").count() >= 3, "{plain}");
            }
        }
    }

    #[test]
    fn everybody_reads_a_language_they_know_or_english() {
        let first = |language: Option<&str>| mail(LinkPurpose::Reset, language, "Bank").subject;
        assert_eq!(first(Some("nl-BE")), first(Some("NL")));
        let all: std::collections::BTreeSet<_> =
            LANGUAGES.into_iter().map(|language| first(Some(language))).collect();
        assert_eq!(all.len(), LANGUAGES.len());
        for other in [None, Some(""), Some("ja"), Some("english"), Some("x-klingon")] {
            assert_eq!(first(other), first(Some("en")));
        }
    }

    #[test]
    fn a_name_cannot_become_html_nor_stand_for_something_else() {
        let Text { html, plain, .. } = mail(LinkPurpose::Activate, None, "<b>&\"{until}");
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;&amp;&quot;{until}"), "{html}");
        assert!(plain.contains("<b>&\"{until}"), "{plain}");
    }
}
