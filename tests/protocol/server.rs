//! PURE. What servers do with slots: claims, config epochs, gossip that may arrive late, marks, keys, replicas.
//!
//! Four servers: masters a, b and c, and a1, the replica of a. Two slots that are moved, and one (`HOME`) that a never gives
//! away; b and c have one like it without saying so, so nobody but a can be left without a slot, and a only by its replica.

pub const NODES: usize = 4;
pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;
pub const A1: usize = 3;
/// Slots that are moved.
pub const SLOTS: usize = 2;
/// The slot that a's shard keeps.
pub const HOME: usize = 2;
/// All keys of a slot.
pub const KEYS: u8 = 0b11;
/// Beside a key's bit: the node's copy of it is not the one that others have.
pub const fn other_copy(key: u8) -> u8 {
    key << 2
}
/// Messages in flight at most: what does not fit is lost, as on a link that breaks.
pub const WIRE: usize = 6;
pub const NOBODY: u8 = 9;

/// Which servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Marks are each node's own, an importing node hears nothing about the slot, and who stopped claiming stays noted.
    Redis7,
    /// Marks go to replicas and follow a failover; an importing node takes what its source gives up.
    Valkey8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub alive: bool,
    pub replica_of: u8,
    pub current: u8,
    /// Config epochs as this node knows them, its own among them.
    pub epochs: [u8; NODES],
    /// Whom it takes for a master.
    pub masters: u8,
    pub owner: [u8; SLOTS + 1],
    /// Slots whose owner has stopped claiming them.
    pub unclaimed: u8,
    pub importing: [u8; SLOTS],
    pub migrating: [u8; SLOTS],
    pub keys: [u8; SLOTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// What the sender says of itself.
    Ping { master: bool, epoch: u8, slots: u8 },
    /// What the sender says of another, to one who has an old idea.
    Update { about: u8, epoch: u8, slots: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    pub from: u8,
    pub to: u8,
    pub current: u8,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    pub nodes: [Node; NODES],
    /// Sorted by sender and receiver; between two it is a queue. What [`Cluster::gossip`] brings goes by another link.
    pub wire: Vec<Message>,
}

/// A command as a server understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Importing(usize, usize),
    Migrating(usize, usize),
    Stable(usize),
    Node(usize, usize),
    AddSlots(usize),
    DelSlots(usize),
    BumpEpoch,
}

/// Why a server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    NotTheOwner,
    AlreadyTheOwner,
    NotAMaster,
    OnlyWithMasters,
    StillHoldsKeys,
    Busy,
    Unassigned,
    Dead,
}

const fn bit(n: usize) -> u8 {
    1 << n
}

impl Node {
    pub fn is_master(&self) -> bool {
        self.replica_of == NOBODY
    }

    /// The slots that it lists for a node.
    pub fn lists(&self, of: usize) -> u8 {
        (0..=SLOTS).filter(|&slot| self.owner[slot] == of as u8).fold(0, |slots, slot| slots | bit(slot))
    }

    fn is_unclaimed(&self, slot: usize) -> bool {
        self.owner[slot] == NOBODY || self.unclaimed & bit(slot) != 0
    }

    /// Raises its own epoch above all it has heard, unless it is the highest already.
    fn bump(&mut self, me: usize) {
        let highest = self.epochs.iter().copied().max().unwrap_or(0).max(self.current);
        if self.epochs[me] != highest || self.epochs[me] == 0 {
            self.current += 1;
            self.epochs[me] = self.current;
        }
    }
}

impl Cluster {
    /// All three masters agree; a owns what is to be moved.
    pub fn new(epochs: [u8; 3]) -> Self {
        let [a, b, c] = epochs;
        let node = |me: usize| Node {
            alive: true,
            replica_of: if me == A1 { A as u8 } else { NOBODY },
            current: a.max(b).max(c),
            epochs: [a, b, c, 0],
            masters: 0b0111,
            owner: [A as u8; SLOTS + 1],
            unclaimed: 0,
            importing: [NOBODY; SLOTS],
            migrating: [NOBODY; SLOTS],
            keys: if me == A { [KEYS; SLOTS] } else { [0; SLOTS] },
        };
        Self { nodes: [node(A), node(B), node(C), node(A1)], wire: Vec::new() }
    }

