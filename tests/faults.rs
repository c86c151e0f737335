//! Moves of slots that break: the console dies, servers die or freeze or refuse. Nothing is lost, nothing stays open.
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
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::exec::LEDGER;
use rgc_tui::link::{Command, Lane, LinkSettings};
use rgc_tui::local::{Fault, LocalSpec};
use rgc_tui::plan::entry::Entry;
use rgc_tui::plan::{Code, Intent, Mode, Outcome, Plan, Progress, Report};
use std::sync::Arc;
use std::time::Duration;

fn move_slots(slots: &str, to: impl ToString) -> Intent {
    let ranges: Vec<rgc_tui::cluster::SlotRange> = slots.split(' ').map(|range| range.parse().unwrap()).collect();
    Intent::MoveSlots { slots: ranges.iter().collect(), to: to.to_string() }
}

fn reasons(report: &Report) -> String {
    println!("{report:#?}");
    report.outcome.reasons().join("\n")
}

/// Carries a plan out and does something once, when a command that contains this is seen.
async fn run_and(desk: &Desk, plan: Plan, when: &str, act: impl AsyncFnOnce()) -> Report {
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut act = Some(act);
    loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains(when) => {
                if let Some(act) = act.take() {
                    act().await;
                }
            }
            Progress::Ended(report) => return report,
            _ => {}
        }
    }
}

