//! IO. The bus: pings and gossip, suspicion and failure, who owns what by the highest epoch.

use super::node::{Id, Member, Process};
use super::world::World;

/// One message between two nodes. Headers are read from the sender when it is delivered: at once, unless the bus is slow.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: Id,
    pub to: Id,
    pub kind: Message,
}

#[derive(Clone, Debug)]
pub enum Message {
    Ping,
    Pong,
    Meet,
    Fail(Id),
    /// "You are behind: this node owns these slots."
    Update {
        node: Id,
        epoch: u64,
        slots: Vec<u16>,
    },
    AskVote {
        epoch: u64,
        forced: bool,
    },
    Vote {
        epoch: u64,
    },
    /// A replica asks its master to stop writes.
    StartManual,
    /// The master has stopped writes at this offset.
    Paused(u64),
}

impl World {
    pub fn send(&mut self, from: Id, to: Id, kind: Message) {
        if from != to && self.hears(from, to) {
            let late = self.nodes[from].faults.slow_bus_ms.max(self.nodes[to].faults.slow_bus_ms);
            // What was said earlier between the two arrives earlier.
            let before = self.bus.iter().filter(|(_, packet)| packet.from == from && packet.to == to).map(|(at, _)| *at).max();
            let due = (self.now() + late).max(before.unwrap_or(0));
            if due > self.now() {
                self.agenda.insert((due, to));
            }
            self.bus.push_back((due, Packet { from, to, kind }));
        }
    }

    /// To everybody the node knows.
    pub fn broadcast(&mut self, from: Id, kind: &Message) {
        let known: Vec<Id> = self.nodes[from].mind.members.keys().copied().collect();
        for to in known {
            self.send(from, to, kind.clone());
        }
    }

    /// Delivers until the bus is quiet.
    pub fn pump(&mut self) {
        let now = self.now();
        while let Some(at) = self.bus.iter().position(|(due, _)| *due <= now) {
            let Some((_, packet)) = self.bus.remove(at) else { return };
            if self.hears(packet.from, packet.to) {
                self.deliver(packet);
            }
        }
    }

    fn deliver(&mut self, Packet { from, to, kind }: Packet) {
        let now = self.now();
        let known = self.nodes[to].mind.members.contains_key(&from);
        match kind {
            Message::Ping | Message::Meet => {
                if known {
                    self.hear(to, from);
                } else if matches!(kind, Message::Meet) {
                    self.shake_hands(to, from);
                }
                self.send(to, from, Message::Pong);
            }
            Message::Pong if known => {
                self.hear(to, from);
                if let Some(member) = self.nodes[to].mind.members.get_mut(&from) {
                    member.pong_received = now;
                    member.ping_sent = 0;
                    member.link_up = true;
                }
                self.forgive(to, from);
            }
            Message::Fail(id) if known && id != to => self.mark_failed(to, id),
            Message::Update { node, epoch, slots } if known && node != to => {
                let mind = &mut self.nodes[to].mind;
                let Some(member) = mind.members.get_mut(&node).filter(|member| member.epoch < epoch) else { return };
                member.epoch = epoch;
                member.is_replica = false;
                member.master = None;
                mind.version += 1;
                self.learn_slots(to, node, epoch, &slots);
            }
            Message::AskVote { epoch, forced } if known => self.consider_vote(to, from, epoch, forced),
            Message::Vote { epoch } if known => self.count_vote(to, from, epoch),
            Message::StartManual if known => self.stop_writes_for(to, from),
            Message::Paused(offset) if known && self.nodes[to].manual.until > now => {
                self.nodes[to].manual.master_offset = Some(offset);
            }
            _ => {}
        }
    }

    /// A node learns of another one; nothing is believed of it until it has answered.
    pub fn shake_hands(&mut self, me: Id, other: Id) {
        let now = self.now();
        let mind = &mut self.nodes[me].mind;
        if me != other && mind.banned.get(&other).is_none_or(|until| *until <= now) {
            let member = Member { handshake: true, ping_sent: now, link_up: false, ..Member::new(false, None, 0, 0) };
            mind.members.entry(other).or_insert(member);
        }
    }

