//! PURE. From the name an operator gives a node to the node: address, hostname, id, the start of an id, shard letter.

use crate::cluster::{Model, Node, Shard};

use super::Refusal;
use crate::quantity;

/// With fewer digits the start of an id is taken for a slip: most letters of shards are hexadecimal digits, too.
const LEAST_OF_ID: usize = 4;

/// The node that is meant. A shard's letter stands for its master.
pub fn node<'a>(model: &'a Model, name: &str) -> Result<&'a Node, Refusal> {
    let name = name.trim();
    if let Some(node) = name.parse().ok().and_then(|address| model.node_at(&address)) {
        return Ok(node);
    }
    if let Some(shard) = shard(model, name) {
        return shard.master.and_then(|id| model.node(id)).ok_or_else(|| {
            Refusal::misnamed(format!("shard {} has no master that anybody knows: name one of its nodes by address", shard.name))
        });
    }
    let host_of = |node: &&Node| {
        node.hostname.as_deref().is_some_and(|host| host == name || format!("{host}:{}", node.address.port) == name)
            || *node.address.host == *name
    };
    let lower = name.to_ascii_lowercase();
    let is_start = (LEAST_OF_ID..=40).contains(&lower.len()) && lower.bytes().all(|byte| byte.is_ascii_hexdigit());
    let by_host: Vec<&Node> = model.nodes().filter(host_of).collect();
    let found = if by_host.is_empty() && is_start {
        model.nodes().filter(|node| node.id.is_member() && node.id.to_string().starts_with(&lower)).collect()
    } else {
        by_host
    };
    match found.as_slice() {
        [node] => Ok(node),
        [] if name.len() == 1 && lower.bytes().all(|byte| byte.is_ascii_lowercase()) => Err(no_shard(model, name)),
        [] => Err(unknown(model, name, "node")),
        several => {
            let all: Vec<String> = several.iter().map(|node| node.address.to_string()).collect();
            Err(Refusal::misnamed(format!("`{name}` could be {}: name one of them by address", quantity::list(&all))))
        }
    }
}

/// The master that is meant: a shard's letter, or a node that must be a master.
pub fn master<'a>(model: &'a Model, name: &str) -> Result<&'a Node, Refusal> {
    let node = node(model, name)?;
    if node.is_master() {
        return Ok(node);
    }
    let hint = match node.master.and_then(|id| model.node(id)) {
        Some(master) => format!("{} is a replica of {}: did you mean {}?", node.address, master.address, master.address),
        None => format!("{} is a replica, and a master is needed here", node.address),
    };
    Err(Refusal::usage(hint))
}

/// The shard with this letter, upper or lower case.
pub(super) fn shard<'a>(model: &'a Model, name: &str) -> Option<&'a Shard> {
    let exact = model.topology().shards.iter().find(|shard| shard.name.to_string() == name);
    exact.or_else(|| {
        let is_letter = name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_lowercase());
        model.topology().shards.iter().find(|shard| is_letter && shard.name.to_string().eq_ignore_ascii_case(name))
    })
}

/// A letter alone is meant for a shard: say which there are.
fn no_shard(model: &Model, name: &str) -> Refusal {
    const SHOWN: usize = 12;
    let shards = &model.topology().shards;
    let names: Vec<String> = shards.iter().map(|shard| shard.name.to_string()).take(SHOWN).collect();
    if names.is_empty() {
        return unknown(model, name, "shard");
    }
    let more = if shards.len() > SHOWN { ", …" } else { "" };
    Refusal::misnamed(format!("there is no shard {}; there are {}{more}", name.to_ascii_uppercase(), names.join(", ")))
}

/// Nobody has this name: say so with the nearest name that somebody has.
pub(super) fn unknown(model: &Model, name: &str, what: &str) -> Refusal {
    let names = model.nodes().flat_map(|node| {
        let host = node.hostname.as_ref().map(|host| host.to_string());
        [Some(node.address.to_string()), host].into_iter().flatten()
    });
    let shards = model.topology().shards.iter().map(|shard| shard.name.to_string());
    match nearest(name, names.chain(shards)) {
        Some(near) => Refusal::misnamed(format!("no {what} `{name}` in cluster {}: did you mean {near}?", model.name)),
        None if model.nodes().next().is_none() => {
            Refusal::misnamed(format!("no {what} `{name}`: cluster {} has no known node yet", model.name))
        }
        None => Refusal::misnamed(format!("no {what} `{name}` in cluster {}: `nodes` lists them", model.name)),
    }
}

/// The name that needs the fewest edits, when they are few enough for it to be meant.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let scored = names.map(|candidate| (distance(name, &candidate), candidate));
    let near = |(edits, candidate): &(usize, String)| 3 * edits <= candidate.chars().count().max(name.chars().count());
    scored.filter(near).min().map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = substitute.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::three_shards;

    #[test]
    fn every_name_of_a_node_finds_it() {
        let model = three_shards();
        let id = node(&model, "10.0.0.4:7003").unwrap().id;
        let full = id.to_string();
        let start: String = full.chars().take(6).collect();
        for name in ["10.0.0.4:7003", "10.0.0.4", &full, &start] {
            assert_eq!(node(&model, name).unwrap().id, id, "{name}");
        }
        assert_eq!(node(&model, "A").unwrap().address.to_string(), "10.0.0.1:7000");
        assert_eq!(node(&model, "b").unwrap().address.to_string(), "10.0.0.2:7001");
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        let refusal = node(&three_shards(), "10.0.0.4:7004").unwrap_err();
        assert!(refusal.usage && refusal.to_string().contains("did you mean 10.0.0.4:7003?"), "{refusal}");
        let refusal = node(&three_shards(), "redis-9").unwrap_err();
        assert!(refusal.to_string().ends_with("`nodes` lists them"), "{refusal}");
        let refusal = master(&three_shards(), "10.0.0.4:7003").unwrap_err();
        assert!(refusal.to_string().contains("did you mean 10.0.0.1:7000?"), "{refusal}");
    }

    #[test]
    fn a_letter_that_is_no_shard_is_not_taken_for_the_start_of_an_id() {
        let refused = |name| node(&three_shards(), name).unwrap_err();
        for name in ["D", "d", "Z"] {
            let says = format!("there is no shard {}; there are A, B, C", name.to_uppercase());
            assert!(refused(name).usage && refused(name).to_string() == says, "{}", refused(name));
        }
        // Ids begin with the node's number here.
        assert!(refused("101").to_string().starts_with("no node `101`"), "{}", refused("101"));
        assert!(node(&three_shards(), "1012").is_ok());
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!([distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")], [3, 0, 3]);
    }
}
