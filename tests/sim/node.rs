//! IO. One simulated server: its process, what it believes of the others (its mind), and the data it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keys::Keyspace;
use super::slots::SlotOrder;

/// A node's place in `World::nodes`.
pub type Id = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    Running,
    /// Stopped by a signal: the kernel still accepts, nobody answers, the bus is silent.
    Hung,
    /// No process: connections are refused.
    Dead,
}

/// What a node believes of another one (or of itself).
#[derive(Clone, Debug)]
pub struct Member {
    /// `None` while it calls itself a master.
    pub master: Option<Id>,
    pub is_replica: bool,
    pub epoch: u64,
    pub suspected: bool,
    pub failed: bool,
    pub failed_at: u64,
    pub handshake: bool,
    /// 0 when no answer is awaited.
    pub ping_sent: u64,
    pub pong_received: u64,
    pub link_up: bool,
    /// Masters that reported it as failing, and when.
    pub reports: BTreeMap<Id, u64>,
    /// Its replication offset as told on the bus.
    pub offset: u64,
    /// When this node last voted for one of its replicas.
    pub voted_at: Option<u64>,
    /// (its word's version, our mind's version) when its slots were last compared.
    pub compared: (u64, u64),
}

impl Member {
    pub fn new(is_replica: bool, master: Option<Id>, epoch: u64, now: u64) -> Self {
        Self {
            master,
            is_replica,
            epoch,
            suspected: false,
            failed: false,
            failed_at: 0,
            handshake: false,
            ping_sent: 0,
            pong_received: now,
            link_up: true,
            reports: BTreeMap::new(),
            offset: 0,
            voted_at: None,
            compared: (0, 0),
        }
    }
}

/// A replica's attempt to become master.
#[derive(Clone, Debug, Default)]
pub struct Election {
    /// When the votes are asked for; 0 when there was no attempt yet.
    pub at: u64,
    pub rank: u64,
    pub sent: bool,
    pub epoch: u64,
    pub votes: BTreeSet<Id>,
}

/// A manual failover in progress, on the replica and on its master.
#[derive(Clone, Debug, Default)]
pub struct Manual {
    /// 0 when there is none.
    pub until: u64,
    pub can_start: bool,
    pub master_offset: Option<u64>,
    /// On the master: who asked.
    pub asked_by: Option<Id>,
}

/// No owner.
const NOBODY: u16 = u16::MAX;

/// Everything a node believes. A node that lies answers from an old copy of it.
#[derive(Clone, Debug)]
pub struct Mind {
    pub members: BTreeMap<Id, Member>,
    /// By slot; `NOBODY` where nobody owns it.
    owners: Vec<u16>,
    /// Slots of each owner; everybody asks this all the time.
    counts: BTreeMap<Id, usize>,
    pub migrating: BTreeMap<u16, Id>,
    pub importing: BTreeMap<u16, Id>,
    /// Slots whose owner has stopped claiming them: anybody's claim is believed.
    pub unclaimed: BTreeSet<u16>,
    pub current_epoch: u64,
    pub last_vote: u64,
    pub ok: bool,
    /// When the state became (or becomes) writable again after a start or a minority.
    pub ok_from: u64,
    pub in_minority_until: Option<u64>,
    /// Counts changes of owners, epochs and failures.
    pub version: u64,
    /// Forgotten nodes are not learned again before this time.
    pub banned: BTreeMap<Id, u64>,
}

impl Mind {
    /// A node that knows nobody but itself.
    pub fn alone(me: Id, mine: Member) -> Self {
        Self {
            members: BTreeMap::from([(me, mine)]),
            owners: vec![NOBODY; 16384],
            counts: BTreeMap::new(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            unclaimed: BTreeSet::new(),
            current_epoch: 0,
            last_vote: 0,
            ok: false,
            ok_from: 0,
            in_minority_until: None,
            version: 1,
            banned: BTreeMap::new(),
        }
    }

    pub fn slots_of(&self, id: Id) -> impl Iterator<Item = u16> + '_ {
        let some = if self.owns_any(id) { &self.owners[..] } else { &[] };
        some.iter().zip(0u16..).filter(move |(owner, _)| **owner == id as u16).map(|(_, slot)| slot)
    }

    pub fn owns_any(&self, id: Id) -> bool {
        self.counts.contains_key(&id)
    }

    pub fn owner(&self, slot: u16) -> Option<Id> {
        Some(self.owners[usize::from(slot)]).filter(|owner| *owner != NOBODY).map(Id::from)
    }

    /// Every owner's slots as ranges, in one pass.
    pub fn ranges(&self) -> BTreeMap<Id, Vec<(u16, u16)>> {
        let mut all: BTreeMap<Id, Vec<(u16, u16)>> = BTreeMap::new();
        let mut start = 0;
        for run in self.owners.chunk_by(|a, b| a == b) {
            let end = start + run.len() as u16 - 1;
            if run[0] != NOBODY {
                all.entry(Id::from(run[0])).or_default().push((start, end));
            }
            start = end + 1;
        }
        all
    }