    /// Keys that some master that lives holds, by slot.
    pub fn keys(&self) -> [u8; SLOTS] {
        let mut keys = [0; SLOTS];
        for node in self.nodes.iter().filter(|node| node.alive && node.is_master()) {
            for slot in 0..SLOTS {
                keys[slot] |= node.keys[slot];
            }
        }
        // What a dead master had is with its replica, which has not taken over yet.
        if !self.nodes[A].alive && !self.nodes[A1].is_master() {
            for slot in 0..SLOTS {
                keys[slot] |= self.nodes[A].keys[slot];
            }
        }
        keys
    }

    pub fn is_lossless(&self) -> bool {
        self.keys() == [KEYS; SLOTS]
    }

    fn says(&self, from: usize) -> (u8, What) {
        let node = &self.nodes[from];
        let speaks_for = if node.is_master() { from } else { node.replica_of as usize };
        let what = What::Ping { master: node.is_master(), epoch: node.epochs[speaks_for], slots: node.lists(speaks_for) };
        (node.current, what)
    }

    fn post(&mut self, message: Message) {
        if self.wire.len() < WIRE && self.nodes[message.to as usize].alive {
            let place = self.wire.partition_point(|other| (other.from, other.to) <= (message.from, message.to));
            let is_again = place.checked_sub(1).is_some_and(|before| self.wire[before] == message);
            if !is_again {
                self.wire.insert(place, message);
            }
        }
    }

