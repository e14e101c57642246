//! "Did you mean": the known word that is nearest to a misspelt one.

/// The known word with the fewest changes, or the one that was cut short.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let near = (word.chars().count() / 3).max(1);
    let distances = known.clone().map(|candidate| (distance(word, candidate), candidate));
    let closest = distances.min_by_key(|(changes, _)| *changes);
    let close = closest.filter(|(changes, _)| *changes <= near).map(|(_, candidate)| candidate);
    let mut cut_short = known.filter(|candidate| word.len() > 2 && candidate.starts_with(word));
    close.or_else(|| cut_short.next())
}

/// Letters to insert, drop, change or swap with the next until `from` is `to`.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (line, letter) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, wanted) in to.iter().enumerate() {
            let at =
                |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&row, column) + usize::from(letter != *wanted))
                .min(at(&row, column + 1) + 1)
                .min(at(&next, column) + 1);
            let before = column.checked_sub(1).and_then(|index| Some((index, *to.get(index)?)));
            if let Some((index, left)) = before
                && previous == Some(*wanted)
                && left == letter
            {
                best = best.min(at(&above, index) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
        previous = Some(letter);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_what_fingers_do() {
        for (from, to, changes) in [
            ("", "", 0),
            ("", "abc", 3),
            ("listen", "listne", 1),
            ("ports", "port", 1),
            ("a", "b", 1),
        ] {
            assert_eq!(distance(from, to), changes, "{from} {to}");
        }
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_finds_none() {
        let known = ["listen", "advertise", "queue_uri", "transfer"];
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("queue-uri", known.into_iter()), Some("queue_uri"));
        assert_eq!(nearest("transfre", known.into_iter()), Some("transfer"));
        assert_eq!(nearest("banana", known.into_iter()), None);
        assert_eq!(nearest("adv", known.into_iter()), Some("advertise"));
    }
}
