//! IO. The subcommands of CLUSTER that change something: slots, membership, roles, epochs.

use super::bus::Message;
use super::commands::Outcome;
use super::keys::text;
use super::node::{Id, Link, Member};
use super::resp::Value;
use super::world::World;

/// How long Valkey waits for replicas.
const SETSLOT_WAITS_MS: u64 = 2000;
const UNBLOCKED: &str = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// What SETSLOT asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotOrder {
    Stable(u16),
    Migrating(u16, Id),
    Importing(u16, Id),
    Node(u16, Id),
}

fn no(text: impl Into<String>) -> Value {
    Value::Error(format!("ERR {}", text.into()))
}

fn slot_of(word: &[u8]) -> Result<u16, Value> {
    text(word).parse().ok().filter(|slot| *slot < 16384).ok_or_else(|| no("Invalid or out of range slot"))
}

impl World {
    /// A node that `me` knows, by the id in the command.
    fn known(&self, me: Id, word: &[u8]) -> Option<Id> {
        self.by_id(word).filter(|id| self.nodes[me].mind.members.contains_key(id))
    }

    /// What SETSLOT asks for, or the error.
    fn slot_order(&self, me: Id, words: &[Vec<u8>]) -> Result<SlotOrder, Value> {
        if self.me(me).is_replica {
            return Err(no("Please use SETSLOT only with masters."));
        }
        let slot = slot_of(&words[2])?;
        let action = text(&words[3]).to_ascii_uppercase();
        let peer = words.get(4).map(|word| (text(word), self.known(me, word)));
        let is_replica = |id: Id| self.nodes[me].mind.members[&id].is_replica;
        let owner = self.nodes[me].mind.owner(slot);
        if self.is_exporting(me, slot) {
            return Err(no("Slot export in progress."));
        }
        match (action.as_str(), words.len(), peer) {
            ("STABLE", 4, _) => Ok(SlotOrder::Stable(slot)),
            ("MIGRATING", 5, _) if owner != Some(me) => Err(no(format!("I'm not the owner of hash slot {slot}"))),
            ("IMPORTING", 5, _) if owner == Some(me) => Err(no(format!("I'm already the owner of hash slot {slot}"))),
            ("MIGRATING" | "IMPORTING", 5, Some((name, None))) => Err(no(format!("I don't know about node {name}"))),
            ("NODE", 5, Some((name, None))) => Err(no(format!("Unknown node {name}"))),
            ("MIGRATING" | "IMPORTING", 5, Some((_, Some(id)))) if id == me && !self.settings.kind.imports_from_itself() => {
                Err(no("Target node is myself"))
            }
            (_, 5, Some((_, Some(id)))) if is_replica(id) => Err(no("Target node is not a master")),
            ("MIGRATING", 5, Some((_, Some(id)))) => Ok(SlotOrder::Migrating(slot, id)),
            ("IMPORTING", 5, Some((_, Some(id)))) => Ok(SlotOrder::Importing(slot, id)),
            ("NODE", 5, Some((_, Some(id)))) => {
                let keys = self.nodes[me].keys.count_everywhere(slot);
                if owner == Some(me) && id != me && keys > 0 {
                    return Err(no(format!(
                        "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
                    )));
                }
                Ok(SlotOrder::Node(slot, id))
            }
            _ => Err(no("Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")),
        }
    }

