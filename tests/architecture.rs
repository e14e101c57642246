//! The shape of the code, checked like any other behaviour.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Module, and the modules of this crate it may name. Anything not listed is forbidden.
/// `call` uses neither `sip` nor `rtp`: it knows digits and prompts, not packets.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sip", &["model"]),
    ("rtp", &["model"]),
    ("account", &["model"]),
    ("follow_up", &["model"]),
    ("outbound", &["model"]),
    ("limits", &["model"]),
    ("policy", &["model", "account", "follow_up", "outbound"]),
    ("call", &["model", "account", "follow_up", "outbound", "policy"]),
    ("stats", &["model", "call"]),
    ("config", &["model", "sip", "limits"]),
    ("wire", &["model", "outbound", "call"]),
    ("engine", &["model", "policy", "call"]),
    (
        "platform",
        &["model", "sip", "rtp", "call", "config", "wire", "engine", "sessions", "sockets"],
    ),
    ("pin", &["model"]),
    ("records", &["model", "account", "follow_up"]),
    ("outbox", &["model", "follow_up", "config", "pin", "records"]),
    // PIN maintenance: what administrators, customers and the commands ask of records and pin.
    ("maintenance", &["model", "account", "follow_up", "limits", "config", "pin", "records"]),
    ("sessions", &["model", "config"]),
    ("push", &["model", "call", "wire", "sockets"]),
    ("sockets", &[]),
    ("cluster", &["model", "call", "config", "wire", "engine"]),
    (
        "effects",
        &[
            "model",
            "account",
            "follow_up",
            "outbound",
            "limits",
            "policy",
            "call",
            "stats",
            "engine",
            "platform",
            "pin",
            "records",
            "cluster",
            "sessions",
            "push",
        ],
    ),
    (
        "api",
        &[
            "model",
            "follow_up",
            "outbound",
            "limits",
            "policy",
            "call",
            "stats",
            "wire",
            "engine",
            "platform",
            "push",
            "records",
            "maintenance",
            "cluster",
            "sessions",
            "sockets",
        ],
    ),
    ("grpc", &["model", "call", "wire", "platform", "push", "api"]),
    ("web", &[]),
    ("sim", &["model", "sip", "rtp", "pin"]),
    // What stands around the daemon: its files, its health, its life, its logs.
    ("files", &["config"]),
    ("prompts", &["config", "rtp", "files"]),
    ("telemetry", &["config"]),
    ("lifecycle", &[]),
    ("health", &["model", "engine", "effects", "api"]),
    // The composition root knows everybody but the commands.
    (
        "app",
        &[
            "model",
            "sip",
            "rtp",
            "limits",
            "follow_up",
            "outbound",
            "policy",
            "call",
            "stats",
            "config",
            "wire",
            "engine",
            "cluster",
            "platform",
            "pin",
            "records",
            "maintenance",
            "outbox",
            "cluster",
            "sessions",
            "push",
            "effects",
            "api",
            "grpc",
            "web",
            "files",
            "prompts",
            "telemetry",
            "lifecycle",
            "health",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "sip",
            "rtp",
            "follow_up",
            "policy",
            "call",
            "outbox",
            "config",
            "wire",
            "engine",
            "platform",
            "records",
            "maintenance",
            "sessions",
            "push",
            "api",
            "sim",
            "files",
            "prompts",
            "telemetry",
            "lifecycle",
            "app",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Files that decide.
const PURE: &[&str] = &[
    "src/model/",
    "src/sip/",
    "src/rtp/",
    "src/policy/",
    "src/account/",
    "src/follow_up/",
    "src/outbound/",
    "src/limits/",
    "src/stats/",
    "src/platform/claims.rs",
    "src/platform/arrival.rs",
    "src/platform/genesys/actions.rs",
    "src/platform/genesys/events.rs",
    "src/platform/asterisk/channel.rs",
    "src/platform/asterisk/event.rs",
    "src/platform/audiohook/arriving.rs",
    "src/platform/audiohook/playing.rs",
    "src/platform/audiohook/session.rs",
    "src/platform/audiohook/signature.rs",
    "src/platform/http/orders.rs",
    "src/platform/http/seen.rs",
    "src/call/",
    "src/config/",
    "src/wire/",
    "src/push/session.rs",
    "src/grpc/words.rs",
    "src/platform/sip/event.rs",
    "src/platform/webhook/",
];

/// The words that would make them do. Addresses are values; sockets are not.
const IMPURE: &[&str] = &[
    "tokio",
    "async ",
    "std::fs",
    "std::env",
    "::now()",
    "rand::",
    "tracing::",
    "UdpSocket",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "std::thread",
    "println!",
];

const LINES_MAX: usize = 500;

#[test]
fn modules_name_only_what_they_may() {
    assert_lines(|path, line| {
        let module = module_of(path);
        let (_, may_use) =
            MAY_USE.iter().find(|(name, _)| *name == module).expect("every module has a rule");
        let forbidden = |used: &str| used != module && !may_use.contains(&used);
        !line.contains("super::super") && !modules_named(line).any(forbidden)
    });
}

#[test]
fn the_core_has_no_side_effects() {
    assert_lines(|path, line| {
        let pure = PURE.iter().any(|prefix| path.to_string_lossy().starts_with(prefix));
        !(pure && IMPURE.iter().any(|word| line.contains(word)))
    });
}

#[test]
fn files_are_short() {
    let long: Vec<_> =
        sources().into_iter().filter(|path| production(path).lines().count() > LINES_MAX).collect();
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:?}");
}

#[test]
fn digits_leave_their_types_in_few_places() {
    // Invariant 4: who takes keys, PINs, answers and passwords out of their wrapping.
    const MAY_EXPOSE: &[&str] = &[
        "src/model/",
        "src/pin/",
        "src/records/",
        "src/call/identify.rs",
        "src/call/desk.rs",
        "src/call/show.rs",
        "src/effects/afterwards.rs",
        "src/outbox/mail.rs",
        "src/cli/",
        "src/sim/",
        "src/sip/",
        "src/rtp/",
        "src/platform/genesys/oauth.rs",
        "src/platform/sip/leg.rs",
        // The password of the ARI user.
        "src/platform/asterisk/dial.rs",
        "src/platform/asterisk/door.rs",
        "src/platform/asterisk/link.rs",
        "src/push/conversation.rs",
        "src/wire/desktop.rs",
        "src/wire/relay.rs",
        "src/api/",
        "src/sessions/",
    ];
    assert_lines(|path, line| {
        let named = MAY_EXPOSE.iter().any(|prefix| path.to_string_lossy().starts_with(prefix));
        named || !(line.contains(".expose(") || line.contains(".expose_all("))
    });
}

// --- reading the tree ---

#[track_caller]
fn assert_lines(holds: impl Fn(&Path, &str) -> bool) {
    let mut broken = Vec::new();
    for path in sources() {
        for (number, line) in production(&path).lines().enumerate() {
            if !line.trim_start().starts_with("//") && !holds(&path, line) {
                broken.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// `crate::call::State` names `call`; a braced `crate::{..}` names nothing we allow.
fn modules_named(line: &str) -> impl Iterator<Item = &str> {
    let named = line.split("crate::").skip(1);
    named.filter_map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next())
}

/// `src/call/phase.rs` belongs to `call`, `src/lib.rs` to `lib`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).expect("below src").as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// A file without its unit tests, which sit at its end. Files that are tests as a whole are named by
/// a `#[cfg(test)] mod …;` in their folder's mod.rs, and are not production code.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("source file is readable");
    let for_tests = path.ancestors().any(|part| {
        let stem = part.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parent = fs::read_to_string(part.with_file_name("mod.rs")).unwrap_or_default();
        parent.contains(&format!("#[cfg(test)]\nmod {stem};"))
    });
    if for_tests {
        return String::new();
    }
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn sources() -> Vec<PathBuf> {
    let mut found = files_in(Path::new("src"));
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found.sort();
    found
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder is readable") {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The sources of PIN maintenance were given to us to read, not to pass on (P30).
#[test]
fn p30_no_text_in_this_repository_is_marked_as_somebody_elses() {
    // In two halves: this file is looked at too.
    let marks = [
        ["licen", "see confidential"],
        ["propri", "etary and confidential"],
        ["all rights", " reserved"],
        ["not for", " distribution"],
        ["trade", " secret"],
    ]
    .map(|halves| halves.concat());
    let folders = ["src", "docs", "config", "proto", "systemd", "tests/it", "tests/servers"];
    let mut texts: Vec<PathBuf> =
        folders.iter().flat_map(|folder| files_in(Path::new(folder))).collect();
    texts.extend(
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from),
    );
    assert!(texts.len() > 300, "the repository is looked at from its root");
    for path in texts {
        // What is no text holds no words.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let text = text.to_lowercase();
        let found: Vec<_> = marks.iter().filter(|mark| text.contains(mark.as_str())).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}
