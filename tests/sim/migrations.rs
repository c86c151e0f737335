//! IO. CLUSTER MIGRATESLOTS: a server moves slots by itself, in its own time; it may fail, or be told to stop.
//!
//! What has been copied is seen by nobody before the target claims the slots. From the pause on the source takes no writes;
//! it deletes its keys when it hears of the claim, as after any other.

use std::collections::BTreeSet;

use super::bus::Message;
use super::keys::text;
use super::node::{Id, Process};
use super::resp::Value;
use super::world::{EPOCH_MS, World};

/// A source that is not told the end gives up after this, and a target that nobody speaks to.
const SILENCE_MS: u64 = 4000;
/// The states that one goes through, each of which takes a while.
const WAY: [&str; 5] = ["connecting", "snapshotting", "streaming", "failover-paused", "failover-granted"];
const LOST: &str = "Connection lost to source. Check CLUSTER GETSLOTMIGRATIONS on the source node for more information.";

/// One migration, as both sides know it.
#[derive(Clone, Debug)]
pub struct Migration {
    name: String,
    source: Id,
    target: Id,
    slots: Vec<u16>,
    /// How far it is; beyond the last: it has ended.
    stage: usize,
    /// success, failed, cancelled: as the source says, and as the target does.
    ended: [Option<&'static str>; 2],
    message: [String; 2],
    due: u64,
    heard: u64,
    created: u64,
    /// Who has been started again since.
    forgotten: BTreeSet<Id>,
}

impl Migration {
    fn is_live(&self) -> bool {
        self.ended[0].is_none() && !self.forgotten.contains(&self.source)
    }
}

impl World {
    /// Slots that a node gives away, or takes, by itself now.
    pub fn is_exporting(&self, me: Id, slot: u16) -> bool {
        self.migrations.iter().any(|one| one.source == me && one.is_live() && one.slots.contains(&slot))
    }

    /// Some server moves slots by itself now.
    pub fn is_migrating(&self) -> bool {
        self.migrations.iter().any(Migration::is_live)
    }

    pub fn migrate_slots(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let no = |text: &str| Value::Error(format!("ERR {text}"));
        if self.me(me).is_replica {
            return no("Only primaries can migrate slots");
        }
        let words: Vec<String> = words[2..].iter().map(|word| text(word)).collect();
        let mut jobs: Vec<(Vec<u16>, Id)> = Vec::new();
        let mut rest = &words[..];
        while !rest.is_empty() {
            let Some(at) = rest.iter().position(|word| word.eq_ignore_ascii_case("NODE")) else { return no("syntax error") };
            let (ranges, after) = rest.split_at(at);
            let [first, ranges @ ..] = ranges else { return no("syntax error") };
            if !first.eq_ignore_ascii_case("SLOTSRANGE") || ranges.is_empty() || ranges.len() % 2 == 1 || after.len() < 2 {
                return no("syntax error");
            }
            let mut slots = Vec::new();
            for pair in ranges.chunks(2) {
                let (Ok(start), Ok(end)) = (pair[0].parse::<u16>(), pair[1].parse::<u16>()) else {
                    return no("Invalid or out of range slot");
                };
                if start > end {
                    return Value::Error(format!("ERR Start slot number {start} is greater than end slot number {end}."));
                }
                slots.extend(start..=end);
            }
            let Some(target) = self.by_id(after[1].as_bytes()).filter(|id| self.nodes[me].mind.members.contains_key(id)) else {
                return Value::Error(format!("ERR Invalid node name: {}", after[1]));
            };
            if target == me {
                return no("Target node can not be this node.");
            }
            jobs.push((slots, target));
            rest = &after[2..];
        }
        for (slots, _) in &jobs {
            let mind = &self.nodes[me].mind;
            if let Some(slot) = slots.iter().find(|slot| mind.owner(**slot).is_none()) {
                return Value::Error(format!("ERR Slot {slot} has no node served."));
            }
            if slots.iter().any(|slot| mind.owner(*slot) != Some(me)) {
                return no("Slots are not served by this node.");
            }
            if !mind.migrating.is_empty() || !mind.importing.is_empty() {
                return no("Slots are being manually migrated");
            }
            if let Some(slot) = slots.iter().find(|slot| self.is_exporting(me, **slot)) {
                return Value::Error(format!("ERR I am already migrating slot {slot}."));
            }
        }
        let now = self.now();
        for (slots, target) in jobs {
            let name = self.rng.hex();
            let due = now + self.rng.below(30);
            self.agenda.insert((due, me));
            let migration = Migration {
                name,
                source: me,
                target,
                slots,
                stage: 0,
                ended: [None, None],
                message: [String::new(), String::new()],
                due,
                heard: now,
                created: now,
                forgotten: BTreeSet::new(),
            };
            self.migrations.push(migration);
        }
        Value::ok()
    }

    pub fn slot_migrations(&self, me: Id) -> Value {
        let of = |one: &&Migration| (one.source == me || one.target == me) && !one.forgotten.contains(&me);
        let all = self.migrations.iter().rev().filter(of).filter(|one| one.source == me || one.stage > 0);
        Value::Array(all.map(|one| self.migration(me, one)).collect())
    }

