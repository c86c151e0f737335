//! PURE. A made-up cluster for tests, benches and pictures: it speaks to a [`Model`] through observations, as a real one does.
//!
//! Servers are numbered: masters `0..n` own equal parts of the slots, replica `r` of master `m` is number `n * (1 + r) + m`.
//! They sit at `10.0.0.1:7000`, `10.0.0.2:7001` and so on. Change a server, [`Sample::poll`], look at the model:
//!
//! ```
//! use rgc_tui::cluster::sample::Sample;
//!
//! let mut sample = Sample::new(3, 1).rooms(60);
//! sample.kill(2);
//! sample.poll();
//! assert_eq!(sample.model.unserved().0.len(), 5461);
//! sample.promote(5);
//! sample.poll();
//! assert!(sample.model.unserved().0.is_empty());
//! ```

mod speak;

use std::sync::Arc;
use std::time::Duration;

use super::{
    Address, Fact, Health, Model, NodeId, NodeRole, Observation, Open, OpenDirection, PlayStats, Room, RoomScan, SLOTS, SlotRange,
    SlotSet, Time, Trouble, View, key_slot,
};

/// A settled model of a healthy cluster that has been asked three times, a second apart.
pub fn cluster(masters: usize, replicas: usize) -> Model {
    Sample::new(masters, replicas).model
}

/// Noon of some day, the time at which every sample begins.
pub fn noon() -> Time {
    Time::from_timestamp(1_773_489_600, 0).unwrap_or_default()
}

/// One made-up server; every field may be changed between polls.
#[derive(Clone, Debug)]
pub struct Fake {
    pub id: NodeId,
    pub address: Address,
    pub role: NodeRole,
    /// Number of its master.
    pub master: Option<usize>,
    pub epoch: u64,
    pub slots: SlotSet,
    pub open: Vec<Open>,
    /// How it fails to answer, when it does not answer.
    pub trouble: Option<Trouble>,
    /// The others call it `fail?`.
    pub suspected: bool,
    /// The others call it `fail`.
    pub failed: bool,
    /// Nobody else knows it (any more).
    pub forgotten: bool,
    /// It repeats this view whatever happens: one side of a partition, or a node that missed the news.
    pub stuck: Option<Arc<View>>,
    /// Its replication link, when it is a replica.
    pub link_up: bool,
    /// Since when, in seconds, while it is down; -1 when it never was up.
    pub link_down_seconds: i64,
    pub priority: u64,
    /// It does not tell INFO.
    pub silent_info: bool,
    /// Writes that are in no file of it, which a start would lose.
    pub unsaved: u64,
    /// It says that it requires full coverage.
    pub full_coverage: bool,
    /// Its `min-replicas-to-write`.
    pub min_replicas: u64,
    /// It says `cluster_state:fail` whatever the others know: the news has not reached it yet.
    pub uninformed: bool,
    /// Only this console cannot reach it: the others are connected.
    pub out_of_reach: bool,
    /// The address that it announces, when that is a wrong one: the others cannot connect to it.
    pub announces: Option<Address>,
    /// Nodes of other sides do not see it, nor does it see them.
    pub side: u8,
    /// It has missed the other sides for the node timeout.
    pub doubts: bool,
    /// It is copying everything from its master (with the link down, as servers say).
    pub syncing: bool,
    /// Full copies that it has given to replicas.
    pub full_copies: u64,
    /// Bytes it has yet to apply, when it is a replica.
    pub lag: u64,
    pub latency: Duration,
    pub ops_per_sec: f64,
    pub errors_per_sec: f64,
    /// Of its commands, those that it answers with MOVED.
    pub moved_per_sec: f64,
    pub evicted_per_sec: f64,
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    /// 0 for no limit.
    pub maxmemory: u64,
    /// The process; a new number is a restart.
    pub run: u64,
    pub loading: bool,
    /// Seconds its process has been up at the first poll.
    pub uptime: u64,
    /// Keys it says it has; None: a dozen a slot.
    pub keys: Option<u64>,
    /// Calls of commands, as INFO commandstats counts them.
    pub calls: Vec<(&'static str, u64)>,
    counters: speak::Counters,
}

/// A made-up cluster and the model that listens to it.
#[derive(Clone, Debug)]
pub struct Sample {
    pub model: Model,
    pub now: Time,
    pub servers: Vec<Fake>,
    /// How many servers tell their view in one poll, in turns: a thousand views of a thousand nodes would be a million lines.
    pub views_a_poll: usize,
    /// `redis` or `valkey`, and the version all of them say.
    pub version: (&'static str, &'static str),
    scan: u64,
    rooms: Vec<Room>,
    turn: usize,
}

impl Sample {
    /// A healthy cluster, polled three times so that rates and series are there.
    pub fn new(masters: usize, replicas: usize) -> Self {
        let mut sample = Self::unasked(masters, replicas);
        for _ in 0..3 {
            sample.poll();
        }
        sample
    }

