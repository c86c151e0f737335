//! PURE. Which list has the focus, what is selected in it, and what that stands for.

use std::sync::Arc;

use crate::alerts::Subject;
use crate::app::screen::layout;
use crate::app::{App, Heading, Item, ListState, Page, Pane, Screen};
use crate::cluster::{NodeId, ShardName};

/// The lists of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    Topology,
    Nodes,
    Rooms,
    Alerts,
    Operations,
}

impl ListKind {
    pub const ALL: [ListKind; 5] = [Self::Topology, Self::Nodes, Self::Rooms, Self::Alerts, Self::Operations];

    pub fn of(pane: Pane) -> Option<Self> {
        match pane {
            Pane::Topology => Some(Self::Topology),
            Pane::Nodes => Some(Self::Nodes),
            Pane::Rooms => Some(Self::Rooms),
            Pane::Alerts => Some(Self::Alerts),
            Pane::Slots => None,
        }
    }

    pub fn pane(self) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| Self::of(*pane) == Some(self))
    }

    /// The columns it can be sorted by.
    pub fn columns(self) -> &'static [crate::app::screen::columns::Column] {
        match self {
            Self::Topology => &[],
            Self::Nodes => crate::app::screen::columns::NODES,
            Self::Rooms => crate::app::screen::columns::ROOMS,
            Self::Alerts => crate::app::screen::columns::ALERTS,
            Self::Operations => crate::app::screen::columns::OPERATIONS,
        }
    }
}

impl Screen {
    pub fn list(&self, kind: ListKind) -> &ListState {
        match kind {
            ListKind::Topology => &self.topology,
            ListKind::Nodes => &self.nodes,
            ListKind::Rooms => &self.rooms,
            ListKind::Alerts => &self.alerts,
            ListKind::Operations => &self.operations,
        }
    }

    pub fn list_mut(&mut self, kind: ListKind) -> &mut ListState {
        match kind {
            ListKind::Topology => &mut self.topology,
            ListKind::Nodes => &mut self.nodes,
            ListKind::Rooms => &mut self.rooms,
            ListKind::Alerts => &mut self.alerts,
            ListKind::Operations => &mut self.operations,
        }
    }
}

impl App {
    /// The pane that keys go to, if any.
    pub fn pane(&self) -> Option<Pane> {
        match self.screen.view() {
            Page::Home => Some(self.screen.focus),
            view => layout::own_pane(view),
        }
    }

    /// The list that keys go to, if any.
    pub fn list_kind(&self) -> Option<ListKind> {
        match self.screen.view() {
            Page::Operations => Some(ListKind::Operations),
            _ => self.pane().and_then(ListKind::of),
        }
    }

    pub fn list(&self) -> Option<(ListKind, &ListState)> {
        let kind = self.list_kind()?;
        Some((kind, self.screen.list(kind)))
    }

    pub(crate) fn list_mut(&mut self) -> Option<&mut ListState> {
        let kind = self.list_kind()?;
        Some(self.screen.list_mut(kind))
    }

    /// The slot map has the focus.
    pub fn on_slots(&self) -> bool {
        self.pane() == Some(Pane::Slots)
    }

    /// Where things are on the screen as it is now.
    pub fn areas(&self) -> layout::Areas {
        let heading = Heading::of(self, self.snapshot, self.size);
        layout::areas(self.size, self.screen.view(), self.screen.focus, layout::ContentArea::of(self, &heading))
    }

    /// How many rows of a list are visible; 0 when it is not on the screen.
    pub(crate) fn list_height(&self, kind: ListKind) -> usize {
        let areas = self.areas();
        let rows = match kind.pane() {
            Some(pane) => areas.pane(pane).map(|area| layout::list(pane, area).1),
            None if *self.screen.view() == Page::Operations => Some(layout::operations(areas.body).1),
            None => None,
        };
        rows.map_or(0, |rows| usize::from(rows.height))
    }

    /// What is under the cursor, or shown in detail.
    pub fn selected(&self) -> Option<Item> {
        match self.screen.view() {
            Page::Node(id) => Some(Item::Node(*id)),
            Page::Shard(name) => Some(Item::Shard(*name)),
            Page::Room(code) => Some(Item::Room(code.clone())),
            Page::Operation(id) => Some(Item::Operation(*id)),
            _ => self.list().and_then(|(_, list)| list.selected.clone()),
        }
    }

    /// The node that the selection stands for: itself, or a shard's master.
    pub fn selected_node(&self) -> Option<NodeId> {
        match self.selected()? {
            Item::Node(id) => Some(id),
            Item::Shard(name) => self.model.topology().shard(name)?.master,
            Item::Alert(id) | Item::Follow(id) => match crate::app::screen::rows::subject(self, id)? {
                Subject::Node(node) => Some(*node),
                Subject::Shard(name) => self.model.topology().shard(*name)?.master,
                _ => None,
            },
            _ => None,
        }
        .filter(|id| self.model.node(*id).is_some())
    }

    /// The shard that the selection stands for, when it stands for a whole one.
    pub fn selected_shard(&self) -> Option<ShardName> {
        match self.selected()? {
            Item::Shard(name) => Some(name),
            Item::Alert(id) | Item::Follow(id) => match crate::app::screen::rows::subject(self, id)? {
                Subject::Shard(name) => Some(*name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The rooms an operation is about: the marked ones, else the selected one.
    pub fn chosen_rooms(&self) -> Vec<Arc<str>> {
        let room = |item: &Item| match item {
            Item::Room(code) => Some(code.clone()),
            _ => None,
        };
        let in_list = self.list_kind() == Some(ListKind::Rooms);
        let marked: Vec<Arc<str>> = self.screen.rooms.marks.iter().filter_map(room).collect();
        if in_list && !marked.is_empty() {
            return marked;
        }
        self.selected().as_ref().and_then(room).into_iter().collect()
    }
}
