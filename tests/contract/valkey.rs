//! IO. What Valkey does otherwise: marks that go to replicas, several databases, slots that servers move by themselves.

use crate::ground::{Ground, NAMES, on_kind};
use crate::sim::Kind;

/// Everybody lists b as the owner of slot 3300.
async fn until_b_has_it(on: &mut Ground) {
    on.until_everybody("knows the new owner", "CLUSTER SLOTS", |said| said.contains("[:3300, :3300, [\"host\", :b:port")).await;
}

#[test]
fn a_master_waits_for_a_replica_that_is_stopped_and_does_nothing() {
    on_kind(
        Kind::Valkey8,
        async |on| {
            on.hang("a1", true).await;
            on.ask("a", "CLUSTER SETSLOT 3302 MIGRATING @b").await;
            let view = on.view("a").await;
            on.transcript.push(format!("3302 is open: {}", view.contains("[3302->-")));
            on.hang("a1", false).await;
            on.until("has a mark that its master has not", "a1", "CLUSTER NODES", |said| said.contains("[3302->-b]")).await;
            on.ask("a", "CLUSTER SETSLOT 3302 STABLE").await;
            on.until("has lost it", "a1", "CLUSTER NODES", |said| !said.contains("[3302->-b]")).await;
        },
        None,
    );
}

fn marks_go_to_replicas(kind: Kind) {
    on_kind(
        kind,
        async |on| {
            for line in [
                "CLUSTER SETSLOT 16000 MIGRATING @b",
                "CLUSTER SETSLOT 1 IMPORTING @b",
                "CLUSTER SETSLOT 1 MIGRATING @b1",
                "CLUSTER SETSLOT 16000 IMPORTING xx",
                "CLUSTER SETSLOT 16000 NODE xx",
                "SET {b}1 1",
                "CLUSTER SETSLOT 3300 MIGRATING @b",
                "CLUSTER SETSLOT 3300 NODE @b",
            ] {
                on.ask("a", line).await;
            }
            on.ask("b", "CLUSTER SETSLOT 3300 IMPORTING @a").await;
            on.ask("c", "CLUSTER SETSLOT 3301 IMPORTING @c").await;
            on.ask("b1", "CLUSTER SETSLOT 3300 STABLE").await;
            on.until("has its master's mark", "a1", "CLUSTER NODES", |said| said.contains("[3300->-b]")).await;
            on.until("has its master's mark", "b1", "CLUSTER NODES", |said| said.contains("[3300-<-a]")).await;
            // The mark follows a failover, on both sides.
            on.ask("a1", "CLUSTER FAILOVER").await;
            on.until("is master", "a1", "ROLE", |said| said.starts_with("[\"master\"")).await;
            on.until("gives it away", "a1", "CLUSTER NODES", |said| said.contains("[3300->-b]")).await;
            on.until("takes it from the new master", "b", "CLUSTER NODES", |said| said.contains("[3300-<-a1]")).await;
            on.until("follows", "a", "ROLE", |said| said.contains(":a1:port, \"connected\"")).await;
            on.ask("a1", "MIGRATE @b:host @b:port {b}1 0 1000").await;
            on.ask("b", "CLUSTER SETSLOT 3300 NODE @b").await;
            until_b_has_it(on).await;
            for name in ["a1", "b", "b1"] {
                on.until("nothing is open", name, "CLUSTER NODES", |said| !said.contains("[3300-")).await;
            }
        },
        None,
    );
}

#[test]
fn marks_go_to_replicas_and_follow_a_failover_on_valkey_8() {
    marks_go_to_replicas(Kind::Valkey8);
}

#[test]
fn marks_go_to_replicas_and_follow_a_failover_on_valkey_9() {
    marks_go_to_replicas(Kind::Valkey9);
}

