//! Slots on the move on real servers, under players: nothing lost, nothing open, everybody agrees.
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

use common::{Cluster, wait_until};
use desk::{Desk, Players, assert_calm, assert_nothing_lost, assert_same, figure};
use rgc_tui::cluster::key_slot;
use rgc_tui::link::{Command, LinkSettings};
use rgc_tui::plan::{Code, Intent, Mode, Objective, Outcome, Pace, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;

fn move_slots(slots: &str, to: impl ToString) -> Intent {
    let ranges: Vec<rgc_tui::cluster::SlotRange> = slots.split(' ').map(|range| range.parse().unwrap()).collect();
    Intent::MoveSlots { slots: ranges.iter().collect(), to: to.to_string() }
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_under_players_and_nothing_is_lost() {
    nothing_is_lost_on(Cluster::start(3, 1).await).await;
}

/// Valkey 8's SETSLOT waits for replicas, and it deletes keys of slots that it neither owns nor imports.
#[tokio::test(flavor = "multi_thread")]
async fn slots_move_under_players_on_other_servers_too() {
    for name in ["valkey8", "redis8"] {
        nothing_is_lost_on(Cluster::start_on(name, 3, 1).await).await;
    }
}

async fn nothing_is_lost_on(cluster: Cluster) {
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(1500).await;
    let before = desk.digest(&cluster).await;
    let players = Players::start(&desk.links, cluster.at(0), 2000);
    let report = desk.done(move_slots("0-999 6000-6499", cluster.at(2))).await;
    let played = players.stop().await;
    println!(
        "{report:?}\n{} writes, {} asks, {} tryagain, longest {:?}",
        played.writes, played.asks, played.tryagain, played.longest
    );
    assert_eq!((figure(&report, "slots"), figure(&report, "nodes_agreed")), (1500.0, 6.0));
    assert_calm(&cluster).await;
    assert_nothing_lost(&desk, &cluster, &played).await;
    let mut after = desk.digest(&cluster).await;
    after.retain(|key, _| !key.starts_with(b"play:"));
    assert_same(&before, &after);
    assert_eq!(desk.executor.unfinished("test").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_sixty_keys_moves_at_once() {
    let cluster = Cluster::start_with(3, 0, &["--requirepass", "s3cret", "--masterauth", "s3cret"]).await;
    let settings = LinkSettings { password: Some("s3cret".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    let room: Vec<Command> = (0..60).map(|n| Command::words(&format!("HSET room:{{KX9Q2}}:k{n} a 1 b 2"))).collect();
    desk.fill(room).await;
    let slot = rgc_tui::cluster::key_slot(b"KX9Q2");
    let owner = desk.model.topology().owner(slot).unwrap();
    let target = cluster.addresses().into_iter().find(|at| desk.model.node_at(at).unwrap().id != owner).unwrap();
    let intent = Intent::MigrateRooms { codes: vec!["KX9Q2".into()], to: target.to_string() };
    let plan = desk.plan(intent.clone()).await.unwrap();
    assert_eq!((plan.moves.len(), plan.moves[0].keys), (1, 60));
    let report = desk.run(plan).await;
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(figure(&report, "keys"), 60.0);
    assert_calm(&cluster).await;
    assert_eq!(cluster.owner(slot).await, Some(target));
    let again = desk.plan(intent).await.unwrap_err();
    assert!(again.to_string().contains("nothing to do"), "{again}");
    let unknown =
        desk.plan(Intent::MigrateRooms { codes: vec!["NOSUCH".into()], to: cluster.at(0).to_string() }).await.unwrap_err();
    assert!(unknown.usage && unknown.to_string().contains("no room NOSUCH"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_master_gets_its_share_and_a_second_run_has_nothing_to_do() {
    let cluster = Cluster::start(4, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(500).await;
    desk.done(move_slots("12288-16383", cluster.at(0))).await;
    wait_until("the fourth master is empty or a replica", async || {
        cluster.view(&cluster.at(3)).await.myself().unwrap().slots.is_empty()
    })
    .await;
    let before = desk.digest(&cluster).await;
    let rebalance = Intent::Rebalance {
        by: Objective::Slots,
        weights: BTreeMap::new(),
        use_empty: true,
        threshold_percent: 2.0,
        pace: Pace::Fast,
    };
    let report = desk.done(rebalance.clone()).await;
    println!("{report:?}");
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);
    let again = desk.plan(rebalance).await.unwrap_err();
    assert!(again.to_string().contains("nothing to do"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_shared_out_and_stays_so() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    // 60 slots of the first master hold 200 KB each, everything else next to nothing.
    let big = "x".repeat(200_000);
    let mut commands = Vec::new();
    let mut n = 0;
    while commands.len() < 60 {
        let key = format!("big:{n}");
        n += 1;
        if rgc_tui::cluster::key_slot(key.as_bytes()) < 5000 {
            commands.push(Command::words(&format!("SET {key} {big}")));
        }
    }
    desk.fill(commands).await;
    desk.fill_rooms(200).await;
    let by_memory = Intent::Rebalance {
        by: Objective::Memory,
        weights: BTreeMap::new(),
        use_empty: false,
        threshold_percent: 2.0,
        pace: Pace::Calm,
    };
    let plan = desk.plan(by_memory.clone()).await.unwrap();
    let most = |loads: &[rgc_tui::plan::Load]| loads.iter().map(|load| load.value).fold(0.0, f64::max);
    let mean = plan.after.iter().map(|load| load.value).sum::<f64>() / 3.0;
    assert!(most(&plan.before) / mean > 2.5 && most(&plan.after) / mean < 1.1, "{:?} {:?}", plan.before, plan.after);
    assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
    assert_calm(&cluster).await;
    let again = desk.plan(by_memory).await.unwrap_err();
    assert!(again.to_string().contains("nothing to do"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_leaves_nothing_open() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(1000).await;
    let plan = desk.plan(move_slots("0-5000", cluster.at(1))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut asked = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("IMPORTING") => {
                if !std::mem::replace(&mut asked, true) {
                    // Open slots of a move that lives are nobody's to put right.
                    let fix = desk.plan(Intent::Fix { slots: None, roll_back: true }).await.unwrap_err();
                    assert!(!fix.fulfilled && fix.to_string().contains("is under way"), "{fix}");
                }
                running.control.abort();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    assert!(
        matches!(&report.outcome, Outcome::Cancelled(reasons) if reasons[0].contains("of 5001 slots have moved")),
        "{report:?}"
    );
    wait_until("all agree", async || {
        let mut views = std::collections::BTreeSet::new();
        for address in cluster.addresses() {
            let view = cluster.view(&address).await;
            let mut owners: Vec<_> = view.members.iter().map(|member| (member.id, member.slots.clone())).collect();
            owners.sort();
            views.insert(owners);
        }
        views.len() == 1
    })
    .await;
    assert_calm(&cluster).await;
}

/// Two shells on one cluster, with one folder: what the first moves is not the second's to move.
#[tokio::test(flavor = "multi_thread")]
async fn one_operation_at_a_time_from_this_machine_except_failovers() {
    let cluster = Cluster::start(3, 1).await;
    let mut first = Desk::at(&cluster).await;
    first.fill_rooms(1000).await;
    let mut second = Desk::in_folder(&cluster, LinkSettings::default(), None, first.folder.clone()).await;
    // Of other shards' masters, so that nothing but the turn is between them.
    let other = second.plan(move_slots("16000-16009", cluster.at(1))).await.unwrap();
    let failover = second.plan(Intent::Failover { node: cluster.at(5).to_string(), mode: Mode::Graceful }).await.unwrap();
    let plan = first.plan(move_slots("0-3000", cluster.at(1))).await.unwrap();
    let mut running = first.executor.execute(plan, Arc::new(first.model.clone()));
    let mut asked = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("IMPORTING") && !asked => {
                asked = true;
                // It holds its turn while it waits, however slow this machine is.
                running.control.pause();
                let refused = second.run(other.clone()).await;
                assert!(
                    matches!(&refused.outcome, Outcome::Refused(why) if why[0].code == Code::OperationRunning
                        && why[0].contains("is running on this machine (`move-slots 0-3000")),
                    "{refused:?}"
                );
                assert_eq!(second.executor.unfinished("test").await, [], "it lives");
                let report = second.run(failover.clone()).await;
                assert_eq!(report.outcome, Outcome::Done, "{report:?}");
                running.control.resume();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    assert!(asked && report.outcome == Outcome::Done, "{report:?}");
    assert_calm(&cluster).await;
    second.done(move_slots("16000-16009", cluster.at(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_refused_with_the_nearest_choice() {
    let cluster = Cluster::start(3, 1).await;
    let mut desk = Desk::at(&cluster).await;
    let replica = desk.plan(move_slots("0-9", cluster.at(4))).await.unwrap_err();
    assert!(replica.usage && replica.to_string().contains(&format!("did you mean {}?", cluster.at(1))), "{replica}");
    let there = desk.plan(move_slots("0-9", "A")).await.unwrap_err();
    assert!(there.to_string().contains("nothing to do: slots 0-9 are all on"), "{there}");
    cluster.ok(&cluster.at(1), &format!("CLUSTER SETSLOT 7 IMPORTING {}", desk.model.topology().owner(7).unwrap())).await;
    let open = desk.plan(move_slots("0-9", "B")).await.unwrap_err();
    assert!(open.to_string().contains("slot 7 is open already") && open.to_string().contains("fix 7"), "{open}");
}

/// The console is dead, the servers go on: what they have moved since is told, and what did not move can be asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn what_valkey_9_moved_without_a_console_is_counted() {
    let cluster = Cluster::start_on("valkey9", 3, 0).await;
    // The second record says which slots are to go next; nobody is there to send the command, so the test does.
    let mut desk = Desk::with(&cluster, LinkSettings::default(), Some(2)).await;
    desk.fill_rooms(500).await;
    let plan = desk.plan(move_slots("0-999", cluster.at(2))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    while running.progress.recv().await.is_some() {}
    let to = desk.model.node_at(&cluster.at(2)).unwrap().id;
    cluster.ok(&cluster.at(0), &format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 399 NODE {to}")).await;
    wait_until("the servers have moved them", async || cluster.owner(399).await == Some(cluster.at(2))).await;
    desk.look().await;
    let [left] = &desk.executor.unfinished("test").await[..] else { panic!() };
    assert_eq!(left.progress(), "0 of 1000 slots have moved");
    let says = left.says(&desk.model);
    assert!(says.contains("400 of 1000 slots have moved, no slot is open"), "{says}");
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_9_moves_slots_by_itself_and_players_see_no_redirects() {
    let cluster = Cluster::start_on("valkey9", 3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(2000).await;
    let before = desk.digest(&cluster).await;
    let players = Players::start(&desk.links, cluster.at(0), 1000);
    let plan = desk.plan(move_slots("0-999 6000-6499", cluster.at(2))).await.unwrap();
    assert_eq!(plan.engine, Some(rgc_tui::plan::Engine::ValkeyAtomic));
    let report = desk.run(plan).await;
    let played = players.stop().await;
    println!(
        "{report:?}\n{} writes, {} asks, {} tryagain, longest {:?}",
        played.writes, played.asks, played.tryagain, played.longest
    );
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((played.asks, played.tryagain), (0, 0));
    let moved = |key: &&Vec<u8>| matches!(key_slot(key), 0..=999 | 6000..=6499);
    let (keys, bytes) = (figure(&report, "keys"), figure(&report, "bytes"));
    assert!(keys >= before.keys().filter(moved).count() as f64 && bytes > keys, "{keys} keys, {bytes} bytes");
    assert_calm(&cluster).await;
    assert_nothing_lost(&desk, &cluster, &played).await;
    let mut after = desk.digest(&cluster).await;
    after.retain(|key, _| !key.starts_with(b"play:"));
    assert_same(&before, &after);
}

/// A source that loses its last slot while it waits for its replica answers UNBLOCKED, or ends the connection: that is the end
/// of the move, no failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_gives_its_last_slot_away_on_valkey_8() {
    let cluster = Cluster::start_on("valkey8", 3, 1).await;
    // Most of what the last master has goes to the first one by decree: there is no key yet.
    for address in cluster.addresses().iter().take(3) {
        cluster.ok(address, "CLUSTER DELSLOTSRANGE 10923 16350").await;
    }
    cluster.ok(&cluster.at(0), "CLUSTER ADDSLOTSRANGE 10923 16350").await;
    cluster.ask(&cluster.at(0), "CLUSTER BUMPEPOCH").await;
    wait_until("everybody knows it", async || {
        for address in cluster.addresses() {
            let view = cluster.view(&address).await;
            let owned: u32 = view.members.iter().map(|member| u32::from(member.slot_count())).sum();
            if owned != 16384
                || view
                    .members
                    .iter()
                    .any(|member| member.slots.iter().any(|range| range.contains(16_351) && range.contains(16_350)))
            {
                return false;
            }
        }
        true
    })
    .await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(200).await;
    let before = desk.digest(&cluster).await;
    let report = desk.done(Intent::Drain { node: cluster.at(2).to_string() }).await;
    println!("{report:?}");
    assert!(cluster.view(&cluster.at(2)).await.myself().unwrap().slots.is_empty());
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);
}