    /// Takes the sender's header and its gossip.
    fn hear(&mut self, me: Id, from: Id) {
        let (now, sender) = (self.now(), self.me(from).clone());
        let theirs = &self.nodes[from].mind;
        let (current, word, offset) = (theirs.current_epoch, theirs.version, self.nodes[from].offset);
        // A replica speaks with its master's epoch and slots.
        let speaks_for = sender.master.filter(|_| sender.is_replica).unwrap_or(from);
        let epoch = theirs.members.get(&speaks_for).map_or(0, |member| member.epoch);
        let mind = &mut self.nodes[me].mind;
        mind.current_epoch = mind.current_epoch.max(current);
        let Some(member) = mind.members.get_mut(&from) else { return };
        member.handshake = false;
        member.offset = offset;
        let mut news = member.is_replica != sender.is_replica || member.master != sender.master;
        if epoch > member.epoch {
            member.epoch = epoch;
            news = true;
        }
        member.master = sender.master;
        let demoted = sender.is_replica && !member.is_replica;
        member.is_replica = sender.is_replica;
        let compared = member.compared;
        if news {
            mind.version += 1;
        }
        if demoted {
            for slot in mind.slots_of(from).collect::<Vec<_>>() {
                mind.set_owner(slot, None);
            }
        }
        if compared != (word, mind.version) && mind.members.contains_key(&speaks_for) {
            self.compare_slots(me, from, speaks_for, epoch, sender.is_replica);
            let version = self.nodes[me].mind.version;
            if let Some(member) = self.nodes[me].mind.members.get_mut(&from) {
                member.compared = (word, version);
            }
        }
        self.settle_equal_epochs(me, from, epoch, sender.is_replica);
        self.gossip(me, from, now);
    }

    fn compare_slots(&mut self, me: Id, from: Id, owner: Id, epoch: u64, by_replica: bool) {
        let slots: Vec<u16> = self.nodes[from].mind.slots_of(owner).collect();
        if !by_replica && !slots.iter().copied().eq(self.nodes[me].mind.slots_of(owner)) {
            self.learn_slots(me, from, epoch, &slots);
        }
        let mind = &self.nodes[me].mind;
        let outdated = slots.iter().find_map(|&slot| {
            let other = mind.owner(slot).filter(|other| *other != owner)?;
            let member = mind.members.get(&other)?;
            (member.epoch > epoch).then_some((other, member.epoch))
        });
        if let Some((node, epoch)) = outdated {
            let slots = mind.slots_of(node).collect();
            self.send(me, from, Message::Update { node, epoch, slots });
        }
    }

    /// `sender` says it owns `slots` since `epoch`. Keys of slots that go to somebody else are deleted.
    pub fn learn_slots(&mut self, me: Id, sender: Id, epoch: u64, slots: &[u16]) {
        let my_master = self.me(me).master.filter(|_| self.me(me).is_replica).unwrap_or(me);
        if sender == me {
            return;
        }
        let (mut lost, mut dirty) = (0, Vec::new());
        for &slot in slots {
            let mind = &self.nodes[me].mind;
            let owner = mind.owner(slot);
            if owner == Some(sender) || mind.importing.contains_key(&slot) {
                continue;
            }
            let known = owner.and_then(|owner| mind.members.get(&owner)).map_or(0, |member| member.epoch);
            if owner.is_some() && known >= epoch {
                continue;
            }
            if owner == Some(me) && self.nodes[me].keys.count(slot) > 0 {
                dirty.push(slot);
            }
            lost += usize::from(owner == Some(my_master));
            self.nodes[me].mind.set_owner(slot, Some(sender));
        }
        if lost > 0 && !self.nodes[me].mind.owns_any(my_master) {
            self.become_replica(me, sender);
        } else {
            for slot in dirty {
                self.mutate(me, 40, |keys| keys.drop_slot(slot));
            }
        }
    }

    /// Two masters with one epoch: the one with the smaller id takes a new one.
    fn settle_equal_epochs(&mut self, me: Id, from: Id, epoch: u64, by_replica: bool) {
        let mine = self.me(me);
        if !by_replica && !mine.is_replica && mine.epoch == epoch && self.nodes[from].id > self.nodes[me].id {
            self.nodes[me].mind.current_epoch += 1;
            self.nodes[me].mind.version += 1;
            self.me_mut(me).epoch = self.nodes[me].mind.current_epoch;
        }
    }

