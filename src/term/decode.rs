//! PURE. From the bytes that a terminal sends to keys, pastes and the mouse. What a terminal says by itself (replies,
//! reports) is swallowed whole, however it is split in time: it is never taken for keys.
//!
//! A sequence begins with `Esc` and an introducer. Alone, `Esc` is a key after a moment; an introducer after it is one
//! when nothing follows for [`INTRODUCED`]. Once more has come, only its end ends a sequence, or `Esc` or a control
//! character that somebody presses: a sequence that never ends does not take the keyboard with it.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::keys;

/// `Esc` with nothing after it for so long is the key.
pub(super) const ALONE: Duration = Duration::from_millis(50);
/// `Esc` and an introducer with nothing after them for so long are keys; so long after an `Esc` that was taken for the
/// key, what may be the rest of a sequence is watched.
pub(super) const INTRODUCED: Duration = Duration::from_millis(500);
/// A string sequence or a paste that has been silent for so long has no end.
const ENDLESS: Duration = Duration::from_secs(5);
/// More than this of a paste is not kept, and no report has more parameters.
const LONGEST_PASTE: usize = 1 << 20;
const LONGEST: usize = 256;

const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Where in a sequence the bytes are.
#[derive(Clone, Debug, PartialEq)]
enum DecoderState {
    Ground,
    /// `Esc`; held back until it is clear whether it begins a sequence.
    Escape,
    /// `Esc` and this introducer; the `Esc` was told as a key when `told`.
    Introduced {
        introducer: u8,
        told: bool,
    },
    /// CSI: its bytes so far.
    Csi(Vec<u8>),
    /// `CSI M` of the oldest mouse protocol: bytes that are still to come.
    OldMouse(u8),
    /// `CSI [`, as the Linux console begins its function keys.
    Console,
    /// OSC, DCS, APC, PM or SOS: up to its end. `Esc` has come when `escaped`.
    Text {
        escaped: bool,
    },
    Paste(Vec<u8>),
}

