//! IO. The engine for every server: SETSLOT and MIGRATE, key by key, a few slots open at a time.
//!
//! ```text
//!  taker: IMPORTING ─► giver: MIGRATING ─► giver: MIGRATE keys … until none is left
//!                                           └─► taker: NODE taker ─► giver: NODE taker
//! ```
//!
//! The order is what keeps keys alive: a taker that owns a slot while the giver still holds keys makes the giver delete
//! them, so any error of MIGRATE ends the job before NODE is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::batch::{Key, Pacer};
use super::copies::{self, Copies};
use super::listing;
use super::meter::Meter;
use super::migrate::{self, Migrated};
use super::{Engine, Job, Stop};
use crate::cluster::{Address, SlotSet};
use crate::exec::journal::Journal;
use crate::exec::telling::{Telling, said};
use crate::link::{Command, Lane, Link, Reply};
use crate::plan::{OPEN, Pace, Progress};

/// SETSLOT may wait two seconds for replicas on Valkey, and everything for a big key of the other hand.
pub(super) const SLOW: Duration = Duration::from_secs(15);
/// Times that an unclear MIGRATE is looked at and repeated.
const ATTEMPTS: u32 = 3;
/// Longest that a key's transfer is predicted to take, by megabyte.
const PER_MB: Duration = Duration::from_millis(60);

pub(in crate::exec) struct KeyEngine {
    pub(in crate::exec) telling: Telling,
    pub(in crate::exec) meter: Meter,
    /// None when the slots' journal is somebody else's business (repairs).
    pub(in crate::exec) journal: Option<Journal>,
    pub(in crate::exec) pacer: Pacer,
    /// No batch before this, after a stall: players come first for a moment.
    pub(in crate::exec) rested: Instant,
    /// Set when another job of the same operation has stopped.
    pub(in crate::exec) halt: Arc<AtomicBool>,
    /// How long MIGRATE may wait for the other side: well below the node timeout, since it holds the giver up.
    pub(in crate::exec) patience: Duration,
    /// Keys that an unclear MIGRATE may have copied: the giver's copy is the newer one, players were served there.
    pub(in crate::exec) suspects: BTreeSet<Vec<u8>>,
    /// The taker's claims may be one transaction: not where a command in it waits for replicas.
    pub(in crate::exec) quiet: bool,
    /// Pass over keys of which both sides have different copies, instead of stopping: for ways back.
    pub(in crate::exec) tolerant: bool,
    /// Those keys, each with a sentence.
    pub(in crate::exec) differing: BTreeMap<Vec<u8>, String>,
    /// A server has refused to take a key.
    pub(in crate::exec) refused: bool,
    /// The taker has refused to open any slot of the group: there is nothing to be put right.
    pub(in crate::exec) untouched: bool,
}

impl KeyEngine {
    /// One that works alone and tells nobody's journal.
    pub(in crate::exec) fn new(telling: Telling, meter: Meter, pace: Pace, patience: Duration) -> Self {
        Self {
            telling,
            meter,
            journal: None,
            pacer: Pacer::new(pace),
            rested: Instant::now(),
            halt: Arc::default(),
            patience,
            suspects: BTreeSet::new(),
            quiet: false,
            tolerant: false,
            differing: BTreeMap::new(),
            refused: false,
            untouched: false,
        }
    }
}

impl Engine for KeyEngine {
    async fn carry(&mut self, job: &Job) -> Result<(), Stop> {
        let groups: Vec<&[u16]> = job.slots.chunks(OPEN).collect();
        self.record(job, groups.first().copied(), None).await?;
        let giver = self.link(&job.from_at);
        let mut known = Vec::new();
        for (nth, group) in groups.iter().enumerate() {
            let (before, next) = (nth.checked_sub(1).and_then(|nth| groups.get(nth)).copied(), groups.get(nth + 1).copied());
            if self.telling.safe_point().await || self.halt.load(Ordering::Relaxed) {
                self.record(job, None, before).await?;
                return Err(Stop { cancelled: true, ..Stop::default() });
            }
            // While this is being done, what comes next is written down and looked at; nobody waits for the look.
            let mut foreseen = Vec::new();
            let small = self.pacer.small();
            let ahead = record(self.journal.clone(), job, next, before);
            let look = async {
                listing::foresee(&giver, next.unwrap_or_default(), small, &mut foreseen).await;
                std::future::pending::<Infallible>().await
            };
            let (moved, written) = tokio::select! {
                both = async { tokio::join!(self.group_of(job, group, std::mem::take(&mut known)), ahead) } => both,
                never = look => match never {},
            };
            moved?;
            self.meter.slots(group.len());
            written?;
            known = foreseen;
        }
        self.record(job, None, groups.last().copied()).await
    }
}