    /// Valkey tells its replicas first, and does nothing when one does not confirm it; not so within a transaction.
    pub fn setslot(&mut self, me: Id, in_transaction: bool, words: &[Vec<u8>]) -> Outcome {
        let order = match self.slot_order(me, words) {
            Ok(order) => order,
            Err(error) => return Outcome::Reply(error),
        };
        if !self.settings.kind.is_valkey() {
            return Outcome::Reply(self.obey(me, order, true));
        }
        let follows = |id: &Id| self.me(*id).is_replica && self.me(*id).master == Some(me) && self.nodes[*id].link == Link::Up;
        let replicas: Vec<Id> = (0..self.nodes.len()).filter(follows).collect();
        let mut deaf = false;
        for &replica in &replicas {
            if self.hears(me, replica) && self.nodes[replica].faults.behind == 0 {
                self.follow(replica, me, order);
            } else {
                // It is in the stream, and will be done.
                self.nodes[replica].unheard.push(order);
                deaf = true;
            }
        }
        // It gives its last slot away, and hears of the claim while it waits: it is a replica before it can say OK.
        let last = matches!(order, SlotOrder::Node(slot, to) if to != me
            && self.nodes[me].mind.slots_of(me).eq([slot])
            && self.nodes[to].mind.owner(slot) == Some(to));
        if last && !replicas.is_empty() && !in_transaction && (deaf || self.rng.below(2) == 0) {
            self.obey(me, order, true);
            return Outcome::Reply(Value::error(UNBLOCKED));
        }
        if deaf && !in_transaction {
            return Outcome::Later(SETSLOT_WAITS_MS, Value::error("NOREPLICAS Not enough good replicas to write."));
        }
        // Whoever has waited for its replicas goes on when this round of its loop has spoken on the bus already.
        Outcome::Reply(self.obey(me, order, in_transaction || replicas.is_empty()))
    }

    /// A replica does what its master was told.
    pub(super) fn follow(&mut self, replica: Id, master: Id, order: SlotOrder) {
        let mind = &mut self.nodes[replica].mind;
        mind.version += 1;
        match order {
            SlotOrder::Stable(slot) => {
                mind.migrating.remove(&slot);
                mind.importing.remove(&slot);
            }
            SlotOrder::Migrating(slot, to) => drop(mind.migrating.insert(slot, to)),
            SlotOrder::Importing(slot, from) => drop(mind.importing.insert(slot, from)),
            SlotOrder::Node(slot, owner) => {
                mind.set_owner(slot, Some(owner));
                mind.unclaimed.remove(&slot);
                mind.migrating.remove(&slot);
                if owner == master {
                    mind.importing.remove(&slot);
                }
            }
        }
    }

    fn obey(&mut self, me: Id, order: SlotOrder, said_at_once: bool) -> Value {
        let mind = &mut self.nodes[me].mind;
        match order {
            SlotOrder::Stable(slot) => {
                mind.migrating.remove(&slot);
                mind.importing.remove(&slot);
            }
            SlotOrder::Migrating(slot, to) => drop(mind.migrating.insert(slot, to)),
            SlotOrder::Importing(slot, from) => drop(mind.importing.insert(slot, from)),
            SlotOrder::Node(slot, to) => return self.give_slot(me, slot, to, said_at_once),
        }
        mind.version += 1;
        Value::ok()
    }

    fn give_slot(&mut self, me: Id, slot: u16, to: Id, said_at_once: bool) -> Value {
        let was_mine = self.nodes[me].mind.owner(slot) == Some(me);
        let keys = self.nodes[me].keys.count_everywhere(slot);
        let valkey = self.settings.kind.is_valkey();
        let mind = &mut self.nodes[me].mind;
        if valkey {
            mind.unclaimed.remove(&slot);
        }
        if keys == 0 {
            mind.migrating.remove(&slot);
        }
        mind.set_owner(slot, Some(to));
        if to == me && mind.importing.remove(&slot).is_some() {
            self.bump_epoch(me);
            if said_at_once {
                self.broadcast(me, &Message::Pong);
            } else {
                self.nodes[me].claims_unsaid = true;
            }
        } else if was_mine && to != me && !self.nodes[me].mind.owns_any(me) {
            // A master that gave its last slot away follows whoever took it.
            self.become_replica(me, to);
        }
        self.update_state(me);
        self.pump();
        Value::ok()
    }

