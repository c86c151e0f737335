//! IO. The engine for Valkey 9: the servers move slots by themselves, group by group; we start, watch, retry, cancel.
//!
//! A group's end is one pause of all writes on its giver, some 50 ms and half a millisecond for every thousand keys: groups
//! are so big that the keys are the smaller part of it.
//! The server rolls a failed migration back by itself and never tries again: that is done here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::meter::Meter;
use super::{Engine, Job, Stop};
use crate::cluster::{Model, Node, SlotSet};
use crate::exec::journal::Journal;
use crate::exec::survey;
use crate::exec::telling::Telling;
use crate::link::{Command, Failure, Lane, Links, Reply};
use crate::plan::{Pace, moves_atomically};

const WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at a migration under way.
const LOOK: Duration = Duration::from_millis(4);
const LOOK_LATER: Duration = Duration::from_millis(50);
/// A migration that has said nothing new for this long is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Times that one group is started.
const ATTEMPTS: u32 = 5;
/// Slots of a group whose keys are not known.
const BLIND: usize = 256;

/// Keys of a group whose keys have so many bytes on average.
fn keys_at_once(pace: Pace, bytes: f64) -> u64 {
    let (keys, at_once) = match pace {
        Pace::Calm => (50_000.0, 256.0 * 1024.0 * 1024.0),
        Pace::Fast => (250_000.0, 1024.0 * 1024.0 * 1024.0),
    };
    f64::max(1.0, at_once / bytes.max(1.0)).min(keys) as u64
}

pub(super) struct AtomicEngine {
    pub(super) telling: Telling,
    pub(super) meter: Meter,
    pub(super) journal: Journal,
    pub(super) halt: Arc<AtomicBool>,
    pub(super) pace: Pace,
    /// Of the giver's keys, on average.
    pub(super) key_bytes: f64,
}

/// One entry of CLUSTER GETSLOTMIGRATIONS.
#[derive(Clone, Debug, Default, PartialEq)]
struct Migration {
    name: String,
    export: bool,
    slots: SlotSet,
    state: String,
    message: String,
    created: i64,
}

impl Engine for AtomicEngine {
    async fn carry(&mut self, job: &Job) -> Result<(), Stop> {
        for (slots, keys) in self.groups(job).await {
            if self.telling.safe_point().await || self.halt.load(Ordering::Relaxed) {
                return Err(Stop { cancelled: true, ..Stop::default() });
            }
            let text = slots.iter().copied().collect::<SlotSet>().to_string();
            let line = json!({"open": text, "from": job.from.to_string(), "to": job.to.to_string()});
            self.journal.record(line).await.map_err(Stop::because)?;
            self.group(job, slots, keys).await?;
            self.meter.slots(slots.len());
            self.journal.record(json!({"closed": text})).await.map_err(Stop::because)?;
        }
        Ok(())
    }
}

