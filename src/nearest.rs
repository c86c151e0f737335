//! PURE. The nearest of some names to what was typed: for "did you mean" everywhere.

/// The name with the fewest edits to `text`, when that is few enough to be meant: at most every third letter.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = text.to_lowercase();
    let near = |(edits, name): &(usize, &str)| 3 * edits <= name.chars().count().max(typed.chars().count());
    let scored = names.into_iter().map(|name| (distance(&typed, &name.to_lowercase()), name));
    scored.filter(near).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |line: &[usize], k: usize| line.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, j) + usize::from(from != to)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far_off() {
        let names = ["failover", "rebalance", "rooms"];
        assert_eq!(nearest("fialover", names), Some("failover"));
        assert_eq!(nearest("Room", names), Some("rooms"));
        assert_eq!(nearest("xyz", names), None);
        assert_eq!(nearest("moms", names), None, "two of four letters differ");
        assert_eq!(nearest("X", ["A", "B"]), None);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
