//! IO. The true cluster: all nodes, simulated time, the bus between the nodes and their cron, ten times a second.
//!
//! Not modelled, because nothing here needs it: replica migration to orphaned masters, persistence (a restarted server
//! comes back with its `nodes.conf` and without data), output buffers, scripts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::bus::Packet;
use super::keys::{Data, Entry, Keyspace};
use super::kind::Kind;
use super::node::{Election, Faults, Id, Link, Manual, Member, Mind, Node, Process, Stats};
use super::resp::Value;

/// What `INFO` calls unix time when the simulation starts.
pub const EPOCH_MS: u64 = 1_700_000_000_000;
/// Between two crons of a node.
pub const CRON_MS: u64 = 100;

#[derive(Clone, Debug)]
pub struct Settings {
    pub masters: u16,
    /// Of each master.
    pub replicas: u16,
    /// The last so many masters own nothing.
    pub empty_masters: u16,
    pub node_timeout_ms: u64,
    pub full_coverage: bool,
    /// Of every reply.
    pub latency_ms: u64,
    /// Bytes of writes a second on every master.
    pub write_rate: u64,
    pub rooms: u32,
    pub password: Option<String>,
    pub seed: u64,
    pub kind: Kind,
    /// Of a server that may have several.
    pub databases: u32,
    /// The last master owns so many slots only; 0: as many as the others.
    pub last_owns: u16,
    /// Messages between nodes are late by up to so much, each by itself.
    pub bus_jitter_ms: u64,
    /// Commands and replies are late by up to so much more, each by itself.
    pub jitter_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            masters: 3,
            replicas: 1,
            empty_masters: 0,
            node_timeout_ms: 5000,
            full_coverage: true,
            latency_ms: 1,
            write_rate: 0,
            rooms: 0,
            password: None,
            seed: 1,
            kind: Kind::default(),
            databases: 1,
            last_owns: 0,
            bus_jitter_ms: 0,
            jitter_ms: 0,
        }
    }
}

/// A command that a node received.
#[derive(Clone, Debug)]
pub struct Call {
    pub at_ms: u64,
    /// The node's name.
    pub node: String,
    pub words: String,
    pub reply: String,
}

/// Seeded randomness (splitmix64): the same seed gives the same incident.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn hex(&mut self) -> String {
        format!("{:016x}{:016x}{:08x}", self.next(), self.next(), self.next() as u32)
    }
}

pub struct World {
    pub nodes: Vec<Node>,
    pub settings: Settings,
    /// The address all nodes listen on.
    pub host: String,
    /// Every command received, oldest first.
    pub journal: Vec<Call>,
    pub rng: Rng,
    /// Hosts outside the cluster, and nodes that they do not reach.
    pub cut: BTreeSet<(super::Host, Id)>,
    /// Node, client, channel: who listens to what.
    pub(super) channels: Vec<(Id, u64, Vec<u8>)>,
    /// What goes to a client unasked, by the client.
    pub(super) inboxes: BTreeMap<u64, UnboundedSender<Value>>,
    /// Packets and when they arrive; in the order of sending between two nodes.
    pub(super) bus: VecDeque<(u64, Packet)>,
    /// MIGRATE's keys that wait in the socket of a hung target.
    pub(super) in_flight: BTreeMap<Id, Vec<(u32, Vec<u8>, Entry)>>,
    pub(super) migrations: Vec<super::migrations::Migration>,
    /// Nodes with something to do before their next cron, and when.
    pub(super) agenda: BTreeSet<(u64, Id)>,
    start: Instant,
    crons: u64,
    pub(super) next_client: u64,
}

impl World {
    pub fn new(settings: Settings, host: &str, first_port: u16) -> Self {
        let mut world = Self {
            nodes: Vec::new(),
            rng: Rng(settings.seed),
            host: host.into(),
            journal: Vec::new(),
            cut: BTreeSet::new(),
            channels: Vec::new(),
            inboxes: BTreeMap::new(),
            bus: VecDeque::new(),
            in_flight: BTreeMap::new(),
            migrations: Vec::new(),
            agenda: BTreeSet::new(),
            start: Instant::now(),
            crons: 0,
            next_client: 3,
            settings,
        };
        let masters = world.settings.masters;
        for index in 0..masters * (1 + world.settings.replicas) {
            let (master, rank) = (index % masters, index / masters);
            let name = if rank == 0 { letters(master) } else { format!("{}{rank}", letters(master)) };
            world.add_node(name, first_port + index);
        }
        world.introduce();
        world.make_rooms();
        world
    }

