//! IO. Who owns what: claims with their epochs, as they are heard, and what whoever loses a slot does with its keys.

use super::bus::Message;
use super::node::Id;
use super::world::World;

impl World {
    pub(super) fn compare_slots(&mut self, me: Id, from: Id, owner: Id, epoch: u64, by_replica: bool, slots: &[u16]) {
        if !by_replica && !slots.iter().copied().eq(self.nodes[me].mind.slots_of(owner)) {
            self.learn_slots(me, from, epoch, slots);
        }
        let mind = &self.nodes[me].mind;
        let outdated = slots.iter().find_map(|&slot| {
            let other = mind.owner(slot).filter(|other| *other != owner && !mind.unclaimed.contains(&slot))?;
            let member = mind.members.get(&other)?;
            (member.epoch > epoch).then_some((other, member.epoch))
        });
        if let Some((node, epoch)) = outdated {
            let slots = mind.slots_of(node).filter(|slot| !mind.unclaimed.contains(slot)).collect();
            self.send(me, from, Message::Update { node, epoch, slots });
        }
    }

    /// `sender` says it owns `slots` since `epoch`. Keys of slots that go to somebody else are deleted.
    pub fn learn_slots(&mut self, me: Id, sender: Id, epoch: u64, slots: &[u16]) {
        let my_master = self.me(me).master.filter(|_| self.me(me).is_replica).unwrap_or(me);
        if sender == me {
            return;
        }
        let valkey = self.settings.kind.is_valkey();
        let (mut lost, mut dirty) = (0, Vec::new());
        for &slot in slots {
            let mind = &mut self.nodes[me].mind;
            let owner = mind.owner(slot);
            if owner == Some(sender) {
                mind.version += u64::from(mind.unclaimed.remove(&slot));
                continue;
            }
            if !valkey && mind.importing.contains_key(&slot) {
                continue;
            }
            let known = owner.and_then(|owner| mind.members.get(&owner)).map_or(0, |member| member.epoch);
            if owner.is_some() && known >= epoch && !mind.unclaimed.contains(&slot) {
                continue;
            }
            if owner == Some(me) && self.nodes[me].keys.count_everywhere(slot) > 0 {
                dirty.push(slot);
            }
            lost += usize::from(owner == Some(my_master));
            if valkey {
                self.marks_follow(me, sender, slot);
            }
            self.nodes[me].mind.set_owner(slot, Some(sender));
            self.nodes[me].mind.unclaimed.remove(&slot);
        }
        let claimed: std::collections::BTreeSet<u16> = slots.iter().copied().collect();
        let mind = &mut self.nodes[me].mind;
        let given_up: Vec<u16> = mind.slots_of(sender).filter(|slot| !claimed.contains(slot)).collect();
        for slot in given_up {
            mind.version += u64::from(mind.unclaimed.insert(slot));
        }
        if valkey {
            self.marks_of_what_is_not_claimed(me, sender, epoch, &claimed);
        }
        if lost > 0 && !self.nodes[me].mind.owns_any(my_master) {
            self.become_replica(me, sender);
        } else {
            for slot in dirty {
                self.mutate(me, 40, |keys| keys.drop_slot(slot));
            }
        }
    }

    /// Valkey: whoever loses a slot to another shard gives it away no more, and imports follow the source's shard.
    fn marks_follow(&mut self, me: Id, sender: Id, slot: u16) {
        let kin = self.kin(me, sender);
        let from = self.nodes[me].mind.importing.get(&slot).copied();
        let follows = from.is_some_and(|from| self.kin(from, sender));
        let mind = &mut self.nodes[me].mind;
        if !kin {
            mind.migrating.remove(&slot);
        }
        match from {
            Some(from) if from != sender && follows => drop(mind.importing.insert(slot, sender)),
            Some(from) if from != sender => drop(mind.importing.remove(&slot)),
            _ => {}
        }
    }

    /// Valkey: marks follow a failover of the other side, and a master takes over what its source claims no more.
    fn marks_of_what_is_not_claimed(&mut self, me: Id, sender: Id, epoch: u64, claimed: &std::collections::BTreeSet<u16>) {
        let migrating: Vec<(u16, Id)> = self.nodes[me].mind.migrating.iter().map(|(slot, to)| (*slot, *to)).collect();
        for (slot, to) in migrating.into_iter().filter(|(slot, to)| !claimed.contains(slot) && *to != sender) {
            let mind = &self.nodes[me].mind;
            let replaced = mind.members.get(&to).is_none_or(|member| member.epoch < epoch || member.is_replica);
            if replaced && self.kin(to, sender) {
                self.nodes[me].mind.migrating.insert(slot, sender);
                self.nodes[me].mind.version += 1;
            }
        }
        if self.me(me).is_replica {
            return;
        }
        let given_up = |(slot, from): (&u16, &Id)| (*from == sender && !claimed.contains(slot)).then_some(*slot);
        let given_up: Vec<u16> = self.nodes[me].mind.importing.iter().filter_map(given_up).collect();
        for slot in given_up {
            let mind = &mut self.nodes[me].mind;
            mind.importing.remove(&slot);
            mind.version += 1;
            if mind.owner(slot) != Some(me) {
                mind.set_owner(slot, Some(me));
                mind.unclaimed.remove(&slot);
                self.bump_epoch(me);
            }
        }
    }

    /// Two masters with one epoch: the one with the smaller id takes a new one.
    pub(super) fn settle_equal_epochs(&mut self, me: Id, from: Id, epoch: u64, by_replica: bool) {
        let mine = self.me(me);
        if !by_replica && !mine.is_replica && mine.epoch == epoch && self.nodes[from].id > self.nodes[me].id {
            self.nodes[me].mind.current_epoch += 1;
            self.nodes[me].mind.version += 1;
            self.me_mut(me).epoch = self.nodes[me].mind.current_epoch;
        }
    }
}
