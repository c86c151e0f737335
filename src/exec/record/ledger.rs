//! IO. The ledger: every operation that was done or tried on this cluster, one JSON object a line, appended and never changed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::cluster::{Address, Model, Time};
use crate::plan::entry::{self, Circumstances, Entry};
use crate::plan::{Plan, Report, Unfinished};

use crate::exec::record::journal;
use crate::exec::record::who::who;
use crate::{escape, private};

/// The file's name in the folder of journals.
pub const LEDGER: &str = "ledger.jsonl";
/// Bytes at the end of the file in which a failover of the last minute is looked for.
const NEWEST: u64 = 256 * 1024;
/// Commands that one entry keeps; a move of thousands of slots has more, and its plan has the slots.
const KEPT: usize = 400;

/// Commands and replies of one operation, as they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<(Vec<Value>, usize)>>);

impl Transcript {
    pub(crate) fn add(&self, address: &Address, command: &str, reply: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.len() < KEPT {
            kept.0.push(json!({"node": address.to_string(), "command": command, "reply": reply}));
        } else {
            kept.1 += 1;
        }
    }

    fn take(&self) -> (Vec<Value>, usize) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Appends how an operation ended. The error is a sentence for the operator; the operation itself is done.
pub(crate) fn append(
    folder: &Path,
    plan: &Plan,
    report: &Report,
    model: &Model,
    transcript: &Transcript,
    journal: Option<String>,
    now: Time,
) -> Result<(), String> {
    let (commands, not_kept) = transcript.take();
    write(folder, &entry::write(plan, report, model, Circumstances { at: now, who: who(), journal, commands, not_kept }))
}

/// Appends an operation of which nothing is left but its journal, unless there is a line of it.
pub(crate) fn append_afterwards(folder: &Path, unfinished: &Unfinished, cluster: &str, now: Time) -> Result<(), String> {
    let journal = journal::name(&unfinished.path);
    if tells_of(folder, &journal) {
        return Ok(());
    }
    let who = unfinished.who.clone();
    let beside = Circumstances { at: now, who, journal: Some(journal), commands: Vec::new(), not_kept: 0 };
    write(folder, &entry::write_afterwards(unfinished, cluster, beside))
}

fn tells_of(folder: &Path, journal: &str) -> bool {
    let text = std::fs::read_to_string(folder.join(LEDGER)).unwrap_or_default();
    let named = json!({"journal": journal}).to_string();
    text.lines().any(|line| line.contains(named.trim_matches(['{', '}'])))
}

/// Failovers among the newest entries that may have come to an election: who was to win, and when they ended.
pub(crate) fn failovers(folder: &Path) -> Vec<(Address, Time)> {
    let Ok(mut file) = File::open(folder.join(LEDGER)) else { return Vec::new() };
    let start = file.metadata().map_or(0, |about| about.len().saturating_sub(NEWEST));
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(start)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let failover = |line: &str| {
        let entry = Entry::read(line).filter(|entry| matches!(entry.outcome.as_str(), "done" | "failed"))?;
        let at = chrono::DateTime::parse_from_rfc3339(&entry.at).ok()?;
        Some((entry.winner?.parse().ok()?, at.into()))
    };
    String::from_utf8_lossy(&bytes).lines().filter_map(failover).collect()
}

fn write(folder: &Path, entry: &Value) -> Result<(), String> {
    let path = folder.join(LEDGER);
    let written = private::folder(folder).and_then(|()| {
        let mut file = private::append(&path)?;
        // One write, so that two consoles cannot mix their lines.
        file.write_all(format!("{}\n", escape::json(&entry.to_string())).as_bytes())?;
        file.sync_data()
    });
    written.map_err(|error| format!("the ledger {} could not be written: {error}", path.display()))
}
