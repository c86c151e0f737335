//! IO. Failover: elections with their timing (delay, rank, votes, expiry), manual failover, and the change of roles.

use super::bus::Message;
use super::keys::Keyspace;
use super::node::{Election, Id, Link, Manual, Process};
use super::world::World;

/// How long a manual failover may take.
const MANUAL_MS: u64 = 5000;
/// A master pings its replicas this often.
const REPL_PING_MS: u64 = 10_000;
const VALIDITY_FACTOR: u64 = 10;

impl World {
    /// A replica whose master has failed, or who was told to, runs for master.
    pub fn election_cron(&mut self, me: Id) {
        let now = self.now();
        let timeout = (self.settings.node_timeout_ms * 2).max(2000);
        let Some(master) = self.me(me).master.filter(|_| self.me(me).is_replica) else { return };
        let manual = self.nodes[me].manual.can_start;
        let failed = self.nodes[me].mind.members.get(&master).is_some_and(|member| member.failed);
        if !(failed || manual) || !self.nodes[me].mind.owns_any(master) || (!manual && self.too_old(me)) {
            return;
        }
        let age = now.saturating_sub(self.nodes[me].election.at);
        if self.nodes[me].election.at == 0 || age > timeout * 2 {
            let delay = if manual { 0 } else { 500 + self.rng.below(500) + self.rank(me) * 1000 };
            let rank = self.rank(me);
            self.nodes[me].election = Election { at: (now + delay).max(1), rank, ..Election::default() };
            self.broadcast(me, &Message::Pong);
            if !manual {
                return;
            }
        }
        if !self.nodes[me].election.sent && !manual {
            let (rank, old) = (self.rank(me), self.nodes[me].election.rank);
            if rank > old {
                self.nodes[me].election.at += (rank - old) * 1000;
                self.nodes[me].election.rank = rank;
            }
        }
        if now < self.nodes[me].election.at || now - self.nodes[me].election.at > timeout {
            return;
        }
        if !self.nodes[me].election.sent {
            let node = &mut self.nodes[me];
            node.mind.current_epoch += 1;
            let epoch = node.mind.current_epoch;
            node.election.sent = true;
            node.election.epoch = epoch;
            self.broadcast(me, &Message::AskVote { epoch, forced: manual });
            return;
        }
        let needed = self.nodes[me].mind.voters().0 / 2 + 1;
        if self.nodes[me].election.votes.len() >= needed {
            let epoch = self.nodes[me].election.epoch;
            let mine = self.me_mut(me);
            mine.epoch = mine.epoch.max(epoch);
            self.take_over(me, master);
        }
    }

    /// Its data is so old that the cluster would rather have no master.
    fn too_old(&self, me: Id) -> bool {
        let (now, timeout) = (self.now(), self.settings.node_timeout_ms);
        let age = match self.nodes[me].link {
            Link::Up => now - self.nodes[me].link_heard,
            Link::Down { since } => now - since,
            Link::Syncing { .. } => return true,
        };
        age.saturating_sub(timeout) > REPL_PING_MS + timeout * VALIDITY_FACTOR
    }

    /// How many replicas of the same master have more of its stream.
    fn rank(&self, me: Id) -> u64 {
        let mind = &self.nodes[me].mind;
        let (master, mine) = (self.me(me).master, self.nodes[me].offset);
        mind.members.iter().filter(|(id, m)| **id != me && m.is_replica && m.master == master && m.offset > mine).count() as u64
    }

    pub fn consider_vote(&mut self, me: Id, candidate: Id, epoch: u64, forced: bool) {
        let (now, timeout) = (self.now(), self.settings.node_timeout_ms);
        let mind = &self.nodes[me].mind;
        let asked = &self.nodes[candidate].mind;
        let member = &mind.members[&candidate];
        let Some(master) = member.master.filter(|_| member.is_replica) else { return };
        let claim = asked.members.get(&master).map_or(0, |member| member.epoch);
        let newer = asked
            .slots_of(master)
            .any(|slot| mind.owner(slot).and_then(|owner| mind.members.get(&owner)).is_some_and(|member| member.epoch > claim));
        let Some(theirs) = mind.members.get(&master) else { return };
        let refused = self.me(me).is_replica
            || !mind.owns_any(me)
            || epoch < mind.current_epoch
            || mind.last_vote == mind.current_epoch.max(epoch)
            || !(theirs.failed || forced)
            || theirs.voted_at.is_some_and(|at| now - at < timeout * 2)
            || newer;
        let mind = &mut self.nodes[me].mind;
        mind.current_epoch = mind.current_epoch.max(epoch);
        if !refused {
            mind.last_vote = mind.current_epoch;
            if let Some(member) = mind.members.get_mut(&master) {
                member.voted_at = Some(now);
            }
            let epoch = mind.current_epoch;
            self.send(me, candidate, Message::Vote { epoch });
        }
    }

