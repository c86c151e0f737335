//! PURE. If these nodes die at once, say all on one host: who takes over, what nobody serves, whether a majority is left.

use std::time::Duration;

use crate::cluster::{Address, Model, NodeId, Shard, ShardName, SlotSet, Time};

use crate::cluster::election::{self, Candidate, DEFAULT_NODE_TIMEOUT, Votes, candidates, votes};

use crate::plan::failover::succession::is_up;
use crate::plan::{Impact, impact};
use crate::quantity;

/// A shard that loses its master.
#[derive(Clone, Debug, PartialEq)]
pub struct LostShard {
    pub shard: ShardName,
    /// Who takes over; None when nobody does.
    pub winner: Option<Address>,
    /// How long nobody can write to it: from, to.
    pub gap: Option<(Duration, Duration)>,
    /// Acknowledged bytes that the winner does not have; None when unknown or without a winner.
    pub bytes_at_risk: Option<u64>,
    /// A replica that lives on and does not stand, and why.
    pub obstacle: Option<(Address, String)>,
    /// Not one node of it is left.
    pub extinct: bool,
    pub impact: Impact,
}

/// What the death of some nodes comes to, once the elections are over.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub nodes: usize,
    /// Nodes of the cluster, living and dead.
    pub members: usize,
    /// No living node is left of the cluster.
    pub everything: bool,
    pub shards: Vec<LostShard>,
    /// Shards that keep their master and lose their last living replica.
    pub thinned: Vec<ShardName>,
    pub votes: Votes,
    /// Slots that nobody serves in the end.
    pub unserved: SlotSet,
    /// From the moment a death is agreed on until the takeover every master refuses all commands: full coverage is required.
    pub pauses: bool,
    /// Without a majority, or with slots missing where full coverage is required, no master serves anybody.
    pub stops: bool,
}

/// How bad a line of a forecast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prospect {
    Fine,
    Thin,
    Bad,
}

/// The forecast for these nodes, whether they still live or not.
pub fn if_lost(model: &Model, nodes: &[NodeId], now: Time) -> Loss {
    let lives = |id: &NodeId| !nodes.contains(id) && model.node(*id).is_some_and(is_up);
    let votes = votes(model, nodes);
    let mut unserved = model.unserved().0;
    let (mut lost, mut thinned) = (Vec::new(), Vec::new());
    for shard in model.topology().shards.iter().filter(|shard| shard.slot_count > 0) {
        if !shard.nodes().any(|id| nodes.contains(&id)) {
            continue;
        }
        if shard.master.as_ref().is_some_and(lives) {
            let had = shard.replicas.iter().any(|id| model.node(*id).is_some_and(is_up));
            if had && !shard.replicas.iter().any(lives) {
                thinned.push(shard.name);
            }
            continue;
        }
        let fate = fate(model, shard, nodes, votes, now);
        let slots = shard.slot_set();
        if fate.winner.is_some() {
            unserved = unserved.minus(&slots);
        } else {
            unserved = unserved.plus(&slots);
        }
        lost.push(fate);
    }
    let insists = |node: &crate::cluster::Node| node.settings.as_ref().is_some_and(|set| set.require_full_coverage == Some(true));
    let pauses = lost.iter().any(|shard| shard.winner.is_some()) && model.nodes().any(|node| node.is_master() && insists(node));
    let covered = unserved.is_empty() || model.nodes().any(|node| covers_partly(node.settings.as_deref()));
    Loss {
        nodes: nodes.len(),
        members: model.nodes().filter(|node| node.id.is_member()).count(),
        everything: !model.nodes().any(|node| node.id.is_member() && lives(&node.id)),
        shards: lost,
        thinned,
        votes,
        pauses,
        stops: !votes.suffice() || !covered,
        unserved,
    }
}

fn covers_partly(settings: Option<&crate::cluster::ServerSettings>) -> bool {
    settings.is_some_and(|settings| settings.require_full_coverage == Some(false))
}

