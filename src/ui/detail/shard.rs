//! PURE. One shard: its slots, its nodes, and what happens when its master dies now.

use super::super::doc::Doc;
use super::super::{Ui, format};
use super::mention;
use crate::cluster::Shard;
use crate::plan;
use crate::quantity;
use crate::theme::Role;

pub(super) fn left(ui: &Ui<'_>, shard: &Shard, doc: &mut Doc<'_, '_>) {
    let model = &ui.app.model;
    doc.heading("Shard");
    doc.styled_fact("name", shard.name.to_string(), ui.shard(shard.name));
    let slots = if shard.slot_count == 0 { "none".to_string() } else { shard.slot_set().to_string() };
    doc.fact("slots", slots, Role::Text);
    doc.fact("count", format!("{} of 16384", shard.slot_count), Role::Text);
    let tally = model.rooms().in_slots(&shard.slot_set());
    let text = format!(
        "{} with {}, {}, {}",
        tally.rooms,
        quantity::count(tally.players, "player"),
        quantity::count(tally.keys, "key"),
        quantity::bytes(tally.bytes)
    );
    doc.fact("rooms", text, Role::Text);
    let open = model.topology().open.iter().filter(|open| shard.nodes().any(|id| id == open.node)).count();
    if open > 0 {
        doc.fact("open slots", format!("{} {open}", ui.glyphs.open), Role::Warning);
    }
    doc.heading("Nodes");
    match shard.master.and_then(|id| model.node(id)) {
        Some(master) => mention(ui, doc, "master", master, ""),
        None => doc.fact("master", format!("{} not known", ui.glyphs.down), Role::Critical),
    }
    for id in &shard.replicas {
        if let Some(node) = model.node(*id) {
            let lag = node.lag_bytes.map_or(String::new(), |lag| format!("{} behind", quantity::bytes(lag)));
            mention(ui, doc, "replica", node, &lag);
        }
    }
    if shard.replicas.is_empty() {
        doc.fact("replica", format!("{} none: its master's death would lose its data", ui.glyphs.warning), Role::Warning);
    }
    for id in &shard.former {
        if let Some(node) = model.node(*id) {
            mention(ui, doc, "was master", node, "");
        }
    }
}

pub(super) fn right(ui: &Ui<'_>, shard: &Shard, doc: &mut Doc<'_, '_>) {
    let Some(succession) = plan::succession(&ui.app.model, shard.name, ui.now) else { return };
    doc.heading(if succession.silent.is_some() { "Its master is silent" } else { "If its master dies now" });
    match &succession.winner_address {
        Some(winner) => doc.fact("takes over", format!("{} {winner}", ui.glyphs.ok), Role::Ok),
        None => doc.fact("takes over", format!("{} nobody", ui.glyphs.down), Role::Critical),
    }
    if let Some((from, to)) = succession.gap {
        doc.fact("writes stop", format::between(from, to, ui.glyphs.dash), Role::Text);
    }
    if let Some(silent) = succession.silent {
        doc.fact("silent for", quantity::span(silent), Role::Critical);
    }
    let risk =
        succession.bytes_at_risk.map_or("not known".into(), |bytes| format!("{} not yet on the winner", quantity::bytes(bytes)));
    doc.fact("at risk", risk, if succession.bytes_at_risk == Some(0) { Role::Text } else { Role::Warning });
    let votes = format!(
        "{} of {} can vote, {} must",
        succession.votes.alive,
        quantity::count(succession.votes.voters, "master"),
        succession.votes.needed
    );
    doc.fact("votes", votes, if succession.votes.suffice() { Role::Text } else { Role::Critical });
    let tally = succession.impact.tally;
    doc.fact(
        "who notices",
        format!("{}, {}", quantity::count(tally.rooms, "room"), quantity::count(tally.players, "player")),
        Role::Text,
    );
    if succession.assumed_timeout {
        doc.fact("", "no node has told its node timeout: the servers' default is assumed", Role::Muted);
    }
    doc.heading("Candidates");
    if succession.candidates.is_empty() {
        doc.text("no replica", Role::Warning);
    }
    for candidate in &succession.candidates {
        let lag = candidate.deficit.bytes.map_or("lag not known".into(), |bytes| format!("{} behind", quantity::bytes(bytes)));
        match &candidate.obstacle {
            None => doc.fact(&format!("rank {}", candidate.rank), format!("{}  {lag}", candidate.address), Role::Text),
            Some(why) => doc.fact("not standing", format!("{}  {why}", candidate.address), Role::Warning),
        }
    }
}
