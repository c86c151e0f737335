//! Fix on real servers: every state that a broken-off move or a slip of the hand leaves, with the keys counted.
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
use desk::{Desk, assert_calm, assert_same};
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::link::{Command, Lane, Reply};
use rgc_tui::local::Fault;
use rgc_tui::plan::{Intent, Outcome, Progress, Report};
use std::sync::Arc;
use std::time::Duration;

const SLOT: u16 = 866;

struct Scene {
    cluster: Cluster,
    desk: Desk,
    owner: Address,
    other: Address,
    slot: u16,
}

impl Scene {
    /// Forty keys of one room on their owner.
    async fn set() -> Self {
        let cluster = Cluster::start(3, 0).await;
        let desk = Desk::at(&cluster).await;
        let slot = key_slot(b"KX9Q2");
        let keys: Vec<Command> = (0..40).map(|n| Command::words(&format!("SET k{n}:{{KX9Q2}} {n}"))).collect();
        desk.fill(keys).await;
        let owner = desk.model.node(desk.model.topology().owner(slot).unwrap()).unwrap().address.clone();
        let other = cluster.addresses().into_iter().find(|at| *at != owner).unwrap();
        Self { cluster, desk, owner, other, slot }
    }

    fn id(&self, at: &Address) -> String {
        self.desk.model.node_at(at).unwrap().id.to_string()
    }

    async fn set_slot(&self, at: &Address, what: &str) {
        self.cluster.ok(at, &format!("CLUSTER SETSLOT {} {what}", self.slot)).await;
    }

    async fn open_both(&self) {
        self.set_slot(&self.other, &format!("IMPORTING {}", self.id(&self.owner))).await;
        self.set_slot(&self.owner, &format!("MIGRATING {}", self.id(&self.other))).await;
    }

    /// Moves the first `count` keys by hand.
    async fn migrate(&self, count: usize) {
        let keys: Vec<String> = (0..count).map(|n| format!("k{n}:{{KX9Q2}}")).collect();
        let words = format!("MIGRATE {} {} x 0 5000 KEYS {}", self.other.host, self.other.port, keys.join(" "));
        let mut command = Command::words(&words);
        command.0[3] = Vec::new();
        assert!(self.cluster.call(&self.owner, &command).await.is_ok());
    }

    /// Writes a key on the node that does not own it, as an importing node it is.
    async fn stray(&self, key: &str, value: &str) {
        self.import(&self.other, key, value).await;
        self.set_slot(&self.other, "STABLE").await;
    }

    /// The same, and leaves the slot open there.
    async fn import(&self, at: &Address, key: &str, value: &str) {
        self.set_slot(at, &format!("IMPORTING {}", self.id(&self.owner))).await;
        let link = self.desk.links.get(at, Lane::Work);
        let words = [Command::words("ASKING"), Command::words(&format!("SET {key} {value}"))];
        let replies = link.pipeline(&words, Duration::from_secs(2)).await.unwrap();
        assert!(replies[1].is_ok(), "{replies:?}");
    }

    async fn fix(&mut self, roll_back: bool) -> Report {
        let plan = self.desk.plan(Intent::Fix { slots: None, roll_back }).await.unwrap();
        // Keys are counted for a repair, and not measured: that is not nothing.
        let json = rgc_tui::plan::json::plan(&plan, &self.desk.model);
        let (keys, bytes) = (plan.impact.tally.keys, &json["impact"]["bytes"]);
        assert!(keys == 0 || bytes.is_null() || bytes.as_u64() > Some(0), "{keys} keys, {bytes} bytes");
        assert!(keys == 0 || plan.impact.bytes() != "0 B", "{plan:#?}");
        for step in &plan.steps {
            println!("{}\n    {}", step.says, step.commands.join("\n    "));
        }
        self.desk.run(plan).await
    }

