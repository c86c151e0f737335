//! PURE. What servers, players and files wrote, made visible: nothing of it reaches a terminal, a file or a spreadsheet
//! as anything but text.
//!
//! One form everywhere: `\x1b` for control characters, `\u{202e}` for other characters that are not seen or change how
//! their neighbours are seen, `\xff` for bytes that are not UTF-8. In names `\\` is a backslash, so that two names that
//! differ never look alike, and a name as it is shown is understood as an argument.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

/// A terminal would do something with it, or show it as something that it is not.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Direction, and separators of lines and paragraphs.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Not seen, not characters, or tags of others.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// In a name it could not be told from nothing, from a blank or from the letter before it.
fn is_hidden(c: char) -> bool {
    is_active(c) || c.width() == Some(0) || (c.is_whitespace() && c != ' ') || matches!(c, '\u{3164}' | '\u{ffa0}' | '\u{2800}')
}

fn put(shown: &mut String, c: char) {
    // A string takes everything.
    let _ = if c.is_ascii() { write!(shown, "\\x{:02x}", u32::from(c)) } else { write!(shown, "\\u{{{:x}}}", u32::from(c)) };
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&keep) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if keep(c) { shown.push(c) } else { put(&mut shown, c) }
    }
    Cow::Owned(shown)
}

/// Sentences and tables on their way out: lines stay lines.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || !is_active(c))
}

/// One line of it: a line break is shown, too.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !is_active(c))
}

/// A name, from the bytes that a server has of it. It is one word: blanks are shown, too.
pub fn name(bytes: &[u8]) -> String {
    value(bytes).replace(' ', "\\x20")
}

/// What is written in a place for words: as a name, with its blanks.
pub fn value(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => shown.push_str("\\\\"),
                c if is_hidden(c) => put(&mut shown, c),
                c => shown.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A word of a command as redis-cli takes it: in quotes where it would be read as something else.
pub fn argument(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok();
    let plain = |c: char| !is_hidden(c) && !matches!(c, ' ' | '"' | '\'' | '\\');
    match text {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        _ => {
            let mut quoted = String::from("\"");
            for &byte in bytes {
                let _ = match byte {
                    b'"' | b'\\' => write!(quoted, "\\{}", char::from(byte)),
                    b' '..=b'~' => write!(quoted, "{}", char::from(byte)),
                    _ => write!(quoted, "\\x{byte:02x}"),
                };
            }
            quoted.push('"');
            quoted
        }
    }
}

/// The bytes of a name as it is shown. What is no escape stands for itself.
pub fn bytes(shown: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = match unescaped(escape) {
            Some((found, after)) => {
                bytes.extend_from_slice(&found);
                after
            }
            None => {
                bytes.push(b'\\');
                escape
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What an escape stands for, and what follows it; `text` begins after the backslash.
fn unescaped(text: &str) -> Option<(Vec<u8>, &str)> {
    let (kind, rest) = (text.chars().next()?, text.get(1..).unwrap_or_default());
    match kind {
        '\\' => Some((vec![b'\\'], rest)),
        'x' => {
            let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            Some((vec![u8::from_str_radix(digits, 16).ok()?], rest.get(2..)?))
        }
        'u' => {
            let (digits, after) = rest.strip_prefix('{')?.split_once('}')?;
            let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((c.to_string().into_bytes(), after))
        }
        _ => None,
    }
}

/// A name that somebody typed, in the form in which it is shown.
pub fn typed(text: &str) -> String {
    name(&bytes(text))
}

/// JSON that is written already: characters that do something are inside of strings, and have an escape there.
pub fn json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(|c| is_active(c) && !c.is_ascii_whitespace()) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_active(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A cell of a table for spreadsheets, which take what begins so for a formula: an apostrophe makes it text.
pub fn cell(text: &str) -> Cow<'_, str> {
    let shown = line(text);
    if shown.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{shown}")) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_something_is_shown() {
        assert_eq!(text("a\x1b]52;c;x\x07b\nc\u{9b}31m\u{7f}"), "a\\x1b]52;c;x\\x07b\nc\\u{9b}31m\\x7f");
        assert_eq!(line("a\nb\u{202e}c\u{2028}"), "a\\x0ab\\u{202e}c\\u{2028}");
        assert_eq!(text("plain – ü 日本 ✖"), "plain – ü 日本 ✖");
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        for (bytes_of, shown) in [
            (&b"KX9Q2"[..], "KX9Q2"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"\\x1b[31m", "\\\\x1b[31m"),
            (b"a\xffb", "a\\xffb"),
            (b" a b ", "\\x20a\\x20b\\x20"),
            (b"  ", "\\x20\\x20"),
            ("e\u{301}".as_bytes(), "e\\u{301}"),
            ("a\u{200b}b\u{a0}".as_bytes(), "a\\u{200b}b\\u{a0}"),
            ("日本".as_bytes(), "日本"),
        ] {
            assert_eq!(name(bytes_of), shown);
            assert_eq!(bytes(shown), bytes_of);
            assert_eq!(typed(shown), shown);
        }
        // What is no escape stands for itself.
        assert_eq!(
            [typed("a\\b"), typed("\\"), typed("\\x1"), typed("\\u{110000}")],
            ["a\\\\b", "\\\\", "\\\\x1", "\\\\u{110000}"]
        );
    }

    #[test]
    fn commands_are_what_redis_cli_takes() {
        for (word, shown) in [
            (&b"GET"[..], "GET"),
            (b"room:{KX9Q2}:state", "room:{KX9Q2}:state"),
            (b"", "\"\""),
            (b"a b", "\"a b\""),
            (b"\"\\\x1b\xff", "\"\\\"\\\\\\x1b\\xff\""),
        ] {
            assert_eq!(argument(word), shown);
        }
        assert_eq!(value(b"team pick\x07"), "team pick\\x07");
    }

    #[test]
    fn spreadsheets_see_text() {
        let cells = ["=1+1", "+1", "-1", "@x", "a=1", "1"].map(|text| cell(text).into_owned());
        assert_eq!(cells, ["'=1+1", "'+1", "'-1", "'@x", "a=1", "1"]);
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a": "\u{7f}\u{9b}\u{202e}\u{e0041}\x1b", "b": "ü"});
        let written = value.to_string();
        let shown = json(&written);
        assert!(shown.contains(r"\u007f\u009b\u202e\udb40\udc41\u001b"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    proptest! {
        #[test]
        fn every_name_is_safe_unique_and_read_back(raw in proptest::collection::vec(any::<u8>(), 0..24)) {
            let shown = name(&raw);
            prop_assert!(!shown.chars().any(|c| is_hidden(c) || c == ' '));
            prop_assert_eq!(bytes(&shown), raw);
        }

        #[test]
        fn text_is_never_active(raw in ".{0,40}") {
            prop_assert!(!line(&raw).chars().any(is_active));
            prop_assert!(text(&raw).chars().all(|c| c == '\n' || !is_active(c)));
            let written = serde_json::Value::from(raw.clone()).to_string();
            let shown = json(&written);
            prop_assert!(!shown.chars().any(is_active));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), raw);
        }
    }
}
