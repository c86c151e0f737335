//! PURE. One cell of the slot map: what its slots have in common, and how that looks.

use ratatui::style::{Modifier, Style};

use super::super::Ui;
use crate::app::Layer;
use crate::cluster::{NodeId, OpenDirection, SLOTS, ShardName, SlotSet};
use crate::theme::Role;

/// What all slots of a cell are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellContent {
    Owned(ShardName),
    /// Owned by somebody who does not serve it.
    Dead(ShardName),
    /// Nobody owns it.
    Nobody,
    Mixed,
    /// Not told apart by owner.
    Other,
}

/// What cells are drawn from, looked up once a frame.
pub(super) struct CellFacts {
    /// For every slot what it is.
    kinds: Vec<CellContent>,
    open: SlotSet,
    any_open: bool,
    conflicts: SlotSet,
    any_conflict: bool,
    most_keys: u32,
}

impl CellFacts {
    pub(super) fn new(ui: &Ui<'_>) -> Self {
        let model = &ui.app.model;
        let topology = model.topology();
        // Owners come in long runs: ask the model once a run.
        let mut run: (Option<NodeId>, Option<ShardName>) = (None, None);
        let kinds = (0..SLOTS).zip(&topology.owners).map(|(slot, owner)| {
            if *owner != run.0 {
                run = (*owner, owner.and_then(|id| model.node(id)).and_then(|node| node.shard));
            }
            match run.1 {
                None => CellContent::Nobody,
                Some(name) if topology.served.contains(slot) => CellContent::Owned(name),
                Some(name) => CellContent::Dead(name),
            }
        });
        let most_keys = match ui.screen.slots.layer {
            Layer::Keys => (0..SLOTS).filter_map(|slot| model.slot_keys(slot)).max().unwrap_or(0),
            _ => 0,
        };
        Self {
            kinds: kinds.collect(),
            open: topology.open_slots(),
            any_open: !topology.open.is_empty(),
            conflicts: topology.conflicts.iter().map(|conflict| conflict.slot).collect(),
            any_conflict: !topology.conflicts.is_empty(),
            most_keys,
        }
    }

    pub(super) fn most_keys(&self) -> u32 {
        self.most_keys
    }

    fn what(&self, slot: u16) -> CellContent {
        self.kinds.get(usize::from(slot)).copied().unwrap_or(CellContent::Nobody)
    }

    /// What the slots of a cell are, in order.
    fn whats(&self, first: u16, last: u16) -> &[CellContent] {
        self.kinds.get(usize::from(first)..=usize::from(last)).unwrap_or_default()
    }

    /// Glyph and style of the cell of slots `first..=last`; `before` is what its left neighbour is.
    pub(super) fn cell(
        &self,
        ui: &Ui<'_>,
        first: u16,
        last: u16,
        before: Option<CellContent>,
    ) -> (&'static str, Style, CellContent) {
        match ui.screen.slots.layer {
            Layer::Owner => self.owner(ui, first, last, before),
            Layer::Keys => self.keys(ui, first, last),
            Layer::Open => self.opened(ui, first, last),
        }
    }

