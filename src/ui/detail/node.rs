//! PURE. What is known of one node, by its own word and by the others'.

use std::time::Duration;

use super::super::doc::Doc;
use super::super::{Ui, format, signs, topology};
use super::mention;
use crate::cluster::{Flags, Info, Node, NodeId, age};
use crate::plan::{self, Prospect};
use crate::quantity;
use crate::theme::Role;

pub(super) fn left(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    health(ui, node, doc);
    forecast(ui, node, doc);
    identity(node, doc);
    role(ui, node, doc);
    replication(ui, node, doc);
}

pub(super) fn right(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    view(ui, node, doc);
    if let Some(info) = node.info.as_deref() {
        memory(info, doc);
        work(info, doc);
    }
}

fn health(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    doc.heading("Health");
    let sign = signs::node(ui, node);
    let says = node.health.says();
    doc.fact("state", format!("{} {}", sign.glyph, if sign.text.is_empty() { "up" } else { &sign.text }), sign.role);
    if !node.health.is_well() {
        doc.fact("meaning", says, Role::Text);
    }
    if let Some(trouble) = node.trouble.as_ref().filter(|trouble| !trouble.detail.is_empty()) {
        doc.fact("its words", trouble.detail.clone(), Role::Text);
    }
    doc.fact("since", format!("{}Z", format::clock(node.health_since)), Role::Text);
    let silence = node.silence(ui.now);
    let stale = signs::stale(ui, node).is_some();
    let answer =
        silence.map_or("never".into(), |silence| if stale { format!("{} ago", quantity::span(silence)) } else { "now".into() });
    doc.fact("last answer", answer, if stale { Role::Stale } else { Role::Text });
    doc.known("ping", node.latency.map(format::latency_exact));
}

/// What its death would come to, and that of its host with all nodes of the cluster on it.
fn forecast(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    if !node.id.is_member() {
        return;
    }
    let mut say = |heading: &str, lost: &[NodeId]| {
        doc.heading(heading);
        for (prospect, line) in plan::if_lost(&ui.app.model, lost, ui.now).lines() {
            let (sign, role) = match prospect {
                Prospect::Fine => (ui.glyphs.ok, Role::Text),
                Prospect::Thin => (ui.glyphs.warning, Role::Warning),
                Prospect::Bad => (ui.glyphs.down, Role::Critical),
            };
            doc.point(sign, &line, role);
        }
    };
    if !node.health.is_down() && !node.flags.failed {
        say("If this node dies", &[node.id]);
    }
    let nodes = || ui.app.model.nodes().filter(|other| other.id.is_member());
    let host: Vec<NodeId> = nodes().filter(|other| other.address.host == node.address.host).map(|other| other.id).collect();
    if host.len() > 1 {
        let all = if host.len() == nodes().count() { "all " } else { "" };
        say(&format!("If host {} dies ({all}{})", node.address.host, quantity::count(host.len(), "node")), &host);
    }
}

fn identity(node: &Node, doc: &mut Doc<'_, '_>) {
    doc.heading("Identity");
    doc.fact("id", node.id.to_string(), Role::Text);
    doc.fact("address", node.address.to_string(), Role::Text);
    doc.known("hostname", node.hostname.as_deref());
    let Some(info) = node.info.as_deref() else { return };
    doc.known("server", info.server.as_ref().map(|server| format!("{} {}", server.name, server.version)));
    doc.known("up for", info.uptime_seconds.map(|seconds| quantity::span(Duration::from_secs(seconds))));
    doc.known("process", info.process_id.map(|pid| pid.to_string()));
    doc.known("run id", info.run_id.as_deref());
    doc.known("config file", info.config_file.as_deref().filter(|path| !path.is_empty()));
    if !info.modules.is_empty() {
        doc.fact("modules", info.modules.join(", "), Role::Text);
    }
}

