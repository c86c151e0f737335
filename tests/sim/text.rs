//! IO. What a node says of the cluster: CLUSTER NODES, INFO, SLOTS, SHARDS, in the server's own words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::node::{Id, Mind};
use super::resp::Value;
use super::world::{EPOCH_MS, World};

impl World {
    /// What the node believes, or says it does.
    pub fn spoken(&self, me: Id) -> &Mind {
        self.nodes[me].faults.lie.as_deref().unwrap_or(&self.nodes[me].mind)
    }

    fn line(&self, me: Id, id: Id, slots: &BTreeMap<Id, Vec<(u16, u16)>>) -> String {
        let mind = self.spoken(me);
        let (member, node) = (&mind.members[&id], &self.nodes[id]);
        let mut flags = Vec::new();
        if id == me {
            flags.push("myself");
        }
        if !member.handshake {
            flags.push(if member.is_replica { "slave" } else { "master" });
        }
        for (set, word) in [(member.suspected, "fail?"), (member.failed, "fail"), (member.handshake, "handshake")] {
            if set {
                flags.push(word);
            }
        }
        let master = member.master.filter(|_| member.is_replica);
        let epoch = master.and_then(|master| mind.members.get(&master)).map_or(member.epoch, |master| master.epoch);
        let unix = |at: u64| if at == 0 { 0 } else { EPOCH_MS + at };
        let mut line = format!(
            "{} {}@{} {} {} {} {} {} {}",
            node.id,
            self.address(id),
            node.port + 10000,
            flags.join(","),
            master.map_or("-", |master| &self.nodes[master].id),
            if id == me { 0 } else { unix(member.ping_sent) },
            if id == me { self.unix_ms() / 1000 * 1000 } else { EPOCH_MS + member.pong_received },
            epoch,
            if member.link_up || id == me { "connected" } else { "disconnected" },
        );
        for (start, end) in slots.get(&id).into_iter().flatten() {
            let _ = if start == end { write!(line, " {start}") } else { write!(line, " {start}-{end}") };
        }
        if id == me {
            for (slot, peer) in &mind.migrating {
                let _ = write!(line, " [{slot}->-{}]", self.nodes[*peer].id);
            }
            for (slot, peer) in &mind.importing {
                let _ = write!(line, " [{slot}-<-{}]", self.nodes[*peer].id);
            }
        }
        line.push('\n');
        line
    }

    pub fn cluster_nodes(&self, me: Id) -> Value {
        let mind = self.spoken(me);
        let slots = mind.ranges();
        Value::Text(mind.members.keys().map(|id| self.line(me, *id, &slots)).collect())
    }

    pub fn cluster_replicas(&self, me: Id, master: Id) -> Value {
        let mind = self.spoken(me);
        let slots = mind.ranges();
        let replicas = mind.members.iter().filter(|(_, member)| member.is_replica && member.master == Some(master));
        Value::bulks(replicas.map(|(id, _)| self.line(me, *id, &slots).trim_end().to_string()))
    }

    pub fn cluster_info(&self, me: Id) -> Value {
        let mind = self.spoken(me);
        let [assigned, fine, suspected, failed] = mind.coverage();
        let mine = &mind.members[&me];
        let my_epoch = mine.master.and_then(|master| mind.members.get(&master)).map_or(mine.epoch, |master| master.epoch);
        let messages = self.now() / 250;
        Value::Text(format!(
            "cluster_state:{}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{fine}\r\ncluster_slots_pfail:{suspected}\r\n\
             cluster_slots_fail:{failed}\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\ncluster_current_epoch:{}\r\n\
             cluster_my_epoch:{my_epoch}\r\ncluster_stats_messages_ping_sent:{messages}\r\ncluster_stats_messages_pong_sent:{messages}\r\n\
             cluster_stats_messages_sent:{}\r\ncluster_stats_messages_ping_received:{messages}\r\n\
             cluster_stats_messages_pong_received:{messages}\r\ncluster_stats_messages_received:{}\r\n\
             total_cluster_links_buffer_limit_exceeded:0\r\n",
            if mind.ok { "ok" } else { "fail" },
            mind.members.len(),
            mind.voters().0,
            mind.current_epoch,
            messages * 2,
            messages * 2,
        ))
    }

    /// Masters as `me` sees them, with slots or not, and the nodes of their shards, the master first.
    fn shards(&self, me: Id) -> Vec<(Id, Vec<Id>)> {
        let mind = self.spoken(me);
        let masters = mind.members.iter().filter(|(_, member)| !member.is_replica && !member.handshake);
        masters
            .map(|(master, _)| {
                let replicas = mind.members.iter().filter(|(_, member)| member.is_replica && member.master == Some(*master));
                (*master, std::iter::once(*master).chain(replicas.map(|(id, _)| *id)).collect())
            })
            .collect()
    }

    pub fn cluster_shards(&self, me: Id) -> Value {
        let mind = self.spoken(me);
        let word = |text: &str| Value::bulk(text);
        let mut ranges = mind.ranges();
        let shards = self.shards(me).into_iter().map(|(master, nodes)| {
            let slots = ranges
                .remove(&master)
                .unwrap_or_default()
                .into_iter()
                .flat_map(|(a, b)| [Value::Int(a.into()), Value::Int(b.into())]);
            let nodes = nodes.into_iter().map(|id| {
                let member = &mind.members[&id];
                let offset = if id == me { self.nodes[id].offset } else { member.offset };
                let health = match () {
                    () if member.failed => "fail",
                    () if member.is_replica && offset == 0 => "loading",
                    () => "online",
                };
                Value::Map(vec![
                    (word("id"), word(&self.nodes[id].id)),
                    (word("port"), Value::Int(self.nodes[id].port.into())),
                    (word("ip"), word(&self.host)),
                    (word("endpoint"), word(&self.host)),
                    (word("role"), word(if member.is_replica { "replica" } else { "master" })),
                    (word("replication-offset"), Value::Int(offset as i64)),
                    (word("health"), word(health)),
                ])
            });
            Value::Map(vec![(word("slots"), Value::Array(slots.collect())), (word("nodes"), Value::Array(nodes.collect()))])
        });
        Value::Array(shards.collect())
    }

    pub fn cluster_slots(&self, me: Id) -> Value {
        let mind = self.spoken(me);
        let mut ranges = mind.ranges();
        let mut rows: Vec<(u16, u16, Vec<Id>)> = Vec::new();
        for (master, nodes) in self.shards(me) {
            let shown = |id: &Id| {
                let offset = if *id == me { self.nodes[*id].offset } else { mind.members[id].offset };
                *id == master || !(mind.members[id].failed || offset == 0)
            };
            let nodes: Vec<Id> = nodes.into_iter().filter(shown).collect();
            rows.extend(ranges.remove(&master).unwrap_or_default().into_iter().map(|(start, end)| (start, end, nodes.clone())));
        }
        rows.sort_unstable();
        let place = |id: Id| {
            let node = &self.nodes[id];
            Value::Array(vec![Value::bulk(&self.host), Value::Int(node.port.into()), Value::bulk(&node.id), Value::Map(Vec::new())])
        };
        Value::Array(
            rows.into_iter()
                .map(|(start, end, nodes)| {
                    let mut row = vec![Value::Int(start.into()), Value::Int(end.into())];
                    row.extend(nodes.into_iter().map(place));
                    Value::Array(row)
                })
                .collect(),
        )
    }
}
