//! PURE. The shared model of one cluster: observations go in, the settled picture and its changes come out.

mod bind;
mod change;
mod peers;
mod rates;
mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::history;
use super::refusal;
use super::view::{Digest, ownership};
use super::{
    Address, Fact, Health, History, Incident, Letters, Metric, Node, NodeId, Observation, Opinion, PlayStats, Rates, Rooms, SLOTS,
    Sighting, SlotSet, Time, Topology, View, age,
};

pub use change::{Change, ChangeKind};

/// Everything known about one cluster. [`Model::apply`] takes facts, [`Model::settle`] draws conclusions from them.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name the operator gave this cluster.
    pub name: String,
    /// An answer above this is slow (`[alerts] latency_ms`).
    pub slow: Duration,
    /// A node that has said nothing for this long, without a failed attempt to ask it, is not known to be well.
    pub stale: Duration,
    nodes: BTreeMap<NodeId, Node>,
    by_address: HashMap<Address, NodeId>,
    pub(in crate::cluster) letters: Letters,
    pub(in crate::cluster) history: History,
    topology: Topology,
    /// Shared with copies of the model: there can be a million, and copies are for plans that only read them.
    rooms: Arc<Rooms>,
    slot_keys: Vec<Option<u32>>,
    play: Option<PlayStats>,
    unsettled: bool,
    /// Somebody is about to be forgotten: the next settle has to look again although nothing is said.
    doubtful: bool,
    lags_due: bool,
    /// Something came in that is more than new figures.
    notable: bool,
    /// When the first fact came.
    born: Option<Time>,
    /// When the owner of some slot was last seen to change, after everybody had been asked for the first time.
    owners_since: Option<Time>,
    changes: Vec<Change>,
}

/// Moments that are remembered in which a master gave everything to a replica.
const FULL_COPIES: usize = 100;
/// Of two links to a node one was answered within this time, and the other was not: the node lives.
const ELSEWHERE: Duration = Duration::from_secs(1);

