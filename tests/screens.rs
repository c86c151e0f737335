//! IO. What the console looks like: every screen by its letters and by what its colours mean, and none that panics.

mod scenes;

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use rgc_tui::app::{Event, update};
use rgc_tui::theme::{ColorDepth, Role, Theme};
use scenes::{Scene, scene};

/// A theme whose colours are the roles themselves: a change of a theme changes no snapshot, a wrong role does.
fn probe() -> (Theme, BTreeMap<u8, String>) {
    let mut names = BTreeMap::new();
    let index = |role: Role| u8::try_from(Role::all().position(|other| other == role).unwrap()).unwrap();
    for role in Role::all() {
        let name = match role {
            Role::Shard(n) => format!("shard{n}"),
            Role::Fill(n) => format!("fill{n}"),
            other => other.name().to_string(),
        };
        names.insert(index(role), name);
    }
    let theme = Theme::of("probe", |role| match role {
        Role::Selection | Role::Button | Role::Badge => Style::new().bg(Color::Indexed(index(role))),
        Role::Fill(_) => Style::new().fg(Color::Indexed(index(role))).bg(Color::Indexed(index(role))),
        _ => Style::new().fg(Color::Indexed(index(role))),
    });
    (theme, names)
}

fn draw(scene: &Scene, theme: &Theme, size: (u16, u16)) -> Buffer {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buffer = Buffer::empty(area);
    rgc_tui::ui::paint(&scene.app, theme, scene.now, area, &mut buffer);
    buffer
}

fn letters(buffer: &Buffer, y: u16) -> String {
    let mut text = String::new();
    let mut skip = 0;
    for x in 0..buffer.area.width {
        let symbol = buffer[(x, y)].symbol();
        if skip == 0 {
            text.push_str(symbol);
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
        } else {
            skip -= 1;
        }
    }
    text.trim_end().to_string()
}

/// The lines of the screen; under each the runs of cells that are not plain text, and what they are.
fn portrait(buffer: &Buffer, names: &BTreeMap<u8, String>) -> String {
    let look = |x: u16, y: u16| {
        let cell = &buffer[(x, y)];
        let name = |color: Color| match color {
            Color::Indexed(index) => names.get(&index).cloned().unwrap_or_default(),
            _ => String::new(),
        };
        let mut look = name(cell.fg);
        let ground = name(cell.bg);
        if !ground.is_empty() && ground != look {
            let _ = write!(look, " on {ground}");
        }
        for (modifier, word) in [(Modifier::BOLD, "bold"), (Modifier::REVERSED, "reversed"), (Modifier::DIM, "dim")] {
            if cell.modifier.contains(modifier) {
                let _ = write!(look, " {word}");
            }
        }
        look
    };
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let _ = writeln!(out, "|{}", letters(buffer, y));
        let mut runs: Vec<(String, u16, u16)> = Vec::new();
        for x in 0..buffer.area.width {
            // The colour of a blank is not seen.
            let blank = buffer[(x, y)].symbol() == " " && buffer[(x, y)].bg == Color::Reset;
            let look = if blank { "text".to_string() } else { look(x, y) };
            match runs.last_mut() {
                Some((last, _, end)) if *last == look || blank => *end = if blank { *end } else { x },
                _ => runs.push((look, x, x)),
            }
        }
        let runs: Vec<String> = runs
            .into_iter()
            .filter(|(look, ..)| look != "text" && look != "border" && !look.is_empty())
            .map(|(look, start, end)| if start == end { format!("{look} {start}") } else { format!("{look} {start}-{end}") })
            .collect();
        if !runs.is_empty() {
            let _ = writeln!(out, "    {}", runs.join(", "));
        }
    }
    out
}

fn snapshot(name: &str, size: (u16, u16)) {
    let (theme, names) = probe();
    let scene = scene(name, size);
    let picture = portrait(&draw(&scene, &theme, size), &names);
    insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), picture);
}

