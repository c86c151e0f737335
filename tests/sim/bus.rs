//! IO. The bus: pings and gossip, suspicion and failure.

use std::sync::Arc;

use super::node::{Id, Member, Process};
use super::world::World;

/// Messages that wait for one node at most; what comes beyond is lost, as on a link that breaks.
const QUEUE: usize = 200;

/// One message between two nodes.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: Id,
    pub to: Id,
    pub kind: Message,
    /// What the sender said of itself when it sent this. None: it arrives at once, and is read from the sender then.
    pub header: Option<Arc<Header>>,
    /// Answers go back on the receiver's own link: they may overtake what the sender says unasked.
    pub is_answer: bool,
}

/// What every message says of its sender.
#[derive(Clone, Debug)]
pub struct Header {
    current_epoch: u64,
    version: u64,
    offset: u64,
    is_replica: bool,
    master: Option<Id>,
    /// A replica speaks with its master's epoch and slots.
    speaks_for: Id,
    epoch: u64,
    slots: Arc<Vec<u16>>,
    rumours: Vec<(Id, bool, u64)>,
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
    /// What was published on the sender: a channel, and the words.
    Publish(Arc<[Vec<u8>; 2]>),
    /// A replica asks its master to stop writes.
    StartManual,
    /// The master has stopped writes at this offset.
    Paused(u64),
}

impl Message {
    fn has_header(&self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Meet)
    }
}

impl World {
    pub fn send(&mut self, from: Id, to: Id, kind: Message) {
        self.post(from, to, kind, false);
    }

    fn post(&mut self, from: Id, to: Id, kind: Message, is_answer: bool) {
        if from == to || !self.can_send(from, to) {
            return;
        }
        // What was said earlier on the same link arrives earlier.
        let (mut waiting, mut before) = (0, 0);
        for (at, packet) in self.bus.iter().filter(|(_, packet)| packet.to == to) {
            waiting += 1;
            if packet.from == from && packet.is_answer == is_answer {
                before = before.max(*at);
            }
        }
        if waiting >= QUEUE {
            return;
        }
        let mut late = self.nodes[from].faults.slow_bus_ms.max(self.nodes[to].faults.slow_bus_ms);
        if self.settings.bus_jitter_ms > 0 {
            late += self.rng.below(self.settings.bus_jitter_ms + 1);
        }
        let due = (self.now() + late).max(before);
        let waits = due > self.now() || !self.hears(from, to);
        if due > self.now() {
            self.agenda.insert((due, to));
        }
        let header = (waits && kind.has_header()).then(|| Arc::new(self.header(from)));
        self.bus.push_back((due, Packet { from, to, kind, header, is_answer }));
    }

    /// The sender can speak, and there is somebody at the other end: what a stopped process does not read waits in its socket.
    fn can_send(&self, from: Id, to: Id) -> bool {
        let (sender, receiver) = (&self.nodes[from], &self.nodes[to]);
        sender.is_up()
            && sender.blocked_until <= self.now()
            && receiver.process != Process::Dead
            && sender.faults.side == receiver.faults.side
    }

    fn header(&mut self, from: Id) -> Header {
        let slots = self.spoken_slots(from);
        let (me, node) = (self.me(from).clone(), &self.nodes[from]);
        let speaks_for = me.master.filter(|_| me.is_replica).unwrap_or(from);
        let rumour = |(id, member): (&Id, &Member)| (*id, member.suspected || member.failed, member.pong_received);
        let others = node.mind.members.iter().filter(|(id, member)| **id != from && !member.handshake);
        Header {
            current_epoch: node.mind.current_epoch,
            version: node.mind.version,
            offset: node.offset,
            is_replica: me.is_replica,
            master: me.master,
            speaks_for,
            epoch: node.mind.members.get(&speaks_for).map_or(0, |member| member.epoch),
            slots,
            rumours: others.map(rumour).collect(),
        }
    }

