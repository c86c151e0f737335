//! IO. Random incidents: whatever happens to the servers, the model stays sound while it lasts, and all is well once it is over.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use rgc_tui::cluster::{Health, Model, SlotSet, opinions};

use crate::sim::{Fault, Settings, Sim};
use crate::witness::Witness;

/// Something happens to a node after a pause.
#[derive(Clone, Debug)]
struct Blow {
    pause_ms: u64,
    node: usize,
    fault: Fault,
}

fn blow() -> impl Strategy<Value = Blow> {
    let fault = prop_oneof![
        3 => Just(Fault::Hang),
        2 => Just(Fault::Resume),
        3 => Just(Fault::Crash),
        3 => Just(Fault::Restart),
        1 => Just(Fault::Refuse),
        1 => (50u64..2000).prop_map(Fault::Slow),
        1 => Just(Fault::Reset),
        1 => Just(Fault::Loading),
        1 => Just(Fault::Busy),
        1 => Just(Fault::Full),
        1 => Just(Fault::Garbage),
        1 => Just(Fault::Lie),
        1 => Just(Fault::BreakLink),
        1 => (1u64..100_000).prop_map(Fault::Behind),
        1 => (1u8..3).prop_map(Fault::Side),
        1 => Just(Fault::Password("other".into())),
        3 => Just(Fault::Well),
    ];
    (0u64..6000, 0usize..6, fault).prop_map(|(pause_ms, node, fault)| Blow { pause_ms, node, fault })
}

/// What holds at every moment, however sick the cluster is.
fn assert_sound(model: &Model) {
    let topology = model.topology();
    let owned: SlotSet = (0..16384).filter(|&slot| topology.owner(slot).is_some()).collect();
    assert_eq!(owned, topology.assigned, "assigned slots are those with an owner");
    assert!(topology.served.iter().all(|slot| topology.assigned.contains(slot)), "a slot is served by its owner");
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    for shard in &topology.shards {
        assert!(names.insert(shard.name), "two shards are called {}", shard.name);
        for id in shard.nodes() {
            assert!(seen.insert(id), "{} is in two shards", model.label(id));
            assert!(model.node(id).is_some(), "a shard has a node that is not known");
        }
    }
    for node in model.nodes() {
        assert!(seen.contains(&node.id) || !node.id.is_member(), "{} is in no shard", node.address);
    }
}

async fn storm(blows: Vec<Blow>, seed: u64) {
    const NAMES: [&str; 6] = ["a", "b", "c", "a1", "b1", "c1"];
    let sim = Sim::start(Settings { node_timeout_ms: 2000, write_rate: 5000, rooms: 12, seed, ..Settings::default() }).await;
    let mut witness = Witness::open(&sim, true);
    witness.until(&sim, "everybody is up", |seen| seen.model.nodes().filter(|node| node.health == Health::Up).count() == 6).await;
    for blow in blows {
        witness.watch(&sim, Duration::from_millis(blow.pause_ms)).await;
        assert_sound(&witness.model);
        sim.fault(NAMES[blow.node], blow.fault).await;
    }
    witness.watch(&sim, Duration::from_secs(5)).await;
    assert_sound(&witness.model);
    for name in NAMES {
        for fault in [Fault::Well, Fault::Resume, Fault::Restart] {
            sim.fault(name, fault).await;
        }
    }
    let recovered = |seen: &Witness| {
        seen.model.nodes().count() == 6
            && seen.model.nodes().all(|node| node.health == Health::Up)
            && seen.model.topology().unserved().is_empty()
            && opinions(seen.model.views()).len() == 1
    };
    witness.until(&sim, "all is well once it is over", recovered).await;
    assert_sound(&witness.model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_storm_of_faults_is_survived(blows in prop::collection::vec(blow(), 1..12), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        println!("seed {seed}: {blows:?}");
        runtime.block_on(storm(blows, seed));
    }
}
