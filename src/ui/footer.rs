//! PURE. The last line: hints, a toast, or the prompt with its completions above it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::{Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::Ui;
use super::pen::Pen;
use crate::app::layout;
use crate::app::{Prompt, PromptKind, Toast, Tone};
use crate::keys::Hint;
use crate::theme::Role;

/// At most this many completions are shown.
const COMPLETIONS: usize = 8;

pub(super) fn draw(ui: &Ui<'_>, toast: Option<&Toast>, area: Rect, buf: &mut Buffer) {
    let app = ui.app;
    if area.is_empty() {
        return;
    }
    if let Some(prompt) = &app.screen.prompt {
        return self::prompt(ui, prompt, area, buf);
    }
    if let Some(toast) = toast {
        let (glyph, role) = match toast.tone {
            Tone::Good => (ui.glyphs.ok, Role::Ok),
            Tone::Refused => (ui.glyphs.warning, Role::Warning),
            Tone::Bad => (ui.glyphs.down, Role::Critical),
        };
        let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
        pen.gap(1)
            .put(glyph, ui.style(role))
            .gap(1)
            .put(&toast.text, ui.style(if toast.tone == Tone::Good { Role::Text } else { role }));
        return;
    }
    let pace = format!("{} {:.1}s ", ui.glyphs.refresh, app.settings.interval.as_secs_f64());
    let width = u16::try_from(pace.width()).unwrap_or(0);
    // On a narrow screen the keys need its place.
    let has_pace = layout::is_tiled((buf.area.width, buf.area.height));
    let hints_area = if has_pace { Rect { width: area.width.saturating_sub(width + 1), ..area } } else { area };
    hints(ui, app.hints(), hints_area, buf);
    if has_pace {
        let at = Rect { x: area.right() - width, width, ..area };
        Pen::new(buf, at, 0, "").put(pace, ui.style(Role::Muted));
    }
}

/// As many hints as fit, in the order they are given; what cannot be used now is the first to go, then those of a high rank.
fn hints(ui: &Ui<'_>, all: Vec<Hint>, area: Rect, buf: &mut Buffer) {
    let width = |hint: &Hint| hint.chord.width() + 1 + hint.word.width() + 2;
    let worth = |hint: &Hint| (hint.disabled.is_some(), hint.rank);
    let mut kept = all;
    // A blank comes before the first, and the last needs no gap after it.
    while kept.iter().map(width).sum::<usize>() > usize::from(area.width) + 1 {
        let Some(worst) = kept.iter().map(worth).max() else { break };
        let Some(at) = kept.iter().rposition(|hint| worth(hint) == worst) else { break };
        kept.remove(at);
    }
    let mut pen = Pen::new(buf, area, 0, "");
    pen.gap(1);
    for hint in &kept {
        let (chord, word) = if hint.disabled.is_some() { (Role::Disabled, Role::Disabled) } else { (Role::Accent, Role::Muted) };
        pen.put(&hint.chord, ui.style(chord)).gap(1).put(hint.word, ui.style(word)).gap(2);
    }
}

fn prompt(ui: &Ui<'_>, prompt: &Prompt, area: Rect, buf: &mut Buffer) {
    let sign = if prompt.kind == PromptKind::Command { ":" } else { "/" };
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(1).put(sign, ui.style(Role::Accent));
    let begin = pen.x;
    // Keep the cursor in sight: the beginning scrolls out when the line is full.
    let room = usize::from(pen.room()).saturating_sub(1);
    let skip = prompt.cursor.saturating_sub(room);
    let shown: String = prompt.text.chars().skip(skip).collect();
    let before: String = shown.chars().take(prompt.cursor - skip).collect();
    pen.put(&shown, ui.style(Role::Text)).gap(3);
    if let Some(error) = &prompt.error {
        pen.put(error, ui.style(Role::Critical));
    } else if let Some(best) = prompt.completions.first().filter(|_| prompt.kind == PromptKind::Command) {
        pen.put(format!("tab {} {best}", ui.glyphs.arrow), ui.style(Role::Muted));
    }
    let x = begin.saturating_add(u16::try_from(before.width()).unwrap_or(u16::MAX)).min(area.right().saturating_sub(1));
    if let Some(cell) = buf.cell_mut((x, area.y)) {
        cell.modifier |= Modifier::REVERSED;
    }
    completions(ui, prompt, begin, area, buf);
}

fn completions(ui: &Ui<'_>, prompt: &Prompt, x: u16, area: Rect, buf: &mut Buffer) {
    let shown: Vec<&String> = prompt.completions.iter().take(COMPLETIONS).collect();
    let (Some(longest), Ok(height)) = (shown.iter().map(|text| text.width()).max(), u16::try_from(shown.len())) else { return };
    let width = u16::try_from(longest + 2).unwrap_or(area.width).min(area.width);
    let height = height.min(area.y);
    let left = x.saturating_sub(1).min(area.right().saturating_sub(width));
    let popup = Rect { x: left, y: area.y - height, width, height };
    Clear.render(popup, buf);
    buf.set_style(popup, ui.style(Role::Text));
    // The best one is nearest to the line.
    for (text, row) in shown.into_iter().take(usize::from(height)).zip(popup.rows().rev()) {
        let best = row.y + 1 == area.y;
        Pen::new(buf, row, 0, ui.glyphs.ellipsis).gap(1).put(text, ui.style(if best { Role::Accent } else { Role::Muted }));
        buf.set_style(row, ui.style(Role::Selection));
    }
}
