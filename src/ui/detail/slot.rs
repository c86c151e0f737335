//! PURE. One slot: who owns it in whose eyes, whether it is open, what lies in it.

use super::super::doc::Doc;
use super::super::{Ui, rooms};
use super::mention;
use crate::cluster::{NodeId, OpenDirection};
use crate::quantity;
use crate::theme::Role;

/// Rooms of the slot that are listed.
const LISTED: usize = 30;

pub(super) fn left(ui: &Ui<'_>, slot: u16, doc: &mut Doc<'_, '_>) {
    let model = &ui.app.model;
    let topology = model.topology();
    doc.heading("Slot");
    doc.fact("number", format!("{slot}  (0x{slot:04x})"), Role::Text);
    match rooms::owner(ui, slot) {
        Some((node, served)) => {
            if let Some(name) = node.shard {
                doc.styled_fact("shard", name.to_string(), ui.shard(name));
            }
            mention(ui, doc, "owner", node, "");
            let text = if served {
                format!("{} yes", ui.glyphs.ok)
            } else {
                format!("{} no: its owner {}", ui.glyphs.down, node.health.says())
            };
            doc.fact("served", text, if served { Role::Ok } else { Role::Critical });
        }
        None => doc.fact("owner", format!("{} nobody", ui.glyphs.down), Role::Critical),
    }
    doc.fact("keys", model.slot_keys(slot).map_or("not counted yet".into(), |keys| keys.to_string()), Role::Text);

    doc.heading("Open");
    let mut opened = topology.open.iter().filter(|open| open.slot == slot).peekable();
    if opened.peek().is_none() {
        doc.text("no, neither migrating nor importing anywhere", Role::Text);
    }
    for open in opened {
        let (sign, way) = match open.direction {
            OpenDirection::Migrating => (ui.glyphs.migrating, "is giving it away to"),
            OpenDirection::Importing => (ui.glyphs.importing, "is taking it over from"),
        };
        doc.point(sign, &format!("{} {way} {}", model.label(open.node), model.label(open.peer)), Role::Warning);
    }
    if let Some(conflict) = topology.conflicts.iter().find(|conflict| conflict.slot == slot) {
        let names: Vec<String> = conflict.claimants.iter().map(|id| model.label(*id)).collect();
        doc.point(ui.glyphs.down, &format!("claimed by {}", names.join(" and ")), Role::Critical);
    }

    doc.heading("Who says what");
    for opinion in model.opinions() {
        let owner = opinion.owners.iter().find(|(_, ranges)| ranges.iter().any(|range| range.contains(slot))).map(|(id, _)| *id);
        let says = owner.map_or("nobody owns it".into(), |id| format!("{} owns it", model.label(id)));
        doc.fact(&who(opinion.nodes.len()), format!("{says}  ({})", some(ui, &opinion.nodes)), Role::Text);
    }
}

fn who(count: usize) -> String {
    format!("{} {}", quantity::count(count, "node"), if count == 1 { "says" } else { "say" })
}

/// A few names, and how many more.
pub(super) fn some(ui: &Ui<'_>, ids: &[NodeId]) -> String {
    let names: Vec<String> = ids.iter().take(3).map(|id| ui.app.model.label(*id)).collect();
    let more = ids.len().saturating_sub(names.len());
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

pub(super) fn right(ui: &Ui<'_>, slot: u16, doc: &mut Doc<'_, '_>) {
    let tally = ui.app.model.rooms().in_slot(slot);
    doc.heading("Rooms");
    if tally.rooms == 0 {
        return doc.text("none found in this slot", Role::Muted);
    }
    doc.fact("rooms", format!("{} with {}", tally.rooms, quantity::count(tally.players, "player")), Role::Text);
    doc.fact("their keys", format!("{}, {}", tally.keys, quantity::bytes(tally.bytes)), Role::Text);
    doc.blank();
    for room in ui.app.model.rooms().iter().filter(|room| room.slot == slot).take(LISTED) {
        let text = format!("{:<12} {}  {}", room.phase, quantity::count(room.players, "player"), quantity::bytes(room.size_bytes));
        doc.fact(&room.code, text, Role::Text);
    }
}
