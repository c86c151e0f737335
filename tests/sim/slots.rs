//! IO. The subcommands of CLUSTER that change something: slots, membership, roles, epochs.

use super::bus::Message;
use super::keys::text;
use super::node::{Id, Member};
use super::resp::Value;
use super::world::World;

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

    pub fn setslot(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        if self.me(me).is_replica {
            return no("Please use SETSLOT only with masters.");
        }
        let slot = match slot_of(&words[2]) {
            Ok(slot) => slot,
            Err(error) => return error,
        };
        let action = text(&words[3]).to_ascii_uppercase();
        let peer = words.get(4).map(|word| (text(word), self.known(me, word)));
        let is_replica = |id: Id| self.nodes[me].mind.members[&id].is_replica;
        let owner = self.nodes[me].mind.owner(slot);
        match (action.as_str(), words.len(), peer) {
            ("STABLE", 4, _) => {
                self.nodes[me].mind.migrating.remove(&slot);
                self.nodes[me].mind.importing.remove(&slot);
            }
            ("MIGRATING", 5, _) if owner != Some(me) => return no(format!("I'm not the owner of hash slot {slot}")),
            ("IMPORTING", 5, _) if owner == Some(me) => return no(format!("I'm already the owner of hash slot {slot}")),
            ("MIGRATING" | "IMPORTING", 5, Some((name, None))) => return no(format!("I don't know about node {name}")),
            ("NODE", 5, Some((name, None))) => return no(format!("Unknown node {name}")),
            (_, 5, Some((_, Some(id)))) if is_replica(id) => return no("Target node is not a master"),
            ("MIGRATING", 5, Some((_, Some(id)))) => {
                self.nodes[me].mind.migrating.insert(slot, id);
            }
            ("IMPORTING", 5, Some((_, Some(id)))) => {
                self.nodes[me].mind.importing.insert(slot, id);
            }
            ("NODE", 5, Some((_, Some(id)))) => return self.give_slot(me, slot, id),
            _ => return no("Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
        }
        self.nodes[me].mind.version += 1;
        Value::ok()
    }

    fn give_slot(&mut self, me: Id, slot: u16, to: Id) -> Value {
        let was_mine = self.nodes[me].mind.owner(slot) == Some(me);
        let keys = self.nodes[me].keys.count(slot);
        if was_mine && to != me && keys > 0 {
            return no(format!("Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."));
        }
        let mind = &mut self.nodes[me].mind;
        if keys == 0 {
            mind.migrating.remove(&slot);
        }
        mind.set_owner(slot, Some(to));
        if to == me && mind.importing.remove(&slot).is_some() {
            self.bump_epoch(me);
            self.broadcast(me, &Message::Pong);
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
        if !self.me(me).is_replica && (self.nodes[me].mind.owns_any(me) || self.nodes[me].keys.len() > 0) {
            return no("To set a master the node must be empty and without assigned slots.");
        }
        self.become_replica(me, id);
        Value::ok()
    }

    pub fn reset(&mut self, me: Id, words: &[Vec<u8>]) -> Value {
        let hard = words.get(2).is_some_and(|word| text(word).eq_ignore_ascii_case("hard"));
        if !self.me(me).is_replica && self.nodes[me].keys.len() > 0 {
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
