//! PURE. Dialogs: a box in the middle, its text, and buttons of which Cancel comes first.

mod lists;
pub(super) mod plan;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::doc::{self, Doc};
use super::pen::Pen;
use super::{Ui, pane, signs};
use crate::app::layout;
use crate::app::{App, Button, Dialog, DialogKind, Fault, Shown, Way};
use crate::cluster::NodeId;
use crate::theme::Role;

/// As wide as a text is easy to read.
const WIDTH: u16 = 84;

/// Draws it, and says which of its choices can be seen.
pub(super) fn draw(ui: &Ui<'_>, app: &App, dialog: &Dialog, area: Rect, buf: &mut Buffer) -> Shown {
    let width = WIDTH.min(area.width.saturating_sub(4)).max(area.width.min(20));
    let mut doc = Doc::new(ui, width.saturating_sub(4));
    let (title, confirm) = text(ui, app, dialog, &mut doc);
    let field = if dialog.wants_name() { 2 } else { 0 };
    let buttons = if confirm.is_some() { 2 } else { 1 };
    let lines = u16::try_from(doc.lines.len()).unwrap_or(u16::MAX);
    let height = lines.saturating_add(field + buttons + 2).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    Clear.render(place, buf);
    buf.set_style(place, ui.style(Role::Text));
    let planning = dialog.replanning.then(|| Span::styled("planning it in another way", ui.style(Role::Warning)));
    pane::frame(ui, true, &title, planning.into_iter().collect(), place, buf);
    let inside = layout::inner(place);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    let text_area = Rect { height: inside.height.saturating_sub(field + buttons), ..inside };
    // The entry under the cursor is brought into sight.
    let height = usize::from(text_area.height);
    let at = cursor(&dialog.kind).and_then(|cursor| doc.entries.get(cursor)).copied();
    let scroll = at.map_or(usize::from(dialog.scroll), |line| (line + 1).saturating_sub(height));
    let first = doc::show(ui, &doc.lines, scroll, text_area, buf);
    let visible = |line: &usize| (first..first + height).contains(line);
    let entries = doc.entries.iter().enumerate().filter(|(_, line)| visible(line)).map(|(entry, _)| entry).collect();
    let mut shown = Shown { buttons: false, entries };
    let mut rest = Rect { y: text_area.bottom(), height: inside.bottom().saturating_sub(text_area.bottom()), ..inside };
    let mut readable = text_area.height > 0;
    if field > 0 {
        readable &= rest.height >= field;
    }
    if field > 0 && rest.height >= field {
        self::field(ui, app, dialog, rest, buf);
        rest = Rect { y: rest.y + field, height: rest.height - field, ..rest };
    }
    if let Some(confirm) = confirm {
        shown.buttons = self::buttons(ui, dialog, dialog.is_ready(&app.model.name), confirm, rest, buf) && readable;
    } else if rest.height > 0 {
        let says = match dialog.kind {
            DialogKind::NodeMenu { .. }
            | DialogKind::ChooseTarget { .. }
            | DialogKind::ChooseCandidate { .. }
            | DialogKind::Leftover { .. } => "enter chooses   esc cancels",
            _ => "esc closes",
        };
        Pen::new(buf, rest, rest.height - 1, "").put(says, ui.style(Role::Muted));
    }
    shown
}

/// The entry under the cursor, of a dialog to choose from.
fn cursor(kind: &DialogKind) -> Option<usize> {
    match kind {
        DialogKind::NodeMenu { cursor, .. }
        | DialogKind::ChooseTarget { cursor, .. }
        | DialogKind::ChooseCandidate { cursor, .. } => Some(*cursor),
        DialogKind::Leftover { way, .. } => Way::ALL.iter().position(|one| one == way),
        _ => None,
    }
}

