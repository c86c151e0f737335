//! IO. Keys on their way: listed at the source, moved in batches by MIGRATE, until none is left in any database.
//!
//! Any error of MIGRATE ends it: a target that owns a slot while the source still holds keys makes the source delete them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::batch::{Key, Pacer};
use super::copies::{self, Copies};
use super::heard::LastWords;
use super::interpret::SLOW;
use super::meter::Meter;
use super::migrate::{self, Migrated};
use super::{MoveJob, databases, listing};
use crate::cluster::{Address, key_slot};
use crate::exec::context::{OperationContext, said};
use crate::link::{Command, Lane, Link, Reply};
use crate::plan::{Pace, Progress};

/// Times that an unclear MIGRATE is looked at and repeated.
const ATTEMPTS: u32 = 3;
/// Longest that a key's transfer is predicted to take, by megabyte.
const PER_MB: Duration = Duration::from_millis(60);

pub(in crate::exec) struct KeyMover {
    context: OperationContext,
    meter: Meter,
    pub(super) pacer: Pacer,
    /// No batch before this, after a stall: players come first for a moment.
    rested: Instant,
    /// How long MIGRATE may wait for the other side: well below the node timeout, since it holds the source up.
    patience: Duration,
    /// Keys that an unclear MIGRATE may have copied: the source's copy is the newer one, players were served there.
    suspects: BTreeSet<Vec<u8>>,
    /// To the owner, from a node that is not: the owner's copy counts, and keys of which both sides have different copies
    /// are passed over instead of stopping.
    pub(super) home: bool,
    /// Those keys, each with a sentence.
    pub(in crate::exec) differing: BTreeMap<Vec<u8>, String>,
    /// A server has refused to take a key.
    pub(in crate::exec) refused: bool,
}

impl KeyMover {
    pub(in crate::exec) fn new(context: OperationContext, meter: Meter, pace: Pace, patience: Duration) -> Self {
        Self {
            context,
            meter,
            pacer: Pacer::new(pace),
            rested: Instant::now(),
            patience,
            suspects: BTreeSet::new(),
            home: false,
            differing: BTreeMap::new(),
            refused: false,
        }
    }

    fn link(&self, address: &Address) -> Link {
        self.context.links.get(address, Lane::Work)
    }

    /// Moves keys until the source lists none for any of the slots. What both nodes say in the last listing's pipeline is
    /// kept: a claim is checked against it.
    pub(super) async fn bring_all(&mut self, job: &MoveJob, heard: &mut LastWords, known: Vec<Vec<Key>>) -> Result<(), String> {
        let source = self.link(&job.from_at);
        self.bring(job, known).await?;
        loop {
            heard.forget(job.from);
            let target = self.context.links.get(&job.to_at, Lane::Probe);
            let view = Command::words("CLUSTER NODES");
            let (listed, theirs) = tokio::join!(listing::listed(&source, &job.slots), target.call_within(&view, SLOW));
            let listed = listed?;
            heard.hear(job.from, &job.from_at, Some(&listed.view));
            match &theirs {
                Ok(view) => heard.hear(job.to, &job.to_at, Some(view)),
                // It is asked again where it matters.
                Err(_) => heard.forget(job.to),
            }
            let mut by_slot = listed.keys;
            let mut left: BTreeMap<u16, u64> = job.slots.iter().map(|slot| (*slot, 0)).collect();
            for (slot, keys) in job.slots.iter().zip(&mut by_slot) {
                let all = keys.len();
                keys.retain(|key| !self.differing.contains_key(&key.name));
                left.insert(*slot, (all - keys.len()) as u64);
            }
            if by_slot.iter().all(Vec::is_empty) {
                heard.leave(job.from, left.clone());
                heard.hear_keys(job.from, left);
                return Ok(());
            }
            let weighed = listing::weighed(&source, by_slot, self.pacer.small()).await?;
            self.bring(job, weighed).await?;
        }
    }

    async fn bring(&mut self, job: &MoveJob, by_slot: Vec<Vec<Key>>) -> Result<(), String> {
        for keys in by_slot {
            for batch in self.pacer.cut(keys) {
                self.batch(job, &batch).await?;
            }
        }
        Ok(())
    }

