//! PURE. Nodes that are remembered, when no configured one tells who is in the cluster: who is asked, and who is believed.

use std::collections::{BTreeMap, BTreeSet};

use super::Offer;
use super::poller::PollerNews;
use crate::cluster::{Address, Fact, Health, Memory, NodeId, Recall, View};

/// Whom to ask beside the seeds, and how that goes.
pub(super) struct Recaller {
    offer: Offer,
    /// Seeds that answer and keep us out: others of their cluster would do the same.
    kept_out: BTreeSet<Address>,
    asked: Option<RecalledNodes>,
    /// It has been told that nobody is asked.
    told_nobody: bool,
}

/// Nobody else is asked.
const NOBODY: Recall = Recall { nodes: 0, at: chrono::DateTime::UNIX_EPOCH, in_vain: true };

struct RecalledNodes {
    memory: Memory,
    ids: BTreeSet<NodeId>,
    /// Nodes that are no seeds, by where they are asked.
    places: BTreeMap<Address, NodeId>,
    told: Option<Recall>,
    over: bool,
}

impl Recaller {
    pub(super) fn new(offer: Offer) -> Self {
        Self { offer, kept_out: BTreeSet::new(), asked: None, told_nobody: false }
    }

    pub(super) fn note_trouble(&mut self, address: &Address, health: Health) {
        match health {
            Health::NoAuth | Health::WrongPass | Health::NoPerm => self.kept_out.insert(address.clone()),
            _ => self.kept_out.remove(address),
        };
    }

    /// The nodes to ask, once; not when `somebody` answers, who just is no node of a cluster.
    pub(super) fn begin(&mut self, somebody: bool, seeds: &[Address]) -> Option<Vec<(NodeId, Address)>> {
        if self.asked.is_some() || somebody || !self.kept_out.is_empty() {
            return None;
        }
        let memory = self.offer.take()?;
        let places: BTreeMap<Address, NodeId> =
            memory.nodes.iter().map(|node| (node.place().clone(), node.id)).filter(|(place, _)| !seeds.contains(place)).collect();
        let nodes = places.iter().map(|(address, id)| (*id, address.clone())).collect();
        self.asked = Some(RecalledNodes { ids: memory.ids(), memory, places, told: None, over: false });
        Some(nodes)
    }

    /// What is new to tell: that they are asked, or that all was in vain. `tried` says whether an address has been.
    pub(super) fn news(&mut self, tried: impl Fn(&Address) -> bool) -> Option<Fact> {
        let Some(asked) = &mut self.asked else {
            // Nobody need be waited for; while it is not known who is remembered, nobody knows that.
            let news = self.offer.is_known() && !std::mem::replace(&mut self.told_nobody, true);
            return news.then_some(Fact::Recall(NOBODY));
        };
        let in_vain = asked.places.keys().all(tried);
        let recall = Recall { nodes: asked.places.len(), at: asked.memory.at, in_vain };
        let news = !asked.over && asked.told.replace(recall) != Some(recall);
        news.then_some(Fact::Recall(recall))
    }

    /// A configured node answers after all.
    pub(super) fn over(&mut self) -> Option<Fact> {
        let asked = self.asked.as_mut().filter(|asked| !asked.over && asked.told.is_some())?;
        asked.over = true;
        Some(Fact::Recall(NOBODY))
    }

    /// What answers at a remembered address is a node of another cluster: addresses are given anew, ids are not.
    pub(super) fn is_stranger(&self, address: &Address, news: &PollerNews) -> bool {
        let Some(asked) = self.asked.as_ref().filter(|asked| asked.places.contains_key(address)) else { return false };
        let PollerNews::Alive(Some(view)) = news else { return false };
        let known = |view: &View| view.members.iter().filter(|member| asked.ids.contains(&member.id)).count();
        let stranger = known(view) < asked.ids.len().min(2);
        if stranger {
            log::warn!("{address} is remembered, and a node of another cluster answers there now: it is not asked");
        }
        stranger
    }
}
