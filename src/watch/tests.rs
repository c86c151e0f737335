//! IO. A watch over simulated servers in the same runtime, on a paused clock: what is seen when, and what is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::*;
use crate::cluster::{Fact, Health, Trouble};
use crate::link::memory::MemoryNetwork;

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Well,
    Frozen,
    Dead,
}

/// A cluster of masters that answers what the watch asks, and counts it.
struct Sim {
    network: MemoryNetwork,
    addresses: Vec<Address>,
    fates: Vec<Fate>,
    asked: BTreeMap<&'static str, u64>,
    tasks: Vec<Vec<JoinHandle<()>>>,
}

type SharedModel = Arc<Mutex<Sim>>;

impl Sim {
    fn start(nodes: usize) -> SharedModel {
        let network = MemoryNetwork::default();
        let listeners: Vec<_> = (7000..).take(nodes).map(|port| network.listen(port)).collect();
        let sim = Sim {
            network,
            addresses: listeners.iter().map(|listener| listener.address()).collect(),
            fates: vec![Fate::Well; nodes],
            asked: BTreeMap::new(),
            tasks: (0..nodes).map(|_| Vec::new()).collect(),
        };
        let shared = Arc::new(Mutex::new(sim));
        for (me, mut listener) in listeners.into_iter().enumerate() {
            let sim = shared.clone();
            let task = tokio::spawn(async move {
                loop {
                    let stream = listener.accept().await;
                    let task = tokio::spawn(serve(stream, me, sim.clone()));
                    sim.lock().unwrap().tasks[me].push(task);
                }
            });
            shared.lock().unwrap().tasks[me].push(task);
        }
        shared
    }

    fn kill(&mut self, node: usize) {
        self.fates[node] = Fate::Dead;
        self.tasks[node].iter().for_each(JoinHandle::abort);
    }

    fn answer(&mut self, me: usize, words: &[String]) -> Option<String> {
        let bulk = |text: String| format!("${}\r\n{text}\r\n", text.len());
        let mut count = |what| *self.asked.entry(what).or_default() += 1;
        match words.first().map(String::as_str) {
            _ if self.fates[me] != Fate::Well => None,
            Some("PING") => {
                count("PING");
                Some("+PONG\r\n".to_owned())
            }
            Some("INFO") => {
                count("INFO");
                Some(bulk("redis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:1\r\nrole:master\r\n".to_owned()))
            }
            Some("CLUSTER") if words[1] == "INFO" => Some(bulk("cluster_state:ok\r\n".to_owned())),
            Some("CLUSTER") => {
                count("NODES");
                let line = |(at, address): (usize, &Address)| {
                    let myself = if at == me { "myself," } else { "" };
                    format!("{at:040x} {address}@1 {myself}master - 0 0 {at} connected {at}\n")
                };
                Some(bulk(self.addresses.iter().enumerate().map(line).collect()))
            }
            _ => Some("+OK\r\n".to_owned()),
        }
    }
}

async fn serve(stream: DuplexStream, me: usize, sim: SharedModel) {
    let mut stream = BufStream::new(stream);
    while let Some(words) = command(&mut stream).await {
        let answer = sim.lock().unwrap().answer(me, &words);
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            None => std::future::pending().await,
        }
        if stream.flush().await.is_err() {
            return;
        }
    }
}

/// `*n`, then n times a length and a word.
async fn command(stream: &mut BufStream<DuplexStream>) -> Option<Vec<String>> {
    let mut line = async || {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let count: usize = line().await?.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        line().await?;
        words.push(line().await?);
    }
    Some(words)
}

/// Watches, and takes observations until the condition holds; 60 simulated seconds at most.
struct Eye {
    from: mpsc::Receiver<Observation>,
    _watch: Watch,
}

impl Eye {
    fn open(sim: &SharedModel, seeds: Vec<Address>) -> Self {
        let (to, from) = mpsc::channel(64);
        let clock = Clock::start();
        let settings = WatchSettings { seeds, ..WatchSettings::default() };
        let links = Links::new(sim.lock().unwrap().network.settings(), clock);
        Self { _watch: start(links, settings, clock, to), from }
    }

