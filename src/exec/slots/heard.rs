//! IO. What nodes said last, each by its own word, and when: what commands about slots are checked against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::databases;
use crate::cluster::{Address, Model, NodeId, NodeRole, View, parse};
use crate::link::{Command, Lane, Links, Reply};
use crate::plan::protocol::Heard;

/// For one answer. Valkey holds answers back while it waits for its replicas.
const WITHIN: Duration = Duration::from_secs(5);

/// Where each node is asked.
pub(in crate::exec) type Places = Arc<BTreeMap<NodeId, Address>>;

pub(in crate::exec) fn places(model: &Model) -> Places {
    Arc::new(model.nodes().filter(|node| !node.flags.noaddr).map(|node| (node.id, node.address.clone())).collect())
}

/// Views and counts with the moment in which they arrived.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct LastWords {
    views: BTreeMap<NodeId, (View, Instant)>,
    keys: BTreeMap<NodeId, (BTreeMap<u16, u64>, Instant)>,
    /// Keys that stay where they are, because the owner has another copy: they are named, and count no more.
    left: BTreeMap<(NodeId, u16), u64>,
    /// Why a node was not heard when it was asked last.
    pub(super) troubles: BTreeMap<NodeId, String>,
}

impl LastWords {
    /// Nothing that this node said before is true any more: it has been told something.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.views.remove(&node);
        self.keys.remove(&node);
    }

    /// One that answers under this address and is another node is not heard.
    pub(super) fn hear(&mut self, node: NodeId, address: &Address, reply: Option<&Reply>) {
        let view = match reply {
            Some(Reply::Error(error)) => Err(error.to_string()),
            Some(reply) => parse::nodes(&reply.text().unwrap_or_default(), address).map_err(|error| error.to_string()),
            None => Err("no reply".into()),
        };
        let own = view.and_then(|view| match view.myself() {
            Some(me) if me.id == node => Ok(view),
            _ => Err("another node answers at its address".into()),
        });
        match own {
            Ok(view) => {
                self.troubles.remove(&node);
                self.views.insert(node, (view, Instant::now()));
            }
            Err(why) => {
                self.forget(node);
                self.troubles.insert(node, why);
            }
        }
    }

    /// That is what it holds of these slots now.
    pub(super) fn hear_keys(&mut self, node: NodeId, counts: BTreeMap<u16, u64>) {
        self.keys.insert(node, (counts, Instant::now()));
    }

    pub(super) fn leave(&mut self, node: NodeId, left: BTreeMap<u16, u64>) {
        self.left.extend(left.into_iter().map(|(slot, keys)| ((node, slot), keys)));
    }

    pub(super) fn view(&self, node: NodeId) -> Option<&View> {
        self.views.get(&node).map(|(view, _)| view)
    }

    /// When the oldest of these answers arrived; None: one is missing.
    pub(super) fn oldest(&self, asked: &BTreeSet<NodeId>, counted: &BTreeMap<NodeId, BTreeSet<u16>>) -> Option<Instant> {
        let mut oldest = Instant::now();
        for node in asked {
            oldest = oldest.min(self.views.get(node)?.1);
        }
        for (node, slots) in counted {
            let (counts, at) = self.keys.get(node)?;
            if !slots.iter().all(|slot| counts.contains_key(slot)) {
                return None;
            }
            oldest = oldest.min(*at);
        }
        Some(oldest)
    }

    /// Asks these nodes, and counts these keys in the same go; what is younger than `fresh` is not asked again.
    pub(super) async fn ask(
        &mut self,
        links: &Links,
        places: &BTreeMap<NodeId, Address>,
        asked: &BTreeSet<NodeId>,
        counted: &BTreeMap<NodeId, BTreeSet<u16>>,
        fresh: Duration,
    ) {
        let young = |at: &Instant| at.elapsed() < fresh;
        let counts = |node: &NodeId| counted.get(node).cloned().unwrap_or_default();
        let mut due: BTreeMap<NodeId, BTreeSet<u16>> = BTreeMap::new();
        for node in asked.iter().chain(counted.keys()) {
            let slots = counts(node);
            let heard = !asked.contains(node) || self.views.get(node).is_some_and(|(_, at)| young(at));
            let counted = slots.is_empty()
                || self.keys.get(node).is_some_and(|(keys, at)| young(at) && slots.iter().all(|slot| keys.contains_key(slot)));
            if !(heard && counted) {
                due.insert(*node, slots);
            }
        }
        let questions = due.into_iter().map(|(node, slots)| async move {
            let Some(address) = places.get(&node) else { return (node, None, Err("its address is not known".into())) };
            let answer = question(links, address, &slots.into_iter().collect::<Vec<_>>()).await;
            (node, Some(address), answer)
        });
        for (node, address, answer) in join_all(questions).await {
            match (address, answer) {
                (Some(address), Ok((view, keys))) => {
                    self.hear(node, address, Some(&view));
                    match keys {
                        Ok(keys) => self.hear_keys(node, keys),
                        Err(why) => {
                            self.keys.remove(&node);
                            self.troubles.insert(node, why);
                        }
                    }
                }
                (_, answer) => {
                    self.forget(node);
                    self.troubles.insert(node, answer.err().unwrap_or_default());
                }
            }
        }
    }
}

