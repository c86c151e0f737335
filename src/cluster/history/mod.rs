//! PURE. What is remembered of this cluster beside what its servers say now: its nodes, when all was well, and what has
//! happened since without a known cause.
//!
//! ```text
//!  state folder ─► Fact::Remembered ─► recognised by its nodes' ids ─► letters, picture, incidents
//!  settled model ─► picture (when all is well) ─► compared with every later one ─► incidents ─► state folder
//! ```

mod compare;
mod evidence;
mod incident;
mod memory;
mod picture;
mod returned;
mod takeover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use incident::{GoneRooms, Incident, IncidentKind, JoinedNode, LostData, Owner};
pub use memory::{KnownNode, KnownRoom, Memory, Picture, RoomsPicture, ShardPicture, Sighting, VERSION};

pub use takeover::Takeover;

use super::{Address, Model, NodeId, Time};
use compare::Suspicion;

/// What was found in the state folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// Addresses that this program was told to ask.
    pub seeds: Vec<Address>,
    /// What of it may be about this cluster.
    pub memories: Vec<Memory>,
    /// What could not be read, in sentences.
    pub notes: Vec<String>,
}

impl Remembered {
    /// The newest memory that knows one of the seeds: whom to ask when none of them answers.
    pub fn by_seed(&self) -> Option<&Memory> {
        self.memories.iter().filter(|memory| memory.knows(&self.seeds)).max_by_key(|memory| memory.at)
    }
}

/// None of the configured nodes tells who is in the cluster: remembered ones are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recall {
    pub nodes: usize,
    /// From when the memory of them is.
    pub at: Time,
    /// All of them have been tried, and it may be that none answers.
    pub in_vain: bool,
}

/// What a node has been seen to do since the picture.
#[derive(Clone, Debug, Default)]
struct Track {
    /// It, or what others say of it, was last not well.
    down_at: Option<Time>,
    /// Slots it had when it first spoke for itself.
    brought: Option<Vec<super::SlotRange>>,
    /// Commands it had counted when the picture was taken.
    orders: Option<u64>,
    /// Its process, and the deletions that this one has counted by its last word.
    deletions: Option<(String, u64)>,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    remembered: Option<Arc<Remembered>>,
    /// It will be told what is remembered.
    pub(super) expected: bool,
    /// It is known which memory is this cluster's, if any.
    recognised: bool,
    key: String,
    seeds: Vec<Address>,
    known: BTreeMap<NodeId, KnownNode>,
    picture: Option<Arc<Picture>>,
    /// The picture is this program's own: it has watched since.
    watched: bool,
    candidate: Option<Arc<Picture>>,
    incidents: Vec<Incident>,
    tracks: BTreeMap<NodeId, Track>,
    suspicion: Option<Suspicion>,
    /// Since when there are nodes that joined and have slots of which it is not known how they came by them.
    undecided: Option<Time>,
    /// Changes of owners that have been accounted for since the picture.
    handled: BTreeSet<(NodeId, NodeId)>,
    /// Masters that came back and whose rooms have not been looked for yet; and the processes of which that is over.
    returned: Vec<returned::Returned>,
    held: BTreeSet<String>,
    takeovers: Vec<Takeover>,
    /// Of those that are told, who was replaced and when.
    told: BTreeSet<(NodeId, Time)>,
    recall: Option<Recall>,
    /// What did not hold when the cluster was looked at before this program was there.
    sightings: Vec<Sighting>,
    /// What does not hold now.
    sighted: Vec<Sighting>,
    /// Counts what is worth writing down at once.
    revision: u64,
}