fn fate(model: &Model, shard: &Shard, lost: &[NodeId], votes: Votes, now: Time) -> LostShard {
    let timeout = model.node_timeout().unwrap_or(DEFAULT_NODE_TIMEOUT);
    let mut left = candidates(model, shard, timeout, now);
    left.retain(|candidate| !lost.contains(&candidate.node));
    let lives = |candidate: &&Candidate| model.node(candidate.node).is_some_and(is_up);
    let winner = left.iter().find(|candidate| candidate.obstacle.is_none()).filter(|_| votes.suffice());
    let gap = winner.map(|winner| {
        // The dead stand before nobody: only siblings that are left have the right of way.
        let ahead = left.iter().filter(lives).filter(|other| other.rank < winner.rank).count();
        let server = model.node(winner.node).and_then(|node| node.info.as_ref()?.server.as_ref());
        election::timing(server, timeout).promoted(u32::try_from(ahead).unwrap_or(u32::MAX))
    });
    let obstacle = left.iter().filter(lives).find_map(|other| Some((other.address.clone(), other.obstacle.as_ref()?.to_string())));
    LostShard {
        shard: shard.name,
        winner: winner.map(|winner| winner.address.clone()),
        gap,
        bytes_at_risk: winner.and_then(|winner| winner.deficit.bytes),
        obstacle: obstacle.filter(|_| winner.is_none()),
        extinct: !left.iter().any(|candidate| lives(&candidate)),
        impact: impact::of_shard(model, shard.name),
    }
}

impl LostShard {
    fn line(&self) -> (Prospect, String) {
        let shard = self.shard;
        if let (Some(winner), Some(gap)) = (&self.winner, self.gap) {
            return (
                Prospect::Fine,
                format!("{shard}: {winner} takes over in {}, {}", quantity::range(gap), risk(self.bytes_at_risk)),
            );
        }
        let why = match &self.obstacle {
            _ if self.extinct => format!("{shard}: no node is left"),
            Some((replica, why)) => format!("{shard}: nobody takes over, {replica} {why}"),
            None => format!("{shard}: nobody can be elected"),
        };
        let slots = quantity::count(self.impact.slots.len(), "slot");
        (Prospect::Bad, format!("{why}: {slots}, {}", felt(&self.impact)))
    }
}

fn felt(impact: &Impact) -> String {
    format!("{}, {}", quantity::count(impact.tally.rooms, "room"), quantity::count(impact.tally.players, "player"))
}

fn risk(bytes: Option<u64>) -> String {
    match bytes {
        Some(0) => "nothing known to be lost".into(),
        Some(bytes) => format!("{} at risk", quantity::bytes(bytes)),
        None => "loss unknown".into(),
    }
}

impl Loss {
    /// The forecast in a few lines, the worst first.
    pub fn lines(&self) -> Vec<(Prospect, String)> {
        const LISTED: usize = 3;
        if self.everything {
            let whole = self.nodes > 1 && self.nodes == self.members;
            let what = if whole { "the whole cluster is on this one host" } else { "nothing else of the cluster lives" };
            return vec![(Prospect::Bad, format!("{what}: nothing is left"))];
        }
        let (won, orphaned): (Vec<&LostShard>, Vec<&LostShard>) = self.shards.iter().partition(|lost| lost.winner.is_some());
        let mut lines = vec![self.end()];
        if self.pauses && self.votes.suffice() {
            let says = "until the takeover no master serves anybody, once the death is agreed on: full coverage is required";
            lines.push((Prospect::Thin, says.to_string()));
        }
        lines.extend(orphaned.iter().take(LISTED).map(|lost| lost.line()));
        if orphaned.len() > LISTED {
            lines.push((
                Prospect::Bad,
                format!("and {} like these", quantity::count((orphaned.len() - LISTED) as u64, "more shard")),
            ));
        }
        if !self.thinned.is_empty() {
            let names: Vec<String> = self.thinned.iter().take(LISTED).map(ToString::to_string).collect();
            let more = self.thinned.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let are = if self.thinned.len() == 1 { "has no replica" } else { "have no replica" };
            lines.push((Prospect::Thin, format!("{}{more} {are} then", names.join(", "))));
        }
        if won.len() <= LISTED {
            lines.extend(won.iter().map(|lost| lost.line()));
        } else {
            let last = won.iter().filter_map(|lost| lost.gap).map(|gap| gap.1).max().unwrap_or_default();
            let lost = won.iter().map(|lost| lost.bytes_at_risk).sum::<Option<u64>>();
            lines.push((
                Prospect::Fine,
                format!("{} shards get a new master within {}, {}", won.len(), quantity::span(last), risk(lost)),
            ));
        }
        lines
    }

