//! PURE. Why a step was not taken, or did not work, as a sentence: each precondition's one place of wording.

use std::collections::BTreeMap;

use super::heard::LastWords;
use crate::cluster::{Address, NodeId};
use crate::plan::protocol::{Heard, Precondition, PreconditionState};

/// Said wherever it follows from what was seen.
pub(super) const ANOTHER: &str = "another console moves these slots";

/// A precondition that did not hold.
pub(in crate::exec) struct Why<'a> {
    pub(in crate::exec) precondition: &'a Precondition,
    pub(in crate::exec) verdict: &'a PreconditionState,
    pub(in crate::exec) heard: &'a LastWords,
    pub(in crate::exec) places: &'a BTreeMap<NodeId, Address>,
}

impl Why<'_> {
    fn name(&self, node: NodeId) -> String {
        self.places.get(&node).map_or_else(|| node.short(), ToString::to_string)
    }

    fn peer(&self, peer: Option<Option<NodeId>>) -> String {
        peer.flatten().map_or_else(|| "to nobody".into(), |peer| format!("to {}", self.name(peer)))
    }

    /// Somebody else's hand is in it, as far as one can see.
    pub(in crate::exec) fn is_race(&self) -> bool {
        use Precondition as P;
        let PreconditionState::Fails(Some(slot)) = self.verdict else { return false };
        match self.precondition {
            P::MigratesTo { node, .. } | P::MigratesToNobodyElse { node, .. } => {
                self.heard.migrating(*node, *slot).flatten().is_some()
            }
            P::NobodyElseIsAtIt { .. } | P::ImportsFromNobodyElse { .. } => true,
            P::Owns { node, .. } => self.heard.is_master(*node) == Some(true),
            _ => false,
        }
    }

    pub(in crate::exec) fn sentence(&self) -> String {
        use Precondition as P;
        let heard = self.heard;
        if let PreconditionState::Unheard(node) = self.verdict {
            let why = heard.troubles.get(node).map_or("no answer", String::as_str);
            return format!("{} was not heard ({why}), and nothing is done without its word", self.name(*node));
        }
        let slot = match self.verdict {
            PreconditionState::Fails(Some(slot)) => *slot,
            _ => 0,
        };
        let says = match self.precondition {
            P::Owns { node, .. } if heard.is_master(*node) == Some(false) => format!("{} is a replica now", self.name(*node)),
            P::Owns { node, .. } => format!("{} does not own slot {slot}", self.name(*node)),
            P::OwnsNot { node, .. } => format!("{} still owns slot {slot}", self.name(*node)),
            P::MigratesTo { node, to, .. } => {
                let now = self.peer(heard.migrating(*node, slot));
                format!("{} shows slot {slot} migrating {now}, not to {}", self.name(*node), self.name(*to))
            }
            P::MigratesToNobodyElse { node, .. } => {
                format!("{} shows slot {slot} migrating {}", self.name(*node), self.peer(heard.migrating(*node, slot)))
            }
            P::ImportsFrom { node, from, .. } | P::ImportsFromNobodyElse { node, from, .. } => {
                let now = heard.importing(*node, slot).flatten().map_or_else(|| "nobody".into(), |peer| self.name(peer));
                format!("{} shows slot {slot} importing from {now}, not from {}", self.name(*node), self.name(*from))
            }
            P::TakesNothing { node } => format!(
                "{} takes slot {slot} from another master: a claim there could undo this one; wait for its end, or `fix {slot}`",
                self.name(*node)
            ),
            P::GivesNothing { node } => format!(
                "{} gives slot {slot} to another master: a claim here could undo that; wait for its end, or `fix {slot}`",
                self.name(*node)
            ),
            P::Closed { node, .. } => format!("{} has slot {slot} open", self.name(*node)),
            P::NobodyElseIsAtIt { others, .. } => {
                let at_it = |node: &&NodeId| {
                    heard.owns(**node, slot) == Some(true)
                        || heard.importing(**node, slot).flatten().is_some()
                        || heard.migrating(**node, slot).flatten().is_some()
                };
                let who = others.iter().find(at_it).map_or_else(|| "another master".into(), |node| self.name(*node));
                format!("{who} has slot {slot}, or has it open")
            }
            P::HoldsNoKeys { node, .. } => {
                let keys = heard.keys(*node, slot).unwrap_or(0);
                format!("{} holds {} of slot {slot}", self.name(*node), crate::quantity::count(keys, "key"))
            }
            P::KnowsEpoch { at, of } => {
                let known = heard.epoch(*at, *of).map_or_else(|| "none".into(), |epoch| epoch.to_string());
                let own = heard.epoch(*of, *of).map_or_else(|| "unknown".into(), |epoch| epoch.to_string());
                format!("{} knows epoch {known} of {}, which is {own}", self.name(*at), self.name(*of))
            }
            P::EpochAbove { node, of } => format!("the epoch of {} is not above that of {}", self.name(*node), self.name(*of)),
            P::HoldsForMaster { at, of } => format!("{} does not take {} for a master that works", self.name(*at), self.name(*of)),
            P::KnowsOwner { at, owner, .. } => {
                format!("{} has not heard that slot {slot} is {}'s", self.name(*at), self.name(*owner))
            }
        };
        if self.is_race() { format!("{says}: {ANOTHER}") } else { says }
    }
}
