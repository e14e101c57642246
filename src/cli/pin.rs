//! `countersign pin`: what administrators do about PINs.

use clap::Subcommand;

use crate::cli::Common;
use crate::cli::pin_generate;
use crate::cli::pin_letters;

/// What to do about PINs.
#[derive(Debug, Subcommand)]
pub enum PinCommand {
    /// Initial PINs for all accounts that have none; run again, it goes on and makes none twice
    Generate(pin_generate::GenerateArgs),
    /// Letters with initial PINs for the printer, once: then their key is destroyed
    Letters(pin_letters::LettersArgs),
}

/// Runs a PIN command.
pub async fn run(common: &Common, command: PinCommand) -> anyhow::Result<u8> {
    match command {
        PinCommand::Generate(args) => pin_generate::run(common, args).await,
        PinCommand::Letters(args) => pin_letters::run(common, args).await,
    }
}
