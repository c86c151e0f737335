//! PURE. Distrust of what terminals send: key releases are no presses, and the pieces of a split escape sequence or mouse
//! report are not the keys that they look like.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// No person types two keys within this time; a terminal that splits a sequence does.
const APART: Duration = Duration::from_millis(30);
/// No sequence is longer.
const LONGEST: usize = 64;

/// Where in a suspected sequence we are.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Nothing,
    /// `Esc` or `[`, held back until it is clear whether it begins a sequence.
    Begin(KeyEvent),
    /// Inside a sequence: swallowed so far.
    Inside(usize),
}

/// Passes real keys on and swallows the rest. Times are those at which keys arrive, from any fixed start.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    seen: Seen,
    last: Duration,
    ready: VecDeque<KeyEvent>,
}

impl Filter {
    pub(super) fn new() -> Self {
        Self { seen: Seen::Nothing, last: Duration::ZERO, ready: VecDeque::new() }
    }

    /// Takes a key in; what it means comes out of [`Filter::next`], at once or later.
    pub(super) fn feed(&mut self, key: KeyEvent, at: Duration) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.expire(at);
        self.last = at;
        let typed = match key.code {
            KeyCode::Char(c) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(c),
            _ => None,
        };
        match (self.seen.clone(), typed) {
            (Seen::Begin(held), Some('[' | 'O')) if held.code == KeyCode::Esc => self.seen = Seen::Inside(0),
            (Seen::Begin(held), Some('<')) if held.code == KeyCode::Char('[') => self.seen = Seen::Inside(0),
            (Seen::Inside(count), Some(c)) if count < LONGEST => {
                // Parameters go on; a letter or tilde ends the sequence and is swallowed with it.
                let goes_on = matches!(c, '0'..='9' | ';' | ':' | '<'..='?' | ' '..='/' | '[');
                self.seen = if goes_on { Seen::Inside(count + 1) } else { Seen::Nothing };
            }
            (seen, _) => {
                if let Seen::Begin(held) = seen {
                    self.ready.push_back(held);
                }
                let begins = key.code == KeyCode::Esc || typed == Some('[');
                self.seen = if begins { Seen::Begin(key) } else { Seen::Nothing };
                if !begins {
                    self.ready.push_back(key);
                }
            }
        }
    }

    /// Time has passed: what was held back was a key after all, and a sequence that stopped half-way is over.
    pub(super) fn expire(&mut self, now: Duration) {
        if now.saturating_sub(self.last) < APART {
            return;
        }
        if let Seen::Begin(held) = std::mem::replace(&mut self.seen, Seen::Nothing) {
            self.ready.push_back(held);
        }
    }

    /// When [`Filter::expire`] should be called, if something is held back.
    pub(super) fn deadline(&self) -> Option<Duration> {
        matches!(self.seen, Seen::Begin(_)).then(|| self.last + APART)
    }

    pub(super) fn next(&mut self) -> Option<KeyEvent> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds keys `gap` apart, and gives what comes out once everything has settled.
    fn through(keys: &[KeyCode], gap: Duration) -> Vec<KeyCode> {
        let mut filter = Filter::new();
        let mut at = Duration::from_secs(1);
        for code in keys {
            filter.feed(KeyEvent::new(*code, KeyModifiers::NONE), at);
            at += gap;
        }
        filter.expire(at + APART);
        std::iter::from_fn(|| filter.next()).map(|key| key.code).collect()
    }

    fn keys(text: &str) -> Vec<KeyCode> {
        text.chars().map(|c| if c == '\x1b' { KeyCode::Esc } else { KeyCode::Char(c) }).collect()
    }

    #[test]
    fn split_sequences_fire_nothing() {
        let fast = Duration::from_micros(100);
        for leaked in ["\x1b[<64;10;5M", "\x1b[<0;33;7m", "[<64;10;5M", "\x1b[1;5F", "\x1bOF", "\x1b[200~", "\x1b[?1;2c"] {
            assert_eq!(through(&keys(leaked), fast), [], "{leaked:?}");
        }
        assert_eq!(through(&keys("\x1b[<64;10;5Mj"), fast), keys("j"));
    }

    #[test]
    fn people_are_slower_than_terminals() {
        let slow = Duration::from_millis(60);
        for typed in ["\x1b[", "[<", "\x1bO", "jjj", "[[", "\x1b", "["] {
            assert_eq!(through(&keys(typed), slow), keys(typed), "{typed:?}");
        }
        assert_eq!(through(&keys("jkF"), Duration::ZERO), keys("jkF"));
        assert_eq!(through(&keys("\x1bj"), Duration::ZERO), keys("\x1bj"));
    }

    #[test]
    fn a_release_is_no_press() {
        let mut filter = Filter::new();
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Char('F'), KeyModifiers::NONE) };
        filter.feed(release, Duration::ZERO);
        assert_eq!(filter.next(), None);
        assert_eq!(filter.deadline(), None);
    }
}
