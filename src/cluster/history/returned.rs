//! PURE. Masters that were started again: which of the rooms that were known there are gone, once all of their keys have been
//! looked at anew.

use chrono::TimeDelta;

use super::compare::{RECENT, fresh, lost};
use super::evidence::{deletions, was_flushed};
use super::{GoneRooms, History, IncidentKind, Picture, ShardPicture};
use crate::cluster::{Info, Model, Node, SlotSet, Time, key_slot};
use crate::escape;

/// Codes that an incident names.
const NAMED: usize = 12;
/// A scan that is not through by then is not waited for any more.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);
/// Within so long hardly a room has ended, where nobody has counted that.
const MOMENT: TimeDelta = TimeDelta::minutes(1);

/// A master that runs as another process than in the picture, and has not been scanned through since.
#[derive(Clone, Debug)]
pub(super) struct Returned {
    shard: ShardPicture,
    run_id: String,
    /// When the picture was taken, when the process was started, and when that was noticed.
    known: Time,
    started: Time,
    noticed: Time,
    /// Deletions that the process before it had counted between the picture and its last word.
    deleted: Option<u64>,
}

impl History {
    /// A picture is kept until everybody who came back has been held against it.
    pub(in crate::cluster) fn awaits_rooms(&self) -> bool {
        !self.returned.is_empty()
    }

    /// Notes masters that came back, and looks whether those that have been scanned through have the rooms they had.
    pub(super) fn returns(&mut self, model: &Model, picture: &Picture, now: Time) {
        for shard in &picture.shards {
            let Some((node, info, run_id)) = restarted(model, shard, picture.at) else {
                self.keep_last_word(model, shard);
                continue;
            };
            let is_known = self.returned.iter().any(|returned| returned.run_id == run_id) || self.held.contains(run_id);
            let rooms = shard.rooms.as_ref().filter(|rooms| rooms.known.is_some() && rooms.rooms > 0);
            if is_known || rooms.is_none() || was_flushed(info) {
                continue;
            }
            let up = info.uptime_seconds.and_then(|up| i64::try_from(up).ok()).and_then(TimeDelta::try_seconds);
            let (started, noticed) = (up.map_or(now, |up| now - up), node.process_heard.unwrap_or(now));
            if started - picture.at > RECENT {
                continue;
            }
            let track = self.tracks.get(&shard.owner);
            let last = track.and_then(|track| track.deletions.as_ref()).filter(|(of, _)| *of == shard.run_id);
            let deleted = last.zip(shard.deletions).map(|((_, last), then)| last.saturating_sub(then));
            let (shard, run_id) = (shard.clone(), run_id.to_owned());
            self.returned.push(Returned { shard, run_id, known: picture.at, started, noticed, deleted });
        }
        for returned in std::mem::take(&mut self.returned) {
            let owner = model.node(returned.shard.owner);
            let scanned = owner.is_some_and(|node| model.rooms().scanned_since(&node.address, returned.noticed));
            let is_over = now - returned.noticed > PATIENCE || owner.is_none_or(|node| !node.is_master() || node.slot_count == 0);
            if scanned {
                self.hold(model, &returned, now);
            }
            if scanned || is_over {
                self.held.insert(returned.run_id);
            } else {
                self.returned.push(returned);
            }
        }
    }

    /// What the process of the picture has counted: another one counts from zero.
    fn keep_last_word(&mut self, model: &Model, shard: &ShardPicture) {
        let info = model.node(shard.owner).and_then(|node| node.info.as_deref());
        let same = info.filter(|info| info.run_id.as_deref() == Some(&*shard.run_id));
        if let (Some(track), Some(counted)) = (self.tracks.get_mut(&shard.owner), same.and_then(deletions)) {
            track.deletions = Some((shard.run_id.clone(), counted));
        }
    }

    fn hold(&mut self, model: &Model, returned: &Returned, now: Time) {
        let shard = &returned.shard;
        let Some((node, info)) = fresh(model, shard.owner, returned.known) else { return };
        // Somebody emptied it, or it is another process again: then that one is waited for.
        if info.run_id.as_deref() != Some(&*returned.run_id) || was_flushed(info) {
            return;
        }
        let Some(known) = shard.rooms.as_ref().and_then(|rooms| rooms.known.clone()) else { return };
        let slots: SlotSet = node.slots.iter().collect();
        let gone = known.iter().filter(|room| {
            let ended = room.gone_by.is_some_and(|at| at <= now);
            !ended && slots.contains(key_slot(&escape::bytes(&room.code))) && model.rooms().get(&room.code).is_none()
        });
        let gone: Vec<_> = gone.collect();
        if gone.is_empty() {
            return;
        }
        let rooms = gone.len() as u64;
        let deleted = returned.deleted.zip(deletions(info)).map(|(before, since)| before + since);
        let at_once = returned.started - returned.known <= MOMENT;
        let gone = GoneRooms {
            rooms,
            players: gone.iter().map(|room| u64::from(room.players)).sum(),
            codes: gone.iter().take(NAMED).map(|room| room.code.to_string()).collect(),
            maybe_ended: deleted.map_or(!at_once, |deleted| deleted >= rooms),
        };
        let what = IncidentKind::CameBackEmpty {
            node: node.id,
            shard: shard.name,
            run_id: returned.run_id.clone(),
            lost: lost(shard, returned.known),
            left: info.keys,
            gone: Some(gone),
        };
        match self.incidents.iter_mut().find(|incident| incident.what.is(&what)) {
            // It was found by its keys before its rooms had been looked at.
            Some(known) => {
                if let (IncidentKind::CameBackEmpty { gone: before @ None, .. }, IncidentKind::CameBackEmpty { gone, .. }) =
                    (&mut known.what, what)
                {
                    *before = gone;
                    self.revision += 1;
                }
            }
            None => self.add(what, now),
        }
    }
}

/// It answers as a master with slots, and is not the process of the picture.
pub(super) fn restarted<'a>(model: &'a Model, shard: &ShardPicture, at: Time) -> Option<(&'a Node, &'a Info, &'a str)> {
    let (node, info) = fresh(model, shard.owner, at)?;
    let run_id = info.run_id.as_deref().filter(|run_id| *run_id != shard.run_id)?;
    (node.is_master() && node.slot_count > 0).then_some((node, info, run_id))
}
