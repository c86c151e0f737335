//! PURE. A little colour for terminals that want it; a glyph or a word always says the same.

use crate::alerts::{Severity, Verdict};

/// Colours on or off, decided once at the edge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paint(pub bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Ok => "1;32",
            Verdict::Warning => "1;33",
            Verdict::Critical => "1;31",
            Verdict::Unknown => "1;35",
        };
        self.with(code, text)
    }

    pub(super) fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Info => self.with("36", text),
            Severity::Warning => self.with("33", text),
            Severity::Critical => self.with("31", text),
        }
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}
