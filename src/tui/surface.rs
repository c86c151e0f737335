//! IO. What the loop needs of a terminal beyond drawing: its clipboard, and to have it again after a stop.

use std::io::{self, Write};

use crossterm::clipboard::CopyToClipboard;
use crossterm::execute;
use ratatui::backend::{Backend, CrosstermBackend, TestBackend};

use crate::term;

/// A drawing surface with a clipboard, which others may have used in between.
pub trait Surface: Backend {
    /// Puts text into the clipboard of the terminal that the operator sits at.
    fn copy(&mut self, text: &str) -> Result<(), Self::Error>;
    /// Takes the terminal again; the next frame must be a whole one.
    fn retake(&mut self) -> Result<(), Self::Error>;
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

    fn retake(&mut self) -> io::Result<()> {
        term::retake()
    }
}

impl Surface for TestBackend {
    fn copy(&mut self, _text: &str) -> Result<(), Self::Error> {
        Ok(())
    }

    fn retake(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
