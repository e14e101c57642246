//! Files with initial PINs for a printer: there whole or not at all, for their owner alone, and with
//! buffers that are wiped.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use clap::ValueEnum;
use zeroize::Zeroize;
use zeroize::Zeroizing;

use crate::cli::letter_page;
use crate::maintenance::letters::OpenLetter;

/// Letters in one HTML file: more take a browser too long.
const PAGES_MAX: u64 = 10_000;
/// Bytes gathered before they are written.
const BUFFER: usize = 64 * 1024;
const HEADER: &[u8] = b"customer_id,name,language,initial_pin,expires,url\n";

/// What is written for the printer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// A line for each letter, for a printer that has its own layout
    Csv,
    /// A page for each letter, to print from a browser
    Html,
    /// Both
    Both,
}

/// The files of one print run, while they are written. Dropped before [`Files::keep`], none is there.
pub(super) struct Files<'a> {
    folder: &'a Path,
    run: i64,
    url: &'a str,
    csv: Option<Hidden>,
    pages: Option<Vec<Hidden>>,
    letters: u64,
}

impl<'a> Files<'a> {
    /// Begins the files of a print run. The folder is made if it is not there.
    pub(super) fn begin(
        folder: &'a Path,
        run: i64,
        format: Format,
        url: &'a str,
    ) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A command that was killed leaves what it had written; its PINs must not lie about.
        let (table, pages) = (format!(".letters-{run}.csv"), format!(".letters-{run}-"));
        remove(folder, |name| {
            let ours = name.starts_with(&table) || name.starts_with(&pages);
            ours && name.strip_suffix(".part").is_some()
        })?;
        let mut csv = match format {
            Format::Csv | Format::Both => Some(Hidden::create(folder, &format!("{run}.csv"))?),
            Format::Html => None,
        };
        if let Some(csv) = &mut csv {
            csv.write_all(HEADER)?;
        }
        let pages = (format != Format::Csv).then(Vec::new);
        Ok(Self { folder, run, url, csv, pages, letters: 0 })
    }

    /// Adds a letter.
    pub(super) fn add(&mut self, letter: &OpenLetter) -> io::Result<()> {
        if let Some(csv) = &mut self.csv {
            line(csv, letter, self.url)?;
        }
        if let Some(pages) = &mut self.pages {
            if self.letters.is_multiple_of(PAGES_MAX) {
                if let Some(full) = pages.last_mut() {
                    full.write_all(letter_page::FOOT.as_bytes())?;
                    full.finish()?;
                }
                let name = format!("{}-{}.html", self.run, pages.len() + 1);
                let mut page = Hidden::create(self.folder, &name)?;
                page.write_all(letter_page::HEAD.as_bytes())?;
                pages.push(page);
            }
            if let Some(page) = pages.last_mut() {
                letter_page::write(page, letter, self.url)?;
            }
        }
        self.letters += 1;
        Ok(())
    }

    /// How many letters they hold.
    pub(super) const fn letters(&self) -> u64 {
        self.letters
    }

    /// Brings them to the disk and gives them their names. What an earlier run of the command left
    /// behind for the same print run is replaced.
    pub(super) fn keep(mut self) -> io::Result<Vec<PathBuf>> {
        if let Some(page) = self.pages.iter_mut().flatten().last() {
            page.write_all(letter_page::FOOT.as_bytes())?;
        }
        for hidden in self.csv.iter_mut().chain(self.pages.iter_mut().flatten()) {
            hidden.finish()?;
        }
        let (folder, run) = (self.folder, self.run);
        let own = format!("letters-{run}");
        remove(folder, |name| match name.strip_prefix(&own) {
            Some(".csv") => true,
            Some(rest) => rest.starts_with(['-', '.']) && rest.strip_suffix(".html").is_some(),
            None => false,
        })?;
        let mut kept = vec![];
        if let Some(csv) = self.csv.take() {
            kept.push(csv.named(folder.join(format!("letters-{run}.csv")))?);
        }
        let pages = self.pages.take().unwrap_or_default();
        let single = pages.len() == 1;
        for (page, number) in pages.into_iter().zip(1..) {
            let part = if single { String::new() } else { format!("-{number:03}") };
            kept.push(page.named(folder.join(format!("letters-{run}{part}.html")))?);
        }
        // The names are on disk with their folder.
        File::open(folder)?.sync_all()?;
        Ok(kept)
    }
}

/// Removes the files of a folder that are meant.
fn remove(folder: &Path, meant: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&meant) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// One line for a printer with a layout of its own.
fn line(out: &mut impl Write, open: &OpenLetter, url: &str) -> io::Result<()> {
    let letter = &open.letter;
    cell(out, letter.customer.as_str())?;
    out.write_all(b",")?;
    cell(out, &letter.name)?;
    out.write_all(b",")?;
    cell(out, letter.language.as_deref().unwrap_or_default())?;
    out.write_all(b",")?;
    out.write_all(&*open.pin.expose_all())?;
    write!(out, ",{},", letter_page::last_day(letter.expires))?;
    cell(out, url)?;
    out.write_all(b"\n")
}