#[test]
fn home_looks_right_at_three_sizes() {
    for name in ["healthy", "killed", "frozen-node", "open-slots", "nobody", "thousand", "ascii"] {
        for size in scenes::SIZES {
            snapshot(name, size);
        }
    }
}

#[test]
fn special_conditions_can_be_seen() {
    for name in [
        "promoted",
        "election",
        "read-only",
        "protected",
        "unlocked",
        "refused",
        "wrong-name",
        "frozen-screen",
        "lonely",
        "disagreement",
        "toast",
    ] {
        snapshot(name, (120, 40));
    }
}

#[test]
fn every_pane_is_usable_on_a_small_screen() {
    for name in ["tab-nodes", "tab-slots", "tab-alerts", "tab-rooms", "prompt", "filter", "dialog", "dialog-menu-former", "help"] {
        snapshot(name, (80, 24));
    }
}

#[test]
fn full_views_show_everything_there_is() {
    for name in [
        "topology",
        "nodes",
        "slots",
        "slots-keys",
        "slots-open",
        "slots-zoom",
        "slots-range",
        "rooms",
        "alerts",
        "node",
        "node-down",
        "shard",
        "slot",
        "room",
        "operations",
        "operation",
        "operation-failed",
        "ledger",
        "views",
        "help",
    ] {
        snapshot(name, (120, 40));
    }
    snapshot("nodes", (200, 60));
}

#[test]
fn dialogs_show_the_consequence_and_focus_cancel() {
    for name in [
        "dialog",
        "dialog-typed",
        "dialog-rebalance",
        "dialog-replanning",
        "dialog-refused",
        "dialog-menu",
        "dialog-menu-former",
        "dialog-fault",
        "dialog-target",
        "dialog-unlock",
        "dialog-quit",
        "dialog-leftover",
    ] {
        snapshot(name, (120, 40));
    }
}

const WIDTHS: [u16; 8] = [1, 4, 20, 60, 80, 99, 120, 200];
const HEIGHTS: [u16; 6] = [1, 3, 8, 24, 30, 60];

#[test]
fn no_size_breaks_any_screen() {
    let theme = Theme::default();
    for name in scenes::NAMES {
        let mut scene = scene(name, (120, 40));
        for width in WIDTHS {
            for height in HEIGHTS {
                update(&mut scene.app, Event::Resize(width, height), scene.now);
                let buffer = draw(&scene, &theme, (width, height));
                let first = letters(&buffer, 0);
                assert!(width < 5 || !first.trim().is_empty(), "{name} at {width}x{height} has no verdict");
            }
        }
    }
}

#[test]
fn a_dialog_says_which_of_its_choices_can_be_seen() {
    let theme = Theme::default();
    let shown = |name, size: (u16, u16)| {
        let mut scene = scene(name, (120, 40));
        update(&mut scene.app, Event::Resize(size.0, size.1), scene.now);
        let area = Rect::new(0, 0, size.0, size.1);
        rgc_tui::ui::paint(&scene.app, &theme, scene.now, area, &mut Buffer::empty(area))
    };
    for name in ["dialog", "dialog-typed"] {
        for small in [(120, 3), (120, 5), (20, 5), (10, 40), (1, 1)] {
            assert!(!shown(name, small).buttons, "{name} at {small:?}");
        }
        for size in scenes::SIZES {
            assert!(shown(name, size).buttons, "{name} at {size:?}");
        }
    }
    assert!(shown("dialog-menu", (120, 8)).entries.len() < shown("dialog-menu", (120, 40)).entries.len());
}

#[test]
fn the_verdict_is_named_on_every_screen() {
    for name in scenes::NAMES {
        let scene = scene(name, (120, 40));
        for size in scenes::SIZES {
            let first = letters(&draw(&scene, &Theme::default(), size), 0);
            let word = scene.app.monitor.verdict.word().to_uppercase();
            assert!(first.contains(&word), "{name}: `{first}` does not say {word}");
        }
    }
}