impl History {
    /// Incidents that nobody has acknowledged yet, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(|incident| incident.acknowledged.is_none())
    }

    pub fn picture(&self) -> Option<&Picture> {
        self.picture.as_deref()
    }

    /// Remembered nodes are being asked.
    pub fn recall(&self) -> Option<&Recall> {
        self.recall.as_ref().filter(|recall| recall.nodes > 0)
    }

    /// What did not hold when the cluster was last looked at, by a program before this one.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// Takes in what does not hold now, for whoever looks next.
    pub fn sight(&mut self, mut sighted: Vec<Sighting>) {
        sighted.truncate(memory::SIGHTINGS);
        let same =
            |(new, old): (&Sighting, &Sighting)| new.rule == old.rule && new.subject == old.subject && new.first == old.first;
        if sighted.len() != self.sighted.len() || !sighted.iter().zip(&self.sighted).all(same) {
            self.revision += 1;
        }
        self.sighted = sighted;
    }

    /// What could not be read of what was written down.
    pub fn notes(&self) -> &[String] {
        self.remembered.as_ref().map_or(&[], |remembered| &remembered.notes)
    }

    /// The state folder has been looked into.
    pub fn is_loaded(&self) -> bool {
        self.remembered.is_some()
    }

    /// The name of this cluster's file, empty until one is known.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Changes whenever there is something that should be written down soon.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The state folder has not been looked into yet, or nodes remembered there are still being asked.
    pub(super) fn may_recall(&self) -> bool {
        match (&self.remembered, &self.recall) {
            (_, Some(recall)) => !recall.in_vain,
            (Some(remembered), None) => remembered.by_seed().is_some(),
            (None, None) => false,
        }
    }

    pub(super) fn note_recall(&mut self, recall: Recall) {
        self.recall = Some(recall);
    }

    /// Takes in what was found in the state folder; again later, when another program has written there.
    pub(super) fn remember(&mut self, remembered: &Arc<Remembered>) {
        self.remembered = Some(remembered.clone());
        for seed in &remembered.seeds {
            if !self.seeds.contains(seed) {
                self.seeds.push(seed.clone());
            }
        }
    }

    /// Marks incidents as seen by somebody. Returns how many there were.
    pub fn acknowledge(&mut self, which: impl Fn(&Incident) -> bool, now: Time) -> usize {
        let mut count = 0;
        for incident in self.incidents.iter_mut().filter(|incident| incident.acknowledged.is_none() && which(incident)) {
            incident.acknowledged = Some(now);
            count += 1;
        }
        self.revision += u64::from(count > 0);
        count
    }

    fn add(&mut self, what: IncidentKind, now: Time) {
        match self.incidents.iter_mut().find(|incident| incident.what.is(&what)) {
            Some(incident) if incident.what == what => return,
            Some(incident) => incident.what = what,
            None => self.incidents.push(Incident { at: now, acknowledged: None, what }),
        }
        let surplus = self.incidents.len().saturating_sub(memory::INCIDENTS);
        self.incidents.drain(..surplus);
        self.revision += 1;
    }

    /// The picture that stands, with rooms that have been counted since; a program that only looks once has no better one
    /// than the one it has just taken.
    fn newest(&self, model: &Model, now: Time) -> Option<Picture> {
        // Rooms may have been counted since the first one was taken.
        if !self.watched && picture::is_well(model) && !self.awaits_rooms() {
            return picture::take(model, self.picture.as_deref(), now);
        }
        let (stands, taken) = (self.picture.as_deref(), self.candidate.as_deref());
        let (first, second) = if self.watched { (stands, taken) } else { (taken, stands) };
        let mut picture = first.or(second).cloned()?;
        second.into_iter().for_each(|other| picture.complete(other));
        Some(picture)
    }

    /// What should be written down now; None while no member of the cluster is known.
    pub fn memory(&self, model: &Model, now: Time) -> Option<Memory> {
        if self.known.is_empty() || self.remembered.is_none() {
            return None;
        }
        let mut letters = model.letters().clone();
        letters.trim(|id| model.node(id).is_some(), now);
        Some(Memory {
            version: VERSION,
            key: self.key.clone(),
            name: model.name.clone(),
            at: now,
            seeds: self.seeds.clone(),
            nodes: self.known.values().cloned().collect(),
            letters: letters.members().collect(),
            letters_seen: letters.seen().collect(),
            picture: self.newest(model, now),
            incidents: self.incidents.clone(),
            takeovers: self.takeovers.clone(),
            sightings: self.sighted.clone(),
        })
    }
}

/// Finds out which memory is about this cluster, as soon as it is known who is in it, and adopts it. To be called before
/// shards get their letters.
pub(super) fn recognise(model: &mut Model) {
    let Some(remembered) = model.history.remembered.clone() else { return };
    let here = |id: &NodeId| model.node(*id).is_some_and(|node| node.counted);
    if !model.nodes().any(|node| node.id.is_member() && node.counted) {
        return;
    }
    let shared = |memory: &Memory| memory.nodes.iter().filter(|node| here(&node.id)).count();
    let mut candidates = remembered.memories.iter().filter(|memory| shared(memory) > 0);
    let ours = if model.history.recognised && !model.history.key.is_empty() {
        candidates.rfind(|memory| memory.key == model.history.key)
    } else {
        // After two clusters have become one, the memory is the one of the cluster that was asked for.
        candidates.max_by_key(|memory| (memory.knows(&remembered.seeds), shared(memory), std::cmp::Reverse(memory.key.clone())))
    };
    let first = !std::mem::replace(&mut model.history.recognised, true);
    let Some(memory) = ours else { return };
    model.letters.adopt(&memory.letters());
    let history = &mut model.history;
    history.key.clone_from(&memory.key);
    for incident in &memory.incidents {
        match history.incidents.iter_mut().find(|known| known.is(incident)) {
            Some(known) => known.take_in(incident),
            None => history.incidents.push(incident.clone()),
        }
    }
    history.adopt_takeovers(&memory.takeovers);
    if first {
        for seed in &memory.seeds {
            if !history.seeds.contains(seed) {
                history.seeds.push(seed.clone());
            }
        }
        // One of our own may have been faster than the file, and not have counted rooms yet.
        let mut picture = history.picture.as_deref().or(memory.picture.as_ref()).cloned();
        picture.iter_mut().zip(&memory.picture).for_each(|(picture, before)| picture.complete(before));
        history.picture = picture.map(Arc::new);
        history.sightings.clone_from(&memory.sightings);
    }
}

/// Compares the settled model with the last well picture, and takes a new one when all is well.
pub(super) fn observe(model: &mut Model, now: Time) {
    if model.awaits_memory() || (model.history.remembered.is_some() && !model.history.recognised) {
        return;
    }
    let mut history = std::mem::take(&mut model.history);
    history.know(model);
    if let Some(picture) = history.picture.clone() {
        history.take_note(model, &picture, now);
        history.compare(model, &picture, now);
    }
    history.follow_takeovers(model, now);
    history.picture_when_well(model, now);
    model.history = history;
}
