//! `proto/genesys/`: what an administrator imports into Genesys Cloud, held against what is served.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::platform::genesys::actions::Challenge;
use crate::platform::genesys::actions::Classify;
use crate::platform::genesys::actions::Told;
use crate::platform::genesys::actions::VerifyDigit;

fn contract(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/genesys").join(file);
    let text = std::fs::read_to_string(path).expect("a contract file");
    serde_json::from_str(&text).expect("JSON")
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

fn fields(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// A contract is flat: names that Genesys takes, types that it passes on.
fn assert_flat(schema: &Value) {
    assert_eq!(schema["type"], "object");
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        assert!(first && rest, "{name}");
        assert!(!["orgId", "integrationId", "rawRequest"].contains(&name.as_str()), "{name}");
        let kind = property["type"].as_str().expect("a type");
        assert!(["string", "integer", "number", "boolean"].contains(&kind), "{name}: {kind}");
    }
}

#[test]
fn contract_8_the_files_to_import_say_what_is_served() {
    let told = fields(&Told::wait());
    for (name, input) in [
        ("classify", fields(&Classify::default())),
        ("challenge", fields(&Challenge::default())),
        ("verify-digit", fields(&VerifyDigit::default())),
    ] {
        let (plain, secure) =
            (contract(&format!("{name}.json")), contract(&format!("{name}.secure.json")));
        for (file, is_secure) in [(&plain, false), (&secure, true)] {
            assert_eq!(file["secure"], is_secure, "{name}");
            let request = &file["contract"]["input"]["inputSchema"];
            let answer = &file["contract"]["output"]["successSchema"];
            assert_flat(request);
            assert_flat(answer);
            assert_eq!(keys(&request["properties"]), keys(&input), "{name}");
            assert_eq!(keys(&answer["properties"]), keys(&told), "{name}");
            for (field, value) in told.as_object().expect("an object") {
                let kind = &answer["properties"][field]["type"];
                let fits = match kind.as_str() {
                    Some("string") => value.is_string(),
                    Some("integer") => value.is_u64(),
                    _ => value.is_boolean(),
                };
                assert!(fits, "{name}: {field} is no {kind}");
                let response = &file["config"]["response"];
                assert_eq!(response["translationMap"][field], format!("$.{field}"));
                let default = response["translationMapDefaults"][field].as_str();
                let default: Value = serde_json::from_str(default.expect("a text")).expect("JSON");
                assert_eq!(default.is_string(), value.is_string(), "{name}: {field}");
                let template = response["successTemplate"].as_str().expect("a text");
                assert!(template.contains(&format!("\"{field}\": ${{{field}}}")), "{field}");
            }
            let request = &file["config"]["request"];
            let path = format!("https://countersign.example.com/v1/genesys/{name}");
            assert_eq!(request["requestUrlTemplate"], path);
            assert_eq!(
                request["headers"]["X-API-Key"], "${credentials.apiKey}",
                "no key in a file"
            );
        }
        assert_eq!(plain["contract"], secure["contract"]);
    }
}

#[test]
fn c51_an_answer_that_cannot_be_read_passes_nobody() {
    let defaults =
        contract("verify-digit.json")["config"]["response"]["translationMapDefaults"].clone();
    assert_eq!(
        (&defaults["class"], &defaults["authentication"], &defaults["next"]),
        (&"\"unverified\"".into(), &"\"system_unavailable\"".into(), &"\"route\"".into())
    );
}
