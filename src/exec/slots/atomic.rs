//! IO. The engine for Valkey 9: the servers move slots by themselves, group by group; we start, watch, retry, cancel.
//!
//! A group's end is one pause of all writes on its source, some 50 ms and half a millisecond for every thousand keys: groups
//! are so big that the keys are the smaller part of it.
//! The server rolls a failed migration back by itself and never tries again: that is done here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::meter::Meter;
use super::migrations::{self, Migration, MigrationStage};
use super::{MoveJob, MoveStop, SlotEngine};
use crate::cluster::{Address, Model, Node, NodeId, SlotSet};
use crate::exec::context::OperationContext;
use crate::exec::read;
use crate::exec::read::survey;
use crate::exec::record::journal::Journal;
use crate::link::{Command, Failure, Lane, Links};
use crate::plan::{Pace, moves_atomically};

const WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at a migration under way.
const LOOK: Duration = Duration::from_millis(4);
const LOOK_LATER: Duration = Duration::from_millis(50);
/// A source that has not answered for this long is asked no more; who owns the slots is.
const SILENCE: Duration = Duration::from_secs(10);
/// A migration that was asked for is in the source's list after this long, if it was begun.
const APPEARS: Duration = Duration::from_secs(2);
/// A migration that has said nothing new for this long is cancelled.
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

pub(in crate::exec) struct AtomicEngine {
    pub(in crate::exec) context: OperationContext,
    pub(in crate::exec) meter: Meter,
    pub(in crate::exec) journal: Journal,
    pub(in crate::exec) halt: Arc<AtomicBool>,
    pub(in crate::exec) pace: Pace,
    /// Of the source's keys, on average.
    pub(in crate::exec) key_bytes: f64,
}

impl SlotEngine for AtomicEngine {
    async fn carry(&mut self, job: &MoveJob) -> Result<(), MoveStop> {
        for (slots, keys) in self.groups(job).await {
            if self.context.safe_point().await || self.halt.load(Ordering::Relaxed) {
                return Err(MoveStop { cancelled: true, ..MoveStop::default() });
            }
            let text = slots.iter().copied().collect::<SlotSet>().to_string();
            let line = json!({"open": text, "from": job.from.to_string(), "to": job.to.to_string()});
            self.journal.record(line).await.map_err(MoveStop::because)?;
            if let Err(stop) = self.group(job, slots, keys).await {
                // A source that was failed over meanwhile refuses to be asked again, and what it was asked for before is done.
                let wanted: SlotSet = slots.iter().copied().collect();
                if stop.cancelled || self.owns(&job.to_at, job.to, &wanted).await != Some(true) {
                    return Err(stop);
                }
                self.context.note(format!("{}; {} owns them all the same", stop.reasons.join("; "), job.to_at)).await;
                self.meter.batch(keys, (keys as f64 * self.key_bytes) as u64, Duration::ZERO);
            }
            self.meter.slots(slots.len());
            self.journal.record(json!({"closed": text})).await.map_err(MoveStop::because)?;
        }
        Ok(())
    }
}