    fn gossip(&mut self, me: Id, from: Id, now: u64) {
        let by_master = !self.me(from).is_replica;
        let rumours: Vec<(Id, bool, u64)> = self.nodes[from]
            .mind
            .members
            .iter()
            .filter(|(id, member)| **id != me && **id != from && !member.handshake)
            .map(|(id, member)| (*id, member.suspected || member.failed, member.pong_received))
            .collect();
        for (id, failing, pong) in rumours {
            match self.nodes[me].mind.members.get_mut(&id) {
                Some(member) => {
                    if by_master && failing {
                        member.reports.insert(from, now);
                        self.mark_failed_if_agreed(me, id);
                    } else {
                        member.reports.remove(&from);
                        let doubted = member.suspected || member.failed || member.ping_sent > 0;
                        if !failing && !doubted && member.reports.is_empty() {
                            member.pong_received = member.pong_received.max(pong);
                        }
                    }
                }
                None => self.shake_hands(me, id),
            }
        }
    }

    fn mark_failed_if_agreed(&mut self, me: Id, id: Id) {
        let (now, validity) = (self.now(), self.settings.node_timeout_ms * 2);
        let i_am_master = !self.me(me).is_replica;
        let mind = &mut self.nodes[me].mind;
        let needed = mind.voters().0 / 2 + 1;
        let Some(member) = mind.members.get_mut(&id).filter(|member| member.suspected) else { return };
        member.reports.retain(|_, at| now - *at <= validity);
        if member.reports.len() + usize::from(i_am_master) >= needed {
            self.mark_failed(me, id);
            self.broadcast(me, &Message::Fail(id));
        }
    }

    fn mark_failed(&mut self, me: Id, id: Id) {
        let now = self.now();
        let mind = &mut self.nodes[me].mind;
        if let Some(member) = mind.members.get_mut(&id).filter(|member| !member.failed) {
            member.failed = true;
            member.suspected = false;
            member.failed_at = now;
            mind.version += 1;
        }
    }

    /// It has answered: a suspicion goes at once; a failure of a master with slots only after a while.
    fn forgive(&mut self, me: Id, id: Id) {
        let (now, patience) = (self.now(), self.settings.node_timeout_ms * 2);
        let mind = &mut self.nodes[me].mind;
        let owns = mind.owns_any(id);
        let Some(member) = mind.members.get_mut(&id) else { return };
        let free = member.is_replica || !owns || now - member.failed_at > patience;
        if member.suspected || (member.failed && free) {
            member.suspected = false;
            member.failed = member.failed && !free;
            mind.version += 1;
        }
    }

    /// Pings whoever is due, and doubts whoever has been silent for too long.
    pub fn bus_cron(&mut self, me: Id, full_second: bool) {
        let (now, timeout) = (self.now(), self.settings.node_timeout_ms);
        let others: Vec<Id> = self.nodes[me].mind.members.keys().copied().filter(|id| *id != me).collect();
        let lots = if full_second && !others.is_empty() { 5 } else { 0 };
        let oldest = (0..lots)
            .map(|_| others[self.rng.below(others.len() as u64) as usize])
            .min_by_key(|id| self.nodes[me].mind.members[id].pong_received);
        for id in others {
            let (reachable, process) = (self.hears(me, id), self.nodes[id].process);
            let member = self.nodes[me].mind.members.get_mut(&id).expect("listed above");
            let overdue = now.saturating_sub(member.pong_received) > timeout / 2;
            let chosen = oldest == Some(id);
            if member.ping_sent == 0 && (overdue || chosen || process == Process::Dead) {
                member.ping_sent = now;
            }
            let waiting = if member.ping_sent > 0 { now - member.ping_sent } else { 0 };
            if process == Process::Dead {
                member.link_up = false;
            } else if !reachable && waiting > timeout / 2 {
                // The link is given up and made anew, which a stopped process lets the kernel accept.
                member.link_up = process == Process::Hung && waiting % (timeout / 2).max(1) > 100;
            }
            if waiting > timeout && !member.suspected && !member.failed && !member.handshake {
                member.suspected = true;
                self.nodes[me].mind.version += 1;
            } else if member.handshake && waiting > timeout.max(1000) {
                self.nodes[me].mind.members.remove(&id);
                continue;
            }
            let member = &self.nodes[me].mind.members[&id];
            if reachable && member.ping_sent > 0 {
                let kind = if member.handshake { Message::Meet } else { Message::Ping };
                self.send(me, id, kind);
            }
        }
    }
}
