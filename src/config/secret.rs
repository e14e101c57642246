//! Blots secrets out of configuration text before any of it is shown.

/// Words in a key that make its value a secret.
const SECRET_WORDS: &[&str] = &["password", "secret", "token", "pepper", "api_key", "apikey"];

/// Endings that say the value is not the secret itself, but where to find it.
const POINTERS: &[&str] = &["_file", "_url"];

/// The text with secrets as asterisks; every byte keeps its place, so that spans still fit.
///
/// It works on lines, not on parsed TOML: a text with a syntax error is shown as well.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let hidden = secret_value(line).into_iter().chain(user_info(line));
        let hidden: Vec<_> = hidden.collect();
        for (at, letter) in line.char_indices() {
            let hide = hidden.iter().any(|range| range.contains(&at)) && letter != '\n';
            if hide {
                shown.extend(std::iter::repeat_n('*', letter.len_utf8()));
            } else {
                shown.push(letter);
            }
        }
    }
    shown
}

/// From behind the `=` of a secret's key to the line's end.
fn secret_value(line: &str) -> Option<std::ops::Range<usize>> {
    line.match_indices('=').find_map(|(equals, _)| {
        let before = line.get(..equals)?.trim_end().trim_end_matches(['"', '\'']);
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || "_-.\"'".contains(c)));
        let key = before.get(start.map_or(0, |at| at + 1)..)?.to_ascii_lowercase();
        let secret = SECRET_WORDS.iter().any(|word| key.contains(word));
        let pointer = POINTERS.iter().any(|ending| key.ends_with(ending));
        (secret && !pointer).then_some(equals + 1..line.len())
    })
}

/// `user:password` of the address in a line.
fn user_info(line: &str) -> Option<std::ops::Range<usize>> {
    let start = line.find("://")? + 3;
    let end = line.rfind('@')?;
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_asterisks_and_nothing_moves() {
        for (text, shown) in [
            ("api_key = \"s3cret\"\nnext = 1\n", "api_key =*********\nnext = 1\n"),
            (
                "[a]\nm = { b = 1, client_secret = \"x\" }",
                "[a]\nm = { b = 1, client_secret =******",
            ),
            ("url = \"redis://u:p@h:1\"", "url = \"redis://***@h:1\""),
            ("url = \"redis://u:p@h,u:q@i\"", "url = \"redis://*********@i\""),
            (
                "COUNTERSIGN__SIP__TRUNKS__A__PASSWORD=pä",
                "COUNTERSIGN__SIP__TRUNKS__A__PASSWORD=***",
            ),
            ("pepper_file = \"/run/pepper\"", "pepper_file = \"/run/pepper\""),
            ("\"auth token\" = 1", "\"auth token\" =**"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
