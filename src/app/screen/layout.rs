//! PURE. Where things are on the screen: one function that `update` scrolls by and `ui` draws by, so they cannot disagree.
//!
//! Heights come from needs: the heading takes the lines that it has to say, alerts as many as are loud (one line at rest),
//! nodes one each, and the rest is shared. Home from 100×30 on shows five tiles, whose borders overlap by one cell (draw
//! them merged); below that, and in every other view, one body under a bar of tabs or breadcrumbs.

use ratatui::layout::Rect;

use crate::app::{App, Heading, Page, Pane, SlotScreen};
use crate::cluster::{SLOTS, SlotRange};

/// From this size on the home screen shows tiles.
pub const TILES: (u16, u16) = (100, 30);

/// The areas of one frame. Empty ones have no height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The verdict and what goes with it, always at the top.
    pub verdict: Rect,
    /// What players feel, below the verdict; only while there is play.
    pub play: Rect,
    /// Tabs on a small home screen, breadcrumbs in other views; empty where the tiles are shown.
    pub bar: Rect,
    /// Everything between the lines above and the footer.
    pub body: Rect,
    /// The panes that are shown, each with its border.
    pub panes: Vec<(Pane, Rect)>,
    /// Hints, or the prompt while one is open. Always the last line.
    pub footer: Rect,
}

impl Areas {
    pub fn pane(&self, pane: Pane) -> Option<Rect> {
        self.panes.iter().find(|(shown, _)| *shown == pane).map(|(_, area)| *area)
    }
}

/// Is the home screen tiled at this size?
pub fn is_tiled(size: (u16, u16)) -> bool {
    size.0 >= TILES.0 && size.1 >= TILES.1
}

/// What decides how much room each part needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentArea {
    /// Lines of the heading.
    pub heading: u16,
    /// Somebody plays (the demo).
    pub play: bool,
    pub nodes: usize,
    /// Rows of the list of alerts, and of those the first that want to be read now: none at rest.
    pub alerts: usize,
    pub loud: usize,
}

impl ContentArea {
    pub fn of(app: &App, heading: &Heading) -> Self {
        Self {
            heading: heading.height(),
            play: app.model.play().is_some(),
            nodes: app.model.nodes().count(),
            alerts: app.rows.alerts.len(),
            loud: app.rows.loud,
        }
    }
}

/// Places everything for a screen of this size.
pub fn areas(size: (u16, u16), view: &Page, focus: Pane, content: ContentArea) -> Areas {
    let mut rest = Rect::new(0, 0, size.0, size.1);
    let verdict = take_top(&mut rest, content.heading.max(1));
    let footer = take_bottom(&mut rest, 1);
    let play = take_top(&mut rest, u16::from(content.play));
    let tiled = *view == Page::Home && is_tiled(size);
    let bar = take_top(&mut rest, u16::from(!tiled));
    let panes = match view {
        Page::Home if tiled => tiles(rest, focus, content),
        Page::Home => small(rest, focus, content),
        other => own_pane(other).map(|pane| (pane, rest)).into_iter().collect(),
    };
    Areas { verdict, play, bar, body: rest, panes, footer }
}

/// The pane of which this view is the full version.
pub fn own_pane(view: &Page) -> Option<Pane> {
    match view {
        Page::Topology => Some(Pane::Topology),
        Page::Nodes => Some(Pane::Nodes),
        Page::Slots => Some(Pane::Slots),
        Page::Rooms => Some(Pane::Rooms),
        Page::Alerts => Some(Pane::Alerts),
        _ => None,
    }
}

/// Alerts across the top: a line at rest, else as tall as they need. Below them topology beside nodes, which have a line for
/// each node, and then rooms beside slots, which take what there is. Neighbours share a border line.
fn tiles(body: Rect, focus: Pane, content: ContentArea) -> Vec<(Pane, Rect)> {
    let (alerts, rest) = match alerts_height(body.height, focus, content) {
        0 | 1 => {
            (Rect { height: 1.min(body.height), ..body }, Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body })
        }
        height => stack(body, height),
    };
    let nodes = needs(Pane::Nodes, content.nodes).min(rest.height * 11 / 20);
    let (upper, lower) = stack(rest, nodes);
    let width = (body.width * 9 / 20).max(50).min(body.width);
    let left = |area: Rect| Rect { width, ..area };
    let right = |area: Rect| Rect { x: area.x + width - 1, width: area.width - width + 1, ..area };
    vec![
        (Pane::Alerts, alerts),
        (Pane::Topology, left(upper)),
        (Pane::Nodes, right(upper)),
        (Pane::Rooms, left(lower)),
        (Pane::Slots, right(lower)),
    ]
}

