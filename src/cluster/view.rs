//! PURE. What one node says of the whole cluster, and which nodes share an opinion of who owns which slots.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Address, NodeId, NodeRole, SlotRange};

/// The flags of a CLUSTER NODES line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    pub myself: bool,
    /// `fail?`: the speaker cannot reach it.
    pub suspected: bool,
    /// `fail`: a majority of masters says so.
    pub failed: bool,
    pub handshake: bool,
    pub noaddr: bool,
    pub nofailover: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenDirection {
    /// `[s->-id]`: this node is giving the slot away.
    Migrating,
    /// `[s-<-id]`: this node is taking the slot over.
    Importing,
}

/// An open slot, as the node that has it open says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    pub slot: u16,
    pub direction: OpenDirection,
    /// The other side.
    pub peer: NodeId,
}

/// One line of CLUSTER NODES: a node in the speaker's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: NodeId,
    pub address: Address,
    pub hostname: Option<Arc<str>>,
    /// The cluster bus port.
    pub bus_port: u16,
    pub flags: Flags,
    pub role: NodeRole,
    pub master: Option<NodeId>,
    /// Unix milliseconds by the speaker's clock, 0 when nothing is awaited.
    pub ping_sent_ms: u64,
    pub pong_received_ms: u64,
    pub epoch: u64,
    pub link_up: bool,
    pub slots: Vec<SlotRange>,
    /// Only ever on the speaker's own line.
    pub open: Vec<Open>,
}

impl Member {
    pub fn slot_count(&self) -> u16 {
        self.slots.iter().map(|range| range.len()).sum()
    }
}

/// One CLUSTER NODES reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub members: Vec<Member>,
    /// Index of the speaker's own line; the parser refuses a reply without one.
    pub me: usize,
}

impl View {
    pub fn myself(&self) -> Option<&Member> {
        self.members.get(self.me)
    }

    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// The same facts, heartbeat times aside: nothing to do when a node repeats itself.
    pub fn says_the_same(&self, other: &View) -> bool {
        self.me == other.me
            && self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(|(a, b)| {
                a.id == b.id
                    && a.flags == b.flags
                    && a.epoch == b.epoch
                    && a.link_up == b.link_up
                    && a.role == b.role
                    && a.master == b.master
                    && a.slots == b.slots
                    && a.open == b.open
                    && a.address == b.address
                    && a.hostname == b.hostname
            })
    }
}

/// What a view says about who owns which slots; equal for nodes that agree.
pub(super) fn ownership(view: &View) -> Vec<(NodeId, Vec<SlotRange>)> {
    let mut owners: Vec<_> = view.members.iter().filter(|m| !m.slots.is_empty()).map(|m| (m.id, m.slots.clone())).collect();
    owners.sort();
    owners
}

/// Fingerprints of a view, equal for nodes that say the same in whichever order of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// Of who owns which slots.
    pub(super) opinion: u64,
    /// Of everything that is said of every member, open slots aside.
    pub(super) content: u64,
    /// The highest epoch of any member.
    pub(super) head: u64,
}

impl Digest {
    pub(super) fn of(view: &View) -> Self {
        let mut digest = Self::default();
        for (at, member) in view.members.iter().enumerate() {
            digest.head = digest.head.max(member.epoch);
            // Lines are hashed one by one and added up: their order differs from node to node.
            let line = (member.id, &member.slots);
            if !member.slots.is_empty() {
                digest.opinion = digest.opinion.wrapping_add(hash(&line));
            }
            let flags = Flags { myself: false, ..member.flags };
            // Of itself a node always says that it is connected.
            let link = member.link_up || at == view.me;
            let rest = (member.role, member.master, member.epoch, &member.address, &member.hostname, flags, link);
            digest.content = digest.content.wrapping_add(hash(&(line, rest)));
        }
        digest
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Who owns which slots, by the nodes that say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    pub nodes: Vec<NodeId>,
    /// Owner to slots.
    pub owners: Vec<(NodeId, Vec<SlotRange>)>,
}

/// The opinions of these nodes, the one that most share first. One means that all agree.
pub fn opinions<'a>(views: impl IntoIterator<Item = (NodeId, &'a View)>) -> Vec<Opinion> {
    let mut by_opinion: BTreeMap<Vec<(NodeId, Vec<SlotRange>)>, Vec<NodeId>> = BTreeMap::new();
    for (id, view) in views {
        by_opinion.entry(ownership(view)).or_default().push(id);
    }
    let mut opinions: Vec<Opinion> = by_opinion.into_iter().map(|(owners, nodes)| Opinion { nodes, owners }).collect();
    opinions.sort_by_key(|opinion| std::cmp::Reverse(opinion.nodes.len()));
    opinions
}
