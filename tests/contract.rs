//! IO. The same questions to the simulated cluster and to real servers, and the same answers: the simulator may not drift into fiction.
//!
//! A check is a script of questions. It runs twice, on real redis-server processes with the real clock and on the simulator
//! with the paused one; both transcripts, with names in place of addresses and ids, must be equal line by line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod common;
mod sim;

#[path = "contract/channels.rs"]
mod channels;
#[path = "contract/ground.rs"]
mod ground;
#[path = "contract/valkey.rs"]
mod valkey;

use ground::{NAMES, both};

// {b} is slot 3300 (a's), {foo} is 12182 (c's).

#[test]
fn replies_and_errors_have_the_same_words() {
    both(
        async |on| {
            for line in [
                "PING",
                "PING hi",
                "ECHO x",
                "FOO bar baz",
                "GET",
                "CLUSTER",
                "CLUSTER FOO",
                "CLUSTER NODES x",
                "CLIENT SETINFO lib-name x",
                "CLIENT FOO",
                "CLIENT SETNAME x",
                "CLIENT GETNAME",
                "CLIENT SETNAME x y",
                "CONFIG FOO",
                "CONFIG GET cluster-node-timeout",
                "CONFIG GET nothing",
                "MEMORY FOO",
                "HELLO 9",
                "SELECT 0",
                "SELECT 1",
                "AUTH x",
                "AUTH x y",
                "AUTH default x",
                "AUTH",
                "AUTH a b c",
                "READONLY",
                "READWRITE",
                "ASKING",
                "RESET",
                "WAIT 1 100",
                "DBSIZE",
                "CLUSTER KEYSLOT foo",
                "CLUSTER KEYSLOT",
                "CLUSTER COUNTKEYSINSLOT 99999",
                "CLUSTER COUNTKEYSINSLOT 1",
                "CLUSTER GETKEYSINSLOT 1 -1",
                "CLUSTER GETKEYSINSLOT 1 10",
                "CLUSTER FAILOVER",
                "CLUSTER FAILOVER foo",
                "CLUSTER FAILOVER FORCE TAKEOVER",
                "CLUSTER SETSLOT 1 MIGRATING xx",
                "CLUSTER SETSLOT 16000 MIGRATING @b",
                "CLUSTER SETSLOT 1 MIGRATING @b1",
                "CLUSTER SETSLOT 1 IMPORTING @b",
                "CLUSTER SETSLOT 16000 IMPORTING xx",
                "CLUSTER SETSLOT 16000 NODE xx",
                "CLUSTER SETSLOT 16000 NODE @c1",
                "CLUSTER SETSLOT 99999 STABLE",
                "CLUSTER SETSLOT 1",
                "CLUSTER SETSLOT 1 FOO",
                "CLUSTER SETSLOT 1 STABLE x",
                "CLUSTER FORGET xx",
                "CLUSTER FORGET @a",
                "CLUSTER REPLICATE xx",
                "CLUSTER REPLICATE @a",
                "CLUSTER REPLICATE @b",
                "CLUSTER REPLICATE @b1",
                "CLUSTER MEET foo 1",
                "CLUSTER ADDSLOTS 1",
                "CLUSTER ADDSLOTS 99999",
                "CLUSTER ADDSLOTSRANGE 3 2",
                "CLUSTER ADDSLOTSRANGE 3 2 4",
                "CLUSTER REPLICAS xx",
                "CLUSTER REPLICAS @b1",
                "CLUSTER COUNT-FAILURE-REPORTS xx",
                "CLUSTER COUNT-FAILURE-REPORTS @b",
                "SET {b}1 x",
                "SET {b}1 x FOO",
                "GET {b}1",
                "GET {b}2",
                "TYPE {b}1",
                "TYPE {b}2",
                "PTTL {b}1",
                "PTTL {b}2",
                "HGETALL {b}1",
                "HSET {b}h one 1 two 2",
                "HSET {b}h one",
                "HGETALL {b}h",
                "HMGET {b}h one three",
                "HGET {b}h two",
                "HLEN {b}h",
                "GET {b}h",
                "EXISTS {b}1 {b}h {b}2",
                "MGET {b}1 {b}2",
                "MGET {b}1 foo",
                "GET foo",
                "SET foo 1",
                "MEMORY USAGE {b}2",
                "CLUSTER COUNTKEYSINSLOT 3300",
                "SCAN x",
                "SCAN 0 FOO",
                "SCAN 0 COUNT 0",
                "SCAN 0 MATCH {b}h* COUNT 100",
                "SCAN 0 COUNT 100 TYPE string",
                "DEL {b}1 {b}h {b}2",
                "DBSIZE",
                "MIGRATE @b:host @b:port nokey{b} 0 100",
                "RESTORE",
                "INCR {b}n",
                "SADD {b}s 1 2 1",
                "SCARD {b}s",
                "RPUSH {b}l 1 1",
                "LLEN {b}l",
                "HINCRBY {b}c n 2",
                "EXPIRE {b}n 100",
                "TTL {b}n",
                "UNLINK {b}n {b}s {b}l {b}c",
            ] {
                // RESTORE is not simulated: MIGRATE speaks to its target by itself.
                if line != "RESTORE" {
                    on.ask("a", line).await;
                }
            }
            for line in ["GET {b}1", "SET {b}1 x", "CLUSTER SETSLOT 1 STABLE", "CLUSTER FORGET @a", "READONLY", "GET {b}1"] {
                on.ask("a1", line).await;
            }
        },
        None,
    );
}

