//! PURE. A buffer as an SVG picture: boxes, blocks and braille are drawn as shapes, words as text of a set length.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
const MARGIN: f32 = 10.0;

/// Colours that stand for the terminal's own foreground and background.
#[derive(Clone, Copy)]
pub(crate) struct Ground {
    pub(crate) fg: (u8, u8, u8),
    pub(crate) bg: (u8, u8, u8),
}

pub(crate) fn svg(buffer: &Buffer, ground: Ground) -> String {
    let area = buffer.area;
    let (width, height) = (f32::from(area.width) * WIDTH + 2.0 * MARGIN, f32::from(area.height) * HEIGHT + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"'DejaVu Sans Mono','Menlo','Consolas',monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{}\"/>\n",
        hex(background(buffer, ground))
    );
    for y in 0..area.height {
        let cells: Vec<&Cell> = (0..area.width).filter_map(|x| buffer.cell((x, y))).collect();
        let looks: Vec<Look> = cells.iter().map(|cell| Look::of(cell, ground)).collect();
        backgrounds(&mut out, &looks, y, background(buffer, ground));
        words(&mut out, &cells, &looks, y);
    }
    out.push_str("</svg>\n");
    out
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    fg: (u8, u8, u8),
    bg: (u8, u8, u8),
    bold: bool,
    italic: bool,
    underlined: bool,
}

impl Look {
    fn of(cell: &Cell, ground: Ground) -> Self {
        let (mut fg, mut bg) = (rgb(cell.fg, ground.fg), rgb(cell.bg, ground.bg));
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut fg, &mut bg);
        }
        if cell.modifier.contains(Modifier::DIM) {
            let mix = |a: u8, b: u8| ((u16::from(a) * 6 + u16::from(b) * 4) / 10) as u8;
            fg = (mix(fg.0, bg.0), mix(fg.1, bg.1), mix(fg.2, bg.2));
        }
        let has = |modifier| cell.modifier.contains(modifier);
        Self { fg, bg, bold: has(Modifier::BOLD), italic: has(Modifier::ITALIC), underlined: has(Modifier::UNDERLINED) }
    }
}

/// The colour of most of the screen.
fn background(buffer: &Buffer, ground: Ground) -> (u8, u8, u8) {
    buffer.cell((0, 0)).map_or(ground.bg, |cell| rgb(cell.bg, ground.bg))
}

fn backgrounds(out: &mut String, looks: &[Look], y: u16, ground: (u8, u8, u8)) {
    let mut x = 0;
    while let Some(look) = looks.get(x) {
        let run = looks.iter().skip(x).take_while(|other| other.bg == look.bg).count();
        if look.bg != ground {
            rect(out, (x as f32, f32::from(y)), (run as f32, 1.0), look.bg);
        }
        x += run;
    }
}

fn words(out: &mut String, cells: &[&Cell], looks: &[Look], y: u16) {
    let mut x = 0;
    while let (Some(cell), Some(look)) = (cells.get(x), looks.get(x)) {
        let symbol = cell.symbol();
        if symbol.trim().is_empty() {
            x += 1;
            continue;
        }
        if shape(out, symbol, x as f32, f32::from(y), *look) {
            x += 1;
            continue;
        }
        let mut word = String::new();
        let start = x;
        while let (Some(cell), Some(other)) = (cells.get(x), looks.get(x)) {
            let symbol = cell.symbol();
            let plain = !symbol.trim().is_empty() && symbol.chars().all(|c| !drawn(c));
            if !plain || (Look { bg: look.bg, ..*other }) != *look {
                break;
            }
            word.push_str(symbol);
            x += symbol.width().max(1);
        }
        let length = word.width() as f32 * WIDTH;
        let (left, base) = (start as f32 * WIDTH + MARGIN, f32::from(y) * HEIGHT + MARGIN + 13.5);
        let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
        let slant = if look.italic { " font-style=\"italic\"" } else { "" };
        let line = if look.underlined { " text-decoration=\"underline\"" } else { "" };
        let _ = writeln!(
            out,
            "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{length:.1}\" fill=\"{}\"{weight}{slant}{line} xml:space=\"preserve\">{}</text>",
            hex(look.fg),
            word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        );
    }
}

fn drawn(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257f}' | '\u{2580}'..='\u{259f}' | '\u{2800}'..='\u{28ff}')
}

