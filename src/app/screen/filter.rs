//! PURE. Filters: contains, everything but, and fuzzy.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::app::{Filter, FilterKind};

impl Filter {
    /// What is typed after `/`: `text`, `!text` or `-f text`.
    pub fn parse(typed: &str) -> Self {
        let (kind, text) = match (typed.strip_prefix('!'), typed.strip_prefix("-f")) {
            (Some(rest), _) => (FilterKind::Inverse, rest),
            (None, Some(rest)) if rest.is_empty() || rest.starts_with(' ') => (FilterKind::Fuzzy, rest),
            _ => (FilterKind::Contains, typed),
        };
        Self { kind, text: text.trim_start().to_string() }
    }

    /// What was typed.
    pub fn typed(&self) -> String {
        match self.kind {
            FilterKind::Contains => self.text.clone(),
            FilterKind::Inverse => format!("!{}", self.text),
            FilterKind::Fuzzy => format!("-f {}", self.text),
        }
    }
}

/// A filter ready to be asked.
pub(crate) struct Matching {
    kind: FilterKind,
    text: String,
    fuzzy: Option<(Matcher, Pattern, Vec<char>)>,
}

impl Matching {
    pub(crate) fn new(filter: &Filter) -> Self {
        let text = filter.text.trim().to_lowercase();
        let fuzzy = (filter.kind == FilterKind::Fuzzy && !text.is_empty()).then(|| {
            let pattern = Pattern::parse(&text, CaseMatching::Ignore, Normalization::Smart);
            (Matcher::new(Config::DEFAULT), pattern, Vec::new())
        });
        Self { kind: filter.kind, text, fuzzy }
    }

    /// Everything passes.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn is_match(&mut self, fields: &[&str]) -> bool {
        if self.is_empty() {
            return true;
        }
        match self.kind {
            FilterKind::Contains => self.contains(fields),
            FilterKind::Inverse => !self.contains(fields),
            FilterKind::Fuzzy => fields.iter().any(|field| self.score(field).is_some()),
        }
    }

    fn contains(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| {
            if field.is_ascii() && self.text.is_ascii() {
                let (field, text) = (field.as_bytes(), self.text.as_bytes());
                field.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text))
            } else {
                field.to_lowercase().contains(&self.text)
            }
        })
    }

    fn score(&mut self, field: &str) -> Option<u32> {
        let (matcher, pattern, buffer) = self.fuzzy.as_mut()?;
        pattern.score(Utf32Str::new(field, buffer), matcher)
    }

    /// A fuzzy filter shows the best matches first.
    pub(crate) fn rank<T>(&mut self, rows: &mut [&T], name: impl Fn(&T) -> String) {
        if self.fuzzy.is_some() {
            rows.sort_by_cached_key(|row| std::cmp::Reverse(self.score(&name(row))));
        }
    }
}

/// The names that match what was typed, best first: those that begin with it, then fuzzy ones.
pub(crate) fn complete(typed: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut matching = Matching::new(&Filter { kind: FilterKind::Fuzzy, text: typed.to_string() });
    let lower = typed.to_lowercase();
    let mut found: Vec<(bool, u32, String)> = names
        .into_iter()
        .filter_map(|name| {
            let begins = name.to_lowercase().starts_with(&lower);
            let score = if typed.is_empty() { Some(0) } else { matching.score(&name) };
            (begins || score.is_some()).then(|| (begins, score.unwrap_or(0), name))
        })
        .collect();
    found.sort_by_key(|(begins, score, _)| std::cmp::Reverse((*begins, *score)));
    found.into_iter().map(|(_, _, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_back_what_was_typed() {
        for typed in ["abc", "!abc", "-f abc", "-fast", ""] {
            assert_eq!(Filter::parse(typed).typed(), typed);
        }
        assert_eq!(Filter::parse("-fast").kind, FilterKind::Contains);
    }

    #[test]
    fn three_kinds_of_filter() {
        let passes = |typed: &str, field: &str| Matching::new(&Filter::parse(typed)).is_match(&[field, "master"]);
        assert!(passes("KX9", "kx9q2") && !passes("abc", "kx9q2"));
        assert!(passes("!abc", "kx9q2") && !passes("!MASTER", "kx9q2"));
        assert!(passes("-f kq2", "KX9Q2") && !passes("-f 2kq", "KX9Q2"));
        assert!(passes("", "x") && passes("!", "x") && passes("-f", "x") && passes("É", "café"));
    }

    #[test]
    fn completion_prefers_what_begins_so() {
        let names = ["topology", "room", "rooms", "failover"].map(String::from);
        assert_eq!(complete("ro", names.clone()), ["room", "rooms"]);
        assert_eq!(complete("fo", names), ["failover"]);
    }
}
