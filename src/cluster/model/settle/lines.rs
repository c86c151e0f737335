//! PURE. What is believed of each node: its own line while it speaks, else the line of whoever knows the newest epoch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Model;
use crate::cluster::{Address, Member, NodeId, Time, View, age};

/// A node's own view that is this much older than one with a higher epoch does not speak for it any more.
const OUTDATED: Duration = Duration::from_secs(2);
/// Doubts are of the moment: views that are this much older than the newest have no say in them.
const MOMENT: Duration = Duration::from_secs(10);

/// Nodes that say the same, and what they say. In a settled cluster there is one such group, whatever the number of nodes.
pub(super) struct Voice {
    view: Arc<View>,
    /// In order.
    pub(super) speakers: Vec<NodeId>,
    /// The highest epoch it knows of.
    head: u64,
    newest: Time,
}

/// Everybody who answers and has told a view, by what they say: the best informed first, then the most numerous.
pub(super) fn speakers(model: &Model) -> Vec<Voice> {
    let mut speakers: Vec<Voice> = Vec::new();
    let mut by_content: HashMap<u64, usize> = HashMap::new();
    for node in model.nodes.values().filter(|node| node.health.is_alive()) {
        let (Some(view), Some(at)) = (&node.view, node.view_at) else { continue };
        let place = *by_content.entry(node.digest.content).or_insert(speakers.len());
        match speakers.get_mut(place) {
            Some(speaker) => {
                speaker.speakers.push(node.id);
                speaker.newest = speaker.newest.max(at);
            }
            None => speakers.push(Voice { view: view.clone(), speakers: vec![node.id], head: node.digest.head, newest: at }),
        }
    }
    // Speakers are in order because the model's nodes are; the order of speakers depends on nothing but what is said.
    speakers.sort_by(|a, b| (b.head, b.speakers.len(), &a.speakers).cmp(&(a.head, a.speakers.len(), &b.speakers)));
    speakers
}

/// What is believed of one node.
pub(super) struct NodesLine<'a> {
    pub(super) member: &'a Member,
    /// Where the others say it is: a node may not know where it is seen from.
    pub(super) address: Option<&'a Address>,
    /// `fail?` and `fail` by anybody else.
    pub(super) suspected: bool,
    pub(super) failed: bool,
    /// Somebody else knows it.
    pub(super) known: bool,
}

/// The lines by node; and whether somebody speaks for itself with an epoch that others have left behind: its word counts
/// until it is outdated, which only time will tell.
pub(super) fn best<'a>(model: &Model, speakers: &'a [Voice]) -> (HashMap<NodeId, NodesLine<'a>>, bool) {
    let head = speakers.iter().map(|speaker| speaker.head).max().unwrap_or(0);
    let newest = speakers.iter().map(|speaker| speaker.newest).max().unwrap_or_default();
    let informed = speakers.iter().filter(|speaker| speaker.head == head).map(|speaker| speaker.newest).max().unwrap_or_default();
    let mut undecided = false;
    let mut lines: HashMap<NodeId, NodesLine<'a>> = HashMap::new();
    for speaker in speakers {
        let recent = age(newest, speaker.newest) <= MOMENT;
        for member in speaker.view.members.iter().filter(|member| !member.flags.handshake) {
            let own = speaker.speakers.binary_search(&member.id).is_ok();
            let others = speaker.speakers.len() > usize::from(own);
            let line = lines.entry(member.id).or_insert_with(|| NodesLine {
                member,
                address: None,
                suspected: false,
                failed: false,
                known: false,
            });
            if own {
                let told = || model.nodes.get(&member.id).and_then(|node| node.view_at).unwrap_or_default();
                let behind = speaker.head < head;
                if !behind || age(informed, told()) <= OUTDATED {
                    line.member = member;
                    undecided |= behind;
                }
            }
            if others {
                line.known = true;
                if line.address.is_none() && !member.flags.noaddr {
                    line.address = Some(&member.address);
                }
                if recent {
                    line.suspected |= member.flags.suspected;
                    line.failed |= member.flags.failed;
                }
            }
        }
    }
    (lines, undecided)
}
