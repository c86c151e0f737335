//! PURE. The rule about writes that a failover has lost, as long as the old master's data can still be saved.

use std::time::Duration;

use super::super::look::Look;
use super::super::{Finding, Rule, Severity};
use crate::cluster::Node;
use crate::quantity::bytes;

pub(super) const LOST: Rule = Rule {
    id: "shard.lost_writes",
    title: "writes lost in a failover",
    holds: "no failover has left writes behind",
    says: "A replica took over without all that its master had acknowledged, and that master has not come back yet: it has the only copy.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Before the old master is started again, copy its dump.rdb and appendonlydir: it is overwritten when it rejoins as a replica.",
    find: lost,
};

/// Bytes of its stream that a dead master had written and its successor does not have.
#[derive(Clone, Copy)]
pub(super) struct LostBytes {
    pub(super) bytes: u64,
    /// How far the dead master had come, and from where on its successor went its own way.
    written: u64,
    parted: u64,
}

impl LostBytes {
    /// More than what is always on its way between two heartbeats.
    pub(super) fn is_large(self) -> bool {
        const ON_ITS_WAY: u64 = 1 << 20;
        self.bytes > ON_ITS_WAY
    }
}

/// Pings and acknowledgements that are in every stream: no player's write.
pub(in crate::alerts) const NOISE: u64 = 1024;

/// What this node, a master until another took over, has and its successor has not: between its last word and the first
/// byte that the successor did not share. None while nothing is known of it.
pub(super) fn lost_by(look: &Look<'_>, node: &Node) -> Option<LostBytes> {
    if !node.is_down() || !node.is_master() || node.slot_count > 0 {
        return None;
    }
    let old = node.info.as_deref()?;
    let shard = look.owning().find(|shard| shard.former.contains(&node.id))?;
    let new = look.master(shard)?.info.as_deref()?;
    let bytes = old.not_had_by(new)?;
    let (written, parted) = (old.master_offset?, u64::try_from(new.second_repl_offset?).ok()?);
    (bytes > NOISE).then_some(LostBytes { bytes, written, parted })
}

fn lost(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for shard in look.owning() {
        for old in shard.former.iter().filter_map(|id| look.node(*id)) {
            let (Some(lost), Some(new)) = (lost_by(look, old), look.master(shard)) else { continue };
            let severity = if lost.is_large() { Severity::Critical } else { Severity::Warning };
            let message = format!(
                "{} took over without at least {} that {} had written: only {} has it",
                new.address,
                bytes(lost.bytes),
                old.address,
                old.address
            );
            let remedy = format!(
                "before {} is started again, copy dump.rdb and appendonlydir from its dir: it is overwritten when it rejoins",
                old.address
            );
            let proof = [
                format!("{}: master_repl_offset {}", old.address, lost.written),
                format!("{}: second_repl_offset {}", new.address, lost.parted),
            ];
            found.push(rule.on_shard(shard, severity, message, remedy).proved_by(proof));
        }
    }
}
