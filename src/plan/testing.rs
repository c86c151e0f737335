//! PURE. A cluster for tests: three shards of a master and a replica, as its nodes would describe it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeZone;

use crate::cluster::{Address, Fact, Model, Observation, ServerSettings, Time, parse};

pub(super) fn at(seconds: i64) -> Time {
    chrono::Utc.timestamp_opt(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The id of node `n`, counted from 1.
pub(super) fn id(n: usize) -> String {
    format!("{n}{}", "0123456789abcdef".repeat(3)).chars().take(40).collect()
}

/// `10.0.0.n:700(n-1)`.
pub(super) fn place(n: usize) -> Address {
    Address::new(format!("10.0.0.{n}"), 6999 + u16::try_from(n).unwrap())
}

/// CLUSTER NODES as node `me` says it: nodes 1 to 3 are masters, 4 to 6 their replicas. `own` is put at the end of its own line.
pub(super) fn nodes_text(me: usize, own: &str) -> String {
    let slots = ["0-5460", "5461-10922", "10923-16383"];
    (1..=6)
        .map(|n| {
            let myself = if n == me { "myself," } else { "" };
            let at = place(n);
            let tail = if n == me { own } else { "" };
            match n {
                1..=3 => format!("{} {at}@1{} {myself}master - 0 1 {n} connected {}{tail}\n", id(n), at.port, slots[n - 1]),
                _ => format!("{} {at}@1{} {myself}slave {} 0 1 {} connected\n", id(n), at.port, id(n - 3), n - 3),
            }
        })
        .collect()
}

/// INFO of node `n`; replicas are 100 bytes behind.
pub(super) fn info_text(n: usize, more: &str) -> String {
    let base = "redis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:r\r\nused_memory:1000000\r\nused_memory_dataset:800000\r\n\
                db0:keys=1000,expires=0,avg_ttl=0\r\n";
    let role = match n {
        1..=3 => format!("role:master\r\nmaster_replid:{n}\r\nmaster_repl_offset:5000\r\n"),
        _ => format!(
            "role:slave\r\nmaster_replid:{}\r\nmaster_repl_offset:4900\r\nslave_repl_offset:4900\r\nmaster_link_status:up\r\n\
             master_last_io_seconds_ago:1\r\nmaster_sync_in_progress:0\r\n",
            n - 3
        ),
    };
    format!("{base}{role}{more}")
}

/// Node `n` says all there is to say.
pub(super) fn speak(model: &mut Model, n: usize, nodes: &str, info: &str, seconds: i64) {
    let source = place(n);
    let settings = ServerSettings { node_timeout: Some(Duration::from_secs(2)), ..ServerSettings::default() };
    let facts = [
        Fact::Pong(Duration::from_millis(1)),
        Fact::View(Arc::new(parse::nodes(nodes, &source).unwrap())),
        Fact::Info(Arc::new(parse::info(info).unwrap())),
        Fact::Settings(Arc::new(settings)),
    ];
    for fact in facts {
        model.apply(&Observation { source: source.clone(), at: at(seconds), fact });
    }
}

/// Everybody is well and agrees.
pub(super) fn three_shards() -> Model {
    let mut model = Model::new("test");
    for n in 1..=6 {
        speak(&mut model, n, &nodes_text(n, ""), &info_text(n, ""), 0);
    }
    model.settle(at(0));
    model
}
