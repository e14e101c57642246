//! Layers: files in order, then the environment, then `--set`; the crate `config` merges them.
//!
//! The merge loses where a value was written, so the places are noted beforehand.

use ::config::Config as Merged;
use ::config::ConfigError;
use ::config::Environment;
use ::config::File;
use ::config::FileFormat;
use ::config::Map;

use crate::config::Config;
use crate::config::Problems;
use crate::config::check;
use crate::config::note_file;
use crate::config::problem::Finding;
use crate::config::source::Origin;
use crate::config::source::Place;
use crate::config::source::Sources;

/// What a variable's name starts with.
const PREFIX: &str = "COUNTERSIGN";

/// Between prefix, section and key.
const SEPARATOR: &str = "__";

/// Reads the layers, weakest first: files (name and text), variables, `--set section.key=value`.
///
/// Variables that do not start with `COUNTERSIGN__` are none of ours.
pub fn load(
    files: &[(String, String)],
    env: &[(String, String)],
    set: &[String],
) -> Result<Config, Problems> {
    let mut sources = Sources::default();
    let mut broken = Vec::new();
    let mut layers = Vec::new();
    for (name, text) in files {
        broken.extend(note_file(&mut sources, name, text));
        layers.push(Layer::File(text));
    }
    let start = format!("{PREFIX}{SEPARATOR}");
    let mut variables: Vec<_> = env.iter().filter(|(name, _)| name.starts_with(&start)).collect();
    variables.sort();
    for (name, value) in variables {
        let key = name.get(start.len()..).unwrap_or_default().to_lowercase();
        note(&mut sources, Origin::Environment, name, value, key.split(SEPARATOR));
        layers.push(Layer::Variable(name, value));
    }
    for flag in set {
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        let source = note(&mut sources, Origin::Flag, key, value, key.split('.'));
        if key.split('.').any(str::is_empty) || !flag.contains('=') {
            broken.push(Finding {
                place: Some((source, 0..key.len())),
                key: String::new(),
                message: "not a setting".to_owned(),
                help: "write --set section.key=value".to_owned(),
            });
        } else {
            layers.push(Layer::Flag(key, value));
        }
    }
    if !broken.is_empty() {
        return Err(Problems::new(broken, sources));
    }
    match merge(&layers) {
        Ok(values) => check(sources, Vec::new(), values),
        Err(error) => Err(Problems::new(vec![unexpected(&error)], sources)),
    }
}

enum Layer<'a> {
    File(&'a str),
    Variable(&'a str, &'a str),
    Flag(&'a str, &'a str),
}

fn note<'a>(
    sources: &mut Sources,
    origin: Origin,
    key: &str,
    value: &str,
    path: impl Iterator<Item = &'a str>,
) -> usize {
    let name = if origin == Origin::Flag { "--set" } else { "environment" };
    let text = format!("{key}={value}");
    let source = sources.add(name, &text, origin);
    let place = Place { source, key: 0..key.len(), value: key.len() + 1..text.len() };
    sources.note(path.map(str::to_owned).collect(), place);
    source
}

/// Variables and flags stay text here; the key that asks for them knows their type.
fn merge(layers: &[Layer<'_>]) -> Result<toml::Table, ConfigError> {
    let mut merged = Merged::builder();
    for layer in layers {
        merged = match layer {
            Layer::File(text) => merged.add_source(File::from_str(text, FileFormat::Toml)),
            Layer::Variable(name, value) => {
                let alone = Map::from([((*name).to_owned(), (*value).to_owned())]);
                let ours = Environment::with_prefix(PREFIX).prefix_separator(SEPARATOR);
                merged.add_source(ours.separator(SEPARATOR).source(Some(alone)))
            }
            Layer::Flag(key, value) => {
                let alone = Merged::builder().set_override(key, *value)?.build()?;
                merged.add_source(alone)
            }
        };
    }
    merged.build()?.try_deserialize()
}

/// The layers were checked one by one, so this should not happen; the value is not quoted.
fn unexpected(error: &ConfigError) -> Finding {
    let message = match error {
        ConfigError::NotFound(_) | ConfigError::PathParse { .. } => "a key is not well-formed",
        _ => "the layers do not fit together",
    };
    Finding {
        place: None,
        key: String::new(),
        message: message.to_owned(),
        help: "compare the files with config/countersign.toml".to_owned(),
    }
}
