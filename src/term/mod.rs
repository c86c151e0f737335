//! IO. The terminal: taken and given back exactly once, its keys and signals in, whole frames out.

mod decode;
mod events;
mod guard;
mod input;
mod keys;
mod log_pane;
mod signals;
mod writer;

pub use events::events;
pub use guard::{Guard, enter, install_panic_hook, retake};
pub use input::Input;
pub use log_pane::{collect_log, install_log};
pub use signals::{Signal, Signals};
pub use writer::FrameWriter;

use crate::theme::ColorDepth;

/// How many colours the terminal says it shows. Reads `NO_COLOR`, `COLORTERM` and `TERM`, as given by `variable`.
pub fn colours(variable: impl Fn(&str) -> Option<String>) -> ColorDepth {
    let term = variable("TERM").unwrap_or_default();
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
        return ColorDepth::None;
    }
    let colorterm = variable("COLORTERM").unwrap_or_default().to_lowercase();
    if colorterm.contains("truecolor") || colorterm.contains("24bit") || term.ends_with("-direct") {
        return ColorDepth::True;
    }
    if term.contains("256") || term.starts_with("alacritty") || term.starts_with("xterm-kitty") || !colorterm.is_empty() {
        return ColorDepth::Ansi256;
    }
    ColorDepth::Ansi16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_what_the_terminal_says() {
        let with = |pairs: &'static [(&'static str, &'static str)]| {
            colours(move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string()))
        };
        assert_eq!(with(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), ColorDepth::True);
        assert_eq!(with(&[("TERM", "xterm-256color")]), ColorDepth::Ansi256);
        assert_eq!(with(&[("TERM", "linux")]), ColorDepth::Ansi16);
        assert_eq!(with(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), ColorDepth::None);
        assert_eq!(with(&[("TERM", "screen"), ("NO_COLOR", "")]), ColorDepth::Ansi16);
        assert_eq!(with(&[("TERM", "dumb")]), ColorDepth::None);
    }
}
