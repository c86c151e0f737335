//! PURE. From what the operator typed to who is meant: nodes by address, port, id or shard letter; else the nearest name.

use crate::app::App;
use crate::cluster::{NodeId, ShardName};
use crate::nearest::nearest;

/// The node meant by an address, a host name, a port alone, the start of an id, or a shard (then its master).
pub(crate) fn node(app: &App, text: &str) -> Result<NodeId, String> {
    let model = &app.model;
    if let Some(node) = text.parse().ok().and_then(|address| model.node_at(&address)) {
        return Ok(node.id);
    }
    if let Ok(name) = shard(app, text)
        && let Some(master) = model.topology().shard(name).and_then(|shard| shard.master)
    {
        return Ok(master);
    }
    let matches: Vec<NodeId> = model
        .nodes()
        .filter(|node| {
            let by_id = text.len() >= 4 && node.id.to_string().starts_with(&text.to_lowercase());
            let by_host = &*node.address.host == text || node.hostname.as_deref() == Some(text);
            by_id || by_host || text.parse() == Ok(node.address.port)
        })
        .map(|node| node.id)
        .collect();
    match matches.as_slice() {
        [one] => Ok(*one),
        // A letter alone is meant for a shard.
        [] if matches!(text.as_bytes(), [letter] if letter.is_ascii_alphabetic()) => Err(unknown("shard", text, &shard_names(app))),
        [] => Err(unknown("node", text, &node_names(app))),
        [first, ..] => {
            Err(format!("`{text}` may be any of {} nodes: write the address, for example {}", matches.len(), model.label(*first)))
        }
    }
}

pub(crate) fn shard(app: &App, text: &str) -> Result<ShardName, String> {
    let shards = &app.model.topology().shards;
    let found = shards.iter().find(|shard| shard.name.to_string().eq_ignore_ascii_case(text)).map(|shard| shard.name);
    found.ok_or_else(|| unknown("shard", text, &shard_names(app)))
}

pub(crate) fn node_names(app: &App) -> Vec<String> {
    app.model.nodes().map(|node| node.address.to_string()).collect()
}

pub(crate) fn shard_names(app: &App) -> Vec<String> {
    app.model.topology().shards.iter().map(|shard| shard.name.to_string()).collect()
}

/// "There is no node `x`: did you mean `y`?"
pub(crate) fn unknown(what: &str, text: &str, names: &[String]) -> String {
    match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => format!("there is no {what} `{text}`: did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no {what} `{text}`: none is known"),
        None => {
            let some: Vec<&str> = names.iter().map(String::as_str).take(6).collect();
            let more = if names.len() > 6 { ", …" } else { "" };
            format!("there is no {what} `{text}`: there are {}{more}", some.join(", "))
        }
    }
}