    /// The same before anybody has been asked.
    pub fn unasked(masters: usize, replicas: usize) -> Self {
        let servers = (0..masters * (1 + replicas)).map(|number| Fake::new(number, masters)).collect();
        Self {
            model: Model::new("prod"),
            now: noon(),
            servers,
            views_a_poll: 64,
            version: ("redis", "7.0.15"),
            scan: 0,
            rooms: Vec::new(),
            turn: 0,
        }
    }

    /// A second passes, every server is asked, the model settles and takes a sample.
    pub fn poll(&mut self) {
        for observation in self.observations() {
            self.model.apply(&observation);
        }
        self.model.settle(self.now);
        self.model.sample(self.now, Duration::from_secs(3));
    }

    /// A second passes and every server is asked: what came back, not yet applied to anything.
    pub fn observations(&mut self) -> Vec<Observation> {
        self.now += chrono::TimeDelta::seconds(1);
        speak::round(self)
    }

    /// The same as [`Sample::poll`], so many times.
    pub fn seconds(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.poll();
        }
    }

    pub fn id(&self, number: usize) -> NodeId {
        self.servers.get(number).map_or(NodeId::Place(0), |server| server.id)
    }

    pub fn address(&self, number: usize) -> Address {
        self.servers.get(number).map_or_else(|| Address::new("nowhere", 1), |server| server.address.clone())
    }

    fn change(&mut self, number: usize, change: impl FnOnce(&mut Fake)) {
        if let Some(server) = self.servers.get_mut(number) {
            change(server);
        }
    }

    fn trouble(&mut self, number: usize, health: Health, detail: &str) {
        self.change(number, |server| server.trouble = Some(Trouble::new(health, detail)));
    }

    /// Its process ends: connections are refused.
    pub fn kill(&mut self, number: usize) {
        self.trouble(number, Health::Refused, "connection refused");
    }

    /// Its process stops: connections are accepted, nothing answers.
    pub fn freeze(&mut self, number: usize) {
        self.trouble(number, Health::Frozen, "no answer within 500 ms");
    }

    /// Its host is gone: nothing comes back at all.
    pub fn silence(&mut self, number: usize) {
        self.trouble(number, Health::Silent, "no connection within 500 ms");
    }

    /// The way from this console to it is gone; the others are in touch with it.
    pub fn cut_off(&mut self, number: usize) {
        self.trouble(number, Health::Refused, "connection refused");
        self.change(number, |server| server.out_of_reach = true);
    }

    /// It answers with an error (`NOAUTH`, `LOADING`, `BUSY`, …).
    pub fn refuse(&mut self, number: usize, code: &str) {
        self.trouble(number, Health::from_error_code(code), code);
    }

    /// It answers again; a master whose slots were taken over becomes a replica of whoever took them.
    pub fn revive(&mut self, number: usize) {
        let successor = self.servers.iter().position(|server| Some(number) == server.counters.successor_of);
        self.change(number, |server| {
            server.trouble = None;
            server.out_of_reach = false;
            server.suspected = false;
            server.failed = false;
            if let Some(successor) = successor.filter(|_| server.role == NodeRole::Master && server.slots.is_empty()) {
                server.role = NodeRole::Replica;
                server.master = Some(successor);
                server.link_up = true;
            }
        });
    }

    /// The others come to call it `fail`.
    pub fn fail(&mut self, number: usize) {
        self.change(number, |server| server.failed = true);
    }

    /// The replica takes its master's place: slots, epoch, siblings. A dead master stays a master without slots in the
    /// others' eyes, a living one becomes its replica.
    pub fn promote(&mut self, replica: usize) {
        let Some(old) = self.servers.get(replica).and_then(|server| server.master) else { return };
        let epoch = self.servers.iter().map(|server| server.epoch).max().unwrap_or(0) + 1;
        let mut slots = SlotSet::default();
        self.change(old, |server| {
            slots = std::mem::take(&mut server.slots);
            if server.trouble.is_none() {
                server.role = NodeRole::Replica;
                server.master = Some(replica);
                server.link_up = true;
            } else {
                server.failed = true;
            }
        });
        for server in self.servers.iter_mut().filter(|server| server.master == Some(old)) {
            server.master = Some(replica);
        }
        self.change(replica, |server| {
            server.role = NodeRole::Master;
            server.master = None;
            server.slots = slots;
            server.epoch = epoch;
            server.counters.successor_of = Some(old);
        });
    }

