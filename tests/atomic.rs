//! Moves that Valkey 9 carries out by itself: what the servers have not said is not known, and nobody else's is touched.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test that fails loudly and says what it saw"
)]

mod common;
mod desk;

use common::{Cluster, server_bin, wait_until};
use desk::{Desk, assert_calm, assert_same};
use rgc_tui::cluster::key_slot;
use rgc_tui::link::{Command, LinkSettings, Reply};
use rgc_tui::local::LocalSpec;
use rgc_tui::plan::{Danger, Intent, Outcome, Progress};
use std::sync::Arc;
use std::time::Duration;

fn move_slots(slots: &str, to: impl ToString) -> Intent {
    let ranges: Vec<rgc_tui::cluster::SlotRange> = slots.split(' ').map(|range| range.parse().unwrap()).collect();
    Intent::MoveSlots { slots: ranges.iter().collect(), to: to.to_string() }
}

async fn valkey9(args: &[&str]) -> Cluster {
    let args = args.iter().map(ToString::to_string).collect();
    Cluster::with(LocalSpec { masters: 3, replicas: 0, server_bin: Some(server_bin("valkey9")), args, ..LocalSpec::default() })
        .await
}

/// Fills slot after slot below `below` with keys of so many bytes.
async fn fill(desk: &Desk, below: u16, keys: usize, bytes: usize) {
    let value = "x".repeat(bytes);
    let named = (0..).map(|n| format!("big:{n}")).filter(|name| key_slot(name.as_bytes()) < below);
    desk.fill(named.take(keys).map(|name| Command::words(&format!("SET {name} {value}"))).collect()).await;
}