    pub fn count_vote(&mut self, me: Id, from: Id, epoch: u64) {
        let mind = &self.nodes[me].mind;
        let voter = mind.members.get(&from).is_some_and(|member| !member.is_replica) && mind.owns_any(from);
        let election = &mut self.nodes[me].election;
        if voter && election.sent && epoch >= election.epoch {
            election.votes.insert(from);
        }
        // The winner does not wait for its next cron.
        self.election_cron(me);
    }

    /// The replica is master now, and says so to everybody.
    pub fn take_over(&mut self, me: Id, master: Id) {
        let slots: Vec<u16> = self.nodes[me].mind.slots_of(master).collect();
        let replid = self.rng.hex();
        let mine = self.me_mut(me);
        mine.is_replica = false;
        mine.master = None;
        let node = &mut self.nodes[me];
        for slot in slots {
            node.mind.set_owner(slot, Some(me));
        }
        node.mind.version += 1;
        node.replid2 = Some((std::mem::replace(&mut node.replid, replid), node.offset + 1));
        node.manual = Manual::default();
        node.election = Election::default();
        self.update_state(me);
        self.broadcast(me, &Message::Pong);
    }

    /// The node follows another one from now on; what it had open is closed.
    pub fn become_replica(&mut self, me: Id, master: Id) {
        let now = self.now();
        let shard = self.nodes[master].shard;
        let mine = self.me_mut(me);
        mine.is_replica = true;
        mine.master = Some(master);
        let node = &mut self.nodes[me];
        node.mind.migrating.clear();
        node.mind.importing.clear();
        node.mind.version += 1;
        node.shard = shard;
        node.unheard.clear();
        node.manual = Manual::default();
        node.election = Election::default();
        node.paused_until = 0;
        node.link = Link::Down { since: now };
        self.replication_cron(me);
        self.update_state(me);
    }

