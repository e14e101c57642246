//! `countersign prompts`: the recorded phrases, for platforms that play them by themselves.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::Common;
use crate::cli::config;
use crate::cli::print;
use crate::prompts;
use crate::rtp::g711::Law;

/// What can be done with phrases.
#[derive(Debug, Subcommand)]
pub enum PromptsCommand {
    /// Write them as files that an Asterisk plays: ID.ulaw and ID.alaw
    Export {
        /// The folder; it is made where it is not there
        folder: PathBuf,
    },
}

/// Runs the command.
pub fn run(common: &Common, command: PromptsCommand) -> anyhow::Result<u8> {
    let PromptsCommand::Export { folder } = command;
    let pack = prompts::load(&config(common)?)?;
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut written = 0;
    for prompt in pack.iter() {
        for (law, ending) in [(Law::Pcmu, "ulaw"), (Law::Pcma, "alaw")] {
            let path = folder.join(format!("{}.{ending}", prompt.id()));
            let sound = prompt.frames(law).concat();
            fs::write(&path, sound).with_context(|| path.display().to_string())?;
            written += 1;
        }
    }
    let folder = folder.display();
    if common.json {
        print(&serde_json::json!({ "folder": folder.to_string(), "files": written }).to_string());
    } else {
        print(&format!("{written} files in {folder}"));
    }
    Ok(0)
}
