//! What `status` and `watch` say of a fault on real servers: its cause, what it costs, what comes of it, and no wrong advice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "a test that fails loudly and says what it saw"
)]

mod common;
#[path = "diagnosis/console.rs"]
mod console;

use std::time::Duration;

use common::{Cluster, Proxy, wait_until, wait_within};
use console::{Console, Look};
use rgc_tui::cluster::Address;
use rgc_tui::link::Command;
use rgc_tui::local::{Fault, LocalSpec};

/// Slots that this node owns by its own word.
async fn slots_of(cluster: &Cluster, address: &Address) -> u64 {
    let view = cluster.view(address).await;
    view.myself().unwrap().slots.iter().map(|range| range.len() as u64).sum()
}

/// A cluster whose other shards serve on while one does not.
async fn partial(replicas: u16, node_timeout: u64, more: &[&str]) -> Cluster {
    let args = [&["--cluster-require-full-coverage", "no"], more].concat();
    let args = args.iter().map(ToString::to_string).collect();
    let node_timeout = Duration::from_secs(node_timeout);
    Cluster::with(LocalSpec { replicas, node_timeout, args, ..LocalSpec::default() }).await
}

/// From now on this replica does not get past its master's door.
async fn break_link(cluster: &Cluster, master: &Address, replica: &Address) {
    cluster.ok(replica, "CONFIG SET masterauth wrong").await;
    cluster.ask(master, "CLIENT KILL TYPE replica").await;
    wait_until("the replication link is down", async || {
        cluster.info(replica, "master_link_status").await.as_deref() == Some("down")
    })
    .await;
}

async fn link_down_seconds(cluster: &Cluster, replica: &Address) -> i64 {
    cluster.info(replica, "master_link_down_since_seconds").await.map_or(0, |text| text.parse().unwrap())
}