async fn record(journal: Option<Journal>, job: &Job, open: Option<&[u16]>, closed: Option<&[u16]>) -> Result<(), Stop> {
    let Some(journal) = journal.filter(|_| open.is_some() || closed.is_some()) else { return Ok(()) };
    let text = |slots: Option<&[u16]>| slots.map(|slots| slots.iter().copied().collect::<SlotSet>().to_string());
    let line = json!({"open": text(open), "closed": text(closed), "from": job.from.to_string(), "to": job.to.to_string()});
    journal.record(line).await.map_err(Stop::because)
}

fn setslot(slot: u16, what: &str) -> Command {
    Command::words(&format!("CLUSTER SETSLOT {slot} {what}"))
}

/// A taker that claims a slot it imports tells every node at once, and each reads all 16384 slots and writes its file: for
/// players that is a pause on every server. So the first claim, alone and confirmed, raises its epoch; those between are
/// made without importing, which tells nobody; the last tells about all. What is neither imported nor owned is deleted by
/// some servers when they start: the claims are one transaction, whatever is cut off.
fn claims(rest: &[u16], node: &str) -> Vec<Command> {
    let Some((last, between)) = rest.split_last() else { return Vec::new() };
    let quiet = between.iter().flat_map(|&slot| [setslot(slot, "STABLE"), setslot(slot, node)]);
    let word = |word| std::iter::once(Command::words(word));
    word("MULTI").chain(quiet).chain([setslot(*last, node)]).chain(word("EXEC")).collect()
}

impl KeyEngine {
    async fn record(&self, job: &Job, open: Option<&[u16]>, closed: Option<&[u16]>) -> Result<(), Stop> {
        record(self.journal.clone(), job, open, closed).await
    }

    /// Moves a few slots from start to end. After a stop all of them count as open.
    pub(in crate::exec) async fn group(&mut self, job: &Job, slots: &[u16]) -> Result<(), Stop> {
        self.group_of(job, slots, Vec::new()).await
    }

    /// The same for slots of which some keys, perhaps all, are known.
    async fn group_of(&mut self, job: &Job, slots: &[u16], known: Vec<Vec<Key>>) -> Result<(), Stop> {
        let moved = self.steps(job, slots, known).await;
        moved.map_err(|reason| Stop {
            reasons: vec![reason],
            open: if self.untouched { SlotSet::default() } else { slots.iter().copied().collect() },
            roll_back: self.refused,
            cancelled: false,
            ..Stop::default()
        })
    }

    async fn steps(&mut self, job: &Job, slots: &[u16], known: Vec<Vec<Key>>) -> Result<(), String> {
        let (giver, taker) = (self.link(&job.from_at), self.link(&job.to_at));
        self.untouched = true;
        self.set(&taker, slots, &format!("IMPORTING {}", job.from), &[]).await?;
        self.untouched = false;
        self.set(&giver, slots, &format!("MIGRATING {}", job.to), &[]).await?;
        self.bring(job, known).await?;
        self.empty(job, slots).await?;
        self.close(job, slots).await
    }

    /// The taker owns the slots, then the giver knows it. The giver must hold none of their keys.
    pub(in crate::exec) async fn close(&mut self, job: &Job, slots: &[u16]) -> Result<(), String> {
        let (giver, taker) = (self.link(&job.from_at), self.link(&job.to_at));
        let node = format!("NODE {}", job.to);
        match slots {
            [first, rest @ ..] if self.quiet && rest.len() > 1 => {
                self.set(&taker, &[*first], &node, &[]).await?;
                self.tell(&taker, &claims(rest, &node), rest, &format!("{node} (MULTI)"), &[]).await?;
            }
            _ => self.set(&taker, slots, &node, &[]).await?,
        }
        // A source that has just lost its last slot is a replica of the target already, and knows; Valkey 8, which waits for
        // its replicas before it answers, becomes one while it waits, and says UNBLOCKED.
        self.set(&giver, slots, &node, &["SETSLOT only with masters", "UNBLOCKED"]).await
    }

    fn link(&self, address: &Address) -> Link {
        self.telling.links.get(address, Lane::Work)
    }

    /// One SETSLOT for each slot, in one go; every reply must be OK or one of those that mean the same.
    pub(in crate::exec) async fn set(&mut self, link: &Link, slots: &[u16], what: &str, fine: &[&str]) -> Result<(), String> {
        let commands: Vec<Command> = slots.iter().map(|&slot| setslot(slot, what)).collect();
        self.tell(link, &commands, slots, what, fine).await
    }