fn rect(out: &mut String, at: (f32, f32), size: (f32, f32), fill: (u8, u8, u8)) {
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" shape-rendering=\"crispEdges\"/>",
        at.0 * WIDTH + MARGIN,
        at.1 * HEIGHT + MARGIN,
        size.0 * WIDTH,
        size.1 * HEIGHT,
        hex(fill)
    );
}

/// Draws what fonts draw with gaps. False when it is an ordinary letter.
fn shape(out: &mut String, symbol: &str, x: f32, y: f32, look: Look) -> bool {
    let Some(c) = symbol.chars().next().filter(|c| drawn(*c)) else { return false };
    let code = c as u32;
    match code {
        0x2581..=0x2588 => {
            let part = (code - 0x2580) as f32 / 8.0;
            rect(out, (x, y + 1.0 - part), (1.0, part), look.fg);
        }
        0x2580 => rect(out, (x, y), (1.0, 0.5), look.fg),
        0x2589..=0x258f => rect(out, (x, y), ((0x2590 - code) as f32 / 8.0, 1.0), look.fg),
        0x2590 => rect(out, (x + 0.5, y), (0.5, 1.0), look.fg),
        0x2591..=0x2593 => {
            let share = (code - 0x2590) as f32 * 0.25;
            let mix = |a: u8, b: u8| (f32::from(a) * share + f32::from(b) * (1.0 - share)) as u8;
            let fill = (mix(look.fg.0, look.bg.0), mix(look.fg.1, look.bg.1), mix(look.fg.2, look.bg.2));
            rect(out, (x, y), (1.0, 1.0), fill);
        }
        0x2800..=0x28ff => {
            for bit in 0..8u32 {
                if (code - 0x2800) >> bit & 1 == 1 {
                    let (column, row) = if bit < 6 { (bit / 3, bit % 3) } else { (bit - 6, 3) };
                    rect(out, (x + 0.15 + column as f32 * 0.5, y + 0.05 + row as f32 * 0.25), (0.22, 0.12), look.fg);
                }
            }
        }
        _ => {
            let Some([up, right, down, left]) = arms(c) else { return false };
            let (cx, cy) = (x + 0.5, y + 0.5);
            let thin = match c {
                '━' => 5.0,
                _ if look.bold => 2.0,
                _ => 1.2,
            };
            let (tx, ty) = (thin / WIDTH, thin / HEIGHT);
            if left || right {
                let from = if left { x } else { cx - tx / 2.0 };
                let to = if right { x + 1.0 } else { cx + tx / 2.0 };
                rect(out, (from, cy - ty / 2.0), (to - from, ty), look.fg);
            }
            if up || down {
                let from = if up { y } else { cy - ty / 2.0 };
                let to = if down { y + 1.0 } else { cy + ty / 2.0 };
                rect(out, (cx - tx / 2.0, from), (tx, to - from), look.fg);
            }
        }
    }
    true
}

/// Which ways the lines of a box character go: up, right, down, left.
fn arms(c: char) -> Option<[bool; 4]> {
    let arms = match c {
        '─' | '━' => "rl",
        '│' | '┃' => "ud",
        '┌' | '╭' => "rd",
        '┐' | '╮' => "dl",
        '└' | '╰' => "ur",
        '┘' | '╯' => "ul",
        '├' => "urd",
        '┤' => "udl",
        '┬' => "rdl",
        '┴' => "url",
        '┼' => "urdl",
        _ => return None,
    };
    Some(['u', 'r', 'd', 'l'].map(|arm| arms.contains(arm)))
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn rgb(color: Color, reset: (u8, u8, u8)) -> (u8, u8, u8) {
    match color {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Black => (0, 0, 0),
        Color::Red => (205, 49, 49),
        Color::Green => (13, 188, 121),
        Color::Yellow => (229, 229, 16),
        Color::Blue => (36, 114, 200),
        Color::Magenta => (188, 63, 188),
        Color::Cyan => (17, 168, 205),
        Color::Gray => (229, 229, 229),
        Color::DarkGray => (102, 102, 102),
        Color::LightRed => (241, 76, 76),
        Color::LightGreen => (35, 209, 139),
        Color::LightYellow => (245, 245, 67),
        Color::LightBlue => (59, 142, 234),
        Color::LightMagenta => (214, 112, 214),
        Color::LightCyan => (41, 184, 219),
        Color::White => (255, 255, 255),
        Color::Reset | Color::Indexed(_) => reset,
    }
}
