//! PURE. The program's own log, newest last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::Widget;
use tui_logger::{TuiLoggerLevelOutput, TuiLoggerWidget};

use super::{Ui, pane};
use crate::app::layout;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let beside = vec![Span::styled("what this program does and meets, newest last", ui.style(Role::Muted))];
    pane::frame(ui, true, "Log", beside, area, buf);
    let inside = layout::inner(area);
    if inside.width < 3 || inside.height == 0 {
        return;
    }
    let inside = Rect { x: inside.x + 1, width: inside.width - 2, ..inside };
    TuiLoggerWidget::default()
        .style(ui.style(Role::Text))
        .style_error(ui.style(Role::Critical))
        .style_warn(ui.style(Role::Warning))
        .style_info(ui.style(Role::Text))
        .style_debug(ui.style(Role::Muted))
        .style_trace(ui.style(Role::Muted))
        .output_separator(' ')
        .output_timestamp(Some("%H:%M:%S".into()))
        .output_level(Some(TuiLoggerLevelOutput::Long))
        .output_target(true)
        .output_file(false)
        .output_line(false)
        .render(inside, buf);
}