impl AtomicEngine {
    /// The job's slots in groups of about as many keys each, with their keys, as counted beforehand.
    async fn groups<'a>(&self, job: &'a Job) -> Vec<(&'a [u16], u64)> {
        let link = self.telling.links.get(&job.from_at, Lane::Work);
        let counts =
            survey::pipelined(&link, job.slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")))).await;
        let keys: Option<Vec<u64>> = counts.iter().map(|reply| u64::try_from(reply.int()?).ok()).collect();
        match keys.filter(|keys| keys.len() == job.slots.len()) {
            Some(keys) => shares(&job.slots, &keys, keys_at_once(self.pace, self.key_bytes)),
            None => job.slots.chunks(BLIND).map(|slots| (slots, 0)).collect(),
        }
    }

    async fn group(&self, job: &Job, slots: &[u16], keys: u64) -> Result<(), Stop> {
        let wanted: SlotSet = slots.iter().copied().collect();
        let mut command = Command::words("CLUSTER MIGRATESLOTS SLOTSRANGE");
        for range in wanted.ranges() {
            command = command.arg(range.start.to_string()).arg(range.end.to_string());
        }
        command = command.arg("NODE").arg(job.to.to_string());
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            let began = Instant::now();
            match self.telling.send(&job.from_at, &command, WITHIN).await {
                Ok(_) => {}
                // Whether it was begun is seen among the migrations.
                Err(Failure::Unknown(_)) => {}
                Err(failure) => {
                    let text = failure.to_string();
                    // A taker that has not heard of the last group yet disagrees about the owners for a moment.
                    let goes_on = text.contains("already migrating");
                    if !(text.contains("does not agree") || goes_on) {
                        return Err(Stop::because(format!("{} did not begin: {text}", job.from_at)));
                    }
                    why = text;
                    // One that we had lost sight of is followed like our own.
                    if !goes_on {
                        sleep(LOOK_LATER * (attempt + 1)).await;
                        continue;
                    }
                }
            }
            match self.watch(job, &wanted).await {
                Ok(()) => {
                    // The server does not tell what it has moved.
                    self.meter.batch(keys, (keys as f64 * self.key_bytes) as u64, began.elapsed());
                    return Ok(());
                }
                Err(stop) if stop.cancelled => return Err(stop),
                Err(stop) => why = stop.reasons.join("; "),
            }
            self.telling.note(format!("{why}; beginning the group again")).await;
            sleep(LOOK_LATER * 4 * (attempt + 1)).await;
        }
        Err(Stop::because(format!(
            "slots {wanted} did not move from {} to {}: {why}; the server rolled back",
            job.from_at, job.to_at
        )))
    }

    /// Follows the newest migration of these slots to its end.
    async fn watch(&self, job: &Job, wanted: &SlotSet) -> Result<(), Stop> {
        let link = self.telling.links.get(&job.from_at, Lane::Probe);
        let question = Command::words("CLUSTER GETSLOTMIGRATIONS");
        let (mut state, mut since, mut answered) = (String::new(), Instant::now(), Instant::now());
        loop {
            let found = match link.call_within(&question, WITHIN).await {
                Ok(reply) => {
                    answered = Instant::now();
                    newest(&reply, wanted)
                }
                Err(failure) => {
                    if answered.elapsed() > WITHIN {
                        return Err(Stop::because(format!("{} does not say how far it is: {failure}", job.from_at)));
                    }
                    None
                }
            };
            if let Some(found) = &found {
                match found.state.as_str() {
                    "success" => return Ok(()),
                    "failed" | "cancelled" | "canceled" => {
                        return Err(Stop::because(format!("the migration {} of {}: {}", found.state, job.from_at, found.message)));
                    }
                    now if now != state => (state, since) = (now.to_owned(), Instant::now()),
                    _ => {}
                }
            }
            if since.elapsed() > PATIENCE {
                drop(self.telling.send(&job.from_at, &Command::words("CLUSTER CANCELSLOTMIGRATIONS"), WITHIN).await);
                return Err(Stop::because(format!(
                    "the migration hung in `{state}` for {} s and was cancelled",
                    PATIENCE.as_secs()
                )));
            }
            sleep(if since.elapsed() < Duration::from_secs(1) { LOOK } else { LOOK_LATER }).await;
        }
    }
}

/// Slots that servers are moving by themselves now, whoever began it: no view shows them as open.
pub(in crate::exec) async fn on_their_way(links: &Links, model: &Model) -> SlotSet {
    let able = |node: &&Node| {
        node.is_master() && node.health.serves() && moves_atomically(node.info.as_ref().and_then(|info| info.server.as_ref()))
    };
    let question = Command::words("CLUSTER GETSLOTMIGRATIONS");
    let asked = model.nodes().filter(able).map(|node| {
        let link = links.get(&node.address, Lane::Probe);
        let question = &question;
        async move { link.call_within(question, WITHIN).await }
    });
    let answers: Vec<Reply> = join_all(asked).await.into_iter().flatten().collect();
    let migrations = answers.iter().flat_map(|reply| reply.array().unwrap_or_default()).filter_map(migration);
    migrations.filter(is_live).fold(SlotSet::default(), |all, one| all.plus(&one.slots))
}