    /// These commands in one go; what they come to is told as one.
    async fn tell(&mut self, link: &Link, commands: &[Command], slots: &[u16], what: &str, fine: &[&str]) -> Result<(), String> {
        let shown: SlotSet = slots.iter().copied().collect();
        let command = format!("CLUSTER SETSLOT {shown} {what}");
        let answer = link.pipeline(commands, SLOW).await;
        let bad = match &answer {
            Err(failure) => {
                self.untouched = false;
                Some(failure.to_string())
            }
            Ok(replies) => {
                self.untouched &= replies.iter().all(|reply| matches!(reply, Reply::Error(_)));
                let errors = replies.iter().flat_map(|reply| reply.array().unwrap_or(std::slice::from_ref(reply)));
                errors.into_iter().find_map(|reply| match reply {
                    Reply::Error(error) if !fine.iter().any(|fine| error.code == *fine || error.detail.contains(fine)) => {
                        Some(error.to_string())
                    }
                    _ => None,
                })
            }
        };
        let reply = bad.clone().unwrap_or_else(|| "OK".into());
        self.telling.say(Progress::Sent { address: link.address().clone(), command: command.clone(), reply }).await;
        match bad {
            None => Ok(()),
            Some(error) => Err(format!("{} did not do {command}: {error}", link.address())),
        }
    }

    /// Moves keys until the giver lists none for any of the slots. Open slots get no new ones, so one look is enough.
    pub(in crate::exec) async fn empty(&mut self, job: &Job, slots: &[u16]) -> Result<(), String> {
        let giver = self.link(&job.from_at);
        loop {
            let mut by_slot = listing::names(&giver, slots).await?;
            by_slot.iter_mut().for_each(|keys| keys.retain(|key| !self.differing.contains_key(key)));
            if by_slot.iter().all(Vec::is_empty) {
                return Ok(());
            }
            let weighed = listing::weighed(&giver, by_slot, self.pacer.small()).await?;
            self.bring(job, weighed).await?;
        }
    }

    async fn bring(&mut self, job: &Job, by_slot: Vec<Vec<Key>>) -> Result<(), String> {
        for keys in by_slot {
            for batch in self.pacer.cut(keys) {
                self.batch(job, &batch).await?;
            }
        }
        Ok(())
    }