/// The source cannot be reached any more when it has accepted; the servers go on. What the target says counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_whose_source_is_out_of_our_reach_is_not_refused() {
    let cluster = valkey9(&[]).await;
    let proxy = common::Proxy::to(&cluster.at(0)).await;
    let settings = LinkSettings { address_map: proxy.map(&cluster.at(0)), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    fill(&desk, 2000, 500, 100).await;
    let plan = desk.plan(move_slots("0-1999", cluster.at(2))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("MIGRATESLOTS") => proxy.cut(),
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    assert_eq!(cluster.owner(1999).await, Some(cluster.at(2)), "the servers went on");
    // Moved, and the source cannot be asked whether it still holds keys: not done, and by no means refused.
    let Outcome::Failed(why) = &report.outcome else { panic!("{report:?}") };
    assert!(!why.iter().any(|why| why.contains("did not begin") || why.contains("rolled back")), "{why:?}");
    assert!(why.iter().any(|why| why.contains(&cluster.at(0).to_string())), "{why:?}");
}

/// Neither side can be asked how it ended: that is said, and the slots stay named.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_nobody_can_be_asked_about_is_open() {
    let cluster = valkey9(&[]).await;
    let (source, target) = (common::Proxy::to(&cluster.at(0)).await, common::Proxy::to(&cluster.at(2)).await);
    let map = source.map_with(&[(&source, cluster.at(0)), (&target, cluster.at(2))]);
    let mut desk = Desk::with(&cluster, LinkSettings { address_map: map, ..LinkSettings::default() }, None).await;
    fill(&desk, 2000, 500, 100).await;
    let plan = desk.plan(move_slots("0-1999", cluster.at(2))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("MIGRATESLOTS") => {
                source.cut();
                target.cut();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    let Outcome::Failed(why) = &report.outcome else { panic!("{report:?}") };
    let text = why.join("\n");
    assert!(text.contains("whether slots 0-1999 move from") && text.contains("GETSLOTMIGRATIONS"), "{text}");
    assert!(text.contains("left open: 0-1999"), "{text}");
}

/// Another console moves some of the slots: it is named, its migration goes on, and nothing is claimed of it.
#[tokio::test(flavor = "multi_thread")]
async fn anothers_migration_of_the_same_slots_is_named_and_left_alone() {
    let cluster = valkey9(&[]).await;
    let mut desk = Desk::at(&cluster).await;
    fill(&desk, 1000, 400, 100_000).await;
    let before = desk.digest(&cluster).await;
    let plan = desk.plan(move_slots("0-999", cluster.at(2))).await.unwrap();
    let other = desk.model.node_at(&cluster.at(1)).unwrap().id;
    cluster.ok(&cluster.at(0), &format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 499 NODE {other}")).await;
    let report = desk.run(plan).await;
    println!("{report:?}");
    let (Outcome::Refused(why) | Outcome::Failed(why)) = &report.outcome else { panic!("{report:?}") };
    let text = why.join("\n");
    let named = text.contains("somebody else moves slots 0-499") || text.contains("cluster has changed");
    assert!(named && !text.contains("the slots have moved, but"), "{text}");
    wait_until("the other's migration has ended well", async || cluster.owner(499).await == Some(cluster.at(1))).await;
    assert_eq!(cluster.owner(500).await, Some(cluster.at(0)));
    cluster.wait_ok(&cluster.addresses()).await;
    assert_same(&before, &desk.digest(&cluster).await);
}

/// A plan counts every database, and a room is a room wherever its keys are.
#[tokio::test(flavor = "multi_thread")]
async fn every_database_is_counted() {
    let cluster = valkey9(&["--cluster-databases", "4"]).await;
    let mut desk = Desk::at(&cluster).await;
    let slot = key_slot(b"KX9Q2");
    let owner = cluster.owner(slot).await.unwrap();
    for (database, keys) in [(0, 2), (1, 20), (3, 30)] {
        for n in 0..keys {
            let commands = [
                Command::words(&format!("SELECT {database}")),
                Command::words(&format!("SET room:{{KX9Q2}}:db{database}:{n} {n}")),
                Command::words("SELECT 0"),
            ];
            let replies =
                desk.links.get(&owner, rgc_tui::link::Lane::Work).pipeline(&commands, Duration::from_secs(5)).await.unwrap();
            assert!(replies.iter().all(Reply::is_ok), "{replies:?}");
        }
    }
    let elsewhere = key_slot(b"ONLY1");
    let at = cluster.owner(elsewhere).await.unwrap();
    let commands = ["SELECT 1", "SET room:{ONLY1}:state x", "SELECT 0"].map(Command::words);
    desk.links.get(&at, rgc_tui::link::Lane::Work).pipeline(&commands, Duration::from_secs(5)).await.unwrap();
    let to = |from: &rgc_tui::cluster::Address| cluster.addresses().into_iter().find(|other| other != from).unwrap().to_string();
    let plan = desk.plan(Intent::MoveSlots { slots: [slot].into_iter().collect(), to: to(&owner) }).await.unwrap();
    assert_eq!((plan.moves[0].keys, plan.moves[0].bytes > Some(50 * 40)), (52, true), "{plan:#?}");
    let room = Intent::MigrateRooms { codes: vec!["ONLY1".into()], to: to(&at) };
    desk.done(room).await;
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let now = cluster.owner(slot).await.unwrap();
    let keyspace = cluster.text(&now, "INFO keyspace").await;
    assert!(keyspace.contains("db1:keys=2") && keyspace.contains("db3:keys=30"), "{keyspace}");
    assert_calm(&cluster).await;
}

/// The target fills up while it takes slots and drops keys: the move stops and says how many.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_evicts_stops_the_move() {
    let cluster = valkey9(&[]).await;
    // Valkey 9 cannot drop what it is importing: it breaks off by itself.
    evicts(cluster, false).await;
    evicts(Cluster::start(3, 0).await, true).await;
}

async fn evicts(cluster: Cluster, goes_on: bool) {
    let mut desk = Desk::at(&cluster).await;
    fill(&desk, 4000, 3000, 4000).await;
    // The target's own players have keys there, too.
    let value = "x".repeat(4000);
    let own = (0..).map(|n| format!("own:{n}")).filter(|name| key_slot(name.as_bytes()) > 11_000).take(1000);
    desk.fill(own.map(|name| Command::words(&format!("SET {name} {value}"))).collect()).await;
    let plan = desk.plan(move_slots("0-3999", cluster.at(2))).await.unwrap();
    let used: u64 = cluster.info(&cluster.at(2), "used_memory").await.unwrap().parse().unwrap();
    // Somebody lowers its limit when the move has begun.
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut lowered = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if !lowered && (command.contains("MIGRATESLOTS") || command.contains("IMPORTING")) => {
                lowered = true;
                cluster.ok(&cluster.at(2), "CONFIG SET maxmemory-policy allkeys-lru").await;
                cluster.ok(&cluster.at(2), &format!("CONFIG SET maxmemory {}", used + 1_000_000)).await;
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    let evicted: u64 = cluster.info(&cluster.at(2), "evicted_keys").await.unwrap().parse().unwrap();
    let Outcome::Failed(why) = &report.outcome else { panic!("{report:?}") };
    let text = why.join("\n");
    assert!(evicted > 0 && text.contains("evicted") && text.contains("those keys are gone"), "{evicted}: {text}");
    // Asked for again, it wants the word of somebody who knows that; then it goes to its end.
    let plan = desk.plan(move_slots("0-3999", cluster.at(2))).await.unwrap();
    let Danger::Contradicted(contradiction) = &plan.danger else { panic!("{plan:?}") };
    assert_eq!(contradiction.objection.code(), "keys_evicted");
    assert!(contradiction.says.contains("it drops keys to make room (allkeys-lru)"), "{contradiction:?}");
    if !goes_on {
        return;
    }
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut notes = String::new();
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Note(note) => notes += &note,
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(notes.contains("since the move began, as was agreed"), "{notes}");
    assert_calm(&cluster).await;
}

/// The target dies while it takes slots: that is a failure, and what it did is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_in_a_move_is_a_failure_and_said() {
    let cluster = valkey9(&[]).await;
    let mut desk = Desk::at(&cluster).await;
    fill(&desk, 2000, 200, 200_000).await;
    let plan = desk.plan(move_slots("0-1999", cluster.at(2))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("MIGRATESLOTS") => {
                cluster.fault(&cluster.at(2), rgc_tui::local::Fault::Kill).await.unwrap();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    let Outcome::Failed(why) = &report.outcome else { panic!("{report:?}") };
    let text = why.join("\n");
    assert!(text.contains(&format!("{} stopped answering while slots 0-1999", cluster.at(2))), "{text}");
    assert!(!text.contains("left open"), "{text}");
}

/// The source is failed over by hand while its slots leave group by group: what is said to have moved has moved.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_move_says_after_a_failover_of_its_source_is_so() {
    for last in [false, true] {
        let bin = Some(server_bin("valkey9"));
        let cluster = Cluster::with(LocalSpec { masters: 3, replicas: 1, server_bin: bin, ..LocalSpec::default() }).await;
        let mut desk = Desk::at(&cluster).await;
        // In two groups of a calm move, or in one.
        fill(&desk, 1461, if last { 2_000 } else { 60_000 }, 10).await;
        let (target, replica) = (cluster.at(1), cluster.at(3));
        let plan = desk.plan(move_slots("0-1460", &target)).await.unwrap();
        let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
        let report = loop {
            match running.progress.recv().await.unwrap() {
                Progress::Sent { command, .. } if command.contains("MIGRATESLOTS") => {
                    if !last {
                        wait_until("the first group has moved", async || cluster.owner(0).await.as_ref() == Some(&target)).await;
                    }
                    cluster.ask(&replica, "CLUSTER FAILOVER").await;
                }
                Progress::Ended(report) => break report,
                _ => {}
            }
        };
        let me = cluster.view(&target).await;
        let moved = me.myself().unwrap().slots.iter().flat_map(|range| range.iter()).filter(|slot| *slot < 1461).count();
        let told =
            report.figures.iter().find(|(figure, _)| *figure == rgc_tui::plan::Figure::Slots).map_or(0.0, |(_, slots)| *slots);
        let reasons = report.outcome.reasons().join("; ");
        println!("{moved} moved: {report:?}");
        assert_eq!(told, moved as f64, "{report:?}");
        assert_eq!(report.outcome == Outcome::Done, moved == 1461, "{report:?}");
        assert!(!reasons.contains("1461 of 1461"), "{reasons}");
        assert!(moved == 1461 || reasons.contains(&format!("{moved} of 1461 slots have moved")), "{reasons}");
    }
}
