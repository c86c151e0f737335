//! PURE. What is remembered of a cluster from one run of the program to the next.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::Incident;
use super::takeover::Takeover;
use crate::cluster::names::Letters;
use crate::cluster::{Address, NodeId, NodeRole, ShardName, SlotSet, Time};

/// The form of the file; another number is another program's.
pub const VERSION: u32 = 1;
/// Nodes, shards and incidents that one memory keeps at most.
pub(super) const NODES: usize = 2000;
pub(super) const INCIDENTS: usize = 32;
pub(super) const SIGHTINGS: usize = 500;

/// One cluster, as it was last seen. It belongs to whatever cluster has these nodes, by their ids: names and addresses are
/// given anew, ids are not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub version: u32,
    /// The name of its file, without the folder: chosen when it is first written.
    #[serde(skip)]
    pub key: String,
    /// What the operator called it then.
    pub name: String,
    pub at: Time,
    /// Addresses under which operators have asked for it.
    pub seeds: Vec<Address>,
    pub nodes: Vec<KnownNode>,
    pub letters: Vec<(NodeId, ShardName)>,
    pub letters_seen: Vec<(ShardName, Time)>,
    pub picture: Option<Picture>,
    pub incidents: Vec<Incident>,
    #[serde(default)]
    pub takeovers: Vec<Takeover>,
    #[serde(default)]
    pub sightings: Vec<Sighting>,
}

/// A node of the cluster, as last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownNode {
    pub id: NodeId,
    /// Where others say it is.
    pub address: Address,
    /// Where this program asked it, when that is another address.
    pub asked: Option<Address>,
    /// `master` or `replica`.
    pub role: String,
    /// When it last answered.
    pub seen: Time,
}

impl KnownNode {
    pub(super) fn new(id: NodeId, address: Address, asked: Option<Address>, role: NodeRole, seen: Time) -> Self {
        Self { id, address, asked, role: role.word().to_owned(), seen }
    }

    /// Where to ask it.
    pub fn place(&self) -> &Address {
        self.asked.as_ref().unwrap_or(&self.address)
    }
}

/// A rule that did not hold when the cluster was last looked at. Whoever looks once cannot wait until it has stood for as long
/// as it has to, and goes by this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    pub rule: String,
    /// The id of a node, the letter of a shard, or nothing where it is about the cluster.
    pub subject: String,
    pub first: Time,
    pub last: Time,
}