    /// A server that nobody has met yet.
    pub fn add_node(&mut self, name: String, port: u16) -> Id {
        let (id, now) = (self.nodes.len(), self.now());
        let mind = Mind::alone(id, Member::new(false, None, 0, now));
        let node = Node {
            name,
            id: format!("{:08x}{}", 0xa000_0000 + id as u64 * 0x0101_0101, &self.rng.hex()[8..40]),
            port,
            process: Process::Running,
            started: now,
            run_id: self.rng.hex(),
            mind,
            election: Election::default(),
            manual: Manual::default(),
            faults: Faults::default(),
            password: self.settings.password.clone(),
            keys: Keyspace::default(),
            shard: id,
            unheard: Vec::new(),
            spoken: None,
            offset: 0,
            write_rate: self.settings.write_rate,
            replid: self.rng.hex(),
            replid2: None,
            link: Link::Up,
            link_heard: now,
            missed: false,
            paused_until: 0,
            claims_unsaid: false,
            blocked_until: 0,
            stats: Stats::default(),
        };
        self.nodes.push(node);
        id
    }

    /// Everybody knows everybody, slots are dealt out, replicas are in sync.
    fn introduce(&mut self) {
        let masters = usize::from(self.settings.masters);
        let owning = masters - usize::from(self.settings.empty_masters);
        let now = self.now();
        let members: BTreeMap<Id, Member> = (0..self.nodes.len())
            .map(|id| (id, Member::new(id >= masters, (id >= masters).then_some(id % masters), (id % masters) as u64 + 1, now)))
            .collect();
        for node in &mut self.nodes {
            node.mind.members.clone_from(&members);
            node.mind.current_epoch = masters as u64;
            node.mind.ok = true;
            for owner in 0..owning {
                for slot in owner * 16384 / owning..(owner + 1) * 16384 / owning {
                    // What the last one does not own is its neighbour's.
                    let start = owner * 16384 / owning;
                    let beyond =
                        self.settings.last_owns > 0 && owner + 1 == owning && slot - start >= self.settings.last_owns.into();
                    node.mind.set_owner(slot as u16, Some(if beyond { owner - 1 } else { owner }));
                }
            }
        }
        for id in masters..self.nodes.len() {
            self.nodes[id].shard = id % masters;
            self.nodes[id].replid = self.nodes[id % masters].replid.clone();
        }
    }

    fn make_rooms(&mut self) {
        for index in 0..self.settings.rooms {
            let code = room_code(index);
            let key = format!("room:{{{code}}}:state").into_bytes();
            let slot = rgc_tui::cluster::key_slot(&key);
            let fields = [
                ("code", code.clone()),
                ("phase", ["waiting", "playing", "scoring"][index as usize % 3].into()),
                ("max_players", "4".into()),
                ("players", serde_json::json!(["ann", "bo", "cy", "di"][..1 + index as usize % 4]).to_string()),
            ];
            let data = Data::Hash(fields.into_iter().map(|(field, value)| (field.into(), value.into_bytes())).collect());
            for (me, node) in self.nodes.iter_mut().enumerate() {
                let owner = node.mind.owner(slot);
                if owner == Some(me) || node.mind.members[&me].master == owner {
                    node.keys.put(&key, Entry { data: data.clone(), expires: Some(7_200_000) });
                }
            }
        }
    }

    /// Simulated milliseconds since the start.
    pub fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub fn unix_ms(&self) -> u64 {
        EPOCH_MS + self.now()
    }

    pub fn find(&self, name: &str) -> Id {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.unwrap_or_else(|| panic!("no node is called {name}: there are {:?}", self.names()))
    }