/// The dialog's title and text, and the word on its Confirm button when it has one.
fn text(ui: &Ui<'_>, app: &App, dialog: &Dialog, doc: &mut Doc<'_, '_>) -> (String, Option<&'static str>) {
    match &dialog.kind {
        DialogKind::Confirm(plan) => {
            plan::text(ui, plan, doc);
            (plan.intent.name().to_string(), Some("Do it"))
        }
        DialogKind::Refused { title, refusal } => {
            if !refusal.fulfilled {
                doc.point(ui.glyphs.down, "It cannot be done. Nothing was changed.", Role::Critical);
                doc.blank();
            }
            for reason in &refusal.reasons {
                doc.point(ui.glyphs.dot, reason, Role::Text);
            }
            doc.blank();
            (title.clone(), None)
        }
        DialogKind::Planning { title } => {
            doc.text("Looking at what would have to be done …", Role::Text);
            doc.blank();
            (title.clone(), None)
        }
        DialogKind::NodeMenu { node, cursor } => {
            lists::node_menu(ui, app, *node, *cursor, doc);
            (app.model.label(*node), None)
        }
        DialogKind::Fault { node, fault } => {
            self::fault(ui, app, *node, *fault, doc);
            (format!("{} {}", fault.word(), app.model.label(*node)), Some(fault_word(*fault)))
        }
        DialogKind::Leftover { all, way } => {
            lists::leftover(ui, app, all, *way, doc);
            ("Left unfinished".into(), None)
        }
        DialogKind::ChooseTarget { title, codes, slots, masters, cursor } => {
            lists::targets(ui, app, codes.len(), slots, masters, *cursor, doc);
            (title.clone(), None)
        }
        DialogKind::ChooseCandidate { shard, mode, replicas, cursor } => {
            lists::candidates(ui, app, *shard, replicas, *cursor, doc);
            (format!("failover of shard {shard}, {}", mode.word()), None)
        }
        DialogKind::Unlock => {
            let why = if app.settings.protected { "protected" } else { "read-only" };
            doc.text(&format!("{} is {why}: nothing on it can be changed from here.", app.model.name), Role::Text);
            doc.text("Unlocked, it stays so until you quit.", Role::Text);
            doc.blank();
            ("Unlock".into(), Some("Unlock"))
        }
        DialogKind::Quit => {
            let running = app.operations.iter().filter(|operation| operation.is_running()).count();
            match running {
                0 if app.settings.demo => doc.text("The demo's servers and their files go away with it.", Role::Text),
                0 => doc.text("The cluster goes on as it is.", Role::Text),
                1 => doc.point(ui.glyphs.warning, "One operation is running: it stops at its next safe point.", Role::Warning),
                _ => doc.point(
                    ui.glyphs.warning,
                    &format!("{running} operations are running: they stop at their next safe point."),
                    Role::Warning,
                ),
            }
            doc.blank();
            ("Quit?".into(), Some("Quit"))
        }
    }
}

fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Kill => "Kill it",
        Fault::Freeze => "Freeze it",
        Fault::Thaw => "Thaw it",
        Fault::Restart => "Restart it",
    }
}

fn fault(ui: &Ui<'_>, app: &App, id: NodeId, fault: Fault, doc: &mut Doc<'_, '_>) {
    let Some(node) = app.model.node(id) else { return doc.text("This node is not there any more.", Role::Warning) };
    let sign = signs::node(ui, node);
    doc.fact("node", format!("{} {}  {}", sign.glyph, node.address, node.role), Role::Text);
    let does = match fault {
        Fault::Kill => "kill -9: the process ends at once, nothing is saved",
        Fault::Freeze => "SIGSTOP: connections are accepted and nothing answers",
        Fault::Thaw => "SIGCONT: the process goes on where it was stopped",
        Fault::Restart => "the server is started again with its old files",
    };
    doc.fact("does", does, Role::Text);
    if let (Some(name), Fault::Kill | Fault::Freeze) = (node.shard.filter(|_| node.is_master() && node.slot_count > 0), fault)
        && let Some(succession) = crate::plan::succession(&app.model, name, ui.now)
    {
        plan::succession(ui, &succession, doc);
    }
    doc.blank();
}

/// The field in which the cluster's name has to be typed.
fn field(ui: &Ui<'_>, app: &App, dialog: &Dialog, area: Rect, buf: &mut Buffer) {
    let ready = dialog.is_ready(&app.model.name);
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    let wanted = dialog.wanted(&app.model.name).unwrap_or_default();
    pen.put("  type ", ui.style(Role::Muted)).put(&wanted, ui.style(Role::Master)).put(" to confirm: ", ui.style(Role::Muted));
    let role = if ready { Role::Ok } else { Role::Text };
    let room = pen.room().min(40);
    let x = pen.x;
    pen.left(&dialog.input, room, ui.style(role).add_modifier(Modifier::UNDERLINED));
    let cursor = x.saturating_add(u16::try_from(dialog.input.width()).unwrap_or(0)).min(area.right().saturating_sub(1));
    if let Some(cell) = buf.cell_mut((cursor, area.y)) {
        cell.modifier |= Modifier::REVERSED;
    }
}

/// True when both can be seen.
fn buttons(ui: &Ui<'_>, dialog: &Dialog, ready: bool, confirm: &str, area: Rect, buf: &mut Buffer) -> bool {
    if area.height == 0 {
        return false;
    }
    let style = |button: Button| match (dialog.focus == button, button == Button::Confirm && !ready) {
        (true, _) => ui.style(Role::Button),
        (false, true) => ui.style(Role::Disabled),
        (false, false) => ui.style(Role::Muted),
    };
    // The one with the focus has signs around it too, for screens without colour.
    let label = |button: Button, word: &str| match dialog.focus == button {
        true => format!("[> {word} <]"),
        false => format!("[  {word}  ]"),
    };
    let mut pen = Pen::new(buf, area, area.height - 1, "");
    pen.gap(2).put(label(Button::Cancel, "Cancel"), style(Button::Cancel)).gap(3);
    let label = label(Button::Confirm, confirm);
    let fits = usize::from(pen.room()) >= label.width();
    pen.put(label, style(Button::Confirm));
    fits
}
