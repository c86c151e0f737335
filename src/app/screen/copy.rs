//! PURE. What `y` copies: the thing under the cursor, in the form in which it is useful elsewhere.

use crate::app::{App, Item, Page};
use crate::plan::Intent;

/// The shell command that does the same.
pub(crate) fn shell(invocation: &str, intent: &Intent) -> String {
    format!("{invocation} {intent}")
}

/// The text for the clipboard; None when nothing is selected.
pub(crate) fn text(app: &App) -> Option<String> {
    if let Page::Operation(id) = app.screen.view() {
        return app.operation(*id).map(|operation| shell(&app.settings.invocation, &operation.plan.intent));
    }
    match app.selected() {
        Some(Item::Node(id)) => Some(app.model.label(id)),
        Some(Item::Shard(name)) => {
            let shard = app.model.topology().shard(name)?;
            Some(shard.slot_set().to_string())
        }
        Some(Item::Room(code)) => Some(code.to_string()),
        Some(Item::Alert(id) | Item::Follow(id)) => {
            let alert = app.monitor.log.alerts().iter().find(|alert| alert.id == id)?;
            Some(format!("{} {} {}", alert.finding.rule, alert.finding.label, alert.finding.message))
        }
        Some(Item::Operation(id)) => app.operation(id).map(|operation| shell(&app.settings.invocation, &operation.plan.intent)),
        None if app.on_slots() => Some(app.chosen_slots().to_string()),
        None => None,
    }
}
