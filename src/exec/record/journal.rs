//! IO. What an operation is about to do, on disk before it is sent: a console that dies leaves its intention behind.
//!
//! One file an operation, one JSON object a line: `begin` (what was wanted), `open` (slots that are opened next, from
//! whom, to whom), `closed` (slots that have their new owner), `end` (how it ended) or `stopped` (that, and what it left
//! open). A file without `end` is unfinished; any is removed when the ledger tells of the operation and nothing is open.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::cluster::{NodeId, SlotSet, Time};
use crate::plan::{Ended, Outcome, Plan, Unfinished};

use crate::exec::record::off_thread;
use crate::exec::record::who::who;
use crate::private;

/// For tests: what happens when this many records have been written.
#[derive(Clone, Debug)]
pub(crate) struct Fuse {
    pub(crate) after: u32,
    pub(crate) then: Burnt,
}

#[derive(Clone, Debug)]
pub(crate) enum Burnt {
    /// The operation drops dead, as if the console had been killed.
    Dead(Arc<Notify>),
    /// The disk takes half of the next record, and no more.
    Full,
}

/// An open journal. Clones write to the same file.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    file: Arc<Mutex<File>>,
    path: PathBuf,
    records: Arc<Mutex<u32>>,
    ended: Arc<AtomicBool>,
    fuse: Option<Fuse>,
}

impl Journal {
    /// Begins a file for this plan; the error says where it could not be written.
    pub(crate) async fn begin(folder: &Path, plan: &Plan, now: Time, fuse: Option<Fuse>) -> Result<Self, String> {
        let name = format!("{}-{}.journal", clean(&plan.cluster), now.format("%Y%m%dT%H%M%S%6fZ"));
        let path = folder.join(name);
        let failed = |error: std::io::Error| {
            format!(
                "cannot write the journal {}: {error}; nothing was done, since what is not written down cannot be undone",
                path.display()
            )
        };
        let (place, new) = (folder.to_owned(), path.clone());
        let open = move || {
            private::folder(&place)?;
            let file = private::options().create_new(true).append(true).open(new)?;
            // Held for as long as the operation lives, whatever ends it: who can take it knows that nobody is at work.
            file.try_lock()?;
            Ok(file)
        };
        let file = off_thread(open).await.map_err(failed)?;
        let journal = Self { file: Arc::new(Mutex::new(file)), path, records: Arc::default(), ended: Arc::default(), fuse };
        let moves: Vec<Value> = plan
            .moves
            .iter()
            .map(|part| {
                json!({"slots": part.slots.to_string(), "from": part.from.to_string(), "from_address": part.from_address.to_string(),
                       "to": part.to.to_string(), "to_address": part.to_address.to_string()})
            })
            .collect();
        journal
            .record(json!({"begin": plan.intent.to_string(), "cluster": plan.cluster, "who": who(),
                           "at": now.to_rfc3339_opts(SecondsFormat::Secs, true), "moves": moves}))
            .await?;
        Ok(journal)
    }

