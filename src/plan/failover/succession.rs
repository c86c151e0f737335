//! PURE. If this master dies now: who takes over, when, what is lost, who notices.

use std::time::Duration;

use crate::cluster::election::{self, Candidate, Deficit, Election, Outlook, Votes};
use crate::cluster::{Address, Model, Node, NodeId, ShardName, Time};

use crate::plan::{Impact, impact};
use crate::quantity;

/// The outcome that is to be expected when a shard's master dies now, or has just died.
#[derive(Clone, Debug, PartialEq)]
pub struct Succession {
    pub shard: ShardName,
    pub master: Option<NodeId>,
    /// Best first: those that stand by rank, then the others.
    pub candidates: Vec<Candidate>,
    pub winner: Option<NodeId>,
    pub winner_address: Option<Address>,
    /// Without the master in question.
    pub votes: Votes,
    /// How long nobody can write to the shard: from, to. None when nobody would take over.
    pub gap: Option<(Duration, Duration)>,
    /// Acknowledged bytes that the winner does not have. None when unknown or when nobody would take over.
    pub bytes_at_risk: Option<u64>,
    /// The same, and since when; nothing is known of it when nobody would take over.
    pub deficit: Deficit,
    /// What is to be expected when the master is gone already.
    outlook: Election,
    now: Time,
    pub impact: Impact,
    /// How long the master has been silent already.
    pub silent: Option<Duration>,
    /// The node timeout is the servers' default, since no node has told its own.
    pub assumed_timeout: bool,
}

impl Succession {
    /// From now until the winner is master, when the master is silent already: from, to.
    pub fn remaining(&self) -> Option<(Duration, Duration)> {
        let (gap, silent) = (self.gap?, self.silent?);
        Some((gap.0.saturating_sub(silent), gap.1.saturating_sub(silent)))
    }

    /// When the winner should have won, and whether twice the time that it takes has passed without it.
    pub fn expected(&self) -> Option<(Time, bool)> {
        match self.outlook.outlook(self.now)? {
            Outlook::Expected { by, .. } => Some((by, false)),
            Outlook::Overdue { by, .. } => Some((by, true)),
            Outlook::Nobody(_) => None,
        }
    }

    /// One short line for a topology row.
    pub fn sentence(&self) -> String {
        match self.outlook.outlook(self.now) {
            Some(Outlook::Expected { winner, by }) if by < self.now => {
                format!("election: {} should have won by {}", winner.address, clock(by))
            }
            Some(Outlook::Expected { winner, by }) => format!("election: {} expected to win by {}", winner.address, clock(by)),
            Some(Outlook::Overdue { winner, by }) => {
                format!("{} has not been elected: it was expected by {}, see its log", winner.address, clock(by))
            }
            Some(Outlook::Nobody(why)) => format!("nobody takes over: {why}"),
            None => match (self.outlook.winner(), self.gap, self.outlook.hopeless()) {
                (Some(winner), Some(gap), _) => {
                    format!("if it dies: {} takes over in {}, {}", winner.address, quantity::range(gap), self.deficit.at_risk())
                }
                (_, _, Some(why)) => format!("if it dies nobody takes over: {why}"),
                _ => String::new(),
            },
        }
    }
}

fn clock(at: Time) -> String {
    at.format("%H:%M:%S").to_string()
}

/// What happens if the master of this shard dies now; None when there is no such shard.
pub fn succession(model: &Model, shard: ShardName, now: Time) -> Option<Succession> {
    let shard = model.topology().shard(shard)?;
    let outlook = election::election(model, shard, now);
    let winner = outlook.winner();
    let deficit = outlook.deficit().unwrap_or_default();
    Some(Succession {
        shard: shard.name,
        master: shard.master,
        winner: winner.map(|winner| winner.node),
        winner_address: winner.map(|winner| winner.address.clone()),
        votes: outlook.votes,
        gap: outlook.gap,
        bytes_at_risk: deficit.bytes,
        deficit,
        impact: impact::of_shard(model, shard.name),
        silent: outlook.silent(now),
        assumed_timeout: outlook.assumed_timeout,
        candidates: outlook.candidates.clone(),
        outlook,
        now,
    })
}

/// A node that others can talk to, as far as we and they can tell.
pub(crate) fn is_up(node: &Node) -> bool {
    !node.health.is_down() && !node.flags.failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Fact, Health, Observation, Trouble};
    use crate::plan::testing::{address, at, three_shards};

    fn down(model: &mut Model, node: &str, seconds: i64) {
        let fact = Fact::Trouble(Trouble::new(Health::Refused, ""));
        model.apply(&Observation { source: address(node), at: at(seconds), fact });
        model.settle(at(seconds));
    }

    #[test]
    fn the_only_replica_wins_and_two_of_three_vote() {
        let model = three_shards();
        let expected = succession(&model, ShardName(0), at(0)).unwrap();
        assert_eq!(expected.winner_address, Some(address("10.0.0.4:7003")));
        assert_eq!(expected.votes, Votes { alive: 2, needed: 2, voters: 3 });
        assert_eq!(expected.bytes_at_risk, Some(100));
        assert_eq!(expected.gap, Some((Duration::from_millis(2500), Duration::from_millis(5100))));
        assert!(
            expected.sentence().contains("10.0.0.4:7003 takes over in 2.5 s to 5.1 s, 100 B at risk"),
            "{}",
            expected.sentence()
        );
    }

    #[test]
    fn after_the_death_the_wait_counts_down() {
        let mut model = three_shards();
        down(&mut model, "10.0.0.1:7000", 1);
        let expected = succession(&model, ShardName(0), at(2)).unwrap();
        assert_eq!(expected.remaining(), Some((Duration::from_millis(1500), Duration::from_millis(4100))));
        assert!(expected.sentence().contains("10.0.0.4:7003 expected to win by 08:00:06"), "{}", expected.sentence());
        let late = succession(&model, ShardName(0), at(8)).unwrap().sentence();
        assert!(late.contains("10.0.0.4:7003 should have won by 08:00:06"), "{late}");
        let broken = succession(&model, ShardName(0), at(30)).unwrap().sentence();
        assert!(broken.contains("10.0.0.4:7003 has not been elected: it was expected by 08:00:06"), "{broken}");
    }

    #[test]
    fn without_quorum_or_replica_nobody_wins_and_it_says_so() {
        let mut model = three_shards();
        down(&mut model, "10.0.0.2:7001", 1);
        let expected = succession(&model, ShardName(0), at(2)).unwrap();
        assert_eq!((expected.winner, expected.votes.alive), (None, 1));
        assert!(expected.sentence().contains("1 of the 2 votes needed"), "{}", expected.sentence());

        let mut model = three_shards();
        down(&mut model, "10.0.0.4:7003", 1);
        let sentence = succession(&model, ShardName(0), at(2)).unwrap().sentence();
        assert!(sentence.contains("nobody takes over: 10.0.0.4:7003 refuses connections"), "{sentence}");
    }
}
