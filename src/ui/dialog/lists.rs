//! PURE. Dialogs to choose from: what to do with a node, and where to move things.

use ratatui::style::Style;
use ratatui::text::Span;

use super::super::doc::Doc;
use super::super::{Ui, format, signs};
use crate::app::{App, Way, in_flight};
use crate::cluster::{NodeId, ShardName, SlotSet};
use crate::plan::Unfinished;
use crate::quantity;
use crate::theme::Role;

/// The sign of the entry under the cursor, and the style of a line with it.
fn pointed<'u>(ui: &'u Ui<'_>, here: bool) -> (&'u str, impl Fn(Style) -> Style) {
    let selection = ui.style(Role::Selection);
    (if here { ui.glyphs.cursor } else { " " }, move |style: Style| if here { style.patch(selection) } else { style })
}

pub(super) fn node_menu(ui: &Ui<'_>, app: &App, id: NodeId, cursor: usize, doc: &mut Doc<'_, '_>) {
    if let Some(node) = app.model.node(id) {
        let sign = signs::node(ui, node);
        let text = if sign.text.is_empty() { "up" } else { &sign.text };
        let shard = node.shard.map_or(String::new(), |name| format!(" of shard {name}"));
        doc.text(&format!("{} {text}   {}{shard}", sign.glyph, node.role), sign.role);
        doc.blank();
    }
    let items = app.node_menu(id);
    let first_not = items.iter().position(|item| item.disabled.is_some());
    let is_sorted = items.iter().skip(first_not.unwrap_or(0)).all(|item| item.disabled.is_some());
    for (at, item) in items.into_iter().enumerate() {
        // What cannot be done stands apart.
        if is_sorted && at > 0 && first_not == Some(at) {
            doc.blank();
        }
        let (sign, style) = pointed(ui, at == cursor);
        doc.entry();
        let (key, word, says) = match item.disabled {
            Some(_) => (Role::Disabled, Role::Disabled, Role::Disabled),
            None => (Role::Accent, Role::Text, Role::Muted),
        };
        // Why it cannot be done is worth more than what it would do.
        let text = item.disabled.unwrap_or(&item.says);
        doc.line(vec![
            Span::styled(format!("{sign} "), style(ui.style(Role::Focus))),
            Span::styled(format!("{} ", item.key), style(ui.style(key))),
            Span::styled(format!("{:<10}", item.word), style(ui.style(word))),
            Span::styled(format!("{text:<64}"), style(ui.style(says))),
        ]);
    }
    doc.blank();
}

pub(super) fn targets(
    ui: &Ui<'_>,
    app: &App,
    rooms: usize,
    slots: &SlotSet,
    masters: &[NodeId],
    cursor: usize,
    doc: &mut Doc<'_, '_>,
) {
    let tally = app.model.rooms().in_slots(slots);
    let text = format!(
        "{}, {} with {}, {}",
        quantity::count(slots.len(), "slot"),
        quantity::count(tally.rooms, "room"),
        quantity::count(tally.players, "player"),
        // No room takes nothing: none of these is known, or none was looked at.
        if tally.bytes == 0 { "size not known".into() } else { quantity::bytes(tally.bytes) }
    );
    doc.fact("moves", text, Role::Text);
    if rooms > 0 && tally.rooms > rooms as u64 {
        let text = match tally.rooms - rooms as u64 {
            1 => "a room is its slot: another room shares it and moves too".to_string(),
            others => format!("a room is its slot: {others} others share it and move too"),
        };
        doc.point(ui.glyphs.warning, &text, Role::Warning);
    }
    doc.heading("To which master?");
    for (at, id) in masters.iter().enumerate() {
        // Entries keep their place in the list, also when one of them has gone.
        doc.entry();
        let Some(node) = app.model.node(*id) else { continue };
        let (sign, style) = pointed(ui, at == cursor);
        let health = signs::node(ui, node);
        let shard = node.shard.map_or(String::new(), |name| name.to_string());
        let shard_style = node.shard.map_or(ui.style(Role::Muted), |name| ui.shard(name));
        let memory = node.memory_percent().map_or(String::new(), |(percent, _)| format!("memory {}", format::percent(percent)));
        doc.line(vec![
            Span::styled(format!("{sign} "), style(ui.style(Role::Focus))),
            Span::styled(format!("{shard:<3}"), style(shard_style)),
            Span::styled(format!("{} ", health.glyph), style(ui.style(health.role))),
            Span::styled(format!("{:<22}", node.address.to_string()), style(ui.style(Role::Master))),
            Span::styled(
                format!("{:>6} {:<5}   {memory:<14}", node.slot_count, quantity::plural(node.slot_count, "slot")),
                style(ui.style(Role::Muted)),
            ),
        ]);
    }
    doc.blank();
}