    pub fn names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| &*node.name).collect()
    }

    pub fn by_id(&self, id: &[u8]) -> Option<Id> {
        self.nodes.iter().position(|node| node.id.as_bytes() == id)
    }

    pub fn by_port(&self, port: u16) -> Option<Id> {
        self.nodes.iter().position(|node| node.port == port)
    }

    pub fn address(&self, id: Id) -> String {
        format!("{}:{}", self.host, self.nodes[id].port)
    }

    pub fn me(&self, id: Id) -> &Member {
        &self.nodes[id].mind.members[&id]
    }

    pub fn me_mut(&mut self, id: Id) -> &mut Member {
        self.nodes[id].mind.members.get_mut(&id).expect("everybody knows itself")
    }

    /// Two nodes of one shard.
    pub fn kin(&self, a: Id, b: Id) -> bool {
        self.nodes[a].shard == self.nodes[b].shard
    }

    /// Who is master of `slot` by its own word: the truth that clients meet.
    pub fn owners(&self, slot: u16) -> Vec<Id> {
        (0..self.nodes.len()).filter(|&id| !self.me(id).is_replica && self.nodes[id].mind.owner(slot) == Some(id)).collect()
    }

    /// Two processes that can talk on the bus now.
    pub fn hears(&self, a: Id, b: Id) -> bool {
        let (left, right) = (&self.nodes[a], &self.nodes[b]);
        left.is_up()
            && right.is_up()
            && left.faults.side == right.faults.side
            && left.blocked_until <= self.now()
            && right.blocked_until <= self.now()
    }

    /// The fault that takes the reply of a command that has been carried out; it does so once.
    pub fn loses_reply(&mut self, id: Id, words: &[Vec<u8>]) -> bool {
        let line = words.iter().map(|word| super::keys::text(word).to_ascii_uppercase()).collect::<Vec<_>>().join(" ");
        let lost = &mut self.nodes[id].faults.lose_reply;
        lost.take_if(|start| line.starts_with(start.as_str())).is_some()
    }

    /// How late the next command or reply is.
    pub fn jitter(&mut self) -> u64 {
        match self.settings.jitter_ms {
            0 => 0,
            most => self.rng.below(most + 1),
        }
    }

    pub fn is_cut(&self, from: super::Host, id: Id) -> bool {
        self.cut.contains(&(from, id))
    }

    /// One tenth of a second in the life of every node.
    pub fn cron(&mut self) {
        let now = self.now();
        self.crons += 1;
        for id in 0..self.nodes.len() {
            if self.nodes[id].is_up() && self.nodes[id].blocked_until <= now {
                self.nodes[id].keys.expire(now);
                self.say_claims(id);
                self.bus_cron(id, self.crons.is_multiple_of(10));
                self.pump();
                self.replication_cron(id);
                self.hurry(id);
                self.update_state(id);
            }
        }
    }

    /// A manual failover goes on within milliseconds, not at the next cron.
    pub fn soon(&mut self, id: Id) {
        let now = self.now();
        self.agenda.extend([(now + 7, id), (now + 14, id), (now + 21, id)]);
    }

    /// Carries out what is due; gives the time of the next thing.
    pub fn run_agenda(&mut self) -> Option<u64> {
        while let Some(&(at, id)) = self.agenda.first() {
            if at > self.now() {
                return Some(at);
            }
            self.agenda.remove(&(at, id));
            if self.nodes[id].is_up() && self.me(id).is_replica {
                self.replication_cron(id);
            }
            self.hurry(id);
        }
        None
    }

    /// What a node does at once, before it sleeps: manual failovers and elections.
    pub fn hurry(&mut self, id: Id) {
        if self.nodes[id].is_up() && self.nodes[id].blocked_until <= self.now() {
            self.manual_cron(id);
            self.election_cron(id);
            self.migrations_go_on();
            self.pump();
        }
    }

    /// `cluster_state`, as the node itself sees it.
    pub fn update_state(&mut self, id: Id) {
        let now = self.now();
        let timeout = self.settings.node_timeout_ms;
        let full = self.settings.full_coverage;
        let is_master = !self.me(id).is_replica;
        let mind = &mut self.nodes[id].mind;
        let (size, reachable) = mind.voters();
        let [assigned, _, _, failed] = mind.coverage();
        let mut ok = !full || (assigned == 16384 && failed == 0);
        if reachable < size / 2 + 1 {
            ok = false;
            mind.in_minority_until = Some(now);
        }
        if ok && !mind.ok && is_master {
            let rejoin = timeout.clamp(500, 5000);
            if now < mind.ok_from || mind.in_minority_until.is_some_and(|at| now - at < rejoin) {
                return;
            }
        }
        mind.ok = ok;
    }

    pub fn record(&mut self, id: Id, words: String, reply: String) {
        let call = Call { at_ms: self.now(), node: self.nodes[id].name.clone(), words, reply };
        self.journal.push(call);
    }
}

/// `a`, `b`, … `z`, `ba`, …: names in scenarios.
fn letters(index: u16) -> String {
    let letter = |n: u16| char::from(b'a' + (n % 26) as u8);
    if index < 26 { letter(index).to_string() } else { format!("{}{}", letter(index / 26), letter(index)) }
}

/// Codes of rooms as the game makes them: five characters, different for every index.
pub fn room_code(index: u32) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut rest = index.wrapping_mul(7919).wrapping_add(12345);
    (0..5)
        .map(|_| {
            let letter = LETTERS[rest as usize % LETTERS.len()];
            rest /= LETTERS.len() as u32;
            char::from(letter)
        })
        .collect()
}
