//! PURE. Which nodes agree on the owners of slots, which do not, and which nodes reach which.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;

use super::doc::{self, Doc};
use super::{Ui, pane};
use crate::app::layout;
use crate::cluster::{NodeId, Opinion, SlotRange, View};
use crate::quantity;
use crate::theme::Role;

/// More nodes than this make no readable matrix.
const MATRIX: usize = 40;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let speakers: Vec<(NodeId, &View)> = ui.app.model.views().collect();
    let opinions = ui.app.model.opinions();
    let role = if opinions.len() > 1 { Role::Warning } else { Role::Muted };
    let text = quantity::count(opinions.len(), "opinion");
    pane::frame(ui, true, "Views", vec![Span::styled(text, ui.style(role))], area, buf);
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    if opinions.is_empty() {
        return pane::empty(ui, "no node has told its view", inside, buf);
    }
    let mut doc = Doc::new(ui, inside.width);
    agreement(ui, &opinions, speakers.len(), &mut doc);
    owners(ui, &opinions, &mut doc);
    links(ui, &speakers, &mut doc);
    doc::show(ui, &doc.lines, ui.screen.scroll, inside, buf);
}

fn letter(opinion: usize) -> char {
    u8::try_from(opinion).ok().and_then(|n| char::from_digit(u32::from(n) + 1, 36)).unwrap_or('?')
}

fn agreement(ui: &Ui<'_>, opinions: &[Opinion], speakers: usize, doc: &mut Doc<'_, '_>) {
    doc.heading("Agreement");
    if opinions.len() == 1 {
        let says = match speakers {
            1 => "the one node that answers says who owns which slots".to_string(),
            _ => format!("all {speakers} nodes that answer agree on who owns which slots"),
        };
        doc.point(ui.glyphs.ok, &says, Role::Ok);
    } else {
        let says = format!("the {speakers} nodes that answer disagree on who owns which slots: {} opinions", opinions.len());
        doc.point(ui.glyphs.warning, &says, Role::Warning);
    }
    let silent = ui.app.model.nodes().filter(|node| !node.health.is_alive()).count();
    if silent > 0 {
        doc.point(ui.glyphs.down, &format!("{silent} do not answer and have no say here"), Role::Muted);
    }
    if opinions.len() > 1 {
        for (at, opinion) in opinions.iter().enumerate() {
            let names: Vec<String> = opinion.nodes.iter().take(12).map(|id| ui.app.model.label(*id)).collect();
            let more = opinion.nodes.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            doc.fact(
                &format!("opinion {} ({})", letter(at), opinion.nodes.len()),
                format!("{}{more}", names.join("  ")),
                Role::Text,
            );
        }
    }
}

/// One line an owner, one column a opinion: the slots that this opinion says it owns.
fn owners(ui: &Ui<'_>, opinions: &[Opinion], doc: &mut Doc<'_, '_>) {
    doc.heading("Who owns what, by opinion");
    let mut owners: Vec<NodeId> = opinions.iter().flat_map(|opinion| opinion.owners.iter().map(|(id, _)| *id)).collect();
    owners.sort_by_key(|id| (ui.app.model.node(*id).and_then(|node| node.shard), ui.app.model.label(*id)));
    owners.dedup();
    let shown = opinions.iter().take(4).enumerate();
    let mut head = vec![Span::styled(format!("  {:<24}", "owner"), ui.style(Role::Muted))];
    head.extend(shown.clone().map(|(at, opinion)| {
        Span::styled(
            format!("{:<26}", format!("opinion {} ({})", letter(at), quantity::count(opinion.nodes.len(), "node"))),
            ui.style(Role::Muted),
        )
    }));
    doc.line(head);
    for owner in owners {
        let ranges = |opinion: &Opinion| opinion.owners.iter().find(|(id, _)| *id == owner).map(|(_, ranges)| ranges.clone());
        let first = opinions.first().and_then(ranges);
        let shard = ui.app.model.node(owner).and_then(|node| node.shard);
        let name = shard.map_or(String::new(), |name| name.to_string());
        let style = shard.map_or(ui.style(Role::Muted), |name| ui.shard(name));
        let mut line = vec![
            Span::styled(format!("  {name:<2} "), style.add_modifier(Modifier::BOLD)),
            Span::styled(format!("{:<21}", ui.app.model.label(owner)), ui.style(Role::Text)),
        ];
        for (_, opinion) in shown.clone() {
            let here = ranges(opinion);
            let role = if here == first { Role::Text } else { Role::Warning };
            let text = here.map_or("nothing".into(), |ranges| short(ui, &ranges));
            line.push(Span::styled(format!("{text:<26}"), ui.style(role)));
        }
        doc.line(line);
    }
}

fn short(ui: &Ui<'_>, ranges: &[SlotRange]) -> String {
    let total: u32 = ranges.iter().map(|range| u32::from(range.len())).sum();
    format!("{} ({total})", super::topology::ranges(ui, ranges))
}

/// Who reaches whom, by the speakers' own words.
fn links(ui: &Ui<'_>, speakers: &[(NodeId, &View)], doc: &mut Doc<'_, '_>) {
    let mut nodes: Vec<NodeId> = ui.app.model.nodes().map(|node| node.id).collect();
    nodes.sort_by_key(|id| ui.app.model.node(*id).map(|node| node.address.clone()));
    if nodes.len() > MATRIX {
        return;
    }
    doc.heading("Who reaches whom");
    let mut head = vec![Span::styled(format!("  {:<24}", "says of"), ui.style(Role::Muted))];
    head.extend((1..=nodes.len()).map(|number| Span::styled(format!("{number:>3}"), ui.style(Role::Muted))));
    doc.line(head);
    for (number, id) in (1..).zip(&nodes) {
        let view = speakers.iter().find(|(speaker, _)| speaker == id).map(|(_, view)| *view);
        let mut line = vec![
            Span::styled(format!("  {number:>2} "), ui.style(Role::Muted)),
            Span::styled(format!("{:<21}", ui.app.model.label(*id)), ui.style(Role::Text)),
        ];
        match view {
            None => line.push(Span::styled("  does not answer", ui.style(Role::Critical))),
            Some(view) => line.extend(nodes.iter().map(|other| {
                let (text, role) = opinion(ui, *id, *other, view);
                Span::styled(format!("{text:>3}"), ui.style(role))
            })),
        }
        doc.line(line);
    }
    doc.blank();
    let g = ui.glyphs;
    let legend = format!("{} reached   ? suspected (fail?)   {} failed   x link down   - not known", g.ok, g.down);
    doc.text(&legend, Role::Muted);
}

fn opinion(ui: &Ui<'_>, speaker: NodeId, other: NodeId, view: &View) -> (&'static str, Role) {
    if speaker == other {
        return (ui.glyphs.dot, Role::Muted);
    }
    match view.member(other) {
        None => ("-", Role::Warning),
        Some(member) if member.flags.failed => (ui.glyphs.down, Role::Critical),
        Some(member) if member.flags.suspected => ("?", Role::Warning),
        Some(member) if !member.link_up => ("x", Role::Warning),
        Some(_) => (ui.glyphs.ok, Role::Ok),
    }
}
