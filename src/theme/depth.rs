//! PURE. Fewer colours than a theme asks for: the nearest ones that the terminal has.

use ratatui::style::{Color, Style};

/// How many colours a terminal shows, fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColorDepth {
    /// `NO_COLOR`, or a terminal without any: bold, dim and reverse remain.
    None,
    Ansi16,
    Ansi256,
    True,
}

/// The sixteen, in the order of their codes, as most terminals show them.
const SIXTEEN: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 92, 92)),
    (Color::LightGreen, (92, 255, 92)),
    (Color::LightYellow, (255, 255, 92)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 92, 255)),
    (Color::LightCyan, (92, 255, 255)),
    (Color::White, (255, 255, 255)),
];

/// The six levels of the colour cube of 256.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

pub(super) fn style(style: Style, depth: ColorDepth) -> Style {
    Style { fg: style.fg.and_then(|c| color(c, depth)), bg: style.bg.and_then(|c| color(c, depth)), ..style }
}

fn color(color: Color, depth: ColorDepth) -> Option<Color> {
    match (depth, color) {
        (ColorDepth::None, _) => None,
        (ColorDepth::True, color) | (ColorDepth::Ansi256, color @ Color::Indexed(_)) => Some(color),
        (ColorDepth::Ansi256, Color::Rgb(r, g, b)) => Some(Color::Indexed(cube(r, g, b))),
        (ColorDepth::Ansi16, Color::Rgb(r, g, b)) => Some(sixteen(r, g, b)),
        (ColorDepth::Ansi16, Color::Indexed(index)) => {
            let (r, g, b) = rgb(index);
            Some(sixteen(r, g, b))
        }
        (_, named) => Some(named),
    }
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8, weight: u32| weight * u32::from(a.abs_diff(b)).pow(2);
    // The eye sees green best and blue least.
    square(a.0, b.0, 3) + square(a.1, b.1, 6) + square(a.2, b.2, 2)
}

fn level(value: u8) -> u8 {
    let nearest = (0u8..).zip(LEVELS).min_by_key(|(_, level)| level.abs_diff(value));
    nearest.map_or(0, |(index, _)| index)
}

/// A colour with this much between its strongest and its weakest part is no grey.
const COLOURED: u8 = 24;

/// The nearest of the colour cube and the grey ramp. Dark tints, which tell shards apart, must not all become one grey:
/// what is coloured stays in the cube, with its strongest part on a level of its own.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    let in_cube = 16 + 36 * level(r) + 6 * level(g) + level(b);
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    if max - min >= COLOURED {
        let is_grey = level(r) == level(g) && level(g) == level(b);
        let middle = (u16::from(max) + u16::from(min)) / 2;
        let lift = |part: u8| u8::from(u16::from(part) > middle);
        let base = level(min).min(4);
        return if is_grey { 16 + 36 * (base + lift(r)) + 6 * (base + lift(g)) + base + lift(b) } else { in_cube };
    }
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = 232 + u8::try_from(mean.saturating_sub(3) / 10).unwrap_or(23).min(23);
    if distance(rgb(grey), (r, g, b)) < distance(rgb(in_cube), (r, g, b)) { grey } else { in_cube }
}

fn rgb(index: u8) -> (u8, u8, u8) {
    let at = |level: u8| LEVELS.get(usize::from(level)).copied().unwrap_or(0);
    match index {
        0..=15 => SIXTEEN.get(usize::from(index)).map_or((0, 0, 0), |(_, rgb)| *rgb),
        16..=231 => (at((index - 16) / 36), at((index - 16) / 6 % 6), at((index - 16) % 6)),
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

/// The nearest of the sixteen: greys by lightness, everything else by hue first, since a pale red must not turn grey.
fn sixteen(r: u8, g: u8, b: u8) -> Color {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    if max - min < 40 {
        return match max {
            0..=63 => Color::Black,
            64..=159 => Color::DarkGray,
            160..=234 => Color::Gray,
            235.. => Color::White,
        };
    }
    // Stretch to full saturation, so that only the hue and whether it is bright decide.
    let stretch = |v: u8| u8::try_from(u32::from(v - min) * 255 / u32::from(max - min)).unwrap_or(255);
    let pure = (stretch(r), stretch(g), stretch(b));
    let bright = usize::from(max > 200) * 8;
    let hues = [
        (1, (255, 0, 0)),
        (2, (0, 255, 0)),
        (3, (255, 255, 0)),
        (3, (255, 165, 0)),
        (4, (0, 0, 255)),
        (4, (0, 128, 255)),
        (5, (255, 0, 255)),
        (5, (128, 0, 255)),
        (6, (0, 255, 255)),
    ];
    let hue = hues.iter().min_by_key(|(_, hue)| distance(*hue, pure)).map_or(7, |(index, _)| *index);
    SIXTEEN.get(hue + bright).map_or(Color::White, |(color, _)| *color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_the_nearest_there_are() {
        assert_eq!(color(Color::Rgb(255, 0, 0), ColorDepth::Ansi256), Some(Color::Indexed(196)));
        assert_eq!(color(Color::Rgb(18, 18, 18), ColorDepth::Ansi256), Some(Color::Indexed(233)));
        assert_eq!(color(Color::Rgb(0xff, 0x6b, 0x6b), ColorDepth::Ansi16), Some(Color::LightRed));
        assert_eq!(color(Color::Rgb(0xd5, 0x5e, 0x00), ColorDepth::Ansi16), Some(Color::LightYellow));
        assert_eq!(color(Color::Rgb(17, 20, 27), ColorDepth::Ansi16), Some(Color::Black));
        assert_eq!(color(Color::Indexed(231), ColorDepth::Ansi16), Some(Color::White));
        assert_eq!(color(Color::Green, ColorDepth::Ansi256), Some(Color::Green));
        assert_eq!(color(Color::Green, ColorDepth::None), None);
    }

    #[test]
    fn the_grey_ramp_and_the_cube_are_read_back() {
        for index in 16..=255u8 {
            let (r, g, b) = rgb(index);
            assert_eq!(rgb(cube(r, g, b)), (r, g, b), "{index}");
        }
    }
}