/// The cluster when all was well: what later pictures are compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub at: Time,
    /// The highest epoch.
    pub epoch: u64,
    /// Every member.
    pub nodes: BTreeSet<NodeId>,
    /// Shards with slots.
    pub shards: Vec<ShardPicture>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardPicture {
    pub name: ShardName,
    pub owner: NodeId,
    pub address: Address,
    pub replicas: Vec<NodeId>,
    pub slots: SlotSet,
    pub epoch: u64,
    /// The owner's process.
    pub run_id: String,
    /// Its stream of replication and how far it was.
    pub replid: Option<String>,
    pub offset: Option<u64>,
    pub keys: u64,
    /// Rooms, where every key had been looked at.
    pub rooms: Option<RoomsPicture>,
    /// Commands that move slots or roles, as counted by the owner; None where it does not tell.
    pub orders: Option<u64>,
    /// Commands that delete keys, counted likewise.
    #[serde(default)]
    pub deletions: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomsPicture {
    pub rooms: u64,
    pub players: u64,
    pub at: Time,
    /// When the last of them would be gone by itself; None when one does not expire.
    pub gone_by: Option<Time>,
    /// Each of them, where they are not too many to be kept.
    #[serde(default, with = "known")]
    pub known: Option<Arc<Vec<KnownRoom>>>,
}

/// A room of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(String, u32, Option<i64>)", into = "(String, u32, Option<i64>)")]
pub struct KnownRoom {
    pub code: Arc<str>,
    pub players: u32,
    /// When it would be gone by itself.
    pub gone_by: Option<Time>,
}

impl From<(String, u32, Option<i64>)> for KnownRoom {
    fn from((code, players, gone_by): (String, u32, Option<i64>)) -> Self {
        Self { code: code.into(), players, gone_by: gone_by.and_then(|at| Time::from_timestamp(at, 0)) }
    }
}

impl From<KnownRoom> for (String, u32, Option<i64>) {
    fn from(room: KnownRoom) -> Self {
        (room.code.to_string(), room.players, room.gone_by.map(|at| at.timestamp()))
    }
}

/// What is shared in memory is written out in the file.
mod known {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::KnownRoom;

    type RememberedRooms = Option<Arc<Vec<KnownRoom>>>;

    pub(super) fn serialize<S: Serializer>(known: &RememberedRooms, to: S) -> Result<S::Ok, S::Error> {
        known.as_deref().serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<RememberedRooms, D::Error> {
        Ok(Option::<Vec<KnownRoom>>::deserialize(from)?.map(Arc::new))
    }
}

impl Picture {
    /// Rooms of shards that are the same in both, where only the other has them.
    pub(super) fn complete(&mut self, other: &Picture) {
        for shard in self.shards.iter_mut().filter(|shard| shard.rooms.is_none()) {
            let same = |other: &&ShardPicture| other.run_id == shard.run_id && other.slots == shard.slots;
            shard.rooms = other.shards.iter().find(same).and_then(|other| other.rooms.clone());
        }
    }
}

impl Memory {
    /// Reads a file's text; the error says what is wrong with it.
    ///
    /// # Errors
    /// When it is torn, foreign, or of another version.
    pub fn read(text: &str) -> Result<Self, String> {
        let memory: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if memory.version != VERSION {
            return Err(format!("it is of version {}, this program reads {VERSION}", memory.version));
        }
        if memory.nodes.len() > NODES || memory.incidents.len() > INCIDENTS || memory.sightings.len() > SIGHTINGS {
            return Err("it has more than can be true of one cluster".into());
        }
        Ok(memory)
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// One of these addresses is, or was, a way to this cluster.
    pub fn knows(&self, seeds: &[Address]) -> bool {
        let known = |seed: &Address| {
            self.seeds.contains(seed) || self.nodes.iter().any(|node| node.address == *seed || node.asked.as_ref() == Some(seed))
        };
        seeds.iter().any(known)
    }

    pub(super) fn letters(&self) -> Letters {
        Letters::from_parts(self.letters.iter().copied(), self.letters_seen.iter().copied())
    }

    /// What two programs have seen of one cluster, this one later: letters that are written down stay, and what was
    /// acknowledged stays acknowledged; this one may have read the file before the other saw the rest of an incident.
    pub fn merged_over(mut self, written: &Memory) -> Self {
        let mut letters = self.letters();
        letters.adopt(&written.letters());
        self.letters = letters.members().collect();
        self.letters_seen = letters.seen().collect();
        for incident in &written.incidents {
            match self.incidents.iter_mut().find(|ours| ours.is(incident)) {
                Some(ours) => ours.take_in(incident),
                None => self.incidents.push(incident.clone()),
            }
        }
        self.incidents.sort_by_key(|incident| incident.at);
        let surplus = self.incidents.len().saturating_sub(INCIDENTS);
        self.incidents.drain(..surplus);
        for takeover in &written.takeovers {
            if !self.takeovers.iter().any(|ours| ours.is(takeover)) {
                self.takeovers.push(takeover.clone());
            }
        }
        self.takeovers.sort_by_key(|takeover| takeover.at);
        for seed in &written.seeds {
            if !self.seeds.contains(seed) {
                self.seeds.push(seed.clone());
            }
        }
        self.seeds.truncate(NODES);
        for node in &written.nodes {
            if self.picture.is_none() && !self.nodes.iter().any(|ours| ours.id == node.id) {
                self.nodes.push(node.clone());
            }
        }
        self.nodes.truncate(NODES);
        self.picture = self.picture.or_else(|| written.picture.clone());
        self.picture.iter_mut().zip(&written.picture).for_each(|(picture, before)| picture.complete(before));
        self.key.clone_from(&written.key);
        self
    }
}