#[test]
fn a_password_is_asked_for_in_the_same_words() {
    both(
        async |on| {
            on.links.clear();
            for line in [
                "PING",
                "INFO",
                "HELLO",
                "AUTH wrong",
                "AUTH default wrong",
                "AUTH other x",
                "CLUSTER NODES",
                "AUTH secret",
                "PING",
            ] {
                on.ask("a", line).await;
            }
        },
        Some("secret"),
    );
}

#[test]
fn the_cluster_is_described_in_the_same_shapes() {
    both(
        async |on| {
            for (name, line) in [("a", "SET {b}1 x"), ("b", "SET foo{} x"), ("c", "SET foo x")] {
                on.ask(name, line).await;
            }
            // Replicas are left out of CLUSTER SLOTS until their offset is known to be above 0.
            on.until_everybody("hears of offsets", "CLUSTER SLOTS", |said| said.matches("\"host\"").count() == 6).await;
            for name in NAMES {
                on.note_view(name).await;
            }
            on.ask("a", "CLUSTER SLOTS").await;
            // Field names and their order; what is counted is another matter.
            let info = on.quietly("a", "CLUSTER INFO").await.text().unwrap();
            let fields: Vec<_> = info.lines().filter(|line| !line.contains("_stats_messages_")).map(String::from).collect();
            on.transcript.push(fields.join("\n"));
            for line in ["INFO", "INFO everything", "INFO replication", "INFO server keyspace"] {
                for name in ["a", "a1"] {
                    let text = on.quietly(name, line).await.text().unwrap();
                    // Commands that were called and errors that were made are the servers' own history.
                    let own = ["cmdstat_", "latency_percentiles_", "errorstat_", "master_sync_"];
                    let keys: Vec<_> = text
                        .lines()
                        .map(|line| line.split(':').next().unwrap().to_string())
                        .filter(|key| !own.iter().any(|start| key.starts_with(start)))
                        .collect();
                    on.transcript.push(format!("{name}> {line}\n{}", keys.join("\n")));
                }
            }
            let shards = on.quietly("b", "CLUSTER SHARDS").await;
            let mut shapes: Vec<String> = shards.items().iter().map(|shard| on.named(&shard.show())).collect();
            for shape in &mut shapes {
                while let Some(at) = shape.find("\"replication-offset\", :") {
                    let rest = shape[at + 23..].trim_start_matches(|c: char| c.is_ascii_digit()).to_string();
                    shape.truncate(at);
                    shape.push_str(&rest);
                }
            }
            shapes.sort();
            on.transcript.extend(shapes);
        },
        None,
    );
}