impl Model {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            slow: Duration::from_millis(100),
            stale: Duration::from_secs(15),
            nodes: BTreeMap::new(),
            by_address: HashMap::new(),
            letters: Letters::default(),
            history: History::default(),
            topology: Topology::default(),
            rooms: Arc::default(),
            slot_keys: vec![None; usize::from(SLOTS)],
            play: None,
            unsettled: false,
            doubtful: false,
            lags_due: false,
            notable: false,
            born: None,
            owners_since: None,
            changes: Vec::new(),
        }
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The node that is reached, announced or was configured under this address.
    pub fn node_at(&self, address: &Address) -> Option<&Node> {
        let by_link = self.by_address.get(address).and_then(|id| self.nodes.get(id));
        by_link.or_else(|| self.nodes.values().find(|node| node.address == *address))
    }

    /// What screens call a node: its address, or its id when it is not known any more.
    pub fn label(&self, id: NodeId) -> String {
        self.nodes.get(&id).map_or_else(|| id.short(), |node| node.address.to_string())
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What is remembered beside what the servers say now.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Marks incidents as seen by somebody; returns how many there were.
    pub fn acknowledge(&mut self, which: impl Fn(&Incident) -> bool, now: Time) -> usize {
        self.history.acknowledge(which, now)
    }

    /// Takes in what does not hold now; see [`History::sight`].
    pub fn sight(&mut self, sighted: Vec<Sighting>) {
        self.history.sight(sighted);
    }

    /// Nobody has told who is in the cluster, and there are remembered nodes that may.
    pub fn awaits_recall(&self) -> bool {
        self.history.may_recall() && self.views().next().is_none()
    }

    /// What is remembered will be told, and nothing is concluded before.
    pub fn expect_memory(&mut self) {
        self.history.expected = true;
    }

    pub fn awaits_memory(&self) -> bool {
        self.history.expected && !self.history.is_loaded()
    }

    pub fn letters(&self) -> &Letters {
        &self.letters
    }

    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Keys in a slot as last counted; None when it was not counted.
    pub fn slot_keys(&self, slot: u16) -> Option<u32> {
        self.slot_keys.get(usize::from(slot)).copied().flatten()
    }

    pub fn play(&self) -> Option<&PlayStats> {
        self.play.as_ref()
    }

    /// Speakers and what they say: nodes that answer, with their newest view.
    pub fn views(&self) -> impl Iterator<Item = (NodeId, &View)> {
        self.nodes.values().filter(|node| node.health.is_alive()).filter_map(|node| Some((node.id, node.view.as_deref()?)))
    }

    /// What this node said of the owners is not older than the newest change of owners: an opinion, not an old one.
    pub fn is_current(&self, node: &Node) -> bool {
        node.view_at.is_some_and(|at| self.owners_since.is_none_or(|since| at > since))
    }

    /// When the owner of some slot was last seen to change.
    pub fn owners_changed(&self) -> Option<Time> {
        self.owners_since
    }

    /// Everybody who answers calls the same nodes the owners of the same slots.
    pub fn agrees(&self) -> bool {
        let mut opinions = self.nodes.values().filter(|node| node.health.is_alive() && self.is_current(node));
        let first = opinions.next().map(|node| node.digest.opinion);
        opinions.all(|node| Some(node.digest.opinion) == first)
    }

    /// The opinions of the nodes that answer on who owns which slots, the one that most share first. Views that
    /// are older than the newest change of owners are left out: they are not other opinions, only old ones.
    pub fn opinions(&self) -> Vec<Opinion> {
        let mut by_opinion: BTreeMap<u64, Vec<NodeId>> = BTreeMap::new();
        for node in self.nodes.values().filter(|node| node.health.is_alive() && self.is_current(node)) {
            by_opinion.entry(node.digest.opinion).or_default().push(node.id);
        }
        let owners = |nodes: &[NodeId]| nodes.first().and_then(|id| self.nodes.get(id)?.view.as_deref()).map(ownership);
        let mut opinions: Vec<Opinion> =
            by_opinion.into_values().map(|nodes| Opinion { owners: owners(&nodes).unwrap_or_default(), nodes }).collect();
        opinions.sort_by_key(|opinion| std::cmp::Reverse(opinion.nodes.len()));
        opinions
    }

    /// The highest epoch anybody speaks of.
    pub fn current_epoch(&self) -> u64 {
        let claimed = self.nodes.values().filter_map(|node| node.cluster_info.as_ref()).map(|info| info.current_epoch);
        claimed.chain(self.nodes.values().map(|node| node.epoch)).max().unwrap_or(0)
    }

    /// cluster-node-timeout as the masters with slots have it, who judge and vote; the longest where they differ. Others'
    /// when none of them has told, None when nobody has.
    pub fn node_timeout(&self) -> Option<Duration> {
        let longest = |votes: bool| {
            let asked = self.nodes.values().filter(move |node| !votes || (node.is_master() && node.slot_count > 0));
            asked.filter_map(|node| node.settings.as_ref()?.node_timeout).max()
        };
        longest(true).or_else(|| longest(false))
    }

    /// A failover that the watch has not seen, of which somebody else tells: the winner's master of now gave way to it then.
    pub fn remember_failover(&mut self, winner: &Address, at: Time) {
        let master = self.node_at(winner).and_then(|node| node.master);
        if let Some(node) = master.and_then(|id| self.nodes.get_mut(&id)) {
            node.demoted_at = node.demoted_at.max(Some(at));
        }
    }

    /// Every node has been asked at least once and somebody has told who is in the cluster.
    pub fn is_known(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.values().all(|node| node.health != Health::Unknown)
    }

    /// Takes one fact in. Conclusions follow at the next [`Model::settle`].
    pub fn apply(&mut self, observation: &Observation) {
        let Observation { source, at, fact } = observation;
        self.born.get_or_insert(*at);
        match fact {
            Fact::Rooms(batch) => {
                let node = self.by_address.get(source).and_then(|id| self.nodes.get(id)).filter(|node| node.id.is_member());
                // That was waited for.
                self.lags_due |= batch.done && self.history.awaits_rooms();
                return Arc::make_mut(&mut self.rooms).apply(source, batch, node.map(|node| node.slots.as_slice()), *at);
            }
            Fact::SlotKeys(counts) => return self.count_slots(counts),
            Fact::Strays(strays) => {
                if let Some(node) = self.by_address.get(source).and_then(|id| self.nodes.get_mut(id)) {
                    self.notable |= node.strays != *strays;
                    node.strays = strays.clone();
                }
                return;
            }
            Fact::Announced(health) => {
                if let Some(node) = self.by_address.get(source).and_then(|id| self.nodes.get_mut(id)) {
                    self.notable |= node.announced != *health;
                    node.announced = *health;
                }
                return;
            }
            Fact::Recall(recall) => return self.history.note_recall(*recall),
            Fact::Remembered(remembered) => {
                self.history.remember(remembered);
                self.unsettled = true;
                self.notable = true;
                return;
            }
            Fact::Play(stats) => {
                let gap = |stats: &PlayStats| (stats.gap.is_some(), stats.last_gap, stats.lost);
                self.notable |= self.play.as_ref().map(gap) != Some(gap(stats));
                self.play = Some(*stats);
                return;
            }
            Fact::View(view) => self.bind(source, view, *at),
            _ => {}
        }
        self.note_restart(observation);
        let slow = self.slow;
        let Some(node) = self.speaker(source, *at) else { return };
        let before = node.health;
        node.heard = Some(*at);
        let answers_elsewhere = node.reached.as_ref().is_some_and(|place| place != source)
            && node.last_answer.is_some_and(|answered| age(*at, answered) < ELSEWHERE);
        match fact {
            // Another link to it has just been answered: that is where it is.
            Fact::Trouble(trouble) if answers_elsewhere && trouble.health.is_down() => {
                node.announced = Some(trouble.health).filter(|_| node.address == *source);
            }
            Fact::Trouble(trouble) => {
                node.health = trouble.health;
                node.trouble = Some(trouble.clone());
            }
            answer => {
                node.last_answer = Some(*at);
                if node.reached.as_ref() != Some(source) {
                    node.reached = Some(source.clone());
                }
                // Replies to different questions arrive together: only PING says whether a node is well or slow.
                if let Fact::Pong(rtt) = answer {
                    node.latency = Some(*rtt);
                    node.health = if *rtt > slow { Health::Slow } else { Health::Up };
                    node.trouble = None;
                }
            }
        }
        let mut notable = node.health != before;
        match fact {
            Fact::Info(info) => {
                notable |= node.info.as_ref().is_none_or(|old| !old.stands_like(info));
                if let (Some(old), Some(since)) = (&node.info, node.info_at) {
                    node.rates = rates::between(old, info, age(*at, since));
                    let copies = rates::full_copies(old, info);
                    notable |= copies > 0;
                    if copies > 0 {
                        let surplus = (node.full_copies.len() + 1).saturating_sub(FULL_COPIES);
                        node.full_copies.drain(..surplus);
                        node.full_copies.push((*at, copies));
                    }
                }
                if node.info.as_ref().is_none_or(|old| old.run_id != info.run_id) {
                    node.process_heard = Some(*at);
                }
                node.info = Some(info.clone());
                node.info_at = Some(*at);
                // Outside of a cluster INFO is all there is to tell who replicates whom.
                let place = !node.id.is_member();
                self.lags_due = true;
                self.unsettled |= place;
            }
            Fact::ClusterInfo(info) => {
                notable |= node.cluster_info.as_ref() != Some(info);
                node.cluster_info = Some(info.clone());
            }
            Fact::Inbound(nodes) => node.inbound = Some((*at, nodes.clone())),
            Fact::Settings(settings) => node.settings = Some(settings.clone()),
            Fact::View(view) => {
                let news = node.view.as_ref().is_none_or(|old| !old.says_the_same(view));
                if news {
                    node.digest = Digest::of(view);
                }
                node.view = Some(view.clone());
                node.view_at = Some(*at);
                self.unsettled |= news;
            }
            _ => {}
        }
        self.notable |= notable | self.unsettled;
        self.note_health(source, before, *at);
        self.note_refusal(source);
    }

    /// Whether it would take a write decides which slots are served.
    fn note_refusal(&mut self, source: &Address) {
        let Some(node) = self.by_address.get(source).and_then(|id| self.nodes.get_mut(id)) else { return };
        let refuses = refusal::of(node);
        if refuses != node.refuses {
            node.refuses = refuses;
            self.unsettled = true;
        }
    }

    /// Whether anything came in since the last call that is more than new figures: worth a look at once.
    pub fn take_notable(&mut self) -> bool {
        std::mem::take(&mut self.notable)
    }

    /// Draws the conclusions from everything applied since the last call; cheap when nothing changed.
    /// Returns what changed, oldest first.
    pub fn settle(&mut self, now: Time) -> Vec<Change> {
        self.unsettled |= self.judge_silent(now);
        if std::mem::take(&mut self.unsettled) | self.doubtful {
            settle::topology(self, now);
            // Who has just got an id by the others' views can be judged by them.
            if self.judge_silent(now) {
                settle::topology(self, now);
            }
            self.lags_due = true;
        }
        if std::mem::take(&mut self.lags_due) {
            settle::lags(self);
            history::observe(self, now);
        }
        std::mem::take(&mut self.changes)
    }

    /// Two INFO replies that happened to come soon after each other are no measurement.
    pub fn forget_rates(&mut self) {
        for node in self.nodes.values_mut() {
            node.rates = Rates::default();
        }
    }

    /// Adds one sample a node to the series; call it once a poll interval. Answers older than `stale` leave a gap.
    pub fn sample(&mut self, now: Time, stale: Duration) {
        for node in self.nodes.values_mut() {
            let fresh = node.info_at.is_some_and(|at| age(now, at) <= stale) && node.health.is_alive();
            let (rates, latency, lag) = (node.rates, node.latency, node.lag_bytes);
            let memory = node.memory_percent().map(|(percent, _)| percent);
            let clients = node.info.as_ref().and_then(|info| info.connected_clients);
            node.series.push(|metric| if fresh { sample(metric, &rates, latency, lag, memory, clients) } else { None });
        }
    }

    fn count_slots(&mut self, counts: &[(u16, u32)]) {
        for &(slot, count) in counts {
            if let Some(entry) = self.slot_keys.get_mut(usize::from(slot)) {
                *entry = Some(count);
            }
        }
    }

    /// Rooms, players, keys and bytes in the slots that nobody serves, with the number of those slots.
    pub fn unserved(&self) -> (SlotSet, super::RoomTally) {
        let slots = self.topology.unserved();
        let tally = self.rooms.in_slots(&slots);
        (slots, tally)
    }
}

fn sample(
    metric: Metric,
    rates: &Rates,
    latency: Option<Duration>,
    lag: Option<u64>,
    memory: Option<f64>,
    clients: Option<u64>,
) -> Option<f64> {
    match metric {
        Metric::Ops => rates.ops_per_sec,
        Metric::Latency => latency.map(|rtt| rtt.as_secs_f64() * 1000.0),
        Metric::Memory => memory,
        Metric::Cpu => rates.cpu_percent,
        Metric::NetIn => rates.net_in_bytes_per_sec,
        Metric::NetOut => rates.net_out_bytes_per_sec,
        Metric::Clients => clients.map(|count| count as f64),
        Metric::HitRate => rates.hit_percent,
        Metric::Evictions => rates.evicted_per_sec,
        Metric::Lag => lag.map(|bytes| bytes as f64),
    }
}
