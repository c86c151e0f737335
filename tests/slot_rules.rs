//! IO. What the model of the slot protocol (tests/protocol) takes for granted about servers, asked of real ones.
//!
//! Every rule is asked of Redis 7.0 and of the servers that `sh tests/servers.sh` has unpacked. What must be seen in one
//! moment is asked in one transaction, so that no message of another node comes in between.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails loudly and says on which server"
)]

mod common;

use std::time::Duration;

use common::{Cluster, server_bin, wait_until};
use rgc_tui::cluster::{Address, key_slot};
use rgc_tui::link::{Clock, Command, LinkSettings, Links, Reply};
use rgc_tui::local::{Fault, LocalSpec, ask};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
/// The replica of a, where there are replicas.
const A1: usize = 3;

const REDIS7: &str = "redis7";
const SERVERS: [&str; 4] = [REDIS7, "valkey8", "valkey9", "redis8"];
const WITHIN: Duration = Duration::from_secs(10);

struct Ground {
    server: &'static str,
    cluster: Cluster,
    ids: Vec<String>,
}

/// What one node says of itself.
struct Own {
    epoch: u64,
    slots: String,
    text: String,
}

impl Own {
    fn of(view: &str) -> Self {
        let text = view.lines().find(|line| line.contains("myself")).unwrap().to_owned();
        let words: Vec<&str> = text.split(' ').collect();
        Self { epoch: words[6].parse().unwrap(), slots: words[8..].join(" "), text }
    }

    fn owns(&self, slot: u16) -> bool {
        self.slots.split(' ').filter(|word| !word.starts_with('[')).any(|word| {
            let mut ends = word.split('-').filter_map(|end| end.parse::<u16>().ok());
            let first = ends.next();
            first.is_some_and(|first| (first..=ends.next().unwrap_or(first)).contains(&slot))
        })
    }
}

/// Runs one rule on every server that is there.
async fn on_every_server(replicas: u16, rule: impl AsyncFn(&Ground)) {
    for server in SERVERS {
        let program = (server != REDIS7).then(|| std::panic::catch_unwind(|| server_bin(server)).ok());
        let Some(program) = program.map_or(Some(None), |found| found.map(Some)) else {
            println!("{server} is not unpacked, and not asked");
            continue;
        };
        println!("{server}");
        let ground = Ground::new(server, program, replicas).await;
        rule(&ground).await;
    }
}

impl Ground {
    async fn new(server: &'static str, server_bin: Option<std::path::PathBuf>, replicas: u16) -> Self {
        let cluster = Cluster::with(LocalSpec { masters: 3, replicas, server_bin, ..LocalSpec::default() }).await;
        let mut ids = Vec::new();
        for address in cluster.addresses() {
            ids.push(cluster.text(&address, "CLUSTER MYID").await);
        }
        Self { server, cluster, ids }
    }

    fn is_valkey(&self) -> bool {
        self.server.starts_with("valkey")
    }

    fn at(&self, node: usize) -> Address {
        self.cluster.at(node)
    }

    /// `@a`, `@b`, `@c` are ids.
    fn fill(&self, words: &str) -> String {
        [("@a", A), ("@b", B), ("@c", C)].iter().fold(words.to_owned(), |words, (name, node)| words.replace(name, &self.ids[*node]))
    }

    async fn ask(&self, node: usize, words: &str) -> Reply {
        let address = self.at(node);
        let reply = ask(&address, None, &Command::words(&self.fill(words)), WITHIN).await;
        reply.unwrap_or_else(|error| panic!("{}: {words}: {error}", self.server))
    }

    async fn ok(&self, node: usize, words: &str) {
        let reply = self.ask(node, words).await;
        assert!(reply.is_ok(), "{}: {words}: {reply:?}", self.server);
    }