async fn everybody_agrees(cluster: &Cluster, nodes: &[Address]) {
    wait_until("everybody agrees on the owners", async || {
        let mut views = std::collections::BTreeSet::new();
        for address in nodes {
            let view = cluster.view(address).await;
            let mut owners: Vec<_> = view
                .members
                .iter()
                .filter(|member| !member.slots.is_empty())
                .map(|member| (member.id, member.slots.clone()))
                .collect();
            owners.sort();
            views.insert(owners);
        }
        views.len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_dies_at_any_record_leaves_what_the_next_one_can_repair() {
    let cluster = Cluster::start(3, 0).await;
    let desk = Desk::at(&cluster).await;
    desk.fill_rooms(3000).await;
    let before = desk.digest(&cluster).await;
    let mut ended = false;
    for fuse in 1..40 {
        let target = cluster.at(usize::from(cluster.owner(0).await == Some(cluster.at(0))));
        let mut dying = Desk::with(&cluster, LinkSettings::default(), Some(fuse)).await;
        let plan = dying.plan(move_slots("0-23", &target)).await.unwrap();
        let mut running = dying.executor.execute(plan, Arc::new(dying.model.clone()));
        let mut report = None;
        while let Some(progress) = running.progress.recv().await {
            if let Progress::Ended(end) = progress {
                report = Some(end);
            }
        }
        if let Some(report) = report {
            assert_eq!(report.outcome, Outcome::Done, "{report:?}");
            ended = true;
            break;
        }
        // The next console finds the journal, and repairs what is open one way or the other.
        let mut next = Desk::in_folder(&cluster, LinkSettings::default(), None, dying.folder.clone()).await;
        // Its last record may still be on its way to the disk; no other console can be mistaken for it here.
        wait_until("the dead console has let go", async || rgc_tui::exec::under_way(dying.folder.path(), "test").is_empty()).await;
        let unfinished = next.executor.unfinished("test").await;
        if let [unfinished] = unfinished.as_slice() {
            assert_eq!(unfinished.total, 24, "{}", unfinished.says(&next.model));
        } else {
            // Only the very last record is not an unfinished one: it says how the operation ended.
            assert_eq!(cluster.owner(23).await, Some(target.clone()), "record {fuse}");
        }
        match next.plan(Intent::Fix { slots: None, roll_back: fuse % 3 == 0 }).await {
            Ok(plan) => {
                let report = next.run(plan).await;
                assert_eq!(report.outcome, Outcome::Done, "record {fuse}: {report:?}");
                assert_eq!(next.executor.unfinished("test").await, []);
            }
            Err(refusal) => assert!(refusal.to_string().contains("nothing to do"), "record {fuse}: {refusal}"),
        }
        everybody_agrees(&cluster, &cluster.addresses()).await;
        assert_calm(&cluster).await;
        assert_same(&before, &next.digest(&cluster).await);
        // The request can be repeated.
        match next.plan(move_slots("0-23", &target)).await {
            Ok(plan) => assert_eq!(next.run(plan).await.outcome, Outcome::Done, "record {fuse}"),
            Err(refusal) => assert!(refusal.to_string().contains("nothing to do"), "{refusal}"),
        }
        // The ledger tells of both, each once, and nothing is left that every start would read.
        next.look().await;
        next.executor.put_away_repaired(&next.model).await;
        let files = std::fs::read_dir(dying.folder.path()).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        assert_eq!(names, [LEDGER, "turns.lock"], "record {fuse}");
        let ledger = std::fs::read_to_string(dying.folder.path().join(LEDGER)).unwrap();
        let moves: Vec<Entry> = ledger.lines().filter_map(Entry::read).filter(|entry| entry.intent.starts_with("move")).collect();
        let broken_off = moves.iter().filter(|entry| entry.reasons.join(" ").contains("broken off")).count();
        // Who dies with the very last record has done everything but tell.
        assert_eq!(broken_off, usize::from(!unfinished.is_empty()), "record {fuse}: {ledger}");
        assert!(broken_off == 1 || moves.iter().all(|entry| entry.outcome == "done"), "record {fuse}: {ledger}");
        assert!((1..=2).contains(&moves.len()), "record {fuse}: {ledger}");
    }
    assert!(ended, "the last record was reached");
    assert_same(&before, &desk.digest(&cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_memory_gets_nothing_and_gives_back_what_it_got() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(3000).await;
    let before = desk.digest(&cluster).await;
    let plan = desk.plan(move_slots("0-99", "B")).await.unwrap();
    let (target, cluster) = (cluster.at(1), &cluster);
    let report = run_and(&desk, plan, "NODE", async || cluster.ok(&target, "CONFIG SET maxmemory 1").await).await;
    let said = reasons(&report);
    assert!(matches!(report.outcome, Outcome::Failed(_)) && said.contains("OOM"), "{said}");
    assert_eq!(report.outcome.code(), Code::TargetRefuses, "{report:?}");
    cluster.ok(&cluster.at(1), "CONFIG SET maxmemory 0").await;
    everybody_agrees(cluster, &cluster.addresses()).await;
    assert_calm(cluster).await;
    assert_same(&before, &desk.digest(cluster).await);
    // Known beforehand, it is not even begun.
    cluster.ok(&cluster.at(1), "CONFIG SET maxmemory 2000000").await;
    let refusal = desk.plan(move_slots("100-5000", "B")).await.unwrap_err();
    assert!(refusal.to_string().contains("below its maxmemory"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_migrate_changes_nothing() {
    let cluster = Cluster::start(3, 0).await;
    let admin = Desk::at(&cluster).await;
    admin.fill_rooms(1000).await;
    let before = admin.digest(&cluster).await;
    for address in cluster.addresses() {
        cluster.ok(&address, "ACL SETUSER op on >pw ~* &* +@all -migrate").await;
    }
    let settings = LinkSettings { username: Some("op".into()), password: Some("pw".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    let refusal = desk.plan(move_slots("0-3000", "B")).await.unwrap_err();
    assert!(refusal.to_string().contains("`ACL SETUSER op +migrate` there gives the rights"), "{refusal}");
    let allow = async |right: &str| {
        for address in cluster.addresses() {
            cluster.ok(&address, &format!("ACL SETUSER op {right}migrate")).await;
        }
    };
    allow("+").await;
    let plan = desk.plan(move_slots("0-3000", "B")).await.unwrap();
    // Taken away when it has begun.
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut taken = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("IMPORTING") && !std::mem::replace(&mut taken, true) => {
                allow("-").await;
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    // What was sent before the right went has moved whole; of the rest nothing is half-way.
    let said = reasons(&report);
    assert!(taken && said.contains("NOPERM"), "{report:?}");
    everybody_agrees(&cluster, &cluster.addresses()).await;
    assert_calm(&cluster).await;
    assert_same(&before, &admin.digest(&cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_on_both_sides_with_different_values_stops_the_move_and_is_named() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    let slot = key_slot(b"KX9Q2");
    desk.fill((0..40).map(|n| Command::words(&format!("SET k{n}:{{KX9Q2}} {n}"))).collect()).await;
    let owner = desk.model.topology().owner(slot).unwrap();
    let target = cluster.addresses().into_iter().find(|at| desk.model.node_at(at).unwrap().id != owner).unwrap();
    // A stray twin on the target, from some accident before.
    cluster.ok(&target, &format!("CLUSTER SETSLOT {slot} IMPORTING {owner}")).await;
    let words = [Command::words("ASKING"), Command::words("SET k5:{KX9Q2} other")];
    desk.links.get(&target, Lane::Work).pipeline(&words, Duration::from_secs(2)).await.unwrap();
    cluster.ok(&target, &format!("CLUSTER SETSLOT {slot} STABLE")).await;
    let plan = desk.plan(move_slots(&slot.to_string(), &target)).await.unwrap();
    let report = desk.run(plan).await;
    let said = reasons(&report);
    assert!(said.contains("k5:{KX9Q2} is on both sides and not the same"), "{said}");
    assert_calm(&cluster).await;
    let home = cluster.owner(slot).await.unwrap();
    assert_ne!(home, target);
    for n in 0..40 {
        let value = cluster.ask(&home, &format!("GET k{n}:{{KX9Q2}}")).await;
        assert_eq!(value.text(), Some(n.to_string()));
    }
}

/// The victim dies or freezes in the middle of a move, players write all the time; its replica takes over.
async fn a_server_fails(target: bool, fault: Fault) {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(2), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(3000).await;
    let before = desk.digest(&cluster).await;
    let victim = cluster.at(usize::from(target));
    let plan = desk.plan(move_slots("0-1999", "B")).await.unwrap();
    // In the middle of it: some slots have moved, some are open.
    let (inside, shot) = (&cluster, victim.clone());
    let mut seen = 0;
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("MIGRATING") => {
                seen += 1;
                if seen == 20 {
                    inside.fault(&shot, fault).await.unwrap();
                }
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    let said = reasons(&report);
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{said}");
    assert!(!said.contains("left open"), "{said}");
    cluster.fault(&victim, if fault == Fault::Kill { Fault::Restart } else { Fault::Thaw }).await.unwrap();
    wait_until("the victim is a replica in sync", async || {
        cluster.info(&victim, "master_link_status").await.as_deref() == Some("up")
    })
    .await;
    cluster.wait_ok(&cluster.addresses()).await;
    everybody_agrees(&cluster, &cluster.addresses()).await;
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);
    // And the request can be repeated.
    let report = desk.done(move_slots("0-1999", "B")).await;
    assert!(figure(&report, "slots") > 0.0);
    assert_same(&before, &desk.digest(&cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_killed_in_the_middle() {
    a_server_fails(true, Fault::Kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_is_killed_in_the_middle() {
    a_server_fails(false, Fault::Kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_freezes_in_the_middle() {
    a_server_fails(true, Fault::Freeze).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_freezes_in_the_middle() {
    a_server_fails(false, Fault::Freeze).await;
}

/// What is claimed and not yet told must survive a restart: some servers delete keys of slots that are neither theirs nor on
/// their way when they read their data.
#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_killed_at_its_claims_and_comes_back_with_all_keys() {
    let args = ["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned).to_vec();
    let cluster = Cluster::with(LocalSpec { replicas: 0, args, ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(1000).await;
    let before = desk.digest(&cluster).await;
    for (round, when) in ["IMPORTING", "MIGRATING", "NODE", "NODE"].into_iter().enumerate() {
        let (source, target) = (cluster.at(round % 2), cluster.at((round + 1) % 2));
        let plan = desk.plan(move_slots("0-199", &target)).await.unwrap();
        let (inside, victim) = (&cluster, target.clone());
        let report = run_and(&desk, plan, when, async || {
            inside.fault(&victim, Fault::Kill).await.unwrap();
            inside.fault(&victim, Fault::Restart).await.unwrap();
        })
        .await;
        let said = reasons(&report);
        assert!(!said.contains("left open"), "{said}");
        cluster.wait_ok(&cluster.addresses()).await;
        if let Ok(plan) = desk.plan(move_slots("0-199", &target)).await {
            assert_eq!(desk.run(plan).await.outcome, Outcome::Done, "{source}");
        }
        everybody_agrees(&cluster, &cluster.addresses()).await;
        assert_calm(&cluster).await;
        assert_same(&before, &desk.digest(&cluster).await);
    }
}

/// Its servers do not answer a claim before a replica has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_whose_replica_is_frozen_loses_nothing_on_valkey_8() {
    let cluster = Cluster::start_on("valkey8", 3, 1).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(1000).await;
    let before = desk.digest(&cluster).await;
    let target = desk.model.node_at(&cluster.at(1)).unwrap().id;
    let replica = desk.model.nodes().find(|node| node.master == Some(target)).unwrap().address.clone();
    let plan = desk.plan(move_slots("0-99", cluster.at(1))).await.unwrap();
    let inside = &cluster;
    let report = run_and(&desk, plan, "IMPORTING", async || inside.fault(&replica, Fault::Freeze).await.unwrap()).await;
    println!("{}", reasons(&report));
    cluster.fault(&replica, Fault::Thaw).await.unwrap();
    cluster.wait_ok(&cluster.addresses()).await;
    if let Ok(plan) = desk.plan(Intent::Fix { slots: None, roll_back: false }).await {
        assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
    }
    if let Ok(plan) = desk.plan(move_slots("0-99", cluster.at(1))).await {
        assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
    }
    everybody_agrees(&cluster, &cluster.addresses()).await;
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_fifty_megabytes_moves_alone_with_a_warning() {
    let cluster = Cluster::with(LocalSpec { replicas: 0, node_timeout: Duration::from_secs(15), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    for address in cluster.addresses() {
        cluster.ok(&address, "CONFIG SET maxmemory 0").await;
    }
    let big = vec![b'x'; 50 << 20];
    desk.fill(vec![Command::words("SET big:{KX9Q2}").arg(&big), Command::words("SET small:{KX9Q2} 1")]).await;
    let slot = key_slot(b"KX9Q2");
    let owner = desk.model.topology().owner(slot).unwrap();
    let target = cluster.addresses().into_iter().find(|at| desk.model.node_at(at).unwrap().id != owner).unwrap();
    let plan = desk.plan(move_slots(&slot.to_string(), &target)).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("stand still for")), "{:?}", plan.warnings);
    let report = desk.run(plan).await;
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let size = cluster.ask(&target, "STRLEN big:{KX9Q2}").await;
    assert_eq!(size.int(), Some(50 << 20));
    assert_calm(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_move_of_the_same_slots_is_noticed_and_players_lose_nothing() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(1000).await;
    let players = Players::start(&desk.links, cluster.at(0), 500);
    let plan = desk.plan(move_slots("0-499", "B")).await.unwrap();
    let (inside, third) = (&cluster, desk.model.node_at(&cluster.at(2)).unwrap().id);
    // Somebody else gives slot 499 to the third master while ours is under way.
    let first = desk.model.node_at(&cluster.at(0)).unwrap().id;
    let report = run_and(&desk, plan, "MIGRATING", async || {
        inside.ok(&inside.at(2), &format!("CLUSTER SETSLOT 499 IMPORTING {first}")).await;
        inside.ok(&inside.at(0), &format!("CLUSTER SETSLOT 499 MIGRATING {third}")).await;
    })
    .await;
    println!("{report:?}");
    let played = players.stop().await;
    if let Ok(plan) = desk.plan(Intent::Fix { slots: None, roll_back: false }).await {
        assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
    }
    everybody_agrees(&cluster, &cluster.addresses()).await;
    assert_calm(&cluster).await;
    assert_nothing_lost(&desk, &cluster, &played).await;
}

/// A home on a server that is away: whoever opens a file there waits. One thread: what waits on it holds up every link.
#[tokio::test]
async fn a_disk_that_does_not_answer_stops_no_link() {
    let cluster = Cluster::start(3, 1).await;
    let desk = Desk::at(&cluster).await;
    let pings = async || {
        for address in cluster.addresses().iter().cycle().take(60) {
            desk.links.get(address, Lane::Probe).call(&Command::words("PING")).await.unwrap();
        }
    };

    // A FIFO that nobody writes to yet.
    let ledger = desk.folder.path().join(LEDGER);
    assert!(std::process::Command::new("mkfifo").arg(&ledger).status().unwrap().success());
    let (executor, model, intent) =
        (desk.executor.clone(), desk.model.clone(), Intent::Failover { node: cluster.at(3).to_string(), mode: Mode::Graceful });
    let planning = tokio::spawn(async move { executor.plan(&intent, &model).await });
    pings().await;
    assert!(!planning.is_finished());
    let writer = ledger.clone();
    tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(writer)).await.unwrap().unwrap();
    planning.await.unwrap().unwrap();
    std::fs::remove_file(&ledger).unwrap();

    // Another program is looking for its turn, and does not end with it.
    let gate = desk.folder.path().join("turns.lock");
    let gate = std::fs::OpenOptions::new().create(true).append(true).open(gate).unwrap();
    gate.lock().unwrap();
    let plan = desk.executor.plan(&move_slots("0-9", cluster.at(1)), &desk.model).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    loop {
        let progress = running.progress.recv().await.unwrap();
        assert!(!matches!(progress, Progress::Ended(_)), "{progress:?}");
        if matches!(&progress, Progress::Note(note) if note.starts_with("waiting for ")) {
            break;
        }
    }
    pings().await;
    drop(gate);
    assert_eq!(running.report().await.outcome, Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_waits_for_a_dead_master_ends_when_it_is_asked_to() {
    let cluster = Cluster::with(LocalSpec { replicas: 0, node_timeout: Duration::from_secs(15), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(200).await;
    let plan = desk.plan(move_slots("0-999", cluster.at(1))).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut alive = true;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if alive && command.contains("MIGRATING") => {
                cluster.fault(&cluster.at(0), Fault::Kill).await.unwrap();
                alive = false;
            }
            Progress::Note(note) if note.contains("; putting slots ") => running.control.abort(),
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    let said = reasons(&report);
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{said}");
    assert!(said.contains("stopped before they were put right") && said.contains("left open"), "{said}");
}
