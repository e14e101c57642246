//! Arguments → command. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use countersign::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            countersign::cli::talk(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