fn role(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    doc.heading("Role");
    doc.fact("role", node.role.word(), Role::Text);
    if let Some(name) = node.shard {
        doc.styled_fact("shard", name.to_string(), ui.shard(name));
    }
    if node.is_master() {
        let text = if node.slots.is_empty() {
            "none".to_string()
        } else {
            format!("{}  ({} in all)", topology::ranges(ui, &node.slots), node.slot_count)
        };
        doc.fact("slots", text, Role::Text);
        let tally = ui.app.model.rooms().in_slots(&node.slots.iter().collect());
        if tally.rooms > 0 {
            doc.fact("rooms", format!("{} with {}", tally.rooms, quantity::count(tally.players, "player")), Role::Text);
        }
    }
    doc.fact("epoch", node.epoch.to_string(), Role::Text);
    let flags = flags(node.flags);
    doc.fact(
        "flags",
        if flags.is_empty() { "none".into() } else { flags.join(", ") },
        if node.flags.failed { Role::Critical } else { Role::Text },
    );
}

fn flags(flags: Flags) -> Vec<&'static str> {
    let all = [
        (flags.suspected, "fail? (some cannot reach it)"),
        (flags.failed, "fail (a majority says so)"),
        (flags.handshake, "handshake"),
        (flags.noaddr, "noaddr"),
        (flags.nofailover, "nofailover"),
    ];
    all.into_iter().filter_map(|(set, word)| set.then_some(word)).collect()
}

fn replication(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    doc.heading("Replication");
    let info = node.info.as_deref();
    if node.is_replica() {
        match node.master.and_then(|id| ui.app.model.node(id)) {
            Some(master) => mention(ui, doc, "master", master, ""),
            None => doc.fact("master", node.master.map_or("unknown".into(), |id| ui.app.model.label(id)), Role::Warning),
        }
        let down = info.and_then(|info| info.master_link_down_seconds).filter(|&seconds| seconds >= 0);
        match node.link_up() {
            Some(true) => doc.fact("link", format!("{} up", ui.glyphs.ok), Role::Ok),
            Some(false) => {
                let since = down.map_or(String::new(), |s| format!(" for {}", format::span(Duration::from_secs(s.unsigned_abs()))));
                doc.fact("link", format!("{} down{since}", ui.glyphs.down), Role::Critical);
            }
            None => doc.fact("link", "not known", Role::Unknown),
        }
        if info.is_some_and(|info| info.master_sync_in_progress) {
            doc.fact("sync", "copying the whole data set from its master", Role::Warning);
        }
        doc.fact("behind", node.lag_bytes.map_or("not known".into(), quantity::bytes), Role::Text);
        doc.known("applied", info.and_then(|info| info.replica_offset).map(|offset| format!("byte {offset} of the stream")));
        doc.known("priority", info.and_then(|info| info.replica_priority).map(|priority| priority.to_string()));
        return;
    }
    let Some(info) = info else { return doc.text("it has not told", Role::Muted) };
    doc.known("written", info.master_offset.map(|offset| format!("byte {offset} of the stream")));
    doc.known("backlog", info.backlog_bytes.map(quantity::bytes));
    if info.replicas.is_empty() {
        doc.fact("replicas", format!("{} none connected", ui.glyphs.warning), Role::Warning);
    }
    for (at, link) in info.replicas.iter().enumerate() {
        let lag = info.master_offset.map(|offset| quantity::bytes(offset.saturating_sub(link.offset))).unwrap_or_default();
        let role = if &*link.state == "online" { Role::Text } else { Role::Warning };
        let heard =
            link.lag_seconds.filter(|&seconds| seconds > 1).map_or(String::new(), |seconds| format!(", heard of {seconds} s ago"));
        let label = if at == 0 { "replicas" } else { "" };
        doc.fact(label, format!("{}:{}  {}  {lag} behind{heard}", link.host, link.port, link.state), role);
    }
}

