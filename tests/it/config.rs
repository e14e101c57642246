//! Configuration as an operator meets it: the documented file, layers, and what is said of mistakes.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use countersign::config::Config;
use countersign::config::Problems;
use countersign::config::keys;
use countersign::config::load;
use countersign::config::parse;
use countersign::config::sip::Transfer;
use countersign::config::trunks::Verstat;
use proptest::prelude::*;

#[test]
fn the_documented_file_is_the_default() {
    let text = documented();
    assert_eq!(parse("countersign.toml", &text).map_err(shown), Ok(Config::default()));
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_known() {
    let text = uncommented();
    let config = parse("countersign.toml", &text).map_err(shown).expect("all examples are valid");
    assert_eq!(config.idle(), [""; 0]);
    let written = written_keys(&text.parse().expect("TOML"), "");
    assert_eq!(keys(&text), written);
}

#[test]
fn contract_13_every_key_parses_from_the_start() {
    let config = read(
        r#"
        [http]
        listen = "127.0.0.1:0"
        [grpc]
        listen = "127.0.0.1:50051"
        [sip]
        listen = ["udp:127.0.0.1:0"]
        advertise = "203.0.113.9:5060"
        transfer = "redirect"
        [sip.trunks.office]
        addresses = ["127.0.0.0/8", "192.0.2.7"]
        trust_identity = true
        verstat = "telnyx"
        username = ""
        [audiohook.connectors.main]
        api_key = "k"
        client_secret_file = "/run/secret"
        policy = "retail"
        [asterisk]
        mode = "outbound"
        username = "a"
        password_file = "p"
        app = "countersign"
        [cluster]
        listen = ""
        ca = "ca.pem"
        "#,
    );
    assert_eq!(config.sip.transfer, Transfer::Redirect);
    let (name, trunk) = config.sip.trunks.first_key_value().expect("a trunk");
    assert_eq!((name.as_str(), trunk.trust_identity), ("office", true));
    assert_eq!(trunk.verstat, Verstat::Telnyx);
    assert!(trunk.addresses[0].contains("127.1.2.3".parse().unwrap()));
    let idle: Vec<_> = config.idle().iter().filter_map(|s| s.split(']').next()).collect();
    assert_eq!(idle, [""; 0]);
}

#[test]
fn three_mistakes_are_three_lines_each_with_its_place_and_its_way_out() {
    let text = "[http]\nlisten = \"localhost:8080\"\n\n[sip]\nlisen = []\ntransfer = \"refr\"\n";
    assert_eq!(
        problems(text),
        "bad.toml:2:10: http.listen: is no IP address with a port (write it like 127.0.0.1:8080 or [::1]:8080)\n\
         bad.toml:5:1: sip.lisen: unknown key (did you mean `listen`?)\n\
         bad.toml:6:12: sip.transfer: is none of refer, redirect, bridge (did you mean `refer`?)"
    );
}

#[test]
fn mistakes_are_found_wherever_they_are() {
    for (text, said) in [
        ("[htpp]\n", "bad.toml:1:2: htpp: unknown key (did you mean `http`?)"),
        (
            "[log]\nlevel = 3\n",
            "bad.toml:2:9: log.level: is integer, not a text (put it between quotes)",
        ),
        (
            "[pin]\nqueue = \"x\"\n",
            "bad.toml:2:9: pin.queue: is text, not a whole number (write a whole number)",
        ),
        ("[pin]\nqueue = 0\n", "bad.toml:2:9: pin.queue: must be 1 to 100000 (the default is 64)"),
        ("[pin]\nqueue = -1\n", "bad.toml:2:9: pin.queue: must be 1 to 100000 (the default is 64)"),
        ("http = 1\n", "bad.toml:1:8: http: is integer, not a table (write a table)"),
        (
            "[sip]\nlisten = [\"udp:127.0.0.1:1\", \"tls:127.0.0.1:5061\"]\n",
            "bad.toml:2:30: sip.listen[1]: a tls listener is not built yet (remove it and keep the udp listener)",
        ),
        (
            "[sessions]\nurl = \"redis://a,b/1\"\n",
            "bad.toml:2:7: sessions.url: names a database (a cluster has only 0: remove it)",
        ),
        (
            "[records]\nurl = \"mysql://h/d\"\n",
            "bad.toml:2:7: records.url: is no address of a record store (write sqlite:/// and an absolute path, postgres://user@host/database, or nothing)",
        ),
        (
            "[sip.trunks.a]\n",
            "bad.toml:1:1: sip.trunks.a: has no addresses (write addresses = [\"192.0.2.0/24\"])",
        ),
        (
            "[sip.trunks.a]\naddresses = [\"10.0.0.0/8\"]\nusername = \"u\"\n",
            "bad.toml:3:12: sip.trunks.a.username: digest authentication is not built yet (remove it; the address alone admits)",
        ),
        (
            "[sip.trunks.a]\naddresses = [\"::1\"]\n[sip.trunks.b]\naddresses = [\"::1\", \"10.0.0.1/8\"]\n",
            "bad.toml:4:13: sip.trunks.b.addresses: one of them also belongs to trunk `a` (give each network to one trunk)\n\
             bad.toml:4:21: sip.trunks.b.addresses[1]: is no address and no network, or has bits behind its prefix \
             (write it like 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32)",
        ),
        (
            "[queues.a]\nnumbers = [\"*\"]\n[queues.b]\nnumbers = [\"*\"]\n",
            "bad.toml:4:11: queues.b.numbers: one of them also belongs to queue `a` (give each number to one queue)",
        ),
    ] {
        assert_eq!(problems(text), said);
    }
}

#[test]
fn a_text_that_is_no_toml_is_said_with_its_place() {
    let said = problems("[http]\nlisten = \n[sip\n");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("bad.toml:2:"), "{said}");
    assert!(lines[1].starts_with("bad.toml:3:"), "{said}");
}

