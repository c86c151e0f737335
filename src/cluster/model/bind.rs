//! PURE. Which node a link speaks to: links are made to addresses, nodes are known by ids.

use std::sync::Arc;
use std::time::Duration;

use super::{Change, ChangeKind, Model};
use crate::cluster::{Address, Fact, Health, Info, Node, NodeId, Observation, PeerWord, Time, Trouble, View, age};

impl Model {
    /// The node behind a link; one that is not known yet is known by its place until it tells its id.
    pub(super) fn speaker(&mut self, source: &Address, at: Time) -> Option<&mut Node> {
        let id = match self.by_address.get(source) {
            Some(id) if self.nodes.contains_key(id) => *id,
            _ => {
                let known = self.nodes.values().find(|node| node.address == *source).map(|node| node.id);
                let id = known.unwrap_or_else(|| NodeId::place(source));
                self.by_address.insert(source.clone(), id);
                if known.is_none() {
                    self.nodes.insert(id, Node::new(id, source.clone(), at));
                    self.unsettled = true;
                }
                id
            }
        };
        self.nodes.get_mut(&id)
    }

    /// A view tells who speaks: the link's address now stands for that member.
    pub(super) fn bind(&mut self, source: &Address, view: &Arc<View>, at: Time) {
        let Some(me) = view.myself() else { return };
        let old = self.by_address.insert(source.clone(), me.id);
        if old == Some(me.id) && self.nodes.contains_key(&me.id) {
            return;
        }
        self.unsettled = true;
        let before = match old {
            // What was learnt before the node told its id belongs to the member now.
            Some(id) if !id.is_member() => {
                self.letters.drop_place(id);
                self.nodes.remove(&id)
            }
            Some(id) => {
                self.displace(id, source, at);
                None
            }
            None => None,
        };
        let node = self.nodes.entry(me.id).or_insert_with(|| Node::new(me.id, me.address.clone(), at));
        node.displaced = None;
        let was = node.health;
        match before {
            Some(before) if node.health == Health::Unknown => node.learn_from(before),
            Some(before) => {
                node.learn_newer(before);
                self.note_health(source, was, at);
            }
            None => {}
        }
    }

    /// Another node answers where this one was. It may just have been removed: no alarm before the others were heard.
    fn displace(&mut self, id: NodeId, source: &Address, at: Time) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.address == *source) else { return };
        node.view = None;
        node.displaced.get_or_insert(at);
        if node.flags.failed || node.flags.suspected {
            self.refuse_displaced(id, at);
        }
    }

    /// The others still count on a node whose place another has taken.
    pub(super) fn refuse_displaced(&mut self, id: NodeId, at: Time) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.health.is_down()) else { return };
        let before = std::mem::replace(&mut node.health, Health::Refused);
        let trouble = Trouble::new(Health::Refused, "another node answers at its address");
        node.health_since = at;
        note_silence(node, at);
        let kind = ChangeKind::Health { from: before, to: node.health, detail: trouble.detail.clone() };
        node.trouble = Some(trouble);
        self.changes.push(Change { at, node: id, address: node.address.clone(), kind });
    }

    pub(super) fn note_health(&mut self, source: &Address, before: Health, at: Time) {
        let Some(node) = self.by_address.get(source).and_then(|id| self.nodes.get_mut(id)) else { return };
        if node.health == before {
            return;
        }
        node.health_since = at;
        note_silence(node, at);
        if before.serves() != node.health.serves() || before.is_alive() != node.health.is_alive() {
            self.unsettled = true;
        }
        let slowness = |health| matches!(health, Health::Up | Health::Slow | Health::Unknown);
        if !(slowness(before) && slowness(node.health)) {
            let detail = node.trouble.as_ref().map(|trouble| trouble.detail.clone()).unwrap_or_default();
            let kind = ChangeKind::Health { from: before, to: node.health, detail };
            let change = Change { at, node: node.id, address: node.address.clone(), kind };
            self.changes.push(change);
        }
    }

    pub(super) fn note_restart(&mut self, observation: &Observation) {
        let Fact::Info(new) = &observation.fact else { return };
        let Some(node) = self.by_address.get(&observation.source).and_then(|id| self.nodes.get(id)) else { return };
        let run_id = |info: &Info| info.run_id.clone();
        if node.info.as_deref().and_then(run_id).is_some_and(|old| Some(old) != run_id(new)) {
            let change = Change { at: observation.at, node: node.id, address: node.address.clone(), kind: ChangeKind::Restarted };
            self.changes.push(change);
        }
    }
}

/// Stalls that are remembered of one node.
const STALLS: usize = 20;
/// A silence longer than this was no stall.
const STALL: Duration = Duration::from_secs(10);

/// A node falls silent once, in whatever ways it then fails to answer, until it answers again.
fn note_silence(node: &mut Node, at: Time) {
    if node.health.is_down() {
        node.silent_since.get_or_insert(at);
        node.froze |= node.health == Health::Frozen || node.health == Health::Silent;
        return;
    }
    let froze = std::mem::take(&mut node.froze);
    node.peers = PeerWord::default();
    let Some(since) = node.silent_since.take() else { return };
    let lasted = age(at, since);
    if froze && lasted <= STALL {
        if node.stalls.len() >= STALLS {
            node.stalls.remove(0);
        }
        node.stalls.push((at, lasted));
    }
}
