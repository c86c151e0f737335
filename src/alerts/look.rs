//! PURE. What every rule asks of the model, answered once: who works, who is down, who could take over.

use std::time::Duration;

use super::{Remedy, Thresholds};
use crate::cluster::election::{self, Candidate, CandidateObstacle, Election, Hopeless, Outlook, Votes};
use crate::cluster::{Health, Info, Model, Node, NodeId, Partition, PeerWord, Shard, SlotSet, Time, WriteRefusal, age, partition};
use crate::plan::{Intent, Mode};
use crate::quantity::count;

/// Figures of a node that has not told them for this long say nothing about now.
const FRESH: Duration = Duration::from_secs(15);

pub(super) struct Look<'a> {
    pub(super) model: &'a Model,
    pub(super) thresholds: &'a Thresholds,
    pub(super) now: Time,
    /// Slots that a running operation of ours has open.
    pub(super) moving: &'a SlotSet,
    /// The nodes that answer are in groups that do not see each other.
    pub(super) partition: Option<Partition>,
    /// In order of address: lists read the same from one check to the next.
    nodes: Vec<&'a Node>,
}

impl<'a> Look<'a> {
    pub(super) fn new(model: &'a Model, thresholds: &'a Thresholds, now: Time, moving: &'a SlotSet) -> Self {
        let mut nodes: Vec<&Node> = model.nodes().collect();
        nodes.sort_by(|a, b| a.address.cmp(&b.address));
        Self { model, thresholds, now, moving, partition: partition(model), nodes }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.nodes.iter().copied()
    }

    pub(super) fn all_down(&self) -> bool {
        self.nodes.iter().all(|node| node.is_down())
    }

    /// The addresses of these nodes, in order.
    pub(super) fn labels(&self, ids: &[NodeId]) -> Vec<String> {
        let mut addresses: Vec<_> = ids.iter().filter_map(|id| self.node(*id)).map(|node| &node.address).collect();
        addresses.sort();
        addresses.into_iter().map(ToString::to_string).collect()
    }

    pub(super) fn since(&self, then: Time) -> Duration {
        age(self.now, then)
    }