    /// All in one transaction; none may be refused.
    async fn at_once(&self, node: usize, lines: &[&str]) -> Vec<Reply> {
        let mut talk = rgc_tui::local::Talk::open(&self.at(node), None).await.unwrap();
        assert!(talk.call(&Command::words("MULTI")).await.unwrap().is_ok());
        for line in lines {
            let reply = talk.call(&Command::words(&self.fill(line))).await.unwrap();
            assert_eq!(reply.text().as_deref(), Some("QUEUED"), "{}: {line}: {reply:?}", self.server);
        }
        let reply = talk.call(&Command::words("EXEC")).await.unwrap();
        let replies = reply.array().unwrap_or_else(|| panic!("{}: {reply:?}", self.server)).to_vec();
        for (line, reply) in lines.iter().zip(&replies) {
            assert!(!matches!(reply, Reply::Error(_)), "{}: {line}: {reply:?}", self.server);
        }
        replies
    }

    async fn own(&self, node: usize) -> Own {
        Own::of(&self.cluster.text(&self.at(node), "CLUSTER NODES").await)
    }

    /// Whom a node takes for the owner, and the epoch it knows of it.
    async fn lists(&self, node: usize, slot: u16) -> Option<(usize, u64)> {
        let view = self.cluster.view(&self.at(node)).await;
        let member = view.members.iter().find(|member| member.slots.iter().any(|range| range.contains(slot)))?;
        let owner = self.ids.iter().position(|id| *id == member.id.to_string())?;
        Some((owner, member.epoch))
    }

    async fn until(&self, what: &str, condition: impl AsyncFnMut() -> bool) {
        wait_until(&format!("{}: {what}", self.server), condition).await;
    }

    async fn everybody_lists(&self, slot: u16, owner: usize) {
        for node in 0..self.ids.len() {
            let what = format!("node {node} lists slot {slot} for node {owner}");
            self.until(&what, async || self.lists(node, slot).await.is_some_and(|(listed, _)| listed == owner)).await;
        }
    }

    /// The node has the highest epoch of all, and everybody has heard it.
    async fn raise(&self, node: usize) -> u64 {
        self.ask(node, "CLUSTER BUMPEPOCH").await;
        let epoch = self.own(node).await.epoch;
        for other in 0..self.ids.len() {
            let what = format!("node {other} knows epoch {epoch} of node {node}");
            self.until(&what, async || {
                let view = self.cluster.view(&self.at(other)).await;
                let highest = view.members.iter().map(|member| member.epoch).max();
                highest == Some(epoch) && view.members.iter().any(|m| m.epoch == epoch && m.id.to_string() == self.ids[node])
            })
            .await;
        }
        epoch
    }

    async fn keys(&self, node: usize, slot: u16) -> i64 {
        match self.ask(node, &format!("CLUSTER COUNTKEYSINSLOT {slot}")).await {
            Reply::Int(count) => count,
            other => panic!("{}: {other:?}", self.server),
        }
    }

    /// Puts a key on a node that does not own its slot, and leaves the slot importing there.
    async fn put_astray(&self, node: usize, key: &str, from: &str) {
        self.ok(node, &format!("CLUSTER SETSLOT {} IMPORTING {from}", key_slot(key.as_bytes()))).await;
        let mut talk = rgc_tui::local::Talk::open(&self.at(node), None).await.unwrap();
        assert!(talk.call(&Command::words("ASKING")).await.unwrap().is_ok());
        assert!(talk.call(&Command::words(&format!("SET {key} x"))).await.unwrap().is_ok());
    }

    async fn migrate(&self, from: usize, port: u16, key: &str) -> Reply {
        let words = ["MIGRATE", "127.0.0.1", &port.to_string(), key, "0", "5000"].map(str::to_owned).join(" ");
        self.ask(from, &words).await
    }
}

/// The n-th key of a slot range that a owns from the start.
fn key_of_a(nth: usize) -> String {
    (0..).map(|n| format!("k{n}")).filter(|key| key_slot(key.as_bytes()) < 5000).nth(nth).unwrap()
}