#[test]
fn a_slot_moves_key_by_key_and_everybody_hears_of_it() {
    both(
        async |on| {
            for key in 1..=5 {
                on.ask("a", &format!("SET {{b}}{key} {key}")).await;
            }
            // One side open: ASK and TRYAGAIN on the source, MOVED on a target that is not ready.
            on.ask("a", "CLUSTER SETSLOT 3300 MIGRATING @b").await;
            for line in ["GET {b}1", "GET {b}new", "SET {b}new x", "MGET {b}1 {b}2", "MGET {b}1 {b}new", "MGET {b}new {b}newer"] {
                on.ask("a", line).await;
            }
            on.ask("a", "MIGRATE @b:host @b:port {b}1 0 1000").await;
            on.ask("a", "CLUSTER SETSLOT 3300 NODE @b").await;
            on.note_view("a").await;
            // Both sides open.
            on.ask("b", "CLUSTER SETSLOT 3300 IMPORTING @a").await;
            on.note_view("b").await;
            for line in ["GET {b}1", "ASKING", "GET {b}1", "GET {b}1", "ASKING", "SET {b}twin there"] {
                on.ask("b", line).await;
            }
            on.ask("a", "MIGRATE @b:host @b:port {b}1 0 1000").await;
            on.ask("a", "MIGRATE @b:host @b:port {b}1 0 1000").await;
            on.ask("a", "MIGRATE @b:host @b:port \"\" 0 1000 KEYS {b}2 {b}3 {b}none").await;
            on.ask("a", "GET {b}2").await;
            on.ask("b", "CLUSTER COUNTKEYSINSLOT 3300").await;
            on.ask("a", "CLUSTER COUNTKEYSINSLOT 3300").await;
            for line in ["MGET {b}1 {b}4", "ASKING", "MGET {b}1 {b}4", "ASKING", "MGET {b}1 {b}2"] {
                on.ask("b", line).await;
            }
            // Options and errors of MIGRATE.
            for line in [
                "MIGRATE @b:host @b:port {b}4 0 1000 COPY",
                "MIGRATE @b:host @b:port {b}4 0 1000",
                "MIGRATE @b:host @b:port {b}4 0 1000 REPLACE",
                "MIGRATE @b:host @b:port {b}5 1 1000",
                "MIGRATE @b:host @b:port {b}5 0 x",
                "MIGRATE @b:host @b:port {b}5 0 1000 FOO",
                "MIGRATE @b:host @b:port {b}5 0 1000 KEYS {b}5",
                "MIGRATE @b:host @b:port {b}5 0 1000 AUTH x",
                "MIGRATE @c:host @c:port {b}5 0 1000",
                "MIGRATE @b:host 1 {b}5 0 1000",
                "MIGRATE @b:host @b:port \"\" 0 1000 KEYS {b}5",
                "CLUSTER GETKEYSINSLOT 3300 10",
            ] {
                on.ask("a", line).await;
            }
            // Nothing may be left: a source that hears of its loss before it is told deletes what it still has.
            on.ask("a", "MIGRATE @b:host @b:port {b}5 0 1000 REPLACE").await;
            on.ask("a", "CLUSTER COUNTKEYSINSLOT 3300").await;
            // The target first: its epoch rises and everybody follows.
            on.ask("b", "CLUSTER SETSLOT 3300 NODE @b").await;
            on.ask("a", "CLUSTER SETSLOT 3300 NODE @b").await;
            on.until_everybody("knows the new owner", "CLUSTER SLOTS", |said| said.contains("[:3300, :3300, [\"host\", :b:port"))
                .await;
            for name in NAMES {
                on.note_view(name).await;
            }
            for line in ["GET {b}1", "CLUSTER INFO"] {
                let said = on.quietly("a", line).await.show();
                let facts: Vec<&str> =
                    said.split("\\r\\n").filter(|line| !line.contains("_stats_") && !line.contains("links_buffer")).collect();
                let facts = on.named(&facts.join("\n"));
                on.transcript.push(facts);
            }
            on.ask("b", "CLUSTER COUNTKEYSINSLOT 3300").await;
        },
        None,
    );
}

#[test]
fn setslot_without_importing_is_taken_back_and_deletes() {
    both(
        async |on| {
            on.ask("c", "SET foo x").await;
            // A node that claims a slot with a low epoch loses it again, and its keys of it.
            on.ask("a", "CLUSTER SETSLOT 12182 NODE @a").await;
            on.ask("a", "SET foo mine").await;
            on.until("the claim is taken back", "a", "GET foo", |said| said.starts_with("-MOVED 12182 c")).await;
            on.ask("a", "CLUSTER COUNTKEYSINSLOT 12182").await;
            on.ask("c", "GET foo").await;
        },
        None,
    );
}

#[test]
fn a_master_that_gives_its_last_slot_away_follows_the_target() {
    both(
        async |on| {
            on.ask("c", "CLUSTER DELSLOTSRANGE 10923 16383").await;
            on.ask("c", "GET foo").await;
            on.ask("b", "CLUSTER SETSLOT 10922 IMPORTING @c").await;
            on.ask("c", "CLUSTER SETSLOT 10922 MIGRATING @b").await;
            on.ask("b", "CLUSTER SETSLOT 10922 NODE @b").await;
            on.until("follows b", "c", "ROLE", |said| said.contains("\"slave\", \"host\", :b:port, \"connected\"")).await;
            on.ask("c", "CLUSTER SETSLOT 10922 NODE @b").await;
            // Its replica is a replica's replica now: 7.0 leaves it so.
            on.until("stays with c", "c1", "ROLE", |said| said.contains("\"slave\", \"host\", :c:port, \"connected\"")).await;
        },
        None,
    );
}

