//! The demo's players on real servers: what they feel of failovers, kills, freezes and moved rooms, and that their
//! account of lost writes is exact.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::time::Duration;

use common::{Cluster, wait_until, wait_within};
use rgc_tui::cluster::{Address, Fact, Observation, SLOTS, key_slot};
use rgc_tui::link::{Clock, Command, LinkSettings, Links, Reply};
use rgc_tui::local::Fault;
use rgc_tui::play::{Play, PlayAccount, PlaySpec};
use tokio::sync::mpsc;

struct Game {
    play: Play,
    reports: mpsc::Receiver<Observation>,
}

impl Game {
    /// Plays on the cluster; returns when every room is there and writes are acknowledged.
    async fn start(cluster: &Cluster) -> Self {
        let (to, reports) = mpsc::channel(100_000);
        let clock = Clock::start();
        let links = Links::new(LinkSettings::default(), clock);
        let mut play = rgc_tui::play::start(links, vec![cluster.at(0)], PlaySpec { rooms: 60, rate: 500 }, clock, to);
        assert!(play.wait_for(|account| account.settled && account.stats.acknowledged > 200).await);
        Self { play, reports }
    }

    /// Waits for a condition on the account.
    async fn until(&mut self, what: &str, mut condition: impl FnMut(&PlayAccount) -> bool) -> PlayAccount {
        let play = &mut self.play;
        let result = tokio::time::timeout(Duration::from_secs(40), play.wait_for(&mut condition)).await;
        assert!(matches!(result, Ok(true)), "not: {what}: {:?}", play.account());
        play.account()
    }

    /// Stops the players and counts the bits that the servers hold.
    async fn bits(self, cluster: &Cluster) -> (PlayAccount, u64) {
        let account = self.play.account();
        drop(self.play);
        let mut bits = 0;
        for key in keys(cluster, "room:*:moves:*").await {
            let owner = cluster.owner(key_slot(key.as_bytes())).await.unwrap();
            bits += cluster.call(&owner, &Command::new(["BITCOUNT", &key])).await.int().unwrap();
        }
        (account, u64::try_from(bits).unwrap())
    }
}

async fn keys(cluster: &Cluster, pattern: &str) -> Vec<String> {
    let mut found = Vec::new();
    for address in cluster.addresses() {
        if cluster.nodes().iter().any(|node| node.address == address && (node.pid.is_none() || node.frozen)) {
            continue;
        }
        if cluster.role(&address).await == "master" {
            let reply = cluster.call(&address, &Command::new(["KEYS", pattern])).await;
            found.extend(reply.array().unwrap().iter().filter_map(Reply::text));
        }
    }
    found
}

/// What the servers hold is what was acknowledged and not lost, and perhaps some moves that nobody knows about. The
/// report is up to a quarter of a second older than the last move.
fn assert_exact(account: &PlayAccount, bits: u64) {
    let stats = account.stats;
    let least = stats.acknowledged - stats.lost;
    assert!((least..least + stats.unknown + 250).contains(&bits), "{bits} bits, {account:?}");
}

#[tokio::test]
async fn a_planned_failover_costs_a_short_gap_and_no_write() {
    let cluster = Cluster::start(3, 1).await;
    let mut game = Game::start(&cluster).await;
    cluster.ok(&cluster.at(3), "CLUSTER FAILOVER").await;
    let account = game.until("the gap is told", |account| account.stats.last_gap.is_some()).await;
    eprintln!("planned failover: {account:?}");
    let account = game.until("read back", |account| account.settled).await;
    assert_eq!((account.stats.lost, account.stats.gap), (0, None), "{account:?}");
    assert_eq!(cluster.role(&cluster.at(3)).await, "master");
    let mut told = 0;
    while let Ok(observation) = game.reports.try_recv() {
        assert_eq!(observation.source, Play::source());
        assert!(matches!(observation.fact, Fact::Play(_)));
        told += 1;
    }
    assert!(told > 4, "{told} reports");
    let (account, bits) = game.bits(&cluster).await;
    assert_exact(&account, bits);
}

#[tokio::test]
async fn a_killed_master_is_a_gap_in_its_shard_only() {
    let cluster = Cluster::start(3, 1).await;
    let mut game = Game::start(&cluster).await;
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    let open = game.until("a gap is open", |account| account.stats.gap.is_some()).await;
    let later = game.until("others play on", |account| account.stats.acknowledged > open.stats.acknowledged + 300).await;
    assert!(later.stats.gap.is_some(), "the gap of the killed master's shard is still open: {later:?}");
    let account = game.until("read back", |account| account.settled).await;
    eprintln!("kill -9: {account:?}");
    assert!(account.stats.refused > 0 && account.stats.worst_gap >= Some(Duration::from_secs(1)), "{account:?}");
    cluster.fault(&cluster.at(1), Fault::Restart).await.unwrap();
    let (account, bits) = game.bits(&cluster).await;
    assert_exact(&account, bits);
}