#[test]
fn later_layers_win_and_tables_are_merged() {
    let site = "[http]\nlisten = \"127.0.0.1:1\"\n[sip.trunks.a]\naddresses = [\"10.0.0.0/8\"]\n";
    let host = "[http]\nlisten = \"127.0.0.1:2\"\n[sip.trunks.a]\ntrust_identity = true\n";
    let layered = |env: &[(&str, &str)], set: &[&str]| {
        load(&[file("site.toml", site), file("host.toml", host)], &pairs(env), &texts(set))
            .map_err(shown)
            .expect("valid layers")
    };
    let files = layered(&[], &[]);
    assert_eq!(files.http.listen.port(), 2);
    let trunk = files.sip.trunks.values().next().expect("a trunk");
    assert!(trunk.trust_identity && trunk.addresses.len() == 1);

    let variable = [("COUNTERSIGN__HTTP__LISTEN", "127.0.0.1:3"), ("COUNTERSIGN_LOAD", "1")];
    assert_eq!(layered(&variable, &[]).http.listen.port(), 3);
    assert_eq!(layered(&variable, &["http.listen=127.0.0.1:4"]).http.listen.port(), 4);
    let twice = ["http.listen=127.0.0.1:4", "http.listen=127.0.0.1:5"];
    assert_eq!(layered(&variable, &twice).http.listen.port(), 5);
}

