//! What watching costs each server: percent of one core by the servers' own count (INFO commandstats), without and with
//! finding rooms, on a local cluster of 3 masters and 3 replicas with 200 rooms. `cargo bench --bench watch`.

#![allow(
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "prints what it measures"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rgc_tui::cluster::{Address, Model, key_slot, parse};
use rgc_tui::link::{Clock, Command, Lane, LinkSettings, Links};
use rgc_tui::local::{LocalCluster, LocalSpec};
use rgc_tui::session::{ClusterSpec, Session};
use rgc_tui::watch::WatchSettings;
use tokio::time::{Instant, timeout_at};

const SPAN: Duration = Duration::from_secs(30);
const ROOMS: u32 = 200;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = std::env::args().any(|arg| arg == "--test");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster =
            LocalCluster::start(LocalSpec { masters: 3, replicas: 1, ..LocalSpec::default() }).await.expect("a local cluster");
        let nodes = cluster.addresses();
        fill(&nodes).await;
        let span = if quick { Duration::from_secs(1) } else { SPAN };
        for rooms in [false, true] {
            let (most, names) = cost(&nodes, rooms, span).await;
            let budget = if rooms { 0.1 } else { 0.02 };
            println!(
                "watch {:<13} {most:.4} % of a core of the busiest server (budget {budget} %)  µs a second: {names}",
                if rooms { "with rooms" } else { "without rooms" },
            );
        }
        cluster.stop().await;
    });
}

/// Rooms of seven keys, each on its master.
async fn fill(nodes: &[Address]) {
    let links = Links::new(LinkSettings::default(), Clock::start());
    for number in 0..ROOMS {
        let tag = format!("{{R{number:05}}}");
        // Slots are dealt out in even shares, in the order of the masters.
        let master = (u32::from(key_slot(tag.as_bytes())) * 3 / 16384) as usize;
        let link = links.get(nodes.get(master).expect("three masters"), Lane::Work);
        let moves: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let mut commands = vec![
            Command::new(["HSET", &format!("room:{tag}:state"), "phase", "playing", "players", "4", "deck", &"x".repeat(200)]),
            Command::new(["SADD", &format!("room:{tag}:players"), "a", "b", "c", "d"]),
            moves.iter().fold(Command::new(["RPUSH", &format!("room:{tag}:moves")]), |command, word| command.arg(word)),
        ];
        commands.extend((0..4).map(|n| Command::new(["SET", &format!("session:{tag}:{n}"), &"x".repeat(40)])));
        link.pipeline(&commands, Duration::from_secs(5)).await.expect("the master takes the room");
    }
}

/// Percent of a core of the busiest server, and what it went for.
async fn cost(nodes: &[Address], rooms: bool, span: Duration) -> (f64, String) {
    let spec = ClusterSpec {
        name: "bench".to_owned(),
        topology: rgc_tui::cluster::TopologyKind::Cluster,
        link: LinkSettings::default(),
        watch: WatchSettings {
            seeds: nodes.to_vec(),
            rooms: rooms.then(|| "room:{CODE}:state".to_owned()),
            ..WatchSettings::default()
        },
        journal_dir: PathBuf::new(),
        memory_dir: None,
        lock: rgc_tui::exec::Lock::Open,
    };
    let mut session = Session::open(spec, Clock::start());
    let mut model = Model::new("bench");
    // The first look and the first scan have a budget of their own.
    let warm = Instant::now() + Duration::from_secs(5).min(span);
    while let Ok(Some(observation)) = timeout_at(warm, session.next()).await {
        model.apply(&observation);
    }
    let before = spent(nodes).await;
    let end = Instant::now() + span;
    while let Ok(Some(observation)) = timeout_at(end, session.next()).await {
        model.apply(&observation);
        model.settle(session.clock().now());
    }
    let after = spent(nodes).await;
    let seconds = span.as_secs_f64();
    let mut worst = (0.0, String::new());
    for node in nodes {
        let spent: BTreeMap<&str, u64> = after
            .get(node)
            .into_iter()
            .flatten()
            .map(|(name, usec)| (name.as_str(), usec - before.get(node).and_then(|old| old.get(name)).unwrap_or(&0)))
            .filter(|(_, usec)| *usec > 0)
            .collect();
        let percent = spent.values().sum::<u64>() as f64 / 1e4 / seconds;
        if percent > worst.0 {
            let names: Vec<String> = spent.iter().map(|(name, usec)| format!("{name} {:.1}", *usec as f64 / seconds)).collect();
            worst = (percent, names.join(", "));
        }
    }
    worst
}

/// Microseconds by command, as each server counts them; what this question and replication cost is left out.
async fn spent(nodes: &[Address]) -> BTreeMap<Address, BTreeMap<String, u64>> {
    let links = Links::new(LinkSettings::default(), Clock::start());
    let mut all = BTreeMap::new();
    for node in nodes {
        let reply = links.get(node, Lane::Probe).call(&Command::words("INFO everything")).await.expect("INFO");
        let info = parse::info(&reply.text().unwrap_or_default()).expect("INFO can be read");
        let ours = info.commands.iter().filter(|(name, _)| !name.starts_with("replconf"));
        all.insert(node.clone(), ours.map(|(name, (_, usec))| (name.to_string(), *usec)).collect());
    }
    all
}