    /// Whether the cluster serves in the end.
    fn end(&self) -> (Prospect, String) {
        let Votes { alive, needed, voters } = self.votes;
        if !self.votes.suffice() {
            return (Prospect::Bad, format!("the cluster stops: {alive} of {voters} masters left, {needed} must agree"));
        }
        let slots = quantity::count(self.unserved.len(), "slot");
        match (self.unserved.is_empty(), self.stops) {
            (true, _) if self.shards.is_empty() => (Prospect::Fine, "all slots stay served".into()),
            (true, _) => (Prospect::Fine, format!("all slots served again, {alive} of {voters} masters vote")),
            (false, true) => (Prospect::Bad, format!("the cluster stops: {slots} not served, and full coverage is required")),
            (false, false) => (Prospect::Bad, format!("{slots} not served, the others are")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;

    fn text(loss: &Loss) -> String {
        loss.lines().into_iter().map(|(prospect, line)| format!("{prospect:?} {line}\n")).collect()
    }

    #[test]
    fn a_replica_elsewhere_takes_over() {
        let mut sample = Sample::new(3, 1).rooms(60);
        sample.lag(3, 2048);
        sample.poll();
        let loss = if_lost(&sample.model, &[sample.id(0)], sample.now);
        let lost = &loss.shards[0];
        assert_eq!((lost.winner.clone(), lost.extinct, loss.stops), (Some(sample.address(3)), false, false));
        assert!(lost.bytes_at_risk.is_some_and(|bytes| bytes >= 2048), "{lost:?}");
        assert!(loss.unserved.is_empty() && loss.votes.suffice(), "{loss:?}");
        let says = text(&loss);
        assert!(says.starts_with("Fine all slots served again, 2 of 3 masters vote\n"), "{says}");
        assert!(says.contains("Fine A: 10.0.0.4:7003 takes over in"), "{says}");
    }

    #[test]
    fn a_replica_is_missed_by_its_shard_alone() {
        let sample = Sample::new(3, 1);
        let loss = if_lost(&sample.model, &[sample.id(4)], sample.now);
        assert_eq!(text(&loss), "Fine all slots stay served\nThin B has no replica then\n");
    }

    #[test]
    fn a_master_and_its_only_replica_on_one_host_take_their_slots_along() {
        let sample = Sample::new(3, 1).rooms(60);
        let loss = if_lost(&sample.model, &[sample.id(1), sample.id(4)], sample.now);
        assert!(loss.shards[0].extinct && loss.votes.suffice() && loss.stops, "{loss:?}");
        assert_eq!(loss.unserved, loss.shards[0].impact.slots);
        let says = text(&loss);
        assert!(says.starts_with("Bad the cluster stops: 5462 slots not served, and full coverage is required\n"), "{says}");
        assert!(says.contains("Bad B: no node is left: 5462 slots, "), "{says}");
    }

    #[test]
    fn without_a_majority_nobody_is_elected() {
        let sample = Sample::new(3, 1);
        let loss = if_lost(&sample.model, &[sample.id(0), sample.id(2)], sample.now);
        assert_eq!(loss.votes, Votes { alive: 1, needed: 2, voters: 3 });
        assert!(loss.shards.iter().all(|lost| lost.winner.is_none() && !lost.extinct), "{loss:?}");
        let says = text(&loss);
        assert!(says.starts_with("Bad the cluster stops: 1 of 3 masters left, 2 must agree\n"), "{says}");
        assert!(says.contains("Bad A: nobody can be elected"), "{says}");
    }

    #[test]
    fn a_whole_cluster_on_one_host_is_said_plainly_and_many_shards_briefly() {
        let sample = Sample::new(3, 1);
        let all: Vec<NodeId> = (0..6).map(|number| sample.id(number)).collect();
        let loss = if_lost(&sample.model, &all, sample.now);
        assert_eq!(text(&loss), "Bad the whole cluster is on this one host: nothing is left\n");
        let sample = Sample::new(12, 1);
        let some: Vec<NodeId> = (0..5).map(|number| sample.id(number)).collect();
        let says = text(&if_lost(&sample.model, &some, sample.now));
        assert!(says.contains("5 shards get a new master within"), "{says}");
    }

    #[test]
    fn the_dead_do_not_delay_an_election() {
        let mut sample = Sample::new(3, 2);
        // The replica that has the most goes down with its master.
        sample.lag(6, 50_000);
        sample.poll();
        let alone = if_lost(&sample.model, &[sample.id(0)], sample.now);
        let both = if_lost(&sample.model, &[sample.id(0), sample.id(3)], sample.now);
        assert_eq!(alone.shards[0].winner, Some(sample.address(3)));
        assert_eq!(both.shards[0].winner, Some(sample.address(6)));
        assert_eq!(alone.shards[0].gap, both.shards[0].gap);
    }

    #[test]
    fn full_coverage_stops_everybody_until_the_takeover() {
        let mut sample = Sample::new(3, 1);
        let says = |sample: &Sample| text(&if_lost(&sample.model, &[sample.id(0)], sample.now));
        assert!(!says(&sample).contains("until the takeover"), "nobody has told its settings: {}", says(&sample));
        sample.servers[1].full_coverage = true;
        sample.poll();
        assert!(says(&sample).contains("until the takeover no master serves anybody"), "{}", says(&sample));
    }
}
