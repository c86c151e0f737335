//! PURE. What the servers said, and what follows from it: the shared model of one cluster.
//!
//! Facts enter as [`Observation`]s through [`Model::apply`]; nothing here reads a clock, a socket or the environment.

mod address;
pub mod election;
mod estranged;
mod fault;
mod health;
mod history;
mod info;
mod metric;
mod model;
mod names;
mod node;
mod observation;
pub mod parse;
mod partition;
mod refusal;
mod room;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod series;
mod settings;
mod slot;
mod standing;
mod topology;
mod view;
mod written;

pub use address::Address;
pub use estranged::{Estranged, estranged, former_owners, from_outside, outside, outsider, without_cluster_mode};
pub use fault::Fault;
pub use health::{Health, Trouble};
pub use history::{
    GoneRooms, History, Incident, IncidentKind, JoinedNode, KnownNode, KnownRoom, LostData, Memory, Owner, Picture, Recall,
    Remembered, RoomsPicture, ShardPicture, Sighting, Takeover, VERSION,
};
pub use info::{ClusterInfo, Info, ReplicaLink, Server};
pub use metric::{METRICS, Metric, MetricSpec};
pub use model::{Change, ChangeKind, Model};
pub use names::{Letters, ShardName};
pub use node::{Node, NodeId, NodeRole, PeerWord, Rates};
pub use observation::{Fact, Observation, PlayStats, RoomScan};
pub use partition::{Partition, PartitionSide, partition};
pub use refusal::WriteRefusal;
pub use room::{Room, RoomFound, RoomTally, Rooms};
pub use series::{Ring, Series};
pub use settings::ServerSettings;
pub use slot::{SLOTS, SlotRange, SlotSet, hash_tag, key_slot};
pub use standing::{Standing, standing};
pub use topology::{Conflict, OpenSlot, Shard, Topology, TopologyKind};
pub use view::{Flags, Member, Open, OpenDirection, Opinion, View, opinions};

/// A point in time, always passed in: pure modules never read a clock.
pub type Time = chrono::DateTime<chrono::Utc>;

/// How long ago `then` was; zero when clocks disagree and `then` lies ahead.
pub fn age(now: Time, then: Time) -> std::time::Duration {
    (now - then).to_std().unwrap_or_default()
}
