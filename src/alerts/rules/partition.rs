//! PURE. The rule about groups of nodes that do not see each other: who serves, and who acknowledges writes in vain.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::{list, people};
use super::super::{Finding, Rule, Severity};
use crate::cluster::{Node, Partition, PartitionSide, SlotSet};
use crate::quantity::count;

pub(super) const PARTITION: Rule = Rule {
    id: "cluster.partition",
    title: "partition",
    holds: "all nodes that answer see each other",
    says: "Nodes that all answer this console are in groups that do not see each other: what the smaller side acknowledges is lost.",
    // A node that was just started has yet to connect.
    for_: Duration::from_secs(2),
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "Restore the network between the groups (the ports of the cluster bus). No failover, no takeover and no repair meanwhile: it heals by itself.",
    find: partition,
};

fn partition(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let Some(partition) = &look.partition else { return };
    let parts: Vec<String> = partition.sides.iter().map(|side| fate(look, partition, side)).collect();
    let message = format!("partition: {}; {}", partition.says(look.model), parts.join("; "));
    let served = partition.sides.first().filter(|side| side.has_majority());
    let clients = served.map_or_else(String::new, |_| "keep clients on the side of the majority; ".to_string());
    let remedy = format!(
        "{clients}restore the network between the sides, the ports of the cluster bus too; no failover, no takeover, no fix on either side: \
         it heals by itself"
    );
    let vain: Vec<String> = partition.minorities().flat_map(|side| look.labels(&side.serving)).collect();
    let outlook = match (served.is_some(), vain.is_empty()) {
        (true, false) => Some(format!(
            "{} will refuse writes once its node timeout has passed, and lose those it has taken when the network heals",
            list(&vain)
        )),
        (true, true) => Some("when the network heals the smaller side follows the larger one".to_string()),
        (false, _) => None,
    };
    let hold = if partition.certain { Duration::ZERO } else { rule.for_ };
    let evidence = partition.sides.iter().map(|side| {
        let (reached, known) = side.masters;
        format!("{}: in touch with {reached} of {}", list(&look.labels(&side.nodes)), count(known, "master"))
    });
    let finding = rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy);
    found.push(finding.held_for(hold).expecting(outlook).proved_by(evidence));
}

/// What becomes of writes on this side.
fn fate(look: &Look<'_>, partition: &Partition, side: &PartitionSide) -> String {
    let (reached, known) = side.masters;
    let names = match partition.sides.first() {
        Some(first) if first == side && side.has_majority() => "the first".to_string(),
        _ => list(&look.labels(&side.nodes)),
    };
    if side.has_majority() {
        return format!("{names} has the majority, {reached} of {}, and serves", count(known, "master"));
    }
    let masters: Vec<&Node> = side.serving.iter().filter_map(|id| look.node(*id)).collect();
    if masters.is_empty() {
        return format!("{names} {} no majority and takes no writes", if side.nodes.len() == 1 { "has" } else { "have" });
    }
    let slots: SlotSet =
        masters.iter().filter_map(|master| master.view.as_deref()?.myself()).flat_map(|me| me.slots.iter()).collect();
    let in_vain: Vec<String> = look.labels(&side.serving);
    let mut says = format!(
        "{} {} writes in vain until its cluster_state turns fail ({}",
        list(&in_vain),
        if in_vain.len() == 1 { "acknowledges" } else { "acknowledge" },
        count(slots.len(), "slot")
    );
    if let Some(people) = people(&look.model.rooms().in_slots(&slots)) {
        says += &format!(", {people}");
    }
    says + ")"
}
