//! PURE. What reachable masters say of a node: their word outranks that this console cannot reach it.

use std::time::Duration;

use super::{Member, Model, NodeId, PeerWord, Time, View, age};

/// What a master said longer ago than this is not its word of now.
const FRESH: Duration = Duration::from_secs(10);
/// Servers look for the silent ten times a second, and tell times of heartbeats in whole seconds.
const HEARTBEAT: Duration = Duration::from_millis(1500);
/// cluster-node-timeout, where nobody has told it.
const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// Masters with slots that answer this console, by what they say of one node. Whoever does not know it is in no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It answers this console itself.
    pub answers: bool,
    /// They are connected to it, have no ping out to it for long, and neither suspect it (`fail?`) nor call it failed (`fail`).
    pub healthy: Vec<NodeId>,
    /// They are not connected to it, suspect it or call it failed.
    pub doubted: Vec<NodeId>,
}

impl Standing {
    /// Somebody reachable, or the node itself, contradicts that it is gone.
    pub fn is_contradicted(&self) -> bool {
        self.answers || !self.healthy.is_empty()
    }
}

/// Who of the reachable masters calls this node healthy, and who does not. The node's own view of itself is no witness:
/// that it answers is told apart.
pub fn standing(model: &Model, id: NodeId, now: Time) -> Standing {
    let mut standing = Standing { answers: model.node(id).is_some_and(|node| node.health.is_alive()), ..Standing::default() };
    let patience = model.node_timeout().unwrap_or(NODE_TIMEOUT) / 2;
    for speaker in model.nodes().filter(|node| node.id != id && node.is_master() && node.slot_count > 0) {
        let fresh = speaker.health.is_alive() && speaker.view_at.is_some_and(|at| age(now, at) <= FRESH);
        let Some(view) = speaker.view.as_deref().filter(|_| fresh) else { continue };
        let Some(member) = view.member(id) else { continue };
        // Connected by its own effort alone: it lives, at another place than it says.
        let heard = is_heard(view, member, patience * 2) || model.node(id).is_some_and(|node| node.peers == PeerWord::Heard);
        let healthy = (heard || member.link_up && !waits(view, member, patience))
            && !member.flags.suspected
            && !member.flags.failed
            && !member.flags.noaddr;
        if healthy { &mut standing.healthy } else { &mut standing.doubted }.push(speaker.id);
    }
    standing
}

/// The speaker has no answer from it for longer than the node timeout and does not suspect it: servers do that while they
/// hear it, over the connection that it has made itself.
pub(super) fn is_heard(view: &View, member: &Member, node_timeout: Duration) -> bool {
    let silent = member.flags.suspected || member.flags.failed || member.flags.noaddr || member.flags.handshake;
    !silent && waits(view, member, node_timeout + HEARTBEAT)
}

/// The speaker has waited so long for an answer of this node, by its own clock: that of the newest time it tells.
fn waits(view: &View, member: &Member, patience: Duration) -> bool {
    waits_since(newest(view), member, patience)
}

/// The speaker's clock, as far as its view tells: the newest time in it, in milliseconds.
pub(super) fn newest(view: &View) -> u64 {
    view.members.iter().map(|member| member.ping_sent_ms.max(member.pong_received_ms)).max().unwrap_or(0)
}

pub(super) fn waits_since(newest: u64, member: &Member, patience: Duration) -> bool {
    member.ping_sent_ms > 0 && Duration::from_millis(newest.saturating_sub(member.ping_sent_ms)) > patience
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;
    use crate::cluster::{Fact, Health, Observation, Trouble};

    fn ask(sample: &Sample, number: usize) -> Standing {
        standing(&sample.model, sample.servers[number].id, sample.now)
    }

    /// From now on this console does not reach it; everybody else does.
    fn lose_sight_of(sample: &mut Sample, number: usize) {
        let source = sample.servers[number].address.clone();
        let fact = Fact::Trouble(Trouble::new(Health::Silent, "no answer"));
        sample.model.apply(&Observation { source, at: sample.now, fact });
        sample.model.settle(sample.now);
    }

    #[test]
    fn what_only_this_console_cannot_reach_is_healthy_by_everybody_else() {
        let mut sample = Sample::new(3, 1);
        lose_sight_of(&mut sample, 2);
        let standing = ask(&sample, 2);
        assert!(!standing.answers && standing.is_contradicted() && standing.doubted.is_empty());
        let mut others = [0, 1].map(|number| sample.servers[number].id);
        others.sort();
        assert_eq!(standing.healthy, others);
    }

    #[test]
    fn what_the_masters_doubt_is_contradicted_by_nobody() {
        let mut sample = Sample::new(3, 1);
        sample.kill(2);
        sample.servers[2].suspected = true;
        sample.poll();
        let standing = ask(&sample, 2);
        assert!(!standing.is_contradicted());
        assert_eq!(standing.doubted.len(), 2);
    }

    #[test]
    fn old_words_are_nobodys() {
        let mut sample = Sample::new(3, 1);
        lose_sight_of(&mut sample, 2);
        let later = sample.now + chrono::TimeDelta::seconds(30);
        assert_eq!(standing(&sample.model, sample.servers[2].id, later), Standing::default());
    }
}