fn said(reply: &Reply) -> Own {
    Own::of(&reply.text().unwrap())
}

/// Pongs that a reply of CLUSTER INFO counts beyond those that answer: what a node tells everybody is one to each.
fn told(reply: &Reply) -> i64 {
    let text = reply.text().unwrap();
    let count = |name: &str| {
        let count =
            text.lines().find_map(|line| line.strip_prefix("cluster_stats_messages_")?.strip_prefix(name)?.strip_prefix(':'));
        count.map_or(0, |count| count.trim().parse().unwrap())
    };
    count("pong_sent") - count("ping_received") - count("meet_received")
}

const LOOK: [&str; 2] = ["CLUSTER NODES", "CLUSTER INFO"];

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_an_importing_node_raises_its_epoch_unless_it_is_the_highest_and_is_told_to_everybody() {
    on_every_server(0, async |ground| {
        let server = ground.server;
        let highest = ground.raise(A).await;
        for (slot, raises) in [(100, true), (101, false)] {
            let [importing, claim] = [format!("CLUSTER SETSLOT {slot} IMPORTING @a"), format!("CLUSTER SETSLOT {slot} NODE @b")];
            let replies = ground.at_once(B, &[LOOK[0], LOOK[1], &importing, &claim, LOOK[0]]).await;
            let (before, after) = (said(&replies[0]), said(&replies[4]));
            assert!(after.owns(slot) && !after.text.contains(&format!("[{slot}-<-")), "{server}: {}", after.text);
            assert_eq!(after.epoch > before.epoch, raises, "{server}: {} -> {}", before.epoch, after.epoch);
            assert!(after.epoch > highest, "{server}: {} is not above {highest}", after.epoch);
            let before = told(&replies[1]);
            let all = async || told(&ground.ask(B, LOOK[1]).await) - before == 2;
            ground.until("the claim is told to both others, unasked", all).await;
            ground.everybody_lists(slot, B).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_importing_has_no_new_epoch_and_holds_only_in_its_own_view() {
    on_every_server(0, async |ground| {
        let server = ground.server;
        let highest = ground.raise(A).await;
        let key = key_of_a(0);
        let slot = key_slot(key.as_bytes());
        ground.ok(A, &format!("SET {key} right")).await;
        ground.put_astray(B, &key, "@a").await;
        let [stable, claim] = [format!("CLUSTER SETSLOT {slot} STABLE"), format!("CLUSTER SETSLOT {slot} NODE @b")];
        let replies = ground.at_once(B, &[LOOK[0], LOOK[1], &stable, &claim, LOOK[0]]).await;
        let (before, after) = (said(&replies[0]), said(&replies[4]));
        assert!(after.owns(slot), "{server}: {}", after.text);
        assert_eq!(after.epoch, before.epoch, "{server}");
        // The owner has the higher epoch: the claim is gone as soon as its next message comes, and the keys with it.
        ground.everybody_lists(slot, A).await;
        ground.until("what the other had is deleted", async || ground.keys(B, slot).await == 0).await;
        assert_eq!(told(&ground.ask(B, LOOK[1]).await), told(&replies[1]), "{server}: nobody was told");
        assert_eq!(ground.own(A).await.epoch, highest, "{server}");
        assert_eq!(ground.ask(A, &format!("GET {key}")).await.text().as_deref(), Some("right"), "{server}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mark_takes_the_place_of_the_first_without_a_word() {
    on_every_server(0, async |ground| {
        let server = ground.server;
        for (at, slot, mark, arrow) in [(A, 100, "MIGRATING", "->-"), (C, 101, "IMPORTING", "-<-")] {
            let (first, second) = if at == A { ("@b", "@c") } else { ("@a", "@b") };
            ground.ok(at, &format!("CLUSTER SETSLOT {slot} {mark} {first}")).await;
            ground.ok(at, &format!("CLUSTER SETSLOT {slot} {mark} {second}")).await;
            let own = ground.own(at).await.text;
            assert!(own.contains(&format!("[{slot}{arrow}{}]", ground.fill(second))), "{server}: {own}");
            assert!(!own.contains(&format!("[{slot}{arrow}{}]", ground.fill(first))), "{server}: {own}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_hears_of_another_owner_with_a_higher_epoch_deletes_its_keys() {
    on_every_server(0, async |ground| {
        let key = key_of_a(1);
        let slot = key_slot(key.as_bytes());
        ground.ok(A, &format!("SET {key} x")).await;
        ground.raise(A).await;
        let [importing, claim] = [format!("CLUSTER SETSLOT {slot} IMPORTING @a"), format!("CLUSTER SETSLOT {slot} NODE @b")];
        ground.at_once(B, &[&importing, &claim]).await;
        ground.everybody_lists(slot, B).await;
        ground.until("the former owner has deleted its keys", async || ground.keys(A, slot).await == 0).await;
        assert_eq!(ground.keys(B, slot).await, 0, "{}: nobody has them", ground.server);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_claims_what_it_has_heard_its_master_own() {
    on_every_server(1, async |ground| {
        let server = ground.server;
        // What the master has given up without another owner is still its own in the eyes of the replica.
        let (given_up, unheard) = (100, 101);
        ground.ok(A, &format!("CLUSTER DELSLOTS {given_up}")).await;
        assert!(!ground.own(A).await.owns(given_up), "{server}");
        // And what the replica has not heard of, it does not claim, though its master owns it.
        let forget = format!("CLUSTER DELSLOTS {unheard}");
        let replies = ground.at_once(A1, &[&forget, "CLUSTER FAILOVER TAKEOVER", "CLUSTER NODES"]).await;
        let promoted = said(&replies[2]);
        assert!(promoted.text.contains("master"), "{server}: {}", promoted.text);
        assert!(promoted.owns(99) && promoted.owns(given_up), "{server}: {}", promoted.text);
        assert!(!promoted.owns(unheard), "{server}: {}", promoted.text);
        ground.everybody_lists(given_up, A1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_go_to_replicas_on_valkey_only_and_stay_there_when_one_is_promoted() {
    on_every_server(1, async |ground| {
        let server = ground.server;
        let marks = [format!("[100->-{}]", ground.ids[B]), format!("[6000-<-{}]", ground.ids[B])];
        let replicated = async || {
            let own = ground.own(A1).await.text;
            marks.iter().filter(|mark| own.contains(*mark)).count()
        };
        ground.ok(A, "CLUSTER SETSLOT 100 MIGRATING @b").await;
        ground.ok(A, "CLUSTER SETSLOT 6000 IMPORTING @b").await;
        // A write behind them that has come to the replica: so has everything before it.
        let mut talk = rgc_tui::local::Talk::open(&ground.at(A), None).await.unwrap();
        assert!(talk.call(&Command::words(&format!("SET {} x", key_of_a(0)))).await.unwrap().is_ok());
        assert_eq!(talk.call(&Command::words("WAIT 1 10000")).await.unwrap(), Reply::Int(1), "{server}");
        let expected = if ground.is_valkey() { 2 } else { 0 };
        assert_eq!(replicated().await, expected, "{server}: {}", ground.own(A1).await.text);
        let replies = ground.at_once(A1, &["CLUSTER FAILOVER TAKEOVER", "CLUSTER NODES"]).await;
        let promoted = said(&replies[1]).text;
        assert_eq!(marks.iter().filter(|mark| promoted.contains(*mark)).count(), expected, "{server}: {promoted}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_imports_from_itself_lets_keys_out_and_valkey_9_refuses_that_mark() {
    on_every_server(0, async |ground| {
        let server = ground.server;
        let key = key_of_a(2);
        let slot = key_slot(key.as_bytes());
        ground.put_astray(B, &key, "@a").await;
        ground.ok(B, &format!("CLUSTER SETSLOT {slot} STABLE")).await;
        let port = ground.at(A).port;
        let refused = ground.migrate(B, port, &key).await;
        assert!(matches!(&refused, Reply::Error(error) if error.code == "MOVED"), "{server}: {refused:?}");
        let itself = ground.ask(B, &format!("CLUSTER SETSLOT {slot} IMPORTING @b")).await;
        // Valkey 9 wants another node there: on it a stray is marked as importing from the owner.
        if server == "valkey9" {
            let refused = matches!(&itself, Reply::Error(error) if error.detail == "Target node is myself");
            assert!(refused, "{server}: {itself:?}");
            ground.ok(B, &format!("CLUSTER SETSLOT {slot} IMPORTING @a")).await;
        } else {
            assert!(itself.is_ok(), "{server}: {itself:?}");
            let own = ground.own(B).await.text;
            assert!(own.contains(&format!("[{slot}-<-{}]", ground.ids[B])), "{server}: {own}");
        }
        assert!(ground.migrate(B, port, &key).await.is_ok(), "{server}");
        assert_eq!((ground.keys(A, slot).await, ground.keys(B, slot).await), (1, 0), "{server}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_there_is_not_migrated_and_nobody_is_called() {
    on_every_server(0, async |ground| {
        let server = ground.server;
        let key = key_of_a(3);
        // Nobody listens here: a listener that is closed again leaves its port free.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let absent = ground.migrate(A, port, &key).await;
        assert_eq!(absent.text().as_deref(), Some("NOKEY"), "{server}: {absent:?}");
        ground.ok(A, &format!("SET {key} x")).await;
        let present = ground.migrate(A, port, &key).await;
        assert!(matches!(&present, Reply::Error(error) if error.code == "IOERR"), "{server}: {present:?}");
    })
    .await;
}

/// What is published on a node goes to another by the connection by which it says everything else unasked, in order.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_heard_what_a_node_publishes_has_heard_its_claims_before() {
    on_every_server(0, async |ground| {
        let links = Links::new(LinkSettings::default(), Clock::start());
        let mut ears = Vec::new();
        for node in [A, C] {
            ears.push((node, links.listen(&ground.at(node), "rgc-tui:heard:test").await.unwrap()));
        }
        for slot in 200..260 {
            ground.ok(B, &format!("CLUSTER SETSLOT {slot} IMPORTING @a")).await;
            ground.ok(B, &format!("CLUSTER SETSLOT {slot} NODE @b")).await;
            let word = format!("word-{slot}");
            ground.ask(B, &format!("PUBLISH rgc-tui:heard:test {word}")).await;
            for (node, ear) in &mut ears {
                ear.hear(std::slice::from_ref(&word)).await.unwrap();
                let listed = ground.lists(*node, slot).await.map(|(owner, _)| owner);
                assert_eq!(listed, Some(B), "{}: slot {slot} as node {node} lists it", ground.server);
            }
        }
    })
    .await;
}

/// And what it answers goes by the connection of who asks, who has one question out at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_awaits_an_answer_until_it_has_it() {
    on_every_server(0, async |ground| {
        let member = async |node: usize, of: usize| {
            let view = ground.cluster.view(&ground.at(node)).await;
            view.members.into_iter().find(|member| member.id.to_string() == ground.ids[of]).unwrap()
        };
        let before = member(A, B).await;
        ground.cluster.fault(&ground.at(B), Fault::Freeze).await.unwrap();
        ground.until("a awaits b's answer", async || member(A, B).await.ping_sent_ms > 0).await;
        let awaited = member(A, B).await;
        assert!(awaited.pong_received_ms >= before.pong_received_ms, "{}", ground.server);
        ground.cluster.fault(&ground.at(B), Fault::Thaw).await.unwrap();
        ground.until("a has b's answer", async || member(A, B).await.ping_sent_ms == 0).await;
        assert!(member(A, B).await.pong_received_ms > awaited.pong_received_ms, "{}", ground.server);
    })
    .await;
}
