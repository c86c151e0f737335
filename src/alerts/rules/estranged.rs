//! PURE. The rule about nodes that answer and are no members to each other any more: forgotten, or reset, by hand.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::slots;
use super::super::{Finding, Remedy, Rule, Severity};
use crate::cluster::{Estranged, SlotSet, estranged};
use crate::plan::Intent;
use crate::quantity::count;

pub(super) const UNKNOWN: Rule = Rule {
    id: "node.unknown",
    title: "a node that others do not know",
    holds: "every node that answers knows every other",
    says: "A node answers, and others do not know it, or it does not know them: after CLUSTER FORGET or CLUSTER RESET of a living node.",
    // Who has just joined is known to all within a few seconds.
    for_: Duration::from_secs(5),
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "`rgc-tui fix` introduces it again (CLUSTER MEET) before anything else: it keeps its slots and keys. Give its slots to nobody before.",
    find: unknown,
};

/// One round of questions later a node that has only just been introduced is known.
const SOON: Duration = Duration::from_millis(1500);

fn unknown(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let mut all = estranged(look.model);
    // Nothing of it is hit as long as its slots are served, and everybody says whose they are.
    let hit = |one: &Estranged| !one.slots.is_empty();
    all.sort_by_key(|one| (!hit(one), look.node(one.node).map(|node| node.address.clone())));
    for one in &all {
        let Some(node) = look.node(one.node) else { continue };
        let message = match one.lost {
            true => lost(one),
            false => format!(
                "{} of {} not know it (CLUSTER FORGET there?){}",
                one.unknown_to.len(),
                if one.others == 1 { "1 other node does".into() } else { format!("{} other nodes do", one.others) },
                owned(&one.slots)
            ),
        };
        let (severity, hold) = if hit(one) { (Severity::Critical, SOON) } else { (Severity::Warning, rule.for_) };
        let keeps =
            if one.owns { "it keeps its slots and keys; give them to nobody before" } else { "then run it again for the slots" };
        let says = format!("`rgc-tui fix` introduces it again (CLUSTER MEET): {keeps}");
        let remedy = match one.foreign.is_empty() {
            true => Remedy::with(says, Intent::Fix { slots: None, roll_back: false }),
            false => "look which cluster it belongs to before the two meet: it knows nodes that this one does not".into(),
        };
        found.push(rule.on_node(node, severity, message, remedy).held_for(hold));
    }
}

/// It knows too few, and what the others take it for.
fn lost(one: &Estranged) -> String {
    let knows = match one.knows {
        0 => "it knows no other node (CLUSTER RESET or FORGET there?)".to_string(),
        some => format!("it knows {some} of {}", count(one.others, "other node")),
    };
    match (one.slots.is_empty(), one.owns) {
        (true, _) => knows,
        (false, true) => knows + &owned(&one.slots),
        (false, false) => format!("{knows}, and others take it for the owner of {}", named(&one.slots)),
    }
}

fn owned(set: &SlotSet) -> String {
    if set.is_empty() { String::new() } else { format!("; it owns {}, and no client is sent to it", named(set)) }
}

fn named(set: &SlotSet) -> String {
    format!("{} ({})", count(set.len(), "slot"), slots(set))
}
