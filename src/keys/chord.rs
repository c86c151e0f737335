//! PURE. A chord: one key with its modifiers, as terminals send it and as the configuration spells it.

use crate::nearest::nearest;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key press. Normalised, so that what a terminal sends and what a person writes compare equal:
/// a capital letter carries no shift, `shift-tab` is back-tab, and `ctrl-\` is what terminals send as `ctrl-4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    pub code: KeyCode,
    pub modifiers: KeyModifiers,
}

/// Keys with a name, in the order in which they are printed when two names mean the same.
const NAMES: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("space", KeyCode::Char(' ')),
];

impl Chord {
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = code;
        match code {
            KeyCode::BackTab => {
                code = KeyCode::Tab;
                modifiers |= KeyModifiers::SHIFT;
            }
            KeyCode::Char(c) => {
                if modifiers.contains(KeyModifiers::SHIFT) {
                    modifiers -= KeyModifiers::SHIFT;
                    code = KeyCode::Char(c.to_uppercase().next().unwrap_or(c));
                }
                // The C0 codes 0x1c to 0x1f have no letter; terminals that send them come through as digits.
                if modifiers.contains(KeyModifiers::CONTROL)
                    && let KeyCode::Char(digit @ '4'..='7') = code
                {
                    code = KeyCode::Char(match digit {
                        '4' => '\\',
                        '5' => ']',
                        '6' => '^',
                        _ => '_',
                    });
                }
            }
            _ => {}
        }
        Self { code, modifiers }
    }

    /// A plain character, without ctrl and alt: what a text field takes.
    pub fn character(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }
}

impl From<KeyEvent> for Chord {
    fn from(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (modifier, name) in [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")] {
            if self.modifiers.contains(modifier) {
                text.push_str(name);
            }
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => text.push_str(name),
            (None, KeyCode::Char(c)) => text.push(c),
            (None, KeyCode::F(n)) => text.push_str(&format!("f{n}")),
            (None, other) => text.push_str(&format!("{other:?}").to_lowercase()),
        }
        f.pad(&text)
    }
}

impl FromStr for Chord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is not a key: {what}");
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        // A lone `-` is a key; after a modifier it is one too (`ctrl--`).
        while let Some((name, after)) = rest.split_once('-').filter(|(name, after)| !name.is_empty() && !after.is_empty()) {
            modifiers |= match name.to_lowercase().as_str() {
                "ctrl" | "control" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                other => {
                    let hint = match nearest(other, ["ctrl", "alt", "shift"]) {
                        Some(near) => format!("did you mean `{near}-`?"),
                        None => "expected `ctrl-`, `alt-` or `shift-`".into(),
                    };
                    return Err(wrong(&format!("`{name}` is no modifier, {hint}")));
                }
            };
            rest = after;
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (None, _) => return Err(wrong("expected a key such as F, ctrl-z, shift-left, enter, space or f5")),
            (Some(c), None) if c.is_control() || c.is_whitespace() => return Err(wrong("write `space`, `tab`, `enter` or `esc`")),
            (Some(c), None) => KeyCode::Char(c),
            _ => {
                let name = rest.to_lowercase();
                let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code);
                let function = name.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=12).contains(n));
                named.or(function.map(KeyCode::F)).ok_or_else(|| {
                    let near = nearest(&name, NAMES.iter().map(|(known, _)| *known));
                    let hint = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
                    wrong(&format!("there is no key `{rest}`{hint}"))
                })?
            }
        };
        Ok(Self::new(code, modifiers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_read_back_what_they_print() {
        for text in [
            "F",
            "f",
            "?",
            "-",
            ":",
            "ctrl-z",
            "ctrl-\\",
            "ctrl-space",
            "shift-left",
            "shift-tab",
            "alt-x",
            "ctrl--",
            "f5",
            "é",
            "space",
            "pgdn",
        ] {
            assert_eq!(text.parse::<Chord>().unwrap().to_string(), text);
        }
        for (written, printed) in [("shift-o", "O"), ("Ctrl-Z", "ctrl-Z"), ("ENTER", "enter"), ("ctrl-4", "ctrl-\\")] {
            assert_eq!(written.parse::<Chord>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_chord_says_what_would_be() {
        for (bad, hint) in [("ctlr-x", "ctrl-"), ("entr", "enter"), ("", "space"), (" ", "space"), ("f13", "there is no key")] {
            let error = bad.parse::<Chord>().unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn what_terminals_send_equals_what_people_write() {
        let sent = |code, modifiers| Chord::from(KeyEvent::new(code, modifiers)).to_string();
        assert_eq!(sent(KeyCode::Char('F'), KeyModifiers::SHIFT), "F");
        assert_eq!(sent(KeyCode::BackTab, KeyModifiers::SHIFT), "shift-tab");
        assert_eq!(sent(KeyCode::Char('4'), KeyModifiers::CONTROL), "ctrl-\\");
        assert_eq!(sent(KeyCode::Char(' '), KeyModifiers::CONTROL), "ctrl-space");
    }
}
