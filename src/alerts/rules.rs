//! PURE. The table of rules, causes before consequences; one small file for each family.

mod announce;
mod answers;
mod cluster;
mod estranged;
mod history;
mod load;
mod loss;
mod nodes;
mod partition;
mod replicas;
mod resync;
mod shards;
mod slots;

pub(super) use loss::NOISE;
pub use nodes::way_back;

use super::{Finding, Rule};
use crate::cluster::Incident;

/// Every rule there is.
pub const RULES: &[Rule] = &[
    cluster::UNREACHABLE,
    partition::PARTITION,
    history::JOINED,
    history::EMPTIED,
    history::VANISHED,
    cluster::QUORUM,
    announce::ANNOUNCED,
    estranged::UNKNOWN,
    nodes::DOWN,
    shards::NO_MASTER,
    slots::UNSERVED,
    cluster::DOWN,
    answers::REFUSED,
    loss::LOST,
    answers::BUSY,
    answers::MISCONF,
    answers::FULL,
    slots::CONFLICT,
    slots::DIFFER,
    shards::NO_REPLICA,
    resync::RESYNC,
    replicas::LINK_DOWN,
    slots::OPEN,
    slots::OPEN_ON_REPLICA,
    slots::ASTRAY,
    answers::LOADING,
    cluster::MINORITY,
    nodes::UNREACHED,
    nodes::STALLED,
    answers::AUTH,
    answers::ERROR,
    answers::UNTOLD,
    nodes::STALE,
    nodes::SUSPECTED,
    replicas::LAG,
    load::MEMORY,
    load::EVICTING,
    load::LATENCY,
    load::CPU,
    load::ERRORS,
    load::REDIRECTED,
    load::CLIENTS,
    history::RECALLED,
    history::MOVED,
    history::TURNED,
    history::EPOCHS,
    cluster::THIN,
];

/// Found until somebody acknowledges it, however well all looks since.
pub fn is_latched(rule: &str) -> bool {
    history::is_latched(rule)
}

/// The finding is about this incident.
pub fn tells_of(finding: &Finding, incident: &Incident) -> bool {
    history::tells_of(finding, incident)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_is_spelled_out_and_named_once() {
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        let mut rated = 0;
        for rule in RULES {
            rated += usize::from(rule.needs().is_some());
            let id_is_plain = rule.id.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'.' | b'_'));
            assert!(id_is_plain && rule.id.contains('.'), "{}", rule.id);
            assert!(rule.says.ends_with('.') && rule.remedy.ends_with('.') && !rule.title.ends_with('.'), "{}", rule.id);
            assert!(!rule.holds.is_empty() && !rule.holds.ends_with('.'), "{}", rule.id);
        }
        assert_eq!(rated, 5, "rules that need more than one sample");
    }
}
