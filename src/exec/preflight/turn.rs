//! IO. Whose turn it is: what moves or repairs slots of one cluster, from this machine, goes one after the other.
//!
//! Each operation has a file beside the journals, locked for as long as it lives: the kernel lets go of it when the process
//! is killed. Failovers ask for no turn, they are for emergencies; whose turn it is
//! is asked to stop for them.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::cluster::{Model, Node, NodeId};
use crate::exec::context::OperationContext;
use crate::exec::record::off_thread;
use crate::exec::record::who::who;
use crate::plan::Plan;
use crate::private;

/// Held for the moment in which one looks around and takes its turn.
const GATE: &str = "turns.lock";
/// A disk that is slow, or another one that looks around, is waited for so long; it is said after a moment.
const GATE_WITHIN: Duration = Duration::from_secs(10);
const SAID_AFTER: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(20);
const EXTENSION: &str = "turn";
const YIELD: &str = "yield";

/// Nobody else has a turn on this cluster until it goes.
#[derive(Debug)]
pub(crate) struct Turn {
    path: PathBuf,
    locked: File,
}

/// Why there is none, as a sentence.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// Somebody else has it.
    Taken(String),
    /// The folder does not let one be taken, or seen.
    Unknown(String),
}

impl Turn {
    pub(crate) async fn take(context: &OperationContext, folder: &Path, plan: &Plan, model: &Model) -> Result<Self, NoTurn> {
        let now = context.clock.now();
        let path = folder.join(format!("{}-{}.{EXTENSION}", now.format("%Y%m%dT%H%M%S%9fZ"), std::process::id()));
        let nodes: Vec<String> = model.nodes().map(|node| node.id.to_string()).collect();
        let line = json!({"intent": plan.intent.to_string(), "who": who(), "pid": std::process::id(), "nodes": nodes,
                          "touches": touches(plan, model)});
        let members: BTreeSet<NodeId> = model.nodes().map(|node| node.id).collect();
        let gate = folder.join(GATE);
        let waits = async {
            sleep(SAID_AFTER).await;
            let says = format!("waiting for {}, at most {} s", gate.display(), GATE_WITHIN.as_secs());
            context.note(says).await;
            std::future::pending().await
        };
        let take = async {
            loop {
                let (folder, path, members, line) = (folder.to_owned(), path.clone(), members.clone(), line.clone());
                match off_thread(move || try_take(&folder, path, &members, &line)).await {
                    Some(taken) => return taken,
                    None => sleep(LOOK).await,
                }
            }
        };
        let taken = tokio::select! {
            taken = timeout(GATE_WITHIN, take) => taken,
            never = waits => never,
        };
        taken.unwrap_or_else(|_elapsed| {
            Err(NoTurn::Unknown(format!(
                "cannot see within {} s whether another operation is under way: another program holds {gate}, or its disk does \
                 not answer; `fuser {gate}` names the program",
                GATE_WITHIN.as_secs(),
                gate = gate.display(),
            )))
        })
    }
}

/// None while another one looks around.
fn try_take(folder: &Path, path: PathBuf, members: &BTreeSet<NodeId>, line: &Value) -> Option<Result<Turn, NoTurn>> {
    let take = || -> io::Result<Option<Result<Turn, NoTurn>>> {
        private::folder(folder)?;
        let gate = private::append(&folder.join(GATE))?;
        match gate.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            locked => locked?,
        }
        if let Some((_, other)) = taken(folder, members)? {
            return Ok(Some(Err(NoTurn::Taken(says(&other)))));
        }
        let locked = private::options().create_new(true).append(true).open(&path)?;
        locked.try_lock()?;
        let turn = Turn { path, locked };
        (&turn.locked).write_all(format!("{line}\n").as_bytes())?;
        Ok(Some(Ok(turn)))
    };
    let unknown = |error: io::Error| {
        NoTurn::Unknown(format!(
            "cannot see in {} whether another operation is under way: {error}; make the folder writable",
            folder.display()
        ))
    };
    take().unwrap_or_else(|error| Some(Err(unknown(error))))
}

/// The nodes whose failover it must not be surprised by.
fn touches(plan: &Plan, model: &Model) -> Vec<String> {
    let moved: BTreeSet<NodeId> = plan.moves.iter().flat_map(|part| [part.from, part.to]).collect();
    // A repair may concern any of them.
    let touched =
        |node: &&Node| moved.is_empty() || moved.contains(&node.id) || node.master.is_some_and(|master| moved.contains(&master));
    model.nodes().filter(touched).map(|node| node.id.to_string()).collect()
}

impl Turn {
    /// There, somebody asks it to stop where nothing is open.
    pub(crate) fn yields_at(&self) -> PathBuf {
        self.path.with_extension(YIELD)
    }
}

/// A request that stands for as long as this lives.
#[derive(Debug)]
pub(crate) struct YieldRequest {
    turn: PathBuf,
    request: PathBuf,
    /// Whose turn it is, as a phrase.
    pub(crate) what: String,
}

impl YieldRequest {
    pub(crate) async fn is_held(&self) -> bool {
        let turn = self.turn.clone();
        off_thread(move || File::open(turn).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))).await
    }
}

impl Drop for YieldRequest {
    fn drop(&mut self) {
        // It may have gone with its turn.
        drop(std::fs::remove_file(&self.request));
    }
}