    /// One MIGRATE, and whatever it takes to be sure of its outcome.
    async fn batch(&mut self, job: &MoveJob, keys: &[Key]) -> Result<(), String> {
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
                Migrated::OnBothSides => return self.one_by_one(job, keys).await,
                // What was refused half-way may be on both sides: then there is nothing to bring home.
                Migrated::Refused(_) if self.home => return self.one_by_one(job, keys).await,
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
                    self.context.note(what).await;
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
                    bytes = listing::weigh(&self.link(&job.from_at), keys).await.map_or(bytes, |sizes| sizes.iter().sum());
                    sleep(Duration::from_millis(50) * attempt).await;
                }
            }
        }
        Err(format!("MIGRATE from {} to {} was unclear {ATTEMPTS} times: {why}", job.from_at, job.to_at))
    }

    /// A copy on a node that imports its slot.
    async fn delete(&self, at: &Address, key: &Key) -> Result<(), String> {
        let commands = [Command::words("ASKING"), Command::words("DEL").arg(&key.name)];
        let answer = databases::within(&self.link(at), key.database, commands, SLOW).await;
        match answer.map(|replies| replies.into_iter().next_back()) {
            Ok(Some(Reply::Int(_))) => Ok(()),
            Ok(other) => {
                let other = other.as_ref().map_or("nothing".into(), said);
                Err(format!("{at} answers to DEL of its copy of {} with {other}", String::from_utf8_lossy(&key.name)))
            }
            Err(failure) => Err(format!("{at} does not delete its copy of {}: {failure}", String::from_utf8_lossy(&key.name))),
        }
    }

    async fn migrate(&self, job: &MoveJob, keys: &[Key], bytes: u64, replace: bool) -> Migrated {
        let mb = bytes as f64 / (1 << 20) as f64;
        let timeout = self.patience.max(PER_MB.mul_f64(mb));
        let credentials = migrate::credentials(self.context.links.settings());
        let database = keys.first().map_or(0, |key| key.database);
        let command = migrate::command(&self.context.as_servers_reach(&job.to_at), timeout, replace, &credentials, keys);
        let done = migrate::send(&self.context.links, &job.from_at, &command, database, timeout * 2 + Duration::from_secs(1)).await;
        if done != Migrated::All {
            let shown = format!("MIGRATE {} {} … KEYS ({} of them)", job.to_at.host, job.to_at.port, keys.len());
            self.context.say(Progress::Sent { address: job.from_at.clone(), command: shown, reply: done.to_string() }).await;
        }
        done
    }

    /// A batch with a key that the target has already: each key is looked at on both sides.
    async fn one_by_one(&mut self, job: &MoveJob, keys: &[Key]) -> Result<(), String> {
        for key in keys {
            let one = std::slice::from_ref(key);
            let name = String::from_utf8_lossy(&key.name).into_owned();
            let replace = match copies::compare(&self.context.links, &job.from_at, &job.to_at, key).await? {
                Copies::Single => false,
                // On the way back players are served by the owner: its copy is never written over.
                Copies::Same if self.home => {
                    self.context.note(format!("{name} is on both sides and the same: the copy that nobody sees is deleted")).await;
                    self.delete(&job.from_at, key).await?;
                    continue;
                }
                Copies::Same => {
                    self.context.note(format!("{name} is on both sides and the same: the target's copy is replaced")).await;
                    true
                }
                Copies::Different(_) if !self.home && self.suspects.contains(&key.name) => {
                    self.context
                        .note(format!("{name} had been copied by a MIGRATE that broke off; the source's copy is newer"))
                        .await;
                    true
                }
                Copies::Different(how) => {
                    self.refused = true;
                    // On the way home the source is the one that does not own the slot.
                    let (owner, at, id) = match self.home {
                        true => (&job.to_at, &job.from_at, job.to),
                        false => (&job.from_at, &job.to_at, job.from),
                    };
                    let slot = key_slot(&key.name);
                    let why = format!(
                        "key {name} is on both sides and not the same: {how}; decide which to keep and delete the other: on {owner} \
                         with DEL; on {at} with CLUSTER SETSLOT {slot} IMPORTING {id}, ASKING, DEL; then `fix {slot} --roll-back`"
                    );
                    if self.home {
                        self.differing.insert(key.name.clone(), why);
                        continue;
                    }
                    return Err(why);
                }
            };
            // Its size may have been taken from a sample, and its time depends on it.
            let bytes = listing::weigh(&self.link(&job.from_at), one).await?.iter().sum();
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