    fn owner(&self, ui: &Ui<'_>, first: u16, last: u16, before: Option<CellContent>) -> (&'static str, Style, CellContent) {
        if self.any_conflict && (first..=last).any(|slot| self.conflicts.contains(slot)) {
            return ("!", ui.style(Role::Critical), CellContent::Mixed);
        }
        if self.any_open && (first..=last).any(|slot| self.open.contains(slot)) {
            let mut style = ui.style(Role::Warning).add_modifier(Modifier::BOLD);
            if let (CellContent::Owned(name), true) = (self.what(first), ui.theme.fills()) {
                style.bg = ui.fill(name).bg;
            }
            return (ui.glyphs.open, style, CellContent::Other);
        }
        let (here, there) = (self.what(first), self.what(last));
        let whats = self.whats(first, last);
        let changes = whats.iter().zip(whats.iter().skip(1)).filter(|(a, b)| a != b).count();
        if changes == 0 || whats.iter().all(|what| matches!(what, CellContent::Dead(_))) {
            let (glyph, style) = whole(ui, here, before != Some(here));
            return (glyph, style, here);
        }
        let side = |what| match what {
            CellContent::Owned(name) => ui.shard(name).fg,
            CellContent::Dead(_) | CellContent::Nobody => ui.style(Role::Unserved).fg,
            CellContent::Mixed | CellContent::Other => None,
        };
        let ground = |what| match what {
            CellContent::Owned(name) if !ui.app.settings.ascii => ui.fill(name).bg,
            _ => None,
        };
        let style = Style { fg: side(here), bg: ground(there), ..Style::new() };
        let glyph = if changes == 1 && ui.theme.fills() { ui.glyphs.half } else { ui.glyphs.mixed };
        let style = if changes == 1 && ui.theme.fills() { Style { fg: ground(here).or(style.fg), ..style } } else { style };
        (glyph, style, CellContent::Mixed)
    }

    fn keys(&self, ui: &Ui<'_>, first: u16, last: u16) -> (&'static str, Style, CellContent) {
        let counts = (first..=last).filter_map(|slot| ui.app.model.slot_keys(slot));
        let Some(most) = counts.max() else { return (ui.glyphs.unowned, ui.style(Role::Muted), CellContent::Other) };
        let steps = ui.glyphs.shades.len() as u32 - 1;
        let step = if most == 0 { 0 } else { (u64::from(most) * u64::from(steps)).div_ceil(u64::from(self.most_keys.max(1))) };
        let glyph = ui.glyphs.shades.get(step as usize).copied().unwrap_or("");
        (glyph, ui.style(if most == 0 { Role::Muted } else { Role::Gauge }), CellContent::Other)
    }

    fn opened(&self, ui: &Ui<'_>, first: u16, last: u16) -> (&'static str, Style, CellContent) {
        let mut ways =
            ui.app.model.topology().open.iter().filter(|open| (first..=last).contains(&open.slot)).map(|open| open.direction);
        let (glyph, role) = match ways.next() {
            None if self.whats(first, last).iter().all(|what| *what == CellContent::Nobody) => (ui.glyphs.unserved, Role::Unserved),
            None => (ui.glyphs.dot, Role::Track),
            Some(way) if ways.any(|other| other != way) => (ui.glyphs.open, Role::Warning),
            Some(OpenDirection::Migrating) => (ui.glyphs.migrating, Role::Warning),
            Some(OpenDirection::Importing) => (ui.glyphs.importing, Role::Warning),
        };
        (glyph, ui.style(role), CellContent::Other)
    }
}

/// A cell of one kind of slots; the first of a run carries the shard's letter, or all of them where only letters tell.
fn whole(ui: &Ui<'_>, what: CellContent, begins: bool) -> (&'static str, Style) {
    let filled = ui.theme.fills() && !ui.app.settings.ascii;
    match what {
        CellContent::Owned(name) if filled => (if begins { letter(name) } else { " " }, ui.fill(name)),
        CellContent::Owned(name) => (letter(name), ui.shard(name)),
        CellContent::Dead(name) if begins => (letter(name), ui.style(Role::Unserved).add_modifier(Modifier::BOLD)),
        CellContent::Dead(_) => (ui.glyphs.unserved, ui.style(Role::Unserved)),
        CellContent::Nobody => (ui.glyphs.unowned, ui.style(Role::Unserved)),
        CellContent::Mixed | CellContent::Other => (ui.glyphs.mixed, ui.style(Role::Muted)),
    }
}

/// The last letter of a shard's name: neighbours differ in it.
fn letter(name: ShardName) -> &'static str {
    const LETTERS: [&str; 26] = [
        "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X",
        "Y", "Z",
    ];
    LETTERS.get(usize::from(name.0 % 26)).copied().unwrap_or("?")
}
