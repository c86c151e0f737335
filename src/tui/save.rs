//! IO. The screen as a text file.

use std::io::Write;
use std::path::Path;

use ratatui::buffer::Buffer;

use crate::cluster::Time;
use crate::private;

/// The text of a frame, line by line, without blanks at the ends.
pub(super) fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut hidden = 0;
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell((x, y)) else { continue };
            // The cell after a wide character is covered by it.
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            hidden = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            line.push_str(cell.symbol());
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes it to a new file in `folder`; gives the sentence for the operator, and whether it is a bad one.
pub(super) fn to_file(buffer: &Buffer, folder: &Path, now: Time) -> (String, bool) {
    let path = folder.join(format!("rgc-tui-{}.txt", now.format("%Y%m%dT%H%M%S%.3f")));
    let written =
        private::options().write(true).create_new(true).open(&path).and_then(|mut file| file.write_all(text(buffer).as_bytes()));
    match written {
        Ok(()) => (format!("screen saved to {}", path.display()), false),
        Err(error) => (format!("the screen could not be saved to {}: {error}", path.display()), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_their_text_does() {
        let buffer = Buffer::with_lines(["┌ Nodes ┐  ", "日本 x     "]);
        assert_eq!(text(&buffer), "┌ Nodes ┐\n日本 x\n");
    }
}