/// One at rest; with its border while something is loud; and with room for the chosen alert in full while it has the focus.
fn alerts_height(body: u16, focus: Pane, content: ContentArea) -> u16 {
    /// What an alert says in full.
    const IN_FULL: u16 = 9;
    let loud = if content.loud > 0 { needs(Pane::Alerts, content.loud).min(body / 3) } else { 1 };
    let open = if focus == Pane::Alerts && content.alerts > 0 {
        needs(Pane::Alerts, content.alerts).saturating_add(IN_FULL).min(body / 2)
    } else {
        0
    };
    loud.max(open)
}

/// One pane under tabs. Below a list that needs less the newest alerts and changes stand; they have a third of the screen
/// while something is loud.
fn small(body: Rect, focus: Pane, content: ContentArea) -> Vec<(Pane, Rect)> {
    const WORTH_IT: u16 = 4;
    let upper = match focus {
        Pane::Topology | Pane::Nodes => needs(focus, content.nodes),
        Pane::Slots | Pane::Alerts | Pane::Rooms => body.height,
    };
    let loud = if content.loud > 0 { needs(Pane::Alerts, content.loud).min(body.height / 3) } else { 0 };
    let upper = match focus {
        Pane::Alerts | Pane::Slots => body.height,
        _ => upper.min((body.height + 1).saturating_sub(loud.max(1))),
    };
    if body.height + 1 < upper + WORTH_IT {
        return vec![(focus, body)];
    }
    let (upper, lower) = stack(body, upper);
    vec![(focus, upper), (Pane::Alerts, lower)]
}

/// The lines that a pane with so many rows fills.
fn needs(pane: Pane, rows: usize) -> u16 {
    u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(titles(pane) + 2)
}

/// Two areas one over the other, sharing one line.
fn stack(area: Rect, height: u16) -> (Rect, Rect) {
    let upper = Rect { height: height.clamp(1, area.height.max(1)), ..area };
    let lower = Rect { y: area.y + upper.height - 1, height: area.height - upper.height + 1, ..area };
    (upper, lower)
}

/// What is inside a border of one cell.
pub fn inner(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

/// Lines of column titles above the rows of a pane.
fn titles(pane: Pane) -> u16 {
    match pane {
        Pane::Nodes | Pane::Rooms => 1,
        Pane::Topology | Pane::Alerts | Pane::Slots => 0,
    }
}

/// The line of column titles of a list pane (no height where it has none) and the area of its rows, one line a row.
pub fn list(pane: Pane, area: Rect) -> (Rect, Rect) {
    let mut rows = inner(area);
    let head = take_top(&mut rows, titles(pane));
    (head, rows)
}

/// The same for the view of operations.
pub fn operations(body: Rect) -> (Rect, Rect) {
    let mut rows = inner(body);
    let head = take_top(&mut rows, 1);
    (head, rows)
}

/// The parts of a slot pane: first slots of the rows at the left (no width when too narrow), the map, and the line that
/// describes the cursor (no height when too low).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotParts {
    pub labels: Rect,
    pub map: Rect,
    pub cursor: Rect,
}

pub fn slot_parts(area: Rect) -> SlotParts {
    let mut map = inner(area);
    let line = u16::from(map.height >= 3);
    let cursor = take_bottom(&mut map, line);
    let width = if map.width >= 64 + 6 { 6 } else { 0 };
    let labels = Rect { width, ..map };
    let map = Rect { x: map.x + width, width: map.width - width, ..map };
    SlotParts { labels, map, cursor }
}

/// How slots lie on the map: row by row, `per_cell` slots a cell, from `first` on, `span` slots in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub first: u16,
    pub span: u16,
    /// A power of two.
    pub per_cell: u16,
    pub columns: u16,
    pub rows: u16,
}

