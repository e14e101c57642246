//! E-mail addresses: where a link goes. Secret like everything personal; screens see a mask (C30).

use crate::model::digits::SecretText;

/// The longest address that mail servers have to take (RFC 5321).
const LEN_MAX: usize = 254;
/// The longest part before the `@`.
const LOCAL_MAX: usize = 64;

/// Reads one plain address: no name around it, no list, nothing that could end a header line.
#[must_use]
pub fn parse(text: &str) -> Option<SecretText> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@')?;
    let local_fits = (1..=LOCAL_MAX).contains(&local.len())
        && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let domain_fits = domain.split('.').count() > 1 && domain.split('.').all(label);
    let fits = text.len() <= LEN_MAX && local_fits && domain_fits;
    fits.then(|| SecretText::new(text.to_owned()))
}

/// As administrators see it: enough to recognise a mistyped domain, not enough to write to.
#[must_use]
pub fn masked(address: &SecretText) -> String {
    let (local, domain) = address.expose().rsplit_once('@').unwrap_or_default();
    let first = local.chars().next().map(String::from).unwrap_or_default();
    format!("{first}…@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_read_and_nothing_else() {
        for good in ["ann@example.org", " a.b+c@mail.example.co.uk ", "jürgen@bücher.example"] {
            assert!(parse(good).is_some(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@localhost",
            "ann@@example.org",
            "a b@example.org",
            "Ann <ann@example.org>",
            "ann@example.org,bob@example.org",
            "ann@example.org\r\nBcc: bob@example.org",
            "ann\n@example.org",
            "\"ann\"@example.org",
            ".ann@example.org",
            "ann@-example.org",
            "ann@example..org",
            &long,
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn c30_a_mask_shows_the_domain_and_one_letter() {
        assert_eq!(masked(&SecretText::new("ann@example.org".into())), "a…@example.org");
        assert_eq!(masked(&SecretText::new("nonsense".into())), "…@");
    }
}
