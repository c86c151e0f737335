//! IO. Draws the console's screens from made-up clusters: `cargo run --example pictures [-- DIR [SCENE] [THEME]]`.
//!
//! The pictures of the README come from `cargo run --example pictures -- tests/pictures =killed` (and `=demo`, `=dialog`);
//! a scene's name after `=` is meant whole, without it as a part.

#[path = "../../tests/scenes/mod.rs"]
mod scenes;
mod svg;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rgc_tui::theme::Theme;

const DARK: svg::Ground = svg::Ground { fg: (200, 200, 200), bg: (16, 16, 16) };

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = std::path::PathBuf::from(arguments.next().unwrap_or_else(|| "tests/pictures".into()));
    let wanted = arguments.next();
    let theme = arguments.next().and_then(|name| Theme::builtin(&name)).unwrap_or_default();
    std::fs::create_dir_all(&dir)?;
    for name in scenes::NAMES.iter().filter(|name| wanted.as_ref().is_none_or(|wanted| matches(name, wanted))) {
        for (width, height) in scenes::SIZES {
            let scene = scenes::scene(name, (width, height));
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            rgc_tui::ui::paint(&scene.app, &theme, scene.now, area, &mut buffer);
            let path = dir.join(format!("{name}-{width}x{height}-{}.svg", theme.name));
            std::fs::write(path, svg::svg(&buffer, DARK))?;
        }
    }
    Ok(())
}

fn matches(name: &str, wanted: &str) -> bool {
    match wanted.strip_prefix('=') {
        Some(whole) => name == whole,
        None => name.contains(wanted),
    }
}
