//! PURE. The only door for facts: what was learnt, from whom, when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Address, ClusterInfo, Health, Info, NodeId, Recall, Remembered, Room, ServerSettings, Time, Trouble, View};

/// One fact with its source and time. A recording is a stream of these.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The address the link was told to reach (after any address map it is still the announced one).
    pub source: Address,
    /// When the answer came, or the attempt was given up.
    pub at: Time,
    pub fact: Fact,
}

/// What can be learnt.
#[derive(Clone, Debug)]
pub enum Fact {
    /// PING came back in this time.
    Pong(Duration),
    Info(Arc<Info>),
    /// CLUSTER NODES.
    View(Arc<View>),
    ClusterInfo(Arc<ClusterInfo>),
    /// CLUSTER LINKS: whose bus connections the source has accepted. Asked while the source misses one of its own.
    Inbound(Arc<BTreeSet<NodeId>>),
    /// The source speaks for a node that announces another address; how that one answered, None once it is well.
    Announced(Option<Health>),
    /// What its configuration says (CONFIG GET): now and then is enough.
    Settings(Arc<ServerSettings>),
    /// A call did not give a result. One such per failed probe.
    Trouble(Trouble),
    /// A piece of a scan through one master's keys.
    Rooms(RoomScan),
    /// Keys per slot, as counted on the source.
    SlotKeys(Arc<Vec<(u16, u32)>>),
    /// Keys per slot that lie on the source, which owns none of these slots. Told when it is not what was told before.
    Strays(Arc<Vec<(u16, u32)>>),
    /// What was found in the state folder; the source says nothing.
    Remembered(Arc<Remembered>),
    /// Nodes that are remembered are asked, because no configured one tells who is in the cluster.
    Recall(Recall),
    /// What players of the demo feel; the source is the demo itself.
    Play(PlayStats),
}

/// Rooms found on one master in one batch of a scan.
#[derive(Clone, Debug, Default)]
pub struct RoomScan {
    /// Counts scans of this source; a new number starts a new scan.
    pub scan: u64,
    pub rooms: Vec<Room>,
    /// Rooms were looked for under a code of which nothing is left.
    pub gone: Vec<Arc<str>>,
    /// The scan has been through every key: rooms of this source that it did not see are gone.
    pub done: bool,
    /// This user may not go through the keys of this source (SCAN): nothing is known of its rooms.
    pub denied: bool,
    /// It has found more rooms than could be kept in mind; told when it is done.
    pub partial: bool,
    /// Keys looked at so far in this scan.
    pub keys_seen: u64,
    /// When the scan began; told when it is done.
    pub began: Option<Time>,
}

/// What the demo's players feel. Counts are since the start of play.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlayStats {
    pub acknowledged: u64,
    pub refused: u64,
    /// Sent, and the connection gave no answer: applied or not.
    pub unknown: u64,
    /// Acknowledged, read back from the final owner, and absent.
    pub lost: u64,
    /// How long the worst-served shard has been without an acknowledged write, when that is longer than usual.
    pub gap: Option<Duration>,
    /// The last gap that ended, and the longest one.
    pub last_gap: Option<Duration>,
    pub worst_gap: Option<Duration>,
    pub writes_per_sec: f64,
}
