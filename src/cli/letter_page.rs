//! The words of a letter with an initial PIN, as a page to print, in the customer's language.
//!
//! Nothing in it is loaded from elsewhere: a printer's machine need not reach us, and must not tell
//! anybody what it prints.

use std::io;
use std::io::Write;

use crate::maintenance::letters::OpenLetter;
use crate::model::time::Timestamp;

/// One language's words.
struct Words {
    tag: &'static str,
    title: &'static str,
    greeting: &'static str,
    purpose: &'static str,
    number: &'static str,
    pin: &'static str,
    until: &'static str,
    steps: [&'static str; 3],
    caution: &'static str,
    months: [&'static str; 12],
    /// What follows the day of a date.
    ordinal: &'static str,
}

const LANGUAGES: [Words; 4] = [
    Words {
        tag: "en",
        title: "Your initial PIN",
        greeting: "Dear",
        purpose: "With this PIN you register for our telephone service. It is good once, for registering only. \
                  On the telephone nobody will ask for it.",
        number: "Your customer number",
        pin: "Your initial PIN",
        until: "Good until",
        steps: [
            "Open this page in your browser:",
            "Enter your customer number and the PIN above. Choose a PIN of your own with seven digits and give \
             your e-mail address.",
            "Follow the link in the e-mail that we send you. From then on your own PIN counts.",
        ],
        caution: "Was this letter open, or did you not expect it? Tell us, and we send you another. We never ask \
                  for a whole PIN, neither by telephone nor by e-mail. Destroy this letter when you have registered.",
        months: [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        ordinal: "",
    },
    Words {
        tag: "nl",
        title: "Uw eerste pincode",
        greeting: "Geachte",
        purpose: "Met deze pincode meldt u zich aan voor onze telefonische dienst. De code is één keer geldig, en \
                  alleen om u aan te melden. Aan de telefoon vraagt niemand ernaar.",
        number: "Uw klantnummer",
        pin: "Uw eerste pincode",
        until: "Geldig tot en met",
        steps: [
            "Open deze pagina in uw browser:",
            "Vul uw klantnummer en bovenstaande pincode in. Kies een eigen pincode van zeven cijfers en geef uw \
             e-mailadres op.",
            "Volg de link in de e-mail die wij u sturen. Vanaf dat moment geldt uw eigen pincode.",
        ],
        caution: "Was deze brief geopend, of had u hem niet verwacht? Laat het ons weten, dan sturen wij een nieuwe. \
                  Wij vragen nooit om een hele pincode, niet per telefoon en niet per e-mail. Vernietig deze brief \
                  zodra u zich hebt aangemeld.",
        months: [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        ordinal: "",
    },
    Words {
        tag: "fr",
        title: "Votre code initial",
        greeting: "Bonjour",
        purpose: "Ce code vous permet de vous inscrire à notre service téléphonique. Il sert une seule fois, et \
                  uniquement à l’inscription. Personne ne vous le demandera au téléphone.",
        number: "Votre numéro de client",
        pin: "Votre code initial",
        until: "Valable jusqu’au",
        steps: [
            "Ouvrez cette page dans votre navigateur :",
            "Saisissez votre numéro de client et le code ci-dessus. Choisissez votre propre code à sept chiffres et \
             indiquez votre adresse électronique.",
            "Suivez le lien du message que nous vous envoyons. C’est alors votre propre code qui compte.",
        ],
        caution: "Cette lettre était-elle ouverte, ou ne l’attendiez-vous pas ? Dites-le-nous, nous vous en enverrons \
                  une autre. Nous ne demandons jamais un code entier, ni par téléphone ni par courriel. Détruisez \
                  cette lettre une fois inscrit.",
        months: [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        ordinal: "",
    },
    Words {
        tag: "de",
        title: "Ihre erste PIN",
        greeting: "Guten Tag",
        purpose: "Mit dieser PIN melden Sie sich für unseren Telefondienst an. Sie gilt einmal und nur für die \
                  Anmeldung. Am Telefon fragt niemand danach.",
        number: "Ihre Kundennummer",
        pin: "Ihre erste PIN",
        until: "Gültig bis",
        steps: [
            "Öffnen Sie diese Seite in Ihrem Browser:",
            "Geben Sie Ihre Kundennummer und die PIN von oben ein. Wählen Sie eine eigene PIN mit sieben Ziffern und \
             nennen Sie Ihre E-Mail-Adresse.",
            "Folgen Sie dem Link in der E-Mail, die wir Ihnen schicken. Von da an gilt Ihre eigene PIN.",
        ],
        caution: "War dieser Brief offen, oder haben Sie ihn nicht erwartet? Sagen Sie es uns, wir schicken einen \
                  neuen. Wir fragen nie nach einer ganzen PIN, weder am Telefon noch per E-Mail. Vernichten Sie \
                  diesen Brief, sobald Sie sich angemeldet haben.",
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        ordinal: ".",
    },
];

/// What stands before the first letter.
pub(super) const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Letters</title>
<style>
@page { size: A4; margin: 25mm 25mm 20mm; }
body { font: 11.5pt/1.5 "Liberation Serif", Georgia, serif; color: #000; margin: 0; }
section { break-after: page; break-inside: avoid; }
section:last-of-type { break-after: auto; }
h1 { font-size: 17pt; line-height: 1.2; margin: 30mm 0 8mm; }
dl { display: grid; grid-template-columns: max-content auto; gap: 2mm 8mm; border: .3mm solid #000; padding: 6mm; margin: 8mm 0; }
dt, dd { margin: 0; }
dd { font-weight: bold; overflow-wrap: anywhere; }
.pin { font: bold 16pt/1.2 "Liberation Mono", "Courier New", monospace; letter-spacing: .12em; }
li { margin-bottom: 3mm; }
.url { font-weight: bold; overflow-wrap: anywhere; }
</style>
</head>
<body>
"#;

/// What stands behind the last.
pub(super) const FOOT: &str = "</body>\n</html>\n";

/// Writes one letter, a page of its own.
pub(super) fn write(out: &mut impl Write, open: &OpenLetter, url: &str) -> io::Result<()> {
    let words = words(open.letter.language.as_deref());
    let Words { tag, title, greeting, purpose, .. } = words;
    let [first, second, third] = words.steps;
    write!(out, "<section lang=\"{tag}\">\n<h1>{title}</h1>\n<p>{greeting} ")?;
    escape(out, &open.letter.name)?;
    write!(out, ",</p>\n<p>{purpose}</p>\n<dl>\n<dt>{}</dt><dd>", words.number)?;
    escape(out, open.letter.customer.as_str())?;
    write!(out, "</dd>\n<dt>{}</dt><dd class=\"pin\">", words.pin)?;
    out.write_all(&*open.pin.expose_all())?;
    write!(out, "</dd>\n<dt>{}</dt><dd>", words.until)?;
    date(out, words, open.letter.expires)?;
    write!(out, "</dd>\n</dl>\n<ol>\n<li>{first}<br><span class=\"url\">")?;
    escape(out, url)?;
    write!(out, "</span></li>\n<li>{second}</li>\n<li>{third}</li>\n</ol>\n")?;
    writeln!(out, "<p>{}</p>\n</section>", words.caution)
}

/// The words for a BCP 47 tag; English for one that we have none for.
fn words(language: Option<&str>) -> &'static Words {
    let [english, ..] = &LANGUAGES;
    let primary = language.and_then(|tag| tag.split('-').next()).unwrap_or_default();
    LANGUAGES.iter().find(|words| words.tag.eq_ignore_ascii_case(primary)).unwrap_or(english)
}

/// The last whole day on which it is good: who reads `until` counts that day in.
fn date(out: &mut impl Write, words: &Words, expires: Timestamp) -> io::Result<()> {
    let day = last_day(expires);
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let month = words.months.get(number(month).saturating_sub(1)).copied().unwrap_or_default();
    write!(out, "{}{} {month} {}", number(day), words.ordinal, year.unwrap_or_default())
}

/// The same as `YYYY-MM-DD`.
pub(super) fn last_day(expires: Timestamp) -> String {
    const DAY_MS: u64 = 86_400_000;
    let before = Timestamp(expires.0.saturating_sub(DAY_MS)).rfc3339();
    before.get(..10).unwrap_or_default().to_owned()
}

fn escape(out: &mut impl Write, text: &str) -> io::Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        out.write_all(before.as_bytes())?;
        out.write_all(match from.as_bytes().first() {
            Some(b'&') => b"&amp;",
            Some(b'<') => b"&lt;",
            Some(b'>') => b"&gt;",
            Some(b'"') => b"&quot;",
            _ => b"&#39;",
        })?;
        rest = from.get(1..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}