#[tokio::test]
async fn a_frozen_master_is_replaced_and_its_thaw_is_harmless() {
    let cluster = Cluster::start(3, 1).await;
    let mut game = Game::start(&cluster).await;
    cluster.fault(&cluster.at(2), Fault::Freeze).await.unwrap();
    game.until("a gap is open", |account| account.stats.gap.is_some()).await;
    let account = game.until("read back", |account| account.settled).await;
    eprintln!("SIGSTOP: {account:?}");
    assert!(account.stats.unknown > 0, "what was sent to the frozen node is unknown: {account:?}");
    cluster.fault(&cluster.at(2), Fault::Thaw).await.unwrap();
    wait_until("the thawed node is a replica", async || cluster.role(&cluster.at(2)).await == "slave").await;
    let before = account.stats.acknowledged;
    let account = game.until("played on and settled", |account| account.settled && account.stats.acknowledged > before + 500).await;
    let (_, bits) = game.bits(&cluster).await;
    assert_exact(&account, bits);
}

#[tokio::test]
async fn writes_that_never_reached_the_successor_are_counted_as_lost() {
    let cluster = Cluster::start(3, 1).await;
    let mut game = Game::start(&cluster).await;
    let (victim, successor) = (cluster.at(0), cluster.at(3));
    // The successor cannot come back to its master: everything from here on is lost with the master.
    cluster.ok(&successor, "CONFIG SET masterauth wrong").await;
    cluster.ask(&victim, "CLIENT KILL TYPE replica").await;
    wait_until("the successor's link is down", async || {
        cluster.info(&successor, "master_link_status").await.as_deref() == Some("down")
    })
    .await;
    let before = game.play.account().stats.acknowledged;
    game.until("something to lose", |account| account.stats.acknowledged > before + 150).await;
    cluster.fault(&victim, Fault::Kill).await.unwrap();
    game.until("a gap is open", |account| account.stats.gap.is_some()).await;
    let account = game.until("read back", |account| account.settled).await;
    eprintln!("link broken, then kill -9: {account:?}");
    assert!(account.stats.lost >= 30, "{account:?}");
    let lost = account.stats.lost;
    let more = account.stats.acknowledged + 300;
    // Another disturbance has everything read back again, and counts nothing twice.
    cluster.ok(&cluster.at(4), "CLUSTER FAILOVER").await;
    wait_within("the second failover", Duration::from_secs(20), async || cluster.role(&cluster.at(4)).await == "master").await;
    let account = game.until("read back again", |account| account.settled && account.stats.acknowledged > more).await;
    assert_eq!(account.stats.lost, lost);
    let (account, bits) = game.bits(&cluster).await;
    assert_exact(&account, bits);
}

#[tokio::test]
async fn rooms_that_move_are_followed_and_rooms_that_are_deleted_are_no_loss() {
    let cluster = Cluster::start(3, 0).await;
    let mut game = Game::start(&cluster).await;
    let states = keys(&cluster, "room:*:state").await;
    assert_eq!(states.len(), 60);

    // A room moves, slowly: between any two commands players write to it.
    let slot = key_slot(states[0].as_bytes());
    let from = cluster.owner(slot).await.unwrap();
    let to = cluster.addresses().into_iter().find(|address| *address != from).unwrap();
    let id = async |address: &Address| cluster.text(address, "CLUSTER MYID").await;
    let (from_id, to_id) = (id(&from).await, id(&to).await);
    cluster.ok(&to, &format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).await;
    cluster.ok(&from, &format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).await;
    loop {
        let reply = cluster.ask(&from, &format!("CLUSTER GETKEYSINSLOT {slot} 1")).await;
        let Some(key) = reply.array().unwrap().first().and_then(Reply::text) else { break };
        cluster.ok(&from, &format!("MIGRATE {} {} {key} 0 5000", to.host, to.port)).await;
        let now = game.play.account().stats.acknowledged;
        game.until("played on", |account| account.stats.acknowledged > now + 50).await;
    }
    for address in [&to, &from] {
        cluster.ok(address, &format!("CLUSTER SETSLOT {slot} NODE {to_id}")).await;
    }
    let now = game.play.account().stats.acknowledged;
    let account = game.until("settled", |account| account.settled && account.stats.acknowledged > now + 1000).await;
    assert_eq!((account.stats.lost, account.stats.refused, account.stats.unknown), (0, 0, 0), "{account:?}");
    assert_eq!(cluster.owner(slot).await, Some(to));

    // Another room is deleted by an operator.
    let gone = states.iter().find(|state| key_slot(state.as_bytes()) != slot).unwrap();
    let tag = gone.trim_start_matches("room:").trim_end_matches(":state");
    let owner = cluster.owner(key_slot(gone.as_bytes())).await.unwrap();
    let all = cluster.call(&owner, &Command::new(["KEYS", &format!("room:{tag}:*")])).await;
    let names: Vec<String> = all.array().unwrap().iter().filter_map(Reply::text).collect();
    cluster.call(&owner, &Command::new(["DEL"].into_iter().chain(names.iter().map(String::as_str)))).await;
    wait_until("another room is opened instead", async || {
        let states = keys(&cluster, "room:*:state").await;
        states.len() == 60 && !states.contains(gone)
    })
    .await;
    wait_until("nothing of the deleted room is left", async || keys(&cluster, &format!("room:{tag}:*")).await.is_empty()).await;
    let account = game.until("settled", |account| account.settled).await;
    assert_eq!((account.stats.lost, account.stats.refused, account.stats.unknown), (0, 0, 0), "{account:?}");
    assert!(slot < SLOTS);
}