#[test]
fn variables_and_flags_take_lists_numbers_and_plain_text() {
    let config = load(
        &[],
        &pairs(&[
            ("COUNTERSIGN__SIP__LISTEN", r#"["udp:127.0.0.1:1", "udp:127.0.0.1:2"]"#),
            ("COUNTERSIGN__SIP__TRUNKS__OFFICE__ADDRESSES", "127.0.0.1"),
            ("COUNTERSIGN__SIP__TRUNKS__OFFICE__TRUST_IDENTITY", "true"),
            ("COUNTERSIGN__RECORDS__URL", ""),
        ]),
        &texts(&[
            "shutdown.grace_s=3",
            "queues.cards={ numbers = [\"1000\"], uri = \"sip:cards@127.0.0.1\" }",
            "policy.default=1234",
            "auth.issuer=\"quoted\"",
            "prompts.directory=/srv/a=b",
        ]),
    )
    .map_err(shown)
    .expect("valid layers");
    assert_eq!(config.sip.listen.len(), 2);
    assert!(config.sip.trunks.values().all(|trunk| trunk.trust_identity));
    assert_eq!(config.shutdown.grace, Duration::from_secs(3));
    let (name, _) = config.queues.of("1000").expect("a queue");
    assert_eq!(name.as_str(), "cards");
    assert_eq!(config.policy.default, "1234");
    assert_eq!(config.auth.issuer.as_deref(), Some("quoted"));
    assert_eq!(config.prompts.directory, Some("/srv/a=b".into()));
}

#[test]
fn a_bad_variable_or_flag_is_named() {
    let env = [("COUNTERSIGN__PIN__QUEUE", "many"), ("COUNTERSIGN__PIN__QEUE", "1")];
    let set = ["sip.transfer=bridge", "nonsense", "http..listen=1"];
    let said = load(&[], &pairs(&env), &texts(&set[..1])).map_err(shown).expect_err("mistakes");
    assert_eq!(
        said,
        "environment COUNTERSIGN__PIN__QEUE: pin.qeue: unknown key (did you mean `queue`?)\n\
         environment COUNTERSIGN__PIN__QUEUE: pin.queue: is text, not a whole number (write a whole number)\n\
         --set sip.transfer: sip.transfer: `bridge` is not built yet (use `refer` or `redirect`)"
    );
    let said = load(&[], &[], &texts(&set[1..])).map_err(shown).expect_err("mistakes");
    assert_eq!(
        said,
        "--set nonsense: not a setting (write --set section.key=value)\n\
         --set http..listen: not a setting (write --set section.key=value)"
    );
}

#[test]
fn a_mistake_in_one_file_of_two_is_found_in_its_own_file() {
    let files = [file("a.toml", "[http]\nlisten = \"x\"\n"), file("b.toml", "\n[log]\nlevl = 1\n")];
    let said = load(&files, &[], &[]).map_err(shown).expect_err("mistakes");
    let places: Vec<_> = said.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["a.toml:2:10", "b.toml:3:1"]);
}

#[test]
fn carets_stand_under_the_mistake_and_secrets_are_asterisks() {
    let text = "[http]\nlisten = \"x\"\n[sessions]\nurl = \"redis://user:hunter2@h:x\"\npassword = \"hunter2\"\n";
    let problems = parse("bad.toml", text).expect_err("mistakes");
    let reports: Vec<_> = problems.reports().iter().map(|report| format!("{report:?}")).collect();
    assert_eq!(reports.len(), 3);
    assert!(reports[0].contains("bad.toml:2:10") && reports[0].contains("here"), "{}", reports[0]);
    let everything = format!("{problems} {problems:?} {}", reports.join("\n"));
    assert!(!everything.contains("hunter2"), "{everything}");
}

#[test]
fn an_open_door_is_said_at_start() {
    assert_eq!(Config::default().warnings(), Vec::<String>::new());
    let open = read("[http]\nlisten = \"0.0.0.0:80\"\n[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\n");
    assert_eq!(open.warnings().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}", set in "[a-z.]{0,12}=?\\PC{0,20}") {
        let said = load(&[file("f", &text)], &pairs(&[("COUNTERSIGN__A__B", &text)]), &[set]);
        if let Err(problems) = said {
            prop_assert!(problems.count() > 0 && problems.reports().len() == problems.count());
        }
    }

    #[test]
    fn a_letter_lost_from_a_key_is_always_reported(line in 0..200_usize, letter in 0..40_usize) {
        let mut lines: Vec<String> = uncommented().lines().map(str::to_owned).collect();
        let count = lines.len();
        let line = &mut lines[line % count];
        let key = line.split('=').next().unwrap_or_default().trim_end().len();
        prop_assume!(line.contains('=') && !line.starts_with('#') && key > 1);
        line.remove(letter % key);
        prop_assert!(parse("f", &lines.join("\n")).is_err());
    }
}

// --- tools ---

fn documented() -> String {
    fs::read_to_string("config/countersign.toml").expect("config/countersign.toml")
}

/// The documented file with its examples in force: `#key = value`, not `# prose`.
fn uncommented() -> String {
    let plain = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_alphanumeric() || c == '[') => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    documented().lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn written_keys(table: &toml::Table, path: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(inner) = value.as_table() {
            found.extend(written_keys(inner, &path));
        }
        found.insert(path);
    }
    found
}

fn read(text: &str) -> Config {
    parse("c.toml", text).map_err(shown).expect("valid configuration")
}

fn problems(text: &str) -> String {
    parse("bad.toml", text).map_err(shown).expect_err("a mistake")
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn shown(problems: Problems) -> String {
    problems.to_string()
}

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| file(name, value)).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