/// The deepest zoom: 16384 >> 8 = 64 slots.
pub const MAX_ZOOM: u8 = 8;

/// The grid for a map of this size (the `map` of [`slot_parts`]).
pub fn grid(map: Rect, slots: &SlotScreen) -> Grid {
    let span = SLOTS >> slots.zoom.min(MAX_ZOOM);
    // The window is aligned, so that moving the cursor within it does not shift it.
    let first = slots.cursor.min(SLOTS - 1) / span * span;
    let (width, height) = (map.width.max(1), map.height.max(1));
    let mut per_cell = 1;
    while per_cell < span {
        let cells = span.div_ceil(per_cell);
        if let Some(columns) = columns(cells, width, height) {
            return Grid { first, span, per_cell, columns, rows: cells.div_ceil(columns) };
        }
        per_cell *= 2;
    }
    Grid { first, span, per_cell: span, columns: 1, rows: 1 }
}

/// The fewest columns, a power of two when possible, that show so many cells in this size.
fn columns(cells: u16, width: u16, height: u16) -> Option<u16> {
    let fits = |columns: u16| columns >= 1 && columns <= width && cells.div_ceil(columns) <= height;
    let largest = 1 << width.ilog2();
    if fits(largest) {
        return Some(largest.min(cells));
    }
    let by_sixteen = width / 16 * 16;
    fits(by_sixteen).then_some(by_sixteen)
}

impl Grid {
    /// The slots of the cell at this place: first and last; None beside the map.
    pub fn cell(&self, column: u16, row: u16) -> Option<(u16, u16)> {
        if column >= self.columns || row >= self.rows {
            return None;
        }
        let at = (u32::from(row) * u32::from(self.columns) + u32::from(column)) * u32::from(self.per_cell);
        let at = u16::try_from(at).ok().filter(|&at| at < self.span)?;
        let start = self.first + at;
        Some((start, start + self.per_cell.min(self.span - at) - 1))
    }

    /// The cell that holds this slot: column and row.
    pub fn place(&self, slot: u16) -> Option<(u16, u16)> {
        let at = slot.checked_sub(self.first).filter(|&at| at < self.span)? / self.per_cell;
        Some((at % self.columns, at / self.columns))
    }

    /// The range that is being marked, from where it was begun to the cursor: whole cells, as it looks on the map.
    pub fn marked(&self, slots: &SlotScreen) -> Option<SlotRange> {
        let anchor = slots.anchor?;
        let start_of_cell = |slot: u16| slot / self.per_cell * self.per_cell;
        let (from, to) = (start_of_cell(anchor.min(slots.cursor)), start_of_cell(anchor.max(slots.cursor)));
        Some(SlotRange::new(from, to + (self.per_cell - 1)))
    }
}

fn take_top(area: &mut Rect, height: u16) -> Rect {
    let height = height.min(area.height);
    let top = Rect { height, ..*area };
    area.y += height;
    area.height -= height;
    top
}