impl AtomicEngine {
    /// The job's slots in groups of about as many keys each, with their keys, as counted beforehand.
    async fn groups<'a>(&self, job: &'a MoveJob) -> Vec<(&'a [u16], u64)> {
        let link = self.context.links.get(&job.from_at, Lane::Work);
        let counts =
            survey::pipelined(&link, job.slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")))).await;
        let keys: Option<Vec<u64>> = counts.iter().map(|reply| u64::try_from(reply.int()?).ok()).collect();
        match keys.filter(|keys| keys.len() == job.slots.len()) {
            Some(keys) => shares(&job.slots, &keys, keys_at_once(self.pace, self.key_bytes)),
            None => job.slots.chunks(BLIND).map(|slots| (slots, 0)).collect(),
        }
    }

    async fn group(&self, job: &MoveJob, slots: &[u16], keys: u64) -> Result<(), MoveStop> {
        let wanted: SlotSet = slots.iter().copied().collect();
        let mut command = Command::words("CLUSTER MIGRATESLOTS SLOTSRANGE");
        for range in wanted.ranges() {
            command = command.arg(range.start.to_string()).arg(range.end.to_string());
        }
        command = command.arg("NODE").arg(job.to.to_string());
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            let known = self.known(job, &wanted).await?;
            let began = Instant::now();
            let live = known.iter().any(|one| one.is_live() && one.is_for(&wanted, job.to));
            if !live && let Some(later) = self.begin(job, &wanted, &command).await? {
                why = later;
                sleep(LOOK_LATER * (attempt + 1)).await;
                continue;
            }
            // One that we had lost sight of, with the same slots and target, is followed like our own.
            let before: BTreeSet<String> = known.into_iter().filter(|one| !one.is_live()).map(|one| one.name).collect();
            match self.follow(job, &wanted, &before).await? {
                End::Moved => {
                    // The server does not tell what it has moved.
                    self.meter.batch(keys, (keys as f64 * self.key_bytes) as u64, began.elapsed());
                    return Ok(());
                }
                End::RolledBack(text) => why = text,
            }
            self.still_there(job, &wanted, &why).await?;
            self.context.note(format!("{why}; beginning the group again")).await;
            sleep(LOOK_LATER * 4 * (attempt + 1)).await;
        }
        Err(MoveStop {
            begun: true,
            ..MoveStop::because(format!("slots {wanted} did not move from {} to {}: {why}", job.from_at, job.to_at))
        })
    }

    /// What the source moves or has moved by itself; another's migration of slots of ours is named and ends it.
    async fn known(&self, job: &MoveJob, wanted: &SlotSet) -> Result<Vec<Migration>, MoveStop> {
        let reply = self.context.links.get(&job.from_at, Lane::Probe).call_within(&question(), WITHIN).await;
        let known = reply.as_ref().map(migrations::all);
        let known = match known {
            Ok(Some(known)) => known,
            Ok(None) | Err(_) => {
                let why = reply.err().map_or_else(|| "its answer cannot be read".into(), |failure| failure.to_string());
                return Err(MoveStop::because(format!(
                    "{} does not say which slots it moves already (CLUSTER GETSLOTMIGRATIONS): {why}; {wanted} were not sent for",
                    job.from_at
                )));
            }
        };
        match known.iter().find(|one| one.crosses(wanted, job.to)) {
            None => Ok(known),
            Some(other) => {
                let to = other.target.map_or_else(|| "an unknown node".into(), |to| to.short());
                Err(MoveStop::because(format!(
                    "somebody else moves slots {} from {} to {to} already (migration {}, {}): wait for its end, then plan again",
                    other.slots,
                    job.from_at,
                    other.name.get(..8).unwrap_or(&other.name),
                    other.state
                )))
            }
        }
    }

    /// Asks the source to begin. None once it may have; a reason where it is worth asking again.
    async fn begin(&self, job: &MoveJob, wanted: &SlotSet, command: &Command) -> Result<Option<String>, MoveStop> {
        let not = |text: &str| format!("{} did not begin to move slots {wanted} to {}: {text}", job.from_at, job.to_at);
        match self.context.send(&job.from_at, command, WITHIN).await {
            // Whether it was begun is seen among the migrations.
            Ok(_) | Err(Failure::Unknown(_)) => Ok(None),
            Err(Failure::NotSent(trouble)) => Err(MoveStop::because(not(&format!("not sent: {trouble}")))),
            Err(Failure::Server(error)) => {
                let text = error.to_string();
                // A target that has not heard of the last group yet disagrees about the owners for a moment; and whoever
                // was faster than us is seen, and named, at the next look.
                let again = text.contains("does not agree") || text.contains("already migrating");
                // Valkey's words to a replica.
                if text.contains("only be used on primary nodes") {
                    let says = format!(
                        "it is a replica now, somebody has failed it over ({text}); plan again for the master in its place"
                    );
                    return Err(MoveStop::because(not(&says)));
                }
                if again { Ok(Some(not(&text))) } else { Err(MoveStop::because(not(&text))) }
            }
        }
    }

    /// Follows our migration to its end. `before`: those that had ended when it was asked for. Until the servers have
    /// said how it ended, the slots are open: no silence is taken for an end.
    async fn follow(&self, job: &MoveJob, wanted: &SlotSet, before: &BTreeSet<String>) -> Result<End, MoveStop> {
        let link = self.context.links.get(&job.from_at, Lane::Probe);
        let (mut state, mut since) = (String::new(), Instant::now());
        let mut heard = Instant::now();
        let mut missing: Option<Instant> = None;
        let mut cancelled = false;
        loop {
            let answer = link.call_within(&question(), WITHIN).await;
            let found = match answer.as_ref().ok().and_then(migrations::all) {
                Some(known) => {
                    heard = Instant::now();
                    let ours = known.into_iter().filter(|one| one.is_for(wanted, job.to) && !before.contains(&one.name));
                    // There is one; the newest is the last to have ended.
                    ours.max_by_key(Migration::is_live)
                }
                None if heard.elapsed() < SILENCE => {
                    sleep(LOOK_LATER).await;
                    continue;
                }
                None => {
                    let why = answer.err().map_or_else(|| "it cannot be read".into(), |failure| failure.to_string());
                    return self.by_owner(job, wanted, &why).await;
                }
            };
            match found {
                Some(found) => match found.stage() {
                    MigrationStage::Moved => return Ok(End::Moved),
                    MigrationStage::Failed => {
                        return Ok(End::RolledBack(format!("{} says that the migration failed: {}", job.from_at, found.message)));
                    }
                    MigrationStage::Cancelled if cancelled => {
                        return Ok(End::RolledBack(format!("the migration hung in `{state}` and was cancelled")));
                    }
                    MigrationStage::Cancelled => {
                        return Err(MoveStop {
                            begun: true,
                            ..MoveStop::because(format!(
                                "somebody else cancelled the migration of slots {wanted} on {}: they are where they were; find out who, then plan again",
                                job.from_at
                            ))
                        });
                    }
                    MigrationStage::UnderWay => {
                        missing = None;
                        if found.state != state {
                            (state, since) = (found.state, Instant::now());
                        }
                    }
                },
                // Not there yet, or not any more: a source that was started again has forgotten.
                None => {
                    if missing.get_or_insert_with(Instant::now).elapsed() > APPEARS {
                        return self.by_owner(job, wanted, "its list does not name it").await;
                    }
                }
            }
            if since.elapsed() > PATIENCE && !state.is_empty() && !std::mem::replace(&mut cancelled, true) {
                self.cancel(job, wanted, &state).await?;
                since = Instant::now();
            } else if cancelled && since.elapsed() > SILENCE {
                return Err(undecided(job, wanted, "it was cancelled, and has not ended"));
            }
            sleep(if since.elapsed() < Duration::from_secs(1) { LOOK } else { LOOK_LATER }).await;
        }
    }

    /// Cancels a migration that hangs. The command cancels all of the server's: only when no other is under way.
    async fn cancel(&self, job: &MoveJob, wanted: &SlotSet, state: &str) -> Result<(), MoveStop> {
        let hangs = format!("it has hung in `{state}` for {} s", PATIENCE.as_secs());
        let reply = self.context.links.get(&job.from_at, Lane::Probe).call_within(&question(), WITHIN).await;
        let Some(known) = reply.ok().as_ref().and_then(migrations::all) else {
            return Err(undecided(job, wanted, &format!("{hangs}, and was not cancelled: what else goes on there is not known")));
        };
        if known.iter().any(|one| one.is_live() && !one.is_for(wanted, job.to)) {
            return Err(undecided(
                job,
                wanted,
                &format!("{hangs}, and was not cancelled: CLUSTER CANCELSLOTMIGRATIONS would end others' migrations there too"),
            ));
        }
        // How that ended is read from the list like everything else.
        drop(self.context.send(&job.from_at, &Command::words("CLUSTER CANCELSLOTMIGRATIONS"), WITHIN).await);
        Ok(())
    }

    /// Whether this node owns all of these slots, by its own word.
    async fn owns(&self, at: &Address, id: NodeId, wanted: &SlotSet) -> Option<bool> {
        let view = read::view(&self.context.links, at, WITHIN).await.ok()?;
        let me = view.myself().filter(|me| me.id == id)?;
        let owned: SlotSet = me.slots.iter().collect();
        Some(owned.contains_all(wanted))
    }

    /// Where the source's list tells nothing: who owns the slots, by the word of both.
    async fn by_owner(&self, job: &MoveJob, wanted: &SlotSet, why: &str) -> Result<End, MoveStop> {
        if self.owns(&job.to_at, job.to, wanted).await == Some(true) {
            return Ok(End::Moved);
        }
        if self.owns(&job.from_at, job.from, wanted).await == Some(true) {
            // Its own list is empty of it, so that nothing goes on any more.
            let reply = self.context.links.get(&job.from_at, Lane::Probe).call_within(&question(), WITHIN).await;
            if let Some(known) = reply.ok().as_ref().and_then(migrations::all)
                && !known.iter().any(|one| one.is_live() && !one.slots.both(wanted).is_empty())
            {
                return Ok(End::RolledBack(format!("{} still owns them and moves none of them: {why}", job.from_at)));
            }
        }
        Err(undecided(job, wanted, why))
    }

    /// A target that died under the migration is no reason to try again; what it died of has to be looked at first.
    async fn still_there(&self, job: &MoveJob, wanted: &SlotSet, why: &str) -> Result<(), MoveStop> {
        let mut said = read::view(&self.context.links, &job.to_at, WITHIN).await;
        for _ in 0..3 {
            if said.is_ok() {
                return Ok(());
            }
            sleep(LOOK_LATER * 4).await;
            said = read::view(&self.context.links, &job.to_at, WITHIN).await;
        }
        let Err(trouble) = said else { return Ok(()) };
        Err(MoveStop {
            begun: true,
            ..MoveStop::because(format!(
                "{} stopped answering while slots {wanted} were on their way to it ({trouble}); {why}: look into its log before anything is moved to it again",
                job.to_at
            ))
        })
    }
}