#[test]
fn a_manual_failover_changes_the_roles_everywhere() {
    both(
        async |on| {
            on.ask("a", "SET {b}1 x").await;
            on.until("has the write", "a1", "ROLE", |said| !said.contains(":0]")).await;
            on.ask("a1", "CLUSTER FAILOVER").await;
            on.until("is master", "a1", "ROLE", |said| said.starts_with("[\"master\"")).await;
            on.until("follows", "a", "ROLE", |said| said.contains(":a1:port, \"connected\"")).await;
            on.until_everybody("knows the new master", "CLUSTER NODES", |said| {
                said.contains("slave a1 ") && said.contains("4 connected 0-5460")
            })
            .await;
            for name in NAMES {
                on.note_view(name).await;
            }
            for line in ["GET {b}1", "SET {b}2 x", "CLUSTER FAILOVER"] {
                on.ask("a1", line).await;
                on.ask("b", line).await;
            }
            on.ask("a", "SET {b}2 x").await;
            // And straight back, with force: voters do not vote twice in so short a time.
            on.ask("a", "CLUSTER FAILOVER TAKEOVER").await;
            on.until_everybody("knows the old master again", "CLUSTER NODES", |said| {
                said.contains("slave a ") && said.contains("5 connected 0-5460")
            })
            .await;
            on.note_view("c1").await;
        },
        None,
    );
}

#[test]
fn a_crashed_master_is_followed_by_its_replica_and_comes_back_as_one() {
    both(
        async |on| {
            on.ask("b", "SET foo{} x").await;
            on.until("has the write", "b1", "ROLE", |said| !said.contains(":0]")).await;
            on.crash("b").await;
            let doubted = |said: &str| said.contains("b b@b:port master,fail");
            on.until("doubts b", "a", "CLUSTER NODES", |said| said.contains("master,fail")).await;
            on.until("knows that b failed", "a", "CLUSTER NODES", |said| said.contains("master,fail ") || doubted(said)).await;
            on.until("refuses work meanwhile, or has a new master already", "a", "CLUSTER INFO", |said| {
                said.contains("cluster_state")
            })
            .await;
            on.until("is master", "b1", "ROLE", |said| said.starts_with("[\"master\"")).await;
            for name in ["a", "c", "a1", "b1", "c1"] {
                on.until("serves all slots again", name, "CLUSTER INFO", |said| {
                    said.contains("cluster_state:ok")
                        && said.contains("cluster_slots_ok:16384")
                        && said.contains("cluster_slots_fail:0")
                })
                .await;
                on.note_view(name).await;
            }
            on.ask("b1", "GET foo{}").await;
            on.restart("b").await;
            on.until("follows b1", "b", "ROLE", |said| said.contains(":b1:port, \"connected\"")).await;
            on.until_everybody("sees b well", "CLUSTER NODES", |said| {
                said.contains("slave b1 ") && !said.contains("fail") && !said.contains("disconnected")
            })
            .await;
            on.ask("b", "READONLY").await;
            on.ask("b", "GET foo{}").await;
            for name in NAMES {
                on.note_view(name).await;
            }
        },
        None,
    );
}

#[test]
fn a_hung_master_is_replaced_and_steps_down_when_it_wakes() {
    both(
        async |on| {
            on.hang("c", true).await;
            on.until("is master", "c1", "ROLE", |said| said.starts_with("[\"master\"")).await;
            on.hang("c", false).await;
            on.until("follows c1", "c", "ROLE", |said| said.contains(":c1:port, \"connected\"")).await;
            on.until_everybody("sees c well", "CLUSTER NODES", |said| {
                said.contains("slave c1 ") && !said.contains("fail") && !said.contains("disconnected")
            })
            .await;
            for name in NAMES {
                on.note_view(name).await;
            }
        },
        None,
    );
}

#[test]
fn without_a_majority_nobody_is_failed_and_nobody_elected() {
    both(
        async |on| {
            on.crash("b").await;
            on.crash("c").await;
            for name in ["a", "a1", "b1", "c1"] {
                on.until("is down", name, "CLUSTER INFO", |said| said.contains("cluster_state:fail")).await;
            }
            on.until("doubts both", "a", "CLUSTER NODES", |said| said.matches("master,fail? ").count() == 2).await;
            on.ask("a", "GET {b}1").await;
            on.ask("b1", "CLUSTER FAILOVER").await;
            on.ask("b1", "CLUSTER FAILOVER FORCE").await;
            on.until("keeps its role", "b1", "ROLE", |said| said.contains("\"slave\"")).await;
            on.ask("b1", "CLUSTER FAILOVER TAKEOVER").await;
            // With two of three voters there, the third shard's replica is elected.
            on.until("is master", "c1", "ROLE", |said| said.starts_with("[\"master\"")).await;
            on.until("is up again", "a", "CLUSTER INFO", |said| said.contains("cluster_state:ok")).await;
        },
        None,
    );
}
