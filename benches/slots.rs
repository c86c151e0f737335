//! Moving slots, with the server's own tool beside us in the same run: 4096 of 16384 slots from three masters onto an
//! empty one while a client writes everywhere; one room; and an even share of memory.
//!
//! `cargo bench --bench slots [-- redis|valkey9|room|memory …] [--rounds N] [--only TEXT]`. Needs `redis-server` and `redis-cli`;
//! Valkey 9 from `sh tests/servers.sh valkey9`, and shows `-` without it. Each run has a new cluster and 1 M small keys.

#![allow(
    clippy::allow_attributes,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "prints what it measures"
)]

#[path = "slots/client.rs"]
mod client;
#[path = "slots/field.rs"]
mod field;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Feelings, Writer};
use field::{Field, Tool, median};

const KEYS: u32 = 1_000_000;

/// One line of the table: slots a second, and what the client felt.
struct Run {
    slots_per_second: f64,
    felt: Feelings,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        return; // `cargo test` builds benches and runs them without the flag
    }
    let rounds = words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(3);
    let only = words.iter().position(|word| word == "--only").and_then(|at| words.get(at + 1)).map_or("", String::as_str);
    let chosen: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-') && word.parse::<u32>().is_err() && *word != only)
        .collect();
    let wanted = |name| chosen.is_empty() || chosen.contains(&name);
    let valkey = servers().join("valkey9/bin");
    if wanted("redis") {
        let tools = [
            ("redis-cli rebalance as shipped", Tool::cli("redis-cli", &[])),
            ("redis-cli, pipeline 1000", Tool::cli("redis-cli", &["--cluster-pipeline", "1000"])),
            ("rgc-tui rebalance --pace calm", Tool::ours(&["--pace", "calm"])),
            ("rgc-tui rebalance --pace fast", Tool::ours(&["--pace", "fast"])),
        ];
        race("Redis from PATH", None, &of_interest(&tools, only), rounds);
    }
    if wanted("valkey9") {
        let tools = [
            ("valkey-cli rebalance as shipped", Tool::cli(valkey.join("cli"), &[])),
            ("rgc-tui rebalance --pace calm", Tool::ours(&["--pace", "calm"])),
            ("rgc-tui rebalance --pace fast", Tool::ours(&["--pace", "fast"])),
        ];
        race("Valkey 9", Some(&valkey.join("server")), &of_interest(&tools, only), rounds);
    }
    if wanted("room") {
        room(rounds);
    }
    if wanted("memory") {
        memory();
    }
}

fn of_interest<'a>(tools: &'a [(&'a str, Tool)], only: &str) -> Vec<&'a (&'a str, Tool)> {
    tools.iter().filter(|(name, _)| name.contains(only)).collect()
}

fn servers() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers");
    std::env::var_os("RGC_SERVERS").map_or(here, PathBuf::from)
}

/// Every tool in turn, `rounds` times over, so that a slow minute of the machine hits all of them.
fn race(label: &str, server: Option<&Path>, tools: &[&(&str, Tool)], rounds: usize) {
    println!("\n{label}: 4096 slots onto an empty master, {KEYS} small keys, medians of {rounds}");
    if server.is_some_and(|server| !server.exists()) {
        return println!("  -  (no server: sh tests/servers.sh valkey9)");
    }
    let mut runs: Vec<Vec<Run>> = tools.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((name, tool), runs) in tools.iter().zip(&mut runs) {
            let run = rebalance(server, tool);
            let (p99, most) = (run.felt.percentile(99.0), run.felt.percentile(100.0));
            eprintln!("  {name}: {:.0} slots/s, p99 {p99:.2} ms, max {most:.1} ms", run.slots_per_second);
            runs.push(run);
        }
    }
    println!(
        "{:<34} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8} {:>6}",
        "", "slots/s", "×", "p50 ms", "p99 ms", "max ms", "TRYAGAIN", "ASK"
    );
    let of = |runs: &[Run], what: fn(&Run) -> f64| median(runs.iter().map(what).collect());
    let peer = of(&runs[0], |run| run.slots_per_second);
    for ((name, _), runs) in tools.iter().zip(&runs) {
        let speed = of(runs, |run| run.slots_per_second);
        println!(
            "{name:<34} {speed:>8.0} {:>6.2} {:>8.2} {:>8.2} {:>8.1} {:>8.0} {:>6.0}",
            speed / peer,
            of(runs, |run| run.felt.percentile(50.0)),
            of(runs, |run| run.felt.percentile(99.0)),
            of(runs, |run| run.felt.percentile(100.0)),
            of(runs, |run| f64::from(run.felt.try_again)),
            of(runs, |run| f64::from(run.felt.ask)),
        );
    }
}

fn rebalance(server: Option<&Path>, tool: &Tool) -> Run {
    let field = Field::start(server);
    field.fill(KEYS);
    let target = field.add_empty_master();
    let writer = Writer::start(field.owners(), KEYS);
    let began = Instant::now();
    tool.rebalance(field.seed(), &["--use-empty-masters"], "--cluster-use-empty-masters");
    let took = began.elapsed();
    let felt = writer.stop();
    let moved = field.slots_of(target);
    assert!((4000..=4200).contains(&moved), "{moved} slots have moved");
    assert_eq!(field.keys(), u64::from(KEYS), "keys were lost or doubled");
    Run { slots_per_second: f64::from(moved) / took.as_secs_f64(), felt }
}

/// One room of 60 keys from master to master: the whole program, and the move alone.
fn room(rounds: usize) {
    let field = Field::start(None);
    let code = field.room(60);
    let (mut whole, mut alone, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(5) {
        let (from, to) = (field.owner(0), field.another_than(field.owner(0)));
        let (program, moved) = Tool::ours(&[]).migrate(field.seed(), &code, to);
        assert_eq!(field.owner(0), to, "the room is where it was");
        whole.push(millis(program));
        alone.push(millis(moved));
        theirs.push(millis(Tool::cli("redis-cli", &[]).reshard_first(to, from)));
        assert_eq!(field.owner(0), from, "redis-cli moved another slot");
    }
    println!("\none room of 60 keys, medians");
    println!("redis-cli reshard of that slot       {:>8.1} ms", median(theirs));
    println!("rgc-tui migrate-room, whole program  {:>8.1} ms", median(whole));
    println!("rgc-tui migrate-room, the move       {:>8.1} ms (budget 25 ms)", median(alone));
}

/// Masters at about 222, 2 and 2 MB: 200 slots of one master hold a big key each.
fn memory() {
    println!("\nan even share of memory: 200 slots of 1.1 MB on one of 3 masters, the others almost empty");
    for (name, tool) in
        [("redis-cli rebalance", Tool::cli("redis-cli", &[])), ("rgc-tui rebalance --by memory", Tool::ours(&["--by", "memory"]))]
    {
        let field = Field::start(None);
        field.big_slots(200, 1_100_000);
        let before = field.memory_spread();
        let began = Instant::now();
        tool.rebalance(field.seed(), &[], "");
        let took = began.elapsed();
        let after = field.memory_spread();
        let owners = field.owners();
        tool.rebalance(field.seed(), &[], "");
        let again = if field.owners() == owners { "a second run does nothing" } else { "A SECOND RUN MOVES SLOTS" };
        println!("{name:<30} max/mean {before:.2} -> {after:.2} in {:.1} s, {again}", took.as_secs_f64());
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
