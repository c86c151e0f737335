//! A desk to do operations from: an executor with a model of a cluster of real servers, data in it, players on it.
#![allow(dead_code, reason = "every test binary uses its own part of the desk")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rgc_tui::cluster::{Address, Model, key_slot};
use rgc_tui::exec::{Executor, ExecutorSettings, Lock};
use rgc_tui::link::{Clock, Command, Failure, Lane, LinkSettings, Links, Reply};
use rgc_tui::plan::{Intent, Outcome, Plan, Refusal, Report};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::common::Cluster;

pub struct Desk {
    pub executor: Executor,
    pub model: Model,
    pub clock: Clock,
    pub links: Links,
    pub folder: Arc<TempDir>,
}

impl Desk {
    pub async fn at(cluster: &Cluster) -> Self {
        Self::with(cluster, LinkSettings::default(), None).await
    }

    /// `fuse`: operations drop dead after so many journal records.
    pub async fn with(cluster: &Cluster, settings: LinkSettings, fuse: Option<u32>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::in_folder(cluster, settings, fuse, folder).await
    }

    pub async fn in_folder(cluster: &Cluster, settings: LinkSettings, fuse: Option<u32>, folder: Arc<TempDir>) -> Self {
        Self::open(cluster, settings, fuse, folder, Lock::Open).await
    }

    pub async fn locked(cluster: &Cluster, lock: Lock) -> Self {
        Self::open(cluster, LinkSettings::default(), None, Arc::new(tempfile::tempdir().unwrap()), lock).await
    }

    async fn open(cluster: &Cluster, settings: LinkSettings, fuse: Option<u32>, folder: Arc<TempDir>, lock: Lock) -> Self {
        let clock = Clock::start();
        let links = Links::new(settings, clock);
        let place = ExecutorSettings { journal_dir: folder.path().to_owned(), cluster: "test".into(), lock };
        let mut executor = Executor::new(links.clone(), clock, place);
        if let Some(fuse) = fuse {
            executor = executor.with_fuse(fuse);
        }
        let mut model = Model::new("test");
        executor.look(&mut model, &cluster.addresses()).await;
        Self { executor, model, clock, links, folder }
    }

    pub async fn look(&mut self) {
        self.executor.look(&mut self.model, &[]).await;
    }

    pub async fn plan(&mut self, intent: Intent) -> Result<Plan, Refusal> {
        self.look().await;
        self.executor.plan(&intent, &self.model).await
    }

    pub async fn run(&self, plan: Plan) -> Report {
        self.executor.execute(plan, Arc::new(self.model.clone())).report().await
    }

    pub async fn done(&mut self, intent: Intent) -> Report {
        let plan = self.plan(intent).await.unwrap();
        let report = self.run(plan).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
        report
    }

    /// Sends each command to the owner of its first key.
    pub async fn fill(&self, commands: Vec<Command>) {
        let mut by_owner: BTreeMap<Address, Vec<Command>> = BTreeMap::new();
        for command in commands {
            let owner = self.model.topology().owner(key_slot(&command.0[1])).unwrap();
            by_owner.entry(self.model.node(owner).unwrap().address.clone()).or_default().push(command);
        }
        for (address, commands) in by_owner {
            for chunk in commands.chunks(1000) {
                let replies = self.links.get(&address, Lane::Work).pipeline(chunk, Duration::from_secs(20)).await.unwrap();
                assert!(!replies.iter().any(|reply| matches!(reply, Reply::Error(_))), "{replies:?}");
            }
        }
    }

    /// `count` rooms of four keys, and as many keys of no room.
    pub async fn fill_rooms(&self, count: u32) {
        let mut commands = Vec::new();
        for n in 0..count {
            let code = format!("R{n:04}");
            commands.push(Command::words(&format!("HSET room:{{{code}}}:state phase playing round {n}")));
            commands.push(Command::words(&format!("ZADD room:{{{code}}}:players 1 ann 2 bob 3 cy")));
            commands.push(Command::words(&format!("RPUSH room:{{{code}}}:log a b c {n}")));
            commands.push(Command::words(&format!("SET room:{{{code}}}:deck {n} EX 100000")));
            commands.push(Command::words(&format!("SET plain:{n} {n}")));
        }
        self.fill(commands).await;
    }