    /// ADDSLOTS, ADDSLOTSRANGE, DELSLOTS, DELSLOTSRANGE.
    pub fn change_slots(&mut self, me: Id, words: &[Vec<u8>], add: bool, ranges: bool) -> Value {
        let mut slots = Vec::new();
        if ranges && words.len() % 2 == 1 {
            return no(format!("wrong number of arguments for 'cluster|{}' command", text(&words[1]).to_lowercase()));
        }
        for pair in words[2..].chunks(if ranges { 2 } else { 1 }) {
            let (start, end) = match (slot_of(&pair[0]), slot_of(pair.last().expect("chunks are not empty"))) {
                (Ok(start), Ok(end)) => (start, end),
                (Err(error), _) | (_, Err(error)) => return error,
            };
            if start > end {
                return no(format!("start slot number {start} is greater than end slot number {end}"));
            }
            slots.extend(start..=end);
        }
        for &slot in &slots {
            match self.nodes[me].mind.owner(slot) {
                Some(_) if add => return no(format!("Slot {slot} is already busy")),
                None if !add => return no(format!("Slot {slot} is already unassigned")),
                _ => {}
            }
        }
        for slot in slots {
            let mind = &mut self.nodes[me].mind;
            mind.importing.remove(&slot);
            mind.set_owner(slot, add.then_some(me));
        }
        self.update_state(me);
        Value::ok()
    }

    pub fn meet(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let (host, port) = (text(&words[2]), text(&words[3]));
        let found = port.parse::<u16>().ok().filter(|_| host.parse::<std::net::IpAddr>().is_ok());
        match found {
            None => no(format!("Invalid node address specified: {host}:{port}")),
            Some(port) => {
                if let Some(other) = self.by_port(port).filter(|_| host == self.host) {
                    self.shake_hands(me, other);
                }
                Value::ok()
            }
        }
    }

    pub fn forget(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let Some(id) = self.known(me, &words[2]) else { return no(format!("Unknown node {}", text(&words[2]))) };
        if id == me {
            return no("I tried hard but I can't forget myself...");
        }
        if self.me(me).is_replica && self.me(me).master == Some(id) {
            return no("Can't forget my master!");
        }
        let until = self.now() + 60_000;
        let mind = &mut self.nodes[me].mind;
        mind.members.remove(&id);
        for slot in mind.slots_of(id).collect::<Vec<_>>() {
            mind.set_owner(slot, None);
        }
        mind.banned.insert(id, until);
        mind.version += 1;
        self.update_state(me);
        Value::ok()
    }

    pub fn replicate_node(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let Some(id) = self.known(me, &words[2]) else { return no(format!("Unknown node {}", text(&words[2]))) };
        if id == me {
            return no("Can't replicate myself");
        }
        if self.nodes[me].mind.members[&id].is_replica {
            return no("I can only replicate a master, not a replica.");
        }
        if !self.me(me).is_replica && (self.nodes[me].mind.owns_any(me) || self.nodes[me].keys.len_everywhere() > 0) {
            return no("To set a master the node must be empty and without assigned slots.");
        }
        self.become_replica(me, id);
        Value::ok()
    }

    pub fn reset(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let hard = words.get(2).is_some_and(|word| text(word).eq_ignore_ascii_case("hard"));
        if !self.me(me).is_replica && self.nodes[me].keys.len_everywhere() > 0 {
            return no("CLUSTER RESET can't be called with master nodes containing keys");
        }
        let now = self.now();
        let fresh = hard.then(|| self.rng.hex());
        let node = &mut self.nodes[me];
        if node.mind.members[&me].is_replica {
            node.keys.clear();
        }
        let epoch = node.mind.members[&me].epoch;
        let mine = Member::new(false, None, if hard { 0 } else { epoch }, now);
        let old = std::mem::replace(&mut node.mind, super::node::Mind::alone(me, mine));
        node.mind.version = old.version + 1;
        if let Some(id) = fresh {
            node.id = id;
        } else {
            node.mind.current_epoch = old.current_epoch;
            node.mind.last_vote = old.last_vote;
        }
        self.update_state(me);
        Value::ok()
    }
}
