//! PURE. `nodes`: one line a node, as a table, JSON or CSV; also the table inside `status`.

use serde_json::{Value as Json, json};

use crate::cli::context::out::rounded;
use crate::cli::context::picture::LookPicture;
use crate::cli::show::table::{Table, csv};
use crate::cluster::{Health, Node, Time, age};
use crate::quantity::{bytes, short, span};

/// A node in the JSON of `status`: the part of the contract that dashboards read.
pub(crate) fn node_json(node: &Node, now: Time) -> Json {
    let master = node.master.filter(|_| node.is_replica());
    // A configured address that never answered, and that no member goes by: nobody knows what it is.
    let known = node.id.is_member() || node.last_answer.is_some();
    json!({
        "id": id(node),
        "address": node.address.to_string(),
        "role": known.then(|| node.role.word()),
        "health": node.health.word(),
        "replica_of": master.map(|id| id.to_string()),
        "slots": known.then_some(node.slot_count),
        "latency_ms": node.latency.map(|rtt| rounded(rtt.as_secs_f64() * 1000.0)),
        "ops_per_sec": ops(node).map(rounded),
        "memory_bytes": node.info.as_ref().and_then(|info| info.used_memory),
        "memory_percent": node.memory_percent().map(|(percent, _)| rounded(percent)),
        "cpu_percent": node.rates.cpu_percent.map(rounded),
        "replication_lag_bytes": node.lag_bytes,
        "age_ms": node.silence(now).map(|silence| silence.as_millis() as u64),
    })
}

fn id(node: &Node) -> Option<String> {
    node.id.is_member().then(|| node.id.to_string())
}

/// Measured between two INFO replies, else the server's own figure.
fn ops(node: &Node) -> Option<f64> {
    let own = || node.info.as_ref().and_then(|info| info.instantaneous_ops).map(|ops| ops as f64);
    node.rates.ops_per_sec.or_else(own)
}

const COLUMNS: [&str; 19] = [
    "id",
    "address",
    "role",
    "health",
    "replica_of",
    "slots",
    "latency_ms",
    "ops_per_sec",
    "memory_bytes",
    "memory_percent",
    "cpu_percent",
    "replication_lag_bytes",
    "age_ms",
    "shard",
    "detail",
    "version",
    "epoch",
    "clients",
    "uptime_seconds",
];

/// The same with what only `nodes` tells.
fn full_json(node: &Node, now: Time) -> Json {
    let mut json = node_json(node, now);
    if let Json::Object(map) = &mut json {
        let info = node.info.as_ref();
        let detail = node.trouble.as_ref().map(|trouble| trouble.detail.as_str()).filter(|detail| !detail.is_empty());
        map.insert("shard".into(), json!(node.shard.map(|shard| shard.to_string())));
        map.insert("detail".into(), json!(detail));
        map.insert("version".into(), json!(info.and_then(|info| info.server.as_ref()).map(|server| &*server.version)));
        map.insert("epoch".into(), json!(node.epoch));
        map.insert("clients".into(), json!(info.and_then(|info| info.connected_clients)));
        map.insert("uptime_seconds".into(), json!(info.and_then(|info| info.uptime_seconds)));
    }
    json
}

pub(crate) fn json(picture: &LookPicture) -> Json {
    let nodes: Vec<Json> = picture.nodes().into_iter().map(|node| full_json(node, picture.now)).collect();
    json!({"cluster": picture.model.name, "nodes": nodes})
}

pub(crate) fn as_csv(picture: &LookPicture) -> String {
    let rows: Vec<Json> = picture.nodes().into_iter().map(|node| full_json(node, picture.now)).collect();
    csv(&COLUMNS, &rows)
}

/// `up`, or the trouble and for how long: `refused 3s`.
fn health(node: &Node, now: Time) -> String {
    match node.health {
        Health::Up | Health::Unknown => node.health.word().to_owned(),
        health => format!("{} {}", health.word(), span(age(now, node.health_since))),
    }
}

fn glyph(node: &Node) -> &'static str {
    match node.health {
        health if health.is_down() => "✖",
        Health::Up => "●",
        Health::Unknown => "?",
        _ => "◐",
    }
}

pub(crate) fn text(picture: &LookPicture) -> String {
    let titles = ["shard", "node", "role", "health", "slots>", "ops/s>", "latency>", "memory>", "cpu>", "lag>", "age>"];
    let mut table = Table::new(&titles);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    for node in picture.nodes() {
        let fresh = node.health.is_alive();
        let memory = node.memory_percent().filter(|_| fresh).map(|(percent, host)| (format!("{percent:.0}%"), host));
        let used = node.info.as_ref().and_then(|info| info.used_memory).filter(|_| fresh).map(bytes);
        let memory = memory.zip(used).map(|((percent, host), used)| if host { used } else { format!("{used} {percent}") });
        table.row([
            or_dash(node.shard.map(|shard| shard.to_string())),
            format!("{} {}", glyph(node), node.address),
            node.role.word().to_owned(),
            health(node, picture.now),
            node.slot_count.to_string(),
            or_dash(ops(node).filter(|_| fresh).map(short)),
            or_dash(node.latency.filter(|_| fresh).map(|rtt| format!("{:.1}ms", rtt.as_secs_f64() * 1000.0))),
            or_dash(memory),
            or_dash(node.rates.cpu_percent.filter(|_| fresh).map(|percent| format!("{percent:.0}%"))),
            or_dash(node.lag_bytes.map(bytes)),
            node.silence(picture.now).map_or_else(|| "never".into(), span),
        ]);
    }
    table.text()
}