/// Cuts slots into groups of about the same number of keys, at most so many where no slot alone has more; each with its keys.
fn shares<'a>(slots: &'a [u16], keys: &[u64], most: u64) -> Vec<(&'a [u16], u64)> {
    let total: u64 = keys.iter().sum();
    let share = total.div_ceil(total.div_ceil(most).max(1));
    let mut ends = Vec::new();
    let mut held = 0;
    for (at, &keys) in keys.iter().enumerate() {
        if held > 0 && held + keys > share {
            ends.push(at);
            held = 0;
        }
        held += keys;
    }
    ends.push(slots.len());
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let group = |(start, &end): (usize, &usize)| Some((slots.get(start..end)?, keys.get(start..end)?.iter().sum()));
    starts.zip(&ends).filter_map(group).filter(|(group, _)| !group.is_empty()).collect()
}

/// The newest export of exactly these slots.
fn newest(reply: &Reply, wanted: &SlotSet) -> Option<Migration> {
    let all = reply.array()?.iter().filter_map(migration);
    all.filter(|migration| migration.export && migration.slots == *wanted)
        .max_by_key(|migration| (migration.created, is_live(migration)))
}

fn is_live(migration: &Migration) -> bool {
    !matches!(migration.state.as_str(), "success" | "failed" | "cancelled" | "canceled")
}

/// Read by key, never by place: versions differ in what they tell.
fn migration(entry: &Reply) -> Option<Migration> {
    let mut migration = Migration::default();
    for pair in entry.array()?.chunks(2) {
        let [key, value] = pair else { continue };
        let text = value.text().unwrap_or_default();
        match key.text()?.as_str() {
            "name" => migration.name = text,
            "operation" => migration.export = text.eq_ignore_ascii_case("export"),
            "slot_ranges" => {
                let ranges: Vec<crate::cluster::SlotRange> = text.split(' ').filter_map(|range| range.parse().ok()).collect();
                migration.slots = ranges.iter().collect();
            }
            "state" => migration.state = text,
            "message" => migration.message = text,
            "create_time" => migration.created = value.int().unwrap_or(0),
            _ => {}
        }
    }
    Some(migration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, &str)]) -> Reply {
        Reply::Array(
            pairs.iter().flat_map(|(k, v)| [Reply::Bytes(k.as_bytes().to_vec()), Reply::Bytes(v.as_bytes().to_vec())]).collect(),
        )
    }

    #[test]
    fn big_keys_make_small_groups() {
        assert_eq!(keys_at_once(Pace::Calm, 90.0), 50_000);
        assert_eq!(keys_at_once(Pace::Calm, 1024.0 * 1024.0), 256);
        assert_eq!(keys_at_once(Pace::Fast, 1e12), 1);
    }

    #[test]
    fn groups_hold_about_the_same_number_of_keys() {
        let slots: Vec<u16> = (0..10).collect();
        let sizes = |keys: &[u64], most| shares(&slots, keys, most).iter().map(|group| group.0.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[10; 10], 1000), [10]);
        assert_eq!(sizes(&[10; 10], 99), [5, 5]);
        assert_eq!(sizes(&[0; 10], 99), [10]);
        assert_eq!(sizes(&[0, 0, 500, 0, 0, 1, 1, 1, 1, 1], 100), [3, 7]);
        assert!(shares(&[], &[], 99).is_empty());
    }

    #[test]
    fn the_newest_export_of_the_same_slots_is_followed() {
        let of = |operation, slots, state, time| {
            entry(&[("state", state), ("operation", operation), ("slot_ranges", slots), ("create_time", time), ("new_field", "1")])
        };
        let reply = Reply::Array(vec![
            of("EXPORT", "0-9 20-29", "failed", "10"),
            of("EXPORT", "0-9 20-29", "snapshotting", "11"),
            of("EXPORT", "0-9", "success", "12"),
            of("IMPORT", "0-9 20-29", "success", "13"),
        ]);
        let wanted: SlotSet = (0..10).chain(20..30).collect();
        assert_eq!(newest(&reply, &wanted).unwrap().state, "snapshotting");
        assert_eq!(newest(&reply, &(0..5).collect()), None);
    }
}