    /// Opens a slot on both sides, as a reshard in its middle (or one that was interrupted) leaves it.
    pub fn open_slot(&mut self, slot: u16, from: usize, to: usize) {
        let (source, target) = (self.id(from), self.id(to));
        self.change(from, |server| server.open.push(Open { slot, direction: OpenDirection::Migrating, peer: target }));
        self.change(to, |server| server.open.push(Open { slot, direction: OpenDirection::Importing, peer: source }));
    }

    /// Closes every open slot of a server.
    pub fn close_slots(&mut self, number: usize) {
        self.change(number, |server| server.open.clear());
    }

    /// Moves slots between masters, with the epoch the target gets for it.
    pub fn move_slots(&mut self, range: SlotRange, from: usize, to: usize) {
        let epoch = self.servers.iter().map(|server| server.epoch).max().unwrap_or(0) + 1;
        self.change(from, |server| range.iter().for_each(|slot| server.slots.remove(slot)));
        self.change(to, |server| {
            server.slots.extend_range(range);
            server.epoch = epoch;
        });
    }

    /// Bytes a replica has yet to apply.
    pub fn lag(&mut self, replica: usize, bytes: u64) {
        self.change(replica, |server| server.lag = bytes);
    }

    /// From now on it repeats what it would say now, whatever happens to the others.
    pub fn stick(&mut self, number: usize) {
        let view = Arc::new(speak::view(&self.servers, number));
        self.change(number, |server| server.stuck = Some(view));
    }

    /// From now on these servers and all others do not see each other; this console sees both.
    pub fn split(&mut self, apart: &[usize]) {
        for (number, server) in self.servers.iter_mut().enumerate() {
            server.side = u8::from(apart.contains(&number));
            server.doubts = false;
        }
    }

    /// Everybody has missed the other side for the node timeout.
    pub fn doubt_the_other_side(&mut self) {
        self.servers.iter_mut().for_each(|server| server.doubts = true);
    }

    /// Nobody knows it any more.
    pub fn forget(&mut self, number: usize) {
        self.change(number, |server| server.forgotten = true);
    }

    /// Its process ends and another one starts at once, with what it finds: so many keys.
    pub fn restart(&mut self, number: usize, keys: u64) {
        self.change(number, |server| {
            server.run += 1000;
            server.uptime = 0;
            server.keys = Some(keys);
            server.counters = speak::Counters::new();
        });
    }

    /// Another cluster of such servers joins: masters with these slots, and a higher epoch. Returns their numbers.
    pub fn meet(&mut self, slots: &[SlotRange]) -> Vec<usize> {
        let epoch = self.servers.iter().map(|server| server.epoch).max().unwrap_or(0);
        let join = |(at, range): (usize, &SlotRange)| {
            let number = self.join(None);
            self.change(number, |server| {
                server.slots.extend_range(*range);
                server.epoch = epoch + 1 + at as u64;
            });
            number
        };
        slots.iter().enumerate().map(join).collect()
    }

    /// A new server joins: a replica of a master, or a master without slots. Returns its number.
    pub fn join(&mut self, master: Option<usize>) -> usize {
        let number = self.servers.len();
        let mut server = Fake::new(number, 0);
        server.master = master;
        if master.is_some() {
            server.role = NodeRole::Replica;
        }
        self.servers.push(server);
        number
    }

    /// So many rooms, found by one scan over every master.
    #[must_use]
    pub fn rooms(mut self, count: usize) -> Self {
        const PHASES: [&str; 5] = ["waiting", "team_pick", "playing", "scoring", "over"];
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        self.rooms = (0..count)
            .map(|number| {
                let mixed = speak::mix(number as u64);
                let code: String =
                    (0..5).map(|i| char::from(LETTERS.get((number >> (5 * i)) % 32).copied().unwrap_or(b'A'))).rev().collect();
                Room {
                    slot: key_slot(code.as_bytes()),
                    code: code.into(),
                    phase: PHASES.get(number % PHASES.len()).copied().unwrap_or_default().into(),
                    players: u32::try_from(mixed % 7).unwrap_or(0),
                    keys: 3 + u32::try_from(mixed % 5).unwrap_or(0),
                    size_bytes: 600 + mixed % 2000,
                    ttl: (number % 3 != 0).then_some(Duration::from_secs(7200 - mixed % 3600)),
                    seen: self.now,
                }
            })
            .collect();
        self.scan();
        self
    }

    /// These rooms are not there any more: the next scan does not find them.
    pub fn lose_rooms(&mut self, lost: impl Fn(&Room) -> bool) {
        self.rooms.retain(|room| !lost(room));
    }

