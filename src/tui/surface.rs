//! IO. What the loop needs of a terminal beyond drawing: a way to its clipboard.

use std::io::{self, Write};

use crossterm::clipboard::CopyToClipboard;
use crossterm::execute;
use ratatui::backend::{Backend, CrosstermBackend, TestBackend};

/// A drawing surface with a clipboard.
pub trait Surface: Backend {
    /// Puts text into the clipboard of the terminal that the operator sits at.
    fn copy(&mut self, text: &str) -> Result<(), Self::Error>;
}

/// Terminals drop longer ones, some with a mess on the screen.
const LONGEST: usize = 70_000;

impl<W: Write> Surface for CrosstermBackend<W> {
    fn copy(&mut self, text: &str) -> io::Result<()> {
        if text.len() > LONGEST {
            return Ok(());
        }
        execute!(self, CopyToClipboard::to_clipboard_from(text))
    }
}

impl Surface for TestBackend {
    fn copy(&mut self, _text: &str) -> Result<(), Self::Error> {
        Ok(())
    }
}