/// The replicas of a shard, the best first, and why some would not do.
pub(super) fn candidates(ui: &Ui<'_>, app: &App, shard: ShardName, replicas: &[NodeId], cursor: usize, doc: &mut Doc<'_, '_>) {
    let succession = crate::plan::succession(&app.model, shard, ui.now);
    if let Some(master) = succession.as_ref().and_then(|succession| succession.master) {
        doc.fact("master now", app.model.label(master), Role::Text);
    }
    doc.heading("Which replica shall be master?");
    for (at, id) in replicas.iter().enumerate() {
        doc.entry();
        let Some(node) = app.model.node(*id) else { continue };
        let (sign, style) = pointed(ui, at == cursor);
        let health = signs::node(ui, node);
        let known = succession.as_ref().and_then(|succession| succession.candidates.iter().find(|one| one.node == *id));
        let says = match known.and_then(|one| one.obstacle.as_ref()) {
            Some(obstacle) => obstacle.to_string(),
            None => match known.and_then(|one| one.deficit.bytes) {
                Some(0) => "in sync".to_owned(),
                Some(lag) => format!("{} behind", quantity::bytes(lag)),
                None => "nobody knows how far behind".to_owned(),
            },
        };
        doc.line(vec![
            Span::styled(format!("{sign} "), style(ui.style(Role::Focus))),
            Span::styled(format!("{} ", health.glyph), style(ui.style(health.role))),
            Span::styled(format!("{:<22}", node.address.to_string()), style(ui.style(Role::Replica))),
            Span::styled(format!("{says:<50}"), style(ui.style(Role::Muted))),
        ]);
    }
    doc.blank();
}

pub(super) fn leftover(ui: &Ui<'_>, app: &App, all: &[Unfinished], way: Way, doc: &mut Doc<'_, '_>) {
    for one in all {
        doc.fact("begun", format!("{}, and it did not end", one.began), Role::Warning);
        doc.fact("operation", one.intent.clone(), Role::Text);
        doc.fact("came to", one.clone().seen_in(&app.model).progress(), Role::Text);
        doc.blank();
    }
    let slots = in_flight(all);
    let open: SlotSet = app.model.topology().open_slots().iter().filter(|&slot| slots.contains(slot)).collect();
    let listed = |slots: &SlotSet| format!("{}  ({})", slots.len(), super::super::topology::ranges(ui, &slots.ranges()));
    let (on_their_way, seen) = match (slots.is_empty(), open.is_empty()) {
        (true, _) => ("no slot was on its way".into(), None),
        (false, true) => (listed(&slots), Some(("none as far as is known".into(), Role::Ok))),
        (false, false) => (listed(&slots), Some((listed(&open), Role::Warning))),
    };
    doc.fact("may be open", on_their_way, Role::Text);
    if let Some((text, role)) = seen {
        doc.fact("open now", text, role);
    }
    doc.heading("What now?");
    for one in Way::ALL {
        let (sign, style) = pointed(ui, one == way);
        doc.entry();
        doc.line(vec![
            Span::styled(format!("{sign} "), style(ui.style(Role::Focus))),
            Span::styled(format!("{} ", one.key()), style(ui.style(Role::Accent))),
            Span::styled(format!("{:<10}", one.word()), style(ui.style(Role::Text))),
            Span::styled(format!("{:<64}", one.says(!open.is_empty())), style(ui.style(Role::Muted))),
        ]);
    }
    doc.blank();
}
