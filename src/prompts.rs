//! The prompt pack: built in, or an operator's folder.

use std::path::Path;

use rust_embed::RustEmbed;

use crate::config::Config;
use crate::files;
use crate::rtp::prompt::PromptPack;

#[derive(RustEmbed)]
#[folder = "config/prompts"]
struct BuiltIn;

/// The phrases of the configured language; every phrase must be there.
pub fn load(config: &Config) -> anyhow::Result<PromptPack> {
    let language = &config.prompts.language;
    let pack = match &config.prompts.directory {
        Some(directory) => from_folder(&directory.join(language))?,
        None => built_in(language)?,
    };
    let missing = pack.missing();
    anyhow::ensure!(
        missing.is_empty(),
        "prompts: the pack for {language:?} lacks {}; add a WAV file for each",
        missing.join(", ")
    );
    Ok(pack)
}

/// The pack that comes with the program.
pub fn built_in(language: &str) -> anyhow::Result<PromptPack> {
    let prefix = format!("{language}/");
    let files: Vec<_> = BuiltIn::iter()
        .filter_map(|path| {
            let id = path.strip_prefix(&prefix)?.strip_suffix(".wav")?.to_owned();
            Some((id, BuiltIn::get(&path)?.data))
        })
        .collect();
    anyhow::ensure!(
        !files.is_empty(),
        "prompts: there is no built-in language {language:?}; set prompts.directory"
    );
    Ok(PromptPack::new(files.iter().map(|(id, wav)| (id.as_str(), wav.as_ref())))?)
}

fn from_folder(folder: &Path) -> anyhow::Result<PromptPack> {
    let mut wavs = vec![];
    for path in files::with_ending(folder, "wav")? {
        let id =
            path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let wav =
            std::fs::read(&path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        wavs.push((id, wav));
    }
    Ok(PromptPack::new(wavs.iter().map(|(id, wav)| (id.as_str(), wav.as_slice())))?)
}
