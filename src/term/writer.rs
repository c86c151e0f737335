//! IO. Whole frames in one write, between the marks of a synchronized update, and nothing when nothing changed.

use std::io::{self, Write};

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
const HIDE: &[u8] = b"\x1b[?25l";
const SHOW: &[u8] = b"\x1b[?25h";

/// Collects what is written until it is flushed.
#[derive(Debug)]
pub struct FrameWriter<W: Write> {
    inner: W,
    buffer: Vec<u8>,
    cursor_hidden: bool,
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, buffer: Vec::with_capacity(64 * 1024), cursor_hidden: false, written: 0 }
    }

    /// Bytes sent to the terminal so far.
    pub fn written(&self) -> u64 {
        self.written
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The cursor is hidden with every frame; once is enough.
        if self.cursor_hidden && self.buffer.ends_with(HIDE) {
            self.buffer.truncate(self.buffer.len() - HIDE.len());
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.buffer.ends_with(HIDE) {
            self.cursor_hidden = true;
        } else if self.buffer.windows(SHOW.len()).any(|part| part == SHOW) {
            self.cursor_hidden = false;
        }
        let mut frame = Vec::with_capacity(self.buffer.len() + BEGIN.len() + END.len());
        frame.extend_from_slice(BEGIN);
        frame.append(&mut self.buffer);
        frame.extend_from_slice(END);
        self.written += frame.len() as u64;
        self.inner.write_all(&frame)?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_write_and_nothing_is_none() {
        let mut writer = FrameWriter::new(Vec::new());
        writer.write_all(b"abc").unwrap();
        writer.write_all(HIDE).unwrap();
        writer.flush().unwrap();
        writer.flush().unwrap();
        writer.write_all(HIDE).unwrap();
        writer.flush().unwrap();
        let expected = [BEGIN, b"abc", HIDE, END].concat();
        assert_eq!(writer.inner, expected);
        assert_eq!(writer.written(), expected.len() as u64);
    }
}