type SlotAnswer = (Reply, Result<BTreeMap<u16, u64>, String>);

/// The node's view, and how many keys it has of these slots, in every database.
async fn question(links: &Links, address: &Address, slots: &[u16]) -> Result<SlotAnswer, String> {
    // A replica of one that works is asked beside its work.
    let link = links.get(address, if slots.is_empty() { Lane::Probe } else { Lane::Work });
    let mut commands: Vec<Command> = Vec::new();
    if !slots.is_empty() {
        commands.extend(slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}"))));
        commands.push(databases::question());
    }
    commands.push(Command::words("CLUSTER NODES"));
    let mut replies = link.pipeline(&commands, WITHIN).await.map_err(|failure| failure.to_string())?;
    let view = replies.pop().ok_or("no reply")?;
    if slots.is_empty() {
        return Ok((view, Ok(BTreeMap::new())));
    }
    let Some(used) = databases::numbered(replies.pop().as_ref()) else {
        return Ok((view, Err("it does not tell which databases hold keys (INFO keyspace)".into())));
    };
    let mut counts = databases::counts(slots, &replies);
    for database in used {
        let more = databases::counted_in(&link, database, slots, WITHIN).await;
        counts = match (counts, more) {
            (Ok(mut counts), Ok(more)) => {
                more.into_iter().for_each(|(slot, keys)| *counts.entry(slot).or_default() += keys);
                Ok(counts)
            }
            (counts, more) => counts.and(more),
        };
    }
    Ok((view, counts))
}

impl Heard for LastWords {
    fn is_master(&self, at: NodeId) -> Option<bool> {
        Some(self.view(at)?.myself()?.role == NodeRole::Master)
    }

    fn owns(&self, at: NodeId, slot: u16) -> Option<bool> {
        let me = self.view(at)?.myself()?;
        Some(me.role == NodeRole::Master && me.slots.iter().any(|range| range.contains(slot)))
    }

    fn migrating(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        self.mark(at, slot, crate::cluster::OpenDirection::Migrating)
    }

    fn importing(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        self.mark(at, slot, crate::cluster::OpenDirection::Importing)
    }

    fn takes(&self, at: NodeId) -> Option<Option<u16>> {
        self.any_mark(at, crate::cluster::OpenDirection::Importing)
    }

    fn gives(&self, at: NodeId) -> Option<Option<u16>> {
        self.any_mark(at, crate::cluster::OpenDirection::Migrating)
    }

    fn epoch(&self, at: NodeId, of: NodeId) -> Option<u64> {
        self.view(at)?.member(of).map(|member| member.epoch)
    }

    fn owner(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>> {
        let lists = |member: &&crate::cluster::Member| member.slots.iter().any(|range| range.contains(slot));
        Some(self.view(at)?.members.iter().find(lists).map(|member| member.id))
    }

    fn holds_for_master(&self, at: NodeId, of: NodeId) -> Option<bool> {
        let member = self.view(at)?.member(of)?;
        Some(member.role == NodeRole::Master && !member.flags.failed && !member.flags.suspected)
    }

    fn keys(&self, at: NodeId, slot: u16) -> Option<u64> {
        let keys = *self.keys.get(&at)?.0.get(&slot)?;
        Some(keys.saturating_sub(self.left.get(&(at, slot)).copied().unwrap_or(0)))
    }
}

impl LastWords {
    fn any_mark(&self, at: NodeId, direction: crate::cluster::OpenDirection) -> Option<Option<u16>> {
        let me = self.view(at)?.myself()?;
        Some(me.open.iter().find(|open| open.direction == direction).map(|open| open.slot))
    }

    fn mark(&self, at: NodeId, slot: u16, direction: crate::cluster::OpenDirection) -> Option<Option<NodeId>> {
        let me = self.view(at)?.myself()?;
        Some(me.open.iter().find(|open| open.slot == slot && open.direction == direction).map(|open| open.peer))
    }
}