    /// CLUSTER FAILOVER: an error text, or OK and the rest follows.
    pub fn start_manual(&mut self, me: Id, force: bool, takeover: bool) -> Result<(), &'static str> {
        if !self.me(me).is_replica {
            return Err("ERR You should send CLUSTER FAILOVER to a replica");
        }
        let Some(master) = self.me(me).master.filter(|master| self.nodes[me].mind.members.contains_key(master)) else {
            return Err("ERR I'm a replica but my master is unknown to me");
        };
        let theirs = &self.nodes[me].mind.members[&master];
        if !force && !takeover && (theirs.failed || !theirs.link_up) {
            return Err("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE");
        }
        self.nodes[me].manual = Manual { until: self.now() + MANUAL_MS, ..Manual::default() };
        if takeover {
            self.bump_epoch(me);
            self.take_over(me, master);
        } else if force {
            self.nodes[me].manual.can_start = true;
            self.nodes[me].election = Election::default();
        } else {
            self.send(me, master, Message::StartManual);
        }
        self.pump();
        self.soon(me);
        Ok(())
    }

    /// On the master: a replica of mine wants my place; writes stop until it has it, or for twice the time it may take.
    pub fn stop_writes_for(&mut self, me: Id, replica: Id) {
        let now = self.now();
        let mine = self.nodes[me].mind.members.get(&replica).is_some_and(|member| member.master == Some(me));
        if self.me(me).is_replica || !mine {
            return;
        }
        self.nodes[me].manual = Manual { until: now + MANUAL_MS, asked_by: Some(replica), ..Manual::default() };
        self.nodes[me].paused_until = now + 2 * MANUAL_MS;
        let offset = self.nodes[me].offset;
        self.send(me, replica, Message::Paused(offset));
    }

    pub fn manual_cron(&mut self, me: Id) {
        let now = self.now();
        let node = &mut self.nodes[me];
        if node.manual.until == 0 {
            return;
        }
        if node.manual.until < now {
            // On the master the pause ends with the attempt.
            if node.manual.asked_by.is_some() {
                node.paused_until = 0;
            }
            node.manual = Manual::default();
        } else if node.manual.asked_by.is_none() && !node.manual.can_start && node.manual.master_offset == Some(node.offset) {
            node.manual.can_start = true;
            node.election = Election::default();
        }
    }

    /// A new epoch without asking anybody, unless this node has the highest already.
    pub fn bump_epoch(&mut self, me: Id) -> Option<u64> {
        let mind = &mut self.nodes[me].mind;
        let highest = mind.members.values().map(|member| member.epoch).max().unwrap_or(0).max(mind.current_epoch);
        let mine = mind.members[&me].epoch;
        if mine != 0 && mine == highest {
            return None;
        }
        mind.current_epoch += 1;
        mind.version += 1;
        let epoch = mind.current_epoch;
        self.me_mut(me).epoch = epoch;
        Some(epoch)
    }

    /// Writes flow, links break and heal.
    pub fn replication_cron(&mut self, me: Id) {
        let now = self.now();
        if !self.me(me).is_replica {
            let pinged = now / REPL_PING_MS > now.saturating_sub(super::world::CRON_MS) / REPL_PING_MS;
            if pinged && !self.followers(me).is_empty() {
                self.nodes[me].offset += 14;
            }
            let node = &mut self.nodes[me];
            if node.mind.ok && node.paused_until <= now && node.mind.owns_any(me) {
                node.offset += node.write_rate / 10;
                node.stats.background += node.write_rate / 1000;
            }
            return;
        }
        let Some(master) = self.me(me).master else { return };
        let heard = self.hears(me, master);
        let broken = self.nodes[me].faults.link_broken || self.nodes[master].process == Process::Dead;
        match self.nodes[me].link {
            Link::Down { .. } if broken => {}
            _ if broken => self.nodes[me].link = Link::Down { since: now },
            Link::Up if heard => {
                let written = self.nodes[master].offset;
                let node = &mut self.nodes[me];
                node.link_heard = now;
                node.offset = node.offset.max(written.saturating_sub(node.faults.behind));
                if node.missed && node.faults.behind == 0 {
                    let keys = self.nodes[master].keys.clone();
                    self.nodes[me].keys = keys;
                    self.nodes[me].missed = false;
                }
                if self.nodes[me].faults.behind == 0 {
                    self.catch_up(me, master);
                }
            }
            Link::Up => {}
            Link::Down { .. } if heard => {
                let theirs = &self.nodes[master];
                let mine = &self.nodes[me];
                let shared = theirs.replid == mine.replid
                    || theirs.replid2.as_ref().is_some_and(|(id, upto)| *id == mine.replid && mine.offset < *upto);
                let takes = if shared { 30 } else { 1000 };
                let stats = &mut self.nodes[master].stats;
                if shared {
                    stats.sync_partial += 1
                } else {
                    stats.sync_full += 1
                }
                if !shared {
                    // What the snapshot is made of has no marks in it.
                    self.nodes[me].unheard.clear();
                }
                self.nodes[me].link = Link::Syncing { until: now + takes };
            }
            Link::Syncing { until } if heard && now >= until => {
                let (keys, offset, replid) =
                    (self.nodes[master].keys.clone(), self.nodes[master].offset, self.nodes[master].replid.clone());
                let node = &mut self.nodes[me];
                node.keys = keys;
                node.missed = false;
                node.offset = offset;
                node.replid = replid;
                node.link = Link::Up;
                node.link_heard = now;
                self.catch_up(me, master);
            }
            _ => {}
        }
    }

    /// The stream tells a replica what its master was told of slots meanwhile.
    fn catch_up(&mut self, me: Id, master: Id) {
        for order in std::mem::take(&mut self.nodes[me].unheard) {
            self.follow(me, master, order);
        }
    }

    /// Replicas that have everything the master has written so far, and will have its next write too.
    pub fn followers(&self, master: Id) -> Vec<Id> {
        let in_step = |id: &Id| {
            self.me(*id).is_replica
                && self.me(*id).master == Some(master)
                && self.nodes[*id].link == Link::Up
                && self.nodes[*id].faults.behind == 0
                && self.hears(master, *id)
        };
        (0..self.nodes.len()).filter(in_step).collect()
    }

    /// Changes a master's data, and that of whoever follows in step.
    pub fn mutate<T>(&mut self, master: Id, bytes: u64, change: impl Fn(&mut Keyspace) -> T) -> T {
        let followers = self.followers(master);
        for id in (0..self.nodes.len()).filter(|id| !followers.contains(id)) {
            let is_mine = self.me(id).is_replica && self.me(id).master == Some(master);
            self.nodes[id].missed |= is_mine;
        }
        for id in followers {
            change(&mut self.nodes[id].keys);
            self.nodes[id].offset = self.nodes[master].offset + bytes;
        }
        self.nodes[master].offset += bytes;
        change(&mut self.nodes[master].keys)
    }
}
