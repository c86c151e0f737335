//! Who belongs to the cluster, on real servers: joined, re-parented, drained, removed, forgotten.
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

use common::{Cluster, server, wait_until};
use desk::{Desk, assert_calm, assert_same, figure};
use rgc_tui::cluster::Address;
use rgc_tui::link::{Command, LinkSettings};
use rgc_tui::local::{Fault, LocalSpec};
use rgc_tui::plan::{Danger, Intent, Outcome, Progress};
use std::sync::Arc;
use std::time::Duration;

/// A server in cluster mode that belongs to no cluster yet.
async fn joining() -> rgc_tui::local::LocalServer {
    server(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_joins_takes_its_share_is_drained_and_removed() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(300).await;
    let before = desk.digest(&cluster).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    desk.done(Intent::AddNode { address: at.clone(), replica_of: None }).await;
    let again = desk.plan(Intent::AddNode { address: at.clone(), replica_of: None }).await.unwrap_err();
    assert!(again.to_string().contains("in the cluster already"), "{again}");
    let weights = std::collections::BTreeMap::new();
    desk.done(Intent::Rebalance {
        by: rgc_tui::plan::Objective::Slots,
        weights,
        use_empty: true,
        threshold_percent: 2.0,
        pace: rgc_tui::plan::Pace::Fast,
    })
    .await;
    desk.look().await;
    assert!(desk.model.node_at(&at).unwrap().slot_count > 4000);
    desk.done(Intent::Drain { node: at.to_string() }).await;
    assert_calm(&cluster).await;
    assert_same(&before, &desk.digest(&cluster).await);
    wait_until("it follows the one that took its last slot", async || cluster.role(&at).await == "slave").await;
    let plan = desk.plan(Intent::Remove { node: at.to_string() }).await.unwrap();
    assert_eq!(plan.danger, Danger::Typed);
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, rgc_tui::plan::Outcome::Done, "{report:?}");
    for address in cluster.addresses() {
        assert_eq!(cluster.view(&address).await.members.len(), 3);
    }
    assert_eq!(cluster.view(&at).await.members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_with_slots_gives_them_before_it_is_forgotten() {
    let cluster = Cluster::start(4, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(200).await;
    let before = desk.digest(&cluster).await;
    let at = cluster.at(3);
    let report = desk.done(Intent::Remove { node: at.to_string() }).await;
    assert_eq!(figure(&report, "slots"), 4096.0);
    let stay: Vec<Address> = cluster.addresses().into_iter().filter(|address| *address != at).collect();
    cluster.wait_ok(&stay).await;
    for address in &stay {
        let view = cluster.view(address).await;
        assert_eq!(view.members.len(), 3, "{address} remembers it");
    }
    assert_eq!(cluster.view(&at).await.members.len(), 1);
    assert_same(&before, &desk.digest(&cluster).await);
}

/// The console dies when all slots have moved and nobody has been told to forget: the next one says so, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_dies_between_moving_and_forgetting_is_told_as_unfinished() {
    /// In the journal: what it is about, the slots opened, the slots closed.
    const RECORDS: u32 = 3;
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(200).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    desk.done(Intent::AddNode { address: at.clone(), replica_of: None }).await;
    desk.done(Intent::MoveSlots { slots: (0..3).collect(), to: at.to_string() }).await;
    let before = desk.digest(&cluster).await;

    let remove = Intent::Remove { node: at.to_string() };
    let mut dying = Desk::with(&cluster, LinkSettings::default(), Some(RECORDS)).await;
    let plan = dying.plan(remove.clone()).await.unwrap();
    let mut running = dying.executor.execute(plan, Arc::new(dying.model.clone()));
    while let Some(progress) = running.progress.recv().await {
        assert!(!matches!(progress, Progress::Ended(_)), "{progress:?}");
    }
    let mut next = Desk::in_folder(&cluster, LinkSettings::default(), None, dying.folder.clone()).await;
    wait_until("the dead console has let go", async || rgc_tui::exec::under_way(dying.folder.path(), "test").is_empty()).await;
    let [left] = <[_; 1]>::try_from(next.executor.unfinished("test").await).unwrap();
    assert_eq!(left.intent, remove.to_string());
    assert!(left.says(&next.model).contains("3 of 3 slots have moved, no slot is open"), "{}", left.says(&next.model));
    next.done(remove).await;
    for address in cluster.addresses() {
        assert_eq!(cluster.view(&address).await.members.len(), 3, "{address} remembers it");
    }
    next.look().await;
    next.executor.put_away_repaired(&next.model).await;
    assert_eq!(next.executor.unfinished("test").await, []);
    assert_same(&before, &next.digest(&cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_joins_changes_its_master_and_a_dead_one_is_forgotten() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(2), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    desk.done(Intent::AddNode { address: at.clone(), replica_of: Some("A".into()) }).await;
    assert_eq!(cluster.info(&at, "master_port").await, Some(cluster.at(0).port.to_string()));
    desk.done(Intent::Replicate { node: at.to_string(), master: cluster.at(1).to_string() }).await;
    assert_eq!(cluster.info(&at, "master_port").await, Some(cluster.at(1).port.to_string()));
    assert_eq!(cluster.info(&at, "master_link_status").await.as_deref(), Some("up"));
    // Alive, it is not forgotten; dead, it is, by everybody.
    let refusal = desk.plan(Intent::Forget { node: cluster.at(5).to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("node remove"), "{refusal}");
    cluster.fault(&cluster.at(5), Fault::Kill).await.unwrap();
    desk.done(Intent::Forget { node: cluster.at(5).to_string() }).await;
    for n in 0..5 {
        assert_eq!(cluster.view(&cluster.at(n)).await.members.len(), 6);
    }
    // Its master has no replica now, and is not forgotten with its slots.
    cluster.fault(&cluster.at(2), Fault::Kill).await.unwrap();
    let refusal = desk.plan(Intent::Forget { node: cluster.at(2).to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("owns 546"), "{refusal}");
}

/// Three masters with a replica each; the third master is killed and its replica, number 5, has taken over.
async fn after_a_death() -> (Cluster, rgc_tui::cluster::NodeId) {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(2), ..LocalSpec::default() }).await;
    let dead = cluster.view(&cluster.at(2)).await.myself().unwrap().id;
    cluster.fault(&cluster.at(2), Fault::Kill).await.unwrap();
    wait_until("its replica is promoted", async || cluster.role(&cluster.at(5)).await == "master").await;
    cluster.wait_ok(&[0, 1, 3, 4, 5].map(|n| cluster.at(n))).await;
    (cluster, dead)
}

/// Six members in every view, the dead one in none, the joining node a replica in sync with who was promoted.
async fn assert_replaced(cluster: &Cluster, at: &Address, dead: rgc_tui::cluster::NodeId, living: &[Address]) {
    let master = cluster.view(&cluster.at(5)).await.myself().unwrap().id;
    for address in living {
        let view = cluster.view(address).await;
        assert_eq!(view.members.len(), 6, "{address}: {view:?}");
        assert!(view.member(dead).is_none(), "{address} remembers it");
        assert!(view.members.iter().any(|member| member.address == *at && member.master == Some(master)), "{address}: {view:?}");
    }
    assert_eq!(cluster.info(at, "master_port").await, Some(cluster.at(5).port.to_string()));
    assert_eq!(cluster.info(at, "master_link_status").await.as_deref(), Some("up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_takes_the_place_of_a_dead_master() {
    let (cluster, dead) = after_a_death().await;
    // Whoever looks only now cannot know any more whose shard it was.
    let mut desk = Desk::at(&cluster).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    let intent = |node: &str| Intent::Replace { address: at.clone(), node: node.into() };
    // What must not be replaced, and who must not replace.
    let refusal = desk.plan(intent(&cluster.at(0).to_string())).await.unwrap_err();
    assert!(refusal.to_string().contains("still answers"), "{refusal}");
    let member = Intent::Replace { address: cluster.at(4), node: cluster.at(2).to_string() };
    let refusal = desk.plan(member).await.unwrap_err();
    assert!(refusal.to_string().contains("in the cluster already"), "{refusal}");
    cluster.ok(&at, "CLUSTER ADDSLOTS 1").await;
    let refusal = desk.plan(intent(&cluster.at(2).to_string())).await.unwrap_err();
    assert!(refusal.to_string().contains("owns 1 slot"), "{refusal}");
    cluster.ok(&at, "CLUSTER RESET HARD").await;

    let start: String = dead.to_string().chars().take(10).collect();
    let plan = desk.plan(intent(&start)).await.unwrap();
    assert_eq!(plan.danger, Danger::Typed);
    assert_eq!(plan.intent.to_string(), format!("node add {at} --replaces {}", cluster.at(2)));
    assert!(plan.warnings.iter().any(|warning| warning.contains(&format!("it must be {}", cluster.at(5)))), "{plan:#?}");
    let commands: Vec<&str> = plan.steps.iter().flat_map(|step| &step.commands).map(String::as_str).collect();
    assert!(commands[0].starts_with("CLUSTER MEET") && commands[1].starts_with("CLUSTER REPLICATE"), "{commands:?}");
    assert_eq!(commands[2..], vec![format!("CLUSTER FORGET {dead}"); 6]);
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
    println!("replaced a dead master in {:.1} s", report.elapsed.as_secs_f64());
    let living: Vec<Address> = [0, 1, 3, 4, 5].map(|n| cluster.at(n)).into_iter().chain([at.clone()]).collect();
    assert_replaced(&cluster, &at, dead, &living).await;
    assert_calm_at(&cluster, &living).await;
}

/// Every slot has the same owner in every view.
async fn assert_calm_at(cluster: &Cluster, nodes: &[Address]) {
    let mut all = Vec::new();
    for address in nodes {
        let view = cluster.view(address).await;
        let mut owners: Vec<_> = view.members.into_iter().map(|member| (member.id, member.slots)).collect();
        owners.sort();
        all.push(owners);
    }
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_started_empty_at_the_dead_ones_address_takes_its_place() {
    let (cluster, dead) = after_a_death().await;
    let mut desk = Desk::at(&cluster).await;
    let at = cluster.at(2);
    // Its disk is lost: the same address, another id.
    std::fs::remove_file(cluster.folder().join(at.port.to_string()).join("nodes.conf")).unwrap();
    cluster.fault(&at, Fault::Restart).await.unwrap();
    assert_ne!(cluster.view(&at).await.myself().unwrap().id, dead);
    let plan = desk.plan(Intent::Replace { address: at.clone(), node: at.to_string() }).await.unwrap();
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
    assert_replaced(&cluster, &at, dead, &cluster.addresses()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_without_an_successor_is_not_replaced_and_who_will_not_forget_is_named() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(2), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    let replace = |node: Address| Intent::Replace { address: at.clone(), node: node.to_string() };
    // Its replica does not stand for election, so its shard stays without a master.
    cluster.ok(&cluster.at(4), "CONFIG SET cluster-replica-no-failover yes").await;
    cluster.fault(&cluster.at(1), Fault::Freeze).await.unwrap();
    let refusal = desk.plan(replace(cluster.at(1))).await.unwrap_err();
    assert!(refusal.to_string().contains(&format!("`failover {} --mode force`", cluster.at(4))), "{refusal}");
    cluster.fault(&cluster.at(1), Fault::Thaw).await.unwrap();
    let all = cluster.addresses();
    cluster.wait_ok(&all).await;

    // A dead replica is replaced at its master; one node may not do what it is told.
    let dead = cluster.view(&cluster.at(5)).await.myself().unwrap().id;
    cluster.fault(&cluster.at(5), Fault::Kill).await.unwrap();
    let plan = desk.plan(replace(cluster.at(5))).await.unwrap();
    cluster.ok(&cluster.at(0), "ACL SETUSER default -cluster|forget").await;
    let report = desk.run(plan.clone()).await;
    let Outcome::Refused(reasons) = &report.outcome else { panic!("{report:#?}") };
    assert!(reasons[0].contains("`ACL SETUSER default +cluster|forget` there gives the rights"), "{reasons:?}");
    cluster.ok(&cluster.at(0), "ACL SETUSER default +cluster|forget").await;
    // The right is taken away when it has begun.
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.starts_with("CLUSTER MEET") => {
                cluster.ok(&cluster.at(0), "ACL SETUSER default -cluster|forget").await;
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    let Outcome::Failed(reasons) = &report.outcome else { panic!("{report:#?}") };
    let reasons = reasons.join("\n");
    assert!(reasons.contains(&format!("{} did not do CLUSTER FORGET", cluster.at(0))), "{reasons}");
    assert!(reasons.contains(&format!("{} says it remembers it", cluster.at(0))), "{reasons}");
    assert!(reasons.contains(&format!("`node forget {}`", cluster.at(5))), "{reasons}");
    assert_eq!(cluster.info(&at, "master_port").await, Some(cluster.at(2).port.to_string()));
    cluster.ok(&cluster.at(0), "ACL SETUSER default +cluster|forget").await;
    desk.done(Intent::Forget { node: cluster.at(5).to_string() }).await;
    for address in (0..5).map(|n| cluster.at(n)).chain([at.clone()]) {
        assert!(cluster.view(&address).await.member(dead).is_none(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_joining_node_is_refused_with_the_reason() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    let plain = server(&[]).await;
    let refusal = desk.plan(Intent::AddNode { address: plain.address().clone(), replica_of: None }).await.unwrap_err();
    assert!(refusal.to_string().contains("does not run in cluster mode"), "{refusal}");
    let nobody: Address = "127.0.0.1:1".parse().unwrap();
    let refusal = desk.plan(Intent::AddNode { address: nobody, replica_of: None }).await.unwrap_err();
    assert!(refusal.to_string().contains("cannot be asked: refused"), "{refusal}");
    let other = Cluster::start(3, 0).await;
    let refusal = desk.plan(Intent::AddNode { address: other.at(0), replica_of: None }).await.unwrap_err();
    assert!(refusal.to_string().contains("knows 2 other nodes"), "{refusal}");
    let refusal =
        desk.plan(Intent::Replicate { node: cluster.at(0).to_string(), master: cluster.at(1).to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("node drain"), "{refusal}");
}

/// A server that turns us away says why, and that is told as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_that_refuses_us_is_told_by_its_reason() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    let locked = server(&["--cluster-enabled", "yes", "--requirepass", "other"]).await;
    let add = |at: &Address| Intent::AddNode { address: at.clone(), replica_of: None };
    let refusal = desk.plan(add(locked.address())).await.unwrap_err().to_string();
    assert!(refusal.contains("NOAUTH") && refusal.contains("wants a password"), "{refusal}");
    assert!(!refusal.contains("cluster mode"), "{refusal}");
    let plain = server(&[]).await;
    let refusal = desk.plan(add(plain.address())).await.unwrap_err().to_string();
    assert!(refusal.contains("does not run in cluster mode"), "{refusal}");

    let cluster = Cluster::start_with(3, 0, &["--requirepass", "s3cret", "--masterauth", "s3cret"]).await;
    let settings = LinkSettings { password: Some("s3cret".into()), ..LinkSettings::default() };
    let mut desk = Desk::with(&cluster, settings, None).await;
    let refusal = desk.plan(add(locked.address())).await.unwrap_err().to_string();
    assert!(refusal.contains("WRONGPASS") && refusal.contains("refuses the cluster's user or password"), "{refusal}");
}

/// What players call on the other masters is there before a new one can be given slots.
#[tokio::test(flavor = "multi_thread")]
async fn functions_travel_with_a_new_master_and_are_compared_before_a_move() {
    let cluster = Cluster::start(3, 0).await;
    let library = "#!lua name=rooms\nredis.register_function('seat', function(keys) return redis.call('GET', keys[1]) end)";
    for address in cluster.addresses() {
        let reply = cluster.call(&address, &Command::words("FUNCTION LOAD").arg(library)).await;
        assert_eq!(reply.text().as_deref(), Some("rooms"), "{reply:?}");
    }
    let mut desk = Desk::at(&cluster).await;
    desk.fill(vec![Command::words("SET room:{KX9Q2}:seat 7")]).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    let plan = desk.plan(Intent::AddNode { address: at.clone(), replica_of: None }).await.unwrap();
    let first = &plan.steps[0];
    assert!(first.says.contains("copy 1 function library (rooms)") && first.commands[0].ends_with("FUNCTION DUMP"), "{first:?}");
    assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
    desk.done(Intent::MigrateRooms { codes: vec!["KX9Q2".into()], to: at.to_string() }).await;
    let seat = cluster.ask(&at, "FCALL seat 1 room:{KX9Q2}:seat").await;
    assert_eq!(seat.text().as_deref(), Some("7"), "{seat:?}");
    // One whose functions are not those of the others is named before keys go to it.
    cluster.ok(&at, "FUNCTION FLUSH").await;
    let slots = Intent::MoveSlots { slots: (0..10).collect(), to: at.to_string() };
    let owned = desk.plan(slots).await.unwrap();
    assert_eq!(owned.danger, Danger::Typed);
    assert!(owned.warnings.iter().any(|warning| warning.contains("does not have the functions rooms")), "{:?}", owned.warnings);
    let bare = joining().await;
    let other = "#!lua name=rooms\nredis.register_function('seat', function() return 0 end)";
    cluster.call(bare.address(), &Command::words("FUNCTION LOAD").arg(other)).await;
    let refusal = desk.plan(Intent::AddNode { address: bare.address().clone(), replica_of: None }).await.unwrap_err();
    assert!(refusal.to_string().contains("has functions that the cluster has not, or has otherwise (rooms)"), "{refusal}");
}

/// Nobody could be asked whether they have met: that is no success.
#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_nobody_can_be_asked_about_has_not_joined() {
    let cluster = Cluster::start(3, 0).await;
    let fresh = joining().await;
    let at: Address = fresh.address().clone();
    let mut places = cluster.addresses();
    places.push(at.clone());
    let mut ways = Vec::new();
    for place in places {
        ways.push((common::Proxy::to(&place).await, place));
    }
    let pairs: Vec<_> = ways.iter().map(|(proxy, place)| (proxy, place.clone())).collect();
    let map = ways[0].0.map_with(&pairs);
    let mut desk = Desk::with(&cluster, LinkSettings { address_map: map, ..LinkSettings::default() }, None).await;
    let plan = desk.plan(Intent::AddNode { address: at.clone(), replica_of: None }).await.unwrap();
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.starts_with("CLUSTER MEET") => ways.iter().for_each(|(proxy, _)| proxy.cut()),
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    let Outcome::Failed(why) = &report.outcome else { panic!("{report:?}") };
    assert!(why[0].contains("was introduced to") && why[0].contains(&at.to_string()), "{why:?}");
}

/// The others learn late that their member is another node by now: who is asked itself says so at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_reset_after_the_plan_is_called_another_node() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    let target = common::server(&["--cluster-enabled", "yes"]).await;
    let add = desk.plan(Intent::AddNode { address: target.address().clone(), replica_of: None }).await.unwrap();
    assert_eq!(desk.run(add).await.outcome, Outcome::Done);
    let slots = [rgc_tui::cluster::SlotRange::new(0, 9)].iter().collect();
    let plan = desk.plan(Intent::MoveSlots { slots, to: target.address().to_string() }).await.unwrap();
    cluster.ok(target.address(), "CLUSTER RESET HARD").await;
    let report = desk.run(plan).await;
    let Outcome::Refused(reasons) = &report.outcome else { panic!("{report:?}") };
    let reset = reasons.iter().any(|reason| reason.contains("is another node now") && reason.contains("node add"));
    assert!(reset || reasons.iter().any(|reason| reason.contains("is not in the cluster any more")), "{report:?}");
}
