//! PURE. Writes pieces of text along one line, in fixed places, never beyond its end.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape;

pub(super) struct Pen<'b> {
    buf: &'b mut Buffer,
    pub x: u16,
    start: u16,
    y: u16,
    end: u16,
    ellipsis: &'static str,
}

impl<'b> Pen<'b> {
    /// A pen at the left end of one line of an area; outside of it nothing is written.
    pub(super) fn new(buf: &'b mut Buffer, area: Rect, line: u16, ellipsis: &'static str) -> Self {
        let area = area.intersection(buf.area);
        let inside = line < area.height;
        let end = if inside { area.right() } else { area.x };
        Self { buf, x: area.x, start: area.x, y: area.y.saturating_add(line), end, ellipsis }
    }

    /// Where the line began.
    pub(super) fn start(&self) -> u16 {
        self.start
    }

    /// Cells left on the line.
    pub(super) fn room(&self) -> u16 {
        self.end.saturating_sub(self.x)
    }

    /// Keeps the last `width` cells for something else.
    pub(super) fn reserve(&mut self, width: u16) -> &mut Self {
        self.end = self.end.saturating_sub(width).max(self.x);
        self
    }

    pub(super) fn gap(&mut self, width: u16) -> &mut Self {
        self.x = self.x.saturating_add(width).min(self.end);
        self
    }

    /// Writes as much as fits, with an ellipsis when it is not all.
    pub(super) fn put(&mut self, text: impl AsRef<str>, style: impl Into<Style>) -> &mut Self {
        let room = self.room();
        self.write(text.as_ref(), room, style.into());
        self
    }

    /// The same, but a sentence that does not fit ends with a whole word.
    pub(super) fn sentence(&mut self, text: &str, style: impl Into<Style>) -> &mut Self {
        let text = &*escape::line(text);
        let room = usize::from(self.room()).saturating_sub(self.ellipsis.width() + 1);
        if text.width() <= usize::from(self.room()) {
            return self.put(text, style);
        }
        let blanks = text.match_indices(' ').filter_map(|(at, _)| text.get(..at));
        let whole = blanks.take_while(|head| head.width() <= room).last().unwrap_or(text);
        let ellipsis = self.ellipsis;
        self.put(format!("{} {ellipsis}", whole.trim_end_matches([' ', '·', ',', ':'])), style)
    }

    /// The same, but what does not fit ends with a whole clause where one fits: `nothing to do yet …`.
    pub(super) fn clauses(&mut self, text: &str, style: impl Into<Style>) -> &mut Self {
        let room = usize::from(self.room()).saturating_sub(self.ellipsis.width() + 1);
        let ends = text.match_indices("; ").filter_map(|(at, _)| text.get(..at));
        let whole = ends.take_while(|head| escape::line(head).width() <= room).last();
        match whole.filter(|_| escape::line(text).width() > usize::from(self.room())) {
            Some(head) => {
                let ellipsis = self.ellipsis;
                self.put(format!("{head} {ellipsis}"), style)
            }
            None => self.sentence(text, style),
        }
    }

    /// Writes the text when all of it fits, else nothing.
    pub(super) fn whole(&mut self, text: impl AsRef<str>, style: impl Into<Style>) -> bool {
        let text = &*escape::line(text.as_ref());
        let fits = usize::from(self.room()) >= text.width();
        if fits {
            self.put(text, style);
        }
        fits
    }

    /// Exactly `width` cells, text at their left.
    pub(super) fn left(&mut self, text: impl AsRef<str>, width: u16, style: impl Into<Style>) -> &mut Self {
        let width = width.min(self.room());
        let start = self.x;
        self.write(text.as_ref(), width, style.into());
        self.x = start + width;
        self
    }

    /// Exactly `width` cells, text at their right.
    pub(super) fn right(&mut self, text: impl AsRef<str>, width: u16, style: impl Into<Style>) -> &mut Self {
        let text = &*escape::line(text.as_ref());
        let width = width.min(self.room());
        let start = self.x;
        let length = u16::try_from(text.width()).unwrap_or(u16::MAX);
        self.x += width.saturating_sub(length);
        self.write(text, width - (self.x - start), style.into());
        self.x = start + width;
        self
    }

    fn write(&mut self, text: &str, width: u16, style: Style) {
        let text = &*escape::line(text);
        if width == 0 {
            return;
        }
        let width = usize::from(width);
        if text.width() <= width {
            self.x = self.buf.set_stringn(self.x, self.y, text, width, style).0;
            return;
        }
        let mut used = 0;
        let cut = text.char_indices().find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > width.saturating_sub(self.ellipsis.width())
        });
        let kept = cut.and_then(|(at, _)| text.get(..at)).unwrap_or_default();
        self.x = self.buf.set_stringn(self.x, self.y, kept, width, style).0;
        let left = width.saturating_sub(kept.width());
        self.x = self.buf.set_stringn(self.x, self.y, self.ellipsis, left, style).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(draw: impl FnOnce(&mut Pen<'_>)) -> String {
        let area = Rect::new(0, 0, 12, 1);
        let mut buf = Buffer::empty(area);
        draw(&mut Pen::new(&mut buf, area, 0, "…"));
        buf.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn texts_stay_in_their_places() {
        let plain = Style::new();
        assert_eq!(
            line(|pen| {
                pen.right("12k", 5, plain).gap(1).left("abcdefgh", 4, plain);
            }),
            "  12k abc…  "
        );
        assert_eq!(
            line(|pen| {
                pen.put("a line too long", plain);
            }),
            "a line too …"
        );
        assert_eq!(
            line(|pen| {
                pen.sentence("a line · too long", plain);
            }),
            "a line …    "
        );
        assert_eq!(
            line(|pen| {
                pen.clauses("wait; then act at once", plain);
            }),
            "wait …      "
        );
        assert_eq!(
            line(|pen| {
                pen.reserve(9).put("abcd", plain);
            }),
            "ab…         "
        );
        // What does something is seen, and takes the cells that it is seen in.
        assert_eq!(
            line(|pen| {
                pen.right("a\u{1b}b", 8, plain).put("\u{2028}", plain);
            }),
            "  a\\x1bb\\u{…"
        );
        assert_eq!(
            line(|pen| {
                pen.left("日本語日本語", 5, plain).put("x", plain);
            })
            .replace(' ', ""),
            "日本…x"
        );
    }
}
