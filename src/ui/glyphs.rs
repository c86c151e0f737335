//! PURE. The signs that stand beside colours, once in Unicode and once in plain ASCII.

use ratatui::buffer::Buffer;
use ratatui::symbols::border;

pub(super) struct Glyphs {
    pub up: &'static str,
    /// Answers, and is not well.
    pub unwell: &'static str,
    pub down: &'static str,
    pub unknown: &'static str,
    pub ok: &'static str,
    pub warning: &'static str,
    pub branch_last: &'static str,
    pub hint: &'static str,
    pub cursor: &'static str,
    pub mark: &'static str,
    pub ascending: &'static str,
    pub descending: &'static str,
    pub ellipsis: &'static str,
    pub dot: &'static str,
    pub dash: &'static str,
    pub arrow: &'static str,
    pub crumb: &'static str,
    pub refresh: &'static str,
    pub open: &'static str,
    pub migrating: &'static str,
    pub importing: &'static str,
    pub unserved: &'static str,
    pub unowned: &'static str,
    pub mixed: &'static str,
    pub half: &'static str,
    /// From nothing to full, for curves.
    pub levels: [&'static str; 8],
    pub bar: &'static str,
    pub track: &'static str,
    pub shades: [&'static str; 5],
    pub border: border::Set<'static>,
}

pub(super) static UNICODE: Glyphs = Glyphs {
    up: "●",
    unwell: "◐",
    down: "✖",
    unknown: "○",
    ok: "✓",
    warning: "!",
    branch_last: "└",
    hint: "↳",
    cursor: "▌",
    mark: "◆",
    ascending: "▲",
    descending: "▼",
    ellipsis: "…",
    dot: "·",
    dash: "–",
    arrow: "→",
    crumb: "›",
    refresh: "↻",
    open: "◆",
    migrating: "»",
    importing: "«",
    unserved: "░",
    unowned: "×",
    mixed: "▒",
    half: "▌",
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    bar: "━",
    track: "─",
    shades: ["·", "░", "▒", "▓", "█"],
    border: border::PLAIN,
};

pub(super) static ASCII: Glyphs = Glyphs {
    up: "*",
    unwell: "~",
    down: "X",
    unknown: "?",
    ok: "+",
    warning: "!",
    branch_last: "`",
    hint: "->",
    cursor: ">",
    mark: "#",
    ascending: "^",
    descending: "v",
    ellipsis: "~",
    dot: "-",
    dash: "-",
    arrow: "->",
    crumb: ">",
    refresh: "every",
    open: "@",
    migrating: ">",
    importing: "<",
    unserved: "!",
    unowned: ".",
    mixed: "%",
    half: "%",
    levels: ["_", "_", ".", ".", "-", "-", "=", "#"],
    bar: "#",
    track: ".",
    shades: [".", ":", "+", "%", "#"],
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
};

/// Signs in sentences that were made elsewhere, in plain ASCII. Letters of names are left as they are.
pub(super) fn plain(buf: &mut Buffer) {
    for cell in &mut buf.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let replacement = match symbol {
            "·" | "–" | "—" | "─" => "-",
            "…" => "~",
            "→" | "›" | "»" | "▶" => ">",
            "←" | "«" => "<",
            "×" | "✖" | "✗" => "x",
            "µ" => "u",
            "✓" => "+",
            "●" => "*",
            "≥" => ">",
            "≤" => "<",
            "↑" | "▲" => "^",
            "↓" | "▼" => "v",
            "“" | "”" => "\"",
            "‘" | "’" => "'",
            _ => continue,
        };
        cell.set_symbol(replacement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_ascii() {
        let Glyphs { up, unwell, down, unknown, ok, warning, branch_last, hint, cursor, mark, .. } = ASCII;
        let Glyphs { ascending, descending, ellipsis, dot, dash, arrow, crumb, refresh, open, migrating, importing, .. } = ASCII;
        let Glyphs { unserved, unowned, mixed, half, levels, bar, track, shades, .. } = ASCII;
        let all = [
            up,
            unwell,
            down,
            unknown,
            ok,
            warning,
            branch_last,
            hint,
            cursor,
            mark,
            ascending,
            descending,
            ellipsis,
            dot,
            dash,
            arrow,
            crumb,
            refresh,
            open,
            migrating,
            importing,
            unserved,
            unowned,
            mixed,
            half,
            bar,
            track,
        ];
        assert!(all.iter().chain(&levels).chain(&shades).all(|glyph| glyph.is_ascii()));
        // States must not share a glyph: it is what tells them apart without colour.
        for glyphs in [&UNICODE, &ASCII] {
            let states = [glyphs.up, glyphs.unwell, glyphs.down, glyphs.unknown, glyphs.warning, glyphs.ok];
            assert_eq!(states.iter().collect::<std::collections::BTreeSet<_>>().len(), states.len());
        }
    }
}
