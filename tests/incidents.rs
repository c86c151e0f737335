//! What `status`, `check` and `watch` say of incidents whose cause is not where it hurts, on real servers.
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
#[path = "incidents/network.rs"]
mod network;

use std::time::Duration;

use common::{Cluster, wait_within};
use console::{Console, Look};
use network::Network;
use rgc_tui::cluster::{Address, Model};
use rgc_tui::link::{Clock, Command, LinkSettings};
use rgc_tui::local::{Fault, LocalSpec};
use rgc_tui::session::{ClusterSpec, Session};
use rgc_tui::watch::WatchSettings;

fn never_says(look: &Look, words: &[&str]) {
    for word in words {
        assert!(!look.says().contains(word), "{word:?} in {}", look.says());
    }
}

/// What leads to data loss while a master lives.
const WRONG: [&str; 6] = ["--mode force", "--mode takeover", "no master", "is being elected", "start it again", "slots.unserved"];

/// The words about a node that announces a wrong address, the same from every one of these seeds.
async fn told(cluster: &Cluster, seeds: &[usize], wrong: &Address, setting: &str) -> (String, String) {
    let mut said = Vec::new();
    for seed in seeds {
        // A console of its own each: nothing is known from before.
        let console = Console::told_of(&[cluster.at(*seed)]);
        let look = console
            .until("it announces a wrong address", |look| {
                never_says(look, &WRONG);
                assert_eq!(look.served(), 16384, "{}", look.says());
                !look.firing("node.announced").is_empty()
            })
            .await;
        let remedy = look.remedy("node.announced");
        assert!(remedy.contains(&format!("CONFIG SET {setting}")) && remedy.contains("no failover"), "{remedy}");
        let found = look.firing("node.announced")[0];
        assert_eq!(found["subject"], wrong.to_string());
        said.push((found["message"].as_str().unwrap().to_owned(), remedy.to_owned()));
    }
    let first = said[0].clone();
    assert!(said.iter().all(|words| *words == first), "{said:#?}");
    assert!(first.0.contains(&format!("announces {wrong} where nobody reaches it: clients are sent there")), "{first:?}");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_announces_a_wrong_address_is_said_to_do_so_from_every_seed() {
    let cluster = Cluster::start(3, 1).await;
    let (master, replica) = (cluster.at(2), cluster.at(5));
    let before = Console::of(&cluster);
    let mut watch = before.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    cluster.ok(&master, "CONFIG SET cluster-announce-ip 127.0.0.99").await;
    let wrong = Address::new("127.0.0.99", master.port);
    let (message, remedy) = told(&cluster, &[0, 2, 5], &wrong, "cluster-announce-ip ''").await;
    assert!(message.contains("master of shard C, 546"), "{message}");
    assert!(remedy.contains(&format!("redis-cli -h 127.0.0.1 -p {} CONFIG SET", master.port)), "{remedy}");

    // Whoever has watched all the time says the same, and never that it died.
    let fired = watch.until("the watch says so", |line| line["rule"] == "node.announced" && line["phase"] == "firing").await;
    assert_eq!((fired["message"].as_str(), fired["severity"].as_str()), (Some(message.as_str()), Some("critical")), "{fired}");
    let lines = watch.lines().join("\n");
    assert!(WRONG.iter().all(|wrong| !lines.contains(wrong)), "{lines}");

    // Its replica's broken link is what comes of it.
    let seed = Console::told_of(&[cluster.at(1)]);
    let look = seed.until("the replica's link counts", |look| !look.firing("replica.link_down").is_empty()).await;
    assert_eq!(look.firing("replica.link_down")[0]["caused_by"]["rule"], "node.announced", "{}", look.says());
    let checked = seed.run(&["check"]).await;
    assert!(checked.stdout.contains("node.announced") && checked.code == 2, "{}", checked.stdout);

    // It lives: nobody takes its place without overriding that.
    let forced = ["failover", &replica.to_string(), "--mode", "force", "--confirm", "prod"];
    let refused = seed.run(&forced).await;
    assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("--override node_is_healthy"), "{}", refused.stderr);
    assert_eq!(cluster.role(&master).await, "master");

    cluster.ok(&master, "CONFIG SET cluster-announce-ip 127.0.0.1").await;
    seed.until("all is well", |look| look.code == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_port_is_told_from_a_wrong_host() {
    let cluster = Cluster::start(3, 1).await;
    // Of the last shard: its letter does not hang on its address.
    let master = cluster.at(2);
    // Nobody listens there: the bus ports of others begin far above.
    let nowhere = 23_999;
    cluster.ok(&master, &format!("CONFIG SET cluster-announce-port {nowhere}")).await;
    told(&cluster, &[0, 2], &Address::new("127.0.0.1", nowhere), "cluster-announce-port 0").await;

    cluster.ok(&master, "CONFIG SET cluster-announce-port 0").await;
    cluster.ok(&master, &format!("CONFIG SET cluster-announce-bus-port {nowhere}")).await;
    let look = Console::told_of(&[cluster.at(0)])
        .until("its bus port is wrong", |look| {
            never_says(look, &WRONG);
            !look.firing("node.announced").is_empty() && look.message("node.announced").contains("bus port")
        })
        .await;
    assert_eq!((look.severity("node.announced"), look.served()), ("warning", 16384), "{}", look.says());
}

/// Writes about 10 MB a second to one master, over a few keys, until it is dropped.
struct Flood(tokio::task::JoinHandle<()>);

impl Flood {
    async fn on(cluster: &Cluster, master: &Address) -> Self {
        let slot = cluster.view(master).await.myself().unwrap().slots[0].start;
        let tag = (0..).map(|n| format!("t{n}")).find(|tag| rgc_tui::cluster::key_slot(tag.as_bytes()) == slot).unwrap();
        let master = master.clone();
        Self(tokio::spawn(async move {
            let value = "x".repeat(200 << 10);
            for n in (0..20).cycle() {
                let write = Command::new(["SET".to_owned(), format!("{n}:{{{tag}}}"), value.clone()]);
                // Whether it was taken is not what is asked here.
                let _ = rgc_tui::local::ask(&master, None, &write, Duration::from_secs(2)).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_full_copies_is_one_finding_with_its_two_settings() {
    let cluster = Cluster::start(3, 1).await;
    let (master, replica) = (cluster.at(0), cluster.at(3));
    let console = Console::of(&cluster);
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    let limit = Command::new(["CONFIG", "SET", "client-output-buffer-limit", "slave 65536 65536 0"]);
    assert!(cluster.call(&master, &limit).await.is_ok());
    cluster.ok(&master, "CONFIG SET repl-backlog-size 16384").await;
    let flood = Flood::on(&cluster, &master).await;
    cluster.fault(&replica, Fault::Freeze).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    cluster.fault(&replica, Fault::Thaw).await.unwrap();

    let found = watch.until("the loop is named", |line| line["rule"] == "replica.resync" && line["phase"] == "firing").await;
    let message = found["message"].as_str().unwrap();
    assert!(message.contains(&format!("gives everything to {replica} again and again: ")), "{message}");
    assert!(message.contains("full copies in") && message.contains("client-output-buffer-limit replica is 64 KB"), "{message}");
    assert!(message.contains("repl-backlog-size is 16 KB"), "{message}");
    assert_eq!(found["subject"], master.to_string());
    // A good while later it is still the same one, and nothing else leads.
    wait_within("it has gone on for long", Duration::from_secs(60), async || {
        cluster.info(&master, "sync_full").await.is_some_and(|count| count.parse::<u64>().unwrap() > 15)
    })
    .await;
    // Whoever looks for the first time has the servers' counters to go by.
    let look = Console::told_of(&[cluster.at(1)])
        .until("the loop is seen", |look| {
            never_says(look, &["masterauth", "wait for it", "--mode force"]);
            !look.firing("replica.resync").is_empty()
        })
        .await;
    assert!(look.remedy("replica.resync").contains("CONFIG SET client-output-buffer-limit"), "{}", look.says());
    // The broken link is what comes of it.
    let link = watch.until("the link counts", |line| line["rule"] == "replica.link_down" && line["phase"] == "firing").await;
    assert_eq!(link["caused_by"]["rule"], "replica.resync", "{link}");
    drop(flood);
    let lines = watch.lines().join("\n");
    let is_loop = |line: &&String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["rule"] == "replica.resync"
    };
    assert_eq!(watch.lines().iter().filter(is_loop).count(), 1, "{lines}");
    assert!(!lines.contains("masterauth") && !lines.contains("wait for it"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_with_both_sides_in_sight_is_one_diagnosis() {
    let cluster = Cluster::start(3, 1).await;
    let network = Network::between(&cluster).await;
    let place = |node: usize| network.places()[node].clone();
    let console = Console::told_of(&[place(0), place(2)]);
    console.until("all is well", |look| look.code == 0).await;
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    network.part(&[2]);

    let wrong = ["--mode", "start it again", "rgc-tui fix"];
    let sides = |message: &str| {
        let (first, rest) = message.strip_prefix("partition: {").unwrap().split_once("} | {").unwrap();
        let second = rest.split_once('}').unwrap().0;
        assert!([0, 1, 3, 4, 5].iter().all(|node| first.contains(&place(*node).to_string())), "{message}");
        assert_eq!(second, place(2).to_string());
    };
    let vain = format!("{} acknowledges writes in vain until its cluster_state turns fail", place(2));
    let fired = watch.until("the partition is told", |line| line["rule"] == "cluster.partition" && line["phase"] == "firing").await;
    sides(fired["message"].as_str().unwrap());
    assert!(fired["message"].as_str().unwrap().contains("the first has the majority"), "{fired}");
    // From every seed, with everything else beneath it.
    for seed in [0, 2, 4] {
        let console = Console::told_of(&[place(seed)]);
        let look = console
            .until("the partition leads", |look| {
                never_says(look, &wrong);
                !look.firing("cluster.partition").is_empty()
            })
            .await;
        sides(look.message("cluster.partition"));
        assert_eq!(look.code, 2, "{}", look.says());
        let roots: Vec<&str> = look.json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["caused_by"].is_null())
            .map(|finding| finding["rule"].as_str().unwrap())
            .collect();
        assert!(roots == ["cluster.partition"], "{roots:?}: {}", look.says());
        let line = console.verdict_line().await;
        assert!(line.contains("CRITICAL  partition: {"), "{line}");
    }
    // Repairs wait, also in a dry run.
    for args in [&["fix", "--dry-run", "--format", "json"][..], &["fix", "--yes", "--format", "json"]] {
        let refused = console.run(args).await;
        assert_eq!(refused.code, 3, "{}{}", refused.stdout, refused.stderr);
        assert!(refused.stdout.contains("\"partitioned\""), "{}", refused.stdout);
    }
    // The side of the majority elects its replica; the other one comes to refuse.
    wait_within("the majority has its own master", Duration::from_secs(60), async || {
        cluster.role(&cluster.at(5)).await == "master"
    })
    .await;
    let look = console
        .until("the smaller side has noticed", |look| {
            never_says(look, &wrong);
            look.message("cluster.partition").contains("has no majority and takes no writes")
        })
        .await;
    assert!(!look.message("cluster.partition").contains(&vain), "{}", look.says());
    assert_eq!(look.served(), 16384, "{}", look.says());

    network.heal();
    console.until("it has healed", |look| look.found("cluster.partition").is_empty()).await;
    wait_within("the old master follows", Duration::from_secs(60), async || cluster.role(&cluster.at(2)).await == "slave").await;
    watch.until("the watch has seen it healed", |line| line["rule"] == "cluster.partition" && line["phase"] == "resolved").await;
    // What is resolved is told as it was last seen.
    let standing = watch.lines().iter().filter(|line| !line.contains("\"phase\":\"resolved\""));
    let misleading: Vec<&String> = standing.filter(|line| wrong.iter().any(|wrong| line.contains(wrong))).collect();
    assert!(misleading.is_empty(), "{misleading:#?}");
    // Nothing but the partition has led since the first fault.
    let verdicts: Vec<&String> = watch.lines().iter().filter(|line| line.contains("\"kind\":\"verdict\"")).collect();
    assert!(verdicts[1].contains("partition: {"), "{verdicts:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_stalls_again_and_again_is_one_line() {
    // Nobody is to take over: the stalls are shorter than that.
    let cluster = Cluster::with(LocalSpec { node_timeout: Duration::from_secs(30), ..LocalSpec::default() }).await;
    let master = cluster.at(0);
    let console = Console::of(&cluster);
    let mut watch = console.watch();
    watch.until("a first verdict", |line| line["kind"] == "verdict" && line["verdict"] == "ok").await;
    // Long enough for a PING of each to be given up.
    for _ in 0..6 {
        cluster.fault(&master, Fault::Freeze).await.unwrap();
        tokio::time::sleep(Duration::from_millis(850)).await;
        cluster.fault(&master, Fault::Thaw).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1150)).await;
    }
    let stalled = watch.until("it stalls", |line| line["rule"] == "node.stalled" && line["phase"] == "firing").await;
    let message = stalled["message"].as_str().unwrap();
    assert!(message.starts_with("stalled ") && message.ends_with(" times in 10 s"), "{message}");
    assert_eq!(stalled["subject"], master.to_string());
    watch.until("it is over", |line| line["rule"] == "node.stalled" && line["phase"] == "resolved").await;
    let lines = watch.lines();
    let of = |rule: &str, phase: &str| {
        let is = |line: &&String| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["rule"] == rule && line["phase"] == phase
        };
        lines.iter().filter(is).count()
    };
    assert_eq!(of("node.stalled", "firing"), 1, "{lines:#?}");
    // Before it is known that it stalls, one silence may have been taken for a death; never one after the other.
    assert!(of("node.down", "firing") <= 1, "{lines:#?}");
    let changes = lines.iter().filter(|line| line.contains("\"kind\":\"change\"")).count();
    assert!(changes <= 2, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_counted_again_when_two_masters_have_died_and_come_back() {
    let spec = LocalSpec { args: vec!["--cluster-require-full-coverage".into(), "no".into()], ..LocalSpec::default() };
    let cluster = Cluster::with(spec).await;
    for (node, rooms) in [(0, 40), (1, 40), (2, 40)] {
        let master = cluster.at(node);
        let slots = cluster.view(&master).await.myself().unwrap().slots.clone();
        let codes = (0..).map(|n| format!("R{n}"));
        let here = codes.filter(|code| slots.iter().any(|range| range.contains(rgc_tui::cluster::key_slot(code.as_bytes()))));
        for code in here.take(rooms) {
            let state = Command::new(["HSET".to_owned(), format!("room:{{{code}}}:state"), "phase".into(), "playing".into()]);
            assert!(cluster.call(&master, &state).await.int().is_some());
            let players = Command::new(["ZADD".to_owned(), format!("room:{{{code}}}:players")]);
            let players = ["1", "ann", "2", "bob", "3", "cy"].into_iter().fold(players, |players, word| players.arg(word));
            assert_eq!(cluster.call(&master, &players).await.int(), Some(3));
        }
    }
    let mut desk = Watching::on(&cluster);
    desk.until("all rooms are counted", |rooms| rooms == (120, 360)).await;
    cluster.fault(&cluster.at(0), Fault::Kill).await.unwrap();
    cluster.fault(&cluster.at(1), Fault::Kill).await.unwrap();
    // No majority is left: somebody decides.
    wait_within("both are missed", Duration::from_secs(30), async || {
        cluster.view(&cluster.at(2)).await.members.iter().filter(|member| member.flags.suspected || member.flags.failed).count()
            == 2
    })
    .await;
    cluster.ok(&cluster.at(3), "CLUSTER FAILOVER TAKEOVER").await;
    wait_within("one has taken over", Duration::from_secs(30), async || cluster.role(&cluster.at(3)).await == "master").await;
    for node in [0, 1] {
        cluster.fault(&cluster.at(node), Fault::Restart).await.unwrap();
    }
    desk.until("all rooms are counted again", |rooms| rooms == (120, 360)).await;
    // And it stays so, for a scan and more.
    let end = tokio::time::Instant::now() + Duration::from_secs(3);
    desk.until("some time passes", |_| tokio::time::Instant::now() > end).await;
    assert_eq!(desk.rooms(), (120, 360));
}

/// A console's model over hours: it listens all the time.
struct Watching {
    session: Session,
    model: Model,
    _state: tempfile::TempDir,
}

impl Watching {
    fn on(cluster: &Cluster) -> Self {
        let state = tempfile::tempdir().unwrap();
        let watch =
            WatchSettings { seeds: vec![cluster.at(2)], rooms: Some("room:{CODE}:state".into()), ..WatchSettings::default() };
        let spec = ClusterSpec {
            name: "prod".into(),
            topology: rgc_tui::cluster::TopologyKind::Cluster,
            link: LinkSettings::default(),
            watch,
            journal_dir: state.path().to_path_buf(),
            memory_dir: None,
            lock: rgc_tui::exec::Lock::ReadOnly,
        };
        Self { session: Session::open(spec, Clock::start()), model: Model::new("prod"), _state: state }
    }

    fn rooms(&self) -> (u64, u64) {
        let total = self.model.rooms().total();
        (total.rooms, total.players)
    }

    async fn until(&mut self, what: &str, mut is_so: impl FnMut((u64, u64)) -> bool) {
        let end = tokio::time::Instant::now() + Duration::from_secs(90);
        while !is_so(self.rooms()) {
            let seen = tokio::time::timeout_at(end, self.session.next()).await;
            let seen = seen.unwrap_or_else(|_| panic!("{what}: {:?}", self.rooms())).unwrap();
            self.model.apply(&seen);
            self.model.settle(self.session.clock().now());
        }
    }
}
