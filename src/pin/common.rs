//! What people choose first: a short blocklist of the most common passwords of eight letters and more,
//! in small letters and without what is usually put behind them. NIST SP 800-63B: no rules of
//! composition, a list.

/// In small letters.
const COMMON: &[&str] = &[
    "aa123456", "abc12345", "abcd1234", "abcdefgh", "access14", "administrator", "alexander",
    "asdfasdf", "asdfghjk", "asdfghjkl", "babygirl", "barcelona", "baseball", "basketball",
    "benjamin", "blink182", "bluebird", "brooklyn", "butterfly", "calculator", "caroline",
    "carolina", "changeme", "charlotte", "cheyenne", "chocolate", "christian", "christopher",
    "cocacola", "computer", "consumer", "corvette", "cowboys1", "creative", "danielle", "december",
    "dolphins", "dragon12", "elephant", "elizabeth", "einstein", "fernando", "fireball", "football",
    "forever1", "franklin", "freedom1", "friendship", "gangster", "garfield", "geronimo",
    "goodluck", "hannah12", "hardcore", "heather1", "hello123", "helloworld", "hollywood",
    "iloveyou", "independent", "internet", "isabella", "jackson1", "jennifer", "jonathan",
    "jordan23", "kimberly", "lebron23", "leonardo", "letmein1", "liverpool", "lovelove", "macintosh",
    "margaret", "maverick", "mercedes", "metallica", "michael1", "michelle", "midnight", "mississippi",
    "monster1", "mountain", "motorola", "mustang1", "nicholas", "november", "passport", "password",
    "passw0rd", "p@ssw0rd", "patricia", "phoenix1", "platinum", "pokemon1", "porsche9", "princess",
    "qazwsxedc", "q1w2e3r4", "qwer1234", "qwertyui", "qwertyuiop", "qwertz123", "rangers1",
    "rebecca1", "remember", "richard1", "samantha", "sandiego", "scorpion", "security", "september",
    "servus12", "shadow12", "slipknot", "snowball", "softball", "spiderman", "startrek", "starwars",
    "stephanie", "superman", "sunshine", "swordfish", "sylvester", "tinkerbell", "thunder1",
    "trustno1", "tottenham", "valentina", "veronica", "victoria", "warcraft", "welcome1",
    "wellcome", "whatever", "william1", "winston1", "wolverine", "woodland", "yankees1", "zaq12wsx",
    "zxcvbnm1",
];

/// Whether a text is on the list, alone or with digits and signs behind it.
pub(super) fn is_common(lower: &str) -> bool {
    let bare = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let on_list = |text: &str| !text.is_empty() && COMMON.contains(&text);
    on_list(lower) || on_list(bare)
}
