//! Failover on real servers: done and verified, refused with reasons, told apart when it does not work.
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

use std::sync::Arc;
use std::time::Duration;

use common::{Cluster, wait_until, wait_within};
use desk::{Desk, figure};
use rgc_tui::cluster::ShardName;
use rgc_tui::exec::Lock;
use rgc_tui::link::LinkSettings;
use rgc_tui::local::{Fault, LocalSpec};
use rgc_tui::plan::{Code, Intent, Mode, Outcome, Progress, succession};

fn to(node: impl ToString, mode: Mode) -> Intent {
    Intent::Failover { node: node.to_string(), mode }
}

#[tokio::test]
async fn a_graceful_failover_is_done_and_read_back_from_all_six() {
    let cluster = Cluster::start(3, 1).await;
    let (old, new) = (cluster.at(0), cluster.at(3));
    let mut desk = Desk::at(&cluster).await;
    let plan = desk.plan(to(&new, Mode::Graceful)).await.unwrap();
    assert_eq!(plan.steps[0].commands, ["CLUSTER FAILOVER"]);
    let mut running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut sent = Vec::new();
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { address, command, reply } => sent.push((address, command, reply)),
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sent, [(new.clone(), "CLUSTER FAILOVER".to_owned(), "OK".to_owned())]);
    assert_eq!((figure(&report, "nodes_agreed"), figure(&report, "nodes_silent")), (6.0, 0.0));
    assert_eq!(cluster.role(&new).await, "master");
    assert_eq!(cluster.role(&old).await, "slave");
    assert_eq!(cluster.info(&old, "master_link_status").await.as_deref(), Some("up"));

    // And back at once: the masters have not voted about the new one yet.
    let plan = desk.plan(to(&old, Mode::Graceful)).await.unwrap();
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    // A third time at once would stop writes for nothing. Another console, which has seen none of it, knows by the ledger.
    let mut other = Desk::in_folder(&cluster, LinkSettings::default(), None, desk.folder.clone()).await;
    for desk in [&mut desk, &mut other] {
        for mode in [Mode::Graceful, Mode::Force] {
            let refusal = desk.plan(to(&new, mode)).await.unwrap_err();
            assert!(refusal.to_string().contains("do not get through another"), "{refusal}");
        }
    }
    // When the time is over it can.
    let mut plan = None;
    wait_within("the servers elect again", Duration::from_secs(20), async || {
        plan = other.plan(to(&new, Mode::Graceful)).await.ok();
        plan.is_some()
    })
    .await;
    let report = other.run(plan.unwrap()).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(cluster.role(&new).await, "master");
}

#[tokio::test]
async fn a_frozen_bystander_is_named_and_holds_up_nothing() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(15), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    cluster.fault(&cluster.at(2), Fault::Freeze).await.unwrap();
    let plan = desk.plan(to(cluster.at(3), Mode::Graceful)).await.unwrap();
    let report = desk.run(plan).await;
    cluster.fault(&cluster.at(2), Fault::Thaw).await.unwrap();
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((figure(&report, "nodes_agreed"), figure(&report, "nodes_silent")), (5.0, 1.0));
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_the_reason_and_nothing_changes() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(60), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    let (master, replica) = (cluster.at(0), cluster.at(3));

    let unknown = desk.plan(to("127.0.0.1:1", Mode::Graceful)).await.unwrap_err();
    assert!(unknown.usage && unknown.to_string().contains("did you mean 127.0.0.1:"), "{unknown}");

    // A replication link that is down: the password that the master wants now is not known to the replica.
    cluster.ok(&master, "CONFIG SET masterauth wrong").await;
    cluster.ok(&replica, "CONFIG SET masterauth wrong").await;
    cluster.ask(&master, "CLIENT KILL TYPE replica").await;
    wait_until("the replication link is down", async || {
        cluster.info(&replica, "master_link_status").await.as_deref() == Some("down")
    })
    .await;
    let refusal = desk.plan(to(&replica, Mode::Graceful)).await.unwrap_err();
    assert!(refusal.to_string().contains("stop writes for 5 s and change nothing"), "{refusal}");
    cluster.ok(&replica, "CONFIG SET masterauth \"\"").await;

    // A dead master: graceful points to force, and force loses its quorum with the second one.
    cluster.fault(&master, Fault::Kill).await.unwrap();
    let refusal = desk.plan(to(&replica, Mode::Graceful)).await.unwrap_err();
    assert!(refusal.to_string().contains("--mode force"), "{refusal}");
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    let refusal = desk.plan(to(&replica, Mode::Force)).await.unwrap_err();
    assert!(refusal.to_string().contains("2 of 3 masters with slots, and 1 answer"), "{refusal}");
    assert_eq!(cluster.role(&replica).await, "slave");

    // Takeover asks nobody.
    let plan = desk.plan(to(&replica, Mode::Takeover)).await.unwrap();
    let report = desk.run(plan).await;
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(cluster.role(&replica).await, "master");
}

