//! PURE. A text of lines: headings, facts with aligned labels, wrapped sentences; shown from some line on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::Ui;
use super::pen::Pen;
use crate::theme::Role;

/// Cells for the label of a fact.
const LABEL: usize = 14;

pub(super) struct Doc<'u, 'a> {
    ui: &'u Ui<'a>,
    width: usize,
    pub lines: Vec<Line<'static>>,
    /// Lines that are entries to choose from.
    pub entries: Vec<usize>,
}

impl<'u, 'a> Doc<'u, 'a> {
    pub(super) fn new(ui: &'u Ui<'a>, width: u16) -> Self {
        Self { ui, width: usize::from(width.max(1)), lines: Vec::new(), entries: Vec::new() }
    }

    /// The next line is an entry to choose.
    pub(super) fn entry(&mut self) {
        self.entries.push(self.lines.len());
    }

    pub(super) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.lines.push(Line::from(vec![Span::styled(text.to_string(), self.ui.style(Role::Title))]));
    }

    /// A label and what it says; long values go on below themselves.
    pub(super) fn fact(&mut self, label: &str, value: impl Into<String>, role: Role) {
        self.styled_fact(label, value, self.ui.style(role));
    }

    pub(super) fn styled_fact(&mut self, label: &str, value: impl Into<String>, style: Style) {
        let label_width = LABEL.min(self.width / 2);
        let room = self.width.saturating_sub(label_width + 2).max(1);
        for (at, part) in wrap(&value.into(), room).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(format!("  {label:<label_width$}"), self.ui.style(Role::Muted)),
                Span::styled(part, style),
            ]));
        }
    }

    /// The same when there is a value at all.
    pub(super) fn known(&mut self, label: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.fact(label, value, Role::Text);
        }
    }

    /// A sentence behind a sign, wrapped below itself.
    pub(super) fn point(&mut self, sign: &str, text: &str, role: Role) {
        let indent = sign.width() + 3;
        for (at, part) in wrap(text, self.width.saturating_sub(indent).max(1)).into_iter().enumerate() {
            let lead = if at == 0 { format!("  {sign} ") } else { " ".repeat(indent) };
            self.lines.push(Line::from(vec![Span::styled(lead, self.ui.style(role)), Span::styled(part, self.ui.style(role))]));
        }
    }

    pub(super) fn line(&mut self, spans: Vec<Span<'static>>) {
        self.lines.push(Line::from(spans));
    }

    pub(super) fn text(&mut self, text: &str, role: Role) {
        self.indented(2, text, role);
    }

    pub(super) fn indented(&mut self, indent: usize, text: &str, role: Role) {
        let lead = " ".repeat(indent);
        for part in wrap(text, self.width.saturating_sub(indent).max(1)) {
            self.lines.push(Line::from(vec![Span::styled(format!("{lead}{part}"), self.ui.style(role))]));
        }
    }
}

/// Draws lines from `scroll` on, or the end of them; says at the lower border how much more there is. Gives the first
/// line that is drawn.
pub(super) fn show(ui: &Ui<'_>, lines: &[Line<'_>], scroll: usize, area: Rect, buf: &mut Buffer) -> usize {
    let height = usize::from(area.height);
    let first = scroll.min(lines.len().saturating_sub(height));
    for (line, row) in lines.iter().skip(first).zip(area.rows()) {
        let mut pen = Pen::new(buf, row, 0, ui.glyphs.ellipsis);
        for span in &line.spans {
            pen.put(&span.content, span.style);
        }
    }
    if lines.len() > height && area.bottom() < buf.area.bottom() {
        let last = (first + height).min(lines.len());
        let sign = if last < lines.len() { ui.glyphs.descending } else { ui.glyphs.ascending };
        let text = format!(" {sign} {}{}{last} of {} ", first + 1, ui.glyphs.dash, lines.len());
        let width = u16::try_from(text.width()).unwrap_or(0).min(area.width);
        let at = Rect { x: area.right().saturating_sub(width), y: area.bottom(), width, height: 1 };
        Pen::new(buf, at, 0, "").put(text, ui.style(Role::Muted));
    }
    first
}

/// Breaks a text at blanks into lines of at most `width` cells; a longer word is broken where it must.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = &*crate::escape::line(text);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word.to_string();
        if !line.is_empty() {
            if line.width() + 1 + word.width() <= width {
                line.push(' ');
                line.push_str(&word);
                continue;
            }
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > width {
            let head: String = word.chars().take(width).collect();
            word = word.chars().skip(width).collect();
            if head.is_empty() {
                break;
            }
            lines.push(head);
        }
        line = word;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_break_at_blanks_and_never_run_over() {
        assert_eq!(wrap("a plan names its steps", 10), ["a plan", "names its", "steps"]);
        assert_eq!(wrap("0123456789abc de", 5), ["01234", "56789", "abc", "de"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