    /// The slots that a node claims, or that a replica's master does in its eyes; written down once for every change of mind.
    fn spoken_slots(&mut self, from: Id) -> Arc<Vec<u16>> {
        let me = self.me(from);
        let owner = me.master.filter(|_| me.is_replica).unwrap_or(from);
        let node = &mut self.nodes[from];
        match &node.spoken {
            Some((version, of, slots)) if (*version, *of) == (node.mind.version, owner) => Arc::clone(slots),
            _ => {
                let slots = Arc::new(node.mind.slots_of(owner).collect::<Vec<_>>());
                node.spoken = Some((node.mind.version, owner, Arc::clone(&slots)));
                slots
            }
        }
    }

    /// To everybody the node knows.
    pub fn broadcast(&mut self, from: Id, kind: &Message) {
        let members = self.nodes[from].mind.members.iter();
        let known: Vec<Id> = members.filter(|(_, member)| !member.handshake).map(|(id, _)| *id).collect();
        for to in known {
            self.send(from, to, kind.clone());
        }
    }

    /// What it has claimed and not said yet.
    pub(super) fn say_claims(&mut self, id: Id) {
        if std::mem::take(&mut self.nodes[id].claims_unsaid) {
            self.broadcast(id, &Message::Pong);
        }
    }

    /// Delivers until the bus is quiet. A sender may be gone by now; a receiver that is stopped reads it later.
    pub fn pump(&mut self) {
        let now = self.now();
        let reads = |world: &Self, to: Id| world.nodes[to].is_up() && world.nodes[to].blocked_until <= now;
        while let Some(at) = self
            .bus
            .iter()
            .position(|(due, packet)| *due <= now && (reads(self, packet.to) || self.nodes[packet.to].process == Process::Dead))
        {
            let Some((_, packet)) = self.bus.remove(at) else { return };
            if reads(self, packet.to) && self.nodes[packet.from].faults.side == self.nodes[packet.to].faults.side {
                let to = packet.to;
                self.deliver(packet);
                self.say_claims(to);
            }
        }
    }

    fn deliver(&mut self, Packet { from, to, kind, header, .. }: Packet) {
        let now = self.now();
        let known = self.nodes[to].mind.members.contains_key(&from);
        match kind {
            Message::Ping | Message::Meet => {
                if known {
                    self.hear(to, from, header);
                } else if matches!(kind, Message::Meet) {
                    self.shake_hands(to, from);
                }
                self.post(to, from, Message::Pong, true);
            }
            Message::Pong if known => {
                self.hear(to, from, header);
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
            Message::Publish(said) if known => drop(self.tell_listeners(to, &said[0], &said[1])),
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
    fn hear(&mut self, me: Id, from: Id, header: Option<Arc<Header>>) {
        let now = self.now();
        let said = header.unwrap_or_else(|| Arc::new(self.header(from)));
        let mind = &mut self.nodes[me].mind;
        mind.current_epoch = mind.current_epoch.max(said.current_epoch);
        let Some(member) = mind.members.get_mut(&from) else { return };
        member.handshake = false;
        member.offset = said.offset;
        let mut news = member.is_replica != said.is_replica || member.master != said.master;
        if said.epoch > member.epoch {
            member.epoch = said.epoch;
            news = true;
        }
        member.master = said.master;
        let demoted = said.is_replica && !member.is_replica;
        member.is_replica = said.is_replica;
        let compared = member.compared;
        if news {
            mind.version += 1;
        }
        if demoted {
            for slot in mind.slots_of(from).collect::<Vec<_>>() {
                mind.set_owner(slot, None);
            }
        }
        if compared != (said.version, mind.version) && mind.members.contains_key(&said.speaks_for) {
            self.compare_slots(me, from, said.speaks_for, said.epoch, said.is_replica, &said.slots);
            let version = self.nodes[me].mind.version;
            if let Some(member) = self.nodes[me].mind.members.get_mut(&from) {
                member.compared = (said.version, version);
            }
        }
        self.settle_equal_epochs(me, from, said.epoch, said.is_replica);
        self.gossip(me, from, now, said.is_replica, &said.rumours);
    }

    fn gossip(&mut self, me: Id, from: Id, now: u64, by_replica: bool, rumours: &[(Id, bool, u64)]) {
        let by_master = !by_replica;
        for &(id, failing, pong) in rumours.iter().filter(|(id, _, _)| *id != me) {
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
