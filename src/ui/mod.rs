//! PURE. From what the operator looks at to a frame: `draw` reads everything and changes nothing.

mod alerts;
mod detail;
mod dialog;
mod divergence;
mod doc;
mod footer;
mod format;
mod glyphs;
mod header;
mod help;
mod ledger;
mod log;
mod nodes;
mod operation;
mod operations;
mod pane;
mod pen;
mod rooms;
mod signs;
mod slots;
mod spark;
mod table;
mod topology;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::app::layout;
use crate::app::{App, Heading, Page, Pane, Screen, Shown};
use crate::cluster::{ShardName, Time};
use crate::theme::{Role, SHARD_COLOURS, Theme};
use glyphs::Glyphs;

/// What every widget draws from.
#[derive(Clone, Copy)]
struct Ui<'a> {
    app: &'a App,
    screen: &'a Screen,
    theme: &'a Theme,
    now: Time,
    glyphs: &'static Glyphs,
}

impl Ui<'_> {
    fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    fn shard(&self, name: ShardName) -> Style {
        let colours = u16::from(SHARD_COLOURS);
        self.style(Role::Shard(u8::try_from(name.0 % colours).unwrap_or(0)))
    }

    fn fill(&self, name: ShardName) -> Style {
        let colours = u16::from(SHARD_COLOURS);
        self.style(Role::Fill(u8::try_from(name.0 % colours).unwrap_or(0)))
    }

    /// The pane has the keys.
    fn has_focus(&self, pane: Pane) -> bool {
        let screen = self.screen;
        match layout::own_pane(screen.view()) {
            Some(own) => own == pane,
            None => screen.focus == pane,
        }
    }
}

/// Draws one frame, and says which choices of a dialog can be seen in it.
pub fn draw(app: &App, theme: &Theme, now: Time, frame: &mut Frame<'_>) -> Shown {
    let area = frame.area();
    paint(app, theme, now, area, frame.buffer_mut())
}

/// The same into a buffer, for pictures and tests.
pub fn paint(app: &App, theme: &Theme, now: Time, area: Rect, buf: &mut Buffer) -> Shown {
    let glyphs = if app.settings.ascii { &glyphs::ASCII } else { &glyphs::UNICODE };
    buf.set_style(area, theme.style(Role::Text));
    // A frozen screen is a picture that can still be looked around in; its time is that of its newest answer.
    let shown = app.frozen.as_deref().unwrap_or(app);
    let moment = app.frozen.as_ref().and_then(|app| app.model.nodes().filter_map(|node| node.last_answer).max());
    let now = moment.unwrap_or(now);
    let screen = &shown.screen;
    let ui = Ui { app: shown, screen, theme, now, glyphs };
    let size = (area.width, area.height);
    let heading = Heading::of(shown, app.frozen.is_some(), size);
    let areas = layout::areas(size, screen.view(), screen.focus, layout::ContentArea::of(shown, &heading));
    header::verdict(&ui, &heading, areas.verdict, buf);
    header::play(&ui, areas.play, buf);
    header::bar(&ui, areas.bar, buf);
    panes(&ui, &areas, buf);
    view(&ui, areas.body, buf);
    let mut choices = Shown::default();
    if let Some(dialog) = &shown.dialog {
        buf.set_style(areas.body, Style::new().add_modifier(Modifier::DIM));
        choices = dialog::draw(&ui, shown, dialog, areas.body, buf);
    }
    footer::draw(&ui, app.toast.as_ref(), areas.footer, buf);
    if app.settings.ascii {
        glyphs::plain(buf);
    }
    choices
}

/// Views that are not one of the five panes.
fn view(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    match ui.screen.view() {
        Page::Node(id) => detail::node(ui, *id, area, buf),
        Page::Shard(name) => detail::shard(ui, *name, area, buf),
        Page::Slot(slot) => detail::slot(ui, *slot, area, buf),
        Page::Room(code) => detail::room(ui, code, area, buf),
        Page::Operations => operations::draw(ui, area, buf),
        Page::Operation(id) => operation::draw(ui, *id, area, buf),
        Page::Ledger => ledger::draw(ui, area, buf),
        Page::Views => divergence::draw(ui, area, buf),
        Page::Log => log::draw(ui, area, buf),
        Page::Help => help::draw(ui, &ui.app.help(), area, buf),
        Page::Home | Page::Topology | Page::Nodes | Page::Slots | Page::Rooms | Page::Alerts => {}
    }
}

/// The focused pane comes last: its border lies over its neighbours'. ASCII borders do not merge: there each pane's title
/// lies over the border above it, in the order of the panes.
fn panes(ui: &Ui<'_>, areas: &layout::Areas, buf: &mut Buffer) {
    let focused = |pane: &Pane| !ui.app.settings.ascii && ui.has_focus(*pane);
    let (last, first): (Vec<_>, Vec<_>) = areas.panes.iter().copied().partition(|(pane, _)| focused(pane));
    for (pane, area) in first.into_iter().chain(last) {
        match pane {
            Pane::Topology => topology::draw(ui, area, buf),
            Pane::Nodes => nodes::draw(ui, area, buf),
            Pane::Slots => slots::draw(ui, area, buf),
            Pane::Alerts => alerts::draw(ui, area, buf),
            Pane::Rooms => rooms::draw(ui, area, buf),
        }
    }
}

/// Is this the home screen?
fn is_home(ui: &Ui<'_>) -> bool {
    *ui.screen.view() == Page::Home
}