    async fn until(&mut self, mut condition: impl FnMut(&Observation) -> bool) -> Duration {
        let began = Instant::now();
        loop {
            let seen = timeout_at(began + Duration::from_secs(60), self.from.recv()).await.expect("it is seen").unwrap();
            if condition(&seen) {
                return began.elapsed();
            }
        }
    }

    /// Takes what comes for some simulated time.
    async fn look(&mut self, span: Duration) -> Vec<Observation> {
        let end = Instant::now() + span;
        let mut seen = Vec::new();
        while let Ok(observation) = timeout_at(end, self.from.recv()).await {
            seen.push(observation.unwrap());
        }
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_or_frozen_node_is_an_observation_within_a_second_whenever_it_happens() {
    for (step, fate) in (0..8).flat_map(|step| [(step, Fate::Dead), (step, Fate::Frozen)]) {
        let sim = Sim::start(6);
        let addresses = sim.lock().unwrap().addresses.clone();
        let mut eye = Eye::open(&sim, vec![addresses[1].clone()]);
        eye.look(Duration::from_millis(3000 + 137 * step)).await;
        match fate {
            Fate::Dead => sim.lock().unwrap().kill(0),
            fate => sim.lock().unwrap().fates[0] = fate,
        }
        let expected = if fate == Fate::Dead { Health::Refused } else { Health::Frozen };
        let after = eye
            .until(|seen| {
                seen.source == addresses[0] && matches!(&seen.fact, Fact::Trouble(Trouble { health, .. }) if *health == expected)
            })
            .await;
        assert!(after < Duration::from_secs(1), "{expected} after {after:?}");
        // The others go on: each answers several times in the next second.
        let seen = eye.look(Duration::from_secs(1)).await;
        for address in &addresses[1..] {
            let pongs = seen.iter().filter(|seen| seen.source == *address && matches!(seen.fact, Fact::Pong(_))).count();
            assert!(pongs >= 3, "{address} answered {pongs} times");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn views_of_a_large_cluster_are_a_budget_and_everything_else_keeps_its_pace() {
    const NODES: usize = 200;
    let sim = Sim::start(NODES);
    let seed = sim.lock().unwrap().addresses[7].clone();
    let mut eye = Eye::open(&sim, vec![seed]);
    eye.look(Duration::from_secs(10)).await;
    sim.lock().unwrap().asked.clear();
    let seen = eye.look(Duration::from_secs(10)).await;
    let asked = sim.lock().unwrap().asked.clone();
    let lines = asked["NODES"] * NODES as u64;
    assert!(lines <= 10 * 20_000 * 5 / 4, "{lines} lines in ten seconds");
    assert!(asked["NODES"] >= NODES as u64 * 4, "every view is asked at least every 2.5 s: {}", asked["NODES"]);
    assert!((NODES as u64 * 9..=NODES as u64 * 11).contains(&asked["INFO"]), "{}", asked["INFO"]);
    let speakers: std::collections::BTreeSet<&Address> = seen.iter().map(|seen| &seen.source).collect();
    assert_eq!(speakers.len(), NODES);
}

#[tokio::test(start_paused = true)]
async fn a_small_cluster_is_asked_everything_once_an_interval() {
    let sim = Sim::start(3);
    let seeds = sim.lock().unwrap().addresses.clone();
    let mut eye = Eye::open(&sim, seeds);
    eye.look(Duration::from_secs(5)).await;
    sim.lock().unwrap().asked.clear();
    eye.look(Duration::from_secs(20)).await;
    let asked = sim.lock().unwrap().asked.clone();
    for (what, times) in [("INFO", 60), ("NODES", 60), ("PING", 240)] {
        assert!(asked[what].abs_diff(times) <= times / 10, "{what}: {} for {times}", asked[what]);
    }
}