/// Cause, effect, what happens by itself and the next step, wrapped as it may be: every word of them is there.
#[test]
fn in_an_incident_nothing_of_the_heading_is_cut() {
    let words = |text: &str| text.split([' ', '·']).filter(|word| !word.is_empty()).map(String::from).collect::<Vec<_>>();
    for name in ["killed", "frozen-node", "election", "nobody", "lonely", "promoted"] {
        for size in scenes::SIZES {
            let scene = scene(name, size);
            let buffer = draw(&scene, &Theme::default(), size);
            let screen: Vec<String> = (0..8).flat_map(|y| words(&letters(&buffer, y))).collect();
            let headline = &scene.app.monitor.headline;
            let next = headline.next.as_ref().map(|next| scene.app.advised(next));
            let told = headline.effect.iter().chain(&headline.past).chain(&headline.outlook);
            let parts = std::iter::once(&headline.cause).chain(told).chain(&next);
            for part in parts {
                let missing: Vec<String> = words(part).into_iter().filter(|word| !screen.contains(word)).collect();
                assert!(missing.is_empty(), "{name} at {size:?} does not say {missing:?} of `{part}`:\n{}", screen.join(" "));
            }
        }
    }
}

/// Rooms that are hit come first, what follows from a cause is folded beneath it, and unfolded in the full view.
#[test]
fn an_incident_shows_what_is_hit_and_each_cause_once() {
    let mut scene = scene("killed", (120, 40));
    let unserved = scene.app.model.unserved().0;
    let is_hit = |code: &str| scene.app.model.rooms().get(code).is_some_and(|room| unserved.contains(room.slot));
    let hit: Vec<bool> = scene.app.rows.rooms.iter().map(|code| is_hit(code)).collect();
    assert!(hit[0] && hit.is_sorted_by(|a, b| a >= b), "{hit:?}");
    assert_eq!((scene.app.rows.alerts.len(), scene.app.rows.loud), (2, 2));
    scene.press("4 down enter");
    assert_eq!(scene.app.screen.view(), &rgc_tui::app::Page::Alerts);
    assert!(scene.app.rows.alerts.iter().all(|item| matches!(item, rgc_tui::app::Item::Alert(_))));
}

#[test]
fn ascii_screens_are_ascii() {
    for size in scenes::SIZES {
        let buffer = draw(&scene("ascii", size), &Theme::default(), size);
        for y in 0..size.1 {
            let line = letters(&buffer, y);
            assert!(line.is_ascii(), "{line}");
        }
    }
}

#[test]
fn what_is_selected_shows_without_colour() {
    let theme = Theme::default().limit(ColorDepth::None);
    let scene = scene("healthy", (120, 40));
    let buffer = draw(&scene, &theme, (120, 40));
    let colours: Vec<Color> = buffer.content.iter().flat_map(|cell| [cell.fg, cell.bg]).filter(|c| *c != Color::Reset).collect();
    assert_eq!(colours, []);
    let reversed = |y: u16| (0..50).filter(|x| buffer[(*x, y)].modifier.contains(Modifier::REVERSED)).count();
    assert_eq!((0..40).filter(|y| reversed(*y) > 30).count(), 1, "exactly one row is selected");
}

/// An idle cluster must not keep the line busy: from one second to the next almost nothing differs.
#[test]
fn idle_frames_hardly_differ() {
    let theme = Theme::default();
    let mut scene = scene("healthy", (120, 40));
    scene.seconds(60);
    let mut before = draw(&scene, &theme, (120, 40));
    for _ in 0..10 {
        scene.seconds(1);
        let after = draw(&scene, &theme, (120, 40));
        let changed = before.diff(&after).len();
        assert!(changed <= 40, "{changed} cells differ");
        before = after;
    }
}
