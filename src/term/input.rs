//! IO. The terminal's events as the console's: keys that were meant, pastes, resizes.

use std::io;

use crossterm::event::{Event as Raw, MouseEventKind};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::filter::Filter;
use crate::app::Event;

/// A stream of raw events, filtered. [`Input::next`] may be dropped and called again without losing anything.
#[derive(Debug)]
pub struct Input<S> {
    stream: S,
    filter: Filter,
    began: Instant,
}

impl<S: Stream<Item = io::Result<Raw>> + Unpin> Input<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, filter: Filter::new(), began: Instant::now() }
    }

    /// The next event; None when the terminal is gone.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(key) = self.filter.next() {
                return Some(Event::Key(key));
            }
            let raw = match self.filter.deadline() {
                None => self.stream.next().await,
                Some(deadline) => tokio::select! {
                    biased;
                    raw = self.stream.next() => raw,
                    () = sleep_until(self.began + deadline) => {
                        self.filter.expire(self.began.elapsed());
                        continue;
                    }
                },
            };
            match raw?.ok()? {
                Raw::Key(key) => self.filter.feed(key, self.began.elapsed()),
                Raw::Paste(text) => return Some(Event::Paste(text)),
                Raw::Resize(width, height) => return Some(Event::Resize(width, height)),
                // Motion alone changes nothing, and there is much of it.
                Raw::Mouse(mouse) if mouse.kind != MouseEventKind::Moved => return Some(Event::Mouse(mouse)),
                Raw::Mouse(_) | Raw::FocusGained | Raw::FocusLost => {}
            }
        }
    }
}
