//! Moves that meet each other: back right after forth, two consoles at once, failovers in between. No key is lost, and what
//! is said is so. A few rounds here; many with `RGC_ROUNDS=200 cargo test --test races` (`sh tests/long.sh`).
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

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Cluster, wait_until};
use desk::{Desk, assert_calm, assert_same};
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::link::{Command, LinkSettings};
use rgc_tui::plan::{Intent, Mode, Outcome, Progress, Report};

/// Rounds of each race.
fn rounds(few: u32) -> u32 {
    std::env::var("RGC_ROUNDS").map_or(few, |rounds| rounds.parse().unwrap())
}

/// One key for each of these slots and `more` for every other one, with its slot.
fn keys_of(slots: std::ops::Range<u16>, count: usize) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    let mut n = 0_u32;
    while found.len() < count {
        let key = format!("k{n}");
        n += 1;
        let slot = key_slot(key.as_bytes());
        if slots.contains(&slot) {
            found.push((slot, key));
        }
    }
    found
}

fn migrate(to: &Address, keys: &[String]) -> Command {
    let words = format!("MIGRATE {} {} x 0 5000 KEYS {}", to.host, to.port, keys.join(" "));
    let mut command = Command::words(&words);
    command.0[3] = Vec::new();
    command
}

async fn everybody_agrees(cluster: &Cluster) {
    wait_until("all views are the same, and no slot is open in any", async || {
        let mut views = std::collections::BTreeSet::new();
        for address in cluster.addresses() {
            let view = cluster.view(&address).await;
            let mut owners: Vec<_> = view.members.iter().map(|member| (member.id, member.slots.clone())).collect();
            owners.sort();
            views.insert((owners, view.myself().is_none_or(|me| !me.open.is_empty())));
        }
        views.len() == 1
    })
    .await;
}

