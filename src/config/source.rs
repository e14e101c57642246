//! Where a value was written: every key's place in a file, a variable or a `--set`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeTable;
use toml::de::DeValue;

/// What kind of text a value came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A configuration file: values have TOML types.
    File,
    /// One environment variable, held as `NAME=value`.
    Environment,
    /// One `--set`, held as `section.key=value`.
    Flag,
}

/// One text that configuration was read from.
pub struct Source {
    /// What an operator calls it: the file's name, `environment`, `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Its kind.
    pub origin: Origin,
}

/// Where one key and its value stand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Index into the sources.
    pub source: usize,
    /// The key's bytes.
    pub key: Range<usize>,
    /// The value's bytes.
    pub value: Range<usize>,
}

/// All texts, and the place of every key in them. The last text that names a key has its place.
#[derive(Default)]
pub struct Sources {
    texts: Vec<Source>,
    places: BTreeMap<Vec<String>, Place>,
}

impl Sources {
    /// Adds a text; its keys are noted by [`Self::note`] or [`Self::note_table`].
    pub fn add(&mut self, name: &str, text: &str, origin: Origin) -> usize {
        self.texts.push(Source { name: name.to_owned(), text: text.to_owned(), origin });
        self.texts.len() - 1
    }

    /// Notes the place of one key.
    pub fn note(&mut self, path: Vec<String>, place: Place) {
        self.places.insert(path, place);
    }

    /// Notes the places of everything in a file's table.
    pub fn note_table(&mut self, source: usize, path: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            let place = Place { source, key: key.span(), value: value.span() };
            self.note_value(&path, value.get_ref(), &place);
            self.note(path, place);
        }
    }

    fn note_value(&mut self, path: &[String], value: &DeValue<'_>, place: &Place) {
        if let DeValue::Table(table) = value {
            self.note_table(place.source, path, table);
        }
        let items = value.as_array().into_iter().flat_map(|array| array.iter());
        for (index, item) in items.enumerate() {
            let place = Place { source: place.source, key: place.key.clone(), value: item.span() };
            self.note(join_index(path, index), place);
        }
    }

    /// The place of a key, or of the nearest table around it that somebody wrote.
    pub fn place(&self, path: &[String]) -> Option<&Place> {
        (1..=path.len()).rev().find_map(|length| self.places.get(path.get(..length)?))
    }

    /// The kind of text a key was last written in.
    pub fn origin(&self, path: &[String]) -> Option<Origin> {
        let place = self.place(path)?;
        self.texts.get(place.source).map(|source| source.origin)
    }

    /// The texts, in the order in which they were added.
    pub fn into_texts(self) -> Vec<Source> {
        self.texts
    }
}

/// A path and one more step.
pub fn join(path: &[String], step: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(step.to_owned());
    path
}

/// A path and the place of an item in a list.
pub fn join_index(path: &[String], index: usize) -> Vec<String> {
    join(path, &format!("[{index}]"))
}

/// A path as people write it: `sip.listen[0]`.
pub fn dotted(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}
