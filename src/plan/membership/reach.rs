//! PURE. Where servers reach each other: what they say among themselves, which need not be what clients are told.

use crate::cluster::{Address, Model, Node};

/// Addresses at which other servers may reach this one, best first, each once. Replication tells for certain: a replica
/// has dialled its master there. What CLUSTER NODES says may be an address for clients only.
pub fn server_addresses(model: &Model, node: &Node) -> Vec<Address> {
    let followers = model.nodes().filter(|other| other.is_replica() && other.master == Some(node.id));
    let dialled = followers.filter_map(|other| {
        let info = other.info.as_ref().filter(|info| info.master_link_up == Some(true))?;
        Some(Address::new(info.master_host.as_deref()?, info.master_port?))
    });
    let seen_by_master = node.master.and_then(|id| model.node(id)?.info.as_ref()).and_then(|info| {
        let mut same = info.replicas.iter().filter(|link| link.port == node.address.port);
        // Two replicas on one port are on different hosts: which is ours, nobody says.
        same.next().filter(|_| same.next().is_none()).map(|link| Address::new(&*link.host, link.port))
    });
    let told = model.views().filter(|(speaker, _)| *speaker != node.id).filter_map(|(_, view)| view.member(node.id));
    let mut all: Vec<Address> = Vec::new();
    let candidates = dialled.chain(seen_by_master).chain(told.map(|member| member.address.clone())).chain([node.address.clone()]);
    for address in candidates.filter(|address| !address.host.is_empty() && &*address.host != "?" && address.port != 0) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;

    #[test]
    fn what_replication_says_comes_before_what_clients_are_told() {
        let sample = Sample::new(3, 1);
        let node = sample.model.node(sample.id(0)).unwrap();
        let all = server_addresses(&sample.model, node);
        assert_eq!(all.last(), Some(&node.address), "{all:?}");
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    }
}
