//! PURE. One room: where it lives, who serves it, what it holds, and who shares its slot.

use super::super::doc::Doc;
use super::super::{Ui, format, rooms, signs};
use super::mention;
use crate::cluster::{Room, age};
use crate::quantity;
use crate::theme::Role;

pub(super) fn left(ui: &Ui<'_>, room: &Room, doc: &mut Doc<'_, '_>) {
    doc.heading("Room");
    doc.fact("code", room.code.to_string(), Role::Master);
    let phase = if room.phase.is_empty() { "it has none".to_string() } else { room.phase.to_string() };
    doc.fact("phase", phase, Role::Text);
    doc.fact("players", room.players.to_string(), Role::Text);
    doc.fact("keys", room.keys.to_string(), Role::Text);
    doc.fact("size", quantity::bytes(room.size_bytes), Role::Text);
    let ttl = room.ttl.map_or("it does not expire".into(), |ttl| format!("{} when it was seen", quantity::span(ttl)));
    doc.fact("time to live", ttl, Role::Text);
    let seen = age(ui.now, room.seen);
    doc.fact("seen", format!("{} ago", format::span(seen)), if seen.as_secs() > 60 { Role::Stale } else { Role::Text });
    doc.fact("its state", ui.app.settings.room_key.replace("{CODE}", &format!("{{{}}}", room.code)), Role::Muted);
}

pub(super) fn right(ui: &Ui<'_>, room: &Room, doc: &mut Doc<'_, '_>) {
    let model = &ui.app.model;
    doc.heading("Where it lives");
    doc.fact("slot", room.slot.to_string(), Role::Text);
    let owner = rooms::owner(ui, room.slot);
    let shard = owner.and_then(|(node, _)| node.shard).and_then(|name| model.topology().shard(name));
    if let Some(shard) = shard {
        doc.styled_fact("shard", shard.name.to_string(), ui.shard(shard.name));
    }
    match owner {
        Some((node, served)) => {
            mention(ui, doc, "master", node, "");
            if !served {
                doc.fact("", "players of this room are not served", Role::Critical);
            }
        }
        None => doc.fact("master", format!("{} nobody owns its slot", ui.glyphs.down), Role::Critical),
    }
    for id in shard.iter().flat_map(|shard| &shard.replicas) {
        if let Some(node) = model.node(*id) {
            let lag = node.lag_bytes.map_or(String::new(), |lag| format!("{} behind", quantity::bytes(lag)));
            mention(ui, doc, "replica", node, &lag);
        }
    }
    for open in model.topology().open.iter().filter(|open| open.slot == room.slot) {
        doc.point(ui.glyphs.open, &format!("its slot is open on {}", model.label(open.node)), Role::Warning);
    }
    let others = model.rooms().in_slot(room.slot).rooms.saturating_sub(1);
    let text = match others {
        0 => "no other room".to_string(),
        1 => "1 other room, which moves with it".to_string(),
        _ => format!("{others} other rooms, which move with it"),
    };
    doc.fact("shares with", text, Role::Text);
    if owner.is_some_and(|(node, _)| signs::stale(ui, node).is_some()) {
        doc.fact("", "its master has not answered lately: what is shown is from before", Role::Stale);
    }
}