    fn migration(&self, me: Id, one: &Migration) -> Value {
        let side = usize::from(one.target == me);
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for &slot in &one.slots {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == slot => *end = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        let ranges: Vec<String> = ranges.iter().map(|(start, end)| format!("{start}-{end}")).collect();
        let seconds = |at: u64| Value::Int(((EPOCH_MS + at) / 1000) as i64);
        let word = |text: &str| Value::bulk(text);
        Value::Map(vec![
            (word("name"), word(&one.name)),
            (word("operation"), word(if side == 0 { "EXPORT" } else { "IMPORT" })),
            (word("slot_ranges"), word(&ranges.join(" "))),
            (word("target_node"), word(&self.nodes[one.target].id)),
            (word("source_node"), word(&self.nodes[one.source].id)),
            (word("create_time"), seconds(one.created)),
            (word("last_update_time"), seconds(one.heard)),
            (word("last_ack_time"), seconds(one.heard)),
            (word("state"), word(one.ended[side].unwrap_or(WAY[one.stage.min(WAY.len() - 1)]))),
            (word("message"), word(&one.message[side])),
            (word("cow_size"), Value::Int(0)),
            (word("remaining_repl_size"), Value::Int(0)),
        ])
    }

    pub fn cancel_slot_migrations(&mut self, me: Id) -> Value {
        let live: Vec<usize> =
            (0..self.migrations.len()).filter(|at| self.migrations[*at].source == me && self.migrations[*at].is_live()).collect();
        if live.is_empty() {
            return Value::error("ERR No migrations ongoing");
        }
        for at in live {
            self.end_migration(at, "cancelled", "");
        }
        Value::ok()
    }

    /// The source ends it; the target, where it has begun there, says that it has lost it.
    fn end_migration(&mut self, at: usize, how: &'static str, message: &str) {
        let one = &mut self.migrations[at];
        one.ended[0] = Some(how);
        one.message[0] = message.into();
        if one.ended[1].is_none() {
            one.ended[1] = Some("failed");
            one.message[1] = LOST.into();
        }
        let source = one.source;
        self.nodes[source].paused_until = 0;
    }

    /// Whatever is due with migrations under way.
    pub fn migrations_go_on(&mut self) {
        for at in 0..self.migrations.len() {
            if self.migrations[at].is_live() {
                self.migration_goes_on(at);
            }
        }
    }

    fn migration_goes_on(&mut self, at: usize) {
        let now = self.now();
        let one = self.migrations[at].clone();
        let (source, target) = (one.source, one.target);
        if !self.nodes[source].is_up() || self.nodes[source].blocked_until > now {
            return;
        }
        let mind = &self.nodes[source].mind;
        if one.stage == WAY.len() - 1 {
            // It is over for the source when it hears whose the slots are.
            if one.slots.iter().all(|slot| mind.owner(*slot) == Some(target)) {
                self.end_migration(at, "success", "");
            } else if now - one.heard > SILENCE_MS {
                self.end_migration(at, "failed", "Timed out waiting for the target to take over");
            }
            return;
        }
        if self.me(source).is_replica || one.slots.iter().any(|slot| mind.owner(*slot) != Some(source)) {
            return self.end_migration(at, "failed", "A topology update occurred during slot migration.");
        }
        if self.nodes[target].process == Process::Dead || now - one.heard > SILENCE_MS {
            return self.end_migration(at, "failed", "Connection lost to target");
        }
        if now < one.due || !self.hears(source, target) {
            return;
        }
        let theirs = &self.nodes[target].mind;
        if self.me(target).is_replica || one.slots.iter().any(|slot| theirs.owner(*slot) != Some(source)) {
            let message = "Target node does not agree about current slot ownership.";
            return self.end_migration(at, "failed", message);
        }
        let due = now + self.rng.below(40);
        self.agenda.insert((due, source));
        let one = &mut self.migrations[at];
        (one.stage, one.due, one.heard) = (one.stage + 1, due, now);
        match WAY[one.stage] {
            "failover-paused" => self.nodes[source].paused_until = now + SILENCE_MS,
            "failover-granted" => self.take_slots(at),
            _ => {}
        }
    }

    /// The target has everything, and claims.
    fn take_slots(&mut self, at: usize) {
        let one = self.migrations[at].clone();
        for (number, keys) in self.nodes[one.source].keys.clone().databases() {
            let moved = keys.iter().filter(|(key, _)| one.slots.contains(&rgc_tui::cluster::key_slot(key)));
            for (key, entry) in moved.map(|(key, entry)| (key.clone(), entry.clone())).collect::<Vec<_>>() {
                self.mutate(one.target, 40, |theirs| theirs.database_mut(number).put(&key, entry.clone()));
            }
        }
        for &slot in &one.slots {
            self.nodes[one.target].mind.set_owner(slot, Some(one.target));
            self.nodes[one.target].mind.unclaimed.remove(&slot);
        }
        self.migrations[at].ended[1] = Some("success");
        self.bump_epoch(one.target);
        self.broadcast(one.target, &Message::Pong);
    }

    /// A server that is started again knows nothing of what it was doing.
    pub fn forget_migrations(&mut self, me: Id) {
        for one in &mut self.migrations {
            one.forgotten.insert(me);
            if one.ended[1].is_none() && one.source == me {
                one.ended[1] = Some("failed");
                one.message[1] = LOST.into();
            }
        }
    }
}
