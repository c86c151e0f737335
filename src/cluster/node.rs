//! PURE. One server as the model knows it: who it is, what it last said, and the rates that follow.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::view::Digest;
use super::{
    Address, ClusterInfo, Flags, Health, Info, Series, ServerSettings, ShardName, SlotRange, Time, Trouble, View, WriteRefusal,
};

/// Who a server is. A cluster member has its 40-hex id for life; a server that has not told its id yet, or has none
/// (standalone), is known by its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    Member([u8; 20]),
    Place(u64),
}

impl NodeId {
    /// The identity of a server that is only known by its address (FNV-1a of it, stable across runs).
    pub fn place(address: &Address) -> Self {
        let hash = address
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self::Place(hash)
    }

    /// The first eight hex digits, enough to tell nodes apart on a screen.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }

    pub fn is_member(&self) -> bool {
        matches!(self, Self::Member(_))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Place(_) => Ok(()),
        }
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(_) => write!(f, "{}", self.short()),
            Self::Place(hash) => write!(f, "place:{hash:x}"),
        }
    }
}

impl FromStr for NodeId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0u8; 20];
        if text.len() != 40 || !text.is_ascii() {
            return Err(());
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(drop)?;
            *byte = u8::from_str_radix(pair, 16).map_err(drop)?;
        }
        Ok(Self::Member(bytes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeRole {
    Master,
    Replica,
    Sentinel,
}

impl NodeRole {
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "replica",
            Self::Sentinel => "sentinel",
        }
    }
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What two successive INFO replies of one server come to, per second or in percent; None where they do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub ops_per_sec: Option<f64>,
    /// Of one core, main thread.
    pub cpu_percent: Option<f64>,
    /// Error replies of all commands, MOVED and ASK not counted; None below 100 commands.
    pub error_percent: Option<f64>,
    /// Commands that were answered with MOVED, of all; None below 100 commands.
    pub moved_percent: Option<f64>,
    pub hit_percent: Option<f64>,
    pub net_in_bytes_per_sec: Option<f64>,
    pub net_out_bytes_per_sec: Option<f64>,
    pub evicted_per_sec: Option<f64>,
    /// Bytes of replication stream a second (masters).
    pub replication_bytes_per_sec: Option<f64>,
}

/// What the nodes that answer say of one that does not answer this console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeerWord {
    /// Nobody who could know has been heard since.
    #[default]
    Unknown,
    /// They have heard from it since it fell silent here, or would have missed it by now.
    Connected,
    /// They are connected to it, and could not have missed it yet.
    Undecided,
    /// Their own connections to it are gone, and yet it goes on speaking to them: it lives, and is not where it says it is.
    Heard,
    /// They have lost it too, or doubt it.
    Gone,
}

/// A server in the model.
#[derive(Clone, Debug)]
pub struct Node {
    pub id: NodeId,
    /// Where others say it is; what screens call it.
    pub address: Address,
    pub hostname: Option<Arc<str>>,
    pub role: NodeRole,
    /// The master it replicates, when it is a replica that knows one.
    pub master: Option<NodeId>,
    pub epoch: u64,
    /// Its flags: its own line's, and `fail` or `fail?` where others say so.
    pub flags: Flags,
    /// Slots it owns by its own word, or by the others' word while it does not speak.
    pub slots: Vec<SlotRange>,
    pub slot_count: u16,
    /// The shard it belongs to, when known.
    pub shard: Option<ShardName>,

    pub health: Health,
    pub health_since: Time,
    pub trouble: Option<Trouble>,
    /// When it last gave a good answer.
    pub last_answer: Option<Time>,
    /// Round trip of the last PING.
    pub latency: Option<Duration>,

    pub info: Option<Arc<Info>>,
    pub info_at: Option<Time>,
    /// When this process of it first told of itself.
    pub(super) process_heard: Option<Time>,
    pub cluster_info: Option<Arc<ClusterInfo>>,
    pub view: Option<Arc<View>>,
    pub view_at: Option<Time>,
    pub settings: Option<Arc<ServerSettings>>,
    /// Keys it holds in slots of others, by slot, as its last scan found them.
    pub strays: Arc<Vec<(u16, u32)>>,
    /// When it was last seen to go from master to replica: voters do not vote about it again for a while.
    pub demoted_at: Option<Time>,
    /// Fingerprints of that view.
    pub(super) digest: Digest,
    /// A line of somebody's view has said what it is: before that role and slots are mere defaults.
    pub(super) placed: bool,
    /// Others have named it, or the only one there is to ask.
    pub(super) counted: bool,
    /// The address under which it last gave a good answer.
    pub reached: Option<Address>,
    /// When anything was last learnt about it, good or bad.
    pub(super) heard: Option<Time>,
    /// It accepted connections, or swallowed packets, in its present silence: it may be no more than a stall.
    pub(super) froze: bool,
    /// Since when another node answers at its address.
    pub(super) displaced: Option<Time>,
    /// Since when it has given no answer at all, whatever way it failed; None while it answers.
    pub silent_since: Option<Time>,
    /// What the others say of it meanwhile.
    pub peers: PeerWord,
    /// Whose bus connections it has accepted, when it last told.
    pub inbound: Option<(Time, Arc<BTreeSet<NodeId>>)>,
    /// How the address that it announces answers this console, while another one is used to reach it.
    pub announced: Option<Health>,
    /// When it last fell silent for a moment and answered again, newest last, bounded: when that ended, and for how long.
    pub stalls: Vec<(Time, Duration)>,
    /// When it was seen to have given everything to a replica, newest last, bounded: when, and how many times since before.
    pub full_copies: Vec<(Time, u64)>,
    /// Why it would not take a write now, by its own word.
    pub refuses: Option<WriteRefusal>,