#[test]
fn every_database_of_a_slot_that_is_lost_is_emptied() {
    on_kind(
        Kind::Valkey9,
        async |on| {
            for line in [
                "SELECT 4",
                "SELECT 3",
                "SET {b}3 three",
                "CLUSTER COUNTKEYSINSLOT 3300",
                "CLUSTER GETKEYSINSLOT 3300 10",
                "SELECT 0",
                "GET {b}3",
                "SET {b}0 zero",
                "CLUSTER COUNTKEYSINSLOT 3300",
                "CLUSTER SETSLOT 3300 MIGRATING @b",
            ] {
                on.ask("a", line).await;
            }
            on.ask("b", "CLUSTER SETSLOT 3300 IMPORTING @a").await;
            // MIGRATE takes from the database that is chosen, and puts where it is told.
            for line in [
                "MIGRATE @b:host @b:port {b}3 3 1000",
                "MIGRATE @b:host @b:port {b}0 9 1000",
                "SELECT 3",
                "MIGRATE @b:host @b:port {b}3 3 1000",
                "SET {b}more x",
                "SELECT 0",
            ] {
                on.ask("a", line).await;
            }
            for line in ["SELECT 3", "ASKING", "GET {b}3", "SELECT 0", "ASKING", "GET {b}3"] {
                on.ask("b", line).await;
            }
            on.ask("b", "CLUSTER SETSLOT 3300 NODE @b").await;
            until_b_has_it(on).await;
            on.until("has deleted what was left", "a", "INFO keyspace", |said| !said.contains("db0") && !said.contains("db3"))
                .await;
            on.until("has what it was given", "b", "INFO keyspace", |said| said.contains("db3:keys=1")).await;
        },
        None,
    );
}

#[test]
fn servers_move_slots_by_themselves() {
    on_kind(
        Kind::Valkey9,
        async |on| {
            for line in [
                "CLUSTER MIGRATESLOTS",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 0 10",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 0 10 NODE xx",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 0 10 NODE @a",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 6000 6010 NODE @c",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 10 5 NODE @b",
                "CLUSTER CANCELSLOTMIGRATIONS",
                "CLUSTER GETSLOTMIGRATIONS",
                "CLUSTER SETSLOT 100 MIGRATING @b",
                "CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3300 NODE @b",
                "CLUSTER SETSLOT 100 STABLE",
                "SET {b}1 1",
                "SELECT 2",
                "SET {b}2 2",
                "SELECT 0",
            ] {
                on.ask("a", line).await;
            }
            // A target that is stopped: it waits, is in the way of others, and can be cancelled.
            on.hang("b", true).await;
            on.ask("a", "CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3300 NODE @b").await;
            on.ask("a", "CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3301 NODE @c").await;
            on.ask("a", "CLUSTER SETSLOT 3300 MIGRATING @c").await;
            on.ask("a", "CLUSTER CANCELSLOTMIGRATIONS").await;
            on.until("says that it was cancelled", "a", "CLUSTER GETSLOTMIGRATIONS", |said| said.contains("\"cancelled\"")).await;
            on.hang("b", false).await;
            on.ask("a", "GET {b}1").await;
            on.ask("a", "CLUSTER CANCELSLOTMIGRATIONS").await;
            on.ask("a", "CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3300 SLOTSRANGE 3302 3302 NODE @b").await;
            on.ask("a", "CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3300 3302 3302 NODE @b").await;
            on.until("has given it", "a", "CLUSTER GETSLOTMIGRATIONS", |said| said.contains("\"success\"")).await;
            on.until("has taken it", "b", "CLUSTER GETSLOTMIGRATIONS", |said| said.contains("\"success\"")).await;
            until_b_has_it(on).await;
            for name in NAMES {
                on.until("nothing is open", name, "CLUSTER NODES", |said| !said.contains("->-") && !said.contains("-<-")).await;
            }
            on.ask("b", "GET {b}1").await;
            on.ask("b", "SELECT 2").await;
            on.ask("b", "GET {b}2").await;
            on.until("has deleted its keys", "a", "CLUSTER COUNTKEYSINSLOT 3300", |said| said == ":0").await;
            // Fields of an entry.
            let entry = on.quietly("a", "CLUSTER GETSLOTMIGRATIONS").await.show();
            let words: Vec<&str> =
                entry.split('"').filter(|word| word.len() > 3 && word.chars().all(|c| c.is_alphabetic() || c == '_')).collect();
            on.transcript.push(words.join(" "));
        },
        None,
    );
}

#[test]
fn a_master_that_gives_its_last_slot_away_follows_the_target_on_valkey() {
    on_kind(
        Kind::Valkey8,
        async |on| {
            on.ask("c", "CLUSTER DELSLOTSRANGE 10923 16383").await;
            on.ask("b", "CLUSTER SETSLOT 10922 IMPORTING @c").await;
            on.ask("c", "CLUSTER SETSLOT 10922 MIGRATING @b").await;
            on.ask("c", "CLUSTER SETSLOT 10922 NODE @b").await;
            on.until("follows b", "c", "ROLE", |said| said.contains("\"slave\", \"host\", :b:port, \"connected\"")).await;
        },
        None,
    );
}