    /// One MIGRATE, and whatever it takes to be sure of its outcome.
    async fn batch(&mut self, job: &Job, keys: &[Key]) -> Result<(), String> {
        let mut bytes: u64 = keys.iter().map(|key| key.bytes).sum();
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            // A timer takes a millisecond at least.
            if self.rested > Instant::now() {
                sleep_until(self.rested).await;
            }
            let began = Instant::now();
            match self.migrate(job, keys, bytes, false).await {
                Migrated::All => {
                    let took = began.elapsed();
                    self.meter.batch(keys.len() as u64, bytes, took);
                    self.rested = Instant::now() + self.pacer.learn(keys.len(), bytes, took);
                    return Ok(());
                }
                Migrated::Twins => return self.one_by_one(job, keys).await,
                // What was refused half-way may be on both sides: then there is nothing to bring home.
                Migrated::Refused(_) if self.tolerant => return self.one_by_one(job, keys).await,
                Migrated::Refused(text) => {
                    self.refused = true;
                    return Err(format!("MIGRATE from {} to {}: {text}", job.from_at, job.to_at));
                }
                migrated @ (Migrated::Unclear(_) | Migrated::NotSent(_)) => {
                    if matches!(migrated, Migrated::Unclear(_)) {
                        self.suspects.extend(keys.iter().map(|key| key.name.clone()));
                    }
                    let (Migrated::Unclear(text) | Migrated::NotSent(text)) = migrated else { continue };
                    let what = format!("MIGRATE from {} to {} is unclear: {text}; looking again", job.from_at, job.to_at);
                    self.telling.note(what).await;
                    why = text;
                    for address in [&job.from_at, &job.to_at] {
                        self.link(address).call_within(&Command::words("PING"), self.patience).await.map_err(|failure| {
                            format!(
                                "MIGRATE from {} to {} broke off ({why}), and {address} does not answer: {failure}",
                                job.from_at, job.to_at
                            )
                        })?;
                    }
                    // A key that was not weighed may be why it took so long.
                    let names: Vec<&Vec<u8>> = keys.iter().map(|key| &key.name).collect();
                    bytes = listing::weigh(&self.link(&job.from_at), &names).await.map_or(bytes, |sizes| sizes.iter().sum());
                    sleep(Duration::from_millis(50) * attempt).await;
                }
            }
        }
        Err(format!("MIGRATE from {} to {} was unclear {ATTEMPTS} times: {why}", job.from_at, job.to_at))
    }

    /// A copy on a node that imports its slot.
    async fn delete(&self, at: &Address, key: &Key) -> Result<(), String> {
        let commands = [Command::words("ASKING"), Command::words("DEL").arg(&key.name)];
        let answer = self.link(at).pipeline(&commands, SLOW).await;
        match answer.map(|replies| replies.into_iter().next_back()) {
            Ok(Some(Reply::Int(_))) => Ok(()),
            Ok(other) => {
                let other = other.as_ref().map_or("nothing".into(), said);
                Err(format!("{at} answers to DEL of its copy of {} with {other}", String::from_utf8_lossy(&key.name)))
            }
            Err(failure) => Err(format!("{at} does not delete its copy of {}: {failure}", String::from_utf8_lossy(&key.name))),
        }
    }

    async fn migrate(&self, job: &Job, keys: &[Key], bytes: u64, replace: bool) -> Migrated {
        let mb = bytes as f64 / (1 << 20) as f64;
        let timeout = self.patience.max(PER_MB.mul_f64(mb));
        let credentials = migrate::credentials(self.telling.links.settings());
        let command = migrate::command(&self.telling.as_servers_reach(&job.to_at), timeout, replace, &credentials, keys);
        let done = migrate::send(&self.telling.links, &job.from_at, &command, timeout * 2 + Duration::from_secs(1)).await;
        if done != Migrated::All {
            let shown = format!("MIGRATE {} {} … KEYS ({} of them)", job.to_at.host, job.to_at.port, keys.len());
            self.telling.say(Progress::Sent { address: job.from_at.clone(), command: shown, reply: done.to_string() }).await;
        }
        done
    }

    /// A batch with a key that the taker has already: each key is looked at on both sides.
    async fn one_by_one(&mut self, job: &Job, keys: &[Key]) -> Result<(), String> {
        for key in keys {
            let one = std::slice::from_ref(key);
            let name = String::from_utf8_lossy(&key.name).into_owned();
            let replace = match copies::compare(&self.telling.links, &job.from_at, &job.to_at, key).await? {
                Copies::Single => false,
                // On the way back players are served by the taker: its copy is never written over.
                Copies::Same if self.tolerant => {
                    self.telling.note(format!("{name} is on both sides and the same: the copy that nobody sees is deleted")).await;
                    self.delete(&job.from_at, key).await?;
                    continue;
                }
                Copies::Same => {
                    self.telling.note(format!("{name} is on both sides and the same: the taker's copy is replaced")).await;
                    true
                }
                Copies::Different(_) if !self.tolerant && self.suspects.contains(&key.name) => {
                    self.telling
                        .note(format!("{name} had been copied by a MIGRATE that broke off; the giver's copy is newer"))
                        .await;
                    true
                }
                Copies::Different(how) => {
                    self.refused = true;
                    // On the way back the giver is the one that does not own the slot.
                    let (owner, at, id) = match self.tolerant {
                        true => (&job.to_at, &job.from_at, job.to),
                        false => (&job.from_at, &job.to_at, job.from),
                    };
                    let slot = crate::cluster::key_slot(&key.name);
                    let why = format!(
                        "key {name} is on both sides and not the same: {how}; decide which to keep and delete the other: on {owner} \
                         with DEL; on {at} with CLUSTER SETSLOT {slot} IMPORTING {id}, ASKING, DEL; then `fix {slot} --roll-back`"
                    );
                    if self.tolerant {
                        self.differing.insert(key.name.clone(), why);
                        continue;
                    }
                    return Err(why);
                }
            };
            // Its size may have been taken from a sample, and its time depends on it.
            let bytes = listing::weigh(&self.link(&job.from_at), &[&key.name]).await?.iter().sum();
            match self.migrate(job, one, bytes, replace).await {
                Migrated::All => self.meter.keys(1, bytes),
                Migrated::Refused(text) => {
                    self.refused = true;
                    return Err(format!("MIGRATE of {name} from {} to {}: {text}", job.from_at, job.to_at));
                }
                other => return Err(format!("MIGRATE of {name} from {} to {}: {other}", job.from_at, job.to_at)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_one_transaction_and_the_last_tells_everybody() {
        let words = |slots: &[u16]| claims(slots, "NODE x").iter().map(ToString::to_string).collect::<Vec<_>>();
        let between = ["MULTI", "CLUSTER SETSLOT 8 STABLE", "CLUSTER SETSLOT 8 NODE x", "CLUSTER SETSLOT 9 NODE x", "EXEC"];
        assert_eq!(words(&[8, 9]), between);
        assert!(words(&[]).is_empty());
    }
}
