//! IO. The terminal's events as the console's: keys that were meant, pastes, resizes.

use std::io;

use crossterm::event::{Event as Raw, KeyEventKind, MouseEventKind};
use futures_util::{Stream, StreamExt};

use crate::app::Event;

/// A stream of raw events, without those that mean nothing here. [`Input::next`] may be dropped and called again without
/// losing anything.
#[derive(Debug)]
pub struct Input<S> {
    stream: S,
}

impl<S: Stream<Item = io::Result<Raw>> + Unpin> Input<S> {
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// The next event; None when the terminal is gone.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.stream.next().await?.ok()? {
                Raw::Key(key) if key.kind == KeyEventKind::Release => {}
                Raw::Key(key) => return Some(Event::Key(key)),
                Raw::Paste(text) => return Some(Event::Paste(text)),
                Raw::Resize(width, height) => return Some(Event::Resize(width, height)),
                // Motion alone changes nothing, and there is much of it.
                Raw::Mouse(mouse) if mouse.kind != MouseEventKind::Moved => return Some(Event::Mouse(mouse)),
                Raw::Mouse(_) | Raw::FocusGained | Raw::FocusLost => {}
            }
        }
    }
}