    pub rates: Rates,
    /// Bytes its master has sent into the stream and it has not applied; None when one of the two is silent.
    pub lag_bytes: Option<u64>,
    pub series: Series,
    pub first_seen: Time,
}

impl Node {
    pub fn new(id: NodeId, address: Address, now: Time) -> Self {
        Self {
            id,
            address,
            hostname: None,
            role: NodeRole::Master,
            master: None,
            epoch: 0,
            flags: Flags::default(),
            slots: Vec::new(),
            slot_count: 0,
            shard: None,
            health: Health::Unknown,
            health_since: now,
            trouble: None,
            last_answer: None,
            latency: None,
            info: None,
            info_at: None,
            process_heard: None,
            cluster_info: None,
            view: None,
            view_at: None,
            settings: None,
            strays: Arc::default(),
            demoted_at: None,
            digest: Digest::default(),
            placed: false,
            counted: false,
            reached: None,
            heard: None,
            froze: false,
            displaced: None,
            silent_since: None,
            peers: PeerWord::default(),
            inbound: None,
            announced: None,
            stalls: Vec::new(),
            full_copies: Vec::new(),
            refuses: None,
            rates: Rates::default(),
            lag_bytes: None,
            series: Series::default(),
            first_seen: now,
        }
    }

    /// Takes over what was learnt of it while it was known by its place only.
    pub(super) fn learn_from(&mut self, before: Node) {
        self.health = before.health;
        self.health_since = before.health_since;
        self.silent_since = before.silent_since;
        self.refuses = before.refuses;
        self.trouble = before.trouble;
        self.latency = before.latency;
        self.last_answer = before.last_answer;
        self.heard = before.heard;
        self.reached = before.reached;
        self.info = before.info;
        self.info_at = before.info_at;
        self.process_heard = before.process_heard;
        self.rates = before.rates;
        self.cluster_info = before.cluster_info;
        self.settings = before.settings;
    }

    /// It has been known for long, and has just been heard at a new place before it told its id there: the answers from
    /// there are the newer ones.
    pub(super) fn learn_newer(&mut self, before: Node) {
        if before.info_at > self.info_at {
            self.info = before.info;
            self.info_at = before.info_at;
            self.process_heard = before.process_heard;
        }
        self.cluster_info = before.cluster_info.or(self.cluster_info.take());
        self.settings = before.settings.or(self.settings.take());
        if before.last_answer > self.last_answer && before.health.is_alive() {
            self.health = before.health;
            self.trouble = before.trouble;
            self.latency = before.latency;
            self.last_answer = before.last_answer;
            self.heard = before.heard;
            self.reached = before.reached;
        }
    }

    pub fn is_master(&self) -> bool {
        self.role == NodeRole::Master
    }

    pub fn is_replica(&self) -> bool {
        self.role == NodeRole::Replica
    }

    /// Where this console reaches it: the address that it announces, unless nobody answers there and it does elsewhere.
    pub fn place(&self) -> &Address {
        let misplaced = self.announced.is_some_and(Health::is_down) && self.health.is_alive();
        self.reached.as_ref().filter(|_| misplaced).unwrap_or(&self.address)
    }

    /// It does not answer this console while the other nodes are in touch with it: not a node that is down. A process that
    /// accepts connections and does not answer is down until its peers have had the time to miss it and did not.
    pub fn is_out_of_reach(&self) -> bool {
        self.health.is_down()
            && match self.peers {
                PeerWord::Connected | PeerWord::Heard => true,
                PeerWord::Undecided => self.health != Health::Frozen,
                PeerWord::Unknown | PeerWord::Gone => false,
            }
    }

    /// It does not answer, and that is its fault and not this console's.
    pub fn is_down(&self) -> bool {
        self.has_no_address() || self.health.is_down() && !self.is_out_of_reach()
    }

    /// The others know of it and nobody knows where it is: no client is sent there, whatever slots it is said to own.
    pub fn has_no_address(&self) -> bool {
        self.flags.noaddr && !self.health.is_alive()
    }

    /// Its clients get answers, as far as is known.
    pub fn serves(&self) -> bool {
        !self.has_no_address() && (self.health.serves() || self.is_out_of_reach())
    }

    /// It would take a write now, as far as is known.
    pub fn takes_writes(&self) -> bool {
        self.serves() && self.refuses.is_none()
    }

    /// Percent of `maxmemory` used, or of the host's RAM when there is no limit (then the flag is true).
    pub fn memory_percent(&self) -> Option<(f64, bool)> {
        self.info.as_ref()?.memory_percent()
    }

    /// The replica's link to its master, by its own word.
    pub fn link_up(&self) -> Option<bool> {
        self.info.as_ref()?.master_link_up
    }

    /// How old the newest good answer is.
    pub fn silence(&self, now: Time) -> Option<Duration> {
        self.last_answer.map(|at| super::age(now, at))
    }
}