/// The cluster in this node's own eyes.
fn view(ui: &Ui<'_>, node: &Node, doc: &mut Doc<'_, '_>) {
    doc.heading("The cluster in its eyes");
    if let Some(info) = node.cluster_info.as_deref() {
        let (text, role) = if info.ok { ("ok", Role::Ok) } else { ("fail", Role::Critical) };
        doc.fact("cluster", format!("{} {text}", if info.ok { ui.glyphs.ok } else { ui.glyphs.down }), role);
        let slots =
            format!("{} ok of {}, {} fail?, {} fail", info.slots_ok, info.slots_assigned, info.slots_pfail, info.slots_fail);
        doc.fact("slots", slots, Role::Text);
        doc.fact(
            "voters",
            format!("{} with slots, {} must agree", quantity::count(info.size, "master"), info.quorum()),
            Role::Text,
        );
        doc.fact("epoch", format!("{} now, its own {}", info.current_epoch, info.my_epoch), Role::Text);
    }
    let Some(view) = node.view.as_deref() else { return doc.text("it has not told", Role::Muted) };
    let others = || view.members.iter().filter(|member| member.id != node.id);
    let linked = others().filter(|member| member.link_up).count();
    let text = format!("{linked} of {} up", others().count());
    doc.fact("links", text, if linked == others().count() { Role::Text } else { Role::Warning });
    for member in others().filter(|member| !member.link_up || member.flags.failed || member.flags.suspected).take(12) {
        let mut words = vec![ui.app.model.label(member.id)];
        words.extend((!member.link_up).then(|| "link down".to_string()));
        words.extend(member.flags.suspected.then(|| "fail?".to_string()));
        words.extend(member.flags.failed.then(|| "fail".to_string()));
        doc.point(ui.glyphs.down, &words.join("  "), Role::Warning);
    }
    if let Some(at) = node.view_at.filter(|_| signs::stale(ui, node).is_some()) {
        doc.fact("told", format!("{} ago", quantity::span(age(ui.now, at))), Role::Stale);
    }
}

fn memory(info: &Info, doc: &mut Doc<'_, '_>) {
    doc.heading("Memory and disk");
    doc.known("used", info.used_memory.map(quantity::bytes));
    doc.known("resident", info.used_memory_rss.map(quantity::bytes));
    let limit = info.maxmemory.map(|limit| match (limit, info.maxmemory_policy.as_deref()) {
        (0, _) => "none".to_string(),
        (limit, Some(policy)) => format!("{}, then {policy}", quantity::bytes(limit)),
        (limit, None) => quantity::bytes(limit),
    });
    doc.known("limit", limit);
    doc.known("fragmentation", info.mem_fragmentation_ratio.map(|ratio| format!("{ratio:.2}")));
    if info.loading {
        doc.fact("loading", info.loading_percent.map_or("yes".into(), |percent| format!("{percent:.0} %")), Role::Warning);
    }
    let saved = info
        .rdb_last_save_ok
        .map(|ok| if ok { ("last snapshot worked", Role::Text) } else { ("last snapshot failed", Role::Critical) });
    if let Some((text, role)) = saved {
        doc.fact("snapshots", text, role);
    }
    if info.aof_last_write_ok == Some(false) {
        doc.fact("append log", "last write failed", Role::Critical);
    }
}

fn work(info: &Info, doc: &mut Doc<'_, '_>) {
    doc.heading("Clients, keys, commands");
    let limit = info.maxclients.map_or(String::new(), |limit| format!(" of {limit}"));
    doc.known("clients", info.connected_clients.map(|count| format!("{count}{limit}")));
    doc.known("blocked", info.blocked_clients.filter(|&count| count > 0).map(|count| count.to_string()));
    doc.known("rejected", info.rejected_connections.filter(|&count| count > 0).map(|count| count.to_string()));
    doc.fact("keys", info.keys.to_string(), Role::Text);
    doc.known("expired", info.expired_keys.map(|count| format!("{count} since it started")));
    doc.known("evicted", info.evicted_keys.map(|count| format!("{count} since it started")));
    let mut commands: Vec<_> = info.commands.iter().collect();
    commands.sort_by_key(|(name, (calls, _))| (std::cmp::Reverse(*calls), (*name).clone()));
    for (at, (name, (calls, usec))) in commands.into_iter().take(5).enumerate() {
        let label = if at == 0 { "most called" } else { "" };
        let each = if *calls > 0 { *usec as f64 / *calls as f64 } else { 0.0 };
        doc.fact(label, format!("{name:<18} {:>6}  {each:.1} µs each", format::number(*calls)), Role::Text);
    }
    let mut errors: Vec<_> = info.errors.iter().filter(|(_, count)| **count > 0).collect();
    errors.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    for (at, (name, count)) in errors.into_iter().take(5).enumerate() {
        doc.fact(if at == 0 { "errors" } else { "" }, format!("{name:<18} {:>6}", format::number(*count)), Role::Text);
    }
}
