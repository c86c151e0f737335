//! PURE. A little colour for terminals that want it; a glyph or a word always says the same.
//!
//! Colours are marks in the text, characters that no text has, until it is written: what others wrote is escaped between
//! them, and no sequence of theirs is taken for ours.

use crate::alerts::{Severity, Verdict};
use crate::escape;

/// Colours on or off, decided once at the edge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paint(pub bool);

/// The mark of each colour is the character after this one by its place in the list; the first ends them all.
const MARKS: char = '\u{fdd0}';
const CODES: [&str; 9] = ["0", "1;32", "1;33", "1;31", "1;35", "36", "33", "31", "2"];

fn mark(code: &str) -> char {
    let place = CODES.iter().position(|known| *known == code).unwrap_or(0);
    char::from_u32(u32::from(MARKS) + u32::try_from(place).unwrap_or(0)).unwrap_or(MARKS)
}

fn code(mark: char) -> Option<&'static str> {
    let place = u32::from(mark).checked_sub(u32::from(MARKS))?;
    CODES.get(usize::try_from(place).ok()?).copied()
}

/// The text as a terminal takes it: marks are colours, and everything between them is text.
pub(crate) fn ansi(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 64);
    for piece in text.split_inclusive(|c| code(c).is_some()) {
        let last = piece.chars().next_back().filter(|last| code(*last).is_some());
        let plain = last.and_then(|last| piece.strip_suffix(last)).unwrap_or(piece);
        written.push_str(&escape::text(plain));
        if let Some(code) = last.and_then(code) {
            written.push_str(&format!("\u{1b}[{code}m"));
        }
    }
    written
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("{}{}{}", mark(code), escape::line(text), mark("0")) } else { text.to_owned() }
    }

    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Ok => "1;32",
            Verdict::Warning => "1;33",
            Verdict::Critical => "1;31",
            Verdict::Unknown => "1;35",
        };
        self.with(code, text)
    }

    pub(crate) fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Info => self.with("36", text),
            Severity::Warning => self.with("33", text),
            Severity::Critical => self.with("31", text),
        }
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_colours_are_colours() {
        let text = format!("{} \u{1b}[31mred\u{9b}0m\n", Paint(true).verdict(Verdict::Ok, "OK\u{1b}]0;x\u{7}"));
        assert_eq!(ansi(&text), "\u{1b}[1;32mOK\\x1b]0;x\\x07\u{1b}[0m \\x1b[31mred\\u{9b}0m\n");
        assert_eq!(ansi(&Paint(false).faint("plain")), "plain");
    }
}