#[tokio::test]
async fn force_replaces_a_dead_master_before_the_others_would() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(60), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    desk.executor.look(&mut desk.model, &[]).await;
    let succession = succession(&desk.model, ShardName(1), desk.clock.now()).unwrap();
    assert_eq!(succession.winner_address, Some(cluster.at(4)));
    let plan = desk.plan(to("B", Mode::Force)).await.unwrap();
    let report = desk.run(plan).await;
    println!("{report:?}");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(cluster.owner(6000).await, Some(cluster.at(4)));
}

#[tokio::test]
async fn a_world_that_changed_since_the_plan_is_noticed_before_anything_is_sent() {
    let cluster = Cluster::start(3, 1).await;
    let mut desk = Desk::at(&cluster).await;
    let plan = desk.plan(to("A", Mode::Graceful)).await.unwrap();
    let first = desk.run(plan.clone()).await;
    assert_eq!(first.outcome, Outcome::Done, "{first:?}");
    let second = desk.run(plan).await;
    assert!(matches!(&second.outcome, Outcome::Refused(reasons) if reasons[0].code == Code::ClusterChanged), "{second:?}");
    assert_eq!(cluster.role(&cluster.at(3)).await, "master");
}

#[tokio::test]
async fn accepted_but_without_effect_is_a_failure_with_the_reason() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(60), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    let plan = desk.plan(to("A", Mode::Graceful)).await.unwrap();
    // The master's own vote and its offset are all that is missing: it stops just after the plan was checked.
    let running = desk.executor.execute(plan, Arc::new(desk.model.clone()));
    let mut running = running;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Step { index: 0, .. } => cluster.fault(&cluster.at(0), Fault::Freeze).await.unwrap(),
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    cluster.fault(&cluster.at(0), Fault::Thaw).await.unwrap();
    println!("{report:?}");
    // Either the master had let go before it froze, or nothing happened and that is said.
    match &report.outcome {
        Outcome::Failed(reasons) => {
            assert!(reasons[0].contains("still a replica") || reasons[0].contains("not every node"), "{report:?}")
        }
        Outcome::Done => assert_eq!(cluster.role(&cluster.at(3)).await, "master"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_locked_cluster_refuses_every_operation() {
    let cluster = Cluster::start(3, 1).await;
    let mut desk = Desk::locked(&cluster, Lock::Protected).await;
    let plan = desk.plan(to("A", Mode::Graceful)).await.unwrap();
    let report = desk.run(plan.clone()).await;
    assert!(matches!(&report.outcome, Outcome::Refused(reasons) if reasons[0].code == Code::Protected), "{report:?}");
    assert_eq!(desk.executor.unlock("production").map_err(|why| why.code), Err(Code::WrongName));
    desk.executor.unlock("test").unwrap();
    assert_eq!(desk.run(plan).await.outcome, Outcome::Done);
}