fn take_bottom(area: &mut Rect, height: u16) -> Rect {
    let height = height.min(area.height);
    area.height -= height;
    Rect { y: area.y + area.height, height, ..*area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_area_lies_on_the_screen_at_every_size() {
        for width in 0..=220 {
            for height in 0..=70 {
                let screen = Rect::new(0, 0, width, height);
                for view in [Page::Home, Page::Nodes, Page::Slots, Page::Help] {
                    for play in [false, true] {
                        let rows = usize::from(width) % 40;
                        let content = ContentArea { play, heading: height % 6, nodes: rows, alerts: rows, loud: rows / 2 };
                        let areas = areas((width, height), &view, Pane::Rooms, content);
                        let all = areas.panes.iter().map(|(_, area)| *area);
                        for area in all.chain([areas.verdict, areas.play, areas.bar, areas.body, areas.footer]) {
                            let parts = slot_parts(area);
                            for part in [area, inner(area), list(Pane::Rooms, area).1, parts.labels, parts.map, parts.cursor] {
                                assert!(part.is_empty() || screen.intersection(part) == part, "{part:?} in {screen:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn large_screens_have_five_panes_and_small_ones_what_fits() {
        let rest = ContentArea { heading: 1, play: false, nodes: 6, alerts: 0, loud: 0 };
        let panes = |size, focus, content| areas(size, &Page::Home, focus, content).panes;
        let shown = |size, focus, content| panes(size, focus, content).into_iter().map(|(pane, _)| pane).collect::<Vec<_>>();
        assert_eq!(shown((80, 24), Pane::Slots, rest), [Pane::Slots]);
        assert_eq!(shown((80, 24), Pane::Topology, rest), [Pane::Topology, Pane::Alerts]);
        assert_eq!(shown((80, 24), Pane::Topology, ContentArea { nodes: 60, ..rest }), [Pane::Topology]);
        let many = ContentArea { nodes: 60, alerts: 5, loud: 3, heading: 4, ..rest };
        assert_eq!(shown((80, 24), Pane::Topology, many), [Pane::Topology, Pane::Alerts]);
        let large = areas((120, 40), &Page::Home, Pane::Slots, rest);
        let mut all: Vec<Pane> = large.panes.iter().map(|(pane, _)| *pane).collect();
        all.sort_unstable();
        assert_eq!(all, Pane::ALL);
        assert_eq!(large.bar.height, 0);
        assert!(large.pane(Pane::Slots).is_some_and(|area| slot_parts(area).map.width >= 64));
    }

    #[test]
    fn alerts_are_as_tall_as_they_need() {
        let height = |size, focus, content| areas(size, &Page::Home, focus, content).pane(Pane::Alerts).unwrap().height;
        let rest = ContentArea { heading: 1, play: false, nodes: 6, alerts: 4, loud: 0 };
        assert_eq!(height((120, 40), Pane::Topology, rest), 1);
        assert_eq!(height((120, 40), Pane::Topology, ContentArea { loud: 3, ..rest }), 5);
        assert_eq!(height((120, 40), Pane::Topology, ContentArea { loud: 30, ..rest }), 12);
        assert_eq!(height((120, 40), Pane::Alerts, rest), 15);
        assert_eq!(height((80, 24), Pane::Topology, rest), 14);
    }

    #[test]
    fn every_slot_has_a_cell_at_every_zoom_and_size() {
        for (width, height) in [(1, 1), (7, 3), (30, 5), (64, 4), (64, 7), (78, 18), (100, 30), (190, 50)] {
            for zoom in 0..=MAX_ZOOM {
                for cursor in [0, 866, 8191, 8192, 16383] {
                    let map = Rect::new(0, 0, width, height);
                    let grid = grid(map, &SlotScreen { zoom, cursor, ..SlotScreen::default() });
                    assert!(grid.columns <= width && grid.rows <= height, "{grid:?} in {width}x{height}");
                    for slot in grid.first..grid.first + grid.span {
                        let (column, row) = grid.place(slot).unwrap();
                        let (start, end) = grid.cell(column, row).unwrap();
                        assert!((start..=end).contains(&slot), "{slot} is not in {start}-{end} of {grid:?}");
                    }
                    assert!(grid.place(cursor).is_some());
                }
            }
        }
    }

    #[test]
    fn a_marked_range_is_of_whole_cells() {
        let grid = |zoom| grid(Rect::new(0, 0, 64, 8), &SlotScreen { zoom, ..SlotScreen::default() });
        let marked = |zoom, anchor, cursor| grid(zoom).marked(&SlotScreen { zoom, cursor, anchor, ..SlotScreen::default() });
        assert_eq!(grid(0).per_cell, 32);
        assert_eq!(marked(0, Some(96), 128), Some(SlotRange::new(96, 159)));
        assert_eq!(marked(0, Some(130), 100), Some(SlotRange::new(96, 159)));
        assert_eq!(marked(0, Some(16383), 16383), Some(SlotRange::new(16352, 16383)));
        assert_eq!(marked(MAX_ZOOM, Some(96), 128), Some(SlotRange::new(96, 128)));
        assert_eq!(marked(0, None, 128), None);
    }

    #[test]
    fn the_deepest_zoom_shows_single_slots() {
        let map = Rect::new(0, 0, 64, 4);
        assert_eq!(grid(map, &SlotScreen { zoom: MAX_ZOOM, ..SlotScreen::default() }).per_cell, 1);
        assert_eq!(grid(map, &SlotScreen::default()), Grid { first: 0, span: SLOTS, per_cell: 64, columns: 64, rows: 4 });
    }
}