/// Asks an operation on slots of these nodes, from this machine, to stop at its safe point; None: there is none.
pub(crate) async fn ask_to_yield(folder: &Path, model: &Model, nodes: BTreeSet<NodeId>) -> Option<YieldRequest> {
    let (folder, members) = (folder.to_owned(), model.nodes().map(|node| node.id).collect());
    off_thread(move || ask(&folder, &members, &nodes)).await
}

fn ask(folder: &Path, members: &BTreeSet<NodeId>, nodes: &BTreeSet<NodeId>) -> Option<YieldRequest> {
    let (turn, other) = taken(folder, members).ok()??;
    let listed = other.get("touches").and_then(Value::as_array);
    // What does not say is taken for one that does.
    let concerned =
        listed.is_none_or(|ids| ids.iter().filter_map(|id| id.as_str()?.parse::<NodeId>().ok()).any(|id| nodes.contains(&id)));
    let request = turn.with_extension(YIELD);
    if !concerned || private::options().create(true).append(true).open(&request).is_err() {
        return None;
    }
    let text = |name: &str| other.get(name).and_then(Value::as_str).unwrap_or("unknown");
    let what = format!("`{}`, begun by {} on this machine, is under way", text("intent"), text("who"));
    Some(YieldRequest { turn, request, what })
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(std::fs::remove_file(self.yields_at()));
        // One that stays is removed by the next: nobody holds it.
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("{}: {error}", self.path.display());
        }
    }
}

/// What the one wrote that has its turn on this cluster. Files that a killed one left are removed.
fn taken(folder: &Path, members: &BTreeSet<NodeId>) -> io::Result<Option<(PathBuf, Value)>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        // It may end while one looks.
        let Ok(mut file) = File::open(&path) else { continue };
        match file.try_lock() {
            Ok(()) => drop(std::fs::remove_file(&path)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                let other = serde_json::from_str(&text).unwrap_or(Value::Null);
                if concerns(&other, members) {
                    return Ok(Some((path, other)));
                }
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Two clusters may have been given the same name, and share the folder. What does not say is taken for ours.
fn concerns(other: &Value, members: &BTreeSet<NodeId>) -> bool {
    let Some(nodes) = other.get("nodes").and_then(Value::as_array) else { return true };
    let ids = nodes.iter().filter_map(|id| id.as_str()?.parse::<NodeId>().ok());
    ids.into_iter().any(|id| members.contains(&id))
}

fn says(other: &Value) -> String {
    let text = |name: &str| other.get(name).and_then(Value::as_str).unwrap_or("unknown");
    let pid = other.get("pid").and_then(Value::as_u64).map_or_else(|| "unknown".into(), |pid| pid.to_string());
    format!(
        "another operation of this cluster is running on this machine (`{}`, begun by {}, pid {pid}): wait for its end, or \
         stop it there",
        text("intent"),
        text("who")
    )
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::cluster::sample::{Sample, noon};
    use crate::exec::running::Controls;
    use crate::link::{Clock, LinkSettings, Links};
    use crate::plan::{Facts, Intent, Progress, plan};

    fn context() -> (OperationContext, mpsc::Receiver<Progress>) {
        let (clock, (progress, told)) = (Clock::start(), mpsc::channel(100));
        let links = Links::new(LinkSettings::default(), clock);
        (OperationContext::new(links, clock, progress, Controls::new().1), told)
    }

    fn planned(model: &Model) -> Plan {
        let intent = Intent::MoveSlots { slots: (0..10).collect(), to: "B".into() };
        plan(&intent, &Facts::of(model), noon()).unwrap()
    }

    #[tokio::test]
    async fn one_at_a_time_and_what_a_killed_one_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let model = Sample::new(3, 1).model;
        let (plan, (context, _told)) = (planned(&model), context());
        std::fs::write(folder.path().join("old.turn"), "{").unwrap();
        let take = || Turn::take(&context, folder.path(), &plan, &model);
        let first = take().await.unwrap();
        let NoTurn::Taken(why) = take().await.unwrap_err() else { panic!() };
        let named = format!("(`{}`, begun by {}, pid {})", plan.intent, who(), std::process::id());
        assert!(why.contains(&named), "{why}");
        // Another cluster of the same name.
        assert!(!concerns(&json!({"nodes": ["f".repeat(40)]}), &model.nodes().map(|node| node.id).collect()));
        drop(first);
        drop(take().await.unwrap());
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [GATE]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_the_gate_is_waited_for_not_for_ever_and_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let model = Sample::new(3, 1).model;
        let (plan, (context, mut told)) = (planned(&model), context());
        let gate = private::append(&folder.path().join(GATE)).unwrap();
        gate.lock().unwrap();
        let NoTurn::Unknown(why) = Turn::take(&context, folder.path(), &plan, &model).await.unwrap_err() else { panic!() };
        assert!(why.contains("turns.lock, or its disk does not answer"), "{why}");
        let Some(Progress::Note(note)) = told.recv().await else { panic!() };
        assert!(note.starts_with("waiting for ") && note.ends_with("turns.lock, at most 10 s"), "{note}");
        let waiting = Turn::take(&context, folder.path(), &plan, &model);
        drop(gate);
        drop(waiting.await.unwrap());
    }
}