    /// Nodes that answer, with what they said lately of themselves. Whoever is down, or has said nothing for long, has no
    /// figures: nothing is concluded from old ones.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'a Node, &'a Info)> + '_ {
        self.nodes().filter(|node| node.health.is_alive()).filter_map(|node| {
            let fresh = node.info_at.is_some_and(|at| self.since(at) <= FRESH.max(self.model.stale));
            fresh.then(|| node.info.as_deref().map(|info| (node, info))).flatten()
        })
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&'a Node> {
        self.model.node(id)
    }

    /// Shards that own slots.
    pub(super) fn owning(&self) -> impl Iterator<Item = &'a Shard> + '_ {
        self.model.topology().shards.iter().filter(|shard| shard.slot_count > 0)
    }

    /// The shard whose slots this node owns.
    pub(super) fn shard_led_by(&self, node: &Node) -> Option<&'a Shard> {
        self.owning().find(|shard| shard.master == Some(node.id))
    }

    pub(super) fn master(&self, shard: &Shard) -> Option<&'a Node> {
        shard.master.and_then(|id| self.node(id))
    }

    pub(super) fn replicas(&self, shard: &'a Shard) -> impl Iterator<Item = &'a Node> + '_ {
        shard.replicas.iter().filter_map(|id| self.node(*id))
    }

    /// The election of this shard's next master.
    pub(super) fn election(&self, shard: &Shard) -> Election {
        election::election(self.model, shard, self.now)
    }

    /// Masters with slots: how many can vote, how many must.
    pub(super) fn votes(&self) -> Votes {
        election::votes(self.model, &[])
    }

    /// What comes of a shard whose master is gone, in words, while it is expected to heal by itself.
    pub(super) fn outlook(&self, shard: &Shard) -> Option<String> {
        let election = self.election(shard);
        match election.outlook(self.now)? {
            Outlook::Expected { winner, by } => {
                let loss = winner.deficit;
                let without = if loss.is_large() { format!(" without {}", loss.says()) } else { String::new() };
                let when = if by < self.now { "was expected" } else { "expected" };
                Some(format!("{} is being elected{without}, {when} by {}", winner.address, clock(by)))
            }
            Outlook::Overdue { winner, by } => {
                Some(format!("{} was expected to be elected by {}: that did not happen", winner.address, clock(by)))
            }
            Outlook::Nobody(_) if self.partition.is_some() => None,
            Outlook::Nobody(Hopeless::NoMajority(votes)) => Some(no_majority(votes)),
            Outlook::Nobody(_) => {
                let master = self.master(shard)?;
                Some(format!("nothing changes before {} is back", master.address))
            }
        }
    }

    /// What to do about a shard whose master is gone. A takeover is never the advice while the master may live where this
    /// console does not see it.
    pub(super) fn relief(&self, shard: &Shard) -> Remedy {
        if self.partition.is_some() {
            return UNITE.into();
        }
        let master = self.master(shard).map_or_else(|| "its master".to_string(), |master| master.address.to_string());
        let slots = count(shard.slot_count, "slot");
        let election = self.election(shard);
        let forgetful = self.master(shard).and_then(forgets);
        let force = |candidate: &Candidate| Intent::Failover { node: candidate.address.to_string(), mode: Mode::Force };
        let lacking = |candidate: &Candidate| match candidate.deficit.says() {
            says if candidate.deficit.is_large() => format!(", without {says}"),
            _ => ", with what it has".to_string(),
        };
        match election.outlook(self.now) {
            Some(Outlook::Expected { winner, .. }) => Remedy::with(
                format!("nothing to do yet; at once{}: `rgc-tui failover {} --mode force`", lacking(winner), winner.address),
                force(winner),
            ),
            Some(Outlook::Overdue { winner, .. }) => Remedy::with(
                format!(
                    "bring {master} back, or `rgc-tui failover {} --mode force`{}; the log of {} says why it was not elected",
                    winner.address,
                    lacking(winner),
                    winner.address
                ),
                force(winner),
            ),
            Some(Outlook::Nobody(Hopeless::Barred(candidate)))
                if candidate.obstacle.as_ref().is_some_and(CandidateObstacle::yields_to_force) && election.votes.suffice() =>
            {
                let promote = format!("`rgc-tui failover {} --mode force`{}", candidate.address, lacking(candidate));
                let says = match forgetful {
                    Some(what) => format!("do not start {master} before {promote}: {what}"),
                    None => format!("bring {master} back: its data is the newest; else {promote}"),
                };
                Remedy::with(says, force(candidate))
            }
            Some(Outlook::Nobody(Hopeless::NoMajority(_))) => self.without_majority(shard),
            Some(Outlook::Nobody(Hopeless::Barred(candidate)))
                if candidate.obstacle.as_ref().is_some_and(CandidateObstacle::yields_to_force) =>
            {
                self.without_majority(shard)
            }
            Some(Outlook::Nobody(Hopeless::Barred(candidate))) => {
                format!("bring {master} back, or {}, its replica, which also has data of {slots}", candidate.address).into()
            }
            _ => match forgetful {
                Some(what) => format!("no replica has a copy of {slots}: start {master} again; {what}").into(),
                None => format!("bring {master} back: it has the only copy of {slots}").into(),
            },
        }
    }

    /// No majority is left to elect anybody.
    pub(super) fn without_majority(&self, shard: &Shard) -> Remedy {
        if self.partition.is_some() {
            return UNITE.into();
        }
        let election = self.election(shard);
        let stands = |candidate: &&Candidate| candidate.obstacle.as_ref().is_none_or(CandidateObstacle::yields_to_force);
        let Some(best) = election.candidates.iter().find(stands) else {
            return "bring masters back: no replica answers that could take over".into();
        };
        if !self.surely_gone() {
            return "look from another host first: this console may be in the minority, and the masters may serve where it does not see them; no takeover from here"
                .into();
        }
        let intent = Intent::Failover { node: best.address.to_string(), mode: Mode::Takeover };
        let promote = format!("`rgc-tui failover {} --mode takeover`, one shard at a time", best.address);
        let says = match self.master(shard).and_then(|master| Some((&master.address, forgets(master)?))) {
            Some((address, what)) => {
                format!("once another host does not reach the masters either: {promote}, before {address} is started: {what}")
            }
            None => format!(
                "bring masters back, their data is the newest; else, once another host does not reach them either, {promote}"
            ),
        };
        Remedy::with(says, intent)
    }

    /// It refuses writes for want of memory.
    pub(super) fn is_out_of_memory(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.refuses == Some(WriteRefusal::OutOfMemory))
    }

    /// Every silent master with slots is one whose host says that no process listens there, and whose peers have lost it
    /// too: nobody serves its slots elsewhere.
    pub(super) fn surely_gone(&self) -> bool {
        let silent = self.nodes().filter(|node| node.is_master() && node.slot_count > 0 && node.health.is_down());
        silent.into_iter().all(|node| node.health == Health::Refused && node.peers == PeerWord::Gone)
    }
}

/// What a master does not have any more once it has been started again, by its own last word: without an append-only file
/// it comes back as its last snapshot has it. None when it keeps everything, or has not said.
fn forgets(master: &Node) -> Option<String> {
    let info = master.info.as_ref()?;
    let changes = info.unsaved_changes.filter(|changes| *changes > 0 && info.aof_enabled == Some(false))?;
    Some(format!("it keeps no append-only file and comes back without its last {}", count(changes, "write")))
}

/// `nothing changes before 1 more master answers: 1 of 3 can vote, 2 must`
pub(super) fn no_majority(votes: Votes) -> String {
    let missing = votes.needed.saturating_sub(votes.alive);
    let answer = if missing == 1 { "answers" } else { "answer" };
    let (alive, voters, needed) = (votes.alive, votes.voters, votes.needed);
    format!("nothing changes before {} {answer}: {alive} of {voters} can vote, {needed} must", count(missing, "more master"))
}

/// While nodes do not see each other, whatever is done on one side is undone by the other.
const UNITE: &str = "restore the network between the two sides first: see cluster.partition; no failover and no takeover meanwhile";

/// A moment on the verdict line.
pub(super) fn clock(at: Time) -> String {
    at.format("%H:%M:%S").to_string()
}
