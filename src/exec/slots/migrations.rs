//! PURE. CLUSTER GETSLOTMIGRATIONS: what a server says of slots that it moves by itself, and whose they are.

use crate::cluster::{NodeId, SlotRange, SlotSet};
use crate::link::Reply;

/// One entry: a migration under way, or one of the last that ended. Servers keep them in memory only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Migration {
    pub(super) name: String,
    /// The server gives the slots away; otherwise it takes them.
    pub(super) export: bool,
    pub(super) slots: SlotSet,
    pub(super) target: Option<NodeId>,
    pub(super) state: String,
    pub(super) message: String,
}

/// How far one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MigrationStage {
    UnderWay,
    Moved,
    /// The server has rolled it back.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
}

impl Migration {
    pub(super) fn stage(&self) -> MigrationStage {
        match self.state.as_str() {
            "success" => MigrationStage::Moved,
            "failed" => MigrationStage::Failed,
            "cancelled" | "canceled" => MigrationStage::Cancelled,
            _ => MigrationStage::UnderWay,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.stage() == MigrationStage::UnderWay
    }

    /// It does exactly what we want: these slots to that master.
    pub(super) fn is_for(&self, slots: &SlotSet, to: NodeId) -> bool {
        self.export && self.slots == *slots && self.target == Some(to)
    }

    /// It moves some of these slots now, and not as we want.
    pub(super) fn crosses(&self, slots: &SlotSet, to: NodeId) -> bool {
        self.is_live() && !self.is_for(slots, to) && !self.slots.both(slots).is_empty()
    }
}

/// All entries; None when the reply is none.
pub(super) fn all(reply: &Reply) -> Option<Vec<Migration>> {
    Some(reply.array()?.iter().filter_map(migration).collect())
}

/// Read by key, never by place: versions differ in what they tell.
fn migration(entry: &Reply) -> Option<Migration> {
    let mut migration = Migration::default();
    for pair in entry.array()?.chunks(2) {
        let [key, value] = pair else { continue };
        let text = value.text().unwrap_or_default();
        match key.text()?.as_str() {
            "name" => migration.name = text,
            "operation" => migration.export = text.eq_ignore_ascii_case("export"),
            "slot_ranges" => {
                let ranges: Vec<SlotRange> = text.split(' ').filter_map(|range| range.parse().ok()).collect();
                migration.slots = ranges.iter().collect();
            }
            "target_node" => migration.target = text.parse().ok(),
            "state" => migration.state = text,
            "message" => migration.message = text,
            _ => {}
        }
    }
    Some(migration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, &str)]) -> Reply {
        Reply::Array(
            pairs.iter().flat_map(|(k, v)| [Reply::Bytes(k.as_bytes().to_vec()), Reply::Bytes(v.as_bytes().to_vec())]).collect(),
        )
    }

    #[test]
    fn a_migration_is_ours_when_slots_and_target_are() {
        let (ours, other) = ("a".repeat(40), "b".repeat(40));
        let of = |operation, slots, state, target: &str| {
            entry(&[
                ("state", state),
                ("operation", operation),
                ("slot_ranges", slots),
                ("target_node", target),
                ("new_field", "1"),
            ])
        };
        let reply = Reply::Array(vec![
            of("EXPORT", "0-9 20-29", "snapshotting", &ours),
            of("EXPORT", "0-9 20-29", "success", &other),
            of("EXPORT", "5-6", "snapshotting", &ours),
            of("IMPORT", "0-9 20-29", "success", &ours),
            of("EXPORT", "0-9 20-29", "snapshotting", &other),
        ]);
        let all = all(&reply).unwrap();
        let (wanted, to): (SlotSet, NodeId) = ((0..10).chain(20..30).collect(), ours.parse().unwrap());
        assert_eq!(all.iter().map(|one| one.is_for(&wanted, to)).collect::<Vec<_>>(), [true, false, false, false, false]);
        assert_eq!(all.iter().map(|one| one.crosses(&wanted, to)).collect::<Vec<_>>(), [false, false, true, false, true]);
        assert_eq!(all[1].stage(), MigrationStage::Moved);
        assert_eq!(super::all(&Reply::Nil), None);
    }
}