/// The end of a migration, as the servers say it.
enum End {
    Moved,
    /// The slots are where they were.
    RolledBack(String),
}

fn question() -> Command {
    Command::words("CLUSTER GETSLOTMIGRATIONS")
}

/// It was asked for, and nobody says how it ended.
fn undecided(job: &MoveJob, wanted: &SlotSet, why: &str) -> MoveStop {
    let reason = format!(
        "whether slots {wanted} move from {} to {} is not known: {why}; the servers may go on by themselves, and CLUSTER \
         GETSLOTMIGRATIONS on {} says how it ended",
        job.from_at, job.to_at, job.from_at
    );
    MoveStop { begun: true, undecided: wanted.clone(), ..MoveStop::because(reason) }
}

/// Slots that servers are moving by themselves now, whoever began it: no view shows them as open. None where one of them
/// does not say.
pub(in crate::exec) async fn on_their_way(links: &Links, model: &Model) -> Option<SlotSet> {
    let able = |node: &&Node| {
        node.is_master() && node.health.serves() && moves_atomically(node.info.as_ref().and_then(|info| info.server.as_ref()))
    };
    let question = question();
    let asked = model.nodes().filter(able).map(|node| {
        let link = links.get(&node.address, Lane::Probe);
        let question = &question;
        async move { link.call_within(question, WITHIN).await }
    });
    let mut moving = SlotSet::default();
    for answer in join_all(asked).await {
        let known = migrations::all(&answer.ok()?)?;
        moving = known.iter().filter(|one| one.is_live()).fold(moving, |all, one| all.plus(&one.slots));
    }
    Some(moving)
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