fn never_says(look: &Look, words: &[&str]) {
    for word in words {
        assert!(!look.says().contains(word), "{word:?} in {}", look.says());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_behind_dead_tunnels_are_out_of_reach_and_not_down() {
    let cluster = Cluster::start(3, 1).await;
    let tunnels = [Proxy::to(&cluster.at(0)).await, Proxy::to(&cluster.at(1)).await];
    let console = Console::through(&cluster, &[(0, &tunnels[0]), (1, &tunnels[1])]);
    let well = console.until("all is well", |look| look.code == 0).await;
    assert_eq!((well.served(), well.json["verdict"].as_str()), (16384, Some("ok")), "{}", well.says());
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;

    tunnels.iter().for_each(Proxy::cut);
    let check = |look: &Look| {
        assert!(look.code <= 1, "{}: {}", look.code, look.says());
        assert_eq!(look.served(), 16384, "{}", look.says());
        never_says(look, &["--mode takeover", "--mode force", "no master", "no majority"]);
        assert!(!look.has("critical"), "{}", look.says());
    };
    let look = console
        .until("both are out of reach", |look| {
            check(look);
            look.firing("node.unreached").len() == 2 && !look.firing("console.minority").is_empty()
        })
        .await;
    assert_eq!((look.code, look.severity("node.unreached"), look.severity("console.minority")), (1, "warning", "warning"));
    let subjects: Vec<&str> = look.firing("node.unreached").iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    let mut expected = [cluster.at(0).to_string(), cluster.at(1).to_string()];
    expected.sort();
    assert_eq!(subjects, expected);
    assert!(look.found("node.down").is_empty() && look.found("slots.unserved").is_empty(), "{}", look.says());
    // Whoever saw them well before says the same.
    watch.until("the verdict is a warning", |line| line["kind"] == "verdict" && line["verdict"] == "warning").await;
    watch.rewound().until("both are told", |line| line["rule"] == "console.minority" && line["phase"] == "firing").await;
    let told = watch.lines().join("\n");
    for wrong in ["\"critical\"", "--mode takeover", "--mode force", "no master", "no majority"] {
        assert!(!told.contains(wrong), "{wrong}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_never_reached_its_dead_master_is_promised_to_nobody() {
    let cluster = partial(1, 2, &[]).await;
    let console = Console::of(&cluster);
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let slots = slots_of(&cluster, &master).await;
    cluster.fault(&replica, Fault::Kill).await.unwrap();
    cluster.fault(&master, Fault::Kill).await.unwrap();
    cluster.fault(&replica, Fault::Restart).await.unwrap();
    let barred = |look: &Look| {
        never_says(look, &["is being elected", "by itself", "takeover"]);
        look.firing("shard.no_master").first().is_some_and(|found| {
            found["message"].as_str().unwrap().contains("has not reached its master since it was started, and may not stand")
        })
    };
    console.until("nobody is expected to take over", barred).await;
    // Nor later, when the others call the master failed.
    wait_until("the others call the master failed", async || {
        cluster.view(&cluster.at(1)).await.members.iter().any(|member| member.address == master && member.flags.failed)
    })
    .await;
    let look = console.until("nobody is expected to take over, still", barred).await;
    assert_eq!((look.code, look.severity("shard.no_master"), look.severity("node.down")), (2, "critical", "critical"));
    assert_eq!((look.severity("slots.unserved"), look.served()), ("critical", 16384 - slots));
    let remedy = look.remedy("shard.no_master");
    assert!(remedy.contains(&format!("bring {master} back")), "{remedy}");
    // What is advised can be pasted: it names the cluster as this command line did. And it works.
    let (_, pasted) = remedy.split_once("`rgc-tui ").unwrap();
    let (reach, _) = pasted.split_once(&format!(" failover {replica} --mode force`")).unwrap_or_else(|| panic!("{remedy}"));
    assert!(reach.contains("--node ") || reach.contains("--config "), "{remedy}");
    let forced = console.run(&["failover", &replica.to_string(), "--mode", "force", "--confirm", "prod", "--format", "json"]).await;
    assert_eq!(forced.code, 0, "{}{}", forced.stdout, forced.stderr);
    assert_eq!(cluster.role(&replica).await, "master");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_data_is_too_old_is_promised_to_nobody() {
    let more = ["--cluster-replica-validity-factor", "1", "--repl-ping-replica-period", "1"];
    let cluster = partial(1, 2, &more).await;
    let console = Console::of(&cluster);
    let (master, replica) = (cluster.at(0), cluster.at(3));
    break_link(&cluster, &master, &replica).await;
    wait_until("the link is older than it may stand with", async || link_down_seconds(&cluster, &replica).await > 6).await;
    cluster.fault(&master, Fault::Kill).await.unwrap();
    let look = console
        .until("nobody is expected to take over", |look| {
            never_says(look, &["is being elected", "by itself", "takeover"]);
            !look.firing("shard.no_master").is_empty()
        })
        .await;
    assert_eq!((look.code, look.severity("shard.no_master")), (2, "critical"));
    let message = look.message("shard.no_master");
    assert!(message.contains("has had no data from its master for") && message.contains("more than the 5 s"), "{message}");
    let remedy = look.remedy("shard.no_master");
    assert!(remedy.contains(&format!("failover {replica} --mode force`, without all that was written")), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_lacks_is_said_before_it_takes_over_and_after() {
    let cluster = partial(1, 4, &[]).await;
    let console = Console::of(&cluster);
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    break_link(&cluster, &master, &replica).await;
    let slot = cluster.view(&master).await.myself().unwrap().slots[0].start;
    let tag = (0..).map(|n| format!("t{n}")).find(|tag| rgc_tui::cluster::key_slot(tag.as_bytes()) == slot).unwrap();
    for n in 0..3 {
        let write = Command::new(["SET".to_owned(), format!("{n}:{{{tag}}}"), "x".repeat(1 << 20)]);
        assert!(cluster.call(&master, &write).await.is_ok());
    }
    let before = console
        .until("the broken link counts", |look| {
            look.firing("replica.link_down")
                .first()
                .is_some_and(|found| found["message"].as_str().unwrap().contains("written since"))
        })
        .await;
    assert_eq!((before.code, before.severity("replica.link_down"), before.served()), (1, "warning", 16384));
    assert!(before.message("replica.link_down").contains("3.0 MB written since are lost"), "{}", before.says());

    cluster.fault(&master, Fault::Kill).await.unwrap();
    let dying = console
        .until("an election is under way", |look| look.outlook("node.down").is_some_and(|says| says.contains("is being elected")))
        .await;
    let outlook = dying.outlook("node.down").unwrap();
    assert!(outlook.contains(&format!("{replica} is being elected without all that was written in the last")), "{outlook}");
    assert_eq!(dying.code, 2, "{}", dying.says());
    wait_until("the replica has taken over", async || cluster.role(&replica).await == "master").await;
    let lost = watch.until("the loss is told", |line| line["rule"] == "shard.lost_writes" && line["phase"] == "firing").await;
    assert_eq!(lost["severity"], "critical");
    let message = lost["message"].as_str().unwrap();
    assert!(message.contains(&format!("{replica} took over without at least 3.0 MB")), "{message}");
    assert!(message.contains(&format!("only {master} has it")), "{message}");
    let remedy = lost["remedy"].as_str().unwrap();
    assert!(remedy.starts_with(&format!("before {master} is started again, copy dump.rdb")), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_priority_zero_stands_in_a_cluster() {
    let cluster = partial(1, 3, &[]).await;
    let console = Console::of(&cluster);
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let slots = slots_of(&cluster, &master).await;
    cluster.ok(&replica, "CONFIG SET replica-priority 0").await;
    console.until("all is well", |look| look.code == 0).await;
    cluster.fault(&master, Fault::Kill).await.unwrap();
    let mut elected = false;
    let after = console
        .until("it has taken over", |look| {
            never_says(look, &["no replica is left", "only copy", "takeover"]);
            if let Some(outlook) = look.outlook("node.down") {
                assert!(outlook.contains(&format!("{replica} is being elected")), "{outlook}");
                assert_eq!((look.code, look.severity("node.down"), look.served()), (2, "critical", 16384 - slots));
                elected = true;
            }
            !look.firing("shard.no_replica").is_empty()
        })
        .await;
    assert!(elected, "no look fell into the election");
    assert_eq!((after.code, after.served(), after.severity("shard.no_replica")), (1, 16384, "warning"));
    assert_eq!(cluster.role(&replica).await, "master");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_master_that_refuses_are_unserved() {
    let cluster = Cluster::start(3, 1).await;
    let console = Console::of(&cluster);
    let owner = cluster.owner(501).await.unwrap();
    let slots = slots_of(&cluster, &owner).await;
    cluster.ok(&owner, "CLUSTER DELSLOTS 501").await;
    let look = console.until("its owner refuses", |look| !look.firing("cluster.down").is_empty()).await;
    assert_eq!((look.code, look.severity("cluster.down")), (2, "critical"));
    assert!((16384 - slots..=16385 - slots).contains(&look.served()), "{} of {slots}: {}", look.served(), look.says());
    assert!(look.message("cluster.down").contains(&owner.to_string()), "{}", look.says());

    for address in cluster.addresses() {
        cluster.ask(&address, "CLUSTER DELSLOTS 501").await;
    }
    let look = console.until("nobody serves a slot", |look| look.served() == 0 && !look.firing("slots.unserved").is_empty()).await;
    assert_eq!((look.code, look.severity("slots.unserved"), look.severity("cluster.down")), (2, "critical", "critical"));
    assert_eq!(look.json["slots"]["assigned"], 16383);
    let line = console.verdict_line().await;
    assert!(line.contains("no slot is served"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_with_too_few_replicas_refuses_writes_and_that_is_critical() {
    let cluster = partial(1, 2, &["--min-replicas-to-write", "1"]).await;
    let console = Console::of(&cluster);
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let slots = slots_of(&cluster, &master).await;
    let look = console.until("all is well", |look| look.code == 0).await;
    assert_eq!(look.served(), 16384);
    cluster.fault(&replica, Fault::Kill).await.unwrap();
    let look = console.until("writes are refused", |look| !look.firing("writes.refused").is_empty()).await;
    assert_eq!((look.code, look.severity("writes.refused"), look.served()), (2, "critical", 16384 - slots));
    let found = &look.firing("writes.refused")[0];
    assert_eq!(found["subject"], master.to_string());
    assert!(found["message"].as_str().unwrap().contains("(NOREPLICAS): 0 of the 1 replica it must have"), "{found}");
    assert_eq!(look.severity("slots.unserved"), "critical");

    // Two wanted and one there: no replica is missing, and all writes are refused.
    let second = cluster.at(1);
    let more = slots_of(&cluster, &second).await;
    cluster.ok(&second, "CONFIG SET min-replicas-to-write 2").await;
    let look = console.until("two refuse writes", |look| look.firing("writes.refused").len() == 2).await;
    assert_eq!((look.code, look.served()), (2, 16384 - slots - more), "{}", look.says());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_replica_that_dies_is_a_warning_at_once_and_later() {
    let cluster = partial(2, 2, &[]).await;
    let console = Console::of(&cluster);
    let spare = cluster.at(3);
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    cluster.fault(&spare, Fault::Kill).await.unwrap();
    let warns = |look: &Look| {
        assert!(look.code <= 1, "{}: {}", look.code, look.says());
        assert_eq!(look.served(), 16384);
        never_says(look, &["takeover", "force"]);
        assert!(!look.has("critical"), "{}", look.says());
        !look.firing("node.down").is_empty()
    };
    let look = console.until("it is down", warns).await;
    assert_eq!((look.code, look.severity("node.down")), (1, "warning"));
    wait_until("the others call it failed", async || {
        cluster.view(&cluster.at(1)).await.members.iter().any(|member| member.address == spare && member.flags.failed)
    })
    .await;
    let look = console.until("it is down, still", warns).await;
    assert_eq!((look.code, look.severity("node.down"), look.found("shard.no_replica").len()), (1, "warning", 0));
    watch.until("the console tells it", |line| line["rule"] == "node.down" && line["phase"] == "firing").await;
    watch.rewound().until("the same verdict", |line| line["kind"] == "verdict" && line["verdict"] == "warning").await;
    assert!(!watch.lines().join("\n").contains("\"critical\""), "{:#?}", watch.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_slot_is_pending_at_first_and_no_verdict() {
    let cluster = Cluster::start(3, 1).await;
    let console = Console::of(&cluster);
    let (source, target) = (cluster.owner(866).await.unwrap(), cluster.at(1));
    let (from, to) = (cluster.text(&source, "CLUSTER MYID").await, cluster.text(&target, "CLUSTER MYID").await);
    cluster.ok(&target, &format!("CLUSTER SETSLOT 866 IMPORTING {from}")).await;
    cluster.ok(&source, &format!("CLUSTER SETSLOT 866 MIGRATING {to}")).await;
    let look = console.until("the open slot is seen", |look| !look.found("slots.open").is_empty()).await;
    assert_eq!(look.json["findings"][0]["phase"], "pending", "{}", look.says());
    assert_eq!((look.code, look.severity("slots.open"), look.json["verdict"].as_str()), (0, "warning", Some("ok")));
    assert_eq!((look.served(), look.json["slots"]["open"].as_u64()), (16384, Some(1)));
    let said = console.run(&["status"]).await;
    assert!(said.code == 0 && said.stdout.contains("pending, counts after 30 s"), "{}: {}", said.code, said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_keeps_its_subject_from_the_death_of_a_master_to_the_end() {
    // With full coverage wanted: the other masters say CLUSTERDOWN meanwhile, which must not lead.
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(3), ..LocalSpec::default() }).await;
    let console = Console::of(&cluster);
    console.until("all is well", |look| look.code == 0).await;
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    let master = cluster.at(0);
    cluster.fault(&master, Fault::Kill).await.unwrap();
    let mut said: Vec<String> = Vec::new();
    wait_within("the shard has no replica any more, and nothing else is wrong", Duration::from_secs(60), async || {
        let line = console.verdict_line().await;
        let over = line.contains("WARNING") && line.contains("no replica");
        if said.last() != Some(&line) {
            said.push(line);
        }
        over
    })
    .await;
    println!("{said:#?}");
    let critical: Vec<&String> = said.iter().filter(|line| line.contains("CRITICAL")).collect();
    assert!(!critical.is_empty(), "{said:#?}");
    // Of the new master the others hear one by one; until then they refuse, and it is still the same shard's incident.
    let subjects = ["CRITICAL  shard A has no master · ", "CRITICAL  shard A has a new master · "];
    for line in critical {
        assert!(subjects.iter().any(|subject| line.contains(subject)), "{said:#?}");
        assert!(line.contains("unserved") || line.contains("no slot is served"), "{said:#?}");
    }
    assert!(
        said.last().unwrap().contains(&format!("shard A has no replica · {master} is refused · all 16384 slots served")),
        "{said:#?}"
    );
    let verdict = |line: &serde_json::Value, word: &str| line["kind"] == "verdict" && line["verdict"] == word;
    let first = watch.until("critical", |line| verdict(line, "critical")).await;
    assert!(first["message"].as_str().unwrap().starts_with("shard A has no master · "), "{first}");
    let last = watch.until("warning", |line| verdict(line, "warning")).await;
    assert!(last["message"].as_str().unwrap().starts_with("shard A has no replica"), "{last}");
    let verdicts = watch.lines().iter().filter(|line| line.contains("\"verdict\"") && line.contains("\"cluster\"")).count();
    assert_eq!(verdicts, 3, "ok, critical, warning: {:#?}", watch.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_reset_has_no_address_and_its_slots_are_unserved() {
    let cluster = Cluster::start(3, 1).await;
    let console = Console::of(&cluster);
    let master = cluster.at(0);
    let slots = slots_of(&cluster, &master).await;
    console.until("all is well", |look| look.code == 0).await;
    cluster.ok(&master, "CLUSTER RESET HARD").await;
    // Whether its replica is elected is the servers' affair; until then nobody serves the slots.
    let look = console.until("the others know its id alone", |look| look.says().contains("has no address any more")).await;
    assert_eq!((look.code, look.served()), (2, 16384 - slots), "{}", look.says());
    assert_eq!(look.json["verdict"], "critical");
}