    /// Appends a record and waits until it is on disk.
    pub(crate) async fn record(&self, record: Value) -> Result<(), String> {
        let (file, line, full) = (self.file.clone(), format!("{record}\n"), self.is_full());
        let write = move || -> std::io::Result<()> {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if full {
                file.write_all(line.as_bytes().get(..line.len() / 2).unwrap_or_default())?;
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        let failed = |error| format!("cannot write the journal {}: {error}", self.path.display());
        off_thread(write).await.map_err(failed)?;
        self.burn().await;
        Ok(())
    }

    async fn burn(&self) {
        let Some(fuse) = &self.fuse else { return };
        let count = {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            *records += 1;
            *records
        };
        if let Burnt::Dead(blown) = &fuse.then
            && count >= fuse.after
        {
            blown.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn is_full(&self) -> bool {
        let written = *self.records.lock().unwrap_or_else(PoisonError::into_inner);
        self.fuse.as_ref().is_some_and(|fuse| matches!(fuse.then, Burnt::Full) && written >= fuse.after)
    }

    /// The operation has ended, one way or the other; nothing is left to be offered at the next start unless slots are.
    pub(crate) async fn end(&self, outcome: &Outcome, left_open: &SlotSet) -> Result<(), String> {
        let reasons: Vec<&str> = outcome.reasons().iter().map(|reason| &*reason.says).collect();
        let record = json!({"outcome": outcome.word(), "code": outcome.code().word(), "reasons": reasons, "left_open": left_open.to_string()});
        let ended = left_open.is_empty();
        self.record(if ended { json!({"end": record}) } else { json!({"stopped": record}) }).await?;
        self.ended.store(ended, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn name(&self) -> String {
        name(&self.path)
    }

    /// The ledger tells of the operation now: if nothing is left of it, its journal would only be read at every start.
    pub(crate) fn put_away(self) {
        // One that cannot be removed costs a moment then; nothing worse.
        if self.ended.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}

/// What the ledger calls the operation of this journal.
pub(crate) fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// For who puts a dead operation's journal away: held while it is told, so that two consoles do not tell of it twice.
pub(crate) fn claim(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Journals of this cluster without an end, oldest first. Blocks. What cannot be read is passed over, and so is what is being
/// written: that operation is under way, here or in another console.
pub fn unfinished(folder: &Path, cluster: &str) -> Vec<Unfinished> {
    left(folder, cluster).into_iter().filter(|one| !one.is_over()).collect()
}

/// The same, and those with an end: their console died before it told the ledger.
pub(crate) fn left(folder: &Path, cluster: &str) -> Vec<Unfinished> {
    journals(folder, cluster, false)
}

/// Operations on this cluster that are being carried out now, here or in another console. Blocks.
pub fn under_way(folder: &Path, cluster: &str) -> Vec<Unfinished> {
    journals(folder, cluster, true).into_iter().filter(|one| !one.is_over()).collect()
}

fn journals(folder: &Path, cluster: &str, alive: bool) -> Vec<Unfinished> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(&records(&path, cluster, alive)?, path)).collect()
}

/// The records of a journal of this cluster, if it is as alive as asked for.
fn records(path: &Path, cluster: &str, alive: bool) -> Option<Vec<Value>> {
    let mut file = File::open(path).ok()?;
    if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) != alive {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    // The last line may be torn: it was being written when the power went.
    let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_cluster = records.first().and_then(|begin| begin.get("cluster")).and_then(Value::as_str) == Some(cluster);
    of_cluster.then_some(records)
}

fn read(records: &[Value], path: PathBuf) -> Option<Unfinished> {
    let begin = records.first()?;
    let text_of = |record: &Value, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let slots = |text: String| -> SlotSet {
        let ranges: Vec<crate::cluster::SlotRange> = text.split(' ').filter_map(|range| range.parse().ok()).collect();
        ranges.iter().collect()
    };
    let (mut in_flight, mut closed, mut ended) = (SlotSet::default(), SlotSet::default(), None);
    for record in records {
        if let Some(open) = text_of(record, "open") {
            for slot in slots(open).iter() {
                in_flight.insert(slot);
            }
        }
        if let Some(done) = text_of(record, "closed") {
            for slot in slots(done).iter() {
                in_flight.remove(slot);
                closed.insert(slot);
            }
        }
        // It ended by itself and knew what it left; groups that were announced were never begun.
        if let Some(end) = record.get("end").or_else(|| record.get("stopped")) {
            in_flight = slots(text_of(end, "left_open").unwrap_or_default());
            let reasons = end.get("reasons").and_then(Value::as_array).into_iter().flatten();
            let reasons = reasons.filter_map(|reason| reason.as_str().map(str::to_owned)).collect();
            let outcome = text_of(end, "outcome").unwrap_or_default();
            ended = Some(Ended { outcome, code: text_of(end, "code"), reasons });
        }
    }
    let moves = begin.get("moves").and_then(Value::as_array).cloned().unwrap_or_default();
    let total = moves.iter().filter_map(|part| text_of(part, "slots")).map(|text| slots(text).len()).sum();
    let wanted = |part: &Value| Some((text_of(part, "to")?.parse().ok()?, slots(text_of(part, "slots")?)));
    let wanted: Vec<(NodeId, SlotSet)> = moves.iter().filter_map(wanted).collect();
    let ends = moves.iter().flat_map(|part| ["from", "to"].map(|end| text_of(part, end)));
    let nodes: Vec<NodeId> = ends.filter_map(|id| id?.parse().ok()).collect();
    let who = text_of(begin, "who").unwrap_or_else(|| "unknown".into());
    let (intent, began) = (text_of(begin, "begin")?, text_of(begin, "at")?);
    Some(Unfinished { path, intent, who, began, in_flight, closed, total, wanted, ended, nodes })
}