    async fn fixed(&mut self, roll_back: bool, owner: &Address) {
        let report = self.fix(roll_back).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
        assert_calm(&self.cluster).await;
        assert_eq!(self.cluster.owner(self.slot).await.as_ref(), Some(owner));
        let again = self.desk.plan(Intent::Fix { slots: None, roll_back }).await.unwrap_err();
        assert!(again.to_string().contains("nothing to do"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_broke_off_half_way_is_finished_or_rolled_back() {
    for roll_back in [false, true] {
        let mut scene = Scene::set().await;
        let before = scene.desk.digest(&scene.cluster).await;
        scene.open_both().await;
        scene.migrate(15).await;
        let owner = if roll_back { scene.owner.clone() } else { scene.other.clone() };
        scene.fixed(roll_back, &owner).await;
        assert_same(&before, &scene.desk.digest(&scene.cluster).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_slots_are_closed() {
    let mut scene = Scene::set().await;
    let before = scene.desk.digest(&scene.cluster).await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    // Only the target had been told.
    scene.set_slot(&other, &format!("IMPORTING {}", scene.id(&owner))).await;
    scene.fixed(true, &owner).await;
    // Only the source had been told.
    scene.set_slot(&owner, &format!("MIGRATING {}", scene.id(&other))).await;
    scene.fixed(true, &owner).await;
    // The target owns it, the source still says it gives it away.
    scene.open_both().await;
    scene.migrate(40).await;
    scene.set_slot(&other, &format!("NODE {}", scene.id(&other))).await;
    scene.fixed(false, &other).await;
    assert_same(&before, &scene.desk.digest(&scene.cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_nobody_owns_goes_to_whoever_has_its_keys() {
    let mut scene = Scene::set().await;
    let before = scene.desk.digest(&scene.cluster).await;
    let owner = scene.owner.clone();
    for address in scene.cluster.addresses() {
        scene.cluster.ask(&address, &format!("CLUSTER DELSLOTS {}", scene.slot)).await;
    }
    scene.fixed(false, &owner).await;
    assert_same(&before, &scene.desk.digest(&scene.cluster).await);
}

/// Who holds keys of it besides may never hear of the new owner by gossip, and refuses every command on them until then.
#[tokio::test(flavor = "multi_thread")]
async fn slots_that_nobody_owns_and_several_hold_are_gathered_at_the_richest() {
    for _ in 0..3 {
        let mut scene = Scene::set().await;
        let before = scene.desk.digest(&scene.cluster).await;
        let (owner, other) = (scene.owner.clone(), scene.other.clone());
        scene.open_both().await;
        scene.migrate(15).await;
        scene.set_slot(&other, "STABLE").await;
        scene.set_slot(&owner, "STABLE").await;
        // Another slot without an owner keeps the whole cluster down until it has one.
        for slot in [scene.slot, 16_383] {
            for address in scene.cluster.addresses() {
                scene.cluster.ask(&address, &format!("CLUSTER DELSLOTS {slot}")).await;
            }
        }
        scene.fixed(false, &owner).await;
        assert_same(&before, &scene.desk.digest(&scene.cluster).await);
    }
}

/// Two masters that each take the other for the owner; and one that alone has an old view, which no gossip puts right.
#[tokio::test(flavor = "multi_thread")]
async fn views_that_differ_for_good_are_put_right() {
    let mut scene = Scene::set().await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    let third = scene.cluster.addresses().into_iter().find(|at| *at != owner && *at != other).unwrap();
    // A slot without keys, of the owner's: the two others give it to each other.
    let empty = if scene.slot == 0 { 1 } else { scene.slot - 1 };
    for (at, whose) in [(&owner, &other), (&other, &third), (&third, &other)] {
        scene.cluster.ok(at, &format!("CLUSTER SETSLOT {empty} NODE {}", scene.id(whose))).await;
    }
    scene.fixed(false, &owner).await;
    let now = scene.cluster.owner(empty).await.unwrap();
    // Whoever has the higher epoch is believed, and does not claim it.
    let deaf = scene.cluster.addresses().into_iter().find(|at| *at != now).unwrap();
    let named = scene.cluster.addresses().into_iter().find(|at| *at != now && *at != deaf).unwrap();
    scene.cluster.ask(&named, "CLUSTER BUMPEPOCH").await;
    let id: rgc_tui::cluster::NodeId = scene.id(&named).parse().unwrap();
    let epoch = scene.cluster.view(&named).await.myself().unwrap().epoch;
    wait_until("the news of it has come round", async || scene.cluster.view(&deaf).await.member(id).unwrap().epoch >= epoch).await;
    scene.cluster.ok(&deaf, &format!("CLUSTER SETSLOT {empty} NODE {}", scene.id(&named))).await;
    scene.fixed(false, &owner).await;
    assert_eq!(scene.cluster.owner(empty).await, Some(now));
}

/// A slot without an owner makes every master refuse MIGRATE: it gets one before open slots are closed.
#[tokio::test(flavor = "multi_thread")]
async fn slots_without_an_owner_are_put_right_before_open_ones() {
    let mut scene = Scene::set().await;
    let before = scene.desk.digest(&scene.cluster).await;
    scene.open_both().await;
    scene.migrate(15).await;
    let unowned = 16_383;
    assert!(unowned > scene.slot, "by number it would come last");
    for address in scene.cluster.addresses() {
        scene.cluster.ask(&address, &format!("CLUSTER DELSLOTS {unowned}")).await;
    }
    let other = scene.other.clone();
    scene.fixed(false, &other).await;
    assert!(scene.cluster.owner(unowned).await.is_some());
    assert_same(&before, &scene.desk.digest(&scene.cluster).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn strays_come_home_and_copies_are_compared_first() {
    let mut scene = Scene::set().await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    scene.stray("lost:{KX9Q2}", "7").await;
    scene.stray("k1:{KX9Q2}", "1").await;
    scene.fixed(false, &owner).await;
    let count = scene.cluster.ask(&owner, &format!("CLUSTER COUNTKEYSINSLOT {}", scene.slot)).await;
    assert_eq!(count, Reply::Int(41));
    // A twin that differs is left where it is, and named with both copies.
    scene.stray("k2:{KX9Q2}", "other").await;
    let report = scene.fix(false).await;
    let Outcome::Failed(reasons) = &report.outcome else { panic!("{report:?}") };
    assert!(reasons[0].contains("k2:{KX9Q2} is on both sides and not the same"), "{reasons:?}");
    assert_calm(&scene.cluster).await;
    let value = scene.cluster.ask(&owner, "GET k2:{KX9Q2}").await;
    assert_eq!(value.text().as_deref(), Some("2"));
    let count = scene.cluster.ask(&other, &format!("CLUSTER COUNTKEYSINSLOT {}", scene.slot)).await;
    assert_eq!(count, Reply::Int(1));
}

/// Whether the source names its target or not, the plan shows every repair that is then applied.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_targets_the_one_that_the_source_names_gets_the_slot_and_without_a_source_none() {
    for giving in [true, false] {
        let mut scene = Scene::set().await;
        let (owner, other) = (scene.owner.clone(), scene.other.clone());
        let third = scene.cluster.addresses().into_iter().find(|at| *at != owner && *at != other).unwrap();
        let before = scene.desk.digest(&scene.cluster).await;
        scene.import(&third, "third:{KX9Q2}", "3").await;
        if giving {
            scene.open_both().await;
            scene.migrate(15).await;
        } else {
            scene.import(&other, "second:{KX9Q2}", "2").await;
        }
        let plan = scene.desk.plan(Intent::Fix { slots: None, roll_back: false }).await.unwrap();
        let says = &plan.steps[0].says;
        let finish = format!("finish the move from {owner}");
        let order = (says.find("bring the keys at"), says.find(&finish));
        assert!(if giving { order.0 < order.1 && order.0.is_some() } else { order.0.is_some() && order.1.is_none() }, "{says}");
        let to = if giving { &other } else { &owner };
        scene.fixed(false, to).await;
        let mut after = scene.desk.digest(&scene.cluster).await;
        let targets = if giving { vec!["third"] } else { vec!["third", "second"] };
        for target in targets {
            assert!(after.remove(format!("{target}:{{KX9Q2}}").as_bytes()).is_some(), "what {target} had is gone");
        }
        assert_same(&before, &after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_target_that_has_nothing_gets_nothing() {
    let mut scene = Scene::set().await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    let third = scene.cluster.addresses().into_iter().find(|at| *at != owner && *at != other).unwrap();
    let before = scene.desk.digest(&scene.cluster).await;
    scene.open_both().await;
    scene.migrate(15).await;
    scene.set_slot(&third, &format!("IMPORTING {}", scene.id(&owner))).await;
    scene.fixed(false, &other).await;
    assert_same(&before, &scene.desk.digest(&scene.cluster).await);
}

/// The owner freezes while strays come home: what it got is unclear, and what players wrote there since is never written over.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_home_unclearly_is_not_written_over() {
    const STRAYS: usize = 5000;
    let mut scene = Scene::set().await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    scene.set_slot(&other, &format!("IMPORTING {}", scene.id(&owner))).await;
    let asked = |words: String| [Command::words("ASKING"), Command::words(&words)];
    let strays: Vec<Command> = (0..STRAYS).flat_map(|n| asked(format!("SET stray{n}:{{KX9Q2}} old"))).collect();
    scene.desk.links.get(&other, Lane::Work).pipeline(&strays, Duration::from_secs(10)).await.unwrap();
    scene.set_slot(&other, "STABLE").await;

    let plan = scene.desk.plan(Intent::Fix { slots: None, roll_back: false }).await.unwrap();
    let mut running = scene.desk.executor.execute(plan, Arc::new(scene.desk.model.clone()));
    let mut unclear = false;
    let report = loop {
        match running.progress.recv().await.unwrap() {
            Progress::Sent { command, .. } if command.contains("IMPORTING") => {
                let count = format!("CLUSTER COUNTKEYSINSLOT {}", scene.slot);
                wait_until("keys are on their way", async || scene.cluster.ask(&other, &count).await.int() < Some(STRAYS as i64))
                    .await;
                scene.cluster.fault(&owner, Fault::Freeze).await.unwrap();
            }
            Progress::Note(text) if text.contains("is unclear") && !unclear => {
                unclear = true;
                scene.cluster.fault(&owner, Fault::Thaw).await.unwrap();
                let newer: Vec<Command> = (0..STRAYS).map(|n| Command::words(&format!("SET stray{n}:{{KX9Q2}} newer"))).collect();
                scene.desk.links.get(&owner, Lane::Probe).pipeline(&newer, Duration::from_secs(10)).await.unwrap();
            }
            Progress::Ended(report) => break report,
            _ => {}
        }
    };
    assert!(unclear, "the freeze came too late: {report:?}");
    for n in 0..STRAYS {
        let value = scene.cluster.ask(&owner, &format!("GET stray{n}:{{KX9Q2}}")).await;
        assert_eq!(value.text().as_deref(), Some("newer"), "stray{n}: {report:?}");
    }
    assert_calm(&scene.cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_of_the_source_or_the_target_in_the_middle_of_a_move_is_repaired() {
    for (target, roll_back) in [(false, false), (true, false), (false, true), (true, true)] {
        let cluster = Cluster::start(3, 1).await;
        let desk = Desk::at(&cluster).await;
        let keys: Vec<Command> = (0..40).map(|n| Command::words(&format!("SET k{n}:{{KX9Q2}} {n}"))).collect();
        desk.fill(keys).await;
        let slot = key_slot(b"KX9Q2");
        let at =
            (0..3).find(|n| desk.model.node_at(&cluster.at(*n)).unwrap().slots.iter().any(|range| range.contains(slot))).unwrap();
        let (owner, other) = (cluster.at(at), cluster.at((at + 1) % 3));
        let before = desk.digest(&cluster).await;
        let mut scene = Scene { cluster, desk, owner, other, slot };
        scene.open_both().await;
        scene.migrate(15).await;
        let successor = scene.cluster.at(3 + if target { (at + 1) % 3 } else { at });
        scene.cluster.ok(&successor, "CLUSTER FAILOVER").await;
        wait_until("the successor is master and everybody knows", async || {
            for address in scene.cluster.addresses() {
                let view = scene.cluster.view(&address).await;
                if view.members.iter().find(|member| member.address == successor).unwrap().slots.is_empty() {
                    return false;
                }
            }
            true
        })
        .await;
        let end = match (target, roll_back) {
            (true, false) | (false, true) => successor,
            (false, false) => scene.other.clone(),
            (true, true) => scene.owner.clone(),
        };
        scene.fixed(roll_back, &end).await;
        assert_same(&before, &scene.desk.digest(&scene.cluster).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_and_well_needs_nothing() {
    let mut scene = Scene::set().await;
    let slots = [SLOT].into_iter().collect();
    let refusal = scene.desk.plan(Intent::Fix { slots: Some(slots), roll_back: false }).await.unwrap_err();
    assert!(refusal.to_string().contains("slot 866 needs no repair"), "{refusal}");
}

/// The order of a large hash or set in a DUMP depends on the process: copies are the same when what is in them is.
#[tokio::test(flavor = "multi_thread")]
async fn copies_with_the_same_content_are_the_same_whatever_dump_says() {
    let mut scene = Scene::set().await;
    let (owner, other) = (scene.owner.clone(), scene.other.clone());
    let numbered = |n: u32| format!("member-number-{n}");
    let many: Vec<String> = (0..300).map(numbered).collect();
    let pairs: Vec<String> = (0..300).map(|n| format!("{} {n}", numbered(n))).collect();
    let scored: Vec<String> = (0..300).map(|n| format!("{n} {}", numbered(n))).collect();
    let mut commands = vec![
        Command::words(&format!("HSET hash:{{KX9Q2}} {}", pairs.join(" "))),
        Command::words(&format!("SADD set:{{KX9Q2}} {}", many.join(" "))),
        Command::words(&format!("ZADD zset:{{KX9Q2}} {}", scored.join(" "))),
        Command::words(&format!("RPUSH list:{{KX9Q2}} {}", many.join(" "))),
        Command::words("PEXPIRE set:{KX9Q2} 1000000"),
    ];
    commands.extend((0..300).map(|n| Command::words(&format!("XADD stream:{{KX9Q2}} * f {n}"))));
    scene.desk.fill(commands).await;
    scene.cluster.ok(&owner, "XGROUP CREATE stream:{KX9Q2} readers 0").await;
    let before = scene.desk.digest(&scene.cluster).await;
    // A MIGRATE of each that broke off when the target had it.
    scene.set_slot(&other, &format!("IMPORTING {}", scene.id(&owner))).await;
    let kinds = ["hash", "set", "zset", "list", "stream"];
    let mut differ = 0;
    for kind in kinds {
        let words = format!("MIGRATE {} {} {kind}:{{KX9Q2}} 0 5000 COPY", other.host, other.port);
        assert!(scene.cluster.ask(&owner, &words).await.is_ok());
        let dump = [Command::words("ASKING"), Command::words(&format!("DUMP {kind}:{{KX9Q2}}"))];
        let theirs = scene.desk.links.get(&other, Lane::Work).pipeline(&dump, Duration::from_secs(2)).await.unwrap();
        differ += usize::from(Reply::Bytes(before[format!("{kind}:{{KX9Q2}}").as_bytes()].clone()) != theirs[1]);
    }
    assert!(differ > 0, "no DUMP differs: this shows nothing");
    scene.set_slot(&other, "STABLE").await;
    scene.fixed(false, &owner).await;
    assert_same(&before, &scene.desk.digest(&scene.cluster).await);
    // One that expires at quite another time is another one.
    scene.set_slot(&other, &format!("IMPORTING {}", scene.id(&owner))).await;
    let words = format!("MIGRATE {} {} set:{{KX9Q2}} 0 5000 COPY", other.host, other.port);
    assert!(scene.cluster.ask(&owner, &words).await.is_ok());
    scene.set_slot(&other, "STABLE").await;
    scene.cluster.ask(&owner, "PERSIST set:{KX9Q2}").await;
    let report = scene.fix(false).await;
    let Outcome::Failed(reasons) = &report.outcome else { panic!("{report:?}") };
    assert!(reasons[0].contains("not the same: it does not expire on") || reasons[0].contains("it expires in"), "{reasons:?}");
}

/// Keys of one slot in several databases: all of them are moved, or none.
#[tokio::test(flavor = "multi_thread")]
async fn keys_in_every_database_are_counted_and_moved() {
    let args = ["--cluster-databases", "4"].map(str::to_owned).to_vec();
    let bin = Some(common::server_bin("valkey9"));
    let spec = rgc_tui::local::LocalSpec { masters: 3, replicas: 0, server_bin: bin, args, ..rgc_tui::local::LocalSpec::default() };
    let cluster = Cluster::with(spec).await;
    let mut desk = Desk::at(&cluster).await;
    let slot = key_slot(b"KX9Q2");
    let at = (0..3).find(|n| desk.model.node_at(&cluster.at(*n)).unwrap().slots.iter().any(|range| range.contains(slot))).unwrap();
    let (owner, other) = (cluster.at(at), cluster.at((at + 1) % 3));
    let within = async |desk: &Desk, at: &Address, database: u32, commands: Vec<Command>| {
        let select = |number: u32| Command::words(&format!("SELECT {number}"));
        let all: Vec<Command> = std::iter::once(select(database)).chain(commands).chain([select(0)]).collect();
        desk.links.get(at, Lane::Work).pipeline(&all, Duration::from_secs(5)).await.unwrap()
    };
    for database in [0, 1, 3] {
        let sets = (0..20).map(|n| Command::words(&format!("SET k{n}:{{KX9Q2}} {database}-{n}"))).collect();
        within(&desk, &owner, database, sets).await;
    }
    for roll_back in [false, true] {
        desk.look().await;
        let (owner, other) = if cluster.owner(slot).await == Some(owner.clone()) { (&owner, &other) } else { (&other, &owner) };
        let id = |at: &Address| desk.model.node_at(at).unwrap().id;
        cluster.ok(other, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(owner))).await;
        cluster.ok(owner, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(other))).await;
        let words = format!("MIGRATE {} {} k1:{{KX9Q2}} 0 5000", other.host, other.port);
        assert!(cluster.ask(owner, &words).await.is_ok());
        let plan = desk.plan(Intent::Fix { slots: None, roll_back }).await.unwrap();
        assert_eq!(plan.impact.tally.keys, 60, "{plan:?}");
        let report = desk.run(plan).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
        assert_calm(&cluster).await;
        let home = if roll_back { owner } else { other };
        assert_eq!(cluster.owner(slot).await.as_ref(), Some(home));
        for database in [0, 1, 3] {
            let gets = (0..20).map(|n| Command::words(&format!("GET k{n}:{{KX9Q2}}"))).collect();
            let values = within(&desk, home, database, gets).await;
            for n in 0..20 {
                assert_eq!(values[n + 1].text(), Some(format!("{database}-{n}")), "database {database}: {report:?}");
            }
        }
    }
}

/// A mark that a replica alone has comes alive when it takes over: it is shown, and closed.
#[tokio::test(flavor = "multi_thread")]
async fn marks_that_only_a_replica_has_are_closed_on_valkey_8() {
    let cluster = Cluster::start_on("valkey8", 3, 1).await;
    let mut desk = Desk::at(&cluster).await;
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let source = desk.model.node_at(&cluster.at(1)).unwrap().id;
    // The mark comes with its master's; then the master forgets it while the replica does not hear that.
    cluster.ok(&master, &format!("CLUSTER SETSLOT 6000 IMPORTING {source}")).await;
    wait_until("the replica has it, too", async || !cluster.view(&replica).await.myself().unwrap().open.is_empty()).await;
    cluster.fault(&replica, Fault::Freeze).await.unwrap();
    cluster.ask(&master, "CONFIG SET repl-timeout 1").await;
    wait_until("the master has given its replica up", async || {
        cluster.info(&master, "connected_slaves").await.as_deref() == Some("0")
    })
    .await;
    cluster.ok(&master, "CLUSTER SETSLOT 6000 STABLE").await;
    let unheard = desk.plan(Intent::Fix { slots: None, roll_back: false }).await.unwrap_err();
    assert!(!unheard.fulfilled && unheard.to_string().contains("what is open there is not known"), "{unheard}");
    cluster.ask(&master, "CONFIG SET repl-timeout 60").await;
    cluster.fault(&replica, Fault::Thaw).await.unwrap();
    wait_until("the replica is in sync again", async || {
        cluster.info(&replica, "master_link_status").await.as_deref() == Some("up")
    })
    .await;
    assert!(!cluster.view(&replica).await.myself().unwrap().open.is_empty(), "it has forgotten the mark by itself");
    let failover = desk.plan(Intent::Failover { node: replica.to_string(), mode: rgc_tui::plan::Mode::Graceful }).await.unwrap();
    assert!(failover.warnings.iter().any(|warning| warning.contains("has slots 6000 open")), "{:?}", failover.warnings);
    let plan = desk.plan(Intent::Fix { slots: None, roll_back: false }).await.unwrap();
    assert!(plan.prediction.notes.iter().any(|note| note.contains("open on a replica alone")), "{plan:?}");
    let report = desk.run(plan).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:#?}");
    wait_until("the replica has closed it", async || cluster.view(&replica).await.myself().unwrap().open.is_empty()).await;
    let again = desk.plan(Intent::Fix { slots: None, roll_back: false }).await.unwrap_err();
    assert!(again.fulfilled, "{again}");
}
