//! What servers will not take is asked before anything opens: refused at once, with what to do, and nothing changed.
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
use desk::{Desk, assert_calm, assert_same, figure};
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::link::{Command, LinkSettings};
use rgc_tui::local::{LocalServer, LocalSpec};
use rgc_tui::plan::{Code, Danger, Intent, Mode, Objective, Outcome, Pace, Progress};
use std::sync::Arc;

fn move_slots(slots: std::ops::Range<u16>, to: impl ToString) -> Intent {
    Intent::MoveSlots { slots: slots.collect(), to: to.to_string() }
}

/// What a plan or its first steps were refused with; anything else fails the test.
async fn refused(desk: &mut Desk, intent: Intent) -> String {
    let plan = match desk.plan(intent).await {
        Ok(plan) => plan,
        Err(refusal) => return refusal.to_string(),
    };
    let report = desk.run(plan).await;
    let Outcome::Refused(why) = &report.outcome else { panic!("{report:?}") };
    why.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_wants_another_password_is_refused_at_once() {
    let cluster = Cluster::start_with(3, 0, &["--requirepass", "s3cret", "--masterauth", "s3cret"]).await;
    let settings = LinkSettings { password: Some("s3cret".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    desk.fill_rooms(300).await;
    let plan = desk.plan(move_slots(0..500, cluster.at(2))).await.unwrap();
    // Changed there since: connections that are logged in stay so, and MIGRATE makes a new one.
    cluster.ok(&cluster.at(2), "CONFIG SET requirepass another").await;
    let report = desk.run(plan).await;
    println!("{report:?}");
    let Outcome::Refused(why) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(why[0].code, Code::TargetRefuses);
    assert!(why[0].contains("WRONGPASS") && why[0].contains("no slot was opened"), "{why:?}");
    assert!(cluster.view(&cluster.at(0)).await.myself().unwrap().open.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_renamed_away_is_named() {
    let cluster = Cluster::start_with(3, 0, &["--rename-command", "MIGRATE", ""]).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(50).await;
    let why = refused(&mut desk, move_slots(0..500, cluster.at(2))).await;
    assert!(why.contains(&format!("{} has no MIGRATE", cluster.at(0))) && why.contains("rename-command"), "{why}");
    assert_calm(&cluster).await;
}

/// Clients are told an address where no server reaches another: servers are told what servers use.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_clients_only_is_not_given_to_servers() {
    let args = ["--cluster-announce-client-ipv4", "127.0.0.99"].map(String::from).to_vec();
    let spec = LocalSpec { masters: 3, replicas: 1, server_bin: Some(server_bin("valkey8")), args, ..LocalSpec::default() };
    let cluster = Cluster::with(spec).await;
    // Here clients are not on the network where that address leads: they go another way.
    let mut map = rgc_tui::link::AddressMap::default();
    map.add("127.0.0.99", "127.0.0.1").unwrap();
    let mut desk = Desk::with(&cluster, LinkSettings { address_map: map, ..LinkSettings::default() }, None).await;
    desk.fill_rooms(300).await;
    let told = desk.model.nodes().filter(|node| &*node.address.host == "127.0.0.99").count();
    assert_eq!(told, 6, "{:?}", desk.model.nodes().map(|node| node.address.to_string()).collect::<Vec<_>>());
    let before = desk.digest(&cluster).await;
    let target = desk.model.nodes().find(|node| node.address.port == cluster.at(2).port).unwrap().address.to_string();
    let report = desk.done(move_slots(0..500, target)).await;
    println!("{report:?}");
    assert!(figure(&report, "keys") > 0.0, "{report:?}");
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);

    let bin = server_bin("valkey8");
    let words = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(String::from);
    let fresh = LocalServer::start(Some(bin), &words).await.unwrap();
    let plan = desk.plan(Intent::AddNode { address: fresh.address().clone(), replica_of: None }).await.unwrap();
    let meet = plan.steps.iter().flat_map(|step| &step.commands).find(|command| command.starts_with("CLUSTER MEET")).unwrap();
    assert!(meet.contains(" 127.0.0.1 "), "{meet}");
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

/// Nobody knows where servers reach it: one try, then a refusal with the cause.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_the_source_does_not_reach_is_refused_before_a_slot_opens() {
    let args = ["--cluster-announce-client-ipv4", "127.0.0.99"].map(String::from).to_vec();
    let spec = LocalSpec { masters: 3, replicas: 0, server_bin: Some(server_bin("valkey8")), args, ..LocalSpec::default() };
    let cluster = Cluster::with(spec).await;
    let mut map = rgc_tui::link::AddressMap::default();
    map.add("127.0.0.99", "127.0.0.1").unwrap();
    // Servers of this test listen on 127.0.0.1 alone.
    let mut desk = Desk::with(&cluster, LinkSettings { address_map: map, ..LinkSettings::default() }, None).await;
    desk.fill_rooms(300).await;
    let target = desk.model.nodes().find(|node| node.address.port == cluster.at(2).port).unwrap().address.to_string();
    let why = refused(&mut desk, move_slots(0..500, target)).await;
    assert!(why.contains("does not reach") && why.contains("cluster-announce-ip"), "{why}");
    assert_calm(&cluster).await;
}

/// The last save of the target failed: Valkey 9 would end itself when it is told to import.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_save_is_refused_and_lives() {
    for name in ["valkey9", "redis8"] {
        let cluster = Cluster::start_on(name, 3, 0).await;
        let mut desk = Desk::at(&cluster).await;
        desk.fill_rooms(300).await;
        let target = cluster.at(2);
        let plan = desk.plan(move_slots(0..500, &target)).await.unwrap();
        let folder = cluster.ask(&target, "CONFIG GET dir").await.array().unwrap()[1].text().unwrap();
        let saves = cluster.call(&target, &Command::words("CONFIG SET save").arg("3600 1")).await;
        assert!(saves.is_ok(), "{saves:?}");
        std::fs::remove_dir_all(&folder).unwrap();
        cluster.ask(&target, "BGSAVE").await;
        wait_until("the save has failed", async || cluster.info(&target, "rdb_last_bgsave_status").await.as_deref() == Some("err"))
            .await;
        let report = desk.run(plan).await;
        let Outcome::Refused(why) = &report.outcome else { panic!("{report:?}") };
        assert!(why[0].contains("cannot save: its last save failed"), "{why:?}");
        let why = refused(&mut desk, move_slots(0..500, &target)).await;
        assert!(why.contains("cannot save"), "{why}");
        assert_eq!(cluster.role(&target).await, "master", "it lives");
        std::fs::create_dir_all(&folder).unwrap();
    }
}

/// Keys that were not counted are not none.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_counted_is_not_empty() {
    let cluster = Cluster::start(3, 0).await;
    Desk::at(&cluster).await.fill_rooms(300).await;
    for address in cluster.addresses() {
        cluster.ok(&address, "ACL SETUSER ops on >pw ~* &* +@all -cluster|countkeysinslot").await;
    }
    let settings = LinkSettings { username: Some("ops".into()), password: Some("pw".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    for by in [Objective::Keys, Objective::Memory, Objective::Slots] {
        let intent = Intent::Rebalance {
            by,
            weights: [(cluster.at(0).to_string(), 2.0)].into_iter().collect(),
            use_empty: false,
            threshold_percent: 2.0,
            pace: Pace::Fast,
        };
        let refusal = desk.plan(intent).await.unwrap_err();
        assert!(!refusal.fulfilled && refusal.to_string().contains("+cluster|countkeysinslot"), "{by:?}: {refusal}");
    }
    let why = refused(&mut desk, move_slots(0..500, cluster.at(2))).await;
    assert!(why.contains("does not count its keys"), "{why}");
}

/// A console elsewhere is at work: who, with what, since when; its end is seen at once.
#[tokio::test(flavor = "multi_thread")]
async fn consoles_on_other_machines_see_each_other() {
    let cluster = Cluster::start(3, 1).await;
    let mut first = Desk::at(&cluster).await;
    first.fill_rooms(1000).await;
    // Another state folder, as on another machine.
    let mut second = Desk::at(&cluster).await;
    let other = second.plan(move_slots(16_000..16_010, cluster.at(1))).await.unwrap();
    let plan = first.plan(move_slots(0..3000, cluster.at(1))).await.unwrap();
    let mut running = first.executor.execute(plan, Arc::new(first.model.clone()));
    let mut asked = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("IMPORTING") && !asked => {
                asked = true;
                running.control.pause();
                let report = second.run(other.clone()).await;
                let Outcome::Refused(why) = &report.outcome else { panic!("{report:?}") };
                let named = why[0].contains("`move-slots 0-2999") && why[0].contains(&format!("pid {}", std::process::id()));
                assert!(named && why[0].contains("is under way on this cluster"), "{why:?}");
                let refusal = second.plan(move_slots(16_000..16_010, cluster.at(1))).await.unwrap_err();
                assert!(refusal.to_string().contains("is under way on this cluster"), "{refusal}");
                let failover = Intent::Failover { node: cluster.at(5).to_string(), mode: Mode::Graceful };
                let warned = second.plan(failover).await.unwrap();
                assert!(warned.warnings.iter().any(|warning| warning.contains("is under way on this cluster")), "{warned:#?}");
                running.control.resume();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    assert!(asked && report.outcome == Outcome::Done, "{report:?}");
    second.done(move_slots(16_000..16_010, cluster.at(1))).await;
    assert_calm(&cluster).await;
}

/// A server that cannot read what another writes is refused as its target, and named where it would have to follow.
#[tokio::test(flavor = "multi_thread")]
async fn versions_that_cannot_read_each_other_are_named() {
    let cluster = Cluster::start_on("redis8", 3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(300).await;
    let old = common::server(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]).await;
    desk.done(Intent::AddNode { address: old.address().clone(), replica_of: None }).await;
    let why = refused(&mut desk, move_slots(0..500, old.address())).await;
    assert!(why.contains("runs Redis 7.0") && why.contains("cannot read the keys of"), "{why}");
    assert_calm(&cluster).await;

    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    let bin = server_bin("redis8");
    let words = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(String::from);
    let new = LocalServer::start(Some(bin), &words).await.unwrap();
    let at: Address = new.address().clone();
    desk.done(Intent::AddNode { address: at.clone(), replica_of: Some(cluster.at(0).to_string()) }).await;
    let plan = desk.plan(Intent::Failover { node: at.to_string(), mode: Mode::Graceful }).await.unwrap();
    assert_eq!(plan.danger, Danger::Typed);
    let named = |warning: &String| warning.contains("runs Redis 8.0") && warning.contains("cannot read its data");
    assert!(plan.warnings.iter().any(named), "{:?}", plan.warnings);
}

/// The console's own keys of a slot are what its trial takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_changes_nothing() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill(vec![Command::words("SET room:{KX9Q2}:state x")]).await;
    let slot = key_slot(b"KX9Q2");
    let owner = cluster.owner(slot).await.unwrap();
    let to = cluster.addresses().into_iter().find(|other| *other != owner).unwrap();
    let intent = Intent::MoveSlots { slots: [slot].into_iter().collect(), to: to.to_string() };
    let plan = desk.plan(intent).await.unwrap();
    assert_eq!(cluster.info(&owner, "cmdstat_migrate").await, None, "planning sends no key");
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let calls = cluster.info(&owner, "cmdstat_migrate").await.unwrap();
    assert!(calls.starts_with("calls=2,"), "one try and one move: {calls}");
}