    /// Messages that are the next of their link.
    pub fn arriving(&self) -> impl Iterator<Item = usize> + '_ {
        let pair = |message: &Message| (message.from, message.to);
        (0..self.wire.len()).filter(move |&nth| nth == 0 || pair(&self.wire[nth - 1]) != pair(&self.wire[nth]))
    }

    fn broadcast(&mut self, from: usize) {
        let (current, what) = self.says(from);
        for to in (0..NODES).filter(|&to| to != from) {
            self.post(Message { from: from as u8, to: to as u8, current, what });
        }
    }

    /// A ping that arrives as it is sent.
    pub fn gossip(&mut self, rules: Rules, from: usize, to: usize) {
        if self.nodes[from].alive && self.nodes[to].alive && from != to {
            let (current, what) = self.says(from);
            self.receive(rules, Message { from: from as u8, to: to as u8, current, what });
        }
    }

    pub fn deliver(&mut self, rules: Rules, nth: usize) {
        let message = self.wire.remove(nth);
        self.receive(rules, message);
    }

    fn receive(&mut self, rules: Rules, message: Message) {
        let (from, to) = (message.from as usize, message.to as usize);
        let node = &mut self.nodes[to];
        if !node.alive {
            return;
        }
        node.current = node.current.max(message.current);
        match message.what {
            What::Ping { master: false, .. } => {
                if node.masters & bit(from) != 0 {
                    node.masters &= !bit(from);
                    node.owner.iter_mut().filter(|owner| **owner == from as u8).for_each(|owner| *owner = NOBODY);
                }
            }
            What::Ping { master: true, epoch, slots } => {
                node.masters |= bit(from);
                node.epochs[from] = node.epochs[from].max(epoch);
                if node.lists(from) != slots {
                    self.learn(rules, to, from, epoch, slots);
                    self.correct(rules, to, from, epoch, slots);
                }
                let node = &mut self.nodes[to];
                if node.is_master() && epoch == node.epochs[to] && node.epochs[from] == epoch && to < from {
                    node.current += 1;
                    node.epochs[to] = node.current;
                }
            }
            What::Update { about, epoch, slots } => {
                let about = about as usize;
                if about != to && node.epochs[about] < epoch {
                    node.masters |= bit(about);
                    node.epochs[about] = epoch;
                    self.learn(rules, to, about, epoch, slots);
                }
            }
        }
    }

    /// The sender claims what belongs to somebody with a higher epoch: it is told, of the first such, at once.
    fn correct(&mut self, rules: Rules, to: usize, from: usize, epoch: u8, slots: u8) {
        let node = &self.nodes[to];
        for slot in (0..=SLOTS).filter(|&slot| slots & bit(slot) != 0) {
            let owner = node.owner[slot];
            if owner == from as u8 || node.is_unclaimed(slot) || node.epochs[owner as usize] <= epoch {
                continue;
            }
            let what = What::Update {
                about: owner,
                epoch: node.epochs[owner as usize],
                slots: node.lists(owner as usize) & !node.unclaimed,
            };
            let current = node.current;
            return self.receive(rules, Message { from: to as u8, to: from as u8, current, what });
        }
    }

    /// A node hears which slots another claims. What it loses it deletes the keys of.
    fn learn(&mut self, rules: Rules, me: usize, sender: usize, epoch: u8, slots: u8) {
        let node = &mut self.nodes[me];
        let head = if node.is_master() { me } else { node.replica_of as usize };
        let kin = shard(me) == shard(sender);
        let (mut lost_to, mut dirty) = (false, 0);
        for slot in 0..=SLOTS {
            if slots & bit(slot) != 0 {
                if node.owner[slot] == sender as u8 {
                    node.unclaimed &= !bit(slot);
                    continue;
                }
                if rules == Rules::Redis7 && slot < SLOTS && node.importing[slot] != NOBODY {
                    continue;
                }
                if !node.is_unclaimed(slot) && node.epochs[node.owner[slot] as usize] >= epoch {
                    continue;
                }
                if node.owner[slot] == me as u8 && slot < SLOTS && node.keys[slot] != 0 {
                    dirty |= bit(slot);
                }
                lost_to |= node.owner[slot] == head as u8;
                if rules == Rules::Valkey8 && slot < SLOTS {
                    if !kin {
                        node.migrating[slot] = NOBODY;
                    }
                    let from = node.importing[slot];
                    if from != NOBODY && from != sender as u8 {
                        node.importing[slot] = if shard(from as usize) == shard(sender) { sender as u8 } else { NOBODY };
                    }
                }
                node.owner[slot] = sender as u8;
                node.unclaimed &= !bit(slot);
                continue;
            }
            if node.owner[slot] == sender as u8 {
                node.unclaimed |= bit(slot);
            }
            if rules == Rules::Valkey8 && slot < SLOTS {
                let to = node.migrating[slot];
                if to != NOBODY
                    && to != sender as u8
                    && shard(to as usize) == shard(sender)
                    && (node.epochs[to as usize] < epoch || node.masters & bit(to as usize) == 0)
                {
                    node.migrating[slot] = sender as u8;
                }
                if node.is_master() && node.importing[slot] == sender as u8 {
                    node.importing[slot] = NOBODY;
                    if node.owner[slot] != me as u8 {
                        node.owner[slot] = me as u8;
                        node.unclaimed &= !bit(slot);
                        node.bump(me);
                    }
                }
            }
        }
        let left_without = shard(head) == A && node.lists(head) == 0;
        if lost_to && left_without && me != sender {
            node.replica_of = sender as u8;
            node.keys = [0; SLOTS];
            node.importing = [NOBODY; SLOTS];
            node.migrating = [NOBODY; SLOTS];
        } else {
            for slot in (0..SLOTS).filter(|&slot| dirty & bit(slot) != 0) {
                node.keys[slot] = 0;
            }
        }
    }

    /// One command, from its first byte to its reply.
    pub fn order(&mut self, rules: Rules, at: usize, order: Order) -> Result<(), Refused> {
        let node = &mut self.nodes[at];
        let me = at as u8;
        if !node.alive {
            return Err(Refused::Dead);
        }
        if !node.is_master() && !matches!(order, Order::BumpEpoch | Order::AddSlots(_) | Order::DelSlots(_)) {
            return Err(Refused::OnlyWithMasters);
        }
        let is_master = |node: &Node, peer: usize| peer == at || node.masters & bit(peer) != 0;
        let mut tell = false;
        match order {
            Order::Importing(slot, from) => {
                if node.owner[slot] == me {
                    return Err(Refused::AlreadyTheOwner);
                }
                if !is_master(node, from) {
                    return Err(Refused::NotAMaster);
                }
                node.importing[slot] = from as u8;
            }
            Order::Migrating(slot, to) => {
                if node.owner[slot] != me {
                    return Err(Refused::NotTheOwner);
                }
                if !is_master(node, to) {
                    return Err(Refused::NotAMaster);
                }
                node.migrating[slot] = to as u8;
            }
            Order::Stable(slot) => (node.importing[slot], node.migrating[slot]) = (NOBODY, NOBODY),
            Order::Node(slot, owner) => {
                if !is_master(node, owner) {
                    return Err(Refused::NotAMaster);
                }
                if node.owner[slot] == me && owner != at && node.keys[slot] != 0 {
                    return Err(Refused::StillHoldsKeys);
                }
                if node.keys[slot] == 0 {
                    node.migrating[slot] = NOBODY;
                }
                node.owner[slot] = owner as u8;
                if rules == Rules::Valkey8 {
                    node.unclaimed &= !bit(slot);
                }
                if owner == at && node.importing[slot] != NOBODY {
                    node.importing[slot] = NOBODY;
                    node.bump(at);
                    tell = true;
                }
            }
            Order::AddSlots(slot) => {
                if node.owner[slot] != NOBODY {
                    return Err(Refused::Busy);
                }
                node.importing[slot] = NOBODY;
                node.owner[slot] = me;
            }
            Order::DelSlots(slot) => {
                if node.owner[slot] == NOBODY {
                    return Err(Refused::Unassigned);
                }
                node.importing[slot] = NOBODY;
                node.owner[slot] = NOBODY;
            }
            Order::BumpEpoch => node.bump(at),
        }
        if rules == Rules::Valkey8 && at == A && self.nodes[A1].alive && !self.nodes[A1].is_master() {
            self.replicate(order);
        }
        if tell {
            self.broadcast(at);
        }
        Ok(())
    }

    /// A replica hears from its master what the master was told of its slots.
    fn replicate(&mut self, order: Order) {
        let node = &mut self.nodes[A1];
        match order {
            Order::Importing(slot, from) => node.importing[slot] = from as u8,
            Order::Migrating(slot, to) => node.migrating[slot] = to as u8,
            Order::Stable(slot) => (node.importing[slot], node.migrating[slot]) = (NOBODY, NOBODY),
            Order::Node(slot, owner) => {
                node.owner[slot] = owner as u8;
                node.unclaimed &= !bit(slot);
                node.migrating[slot] = NOBODY;
                if owner == A {
                    node.importing[slot] = NOBODY;
                }
            }
            Order::AddSlots(_) | Order::DelSlots(_) | Order::BumpEpoch => {}
        }
    }

    /// The source's process ends.
    pub fn kill(&mut self) {
        self.nodes[A].alive = false;
        self.wire.retain(|message| message.to != A as u8);
    }

    /// b and c let the replica take its master's place, if neither knows better of what it claims.
    pub fn elect(&mut self) -> bool {
        let claims = self.nodes[A1].lists(A);
        let epoch = self.nodes[A1].epochs[A];
        let objects = |node: &Node| {
            (0..=SLOTS)
                .any(|slot| claims & bit(slot) != 0 && !node.is_unclaimed(slot) && node.epochs[node.owner[slot] as usize] > epoch)
        };
        let current = self.nodes[A1].current + 1;
        if self.nodes[A].alive || self.nodes[A1].is_master() {
            return false;
        }
        if [B, C].iter().any(|&voter| self.nodes[voter].current > current || objects(&self.nodes[voter])) {
            return false;
        }
        for node in [B, C, A1] {
            self.nodes[node].current = current;
        }
        self.promote(current);
        true
    }

    /// The replica takes over without asking anybody.
    pub fn take_over(&mut self) {
        self.nodes[A1].bump(A1);
        let epoch = self.nodes[A1].epochs[A1];
        self.promote(epoch);
    }

    fn promote(&mut self, epoch: u8) {
        let keys = self.nodes[A].keys;
        let node = &mut self.nodes[A1];
        node.epochs[A1] = node.epochs[A1].max(epoch);
        node.replica_of = NOBODY;
        node.masters |= bit(A1);
        node.owner.iter_mut().filter(|owner| **owner == A as u8).for_each(|owner| *owner = A1 as u8);
        node.keys = keys;
        self.broadcast(A1);
    }

    /// Everything that is on its way arrives, and everybody has heard everybody, again and again until nothing changes.
    pub fn settle(&mut self, rules: Rules) {
        for _ in 0..40 {
            let before = self.clone();
            while !self.wire.is_empty() {
                self.deliver(rules, 0);
            }
            for from in 0..NODES {
                for to in 0..NODES {
                    self.gossip(rules, from, to);
                }
            }
            if *self == before {
                return;
            }
        }
    }
}

/// The master that a node's shard had at the start.
pub fn shard(node: usize) -> usize {
    if node == A1 { A } else { node }
}