    /// DUMP of every key on every master; a key on two masters fails the test.
    pub async fn digest(&self, cluster: &Cluster) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut all = BTreeMap::new();
        for address in cluster.addresses() {
            let link = self.links.get(&address, Lane::Work);
            let role = match link.call(&Command::words("ROLE")).await {
                Ok(role) => role.array().unwrap()[0].text().unwrap(),
                Err(_) => continue,
            };
            if role != "master" {
                continue;
            }
            // A master that owns nothing is the shell of a failed one and answers no DUMP.
            let keys = link.call_within(&Command::words("KEYS *"), Duration::from_secs(10)).await.unwrap();
            let keys: Vec<Vec<u8>> = keys
                .array()
                .unwrap()
                .iter()
                .map(|key| match key {
                    Reply::Bytes(bytes) => bytes.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            for chunk in keys.chunks(500) {
                let dumps: Vec<Command> = chunk.iter().map(|key| Command::words("DUMP").arg(key)).collect();
                let replies = link.pipeline(&dumps, Duration::from_secs(10)).await.unwrap();
                for (key, reply) in chunk.iter().zip(replies) {
                    let Reply::Bytes(dump) = reply else { panic!("{address}: {} {reply:?}", String::from_utf8_lossy(key)) };
                    let twin = all.insert(key.clone(), dump);
                    assert!(twin.is_none(), "{} is on two masters", String::from_utf8_lossy(key));
                }
            }
        }
        all
    }
}

pub fn figure(report: &Report, name: &str) -> f64 {
    report.figures.iter().find(|(figure, _)| figure.name() == name).unwrap_or_else(|| panic!("{name} in {report:?}")).1
}

/// The same keys with the same DUMP; names those that are not.
pub fn assert_same(before: &BTreeMap<Vec<u8>, Vec<u8>>, after: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let name = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    let gone: Vec<String> = before.keys().filter(|key| !after.contains_key(*key)).map(name).collect();
    let new: Vec<String> = after.keys().filter(|key| !before.contains_key(*key)).map(name).collect();
    let changed: Vec<String> =
        before.iter().filter(|(key, dump)| after.get(*key).is_some_and(|now| now != *dump)).map(|(key, _)| name(key)).collect();
    assert!(gone.is_empty() && new.is_empty() && changed.is_empty(), "gone: {gone:?}, new: {new:?}, changed: {changed:?}");
}

/// Nobody has a slot open, every slot has one owner in every view, and all views agree.
pub async fn assert_calm(cluster: &Cluster) {
    let mut first: Option<Vec<_>> = None;
    for address in cluster.addresses() {
        let view = cluster.view(&address).await;
        let me = view.myself().unwrap();
        assert!(me.open.is_empty(), "{address} has open slots: {:?}", me.open);
        let mut owners: Vec<_> =
            view.members.iter().filter(|member| !member.slots.is_empty()).map(|member| (member.id, member.slots.clone())).collect();
        owners.sort();
        let count: u32 = owners.iter().flat_map(|(_, slots)| slots).map(|range| u32::from(range.len())).sum();
        assert_eq!(count, 16384, "{address}");
        match &first {
            None => first = Some(owners),
            Some(first) => assert_eq!(first, &owners, "{address}"),
        }
    }
}

/// Players: one writer that follows redirects and remembers every acknowledged write.
pub struct Players {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Played>,
}

#[derive(Debug, Default)]
pub struct Played {
    pub acked: BTreeMap<String, u64>,
    /// Sent and not answered: may have been applied.
    pub unknown: BTreeMap<String, u64>,
    pub writes: u64,
    /// The newest value that was written.
    pub last: u64,
    pub asks: u64,
    pub tryagain: u64,
    pub longest: Duration,
}

impl Players {
    /// Writes counters to `keys` keys, spread over all slots, until stopped.
    pub fn start(links: &Links, seed: Address, keys: u32) -> Self {
        Self::resume(links, seed, keys, 0)
    }

    /// The same, counting on from where earlier players stopped: a value that is older than theirs is a lost write.
    pub fn resume(links: &Links, seed: Address, keys: u32, last: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(play(Links::new(links.settings().clone(), Clock::start()), seed, keys, last, stop.clone()));
        Self { stop, task }
    }

    pub async fn stop(self) -> Played {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn play(links: Links, seed: Address, keys: u32, last: u64, stop: Arc<AtomicBool>) -> Played {
    let mut played = Played::default();
    let mut owners: BTreeMap<u16, Address> = BTreeMap::new();
    let mut seq = last;
    while !stop.load(Ordering::Relaxed) {
        seq += 1;
        let key = format!("play:{}", seq * 7919 % u64::from(keys));
        let command = Command::words(&format!("SET {key} {seq}"));
        let slot = key_slot(key.as_bytes());
        let began = tokio::time::Instant::now();
        let mut at = owners.get(&slot).cloned().unwrap_or_else(|| seed.clone());
        let mut asking = false;
        for _ in 0..2000 {
            let link = links.get(&at, Lane::Work);
            let answer = if asking {
                link.pipeline(&[Command::words("ASKING"), command.clone()], Duration::from_secs(2))
                    .await
                    .map(|mut replies| replies.pop().unwrap())
            } else {
                link.pipeline(std::slice::from_ref(&command), Duration::from_secs(2))
                    .await
                    .map(|mut replies| replies.pop().unwrap())
            };
            asking = false;
            match answer {
                Ok(Reply::Error(error)) => match error.code.as_str() {
                    "MOVED" => {
                        at = error.detail.split(' ').nth(1).unwrap().parse().unwrap();
                        owners.insert(slot, at.clone());
                    }
                    "ASK" => {
                        played.asks += 1;
                        asking = true;
                        at = error.detail.split(' ').nth(1).unwrap().parse().unwrap();
                    }
                    _ => {
                        played.tryagain += u64::from(error.code == "TRYAGAIN");
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        at = owners.get(&slot).cloned().unwrap_or_else(|| seed.clone());
                    }
                },
                Ok(_) => {
                    played.acked.insert(key.clone(), seq);
                    played.writes += 1;
                    break;
                }
                Err(failure) => {
                    if matches!(failure, Failure::Unknown(_)) {
                        played.unknown.insert(key.clone(), seq);
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    // Whoever answers knows where the slot is now.
                    owners.remove(&slot);
                    at = seed.clone();
                }
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        played.longest = played.longest.max(began.elapsed());
    }
    played.last = seq;
    played
}

/// Every acknowledged write is there (or a later one of the same key).
pub async fn assert_nothing_lost(desk: &Desk, cluster: &Cluster, played: &Played) {
    let mut lost = Vec::new();
    for (key, seq) in &played.acked {
        let owner = cluster.owner(key_slot(key.as_bytes())).await.unwrap();
        let value = desk.links.get(&owner, Lane::Work).call(&Command::words(&format!("GET {key}"))).await.unwrap();
        if value.int().is_none_or(|value| value < *seq as i64) {
            lost.push((key.clone(), *seq, value));
        }
    }
    assert!(lost.is_empty(), "{} acknowledged writes lost: {lost:?}", lost.len());
    assert!(played.writes > 0, "{played:?}");
}
