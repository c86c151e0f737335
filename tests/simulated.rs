//! IO. The program's own code against the simulated cluster, on simulated time: the watch at scale, incidents from
//! scenario files, random incidents, and the whole life of a failover.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod sim;

#[path = "sim/console.rs"]
mod console;
#[path = "sim/life_of_a_failover.rs"]
mod life;
#[path = "sim/scenario.rs"]
mod scenario;
#[path = "sim/storm.rs"]
mod storm;
#[path = "sim/witness.rs"]
mod witness;

use std::time::Duration;

use rgc_tui::cluster::{Health, opinions};
use sim::{Fault, Settings, Sim};
use witness::Witness;

/// Sixty nodes for a minute, one hung and one slow: exactly those two are troubled, and nobody else notices.
#[tokio::test(start_paused = true)]
async fn sixty_nodes_and_two_in_trouble() {
    let settings = Settings { masters: 30, replicas: 1, write_rate: 50_000, node_timeout_ms: 120_000, ..Settings::default() };
    let sim = Sim::start(settings).await;
    let mut witness = Witness::open(&sim, false);
    witness
        .until(&sim, "everybody is well", |seen| seen.model.nodes().filter(|node| node.health == Health::Up).count() == 60)
        .await;
    assert!(witness.troubles.is_empty(), "{:?}", witness.troubles);
    let before = witness.infos.clone();
    sim.fault("h", Fault::Hang).await;
    sim.fault("k1", Fault::Slow(300)).await;
    let began = witness.elapsed_ms();
    witness.watch(&sim, Duration::from_secs(60)).await;
    let seconds = (witness.elapsed_ms() - began) / 1000;

    let troubled: Vec<&String> = witness.troubles.keys().collect();
    assert_eq!(troubled, ["h"], "{:?}", witness.troubles);
    let first = witness.troubles["h"][0];
    assert_eq!(first.1, Health::Frozen);
    assert!(first.0 - began <= 1500, "seen after {} ms", first.0 - began);
    assert_eq!(witness.node(&sim, "h").health, Health::Frozen);
    assert_eq!(witness.node(&sim, "k1").health, Health::Slow);
    for (name, count) in &witness.infos {
        let polls = count - before[name];
        let wanted = if *name == "h" { 0..=1 } else { seconds as usize * 3 / 4..=seconds as usize * 5 / 4 + 2 };
        assert!(wanted.contains(&polls), "{name} was polled {polls} times in {seconds} s");
    }
    for (name, slowest) in witness.slowest.iter().filter(|(name, _)| !["h", "k1"].contains(&&***name)) {
        assert!(*slowest < Duration::from_millis(50), "{name} took {slowest:?}");
    }
    let down: Vec<_> =
        witness.findings.iter().filter(|finding| finding.rule == "node.down").map(|f| sim.in_names(&f.label)).collect();
    assert_eq!(down, ["h"]);
}

/// A master hangs: noticed within a second of probing, failed over by the cluster, escalated two minutes later, all of it
/// on the simulated clock.
#[tokio::test(start_paused = true)]
async fn a_hung_master_is_noticed_at_once_and_escalated_in_time() {
    let sim = Sim::start(Settings { write_rate: 10_000, ..Settings::default() }).await;
    let mut witness = Witness::open(&sim, false);
    witness.watch(&sim, Duration::from_secs(5)).await;
    assert!(witness.findings.is_empty(), "{}", witness.tell(&sim));
    let hung = witness.elapsed_ms();
    sim.fault("b", Fault::Hang).await;
    witness.until(&sim, "b is frozen", |seen| seen.node(&sim, "b").health == Health::Frozen).await;
    assert!(witness.elapsed_ms() - hung <= 1100, "{}", witness.tell(&sim));
    witness.until(&sim, "b1 is master", |seen| seen.node(&sim, "b1").is_master()).await;
    let failover = witness.elapsed_ms() - hung;
    assert!((5_000..12_000).contains(&failover), "promoted after {failover} ms\n{}", witness.tell(&sim));
    witness.until(&sim, "all slots are served", |seen| seen.model.topology().unserved().is_empty()).await;
    let escalated = |seen: &Witness| seen.findings.iter().any(|f| f.rule == "node.down" && f.message.contains("escalated after"));
    witness.until(&sim, "it is escalated", escalated).await;
    let escalation = witness.elapsed_ms() - hung;
    assert!((120_000..122_000).contains(&escalation), "escalated after {escalation} ms\n{}", witness.tell(&sim));
    sim.fault("b", Fault::Resume).await;
    witness.until(&sim, "b is a replica", |seen| seen.node(&sim, "b").is_replica()).await;
    witness.until(&sim, "all is well", |seen| seen.findings.is_empty()).await;
    assert!(!witness.fires("node.down"));
}

/// One master with its replica is cut off: both sides speak to us, and tell different things.
#[tokio::test(start_paused = true)]
async fn a_partition_makes_two_opinions() {
    let sim = Sim::start(Settings { replicas: 2, write_rate: 10_000, ..Settings::default() }).await;
    let mut witness = Witness::open(&sim, false);
    witness.watch(&sim, Duration::from_secs(3)).await;
    assert_eq!(opinions(witness.model.views()).len(), 1);
    // c is alone; its replicas are with the majority, which elects one of them.
    sim.fault("c", Fault::Side(1)).await;
    witness.until(&sim, "two opinions", |seen| opinions(seen.model.views()).len() == 2).await;
    let seen = opinions(witness.model.views());
    assert_eq!(seen.iter().map(|opinion| opinion.nodes.len()).collect::<Vec<_>>(), [8, 1]);
    assert_eq!(seen[1].nodes[0], witness.node(&sim, "c").id);
    witness.until(&sim, "the conflict is found", |seen| seen.finds(&sim, "slots.conflict", "")).await;
    sim.fault("c", Fault::Side(0)).await;
    witness.until(&sim, "one opinion again", |seen| rgc_tui::cluster::opinions(seen.model.views()).len() == 1).await;
    witness.until(&sim, "c follows", |seen| seen.node(&sim, "c").is_replica()).await;
    witness.until(&sim, "all is well", |seen| seen.findings.is_empty()).await;
}

macro_rules! scenarios {
    ($($name:ident)+) => {
        mod incidents {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sim/scenarios/", stringify!($name), ".toml");
                    super::scenario::run(file.as_ref()).await;
                }
            )+

            #[test]
            fn every_file_is_run() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sim/scenarios");
                let mut files: Vec<String> = std::fs::read_dir(folder)
                    .unwrap()
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".toml").into())
                    .collect();
                files.sort();
                let mut run = vec![$(stringify!($name)),+];
                run.sort_unstable();
                assert_eq!(files, run);
            }
        }
    };
}

scenarios! {
    aborted_reshard
    aborted_reshard_is_finished
    connections_are_cut
    failover_by_key_on_a_small_screen
    frozen_master_failover_by_force
    master_crashes
    master_hangs
    master_without_replica_dies
    memory_fills
    no_majority
    one_node_tells_old_news
    replica_link_breaks
    room_moves_with_its_keys
    server_answers_oddly
    slot_moves_by_command
    slow_master
    two_masters_claim_one_slot
}
