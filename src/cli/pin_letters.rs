//! `countersign pin letters`: what the printer gets, once.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::app;
use crate::app::Stores;
use crate::cli::Common;
use crate::cli::config_with_logs;
use crate::cli::letter_files::Files;
use crate::cli::letter_files::Format;
use crate::cli::pin_generate::Actor;
use crate::cli::print;
use crate::cli::talk;
use crate::engine::clock::Clock;
use crate::maintenance::letters;
use crate::maintenance::letters::OpenRun;
use crate::records::pins::Batch;
use crate::records::pins::By;

/// Where letters go, and how.
#[derive(Debug, clap::Args)]
pub struct LettersArgs {
    /// Folder for the files; nobody else can read them
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Both)]
    format: Format,
    /// Address of the page where customers register, which stands in every letter; without it the
    /// page /activate of `http.public_url`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    actor: Actor,
}

/// What was printed of one run.
struct Printed {
    run: i64,
    letters: u64,
    files: Vec<PathBuf>,
}

/// Writes the letters of every print run that waits; 1 where there is none.
pub async fn run(common: &Common, args: LettersArgs) -> anyhow::Result<u8> {
    let config = config_with_logs(common)?;
    let ours = || Some(format!("{}/activate", config.http.public_url.as_ref()?));
    let url = args.url.clone().or_else(ours).filter(|url| url.starts_with("http"));
    let url = url
        .context("--url: write the whole address, for example https://pin.example.org/activate")?;
    let prepared = app::prepare(config)?;
    talk(&format!("records: {}", prepared.records_place()));
    let stores = prepared.open_beside().await?;
    let (mut letters, mut runs) = (0, vec![]);
    for batch in letters::waiting(&*stores.records).await? {
        let printed = print_run(&stores, &batch, &args, &url).await?;
        letters += printed.letters;
        if !common.json {
            tell(&printed);
        }
        let files = printed.files;
        runs.push(json!({ "run": printed.run, "letters": printed.letters, "files": files }));
    }
    if common.json {
        print(&json!({ "letters": letters, "runs": runs }).to_string());
    } else if letters == 0 {
        talk("there is no letter to print");
    }
    Ok(u8::from(letters == 0))
}

/// One run: its files are whole and on the disk before its key is destroyed. Whoever is killed in
/// between prints the same again.
async fn print_run(
    stores: &Stores,
    batch: &Batch,
    args: &LettersArgs,
    url: &str,
) -> anyhow::Result<Printed> {
    let (records, clock) = (&*stores.records, Clock::start());
    let run = OpenRun::close(records, &stores.pins.initials(), batch, clock.wall()).await?;
    let number = run.number();
    let out = || args.out.display().to_string();
    let mut files = Files::begin(&args.out, number, args.format, url).with_context(out)?;
    let mut after = None;
    loop {
        let page = run.letters(records, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.letter.customer.clone());
        for letter in &page {
            files.add(letter).with_context(out)?;
        }
    }
    let letters = files.letters();
    // Everybody may have registered, or been given another, before it came to printing.
    let files = if letters > 0 { files.keep().with_context(out)? } else { vec![] };
    let reason = "letters handed over for printing".to_owned();
    let by = By { actor: args.actor.name(), reason, now: clock.wall() };
    run.printed(records, letters, by).await?;
    Ok(Printed { run: number, letters, files })
}

fn tell(printed: &Printed) {
    let Printed { run, letters, files } = printed;
    if *letters == 0 {
        return;
    }
    for file in files {
        print(&file.display().to_string());
    }
    talk(&format!(
        "print run {run}: {letters} letters; its key is destroyed, these files are the only copy. Hand \
         them to the printer, then delete them"
    ));
}