    pub fn set_owner(&mut self, slot: u16, owner: Option<Id>) {
        let word = owner.map_or(NOBODY, |id| id as u16);
        let old = Some(std::mem::replace(&mut self.owners[usize::from(slot)], word)).filter(|old| *old != NOBODY).map(Id::from);
        if old == owner {
            return;
        }
        self.unclaimed.remove(&slot);
        if let Some(owner) = owner {
            *self.counts.entry(owner).or_default() += 1;
        }
        if let Some(count) = old.and_then(|old| self.counts.get_mut(&old)) {
            *count -= 1;
        }
        self.counts.retain(|_, count| *count > 0);
        self.version += 1;
    }

    /// Masters with slots, and how many of them this node believes to be reachable.
    pub fn voters(&self) -> (usize, usize) {
        let fine = |id: &Id| self.members.get(id).is_some_and(|member| !member.suspected && !member.failed);
        (self.counts.len(), self.counts.keys().filter(|id| fine(id)).count())
    }

    /// Slots assigned, and those of them whose owner is fine, suspected, failed.
    pub fn coverage(&self) -> [usize; 4] {
        let mut sums = [0; 4];
        for (id, count) in &self.counts {
            let class = match self.members.get(id) {
                Some(member) if member.failed => 3,
                Some(member) if member.suspected => 2,
                _ => 1,
            };
            sums[0] += count;
            sums[class] += count;
        }
        sums
    }
}

/// A replica's stream from its master.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    Up,
    Down { since: u64 },
    Syncing { until: u64 },
}

/// What can be wrong with a node besides its process; all of it is set by faults.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Every reply comes this much later, in milliseconds.
    pub slow_ms: u64,
    pub loading: bool,
    pub busy: bool,
    pub full: bool,
    pub garbage: bool,
    /// Replies are cut in the middle and the connection reset.
    pub reset: bool,
    /// Connections are refused, though the process lives and speaks on the bus.
    pub refuse: bool,
    /// Answers about the cluster come from this old mind.
    pub lie: Option<Box<Mind>>,
    /// Its stream from the master is cut and stays so.
    pub link_broken: bool,
    /// It stays this many bytes behind its master.
    pub behind: u64,
    /// Nodes in different sides do not hear each other on the bus.
    pub side: u8,
    /// Commands that begin so are refused, after so many more that are not.
    pub deny: Option<(String, u64)>,
    /// The next command that begins so has its effect, and its reply is lost with the connection.
    pub lose_reply: Option<String>,
    /// It takes so many keys of others and then has no memory.
    pub room_for_keys: Option<u64>,
    /// What it says and hears on the bus is late by so many milliseconds.
    pub slow_bus_ms: u64,
    /// Percent of `maxmemory` in use.
    pub memory_percent: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub connections: u64,
    pub clients: u64,
    pub commands: BTreeMap<String, (u64, u64)>,
    pub errors: BTreeMap<String, u64>,
    pub sync_full: u64,
    pub sync_partial: u64,
    pub hits: u64,
    pub misses: u64,
    /// Commands of the players that nobody sends one by one.
    pub background: u64,
}

pub struct Node {
    /// `b` for the second master at the start, `b1` for its first replica.
    pub name: String,
    /// 40 hex digits.
    pub id: String,
    pub port: u16,
    pub process: Process,
    /// Start of the process, simulated milliseconds.
    pub started: u64,
    pub run_id: String,
    pub mind: Mind,
    pub election: Election,
    pub manual: Manual,
    pub faults: Faults,
    pub password: Option<String>,
    pub keys: Keyspace,
    /// The node in whose shard it is: the master that it began with, or followed last.
    pub shard: Id,
    /// What its master was told of slots, and it has not heard yet.
    pub unheard: Vec<SlotOrder>,
    /// What its messages say of slots: for which version of its mind, whose.
    pub spoken: Option<(u64, Id, Arc<Vec<u16>>)>,
    pub offset: u64,
    /// Bytes of writes a second while it is a master.
    pub write_rate: u64,
    pub replid: String,
    pub replid2: Option<(String, u64)>,
    pub link: Link,
    /// When the master was last heard on the link.
    pub link_heard: u64,
    /// The master has written what this replica has not got yet.
    pub missed: bool,
    /// Writes wait until then (a manual failover, CLIENT PAUSE).
    pub paused_until: u64,
    /// It has claimed slots, and says so when it has read what comes next.
    pub claims_unsaid: bool,
    /// A blocking command (MIGRATE) holds everybody up until then.
    pub blocked_until: u64,
    pub stats: Stats,
}

impl Node {
    pub fn is_up(&self) -> bool {
        self.process == Process::Running
    }

    pub fn short(&self) -> &str {
        &self.id[..8]
    }
}
