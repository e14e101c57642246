//! One file per command. Results go to standard output, talk to standard error; exit status 0
//! success, 1 the thing asked for is not so, 2 usage or configuration.

pub mod audit;
pub mod call;
pub mod check;
pub mod customer;
pub mod demo;
pub mod letter_files;
mod letter_page;
pub mod pin;
pub mod pin_generate;
pub mod pin_letters;
pub mod prompts;
pub mod records;
pub mod replay;
pub mod serve;
pub mod token;

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory;
use clap::Parser;
use clap::Subcommand;

use crate::config::Config;
use crate::files;
use crate::telemetry;

/// Telephony IVR/CTI bridge: how far may this caller be trusted, before the agent says hello.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Configuration file; later ones override earlier ones
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// One configuration key, for example --set http.listen=127.0.0.1:0
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Results as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon; without any configuration on embedded stores and loopback addresses
    Serve,
    /// See it work: simulated callers place real SIP calls, the agent's page opens in your browser
    Demo(demo::DemoArgs),
    /// Check configuration and policies, then reach every backend; 0 only when serve would start
    Check,
    /// Place a test call that answers the prompts like a caller
    Call(call::CallArgs),
    /// Customer records
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// PINs: initial ones and their letters; what became of one, reset, hint, unblock
    #[command(subcommand)]
    Pin(pin::PinCommand),
    /// The recorded phrases
    #[command(subcommand)]
    Prompts(prompts::PromptsCommand),
    /// Whole record stores
    #[command(subcommand)]
    Records(records::RecordsCommand),
    /// The audit chain
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Decide a past call again from its recorded inputs; 0 when it comes out the same
    Replay(replay::ReplayArgs),
    /// Mint a token with the local key, for development and break-glass
    Token(token::TokenArgs),
    /// Shell completions
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Runs the command; the answer is the exit status.
    pub fn run(self) -> anyhow::Result<u8> {
        let Self { common, command } = self;
        if let Command::Completions { shell } = command {
            let name = "countersign";
            clap_complete::generate(shell, &mut Self::command(), name, &mut io::stdout());
            return Ok(0);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let status = runtime.block_on(async {
            match command {
                Command::Serve => Box::pin(serve::run(&common)).await,
                Command::Demo(args) => Box::pin(demo::run(&common, args)).await,
                Command::Check => Box::pin(check::run(&common)).await,
                Command::Call(args) => {
                    let prompts = crate::prompts::load(&config(&common)?)?;
                    call::run(args, &prompts, common.json).await
                }
                Command::Customer(command) => customer::run(&common, command).await,
                Command::Pin(command) => pin::run(&common, command).await,
                Command::Prompts(command) => prompts::run(&common, command),
                Command::Records(command) => records::run(&common, command).await,
                Command::Audit(command) => audit::run(&common, command).await,
                Command::Replay(args) => replay::run(&common, args).await,
                Command::Token(args) => token::run(&common, args),
                Command::Completions { .. } => Ok(0),
            }
        });
        // What still runs (a look-up of a name, a blocked read) must not keep the command from ending.
        runtime.shutdown_timeout(std::time::Duration::from_millis(200));
        status
    }
}

/// Reads the configuration: files, environment, `--set`. Problems are printed with carets.
pub fn config(common: &Common) -> anyhow::Result<Config> {
    let mut texts = vec![];
    for path in &common.config {
        texts.push((path.display().to_string(), files::text(path)?));
    }
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match crate::config::load(&texts, &environment, &common.set) {
        Ok(config) => Ok(config),
        Err(problems) => {
            for report in problems.reports() {
                talk(&format!("{report:?}"));
            }
            anyhow::bail!("the configuration has {} problem(s)", problems.count())
        }
    }
}

/// Reads the configuration of a command that logs.
pub fn config_with_logs(common: &Common) -> anyhow::Result<Config> {
    let config = config(common)?;
    telemetry::start_logging(&config.log);
    Ok(config)
}

/// Says something to the person at the terminal.
pub fn talk(text: &str) {
    // A closed standard error has nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a line of the result.
pub fn print(text: &str) {
    // A reader that went away (`| head`) has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
    let _ = io::stdout().flush();
}