    /// Scans every master that answers for the rooms in its slots.
    pub fn scan(&mut self) {
        self.scan += 1;
        let masters =
            || self.servers.iter().enumerate().filter(|(_, server)| server.role == NodeRole::Master && server.trouble.is_none());
        let mut owners = vec![None; usize::from(SLOTS)];
        for (number, server) in masters() {
            for slot in server.slots.iter() {
                owners.get_mut(usize::from(slot)).into_iter().for_each(|owner| *owner = Some(number));
            }
        }
        let mut found: Vec<Vec<Room>> = vec![Vec::new(); self.servers.len()];
        for room in &self.rooms {
            let owner = owners.get(usize::from(room.slot)).copied().flatten();
            let room = Room { seen: self.now, ..room.clone() };
            owner.and_then(|owner| found.get_mut(owner)).into_iter().for_each(|rooms| rooms.push(room.clone()));
        }
        for (number, server) in masters() {
            let rooms = found.get_mut(number).map(std::mem::take).unwrap_or_default();
            let keys_seen = rooms.iter().map(|room| u64::from(room.keys)).sum();
            let batch = RoomScan {
                scan: self.scan,
                rooms,
                gone: Vec::new(),
                done: true,
                keys_seen,
                began: Some(self.now),
                ..RoomScan::default()
            };
            self.model.apply(&Observation { source: server.address.clone(), at: self.now, fact: Fact::Rooms(batch) });
        }
    }

    /// What the demo's players feel.
    pub fn play(&mut self, stats: PlayStats) {
        self.model.apply(&Observation { source: Address::new("demo", 1), at: self.now, fact: Fact::Play(stats) });
    }
}

impl Fake {
    fn new(number: usize, masters: usize) -> Self {
        let owns = number < masters;
        // The nearest slot, as the usual tools divide them.
        let nearest = |part: usize| (part * usize::from(SLOTS) * 2 + masters) / (2 * masters.max(1));
        let at = |part: usize| u16::try_from(nearest(part)).unwrap_or(SLOTS);
        let mut slots = SlotSet::default();
        if owns && at(number) < at(number + 1) {
            slots.extend_range(SlotRange::new(at(number), at(number + 1) - 1));
        }
        let mut id = [0u8; 20];
        for (place, byte) in id.iter_mut().enumerate() {
            *byte = (speak::mix((number * 20 + place) as u64) & 0xff) as u8;
        }
        let host = format!("10.0.{}.{}", number / 250, number % 250 + 1);
        Self {
            id: NodeId::Member(id),
            address: Address::new(host, 7000 + u16::try_from(number).unwrap_or(0)),
            role: if owns || masters == 0 { NodeRole::Master } else { NodeRole::Replica },
            master: (!owns && masters > 0).then(|| number % masters),
            epoch: if owns { number as u64 + 1 } else { 0 },
            slots,
            open: Vec::new(),
            trouble: None,
            suspected: false,
            failed: false,
            forgotten: false,
            stuck: None,
            link_up: true,
            link_down_seconds: 70,
            priority: 100,
            silent_info: false,
            unsaved: 0,
            full_coverage: false,
            min_replicas: 0,
            uninformed: false,
            out_of_reach: false,
            announces: None,
            side: 0,
            doubts: false,
            syncing: false,
            full_copies: 1,
            lag: 0,
            latency: Duration::from_micros(600 + (number as u64 * 37) % 300),
            ops_per_sec: if owns { 12_000.0 } else { 4_000.0 } + (number as f64 * 13.0) % 500.0,
            errors_per_sec: 0.0,
            moved_per_sec: 0.0,
            evicted_per_sec: 0.0,
            cpu_percent: if owns { 22.0 } else { 9.0 },
            memory_bytes: 620 << 20,
            maxmemory: 1 << 30,
            run: number as u64,
            loading: false,
            uptime: 86_400,
            keys: None,
            calls: Vec::new(),
            counters: speak::Counters::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_healthy_cluster() {
        let model = cluster(3, 1);
        let topology = model.topology();
        assert_eq!((topology.shards.len(), topology.assigned.len(), topology.served.len()), (3, 16384, 16384));
        assert!(topology.conflicts.is_empty() && topology.open.is_empty() && model.is_known());
        assert!(model.nodes().all(|node| node.health == Health::Up && node.id.is_member() && node.rates.ops_per_sec.is_some()));
        assert_eq!(model.nodes().filter(|node| node.lag_bytes == Some(0)).count(), 3);
        assert_eq!(super::super::opinions(model.views()).len(), 1);
    }

    #[test]
    fn a_thousand_nodes_are_a_sample_too() {
        let sample = Sample::new(500, 1).rooms(1000);
        assert_eq!(sample.model.nodes().count(), 1000);
        assert_eq!(sample.model.topology().served.len(), 16384);
        assert_eq!(sample.model.rooms().len(), 1000);
    }
}