/// Slots half moved, all their keys on the other side already: the way back must not overtake the news of the way there.
async fn back_right_after_forth(cluster: &Cluster, rounds: u32) {
    // Two groups: both go over before one of them comes back.
    let slots = 287..351_u16;
    let keys = keys_of(slots.clone(), 40);
    let mut desk = Desk::at(cluster).await;
    desk.fill(keys.iter().map(|(slot, key)| Command::words(&format!("SET {key} {slot}"))).collect()).await;
    let before = desk.digest(cluster).await;
    for round in 0..rounds {
        let owner = cluster.owner(slots.start).await.unwrap();
        let other = cluster.at(usize::from(owner == cluster.at(0)));
        let id = |at: &Address| desk.model.node_at(at).unwrap().id;
        let (owner_id, other_id) = (id(&owner), id(&other));
        for slot in slots.clone() {
            cluster.ok(&other, &format!("CLUSTER SETSLOT {slot} IMPORTING {owner_id}")).await;
            cluster.ok(&owner, &format!("CLUSTER SETSLOT {slot} MIGRATING {other_id}")).await;
        }
        let mut by_slot: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for (slot, key) in &keys {
            by_slot.entry(*slot).or_default().push(key.clone());
        }
        for keys in by_slot.values() {
            assert!(cluster.call(&owner, &migrate(&other, keys)).await.is_ok());
        }
        let plan = desk.plan(Intent::Fix { slots: None, roll_back: true }).await.unwrap();
        let report = desk.run(plan).await;
        everybody_agrees(cluster).await;
        let after = desk.digest(cluster).await;
        assert_eq!(report.outcome, Outcome::Done, "round {round}: {report:#?}");
        assert_calm(cluster).await;
        assert_same(&before, &after);
        assert_eq!(cluster.owner(slots.start).await, Some(owner), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_rolled_back_right_after_it_was_finished_loses_nothing() {
    back_right_after_forth(&Cluster::start(3, 1).await, rounds(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_rolled_back_loses_nothing_on_other_servers_either() {
    for name in ["valkey8", "redis8"] {
        back_right_after_forth(&Cluster::start_on(name, 3, 1).await, rounds(2)).await;
    }
}

fn move_slots(slots: std::ops::Range<u16>, to: &Address) -> Intent {
    Intent::MoveSlots { slots: slots.collect(), to: to.to_string() }
}

/// Two consoles with folders of their own, as on two machines, move the same slots to different masters.
async fn two_consoles(cluster: &Cluster, rounds: u32) {
    let slots = 0..640_u16;
    let keys = keys_of(slots.clone(), 3000);
    let mut first = Desk::at(cluster).await;
    let mut second = Desk::with(cluster, LinkSettings::default(), None).await;
    // They do not see each other: what keeps keys alive is no courtesy.
    for desk in [&mut first, &mut second] {
        desk.executor = desk.executor.clone().unannounced();
    }
    first.fill(keys.iter().map(|(slot, key)| Command::words(&format!("SET {key} {slot}"))).collect()).await;
    let before = first.digest(cluster).await;
    let mut met = 0;
    for round in 0..rounds {
        let owner = cluster.owner(0).await.unwrap();
        let others: Vec<Address> = (0..3).map(|n| cluster.at(n)).filter(|at| *at != owner).collect();
        let plans =
            (first.plan(move_slots(slots.clone(), &others[0])).await, second.plan(move_slots(slots.clone(), &others[1])).await);
        let (Ok(one), Ok(two)) = plans else { panic!("{plans:?}") };
        // Both begin at once: in the same group, or one a few groups behind the other.
        let (one, two) = tokio::join!(first.run(one), async {
            for _ in 0..(round % 4) * 40 {
                tokio::task::yield_now().await;
            }
            second.run(two).await
        });
        let told = [&one, &two].map(|report: &Report| report.outcome.reasons().join("; "));
        println!("round {round}: {} | {}", told[0], told[1]);
        met += u32::from(told.iter().any(|told| told.contains("another console")));
        // Whatever they left, `fix` puts right.
        if let Ok(plan) = first.plan(Intent::Fix { slots: None, roll_back: false }).await {
            let report = first.run(plan).await;
            assert_eq!(report.outcome, Outcome::Done, "round {round}: {told:?}: {report:#?}");
        }
        everybody_agrees(cluster).await;
        assert_calm(cluster).await;
        assert_same(&before, &first.digest(cluster).await);
        // All at one master again.
        let owner = cluster.owner(0).await.unwrap();
        if let Ok(plan) = first.plan(move_slots(slots.clone(), &owner)).await {
            let report = first.run(plan).await;
            assert_eq!(report.outcome, Outcome::Done, "round {round}: {report:#?}");
        }
    }
    println!("{met} of {rounds} rounds met");
    assert!(met > 0, "the two never met");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consoles_that_move_the_same_slots_lose_nothing() {
    two_consoles(&Cluster::start(3, 1).await, rounds(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consoles_lose_nothing_on_other_servers_either() {
    for name in ["valkey8", "redis8"] {
        two_consoles(&Cluster::start_on(name, 3, 1).await, rounds(2)).await;
    }
}

/// Our own takeover beside our own move: the move stops where nothing is open, and the candidate knows its claims first.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_beside_our_own_move_waits_for_its_safe_point() {
    for (server, mode) in [(None, Mode::Takeover), (None, Mode::Graceful), (Some("valkey8"), Mode::Takeover)] {
        let cluster = match server {
            None => Cluster::start(3, 1).await,
            Some(name) => Cluster::start_on(name, 3, 1).await,
        };
        let keys = keys_of(0..1000, 5000);
        let mut mover = Desk::at(&cluster).await;
        mover.fill(keys.iter().map(|(slot, key)| Command::words(&format!("SET {key} {slot}"))).collect()).await;
        let before = mover.digest(&cluster).await;
        // Another shell of the same machine.
        let mut other = Desk::in_folder(&cluster, LinkSettings::default(), None, mover.folder.clone()).await;
        let failover = other.plan(Intent::Failover { node: cluster.at(3).to_string(), mode }).await.unwrap();
        let plan = mover.plan(move_slots(0..1000, &cluster.at(1))).await.unwrap();
        let mut running = mover.executor.execute(plan, Arc::new(mover.model.clone()));
        let mut begun = 0;
        while begun < 5 {
            match running.progress.recv().await.unwrap() {
                Progress::Sent { command, .. } if command.contains("MIGRATING") => begun += 1,
                Progress::Ended(report) => panic!("it ended too early: {report:?}"),
                _ => {}
            }
        }
        let (moved, failed_over) = tokio::join!(running.report(), other.run(failover));
        println!("{:?}\n{:?}", moved.outcome, failed_over.outcome);
        let why = moved.outcome.reasons().join("; ");
        assert!(matches!(moved.outcome, Outcome::Cancelled(_)) && why.contains("stopped for a failover"), "{moved:?}");
        assert_eq!(failed_over.outcome, Outcome::Done, "{failed_over:?}");
        everybody_agrees(&cluster).await;
        assert_calm(&cluster).await;
        assert_same(&before, &other.digest(&cluster).await);
    }
}

/// A takeover by somebody else in the middle of a move cannot be kept from costing keys; then it is said, with the slots.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_takeover_in_the_middle_loses_nothing_unsaid() {
    for round in 0..rounds(2) {
        let cluster = Cluster::start(3, 1).await;
        let keys = keys_of(0..1000, 5000);
        let mut desk = Desk::at(&cluster).await;
        desk.fill(keys.iter().map(|(slot, key)| Command::words(&format!("SET {key} {slot}"))).collect()).await;
        let before = desk.digest(&cluster).await;
        let plan = desk.plan(move_slots(0..1000, &cluster.at(1))).await.unwrap();
        let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
        let mut begun = 0;
        let report = loop {
            match running.progress.recv().await.unwrap() {
                Progress::Sent { command, .. } if command.contains("MIGRATING") => {
                    begun += 1;
                    if begun == 6 + round % 8 {
                        // Of the source's replica, or of both sides' replicas.
                        for replica in 3..4 + usize::from(round % 2 == 1) {
                            cluster.ok(&cluster.at(replica), "CLUSTER FAILOVER TAKEOVER").await;
                        }
                    }
                }
                Progress::Ended(report) => break report,
                _ => {}
            }
        };
        let told = report.outcome.reasons().join("; ");
        assert_ne!(report.outcome, Outcome::Done, "{report:?}");
        wait_until("those that were deposed are replicas in sync", async || {
            let deposed = [cluster.at(0), cluster.at(usize::from(round % 2 == 1))];
            for at in &deposed {
                if cluster.info(at, "master_link_status").await.as_deref() != Some("up") {
                    return false;
                }
            }
            true
        })
        .await;
        let mut fixed = String::new();
        if let Ok(plan) = desk.plan(Intent::Fix { slots: None, roll_back: false }).await {
            let report = desk.run(plan).await;
            fixed = report.outcome.reasons().join("; ");
            assert_eq!(report.outcome, Outcome::Done, "round {round}: {told}: {report:#?}");
        }
        everybody_agrees(&cluster).await;
        assert_calm(&cluster).await;
        let after = desk.digest(&cluster).await;
        let lost: Vec<u16> = before.keys().filter(|key| !after.contains_key(*key)).map(|key| key_slot(key)).collect();
        println!("round {round}: {} keys lost, {told} {fixed}", lost.len());
        // Of how many slots it says that they have moved, so many are where they were to go.
        let arrived = told.split(" of 1000 slots have moved").next().and_then(|text| text.rsplit(' ').next()?.parse::<u16>().ok());
        let mut there = 0;
        let target = cluster.at(if round % 2 == 1 { 4 } else { 1 });
        let owned = cluster.view(&target).await.myself().unwrap().slots.clone();
        for slot in 0..1000_u16 {
            there += u16::from(owned.iter().any(|range| range.contains(slot)));
        }
        assert!(arrived.is_some_and(|arrived| arrived <= there), "{arrived:?} said, {there} are there: {told}");
        let risky = told.split("; ").find(|reason| reason.contains("may have lost keys")).unwrap_or_default();
        let ranges = risky.split(' ').filter_map(|word| word.parse::<rgc_tui::cluster::SlotRange>().ok()).collect::<Vec<_>>();
        for slot in lost {
            assert!(ranges.iter().any(|range| range.contains(slot)), "slot {slot} has lost a key, and nobody said so: {told}");
        }
    }
}

/// One console after another, on machines of their own, gives away what the one before has just taken. Nothing is lost, and
/// nobody waits for longer than servers need to hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_operation_right_after_another_waits_until_that_is_heard() {
    for server in [None, Some("valkey8")] {
        let cluster = match server {
            None => Cluster::start(3, 1).await,
            Some(name) => Cluster::start_on(name, 3, 1).await,
        };
        let slots = 0..64_u16;
        let keys = keys_of(slots.clone(), 400);
        let mut desks = [Desk::at(&cluster).await, Desk::at(&cluster).await];
        desks[0].fill(keys.iter().map(|(slot, key)| Command::words(&format!("SET {key} {slot}"))).collect()).await;
        let before = desks[0].digest(&cluster).await;
        for round in 0..rounds(12) {
            let desk = &mut desks[round as usize % 2];
            // In turn onwards to the next one and back to the one before.
            let owner = (0..3).find(|&n| desk.model.topology().owner(0) == desk.model.node_at(&cluster.at(n)).map(|node| node.id));
            let to = cluster.at((owner.unwrap() + 1 + round as usize / 2 % 2) % 3);
            let plan = desk.plan(move_slots(slots.clone(), &to)).await.unwrap();
            let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
            let report = loop {
                match running.progress.recv().await.unwrap() {
                    Progress::Note(note) => assert!(!note.contains("waits"), "round {round}: {note}"),
                    Progress::Ended(report) => break report,
                    _ => {}
                }
            };
            assert_eq!(report.outcome, Outcome::Done, "round {round}: {report:#?}");
            for desk in &mut desks {
                desk.look().await;
            }
        }
        everybody_agrees(&cluster).await;
        assert_calm(&cluster).await;
        assert_same(&before, &desks[0].digest(&cluster).await);
    }
}

/// Who may not publish cannot know what has been heard: then a node that may have taken slots a moment ago gives none until
/// its node timeout is over. And with a master that has not heard, nothing is begun.
#[tokio::test(flavor = "multi_thread")]
async fn where_it_cannot_be_known_what_was_heard_the_node_timeout_is_waited_for() {
    let cluster = Cluster::start_with(3, 0, &["--user", "op", "on", ">pw", "~*", "&*", "+@all", "-publish"]).await;
    let settings = LinkSettings { username: Some("op".into()), password: Some("pw".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    for (to, at_least) in [(1, 2.0), (2, 2.0)] {
        let plan = desk.plan(move_slots(0..4, &cluster.at(to))).await.unwrap();
        let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
        let mut notes = Vec::new();
        let report = loop {
            match running.progress.recv().await.unwrap() {
                Progress::Note(note) => notes.push(note),
                Progress::Ended(report) => break report,
                _ => {}
            }
        };
        assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
        assert!(report.elapsed.as_secs_f64() >= at_least, "{report:?}");
        let waits: Vec<&String> = notes.iter().filter(|note| note.contains("waits")).collect();
        assert!(waits.len() == 1 && waits[0].contains("this user may not PUBLISH"), "{notes:?}");
    }
}