/// RFC 4180. By hand, because a library's buffer would keep what went through it.
fn cell(out: &mut impl Write, text: &str) -> io::Result<()> {
    if !text.contains(['"', ',', '\n', '\r']) {
        return out.write_all(text.as_bytes());
    }
    out.write_all(b"\"")?;
    for (nth, part) in text.split('"').enumerate() {
        if nth > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part.as_bytes())?;
    }
    out.write_all(b"\"")
}

/// A file that has no name of its own yet. Removed when dropped.
struct Hidden {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Never grows: a buffer that moves leaves its old place unwiped.
    buffer: Zeroizing<Vec<u8>>,
}

impl Hidden {
    fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!(".letters-{name}.part"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let buffer = Zeroizing::new(Vec::with_capacity(BUFFER));
        Ok(Self { path, open: Some(Open { file, buffer }) })
    }

    /// Everything is on the disk; nothing can be added, and no memory is held, from then on.
    fn finish(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.flush()?;
        open.file.sync_all()
    }

    fn named(self, name: PathBuf) -> io::Result<PathBuf> {
        fs::rename(&self.path, &name)?;
        Ok(name)
    }
}

impl Write for Hidden {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.open.as_mut();
        open.ok_or_else(|| io::Error::other("the file is finished"))?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), Open::flush)
    }
}

impl Write for Open {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() > BUFFER {
            return self.file.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.zeroize();
        written
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // One that got its name is not there under this one any more.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::digits::VoicePin;
    use crate::model::time::Timestamp;
    use crate::records::pins::Letter;

    const URL: &str = "https://pin.example.org/activate?a=1&b=2";

    fn letter(id: &str, name: &str, language: Option<&str>) -> OpenLetter {
        let letter = Letter {
            customer: id.parse().expect("an id"),
            name: name.to_owned(),
            language: language.map(str::to_owned),
            version: 1,
            envelope: vec![],
            expires: Timestamp::from_rfc3339("2026-12-06T09:30:00Z").expect("a time"),
        };
        OpenLetter { letter, pin: VoicePin::parse("0816029").expect("a PIN") }
    }

    fn written(format: Format, letters: &[OpenLetter]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("letters");
        let mut files = Files::begin(&place, 7, format, URL).expect("begun");
        letters.iter().try_for_each(|letter| files.add(letter)).expect("added");
        let kept = files.keep().expect("kept");
        (folder, kept)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("a file")
    }

    #[test]
    fn a_letter_is_a_line_whose_cells_come_back_as_they_were() {
        let letters =
            [letter("c-1", "Ann \"A.\", of\nLeeds", Some("en-GB")), letter("c-2", "Zoë <b>", None)];
        let (_folder, files) = written(Format::Csv, &letters);
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(file.file_name().and_then(|name| name.to_str()), Some("letters-7.csv"));
        let mode = fs::metadata(file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
        let mut reader = csv::Reader::from_path(file).expect("CSV");
        let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(&rows[0][1], "Ann \"A.\", of\nLeeds");
        assert_eq!((&rows[0][3], &rows[0][4], &rows[0][5]), ("0816029", "2026-12-05", URL));
        assert_eq!((&rows[1][0], &rows[1][1], &rows[1][2]), ("c-2", "Zoë <b>", ""));
    }

    #[test]
    fn a_letter_is_a_page_in_the_customers_language_and_nothing_in_it_is_markup() {
        let letters = [
            letter("c-1", "Ann", Some("en-GB")),
            letter("c-2", "Bram", Some("NL")),
            letter("c-3", "Cléo", Some("fr-BE")),
            letter("c-4", "Dörte", Some("de")),
            letter("<i>5</i>", "\"><script>alert('1')</script>&", Some("x-none")),
        ];
        let (_folder, files) = written(Format::Html, &letters);
        let page = text(&files[0]);
        for words in [
            "Your initial PIN",
            "Uw eerste pincode",
            "Votre code initial",
            "Ihre erste PIN",
            "5 December 2026",
            "5 december 2026",
            "5 décembre 2026",
            "5. Dezember 2026",
            "&lt;i&gt;5&lt;/i&gt;",
            "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;",
            "activate?a=1&amp;b=2",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert_eq!(page.matches("0816029").count(), 5);
        assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
        for loaded in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(loaded), "nothing is loaded from elsewhere: {loaded}");
        }
    }

    #[test]
    fn ten_thousand_and_one_letters_are_two_files_and_no_older_one_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        for older in ["letters-7.html", "letters-7-004.html", ".letters-7-9.html.part"] {
            fs::write(folder.path().join(older), "0816029").expect("written");
        }
        fs::write(folder.path().join("letters-70.html"), "another run").expect("written");
        let mut files = Files::begin(folder.path(), 7, Format::Both, URL).expect("begun");
        for number in 0..=PAGES_MAX {
            files.add(&letter(&format!("c-{number}"), "Ann", None)).expect("added");
        }
        assert_eq!(files.letters(), 10_001);
        files.keep().expect("kept");
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["letters-7-001.html", "letters-7-002.html", "letters-7.csv", "letters-70.html"]
        );
        let pages = |name: &str| text(&folder.path().join(name)).matches("<section").count();
        assert_eq!((pages(&names[0]), pages(&names[1])), (10_000, 1));
    }

    #[test]
    fn files_that_were_not_kept_are_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Files::begin(folder.path(), 7, Format::Both, URL).expect("begun");
        files.add(&letter("c-1", "Ann", None)).expect("added");
        drop(files);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
