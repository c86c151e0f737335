//! PURE. What the nodes that answer say of those that do not: this console's own silence is not the cluster's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Model;
use crate::cluster::election::DEFAULT_NODE_TIMEOUT;
use crate::cluster::standing::is_heard;
use crate::cluster::{Health, Node, NodeId, PeerWord, Time, age};

/// A few dozen witnesses are enough, also of a thousand.
const WITNESSES: usize = 30;
/// Views older than this say nothing about now.
const MOMENT: Duration = Duration::from_secs(10);
/// A process that ends closes its connections: its peers know within this.
const CLOSED: Duration = Duration::from_millis(700);
/// Gossip carries heartbeats in whole seconds.
const GOSSIP: i64 = 1000;

/// What was heard of one node.
#[derive(Default)]
struct PeerReports {
    /// Views that were told since it fell silent.
    fresh: usize,
    unlinked: usize,
    doubted: usize,
    failed: bool,
    /// A heartbeat of it came to somebody after it had fallen silent here.
    alive: bool,
    /// Somebody cannot connect to it and still hears it.
    lopsided: bool,
}

impl Model {
    /// Judges every node that does not answer. True when it changes who is out of this console's reach.
    pub(super) fn judge_silent(&mut self, now: Time) -> bool {
        let silent: BTreeMap<NodeId, Time> =
            self.nodes.values().filter_map(|node| Some((node.id, node.silent_since?))).filter(|(id, _)| id.is_member()).collect();
        if silent.is_empty() {
            return false;
        }
        let speakers = self.witnesses(now);
        let mut heard: BTreeMap<NodeId, PeerReports> = BTreeMap::new();
        let node_timeout = self.node_timeout().unwrap_or(DEFAULT_NODE_TIMEOUT);
        for speaker in &speakers {
            let (Some(view), Some(told)) = (speaker.view.as_deref(), speaker.view_at) else { continue };
            for member in view.members.iter().filter(|member| !member.flags.handshake && !member.flags.noaddr) {
                let Some(since) = silent.get(&member.id) else { continue };
                let accepted = speaker.inbound.as_ref().is_some_and(|(at, nodes)| {
                    // A process that has ended takes its connections with it, and peers need a moment to see that.
                    let ended = self.nodes.get(&member.id).is_some_and(|node| knows_at_once(node.health));
                    ended && age(*at, *since) > CLOSED && age(now, *at) <= MOMENT && nodes.contains(&member.id)
                });
                let heard = heard.entry(member.id).or_default();
                heard.lopsided |= !member.link_up && (accepted || is_heard(view, member, node_timeout));
                heard.fresh += usize::from(told > *since);
                heard.unlinked += usize::from(!member.link_up);
                heard.failed |= member.flags.failed;
                heard.doubted += usize::from(member.flags.suspected);
                let pong = i64::try_from(member.pong_received_ms).unwrap_or(0);
                heard.alive |=
                    pong > 0 && clock_ahead_ms(speaker).is_some_and(|ahead| pong > since.timestamp_millis() + ahead + GOSSIP);
            }
        }
        let notices = node_timeout * 3 / 2 + Duration::from_secs(1);
        let witnesses = speakers.len();
        let mut changed = false;
        for (id, since) in silent {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            let word = heard.get(&id).map_or(PeerWord::Unknown, |heard| word(node, heard, witnesses, age(now, since), notices));
            let before = node.is_out_of_reach();
            node.peers = if node.displaced.is_some() { PeerWord::Gone } else { word };
            changed |= before != node.is_out_of_reach();
        }
        changed
    }

    /// Nodes that answer and have told a view lately: masters first, who judge.
    fn witnesses(&self, now: Time) -> Vec<&Node> {
        let speaks = |node: &&Node| node.health.is_alive() && node.view_at.is_some_and(|at| age(now, at) <= MOMENT);
        let mut speakers: Vec<&Node> = self.nodes.values().filter(speaks).collect();
        speakers.sort_by_key(|node| !(node.is_master() && node.slot_count > 0));
        speakers.truncate(WITNESSES);
        speakers
    }
}

fn word(node: &Node, heard: &PeerReports, witnesses: usize, silence: Duration, notices: Duration) -> PeerWord {
    if heard.failed || heard.doubted * 2 >= witnesses {
        return PeerWord::Gone;
    }
    if heard.unlinked * 2 >= witnesses {
        return if heard.lopsided && heard.doubted == 0 { PeerWord::Heard } else { PeerWord::Gone };
    }
    if heard.alive {
        return PeerWord::Connected;
    }
    // A node that never answered this console has not fallen silent: everybody else is with it. A port that answers is the
    // right place, though, and the process behind it may be frozen.
    if node.last_answer.is_none() && node.health != Health::Frozen {
        return PeerWord::Connected;
    }
    if heard.fresh == 0 {
        return PeerWord::Unknown;
    }
    let would_know = match node.health {
        health if knows_at_once(health) => CLOSED,
        _ => notices,
    };
    if silence >= would_know { PeerWord::Connected } else { PeerWord::Undecided }
}

/// Whoever listened there does not any more, or never did: if that is its end, its connections end with it.
fn knows_at_once(health: Health) -> bool {
    matches!(health, Health::Refused | Health::Closed | Health::Tls | Health::Garbage | Health::Unresolved)
}

/// How far a server's clock is ahead of this console's, in milliseconds; None when it has not told its time.
fn clock_ahead_ms(node: &Node) -> Option<i64> {
    let told = i64::try_from(node.info.as_ref()?.server_time_usec? / 1000).ok()?;
    Some(told - node.info_at?.timestamp_millis())
}