/// Takes bytes in; events come out of [`Decoder::next`], at once or later. Times are from any fixed start.
#[derive(Debug)]
pub(super) struct Decoder {
    state: DecoderState,
    /// Bytes of a character that is not whole yet.
    partial: Vec<u8>,
    last: Duration,
    /// When an `Esc` was told as a key.
    escaped_at: Option<Duration>,
    ready: VecDeque<Event>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { state: DecoderState::Ground, partial: Vec::new(), last: Duration::ZERO, escaped_at: None, ready: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    pub(super) fn feed(&mut self, bytes: &[u8], at: Duration) {
        self.expire(at);
        self.last = at;
        for &byte in bytes {
            self.byte(byte, at);
        }
    }

    /// When [`Decoder::expire`] should be called, if something is held back.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            DecoderState::Escape | DecoderState::Text { escaped: true } => Some(self.last + ALONE),
            DecoderState::Introduced { .. } => Some(self.last + INTRODUCED),
            DecoderState::Paste(_) => Some(self.last + ENDLESS),
            _ => None,
        }
    }

    /// Time has passed: what was held back were keys after all.
    pub(super) fn expire(&mut self, now: Duration) {
        let silent = now.saturating_sub(self.last);
        match &self.state {
            DecoderState::Escape | DecoderState::Text { escaped: true } if silent >= ALONE => {
                self.key(KeyCode::Esc, KeyModifiers::NONE);
                self.escaped_at = Some(self.last + ALONE);
                // The end of a string may come in two pieces.
                self.state =
                    if self.state == DecoderState::Escape { DecoderState::Ground } else { DecoderState::Text { escaped: false } };
            }
            DecoderState::Introduced { introducer, told } if silent >= INTRODUCED => {
                let (introducer, told) = (*introducer, *told);
                self.state = DecoderState::Ground;
                self.introducer_was_a_key(introducer, told);
            }
            DecoderState::Text { .. } if silent >= ENDLESS || self.escaped_at.is_some() && silent >= INTRODUCED => {
                self.state = DecoderState::Ground;
            }
            DecoderState::Paste(_) if silent >= ENDLESS => {
                if let DecoderState::Paste(bytes) = std::mem::replace(&mut self.state, DecoderState::Ground) {
                    self.paste(&bytes);
                }
            }
            _ => {}
        }
        if self.escaped_at.is_some_and(|at| now.saturating_sub(at) >= INTRODUCED) {
            self.escaped_at = None;
        }
    }

    fn byte(&mut self, byte: u8, at: Duration) {
        match std::mem::replace(&mut self.state, DecoderState::Ground) {
            DecoderState::Ground => self.ground(byte, at),
            DecoderState::Escape => self.escape(byte),
            DecoderState::Introduced { introducer, told } => self.introduced(introducer, told, byte, at),
            DecoderState::Csi(bytes) => self.csi(bytes, byte, at),
            // Neither has control characters: somebody is at the keyboard.
            DecoderState::OldMouse(_) | DecoderState::Console if byte < 0x20 => self.ground(byte, at),
            DecoderState::OldMouse(left) => {
                self.state = if left > 1 { DecoderState::OldMouse(left - 1) } else { DecoderState::Ground }
            }
            DecoderState::Console => self.ready.extend(keys::console(byte)),
            DecoderState::Text { escaped } => self.text(escaped, byte, at),
            DecoderState::Paste(mut bytes) => {
                bytes.push(byte);
                if bytes.ends_with(PASTE_ENDS) {
                    bytes.truncate(bytes.len() - PASTE_ENDS.len());
                    self.paste(&bytes);
                } else {
                    if bytes.len() > LONGEST_PASTE {
                        // The end is still looked for.
                        let end = bytes.split_off(bytes.len() - PASTE_ENDS.len());
                        bytes.truncate(LONGEST_PASTE - PASTE_ENDS.len());
                        bytes.extend_from_slice(&end);
                    }
                    self.state = DecoderState::Paste(bytes);
                }
            }
        }
    }

    fn ground(&mut self, byte: u8, at: Duration) {
        match byte {
            0x1b => {
                self.partial.clear();
                self.state = DecoderState::Escape;
            }
            0x00..=0x1f | 0x7f => {
                self.partial.clear();
                self.ready.push_back(Event::Key(keys::control(byte)));
            }
            b'[' | b'O' | b']' | b'P' | b'_' | b'^' | b'X' if self.escaped_at.is_some_and(|then| at >= then) => {
                // It may belong to the `Esc` before it.
                self.escaped_at = None;
                self.state = DecoderState::Introduced { introducer: byte, told: true };
            }
            0x20..=0x7e => {
                self.partial.clear();
                self.escaped_at = None;
                self.ready.push_back(Event::Key(keys::character(char::from(byte))));
            }
            _ => self.beyond_ascii(byte),
        }
    }

    /// A byte of a longer character, or a control character of eight bits.
    fn beyond_ascii(&mut self, byte: u8) {
        if self.partial.is_empty() && matches!(byte, 0x80..=0x9f) {
            return self.eight_bits(byte);
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let c = text.chars().next().unwrap_or_default();
                self.partial.clear();
                match u8::try_from(u32::from(c)) {
                    Ok(control @ 0x80..=0x9f) => self.eight_bits(control),
                    _ => self.ready.push_back(Event::Key(keys::character(c))),
                }
            }
            // Incomplete so far, or no character at all.
            Err(error) if error.error_len().is_some() || self.partial.len() >= 4 => self.partial.clear(),
            Err(_) => {}
        }
    }

    fn eight_bits(&mut self, control: u8) {
        self.state = match control {
            0x9b => DecoderState::Csi(Vec::new()),
            0x90 | 0x98 | 0x9d | 0x9e | 0x9f => DecoderState::Text { escaped: false },
            _ => DecoderState::Ground,
        };
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'[' | b'O' | b']' | b'P' | b'_' | b'^' | b'X' => {
                self.state = DecoderState::Introduced { introducer: byte, told: false }
            }
            0x1b => {
                self.key(KeyCode::Esc, KeyModifiers::NONE);
                self.state = DecoderState::Escape;
            }
            0x00..=0x1f | 0x7f => self.with_alt(keys::control(byte)),
            0x20..=0x7e => self.with_alt(keys::character(char::from(byte))),
            _ => self.beyond_ascii(byte),
        }
    }

    fn introduced(&mut self, introducer: u8, told: bool, byte: u8, at: Duration) {
        if byte == 0x1b && !told {
            // Whatever it was, another begins.
            return self.ground(byte, at);
        }
        // Somebody pressed Esc and another key; no sequence goes on so.
        let typed = match (introducer, byte) {
            (_, 0x00..=0x1f | 0x7f) => true,
            (b']', _) => told && !matches!(byte, b'0'..=b'9' | b'l' | b'L' | b'I'),
            _ => false,
        };
        if typed {
            self.introducer_was_a_key(introducer, told);
            return self.ground(byte, at);
        }
        match introducer {
            b'[' => self.csi(Vec::new(), byte, at),
            b'O' => match byte {
                b'0'..=b'9' | b';' => self.state = DecoderState::Introduced { introducer, told },
                _ => self.ready.extend(keys::ss3(byte)),
            },
            _ => self.text(false, byte, at),
        }
    }

    fn introducer_was_a_key(&mut self, introducer: u8, told: bool) {
        let key = keys::character(char::from(introducer));
        if told { self.ready.push_back(Event::Key(key)) } else { self.with_alt(key) }
    }

    fn csi(&mut self, mut bytes: Vec<u8>, byte: u8, at: Duration) {
        match byte {
            b'[' if bytes.is_empty() => self.state = DecoderState::Console,
            b'M' if bytes.is_empty() => self.state = DecoderState::OldMouse(3),
            0x20..=0x3f => {
                if bytes.len() < LONGEST {
                    bytes.push(byte);
                }
                self.state = DecoderState::Csi(bytes);
            }
            0x40..=0x7e if bytes == b"200" && byte == b'~' => self.state = DecoderState::Paste(Vec::new()),
            0x40..=0x7e => self.ready.extend(keys::csi(&bytes, byte)),
            // No report has one: somebody is at the keyboard.
            0x00..=0x1f | 0x7f => self.ground(byte, at),
            _ => self.state = DecoderState::Csi(bytes),
        }
    }

    fn text(&mut self, escaped: bool, byte: u8, at: Duration) {
        match (escaped, byte) {
            (true, b'\\') => {}
            // Another sequence begins, or somebody pressed it twice.
            (true, _) => self.escape(byte),
            (false, 0x1b) => self.state = DecoderState::Text { escaped: true },
            (false, 0x07 | 0x18 | 0x1a) => {}
            (false, _) if self.escaped_at.take().is_some() => {
                // The rest of its end, or a key after somebody pressed Esc to be rid of it.
                if byte != b'\\' {
                    self.ground(byte, at);
                }
            }
            // Enter and Ctrl-C are in no report either.
            (false, 0x03 | 0x0d) => self.ground(byte, at),
            (false, _) => {
                // The end of eight bits, and not the middle of a character.
                self.partial.push(byte);
                let ends = self.partial == [0x9c] || self.partial == [0xc2, 0x9c];
                let open = std::str::from_utf8(&self.partial).is_err_and(|error| error.error_len().is_none());
                if !open || ends {
                    self.partial.clear();
                }
                if !ends {
                    self.state = DecoderState::Text { escaped: false };
                }
            }
        }
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.ready.push_back(Event::Key(KeyEvent::new(code, modifiers)));
    }

    fn with_alt(&mut self, key: KeyEvent) {
        self.key(key.code, key.modifiers | KeyModifiers::ALT);
    }

    fn paste(&mut self, bytes: &[u8]) {
        // Terminals send carriage returns for the ends of lines.
        self.ready.push_back(Event::Paste(String::from_utf8_lossy(bytes).into_owned()));
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
