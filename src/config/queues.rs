//! `[queues.*]`: which dialled number belongs to whom.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::config::sip::SipTarget;
use crate::config::sip::target;
use crate::config::table::Complaint;
use crate::config::table::Table;
use crate::config::table::complaint;
use crate::model::ids::QueueName;

/// The queue of calls whose dialled number no queue names.
const GENERAL: &str = "general";

/// All queues; `general` is among them, configured or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Queues(BTreeMap<QueueName, Queue>);

/// One queue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Queue {
    /// Dialled numbers that belong here.
    pub numbers: Vec<Dialled>,
    /// Where its calls are handed on to; none: `sip.queue_uri`.
    pub uri: Option<SipTarget>,
    /// Its profile; none: `policy.default`.
    pub policy: Option<String>,
}

/// A dialled number or its beginning: `+448001234`, `+44800*`, `*`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Dialled {
    start: String,
    open: bool,
}

impl Queues {
    /// The queue of a dialled number: an exact number before a beginning, a longer one before a
    /// shorter one, and `general` where nothing fits.
    pub fn of(&self, dialled: &str) -> Option<(&QueueName, &Queue)> {
        let dialled = plain(dialled);
        let fits = self.iter().filter_map(|(name, queue)| {
            let best = queue.numbers.iter().filter_map(|number| number.fit(&dialled)).max()?;
            Some((best, (name, queue)))
        });
        let best = fits.max_by_key(|(fit, _)| *fit).map(|(_, found)| found);
        best.or_else(|| self.iter().find(|(name, _)| name.as_str() == GENERAL))
    }

    /// A queue by its name.
    pub fn named(&self, name: &QueueName) -> Option<&Queue> {
        self.0.get(name)
    }

    /// All queues, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&QueueName, &Queue)> {
        self.0.iter()
    }
}

impl Dialled {
    /// How well a number fits; larger is better.
    fn fit(&self, dialled: &str) -> Option<(bool, usize)> {
        let fits = if self.open { dialled.starts_with(&self.start) } else { dialled == self.start };
        fits.then_some((!self.open, self.start.len()))
    }
}

/// A number without the marks people put between digits; a name in small letters.
fn plain(text: &str) -> String {
    let text = text.trim().trim_start_matches('+').to_lowercase();
    if text.contains(|c: char| c.is_alphabetic()) {
        return text;
    }
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect()
}

fn dialled(text: &str) -> Result<Dialled, Complaint> {
    let open = text.ends_with('*');
    let start = plain(text.strip_suffix('*').unwrap_or(text));
    if start.contains('*') || (start.is_empty() && !open) {
        return Err(complaint("is no dialled number", "write +448001234, +44800* or *"));
    }
    Ok(Dialled { start, open })
}

pub(crate) fn read(table: Table<'_>) -> Queues {
    let mut queues = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for (name, mut table) in table.named() {
        let queue = Queue {
            numbers: table.list("numbers", Vec::new(), dialled),
            uri: table.optional("uri", target),
            policy: table.optional("policy", |text| Ok(text.to_owned())),
        };
        for number in &queue.numbers {
            match owners.entry(number.clone()) {
                Entry::Vacant(free) => {
                    free.insert(name.clone());
                }
                Entry::Occupied(taken) => table.complain(
                    "numbers",
                    &format!("one of them also belongs to queue `{}`", taken.get()),
                    "give each number to one queue",
                ),
            }
        }
        match QueueName::try_from(name) {
            Ok(name) => {
                queues.insert(name, queue);
            }
            Err(wrong) => table.complain_here(&wrong.to_string(), "choose a shorter name"),
        }
        table.end();
    }
    if let Ok(general) = QueueName::try_from(GENERAL.to_owned()) {
        queues.entry(general).or_default();
    }
    Queues(queues)
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn the_longest_number_that_fits_names_the_queue() {
        let config = parse(
            "c.toml",
            "[queues.sales]\nnumbers = [\"+44800*\", \"1000\"]\n\
             [queues.cards]\nnumbers = [\"+44 800 1234\", \"cards\"]\n\
             [queues.uk]\nnumbers = [\"+44*\"]\n",
        )
        .expect("configuration");
        for (dialled, queue) in [
            ("+448001234", "cards"),
            ("448001234", "cards"),
            ("+448005678", "sales"),
            ("1000", "sales"),
            ("10001", "general"),
            ("Cards", "cards"),
            ("+442079460123", "uk"),
            ("", "general"),
        ] {
            let found = config.queues.of(dialled).map(|(name, _)| name.as_str());
            assert_eq!(found, Some(queue), "{dialled}");
        }
    }

    #[test]
    fn with_a_star_one_queue_takes_the_rest() {
        let text = "[queues.all]\nnumbers = [\"*\"]\npolicy = \"bofe\"\n";
        let config = parse("c.toml", text).expect("configuration");
        let (name, queue) = config.queues.of("+1").expect("a queue");
        assert_eq!((name.as_str(), queue.policy.as_deref()), ("all", Some("bofe")));
    }
}
