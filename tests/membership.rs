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
use desk::{Desk, assert_calm, assert_same};
use rgc_tui::cluster::Address;
use rgc_tui::local::{LocalFault, LocalSpec};
use rgc_tui::plan::{Danger, Intent};
use std::time::Duration;

/// A server in cluster mode that belongs to no cluster yet.
async fn newcomer() -> rgc_tui::local::LocalServer {
    server(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_joins_takes_its_share_is_drained_and_removed() {
    let cluster = Cluster::start(3, 0).await;
    let mut desk = Desk::at(&cluster).await;
    desk.fill_rooms(300).await;
    let before = desk.digest(&cluster).await;
    let fresh = newcomer().await;
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
    // A master with slots is not removed.
    let refusal = desk.plan(Intent::Remove { node: at.to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("node drain"), "{refusal}");
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
async fn a_replica_joins_changes_its_master_and_a_dead_one_is_forgotten() {
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(2), ..LocalSpec::default() }).await;
    let mut desk = Desk::at(&cluster).await;
    let fresh = newcomer().await;
    let at: Address = fresh.address().clone();
    desk.done(Intent::AddNode { address: at.clone(), replica_of: Some("A".into()) }).await;
    assert_eq!(cluster.info(&at, "master_port").await, Some(cluster.at(0).port.to_string()));
    desk.done(Intent::Replicate { node: at.to_string(), master: cluster.at(1).to_string() }).await;
    assert_eq!(cluster.info(&at, "master_port").await, Some(cluster.at(1).port.to_string()));
    assert_eq!(cluster.info(&at, "master_link_status").await.as_deref(), Some("up"));
    // Alive, it is not forgotten; dead, it is, by everybody.
    let refusal = desk.plan(Intent::Forget { node: cluster.at(5).to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("node remove"), "{refusal}");
    cluster.fault(&cluster.at(5), LocalFault::Kill).await.unwrap();
    desk.done(Intent::Forget { node: cluster.at(5).to_string() }).await;
    for n in 0..5 {
        assert_eq!(cluster.view(&cluster.at(n)).await.members.len(), 6);
    }
    // Its master has no replica now, and is not forgotten with its slots.
    cluster.fault(&cluster.at(2), LocalFault::Kill).await.unwrap();
    let refusal = desk.plan(Intent::Forget { node: cluster.at(2).to_string() }).await.unwrap_err();
    assert!(refusal.to_string().contains("owns 546"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_newcomer_is_refused_with_the_reason() {
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
